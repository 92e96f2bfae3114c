//! Ollama's own interface: `/api/chat` and `/api/generate`, a JSON object per line.
//!
//! A message has one text, one thought, a list of pictures and a list of calls, so the order between them is lost on
//! the way out and made up on the way in: thought, text, pictures, calls. Calls are told whole, their input is an
//! object, and old servers and the libraries know no ids for them: those are read where they are said, written always.
//! Upstreams are asked by `/api/chat` only; what only `/api/generate` knows is reported.

pub mod error;
pub mod request_in;
pub mod request_out;
pub mod response_out;
pub mod stream_in;
pub mod stream_out;

mod messages_in;
mod messages_out;
mod object;

pub use error::failure;
pub use stream_in::Stream;
pub use stream_out::Encoder;

use super::Dialect;
use super::ir::{self, BadRequest, BadUpstream, Destination, Event, Failure, Opening, Outgoing, Request, Response};

/// Ollama's protocol.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

impl ir::Decode for Ollama {
    const DIALECT: Dialect = Dialect::Ollama;
    type Stream = Stream;

    fn request<'a>(body: &'a [u8], _path_model: Option<&'a str>, _stream: bool) -> Result<Request<'a>, BadRequest> {
        request_in::request(body)
    }

    fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        stream_in::whole(body, sink)
    }

    fn failure(status: u16, body: &[u8]) -> Failure<'_> {
        error::failure(status, body)
    }
}

impl ir::Encode for Ollama {
    const DIALECT: Dialect = Dialect::Ollama;
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
