//! The answer of a translated exchange: the provider's bytes in, the client's frames out.
//!
//! What has arrived is written in the same turn, and the provider is read again once that is out, so a slow client holds
//! the provider back. Between two reads no buffer is held, only what the translation itself remembers. A stream that
//! breaks off is ended by the dialect's error event where it has one, else its framing is broken off; the end mark comes
//! from a whole answer alone.

use std::io::IoSlice;
use std::ops::Range;
use std::rc::Rc;

use super::aside;
use super::attempt::{Answered, NoAnswer};
use super::core::{Core, Scratch};
use super::exchange::{Exchange, micros};
use super::failure::Failure;
use super::outgoing;
use super::pipe::{End, Frame};
use super::reach::Found;
use super::reply;
use super::session::After;
use super::translate::Turned;
use super::upstream::Lane;
use super::wait::{Client, Gone, Interest, Wake};
use super::whole::{self, Whole};
use super::{placed, unboxed};
use crate::config::snapshot::ProviderIx;
use crate::http::body::{Decoder, State};
use crate::http::head::Version;
use crate::http::write::{self, chunk_head};
use crate::limits;
use crate::protocol::failure::Fault;
use crate::protocol::ir::BadUpstream;
use crate::protocol::responses::compact::Form;
use crate::protocol::translate::{self, Answering, Collector, Seen, Stream};
use crate::record::Outcome;
use crate::rt::{Net, sys};
use crate::sse::Framing;

/// Room in front of what is written, for the head of its chunk.
const ROOM: usize = 18;

/// The upstream's side of an answer under way.
struct Source<S> {
    lane: Lane<S>,
    decoder: Decoder,
    ended: bool,
    reusable: bool,
    /// How long it has said nothing.
    quiet_ms: u32,
}

/// A stream on its way.
struct Turn<'c, N: Net> {
    client: &'c mut Client<N>,
    stream: Box<Stream>,
    frame: Frame,
    idle_ms: u32,
    ping_ms: u32,
    stall_ms: u32,
    start_us: u64,
    bytes: u64,
    first_token_us: Option<u64>,
}

impl Exchange {
    /// Passes on the answer to a translated request.
    pub(super) async fn turn<N: Net>(
        &mut self,
        client: &mut Client<N>,
        found: Box<Found<N::Stream>>,
        mut turned: Box<Turned>,
        version: Version,
        scratch: Box<Scratch>,
    ) -> After {
        let core = Rc::clone(&client.core);
        let Found { answered, mut trial, provider, reused, measured, .. } = unboxed(found);
        self.entry.reused = reused;
        self.entry.first_byte_us = micros(core.net.now_us() - self.start_us);
        self.note.close |= core.is_draining() || self.entry.streamed && version == Version::Http10;
        if let Some(id) = outgoing::upstream_id(&answered.buffer, &scratch.answer) {
            write::field(outgoing::UPSTREAM_ID, id, &mut turned.fields);
        }
        core.take_back(scratch);
        trial.began(&core, self.entry.model_sent.as_str());
        let streams = self.entry.streamed && turned.compaction.is_none();
        // Boxed, for what whole answers hold is no part of an open stream.
        let (end, after) = match (streams, turned.whole.is_some()) {
            (true, false) => self.turn_stream(client, answered, turned, version, provider).await,
            (true, true) => placed(|| self.replay(client, answered, turned, version, provider)).await,
            (false, _) => placed(|| self.turn_whole(client, answered, turned, provider)).await,
        };
        trial.ended(&core, self.entry.model_sent.as_str(), end);
        if let Some(measured) = measured {
            // An answer that says nothing, or is no stream, has its first token with its first byte.
            let first_us = self.entry.first_token_us.min(micros(core.net.now_us() - self.start_us));
            let first_us = if self.entry.streamed { first_us } else { self.entry.first_byte_us };
            measured.tell(&core, &trial, self.start_us + u64::from(first_us));
        }
        after
    }

