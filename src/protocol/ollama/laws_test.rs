//! What the laws of the pivot have to know of Ollama.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::laws::said::Answer;
use crate::protocol::ir::laws::{Lawful, joined};
use crate::protocol::ir::{Effort, Media, Part, Shape, Stop, Text, Thinking, Tool, ToolChoice, ToolResult, Turn};
use crate::sse::{Frame, Framing};

macro_rules! golden {
    ($($name:literal),*) => { &[$(include_str!(concat!("../../../tests/golden/ollama/", $name))),*] };
}

impl Lawful for Ollama {
    const STREAMS: &'static [&'static str] = golden!(
        "stream_text.ndjson",
        "stream_tools.ndjson",
        "stream_generate.ndjson",
        "stream_error.ndjson",
        "stream_cut.ndjson",
        "stream_image.ndjson"
    );
    const ANSWERS: &'static [&'static str] = golden!("answer_text.json", "answer_tools.json", "answer_generate.json");
    const REQUESTS: &'static [&'static str] =
        golden!("chat_text.json", "chat_tools.json", "chat_options.json", "generate.json");
    /// Upstreams are asked by `/api/chat` only.
    const BODIES: &'static [&'static str] = golden!("chat_text.json", "chat_tools.json", "chat_options.json");
    const FRAMINGS: &'static [Framing] = &[Framing::Lines];

    fn same() -> Vec<(Cow<'static, str>, &'static str)> {
        Self::STREAMS.iter().map(|stream| (*stream).into()).zip(Self::ANSWERS.iter().copied()).collect()
    }

    fn is_end(frame: &Frame<'_>) -> bool {
        crate::json::find(frame.data, "done").is_some_and(|done| done.as_bool() == Some(true))
    }

    fn normal_stream(answer: &mut Answer) {
        stream_normal(answer);
    }

    fn normal_answer(answer: &mut Answer) {
        whole_normal(answer);
    }

    fn normal_request(request: &mut Request<'_>) {
        request_normal(request);
    }

    fn next(answer: Value) -> Value {
        let results = answer["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        let result = |call: &Value| json!({"role": "tool", "content": "x", "tool_name": call["function"]["name"]});
        let mut messages = vec![json!({"role": "user", "content": "go"}), answer["message"].clone()];
        messages.extend(results.iter().map(result));
        json!({"model": "a-model", "messages": messages})
    }

    /// Seals have no place in Ollama's protocol.
    fn keeps(_: &Whole) -> bool {
        false
    }
}

/// What Ollama cannot say of an answer: seals, refusals, where a picture stood, what a cache took in.
fn stream_normal(answer: &mut Answer) {
    answer.parts.retain(|part| !matches!(part, Whole::Foreign { .. }));
    for part in &mut answer.parts {
        *part = match std::mem::replace(part, Whole::Refusal(Text::default())) {
            Whole::Refusal(text) | Whole::Text { text, .. } => Whole::Text { text, citations: Vec::new(), seal: None },
            Whole::Reasoning { text, .. } => Whole::Reasoning { text, seal: None, summary: false },
            Whole::Media { base64, .. } => {
                let text = Text::plain(&format!("![image](data:image/png;base64,{})", base64.decode()));
                Whole::Text { text, citations: Vec::new(), seal: None }
            }
            Whole::ToolCall(mut call) => {
                call.seal = None;
                Whole::ToolCall(call)
            }
            Whole::Foreign { .. } => continue,
        };
    }
    joined(&mut answer.parts);
    let called = answer.parts.iter().any(|part| matches!(part, Whole::ToolCall(_)));
    answer.stop = match answer.stop {
        Stop::Length | Stop::ContextFull => Stop::Length,
        Stop::Filter => Stop::Filter,
        _ => Stop::EndTurn.settled(called),
    };
    (answer.id, answer.word) = (Text::default(), Text::default());
    (answer.usage.cache_write, answer.usage.reasoning) = (None, None);
}

/// A whole answer says its thoughts first and its calls last.
fn whole_normal(answer: &mut Answer) {
    answer.parts.sort_by_key(|part| match part {
        Whole::Reasoning { .. } => 0,
        Whole::ToolCall(_) => 2,
        _ => 1,
    });
    stream_normal(answer);
}

/// What Ollama cannot say of a request: where in a message a picture stands and a text ends, which tool is called,
/// how much is thought to the token.
fn request_normal(request: &mut Request<'_>) {
    for turn in std::mem::take(&mut request.turns) {
        let (results, own): (Vec<_>, Vec<_>) =
            turn.parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        for part in results {
            let Part::ToolResult(mut result) = part else { continue };
            if std::mem::take(&mut result.failed) {
                result.content.insert(0, Part::text(Text::constant("Error:")));
            }
            let content = message(std::mem::take(&mut result.content));
            let parts = vec![Part::ToolResult(ToolResult { content, ..result })];
            request.turns.push(Turn { role: turn.role, name: None, parts });
        }
        if !own.is_empty() {
            request.turns.push(Turn { role: turn.role, name: None, parts: message(own) });
        }
    }
    request.repeat.clear();
    request.tools.retain(|tool| match (&request.tool_choice, tool) {
        (Some(ToolChoice::None), _) => false,
        (Some(ToolChoice::Named { name, .. }), Tool::Function(function)) => function.name == *name,
        _ => true,
    });
    (request.tool_choice, request.parallel_tools) = (None, None);
    request.reasoning.thinking = match request.reasoning.thinking {
        Thinking::Effort(effort) => Thinking::Effort(level(effort)),
        Thinking::Budget(tokens) => Thinking::Effort(level(Effort::of_budget(tokens))),
        other => other,
    };
    if let Shape::JsonSchema { name, strict, .. } = &mut request.shape {
        (*name, *strict) = (Text::default(), None);
    }
}

fn level(effort: Effort) -> Effort {
    effort.clamp(Effort::Low, Effort::High)
}

/// The parts of one message: thought, text, pictures, calls.
fn message(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let (mut thought, mut text, mut rest) = (String::new(), String::new(), Vec::new());
    let add = |to: &mut String, more: &Text<'_>| {
        let gap = if to.is_empty() || more.is_empty() { "" } else { "\n\n" };
        to.push_str(gap);
        to.push_str(&more.decode());
    };
    for part in parts {
        match part {
            Part::Text { text: more, .. } => add(&mut text, &more),
            Part::Reasoning { text: more, .. } => add(&mut thought, &more),
            Part::ToolCall(mut call) => {
                call.seal = None;
                rest.push(Part::ToolCall(call));
            }
            // The type of a picture is told by its bytes, and the test's are no pictures.
            Part::Media(media) => rest.push(Part::Media(Media { media_type: None, ..media })),
            part => rest.push(part),
        }
    }
    let reasoning = Part::Reasoning { text: Text::plain(&thought), seal: None, id: None, summary: false };
    let mut all: Vec<_> = (!thought.is_empty()).then_some(reasoning).into_iter().collect();
    all.extend((!text.is_empty()).then(|| Part::text(Text::plain(&text))));
    all.extend(rest);
    all
}
