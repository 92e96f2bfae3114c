//! Reads the conversation of a Chat request.
//!
//! Instructions before the first turn are the request's; those that come later keep their place. What stands in an
//! assistant's message beside what the pivot knows (`audio`, `annotations`) is one part of Chat's own, an object
//! without a `type`. A result is a turn of the user.

use super::reasoning_in::{Thought, thoughts};
use super::request_in::{expected, object, text, within};
use crate::json::{Escaped, Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    BadRequest, CallKind, Input, Instruction, Json, Media, MediaKind, Part, Request, Role, Seal, Source, Text,
    ToolCall, ToolResult, Turn, media,
};

/// Reads `messages`.
pub(super) fn messages<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if !value.is_array() {
        return Err(expected("messages", "an array"));
    }
    let mut free = Vec::new();
    for (nth, raw) in value.elements().enumerate() {
        message(raw, request, &mut free).map_err(|bad| within(format_args!("messages.{nth}"), bad))?;
    }
    Ok(())
}

/// One message's members, as they stand.
#[derive(Default)]
struct Message<'a> {
    role: Option<Escaped<'a>>,
    content: Option<Raw<'a>>,
    name: Option<Text<'a>>,
    id: Text<'a>,
    calls: Option<Raw<'a>>,
    call: Option<Raw<'a>>,
    refusal: Option<Text<'a>>,
    thought: Text<'a>,
    details: Option<Raw<'a>>,
    images: Option<Raw<'a>>,
    cache: Option<Json<'a>>,
    others: Vec<(Escaped<'a>, Raw<'a>)>,
}

fn message<'a>(raw: Raw<'a>, request: &mut Request<'a>, free: &mut Vec<Text<'a>>) -> Result<(), BadRequest> {
    object(raw, "")?;
    let message = members(raw)?;
    let role = message.role.ok_or_else(|| expected("role", "a role"))?;
    let turn = match role.bytes() {
        b"system" | b"developer" => {
            let role = if role.eq_str("system") { Role::System } else { Role::Developer };
            let mut parts = Vec::new();
            said(&message, &mut parts)?;
            if request.turns.is_empty() {
                request.instructions.push(Instruction { role, parts });
                return Ok(());
            }
            Turn { role, name: message.name, parts }
        }
        b"user" => {
            let mut parts = Vec::new();
            said(&message, &mut parts)?;
            Turn { role: Role::User, name: message.name, parts }
        }
        b"assistant" => assistant(message, free)?,
        b"tool" | b"function" => {
            let mut content = Vec::new();
            said(&message, &mut content)?;
            let kind = if free.contains(&message.id) { CallKind::Custom } else { CallKind::Function };
            let (id, name, carry) = (message.id, message.name, kept(&message.others));
            let result = ToolResult { id, name, kind, content, json: None, failed: false, cache: None, carry };
            Turn { role: Role::User, name: None, parts: vec![Part::ToolResult(result)] }
        }
        _ => return Err(expected("role", "system, developer, user, assistant or tool")),
    };
    request.turns.push(turn);
    Ok(())
}

fn members(raw: Raw<'_>) -> Result<Message<'_>, BadRequest> {
    let mut message = Message::default();
    for (name, value) in raw.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"role" => message.role = value.as_str(),
            b"content" => message.content = Some(value),
            b"name" => message.name = Some(text(value, "name")?),
            b"tool_call_id" => message.id = text(value, "tool_call_id")?,
            b"tool_calls" => message.calls = Some(value),
            b"function_call" => message.call = Some(value),
            b"refusal" => message.refusal = Some(text(value, "refusal")?),
            b"reasoning_content" => message.thought = text(value, "reasoning_content")?,
            b"reasoning" if value.as_str().is_some() => {
                if message.thought.is_empty() {
                    message.thought = text(value, "reasoning")?;
                }
            }
            b"reasoning_details" if value.is_array() => message.details = Some(value),
            b"images" if value.is_array() => message.images = Some(value),
            b"cache_control" => message.cache = Some(Json::from(value)),
            // Libraries repeat lists that their vendor left empty.
            b"annotations" if value.is_array() && value.elements().next().is_none() => {}
            _ => message.others.push((name, value)),
        }
    }
    Ok(message)
}

