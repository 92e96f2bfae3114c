//! TLS as bytes in and bytes out: rustls behind a face that knows no socket.
//!
//! `Session` turns cipher text into plain text and back; whoever owns the connection moves the bytes. `roots` says who
//! vouches for a peer, `party` makes the two kinds of configuration, `reason` puts an error into words. The provider
//! of the cryptography is aws-lc-rs, named in one place and passed explicitly; ALPN offers `http/1.1` and nothing else.

pub mod party;
mod reason;
pub mod roots;
mod session;

pub use reason::reason;
pub use rustls::pki_types::ServerName;
pub use rustls::{ClientConfig, Error, ServerConfig};
pub use session::Session;

#[cfg(test)]
mod session_test;
