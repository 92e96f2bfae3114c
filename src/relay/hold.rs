//! Holding an answer until it may be passed on, for until then another key can be asked in its place.
//!
//! An answer that is not streamed is held until its end, up to a bound; a stream until it says something: a token, a
//! reason for its end, or an error, which is none. Roles, pings and the like may come long before. A stream that goes on
//! thinking keeps what has come in a buffer of its size, and the slab serves others meanwhile.

use std::io;

use super::attempt::{Answered, NoAnswer};
use super::failure::Failure;
use super::wait::{Client, Interest, Wake};
use crate::http::body::State;
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::sniff::{self, Answer, Progress};
use crate::rt::{Net, sys};
use crate::sse::{self, Splitter};

/// What is said of an answer that holds nothing.
pub(super) const EMPTY: &str = "its answer was empty";

/// What is held, and how long.
pub(super) struct Wanted {
    /// What the answer speaks.
    pub(super) dialect: Dialect,
    /// Whether it is a model's, which holds something whatever it says.
    pub(super) generates: bool,
    /// As much is held.
    pub(super) hold_bytes: usize,
    /// When its first token is due, on the clock of the core's alarms.
    pub(super) until_ms: u64,
}

/// What an answer that is held has shown.
enum Shown {
    /// Not enough to tell.
    Nothing,
    /// A stream that has begun with so many events, and not said anything yet.
    Begun(u64),
    /// It is an answer.
    Answer,
    /// It is an error in the clothes of an answer.
    Error(Failure),
}

