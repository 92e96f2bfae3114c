//! Writes an answer for an Ollama client that wants no stream, and the members that a stream's lines share with it.
//!
//! How long things took is not known here: those members are there, for clients divide by them, and are zero. A picture
//! has a member in `/api/generate` only; in `/api/chat`, whose libraries do not read one, it is told as Markdown.

use super::object::{inside, object};
use crate::json::{Raw, Writer, text};
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::{Opening, Response, Stop};
use crate::protocol::models::timestamp;
use crate::protocol::sniff::Usage;

/// Writes `response`.
pub fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    let (mut content, mut thinking, mut image, mut calls) = (Vec::new(), Vec::new(), None, Vec::new());
    for part in &response.parts {
        match part {
            Whole::Text { text, .. } | Whole::Refusal(text) => content.extend_from_slice(text.bytes()),
            Whole::Reasoning { text, .. } => thinking.extend_from_slice(text.bytes()),
            Whole::ToolCall(call) => calls.push(call),
            Whole::Media { base64, .. } if opening.plain_completion => image = Some(base64),
            Whole::Media { media_type, base64 } => picture(media_type.bytes(), base64.bytes(), &mut content),
            // Nobody but Ollama could have said one in its form, and it has none.
            Whole::Foreign { .. } => {}
        }
    }
    begin(response.model.bytes(), opening, out);
    if !opening.plain_completion {
        out.extend_from_slice(b",\"message\":{\"role\":\"assistant\"");
    }
    member(content_name(opening), &content, out);
    if !thinking.is_empty() {
        member("thinking", &thinking, out);
    }
    if let Some(image) = image {
        member("image", image.bytes(), out);
    }
    for (index, call) in calls.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"tool_calls\":[" } else { b"," });
        let (input, _) = object(&call.input);
        self::call(&opening.id, index as u64, (call.id.bytes(), call.name.bytes()), &input, out);
    }
    if !calls.is_empty() {
        out.push(b']');
    }
    if !opening.plain_completion {
        out.push(b'}');
    }
    end(reason(response.stop()), &response.usage, out);
}

/// What the member is called that holds the text.
pub(super) fn content_name(opening: &Opening) -> &'static str {
    if opening.plain_completion { "response" } else { "content" }
}

/// How every object begins.
pub(super) fn begin(upstream_model: &[u8], opening: &Opening, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"model\":\"");
    match opening.model.is_empty() {
        true => out.extend_from_slice(upstream_model),
        false => text::escape(&opening.model, out),
    }
    out.extend_from_slice(b"\",\"created_at\":\"");
    out.extend_from_slice(timestamp(opening.created_unix_s).as_bytes());
    out.push(b'"');
}

/// `,"name":"text"`.
pub(super) fn member(name: &str, text: &[u8], out: &mut Vec<u8>) {
    for piece in [b",\"", name.as_bytes(), b"\":\"", text, b"\""] {
        out.extend_from_slice(piece);
    }
}

/// A picture for whom reads text only.
pub(super) fn picture(media_type: &[u8], base64: &[u8], out: &mut Vec<u8>) {
    let begin: &[u8] = if media_type.starts_with(b"image/") { b"![image](data:" } else { b"[sound](data:" };
    for piece in [begin, media_type, b";base64,", base64, b")"] {
        out.extend_from_slice(piece);
    }
}

/// A call by its id and its name. The id is made of the answer's where the upstream has none.
pub(super) fn call(answer: &str, index: u64, (id, name): (&[u8], &[u8]), input: &[u8], out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object().key("id");
    match id.is_empty() {
        true => json.string(&format!("call_{answer}_{index}")),
        false => json.escaped(inside(id)),
    };
    json.key("function").begin_object().key("index").u64(index).key("name").escaped(inside(name)).key("arguments");
    match Raw::parse(input) {
        Ok(input) => json.raw(input),
        Err(_) => json.begin_object().end(),
    };
    json.end().end();
}

/// Ollama's word for why an answer ends; it has few.
pub(super) fn reason(stop: Stop<'_>) -> &'static str {
    match stop {
        Stop::Length | Stop::ContextFull => "length",
        Stop::Filter => "content_filter",
        Stop::EndTurn | Stop::ToolUse | Stop::Word(_) | Stop::Refusal | Stop::Pause => "stop",
    }
}

/// How an answer ends, from `done` on.
pub(super) fn end(reason: &str, usage: &Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"done\":true");
    member("done_reason", reason.as_bytes(), out);
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        count(name, Some(0), out);
    }
    count("prompt_eval_count", usage.input, out);
    count("prompt_eval_cached_count", usage.cache_read, out);
    count("eval_count", usage.output, out);
    out.push(b'}');
}

fn count(name: &str, count: Option<u64>, out: &mut Vec<u8>) {
    if let Some(count) = count {
        for piece in [b",\"", name.as_bytes(), b"\":", itoa::Buffer::new().format(count).as_bytes()] {
            out.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
#[path = "response_out_test.rs"]
mod tests;
