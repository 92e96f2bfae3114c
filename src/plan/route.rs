//! How a model name becomes targets (`config.md`, "How a model name becomes targets").
//!
//! Pure, and without heap for lists of up to four: names are borrowed from the question and the snapshot. What rule or
//! scene a request meets is `meet`; in which order the targets of a list are tried is `spread`; which key a target uses
//! is `keys`; what happens when one fails is not here.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::base::text::beginning;
use crate::config::snapshot::{
    ClientIx, NO_TURN, ProviderIx, Published, Route, RouteIx, Scene, Snapshot, TargetList, TurnIx, UnknownModels,
};
use crate::limits;
use crate::protocol::effort;
use crate::protocol::ir::Thinking;
use crate::protocol::{Dialect, Protocol};

/// A provider and the name it knows the model by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Whom to ask.
    pub provider: ProviderIx,
    /// For what, in the provider's words.
    pub model: &'a str,
    /// What the provider speaks for this model.
    pub protocol: Protocol,
    /// The pool it is one of, or `NO_TURN`.
    pub pool: TurnIx,
    /// Whether the client asked by another name, so that answers carry that one. Not under `auto`: there they carry
    /// the provider's.
    pub mapped: bool,
}

/// Targets in the order in which they are to be tried; never empty.
pub type Targets<'a> = SmallVec<[Target<'a>; 4]>;

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The client, if it is known.
    pub client: Option<ClientIx>,
    /// What it speaks.
    pub dialect: Dialect,
    /// The provider that the path names.
    pub forced: Option<ProviderIx>,
    /// The model it asks for; empty if it names none.
    pub model: &'a str,
    /// The first rule of the route that the request meets.
    pub rule: Option<u16>,
    /// What is special about the request.
    pub scene: Option<Scene>,
}

/// What decided, for whoever wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The provider in the path.
    Path,
    /// The provider in the name.
    Name,
    /// A rule of the route, by its place.
    Rule(u16),
    /// An entry of the route's `models`.
    Map(&'a str),
    /// A scene of the route.
    Scene(Scene),
    /// Who publishes the name.
    Catalogue,
    /// `scenes.default`.
    SceneDefault,
    /// The route's `to`.
    To,
}

/// The outcome of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The targets, as they stand in the file.
    pub targets: Targets<'a>,
    /// What decided.
    pub by: By<'a>,
    /// The route that was taken.
    pub route: Option<RouteIx>,
    /// The turn of the list, where its order is the route's.
    pub turn: Option<TurnIx>,
    /// How much reasoning the name asks for.
    pub effort: Option<Thinking>,
}

/// Why there is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `auto`, or no model at all, and no route applies that could choose one: 400.
    NoRoute,
    /// A name that nobody publishes, maps or takes: 404.
    UnknownModel,
    /// A name that is not on the client's list: 403.
    NotAllowed,
    /// A model that its provider excludes: 404.
    Excluded,
    /// `auto`, or no model at all, where only published names are served: 400.
    NotDirected,
    /// The route has no target left: none is written, or their providers are disabled: 404.
    NoTarget,
}

/// The targets of a question.
pub fn targets<'a>(s: &'a Snapshot, q: &Question<'a>) -> Result<Chosen<'a>, Refused> {
    if q.model.len() > limits::MODEL_NAME_BYTES_MAX {
        return Err(Refused::UnknownModel);
    }
    let route = s.route(q.client, q.dialect);
    let (asked, effort) = name(s, route, q.model);
    if let Some(client) = q.client {
        let client = &s.clients[usize::from(client)];
        if !client.may_ask(if is_auto(q.model) { asked } else { q.model }) && !client.may_ask(asked) {
            return Err(Refused::NotAllowed);
        }
    }
    let whole = if effort.is_some() { q.model } else { asked };
    let mut found = Found { s, asked, whole, targets: Targets::new(), excluded: false };
    let done = |found: Found<'a>, by, turn| found.done(by, route, turn, effort);
    if let Some(provider) = q.forced {
        found.explicit(provider, strip_own_name(s, provider, asked))?;
        return done(found, By::Path, None);
    }
    if let Some((provider, model)) = explicit(s, asked) {
        found.explicit(provider, model)?;
        return done(found, By::Name, None);
    }
    let rules = route.map(|route| &s.routes[usize::from(route)]);
    if let Some(rules) = rules {
        if let Some(place) = q.rule {
            let list = &rules.rules[usize::from(place)].to;
            found.list(list);
            return done(found, By::Rule(place), Some(list.turn));
        }
        if let Some((pattern, list)) = rules.models.get(asked) {
            found.list(list);
            return done(found, By::Map(pattern.as_str()), Some(list.turn));
        }
        if let Some(scene) = q.scene
            && let Some(list) = rules.scenes.list(scene)
        {
            found.list(list);
            return done(found, By::Scene(scene), Some(list.turn));
        }
    }
    for (provider, published) in s.published(asked) {
        found.published(provider, published);
    }
    if !found.targets.is_empty() || found.excluded {
        return done(found, By::Catalogue, rules.map(|rules| rules.turn));
    }
    match rules {
        Some(rules) if rules.unknown_models == UnknownModels::Default => {
            let (by, list) = match &rules.scenes.default {
                Some(list) if q.scene.is_none() => (By::SceneDefault, list),
                Some(_) | None => (By::To, &rules.to),
            };
            found.list(list);
            done(found, by, Some(list.turn))
        }
        Some(_) if is_auto(asked) => Err(Refused::NotDirected),
        None if is_auto(asked) => Err(Refused::NoRoute),
        Some(_) | None => Err(Refused::UnknownModel),
    }
}

