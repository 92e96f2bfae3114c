//! `/v0/management/openai-compatibility`: the providers of Chat protocol in the words of CLIProxyAPI, for scripts that were
//! written for it.
//!
//! Bodies are taken in the forms of its documentation and of its source. Keys are told as marks, which mean the keys
//! themselves when they are sent back. What such an entry cannot say (timeouts, tags) stays as the file has it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::problem::Document;
use crate::config::problem::Step;
use crate::config::{import, jsonc_edit, mask, presets};
use crate::control::Shared;
use crate::control::change::{self, Refusal, Unchanged, change};
use crate::limits;
use crate::protocol::Protocol;

const SECTION: &str = "openai-compatibility";
/// Members of a provider that an entry says; one that it leaves out is taken out.
const SAID: [&str; 9] =
    ["base_url", "keys", "balance", "models", "exclude_models", "prefix", "force_prefix", "headers", "disabled"];

/// An error with the member that such scripts look at beside ours.
pub(super) struct Refused(Document);

impl<T: Into<Document>> From<T> for Refused {
    fn from(document: T) -> Refused {
        Refused(document.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.with_error().into_response()
    }
}

fn bad(why: &str) -> Refused {
    Refused(Document::new(StatusCode::BAD_REQUEST, why))
}

/// That it is done, in CLIProxyAPI's words.
#[derive(Serialize, ToSchema)]
pub(super) struct Well {
    status: &'static str,
}

const WELL: Json<Well> = Json(Well { status: "ok" });

/// The providers of a file that speak Chat, with their names.
fn chat_providers(file: &Value) -> Vec<(String, Value)> {
    let speaks_chat = |provider: &Value| match provider["protocol"].as_str() {
        Some(protocol) => protocol == "chat",
        None => provider["preset"].as_str().and_then(presets::find).is_some_and(|p| p.protocol == Protocol::Chat),
    };
    let providers = file["providers"].as_object().into_iter().flatten();
    providers.filter(|(_, provider)| speaks_chat(provider)).map(|(name, p)| (name.clone(), p.clone())).collect()
}

/// A provider as an entry. Secrets are as `text` has them.
fn entry(name: &str, provider: &Value) -> Value {
    let keys = provider["keys"].as_array().into_iter().flatten();
    let key = |key: &Value| {
        let mut told = json!({ "api-key": key.as_str().or_else(|| key["key"].as_str()) });
        for (ours, theirs) in [("proxy", "proxy-url"), ("weight", "weight")] {
            if let Some(value) = key.get(ours) {
                told[theirs] = value.clone();
            }
        }
        told
    };
    let priority = keys.clone().filter_map(|key| key["priority"].as_i64()).min().map_or(0, |least| 100 - least);
    let model = |model: &Value| match model {
        Value::String(name) => json!({ "name": name, "alias": "" }),
        model => json!({ "name": model["name"], "alias": model.get("alias").cloned().unwrap_or_else(|| json!("")) }),
    };
    let models = provider["models"].as_array().into_iter().flatten().map(model);
    let preset = provider["preset"].as_str().and_then(presets::find).map(|preset| json!(preset.base_url));
    json!({
        "name": name,
        "disabled": provider["disabled"] == true,
        "priority": priority,
        "prefix": provider["prefix"].as_str().unwrap_or_default(),
        "base-url": provider.get("base_url").cloned().or(preset).unwrap_or_else(|| json!("")),
        "headers": provider.get("headers").cloned().unwrap_or_else(|| json!({})),
        "api-key-entries": keys.map(key).collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
        "excluded-models": provider.get("exclude_models").cloned().unwrap_or_else(|| json!([])),
    })
}

fn entries(text: &str) -> Result<Vec<Value>, Refusal> {
    let file = jsonc_edit::get(text, &[])?.unwrap_or_default();
    Ok(chat_providers(&file).iter().map(|(name, provider)| entry(name, provider)).collect())
}

/// The text with an entry as a provider of its name.
fn with_entry(text: &str, entry: &Value) -> Result<String, Refusal> {
    let (name, mut provider) =
        import::compatible(entry).map_err(|why| Refusal::Invalid { member: "name".to_owned(), why })?;
    let path = [Step::Member("providers"), Step::Member(&name)];
    let before = jsonc_edit::get(text, &path)?;
    if let Some(before) = &before {
        for member in SAID {
            if before.get(member).is_some() && provider.get(member).is_none() {
                provider[member] = Value::Null;
            }
        }
        let preset = before["preset"].as_str().and_then(presets::find);
        // What the preset says need not be said again; how keys take turns is not an entry's to say.
        if preset.is_some_and(|preset| provider["base_url"] == preset.base_url) && before.get("base_url").is_none() {
            provider.as_object_mut().map(|members| members.shift_remove("base_url"));
        }
        if preset.is_some_and(|preset| preset.protocol == Protocol::Chat) && before.get("protocol").is_none() {
            provider.as_object_mut().map(|members| members.shift_remove("protocol"));
        }
        if provider["balance"].is_null() {
            provider.as_object_mut().map(|members| members.shift_remove("balance"));
        }
    }
    Ok(jsonc_edit::merge(text, &path, &provider)?)
}

/// The providers of Chat protocol, as CLIProxyAPI tells them
#[utoipa::path(get, path = "/v0/management/openai-compatibility", tag = "management",
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Refused> {
    let read = change::current(&shared).await?;
    let text = mask::mask(&read.text, &shared.salt).map_err(|refused| Unchanged::Edit(refused.into()))?;
    Ok(Json(json!({ SECTION: entries(&text).map_err(Unchanged::Edit)? })))
}

/// Replace them all
///
/// A list, or an object with the list as `items` or `openai-compatibility`. Entries without `base-url` are passed over.
#[utoipa::path(put, path = "/v0/management/openai-compatibility", tag = "management", request_body = Object,
    responses((status = 200, body = Well), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn put(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Well>, Refused> {
    let body: Value = serde_json::from_slice(&body).map_err(|_| bad("invalid body"))?;
    let list = [&body, &body["items"], &body[SECTION]].into_iter().find_map(Value::as_array).cloned();
    let list = list.ok_or_else(|| bad("invalid body"))?;
    let given = |entry: &Value| entry["base-url"].as_str().is_some_and(|url| !url.trim().is_empty());
    let list: Vec<Value> = list.into_iter().filter(given).collect();
    let edit = move |text: &str| {
        let mut text = text.to_owned();
        let mut kept = Vec::new();
        for entry in &list {
            text = with_entry(&text, entry)?;
            kept.extend(import::compatible(entry).map(|(name, _)| name));
        }
        let file = jsonc_edit::get(&text, &[])?.unwrap_or_default();
        for (name, _) in chat_providers(&file).iter().filter(|(name, _)| !kept.contains(name)) {
            text = jsonc_edit::remove(&text, &[Step::Member("providers"), Step::Member(name)])?;
        }
        Ok(text)
    };
    change(&shared, None, edit).await?;
    Ok(WELL)
}

/// Which entry is meant.
fn place(entries: &[Value], name: Option<&str>, index: Option<usize>) -> Result<usize, Refusal> {
    let found = match (name, index) {
        (Some(name), _) => entries.iter().position(|entry| entry["name"] == name),
        (None, index) => index.filter(|index| *index < entries.len()),
    };
    found.ok_or_else(|| Refusal::Absent("item: item not found".to_owned()))
}

/// Change one
///
/// `name` or `index`, with the members as `value` or beside them. An empty `base-url` takes the entry out.
#[utoipa::path(patch, path = "/v0/management/openai-compatibility", tag = "management", request_body = Object,
    responses((status = 200, body = Well), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn patch(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Well>, Refused> {
    let body: Map<String, Value> = serde_json::from_slice(&body).map_err(|_| bad("invalid body"))?;
    let name = body.get("name").and_then(Value::as_str).map(str::to_owned);
    let index = body.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
    if name.is_none() && index.is_none() {
        return Err(bad("invalid body"));
    }
    let is_place = |member: &str| matches!(member, "name" | "index");
    let value = match body.get("value") {
        Some(Value::Object(value)) => value.clone(),
        Some(_) => return Err(bad("invalid body")),
        None if body.keys().all(|member| is_place(member)) => return Err(bad("invalid body")),
        None => body.into_iter().filter(|(member, _)| !is_place(member)).collect(),
    };
    let edit = move |text: &str| {
        let mut entries = entries(text)?;
        let place = place(&entries, name.as_deref(), index)?;
        let entry = &mut entries[place];
        let own = entry["name"].as_str().unwrap_or_default().to_owned();
        if value.get("base-url").and_then(Value::as_str).is_some_and(|url| url.trim().is_empty()) {
            return Ok(jsonc_edit::remove(text, &[Step::Member("providers"), Step::Member(&own)])?);
        }
        value.iter().for_each(|(member, value)| entry[member] = value.clone());
        let renamed = entry["name"].as_str().is_some_and(|name| name != own);
        let text = with_entry(text, entry)?;
        match renamed {
            true => Ok(jsonc_edit::remove(&text, &[Step::Member("providers"), Step::Member(&own)])?),
            false => Ok(text),
        }
    };
    change(&shared, None, edit).await?;
    Ok(WELL)
}

/// Which entry to take out.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    name: Option<String>,
    index: Option<usize>,
}

/// Take one out
///
/// By `?name=` or `?index=`, or by a body with either.
#[utoipa::path(delete, path = "/v0/management/openai-compatibility", tag = "management", params(Which),
    responses((status = 200, body = Well), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    which: Result<Query<Which>, QueryRejection>,
    request: Request,
) -> Result<Json<Well>, Refused> {
    let Query(asked) = which?;
    let body = axum::body::to_bytes(request.into_body(), limits::ADMIN_BODY_BYTES_MAX).await;
    let body = body.map_err(|_| bad("invalid body"))?;
    let said: Which =
        if body.is_empty() { Which::default() } else { serde_json::from_slice(&body).unwrap_or_default() };
    let (name, index) = (asked.name.or(said.name), asked.index.or(said.index));
    if name.is_none() && index.is_none() {
        return Err(bad("missing name or index"));
    }
    let edit = move |text: &str| {
        let entries = entries(text)?;
        let place = place(&entries, name.as_deref(), index)?;
        let name = entries[place]["name"].as_str().unwrap_or_default();
        Ok(jsonc_edit::remove(text, &[Step::Member("providers"), Step::Member(name)])?)
    };
    change(&shared, None, edit).await?;
    Ok(WELL)
}
