//! Reads the content blocks of a request.

use super::request_in::{bad, boolean, content, text, under};
use super::{UNSIGNED, id, media};
use crate::json::Raw;
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    BadRequest, CallKind, Input, Json, Media, MediaKind, Part, Seal, Source, Text, ToolCall, ToolResult, Unread,
};

/// What a tool answered, as a path.
const ANSWERED: &str = "messages.content.content";

/// Reads one block of the list `inside`; what is not known is kept as it is written.
pub(super) fn block<'a>(raw: Raw<'a>, inside: &'static str, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    if !raw.is_object() {
        return Err(bad("", "has to be an object"));
    }
    let kind = raw.find("type").and_then(Raw::as_str).ok_or_else(|| bad("type", "is missing"))?;
    match kind.bytes() {
        b"text" => words(raw, inside, unread),
        b"image" => medium(MediaKind::Image, raw, unread),
        b"document" => medium(MediaKind::Document, raw, unread),
        b"thinking" => thought(raw, unread),
        b"redacted_thinking" => redacted(raw, unread),
        b"tool_use" => call(raw),
        b"tool_result" => result(raw, unread),
        _ => Ok(foreign(raw)),
    }
}

/// What the assistant showed as a text is a medium again.
pub(super) fn unshow(parts: &mut [Part<'_>]) {
    for part in parts {
        if let Part::Text { text, cache: None, citations: None } = part
            && let Some(shown) = media::shown(text)
        {
            *part = shown;
        }
    }
}

fn foreign(raw: Raw<'_>) -> Part<'_> {
    Part::Foreign { origin: Dialect::Anthropic, raw: raw.into() }
}

fn cache(value: Raw<'_>) -> Option<Json<'_>> {
    (!value.is_null()).then(|| value.into())
}

fn words<'a>(raw: Raw<'a>, inside: &'static str, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let (mut said, mut cached, mut citations) = (None, None, None);
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"text" => said = text("text", value)?,
            b"cache_control" => cached = cache(value),
            b"citations" => citations = cache(value).filter(|_| value.bytes() != b"[]"),
            _ => unread.leave(inside, name, value),
        }
    }
    let text = said.ok_or_else(|| bad("text", "is missing"))?;
    Ok(Part::Text { text, cache: cached, citations })
}

fn medium<'a>(kind: MediaKind, raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let (mut from, mut title, mut cached, mut carry) = (None, None, None, Vec::new());
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"source" => from = Some(value),
            b"title" => title = text("title", value)?,
            b"cache_control" => cached = cache(value),
            _ if value.is_null() => {}
            _ => carry.push((Text::from(name), value.into())),
        }
    }
    let from = from.filter(|from| from.is_object()).ok_or_else(|| bad("source", "has to be an object"))?;
    let (mut how, mut media_type, mut bytes, mut others) = (None, None, None, Unread::default());
    for (name, value) in from.members() {
        match name.bytes() {
            b"type" => how = text("source.type", value)?,
            b"media_type" => media_type = text("source.media_type", value)?,
            b"data" => bytes = text("source.data", value)?,
            b"url" => bytes = text("source.url", value)?,
            b"file_id" => bytes = text("source.file_id", value)?,
            _ => others.leave("messages.content.source", name, value),
        }
    }
    let how = how.ok_or_else(|| bad("source.type", "is missing"))?;
    let (source, media_type) = match (how.bytes(), bytes) {
        (b"base64", Some(data)) => (Source::Base64(data), media_type),
        (b"text", Some(data)) => (Source::Text(data), media_type),
        (b"url", Some(url)) => match crate::protocol::ir::media::source(url) {
            (source, None) => (source, media_type),
            (source, told) => (source, told),
        },
        (b"file", Some(id)) => (Source::File { origin: Dialect::Anthropic, id }, media_type),
        (b"base64" | b"text", None) => return Err(bad("source.data", "is missing")),
        (b"url", None) => return Err(bad("source.url", "is missing")),
        (b"file", None) => return Err(bad("source.file_id", "is missing")),
        // Blocks in place of a document, or something newer.
        _ => return Ok(foreign(raw)),
    };
    unread.append(others);
    Ok(Part::Media(Media { kind, source, media_type, name: title, detail: None, cache: cached, carry }))
}

fn thought<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let (mut said, mut signature) = (None, None);
    for (name, value) in raw.members() {
        match name.bytes() {
            b"thinking" => said = text("thinking", value)?,
            b"signature" => signature = text("signature", value)?,
            b"type" => {}
            _ => unread.leave("messages.content", name, value),
        }
    }
    let signature = signature.filter(|signature| !signature.is_empty() && signature.bytes() != UNSIGNED);
    let seal = signature.map(|signature| Seal::read(Dialect::Anthropic, SealKind::Signature, signature));
    Ok(Part::Reasoning { text: said.unwrap_or_default(), seal, id: None, summary: false })
}

fn redacted<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let mut data = None;
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"data" => data = value.as_str(),
            _ => unread.leave("messages.content", name, value),
        }
    }
    let data = data.ok_or_else(|| bad("data", "has to be a string"))?;
    let seal = Some(Seal::read(Dialect::Anthropic, SealKind::Encrypted, data.into()));
    Ok(Part::Reasoning { text: Text::default(), seal, id: None, summary: false })
}

fn call(raw: Raw<'_>) -> Result<Part<'_>, BadRequest> {
    let (mut id, mut name, mut input, mut cached, mut carry) = (None, None, None, None, Vec::new());
    for (member, value) in raw.members() {
        match member.bytes() {
            b"type" => {}
            b"id" => id = text("id", value)?,
            b"name" => name = text("name", value)?,
            b"input" => input = Some(value),
            b"cache_control" => cached = cache(value),
            _ if value.is_null() => {}
            // Who calls where nobody says otherwise.
            b"caller" if value.find("type").and_then(Raw::as_str).is_some_and(|kind| kind.eq_str("direct")) => {}
            _ => carry.push((Text::from(member), value.into())),
        }
    }
    let input = input.filter(|input| !input.is_null()).map_or(Json::constant("{}"), Json::from);
    Ok(Part::ToolCall(ToolCall {
        id: id::read(id.ok_or_else(|| bad("id", "is missing"))?),
        name: name.ok_or_else(|| bad("name", "is missing"))?,
        namespace: None,
        kind: CallKind::Function,
        input: Input::Json(input),
        seal: None,
        cache: cached,
        carry,
    }))
}

fn result<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let (mut id, mut said, mut failed, mut cached, mut carry) = (None, Vec::new(), None, None, Vec::new());
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"tool_use_id" => id = text("tool_use_id", value)?,
            b"content" => said = content(value, ANSWERED, unread).map_err(|bad| under(bad, "content"))?,
            b"is_error" => failed = boolean("is_error", value)?,
            b"cache_control" => cached = cache(value),
            _ if value.is_null() => {}
            _ => carry.push((Text::from(name), value.into())),
        }
    }
    Ok(Part::ToolResult(ToolResult {
        id: id::read(id.ok_or_else(|| bad("tool_use_id", "is missing"))?),
        name: None,
        kind: CallKind::Function,
        content: said,
        json: None,
        failed: failed.unwrap_or(false),
        cache: cached,
        carry,
    }))
}
