//! The dialects clients speak and the protocols providers speak.
//!
//! Here is what the relay must know to pass an exchange between two that speak the same: which path means what
//! ([`path`]), which path to ask upstream ([`address`]), what a request and an answer say about model, stream
//! and tokens ([`sniff`]), and what the relay answers itself ([`failure`], [`models`], [`demo`]).
//! What all of them mean is [`ir`], the pivot of translation.

pub mod address;
pub mod alive;
pub mod anthropic;
pub mod chat;
pub mod demo;
pub mod effort;
pub mod estimate;
pub mod failure;
pub mod gemini;
pub mod ir;
pub mod known;
pub mod models;
pub mod ollama;
pub mod path;
pub mod prompt;
pub mod responses;
pub mod sniff;
pub mod tokens;
pub mod translate;

use path::Endpoint;

/// What a caller speaks: the shape of errors, streams and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Dialect {
    Chat,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// OpenAI's interfaces as Azure offers them.
    Azure,
    /// Ollama's own interface.
    Ollama,
    /// Answers from inside the process.
    Demo,
}

impl Dialect {
    /// All of them, in the order of their numbers.
    pub const ALL: [Dialect; 5] =
        [Dialect::Chat, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini, Dialect::Ollama];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Chat => "chat",
            Dialect::Responses => "responses",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
            Dialect::Ollama => "ollama",
        }
    }
}

impl Protocol {
    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Chat => "chat",
            Protocol::Responses => "responses",
            Protocol::Anthropic => "anthropic",
            Protocol::Gemini => "gemini",
            Protocol::Azure => "azure",
            Protocol::Ollama => "ollama",
            Protocol::Demo => "demo",
        }
    }
}

/// Whether a provider of `protocol` has `endpoint`, so that a request can go there as it is.
pub fn serves(protocol: Protocol, endpoint: Endpoint) -> bool {
    use Endpoint as E;
    match protocol {
        Protocol::Chat => endpoint == E::ChatCompletions || is_plain(endpoint),
        Protocol::Responses => is_responses(endpoint) || is_plain(endpoint),
        Protocol::Azure => {
            endpoint == E::ChatCompletions
                || is_responses(endpoint)
                || matches!(endpoint, E::Completions | E::Embeddings | E::Images | E::Audio)
        }
        Protocol::Anthropic => matches!(endpoint, E::Messages | E::CountTokens),
        Protocol::Gemini => matches!(
            endpoint,
            E::GeminiGenerate | E::GeminiStream | E::GeminiCountTokens | E::GeminiEmbed | E::GeminiOther
        ),
        Protocol::Ollama => matches!(endpoint, E::OllamaChat | E::OllamaGenerate | E::OllamaEmbed),
        Protocol::Demo => endpoint == E::ChatCompletions,
    }
}

fn is_responses(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Responses | Endpoint::ResponsesCompact | Endpoint::ResponsesInputTokens)
}

/// OpenAI's interfaces beside Chat and Responses, which whoever copies OpenAI has or refuses himself.
fn is_plain(endpoint: Endpoint) -> bool {
    use Endpoint as E;
    matches!(endpoint, E::Completions | E::Embeddings | E::Images | E::Audio | E::Moderations | E::Rerank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_and_responses_are_not_each_other() {
        assert!(serves(Protocol::Chat, Endpoint::ChatCompletions) && !serves(Protocol::Chat, Endpoint::Responses));
        assert!(serves(Protocol::Responses, Endpoint::ResponsesCompact));
        assert!(!serves(Protocol::Responses, Endpoint::ChatCompletions));
        assert!(serves(Protocol::Responses, Endpoint::Embeddings) && serves(Protocol::Chat, Endpoint::Rerank));
        assert!(serves(Protocol::Azure, Endpoint::Responses) && !serves(Protocol::Azure, Endpoint::Moderations));
        assert!(!serves(Protocol::Demo, Endpoint::Embeddings));
    }
}
