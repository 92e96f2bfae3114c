//! Configurations of other relays, and links, taken into the file: shown first, written when it is asked for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::config::Applied;
use super::problem::{Body, Document, Problem, problems};
use super::providers;
use crate::config::import::{self, Imported, Kind};
use crate::config::problem::Step;
use crate::config::{jsonc_edit, mask};
use crate::control::Shared;
use crate::control::change::{self, Refusal, change};

/// What is to be imported: a text or a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    /// A file of another relay, or a part of ours.
    text: Option<String>,
    /// `clash-for-ai://v1/import?…` or `weir://v1/import?…`.
    link: Option<String>,
    /// Whose the text is: `ai-switch`, `cliproxyapi`, `aiclient2api`, `clash-for-ai`, `api-switch`, `weir`. Default: what
    /// it looks like.
    kind: Option<String>,
    /// Whether the file is changed. Default false: it is only shown.
    #[serde(default)]
    apply: bool,
}

/// What an import comes to.
#[derive(Serialize, ToSchema)]
pub(super) struct Import {
    /// Whose it is.
    kind: &'static str,
    /// What is added: names by section.
    #[schema(value_type = Object)]
    adds: Map<String, Value>,
    /// What has no counterpart, or was changed on the way.
    notes: Vec<String>,
    /// The file with it, secrets masked.
    text: String,
    /// What the check says of it.
    problems: Vec<Problem>,
    /// What was changed, if it was to be.
    applied: Option<Applied>,
}

fn read(given: &Given) -> Result<(Kind, Imported), Document> {
    match (&given.text, &given.link) {
        (None, Some(link)) => Ok((Kind::Link, import::link(link).map_err(|why| Document::invalid("link", why))?)),
        (Some(text), None) => {
            let kind = match given.kind.as_deref() {
                None => {
                    import::recognise(text).ok_or_else(|| Document::invalid("text", "it is nobody's configuration"))?
                }
                Some(name) => {
                    let kind = Kind::FILES.into_iter().find(|kind| kind.name() == name);
                    kind.ok_or_else(|| Document::invalid("kind", "it is no relay that weir knows"))?
                }
            };
            Ok((kind, import::files(kind, &[text]).map_err(|why| Document::invalid("text", why))?))
        }
        (Some(_), Some(_)) | (None, None) => Err(Document::invalid("text", "expected either \"text\" or \"link\"")),
    }
}

/// The sections whose entries are added; the other members of an import are about the process, not about whom it serves.
const SECTIONS: [&str; 3] = ["providers", "routes", "clients"];

/// The text with every entry of an import; one of a name that is there is refused.
fn with(text: &str, imported: &Map<String, Value>) -> Result<String, Refusal> {
    let mut text = text.to_owned();
    for section in SECTIONS {
        for (name, entry) in imported.get(section).and_then(Value::as_object).into_iter().flatten() {
            let path = [Step::Member(section), Step::Member(name)];
            providers::must_be(&text, &path, false, &format!("{name:?} in {section}"))?;
            text = jsonc_edit::set(&text, &path, entry)?;
        }
    }
    Ok(text)
}

/// Import a provider or another relay's configuration
///
/// Without `apply` it is only shown. Never without a person's word: a link that somebody sends is shown first.
#[utoipa::path(post, path = "/api/import", tag = "config", request_body = Given,
    responses((status = 200, body = Import), (status = "4XX", body = Document, content_type = "application/problem+json")))]
pub(super) async fn import(
    State(shared): State<Arc<Shared>>,
    Body(given): Body<Given>,
) -> Result<Json<Import>, Document> {
    let (kind, Imported { adds, mut notes }) = read(&given)?;
    let before = change::current(&shared).await?;
    let text = with(&before.text, &adds).map_err(change::Unchanged::Edit)?;
    let found = change::judge(&shared, text.clone()).await?;
    let names = |section: &&str| {
        let names: Vec<Value> = adds.get(*section)?.as_object()?.keys().map(|name| name.as_str().into()).collect();
        Some(((*section).to_owned(), Value::from(names)))
    };
    let told: Map<String, Value> = SECTIONS.iter().filter_map(names).collect();
    let others: Vec<&str> = adds.keys().map(String::as_str).filter(|member| !SECTIONS.contains(member)).collect();
    if !others.is_empty() {
        notes.push(format!("left out, for they are about this process: {}", others.join(", ")));
    }
    let masked = mask::mask(&text, &shared.salt).map_err(|refused| change::Unchanged::Edit(refused.into()))?;
    let applied = match given.apply {
        false => None,
        true => Some(change(&shared, Some(before.etag), move |_| Ok(text)).await?.into()),
    };
    Ok(Json(Import { kind: kind.name(), adds: told, notes, text: masked, problems: problems(&found), applied }))
}
