//! Where an answer tells its model's name, so that it can carry the one that the client asked for.

use super::answer::kind;
use super::member::NAMES;
use crate::json::edit::{Edits, Patch};
use crate::json::{self, Raw};
use crate::protocol::Dialect;
use crate::sse::Frame;

/// The name in an event of a stream, a string with its quotes. Most events of most dialects tell none, which a search
/// for a few bytes settles.
#[inline]
pub fn event_model<'a>(dialect: Dialect, frame: &Frame<'a>) -> Option<Raw<'a>> {
    let (names, data) = (&*NAMES, frame.data);
    let found = match dialect {
        Dialect::Gemini if names.model_version.occurs(data) => json::find(data, "modelVersion"),
        Dialect::Gemini => None,
        _ if !names.model.occurs(data) => None,
        Dialect::Chat | Dialect::Ollama => json::find(data, "model"),
        Dialect::Anthropic if kind(frame) == b"message_start" => inner(data, "message"),
        Dialect::Anthropic => None,
        Dialect::Responses => inner(data, "response"),
    };
    found.filter(|name| name.as_str().is_some())
}

fn inner<'a>(data: &'a [u8], name: &str) -> Option<Raw<'a>> {
    json::find(data, name).and_then(|inside| inside.find("model"))
}

/// `body`, an answer that is not streamed, with `quoted` (a JSON string) in place of the name it tells; nothing if it
/// tells none.
pub fn renamed(dialect: Dialect, body: &[u8], quoted: &[u8]) -> Option<Vec<u8>> {
    let member = if dialect == Dialect::Gemini { "modelVersion" } else { "model" };
    let mut found = None;
    json::object(body, |body, name, value| {
        if json::Escaped::at(body, name).eq_str(member) && Raw::at(body, value).as_str().is_some() {
            found = Some(value);
        }
    })
    .ok()?;
    let mut edits = Edits::new(body);
    edits.replace(found?, Patch::Borrowed(quoted)).ok()?;
    let mut out = Vec::new();
    edits.write_to(&mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::FrameKind;

    fn event(dialect: Dialect, name: &str, data: &str) -> Option<String> {
        let frame =
            Frame { kind: FrameKind::Data, event: name.as_bytes(), data: data.as_bytes(), raw: data.as_bytes() };
        event_model(dialect, &frame).map(|name| String::from_utf8(name.bytes().to_vec()).unwrap())
    }

    #[test]
    fn the_name_is_found_where_each_dialect_tells_it() {
        for (dialect, name, data, expected) in [
            (Dialect::Chat, "", r#"{"id":"c","model":"m","choices":[]}"#, Some("m")),
            (Dialect::Chat, "", r#"{"choices":[{"delta":{"model":"x"}}]}"#, None),
            (Dialect::Chat, "", r#"{"choices":[{"delta":{"content":""model":"x""}}]}"#, None),
            (Dialect::Chat, "", "[DONE]", None),
            (Dialect::Ollama, "", r#"{"model":"m","done":true}"#, Some("m")),
            (Dialect::Anthropic, "message_start", r#"{"message":{"model":"m"}}"#, Some("m")),
            (Dialect::Anthropic, "", r#"{"type":"message_start","message":{"model":"m"}}"#, Some("m")),
            (Dialect::Anthropic, "content_block_start", r#"{"message":{"model":"m"}}"#, None),
            (Dialect::Responses, "response.completed", r#"{"response":{"model":"m"}}"#, Some("m")),
            (Dialect::Responses, "response.output_text.delta", r#"{"delta":"model"}"#, None),
            (Dialect::Gemini, "", r#"{"candidates":[],"modelVersion":"m"}"#, Some("m")),
            (Dialect::Gemini, "", r#"{"candidates":[],"model":"m"}"#, None),
            (Dialect::Chat, "", r#"{"model":null}"#, None),
        ] {
            assert_eq!(event(dialect, name, data), expected.map(|name| format!("\"{name}\"")), "{data}");
        }
    }

    #[test]
    fn a_whole_answer_is_renamed() {
        let renamed = |dialect, body: &str| {
            renamed(dialect, body.as_bytes(), b"\"n\"").map(|body| String::from_utf8(body).unwrap())
        };
        assert_eq!(
            renamed(Dialect::Chat, r#"{"a":1, "model" : "x","b":[]}"#).as_deref(),
            Some(r#"{"a":1, "model" : "n","b":[]}"#)
        );
        assert_eq!(renamed(Dialect::Gemini, r#"{"modelVersion":"x"}"#).as_deref(), Some(r#"{"modelVersion":"n"}"#));
        for body in [r#"{"a":{"model":"x"}}"#, "{", "[]", "audio", r#"{"model":1}"#] {
            assert_eq!(renamed(Dialect::Chat, body), None, "{body}");
        }
    }
}
