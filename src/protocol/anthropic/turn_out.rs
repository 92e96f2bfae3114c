//! Writes the conversation of a request.
//!
//! What another dialect said is arranged as Anthropic wants it ([`arrange`]); what Anthropic's own said keeps its turns,
//! for thoughts must not move (conversion.md 63). A block that Anthropic would refuse is not written: empty text, thoughts
//! without Anthropic's own seal. A medium that it does not take leaves a note in its place, so that no model guesses
//! at what it was not shown.

use ahash::AHashSet;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{citation, id, input, media as shown};
use crate::base::span::Span;
use crate::json::{Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::arrange::{Piece, arrange};
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    Destination, Json, Media, MediaKind, Outgoing, Part, Request, Role, Seal, Source, Text, ToolCall, ToolResult, Turn,
    media,
};

/// Writes the elements of `messages`; whether there are any.
pub(super) fn write(request: &Request<'_>, to: &Destination<'_>, outgoing: &mut Outgoing, out: &mut Vec<u8>) -> bool {
    let replays = to.quirks.replays_reasoning;
    let mut turns = Turns { origin: request.origin, replays, outgoing, out, messages: 0, blocks: 0, begun: 0 };
    match request.origin {
        Dialect::Anthropic => turns.own(&request.turns, to.quirks.no_system_role || to.quirks.leading_system_only),
        _ => turns.arranged(&request.turns),
    }
    turns.messages > 0
}

struct Turns<'w> {
    origin: Dialect,
    /// Whether thoughts go back without a seal too.
    replays: bool,
    outgoing: &'w mut Outgoing,
    out: &'w mut Vec<u8>,
    messages: usize,
    /// Blocks of the message that is written.
    blocks: usize,
    /// Where it begins.
    begun: usize,
}

