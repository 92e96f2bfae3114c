//! Undoes `Content-Encoding` of a body that has to be read (RFC 9110 §8.4).
//!
//! Decoding goes in steps of at most `INFLATE_STEP_BYTES` in and out, so that a core can look up between two
//! steps, and the bound on the decoded size is kept at every step: a bomb costs the bound, not its size.
//! Several codings are undone one after another, the last applied first, each under the same bound.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use smallvec::SmallVec;
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use crate::base::ascii;
use crate::limits::{CODINGS_MAX, INFLATE_PIECE_BYTES, INFLATE_STEP_BYTES, MEMBERS_MAX, ZSTD_WINDOW_LOG_MAX};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `gzip` or `x-gzip` (RFC 1952), several members too.
    Gzip,
    /// `deflate`: zlib (RFC 1950), or the bare stream (RFC 1951) that some senders call so.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// A coding that is not known, or too many of them: 415.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown content coding")
    }
}

impl std::error::Error for Unknown {}

/// Why a body cannot be decoded; its sender is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// More than a bound comes out, or too many streams in a row: 413.
    TooLarge,
    /// No valid stream, cut short, or followed by other bytes: 400.
    Corrupt,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InflateError::TooLarge => "decoded body too large",
            InflateError::Corrupt => "corrupt content coding",
        })
    }
}

impl std::error::Error for InflateError {}

impl Coding {
    /// Appends the codings of one `Content-Encoding` value in the order they were applied, without `identity`.
    /// For several field lines it is called with each in turn.
    pub fn parse_into(value: &[u8], codings: &mut SmallVec<[Coding; 2]>) -> Result<(), Unknown> {
        for name in value.split(|&byte| byte == b',').map(ascii::trim).filter(|name| !name.is_empty()) {
            let coding = Coding::parse(name).ok_or(Unknown)?;
            if coding == Coding::Identity {
                continue;
            }
            if codings.len() == CODINGS_MAX {
                return Err(Unknown);
            }
            codings.push(coding);
        }
        Ok(())
    }

    /// The codings of one `Content-Encoding` value.
    pub fn parse_list(value: &[u8]) -> Result<SmallVec<[Coding; 2]>, Unknown> {
        let mut codings = SmallVec::new();
        Coding::parse_into(value, &mut codings)?;
        Ok(codings)
    }

    fn parse(name: &[u8]) -> Option<Coding> {
        const NAMES: [(&[u8], Coding); 6] = [
            (b"gzip", Coding::Gzip),
            (b"x-gzip", Coding::Gzip),
            (b"deflate", Coding::Deflate),
            (b"br", Coding::Brotli),
            (b"zstd", Coding::Zstd),
            (b"identity", Coding::Identity),
        ];
        NAMES.iter().find(|(text, _)| text.eq_ignore_ascii_case(name)).map(|&(_, coding)| coding)
    }
}

/// The body with all codings undone, in one go.
pub fn decode(codings: &[Coding], body: &[u8], decoded_bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Inflater::new(codings, body, decoded_bytes_max);
    loop {
        if let Some(decoded) = inflater.step()? {
            return Ok(decoded.into_owned());
        }
    }
}

/// A body being decoded step by step.
pub struct Inflater<'b> {
    /// Codings not undone yet, but for the one of `stage`.
    codings: SmallVec<[Coding; 2]>,
    stage: Option<Stage>,
    input: Cow<'b, [u8]>,
    /// Bytes of `input` behind us.
    read: usize,
    output: Vec<u8>,
    /// Output before that. To grow one vector by doubling would copy all of it at once.
    pieces: VecDeque<Vec<u8>>,
    /// The pieces, put together by and by once all are there.
    joined: Option<Vec<u8>>,
    /// Bytes of output so far.
    decoded: usize,
    block: Box<[u8]>,
    /// Streams begun behind another one. Each costs a decoder's state, however few its bytes are.
    members: usize,
    decoded_bytes_max: usize,
}

