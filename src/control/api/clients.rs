//! Clients over the API: who may call, with what, and how much of it has been used.
//!
//! A key is made here, shown once, and stands in the file as its digest. Clients that a person has written with a key of
//! their own stay as they are until their key is made anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::config::{Applied, Seen, marked, one_of};
use super::problem::{Body, Document};
use super::{providers, usage};
use crate::config::problem::Step;
use crate::config::snapshot::{Access, digest};
use crate::config::{date, jsonc_edit, mask};
use crate::control::change::{self, change};
use crate::control::usage::Group;
use crate::control::{Shared, disk, random_bytes, unix_ms};
use crate::plan::quota::{Met, On};

/// The clients
///
/// With what each has asked and spent since weir counts, and what is left of its limits.
#[utoipa::path(get, path = "/api/clients", tag = "clients",
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Document> {
    let (etag, told) = all(&shared).await?;
    Ok(marked(&etag, told))
}

/// A client
#[utoipa::path(get, path = "/api/clients/{name}", tag = "clients", params(("name" = String, Path)),
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, Document> {
    let (etag, mut told) = all(&shared).await?;
    let one = one_of(&mut told["clients"], &name).ok_or_else(|| Document::absent("there is no client of this name"))?;
    Ok(marked(&etag, one))
}

/// What is told of all of them, and the mark of the file.
async fn all(shared: &Arc<Shared>) -> Result<(String, Value), Document> {
    let (etag, file) = file_of(shared).await?;
    let spent = usage::of_clients(shared).await?;
    let snapshot = shared.snapshot.load();
    let now_ms = unix_ms();
    let told = |(name, client): (&String, &Value)| {
        let key = client["key"].as_str().unwrap_or_default();
        let expired = client["expires"].as_str().and_then(date::unix_ms).is_some_and(|end| end <= now_ms);
        let sums = spent.iter().find(|(names, _)| names.first().is_some_and(|known| **known == **name));
        let sums = sums.map(|(_, sums)| sums.clone()).unwrap_or_default();
        let known = snapshot.clients.iter().find(|known| *known.name == **name);
        json!({
            "name": name,
            "key": mask::shown(key),
            "hashed": key.starts_with("sha256:"),
            "route": client["route"],
            "models": client.get("models").cloned().unwrap_or_else(|| json!([])),
            "limits": client.get("limits").cloned().unwrap_or_else(|| json!({})),
            "expires": client["expires"],
            "expired": expired,
            "disabled": client["disabled"].as_bool().unwrap_or(false),
            "usage": usage::numbers(&sums),
            "used": known.map(|known| used(&shared.meters().of(name).left(&known.limits, now_ms))),
        })
    };
    let clients: Vec<Value> = file["clients"].as_object().into_iter().flatten().map(told).collect();
    let access_now = match snapshot.access {
        Access::Keys => "keys",
        Access::Open => "open",
    };
    let first_client =
        closes(&file).then(|| json!({ "requests_today": without_client(shared), "detail": closing(shared) }));
    let told = json!({
        "clients": clients, "access": file["access"], "access_now": access_now, "first_client": first_client,
    });
    Ok((etag, told))
}

/// The file as it is written, and its mark.
async fn file_of(shared: &Shared) -> Result<(String, Value), Document> {
    let read = change::current(shared).await?;
    let file = jsonc_edit::get(&read.text, &[]).map_err(|refused| change::Unchanged::Edit(refused.into()))?;
    Ok((read.etag, file.unwrap_or_default()))
}

/// Whether the first client of this file ends that everybody is served.
fn closes(file: &Value) -> bool {
    let nobody = file["clients"].as_object().is_none_or(Map::is_empty);
    nobody && file["access"].is_null()
}

/// Requests of today that came without a client's key.
fn without_client(shared: &Shared) -> u64 {
    let today = u32::try_from(unix_ms() / 86_400_000).unwrap_or(u32::MAX);
    let groups = shared.collector().usage.groups((today, today), &[Group::Client]);
    let nobodys = groups.iter().find(|(names, _)| names.first().is_some_and(|name| name.is_empty()));
    nobodys.map_or(0, |(_, numbers)| numbers.requests)
}

/// What stops working with the first client, in words.
fn closing(shared: &Shared) -> String {
    let count = without_client(shared);
    format!(
        "until now everybody on this machine is served, with any key or none ({count} such requests today); from the \
         first client on, whoever presents no client's key is answered 401. \"access\": \"open\" in the file keeps it as it is"
    )
}

