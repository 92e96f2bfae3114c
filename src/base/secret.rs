//! Key material. It is wiped when dropped, compared in constant time, and its `Debug` shows a fingerprint
//! only, so that no log line, error or panic message can carry it.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A credential: a client's key, an upstream key, a password.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the text over; the caller's copy is the caller's to wipe.
    pub fn new(text: &str) -> Secret {
        Secret::of(text.as_bytes())
    }

    /// The same of bytes.
    pub fn of(bytes: &[u8]) -> Secret {
        Secret(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves. Whoever calls this sends them to their one destination and nowhere else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `candidate` is this secret, in time that depends on lengths only.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }

    /// FNV-1a over the bytes, 32 bits: names a key in logs without saying it.
    pub fn fingerprint(&self) -> u32 {
        self.0.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(#{:08x})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_a_fingerprint() {
        let shown = format!("{:?}", Secret::new("sk-canary-0001"));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.starts_with("Secret(#"));
    }

    #[test]
    fn comparison_is_exact() {
        let secret = Secret::new("sk-1");
        assert!(secret.matches(b"sk-1"));
        for near in [&b"sk-"[..], b"sk-2", b"sk-11", b"", b"SK-1"] {
            assert!(!secret.matches(near));
        }
    }
}
