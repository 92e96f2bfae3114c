//! Writes a stream for Chat clients: chunks, one with the reason to stop, one with the usage if it was asked for, and
//! `[DONE]`.
//!
//! All that chunks have in common is written once, in the beginning; an event allocates nothing. A call's first delta
//! waits for what comes next, because a signature of the call has to stand in it. After an error comes no `[DONE]`.
//!
//! `reasoning_details` hold what only the vendor can read, `reasoning_content` the text of it. The old completions
//! ([`Opening::plain_completion`]) know text only.

use std::borrow::Cow;

use super::{citation, detail, usage_out};
use crate::base::span::Span;
use crate::json::path::Step;
use crate::json::{self, Escaped, Raw, Writer, text};
use crate::limits::ORDER_BYTES_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure;
use crate::protocol::ir::{CallKind, Delta, Event, Failure, Opening, PartKind, Seal, Stop, StreamEncoder};
use crate::protocol::sniff::Usage;
use crate::sse;

/// Bytes of a buffer that is kept between two calls.
const SPARE_BYTES_MAX: usize = 4 * 1024;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    opening: Opening,
    place: Place,
    /// What every chunk begins with, up to the choice's own members.
    head: Vec<u8>,
    /// What it ends with behind them.
    tail: &'static [u8],
    parts: Vec<Part>,
    /// What was thought in parts before the current one, and what in it, as far as that has to be said again.
    thought: Thought,
    /// Entries of reasoning, citations and images so far.
    entries: u64,
    notes: u64,
    images: u64,
    calls: u64,
    refused: bool,
    /// First deltas of calls that wait for what comes next of their calls, in order, each with its part.
    waiting: Vec<(u32, Vec<u8>)>,
    /// A buffer that has served one call, for the next.
    spare: Vec<u8>,
    usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Ended,
}

/// The text of thoughts stands in one `reasoning_content`, where nobody tells them apart: those behind the first say
/// theirs again beside their seal.
#[derive(Debug, Default)]
struct Thought {
    /// Whether an earlier part had text.
    before: bool,
    /// Whether this one has.
    begun: bool,
    again: Vec<u8>,
}

/// A part that is open.
#[derive(Clone, Copy, Debug)]
struct Part {
    at: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning {
        summary: bool,
    },
    Call {
        index: u64,
        custom: bool,
        filled: bool,
    },
    Media,
    /// What cannot be said here.
    Unsaid,
}

impl StreamEncoder for Encoder {
    fn new(opening: Opening) -> Encoder {
        let tail: &[u8] = match opening.include_usage {
            // As OpenAI does where usage will come.
            true => b"}],\"usage\":null}\n\n",
            false => b"}]}\n\n",
        };
        Encoder {
            opening,
            place: Place::Before,
            head: Vec::new(),
            tail,
            parts: Vec::new(),
            thought: Thought::default(),
            entries: 0,
            notes: 0,
            images: 0,
            calls: 0,
            refused: false,
            waiting: Vec::new(),
            spare: Vec::new(),
            usage: Usage::default(),
        }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match (self.place, event) {
            (Place::Ended, _) => {}
            (_, Event::Ping) => sse::write::comment(b"ping", out),
            (Place::Before, Event::Start { model, .. }) => self.start(*model, out),
            (_, Event::Fail(failure)) => {
                self.release(None, out);
                self.place = Place::Ended;
                fail(failure, out);
            }
            (Place::Before, _) | (_, Event::Start { .. }) => {}
            (_, Event::Open { at, kind }) => self.open(*at, kind, out),
            (_, Event::Fill { at, delta }) => self.fill(*at, delta, out),
            (_, Event::Close { at }) => self.close(*at, out),
            (_, Event::Usage(usage)) => self.usage = *usage,
            (_, Event::Stop(stop)) => {
                self.release(None, out);
                let reason = reason(*stop, self.calls > 0, self.refused, &self.opening);
                out.extend_from_slice(&self.head);
                out.extend_from_slice(if self.opening.plain_completion { b"\"text\":\"\"" } else { b"\"delta\":{}" });
                out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":\"");
                out.extend_from_slice(reason.as_bytes());
                out.push(b'"');
                out.extend_from_slice(self.tail);
            }
            (_, Event::End) => {
                self.place = Place::Ended;
                self.spent(out);
                sse::write::done(out);
            }
        }
    }

    fn kept_bytes(&self) -> usize {
        self.thought.again.len()
    }
}

