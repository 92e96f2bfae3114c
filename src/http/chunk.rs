//! Chunked bodies, decoded in place (RFC 9112 §7.1).
//!
//! The decoder keeps where it is between two calls, so any split of the bytes gives the same payload. Within
//! a call payloads are moved together behind the first one: a read that holds one chunk moves nothing.
//! Extensions and trailers are checked, bounded and dropped. Nothing behind the message is touched.

use super::body::{BodyError, Piece, State};
use crate::base::ascii;
use crate::limits::{CHUNK_DIGITS_MAX, CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size { value: u64, digits: usize },
    Extension { value: u64, bytes: usize },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart { bytes: usize },
    TrailerName { bytes: usize },
    TrailerValue { bytes: usize },
    TrailerLf { bytes: usize },
    LastLf,
    End,
}

/// A chunked body being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoder {
    at: At,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { at: At::SIZE }
    }
}

impl Decoder {
    /// At the first chunk size.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes framing out of `buf`. After an error the message has no known end: the connection must close.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Piece, BodyError> {
        let mut read = 0;
        let mut data = 0..0;
        while read < buf.len() && self.at != At::End {
            if let At::Data { left } = self.at {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len() - read);
                if data.is_empty() {
                    data = read..read;
                }
                if data.end != read {
                    buf.copy_within(read..read + take, data.end);
                }
                data.end += take;
                read += take;
                let left = left - take as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data { left } };
                continue;
            }
            // Between two payloads there is nearly always `CRLF size CRLF`; all else goes byte by byte.
            let rest = &buf[read..];
            let plain = match self.at {
                At::DataCr if rest.starts_with(b"\r\n") => Some((At::SIZE, 2)),
                At::Size { digits: 0, .. } => plain_size_line(rest),
                _ => None,
            };
            let (at, used) = match plain {
                Some(plain) => plain,
                None => (self.at.framing(rest[0])?, 1),
            };
            self.at = at;
            read += used;
        }
        let state = if self.at == At::End { State::End } else { State::More };
        Ok(Piece { consumed: read, data, state })
    }

    /// Whether the last byte of the message was read.
    pub fn is_end(&self) -> bool {
        self.at == At::End
    }
}

impl At {
    const SIZE: At = At::Size { value: 0, digits: 0 };

    /// The place behind `byte`, which is no payload.
    #[inline]
    fn framing(self, byte: u8) -> Result<At, BodyError> {
        match (self, byte) {
            (At::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = ascii::hex_digit(byte).ok_or(BodyError::ChunkSize)?;
                // 16 digits fill 64 bits, so the shift loses nothing.
                let fits = digits < CHUNK_DIGITS_MAX;
                let next = At::Size { value: value << 4 | u64::from(digit), digits: digits + 1 };
                if fits { Ok(next) } else { Err(BodyError::ChunkSize) }
            }
            (At::Size { digits: 0, .. }, _) => Err(BodyError::ChunkSize),
            (At::Size { value, .. }, b';') => Ok(At::Extension { value, bytes: 1 }),
            (At::Size { value, .. } | At::Extension { value, .. }, b'\r') => Ok(At::SizeLf { value }),
            (At::Size { .. }, _) => Err(BodyError::ChunkSize),
            (At::Extension { value, bytes }, _) if is_text(byte) && bytes < CHUNK_EXTENSION_BYTES_MAX => {
                Ok(At::Extension { value, bytes: bytes + 1 })
            }
            (At::Extension { .. }, _) => Err(BodyError::ChunkExtension),
            (At::SizeLf { value: 0 }, b'\n') => Ok(At::TrailerStart { bytes: 0 }),
            (At::SizeLf { value }, b'\n') => Ok(At::Data { left: value }),
            (At::SizeLf { .. }, _) => Err(BodyError::ChunkSize),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::SIZE),
            (At::Data { .. } | At::DataCr | At::DataLf, _) => Err(BodyError::ChunkEnd),
            (At::TrailerStart { .. }, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::End),
            (At::LastLf | At::End, _) => Err(BodyError::Trailer),
            _ => self.trailer(byte),
        }
    }

    /// Within a trailer field: the grammar of a field line, without line folding.
    fn trailer(self, byte: u8) -> Result<At, BodyError> {
        let next = match (self, byte) {
            (At::TrailerStart { bytes } | At::TrailerName { bytes }, _) if ascii::is_tchar(byte) => {
                At::TrailerName { bytes: bytes + 1 }
            }
            (At::TrailerName { bytes }, b':') => At::TrailerValue { bytes: bytes + 1 },
            (At::TrailerValue { bytes }, b'\r') => At::TrailerLf { bytes },
            (At::TrailerValue { bytes }, _) if is_text(byte) => At::TrailerValue { bytes: bytes + 1 },
            (At::TrailerLf { bytes }, b'\n') => At::TrailerStart { bytes: bytes + 2 },
            _ => return Err(BodyError::Trailer),
        };
        match next {
            At::TrailerName { bytes } | At::TrailerValue { bytes } if bytes > TRAILER_BYTES_MAX => {
                Err(BodyError::TrailerTooLong)
            }
            _ => Ok(next),
        }
    }
}

/// Behind `size CRLF` with a short size that is not zero, and the bytes of that line; nothing for any other text.
#[inline]
fn plain_size_line(text: &[u8]) -> Option<(At, usize)> {
    const SHORT_DIGITS_MAX: usize = 8;
    let mut left = 0;
    for (at, &byte) in text.iter().take(SHORT_DIGITS_MAX + 1).enumerate() {
        match ascii::hex_digit(byte) {
            Some(digit) => left = left << 4 | u64::from(digit),
            None => {
                let plain = left != 0 && text[at..].starts_with(b"\r\n");
                return plain.then_some((At::Data { left }, at + 2));
            }
        }
    }
    None
}

/// HTAB, SP, VCHAR and obs-text: what may stand in a field value or a quoted string (RFC 9110 §5.5, §5.6.4).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
#[path = "chunk_test.rs"]
mod tests;
