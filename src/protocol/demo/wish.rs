//! What the words of a question ask of the demo provider: `demo:tool`, `demo:error=429`, … anywhere in it.
//!
//! The words are too odd to stand in a text by chance. Those that are not known are told back by the answer.

use crate::limits;

/// What is wished for, beside an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// How many tools are called.
    pub(super) calls: usize,
    /// Which is called first; the request's first if none is named.
    pub(super) tool: Option<String>,
    /// What it is called with, as JSON; made from its schema if nothing.
    pub(super) input: Option<String>,
    /// Whether something is thought first.
    pub(super) thinks: bool,
    /// Whether an image is given.
    pub(super) image: bool,
    /// Words of the answer, where there is a wish for its length.
    pub(super) words: Option<usize>,
    /// Milliseconds between two events.
    pub(super) pause_ms: u64,
    /// What goes wrong.
    pub(super) trouble: Option<Trouble>,
    /// The first word that is none.
    pub(super) unknown: Option<String>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The answer is an error with this status.
    Status(u16),
    /// An error event in the middle of the stream.
    Event,
    /// The stream, or the answer, is cut in its middle.
    Cut,
    /// An answer without anything in it.
    Empty,
}

/// What every word begins with.
const MARK: &str = "demo:";

/// The words, for who has used none of them.
pub(super) const WORDS: &str =
    "demo:tool demo:tools demo:think demo:image demo:slow demo:long demo:error demo:cut demo:empty";

impl Wish {
    /// What `question` wishes for.
    pub(super) fn of(question: &str) -> Wish {
        let mut wish = Wish::default();
        for word in question.split_whitespace().filter_map(|word| word.strip_prefix(MARK)) {
            if word.is_empty() {
                continue;
            }
            let word = word.trim_end_matches(['.', ',', ';', '!', '?', '"', '\'', ')']);
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let number = value.and_then(|value| value.parse::<u64>().ok());
            match (name, value, number) {
                ("tool", value, _) => {
                    wish.calls = 1;
                    wish.tool = value.map(str::to_owned);
                    wish.input = object(question);
                }
                ("tools", None, _) => wish.calls = 2,
                ("tools", Some(_), Some(calls)) => {
                    wish.calls = usize::try_from(calls).unwrap_or(usize::MAX).min(limits::DEMO_CALLS_MAX);
                }
                ("think", None, _) => wish.thinks = true,
                ("image", None, _) => wish.image = true,
                ("slow", None, _) => wish.pause_ms = limits::DEMO_PAUSE_MS,
                ("slow", Some(_), Some(ms)) => wish.pause_ms = ms.min(limits::DEMO_PAUSE_MS_MAX),
                ("long", None, _) => wish.words = Some(limits::DEMO_WORDS),
                ("long", Some(_), Some(words)) => {
                    wish.words = Some(usize::try_from(words).unwrap_or(usize::MAX).min(limits::DEMO_WORDS_MAX));
                }
                ("error", None, _) => wish.trouble = Some(Trouble::Status(500)),
                ("error", Some("stream"), _) => wish.trouble = Some(Trouble::Event),
                ("error", _, Some(status @ 400..=599)) => wish.trouble = Some(Trouble::Status(status as u16)),
                ("cut", None, _) => wish.trouble = Some(Trouble::Cut),
                ("empty", None, _) => wish.trouble = Some(Trouble::Empty),
                _ => wish.unknown = wish.unknown.or_else(|| Some(format!("{MARK}{word}"))),
            }
        }
        wish
    }
}

/// The JSON object in `question`, if there is one.
fn object(question: &str) -> Option<String> {
    let object = question.get(question.find('{')?..=question.rfind('}')?)?;
    crate::json::value(object.as_bytes()).ok()?;
    Some(object.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        let none = Wish::default;
        for (question, wish) in [
            ("say hello; a demo: of tools", none()),
            ("demo:tool", Wish { calls: 1, ..none() }),
            ("please demo:tools=3, thanks", Wish { calls: 3, ..none() }),
            ("demo:think demo:image", Wish { thinks: true, image: true, ..none() }),
            ("demo:slow", Wish { pause_ms: limits::DEMO_PAUSE_MS, ..none() }),
            ("demo:long", Wish { words: Some(limits::DEMO_WORDS), ..none() }),
            ("demo:error", Wish { trouble: Some(Trouble::Status(500)), ..none() }),
            ("demo:error=429", Wish { trouble: Some(Trouble::Status(429)), ..none() }),
            ("demo:error=stream", Wish { trouble: Some(Trouble::Event), ..none() }),
            ("demo:cut", Wish { trouble: Some(Trouble::Cut), ..none() }),
            ("demo:empty", Wish { trouble: Some(Trouble::Empty), ..none() }),
            ("demo:error=200", Wish { unknown: Some("demo:error=200".to_owned()), ..none() }),
            ("demo:x demo:y", Wish { unknown: Some("demo:x".to_owned()), ..none() }),
        ] {
            assert_eq!(Wish::of(question), wish, "{question}");
        }
        for word in WORDS.split(' ') {
            assert_eq!(Wish::of(word).unknown, None, "{word}");
        }
    }

    #[test]
    fn a_tool_is_called_by_name_and_with_an_object() {
        let wish = Wish::of(r#"demo:tool=Bash with {"command": "ls {}"}."#);
        assert_eq!((wish.tool.as_deref(), wish.input.as_deref()), (Some("Bash"), Some(r#"{"command": "ls {}"}"#)));
        assert_eq!(Wish::of("demo:tool=Bash {not json}").input, None);
    }

    #[test]
    fn wishes_are_bounded() {
        for (most, word) in [
            (limits::DEMO_CALLS_MAX as u64, "tools"),
            (limits::DEMO_PAUSE_MS_MAX, "slow"),
            (limits::DEMO_WORDS_MAX as u64, "long"),
        ] {
            let wish = |number: u64| Wish::of(&format!("demo:{word}={number}"));
            assert_ne!(wish(most), wish(most - 1), "{word}");
            assert_eq!(wish(most), wish(most + 1), "{word}");
        }
    }
}
