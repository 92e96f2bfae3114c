//! Whether keys serve, found out by the smallest request there is: when somebody asks, and by the clock.
//!
//! A probe is no request of a client: it counts in no usage. What it finds is told to the board, so that a key that fails
//! rests and one that serves again is woken, and to the averages that `fastest` goes by. A key for which no model is known
//! is asked for the list of models, which costs nothing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::call::{self, Reply};
use super::{Shared, unix_ms};
use crate::config::Snapshot;
use crate::config::snapshot::{Balance, Key, KeyIx, Provider};
use crate::http::write;
use crate::limits;
use crate::plan::board::{Board, Leave, Model};
use crate::plan::breaker::Outcome;
use crate::plan::pace::Paces;
use crate::plan::{hints, retry};
use crate::protocol::address::{self, Upstream};
use crate::protocol::ir::OutputTokensName;
use crate::protocol::path::{Call, Endpoint};
use crate::protocol::{Dialect, Protocol};

/// Which keys are to be probed; what is not said is any.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Which {
    pub(super) provider: Option<String>,
    pub(super) key: Option<String>,
    pub(super) model: Option<String>,
}

/// One probe to make.
struct Probe {
    snapshot: Arc<Snapshot>,
    key: KeyIx,
    /// The provider's name of the model; empty for the list of models.
    model: String,
}

/// Probes the keys that are asked for, a few at a time, and tells what each came to.
pub(super) async fn run(shared: &Arc<Shared>, which: &Which) -> Vec<Value> {
    let snapshot = shared.snapshot.load_full();
    let mut left = probes(&snapshot, which).into_iter();
    let (mut running, mut told) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < limits::PROBES_AT_ONCE
            && let Some(probe) = left.next()
        {
            let shared = shared.clone();
            running.spawn_blocking(move || probe.make(&shared));
        }
        match running.join_next().await {
            None => break,
            Some(done) => told.extend(done.ok()),
        }
    }
    told.sort_by_key(|probe| (probe["provider"].to_string(), probe["key"].to_string()));
    told
}

fn probes(snapshot: &Arc<Snapshot>, which: &Which) -> Vec<Probe> {
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut probes = Vec::new();
    for (provider, index) in snapshot.providers.iter().zip(0_u16..) {
        if provider.protocol == Protocol::Demo || !is(&which.provider, &provider.name) {
            continue;
        }
        for (key, settings) in snapshot.keys_of(index) {
            if settings.disabled || !is(&which.key, &settings.name) {
                continue;
            }
            let model = which.model.clone().or_else(|| model_of(provider, settings)).unwrap_or_default();
            probes.push(Probe { snapshot: snapshot.clone(), key, model });
        }
    }
    probes
}

/// The model that a key is probed with: the provider's `probe_model`, else the first published one that it may serve.
fn model_of(provider: &Provider, key: &Key) -> Option<String> {
    let published = provider.models.iter().map(|model| &*model.name);
    let mut candidates = provider.probe_model.as_deref().into_iter().chain(published);
    candidates.find(|model| key.serves(model) && !provider.excludes(model)).map(str::to_owned)
}

impl Probe {
    /// Blocks until it is answered.
    fn make(&self, shared: &Shared) -> Value {
        let key = &self.snapshot.keys[usize::from(self.key)];
        let provider = &self.snapshot.providers[usize::from(key.provider)];
        let request = request(provider, key, &self.model);
        let book = shared.addresses.load_full();
        let bound = Duration::from_millis(limits::PROBE_CALL_MS_MAX);
        let mut told = json!({ "provider": &*provider.name, "key": &*key.name, "model": self.model });
        match call::call(provider, key, &book, &request, bound) {
            Ok(reply) => {
                let verdict = verdict(&reply);
                let ok = verdict.is_none();
                told["ok"] = ok.into();
                told["status"] = reply.head.status.into();
                told["first_token_ms"] = ms(reply.first_byte).into();
                told["total_ms"] = ms(reply.total).into();
                let outcome = verdict.map_or(Outcome::Served, |verdict| verdict.outcome);
                self.tell(&shared.board, outcome);
                if ok && !self.model.is_empty() {
                    self.measured(shared, provider, reply.first_byte);
                }
            }
            Err(error) => {
                told["ok"] = false.into();
                told["error"] = error.to_string().into();
                self.tell(&shared.board, retry::Verdict::UNREACHABLE.outcome);
            }
        }
        told
    }

    fn tell(&self, board: &Board, outcome: Outcome) {
        let row = &board.rows(&self.snapshot)[usize::from(self.key)];
        let model = Model::new(&self.model);
        match outcome {
            Outcome::Served => board.wake(row, model),
            outcome => _ = board.tell(row, model, Leave::default(), outcome, unix_ms(), &self.snapshot.cooldown),
        }
    }

    fn measured(&self, shared: &Shared, provider: &Provider, first: Duration) {
        let (us, now_s) = (u64::try_from(first.as_micros()).unwrap_or(u64::MAX), unix_ms() / 1_000);
        shared.paces.tell(Paces::key(&provider.name, &self.model, true), us, now_s);
        if provider.balance == Balance::Fastest {
            shared.board.rows(&self.snapshot)[usize::from(self.key)].paces[1].tell(us, now_s);
        }
    }
}

