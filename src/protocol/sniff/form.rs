//! Requests as forms: audio and image endpoints take `multipart/form-data` (RFC 7578), whose `model` field is
//! read and changed like the JSON member. Files between the fields are stepped over, not looked at.

use smallvec::SmallVec;

use super::asked::Asked;
use crate::base::ascii;
use crate::base::span::Span;
use crate::json::edit::{Edits, Overlap, Patch};
use crate::limits;

/// The boundary of `multipart/form-data; boundary=…`, at most 70 characters (RFC 2046 §5.1.1).
pub(super) fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let mut parts = content_type.split(|&byte| byte == b';').map(ascii::trim);
    if !parts.next()?.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let value = parts.find_map(|part| {
        let (name, value) = part.split_at_checked(b"boundary=".len())?;
        name.eq_ignore_ascii_case(b"boundary=").then_some(value)
    })?;
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (1..=70).contains(&value.len()).then_some(value)
}

/// A pass over a form, which stops where its text does and goes on when there is more of it.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// The first delimiter, without the line end before it.
    delimiter: SmallVec<[u8; 72]>,
    at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In front of the first delimiter.
    Start,
    /// Behind a delimiter.
    Delimiter { end: usize },
    /// In the value of a part; no delimiter begins before `searched`.
    Value { field: Field, start: usize, searched: usize },
    /// Behind the last delimiter.
    End,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Model,
    Stream,
    Other,
}

impl Parts {
    /// At the start of a form whose delimiters hold `boundary`.
    pub(super) fn new(boundary: &[u8]) -> Parts {
        let mut delimiter = SmallVec::from_slice(b"--");
        delimiter.extend_from_slice(boundary);
        Parts { delimiter, at: Place::Start }
    }

    /// The place of the first delimiter.
    pub(super) fn delimiter(&self) -> Span {
        Span::new(0, self.delimiter.len())
    }

    /// Goes on to the end of `body`, as `Scan::advance` does. Nothing if this is no form; else whether it has ended.
    pub(super) fn advance(&mut self, body: &[u8], last: bool, asked: &mut Asked) -> Option<bool> {
        loop {
            let next = match self.at {
                Place::Start => self.start(body)?,
                Place::Delimiter { end } => self.part(body, end)?,
                Place::Value { field, start, searched } => self.value(body, field, start, searched, asked),
                Place::End => return Some(true),
            };
            match next {
                Some(next) => self.at = next,
                None => return (!last).then_some(false),
            }
        }
    }

    /// A preamble is allowed by RFC 2046 and sent by nobody.
    fn start(&self, body: &[u8]) -> Option<Option<Place>> {
        let len = self.delimiter.len().min(body.len());
        match body[..len] == self.delimiter[..len] {
            true if len == self.delimiter.len() => Some(Some(Place::Delimiter { end: len })),
            true => Some(None),
            false => None,
        }
    }

