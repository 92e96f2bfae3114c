//! The request body: sized or chunked, bounded, whole before anything is done with it.
//!
//! A body that arrived together with its head stays where it is. A larger sized one gets a buffer of its exact
//! size that the kernel writes into; a chunked one is decoded in place as it grows. Every byte held counts
//! against the core's bound, so that a crowd of large uploads is refused and not swapped.
//!
//! A body is read as JSON or as a form while it arrives: its bytes are still in the cache, and what has come is read
//! while the rest is under way. After `limits::READ_TURN_BYTES` without a wait other sessions have their turn.

use std::io::IoSlice;
use std::ops::Range;

use super::core::Reserved;
use super::wait::Client;
use crate::http::body::{Decoder, Framing, State};
use crate::http::head::RequestHead;
use crate::limits;
use crate::protocol::failure::Fault;
use crate::protocol::sniff::{Reading, Unfit};
use crate::rt::{Net, Stream, sys};

/// A whole request body.
pub(super) struct Body<N: Net> {
    held: Held,
    _share: Option<Reserved<N>>,
}

enum Held {
    /// Within the session's input buffer.
    Input(Range<usize>),
    /// In a buffer of its own.
    Own(Vec<u8>),
}

impl<N: Net> Body<N> {
    /// The bytes; `input` is the buffer that the body was read with.
    pub(super) fn bytes<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match &self.held {
            Held::Input(range) => &input[range.clone()],
            Held::Own(bytes) => bytes,
        }
    }

    /// Puts decoded bytes in place of what came in. False when the core holds too much.
    pub(super) fn replace(&mut self, client: &Client<N>, decoded: Vec<u8>) -> bool {
        let Some(share) = client.core.reserve(decoded.len()) else { return false };
        self.held = Held::Own(decoded);
        self._share = Some(share);
        true
    }

    /// How many bytes of `input` the request took, head included, given the length of its head.
    pub(super) fn end_in_input(&self, head_bytes: usize) -> usize {
        match &self.held {
            Held::Input(range) => range.end,
            Held::Own(_) => head_bytes,
        }
    }
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBody {
    /// The client has left, or failed.
    Gone,
    /// It must be told, and its connection ends, for the rest of the body may still be under way.
    Refused(Fault, &'static str),
}

const TOO_LARGE: NoBody = NoBody::Refused(Fault::TooLarge, "the request body is larger than limits.body_bytes");
const BUSY: NoBody = NoBody::Refused(Fault::Unavailable, "too many bytes of request bodies are under way");
const SLOW: NoBody = NoBody::Refused(Fault::RequestTimeout, "the request body did not arrive in time");
const CUT: NoBody = NoBody::Refused(Fault::InvalidRequest, "the request body ended early");

/// Reads the body that `head` announces, and shows it to `reading` as it comes. Bytes of a following request stay in
/// `input` behind it.
pub(super) async fn read<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    head: &RequestHead,
    bytes_max: usize,
    silence_ms: u32,
    reading: Option<&mut Reading>,
) -> Result<Body<N>, NoBody> {
    match head.framing {
        Framing::Empty | Framing::ToClose => Ok(Body { held: Held::Input(head.len..head.len), _share: None }),
        Framing::Sized(bytes) if bytes > bytes_max as u64 => Err(TOO_LARGE),
        Framing::Sized(bytes) => sized(client, input, head, bytes as usize, silence_ms, reading).await,
        Framing::Chunked => chunked(client, input, head, bytes_max, silence_ms, reading).await,
    }
}

async fn sized<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    head: &RequestHead,
    bytes: usize,
    silence_ms: u32,
    reading: Option<&mut Reading>,
) -> Result<Body<N>, NoBody> {
    let end = head.len + bytes;
    client.last_bytes = end;
    let share = client.core.reserve(bytes).ok_or(BUSY)?;
    if input.len() < end {
        go_on(client, head, silence_ms).await?;
    }
    if end <= input.capacity() {
        while input.len() < end {
            more(client, input, silence_ms).await?;
        }
        return Ok(Body { held: Held::Input(head.len..end), _share: Some(share) });
    }
    let mut own = Vec::with_capacity(bytes);
    own.extend_from_slice(&input[head.len..]);
    input.truncate(head.len);
    client.core.slabs.narrow(input);
    let outcome = fill(client, &mut own, bytes, silence_ms, reading).await;
    client.stream.low_water(1);
    outcome?;
    // The vector may have had more room than was asked for, and the read filled it.
    input.extend_from_slice(&own[bytes..]);
    own.truncate(bytes);
    Ok(Body { held: Held::Own(own), _share: Some(share) })
}

async fn fill<N: Net>(
    client: &mut Client<N>,
    own: &mut Vec<u8>,
    bytes: usize,
    silence_ms: u32,
    mut reading: Option<&mut Reading>,
) -> Result<(), NoBody> {
    let mut turn = Turn::default();
    while own.len() < bytes {
        client.stream.low_water((bytes - own.len()).min(limits::LOW_WATER_BYTES));
        let waited = more(client, own, silence_ms).await?;
        if let Some(reading) = reading.as_deref_mut() {
            // What is wrong with it is told when it has come as a whole.
            let _ = look(client, reading, &own[..own.len().min(bytes)], false).await;
        }
        turn.take(client, own.len(), waited).await;
    }
    Ok(())
}

