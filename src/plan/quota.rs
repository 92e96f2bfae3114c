//! How much a client may use: requests and tokens in a time, requests at once, money in a day and a month.
//!
//! A rate is one word, the time at which all that was taken is regained (GCRA): taking moves it forward, and may while
//! it is not further ahead than the time that the bound is for. So the whole bound may come at once, and comes back
//! evenly. Times are those of the calendar, in nanoseconds, so that a word means the same in every core and process. The
//! arithmetic is pure; the shell around it is one compare-and-swap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::{self, Span};
use crate::config::snapshot::ClientLimits;

/// The time each rate is for, seconds; in the order of `ClientLimits::rates`.
const WINDOWS_S: [u64; 6] = [60, 3_600, 86_400, 60, 3_600, 86_400];
/// How many of the rates count requests; the others count tokens.
const REQUEST_RATES: usize = 3;
const NANOS: u64 = 1_000_000_000;

/// What one client has used.
#[derive(Debug, Default)]
pub struct Meter {
    words: [AtomicU64; 6],
    /// What has been spent in a day and a month.
    spent: [AtomicU64; 2],
    running: AtomicU32,
}

/// The meters of all clients that have bounds, by name; they outlive reloads.
#[derive(Debug, Default)]
pub struct Meters(Mutex<HashMap<Box<str>, Arc<Meter>>>);

impl Meters {
    /// The meter of a client. Takes a lock: once for each client and snapshot, not for each request.
    pub fn of(&self, client: &str) -> Arc<Meter> {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(meters.entry(client.into()).or_default())
    }

    /// All meters, to be kept.
    pub fn said(&self) -> Vec<Said> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let words = |meter: &Meter| {
            let word = |word: &AtomicU64| word.load(Relaxed);
            (meter.words.each_ref().map(word), meter.spent.each_ref().map(word))
        };
        let mut said: Vec<Said> = meters
            .iter()
            .map(|(client, meter)| {
                let (rates, spent) = words(meter);
                Said { client: client.to_string(), rates, spent }
            })
            .collect();
        said.sort_by(|a, b| a.client.cmp(&b.client));
        said
    }

    /// Puts meters back that an earlier process has kept.
    pub fn recall(&self, said: &[Said]) {
        for said in said {
            let meter = self.of(&said.client);
            let kept = meter.words.iter().zip(said.rates).chain(meter.spent.iter().zip(said.spent));
            kept.for_each(|(word, kept)| _ = word.fetch_max(kept, Relaxed));
        }
    }
}

/// What a bound is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A rate, by its place in `ClientLimits::rates`.
    Rate(usize),
    /// Requests under way.
    Running,
    /// Money.
    Budget(Span),
}

/// A bound that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Which one.
    pub on: On,
    /// How much it allows; millionths of a dollar for money.
    pub bound: u64,
    /// What is left of it.
    pub left: u64,
    /// Seconds until a request like this one may come.
    pub wait_s: u64,
}

impl Met {
    /// What it counts.
    pub fn what(&self) -> &'static str {
        match self.on {
            On::Rate(rate) if rate >= REQUEST_RATES => "tokens",
            On::Rate(_) | On::Running => "requests",
            On::Budget(_) => "dollars",
        }
    }

    /// The time it is for.
    pub fn window(&self) -> &'static str {
        match self.on {
            On::Rate(rate) if rate % REQUEST_RATES == 0 => "a minute",
            On::Rate(rate) if rate % REQUEST_RATES == 1 => "an hour",
            On::Rate(_) | On::Budget(Span::Day) => "a day",
            On::Budget(Span::Month) => "a month",
            On::Running => "at once",
        }
    }

    /// A number of what it counts, for people.
    pub fn shown(&self, number: u64) -> String {
        match self.on {
            On::Budget(_) => format!("{}.{:06}", number / 1_000_000, number % 1_000_000),
            On::Rate(_) | On::Running => number.to_string(),
        }
    }
}

/// A meter as it is kept from one process to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// The client.
    pub client: String,
    /// Its rates.
    pub rates: [u64; 6],
    /// What it has spent in a day and a month.
    pub spent: [u64; 2],
}

