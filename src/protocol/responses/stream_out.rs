//! Writes an answer as a Responses stream, the way Codex and the SDKs check it.
//!
//! Every part is an output item of its own. The last events repeat all that was said, so the text of each item is kept
//! until it is closed, and the closed items until the end: up to `limits::RESPONSES_OUTPUT_BYTES_MAX`, beyond which the
//! stream ends by `response.failed` and never by an `output` that is cut. The buffers grow by doubling; a text
//! delta allocates nothing else, an item as it opens and closes does. A call's item is added with the event behind its
//! opening, for that may be its seal, which goes before it.
//!
//! Events are written where they go and on one line: nothing is put together beforehand. Foreign parts of other
//! protocols are not said, and of their citations those that name a URL.

use super::item::{Item, Kind, Told, flat};
use super::object::{self, Object};
use crate::base::span::Span;
use crate::json::{Raw, text};
use crate::limits;
use crate::protocol::failure::Fault;
use crate::protocol::ir::{Delta, Event, Failure, Opening, StreamEncoder};
use crate::protocol::sniff::Usage;
use crate::sse;

/// Bytes that an item counts for beside what it says: the members around it.
const ITEM_BYTES: usize = 256;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    opening: Opening,
    model: Vec<u8>,
    /// Members of the request that every `response` repeats, those that readers ask for added.
    echo: Vec<u8>,
    place: Place,
    events: u64,
    items: u32,
    open: Vec<Item>,
    /// The call that has just opened: its item is added with the next event, for its seal goes before it.
    fresh: Option<u32>,
    /// Closed items as written, and where each stands by its number.
    closed: Vec<u8>,
    spans: Vec<Span>,
    kept: usize,
    usage: Usage,
    incomplete: Option<&'static str>,
    /// Whether the answer is refused in words.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

impl StreamEncoder for Encoder {
    fn new(mut opening: Opening) -> Encoder {
        let mut model = Vec::new();
        text::escape(&opening.model, &mut model);
        let echo = object::echo(&std::mem::take(&mut opening.echo));
        Encoder {
            echo,
            opening,
            model,
            place: Place::Before,
            events: 0,
            items: 0,
            open: Vec::new(),
            fresh: None,
            closed: Vec::new(),
            spans: Vec::new(),
            kept: 0,
            usage: Usage::default(),
            incomplete: None,
            refused: false,
        }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if let Some(fresh) = self.fresh {
            self.add_fresh(fresh, event, out);
        }
        match (self.place, event) {
            (Place::Ended, _) => {}
            (_, Event::Ping) => sse::write::comment(b"ping", out),
            (Place::Before, Event::Start { model, .. }) => {
                if self.model.is_empty() {
                    self.model.extend_from_slice(model.bytes());
                }
                self.begin(out);
            }
            (_, Event::Fail(failure)) => self.fail(failure, out),
            (Place::Before, _) | (_, Event::Start { .. }) => {}
            (_, Event::Open { at, kind }) => {
                let mut item = Item::of(*at, kind, &self.opening);
                if self.is_over(item.head.len() + ITEM_BYTES, out) {
                    return;
                }
                self.refused |= item.kind == Kind::Refusal;
                match item.kind {
                    // A medium is an item once it shows that it is an image.
                    Kind::Unsaid | Kind::Shell | Kind::Image => {}
                    Kind::Call | Kind::Custom => self.fresh = Some(*at),
                    _ => self.add(&mut item, out),
                }
                if matches!(item.kind, Kind::Text | Kind::Refusal) {
                    self.begin_part(&item, out);
                }
                self.open.push(item);
            }
            (_, Event::Fill { at, delta }) => {
                if self.is_over(delta.bytes(), out) {
                    return;
                }
                if let Some(place) = self.open.iter().rposition(|item| item.at == *at) {
                    let mut item = self.open.swap_remove(place);
                    self.fill(&mut item, delta, out);
                    self.open.push(item);
                }
            }
            (_, Event::Close { at }) => {
                if let Some(place) = self.open.iter().rposition(|item| item.at == *at) {
                    let item = self.open.swap_remove(place);
                    self.close(item, out);
                }
            }
            (_, Event::Usage(usage)) => self.usage = *usage,
            (_, Event::Stop(stop)) => self.incomplete = object::incomplete(*stop, self.refused),
            (_, Event::End) => {
                self.place = Place::Ended;
                match self.incomplete {
                    Some(_) => self.tell("response.incomplete", "incomplete", None, out),
                    None => self.tell("response.completed", "completed", None, out),
                }
            }
        }
    }

    fn kept_bytes(&self) -> usize {
        self.kept
    }
}

