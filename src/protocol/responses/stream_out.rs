//! Writes an answer as a Responses stream, the way Codex and the SDKs check it.
//!
//! Every part is an output item of its own. The last events repeat all that was said, so the text of each item is kept
//! until it is closed, and the closed items until the end: up to `limits::RESPONSES_OUTPUT_BYTES_MAX`, beyond which the
//! stream ends by `response.failed` and never by an `output` that is cut. The buffers grow by doubling; a text
//! delta allocates nothing else, an item as it opens and closes does. A call's item is added with its first input, for a seal of the call goes before it.
//!
//! Citations and foreign parts of other protocols are not said.

use super::item::{Item, Kind, inside};
use crate::base::span::Span;
use crate::json::{self, Escaped, Raw, Writer, text};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::{Delta, Event, Failure, Opening, PartKind, Seal, Stop, StreamEncoder, custom};
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
    /// Closed items as written, and where each stands by its number.
    closed: Vec<u8>,
    spans: Vec<Span>,
    kept: usize,
    usage: Usage,
    incomplete: Option<&'static str>,
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

impl StreamEncoder for Encoder {
    fn new(opening: Opening) -> Encoder {
        let mut model = Vec::new();
        text::escape(&opening.model, &mut model);
        Encoder {
            echo: echo(&opening.echo),
            opening,
            model,
            place: Place::Before,
            events: 0,
            items: 0,
            open: Vec::new(),
            closed: Vec::new(),
            spans: Vec::new(),
            kept: 0,
            usage: Usage::default(),
            incomplete: None,
            body: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
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
                if !matches!(item.kind, Kind::Call | Kind::Custom | Kind::Unsaid) {
                    self.add(&mut item, out);
                }
                if matches!(item.kind, Kind::Text | Kind::Refusal) {
                    self.begin_part(&mut item, out);
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
            (_, Event::Stop(stop)) => {
                self.incomplete = match stop {
                    Stop::Length | Stop::ContextFull => Some("max_output_tokens"),
                    Stop::Filter => Some("content_filter"),
                    _ => None,
                }
            }
            (_, Event::End) => {
                self.place = Place::Ended;
                match self.incomplete {
                    Some(_) => self.tell("response.incomplete", "incomplete", None, out),
                    None => self.tell("response.completed", "completed", None, out),
                }
            }
        }
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
        let mut body = self.head(name);
        body.extend_from_slice(b",\"response\":{\"id\":\"resp_");
        text::escape(&self.opening.id, &mut body);
        body.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        body.extend_from_slice(itoa::Buffer::new().format(self.opening.created_unix_s).as_bytes());
        body.extend_from_slice(b",\"status\":\"");
        body.extend_from_slice(status.as_bytes());
        body.extend_from_slice(b"\",\"error\":");
        let mut json = Writer::new(&mut body);
        match error {
            None => json.null(),
            Some((code, message)) => json.begin_object().key("code").string(code).key("message").string(message).end(),
        };
        body.extend_from_slice(b",\"incomplete_details\":");
        let mut json = Writer::new(&mut body);
        match self.incomplete.filter(|_| status == "incomplete") {
            None => json.null(),
            Some(reason) => json.begin_object().key("reason").string(reason).end(),
        };
        body.extend_from_slice(b",\"model\":\"");
        body.extend_from_slice(&self.model);
        body.extend_from_slice(b"\",\"output\":[");
        let mut first = true;
        for span in self.spans.iter().filter(|span| !span.is_empty()) {
            if !std::mem::take(&mut first) {
                body.push(b',');
            }
            body.extend_from_slice(span.of(&self.closed));
        }
        body.extend_from_slice(b"],\"usage\":");
        usage(&self.usage, status != "in_progress" && self.usage.is_said(), &mut body);
        body.push(b',');
        body.extend_from_slice(&self.echo);
        body.push(b'}');
        self.send(name, body, out);
    }

    /// The beginning of an event's body, in the buffer that is kept for it.
    fn head(&mut self, name: &str) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.extend_from_slice(b"{\"type\":\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\",\"sequence_number\":");
        body.extend_from_slice(itoa::Buffer::new().format(self.events).as_bytes());
        self.events += 1;
        body
    }

    /// The beginning of an event about `item`.
    fn head_of(&mut self, name: &str, item: &Item) -> Vec<u8> {
        let mut body = self.head(name);
        body.extend_from_slice(b",\"output_index\":");
        body.extend_from_slice(itoa::Buffer::new().format(item.index.unwrap_or_default()).as_bytes());
        body
    }

    fn send(&mut self, name: &str, mut body: Vec<u8>, out: &mut Vec<u8>) {
        body.push(b'}');
        sse::write::event(name, &body, out);
        self.body = body;
    }

