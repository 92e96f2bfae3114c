//! What a tool is called with, as the JSON object that Anthropic wants.

use crate::json::{Raw, text};
use crate::protocol::ir::{Input, Json, custom};

/// Appends the object. What a model wrote for another protocol need not be one: nothing is `{}`, JSON text inside a
/// JSON string is unpacked once (conversion.md 9), and anything else is kept in a member that says what it is.
pub(super) fn write(input: &Input<'_>, out: &mut Vec<u8>) {
    match input {
        Input::Json(json) => object(json.raw(), out),
        Input::Free(_) => {
            let wrapped = custom::wrap(input).unwrap_or(Json::constant("{}"));
            out.extend_from_slice(wrapped.bytes());
        }
        Input::Text(said) => {
            let said = said.decode();
            match Raw::parse(said.as_bytes()) {
                Ok(raw) => object(raw, out),
                Err(_) if said.trim_ascii().is_empty() => out.extend_from_slice(b"{}"),
                Err(_) => unread(&said, out),
            }
        }
    }
}

fn object(raw: Raw<'_>, out: &mut Vec<u8>) {
    if raw.is_object() {
        out.extend_from_slice(raw.bytes());
        return;
    }
    if raw.is_null() {
        out.extend_from_slice(b"{}");
        return;
    }
    if let Some(inner) = raw.as_str().map(|inner| inner.decode())
        && let Ok(inner) = Raw::parse(inner.as_bytes())
        && inner.is_object()
    {
        out.extend_from_slice(inner.bytes());
        return;
    }
    unread(&String::from_utf8_lossy(raw.bytes()), out);
}

fn unread(said: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"raw_arguments\":");
    text::quote(said, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::Text;

    #[test]
    fn conversion_09_whatever_was_said_becomes_one_object() {
        for (input, object) in [
            (Input::Text(Text::plain(r#" {"a": 1} "#)), r#"{"a": 1}"#),
            (Input::Text(Text::plain("")), "{}"),
            (Input::Text(Text::plain("null")), "{}"),
            (Input::Text(Text::plain(r#""{\"a\":1}""#)), r#"{"a":1}"#),
            (Input::Text(Text::plain(r#"{"a"#)), r#"{"raw_arguments":"{\"a"}"#),
            (Input::Text(Text::plain("[1]")), r#"{"raw_arguments":"[1]"}"#),
            (Input::Json(Json::constant("{}")), "{}"),
            (Input::Free(Text::plain("a\n")), r#"{"input":"a\n"}"#),
        ] {
            let mut out = Vec::new();
            write(&input, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), object, "{input:?}");
        }
    }
}
