//! Reads the conversation of a Responses request: its items, as turns of the pivot.
//!
//! What the assistant said between two turns of the others is one turn, and results that follow each other are one
//! turn of the user, so that calls stand together with what was said beside them. Ids and states of messages and calls
//! are the vendor's own bookkeeping and are not kept; any other member that the pivot has no word for stands before its
//! item or part as a foreign part of that type, without what the pivot says itself ([`shell`]).
//!
//! A summary that weir once wrote ([`super::compact`]) is read here and becomes an instruction.

use super::compact;
use super::input_out::is_modelled_item;
use super::item::inside;
use super::request_in::{bad, carried, object, text};
use crate::json::{Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    BadRequest, CallKind, Input, Instruction, Json, Media, MediaKind, Part, Request, Role, Seal, Source, Text,
    ToolCall, ToolResult, Turn, Unread, media,
};

/// The tool that stands for Responses' `local_shell` where it is said as a function.
pub(super) const LOCAL_SHELL: &str = "local_shell";

/// Reads `input` into `request`.
pub(super) fn input<'a>(input: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if let Some(text) = input.as_str() {
        let parts = vec![Part::text(text)];
        request.turns.push(Turn { role: Role::User, name: None, parts });
        return Ok(());
    }
    if !input.is_array() {
        return Err(bad("input", "must be a string or an array"));
    }
    let mut reader = Reader { request, behind_message: false, seal: None };
    for (at, item) in input.elements().enumerate() {
        reader.item(at, item)?;
    }
    Ok(())
}

/// Whether a foreign item only refers to one that the vendor keeps.
pub(super) fn is_reference(item: Raw<'_>) -> bool {
    match item.find("type").and_then(Raw::as_str) {
        Some(kind) => kind.eq_str("item_reference"),
        None => item.find("id").is_some(),
    }
}

struct Reader<'r, 'a> {
    request: &'r mut Request<'a>,
    /// Whether the last turn ends with a message.
    behind_message: bool,
    /// A seal that belongs on the call that comes next.
    seal: Option<Seal<'a>>,
}

/// The members of an item, read in one pass.
#[derive(Default)]
struct Item<'a> {
    kind: Option<Escaped<'a>>,
    role: Option<Raw<'a>>,
    content: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    call_id: Option<Raw<'a>>,
    name: Option<Raw<'a>>,
    namespace: Option<Raw<'a>>,
    arguments: Option<Raw<'a>>,
    input: Option<Raw<'a>>,
    output: Option<Raw<'a>>,
    action: Option<Raw<'a>>,
    summary: Option<Raw<'a>>,
    encrypted: Option<Raw<'a>>,
    rest: Vec<(Escaped<'a>, Raw<'a>)>,
}

impl<'a> Item<'a> {
    fn of(item: Raw<'a>) -> Item<'a> {
        let mut read = Item::default();
        for (name, value) in item.members().filter(|(_, value)| !value.is_null()) {
            let place = match name.bytes() {
                b"type" => {
                    read.kind = value.as_str();
                    continue;
                }
                b"status" | b"created_by" => continue,
                b"role" => &mut read.role,
                b"content" => &mut read.content,
                b"id" => &mut read.id,
                b"call_id" => &mut read.call_id,
                b"name" => &mut read.name,
                b"namespace" => &mut read.namespace,
                b"arguments" => &mut read.arguments,
                b"input" => &mut read.input,
                b"output" => &mut read.output,
                b"action" => &mut read.action,
                b"summary" => &mut read.summary,
                b"encrypted_content" => &mut read.encrypted,
                _ => {
                    read.rest.push((name, value));
                    continue;
                }
            };
            *place = Some(value);
        }
        read
    }
}

impl<'a> Reader<'_, 'a> {
    fn item(&mut self, at: usize, raw: Raw<'a>) -> Result<(), BadRequest> {
        if !raw.is_object() {
            return Err(bad(format!("input.{at}"), "must be an object"));
        }
        let item = Item::of(raw);
        let kind: &[u8] = match (item.kind, item.role) {
            (Some(kind), _) => kind.bytes(),
            (None, Some(_)) => b"message",
            (None, None) => b"",
        };
        match kind {
            b"message" => self.message(at, item),
            b"reasoning" => self.reasoning(at, item),
            b"function_call" => self.call(at, item, CallKind::Function),
            b"custom_tool_call" => self.call(at, item, CallKind::Custom),
            b"local_shell_call" if item.action.is_some_and(Raw::is_object) => self.call(at, item, CallKind::Function),
            b"local_shell_call" => Err(bad(format!("input.{at}.action"), "must be an object")),
            b"function_call_output" | b"local_shell_call_output" => self.result(at, item, CallKind::Function),
            b"custom_tool_call_output" => self.result(at, item, CallKind::Custom),
            b"" if item.id.is_none() => Err(bad(format!("input.{at}.type"), "is missing")),
            _ => {
                self.foreign(kind, &item, raw);
                Ok(())
            }
        }
    }

