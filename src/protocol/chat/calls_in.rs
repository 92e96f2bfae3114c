//! The calls of one answer as a Chat upstream tells them, delta by delta.
//!
//! Deltas belong to a call by their `index`; where that is missing or always the same, by the id. The input comes in
//! pieces, but some upstreams tell all of it so far each time, and some tell it as JSON inside of JSON (conversion.md
//! 9): a piece that begins with all that was told before says only what is behind that, and a text in quotes is taken
//! out of them. Where an object may begin inside the object, a piece that looks so is one, unless this upstream is known
//! to repeat.

use smallvec::SmallVec;

use crate::base::span::Span;
use crate::json::{Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Delta, Event, Seal, Text};

/// What one delta says of a call.
#[derive(Debug)]
pub(super) struct Said<'a> {
    index: Option<u64>,
    pub(super) id: Escaped<'a>,
    pub(super) name: Escaped<'a>,
    pub(super) kind: CallKind,
    input: Option<Raw<'a>>,
    /// Google's signature of the call.
    seal: Option<Escaped<'a>>,
}

impl<'a> Said<'a> {
    /// An element of `tool_calls`.
    pub(super) fn of(call: Raw<'a>) -> Said<'a> {
        let mut said = Said {
            index: None,
            id: Escaped::EMPTY,
            name: Escaped::EMPTY,
            kind: CallKind::Function,
            input: None,
            seal: None,
        };
        for (name, value) in call.members() {
            match name.bytes() {
                b"index" => said.index = value.as_u64(),
                b"id" => said.id = value.as_str().unwrap_or(said.id),
                b"function" => said.body(value),
                b"custom" if value.is_object() => {
                    said.kind = CallKind::Custom;
                    said.body(value);
                }
                b"extra_content" => {
                    let signature = value.find("google").and_then(|google| google.find("thought_signature"));
                    said.seal = signature.and_then(Raw::as_str).filter(|seal| !seal.bytes().is_empty());
                }
                _ => {}
            }
        }
        said
    }

    /// It stands as this element in the list of a whole message, where each is a call of its own.
    pub(super) fn stand(&mut self, nth: u64) {
        self.index.get_or_insert(nth);
    }

    /// The old `function_call`, of which there is one.
    pub(super) fn old(function: Raw<'a>) -> Said<'a> {
        let mut said = Said {
            index: Some(0),
            id: Escaped::EMPTY,
            name: Escaped::EMPTY,
            kind: CallKind::Function,
            input: None,
            seal: None,
        };
        said.body(function);
        said
    }

    fn body(&mut self, function: Raw<'a>) {
        for (name, value) in function.members() {
            match name.bytes() {
                b"name" => self.name = value.as_str().unwrap_or(self.name),
                b"arguments" | b"input" => self.input = Some(value),
                _ => {}
            }
        }
    }
}

/// Calls that are open, in their order.
#[derive(Debug, Default)]
pub(super) struct Calls(SmallVec<[Call; 2]>);

/// Bytes by which a repetition is known at its beginning and at its end.
const MARK_BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Call {
    index: u64,
    at: u32,
    /// The id, to tell a new call from more of this one where indexes repeat.
    id: SmallVec<[u8; 48]>,
    kind: CallKind,
    /// Bytes of input that were told; all of it where it came as one value.
    told: usize,
    whole: bool,
    /// Whether a piece has repeated what was told.
    repeating: bool,
    first: [u8; MARK_BYTES],
    last: [u8; MARK_BYTES],
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a call has this id.
    pub(super) fn knows(&self, id: Escaped<'_>) -> bool {
        !id.bytes().is_empty() && self.0.iter().any(|call| *call.id == *id.bytes())
    }

    /// The place of the call that a delta belongs to; nothing where it begins one.
    pub(super) fn place(&self, said: &Said<'_>) -> Option<usize> {
        let id = said.id.bytes();
        // Without an index a new id is a new call, and no id is more of the last one.
        let Some(index) = said.index else {
            return match id.is_empty() {
                true if said.name.bytes().is_empty() => self.0.len().checked_sub(1),
                true => None,
                false => self.0.iter().rposition(|call| *call.id == *id),
            };
        };
        let place = self.0.iter().rposition(|call| call.index == index)?;
        // Where every call has the same index, another id with a name begins another one.
        let other = !said.name.bytes().is_empty() && !id.is_empty() && *self.0[place].id != *id;
        (!other).then_some(place)
    }

    pub(super) fn at(&mut self, place: usize) -> &mut Call {
        &mut self.0[place]
    }

    /// Begins the call that `said` names, as part `at`.
    pub(super) fn begin(&mut self, at: u32, said: &Said<'_>) -> &mut Call {
        let index = said.index.unwrap_or_else(|| self.0.last().map_or(0, |call| call.index.saturating_add(1)));
        let id = SmallVec::from_slice(said.id.bytes());
        let marks = [0; MARK_BYTES];
        self.0.push(Call {
            index,
            at,
            id,
            kind: said.kind,
            told: 0,
            whole: false,
            repeating: false,
            first: marks,
            last: marks,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Tells all of them closed.
    pub(super) fn close(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.0.drain(..).for_each(|call| sink(Event::Close { at: call.at }));
    }
}

impl Call {
    /// Tells what the delta adds: a signature before all input, and input.
    pub(super) fn add(&mut self, said: &Said<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(data) = said.seal.filter(|_| self.told == 0 && !self.whole) {
            let seal = Seal::read(Dialect::Chat, SealKind::Call, Text::from(data));
            sink(Event::Fill { at: self.at, delta: Delta::Seal(seal) });
        }
        self.input(said, sink);
    }

    fn input(&mut self, said: &Said<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let at = self.at;
        let Some(input) = said.input.filter(|_| !self.whole) else { return };
        let Some(text) = input.as_str() else {
            if input.is_object() && self.told == 0 {
                self.whole = true;
                sink(Event::Fill { at, delta: Delta::Json(input) });
            }
            return;
        };
        if self.kind == CallKind::Custom {
            return tell(at, text, sink);
        }
        if self.told == 0
            && let Some(inner) = quoted(text)
        {
            self.whole = true;
            let inner = inner.as_bytes();
            return tell(at, Escaped::at(inner, Span::new(1, inner.len() - 1)), sink);
        }
        let bytes = text.bytes();
        let told = if self.repeats(bytes) { self.told } else { 0 };
        self.repeating |= told > 0;
        let more = &bytes[told..];
        self.mark(more);
        tell(at, Escaped::at(more, Span::new(0, more.len())), sink);
    }

    /// Whether `piece` begins with all that was told: an object begins once, or where a value may.
    fn repeats(&self, piece: &[u8]) -> bool {
        let ends = self.told.min(MARK_BYTES);
        if !self.repeating && matches!(self.last[MARK_BYTES - 1], b':' | b'[' | b',' | b' ') {
            return false;
        }
        self.told > 0
            && piece.len() >= self.told
            && piece[0] == b'{'
            && piece[..ends] == self.first[..ends]
            && piece[self.told - ends..self.told] == self.last[MARK_BYTES - ends..]
    }

    /// Remembers where the input begins and ends.
    fn mark(&mut self, more: &[u8]) {
        if self.told < MARK_BYTES {
            let taken = more.len().min(MARK_BYTES - self.told);
            self.first[self.told..self.told + taken].copy_from_slice(&more[..taken]);
        }
        let taken = more.len().min(MARK_BYTES);
        self.last.copy_within(taken.., 0);
        self.last[MARK_BYTES - taken..].copy_from_slice(&more[more.len() - taken..]);
        self.told += more.len();
    }
}

fn tell(at: u32, text: Escaped<'_>, sink: &mut impl FnMut(Event<'_>)) {
    if !text.bytes().is_empty() {
        sink(Event::Fill { at, delta: Delta::Input(text) });
    }
}

/// The JSON string that `text` is as a whole, if an object is in it.
fn quoted(text: Escaped<'_>) -> Option<String> {
    if !text.bytes().starts_with(b"\\\"") {
        return None;
    }
    let inner = text.decode().trim().to_owned();
    let object = Raw::parse(inner.as_bytes()).ok()?.as_str().is_some_and(|inner| inner.bytes().starts_with(b"{"));
    object.then_some(inner)
}
