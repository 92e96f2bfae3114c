//! Writes the messages of a request for `/api/chat`.
//!
//! Texts of one message are joined by a blank line, its pictures stand beside them. Ollama fetches nothing and reads
//! no documents, so a picture elsewhere or a document that is not plain text cannot be said. A result is told by the
//! name of its tool, and by the id of its call for servers that know ids.

use super::object::{inside, object};
use crate::json::{Raw, Writer, text};
use crate::protocol::ir::{
    BadRequest, CallKind, Dropped, Json, Media, MediaKind, Names, Part, Quirks, Request, Role, Source, Text, ToolCall,
    ToolResult,
};

/// Writes messages.
pub(super) struct Messages<'m, 'w, 'r> {
    pub(super) json: &'m mut Writer<'w>,
    pub(super) quirks: &'m Quirks,
    /// Whether the request was said in Ollama's protocol.
    pub(super) own: bool,
    pub(super) names: &'m mut Names,
    pub(super) dropped: &'m mut Dropped,
    /// Calls so far: what a result answers is among them.
    pub(super) calls: Vec<&'r ToolCall<'r>>,
}

/// What one message holds.
#[derive(Default)]
struct Message<'r> {
    content: Vec<u8>,
    thinking: Vec<u8>,
    images: Vec<&'r Text<'r>>,
    calls: Vec<&'r ToolCall<'r>>,
}

