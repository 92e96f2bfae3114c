//! What changed between two snapshots, in words for the log of a reload.
//!
//! Parts are compared by their `Debug` text, which shows secrets as fingerprints: it covers every member without a list
//! of them here.

use std::fmt::Debug;

use super::snapshot::{Access, Route, Rule, Scenes, Snapshot, TargetRule};

/// What changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Sentences, such as `provider "azure" added`.
    pub said: Vec<String>,
    /// Members whose change needs a restart.
    pub restart: Vec<&'static str>,
}

/// From `old` to `new`.
pub fn changes(old: &Snapshot, new: &Snapshot) -> Changes {
    let mut said = Vec::new();
    entries("provider", &providers(old), &providers(new), &mut said);
    entries("route", &routes(old), &routes(new), &mut said);
    entries("client", &clients(old), &clients(new), &mut said);
    let restart = [
        ("cores", differ(&old.cores, &new.cores)),
        ("driver", differ(&old.driver, &new.driver)),
        ("data_dir", differ(&old.data_dir, &new.data_dir)),
        ("admin.listen", differ(&old.admin.listen, &new.admin.listen)),
    ];
    let others = [
        ("listen", differ(&old.listen, &new.listen)),
        ("admin.password", differ(&old.admin.password, &new.admin.password)),
        ("tls", differ(&old.tls, &new.tls)),
        ("allow_ips", differ(&old.allow_ips, &new.allow_ips)),
        ("default_route", route_names(old, &[old.default_route]) != route_names(new, &[new.default_route])),
        ("default_routes", route_names(old, &old.default_routes) != route_names(new, &new.default_routes)),
        ("limits", differ(&old.limits, &new.limits)),
        ("timeouts", differ(&old.timeouts, &new.timeouts)),
        ("probes", differ(&old.probes, &new.probes)),
        ("prices", differ(&old.prices, &new.prices)),
        ("retry", differ(&old.retry, &new.retry)),
        ("cooldown", differ(&old.cooldown, &new.cooldown)),
        ("log", differ(&old.log, &new.log)),
        ("usage", old.usage_keep_days != new.usage_keep_days),
        ("traces", differ(&old.traces, &new.traces)),
        ("otlp", differ(&old.otlp, &new.otlp)),
        ("watch", old.watch != new.watch),
    ];
    if old.access != new.access {
        said.push(
            match new.access {
                Access::Keys => "access is \"keys\" now: whoever presents no client's key is answered 401",
                Access::Open => "access is \"open\" now: any key, or none, is served",
            }
            .to_owned(),
        );
    }
    for (name, changed) in restart.iter().chain(&others) {
        if *changed {
            said.push(format!("{name} changed"));
        }
    }
    let restart = restart.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    Changes { said, restart }
}

fn differ(old: &impl Debug, new: &impl Debug) -> bool {
    format!("{old:?}") != format!("{new:?}")
}

/// Entries by name.
type Described<'a> = Vec<(&'a str, String)>;

/// Each kind is described with names in place of indexes: an index that moved is no change.
fn providers(snapshot: &Snapshot) -> Described<'_> {
    let describe = |provider: &super::snapshot::Provider| {
        let keys = &snapshot.keys[usize::from(provider.keys.start)..usize::from(provider.keys.end)];
        let keys: Vec<String> = keys.iter().map(|key| without_index(key, key.provider)).collect();
        let mut shown = format!("{provider:?}");
        for model in &provider.models {
            shown = shown.replacen(&format!("pool: {} ", model.pool), "", 1);
        }
        let range = format!("keys: {:?}, ", provider.keys);
        format!("{} {keys:?}", shown.replacen(&range, "", 1))
    };
    snapshot.providers.iter().map(|provider| (&*provider.name, describe(provider))).collect()
}

fn without_index(key: &super::snapshot::Key, provider: u16) -> String {
    format!("{key:?}").replacen(&format!("provider: {provider}, "), "", 1)
}

fn routes(snapshot: &Snapshot) -> Described<'_> {
    let rules = |rules: &[TargetRule]| -> Vec<(Box<str>, Option<Box<str>>)> {
        let name = |rule: &TargetRule| snapshot.providers[usize::from(rule.provider)].name.clone();
        rules.iter().map(|rule| (name(rule), rule.model.clone())).collect()
    };
    let describe = |route: &Route| {
        let models: Vec<_> = route.models.entries.iter().map(|(pattern, list)| (pattern, rules(&list.rules))).collect();
        let by_rule = |rule: &Rule| {
            format!("{:?} {:?} {:?} {:?}", rule.headers, rule.members, rule.models, rules(&rule.to.rules))
        };
        let Scenes { lists, default, long_context_tokens, background_models } = &route.scenes;
        let lists: Vec<_> =
            lists.iter().chain([default]).map(|list| list.as_ref().map(|list| rules(&list.rules))).collect();
        format!(
            "{:?} {models:?} {:?} {:?} {:?} {lists:?} {long_context_tokens:?} {background_models:?} {:?}",
            rules(&route.to.rules),
            route.spread,
            route.unknown_models,
            route.rules.iter().map(by_rule).collect::<Vec<_>>(),
            route.shaping,
        )
    };
    snapshot.routes.iter().map(|route| (&*route.name, describe(route))).collect()
}

fn clients(snapshot: &Snapshot) -> Described<'_> {
    let describe = |client: &super::snapshot::Client| {
        let shown = format!("{client:?}").replacen(&format!("route: {:?}, ", client.route), "", 1);
        format!("{shown} {:?}", route_names(snapshot, &[client.route]))
    };
    snapshot.clients.iter().map(|client| (&*client.name, describe(client))).collect()
}

fn route_names<'a>(snapshot: &'a Snapshot, routes: &[Option<u16>]) -> Vec<Option<&'a str>> {
    routes.iter().map(|route| route.map(|route| &*snapshot.routes[usize::from(route)].name)).collect()
}

fn entries(kind: &str, old: &Described<'_>, new: &Described<'_>, said: &mut Vec<String>) {
    let find =
        |list: &Described<'_>, name: &str| list.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
    for (name, text) in new {
        match find(old, name) {
            None => said.push(format!("{kind} {name:?} added")),
            Some(before) if before != *text => said.push(format!("{kind} {name:?} changed")),
            Some(_) => {}
        }
    }
    for (name, _) in old {
        if find(new, name).is_none() {
            said.push(format!("{kind} {name:?} removed"));
        }
    }
    let order = |list: &Described<'_>, other: &Described<'_>| -> Vec<String> {
        list.iter().map(|(name, _)| (*name).to_owned()).filter(|name| find(other, name).is_some()).collect()
    };
    if order(old, new) != order(new, old) {
        said.push(format!("order of {kind}s changed"));
    }
}
