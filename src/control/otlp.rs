//! Exchanges as spans of OpenTelemetry, with its conventions for generative AI, sent to where the file says; each of
//! their attempts as one below.
//!
//! The collector keeps them up to a bound; a task takes what there is and sends it from a thread that may wait, as JSON
//! over HTTP. What cannot be sent is tried again with the next; beyond the bound spans are given up and counted.

mod tries;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::names::Names;
use super::{Shared, VERSION, call};
use crate::base::id::RequestId;
use crate::config::snapshot::Otlp;
use crate::limits;
use crate::protocol::path::Endpoint;
use crate::record::entry::NEVER_US;
use crate::record::{Attempt, Entry, Outcome};

/// Where the interface takes spans, below the endpoint that is configured.
const PATH: &str = "/v1/traces";

/// What waits to be sent.
#[derive(Default)]
pub(crate) struct Spans {
    /// Whether anybody wants them.
    pub(crate) wanted: bool,
    waiting: VecDeque<(One, Arc<Names>)>,
    open: tries::Open,
}

/// What becomes a span.
#[derive(Clone, Copy)]
enum One {
    Exchange(Entry),
    Attempt(Attempt),
}

/// Spans that were given up, by all of the process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Spans that were given up.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

impl Spans {
    pub(crate) fn exchange(&mut self, entry: &Entry, names: &Arc<Names>) {
        if !self.wanted {
            return;
        }
        let last = self.open.last(entry).map(One::Attempt);
        last.into_iter().chain([One::Exchange(*entry)]).for_each(|one| self.add(one, names));
    }

    pub(crate) fn attempt(&mut self, attempt: &Attempt, names: &Arc<Names>) {
        if self.wanted && self.open.is_over(attempt) {
            self.add(One::Attempt(*attempt), names);
        }
    }

    /// Whether anybody wants them from now on.
    fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.open.forget();
        }
    }

    fn add(&mut self, one: One, names: &Arc<Names>) {
        if self.waiting.len() >= limits::OTLP_SPANS_WAITING {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.waiting.push_back((one, names.clone()));
    }

    /// The next ones to send.
    fn take(&mut self) -> Vec<(One, Arc<Names>)> {
        let most = self.waiting.len().min(limits::OTLP_SPANS_AT_ONCE);
        self.waiting.drain(..most).collect()
    }

    /// Those that could not be sent, as far as there is room.
    fn put_back(&mut self, spans: Vec<(One, Arc<Names>)>) {
        let room = limits::OTLP_SPANS_WAITING.saturating_sub(self.waiting.len());
        let over = spans.len().saturating_sub(room);
        DROPPED.fetch_add(over as u64, Ordering::Relaxed);
        for span in spans.into_iter().skip(over).rev() {
            self.waiting.push_front(span);
        }
    }
}

/// Sends spans for as long as the process lives.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut is_said = false;
    loop {
        let wanted = shared.snapshot.load().otlp.clone();
        shared.collector().spans.want(wanted.is_some());
        if let Some(otlp) = wanted {
            send(&shared, &otlp, &mut is_said).await;
        }
        tokio::time::sleep(Duration::from_millis(limits::OTLP_EVERY_MS)).await;
    }
}

/// Sends all that waits now.
async fn send(shared: &Shared, otlp: &Arc<Otlp>, is_said: &mut bool) {
    loop {
        let spans = shared.collector().spans.take();
        if spans.is_empty() {
            return;
        }
        let (request, otlp) = (request(otlp, &spans), otlp.clone());
        let sent = tokio::task::spawn_blocking(move || {
            let bound = Duration::from_millis(limits::PROBE_CALL_MS_MAX);
            let reply = call::post(&otlp.base, otlp.verify.as_ref(), &request, bound)?;
            match reply.head.status {
                200..=299 => Ok(()),
                status => Err(std::io::Error::other(format!("it answered {status}"))),
            }
        });
        match sent.await.unwrap_or_else(|_| Err(std::io::Error::other("the sending broke off"))) {
            Ok(()) => *is_said = false,
            Err(error) => {
                shared.collector().spans.put_back(spans);
                if !std::mem::replace(is_said, true) {
                    tracing::warn!(%error, "spans cannot be sent now");
                }
                return;
            }
        }
    }
}

/// The whole request that brings these spans.
fn request(otlp: &Otlp, spans: &[(One, Arc<Names>)]) -> Vec<u8> {
    let spans = spans.iter().filter_map(|(one, names)| match one {
        One::Exchange(entry) => Some(span(entry, names)),
        One::Attempt(attempt) => tries::span(attempt, names),
    });
    let spans: Vec<Value> = spans.collect();
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "weir"), text("service.version", VERSION)] },
        "scopeSpans": [{ "scope": { "name": "weir", "version": VERSION }, "spans": spans }],
    }] });
    let body = body.to_string();
    let path = if otlp.base.path.ends_with(PATH) { "" } else { PATH };
    let mut out = format!(
        "POST {}{path} HTTP/1.1\r\nhost: {}\r\nuser-agent: weir/{VERSION}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n",
        otlp.base.path,
        otlp.base.authority,
        body.len()
    )
    .into_bytes();
    for (name, value) in &otlp.headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.expose());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
    out
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Whole numbers go as text, as JSON of protocol buffers has them.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span(entry: &Entry, names: &Names) -> Value {
    let operation = operation(entry.endpoint);
    let asked = entry.model_asked.as_str();
    let begin = u128::from(entry.unix_ms) * 1_000_000;
    let end = begin + u128::from(entry.total_us) * 1_000;
    let (trace, own) = ids(entry.id);
    let is_ok = entry.outcome == Outcome::Ok;
    json!({
        "traceId": trace,
        "spanId": own,
        "name": format!("{operation} {asked}").trim_end(),
        "kind": 3,
        "startTimeUnixNano": begin.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": attributes(entry, names, operation),
        "status": if is_ok { json!({}) } else { json!({ "code": 2, "message": entry.outcome.name() }) },
    })
}