/// What a message that may hold text and media says.
fn said<'a>(message: &Message<'a>, out: &mut Vec<Part<'a>>) -> Result<(), BadRequest> {
    if let Some(content) = message.content {
        parts(content, out)?;
    }
    // A mark on the message stands behind all of it.
    if let (Some(mark), Some(Part::Text { cache: cache @ None, .. })) = (&message.cache, out.last_mut()) {
        *cache = Some(mark.clone());
    }
    Ok(())
}

fn assistant<'a>(message: Message<'a>, free: &mut Vec<Text<'a>>) -> Result<Turn<'a>, BadRequest> {
    let mut out = Vec::new();
    let mut thought = Vec::new();
    thoughts(message.details, message.thought.clone(), &mut thought);
    out.extend(thought.into_iter().map(|Thought { text, summary, seal, .. }| Part::Reasoning {
        text: text.unwrap_or_default(),
        seal,
        id: None,
        summary,
    }));
    // An empty text beside calls or thoughts says nothing (conversion.md 26).
    if !message.content.and_then(Raw::as_str).is_some_and(|text| text.bytes().is_empty()) {
        said(&message, &mut out)?;
    }
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        out.push(Part::Refusal(refusal));
    }
    for (nth, image) in message.images.iter().flat_map(|images| images.elements()).enumerate() {
        out.push(part(image).map_err(|bad| within(format_args!("images.{nth}"), bad))?);
    }
    if let Some(calls) = message.calls {
        if !calls.is_array() {
            return Err(expected("tool_calls", "an array"));
        }
        for (nth, raw) in calls.elements().enumerate() {
            let call = call(raw).map_err(|bad| within(format_args!("tool_calls.{nth}"), bad))?;
            if call.kind == CallKind::Custom {
                free.push(call.id.clone());
            }
            out.push(Part::ToolCall(call));
        }
    }
    if let Some(old) = message.call {
        out.push(Part::ToolCall(body(old, Text::default(), CallKind::Function, "function_call")?));
    }
    if !message.others.is_empty() {
        let mut members = Vec::new();
        let mut json = Writer::new(&mut members);
        json.begin_object();
        message.others.iter().for_each(|(name, value)| _ = json.key(&name.decode()).raw(*value));
        json.end();
        out.push(Part::Foreign { origin: Dialect::Chat, raw: Json::written(members) });
    }
    Ok(Turn { role: Role::Assistant, name: message.name, parts: out })
}

fn call(raw: Raw<'_>) -> Result<ToolCall<'_>, BadRequest> {
    object(raw, "")?;
    let (mut id, mut function, mut custom, mut seal, mut carry) = (Text::default(), None, None, None, Vec::new());
    for (name, value) in raw.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"id" => id = text(value, "id")?,
            b"function" => function = Some(value),
            b"custom" => custom = Some(value),
            b"extra_content" => {
                let signature = value.find("google").and_then(|google| google.find("thought_signature"));
                seal = signature.and_then(Raw::as_str).filter(|data| !data.bytes().is_empty());
                if seal.is_none() {
                    carry.push((Text::from(name), Json::from(value)));
                }
            }
            b"type" | b"index" => {}
            _ => carry.push((Text::from(name), Json::from(value))),
        }
    }
    let mut call = match (function, custom) {
        (Some(function), _) => body(function, id, CallKind::Function, "function")?,
        (None, Some(custom)) => body(custom, id, CallKind::Custom, "custom")?,
        (None, None) => return Err(expected("function", "an object")),
    };
    call.carry = carry;
    call.seal = seal.map(|data| Seal::read(Dialect::Chat, SealKind::Call, Text::from(data)));
    Ok(call)
}

