//! Writes an answer as Ollama streams it: a JSON object per line, each with the model and the time.
//!
//! Text and thought go out as they come. A call is told whole, so its input is kept until it closes, up to
//! `limits::CALL_BYTES_MAX`; parts that come interleaved are put in order first. A line without data would stop the
//! libraries, so a ping is a line that says nothing. Seals have no place here and are lost.

use super::object::{inside, of_text};
use super::response_out::{begin, call, content_name, end, member, picture, reason};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::protocol::ir::order::Sequencer;
use crate::protocol::ir::{CallKind, Delta, Event, Opening, PartKind, StreamEncoder};
use crate::protocol::sniff::Usage;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    order: Sequencer,
    lines: Lines,
}

/// Writes the lines of parts that come one after another.
#[derive(Debug)]
struct Lines {
    opening: Opening,
    place: Place,
    /// How every line begins: model and time.
    head: Vec<u8>,
    part: Part,
    /// The call that is open: its id, its name, its input so far.
    id: Vec<u8>,
    name: Vec<u8>,
    input: Vec<u8>,
    calls: u64,
    usage: Usage,
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Unsaid,
    Text,
    Reasoning,
    Media,
    /// Its input comes as the text of JSON.
    Call,
    /// Its input is any text.
    Custom,
    /// Its input has come as JSON.
    Whole,
}

impl StreamEncoder for Encoder {
    fn new(opening: Opening) -> Encoder {
        let lines = Lines {
            opening,
            place: Place::Before,
            head: Vec::new(),
            part: Part::Unsaid,
            id: Vec::new(),
            name: Vec::new(),
            input: Vec::new(),
            calls: 0,
            usage: Usage::default(),
            reason: "stop",
        };
        Encoder { order: Sequencer::default(), lines }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let Encoder { order, lines } = self;
        order.event(event, &mut |event| lines.event(&event, out));
    }

    fn kept_bytes(&self) -> usize {
        self.order.bytes() + self.lines.input.len()
    }
}

impl Lines {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match (self.place, event) {
            (Place::Ended, _) => {}
            (Place::Before, Event::Start { model, .. }) => {
                self.place = Place::Inside;
                begin(model.bytes(), &self.opening, &mut self.head);
            }
            (_, Event::Fail(failed)) => self.fail(failed.fault, &failed.message, out),
            (Place::Before, _) | (_, Event::Start { .. }) => {}
            (_, Event::Ping) => self.line(content_name(&self.opening), b"", out),
            (_, Event::Open { kind, .. }) => self.open(kind),
            (_, Event::Fill { delta, .. }) => self.fill(delta, out),
            (_, Event::Close { .. }) => {
                if matches!(self.part, Part::Call | Part::Custom | Part::Whole) {
                    self.call(out);
                }
                self.part = Part::Unsaid;
            }
            (_, Event::Usage(usage)) => self.usage = *usage,
            (_, Event::Stop(stop)) => self.reason = reason(*stop),
            (_, Event::End) => {
                self.place = Place::Ended;
                self.begin(out);
                member(content_name(&self.opening), b"", out);
                self.close(out);
                end(self.reason, &self.usage, out);
                out.push(b'\n');
            }
        }
    }

    fn open(&mut self, kind: &PartKind<'_>) {
        self.part = match kind {
            PartKind::Text | PartKind::Refusal => Part::Text,
            PartKind::Reasoning { .. } => Part::Reasoning,
            PartKind::Media => Part::Media,
            PartKind::ToolCall { id, name, kind, .. } => {
                for (kept, said) in [(&mut self.id, id.bytes()), (&mut self.name, name.bytes()), (&mut self.input, b"")]
                {
                    kept.clear();
                    kept.extend_from_slice(said);
                }
                if *kind == CallKind::Custom { Part::Custom } else { Part::Call }
            }
            PartKind::Foreign { .. } => Part::Unsaid,
        };
    }

    fn fill(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match (self.part, delta) {
            (Part::Text, Delta::Text(text)) if !text.bytes().is_empty() => {
                self.line(content_name(&self.opening), text.bytes(), out);
            }
            (Part::Reasoning, Delta::Text(text)) if !text.bytes().is_empty() => {
                self.begin(out);
                member(content_name(&self.opening), b"", out);
                member("thinking", text.bytes(), out);
                self.finish(out);
            }
            (Part::Call | Part::Custom, Delta::Input(more)) => self.keep(more.bytes(), out),
            (Part::Call | Part::Custom, Delta::Json(value)) => {
                self.input.clear();
                let around: [&[u8]; 2] = if value.is_object() { [b"", b""] } else { [b"{\"input\":", b"}"] };
                [around[0], value.bytes(), around[1]].iter().for_each(|piece| self.keep(piece, out));
                self.part = Part::Whole;
            }
            (Part::Media, Delta::Media { base64, .. }) if self.opening.plain_completion => {
                self.begin(out);
                member("response", b"", out);
                member("image", base64.bytes(), out);
                self.finish(out);
            }
            (Part::Media, Delta::Media { media_type, base64 }) => {
                let mut told = Vec::with_capacity(base64.bytes().len() + 64);
                picture(media_type.bytes(), base64.bytes(), &mut told);
                self.line("content", &told, out);
            }
            _ => {}
        }
    }

    fn keep(&mut self, more: &[u8], out: &mut Vec<u8>) {
        if self.place == Place::Ended {
            return;
        }
        if self.input.len() + more.len() > limits::CALL_BYTES_MAX {
            return self.fail(Fault::BadGateway, "the input of a call is larger than the limit", out);
        }
        self.input.extend_from_slice(more);
    }

    fn call(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        member(content_name(&self.opening), b"", out);
        out.extend_from_slice(b",\"tool_calls\":[");
        let said = (&*self.id, &*self.name);
        let input = match self.part {
            Part::Whole => (*self.input).into(),
            Part::Custom => [b"{\"input\":\"", &*self.input, b"\"}"].concat().into(),
            _ => of_text(inside(&self.input)).0,
        };
        call(&self.opening.id, self.calls, said, &input, out);
        self.calls += 1;
        out.push(b']');
        self.finish(out);
    }

    /// A line with one text.
    fn line(&self, name: &str, text: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        member(name, text, out);
        self.finish(out);
    }

    /// A line up to its first text.
    fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if !self.opening.plain_completion {
            out.extend_from_slice(b",\"message\":{\"role\":\"assistant\"");
        }
    }

    /// The end of the message.
    fn close(&self, out: &mut Vec<u8>) {
        if !self.opening.plain_completion {
            out.push(b'}');
        }
    }

    /// The rest of a line that is not the last.
    fn finish(&self, out: &mut Vec<u8>) {
        self.close(out);
        out.extend_from_slice(b",\"done\":false}\n");
    }

    fn fail(&mut self, fault: Fault, message: &str, out: &mut Vec<u8>) {
        self.place = Place::Ended;
        failure::write(Dialect::Ollama, fault, fault.status(Dialect::Ollama), message, "", out);
        out.push(b'\n');
    }
}

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
