//! Reads a Chat upstream's stream.
//!
//! Text, refusal and reasoning follow each other: a delta of another kind closes the one before. Calls stay open
//! until a reason to stop comes, for their deltas may be interleaved. Usage may come before, with or behind that
//! reason, so the answer ends at `[DONE]` or the end of the stream only. Choices other than the first are not read.

use smallvec::SmallVec;

use super::error;
use crate::json::{self, Escaped, Raw};
use crate::limits::ORDER_PARTS_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, CallKind, Delta, Event, Failure, PartKind, Seal, Source, Stop, StreamDecoder};
use crate::protocol::ir::{Text, media};
use crate::protocol::sniff::Usage;
use crate::sse::{Frame, FrameKind, Framing};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    place: Place,
    next: u32,
    /// The part that is being told, unless it is a call.
    current: Option<(u32, Kind)>,
    calls: SmallVec<[Call; 2]>,
    called: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Stopped,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
}

#[derive(Debug)]
struct Call {
    index: u64,
    at: u32,
    /// The id, to tell a new call from more of this one where indexes repeat.
    id: SmallVec<[u8; 48]>,
}

impl StreamDecoder for Stream {
    const FRAMING: Framing = Framing::Sse;

    fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        if self.place == Place::Ended {
            return Ok(());
        }
        if frame.kind == FrameKind::Comment {
            sink(Event::Ping);
            return Ok(());
        }
        if frame.data.trim_ascii() == b"[DONE]" {
            // Whoever says that it is done has said so, also without a reason (Snowflake).
            if self.place == Place::Inside {
                self.stop(Stop::EndTurn, sink);
            }
            self.finish(sink);
            return Ok(());
        }
        if json::value(frame.data).is_err() {
            return Err(BadUpstream("an event is not JSON"));
        }
        self.chunk(frame, sink)
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        match self.place {
            Place::Ended => return,
            Place::Stopped => sink(Event::End),
            Place::Before | Place::Inside => {
                self.fail("the upstream ended its stream early", sink);
            }
        }
        self.place = Place::Ended;
    }
}

