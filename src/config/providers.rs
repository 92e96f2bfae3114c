//! The providers of a file: preset, address, keys, published names.

use std::collections::{HashMap, HashSet};

use super::check::Check;
use super::file::{self, KeyEntry, ModelEntry, Named, SecretRef};
use super::name::Names;
use super::presets::{self, Preset};
use super::problem::{At, hint};
use super::routes::Turns;
use super::snapshot::{Base, ErrorRule, Key, NO_TURN, Provider, ProviderIx, Proxy, Published, UpstreamTimeouts};
use super::{date, url};
use crate::base::ascii;
use crate::base::secret::Secret;
use crate::limits;
use crate::protocol::Protocol;
use crate::protocol::ir::{OutputTokensName, Quirks};

/// `api-version` of Azure where nothing else is said.
const AZURE_API_VERSION: &str = "2024-10-21";

/// First segments of weir's own paths: `/{provider}/v1/…` could not be told from them.
const RESERVED: &[&str] = &["v1", "v1beta", "v1alpha", "api", "health", "healthz"];

/// Header fields that belong to the message or the connection; weir writes them itself.
const OWN_FIELDS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "content-encoding",
    "accept-encoding",
];

/// Header fields that carry credentials.
const SECRET_FIELDS: &[&str] =
    &["authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie"];

/// Providers that are not disabled, their keys, and tables over them.
#[derive(Default)]
pub(super) struct Providers {
    pub(super) list: Vec<Provider>,
    pub(super) keys: Vec<Key>,
    pub(super) names: Names<ProviderIx>,
    pub(super) catalogue: Names<(ProviderIx, u16)>,
}

