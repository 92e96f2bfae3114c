//! The endpoints of the admin address (config.md §4).
//!
//! Every request passes `gate` first: `Host`, then credential. Numbers are exact to the last exchange that
//! ended before the call, because the cores are asked to hand over what they hold before an answer is made.
//! No answer carries a key, a password or a header of a client, but the two that show a new key or token once and
//! `/api/secret`. Each endpoint stands beside its description, of which `/api/openapi.json` is made.

mod clients;
mod config;
mod gate;
mod import;
mod live;
mod management;
mod overview;
mod playground;
mod problem;
mod providers;
mod requests;
mod routes;
mod secret;
mod status;
mod stored;
mod traces;
mod usage;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::config::Applied;
use self::problem::{Body, Document};
use crate::control::change::{Changed, Unchanged};
use crate::control::{Shared, VERSION, discover, disk, probe, reload, web};
use crate::limits;

/// Every endpoint, behind the gate.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let (router, _) = endpoints().split_for_parts();
    router
        .route("/", get(web::page))
        .route("/assets/{build}/{*path}", get(web::asset))
        .fallback(|| async { Document::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Document::new(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here")
        })
        .layer(DefaultBodyLimit::max(limits::ADMIN_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), gate::gate))
        .with_state(shared)
}

/// Every endpoint with its description.
fn endpoints() -> OpenApiRouter<Arc<Shared>> {
    // Innermost counts: these may be longer than the others.
    let long = OpenApiRouter::new()
        .routes(routes!(config::config, config::put))
        .routes(routes!(config::validate))
        .routes(routes!(config::edit))
        .routes(routes!(import::import))
        .routes(routes!(playground::ask))
        .layer(DefaultBodyLimit::max(limits::CONFIG_BODY_BYTES_MAX));
    OpenApiRouter::with_openapi(description())
        .routes(routes!(gate::login))
        .routes(routes!(gate::logout))
        .routes(routes!(gate::session))
        .routes(routes!(gate::renew))
        .routes(routes!(status::health))
        .routes(routes!(status::exposition))
        .routes(routes!(status::status))
        .routes(routes!(live::follow))
        .routes(routes!(live::level, live::set_level))
        .routes(routes!(usage::usage))
        .routes(routes!(requests::requests))
        .routes(routes!(requests::request))
        .routes(routes!(traces::list, traces::clear))
        .routes(routes!(traces::export))
        .routes(routes!(traces::one))
        .routes(routes!(overview::overview))
        .routes(routes!(overview::store))
        .merge(long)
        .routes(routes!(config::backups))
        .routes(routes!(config::backup))
        .routes(routes!(config::restore))
        .routes(routes!(config::schema_of_file))
        .routes(routes!(config::presets))
        .routes(routes!(secret::show))
        .routes(routes!(providers::list, providers::create))
        .routes(routes!(providers::one, providers::change_one, providers::remove_one))
        .routes(routes!(providers::add_key))
        .routes(routes!(providers::change_key, providers::remove_key))
        .routes(routes!(providers::reset_key))
        .routes(routes!(providers::test_key))
        .routes(routes!(providers::models))
        .routes(routes!(providers::speed))
        .routes(routes!(clients::list, clients::create))
        .routes(routes!(clients::one, clients::change_one, clients::remove_one))
        .routes(routes!(clients::rotate))
        .routes(routes!(routes::list))
        .routes(routes!(routes::one, routes::put, routes::remove_one))
        .routes(routes!(routes::explain))
        .routes(routes!(management::list, management::put, management::patch, management::remove))
        .routes(routes!(reload_now))
        .routes(routes!(probe_now))
        .routes(routes!(discover_now))
        .routes(routes!(models_of))
        .routes(routes!(openapi))
}

/// What stands above the endpoints.
fn description() -> OpenApi {
    let info = Info::builder().title("weir: admin API").version(VERSION).description(Some(
        "Everything that the web UI does. Errors are problem documents (RFC 9457). A credential is needed but where \
         `security` is empty: the admin password or token as a bearer, or the cookie that a login sets.",
    ));
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("weir_session")));
    let components = Components::builder().security_scheme("bearer", bearer).security_scheme("session", cookie);
    let either = ["bearer", "session"].map(|scheme| SecurityRequirement::new::<_, [&str; 0], &str>(scheme, []));
    OpenApi::builder().info(info.build()).components(Some(components.build())).security(Some(either)).build()
}

