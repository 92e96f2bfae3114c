//! The demo provider's answer on its way to the client. No network, no key, the same head as any answer.
//!
//! It speaks Chat. For clients that speak something else its answer goes the way that any provider's goes. What goes
//! wrong with it, because the question wants that, is what would go wrong with a provider: before the answer begins the
//! next target is asked, behind that the client's dialect has an event for it.

use std::io::IoSlice;

use super::failure::{Failure, fault_of};
use super::pipe::{End, Frame};
use super::reach::{self, Prepared};
use super::reply::{self, Note};
use super::say::Said;
use super::translate::{self as said, Turned};
use super::wait::{Client, Gone};
use super::whole::{self, Whole};
use crate::http::head::Version;
use crate::http::write;
use crate::plan::retry;
use crate::plan::route::Target;
use crate::protocol::Dialect;
use crate::protocol::demo::{self, Reply, Step, Trouble};
use crate::protocol::failure::{self, Fault, Place};
use crate::protocol::translate::{self, Stream};
use crate::record::{Entry, Tokens};
use crate::rt::Net;
use crate::sse;

/// Seconds that the demo provider wants to be left alone where it has no room.
const RETRY_AFTER_S: u64 = 1;
/// What is said of an answer that breaks off.
const CUT: &str = "the provider's stream was cut short";

/// Asks it; what it says, or why it says nothing.
pub(super) fn ask<N: Net>(
    request: &Prepared<'_>,
    target: &Target<'_>,
    said: Option<Said<N>>,
    entry: &Entry,
) -> Result<reach::Demo, Failure> {
    let id = format!("chatcmpl-{}", entry.id.as_str());
    let body = said.as_ref().map_or(request.body, |said| &said.body);
    let reply = Reply::new(body, &id, entry.unix_ms / 1_000);
    match (reply.trouble(), reply.is_stream()) {
        (Some(Trouble::Status(status)), _) => return Err(refused(request, said.is_some(), status, entry)),
        (Some(Trouble::Event), false) => return Err(refused(request, said.is_some(), 500, entry)),
        (Some(Trouble::Empty), _) => return Err(Failure::broken(super::hold::EMPTY)),
        (Some(Trouble::Cut), false) => return Err(Failure::broken("its answer was cut short")),
        (Some(Trouble::Event | Trouble::Cut), true) | (None, _) => {}
    }
    let turned = said.map(|said| Box::new(said::told_by_demo(request, target, &said, entry)));
    Ok(reach::Demo { reply, turned })
}

/// The failure that an answer with this status is.
fn refused(request: &Prepared<'_>, translated: bool, status: u16, entry: &Entry) -> Failure {
    let (mut body, fault) = (Vec::new(), Fault::of_status(status));
    demo::error(fault, status, &mut body);
    let waits = matches!(status, 429 | 503 | 529);
    let hint_ms = waits.then_some(RETRY_AFTER_S * 1_000);
    let failure = Failure {
        verdict: retry::of_answer(status, &body, hint_ms).unwrap_or(retry::Verdict::FAILING),
        fault: fault_of(status),
        status,
        message: format!("it answered {status}").into(),
        body: (!matches!(status, 401 | 403 | 529)).then_some(body),
        retry_after: waits.then(|| RETRY_AFTER_S.to_string().into_bytes().into()),
        upstream_id: None,
    };
    if translated { said::failed(request, Dialect::Chat, failure, entry) } else { failure }
}

/// Answers, event by event where a stream was asked for. An error where nothing has been sent.
pub(super) async fn answer<N: Net>(
    client: &mut Client<N>,
    note: &mut Note,
    ask: reach::Demo,
    version: Version,
    entry: &mut Entry,
    start_us: u64,
) -> Result<End, Failure> {
    let reach::Demo { reply, turned } = ask;
    let (input, output) = reply.usage();
    entry.tokens = Tokens { input, output, said: true, ..Tokens::default() };
    entry.first_byte_us = u32::try_from(client.core.net.now_us() - start_us).unwrap_or(u32::MAX - 1);
    entry.first_token_us = entry.first_byte_us;
    let is_stream = reply.is_stream() && turned.as_ref().is_none_or(|turned| turned.compaction.is_none());
    if is_stream {
        let mut told = Told { client, note, reply, bytes: 0, frame: Frame::Chunked };
        let end = told.stream(turned, version).await.unwrap_or(End::Gone);
        entry.response_bytes = told.bytes;
        return Ok(end);
    }
    if client.pause_if(reply.pause_ms()).await.is_err() {
        return Ok(End::Gone);
    }
    let mut body = Vec::new();
    reply.write(&mut body);
    let (mut fields, mut framing) = (Vec::new(), None);
    if let Some(mut turned) = turned {
        let (response, seen) = translate::read(&mut turned.answering, &body)
            .map_err(|why| Failure::broken(format!("its answer cannot be read: {}", why.message)))?;
        body = whole::write(&turned, &Whole { response, seen, large: false })?;
        framing = turned.compaction.as_ref().and_then(said::framing);
        fields = turned.fields;
    }
    match reply::send(client, note, 200, translate::content_type(framing), &body, &fields).await {
        Ok(bytes) => {
            entry.response_bytes = bytes;
            Ok(End::Whole)
        }
        Err(Gone) => Ok(End::Gone),
    }
}