/// What is used of each bound.
fn used(bounds: &[Met]) -> Vec<Value> {
    let one = |met: &Met| {
        let number = |number: u64| match met.on {
            On::Budget(_) => Value::from(number as f64 / 1e6),
            On::Rate(_) | On::Running => number.into(),
        };
        json!({
            "what": met.what(),
            "window": met.window(),
            "bound": number(met.bound),
            "used": number(met.bound - met.left.min(met.bound)),
        })
    };
    bounds.iter().map(one).collect()
}

/// A key, shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    name: String,
    /// `sk-weir-…`; the file holds its digest.
    key: String,
    #[serde(flatten)]
    applied: Applied,
}

/// A key and the text that stands for it in the file.
fn make_key() -> Result<(String, String), Document> {
    let bytes = random_bytes();
    let bytes = bytes.map_err(|error| Document::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let key = format!("sk-weir-{}", URL_SAFE_NO_PAD.encode(bytes));
    let print = format!("sha256:{}", disk::hex(&digest(key.as_bytes())));
    Ok((key, print))
}

/// Members of a client that may be said here. Its key is made, not said.
fn members(body: &Map<String, Value>) -> Result<(), Document> {
    match body.keys().find(|name| !["route", "models", "limits", "expires", "disabled"].contains(&name.as_str())) {
        None => Ok(()),
        Some(key) if key == "key" => {
            Err(Document::invalid("key", "a key is made by weir: ask for another one with rotate"))
        }
        Some(other) => Err(Document::invalid(other, "a client has route, models, limits, expires and disabled")),
    }
}

/// Add a client
///
/// `name`, and any of `route`, `models`, `limits`, `expires`, `disabled`. The answer shows the key, this once. Where the
/// first client ends that everybody is served, that is told by a 409 until `closes_access` is true.
#[utoipa::path(post, path = "/api/clients", tag = "clients", request_body = Object,
    responses((status = 200, body = Made), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    seen: Seen,
    Body(mut body): Body<Map<String, Value>>,
) -> Result<Json<Made>, Document> {
    let name = match body.remove("name") {
        Some(Value::String(name)) if !name.is_empty() => name,
        _ => return Err(Document::invalid("name", "a name is needed")),
    };
    let agreed = match body.remove("closes_access") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(agreed)) => agreed,
        Some(_) => return Err(Document::invalid("closes_access", "it is true or false")),
    };
    members(&body)?;
    if !agreed && closes(&file_of(&shared).await?.1) {
        let why = format!("{}; send \"closes_access\": true to go on", closing(&shared));
        return Err(Document::of_member(StatusCode::CONFLICT, "closes_access", why));
    }
    let (key, print) = make_key()?;
    let mut client = Map::from_iter([("key".to_owned(), Value::from(print))]);
    client.extend(body.into_iter().filter(|(_, value)| !value.is_null()));
    let Json(applied) = providers::add(&shared, seen, "clients", "client", name.clone(), client.into()).await?;
    Ok(Json(Made { name, key, applied }))
}

/// Change a client
///
/// A merge (RFC 7396) of `route`, `models`, `limits`, `expires`, `disabled`.
#[utoipa::path(patch, path = "/api/clients/{name}", tag = "clients", params(("name" = String, Path)), request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn change_one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    members(&patch)?;
    providers::patch_entry(&shared, seen, "clients", "client", name, patch.into()).await
}

/// Remove a client
#[utoipa::path(delete, path = "/api/clients/{name}", tag = "clients", params(("name" = String, Path)),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn remove_one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Json<Applied>, Document> {
    providers::remove(&shared, seen, "clients", "client", name).await
}

/// Make a client's key anew
///
/// The one before ends at once. The answer shows the new one, this once.
#[utoipa::path(post, path = "/api/clients/{name}/rotate", tag = "clients", params(("name" = String, Path)),
    responses((status = 200, body = Made), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn rotate(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Json<Made>, Document> {
    let (key, print) = make_key()?;
    let asked = name.clone();
    let edit = move |text: &str| {
        let path = [Step::Member("clients"), Step::Member(&asked), Step::Member("key")];
        providers::must_be(text, &path[..2], true, "client of this name")?;
        Ok(jsonc_edit::set(text, &path, &print.into())?)
    };
    let applied = change(&shared, seen.0, edit).await?.into();
    Ok(Json(Made { name, key, applied }))
}
