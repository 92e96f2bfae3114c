//! Citations on their way to a client that counts otherwise than its provider.
//!
//! A vendor tells of a citation which part of the text rests on it: OpenAI in letters, Google in bytes, Chat from the
//! beginning of the message, Responses from that of the part; Anthropic cites a block as a whole. So another vendor's
//! citation is held until its text is over, when all of that is known, and told then in the client's way of counting,
//! in one form that every encoder reads ([`Cited`]). A place that cannot be told is left out; the source never is.
//!
//! The text itself is not kept: its length is, and where bytes count, the runs of letters of equal width.

use super::super::Dialect;
use super::super::ir::citation::Cited;
use super::super::ir::{Delta, Event};
use crate::json::{Escaped, Raw, Writer};
use crate::limits;

/// What is known of the texts of one answer.
#[derive(Debug)]
pub(super) struct Places {
    from: Dialect,
    to: Dialect,
    /// The text that is open.
    part: Option<u32>,
    /// Texts so far.
    parts: u32,
    /// All texts before that one.
    before: Length,
    /// That one so far.
    inside: Length,
    /// Its letters: how many in a row have the same width.
    runs: Vec<Run>,
    /// Whether places are told at all.
    counts: bool,
    held: Vec<Box<[u8]>>,
    held_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Length {
    letters: u64,
    bytes: u64,
}

/// Letters in a row that take as many bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    letters: u32,
    width: u8,
}

impl Places {
    /// Nothing where citations need no change, or reach nobody. `tags` are taken out of the text behind the provider,
    /// who counts them.
    pub(super) fn new(from: Dialect, to: Dialect, tags: bool) -> Option<Box<Places>> {
        let is_needed = from != to && from != Dialect::Ollama && to != Dialect::Ollama;
        is_needed.then(|| {
            Box::new(Places {
                from,
                to,
                part: None,
                parts: 0,
                before: Length::default(),
                inside: Length::default(),
                runs: Vec::new(),
                counts: to != Dialect::Anthropic && (!tags || from == Dialect::Anthropic),
                held: Vec::new(),
                held_bytes: 0,
            })
        })
    }

    /// A text begins.
    pub(super) fn open(&mut self, at: u32) {
        if self.part.is_some() {
            // Two at once: what is counted from where is not known any more.
            self.counts = false;
            return;
        }
        self.before.letters += self.inside.letters;
        self.before.bytes += self.inside.bytes;
        self.inside = Length::default();
        self.runs.clear();
        self.part = Some(at);
        self.parts += 1;
    }

    /// More of part `at`.
    #[inline]
    pub(super) fn text(&mut self, at: u32, more: Escaped<'_>) {
        if self.counts && self.part == Some(at) {
            more.pieces(|piece| self.count(piece));
        }
    }

    fn count(&mut self, piece: &[u8]) {
        self.inside.bytes += piece.len() as u64;
        let by_bytes = self.from == Dialect::Gemini || self.to == Dialect::Gemini;
        if piece.is_ascii() {
            self.inside.letters += piece.len() as u64;
            if by_bytes {
                self.run(1, piece.len());
            }
            return;
        }
        for first in piece.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)) {
            self.inside.letters += 1;
            if by_bytes {
                self.run(width(*first), 1);
            }
        }
    }

    fn run(&mut self, width: u8, letters: usize) {
        let letters = u32::try_from(letters).unwrap_or(u32::MAX);
        let is_full = self.runs.len() >= limits::CITED_RUNS_MAX;
        match self.runs.last_mut() {
            Some(last) if last.width == width => last.letters = last.letters.saturating_add(letters),
            _ if is_full => self.counts = false,
            _ => self.runs.push(Run { letters, width }),
        }
    }

    /// Keeps a citation of part `at` until that is over; false if it has to go as it is.
    pub(super) fn hold(&mut self, at: u32, raw: Raw<'_>) -> bool {
        let holds = self.part == Some(at) && self.held_bytes + raw.bytes().len() <= limits::CITED_BYTES_MAX;
        if holds {
            self.held_bytes += raw.bytes().len();
            self.held.push(raw.bytes().into());
        }
        holds
    }

    /// Part `at` is over: its citations are told.
    pub(super) fn close(&mut self, at: u32, sink: &mut impl FnMut(Event<'_>)) {
        if self.part != Some(at) {
            return;
        }
        let mut told = Vec::new();
        for held in std::mem::take(&mut self.held) {
            let Ok(raw) = Raw::parse(&held) else { continue };
            let mut cited = Cited::read(raw);
            let place = self.place(cited.start, cited.end);
            (cited.start, cited.end) = place.unzip();
            told.clear();
            cited.write(&mut Writer::new(&mut told));
            if let Ok(raw) = Raw::parse(&told) {
                sink(Event::Fill { at, delta: Delta::Citation { origin: self.from, raw } });
            }
        }
        self.held_bytes = 0;
        self.part = None;
    }

    /// A place in the open text, counted as the client does.
    fn place(&self, start: Option<u64>, end: Option<u64>) -> Option<(u64, u64)> {
        if !self.counts {
            return None;
        }
        let (start, end) = match self.from {
            Dialect::Anthropic => (0, self.inside.letters),
            _ => (self.letters(start.unwrap_or(0))?, self.letters(end.filter(|end| *end > 0)?)?),
        };
        if start > end || end > self.inside.letters {
            return None;
        }
        match self.to {
            Dialect::Chat => Some((self.before.letters + start, self.before.letters + end)),
            Dialect::Gemini => Some((self.before.bytes + self.bytes(start)?, self.before.bytes + self.bytes(end)?)),
            _ => Some((start, end)),
        }
    }

    /// The provider's place in letters of the open text.
    fn letters(&self, told: u64) -> Option<u64> {
        match self.from {
            Dialect::Chat => told.checked_sub(self.before.letters),
            // From where it counts behind another text is not told.
            Dialect::Gemini if self.parts > 1 => None,
            Dialect::Gemini => measure(&self.runs, told, |run| (u64::from(run.width), 1)),
            _ => Some(told),
        }
    }

    fn bytes(&self, letters: u64) -> Option<u64> {
        measure(&self.runs, letters, |run| (1, u64::from(run.width)))
    }
}

/// What `told` comes to, if a letter of each run counts the first there and the second here. Nothing inside a letter.
fn measure(runs: &[Run], told: u64, each: impl Fn(&Run) -> (u64, u64)) -> Option<u64> {
    let (mut left, mut sum) = (told, 0);
    for run in runs {
        let (there, here) = each(run);
        let whole = u64::from(run.letters) * there;
        if left <= whole {
            return left.is_multiple_of(there).then_some(sum + left / there * here);
        }
        left -= whole;
        sum += u64::from(run.letters) * here;
    }
    (left == 0).then_some(sum)
}

/// Bytes of the letter that begins so (RFC 3629 §3).
fn width(first: u8) -> u8 {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
#[path = "places_test.rs"]
mod tests;
