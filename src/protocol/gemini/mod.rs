//! Google Gemini's generateContent and streamGenerateContent (ai.google.dev/api/generate-content).
//!
//! A stream is a sequence of whole answers, each with more parts; so a whole answer is read as a stream of one frame
//! ([`stream_in`]). Calls come whole and mostly without ids, the results of the history are found by name and order.
//! Signatures stand on the parts that they belong to, and newer models refuse a call of the history that lacks its own.

pub mod error;
pub mod request_in;
pub mod request_out;
pub mod response_in;
pub mod response_out;
pub mod stream_in;
pub mod stream_out;

mod carried;
mod part_out;
mod schema_in;
mod turns_in;
mod turns_out;

pub use stream_in::Stream;
pub use stream_out::Encoder;

use super::Dialect;
use super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Encode, Event, Failure, Opening, Outgoing, Request, Response,
};

/// Google Gemini.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Decode for Gemini {
    const DIALECT: Dialect = Dialect::Gemini;
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

impl Encode for Gemini {
    const DIALECT: Dialect = Dialect::Gemini;
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
