//! Reads a Responses request: what Codex and the SDKs send.
//!
//! The members of the body stand here; [`super::input_in`] has the conversation and [`super::tools_in`] the tools. A
//! member that is null counts as not said. What the pivot has no word for is carried: a member of the body under its
//! name, one of `text` and `reasoning` under a name with a dot.
//!
//! What only a vendor who keeps answers can do is read here and refused by [`refuse_stored`] where the other side is
//! another protocol.

use std::borrow::Cow;

use super::{input_in, tools_in};
use crate::json::{self, Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{BadRequest, Effort, Instruction, Json, Part, Request, Role, Shape, Text, Thinking};

/// Reads a client's request. `body` is valid JSON.
pub fn request<'a>(body: &'a [u8], path_model: Option<&'a str>, stream: bool) -> Result<Request<'a>, BadRequest> {
    let mut request = Request::new(Dialect::Responses);
    request.stream = stream;
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad("body", "must be an object"));
    }
    let (mut input, mut instructions) = (None, None);
    for (name, value) in json::members(body).filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"input" => input = Some(value),
            b"instructions" => instructions = Some(text("instructions", value)?),
            _ => member(name, value, &mut request)?,
        }
    }
    if let Some(model) = path_model {
        request.model = Text::plain(model);
    }
    // Instructions come before those that stand in the input, wherever the body says them.
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        request.instructions.push(Instruction { role: Role::System, parts: vec![Part::text(text)] });
    }
    let kept = |name| request.carry.iter().any(|(carried, _)| carried.eq_str(name));
    match input {
        Some(input) => input_in::input(input, &mut request)?,
        None if request.previous.is_some() || kept("prompt") || kept("conversation") => {}
        None => return Err(bad("input", "is missing")),
    }
    Ok(request)
}

/// One member of the body that is neither input nor instructions.
fn member<'a>(name: Escaped<'a>, value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    match name.bytes() {
        b"model" => request.model = text("model", value)?,
        b"stream" => request.stream = flag("stream", value)?,
        b"tools" => tools_in::tools(value, request)?,
        b"tool_choice" => request.tool_choice = Some(tools_in::choice(value, request)?),
        b"parallel_tool_calls" => request.parallel_tools = Some(flag("parallel_tool_calls", value)?),
        b"max_output_tokens" => request.output_tokens_max = Some(whole("max_output_tokens", value)?),
        b"temperature" => request.sampling.temperature = Some(number("temperature", value)?),
        b"top_p" => request.sampling.top_p = Some(number("top_p", value)?),
        b"top_logprobs" => request.sampling.top_logprobs = Some(whole("top_logprobs", value)?),
        b"reasoning" => reasoning(value, request)?,
        b"text" => shape(value, request)?,
        b"include" => include(name, value, request)?,
        b"metadata" if value.is_object() => request.metadata = Some(value.into()),
        b"metadata" => return Err(bad("metadata", "must be an object")),
        b"store" => request.store = Some(flag("store", value)?),
        b"service_tier" => request.service_tier = Some(text("service_tier", value)?),
        b"prompt_cache_key" => request.prompt_cache_key = Some(text("prompt_cache_key", value)?),
        b"previous_response_id" => request.previous = Some(text("previous_response_id", value)?),
        b"safety_identifier" => {
            // Both names may be said; the newer one is the end user, the older one is kept beside it.
            if let Some(older) = request.user.replace(text("safety_identifier", value)?) {
                request.carry.push((Text::constant("user"), Json::quoted(&older)));
            }
        }
        b"user" if request.user.is_none() => request.user = Some(text("user", value)?),
        _ => request.carry.push((name.into(), value.into())),
    }
    Ok(())
}

fn reasoning<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    object("reasoning", value)?;
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"effort" => {
                let effort = text("reasoning.effort", value)?;
                request.reasoning.thinking = match (&*effort.decode(), Effort::named(&effort.decode())) {
                    ("none", _) => Thinking::Off,
                    (_, Some(effort)) => Thinking::Effort(effort),
                    (_, None) => return Err(bad("reasoning.effort", "is none of the known efforts")),
                };
            }
            b"summary" => request.reasoning.summary = Some(text("reasoning.summary", value)?),
            _ => request.carry.push((dotted("reasoning.", name), value.into())),
        }
    }
    Ok(())
}

fn shape<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    object("text", value)?;
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"verbosity" => request.verbosity = Some(text("text.verbosity", value)?),
            b"format" => request.shape = format(value, request)?,
            _ => request.carry.push((dotted("text.", name), value.into())),
        }
    }
    Ok(())
}

