//! `/api/usage`: totals over any time, grouped by whom and by what, as JSON or CSV.
//!
//! Minutes are kept for some days, hours for some months, days for as long as usage is. Where a bound of the question
//! lies inside what is still kept, the whole of it counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::problem::Document;
use super::stored;
use crate::config::date;
use crate::control::store::{By, Grain, Span, Sums, Totals};
use crate::control::usage::Group;
use crate::control::{Shared, unix_ms};
use crate::protocol::Dialect;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
    format: Option<String>,
    client: Option<String>,
    provider: Option<String>,
    key: Option<String>,
    model: Option<String>,
    dialect: Option<String>,
}

/// Totals
///
/// Grouped by whom and by what; both ends are widened to whole hours or days, as far as they are kept.
#[utoipa::path(get, path = "/api/usage", tag = "usage", params(UsageQuery),
    responses((status = 200, body = Object), (status = "4XX", body = super::problem::Document, content_type = "application/problem+json")))]
pub(super) async fn usage(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Response, Document> {
    let Query(query) = query?;
    let csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Document::of_member(StatusCode::BAD_REQUEST, "format", "format takes json or csv")),
    };
    let by = read(query)?;
    let totals = totals(&shared, &by).await?;
    if csv {
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], table(&by.groups, &totals)).into_response());
    }
    let mut total = Sums::default();
    let mut rows = Vec::with_capacity(totals.len());
    for (names, sums) in &totals {
        total.merge(sums);
        let named = by.groups.iter().zip(names).map(|(group, name)| (group.name().to_owned(), Value::from(&**name)));
        let mut row: Map<String, Value> = named.collect();
        row.extend(numbers(sums));
        rows.push(Value::Object(row));
    }
    if by.groups.is_empty() {
        rows.clear();
    }
    Ok(Json(json!({ "total": numbers(&total), "groups": rows })).into_response())
}

/// The totals of each client over all time.
pub(super) async fn of_clients(shared: &Arc<Shared>) -> Result<Totals, Document> {
    let span = Span { from: 0, to: u32::MAX };
    totals(shared, &By { grain: Grain::Day, span, groups: vec![Group::Client], only: Vec::new() }).await
}

