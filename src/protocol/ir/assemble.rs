//! Between a sequence of events and a whole answer: one is put together from them, or told again as them.
//!
//! So a client that wants no stream is served by an upstream that only streams, and the reverse, without code of
//! their own; and `assemble(stream) == answer` is a law that can be tested.

use super::event::{Delta, Event, PartKind, Stop};
use super::request::{CallKind, Input, ToolCall};
use super::seal::Seal;
use super::text::{Json, Text};
use super::{BadUpstream, Failure};
use crate::json::Escaped;
use crate::protocol::Dialect;
use crate::protocol::sniff::Usage;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The upstream's id of it; empty if it has none.
    pub id: Text<'static>,
    /// The model as the upstream names it; empty if it does not.
    pub model: Text<'static>,
    /// What was said, in order.
    pub parts: Vec<Whole>,
    /// What it cost.
    pub usage: Usage,
    stop: Option<Stop<'static>>,
    stop_word: Text<'static>,
}

/// A part of an answer, whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Whole {
    /// Text.
    Text {
        /// What it says.
        text: Text<'static>,
        /// Citations with the protocol whose form they have.
        citations: Vec<(Dialect, Json<'static>)>,
        /// Gemini's signature of it.
        seal: Option<Seal<'static>>,
    },
    /// The model's refusal to answer.
    Refusal(Text<'static>),
    /// What the model thought.
    Reasoning {
        /// What of it may be read.
        text: Text<'static>,
        /// What only its vendor can read.
        seal: Option<Seal<'static>>,
        /// Whether the text is a summary.
        summary: bool,
    },
    /// A call of a tool.
    ToolCall(ToolCall<'static>),
    /// An image or sound.
    Media {
        /// `image/png`.
        media_type: Text<'static>,
        /// The bytes.
        base64: Text<'static>,
    },
    /// A part that only its own protocol knows.
    Foreign {
        /// Whose it is.
        origin: Dialect,
        /// As it opened.
        raw: Json<'static>,
        /// What was added.
        more: Vec<Json<'static>>,
    },
}

impl Response {
    /// Why it ends.
    pub fn stop(&self) -> Stop<'_> {
        match self.stop {
            Some(Stop::Word(_)) => Stop::Word(self.stop_word.escaped()),
            Some(stop) => stop,
            None => Stop::EndTurn,
        }
    }

    /// Whether a tool is called.
    pub fn calls(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Whole::ToolCall(_)))
    }

    /// Tells the answer as events, from `Start` to `End`.
    pub fn replay(&self, sink: &mut impl FnMut(Event<'_>)) {
        sink(Event::Start { id: self.id.escaped(), model: self.model.escaped() });
        for (at, part) in (0..).zip(&self.parts) {
            sink(Event::Open { at, kind: part.kind() });
            part.fill(&mut |delta| sink(Event::Fill { at, delta }));
            sink(Event::Close { at });
        }
        sink(Event::Stop(self.stop()));
        if self.usage.is_said() {
            sink(Event::Usage(self.usage));
        }
        sink(Event::End);
    }
}

impl Whole {
    pub(super) fn of(kind: &PartKind<'_>) -> Whole {
        match *kind {
            PartKind::Text => Whole::Text { text: Text::default(), citations: Vec::new(), seal: None },
            PartKind::Refusal => Whole::Refusal(Text::default()),
            PartKind::Reasoning { summary } => Whole::Reasoning { text: Text::default(), seal: None, summary },
            PartKind::ToolCall { id, name, namespace, kind } => Whole::ToolCall(ToolCall {
                id: Text::from(id).into_owned(),
                name: Text::from(name).into_owned(),
                namespace: (!namespace.bytes().is_empty()).then(|| Text::from(namespace).into_owned()),
                kind,
                input: match kind {
                    CallKind::Function => Input::Text(Text::default()),
                    CallKind::Custom => Input::Free(Text::default()),
                },
                seal: None,
                cache: None,
                carry: Vec::new(),
            }),
            PartKind::Media => Whole::Media { media_type: Text::default(), base64: Text::default() },
            PartKind::Foreign { origin, raw } => {
                Whole::Foreign { origin, raw: Json::from(raw).into_owned(), more: Vec::new() }
            }
        }
    }

