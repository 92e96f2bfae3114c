//! The inside of a JSON string: where it ends, and whether every byte of it may stand there.
//!
//! Nearly all bytes of a chat request are looked at here. Short plain strings and long ones go through the
//! vector code of `block` where the processor has it; [`walk`] is the plain reading of the rules, the way for
//! other processors, and the one that says what is wrong.

use super::block;
use super::scan::{Error, ErrorKind, fail};
use crate::base::ascii;

/// How far the inside of a string goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// To the quote at this offset.
    Closed(usize),
    /// Beyond the end of the text. Everything before this offset may stand there, and what follows begins anew:
    /// neither an escape nor a sequence of UTF-8 goes across it.
    Open(usize),
}

/// Reads the inside of a string on from `at`, where neither an escape nor a sequence is open. More of the text
/// may follow unless this is its `last` part.
#[inline]
pub(super) fn end(text: &[u8], at: usize, last: bool) -> Result<Inside, Error> {
    match block::short(text, at) {
        Some(end) => Ok(Inside::Closed(end)),
        None => long(text, at, last),
    }
}

#[inline(never)]
fn long(text: &[u8], at: usize, last: bool) -> Result<Inside, Error> {
    match block::end(text, at, last) {
        Some(inside) => Ok(inside),
        None => walk(text, at, last),
    }
}

/// [`end`] byte by byte, but for runs of plain ASCII.
pub(super) fn walk(text: &[u8], mut at: usize, last: bool) -> Result<Inside, Error> {
    loop {
        at += plain(&text[at.min(text.len())..]);
        let step = match text.get(at) {
            Some(b'"') => return Ok(Inside::Closed(at)),
            Some(b'\\') => escape(text, at + 1),
            Some(0..=0x1f) => Err(fail(text, at, ErrorKind::Control)),
            Some(0x20..=0x7f) => Ok(at + 1),
            Some(_) => match sequence(&text[at..]) {
                Some(len) => Ok(at + len),
                // It may be one that is not there as a whole.
                None if !last && text.len() - at < SEQUENCE_BYTES_MAX => return Ok(Inside::Open(at)),
                None => Err(fail(text, at, ErrorKind::Utf8)),
            },
            None => Err(fail(text, at, ErrorKind::End)),
        };
        at = match step {
            Ok(at) => at,
            Err(Error { kind: ErrorKind::End, .. }) if !last => return Ok(Inside::Open(at)),
            Err(error) => return Err(error),
        };
    }
}

const SEQUENCE_BYTES_MAX: usize = 4;

/// How many bytes at the start of `bytes` are surely plain: ASCII without control characters, quotes and
/// backslashes. Eight at a time; less than eight at the end of the text are left to the caller.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let words = bytes.chunks_exact(8);
    let len = bytes.len() - words.remainder().len();
    for (nth, word) in words.enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        // The top bit of a byte is set if the byte is 0, or above one that is: the lowest is right.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let stops = (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | controls | word) & TOPS;
        if stops != 0 {
            return nth * 8 + stops.trailing_zeros() as usize / 8;
        }
    }
    len
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

#[cfg(test)]
#[path = "string_test.rs"]
mod tests;
