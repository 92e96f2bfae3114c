//! OpenAI Responses on the pivot: so far its stream, written for clients, and its errors, read from upstreams.

pub mod error;
pub mod stream_out;

mod item;

pub use stream_out::Encoder;
