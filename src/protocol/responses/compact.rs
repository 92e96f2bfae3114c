//! Compaction for clients whose upstream has none: a summary in the place where OpenAI puts an encrypted one.
//!
//! The conversation is flattened to lines and the same model is asked for a summary ([`ask`], [`told`]). The client gets
//! it as an item of type `compaction`, as the answer to `/v1/responses/compact` or to a request that holds a
//! `compaction_trigger` ([`is_asked`], [`Compaction`]), and sends it back with each request from then on, where it is read
//! as an instruction. Nothing is kept here. An `encrypted_content` without our mark is a vendor's own and stays as it is.
//!
//! The answer to a trigger tells no tokens: Codex would take those of the long prompt for the size of what is left.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::object::{self, Object};
use super::request_in::bad;
use super::request_out;
use crate::json::{self, Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::{
    BadRequest, BadUpstream, Destination, Input, Instruction, MediaKind, Opening, Outgoing, Part, Quirks, Request,
    Response, Role, Text, Turn,
};
use crate::protocol::sniff::Usage;
use crate::sse;

/// What a kept summary begins with.
pub const MARK: &[u8] = b"weir.compaction.1.";
/// What a summary begins with where a model reads it.
const HEADING: &str = "[Conversation Summary]";
/// What the model is told that summarises.
const TASK: &str = "You compact conversations. Summarise the conversation below so that another assistant can go on \
    with it without having seen it: what the user wants, what has been decided and done, the names of files, functions \
    and commands that matter, what failed, and what is to be done next. Say nothing else.";
/// Most tokens of a summary; models that reason think within it too.
const SUMMARY_TOKENS_MAX: u64 = 4_096;
/// Letters of a call's input and of a result that go into the lines.
const EXCERPT_LETTERS: usize = 200;

/// The summary in an `encrypted_content` of ours, as a model reads it; nothing if it is another's.
pub(super) fn summary(kept: Escaped<'_>) -> Option<Text<'static>> {
    let kept = kept.bytes().strip_prefix(MARK)?;
    let object = STANDARD.decode(kept).ok()?;
    let summary = Raw::parse(&object).ok()?.find("summary")?.as_str()?;
    let mut text = Vec::with_capacity(summary.bytes().len() + HEADING.len() + 2);
    text.extend_from_slice(HEADING.as_bytes());
    text.extend_from_slice(b"\\n");
    text.extend_from_slice(summary.bytes());
    Some(Text::joined(text))
}

/// Whether a request's `body` may hold a summary of ours, which its vendor would refuse.
pub fn may_be_held(body: &[u8]) -> bool {
    memchr::memmem::find(body, MARK).is_some()
}

/// Whether `request` asks for a compaction instead of an answer.
pub fn is_asked(request: &Request<'_>) -> bool {
    let trigger = |part: &Part<'_>| match part {
        Part::Foreign { origin: Dialect::Responses, raw } => {
            raw.raw().find("type").and_then(Raw::as_str).is_some_and(|kind| kind.eq_str("compaction_trigger"))
        }
        _ => false,
    };
    request.turns.iter().flat_map(|turn| &turn.parts).any(trigger)
}

/// The request for a summary of `request`, to be made instead of it.
pub fn ask(request: &Request<'_>) -> Result<Request<'static>, BadRequest> {
    let mut lines = String::new();
    for instruction in &request.instructions {
        // Of the instructions only what an earlier compaction left is part of the conversation.
        for part in &instruction.parts {
            if let Part::Text { text, .. } = part
                && text.bytes().starts_with(HEADING.as_bytes())
            {
                let _ = writeln!(lines, "{}", text.decode());
            }
        }
    }
    for turn in &request.turns {
        turn.parts.iter().for_each(|part| line(turn.role, part, &mut lines));
    }
    if lines.is_empty() {
        return Err(bad("input", "holds nothing to compact"));
    }
    let mut asked = Request::new(Dialect::Responses);
    asked.model = request.model.clone().into_owned();
    asked.instructions = vec![Instruction { role: Role::System, parts: vec![Part::text(Text::plain(TASK))] }];
    asked.turns = vec![Turn { role: Role::User, name: None, parts: vec![Part::text(Text::plain(&lines))] }];
    asked.output_tokens_max = Some(SUMMARY_TOKENS_MAX);
    asked.store = Some(false);
    Ok(asked)
}

fn line(role: Role, part: &Part<'_>, lines: &mut String) {
    let role = match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let _ = match part {
        Part::Text { text, .. } | Part::Refusal(text) if !text.is_empty() => {
            writeln!(lines, "[{role}]: {}", text.decode())
        }
        Part::Media(medium) => {
            let kind = match medium.kind {
                MediaKind::Image => "image",
                MediaKind::Document => "document",
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
            };
            writeln!(lines, "[{role}]: ({kind})")
        }
        Part::ToolCall(call) => {
            let input = match &call.input {
                Input::Text(text) | Input::Free(text) => text.decode(),
                Input::Json(json) => String::from_utf8_lossy(json.bytes()),
            };
            writeln!(lines, "[tool_call: {}({})]", call.name.decode(), excerpt(&input))
        }
        Part::ToolResult(result) => {
            let texts = result.content.iter().filter_map(|part| match part {
                Part::Text { text, .. } => Some(text.decode()),
                _ => None,
            });
            let whole: Vec<_> = texts.collect();
            writeln!(lines, "[tool_result: {}]", excerpt(&whole.join("\n")))
        }
        _ => Ok(()),
    };
}

fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(EXCERPT_LETTERS).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

/// The summary that the model told.
pub fn told(answer: &Response) -> Result<Text<'static>, BadUpstream> {
    let mut summary = Text::default();
    for part in &answer.parts {
        if let Whole::Text { text, .. } = part {
            summary.push(text.escaped());
        }
    }
    match summary.decode().trim().is_empty() {
        true => Err(BadUpstream("the model told no summary")),
        false => Ok(summary),
    }
}

/// How an answer with a summary is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As `/v1/responses/compact` does: an object of its own.
    Object,
    /// As a whole answer to a request with a trigger.
    Answer,
    /// As the stream that answers one.
    Events,
}

