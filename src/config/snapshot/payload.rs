//! How bodies of requests are changed on their way.

use super::super::pattern::Pattern;
use crate::json::path::Path;
use crate::protocol::Dialect;
use crate::protocol::prompt::Prompt;

/// The changes of a route or a provider.
#[derive(Debug, Default)]
pub struct Shaping {
    /// Text for the system prompt.
    pub prompt: Option<Prompt>,
    /// Rules on the body, in order.
    pub payload: Box<[Payload]>,
}

impl Shaping {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.prompt.is_none() && self.payload.is_empty()
    }
}

/// A rule on the body.
#[derive(Debug)]
pub struct Payload {
    /// What must hold, all of it.
    pub when: Box<[Condition]>,
    /// Values, as JSON, set where nothing stands.
    pub default: Box<[(Path, Box<[u8]>)]>,
    /// Values, as JSON, set in any case.
    pub overriding: Box<[(Path, Box<[u8]>)]>,
    /// What is removed.
    pub filter: Box<[Path]>,
}

/// What must hold of a request.
#[derive(Debug)]
pub enum Condition {
    /// One of these matches the model asked for or the provider's name of it.
    Model(Box<[Pattern]>),
    /// The provider is spoken to in one of these.
    Protocol(Box<[Dialect]>),
    /// The client speaks one of these.
    From(Box<[Dialect]>),
    /// A header field of the client holds this.
    Header(Box<str>, Pattern),
    /// A member of the body holds this.
    Match(Path, Pattern),
    /// No member there holds this.
    NotMatch(Path, Pattern),
    /// Something stands there.
    Exist(Path),
    /// Nothing stands there.
    NotExist(Path),
}
