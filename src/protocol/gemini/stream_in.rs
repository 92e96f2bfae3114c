//! Reads a Gemini upstream's stream, and its whole answer, which is a stream of one chunk.
//!
//! Every chunk is an answer with more parts. Text and thoughts of neighbouring chunks are one part until another kind or
//! a signature comes; a call and a medium are whole in one chunk. A reason to stop may stand in a chunk before the last,
//! so it is told when the stream ends. Sources are told with the last text, in Gemini's form of a citation, and what
//! the candidate says beside its parts follows as one foreign part, so that a Gemini client gets it as it was.
//!
//! Candidates other than the first are not read. Arguments that come in pieces are not asked for; they are a failure.

use super::error;
use crate::base::span::Span;
use crate::json::{self, Escaped, Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, CallKind, Delta, Event, Failure, PartKind, Seal, Stop, StreamDecoder, Text};
use crate::protocol::sniff::Usage;
use crate::sse::{Frame, FrameKind, Framing};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    place: Place,
    next: u32,
    current: Option<Current>,
    called: bool,
    stop: Option<Reason>,
    usage: Usage,
    beside: Option<Box<Beside>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Ended,
}

/// The text or thought that is being told.
#[derive(Clone, Copy, Debug)]
struct Current {
    at: u32,
    thought: bool,
    /// It has its signature: what follows is not put together with it.
    sealed: bool,
}

/// What a candidate says beside its parts, as last written.
#[derive(Debug, Default)]
struct Beside {
    grounding: Vec<u8>,
    citations: Vec<u8>,
    urls: Vec<u8>,
}

/// What a reason to stop comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Stop(Stop<'static>),
    /// An end like any other if something was said, else a failure.
    Unclear,
    Fail(Fault),
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
        let whole = Raw::parse(frame.data).map_err(|_| BadUpstream("an event is not JSON"))?;
        self.chunks(whole, sink)
    }

    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        match (self.place, self.stop) {
            (Place::Ended, _) => {}
            (Place::Inside, Some(Reason::Stop(stop))) => self.end(stop, sink),
            (Place::Inside, Some(Reason::Unclear)) if self.next > 0 => self.end(Stop::EndTurn, sink),
            (Place::Inside, Some(_)) => {
                self.fail(error::told(Fault::BadGateway, "the upstream stopped and did not say why", "OTHER"), sink);
            }
            _ => self.fail(error::told(Fault::BadGateway, "the upstream ended its stream early", ""), sink),
        }
    }
}

