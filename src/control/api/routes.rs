//! Routes over the API, and where a request would go.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::config::{Applied, Seen, marked, one_of};
use super::problem::{Body, Document};
use super::providers;
use crate::config::jsonc_edit;
use crate::config::problem;
use crate::control::change::{self, change};
use crate::control::{Shared, health};
use crate::plan::explain::{self, Ask};
use crate::protocol::Dialect;

/// The routes
///
/// As the file says them, and which of them are the defaults.
#[utoipa::path(get, path = "/api/routes", tag = "routes",
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Document> {
    let (etag, told) = all(&shared).await?;
    Ok(marked(&etag, told))
}

/// A route
#[utoipa::path(get, path = "/api/routes/{name}", tag = "routes", params(("name" = String, Path)),
    responses((status = 200, body = Object, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, Document> {
    let (etag, mut told) = all(&shared).await?;
    let one = one_of(&mut told["routes"], &name).ok_or_else(|| Document::absent("there is no route of this name"))?;
    Ok(marked(&etag, one))
}

/// What is told of all of them, and the mark of the file.
async fn all(shared: &Shared) -> Result<(String, Value), Document> {
    let read = change::current(shared).await?;
    let file = jsonc_edit::get(&read.text, &[]).map_err(|refused| change::Unchanged::Edit(refused.into()))?;
    let file = file.unwrap_or_default();
    let snapshot = shared.snapshot.load();
    let told = |(name, route): (&String, &Value)| {
        let mut told = json!({ "name": name, "to": [], "models": {}, "scenes": {}, "spread": "ordered" });
        for (member, value) in route.as_object().into_iter().flatten() {
            told[member] = value.clone();
        }
        told
    };
    let routes: Vec<Value> = file["routes"].as_object().into_iter().flatten().map(told).collect();
    let default = snapshot.default_route.map(|route| snapshot.routes[usize::from(route)].name.clone());
    let told = json!({ "routes": routes, "default_route": default, "default_routes": file["default_routes"] });
    Ok((read.etag, told))
}

/// Set a route
///
/// All of it: the members that a route has in the file. A new name is a new route.
#[utoipa::path(put, path = "/api/routes/{name}", tag = "routes", params(("name" = String, Path)), request_body = Object,
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
    Body(mut route): Body<Map<String, Value>>,
) -> Result<Json<Applied>, Document> {
    // As it was told.
    if route.get("name").is_some_and(|told| *told == name) {
        route.shift_remove("name");
    }
    let edit = move |text: &str| {
        let path = [problem::Step::Member("routes"), problem::Step::Member(&name)];
        Ok(jsonc_edit::set(text, &path, &route.into())?)
    };
    Ok(Json(change(&shared, seen.0, edit).await?.into()))
}

/// Remove a route
#[utoipa::path(delete, path = "/api/routes/{name}", tag = "routes", params(("name" = String, Path)),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn remove_one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Json<Applied>, Document> {
    providers::remove(&shared, seen, "routes", "route", name).await
}

/// A request to be explained.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Who asks, by name.
    client: Option<String>,
    /// The model asked for; without it the one that the body names.
    model: Option<String>,
    /// `chat`, `responses`, `anthropic`, `gemini` or `ollama`. Default `chat`.
    dialect: Option<String>,
    /// Header fields, each `name: value`.
    #[serde(default)]
    headers: Vec<String>,
    /// The body of the request.
    #[schema(value_type = Object)]
    body: Option<Value>,
}

/// A decision.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    /// How it came about.
    steps: Vec<Step>,
    /// Where the request goes, in the order in which it is tried; none if it is refused.
    #[schema(value_type = Vec<Object>)]
    targets: Vec<Value>,
}

/// One thing that was looked at, and what it says.
#[derive(Serialize, ToSchema)]
struct Step {
    /// What was looked at.
    rule: &'static str,
    /// Names the sentence, for those who say it in another language; it does not change.
    code: &'static str,
    /// What stands in its places, each a text.
    #[schema(value_type = Object)]
    values: Map<String, Value>,
    /// The sentence in English.
    text: String,
}

impl From<&explain::Step> for Step {
    fn from(step: &explain::Step) -> Step {
        let values = step.values.iter().map(|(place, value)| ((*place).to_owned(), value.as_str().into())).collect();
        Step { rule: step.says.rule, code: step.says.code, values, text: step.text() }
    }
}

/// Where a request would go, and why
///
/// The decision that a core makes; nothing is sent.
#[utoipa::path(post, path = "/api/explain", tag = "routes", request_body = Question,
    responses((status = 200, body = Explained), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn explain(
    State(shared): State<Arc<Shared>>,
    Body(question): Body<Question>,
) -> Result<Json<Explained>, Document> {
    let said = question.dialect.as_deref().unwrap_or("chat");
    let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.name() == said);
    let dialect =
        dialect.ok_or_else(|| Document::invalid("dialect", "it is chat, responses, anthropic, gemini or ollama"))?;
    if let Some(client) = &question.client
        && shared.snapshot.load().clients.iter().all(|known| *known.name != **client)
    {
        return Err(Document::invalid("client", format!("there is no client {client:?}")));
    }
    let of_body = if question.body.is_some() { "body" } else { "" };
    let explained = tokio::task::spawn_blocking(move || {
        let snapshot = shared.snapshot.load_full();
        let body = question.body.map(|body| body.to_string());
        let ask = Ask {
            client: question.client.as_deref(),
            model: question.model.as_deref(),
            dialect,
            headers: &question.headers,
            body: body.as_deref().map(str::as_bytes),
        };
        explain::explain(&snapshot, &ask).map(|told| {
            let health = health::now(&shared, &snapshot);
            let targets = told.told_targets(|key| health[usize::from(key)].told.clone());
            Explained { steps: told.steps.iter().map(Step::from).collect(), targets }
        })
    });
    match explained.await {
        Ok(Ok(told)) => Ok(Json(told)),
        Ok(Err(why)) => Err(Document::invalid(of_body, why)),
        Err(_panicked) => Err(Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the question failed")),
    }
}