impl Meter {
    /// Takes one request and `tokens` tokens out of every rate, all or nothing.
    pub fn take(&self, limits: &ClientLimits, tokens: u64, unix_ms: u64) -> Result<(), Met> {
        self.afford(limits, unix_ms)?;
        if limits.concurrent > 0 {
            let grown = |running: u32| (running < limits.concurrent).then_some(running + 1);
            if self.running.fetch_update(Relaxed, Relaxed, grown).is_err() {
                let bound = u64::from(limits.concurrent);
                return Err(Met { on: On::Running, bound, left: 0, wait_s: 1 });
            }
        }
        let now = unix_ms.saturating_mul(1_000_000);
        for (rate, &bound) in limits.rates.iter().enumerate().filter(|(_, bound)| **bound > 0) {
            let units = if rate < REQUEST_RATES { 1 } else { tokens };
            let taken =
                self.words[rate].fetch_update(Relaxed, Relaxed, |word| taken(word, now, units, bound, rate).ok());
            if let Err(word) = taken {
                let wait_ns = taken_err(word, now, units, bound, rate);
                for (earlier, &bound) in limits.rates[..rate].iter().enumerate() {
                    self.give(earlier, if earlier < REQUEST_RATES { 1 } else { tokens }, bound);
                }
                self.leave(limits);
                let left = left(word, now, bound, rate);
                let wait_s = wait_ns.div_ceil(NANOS).max(1);
                return Err(Met { on: On::Rate(rate), bound: u64::from(bound), left, wait_s });
            }
        }
        Ok(())
    }

    /// Whether something of every budget is left. What a request will cost nobody knows before it ends: the one that
    /// takes the last of a budget may take more than that.
    fn afford(&self, limits: &ClientLimits, unix_ms: u64) -> Result<(), Met> {
        for ((&bound, word), span) in limits.budgets.iter().zip(&self.spent).zip(Span::ALL) {
            if bound > 0 && budget::spent(word.load(Relaxed), span, unix_ms) >= bound {
                let wait_s = budget::until_next_s(span, unix_ms);
                return Err(Met { on: On::Budget(span), bound, left: 0, wait_s });
            }
        }
        Ok(())
    }

    /// What is left of each bound that there is.
    pub fn left(&self, limits: &ClientLimits, unix_ms: u64) -> Vec<Met> {
        let now = unix_ms.saturating_mul(1_000_000);
        let rates = limits.rates.iter().enumerate().filter(|(_, bound)| **bound > 0).map(|(rate, &bound)| {
            let left = left(self.words[rate].load(Relaxed), now, bound, rate);
            Met { on: On::Rate(rate), bound: u64::from(bound), left, wait_s: 0 }
        });
        let running = (limits.concurrent > 0).then(|| {
            let (bound, running) = (u64::from(limits.concurrent), u64::from(self.running.load(Relaxed)));
            Met { on: On::Running, bound, left: bound.saturating_sub(running), wait_s: 0 }
        });
        let budgets = limits.budgets.iter().zip(&self.spent).zip(Span::ALL).filter(|((bound, _), _)| **bound > 0);
        let budgets = budgets.map(|((&bound, word), span)| {
            let spent = budget::spent(word.load(Relaxed), span, unix_ms);
            Met { on: On::Budget(span), bound, left: bound.saturating_sub(spent), wait_s: 0 }
        });
        rates.chain(running).chain(budgets).collect()
    }

    /// Adds what a request cost, in millionths of a dollar.
    pub fn spend(&self, micros: u64, unix_ms: u64) {
        for (word, span) in self.spent.iter().zip(Span::ALL).filter(|_| micros > 0) {
            let grown = |word| Some(budget::spend(word, span, unix_ms, micros));
            let _ = word.fetch_update(Relaxed, Relaxed, grown);
        }
    }

    /// The end of a request that was let in by an estimate: what it used in truth.
    pub fn settle(&self, limits: &ClientLimits, estimated: u64, used: u64) {
        for (rate, &bound) in limits.rates.iter().enumerate().skip(REQUEST_RATES).filter(|(_, bound)| **bound > 0) {
            if used >= estimated {
                self.words[rate].fetch_add(cost(used - estimated, bound, rate), Relaxed);
            } else {
                self.give(rate, estimated - used, bound);
            }
        }
        self.leave(limits);
    }

    fn give(&self, rate: usize, units: u64, bound: u32) {
        if bound > 0 {
            let back = cost(units, bound, rate);
            let _ = self.words[rate].fetch_update(Relaxed, Relaxed, |word| Some(word.saturating_sub(back)));
        }
    }

    fn leave(&self, limits: &ClientLimits) {
        if limits.concurrent > 0 {
            // A bound that a reload has put on finds requests that were never counted.
            let _ = self.running.fetch_update(Relaxed, Relaxed, |running| running.checked_sub(1));
        }
    }
}

