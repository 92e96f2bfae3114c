//! The health of one thing, a key or a key for one model, as one word: closed, cooling, probing.
//!
//! [`step`] and [`admit`] are pure: a word and what happened give the next word. [`Word`] is the shell that cores
//! share, a compare-exchange loop around them. Times are milliseconds since 1970, so that a word outlives its
//! process; a clock that went back ends a rest early rather than prolong it. A word of 0 is good health, which
//! costs its readers one load.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::snapshot::Cooldown;
use crate::limits;

/// Why something rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The upstream cannot be reached.
    Unreachable = 1,
    /// It fails, or takes too long.
    Failing = 2,
    /// It does not know the model.
    NoModel = 3,
    /// It refuses the key.
    Rejected = 4,
    /// The key has used up its share.
    RateLimited = 5,
}

impl Cause {
    const ALL: [Cause; 5] = [Cause::Unreachable, Cause::Failing, Cause::NoModel, Cause::Rejected, Cause::RateLimited];

    /// Whether a request may wait for the end of such a rest: what cannot be reached, or is not there, is told at once.
    pub fn is_waited_for(self) -> bool {
        matches!(self, Cause::RateLimited | Cause::Failing | Cause::Rejected)
    }

    /// As statistics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Unreachable => "unreachable",
            Cause::Failing => "failing",
            Cause::NoModel => "no_model",
            Cause::Rejected => "rejected",
            Cause::RateLimited => "rate_limited",
        }
    }
}

/// What an attempt says of the health of what it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It served.
    Served,
    /// It failed, for this cause; the upstream may have said for how long, milliseconds.
    Failed(Cause, Option<u64>),
    /// Nobody knows: the client left, or somebody else was to blame.
    Open,
}

/// How far a word is from health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// In use, maybe with failures counted.
    Closed = 0,
    /// At rest.
    Cooling = 1,
    /// One request tries whether the rest has helped.
    Probing = 2,
}

/// A word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// How far from health.
    pub state: State,
    /// Why it rests.
    pub cause: Cause,
    /// Rests since it served last: each doubles the next.
    pub rests: u8,
    /// Failures since it served or rested last.
    pub failures: u16,
    /// When the rest is over, or the probe given up.
    pub until_ms: u64,
}

const RESTS_BITS: u32 = 5;
const FAILURES_BITS: u32 = 10;
const UNTIL_BITS: u32 = 44;
const RESTS_MAX: u8 = (1 << RESTS_BITS) - 1;
const FAILURES_MAX: u16 = (1 << FAILURES_BITS) - 1;
const UNTIL_MAX: u64 = (1 << UNTIL_BITS) - 1;

const _: () = assert!(2 + 3 + RESTS_BITS + FAILURES_BITS + UNTIL_BITS == 64);
const _: () = assert!(limits::COOLDOWN_FAILURES_GREATEST as u64 <= FAILURES_MAX as u64);

impl Health {
    /// Nothing is known to be wrong.
    pub const GOOD: Health = Health { state: State::Closed, cause: Cause::Failing, rests: 0, failures: 0, until_ms: 0 };

    /// The health that a word says. Any word says one.
    pub fn of(word: u64) -> Health {
        if word == 0 {
            return Health::GOOD;
        }
        let field = |shift: u32, bits: u32| (word >> shift) & ((1 << bits) - 1);
        let state = match field(62, 2) {
            0 => State::Closed,
            2 => State::Probing,
            _ => State::Cooling,
        };
        let cause = Cause::ALL.into_iter().find(|cause| *cause as u64 == field(59, 3)).unwrap_or(Cause::Failing);
        Health {
            state,
            cause,
            rests: field(54, RESTS_BITS) as u8,
            failures: field(UNTIL_BITS, FAILURES_BITS) as u16,
            until_ms: field(0, UNTIL_BITS),
        }
    }

    /// The word that says it.
    pub fn word(self) -> u64 {
        if self.state == State::Closed && self.failures == 0 && self.rests == 0 {
            return 0;
        }
        (self.state as u64) << 62
            | (self.cause as u64) << 59
            | u64::from(self.rests.min(RESTS_MAX)) << 54
            | u64::from(self.failures.min(FAILURES_MAX)) << UNTIL_BITS
            | self.until_ms.min(UNTIL_MAX)
    }

    /// Whether it rests at `now_ms`. What would last longer than any rest may is a clock that went back.
    pub fn is_resting(&self, now_ms: u64, policy: &Cooldown) -> bool {
        self.state == State::Cooling && self.until_ms > now_ms && self.until_ms - now_ms <= u64::from(policy.max_ms)
    }

    /// Whether somebody finds out at `now_ms` how it is.
    pub fn is_probed(&self, now_ms: u64) -> bool {
        self.state == State::Probing && self.until_ms > now_ms && self.until_ms - now_ms <= limits::PROBE_MS_MAX
    }
}

/// Whether a request may use what a word describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Free,
    /// It may, and it is the one that tries whether the rest has helped.
    Probe,
    /// It may not, for this cause, and not before this time.
    Resting {
        /// Why it rests.
        cause: Cause,
        /// When to ask again.
        until_ms: u64,
    },
}

