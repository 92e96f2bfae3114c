//! The bounds of an answer: of one event of the provider's stream, and of all that is put together.

use super::super::{Names, Secret};
use super::*;

fn answering() -> Answering {
    Answering {
        client: Dialect::Anthropic,
        upstream: Dialect::Chat,
        names: Names::default(),
        think_tag: None,
        model: "a-model".to_owned(),
        secret: Secret::new("sk-1"),
        opening: Opening::default(),
    }
}

const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// An event of a Chat stream that says so many bytes of text.
fn says(bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

/// How many bytes of text come of these events, or why none.
fn read_all(events: &[String]) -> Result<usize, String> {
    let mut collector = Collector::new(&mut answering(), Framing::Sse);
    // The outcome tells of an overflow too.
    events.iter().for_each(|event| _ = collector.push(event.as_bytes()));
    let (read, _) = collector.finish();
    let text = |response: &Response| {
        let mut bytes = 0;
        response.parts[0].fill(&mut |delta| bytes += delta.bytes());
        bytes
    };
    read.map(|response| text(&response)).map_err(|failure| failure.message.into_owned())
}

#[test]
fn an_event_is_bounded() {
    let around = says(0).len();
    let told = |bytes: usize| read_all(&[says(bytes - around), END.to_owned()]);
    assert_eq!(told(limits::FRAME_BYTES_MAX), Ok(limits::FRAME_BYTES_MAX - around));
    let why = told(limits::FRAME_BYTES_MAX + 1).unwrap_err();
    assert_eq!(why, "an event of the provider's stream is larger than the limit");
}

#[test]
fn an_answer_is_bounded() {
    let piece = limits::ANSWER_BYTES_MAX / 8;
    let told = |over: usize| {
        let mut events = vec![says(piece); 7];
        events.extend([says(piece + over), END.to_owned()]);
        read_all(&events)
    };
    assert_eq!(told(0), Ok(limits::ANSWER_BYTES_MAX));
    assert_eq!(told(1).unwrap_err(), "the answer is larger than the limit");
}
