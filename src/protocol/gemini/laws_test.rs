//! What the laws of the pivot have to know of Gemini.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::laws::Lawful;
use crate::protocol::ir::laws::said::Answer;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Effort, MediaKind, Part, Seal, Shape, Stop, Text, Thinking, Tool, Turn};
use crate::sse::{Frame, Framing};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/gemini/", $name))
    };
}

/// The same as `stream-parallel-tools.sse`.
const PARALLEL_TOOLS: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"I look."},{"functionCall":{"name":"get_weather","args":{"city":"Oslo","n":0.10}},"thoughtSignature":"EjQKsig1"},{"functionCall":{"id":"fc-2","name":"get_weather","args":{"city":"Roma"}}},{"functionCall":{"name":"now"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":25,"toolUsePromptTokenCount":5},"modelVersion":"gemini-3-pro-preview"}"#;

impl Lawful for Gemini {
    const STREAMS: &'static [&'static str] = &[
        golden!("stream-thinking.sse"),
        golden!("stream-parallel-tools.sse"),
        golden!("stream-grounding.sse"),
        golden!("stream-image-code.sse"),
        golden!("stream-cut.sse"),
        golden!("stream-error.sse"),
    ];
    const ANSWERS: &'static [&'static str] = &[golden!("response-tools.json"), golden!("response-blocked.json")];
    const REQUESTS: &'static [&'static str] =
        &[golden!("request-tools.json"), golden!("request-parts.json"), golden!("request-config.json")];
    const FRAMINGS: &'static [Framing] = &[Framing::Sse, Framing::Array];

    fn same() -> Vec<(Cow<'static, str>, &'static str)> {
        vec![(golden!("stream-parallel-tools.sse").into(), PARALLEL_TOOLS)]
    }

    fn is_end(frame: &Frame<'_>) -> bool {
        memchr::memmem::find(frame.data, b"\"finishReason\"").is_some()
    }

    fn normal_stream(answer: &mut Answer) {
        normalise(answer);
    }

    fn normal_request(request: &mut Request<'_>) {
        askable(request);
    }

    fn next(answer: Value) -> Value {
        json!({"contents": [{"role": "user", "parts": [{"text": "go"}]}, answer["candidates"][0]["content"]]})
    }

    fn keeps(part: &Whole) -> bool {
        match part {
            Whole::ToolCall(_) => true,
            Whole::Reasoning { seal: Some(seal), .. } => {
                seal.origin != Dialect::Gemini || seal.kind == SealKind::Signature
            }
            _ => false,
        }
    }
}

/// What Gemini has no words for: refusals, summaries, others' parts, writes into a cache, most reasons to stop. Texts
/// and thoughts that nothing signed keeps apart are one.
fn normalise(answer: &mut Answer) {
    answer.id = Text::default();
    answer.usage.cache_write = None;
    answer.stop = match answer.stop {
        Stop::Word(_) | Stop::Pause => Stop::EndTurn,
        Stop::ContextFull => Stop::Length,
        Stop::Refusal => Stop::Filter,
        stop => stop,
    };
    answer.stop = answer.stop.settled(answer.parts.iter().any(|part| matches!(part, Whole::ToolCall(_))));
    answer.word = Text::default();
    let mut parts: Vec<Whole> = Vec::new();
    for mut part in answer.parts.drain(..) {
        match &mut part {
            Whole::Refusal(text) => part = Whole::Text { text: text.clone(), citations: Vec::new(), seal: None },
            Whole::Reasoning { summary, seal, .. } => {
                *summary = false;
                // Gemini knows no reasoning that is sealed as a whole.
                *seal = seal.take().filter(|seal| seal.origin != Dialect::Gemini || seal.kind != SealKind::Encrypted);
            }
            Whole::Foreign { origin: Dialect::Gemini, raw, more } if raw.bytes() != b"{}" => more.clear(),
            Whole::Foreign { .. } => continue,
            _ => {}
        }
        match (parts.last_mut(), part) {
            (_, Whole::Text { text, seal: None, .. } | Whole::Reasoning { text, seal: None, .. })
                if text.is_empty() => {}
            (Some(Whole::Text { text, .. }), Whole::Text { text: more, .. }) => text.push(more.escaped()),
            (
                Some(Whole::Reasoning { text, seal: seal @ None, .. }),
                Whole::Reasoning { text: more, seal: sealed, .. },
            ) => {
                text.push(more.escaped());
                *seal = sealed;
            }
            (_, part) => parts.push(part),
        }
    }
    answer.parts = parts;
}

/// What only others can be asked for goes; efforts beyond its words are counted in tokens.
fn askable(request: &mut Request<'_>) {
    request.repeat.clear();
    request.parallel_tools = None;
    (request.sampling.min_p, request.sampling.repetition_penalty) = (None, None);
    if let Thinking::Effort(effort @ (Effort::XHigh | Effort::Max)) = request.reasoning.thinking {
        request.reasoning.thinking = Thinking::Budget(effort.budget());
    }
    if let Shape::JsonSchema { name, strict, .. } = &mut request.shape {
        (*name, *strict) = (Text::default(), None);
    }
    for tool in &mut request.tools {
        if let Tool::Function(function) = tool {
            function.strict = None;
        }
    }
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match part {
            Part::Reasoning { seal: Some(seal), .. } if seal.origin == Dialect::Gemini => {
                seal.kind = SealKind::Signature;
            }
            // What a file is, only its type tells.
            Part::Media(media) if media.media_type.is_none() => media.kind = MediaKind::Document,
            _ => {}
        }
    }
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for mut turn in request.turns.drain(..) {
        unsign(&mut turn);
        let is_open = |part: &Part<'_>| matches!(part, Part::Reasoning { seal: None, .. });
        let is_thought = |part: &Part<'_>| matches!(part, Part::Reasoning { .. });
        match turns.last_mut() {
            Some(last)
                if last.role == turn.role
                    && last.parts.last().is_some_and(is_open)
                    && turn.parts.first().is_some_and(is_thought) =>
            {
                turn.parts.into_iter().for_each(|part| join(&mut last.parts, part));
            }
            _ => turns.push(turn),
        }
    }
    request.turns = turns;
}

/// Signatures of others are left out of a turn, and its first call says that it has none. Thoughts that nothing signed
/// keeps apart are one.
fn unsign(turn: &mut Turn<'_>) {
    let (mut foreign, mut called) = (false, false);
    for mut part in std::mem::take(&mut turn.parts) {
        match &mut part {
            Part::Reasoning { text, seal, .. } if seal.as_ref().is_some_and(|seal| seal.origin != Dialect::Gemini) => {
                (foreign, *seal) = (true, None);
                if text.is_empty() {
                    continue;
                }
            }
            Part::ToolCall(call) => {
                let first = !std::mem::replace(&mut called, true);
                let others = call.seal.take_if(|seal| seal.origin != Dialect::Gemini).is_some();
                if first && call.seal.is_none() && (others || foreign) {
                    let data = Text::constant("skip_thought_signature_validator");
                    call.seal = Some(Seal { origin: Dialect::Gemini, kind: SealKind::Call, data });
                }
            }
            _ => {}
        }
        join(&mut turn.parts, part);
    }
}

fn join<'a>(parts: &mut Vec<Part<'a>>, part: Part<'a>) {
    match (parts.last_mut(), part) {
        (Some(Part::Reasoning { text, seal: seal @ None, .. }), Part::Reasoning { text: more, seal: sealed, .. }) => {
            text.push(more.escaped());
            *seal = sealed;
        }
        (_, part) => parts.push(part),
    }
}