    fn message(&mut self, at: usize, item: Item<'a>) -> Result<(), BadRequest> {
        let role = match item.role.and_then(Raw::as_str).map(Escaped::bytes) {
            Some(b"user") => Role::User,
            Some(b"assistant") => Role::Assistant,
            Some(b"system") => Role::System,
            Some(b"developer") => Role::Developer,
            _ => return Err(bad(format!("input.{at}.role"), "must be user, assistant, system or developer")),
        };
        let path = format!("input.{at}.content");
        let mut parts: Vec<_> = shell("message", &item.rest).into_iter().collect();
        let said = item.content.ok_or_else(|| bad(path.clone(), "is missing"))?;
        contents(&path, said, &mut parts, &mut self.request.unread)?;
        if parts.is_empty() {
            return Ok(());
        }
        if matches!(role, Role::System | Role::Developer) && self.request.turns.is_empty() {
            self.request.instructions.push(Instruction { role, parts });
            return Ok(());
        }
        self.turn(role, true).append(&mut parts);
        Ok(())
    }

    fn reasoning(&mut self, at: usize, mut item: Item<'a>) -> Result<(), BadRequest> {
        let path = format!("input.{at}");
        let seal = item.encrypted.map(|sealed| text(&format!("{path}.encrypted_content"), sealed)).transpose()?;
        let seal = seal.filter(|sealed| !sealed.is_empty());
        let seal = seal.map(|sealed| Seal::read(Dialect::Responses, SealKind::Encrypted, sealed));
        let thought = texts(item.content, "input.content", &mut self.request.unread);
        let summary = texts(item.summary, "input.summary", &mut self.request.unread);
        if let Some(seal) =
            seal.clone().filter(|seal| seal.kind == SealKind::Call && thought.is_none() && summary.is_none())
        {
            self.seal = Some(seal);
            return Ok(());
        }
        if let (Some(_), Some(_), Some(said)) = (&thought, &summary, item.summary) {
            item.rest.push((inside(b"summary"), said));
        }
        // What another vendor signed came to the client as a summary ([`super::item`]) and is the reasoning itself.
        let signed = seal.as_ref().is_some_and(|seal| seal.kind == SealKind::Signature);
        let is_summary = thought.is_none() && !signed;
        let id = item.id.map(|id| text(&format!("{path}.id"), id)).transpose()?;
        let parts = self.turn(Role::Assistant, false);
        parts.extend(shell("reasoning", &item.rest));
        let text = thought.or(summary).unwrap_or_default();
        parts.push(Part::Reasoning { text, seal, id, summary: is_summary });
        Ok(())
    }

    fn call(&mut self, at: usize, item: Item<'a>, kind: CallKind) -> Result<(), BadRequest> {
        let said = |name: &str, value: Option<Raw<'a>>| {
            let path = format!("input.{at}.{name}");
            text(&path, value.ok_or_else(|| bad(path.clone(), "is missing"))?)
        };
        let (name, input) = match (item.action, kind) {
            (Some(action), CallKind::Function) => (Text::constant(LOCAL_SHELL), Input::Json(action.into())),
            (_, CallKind::Custom) => (said("name", item.name)?, Input::Free(said("input", item.input)?)),
            _ => (said("name", item.name)?, Input::Text(said("arguments", item.arguments)?)),
        };
        let id = said("call_id", item.call_id.or(item.id))?;
        let namespace = item.namespace.map(|space| said("namespace", Some(space))).transpose()?;
        let (seal, carry) = (self.seal.take(), carried(item.rest));
        let call = ToolCall { id, name, namespace, kind, input, seal, cache: None, carry };
        self.turn(Role::Assistant, false).push(Part::ToolCall(call));
        Ok(())
    }

    fn result(&mut self, at: usize, item: Item<'a>, kind: CallKind) -> Result<(), BadRequest> {
        let said = |name: &str, value: Raw<'a>| text(&format!("input.{at}.{name}"), value);
        // Of `local_shell_call_output` the id is that of the call.
        let id = item.call_id.or(item.id.filter(|_| item.name.is_none())).map(|id| said("call_id", id)).transpose()?;
        let name = item.name.map(|name| said("name", name)).transpose()?;
        if id.is_none() && name.is_none() {
            return Err(bad(format!("input.{at}.call_id"), "is missing"));
        }
        let mut content = Vec::new();
        let path = format!("input.{at}.output");
        let output = item.output.ok_or_else(|| bad(path.clone(), "is missing"))?;
        contents(&path, output, &mut content, &mut self.request.unread)?;
        let (id, carry) = (id.unwrap_or_default(), carried(item.rest));
        let result = ToolResult { id, name, kind, content, json: None, failed: false, cache: None, carry };
        self.turn(Role::User, false).push(Part::ToolResult(result));
        Ok(())
    }

    fn foreign(&mut self, kind: &[u8], item: &Item<'a>, raw: Raw<'a>) {
        if kind == b"compaction"
            && let Some(summary) = item.encrypted.and_then(Raw::as_str).and_then(compact::summary)
        {
            let parts = vec![Part::text(summary)];
            self.request.instructions.push(Instruction { role: Role::Developer, parts });
            return;
        }
        let answers = [&b"_output"[..], b"_response", b"_trigger"].iter().any(|end| kind.ends_with(end));
        let role = if answers { Role::User } else { Role::Assistant };
        let part = Part::Foreign { origin: Dialect::Responses, raw: raw.into() };
        self.turn(role, false).push(part);
    }

    /// The parts of the turn that an item of `role` belongs to.
    fn turn(&mut self, role: Role, message: bool) -> &mut Vec<Part<'a>> {
        let same = self.request.turns.last().is_some_and(|turn| turn.role == role);
        let joins = same
            && match role {
                Role::Assistant => !(message && self.behind_message),
                _ => !message && !self.behind_message,
            };
        self.behind_message = message;
        if !joins {
            self.request.turns.push(Turn { role, name: None, parts: Vec::new() });
        }
        let last = self.request.turns.len() - 1;
        &mut self.request.turns[last].parts
    }
}

