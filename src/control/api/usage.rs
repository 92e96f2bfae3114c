//! `/api/usage`: totals over any days, grouped by whom and by what.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Failure;
use crate::config::date;
use crate::control::usage::Group;
use crate::control::{Shared, stamp};
use crate::record::Numbers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
}

/// Totals. They are kept by day (UTC), so both ends are widened to whole days.
pub(super) async fn usage(
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
pub(super) fn dollars(nanos: u64) -> Value {
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
