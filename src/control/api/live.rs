//! What happens, as it happens, and what of it is logged.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body as Payload, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::problem::{Body, Document};
use crate::config::snapshot::{LogFormat, LogLevel};
use crate::control::{Shared, events, log};

/// A reader's end as the body of an answer.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Follow what happens
///
/// Server-sent events: `hello {pid,version,generation,second}`, `second {totals since the start}` each second, `exchange {a row
/// as in /api/requests}`, `key {provider,key,health,cooling_until}`, `config {generation}`, and `missed {count}` where
/// there were more exchanges than are told one by one, or the reader was too slow.
#[utoipa::path(get, path = "/api/events", tag = "live",
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn follow(State(shared): State<Arc<Shared>>) -> Result<Response, Document> {
    let end = shared.events().open("hello", &events::hello(&shared));
    let end = end.ok_or_else(|| Document::new(StatusCode::TOO_MANY_REQUESTS, "too many look at this already"))?;
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((kind, Payload::new(Stream(end))).into_response())
}

/// The log.
#[derive(Serialize, ToSchema)]
pub(super) struct Log {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[schema(value_type = String)]
    level: LogLevel,
    /// `text` or `json`.
    #[schema(value_type = String)]
    format: LogFormat,
}

/// A level of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Level {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[schema(value_type = String)]
    level: LogLevel,
}

/// What is logged
#[utoipa::path(get, path = "/api/log", tag = "live",
    responses((status = 200, body = Log), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn level(State(shared): State<Arc<Shared>>) -> Json<Log> {
    Json(Log { level: log::level(), format: shared.snapshot.load().log.format })
}

/// Log more or less
///
/// Until the next reload, which goes by the file again.
#[utoipa::path(put, path = "/api/log", tag = "live", request_body = Level,
    responses((status = 200, body = Log), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn set_level(State(shared): State<Arc<Shared>>, Body(Level { level }): Body<Level>) -> Json<Log> {
    log::set_level(level);
    Json(Log { level, format: shared.snapshot.load().log.format })
}
