//! The answer side: whether it speaks, has ended or failed, and what it counts.
//!
//! One [`Answer`] lives per open stream, so it is small; on the heap it keeps one chunk of a Chat stream at most. Of most
//! events it reads nothing but whether certain names occur, and not that where a chunk is like the last; whole events
//! are read until the first token, and where usage or an end is told.

use super::alike::Alike;
use super::member::NAMES;
use super::usage::Usage;
use crate::base::span::Span;
use crate::json::edit::Edits;
use crate::json::{self, Raw};
use crate::limits;
use crate::protocol::Dialect;
use crate::sse::{Frame, FrameKind};

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing that a person would see.
    Silent,
    /// A token: text, reasoning, a tool call.
    Speaking,
    /// It said why it ended.
    Finished,
    /// It said that it failed.
    Failed,
}

/// What one event said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The first token is here, or was before and the answer goes on. Comments, pings, roles and empty deltas
    /// are none.
    pub semantic: bool,
    /// The event is an error.
    pub error: bool,
    /// The event counts tokens.
    pub has_usage: bool,
    /// A Chat chunk that counts tokens and says nothing else: to be hidden from who did not ask for it.
    pub usage_only: bool,
    /// The end is here, or was before: a finish reason or the terminal event of the dialect.
    pub finished: bool,
}

/// What has been learnt of one answer.
#[derive(Clone, Debug)]
pub struct Answer {
    dialect: Dialect,
    progress: Progress,
    events: u32,
    usage: Usage,
    response_id: [u8; limits::RESPONSE_ID_BYTES_MAX],
    response_id_len: u8,
    alike: Alike,
}

const _: () = assert!(size_of::<Answer>() < 200 && limits::RESPONSE_ID_BYTES_MAX <= u8::MAX as usize);

impl Answer {
    /// Of an answer, streamed or not, in `dialect`: that of the endpoint which was called.
    pub fn stream(dialect: Dialect) -> Answer {
        let response_id = [0; limits::RESPONSE_ID_BYTES_MAX];
        Answer {
            dialect,
            progress: Progress::Silent,
            events: 0,
            usage: Usage::default(),
            response_id,
            response_id_len: 0,
            alike: Alike::default(),
        }
    }

