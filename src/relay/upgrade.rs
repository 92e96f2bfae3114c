//! The handshake of a WebSocket on the path of Responses (RFC 6455 §4.2).
//!
//! Whoever may not ask is refused here in HTTP. From then on the session's connection is a [`Socket`]: it reads requests
//! made of the client's messages, each with the path and the fields of the handshake, and serves them as it does all.

use std::io::IoSlice;

use super::core::Scratch;
use super::exchange::{Called, Exchange};
use super::session::After;
use super::wait::Client;
use crate::base::ascii;
use crate::http::body::Framing;
use crate::http::field::{Fields, Name, SOCKET_KEY};
use crate::http::head::{Method, RequestHead, Version};
use crate::http::write;
use crate::protocol::failure::Fault;
use crate::protocol::path::Endpoint;
use crate::protocol::responses::socket::{Greeting, Socket};
use crate::rt::{Net, Wire};
use crate::ws;

/// Whether the head asks for a WebSocket.
pub(super) fn is_asked(head: &RequestHead, fields: &Fields, input: &[u8]) -> bool {
    head.method == Method::Get && fields.members(input, Name::Upgrade).any(|to| to.eq_ignore_ascii_case(b"websocket"))
}

/// The head as the requests on the WebSocket have it, where it asks for one: those post.
pub(super) fn meant(head: &RequestHead, fields: &Fields, input: &[u8]) -> RequestHead {
    match is_asked(head, fields, input) {
        true => RequestHead { method: Method::Post, framing: Framing::Sized(0), ..*head },
        false => *head,
    }
}

/// Why a handshake is none: the status, what is wrong, and fields that say what is right.
type Wrong = (u16, &'static str, &'static str);

/// What the client has sent that it has to, as the value that answers its key.
fn accepted(head: &RequestHead, called: &Called, fields: &Fields, input: &[u8]) -> Result<String, Wrong> {
    if called.endpoint != Endpoint::Responses {
        return Err((405, "no WebSocket is spoken at this path", "allow: POST\r\n"));
    }
    let mut options = fields.connection_options(input);
    if head.version != Version::Http11 || !options.any(|option| option.eq_ignore_ascii_case(b"upgrade")) {
        return Err((400, "a WebSocket begins with `connection: upgrade` in HTTP/1.1", ""));
    }
    let value = |name: &[u8]| {
        let mut named = fields.iter().filter(|field| field.name.of(input).eq_ignore_ascii_case(name));
        named.next().map(|field| field.value.of(input))
    };
    if value(b"sec-websocket-version") != Some(b"13") {
        return Err((426, "of WebSocket version 13 is spoken", "upgrade: websocket\r\nsec-websocket-version: 13\r\n"));
    }
    if !matches!(head.framing, Framing::Empty | Framing::Sized(0)) {
        return Err((400, "a handshake has no body", ""));
    }
    let key = value(b"sec-websocket-key").and_then(ws::accept);
    key.ok_or((400, "`sec-websocket-key` is not 16 bytes in base64", ""))
}

/// The head of the requests that follow: that of the handshake, without what was about the connection.
fn repeated(head: &RequestHead, fields: &Fields, input: &[u8]) -> Vec<u8> {
    let mut target = head.path.of(input).to_vec();
    if let Some(query) = head.query {
        target.push(b'?');
        target.extend_from_slice(query.of(input));
    }
    let mut out = Vec::with_capacity(head.len + 128);
    write::request_line(b"POST", &target, &mut out);
    write::field("host", fields.value(input, Name::Host).unwrap_or_default(), &mut out);
    let starts = |name: &[u8], start: &[u8]| name.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    write::forward_fields(input, fields, &mut out, |field| {
        let (name, value) = (field.name.of(input), field.value.of(input));
        let is_bodys = starts(name, b"content-") || matches!(field.known, Name::Accept | Name::Expect);
        let is_handshakes = starts(name, b"sec-websocket-") || field.known == Name::Upgrade;
        // Says which WebSocket it is, and nothing to whom is asked by HTTP.
        let is_beta = starts(name, b"openai-beta") && memchr::memmem::find(value, b"responses_websockets").is_some();
        is_bodys || is_handshakes || is_beta
    });
    let key = fields.members(input, Name::SecWebSocketProtocol).find_map(|member| member.strip_prefix(SOCKET_KEY));
    if let Some(key) = key.filter(|_| fields.get(Name::Authorization).is_none()) {
        write::field("authorization", &[b"Bearer ", key].concat(), &mut out);
    }
    write::field("content-type", b"application/json", &mut out);
    write::field("accept", b"text/event-stream", &mut out);
    out
}

/// The answer to a handshake.
fn greeting(accept: &str, fields: &Fields, input: &[u8], id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write::status_line(101, &mut out);
    write::field("upgrade", b"websocket", &mut out);
    write::field("connection", b"Upgrade", &mut out);
    write::field("sec-websocket-accept", accept.as_bytes(), &mut out);
    let mut offered = fields.members(input, Name::SecWebSocketProtocol);
    if let Some(protocol) = offered.find(|one| !one.starts_with(SOCKET_KEY) && ascii::is_token(one)) {
        write::field("sec-websocket-protocol", protocol, &mut out);
    }
    write::field("x-request-id", id.as_bytes(), &mut out);
    out.extend_from_slice(write::CRLF);
    out
}

impl Exchange {
    /// Answers the handshake; the next requests are messages.
    pub(super) async fn upgrade<N: Net>(
        &mut self,
        client: &mut Client<N>,
        input: &mut Vec<u8>,
        head: &RequestHead,
        called: &Called,
        scratch: Box<Scratch>,
    ) -> After {
        let fields = &scratch.fields;
        let accept = match accepted(head, called, fields, input) {
            Ok(accept) => accept,
            Err((status, message, told)) => {
                client.core.take_back(scratch);
                self.note.close = true;
                return self.refuse_as(client, Fault::of_status(status), status, message, told.as_bytes()).await;
            }
        };
        let answer = greeting(&accept, fields, input, self.entry.id.as_str());
        let body_bytes = self.view.snapshot.limits.body_bytes;
        let mut socket = Socket::new(Greeting {
            head: repeated(head, fields, input),
            id: self.entry.id.as_str().to_owned(),
            unix_s: self.entry.unix_ms / 1_000,
            message_bytes_max: body_bytes,
        });
        client.core.take_back(scratch);
        // No request that anybody wants in a log: those are to come.
        self.is_told = false;
        if client.write(&mut [IoSlice::new(&answer)], self.note.stall_ms).await.is_err() {
            return After::Cut;
        }
        let Some(mut reserved) = client.core.reserve(0) else { return After::Cut };
        // What came early is the client's first words.
        socket.push(&input[head.len..]);
        input.clear();
        let ahead = client.take_ahead();
        socket.push(&ahead);
        client.core.slabs.give(ahead);
        client.stream = std::mem::replace(&mut client.stream, Wire::Nobody)
            .as_socket(socket, Box::new(move |bytes| reserved.resize(bytes)));
        After::Next
    }
}
