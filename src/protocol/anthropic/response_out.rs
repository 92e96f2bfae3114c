//! Writes a whole answer as a message.
//!
//! By the rules of the stream: no empty text, a seal alone is a block of its own, a call's input is an object. A
//! foreign part that came as a stream is put together as the SDKs do it.

use super::{citation, id, input, media, usage};
use crate::json::{self, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Json, Opening, Response, Seal, Text, ToolCall};

/// Writes `response` for a client.
pub fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"msg_");
    text::escape(&opening.id, out);
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
    match opening.model.is_empty() {
        true => out.extend_from_slice(response.model.bytes()),
        false => text::escape(&opening.model, out),
    }
    out.extend_from_slice(b"\",\"content\":[");
    let mut blocks = Blocks { opening, index: 0, out };
    response.parts.iter().for_each(|part| blocks.part(part));
    let (reason, word) = super::stop_words(response.stop().settled(response.calls()));
    out.extend_from_slice(b"],\"stop_reason\":\"");
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\",\"stop_sequence\":");
    let mut json = Writer::new(out);
    match word {
        None => json.null(),
        Some(word) => json.escaped(word),
    };
    out.extend_from_slice(b",\"usage\":");
    usage::write(&response.usage, Some(opening.input_tokens), out);
    out.push(b'}');
}

struct Blocks<'w> {
    opening: &'w Opening,
    index: u32,
    out: &'w mut Vec<u8>,
}

impl Blocks<'_> {
    fn part(&mut self, part: &Whole) {
        match part {
            Whole::Text { text, citations, seal } => {
                self.text(text, citations);
                self.seal(seal.as_ref());
            }
            Whole::Refusal(text) => self.text(text, &[]),
            Whole::Reasoning { text, seal, .. } if text.is_empty() => self.seal(seal.as_ref()),
            Whole::Reasoning { text, seal, .. } => {
                self.begin(b"{\"type\":\"thinking\",\"thinking\":\"");
                self.out.extend_from_slice(text.bytes());
                self.out.extend_from_slice(b"\",\"signature\":\"");
                // What is encrypted as a whole signs no text: it follows as a block of its own.
                let (signature, redacted) = match seal {
                    Some(seal) if (seal.origin, seal.kind) == (Dialect::Anthropic, SealKind::Encrypted) => (None, true),
                    seal => (seal.as_ref(), false),
                };
                match signature {
                    Some(seal) => seal.write(Dialect::Anthropic, self.out),
                    None => self.out.extend_from_slice(super::UNSIGNED),
                }
                self.out.extend_from_slice(b"\"}");
                self.seal(seal.as_ref().filter(|_| redacted));
            }
            Whole::ToolCall(call) => self.call(call),
            Whole::Media { media_type, base64 } => {
                self.begin(b"{\"type\":\"text\",\"text\":\"");
                media::show(media_type.escaped(), base64.escaped(), self.out);
                self.out.extend_from_slice(b"\"}");
            }
            Whole::Foreign { origin: Dialect::Anthropic, raw, more } => {
                self.begin(b"");
                joined(raw, more, self.out);
            }
            Whole::Foreign { .. } => {}
        }
    }

    fn begin(&mut self, head: &[u8]) {
        if self.index > 0 {
            self.out.push(b',');
        }
        self.index += 1;
        self.out.extend_from_slice(head);
    }

    fn text(&mut self, text: &Text<'_>, citations: &[(Dialect, Json<'_>)]) {
        let is_own = |(origin, _): &(Dialect, Json<'_>)| *origin == Dialect::Anthropic;
        if text.is_empty() && !citations.iter().any(is_own) {
            return;
        }
        let mut list = Vec::new();
        for (origin, raw) in citations {
            let before = list.len();
            if before > 0 {
                list.push(b',');
            }
            if !citation::write(*origin, raw.raw(), &mut list) {
                list.truncate(before);
            }
        }
        self.begin(b"");
        let mut json = Writer::new(self.out);
        json.begin_object().key("type").string("text").key("text").escaped(text.escaped());
        if !list.is_empty() {
            self.out.extend_from_slice(b",\"citations\":[");
            self.out.extend_from_slice(&list);
            self.out.push(b']');
        }
        self.out.push(b'}');
    }

    /// A block of its own for a seal beside which nothing is said.
    fn seal(&mut self, seal: Option<&Seal<'_>>) {
        let Some(seal) = seal.filter(|seal| !seal.data.is_empty() && !super::is_sealed_call(seal)) else { return };
        match (seal.origin, seal.kind) {
            (Dialect::Anthropic, SealKind::Signature) => {
                self.begin(b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"");
            }
            _ => self.begin(b"{\"type\":\"redacted_thinking\",\"data\":\""),
        }
        seal.write(Dialect::Anthropic, self.out);
        self.out.extend_from_slice(b"\"}");
    }

    fn call(&mut self, call: &ToolCall<'_>) {
        // As in a stream, where the id is made before the seal's block is told.
        let made = self.index;
        self.seal(call.seal.as_ref());
        self.begin(b"{\"type\":\"tool_use\",\"id\":\"");
        match call.id.is_empty() {
            true => super::made_id(self.opening, made, self.out),
            false => id::write(call.id.escaped(), self.out),
        }
        self.out.extend_from_slice(b"\",\"name\":\"");
        self.out.extend_from_slice(call.name.bytes());
        self.out.extend_from_slice(b"\",\"input\":");
        input::write(&call.input, self.out);
        self.out.push(b'}');
    }
}

/// Appends a foreign block with its deltas in it: JSON text becomes `input`, text goes behind the member that it is
/// more of, and any other value takes its place.
pub(super) fn joined(raw: &Json<'_>, more: &[Json<'_>], out: &mut Vec<u8>) {
    if more.is_empty() {
        out.extend_from_slice(raw.bytes());
        return;
    }
    let mut members: Vec<(Vec<u8>, Vec<u8>)> =
        raw.raw().members().map(|(name, value)| (name.bytes().to_vec(), value.bytes().to_vec())).collect();
    let mut input = Text::default();
    for (name, value) in more.iter().flat_map(|delta| delta.raw().members()) {
        match (name.bytes(), value.as_str()) {
            (b"type", _) => {}
            (b"partial_json", Some(piece)) => input.push(piece),
            _ => add(&mut members, name.bytes(), value),
        }
    }
    let input = input.decode();
    if json::value(input.as_bytes()).is_ok() {
        set(&mut members, b"input", input.as_bytes());
    }
    out.push(b'{');
    for (nth, (name, value)) in members.iter().enumerate() {
        out.extend_from_slice(if nth > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

fn add(members: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: Raw<'_>) {
    let known = members.iter_mut().find(|(known, have)| known == name && have.ends_with(b"\""));
    match (known, value.as_str()) {
        (Some((_, have)), Some(text)) => {
            have.pop();
            have.extend_from_slice(text.bytes());
            have.push(b'"');
        }
        _ => set(members, name, value.bytes()),
    }
}

fn set(members: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: &[u8]) {
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, have)) => *have = value.to_vec(),
        None => members.push((name.to_vec(), value.to_vec())),
    }
}

#[cfg(test)]
#[path = "response_out_test.rs"]
mod tests;