    async fn turn_stream<N: Net>(
        &mut self,
        client: &mut Client<N>,
        answered: Box<Answered<N::Stream>>,
        turned: Box<Turned>,
        version: Version,
        provider: ProviderIx,
    ) -> (End, After) {
        let Turned { answering, fields, .. } = unboxed(turned);
        let (frame, head) = self.stream_head(&answering, &fields, version);
        let stream = Stream::new(answering, answered.stream.unwrap_or(Framing::Sse));
        let mut turn = self.turning(client, stream, frame, provider);
        let end = turn.pass(answered, head).await;
        (end, self.told(turn, end))
    }

    /// A whole answer, told as a stream.
    async fn replay<N: Net>(
        &mut self,
        client: &mut Client<N>,
        answered: Box<Answered<N::Stream>>,
        turned: Box<Turned>,
        version: Version,
        provider: ProviderIx,
    ) -> (End, After) {
        release(client, answered);
        let Turned { answering, whole, fields, .. } = unboxed(turned);
        let Some(whole) = whole else { return (End::Broken, self.ended(200, End::Broken)) };
        let (frame, head) = self.stream_head(&answering, &fields, version);
        let stream = Stream::new(answering, Framing::Sse);
        let out = room(&client.core);
        let Some((stream, out)) = whole::replayed(client, stream, whole, out).await else {
            return (End::Broken, self.ended(200, End::Broken));
        };
        let mut turn = self.turning(client, stream, frame, provider);
        turn.note_token();
        let end = match turn.write(&head, out).await {
            Ok(end) => end.unwrap_or(End::Broken),
            Err(Gone) => End::Gone,
        };
        (end, self.told(turn, end))
    }

    fn turning<'c, N: Net>(
        &self,
        client: &'c mut Client<N>,
        stream: Box<Stream>,
        frame: Frame,
        provider: ProviderIx,
    ) -> Turn<'c, N> {
        client.core.tally.streams_open.add(1);
        Turn {
            client,
            stream,
            frame,
            idle_ms: self.view.snapshot.providers[usize::from(provider)].timeouts.stream_idle_ms,
            ping_ms: self.view.snapshot.timeouts.ping_ms,
            stall_ms: self.note.stall_ms,
            start_us: self.start_us,
            bytes: 0,
            first_token_us: None,
        }
    }

    /// The stream that [`Exchange::turning`] began has ended so.
    fn told<N: Net>(&mut self, turn: Turn<'_, N>, end: End) -> After {
        let tally = &turn.client.core.tally;
        tally.streams_open.sub(1);
        self.entry.response_bytes = turn.bytes;
        if let Some(us) = turn.first_token_us {
            self.entry.first_token_us = micros(us);
        }
        self.saw(turn.stream.seen(), tally);
        self.ended(200, end)
    }

    async fn turn_whole<N: Net>(
        &mut self,
        client: &mut Client<N>,
        answered: Box<Answered<N::Stream>>,
        mut turned: Box<Turned>,
        provider: ProviderIx,
    ) -> (End, After) {
        let read = match turned.whole.take() {
            Some(whole) => {
                release(client, answered);
                Ok(whole)
            }
            None => {
                let idle_ms = self.view.snapshot.providers[usize::from(provider)].timeouts.stream_idle_ms;
                collect(client, answered, &mut turned.answering, idle_ms).await
            }
        };
        let told = match read {
            Err(why) => Err(why),
            Ok(whole) => {
                self.saw(&whole.seen, &client.core.tally);
                match whole::written(client, turned, whole).await {
                    Ok((back, told)) => {
                        turned = back;
                        told.map_err(NoAnswer::Failed)
                    }
                    Err(failure) => return (End::Told, self.fail(client, failure, provider).await),
                }
            }
        };
        match (told, turned.compaction.as_ref().filter(|compaction| compaction.form == Form::Events)) {
            (Ok(body), events) => {
                self.settle(200, Outcome::Ok);
                let kind = translate::content_type(events.map(|_| Framing::Sse));
                let sent = reply::send(client, &self.note, 200, kind, &body, &turned.fields).await;
                (End::Whole, self.after(sent))
            }
            (Err(NoAnswer::Failed(failure)), Some(events)) => {
                let mut body = Vec::new();
                events.failed(&failure.message, &turned.answering.opening, &mut body);
                self.settle(200, Outcome::Cut);
                let kind = translate::content_type(Some(Framing::Sse));
                let sent = reply::send(client, &self.note, 200, kind, &body, &turned.fields).await;
                (End::Told, self.after(sent))
            }
            (Err(NoAnswer::Failed(failure)), None) => (End::Told, self.fail(client, failure, provider).await),
            (Err(NoAnswer::Gone), _) => {
                self.settle(499, Outcome::ClientGone);
                (End::Gone, After::Cut)
            }
        }
    }

    fn saw(&mut self, seen: &Seen, tally: &crate::record::Tally) {
        self.entry.tokens = seen.usage.into();
        tally.events_skipped.add(u64::from(seen.skipped));
    }

    /// How the body of a stream is framed for a client of this version, and the head in front of it.
    fn stream_head(&self, answering: &Answering, fields: &[u8], version: Version) -> (Frame, Vec<u8>) {
        let frame = if version == Version::Http11 { Frame::Chunked } else { Frame::ToClose };
        let mut head = Vec::with_capacity(384 + fields.len());
        write::status_line(200, &mut head);
        write::field("content-type", translate::content_type(answering.opening.framing).as_bytes(), &mut head);
        head.extend_from_slice(b"cache-control: no-cache\r\n");
        reply::marks(self.note.id.as_ref(), self.note.cors, self.note.close, &mut head);
        head.extend_from_slice(fields);
        // An nginx in front of us would otherwise collect the stream.
        head.extend_from_slice(b"x-accel-buffering: no\r\n");
        if frame == Frame::Chunked {
            head.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        head.extend_from_slice(write::CRLF);
        (frame, head)
    }
}

