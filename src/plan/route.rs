//! How a model name becomes targets (`config.md`, "How a model name becomes targets").
//!
//! Pure, and without heap for lists of up to four: names are borrowed from the question and the snapshot. Scenes
//! (rule 4) are not looked at here yet. Which key a target uses is `keys`; what happens when one fails is not here.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::config::snapshot::{ClientIx, ProviderIx, Snapshot, TargetRule, UnknownModels};
use crate::limits;
use crate::protocol::Dialect;

/// A provider and the name it knows the model by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Whom to ask.
    pub provider: ProviderIx,
    /// For what, in the provider's words.
    pub model: &'a str,
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
pub fn targets<'a>(s: &'a Snapshot, q: &Question<'a>) -> Result<Targets<'a>, Refused> {
    if q.model.len() > limits::MODEL_NAME_BYTES_MAX {
        return Err(Refused::UnknownModel);
    }
    let asked = if is_auto(q.model) { "auto" } else { q.model };
    if let Some(client) = q.client
        && !s.clients[usize::from(client)].may_ask(asked)
    {
        return Err(Refused::NotAllowed);
    }
    let mut found = Found { s, asked, targets: Targets::new(), excluded: false };
    if let Some(provider) = q.forced {
        found.explicit(provider, strip_own_name(s, provider, asked))?;
        return found.done();
    }
    if let Some((provider, model)) = explicit(s, asked) {
        found.explicit(provider, model)?;
        return found.done();
    }
    let route = s.route(q.client, q.dialect).map(|route| &s.routes[usize::from(route)]);
    if let Some(rules) = route.and_then(|route| route.models.get(asked)) {
        found.rules(rules);
        return found.done();
    }
    for (provider, published) in s.published(asked) {
        found.push(provider, &published.name);
    }
    if !found.targets.is_empty() || found.excluded {
        return found.done();
    }
    match route {
        Some(route) if route.unknown_models == UnknownModels::Default => {
            found.rules(&route.to);
            found.done()
        }
        Some(_) if is_auto(asked) => Err(Refused::NotDirected),
        None if is_auto(asked) => Err(Refused::NoRoute),
        Some(_) | None => Err(Refused::UnknownModel),
    }
}

/// No name, and `auto` in any case, leave the choice to the route.
fn is_auto(model: &str) -> bool {
    model.is_empty() || model.eq_ignore_ascii_case("auto")
}

/// A provider in the name itself: `provider/model`, `provider|model`, `provider:model`, `[provider] model`.
fn explicit<'a>(s: &Snapshot, asked: &'a str) -> Option<(ProviderIx, &'a str)> {
    if let Some(rest) = asked.strip_prefix('[') {
        let (name, model) = rest.split_once(']')?;
        return Some((s.provider(name.trim().as_bytes())?, model.trim_start()));
    }
    // Names of providers have none of the three, so the first one ends the name.
    let end = asked.find(['/', '|', ':'])?;
    Some((s.provider(&asked.as_bytes()[..end])?, &asked[end + 1..]))
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
    targets: Targets<'a>,
    /// Whether a target was left out because its provider excludes the model.
    excluded: bool,
}

impl<'a> Found<'a> {
    /// A provider that was named with the model.
    fn explicit(&mut self, provider: ProviderIx, model: &'a str) -> Result<(), Refused> {
        if is_auto(model) {
            // Its first model; `auto` may be one of them, or a name of the provider's own.
            let s = self.s;
            let models = &s.providers[usize::from(provider)].models;
            let named = s.providers[usize::from(provider)].published("auto").next();
            match named.or(models.first()) {
                Some(published) => self.push(provider, &published.name),
                None if model.is_empty() => return Err(Refused::NotDirected),
                None => self.push(provider, model),
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
            self.push(provider, model);
        }
        for published in published {
            self.push(provider, &published.name);
        }
    }

    fn rules(&mut self, rules: &'a [TargetRule]) {
        for rule in rules {
            match &rule.model {
                Some(model) => self.push(rule.provider, model),
                // The name asked for is kept; under `auto` there is none, so it is the provider's first.
                None if is_auto(self.asked) => {
                    let _ = self.explicit(rule.provider, self.asked);
                }
                None => self.known(rule.provider, self.asked),
            }
        }
    }

    fn push(&mut self, provider: ProviderIx, model: &'a str) {
        if self.s.providers[usize::from(provider)].excludes(model) {
            self.excluded = true;
            return;
        }
        let mapped = model != self.asked && !is_auto(self.asked);
        let target = Target { provider, model, mapped };
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }

    fn done(self) -> Result<Targets<'a>, Refused> {
        match (self.targets.is_empty(), self.excluded) {
            (false, _) => Ok(self.targets),
            (true, true) => Err(Refused::Excluded),
            (true, false) => Err(Refused::NoTarget),
        }
    }
}

/// A model as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// The provider that answers first.
    pub owned_by: &'a str,
    /// When it was released, milliseconds since 1970.
    pub released_unix_ms: Option<u64>,
}

/// What a client may ask for, each name once: `auto` where it is answered, the names that the route maps, then what the
/// providers publish, with the prefix if the bare name does not serve. Only names that have targets.
pub fn listed(s: &Snapshot, client: Option<ClientIx>, dialect: Dialect) -> Vec<Listed<'_>> {
    let mut seen: HashSet<&str, ahash::RandomState> = HashSet::default();
    let mut models = Vec::new();
    let mut offer = |id, released_unix_ms| {
        let Ok(targets) = targets(s, &Question { client, dialect, forced: None, model: id }) else { return false };
        if seen.insert(id) {
            let owned_by = &*s.providers[usize::from(targets[0].provider)].name;
            models.push(Listed { id, owned_by, released_unix_ms });
        }
        true
    };
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
