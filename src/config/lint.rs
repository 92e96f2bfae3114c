//! Warnings about a file as a whole: what it says without effect.

use super::file::{self, File, OneOrMany};
use super::pattern::Pattern;
use super::problem::{At, Problems};
use super::snapshot::{ProviderIx, Route, Snapshot, TargetRule, UnknownModels};

/// Adds every warning.
pub(super) fn warn(file: &File, snapshot: &Snapshot, problems: &mut Problems<'_>) {
    unused_providers(file, problems);
    unused_routes(file, snapshot, problems);
    unused_proxies(file, problems);
    prefixes(file, problems);
    wildcards(file, snapshot, problems);
    excluded_keys(file, problems);
    pools(file, problems);
    published(file, snapshot, problems);
    catalog(file, snapshot, problems);
}

fn unused_providers(file: &File, problems: &mut Problems<'_>) {
    let at_providers = At::ROOT.member("providers");
    let mut named: Vec<&str> = Vec::new();
    for (_, route) in &file.routes {
        let lists = route.models.0.iter().map(|(_, list)| list).chain(scenes(route));
        let lists = lists.chain(route.rules.iter().filter_map(|rule| rule.to.as_ref()));
        let targets = route.to.iter().chain(lists.flat_map(OneOrMany::as_slice));
        named.extend(targets.map(|target| target.split('/').next().unwrap_or_default()));
    }
    for (name, provider) in &file.providers {
        let demo = provider.protocol == Some(file::Protocol::Demo) || provider.preset.as_deref() == Some("demo");
        let used = named.iter().any(|used| used.eq_ignore_ascii_case(name));
        if !used && !demo && !provider.disabled && provider.models.is_empty() {
            let message =
                format!("nobody uses it: no route names it and it publishes no model; only {name}/MODEL reaches it");
            problems.warning(&at_providers.member(name), message);
        }
    }
}

fn scenes(route: &file::Route) -> impl Iterator<Item = &OneOrMany> {
    let scenes = &route.scenes;
    [&scenes.long_context, &scenes.background, &scenes.web_search, &scenes.think, &scenes.image, &scenes.default]
        .into_iter()
        .flatten()
}

fn unused_routes(file: &File, snapshot: &Snapshot, problems: &mut Problems<'_>) {
    let at_routes = At::ROOT.member("routes");
    let clients = snapshot.clients.iter().map(|client| client.route);
    let used: Vec<_> = clients.chain(snapshot.default_routes).chain([snapshot.default_route]).flatten().collect();
    for (place, name) in file.routes.names().enumerate() {
        if !used.iter().any(|&route| usize::from(route) == place) {
            problems.warning(&at_routes.member(name), "nobody uses it: it is no client's route and no default");
        }
    }
}

fn unused_proxies(file: &File, problems: &mut Problems<'_>) {
    let own = |key: &file::KeyEntry| matches!(key, file::KeyEntry::Full(key) if key.proxy.is_some() || key.disabled);
    let all_own = |provider: &file::Provider| !provider.keys.is_empty() && provider.keys.iter().all(own);
    let message = "nobody uses it: whoever could has a proxy of its own";
    let root = At::ROOT;
    let mut live = file.providers.0.iter().filter(|(_, provider)| !provider.disabled);
    if file.proxy.is_some() && live.all(|(_, provider)| provider.proxy.is_some() || all_own(provider)) {
        problems.warning(&root.member("proxy"), message);
    }
    let at_providers = root.member("providers");
    for (name, provider) in &file.providers {
        if provider.proxy.is_some() && all_own(provider) {
            problems.warning(&at_providers.member(name).member("proxy"), message);
        }
    }
}

fn prefixes(file: &File, problems: &mut Problems<'_>) {
    let at_providers = At::ROOT.member("providers");
    for (name, provider) in &file.providers {
        let Some(prefix) = &provider.prefix else { continue };
        if let Some(other) = file.providers.names().find(|other| other.eq_ignore_ascii_case(prefix)) {
            let message = format!("is a provider's name too: {prefix}/MODEL is asked of provider {other:?}");
            problems.warning(&at_providers.member(name).member("prefix"), message);
        }
        let earlier = file.providers.0.iter().take_while(|(other, _)| other != name);
        let same =
            |other: &file::Provider| other.prefix.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(prefix));
        if let Some((other, _)) = earlier.into_iter().find(|(_, other)| same(other)) {
            let message = format!("is the prefix of provider {other:?} too: what both publish is asked of both");
            problems.warning(&at_providers.member(name).member("prefix"), message);
        }
    }
}

