//! Routes: rules, maps, scenes and lists of targets.

use super::super::name::Names;
use super::super::pattern::Pattern;
use super::{Protocol, ProviderIx, Shaping, Spread, UnknownModels};
use crate::json::path::Path;

/// A counter that a list or a pool takes turns by.
pub type TurnIx = u16;

/// No pool.
pub const NO_TURN: TurnIx = TurnIx::MAX;

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Box<str>,
    /// Default targets.
    pub to: TargetList,
    /// Targets by header fields and body members.
    pub rules: Box<[Rule]>,
    /// Names asked for to targets.
    pub models: ModelMap,
    /// Targets of special requests.
    pub scenes: Scenes,
    /// Order of the targets of one list.
    pub spread: Spread,
    /// The turn of the lists of providers that publish a name.
    pub turn: TurnIx,
    /// What becomes of a name nobody knows.
    pub unknown_models: UnknownModels,
    /// How bodies of requests are changed.
    pub shaping: Shaping,
}

/// Targets in the order of the file.
#[derive(Debug, Default)]
pub struct TargetList {
    /// They.
    pub rules: Box<[TargetRule]>,
    /// Their turn.
    pub turn: TurnIx,
}

/// A target as a route writes it, aliases resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRule {
    /// Whom to ask.
    pub provider: ProviderIx,
    /// For what; nothing keeps the name asked for.
    pub model: Option<Box<str>>,
    /// What the provider speaks for that.
    pub protocol: Protocol,
    /// The pool that the alias behind it is.
    pub pool: TurnIx,
}

/// Conditions, all of which must hold, and the targets that follow.
#[derive(Debug)]
pub struct Rule {
    /// Header fields by name.
    pub headers: Box<[(Box<str>, Pattern)]>,
    /// Members of the body by path.
    pub members: Box<[(Path, Pattern)]>,
    /// Model names, one of which must match; none is any.
    pub models: Box<[Pattern]>,
    /// The targets.
    pub to: TargetList,
}

/// What makes a request special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// More tokens than the route's bound.
    LongContext,
    /// A small model is asked for.
    Background,
    /// A web search tool.
    WebSearch,
    /// Reasoning is asked for.
    Think,
    /// An image in a user turn.
    Image,
}

impl Scene {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Scene; 5] = [Scene::LongContext, Scene::Background, Scene::WebSearch, Scene::Think, Scene::Image];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Scene::LongContext => "longContext",
            Scene::Background => "background",
            Scene::WebSearch => "webSearch",
            Scene::Think => "think",
            Scene::Image => "image",
        }
    }
}

/// `routes.R.scenes` and what belongs to it.
#[derive(Debug, Default)]
pub struct Scenes {
    /// Targets by scene, in the order of [`Scene::ALL`].
    pub lists: [Option<TargetList>; 5],
    /// Targets where no scene matched, in place of `to`.
    pub default: Option<TargetList>,
    /// Tokens above which a request is long; nothing where the file does not speak of long requests.
    pub long_context_tokens: Option<u32>,
    /// Names of small models.
    pub background_models: Box<[Pattern]>,
}

impl Scenes {
    /// Whether a request has to be looked at.
    pub fn is_empty(&self) -> bool {
        self.default.is_none() && self.lists.iter().all(Option::is_none)
    }

    /// The targets of a scene.
    pub fn list(&self, scene: Scene) -> Option<&TargetList> {
        self.lists[scene as usize].as_ref()
    }
}

/// `routes.R.models`.
#[derive(Debug, Default)]
pub struct ModelMap {
    /// Every entry in the order of the file, wildcards too.
    pub entries: Box<[(Pattern, TargetList)]>,
    pub(in super::super) exact: Names<u16>,
    /// Places of the wildcards, longest first.
    pub(in super::super) wildcards: Box<[u16]>,
}

impl ModelMap {
    /// The entry for a name: exact, then case-insensitive, then the longest wildcard (that of the right case first).
    pub fn get(&self, name: &str) -> Option<&(Pattern, TargetList)> {
        let entry = |place: &u16| &self.entries[usize::from(*place)];
        let wildcard = |matches: fn(&Pattern, &str) -> bool| {
            self.wildcards.iter().map(entry).find(|(pattern, _)| matches(pattern, name))
        };
        let found = self.exact.get(name).next().map(entry);
        found.or_else(|| wildcard(Pattern::matches_exactly)).or_else(|| wildcard(Pattern::matches))
    }
}
