//! What tells a client that a quiet stream goes on, between two sides of the same protocol.
//!
//! A comment, where libraries leave those out; Anthropic has an event for it. Google's and Ollama's libraries take
//! every line for data: to them it is a piece of text that says nothing, as their servers send them too. In an array
//! it is a blank between two elements. Each may stand between two frames, and only there.

use super::Dialect;
use super::ollama::response_out;
use super::path::Endpoint;
use crate::sse::{Framing, write};

/// A chunk of Gemini's. Without a candidate that says something, its libraries would not keep the turn.
const GEMINI: &[u8] =
    b"data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"index\":0}]}\r\n\r\n";

/// What is written into a quiet stream; nothing in one that knows no such thing, or whose ping is a [`line`].
pub fn ping(dialect: Dialect, framing: Framing) -> &'static [u8] {
    match (dialect, framing) {
        (Dialect::Gemini, Framing::Sse) => GEMINI,
        (Dialect::Gemini, Framing::Array) => b"\n",
        (dialect, Framing::Sse) => write::ping(dialect == Dialect::Anthropic),
        _ => b"",
    }
}

/// What is written into a quiet stream of Ollama's: its clients read the model in every line.
pub fn line(endpoint: Endpoint, model: &str, unix_s: u64) -> Vec<u8> {
    let mut line = Vec::with_capacity(160 + model.len());
    response_out::ping(model, unix_s, endpoint == Endpoint::OllamaGenerate, &mut line);
    line
}

/// Whether a ping of `dialect` is a piece of the answer, so that none may follow the reason of its end.
pub fn is_said(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Gemini | Dialect::Ollama)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_one_and_it_is_a_frame_of_its_own() {
        for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            let ping = ping(dialect, Framing::Sse);
            assert_eq!((ping.is_empty(), crate::sse::whole(Framing::Sse, ping)), (false, ping.len()), "{dialect:?}");
        }
        let line = line(Endpoint::OllamaChat, "m", 0);
        assert_eq!(crate::sse::whole(Framing::Lines, &line), line.len());
        assert_eq!(
            (ping(Dialect::Ollama, Framing::Lines), ping(Dialect::Gemini, Framing::Array)),
            (&b""[..], &b"\n"[..])
        );
    }

    #[test]
    fn ollama_names_the_model_and_the_member_of_the_endpoint() {
        let line = |endpoint| String::from_utf8(line(endpoint, "a \"b\"", 0)).unwrap();
        assert_eq!(
            line(Endpoint::OllamaChat),
            "{\"model\":\"a \\\"b\\\"\",\"created_at\":\"1970-01-01T00:00:00Z\",\
             \"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n"
        );
        assert!(line(Endpoint::OllamaGenerate).contains(",\"response\":\"\",\"done\":false}\n"));
    }
}