    /// Adds the item to `output`.
    fn add(&mut self, item: &mut Item, out: &mut Vec<u8>) {
        item.index = Some(self.items);
        self.items += 1;
        self.spans.push(Span::default());
        let mut body = self.head_of("response.output_item.added", item);
        body.extend_from_slice(b",\"item\":");
        item.write(&self.opening.id, false, &mut body);
        self.send("response.output_item.added", body, out);
    }

    fn item_id(&self, item: &Item, body: &mut Vec<u8>) {
        body.extend_from_slice(b",\"item_id\":\"");
        item.id(&self.opening.id, body);
        body.push(b'"');
    }

    fn begin_part(&mut self, item: &mut Item, out: &mut Vec<u8>) {
        item.begun = true;
        let (name, number): (_, &[u8]) = match item.kind {
            Kind::Summary => ("response.reasoning_summary_part.added", b",\"summary_index\":0,\"part\":"),
            _ => ("response.content_part.added", b",\"content_index\":0,\"part\":"),
        };
        let mut body = self.head_of(name, item);
        self.item_id(item, &mut body);
        body.extend_from_slice(number);
        item.part(false, &mut body);
        self.send(name, body, out);
    }

    fn fill(&mut self, item: &mut Item, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match (item.kind, delta) {
            (Kind::Text | Kind::Refusal, Delta::Text(more)) => self.more(item, *more, out),
            (Kind::Summary | Kind::Thought, Delta::Text(more)) => {
                if !item.begun {
                    self.begin_part(item, out);
                }
                self.more(item, *more, out);
            }
            (Kind::Summary | Kind::Thought, Delta::Seal(seal)) => keep(&mut item.seal, seal),
            (Kind::Call | Kind::Custom, Delta::Seal(seal)) if item.index.is_none() => keep(&mut item.seal, seal),
            (Kind::Call | Kind::Custom, Delta::Input(more)) => {
                self.add_call(item, out);
                self.more(item, *more, out);
            }
            (Kind::Custom, Delta::Json(raw)) => {
                self.add_call(item, out);
                self.more(item, custom::unwrap(*raw).unwrap_or(Escaped::EMPTY), out);
            }
            (Kind::Call, Delta::Json(raw)) => {
                self.add_call(item, out);
                let mut whole = Vec::with_capacity(raw.bytes().len() + 16);
                text::escape(&String::from_utf8_lossy(raw.bytes()), &mut whole);
                self.more(item, inside(&whole), out);
            }
            (Kind::Text, Delta::Citation { origin: Dialect::Responses, raw }) => self.annotate(item, *raw, out),
            (Kind::Image, Delta::Media { media_type, base64 }) if media_type.bytes().starts_with(b"image/") => {
                item.said.extend_from_slice(base64.bytes());
            }
            (Kind::Carried, Delta::Foreign(raw)) => self.carry(item, *raw, out),
            _ => {}
        }
    }

    /// Adds a call's item, behind an item of reasoning that keeps its seal.
    fn add_call(&mut self, item: &mut Item, out: &mut Vec<u8>) {
        if item.index.is_some() {
            return;
        }
        if !item.seal.is_empty() {
            let mut thought = Item::of(item.at, &PartKind::Reasoning { summary: true }, &self.opening);
            thought.seal = std::mem::take(&mut item.seal);
            self.add(&mut thought, out);
            self.close(thought, out);
        }
        self.add(item, out);
    }

    /// More of the item's text: what most events are.
    fn more(&mut self, item: &mut Item, more: Escaped<'_>, out: &mut Vec<u8>) {
        if more.bytes().is_empty() {
            return;
        }
        item.said.extend_from_slice(more.bytes());
        let (name, _, _, number) = item.kind.words();
        let mut body = self.head_of(name, item);
        self.item_id(item, &mut body);
        if !number.is_empty() {
            body.extend_from_slice(b",\"");
            body.extend_from_slice(number.as_bytes());
            body.extend_from_slice(b"\":0");
        }
        if item.kind == Kind::Text {
            body.extend_from_slice(b",\"logprobs\":[]");
        }
        body.extend_from_slice(b",\"delta\":\"");
        body.extend_from_slice(more.bytes());
        body.push(b'"');
        self.send(name, body, out);
    }

    fn annotate(&mut self, item: &mut Item, raw: Raw<'_>, out: &mut Vec<u8>) {
        let mut body = self.head_of("response.output_text.annotation.added", item);
        self.item_id(item, &mut body);
        body.extend_from_slice(b",\"content_index\":0,\"annotation_index\":");
        body.extend_from_slice(itoa::Buffer::new().format(item.annotated).as_bytes());
        body.extend_from_slice(b",\"annotation\":");
        body.extend_from_slice(raw.bytes());
        if item.annotated > 0 {
            item.annotations.push(b',');
        }
        item.annotations.extend_from_slice(raw.bytes());
        item.annotated += 1;
        self.send("response.output_text.annotation.added", body, out);
    }

