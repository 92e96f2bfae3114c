//! Providers and their keys over the API.
//!
//! What is told is the file as it is written, disabled ones included, with the health of keys beside it. What is changed
//! is changed in the file's text (RFC 7396), with its comments.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::config::{Applied, Seen, marked, one_of};
use super::problem::{Body, Document};
use crate::config::problem::Step;
use crate::config::snapshot::KeyIx;
use crate::config::{jsonc_edit, mask, presets};
use crate::control::change::{self, Refusal, change};
use crate::control::{Shared, discover, health, probe};

/// The providers
///
/// As the file says them, with presets filled in, secrets masked, and each key's health.
#[utoipa::path(get, path = "/api/providers", tag = "providers",
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Document> {
    let (etag, providers) = all(&shared).await?;
    Ok(marked(&etag, json!({ "providers": providers })))
}

/// A provider
#[utoipa::path(get, path = "/api/providers/{name}", tag = "providers", params(("name" = String, Path)),
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, Document> {
    let (etag, mut providers) = all(&shared).await?;
    let one = one_of(&mut providers, &name).ok_or_else(|| Document::absent("there is no provider of this name"))?;
    Ok(marked(&etag, one))
}

/// All of them, and the mark of the file.
async fn all(shared: &Shared) -> Result<(String, Value), Document> {
    let read = change::current(shared).await?;
    let file = jsonc_edit::get(&read.text, &[]).map_err(|refused| change::Unchanged::Edit(refused.into()))?;
    let file = file.unwrap_or_default();
    let states = States::of(shared);
    let hidden = mask::hidden(file.clone(), &shared.salt);
    let providers = hidden["providers"].as_object().into_iter().flatten();
    let told: Vec<Value> =
        providers.map(|(name, provider)| told(&states, name, provider, &file["providers"][name]["keys"])).collect();
    Ok((read.etag, told.into()))
}

/// What is known of each key at the moment.
struct States {
    snapshot: Arc<crate::config::Snapshot>,
    health: Vec<health::KeyHealth>,
    busy: Vec<u32>,
}

impl States {
    fn of(shared: &Shared) -> States {
        let snapshot = shared.snapshot.load_full();
        let busy = |row: &Arc<crate::plan::board::KeyRow>| row.busy.load(std::sync::atomic::Ordering::Relaxed);
        let busy = shared.board.rows(&snapshot).iter().map(busy).collect();
        States { health: health::now(shared, &snapshot), busy, snapshot }
    }
}

/// A provider with its secrets hidden; `secrets` are its keys as they are written.
fn told(states: &States, name: &str, provider: &Value, secrets: &Value) -> Value {
    let preset = provider["preset"].as_str().and_then(presets::find);
    let or = |member: &str, otherwise: Option<Value>| match &provider[member] {
        Value::Null => otherwise.unwrap_or_default(),
        value => value.clone(),
    };
    let known = states.snapshot.provider(name.as_bytes());
    let keys = provider["keys"].as_array().into_iter().flatten().enumerate();
    let keys: Vec<Value> = keys.map(|(place, key)| told_key(states, known, place, key, &secrets[place])).collect();
    let mut told = json!({
        "name": name,
        "preset": provider["preset"],
        "protocol": or("protocol", preset.map(|preset| preset.protocol.name().into())),
        "base_url": or("base_url", preset.map(|preset| preset.base_url.into())),
        "disabled": or("disabled", Some(false.into())),
        "balance": or("balance", Some("round_robin".into())),
        "affinity": or("affinity", Some("ids".into())),
        "models": or("models", Some(json!([]))),
        "exclude_models": or("exclude_models", Some(json!([]))),
        "keys": keys,
    });
    for (member, value) in provider.as_object().into_iter().flatten() {
        if told.get(member).is_none() {
            told[member] = value.clone();
        }
    }
    told
}