    /// Takes note of the next frame of a stream.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) -> Seen {
        let mut seen = Seen::default();
        if frame.kind == FrameKind::Data {
            self.events = self.events.saturating_add(1);
            match self.dialect {
                _ if frame.data.len() > limits::FRAME_LOOK_BYTES => self.large(frame, &mut seen),
                Dialect::Chat => self.chat(frame, &mut seen),
                Dialect::Responses => self.responses(frame, &mut seen),
                Dialect::Anthropic => self.anthropic(frame, &mut seen),
                Dialect::Gemini => self.gemini(frame.data, &mut seen),
                Dialect::Ollama => self.ollama(frame.data, &mut seen),
            }
            if seen.error {
                self.progress = Progress::Failed;
            }
        }
        seen.semantic = self.progress == Progress::Speaking || (seen.semantic && !seen.error);
        seen.finished = self.progress == Progress::Finished;
        seen
    }

    /// Takes note of an answer that is not streamed, and no error ([`error_in_ok`]).
    pub fn body(&mut self, whole: &[u8]) {
        let names = &*NAMES;
        let said = match self.dialect {
            Dialect::Chat | Dialect::Responses => names.usage.read(whole, Usage::openai_members),
            Dialect::Anthropic => names.usage.read(whole, Usage::anthropic_members),
            Dialect::Gemini => names.usage_metadata.read(whole, Usage::gemini_members),
            Dialect::Ollama => Some(Usage::ollama(whole)),
        };
        self.usage.update(said.unwrap_or_default());
        self.progress = Progress::Finished;
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// What it has counted so far.
    pub fn usage(&self) -> Usage {
        match self.dialect {
            Dialect::Anthropic => self.usage.with_cache(),
            Dialect::Chat | Dialect::Responses | Dialect::Gemini | Dialect::Ollama => self.usage,
        }
    }

    /// Events with data so far.
    pub fn events(&self) -> u64 {
        u64::from(self.events)
    }

    /// The id of the response that a Responses stream tells; empty if none has been seen.
    pub fn response_id(&self) -> &str {
        std::str::from_utf8(&self.response_id[..usize::from(self.response_id_len)]).unwrap_or_default()
    }

    /// The first token has been seen in this event.
    fn speak(&mut self, seen: &mut Seen) {
        self.progress = Progress::Speaking;
        seen.semantic = true;
    }

    fn count(&mut self, said: Usage, seen: &mut Seen) {
        self.usage.update(said);
        seen.has_usage = true;
    }

    /// A frame too long to be read in one go: its name and its end have to do. The whole answer that Responses repeats
    /// at the end is one, and its usage stands behind its output. Its usage is not hidden from anybody.
    fn large(&mut self, frame: &Frame<'_>, seen: &mut Seen) {
        let names = &*NAMES;
        let end = &frame.data[frame.data.len() - limits::TAIL_BYTES..];
        if self.progress == Progress::Silent {
            self.speak(seen);
        }
        match self.dialect {
            Dialect::Chat => {
                seen.error = frame.event == b"error" || names.error.at_end(end, 1).is_some();
                if names.finish_reason.occurs(end) {
                    self.progress = Progress::Finished;
                }
                self.usage.update(names.usage.at_end(end, 1).map(Usage::openai).unwrap_or_default());
            }
            Dialect::Responses => {
                let kind = named(frame).unwrap_or_default();
                if matches!(
                    kind,
                    b"response.completed" | b"response.incomplete" | b"response.cancelled" | b"response.failed"
                ) {
                    self.usage.update(names.usage.at_end(end, 2).map(Usage::openai).unwrap_or_default());
                    self.progress = Progress::Finished;
                }
                seen.error = matches!(kind, b"error" | b"response.failed");
            }
            Dialect::Anthropic => seen.error = named(frame) == Some(b"error"),
            Dialect::Gemini => {
                seen.error = names.error.at_end(end, 1).is_some();
                if names.gemini_finish.occurs(end) {
                    self.progress = Progress::Finished;
                }
                self.usage.update(names.usage_metadata.at_end(end, 1).map(Usage::gemini).unwrap_or_default());
            }
            Dialect::Ollama => {
                seen.error = names.error.at_end(end, 1).is_some();
                if names.done.at_end(end, 1).is_some_and(|done| done.starts_with(b"true")) {
                    self.progress = Progress::Finished;
                }
            }
        }
    }

    fn chat(&mut self, frame: &Frame<'_>, seen: &mut Seen) {
        let (names, data) = (&*NAMES, frame.data);
        let goes_on = self.progress == Progress::Speaking && frame.event.is_empty();
        if goes_on && self.alike.fits(data) {
            return;
        }
        if data == b"[DONE]" {
            // Behind nothing at all it is the end of no answer.
            if self.progress == Progress::Speaking {
                self.progress = Progress::Finished;
            }
            return;
        }
        seen.error = frame.event == b"error" || names.error.of(data).is_some();
        if self.progress == Progress::Silent && chat_speaks(data) {
            self.speak(seen);
        }
        if self.progress != Progress::Finished && (names.finish_reason.occurs(data) || is_media_end(data)) {
            self.progress = Progress::Finished;
        }
        if names.usage.occurs(data) {
            let inside = |name| json::find(data, name).and_then(|object| object.find("usage")).map(Raw::bytes);
            if let Some(usage) = names.usage.of(data).or_else(|| inside("x_groq")) {
                self.count(Usage::openai(usage), seen);
                let choices = json::find(data, "choices");
                seen.usage_only = choices.is_some_and(|choices| choices.elements().next().is_none());
            }
        } else if goes_on && !seen.error && self.progress == Progress::Speaking {
            self.alike.keep(data);
        }
    }

    fn responses(&mut self, frame: &Frame<'_>, seen: &mut Seen) {
        let data = frame.data;
        let response = |name| json::find(data, "response").and_then(|response| response.find(name));
        let kind = kind(frame);
        match kind {
            b"error" => seen.error = true,
            b"response.created" => self.keep_id(data),
            b"response.completed" | b"response.incomplete" | b"response.cancelled" | b"response.failed" => {
                if let Some(usage) = response("usage").filter(|usage| usage.is_object()) {
                    self.count(Usage::openai(usage.bytes()), seen);
                }
                seen.error = kind == b"response.failed";
                self.progress = Progress::Finished;
            }
            _ if self.progress == Progress::Silent && responses_speaks(kind, data) => self.speak(seen),
            _ => {}
        }
    }

    fn keep_id(&mut self, data: &[u8]) {
        // The id comes first in the response, before instructions and tools that may be long.
        let response = json::members(data).find(|(name, _)| name.eq_str("response")).map(|(_, value)| value);
        let id = response.and_then(|response| response.members().find(|(name, _)| name.eq_str("id")));
        let id = id.and_then(|(_, id)| id.as_str()).map_or(&b""[..], |id| id.bytes());
        if id.len() <= self.response_id.len() && id.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'\\') {
            self.response_id[..id.len()].copy_from_slice(id);
            self.response_id_len = id.len() as u8;
        }
    }

    fn anthropic(&mut self, frame: &Frame<'_>, seen: &mut Seen) {
        let data = frame.data;
        match kind(frame) {
            b"content_block_delta" | b"content_block_start"
                if self.progress == Progress::Silent && anthropic_speaks(data) =>
            {
                self.speak(seen);
            }
            b"message_start" => {
                let usage = json::find(data, "message").and_then(|message| message.find("usage"));
                if let Some(usage) = usage.filter(|usage| usage.is_object()) {
                    self.count(Usage::anthropic(usage.bytes()), seen);
                }
            }
            b"message_delta" => {
                if let Some(usage) = json::find(data, "usage").filter(|usage| usage.is_object()) {
                    self.count(Usage::anthropic(usage.bytes()), seen);
                }
                let reason = json::find(data, "delta").and_then(|delta| delta.find("stop_reason"));
                if reason.is_some_and(|reason| says(reason)) {
                    self.progress = Progress::Finished;
                }
            }
            // Behind nothing at all it is the end of no answer.
            b"message_stop" if self.progress == Progress::Speaking => self.progress = Progress::Finished,
            b"error" => seen.error = true,
            _ => {}
        }
    }

    fn gemini(&mut self, data: &[u8], seen: &mut Seen) {
        let names = &*NAMES;
        seen.error = names.error.of(data).is_some();
        if self.progress == Progress::Silent && gemini_speaks(data) {
            self.speak(seen);
        }
        // Arguments of a function call may hold any names, so what is found is looked at where it belongs.
        if names.gemini_finish.occurs(data) && gemini_finishes(data)
            || names.gemini_block.occurs(data)
                && json::find(data, "promptFeedback").is_some_and(|feedback| feedback.find("blockReason").is_some())
        {
            self.progress = Progress::Finished;
        }
        if let Some(usage) = names.usage_metadata.of(data) {
            self.count(Usage::gemini(usage), seen);
        }
    }

    fn ollama(&mut self, data: &[u8], seen: &mut Seen) {
        let names = &*NAMES;
        seen.error = names.error.of(data).is_some();
        if self.progress == Progress::Silent && ollama_speaks(data) {
            self.speak(seen);
        }
        if names.done.of(data).is_some_and(|done| done.starts_with(b"true")) {
            self.progress = Progress::Finished;
            self.count(Usage::ollama(data), seen);
        }
    }
}

