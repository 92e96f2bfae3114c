//! What lies between a provider's decoder and a client's encoder, whichever they are.
//!
//! Tools get the names, groups and kinds back that the client knows them by; the reason to stop is made to fit what was
//! told; letters in two pieces are joined; thoughts in tags become reasoning; what the record wants to know is noted. An
//! event that needs none of this passes as it is, and nothing is allocated for it.

use smallvec::SmallVec;

use super::super::failure::Fault;
use super::super::ir::custom::{self, Unwrap};
use super::super::ir::{CallKind, Delta, Event, Failure, Names, PartKind, Text};
use super::super::sniff::Usage;
use super::Answering;
use super::halves::{self, Halves};
use super::places::Places;
use super::tags::Tags;
use crate::base::secret::Secret;
use crate::json::Escaped;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is whole.
    Whole,
    /// It broke off.
    Failed(Fault),
}

/// What the record wants to know of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it cost, as far as it has been said.
    pub usage: Usage,
    /// Whether something has been said: text, thought, a call.
    pub spoke: bool,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// Events of the provider that were none, and were left out.
    pub skipped: u32,
}

/// The stage of one answer.
#[derive(Debug)]
pub(super) struct Stage {
    /// Half a letter that waits for the other.
    halves: Option<Box<Halves>>,
    tags: Option<Box<Tags>>,
    restore: Restore,
}

impl Stage {
    pub(super) fn new(answering: &mut Answering) -> Stage {
        let names = std::mem::take(&mut answering.names);
        let tags = answering.think_tag.take().map(|tag| Box::new(Tags::new(&tag)));
        let places = Places::new(answering.upstream, answering.client, tags.is_some());
        Stage {
            halves: None,
            tags,
            restore: Restore {
                names: if names.is_plain() { Names::default() } else { names },
                wrapped: SmallVec::new(),
                places,
                called: false,
                model: Text::plain(&answering.model),
                secret: answering.secret.clone(),
                seen: Seen::default(),
                #[cfg(debug_assertions)]
                grammar: super::super::ir::grammar::Grammar::default(),
            },
        }
    }

    /// Takes the provider's next event and tells the client's.
    pub(super) fn event(&mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if self.halves.is_some() || halves::is_torn(&event) {
            return self.torn(event, sink);
        }
        self.whole(event, sink);
    }

    #[cold]
    fn torn(&mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let waits = self.halves.take();
        let mut whole = |event: Event<'_>| self.whole(event, sink);
        let waits = match waits {
            Some(waits) => waits.event(event, &mut whole),
            None => Halves::tear(event, &mut whole),
        };
        self.halves = waits.map(Box::new);
    }

    /// Takes an event that ends with a letter.
    fn whole(&mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let restore = &mut self.restore;
        match &mut self.tags {
            None => restore.event(event, sink),
            Some(tags) => tags.event(event, &mut |event| restore.event(event, sink)),
        }
    }

    /// What comes next has passed here before, as parts of a whole answer.
    pub(super) fn again(&mut self) {
        self.restore.places = None;
    }

    /// An event of the provider's was none.
    pub(super) fn skip(&mut self) {
        self.restore.seen.skipped = self.restore.seen.skipped.saturating_add(1);
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.restore.seen
    }

    pub(super) fn is_ended(&self) -> bool {
        self.restore.seen.end.is_some()
    }
}

#[derive(Debug)]
struct Restore {
    /// Empty where every tool has its own name.
    names: Names,
    /// Calls whose text is wrapped in JSON, and how far it has been unwrapped.
    wrapped: SmallVec<[(u32, Unwrap); 1]>,
    /// Nothing where citations pass as they are.
    places: Option<Box<Places>>,
    called: bool,
    model: Text<'static>,
    secret: Secret,
    seen: Seen,
    #[cfg(debug_assertions)]
    grammar: super::super::ir::grammar::Grammar,
}

