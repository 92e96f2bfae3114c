//! How much is thought before the answer, in words, in tokens, in Gemini's levels: one table for all of them.
//!
//! Some protocols take words, some count tokens, and a model takes a part of either. What a client asked for is said in
//! the nearest form that the target takes ([`Thinking::word`], [`Thinking::tokens`], [`anthropic_budget`], [`gemini`]).
//! Which model refuses to be told at all is looked for in its name; a name that says nothing is taken at its word.

use std::fmt;

/// How much is thought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    /// Not said: the vendor's default.
    #[default]
    Unsaid,
    /// Not at all.
    Off,
    /// As much as the model sees fit (Anthropic's `adaptive`, Gemini's budget -1).
    Auto,
    /// In words.
    Effort(Effort),
    /// In tokens.
    Budget(u32),
}

/// How much is thought, in the words of OpenAI's `reasoning_effort` and Gemini's `thinkingLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// Efforts with their words and the tokens that stand for them.
const TABLE: [(Effort, &str, u32); 6] = [
    (Effort::Minimal, "minimal", 512),
    (Effort::Low, "low", 1_024),
    (Effort::Medium, "medium", 8_192),
    (Effort::High, "high", 24_576),
    (Effort::XHigh, "xhigh", 32_768),
    (Effort::Max, "max", 128_000),
];

/// Least tokens of thought that Anthropic takes.
pub const ANTHROPIC_BUDGET_MIN: u32 = 1_024;
/// Tokens of an answer where an Anthropic request says no bound.
const ANTHROPIC_ROOM: u64 = 4_096;

impl Effort {
    /// All, from the least.
    pub const ALL: [Effort; 6] =
        [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];

    /// As OpenAI and Anthropic write it.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// As the models of Ollama that know levels take it.
    pub fn ollama_level(self) -> &'static str {
        match self {
            Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High | Effort::XHigh | Effort::Max => "high",
        }
    }

    /// The effort of this name, in any case.
    pub fn named(name: &str) -> Option<Effort> {
        Effort::ALL.into_iter().find(|effort| effort.name().eq_ignore_ascii_case(name))
    }

    /// The tokens that stand for it with vendors who count.
    pub fn budget(self) -> u32 {
        TABLE[self as usize].2
    }

    /// The least effort whose budget is enough for `tokens`; beyond `high` it is `xhigh`.
    pub fn of_budget(tokens: u32) -> Effort {
        let enough = TABLE[..=Effort::High as usize].iter().find(|(_, _, budget)| tokens <= *budget);
        enough.map_or(Effort::XHigh, |(effort, ..)| *effort)
    }
}

impl Thinking {
    /// The effort that is asked for; nothing where it is off or left to the model.
    pub fn effort(self) -> Option<Effort> {
        match self {
            Thinking::Effort(effort) => Some(effort),
            Thinking::Budget(tokens) => Some(Effort::of_budget(tokens)),
            Thinking::Unsaid | Thinking::Off | Thinking::Auto => None,
        }
    }

    /// OpenAI's word for it; nothing where that is left to the model.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Thinking::Off => Some("none"),
            said => said.effort().map(Effort::name),
        }
    }

    /// Tokens to think with, 0 for none; nothing where that is left to the model.
    pub fn tokens(self) -> Option<u32> {
        match self {
            Thinking::Off => Some(0),
            Thinking::Effort(effort) => Some(effort.budget()),
            Thinking::Budget(tokens) => Some(tokens),
            Thinking::Unsaid | Thinking::Auto => None,
        }
    }
}

impl fmt::Display for Thinking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thinking::Unsaid => f.write_str("default"),
            Thinking::Off => f.write_str("none"),
            Thinking::Auto => f.write_str("auto"),
            Thinking::Effort(effort) => f.write_str(effort.name()),
            Thinking::Budget(tokens) => write!(f, "{tokens} tokens"),
        }
    }
}

/// The `budget_tokens` and `max_tokens` that Anthropic takes together for `tokens` of thought: no less than its least,
/// and room for the answer behind it (conversion.md 20).
pub fn anthropic_budget(tokens: u32, output_tokens_max: Option<u64>) -> (u32, u64) {
    let budget = tokens.max(ANTHROPIC_BUDGET_MIN);
    let room = output_tokens_max.unwrap_or(ANTHROPIC_ROOM);
    match room > u64::from(budget) {
        true => (budget, room),
        false => (budget, room.saturating_add(u64::from(budget))),
    }
}

/// How a Gemini model is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeminiThinking {
    /// `thinkingBudget`, -1 for as much as it sees fit.
    Budget(i64),
    /// `thinkingLevel`.
    Level(&'static str),
}

