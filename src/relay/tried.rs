//! Attempts, as control is told of them, and how long their first tokens took.

use super::core::Core;
use super::exchange::micros;
use super::failure::Failure;
use super::reach::Trip;
use super::trial::Trial;
use crate::config::snapshot::KeyIx;
use crate::record::attempt::GIVEN_UP;
use crate::record::{Attempt, Entry, Text};
use crate::rt::Net;

/// An answer whose time to the first token is taken.
pub(super) struct Measured {
    /// Under which name its target is measured, where the route goes by speed.
    pub(super) target: Option<u64>,
    /// Whether its key is, where the provider does.
    pub(super) key: bool,
    pub(super) streamed: bool,
    pub(super) began_us: u64,
}

impl Measured {
    /// The first token came at `at_us`.
    pub(super) fn tell<N: Net>(&self, core: &Core<N>, trial: &Trial, at_us: u64) {
        let (us, now_s) = (at_us.saturating_sub(self.began_us), core.net.unix_ms() / 1_000);
        if let Some(target) = self.target {
            core.paces.tell(target, us, now_s);
        }
        if self.key {
            trial.measured(self.streamed, us, now_s);
        }
    }
}

impl Trip<'_, '_, '_> {
    /// The attempt that `entry` speaks of, as it is recorded.
    pub(super) fn tried(&self, entry: &Entry, key: KeyIx) -> Attempt {
        let n = entry.attempts - u8::from(self.is_first.get());
        let begun = Attempt::begun(entry.id, entry.unix_ms, entry.generation, n, entry.begun_us);
        Attempt { provider: entry.provider, key, model: entry.model_sent, ..begun }
    }

    /// Records an attempt for which nobody waits any longer, because another beside it has answered.
    pub(super) fn tell_given_up<N: Net>(&self, core: &Core<N>, entry: &Entry, key: KeyIx) {
        let ended_us = micros(core.net.now_us() - self.start_us);
        core.tell_attempt(&Attempt { why: Text::new(GIVEN_UP), ended_us, ..self.tried(entry, key) });
    }

    /// Records an attempt that failed.
    pub(super) fn tell_failed<N: Net>(&self, core: &Core<N>, entry: &Entry, key: KeyIx, failure: &Failure) {
        let ended_us = micros(core.net.now_us() - self.start_us);
        let (status, why) = (failure.status, Text::new(&failure.message));
        core.tell_attempt(&Attempt { status, why, ended_us, ..self.tried(entry, key) });
    }
}