impl Restore {
    fn event(&mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if self.seen.end.is_some() {
            return;
        }
        #[cfg(debug_assertions)]
        if let Err(broken) = self.grammar.admit(&event) {
            panic!("{}: {event:?}", broken.0);
        }
        match event {
            Event::Start { id, model } if model.bytes().is_empty() => {
                sink(Event::Start { id, model: self.model.escaped() });
            }
            Event::Open { at, kind } => self.open(at, kind, sink),
            Event::Fill { at, delta } => self.fill(at, delta, sink),
            Event::Close { at } => {
                self.wrapped.retain(|(wrapped, _)| *wrapped != at);
                if let Some(places) = &mut self.places {
                    places.close(at, sink);
                }
                sink(event);
            }
            Event::Usage(usage) => {
                self.seen.usage = usage;
                sink(event);
            }
            Event::Stop(stop) => sink(Event::Stop(stop.settled(self.called))),
            Event::Fail(failure) => {
                self.seen.end = Some(End::Failed(failure.fault));
                sink(Event::Fail(self.masked(failure)));
            }
            Event::End => {
                self.seen.end = Some(End::Whole);
                sink(event);
            }
            Event::Start { .. } | Event::Ping => sink(event),
        }
    }

    fn open(&mut self, at: u32, kind: PartKind<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let PartKind::ToolCall { id, name, kind: said, .. } = kind else {
            self.seen.spoke |= matches!(kind, PartKind::Media | PartKind::Foreign { .. });
            if let (Some(places), PartKind::Text) = (&mut self.places, &kind) {
                places.open(at);
            }
            return sink(Event::Open { at, kind });
        };
        self.called = true;
        self.seen.spoke = true;
        let Some(known) = self.names.meant(&name.decode()) else { return sink(Event::Open { at, kind }) };
        if known.kind == CallKind::Custom && said == CallKind::Function {
            self.wrapped.push((at, Unwrap::default()));
        }
        let namespace = known.namespace.as_ref().map_or(Escaped::EMPTY, Text::escaped);
        let kind = PartKind::ToolCall { id, name: known.meant.escaped(), namespace, kind: known.kind };
        sink(Event::Open { at, kind });
    }

    fn fill(&mut self, at: u32, delta: Delta<'_>, sink: &mut impl FnMut(Event<'_>)) {
        self.seen.spoke |= !matches!(delta, Delta::Seal(_));
        if let Some(places) = &mut self.places {
            match &delta {
                Delta::Text(more) => places.text(at, *more),
                Delta::Citation { raw, .. } if places.hold(at, *raw) => return,
                _ => {}
            }
        }
        let wrapped = self.wrapped.iter_mut().find(|(wrapped, _)| *wrapped == at);
        match (wrapped, delta) {
            (Some((_, unwrap)), Delta::Input(more)) => {
                unwrap.piece(more, |text| sink(Event::Fill { at, delta: Delta::Input(text) }));
            }
            (Some(_), Delta::Json(raw)) => {
                let text = custom::unwrap(raw).unwrap_or(Escaped::EMPTY);
                sink(Event::Fill { at, delta: Delta::Input(text) });
            }
            (_, delta) => sink(Event::Fill { at, delta }),
        }
    }

    /// The provider may quote our key, and may have no words at all.
    fn masked<'a>(&self, mut failure: Failure<'a>) -> Failure<'a> {
        let secret = std::str::from_utf8(self.secret.expose()).unwrap_or_default();
        for text in [&mut failure.message, &mut failure.code] {
            if !secret.is_empty() && text.contains(secret) {
                *text = text.replace(secret, "***").into();
            }
        }
        if failure.message.is_empty() {
            failure.message = match failure.code.is_empty() {
                true => "the provider failed".into(),
                false => failure.code.clone(),
            };
        }
        failure
    }
}

#[cfg(test)]
#[path = "stage_test.rs"]
mod tests;
