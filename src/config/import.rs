//! The configurations of other relays, and links that carry one provider, as a part of ours.
//!
//! What comes out is an object with `providers`, `routes`, `clients` and a few members beside, in the words of our file,
//! and notes on what has no counterpart. It is not judged here: whoever takes it puts it into a file and has that
//! checked. Nothing is fetched.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

mod relays;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `config.yaml` of ai-switch.
    AiSwitch,
    /// `config.yaml` of CLIProxyAPI.
    CliProxyApi,
    /// `config.json` and `provider_pools.json` of AIClient-2-API.
    AiClient2Api,
    /// The answer of Clash for AI's `/api/providers`.
    ClashForAi,
    /// API Switch's tables as JSON.
    ApiSwitch,
    /// A part of our own file.
    Weir,
    /// A link.
    Link,
}

impl Kind {
    /// All that a file may be.
    pub const FILES: [Kind; 6] =
        [Kind::AiSwitch, Kind::CliProxyApi, Kind::AiClient2Api, Kind::ClashForAi, Kind::ApiSwitch, Kind::Weir];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::AiSwitch => "ai-switch",
            Kind::CliProxyApi => "cliproxyapi",
            Kind::AiClient2Api => "aiclient2api",
            Kind::ClashForAi => "clash-for-ai",
            Kind::ApiSwitch => "api-switch",
            Kind::Weir => "weir",
            Kind::Link => "link",
        }
    }
}

/// What a configuration comes to.
#[derive(Debug, Default)]
pub struct Imported {
    /// Members of our file.
    pub adds: Map<String, Value>,
    /// What has no counterpart, or was changed on the way.
    pub notes: Vec<String>,
}

impl Imported {
    /// Adds an entry to a section. A name that is taken gets a number.
    fn add(&mut self, section: &str, name: &str, value: Value) -> String {
        let entries = self.adds.entry(section).or_insert_with(|| json!({}));
        let plain = if section == "providers" { plain_name(name) } else { name.to_owned() };
        let taken = |name: &str| entries.get(name).is_some();
        let name = (1_u32..).map(|number| if number == 1 { plain.clone() } else { format!("{plain}-{number}") });
        let name = name.into_iter().find(|name| !taken(name)).unwrap_or(plain);
        entries[&name] = value;
        name
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn set(&mut self, member: &str, value: Value) {
        self.adds.insert(member.to_owned(), value);
    }
}

/// A name that a provider may have: letters, digits, `-`, `_`, `.`.
fn plain_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "imported".to_owned() } else { plain.to_owned() }
}

/// Reads the files of one relay.
pub fn files(kind: Kind, texts: &[&str]) -> Result<Imported, String> {
    let mut imported = Imported::default();
    let values = texts.iter().map(|text| value(kind, text)).collect::<Result<Vec<Value>, String>>()?;
    match kind {
        Kind::AiSwitch => values.iter().try_for_each(|value| relays::ai_switch(value, &mut imported))?,
        Kind::CliProxyApi => values.iter().try_for_each(|value| relays::cli_proxy_api(value, &mut imported))?,
        Kind::AiClient2Api => relays::ai_client_2_api(&values, &mut imported)?,
        Kind::ClashForAi => values.iter().try_for_each(|value| relays::clash_for_ai(value, &mut imported))?,
        Kind::ApiSwitch => relays::api_switch(&values, &mut imported)?,
        Kind::Weir => values.iter().try_for_each(|value| ours(value, &mut imported))?,
        Kind::Link => return Err("a link is no file".to_owned()),
    }
    if imported.adds.is_empty() {
        return Err(format!("nothing that {} has was found", kind.name()));
    }
    Ok(imported)
}

fn value(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::AiSwitch | Kind::CliProxyApi => {
            // Its own bound on depth is more than a stack holds.
            let bounds = serde_saphyr::budget! { max_depth: crate::limits::JSON_DEPTH_MAX };
            let read = serde_saphyr::from_str_with_options(text, serde_saphyr::options! { budget: bounds });
            read.map_err(|error| format!("no YAML: {error}"))
        }
        _ => serde_json::from_str(&super::jsonc::blank(text)).map_err(|error| format!("no JSON: {error}")),
    }
}

/// An entry of CLIProxyAPI's `openai-compatibility` as a provider: its name there, in a form that ours may have, and its
/// members.
pub fn compatible(entry: &Value) -> Result<(String, Value), String> {
    relays::compatible(entry, &Value::Null).map(|(name, provider)| (plain_name(&name), provider))
}

