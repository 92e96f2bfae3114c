//! How the process is: the health that probes ask for, the numbers of Prometheus, and the state of everything.
//!
//! All three are read off the cores' counters and the board at the moment of the question; nothing is kept for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::control::store::Store;
use crate::control::traces::Traces;
use crate::control::{COMMIT, Shared, VERSION, health as keys_health, metrics, otlp, unix_ms};
use crate::plan::addresses::hosts;

/// How the process is
///
/// Without a credential from this machine.
#[utoipa::path(get, path = "/health", tag = "live", security(()),
    responses((status = 200, body = Object), (status = 503, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
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

/// Numbers for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "live",
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn exposition(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.settle().await;
    let snapshot = shared.snapshot.load();
    let now_ms = unix_ms();
    let health = keys_health::of_keys(&shared.board, &snapshot, now_ms);
    let keys = health.iter().zip(&snapshot.keys).map(|(health, key)| metrics::KeyFacts {
        provider: &snapshot.providers[usize::from(key.provider)].name,
        key: &key.name,
        health: health.health,
        rest_ms: health.until_ms.map_or(0, |until| until.saturating_sub(now_ms)),
        models: health.models,
    });
    let facts = metrics::Facts {
        waits: &shared.waits,
        keys: keys.collect(),
        version: VERSION,
        commit: COMMIT,
        driver: shared.driver.name,
        generation: shared.snapshot.load().generation,
        uptime_seconds: shared.started.elapsed().as_secs_f64(),
        draining: shared.draining.load(Ordering::Relaxed),
        stalled: shared.stalled.load(Ordering::Relaxed),
        stores: shared.store.as_ref().is_some_and(Store::writes),
        given_up: [
            shared.store.as_ref().map_or(0, Store::dropped),
            shared.traces.as_ref().map_or(0, Traces::dropped),
            otlp::dropped(),
        ],
    };
    let text = metrics::text(&shared.collector(), &facts);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

/// What the process is doing
#[utoipa::path(get, path = "/api/status", tag = "live",
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.settle().await;
    let snapshot = shared.snapshot.load();
    let addresses = shared.addresses.load();
    let health = keys_health::now(&shared, &snapshot);
    let rows = shared.board.rows(&snapshot);
    let providers: Vec<Value> = snapshot
        .providers
        .iter()
        .map(|provider| {
            let keys = &health[usize::from(provider.keys.start)..usize::from(provider.keys.end)];
            let rest = keys_health::all_rest(keys);
            let told = |(health, index): (&keys_health::KeyHealth, u16)| {
                let (key, row) = (&snapshot.keys[usize::from(index)], &rows[usize::from(index)]);
                let mut told = health.told.clone();
                told["disabled"] = key.disabled.into();
                told["weight"] = key.weight.into();
                told["priority"] = key.priority.into();
                told["in_flight"] = row.busy.load(Ordering::Relaxed).into();
                told["waiting"] = row.line.len().into();
                told
            };
            let keys: Vec<Value> = keys.iter().zip(provider.keys.clone()).map(told).collect();
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
                "cooling_until": keys_health::moment(rest),
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
        "store": shared.store.as_ref().map(|store| store.brief()),
        "providers": providers,
    }))
}

fn uptime_ms(shared: &Shared) -> u64 {
    u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
