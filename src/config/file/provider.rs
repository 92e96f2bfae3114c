//! A provider as a person writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error_rule::ErrorRule;
use super::form::{Named, SecretRef};
use super::payload::PayloadRule;
use super::quirks::Quirks;

/// A provider: one address and the keys for it.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// A known vendor, which fills `protocol`, `base_url` and `api_version` where they are not given.
    pub preset: Option<String>,
    /// What it speaks. Default: the preset's.
    pub protocol: Option<Protocol>,
    /// Its address, with or without the version segment; a pasted endpoint loses its suffix. Default: the preset's.
    pub base_url: Option<String>,
    /// `api-version` of Azure. Default `2024-10-21`.
    pub api_version: Option<String>,
    /// Credentials: a secret, or an object with a secret and its settings.
    pub keys: Vec<KeyEntry>,
    /// How a key is chosen among those of the best priority. Default `round_robin`.
    pub balance: Balance,
    /// What keeps a conversation on its key, for the provider's prompt cache. Default `ids`.
    pub affinity: Affinity,
    /// Names it publishes. The same alias twice is a pool.
    pub models: Vec<ModelEntry>,
    /// Upstream model names that are never used, `*` matches any run of characters.
    pub exclude_models: Vec<String>,
    /// Published names are reachable as `PREFIX/NAME` too. Default: none.
    pub prefix: Option<String>,
    /// Whether published names are reachable with the prefix only. Default false.
    pub force_prefix: bool,
    /// Header fields sent to it, in place of the client's.
    pub headers: Named<SecretRef>,
    /// Outbound proxy, or `direct`. Default: the global one.
    #[schemars(extend("x-secret" = "url"))]
    pub proxy: Option<SecretRef>,
    /// Name of the tag whose content in text is reasoning (`think`). Default: none.
    pub think_tag: Option<String>,
    /// Text added to the system prompt of every request.
    pub system_prompt: Option<SystemPrompt>,
    /// Changes to the bodies of requests, in order.
    pub payload: Vec<PayloadRule>,
    /// The model that probes ask for, by the provider's name. Default: the first published one; without any the list of models is asked for.
    pub probe_model: Option<String>,
    /// What its errors call for; the first rule that matches counts.
    pub on_error: Vec<ErrorRule>,
    /// What is peculiar about it, beside or in place of what its preset says.
    pub quirks: Quirks,
    /// Bounds on waiting for it, milliseconds. Default: the global ones.
    pub timeouts: UpstreamTimeouts,
    /// How its certificate is verified.
    pub tls: Option<ClientTls>,
    /// Whether it is as if it were not there. Default false.
    pub disabled: bool,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI Chat Completions, and the other OpenAI paths.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// Azure OpenAI: deployments.
    Azure,
    /// Ollama's own.
    Ollama,
    /// Answers from inside the process.
    Demo,
}

/// How a key is chosen inside one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// In proportion to `weight`.
    Weighted,
    /// The first that is free.
    FillFirst,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one with the shortest time to first token.
    Fastest,
}

/// What keeps a conversation on its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// Nothing.
    None,
    /// Explicit conversation ids.
    #[default]
    Ids,
    /// Those, else a hash of system text and first user message.
    Conversation,
}

/// A key: the secret alone, or with its settings.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyEntry {
    /// The secret: a literal, `env:NAME` or `file:/path`.
    Secret(SecretRef),
    /// The secret and its settings.
    Full(Box<Key>),
}

/// A credential of a provider.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["key"]))]
pub struct Key {
    /// The secret: a literal, `env:NAME` or `file:/path`.
    pub key: Option<SecretRef>,
    /// Name in logs and statistics. Default: its number, from 1.
    pub name: Option<String>,
    /// Share under `balance: weighted`; 0 is used only when nothing else is left. Default 1.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// Lower is used first. Default 100.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: u32,
    /// Requests in flight at most; 0 is no bound. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_concurrent: u32,
    /// Requests that may wait when it is full. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queue: u32,
    /// How long one may wait, milliseconds. Default 30000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub queue_ms: u32,
    /// Outbound proxy, or `direct`. Default: the provider's.
    #[schemars(extend("x-secret" = "url"))]
    pub proxy: Option<SecretRef>,
    /// Upstream model names it may serve, with `*`. Default and empty: all.
    pub models: Vec<String>,
    /// Upstream model names it may not serve, with `*`.
    pub exclude_models: Vec<String>,
    /// Header fields sent with it, over the provider's.
    pub headers: Named<SecretRef>,
    /// Whether it is not used. Default false.
    pub disabled: bool,
}

impl Default for Key {
    fn default() -> Key {
        Key {
            key: None,
            name: None,
            weight: 1,
            priority: 100,
            max_concurrent: 0,
            queue: 0,
            queue_ms: 30_000,
            proxy: None,
            models: Vec::new(),
            exclude_models: Vec::new(),
            headers: Named::default(),
            disabled: false,
        }
    }
}

/// A published model: its name alone, or with its settings.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelEntry {
    /// The provider's name of it.
    Name(String),
    /// The name and its settings.
    Full(Model),
}

/// A published model.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub struct Model {
    /// The provider's name of it.
    pub name: Option<String>,
    /// The name clients see; the provider's is then not listed. Default: none.
    pub alias: Option<String>,
    /// Date of its release, `YYYY-MM-DD`. Default: not known.
    pub released: Option<String>,
    /// What the provider speaks for this model. Default: the provider's protocol.
    pub protocol: Option<Protocol>,
}

/// Text added to the system prompt.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SystemPrompt {
    /// Where it goes. Default `append`.
    pub mode: PromptMode,
    /// The text. Either this or `file`.
    pub text: Option<String>,
    /// File with the text.
    pub file: Option<String>,
    /// What is replaced in the whole system prompt, the client's and this one, in order.
    pub replacements: Vec<Replacement>,
}

/// A text and what stands in its place.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["old", "new"]))]
pub struct Replacement {
    /// The text.
    pub old: String,
    /// What stands in its place; may be empty.
    pub new: String,
}

/// Where a system prompt goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// After the client's.
    #[default]
    Append,
    /// Before the client's.
    Prepend,
    /// In place of the client's.
    Replace,
}

/// How a provider's certificate is verified.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// PEM file of a private CA, beside the system's roots. Default: none.
    pub ca: Option<String>,
    /// Name to ask for and to verify. Default: the host of `base_url`.
    pub server_name: Option<String>,
}

/// Bounds on waiting for one provider, milliseconds; the global ones where they are not given.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTimeouts {
    /// Connecting.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub connect_ms: Option<u32>,
    /// The head of an answer that is not streamed.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub answer_ms: Option<u32>,
    /// The first semantic event of a stream.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_token_ms: Option<u32>,
    /// Added to it for each MiB of the request.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub first_token_ms_per_mib: Option<u32>,
    /// Any later silence.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub stream_idle_ms: Option<u32>,
}
