//! Reads a Chat upstream's stream.
//!
//! Text, refusal and reasoning follow each other: a delta of another kind closes the one before. Calls stay open
//! until a reason to stop comes, for their deltas may be interleaved. Usage may come before, with or behind that
//! reason, so the answer ends at `[DONE]` or the end of the stream only. Choices other than the first are not read: a
//! request for more than one is reported when it is written. Members of a chunk that nobody here knows are not told.
//!
//! Nearly all chunks tell a piece of one text and are else the same: such a one casts a mould, and the next that fits it is
//! not read but for its text.

use smallvec::SmallVec;

use super::calls_in::{Calls, Said};
use super::detail::{self, Detail};
use super::error;
use super::reasoning_in::{self, Thought};
use super::weighed_in::Weighed;
use crate::base::span::Span;
use crate::json::mould::{Idle, Mould};
use crate::json::{self, Escaped, Raw, Writer};
use crate::limits::ORDER_PARTS_MAX;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, Delta, Event, Failure, PartKind, Source, Stop, StreamDecoder};
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
    calls: Calls,
    called: bool,
    /// Whether a choice has had a message, or a piece of one.
    told: bool,
    /// Whether thoughts are told by `reasoning_content`, so that `reasoning_details` only repeat their text.
    thought: bool,
    /// Whether the part that is being told has its seal, and how much it told where it is a thought.
    sealed: bool,
    thought_bytes: usize,
    /// Whether the text has been said to rest on something.
    cited: bool,
    /// Whether the sound has been named.
    named: bool,
    weighed: Weighed,
    /// The last chunk, where it only told a piece of such a text.
    mould: Mould,
    moulded: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Stopped,
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Refusal,
    Reasoning,
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
        if let Some(text) = self.mould.fill(frame.data).filter(|_| frame.event.is_empty()) {
            self.say(self.moulded, text, sink);
            return Ok(());
        }
        self.mould.clear();
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
                self.fail(Fault::BadGateway, "the upstream ended its stream early", sink);
            }
        }
        self.place = Place::Ended;
    }
}

impl Stream {
    /// Whether an answer has begun and no reason to stop was seen.
    pub(super) fn is_inside(&self) -> bool {
        self.place == Place::Inside
    }

    /// Whether the answer so far tells no message at all.
    pub(super) fn is_untold(&self) -> bool {
        self.place != Place::Ended && !self.told
    }