impl Check<'_, '_, '_> {
    pub(super) fn providers(&mut self, turns: &mut Turns) -> Providers {
        let at_providers = At::ROOT.member("providers");
        self.bounded(&at_providers, &self.file.providers);
        let global = self.proxy(&At::ROOT.member("proxy"), self.file.proxy.as_ref(), &Proxy::Direct);
        let mut all = Providers::default();
        for (name, given) in &self.file.providers {
            let at = at_providers.member(name);
            let first_key = all.keys.len();
            let provider = self.provider(&at, name, given, &global, turns, &mut all);
            if given.disabled {
                // It was checked all the same, and is forgotten.
                all.keys.truncate(first_key);
                continue;
            }
            let index = index(all.list.len());
            all.names.insert(name, index);
            for (place, model) in provider.models.iter().enumerate() {
                let entry = (index, self::index(place));
                if model.bare {
                    all.catalogue.insert(model.id(), entry);
                }
                if let Some(prefixed) = &model.prefixed {
                    all.catalogue.insert(prefixed, entry);
                }
            }
            all.list.push(provider);
        }
        if all.keys.len() > limits::CONFIG_ENTRIES_MAX {
            self.problems.error(&at_providers, format!("have more than {} keys", limits::CONFIG_ENTRIES_MAX));
        }
        all
    }

    fn provider(
        &mut self,
        at: &At<'_>,
        name: &str,
        given: &file::Provider,
        proxy: &Proxy,
        turns: &mut Turns,
        all: &mut Providers,
    ) -> Provider {
        self.provider_name(at, name);
        let preset = self.preset(at, given);
        let protocol = given.protocol.map(meant).or(preset.map(|preset| preset.protocol));
        if protocol.is_none() && given.preset.is_none() {
            self.absent(at, "needs \"protocol\", or a \"preset\" that has one");
        }
        let protocol = protocol.unwrap_or(Protocol::Chat);
        let (base, pasted_version) = self.base(at, given, preset, protocol);
        let tls = self.verify(at, given, &base);
        let keys = index(all.keys.len());
        let mut models = self.models(at, given, protocol);
        let (mut published, mut upstream) = (Names::default(), Names::default());
        for (place, model) in models.iter().enumerate() {
            published.insert(model.id(), index(place));
            upstream.insert(&model.name, index(place));
        }
        let auto = published.get("auto").next().copied().or(models.first().map(|_| 0));
        pools(&mut models, turns);
        let mut others: Vec<Protocol> = models.iter().map(|model| model.protocol).collect();
        others.retain(|other| *other != protocol);
        others.dedup();
        self.keys(at, given, protocol, &others, proxy, all);
        let tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if given.think_tag.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(tag)) {
            self.problems.error(&at.member("think_tag"), "is no name of a tag: expected \"think\", without brackets");
        }
        let (own, common) = (&given.timeouts, &self.file.timeouts);
        let api_version = given.api_version.clone().or(pasted_version);
        Provider {
            name: name.into(),
            protocol,
            base,
            keys: keys..index(all.keys.len()),
            models: models.into(),
            exclude_models: self.patterns(&at.member("exclude_models"), &given.exclude_models),
            api_version: api_version.unwrap_or_else(|| AZURE_API_VERSION.to_owned()).into(),
            balance: given.balance,
            affinity: given.affinity,
            probe_model: given.probe_model.as_deref().map(Into::into),
            on_error: self.error_rules(at, &given.on_error),
            timeouts: UpstreamTimeouts {
                connect_ms: own.connect_ms.unwrap_or(common.connect_ms),
                answer_ms: own.answer_ms.unwrap_or(common.answer_ms),
                first_token_ms: own.first_token_ms.unwrap_or(common.first_token_ms),
                first_token_ms_per_mib: own.first_token_ms_per_mib.unwrap_or(common.first_token_ms_per_mib),
                stream_idle_ms: own.stream_idle_ms.unwrap_or(common.stream_idle_ms),
            },
            tls,
            quirks: quirks(preset, &given.quirks),
            think_tag: given.think_tag.as_deref().map(Box::from),
            shaping: self.shaping(at, given.system_prompt.as_ref(), &given.payload),
            auto,
            published,
            upstream,
        }
    }

    /// The rules of a provider for errors, and behind them those for all.
    fn error_rules(&mut self, at: &At<'_>, own: &[file::ErrorRule]) -> Box<[ErrorRule]> {
        let (at_own, at_all) = (at.member("on_error"), At::ROOT.member("retry"));
        let at_all = at_all.member("on_error");
        let own = own.iter().enumerate().map(|rule| (&at_own, rule));
        let all = self.file.retry.on_error.iter().enumerate().map(|rule| (&at_all, rule));
        let mut rules = Vec::new();
        for (at, (place, rule)) in own.chain(all) {
            let at = at.entry(place);
            if rule.status.iter().any(|status| !(300..=599).contains(status)) {
                self.problems.error(&at.member("status"), "has a status that is no error: expected 300 to 599");
            }
            if rule.text.iter().any(String::is_empty) {
                self.problems.error(&at.member("text"), "has an empty text, which every body contains");
            }
            if rule.then.is_none() && rule.cool_ms.is_none() {
                self.problems.error(&at, "changes nothing: expected \"then\" or \"cool_ms\"");
            }
            rules.push(ErrorRule {
                statuses: rule.status.clone().into(),
                texts: rule.text.iter().map(|text| text.as_str().into()).collect(),
                then: rule.then,
                cool: rule.cool_ms.map(|ms| (rule.cool, ms)),
            });
        }
        rules.into()
    }

    fn provider_name(&mut self, at: &At<'_>, name: &str) {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(letter) {
            self.problems.error(at, "the name of a provider has letters, digits, \"-\", \"_\" and \".\" only");
        } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            self.problems.error(at, format!("{name:?} cannot be a provider's name: it begins paths of weir's own"));
        }
        let same = self.file.providers.names().find(|other| *other != name && other.eq_ignore_ascii_case(name));
        if let Some(other) = same {
            self.problems.error(at, format!("differs from provider {other:?} in upper and lower case only"));
        }
    }

    fn preset(&mut self, at: &At<'_>, given: &file::Provider) -> Option<&'static Preset> {
        let name = given.preset.as_deref()?;
        let preset = presets::find(name);
        if preset.is_none() {
            let at = at.member("preset");
            let quoted = self.problems.quote(&at, name);
            self.problems.error(&at, format!("names no preset: {quoted}{}", hint(name, presets::names())));
        }
        preset
    }

    /// The address, and the version of a pasted Azure endpoint.
    fn base(
        &mut self,
        at: &At<'_>,
        given: &file::Provider,
        preset: Option<&Preset>,
        protocol: Protocol,
    ) -> (Base, Option<String>) {
        let at_url = at.member("base_url");
        let of_preset = preset.map(|preset| preset.base_url).filter(|url| !url.is_empty());
        let Some(text) = given.base_url.as_deref().or(of_preset) else {
            if protocol != Protocol::Demo && (given.preset.is_none() || preset.is_some()) {
                self.absent(at, "needs \"base_url\"");
            }
            return (Base::default(), None);
        };
        let parsed = match url::base(text, protocol) {
            Ok(parsed) => parsed,
            Err(message) => {
                // What `${…}` left unresolved has been reported.
                if !text.contains("${") {
                    self.problems.error(&at_url, message);
                }
                return (Base::default(), None);
            }
        };
        if given.disabled {
            // Nothing goes there.
        } else if !parsed.base.tls && !is_loopback(&parsed.base.host) {
            self.problems
                .warning(&at_url, "is http:// to an address that is not loopback: keys and texts go in the clear");
        }
        (parsed.base, parsed.api_version)
    }

    fn keys(
        &mut self,
        at: &At<'_>,
        given: &file::Provider,
        protocol: Protocol,
        others: &[Protocol],
        proxy: &Proxy,
        all: &mut Providers,
    ) {
        let provider = index(all.list.len());
        let proxy = self.proxy(&at.member("proxy"), given.proxy.as_ref(), proxy);
        let headers = self.headers(&at.member("headers"), &given.headers, &[]);
        let at_keys = at.member("keys");
        let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut names: HashSet<String> = HashSet::new();
        let plain = file::Key::default();
        for (place, entry) in given.keys.iter().enumerate() {
            let at_entry = at_keys.entry(place);
            let at_secret = at_entry.member("key");
            let (settings, written, at_secret) = match entry {
                KeyEntry::Secret(written) => (&plain, Some(written), &at_entry),
                KeyEntry::Full(key) => (&**key, key.key.as_ref(), &at_secret),
            };
            let secret = written.map_or_else(|| Secret::new(""), |written| self.secret(at_secret, written));
            if !secret.expose().is_empty()
                && let Some(other) = seen.insert(secret.expose().to_owned(), place)
            {
                self.problems.warning(at_secret, format!("is the same key as keys[{other}]"));
            }
            let name = settings.name.clone().unwrap_or_else(|| (place + 1).to_string());
            let taken = !names.insert(name.clone());
            if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) || taken {
                self.problems.error(&at_entry, "a key's name is its provider's only one of that name, and not empty");
            }
            all.keys.push(Key {
                name: name.into(),
                provider,
                auth: auth(protocol, &secret),
                other_auth: others.iter().map(|&other| (other, auth(other, &secret))).collect(),
                secret,
                weight: settings.weight,
                priority: settings.priority,
                max_concurrent: settings.max_concurrent,
                queue: settings.queue,
                queue_ms: settings.queue_ms,
                models: self.patterns(&at_entry.member("models"), &settings.models),
                exclude_models: self.patterns(&at_entry.member("exclude_models"), &settings.exclude_models),
                headers: self.headers(&at_entry.member("headers"), &settings.headers, &headers),
                proxy: self.proxy(&at_entry.member("proxy"), settings.proxy.as_ref(), &proxy),
                disabled: settings.disabled,
            });
        }
        if given.keys.is_empty() {
            all.keys.push(keyless(provider, headers, proxy));
        }
    }

    /// Header fields: those of `under`, with the given ones over them.
    pub(super) fn headers(
        &mut self,
        at: &At<'_>,
        given: &Named<SecretRef>,
        under: &[(Box<str>, Secret)],
    ) -> Box<[(Box<str>, Secret)]> {
        let mut fields = under.to_vec();
        for (name, written) in given {
            let at = at.member(name);
            let is = |list: &[&str]| list.iter().any(|other| name.eq_ignore_ascii_case(other));
            if !ascii::is_token(name.as_bytes()) {
                self.problems.error(&at, "is no name of a header field");
            } else if is(OWN_FIELDS) {
                self.problems
                    .error(&at, "cannot be set: it describes the message or the connection, which weir writes");
            }
            let value = if is(SECRET_FIELDS) { self.secret(&at, written) } else { self.reference(&at, written) };
            fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            fields.push((name.into(), value));
        }
        fields.into()
    }

    fn proxy(&mut self, at: &At<'_>, given: Option<&SecretRef>, above: &Proxy) -> Proxy {
        let Some(written) = given else { return above.clone() };
        let secret = self.reference(at, written);
        let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
        if text.is_empty() {
            return Proxy::Direct;
        }
        match url::proxy(text) {
            Ok(proxy) => {
                let literal = !written.is_reference() && !self.problems.expanded(at);
                if literal && self.outside.shared && matches!(proxy, Proxy::Via { credentials: Some(_), .. }) {
                    self.problems.warning(at, "holds a literal secret in a file that others can read");
                }
                proxy
            }
            Err(message) => {
                self.problems.error(at, message);
                Proxy::Direct
            }
        }
    }

    fn models(&mut self, at: &At<'_>, given: &file::Provider, protocol: Protocol) -> Vec<Published> {
        let prefix = given.prefix.as_deref();
        let at_prefix = at.member("prefix");
        if prefix.is_some_and(|prefix| prefix.is_empty() || prefix.contains(['/', '*', ' '])) {
            self.problems.error(&at_prefix, "is no prefix: it is not empty and has no \"/\", \"*\" or blank");
        }
        if given.force_prefix && prefix.is_none() {
            self.absent(&at.member("force_prefix"), "needs a \"prefix\"");
        }
        let published = |name: &str, alias: Option<&str>| Published {
            name: name.into(),
            alias: alias.map(Into::into),
            prefixed: prefix.map(|prefix| format!("{prefix}/{}", alias.unwrap_or(name)).into()),
            bare: !given.force_prefix,
            released_unix_ms: None,
            protocol,
            pool: NO_TURN,
        };
        if protocol == Protocol::Demo && given.models.is_empty() {
            return vec![published("demo", None)];
        }
        let at_models = at.member("models");
        if given.models.len() > limits::CONFIG_ENTRIES_MAX {
            self.problems.error(&at_models, format!("has more than {} entries", limits::CONFIG_ENTRIES_MAX));
        }
        let mut models = Vec::with_capacity(given.models.len());
        for (place, entry) in given.models.iter().enumerate() {
            let at = at_models.entry(place);
            let plain = file::Model::default();
            let (at_name, at_alias) = (at.member("name"), at.member("alias"));
            let (settings, name, at_name) = match entry {
                ModelEntry::Name(name) => (&plain, Some(name), &at),
                ModelEntry::Full(model) => (model, model.name.as_ref(), &at_name),
            };
            let Some(name) = name else { continue };
            for (at, name) in [(at_name, Some(name)), (&at_alias, settings.alias.as_ref())] {
                let wrong = |name: &&String| {
                    name.trim() != *name
                        || name.is_empty()
                        || name.contains('*')
                        || name.len() > limits::MODEL_NAME_BYTES_MAX
                };
                if name.filter(wrong).is_some() {
                    self.problems.error(at, "is no model name: empty, a blank at an end, a \"*\", or too long");
                }
            }
            let released_unix_ms = settings.released.as_deref().and_then(|text| {
                let ms = date::unix_ms(text);
                if ms.is_none() {
                    self.problems.error(&at.member("released"), "is no date: expected 2026-05-01");
                }
                ms
            });
            let alias = settings.alias.as_deref().filter(|alias| alias != name);
            let protocol = settings.protocol.map_or(protocol, meant);
            models.push(Published { released_unix_ms, protocol, ..published(name, alias) });
        }
        models
    }
}