impl<N: Net> Turn<'_, N> {
    /// A provider's stream.
    async fn pass(&mut self, answered: Box<Answered<N::Stream>>, mut head: Vec<u8>) -> End {
        let Answered { lane, buffer, decoder, payload, ended, reusable, .. } = unboxed(answered);
        let mut source = Source { lane, decoder, ended, reusable, quiet_ms: 0 };
        let mut taken = match self.stream.is_work(&buffer[payload.clone()], ended) {
            true => Box::pin(self.take_aside(buffer, payload, ended)).await,
            false => Some(self.take(buffer, payload, ended)),
        };
        let end = loop {
            let Some(out) = taken else { break End::Broken };
            match self.write(&head, out).await {
                Err(Gone) => break End::Gone,
                Ok(Some(end)) => break end,
                Ok(None) => head = Vec::new(),
            }
            taken = match self.next(&mut source).await {
                Err(Gone) => break End::Gone,
                Ok(taken) => taken,
            };
        };
        if end == End::Whole && self.client.drained(&mut source).await {
            self.client.core.lanes.give(source.lane, self.client.core.now_ms());
        }
        end
    }

    /// Takes payload of the provider's; gives what the client gets for it.
    fn take(&mut self, buffer: Vec<u8>, range: Range<usize>, last: bool) -> Vec<u8> {
        let mut out = self.room();
        push(&mut self.stream, &buffer[range], last, &mut out);
        self.client.core.slabs.give(buffer);
        self.note_token();
        out
    }

    /// The same by a thread of its own; nothing where that broke.
    async fn take_aside(&mut self, buffer: Vec<u8>, range: Range<usize>, last: bool) -> Option<Vec<u8>> {
        let (mut out, mut stream) = (self.room(), std::mem::replace(&mut self.stream, Stream::nobodys()));
        let job = move || {
            push(&mut stream, &buffer[range], last, &mut out);
            (stream, out, buffer)
        };
        let (stream, out, buffer) = aside::run(self.client, job).await?;
        self.client.core.slabs.give(buffer);
        self.stream = stream;
        self.note_token();
        Some(out)
    }

    /// Waits for more from the provider; gives what the client gets for it.
    async fn next(&mut self, source: &mut Source<N::Stream>) -> Result<Option<Vec<u8>>, Gone> {
        loop {
            let left_ms = self.idle_ms.saturating_sub(source.quiet_ms);
            let wait_ms = if self.ping_ms == 0 { left_ms } else { left_ms.min(self.ping_ms) };
            match self.client.more(source, wait_ms).await? {
                More::Nothing => {}
                // Boxed: rare, and no reason for every stream to have room for it.
                More::Bytes(buffer, range) if self.stream.is_work(&buffer[range.clone()], source.ended) => {
                    return Ok(Box::pin(self.take_aside(buffer, range, source.ended)).await);
                }
                More::Bytes(buffer, range) => return Ok(Some(self.take(buffer, range, source.ended))),
                More::Cut(message) => {
                    let mut out = self.room();
                    self.stream.cut(Fault::BadGateway, message, &mut out);
                    return Ok(Some(out));
                }
                More::Quiet => {
                    source.quiet_ms = source.quiet_ms.saturating_add(wait_ms);
                    let mut out = self.room();
                    match source.quiet_ms >= self.idle_ms {
                        true => self.stream.cut(Fault::Timeout, "the provider's stream stood still", &mut out),
                        false => self.stream.ping(&mut out),
                    }
                    return Ok(Some(out));
                }
            }
        }
    }

    fn room(&self) -> Vec<u8> {
        room(&self.client.core)
    }

    fn note_token(&mut self) {
        if self.first_token_us.is_none() && self.stream.seen().spoke {
            self.first_token_us = Some(self.client.core.net.now_us() - self.start_us);
        }
    }

    /// How the answer ends, once it has.
    fn end(&self) -> Option<End> {
        self.stream.seen().end.map(|end| match end {
            translate::End::Whole => End::Whole,
            translate::End::Failed(_) if self.stream.is_failure_told() => End::Told,
            translate::End::Failed(_) => End::Broken,
        })
    }

    /// Writes `out`, behind `head` where that has not gone yet. Gives the end, if this was it.
    async fn write(&mut self, head: &[u8], mut out: Vec<u8>) -> Result<Option<End>, Gone> {
        let end = self.end();
        let size = out.len() - ROOM;
        let mut start = ROOM;
        if self.frame == Frame::Chunked {
            if size > 0 {
                let (text, length) = chunk_head(size);
                start -= length;
                out[start..ROOM].copy_from_slice(&text[..length]);
                out.extend_from_slice(write::CRLF);
            }
            if matches!(end, Some(End::Whole | End::Told)) {
                out.extend_from_slice(write::LAST_CHUNK);
            }
        }
        self.bytes += (head.len() + out.len() - start) as u64;
        let mut slices = [IoSlice::new(head), IoSlice::new(&out[start..])];
        // Empty slices cost the kernel as much as full ones.
        let slices = if head.is_empty() { &mut slices[1..] } else { &mut slices[..] };
        if out.len() > start || !head.is_empty() {
            self.client.write(slices, self.stall_ms).await?;
        }
        self.client.core.slabs.give(out);
        Ok(end)
    }
}