/// The route whose rules or scenes the answer to this question hangs on; nothing if it is found without them.
pub fn looks_at_request<'a>(s: &'a Snapshot, q: &Question<'_>) -> Option<&'a Route> {
    let route = s.route(q.client, q.dialect)?;
    let rules = &s.routes[usize::from(route)];
    if q.forced.is_some() || rules.rules.is_empty() && rules.scenes.is_empty() {
        return None;
    }
    let (asked, _) = name(s, Some(route), q.model);
    explicit(s, asked).is_none().then_some(rules)
}

/// Whether the scene of a request matters, once it meets no rule of its route.
pub fn looks_at_scene(route: &Route, s: &Snapshot, model: &str) -> bool {
    let (asked, _) = name(s, None, model);
    !route.scenes.is_empty() && route.models.get(asked).is_none()
}

/// The name to look for, `auto` in its one spelling, and the reasoning that a suffix asks for. A name that is known
/// with its suffix has none.
fn name<'a>(s: &Snapshot, route: Option<RouteIx>, model: &'a str) -> (&'a str, Option<Thinking>) {
    let split = effort::split(model).filter(|_| {
        let mapped = route.and_then(|route| s.routes[usize::from(route)].models.get(model));
        s.published(model).next().is_none() && mapped.is_none_or(|(pattern, _)| pattern.is_wildcard())
    });
    let (name, effort) = split.map_or((model, None), |(name, effort)| (name, Some(effort)));
    (if is_auto(name) { "auto" } else { name }, effort)
}

/// No name, and `auto` in any case, leave the choice to the route.
fn is_auto(model: &str) -> bool {
    model.is_empty() || model.eq_ignore_ascii_case("auto")
}

/// A provider in the name itself: `provider/model`, `provider|model`, `provider:model`, `provider::model`,
/// `[provider] model`.
fn explicit<'a>(s: &Snapshot, asked: &'a str) -> Option<(ProviderIx, &'a str)> {
    if let Some(rest) = asked.strip_prefix('[') {
        let (name, model) = rest.split_once(']')?;
        return Some((s.provider(name.trim().as_bytes())?, model.trim_start()));
    }
    // Names of providers have none of the three, so the first one ends the name.
    let end = asked.find(['/', '|', ':'])?;
    let (name, rest) = asked.split_at(end);
    Some((s.provider(name.as_bytes())?, rest.strip_prefix("::").unwrap_or(&rest[1..])))
}

/// `/deepseek/v1/…` with the model `deepseek/deepseek-chat` says the same twice. Another provider's name in front is
/// part of the model's name (`/openrouter/v1/…` with `deepseek/deepseek-chat`).
fn strip_own_name<'a>(s: &Snapshot, forced: ProviderIx, asked: &'a str) -> &'a str {
    match explicit(s, asked) {
        Some((provider, model)) if provider == forced => model,
        Some(_) | None => asked,
    }
}

struct Found<'a> {
    s: &'a Snapshot,
    asked: &'a str,
    /// The name with its suffix.
    whole: &'a str,
    targets: Targets<'a>,
    /// Whether a target was left out because its provider excludes the model.
    excluded: bool,
}

impl<'a> Found<'a> {
    /// A provider that was named with the model.
    fn explicit(&mut self, provider: ProviderIx, model: &'a str) -> Result<(), Refused> {
        if is_auto(model) {
            // Its first model; `auto` may be one of them, or a name of the provider's own.
            match self.s.providers[usize::from(provider)].auto() {
                Some(published) => self.push(provider, &published.name, published.protocol, NO_TURN),
                None if model.is_empty() => return Err(Refused::NotDirected),
                None => self.own(provider, model),
            }
        } else {
            self.known(provider, model);
        }
        Ok(())
    }

