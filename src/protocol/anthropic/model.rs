//! What a model of Anthropic's takes, by its name.
//!
//! Thinking was told by a budget from 3.7 to 4.6 and is told by an effort from 4.6 on; from 4.7 on the numbers of the
//! sampler are refused as well. A Claude without a version counts as new, and a model that is no Claude is served by
//! somebody who speaks Messages as it was first: budgets and numbers are taken, JSON of a schema is not.

/// A model, as far as requests depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    claude: bool,
    version: (u32, u32),
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It does not.
    Never,
    /// `budget_tokens`.
    Budget,
    /// A budget, or an effort.
    Either,
    /// An effort only.
    Effort,
}

/// The version of a Claude that tells none.
const NEW: (u32, u32) = (u32::MAX, 0);

impl Model {
    /// The model of this name: `claude-sonnet-4-5-20250929`, `anthropic/claude-3.7-sonnet`, `eu.anthropic.claude-…`.
    pub(super) fn named(name: &str) -> Model {
        let name = name.to_ascii_lowercase();
        let Some((_, behind)) = name.split_once("claude") else { return Model { claude: false, version: (0, 0) } };
        // Dates are numbers too, but longer ones.
        let number = |word: &str| word.parse::<u32>().ok().filter(|number| *number < 1000);
        let mut words = behind.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let version = match words.find_map(number) {
            Some(major) => (major, words.next().and_then(number).unwrap_or(0)),
            None => NEW,
        };
        Model { claude: true, version }
    }

    pub(super) fn told(self) -> Told {
        match self.version {
            _ if !self.claude => Told::Budget,
            version if version < (3, 7) => Told::Never,
            version if version < (4, 6) => Told::Budget,
            (4, 6) => Told::Either,
            _ => Told::Effort,
        }
    }

    /// Whether it takes numbers of the sampler.
    pub(super) fn samples(self) -> bool {
        self.told() != Told::Effort
    }

    /// Whether it takes `temperature` up to 1 only and not beside `top_p`.
    pub(super) fn samples_by_one(self) -> bool {
        self.claude && self.version >= (4, 1)
    }

    /// Whether its `temperature` ends at 1, where that of others ends at 2.
    pub(super) fn is_claude(self) -> bool {
        self.claude
    }

    /// Whether it has words for efforts beyond `high` other than `max`.
    pub(super) fn knows_xhigh(self) -> bool {
        self.version >= (4, 7)
    }

    /// Whether it answers in JSON of a schema.
    pub(super) fn keeps_schemas(self) -> bool {
        self.claude && self.version >= (4, 5)
    }

    /// Most tokens of an answer.
    pub(super) fn output_tokens_max(self) -> u64 {
        match self.version {
            _ if !self.claude => 65_536,
            version if version < (3, 5) => 4_096,
            version if version < (3, 7) => 8_192,
            (4, 0 | 1) => 32_000,
            version if version < (4, 6) => 64_000,
            _ => 128_000,
        }
    }

    /// Tokens of an answer where the request sets no bound, which Messages has to have.
    pub(super) fn output_tokens(self) -> u64 {
        match self.claude {
            true => self.output_tokens_max().min(32_000),
            false => 8_192,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names_of_all_forms() {
        for (name, version) in [
            ("claude-opus-4-7", (4, 7)),
            ("claude-sonnet-4-5-20250929", (4, 5)),
            ("claude-sonnet-4-20250514", (4, 0)),
            ("claude-opus-4@20250514", (4, 0)),
            ("claude-4-opus-20250514", (4, 0)),
            ("claude-3-7-sonnet-latest", (3, 7)),
            ("anthropic/claude-3.5-haiku", (3, 5)),
            ("eu.anthropic.claude-opus-4-6-v1:0", (4, 6)),
            ("Claude-Haiku-5-5", (5, 5)),
            ("claude-2.1", (2, 1)),
            ("claude-sonnet-5", (5, 0)),
            ("claude-mythos-preview", NEW),
        ] {
            assert_eq!(Model::named(name), Model { claude: true, version }, "{name}");
        }
        assert!(!Model::named("deepseek-chat").claude);
    }

    #[test]
    fn what_models_take_depends_on_their_version() {
        for (name, told, samples, schemas, most) in [
            ("claude-3-haiku-20240307", Told::Never, true, false, 4_096),
            ("claude-3-5-sonnet-20241022", Told::Never, true, false, 8_192),
            ("claude-3-7-sonnet", Told::Budget, true, false, 64_000),
            ("claude-opus-4-1", Told::Budget, true, false, 32_000),
            ("claude-haiku-4-5", Told::Budget, true, true, 64_000),
            ("claude-sonnet-4-6", Told::Either, true, true, 128_000),
            ("claude-opus-4-7", Told::Effort, false, true, 128_000),
            ("glm-4.6", Told::Budget, true, false, 65_536),
        ] {
            let model = Model::named(name);
            assert_eq!(
                (model.told(), model.samples(), model.keeps_schemas(), model.output_tokens_max()),
                (told, samples, schemas, most),
                "{name}"
            );
            assert!(model.output_tokens() <= most);
        }
    }
}
