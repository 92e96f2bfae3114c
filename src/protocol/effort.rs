//! How much a model is to reason, where the name asked for says so: `model(high)`, `model(8192)`.
//!
//! Levels and budgets stand for each other by one table, because some protocols take the one and some the other.

use smallvec::SmallVec;

use super::Dialect;
use crate::json::path::Step;
use crate::json::{self, put};

/// How much reasoning is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// None at all.
    None,
    /// As the model sees fit.
    Auto,
    /// A level.
    Level(Level),
    /// Tokens.
    Budget(u32),
    /// Empty brackets: nothing is changed.
    Unsaid,
}

/// A level of reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

/// Levels with their words and budgets.
const LEVELS: [(Level, &str, u32); 6] = [
    (Level::Minimal, "minimal", 512),
    (Level::Low, "low", 1_024),
    (Level::Medium, "medium", 8_192),
    (Level::High, "high", 24_576),
    (Level::Xhigh, "xhigh", 32_768),
    (Level::Max, "max", 128_000),
];

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        LEVELS[self as usize].1
    }

    /// The tokens that stand for it.
    pub fn budget(self) -> u32 {
        LEVELS[self as usize].2
    }

    /// The least level whose budget is enough for `tokens`; beyond `high` it is `xhigh`.
    pub fn of_budget(tokens: u32) -> Level {
        let enough = LEVELS.iter().take(4).find(|(_, _, budget)| tokens <= *budget);
        enough.map_or(Level::Xhigh, |(level, ..)| *level)
    }
}

impl Effort {
    /// Tokens to reason with; nothing where that is left to the model.
    fn budget(self) -> Option<u32> {
        match self {
            Effort::None => Some(0),
            Effort::Level(level) => Some(level.budget()),
            Effort::Budget(tokens) => Some(tokens),
            Effort::Auto | Effort::Unsaid => None,
        }
    }

    /// The word for it, where a protocol takes words.
    fn word(self) -> Option<&'static str> {
        match self {
            Effort::None => Some("none"),
            Effort::Level(level) => Some(level.name()),
            Effort::Budget(tokens) => Some(Level::of_budget(tokens).name()),
            Effort::Auto | Effort::Unsaid => None,
        }
    }

    /// `body`, a valid request of `dialect`, with this effort in place of its own; nothing if that changes nothing.
    pub fn apply(self, dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
        let set = |body: &[u8], path: &[&str], value: &str| {
            let steps: SmallVec<[Step; 4]> = path.iter().map(|name| Step::Name((*name).into())).collect();
            put::set(body, &steps, value.as_bytes(), false)
        };
        let word = self.word();
        match (dialect, self) {
            (_, Effort::Unsaid) => None,
            (Dialect::Chat, Effort::Auto) => put::remove(body, &[Step::Name("reasoning_effort".into())]),
            (Dialect::Chat, _) => set(body, &["reasoning_effort"], &format!("\"{}\"", word?)),
            (Dialect::Responses, Effort::Auto) => {
                put::remove(body, &[Step::Name("reasoning".into()), Step::Name("effort".into())])
            }
            (Dialect::Responses, _) => set(body, &["reasoning", "effort"], &format!("\"{}\"", word?)),
            (Dialect::Anthropic, Effort::None) => set(body, &["thinking"], "{\"type\":\"disabled\"}"),
            (Dialect::Anthropic, Effort::Auto) => set(body, &["thinking"], "{\"type\":\"adaptive\"}"),
            (Dialect::Anthropic, _) => {
                // Anthropic takes no less, and the answer needs room behind the reasoning.
                let budget = self.budget()?.max(1_024);
                let thinking = format!("{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}");
                let with = set(body, &["thinking"], &thinking)?;
                let room = json::find(body, "max_tokens").and_then(json::Raw::as_u64).unwrap_or(4_096);
                match room > u64::from(budget) {
                    true => Some(with),
                    false => set(&with, &["max_tokens"], &(u64::from(budget) + room).to_string()),
                }
            }
            (Dialect::Gemini, _) => {
                let budget = self.budget().map_or_else(|| "-1".to_owned(), |tokens| tokens.to_string());
                let config = ["generationConfig", "thinkingConfig"];
                let with = set(body, &[config[0], config[1], "thinkingBudget"], &budget)?;
                let level = [config[0], config[1], "thinkingLevel"].map(|name| Step::Name(name.into()));
                Some(put::remove(&with, &level).unwrap_or(with))
            }
            (Dialect::Ollama, Effort::None) => set(body, &["think"], "false"),
            (Dialect::Ollama, _) => set(body, &["think"], "true"),
        }
    }
}

