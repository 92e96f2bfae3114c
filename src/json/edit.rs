//! Changes to a JSON text as a splice: the text stays where it is, and what is sent is a sequence of slices,
//! of the text where it is kept and of patches where it is not, ready for one `writev`.
//!
//! Spans and offsets are those the scanner told. Members are removed and inserted with the commas they need,
//! also when several of one object go, or all of them. Without an edit the text comes out as one slice.
//!
//! Nothing checks that a patch is JSON: replacing a value by a value is the caller's part.

use smallvec::SmallVec;

use super::members::{Members, members};
use super::text;
use crate::base::span::Span;

/// Bytes that take the place of others.
#[derive(Clone, Debug)]
pub enum Patch<'a> {
    /// Bytes of somebody else.
    Borrowed(&'a [u8]),
    /// Bytes made for this edit.
    Owned(SmallVec<[u8; 64]>),
}

/// The edit touches bytes that another one has changed, or lies outside the text. It is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap;

/// A text and what is to be changed in it.
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    body: &'a [u8],
    /// In order of the text, none overlapping another.
    list: SmallVec<[Edit<'a>; 4]>,
}

/// A part of the changed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'e> {
    /// A part of the text that is kept.
    Body(Span),
    /// Bytes put in.
    Patch(&'e [u8]),
}

#[derive(Clone, Debug)]
enum Edit<'a> {
    /// `patch` in place of `span`, which is empty for an insertion.
    Replace { span: Span, patch: Patch<'a> },
    /// A member put first into an object whose inside begins at `at`; a comma if another one follows.
    Member { at: u32, patch: Patch<'a>, comma: bool },
    /// Neighbouring members `start..end` of one object, gone with one comma: the one before them, or if they
    /// are the first ones the one behind. `inside` is where the object's inside begins.
    Remove { inside: u32, before: Option<u32>, start: u32, end: u32, after: Option<u32> },
}

impl<'a> Edits<'a> {
    /// No edit of `body` yet.
    pub fn new(body: &'a [u8]) -> Edits<'a> {
        Edits { body, list: SmallVec::new() }
    }

    /// Puts `patch` in place of the bytes of `span`.
    pub fn replace(&mut self, span: Span, patch: impl Into<Patch<'a>>) -> Result<(), Overlap> {
        self.place(Edit::Replace { span, patch: patch.into() })
    }

    /// Puts `patch` in front of the byte at `at`; behind what was inserted there before.
    pub fn insert(&mut self, at: usize, patch: impl Into<Patch<'a>>) -> Result<(), Overlap> {
        let at = u32::try_from(at).map_err(|_| Overlap)?;
        self.place(Edit::Replace { span: Span { start: at, end: at }, patch: patch.into() })
    }

    /// Removes every member called `name` from the object at `object`; how many there were.
    pub fn remove_member(&mut self, object: Span, name: &str) -> Result<usize, Overlap> {
        let undo = self.list.clone();
        let removed = self.remove_members(object, name);
        if removed.is_err() {
            self.list = undo;
        }
        removed
    }

    fn remove_members(&mut self, object: Span, name: &str) -> Result<usize, Overlap> {
        let inside = object.start + 1;
        let mut removed = 0;
        let mut before = None;
        let mut places = places(self.raw(object)?, object.start).peekable();
        while let Some((start, end, named)) = places.next() {
            let after = places.peek().map(|&(next, ..)| next);
            if named.eq_str(name) {
                self.remove(inside, before, start, end, after)?;
                removed += 1;
            }
            before = Some(end);
        }
        Ok(removed)
    }

    /// Puts the member `name` with `value`, a JSON value, into the object at `object`, in front of its others.
    pub fn insert_member(&mut self, object: Span, name: &str, value: &[u8]) -> Result<(), Overlap> {
        let mut member = Vec::with_capacity(name.len() + value.len() + 3);
        text::quote(name, &mut member);
        member.push(b':');
        member.extend_from_slice(value);
        let inside = object.start + 1;
        let empty = members(self.raw(object)?).next().is_none() || self.list.iter().any(|edit| edit.empties(inside));
        self.place(Edit::Member { at: inside, patch: Patch::from(member), comma: !empty })?;
        self.separate(inside, !empty);
        Ok(())
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Length of the changed text.
    pub fn total_len(&self) -> usize {
        self.segments().map(<[u8]>::len).sum()
    }

    /// The changed text in order, as parts of the text and patches; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Clone {
        let mut at = 0;
        let changed = self.list.iter().flat_map(move |edit| {
            let Span { start, end } = edit.span();
            let kept = Span { start: at, end: start };
            at = end;
            let (patch, comma) = edit.patch();
            [Piece::Body(kept), Piece::Patch(patch), Piece::Patch(comma)]
        });
        let start = self.list.last().map_or(0, |edit| edit.span().end);
        let tail = Piece::Body(Span { start, end: self.body.len() as u32 });
        changed.chain([tail]).filter(|piece| match piece {
            Piece::Body(span) => !span.is_empty(),
            Piece::Patch(patch) => !patch.is_empty(),
        })
    }

    /// The changed text as slices in order; none is empty.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.pieces().map(|piece| match piece {
            Piece::Body(span) => span.of(self.body),
            Piece::Patch(patch) => patch,
        })
    }

    /// Appends the changed text.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.total_len());
        self.segments().for_each(|segment| out.extend_from_slice(segment));
    }

    fn raw(&self, object: Span) -> Result<&'a [u8], Overlap> {
        self.body.get(object.range()).ok_or(Overlap)
    }

    /// Puts `edit` where it belongs.
    fn place(&mut self, edit: Edit<'a>) -> Result<(), Overlap> {
        let span = edit.span();
        let index = self.list.partition_point(|other| other.span().end <= span.start);
        let free = self.list.get(index).is_none_or(|next| span.end <= next.span().start);
        if !free || span.start > span.end || span.end as usize > self.body.len() {
            return Err(Overlap);
        }
        self.list.insert(index, edit);
        Ok(())
    }

    /// Removes the member `start..end`, together with neighbours that are gone already: a run of removed
    /// members leaves as one, because which comma goes depends on its two ends.
    /// May leave the list half changed if refused.
    fn remove(
        &mut self,
        inside: u32,
        mut before: Option<u32>,
        mut start: u32,
        mut end: u32,
        mut after: Option<u32>,
    ) -> Result<(), Overlap> {
        let mut gone = false;
        self.list.retain(|edit| match *edit {
            Edit::Remove { start: first, end: last, .. } if first <= start && end <= last => {
                gone = true;
                true
            }
            Edit::Remove { before: left, start: first, after: Some(next), .. } if next == start => {
                (before, start) = (left, first);
                false
            }
            Edit::Remove { before: Some(previous), end: last, after: right, .. } if previous == end => {
                (end, after) = (last, right);
                false
            }
            _ => true,
        });
        if gone {
            return Ok(());
        }
        let edit = Edit::Remove { inside, before, start, end, after };
        let empties = edit.empties(inside);
        self.place(edit)?;
        if empties {
            self.separate(inside, false);
        }
        Ok(())
    }

    /// Gives the members inserted at `inside` their commas; the last of them only if others `follow`.
    fn separate(&mut self, inside: u32, follow: bool) {
        let inserted = self.list.iter_mut().rev().filter_map(|edit| match edit {
            Edit::Member { at, comma, .. } if *at == inside => Some(comma),
            _ => None,
        });
        inserted.enumerate().for_each(|(nth, comma)| *comma = nth > 0 || follow);
    }
}

