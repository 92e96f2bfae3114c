//! Reads a client's request.
//!
//! One pass over the members; what has no place in the pivot is carried as written. A member of the wrong kind is the
//! caller's mistake and named by its path; a content block, tool or option that is not known is not.

use std::fmt::Display;

use super::{block_in, tool_in};
use crate::json::{self, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, Effort, Instruction, Json, Part, Request, Role, Shape, Text, Thinking, ToolChoice, Turn, Unread,
};

/// Reads a body that is valid JSON.
pub fn request(body: &[u8]) -> Result<Request<'_>, BadRequest> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad("", "the body has to be an object"));
    }
    let mut request = Request::new(Dialect::Anthropic);
    let mut messages = None;
    let mut config = None;
    for (name, value) in json::members(body) {
        match name.bytes() {
            b"messages" => messages = Some(value),
            b"system" => system(value, &mut request)?,
            b"output_config" if value.is_object() => config = Some(value),
            b"tools" => request.tools = tool_in::tools(value)?,
            b"tool_choice" => tool_choice(value, &mut request)?,
            b"thinking" => thinking(value, &mut request)?,
            b"metadata" => metadata(value, &mut request)?,
            // What the same was called before it went into `output_config`.
            b"output_format" if value.is_object() => shape("output_format", value, &mut request)?,
            _ => plain(Text::from(name), value, &mut request)?,
        }
    }
    if let Some(config) = config {
        output_config(config, &mut request)?;
    }
    let messages = messages.ok_or_else(|| bad("messages", "is missing"))?;
    if !messages.is_array() {
        return Err(bad("messages", "has to be an array"));
    }
    for (nth, message) in messages.elements().enumerate() {
        turn(message, &mut request).map_err(|bad| under(bad, format_args!("messages.{nth}")))?;
    }
    Ok(request)
}

/// Members that are one value.
fn plain<'a>(name: Text<'a>, value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    match name.bytes() {
        b"model" => request.model = text("model", value)?.unwrap_or_default(),
        b"stream" => request.stream = boolean("stream", value)?.unwrap_or(false),
        b"max_tokens" => request.output_tokens_max = whole("max_tokens", value)?,
        b"temperature" => request.sampling.temperature = number("temperature", value)?,
        b"top_p" => request.sampling.top_p = number("top_p", value)?,
        b"top_k" => request.sampling.top_k = number("top_k", value)?,
        b"service_tier" => request.service_tier = text("service_tier", value)?,
        b"stop_sequences" => {
            if !value.is_array() && !value.is_null() {
                return Err(bad("stop_sequences", "has to be an array of strings"));
            }
            let words = value.elements().map(|word| word.as_str().map(Text::from));
            let words: Option<Vec<_>> = words.collect();
            request.stop = words.ok_or_else(|| bad("stop_sequences", "has to be an array of strings"))?;
        }
        _ => request.carry.push((name, value.into())),
    }
    Ok(())
}

/// A text that Claude Code puts first, different in every run: who pays. It is no instruction (clients.md), and before
/// another vendor's prompt it would keep his cache from ever being hit.
const BILLING: &str = "x-anthropic-billing-header:";

fn system<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let mut parts = content(value, "system", &mut request.unread).map_err(|bad| under(bad, "system"))?;
    for (part, raw) in parts.iter_mut().zip(value.elements()) {
        if let Part::Text { text, .. } = part
            && text.bytes().starts_with(BILLING.as_bytes())
        {
            *part = Part::Foreign { origin: Dialect::Anthropic, raw: raw.into() };
        }
    }
    if !parts.is_empty() {
        request.instructions.insert(0, Instruction { role: Role::System, parts });
    }
    Ok(())
}

