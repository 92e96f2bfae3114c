//! Reads a whole answer of a Responses upstream: what the last event of a stream holds.

use super::stream_in::Stream;
use crate::json::Raw;
use crate::protocol::ir::{BadUpstream, Event};

/// Tells the answer that `body` is.
pub fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
    match Raw::parse(body) {
        Ok(response) if response.is_object() => Stream::default().whole(response, sink),
        _ => Err(BadUpstream("the answer is not a JSON object")),
    }
}
