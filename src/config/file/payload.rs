//! Rules on the bodies of requests as a person writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::form::{Anything, Named, OneOrMany};

/// Changes to a request's body. All conditions must hold; then `default`, `override` and `filter` apply in this order. Paths are as in `routes.R.rules`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PayloadRule {
    /// What must hold. Default: nothing.
    #[serde(rename = "if")]
    pub when: PayloadConditions,
    /// Values by path, set where nothing stands.
    pub default: Named<Anything>,
    /// The same, each value written as JSON text.
    pub default_raw: Named<String>,
    /// Values by path, set in any case.
    #[serde(rename = "override")]
    pub overriding: Named<Anything>,
    /// The same, each value written as JSON text.
    pub override_raw: Named<String>,
    /// Paths of what is removed.
    pub filter: Vec<String>,
}

/// Conditions of a payload rule. Upper and lower case are the same, `*` matches any run of characters.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PayloadConditions {
    /// The model asked for, or the provider's name of it: one pattern or several, one of which must match.
    pub model: Option<OneOrMany>,
    /// What the provider is spoken to in: `chat`, `responses`, `anthropic`, `gemini`, `ollama`.
    pub protocol: Option<OneOrMany>,
    /// What the client speaks: the same words.
    pub from: Option<OneOrMany>,
    /// Header fields of the client and what they hold.
    pub header: Named<String>,
    /// Members of the body by path and what they hold.
    #[serde(rename = "match")]
    pub matching: Named<String>,
    /// Members of the body by path and what they do not hold.
    pub not_match: Named<String>,
    /// Paths at which something stands.
    pub exist: Vec<String>,
    /// Paths at which nothing stands.
    pub not_exist: Vec<String>,
}
