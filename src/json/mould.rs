//! A text that is like the one before but for some scalars.
//!
//! The events of a stream are cast in one mould: a delta differs from the last in what it tells, and beside that in a
//! number or a stamp that nobody reads. So the last text is kept, with the places that may differ ([`Mould::cast`]), and
//! the next is compared with it piece by piece ([`Mould::fill`]). Where it fits, it is valid JSON with the same meaning,
//! and nothing of it has to be read but what it tells. Where it does not, that says nothing: it is read as any other.
//!
//! What a text means is its reader's matter, who casts only what means one thing, and breaks the mould
//! ([`Mould::clear`]) when what came between may have changed that meaning.

use smallvec::SmallVec;

use super::span::{Escaped, Raw};
use super::string::{self, Inside};
use crate::base::span::Span;
use crate::limits::{MOULD_BYTES_MAX, MOULD_IDLE_MAX};

/// The last text of a stream, if the next may be like it. Boxed: many a stream never casts one.
#[derive(Clone, Debug, Default)]
pub struct Mould(Option<Box<Cast>>);

#[derive(Clone, Debug, Default)]
struct Cast {
    /// The text.
    last: Vec<u8>,
    /// Whether the next may be like it.
    holds: bool,
    /// What is not read, as it lies in `last`, in order.
    idle: Idle,
    /// What may differ, in order.
    holes: SmallVec<[Hole; MOULD_IDLE_MAX + 1]>,
}

/// Values of a text that its reader does not look at: strings and numbers.
#[derive(Clone, Debug, Default)]
pub struct Idle(SmallVec<[Hole; MOULD_IDLE_MAX]>);

/// A place that may differ.
#[derive(Clone, Copy, Debug)]
struct Hole {
    span: Span,
    kind: Kind,
    /// Whether the last text differed here from the one before.
    varies: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The inside of the string that is told.
    Told,
    /// The inside of a string.
    String,
    /// Digits.
    Number,
}

impl Idle {
    /// Adds `value`, a part of `text`, unless it is something else than a string or a whole number, or one too many.
    /// Values are added in order.
    #[inline]
    pub fn add(&mut self, text: &[u8], value: Raw<'_>) {
        let bytes = value.bytes();
        let (kind, part) = match value.as_str() {
            Some(inside) => (Kind::String, inside.bytes()),
            None if bytes.first().is_some_and(u8::is_ascii_digit) && digits(bytes) == Some(bytes.len()) => {
                (Kind::Number, bytes)
            }
            None => return,
        };
        if let Some(span) = Span::inside(text, part).filter(|_| self.0.len() < MOULD_IDLE_MAX) {
            self.0.push(Hole { span, kind, varies: false });
        }
    }
}

impl Mould {
    /// Keeps `text`, a valid one. `told` is the inside of a string in it.
    pub fn cast(&mut self, text: &[u8], told: Escaped<'_>, mut idle: Idle) {
        let Some(told) = Span::inside(text, told.bytes()).filter(|_| text.len() <= MOULD_BYTES_MAX) else {
            return self.clear();
        };
        let Cast { last, holds, idle: before, holes } = &mut **self.0.get_or_insert_default();
        // A number or a stamp that has changed once will change again, also where a text between broke the mould: nobody
        // reads it.
        let alike = !last.is_empty() && idle.0.len() == before.0.len();
        for (now, before) in idle.0.iter_mut().zip(&before.0).filter(|_| alike) {
            now.varies = before.varies || now.span.of(text) != before.span.of(last);
        }
        holes.clear();
        let apart = |span: Span| span.end <= told.start || told.end <= span.start;
        holes.extend(idle.0.iter().copied().filter(|hole| hole.varies && apart(hole.span)));
        let place = holes.partition_point(|hole| hole.span.start < told.start);
        holes.insert(place, Hole { span: told, kind: Kind::Told, varies: true });
        *before = idle;
        *holds = true;
        last.clear();
        last.extend_from_slice(text);
    }

    /// The next text may be anything.
    pub fn clear(&mut self) {
        if let Some(cast) = &mut self.0 {
            cast.holds = false;
        }
    }

    /// What `text` tells, if it is the last one again but for the places that may differ.
    pub fn fill<'t>(&self, text: &'t [u8]) -> Option<Escaped<'t>> {
        let Cast { last, holes, .. } = self.0.as_deref().filter(|cast| cast.holds)?;
        let (mut from, mut at, mut told) = (0, 0, None);
        for hole in holes {
            let fixed = &last[from..hole.span.start as usize];
            at += text[at..].starts_with(fixed).then_some(fixed.len())?;
            let end = match hole.kind {
                Kind::Number => at + digits(&text[at..])?,
                Kind::String | Kind::Told => match string::end(text, at, true) {
                    Ok(Inside::Closed(quote)) => quote,
                    _ => return None,
                },
            };
            if hole.kind == Kind::Told {
                told = Some(Escaped::trusted(&text[at..end]));
            }
            (from, at) = (hole.span.end as usize, end);
        }
        told.filter(|_| text[at..] == last[from..])
    }
}

/// How many digits `text` begins with, if they are a number of JSON (RFC 8259 §6).
fn digits(text: &[u8]) -> Option<usize> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match len {
        0 => None,
        1 => Some(1),
        _ => (text[0] != b'0').then_some(len),
    }
}

#[cfg(test)]
#[path = "mould_test.rs"]
mod tests;
