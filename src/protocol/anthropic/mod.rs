//! Anthropic Messages on the pivot.
//!
//! Blocks follow each other strictly, sides take turns, and the model's thinking is sealed: most of what is done here
//! serves these three. What the API adds beside them (server tools, containers, context edits) is carried as written.

pub mod error;
pub mod request_in;
pub mod request_out;
pub mod response_in;
pub mod response_out;
pub mod stream_in;
pub mod stream_out;

mod block_in;
mod citation;
mod id;
mod input;
mod media;
mod model;
mod schema_out;
mod think_out;
mod tool_in;
mod tool_out;
mod turn_out;
mod usage;

#[cfg(test)]
#[path = "laws_test.rs"]
mod laws_test;

pub use stream_in::Stream;
pub use stream_out::Encoder;

use super::Dialect;
use super::ir::seal::{Seal, SealKind};
use super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Encode, Event, Failure, Opening, Outgoing, Request, Response, Stop,
};
use crate::json::{Escaped, text};

/// Anthropic Messages.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

impl Decode for Anthropic {
    const DIALECT: Dialect = Dialect::Anthropic;
    type Stream = Stream;

    /// The body says all: Anthropic's paths name no model.
    fn request<'a>(body: &'a [u8], _: Option<&'a str>, _: bool) -> Result<Request<'a>, BadRequest> {
        request_in::request(body)
    }

    fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        response_in::response(body, sink)
    }

    fn failure(status: u16, body: &[u8]) -> Failure<'_> {
        error::failure(status, body)
    }
}

impl Encode for Anthropic {
    const DIALECT: Dialect = Dialect::Anthropic;
    type Stream = Encoder;

    fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
        request_out::request(request, to, out)
    }

    fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
        response_out::response(response, opening, out);
    }
}

/// The signature of reasoning that nobody signed: clients keep it with the reasoning, and no vendor is sent it. It
/// looks like a wrapped seal, so that whoever looks for those finds it too.
const UNSIGNED: &[u8] = b"weir.1.none";

/// Anthropic's words for why an answer ends, and the stop word where it is known.
fn stop_words(stop: Stop<'_>) -> (&'static str, Option<Escaped<'_>>) {
    match stop {
        Stop::EndTurn => ("end_turn", None),
        Stop::ToolUse => ("tool_use", None),
        Stop::Length => ("max_tokens", None),
        Stop::ContextFull => ("model_context_window_exceeded", None),
        Stop::Word(word) => ("stop_sequence", (!word.bytes().is_empty()).then_some(word)),
        Stop::Filter | Stop::Refusal => ("refusal", None),
        Stop::Pause => ("pause_turn", None),
    }
}

/// Whether the seal is of a kind that Anthropic does not have: it signs no calls, and would refuse such a block.
fn is_sealed_call(seal: &Seal<'_>) -> bool {
    (seal.origin, seal.kind) == (Dialect::Anthropic, SealKind::Call)
}

/// Appends the id of a call that its vendor gave none.
fn made_id(opening: &Opening, index: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"toolu_");
    text::escape(&opening.id, out);
    out.push(b'_');
    out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
}
