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
    ToolCall, ToolResult, Turn, Unread, media,
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
    let mut message = members(raw)?;
    let role = message.role.ok_or_else(|| expected("role", "a role"))?;
    let unread = &mut request.unread;
    if matches!(role.bytes(), b"system" | b"developer" | b"user") {
        message.others.drain(..).for_each(|(name, value)| unread.leave("messages", name, value));
    }
    let turn = match role.bytes() {
        b"system" | b"developer" => {
            let role = if role.eq_str("system") { Role::System } else { Role::Developer };
            let mut parts = Vec::new();
            said(&message, &mut parts, unread)?;
            if request.turns.is_empty() {
                if message.name.is_some() {
                    unread.leave_path("messages.name");
                }
                request.instructions.push(Instruction { role, parts });
                return Ok(());
            }
            Turn { role, name: message.name, parts }
        }
        b"user" => {
            let mut parts = Vec::new();
            said(&message, &mut parts, unread)?;
            Turn { role: Role::User, name: message.name, parts }
        }
        b"assistant" => assistant(message, free, unread)?,
        b"tool" | b"function" => {
            let mut content = Vec::new();
            said(&message, &mut content, unread)?;
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
fn said<'a>(message: &Message<'a>, out: &mut Vec<Part<'a>>, unread: &mut Unread) -> Result<(), BadRequest> {
    if let Some(content) = message.content {
        parts(content, out, unread)?;
    }
    // A mark on the message stands behind all of it.
    if let (Some(mark), Some(Part::Text { cache: cache @ None, .. })) = (&message.cache, out.last_mut()) {
        *cache = Some(mark.clone());
    }
    Ok(())
}

fn assistant<'a>(message: Message<'a>, free: &mut Vec<Text<'a>>, unread: &mut Unread) -> Result<Turn<'a>, BadRequest> {
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
        said(&message, &mut out, unread)?;
    }
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        out.push(Part::Refusal(refusal));
    }
    for (nth, image) in message.images.iter().flat_map(|images| images.elements()).enumerate() {
        out.push(part(image, unread).map_err(|bad| within(format_args!("images.{nth}"), bad))?);
    }
    if let Some(calls) = message.calls {
        if !calls.is_array() {
            return Err(expected("tool_calls", "an array"));
        }
        for (nth, raw) in calls.elements().enumerate() {
            let call = call(raw, unread).map_err(|bad| within(format_args!("tool_calls.{nth}"), bad))?;
            if call.kind == CallKind::Custom {
                free.push(call.id.clone());
            }
            out.push(Part::ToolCall(call));
        }
    }
    if let Some(old) = message.call {
        out.push(Part::ToolCall(body(old, Text::default(), CallKind::Function, "function_call", unread)?));
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

fn call<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<ToolCall<'a>, BadRequest> {
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
        (Some(function), _) => body(function, id, CallKind::Function, "function", unread)?,
        (None, Some(custom)) => body(custom, id, CallKind::Custom, "custom", unread)?,
        (None, None) => return Err(expected("function", "an object")),
    };
    call.carry = carry;
    call.seal = seal.map(|data| Seal::read(Dialect::Chat, SealKind::Call, Text::from(data)));
    Ok(call)
}

fn body<'a>(
    raw: Raw<'a>,
    id: Text<'a>,
    kind: CallKind,
    member: &'static str,
    unread: &mut Unread,
) -> Result<ToolCall<'a>, BadRequest> {
    let (mut known, mut input) = (Text::default(), None);
    for (name, value) in object(raw, member)?.members() {
        match (name.bytes(), value.as_str()) {
            (b"name", Some(name)) => known = Text::from(name),
            (b"arguments" | b"input", Some(text)) if kind == CallKind::Custom => input = Some(Input::Free(text.into())),
            (b"arguments" | b"input", Some(text)) => input = Some(Input::Text(text.into())),
            // Some clients send the object itself.
            (b"arguments" | b"input", None) if value.is_object() => input = Some(Input::Json(Json::from(value))),
            _ => unread.leave("messages.tool_calls.function", name, value),
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
fn parts<'a>(content: Raw<'a>, out: &mut Vec<Part<'a>>, unread: &mut Unread) -> Result<(), BadRequest> {
    if let Some(text) = content.as_str() {
        out.push(Part::text(text));
        return Ok(());
    }
    if !content.is_array() {
        return Err(expected("content", "a string or an array"));
    }
    for (nth, raw) in content.elements().enumerate() {
        out.push(part(raw, unread).map_err(|bad| within(format_args!("content.{nth}"), bad))?);
    }
    Ok(())
}

fn part<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    if let Some(text) = raw.as_str() {
        return Ok(Part::text(text));
    }
    object(raw, "")?;
    let kind = raw.find("type").and_then(Raw::as_str);
    match kind.map_or(&b"text"[..], |kind| kind.bytes()) {
        b"text" | b"input_text" | b"output_text" => words(raw, unread),
        b"refusal" => {
            unread.leave_all_but(&["type", "refusal"], CONTENT, raw);
            Ok(Part::Refusal(text(raw.find("refusal").unwrap_or(raw), "refusal")?))
        }
        b"image_url" | b"input_image" => Ok(url(raw, "image_url", MediaKind::Image, unread)?),
        b"video_url" => Ok(url(raw, "video_url", MediaKind::Video, unread)?),
        b"input_audio" => audio(raw, unread),
        b"file" => file(raw, unread),
        b"image" => Ok(anthropic_image(raw, unread)),
        b"thinking" if raw.find("signature").is_some() => {
            unread.leave_all_but(&["type", "thinking", "signature"], CONTENT, raw);
            Ok(thinking(raw))
        }
        _ => Ok(Part::Foreign { origin: Dialect::Chat, raw: Json::from(raw) }),
    }
}

