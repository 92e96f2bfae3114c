//! What the laws of the pivot have to know of Chat.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::protocol::ir::assemble::{Assembler, Whole};
use crate::protocol::ir::laws::Lawful;
use crate::protocol::ir::laws::said::Answer;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Json, Part, Role, Seal, Stop, StreamDecoder, Text, Turn};
use crate::sse::{Frame, Framing, Splitter};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/chat/", $name))
    };
}

impl Lawful for Chat {
    const STREAMS: &'static [&'static str] = &[
        golden!("stream-text.sse"),
        golden!("stream-parallel-tools.sse"),
        golden!("stream-thinking.sse"),
        golden!("stream-image.sse"),
        golden!("stream-error.sse"),
        golden!("stream-cut.sse"),
    ];
    const ANSWERS: &'static [&'static str] =
        &[golden!("response-text.json"), golden!("response-parallel-tools.json"), golden!("response-thinking.json")];
    const REQUESTS: &'static [&'static str] = &[
        golden!("request-text.json"),
        golden!("request-tools.json"),
        golden!("request-media.json"),
        golden!("request-thinking.json"),
    ];
    const FRAMINGS: &'static [Framing] = &[Framing::Sse];

    fn same() -> Vec<(Cow<'static, str>, &'static str)> {
        Self::STREAMS.iter().map(|stream| (*stream).into()).zip(Self::ANSWERS.iter().copied()).collect()
    }

    fn is_end(frame: &Frame<'_>) -> bool {
        frame.data == b"[DONE]"
    }

    fn normal_stream(answer: &mut Answer) {
        normal(answer, false);
    }

    fn normal_answer(answer: &mut Answer) {
        normal(answer, true);
    }

    fn normal_request(request: &mut Request<'_>) {
        normal_request(request);
    }

    fn next(answer: Value) -> Value {
        let message = answer["choices"][0]["message"].clone();
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}, message]})
    }

    fn keeps(_: &Whole) -> bool {
        true
    }
}

/// The answer that a stream tells.
fn assembled(stream: &str) -> Response {
    let (mut decoder, mut assembler) = (Stream::default(), Assembler::new(1 << 20));
    let mut sink = |event: Event<'_>| assembler.event(&event).expect("it is small");
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    splitter
        .push(stream.as_bytes(), |frame| decoder.frame(&frame, &mut sink).expect("its events are valid"))
        .expect("they are short");
    decoder.finish(&mut sink);
    assembler.finish().expect("it ends").expect("it is whole")
}

#[test]
fn conversion_53_a_stream_makes_a_whole_answer_with_calls_and_usage() {
    let mut body = Vec::new();
    response_out::response(&assembled(golden!("stream-parallel-tools.sse")), &Opening::default(), &mut body);
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let whole: Value = serde_json::from_str(golden!("response-parallel-tools.json")).expect("JSON");
    for path in ["/choices", "/usage", "/model"] {
        assert_eq!(body.pointer(path), whole.pointer(path));
    }
}

#[test]
fn conversion_58_cached_tokens_are_told_with_a_stream_and_without() {
    let mut whole = crate::protocol::sniff::Usage::default();
    let sink = &mut |event: Event<'_>| {
        if let Event::Usage(usage) = event {
            whole = usage;
        }
    };
    response_in::response(golden!("response-text.json").as_bytes(), sink).expect("it is an answer");
    assert_eq!((assembled(golden!("stream-text.sse")).usage, whole.cache_read), (whole, Some(4)));
}

/// A result is a turn of its own, and a failed one says so in words; of seals Chat takes back its own.
fn normal_request(request: &mut Request<'_>) {
    request.repeat.clear();
    request.include_usage = None;
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for mut turn in request.turns.drain(..) {
        for part in &mut turn.parts {
            match part {
                Part::Reasoning { seal, .. } => *seal = own(seal.take()),
                Part::ToolCall(call) => call.seal = own(call.seal.take()),
                Part::ToolResult(result) if result.failed => {
                    result.failed = false;
                    result.content.insert(0, Part::text(Text::constant("Error:")));
                }
                _ => {}
            }
        }
        let (results, parts): (Vec<_>, Vec<_>) =
            turn.parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        turns.extend(results.into_iter().map(|part| Turn { role: Role::User, name: None, parts: vec![part] }));
        if !parts.is_empty() {
            turns.push(Turn { parts, ..turn });
        }
    }
    request.turns = turns;
}

