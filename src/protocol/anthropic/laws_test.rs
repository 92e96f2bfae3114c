//! What the laws of the pivot have to know of Messages.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::laws::Lawful;
use crate::protocol::ir::laws::said::Answer;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Instruction, Json, Part, Role, Sampling, Seal, Shape, Text, Tool, ToolChoice};
use crate::sse::{Frame, Framing};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/anthropic/", $name))
    };
}

const TOOLS: &str = golden!("upstream_tools.sse");

impl Lawful for Anthropic {
    const STREAMS: &'static [&'static str] = &[TOOLS, golden!("upstream_overloaded.sse"), golden!("stream_text.sse")];
    const ANSWERS: &'static [&'static str] = &[
        golden!("upstream_tools.json"),
        golden!("response_tool.json"),
        r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
    ];
    const REQUESTS: &'static [&'static str] =
        &[golden!("request_claude_code.json"), golden!("request_everything.json")];
    const FRAMINGS: &'static [Framing] = &[Framing::Sse];

    fn same() -> Vec<(Cow<'static, str>, &'static str)> {
        // Foreign parts come in other pieces.
        let block = |nth: u8| {
            let head = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":";
            TOOLS.find(&format!("{head}{nth}")).expect("it is there")
        };
        let stream = [&TOOLS[..block(3)], &TOOLS[block(5)..]].concat();
        vec![(stream.into(), golden!("upstream_tools.json"))]
    }

    fn is_end(frame: &Frame<'_>) -> bool {
        frame.event == b"message_stop"
    }

    fn normal_stream(answer: &mut Answer) {
        normal(answer);
    }

    fn normal_answer(answer: &mut Answer) {
        for part in &mut answer.parts {
            if let Whole::Foreign { raw, more, .. } = part {
                let mut whole = Vec::new();
                response_out::joined(raw, &std::mem::take(more), &mut whole);
                *raw = Json::written(whole);
            }
        }
        normal(answer);
    }

    fn normal_request(request: &mut Request<'_>) {
        askable(request);
    }

    /// Strings are blocks of one text, and nothing is said twice.
    fn normal_body(body: &mut Value) {
        let blocks = |content: &mut Value| {
            if let Some(text) = content.as_str() {
                *content = json!([{"type": "text", "text": text}]);
            }
        };
        blocks(&mut body["system"]);
        for message in body["messages"].as_array_mut().into_iter().flatten() {
            blocks(&mut message["content"]);
            for block in message["content"].as_array_mut().into_iter().flatten() {
                if block["type"] == "tool_result" {
                    blocks(&mut block["content"]);
                }
                let direct = block["caller"]["type"] == "direct";
                let succeeded = block["is_error"] == false;
                let Some(block) = block.as_object_mut() else { continue };
                if direct {
                    block.remove("caller");
                }
                if succeeded {
                    block.remove("is_error");
                }
            }
        }
    }

    fn next(answer: Value) -> Value {
        let mut content = answer["content"].as_array().cloned().unwrap_or_default();
        // Foreign blocks of the laws are any objects.
        content.retain(|block| block["type"].is_string());
        let messages = [json!({"role": "user", "content": "go"}), json!({"role": "assistant", "content": content})];
        json!({"model": "m", "max_tokens": 9, "messages": messages})
    }

    fn keeps(part: &Whole) -> bool {
        match part {
            Whole::ToolCall(call) => call.seal.as_ref().is_some_and(is_known),
            Whole::Reasoning { .. } => true,
            _ => false,
        }
    }
}

/// Whether there is such a seal: Anthropic signs no calls.
fn is_known(seal: &Seal<'_>) -> bool {
    seal.origin != Dialect::Anthropic || seal.kind != SealKind::Call
}