/// Offsets in the text of the members of `object`, which begins at `base`: where the quote of the name stands
/// and where the value ends.
fn places(object: &[u8], base: u32) -> impl Iterator<Item = (u32, u32, super::Escaped<'_>)> {
    let mut members: Members<'_> = members(object);
    std::iter::from_fn(move || {
        let (quote, name, start, value) = members.place()?;
        Some((base + quote as u32, base + (start + value.bytes().len()) as u32, name))
    })
}

impl Edit<'_> {
    /// The bytes of the text that it takes away.
    fn span(&self) -> Span {
        match *self {
            Edit::Replace { span, .. } => span,
            Edit::Member { at, .. } => Span { start: at, end: at },
            Edit::Remove { before: Some(before), end, .. } => Span { start: before, end },
            Edit::Remove { start, after: Some(after), .. } => Span { start, end: after },
            Edit::Remove { start, end, .. } => Span { start, end },
        }
    }

    /// What it puts there, and the comma behind it.
    fn patch(&self) -> (&[u8], &[u8]) {
        match self {
            Edit::Replace { patch, .. } => (patch.bytes(), b""),
            Edit::Member { patch, comma, .. } => (patch.bytes(), if *comma { b"," } else { b"" }),
            Edit::Remove { .. } => (b"", b""),
        }
    }

    /// Whether it removes every member of the object whose inside begins at `object`.
    fn empties(&self, object: u32) -> bool {
        matches!(*self, Edit::Remove { inside, before: None, after: None, .. } if inside == object)
    }
}

impl Patch<'_> {
    /// `text` as a JSON string.
    pub fn quoted(text: &str) -> Patch<'static> {
        let mut bytes = Vec::with_capacity(text.len() + 2);
        text::quote(text, &mut bytes);
        Patch::from(bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Patch::Borrowed(bytes) => bytes,
            Patch::Owned(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Patch<'a> {
    fn from(bytes: &'a [u8]) -> Patch<'a> {
        Patch::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Patch<'a> {
    fn from(bytes: &'a [u8; N]) -> Patch<'a> {
        Patch::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Patch<'a> {
    fn from(text: &'a str) -> Patch<'a> {
        Patch::Borrowed(text.as_bytes())
    }
}

impl From<Vec<u8>> for Patch<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Patch::Owned(SmallVec::from_vec(bytes))
    }
}

#[cfg(test)]
#[path = "edit_test.rs"]
mod tests;
