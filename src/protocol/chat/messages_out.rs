//! Writes the conversation of a Chat request.
//!
//! A conversation that was said in Chat keeps its messages. Any other is arranged first ([`arrange`]): all calls of a
//! side stand in one message, and the results follow at once. What a `tool` message cannot hold, media above all, is
//! told by the user behind the results, with the call that it belongs to (conversion.md 28); so is what the assistant
//! showed. Parts of other protocols are left out and reported.

use super::detail;
use crate::base::span::Span;
use crate::json::{Escaped, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::arrange::{Piece, Side, arrange};
use crate::protocol::ir::{
    BadRequest, CallKind, Dropped, Input, Instruction, Json, Media, MediaKind, Names, Part, Quirks, Request, Role,
    Seal, Source, Text, ToolCall, ToolResult, Turn, custom, media,
};

/// Writes `messages` of one request.
pub(super) struct Messages<'t, 'w> {
    pub(super) json: &'t mut Writer<'w>,
    pub(super) origin: Dialect,
    pub(super) quirks: &'t Quirks,
    pub(super) names: &'t mut Names,
    pub(super) dropped: &'t mut Dropped,
}

/// A piece of a message's content.
enum Said<'r> {
    Text(Text<'r>, Option<&'r Json<'r>>),
    Media(&'r Media<'r>),
    /// A part of Chat that only Chat knows.
    Raw(&'r Json<'r>),
}

/// What the assistant says in one message.
#[derive(Default)]
struct Answer<'r> {
    content: Vec<Said<'r>>,
    /// Whether the last text may go on.
    adjoins: bool,
    refusal: Vec<u8>,
    thought: Vec<u8>,
    sealed: Vec<(&'r Text<'r>, bool, &'r Seal<'r>)>,
    calls: Vec<(&'r ToolCall<'r>, u32)>,
    images: Vec<&'r Media<'r>>,
    /// Objects whose members stand in the message itself.
    members: Vec<&'r Json<'r>>,
}

