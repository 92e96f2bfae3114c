//! One try at an upstream, up to the point where its answer may be passed on.
//!
//! Nothing has reached the client when this returns, so every failure here may be followed by another attempt.
//! What is held of an answer, and until when, is told in `hold`. The client is watched all the while: when it leaves,
//! the lane is dropped, which closes it.

use std::io::{self, IoSlice};
use std::ops::Range;

use smallvec::SmallVec;

use super::fail;
use super::failure::Failure;
use super::hold::{self, Wanted};
use super::open;
use super::upstream::Lane;
use super::wait::{Client, Interest, Wake};
use super::way::Way;
use crate::http::body::Decoder;
use crate::http::field::Fields;
use crate::http::field::Name;
use crate::http::head::{self, Asked, HeadLimits, ResponseHead};
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::protocol::Dialect;
use crate::rt::{Net, Stream, sys};
use crate::sse;

/// What goes to the upstream: a head and the pieces of a body, in order.
pub(super) struct Outgoing<'a> {
    pub(super) pieces: SmallVec<[&'a [u8]; 8]>,
    /// The client's body, which pieces may be parts of.
    pub(super) body: &'a [u8],
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
    /// Whether the answer is read here, and not passed on as it comes.
    pub(super) translated: bool,
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
) -> Result<Box<Answered<N::Stream>>, NoAnswer> {
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
) -> Result<Box<Answered<N::Stream>>, Trouble> {
    let sent = send(client, &lane, to, outgoing).await?;
    client.due_in(to.answer_ms);
    let until_ms = client.core.alarms.now_ms() + u64::from(to.answer_ms);
    let mut buffer = Vec::new();
    let outcome = match read_head(client, &lane, &mut buffer, fields).await {
        Ok(head) => {
            let payload = head.len..head.len;
            let reusable = head.keep_alive && sent == Sent::Whole;
            let decoder = Decoder::new(head.framing);
            let is_success = (200..300).contains(&head.status);
            let kind = fields.value(&buffer, Name::ContentType).unwrap_or_default();
            let framing = hold::stream_framing(kind, to.streamed, to.dialect).filter(|_| is_success);
            let encoded = is_encoded(&buffer, fields);
            let stream = framing.filter(|_| !encoded);
            let is_json = kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"));
            let hold_bytes = match to.renamed && is_json && stream.is_none() {
                // Events in a coding are read once all have come, or by nobody and passed on as they come.
                _ if encoded && framing.is_some() && !to.translated => 0,
                // It is read here, whatever it calls itself.
                _ if to.translated && stream.is_none() => limits::RENAMED_BYTES_MAX,
                true => limits::RENAMED_BYTES_MAX,
                false => limits::HOLD_BYTES_MAX,
            };
            // Boxed, for it goes through several hands, and each would hold it twice.
            let mut answered =
                Box::new(Answered { lane, buffer, head, decoder, payload, ended: false, reusable, encoded, stream });
            let wanted = Wanted { dialect: to.dialect, generates: to.generates, hold_bytes, until_ms };
            match hold::hold(client, &mut answered, &wanted).await {
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
    if client.tap.is_some() {
        client.tap_sent(outgoing);
    }
    fail::here("sent", &outgoing.pieces);
    let mut slices: SmallVec<[IoSlice<'_>; 8]> = outgoing.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut slices = &mut slices[..];
    let mut first = true;
    client.core.net.rendezvous().await;
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

/// Waits for and reads more of an answer into `buffer`, which has room or is none yet: a slab is taken once there is
/// something to read, for most of an answer's time may pass before its first byte. `Ok(0)` is the upstream's end.
async fn more<N: Net>(
    client: &mut Client<N>,
    lane: &Lane<N::Stream>,
    buffer: &mut Vec<u8>,
) -> Result<io::Result<usize>, NoAnswer> {
    loop {
        client.turn().await;
        match client.lane(&lane.stream, Interest::Read).await {
            Wake::Lane => {}
            Wake::Gone => return Err(NoAnswer::Gone),
            Wake::Due => return Err(Failure::late("the upstream did not answer in time").into()),
        }
        if buffer.capacity() == 0 {
            *buffer = client.core.slabs.take();
        }
        match client.read_lane(&lane.stream, buffer) {
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
        if buffer.len() == buffer.capacity() && !buffer.is_empty() {
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