fn wildcards(file: &File, snapshot: &Snapshot, problems: &mut Problems<'_>) {
    let at_routes = At::ROOT.member("routes");
    for (name, route) in file.routes.names().zip(&snapshot.routes) {
        let at_route = at_routes.member(name);
        let at_models = at_route.member("models");
        let entry = |place: &u16| &route.models.entries[usize::from(*place)].0;
        for (order, place) in route.models.wildcards.iter().enumerate() {
            let pattern = entry(place);
            let at = at_models.member(pattern.as_str());
            if let Some(provider) = named_by(pattern, snapshot) {
                let provider = &snapshot.providers[usize::from(provider)].name;
                problems.warning(&at, format!("can never match: such a name goes to provider {provider:?} before"));
            } else if let Some(wider) =
                route.models.wildcards[..order].iter().map(entry).find(|wider| wider.covers(pattern))
            {
                problems.warning(&at, format!("can never match: {:?} takes all of it", wider.as_str()));
            }
        }
        for (name, _) in route.models.entries.iter().filter(|(name, _)| !name.is_wildcard()) {
            if let Some(provider) = named_by(name, snapshot) {
                let provider = &snapshot.providers[usize::from(provider)].name;
                let message = format!("can never match: this name goes to provider {provider:?} before");
                problems.warning(&at_models.member(name.as_str()), message);
            }
        }
    }
}

/// The provider that takes every name of a pattern (`provider/…`, `provider|…`, `provider:…`) before routes are asked.
fn named_by(pattern: &Pattern, snapshot: &Snapshot) -> Option<ProviderIx> {
    let text = pattern.as_str();
    let end = text.find(['/', '|', ':'])?;
    snapshot.provider(&text.as_bytes()[..end])
}

fn excluded_keys(file: &File, problems: &mut Problems<'_>) {
    let at_providers = At::ROOT.member("providers");
    for (name, provider) in &file.providers {
        let at_provider = at_providers.member(name);
        let at_keys = at_provider.member("keys");
        for (place, key) in provider.keys.iter().enumerate() {
            let file::KeyEntry::Full(key) = key else { continue };
            let at_key = at_keys.entry(place);
            let excluded: Vec<Pattern> =
                key.exclude_models.iter().chain(&provider.exclude_models).map(|text| Pattern::new(text)).collect();
            for (place, text) in key.models.iter().enumerate() {
                let pattern = Pattern::new(text);
                if excluded.iter().any(|wider| wider.covers(&pattern)) {
                    let message = "can never match: \"exclude_models\" takes all of it";
                    problems.warning(&at_key.member("models").entry(place), message);
                }
            }
        }
    }
}

/// What is said of keys and does not count.
fn pools(file: &File, problems: &mut Problems<'_>) {
    let at_providers = At::ROOT.member("providers");
    for (name, provider) in &file.providers {
        let at_provider = at_providers.member(name);
        let at_keys = at_provider.member("keys");
        let mut disabled = provider.keys.iter().map(|key| settings(key).is_some_and(|key| key.disabled));
        if !provider.disabled && !provider.keys.is_empty() && disabled.all(|disabled| disabled) {
            problems.warning(&at_keys, "are all disabled: nothing is ever asked of this provider");
        }
        for (place, key) in provider.keys.iter().enumerate() {
            let Some(key) = settings(key) else { continue };
            let at_key = at_keys.entry(place);
            if key.weight > 1 && provider.balance != file::Balance::Weighted {
                problems.warning(&at_key.member("weight"), "counts under \"balance\": \"weighted\" only");
            }
            if key.queue > 0 && key.max_concurrent == 0 {
                problems.warning(&at_key.member("queue"), "has nothing to wait for: \"max_concurrent\" is no bound");
            }
        }
    }
}

/// Models that are published and cannot be asked for, and names that lead back to themselves.
fn published(file: &File, snapshot: &Snapshot, problems: &mut Problems<'_>) {
    let at_providers = At::ROOT.member("providers");
    for (name, given) in &file.providers {
        let Some(index) = snapshot.provider(name.as_bytes()).filter(|_| !given.disabled) else { continue };
        let (provider, at_provider) = (&snapshot.providers[usize::from(index)], at_providers.member(name));
        let at_models = at_provider.member("models");
        let mut keys = snapshot.keys_of(index).filter(|(_, key)| !key.disabled).peekable();
        let keys: Vec<_> = if keys.peek().is_some() { keys.collect() } else { continue };
        for (place, entry) in given.models.iter().enumerate() {
            let at = at_models.entry(place);
            let (model, alias) = named(entry);
            if provider.excludes(model) {
                problems.warning(&at, "is published, and \"exclude_models\" of its provider leaves it out");
            } else if !keys.iter().any(|(_, key)| key.serves(model)) {
                problems.warning(&at, "is published, and every key of its provider leaves it out");
            }
            if let Some(alias) = alias
                && leads_back(&given.models, model, alias)
            {
                let message = "leads back to where it came from: names are not followed from one to the next";
                problems.warning(&at.member("alias"), message);
            }
        }
    }
}