fn verdict(reply: &Reply) -> Option<retry::Verdict> {
    let hint_ms = hints::wait_ms(reply.head.status, &reply.text, &reply.fields, &reply.body, unix_ms());
    retry::of_answer(reply.head.status, &reply.body, hint_ms)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The smallest request in the provider's words, streamed, so that the first token tells how fast it is.
fn request(provider: &Provider, key: &Key, model: &str) -> Vec<u8> {
    let protocol = provider.upstream(model).map_or(provider.protocol, |published| published.protocol);
    let turn = json!([{ "role": "user", "content": "Hi" }]);
    let (endpoint, dialect, tail, mut body) = match protocol {
        Protocol::Responses => (
            Endpoint::Responses,
            Dialect::Responses,
            "",
            json!({ "model": model, "input": "Hi", "max_output_tokens": 16, "stream": true, "store": false }),
        ),
        Protocol::Anthropic => (
            Endpoint::Messages,
            Dialect::Anthropic,
            "",
            json!({ "model": model, "max_tokens": 1, "messages": turn, "stream": true }),
        ),
        Protocol::Gemini => (
            Endpoint::GeminiStream,
            Dialect::Gemini,
            ":streamGenerateContent",
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }], "generationConfig": { "maxOutputTokens": 1 } }),
        ),
        Protocol::Ollama => (
            Endpoint::OllamaChat,
            Dialect::Ollama,
            "",
            json!({ "model": model, "messages": turn, "options": { "num_predict": 1 }, "stream": true }),
        ),
        Protocol::Chat | Protocol::Azure | Protocol::Demo => {
            let body = json!({ "model": model, tokens_name(provider, model): 1, "messages": turn, "stream": true });
            (Endpoint::ChatCompletions, Dialect::Chat, "", body)
        }
    };
    let list = model.is_empty();
    if list {
        body = Value::Null;
    }
    let mut target = Vec::new();
    match list {
        true => target.extend_from_slice(super::discover::list_path(provider).as_bytes()),
        false => {
            let call = Call { endpoint, dialect, provider: None, model: None, tail: tail.as_bytes() };
            let base = &provider.base;
            let upstream =
                Upstream { base_path: &base.path, versioned: base.versioned, api_version: &provider.api_version };
            let query: &[u8] = if protocol == Protocol::Gemini { b"alt=sse" } else { b"" };
            address::target(&call, protocol, &upstream, model, query, &mut target);
        }
    }
    head(provider, key, protocol, &target, (!list).then(|| body.to_string()).as_deref())
}

fn tokens_name(provider: &Provider, model: &str) -> &'static str {
    let newer = ["gpt-5", "gpt-6", "o1", "o3", "o4"].iter().any(|start| model.starts_with(start));
    match provider.quirks.output_tokens_name {
        OutputTokensName::MaxCompletionTokens => "max_completion_tokens",
        OutputTokensName::Auto if newer => "max_completion_tokens",
        OutputTokensName::Auto | OutputTokensName::MaxTokens => "max_tokens",
    }
}

/// A request of control's own: a GET, or a POST of a JSON body.
pub(super) fn head(provider: &Provider, key: &Key, protocol: Protocol, target: &[u8], body: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    out.extend_from_slice(if body.is_some() { b"POST " } else { b"GET " });
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write::field("host", provider.base.authority.as_bytes(), &mut out);
    write::field("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION")).as_bytes(), &mut out);
    out.extend_from_slice(b"accept-encoding: identity\r\nconnection: close\r\n");
    out.extend_from_slice(key.auth_for(protocol).expose());
    if protocol == Protocol::Anthropic {
        out.extend_from_slice(b"anthropic-version: 2023-06-01\r\n");
    }
    // A value that copies a client's field has no client here.
    for (name, value) in key.headers.iter().filter(|(_, value)| !value.expose().starts_with(b"$")) {
        write::field(name, value.expose(), &mut out);
    }
    if let Some(body) = body {
        write::field("content-type", b"application/json", &mut out);
        write::field_number("content-length", body.len() as u64, &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.unwrap_or_default().as_bytes());
    out
}

/// Probes by the clock, as the file says; looks at the file's word anew each time.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut first = true;
    loop {
        let probes = shared.snapshot.load().probes.clone();
        if probes.every_s > 0 || first && probes.at_start {
            if !first || probes.at_start {
                for provider in &probes.providers {
                    let which = Which { provider: Some(provider.to_string()), ..Which::default() };
                    for probe in run(&shared, &which).await.iter().filter(|probe| probe["ok"] != true) {
                        let told = |member: &str| probe[member].as_str().unwrap_or_default().to_owned();
                        let status = probe["status"].as_u64().unwrap_or(0);
                        tracing::warn!(
                            provider = told("provider"),
                            key = told("key"),
                            model = told("model"),
                            status,
                            error = told("error"),
                            "a probe failed"
                        );
                    }
                }
            }
            first = false;
        }
        let pause = if probes.every_s > 0 { u64::from(probes.every_s) } else { limits::PROBES_LOOK_S };
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}
