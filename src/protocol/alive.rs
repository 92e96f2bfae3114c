//! What tells a client that a quiet stream goes on, between two sides of the same protocol.
//!
//! A comment, where libraries leave those out; Anthropic has an event for it. Google's libraries take every line for
//! data: to them it is a piece of text that says nothing, as Google's servers send them too. In an array it is a blank
//! between two elements. Each may stand between two frames, and only there. Ollama's libraries take every line for data
//! too, an empty one for broken data: they get a blank at the beginning of the next line, which JSON may begin with.

use super::Dialect;
use crate::sse::{Framing, write};

/// A chunk of Gemini's. Without a candidate that says something, its libraries would not keep the turn.
const GEMINI: &[u8] =
    b"data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"index\":0}]}\r\n\r\n";

/// What is written into a quiet stream; nothing in one that knows no such thing.
pub fn ping(dialect: Dialect, framing: Framing) -> &'static [u8] {
    match (dialect, framing) {
        (Dialect::Gemini, Framing::Sse) => GEMINI,
        (Dialect::Gemini, Framing::Array) => b"\n",
        (Dialect::Ollama, Framing::Lines) => b" ",
        (dialect, Framing::Sse) => write::ping(dialect == Dialect::Anthropic),
        _ => b"",
    }
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
        assert_eq!(
            (ping(Dialect::Ollama, Framing::Lines), ping(Dialect::Gemini, Framing::Array)),
            (&b" "[..], &b"\n"[..])
        );
    }
}