fn push(stream: &mut Stream, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    stream.push(bytes, out);
    if last {
        stream.finish(out);
    }
}

/// An empty buffer to write into, with room in front.
fn room<N: Net>(core: &Core<N>) -> Vec<u8> {
    let mut out = core.slabs.take();
    out.resize(ROOM, 0);
    out
}

/// What waiting for an upstream brought.
enum More {
    /// Payload in this part of the buffer; may be empty.
    Bytes(Vec<u8>, std::ops::Range<usize>),
    /// A wait that was for nothing.
    Nothing,
    /// It has said nothing for so long.
    Quiet,
    /// Its message broke off.
    Cut(&'static str),
}

impl<N: Net> Client<N> {
    /// Waits for more of an answer, and reads it.
    async fn more(&mut self, source: &mut Source<N::Stream>, wait_ms: u32) -> Result<More, Gone> {
        self.due_in(wait_ms);
        self.turn().await;
        match self.lane(&source.lane.stream, Interest::Read).await {
            Wake::Lane => {}
            Wake::Gone => return Err(Gone),
            Wake::Due => return Ok(More::Quiet),
        }
        let mut buffer = self.core.slabs.take();
        let more = match self.read_lane(&source.lane.stream, &mut buffer) {
            Ok(0) if source.decoder.eof().is_ok() => {
                source.ended = true;
                source.reusable = false;
                return Ok(More::Bytes(buffer, 0..0));
            }
            Ok(0) => More::Cut("the provider's stream was cut short"),
            Ok(_) => match source.decoder.decode(&mut buffer) {
                Ok(piece) => {
                    source.quiet_ms = 0;
                    if piece.state == State::End {
                        source.ended = true;
                        source.reusable &= piece.consumed == buffer.len();
                    }
                    return Ok(More::Bytes(buffer, piece.data));
                }
                Err(_) => More::Cut("the provider's stream is malformed"),
            },
            Err(error) if sys::would_block(&error) => More::Nothing,
            Err(_) => More::Cut("the provider's stream was cut short"),
        };
        self.core.slabs.give(buffer);
        Ok(more)
    }

