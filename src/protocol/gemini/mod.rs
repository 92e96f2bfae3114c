//! Google Gemini's generateContent and streamGenerateContent (ai.google.dev/api/generate-content).
//!
//! A stream is a sequence of whole answers, each with more parts; so a whole answer is read as a stream of one frame
//! ([`stream_in`]). Calls come whole and mostly without ids, the results of the history are found by name and order.

pub mod error;
pub mod response_in;
pub mod stream_in;

pub use error::failure;
pub use stream_in::Stream;