impl Stream {
    /// Reads a whole answer, or an array of chunks that is one.
    pub(super) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let whole = Raw::parse(body).map_err(|_| BadUpstream("the answer is not JSON"))?;
        self.chunks(whole, sink)?;
        // Nothing more comes: what copies Gemini may leave the reason out.
        if self.stop.is_none() && self.next > 0 {
            self.stop = Some(Reason::Unclear);
        }
        self.finish(sink);
        Ok(())
    }

    fn chunks(&mut self, whole: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        if !whole.is_array() {
            return self.chunk(whole, sink);
        }
        whole.elements().try_for_each(|chunk| self.chunk(chunk, sink))
    }

    fn chunk(&mut self, chunk: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        let (mut id, mut model, mut known) = (Escaped::EMPTY, Escaped::EMPTY, false);
        let (mut candidates, mut usage, mut feedback, mut failed) = (None, None, None, None);
        for (name, value) in chunk.members() {
            match name.bytes() {
                b"candidates" => candidates = Some(value),
                b"usageMetadata" => usage = Some(value),
                b"promptFeedback" => feedback = Some(value),
                b"responseId" => id = value.as_str().unwrap_or(id),
                b"modelVersion" => model = value.as_str().unwrap_or(model),
                b"error" if !value.is_null() => failed = Some(value),
                _ => continue,
            }
            known = true;
        }
        if self.place == Place::Ended {
            return Ok(());
        }
        if let Some(error) = failed {
            self.fail(error::read(0, error), sink);
            return Ok(());
        }
        if !known {
            return Err(BadUpstream("an event is no part of an answer"));
        }
        if self.place == Place::Before {
            self.place = Place::Inside;
            sink(Event::Start { id, model });
        }
        if let Some(usage) = usage {
            let before = self.usage;
            self.usage.update(Usage::gemini(usage.bytes()));
            if self.usage != before {
                sink(Event::Usage(self.usage));
            }
        }
        for candidate in candidates.iter().flat_map(|candidates| candidates.elements()) {
            self.candidate(candidate, sink);
        }
        let blocked = feedback.and_then(|feedback| feedback.find("blockReason")).and_then(Raw::as_str);
        if blocked.is_some_and(|reason| !reason.eq_str("BLOCKED_REASON_UNSPECIFIED")) {
            self.stop = Some(Reason::Stop(Stop::Filter));
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut content, mut reason, mut message) = (None, Escaped::EMPTY, Escaped::EMPTY);
        let (mut grounding, mut citations, mut urls) = (None, None, None);
        for (name, value) in candidate.members() {
            match name.bytes() {
                b"index" if value.as_u64().is_some_and(|index| index > 0) => return,
                b"content" => content = Some(value),
                b"finishReason" => reason = value.as_str().unwrap_or(reason),
                b"finishMessage" => message = value.as_str().unwrap_or(message),
                b"groundingMetadata" => grounding = said(value),
                b"citationMetadata" => citations = said(value),
                b"urlContextMetadata" => urls = said(value),
                _ => {}
            }
        }
        let parts = content.and_then(|content| content.members().find(|(name, _)| name.eq_str("parts")));
        match parts.map(|(_, parts)| parts) {
            // Some say a single part without the list around it.
            Some(part) if part.is_object() => self.part(part, sink),
            Some(parts) => parts.elements().for_each(|part| self.part(part, sink)),
            None => {}
        }
        if grounding.is_some() || citations.is_some() || urls.is_some() {
            let beside = self.beside.get_or_insert_default();
            keep(&mut beside.grounding, grounding);
            keep(&mut beside.citations, citations);
            keep(&mut beside.urls, urls);
        }
        if reason.bytes().is_empty() || reason.eq_str("FINISH_REASON_UNSPECIFIED") || self.place == Place::Ended {
            return;
        }
        match stop(reason) {
            Reason::Fail(fault) => {
                let message = match message.bytes() {
                    [] => format!("the upstream stopped: {}", reason.decode()).into(),
                    _ => message.decode(),
                };
                self.fail(Failure { fault, message, code: reason.decode() }, sink);
            }
            reason => self.stop = Some(reason),
        }
    }

    fn part(&mut self, part: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut text, mut thought, mut seal, mut call) = (None, false, Escaped::EMPTY, None);
        let (mut inline, mut foreign) = (None, false);
        for (name, value) in part.members() {
            match name.bytes() {
                b"text" => text = value.as_str(),
                b"thought" => thought = value.as_bool() == Some(true),
                b"thoughtSignature" => seal = value.as_str().unwrap_or(seal),
                b"functionCall" => call = Some(value),
                b"inlineData" => inline = Some(value),
                b"partMetadata" | b"mediaResolution" | b"videoMetadata" => {}
                _ => foreign = true,
            }
        }
        let seal = |kind| match seal.bytes() {
            [] => None,
            _ => Some(Seal::read(Dialect::Gemini, kind, Text::from(seal))),
        };
        match (call, inline, text) {
            _ if self.place == Place::Ended => {}
            (Some(call), ..) => self.call(call, seal(SealKind::Call), sink),
            // A picture in a thought is a draft of the one that follows.
            (None, Some(inline), _) if !thought && !foreign => {
                self.media(inline, sink);
                self.say(Escaped::EMPTY, true, seal, sink);
            }
            (None, None, text) if !foreign => self.say(text.unwrap_or(Escaped::EMPTY), thought, seal, sink),
            _ => {
                let at = self.begin(PartKind::Foreign { origin: Dialect::Gemini, raw: part }, sink);
                sink(Event::Close { at });
            }
        }
    }

    fn say<'a>(
        &mut self,
        text: Escaped<'a>,
        thought: bool,
        seal: impl Fn(SealKind) -> Option<Seal<'a>>,
        sink: &mut impl FnMut(Event<'_>),
    ) {
        let seal = seal(SealKind::Signature);
        // A signature on nothing belongs to what stands before it, or else to a thought of which nothing is shown.
        let thought = match self.current {
            Some(current) if text.bytes().is_empty() => thought || current.thought,
            None if text.bytes().is_empty() => true,
            _ => thought,
        };
        if !text.bytes().is_empty() {
            if self.current.is_some_and(|current| current.sealed) {
                self.close(sink);
            }
            let at = self.opened(thought, sink);
            sink(Event::Fill { at, delta: Delta::Text(text) });
        }
        if let Some(seal) = seal {
            let at = self.opened(thought, sink);
            sink(Event::Fill { at, delta: Delta::Seal(seal) });
            self.current = Some(Current { at, thought, sealed: true });
        }
    }

    fn call(&mut self, call: Raw<'_>, seal: Option<Seal<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut id, mut name, mut args, mut pieces) = (Escaped::EMPTY, Escaped::EMPTY, None, false);
        for (member, value) in call.members() {
            match member.bytes() {
                b"id" => id = value.as_str().unwrap_or(id),
                b"name" => name = value.as_str().unwrap_or(name),
                b"args" => args = Some(value).filter(|args| args.is_object()),
                b"partialArgs" => pieces = true,
                b"willContinue" => pieces |= value.as_bool() == Some(true),
                _ => {}
            }
        }
        if name.bytes().is_empty() || pieces {
            // An answer without one of its calls must not look whole.
            return self.fail(error::told(Fault::BadGateway, "the upstream calls a tool in pieces", ""), sink);
        }
        self.called = true;
        let at = self.begin(PartKind::ToolCall { id, name, namespace: Escaped::EMPTY, kind: CallKind::Function }, sink);
        if let Some(seal) = seal {
            sink(Event::Fill { at, delta: Delta::Seal(seal) });
        }
        let args = args.unwrap_or(Raw::at(b"{}", Span::new(0, 2)));
        sink(Event::Fill { at, delta: Delta::Json(args) });
        sink(Event::Close { at });
    }

    fn media(&mut self, inline: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let (mut media_type, mut base64) = (Escaped::EMPTY, Escaped::EMPTY);
        for (name, value) in inline.members() {
            match (name.bytes(), value.as_str()) {
                (b"mimeType", Some(text)) => media_type = text,
                (b"data", Some(text)) => base64 = text,
                _ => {}
            }
        }
        let at = self.begin(PartKind::Media, sink);
        sink(Event::Fill { at, delta: Delta::Media { media_type, base64 } });
        sink(Event::Close { at });
    }

    /// Opens a part of its own.
    fn begin(&mut self, kind: PartKind<'_>, sink: &mut impl FnMut(Event<'_>)) -> u32 {
        self.close(sink);
        let at = self.next;
        self.next = self.next.saturating_add(1);
        sink(Event::Open { at, kind });
        at
    }

    /// The number of the open text or thought, which opens if it has to.
    fn opened(&mut self, thought: bool, sink: &mut impl FnMut(Event<'_>)) -> u32 {
        if let Some(current) = self.current.filter(|current| current.thought == thought) {
            return current.at;
        }
        let at = self.begin(if thought { PartKind::Reasoning { summary: false } } else { PartKind::Text }, sink);
        self.current = Some(Current { at, thought, sealed: false });
        at
    }

    fn close(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(current) = self.current.take() {
            sink(Event::Close { at: current.at });
        }
    }

    fn end(&mut self, stop: Stop<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let beside = self.beside.take();
        if let (Some(Current { at, thought: false, .. }), Some(beside)) = (self.current, &beside) {
            let mut cite = |raw: Raw<'_>| {
                sink(Event::Fill { at, delta: Delta::Citation { origin: Dialect::Gemini, raw } });
            };
            json::find(&beside.citations, "citations").iter().flat_map(|list| list.elements()).for_each(&mut cite);
            grounded(&beside.grounding, &mut cite);
        }
        self.close(sink);
        if let Some(beside) = &beside {
            let raw = beside.written();
            if let Ok(raw) = Raw::parse(&raw) {
                let at = self.begin(PartKind::Foreign { origin: Dialect::Gemini, raw }, sink);
                sink(Event::Close { at });
            }
        }
        self.place = Place::Ended;
        sink(Event::Stop(stop.settled(self.called)));
        sink(Event::End);
    }

    fn fail(&mut self, failure: Failure<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.close(sink);
        self.place = Place::Ended;
        sink(Event::Fail(failure));
    }
}