/// Models of one alias take turns.
fn pools(models: &mut [Published], turns: &mut Turns) {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, model) in models.iter().enumerate() {
        places.entry(model.id().to_owned()).or_default().push(place);
    }
    let mut pools: Vec<Vec<usize>> = places.into_values().filter(|places| places.len() > 1).collect();
    pools.sort_unstable();
    for places in pools {
        let turn = turns.take();
        places.into_iter().for_each(|place| models[place].pool = turn);
    }
}

/// The protocol a word means.
fn meant(word: file::Protocol) -> Protocol {
    match word {
        file::Protocol::Chat => Protocol::Chat,
        file::Protocol::Responses => Protocol::Responses,
        file::Protocol::Anthropic => Protocol::Anthropic,
        file::Protocol::Gemini => Protocol::Gemini,
        file::Protocol::Azure => Protocol::Azure,
        file::Protocol::Ollama => Protocol::Ollama,
        file::Protocol::Demo => Protocol::Demo,
    }
}

/// The header line that carries a secret.
fn auth(protocol: Protocol, secret: &Secret) -> Secret {
    // It came out of text, whole.
    let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
    let name = match protocol {
        _ if text.is_empty() => return Secret::new(""),
        Protocol::Demo => return Secret::new(""),
        // Tokens of a subscription go as a bearer token, keys as a key.
        Protocol::Anthropic if text.starts_with("sk-ant-oat") => "authorization: Bearer",
        Protocol::Anthropic => "x-api-key:",
        Protocol::Gemini => "x-goog-api-key:",
        Protocol::Azure => "api-key:",
        Protocol::Chat | Protocol::Responses | Protocol::Ollama => "authorization: Bearer",
    };
    Secret::new(&zeroize::Zeroizing::new(format!("{name} {text}\r\n")))
}

