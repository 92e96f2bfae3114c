//! One try at an upstream, up to the point where its answer may be passed on.
//!
//! Nothing has reached the client when this returns, so every failure here may be followed by another attempt.
//! An answer that is not streamed is held until its end, up to `limits::HOLD_BYTES_MAX`; a stream until its
//! first bytes. The client is watched all the while: when it leaves, the lane is dropped, which closes it.

use std::io::{self, IoSlice};
use std::ops::Range;

use smallvec::SmallVec;

use super::failure::Failure;
use super::open;
use super::upstream::Lane;
use super::wait::{Client, Interest, Wake};
use super::way::Way;
use crate::http::body::{Decoder, State};
use crate::http::field::Fields;
use crate::http::field::Name;
use crate::http::head::{self, Asked, HeadLimits, ResponseHead};
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::protocol::Dialect;
use crate::protocol::sniff::{self, Answer, Progress};
use crate::rt::{Net, Stream, sys};
use crate::sse::{self, Splitter};

/// What goes to the upstream: a head and the pieces of a body, in order.
pub(super) struct Outgoing<'a> {
    pub(super) pieces: SmallVec<[&'a [u8]; 8]>,
}

/// Where it goes and how long that may take.
pub(super) struct Destination<'a> {
    pub(super) way: &'a Way,
    pub(super) book: &'a AddressBook,
    pub(super) connect_ms: u32,
    /// Until the head of the answer, or its first bytes where it is streamed.
    pub(super) answer_ms: u32,
    /// Whether a stream was asked for.
    pub(super) streamed: bool,
    /// Whether the answer is a model's, which holds something whatever it says.
    pub(super) generates: bool,
    /// What the answer speaks.
    pub(super) dialect: Dialect,
    /// Whether the answer is to carry another name of the model: it is held until its end, for its length changes.
    pub(super) renamed: bool,
}

/// An answer that has begun.
pub(super) struct Answered<S> {
    pub(super) lane: Lane<S>,
    /// The head, then payload at `payload`, then what is not decoded yet (nothing, or an unfit rest).
    pub(super) buffer: Vec<u8>,
    pub(super) head: ResponseHead,
    pub(super) decoder: Decoder,
    pub(super) payload: Range<usize>,
    /// Whether the body has ended within `payload`.
    pub(super) ended: bool,
    /// Whether the lane may carry another exchange once the body has ended.
    pub(super) reusable: bool,
    /// Whether a content coding is on the body: nobody here can read it.
    pub(super) encoded: bool,
    /// Whether it is whole and says nothing: good enough where nobody else can be asked.
    pub(super) hollow: bool,
    /// How the body is cut into events, where it is a stream of them.
    pub(super) stream: Option<sse::Framing>,
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// Nobody waits for one any more.
    Gone,
    /// This attempt failed.
    Failed(Failure),
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> NoAnswer {
        NoAnswer::Failed(failure)
    }
}

/// How far an exchange on one lane came.
enum Trouble {
    /// A lane from the pool had been closed by its peer: not the upstream's failure (RFC 9112 §9.3.1).
    Stale,
    Final(NoAnswer),
}

impl<T: Into<NoAnswer>> From<T> for Trouble {
    fn from(why: T) -> Trouble {
        Trouble::Final(why.into())
    }
}

/// Sends `outgoing` and waits for the answer to begin.
pub(super) async fn attempt<N: Net>(
    client: &mut Client<N>,
    to: &Destination<'_>,
    outgoing: &Outgoing<'_>,
    fields: &mut Fields,
) -> Result<Answered<N::Stream>, NoAnswer> {
    if let Some(lane) = client.core.lanes.take(to.way.pool) {
        client.core.tally.lanes_reused.add(1);
        match on_lane(client, lane, to, outgoing, fields).await {
            Ok(answered) => return Ok(answered),
            Err(Trouble::Final(why)) => return Err(why),
            Err(Trouble::Stale) => {}
        }
    }
    let lane = open::open(client, to).await?;
    client.core.tally.lanes_opened.add(1);
    match on_lane(client, lane, to, outgoing, fields).await {
        Ok(answered) => Ok(answered),
        Err(Trouble::Final(why)) => Err(why),
        Err(Trouble::Stale) => Err(Failure::broken("the connection was closed before an answer").into()),
    }
}