/// A piece of a message, as a path.
const CONTENT: &str = "messages.content";

fn words<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let (mut said, mut cache) = (None, None);
    for (name, value) in raw.members() {
        match name.bytes() {
            b"type" => {}
            b"text" => said = Some(text(value, "text")?),
            b"cache_control" if value.is_null() => {}
            b"cache_control" => cache = Some(Json::from(value)),
            // Responses' lists, which libraries repeat where their vendor left them empty.
            b"annotations" | b"logprobs" if value.is_array() && value.elements().next().is_none() => {}
            _ => unread.leave(CONTENT, name, value),
        }
    }
    let text = said.ok_or_else(|| expected("text", "a string"))?;
    Ok(Part::Text { text, cache, citations: None })
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
fn url<'a>(raw: Raw<'a>, member: &'static str, kind: MediaKind, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let value = raw.find(member).ok_or_else(|| expected(member, "a URL"))?;
    let (mut url, mut detail) = (value.as_str(), None);
    for (name, value) in value.members() {
        match name.bytes() {
            b"url" => url = value.as_str(),
            b"detail" => detail = value.as_str().map(Text::from),
            _ => unread.leave("messages.content.image_url", name, value),
        }
    }
    let url = url.ok_or_else(|| expected(member, "a URL"))?;
    let (source, media_type) = media::source(Text::from(url));
    let kind = match &media_type {
        Some(known) if !known.eq_str("text/plain") => media::kind(&known.decode()),
        _ => kind,
    };
    let mut media = medium(kind, source);
    media.media_type = media_type;
    media.detail = detail;
    media.cache = raw.find("cache_control").map(Json::from);
    media.carry = others(raw, member);
    Ok(Part::Media(media))
}

fn audio<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let inner = raw.find("input_audio").ok_or_else(|| expected("input_audio", "an object"))?;
    let (mut data, mut format) = (inner, None);
    for (name, value) in inner.members() {
        match name.bytes() {
            b"data" => data = value,
            b"format" => format = value.as_str().map(Text::from),
            _ => unread.leave("messages.content.input_audio", name, value),
        }
    }
    let data = text(data, "input_audio.data")?;
    let (source, known) = media::source(data);
    // What is no data URL is the bytes themselves.
    let source = match source {
        Source::Url(data) if !data.bytes().starts_with(b"http") => Source::Base64(data),
        source => source,
    };
    let mut media = medium(MediaKind::Audio, source);
    media.media_type = format.as_ref().map(media::audio_type).or(known);
    media.carry = others(raw, "input_audio");
    Ok(Part::Media(media))
}

fn file<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Part<'a>, BadRequest> {
    let inner = object(raw.find("file").ok_or_else(|| expected("file", "an object"))?, "file")?;
    let (mut data, mut id, mut called) = (None, None, None);
    for (name, value) in inner.members() {
        match name.bytes() {
            b"file_data" => data = value.as_str().map(Text::from),
            b"file_id" => id = value.as_str().map(Text::from),
            b"filename" => called = value.as_str().map(Text::from),
            _ => unread.leave("messages.content.file", name, value),
        }
    }
    let (source, media_type) = match (data, id) {
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
    media.name = called;
    media.carry = others(raw, "file");
    media.cache = raw.find("cache_control").map(Json::from);
    Ok(Part::Media(media))
}

/// An image as Anthropic says it, which some clients mix in.
fn anthropic_image<'a>(raw: Raw<'a>, unread: &mut Unread) -> Part<'a> {
    let find = |name: &str| raw.find("source").and_then(|source| source.find(name)?.as_str()).map(Text::from);
    let source = find("data").map(Source::Base64).or_else(|| find("url").map(Source::Url));
    let Some(source) = source else { return Part::Foreign { origin: Dialect::Chat, raw: Json::from(raw) } };
    let mut media = medium(MediaKind::Image, source);
    media.media_type = find("media_type");
    media.cache = raw.find("cache_control").map(Json::from);
    media.carry = others(raw, "source");
    if let Some(source) = raw.find("source") {
        unread.leave_all_but(&["type", "data", "url", "media_type"], "messages.content.source", source);
    }
    Part::Media(media)
}

/// Anthropic's thoughts as other relays put them into `content`.
fn thinking(raw: Raw<'_>) -> Part<'_> {
    let find = |name: &str| raw.find(name).and_then(Raw::as_str).map(Text::from).unwrap_or_default();
    let seal = Seal::read(Dialect::Chat, SealKind::Signature, find("signature"));
    Part::Reasoning { text: find("thinking"), seal: Some(seal), id: None, summary: false }
}