    /// How the part opens.
    pub(in crate::protocol) fn kind(&self) -> PartKind<'_> {
        match self {
            Whole::Text { .. } => PartKind::Text,
            Whole::Refusal(_) => PartKind::Refusal,
            Whole::Reasoning { summary, .. } => PartKind::Reasoning { summary: *summary },
            Whole::ToolCall(call) => PartKind::ToolCall {
                id: call.id.escaped(),
                name: call.name.escaped(),
                namespace: call.namespace.as_ref().map_or(EMPTY, Text::escaped),
                kind: call.kind,
            },
            Whole::Media { .. } => PartKind::Media,
            Whole::Foreign { origin, raw, .. } => PartKind::Foreign { origin: *origin, raw: raw.raw() },
        }
    }

    /// Tells what the part holds.
    pub(in crate::protocol) fn fill(&self, each: &mut impl FnMut(Delta<'_>)) {
        match self {
            Whole::Text { text, citations, seal } => {
                say(text, each);
                for (origin, raw) in citations {
                    each(Delta::Citation { origin: *origin, raw: raw.raw() });
                }
                seal.iter().for_each(|seal| each(Delta::Seal(seal.clone())));
            }
            Whole::Refusal(text) => say(text, each),
            Whole::Reasoning { text, seal, .. } => {
                say(text, each);
                seal.iter().for_each(|seal| each(Delta::Seal(seal.clone())));
            }
            Whole::ToolCall(call) => {
                call.seal.iter().for_each(|seal| each(Delta::Seal(seal.clone())));
                match &call.input {
                    Input::Json(json) => each(Delta::Json(json.raw())),
                    Input::Text(text) | Input::Free(text) if text.is_empty() => {}
                    Input::Text(text) | Input::Free(text) => each(Delta::Input(text.escaped())),
                }
            }
            Whole::Media { media_type, base64 } => {
                each(Delta::Media { media_type: media_type.escaped(), base64: base64.escaped() });
            }
            Whole::Foreign { more, .. } => more.iter().for_each(|raw| each(Delta::Foreign(raw.raw()))),
        }
    }

    pub(super) fn add(&mut self, delta: &Delta<'_>) {
        match (self, delta) {
            (Whole::Text { text, .. } | Whole::Refusal(text) | Whole::Reasoning { text, .. }, Delta::Text(more)) => {
                text.push(*more);
            }
            (Whole::Text { citations, .. }, Delta::Citation { origin, raw }) => {
                citations.push((*origin, Json::from(*raw).into_owned()));
            }
            (Whole::Text { seal, .. } | Whole::Reasoning { seal, .. }, Delta::Seal(more)) => keep(seal, more),
            (Whole::ToolCall(call), Delta::Seal(more)) => keep(&mut call.seal, more),
            (Whole::ToolCall(call), Delta::Json(raw)) => call.input = Input::Json(Json::from(*raw).into_owned()),
            (Whole::ToolCall(call), Delta::Input(more)) => match &mut call.input {
                Input::Text(text) | Input::Free(text) => text.push(*more),
                Input::Json(_) => {}
            },
            (Whole::Media { media_type, base64 }, Delta::Media { media_type: kind, base64: bytes }) => {
                *media_type = Text::from(*kind).into_owned();
                base64.push(*bytes);
            }
            (Whole::Foreign { more, .. }, Delta::Foreign(raw)) => more.push(Json::from(*raw).into_owned()),
            // A delta that does not fit its part says nothing here.
            _ => {}
        }
    }
}

const EMPTY: Escaped<'static> = Escaped::EMPTY;

fn say(text: &Text<'_>, each: &mut impl FnMut(Delta<'_>)) {
    if !text.is_empty() {
        each(Delta::Text(text.escaped()));
    }
}

/// A seal that comes in pieces is one seal.
fn keep(seal: &mut Option<Seal<'static>>, more: &Seal<'_>) {
    match seal {
        Some(seal) if seal.origin == more.origin && seal.kind == more.kind => seal.data.push(more.data.escaped()),
        Some(_) => {}
        None => *seal = Some(more.clone().into_owned()),
    }
}

/// Puts an answer together.
#[derive(Debug)]
pub struct Assembler {
    response: Response,
    /// Number of a part and its place.
    places: Vec<(u32, usize)>,
    bytes: usize,
    bytes_max: usize,
    outcome: Option<Result<(), Failure<'static>>>,
}

impl Assembler {
    /// For an answer of at most `bytes_max` bytes of text.
    pub fn new(bytes_max: usize) -> Assembler {
        Assembler { response: Response::default(), places: Vec::new(), bytes: 0, bytes_max, outcome: None }
    }

    /// Takes the next event. An error when the answer is larger than it may be.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), BadUpstream> {
        match event {
            Event::Start { id, model } => {
                self.response.id = Text::from(*id).into_owned();
                self.response.model = Text::from(*model).into_owned();
            }
            Event::Open { at, kind } => {
                self.places.push((*at, self.response.parts.len()));
                self.response.parts.push(Whole::of(kind));
            }
            Event::Fill { at, delta } => {
                self.bytes += delta.bytes();
                if self.bytes > self.bytes_max {
                    return Err(BadUpstream("the answer is larger than the limit"));
                }
                let place = self.places.iter().rev().find(|(number, _)| number == at).map(|(_, place)| *place);
                if let Some(part) = place.and_then(|place| self.response.parts.get_mut(place)) {
                    part.add(delta);
                }
            }
            Event::Usage(usage) => self.response.usage = *usage,
            Event::Stop(stop) => {
                self.response.stop = Some(match *stop {
                    Stop::Word(word) => {
                        self.response.stop_word = Text::from(word).into_owned();
                        Stop::Word(EMPTY)
                    }
                    Stop::EndTurn => Stop::EndTurn,
                    Stop::ToolUse => Stop::ToolUse,
                    Stop::Length => Stop::Length,
                    Stop::ContextFull => Stop::ContextFull,
                    Stop::Filter => Stop::Filter,
                    Stop::Refusal => Stop::Refusal,
                    Stop::Pause => Stop::Pause,
                });
            }
            Event::Fail(failure) => self.outcome = Some(Err(failure.clone().into_owned())),
            Event::End => self.outcome = Some(Ok(())),
            Event::Close { .. } | Event::Ping => {}
        }
        Ok(())
    }

    /// Whether the answer is whole or has failed.
    pub fn is_ended(&self) -> bool {
        self.outcome.is_some()
    }

    /// The answer, or how it failed; nothing while it has not ended.
    pub fn finish(self) -> Option<Result<Response, Failure<'static>>> {
        let response = self.response;
        self.outcome.map(|outcome| outcome.map(|()| response))
    }
}

#[cfg(test)]
#[path = "assemble_test.rs"]
mod tests;