fn told_key(states: &States, provider: Option<u16>, place: usize, key: &Value, written: &Value) -> Value {
    let name = name_of(place, key);
    let secret = written.as_str().or_else(|| written["key"].as_str()).unwrap_or_default();
    let number = |member: &str, otherwise: u64| key[member].as_u64().unwrap_or(otherwise);
    let mut told = json!({
        "name": name,
        "key": mask::shown(secret),
        "weight": number("weight", 1),
        "priority": number("priority", 100),
        "max_concurrent": number("max_concurrent", 0),
        "queue": number("queue", 0),
        "disabled": key["disabled"].as_bool().unwrap_or(false),
        "models": key.get("models").cloned().unwrap_or_else(|| json!([])),
        "exclude_models": key.get("exclude_models").cloned().unwrap_or_else(|| json!([])),
    });
    for member in ["proxy", "headers"] {
        if let Some(value) = key.get(member) {
            told[member] = value.clone();
        }
    }
    let index = provider.and_then(|provider| {
        states.snapshot.keys_of(provider).find(|(_, key)| *key.name == *name).map(|(index, _)| usize::from(index))
    });
    match index {
        Some(index) => {
            for (member, value) in states.health[index].told.as_object().into_iter().flatten() {
                if !matches!(member.as_str(), "name" | "models") {
                    told[member] = value.clone();
                }
            }
            told["cooling_models"] = states.health[index].told["models"].clone();
            told["in_flight"] = states.busy[index].into();
        }
        // Its provider is disabled.
        None => told["health"] = "disabled".into(),
    }
    told
}

/// The name of a key: its own, or its number.
fn name_of(place: usize, key: &Value) -> String {
    key["name"].as_str().map_or_else(|| (place + 1).to_string(), str::to_owned)
}

/// The members of a body that has a name beside them.
fn named(mut body: Map<String, Value>) -> Result<(String, Map<String, Value>), Document> {
    match body.remove("name") {
        Some(Value::String(name)) if !name.is_empty() => Ok((name, body)),
        _ => Err(Document::invalid("name", "a name is needed")),
    }
}

/// Refuses unless `path` leads somewhere, or nowhere.
pub(super) fn must_be(text: &str, path: &[Step<'_>], there: bool, what: &str) -> Result<(), Refusal> {
    match (jsonc_edit::get(text, path)?.is_some(), there) {
        (true, true) | (false, false) => Ok(()),
        (false, true) => Err(Refusal::Absent(what.to_owned())),
        (true, false) => Err(Refusal::Taken(what.to_owned())),
    }
}

/// Adds `value` as the entry `name` of a section, where there is none.
pub(super) async fn add(
    shared: &Arc<Shared>,
    seen: Seen,
    section: &'static str,
    what: &'static str,
    name: String,
    value: Value,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let path = [Step::Member(section), Step::Member(&name)];
        must_be(text, &path, false, &format!("{what} of this name"))?;
        Ok(jsonc_edit::set(text, &path, &value)?)
    };
    Ok(Json(change(shared, seen.0, edit).await?.into()))
}

/// Merges `patch` into the entry `name` of a section.
pub(super) async fn patch_entry(
    shared: &Arc<Shared>,
    seen: Seen,
    section: &'static str,
    what: &'static str,
    name: String,
    patch: Value,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let path = [Step::Member(section), Step::Member(&name)];
        must_be(text, &path, true, &format!("{what} of this name"))?;
        Ok(jsonc_edit::merge(text, &path, &patch)?)
    };
    Ok(Json(change(shared, seen.0, edit).await?.into()))
}

/// Takes the entry `name` of a section out.
pub(super) async fn remove(
    shared: &Arc<Shared>,
    seen: Seen,
    section: &'static str,
    what: &'static str,
    name: String,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let path = [Step::Member(section), Step::Member(&name)];
        must_be(text, &path, true, &format!("{what} of this name"))?;
        Ok(jsonc_edit::remove(text, &path)?)
    };
    Ok(Json(change(shared, seen.0, edit).await?.into()))
}

/// Add a provider
///
/// `name`, and the members that a provider has in the file (`GET /api/schema`).
#[utoipa::path(post, path = "/api/providers", tag = "providers", request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    seen: Seen,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    let (name, provider) = named(body)?;
    add(&shared, seen, "providers", "provider", name, provider.into()).await
}

/// Change a provider
///
/// A merge (RFC 7396) of members that a provider has in the file; null takes one out.
#[utoipa::path(patch, path = "/api/providers/{name}", tag = "providers", params(("name" = String, Path)), request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn change_one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    patch_entry(&shared, seen, "providers", "provider", name, patch.into()).await
}

/// Remove a provider
#[utoipa::path(delete, path = "/api/providers/{name}", tag = "providers", params(("name" = String, Path)),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn remove_one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Json<Applied>, Document> {
    remove(&shared, seen, "providers", "provider", name).await
}

