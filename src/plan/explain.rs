//! Which targets and keys a request would go to, and why, told step by step. Nothing is sent.
//!
//! The decision is the one that a core makes; of turns and speeds nothing is known here.

use serde_json::{Value, json};

use super::meet::Look;
use super::route::{self, By, Question, Refused};
use crate::config::Snapshot;
use crate::config::snapshot::{KeyIx, Scene, Spread};
use crate::protocol::Dialect;
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::{self, Outline};
use crate::protocol::tokens;

/// What is asked.
pub struct Ask<'a> {
    /// The client's name.
    pub client: Option<&'a str>,
    /// The model asked for; without it the one that the body names.
    pub model: Option<&'a str>,
    /// What the client speaks.
    pub dialect: Dialect,
    /// Header fields, each `name: value`.
    pub headers: &'a [String],
    /// The body.
    pub body: Option<&'a [u8]>,
}

/// A decision.
#[derive(Debug, Default)]
pub struct Told {
    /// How it came about.
    pub steps: Vec<Step>,
    /// Where the request goes, in the order in which it is tried.
    pub targets: Vec<Target>,
}

/// One thing that was looked at, and what it says.
#[derive(Debug)]
pub struct Step {
    /// What it says.
    pub says: &'static Says,
    /// What stands in the places of its text.
    pub values: Vec<(&'static str, String)>,
}

impl Step {
    /// In English, with the values in their places.
    pub fn text(&self) -> String {
        let fill = |text: String, (place, value): &(&str, String)| text.replace(&format!("{{{place}}}"), value);
        self.values.iter().fold(self.says.text.to_owned(), fill)
    }
}

/// What a step can say. A page says it in its own language by the code, which does not change; the text may.
#[derive(Debug, PartialEq, Eq)]
pub struct Says {
    /// What was looked at.
    pub rule: &'static str,
    /// Names the sentence.
    pub code: &'static str,
    /// The sentence, with `{place}` for each value.
    pub text: &'static str,
}

/// A target.
#[derive(Debug)]
pub struct Target {
    /// Its provider.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// What it is spoken to in.
    pub protocol: &'static str,
    /// Whether answers carry the name that was asked for.
    pub mapped: bool,
    /// Keys that may serve it, the lowest priority number first.
    pub keys: Vec<TargetKey>,
}

/// A key of a target.
#[derive(Debug)]
pub struct TargetKey {
    /// Its place in the snapshot.
    pub index: KeyIx,
    /// Its name.
    pub name: String,
    /// Lower is used first.
    pub priority: u32,
    /// Share among its equals.
    pub weight: u32,
}

impl Told {
    fn step<const N: usize>(&mut self, says: &'static Says, values: [(&'static str, String); N]) {
        self.steps.push(Step { says, values: values.into() });
    }

    /// The targets as the API tells them, with what `health` knows of each key.
    pub fn told_targets(&self, health: impl Fn(KeyIx) -> Value) -> Vec<Value> {
        let key = |key: &TargetKey| {
            let mut told = json!({ "name": key.name, "priority": key.priority, "weight": key.weight });
            for (member, value) in health(key.index).as_object().into_iter().flatten() {
                told[member] = value.clone();
            }
            told
        };
        let target = |target: &Target| {
            json!({
                "provider": target.provider,
                "model": target.model,
                "protocol": target.protocol,
                "mapped": target.mapped,
                "keys": target.keys.iter().map(key).collect::<Vec<_>>(),
            })
        };
        self.targets.iter().map(target).collect()
    }
}

