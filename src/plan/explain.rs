//! Which targets and keys a request would go to, and why, told step by step. Nothing is sent.
//!
//! The decision is the one that a core makes; of turns and speeds nothing is known here.

use serde_json::{Value, json};

use super::meet::Look;
use super::route::{self, By, Question, Refused};
use crate::config::Snapshot;
use crate::config::snapshot::{KeyIx, Spread};
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
    /// How it came about: what was looked at, and what it says.
    pub steps: Vec<(&'static str, String)>,
    /// Where the request goes, in the order in which it is tried.
    pub targets: Vec<Target>,
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
    fn step(&mut self, rule: &'static str, text: impl Into<String>) {
        self.steps.push((rule, text.into()));
    }

    /// As the API tells it, with what `health` knows of each key.
    pub fn value(&self, health: impl Fn(KeyIx) -> Value) -> Value {
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
        let step = |(rule, text): &(&'static str, String)| json!({ "rule": rule, "text": text });
        json!({
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
        })
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
    told.step("route", format!("route {}", route.unwrap_or("none: the catalogue alone")));
    meet_rules(s, ask, &mut question, body, &mut told);
    match route::targets(s, &question) {
        Ok(chosen) => {
            told.step("decided", format!("decided by {}", reason(&chosen.by)));
            if let Some(effort) = chosen.effort {
                told.step("effort", format!("the name asks for reasoning: {effort}"));
            }
            let route = chosen.route.filter(|_| chosen.turn.is_some());
            if let Some(route) = route.filter(|_| chosen.targets.len() > 1) {
                let spread = s.routes[usize::from(route)].spread;
                told.step("spread", ordered(spread));
            }
            told.targets = chosen.targets.iter().map(|target| reached(s, target)).collect();
        }
        Err(refused) => {
            told.step("refused", format!("refused: {}", refusal(refused)));
            let near = route::nearest(s, &question).join(", ");
            if matches!(refused, Refused::UnknownModel | Refused::Excluded) && !near.is_empty() {
                told.step("nearest", format!("nearest names: {near}"));
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

/// In which order targets are tried, in words.
fn ordered(spread: Spread) -> &'static str {
    match spread {
        Spread::Ordered => "tried as they are listed",
        Spread::RoundRobin => "each request begins with the next of them (round_robin)",
        Spread::Fastest => "the fastest is tried first (fastest)",
        Spread::Latest => "the latest model is tried first (latest)",
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
        Some(place) => told.step("rules", format!("it meets rules[{place}]")),
        None => match rules.rules.len() {
            0 => {}
            1 => told.step("rules", "it does not meet the one rule"),
            many => told.step("rules", format!("it meets none of {many} rules")),
        },
    }
    match question.scene {
        _ if !asks_scene => {}
        Some(scene) if rules.scenes.list(scene).is_none() => {
            told.step("scene", format!("scene {}, for which the route has no entry", scene.name()));
        }
        Some(scene) => told.step("scene", format!("scene {}", scene.name())),
        None => told.step("scene", "of no scene"),
    }
}

fn reason(by: &By<'_>) -> String {
    match by {
        By::Path => "the provider in the path".to_owned(),
        By::Name => "the provider in the name".to_owned(),
        By::Rule(place) => format!("rules[{place}]"),
        By::Map(pattern) => format!("models[{pattern:?}]"),
        By::Scene(scene) => format!("scenes.{}", scene.name()),
        By::Catalogue => "the catalogue: who publishes the name".to_owned(),
        By::SceneDefault => "scenes.default".to_owned(),
        By::To => "to".to_owned(),
    }
}

fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::NoRoute => "it names no model, and no route chooses one (404)",
        Refused::UnknownModel => "nobody publishes, maps or takes the model (404)",
        Refused::NotAllowed => "the client may not ask for the model (403)",
        Refused::Excluded => "its provider excludes the model (404)",
        Refused::NotDirected => "it names no model (400)",
        Refused::NoTarget => "the route leads to no provider (404)",
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
