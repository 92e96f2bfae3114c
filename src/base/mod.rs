//! Floor 0: bytes, ids, secrets. Nothing here knows a protocol.

pub mod ascii;
pub mod hash;
pub mod id;
pub mod secret;
pub mod span;
pub mod text;
