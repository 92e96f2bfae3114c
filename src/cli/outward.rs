//! `weir probe` and `weir discover`: what providers answer. The first asks the running weir, whose keys rest or are woken
//! by it; the second asks a provider itself.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Config, Done, ask, list, word, written};
use crate::control::discover::{Given, discover};
use crate::http::uri;

#[derive(Args)]
pub(super) struct Probe {
    #[command(flatten)]
    pub(super) config: Config,
    /// Only this provider's keys
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only keys of this name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The model to ask for, by the provider's name of it
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
}

#[derive(Args)]
pub(super) struct Discover {
    /// Address of the provider, as its documentation gives it
    #[arg(value_name = "URL")]
    base_url: String,
    /// Its key: a literal, or env:NAME
    #[arg(long, value_name = "KEY", default_value = "")]
    key: String,
    /// What it is said to speak: chat, responses, anthropic, gemini, azure or ollama
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
}

/// Probes keys and says how fast they are, the fastest first.
pub(super) fn probe(path: &Path, said: &Probe, out: &mut dyn Write) -> Done {
    let mut target = b"/api/probe?".to_vec();
    for (name, value) in [("provider", &said.provider), ("key", &said.key), ("model", &said.model)] {
        if let Some(value) = value {
            target.extend_from_slice(name.as_bytes());
            target.push(b'=');
            uri::encode(value.as_bytes(), &mut target);
            target.push(b'&');
        }
    }
    let (status, answer) = ask(path, "POST", &String::from_utf8_lossy(&target))?;
    if status != 200 {
        return Err(format!("not probed: {}", word(&answer["detail"])));
    }
    let mut probes: Vec<&Value> = list(&answer["probes"]).iter().collect();
    probes.sort_by_key(|probe| (probe["ok"] != true, probe["first_token_ms"].as_u64()));
    let mut text = String::new();
    for probe in &probes {
        let (provider, key, model) = (word(&probe["provider"]), word(&probe["key"]), word(&probe["model"]));
        let asked = if model.is_empty() { "the list of models" } else { model };
        let _ = match (probe["ok"] == true, probe["error"].as_str()) {
            (true, _) => writeln!(
                text,
                "ok   {provider} key {key}, {asked}: {} ms to the first byte, {} ms in all",
                probe["first_token_ms"], probe["total_ms"]
            ),
            (false, Some(error)) => writeln!(text, "fail {provider} key {key}, {asked}: {error}"),
            (false, None) => writeln!(text, "fail {provider} key {key}, {asked}: it answered {}", probe["status"]),
        };
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(if probes.iter().all(|probe| probe["ok"] == true) { 0 } else { 1 })
}

/// Asks an address what it speaks and which models it has.
pub(super) fn found(said: Discover, out: &mut dyn Write) -> Done {
    let key = match said.key.strip_prefix("env:") {
        Some(name) => super::env(name).ok_or_else(|| format!("the variable {name} is not set"))?,
        None => said.key,
    };
    let found = discover(&Given { base_url: said.base_url, key, protocol: said.protocol })?;
    let mut text = format!("protocol {}\nbase_url {}\n", found.protocol, found.base_url);
    for model in &found.models {
        let _ = writeln!(text, "{model}");
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(0)
}
