//! One pass over a JSON text: is it valid, and where are the members of its top-level object.
//!
//! Accepted is exactly RFC 8259 in UTF-8, with three choices of weir: nesting is bounded by
//! [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX), a byte order mark is refused (§8.1), and duplicate names are accepted (§4; the
//! last one counts, see [`find`]). An escaped lone surrogate (`"\ud800"`) is valid by the grammar of §7 and
//! passes; only decoding replaces it.
//!
//! The pass itself is `walk`, which can also go over a text that is still arriving; the inside of strings, where
//! nearly all bytes of a chat history are, belongs to `string`.

use std::fmt;

use super::walk::Scan;
use crate::base::span::Span;

pub use super::members::{Elements, Members, behind, elements, find, members};

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
    Scan::object().advance(text, true, |name, value| member(text, name, value)).map(|_whole| ())
}

/// Validates `text` as one JSON value of any kind.
pub fn value(text: &[u8]) -> Result<(), Error> {
    Scan::value().advance(text, true, |_, _| {}).map(|_whole| ())
}

/// The first byte from `at` on that is not JSON whitespace (RFC 8259 §2).
#[inline]
pub(super) fn blank(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        // Nearly always nothing stands between.
        Some(byte) if *byte > b' ' => at,
        _ => behind_blanks(text, at),
    }
}

fn behind_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The error of `kind` at `at`; behind the last byte every kind is [`ErrorKind::End`].
#[cold]
pub(super) fn fail(text: &[u8], at: usize, kind: ErrorKind) -> Error {
    if at < text.len() { Error { at, kind } } else { Error { at: text.len(), kind: ErrorKind::End } }
}

#[cfg(test)]
#[path = "scan_test.rs"]
pub(super) mod tests;