/// This description
#[utoipa::path(get, path = "/api/openapi.json", tag = "config",
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json")))]
async fn openapi() -> Json<OpenApi> {
    Json(described())
}

/// The description of every endpoint, each named by its method and its path.
fn described() -> OpenApi {
    let mut api = endpoints().into_openapi();
    for (path, item) in &mut api.paths.paths {
        let words: Vec<&str> =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations.into_iter().filter_map(|(m, operation)| Some((m, operation.as_mut()?))) {
            operation.operation_id = Some(format!("{method}_{}", words.join("_")));
        }
    }
    api
}

/// Try keys
///
/// Those that the query names, with the smallest request there is; tells what each came to.
#[utoipa::path(post, path = "/api/probe", tag = "providers", params(probe::Which),
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json")))]
async fn probe_now(
    State(shared): State<Arc<Shared>>,
    which: Result<Query<probe::Which>, QueryRejection>,
) -> Result<Json<Value>, Document> {
    let Query(which) = which?;
    let probes = probe::run(&shared, &which).await;
    if probes.is_empty() {
        return Err(Document::new(StatusCode::NOT_FOUND, "there is no such key"));
    }
    Ok(Json(json!({ "probes": probes })))
}

/// Find out what an address speaks and which models it has
#[utoipa::path(post, path = "/api/discover", tag = "providers", request_body = discover::Given,
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json")))]
async fn discover_now(Body(given): Body<discover::Given>) -> Result<Json<Value>, Document> {
    let found = tokio::task::spawn_blocking(move || discover::discover(&given)).await;
    match found {
        Ok(Ok(found)) => Ok(Json(found.told())),
        Ok(Err(why)) => Err(Document::new(StatusCode::UNPROCESSABLE_ENTITY, why)),
        Err(_panicked) => Err(Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the search failed")),
    }
}

/// The provider whose models are asked for.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Whose {
    provider: String,
}

/// The models that a provider says it has
#[utoipa::path(get, path = "/api/models", tag = "providers", params(Whose),
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json"),
        (status = 502, body = Document, content_type = "application/problem+json")))]
async fn models_of(
    State(shared): State<Arc<Shared>>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Value>, Document> {
    let Query(whose) = whose?;
    let (snapshot, book) = (shared.snapshot.load_full(), shared.addresses.load_full());
    let provider = snapshot.provider(whose.provider.as_bytes());
    let provider = provider.ok_or_else(|| Document::new(StatusCode::NOT_FOUND, "there is no such provider"))?;
    let listed = tokio::task::spawn_blocking(move || {
        let key = snapshot.keys_of(provider).find(|(_, key)| !key.disabled);
        let (_, key) = key.ok_or("it has no key that may be used")?;
        discover::list(&snapshot.providers[usize::from(provider)], key, &book)
    });
    match listed.await {
        Ok(Ok(models)) => Ok(Json(json!({ "models": models }))),
        Ok(Err(why)) => Err(Document::new(StatusCode::BAD_GATEWAY, why)),
        Err(_panicked) => Err(Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the question failed")),
    }
}

/// Read the file again
#[utoipa::path(post, path = "/api/reload", tag = "config",
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
async fn reload_now(State(shared): State<Arc<Shared>>) -> Result<Json<Applied>, Document> {
    // A task of its own: a caller that leaves must not stop a reload halfway.
    let reloading = tokio::spawn(async move {
        let done = reload::reload(&shared, "asked by the API").await.map_err(Unchanged::Wrong)?;
        let file = shared.snapshot.load().file.clone();
        let etag = file.and_then(|path| disk::read(&path).ok()).map(|read| read.etag).unwrap_or_default();
        let (changes, restart) = (done.changes.said, done.changes.restart);
        Ok(Changed { generation: done.generation, etag, changes, restart, problems: done.warnings })
    });
    Ok(Json(reloading.await.unwrap_or(Err(Unchanged::Broken))?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_described() {
        let told = serde_json::to_value(described()).expect("JSON");
        assert!(told["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", told["openapi"]);
        let paths = told["paths"].as_object().expect("paths");
        assert!(paths.len() > 35, "{}", paths.len());
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("methods") {
                assert!(operation["summary"].is_string(), "{method} {path}");
                let id = &operation["operationId"];
                let same = paths.values().flat_map(|item| item.as_object().expect("methods").values());
                assert_eq!(same.filter(|other| other["operationId"] == *id).count(), 1, "{id} is twice");
            }
        }
    }
}