/// What a session has received since others had their turn.
#[derive(Default)]
struct Turn {
    began: usize,
}

impl Turn {
    /// `bytes` have come so far. A peer that sends as fast as we receive never makes us wait.
    async fn take<N: Net>(&mut self, client: &Client<N>, bytes: usize, waited: bool) {
        if !waited && bytes - self.began < limits::READ_TURN_BYTES {
            return;
        }
        if !waited {
            client.core.net.sleep(0).await;
        }
        self.began = bytes;
    }
}

/// Reads `body`, or its beginning unless this is its `last` part, to the end of what is there of it.
pub(super) async fn look<N: Net>(
    client: &Client<N>,
    reading: &mut Reading,
    body: &[u8],
    last: bool,
) -> Result<(), Unfit> {
    while !reading.advance(body, last)? {
        client.core.net.sleep(0).await;
    }
    Ok(())
}

async fn chunked<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    head: &RequestHead,
    bytes_max: usize,
    silence_ms: u32,
    mut reading: Option<&mut Reading>,
) -> Result<Body<N>, NoBody> {
    let mut share = client.core.reserve(0).ok_or(BUSY)?;
    let mut decoder = Decoder::new(Framing::Chunked);
    let mut own = input.split_off(head.len);
    client.core.slabs.narrow(input);
    let mut payload = 0;
    let mut told_to_go_on = false;
    let mut turn = Turn::default();
    loop {
        let piece = decoder
            .decode(&mut own[payload..])
            .map_err(|_| NoBody::Refused(Fault::InvalidRequest, "the chunked body is malformed"))?;
        let consumed = payload + piece.consumed;
        own.copy_within(payload + piece.data.start..payload + piece.data.end, payload);
        payload += piece.data.len();
        if payload > bytes_max {
            return Err(TOO_LARGE);
        }
        if piece.state == State::End {
            input.extend_from_slice(&own[consumed..]);
            own.truncate(payload);
            return Ok(Body { held: Held::Own(own), _share: Some(share) });
        }
        own.copy_within(consumed.., payload);
        let unread = own.len() - consumed;
        own.truncate(payload + unread);
        if !told_to_go_on {
            go_on(client, head, silence_ms).await?;
            told_to_go_on = true;
        }
        own.reserve(limits::SLAB_BYTES);
        if !share.resize(own.capacity()) {
            return Err(BUSY);
        }
        if let Some(reading) = reading.as_deref_mut() {
            let _ = look(client, reading, &own[..payload], false).await;
        }
        let waited = more(client, &mut own, silence_ms).await?;
        turn.take(client, payload, waited).await;
    }
}

/// Answers `Expect: 100-continue` before waiting for the body (RFC 9110 §10.1.1).
async fn go_on<N: Net>(client: &mut Client<N>, head: &RequestHead, stall_ms: u32) -> Result<(), NoBody> {
    if !head.expect_continue {
        return Ok(());
    }
    client.write(&mut [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")], stall_ms).await.map_err(|_| NoBody::Gone)
}

/// Appends at least one byte to `into`, which has room. Says whether they had to be waited for.
async fn more<N: Net>(client: &mut Client<N>, into: &mut Vec<u8>, silence_ms: u32) -> Result<bool, NoBody> {
    client.due_in(silence_ms);
    let (mut waited, mut is_late) = (false, false);
    loop {
        match client.stream.try_read(into) {
            Ok(0) => return Err(CUT),
            Ok(_) => return Ok(waited),
            Err(error) if !sys::would_block(&error) => return Err(NoBody::Gone),
            Err(_) if is_late => return Err(SLOW),
            Err(_) => {}
        }
        // Where the time is over there may be less than the mark that was to wake us: that was no silence.
        is_late = !client.readable().await;
        waited = true;
    }
}

/// Reads and forgets what is left of a body, so that its connection can be used again after an early answer.
/// False where that would take too much: then the connection has to end.
pub(super) async fn discard<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    head: &RequestHead,
    silence_ms: u32,
) -> bool {
    let small = match head.framing {
        Framing::Empty | Framing::ToClose => true,
        Framing::Sized(bytes) => bytes <= limits::DISCARD_BYTES_MAX,
        // Its length is not known before it has been read.
        Framing::Chunked => false,
    };
    // A client that waits for 100 may send the body or not after a final status: nobody can tell which.
    if !small || (head.expect_continue && input.len() == head.len) {
        return false;
    }
    match read(client, input, head, limits::DISCARD_BYTES_MAX as usize, silence_ms, None).await {
        Ok(body) => {
            input.drain(..body.end_in_input(head.len));
            true
        }
        Err(_) => false,
    }
}
