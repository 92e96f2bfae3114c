//! What weir answers by itself: probes, preflights, model lists.

use super::core::View;
use super::exchange::Called;
use crate::http::field::Fields;
use crate::http::head::{Name, RequestHead};
use crate::http::uri;
use crate::json;
use crate::plan::route;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::protocol::known;
use crate::protocol::models::{self, Listed};
use crate::protocol::path::{Call, Endpoint};

/// A request for weir itself.
pub(super) struct Ask<'a> {
    pub(super) view: &'a View,
    pub(super) called: &'a Called,
    pub(super) body: &'a [u8],
    pub(super) fields: &'a Fields,
    pub(super) input: &'a [u8],
    /// Whether the caller is on this machine.
    pub(super) is_local: bool,
    /// The id of the request, for errors.
    pub(super) id: &'a str,
}

/// Its answer.
pub(super) struct Local {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Further field lines.
    pub(super) fields: Vec<u8>,
}

/// Answers.
pub(super) fn answer(ask: &Ask<'_>) -> Local {
    match ask.called.endpoint {
        Endpoint::Options => preflight(ask),
        Endpoint::Root => root(ask),
        Endpoint::Health => json(|body| body.extend_from_slice(b"{\"status\":\"ok\"}")),
        Endpoint::Telemetry => json(|body| body.extend_from_slice(b"{}")),
        Endpoint::OllamaVersion => json(models::version),
        Endpoint::OllamaPs => json(models::running),
        Endpoint::Models | Endpoint::GeminiModels | Endpoint::OllamaTags => {
            json(|body| models::list(ask.called.dialect, listed(ask).iter().map(as_model), body))
        }
        Endpoint::Model | Endpoint::GeminiModel => {
            one(ask, ask.called.model.as_deref(), |model, body| models::one(ask.called.dialect, model, body))
        }
        Endpoint::OllamaShow => {
            let object = json::value(ask.body).ok().map(|()| ask.body);
            let named = object.and_then(|body| json::find(body, "model").or(json::find(body, "name")));
            let named = named.and_then(json::Raw::as_str).map(|name| name.decode().into_owned());
            one(ask, named.as_deref(), models::show)
        }
        _ => Local { status: 200, content_type: "text/plain", body: Vec::new(), fields: Vec::new() },
    }
}

/// What the caller speaks. The path of the list of models is that of several dialects: it speaks Anthropic to whoever
/// names a version of it, and Codex names its own (clients.md).
pub(super) fn dialect(call: &Call<'_>, head: &RequestHead, fields: &Fields, input: &[u8]) -> Dialect {
    let is_codex = || {
        let query = head.query.map(|span| span.of(input));
        query.is_some_and(|query| uri::query(query).any(|(name, _)| name == b"client_version"))
    };
    match call.endpoint {
        Endpoint::Models | Endpoint::Model if fields.get(Name::AnthropicVersion).is_some() => Dialect::Anthropic,
        Endpoint::Models if call.dialect == Dialect::Chat && is_codex() => Dialect::Responses,
        _ => call.dialect,
    }
}

fn listed<'a>(ask: &Ask<'a>) -> Vec<route::Listed<'a>> {
    route::listed(&ask.view.snapshot, ask.called.client, ask.called.dialect, ask.called.provider)
}

fn as_model<'a>(listed: &route::Listed<'a>) -> Listed<'a> {
    let released_unix_s = listed.released_unix_ms.unwrap_or(0) / 1_000;
    Listed { id: listed.id, owned_by: listed.owned_by, released_unix_s, known: known::find(listed.model) }
}

fn one(ask: &Ask<'_>, name: Option<&str>, write: impl Fn(&Listed<'_>, &mut Vec<u8>)) -> Local {
    match name.and_then(|name| listed(ask).iter().map(as_model).find(|model| model.id == name)) {
        Some(model) => json(|body| write(&model, body)),
        None => {
            let (fault, status) = (Fault::UnknownModel, Fault::UnknownModel.status(ask.called.dialect));
            let message = "this model does not exist";
            let told = json(|body| failure::write(ask.called.dialect, fault, status, message, ask.id, body));
            Local { status, ..told }
        }
    }
}

/// A browser asks before it sends: whatever it wants to send is fine, the key decides (clients.md, CORS).
fn preflight(ask: &Ask<'_>) -> Local {
    let mut fields =
        b"access-control-allow-methods: GET, POST, HEAD, OPTIONS\r\naccess-control-max-age: 86400\r\n".to_vec();
    match ask.fields.value(ask.input, Name::AccessControlRequestHeaders) {
        Some(asked) => crate::http::write::field("access-control-allow-headers", asked, &mut fields),
        None => crate::http::write::field("access-control-allow-headers", b"*", &mut fields),
    }
    Local { status: 204, content_type: "", body: Vec::new(), fields }
}

/// The admin address is nobody's business but this machine's (design §13).
fn root(ask: &Ask<'_>) -> Local {
    let mut body = b"weir is running.\n".to_vec();
    if ask.is_local {
        body.extend_from_slice(format!("Its admin address is {}.\n", ask.view.snapshot.admin.listen).as_bytes());
    }
    Local { status: 200, content_type: "text/plain; charset=utf-8", body, fields: Vec::new() }
}

fn json(write: impl FnOnce(&mut Vec<u8>)) -> Local {
    let mut body = Vec::new();
    write(&mut body);
    Local { status: 200, content_type: "application/json", body, fields: Vec::new() }
}
