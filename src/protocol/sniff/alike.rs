//! Chunks of a Chat stream that are like the last one but for the text they tell, and so have no more to note than that had.
//!
//! Names are looked for in every chunk of an answer that is passed on: three searches, though nearly all chunks are the
//! same but for a word. The last one that had nothing to note is kept as a mould (`json::mould`): what fits it has
//! nothing either. Streams whose chunks never fit are soon left alone.

use crate::json;
use crate::json::mould::{Idle, Mould};
use crate::limits::ALIKE_TRIES_MAX;

/// What is kept of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Alike {
    mould: Mould,
    /// Moulds that were cast since a chunk fitted.
    tries: u8,
}

impl Alike {
    /// Keeps nothing.
    #[cfg(test)]
    pub(super) fn never() -> Alike {
        Alike { tries: ALIKE_TRIES_MAX, ..Alike::default() }
    }

    /// Whether `chunk` is like the last that was kept.
    #[inline]
    pub(super) fn fits(&mut self, chunk: &[u8]) -> bool {
        let fits = self.mould.fill(chunk).is_some();
        if fits {
            self.tries = 0;
        }
        fits
    }

    /// Keeps `chunk`, which has nothing to note but that the answer goes on.
    pub(super) fn keep(&mut self, chunk: &[u8]) {
        if self.tries >= ALIKE_TRIES_MAX {
            return self.mould.clear();
        }
        self.tries += 1;
        let (mut idle, mut choices) = (Idle::default(), None);
        for (name, value) in json::members(chunk) {
            idle.add(chunk, value);
            if name.bytes() == b"choices" {
                choices = Some(value);
            }
        }
        let choice = choices.and_then(|choices| choices.elements().next());
        let delta = choice.and_then(|choice| choice.find("delta"));
        let told = delta.and_then(|delta| {
            let mut told = delta.members().filter(|(name, _)| name.bytes() != b"role");
            told.find_map(|(_, value)| value.as_str())
        });
        match told {
            Some(told) => self.mould.cast(chunk, told, idle),
            None => self.mould.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str, more: &str) -> Vec<u8> {
        format!(
            r#"{{"id":"c","created":1,"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":null{more}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn what_differs_in_its_text_fits() {
        let mut alike = Alike::default();
        assert!(!alike.fits(&chunk("a", "")));
        alike.keep(&chunk("a", ""));
        for text in ["b", "", "\\u00e9 \\\" \\n", "ü"] {
            assert!(alike.fits(&chunk(text, "")), "{text}");
        }
        let noteworthy = [
            chunk("a", r#","usage":{"prompt_tokens":1}"#),
            chunk("a", r#","error":{"message":"m"}"#),
            chunk(r#"a"},"finish_reason":"stop","x":{"y":""#, ""),
        ];
        noteworthy.iter().for_each(|chunk| assert!(!alike.fits(chunk), "{}", String::from_utf8_lossy(chunk)));
    }

    #[test]
    fn a_member_that_differs_each_time_does_not_count() {
        let mut alike = Alike::default();
        let stamped = |text: &str, stamp: &str| chunk(text, &format!(r#","obfuscation":"{stamp}""#));
        for stamp in ["a", "bb"] {
            assert!(!alike.fits(&stamped("x", stamp)));
            alike.keep(&stamped("x", stamp));
        }
        assert!(alike.fits(&stamped("y", "ccc")) && alike.fits(&stamped("z", "")));
    }

    #[test]
    fn a_stream_whose_chunks_never_fit_is_left_alone() {
        let mut alike = Alike::default();
        let odd = |n: usize| chunk("a", &format!(r#","x{n}":1"#));
        for n in 0..usize::from(ALIKE_TRIES_MAX) {
            assert!(!alike.fits(&odd(n)));
            alike.keep(&odd(n));
            assert!(alike.mould.fill(&odd(n)).is_some(), "the bound is {ALIKE_TRIES_MAX}");
        }
        alike.keep(&odd(99));
        assert!(!alike.fits(&odd(99)), "past it nothing is kept");
    }

    #[test]
    fn what_tells_no_text_is_not_kept() {
        let mut alike = Alike::default();
        for chunk in [&br#"{"choices":[{"delta":{"role":"assistant"}}]}"#[..], br#"{"choices":[]}"#, b"[]", b"{", b""] {
            alike.keep(chunk);
            assert!(!alike.fits(chunk));
        }
    }
}