/// Nanoseconds that it takes to regain `units`.
fn cost(units: u64, bound: u32, rate: usize) -> u64 {
    let nanos = u128::from(units) * u128::from(WINDOWS_S[rate] * NANOS) / u128::from(bound.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

/// The word after `units` have been taken; if they may not be, how long to wait. More than the whole bound is let in
/// once everything has been regained.
fn taken(word: u64, now: u64, units: u64, bound: u32, rate: usize) -> Result<u64, u64> {
    let window = WINDOWS_S[rate] * NANOS;
    let from = word.max(now);
    let cost = cost(units, bound, rate);
    let latest = now + window.saturating_sub(cost.min(window));
    if from > latest { Err(from - latest) } else { Ok(from.saturating_add(cost)) }
}

fn taken_err(word: u64, now: u64, units: u64, bound: u32, rate: usize) -> u64 {
    taken(word, now, units, bound, rate).err().unwrap_or(0)
}

fn left(word: u64, now: u64, bound: u32, rate: usize) -> u64 {
    let window = WINDOWS_S[rate] * NANOS;
    let ahead = word.max(now) - now;
    (u128::from(window.saturating_sub(ahead)) * u128::from(bound) / u128::from(window)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START_MS: u64 = 1_790_000_000_000;

    fn rates(rates: [u32; 6]) -> ClientLimits {
        ClientLimits { rates, ..ClientLimits::default() }
    }

    #[test]
    fn a_bound_may_come_at_once_and_is_regained_evenly() {
        let (meter, limits) = (Meter::default(), rates([6, 0, 0, 0, 0, 0]));
        for _ in 0..6 {
            assert_eq!(meter.take(&limits, 0, START_MS), Ok(()));
        }
        let met = meter.take(&limits, 0, START_MS).unwrap_err();
        assert_eq!(met, Met { on: On::Rate(0), bound: 6, left: 0, wait_s: 10 });
        assert_eq!((met.what(), met.window()), ("requests", "a minute"));
        assert!(meter.take(&limits, 0, START_MS + 9_999).is_err());
        assert_eq!(meter.take(&limits, 0, START_MS + 10_000), Ok(()));
        assert!(meter.take(&limits, 0, START_MS + 10_000).is_err());
        assert_eq!((0..9).filter(|_| meter.take(&limits, 0, START_MS + 100_000).is_ok()).count(), 6);
    }

    #[test]
    fn tokens_are_reserved_by_an_estimate_and_settled_by_the_truth() {
        let (meter, limits) = (Meter::default(), rates([0, 0, 0, 1_000, 0, 0]));
        assert_eq!(meter.take(&limits, 400, START_MS), Ok(()));
        meter.settle(&limits, 400, 900);
        let met = meter.take(&limits, 200, START_MS).unwrap_err();
        assert_eq!((met.what(), met.left, met.wait_s), ("tokens", 100, 6));
        assert_eq!(meter.take(&limits, 100, START_MS), Ok(()));
        meter.settle(&limits, 100, 0);
        assert_eq!(meter.take(&limits, 100, START_MS), Ok(()));
        // More than the bound can ever hold: let in when all is regained.
        assert!(meter.take(&limits, 5_000, START_MS + 30_000).is_err());
        assert_eq!(meter.take(&limits, 5_000, START_MS + 60_000), Ok(()));
        assert!(meter.take(&limits, 1, START_MS + 61_000).is_err());
    }

    #[test]
    fn what_one_bound_refuses_no_other_counts() {
        let (meter, limits) = (Meter::default(), rates([100, 1, 0, 50, 0, 0]));
        assert_eq!(meter.take(&limits, 10, START_MS), Ok(()));
        for _ in 0..200 {
            assert_eq!(meter.take(&limits, 10, START_MS).unwrap_err().window(), "an hour");
        }
        let first = rates([100, 0, 0, 50, 0, 0]);
        assert_eq!((0..200).filter(|_| meter.take(&first, 0, START_MS).is_ok()).count(), 99);
    }

    #[test]
    fn requests_at_once_are_bounded_until_they_end() {
        let meter = Meter::default();
        let limits = ClientLimits { concurrent: 2, ..ClientLimits::default() };
        assert!(meter.take(&limits, 0, START_MS).is_ok() && meter.take(&limits, 0, START_MS).is_ok());
        let met = meter.take(&limits, 0, START_MS).unwrap_err();
        assert_eq!((met.on, met.window(), met.wait_s), (On::Running, "at once", 1));
        meter.settle(&limits, 0, 0);
        assert_eq!(meter.take(&limits, 0, START_MS), Ok(()));
        // Refused by a rate, it is not under way.
        let both = ClientLimits { rates: [1, 0, 0, 0, 0, 0], concurrent: 3, ..ClientLimits::default() };
        assert!(meter.take(&both, 0, START_MS).is_ok() && meter.take(&both, 0, START_MS).is_err());
        meter.settle(&both, 0, 0);
        assert!(meter.take(&limits, 0, START_MS).is_err());
    }

    #[test]
    fn a_budget_is_met_when_it_is_spent_and_begins_anew() {
        let (meters, limits) =
            (Meters::default(), ClientLimits { budgets: [1_000_000, 3_000_000], ..ClientLimits::default() });
        let meter = meters.of("a");
        assert_eq!(meter.take(&limits, 0, START_MS), Ok(()));
        meter.spend(1_500_000, START_MS);
        let met = meter.take(&limits, 0, START_MS).unwrap_err();
        assert_eq!((met.what(), met.window(), met.shown(met.bound)), ("dollars", "a day", "1.000000".to_owned()));
        assert!((1..=86_400).contains(&met.wait_s));
        let tomorrow = START_MS + 86_400_000;
        assert_eq!(meter.take(&limits, 0, tomorrow), Ok(()));
        // What was kept of it counts in the next process.
        meter.spend(1_500_000, tomorrow);
        let next = Meters::default();
        next.recall(&meters.said());
        assert_eq!(next.said(), meters.said());
        assert_eq!(next.of("a").take(&limits, 0, tomorrow + 86_400_000).unwrap_err().window(), "a month");
    }

    #[test]
    fn each_bound_of_the_file_holds() {
        for (bound, what, window) in [
            (r#""requests_per_minute": 1"#, "requests", "a minute"),
            (r#""requests_per_hour": 1"#, "requests", "an hour"),
            (r#""requests_per_day": 1"#, "requests", "a day"),
            (r#""tokens_per_minute": 100"#, "tokens", "a minute"),
            (r#""tokens_per_hour": 100"#, "tokens", "an hour"),
            (r#""tokens_per_day": 100"#, "tokens", "a day"),
            (r#""concurrent_requests": 1"#, "requests", "at once"),
            (r#""cost_per_day": 0.000001"#, "dollars", "a day"),
            (r#""cost_per_month": 0.000001"#, "dollars", "a month"),
        ] {
            let file = format!(r#"{{"clients": {{"c": {{"key": "k", "limits": {{{bound}}}}}}}}}"#);
            let limits = crate::config::tests::snapshot(&file).clients[0].limits;
            let meter = Meter::default();
            assert_eq!(meter.take(&limits, 100, START_MS), Ok(()), "{bound}");
            meter.spend(1_000_000, START_MS);
            let met = meter.take(&limits, 100, START_MS).expect_err(bound);
            assert_eq!((met.what(), met.window()), (what, window), "{bound}");
        }
    }

    #[test]
    fn meters_are_kept_by_name() {
        let (meters, limits) = (Meters::default(), rates([1, 0, 0, 0, 0, 0]));
        assert!(meters.of("a").take(&limits, 0, START_MS).is_ok());
        assert!(meters.of("b").take(&limits, 0, START_MS).is_ok());
        assert!(meters.of("a").take(&limits, 0, START_MS).is_err());
    }

    proptest! {
        /// Over any span no more comes through than the bound and what is regained in the span.
        #[test]
        fn no_more_comes_than_is_allowed(bound in 1_u32..200, steps in prop::collection::vec(0_u64..3_000, 1..300)) {
            let (meter, limits) = (Meter::default(), rates([bound, 0, 0, 0, 0, 0]));
            let (mut now, mut let_in) = (START_MS, 0_u64);
            for step in steps {
                now += step;
                let_in += u64::from(meter.take(&limits, 0, now).is_ok());
                let regained = (now - START_MS) * u64::from(bound) / 60_000;
                prop_assert!(let_in <= u64::from(bound) + regained);
            }
        }

        /// Whoever waits as long as he was told is let in.
        #[test]
        fn the_wait_that_is_told_is_enough(bound in 1_u32..1_000, units in 0_u64..2_000, ahead in 0_u64..200 * NANOS) {
            let now = START_MS * 1_000_000;
            let word = now + ahead;
            if let Err(wait) = taken(word, now, units, bound, 3) {
                prop_assert!(taken(word, now + wait, units, bound, 3).is_ok());
                prop_assert!(wait <= ahead);
            }
        }
    }
}
