//! OpenAI Responses on the pivot.
//!
//! [`open`] and [`refuse_stored`] are asked beside the pivot: the one tells an answer what of the request it repeats, the
//! other refuses what only a vendor can do who keeps answers. [`compact`] stands in for what only OpenAI offers.

pub mod compact;
pub mod error;
pub mod object;
pub mod request_in;
pub mod request_out;
pub mod response_in;
pub mod response_out;
pub mod socket;
pub mod stream_in;
pub mod stream_out;

mod event_in;
mod input_in;
mod input_out;
mod item;
mod open_item;
mod thread;
mod tools_in;
mod tools_out;

use super::Dialect;
use super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Encode, Event, Failure, Opening, Outgoing, Request, Response,
};

pub use object::open;
pub use request_in::refuse_stored;
pub use stream_in::Stream;
pub use stream_out::Encoder;

/// OpenAI Responses.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Decode for Responses {
    const DIALECT: Dialect = Dialect::Responses;
    type Stream = Stream;

    fn request<'a>(body: &'a [u8], path_model: Option<&'a str>, stream: bool) -> Result<Request<'a>, BadRequest> {
        request_in::request(body, path_model, stream)
    }

    fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        response_in::response(body, sink)
    }

    fn failure(status: u16, body: &[u8]) -> Failure<'_> {
        error::failure(status, body)
    }
}

impl Encode for Responses {
    const DIALECT: Dialect = Dialect::Responses;
    type Stream = Encoder;

    fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
        request_out::request(request, to, out)
    }

    fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
        response_out::response(response, opening, out);
    }
}

#[cfg(test)]
#[path = "laws_test.rs"]
mod laws_test;
