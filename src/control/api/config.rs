//! The configuration over the API: its text, its check, its earlier texts.
//!
//! The text is the file, with marks in the places of secrets; whoever sends it back sends the marks, and the secrets are
//! in it again. What is sent is checked as `weir check` checks it before a byte is written.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::problem::{Body, Document, Problem, problems};
use crate::config::{jsonc_edit, mask, presets, problem, schema};
use crate::control::change::{self, Changed, Refusal, Unchanged};
use crate::control::{Shared, disk};
use crate::limits;

/// The configuration.
#[derive(Serialize, ToSchema)]
pub(super) struct Config {
    /// The file.
    file: String,
    /// Its text; secrets that it holds itself are `masked:…`, and stay what they are if they are sent back so.
    text: String,
    /// Of the snapshot in force.
    generation: u64,
    /// Mark of the text, for `If-Match`.
    etag: String,
    /// The same as a value.
    #[schema(value_type = Value)]
    value: Value,
    /// What is odd about it.
    problems: Vec<Problem>,
}

/// The configuration file
#[utoipa::path(get, path = "/api/config", tag = "config",
    responses((status = 200, body = Config, headers(("etag" = String))), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn config(State(shared): State<Arc<Shared>>) -> Result<Response, Document> {
    let file = shared.snapshot.load().file.clone().ok_or(Unchanged::NoFile)?;
    let read = change::current(&shared).await?;
    let found = change::judge(&shared, read.text.clone()).await?;
    let text = mask::mask(&read.text, &shared.salt).map_err(|refused| Unchanged::Edit(Refusal::from(refused)))?;
    let config = Config {
        file: file.display().to_string(),
        value: value_of(&text).unwrap_or_default(),
        text,
        generation: shared.snapshot.load().generation,
        etag: read.etag,
        problems: problems(&found),
    };
    let etag = HeaderValue::from_str(&format!("\"{}\"", config.etag)).unwrap_or(HeaderValue::from_static("\"\""));
    Ok(([(header::ETAG, etag)], Json(config)).into_response())
}

/// A text of a configuration.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    /// JSON with comments and trailing commas.
    text: String,
}

/// What a text says; nothing where it is no JSON with comments.
fn value_of(text: &str) -> Option<Value> {
    jsonc_edit::get(text, &[]).ok().flatten()
}

/// What a text comes to.
#[derive(Serialize, ToSchema)]
pub(super) struct Judged {
    /// What it says; null where it is no JSON with comments.
    #[schema(value_type = Value)]
    value: Option<Value>,
    /// Errors and warnings, in the order of the file; empty if it is sound.
    problems: Vec<Problem>,
}

/// Check a text
#[utoipa::path(post, path = "/api/config/validate", tag = "config", request_body = Text,
    responses((status = 200, body = Judged), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn validate(
    State(shared): State<Arc<Shared>>,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Judged>, Document> {
    let value = value_of(&text);
    let text = match change::current(&shared).await {
        Ok(before) => unmasked(&shared, &text, &before.text)?,
        // Nothing is there to hide secrets of.
        Err(Unchanged::NoFile) => text,
        Err(other) => return Err(other.into()),
    };
    Ok(Json(Judged { value, problems: problems(&change::judge(&shared, text).await?) }))
}

/// A change of one member of a text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// JSON with comments and trailing commas.
    text: String,
    /// Names of members and places in lists, from the root.
    path: Vec<Step>,
    /// What is to stand there. Without it, or with null, the member is taken out.
    #[serde(default)]
    #[schema(value_type = Value)]
    value: Option<Value>,
}

/// One step of a path.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Step {
    /// Into an object.
    Member(String),
    /// Into a list.
    Entry(usize),
}

/// What an edit has come to.
#[derive(Serialize, ToSchema)]
pub(super) struct Edited {
    /// With comments, order and formatting as they were.
    text: String,
    /// What it says.
    #[schema(value_type = Value)]
    value: Value,
}

