//! Answers that are not streamed, as far as it matters to who tries elsewhere: whether one holds nothing at all.
//!
//! What shows nothing is a body of no bytes, a page in a model's place, an object without members, a Chat answer
//! without choices. Whatever else an upstream says is its answer, as it stands.

use super::answer::says;
use crate::json;
use crate::protocol::Dialect;

/// Bytes of an answer that are looked at: an empty one is short.
const LOOK_BYTES: usize = 1_024;

/// Whether the body of an answer of an endpoint that generates is empty. One with a reason for its end and no text is
/// not.
pub fn is_empty(dialect: Dialect, body: &[u8]) -> bool {
    let body = body.trim_ascii();
    match body.first() {
        None | Some(b'<') => true,
        Some(b'[') => body[1..].trim_ascii_start().starts_with(b"]"),
        Some(b'{') if body[1..].trim_ascii_start().starts_with(b"}") => true,
        Some(b'{') if dialect == Dialect::Chat && body.len() <= LOOK_BYTES => {
            json::find(body, "choices").is_some_and(|choices| !says(choices))
        }
        Some(_) => body == b"null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_something_is_not_empty() {
        for (dialect, body) in [
            (Dialect::Chat, r#"{"id":"c","choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#),
            (Dialect::Chat, r#" { "choices" : [ {"text":"x"} ] }"#),
            (Dialect::Chat, r#"{"an":"answer of another kind"}"#),
            (Dialect::Chat, "words"),
            (Dialect::Responses, r#"{"id":"r","status":"queued","output":[]}"#),
            (Dialect::Anthropic, r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#),
            (Dialect::Gemini, r#"[{"promptFeedback":{"blockReason":"SAFETY"}}]"#),
            (Dialect::Ollama, r#"{"model":"m","response":"","done":true,"done_reason":"load"}"#),
        ] {
            assert!(!is_empty(dialect, body.as_bytes()), "{dialect:?} {body}");
        }
    }

    #[test]
    fn what_shows_nothing_is_empty() {
        for body in ["", " \r\n", "{}", "[]", " { } ", "[ ]", "null", "<html>\"choices\":[1]</html>"] {
            for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini, Dialect::Ollama] {
                assert!(is_empty(dialect, body.as_bytes()), "{dialect:?} {body}");
            }
        }
        for body in [r#"{"choices":[]}"#, r#"{"id":"x","choices":null,"usage":{"n":1}}"#] {
            assert!(is_empty(Dialect::Chat, body.as_bytes()), "{body}");
        }
    }
}
