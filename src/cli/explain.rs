//! `weir explain`: which targets and keys a request would go to, and why. Nothing is sent.
//!
//! The decision is the one that a running weir makes. Where one runs on the same data folder, what it tells of keys that
//! rest is said too; of turns and speeds nothing is.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::{Config, Done, env, read, written};
use crate::config::Overrides;
use crate::config::snapshot::Snapshot;
use crate::plan::meet::Look;
use crate::plan::route::{self, By, Question, Refused};
use crate::protocol::Dialect;
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::{self, Outline};
use crate::protocol::tokens;

#[derive(Args)]
pub(super) struct Said {
    #[command(flatten)]
    pub(super) config: Config,
    /// Who asks, by name.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The model asked for; default: the one that the body names.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// What the client speaks: chat, responses, anthropic, gemini or ollama.
    #[arg(long, value_name = "DIALECT", default_value = "chat")]
    dialect: String,
    /// A header field of the request, `name: value`; any number of them.
    #[arg(long, value_name = "FIELD")]
    header: Vec<String>,
    /// File with the body of the request.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
}

/// What is asked.
pub(super) struct Ask<'a> {
    /// The client's name.
    pub(super) client: Option<&'a str>,
    /// The model asked for; without it the one that the body names.
    pub(super) model: Option<&'a str>,
    /// What the client speaks.
    pub(super) dialect: Dialect,
    /// Header fields, each `name: value`.
    pub(super) headers: &'a [String],
    /// The body.
    pub(super) body: Option<&'a [u8]>,
    /// What a running weir tells of itself.
    pub(super) running: Option<Value>,
}

/// Reads the file and explains.
pub(super) fn told(path: &Path, said: &Said, out: &mut dyn Write) -> Done {
    let reading = read(path, &Overrides::default(), env, |path| std::fs::read_to_string(path));
    let Some(snapshot) = &reading.snapshot else { return Err("the file has errors: see weir check".to_owned()) };
    let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.name() == said.dialect);
    let dialect =
        dialect.ok_or_else(|| format!("{:?} is none of chat, responses, anthropic, gemini, ollama", said.dialect))?;
    let body = said
        .body
        .as_ref()
        .map(|path| std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display())));
    let body = body.transpose()?;
    let ask = Ask {
        client: said.client.as_deref(),
        model: said.model.as_deref(),
        dialect,
        headers: &said.header,
        body: body.as_deref(),
        running: super::ask(path, "GET", "/api/status").ok().filter(|(status, _)| *status == 200).map(|(_, told)| told),
    };
    written(out.write_all(explain(snapshot, &ask)?.as_bytes()))?;
    Ok(0)
}

/// The decision, step by step; an error if the question cannot be asked.
pub(super) fn explain(s: &Snapshot, ask: &Ask<'_>) -> Result<String, String> {
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
    let mut out = String::new();
    // Writing to a String does not fail; so below.
    let route = s.route(client, ask.dialect).map(|route| &*s.routes[usize::from(route)].name);
    let _ = writeln!(out, "route {}", route.unwrap_or("none: the catalogue alone"));
    meet_rules(s, ask, &mut question, body, &mut out);
    match route::targets(s, &question) {
        Ok(chosen) => {
            let _ = writeln!(out, "decided by {}", reason(&chosen.by));
            if let Some(effort) = chosen.effort {
                let _ = writeln!(out, "the name asks for reasoning: {effort}");
            }
            let route = chosen.route.filter(|_| chosen.turn.is_some());
            if let Some(route) = route.filter(|_| chosen.targets.len() > 1) {
                let _ = writeln!(out, "tried in the order of spread {:?}", s.routes[usize::from(route)].spread);
            }
            targets(s, &chosen, ask.running.as_ref(), &mut out);
        }
        Err(refused) => {
            let _ = writeln!(out, "refused: {}", refusal(refused));
            let near = route::nearest(s, &question).join(", ");
            if matches!(refused, Refused::UnknownModel | Refused::Excluded) && !near.is_empty() {
                let _ = writeln!(out, "nearest names: {near}");
            }
        }
    }
    Ok(out)
}

fn meet_rules(
    s: &Snapshot,
    ask: &Ask<'_>,
    question: &mut Question<'_>,
    body: Option<(&[u8], &Outline)>,
    out: &mut String,
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
    let _ = match question.rule {
        Some(place) => writeln!(out, "it meets rules[{place}]"),
        None => writeln!(out, "it meets none of {} rules", rules.rules.len()),
    };
    let _ = match question.scene {
        _ if !asks_scene => Ok(()),
        Some(scene) if rules.scenes.list(scene).is_none() => {
            writeln!(out, "scene {}, for which the route has no entry", scene.name())
        }
        Some(scene) => writeln!(out, "scene {}", scene.name()),
        None => writeln!(out, "of no scene"),
    };
}