async fn on_lane<N: Net>(
    client: &mut Client<N>,
    lane: Lane<N::Stream>,
    to: &Destination<'_>,
    outgoing: &Outgoing<'_>,
    fields: &mut Fields,
) -> Result<Answered<N::Stream>, Trouble> {
    let sent = send(client, &lane, to, outgoing).await?;
    client.due_in(to.answer_ms);
    let mut buffer = client.core.slabs.take();
    let outcome = match read_head(client, &lane, &mut buffer, fields).await {
        Ok(head) => {
            let payload = head.len..head.len;
            let reusable = head.keep_alive && sent == Sent::Whole;
            let decoder = Decoder::new(head.framing);
            let is_success = (200..300).contains(&head.status);
            let kind = fields.value(&buffer, Name::ContentType).unwrap_or_default();
            let encoded = is_encoded(&buffer, fields);
            let stream = if is_success && !encoded { stream_framing(kind, to.streamed, to.dialect) } else { None };
            let is_json = kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"));
            let hold_bytes = match to.renamed && is_json && stream.is_none() {
                true => limits::RENAMED_BYTES_MAX,
                false => limits::HOLD_BYTES_MAX,
            };
            let mut answered = Answered {
                lane,
                buffer,
                head,
                decoder,
                payload,
                ended: false,
                reusable,
                encoded,
                hollow: false,
                stream,
            };
            match hold(client, &mut answered, to, hold_bytes).await {
                Ok(()) => return Ok(answered),
                Err(why) => {
                    buffer = answered.buffer;
                    Trouble::from(why)
                }
            }
        }
        Err(trouble) => trouble,
    };
    client.core.slabs.give(buffer);
    Err(outcome)
}

/// How much of the request went out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// The upstream answered before it had read all of it.
    Partly,
}

