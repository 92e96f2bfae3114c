//! Text and JSON of a request: borrowed from the body it came in, or made here.
//!
//! [`Text`] is the inside of a JSON string, still escaped, so that it is copied from one protocol to the next and
//! not decoded and encoded again. [`Json`] is one JSON value as it was written.

use std::borrow::Cow;
use std::fmt;

use crate::base::span::Span;
use crate::json::{Escaped, Raw, text};

/// The inside of a JSON string, still escaped.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, [u8]>);

/// One JSON value as written, without blanks around it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    /// Text that is not escaped yet.
    pub fn plain(text: &str) -> Text<'static> {
        let mut out = Vec::new();
        text::escape(text, &mut out);
        Text(Cow::Owned(out))
    }

    /// A constant that needs no escapes.
    pub fn constant(text: &'static str) -> Text<'static> {
        debug_assert!(text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\'), "it needs escapes");
        Text(Cow::Borrowed(text.as_bytes()))
    }

    /// Text that was put together from escaped pieces.
    pub fn joined(escaped: Vec<u8>) -> Text<'static> {
        Text(Cow::Owned(escaped))
    }

    /// As the scanner's view of it.
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped::at(&self.0, Span::new(0, self.0.len()))
    }

    /// The text as written, with its escapes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it says.
    pub fn decode(&self) -> Cow<'_, str> {
        self.escaped().decode()
    }

    /// Whether it says `plain`, whichever way it is escaped.
    pub fn eq_str(&self, plain: &str) -> bool {
        self.escaped().eq_str(plain)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `more` behind it.
    pub fn push(&mut self, more: Escaped<'_>) {
        self.0.to_mut().extend_from_slice(more.bytes());
    }

    /// The text behind its first `at` bytes, which must not end inside an escape.
    pub(in crate::protocol) fn behind(self, at: usize) -> Text<'a> {
        match self.0 {
            Cow::Borrowed(bytes) => Text(Cow::Borrowed(&bytes[at..])),
            Cow::Owned(mut bytes) => {
                bytes.drain(..at);
                Text(Cow::Owned(bytes))
            }
        }
    }

    /// The text before `at` and the text from there on; `at` must not lie inside an escape.
    pub(in crate::protocol) fn parted(self, at: usize) -> (Text<'a>, Text<'a>) {
        match self.0 {
            Cow::Borrowed(bytes) => (Text(Cow::Borrowed(&bytes[..at])), Text(Cow::Borrowed(&bytes[at..]))),
            Cow::Owned(mut bytes) => {
                let behind = bytes.split_off(at);
                (Text(Cow::Owned(bytes)), Text(Cow::Owned(behind)))
            }
        }
    }

    /// The same, free of the body it came in.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Text<'_> {
        Text(Cow::Borrowed(&self.0))
    }
}

impl<'a> From<Escaped<'a>> for Text<'a> {
    fn from(escaped: Escaped<'a>) -> Text<'a> {
        Text(Cow::Borrowed(escaped.bytes()))
    }
}

impl<'a> Json<'a> {
    /// A value that was written here.
    pub fn written(value: Vec<u8>) -> Json<'static> {
        debug_assert!(crate::json::value(&value).is_ok(), "it is one JSON value");
        Json(Cow::Owned(value))
    }

    /// A text as a JSON string.
    pub fn quoted(text: &Text<'_>) -> Json<'static> {
        Json::written([b"\"", text.bytes(), b"\""].concat())
    }

    /// A constant.
    pub fn constant(value: &'static str) -> Json<'static> {
        Json(Cow::Borrowed(value.as_bytes()))
    }

    /// As the scanner's view of it.
    pub fn raw(&self) -> Raw<'_> {
        Raw::at(&self.0, Span::new(0, self.0.len()))
    }

    /// The value as written.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, free of the body it came in.
    pub fn into_owned(self) -> Json<'static> {
        Json(Cow::Owned(self.0.into_owned()))
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Json<'_> {
        Json(Cow::Borrowed(&self.0))
    }
}

impl<'a> From<Raw<'a>> for Json<'a> {
    fn from(raw: Raw<'a>) -> Json<'a> {
        Json(Cow::Borrowed(raw.bytes()))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_once() {
        let text = Text::plain("a \"b\"\n\u{1F600}");
        assert_eq!(text.bytes(), "a \\\"b\\\"\\n\u{1F600}".as_bytes());
        assert_eq!(text.decode(), "a \"b\"\n\u{1F600}");
        assert!(text.eq_str("a \"b\"\n\u{1F600}") && !text.eq_str("a"));
    }
}
