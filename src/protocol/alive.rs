//! What tells a client that a quiet stream goes on, between two sides of the same protocol.
//!
//! A comment, where libraries leave those out; Anthropic has an event for it. Google's and Ollama's libraries take
//! every line for data: to them it is a piece of text that says nothing, as their servers send them too. In an array
//! it is a blank between two elements. Each may stand between two frames, and only there.

use std::borrow::Cow;

use super::Dialect;
use super::ollama::response_out;
use super::path::Endpoint;
use crate::sse::{Framing, write};

/// A chunk of Gemini's. Without a candidate that says something, its libraries would not keep the turn.
const GEMINI: &[u8] =
    b"data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"index\":0}]}\r\n\r\n";

/// What is written into a quiet stream of `endpoint`; nothing in one that knows no such thing. `model` is what the
/// client knows it as, and needed by Ollama's clients alone.
pub fn ping(dialect: Dialect, endpoint: Endpoint, framing: Framing, model: &str, unix_s: u64) -> Cow<'static, [u8]> {
    if is_said(dialect) && !endpoint.generates() {
        return Cow::Borrowed(b"");
    }
    match (dialect, framing) {
        (Dialect::Gemini, Framing::Sse) => GEMINI.into(),
        (Dialect::Gemini, Framing::Array) => (&b"\n"[..]).into(),
        (Dialect::Ollama, Framing::Lines) => {
            let mut line = Vec::with_capacity(160 + model.len());
            response_out::ping(model, unix_s, endpoint == Endpoint::OllamaGenerate, &mut line);
            line.into()
        }
        (dialect, Framing::Sse) => write::ping(dialect == Dialect::Anthropic).into(),
        _ => (&b""[..]).into(),
    }
}

/// Whether a ping of `dialect` is a piece of the answer, so that none may follow the reason of its end.
pub fn is_said(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Gemini | Dialect::Ollama)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::translate::framing;

    #[test]
    fn every_dialect_has_one_and_it_is_a_frame_of_its_own() {
        for (dialect, endpoint) in [
            (Dialect::Chat, Endpoint::ChatCompletions),
            (Dialect::Responses, Endpoint::Responses),
            (Dialect::Anthropic, Endpoint::Messages),
            (Dialect::Gemini, Endpoint::GeminiStream),
            (Dialect::Ollama, Endpoint::OllamaChat),
            (Dialect::Ollama, Endpoint::OllamaGenerate),
        ] {
            let framing = framing(dialect, b"alt=sse");
            let ping = ping(dialect, endpoint, framing, "a \"b\"", 0);
            assert_eq!(crate::sse::whole(framing, &ping), ping.len(), "{dialect:?}");
        }
    }

    #[test]
    fn ollama_names_the_model_and_the_member_of_the_endpoint() {
        let line = |endpoint| {
            let line = ping(Dialect::Ollama, endpoint, Framing::Lines, "a \"b\"", 0);
            String::from_utf8(line.into_owned()).unwrap()
        };
        assert_eq!(
            line(Endpoint::OllamaChat),
            "{\"model\":\"a \\\"b\\\"\",\"created_at\":\"1970-01-01T00:00:00Z\",\
             \"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n"
        );
        assert!(line(Endpoint::OllamaGenerate).contains(",\"response\":\"\",\"done\":false}\n"));
    }

    #[test]
    fn in_an_array_it_is_a_blank() {
        let blank = ping(Dialect::Gemini, Endpoint::GeminiStream, Framing::Array, "", 0);
        assert_eq!(&*blank, b"\n");
    }
}
