//! Frames out of a byte stream that arrives in any pieces.
//!
//! Where a frame ends is found by a small state machine that moves over every byte once and remembers nothing
//! but where in a line it stands; so a frame may be cut anywhere, between CR and LF too, and comes out the
//! same. A frame that lies wholly in the bytes at hand is borrowed from them; only one that crosses a call is
//! carried. All frames together are all bytes: whoever writes every `raw` has written the stream.
//!
//! Line ends are LF, CRLF and CR. A blank line ended by CR is held until the next byte shows that no LF
//! belongs to it, which delays events only in streams that end their lines with CR alone.

use super::array;
use crate::limits;

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: lines up to a blank one.
    Sse,
    /// A JSON value per line.
    Lines,
    /// The elements of one JSON array.
    Array,
}

/// One frame of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All its bytes, its end included.
    pub raw: &'a [u8],
    /// The event's name; empty if none was said.
    pub event: &'a [u8],
    /// The data; several data lines are joined by LF.
    pub data: &'a [u8],
    /// Whether it says anything.
    pub kind: FrameKind,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Data.
    Data,
    /// No data: comments, blank lines, fields without data, the brackets of an array.
    Comment,
}

/// A frame of more bytes or lines than the limit; the splitter is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Behind a whole frame.
    Whole,
    /// Inside a frame. It has been told nevertheless: many servers leave out the last blank line.
    Unfinished,
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Splitter {
    scan: Scan,
    frame_bytes_max: usize,
    /// The begin of a frame whose end has not come.
    carry: Vec<u8>,
    /// Data of a frame with several data lines.
    joined: Vec<u8>,
}

/// Where the stream stands, by framing.
#[derive(Clone, Debug)]
enum Scan {
    Sse {
        line: Line,
        /// Lines of the frame so far that are not blank.
        lines: u32,
    },
    Lines,
    Array(array::Scan),
}

/// Where in a line an SSE stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Before its first byte.
    Start,
    /// Behind its first byte.
    Inside,
    /// Behind the CR that ended it; a LF still belongs to it.
    Cr,
    /// Behind the CR of a blank line: the frame is whole, but a LF would belong to it.
    BlankCr,
}

impl Splitter {
    /// A splitter at the start of a stream.
    pub fn new(framing: Framing, frame_bytes_max: usize) -> Splitter {
        let scan = match framing {
            Framing::Sse => Scan::Sse { line: Line::Start, lines: 0 },
            Framing::Lines => Scan::Lines,
            Framing::Array => Scan::Array(array::Scan::default()),
        };
        Splitter { scan, frame_bytes_max, carry: Vec::new(), joined: Vec::new() }
    }

    /// Takes the next bytes of the stream and tells the frames that end in them.
    #[inline]
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), TooLong> {
        let mut rest = bytes;
        if !self.carry.is_empty() {
            match self.end(rest) {
                Some(end) => {
                    self.carry_more(&rest[..end])?;
                    rest = &rest[end..];
                    self.tell_carried(&mut each);
                }
                None => return self.carry_more(rest),
            }
        }
        while !rest.is_empty() {
            let Some(end) = self.end(rest) else { return self.carry_more(rest) };
            if end > self.frame_bytes_max || self.is_crowded() {
                return Err(TooLong);
            }
            let (raw, after) = rest.split_at(end);
            rest = after;
            each(frame(&mut self.scan, &mut self.joined, raw));
            self.joined.clear();
        }
        Ok(())
    }

    /// Whether a frame ends in `bytes`, or with them if they are the `last`, that has more than `most` bytes in all: what
    /// the next call would go through at once.
    #[inline]
    pub fn closes_over(&self, most: usize, bytes: &[u8], last: bool) -> bool {
        let carried = self.carry.len();
        let end = || end(&mut self.scan.clone(), carried, bytes).or(last.then_some(bytes.len()));
        carried + bytes.len() > most && end().is_some_and(|end| carried + end > most)
    }

    /// Says that the stream is over, and tells what is left of it.
    pub fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) -> Tail {
        if self.carry.is_empty() {
            return match &self.scan {
                Scan::Array(scan) if scan.is_open() => Tail::Unfinished,
                _ => Tail::Whole,
            };
        }
        let tail = match &self.scan {
            Scan::Sse { line: Line::BlankCr, .. } => Tail::Whole,
            Scan::Array(scan) if !scan.is_open() => Tail::Whole,
            // A last line needs no line end to be a JSON value.
            Scan::Lines if super::array::is_whole(&self.carry) => Tail::Whole,
            _ => Tail::Unfinished,
        };
        self.tell_carried(&mut each);
        tail
    }

    /// Where the frame ends that goes on at the start of `bytes`.
    #[inline]
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        end(&mut self.scan, self.carry.len(), bytes)
    }

    fn carry_more(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.carry.len() + bytes.len() > self.frame_bytes_max || self.is_crowded() {
            return Err(TooLong);
        }
        self.carry.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        matches!(self.scan, Scan::Sse { lines, .. } if lines > limits::FRAME_LINES_MAX)
    }

    fn tell_carried(&mut self, each: &mut impl FnMut(Frame<'_>)) {
        each(frame(&mut self.scan, &mut self.joined, &self.carry));
        for buffer in [&mut self.carry, &mut self.joined] {
            buffer.clear();
            if buffer.capacity() > limits::CARRY_KEEP_BYTES {
                buffer.shrink_to(limits::CARRY_KEEP_BYTES);
            }
        }
    }
}