/// The provider's name of a model, and what clients call it.
fn named(entry: &file::ModelEntry) -> (&str, Option<&str>) {
    match entry {
        file::ModelEntry::Name(name) => (name, None),
        file::ModelEntry::Full(model) => (model.name.as_deref().unwrap_or_default(), model.alias.as_deref()),
    }
}

/// Whether following names from `alias` on, as if an alias meant the next model of that name, comes back to `model`.
fn leads_back(models: &[file::ModelEntry], model: &str, alias: &str) -> bool {
    let next = |name: &str| models.iter().map(named).find(|(other, _)| *other == name).and_then(|(_, alias)| alias);
    let mut at = alias;
    for _ in 0..models.len() {
        match next(at) {
            Some(alias) if alias == model && alias != at => return true,
            Some(alias) => at = alias,
            None => return false,
        }
    }
    false
}

fn settings(key: &file::KeyEntry) -> Option<&file::Key> {
    if let file::KeyEntry::Full(key) = key { Some(key) } else { None }
}

/// Under `catalog` only published names exist.
fn catalog(file: &File, snapshot: &Snapshot, problems: &mut Problems<'_>) {
    let at_routes = At::ROOT.member("routes");
    for ((name, given), route) in file.routes.into_iter().zip(&snapshot.routes) {
        if route.unknown_models != UnknownModels::Catalog {
            continue;
        }
        let at_route = at_routes.member(name);
        let unpublished = |rules: &[TargetRule]| rules.iter().any(|rule| !is_published(snapshot, rule));
        if !given.to.is_empty() && unpublished(&route.to.rules) {
            let message = "names a model that its provider does not publish, under \"unknown_models\": \"catalog\"";
            problems.warning(&at_route.member("to"), message);
        }
        for (pattern, rules) in &route.models.entries {
            if unpublished(&rules.rules) {
                let message =
                    "leads to a model that its provider does not publish, under \"unknown_models\": \"catalog\"";
                problems.warning(&at_route.member("models").member(pattern.as_str()), message);
            }
        }
    }
    let at_clients = At::ROOT.member("clients");
    for (name, client) in file.clients.names().zip(&snapshot.clients) {
        let route = client.route.or(snapshot.default_route).map(|route| &snapshot.routes[usize::from(route)]);
        let Some(route) = route.filter(|route| route.unknown_models == UnknownModels::Catalog) else { continue };
        let at_models = at_clients.member(name);
        let at_models = at_models.member("models");
        for (place, pattern) in client.models.iter().flatten().enumerate() {
            if !reachable(pattern, route, snapshot) {
                let message = if pattern.is_wildcard() { "can never match: no" } else { "is published by nobody: no" };
                let message = format!("{message} published name is like it, under \"unknown_models\": \"catalog\"");
                problems.warning(&at_models.entry(place), message);
            }
        }
    }
}

fn is_published(snapshot: &Snapshot, rule: &TargetRule) -> bool {
    let models = &snapshot.providers[usize::from(rule.provider)].models;
    rule.model.as_ref().is_none_or(|model| models.iter().any(|published| published.name == *model))
}

/// Whether a pattern of an allow-list can let anything through. In doubt it can.
fn reachable(pattern: &Pattern, route: &Route, snapshot: &Snapshot) -> bool {
    let head = pattern.as_str().split('*').next().unwrap_or_default();
    let explicit = snapshot.providers.iter().any(|provider| {
        let both = head.bytes().zip(provider.name.bytes());
        head.is_empty() || head.starts_with('[') || both.into_iter().all(|(a, b)| a.eq_ignore_ascii_case(&b))
    });
    let mut published = snapshot.providers.iter().flat_map(|provider| &provider.models);
    explicit
        || pattern.matches("auto")
        || route.models.entries.iter().any(|(name, _)| name.is_wildcard() || pattern.matches(name.as_str()))
        || published.any(|model| {
            model.bare && pattern.matches(model.id()) || model.prefixed.as_deref().is_some_and(|id| pattern.matches(id))
        })
}