/// The decision, step by step; an error if the question cannot be asked.
pub fn explain(s: &Snapshot, ask: &Ask<'_>) -> Result<Told, String> {
    let client = match ask.client {
        None => None,
        Some(name) => {
            let place = s.clients.iter().position(|client| *client.name == *name);
            Some(place.and_then(|place| u16::try_from(place).ok()).ok_or(format!("there is no client {name:?}"))?)
        }
    };
    let read = ask.body.map(|body| sniff::request_outlined(endpoint(ask.dialect), body)).transpose();
    let read = read.map_err(|error| error.to_string())?;
    let body = ask.body.zip(read.as_ref().map(|(_, outline)| outline));
    let named = ask.body.zip(read.as_ref()).map(|(body, (asked, _))| asked.model(body).into_owned());
    let model = ask.model.map(str::to_owned).or(named).unwrap_or_default();
    let mut question = Question { client, dialect: ask.dialect, forced: None, model: &model, rule: None, scene: None };
    let mut told = Told::default();
    let route = s.route(client, ask.dialect).map(|route| &*s.routes[usize::from(route)].name);
    match route {
        Some(route) => told.step(&words::ROUTE, [("route", route.to_owned())]),
        None => told.step(&words::NO_ROUTE, []),
    }
    meet_rules(s, ask, &mut question, body, &mut told);
    match route::targets(s, &question) {
        Ok(chosen) => {
            decided(&mut told, &chosen.by);
            if let Some(effort) = chosen.effort {
                told.step(&words::EFFORT, [("effort", effort.to_string())]);
            }
            let route = chosen.route.filter(|_| chosen.turn.is_some());
            if let Some(route) = route.filter(|_| chosen.targets.len() > 1) {
                let spread = s.routes[usize::from(route)].spread;
                told.step(ordered(spread), []);
            }
            told.targets = chosen.targets.iter().map(|target| reached(s, target)).collect();
        }
        Err(refused) => {
            told.step(refusal(refused), []);
            let near = route::nearest(s, &question).join(", ");
            if matches!(refused, Refused::UnknownModel | Refused::Excluded) && !near.is_empty() {
                told.step(&words::NEAREST, [("names", near)]);
            }
        }
    }
    Ok(told)
}

fn reached(s: &Snapshot, target: &route::Target<'_>) -> Target {
    let key = |(index, key): (KeyIx, &crate::config::snapshot::Key)| TargetKey {
        index,
        name: key.name.to_string(),
        priority: key.priority,
        weight: key.weight,
    };
    let mut keys: Vec<_> = s.keys_of(target.provider).filter(|(_, key)| key.serves(target.model)).map(key).collect();
    keys.sort_by_key(|key| key.priority);
    Target {
        provider: s.providers[usize::from(target.provider)].name.to_string(),
        model: target.model.to_string(),
        protocol: target.protocol.name(),
        mapped: target.mapped,
        keys,
    }
}

/// In which order targets are tried.
fn ordered(spread: Spread) -> &'static Says {
    match spread {
        Spread::Ordered => &words::ORDERED,
        Spread::RoundRobin => &words::ROUND_ROBIN,
        Spread::Fastest => &words::FASTEST,
        Spread::Latest => &words::LATEST,
    }
}

fn meet_rules(
    s: &Snapshot,
    ask: &Ask<'_>,
    question: &mut Question<'_>,
    body: Option<(&[u8], &Outline)>,
    told: &mut Told,
) {
    let header = |name: &str, is: &dyn Fn(&str) -> bool| {
        let fields = ask.headers.iter().filter_map(|field| field.split_once(':'));
        fields.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name)).any(|(_, value)| is(value.trim()))
    };
    let mut look = Look::begin(s, question, header, body);
    let Some(rules) = look.route else { return };
    if look.counts().is_some() {
        tokens::load();
    }
    while let Some(count) = look.counts() {
        count.step();
    }
    let asks_scene = look.asks_scene();
    look.end(question, body);
    match question.rule {
        Some(place) => told.step(&words::RULE_MET, [("place", place.to_string())]),
        None => match rules.rules.len() {
            0 => {}
            1 => told.step(&words::RULE_MISSED, []),
            many => told.step(&words::RULES_MISSED, [("count", many.to_string())]),
        },
    }
    let named = |scene: Scene| [("scene", scene.name().to_owned())];
    match question.scene {
        _ if !asks_scene => {}
        Some(scene) if rules.scenes.list(scene).is_none() => told.step(&words::SCENE_EMPTY, named(scene)),
        Some(scene) => told.step(&words::SCENE, named(scene)),
        None => told.step(&words::NO_SCENE, []),
    }
}

