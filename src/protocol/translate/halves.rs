//! Letters that a stream tears apart.
//!
//! A letter outside the first 65,536 is two escapes in JSON, `\ud83e\udd80`, and a provider that counts in UTF-16 may put
//! them into two events. Half a letter is no text: strict readers refuse the event, and lenient ones end with two broken
//! letters. So a first half at the end of a piece waits for the next piece of its part, and becomes U+FFFD where none
//! comes that has the other.

use super::super::ir::{Delta, Event};
use crate::base::span::Span;
use crate::json::Escaped;

/// Bytes of one half, escaped.
const HALF: usize = 6;

/// The half that waits.
#[derive(Debug)]
pub(super) struct Halves {
    at: u32,
    half: [u8; HALF],
    /// Both halves and what follows them.
    whole: Vec<u8>,
}

/// Whether `event` ends in the middle of a letter, so that there is something to do.
pub(super) fn is_torn(event: &Event<'_>) -> bool {
    match event {
        Event::Fill { delta: Delta::Text(text), .. } => ends_torn(text.bytes()),
        _ => false,
    }
}

fn ends_torn(text: &[u8]) -> bool {
    let Some((before, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _])) =
        text.split_last_chunk::<HALF>()
    else {
        return false;
    };
    // Behind an odd number of them the backslash is a letter itself.
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

fn begins_with_rest(text: &[u8]) -> bool {
    matches!(text, [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', _, _, ..])
}

impl Halves {
    /// Takes the half with which `event` ends, one that [`is_torn`], and tells what is before it.
    pub(super) fn tear(event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) -> Option<Halves> {
        let Event::Fill { at, delta: Delta::Text(text) } = event else {
            sink(event);
            return None;
        };
        let (before, half) = text.bytes().split_last_chunk::<HALF>()?;
        tell(at, before, sink);
        Some(Halves { at, half: *half, whole: Vec::new() })
    }

    /// Tells `event`, behind the half where that belongs; what waits from then on.
    pub(super) fn event(mut self, event: Event<'_>, sink: &mut impl FnMut(Event<'_>)) -> Option<Halves> {
        match event {
            Event::Fill { at, delta: Delta::Text(text) } if at == self.at => {
                if begins_with_rest(text.bytes()) {
                    self.whole.extend_from_slice(&self.half);
                    self.whole.extend_from_slice(text.bytes());
                } else {
                    self.whole.extend_from_slice(b"\\ufffd");
                    self.whole.extend_from_slice(text.bytes());
                }
                let torn = ends_torn(&self.whole);
                let (told, half) = self.whole.split_at(self.whole.len() - if torn { HALF } else { 0 });
                tell(at, told, sink);
                let half = half.try_into().ok()?;
                Some(Halves { at, half, whole: Vec::new() })
            }
            Event::Close { at } if at == self.at => {
                tell(at, b"\\ufffd", sink);
                sink(event);
                None
            }
            Event::Fill { at, .. } if at != self.at && is_torn(&event) => {
                tell(self.at, b"\\ufffd", sink);
                Halves::tear(event, sink)
            }
            event => {
                sink(event);
                Some(self)
            }
        }
    }
}

fn tell(at: u32, text: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    if !text.is_empty() {
        let text = Escaped::at(text, Span::new(0, text.len()));
        sink(Event::Fill { at, delta: Delta::Text(text) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::Text;

    /// What is told of part 0 where it comes in these pieces.
    fn told(pieces: &[&str]) -> Vec<String> {
        let mut said = Vec::new();
        let mut halves = None;
        let mut sink = |event: Event<'_>| {
            if let Event::Fill { delta: Delta::Text(text), .. } = event {
                said.push(String::from_utf8(text.bytes().to_vec()).expect("UTF-8"));
            }
        };
        let texts: Vec<Text<'_>> = pieces.iter().map(|piece| Text::joined(piece.as_bytes().to_vec())).collect();
        let fills = texts.iter().map(|text| Event::Fill { at: 0, delta: Delta::Text(text.escaped()) });
        for event in fills.chain([Event::Close { at: 0 }]) {
            halves = match halves.take() {
                Some(waits) => Halves::event(waits, event, &mut sink),
                None if is_torn(&event) => Halves::tear(event, &mut sink),
                None => {
                    sink(event);
                    None
                }
            };
        }
        assert!(halves.is_none());
        said
    }

    #[test]
    fn a_letter_is_told_whole() {
        for (pieces, whole) in [
            (&[r"x\ud83d", r"\ude00y"][..], &["x", r"\ud83d\ude00y"][..]),
            (&[r"\uD83D", r"\uDE00\ud83d", r"\ude00"], &[r"\uD83D\uDE00", r"\ud83d\ude00"]),
            (&[r"\ud83d", r"\ude00", "z"], &[r"\ud83d\ude00", "z"]),
            // One whose other half never comes.
            (&[r"x\ud83d", "y"], &["x", r"\ufffdy"]),
            (&[r"x\ud83d"], &["x", r"\ufffd"]),
            (&[r"\ud83d", r"\ud83d", r"\ude00"], &[r"\ufffd", r"\ud83d\ude00"]),
            // No half of a letter.
            (&[r"x\\ud83d", "y"], &[r"x\\ud83d", "y"]),
            (&[r"x\ud83d\ude00", "y"], &[r"x\ud83d\ude00", "y"]),
            (&[r"\ue000", "y"], &[r"\ue000", "y"]),
        ] {
            assert_eq!(told(pieces), whole, "{pieces:?}");
        }
    }
}
