//! Reads an Ollama upstream's answer, a line at a time or whole, from `/api/chat` and from `/api/generate`.
//!
//! A line holds a piece of thought, of text, and calls that are whole; the last has `done` and the counts. Text and
//! thought follow each other, and a line with `done` ends the answer: what is behind it says nothing. A line that tells a
//! piece of one of them casts a mould: the next that fits it is not read but for that piece.

use super::error;
use crate::json::mould::{Idle, Mould};
use crate::json::{self, Escaped, Raw};
use crate::protocol::failure::Fault;
use crate::protocol::ir::{BadUpstream, CallKind, Delta, Event, Failure, PartKind, Source, Stop, StreamDecoder};
use crate::protocol::ir::{Text, media};
use crate::protocol::sniff::Usage;
use crate::sse::{Frame, FrameKind, Framing};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    place: Place,
    next: u32,
    /// The part that is being told.
    current: Option<(u32, Kind)>,
    called: bool,
    /// The last line, where it only told a piece of such a part.
    mould: Mould,
    moulded: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Reasoning,
}

/// The members of a line or of the message in it.
#[derive(Clone, Copy, Debug, Default)]
struct Said<'a> {
    thinking: Option<Escaped<'a>>,
    text: Option<Escaped<'a>>,
    images: Option<Raw<'a>>,
    calls: Option<Raw<'a>>,
}

impl StreamDecoder for Stream {
    const FRAMING: Framing = Framing::Lines;

    fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        match frame.kind {
            _ if self.place == Place::Ended => Ok(()),
            FrameKind::Comment => {
                sink(Event::Ping);
                Ok(())
            }
            FrameKind::Data => {
                if let Some(text) = self.mould.fill(frame.data) {
                    self.say(self.moulded, Some(text), sink);
                    return Ok(());
                }
                self.mould.clear();
                match json::value(frame.data) {
                    Ok(_) => self.line(frame.data, sink).map(|_| ()),
                    Err(_) => Err(BadUpstream("a line is not JSON")),
                }
            }
        }
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if self.place != Place::Ended {
            self.close(sink);
            self.place = Place::Ended;
            let message = "the upstream ended its stream early".into();
            sink(Event::Fail(Failure { fault: Fault::BadGateway, message, code: "".into() }));
        }
    }
}

/// Reads a whole answer.
pub(super) fn whole(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
    if json::value(body).is_err() {
        return Err(BadUpstream("the answer is not JSON"));
    }
    let mut stream = Stream::default();
    match stream.line(body, sink)? {
        // Whoever answers at once need not say that he is done; but he may say that he is not.
        None if stream.place == Place::Inside => stream.stop(Escaped::EMPTY, body, sink),
        _ => stream.finish(sink),
    }
    Ok(())
}

