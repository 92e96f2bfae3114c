//! `/api/overview`: what a console shows first, and `/api/store`: how what is written down is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::problem::Document;
use super::usage::{numbers, totals};
use crate::control::store::{By, Grain, Span, Sums};
use crate::control::usage::Group;
use crate::control::{Shared, health, otlp, stamp, unix_ms};

/// Minutes that the course of late has.
const MINUTES: u32 = 60;

/// The state of the day at a glance
#[utoipa::path(get, path = "/api/overview", tag = "usage",
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn overview(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Document> {
    let now = u32::try_from(unix_ms() / 60_000).unwrap_or(u32::MAX - 1);
    let since = |grain, from| By { grain, span: Span { from, to: u32::MAX }, groups: Vec::new(), only: Vec::new() };
    let today = totals(&shared, &since(Grain::Day, Grain::Day.floor(now))).await?;
    let today = today.into_values().next().unwrap_or_default();
    let course = By { groups: vec![Group::Minute], ..since(Grain::Minute, now + 1 - MINUTES) };
    let course = totals(&shared, &course).await?;
    let minutes: Vec<Value> = (now + 1 - MINUTES..=now)
        .map(|minute| {
            let none = Sums::default();
            let sums = course.get(&vec![stamp::minute(minute).into()]).unwrap_or(&none);
            let numbers = numbers(sums);
            json!({
                "unix_ms": u64::from(minute) * 60_000,
                "requests": numbers["requests"],
                "errors": numbers["errors"],
                "output_tokens": numbers["output_tokens"],
                "cost": numbers["cost"],
            })
        })
        .collect();
    let of_today = numbers(&today);
    let collector = shared.collector();
    let count = |name: &str| of_today[name].clone();
    Ok(Json(json!({
        "today": {
            "requests": count("requests"),
            "ok": count("ok"),
            "errors": count("errors"),
            "input_tokens": count("input_tokens"),
            "output_tokens": count("output_tokens"),
            "cost": count("cost"),
        },
        "first_token_ms": { "p50": count("first_token_ms_p50"), "p99": count("first_token_ms_p99") },
        "total_ms": { "p50": count("total_ms_p50"), "p99": count("total_ms_p99") },
        "minutes": minutes,
        "streams": collector.sum(|tally| tally.streams_open.get()),
        "sessions": collector.sum(|tally| tally.sessions_open.get()),
        "cooling": cooling(&shared),
    })))
}

/// The keys that rest, as a whole or for a model.
fn cooling(shared: &Shared) -> Vec<Value> {
    let snapshot = shared.snapshot.load();
    let rests = health::rests(&shared.board, &snapshot, unix_ms());
    let one = |rest: health::Rest| {
        let key = &snapshot.keys[rest.key];
        json!({
            "provider": snapshot.providers[usize::from(key.provider)].name,
            "key": key.name,
            "model": rest.model,
            "until_unix_ms": rest.until_ms,
            "why": rest.why,
        })
    };
    rests.into_iter().map(one).collect()
}

/// Where exchanges are written down, and how that goes
#[utoipa::path(get, path = "/api/store", tag = "usage",
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn store(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Document> {
    let lost = shared.collector().sum(|tally| tally.records_dropped.get());
    match &shared.store {
        Some(store) => {
            // What cannot be written shows in the answer.
            let _ = shared.stored(store).await;
            let mut told = store.told(lost).await;
            told["dropped_traces"] = shared.traces.as_ref().map(|traces| traces.dropped()).into();
            told["dropped_spans"] = otlp::dropped().into();
            Ok(Json(told))
        }
        None => Ok(Json(json!({ "state": "unavailable", "message": "nothing is written down", "dropped_rows": lost }))),
    }
}