/// Where the key of a name stands, and how it is written.
fn key_at(text: &str, provider: &str, key: &str) -> Result<(usize, Value), Refusal> {
    let path = [Step::Member("providers"), Step::Member(provider)];
    must_be(text, &path, true, "provider of this name")?;
    let keys = jsonc_edit::get(text, &[path[0], path[1], Step::Member("keys")])?.unwrap_or_default();
    let keys = keys.as_array().cloned().unwrap_or_default();
    let found = keys.into_iter().enumerate().find(|(place, written)| name_of(*place, written) == key);
    found.ok_or_else(|| Refusal::Absent("key of this name".to_owned()))
}

/// Add a key
///
/// The members that a key has in the file; `key` is the secret or a reference to it.
#[utoipa::path(post, path = "/api/providers/{name}/keys", tag = "providers", params(("name" = String, Path)), request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn add_key(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
    Body(key): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let path = [Step::Member("providers"), Step::Member(&name), Step::Member("keys")];
        must_be(text, &path[..2], true, "provider of this name")?;
        let written = match (key.len(), key.get("key")) {
            (1, Some(secret)) => secret.clone(),
            _ => Value::Object(key),
        };
        Ok(match jsonc_edit::get(text, &path)? {
            Some(Value::Array(keys)) => {
                jsonc_edit::set(text, &[path[0], path[1], path[2], Step::Entry(keys.len())], &written)?
            }
            _ => jsonc_edit::set(text, &path, &json!([written]))?,
        })
    };
    Ok(Json(change(&shared, seen.0, edit).await?.into()))
}

/// Change a key
///
/// A merge (RFC 7396) of members that a key has in the file.
#[utoipa::path(patch, path = "/api/providers/{name}/keys/{key}", tag = "providers",
    params(("name" = String, Path), ("key" = String, Path, description = "its name, or its number from 1")), request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn change_key(
    State(shared): State<Arc<Shared>>,
    Path((name, key)): Path<(String, String)>,
    seen: Seen,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let (place, written) = key_at(text, &name, &key)?;
        let path = [Step::Member("providers"), Step::Member(&name), Step::Member("keys"), Step::Entry(place)];
        // A secret alone has no members yet.
        let text = match written {
            Value::String(_) => jsonc_edit::set(text, &path, &json!({ "key": written }))?,
            _ => text.to_owned(),
        };
        Ok(jsonc_edit::merge(&text, &path, &patch.into())?)
    };
    Ok(Json(change(&shared, seen.0, edit).await?.into()))
}

/// Remove a key
#[utoipa::path(delete, path = "/api/providers/{name}/keys/{key}", tag = "providers",
    params(("name" = String, Path), ("key" = String, Path, description = "its name, or its number from 1")),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn remove_key(
    State(shared): State<Arc<Shared>>,
    Path((name, key)): Path<(String, String)>,
    seen: Seen,
) -> Result<Json<Applied>, Document> {
    let edit = move |text: &str| {
        let (place, _) = key_at(text, &name, &key)?;
        let path = [Step::Member("providers"), Step::Member(&name), Step::Member("keys"), Step::Entry(place)];
        Ok(jsonc_edit::remove(text, &path)?)
    };
    Ok(Json(change(&shared, seen.0, edit).await?.into()))
}

/// The index of a provider that is in force, and those of its keys of a name.
fn in_force(shared: &Shared, name: &str, key: Option<&str>) -> Result<Vec<KeyIx>, Document> {
    let snapshot = shared.snapshot.load();
    let provider = snapshot.provider(name.as_bytes());
    let provider = provider.ok_or_else(|| Document::absent("there is no enabled provider of this name"))?;
    let keys = snapshot.keys_of(provider).filter(|(_, known)| key.is_none_or(|key| key == &*known.name));
    let keys: Vec<KeyIx> = keys.map(|(index, _)| index).collect();
    if keys.is_empty() { Err(Document::absent("there is no key of this name")) } else { Ok(keys) }
}

/// End a key's rest
#[utoipa::path(post, path = "/api/providers/{name}/keys/{key}/reset", tag = "providers",
    params(("name" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = super::gate::Done), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn reset_key(
    State(shared): State<Arc<Shared>>,
    Path((name, key)): Path<(String, String)>,
) -> Result<Json<super::gate::Done>, Document> {
    let keys = in_force(&shared, &name, Some(&key))?;
    let rows = shared.board.rows(&shared.snapshot.load());
    for key in keys {
        shared.board.reset(&rows[usize::from(key)]);
    }
    Ok(super::gate::DONE)
}

/// How a key has answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Tried {
    key: String,
    ok: bool,
    /// HTTP status; 0 if there was no answer.
    status: u64,
    /// To the first byte of the answer.
    ms: u64,
    /// What was asked, or what went wrong.
    message: String,
}