/// A stream on its way.
struct Told<'c, N: Net> {
    client: &'c mut Client<N>,
    note: &'c mut Note,
    reply: Reply,
    frame: Frame,
    bytes: u64,
}

impl<N: Net> Told<'_, N> {
    async fn stream(&mut self, turned: Option<Box<Turned>>, version: Version) -> Result<End, Gone> {
        if version == Version::Http10 {
            self.frame = Frame::ToClose;
            self.note.close = true;
        }
        let framing = turned.as_ref().and_then(|turned| turned.answering.opening.framing).unwrap_or(sse::Framing::Sse);
        let mut head = Vec::with_capacity(256);
        write::status_line(200, &mut head);
        write::field("content-type", translate::content_type(Some(framing)).as_bytes(), &mut head);
        write::field("cache-control", b"no-cache", &mut head);
        if let Some(turned) = &turned {
            head.extend_from_slice(&turned.fields);
        }
        reply::marks(self.note.id.as_ref(), self.note.cors, self.note.close, &mut head);
        head.extend_from_slice(b"x-accel-buffering: no\r\n");
        if self.frame == Frame::Chunked {
            write::field("transfer-encoding", b"chunked", &mut head);
        }
        head.extend_from_slice(write::CRLF);
        self.write(&mut [IoSlice::new(&head)]).await?;
        let end = match turned {
            None => self.own().await?,
            Some(turned) => self.translated(Stream::new(turned.answering, sse::Framing::Sse)).await?,
        };
        if self.frame == Frame::Chunked && matches!(end, End::Whole | End::Told) {
            self.write(&mut [IoSlice::new(write::LAST_CHUNK)]).await?;
        }
        Ok(end)
    }

    /// For a client that speaks Chat.
    async fn own(&mut self) -> Result<End, Gone> {
        let mut event = Vec::with_capacity(512);
        let mut events = 0;
        loop {
            self.client.pause_if(self.reply.pause_ms()).await?;
            match self.reply.step(&mut event) {
                Step::Event => events += 1,
                Step::Cut => {
                    let id = self.note.id.as_ref().map_or("", |id| id.as_str());
                    let place = Place { framing: sse::Framing::Sse, events, response_id: "" };
                    failure::write_event(Dialect::Chat, Fault::BadGateway, CUT, id, &place, &mut event);
                    self.part(&event).await?;
                    return Ok(End::Told);
                }
                Step::End if self.reply.trouble().is_some() => return Ok(End::Told),
                Step::End => return Ok(End::Whole),
            }
            self.part(&event).await?;
            event.clear();
        }
    }

    /// For a client that speaks another dialect.
    async fn translated(&mut self, mut stream: Box<Stream>) -> Result<End, Gone> {
        let (mut event, mut told) = (Vec::with_capacity(512), Vec::new());
        loop {
            self.client.pause_if(self.reply.pause_ms()).await?;
            match self.reply.step(&mut event) {
                Step::Event => stream.push(&event, &mut told),
                Step::Cut => stream.cut(Fault::BadGateway, CUT, &mut told),
                Step::End => stream.finish(&mut told),
            }
            self.part(&told).await?;
            match stream.seen().end {
                Some(translate::End::Whole) => return Ok(End::Whole),
                Some(translate::End::Failed(_)) if stream.is_failure_told() => return Ok(End::Told),
                Some(translate::End::Failed(_)) => return Ok(End::Broken),
                None => {}
            }
            event.clear();
            told.clear();
        }
    }

    /// Sends a part of the stream.
    async fn part(&mut self, part: &[u8]) -> Result<(), Gone> {
        if part.is_empty() {
            return Ok(());
        }
        let (size, size_bytes) = write::chunk_head(part.len());
        let framed = self.frame == Frame::Chunked;
        self.write(&mut [
            IoSlice::new(if framed { &size[..size_bytes] } else { b"" }),
            IoSlice::new(part),
            IoSlice::new(if framed { write::CRLF } else { b"" }),
        ])
        .await
    }

    async fn write(&mut self, slices: &mut [IoSlice<'_>]) -> Result<(), Gone> {
        self.bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        self.client.write(slices, self.note.stall_ms).await
    }
}