/// A compaction that a client waits for.
#[derive(Clone, Debug)]
pub struct Compaction {
    /// How it is told.
    pub form: Form,
    /// The model that was asked for.
    model: Text<'static>,
    /// The user's first message as an item, where the form repeats it.
    first: Option<Vec<u8>>,
}

impl Compaction {
    /// Of `request`, to be told so.
    pub fn new(form: Form, request: &Request<'_>) -> Compaction {
        let first = if form == Form::Object { first_message(request) } else { None };
        Compaction { form, model: request.model.clone().into_owned(), first }
    }

    /// Appends the answer.
    pub fn write(&self, summary: &Text<'_>, usage: &Usage, opening: &Opening, out: &mut Vec<u8>) {
        match self.form {
            Form::Object => self.object(summary, usage, opening, out),
            Form::Answer => self.response(summary, opening, out),
            Form::Events => self.events(summary, opening, out),
        }
    }

    /// Appends the stream that tells why there is no summary.
    pub fn failed(&self, message: &str, opening: &Opening, out: &mut Vec<u8>) {
        self.created(opening, out);
        let error = Some(("compaction_failed", message));
        event("response.failed", 1, "response", |out| self.answer(opening, "failed", error, None, |_| (), out), out);
    }

    /// The user's first message and the summary of the rest.
    fn object(&self, summary: &Text<'_>, usage: &Usage, opening: &Opening, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"resp_compact_");
        text::escape(&opening.id, out);
        out.extend_from_slice(b"\",\"object\":\"response.compaction\",\"created_at\":");
        out.extend_from_slice(itoa::Buffer::new().format(opening.created_unix_s).as_bytes());
        out.extend_from_slice(b",\"output\":[");
        if let Some(message) = &self.first {
            out.extend_from_slice(b"{\"id\":\"msg_");
            text::escape(&opening.id, out);
            out.extend_from_slice(b"_0\",\"status\":\"completed\",");
            out.extend_from_slice(&message[1..]);
            out.push(b',');
        }
        self.item(summary, opening, out);
        out.extend_from_slice(b"],\"usage\":");
        object::usage(usage, out);
        out.push(b'}');
    }

