//! A call's input as the object that Ollama wants, from whatever it came as.
//!
//! What is no JSON object, for a model may write anything, becomes the member `input` of one, so that nothing of it is
//! lost.

use std::borrow::Cow;

use crate::base::span::Span;
use crate::json::{Escaped, Raw};
use crate::protocol::ir::{Input, custom};

/// The object that says `input`, and whether it is what was said.
pub(super) fn object<'i>(input: &'i Input<'_>) -> (Cow<'i, [u8]>, bool) {
    match input {
        Input::Json(json) if json.raw().is_object() => (Cow::Borrowed(json.bytes()), true),
        Input::Json(json) if json.raw().is_null() => (Cow::Borrowed(b"{}"), true),
        Input::Json(json) => ([b"{\"input\":", json.bytes(), b"}"].concat().into(), false),
        Input::Text(text) => of_text(text.escaped()),
        Input::Free(_) => (custom::wrap(input).map_or(Cow::Borrowed(b"{}"), |json| json.bytes().to_vec().into()), true),
    }
}

/// The object whose text is `text`.
pub(super) fn of_text<'t>(text: Escaped<'_>) -> (Cow<'t, [u8]>, bool) {
    if text.bytes().iter().all(u8::is_ascii_whitespace) {
        return (Cow::Borrowed(b"{}"), true);
    }
    let plain = text.decode();
    match Raw::parse(plain.as_bytes()) {
        Ok(value) if value.is_object() => (value.bytes().to_vec().into(), true),
        // What some models write for no input.
        Ok(value) if value.is_null() => (Cow::Borrowed(b"{}"), true),
        _ => ([b"{\"input\":\"", text.bytes(), b"\"}"].concat().into(), false),
    }
}

/// What is escaped already, as the scanner tells it.
pub(super) fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::{Json, Text};

    #[test]
    fn every_input_is_an_object() {
        for (input, expected, as_said) in [
            (Input::Json(Json::constant(r#"{"a":1.50}"#)), r#"{"a":1.50}"#, true),
            (Input::Json(Json::constant("[1]")), r#"{"input":[1]}"#, false),
            (Input::Text(Text::plain(" {\"a\":\"\\\"\\u00e9\"}\n")), r#"{"a":"\"\u00e9"}"#, true),
            (Input::Text(Text::plain("")), "{}", true),
            (Input::Text(Text::plain("{\"a\":")), r#"{"input":"{\"a\":"}"#, false),
            (Input::Text(Text::plain("null")), "{}", true),
            (Input::Free(Text::plain("a\n")), r#"{"input":"a\n"}"#, true),
        ] {
            let (object, said) = object(&input);
            assert_eq!((std::str::from_utf8(&object), said), (Ok(expected), as_said), "{input:?}");
        }
    }
}
