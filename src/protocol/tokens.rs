//! Tokens of texts, by o200k_base, in steps that a core can afford.
//!
//! The table is loaded on first use, which takes longer than a core may stand still: [`load`] is for a thread of its
//! own, and until it is done [`is_loaded`] says no. A [`Count`] knows when it need not go on: a text has at most as
//! many tokens as bytes, and no token is longer than `TOKEN_BYTES_MAX`.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::sniff::Text;
use crate::limits;

/// The longest token of o200k_base.
const TOKEN_BYTES_MAX: usize = 128;

static LOADED: AtomicBool = AtomicBool::new(false);

/// Loads the table. Takes some 100 ms the first time.
pub fn load() {
    let counted = bpe_openai::o200k_base().count("load");
    LOADED.store(counted > 0, Ordering::Release);
}

/// Whether the table is there.
pub fn is_loaded() -> bool {
    LOADED.load(Ordering::Acquire)
}

/// Whether texts have more tokens than a bound: found out step by step.
pub struct Count<'a> {
    texts: Vec<Text<'a>>,
    /// The text under way, and how far it has been counted.
    now: Option<(Cow<'a, str>, usize)>,
    /// Bytes that have not been counted.
    bytes_left: usize,
    counted: usize,
    bound: usize,
}

impl<'a> Count<'a> {
    /// Of `texts`, against a bound.
    pub fn new(texts: Vec<Text<'a>>, bound: u32) -> Count<'a> {
        let bytes_left = texts.iter().map(|text| text.bytes().len()).sum();
        Count { texts, now: None, bytes_left, counted: 0, bound: bound as usize }
    }

    /// Whether there are more tokens than the bound, if that is certain.
    pub fn verdict(&self) -> Option<bool> {
        // An escape is longer than what it stands for, six times at most, so only its bytes bound from above.
        if self.counted > self.bound || self.counted + self.bytes_left / (6 * TOKEN_BYTES_MAX) > self.bound {
            return Some(true);
        }
        (self.counted + self.bytes_left <= self.bound).then_some(false)
    }

    /// Counts a piece; the table must be loaded.
    pub fn step(&mut self) {
        let Some((text, at)) = self.now.take().or_else(|| self.texts.pop().map(|text| (decoded(text), 0))) else {
            self.bytes_left = 0;
            return;
        };
        let end = piece_end(&text, at);
        self.counted += bpe_openai::o200k_base().count(&text[at..end]);
        self.bytes_left = self.bytes_left.saturating_sub(end - at);
        if end < text.len() {
            self.now = Some((text, end));
        } else if self.texts.is_empty() {
            self.bytes_left = 0;
        }
    }
}

/// The tokens of texts: counted step by step.
pub struct Total<'a> {
    texts: Vec<Cow<'a, str>>,
    /// How far the last of them has been counted.
    at: usize,
    counted: u64,
}

impl<'a> Total<'a> {
    /// Of `texts`.
    pub fn new(texts: Vec<Cow<'a, str>>) -> Total<'a> {
        Total { texts, at: 0, counted: 0 }
    }

    /// Counts a piece, small texts together; the tokens once all are counted. The table must be loaded.
    pub fn step(&mut self) -> Option<u64> {
        let mut room = limits::COUNT_STEP_BYTES;
        while let Some(text) = self.texts.last() {
            let end = piece_end(text, self.at);
            self.counted += bpe_openai::o200k_base().count(&text[self.at..end]) as u64;
            room = room.saturating_sub(end - self.at);
            self.at = end;
            if end == text.len() {
                self.texts.pop();
                self.at = 0;
            }
            if room == 0 {
                break;
            }
        }
        self.texts.is_empty().then_some(self.counted)
    }
}

fn decoded(text: Text<'_>) -> Cow<'_, str> {
    match text {
        Text::Said(text) => text.decode(),
        Text::Written(value) => String::from_utf8_lossy(value.bytes()),
    }
}

/// Where the piece ends that begins at `at`: before a blank between two letters, where no token crosses.
fn piece_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let aim = at + limits::COUNT_STEP_BYTES;
    if aim >= bytes.len() {
        return bytes.len();
    }
    let between = |place: &usize| {
        bytes[*place] == b' ' && bytes[place - 1].is_ascii_alphabetic() && bytes[place + 1].is_ascii_alphabetic()
    };
    let floor = at + limits::COUNT_STEP_BYTES / 2;
    let found = (floor..aim).rev().find(between);
    found.or_else(|| (floor..=aim).rev().find(|place| text.is_char_boundary(*place))).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Raw;

    fn exceeds(texts: &[String], bound: u32) -> (bool, usize) {
        let texts: Vec<_> = texts.iter().map(|text| Text::Written(Raw::parse(text.as_bytes()).unwrap())).collect();
        let mut count = Count::new(texts, bound);
        let mut steps = 0;
        loop {
            match count.verdict() {
                Some(verdict) => return (verdict, steps),
                None => {
                    count.step();
                    steps += 1;
                }
            }
        }
    }

    #[test]
    fn the_bound_is_met_to_the_token() {
        load();
        assert!(is_loaded());
        // A quoted text of 20,000 words: one token a word, and the two quotes.
        let text = format!("\"{}\"", vec!["word"; 20_000].join(" "));
        let whole = bpe_openai::o200k_base().count(&text) as u32;
        for (bound, expected) in [(whole, false), (whole - 1, true), (whole + 1, false)] {
            assert_eq!(exceeds(std::slice::from_ref(&text), bound).0, expected, "{bound} of {whole}");
        }
        let two = [text.clone(), text];
        assert!(!exceeds(&two, 2 * whole).0);
        assert!(exceeds(&two, 2 * whole - 1).0);
    }

    #[test]
    fn far_from_the_bound_nothing_is_counted() {
        let text = format!("\"{}\"", "x".repeat(5_998));
        assert_eq!(exceeds(std::slice::from_ref(&text), 6_000), (false, 0));
        assert_eq!(exceeds(&[text], 1), (true, 0));
        assert_eq!(exceeds(&[], 0), (false, 0));
    }
}
