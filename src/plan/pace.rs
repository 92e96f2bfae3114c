//! How fast targets are: a moving average of the time to the first token of each, shared by all cores.
//!
//! A table of atomics that is never cleared and outlives reloads: a target is found by a hash of its provider's name,
//! its model and whether the answer is a stream. Only routes that go by speed read it and write it. Keys have averages of
//! their own on the board. Two cores that write at once lose one measurement.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::limits;

/// The table.
#[derive(Debug)]
pub struct Paces {
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The hash, never 0; 0 where nobody is yet.
    key: AtomicU64,
    word: Average,
}

/// An average that cores share: it in the upper half, the time of the last measurement in the lower.
#[derive(Debug, Default)]
pub struct Average(AtomicU64);

/// What is known of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// To the first token, microseconds.
    pub average_us: u32,
    /// When it was measured last, in seconds of the clock that measured it; never 0.
    pub measured_s: u32,
}

impl Average {
    /// What is known, if anything.
    #[inline]
    pub fn get(&self) -> Option<Pace> {
        let word = self.0.load(Relaxed);
        (word != 0).then_some(Pace { average_us: (word >> 32) as u32, measured_s: word as u32 })
    }

    /// Takes note of a measurement.
    pub fn tell(&self, us: u64, now_s: u64) {
        let us = us.clamp(1, u64::from(u32::MAX - 1));
        let average = match self.0.load(Relaxed) >> 32 {
            0 => us,
            // A quarter of what is new: four requests turn an average that has become wrong.
            before => (before * 3 + us) / 4,
        };
        self.0.store(average << 32 | now_s.clamp(1, u64::from(u32::MAX)), Relaxed);
    }
}

impl Default for Paces {
    fn default() -> Paces {
        Paces { slots: (0..limits::PACE_SLOTS).map(|_| Slot::default()).collect() }
    }
}

const _: () = assert!(limits::PACE_SLOTS.is_power_of_two() && limits::PACE_PROBES <= limits::PACE_SLOTS);

impl Paces {
    /// The hash of a target.
    pub fn key(provider: &str, model: &str, streamed: bool) -> u64 {
        // The same in every core and over reloads.
        ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one((provider, model, streamed)).max(1)
    }

    /// What is known of a target.
    pub fn get(&self, key: u64) -> Option<Pace> {
        let slot = self.places(key).take_while(|slot| slot.key.load(Relaxed) != 0);
        slot.into_iter().find(|slot| slot.key.load(Relaxed) == key)?.word.get()
    }

    /// Takes note of a measurement. Where the table is full, nothing is known of one target more.
    pub fn tell(&self, key: u64, us: u64, now_s: u64) {
        let claimed = |slot: &&Slot| match slot.key.compare_exchange(0, key, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(other) => other == key,
        };
        if let Some(slot) = self.places(key).find(claimed) {
            slot.word.tell(us, now_s);
        }
    }

    fn places(&self, key: u64) -> impl Iterator<Item = &Slot> {
        let mask = self.slots.len() - 1;
        (0..limits::PACE_PROBES).map(move |step| &self.slots[(key as usize + step) & mask])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_follows_what_is_measured() {
        let paces = Paces::default();
        let key = Paces::key("p", "m", true);
        assert_eq!(paces.get(key), None);
        paces.tell(key, 1_000, 0);
        assert_eq!(paces.get(key), Some(Pace { average_us: 1_000, measured_s: 1 }));
        paces.tell(key, 5_000, 9);
        assert_eq!(paces.get(key), Some(Pace { average_us: 2_000, measured_s: 9 }));
        paces.tell(key, u64::MAX, u64::MAX);
        assert!(paces.get(key).is_some_and(|pace| pace.average_us > 1_000_000_000));
        assert_ne!(key, Paces::key("p", "m", false));
        assert_ne!(Paces::key("a", "bc", true), Paces::key("ab", "c", true));
    }

    #[test]
    fn a_full_neighbourhood_takes_no_more() {
        let paces = Paces::default();
        for step in 0..=limits::PACE_PROBES as u64 {
            // All of them want the same place.
            paces.tell(7 + step * limits::PACE_SLOTS as u64, 1, 1);
        }
        let known =
            (0..=limits::PACE_PROBES as u64).filter(|step| paces.get(7 + step * limits::PACE_SLOTS as u64).is_some());
        assert_eq!(known.count(), limits::PACE_PROBES);
    }
}
