//! A request of the web UI to the relay itself, so that a page of the admin address need not reach another one.
//!
//! It goes to a listener of this process and nowhere else, as any client's would, over TLS where that listens so; the answer's bytes come back as they
//! come in. Whoever leaves ends the request.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::body::Body as Payload;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use utoipa::ToSchema;

use super::problem::{Body, Document};
use crate::config::Snapshot;
use crate::control::Shared;
use crate::tls::ServerName;

/// A request to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// `chat`, `responses`, `anthropic`, `gemini` or `ollama`.
    dialect: String,
    /// Where on the relay, `/v1/chat/completions`. Default: the dialect's own, but Gemini's, which names the model.
    path: Option<String>,
    /// Whose key is presented, by name, where the file holds it in the clear.
    client: Option<String>,
    /// The key that is presented.
    key: Option<String>,
    /// The body.
    #[schema(value_type = Object)]
    body: Value,
}

/// Send a request to the relay
///
/// The answer is the relay's own, byte by byte; its status is in `x-weir-status`.
#[utoipa::path(post, path = "/api/playground", tag = "live", request_body = Ask,
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = "4XX", body = Document, content_type = "application/problem+json"),
        (status = 502, body = Document, content_type = "application/problem+json")))]
pub(super) async fn ask(State(shared): State<Arc<Shared>>, Body(ask): Body<Ask>) -> Result<Response, Document> {
    let path = path_of(&ask)?;
    let snapshot = shared.snapshot.load_full();
    let key = key_of(&snapshot, &ask)?;
    let mut request = hyper::Request::post(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "weir-playground");
    if ask.dialect == "anthropic" {
        request = request.header("anthropic-version", "2023-06-01");
    }
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, key);
    }
    let request = request.body(Payload::from(ask.body.to_string()));
    let request = request.map_err(|error| Document::invalid("path", error.to_string()))?;
    let answer = send(&shared, &snapshot, request).await?;
    let (head, body) = answer.into_parts();
    let mut told = Response::new(Payload::new(body));
    told.headers_mut().insert("x-weir-status", HeaderValue::from(head.status.as_u16()));
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
        told.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(told)
}

fn path_of(ask: &Ask) -> Result<String, Document> {
    let own = match ask.dialect.as_str() {
        "chat" => "/v1/chat/completions",
        "responses" => "/v1/responses",
        "anthropic" => "/v1/messages",
        "ollama" => "/api/chat",
        "gemini" => "",
        _ => return Err(Document::invalid("dialect", "it is chat, responses, anthropic, gemini or ollama")),
    };
    let path = ask.path.as_deref().unwrap_or(own);
    // Only a path: whatever else a target may be would not lead here.
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if path.starts_with('/') && plain && path.len() <= 1_024 {
        Ok(path.to_owned())
    } else {
        Err(Document::invalid("path", "a path on the relay is needed, as /v1/chat/completions"))
    }
}

fn key_of(snapshot: &Snapshot, ask: &Ask) -> Result<Option<HeaderValue>, Document> {
    let bearer = |key: &[u8]| {
        let value = HeaderValue::from_bytes(&[b"Bearer ", key].concat());
        let mut value = value.map_err(|_| Document::invalid("key", "it is no key"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    };
    match (&ask.key, &ask.client) {
        (Some(key), _) => bearer(key.as_bytes()),
        (None, None) => Ok(None),
        (None, Some(name)) => match snapshot.clients.iter().find(|client| *client.name == **name) {
            None => Err(Document::invalid("client", "there is no client of this name")),
            Some(client) if client.hashed => {
                Err(Document::invalid("key", "of this client's key only the digest is known: give the key"))
            }
            Some(client) => bearer(client.key.expose()),
        },
    }
}

/// Sends a request to a listener of this process.
async fn send(
    shared: &Shared,
    snapshot: &Snapshot,
    request: hyper::Request<Payload>,
) -> Result<Response<hyper::body::Incoming>, Document> {
    let addresses = (shared.listening_on)();
    let unix = addresses.iter().find_map(|address| address.strip_prefix("unix:"));
    let tcp = addresses.iter().find_map(|address| address.parse::<std::net::SocketAddr>().ok());
    let unreached = |error: std::io::Error| Document::new(StatusCode::BAD_GATEWAY, format!("the relay: {error}"));
    let stream = match (unix, tcp) {
        (Some(path), _) => {
            return over(tokio::net::UnixStream::connect(path).await.map_err(unreached)?, request).await;
        }
        (None, Some(address)) => tokio::net::TcpStream::connect(here(address)).await.map_err(unreached)?,
        (None, None) => return Err(Document::new(StatusCode::CONFLICT, "the relay listens nowhere")),
    };
    match &snapshot.tls {
        None => over(stream, request).await,
        Some(identity) => {
            let connector = TlsConnector::from(Arc::new(identity.to_itself()));
            let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
            over(connector.connect(name, stream).await.map_err(unreached)?, request).await
        }
    }
}

/// An address as this machine reaches it.
fn here(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: hyper::Request<Payload>,
) -> Result<Response<hyper::body::Incoming>, Document> {
    let broken = |error: hyper::Error| Document::new(StatusCode::BAD_GATEWAY, format!("the relay: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends when the answer has ended or is dropped.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender.send_request(request).await.map_err(broken)
}