fn format<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<Shape<'a>, BadRequest> {
    object("text.format", value)?;
    let (mut kind, mut name, mut description, mut schema, mut strict) = (None, Text::default(), None, None, None);
    for (member, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match member.bytes() {
            b"type" => kind = Some(text("text.format.type", value)?),
            b"name" => name = text("text.format.name", value)?,
            b"description" => description = Some(text("text.format.description", value)?),
            b"strict" => strict = Some(flag("text.format.strict", value)?),
            b"schema" => {
                object("text.format.schema", value)?;
                schema = Some(value);
            }
            _ => request.unread.leave("text.format", member, value),
        }
    }
    let kind = kind.ok_or_else(|| bad("text.format.type", "is missing"))?;
    match (&*kind.decode(), schema) {
        ("text", _) => Ok(Shape::Text),
        ("json_object", _) => Ok(Shape::JsonObject),
        ("json_schema", Some(schema)) => Ok(Shape::JsonSchema { name, description, schema: schema.into(), strict }),
        ("json_schema", None) => Err(bad("text.format.schema", "is missing")),
        _ => Err(bad("text.format.type", "must be text, json_object or json_schema")),
    }
}

/// What is asked for beside the answer; carried as written where it holds more than the pivot has words for.
fn include<'a>(name: Escaped<'a>, value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if !value.is_array() {
        return Err(bad("include", "must be an array"));
    }
    let mut known = true;
    for entry in value.elements() {
        match entry.as_str().map(|entry| entry.decode()).as_deref() {
            Some("reasoning.encrypted_content") => request.reasoning.encrypted = true,
            Some("message.output_text.logprobs") => request.sampling.logprobs = Some(true),
            _ => known = false,
        }
    }
    if !known {
        request.carry.push((name.into(), value.into()));
    }
    Ok(())
}

/// Refuses what can only be done by a vendor who keeps answers and prompts: asked where a request goes to another
/// protocol. The words are OpenAI's own.
pub fn refuse_stored(request: &Request<'_>) -> Result<(), BadRequest> {
    if let Some(id) = &request.previous {
        let message = format!("Previous response with id '{}' not found.", id.decode());
        return Err(BadRequest { member: "previous_response_id".into(), message: message.into() });
    }
    for (name, value) in &request.carry {
        let message = match &*name.decode() {
            "background" if value.bytes() == b"true" => "Background mode is not supported for this model.",
            "conversation" => "Conversation not found: conversations are not kept for this model.",
            "prompt" => "Prompt not found: prompts are not kept for this model.",
            _ => continue,
        };
        return Err(BadRequest { member: name.decode().into_owned().into(), message: message.into() });
    }
    for part in request.turns.iter().flat_map(|turn| &turn.parts) {
        if let Part::Foreign { origin: Dialect::Responses, raw } = part
            && input_in::is_reference(raw.raw())
        {
            let id = raw.raw().find("id").and_then(Raw::as_str).unwrap_or(Escaped::EMPTY);
            let message = format!("Item with id '{}' not found. Items are not persisted for this model.", id.decode());
            return Err(BadRequest { member: "input".into(), message: message.into() });
        }
    }
    Ok(())
}

pub(super) fn bad(member: impl Into<Cow<'static, str>>, message: &'static str) -> BadRequest {
    BadRequest { member: member.into(), message: message.into() }
}

/// `value` as text; `member` is its path.
pub(super) fn text<'a>(member: &str, value: Raw<'a>) -> Result<Text<'a>, BadRequest> {
    let text = value.as_str().ok_or_else(|| bad(member.to_owned(), "must be a string"))?;
    Ok(text.into())
}

pub(super) fn flag(member: &str, value: Raw<'_>) -> Result<bool, BadRequest> {
    value.as_bool().ok_or_else(|| bad(member.to_owned(), "must be true or false"))
}

pub(super) fn object(member: &str, value: Raw<'_>) -> Result<(), BadRequest> {
    match value.is_object() {
        true => Ok(()),
        false => Err(bad(member.to_owned(), "must be an object")),
    }
}

pub(super) fn carried<'a>(rest: Vec<(Escaped<'a>, Raw<'a>)>) -> Vec<(Text<'a>, Json<'a>)> {
    rest.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn whole(member: &'static str, value: Raw<'_>) -> Result<u64, BadRequest> {
    value.as_u64().ok_or_else(|| bad(member, "must be a whole number"))
}

fn number<'a>(member: &'static str, value: Raw<'a>) -> Result<Json<'a>, BadRequest> {
    match value.bytes() {
        [b'-' | b'0'..=b'9', ..] => Ok(value.into()),
        _ => Err(bad(member, "must be a number")),
    }
}

fn dotted(before: &str, name: Escaped<'_>) -> Text<'static> {
    Text::joined([before.as_bytes(), name.bytes()].concat())
}

#[cfg(test)]
#[path = "request_in_test.rs"]
mod tests;
