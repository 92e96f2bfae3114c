//! Requests as forms: audio and image endpoints take `multipart/form-data` (RFC 7578), whose `model` field is
//! read and changed like the JSON member. Files between the fields are stepped over, not looked at.

use super::asked::{Asked, Body};
use crate::base::ascii;
use crate::base::span::Span;
use crate::json::edit::{Edits, Overlap, Patch};
use crate::protocol::path::Endpoint;

/// The body is not the form that its content type announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotForm;

/// Reads a form. `content_type` is the value of that field; `None` if it announces something else.
pub fn form(endpoint: Endpoint, content_type: &[u8], body: &[u8]) -> Option<Result<Asked, NotForm>> {
    let boundary = boundary(content_type)?;
    Some(fields(endpoint, boundary, body).ok_or(NotForm))
}

/// The boundary of `multipart/form-data; boundary=…`, at most 70 characters (RFC 2046 §5.1.1).
fn boundary(content_type: &[u8]) -> Option<&[u8]> {
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

fn fields(endpoint: Endpoint, boundary: &[u8], body: &[u8]) -> Option<Asked> {
    let delimiter = [b"--", boundary].concat();
    // A preamble is allowed by RFC 2046 and sent by nobody.
    if !body.starts_with(&delimiter) {
        return None;
    }
    let mut asked = Asked::new(endpoint, Body::Form { delimiter: Span::new(0, delimiter.len()) });
    let ends = memchr::memmem::Finder::new(&delimiter);
    let mut at = delimiter.len();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Some(asked);
        }
        let head_start = at + 2;
        let head = rest.strip_prefix(b"\r\n")?;
        // A part without fields has its empty line at once.
        let (head_len, value_start) = match head.starts_with(b"\r\n") {
            true => (0, head_start + 2),
            false => {
                let len = memchr::memmem::find(head, b"\r\n\r\n")?;
                (len, head_start + len + 4)
            }
        };
        let value_end = delimited(body, value_start, &ends)?;
        let value = Span::new(value_start, value_end);
        match field_name(&head[..head_len]) {
            Some(b"model") => asked.models.push(value),
            Some(b"stream") => asked.stream = Some(value.of(body).eq_ignore_ascii_case(b"true")),
            _ => {}
        }
        at = value_end + 2 + delimiter.len();
    }
}

/// Where the value ends that begins at `start`: before CRLF and the delimiter.
fn delimited(body: &[u8], start: usize, ends: &memchr::memmem::Finder<'_>) -> Option<usize> {
    let mut from = start;
    loop {
        let found = from + ends.find(body.get(from..)?)?;
        if found >= start + 2 && body[..found].ends_with(b"\r\n") {
            return Some(found - 2);
        }
        from = found + 1;
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
    use crate::protocol::sniff::splice;

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
