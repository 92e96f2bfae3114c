//! HTTP/1.1 as bytes: heads, bodies, chunks (RFC 9110, RFC 9112). No sockets.
//!
//! What arrives is read into spans over the caller's buffer and judged strictly; what leaves is always
//! framed anew. No byte of framing is passed through, so two parties cannot disagree about it.

pub mod body;
pub mod chunk;
pub mod field;
pub mod head;
pub mod proxy;
pub mod uri;
pub mod write;