fn decided(told: &mut Told, by: &By<'_>) {
    match by {
        By::Path => told.step(&words::BY_PATH, []),
        By::Name => told.step(&words::BY_NAME, []),
        By::Rule(place) => told.step(&words::BY_RULE, [("place", place.to_string())]),
        By::Map(pattern) => told.step(&words::BY_MAP, [("pattern", format!("{pattern:?}"))]),
        By::Scene(scene) => told.step(&words::BY_SCENE, [("scene", scene.name().to_owned())]),
        By::Catalogue => told.step(&words::BY_CATALOGUE, []),
        By::SceneDefault => told.step(&words::BY_SCENE_DEFAULT, []),
        By::To => told.step(&words::BY_TO, []),
    }
}

fn refusal(refused: Refused) -> &'static Says {
    match refused {
        Refused::NoRoute => &words::REFUSED_NO_ROUTE,
        Refused::UnknownModel => &words::REFUSED_UNKNOWN_MODEL,
        Refused::NotAllowed => &words::REFUSED_NOT_ALLOWED,
        Refused::Excluded => &words::REFUSED_EXCLUDED,
        Refused::NotDirected => &words::REFUSED_NOT_DIRECTED,
        Refused::NoTarget => &words::REFUSED_NO_TARGET,
    }
}

fn endpoint(dialect: Dialect) -> Endpoint {
    match dialect {
        Dialect::Chat => Endpoint::ChatCompletions,
        Dialect::Responses => Endpoint::Responses,
        Dialect::Anthropic => Endpoint::Messages,
        Dialect::Gemini => Endpoint::GeminiGenerate,
        Dialect::Ollama => Endpoint::OllamaChat,
    }
}

/// Everything that can be said.
pub mod words {
    use super::Says;

    macro_rules! words {
        ($($name:ident: $rule:literal, $code:literal, $text:literal;)*) => {
            $(pub(super) static $name: Says = Says { rule: $rule, code: $code, text: $text };)*
            /// All of them.
            pub static ALL: &[&Says] = &[$(&$name),*];
        };
    }

    words! {
        ROUTE: "route", "route", "route {route}";
        NO_ROUTE: "route", "no_route", "route none: the catalogue alone";
        RULE_MET: "rules", "rule_met", "it meets rules[{place}]";
        RULE_MISSED: "rules", "rule_missed", "it does not meet the one rule";
        RULES_MISSED: "rules", "rules_missed", "it meets none of {count} rules";
        SCENE: "scene", "scene", "scene {scene}";
        SCENE_EMPTY: "scene", "scene_empty", "scene {scene}, for which the route has no entry";
        NO_SCENE: "scene", "no_scene", "of no scene";
        BY_PATH: "decided", "by_path", "decided by the provider in the path";
        BY_NAME: "decided", "by_name", "decided by the provider in the name";
        BY_RULE: "decided", "by_rule", "decided by rules[{place}]";
        BY_MAP: "decided", "by_map", "decided by models[{pattern}]";
        BY_SCENE: "decided", "by_scene", "decided by scenes.{scene}";
        BY_CATALOGUE: "decided", "by_catalogue", "decided by the catalogue: who publishes the name";
        BY_SCENE_DEFAULT: "decided", "by_scene_default", "decided by scenes.default";
        BY_TO: "decided", "by_to", "decided by to";
        EFFORT: "effort", "effort", "the name asks for reasoning: {effort}";
        ORDERED: "spread", "ordered", "tried as they are listed";
        ROUND_ROBIN: "spread", "round_robin", "each request begins with the next of them (round_robin)";
        FASTEST: "spread", "fastest", "the fastest is tried first (fastest)";
        LATEST: "spread", "latest", "the latest model is tried first (latest)";
        REFUSED_NO_ROUTE: "refused", "refused_no_route", "refused: it names no model, and no route chooses one (404)";
        REFUSED_UNKNOWN_MODEL: "refused", "refused_unknown_model", "refused: nobody publishes, maps or takes the model (404)";
        REFUSED_NOT_ALLOWED: "refused", "refused_not_allowed", "refused: the client may not ask for the model (403)";
        REFUSED_EXCLUDED: "refused", "refused_excluded", "refused: its provider excludes the model (404)";
        REFUSED_NOT_DIRECTED: "refused", "refused_not_directed", "refused: it names no model (400)";
        REFUSED_NO_TARGET: "refused", "refused_no_target", "refused: the route leads to no provider (404)";
        NEAREST: "nearest", "nearest", "nearest names: {names}";
    }
}
