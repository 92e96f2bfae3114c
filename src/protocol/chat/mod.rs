//! OpenAI Chat Completions, and what is said in its name by everybody else.
//!
//! Here is how the stream and the errors of its upstreams are read; each peculiarity of a provider is a line of
//! [`stream_in`] and has a test.

pub mod error;
pub mod stream_in;

pub use error::failure;
pub use stream_in::Stream;