fn attributes(entry: &Entry, names: &Names, operation: &str) -> Vec<Value> {
    let mut found = vec![
        text("gen_ai.operation.name", operation),
        number("http.response.status_code", u64::from(entry.status)),
        text("weir.request_id", entry.id.as_str()),
        text("weir.dialect", entry.dialect.name()),
        number("weir.attempts", u64::from(entry.attempts)),
    ];
    let named = [
        ("gen_ai.provider.name", names.provider(entry.provider)),
        ("gen_ai.request.model", entry.model_asked.as_str()),
        ("gen_ai.response.model", entry.model_sent.as_str()),
        ("weir.client", names.client(entry.client)),
        ("weir.route", names.route(entry.route)),
        ("weir.key", names.key(entry.key)),
        ("error.type", if entry.outcome == Outcome::Ok { "" } else { entry.outcome.name() }),
    ];
    found.extend(named.into_iter().filter(|(_, name)| !name.is_empty()).map(|(key, name)| text(key, name)));
    if let Some((host, port)) = names.address(entry.provider) {
        found.extend([text("server.address", host), number("server.port", u64::from(port))]);
    }
    if entry.tokens.said {
        let tokens = &entry.tokens;
        found.extend([
            number("gen_ai.usage.input_tokens", tokens.input),
            number("gen_ai.usage.output_tokens", tokens.output),
            number("gen_ai.usage.cache_read.input_tokens", tokens.cache_read),
            number("gen_ai.usage.cache_creation.input_tokens", tokens.cache_write),
        ]);
    }
    if entry.first_token_us != NEVER_US {
        found.push(number("weir.first_token_us", u64::from(entry.first_token_us)));
    }
    found.push(json!({ "key": "weir.cost", "value": { "doubleValue": entry.cost_nanos as f64 / 1e9 } }));
    found
}

fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Responses | Endpoint::Messages | Endpoint::OllamaChat => "chat",
        Endpoint::GeminiGenerate | Endpoint::GeminiStream => "generate_content",
        Endpoint::Completions | Endpoint::OllamaGenerate => "text_completion",
        Endpoint::Embeddings | Endpoint::GeminiEmbed | Endpoint::OllamaEmbed => "embeddings",
        other => other.name(),
    }
}

/// The ids of an exchange's trace and span, which are its own id in another form.
fn ids(id: RequestId) -> (String, String) {
    let (unix_ms, core, salt, sequence) = RequestId::read(id.as_str()).unwrap_or_default();
    // The core stands above the salt's twenty bits; no id may be all zeros.
    let own = u64::from(core) << 52 | u64::from(salt) << 32 | u64::from(sequence) << 1 | 1;
    (format!("{:016x}{own:016x}", unix_ms | 1 << 63), format!("{own:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Model, Tokens};

    pub(super) fn entry() -> Entry {
        Entry {
            provider: 0,
            status: 200,
            total_us: 1_500,
            endpoint: Endpoint::Messages,
            model_asked: Model::new("auto"),
            model_sent: Model::new("m"),
            tokens: Tokens { input: 7, said: true, ..Tokens::default() },
            ..Entry::begun(RequestId::new(1_795_254_816_123, 3, 9, 5), 1_795_254_816_123, 1)
        }
    }

    #[test]
    fn an_exchange_is_a_span_of_the_conventions() {
        let names = Names { providers: ["p".into()].into(), ..Names::default() };
        let told = span(&entry(), &names);
        assert_eq!((&told["name"], &told["kind"]), (&json!("chat auto"), &json!(3)));
        assert_eq!(told["startTimeUnixNano"], "1795254816123000000");
        assert_eq!(told["endTimeUnixNano"], "1795254816124500000");
        assert_eq!(told["traceId"].as_str().map(str::len), Some(32));
        assert_eq!(told["spanId"].as_str().map(str::len), Some(16));
        assert!(told["traceId"].as_str().is_some_and(|id| id.ends_with(told["spanId"].as_str().expect("text"))));
        let has = |attribute: Value| told["attributes"].as_array().expect("a list").contains(&attribute);
        assert!(has(text("gen_ai.provider.name", "p")) && has(text("gen_ai.response.model", "m")));
        assert!(has(number("gen_ai.usage.input_tokens", 7)) && !told.to_string().contains("error.type"));
        let failed = span(&Entry { outcome: Outcome::Cut, ..entry() }, &names);
        assert_eq!(failed["status"], json!({ "code": 2, "message": "cut" }));
    }

    #[test]
    fn spans_wait_up_to_a_bound() {
        let (mut spans, names) = (Spans::default(), Arc::new(Names::default()));
        spans.exchange(&entry(), &names);
        assert!(spans.waiting.is_empty(), "nobody wants them");
        spans.wanted = true;
        let before = dropped();
        for _ in 0..limits::OTLP_SPANS_WAITING + 3 {
            spans.exchange(&entry(), &names);
        }
        assert_eq!((spans.waiting.len(), dropped() - before), (limits::OTLP_SPANS_WAITING, 3));
        let taken = spans.take();
        assert_eq!(taken.len(), limits::OTLP_SPANS_AT_ONCE);
        spans.exchange(&entry(), &names);
        spans.put_back(taken);
        assert_eq!((spans.waiting.len(), dropped() - before), (limits::OTLP_SPANS_WAITING, 4));
    }
}