impl Turns<'_> {
    fn own(&mut self, turns: &[Turn<'_>], folds: bool) {
        for turn in turns {
            let system = matches!(turn.role, Role::System | Role::Developer);
            self.begin(match turn.role {
                Role::Assistant => "assistant",
                _ if system && !folds => "system",
                _ => "user",
            });
            for part in &turn.parts {
                match part {
                    Part::ToolCall(call) => {
                        let mut told = Vec::new();
                        id::write(call.id.escaped(), &mut told);
                        self.call(call, &told);
                    }
                    Part::ToolResult(result) => {
                        let mut told = Vec::new();
                        id::write(result.id.escaped(), &mut told);
                        self.result(result, &told);
                    }
                    part if system && folds => self.reminder(part),
                    part => self.part(part, turn.role),
                }
            }
            self.end();
        }
    }

    fn arranged(&mut self, turns: &[Turn<'_>]) {
        if turns.iter().any(|turn| turn.name.is_some()) {
            self.outgoing.dropped.drop("messages.name");
        }
        let sides = arrange(turns);
        let ids = ids(sides.iter().flat_map(|side| &side.pieces));
        let id = |number: u32| ids.get(number as usize).map_or(&b""[..], |id| &**id);
        let last = sides.last().filter(|side| side.role == Role::Assistant).and_then(|side| side.pieces.last());
        for side in &sides {
            if side.role == Role::Assistant && self.messages == 0 {
                self.begin("user");
                self.note("(The conversation begins with the assistant.)");
                self.end();
            }
            self.begin(if side.role == Role::Assistant { "assistant" } else { "user" });
            for piece in &side.pieces {
                match piece {
                    Piece::Part(part) if last.is_some_and(|last| std::ptr::eq(last, piece)) => {
                        self.part(trimmed(part).as_ref().unwrap_or(part), side.role);
                    }
                    Piece::Part(part) => self.part(part, side.role),
                    Piece::Instruction(part) => self.reminder(part),
                    Piece::Call(call, number) => self.call(call, id(*number)),
                    Piece::Result(result, _, number) => self.result(result, id(*number)),
                    Piece::Missing(_, number) => self.missing(id(*number)),
                    Piece::Orphan(result) => self.orphan(result, side.role),
                    Piece::Silence => self.note("(The conversation begins with the assistant.)"),
                }
            }
            self.end();
        }
    }

    fn begin(&mut self, role: &str) {
        self.begun = self.out.len();
        self.blocks = 0;
        if self.messages > 0 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"role\":\"");
        self.out.extend_from_slice(role.as_bytes());
        self.out.extend_from_slice(b"\",\"content\":[");
    }

    /// A message without a block is none.
    fn end(&mut self) {
        if self.blocks == 0 {
            self.out.truncate(self.begun);
            return;
        }
        self.messages += 1;
        self.out.extend_from_slice(b"]}");
    }

    fn block(&mut self) -> Writer<'_> {
        if self.blocks > 0 {
            self.out.push(b',');
        }
        self.blocks += 1;
        Writer::new(self.out)
    }

    fn part(&mut self, part: &Part<'_>, role: Role) {
        match part {
            Part::Text { text, cache, citations } => {
                let (own, others) = match citations {
                    Some(citations) if self.origin == Dialect::Anthropic => citation::own(citations),
                    citations => (None, citations.is_some()),
                };
                if others {
                    self.outgoing.dropped.drop("messages.citations");
                }
                self.text(text, cache.as_ref(), own.as_deref());
            }
            Part::Refusal(text) => self.text(text, None, None),
            Part::Reasoning { text, seal, .. } if role == Role::Assistant => self.thought(text, seal.as_ref()),
            Part::Media(media) if role == Role::Assistant => self.shown(media),
            Part::Media(media) => self.media(media),
            Part::Foreign { origin: Dialect::Anthropic, raw } => _ = self.block().raw(raw.raw()),
            Part::Foreign { raw, .. } => self.outgoing.dropped.drop_foreign("messages", raw.raw()),
            // The other side's.
            Part::Reasoning { .. } | Part::ToolCall(_) | Part::ToolResult(_) => {
                self.outgoing.dropped.drop("messages.content");
            }
        }
    }

    fn text(&mut self, text: &Text<'_>, cache: Option<&Json<'_>>, citations: Option<&[u8]>) {
        if is_blank(text) {
            return;
        }
        let mut json = self.block();
        json.begin_object().key("type").string("text").key("text").escaped(text.escaped());
        if let Some(citations) = citations {
            json.key("citations").raw(Raw::at(citations, Span::new(0, citations.len())));
        }
        marked(&mut json, cache);
    }

    fn note(&mut self, text: &str) {
        self.block().begin_object().key("type").string("text").key("text").string(text).end();
    }

    /// An instruction amid the conversation, where the model takes none there: the user's, marked as what it is.
    fn reminder(&mut self, part: &Part<'_>) {
        let Part::Text { text, cache, .. } = part else { return self.part(part, Role::User) };
        if is_blank(text) {
            return;
        }
        let mut told = b"<system-reminder>\\n".to_vec();
        told.extend_from_slice(text.bytes());
        told.extend_from_slice(b"\\n</system-reminder>");
        self.text(&Text::joined(told), cache.as_ref(), None);
    }

    fn thought(&mut self, text: &Text<'_>, seal: Option<&Seal<'_>>) {
        let own = seal.filter(|seal| seal.origin == Dialect::Anthropic);
        match own.map(|seal| (seal.kind, &seal.data)) {
            Some((SealKind::Encrypted, data)) => {
                self.block()
                    .begin_object()
                    .key("type")
                    .string("redacted_thinking")
                    .key("data")
                    .escaped(data.escaped())
                    .end();
            }
            Some((_, data)) => {
                let mut json = self.block();
                json.begin_object().key("type").string("thinking").key("thinking").escaped(text.escaped());
                json.key("signature").escaped(data.escaped()).end();
            }
            // Compatible upstreams want back what they thought, and sign nothing (conversion.md 49).
            None if self.replays && !text.is_empty() => {
                let mut json = self.block();
                json.begin_object().key("type").string("thinking").key("thinking").escaped(text.escaped());
                json.key("signature").string("").end();
            }
            None => self.outgoing.dropped.drop("messages.reasoning"),
        }
    }

    /// Names members of another dialect that are not said.
    fn lost(&mut self, carry: &[(Text<'_>, Json<'_>)]) {
        for (name, _) in carry.iter().filter(|_| self.origin != Dialect::Anthropic) {
            self.outgoing.dropped.drop(format!("messages.content.{}", name.decode()));
        }
    }

    fn call(&mut self, call: &ToolCall<'_>, id: &[u8]) {
        let name = self.outgoing.names.say(&call.name, call.namespace.as_ref(), call.kind);
        let own = self.origin == Dialect::Anthropic;
        self.lost(&call.carry);
        let mut object = Vec::new();
        input::write(&call.input, &mut object);
        let mut json = self.block();
        json.begin_object().key("type").string("tool_use").key("id").raw(string(id).raw());
        json.key("name").escaped(name.escaped()).key("input").raw(Json::written(object).raw());
        if own {
            carried(&mut json, &call.carry);
        }
        marked(&mut json, call.cache.as_ref());
    }

    fn result(&mut self, result: &ToolResult<'_>, id: &[u8]) {
        let own = self.origin == Dialect::Anthropic;
        self.lost(&result.carry);
        let mut json = self.block();
        json.begin_object().key("type").string("tool_result").key("tool_use_id").raw(string(id).raw());
        let content = self.content(result);
        let mut rest = Vec::new();
        let mut json = Writer::new(&mut rest);
        json.begin_object();
        if content.len() > 2 {
            json.key("content").raw(Json::written(content).raw());
        }
        if result.failed {
            json.key("is_error").bool(true);
        }
        if own {
            carried(&mut json, &result.carry);
        }
        marked(&mut json, result.cache.as_ref());
        // Behind the members that are written already.
        if rest.len() > 2 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(&rest[1..]);
    }

    /// The blocks of a result, an array.
    fn content(&mut self, result: &ToolResult<'_>) -> Vec<u8> {
        let mut out = vec![b'['];
        let mut inner = Turns {
            origin: self.origin,
            replays: self.replays,
            outgoing: self.outgoing,
            out: &mut out,
            messages: 0,
            blocks: 0,
            begun: 0,
        };
        if let Some(json) = &result.json {
            inner.text(&Text::plain(&String::from_utf8_lossy(json.bytes())), None, None);
        }
        result.content.iter().for_each(|part| inner.part(part, Role::User));
        out.push(b']');
        out
    }

    fn missing(&mut self, id: &[u8]) {
        let mut json = self.block();
        json.begin_object().key("type").string("tool_result").key("tool_use_id").raw(string(id).raw());
        json.key("content").string("No result came for this call.").key("is_error").bool(true).end();
    }

    /// A result that no call waits for is what somebody tells.
    fn orphan(&mut self, result: &ToolResult<'_>, role: Role) {
        self.outgoing.dropped.approximate("messages.tool_result");
        self.note("(The result of a call that is not in this conversation:)");
        if let Some(json) = &result.json {
            self.text(&Text::plain(&String::from_utf8_lossy(json.bytes())), None, None);
        }
        result.content.iter().for_each(|part| self.part(part, role));
    }

    fn shown(&mut self, media: &Media<'_>) {
        let Source::Base64(base64) = &media.source else { return self.omitted(media) };
        let mut text = Vec::new();
        shown::show(media::media_type(media).escaped(), base64.escaped(), &mut text);
        self.text(&Text::joined(text), media.cache.as_ref(), None);
    }

    fn media(&mut self, media: &Media<'_>) {
        let own = self.origin == Dialect::Anthropic;
        let kind = match media.kind {
            MediaKind::Image => "image",
            MediaKind::Document => "document",
            MediaKind::Audio | MediaKind::Video => return self.omitted(media),
        };
        let Some(source) = source(media, own) else { return self.omitted(media) };
        if media.detail.as_ref().is_some_and(|detail| !detail.eq_str("auto")) {
            self.outgoing.dropped.drop("messages.content.detail");
        }
        self.lost(&media.carry);
        let mut json = self.block();
        json.begin_object().key("type").string(kind).key("source").raw(Json::written(source).raw());
        if let Some(title) = media.name.as_ref().filter(|title| media.kind == MediaKind::Document && !title.is_empty())
        {
            json.key("title").escaped(title.escaped());
        }
        if own {
            carried(&mut json, &media.carry);
        }
        marked(&mut json, media.cache.as_ref());
    }

    fn omitted(&mut self, media: &Media<'_>) {
        let (member, note) = match media.kind {
            MediaKind::Image => ("messages.image", "(An image stood here that this model cannot be shown.)"),
            MediaKind::Document => ("messages.document", "(A document stood here that this model cannot be shown.)"),
            MediaKind::Audio => ("messages.audio", "(A sound stood here that this model cannot be played.)"),
            MediaKind::Video => ("messages.video", "(A video stood here that this model cannot be shown.)"),
        };
        self.outgoing.dropped.drop(member);
        self.note(note);
    }
}

