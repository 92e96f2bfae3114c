//! Event streams as bytes: taken apart into frames ([`split`]) and written ([`write`](mod@write)).
//!
//! Three framings carry the streams of all dialects: server-sent events (WHATWG HTML §9.2), JSON lines
//! (Ollama) and one JSON array that grows (Gemini without `alt=sse`). What a frame says is not read here.

pub mod split;
pub mod write;

mod array;
mod whole;

pub use split::{Frame, FrameKind, Framing, Splitter, Tail, TooLong};
pub use whole::{END_BYTES_MAX, whole};
