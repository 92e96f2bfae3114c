//! The laws of the pivot, asked of Gemini.

use super::*;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::laws::{self, said::Answer};
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Effort, MediaKind, Part, Shape, Stop, Text, Thinking, Tool};
use crate::sse::Framing;

const STREAMS: [&str; 6] = [
    include_str!("../../../tests/golden/gemini/stream-thinking.sse"),
    include_str!("../../../tests/golden/gemini/stream-parallel-tools.sse"),
    include_str!("../../../tests/golden/gemini/stream-grounding.sse"),
    include_str!("../../../tests/golden/gemini/stream-image-code.sse"),
    include_str!("../../../tests/golden/gemini/stream-cut.sse"),
    include_str!("../../../tests/golden/gemini/stream-error.sse"),
];

const ANSWERS: [&str; 2] = [
    include_str!("../../../tests/golden/gemini/response-tools.json"),
    include_str!("../../../tests/golden/gemini/response-blocked.json"),
];

const REQUESTS: [&str; 3] = [
    include_str!("../../../tests/golden/gemini/request-tools.json"),
    include_str!("../../../tests/golden/gemini/request-parts.json"),
    include_str!("../../../tests/golden/gemini/request-config.json"),
];

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

#[test]
fn streams_keep_the_grammar_in_any_pieces() {
    laws::stream_in::<Stream>(&STREAMS);
}

#[test]
fn answers_keep_the_grammar() {
    laws::answers_in::<Gemini>(&ANSWERS);
}

#[test]
fn requests_are_read_or_refused() {
    laws::requests_in::<Gemini>(&REQUESTS);
}

#[test]
fn streams_end_once_in_both_framings() {
    for framing in [Framing::Sse, Framing::Array] {
        laws::stream_out::<Encoder>(framing, |frame| memchr::memmem::find(frame.data, b"\"finishReason\"").is_some());
    }
}

#[test]
fn answers_come_back() {
    laws::answers_return::<Gemini>(normalise);
}

#[test]
fn streams_come_back() {
    laws::streams_return::<Gemini>(normalise);
}

#[test]
fn requests_come_back() {
    laws::requests_return::<Gemini>(|request| {
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
    });
}

#[test]
fn bodies_come_back() {
    laws::bodies_return::<Gemini>(&REQUESTS, |_| {});
}

#[test]
fn requests_of_all_dialects_are_said() {
    laws::requests_are_said::<Gemini>();
}

#[test]
fn conversion_18_answers_go_into_the_next_request_with_their_signatures() {
    let next = |body: serde_json::Value| {
        let asked = serde_json::json!({"role": "user", "parts": [{"text": "go"}]});
        serde_json::json!({"contents": [asked, body["candidates"][0]["content"]]})
    };
    laws::replays::<Gemini>(next, |part| match part {
        Whole::ToolCall(_) => true,
        Whole::Reasoning { seal: Some(seal), .. } => seal.origin != Dialect::Gemini || seal.kind == SealKind::Signature,
        _ => false,
    });
}

#[test]
fn conversion_58_a_stream_and_a_whole_answer_tell_the_same() {
    let whole = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"I look."},{"functionCall":{"name":"get_weather","args":{"city":"Oslo","n":0.10}},"thoughtSignature":"EjQKsig1"},{"functionCall":{"id":"fc-2","name":"get_weather","args":{"city":"Roma"}}},{"functionCall":{"name":"now"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":25,"toolUsePromptTokenCount":5},"modelVersion":"gemini-3-pro-preview"}"#;
    laws::tells_the_same::<Gemini>(STREAMS[1], whole);
}