/// Whether the body of an answer with status 200 is an error all the same.
pub fn error_in_ok(dialect: Dialect, body: &[u8]) -> bool {
    let answers: &[&str] = match dialect {
        Dialect::Chat => &["choices", "data", "text"],
        // An error beside `status: failed` is the whole answer, though its output may be there.
        Dialect::Responses | Dialect::Anthropic => &[],
        Dialect::Gemini => &["candidates"],
        Dialect::Ollama => &["message", "response"],
    };
    if NAMES.error.of(body).is_none_or(|error| !says_tail(error)) {
        return dialect == Dialect::Anthropic && is_type(body, "error");
    }
    !answers.iter().any(|name| json::find(body, name).is_some_and(says))
}

/// Appends the Chat chunk `data` without its `usage`.
pub fn hide_usage(data: &[u8], out: &mut Vec<u8>) {
    rewrite(data, true, None, out);
}

/// Appends the event `data`, without its usage if that `hides`, and with `told`, a JSON string in place of a value of
/// `data`.
pub fn rewrite(data: &[u8], hides: bool, told: Option<(&[u8], Raw<'_>)>, out: &mut Vec<u8>) {
    let mut edits = Edits::new(data);
    if hides {
        let start = data.iter().position(|&byte| byte == b'{').unwrap_or(data.len());
        // What cannot be edited is no object and has no usage.
        let _ = edits.remove_member(Span::new(start, data.len()), "usage");
    }
    if let Some((name, value)) = told
        && let Some(at) = (value.bytes().as_ptr() as usize).checked_sub(data.as_ptr() as usize)
    {
        // A name inside of a usage that went has gone with it.
        let _ = edits.replace(Span::new(at, at + value.bytes().len()), name);
    }
    edits.write_to(out);
}

/// The type of an event: its name, or else the `type` member (some vendors send no names).
pub(super) fn kind<'a>(frame: &Frame<'a>) -> &'a [u8] {
    named(frame)
        .or_else(|| json::find(frame.data, "type").and_then(Raw::as_str).map(|text| text.bytes()))
        .unwrap_or_default()
}

