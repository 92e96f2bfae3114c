//! OpenAI Chat Completions, and what is said in its name by everybody else.
//!
//! Each direction has its file; each peculiarity of a provider is a line of [`stream_in`], of [`request_out`] or of
//! `ir::Quirks`, and has a test. Azure's deployments and all that call themselves compatible with OpenAI are Chat.
//!
//! What is the same to Chat is read as the same: a `content` of one text is a string, `max_tokens` is named as the model
//! wants it, reasoning is `reasoning_content`, a stop word stands in a list, and of members of an answer that nobody
//! here knows those of a whole answer's message are kept, unless they are null.

pub mod error;
pub mod fit;
pub mod request_in;
pub mod request_out;
pub mod response_in;
pub mod response_out;
pub mod stream_in;
pub mod stream_out;

mod calls_in;
mod citation;
mod detail;
mod messages_in;
mod messages_out;
mod reasoning_in;
mod tools_in;
mod tools_out;
mod usage_out;
mod weighed_in;

#[cfg(test)]
#[path = "laws_test.rs"]
mod laws_test;

use super::Dialect;
use super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Encode, Event, Failure, Opening, Outgoing, Request, Response,
};

pub(super) use detail::homed;
pub use error::failure;
pub use request_in::{open, refuse_infill};
pub use stream_in::Stream;
pub use stream_out::Encoder;

/// The protocol, read and written.
#[derive(Clone, Copy, Debug)]
pub struct Chat;

impl Decode for Chat {
    const DIALECT: Dialect = Dialect::Chat;
    type Stream = Stream;

    fn request<'a>(body: &'a [u8], path_model: Option<&'a str>, _stream: bool) -> Result<Request<'a>, BadRequest> {
        request_in::request(body, path_model)
    }

    fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
        response_in::response(body, sink)
    }

    fn failure(status: u16, body: &[u8]) -> Failure<'_> {
        error::failure(status, body)
    }
}

impl Encode for Chat {
    const DIALECT: Dialect = Dialect::Chat;
    type Stream = Encoder;

    fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
        request_out::request(request, to, out)
    }

    fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
        response_out::response(response, opening, out);
    }
}
