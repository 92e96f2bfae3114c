//! The demo provider's answer on its way to the client. No network, no key, the same head as any answer.
//!
//! It speaks Chat. For clients that speak something else its answer goes the way that any provider's goes.

use std::io::IoSlice;

use super::pipe::Frame;
use super::reach;
use super::reply::{self, Note};
use super::translate::Turned;
use super::wait::{Client, Gone};
use crate::http::head::Version;
use crate::http::write;
use crate::protocol::demo::Reply;
use crate::protocol::translate::{self, Stream};
use crate::record::{Entry, Tokens};
use crate::rt::Net;
use crate::sse;

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
        return stream(client, note, reply, ask.turned, version).await;
    }
    let mut body = Vec::new();
    reply.write(&mut body);
    let mut fields = Vec::new();
    if let Some(turned) = ask.turned {
        let Turned { mut answering, fields: dropped, .. } = *turned;
        let (response, _) = translate::read(&mut answering, &body).expect("the demo provider answers in form");
        body.clear();
        translate::write(answering.client, &response, &answering.opening, &mut body);
        fields = dropped;
    }
    reply::send(client, note, 200, "application/json", &body, &fields).await
}

async fn stream<N: Net>(
    client: &mut Client<N>,
    note: &mut Note,
    mut reply: Reply,
    turned: Option<Box<Turned>>,
    version: Version,
) -> Result<u64, Gone> {
    let frame = match version {
        Version::Http11 => Frame::Chunked,
        Version::Http10 => Frame::ToClose,
    };
    note.close |= frame == Frame::ToClose;
    let framing = turned.as_ref().and_then(|turned| turned.answering.opening.framing).unwrap_or(sse::Framing::Sse);
    let mut head = Vec::with_capacity(256);
    write::status_line(200, &mut head);
    write::field("content-type", translate::content_type(Some(framing)).as_bytes(), &mut head);
    write::field("cache-control", b"no-cache", &mut head);
    if let Some(turned) = &turned {
        head.extend_from_slice(&turned.fields);
    }
    reply::marks(note.id.as_ref(), note.cors, note.close, &mut head);
    if frame == Frame::Chunked {
        write::field("transfer-encoding", b"chunked", &mut head);
    }
    head.extend_from_slice(write::CRLF);
    let mut bytes = head.len() as u64;
    client.write(&mut [IoSlice::new(&head)], note.stall_ms).await?;
    let mut way_back = turned.map(|turned| Stream::new(turned.answering, sse::Framing::Sse));
    let (mut event, mut told) = (Vec::with_capacity(512), Vec::new());
    loop {
        let goes_on = reply.step(&mut event);
        match &mut way_back {
            Some(stream) if goes_on => stream.push(&event, &mut told),
            Some(stream) => stream.finish(&mut told),
            None => std::mem::swap(&mut event, &mut told),
        }
        if !told.is_empty() {
            bytes += send(client, note, frame, &told).await?;
        }
        event.clear();
        told.clear();
        if !goes_on {
            break;
        }
    }
    if frame == Frame::Chunked {
        client.write(&mut [IoSlice::new(write::LAST_CHUNK)], note.stall_ms).await?;
        bytes += write::LAST_CHUNK.len() as u64;
    }
    Ok(bytes)
}

/// Sends a part of the stream; how many bytes that took.
async fn send<N: Net>(client: &mut Client<N>, note: &Note, frame: Frame, part: &[u8]) -> Result<u64, Gone> {
    let (size, size_bytes) = write::chunk_head(part.len());
    let framed = frame == Frame::Chunked;
    let mut slices = [
        IoSlice::new(if framed { &size[..size_bytes] } else { b"" }),
        IoSlice::new(part),
        IoSlice::new(if framed { write::CRLF } else { b"" }),
    ];
    let bytes = slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
    client.write(&mut slices, note.stall_ms).await?;
    Ok(bytes)
}
