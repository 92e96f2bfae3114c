//! `/api/traces`: exchanges that were recorded, one of them as a whole, and all as lines of JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path as Id, Query, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use memchr::memmem;
use serde_json::{Value, json};

use super::problem::Document;
use super::requests::RequestsQuery;
use super::stored;
use crate::control::store::{self, Exchange};
use crate::control::{Shared, traces};
use crate::limits;

fn none() -> Document {
    Document::new(StatusCode::NOT_FOUND, "no trace that is kept has this id")
}

/// Exchanges that have a trace
///
/// Newest first. `q` is looked for in all that was recorded.
#[utoipa::path(get, path = "/api/traces", tag = "requests", params(RequestsQuery),
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<Json<Value>, Document> {
    let Query(query) = query?;
    let (found, next) = walk(&shared, query, 100, false).await?;
    let rows: Vec<Value> = found.iter().map(|(exchange, _)| exchange.told()).collect();
    Ok(Json(json!({ "traces": rows, "next": next })))
}

/// Traces as lines of JSON
///
/// Each a whole trace. The id to go on with is in `x-weir-next`.
#[utoipa::path(get, path = "/api/traces/export", tag = "requests", params(RequestsQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn export(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Document> {
    let Query(query) = query?;
    let (found, next) = walk(&shared, query, limits::PAGE_ROWS_MAX, true).await?;
    let mut lines = Vec::new();
    for (exchange, text) in found {
        let trace: Value = serde_json::from_slice(&text).unwrap_or_default();
        if let Ok(line) = serde_json::to_vec(&whole(&exchange, trace)) {
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
    }
    let next = next.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()), ("x-weir-next", next)], lines))
}

/// One trace
#[utoipa::path(get, path = "/api/traces/{id}", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Id(id): Id<String>) -> Result<Json<Value>, Document> {
    let traces = shared.traces.as_ref().ok_or_else(none)?;
    traces.settle().await;
    let folder = traces.folder();
    let asked = move |db: &rusqlite::Connection| {
        let Some(indexed) = store::traced(db, &id)? else { return Ok(None) };
        let row = store::one(db, &id)?;
        Ok(row.map(|(exchange, _)| (exchange, indexed)))
    };
    let (found, _) = stored::ask(&shared, asked).await?.ok_or_else(none)?;
    let (exchange, indexed) = found.ok_or_else(none)?;
    let text = tokio::task::spawn_blocking(move || traces::read(&folder, &indexed)).await;
    let text = text.ok().and_then(Result::ok).ok_or_else(none)?;
    let trace = serde_json::from_slice(&text).map_err(|_| none())?;
    Ok(Json(whole(&exchange, trace)))
}

/// Delete all traces
///
/// It takes no query: whoever names some of them would lose the others too.
#[utoipa::path(delete, path = "/api/traces", tag = "requests",
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn clear(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Document> {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let member = query.split(['=', '&']).next().unwrap_or_default();
        let why = "all traces are deleted at once, none is chosen by a query";
        return Err(Document::of_member(StatusCode::BAD_REQUEST, member, why));
    }
    if let Some(traces) = shared.traces.clone() {
        let cleared = tokio::task::spawn_blocking(move || traces.clear()).await;
        let failed = |why: String| Document::new(StatusCode::INTERNAL_SERVER_ERROR, why);
        cleared.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    }
    Ok(Json(json!({ "ok": true })))
}

fn whole(exchange: &Exchange, mut trace: Value) -> Value {
    trace["row"] = exchange.told();
    trace
}

/// Walks over traces until a page is full or the time is over. The texts come along where they are wanted.
async fn walk(
    shared: &Shared,
    mut query: RequestsQuery,
    limit: usize,
    whole: bool,
) -> Result<(Vec<(Exchange, Vec<u8>)>, Option<String>), Document> {
    let Some(traces) = shared.traces.as_ref() else { return Ok((Vec::new(), None)) };
    traces.settle().await;
    let (folder, (limit, before)) = (traces.folder(), query.page(limit)?);
    let mut filter = query.filter()?;
    filter.traced = true;
    let words = filter.words.take().filter(|words| !words.is_empty());
    let question = move |db: &rusqlite::Connection| {
        let deadline = Instant::now() + Duration::from_millis(limits::TRACES_SEARCH_MS);
        let mut before = before.clone();
        loop {
            let page = store::page(db, &filter, before.as_deref(), limits::PAGE_ROWS_MAX)?;
            let (found, next) = select(db, &folder, page, words.as_deref(), (limit, deadline), whole)?;
            // A page whose traces are all gone leads to the next one.
            if !found.is_empty() || next.is_none() || Instant::now() >= deadline {
                return Ok((found, next));
            }
            before = next;
        }
    };
    Ok(stored::ask(shared, question).await?.map(|(found, _)| found).unwrap_or_default())
}