impl Encoder {
    /// Counts what is kept; beyond the bound the stream has failed.
    fn is_over(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        self.kept = self.kept.saturating_add(bytes);
        let over = self.kept > limits::RESPONSES_OUTPUT_BYTES_MAX;
        if over {
            let message = "the answer is larger than the limit".into();
            self.fail(&Failure { fault: Fault::BadGateway, message, code: "".into() }, out);
        }
        over
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.place = Place::Inside;
        self.tell("response.created", "in_progress", None, out);
        self.tell("response.in_progress", "in_progress", None, out);
    }

    /// An event about the whole answer.
    fn tell(&mut self, name: &str, status: &str, error: Option<(&str, &str)>, out: &mut Vec<u8>) {
        self.head(name, out);
        out.extend_from_slice(b",\"response\":");
        let output = |out: &mut Vec<u8>| {
            let mut first = true;
            for span in self.spans.iter().filter(|span| !span.is_empty()) {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(span.of(&self.closed));
            }
        };
        let object = Object {
            opening: &self.opening,
            model: &self.model,
            echo: &self.echo,
            status,
            error,
            incomplete: self.incomplete.filter(|_| status == "incomplete"),
            usage: Some(&self.usage).filter(|usage| status != "in_progress" && usage.is_said()),
        };
        object.write(output, out);
        end(out);
    }

    /// The beginning of an event.
    fn head(&mut self, name: &str, out: &mut Vec<u8>) {
        for piece in ["event: ", name, "\ndata: {\"type\":\"", name, "\",\"sequence_number\":"] {
            out.extend_from_slice(piece.as_bytes());
        }
        out.extend_from_slice(itoa::Buffer::new().format(self.events).as_bytes());
        self.events += 1;
    }

    /// The beginning of an event about `item`.
    fn head_of(&mut self, name: &str, item: &Item, out: &mut Vec<u8>) {
        self.head(name, out);
        out.extend_from_slice(b",\"output_index\":");
        out.extend_from_slice(itoa::Buffer::new().format(item.index.unwrap_or_default()).as_bytes());
    }

    /// The beginning of an event about the text of `item` or its part.
    fn head_in(&mut self, name: &str, item: &Item, number: &str, out: &mut Vec<u8>) {
        self.head_of(name, item, out);
        out.extend_from_slice(b",\"item_id\":\"");
        item.id(&self.opening.id, out);
        out.push(b'"');
        if !number.is_empty() {
            for piece in [",\"", number, "\":0"] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
    }

    /// Adds the item to `output`.
    fn add(&mut self, item: &mut Item, out: &mut Vec<u8>) {
        item.index = Some(self.items);
        self.items += 1;
        self.spans.push(Span::default());
        self.head_of("response.output_item.added", item, out);
        out.extend_from_slice(b",\"item\":");
        item.write(&self.opening.id, false, out);
        end(out);
    }

    fn begin_part(&mut self, item: &Item, out: &mut Vec<u8>) {
        let name = match item.kind {
            Kind::Summary => "response.reasoning_summary_part.added",
            _ => "response.content_part.added",
        };
        let (_, _, _, number) = item.kind.words();
        self.head_in(name, item, number, out);
        out.extend_from_slice(b",\"part\":");
        item.part(false, out);
        end(out);
    }

    fn fill(&mut self, item: &mut Item, delta: &Delta<'_>, out: &mut Vec<u8>) {
        if item.kind == Kind::Image && item.index.is_none() && is_image(delta) {
            self.add(item, out);
        }
        match item.take(delta) {
            Told::Nothing => {}
            Told::Said { start } => {
                match item.kind {
                    Kind::Summary if start == 0 => self.begin_part(item, out),
                    // Told as a whole when it is closed.
                    Kind::Shell => return,
                    _ => {}
                }
                self.more(item, start, out);
            }
            Told::Annotation { start } => self.annotate(item, start, out),
            Told::Event(raw) => self.carry(item, raw, out),
        }
    }

    /// Adds the item of a call that has just opened, unless `event` is its seal.
    fn add_fresh(&mut self, fresh: u32, event: &Event<'_>, out: &mut Vec<u8>) {
        if matches!(event, Event::Fill { at, delta: Delta::Seal(_) } if *at == fresh) || self.place == Place::Ended {
            return;
        }
        self.fresh = None;
        if let Some(place) = self.open.iter().rposition(|item| item.at == fresh) {
            let mut item = self.open.swap_remove(place);
            self.add_call(&mut item, out);
            self.open.push(item);
        }
    }

    /// Adds a call's item, behind an item of reasoning that keeps its seal.
    fn add_call(&mut self, item: &mut Item, out: &mut Vec<u8>) {
        if item.index.is_some() {
            return;
        }
        if let Some(mut thought) = item.sealing(&self.opening) {
            self.add(&mut thought, out);
            self.close(thought, out);
        }
        self.add(item, out);
    }

    /// What the item says from `start` on: what most events are.
    fn more(&mut self, item: &Item, start: usize, out: &mut Vec<u8>) {
        let (name, _, _, number) = item.kind.words();
        self.head_in(name, item, number, out);
        if item.kind == Kind::Text {
            out.extend_from_slice(b",\"logprobs\":[]");
        }
        out.extend_from_slice(b",\"delta\":\"");
        out.extend_from_slice(&item.said[start..]);
        out.push(b'"');
        end(out);
    }

    fn annotate(&mut self, item: &Item, start: usize, out: &mut Vec<u8>) {
        self.head_in("response.output_text.annotation.added", item, "content_index", out);
        out.extend_from_slice(b",\"annotation_index\":");
        out.extend_from_slice(itoa::Buffer::new().format(item.annotated.saturating_sub(1)).as_bytes());
        out.extend_from_slice(b",\"annotation\":");
        out.extend_from_slice(&item.annotations[start..]);
        end(out);
    }

    /// An event of Responses about a carried item, with the numbers that it has here.
    fn carry(&mut self, item: &Item, raw: Raw<'_>, out: &mut Vec<u8>) {
        let name = raw.find("type").and_then(Raw::as_str).map(|name| name.decode().into_owned()).unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            return;
        }
        self.head_of(&name, item, out);
        for (member, value) in raw.members() {
            if !["type", "sequence_number", "output_index"].iter().any(|known| member.eq_str(known)) {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(member.bytes());
                out.extend_from_slice(b"\":");
                flat(value, out);
            }
        }
        end(out);
    }

