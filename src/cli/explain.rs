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
use crate::plan::explain::{Ask, Told, explain};
use crate::protocol::Dialect;

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
    };
    let running =
        super::ask(path, "GET", "/api/status").ok().filter(|(status, _)| *status == 200).map(|(_, told)| told);
    written(out.write_all(spelled(&explain(snapshot, &ask)?, running.as_ref()).as_bytes()))?;
    Ok(0)
}

/// A decision in lines, with what a running weir tells of itself.
fn spelled(told: &Told, running: Option<&Value>) -> String {
    let mut out = String::new();
    for step in &told.steps {
        // Writing to a String does not fail; so below.
        let _ = writeln!(out, "{}", step.text());
    }
    for (nth, target) in told.targets.iter().enumerate() {
        let mapped = if target.mapped { ", answers carry the name asked for" } else { "" };
        let _ = writeln!(out, "{}. {}/{} in {}{mapped}", nth + 1, target.provider, target.model, target.protocol);
        for key in &target.keys {
            let rest = running.and_then(|told| rest(told, &target.provider, &key.name, &target.model));
            let rest = rest.unwrap_or_default();
            let _ = writeln!(out, "   key {}, priority {}, weight {}{rest}", key.name, key.priority, key.weight);
        }
        if target.keys.is_empty() {
            let _ = writeln!(out, "   no key may serve it");
        }
    }
    out
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
        let ask = Ask { client, model, dialect: Dialect::Chat, headers, body: body.map(str::as_bytes) };
        let told = explain(&snapshot(FILE), &ask).map(|told| spelled(&told, running.as_ref()));
        told.unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn every_step_is_told() {
        assert_eq!(
            ask(None, Some("gpt-5"), &[], None),
            "route r\nit does not meet the one rule\ndecided by models[\"gpt-*\"]\n\
             1. a/mapped in chat, answers carry the name asked for\n   key 1, priority 100, weight 1\n   key late, priority 200, weight 1\n"
        );
        let thinking = ask(None, None, &[], Some(r#"{"model":"x","reasoning_effort":"high"}"#));
        assert!(thinking.contains("scene think\ndecided by scenes.think\n1. a/deep in chat"), "{thinking}");
        let ruled = ask(None, Some("x"), &["X-T: 1".to_owned()], None);
        assert!(ruled.contains("it meets rules[0]\ndecided by rules[0]\n1. b/demo in demo"), "{ruled}");
        let spread = ask(None, Some("auto(low)"), &[], None);
        assert!(
            spread.contains("of no scene\ndecided by to\nthe name asks for reasoning: low\ntried as they are listed"),
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