/// What `word` says to a request at `now_ms`; nothing is changed by asking.
#[inline]
pub fn admit(word: u64, now_ms: u64, policy: &Cooldown) -> Admission {
    if word == 0 {
        return Admission::Free;
    }
    let health = Health::of(word);
    match health.state {
        State::Closed => Admission::Free,
        State::Cooling if health.is_resting(now_ms, policy) => {
            Admission::Resting { cause: health.cause, until_ms: health.until_ms }
        }
        State::Probing if health.is_probed(now_ms) => {
            Admission::Resting { cause: health.cause, until_ms: now_ms + limits::PROBE_LOOK_MS }
        }
        State::Cooling | State::Probing => Admission::Probe,
    }
}

/// The word while the probe that [`admit`] allows is under way. A probe that never says how it went is given up
/// in the end, and another follows.
pub fn probing(word: u64, now_ms: u64) -> u64 {
    Health { state: State::Probing, until_ms: now_ms + limits::PROBE_MS_MAX, ..Health::of(word) }.word()
}

/// The word after an attempt. `jitter` of 255 makes a rest a tenth longer, within the longest that there is.
pub fn step(word: u64, now_ms: u64, outcome: Outcome, policy: &Cooldown, jitter: u8) -> u64 {
    let health = Health::of(word);
    let resting = health.is_resting(now_ms, policy);
    match outcome {
        // A request that began before the rest did says nothing of the time after it.
        Outcome::Served | Outcome::Open if resting => word,
        Outcome::Served => 0,
        // The probe is open to the next request.
        Outcome::Open if health.state == State::Probing => {
            Health { state: State::Cooling, until_ms: now_ms, ..health }.word()
        }
        Outcome::Open => word,
        Outcome::Failed(cause, hint_ms) => {
            let counts = matches!(cause, Cause::Failing | Cause::Unreachable) && hint_ms.is_none();
            if resting {
                // Failures of one and the same time are one; only what the upstream says of the time counts.
                let hinted = hint_ms.map_or(0, |hint| now_ms + hint.min(u64::from(policy.max_ms)));
                let cause = health.cause.max(cause);
                return Health { cause, until_ms: health.until_ms.max(hinted), ..health }.word();
            }
            let failures = health.failures.saturating_add(1);
            if counts && health.state == State::Closed && u32::from(failures) < policy.failures {
                return Health { failures, cause, ..health }.word();
            }
            let rest_ms = rest_ms(cause, hint_ms, health.rests, policy, jitter);
            let rests = health.rests.saturating_add(1).min(RESTS_MAX);
            Health { state: State::Cooling, cause, rests, failures: 0, until_ms: now_ms + rest_ms }.word()
        }
    }
}

/// How long a rest lasts that follows `rests` others.
fn rest_ms(cause: Cause, hint_ms: Option<u64>, rests: u8, policy: &Cooldown, jitter: u8) -> u64 {
    let most = u64::from(policy.max_ms);
    let base = u64::from(match cause {
        Cause::RateLimited => policy.rate_limited_ms,
        Cause::Failing | Cause::NoModel => policy.server_error_ms,
        // To find out costs next to nothing, and a service that is back is wanted at once: no doubling.
        Cause::Unreachable => policy.server_error_ms.min(limits::UNREACHABLE_REST_MS),
        Cause::Rejected => policy.rejected_key_ms,
    });
    let rest = match (hint_ms, cause) {
        // As it was said, so that what the caller is told is what the upstream said.
        (Some(hint), _) => return hint.min(most),
        (None, Cause::Unreachable) => base,
        (None, _) => base.saturating_mul(1 << rests.min(RESTS_MAX)),
    };
    let rest = rest.min(most);
    (rest + rest * u64::from(jitter) / (10 * 255)).min(most)
}

/// What a word needs of an atomic number: a test puts another in its place, which goes through all interleavings.
pub trait Number {
    /// A number to begin with.
    fn new(value: u64) -> Self;
    /// The number now.
    fn get(&self) -> u64;
    /// Puts another in its place.
    fn set(&self, value: u64);
    /// Puts `next` in its place if it is `known`, else says what it is.
    fn replace(&self, known: u64, next: u64) -> Result<u64, u64>;
}

impl Number for AtomicU64 {
    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }

    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn replace(&self, known: u64, next: u64) -> Result<u64, u64> {
        self.compare_exchange(known, next, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// A word that cores share.
#[derive(Debug)]
pub struct Word<N = AtomicU64>(N);

impl<N: Number> Word<N> {
    /// A word to begin with.
    pub fn new(word: u64) -> Word<N> {
        Word(N::new(word))
    }

    /// The word now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.get()
    }

    /// Puts another in its place, whatever it was.
    pub fn set(&self, word: u64) {
        self.0.set(word);
    }

    /// Asks for admission; of all that ask when a rest is over, exactly one is told to probe.
    #[inline]
    pub fn enter(&self, now_ms: u64, policy: &Cooldown) -> Admission {
        let mut word = self.get();
        loop {
            let admission = admit(word, now_ms, policy);
            if admission != Admission::Probe {
                return admission;
            }
            match self.0.replace(word, probing(word, now_ms)) {
                Ok(_) => return Admission::Probe,
                Err(found) => word = found,
            }
        }
    }

    /// Takes note of how an attempt went. Returns the word before and after.
    pub fn tell(&self, now_ms: u64, outcome: Outcome, policy: &Cooldown, jitter: u8) -> (u64, u64) {
        let mut word = self.get();
        loop {
            let next = step(word, now_ms, outcome, policy, jitter);
            if next == word {
                return (word, word);
            }
            match self.0.replace(word, next) {
                Ok(_) => return (word, next),
                Err(found) => word = found,
            }
        }
    }
}

#[cfg(test)]
#[path = "breaker_test.rs"]
mod tests;
