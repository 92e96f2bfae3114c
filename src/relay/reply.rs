//! Answers of our own: errors in the caller's dialect, lists, probes.

use std::io::IoSlice;

use super::wait::{Client, Gone};
use crate::base::id::RequestId;
use crate::http::write;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::rt::Net;

/// What an answer of ours has to know of the request.
#[derive(Clone, Copy)]
pub(super) struct Note {
    /// The dialect errors are written in.
    pub(super) dialect: Dialect,
    /// Named in the answer, where the request got as far as having one.
    pub(super) id: Option<RequestId>,
    /// Whether the connection ends with this answer.
    pub(super) close: bool,
    /// Whether the request was a HEAD: the head of the answer alone goes out.
    pub(super) head_only: bool,
    /// Whether the request came from a page (it had an Origin).
    pub(super) cors: bool,
    /// Seconds after which to come again.
    pub(super) retry_after_s: Option<u64>,
    /// Milliseconds that a write may stand still.
    pub(super) stall_ms: u32,
}

impl Note {
    /// For a request that could not be read: the connection ends.
    pub(super) fn closing(dialect: Dialect, id: RequestId) -> Note {
        Note { dialect, id: Some(id), close: true, head_only: false, cors: false, retry_after_s: None, stall_ms: 5_000 }
    }
}

/// Writes an error in the caller's dialect.
pub(super) async fn fault<N: Net>(
    client: &mut Client<N>,
    note: &Note,
    fault: Fault,
    message: &str,
) -> Result<u64, Gone> {
    fault_as(client, note, fault, fault.status(note.dialect), message, b"").await
}

/// As `fault`, under another status than the fault's own, with further field lines.
pub(super) async fn fault_as<N: Net>(
    client: &mut Client<N>,
    note: &Note,
    fault: Fault,
    status: u16,
    message: &str,
    fields: &[u8],
) -> Result<u64, Gone> {
    let mut body = Vec::with_capacity(256 + message.len());
    let id = note.id.as_ref().map_or("", RequestId::as_str);
    failure::write(note.dialect, fault, status, message, id, &mut body);
    send(client, note, status, "application/json", &body, fields).await
}

/// Writes a whole answer. `fields` are further field lines, each with its CRLF. Returns the bytes written.
pub(super) async fn send<N: Net>(
    client: &mut Client<N>,
    note: &Note,
    status: u16,
    content_type: &str,
    body: &[u8],
    fields: &[u8],
) -> Result<u64, Gone> {
    let mut head = Vec::with_capacity(256 + fields.len());
    write::status_line(status, &mut head);
    if status != 204 {
        write::field("content-type", content_type.as_bytes(), &mut head);
        write::field_number("content-length", body.len() as u64, &mut head);
    }
    marks(note.id.as_ref(), note.cors, note.close, &mut head);
    if let Some(seconds) = note.retry_after_s {
        write::field_number("retry-after", seconds, &mut head);
    }
    head.extend_from_slice(fields);
    head.extend_from_slice(b"\r\n");
    let body = if note.head_only { &[][..] } else { body };
    let bytes = (head.len() + body.len()) as u64;
    client.write(&mut [IoSlice::new(&head), IoSlice::new(body)], note.stall_ms).await.map(|()| bytes)
}

/// The field lines that every answer carries.
pub(super) fn marks(id: Option<&RequestId>, cors: bool, close: bool, head: &mut Vec<u8>) {
    if let Some(id) = id {
        write::field_token("x-request-id", id.as_bytes(), head);
    }
    if cors {
        head.extend_from_slice(
            b"access-control-allow-origin: *\r\naccess-control-expose-headers: x-request-id, x-upstream-request-id, x-weir-dropped, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens\r\n",
        );
    }
    if close {
        head.extend_from_slice(b"connection: close\r\n");
    }
}