/// The key of a provider that has none.
fn keyless(provider: ProviderIx, headers: Box<[(Box<str>, Secret)]>, proxy: Proxy) -> Key {
    let settings = file::Key::default();
    Key {
        name: "1".into(),
        provider,
        secret: Secret::new(""),
        auth: Secret::new(""),
        other_auth: Box::default(),
        weight: settings.weight,
        priority: settings.priority,
        max_concurrent: settings.max_concurrent,
        queue: settings.queue,
        queue_ms: settings.queue_ms,
        models: Box::default(),
        exclude_models: Box::default(),
        headers,
        proxy,
        disabled: false,
    }
}

fn is_loopback(host: &str) -> bool {
    let ip = host.parse::<std::net::IpAddr>().map(|ip| ip.to_canonical().is_loopback());
    ip.unwrap_or_else(|_| host == "localhost" || host.ends_with(".localhost"))
}

/// An index; counts beyond `limits::CONFIG_ENTRIES_MAX` are an error of the file, which then has no snapshot.
pub(super) fn index(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}
/// What a preset knows of a vendor, and what the file says otherwise.
fn quirks(preset: Option<&Preset>, given: &file::Quirks) -> Quirks {
    let known = preset.map(|preset| preset.quirks.clone()).unwrap_or_default();
    Quirks {
        output_tokens_name: match given.output_tokens_name {
            None => known.output_tokens_name,
            Some(file::OutputTokensName::Auto) => OutputTokensName::Auto,
            Some(file::OutputTokensName::MaxTokens) => OutputTokensName::MaxTokens,
            Some(file::OutputTokensName::MaxCompletionTokens) => OutputTokensName::MaxCompletionTokens,
        },
        replays_reasoning: given.replays_reasoning.unwrap_or(known.replays_reasoning),
        developer_role: given.developer_role.unwrap_or(known.developer_role),
        leading_system_only: given.leading_system_only.unwrap_or(known.leading_system_only),
        no_system_role: given.no_system_role.unwrap_or(known.no_system_role),
        tool_choice_auto_only: given.tool_choice_auto_only.unwrap_or(known.tool_choice_auto_only),
        json_schema_tools: given.json_schema_tools.unwrap_or(known.json_schema_tools),
        no_stream_options: given.no_stream_options.unwrap_or(known.no_stream_options),
    }
}
