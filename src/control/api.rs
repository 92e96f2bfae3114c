//! The endpoints of the admin address (config.md §4).
//!
//! Every request passes `gate` first: `Host`, then credential. Numbers are exact to the last exchange that
//! ended before the call, because the cores are asked to hand over what they hold before an answer is made.
//! No answer carries a key, a password or a header of a client.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::auth::{Caller, Denied, host_is_ours};
use super::names::Names;
use super::usage::Group;
use super::{COMMIT, Shared, VERSION, discover, health, metrics, probe, random, reload, stamp, unix_ms};
use crate::config::{Problem, Severity, date};
use crate::limits;
use crate::plan::addresses::hosts;
use crate::record::entry::NEVER_US;
use crate::record::{Entry, Numbers, Outcome};

/// Every endpoint, behind the gate.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/metrics", get(exposition))
        .route("/api/login", post(login))
        .route("/api/logout", post(logout))
        .route("/api/status", get(status))
        .route("/api/usage", get(usage))
        .route("/api/requests", get(requests))
        .route("/api/requests/{id}", get(request))
        .route("/api/reload", post(reload_now))
        .route("/api/probe", post(probe_now))
        .route("/api/discover", post(discover_now))
        .route("/api/models", get(models_of))
        .fallback(|| async { Failure(StatusCode::NOT_FOUND, "there is nothing here".to_owned()) })
        .method_not_allowed_fallback(|| async {
            Failure(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here".to_owned())
        })
        .layer(DefaultBodyLimit::max(limits::ADMIN_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), gate))
        .with_state(shared)
}

