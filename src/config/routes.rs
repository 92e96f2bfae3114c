//! The routes of a file: targets become indexes, aliases become the names behind them.

use super::check::{Check, each};
use super::file::{self, OneOrMany};
use super::name::Names;
use super::pattern::Pattern;
use super::problem::{At, hint};
use super::providers::{Providers, index};
use super::snapshot::{ModelMap, NO_TURN, Published, Route, Rule, Scenes, TargetList, TargetRule, TurnIx};
use crate::base::ascii;
use crate::json::path::Path;
use crate::limits;

/// What a path into a body looks like.
pub(super) const PATH_EXPECTED: &str = "is no path: expected names with dots between, such as metadata.tier";

/// Hands out turns.
pub(super) struct Turns(pub(super) TurnIx);

impl Turns {
    /// The next one.
    pub(super) fn take(&mut self) -> TurnIx {
        let turn = self.0;
        self.0 = self.0.saturating_add(1);
        turn
    }
}

impl Check<'_, '_, '_> {
    pub(super) fn routes(&mut self, providers: &Providers, turns: &mut Turns) -> Vec<Route> {
        let at_routes = At::ROOT.member("routes");
        self.bounded(&at_routes, &self.file.routes);
        let mut routes = Vec::with_capacity(self.file.routes.0.len());
        for (name, given) in &self.file.routes {
            let at = at_routes.member(name);
            if name.is_empty() {
                self.problems.error(&at, "a route needs a name");
            }
            let mut to = Vec::new();
            for (place, text) in given.to.iter().enumerate() {
                self.target(&at.member("to").entry(place), text, providers, &mut to);
            }
            routes.push(Route {
                name: name.into(),
                to: TargetList { rules: to.into(), turn: turns.take() },
                rules: self.rules(&at.member("rules"), given, providers, turns),
                models: self.model_map(&at.member("models"), given, providers, turns),
                scenes: self.scenes(&at, given, providers, turns),
                spread: given.spread,
                turn: turns.take(),
                unknown_models: given.unknown_models,
                shaping: self.shaping(&at, given.system_prompt.as_ref(), &given.payload),
            });
        }
        if turns.0 == NO_TURN {
            self.problems.error(&at_routes, format!("have more than {} lists of targets", limits::CONFIG_ENTRIES_MAX));
        }
        routes
    }

    fn rules(&mut self, at: &At<'_>, given: &file::Route, providers: &Providers, turns: &mut Turns) -> Box<[Rule]> {
        let mut rules = Vec::with_capacity(given.rules.len());
        for (place, rule) in given.rules.iter().enumerate() {
            let at = at.entry(place);
            let at_if = at.member("if");
            let when = &rule.when;
            if when.header.0.is_empty() && when.member.0.is_empty() && when.model.is_none() {
                self.absent(&at_if, "needs \"header\", \"member\" or \"model\": a rule for every request is \"to\"");
            }
            let at_header = at_if.member("header");
            for name in when.header.names().filter(|name| !ascii::is_token(name.as_bytes())) {
                self.problems.error(&at_header.member(name), "is no name of a header field");
            }
            let headers = when.header.into_iter().map(|(name, text)| (name.into(), Pattern::new(text))).collect();
            let at_member = at_if.member("member");
            let mut members = Vec::new();
            for (path, text) in &when.member {
                match Path::parse(path) {
                    Some(path) => members.push((path, Pattern::new(text))),
                    None => self.problems.error(&at_member.member(path), PATH_EXPECTED),
                }
            }
            let models = when.model.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
            let models = self.patterns(&at_if.member("model"), models);
            let to = match &rule.to {
                Some(list) => self.list(&at.member("to"), list, providers, turns),
                None => TargetList::default(),
            };
            rules.push(Rule { headers, members: members.into(), models, to });
        }
        rules.into()
    }

    fn list(&mut self, at: &At<'_>, list: &OneOrMany, providers: &Providers, turns: &mut Turns) -> TargetList {
        TargetList { rules: self.targets(at, list, providers).into(), turn: turns.take() }
    }

    fn model_map(&mut self, at: &At<'_>, given: &file::Route, providers: &Providers, turns: &mut Turns) -> ModelMap {
        self.bounded(at, &given.models);
        let mut entries = Vec::with_capacity(given.models.0.len());
        let mut exact = Names::default();
        let mut wildcards = Vec::new();
        for (name, list) in &given.models {
            let at = at.member(name);
            if name.is_empty() || name.trim() != name {
                self.problems.error(&at, "is empty or has a blank at an end: it matches no model name");
            }
            let pattern = Pattern::new(name);
            let place = index(entries.len());
            if pattern.is_wildcard() {
                wildcards.push(place);
            } else {
                exact.insert(name, place);
            }
            entries.push((pattern, self.list(&at, list, providers, turns)));
        }
        wildcards.sort_by_key(|&place| std::cmp::Reverse(entries[usize::from(place)].0.as_str().len()));
        ModelMap { entries: entries.into(), exact, wildcards: wildcards.into() }
    }

    fn scenes(&mut self, at: &At<'_>, given: &file::Route, providers: &Providers, turns: &mut Turns) -> Scenes {
        let at_scenes = at.member("scenes");
        let scenes = &given.scenes;
        let mut list = |name, given: &Option<OneOrMany>| {
            given.as_ref().map(|given| self.list(&at_scenes.member(name), given, providers, turns))
        };
        // In the order of `Scene::ALL`.
        let lists = [
            list("longContext", &scenes.long_context),
            list("background", &scenes.background),
            list("webSearch", &scenes.web_search),
            list("think", &scenes.think),
            list("image", &scenes.image),
        ];
        let default = list("default", &scenes.default);
        let speaks_of_length = lists[0].is_some() || self.problems.said(&at.member("long_context_tokens"));
        Scenes {
            lists,
            default,
            long_context_tokens: speaks_of_length.then_some(given.long_context_tokens),
            background_models: self.patterns(&at.member("background_models"), &given.background_models),
        }
    }

    fn targets(&mut self, at: &At<'_>, list: &OneOrMany, providers: &Providers) -> Vec<TargetRule> {
        let mut rules = Vec::new();
        each(at, list, |at, text| self.target(at, text, providers, &mut rules));
        if list.as_slice().is_empty() {
            self.problems.error(at, "is empty: it names no target");
        }
        rules
    }

    /// `provider/model` or `provider`. An alias becomes the names behind it; a disabled provider becomes nothing.
    fn target(&mut self, at: &At<'_>, text: &str, providers: &Providers, rules: &mut Vec<TargetRule>) {
        let (name, model) = text.split_once('/').map_or((text, None), |(name, model)| (name, Some(model)));
        if model.is_some_and(|model| model.is_empty() || model.trim() != model) {
            self.problems.error(at, "names no model after \"/\"; the provider alone keeps the name asked for");
        }
        let Some(&provider) = providers.names.get(name).next() else {
            let names = || self.file.providers.names();
            if !names().any(|known| known.eq_ignore_ascii_case(name)) {
                let message = format!("names no provider: {}{}", self.problems.quote(at, name), hint(name, names()));
                self.problems.error(at, message);
            }
            return;
        };
        let known = &providers.list[usize::from(provider)];
        let Some(model) = model else {
            rules.push(TargetRule { provider, model: None, protocol: known.protocol, pool: NO_TURN });
            return;
        };
        let before = rules.len();
        rules.extend(known.published(model).map(|published| {
            let &Published { ref name, protocol, pool, .. } = published;
            TargetRule { provider, model: Some(name.clone()), protocol, pool }
        }));
        if rules.len() == before {
            let protocol = known.speaks(model);
            rules.push(TargetRule { provider, model: Some(model.into()), protocol, pool: NO_TURN });
        }
    }
}
