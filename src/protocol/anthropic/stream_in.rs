//! Reads a stream of Messages.
//!
//! Blocks are named by an index and told as parts in the order in which they begin. What is not known (server tools,
//! their results, compaction) is a foreign part and its deltas go with it. Counts of `message_start` hold until
//! `message_delta` says others. Anthropic-compatible upstreams leave things out: a block that nobody began begins with
//! its first delta, and one that nobody stopped stops with the message.
//!
//! A delta of text casts a mould: the next that fits it is not read but for its text.

use smallvec::SmallVec;

use super::error;
use super::response_in::{called, seal, stop};
use crate::json::mould::{Idle, Mould};
use crate::json::{self, Escaped, Raw};
use crate::limits::ORDER_PARTS_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, Delta, Event, Failure, PartKind, Stop, StreamDecoder};
use crate::protocol::sniff::Usage;
use crate::sse::{Frame, FrameKind, Framing};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    place: Place,
    next: u32,
    open: SmallVec<[Block; 2]>,
    called: bool,
    usage: Usage,
    /// The last delta of text or input, and its part.
    mould: Mould,
    moulded: Moulded,
}

/// What a delta that fits the mould adds to.
#[derive(Clone, Copy, Debug, Default)]
struct Moulded {
    at: u32,
    input: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Stopped,
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    index: u64,
    at: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Call {
        /// Whether the input came whole as the block began.
        whole: bool,
    },
    Foreign,
}

/// The members of an event that say something.
#[derive(Clone, Copy, Debug, Default)]
struct Said<'a> {
    kind: Option<Escaped<'a>>,
    index: u64,
    block: Option<Raw<'a>>,
    delta: Option<Raw<'a>>,
    message: Option<Raw<'a>>,
    usage: Option<Raw<'a>>,
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
            let Moulded { at, input } = self.moulded;
            if !text.bytes().is_empty() {
                sink(Event::Fill { at, delta: if input { Delta::Input(text) } else { Delta::Text(text) } });
            }
            return Ok(());
        }
        self.mould.clear();
        if json::value(frame.data).is_err() {
            return Err(BadUpstream("an event is not JSON"));
        }
        let mut said = Said::default();
        for (name, value) in json::members(frame.data) {
            match name.bytes() {
                b"type" => said.kind = value.as_str(),
                b"index" => said.index = value.as_u64().unwrap_or(0),
                b"content_block" if value.is_object() => said.block = Some(value),
                b"delta" if value.is_object() => said.delta = Some(value),
                b"message" if value.is_object() => said.message = Some(value),
                b"usage" if value.is_object() => said.usage = Some(value),
                _ => {}
            }
        }
        let kind = said.kind.map_or(frame.event, Escaped::bytes);
        self.told(kind, said, frame.data, sink)
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        match self.place {
            Place::Ended => {}
            Place::Stopped => {
                self.place = Place::Ended;
                sink(Event::End);
            }
            Place::Before | Place::Inside => self.fail("the upstream ended its stream early", sink),
        }
    }
}

impl Stream {
    fn told(
        &mut self,
        kind: &[u8],
        said: Said<'_>,
        whole: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), BadUpstream> {
        match (kind, self.place) {
            (b"ping", _) => sink(Event::Ping),
            (b"error", _) => {
                self.close_all(sink);
                self.place = Place::Ended;
                sink(Event::Fail(error::failure(0, whole)));
            }
            (b"message_start", Place::Before) => {
                let message = said.message.ok_or(BadUpstream("a start without its message"))?;
                self.start(Some(message), sink);
            }
            (b"message_start", _) => return Err(BadUpstream("an answer starts twice")),
            (b"message_stop", _) => {
                self.start(None, sink);
                // Whoever says that it is done has said so, also without a reason.
                self.stop(Stop::EndTurn, sink);
                self.finish(sink);
            }
            (b"message_delta", _) => {
                self.start(None, sink);
                self.message_delta(said, sink);
            }
            (_, Place::Stopped) => return Err(BadUpstream("a block behind the reason to stop")),
            (b"content_block_start", _) => {
                let block = said.block.ok_or(BadUpstream("a start without its block"))?;
                self.start(None, sink);
                self.block(said.index, block, sink);
            }
            (b"content_block_delta", _) => {
                let delta = said.delta.ok_or(BadUpstream("a delta that says nothing"))?;
                self.start(None, sink);
                let told = self.delta(said.index, delta, sink)?;
                // Without a type the event's name says what it is, which is not in its text.
                if let Some((text, moulded)) = told.filter(|_| said.kind.is_some()) {
                    self.moulded = moulded;
                    self.mould.cast(whole, text, Idle::default());
                }
            }
            (b"content_block_stop", _) => self.close(said.index, sink),
            // Anthropic adds kinds of events and asks readers to pass over them.
            _ => {}
        }
        Ok(())
    }