fn turn<'a>(message: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if !message.is_object() {
        return Err(bad("", "has to be an object"));
    }
    let (mut role, mut said) = (None, None);
    for (name, value) in message.members() {
        match name.bytes() {
            b"role" => role = text("role", value)?,
            b"content" => said = Some(value),
            _ => request.unread.leave("messages", name, value),
        }
    }
    let role = role.ok_or_else(|| bad("role", "is missing"))?;
    let role = match &*role.decode() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(bad("role", "has to be user, assistant or system")),
    };
    let said = said.ok_or_else(|| bad("content", "is missing"))?;
    let mut parts = content(said, "messages.content", &mut request.unread).map_err(|bad| under(bad, "content"))?;
    if role == Role::Assistant {
        block_in::unshow(&mut parts);
    }
    match role {
        Role::System if request.turns.is_empty() => request.instructions.push(Instruction { role, parts }),
        _ => request.turns.push(Turn { role, name: None, parts }),
    }
    Ok(())
}

/// A string, or blocks, whose path is `inside`.
pub(super) fn content<'a>(
    value: Raw<'a>,
    inside: &'static str,
    unread: &mut Unread,
) -> Result<Vec<Part<'a>>, BadRequest> {
    if let Some(text) = value.as_str() {
        return Ok(vec![Part::text(text)]);
    }
    if value.is_null() {
        return Ok(Vec::new());
    }
    if !value.is_array() {
        return Err(bad("", "has to be a string or an array of blocks"));
    }
    let blocks = value.elements().enumerate();
    blocks.map(|(nth, block)| block_in::block(block, inside, unread).map_err(|bad| under(bad, nth))).collect()
}

fn tool_choice<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if value.is_null() {
        return Ok(());
    }
    if !value.is_object() {
        return Err(bad("tool_choice", "has to be an object"));
    }
    let (mut kind, mut tool) = (None, None);
    for (name, value) in value.members() {
        match name.bytes() {
            b"type" => kind = text("tool_choice.type", value)?,
            b"name" => tool = text("tool_choice.name", value)?,
            b"disable_parallel_tool_use" => {
                request.parallel_tools = boolean("tool_choice.disable_parallel_tool_use", value)?.map(|one| !one);
            }
            _ => request.unread.leave("tool_choice", name, value),
        }
    }
    let kind = kind.ok_or_else(|| bad("tool_choice.type", "is missing"))?;
    request.tool_choice = Some(match (&*kind.decode(), tool) {
        ("auto", _) => ToolChoice::Auto,
        ("none", _) => ToolChoice::None,
        ("any", _) => ToolChoice::Required,
        ("tool", Some(name)) => ToolChoice::Named { name, namespace: None, kind: Default::default() },
        ("tool", None) => return Err(bad("tool_choice.name", "is missing")),
        _ => ToolChoice::Foreign(value.into()),
    });
    Ok(())
}

fn thinking<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if value.is_null() {
        return Ok(());
    }
    if !value.is_object() {
        return Err(bad("thinking", "has to be an object"));
    }
    let (mut kind, mut budget) = (None, None);
    for (name, value) in value.members() {
        match name.bytes() {
            b"type" => kind = text("thinking.type", value)?,
            b"budget_tokens" => budget = whole("thinking.budget_tokens", value)?,
            b"display" => request.reasoning.shown = text("thinking.display", value)?.map(|how| !how.eq_str("omitted")),
            _ => request.unread.leave("thinking", name, value),
        }
    }
    let kind = kind.ok_or_else(|| bad("thinking.type", "is missing"))?;
    request.reasoning.thinking = match (&*kind.decode(), budget) {
        ("disabled", _) => Thinking::Off,
        ("adaptive", _) => Thinking::Auto,
        ("enabled", Some(tokens)) => Thinking::Budget(u32::try_from(tokens).unwrap_or(u32::MAX)),
        ("enabled", None) => return Err(bad("thinking.budget_tokens", "is missing")),
        // A kind that is newer than this: for Anthropic alone, who knows it.
        _ => {
            request.carry.push((Text::constant("thinking"), value.into()));
            return Ok(());
        }
    };
    // It may say more than that (`display`), and beside an effort what the effort is for.
    request.repeat.push((Text::constant("thinking"), value.into()));
    Ok(())
}