    fn response(&self, summary: &Text<'_>, opening: &Opening, out: &mut Vec<u8>) {
        let none = Usage { input: Some(0), output: Some(0), ..Usage::default() };
        self.answer(opening, "completed", None, Some(&none), |out| self.item(summary, opening, out), out);
    }

    fn events(&self, summary: &Text<'_>, opening: &Opening, out: &mut Vec<u8>) {
        self.created(opening, out);
        for (nth, name) in [(1, "response.output_item.added"), (2, "response.output_item.done")] {
            event(name, nth, "output_index\":0,\"item", |out| self.item(summary, opening, out), out);
        }
        event("response.completed", 3, "response", |out| self.response(summary, opening, out), out);
    }

    fn created(&self, opening: &Opening, out: &mut Vec<u8>) {
        let begun = |out: &mut Vec<u8>| self.answer(opening, "in_progress", None, None, |_| (), out);
        event("response.created", 0, "response", begun, out);
    }

    /// Appends the item that holds the summary.
    fn item(&self, summary: &Text<'_>, opening: &Opening, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"cmp_");
        text::escape(&opening.id, out);
        out.extend_from_slice(b"\",\"type\":\"compaction\",\"encrypted_content\":\"");
        let mut kept = Vec::new();
        let mut json = Writer::new(&mut kept);
        json.begin_object().key("summary").escaped(summary.escaped()).key("model").escaped(self.model.escaped());
        json.key("ts").u64(opening.created_unix_s).end();
        out.extend_from_slice(MARK);
        out.extend_from_slice(STANDARD.encode(kept).as_bytes());
        out.extend_from_slice(b"\"}");
    }

    fn answer(
        &self,
        opening: &Opening,
        status: &str,
        error: Option<(&str, &str)>,
        usage: Option<&Usage>,
        output: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let mut model = Vec::new();
        match opening.model.is_empty() {
            true => model.extend_from_slice(self.model.bytes()),
            false => text::escape(&opening.model, &mut model),
        }
        let echo = object::echo(&opening.echo);
        let object = Object { opening, model: &model, echo: &echo, status, error, incomplete: None, usage };
        object.write(output, out);
    }
}

/// The user's first message as an item.
fn first_message(asked: &Request<'_>) -> Option<Vec<u8>> {
    let says = |part: &&Part<'_>| matches!(part, Part::Text { .. } | Part::Media(_));
    let first = asked.turns.iter().find(|turn| turn.role == Role::User && turn.parts.iter().any(|part| says(&part)))?;
    let mut only = Request::new(Dialect::Responses);
    only.turns.push(Turn { parts: first.parts.iter().filter(says).cloned().collect(), ..first.clone() });
    let mut out = Outgoing::default();
    let to = Destination { model: "", stream: false, quirks: &Quirks::default() };
    request_out::request(&only, &to, &mut out).ok()?;
    json::find(&out.body, "input")?.elements().next().map(|item| item.bytes().to_vec())
}

fn event(name: &str, nth: u64, member: &str, value: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let mut body = format!("{{\"type\":\"{name}\",\"sequence_number\":{nth},\"{member}\":").into_bytes();
    value(&mut body);
    body.push(b'}');
    sse::write::event(name, &body, out);
}

#[cfg(test)]
#[path = "compact_test.rs"]
mod tests;