fn body<'a>(raw: Raw<'a>, id: Text<'a>, kind: CallKind, member: &'static str) -> Result<ToolCall<'a>, BadRequest> {
    let (mut known, mut input) = (Text::default(), None);
    for (name, value) in object(raw, member)?.members() {
        match (name.bytes(), value.as_str()) {
            (b"name", Some(name)) => known = Text::from(name),
            (b"arguments" | b"input", Some(text)) if kind == CallKind::Custom => input = Some(Input::Free(text.into())),
            (b"arguments" | b"input", Some(text)) => input = Some(Input::Text(text.into())),
            // Some clients send the object itself.
            (b"arguments" | b"input", None) if value.is_object() => input = Some(Input::Json(Json::from(value))),
            _ => {}
        }
    }
    if known.is_empty() {
        return Err(within(member, expected("name", "the name of a tool")));
    }
    let none = match kind {
        CallKind::Function => Input::Text(Text::default()),
        CallKind::Custom => Input::Free(Text::default()),
    };
    let input = input.unwrap_or(none);
    Ok(ToolCall { id, name: known, namespace: None, kind, input, seal: None, cache: None, carry: Vec::new() })
}

/// Reads a message's `content`.
fn parts<'a>(content: Raw<'a>, out: &mut Vec<Part<'a>>) -> Result<(), BadRequest> {
    if let Some(text) = content.as_str() {
        out.push(Part::text(text));
        return Ok(());
    }
    if !content.is_array() {
        return Err(expected("content", "a string or an array"));
    }
    for (nth, raw) in content.elements().enumerate() {
        out.push(part(raw).map_err(|bad| within(format_args!("content.{nth}"), bad))?);
    }
    Ok(())
}

fn part(raw: Raw<'_>) -> Result<Part<'_>, BadRequest> {
    if let Some(text) = raw.as_str() {
        return Ok(Part::text(text));
    }
    object(raw, "")?;
    let kind = raw.find("type").and_then(Raw::as_str);
    match kind.map_or(&b"text"[..], |kind| kind.bytes()) {
        b"text" | b"input_text" | b"output_text" => {
            let said = text(raw.find("text").ok_or_else(|| expected("text", "a string"))?, "text")?;
            Ok(Part::Text { text: said, cache: raw.find("cache_control").map(Json::from), citations: None })
        }
        b"refusal" => Ok(Part::Refusal(text(raw.find("refusal").unwrap_or(raw), "refusal")?)),
        b"image_url" | b"input_image" => Ok(url(raw, "image_url", MediaKind::Image)?),
        b"video_url" => Ok(url(raw, "video_url", MediaKind::Video)?),
        b"input_audio" => audio(raw),
        b"file" => file(raw),
        b"image" => Ok(anthropic_image(raw)),
        b"thinking" if raw.find("signature").is_some() => Ok(thinking(raw)),
        _ => Ok(Part::Foreign { origin: Dialect::Chat, raw: Json::from(raw) }),
    }
}

fn medium(kind: MediaKind, source: Source<'_>) -> Media<'_> {
    Media { kind, source, media_type: None, name: None, detail: None, cache: None, carry: Vec::new() }
}

/// Members of a part that are none of its own.
fn others<'a>(raw: Raw<'a>, own: &str) -> Vec<(Text<'a>, Json<'a>)> {
    let known = |name: &Escaped<'_>| name.eq_str(own) || name.eq_str("type") || name.eq_str("cache_control");
    raw.members().filter(|(name, value)| !known(name) && !value.is_null()).map(keep).collect()
}

fn kept<'a>(members: &[(Escaped<'a>, Raw<'a>)]) -> Vec<(Text<'a>, Json<'a>)> {
    members.iter().copied().map(keep).collect()
}

fn keep<'a>((name, value): (Escaped<'a>, Raw<'a>)) -> (Text<'a>, Json<'a>) {
    (Text::from(name), Json::from(value))
}