/// The type of an event, where it is its name or its first member.
fn named<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    if !frame.event.is_empty() {
        return Some(frame.event);
    }
    let rest = frame.data.strip_prefix(b"{\"type\":\"")?;
    memchr::memchr(b'"', rest).map(|end| &rest[..end])
}

/// Whether a value is more than an empty one.
pub(super) fn says(value: Raw<'_>) -> bool {
    !matches!(value.bytes(), b"null" | b"\"\"" | b"[]" | b"{}" | b"false")
}

/// [`says`] of a value that may reach too far.
fn says_tail(value: &[u8]) -> bool {
    ![&b"null"[..], b"\"\"", b"[]", b"{}", b"false"].iter().any(|empty| value.starts_with(empty))
}

fn is_type(object: &[u8], wanted: &str) -> bool {
    json::find(object, "type").and_then(Raw::as_str).is_some_and(|kind| kind.eq_str(wanted))
}

/// Whether a Chat chunk holds a token. Streams of the other OpenAI endpoints have no choices; there every
/// event speaks.
fn chat_speaks(data: &[u8]) -> bool {
    let Some(choices) = json::find(data, "choices") else {
        return json::find(data, "error").is_none() && json::find(data, "usage").is_none_or(Raw::is_null);
    };
    choices.elements().any(|choice| {
        let delta = choice.find("delta").or_else(|| choice.find("message"));
        choice.find("text").is_some_and(says)
            || delta.is_some_and(|delta| delta.members().any(|(name, value)| !name.eq_str("role") && says(value)))
    })
}

/// Whether an event ends a stream of audio or images (`transcript.text.done`, `image_generation.completed`).
fn is_media_end(data: &[u8]) -> bool {
    let Some(rest) = data.strip_prefix(b"{\"type\":\"") else { return false };
    let kind = &rest[..memchr::memchr(b'"', rest).unwrap_or(0)];
    kind.ends_with(b".done") || kind.ends_with(b".completed")
}

/// Whether a Responses event holds a token. A tool call without arguments has no delta; its item speaks.
fn responses_speaks(kind: &[u8], data: &[u8]) -> bool {
    if kind.ends_with(b".delta") {
        return json::find(data, "delta").is_some_and(says);
    }
    if kind == b"response.output_item.added" {
        let item = json::find(data, "item").map_or(&b""[..], Raw::bytes);
        return !item.is_empty() && !is_type(item, "message") && !is_type(item, "reasoning");
    }
    kind.ends_with(b".done") || kind.ends_with(b".partial_image")
}

/// Whether an Anthropic event holds a token. Blocks other than text and thinking speak by being there.
fn anthropic_speaks(data: &[u8]) -> bool {
    if let Some(block) = json::find(data, "content_block") {
        return !is_type(block.bytes(), "text") && !is_type(block.bytes(), "thinking");
    }
    json::find(data, "delta")
        .is_some_and(|delta| delta.members().any(|(name, value)| !name.eq_str("type") && says(value)))
}

/// Whether a Gemini chunk holds a token.
fn gemini_speaks(data: &[u8]) -> bool {
    let parts = |candidate: Raw<'_>| {
        let parts = candidate.find("content").and_then(|content| content.find("parts"));
        parts.is_some_and(|parts| {
            parts.elements().any(|part| {
                part.members()
                    .any(|(name, value)| !matches!(name.bytes(), b"thought" | b"thoughtSignature") && says(value))
            })
        })
    };
    json::find(data, "candidates").is_some_and(|candidates| candidates.elements().any(parts))
}

fn gemini_finishes(data: &[u8]) -> bool {
    let reason = |candidate: Raw<'_>| {
        let reason = candidate.find("finishReason").and_then(Raw::as_str);
        reason.is_some_and(|reason| !reason.bytes().is_empty() && !reason.eq_str("FINISH_REASON_UNSPECIFIED"))
    };
    json::find(data, "candidates").is_some_and(|candidates| candidates.elements().any(reason))
}

/// Whether an Ollama line holds a token.
fn ollama_speaks(data: &[u8]) -> bool {
    let spoken = |object: &[u8]| {
        ["content", "thinking", "tool_calls", "response"].iter().any(|name| json::find(object, name).is_some_and(says))
    };
    spoken(data) || json::find(data, "message").is_some_and(|message| spoken(message.bytes()))
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod tests;
