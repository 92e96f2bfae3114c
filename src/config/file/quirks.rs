//! What is peculiar about a provider, as a person writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is peculiar about a provider beside its protocol. Default of each: as the preset has it, else false.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// The member that bounds the output in Chat. Default: by the model's name, where no preset says it.
    pub output_tokens_name: Option<OutputTokensName>,
    /// Whether it wants the reasoning of earlier turns back as `reasoning_content`.
    pub replays_reasoning: Option<bool>,
    /// Whether it knows the role `developer`.
    pub developer_role: Option<bool>,
    /// Whether all instructions have to stand in one system message in front.
    pub leading_system_only: Option<bool>,
    /// Whether it knows no system role: instructions are the user's words.
    pub no_system_role: Option<bool>,
    /// Whether `tool_choice` may force nothing.
    pub tool_choice_auto_only: Option<bool>,
    /// Whether it knows `parametersJsonSchema` (Gemini).
    pub json_schema_tools: Option<bool>,
    /// Whether it knows no `stream_options`.
    pub no_stream_options: Option<bool>,
}

/// The member that bounds the output in Chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputTokensName {
    /// By the model's name.
    Auto,
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}