type Found = (Vec<(Exchange, Vec<u8>)>, Option<String>);

/// Of a page, what holds the words, and its text.
fn select(
    db: &rusqlite::Connection,
    folder: &Path,
    page: store::Page,
    words: Option<&str>,
    (limit, deadline): (usize, Instant),
    whole: bool,
) -> Result<Found, store::Trouble> {
    let quoted = words.map(|words| serde_json::to_string(words).unwrap_or_default());
    let finder = quoted.as_deref().map(|words| memmem::Finder::new(&words.as_bytes()[1..words.len().max(2) - 1]));
    let (mut found, mut next, mut bytes) = (Vec::new(), page.next, 0);
    let mut rest = page.exchanges.into_iter().peekable();
    while let Some(exchange) = rest.next() {
        let id = exchange.id.clone();
        let indexed = store::traced(db, &id)?;
        if whole || finder.is_some() {
            let text = indexed.and_then(|indexed| traces::read(folder, &indexed).ok());
            let text = text.filter(|text| finder.as_ref().is_none_or(|finder| finder.find(text).is_some()));
            if let Some(text) = text {
                bytes += text.len();
                found.push((exchange, if whole { text } else { Vec::new() }));
            }
        } else if indexed.is_some() {
            // A row outlives its trace.
            found.push((exchange, Vec::new()));
        }
        let is_full = found.len() >= limit || bytes >= limits::TRACES_EXPORT_BYTES || Instant::now() >= deadline;
        if is_full && (rest.peek().is_some() || next.is_some()) {
            next = Some(id);
            break;
        }
    }
    Ok((found, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::socket::tests::Folder;
    use crate::control::store::{Filter, Store};
    use crate::control::tests::{FILE, World};
    use crate::record::tap::{Message, Trace};

    /// How many of five traces come at once, the first four of which have so many bytes together, and whether the way to
    /// the others is told.
    async fn exported(bytes: usize) -> (usize, bool) {
        let folder = Folder::new(&format!("traces-export-{bytes}"));
        let begin = |snapshot: &Arc<_>| Some(Store::begin(&folder.0, Arc::clone(snapshot)).expect("a thread"));
        let world = World::with_store(FILE, begin);
        let traces = world.shared.traces.clone().expect("it has a store");
        let leave = |body: usize| {
            let request = Message { body: vec![b'x'; body], ..Message::default() };
            let id = world.tell(|entry| entry.traced = true);
            assert!(traces.leave(&Trace { id, request, tries: Vec::new(), response: Message::default() }));
            id
        };
        let small = leave(1);
        traces.settle().await;
        let place = traces.folder();
        let length = move |db: &rusqlite::Connection| {
            let indexed = store::traced(db, small.as_str())?.expect("it is there");
            Ok(traces::read(&place, &indexed).expect("a text").len() - 1)
        };
        let (around, _) = stored::ask(&world.shared, length).await.expect("asked").expect("a store");
        // The small one is the oldest, so it comes last.
        (0..3).for_each(|_| _ = leave(bytes / 4 - around));
        leave(bytes - 3 * (bytes / 4) - around);
        traces.settle().await;
        let place = traces.folder();
        let question = move |db: &rusqlite::Connection| {
            let filter = Filter { traced: true, ..Filter::default() };
            let page = store::page(db, &filter, None, limits::PAGE_ROWS_MAX)?;
            let never = Instant::now() + Duration::from_secs(3_600);
            let (found, next) = select(db, &place, page, None, (limits::PAGE_ROWS_MAX, never), true)?;
            Ok((found.len(), next.is_some()))
        };
        stored::ask(&world.shared, question).await.expect("asked").expect("a store").0
    }

    #[tokio::test]
    async fn an_export_ends_with_the_trace_that_fills_it() {
        assert_eq!(exported(limits::TRACES_EXPORT_BYTES - 1).await, (5, false));
        assert_eq!(exported(limits::TRACES_EXPORT_BYTES).await, (4, true));
    }

    #[tokio::test]
    async fn who_names_some_traces_does_not_lose_all_of_them() {
        let world = World::new(FILE);
        let query = RawQuery(Some("client=alice".to_owned()));
        let refused = clear(State(Arc::clone(&world.shared)), query).await.expect_err("it names some");
        let told = serde_json::to_value(&refused).expect("it is JSON");
        assert_eq!((&told["status"], &told["member"]), (&json!(400), &json!("client")));
    }
}