/// Ends a block, with its mark if it has one.
fn marked(json: &mut Writer<'_>, cache: Option<&Json<'_>>) {
    if let Some(cache) = cache {
        json.key("cache_control").raw(cache.raw());
    }
    json.end();
}

fn carried(json: &mut Writer<'_>, carry: &[(Text<'_>, Json<'_>)]) {
    for (name, value) in carry {
        json.key(&name.decode()).raw(value.raw());
    }
}

fn string(inside: &[u8]) -> Json<'static> {
    Json::written([b"\"", inside, b"\""].concat())
}

/// The `source` of a medium; nothing where Anthropic takes none like it.
fn source(media: &Media<'_>, own: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut json = Writer::new(&mut out);
    json.begin_object();
    match &media.source {
        Source::Url(url) => _ = json.key("type").string("url").key("url").escaped(url.escaped()),
        Source::File { origin: Dialect::Anthropic, id } => {
            json.key("type").string("file").key("file_id").escaped(id.escaped());
        }
        Source::File { .. } => return None,
        Source::Text(text) => {
            json.key("type").string("text").key("media_type").string("text/plain").key("data").escaped(text.escaped());
        }
        Source::Base64(data) => {
            let media_type = media::media_type(media);
            let media_type = media_type.decode();
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { &media_type };
            let taken = match media.kind {
                MediaKind::Image => matches!(media_type, "image/jpeg" | "image/png" | "image/gif" | "image/webp"),
                _ => media_type == "application/pdf",
            };
            match taken || own {
                true => {
                    json.key("type").string("base64").key("media_type").string(media_type);
                    json.key("data").escaped(data.escaped());
                }
                // What is text in the end is a document that Anthropic takes.
                false if media.kind == MediaKind::Document => {
                    let text = String::from_utf8(STANDARD.decode(&*data.decode()).ok()?).ok()?;
                    json.key("type").string("text").key("media_type").string("text/plain").key("data").string(&text);
                }
                false => return None,
            }
        }
    }
    json.end();
    Some(out)
}