fn targets(s: &Snapshot, chosen: &route::Chosen<'_>, running: Option<&Value>, out: &mut String) {
    for (nth, target) in chosen.targets.iter().enumerate() {
        let provider = &s.providers[usize::from(target.provider)];
        let mapped = if target.mapped { ", answers carry the name asked for" } else { "" };
        let _ = writeln!(out, "{}. {}/{} in {}{mapped}", nth + 1, provider.name, target.model, target.protocol.name());
        let mut keys: Vec<_> = s.keys_of(target.provider).filter(|(_, key)| key.serves(target.model)).collect();
        keys.sort_by_key(|(_, key)| key.priority);
        for (_, key) in &keys {
            let rest = running.and_then(|told| rest(told, &provider.name, &key.name, target.model)).unwrap_or_default();
            let _ = writeln!(out, "   key {}, priority {}, weight {}{rest}", key.name, key.priority, key.weight);
        }
        if keys.is_empty() {
            let _ = writeln!(out, "   no key may serve it");
        }
    }
}

/// What a running weir tells of a key's rest for a model; nothing if it does not rest.
fn rest(told: &Value, provider: &str, key: &str, model: &str) -> Option<String> {
    let named =
        |list: &Value, member: &str, name: &str| list.as_array()?.iter().find(|entry| entry[member] == name).cloned();
    let key = named(&named(&told["providers"], "name", provider)?["keys"], "name", key)?;
    // A key that was refused rests for all models; any other rest is one model's.
    let of_key = (key["cause"] == "rejected").then(|| key.clone());
    let rest = of_key.or_else(|| named(&key["models"], "model", model))?;
    let cause = rest["cause"].as_str().unwrap_or("?");
    Some(match rest["cooling_until"].as_str() {
        Some(until) => format!(", cooling until {until} ({cause})"),
        None => format!(", one request tries whether it is well again ({cause})"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;

    const FILE: &str = r#"{
      "clients": {"alice": {"key": "k", "models": ["g*", "auto"]}},
      "providers": {"a": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": ["x", {"key": "y", "name": "late", "priority": 200}]},
                    "b": {"protocol": "demo"}},
      "routes": {"r": {"to": ["a/to", "b/demo"], "models": {"gpt-*": "a/mapped"}, "scenes": {"think": "a/deep"},
                       "rules": [{"if": {"header": {"x-t": "1"}}, "to": "b/demo"}]}}}"#;

    fn ask(client: Option<&str>, model: Option<&str>, headers: &[String], body: Option<&str>) -> String {
        let until = "2026-12-01T00:00:00.000Z";
        let resting =
            serde_json::json!({"health": "cooling", "cooling_until": until, "cause": "rate_limited", "model": "deep"});
        let running = serde_json::json!({"providers": [{"name": "a", "keys": [
            {"name": "1", "health": "cooling", "cooling_until": until, "cause": "rate_limited", "models": [resting]},
            {"name": "late", "health": "cooling", "cooling_until": until, "cause": "rejected", "models": []}]}]});
        let running = (client == Some("alice")).then_some(running);
        let ask = Ask { client, model, dialect: Dialect::Chat, headers, body: body.map(str::as_bytes), running };
        explain(&snapshot(FILE), &ask).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn every_step_is_told() {
        assert_eq!(
            ask(None, Some("gpt-5"), &[], None),
            "route r\nit meets none of 1 rules\ndecided by models[\"gpt-*\"]\n\
             1. a/mapped in chat, answers carry the name asked for\n   key 1, priority 100, weight 1\n   key late, priority 200, weight 1\n"
        );
        let thinking = ask(None, None, &[], Some(r#"{"model":"x","reasoning_effort":"high"}"#));
        assert!(thinking.contains("scene think\ndecided by scenes.think\n1. a/deep in chat"), "{thinking}");
        let ruled = ask(None, Some("x"), &["X-T: 1".to_owned()], None);
        assert!(ruled.contains("it meets rules[0]\ndecided by rules[0]\n1. b/demo in demo"), "{ruled}");
        let spread = ask(None, Some("auto(low)"), &[], None);
        assert!(
            spread.contains(
                "of no scene\ndecided by to\nthe name asks for reasoning: low\ntried in the order of spread Ordered"
            ),
            "{spread}"
        );
        let thinking = ask(Some("alice"), Some("gemini"), &[], Some(r#"{"reasoning_effort":"high"}"#));
        assert!(
            thinking.contains("key 1, priority 100, weight 1, cooling until 2026-12-01T00:00:00.000Z (rate_limited)\n"),
            "{thinking}"
        );
        assert!(thinking.contains("weight 1, cooling until 2026-12-01T00:00:00.000Z (rejected)\n"), "{thinking}");
        let mapped = ask(Some("alice"), Some("gpt-5"), &[], None);
        assert!(mapped.contains("key 1, priority 100, weight 1\n"), "another model of the key rests: {mapped}");
        assert!(ask(Some("alice"), Some("claude"), &[], None).contains("may not ask"), "the list of the client");
        assert_eq!(ask(Some("bob"), None, &[], None), "error: there is no client \"bob\"");
        assert!(ask(None, None, &[], Some("{")).starts_with("error: "), "a body that is no JSON");
    }
}
