//! The routes of a file: targets become indexes, aliases become the names behind them.

use super::check::{Check, each};
use super::file::{self, OneOrMany};
use super::name::Names;
use super::pattern::Pattern;
use super::problem::{At, hint};
use super::providers::{Providers, index};
use super::snapshot::{ModelMap, Route, TargetRule};

impl Check<'_, '_, '_> {
    pub(super) fn routes(&mut self, providers: &Providers) -> Vec<Route> {
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
            self.scenes(&at, given, providers);
            self.system_prompt(&at.member("system_prompt"), given.system_prompt.as_ref());
            routes.push(Route {
                name: name.into(),
                to: to.into(),
                models: self.model_map(&at.member("models"), given, providers),
                spread: given.spread,
                unknown_models: given.unknown_models,
            });
        }
        routes
    }

    fn model_map(&mut self, at: &At<'_>, given: &file::Route, providers: &Providers) -> ModelMap {
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
            entries.push((pattern, self.targets(&at, list, providers).into_boxed_slice()));
        }
        wildcards.sort_by_key(|&place| std::cmp::Reverse(entries[usize::from(place)].0.as_str().len()));
        ModelMap { entries: entries.into(), exact, wildcards: wildcards.into() }
    }

    fn scenes(&mut self, at: &At<'_>, given: &file::Route, providers: &Providers) {
        let at_scenes = at.member("scenes");
        let scenes = &given.scenes;
        for (name, list) in [
            ("longContext", &scenes.long_context),
            ("background", &scenes.background),
            ("webSearch", &scenes.web_search),
            ("think", &scenes.think),
            ("image", &scenes.image),
            ("default", &scenes.default),
        ] {
            if let Some(list) = list {
                self.targets(&at_scenes.member(name), list, providers);
            }
        }
        self.patterns(&at.member("background_models"), &given.background_models);
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
        let Some(model) = model else {
            rules.push(TargetRule { provider, model: None });
            return;
        };
        let before = rules.len();
        let published = providers.list[usize::from(provider)].published(model);
        rules.extend(published.map(|published| TargetRule { provider, model: Some(published.name.clone()) }));
        if rules.len() == before {
            rules.push(TargetRule { provider, model: Some(model.into()) });
        }
    }
}
