//! Writes an answer as a stream of Messages, the way the SDKs and Claude Code put it together.
//!
//! One content block at a time, numbered without gaps: [`Sequencer`] holds back what comes between. A block begins with
//! the first thing that it says, because an empty text block is kept by clients and refused by Anthropic on the next
//! turn (conversion.md 26), and because a call's seal goes before the call. A signature is told whole and last, for
//! SDKs replace and do not append. `message_delta` waits for the end, behind all that is told of usage.
//!
//! An image becomes a text that shows it ([`super::media`]), and other vendors' foreign parts are not
//! said, nor their citations that name no URL. Nothing is allocated per event once the buffers have grown.

use super::{citation, id, media, usage};
use crate::json::{Escaped, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::failure;
use crate::protocol::ir::order::Sequencer;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Delta, Event, Failure, Opening, PartKind, Seal, StreamEncoder};
use crate::protocol::sniff::Usage;
use crate::sse;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    order: Sequencer,
    message: Message,
}

#[derive(Debug)]
struct Message {
    opening: Opening,
    model: Vec<u8>,
    place: Place,
    /// The number of the block that is told, or of the next one.
    index: u32,
    part: Part,
    /// Whether the block of `part` has begun.
    begun: bool,
    /// Members of a call's block: `"id":…,"name":…`.
    call: Vec<u8>,
    /// The seal of the open part as the client keeps it, and its kind if it is Anthropic's own.
    seal: Vec<u8>,
    own: Option<SealKind>,
    called: bool,
    usage: Usage,
    reason: &'static str,
    word: Option<Vec<u8>>,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

/// The part that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// None, or one that Anthropic's dialect has no words for.
    Unsaid,
    Text,
    Thought,
    Call {
        /// Whether the tool takes any text, which goes as the one member of an object.
        free: bool,
        /// Whether any input has come.
        fed: bool,
    },
    Media,
    Foreign,
}

impl StreamEncoder for Encoder {
    fn new(opening: Opening) -> Encoder {
        let mut model = Vec::new();
        text::escape(&opening.model, &mut model);
        let message = Message {
            opening,
            model,
            place: Place::Before,
            index: 0,
            part: Part::Unsaid,
            begun: false,
            call: Vec::new(),
            seal: Vec::new(),
            own: None,
            called: false,
            usage: Usage::default(),
            reason: "end_turn",
            word: None,
            frame: Vec::new(),
        };
        Encoder { order: Sequencer::default(), message }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let Encoder { order, message } = self;
        order.event(event, &mut |event| message.event(&event, out));
    }

    fn kept_bytes(&self) -> usize {
        self.order.bytes()
    }
}

