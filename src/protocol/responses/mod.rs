//! OpenAI Responses on the pivot: so far its stream, written for clients.

pub mod stream_out;

mod item;

pub use stream_out::Encoder;
