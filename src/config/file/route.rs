//! A route as a person writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::form::{Named, OneOrMany};
use super::payload::PayloadRule;
use super::provider::SystemPrompt;

/// A route: how model names become targets.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Default targets in order, each `provider/model`, or `provider` to keep the name asked for.
    pub to: Vec<String>,
    /// Name asked for (`*` matches any run of characters) to a target or a list of targets. Exact wins over case-insensitive, that over the longest wildcard.
    pub models: Named<OneOrMany>,
    /// Targets by header fields and body members, looked at before `models`; the first that matches counts.
    pub rules: Vec<RouteRule>,
    /// Targets of special requests.
    pub scenes: Scenes,
    /// Tokens above which a request is of the scene `longContext`. Default 60000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub long_context_tokens: u32,
    /// Model names of the scene `background`, with `*`, beside those that contain `haiku`.
    pub background_models: Vec<String>,
    /// Order in which the targets of one list are tried. Default `ordered`.
    pub spread: Spread,
    /// What becomes of a name nobody knows: `default` uses `to`, `catalog` refuses it. Default `default`.
    pub unknown_models: UnknownModels,
    /// Text added to the system prompt of every request.
    pub system_prompt: Option<SystemPrompt>,
    /// Changes to the bodies of requests, in order; before those of the provider.
    pub payload: Vec<PayloadRule>,
}

impl Default for Route {
    fn default() -> Route {
        Route {
            to: Vec::new(),
            models: Named::default(),
            rules: Vec::new(),
            scenes: Scenes::default(),
            long_context_tokens: 60_000,
            background_models: Vec::new(),
            spread: Spread::Ordered,
            unknown_models: UnknownModels::Default,
            system_prompt: None,
            payload: Vec::new(),
        }
    }
}

/// A rule: conditions that must all hold, and the targets that follow.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["if", "to"]))]
pub struct RouteRule {
    /// What must hold.
    #[serde(rename = "if")]
    pub when: Conditions,
    /// A target or a list of targets.
    pub to: Option<OneOrMany>,
}

/// Conditions on a request, all of which must hold; upper and lower case are the same, `*` matches any run of characters.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Header fields and what they hold.
    pub header: Named<String>,
    /// Members of the body, as paths (`metadata.tier`, `messages.0.role`, `tools.*.type`), and what they hold: a string, or another value as it is written.
    pub member: Named<String>,
    /// The model name asked for: one pattern or several, one of which must match.
    pub model: Option<OneOrMany>,
}

/// Targets of special requests; the first that matches counts, in this order.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenes {
    /// More than `long_context_tokens` tokens.
    pub long_context: Option<OneOrMany>,
    /// A model name that contains `haiku` or matches `background_models`.
    pub background: Option<OneOrMany>,
    /// A web search tool.
    pub web_search: Option<OneOrMany>,
    /// Reasoning asked for.
    pub think: Option<OneOrMany>,
    /// An image in a user turn.
    pub image: Option<OneOrMany>,
    /// None of these; wins over `to`.
    pub default: Option<OneOrMany>,
}

/// Order of the targets of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// As written.
    #[default]
    Ordered,
    /// In turn.
    RoundRobin,
    /// Shortest time to first token first.
    Fastest,
    /// Latest release first.
    Latest,
}

/// What becomes of a name nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownModels {
    /// The route's `to`.
    #[default]
    Default,
    /// 404.
    Catalog,
}
