//! Reads a Responses upstream's stream.
//!
//! An item opens its part with the first that it says, and what an event repeats is told only if no event before has
//! said it: some upstreams send pieces, some whole texts, some nothing but the last event. Only that one ends the
//! answer well. Numbers of events are not looked at, and those of items and parts only to tell one from another.
//!
//! Items that only OpenAI knows pass as foreign parts with all their events; a made image is a medium, and the events
//! on the way to it only say that the upstream is still there.
//!
//! An event that tells a piece of text or input casts a mould: the next that fits it is not read but for that piece.

use smallvec::SmallVec;

use super::error;
use super::event_in::{Kind, Said, Whole};
use super::item::inside;
use super::open_item::{Item, Moulded, Of, Part};
use crate::base::span::Span;
use crate::json::mould::Mould;
use crate::json::{Escaped, Raw};
use crate::limits::ORDER_PARTS_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, Delta, Event, Failure, PartKind, Seal, Stop, StreamDecoder, Text};
use crate::protocol::sniff::Usage;
use crate::sse::{Frame, FrameKind, Framing};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    place: Place,
    next: u32,
    open: SmallVec<[Item; 2]>,
    /// Items that have begun.
    items: u64,
    /// The highest number of an item so far.
    highest: Option<u64>,
    called: bool,
    /// The seal of the call that comes next.
    seal: Option<Seal<'static>>,
    /// The last event, where it told such a piece.
    mould: Mould,
    moulded: Moulded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Ended,
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
        if let Some(text) = self.mould.fill(frame.data) {
            self.more(self.moulded, text, sink);
            return Ok(());
        }
        self.mould.clear();
        let Ok(event) = Raw::parse(frame.data) else {
            // Some say Chat's end mark behind the last event; without that one it says nothing.
            let mark = frame.data.trim_ascii() == b"[DONE]";
            return if mark { Ok(()) } else { Err(BadUpstream("an event is not JSON")) };
        };
        let said = Said::of(event);
        let kind = if said.kind.is_empty() { frame.event } else { said.kind };
        match kind.strip_prefix(b"response.") {
            Some(name) => {
                self.start(said.response, sink);
                self.event(name, &said, event, sink)
            }
            None if kind.is_empty() => Err(BadUpstream("an event has no type")),
            None if kind == b"error" => {
                self.close_all(sink);
                self.place = Place::Ended;
                sink(Event::Fail(error::failure(200, frame.data)));
                Ok(())
            }
            // What vendors tell beside the answer: `keepalive`, `codex.rate_limits`.
            None => {
                sink(Event::Ping);
                Ok(())
            }
        }
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if self.place != Place::Ended {
            self.fail("the upstream ended its stream early", sink);
        }
    }
}

impl Stream {
    fn event(
        &mut self,
        name: &[u8],
        said: &Said<'_>,
        event: Raw<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), BadUpstream> {
        let of = match name {
            b"output_text.delta" => Of::Text,
            b"refusal.delta" => Of::Refusal,
            b"reasoning_summary_text.delta" => Of::Summary,
            b"reasoning_text.delta" => Of::Thought,
            b"function_call_arguments.delta" | b"custom_tool_call_input.delta" => Of::Call,
            b"output_text.done" => return self.rest(said, Of::Text, sink),
            b"refusal.done" => return self.rest(said, Of::Refusal, sink),
            b"reasoning_summary_text.done" => return self.rest(said, Of::Summary, sink),
            b"reasoning_text.done" => return self.rest(said, Of::Thought, sink),
            // The item's own end says it again.
            b"function_call_arguments.done"
            | b"custom_tool_call_input.done"
            | b"content_part.added"
            | b"reasoning_summary_part.added"
            | b"reasoning_summary_part.done"
            | b"created"
            | b"in_progress"
            | b"queued" => {
                return Ok(());
            }
            b"content_part.done" => return self.part_done(said, sink),
            b"output_text.annotation.added" => return self.annotation(said, sink),
            b"output_item.added" => {
                if let Some(item) = said.item.filter(|item| item.is_object()) {
                    self.added(said.index, item, sink);
                }
                return Ok(());
            }
            b"output_item.done" => {
                if let Some(item) = said.item.filter(|item| item.is_object()) {
                    self.done(said.index, item, sink);
                }
                return Ok(());
            }
            b"completed" | b"incomplete" | b"failed" | b"cancelled" | b"done" => {
                return self.end(name, said.response, event, sink);
            }
            _ => return self.other(said.index, event, sink),
        };
        let Some(text) = said.delta else { return Ok(()) };
        let moulded = Moulded { index: said.index, number: said.number, of };
        self.more(moulded, text, sink);
        // Without a type the event's name says what it is, which is not in its text.
        if !said.kind.is_empty() && self.place == Place::Inside {
            self.moulded = moulded;
            self.mould.cast(event.bytes(), text, said.idle.clone());
        }
        Ok(())
    }

