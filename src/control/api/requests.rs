//! `/api/requests`: exchanges one by one, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::usage::dollars;
use crate::control::names::Names;
use crate::control::{Shared, stamp};
use crate::limits;
use crate::record::entry::NEVER_US;
use crate::record::{Entry, Outcome};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestsQuery {
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
pub(super) async fn requests(
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

pub(super) async fn request(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
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
