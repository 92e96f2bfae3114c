//! The inside of a JSON string: where it ends, and whether every byte of it may stand there.

use super::scan::{Error, ErrorKind, fail};
use crate::base::ascii;

/// The offset of the quote that closes the string whose inside begins at `at`.
#[inline]
pub(super) fn end(text: &[u8], at: usize) -> Result<usize, Error> {
    walk(text, at)
}

/// [`end`], byte by byte: what every faster way must agree with, and what finds the offset of an error.
pub(super) fn walk(text: &[u8], mut at: usize) -> Result<usize, Error> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => at = escape(text, at + 1)?,
            Some(0..=0x1f) => return Err(fail(text, at, ErrorKind::Control)),
            Some(0x20..=0x7f) => at += 1,
            Some(_) => match sequence(&text[at..]) {
                Some(len) => at += len,
                None => return Err(fail(text, at, ErrorKind::Utf8)),
            },
            None => return Err(fail(text, at, ErrorKind::End)),
        }
    }
}

/// The end of the escape whose backslash stands before `at` (RFC 8259 §7).
fn escape(text: &[u8], at: usize) -> Result<usize, Error> {
    match text.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => {
            let hex = |at: &usize| text.get(*at).copied().and_then(ascii::hex_digit).is_none();
            match (at + 1..at + 5).find(hex) {
                None => Ok(at + 5),
                Some(bad) => Err(fail(text, bad, ErrorKind::Escape)),
            }
        }
        _ => Err(fail(text, at, ErrorKind::Escape)),
    }
}

/// The length of the well-formed UTF-8 sequence of several bytes that `bytes` begins with (Unicode table 3-7).
fn sequence(bytes: &[u8]) -> Option<usize> {
    let (len, second) = match bytes.first()? {
        0xc2..=0xdf => (2, 0x80..=0xbf),
        0xe0 => (3, 0xa0..=0xbf),
        0xed => (3, 0x80..=0x9f),
        0xe1..=0xef => (3, 0x80..=0xbf),
        0xf0 => (4, 0x90..=0xbf),
        0xf1..=0xf3 => (4, 0x80..=0xbf),
        0xf4 => (4, 0x80..=0x8f),
        _ => return None,
    };
    let rest = bytes.get(1..len)?;
    let good = second.contains(&rest[0]) && rest[1..].iter().all(|byte| (0x80..=0xbf).contains(byte));
    good.then_some(len)
}