fn tried(probe: &Value) -> Tried {
    let ok = probe["ok"] == true;
    let model = probe["model"].as_str().unwrap_or_default();
    let message = match (ok, probe["error"].as_str()) {
        (_, Some(error)) => error.to_owned(),
        (true, None) if model.is_empty() => "it listed its models".to_owned(),
        (true, None) => format!("{model} has answered"),
        (false, None) => format!("it answered {}", probe["status"]),
    };
    Tried {
        key: probe["key"].as_str().unwrap_or_default().to_owned(),
        ok,
        status: probe["status"].as_u64().unwrap_or(0),
        ms: probe["first_token_ms"].as_u64().unwrap_or(0),
        message,
    }
}

async fn tries(shared: &Arc<Shared>, provider: String, key: Option<String>) -> Result<Vec<Tried>, Document> {
    in_force(shared, &provider, key.as_deref())?;
    let probes = probe::run(shared, &probe::Which { provider: Some(provider), key, model: None }).await;
    if probes.is_empty() {
        return Err(Document::new(StatusCode::CONFLICT, "there is nothing to try: a disabled key, or no address"));
    }
    Ok(probes.iter().map(tried).collect())
}

/// Try a key
///
/// With the smallest request there is. What it finds ends or begins a rest.
#[utoipa::path(post, path = "/api/providers/{name}/keys/{key}/test", tag = "providers",
    params(("name" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = Tried), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn test_key(
    State(shared): State<Arc<Shared>>,
    Path((name, key)): Path<(String, String)>,
) -> Result<Json<Tried>, Document> {
    let tried = tries(&shared, name, Some(key)).await?;
    tried.into_iter().next().map(Json).ok_or_else(|| Document::absent("there is no such key"))
}

/// How fast each key is.
#[derive(Serialize, ToSchema)]
pub(super) struct Speeds {
    keys: Vec<Tried>,
}

/// Try all keys of a provider
#[utoipa::path(post, path = "/api/providers/{name}/speed", tag = "providers", params(("name" = String, Path)),
    responses((status = 200, body = Speeds), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn speed(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Speeds>, Document> {
    Ok(Json(Speeds { keys: tries(&shared, name, None).await? }))
}

/// What a provider has.
#[derive(Serialize, ToSchema)]
pub(super) struct Models {
    models: Vec<String>,
    /// Its address, where another than the file's was found to be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    /// What it speaks there.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
}

/// Ask a provider for its models
///
/// Where the address of the file has no list, the ways that others have are tried.
#[utoipa::path(post, path = "/api/providers/{name}/discover", tag = "providers", params(("name" = String, Path)),
    responses((status = 200, body = Models), (status = "4XX", body = Document, content_type = "application/problem+json"),
        (status = 502, body = Document, content_type = "application/problem+json")))]
pub(super) async fn models(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Models>, Document> {
    in_force(&shared, &name, None)?;
    let (snapshot, book) = (shared.snapshot.load_full(), shared.addresses.load_full());
    let asked = tokio::task::spawn_blocking(move || {
        let index = snapshot.provider(name.as_bytes()).ok_or("there is no such provider")?;
        let provider = &snapshot.providers[usize::from(index)];
        let (_, key) =
            snapshot.keys_of(index).find(|(_, key)| !key.disabled).ok_or("it has no key that may be used")?;
        let why = match discover::list(provider, key, &book) {
            Ok(models) => return Ok(Models { models, base_url: None, protocol: None }),
            Err(why) => why,
        };
        let scheme = if provider.base.tls { "https" } else { "http" };
        let found = discover::discover(&discover::Given {
            base_url: format!("{scheme}://{}{}", provider.base.authority, provider.base.path),
            key: String::from_utf8_lossy(key.secret.expose()).into_owned(),
            protocol: Some(provider.protocol.name().to_owned()),
        });
        let found = found.map_err(|_| why)?;
        Ok(Models { models: found.models, base_url: Some(found.base_url), protocol: Some(found.protocol.to_owned()) })
    });
    match asked.await {
        Ok(Ok(models)) => Ok(Json(models)),
        Ok(Err::<_, String>(why)) => Err(Document::new(StatusCode::BAD_GATEWAY, why)),
        Err(_panicked) => Err(Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the question failed")),
    }
}