    /// An event of Responses about a carried item, with the numbers that it has here.
    fn carry(&mut self, item: &mut Item, raw: Raw<'_>, out: &mut Vec<u8>) {
        let name = raw.find("type").and_then(Raw::as_str).map(|name| name.decode().into_owned()).unwrap_or_default();
        let done = (name == "response.output_item.done").then(|| raw.find("item")).flatten();
        if let Some(done) = done.filter(|done| done.is_object()) {
            item.head.clear();
            item.head.extend_from_slice(done.bytes());
            return;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            return;
        }
        let mut body = self.head_of(&name, item);
        for (member, value) in raw.members() {
            if !["type", "sequence_number", "output_index"].iter().any(|known| member.eq_str(known)) {
                body.extend_from_slice(b",\"");
                body.extend_from_slice(member.bytes());
                body.extend_from_slice(b"\":");
                body.extend_from_slice(value.bytes());
            }
        }
        self.send(&name, body, out);
    }

    fn close(&mut self, mut item: Item, out: &mut Vec<u8>) {
        match item.kind {
            Kind::Unsaid => return,
            Kind::Call | Kind::Custom => {
                self.add_call(&mut item, out);
                if item.said.is_empty() && item.kind == Kind::Call {
                    self.more(&mut item, inside(b"{}"), out);
                }
                self.whole(&item, out);
            }
            Kind::Text | Kind::Refusal => self.whole(&item, out),
            Kind::Summary | Kind::Thought if item.begun => self.whole(&item, out),
            _ => {}
        }
        let start = self.closed.len();
        item.write(&self.opening.id, true, &mut self.closed);
        let span = Span::new(start, self.closed.len());
        if let Some(place) = item.index.and_then(|index| self.spans.get_mut(index as usize)) {
            *place = span;
        }
        let mut body = self.head_of("response.output_item.done", &item);
        body.extend_from_slice(b",\"item\":");
        body.extend_from_slice(&self.closed[start..]);
        self.send("response.output_item.done", body, out);
    }

    /// The whole text of an item, and the end of its part.
    fn whole(&mut self, item: &Item, out: &mut Vec<u8>) {
        let (_, name, member, number) = item.kind.words();
        let mut body = self.head_of(name, item);
        self.item_id(item, &mut body);
        if !number.is_empty() {
            body.extend_from_slice(format!(",\"{number}\":0").as_bytes());
        }
        if item.kind == Kind::Text {
            body.extend_from_slice(b",\"logprobs\":[]");
        }
        body.extend_from_slice(format!(",\"{member}\":\"").as_bytes());
        body.extend_from_slice(&item.said);
        body.push(b'"');
        self.send(name, body, out);
        if number.is_empty() {
            return;
        }
        let name = match item.kind {
            Kind::Summary => "response.reasoning_summary_part.done",
            _ => "response.content_part.done",
        };
        let mut body = self.head_of(name, item);
        self.item_id(item, &mut body);
        body.extend_from_slice(format!(",\"{number}\":0,\"part\":").as_bytes());
        item.part(true, &mut body);
        self.send(name, body, out);
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
        let mut body = self.head("error");
        body.extend_from_slice(b",\"code\":\"");
        body.extend_from_slice(code.as_bytes());
        body.extend_from_slice(b"\",\"param\":null,\"message\":");
        text::quote(&failure.message, &mut body);
        self.send("error", body, out);
        self.tell("response.failed", "failed", Some((code, &failure.message)), out);
    }
}

/// A seal that comes in pieces is one seal.
fn keep(kept: &mut Vec<u8>, seal: &Seal<'_>) {
    match kept.is_empty() {
        true => seal.write(Dialect::Responses, kept),
        false => kept.extend_from_slice(seal.data.bytes()),
    }
}

/// The members of the request with those added that readers ask for.
fn echo(said: &[u8]) -> Vec<u8> {
    const ASKED: [(&str, &str); 4] =
        [("parallel_tool_calls", "true"), ("tool_choice", "\"auto\""), ("tools", "[]"), ("metadata", "{}")];
    let object = [b"{", said, b"}"].concat();
    let mut echo = said.to_vec();
    for (name, value) in ASKED {
        if json::find(&object, name).is_none() {
            if !echo.is_empty() {
                echo.push(b',');
            }
            echo.extend_from_slice(format!("\"{name}\":{value}").as_bytes());
        }
    }
    echo
}

fn usage(usage: &Usage, said: bool, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    if !said {
        json.null();
        return;
    }
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    json.begin_object().key("input_tokens").u64(input).key("input_tokens_details").begin_object();
    json.key("cached_tokens").u64(usage.cache_read.unwrap_or(0));
    json.key("cache_write_tokens").u64(usage.cache_write.unwrap_or(0)).end();
    json.key("output_tokens").u64(output).key("output_tokens_details").begin_object();
    json.key("reasoning_tokens").u64(usage.reasoning.unwrap_or(0)).end();
    json.key("total_tokens").u64(input.saturating_add(output)).end();
}

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
