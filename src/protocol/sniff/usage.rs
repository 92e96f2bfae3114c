//! Token counts of all vendors in one form.
//!
//! Vendors disagree about what is part of what. Here `input` is the whole prompt, the cached part included, and
//! `output` all that was generated, reasoning included. What was not said stays `None`, which is not zero.

use crate::json::{self, Members, Raw};

/// What an exchange cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: Option<u64>,
    /// Tokens generated, reasoning included.
    pub output: Option<u64>,
    /// Tokens of the prompt that came from a cache.
    pub cache_read: Option<u64>,
    /// Tokens of the prompt that were put into one.
    pub cache_write: Option<u64>,
    /// Tokens of reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Whether anything was said.
    pub fn is_said(&self) -> bool {
        *self != Usage::default()
    }

    /// Takes over what `later` says of the same answer. Counts are cumulative, so the last one holds; but none
    /// falls back to zero: that is a vendor who fills in a member he does not know.
    pub(in crate::protocol) fn update(&mut self, later: Usage) {
        let pairs = [
            (&mut self.input, later.input),
            (&mut self.output, later.output),
            (&mut self.cache_read, later.cache_read),
            (&mut self.cache_write, later.cache_write),
            (&mut self.reasoning, later.reasoning),
        ];
        for (have, said) in pairs {
            match (*have, said) {
                (_, None) | (Some(1..), Some(0)) => {}
                (_, Some(count)) => *have = Some(count),
            }
        }
    }

    /// The `usage` of Chat, Responses and whoever copies them. Some tell the same count under two names, one of
    /// them zero.
    pub(in crate::protocol) fn openai(object: &[u8]) -> Usage {
        Usage::openai_members(&mut json::members(object))
    }

    /// [`Usage::openai`] by the members of the object.
    pub(super) fn openai_members(members: &mut Members<'_>) -> Usage {
        let mut usage = Usage::default();
        let mut total = None;
        for (name, value) in members {
            match name.bytes() {
                b"prompt_tokens" | b"input_tokens" => most(&mut usage.input, value),
                b"completion_tokens" | b"output_tokens" => most(&mut usage.output, value),
                b"total_tokens" => total = value.as_u64(),
                // DeepSeek, Moonshot, and relays in front of Anthropic.
                b"prompt_cache_hit_tokens" | b"cached_tokens" | b"cache_read_input_tokens" => {
                    most(&mut usage.cache_read, value);
                }
                b"cache_creation_input_tokens" => most(&mut usage.cache_write, value),
                b"prompt_tokens_details" | b"input_tokens_details" => {
                    for (name, value) in value.members() {
                        match name.bytes() {
                            b"cached_tokens" => most(&mut usage.cache_read, value),
                            b"cache_write_tokens" | b"cache_creation_tokens" => most(&mut usage.cache_write, value),
                            _ => {}
                        }
                    }
                }
                b"completion_tokens_details" | b"output_tokens_details" => {
                    if let Some(value) = value.find("reasoning_tokens") {
                        most(&mut usage.reasoning, value);
                    }
                }
                _ => {}
            }
        }
        // xAI leaves reasoning out of the completion; only the total tells.
        if let (Some(input), Some(output), Some(reasoning @ 1..), Some(total)) =
            (usage.input, usage.output, usage.reasoning, total)
            && [input, output, reasoning].iter().try_fold(0_u64, |sum, &part| sum.checked_add(part)) == Some(total)
        {
            usage.output = Some(output + reasoning);
        }
        usage
    }

    /// Anthropic's `usage` as it stands, where `input` is what no cache had: see [`Usage::with_cache`].
    pub(in crate::protocol) fn anthropic(object: &[u8]) -> Usage {
        Usage::anthropic_members(&mut json::members(object))
    }

    /// [`Usage::anthropic`] by the members of the object.
    pub(super) fn anthropic_members(members: &mut Members<'_>) -> Usage {
        let mut usage = Usage::default();
        for (name, value) in members {
            match name.bytes() {
                b"input_tokens" => usage.input = value.as_u64(),
                b"output_tokens" => usage.output = value.as_u64(),
                b"cache_read_input_tokens" => usage.cache_read = value.as_u64(),
                b"cache_creation_input_tokens" => usage.cache_write = value.as_u64(),
                b"output_tokens_details" => {
                    usage.reasoning = value.find("thinking_tokens").and_then(Raw::as_u64);
                }
                _ => {}
            }
        }
        usage
    }

    /// With the cached tokens added to `input`.
    pub(in crate::protocol) fn with_cache(self) -> Usage {
        let cached = self.cache_read.unwrap_or(0).saturating_add(self.cache_write.unwrap_or(0));
        Usage { input: self.input.map(|input| input.saturating_add(cached)), ..self }
    }

    /// Gemini's `usageMetadata`: candidates exclude thoughts, the prompt excludes the results of its own tools.
    pub(in crate::protocol) fn gemini(object: &[u8]) -> Usage {
        Usage::gemini_members(&mut json::members(object))
    }

    /// [`Usage::gemini`] by the members of the object.
    pub(super) fn gemini_members(members: &mut Members<'_>) -> Usage {
        let (mut usage, mut tools) = (Usage::default(), None);
        for (name, value) in members {
            match name.bytes() {
                b"promptTokenCount" => usage.input = value.as_u64(),
                b"candidatesTokenCount" => usage.output = value.as_u64(),
                b"cachedContentTokenCount" => usage.cache_read = value.as_u64(),
                b"thoughtsTokenCount" => usage.reasoning = value.as_u64(),
                b"toolUsePromptTokenCount" => tools = value.as_u64(),
                _ => {}
            }
        }
        Usage { input: sum(usage.input, tools), output: sum(usage.output, usage.reasoning), ..usage }
    }

    /// Ollama's counts, which stand in the answer itself; those of the prompt include what a cache had.
    pub(in crate::protocol) fn ollama(answer: &[u8]) -> Usage {
        let mut usage = Usage::default();
        for (name, value) in json::members(answer) {
            match name.bytes() {
                b"prompt_eval_count" => usage.input = value.as_u64(),
                b"prompt_eval_cached_count" => usage.cache_read = value.as_u64(),
                b"eval_count" => usage.output = value.as_u64(),
                _ => {}
            }
        }
        usage
    }
}

fn most(have: &mut Option<u64>, value: Raw<'_>) {
    *have = (*have).max(value.as_u64());
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (said, None) | (None, said) => said,
    }
}
