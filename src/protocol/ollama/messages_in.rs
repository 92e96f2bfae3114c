//! Reads the messages of a request to `/api/chat`.
//!
//! A picture is bytes without a type, so its type is told by how it begins.

use super::request_in::bad;
use crate::json::{Escaped, Raw};
use crate::protocol::ir::{
    BadRequest, CallKind, Input, Instruction, Json, Media, MediaKind, Part, Request, Role, Source, Text, ToolCall,
    ToolResult, Turn, Unread, media,
};

/// A message as its members say it.
#[derive(Default)]
struct Message<'a> {
    role: Option<Escaped<'a>>,
    content: Option<Escaped<'a>>,
    thinking: Option<Escaped<'a>>,
    images: Option<Raw<'a>>,
    tool_calls: Option<Raw<'a>>,
    tool_name: Option<Escaped<'a>>,
    tool_call_id: Option<Escaped<'a>>,
}

/// Reads `messages`, an array.
pub(super) fn messages<'a>(messages: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    for (nth, said) in messages.elements().enumerate() {
        if !said.is_object() {
            return Err(bad(format!("messages.{nth}"), "must be an object"));
        }
        let message = message(nth, said, request)?;
        let Some(role) = message.role else { return Err(bad(format!("messages.{nth}.role"), "is missing")) };
        let content = message.content.filter(|text| !text.bytes().is_empty());
        let role = match &*role.decode().to_ascii_lowercase() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => {
                let mut parts = content.map(Part::text).into_iter().collect();
                images(nth, message.images, &mut parts)?;
                request.turns.push(result(&message, parts));
                continue;
            }
            _ => return Err(bad(format!("messages.{nth}.role"), "must be system, user, assistant or tool")),
        };
        let mut parts = Vec::new();
        if let Some(text) = message.thinking.filter(|text| !text.bytes().is_empty()) {
            parts.push(Part::Reasoning { text: Text::from(text), seal: None, id: None, summary: false });
        }
        parts.extend(content.map(Part::text));
        images(nth, message.images, &mut parts)?;
        calls(nth, message.tool_calls, &mut parts, &mut request.unread)?;
        match role {
            Role::System | Role::Developer if request.turns.is_empty() => {
                request.instructions.push(Instruction { role, parts });
            }
            role => request.turns.push(Turn { role, name: None, parts }),
        }
    }
    Ok(())
}

fn message<'a>(nth: usize, said: Raw<'a>, request: &mut Request<'a>) -> Result<Message<'a>, BadRequest> {
    let mut message = Message::default();
    for (name, value) in said.members() {
        if value.is_null() {
            continue;
        }
        let place = match name.bytes() {
            b"role" => &mut message.role,
            b"content" => &mut message.content,
            b"thinking" => &mut message.thinking,
            b"tool_name" => &mut message.tool_name,
            b"tool_call_id" => &mut message.tool_call_id,
            b"images" | b"tool_calls" if !value.is_array() => {
                return Err(bad(format!("messages.{nth}.{}", name.decode()), "must be an array"));
            }
            b"images" => {
                message.images = Some(value);
                continue;
            }
            b"tool_calls" => {
                message.tool_calls = Some(value);
                continue;
            }
            // Ollama itself passes over what it does not know; here it is at least reported.
            _ => {
                request.unread.leave("messages", name, value);
                continue;
            }
        };
        let text = value.as_str();
        *place = Some(text.ok_or_else(|| bad(format!("messages.{nth}.{}", name.decode()), "must be a string"))?);
    }
    Ok(message)
}

fn result<'a>(message: &Message<'a>, content: Vec<Part<'a>>) -> Turn<'a> {
    let result = ToolResult {
        id: message.tool_call_id.map(Text::from).unwrap_or_default(),
        name: message.tool_name.filter(|name| !name.bytes().is_empty()).map(Text::from),
        kind: CallKind::Function,
        content,
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    };
    Turn { role: Role::User, name: None, parts: vec![Part::ToolResult(result)] }
}

fn images<'a>(nth: usize, images: Option<Raw<'a>>, parts: &mut Vec<Part<'a>>) -> Result<(), BadRequest> {
    for (at, image) in images.iter().flat_map(|images| images.elements()).enumerate() {
        let image = image.as_str();
        let image = image.ok_or_else(|| bad(format!("messages.{nth}.images.{at}"), "must be a string in base64"))?;
        parts.push(picture(image));
    }
    Ok(())
}

fn calls<'a>(
    nth: usize,
    calls: Option<Raw<'a>>,
    parts: &mut Vec<Part<'a>>,
    unread: &mut Unread,
) -> Result<(), BadRequest> {
    for (at, call) in calls.iter().flat_map(|calls| calls.elements()).enumerate() {
        let path = || format!("messages.{nth}.tool_calls.{at}.function");
        let (mut id, mut function, mut carry) = (Text::default(), None, Vec::new());
        for (name, value) in call.members() {
            match (name.bytes(), value.as_str()) {
                (b"id", Some(text)) => id = Text::from(text),
                (b"function", _) if value.is_object() => function = Some(value),
                // OpenAI's form, which says nothing here.
                (b"type", Some(text)) if text.eq_str("function") => {}
                _ => carry.push((Text::from(name), Json::from(value))),
            }
        }
        let Some(function) = function else { return Err(bad(path(), "is missing")) };
        let (mut called, mut input) = (Text::default(), Input::Json(Json::constant("{}")));
        for (name, value) in function.members() {
            match (name.bytes(), value.as_str()) {
                (b"name", Some(text)) => called = Text::from(text),
                (b"arguments", None) if value.is_object() => input = Input::Json(Json::from(value)),
                // OpenAI's form, which some clients send here too.
                (b"arguments", Some(text)) => input = Input::Text(Text::from(text)),
                (b"arguments", None) if !value.is_null() => {
                    return Err(bad(format!("{}.arguments", path()), "must be an object"));
                }
                // The place among several, which Ollama tells.
                (b"index", _) => {}
                _ => unread.leave("messages.tool_calls.function", name, value),
            }
        }
        if called.is_empty() {
            return Err(bad(format!("{}.name", path()), "is missing"));
        }
        let kind = CallKind::Function;
        parts.push(Part::ToolCall(ToolCall {
            id,
            name: called,
            namespace: None,
            kind,
            input,
            seal: None,
            cache: None,
            carry,
        }));
    }
    Ok(())
}

/// The picture whose bytes in base64 are `data`.
pub(super) fn picture(data: Escaped<'_>) -> Part<'_> {
    let (source, said) = match media::source(Text::from(data)) {
        (Source::Url(data), _) => (Source::Base64(data), None),
        said => said,
    };
    let media_type = said.unwrap_or_else(|| Text::constant(type_of(data.bytes())));
    let (kind, media_type) = (MediaKind::Image, Some(media_type));
    Part::Media(Media { kind, source, media_type, name: None, detail: None, cache: None, carry: Vec::new() })
}

/// The media type of a picture by the first bytes of it, in base64.
fn type_of(data: &[u8]) -> &'static str {
    match data {
        [b'/', b'9', b'j', ..] | [b'\\', b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', b'O', b'D', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', b'R', ..] => "image/webp",
        _ => "image/png",
    }
}
