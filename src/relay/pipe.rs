//! The answer on an identity route: bytes through, a sniffer beside.
//!
//! Framing is taken off in place and put on anew; payload goes out from the buffer it came into. A stream is
//! passed on in whole frames: the beginning of a frame waits in the buffer for its rest, so that a stream that
//! is cut can be ended with an error event of its own. A frame larger than the buffer goes out as it comes.
//! While nothing is under way no buffer is held. A stream that is over without having said why is a cut one,
//! however neatly its framing ends.

use std::io::IoSlice;
use std::ops::Range;

use super::attempt::Answered;
use super::rejected;
use super::unboxed;
use super::wait::{Client, Gone, Interest, Wake};
use crate::base::id::RequestId;
use crate::config::snapshot::Key;
use crate::http::body::State;
use crate::http::write::{self, chunk_head};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::alive;
use crate::protocol::failure::{self, Fault, Place};
use crate::protocol::sniff::{self, Answer, Progress};
use crate::protocol::translate;
use crate::rt::{Net, Wire, sys};
use crate::sse::{self, Splitter};

/// How the answer is framed towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// By a length that the head names.
    Sized,
    /// In chunks.
    Chunked,
    /// By the end of the connection (HTTP/1.0).
    ToClose,
}

/// What the answer is, beside bytes.
pub(super) struct Course<'k> {
    /// Framing towards the client.
    pub(super) frame: Frame,
    /// How a stream is split, where the answer is one.
    pub(super) stream: Option<sse::Framing>,
    /// Whether a stream has to say why it ends: those of endpoints that generate do.
    pub(super) says_end: bool,
    /// The dialect of an error event.
    pub(super) dialect: Dialect,
    /// Whether usage that the client did not ask for is taken out again.
    pub(super) hide_usage: bool,
    /// The name that answers carry in place of the upstream's, as a JSON string.
    pub(super) name: Option<Box<[u8]>>,
    pub(super) idle_ms: u32,
    /// How often a quiet stream is kept alive; 0 is never.
    pub(super) ping_ms: u32,
    /// Whether the endpoint's streams know pings at all.
    pub(super) pings: bool,
    pub(super) stall_ms: u32,
    pub(super) id: RequestId,
    pub(super) start_us: u64,
    /// The key that was used: it is not told, whatever the upstream says.
    pub(super) key: &'k Key,
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As the upstream ended it.
    Whole,
    /// The client left.
    Gone,
    /// The upstream broke off; the client has been told by an error event in a whole message.
    Told,
    /// The upstream broke off; the client sees broken framing.
    Broken,
}

/// What was seen on the way.
pub(super) struct Passed {
    pub(super) end: End,
    pub(super) bytes: u64,
    pub(super) first_token_us: Option<u64>,
    pub(super) answer: Answer,
}

struct Pipe<'c, N: Net> {
    client: &'c mut Client<N>,
    course: Course<'c>,
    answer: Answer,
    splitter: Option<Splitter>,
    /// Whether the sniffer still takes part: it gives up on a frame over its bound.
    tail: Tail,
    bytes: u64,
    first_token_us: Option<u64>,
    /// The upstream has said an error in a stream that was not over: nothing goes on behind it.
    error_seen: bool,
    /// Whether what went out ends inside a frame: an error event would become a part of it.
    inside: bool,
    /// Bytes at the front of the buffer in which no frame ends.
    kept: u32,
}

/// The end of an answer that is not streamed and too large to look at whole: usage stands there.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let keep = &bytes[bytes.len().saturating_sub(limits::TAIL_BYTES)..];
        let over = (self.0.len() + keep.len()).saturating_sub(limits::TAIL_BYTES);
        self.0.drain(..over.min(self.0.len()));
        self.0.extend_from_slice(keep);
    }
}

/// Passes the answer on. `head` is the head for the client; it goes out with the first payload.
pub(super) async fn run<N: Net>(
    client: &mut Client<N>,
    answered: Box<Answered<N::Stream>>,
    head: Vec<u8>,
    course: Course<'_>,
    answer: Answer,
) -> Passed {
    let splitter = course.stream.map(|framing| Splitter::new(framing, limits::FRAME_BYTES_MAX));
    let mut pipe = Pipe {
        client,
        course,
        answer,
        splitter,
        tail: Tail::default(),
        bytes: 0,
        first_token_us: None,
        error_seen: false,
        inside: false,
        kept: 0,
    };
    let end = pipe.pass(answered, head).await;
    if pipe.course.stream.is_none() && !pipe.tail.0.is_empty() {
        pipe.answer.body(&pipe.tail.0);
    }
    Passed { end, bytes: pipe.bytes, first_token_us: pipe.first_token_us, answer: pipe.answer }
}