async fn send<N: Net>(
    client: &mut Client<N>,
    lane: &Lane<N::Stream>,
    to: &Destination<'_>,
    outgoing: &Outgoing<'_>,
) -> Result<Sent, Trouble> {
    let mut slices: SmallVec<[IoSlice<'_>; 8]> = outgoing.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut slices = &mut slices[..];
    let mut first = true;
    while !slices.is_empty() {
        match lane.stream.try_write(slices) {
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if sys::would_block(&error) => {
                client.due_in(to.answer_ms);
                match client.lane(&lane.stream, Interest::Write).await {
                    Wake::Lane => {}
                    Wake::Gone => return Err(NoAnswer::Gone.into()),
                    Wake::Due => return Err(Failure::late("the upstream did not take the request in time").into()),
                }
            }
            // An upstream may refuse a large request early and close: its answer, if any, is in the socket.
            Err(_) if !lane.reused && !first => return Ok(Sent::Partly),
            Err(_) if lane.reused => return Err(Trouble::Stale),
            Err(error) => return Err(Failure::broken(format!("sending failed: {error}")).into()),
        }
        first = false;
    }
    Ok(Sent::Whole)
}

/// Waits for and reads more of an answer into `buffer`, which has room. `Ok(0)` is the upstream's end.
async fn more<N: Net>(
    client: &mut Client<N>,
    lane: &Lane<N::Stream>,
    buffer: &mut Vec<u8>,
) -> Result<io::Result<usize>, NoAnswer> {
    loop {
        match client.lane(&lane.stream, Interest::Read).await {
            Wake::Lane => {}
            Wake::Gone => return Err(NoAnswer::Gone),
            Wake::Due => return Err(Failure::late("the upstream did not answer in time").into()),
        }
        match lane.stream.try_read(buffer) {
            Err(error) if sys::would_block(&error) => {}
            outcome => return Ok(outcome),
        }
    }
}

/// The final head of the answer. Interim ones (1xx) before it are skipped.
async fn read_head<N: Net>(
    client: &mut Client<N>,
    lane: &Lane<N::Stream>,
    buffer: &mut Vec<u8>,
    fields: &mut Fields,
) -> Result<ResponseHead, Trouble> {
    let bounds = HeadLimits {
        head_bytes: limits::HEAD_BYTES_MAX,
        fields: limits::FIELDS_MAX,
        target_bytes: limits::TARGET_BYTES_MAX,
    };
    let (mut searched, mut interims) = (0, 0);
    loop {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(limits::SLAB_BYTES);
        }
        match more(client, lane, buffer).await? {
            Ok(0) if lane.reused && buffer.is_empty() && interims == 0 => return Err(Trouble::Stale),
            Ok(0) => return Err(Failure::broken("the upstream closed the connection without an answer").into()),
            Ok(_) => {}
            Err(_) if lane.reused && buffer.is_empty() && interims == 0 => return Err(Trouble::Stale),
            Err(error) => return Err(Failure::broken(format!("reading the answer failed: {error}")).into()),
        }
        while let Some(head) = head::response(buffer, &mut searched, fields, Asked::Other, &bounds)
            .map_err(|_| Failure::broken("the upstream's answer is not valid HTTP"))?
        {
            match head.status {
                101 => return Err(Failure::broken("the upstream switched protocols unasked").into()),
                100..=199 if interims == limits::INTERIM_MAX => {
                    return Err(Failure::broken("the upstream sent too many interim answers").into());
                }
                100..=199 => {
                    interims += 1;
                    buffer.drain(..head.len);
                    searched = 0;
                }
                _ => return Ok(head),
            }
        }
    }
}

/// Whether a content coding is on the body, though none was asked for.
fn is_encoded(head: &[u8], fields: &Fields) -> bool {
    fields.value(head, Name::ContentEncoding).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// How a streamed answer is split; nothing where it is not one.
fn stream_framing(content_type: &[u8], asked: bool, dialect: Dialect) -> Option<sse::Framing> {
    let is = |name: &[u8]| content_type.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    if is(b"text/event-stream") {
        return Some(sse::Framing::Sse);
    }
    match dialect {
        Dialect::Ollama if asked || is(b"application/x-ndjson") => Some(sse::Framing::Lines),
        Dialect::Gemini if asked => Some(sse::Framing::Array),
        _ => None,
    }
}

/// What is said of an answer that holds nothing.
pub(super) const EMPTY: &str = "its answer was empty";

/// How much of an answer a whole body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fullness {
    /// No bytes at all.
    Empty,
    /// An object without members, a page, or the like.
    Hollow,
    Full,
}

/// What an answer that is held has shown.
enum Shown {
    /// Not enough to tell.
    Nothing,
    /// It is an answer.
    Answer,
    /// It is an error in the clothes of an answer.
    Error(Failure),
}

