//! `/api/requests`: exchanges one by one, newest first, from the store and, where it could not be written, from memory.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Document;
use super::stored;
use super::usage::{known_dialect, moment};
use crate::base::id::RequestId;
use crate::control::Shared;
use crate::control::store::{Exchange, Filter, Page, Status};
use crate::limits;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestsQuery {
    limit: Option<usize>,
    before: Option<String>,
    status: Option<String>,
    client: Option<String>,
    provider: Option<String>,
    key: Option<String>,
    model: Option<String>,
    dialect: Option<String>,
    from: Option<String>,
    to: Option<String>,
    traced: Option<bool>,
    q: Option<String>,
}

impl RequestsQuery {
    /// How many, and behind which one.
    pub(super) fn page(&mut self, otherwise: usize) -> Result<(usize, Option<String>), Document> {
        let wrong = |member: &str, why: String| Document::of_member(StatusCode::BAD_REQUEST, member, why);
        let limit = self.limit.take().unwrap_or(otherwise);
        if limit == 0 {
            return Err(wrong("limit", format!("limit is from 1 to {}", limits::PAGE_ROWS_MAX)));
        }
        let before = self.before.take();
        if before.as_deref().is_some_and(|id| RequestId::read(id).is_none()) {
            return Err(wrong("before", "before takes the id of a request, or next of the page before".to_owned()));
        }
        Ok((limit.min(limits::PAGE_ROWS_MAX), before))
    }

    pub(super) fn filter(self) -> Result<Filter, Document> {
        let forms = || {
            Document::of_member(StatusCode::BAD_REQUEST, "status", "status takes ok, error, a class (4xx) or a number")
        };
        Ok(Filter {
            status: self.status.map_or(Ok(Status::Any), |text| Status::read(&text).ok_or_else(forms))?,
            client: self.client,
            provider: self.provider,
            key: self.key,
            model: self.model,
            dialect: known_dialect(self.dialect)?,
            traced: self.traced.unwrap_or(false),
            // To the millisecond, where the question is so fine.
            from_ms: moment("from", self.from.as_deref())?.map_or(0, |(first, _)| first),
            to_ms: moment("to", self.to.as_deref())?.map(|(_, end)| end),
            words: self.q,
        })
    }
}

/// Exchanges
///
/// Newest first. `before` is the id of the last one that was listed, or `next` of the page before.
#[utoipa::path(get, path = "/api/requests", tag = "requests", params(RequestsQuery),
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn requests(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<Json<Value>, Document> {
    let Query(mut query) = query?;
    let (limit, before) = query.page(100)?;
    let filter = query.filter()?;
    let (asked, from) = (filter.clone(), before.clone());
    let stored =
        stored::ask(&shared, move |db| crate::control::store::page(db, &asked, from.as_deref(), limit)).await?;
    let page = match stored {
        Some((page, flushed)) if !flushed.holds_rows => page,
        Some((page, _)) => merge(page, of_late(&shared, &filter, before.as_deref(), limit), limit),
        None => of_late(&shared, &filter, before.as_deref(), limit),
    };
    let rows: Vec<Value> = page.exchanges.iter().map(Exchange::told).collect();
    Ok(Json(json!({ "requests": rows, "next": page.next })))
}

/// Exchanges in memory, which are those of late.
fn of_late(shared: &Shared, filter: &Filter, before: Option<&str>, limit: usize) -> Page {
    let collector = shared.collector();
    let newest_first = collector.recent.iter().rev();
    let start = match before {
        None => 0,
        Some(id) => newest_first.clone().position(|entry| entry.id.as_str() == id).map_or(usize::MAX, |at| at + 1),
    };
    let found = newest_first
        .skip(start)
        .map(|entry| Exchange::of(entry, collector.generations.of(u64::from(entry.generation))))
        .filter(|exchange| filter.wants(exchange));
    let exchanges: Vec<Exchange> = found.take(limit).collect();
    let next = exchanges.last().filter(|_| exchanges.len() == limit).map(|exchange| exchange.id.clone());
    Page { exchanges, next }
}

/// A page of the store with what it lacks of the exchanges of late.
fn merge(page: Page, of_late: Page, limit: usize) -> Page {
    let Page { mut exchanges, next } = page;
    let known: HashSet<String> = exchanges.iter().map(|exchange| exchange.id.clone()).collect();
    // Behind the place where the store stopped to look nothing may be shown yet.
    let in_reach = |exchange: &Exchange| next.as_ref().is_none_or(|next| exchange.id > *next);
    let fresh = of_late.exchanges.into_iter().filter(|exchange| !known.contains(&exchange.id) && in_reach(exchange));
    exchanges.extend(fresh);
    exchanges.sort_by(|a, b| (b.unix_ms, &b.id).cmp(&(a.unix_ms, &a.id)));
    let is_cut = exchanges.len() > limit;
    exchanges.truncate(limit);
    let next = if is_cut { exchanges.last().map(|exchange| exchange.id.clone()) } else { next };
    Page { exchanges, next }
}

/// One exchange, and what was tried for it
#[utoipa::path(get, path = "/api/requests/{id}", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn request(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Document> {
    let asked = id.clone();
    let stored = stored::ask(&shared, move |db| crate::control::store::one(db, &asked)).await?;
    let found = stored.and_then(|(found, _)| found);
    let found = found.or_else(|| {
        let collector = shared.collector();
        let entry = collector.recent.iter().rev().find(|entry| entry.id.as_str() == id)?;
        let exchange = Exchange::of(entry, collector.generations.of(u64::from(entry.generation)));
        let attempts = exchange.only_attempt();
        Some((exchange, attempts))
    });
    let Some((exchange, attempts)) = found else {
        return Err(Document::new(StatusCode::NOT_FOUND, "no exchange that is kept has this id"));
    };
    let mut told = exchange.told();
    told["attempts_list"] = attempts.into();
    Ok(Json(told))
}