    /// A piece of a text or of a call's input.
    fn more(&mut self, Moulded { index, number, of }: Moulded, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        match of {
            Of::Call => self.input(index, text, sink),
            _ => self.say(index, of, number, text, sink),
        }
    }

    fn start(&mut self, response: Option<Raw<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        if self.place != Place::Before {
            return;
        }
        self.place = Place::Inside;
        let (mut id, mut model) = (Escaped::EMPTY, Escaped::EMPTY);
        for (name, value) in response.iter().flat_map(|response| response.members()) {
            match name.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"model" => model = value.as_str().unwrap_or(model),
                _ => {}
            }
        }
        sink(Event::Start { id, model });
    }

    /// Where the open item of this number stands; it begins if it is new.
    fn item(&mut self, index: u64, kind: Kind, sink: &mut impl FnMut(Event<'_>)) -> Option<usize> {
        if let Some(place) = self.open.iter().rposition(|item| item.index == index) {
            return Some(place);
        }
        // An answer without one of its parts must not look whole.
        if self.open.len() == ORDER_PARTS_MAX {
            self.fail("the upstream opens too many items", sink);
        }
        if self.place == Place::Ended {
            return None;
        }
        self.items += 1;
        self.highest = self.highest.max(Some(index));
        let (begun, last, thought, summed) = (0, None, false, false);
        self.open.push(Item { index, kind, part: None, begun, last, thought, summed });
        Some(self.open.len() - 1)
    }

    /// An item begins; what it says comes later.
    fn added(&mut self, index: u64, raw: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let whole = Whole::of(raw);
        let Some(place) = self.item(index, whole.kind, sink) else { return };
        match whole.kind {
            Kind::Call(_) if !whole.name.bytes().is_empty() => self.begin_call(place, &whole, sink),
            Kind::Foreign if self.open[place].part.is_none() => {
                let kind = PartKind::Foreign { origin: Dialect::Responses, raw };
                self.begin(place, Of::Foreign, 0, kind, sink);
            }
            _ => {}
        }
    }

    fn begin_call(&mut self, place: usize, whole: &Whole<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Kind::Call(kind) = whole.kind else { return };
        if self.open[place].part.is_some() {
            return;
        }
        self.called = true;
        let (id, name, namespace) = (whole.call_id, whole.name, whole.namespace);
        let at = self.begin(place, Of::Call, 0, PartKind::ToolCall { id, name, namespace, kind }, sink);
        if let Some(seal) = self.seal.take() {
            sink(Event::Fill { at, delta: Delta::Seal(seal) });
        }
    }

    /// Opens a part of the item; the one before it is closed.
    fn begin(
        &mut self,
        place: usize,
        of: Of,
        number: u64,
        kind: PartKind<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> u32 {
        self.close_part(place, sink);
        let at = self.next;
        self.next = self.next.saturating_add(1);
        let item = &mut self.open[place];
        item.part = Some(Part { at, of, number, told: false, annotated: 0 });
        item.begun += 1;
        item.last = Some(number);
        sink(Event::Open { at, kind });
        at
    }

    fn close_part(&mut self, place: usize, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(part) = self.open[place].part.take() {
            sink(Event::Close { at: part.at });
        }
    }

    /// Text of a message or of reasoning.
    fn say(&mut self, index: u64, of: Of, number: u64, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if text.bytes().is_empty() {
            return;
        }
        let kind = if matches!(of, Of::Text | Of::Refusal) { Kind::Message } else { Kind::Reasoning };
        // What comes late for an item that has ended was told with it.
        let open = self.open.iter().any(|item| item.index == index);
        if !open && self.highest.is_some_and(|highest| index <= highest) {
            return;
        }
        let Some(place) = self.item(index, kind, sink) else { return };
        if self.open[place].kind == kind {
            self.tell(place, of, number, text, sink);
        }
    }

    fn tell(&mut self, place: usize, of: Of, number: u64, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let item = &mut self.open[place];
        item.thought |= of == Of::Thought;
        item.summed |= of == Of::Summary;
        let at = match &mut item.part {
            Some(part) if part.of == of && part.number == number => {
                part.told = true;
                part.at
            }
            // Paragraphs of one text.
            Some(part) if part.of == of && matches!(of, Of::Summary | Of::Thought) => {
                part.number = number;
                part.told = true;
                let at = part.at;
                item.last = Some(number);
                sink(Event::Fill { at, delta: Delta::Text(inside(b"\\n\\n")) });
                at
            }
            _ => {
                let kind = match of {
                    Of::Refusal => PartKind::Refusal,
                    Of::Summary => PartKind::Reasoning { summary: true },
                    Of::Thought => PartKind::Reasoning { summary: false },
                    _ => PartKind::Text,
                };
                let at = self.begin(place, of, number, kind, sink);
                if let Some(part) = &mut self.open[place].part {
                    part.told = true;
                }
                at
            }
        };
        sink(Event::Fill { at, delta: Delta::Text(text) });
    }

    /// The whole text of a part, of which nothing may have been told.
    fn rest(&mut self, said: &Said<'_>, of: Of, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let Some(text) = said.whole else { return Ok(()) };
        let item = self.open.iter().rfind(|item| item.index == said.index);
        let news = item.is_none_or(|item| match item.part {
            Some(part) if part.of == of && part.number == said.number => !part.told,
            _ => item.last.is_none_or(|last| last < said.number),
        });
        if news {
            self.say(said.index, of, said.number, text, sink);
        }
        Ok(())
    }

    /// The end of a message's part: what of it has not been told.
    fn part_done(&mut self, said: &Said<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let Some(part) = said.part else { return Ok(()) };
        let Some(place) = self.open.iter().rposition(|item| item.index == said.index) else { return Ok(()) };
        let item = &self.open[place];
        let current = item.part.filter(|part| part.number == said.number);
        if item.kind == Kind::Message && (current.is_some() || item.last.is_none_or(|last| last < said.number)) {
            self.content(place, said.number, part, sink);
            self.close_part(place, sink);
        }
        Ok(())
    }

    /// A whole part of a message: its text if none has been told, and the annotations that have not.
    fn content(&mut self, place: usize, number: u64, raw: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut of, mut text, mut annotations) = (Of::Text, None, None);
        for (name, value) in raw.members() {
            match name.bytes() {
                b"text" => text = value.as_str(),
                b"refusal" => (of, text) = (Of::Refusal, value.as_str()),
                b"annotations" => annotations = Some(value),
                _ => {}
            }
        }
        let told = self.open[place].part.is_some_and(|part| part.number == number && part.told);
        if let Some(text) = text.filter(|text| !told && !text.bytes().is_empty()) {
            self.tell(place, of, number, text, sink);
        }
        let Some(part) = self.open[place].part.filter(|part| part.of == Of::Text) else { return };
        for annotation in annotations.iter().flat_map(|all| all.elements()).skip(part.annotated) {
            self.annotate(place, annotation, sink);
        }
    }

    fn annotation(&mut self, said: &Said<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let place = self.open.iter().rposition(|item| item.index == said.index);
        if let (Some(place), Some(annotation)) = (place, said.annotation.filter(|annotation| annotation.is_object())) {
            self.annotate(place, annotation, sink);
        }
        Ok(())
    }

    fn annotate(&mut self, place: usize, raw: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(part) = self.open[place].part.as_mut().filter(|part| part.of == Of::Text) {
            part.annotated += 1;
            sink(Event::Fill { at: part.at, delta: Delta::Citation { origin: Dialect::Responses, raw } });
        }
    }

    /// More of a call's input. Of a call that has not begun the end tells all.
    fn input(&mut self, index: u64, delta: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let item = self.open.iter_mut().rfind(|item| item.index == index);
        let part = item.and_then(|item| item.part.as_mut()).filter(|part| part.of == Of::Call);
        if let Some(part) = part.filter(|_| !delta.bytes().is_empty()) {
            part.told = true;
            sink(Event::Fill { at: part.at, delta: Delta::Input(delta) });
        }
    }

    /// An event of an item that only this protocol knows; of another, a sign of life.
    fn other(&mut self, index: u64, event: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let item = self.open.iter().rfind(|item| item.index == index);
        match item.and_then(|item| item.part).filter(|part| part.of == Of::Foreign) {
            Some(part) => sink(Event::Fill { at: part.at, delta: Delta::Foreign(event) }),
            None => sink(Event::Ping),
        }
        Ok(())
    }

    /// An item has ended: what of it has not been told.
    fn done(&mut self, index: u64, raw: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let whole = Whole::of(raw);
        let Some(place) = self.item(index, whole.kind, sink) else { return };
        match self.open[place].kind {
            Kind::Message => {
                let begun = self.open[place].begun;
                // Of the last one that has begun some annotations may not have been told.
                if let (Some(part), Some(last)) = (self.open[place].part, begun.checked_sub(1))
                    && let Some(content) = whole.content.and_then(|all| all.elements().nth(last))
                {
                    self.content(place, part.number, content, sink);
                }
                for (nth, part) in whole.content.iter().flat_map(|all| all.elements()).enumerate().skip(begun) {
                    // Numbers of their own, for those that were told may have begun at 1.
                    self.close_part(place, sink);
                    self.content(place, nth as u64, part, sink);
                }
            }
            Kind::Reasoning => self.reasoning_done(place, &whole, sink),
            Kind::Call(_) if !whole.name.bytes().is_empty() || self.open[place].part.is_some() => {
                self.begin_call(place, &whole, sink);
                if let (Some(part), Some(input)) = (self.open[place].part.filter(|part| !part.told), whole.input)
                    && !input.bytes().is_empty()
                {
                    sink(Event::Fill { at: part.at, delta: Delta::Input(input) });
                }
            }
            Kind::Call(_) => {}
            Kind::Image => self.image(&whole, sink),
            Kind::Foreign => match self.open[place].part {
                Some(part) => {
                    let event = [br#"{"type":"response.output_item.done","item":"#, raw.bytes(), b"}"].concat();
                    let raw = Raw::at(&event, Span::new(0, event.len()));
                    sink(Event::Fill { at: part.at, delta: Delta::Foreign(raw) });
                }
                None => {
                    let kind = PartKind::Foreign { origin: Dialect::Responses, raw };
                    self.begin(place, Of::Foreign, 0, kind, sink);
                }
            },
        }
        self.close_part(place, sink);
        self.open.remove(place);
    }

    fn reasoning_done(&mut self, place: usize, whole: &Whole<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Item { summed, thought, .. } = self.open[place];
        for (told, of, all) in [(summed, Of::Summary, whole.summary), (thought, Of::Thought, whole.content)] {
            let texts = all.iter().flat_map(|all| all.elements()).filter_map(|part| part.find("text")?.as_str());
            for (number, text) in (0..).zip(texts).filter(|(_, text)| !told && !text.bytes().is_empty()) {
                self.tell(place, of, number, text, sink);
            }
        }
        let Some(sealed) = whole.encrypted.filter(|sealed| !sealed.bytes().is_empty()) else { return };
        let seal = Seal::read(Dialect::Responses, SealKind::Encrypted, Text::from(sealed));
        if seal.kind == SealKind::Call && self.open[place].part.is_none() {
            self.seal = Some(seal.into_owned());
            return;
        }
        let at = match self.open[place].part {
            Some(part) => part.at,
            None => self.begin(place, Of::Summary, 0, PartKind::Reasoning { summary: true }, sink),
        };
        sink(Event::Fill { at, delta: Delta::Seal(seal) });
    }

    fn image(&mut self, whole: &Whole<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Some(base64) = whole.result.filter(|bytes| !bytes.bytes().is_empty()) else { return };
        let media_type: &[u8] = match whole.format.bytes() {
            b"jpeg" => b"image/jpeg",
            b"webp" => b"image/webp",
            b"gif" => b"image/gif",
            b"svg" => b"image/svg+xml",
            _ => b"image/png",
        };
        let at = self.next;
        self.next = self.next.saturating_add(1);
        sink(Event::Open { at, kind: PartKind::Media });
        sink(Event::Fill { at, delta: Delta::Media { media_type: inside(media_type), base64 } });
        sink(Event::Close { at });
    }

    /// The last event, or a whole answer: what no event before has told, and how it ends.
    fn end(
        &mut self,
        name: &[u8],
        response: Option<Raw<'_>>,
        event: Raw<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), BadUpstream> {
        let (mut status, mut output, mut usage, mut reason) = (name, None, None, None);
        for (member, value) in response.iter().flat_map(|response| response.members()) {
            match (member.bytes(), value.as_str()) {
                (b"status", Some(said)) if name == b"done" => status = said.bytes(),
                (b"output", _) => output = Some(value),
                (b"usage", _) if value.is_object() => usage = Some(value),
                (b"incomplete_details", _) => reason = value.find("reason").and_then(Raw::as_str),
                _ => {}
            }
        }
        if let Some(usage) = usage.filter(|_| self.place == Place::Inside) {
            sink(Event::Usage(Usage::openai(usage.bytes())));
        }
        if matches!(status, b"failed" | b"cancelled") {
            self.close_all(sink);
            self.place = Place::Ended;
            let mut failure = error::failure(200, event.bytes());
            if status == b"cancelled" {
                failure = Failure { message: "the upstream cancelled the answer".into(), ..failure };
            }
            sink(Event::Fail(failure));
            return Ok(());
        }
        while let Some(item) = self.open.first() {
            let index = item.index;
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            match output.and_then(|output| output.elements().nth(place)).filter(|item| item.is_object()) {
                Some(item) => self.done(index, item, sink),
                None => {
                    self.close_part(0, sink);
                    self.open.remove(0);
                }
            }
        }
        let told = usize::try_from(self.items).unwrap_or(usize::MAX);
        for (index, item) in (0..).zip(output.iter().flat_map(|output| output.elements())).skip(told) {
            self.done(index, item, sink);
        }
        let stop = match (status, reason.map(Escaped::bytes)) {
            (b"incomplete", Some(b"content_filter")) => Stop::Filter,
            (b"incomplete", _) => Stop::Length,
            _ => Stop::EndTurn,
        };
        self.close_all(sink);
        self.place = Place::Ended;
        sink(Event::Stop(stop.settled(self.called)));
        sink(Event::End);
        Ok(())
    }

    /// Tells a whole answer.
    pub(super) fn whole(mut self, response: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let (mut output, mut failed, mut status) = (false, false, Escaped::EMPTY);
        for (name, value) in response.members() {
            match name.bytes() {
                b"output" => output = value.is_array(),
                b"error" => failed = !value.is_null(),
                b"status" => status = value.as_str().unwrap_or(status),
                _ => {}
            }
        }
        match status.bytes() {
            _ if failed || matches!(status.bytes(), b"failed" | b"cancelled") => {
                self.end(if failed { b"failed" } else { status.bytes() }, Some(response), response, sink)
            }
            b"queued" | b"in_progress" => Err(BadUpstream("the answer is not ready")),
            _ if !output => Err(BadUpstream("it is no answer")),
            _ => {
                self.start(Some(response), sink);
                self.end(b"done", Some(response), response, sink)
            }
        }
    }

    fn close_all(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        for item in self.open.drain(..) {
            if let Some(part) = item.part {
                sink(Event::Close { at: part.at });
            }
        }
    }

    fn fail(&mut self, message: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        self.close_all(sink);
        self.place = Place::Ended;
        sink(Event::Fail(Failure { fault: Fault::BadGateway, message: message.into(), code: "".into() }));
    }
}

#[cfg(test)]
#[path = "stream_in_test.rs"]
mod tests;