/// The name without its suffix, and what the suffix asks for. Brackets that hold neither a level nor a number are part
/// of the name.
pub fn split(model: &str) -> Option<(&str, Effort)> {
    let open = model.strip_suffix(')')?;
    let (name, inside) = open.rsplit_once('(')?;
    let is = |word: &str| inside.eq_ignore_ascii_case(word);
    let level = LEVELS.iter().find(|(_, word, _)| is(word)).map(|(level, ..)| Effort::Level(*level));
    let effort = match level {
        Some(level) => level,
        None if inside.is_empty() => Effort::Unsaid,
        None if is("none") => Effort::None,
        None if is("auto") => Effort::Auto,
        None if inside.bytes().all(|byte| byte.is_ascii_digit()) => match inside.parse().ok()? {
            0 => Effort::None,
            tokens => Effort::Budget(tokens),
        },
        None => return None,
    };
    Some((name.trim_end(), effort)).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_told_from_names() {
        for (model, expected) in [
            ("m(high)", Some(("m", Effort::Level(Level::High)))),
            ("m (XHIGH)", Some(("m", Effort::Level(Level::Xhigh)))),
            ("a(b)(low)", Some(("a(b)", Effort::Level(Level::Low)))),
            ("m(none)", Some(("m", Effort::None))),
            ("m(0)", Some(("m", Effort::None))),
            ("m(auto)", Some(("m", Effort::Auto))),
            ("m(8192)", Some(("m", Effort::Budget(8192)))),
            ("m()", Some(("m", Effort::Unsaid))),
            ("m(beta)", None),
            ("m(-1)", None),
            ("m(99999999999)", None),
            ("m(high", None),
            ("(high)", None),
            ("m", None),
        ] {
            assert_eq!(split(model), expected, "{model}");
        }
    }

    #[test]
    fn each_dialect_has_its_own_words_for_it() {
        use Dialect::*;
        let high = Effort::Level(Level::High);
        for (dialect, effort, body, expected) in [
            (Chat, high, r#"{"reasoning_effort":"low"}"#, r#"{"reasoning_effort":"high"}"#),
            (Chat, Effort::Budget(600), "{}", r#"{"reasoning_effort":"low"}"#),
            (Chat, Effort::Auto, r#"{"reasoning_effort":"low"}"#, "{}"),
            (Chat, Effort::None, "{}", r#"{"reasoning_effort":"none"}"#),
            (
                Responses,
                high,
                r#"{"reasoning":{"summary":"auto"}}"#,
                r#"{"reasoning":{"effort":"high","summary":"auto"}}"#,
            ),
            (Responses, high, "{}", r#"{"reasoning":{"effort":"high"}}"#),
            (
                Anthropic,
                high,
                r#"{"max_tokens":100}"#,
                r#"{"thinking":{"type":"enabled","budget_tokens":24576},"max_tokens":24676}"#,
            ),
            (
                Anthropic,
                Effort::Budget(1),
                r#"{"max_tokens":9000}"#,
                r#"{"thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":9000}"#,
            ),
            (
                Anthropic,
                Effort::None,
                r#"{"thinking":{"type":"enabled","budget_tokens":9}}"#,
                r#"{"thinking":{"type":"disabled"}}"#,
            ),
            (Anthropic, Effort::Auto, "{}", r#"{"thinking":{"type":"adaptive"}}"#),
            (
                Gemini,
                Effort::Auto,
                r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"low"}}}"#,
                r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}"#,
            ),
            (Gemini, Effort::None, "{}", r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#),
            (Ollama, high, "{}", r#"{"think":true}"#),
            (Ollama, Effort::None, "{}", r#"{"think":false}"#),
        ] {
            let out = effort.apply(dialect, body.as_bytes()).map(|out| String::from_utf8(out).unwrap());
            assert_eq!(out.as_deref(), Some(expected), "{dialect:?} {effort:?}");
        }
        assert_eq!(Effort::Unsaid.apply(Chat, b"{}"), None);
    }

    #[test]
    fn budgets_and_levels_stand_for_each_other() {
        for (tokens, level) in [
            (1, Level::Minimal),
            (512, Level::Minimal),
            (513, Level::Low),
            (1_024, Level::Low),
            (8_192, Level::Medium),
            (24_576, Level::High),
            (24_577, Level::Xhigh),
            (u32::MAX, Level::Xhigh),
        ] {
            assert_eq!(Level::of_budget(tokens), level, "{tokens}");
        }
        assert_eq!((Level::Max.name(), Level::Max.budget()), ("max", 128_000));
    }
}
