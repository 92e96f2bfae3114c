//! How long a body is (RFC 9112 §6.3), and the decoder that takes it out of its framing.
//!
//! The RFC lets a recipient repair some framing; weir repairs none. A message whose length two parties could
//! read differently is refused, whoever sent it.

use std::fmt;
use std::ops::Range;

use super::chunk;
use super::field::{Fields, Name, members};
use super::head::{Refusal, Version};
use crate::base::ascii;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// This many bytes.
    Sized(u64),
    /// Chunks up to the empty one.
    Chunked,
    /// Everything until the peer closes; responses only.
    ToClose,
}

/// The framing of a request body.
pub(super) fn of_request(buf: &[u8], fields: &Fields, version: Version) -> Result<Framing, Refusal> {
    if chunked(buf, fields, version)? {
        return Ok(Framing::Chunked);
    }
    Ok(content_length(buf, fields)?.map_or(Framing::Empty, Framing::Sized))
}

/// The framing of a response body; `bodiless` by its status or by the method that was asked. The fields of a
/// bodiless response are judged all the same: an upstream that contradicts itself there is not kept.
pub(super) fn of_response(buf: &[u8], fields: &Fields, version: Version, bodiless: bool) -> Result<Framing, Refusal> {
    let chunked = chunked(buf, fields, version)?;
    let length = content_length(buf, fields)?;
    Ok(match (bodiless, chunked, length) {
        (true, _, _) => Framing::Empty,
        (false, true, _) => Framing::Chunked,
        (false, false, Some(length)) => Framing::Sized(length),
        (false, false, None) => Framing::ToClose,
    })
}

/// Whether the body is chunked: `Transfer-Encoding` is absent or `chunked` once, without `Content-Length`,
/// in HTTP/1.1 (RFC 9112 §6.1).
fn chunked(buf: &[u8], fields: &Fields, version: Version) -> Result<bool, Refusal> {
    let Some(field) = fields.get(Name::TransferEncoding) else { return Ok(false) };
    if version == Version::Http10 {
        return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
    }
    if fields.get(Name::ContentLength).is_some() {
        return Err(Refusal::bad("Content-Length with Transfer-Encoding"));
    }
    let one_line = fields.all(Name::TransferEncoding).nth(1).is_none();
    if one_line && field.value.of(buf).eq_ignore_ascii_case(b"chunked") {
        return Ok(true);
    }
    // Not ours to decode. A list of well-formed codings is one we do not know, anything else is malformed.
    let values = fields.all(Name::TransferEncoding).map(|field| field.value.of(buf));
    let mut chunked_seen = false;
    for coding in values.flat_map(members) {
        if chunked_seen || !ascii::is_token(coding) {
            return Err(Refusal::bad("malformed Transfer-Encoding"));
        }
        chunked_seen = coding.eq_ignore_ascii_case(b"chunked");
    }
    Err(Refusal { status: 501, reason: "unknown transfer coding" })
}

/// The one `Content-Length`. Repeated ones are refused even when they agree, which RFC 9110 §8.6 allows.
fn content_length(buf: &[u8], fields: &Fields) -> Result<Option<u64>, Refusal> {
    let mut lengths = fields.all(Name::ContentLength);
    let Some(field) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() {
        return Err(Refusal::bad("several Content-Length"));
    }
    let length = ascii::decimal(field.value.of(buf)).ok_or(Refusal::bad("malformed Content-Length"))?;
    Ok(Some(length))
}

/// What `decode` took from a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the buffer that belong to this message; those behind them belong to the next.
    pub consumed: usize,
    /// Where the payload now lies in the buffer, in one run.
    pub data: Range<usize>,
    /// Whether the message is complete.
    pub state: State,
}

/// Whether a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// More bytes, or the close of the peer, are to come.
    More,
    /// The last byte of the message was consumed.
    End,
}

/// Why a body cannot be read; its sender is to blame and its connection has to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk size that is not 1 to 16 hexadecimal digits ended by `;` or CRLF.
    ChunkSize,
    /// A chunk extension with a control character, or too long.
    ChunkExtension,
    /// Chunk data not followed by CRLF.
    ChunkEnd,
    /// A trailer that is no field line.
    Trailer,
    /// Trailers beyond their bound.
    TrailerTooLong,
    /// The peer closed before the end.
    Truncated,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::ChunkSize => "malformed chunk size",
            BodyError::ChunkExtension => "malformed or too long chunk extension",
            BodyError::ChunkEnd => "chunk data not followed by CRLF",
            BodyError::Trailer => "malformed trailer",
            BodyError::TrailerTooLong => "trailers too long",
            BodyError::Truncated => "closed before the end of the body",
        })
    }
}

impl std::error::Error for BodyError {}

/// A body being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// So many bytes are to come.
    Sized {
        /// Not yet consumed.
        left: u64,
    },
    /// Chunks are to come.
    Chunked(chunk::Decoder),
    /// Everything up to the close.
    ToClose,
    /// Complete.
    Ended,
}

impl Decoder {
    /// At the first byte of a body.
    pub fn new(framing: Framing) -> Decoder {
        match framing {
            Framing::Empty | Framing::Sized(0) => Decoder::Ended,
            Framing::Sized(left) => Decoder::Sized { left },
            Framing::Chunked => Decoder::Chunked(chunk::Decoder::new()),
            Framing::ToClose => Decoder::ToClose,
        }
    }

    /// Takes what belongs to the body from the start of `buf`, in place.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Piece, BodyError> {
        let piece = match self {
            Decoder::Sized { left } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= take as u64;
                let state = if *left == 0 { State::End } else { State::More };
                Piece { consumed: take, data: 0..take, state }
            }
            Decoder::Chunked(chunks) => chunks.decode(buf)?,
            Decoder::ToClose => Piece { consumed: buf.len(), data: 0..buf.len(), state: State::More },
            Decoder::Ended => Piece { consumed: 0, data: 0..0, state: State::End },
        };
        if piece.state == State::End {
            *self = Decoder::Ended;
        }
        Ok(piece)
    }

    /// The peer closed: the end of a body that runs to the close, a loss for any other unfinished one.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        match self {
            Decoder::ToClose | Decoder::Ended => {
                *self = Decoder::Ended;
                Ok(())
            }
            Decoder::Sized { .. } | Decoder::Chunked(_) => Err(BodyError::Truncated),
        }
    }

    /// Payload bytes still to come, where the framing says so.
    pub fn remaining_hint(&self) -> Option<u64> {
        match self {
            Decoder::Sized { left } => Some(*left),
            Decoder::Ended => Some(0),
            Decoder::Chunked(_) | Decoder::ToClose => None,
        }
    }

    /// Whether the body is complete.
    pub fn is_end(&self) -> bool {
        *self == Decoder::Ended
    }
}

#[cfg(test)]
#[path = "body_test.rs"]
mod tests;