    /// Whether the upstream's message, which has said all, is at its end, so that its lane can serve again. Mostly the
    /// last chunk is there or comes at once.
    async fn drained(&mut self, source: &mut Source<N::Stream>) -> bool {
        let mut bytes = 0;
        while !source.ended && source.reusable && bytes < limits::DRAIN_BYTES_MAX {
            match self.more(source, limits::DRAIN_LANE_MS).await {
                Ok(More::Bytes(buffer, range)) => {
                    bytes += range.len();
                    self.core.slabs.give(buffer);
                }
                Ok(More::Nothing) => {}
                Ok(More::Quiet | More::Cut(_)) | Err(Gone) => return false,
            }
        }
        source.ended && source.reusable
    }
}

/// The answer has been read: its buffer and its lane go back.
fn release<N: Net>(client: &Client<N>, answered: Box<Answered<N::Stream>>) {
    let Answered { lane, buffer, ended, reusable, .. } = unboxed(answered);
    client.core.slabs.give(buffer);
    if ended && reusable {
        client.core.lanes.give(lane, client.core.now_ms());
    }
}

/// A provider that streams though nobody asked: its answer, put together.
async fn collect<N: Net>(
    client: &mut Client<N>,
    answered: Box<Answered<N::Stream>>,
    answering: &mut Answering,
    idle_ms: u32,
) -> Result<Whole, NoAnswer> {
    let Answered { lane, buffer, decoder, payload, ended, reusable, stream, .. } = unboxed(answered);
    let mut source = Source { lane, decoder, ended, reusable, quiet_ms: 0 };
    let mut collector = Box::new(Collector::new(answering, stream.unwrap_or(Framing::Sse)));
    let broken = |message: String| NoAnswer::Failed(Failure::broken(message));
    let mut bytes = payload.len();
    let mut pushed = gather(client, &mut collector, buffer, payload).await;
    while !source.ended && !collector.is_ended() {
        pushed.map_err(|why| broken(why.0.to_owned()))?;
        match client.more(&mut source, idle_ms).await {
            Ok(More::Bytes(buffer, range)) => {
                bytes += range.len();
                pushed = gather(client, &mut collector, buffer, range).await;
            }
            Ok(More::Nothing) => {}
            Ok(More::Cut(message)) => return Err(broken(message.to_owned())),
            Ok(More::Quiet) => return Err(Failure::late("its stream stood still").into()),
            Err(Gone) => return Err(NoAnswer::Gone),
        }
    }
    pushed.map_err(|why| broken(why.0.to_owned()))?;
    let (outcome, seen) = collector.finish();
    if outcome.is_ok() && client.drained(&mut source).await {
        client.core.lanes.give(source.lane, client.core.now_ms());
    }
    let large = bytes > limits::SAID_AT_ONCE_BYTES_MAX;
    outcome.map(|response| Whole { response, seen, large }).map_err(|failure| broken(failure.message.into_owned()))
}

/// Adds payload of the provider's to `collector`; what has to be gone through at once for it by a thread of its own where
/// it is much.
async fn gather<N: Net>(
    client: &Client<N>,
    collector: &mut Box<Collector>,
    buffer: Vec<u8>,
    range: Range<usize>,
) -> Result<(), BadUpstream> {
    let bytes = &buffer[range];
    let pushed = if collector.is_work(bytes) {
        let (bytes, mut moved) = (bytes.to_vec(), std::mem::replace(collector, Box::new(Collector::nobodys())));
        let job = move || {
            let pushed = moved.push(&bytes);
            (moved, pushed)
        };
        let done = Box::pin(aside::run(client, job)).await;
        let (moved, pushed) = done.ok_or(BadUpstream("its answer cannot be read"))?;
        *collector = moved;
        pushed
    } else {
        collector.push(bytes)
    };
    client.core.slabs.give(buffer);
    pushed
}