    /// What a provider publishes under a name, else the name as it stands.
    fn known(&mut self, provider: ProviderIx, model: &'a str) {
        let s = self.s;
        let mut published = s.providers[usize::from(provider)].published(model).peekable();
        if published.peek().is_none() {
            self.own(provider, model);
        }
        for published in published {
            self.published(provider, published);
        }
    }

    fn list(&mut self, list: &'a TargetList) {
        for rule in &list.rules {
            match &rule.model {
                Some(model) => self.push(rule.provider, model, rule.protocol, rule.pool),
                // The name asked for is kept; under `auto` there is none, so it is the provider's first.
                None if is_auto(self.asked) => {
                    let _ = self.explicit(rule.provider, self.asked);
                }
                None => self.known(rule.provider, self.asked),
            }
        }
    }

    fn published(&mut self, provider: ProviderIx, published: &'a Published) {
        self.push(provider, &published.name, published.protocol, published.pool);
    }

    /// A name of the provider's own.
    fn own(&mut self, provider: ProviderIx, model: &'a str) {
        let protocol = self.s.providers[usize::from(provider)].speaks(model);
        self.push(provider, model, protocol, NO_TURN);
    }

    fn push(&mut self, provider: ProviderIx, model: &'a str, protocol: Protocol, pool: TurnIx) {
        if self.s.providers[usize::from(provider)].excludes(model) {
            self.excluded = true;
            return;
        }
        let mapped = model != self.whole && !is_auto(self.asked);
        let target = Target { provider, model, protocol, pool, mapped };
        if !self.targets.iter().any(|other| other.provider == provider && other.model == model) {
            self.targets.push(target);
        }
    }

    fn done(
        self,
        by: By<'a>,
        route: Option<RouteIx>,
        turn: Option<TurnIx>,
        effort: Option<Thinking>,
    ) -> Result<Chosen<'a>, Refused> {
        match (self.targets.is_empty(), self.excluded) {
            (false, _) => Ok(Chosen { targets: self.targets, by, route, turn, effort }),
            (true, true) => Err(Refused::Excluded),
            (true, false) => Err(Refused::NoTarget),
        }
    }
}

/// Published and mapped names that are like one that is unknown, nearest first; a few, for an error message.
pub fn nearest<'a>(s: &'a Snapshot, q: &Question<'_>) -> SmallVec<[&'a str; 3]> {
    let asked: &str = beginning(q.model, limits::NAME_SHOWN_BYTES);
    let known: Vec<&str> = listed(s, q.client, q.dialect, q.forced).iter().map(|model| model.id).collect();
    let mut near = SmallVec::new();
    for _ in 0..3 {
        let rest = known.iter().copied().filter(|id| !near.contains(id));
        match crate::config::problem::nearest(asked, rest) {
            Some(name) => near.push(name),
            None => break,
        }
    }
    near
}

/// A model as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// The provider that answers first.
    pub owned_by: &'a str,
    /// What that provider calls it.
    pub model: &'a str,
    /// When it was released, milliseconds since 1970.
    pub released_unix_ms: Option<u64>,
}

/// What a client may ask for, each name once: `auto` where it is answered, the names that the route maps, then what the
/// providers publish, with the prefix if the bare name does not serve. Where the path names a provider, what that one
/// publishes. Only names that have targets.
pub fn listed(s: &Snapshot, client: Option<ClientIx>, dialect: Dialect, forced: Option<ProviderIx>) -> Vec<Listed<'_>> {
    let mut seen: HashSet<&str, ahash::RandomState> = HashSet::default();
    let mut models = Vec::new();
    let mut offer = |id, released_unix_ms| {
        let question = Question { client, dialect, forced, model: id, rule: None, scene: None };
        let Ok(chosen) = targets(s, &question) else { return false };
        if seen.insert(id) {
            let first = chosen.targets[0];
            let owned_by = &*s.providers[usize::from(first.provider)].name;
            models.push(Listed { id, owned_by, model: first.model, released_unix_ms });
        }
        true
    };
    if let Some(provider) = forced {
        for model in &s.providers[usize::from(provider)].models {
            offer(model.id(), model.released_unix_ms);
        }
        return models;
    }
    offer("auto", None);
    let route = s.route(client, dialect).map(|route| &s.routes[usize::from(route)]);
    for (name, _) in route.iter().flat_map(|route| &route.models.entries) {
        if !name.is_wildcard() {
            offer(name.as_str(), None);
        }
    }
    for model in s.providers.iter().flat_map(|provider| &provider.models) {
        if !(model.bare && offer(model.id(), model.released_unix_ms))
            && let Some(prefixed) = &model.prefixed
        {
            offer(prefixed, model.released_unix_ms);
        }
    }
    models
}

#[cfg(test)]
#[path = "route_test.rs"]
mod tests;
