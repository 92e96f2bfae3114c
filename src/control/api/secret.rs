//! The one place that shows a secret: on demand, one at a time, with a line in the log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Body, Document};
use crate::config::{jsonc_edit, mask};
use crate::control::Shared;
use crate::control::auth::Caller;
use crate::control::change::{self, Unchanged};

/// Where a secret stands.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// `providers.x.keys.0`, or a JSON pointer where a name holds a dot (`/providers/x.y/keys/0`).
    path: String,
}

/// A secret. No `Debug`.
#[derive(Serialize, ToSchema)]
pub(super) struct Shown {
    secret: String,
}

/// Show a secret of the file
///
/// That somebody asked is logged as a warning, with the path and the address. References are not followed.
#[utoipa::path(post, path = "/api/secret", tag = "config", request_body = Place,
    responses((status = 200, body = Shown), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Body(Place { path }): Body<Place>,
) -> Result<Json<Shown>, Document> {
    let read = change::current(&shared).await?;
    let file = jsonc_edit::get(&read.text, &[]).map_err(|refused| Unchanged::Edit(refused.into()))?;
    let wanted = path.strip_prefix('/').map(|pointer| pointer.split('/').collect::<Vec<_>>().join("."));
    let wanted = wanted.as_deref().unwrap_or(&path);
    let secrets = mask::secrets(&file.unwrap_or_default()).into_iter();
    let found = secrets.into_iter().find(|(at, _)| {
        let spelled = at.join(".");
        // A key with settings is found by its place too.
        spelled == wanted || spelled.strip_suffix(".key") == Some(wanted)
    });
    let (at, secret) = found.ok_or_else(|| Document::new(StatusCode::NOT_FOUND, "the file holds no secret there"))?;
    match caller {
        Caller::Ip(address) => tracing::warn!(path = at.join("."), %address, "a secret was shown over the API"),
        Caller::Owner => tracing::warn!(path = at.join("."), "a secret was shown over the control socket"),
    }
    Ok(Json(Shown { secret }))
}
