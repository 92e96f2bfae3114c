//! Writes an answer as a Gemini stream: chunks that are each a small answer, as events or as the elements of an array.
//!
//! One part at a time ([`Sequencer`] holds back what comes between): text as it comes, a call when it is whole, for
//! Gemini's arguments are an object. The reason to stop, usage and sources stand in the last chunk, which an answer
//! that broke off never has; its array is left open, so that nobody takes it for whole. There is no end mark beside
//! that. A ping is a text that says nothing, for libraries take a comment for data, and in an array a blank. Nothing is
//! allocated per event in steady state.

use super::carried::Carried;
use super::part_out::{self, Args, Sources};
use crate::json::{Escaped, text};
use crate::limits::CALL_BYTES_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::protocol::ir::order::Sequencer;
use crate::protocol::ir::{CallKind, Delta, Event, Failure, Opening, PartKind, Seal, StreamEncoder};
use crate::protocol::sniff::Usage;
use crate::sse::Framing;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    order: Sequencer,
    chunks: Chunks,
}

#[derive(Debug)]
struct Chunks {
    opening: Opening,
    array: bool,
    place: Place,
    begun: Begun,
    part: Part,
    /// What every chunk ends with: `,"modelVersion":…,"responseId":…}`.
    tail: Vec<u8>,
    /// The open call.
    id: Vec<u8>,
    name: Vec<u8>,
    input: Vec<u8>,
    /// Whether `input` is a JSON value and not the text of one.
    value: bool,
    /// The signature of the open part as the client keeps it.
    seal: Vec<u8>,
    /// Thoughts that a call is to carry, where there may be one.
    carried: Option<Carried>,
    beside: Vec<u8>,
    cited: Sources,
    usage: Usage,
    reason: &'static str,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

/// How much of the stream's own marks stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    No,
    /// The bracket of an array.
    Bracket,
    /// A chunk.
    Chunk,
}

/// The part that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// None, or one that Gemini's dialect has no words for.
    Unsaid,
    Text,
    Thought,
    Call(CallKind),
    Media,
}

impl StreamEncoder for Encoder {
    fn new(opening: Opening) -> Encoder {
        let chunks = Chunks {
            array: opening.framing == Some(Framing::Array),
            carried: opening.has_tools.then(Carried::default),
            opening,
            place: Place::Before,
            begun: Begun::No,
            part: Part::Unsaid,
            tail: Vec::new(),
            id: Vec::new(),
            name: Vec::new(),
            input: Vec::new(),
            value: false,
            seal: Vec::new(),
            beside: Vec::new(),
            cited: Sources::default(),
            usage: Usage::default(),
            reason: "STOP",
            scratch: Vec::new(),
        };
        Encoder { order: Sequencer::default(), chunks }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let Encoder { order, chunks } = self;
        order.event(event, &mut |event| chunks.event(&event, out));
    }

    fn kept_bytes(&self) -> usize {
        self.order.bytes() + self.chunks.input.len()
    }
}

