//! Reads a Gemini upstream's whole answer: a stream of one chunk, or an array of all of them.

use super::stream_in::Stream;
use crate::protocol::ir::{BadUpstream, Event};

/// Tells `body` as events from `Start` to `End` or `Fail`.
pub fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
    Stream::default().whole(body, sink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::gemini::stream_in::tests::shown;
    use crate::protocol::ir::assemble::{Assembler, Response};
    use crate::protocol::ir::grammar::Grammar;
    use crate::protocol::ir::{Failure, Stop};

    fn read(body: &str) -> Result<Result<Response, Failure<'static>>, BadUpstream> {
        let (mut assembler, mut grammar) = (Assembler::new(1 << 20), Grammar::default());
        response(body.as_bytes(), &mut |event| {
            grammar.admit(&event).expect("it keeps the grammar");
            assembler.event(&event).expect("it is small");
        })?;
        Ok(assembler.finish().expect("it ends"))
    }

    #[test]
    fn calls_thoughts_and_their_signatures() {
        let whole = read(include_str!("../../../tests/golden/gemini/response-tools.json")).unwrap().unwrap();
        let calls = r#"c:abc:get_weather:Q2FsbA==:{"city": "Oslo", "days": [1, 2]}"#;
        assert_eq!(shown(&whole), ["r:Let me see.:U2ln".to_owned(), calls.to_owned()]);
        assert_eq!(whole.stop(), Stop::ToolUse);
        let usage = whole.usage;
        assert_eq!((usage.input, usage.output), (Some(100), Some(50)));
        assert_eq!((usage.cache_read, usage.reasoning), (Some(64), Some(30)));
    }

    #[test]
    fn a_prompt_that_is_blocked_is_filtered() {
        let whole = read(include_str!("../../../tests/golden/gemini/response-blocked.json")).unwrap().unwrap();
        assert_eq!((whole.parts.len(), whole.stop(), whole.usage.input), (0, Stop::Filter, Some(8)));
    }

    #[test]
    fn an_answer_without_a_reason_is_whole_if_it_says_something() {
        let whole = read(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#).unwrap().unwrap();
        assert_eq!(whole.stop(), Stop::EndTurn);
        assert!(read(r#"{"candidates":[]}"#).unwrap().is_err());
    }

    #[test]
    fn what_is_no_answer_is_bad() {
        for body in ["", "<html>", "{}", "7"] {
            assert!(read(body).is_err(), "{body}");
        }
        assert!(read(r#"[{"error":{"code":400,"message":"m"}}]"#).unwrap().is_err());
    }
}
