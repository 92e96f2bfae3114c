//! A translated answer that does not stream: read, and written for its client.
//!
//! What is soon done is done at once. A large answer, and one in a content coding, whose size nobody knows, is read and
//! written by a thread of its own ([`aside`]), so that no core stands still meanwhile.

use smallvec::SmallVec;

use super::aside;
use super::attempt::Answered;
use super::failure::Failure;
use super::translate::Turned;
use super::wait::Client;
use crate::codec::inflate::{self, Coding, InflateError};
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::limits;
use crate::protocol::ir::Response;
use crate::protocol::responses::compact;
use crate::protocol::translate::{self, Answering, Seen, Stream};
use crate::rt::Net;
use crate::sse::Framing;

/// A whole answer, as it was read.
pub(super) struct Whole {
    pub(super) response: Response,
    pub(super) seen: Seen,
    /// Whether it is too large to be written at once.
    pub(super) large: bool,
}

/// What gzip begins with (RFC 1952 §2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// Why there is nothing where a thread should have made something.
const BROKEN: &str = "its answer cannot be read";

/// Reads the answer that `answered` holds whole. `stream` tells how it is framed where it is events in a coding.
pub(super) async fn read<N: Net>(
    client: &Client<N>,
    answering: Answering,
    answered: &mut Answered<N::Stream>,
    fields: &Fields,
    stream: Option<Framing>,
) -> Result<(Answering, Whole), Failure> {
    let mut codings = codings(answered, fields)?;
    let body = &answered.buffer[answered.payload.clone()];
    // There are gateways that do not say so (conversion.md 15). No answer begins like this.
    if codings.is_empty() && body.starts_with(GZIP_MAGIC) {
        codings.push(Coding::Gzip);
    }
    let large = body.len() > limits::SAID_AT_ONCE_BYTES_MAX || !codings.is_empty();
    if !large {
        // Coded events are not read as they come (conversion.md 67).
        let mut answering = answering;
        return outcome(read_body(&mut answering, stream, body)).map(|(response, seen)| {
            let whole = Whole { response, seen, large };
            (answering, whole)
        });
    }
    let (buffer, payload) = (std::mem::take(&mut answered.buffer), answered.payload.clone());
    let job = move || {
        let mut answering = answering;
        let read = decoded(&codings, &buffer[payload.clone()]).map(|decoded| {
            let body = decoded.as_deref().unwrap_or(&buffer[payload]);
            (outcome(read_body(&mut answering, stream, body)), body.len())
        });
        (buffer, answering, read)
    };
    let done = aside::run(client, job).await;
    let (buffer, answering, read) = done.ok_or_else(|| Failure::broken(BROKEN))?;
    answered.buffer = buffer;
    let (read, bytes) = read?;
    let large = bytes > limits::SAID_AT_ONCE_BYTES_MAX;
    read.map(|(response, seen)| (answering, Whole { response, seen, large }))
}

/// `body` without its codings, where it has any.
fn decoded(codings: &[Coding], body: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    if codings.is_empty() {
        return Ok(None);
    }
    inflate::decode(codings, body, limits::ANSWER_BYTES_MAX).map(Some).map_err(|why| {
        Failure::broken(match why {
            InflateError::Corrupt => "its answer does not match its content-encoding",
            InflateError::TooLarge => "its answer is larger than the limit",
        })
    })
}

type Read = Result<(Response, Seen), crate::protocol::ir::Failure<'static>>;

fn read_body(answering: &mut Answering, stream: Option<Framing>, body: &[u8]) -> Read {
    match stream {
        Some(framing) => translate::read_stream(answering, framing, body),
        None => translate::read(answering, body),
    }
}

fn outcome(read: Read) -> Result<(Response, Seen), Failure> {
    read.map_err(|failure| Failure::broken(format!("{BROKEN}: {}", failure.message)))
}

fn codings<S>(answered: &Answered<S>, fields: &Fields) -> Result<SmallVec<[Coding; 2]>, Failure> {
    let mut codings = SmallVec::new();
    for field in fields.all(Name::ContentEncoding) {
        Coding::parse_into(field.value.of(&answered.buffer), &mut codings)
            .map_err(|_| Failure::broken("its answer has an unknown content-encoding"))?;
    }
    Ok(codings)
}

/// A whole answer as its client reads it, and `turned` again.
pub(super) async fn written<N: Net>(
    client: &Client<N>,
    turned: Box<Turned>,
    whole: Whole,
) -> Result<(Box<Turned>, Result<Vec<u8>, Failure>), Failure> {
    let large = whole.large;
    let job = move || {
        let body = write(&turned, &whole);
        (turned, body)
    };
    match large {
        false => Ok(job()),
        true => aside::run(client, job).await.ok_or_else(|| Failure::broken("its answer cannot be written")),
    }
}

/// A whole answer as its client reads it.
pub(super) fn write(turned: &Turned, whole: &Whole) -> Result<Vec<u8>, Failure> {
    let Answering { client, opening, .. } = &turned.answering;
    let mut body = Vec::new();
    match &turned.compaction {
        None => translate::write(*client, &whole.response, opening, &mut body),
        Some(compaction) => {
            let summary = compact::told(&whole.response).map_err(|why| Failure::broken(why.0))?;
            compaction.write(&summary, &whole.seen.usage, opening, &mut body);
        }
    }
    Ok(body)
}

/// Appends a whole answer to `out`, told as a stream; nothing where that broke.
pub(super) async fn replayed<N: Net>(
    client: &Client<N>,
    mut stream: Box<Stream>,
    whole: Whole,
    mut out: Vec<u8>,
) -> Option<(Box<Stream>, Vec<u8>)> {
    if !whole.large {
        stream.replay(&whole.response, &mut out);
        return Some((stream, out));
    }
    let job = move || {
        stream.replay(&whole.response, &mut out);
        (stream, out)
    };
    aside::run(client, job).await
}