impl Beside {
    /// An object of the members that were said.
    fn written(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (name, value) in [
            (&b"\"groundingMetadata\":"[..], &self.grounding),
            (b"\"citationMetadata\":", &self.citations),
            (b"\"urlContextMetadata\":", &self.urls),
        ] {
            if !value.is_empty() {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(name);
                out.extend_from_slice(value);
            }
        }
        out.push(b'}');
        out
    }
}

fn said(value: Raw<'_>) -> Option<Raw<'_>> {
    value.members().next().map(|_| value)
}

fn keep(have: &mut Vec<u8>, said: Option<Raw<'_>>) {
    if let Some(said) = said {
        have.clear();
        have.extend_from_slice(said.bytes());
    }
}

/// Tells each source of each supported segment as a citation; sources that support none, without a place.
fn grounded(grounding: &[u8], cite: &mut impl FnMut(Raw<'_>)) {
    let (mut chunks, mut supports) = (None, None);
    for (name, value) in json::members(grounding) {
        match name.bytes() {
            b"groundingChunks" => chunks = Some(value),
            b"groundingSupports" => supports = Some(value),
            _ => {}
        }
    }
    let Some(chunks) = chunks else { return };
    let sources: Vec<_> = chunks.elements().map(|chunk| chunk.members().next().map(|(_, source)| source)).collect();
    let mut cited = vec![false; sources.len()];
    let mut out = Vec::new();
    let mut tell = |source: Raw<'_>, segment: Option<Raw<'_>>| {
        out.clear();
        let mut json = Writer::new(&mut out);
        json.begin_object();
        for (from, names) in [(segment, ["startIndex", "endIndex"]), (Some(source), ["uri", "title"])] {
            for (name, value) in names.iter().filter_map(|name| Some((name, from?.find(name)?))) {
                json.key(name).raw(value);
            }
        }
        json.end();
        if let Ok(raw) = Raw::parse(&out)
            && source.find("uri").is_some()
        {
            cite(raw);
        }
    };
    for support in supports.iter().flat_map(|supports| supports.elements()) {
        let indices = support.find("groundingChunkIndices");
        for index in indices.iter().flat_map(|indices| indices.elements()).filter_map(Raw::as_u64) {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            if let Some(Some(source)) = sources.get(at) {
                cited[at] = true;
                tell(*source, support.find("segment"));
            }
        }
    }
    for (source, cited) in sources.iter().zip(cited) {
        if let Some(source) = source.filter(|_| !cited) {
            tell(source, None);
        }
    }
}

/// What the vendor's reason to stop comes to. A call that the model spoilt is no end: its client would wait for nothing.
fn stop(reason: Escaped<'_>) -> Reason {
    match reason.bytes() {
        b"STOP" => Reason::Stop(Stop::EndTurn),
        b"MAX_TOKENS" | b"CONTINUATION" => Reason::Stop(Stop::Length),
        b"SAFETY"
        | b"RECITATION"
        | b"LANGUAGE"
        | b"BLOCKLIST"
        | b"PROHIBITED_CONTENT"
        | b"SPII"
        | b"MODEL_ARMOR"
        | b"IMAGE_SAFETY"
        | b"IMAGE_PROHIBITED_CONTENT"
        | b"IMAGE_RECITATION" => Reason::Stop(Stop::Filter),
        b"MALFORMED_FUNCTION_CALL" | b"UNEXPECTED_TOOL_CALL" | b"TOO_MANY_TOOL_CALLS" | b"MALFORMED_RESPONSE" => {
            Reason::Fail(Fault::BadGateway)
        }
        b"MISSING_THOUGHT_SIGNATURE" => Reason::Fail(Fault::InvalidRequest),
        // OTHER, IMAGE_OTHER, NO_IMAGE, and what comes after this was written.
        _ => Reason::Unclear,
    }
}

#[cfg(test)]
#[path = "stream_in_test.rs"]
pub(super) mod tests;