impl<'r> Messages<'_, '_, 'r> {
    pub(super) fn write(&mut self, request: &'r Request<'r>) -> Result<(), BadRequest> {
        let leading = self.quirks.leading_system_only && !self.quirks.no_system_role;
        let mut all = Message::default();
        for instruction in &request.instructions {
            let mut own = Message::default();
            let message = if leading { &mut all } else { &mut own };
            instruction.parts.iter().try_for_each(|part| self.add(part, message))?;
            if !leading {
                self.message(self.system(instruction.role), &own);
            }
        }
        if leading {
            for turn in request.turns.iter().filter(|turn| is_system(turn.role)) {
                turn.parts.iter().try_for_each(|part| self.add(part, &mut all))?;
            }
            if !all.content.is_empty() {
                self.message("system", &all);
            }
        }
        for turn in &request.turns {
            if turn.name.is_some() {
                self.dropped.drop("messages.name");
            }
            if is_system(turn.role) && leading {
                continue;
            }
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
                role => self.system(role),
            };
            // A turn of the user may hold results and what he says beside them.
            let mut message = Message::default();
            let mut said = turn.parts.is_empty();
            for part in &turn.parts {
                match part {
                    Part::ToolResult(result) => self.result(result)?,
                    part => {
                        said = true;
                        self.add(part, &mut message)?;
                    }
                }
            }
            if said {
                self.message(role, &message);
            }
        }
        Ok(())
    }

    /// As whom an instruction is told; Ollama's templates know no developer.
    fn system(&self, role: Role) -> &'static str {
        match (self.quirks.no_system_role, role) {
            (true, _) => "user",
            (false, Role::Developer) if self.quirks.developer_role || self.own => "developer",
            (false, _) => "system",
        }
    }

    fn message(&mut self, role: &str, message: &Message<'r>) {
        let json = &mut *self.json;
        json.begin_object().key("role").string(role).key("content").escaped(inside(&message.content));
        if !message.thinking.is_empty() {
            json.key("thinking").escaped(inside(&message.thinking));
        }
        images(json, &message.images);
        if !message.calls.is_empty() {
            json.key("tool_calls").begin_array();
            for (index, call) in message.calls.iter().enumerate() {
                let name = self.names.say(&call.name, call.namespace.as_ref(), call.kind);
                let (input, as_said) = object(&call.input);
                if !as_said {
                    self.dropped.approximate("messages.tool_calls.arguments");
                }
                json.begin_object();
                if !call.id.is_empty() {
                    json.key("id").escaped(call.id.escaped());
                }
                json.key("function").begin_object();
                // Own calls come back as they were, without the number that only newer servers know.
                if !self.own {
                    json.key("index").u64(index as u64);
                }
                json.key("name").escaped(name.escaped()).key("arguments");
                match Raw::parse(&input) {
                    Ok(input) => json.raw(input),
                    Err(_) => json.begin_object().end(),
                };
                json.end();
                for (name, value) in call.carry.iter().filter(|_| self.own) {
                    json.key(&name.decode()).raw(value.raw());
                }
                json.end();
                self.calls.push(call);
            }
            json.end();
        }
        json.end();
    }

    /// The message of a result.
    fn result(&mut self, result: &'r ToolResult<'r>) -> Result<(), BadRequest> {
        let mut message = Message::default();
        if result.failed {
            line(&mut message.content, b"Error:");
        }
        if let Some(json) = &result.json {
            let mut said = Vec::with_capacity(json.bytes().len() + 16);
            text::escape(&String::from_utf8_lossy(json.bytes()), &mut said);
            line(&mut message.content, &said);
        }
        result.content.iter().try_for_each(|part| self.add(part, &mut message))?;
        self.mark(result.cache.is_some());
        self.lost(&result.carry);
        let by_id = |call: &&&ToolCall<'_>| !result.id.is_empty() && call.id == result.id;
        let call = self.calls.iter().rev().find(by_id).copied();
        let name = match (call, &result.name) {
            (Some(call), _) => Some(self.names.say(&call.name, call.namespace.as_ref(), call.kind)),
            (None, Some(name)) => Some(self.names.say(name, None, CallKind::Function)),
            (None, None) => None,
        };
        let json = &mut *self.json;
        json.begin_object().key("role").string("tool").key("content").escaped(inside(&message.content));
        images(json, &message.images);
        // What was said in Ollama's words has a name only if it had one there.
        if let Some(name) = name.filter(|_| result.name.is_some() || !self.own) {
            json.key("tool_name").escaped(name.escaped());
        }
        if !result.id.is_empty() {
            json.key("tool_call_id").escaped(result.id.escaped());
        }
        json.end();
        Ok(())
    }

    fn add(&mut self, part: &'r Part<'r>, message: &mut Message<'r>) -> Result<(), BadRequest> {
        match part {
            Part::Text { text, cache, citations } => {
                line(&mut message.content, text.bytes());
                self.mark(cache.is_some());
                if citations.is_some() {
                    self.dropped.drop("messages.citations");
                }
            }
            Part::Refusal(text) => line(&mut message.content, text.bytes()),
            Part::Reasoning { text, seal, .. } => {
                line(&mut message.thinking, text.bytes());
                if text.is_empty() && seal.is_some() {
                    self.dropped.drop("messages.reasoning");
                }
            }
            Part::Media(media) => self.media(media, message)?,
            Part::ToolCall(call) => {
                self.mark(call.cache.is_some());
                self.lost(&call.carry);
                message.calls.push(call);
            }
            // Among a result's content, or in a turn of the assistant: no place for it.
            Part::ToolResult(_) => self.dropped.drop("messages.tool_result"),
            Part::Foreign { raw, .. } => self.dropped.drop_foreign("messages", raw.raw()),
        }
        Ok(())
    }

    fn media(&mut self, media: &'r Media<'r>, message: &mut Message<'r>) -> Result<(), BadRequest> {
        self.mark(media.cache.is_some());
        self.lost(&media.carry);
        if media.detail.is_some() {
            self.dropped.drop("messages.image.detail");
        }
        let unsaid = match (media.kind, &media.source) {
            (MediaKind::Image, Source::Base64(data)) => {
                message.images.push(data);
                return Ok(());
            }
            (_, Source::Text(text)) => {
                if let Some(name) = &media.name {
                    line(&mut message.content, &[name.bytes(), b":"].concat());
                }
                line(&mut message.content, text.bytes());
                return Ok(());
            }
            (MediaKind::Image, _) => "Ollama takes pictures as bytes; it fetches none and keeps no files",
            (MediaKind::Document, _) => "Ollama reads no documents but plain text",
            (MediaKind::Audio, _) => "Ollama hears no sound",
            (MediaKind::Video, _) => "Ollama sees no video",
        };
        Err(BadRequest { member: "messages".into(), message: unsaid.into() })
    }

    /// Members of a part that only its origin knows.
    fn lost(&mut self, carry: &[(Text<'_>, Json<'_>)]) {
        for (name, _) in carry.iter().filter(|_| !self.own) {
            self.dropped.drop(format!("messages.{}", name.decode()));
        }
    }

    /// Ollama keeps what it has read by itself.
    fn mark(&mut self, marked: bool) {
        if marked {
            self.dropped.drop("cache_control");
        }
    }
}

fn is_system(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

fn images(json: &mut Writer<'_>, images: &[&Text<'_>]) {
    if !images.is_empty() {
        json.key("images").begin_array();
        images.iter().for_each(|image| _ = json.escaped(image.escaped()));
        json.end();
    }
}

/// Adds `more` to a text, behind a blank line where something stands there.
fn line(text: &mut Vec<u8>, more: &[u8]) {
    if !text.is_empty() && !more.is_empty() {
        text.extend_from_slice(b"\\n\\n");
    }
    text.extend_from_slice(more);
}