    pub(super) fn chunk(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let (mut id, mut model) = (Escaped::EMPTY, Escaped::EMPTY);
        let (mut choices, mut usage, mut groq, mut failed, mut cited) = (None, None, None, None, None);
        let mut idle = Idle::default();
        for (name, value) in json::members(frame.data) {
            // Names are read when the answer starts, and what is no object says nothing.
            idle.add(frame.data, value);
            match name.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"model" => model = value.as_str().unwrap_or(model),
                b"choices" => choices = Some(value),
                b"usage" if value.is_object() => usage = Some(value),
                b"x_groq" => groq = value.find("usage").filter(|usage| usage.is_object()),
                b"error" if !value.is_null() => failed = Some(value.bytes()),
                // Perplexity repeats them in every event, xAI tells them in the last.
                b"citations" if value.is_array() => cited = Some(value),
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
        let (mut spent, mut only) = (None, None);
        for (nth, choice) in choices.iter().flat_map(|choices| choices.elements()).enumerate() {
            only = self.choice(choice, cited, &mut spent, sink).filter(|_| nth == 0);
        }
        let spent = usage.or(groq).map(|usage| Usage::openai(usage.bytes())).or(spent);
        if let Some(usage) = spent.filter(|_| self.place != Place::Ended) {
            sink(Event::Usage(usage));
        } else if let Some((kind, text)) = only.filter(|_| self.place == Place::Inside && frame.event.is_empty()) {
            self.moulded = kind;
            self.mould.cast(frame.data, text, idle);
        }
        Ok(())
    }

    /// Tells a choice. What it tells is returned where that is a piece of one text and nothing else.
    fn choice<'a>(
        &mut self,
        choice: Raw<'a>,
        cited: Option<Raw<'_>>,
        usage: &mut Option<Usage>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Option<(Kind, Escaped<'a>)> {
        let (mut delta, mut reason, mut word, mut whole) = (None, None, None, false);
        let (mut more, mut told) = (false, false);
        for (name, value) in choice.members() {
            told |= matches!(name.bytes(), b"delta" | b"message" | b"text");
            match name.bytes() {
                b"index" if value.as_u64().is_some_and(|index| index > 0) => return None,
                b"delta" => delta = Some(value),
                // Some tell a whole message, in a stream of one event; some repeat in it what has been told.
                b"message" if delta.is_none() && self.next == 0 && value.is_object() => {
                    (delta, whole) = (Some(value), true);
                }
                // The old completions.
                b"text" if self.place == Place::Inside => {
                    more = true;
                    self.say_any(Kind::Text, value, sink);
                }
                b"finish_reason" => reason = value.as_str().filter(|reason| !reason.bytes().is_empty()),
                // vLLM: the word that ended it.
                b"stop_reason" => word = value.as_str(),
                b"logprobs" if value.is_object() && self.place == Place::Inside => {
                    more = true;
                    self.weighed.add(value);
                }
                // Moonshot.
                b"usage" if value.is_object() => *usage = Some(Usage::openai(value.bytes())),
                _ => {}
            }
        }
        self.told |= told;
        // Some tell the reason twice; what comes behind the first says nothing new.
        if self.place != Place::Inside {
            return None;
        }
        let only = delta.and_then(|delta| self.delta(delta, whole, sink));
        if let Some(reason) = reason.filter(|_| self.place == Place::Inside) {
            if !self.cited {
                cited.iter().flat_map(|cited| cited.elements()).for_each(|url| self.source(url, sink));
            }
            match stop(reason, word) {
                Ok(stop) => self.stop(stop, sink),
                Err((fault, message)) => self.fail(fault, message, sink),
            }
        }
        only.filter(|_| !more && usage.is_none())
    }

    /// What is added to the answer; `whole` where it is all of it. A piece of one text is returned where it adds nothing
    /// else.
    fn delta<'a>(
        &mut self,
        delta: Raw<'a>,
        whole: bool,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Option<(Kind, Escaped<'a>)> {
        let (mut content, mut calls, mut details, mut notes) = (None, None, None, None);
        let (mut refusal, mut images, mut audio, mut old) = (None, None, None, None);
        let (mut thought, mut kind, mut unknown) = (Escaped::EMPTY, Kind::Text, SmallVec::<[_; 2]>::new());
        for (name, value) in delta.members() {
            match name.bytes() {
                // Both names of one text, with some vendors at once.
                b"reasoning_content" | b"reasoning" if thought.bytes().is_empty() => {
                    thought = value.as_str().unwrap_or(thought);
                }
                b"reasoning_content" | b"reasoning" => {}
                b"reasoning_details" => details = Some(value),
                b"content" => content = Some(value),
                b"refusal" => refusal = value.as_str(),
                b"images" => images = Some(value),
                b"audio" if value.is_object() => audio = Some(value),
                b"annotations" => notes = Some(value),
                b"tool_calls" => calls = Some(value),
                b"function_call" if value.is_object() => old = Some(value),
                // Google marks its thoughts so.
                b"extra_content" => {
                    let thought = value.find("google").and_then(|google| google.find("thought"));
                    if thought.and_then(Raw::as_bool) == Some(true) {
                        kind = Kind::Reasoning;
                    }
                }
                b"role" => {}
                _ if whole && !value.is_null() => unknown.push((name, value)),
                _ => {}
            }
        }
        old.into_iter().for_each(|old| self.call(&Said::old(old), sink));
        match whole {
            true => self.thoughts(details, thought, sink),
            false => {
                self.thought |= !thought.bytes().is_empty();
                self.say(Kind::Reasoning, thought, sink);
                details.iter().flat_map(|details| details.elements()).for_each(|detail| self.detail(detail, sink));
            }
        }
        if let Some(content) = content {
            self.content(kind, content, sink);
        }
        notes.iter().flat_map(|notes| notes.elements()).for_each(|note| self.note(note, sink));
        refusal.into_iter().for_each(|refusal| self.say(Kind::Refusal, refusal, sink));
        audio.into_iter().for_each(|audio| self.audio(audio, whole, sink));
        images.iter().flat_map(|images| images.elements()).for_each(|image| self.image(image, sink));
        for (nth, call) in calls.iter().flat_map(|calls| calls.elements()).enumerate() {
            let mut said = Said::of(call);
            if whole {
                said.stand(nth as u64);
            }
            self.call(&said, sink);
        }
        if !unknown.is_empty() && self.place == Place::Inside {
            self.foreign(unknown.iter().copied(), sink);
        }
        let more = whole || old.is_some() || refusal.is_some() || audio.is_some();
        let is_none = |value: &Option<Raw<'_>>| value.is_none_or(Raw::is_null);
        let alone = !more && [details, notes, images, calls].iter().all(is_none);
        alone.then(|| piece(content, kind, thought)).flatten()
    }

    fn content(&mut self, kind: Kind, content: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(text) = content.as_str() {
            return self.say(kind, text, sink);
        }
        // Mistral: parts, thoughts as lists of texts among them.
        for part in content.elements() {
            for (name, value) in part.members() {
                match name.bytes() {
                    b"text" => self.say_any(kind, value, sink),
                    b"thinking" if value.is_array() => {
                        for text in value.elements().filter_map(|part| part.find("text")) {
                            self.say_any(Kind::Reasoning, text, sink);
                        }
                    }
                    b"thinking" => self.say_any(Kind::Reasoning, value, sink),
                    b"image_url" => self.image(part, sink),
                    _ => {}
                }
            }
        }
    }

    /// OpenRouter's form of reasoning; its text only where no other member tells it.
    fn detail(&mut self, entry: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Detail { text, seal, .. } = detail::read(entry);
        if let Some(text) = text.filter(|_| !self.thought) {
            self.say(Kind::Reasoning, text, sink);
        }
        // Each seal closes a part of its own.
        if seal.is_some() && self.sealed {
            self.close_current(sink);
        }
        // A signature of other text than what this part told is none of it.
        let fits = |text: Escaped<'_>| !self.thought || text.bytes().len() == self.thought_bytes;
        if let Some(seal) = seal.filter(|seal| seal.kind != SealKind::Signature || text.is_none_or(fits)) {
            let at = self.opened(Kind::Reasoning, sink);
            self.sealed = true;
            sink(Event::Fill { at, delta: Delta::Seal(seal) });
        }
    }

    /// The thoughts of a whole message.
    fn thoughts<'a>(&mut self, details: Option<Raw<'a>>, said: Escaped<'a>, sink: &mut impl FnMut(Event<'_>)) {
        let mut parts = Vec::new();
        reasoning_in::thoughts(details, Text::from(said), &mut parts);
        for Thought { text, summary, seal, .. } in parts {
            let at = self.number();
            sink(Event::Open { at, kind: PartKind::Reasoning { summary } });
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                sink(Event::Fill { at, delta: Delta::Text(text.escaped()) });
            }
            seal.into_iter().for_each(|seal| sink(Event::Fill { at, delta: Delta::Seal(seal) }));
            sink(Event::Close { at });
        }
    }

    /// A citation of the text that is being told.
    fn note(&mut self, raw: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.cited = true;
        let at = self.opened(Kind::Text, sink);
        sink(Event::Fill { at, delta: Delta::Citation { origin: Dialect::Chat, raw } });
    }

    /// A mere URL that the answer rests on, in the words that OpenAI has for one.
    fn source(&mut self, url: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (Some(url), Some((_, Kind::Text))) = (url.as_str(), self.current) else { return };
        let mut note = Vec::new();
        let mut json = Writer::new(&mut note);
        json.begin_object().key("type").string("url_citation").key("url_citation").begin_object();
        json.key("url").escaped(url).key("title").escaped(url);
        json.key("start_index").u64(0).key("end_index").u64(0).end().end();
        self.note(Raw::at(&note, Span::new(0, note.len())), sink);
    }

    fn image(&mut self, image: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let url = image.find("image_url").and_then(|image| image.as_str().or_else(|| image.find("url")?.as_str()));
        if let Some((Source::Base64(base64), Some(media_type))) = url.map(|url| media::source(Text::from(url))) {
            self.media(media_type.escaped(), base64.escaped(), sink);
        }
    }

    /// Sound: what it says, its bytes, and what Chat's clients name it by in the next turn.
    fn audio(&mut self, audio: Raw<'_>, whole: bool, sink: &mut impl FnMut(Event<'_>)) {
        let mut names = SmallVec::<[_; 2]>::new();
        let mut data = None;
        for (name, value) in audio.members() {
            match name.bytes() {
                b"transcript" => self.say_any(Kind::Text, value, sink),
                b"data" => data = value.as_str().filter(|data| !data.bytes().is_empty()),
                _ if !value.is_null() && !self.named => names.push((name, value)),
                b"expires_at" if !value.is_null() => names.push((name, value)),
                _ => {}
            }
        }
        if !names.is_empty() {
            self.named = true;
            let mut named = Vec::new();
            object(names.iter().copied(), &mut named);
            self.foreign([(Text::constant("audio").escaped(), Raw::at(&named, Span::new(0, named.len())))], sink);
        }
        if let Some(data) = data {
            // Streams have one format; a whole answer has the one that was asked for, which it does not name.
            let media_type = Text::constant(if whole { "audio/wav" } else { "audio/pcm" });
            self.media(media_type.escaped(), data, sink);
        }
    }

    fn media(&mut self, media_type: Escaped<'_>, base64: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.close_current(sink);
        let at = self.number();
        sink(Event::Open { at, kind: PartKind::Media });
        sink(Event::Fill { at, delta: Delta::Media { media_type, base64 } });
        sink(Event::Close { at });
    }

    /// Members of the message that only Chat knows, as an object.
    fn foreign<'m>(
        &mut self,
        members: impl IntoIterator<Item = (Escaped<'m>, Raw<'m>)>,
        sink: &mut impl FnMut(Event<'_>),
    ) {
        let mut raw = Vec::new();
        object(members, &mut raw);
        self.close_current(sink);
        let at = self.number();
        let raw = Raw::at(&raw, Span::new(0, raw.len()));
        sink(Event::Open { at, kind: PartKind::Foreign { origin: Dialect::Chat, raw } });
        sink(Event::Close { at });
    }

    fn call(&mut self, said: &Said<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Some(place) = self.calls.place(said) else {
            // Input for a call that never began.
            if said.name.bytes().is_empty() || self.place != Place::Inside {
                return;
            }
            // An answer without one of its calls must not look whole.
            if self.calls.len() == ORDER_PARTS_MAX {
                return self.fail(Fault::BadGateway, "the upstream calls too many tools", sink);
            }
            self.close_current(sink);
            let at = self.number();
            self.called = true;
            let (name, kind) = (said.name, said.kind);
            // Results go by the id: a second call with the same one gets one of its own.
            let id = if self.calls.knows(said.id) { Escaped::EMPTY } else { said.id };
            sink(Event::Open { at, kind: PartKind::ToolCall { id, name, namespace: Escaped::EMPTY, kind } });
            return self.calls.begin(at, said).add(said, sink);
        };
        self.calls.at(place).add(said, sink);
    }

    fn say_any(&mut self, kind: Kind, value: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(text) = value.as_str() {
            self.say(kind, text, sink);
        }
    }

    fn say(&mut self, kind: Kind, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if !text.bytes().is_empty() {
            if self.sealed {
                self.close_current(sink);
            }
            let at = self.opened(kind, sink);
            if kind == Kind::Reasoning {
                self.thought_bytes += text.bytes().len();
            }
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
        (self.sealed, self.thought_bytes) = (false, 0);
        if let Some((at, _)) = self.current.take() {
            sink(Event::Close { at });
        }
    }

    fn close_all(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.close_current(sink);
        self.calls.close(sink);
    }

    fn fail(&mut self, fault: Fault, message: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        self.close_all(sink);
        self.place = Place::Ended;
        sink(Event::Fail(Failure { fault, message: message.into(), code: "".into() }));
    }

    pub(super) fn stop(&mut self, stop: Stop<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.close_all(sink);
        if let Some(weighed) = self.weighed.take() {
            let weighed = Raw::at(&weighed, Span::new(0, weighed.len()));
            self.foreign([(Text::constant("logprobs").escaped(), weighed)], sink);
        }
        self.place = Place::Stopped;
        sink(Event::Stop(stop.settled(self.called)));
    }
}