/// How a streamed answer is split; nothing where it is not one.
pub(super) fn stream_framing(content_type: &[u8], asked: bool, dialect: Dialect) -> Option<sse::Framing> {
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

/// Reads on until the answer may be passed on.
pub(super) async fn hold<N: Net>(
    client: &mut Client<N>,
    answered: &mut Answered<N::Stream>,
    wanted: &Wanted,
) -> Result<(), NoAnswer> {
    loop {
        decode(answered)?;
        let shown = look(answered, wanted);
        let held = answered.payload.len();
        match shown {
            Shown::Answer => return Ok(()),
            Shown::Error(failure) => return Err(failure.into()),
            // A lone object where events were asked for is a whole answer of its own kind.
            Shown::Nothing | Shown::Begun(1)
                if answered.ended && answered.stream != Some(sse::Framing::Sse) && held > 0 =>
            {
                return if is_empty(answered, wanted) { Err(Failure::broken(EMPTY).into()) } else { Ok(()) };
            }
            Shown::Nothing if answered.ended => {
                return Err(Failure::broken("the upstream's stream ended before it began").into());
            }
            Shown::Begun(_) if answered.ended => {
                return Err(Failure::broken("the upstream's stream ended without an answer").into());
            }
            Shown::Nothing | Shown::Begun(_) if held >= wanted.hold_bytes => return Ok(()),
            Shown::Nothing | Shown::Begun(_) => think(client, answered, wanted).await?,
        }
        if answered.buffer.len() == answered.buffer.capacity() {
            answered.buffer.reserve(limits::SLAB_BYTES);
        }
        match read(client, answered).await? {
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

/// Waits for more of an answer that may not be passed on yet. If it takes its time, the slab goes back meanwhile.
async fn think<N: Net>(
    client: &mut Client<N>,
    answered: &mut Answered<N::Stream>,
    wanted: &Wanted,
) -> Result<(), NoAnswer> {
    let due_in = |client: &Client<N>, most_ms: u64| {
        let left = wanted.until_ms.saturating_sub(client.core.alarms.now_ms());
        client.due_in(u32::try_from(left.min(most_ms)).unwrap_or(u32::MAX));
        left
    };
    let mut patient = false;
    loop {
        let left = due_in(client, if patient { u64::MAX } else { limits::THINK_MS });
        match client.lane(&answered.lane.stream, Interest::Read).await {
            Wake::Lane => break,
            Wake::Gone => return Err(NoAnswer::Gone),
            Wake::Due if patient || left <= limits::THINK_MS => {
                return Err(Failure::late("the upstream did not answer in time").into());
            }
            Wake::Due => {
                patient = true;
                let held = answered.buffer.as_slice().to_vec();
                client.core.slabs.give(std::mem::replace(&mut answered.buffer, held));
            }
        }
    }
    due_in(client, u64::MAX);
    Ok(())
}

/// Waits for and reads more, into a buffer that has room. `Ok(0)` is the upstream's end.
async fn read<N: Net>(
    client: &mut Client<N>,
    answered: &mut Answered<N::Stream>,
) -> Result<io::Result<usize>, NoAnswer> {
    loop {
        client.turn().await;
        match client.lane(&answered.lane.stream, Interest::Read).await {
            Wake::Lane => {}
            Wake::Gone => return Err(NoAnswer::Gone),
            Wake::Due => return Err(Failure::late("the upstream did not answer in time").into()),
        }
        match client.read_lane(&answered.lane.stream, &mut answered.buffer) {
            Err(error) if sys::would_block(&error) => {}
            outcome => return Ok(outcome),
        }
    }
}

/// What has come so far.
fn look<S>(answered: &Answered<S>, wanted: &Wanted) -> Shown {
    let payload = &answered.buffer[answered.payload.clone()];
    match answered.stream {
        Some(framing) => begun(framing, wanted, payload, answered.ended),
        None if !answered.ended => Shown::Nothing,
        // No error is so large, and all of it would be searched for one at once.
        None if answered.head.status == 200
            && payload.len() <= limits::SAID_AT_ONCE_BYTES_MAX
            && sniff::error_in_ok(wanted.dialect, payload) =>
        {
            Shown::Error(Failure::said(payload))
        }
        None if is_empty(answered, wanted) => Shown::Error(Failure::broken(EMPTY)),
        None => Shown::Answer,
    }
}

/// Whether a model's whole answer holds nothing: no bytes, an object without members, a page, or the like.
fn is_empty<S>(answered: &Answered<S>, wanted: &Wanted) -> bool {
    let is_success = (200..300).contains(&answered.head.status);
    let payload = &answered.buffer[answered.payload.clone()];
    is_success && wanted.generates && !answered.encoded && sniff::is_empty(wanted.dialect, payload)
}

/// Looks at the beginning of a stream: has it said something, and was that no error? What has come is looked at again
/// by the pipe. Elsewhere than at endpoints that generate any event says something.
fn begun(framing: sse::Framing, wanted: &Wanted, payload: &[u8], ended: bool) -> Shown {
    let mut splitter = Splitter::new(framing, limits::FRAME_BYTES_MAX);
    let mut answer = Answer::stream(wanted.dialect);
    let mut error = None;
    let see = |answer: &mut Answer, frame: &sse::Frame<'_>, error: &mut Option<Failure>| {
        if answer.frame(frame).error && error.is_none() {
            *error = Some(Failure::said(frame.data));
        }
    };
    // Mostly the first events tell: little of what has come is looked at twice.
    for piece in payload.chunks(limits::PEEK_BYTES) {
        let split = splitter.push(piece, |frame| see(&mut answer, &frame, &mut error));
        match (answer.progress(), error.take(), split) {
            (_, _, Err(_)) | (Progress::Speaking | Progress::Finished, _, Ok(())) => return Shown::Answer,
            (_, Some(failure), Ok(())) => return Shown::Error(failure),
            (Progress::Silent, None, Ok(())) if answer.events() > 0 && !wanted.generates => return Shown::Answer,
            (Progress::Silent | Progress::Failed, None, Ok(())) => {}
        }
    }
    if ended {
        splitter.finish(|frame| see(&mut answer, &frame, &mut error));
    }
    match (answer.progress(), error) {
        (Progress::Speaking | Progress::Finished, _) => Shown::Answer,
        (_, Some(failure)) => Shown::Error(failure),
        (Progress::Silent | Progress::Failed, None) => match answer.events() {
            0 => Shown::Nothing,
            events => Shown::Begun(events),
        },
    }
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