    fn close(&mut self, mut item: Item, out: &mut Vec<u8>) {
        if item.kind == Kind::Unsaid || item.kind == Kind::Image && item.index.is_none() {
            return;
        }
        let (told, kind) = (item.said.len(), item.kind);
        item.settle();
        if item.kind.is_call() {
            self.add_call(&mut item, out);
            // What no event has told yet: empty input, or that of a call that is none of the shell after all.
            if item.kind == Kind::Call && (told == 0 || kind == Kind::Shell) {
                self.more(&item, 0, out);
            }
        }
        match item.kind {
            Kind::Text | Kind::Refusal | Kind::Call | Kind::Custom => self.whole(&item, out),
            Kind::Summary if !item.said.is_empty() => self.whole(&item, out),
            _ => {}
        }
        let start = self.closed.len();
        item.write(&self.opening.id, true, &mut self.closed);
        let span = Span::new(start, self.closed.len());
        if let Some(place) = item.index.and_then(|index| self.spans.get_mut(index as usize)) {
            *place = span;
        }
        self.head_of("response.output_item.done", &item, out);
        out.extend_from_slice(b",\"item\":");
        out.extend_from_slice(&self.closed[start..]);
        end(out);
    }

    /// The whole text of an item, and the end of its part.
    fn whole(&mut self, item: &Item, out: &mut Vec<u8>) {
        let (_, name, member, number) = item.kind.words();
        self.head_in(name, item, number, out);
        if item.kind == Kind::Text {
            out.extend_from_slice(b",\"logprobs\":[]");
        }
        for piece in [b",\"", member.as_bytes(), b"\":\"", &item.said, b"\""] {
            out.extend_from_slice(piece);
        }
        end(out);
        if number.is_empty() {
            return;
        }
        let name = match item.kind {
            Kind::Summary => "response.reasoning_summary_part.done",
            _ => "response.content_part.done",
        };
        self.head_in(name, item, number, out);
        out.extend_from_slice(b",\"part\":");
        item.part(true, out);
        end(out);
    }

    /// The answer breaks off: `error`, and `response.failed` behind it.
    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        if self.place == Place::Before {
            self.begin(out);
        }
        self.place = Place::Ended;
        let code = match failure.fault {
            _ if failure.code == "context_length_exceeded" => "context_length_exceeded",
            Fault::RateLimited => "rate_limit_exceeded",
            Fault::Overloaded => "server_is_overloaded",
            Fault::InvalidRequest => "invalid_prompt",
            _ => "server_error",
        };
        self.head("error", out);
        out.extend_from_slice(b",\"code\":\"");
        out.extend_from_slice(code.as_bytes());
        out.extend_from_slice(b"\",\"param\":null,\"message\":");
        text::quote(&failure.message, out);
        end(out);
        self.tell("response.failed", "failed", Some((code, &failure.message)), out);
    }
}

/// The end of an event.
fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn is_image(delta: &Delta<'_>) -> bool {
    matches!(delta, Delta::Media { media_type, .. } if media_type.bytes().starts_with(b"image/"))
}

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