/// An answer that is an error.
#[derive(Debug)]
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": { "message": self.1 } }))).into_response()
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        let (status, message) = match denied {
            Denied::Host => (StatusCode::FORBIDDEN, "this Host is not the admin address"),
            Denied::Origin => (StatusCode::FORBIDDEN, "a page of another origin may not do this"),
            Denied::Credential => (StatusCode::UNAUTHORIZED, "the admin password or token is needed"),
            Denied::Slow => (StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords; try again in a second"),
        };
        Failure(status, message.to_owned())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Failure {
        Failure(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

/// Lets through what may pass, and says to every answer that it is nobody's to keep or to frame.
async fn gate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = match admit(&shared, caller, &request) {
        Ok(()) => next.run(request).await,
        Err(denied) => Failure::from(denied).into_response(),
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    } else if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

fn admit(shared: &Shared, caller: Caller, request: &Request) -> Result<(), Denied> {
    let local = match caller {
        Caller::Owner => return Ok(()),
        Caller::Ip(ip) => ip.to_canonical().is_loopback(),
    };
    if !host_is_ours(request.headers(), shared.listening) {
        return Err(Denied::Host);
    }
    match request.uri().path() {
        // The page holds nothing, and login brings its own credential.
        "/" | "/api/login" => return Ok(()),
        // Probes on this machine need no credential: what they learn is no secret here.
        "/health" if local => return Ok(()),
        _ => {}
    }
    let snapshot = shared.snapshot.load();
    shared.door().admit(caller, request.method(), request.headers(), snapshot.admin.password.as_ref(), unix_ms())
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
    let draining = shared.draining.load(Ordering::Relaxed);
    let stalled = shared.stalled.load(Ordering::Relaxed);
    let (code, status) = match (stalled, draining) {
        (1.., _) => (StatusCode::SERVICE_UNAVAILABLE, "stalled"),
        (0, true) => (StatusCode::OK, "draining"),
        (0, false) => (StatusCode::OK, "ok"),
    };
    let health = json!({
        "status": status,
        "version": VERSION,
        "driver": shared.driver.name,
        "driver_why": shared.driver.why,
        "cores": shared.collector().tallies.len(),
        "cores_stalled": stalled,
        "sessions": shared.sessions(),
        "uptime_ms": uptime_ms(&shared),
    });
    (code, Json(health))
}

async fn exposition(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.settle().await;
    let facts = metrics::Facts {
        version: VERSION,
        commit: COMMIT,
        driver: shared.driver.name,
        generation: shared.snapshot.load().generation,
        uptime_seconds: shared.started.elapsed().as_secs_f64(),
        draining: shared.draining.load(Ordering::Relaxed),
        stalled: shared.stalled.load(Ordering::Relaxed),
    };
    let text = metrics::text(&shared.collector(), &facts);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

/// What login takes. Its text is a secret: no `Debug`.
#[derive(Deserialize)]
struct Login {
    password: String,
}

async fn login(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    // serde's own message would quote what was sent.
    let Ok(Login { password }) = serde_json::from_slice(&body) else {
        return Err(Failure(StatusCode::BAD_REQUEST, "expected {\"password\": \"…\"}".to_owned()));
    };
    let random = random().map_err(|error| Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let snapshot = shared.snapshot.load();
    let cookie = shared.door().login(caller, &password, snapshot.admin.password.as_ref(), &random, unix_ms())?;
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({ "ok": true }))))
}

async fn logout(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> impl IntoResponse {
    let cookie: (HeaderName, String) = (header::SET_COOKIE, shared.door().logout(&headers));
    ([cookie], Json(json!({ "ok": true })))
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.settle().await;
    let snapshot = shared.snapshot.load();
    let addresses = shared.addresses.load();
    let health = health::now(&shared, &snapshot);
    let providers: Vec<Value> = snapshot
        .providers
        .iter()
        .map(|provider| {
            let keys = &health[usize::from(provider.keys.start)..usize::from(provider.keys.end)];
            let rest = health::all_rest(keys);
            let keys: Vec<&Value> = keys.iter().map(|key| &key.told).collect();
            let found: Vec<String> =
                addresses.get(&provider.base.host, provider.base.port).iter().map(ToString::to_string).collect();
            // Where a proxy resolves the name, nobody asks for it here.
            let unresolved =
                found.is_empty() && hosts(&snapshot).any(|asked| asked == (&*provider.base.host, provider.base.port));
            json!({
                "name": provider.name,
                "host": provider.base.authority,
                "addresses": found,
                "health": if unresolved { "unresolved" } else if rest.is_some() { "cooling" } else { "ok" },
                "cooling_until": health::moment(rest),
                "keys": keys,
            })
        })
        .collect();
    let collector = shared.collector();
    Json(json!({
        "pid": std::process::id(),
        "version": VERSION,
        "commit": COMMIT,
        "driver": shared.driver.name,
        "driver_why": shared.driver.why,
        "cores": collector.tallies.len(),
        "cores_stalled": shared.stalled.load(Ordering::Relaxed),
        "uptime_ms": uptime_ms(&shared),
        "sessions": collector.sum(|tally| tally.sessions_open.get()),
        "streams": collector.sum(|tally| tally.streams_open.get()),
        "requests": collector.sum(|tally| tally.requests.get()),
        "draining": shared.draining.load(Ordering::Relaxed),
        "listen": snapshot.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "config": { "file": snapshot.file, "generation": snapshot.generation },
        "providers": providers,
    }))
}

fn uptime_ms(shared: &Shared) -> u64 {
    u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
}

/// Totals. They are kept by day (UTC), so both ends are widened to whole days.
async fn usage(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(query) = query?;
    let from = day("from", query.from.as_deref())?.unwrap_or(0);
    let to = day("to", query.to.as_deref())?.unwrap_or(u32::MAX);
    let mut by = Vec::new();
    for word in query.group_by.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
    {
        let Some(group) = Group::ALL.into_iter().find(|group| group.name() == word) else {
            let known = Group::ALL.map(Group::name).join(", ");
            return Err(Failure(StatusCode::BAD_REQUEST, format!("group_by takes {known}; not {word:?}")));
        };
        if !by.contains(&group) {
            by.push(group);
        }
    }
    shared.settle().await;
    let groups = shared.collector().usage.groups((from, to), &by);
    let mut total = Numbers::default();
    let mut rows = Vec::with_capacity(groups.len());
    for (names, sums) in &groups {
        total.add(sums);
        let mut row: Map<String, Value> =
            by.iter().zip(names).map(|(group, name)| (group.name().to_owned(), Value::from(&**name))).collect();
        row.extend(numbers(sums));
        rows.push(Value::Object(row));
    }
    if by.is_empty() {
        rows.clear();
    }
    Ok(Json(json!({ "total": numbers(&total), "groups": rows })))
}

/// Dollars, as a number.
fn dollars(nanos: u64) -> Value {
    (nanos as f64 / 1e9).into()
}

fn numbers(sums: &Numbers) -> Map<String, Value> {
    let tokens = &sums.tokens;
    let members = [
        ("requests", sums.requests.into()),
        ("ok", sums.ok.into()),
        ("errors", (sums.requests - sums.ok).into()),
        ("input_tokens", tokens.input.into()),
        ("output_tokens", tokens.output.into()),
        ("cache_read_tokens", tokens.cache_read.into()),
        ("cache_write_tokens", tokens.cache_write.into()),
        ("reasoning_tokens", tokens.reasoning.into()),
        ("cost", dollars(sums.cost_nanos)),
        ("request_bytes", sums.request_bytes.into()),
        ("response_bytes", sums.response_bytes.into()),
    ];
    members.into_iter().map(|(name, value): (_, Value)| (name.to_owned(), value)).collect()
}

/// The day of a moment in a query: a date, a time with its zone, or milliseconds since 1970.
fn day(name: &str, text: Option<&str>) -> Result<Option<u32>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let unix_ms = text.parse().ok().or_else(|| date::unix_ms(text));
    match unix_ms.map(|unix_ms| u32::try_from(unix_ms / stamp::DAY_MS).unwrap_or(u32::MAX)) {
        Some(day) => Ok(Some(day)),
        None => {
            let forms = "a date, a time as in RFC 3339, or milliseconds since 1970";
            Err(Failure(StatusCode::BAD_REQUEST, format!("{name} takes {forms}")))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsQuery {
    limit: Option<usize>,
    before: Option<String>,
    status: Option<String>,
    client: Option<String>,
    provider: Option<String>,
    model: Option<String>,
}

impl RequestsQuery {
    /// Whether an exchange is asked for. `status` is a number, a class (`4xx`), `ok` or `error`.
    fn wants(&self, entry: &Entry, names: &Names) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let status = self.status.as_deref().is_none_or(|wanted| match wanted {
            "ok" => entry.outcome == Outcome::Ok,
            "error" => entry.outcome != Outcome::Ok,
            wanted => match wanted.strip_suffix("xx") {
                Some(class) => class.parse() == Ok(entry.status / 100),
                None => wanted.parse() == Ok(entry.status),
            },
        });
        let model = is(&self.model, entry.model_sent.as_str()) || is(&self.model, entry.model_asked.as_str());
        status
            && model
            && is(&self.client, names.client(entry.client))
            && is(&self.provider, names.provider(entry.provider))
    }
}

/// Exchanges of late, newest first. `before` is the id of the last one that was listed.
async fn requests(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(100).min(limits::RECENT_EXCHANGES);
    shared.settle().await;
    let collector = shared.collector();
    let newest_first = collector.recent.iter().rev();
    let start = match &query.before {
        None => 0,
        Some(id) => newest_first.clone().position(|entry| entry.id.as_str() == id).map_or(usize::MAX, |at| at + 1),
    };
    let found: Vec<Value> = newest_first
        .skip(start)
        .map(|entry| (entry, collector.generations.of(entry.generation)))
        .filter(|(entry, names)| query.wants(entry, names))
        .take(limit)
        .map(|(entry, names)| exchange(entry, names))
        .collect();
    Ok(Json(json!({ "requests": found })))
}

async fn request(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    shared.settle().await;
    let collector = shared.collector();
    let found = collector.recent.iter().rev().find(|entry| entry.id.as_str() == id);
    let Some(entry) = found else {
        return Err(Failure(StatusCode::NOT_FOUND, "no exchange of late has this id".to_owned()));
    };
    Ok(Json(exchange(entry, collector.generations.of(entry.generation))))
}

fn exchange(entry: &Entry, names: &Names) -> Value {
    let named = |name: &str| if name.is_empty() { Value::Null } else { name.into() };
    let said = |tokens: u64| if entry.tokens.said { tokens.into() } else { Value::Null };
    let came = |us: u32| if us == NEVER_US { Value::Null } else { us.into() };
    json!({
        "id": entry.id.as_str(),
        "time": stamp::moment(entry.unix_ms),
        "client": named(names.client(entry.client)),
        "route": named(names.route(entry.route)),
        "provider": named(names.provider(entry.provider)),
        "key": named(names.key(entry.key)),
        "model": named(entry.model_sent.as_str()),
        "model_asked": named(entry.model_asked.as_str()),
        "status": entry.status,
        "outcome": entry.outcome.name(),
        "attempts": entry.attempts,
        "streamed": entry.streamed,
        "reused": entry.reused,
        "request_bytes": entry.request_bytes,
        "response_bytes": entry.response_bytes,
        "input_tokens": said(entry.tokens.input),
        "output_tokens": said(entry.tokens.output),
        "cache_read_tokens": said(entry.tokens.cache_read),
        "cache_write_tokens": said(entry.tokens.cache_write),
        "reasoning_tokens": said(entry.tokens.reasoning),
        "cost": dollars(entry.cost_nanos),
        "first_byte_us": came(entry.first_byte_us),
        "first_token_us": came(entry.first_token_us),
        "total_us": entry.total_us,
    })
}

/// Probes the keys that the query names, and tells what each came to.
async fn probe_now(
    State(shared): State<Arc<Shared>>,
    which: Result<Query<probe::Which>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(which) = which?;
    let probes = probe::run(&shared, &which).await;
    if probes.is_empty() {
        return Err(Failure(StatusCode::NOT_FOUND, "there is no such key".to_owned()));
    }
    Ok(Json(json!({ "probes": probes })))
}

/// Finds out what an address speaks and which models it has.
async fn discover_now(Json(given): Json<discover::Given>) -> Result<Json<Value>, Failure> {
    let found = tokio::task::spawn_blocking(move || discover::discover(&given)).await;
    match found {
        Ok(Ok(found)) => Ok(Json(found.told())),
        Ok(Err(why)) => Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, why)),
        Err(_panicked) => Err(Failure(StatusCode::INTERNAL_SERVER_ERROR, "the search failed".to_owned())),
    }
}

/// The provider whose models are asked for.
#[derive(serde::Deserialize)]
struct Whose {
    provider: String,
}

/// The models that a provider says it has.
async fn models_of(
    State(shared): State<Arc<Shared>>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(whose) = whose?;
    let (snapshot, book) = (shared.snapshot.load_full(), shared.addresses.load_full());
    let provider = snapshot.provider(whose.provider.as_bytes());
    let provider = provider.ok_or_else(|| Failure(StatusCode::NOT_FOUND, "there is no such provider".to_owned()))?;
    let listed = tokio::task::spawn_blocking(move || {
        let key = snapshot.keys_of(provider).find(|(_, key)| !key.disabled);
        let (_, key) = key.ok_or("it has no key that may be used")?;
        discover::list(&snapshot.providers[usize::from(provider)], key, &book)
    });
    match listed.await {
        Ok(Ok(models)) => Ok(Json(json!({ "models": models }))),
        Ok(Err(why)) => Err(Failure(StatusCode::BAD_GATEWAY, why)),
        Err(_panicked) => Err(Failure(StatusCode::INTERNAL_SERVER_ERROR, "the question failed".to_owned())),
    }
}

async fn reload_now(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    // A task of its own: a caller that leaves must not stop a reload halfway.
    let reloading = tokio::spawn(async move { reload::reload(&shared, "asked by the API").await });
    match reloading.await {
        Ok(Ok(done)) => Ok(Json(json!({
            "ok": true,
            "generation": done.generation,
            "changes": done.changes.said,
            "restart_needed": done.changes.restart,
            "problems": problems(&done.warnings),
        }))
        .into_response()),
        Ok(Err(found)) => {
            let message = "the file has errors; nothing was changed";
            let answer = json!({ "ok": false, "error": { "message": message }, "problems": problems(&found) });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(answer)).into_response())
        }
        Err(_panicked) => Err(Failure(StatusCode::INTERNAL_SERVER_ERROR, "the reload did not finish".to_owned())),
    }
}

fn problems(found: &[Problem]) -> Vec<Value> {
    let severity = |problem: &Problem| match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let one = |problem: &Problem| {
        json!({
            "severity": severity(problem),
            "path": problem.path,
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
        })
    };
    found.iter().map(one).collect()
}