impl Message {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match (self.place, event) {
            (Place::Ended, _) => {}
            (Place::Before, Event::Ping) => sse::write::comment(b"ping", out),
            (Place::Inside, Event::Ping) => out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n"),
            (Place::Before, Event::Start { model, .. }) => self.start(*model, out),
            (_, Event::Fail(failure)) => self.fail(failure, out),
            (Place::Before, _) | (_, Event::Start { .. }) => {}
            (_, Event::Open { kind, .. }) => self.open(kind, out),
            (_, Event::Fill { delta, .. }) => self.fill(delta, out),
            (_, Event::Close { .. }) => self.close(out),
            (_, Event::Usage(usage)) => self.usage = *usage,
            (_, Event::Stop(stop)) => {
                let (reason, word) = super::stop_words(stop.settled(self.called));
                self.reason = reason;
                self.word = word.map(|word| word.bytes().to_vec());
            }
            (_, Event::End) => self.end(out),
        }
    }

    fn start(&mut self, model: Escaped<'_>, out: &mut Vec<u8>) {
        self.place = Place::Inside;
        if self.model.is_empty() {
            self.model.extend_from_slice(model.bytes());
        }
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_");
        text::escape(&self.opening.id, out);
        out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
        out.extend_from_slice(&self.model);
        out.extend_from_slice(b"\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        usage::write(&Usage::default(), Some(self.opening.input_tokens), out);
        out.extend_from_slice(b"}}\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.place = Place::Ended;
        out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\",\"stop_sequence\":");
        match &self.word {
            None => out.extend_from_slice(b"null"),
            Some(word) => {
                out.push(b'"');
                out.extend_from_slice(word);
                out.push(b'"');
            }
        }
        out.extend_from_slice(b"},\"usage\":");
        usage::write(&self.usage, None, out);
        out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        self.place = Place::Ended;
        let place = failure::Place { framing: sse::Framing::Sse, events: 0, response_id: "" };
        failure::write_event(Dialect::Anthropic, failure.fault, &failure.message, "", &place, out);
    }

    fn open(&mut self, kind: &PartKind<'_>, out: &mut Vec<u8>) {
        self.begun = false;
        self.seal.clear();
        self.own = None;
        self.part = match kind {
            PartKind::Text | PartKind::Refusal => Part::Text,
            PartKind::Reasoning { .. } => Part::Thought,
            PartKind::ToolCall { id, name, kind, .. } => {
                self.called = true;
                self.call.clear();
                self.call.extend_from_slice(b"\"id\":\"");
                match id.bytes() {
                    // The index of the block makes it unique in the answer, whose id makes it unique elsewhere.
                    b"" => super::made_id(&self.opening, self.index, &mut self.call),
                    _ => id::write(*id, &mut self.call),
                }
                self.call.extend_from_slice(b"\",\"name\":\"");
                self.call.extend_from_slice(name.bytes());
                self.call.push(b'"');
                Part::Call { free: *kind == CallKind::Custom, fed: false }
            }
            PartKind::Media => Part::Media,
            PartKind::Foreign { origin: Dialect::Anthropic, raw } => {
                self.begin(&[raw.bytes()], out);
                Part::Foreign
            }
            PartKind::Foreign { .. } => Part::Unsaid,
        };
    }

    fn fill(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match (self.part, delta) {
            (Part::Text, Delta::Text(more)) if !more.bytes().is_empty() => {
                self.begin_text(out);
                self.delta(b"text_delta\",\"text\":\"", more.bytes(), out);
            }
            // A text that says nothing is none, and cites nothing.
            (Part::Text, Delta::Citation { origin, raw }) if self.begun || *origin == Dialect::Anthropic => {
                let mut cited = std::mem::take(&mut self.call);
                cited.clear();
                if citation::write(*origin, *raw, &mut cited) {
                    self.begin_text(out);
                    self.framed(&[b"{\"type\":\"citations_delta\",\"citation\":", &cited, b"}"], out);
                }
                self.call = cited;
            }
            (Part::Thought, Delta::Text(more)) if !more.bytes().is_empty() => {
                if !self.begun {
                    self.begin(&[b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"], out);
                }
                self.delta(b"thinking_delta\",\"thinking\":\"", more.bytes(), out);
            }
            (Part::Text | Part::Thought | Part::Call { .. }, Delta::Seal(seal)) => self.keep(seal),
            // What some models write for no input.
            (Part::Call { free: false, fed: false }, Delta::Input(more)) if more.bytes() == b"null" => {}
            (Part::Call { free, fed }, Delta::Input(more)) if !more.bytes().is_empty() => {
                self.begin_call(out);
                // Readers want an object, and send back what they were told: anything else is kept in one.
                let odd = !free && !fed && !may_be_object(more.bytes());
                if free || odd {
                    // The text is escaped for the stream; as a string in JSON text it is so once more.
                    if !fed {
                        self.delta(INPUT, if odd { br#"{\"raw_arguments\":\""# } else { br#"{\"input\":\""# }, out);
                    }
                    self.quoted(more.bytes(), out);
                } else {
                    self.delta(INPUT, more.bytes(), out);
                }
                self.part = Part::Call { free: free || odd, fed: true };
            }
            (Part::Call { .. }, Delta::Json(raw)) => {
                self.begin_call(out);
                self.quoted(raw.bytes(), out);
                self.part = Part::Call { free: false, fed: true };
            }
            (Part::Media, Delta::Media { media_type, base64 }) => {
                self.begin_text(out);
                let mut shown = std::mem::take(&mut self.call);
                shown.clear();
                media::show(*media_type, *base64, &mut shown);
                self.delta(b"text_delta\",\"text\":\"", &shown, out);
                self.call = shown;
            }
            (Part::Foreign, Delta::Foreign(raw)) => self.framed(&[raw.bytes()], out),
            _ => {}
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self.part {
            Part::Thought if self.begun => {
                // What is encrypted as a whole signs no text: it follows as a block of its own.
                let redacted = self.own == Some(SealKind::Encrypted);
                let signature = std::mem::take(&mut self.seal);
                // Readers keep no reasoning without a signature, and weir wants it back (conversion.md 17, 19).
                let told = if redacted || signature.is_empty() { super::UNSIGNED } else { &signature };
                self.delta(b"signature_delta\",\"signature\":\"", told, out);
                self.seal = signature;
                self.stop(out);
                if redacted {
                    self.sealed(out);
                }
            }
            Part::Thought => self.sealed(out),
            Part::Call { free, fed } => {
                self.begin_call(out);
                match (free, fed) {
                    (true, true) => self.delta(INPUT, br#"\"}"#, out),
                    (true, false) => self.delta(INPUT, br#"{\"input\":\"\"}"#, out),
                    (false, false) => self.delta(INPUT, b"{}", out),
                    (false, true) => {}
                }
                self.stop(out);
            }
            _ => {
                if self.begun {
                    self.stop(out);
                }
                self.sealed(out);
            }
        }
        self.part = Part::Unsaid;
    }

    fn keep(&mut self, seal: &Seal<'_>) {
        if super::is_sealed_call(seal) {
            return;
        }
        if self.seal.is_empty() {
            self.own = (seal.origin == Dialect::Anthropic).then_some(seal.kind);
            seal.write(Dialect::Anthropic, &mut self.seal);
        } else {
            self.seal.extend_from_slice(seal.data.bytes());
        }
    }

    /// A block of its own for a seal beside which nothing is said.
    fn sealed(&mut self, out: &mut Vec<u8>) {
        if self.seal.is_empty() {
            return;
        }
        let seal = std::mem::take(&mut self.seal);
        match self.own {
            Some(SealKind::Signature) => {
                self.begin(&[b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"], out);
                self.delta(b"signature_delta\",\"signature\":\"", &seal, out);
            }
            _ => self.begin(&[b"{\"type\":\"redacted_thinking\",\"data\":\"", &seal, b"\"}"], out),
        }
        self.stop(out);
        self.seal = seal;
        self.seal.clear();
    }

    fn begin_text(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            self.begin(&[b"{\"type\":\"text\",\"text\":\"\"}"], out);
        }
    }

    /// Begins a call's block, behind one that keeps its seal.
    fn begin_call(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            return;
        }
        self.sealed(out);
        let call = std::mem::take(&mut self.call);
        self.begin(&[b"{\"type\":\"tool_use\",", &call, b",\"input\":{}}"], out);
        self.call = call;
    }

    fn begin(&mut self, block: &[&[u8]], out: &mut Vec<u8>) {
        self.begun = true;
        self.event_of("content_block_start", "content_block", block, out);
    }

    fn framed(&mut self, delta: &[&[u8]], out: &mut Vec<u8>) {
        self.event_of("content_block_delta", "delta", delta, out);
    }

    /// An event about the block, of a value that may have line ends.
    fn event_of(&mut self, name: &str, member: &str, value: &[&[u8]], out: &mut Vec<u8>) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        let mut json = Writer::new(&mut frame);
        json.begin_object().key("type").string(name).key("index").u64(u64::from(self.index)).key(member);
        value.iter().for_each(|piece| frame.extend_from_slice(piece));
        frame.push(b'}');
        sse::write::event(name, &frame, out);
        self.frame = frame;
    }

    /// What most events are: `kind` goes on to the quote that opens the text.
    fn delta(&self, kind: &[u8], text: &[u8], out: &mut Vec<u8>) {
        self.delta_head(kind, text.len(), out);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\"}}\n\n");
    }

    /// A delta of a call's input that is not escaped for the stream yet.
    fn quoted(&self, input: &[u8], out: &mut Vec<u8>) {
        self.delta_head(INPUT, input.len(), out);
        text::escape(&String::from_utf8_lossy(input), out);
        out.extend_from_slice(b"\"}}\n\n");
    }

    fn delta_head(&self, kind: &[u8], text_bytes: usize, out: &mut Vec<u8>) {
        out.reserve(160 + text_bytes);
        out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.index).as_bytes());
        out.extend_from_slice(b",\"delta\":{\"type\":\"");
        out.extend_from_slice(kind);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.index).as_bytes());
        out.extend_from_slice(b"}\n\n");
        self.index += 1;
        self.begun = false;
    }
}

/// Whether an input that begins so, escaped, may be an object.
fn may_be_object(begun: &[u8]) -> bool {
    matches!(begun, [b'{' | b' ', ..] | [b'\\', b'n' | b'r' | b't', ..])
}

const INPUT: &[u8] = b"input_json_delta\",\"partial_json\":\"";

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
