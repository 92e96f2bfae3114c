//! Writes the conversation of a request as Gemini's `contents`.
//!
//! A Gemini client's turns are said as they stand. Those of others are arranged first, for Gemini wants the sides in turn
//! and each call answered at once. Signatures go back to the part that they stand on; the first call of a turn that
//! has lost its own gets the documented value that is not checked, which newer models ask for (conversion.md 18).

use super::part_out::inside;
use super::request_out::is_old;
use crate::json::{Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::arrange::{Piece, Side, arrange};
use crate::protocol::ir::media;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    BadRequest, Destination, Dropped, Input, Json, Media, Names, Part, Request, Role, Seal, Source, Text, ToolCall,
    ToolResult, custom,
};

/// What stands for the signature of a call that has none (ai.google.dev/gemini-api/docs/thought-signatures).
const UNCHECKED: &str = "skip_thought_signature_validator";

/// Writes contents.
pub(super) struct Contents<'r, 'o> {
    pub(super) native: bool,
    pub(super) to: &'r Destination<'r>,
    pub(super) dropped: &'o mut Dropped,
    pub(super) names: &'o mut Names,
    /// The seal of the call that comes next.
    held: Option<Text<'r>>,
    /// Whether the turn has had a call.
    called: bool,
    /// Whether it has had a signature of another vendor, which is left out.
    foreign: bool,
    scratch: Vec<u8>,
}

impl<'r, 'o> Contents<'r, 'o> {
    pub(super) fn new(
        native: bool,
        to: &'r Destination<'r>,
        dropped: &'o mut Dropped,
        names: &'o mut Names,
    ) -> Contents<'r, 'o> {
        Contents { native, to, dropped, names, held: None, called: false, foreign: false, scratch: Vec::new() }
    }

    /// The value of `contents`.
    pub(super) fn write(&mut self, request: &'r Request<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        json.begin_array();
        match self.native {
            true => self.native(request, json)?,
            false => self.arranged(request, json)?,
        }
        json.end();
        Ok(())
    }

