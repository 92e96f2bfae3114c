//! Who passes to the endpoints, and how a session is opened and closed.
//!
//! `Host` first, then credential. A right one that is known only by its hash is compared on a thread that may wait, one
//! at a time, because a comparison takes memory. Every answer says that it is nobody's to keep or to frame.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Document, spoken};
use crate::control::auth::{Caller, Checked, Denied, host_is_ours};
use crate::control::{Shared, random, token, unix_ms, web};
use crate::limits;

/// Lets through what may pass, and puts the fields on the answer that every answer has.
pub(super) async fn gate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = match admit(&shared, caller, &request) {
        Ok(checked) => compared(&shared, caller, checked).await,
        Err(denied) => Err(denied),
    };
    let mut answer = match admitted {
        // Said at once: nobody waits for what will not be looked at.
        Ok(()) if length(request.headers()) > limits::CONFIG_BODY_BYTES_MAX as u64 => {
            Document::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than any that is taken here")
                .into_response()
        }
        Ok(()) => spoken(next.run(request).await),
        Err(denied) => Document::from(denied).into_response(),
    };
    let headers = answer.headers_mut();
    // What may be kept, the files of the page, says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
        ("content-security-policy", web::POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// What a request says of the length of its body.
fn length(headers: &HeaderMap) -> u64 {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|said| said.to_str().ok());
    said.and_then(|said| said.parse().ok()).unwrap_or(0)
}

fn admit(shared: &Shared, caller: Caller, request: &Request) -> Result<Checked, Denied> {
    let local = match caller {
        Caller::Owner => return Ok(Checked::Right),
        Caller::Ip(ip) => ip.to_canonical().is_loopback(),
    };
    if !host_is_ours(request.headers(), shared.listening) {
        return Err(Denied::Host);
    }
    match request.uri().path() {
        // The page holds nothing, login brings its own credential, and who has no session is told so.
        "/" | "/api/login" | "/api/session" => return Ok(Checked::Right),
        path if path.starts_with("/assets/") => return Ok(Checked::Right),
        // Probes on this machine need no credential: what they learn is no secret here.
        "/health" if local => return Ok(Checked::Right),
        _ => {}
    }
    let snapshot = shared.snapshot.load();
    shared.door().admit(caller, request.method(), request.headers(), snapshot.admin.password.as_ref(), unix_ms())
}

/// Waits for the comparison where one is needed.
async fn compared(shared: &Shared, caller: Caller, checked: Checked) -> Result<(), Denied> {
    let Checked::Unsure { hash, presented } = checked else { return Ok(()) };
    let _turn = shared.comparing.lock().await;
    let (right, presented, hash) = {
        let compare = move || (token::verify(&hash, &presented), presented, hash);
        tokio::task::spawn_blocking(compare).await.map_err(|_panicked| Denied::Credential)?
    };
    shared.door().settle(caller, &presented, &hash, right)
}

/// What login takes. Its text is a secret: no `Debug`.
#[derive(Deserialize, ToSchema)]
pub(super) struct Login {
    /// The admin password, or the token where none is configured.
    password: String,
}

/// That it is done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    ok: bool,
}

pub(super) const DONE: Json<Done> = Json(Done { ok: true });

/// Open a session
#[utoipa::path(post, path = "/api/login", tag = "session", request_body = Login, security(()),
    responses((status = 200, body = Done, headers(("set-cookie" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn login(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Document> {
    // serde's own message would quote what was sent.
    let Ok(Login { password: presented }) = serde_json::from_slice(&body) else {
        return Err(Document::of_member(StatusCode::BAD_REQUEST, "password", "expected {\"password\": \"…\"}"));
    };
    let random = random().map_err(|error| Document::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let snapshot = shared.snapshot.load_full();
    let password = snapshot.admin.password.as_ref();
    let checked = shared.door().present(caller, &presented, password, unix_ms())?;
    compared(&shared, caller, checked).await?;
    let cookie = shared.door().open(password, &random, unix_ms())?;
    shared.keep_sessions();
    Ok(([(header::SET_COOKIE, cookie)], DONE).into_response())
}

/// End the session
#[utoipa::path(post, path = "/api/logout", tag = "session",
    responses((status = 200, body = Done), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn logout(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let cookie = shared.door().logout(&headers, shared.snapshot.load().admin.password.as_ref());
    shared.keep_sessions();
    // A stream that the session has opened ends with it; those of others open theirs again.
    shared.events().end();
    ([(header::SET_COOKIE, cookie)], DONE).into_response()
}

/// Whether there is a session, and until when.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    authenticated: bool,
    /// When the session ends; null for who has none or needs none.
    expires_unix_ms: Option<u64>,
}

/// Whether the caller is let in
#[utoipa::path(get, path = "/api/session", tag = "session", security(()),
    responses((status = 200, body = Session), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn session(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Json<Session> {
    let until = {
        let snapshot = shared.snapshot.load();
        shared.door().session(request.headers(), snapshot.admin.password.as_ref(), unix_ms())
    };
    Json(Session { authenticated: until.is_some() || caller == Caller::Owner, expires_unix_ms: until })
}

/// A new token, shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct Fresh {
    token: String,
}

/// Make a new token
///
/// Over the control socket only: `weir token`.
#[utoipa::path(post, path = "/api/token", tag = "session",
    responses((status = 200, body = Fresh), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn renew(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Fresh>, Document> {
    if caller != Caller::Owner {
        return Err(Document::new(StatusCode::FORBIDDEN, "only `weir token` on this machine may ask for a new token"));
    }
    let data_dir = shared.snapshot.load().data_dir.clone();
    let made = tokio::task::spawn_blocking(move || {
        token::make(&data_dir).and_then(|text| Ok((text, token::recall(&data_dir)?)))
    });
    match made.await {
        Ok(Ok((token, kept))) => {
            shared.door().token = kept;
            Ok(Json(Fresh { token }))
        }
        Ok(Err(error)) => Err(Document::new(StatusCode::CONFLICT, format!("the token cannot be kept: {error}"))),
        Err(_panicked) => Err(Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the token could not be made")),
    }
}