impl<N: Net> Pipe<'_, N> {
    async fn pass(&mut self, answered: Box<Answered<N::Stream>>, mut head: Vec<u8>) -> End {
        let Answered { lane, mut buffer, mut decoder, payload, mut ended, mut reusable, .. } = unboxed(answered);
        if self.splitter.is_none() && ended {
            self.answer.body(&buffer[payload.clone()]);
        }
        let mut kept = self.forward(&mut buffer, payload.start, &mut head, ended).await;
        self.client.core.slabs.give(head);
        let end = loop {
            match kept {
                Err(Gone) => break End::Gone,
                Ok(_) if ended && self.is_unsaid() => {
                    break self.cut(Fault::BadGateway, "the provider's stream ended without saying why").await;
                }
                Ok(_) if ended => break if self.error_seen { End::Told } else { End::Whole },
                Ok(0) => self.client.core.slabs.give(std::mem::take(&mut buffer)),
                Ok(_) => {}
            }
            let mut start = 0;
            let from = match self.read(&lane.stream, &mut buffer).await {
                Read::More(from) => from,
                Read::Gone => break End::Gone,
                Read::End if decoder.eof().is_ok() => {
                    reusable = false;
                    ended = true;
                    buffer.len()
                }
                Read::End | Read::Broken | Read::Late if self.error_seen => {
                    break if self.close().await == End::Whole { End::Told } else { End::Gone };
                }
                Read::End | Read::Broken if self.has_said_all() => {
                    reusable = false;
                    break self.close().await;
                }
                Read::End | Read::Broken => {
                    break self.cut(Fault::BadGateway, "the provider's stream was cut short").await;
                }
                Read::Late => break self.cut(Fault::Timeout, "the provider's stream stood still").await,
            };
            if !ended {
                match decoder.decode(&mut buffer[from..]) {
                    Err(_) => break self.cut(Fault::BadGateway, "the provider's stream is malformed").await,
                    Ok(piece) => {
                        if piece.state == State::End {
                            ended = true;
                            reusable &= from + piece.consumed == buffer.len();
                        }
                        let data = from + piece.data.start..from + piece.data.end;
                        if from == 0 {
                            start = data.start;
                            buffer.truncate(data.end);
                        } else {
                            buffer.copy_within(data.clone(), from);
                            buffer.truncate(from + data.len());
                        }
                    }
                }
            }
            kept = self.forward(&mut buffer, start, &mut Vec::new(), ended).await;
        };
        self.client.core.slabs.give(buffer);
        if end == End::Whole && reusable {
            self.client.core.lanes.give(lane, self.client.core.alarms.now_ms());
        }
        end
    }

    /// Waits for more and reads it behind what `buffer` holds.
    async fn read(&mut self, lane: &Wire<N::Stream>, buffer: &mut Vec<u8>) -> Read {
        let mut left_ms = self.course.idle_ms;
        let mut wait_ms = self.wait_ms(left_ms);
        self.client.due_in(wait_ms);
        loop {
            self.client.turn().await;
            match self.client.lane(lane, Interest::Read).await {
                Wake::Lane => {}
                Wake::Gone => return Read::Gone,
                Wake::Due if wait_ms == left_ms => return Read::Late,
                Wake::Due => {
                    left_ms -= wait_ms;
                    // Boxed: rare, and no reason for every stream to have room for it.
                    if Box::pin(self.ping()).await.is_err() {
                        return Read::Gone;
                    }
                    wait_ms = self.wait_ms(left_ms);
                    self.client.due_in(wait_ms);
                    continue;
                }
            }
            if buffer.capacity() == 0 {
                *buffer = self.client.core.slabs.take();
            } else if buffer.len() == buffer.capacity() {
                buffer.reserve(buffer.len());
            }
            let from = buffer.len();
            match self.client.read_lane(lane, buffer) {
                Ok(0) => return Read::End,
                Ok(_) => return Read::More(from),
                Err(error) if sys::would_block(&error) => {}
                Err(_) => return Read::Broken,
            }
        }
    }

    /// How long to wait at once where `left_ms` are left: until the next ping of a stream that knows them.
    fn wait_ms(&self, left_ms: u32) -> u32 {
        match self.course.ping_ms {
            ping_ms @ 1.. if !self.pinging().is_empty() => left_ms.min(ping_ms),
            _ => left_ms,
        }
    }

    /// What tells the client that the stream goes on; empty where there is no such thing.
    fn pinging(&self) -> &'static [u8] {
        match self.course.stream {
            Some(framing) if self.course.pings => alive::ping(self.course.dialect, framing),
            _ => b"",
        }
    }

    /// Tells the client of a quiet stream that it goes on, unless that would land inside an event.
    async fn ping(&mut self) -> Result<(), Gone> {
        let is_over = alive::is_said(self.course.dialect) && self.answer.progress() == Progress::Finished;
        if self.inside || is_over {
            return Ok(());
        }
        let chunked = self.course.frame == Frame::Chunked;
        let ping = self.pinging();
        let (size, size_bytes) = if chunked { chunk_head(ping.len()) } else { ([0; 18], 0) };
        let end: &[u8] = if chunked { b"\r\n" } else { b"" };
        let mut slices = [IoSlice::new(&size[..size_bytes]), IoSlice::new(ping), IoSlice::new(end)];
        self.bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        self.client.write(&mut slices, self.course.stall_ms).await
    }

    /// Writes `head` and what of `buffer[start..]` may go; what has to wait moves to the front. Returns its length.
    async fn forward(
        &mut self,
        buffer: &mut Vec<u8>,
        start: usize,
        head: &mut Vec<u8>,
        ended: bool,
    ) -> Result<usize, Gone> {
        let whole = match self.course.stream {
            Some(framing) => {
                // The end of a frame may have begun in what was looked at before.
                let from = start.max((self.kept as usize).saturating_sub(sse::END_BYTES_MAX - 1));
                let whole = sse::whole(framing, &buffer[from..]);
                if whole == 0 { start } else { from + whole }
            }
            None => buffer.len(),
        };
        // A frame that fills the buffer cannot wait for its rest, unless something in it may have to be changed.
        let changes = self.course.stream.is_some() && (self.course.name.is_some() || self.course.hide_usage);
        let full_bytes = if changes { limits::FRAME_BYTES_MAX } else { limits::SLAB_BYTES / 2 };
        let is_full = buffer.len() - start >= full_bytes;
        let until = if ended || whole == start && is_full { buffer.len() } else { whole };
        let edited = self.look(&buffer[start..until], ended);
        let unsaid = ended && self.is_unsaid();
        // An error event follows, so a frame without its end does not go out. It has not been edited either.
        let payload = start..if unsaid { whole } else { until };
        if !payload.is_empty() {
            self.inside = !unsaid && until > whole;
        }
        let (len, mut size) = (buffer.len(), [0; 18]);
        let (mut slices, used) = self.framed(&mut size, head, buffer, payload, edited.as_deref(), ended && !unsaid);
        let written = self.client.write(&mut slices[used], self.course.stall_ms).await;
        edited.into_iter().for_each(|slab| self.client.core.slabs.give(slab));
        written?;
        buffer.truncate(len);
        buffer.copy_within(until.., 0);
        buffer.truncate(len - until);
        // A frame that is kept has at most `limits::FRAME_BYTES_MAX`, and a buffer as much beside.
        self.kept = buffer.len() as u32;
        Ok(buffer.len())
    }

    /// What goes out of `head` and this part of the buffer, or what stands in its place, in the client's framing; with
    /// `last` the end of the body too. The slices, and which of them are used: empty ones cost the kernel as much as full
    /// ones. Framing may stand behind the buffer's bytes then.
    fn framed<'b>(
        &mut self,
        size: &'b mut [u8; 18],
        head: &'b mut Vec<u8>,
        buffer: &'b mut Vec<u8>,
        part: Range<usize>,
        edited: Option<&'b [u8]>,
        last: bool,
    ) -> ([IoSlice<'b>; 4], Range<usize>) {
        let none: &[u8] = b"";
        let bytes = edited.map_or(part.len(), <[u8]>::len);
        let chunked = self.course.frame == Frame::Chunked;
        let chunk = chunked && bytes > 0;
        let size_bytes;
        (*size, size_bytes) = if chunk { chunk_head(bytes) } else { ([0; 18], 0) };
        let size = &size[..size_bytes];
        let end: &[u8] = match (chunk, chunked && last) {
            (true, true) => b"\r\n0\r\n\r\n",
            (true, false) => b"\r\n",
            (false, true) => b"0\r\n\r\n",
            (false, false) => none,
        };
        self.bytes += (head.len() + size_bytes + bytes + end.len()) as u64;
        // Where the upstream's framing was: one slice costs the kernel less than three.
        let has_room =
            size_bytes <= part.start && part.end == buffer.len() && buffer.capacity() - part.end >= end.len();
        if chunk && head.is_empty() && edited.is_none() && has_room {
            let start = part.start - size_bytes;
            buffer[start..part.start].copy_from_slice(size);
            buffer.extend_from_slice(end);
            return (
                [IoSlice::new(&buffer[start..]), IoSlice::new(none), IoSlice::new(none), IoSlice::new(none)],
                0..1,
            );
        }
        let payload = edited.unwrap_or(&buffer[part]);
        // A small payload is copied behind its head, for the same reason.
        let copied = !head.is_empty() && !chunked && bytes <= limits::COPIED_BYTES_MAX;
        if copied {
            head.extend_from_slice(payload);
        }
        let used = match (copied, head.is_empty()) {
            (true, _) => 0..1,
            (false, true) => 1..4,
            (false, false) => 0..4,
        };
        ([IoSlice::new(head), IoSlice::new(size), IoSlice::new(payload), IoSlice::new(end)], used)
    }

    /// Shows `bytes` to the sniffer. Returns what goes out in their place where usage has to be hidden or the model
    /// goes by another name: a buffer of the core's, with all that is not changed copied as it is.
    fn look(&mut self, bytes: &[u8], ended: bool) -> Option<Vec<u8>> {
        let Some(splitter) = &mut self.splitter else {
            if !ended || !self.tail.0.is_empty() {
                self.tail.push(bytes);
            }
            return None;
        };
        let mut edited: Option<Vec<u8>> = None;
        let mut semantic = false;
        let (answer, hide) = (&mut self.answer, self.course.hide_usage);
        let (name, dialect, slabs) = (self.course.name.as_deref(), self.course.dialect, &self.client.core.slabs);
        let mut copied = 0;
        // The Responses tell a failure by two events, and a list has to be closed.
        let stops = dialect != Dialect::Responses && self.course.stream != Some(sse::Framing::Array);
        let (key, error_seen) = (self.course.key, &mut self.error_seen);
        let split = splitter.push(bytes, |frame| {
            let (is_behind, was_over) = (stops && *error_seen, answer.progress() == Progress::Finished);
            let seen = answer.frame(&frame);
            semantic |= seen.semantic;
            *error_seen |= seen.error && !was_over;
            let clean = if seen.error { rejected::cleaned_event(frame.raw, key) } else { None };
            let hides = hide && seen.has_usage;
            let told = name.and_then(|name| Some((name, sniff::event_model(dialect, &frame)?)));
            let is_replaced = is_behind || clean.is_some();
            if told.is_none() && !hides && !is_replaced {
                return;
            }
            let whole = offset_in(bytes, frame.raw).map(|at| (at, frame.raw.len()));
            let inside = told.and_then(|(_, told)| Some((offset_in(bytes, told.bytes())?, told.bytes().len())));
            let Some((at, len)) = inside.filter(|_| !hides && !is_replaced).or(whole) else { return };
            let out = edited.get_or_insert_with(|| slabs.take());
            out.extend_from_slice(&bytes[copied..at]);
            copied = at + len;
            match (inside, told) {
                _ if is_behind => {}
                _ if clean.is_some() => out.extend_from_slice(&clean.unwrap_or_default()),
                (Some(_), Some((name, _))) if !hides => out.extend_from_slice(name),
                _ if hides && seen.usage_only => {}
                _ => {
                    let mut data = Vec::with_capacity(frame.data.len() + 64);
                    sniff::rewrite(frame.data, hides, told, &mut data);
                    sse::write::event(std::str::from_utf8(frame.event).unwrap_or_default(), &data, out);
                }
            }
        });
        let mut clean = None;
        if ended && split.is_ok() {
            let last = finish(splitter, answer, &bytes[copied..], key);
            (semantic, *error_seen, clean) = (semantic || last.semantic, *error_seen || last.failed, last.clean);
        }
        match &clean {
            Some(clean) => edited.get_or_insert_with(|| slabs.take()).extend_from_slice(clean),
            None => edited.iter_mut().for_each(|out| out.extend_from_slice(&bytes[copied..])),
        }
        if split.is_err() {
            // Too long to look at: it still passes, uncounted.
            self.splitter = None;
            self.course.stream = None;
        }
        if semantic && self.first_token_us.is_none() {
            self.first_token_us = Some(self.client.core.net.now_us() - self.course.start_us);
        }
        edited
    }

    /// Whether the stream, now over, owes the reason of its end. A lone object in an array's place is no stream.
    fn is_unsaid(&self) -> bool {
        let is_stream = match self.course.stream {
            Some(sse::Framing::Array) => self.answer.events() > 0,
            Some(sse::Framing::Sse | sse::Framing::Lines) => true,
            None => false,
        };
        let is_said = matches!(self.answer.progress(), Progress::Finished | Progress::Failed);
        self.course.says_end && is_stream && !is_said
    }

    /// Whether a stream that is cut here lacks nothing but an ornament.
    fn has_said_all(&self) -> bool {
        let ended = self.course.stream.is_some() && self.answer.progress() == Progress::Finished;
        ended && !self.inside && translate::may_lack_its_end(self.course.dialect)
    }

    /// Ends the framing of a stream that has said all.
    async fn close(&mut self) -> End {
        if self.course.frame == Frame::Chunked {
            self.bytes += write::LAST_CHUNK.len() as u64;
            if let Err(Gone) = self.client.write(&mut [IoSlice::new(write::LAST_CHUNK)], self.course.stall_ms).await {
                return End::Gone;
            }
        }
        End::Whole
    }

    /// The upstream broke off. In a stream the client gets an error event and a whole message; elsewhere the
    /// message is left broken, so that nobody takes it for whole.
    async fn cut(&mut self, fault: Fault, message: &str) -> End {
        let mut event = Vec::with_capacity(256);
        let told = self.course.stream.is_some_and(|framing| {
            let place = Place { framing, events: self.answer.events(), response_id: self.answer.response_id() };
            let (dialect, id) = (self.course.dialect, self.course.id.as_str());
            let fits = self.course.frame == Frame::Chunked && !self.inside;
            fits && failure::write_event(dialect, fault, message, id, &place, &mut event)
        });
        if !told {
            return End::Broken;
        }
        let (size, size_bytes) = chunk_head(event.len());
        let mut slices = [IoSlice::new(&size[..size_bytes]), IoSlice::new(&event), IoSlice::new(b"\r\n0\r\n\r\n")];
        self.bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        match self.client.write(&mut slices, self.course.stall_ms).await {
            Ok(()) => End::Told,
            Err(Gone) => End::Gone,
        }
    }
}

/// What the last frame of a stream was, which need not have an end.
#[derive(Default)]
struct Last {
    semantic: bool,
    /// Whether it was an error, and the stream was not over.
    failed: bool,
    /// The bytes that it stands in, where they held the key.
    clean: Option<Vec<u8>>,
}

/// Looks at the last frame, which stands at the end of `rest` if anywhere.
fn finish(splitter: &mut Splitter, answer: &mut Answer, rest: &[u8], key: &Key) -> Last {
    let mut last = Last::default();
    splitter.finish(|frame| {
        let was_over = answer.progress() == Progress::Finished;
        let seen = answer.frame(&frame);
        let clean = if seen.error { rejected::cleaned_event(rest, key) } else { None };
        last = Last { semantic: seen.semantic, failed: seen.error && !was_over, clean };
    });
    last
}

/// What reading brought.
enum Read {
    /// Bytes from this offset on.
    More(usize),
    /// The upstream's end.
    End,
    /// The connection has failed, or its end is not the upstream's word.
    Broken,
    Late,
    Gone,
}

/// Where `part` lies in `whole`; nothing where it lies elsewhere.
fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (at + part.len() <= whole.len()).then_some(at)
}