impl Chunks {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match (self.place, event) {
            (Place::Ended, _) => {}
            (_, Event::Ping) if self.array => self.blank(out),
            (Place::Inside, Event::Ping) => self.chunk(out, |_, out| part_out::say(b"", false, b"", out)),
            (Place::Before, Event::Start { model, .. }) => self.start(*model),
            (_, Event::Fail(failure)) => self.fail(failure, out),
            (Place::Before, _) | (_, Event::Start { .. }) => {}
            (_, Event::Open { kind, .. }) => self.open(kind, out),
            (_, Event::Fill { delta, .. }) => self.fill(delta, out),
            (_, Event::Close { .. }) => self.close(out),
            (_, Event::Usage(usage)) => self.usage = *usage,
            (_, Event::Stop(stop)) => self.reason = part_out::reason(*stop),
            (_, Event::End) => self.end(out),
        }
    }

    fn start(&mut self, model: Escaped<'_>) {
        self.place = Place::Inside;
        self.tail.extend_from_slice(b",\"modelVersion\":\"");
        match self.opening.model.is_empty() {
            true => self.tail.extend_from_slice(model.bytes()),
            false => text::escape(&self.opening.model, &mut self.tail),
        }
        self.tail.extend_from_slice(b"\",\"responseId\":\"");
        text::escape(&self.opening.id, &mut self.tail);
        self.tail.extend_from_slice(b"\"}");
    }

    /// What stands before an object of the stream.
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.array, std::mem::replace(&mut self.begun, Begun::Chunk)) {
            (false, _) => b"data: ",
            (true, Begun::No) => b"[",
            (true, Begun::Bracket) => b"",
            (true, Begun::Chunk) => b",\r\n",
        });
    }

    /// A ping of an array. It begins with its bracket, which some readers ask of the first byte.
    fn blank(&mut self, out: &mut Vec<u8>) {
        if self.begun == Begun::No {
            self.begun = Begun::Bracket;
            out.push(b'[');
        }
        out.push(b'\n');
    }

    /// What stands behind it.
    fn finish(&self, out: &mut Vec<u8>) {
        if !self.array {
            out.extend_from_slice(b"\n\n");
        }
    }

    /// A chunk with one part.
    fn chunk(&mut self, out: &mut Vec<u8>, part: impl FnOnce(&mut Chunks, &mut Vec<u8>)) {
        self.begin(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
        part(self, out);
        out.extend_from_slice(b"]},\"index\":0}]");
        out.extend_from_slice(&self.tail);
        self.finish(out);
    }

    fn open(&mut self, kind: &PartKind<'_>, out: &mut Vec<u8>) {
        self.seal.clear();
        if let Some(carried) = &mut self.carried {
            match kind {
                PartKind::Reasoning { summary, .. } => carried.open(*summary),
                _ => carried.pass(),
            }
        }
        self.part = match kind {
            PartKind::Text | PartKind::Refusal => Part::Text,
            PartKind::Reasoning { .. } => Part::Thought,
            PartKind::Media => Part::Media,
            PartKind::ToolCall { id, name, kind, .. } => {
                for (kept, said) in [(&mut self.id, id.bytes()), (&mut self.name, name.bytes())] {
                    kept.clear();
                    kept.extend_from_slice(said);
                }
                self.input.clear();
                self.value = false;
                Part::Call(*kind)
            }
            PartKind::Foreign { origin: Dialect::Gemini, raw } if raw.members().next().is_some() => {
                match part_out::beside(*raw) {
                    Some(members) => {
                        self.beside.clear();
                        self.beside.extend_from_slice(members);
                    }
                    None => self.chunk(out, |_, out| part_out::flat(raw.bytes(), out)),
                }
                Part::Unsaid
            }
            PartKind::Foreign { .. } => Part::Unsaid,
        };
    }

    fn fill(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        if self.part == Part::Thought
            && let Some(carried) = &mut self.carried
        {
            match delta {
                Delta::Text(said) => carried.text(*said),
                Delta::Seal(seal) => carried.seal(seal),
                _ => {}
            }
        }
        match (self.part, delta) {
            (Part::Text | Part::Thought, Delta::Text(said)) if !said.bytes().is_empty() => {
                let thought = self.part == Part::Thought;
                self.chunk(out, |_, out| part_out::say(said.bytes(), thought, b"", out));
            }
            (Part::Text | Part::Thought | Part::Call(_), Delta::Seal(seal)) => self.keep(seal),
            (Part::Call(_), Delta::Input(more)) => {
                self.input.extend_from_slice(more.bytes());
                self.bound(out);
            }
            (Part::Call(_), Delta::Json(value)) => {
                self.value = true;
                self.input.clear();
                self.input.extend_from_slice(value.bytes());
                self.bound(out);
            }
            (Part::Media, Delta::Media { media_type, base64 }) => {
                self.chunk(out, |_, out| part_out::media(media_type.bytes(), base64.bytes(), out));
            }
            (Part::Text, Delta::Citation { origin, raw }) if *origin != Dialect::Gemini => {
                self.cited.cite(*raw);
            }
            _ => {}
        }
    }

    /// A seal that comes in pieces is one seal.
    fn keep(&mut self, seal: &Seal<'_>) {
        match self.seal.is_empty() {
            true => part_out::keep(seal, &mut self.seal),
            false => self.seal.extend_from_slice(seal.data.bytes()),
        }
    }

    /// What is kept of a call is bounded: an answer without one of its calls must not look whole.
    fn bound(&mut self, out: &mut Vec<u8>) {
        if self.input.len() > CALL_BYTES_MAX {
            let message = "a tool's input is larger than the limit".into();
            self.fail(&Failure { fault: Fault::BadGateway, message, code: "".into() }, out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.part, Part::Unsaid) {
            Part::Text | Part::Thought if self.seal.is_empty() => {}
            part @ (Part::Text | Part::Thought) => {
                self.chunk(out, |chunks, out| part_out::say(b"", part == Part::Thought, &chunks.seal, out));
            }
            Part::Call(kind) => {
                if let Some(carried) = self.carried.as_mut().filter(|_| self.seal.is_empty()) {
                    carried.take(&mut self.seal);
                }
                self.chunk(out, |chunks, out| {
                    let args = match (chunks.value, kind) {
                        (true, _) => Args::Json(&chunks.input),
                        (false, CallKind::Function) => Args::Text(&chunks.input),
                        (false, CallKind::Custom) => Args::Free(&chunks.input),
                    };
                    part_out::call(&chunks.id, &chunks.name, args, &chunks.seal, &mut chunks.scratch, out);
                });
            }
            Part::Media | Part::Unsaid => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.place = Place::Ended;
        self.begin(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
        part_out::say(b"", false, b"", out);
        out.extend_from_slice(b"]}");
        part_out::finish(self.reason, &self.beside, &self.cited, out);
        out.extend_from_slice(b"}]");
        part_out::usage(&self.usage, out);
        out.extend_from_slice(&self.tail);
        self.finish(out);
        if self.array {
            out.extend_from_slice(b"\r\n]");
        }
    }

    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        self.place = Place::Ended;
        self.begin(out);
        let status = failure.fault.status(Dialect::Gemini);
        failure::write(Dialect::Gemini, failure.fault, status, &failure.message, "", out);
        self.finish(out);
    }
}

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