impl Stream {
    /// Reads a line; what it says of `done`.
    fn line(&mut self, line: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<Option<bool>, BadUpstream> {
        let (mut model, mut reason, mut done, mut failed) = (Escaped::EMPTY, Escaped::EMPTY, None, false);
        let (mut message, mut own, mut idle) = (None, Said::default(), Idle::default());
        for (name, value) in json::members(line) {
            match name.bytes() {
                b"message" if value.is_object() => message = Some(value),
                b"response" => own.text = value.as_str(),
                b"thinking" => own.thinking = value.as_str(),
                b"tool_calls" => own.calls = Some(value),
                b"image" => own.images = Some(value).filter(|image| image.as_str().is_some()),
                b"model" => model = value.as_str().unwrap_or(model),
                b"done" => done = value.as_bool(),
                b"done_reason" => reason = value.as_str().unwrap_or(reason),
                b"error" => failed = !value.is_null(),
                _ => idle.add(line, value),
            }
        }
        if failed {
            self.close(sink);
            self.place = Place::Ended;
            sink(Event::Fail(error::read(0, line)));
            return Ok(done);
        }
        if message.is_none() && own.text.is_none() && own.images.is_none() && done.is_none() {
            return Err(BadUpstream("a line is no piece of an answer"));
        }
        if self.place == Place::Before {
            self.place = Place::Inside;
            sink(Event::Start { id: Escaped::EMPTY, model });
        }
        let said = message.map_or(own, Said::of);
        self.say(Kind::Reasoning, said.thinking, sink);
        self.say(Kind::Text, said.text, sink);
        match said.images {
            Some(image) if image.as_str().is_some() => self.image(image, sink),
            images => images.iter().flat_map(|images| images.elements()).for_each(|image| self.image(image, sink)),
        }
        said.calls.iter().flat_map(|calls| calls.elements()).for_each(|call| self.call(call, sink));
        if done == Some(true) {
            self.stop(reason, line, sink);
        } else if let Some((kind, text)) = said.only() {
            self.moulded = kind;
            self.mould.cast(line, text, idle);
        }
        Ok(done)
    }

    fn say(&mut self, kind: Kind, text: Option<Escaped<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        let Some(text) = text.filter(|text| !text.bytes().is_empty()) else { return };
        let at = match self.current {
            Some((at, current)) if current == kind => at,
            _ => {
                self.close(sink);
                let at = self.number();
                self.current = Some((at, kind));
                let kind = match kind {
                    Kind::Text => PartKind::Text,
                    Kind::Reasoning => PartKind::Reasoning { summary: false },
                };
                sink(Event::Open { at, kind });
                at
            }
        };
        sink(Event::Fill { at, delta: Delta::Text(text) });
    }

    fn image(&mut self, image: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Some(data) = image.as_str().filter(|data| !data.bytes().is_empty()) else { return };
        self.close(sink);
        let at = self.number();
        let (source, media_type) = media::source(Text::from(data));
        let (Source::Base64(base64) | Source::Url(base64) | Source::Text(base64)) = source else { return };
        let media_type = media_type.unwrap_or_else(|| Text::constant("image/png"));
        sink(Event::Open { at, kind: PartKind::Media });
        let delta = Delta::Media { media_type: media_type.escaped(), base64: base64.escaped() };
        sink(Event::Fill { at, delta });
        sink(Event::Close { at });
    }

    fn call(&mut self, call: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut id, mut function) = (Escaped::EMPTY, None);
        for (name, value) in call.members() {
            match name.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"function" => function = Some(value),
                _ => {}
            }
        }
        let (mut name, mut input) = (Escaped::EMPTY, None);
        for (member, value) in function.iter().flat_map(|function| function.members()) {
            match member.bytes() {
                b"name" => name = value.as_str().unwrap_or(name),
                b"arguments" => input = Some(value),
                _ => {}
            }
        }
        if name.bytes().is_empty() {
            return;
        }
        self.close(sink);
        self.called = true;
        let at = self.number();
        let kind = PartKind::ToolCall { id, name, namespace: Escaped::EMPTY, kind: CallKind::Function };
        sink(Event::Open { at, kind });
        match input.map(|input| (input, input.as_str())) {
            Some((_, Some(text))) => sink(Event::Fill { at, delta: Delta::Input(text) }),
            Some((object, None)) if object.is_object() => sink(Event::Fill { at, delta: Delta::Json(object) }),
            _ => {}
        }
        sink(Event::Close { at });
    }

    fn number(&mut self) -> u32 {
        let at = self.next;
        self.next = self.next.saturating_add(1);
        at
    }

    fn close(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some((at, _)) = self.current.take() {
            sink(Event::Close { at });
        }
    }

    /// The answer is whole; its counts stand in the last line.
    fn stop(&mut self, reason: Escaped<'_>, line: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.close(sink);
        self.place = Place::Ended;
        let stop = match reason.bytes() {
            b"length" => Stop::Length,
            b"content_filter" => Stop::Filter,
            _ => Stop::EndTurn,
        };
        sink(Event::Stop(stop.settled(self.called)));
        let usage = Usage::ollama(line);
        if usage.is_said() {
            sink(Event::Usage(usage));
        }
        sink(Event::End);
    }
}

impl<'a> Said<'a> {
    /// What is said, where that is a piece of one text and nothing else.
    fn only(&self) -> Option<(Kind, Escaped<'a>)> {
        let said = |text: Option<Escaped<'a>>| text.filter(|text| !text.bytes().is_empty());
        let is_none = |value: Option<Raw<'_>>| value.is_none_or(Raw::is_null);
        match (said(self.thinking), said(self.text)) {
            _ if !is_none(self.images) || !is_none(self.calls) => None,
            (Some(thought), None) => Some((Kind::Reasoning, thought)),
            (None, Some(text)) => Some((Kind::Text, text)),
            _ => None,
        }
    }

    fn of(message: Raw<'a>) -> Said<'a> {
        let mut said = Said::default();
        for (name, value) in message.members() {
            match name.bytes() {
                b"content" => said.text = value.as_str(),
                b"thinking" => said.thinking = value.as_str(),
                b"images" => said.images = Some(value),
                b"tool_calls" => said.calls = Some(value),
                _ => {}
            }
        }
        said
    }
}

#[cfg(test)]
#[path = "stream_in_test.rs"]
mod tests;