/// A medium behind a URL, which may be its bytes.
fn url<'a>(raw: Raw<'a>, member: &'static str, kind: MediaKind) -> Result<Part<'a>, BadRequest> {
    let value = raw.find(member).ok_or_else(|| expected(member, "a URL"))?;
    let url = value.as_str().or_else(|| value.find("url")?.as_str()).ok_or_else(|| expected(member, "a URL"))?;
    let (source, media_type) = media::source(Text::from(url));
    let kind = match &media_type {
        Some(known) if !known.eq_str("text/plain") => media::kind(&known.decode()),
        _ => kind,
    };
    let mut media = medium(kind, source);
    media.media_type = media_type;
    media.detail = value.find("detail").and_then(Raw::as_str).map(Text::from);
    media.cache = raw.find("cache_control").map(Json::from);
    media.carry = others(raw, member);
    Ok(Part::Media(media))
}

fn audio(raw: Raw<'_>) -> Result<Part<'_>, BadRequest> {
    let inner = raw.find("input_audio").ok_or_else(|| expected("input_audio", "an object"))?;
    let data = text(inner.find("data").unwrap_or(inner), "input_audio.data")?;
    let (source, known) = media::source(data);
    // What is no data URL is the bytes themselves.
    let source = match source {
        Source::Url(data) if !data.bytes().starts_with(b"http") => Source::Base64(data),
        source => source,
    };
    let format = inner.find("format").and_then(Raw::as_str).map(Text::from);
    let mut media = medium(MediaKind::Audio, source);
    media.media_type = format.as_ref().map(media::audio_type).or(known);
    media.carry = others(raw, "input_audio");
    Ok(Part::Media(media))
}

fn file(raw: Raw<'_>) -> Result<Part<'_>, BadRequest> {
    let inner = object(raw.find("file").ok_or_else(|| expected("file", "an object"))?, "file")?;
    let find = |name: &str| inner.find(name).and_then(Raw::as_str).map(Text::from);
    let (source, media_type) = match (find("file_data"), find("file_id")) {
        (Some(data), _) => match media::source(data) {
            (Source::Url(data), known) if !data.bytes().starts_with(b"http") => (Source::Base64(data), known),
            read => read,
        },
        (None, Some(id)) => (Source::File { origin: Dialect::Chat, id }, None),
        (None, None) => return Err(expected("file", "file_data or file_id")),
    };
    let image = media_type.as_ref().is_some_and(|known| media::kind(&known.decode()) == MediaKind::Image);
    let mut media = medium(if image { MediaKind::Image } else { MediaKind::Document }, source);
    media.media_type = media_type;
    media.name = find("filename");
    media.carry = others(raw, "file");
    media.cache = raw.find("cache_control").map(Json::from);
    Ok(Part::Media(media))
}

/// An image as Anthropic says it, which some clients mix in.
fn anthropic_image(raw: Raw<'_>) -> Part<'_> {
    let find = |name: &str| raw.find("source").and_then(|source| source.find(name)?.as_str()).map(Text::from);
    let source = find("data").map(Source::Base64).or_else(|| find("url").map(Source::Url));
    let Some(source) = source else { return Part::Foreign { origin: Dialect::Chat, raw: Json::from(raw) } };
    let mut media = medium(MediaKind::Image, source);
    media.media_type = find("media_type");
    media.cache = raw.find("cache_control").map(Json::from);
    Part::Media(media)
}

/// Anthropic's thoughts as other relays put them into `content`.
fn thinking(raw: Raw<'_>) -> Part<'_> {
    let find = |name: &str| raw.find(name).and_then(Raw::as_str).map(Text::from).unwrap_or_default();
    let seal = Seal::read(Dialect::Chat, SealKind::Signature, find("signature"));
    Part::Reasoning { text: find("thinking"), seal: Some(seal), id: None, summary: false }
}
