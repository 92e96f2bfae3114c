//! Reads a Chat upstream's whole answer: its message is a stream's only delta.
//!
//! So what holds of a stream's deltas holds here. Members of the message that nobody here knows are told as a part of
//! Chat's own; those around it are not told.

use super::Stream;
use crate::json::Raw;
use crate::protocol::ir::{BadUpstream, Event, Stop, StreamDecoder};
use crate::sse::{Frame, FrameKind};

/// Tells the answer in `body` from `Start` to `End` or `Fail`.
pub fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
    let answer = Raw::parse(body).map_err(|_| BadUpstream("the answer is not JSON"))?;
    // Some wrap an error in an array.
    let answer = answer.elements().next().unwrap_or(answer);
    let mut stream = Stream::default();
    let frame = Frame { raw: answer.bytes(), event: b"", data: answer.bytes(), kind: FrameKind::Data };
    if stream.chunk(&frame, sink).is_err() || stream.is_untold() {
        return Err(BadUpstream("the answer has no message"));
    }
    // A whole answer is whole, also where no reason is given.
    if stream.is_inside() {
        stream.stop(Stop::EndTurn, sink);
    }
    stream.finish(sink);
    Ok(())
}

#[cfg(test)]
#[path = "response_in_test.rs"]
mod tests;
