//! The heads weir writes: the request's for the upstream, the answer's for the client.
//!
//! A head is made of the other side's own field lines, byte for byte, less what belongs to one connection
//! (RFC 9110 §7.6.1), less every credential, plus what this hop has to say. Framing is always our own.

use std::ops::Range;

use super::aside;
use super::attempt::Answered;
use super::pipe::Frame;
use super::reach::Found;
use super::reply;
use super::wait::Client;
use crate::base::id::RequestId;
use crate::config::snapshot::{Key, Provider};
use crate::http::field::{Fields, Name, is_credential};
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::write;
use crate::limits;
use crate::protocol::address::{self, Upstream};
use crate::protocol::path::Call;
use crate::protocol::{Dialect, Protocol, sniff};
use crate::rt::Net;

/// What the upstream's request head is made from.
pub(super) struct Request<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) fields: &'a Fields,
    /// The buffer that the spans of `head` and `fields` lie in.
    pub(super) input: &'a [u8],
    pub(super) call: &'a Call<'a>,
    /// What the target speaks.
    pub(super) protocol: Protocol,
    /// The model as the target names it.
    pub(super) model: &'a str,
    /// Whether the body goes out decoded, so that its coding no longer holds.
    pub(super) decoded: bool,
}

/// Anthropic requires the field; 2023-06-01 is the version its documentation gives for all clients.
pub(super) const ANTHROPIC_VERSION: &[u8] = b"anthropic-version: 2023-06-01\r\n";

/// Writes the request head for `provider` with `key`'s credential and a body of `body_bytes`.
pub(super) fn request(request: &Request<'_>, provider: &Provider, key: &Key, body_bytes: usize, out: &mut Vec<u8>) {
    let Request { head, fields, input, .. } = *request;
    out.extend_from_slice(head.method.text(input));
    out.push(b' ');
    let query = head.query.map_or(&b""[..], |span| span.of(input));
    let upstream = Upstream {
        base_path: &provider.base.path,
        versioned: provider.base.versioned,
        api_version: &provider.api_version,
    };
    address::target(request.call, request.protocol, &upstream, request.model, query, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write::field("host", provider.base.authority.as_bytes(), out);
    let is_replaced = |name: &[u8]| key.headers.iter().any(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()));
    write::forward_fields(input, fields, out, |field| {
        is_credential(field)
            || matches!(field.known, Name::Cookie | Name::AcceptEncoding | Name::Origin | Name::ProxyAuthorization)
            || (request.decoded && field.known == Name::ContentEncoding)
            || is_replaced(field.name.of(input))
    });
    out.extend_from_slice(b"accept-encoding: identity\r\n");
    out.extend_from_slice(key.auth_for(request.protocol).expose());
    if request.protocol == Protocol::Anthropic && fields.get(Name::AnthropicVersion).is_none() {
        out.extend_from_slice(ANTHROPIC_VERSION);
    }
    own_fields(key, fields, input, out);
    write::field_number("content-length", body_bytes as u64, out);
    out.extend_from_slice(b"\r\n");
}

/// The fields that the configuration gives `key`.
pub(super) fn own_fields(key: &Key, fields: &Fields, input: &[u8], out: &mut Vec<u8>) {
    for (name, value) in &key.headers {
        match value.expose().strip_prefix(b"$") {
            None => write::field(name, value.expose(), out),
            // `$Name` copies the client's own field, where it sent one.
            Some(copied) => {
                let mut sent = fields.iter().filter(|field| field.name.of(input).eq_ignore_ascii_case(copied));
                if let Some(field) = sent.next() {
                    write::field(name, field.value.of(input), out);
                }
            }
        }
    }
}

/// Whether an answer that is there whole is too large to be gone through at once.
pub(super) fn is_large<S>(answered: &Answered<S>) -> bool {
    answered.stream.is_none() && answered.ended && answered.payload.len() > limits::SAID_AT_ONCE_BYTES_MAX
}

/// Puts `name`, a JSON string, in the place of the model's name in an answer that is there whole.
pub(super) fn rename<S>(answered: &mut Answered<S>, dialect: Dialect, name: &[u8]) {
    if answered.stream.is_none() && answered.ended {
        renamed(&mut answered.buffer, &mut answered.payload, dialect, name);
    }
}

/// The same of a large answer with the name that it is to carry, by a thread of its own.
pub(super) async fn rename_large<N: Net>(client: &Client<N>, found: &mut Found<N::Stream>, dialect: Dialect) {
    let Found { answered, name: Some(name), .. } = found else { return };
    let (mut buffer, mut payload, name) =
        (std::mem::take(&mut answered.buffer), answered.payload.clone(), name.to_vec());
    let job = move || {
        renamed(&mut buffer, &mut payload, dialect, &name);
        (buffer, payload)
    };
    if let Some((buffer, payload)) = aside::run(client, job).await {
        (answered.buffer, answered.payload) = (buffer, payload);
    }
}

fn renamed(buffer: &mut Vec<u8>, payload: &mut Range<usize>, dialect: Dialect, name: &[u8]) {
    // The last read may have gone beyond what is held for this.
    if payload.len() <= limits::RENAMED_BYTES_MAX
        && let Some(body) = sniff::renamed(dialect, &buffer[payload.clone()], name)
    {
        buffer.truncate(payload.start);
        buffer.extend_from_slice(&body);
        payload.end = buffer.len();
    }
}

/// What the client's answer head is made from.
pub(super) struct Answer<'a> {
    pub(super) head: &'a ResponseHead,
    pub(super) fields: &'a Fields,
    pub(super) buffer: &'a [u8],
    pub(super) id: &'a RequestId,
    pub(super) frame: Frame,
    /// The length to name where `frame` is sized.
    pub(super) bytes: u64,
    pub(super) streamed: bool,
    pub(super) cors: bool,
    pub(super) close: bool,
}

/// The field by which a client is told what the upstream calls its request.
pub(super) const UPSTREAM_ID: &str = "x-upstream-request-id";

/// What the upstream calls a request: `x-request-id` of OpenAI and most others, `request-id` of Anthropic.
pub(super) fn upstream_id<'b>(buffer: &'b [u8], fields: &Fields) -> Option<&'b [u8]> {
    fields.value(buffer, Name::XRequestId).or_else(|| fields.value(buffer, Name::RequestId))
}

/// Writes the answer's head for the client.
pub(super) fn answer(answer: &Answer<'_>, out: &mut Vec<u8>) {
    let Answer { fields, buffer, .. } = *answer;
    write::status_line(answer.head.status, out);
    write::forward_fields(buffer, fields, out, |field| {
        let name = field.name.of(buffer);
        // A cookie or a policy of the provider's host is not for ours, and its CORS answer is not for our page.
        matches!(field.known, Name::SetCookie | Name::XRequestId)
            || name.eq_ignore_ascii_case(b"alt-svc")
            || name.eq_ignore_ascii_case(b"strict-transport-security")
            || name.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"access-control-"))
    });
    if let Some(id) = upstream_id(buffer, fields) {
        write::field(UPSTREAM_ID, id, out);
    }
    reply::marks(Some(answer.id), answer.cors, answer.close, out);
    if answer.streamed {
        // An nginx in front of us would otherwise collect the stream.
        out.extend_from_slice(b"x-accel-buffering: no\r\n");
    }
    match answer.frame {
        Frame::Sized if answer.head.status != 204 => write::field_number("content-length", answer.bytes, out),
        Frame::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Frame::Sized | Frame::ToClose => {}
    }
    out.extend_from_slice(b"\r\n");
}
