//! What errors of upstreams call for, as a person writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an error of an upstream calls for, in place of what its status does.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorRule {
    /// Statuses. Default and empty: any but those of success.
    pub status: Vec<u16>,
    /// Texts, one of which its body must contain, in upper or lower case. Default and empty: any body.
    pub text: Vec<String>,
    /// Where to go on. Default: as without this rule.
    pub then: Option<Then>,
    /// How long the key rests, milliseconds; 0 is not at all. Default: as without this rule.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub cool_ms: Option<u32>,
    /// What rests. Default `model`.
    pub cool: Cool,
}

/// Where a failed attempt leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Back to the client.
    Stop,
    /// To another key of the target, then to another target.
    NextKey,
    /// To another target.
    NextTarget,
}

/// What rests after an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cool {
    /// The key for this model.
    #[default]
    Model,
    /// The key for all models.
    Key,
}