impl Stream {
    fn chunk(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let (mut id, mut model) = (Escaped::EMPTY, Escaped::EMPTY);
        let (mut choices, mut usage, mut groq, mut failed) = (None, None, None, None);
        for (name, value) in json::members(frame.data) {
            match name.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"model" => model = value.as_str().unwrap_or(model),
                b"choices" => choices = Some(value),
                b"usage" if value.is_object() => usage = Some(value),
                b"x_groq" => groq = value.find("usage").filter(|usage| usage.is_object()),
                b"error" if !value.is_null() => failed = Some(value.bytes()),
                _ => {}
            }
        }
        if let Some(error) = failed.or_else(|| (frame.event == b"error").then_some(frame.data)) {
            self.close_all(sink);
            self.place = Place::Ended;
            sink(Event::Fail(error::read(0, error)));
            return Ok(());
        }
        if choices.is_none() && usage.is_none() && groq.is_none() {
            return Err(BadUpstream("an event is no chunk of an answer"));
        }
        if self.place == Place::Before {
            self.place = Place::Inside;
            sink(Event::Start { id, model });
        }
        for choice in choices.iter().flat_map(|choices| choices.elements()) {
            self.choice(choice, sink);
        }
        if let Some(usage) = usage.or(groq).filter(|_| self.place != Place::Ended) {
            sink(Event::Usage(Usage::openai(usage.bytes())));
        }
        Ok(())
    }

    fn choice(&mut self, choice: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut delta, mut reason) = (None, None);
        for (name, value) in choice.members() {
            match name.bytes() {
                b"index" if value.as_u64().is_some_and(|index| index > 0) => return,
                b"delta" => delta = Some(value),
                // Some tell a whole message, in a stream of one event; some repeat in it what has been told.
                b"message" if delta.is_none() && self.next == 0 && value.is_object() => delta = Some(value),
                b"finish_reason" => reason = value.as_str().filter(|reason| !reason.bytes().is_empty()),
                _ => {}
            }
        }
        // Some tell the reason twice; what comes behind the first says nothing new.
        if self.place != Place::Inside {
            return;
        }
        if let Some(delta) = delta {
            self.delta(delta, sink);
        }
        if let Some(reason) = reason.filter(|_| self.place == Place::Inside) {
            self.stop(stop(reason), sink);
        }
    }

    fn delta(&mut self, delta: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut content, mut calls, mut details, mut told) = (None, None, None, false);
        for (name, value) in delta.members() {
            match name.bytes() {
                // Both names of one text, with some vendors at once.
                b"reasoning_content" | b"reasoning" => {
                    if let Some(text) = value.as_str().filter(|text| !told && !text.bytes().is_empty()) {
                        told = true;
                        self.say(Kind::Reasoning, text, sink);
                    }
                }
                b"reasoning_details" => details = Some(value),
                b"content" => content = Some(value),
                b"refusal" => value.as_str().into_iter().for_each(|text| self.say(Kind::Refusal, text, sink)),
                b"images" => value.elements().for_each(|image| self.image(image, sink)),
                b"tool_calls" => calls = Some(value),
                b"function_call" if value.is_object() => self.function(0, Escaped::EMPTY, value, sink),
                _ => {}
            }
        }
        details.iter().flat_map(|details| details.elements()).for_each(|detail| self.detail(detail, told, sink));
        if let Some(content) = content {
            self.content(content, sink);
        }
        calls.iter().flat_map(|calls| calls.elements()).for_each(|call| self.call(call, sink));
    }

    fn content(&mut self, content: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(text) = content.as_str() {
            return self.say(Kind::Text, text, sink);
        }
        // Mistral: parts, thoughts as lists of texts among them.
        for part in content.elements() {
            for (name, value) in part.members() {
                match (name.bytes(), value.as_str()) {
                    (b"text", Some(text)) => self.say(Kind::Text, text, sink),
                    (b"thinking", Some(text)) => self.say(Kind::Reasoning, text, sink),
                    (b"thinking", None) => {
                        for text in value.elements().filter_map(|part| part.find("text")?.as_str()) {
                            self.say(Kind::Reasoning, text, sink);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// OpenRouter's form of reasoning; its text only where no other member told it.
    fn detail(&mut self, detail: Raw<'_>, told: bool, sink: &mut impl FnMut(Event<'_>)) {
        let mut seal = None;
        for (name, value) in detail.members() {
            match (name.bytes(), value.as_str()) {
                (b"text" | b"summary", Some(text)) if !told => self.say(Kind::Reasoning, text, sink),
                (b"signature", Some(data)) => seal = Some((SealKind::Signature, data)),
                (b"data", Some(data)) => seal = Some((SealKind::Encrypted, data)),
                _ => {}
            }
        }
        if let Some((kind, data)) = seal.filter(|(_, data)| !data.bytes().is_empty()) {
            let at = self.opened(Kind::Reasoning, sink);
            sink(Event::Fill { at, delta: Delta::Seal(Seal::read(Dialect::Chat, kind, Text::from(data))) });
        }
    }

    fn image(&mut self, image: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let url = image.find("image_url").and_then(|image| image.find("url")).and_then(Raw::as_str);
        if let Some((Source::Base64(base64), Some(media_type))) = url.map(|url| media::source(Text::from(url))) {
            self.close_current(sink);
            let at = self.number();
            sink(Event::Open { at, kind: PartKind::Media });
            let delta = Delta::Media { media_type: media_type.escaped(), base64: base64.escaped() };
            sink(Event::Fill { at, delta });
            sink(Event::Close { at });
        }
    }

    fn call(&mut self, call: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut index, mut id, mut function) = (None, Escaped::EMPTY, None);
        for (name, value) in call.members() {
            match name.bytes() {
                b"index" => index = value.as_u64(),
                b"id" => id = value.as_str().unwrap_or(id),
                b"function" => function = Some(value),
                _ => {}
            }
        }
        // Without an index a new id is a new call, and no id is more of the last one.
        let last = self.calls.last().map_or(0, |call| call.index);
        let known =
            |id: Escaped<'_>| self.calls.iter().rev().find(|call| *call.id == *id.bytes()).map(|call| call.index);
        let index = index.unwrap_or_else(|| match id.bytes().is_empty() {
            true => last,
            false => known(id).unwrap_or(last),
        });
        if let Some(function) = function {
            self.function(index, id, function, sink);
        }
    }

    fn function(&mut self, index: u64, id: Escaped<'_>, function: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut name, mut input) = (Escaped::EMPTY, None);
        for (member, value) in function.members() {
            match member.bytes() {
                b"name" => name = value.as_str().unwrap_or(name),
                b"arguments" => input = Some(value),
                _ => {}
            }
        }
        let known = self.calls.iter().rev().find(|call| call.index == index);
        // Where every call has index 0, another id with a name begins another one.
        let known = known.filter(|call| name.bytes().is_empty() || id.bytes().is_empty() || *call.id == *id.bytes());
        let at = match known {
            Some(call) => call.at,
            // Input for a call that never began.
            None if name.bytes().is_empty() || self.place == Place::Ended => return,
            // An answer without one of its calls must not look whole.
            None if self.calls.len() == ORDER_PARTS_MAX => return self.fail("the upstream calls too many tools", sink),
            None => {
                self.close_current(sink);
                let at = self.number();
                self.calls.push(Call { index, at, id: SmallVec::from_slice(id.bytes()) });
                self.called = true;
                let kind = PartKind::ToolCall { id, name, namespace: Escaped::EMPTY, kind: CallKind::Function };
                sink(Event::Open { at, kind });
                at
            }
        };
        match input.map(|input| (input, input.as_str())) {
            Some((_, Some(text))) if !text.bytes().is_empty() => {
                sink(Event::Fill { at, delta: Delta::Input(text) });
            }
            Some((object, None)) if object.is_object() => sink(Event::Fill { at, delta: Delta::Json(object) }),
            _ => {}
        }
    }

    fn say(&mut self, kind: Kind, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if !text.bytes().is_empty() {
            let at = self.opened(kind, sink);
            sink(Event::Fill { at, delta: Delta::Text(text) });
        }
    }

    /// The number of the open part of `kind`, which opens if it has to.
    fn opened(&mut self, kind: Kind, sink: &mut impl FnMut(Event<'_>)) -> u32 {
        if let Some((at, current)) = self.current
            && current == kind
        {
            return at;
        }
        self.close_current(sink);
        let at = self.number();
        self.current = Some((at, kind));
        let kind = match kind {
            Kind::Text => PartKind::Text,
            Kind::Refusal => PartKind::Refusal,
            Kind::Reasoning => PartKind::Reasoning { summary: false },
        };
        sink(Event::Open { at, kind });
        at
    }

    fn number(&mut self) -> u32 {
        let at = self.next;
        self.next = self.next.saturating_add(1);
        at
    }

    fn close_current(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some((at, _)) = self.current.take() {
            sink(Event::Close { at });
        }
    }

    fn close_all(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.close_current(sink);
        self.calls.drain(..).for_each(|call| sink(Event::Close { at: call.at }));
    }

    fn fail(&mut self, message: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        self.close_all(sink);
        self.place = Place::Ended;
        sink(Event::Fail(Failure { fault: Fault::BadGateway, message: message.into(), code: "".into() }));
    }

    fn stop(&mut self, stop: Stop<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.close_all(sink);
        self.place = Place::Stopped;
        sink(Event::Stop(stop.settled(self.called)));
    }
}

fn stop(reason: Escaped<'_>) -> Stop<'static> {
    match reason.bytes() {
        b"length" | b"max_tokens" => Stop::Length,
        b"tool_calls" | b"function_call" => Stop::ToolUse,
        b"content_filter" => Stop::Filter,
        b"refusal" => Stop::Refusal,
        _ => Stop::EndTurn,
    }
}

#[cfg(test)]
#[path = "stream_in_test.rs"]
mod tests;