impl Messages<'_, '_> {
    /// Writes the array.
    pub(super) fn write<'r>(mut self, request: &'r Request<'r>) -> Result<(), BadRequest> {
        self.json.begin_array();
        let mut user = Vec::new();
        self.instructions(request, &mut user);
        let nameless = |part: &Part<'_>| match part {
            Part::ToolCall(call) => call.id.is_empty(),
            Part::ToolResult(result) => result.id.is_empty(),
            _ => false,
        };
        let own = self.origin == Dialect::Chat && !request.turns.iter().flat_map(|turn| &turn.parts).any(nameless);
        match own {
            true => request.turns.iter().try_for_each(|turn| self.turn(turn, &mut user))?,
            false => arrange(&request.turns).iter().try_for_each(|side| self.side(side, &mut user))?,
        }
        self.user(&mut user, None)?;
        self.json.end();
        Ok(())
    }

    /// The instructions, in front or where the provider wants them.
    fn instructions<'r>(&mut self, request: &'r Request<'r>, user: &mut Vec<Said<'r>>) {
        let amid = request.turns.iter().filter(|turn| matches!(turn.role, Role::System | Role::Developer));
        if self.quirks.no_system_role {
            user.extend(request.instructions.iter().flat_map(|one| &one.parts).filter_map(|part| self.said(part)));
        } else if self.quirks.leading_system_only {
            let all = request.instructions.iter().flat_map(|one| &one.parts).chain(amid.flat_map(|turn| &turn.parts));
            let all: Vec<_> = all.filter_map(|part| self.said(part)).collect();
            self.system(Role::System, None, &all);
        } else {
            for Instruction { role, parts } in &request.instructions {
                let parts: Vec<_> = parts.iter().filter_map(|part| self.said(part)).collect();
                self.system(*role, None, &parts);
            }
        }
    }

    fn system(&mut self, role: Role, name: Option<&Text<'_>>, parts: &[Said<'_>]) {
        if parts.is_empty() {
            return;
        }
        let developer = role == Role::Developer && self.quirks.developer_role;
        self.json.begin_object().key("role").string(if developer { "developer" } else { "system" });
        self.name(name);
        self.json.key("content");
        self.content(parts);
        self.json.end();
    }

    /// A turn of a conversation that was said in Chat: one message, or several where results stand in it.
    fn turn<'r>(&mut self, turn: &'r Turn<'r>, user: &mut Vec<Said<'r>>) -> Result<(), BadRequest> {
        match turn.role {
            Role::Assistant => {
                self.user(user, None)?;
                self.assistant(turn.parts.iter(), turn.name.as_ref(), user)
            }
            Role::User => {
                let mut own = false;
                for part in &turn.parts {
                    match part {
                        Part::ToolResult(result) => self.result(result, result.id.as_ref(), user),
                        part => {
                            own = true;
                            user.extend(self.said(part));
                        }
                    }
                }
                if own { self.user(user, turn.name.as_ref()) } else { Ok(()) }
            }
            Role::System | Role::Developer => {
                let parts: Vec<_> = turn.parts.iter().filter_map(|part| self.said(part)).collect();
                self.amid(turn.role, turn.name.as_ref(), parts, user)
            }
        }
    }

    /// An instruction amid the conversation.
    fn amid<'r>(
        &mut self,
        role: Role,
        name: Option<&Text<'_>>,
        parts: Vec<Said<'r>>,
        user: &mut Vec<Said<'r>>,
    ) -> Result<(), BadRequest> {
        if self.quirks.no_system_role {
            user.extend(parts);
        } else if !self.quirks.leading_system_only {
            self.user(user, None)?;
            self.system(role, name, &parts);
        }
        Ok(())
    }

    fn side<'r>(&mut self, side: &Side<'r, 'r>, user: &mut Vec<Said<'r>>) -> Result<(), BadRequest> {
        if side.role == Role::Assistant {
            self.user(user, None)?;
            let mut answer = Answer::default();
            for piece in &side.pieces {
                match piece {
                    Piece::Part(part) => self.add(&mut answer, part),
                    Piece::Call(call, number) => answer.calls.push((call, *number)),
                    Piece::Orphan(result) => self.orphan(result, user),
                    Piece::Instruction(_) | Piece::Result(..) | Piece::Missing(..) | Piece::Silence => {}
                }
            }
            return self.answer(answer, None, user);
        }
        for piece in &side.pieces {
            match piece {
                Piece::Result(result, call, number) => self.result(result, call_id(&call.id, *number), user),
                Piece::Missing(call, number) => {
                    let id = call_id(&call.id, *number);
                    self.json.begin_object().key("role").string("tool").key("tool_call_id").escaped(id.escaped());
                    self.json.key("content").string("There is no result of this call.").end();
                }
                Piece::Orphan(result) => self.orphan(result, user),
                Piece::Part(part) => user.extend(self.said(part)),
                Piece::Instruction(part) => {
                    let parts = self.said(part).into_iter().collect();
                    self.amid(Role::System, None, parts, user)?;
                }
                Piece::Call(..) | Piece::Silence => {}
            }
        }
        Ok(())
    }

    /// Chat takes no citations back.
    fn cited(&mut self, cites: bool) {
        if cites {
            self.dropped.drop("messages.citations");
        }
    }

    /// A piece of content, unless it is none of Chat's.
    fn said<'r>(&mut self, part: &'r Part<'r>) -> Option<Said<'r>> {
        match part {
            Part::Text { text, cache, citations } => {
                self.cited(citations.is_some());
                Some(Said::Text(text.as_ref(), self.cache(cache.as_ref())))
            }
            Part::Refusal(text) => Some(Said::Text(text.as_ref(), None)),
            Part::Media(media) => {
                self.cache(media.cache.as_ref());
                self.lost(&media.carry);
                Some(Said::Media(media))
            }
            Part::Foreign { origin: Dialect::Chat, raw } => Some(Said::Raw(raw)),
            Part::Foreign { raw, .. } => {
                self.dropped.drop_foreign("messages", raw.raw());
                None
            }
            Part::Reasoning { .. } | Part::ToolCall(_) | Part::ToolResult(_) => None,
        }
    }

    /// A mark of Anthropic's prompt cache, which is Chat's only where it was said in Chat.
    fn cache<'r>(&mut self, cache: Option<&'r Json<'r>>) -> Option<&'r Json<'r>> {
        if cache.is_some() && self.origin != Dialect::Chat {
            self.dropped.drop("cache_control");
            return None;
        }
        cache
    }

    /// Members of a part that only its own protocol knows; ids and states of items say nothing elsewhere.
    fn lost(&mut self, carry: &[(Text<'_>, Json<'_>)]) {
        let told = carry.iter().filter(|(name, _)| !name.eq_str("id") && !name.eq_str("status"));
        if self.origin != Dialect::Chat {
            told.for_each(|(name, _)| self.dropped.drop(format!("messages.{}", name.decode())));
        }
    }

    fn name(&mut self, name: Option<&Text<'_>>) {
        if let Some(name) = name {
            self.json.key("name").escaped(name.escaped());
        }
    }

    /// The user's message of what has been gathered, if anything has.
    fn user(&mut self, said: &mut Vec<Said<'_>>, name: Option<&Text<'_>>) -> Result<(), BadRequest> {
        if said.is_empty() {
            return Ok(());
        }
        for part in said.iter() {
            if let Said::Media(media) = part {
                sayable(media)?;
            }
        }
        self.json.begin_object().key("role").string("user");
        self.name(name);
        self.json.key("content");
        self.content(said);
        self.json.end();
        said.clear();
        Ok(())
    }

    /// The content of a message: text where it is nothing else, for not everybody who calls himself compatible knows parts.
    fn content(&mut self, parts: &[Said<'_>]) {
        match parts {
            [] => _ = self.json.string(""),
            [Said::Text(text, None)] => _ = self.json.escaped(text.escaped()),
            parts if self.origin != Dialect::Chat && parts.iter().all(|part| matches!(part, Said::Text(_, None))) => {
                let mut joined = Vec::new();
                for part in parts {
                    if let Said::Text(text, _) = part
                        && !text.is_empty()
                    {
                        if !joined.is_empty() {
                            joined.extend_from_slice(b"\\n\\n");
                        }
                        joined.extend_from_slice(text.bytes());
                    }
                }
                self.json.escaped(inside(&joined));
            }
            parts => {
                self.json.begin_array();
                parts.iter().for_each(|part| self.part(part));
                self.json.end();
            }
        }
    }

    fn part(&mut self, part: &Said<'_>) {
        match part {
            Said::Text(text, cache) => {
                self.json.begin_object().key("type").string("text").key("text").escaped(text.escaped());
                if let Some(cache) = cache {
                    self.json.key("cache_control").raw(cache.raw());
                }
                self.json.end();
            }
            Said::Media(media) => self.media(media),
            Said::Raw(raw) => _ = self.json.raw(raw.raw()),
        }
    }

    fn media(&mut self, media: &Media<'_>) {
        let json = &mut *self.json;
        json.begin_object().key("type");
        let url = |member: &str, json: &mut Writer<'_>| {
            let mut url = Vec::new();
            media::write_url(media, &mut url);
            json.key(member).escaped(inside(&url));
        };
        match (media.kind, &media.source) {
            (MediaKind::Image, _) => {
                json.string("image_url").key("image_url").begin_object();
                url("url", json);
                if let Some(detail) = &media.detail {
                    json.key("detail").escaped(detail.escaped());
                }
                json.end();
            }
            (MediaKind::Audio, Source::Base64(data)) => {
                json.string("input_audio").key("input_audio").begin_object().key("data").escaped(data.escaped());
                let media_type = media::media_type(media).decode().into_owned();
                json.key("format").string(&media::audio_format(&media_type)).end();
            }
            (MediaKind::Video, _) => {
                json.string("video_url").key("video_url").begin_object();
                url("url", json);
                json.end();
            }
            // A text that stands here is a text: few read it as a file.
            (MediaKind::Document, Source::Text(text)) => {
                let mut said = Vec::new();
                if let Some(name) = &media.name {
                    said.extend_from_slice(name.bytes());
                    said.extend_from_slice(b":\\n\\n");
                }
                said.extend_from_slice(text.bytes());
                json.string("text").key("text").escaped(inside(&said));
            }
            (_, source) => {
                json.string("file").key("file").begin_object();
                match source {
                    Source::File { id, .. } => _ = json.key("file_id").escaped(id.escaped()),
                    _ => {
                        // OpenAI wants a name beside the bytes.
                        match &media.name {
                            Some(name) => json.key("filename").escaped(name.escaped()),
                            None => json.key("filename").string("document.pdf"),
                        };
                        url("file_data", json);
                    }
                }
                json.end();
            }
        }
        if self.origin == Dialect::Chat {
            media.cache.iter().for_each(|cache| _ = json.key("cache_control").raw(cache.raw()));
            repeat(&media.carry, json);
        }
        json.end();
    }

    /// The `tool` message of a result; what it cannot hold waits for the user's next one.
    fn result<'r>(&mut self, result: &'r ToolResult<'r>, id: Text<'_>, user: &mut Vec<Said<'r>>) {
        self.json.begin_object().key("role").string("tool").key("tool_call_id").escaped(id.escaped());
        if let Some(name) = result.name.as_ref().filter(|_| self.origin == Dialect::Chat) {
            self.json.key("name").escaped(name.escaped());
        }
        let mut texts = Vec::new();
        let waiting = user.len();
        if result.failed {
            texts.push(Said::Text(Text::constant("Error:"), None));
        }
        if let Some(json) = &result.json {
            texts.push(Said::Text(Text::plain(&String::from_utf8_lossy(json.bytes())), None));
        }
        self.cache(result.cache.as_ref());
        for part in &result.content {
            match self.said(part) {
                Some(Said::Media(media)) => {
                    if user.len() == waiting {
                        let mut label = b"From the result of call ".to_vec();
                        label.extend_from_slice(id.bytes());
                        label.push(b':');
                        user.push(Said::Text(Text::joined(label), None));
                    }
                    user.push(Said::Media(media));
                }
                Some(said) => texts.push(said),
                None => {}
            }
        }
        if texts.is_empty() && user.len() > waiting {
            texts.push(Said::Text(Text::constant("The result is shown by the user."), None));
        }
        self.json.key("content");
        self.content(&texts);
        self.lost(&result.carry);
        if self.origin == Dialect::Chat {
            repeat(&result.carry, self.json);
        }
        self.json.end();
    }

    /// A result of no call, which Chat's upstreams refuse, is what the user says.
    fn orphan<'r>(&mut self, result: &'r ToolResult<'r>, user: &mut Vec<Said<'r>>) {
        user.push(Said::Text(Text::constant("The result of an earlier call:"), None));
        if let Some(json) = &result.json {
            user.push(Said::Text(Text::plain(&String::from_utf8_lossy(json.bytes())), None));
        }
        user.extend(result.content.iter().filter_map(|part| self.said(part)));
    }

    fn assistant<'r>(
        &mut self,
        parts: impl Iterator<Item = &'r Part<'r>>,
        name: Option<&Text<'_>>,
        user: &mut Vec<Said<'r>>,
    ) -> Result<(), BadRequest> {
        let mut answer = Answer::default();
        for part in parts {
            match part {
                Part::ToolCall(call) => answer.calls.push((call, 0)),
                part => self.add(&mut answer, part),
            }
        }
        self.answer(answer, name, user)
    }

    /// Adds a part that is no call to what the assistant says.
    fn add<'r>(&mut self, answer: &mut Answer<'r>, part: &'r Part<'r>) {
        let adjoins = std::mem::take(&mut answer.adjoins);
        match part {
            Part::Text { text, .. } if text.is_empty() => answer.adjoins = adjoins,
            Part::Text { text, cache, citations } => {
                answer.adjoins = true;
                self.cited(citations.is_some());
                let cache = self.cache(cache.as_ref());
                match answer.content.last_mut() {
                    // Blocks that follow each other are one text, cut where it cites.
                    Some(Said::Text(said, None)) if adjoins && self.origin != Dialect::Chat => {
                        said.push(text.escaped())
                    }
                    _ => answer.content.push(Said::Text(text.as_ref(), cache)),
                }
            }
            Part::Refusal(text) => answer.refusal.extend_from_slice(text.bytes()),
            Part::Reasoning { text, seal, summary, .. } => {
                match seal {
                    Some(seal) if seal.origin == Dialect::Chat => answer.sealed.push((text, *summary, seal)),
                    _ if self.quirks.replays_reasoning || self.origin == Dialect::Chat => {}
                    _ => self.dropped.drop("reasoning"),
                }
                answer.thought.extend_from_slice(text.bytes());
            }
            Part::Media(media) => {
                answer.adjoins = adjoins;
                answer.images.push(media);
            }
            Part::Foreign { origin: Dialect::Chat, raw } => match raw.raw().find("type") {
                Some(_) => answer.content.push(Said::Raw(raw)),
                None => answer.members.push(raw),
            },
            Part::Foreign { raw, .. } => self.dropped.drop_foreign("messages", raw.raw()),
            Part::ToolCall(_) | Part::ToolResult(_) => {}
        }
    }

    fn answer<'r>(
        &mut self,
        answer: Answer<'r>,
        name: Option<&Text<'_>>,
        user: &mut Vec<Said<'r>>,
    ) -> Result<(), BadRequest> {
        let own = self.origin == Dialect::Chat;
        let thought = self.quirks.replays_reasoning || own;
        let calls = !answer.calls.is_empty();
        let says = !answer.content.is_empty() || !answer.refusal.is_empty() || !answer.members.is_empty() || calls;
        if says || own || (thought && !answer.thought.is_empty()) || !answer.sealed.is_empty() {
            self.json.begin_object().key("role").string("assistant");
            self.name(name);
            self.json.key("content");
            match answer.content.is_empty() {
                // Null where there is nothing but calls: the same in every turn, for the upstream's cache (60).
                true if calls || !answer.refusal.is_empty() || !answer.members.is_empty() => _ = self.json.null(),
                _ => self.content(&answer.content),
            }
            if !answer.refusal.is_empty() {
                self.json.key("refusal").escaped(inside(&answer.refusal));
            }
            // Whoever wants his reasoning back wants it with every call, and takes an empty one for one that is lost.
            if (thought && !answer.thought.is_empty()) || (self.quirks.replays_reasoning && calls) {
                self.json.key("reasoning_content").escaped(inside(&answer.thought));
            }
            self.details(&answer.sealed);
            self.calls(&answer.calls);
            self.images(&answer.images);
            for (name, value) in answer.members.iter().flat_map(|members| members.raw().members()) {
                self.json.key(&name.decode()).raw(value);
            }
            self.json.end();
        }
        if !own && !answer.images.is_empty() {
            user.push(Said::Text(Text::constant("From the answer before:"), None));
            user.extend(answer.images.into_iter().map(Said::Media));
        }
        Ok(())
    }

    fn details(&mut self, sealed: &[(&Text<'_>, bool, &Seal<'_>)]) {
        if sealed.is_empty() {
            return;
        }
        self.json.key("reasoning_details").begin_array();
        let mut index = 0;
        for (text, summary, seal) in sealed {
            index += detail::write(Some(text.escaped()), *summary, Some(seal), index, self.json);
        }
        self.json.end();
    }

    /// Images that the assistant showed, as OpenRouter tells them; elsewhere the user shows them.
    fn images(&mut self, images: &[&Media<'_>]) {
        if self.origin == Dialect::Chat && !images.is_empty() {
            self.json.key("images").begin_array();
            images.iter().for_each(|image| self.media(image));
            self.json.end();
        }
    }

    fn calls(&mut self, calls: &[(&ToolCall<'_>, u32)]) {
        if calls.is_empty() {
            return;
        }
        self.json.key("tool_calls").begin_array();
        for (call, number) in calls {
            self.cache(call.cache.as_ref());
            let said = self.names.say(&call.name, call.namespace.as_ref(), call.kind);
            let free = call.kind == CallKind::Custom && self.origin == Dialect::Chat;
            let (kind, input) = if free { ("custom", "input") } else { ("function", "arguments") };
            self.json.begin_object().key("id").escaped(call_id(&call.id, *number).escaped());
            self.json.key("type").string(kind).key(kind).begin_object().key("name").escaped(said.escaped());
            self.json.key(input);
            self.input(&call.input, free);
            self.json.end();
            if let Some(seal) = call.seal.as_ref().filter(|seal| seal.origin == Dialect::Chat) {
                self.json.key("extra_content").begin_object().key("google").begin_object();
                self.json.key("thought_signature").escaped(seal.data.escaped()).end().end();
            }
            self.lost(&call.carry);
            if self.origin == Dialect::Chat {
                repeat(&call.carry, self.json);
            }
            self.json.end();
        }
        self.json.end();
    }

    /// What a call was called with, as a string; `free` where the tool takes any text.
    fn input(&mut self, input: &Input<'_>, free: bool) {
        let wrapped = if free { None } else { custom::wrap(input) };
        match (wrapped.as_ref(), input) {
            (Some(json), _) | (None, Input::Json(json)) => {
                let mut whole = Vec::with_capacity(json.bytes().len() + 16);
                text::escape(&String::from_utf8_lossy(json.bytes()), &mut whole);
                self.json.escaped(inside(&whole));
            }
            (None, Input::Text(text)) if text.is_empty() && !free => _ = self.json.string("{}"),
            (None, Input::Text(text) | Input::Free(text)) => _ = self.json.escaped(text.escaped()),
        }
    }
}

fn repeat(members: &[(Text<'_>, Json<'_>)], json: &mut Writer<'_>) {
    members.iter().for_each(|(name, value)| _ = json.key(&name.decode()).raw(value.raw()));
}

/// The id of a call; Gemini and Ollama have none, so their calls are known by their numbers.
fn call_id<'r>(id: &'r Text<'_>, number: u32) -> Text<'r> {
    match id.is_empty() {
        true => Text::plain(&format!("call_{number}")),
        false => id.as_ref(),
    }
}

/// Whether Chat has words for where the medium is.
fn sayable(media: &Media<'_>) -> Result<(), BadRequest> {
    let openai = |origin: &Dialect| matches!(origin, Dialect::Chat | Dialect::Responses);
    let message = match (media.kind, &media.source) {
        (MediaKind::Document, Source::File { origin, .. }) if openai(origin) => return Ok(()),
        (_, Source::File { .. }) => "the upstream does not know this file; its bytes or its URL are needed",
        (MediaKind::Audio, Source::Url(_)) => "the upstream takes sound as bytes, not as a URL",
        _ => return Ok(()),
    };
    Err(BadRequest { member: "messages".into(), message: message.into() })
}

/// What is escaped already, as the scanner tells it.
fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}
