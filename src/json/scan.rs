//! One pass over a JSON text: is it valid, and where are the members of its top-level object.
//!
//! Accepted is exactly RFC 8259 in UTF-8, with three choices of weir: nesting is bounded by
//! [`limits::JSON_DEPTH_MAX`], a byte order mark is refused (§8.1), and duplicate names are accepted (§4; the
//! last one counts, see [`find`]). An escaped lone surrogate (`"\ud800"`) is valid by the grammar of §7 and
//! passes; only decoding replaces it.
//!
//! The walk keeps the kinds of the open containers in a bit stack, so depth costs neither recursion nor
//! memory. The inside of strings, where nearly all bytes of a chat history are, belongs to `string`.

use std::fmt;

use super::string;
use crate::base::span::Span;
use crate::limits;

pub use super::members::{Elements, Members, elements, find, members};

/// Why a text is not JSON, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Offset of the first byte that cannot stand where it stands; the length of the text if it ends too
    /// early; the first byte of the sequence for [`ErrorKind::Utf8`].
    pub at: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text ends before its value does.
    End,
    /// Valid so far, but the top level is not an object.
    NotObject,
    /// Something else where a value should begin.
    Value,
    /// Something else where a member name should begin.
    Name,
    /// No colon after a member name.
    Colon,
    /// Neither comma nor brace after a member.
    Brace,
    /// Neither comma nor bracket after an element.
    Bracket,
    /// No digit where a number needs one.
    Digit,
    /// A misspelt `true`, `false` or `null`.
    Literal,
    /// An escape that RFC 8259 §7 does not know.
    Escape,
    /// A control character inside a string.
    Control,
    /// Not UTF-8 inside a string.
    Utf8,
    /// The container that exceeds the nesting limit.
    Depth,
    /// Something after the value.
    Trailing,
    /// Longer than offsets of 32 bits reach.
    Length,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::End => "JSON ends too early",
            ErrorKind::NotObject => "expected a JSON object",
            ErrorKind::Value => "expected a JSON value",
            ErrorKind::Name => "expected a member name",
            ErrorKind::Colon => "expected ':'",
            ErrorKind::Brace => "expected ',' or '}'",
            ErrorKind::Bracket => "expected ',' or ']'",
            ErrorKind::Digit => "expected a digit",
            ErrorKind::Literal => "expected true, false or null",
            ErrorKind::Escape => "invalid escape in a string",
            ErrorKind::Control => "unescaped control character in a string",
            ErrorKind::Utf8 => "invalid UTF-8 in a string",
            ErrorKind::Depth => "JSON nested too deeply",
            ErrorKind::Trailing => "unexpected text after the JSON value",
            ErrorKind::Length => "JSON too long",
        };
        write!(f, "{what} at byte {}", self.at)
    }
}

impl std::error::Error for Error {}

/// Validates `text`, which must be an object, and tells each of its members in order as
/// `member(text, name, value)`: `name` is the inside of the quotes, still escaped; `value` the whole value.
///
/// Members are told while the rest is still unread, so they count only once this has returned `Ok`.
pub fn object(text: &[u8], mut member: impl FnMut(&[u8], Span, Span)) -> Result<(), Error> {
    let start = blank(text, 0);
    match text.get(start) {
        Some(b'{') => walk(text, start, |name, value| member(text, name, value)),
        Some(b'"' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            Err(Error { at: start, kind: ErrorKind::NotObject })
        }
        _ => Err(fail(text, start, ErrorKind::Value)),
    }
}

/// Validates `text` as one JSON value of any kind.
pub fn value(text: &[u8]) -> Result<(), Error> {
    walk(text, blank(text, 0), |_, _| {})
}

/// The kinds of the open containers, innermost in bit 0: set for an object.
#[derive(Default)]
struct Nest {
    objects: u128,
    depth: usize,
}

const _: () = assert!(limits::JSON_DEPTH_MAX <= u128::BITS as usize);