/// The text of a delta, where it tells one.
fn piece<'a>(content: Option<Raw<'a>>, kind: Kind, thought: Escaped<'a>) -> Option<(Kind, Escaped<'a>)> {
    match content.and_then(Raw::as_str).filter(|text| !text.bytes().is_empty()) {
        Some(text) => thought.bytes().is_empty().then_some((kind, text)),
        None if thought.bytes().is_empty() || content.is_some_and(Raw::is_array) => None,
        None => Some((Kind::Reasoning, thought)),
    }
}

/// Why the answer ends, or how it failed where a vendor says that as a reason.
fn stop<'a>(reason: Escaped<'_>, word: Option<Escaped<'a>>) -> Result<Stop<'a>, (Fault, &'static str)> {
    Ok(match reason.bytes() {
        b"length" | b"max_tokens" | b"model_length" => Stop::Length,
        b"tool_calls" | b"function_call" => Stop::ToolUse,
        b"content_filter" => Stop::Filter,
        b"refusal" => Stop::Refusal,
        b"error" => return Err((Fault::BadGateway, "the upstream broke off its answer")),
        // DeepSeek.
        b"insufficient_system_resource" => return Err((Fault::Overloaded, "the upstream ran out of resources")),
        _ => match word.filter(|word| !matches!(word.bytes(), b"" | b"stop" | b"end_turn" | b"tool_use")) {
            Some(word) => Stop::Word(word),
            None => Stop::EndTurn,
        },
    })
}

/// Appends an object of these members.
fn object<'m>(members: impl IntoIterator<Item = (Escaped<'m>, Raw<'m>)>, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object();
    members.into_iter().for_each(|(name, value)| _ = json.key(&name.decode()).raw(value));
    json.end();
}

#[cfg(test)]
#[path = "stream_in_test.rs"]
mod tests;