/// Read behind `thinking`: an effort says how much is thought where that is left to the model.
fn output_config<'a>(config: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    for (name, value) in config.members() {
        match name.bytes() {
            b"effort" => {
                let Some(said) = text("output_config.effort", value)? else { continue };
                match (Effort::named(&said.decode()), request.reasoning.thinking) {
                    (Some(effort), Thinking::Unsaid | Thinking::Auto) => {
                        request.reasoning.thinking = Thinking::Effort(effort);
                    }
                    _ => request.carry.push((Text::constant("output_config.effort"), value.into())),
                }
            }
            b"format" if value.is_null() => {}
            b"format" if value.is_object() => shape("output_config.format", value, request)?,
            b"format" => return Err(bad("output_config.format", "has to be an object")),
            _ => {
                let name = Text::plain(&format!("output_config.{}", name.decode()));
                request.carry.push((name, value.into()));
            }
        }
    }
    Ok(())
}

fn shape<'a>(member: &'static str, format: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let kind = format.find("type").and_then(Raw::as_str);
    if !kind.is_some_and(|kind| kind.eq_str("json_schema")) {
        request.carry.push((Text::constant(member), format.into()));
        return Ok(());
    }
    let (mut called, mut schema) = (Text::default(), None);
    for (name, value) in format.members() {
        match name.bytes() {
            b"type" => {}
            b"name" if value.as_str().is_some() => called = value.as_str().map(Text::from).unwrap_or_default(),
            b"schema" if value.is_object() => schema = Some(value),
            _ => request.unread.leave(member, name, value),
        }
    }
    let schema = schema.ok_or_else(|| bad(member, "has no schema"))?;
    // Anthropic keeps every schema to the letter.
    request.shape = Shape::JsonSchema { name: called, description: None, schema: schema.into(), strict: Some(true) };
    Ok(())
}

fn metadata<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if value.is_null() {
        return Ok(());
    }
    if !value.is_object() {
        return Err(bad("metadata", "has to be an object"));
    }
    for (name, member) in value.members() {
        match name.bytes() {
            b"user_id" => request.user = text("metadata.user_id", member)?,
            _ => request.metadata = Some(value.into()),
        }
    }
    Ok(())
}

pub(super) fn bad(member: &'static str, message: &'static str) -> BadRequest {
    BadRequest { member: member.into(), message: message.into() }
}

/// The same below `outer`.
pub(super) fn under(bad: BadRequest, outer: impl Display) -> BadRequest {
    let member = match bad.member.is_empty() {
        true => outer.to_string(),
        false => format!("{outer}.{}", bad.member),
    };
    BadRequest { member: member.into(), ..bad }
}

/// A string; nothing for null.
pub(super) fn text<'a>(member: &'static str, value: Raw<'a>) -> Result<Option<Text<'a>>, BadRequest> {
    match value.as_str() {
        Some(text) => Ok(Some(text.into())),
        None if value.is_null() => Ok(None),
        None => Err(bad(member, "has to be a string")),
    }
}

pub(super) fn boolean(member: &'static str, value: Raw<'_>) -> Result<Option<bool>, BadRequest> {
    match value.as_bool() {
        None if !value.is_null() => Err(bad(member, "has to be true or false")),
        said => Ok(said),
    }
}

pub(super) fn whole(member: &'static str, value: Raw<'_>) -> Result<Option<u64>, BadRequest> {
    match value.as_u64() {
        None if !value.is_null() => Err(bad(member, "has to be a whole number")),
        said => Ok(said),
    }
}

fn number<'a>(member: &'static str, value: Raw<'a>) -> Result<Option<Json<'a>>, BadRequest> {
    match value.bytes() {
        [b'-' | b'0'..=b'9', ..] => Ok(Some(value.into())),
        _ if value.is_null() => Ok(None),
        _ => Err(bad(member, "has to be a number")),
    }
}

#[cfg(test)]
#[path = "request_in_test.rs"]
mod tests;