/// Change a member of a text
///
/// Nothing is written: the text that is given is answered with the change in it.
#[utoipa::path(post, path = "/api/config/edit", tag = "config", request_body = Edit,
    responses((status = 200, body = Edited), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn edit(Body(Edit { text, path, value }): Body<Edit>) -> Result<Json<Edited>, Document> {
    if path.is_empty() || path.len() > limits::EDIT_PATH_STEPS_MAX {
        return Err(Document::invalid("path", format!("it has 1 to {} steps", limits::EDIT_PATH_STEPS_MAX)));
    }
    let steps: Vec<problem::Step<'_>> = path
        .iter()
        .map(|step| match step {
            Step::Member(name) => problem::Step::Member(name),
            Step::Entry(place) => problem::Step::Entry(*place),
        })
        .collect();
    let refused = |refused: jsonc_edit::Refused| Document::from(Unchanged::Edit(Refusal::from(refused)));
    let text = match value.filter(|value| !value.is_null()) {
        Some(value) => jsonc_edit::set(&text, &steps, &value).map_err(refused)?,
        None if jsonc_edit::get(&text, &steps).map_err(refused)?.is_none() => text,
        None => jsonc_edit::remove(&text, &steps).map_err(refused)?,
    };
    Ok(Json(Edited { value: value_of(&text).unwrap_or_default(), text }))
}

fn unmasked(shared: &Shared, text: &str, before: &str) -> Result<String, Document> {
    mask::unmask(text, before, &shared.salt)
        .map_err(|member| Document::invalid(member, "a masked secret is none that the file holds; read the file again"))
}

/// What a change has come to.
#[derive(Serialize, ToSchema)]
pub(super) struct Applied {
    /// Of the snapshot in force.
    generation: u64,
    /// Mark of the text that is there now.
    etag: String,
    /// What has changed, in words.
    changes: Vec<String>,
    /// Members that take effect after a restart.
    restart_needed: Vec<&'static str>,
    /// Warnings.
    problems: Vec<Problem>,
}

impl From<Changed> for Applied {
    fn from(changed: Changed) -> Applied {
        Applied {
            generation: changed.generation,
            etag: changed.etag,
            changes: changed.changes,
            restart_needed: changed.restart,
            problems: problems(&changed.problems),
        }
    }
}

/// The mark of the text that whoever asks for a change has seen (`If-Match`): of another text nothing is changed.
pub(super) struct Seen(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Seen, Infallible> {
        let mark = parts.headers.get(header::IF_MATCH).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let mark = mark.filter(|mark| mark.trim() != "*");
        Ok(Seen(mark.map(|mark| mark.trim().trim_start_matches("W/").trim_matches('"').to_owned())))
    }
}

/// An answer that is made of the file, with the mark of its text.
pub(super) fn marked(etag: &str, told: Value) -> Response {
    let mark = HeaderValue::from_str(&format!("\"{etag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    ([(header::ETAG, mark)], Json(told)).into_response()
}

/// The one of a list that has this name.
pub(super) fn one_of(list: &mut Value, name: &str) -> Option<Value> {
    let found = list.as_array_mut()?.iter_mut().find(|one| one["name"] == name);
    found.map(Value::take)
}

/// Replace the configuration file
///
/// Comments are part of the text. With `If-Match` only the text of that mark is replaced (412 otherwise). The text that
/// was there is kept among the backups.
#[utoipa::path(put, path = "/api/config", tag = "config", request_body = Text,
    params(("if-match" = Option<String>, Header, description = "`etag` of the text that was edited")),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    seen: Seen,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Applied>, Document> {
    Ok(Json(change::change(&shared, seen.0, move |_| Ok(text)).await?.into()))
}

/// An earlier text.
#[derive(Serialize, ToSchema)]
pub(super) struct Backup {
    name: String,
    /// When another took its place.
    unix_ms: u64,
    bytes: u64,
}

/// Earlier texts, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Backups {
    backups: Vec<Backup>,
}

/// Earlier texts of the file
#[utoipa::path(get, path = "/api/config/backups", tag = "config",
    responses((status = 200, body = Backups), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn backups(State(shared): State<Arc<Shared>>) -> Json<Backups> {
    let list = disk::list(&shared.snapshot.load().data_dir);
    let told = list.into_iter().map(|disk::Backup { name, unix_ms, bytes }| Backup { name, unix_ms, bytes });
    Json(Backups { backups: told.collect() })
}

/// An earlier text
#[utoipa::path(get, path = "/api/config/backups/{name}", tag = "config", params(("name" = String, Path)),
    responses((status = 200, body = Text), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn backup(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Text>, Document> {
    let text = mask::mask(&kept(&shared, &name)?, &shared.salt);
    let text = text.map_err(|refused| Unchanged::Edit(Refusal::from(refused)))?;
    Ok(Json(Text { text }))
}

/// Put an earlier text back
#[utoipa::path(post, path = "/api/config/backups/{name}/restore", tag = "config", params(("name" = String, Path)),
    responses((status = 200, body = Applied), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn restore(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Json<Applied>, Document> {
    let text = kept(&shared, &name)?;
    Ok(Json(change::change(&shared, seen.0, move |_| Ok(text)).await?.into()))
}

fn kept(shared: &Shared, name: &str) -> Result<String, Document> {
    let found = disk::find(&shared.snapshot.load().data_dir, name);
    found.map(|read| read.text).map_err(|_| Document::absent("there is no backup of this name"))
}

/// JSON Schema of the configuration file
#[utoipa::path(get, path = "/api/schema", tag = "config",
    responses((status = 200, body = Object, content_type = "application/schema+json"), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn schema_of_file() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], schema::schema())
}

/// Well-known vendors
#[utoipa::path(get, path = "/api/presets", tag = "config",
    responses((status = 200, body = Object), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn presets() -> Json<Value> {
    let told = |preset: &presets::Preset| {
        json!({
            "name": preset.name,
            "protocol": preset.protocol.name(),
            "base_url": preset.base_url,
            "env": preset.env,
            "families": preset.families,
        })
    };
    Json(json!({ "presets": presets::PRESETS.iter().map(told).collect::<Vec<_>>() }))
}
