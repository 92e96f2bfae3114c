//! Values that stay as they were written: [`Raw`] is a whole JSON value, [`Escaped`] the inside of a string.
//!
//! Both are slices of a text that [`scan`](super::scan) has accepted. They read what they are asked for and
//! copy nothing; made from other bytes they answer nonsense but do not panic.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::members::{Elements, Members, elements, find, members};
use super::scan::{self, Error, blank};
use super::text;
use crate::base::ascii;
use crate::base::span::Span;

/// One valid JSON value, byte for byte, without whitespace around it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Raw<'a>(&'a [u8]);

/// The inside of a JSON string, still escaped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// The value that `text` is, once validated.
    pub fn parse(text: &'a [u8]) -> Result<Raw<'a>, Error> {
        scan::value(text)?;
        let start = blank(text, 0);
        let blanks = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let end = text.iter().rposition(|byte| !blanks(byte)).map_or(start, |last| last + 1);
        Ok(Raw(&text[start..end]))
    }

    /// The value at `span` of `text`, as [`scan::object`] told it.
    pub fn at(text: &'a [u8], span: Span) -> Raw<'a> {
        Raw(span.of(text))
    }

    pub(super) fn trusted(bytes: &'a [u8]) -> Raw<'a> {
        Raw(bytes)
    }

    /// The value as written.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The inside of the string, if it is one.
    pub fn as_str(self) -> Option<Escaped<'a>> {
        match self.0 {
            [b'"', inside @ .., b'"'] => Some(Escaped(inside)),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The number, if it is written as a whole one without sign, fraction or exponent and fits.
    pub fn as_u64(self) -> Option<u64> {
        ascii::decimal(self.0)
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.0.first() == Some(&b'[')
    }

    /// Its members, if it is an object.
    pub fn members(self) -> Members<'a> {
        members(self.0)
    }

    /// Its elements, if it is an array.
    pub fn elements(self) -> Elements<'a> {
        elements(self.0)
    }

    /// The value of its member `name`; of several the last.
    pub fn find(self, name: &str) -> Option<Raw<'a>> {
        find(self.0, name)
    }
}

impl<'a> Escaped<'a> {
    /// The inside of `""`.
    pub const EMPTY: Escaped<'static> = Escaped(b"");

    /// The inside of a string at `span` of `text`, as [`scan::object`] told it.
    pub fn at(text: &'a [u8], span: Span) -> Escaped<'a> {
        Escaped(span.of(text))
    }

    pub(super) fn trusted(bytes: &'a [u8]) -> Escaped<'a> {
        Escaped(bytes)
    }

    /// The text as written, with its escapes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it says `plain`, whichever way it is escaped.
    #[inline]
    pub fn eq_str(&self, plain: &str) -> bool {
        // An escape is longer than what it stands for, so only a longer text can say the same in other bytes.
        match self.0.len().cmp(&plain.len()) {
            Ordering::Less => false,
            Ordering::Equal => self.0 == plain.as_bytes() && !plain.contains('\\'),
            Ordering::Greater => {
                let begins_alike = self.0[0] == b'\\' || self.0.first() == plain.as_bytes().first();
                (begins_alike || plain.is_empty()) && self.0.contains(&b'\\') && self.unescaped_eq(plain)
            }
        }
    }

    #[inline(never)]
    fn unescaped_eq(&self, plain: &str) -> bool {
        let mut rest = plain.as_bytes();
        text::pieces(self.0, |piece| match rest.strip_prefix(piece) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        }) && rest.is_empty()
    }

    /// Tells what it says, run by run.
    #[inline]
    pub fn pieces(self, mut each: impl FnMut(&[u8])) {
        text::pieces(self.0, |piece| {
            each(piece);
            true
        });
    }

    /// What it says; borrowed if nothing in it is escaped.
    pub fn decode(&self) -> Cow<'a, str> {
        if memchr::memchr(b'\\', self.0).is_none() {
            return std::str::from_utf8(self.0).map_or_else(|_| String::from_utf8_lossy(self.0), Cow::Borrowed);
        }
        let mut plain = Vec::with_capacity(self.0.len());
        text::unescape(self.0, &mut plain);
        Cow::Owned(text::into_string(plain))
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({})", String::from_utf8_lossy(self.0))
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Escaped({})", String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
#[path = "span_test.rs"]
mod tests;