    fn native(&mut self, request: &'r Request<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        for turn in &request.turns {
            self.begin(if turn.role == Role::Assistant { "model" } else { "user" }, json);
            let mut parts = turn.parts.iter().peekable();
            while let Some(part) = parts.next() {
                match part {
                    Part::ToolCall(call) => self.call(call, json),
                    Part::ToolResult(result) => {
                        let name = result.name.as_ref().map_or_else(Text::default, Text::as_ref);
                        self.result(result, &name, json)?;
                    }
                    part => {
                        let sign = parts.peek().and_then(|next| signature_of(part, next));
                        if sign.is_some() {
                            parts.next();
                        }
                        self.part(part, sign, json)?;
                    }
                }
            }
            json.end().end();
        }
        Ok(())
    }

    fn arranged(&mut self, request: &'r Request<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        if request.turns.iter().any(|turn| turn.name.is_some()) {
            self.dropped.drop("messages.name");
        }
        let mut sides = arrange(&request.turns);
        if sides.is_empty() {
            // Instructions alone are no request here.
            sides.push(Side { role: Role::User, pieces: vec![Piece::Silence] });
        }
        for (nth, side) in sides.into_iter().enumerate() {
            self.begin(if side.role == Role::Assistant { "model" } else { "user" }, json);
            let mut pieces = side.pieces.into_iter().peekable();
            let mut empty = true;
            if nth == 0 && self.to.quirks.no_system_role {
                for part in request.instructions.iter().flat_map(|instruction| &instruction.parts) {
                    empty &= !self.part(part, None, json)?;
                }
            }
            while let Some(piece) = pieces.next() {
                empty &= !match piece {
                    Piece::Part(part) => {
                        let sign = match pieces.peek() {
                            Some(Piece::Part(next)) => signature_of(part, next),
                            _ => None,
                        };
                        if sign.is_some() {
                            pieces.next();
                        }
                        self.part(part, sign, json)?
                    }
                    Piece::Instruction(part) => self.instruction(part, json)?,
                    Piece::Call(call, _) => {
                        self.call(call, json);
                        true
                    }
                    Piece::Result(result, call, _) => {
                        let name = self.names.say(&call.name, call.namespace.as_ref(), call.kind);
                        self.result(result, &name, json)?;
                        true
                    }
                    Piece::Missing(call, _) => {
                        self.missing(call, json);
                        true
                    }
                    Piece::Orphan(result) => self.orphan(result, json)?,
                    Piece::Silence => {
                        said(json, ".");
                        true
                    }
                };
            }
            if empty {
                // What was said here cannot be said; a turn without parts is refused.
                said(json, ".");
            }
            json.end().end();
        }
        Ok(())
    }

    fn begin(&mut self, role: &str, json: &mut Writer<'_>) {
        (self.held, self.called, self.foreign) = (None, false, false);
        json.begin_object().key("role").string(role).key("parts").begin_array();
    }

    /// A part that is neither call nor result; whether anything was written.
    fn part(
        &mut self,
        part: &'r Part<'_>,
        sign: Option<&'r Text<'_>>,
        json: &mut Writer<'_>,
    ) -> Result<bool, BadRequest> {
        match part {
            Part::Text { text, cache, citations } => {
                self.note_cache(cache.is_some());
                if citations.is_some() {
                    self.dropped.drop("content.citations");
                }
                if text.is_empty() && sign.is_none() && !self.native {
                    return Ok(false);
                }
                json.begin_object().key("text").escaped(text.escaped());
                if let Some(sign) = sign {
                    json.key("thoughtSignature").escaped(sign.escaped());
                }
                json.end();
            }
            Part::Refusal(text) if text.is_empty() => return Ok(false),
            Part::Refusal(text) => {
                json.begin_object().key("text").escaped(text.escaped()).end();
            }
            Part::Reasoning { text, seal, .. } => return Ok(self.reasoning(text, seal.as_ref(), json)),
            Part::Media(media) => self.media(media, sign, json)?,
            Part::Foreign { origin: Dialect::Gemini, raw } => {
                json.raw(raw.raw());
            }
            Part::Foreign { raw, .. } => {
                self.dropped.drop_foreign("content", raw.raw());
                return Ok(false);
            }
            Part::ToolCall(_) | Part::ToolResult(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Thoughts go back to their vendor only, and a seal that only passed through here goes to its call.
    fn reasoning(&mut self, text: &'r Text<'_>, seal: Option<&'r Seal<'_>>, json: &mut Writer<'_>) -> bool {
        let own = seal.filter(|seal| seal.origin == Dialect::Gemini);
        if let Some(seal) = own.filter(|seal| seal.kind == SealKind::Call) {
            self.held = Some(seal.data.as_ref());
            if text.is_empty() {
                return false;
            }
        }
        let own = own.filter(|seal| seal.kind != SealKind::Call);
        if own.is_none() && !self.native {
            self.dropped.drop("reasoning");
            return false;
        }
        // What another vendor sealed says nothing here.
        self.foreign |= own.is_none() && seal.is_some();
        if own.is_none() && seal.is_some() && text.is_empty() {
            return false;
        }
        json.begin_object().key("text").escaped(text.escaped());
        if self.native || !text.is_empty() {
            json.key("thought").bool(true);
        }
        if let Some(seal) = own {
            json.key("thoughtSignature").escaped(seal.data.escaped());
        }
        json.end();
        true
    }

    fn instruction(&mut self, part: &'r Part<'_>, json: &mut Writer<'_>) -> Result<bool, BadRequest> {
        let Part::Text { text, cache, .. } = part else { return self.part(part, None, json) };
        self.note_cache(cache.is_some());
        self.scratch.clear();
        self.scratch.extend_from_slice(b"<system-reminder>\\n");
        self.scratch.extend_from_slice(text.bytes());
        self.scratch.extend_from_slice(b"\\n</system-reminder>");
        json.begin_object().key("text").escaped(inside(&self.scratch)).end();
        Ok(true)
    }

    fn call(&mut self, call: &'r ToolCall<'_>, json: &mut Writer<'_>) {
        self.note_cache(call.cache.is_some());
        json.begin_object().key("functionCall").begin_object();
        if !call.id.is_empty() {
            json.key("id").escaped(call.id.escaped());
        }
        self.called_name(call, json);
        json.key("args");
        self.input(&call.input, json);
        self.carry(&call.carry, "tool_call", json);
        json.end();
        let first = !std::mem::replace(&mut self.called, true);
        let held = self.held.take();
        match &call.seal {
            Some(seal) if seal.origin == Dialect::Gemini => {
                _ = json.key("thoughtSignature").escaped(seal.data.escaped())
            }
            _ if held.is_some() => {
                held.iter().for_each(|held| _ = json.key("thoughtSignature").escaped(held.escaped()));
            }
            // In a request of Gemini's own a signature is missed only where it was another's.
            seal if first && !is_old(self.to.model) && (!self.native || self.foreign || seal.is_some()) => {
                _ = json.key("thoughtSignature").string(UNCHECKED);
            }
            _ => {}
        }
        json.end();
    }

    fn called_name(&mut self, call: &ToolCall<'_>, json: &mut Writer<'_>) {
        match self.native {
            true => json.key("name").escaped(call.name.escaped()),
            false => {
                let name = self.names.say(&call.name, call.namespace.as_ref(), call.kind);
                json.key("name").escaped(name.escaped())
            }
        };
    }

    /// The input of a call as an object, which alone is taken here.
    fn input(&mut self, input: &Input<'_>, json: &mut Writer<'_>) {
        if let Some(wrapped) = custom::wrap(input) {
            json.raw(wrapped.raw());
            return;
        }
        match input {
            Input::Json(value) if value.raw().is_object() => json.raw(value.raw()),
            Input::Json(value) => json.begin_object().key("input").raw(value.raw()).end(),
            Input::Text(said) | Input::Free(said) => {
                self.scratch.clear();
                text::unescape(said.bytes(), &mut self.scratch);
                match Raw::parse(&self.scratch) {
                    Ok(object) if object.is_object() => json.raw(object),
                    Ok(value) => json.begin_object().key("input").raw(value).end(),
                    Err(_) if said.is_empty() => json.begin_object().end(),
                    // What a model wrote need not be JSON; it wrote it all the same.
                    Err(_) => json.begin_object().key("input").escaped(said.escaped()).end(),
                }
            }
        };
    }

    /// A result of a call, under the name that the call was told.
    fn result(&mut self, result: &'r ToolResult<'_>, name: &Text<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        self.note_cache(result.cache.is_some());
        let old = is_old(self.to.model) && !self.native;
        let media =
            || result.content.iter().filter_map(|part| if let Part::Media(media) = part { Some(media) } else { None });
        json.begin_object().key("functionResponse").begin_object();
        if !result.id.is_empty() {
            json.key("id").escaped(result.id.escaped());
        }
        json.key("name").escaped(name.escaped()).key("response");
        match &result.json {
            Some(value) if value.raw().is_object() => _ = json.raw(value.raw()),
            Some(value) => {
                _ = json.begin_object().key(if result.failed { "error" } else { "output" }).raw(value.raw()).end()
            }
            None => {
                json.begin_object().key(if result.failed { "error" } else { "output" });
                self.gather(result);
                json.escaped(inside(&self.scratch)).end();
            }
        }
        if !old && media().next().is_some() {
            json.key("parts").begin_array();
            for media in media() {
                self.media(media, None, json)?;
            }
            json.end();
        }
        self.carry(&result.carry, "tool_result", json);
        json.end().end();
        // Older models take no media in a response; beside it they do.
        if old {
            media().try_for_each(|media| self.media(media, None, json))?;
        }
        Ok(())
    }

    /// The text of a result, in the scratch.
    fn gather(&mut self, result: &ToolResult<'_>) {
        self.scratch.clear();
        for part in &result.content {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) => {
                    if !self.scratch.is_empty() && !text.is_empty() {
                        self.scratch.extend_from_slice(b"\\n");
                    }
                    self.scratch.extend_from_slice(text.bytes());
                }
                Part::Media(_) => {}
                _ => self.dropped.drop("tool_result.content"),
            }
        }
    }

    fn missing(&mut self, call: &ToolCall<'_>, json: &mut Writer<'_>) {
        json.begin_object().key("functionResponse").begin_object();
        if !call.id.is_empty() {
            json.key("id").escaped(call.id.escaped());
        }
        self.called_name(call, json);
        json.key("response").begin_object().key("error").string("the tool gave no result").end().end().end();
    }

    /// A result of no call can only be told.
    fn orphan(&mut self, result: &'r ToolResult<'_>, json: &mut Writer<'_>) -> Result<bool, BadRequest> {
        self.dropped.approximate("tool_result");
        self.gather(result);
        if let Some(value) = &result.json {
            self.scratch.clear();
            text::escape(&String::from_utf8_lossy(value.bytes()), &mut self.scratch);
        }
        self.scratch.splice(..0, *b"Result of a tool: ");
        json.begin_object().key("text").escaped(inside(&self.scratch)).end();
        for part in &result.content {
            if let Part::Media(media) = part {
                self.media(media, None, json)?;
            }
        }
        Ok(true)
    }

    fn media(&mut self, media: &Media<'_>, sign: Option<&Text<'_>>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        self.note_cache(media.cache.is_some());
        json.begin_object();
        match &media.source {
            Source::Base64(data) => {
                json.key("inlineData").begin_object();
                self.name_file(media, json);
                json.key("mimeType").escaped(media::media_type(media).escaped());
                json.key("data").escaped(data.escaped()).end();
            }
            Source::Url(uri) | Source::File { origin: Dialect::Gemini, id: uri } => {
                json.key("fileData").begin_object();
                self.name_file(media, json);
                if media.media_type.is_some() || !self.native {
                    json.key("mimeType").escaped(media::media_type(media).escaped());
                }
                json.key("fileUri").escaped(uri.escaped()).end();
            }
            Source::Text(text) => _ = json.key("text").escaped(text.escaped()),
            Source::File { .. } => {
                return Err(BadRequest {
                    member: "content.file_id".into(),
                    message: "the file is with another vendor than the one that is asked".into(),
                });
            }
        }
        if media.detail.as_ref().is_some_and(|detail| !detail.eq_str("auto")) {
            self.dropped.drop("content.detail");
        }
        self.carry(&media.carry, "content", json);
        if let Some(sign) = sign {
            json.key("thoughtSignature").escaped(sign.escaped());
        }
        json.end();
        Ok(())
    }

    /// A name that only a Gemini client's vendor is known to take.
    fn name_file(&mut self, media: &Media<'_>, json: &mut Writer<'_>) {
        match &media.name {
            Some(name) if self.native => _ = json.key("displayName").escaped(name.escaped()),
            Some(_) => self.dropped.drop("content.filename"),
            None => {}
        }
    }

    /// Members that only the client's own vendor knows.
    fn carry(&mut self, carry: &[(Text<'_>, Json<'_>)], part: &str, json: &mut Writer<'_>) {
        for (name, value) in carry {
            match self.native {
                true => _ = json.key(&name.decode()).raw(value.raw()),
                false if name.eq_str("id") || name.eq_str("status") => {}
                false => self.dropped.drop(format!("{part}.{}", name.decode())),
            }
        }
    }

    fn note_cache(&mut self, said: bool) {
        if said {
            self.dropped.drop("cache_control");
        }
    }
}

/// The signature of a text or a medium, which the pivot keeps as a thought of nothing behind it.
fn signature_of<'r>(part: &Part<'_>, next: &'r Part<'_>) -> Option<&'r Text<'r>> {
    match (part, next) {
        (Part::Text { .. } | Part::Media(_), Part::Reasoning { text, seal: Some(seal), .. })
            if text.is_empty() && seal.origin == Dialect::Gemini && seal.kind == SealKind::Signature =>
        {
            Some(&seal.data)
        }
        _ => None,
    }
}

fn said(json: &mut Writer<'_>, text: &str) {
    json.begin_object().key("text").string(text).end();
}
