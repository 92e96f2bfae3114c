//! Members of a request that a Responses answer repeats.
//!
//! Readers of the answer look at few of them, so what is long is left out: an open stream would keep it for its whole
//! life, and write it three times.

use super::super::Dialect;
use crate::json;
use crate::limits;

/// What OpenAI's `Response` object repeats of its request.
const REPEATED: [&str; 18] = [
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
];

/// The members that an answer to `body`, a valid request of `dialect`, repeats: `"name":value,…`.
pub fn echo(dialect: Dialect, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if dialect != Dialect::Responses {
        return out;
    }
    for (name, value) in json::members(body) {
        let bytes = name.bytes().len() + value.bytes().len() + 4;
        if out.len() + bytes > limits::ECHO_BYTES_MAX || !REPEATED.iter().any(|known| name.eq_str(known)) {
            continue;
        }
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_repeated() {
        let long = "x".repeat(limits::ECHO_BYTES_MAX);
        let body = format!(
            r#"{{"instructions":"{long}","input":"a","temperature":0.10,"tool_choice": "auto" ,"stream":true}}"#
        );
        let echoed = echo(Dialect::Responses, body.as_bytes());
        assert_eq!(String::from_utf8(echoed).unwrap(), r#""temperature":0.10,"tool_choice":"auto""#);
        assert!(echo(Dialect::Chat, b"{\"temperature\":1}").is_empty());
    }

    #[test]
    fn the_bound_is_kept_to_the_byte() {
        let room = limits::ECHO_BYTES_MAX - "\"user\":\"\",".len() - 4;
        for (bytes, kept) in [(room, true), (room + 64, false)] {
            let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes));
            assert_eq!(!echo(Dialect::Responses, body.as_bytes()).is_empty(), kept, "{bytes}");
        }
    }
}
