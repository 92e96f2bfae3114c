//! Which conversation is bound to which key: a table of words that cores share.
//!
//! Without it cores agree too, for the key of a conversation is found by hashing alone. The table makes finding it one
//! load however many keys there are, and keeps a conversation where a failure has moved it, because the provider's
//! prompt cache is there by then. Two conversations that want one place take it from each other; the one that loses it
//! is hashed again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::snapshot::KeyIx;
use crate::limits;

/// The table.
#[derive(Debug)]
pub struct Bindings(Box<[AtomicU64]>);

/// A key, as a binding knows it: where it stood, and a part of its fingerprint, by which it is found after a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its index when it was bound.
    pub key: KeyIx,
    /// A part of its fingerprint.
    pub mark: u32,
}

const MARK_BITS: u32 = 24;
const _: () = assert!(limits::BINDINGS.is_power_of_two() && limits::BINDINGS <= 1 << (64 - MARK_BITS));

/// The part of a fingerprint that a binding holds.
pub fn mark(fingerprint: u64) -> u32 {
    (fingerprint as u32) & ((1 << MARK_BITS) - 1)
}

impl Default for Bindings {
    fn default() -> Bindings {
        Bindings((0..limits::BINDINGS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Bindings {
    fn place(&self, conversation: u64) -> &AtomicU64 {
        &self.0[conversation as usize & (self.0.len() - 1)]
    }

    /// The key of a conversation, if it is known.
    #[inline]
    pub fn get(&self, conversation: u64) -> Option<Bound> {
        let word = self.place(conversation).load(Relaxed);
        let bound = Bound { key: (word >> MARK_BITS) as KeyIx, mark: word as u32 & ((1 << MARK_BITS) - 1) };
        (word != 0 && word >> (64 - MARK_BITS) == conversation >> (64 - MARK_BITS)).then_some(bound)
    }

    /// Binds a conversation.
    pub fn set(&self, conversation: u64, bound: Bound) {
        let word = conversation >> (64 - MARK_BITS) << (64 - MARK_BITS)
            | u64::from(bound.key) << MARK_BITS
            | u64::from(bound.mark);
        self.place(conversation).store(word, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_found_until_another_takes_its_place() {
        let bindings = Bindings::default();
        let (one, other) = (0xabcd_ef00_0000_0007, 0x1234_5600_0000_0007);
        assert_eq!(bindings.get(one), None);
        let bound = Bound { key: KeyIx::MAX - 1, mark: mark(u64::MAX) };
        bindings.set(one, bound);
        assert_eq!(bindings.get(one), Some(bound));
        assert_eq!(bindings.get(other), None, "another conversation of the same place");
        bindings.set(other, Bound { key: 3, mark: mark(9) });
        assert_eq!((bindings.get(one), bindings.get(other)), (None, Some(Bound { key: 3, mark: 9 })));
    }
}