/// The members that the pivot has no word for, as a foreign part that stands before what they belong to.
fn shell<'a>(kind: &str, rest: &[(Escaped<'a>, Raw<'a>)]) -> Option<Part<'a>> {
    if rest.is_empty() {
        return None;
    }
    let mut raw = format!("{{\"type\":\"{kind}\"").into_bytes();
    for (name, value) in rest {
        raw.extend_from_slice(b",\"");
        raw.extend_from_slice(name.bytes());
        raw.extend_from_slice(b"\":");
        raw.extend_from_slice(value.bytes());
    }
    raw.push(b'}');
    Some(Part::Foreign { origin: Dialect::Responses, raw: Json::written(raw) })
}

/// The texts of a reasoning item's `content` or `summary`, a blank line between them.
fn texts<'a>(parts: Option<Raw<'a>>, path: &str, unread: &mut Unread) -> Option<Text<'a>> {
    let mut whole: Option<Text<'a>> = None;
    for part in parts?.elements() {
        let mut said = None;
        for (name, value) in part.members() {
            match name.bytes() {
                b"type" => {}
                b"text" => said = value.as_str(),
                _ => unread.leave(path, name, value),
            }
        }
        let Some(text) = said else { continue };
        match &mut whole {
            None => whole = Some(text.into()),
            Some(whole) => {
                whole.push(inside(b"\\n\\n"));
                whole.push(text);
            }
        }
    }
    whole
}

/// The content of a message or of a result.
fn contents<'a>(
    path: &str,
    content: Raw<'a>,
    parts: &mut Vec<Part<'a>>,
    unread: &mut Unread,
) -> Result<(), BadRequest> {
    if let Some(text) = content.as_str() {
        parts.push(Part::text(text));
        return Ok(());
    }
    if !content.is_array() {
        return Err(bad(path.to_owned(), "must be a string or an array"));
    }
    parts.reserve(content.elements().count());
    for (at, raw) in content.elements().enumerate() {
        match raw.as_str() {
            Some(text) => parts.push(Part::text(text)),
            None => part(path, at, raw, parts, unread)?,
        }
    }
    Ok(())
}

/// The members of a part, read in one pass.
#[derive(Default)]
struct Content<'a> {
    kind: Option<Escaped<'a>>,
    text: Option<Raw<'a>>,
    refusal: Option<Raw<'a>>,
    annotations: Option<Raw<'a>>,
    image_url: Option<Raw<'a>>,
    file_url: Option<Raw<'a>>,
    file_data: Option<Raw<'a>>,
    file_id: Option<Raw<'a>>,
    filename: Option<Raw<'a>>,
    detail: Option<Raw<'a>>,
    input_audio: Option<Raw<'a>>,
    rest: Vec<(Escaped<'a>, Raw<'a>)>,
}