impl Encoder {
    fn start(&mut self, model: Escaped<'_>, out: &mut Vec<u8>) {
        self.place = Place::Inside;
        self.head.extend_from_slice(b"data: ");
        head(&self.opening, model, true, &mut self.head);
        self.head.extend_from_slice(b"\"choices\":[{\"index\":0,");
        if !self.opening.plain_completion {
            self.delta(b"\"role\":\"assistant\",\"content\":\"\"", out);
        }
        let echo = std::mem::take(&mut self.opening.echo);
        if !echo.is_empty() {
            self.plain(&echo, out);
        }
    }

    /// A chunk of an old completion.
    fn plain(&self, text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"text\":\"");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\",\"logprobs\":null,\"finish_reason\":null");
        out.extend_from_slice(self.tail);
    }

    /// A chunk whose delta has these members.
    fn delta(&self, members: &[u8], out: &mut Vec<u8>) {
        self.chunk(out, |out| out.extend_from_slice(members));
    }

    fn chunk(&self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"delta\":{");
        members(out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null");
        out.extend_from_slice(self.tail);
    }

    /// A chunk whose delta is one text: what most events are.
    fn text(&self, before: &[u8], more: Escaped<'_>, after: &[u8], out: &mut Vec<u8>) {
        if !more.bytes().is_empty() {
            out.reserve(self.head.len() + before.len() + more.bytes().len() + 96);
            self.chunk(out, |out| [before, more.bytes(), after].iter().for_each(|piece| out.extend_from_slice(piece)));
        }
    }

    fn open(&mut self, at: u32, kind: &PartKind<'_>, out: &mut Vec<u8>) {
        let kind = match kind {
            PartKind::Text => Kind::Text,
            _ if self.opening.plain_completion => Kind::Unsaid,
            PartKind::Refusal => Kind::Refusal,
            PartKind::Reasoning { summary } => Kind::Reasoning { summary: *summary },
            PartKind::ToolCall { id, name, kind, .. } => self.begin(at, *id, *name, *kind),
            PartKind::Media => Kind::Media,
            PartKind::Foreign { origin: Dialect::Chat, raw } if raw.is_object() => {
                self.foreign(*raw, out);
                Kind::Unsaid
            }
            PartKind::Foreign { .. } => Kind::Unsaid,
        };
        self.parts.push(Part { at, kind });
    }

    /// The first delta of a call, kept until more of the call has come.
    fn begin(&mut self, at: u32, id: Escaped<'_>, name: Escaped<'_>, kind: CallKind) -> Kind {
        let index = self.calls;
        self.calls += 1;
        let old = self.opening.old_functions;
        // There was room for one call only.
        if old && index > 0 {
            return Kind::Unsaid;
        }
        let custom = kind == CallKind::Custom && !old;
        let mut begun = std::mem::take(&mut self.spare);
        let out = &mut begun;
        if old {
            out.extend_from_slice(b"\"function_call\":{");
        } else {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            number(index, out);
            out.extend_from_slice(b",\"id\":\"");
            match id.bytes() {
                [] => {
                    out.extend_from_slice(b"call_");
                    text::escape(&self.opening.id, out);
                    out.push(b'_');
                    number(index, out);
                }
                id => out.extend_from_slice(id),
            }
            out.extend_from_slice(match custom {
                true => b"\",\"type\":\"custom\",\"custom\":{",
                false => b"\",\"type\":\"function\",\"function\":{",
            });
        }
        out.extend_from_slice(b"\"name\":\"");
        out.extend_from_slice(name.bytes());
        out.extend_from_slice(if custom { b"\",\"input\":\"\"}" } else { b"\",\"arguments\":\"\"}" });
        self.waiting.push((at, begun));
        Kind::Call { index, custom, filled: false }
    }

    /// Writes the first deltas that wait, up to that of part `at` or all of them: calls begin in their order.
    fn release(&mut self, at: Option<u32>, out: &mut Vec<u8>) {
        let last = match at {
            Some(at) => self.waiting.iter().position(|(waiting, _)| *waiting == at).map_or(0, |last| last + 1),
            None => self.waiting.len(),
        };
        for (_, begun) in &self.waiting[..last] {
            self.chunk(out, |out| {
                out.extend_from_slice(begun);
                if !self.opening.old_functions {
                    out.extend_from_slice(b"}]");
                }
            });
        }
        let written = self.waiting.drain(..last).next_back();
        if let Some((_, written)) = written {
            self.spare(written);
        }
    }

    /// Keeps `buffer` for the next call, unless it has grown out of proportion.
    fn spare(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare = buffer;
        }
    }

    fn fill(&mut self, at: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(place) = self.parts.iter().rposition(|part| part.at == at) else { return };
        match (self.parts[place].kind, delta) {
            (Kind::Text, Delta::Text(more)) if self.opening.plain_completion => self.plain(more.bytes(), out),
            (Kind::Text, Delta::Text(more)) => self.text(b"\"content\":\"", *more, b"\"", out),
            (Kind::Refusal, Delta::Text(more)) => {
                self.refused = true;
                self.text(b"\"refusal\":\"", *more, b"\"", out);
            }
            (Kind::Reasoning { .. }, Delta::Text(more)) => {
                let thought = &mut self.thought;
                thought.begun |= !more.bytes().is_empty();
                // Beyond the limit the text is not said again, and a signature of it says nothing any more.
                if thought.before && thought.again.len() <= ORDER_BYTES_MAX {
                    thought.again.extend_from_slice(more.bytes());
                }
                self.text(b"\"reasoning_content\":\"", *more, b"\"", out);
            }
            (Kind::Reasoning { summary }, Delta::Seal(seal)) => self.entry(summary, Some(seal), out),
            (Kind::Call { index, .. }, Delta::Seal(seal)) if !self.opening.old_functions => {
                self.call_seal(at, index, seal, out);
            }
            (Kind::Call { index, custom, .. }, Delta::Input(more)) => {
                self.release(Some(at), out);
                self.parts[place].kind = Kind::Call { index, custom, filled: true };
                self.input(index, custom, *more, out);
            }
            (Kind::Call { index, custom, .. }, Delta::Json(raw)) => {
                self.release(Some(at), out);
                self.parts[place].kind = Kind::Call { index, custom, filled: true };
                let mut whole = std::mem::take(&mut self.spare);
                text::escape(&String::from_utf8_lossy(raw.bytes()), &mut whole);
                self.input(index, custom, Escaped::at(&whole, Span::new(0, whole.len())), out);
                self.spare(whole);
            }
            (Kind::Text, Delta::Citation { origin, raw }) if !self.opening.plain_completion => {
                self.note(*origin, *raw, out);
            }
            (Kind::Media, Delta::Media { media_type, base64 }) => self.media(*media_type, *base64, out),
            _ => {}
        }
    }

    /// The signature of a call: in its first delta, unless a later call has begun meanwhile.
    fn call_seal(&mut self, at: u32, index: u64, seal: &Seal<'_>, out: &mut Vec<u8>) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":\"");
            seal.write(Dialect::Chat, out);
            out.extend_from_slice(b"\"}}");
        };
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == at) {
            Some((_, begun)) => write(begun),
            None => self.chunk(out, |out| {
                out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                number(index, out);
                write(out);
                out.extend_from_slice(b"}]");
            }),
        }
    }

    fn input(&self, index: u64, custom: bool, more: Escaped<'_>, out: &mut Vec<u8>) {
        if self.opening.old_functions {
            return self.text(b"\"function_call\":{\"arguments\":\"", more, b"\"}", out);
        }
        if more.bytes().is_empty() {
            return;
        }
        self.chunk(out, |out| {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            number(index, out);
            out.extend_from_slice(match custom {
                true => b",\"custom\":{\"input\":\"",
                false => b",\"function\":{\"arguments\":\"",
            });
            out.extend_from_slice(more.bytes());
            out.extend_from_slice(b"\"}}]");
        });
    }

    /// An entry of `reasoning_details`: of a seal, or of text that has to be said again.
    fn entry(&mut self, summary: bool, seal: Option<&Seal<'_>>, out: &mut Vec<u8>) {
        let mut again = std::mem::take(&mut self.thought.again);
        if again.len() <= ORDER_BYTES_MAX {
            let again_or_none = self.thought.before || !self.thought.begun;
            let text = again_or_none.then(|| Escaped::at(&again, Span::new(0, again.len())));
            let mut written = 0;
            self.chunk(out, |out| {
                out.extend_from_slice(b"\"reasoning_details\":[");
                let at = out.len();
                written = detail::write(text, summary, seal, self.entries, &mut Writer::new(out));
                one_line(&mut out[at..]);
                out.push(b']');
            });
            self.entries += written;
        }
        again.clear();
        self.thought.again = again;
    }

    fn note(&mut self, origin: Dialect, raw: Raw<'_>, out: &mut Vec<u8>) {
        let mut note = b"\"annotations\":[".to_vec();
        if citation::write(origin, raw, Some(self.notes), &mut Writer::new(&mut note)) {
            self.notes += 1;
            one_line(&mut note);
            note.push(b']');
            self.delta(&note, out);
        }
    }

    fn media(&mut self, media_type: Escaped<'_>, base64: Escaped<'_>, out: &mut Vec<u8>) {
        if media_type.bytes().starts_with(b"audio/") {
            return self.text(b"\"audio\":{\"data\":\"", base64, b"\"}", out);
        }
        if !media_type.bytes().starts_with(b"image/") {
            return;
        }
        let index = self.images;
        self.images += 1;
        self.chunk(out, |out| {
            out.extend_from_slice(b"\"images\":[{\"index\":");
            number(index, out);
            out.extend_from_slice(b",\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
            [media_type.bytes(), b";base64,", base64.bytes(), b"\"}}]"]
                .iter()
                .for_each(|piece| out.extend_from_slice(piece));
        });
    }

    /// Members that only Chat knows: probabilities belong to the choice, all others to the delta.
    fn foreign(&mut self, raw: Raw<'_>, out: &mut Vec<u8>) {
        let at = out.len();
        match raw.find("logprobs") {
            Some(logprobs) => {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"delta\":{},\"logprobs\":");
                out.extend_from_slice(logprobs.bytes());
                out.extend_from_slice(b",\"finish_reason\":null");
                one_line(&mut out[at..]);
                out.extend_from_slice(self.tail);
            }
            None => {
                let members = raw.bytes();
                let mut members = members[1..members.len() - 1].to_vec();
                one_line(&mut members);
                self.delta(&members, out);
            }
        }
    }

    fn close(&mut self, at: u32, out: &mut Vec<u8>) {
        let Some(place) = self.parts.iter().rposition(|part| part.at == at) else { return };
        self.release(Some(at), out);
        match self.parts.swap_remove(place).kind {
            // A call without arguments has empty ones (conversion.md 65).
            Kind::Call { index, custom: false, filled: false } => {
                self.input(index, false, Escaped::at(b"{}", Span::new(0, 2)), out);
            }
            Kind::Reasoning { summary } => {
                if !self.thought.again.is_empty() {
                    self.entry(summary, None, out);
                }
                self.thought.before |= std::mem::take(&mut self.thought.begun);
            }
            _ => {}
        }
    }

    /// The chunk of the usage, behind all others and without a choice.
    fn spent(&self, out: &mut Vec<u8>) {
        if !self.opening.include_usage || !self.usage.is_said() {
            return;
        }
        let choices = self.head.len() - b"\"choices\":[{\"index\":0,".len();
        out.extend_from_slice(&self.head[..choices]);
        out.extend_from_slice(b"\"choices\":[],\"usage\":");
        usage_out::write(&self.usage, out);
        out.extend_from_slice(b"}\n\n");
    }
}