    /// The head of the part behind the delimiter that ends at `end`, if it is not the last one.
    fn part(&self, body: &[u8], end: usize) -> Option<Option<Place>> {
        let rest = &body[end..];
        match rest {
            [b'-', b'-', ..] => return Some(Some(Place::End)),
            [b'\r', b'\n', _, _, ..] => {}
            [] | [b'-' | b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', _] => return Some(None),
            _ => return None,
        }
        let head = &rest[2..];
        // A part without fields has its empty line at once.
        if head.starts_with(b"\r\n") {
            let start = end + 4;
            return Some(Some(Place::Value { field: Field::Other, start, searched: start }));
        }
        let head = &head[..head.len().min(limits::PART_HEAD_BYTES_MAX)];
        let Some(len) = memchr::memmem::find(head, b"\r\n\r\n") else {
            return (head.len() < limits::PART_HEAD_BYTES_MAX).then_some(None);
        };
        let field = match field_name(&head[..len]) {
            Some(b"model") => Field::Model,
            Some(b"stream") => Field::Stream,
            _ => Field::Other,
        };
        let start = end + 2 + len + 4;
        Some(Some(Place::Value { field, start, searched: start }))
    }

    /// Looks for the end of a value: CRLF and the delimiter.
    fn value(&mut self, body: &[u8], field: Field, start: usize, searched: usize, asked: &mut Asked) -> Option<Place> {
        let mut from = searched;
        let ends = memchr::memmem::Finder::new(&self.delimiter);
        while let Some(at) = ends.find(&body[from..]) {
            let found = from + at;
            if found >= start + 2 && body[..found].ends_with(b"\r\n") {
                let value = Span::new(start, found - 2);
                match field {
                    Field::Model => asked.models.push(value),
                    Field::Stream => asked.stream = Some(value.of(body).eq_ignore_ascii_case(b"true")),
                    Field::Other => {}
                }
                return Some(Place::Delimiter { end: found + self.delimiter.len() });
            }
            from = found + 1;
        }
        let searched = from.max((body.len() + 1).saturating_sub(self.delimiter.len()));
        self.at = Place::Value { field, start, searched };
        None
    }
}

/// The `name` of a part's `content-disposition`.
fn field_name(head: &[u8]) -> Option<&[u8]> {
    let line = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(b"content-disposition:".len())?;
        name.eq_ignore_ascii_case(b"content-disposition:").then_some(value)
    })?;
    line.split(|&byte| byte == b';').map(|part| part.trim_ascii()).find_map(|part| {
        let name = part.strip_prefix(b"name=")?;
        Some(name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name))
    })
}

/// Puts `model` in place of every value, or a field in front if there is none.
pub(super) fn rewrite<'a>(
    asked: &Asked,
    delimiter: &[u8],
    model: Option<&'a str>,
    edits: &mut Edits<'a>,
) -> Result<(), Overlap> {
    let Some(model) = model else { return Ok(()) };
    // A value with a line end in it could hold a delimiter. No configured model has one.
    let model = model.split(['\r', '\n']).next().unwrap_or_default();
    for &span in &asked.models {
        edits.replace(span, model)?;
    }
    if asked.models.is_empty() {
        let head = b"\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n";
        edits.insert(0, Patch::from([delimiter, head, model.as_bytes(), b"\r\n"].concat()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::path::Endpoint;
    use crate::protocol::sniff::{NotForm, form, splice};

    const TYPE: &[u8] = b"multipart/form-data; boundary=\"x-y\"";
    const BODY: &[u8] = b"--x-y\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\
        Content-Type: audio/wav\r\n\r\n\0\r\n--x-\r\n--x\r\n--x-y\r\n\
        content-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x-y\r\n\
        content-disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--x-y--\r\n";

    fn read(body: &[u8]) -> Result<Asked, NotForm> {
        form(Endpoint::Audio, TYPE, body).unwrap()
    }

    fn spliced(body: &[u8], model: &str) -> Vec<u8> {
        let mut out = Vec::new();
        splice(&read(body).unwrap(), body, Some(model), false).write_to(&mut out);
        out
    }

    #[test]
    fn fields_are_read_and_changed() {
        let asked = read(BODY).unwrap();
        assert_eq!((&*asked.model(BODY), asked.streams()), ("whisper-1", true));
        let changed = spliced(BODY, "other/model");
        assert_eq!(read(&changed).unwrap().model(&changed), "other/model");
        assert_eq!(spliced(&changed, "whisper-1"), BODY);
    }

    #[test]
    fn a_missing_model_is_put_in_front() {
        let body = b"--x-y\r\n\r\nvalue\r\n--x-y--\r\n";
        assert_eq!(read(body).unwrap().model(body), "");
        let changed = spliced(body, "m\r\n--x-y--");
        assert_eq!(read(&changed).unwrap().model(&changed), "m");
        assert!(changed.ends_with(body));
    }

    #[test]
    fn a_form_cut_short_is_none() {
        for cut in 0..BODY.len() - b"--\r\n".len() {
            assert_eq!(read(&BODY[..cut]), Err(NotForm), "{cut}");
        }
        assert!(form(Endpoint::Audio, b"application/json", b"{}").is_none());
        assert!(form(Endpoint::Audio, b"multipart/form-data", b"").is_none());
        assert!(form(Endpoint::Audio, b"Multipart/Form-Data;charset=x; Boundary=b", b"").is_some());
    }
}