impl<'a> Content<'a> {
    fn of(part: Raw<'a>) -> Content<'a> {
        let mut read = Content::default();
        for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
            let place = match name.bytes() {
                b"type" => {
                    read.kind = value.as_str();
                    continue;
                }
                b"logprobs" => continue,
                b"text" => &mut read.text,
                b"refusal" => &mut read.refusal,
                b"annotations" => &mut read.annotations,
                b"image_url" => &mut read.image_url,
                b"file_url" => &mut read.file_url,
                b"file_data" => &mut read.file_data,
                b"file_id" => &mut read.file_id,
                b"filename" => &mut read.filename,
                b"detail" => &mut read.detail,
                b"input_audio" => &mut read.input_audio,
                _ => {
                    read.rest.push((name, value));
                    continue;
                }
            };
            *place = Some(value);
        }
        read
    }
}

fn part<'a>(
    path: &str,
    at: usize,
    raw: Raw<'a>,
    parts: &mut Vec<Part<'a>>,
    unread: &mut Unread,
) -> Result<(), BadRequest> {
    let place = |name: &str| format!("{path}.{at}.{name}");
    object(&format!("{path}.{at}"), raw)?;
    let content = Content::of(raw);
    let said =
        |name: &str, value: Option<Raw<'a>>| text(&place(name), value.ok_or_else(|| bad(place(name), "is missing"))?);
    let kind = content.kind.ok_or_else(|| bad(place("type"), "is missing"))?.decode();
    let read = match &*kind {
        "input_text" | "output_text" | "text" => {
            let citations = content.annotations.filter(|said| said.elements().next().is_some()).map(Json::from);
            Part::Text { text: said("text", content.text)?, cache: None, citations }
        }
        "refusal" => Part::Refusal(said("refusal", content.refusal)?),
        "input_image" => {
            let url = content.image_url.filter(|url| url.is_object());
            url.iter().for_each(|url| unread.leave_all_but(&["url", "detail"], "input.content.image_url", *url));
            Part::Media(Media { carry: carried(content.rest.clone()), ..image(&content, &said)? })
        }
        "input_file" => Part::Media(Media { carry: carried(content.rest.clone()), ..file(&content, &said)? }),
        "input_audio" => {
            let audio = content.input_audio.ok_or_else(|| bad(place("input_audio"), "is missing"))?;
            let data = said("input_audio.data", audio.find("data"))?;
            let format = said("input_audio.format", audio.find("format"))?;
            unread.leave_all_but(&["data", "format"], "input.content.input_audio", audio);
            let audio = medium(MediaKind::Audio, Source::Base64(data), Some(media::audio_type(&format)));
            Part::Media(Media { carry: carried(content.rest.clone()), ..audio })
        }
        item if is_modelled_item(item.as_bytes()) => {
            return Err(bad(place("type"), "is an item, no part of a message"));
        }
        _ => {
            parts.push(Part::Foreign { origin: Dialect::Responses, raw: raw.into() });
            return Ok(());
        }
    };
    if !matches!(read, Part::Media(_)) {
        parts.extend(shell(&kind, &content.rest));
    }
    parts.push(read);
    Ok(())
}

type Said<'s, 'a> = &'s dyn Fn(&str, Option<Raw<'a>>) -> Result<Text<'a>, BadRequest>;

fn image<'a>(content: &Content<'a>, said: Said<'_, 'a>) -> Result<Media<'a>, BadRequest> {
    // Chat's form is an object; some clients mix them up.
    let url = content.image_url.map(|url| if url.is_object() { url.find("url").unwrap_or(url) } else { url });
    let (source, media_type) = match (url, content.file_id) {
        (None, Some(id)) => (Source::File { origin: Dialect::Responses, id: said("file_id", Some(id))? }, None),
        (url, _) => media::source(said("image_url", url)?),
    };
    let detail = content.detail.map(|detail| said("detail", Some(detail))).transpose()?;
    Ok(Media { detail, ..medium(MediaKind::Image, source, media_type) })
}

fn file<'a>(content: &Content<'a>, said: Said<'_, 'a>) -> Result<Media<'a>, BadRequest> {
    let (source, media_type) = match (content.file_data, content.file_url, content.file_id) {
        (Some(data), _, _) => match media::source(said("file_data", Some(data))?) {
            // Bytes without the head of a data URL.
            (Source::Url(bytes), _) => (Source::Base64(bytes), None),
            read => read,
        },
        (None, Some(url), _) => (Source::Url(said("file_url", Some(url))?), None),
        (None, None, id) => (Source::File { origin: Dialect::Responses, id: said("file_id", id)? }, None),
    };
    let name = content.filename.map(|name| said("filename", Some(name))).transpose()?;
    let detail = content.detail.map(|detail| said("detail", Some(detail))).transpose()?;
    Ok(Media { name, detail, ..medium(MediaKind::Document, source, media_type) })
}

fn medium<'a>(kind: MediaKind, source: Source<'a>, media_type: Option<Text<'a>>) -> Media<'a> {
    Media { kind, source, media_type, name: None, detail: None, cache: None, carry: Vec::new() }
}
