//! WebSocket as bytes (RFC 6455), the server's side: the handshake's answer, and frames. No sockets.
//!
//! A client's frames are judged strictly: masked, with no reserved bit, lengths in their shortest form, control frames
//! short and whole, text in UTF-8. What breaks a rule is told by the code that the connection closes with. Extensions
//! are not negotiated, so nothing is compressed.

mod frame;
mod hello;
mod read;

pub use frame::{Code, close, ping, pong, text};
pub use hello::accept;
pub use read::{Heard, Reader};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