/// Reads on until the answer may be passed on: a stream has said something, another answer has ended or is large.
async fn hold<N: Net>(
    client: &mut Client<N>,
    answered: &mut Answered<N::Stream>,
    to: &Destination<'_>,
    bytes_max: usize,
) -> Result<(), NoAnswer> {
    let dialect = to.dialect;
    loop {
        decode(answered)?;
        let payload = &answered.buffer[answered.payload.clone()];
        let shown = match answered.stream {
            Some(framing) => begun(framing, dialect, payload),
            None if !answered.ended => Shown::Nothing,
            None if answered.head.status == 200 && sniff::error_in_ok(dialect, payload) => {
                Shown::Error(Failure::said(payload))
            }
            None => {
                let fullness = fullness(answered, to, payload);
                answered.hollow = fullness == Fullness::Hollow;
                if fullness == Fullness::Empty { Shown::Error(Failure::broken(EMPTY)) } else { Shown::Answer }
            }
        };
        match shown {
            Shown::Answer => return Ok(()),
            Shown::Error(failure) => return Err(failure.into()),
            // A lone object where events were asked for is a whole answer of its own kind.
            Shown::Nothing if answered.ended && answered.stream != Some(sse::Framing::Sse) && !payload.is_empty() => {
                answered.hollow = fullness(answered, to, payload) == Fullness::Hollow;
                return Ok(());
            }
            Shown::Nothing if answered.ended => {
                return Err(Failure::broken("the upstream's stream ended before it began").into());
            }
            Shown::Nothing if payload.len() >= bytes_max => return Ok(()),
            Shown::Nothing => {}
        }
        if answered.buffer.len() == answered.buffer.capacity() {
            answered.buffer.reserve(limits::SLAB_BYTES);
        }
        match more(client, &answered.lane, &mut answered.buffer).await? {
            Ok(0) => {
                answered.decoder.eof().map_err(|_| Failure::broken("the upstream's answer was cut short"))?;
                answered.ended = true;
                answered.reusable = false;
            }
            Ok(_) => {}
            Err(error) => return Err(Failure::broken(format!("reading the answer failed: {error}")).into()),
        }
    }
}

/// How much of an answer the whole `payload` is.
fn fullness<S>(answered: &Answered<S>, to: &Destination<'_>, payload: &[u8]) -> Fullness {
    let is_success = (200..300).contains(&answered.head.status);
    if !is_success || !to.generates || answered.encoded {
        return Fullness::Full;
    }
    match (payload.is_empty(), sniff::is_empty(to.dialect, payload)) {
        (true, _) => Fullness::Empty,
        (false, true) => Fullness::Hollow,
        (false, false) => Fullness::Full,
    }
}

/// Looks at the beginning of a stream: has an event come, and is it no error? What has come is looked at again by
/// the pipe.
fn begun(framing: sse::Framing, dialect: Dialect, payload: &[u8]) -> Shown {
    let mut splitter = Splitter::new(framing, limits::FRAME_BYTES_MAX);
    let mut answer = Answer::stream(dialect);
    let mut error = None;
    // Mostly the first event tells: little of what has come is looked at twice.
    for piece in payload.chunks(limits::PEEK_BYTES) {
        let split = splitter.push(piece, |frame| {
            if answer.frame(&frame).error && error.is_none() {
                error = Some(Failure::said(frame.data));
            }
        });
        match (answer.progress(), error.take(), split) {
            (_, _, Err(_)) | (Progress::Speaking | Progress::Finished, _, Ok(())) => return Shown::Answer,
            (_, Some(failure), Ok(())) => return Shown::Error(failure),
            // An event that is no error has come. Holding on until the first token would keep the request and
            // its tables with every stream that thinks before it speaks: some 14 KB each.
            (Progress::Silent, None, Ok(())) if answer.events() > 0 => return Shown::Answer,
            (Progress::Silent | Progress::Failed, None, Ok(())) => {}
        }
    }
    Shown::Nothing
}

/// Decodes what was read since the last call; the payload stays in one piece.
fn decode<S>(answered: &mut Answered<S>) -> Result<(), Failure> {
    if answered.ended {
        return Ok(());
    }
    let Answered { buffer, decoder, payload, .. } = answered;
    let from = payload.end;
    let piece = decoder
        .decode(&mut buffer[from..])
        .map_err(|_| Failure::broken("the framing of the upstream's answer is broken"))?;
    if piece.state == State::End {
        answered.ended = true;
        // Bytes behind an answer that nobody asked for: the lane is out of step.
        answered.reusable &= from + piece.consumed == buffer.len();
    }
    let data = from + piece.data.start..from + piece.data.end;
    if payload.start == payload.end {
        *payload = data;
    } else {
        payload.end += data.len();
        buffer.copy_within(data, from);
    }
    buffer.truncate(payload.end);
    Ok(())
}
