//! The field `model` of a multipart form (RFC 7578), as audio and image endpoints take it.
//!
//! Only the spans of one field are found; files are passed over by their delimiter and never looked into.
//! What is malformed is left alone: the upstream judges the form.

use memchr::memmem;

use crate::base::ascii;
use crate::base::span::Span;
use crate::json::edit::{Edits, Patch};

/// The boundary of a `multipart/form-data` content type; nothing for another type.
pub fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let mut parts = content_type.split(|&byte| byte == b';').map(ascii::trim);
    if !parts.next()?.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let value = parts.find_map(|part| parameter(part, b"boundary"))?;
    // RFC 2046 §5.1.1: 1 to 70 characters.
    (1..=70).contains(&value.len()).then_some(value)
}

/// The value of `name=value` or `name="value"`.
fn parameter<'a>(part: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = part.split_at_checked(name.len())?;
    let value = ascii::trim(value).strip_prefix(b"=")?;
    let value = value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value);
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// Where the value of the first field called `name` stands in `body`.
pub fn field(body: &[u8], boundary: &[u8], name: &[u8]) -> Option<Span> {
    let mut delimiter = Vec::with_capacity(boundary.len() + 4);
    delimiter.extend_from_slice(b"\r\n--");
    delimiter.extend_from_slice(boundary);
    let finder = memmem::Finder::new(&delimiter);
    // The first delimiter may stand at the very beginning, without the CRLF before it.
    let mut at = match body.strip_prefix(&delimiter[2..]) {
        Some(_) => delimiter.len() - 2,
        None => finder.find(body)? + delimiter.len(),
    };
    loop {
        let part = body[at..].strip_prefix(b"\r\n")?;
        let start = body.len() - part.len();
        let end = start + finder.find(part)?;
        let head_end = memmem::find(&body[start..end], b"\r\n\r\n")?;
        if is_named(&body[start..start + head_end], name) {
            return Some(Span::new(start + head_end + 4, end));
        }
        at = end + delimiter.len();
    }
}

/// Whether a part's head is that of a plain field called `name`.
fn is_named(head: &[u8], name: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n').map(ascii::trim).any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut parts = line.split(|&byte| byte == b';').map(ascii::trim);
        let disposition = parts.next().and_then(|first| parameter_colon(first, b"content-disposition"));
        disposition.is_some_and(|kind| kind.eq_ignore_ascii_case(b"form-data"))
            && parts.any(|part| parameter(part, b"name") == Some(name))
    })
}

/// The value of `name: value`.
fn parameter_colon<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.strip_prefix(b":").map(ascii::trim)).flatten()
}

/// `body` with `value` at `span`. No edit where it stands there already.
pub fn splice<'a>(body: &'a [u8], span: Span, value: &'a str) -> Edits<'a> {
    let mut edits = Edits::new(body);
    if span.of(body) != value.as_bytes() {
        let outcome = edits.replace(span, Patch::Borrowed(value.as_bytes()));
        debug_assert!(outcome.is_ok(), "a single edit overlaps nothing");
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n\0\r\n--x\r\n--xx\r\n\
        content-disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--xx--\r\n";

    #[test]
    fn the_model_is_found_behind_a_file_that_looks_like_it() {
        let span = field(BODY, b"xx", b"model").expect("a model");
        assert_eq!(span.of(BODY), b"whisper-1");
        let edits = splice(BODY, span, "big");
        let mut out = Vec::new();
        edits.write_to(&mut out);
        assert_eq!(out.len(), edits.total_len());
        assert_eq!(memmem::find(&out, b"\r\n\r\nbig\r\n--xx--").map(|at| &out[..at]), Some(&BODY[..span.start as usize - 4]));
    }

    #[test]
    fn boundaries_are_read_quoted_and_plain() {
        assert_eq!(boundary(b"multipart/form-data; boundary=xx"), Some(&b"xx"[..]));
        assert_eq!(boundary(b"Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some(&b"a b"[..]));
        for other in [&b"application/json"[..], b"multipart/form-data", b"multipart/mixed; boundary=x", b"multipart/form-data; boundary="] {
            assert_eq!(boundary(other), None);
        }
    }

    #[test]
    fn what_is_no_form_has_no_field() {
        for body in [&b""[..], b"--xx", b"--xx\r\n", b"--xx--\r\n", b"{}", b"--xx\r\nno head\r\n--xx--"] {
            assert_eq!(field(body, b"xx", b"model"), None);
        }
    }
}
