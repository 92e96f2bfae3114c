//! The endpoints of the admin address (config.md §4).
//!
//! Every request passes `gate` first: `Host`, then credential. Numbers are exact to the last exchange that
//! ended before the call, because the cores are asked to hand over what they hold before an answer is made.
//! No answer carries a key, a password or a header of a client.

mod overview;
mod requests;
mod status;
mod stored;
mod traces;
mod usage;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Problem, Severity};
use crate::control::auth::{Caller, Denied, host_is_ours};
use crate::control::{Shared, discover, probe, random, reload, unix_ms, web};
use crate::limits;

/// Every endpoint, behind the gate.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(web::page))
        .route("/assets/{build}/{*path}", get(web::asset))
        .route("/health", get(status::health))
        .route("/metrics", get(status::exposition))
        .route("/api/login", post(login))
        .route("/api/logout", post(logout))
        .route("/api/status", get(status::status))
        .route("/api/overview", get(overview::overview))
        .route("/api/store", get(overview::store))
        .route("/api/usage", get(usage::usage))
        .route("/api/requests", get(requests::requests))
        .route("/api/requests/{id}", get(requests::request))
        .route("/api/traces", get(traces::list).delete(traces::clear))
        .route("/api/traces/export", get(traces::export))
        .route("/api/traces/{id}", get(traces::one))
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
    // What may be kept, the files of the page, says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, web::POLICY),
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
        // The page and its files hold nothing, and login brings its own credential.
        "/" | "/api/login" => return Ok(()),
        path if path.starts_with("/assets/") => return Ok(()),
        // Probes on this machine need no credential: what they learn is no secret here.
        "/health" if local => return Ok(()),
        _ => {}
    }
    let snapshot = shared.snapshot.load();
    shared.door().admit(caller, request.method(), request.headers(), snapshot.admin.password.as_ref(), unix_ms())
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
