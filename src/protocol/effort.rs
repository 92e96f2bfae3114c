//! How much a model is to reason, where the name asked for says so: `model(high)`, `model(8192)`.
//!
//! Levels and budgets stand for each other by one table, because some protocols take the one and some the other.

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