    /// The answer begins, unless it has.
    fn start(&mut self, message: Option<Raw<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        if self.place != Place::Before {
            return;
        }
        self.place = Place::Inside;
        let (mut id, mut model, mut usage) = (Escaped::EMPTY, Escaped::EMPTY, None);
        for (name, value) in message.iter().flat_map(|message| message.members()) {
            match name.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"model" => model = value.as_str().unwrap_or(model),
                b"usage" if value.is_object() => usage = Some(value),
                _ => {}
            }
        }
        sink(Event::Start { id, model });
        self.count(usage, sink);
    }

    fn count(&mut self, usage: Option<Raw<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(usage) = usage {
            self.usage.update(Usage::anthropic(usage.bytes()));
            sink(Event::Usage(self.usage.with_cache()));
        }
    }

    fn message_delta(&mut self, said: Said<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut reason, mut word) = (None, None);
        for (name, value) in said.delta.iter().flat_map(|delta| delta.members()) {
            match name.bytes() {
                b"stop_reason" => reason = value.as_str(),
                b"stop_sequence" => word = value.as_str(),
                _ => {}
            }
        }
        if let Some(reason) = reason {
            self.stop(stop(reason, word), sink);
        }
        self.count(said.usage, sink);
    }

    fn block(&mut self, index: u64, block: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.close(index, sink);
        let (mut kind, mut id, mut name, mut input) = (Escaped::EMPTY, Escaped::EMPTY, Escaped::EMPTY, None);
        let (mut text, mut sealed) = (Escaped::EMPTY, Escaped::EMPTY);
        for (member, value) in block.members() {
            match (member.bytes(), value.as_str()) {
                (b"type", Some(said)) => kind = said,
                (b"id", Some(said)) => id = said,
                (b"name", Some(said)) => name = said,
                (b"text" | b"thinking", Some(said)) => text = said,
                (b"signature" | b"data", Some(said)) => sealed = said,
                (b"input", None) => input = Some(value),
                _ => {}
            }
        }
        match kind.bytes() {
            b"text" => self.begin(index, Kind::Text, PartKind::Text, sink),
            b"thinking" | b"redacted_thinking" => {
                self.begin(index, Kind::Thought, PartKind::Reasoning { summary: false }, sink)
            }
            b"tool_use" => {
                let input = input.filter(|input| input.members().next().is_some());
                let at = self.begin(index, Kind::Call { whole: input.is_some() }, called(id, name), sink);
                self.called = true;
                if let (Some(at), Some(input)) = (at, input) {
                    sink(Event::Fill { at, delta: Delta::Json(input) });
                }
                None
            }
            _ => {
                let kind = PartKind::Foreign { origin: Dialect::Anthropic, raw: block };
                self.begin(index, Kind::Foreign, kind, sink);
                None
            }
        }
        .into_iter()
        .for_each(|at| {
            if !text.bytes().is_empty() {
                sink(Event::Fill { at, delta: Delta::Text(text) });
            }
            let kind = if kind.bytes() == b"thinking" { SealKind::Signature } else { SealKind::Encrypted };
            seal(kind, sealed).into_iter().for_each(|seal| sink(Event::Fill { at, delta: Delta::Seal(seal) }));
        });
    }

    /// Tells a delta. Text and input are returned with the part they are added to.
    fn delta<'a>(
        &mut self,
        index: u64,
        delta: Raw<'a>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<Option<(Escaped<'a>, Moulded)>, BadUpstream> {
        let (mut kind, mut more, mut citation) = (Escaped::EMPTY, Escaped::EMPTY, None);
        for (name, value) in delta.members() {
            match (name.bytes(), value.as_str()) {
                (b"type", Some(said)) => kind = said,
                (b"text" | b"thinking" | b"partial_json" | b"signature", Some(said)) => more = said,
                (b"citation", None) => citation = Some(value),
                _ => {}
            }
        }
        let known = self.open.iter().rev().find(|block| block.index == index).map(|block| (block.at, block.kind));
        let begun = known.or_else(|| {
            let (kind, part) = match kind.bytes() {
                b"text_delta" => (Kind::Text, PartKind::Text),
                b"thinking_delta" => (Kind::Thought, PartKind::Reasoning { summary: false }),
                _ => return None,
            };
            Some((self.begin(index, kind, part, sink)?, kind))
        });
        let (at, block) = begun.ok_or(BadUpstream("a delta of a block that is not open"))?;
        let delta = match (block, kind.bytes()) {
            (Kind::Foreign, _) => Delta::Foreign(delta),
            (Kind::Text, b"text_delta") | (Kind::Thought, b"thinking_delta") => Delta::Text(more),
            (Kind::Call { whole: false }, b"input_json_delta") => Delta::Input(more),
            (Kind::Call { whole: true }, b"input_json_delta") => return Ok(None),
            (Kind::Thought, b"signature_delta") => match seal(SealKind::Signature, more) {
                Some(seal) => Delta::Seal(seal),
                None => return Ok(None),
            },
            (Kind::Text, b"citations_delta") => {
                let raw = citation.ok_or(BadUpstream("a citation that says nothing"))?;
                Delta::Citation { origin: Dialect::Anthropic, raw }
            }
            _ => return Err(BadUpstream("a delta that does not fit its block")),
        };
        let told = match delta {
            Delta::Text(text) => Some((text, Moulded { at, input: false })),
            Delta::Input(text) => Some((text, Moulded { at, input: true })),
            _ => None,
        };
        if delta.bytes() > 0 {
            sink(Event::Fill { at, delta });
        }
        Ok(told)
    }

    /// The number of the part that begins here; nothing if the answer has failed.
    fn begin(&mut self, index: u64, kind: Kind, part: PartKind<'_>, sink: &mut impl FnMut(Event<'_>)) -> Option<u32> {
        // An answer without one of its parts must not look whole.
        if self.open.len() == ORDER_PARTS_MAX {
            self.fail("the upstream leaves too many blocks open", sink);
            return None;
        }
        let at = self.next;
        self.next = self.next.saturating_add(1);
        self.open.push(Block { index, at, kind });
        sink(Event::Open { at, kind: part });
        Some(at)
    }

    fn close(&mut self, index: u64, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(place) = self.open.iter().rposition(|block| block.index == index) {
            sink(Event::Close { at: self.open.remove(place).at });
        }
    }

    fn close_all(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.open.drain(..).for_each(|block| sink(Event::Close { at: block.at }));
    }

    fn stop(&mut self, stop: Stop<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if self.place == Place::Inside {
            self.close_all(sink);
            self.place = Place::Stopped;
            sink(Event::Stop(stop.settled(self.called)));
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