/// What to tell the Gemini model of this name; nothing where it takes nothing of it.
///
/// Levels came with Gemini 3, which knows no way to think not at all; 2.5 counts tokens within bounds that differ by
/// size, and its `pro` thinks always (ai.google.dev/gemini-api/docs/thinking).
pub fn gemini(thinking: Thinking, model: &str) -> Option<GeminiThinking> {
    let model = model.to_ascii_lowercase();
    let has = |word| model.contains(word);
    if thinking == Thinking::Unsaid || has("gemini-1") || has("gemini-2.0") || has("-image") || has("-tts") {
        return None;
    }
    if has("gemini-3") {
        let effort = match thinking {
            Thinking::Off => Effort::Minimal,
            said => said.effort()?,
        };
        return Some(GeminiThinking::Level(match effort {
            Effort::Minimal if has("pro") => "LOW",
            Effort::Minimal => "MINIMAL",
            Effort::Low => "LOW",
            // The first of them had two levels.
            Effort::Medium if has("gemini-3-pro") => "HIGH",
            Effort::Medium => "MEDIUM",
            Effort::High | Effort::XHigh | Effort::Max => "HIGH",
        }));
    }
    let Some(tokens) = thinking.tokens() else { return Some(GeminiThinking::Budget(-1)) };
    let tokens = match (has("gemini-2.5"), tokens) {
        (true, 0) if !has("pro") => 0,
        (true, tokens) if has("flash-lite") => tokens.clamp(512, 24_576),
        (true, tokens) if has("flash") => tokens.min(24_576),
        (true, tokens) if has("pro") => tokens.clamp(128, 32_768),
        (_, tokens) => tokens,
    };
    Some(GeminiThinking::Budget(i64::from(tokens)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_efforts_stand_for_each_other() {
        for (tokens, effort) in [
            (0, Effort::Minimal),
            (512, Effort::Minimal),
            (513, Effort::Low),
            (1_024, Effort::Low),
            (1_025, Effort::Medium),
            (8_192, Effort::Medium),
            (24_576, Effort::High),
            (24_577, Effort::XHigh),
            (u32::MAX, Effort::XHigh),
        ] {
            assert_eq!(Effort::of_budget(tokens), effort, "{tokens}");
        }
        for (effort, word, tokens) in TABLE {
            assert_eq!((effort.name(), effort.budget()), (word, tokens));
            assert_eq!(Effort::named(&word.to_uppercase()), Some(effort));
        }
        assert_eq!(Effort::ALL.map(|effort| effort as usize), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_left_to_the_model_has_no_word_and_no_number() {
        for (thinking, word, tokens) in [
            (Thinking::Unsaid, None, None),
            (Thinking::Auto, None, None),
            (Thinking::Off, Some("none"), Some(0)),
            (Thinking::Budget(600), Some("low"), Some(600)),
            (Thinking::Effort(Effort::Max), Some("max"), Some(128_000)),
        ] {
            assert_eq!((thinking.word(), thinking.tokens()), (word, tokens), "{thinking:?}");
        }
    }

    #[test]
    fn conversion_20_the_answer_has_room_behind_the_thought() {
        for (tokens, max, expected) in [
            (1, Some(9_000), (1_024, 9_000)),
            (24_576, Some(100), (24_576, 24_676)),
            (1_024, Some(1_024), (1_024, 2_048)),
            (1_024, Some(1_025), (1_024, 1_025)),
            (1_024, None, (1_024, 4_096)),
            (u32::MAX, Some(u64::from(u32::MAX)), (u32::MAX, u64::from(u32::MAX) * 2)),
        ] {
            assert_eq!(anthropic_budget(tokens, max), expected, "{tokens} of {max:?}");
        }
    }

    #[test]
    fn gemini_models_are_told_what_they_take() {
        use GeminiThinking::{Budget, Level};
        let effort = Thinking::Effort;
        for (thinking, model, expected) in [
            (Thinking::Unsaid, "gemini-2.5-pro", None),
            (Thinking::Off, "gemini-2.5-pro", Some(Budget(128))),
            (Thinking::Budget(50_000), "models/gemini-2.5-pro", Some(Budget(32_768))),
            (Thinking::Off, "gemini-2.5-flash", Some(Budget(0))),
            (effort(Effort::Max), "gemini-2.5-flash", Some(Budget(24_576))),
            (effort(Effort::Minimal), "gemini-2.5-flash-lite", Some(Budget(512))),
            (Thinking::Budget(5), "gemini-2.5-flash-lite", Some(Budget(512))),
            (Thinking::Auto, "gemini-2.5-flash", Some(Budget(-1))),
            (Thinking::Off, "gemini-3-pro-preview", Some(Level("LOW"))),
            (Thinking::Off, "gemini-3-flash", Some(Level("MINIMAL"))),
            (effort(Effort::Medium), "gemini-3-pro-preview", Some(Level("HIGH"))),
            (effort(Effort::Medium), "gemini-3.1-pro", Some(Level("MEDIUM"))),
            (Thinking::Budget(1_000), "Gemini-3-Flash", Some(Level("LOW"))),
            (effort(Effort::XHigh), "gemini-3-flash", Some(Level("HIGH"))),
            (Thinking::Auto, "gemini-3-flash", None),
            (effort(Effort::High), "gemini-2.0-flash", None),
            (effort(Effort::High), "gemini-2.5-flash-image", None),
            (effort(Effort::High), "some-model", Some(Budget(24_576))),
            (Thinking::Auto, "some-model", Some(Budget(-1))),
        ] {
            assert_eq!(gemini(thinking, model), expected, "{thinking:?} {model}");
        }
    }
}
