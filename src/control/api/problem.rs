//! Errors of the admin API: problem documents (RFC 9457).
//!
//! Whatever goes wrong is told in this one form, also what axum refuses by itself. `detail` says what is wrong in words,
//! `member` which member or parameter is at fault, `problems` those of a configuration with their lines.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::config;
use crate::control::auth::Denied;
use crate::control::change::{Refusal, Unchanged};

/// A problem of a configuration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `error` or `warning`.
    severity: &'static str,
    /// JSON path (`providers.deepseek.keys[1].weight`); empty for the file as a whole.
    path: String,
    /// From 1.
    line: u32,
    /// From 1.
    column: u32,
    /// What is wrong; never the value of a secret.
    message: String,
}

/// As they are told.
pub(super) fn problems(found: &[config::Problem]) -> Vec<Problem> {
    let one = |problem: &config::Problem| Problem {
        severity: match problem.severity {
            config::Severity::Error => "error",
            config::Severity::Warning => "warning",
        },
        path: problem.path.clone(),
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
    };
    found.iter().map(one).collect()
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Document {
    /// `about:blank`: the status says the kind.
    r#type: &'static str,
    /// Name of the status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong.
    detail: String,
    /// The member or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    member: Option<Box<str>>,
    /// Problems of a configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
    /// `detail` once more, where another system's scripts look for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    error: Option<Box<str>>,
    #[serde(skip)]
    wait_s: u32,
}

impl Document {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Document {
        Document {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            member: None,
            problems: None,
            error: None,
            wait_s: 1,
        }
    }

    /// Nothing is there.
    pub(super) fn absent(detail: impl Into<String>) -> Document {
        Document::new(StatusCode::NOT_FOUND, detail)
    }

    /// A member of the request is at fault.
    pub(super) fn invalid(member: impl Into<String>, detail: impl Into<String>) -> Document {
        Document::of_member(StatusCode::UNPROCESSABLE_ENTITY, member, detail)
    }

    /// It has to do with a member of the request.
    pub(super) fn of_member(status: StatusCode, member: impl Into<String>, detail: impl Into<String>) -> Document {
        let member: String = member.into();
        Document { member: (!member.is_empty()).then(|| member.into()), ..Document::new(status, detail) }
    }

    pub(super) fn with_error(self) -> Document {
        let said = self.detail.strip_prefix("there is no item: ").unwrap_or(&self.detail);
        Document { error: Some(said.into()), ..self }
    }

    pub(super) fn with_problems(self, found: &[config::Problem]) -> Document {
        Document { problems: Some(problems(found)), ..self }
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let wait_s = self.wait_s;
        let mut answer = (status, Json(self)).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        } else if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_s.max(1)));
        }
        answer
    }
}

impl From<Denied> for Document {
    fn from(denied: Denied) -> Document {
        match denied {
            Denied::Host => Document::new(StatusCode::FORBIDDEN, "this Host is not the admin address"),
            Denied::Origin => Document::new(StatusCode::FORBIDDEN, "a page of another origin may not do this"),
            Denied::Credential => Document::new(StatusCode::UNAUTHORIZED, "the admin password or token is needed"),
            Denied::Slow { wait_ms } => {
                let wait_s = u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                let detail = format!("too many wrong passwords; try again in {wait_s} s");
                Document { wait_s, ..Document::new(StatusCode::TOO_MANY_REQUESTS, detail) }
            }
        }
    }
}

impl From<Unchanged> for Document {
    fn from(unchanged: Unchanged) -> Document {
        match unchanged {
            Unchanged::NoFile => Document::new(StatusCode::CONFLICT, "weir runs without a configuration file"),
            Unchanged::Stale => {
                Document::new(StatusCode::PRECONDITION_FAILED, "the file has changed meanwhile; read it again")
            }
            Unchanged::Edit(Refusal::Absent(what)) => Document::absent(format!("there is no {what}")),
            Unchanged::Edit(Refusal::Taken(what)) => {
                Document::of_member(StatusCode::CONFLICT, "name", format!("there is a {what} already"))
            }
            Unchanged::Edit(Refusal::Invalid { member, why }) => Document::invalid(member, why),
            Unchanged::Wrong(found) => {
                let first = found.iter().find(|problem| problem.severity == config::Severity::Error);
                let member = first.map(|problem| problem.path.clone()).unwrap_or_default();
                let detail = match first {
                    Some(problem) => format!("nothing was changed: {problem}"),
                    None => "nothing was changed".to_owned(),
                };
                Document::invalid(member, detail).with_problems(&found)
            }
            Unchanged::Unwritable { path, why } => {
                let detail = format!("{} cannot be written by weir: {why}; nothing was changed", path.display());
                Document::new(StatusCode::CONFLICT, detail)
            }
            Unchanged::Broken => Document::new(StatusCode::INTERNAL_SERVER_ERROR, "the change broke off"),
        }
    }
}

impl From<QueryRejection> for Document {
    fn from(rejection: QueryRejection) -> Document {
        let text = rejection.body_text();
        let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match why.split_once(": ").filter(|(name, _)| is_name(name)) {
            Some((name, "invalid digit found in string")) => {
                Document::of_member(StatusCode::BAD_REQUEST, name, format!("{name} takes a whole number"))
            }
            Some((name, why)) => Document::of_member(StatusCode::BAD_REQUEST, name, why),
            None => match lacking("", why) {
                Some(name) => Document::of_member(StatusCode::BAD_REQUEST, name, why),
                None => Document::new(StatusCode::BAD_REQUEST, why),
            },
        }
    }
}

impl From<PathRejection> for Document {
    fn from(rejection: PathRejection) -> Document {
        Document::new(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<BytesRejection> for Document {
    fn from(rejection: BytesRejection) -> Document {
        Document::new(rejection.status(), rejection.body_text())
    }
}

/// A JSON body. An error names the member.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Document;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Document> {
        let bytes = Bytes::from_request(request, state).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(Document::new(StatusCode::BAD_REQUEST, "a body of JSON is needed"));
        }
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            let why = error.into_inner();
            match why.classify() {
                serde_json::error::Category::Data => {
                    let why = why.to_string();
                    Document::invalid(lacking(&path, &why).unwrap_or(path), why)
                }
                // What stands in the place of a word and is none is told as if it were no JSON.
                _ if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() => {
                    Document::invalid(path, "a value of another type is expected here")
                }
                _ => Document::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {why}")),
            }
        })?;
        reader.end().map_err(|why| Document::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {why}")))?;
        Ok(Body(value))
    }
}

/// The member that is said to be missing, below `path`.
fn lacking(path: &str, why: &str) -> Option<String> {
    let (member, _) = why.strip_prefix("missing field `")?.split_once('`')?;
    Some(if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") })
}

/// The text that stands for an error that axum has made by itself.
pub(super) fn spoken(answer: Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let plain = kind.is_none_or(|kind| kind.starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !plain {
        return answer;
    }
    let mut spoken = Document::new(status, status.canonical_reason().unwrap_or("Error")).into_response();
    if let Some(allow) = answer.headers().get(header::ALLOW) {
        spoken.headers_mut().insert(header::ALLOW, allow.clone());
    }
    spoken
}
