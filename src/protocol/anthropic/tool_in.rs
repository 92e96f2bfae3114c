//! Reads the tools of a request.

use super::request_in::{bad, boolean, text, under, whole};
use crate::json::Raw;
use crate::protocol::Dialect;
use crate::protocol::ir::{BadRequest, Function, Text, Tool, WebSearch};

/// Reads `tools`.
pub(super) fn tools(value: Raw<'_>) -> Result<Vec<Tool<'_>>, BadRequest> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    if !value.is_array() {
        return Err(bad("tools", "has to be an array"));
    }
    let tools = value.elements().enumerate();
    tools.map(|(nth, raw)| tool(raw).map_err(|bad| under(bad, format_args!("tools.{nth}")))).collect()
}

/// A tool without a type, or of type `custom`, is one with a schema; all others are the vendor's.
fn tool(raw: Raw<'_>) -> Result<Tool<'_>, BadRequest> {
    if !raw.is_object() {
        return Err(bad("", "has to be an object"));
    }
    match raw.find("type").and_then(Raw::as_str).map(|kind| kind.bytes()) {
        None | Some(b"custom") => function(raw),
        Some(kind) if kind.starts_with(b"web_search_") => search(raw),
        Some(_) => Ok(Tool::Foreign { origin: Dialect::Anthropic, raw: raw.into() }),
    }
}

fn function(raw: Raw<'_>) -> Result<Tool<'_>, BadRequest> {
    let mut function = Function {
        name: Text::default(),
        namespace: None,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        carry: Vec::new(),
    };
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"name" => function.name = text("name", value)?.unwrap_or_default(),
            b"description" => function.description = text("description", value)?,
            b"input_schema" if value.is_object() => function.parameters = Some(value.into()),
            b"input_schema" if value.is_null() => {}
            b"input_schema" => return Err(bad("input_schema", "has to be an object")),
            b"strict" => function.strict = boolean("strict", value)?,
            _ if value.is_null() => {}
            b"cache_control" => function.cache = Some(value.into()),
            _ => function.carry.push((name.into(), value.into())),
        }
    }
    match function.name.is_empty() {
        true => Err(bad("name", "is missing")),
        false => Ok(Tool::Function(function)),
    }
}

fn search(raw: Raw<'_>) -> Result<Tool<'_>, BadRequest> {
    let mut search = WebSearch::new(Dialect::Anthropic, raw.into());
    for (name, value) in raw.members() {
        match name.bytes() {
            b"max_uses" => search.uses_max = whole("max_uses", value)?,
            b"allowed_domains" if value.is_array() => search.allowed_domains = Some(value.into()),
            b"blocked_domains" if value.is_array() => search.blocked_domains = Some(value.into()),
            b"user_location" if value.is_object() => search.location = Some(value.into()),
            b"type" | b"name" => {}
            _ if value.is_null() => {}
            _ => search.carry.push((name.into(), value.into())),
        }
    }
    Ok(Tool::WebSearch(search))
}