/// What Messages has no words for: refusals, summaries, media, others' parts, some reasons to stop. A seal beside which
/// nothing is said is a block of its own, and so is one of redacted thoughts and of a call.
fn normal(answer: &mut Answer) {
    answer.id = Text::default();
    if answer.stop == Stop::Filter {
        answer.stop = Stop::Refusal;
    }
    for count in [&mut answer.usage.input, &mut answer.usage.output] {
        count.get_or_insert(0);
    }
    for count in [&mut answer.usage.cache_read, &mut answer.usage.cache_write] {
        count.get_or_insert(0);
    }
    let text = |text| Whole::Text { text, citations: Vec::new(), seal: None };
    let reasoning = |text: Text<'static>, seal: Option<Seal<'static>>| {
        let told = !text.is_empty() || seal.is_some();
        told.then_some(Whole::Reasoning { text, seal, summary: false })
    };
    let mut parts = Vec::new();
    for part in answer.parts.drain(..) {
        match part {
            Whole::Text { text: said, .. } | Whole::Refusal(said) => {
                parts.extend((!said.is_empty()).then(|| text(said)))
            }
            Whole::Reasoning { text, seal: Some(seal), .. }
                if (seal.origin, seal.kind) == (Dialect::Anthropic, SealKind::Encrypted) =>
            {
                parts.extend(reasoning(text, None));
                parts.extend(reasoning(Text::default(), Some(seal)));
            }
            Whole::Reasoning { text, seal, .. } => parts.extend(reasoning(text, seal)),
            Whole::ToolCall(mut call) => {
                parts.extend(reasoning(Text::default(), call.seal.take().filter(is_known)));
                parts.push(Whole::ToolCall(call));
            }
            Whole::Media { media_type, base64 } => {
                let shown = format!("![image](data:{};base64,{})", media_type.decode(), base64.decode());
                parts.push(text(Text::plain(&shown)));
            }
            Whole::Foreign { origin: Dialect::Anthropic, .. } => parts.push(part),
            Whole::Foreign { .. } => {}
        }
    }
    answer.parts = parts;
}

/// What only others can be asked for goes, and thoughts that Anthropic did not seal; a bound and a schema are always
/// said, JSON of any form is asked for in words.
fn askable(request: &mut Request<'_>) {
    let Sampling { temperature, top_p, top_k, .. } = std::mem::take(&mut request.sampling);
    request.sampling = Sampling { temperature, top_p, top_k, ..Sampling::default() };
    request.output_tokens_max.get_or_insert(model::Model::named("a-model").output_tokens());
    match &mut request.shape {
        Shape::Text => {}
        Shape::JsonObject => {
            let text = "Answer with one JSON object and nothing else: no prose, no code fence.";
            let part = Part::text(Text::constant(text));
            match request.instructions.first_mut() {
                Some(instruction) => instruction.parts.push(part),
                None => request.instructions.push(Instruction { role: Role::System, parts: vec![part] }),
            }
            request.shape = Shape::Text;
        }
        Shape::JsonSchema { name, strict, .. } => (*name, *strict) = (Text::default(), Some(true)),
    }
    for tool in &mut request.tools {
        if let Tool::Function(function) = tool {
            function.parameters.get_or_insert(Json::constant(r#"{"type":"object","properties":{}}"#));
        }
    }
    (request.tool_choice, request.parallel_tools) = match (request.tool_choice.take(), request.parallel_tools) {
        _ if request.tools.is_empty() => (None, None),
        (None, Some(false)) => (Some(ToolChoice::Auto), Some(false)),
        (None, _) => (None, None),
        (Some(ToolChoice::None), _) => (Some(ToolChoice::None), None),
        said => said,
    };
    for turn in &mut request.turns {
        turn.parts.retain_mut(|part| match part {
            Part::Reasoning { text, seal, .. } => {
                let own = seal.as_ref().filter(|seal| seal.origin == Dialect::Anthropic);
                if own.is_some_and(|seal| seal.kind == SealKind::Encrypted) {
                    *text = Text::default();
                }
                own.is_some()
            }
            Part::ToolCall(call) => {
                call.seal = None;
                true
            }
            Part::ToolResult(result) => {
                result.name = None;
                true
            }
            _ => true,
        });
    }
    request.turns.retain(|turn| !turn.parts.is_empty());
}
