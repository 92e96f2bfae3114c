//! What the laws of the pivot have to know of Responses.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Responses;
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::laws::said::Answer;
use crate::protocol::ir::laws::{Lawful, canonical_text};
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Effort, Part, Reasoning, Request, Sampling, Seal, Stop, Text, Thinking, ToolResult};
use crate::sse::{Frame, Framing};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/responses/", $name))
    };
}

impl Lawful for Responses {
    const STREAMS: &'static [&'static str] = &[
        golden!("stream-text.sse"),
        golden!("stream-tools.sse"),
        golden!("stream-only-last.sse"),
        golden!("stream-built-in.sse"),
        golden!("stream-refusal.sse"),
        golden!("stream-quota.sse"),
        golden!("stream-incomplete.sse"),
        golden!("stream-cut.sse"),
    ];
    const ANSWERS: &'static [&'static str] = &[golden!("response-tools.json")];
    const REQUESTS: &'static [&'static str] = &[golden!("request-codex.json"), golden!("request-sdk.json")];
    const FRAMINGS: &'static [Framing] = &[Framing::Sse];

    fn same() -> Vec<(Cow<'static, str>, &'static str)> {
        vec![(golden!("stream-tools.sse").into(), golden!("response-tools.json"))]
    }

    fn is_end(frame: &Frame<'_>) -> bool {
        matches!(frame.event, b"response.completed" | b"response.incomplete")
    }

    fn normal_stream(answer: &mut Answer) {
        sayable(answer);
    }

    fn normal_request(request: &mut Request<'_>) {
        askable(request);
    }

    fn normal_body(body: &mut Value) {
        // Ids and states of messages and calls are the vendor's own bookkeeping; `user` is the older name.
        for item in body["input"].as_array_mut().into_iter().flatten() {
            let Some(item) = item.as_object_mut() else { continue };
            if item.get("type").is_none_or(|kind| kind != "reasoning" && kind != "web_search_call") {
                item.remove("id").and_then(|_| item.remove("status"));
            }
            item.entry("type").or_insert(json!("message"));
        }
    }

    fn next(answer: Value) -> Value {
        let mut input = answer["output"].as_array().cloned().unwrap_or_default();
        // Foreign items of the laws are any objects.
        input.retain(|item| item["type"].is_string());
        input.push(json!({"role": "user", "content": "go on"}));
        json!({"model": "m", "input": input})
    }

    fn keeps(part: &Whole) -> bool {
        match part {
            Whole::Reasoning { seal, .. } => seal.as_ref().is_some_and(own_kind),
            Whole::ToolCall(call) => call.seal.as_ref().is_some_and(own_kind),
            _ => false,
        }
    }
}

/// Whether there is such a seal: OpenAI has one kind only.
fn own_kind(seal: &Seal<'_>) -> bool {
    seal.origin != Dialect::Responses || seal.kind == SealKind::Encrypted
}

/// Answers name themselves, and end for fewer reasons; what says nothing is not told, nor what others only know.
fn sayable(answer: &mut Answer) {
    answer.id = Text::default();
    answer.word = Text::default();
    let calls = answer.parts.iter().any(|part| matches!(part, Whole::ToolCall(_)));
    let refused = answer.parts.iter().any(|part| matches!(part, Whole::Refusal(_)));
    answer.stop = match answer.stop {
        Stop::Length | Stop::ContextFull => Stop::Length,
        Stop::Filter => Stop::Filter,
        Stop::Refusal if !refused => Stop::Filter,
        _ => Stop::EndTurn.settled(calls),
    };
    answer.parts.retain_mut(|part| match part {
        Whole::Text { text, seal, .. } => {
            *seal = None;
            !text.is_empty()
        }
        Whole::Refusal(text) => !text.is_empty(),
        Whole::Reasoning { text, seal, summary } => {
            // All reasoning is told as a summary.
            *summary = true;
            canonical_text(text);
            *seal = seal.take().filter(own_kind);
            !text.is_empty() || seal.is_some()
        }
        Whole::ToolCall(call) => {
            call.seal = call.seal.take().filter(own_kind);
            true
        }
        Whole::Media { .. } => true,
        Whole::Foreign { .. } => false,
    });
    answer.usage.cache_read = Some(answer.usage.cache_read.unwrap_or(0)).filter(|_| answer.usage.is_said());
    answer.usage.cache_write = Some(answer.usage.cache_write.unwrap_or(0)).filter(|_| answer.usage.is_said());
    answer.usage.reasoning = Some(answer.usage.reasoning.unwrap_or(0)).filter(|_| answer.usage.is_said());
}

/// What only others can be asked for goes.
fn askable(request: &mut Request<'_>) {
    let Sampling { temperature, top_p, top_logprobs, logprobs, .. } = std::mem::take(&mut request.sampling);
    let logprobs = logprobs.filter(|asked| *asked);
    request.sampling = Sampling { temperature, top_p, top_logprobs, logprobs, ..Sampling::default() };
    request.stop.clear();
    if let Thinking::Budget(tokens) = request.reasoning.thinking {
        request.reasoning.thinking = Thinking::Effort(Effort::of_budget(tokens));
    }
    if request.reasoning.thinking == Thinking::Auto {
        request.reasoning = Reasoning::default();
    }
    for turn in &mut request.turns {
        turn.parts.retain_mut(|part| match part {
            Part::Reasoning { seal, .. } => {
                seal.as_ref().is_none_or(|seal| seal.origin == Dialect::Responses && seal.kind == SealKind::Encrypted)
            }
            Part::ToolCall(call) => {
                call.seal = None;
                true
            }
            Part::ToolResult(result) => {
                if std::mem::take(&mut result.failed) {
                    say_failed(result);
                }
                true
            }
            Part::Media(media) => {
                media.detail = None;
                true
            }
            _ => true,
        });
    }
    request.turns.retain(|turn| !turn.parts.is_empty());
}

/// That a tool failed is said in words, before its only text or as one of its own.
fn say_failed(result: &mut ToolResult<'_>) {
    let text = |said: &[u8]| Part::text(Text::joined([b"Error:\\n\\n", said].concat()));
    result.content = match (result.json.take(), &mut result.content[..]) {
        (Some(json), _) => {
            let mut said = Vec::new();
            crate::json::text::escape(&String::from_utf8_lossy(json.bytes()), &mut said);
            vec![text(&said)]
        }
        (None, [Part::Text { text: said, .. }]) => vec![text(said.bytes())],
        (None, parts) => {
            let error = Part::text(Text::constant("Error:"));
            std::iter::once(error).chain(parts.iter().cloned()).collect()
        }
    };
}