fn own(seal: Option<Seal<'_>>) -> Option<Seal<'_>> {
    seal.filter(|seal| seal.origin == Dialect::Chat)
}

/// What Chat has no words for goes, and what it has one member for stands together.
fn normal(answer: &mut Answer, whole: bool) {
    let refused = answer.parts.iter().any(|part| matches!(part, Whole::Refusal(text) if !text.is_empty()));
    let called = answer.parts.iter().any(|part| matches!(part, Whole::ToolCall(_)));
    let stop = match answer.stop {
        Stop::ContextFull => Stop::Length,
        Stop::Word(_) | Stop::Pause => Stop::EndTurn,
        Stop::Refusal if refused => Stop::EndTurn,
        Stop::Refusal => Stop::Filter,
        stop => stop,
    };
    answer.stop = stop.settled(called);
    answer.word = Text::default();
    answer.id = Text::default();
    if answer.usage.cache_write.is_some() {
        answer.usage.cache_read.get_or_insert(0);
    }
    let parts = std::mem::take(&mut answer.parts);
    answer.parts = if whole { together(parts) } else { in_order(parts) };
}

/// The parts of a stream: thoughts that follow each other are one until a seal, which a signature of a part of it is not.
fn in_order(parts: Vec<Whole>) -> Vec<Whole> {
    let mut out: Vec<Whole> = Vec::new();
    for part in parts {
        match (out.last_mut(), part) {
            (_, Whole::Foreign { .. }) => {}
            (Some(Whole::Text { text, .. }), Whole::Text { text: more, .. })
            | (Some(Whole::Refusal(text)), Whole::Refusal(more)) => text.push(more.escaped()),
            (Some(Whole::Reasoning { text, seal: last @ None, .. }), Whole::Reasoning { text: more, seal, .. }) => {
                text.push(more.escaped());
                *last = seal.filter(|seal| seal.kind != SealKind::Signature);
            }
            (_, Whole::Text { text, .. } | Whole::Refusal(text) | Whole::Reasoning { text, seal: None, .. })
                if text.is_empty() => {}
            (_, Whole::Reasoning { text, seal, .. }) => out.push(Whole::Reasoning { text, seal, summary: false }),
            (_, part) => out.push(part),
        }
    }
    out
}

/// The parts of a whole answer: what was thought and its seals, the text, the refusal, images, calls, and what is Chat's.
fn together(parts: Vec<Whole>) -> Vec<Whole> {
    let (mut thought, mut content, mut refusal) = (Text::default(), Text::default(), Text::default());
    let (mut seals, mut media, mut calls, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Whole::Text { text, .. } => content.push(text.escaped()),
            Whole::Refusal(text) => refusal.push(text.escaped()),
            Whole::Reasoning { text, seal, .. } => {
                thought.push(text.escaped());
                seals.extend(seal);
            }
            Whole::ToolCall(_) => calls.push(part),
            Whole::Media { .. } => media.push(part),
            Whole::Foreign { origin: Dialect::Chat, raw, .. } => {
                let inside = &raw.bytes()[1..raw.bytes().len() - 1];
                if !inside.is_empty() {
                    members.push(inside.to_vec());
                }
            }
            Whole::Foreign { .. } => {}
        }
    }
    let mut out = Vec::new();
    let text = |text: Text<'static>| Whole::Text { text, citations: Vec::new(), seal: None };
    let reasoning = |text, seal| Whole::Reasoning { text, seal, summary: false };
    out.extend((!thought.is_empty()).then(|| reasoning(thought, None)));
    out.extend(seals.into_iter().map(|seal| reasoning(Text::default(), Some(seal))));
    out.extend((!content.is_empty()).then(|| text(content)));
    out.extend((!refusal.is_empty()).then_some(Whole::Refusal(refusal)));
    out.extend(media);
    out.extend(calls);
    if !members.is_empty() {
        let raw = Json::written([&b"{"[..], &members.join(&b',')[..], b"}"].concat());
        out.push(Whole::Foreign { origin: Dialect::Chat, raw, more: Vec::new() });
    }
    out
}