impl<'b> Inflater<'b> {
    /// Before the first step.
    pub fn new(codings: &[Coding], body: &'b [u8], decoded_bytes_max: usize) -> Inflater<'b> {
        let codings = SmallVec::from_slice(codings);
        let block = vec![0; if codings.is_empty() { 0 } else { INFLATE_STEP_BYTES }].into_boxed_slice();
        let input = Cow::Borrowed(body);
        let (output, pieces) = (Vec::new(), VecDeque::new());
        let (stage, joined, read, decoded, members) = (None, None, 0, 0, 0);
        Inflater { codings, stage, input, read, output, pieces, joined, decoded, block, members, decoded_bytes_max }
    }

    /// A bounded piece of the work; the body once it is complete.
    pub fn step(&mut self) -> Result<Option<Cow<'b, [u8]>>, InflateError> {
        if let Some(joined) = &mut self.joined {
            match self.pieces.pop_front() {
                Some(piece) => joined.extend_from_slice(&piece),
                None => self.ended(),
            }
            return Ok(None);
        }
        let Some(stage) = &mut self.stage else {
            return match self.codings.pop() {
                Some(coding) => {
                    self.stage = Stage::new(coding, &self.input)?;
                    Ok(None)
                }
                None if self.input.len() > self.decoded_bytes_max => Err(InflateError::TooLarge),
                None => Ok(Some(std::mem::take(&mut self.input))),
            };
        };
        let rest = &self.input[self.read..];
        let piece = &rest[..rest.len().min(INFLATE_STEP_BYTES)];
        let step = stage.run(piece, &mut self.block)?;
        let room = self.decoded_bytes_max - self.decoded;
        if step.written > room {
            return Err(InflateError::TooLarge);
        }
        self.decoded += step.written;
        if self.output.len() + step.written > INFLATE_PIECE_BYTES {
            self.pieces.push_back(std::mem::take(&mut self.output));
        }
        let spare = self.output.capacity() - self.output.len();
        if step.written > spare {
            // Doubling, but never beyond the bound.
            self.output.reserve_exact(self.output.len().max(step.written).min(room));
        }
        self.output.extend_from_slice(&self.block[..step.written]);
        self.read += step.read;
        let rest = &self.input[self.read..];
        match step.ended {
            true if rest.is_empty() => {
                self.stage = None;
                self.joined = match self.pieces.is_empty() {
                    true => Some(std::mem::take(&mut self.output)),
                    false => {
                        self.pieces.push_back(std::mem::take(&mut self.output));
                        Some(Vec::with_capacity(self.decoded))
                    }
                };
            }
            true if self.members == MEMBERS_MAX => return Err(InflateError::TooLarge),
            true => {
                self.members += 1;
                stage.next_member(rest)?;
            }
            // Nothing went in or out: the stream is cut short.
            false if step.read == 0 && step.written == 0 => return Err(InflateError::Corrupt),
            false => {}
        }
        Ok(None)
    }

    /// One coding is undone: its output is the input of the next.
    fn ended(&mut self) {
        self.input = Cow::Owned(self.joined.take().unwrap_or_default());
        (self.read, self.decoded) = (0, 0);
    }
}

/// What one run of a decoder did.
struct Step {
    read: usize,
    written: usize,
    /// The stream, or one member of it, is complete.
    ended: bool,
}

/// The decoder of one coding.
enum Stage {
    Gzip(Decompress),
    Deflate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Zstd<'static>),
}

const DEFLATE_WINDOW_BITS: u8 = 15;

impl Stage {
    /// At the start of `body`; nothing if there is nothing to undo.
    fn new(coding: Coding, body: &[u8]) -> Result<Option<Stage>, InflateError> {
        let alloc = StandardAlloc::default;
        Ok(Some(match coding {
            Coding::Identity => return Ok(None),
            Coding::Gzip => Stage::Gzip(Decompress::new_gzip(DEFLATE_WINDOW_BITS)),
            Coding::Deflate => Stage::Deflate(Decompress::new(has_zlib_header(body))),
            // Strict: the large windows of other decoders reserve up to 1 GiB at the sender's word.
            Coding::Brotli => Stage::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
            Coding::Zstd => {
                let mut decoder = Zstd::new().map_err(|_| InflateError::TooLarge)?;
                let bound = DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
                decoder.set_parameter(bound).map_err(|_| InflateError::TooLarge)?;
                Stage::Zstd(decoder)
            }
        }))
    }

    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, InflateError> {
        match self {
            Stage::Gzip(stream) | Stage::Deflate(stream) => {
                let (read, written) = (stream.total_in(), stream.total_out());
                let status = stream.decompress(input, output, FlushDecompress::None);
                let ended = status.map_err(|_| InflateError::Corrupt)? == Status::StreamEnd;
                let read = (stream.total_in() - read) as usize;
                Ok(Step { read, written: (stream.total_out() - written) as usize, ended })
            }
            Stage::Brotli(state) => {
                let (mut read, mut written) = (0, 0);
                let (mut input_left, mut output_left) = (input.len(), output.len());
                let result = BrotliDecompressStream(
                    &mut input_left,
                    &mut read,
                    input,
                    &mut output_left,
                    &mut written,
                    output,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(InflateError::Corrupt),
                    BrotliResult::ResultSuccess => Ok(Step { read, written, ended: true }),
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                        Ok(Step { read, written, ended: false })
                    }
                }
            }
            Stage::Zstd(decoder) => {
                let (mut input, mut output) = (InBuffer::around(input), OutBuffer::around(output));
                let hint = decoder.run(&mut input, &mut output).map_err(|_| InflateError::Corrupt)?;
                Ok(Step { read: input.pos(), written: output.pos(), ended: hint == 0 })
            }
        }
    }

    /// Goes on with the bytes behind a complete stream: another gzip member (RFC 1952 §2.2) or zstd frame
    /// (RFC 8878 §3.1). The other codings have one stream.
    fn next_member(&mut self, rest: &[u8]) -> Result<(), InflateError> {
        match self {
            Stage::Gzip(stream) if rest[0] == 0x1f => {
                *stream = Decompress::new_gzip(DEFLATE_WINDOW_BITS);
                Ok(())
            }
            Stage::Zstd(_) => Ok(()),
            Stage::Gzip(_) | Stage::Deflate(_) | Stage::Brotli(_) => Err(InflateError::Corrupt),
        }
    }
}

/// Whether a `deflate` body begins with a zlib header (RFC 1950 §2.2). A bare stream with these bits would
/// begin with a stored block whose padding is not zero, which no encoder writes.
fn has_zlib_header(body: &[u8]) -> bool {
    match *body {
        [method, flags, ..] => method & 0x8f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0,
        _ => false,
    }
}

#[cfg(test)]
#[path = "inflate_test.rs"]
mod tests;