/// Where the frame ends of which `carried` bytes lie in front of `bytes`.
#[inline]
fn end(scan: &mut Scan, carried: usize, bytes: &[u8]) -> Option<usize> {
    match scan {
        Scan::Sse { line, lines } => sse_end(line, lines, bytes),
        Scan::Lines => memchr::memchr(b'\n', bytes).map(|at| at + 1),
        Scan::Array(scan) => scan.end(bytes, carried),
    }
}

/// Moves over `bytes` up to the end of the frame: behind its blank line.
#[inline]
fn sse_end(line: &mut Line, lines: &mut u32, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let byte = *bytes.get(at)?;
        match (*line, byte) {
            (Line::BlankCr, byte) => {
                *line = Line::Start;
                return Some(at + usize::from(byte == b'\n'));
            }
            (Line::Cr, b'\n') => {
                *line = Line::Start;
                at += 1;
            }
            (Line::Start, b'\n') => {
                *line = Line::Start;
                return Some(at + 1);
            }
            (Line::Start | Line::Cr, b'\r') => {
                *line = Line::BlankCr;
                at += 1;
            }
            (Line::Start | Line::Cr | Line::Inside, _) => {
                *lines = lines.saturating_add(u32::from(*line != Line::Inside));
                // Such a frame is refused: no line of it is looked for any more.
                if *lines > limits::FRAME_LINES_MAX {
                    return None;
                }
                match memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
                    Some(found) => {
                        at += found + 1;
                        *line = if bytes[at - 1] == b'\n' { Line::Start } else { Line::Cr };
                    }
                    None => {
                        *line = Line::Inside;
                        return None;
                    }
                }
            }
        }
    }
}

/// Reads the frame `raw`, at whose end the scan stands.
#[inline]
fn frame<'a>(scan: &mut Scan, joined: &'a mut Vec<u8>, raw: &'a [u8]) -> Frame<'a> {
    match scan {
        Scan::Sse { lines, .. } => {
            let single = std::mem::take(lines) == 1;
            match raw.strip_prefix(b"data:") {
                // One line, and it is data: what the dialects without event names send, event after event.
                Some(data) if single => {
                    let end = data.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
                    Frame { raw, event: &[], data: unspaced(&data[..end]), kind: FrameKind::Data }
                }
                _ => fields(raw, joined),
            }
        }
        Scan::Lines => {
            let data = raw.trim_ascii();
            Frame { raw, event: &[], data, kind: if data.is_empty() { FrameKind::Comment } else { FrameKind::Data } }
        }
        Scan::Array(scan) => {
            let data = scan.take_element(raw);
            Frame { raw, event: &[], data, kind: if data.is_empty() { FrameKind::Comment } else { FrameKind::Data } }
        }
    }
}

/// Reads a frame of any lines (WHATWG HTML §9.2.6). `id` and `retry` mean nothing to the dialects.
fn fields<'a>(raw: &'a [u8], joined: &'a mut Vec<u8>) -> Frame<'a> {
    let mut event: &[u8] = &[];
    let mut data: Option<&[u8]> = None;
    let mut several = false;
    let mut rest = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let colon = memchr::memchr(b':', line);
        let (name, value) = colon.map_or((line, &line[..0]), |at| (&line[..at], unspaced(&line[at + 1..])));
        match (name, data) {
            (b"event", _) => event = value,
            (b"data", None) => data = Some(value),
            (b"data", Some(first)) => {
                if !several {
                    several = true;
                    joined.extend_from_slice(first);
                }
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
            _ => {}
        }
    }
    let kind = if data.is_some() { FrameKind::Data } else { FrameKind::Comment };
    Frame { raw, event, data: if several { joined } else { data.unwrap_or_default() }, kind }
}

/// `value` without the one space that may follow the colon.
#[inline]
fn unspaced(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

#[cfg(test)]
#[path = "split_test.rs"]
mod tests;
