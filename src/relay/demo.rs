//! The demo provider's answer on its way to the client. No network, no key, the same head as any answer.

use std::io::IoSlice;

use super::pipe::Frame;
use super::reach;
use super::reply::{self, Note};
use super::wait::{Client, Gone};
use crate::http::head::Version;
use crate::http::write;
use crate::protocol::demo::Reply;
use crate::record::{Entry, Tokens};
use crate::rt::Net;

/// Answers, event by event where a stream was asked for. Returns the bytes written.
pub(super) async fn answer<N: Net>(
    client: &mut Client<N>,
    note: &mut Note,
    ask: reach::Demo,
    version: Version,
    entry: &mut Entry,
    start_us: u64,
) -> Result<u64, Gone> {
    let id = format!("chatcmpl-{}", entry.id.as_str());
    let reply = Reply::new(&ask.body, &id, entry.unix_ms / 1_000);
    let (input, output) = reply.usage();
    entry.tokens = Tokens { input, output, said: true, ..Tokens::default() };
    entry.first_byte_us = u32::try_from(client.core.net.now_us() - start_us).unwrap_or(u32::MAX - 1);
    entry.first_token_us = entry.first_byte_us;
    if reply.is_stream() {
        return stream(client, note, reply, version).await;
    }
    let mut body = Vec::new();
    reply.write(&mut body);
    reply::send(client, note, 200, "application/json", &body, b"").await
}

async fn stream<N: Net>(
    client: &mut Client<N>,
    note: &mut Note,
    mut reply: Reply,
    version: Version,
) -> Result<u64, Gone> {
    let frame = match version {
        Version::Http11 => Frame::Chunked,
        Version::Http10 => Frame::ToClose,
    };
    note.close |= frame == Frame::ToClose;
    let mut head = Vec::with_capacity(256);
    write::status_line(200, &mut head);
    write::field("content-type", b"text/event-stream; charset=utf-8", &mut head);
    write::field("cache-control", b"no-cache", &mut head);
    reply::marks(note.id.as_ref(), note.cors, note.close, &mut head);
    if frame == Frame::Chunked {
        write::field("transfer-encoding", b"chunked", &mut head);
    }
    head.extend_from_slice(write::CRLF);
    let mut bytes = head.len() as u64;
    client.write(&mut [IoSlice::new(&head)], note.stall_ms).await?;
    let mut event = Vec::with_capacity(512);
    while reply.step(&mut event) {
        let (size, size_bytes) = write::chunk_head(event.len());
        let framed = frame == Frame::Chunked;
        let mut slices = [
            IoSlice::new(if framed { &size[..size_bytes] } else { b"" }),
            IoSlice::new(&event),
            IoSlice::new(if framed { write::CRLF } else { b"" }),
        ];
        bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        client.write(&mut slices, note.stall_ms).await?;
        event.clear();
    }
    if frame == Frame::Chunked {
        client.write(&mut [IoSlice::new(write::LAST_CHUNK)], note.stall_ms).await?;
        bytes += write::LAST_CHUNK.len() as u64;
    }
    Ok(bytes)
}