fn read(query: UsageQuery) -> Result<By, Document> {
    let from = moment("from", query.from.as_deref())?.map_or(0, |(first, _)| minute(first));
    let to = moment("to", query.to.as_deref())?.map_or(u32::MAX, |(_, end)| minute(end));
    let mut groups = Vec::new();
    let words = query.group_by.as_deref().unwrap_or_default().split(',').map(str::trim);
    for word in words.filter(|word| !word.is_empty()) {
        let Some(group) = Group::ALL.into_iter().find(|group| group.name() == word) else {
            let known = Group::ALL.map(Group::name).join(", ");
            return Err(Document::of_member(
                StatusCode::BAD_REQUEST,
                "group_by",
                format!("group_by takes {known}; not {word:?}"),
            ));
        };
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let only = [
        (Group::Client, query.client),
        (Group::Provider, query.provider),
        (Group::Key, query.key),
        (Group::Model, query.model),
        (Group::Dialect, known_dialect(query.dialect)?),
    ];
    let only = only.into_iter().filter_map(|(group, name)| Some((group, name?))).collect();
    let grain = grain(&groups, from, to, minute(unix_ms()));
    let to = if to == u32::MAX || grain.floor(to) == to { to } else { grain.floor(to).saturating_add(grain.minutes()) };
    Ok(By { grain, span: Span { from: grain.floor(from), to }, groups, only })
}

/// A dialect that there is.
pub(super) fn known_dialect(name: Option<String>) -> Result<Option<String>, Document> {
    let known = Dialect::ALL.map(Dialect::name);
    match &name {
        Some(other) if !known.contains(&other.as_str()) => {
            let why = format!("dialect takes {}; not {other:?}", known.join(", "));
            Err(Document::of_member(StatusCode::BAD_REQUEST, "dialect", why))
        }
        _ => Ok(name),
    }
}

/// The coarsest table that knows what is asked; a coarser one than that where the time is long ago.
fn grain(groups: &[Group], from: u32, to: u32, now: u32) -> Grain {
    let finest = match groups {
        groups if groups.contains(&Group::Minute) => Grain::Minute,
        groups if groups.contains(&Group::Hour) => Grain::Hour,
        _ => Grain::Day,
    };
    let is_even = |grain: Grain, minute: u32| minute == u32::MAX || grain.floor(minute) == minute;
    let is_kept = |grain: Grain| now.saturating_sub(from) <= (grain.keep_days(u32::MAX).saturating_mul(24 * 60));
    let fits = |grain: &Grain| is_even(*grain, from) && is_even(*grain, to);
    let wanted = Grain::ALL.into_iter().rev().filter(|grain| *grain <= finest).find(fits).unwrap_or(Grain::Minute);
    let kept = Grain::ALL.into_iter().find(|grain| *grain >= wanted && is_kept(*grain)).unwrap_or(Grain::Day);
    kept.min(finest)
}

/// What is asked, from the file and from memory.
pub(super) async fn totals(shared: &Shared, by: &By) -> Result<Totals, Document> {
    let question = by.clone();
    if let Some((mut totals, flushed)) = stored::ask(shared, move |db| question.ask(db)).await? {
        by.add(&mut totals, &flushed.unwritten);
        return Ok(totals);
    }
    // Without a store the numbers since the start are all there are, by day.
    let days = (by.span.from / Grain::Day.minutes(), by.span.to.saturating_sub(1) / Grain::Day.minutes());
    let groups = shared.collector().usage.groups_of(days, &by.groups, &by.only);
    Ok(groups.into_iter().map(|(names, numbers)| (names, Sums { numbers, ..Sums::default() })).collect())
}

/// Dollars, as a number.
pub(super) fn dollars(nanos: u64) -> Value {
    (nanos as f64 / 1e9).into()
}

/// Milliseconds that so many hundredths do not exceed.
fn percentiles(sums: &Sums) -> [(&'static str, Value); 4] {
    let ms = |us: Option<u64>| us.map_or(Value::Null, |us| (us as f64 / 1e3).into());
    [
        ("first_token_ms_p50", ms(sums.first_token.percentile(50))),
        ("first_token_ms_p99", ms(sums.first_token.percentile(99))),
        ("total_ms_p50", ms(sums.total.percentile(50))),
        ("total_ms_p99", ms(sums.total.percentile(99))),
    ]
}

/// The numbers of sums, as answers name them.
pub(super) fn numbers(sums: &Sums) -> Map<String, Value> {
    let (numbers, tokens) = (&sums.numbers, &sums.numbers.tokens);
    let members = [
        ("requests", numbers.requests.into()),
        ("ok", numbers.ok.into()),
        ("errors", numbers.requests.saturating_sub(numbers.ok).into()),
        ("input_tokens", tokens.input.into()),
        ("output_tokens", tokens.output.into()),
        ("cache_read_tokens", tokens.cache_read.into()),
        ("cache_write_tokens", tokens.cache_write.into()),
        ("reasoning_tokens", tokens.reasoning.into()),
        ("cost", dollars(numbers.cost_nanos)),
        ("request_bytes", numbers.request_bytes.into()),
        ("response_bytes", numbers.response_bytes.into()),
    ];
    let members = members.into_iter().chain(percentiles(sums));
    members.map(|(name, value): (_, Value)| (name.to_owned(), value)).collect()
}

/// One line for each group, below a line of names (RFC 4180).
fn table(groups: &[Group], totals: &Totals) -> String {
    let mut out = String::new();
    let names = numbers(&Sums::default());
    let head: Vec<&str> = groups.iter().map(|group| group.name()).chain(names.keys().map(String::as_str)).collect();
    out.push_str(&head.join(","));
    out.push_str("\r\n");
    for (names, sums) in totals {
        let values = numbers(sums);
        let cells = values.values().map(|value| if value.is_null() { String::new() } else { value.to_string() });
        let line: Vec<String> = names.iter().map(|name| cell(name)).chain(cells).collect();
        out.push_str(&line.join(","));
        out.push_str("\r\n");
    }
    out
}

/// A text as a cell. A spreadsheet must not take a name that somebody made up for a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    match text.contains(['"', ',', '\r', '\n']) || !guard.is_empty() {
        true => format!("\"{guard}{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn minute(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / 60_000).unwrap_or(u32::MAX)
}

/// The first millisecond of what a query names, and the first one behind it: a date is a whole day, anything else (a
/// time with its zone, or milliseconds since 1970) the minute it lies in.
pub(super) fn moment(name: &str, text: Option<&str>) -> Result<Option<(u64, u64)>, Document> {
    let Some(text) = text else { return Ok(None) };
    let is_date = text.len() == 10 && text.as_bytes()[4] == b'-';
    let length = if is_date { 86_400_000 } else { 60_000 };
    // A plus that was not escaped has become a space.
    let escaped = || text.rsplit_once(' ').and_then(|(time, zone)| date::unix_ms(&format!("{time}+{zone}")));
    match text.parse().ok().or_else(|| date::unix_ms(text)).or_else(escaped) {
        Some(unix_ms) => Ok(Some((unix_ms, (unix_ms - unix_ms % length).saturating_add(length)))),
        None => {
            let forms = "a date, a time as in RFC 3339, or milliseconds since 1970";
            Err(Document::of_member(StatusCode::BAD_REQUEST, name, format!("{name} takes {forms}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_table_that_fits_answers() {
        let now = 30_000_000;
        let (today, hour) = (Grain::Day.floor(now), Grain::Hour.floor(now));
        for (groups, from, to, expected) in [
            (&[][..], 0, u32::MAX, Grain::Day),
            (&[Group::Model], today, u32::MAX, Grain::Day),
            (&[], hour, u32::MAX, if hour == today { Grain::Day } else { Grain::Hour }),
            (&[], now - 7, u32::MAX, Grain::Minute),
            (&[Group::Hour], 0, u32::MAX, Grain::Hour),
            (&[Group::Minute, Group::Day], today, u32::MAX, Grain::Minute),
            (&[], now - 40 * 1_440 - 7, u32::MAX, Grain::Hour),
            (&[], now - 400 * 1_440 - 7, u32::MAX, Grain::Day),
            (&[], today - 1_440, today, Grain::Day),
            (&[], today - 1_440, today - 1, Grain::Minute),
        ] {
            assert_eq!(grain(groups, from, to, now), expected, "{groups:?} {from} {to}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_formula_is_text() {
        assert_eq!(cell("gpt-4o"), "gpt-4o");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