/// What an answer begins with, up to its choices.
pub(super) fn head(opening: &Opening, model: Escaped<'_>, stream: bool, out: &mut Vec<u8>) {
    let (id, object) = match (opening.plain_completion, stream) {
        (true, _) => ("cmpl-", "text_completion"),
        (false, true) => ("chatcmpl-", "chat.completion.chunk"),
        (false, false) => ("chatcmpl-", "chat.completion"),
    };
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(id.as_bytes());
    text::escape(&opening.id, out);
    out.extend_from_slice(b"\",\"object\":\"");
    out.extend_from_slice(object.as_bytes());
    out.extend_from_slice(b"\",\"created\":");
    number(opening.created_unix_s, out);
    out.extend_from_slice(b",\"model\":\"");
    match opening.model.is_empty() {
        true => out.extend_from_slice(model.bytes()),
        false => text::escape(&opening.model, out),
    }
    out.extend_from_slice(b"\",");
}

/// The reason to stop in Chat's words.
pub(super) fn reason(stop: Stop<'_>, called: bool, refused: bool, opening: &Opening) -> &'static str {
    // The old completions tell no calls.
    match stop.settled(called && !opening.plain_completion) {
        Stop::ToolUse if opening.old_functions => "function_call",
        Stop::ToolUse => "tool_calls",
        Stop::Length | Stop::ContextFull => "length",
        Stop::Filter => "content_filter",
        // A refusal that was told stands for itself, as with OpenAI.
        Stop::Refusal if !refused => "content_filter",
        Stop::EndTurn | Stop::Word(_) | Stop::Refusal | Stop::Pause => "stop",
    }
}

/// The answer breaks off: an error in the place of an event.
fn fail(failure: &Failure<'_>, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    let status = failure.fault.status(Dialect::Chat);
    failure::write(Dialect::Chat, failure.fault, status, &failure.message, "", &mut body);
    // Codes by which OpenAI's clients decide.
    let known = ["context_length_exceeded", "insufficient_quota", "content_filter"];
    let body = known
        .into_iter()
        .find(|code| *code == failure.code)
        .and_then(|code| {
            let steps = [Step::Name("error".into()), Step::Name("code".into())];
            json::put::set(&body, &steps, format!("\"{code}\"").as_bytes(), false)
        })
        .map_or(Cow::Borrowed(&*body), Cow::Owned);
    sse::write::event("", &body, out);
}

/// Line ends between the tokens of JSON, which would end an event, become blanks; inside of strings are none.
fn one_line(json: &mut [u8]) {
    json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
#[path = "stream_out_test.rs"]
mod tests;