/// Whose a text is, by what stands in it.
pub fn recognise(text: &str) -> Option<Kind> {
    let has = |value: &Value, name: &str| value.get(name).is_some_and(|value| !value.is_null());
    if let Ok(value) = value(Kind::Weir, text) {
        let first = if value.is_array() { &value[0] } else { &value };
        return match value {
            _ if has(&value, "channels") => Some(Kind::ApiSwitch),
            _ if has(first, "api_key") && has(first, "base_url") => Some(Kind::ClashForAi),
            _ if has(&value, "REQUIRED_API_KEY") || has(&value, "MODEL_PROVIDER") => Some(Kind::AiClient2Api),
            Value::Object(ref pools) if !pools.is_empty() && pools.values().all(|pool| has(&pool[0], "uuid")) => {
                Some(Kind::AiClient2Api)
            }
            _ if has(&value, "providers") || has(&value, "clients") || has(&value, "routes") => Some(Kind::Weir),
            _ => None,
        };
    }
    let value = value(Kind::AiSwitch, text).ok()?;
    let sections = ["openai-compatibility", "api-keys", "claude-api-key", "gemini-api-key", "codex-api-key"];
    match value {
        _ if sections.iter().any(|section| has(&value, section)) => Some(Kind::CliProxyApi),
        _ if has(&value, "providers") => Some(Kind::AiSwitch),
        _ => None,
    }
}

/// Sections of our own file.
fn ours(value: &Value, imported: &mut Imported) -> Result<(), String> {
    for section in ["providers", "routes", "clients"] {
        for (name, entry) in value[section].as_object().into_iter().flatten() {
            imported.add(section, name, entry.clone());
        }
    }
    Ok(())
}

/// Reads a link: `clash-for-ai://v1/import` or `weir://v1/import`, with `resource` and `payload` (base64url of JSON).
pub fn link(text: &str) -> Result<Imported, String> {
    let (scheme, rest) = text.trim().split_once("://").ok_or("it is no link")?;
    let (route, query) = rest.split_once('?').ok_or("the link has no payload")?;
    let ours_too = match scheme.to_ascii_lowercase().as_str() {
        "weir" => true,
        "clash-for-ai" => false,
        _ => return Err("the link begins with neither weir:// nor clash-for-ai://".to_owned()),
    };
    if route.trim_end_matches('/') != "v1/import" {
        return Err("the link leads to something else than v1/import".to_owned());
    }
    let parameter = |name: &str| {
        let mut pairs = query.split('#').next().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    };
    let payload = payload(parameter("payload"))?;
    let mut imported = Imported::default();
    match parameter("resource") {
        "provider" => linked(&payload, false, &mut imported)?,
        "model" => linked(&payload, true, &mut imported)?,
        "config" if ours_too => ours(&payload, &mut imported)?,
        other => return Err(format!("the link is for {other:?}, which is no resource that can be imported")),
    }
    if imported.adds.is_empty() { Err("the link holds nothing".to_owned()) } else { Ok(imported) }
}

fn payload(text: &str) -> Result<Value, String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(text.trim_end_matches("%3D")).map_err(|_| "the payload of the link is no base64url")?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| "the payload of the link is no JSON")?;
    if value.is_object() { Ok(value) } else { Err("the payload of the link is no object".to_owned()) }
}

fn linked(payload: &Value, models: bool, imported: &mut Imported) -> Result<(), String> {
    let member = |name: &str| match payload[name].as_str().map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(format!("the payload of the link lacks {name:?}")),
    };
    let (name, base_url, key) = (member("name")?, member("baseUrl")?, member("apiKey")?);
    let protocol = match payload["providerType"].as_str() {
        None | Some("openai-compatible") => "chat",
        Some("anthropic-compatible") if models => "anthropic",
        Some(other) => return Err(format!("{other:?} is no type of a provider")),
    };
    let mut provider = json!({ "protocol": protocol, "base_url": base_url, "keys": [key] });
    if models {
        let ids: Vec<&str> = payload["modelIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if ids.is_empty() {
            return Err("the payload of the link lacks \"modelIds\"".to_owned());
        }
        provider["models"] = json!(ids);
    }
    imported.add("providers", name, provider);
    Ok(())
}

#[cfg(test)]
mod tests;