/// The id of each call by its number: what its vendor gave it, unless it gave none or the same to two.
fn ids<'r, 'a: 'r>(pieces: impl Iterator<Item = &'r Piece<'r, 'a>>) -> Vec<Vec<u8>> {
    let (mut ids, mut taken) = (Vec::new(), AHashSet::new());
    for piece in pieces {
        let Piece::Call(call, number) = piece else { continue };
        let mut told = Vec::new();
        if !call.id.is_empty() {
            id::write(call.id.escaped(), &mut told);
        }
        if told.is_empty() || taken.contains(&told) {
            told.extend_from_slice(format!("{}weir_call_{number}", if told.is_empty() { "" } else { "_" }).as_bytes());
        }
        taken.insert(told.clone());
        ids.push(told);
    }
    ids
}

/// The text without the blanks at its end; nothing where it has none. Anthropic goes on from no text that ends so.
fn trimmed<'a>(part: &Part<'a>) -> Option<Part<'a>> {
    let Part::Text { text, cache, citations } = part else { return None };
    let mut said = text.bytes();
    loop {
        said = match said {
            [before @ .., b' '] => before,
            [before @ .., b'\\', b'n' | b't' | b'r']
                if before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 =>
            {
                before
            }
            _ if said.len() == text.bytes().len() => return None,
            _ => break,
        };
    }
    let text = text.clone().parted(said.len()).0;
    Some(Part::Text { text, cache: cache.clone(), citations: citations.clone() })
}

/// Whether `text` says nothing, which Anthropic refuses (conversion.md 26).
fn is_blank(text: &Text<'_>) -> bool {
    let mut rest = text.bytes();
    loop {
        rest = match rest {
            [] => return true,
            [b' ', after @ ..] | [b'\\', b'n' | b't' | b'r', after @ ..] => after,
            _ => return false,
        };
    }
}
