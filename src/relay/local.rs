//! What weir answers by itself: probes, preflights, model lists.

use super::core::View;
use super::exchange::Called;
use crate::http::Fields;
use crate::http::head::Name;
use crate::json;
use crate::plan::route;
use crate::protocol::models::{self, Listed, Shape};
use crate::protocol::failure::{self, Fault};
use crate::protocol::path::Endpoint;

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
        Endpoint::Health => json(b"{\"status\":\"ok\"}".to_vec()),
        Endpoint::OllamaVersion => json(models::version()),
        Endpoint::Models => list(ask, shape(ask)),
        Endpoint::GeminiModels => list(ask, Shape::Gemini),
        Endpoint::OllamaTags => list(ask, Shape::Ollama),
        Endpoint::Model => one(ask, shape(ask), ask.called.model.as_deref()),
        Endpoint::GeminiModel => one(ask, Shape::Gemini, ask.called.model.as_deref()),
        Endpoint::OllamaShow => {
            let named = json::value(ask.body).ok().and_then(|()| json::find(ask.body, "model").or(json::find(ask.body, "name")));
            let named = named.and_then(json::Raw::as_str).map(|name| name.decode().into_owned());
            one(ask, Shape::Ollama, named.as_deref())
        }
        _ => Local { status: 200, content_type: "text/plain", body: Vec::new(), fields: Vec::new() },
    }
}

/// `/v1/models` speaks Anthropic to who names a version of it (clients.md).
fn shape(ask: &Ask<'_>) -> Shape {
    match ask.fields.get(Name::AnthropicVersion) {
        Some(_) => Shape::Anthropic,
        None => Shape::OpenAi,
    }
}

fn listed<'a>(ask: &Ask<'a>) -> Vec<Listed<'a>> {
    route::listed(&ask.view.snapshot, ask.called.client, ask.called.dialect, ask.called.provider)
}

fn list(ask: &Ask<'_>, shape: Shape) -> Local {
    let mut body = Vec::new();
    models::list(shape, listed(ask).into_iter(), &mut body);
    json(body)
}

fn one(ask: &Ask<'_>, shape: Shape, name: Option<&str>) -> Local {
    let found = name.and_then(|name| listed(ask).into_iter().find(|model| model.id == name));
    let mut body = Vec::new();
    match found {
        Some(model) => {
            models::one(shape, &model, &mut body);
            json(body)
        }
        None => {
            let fault = Fault::NotFound;
            failure::write(ask.called.dialect, fault, 404, "this model does not exist", ask.id, &mut body);
            Local { status: 404, ..json(body) }
        }
    }
}

/// A browser asks before it sends: whatever it wants to send is fine, the key decides (clients.md, CORS).
fn preflight(ask: &Ask<'_>) -> Local {
    let mut fields = b"access-control-allow-origin: *\r\naccess-control-allow-methods: GET, POST, HEAD, OPTIONS\r\n\
        access-control-max-age: 86400\r\n"
        .to_vec();
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

fn json(body: Vec<u8>) -> Local {
    Local { status: 200, content_type: "application/json", body, fields: Vec::new() }
}
