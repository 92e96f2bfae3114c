//! Thoughts that a provider marks in its text by a tag, `<think>…</think>`, told as reasoning (conversion.md 22).
//!
//! A tag may be cut anywhere between deltas and written with escapes (`\u003cthink\u003e`, `<\/think>`). What may be the
//! beginning of one waits for its rest, and everything before it goes on at once; a beginning that comes to nothing is
//! told as it came. Line ends directly behind a tag belong to it. A text part becomes as many parts as it has changes
//! between thought and text, so all parts are numbered anew.

use smallvec::SmallVec;

use super::super::ir::{Delta, Event, PartKind};
use crate::base::span::Span;
use crate::json::Escaped;

/// Follows one answer.
#[derive(Debug)]
pub(super) struct Tags {
    /// `<think>` and `</think>`.
    tags: [Box<[u8]>; 2],
    /// Parts that are open, by the provider's number and ours. Of the split text it is that of its current piece.
    parts: SmallVec<[(u32, u32); 4]>,
    next: u32,
    /// The text part that is looked at.
    text: Option<Split>,
}

/// A text part that is being split.
#[derive(Debug)]
struct Split {
    /// The provider's number.
    at: u32,
    /// The piece that is open: its number and whether it is a thought.
    piece: Option<(u32, bool)>,
    inside: bool,
    /// Whether line ends are left out, for nothing else has come since the tag.
    behind: bool,
    /// How much of a tag has been seen, and how it was written.
    matched: usize,
    held: SmallVec<[u8; 32]>,
}

impl Tags {
    pub(super) fn new(name: &str) -> Tags {
        let tags = [format!("<{name}>"), format!("</{name}>")].map(|tag| tag.into_bytes().into());
        Tags { tags, parts: SmallVec::new(), next: 0, text: None }
    }

    /// Takes the next event and tells what has become of it.
    pub(super) fn event(&mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        match event {
            Event::Open { at, kind: PartKind::Text } if self.text.is_none() => {
                self.text = Some(Split::new(at));
            }
            Event::Open { at, kind } => {
                let ours = self.number();
                self.parts.push((at, ours));
                sink(Event::Open { at: ours, kind });
            }
            Event::Fill { at, delta } if self.is_split(at) => self.fill(delta, sink),
            Event::Close { at } if self.is_split(at) => self.close(sink),
            Event::Fill { at, delta } => {
                if let Some((_, ours)) = self.parts.iter().find(|(known, _)| *known == at) {
                    sink(Event::Fill { at: *ours, delta });
                }
            }
            Event::Close { at } => {
                if let Some(place) = self.parts.iter().position(|(known, _)| *known == at) {
                    sink(Event::Close { at: self.parts.remove(place).1 });
                }
            }
            event => sink(event),
        }
    }

    fn is_split(&self, at: u32) -> bool {
        self.text.as_ref().is_some_and(|text| text.at == at)
    }

    fn number(&mut self) -> u32 {
        let ours = self.next;
        self.next = self.next.saturating_add(1);
        ours
    }

    fn fill(&mut self, delta: Delta<'_>, sink: &mut impl FnMut(Event<'_>)) {
        let Tags { tags, next, text, .. } = self;
        let Some(split) = text else { return };
        match delta {
            Delta::Text(text) => split.text(text.bytes(), tags, next, sink),
            delta => {
                split.release(next, sink);
                let at = split.opened(split.piece.is_some_and(|(_, thought)| thought), next, sink);
                sink(Event::Fill { at, delta });
            }
        }
    }

    fn close(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(mut split) = self.text.take() {
            split.release(&mut self.next, sink);
            split.close(sink);
        }
    }
}

impl Split {
    fn new(at: u32) -> Split {
        Split { at, piece: None, inside: false, behind: false, matched: 0, held: SmallVec::new() }
    }

    fn text(&mut self, text: &[u8], tags: &[Box<[u8]>; 2], next: &mut u32, sink: &mut impl FnMut(Event<'_>)) {
        // What has been told of `text`, and where the tag in it begins, if it does.
        let (mut told, mut begun, mut at) = (0, 0, 0);
        while at < text.len() {
            if self.matched == 0 && !self.behind {
                match memchr::memchr2(b'<', b'\\', &text[at..]) {
                    Some(found) => at += found,
                    None => break,
                }
            }
            let (letter, length) = letter(&text[at..]);
            if self.behind {
                match letter {
                    b'\n' | b'\r' => {
                        at += length;
                        told = at;
                        continue;
                    }
                    _ => self.behind = false,
                }
            }
            let tag = &tags[usize::from(self.inside)];
            if tag[self.matched] == letter {
                if self.matched == 0 {
                    begun = at;
                }
                self.matched += 1;
                at += length;
                if self.matched == tag.len() {
                    if self.held.is_empty() {
                        self.say(&text[told..begun], next, sink);
                    }
                    self.held.clear();
                    told = at;
                    (self.matched, self.behind, self.inside) = (0, true, !self.inside);
                }
            } else if self.matched > 0 {
                // No tag after all. A tag has no second `<`, so only this letter may begin another.
                self.matched = 0;
                self.release(next, sink);
            } else {
                at += length;
            }
        }
        if self.matched == 0 {
            return self.say(&text[told..], next, sink);
        }
        let from = match self.held.is_empty() {
            true => {
                self.say(&text[told..begun], next, sink);
                begun
            }
            false => 0,
        };
        self.held.extend_from_slice(&text[from..]);
    }

    /// Tells what was held for a tag that did not come.
    fn release(&mut self, next: &mut u32, sink: &mut impl FnMut(Event<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.matched = 0;
        self.say(&held, next, sink);
    }

    fn say(&mut self, text: &[u8], next: &mut u32, sink: &mut impl FnMut(Event<'_>)) {
        if !text.is_empty() {
            let at = self.opened(self.inside, next, sink);
            let text = Escaped::at(text, Span::new(0, text.len()));
            sink(Event::Fill { at, delta: Delta::Text(text) });
        }
    }

    /// The number of the open piece of this kind, which opens if it has to.
    fn opened(&mut self, thought: bool, next: &mut u32, sink: &mut impl FnMut(Event<'_>)) -> u32 {
        if let Some((at, kind)) = self.piece
            && kind == thought
        {
            return at;
        }
        self.close(sink);
        let at = *next;
        *next = next.saturating_add(1);
        self.piece = Some((at, thought));
        let kind = if thought { PartKind::Reasoning { summary: false } } else { PartKind::Text };
        sink(Event::Open { at, kind });
        at
    }

    fn close(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some((at, _)) = self.piece.take() {
            sink(Event::Close { at });
        }
    }
}

/// The letter that `text` begins with, as far as tags and line ends go, and how many bytes it is written in; any other
/// is 0.
fn letter(text: &[u8]) -> (u8, usize) {
    match text {
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
            let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            (code.and_then(|code| u8::try_from(code).ok()).filter(u8::is_ascii).unwrap_or(0), text.len().min(6))
        }
        [b'\\', b'n', ..] => (b'\n', 2),
        [b'\\', b'r', ..] => (b'\r', 2),
        [b'\\', b'/', ..] => (b'/', 2),
        [b'\\', ..] => (0, text.len().min(2)),
        [byte, ..] => (*byte, 1),
        [] => (0, 0),
    }
}

#[cfg(test)]
#[path = "tags_test.rs"]
mod tests;
