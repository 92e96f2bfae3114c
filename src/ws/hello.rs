//! The server's part of the handshake (RFC 6455 §4.2.2).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the RFC has both sides add to the key.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes that a key stands for.
const KEY_BYTES: usize = 16;

/// The value of `Sec-WebSocket-Accept` for a client's key; nothing where that is none. SHA-1 is no secret here: it
/// shows that the server has understood.
pub fn accept(key: &[u8]) -> Option<String> {
    STANDARD.decode(key).ok().filter(|random| random.len() == KEY_BYTES)?;
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, MAGIC].concat());
    Some(STANDARD.encode(digest))
}