impl Nest {
    #[inline]
    fn open(&mut self, object: bool, at: usize) -> Result<(), Error> {
        if self.depth == limits::JSON_DEPTH_MAX {
            return Err(Error { at, kind: ErrorKind::Depth });
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline]
    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Walks the value at `at` and whatever blank follows it to the end of the text.
fn walk(text: &[u8], mut at: usize, mut member: impl FnMut(Span, Span)) -> Result<(), Error> {
    addressable(text)?;
    let mut nest = Nest::default();
    // Name and value at depth 1; deeper ones are nobody's business.
    let mut outer_name = Span::default();
    let mut outer_start = at;
    loop {
        if nest.depth == 1 {
            outer_start = at;
        }
        let mut named = false;
        match text.get(at) {
            Some(b'"') => at = string::end(text, at + 1)? + 1,
            Some(b'{') => {
                nest.open(true, at)?;
                at = blank(text, at + 1);
                named = text.get(at) != Some(&b'}');
                if !named {
                    at += 1;
                    nest.close();
                }
            }
            Some(b'[') => {
                nest.open(false, at)?;
                at = blank(text, at + 1);
                if text.get(at) != Some(&b']') {
                    continue;
                }
                at += 1;
                nest.close();
            }
            other => at = scalar(text, at, other.copied())?,
        }
        // A value has ended, or an object begun: leave what closes here, stop at the next value.
        while !named {
            if nest.depth == 0 {
                at = blank(text, at);
                return if at == text.len() { Ok(()) } else { Err(fail(text, at, ErrorKind::Trailing)) };
            }
            if nest.depth == 1 {
                member(outer_name, Span::new(outer_start, at));
            }
            at = blank(text, at);
            match (text.get(at), nest.in_object()) {
                (Some(b','), true) => {
                    at = blank(text, at + 1);
                    named = true;
                }
                (Some(b','), false) => {
                    at = blank(text, at + 1);
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    at += 1;
                    nest.close();
                }
                (_, true) => return Err(fail(text, at, ErrorKind::Brace)),
                (_, false) => return Err(fail(text, at, ErrorKind::Bracket)),
            }
        }
        if named {
            let (name, start) = name(text, at)?;
            at = start;
            if nest.depth == 1 {
                outer_name = name;
            }
        }
    }
}

/// Whether every offset fits a `Span`.
#[inline]
fn addressable(text: &[u8]) -> Result<(), Error> {
    match u32::try_from(text.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error { at: u32::MAX as usize, kind: ErrorKind::Length }),
    }
}

/// The end of the number or literal that begins at `at` with `first`.
#[inline]
fn scalar(text: &[u8], at: usize, first: Option<u8>) -> Result<usize, Error> {
    match first {
        Some(b'-' | b'0'..=b'9') => number(text, at),
        Some(b't') => literal(text, at, b"true"),
        Some(b'f') => literal(text, at, b"false"),
        Some(b'n') => literal(text, at, b"null"),
        _ => Err(fail(text, at, ErrorKind::Value)),
    }
}

/// The member name whose quote stands at `at`, and where its value begins.
#[inline]
fn name(text: &[u8], at: usize) -> Result<(Span, usize), Error> {
    if text.get(at) != Some(&b'"') {
        return Err(fail(text, at, ErrorKind::Name));
    }
    let end = string::end(text, at + 1)?;
    let colon = blank(text, end + 1);
    if text.get(colon) != Some(&b':') {
        return Err(fail(text, colon, ErrorKind::Colon));
    }
    Ok((Span::new(at + 1, end), blank(text, colon + 1)))
}

/// The first byte from `at` on that is not JSON whitespace (RFC 8259 §2).
#[inline]
pub(super) fn blank(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The end of the number at `at` (RFC 8259 §6).
fn number(text: &[u8], mut at: usize) -> Result<usize, Error> {
    at += usize::from(text[at] == b'-');
    // A zero stands alone: whatever follows it is not part of the number.
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(text, at + 1 + sign)?;
    }
    Ok(at)
}

/// The end of one or more digits at `at`.
#[inline]
fn digits(text: &[u8], start: usize) -> Result<usize, Error> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at == start { Err(fail(text, at, ErrorKind::Digit)) } else { Ok(at) }
}

/// The end of `word` at `at`.
#[inline]
fn literal(text: &[u8], at: usize, word: &[u8]) -> Result<usize, Error> {
    if text[at..].starts_with(word) {
        return Ok(at + word.len());
    }
    let same = text[at..].iter().zip(word).take_while(|(have, want)| have == want).count();
    Err(fail(text, at + same, ErrorKind::Literal))
}

/// The error of `kind` at `at`; behind the last byte every kind is [`ErrorKind::End`].
#[cold]
pub(super) fn fail(text: &[u8], at: usize, kind: ErrorKind) -> Error {
    if at < text.len() { Error { at, kind } } else { Error { at: text.len(), kind: ErrorKind::End } }
}

#[cfg(test)]
#[path = "scan_test.rs"]
pub(super) mod tests;
