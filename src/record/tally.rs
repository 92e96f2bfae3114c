//! Counters of one core: written by that core alone, read by control.
//!
//! One writer means that a count is a plain load and store, with no locked instruction; a reader may see a
//! value that is one exchange old, never a torn one. The whole table has cache lines of its own, so that a
//! reader on another processor costs the core one line transfer per scrape and counter line, and two cores
//! never share a line.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entry::{Entry, NEVER_US, Outcome};
use crate::limits;

/// A number that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds. Only the owner of the tally may.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Takes away. Only the owner of the tally may.
    #[inline]
    pub fn sub(&self, less: u64) {
        self.0.store(self.0.load(Relaxed).saturating_sub(less), Relaxed);
    }

    /// Sets. Only the owner of the tally may.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value as last stored.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Durations by powers of two of a microsecond: the first bucket holds up to 2^6 us, each next up to twice as
/// much, the last all the rest.
#[derive(Debug, Default)]
pub struct Latency {
    counts: [Count; limits::LATENCY_BUCKETS],
    sum_us: Count,
}

/// Exponent of the first bucket's bound: 64 us.
const FIRST_EXPONENT: u32 = 6;

impl Latency {
    /// Counts one duration.
    #[inline]
    pub fn add(&self, us: u64) {
        self.counts[Latency::bucket(us)].add(1);
        self.sum_us.add(us);
    }

    /// The greatest duration of `bucket`, in microseconds; nothing for the last, which has none.
    pub fn bound_us(bucket: usize) -> Option<u64> {
        (bucket + 1 < limits::LATENCY_BUCKETS).then(|| 1 << (FIRST_EXPONENT + bucket as u32))
    }

    /// How many durations fell into `bucket`.
    pub fn count(&self, bucket: usize) -> u64 {
        self.counts[bucket].get()
    }

    /// All durations together.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }

    fn bucket(us: u64) -> usize {
        let exponent = u64::BITS - us.saturating_sub(1).leading_zeros();
        (exponent.saturating_sub(FIRST_EXPONENT) as usize).min(limits::LATENCY_BUCKETS - 1)
    }
}

/// The counters of one core.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Tally {
    /// Exchanges that ended.
    pub requests: Count,
    /// Of these, answered to the end.
    pub ok: Count,
    /// Of these, the rest, by outcome: client_error, upstream_error, client_gone, cut.
    pub failed: [Count; 4],
    /// Exchanges by the first digit of the status; the first place is for none.
    pub classes: [Count; 6],
    /// Connections of clients now.
    pub sessions_open: Count,
    /// Listeners on which connections are taken, those that are closing included.
    pub doors_open: Count,
    /// Connections of clients ever.
    pub sessions_total: Count,
    /// Streamed answers now.
    pub streams_open: Count,
    /// Connections to upstreams ever.
    pub lanes_opened: Count,
    /// Attempts over a connection that had served before.
    pub lanes_reused: Count,
    /// Connections to upstreams that could not be made.
    pub lanes_failed: Count,
    /// Bytes of request bodies.
    pub request_bytes: Count,
    /// Bytes of answers.
    pub response_bytes: Count,
    /// Rows of the log lost to a full ring. Their numbers are not.
    pub records_dropped: Count,
    /// Times that a key came to rest, for one model or for all.
    pub rests: Count,
    /// Events of translated streams that were none and were left out.
    pub events_skipped: Count,
    /// Panics that ended one session.
    pub panics: Count,
    /// Ticks of the core's clock: a core that turns moves it (`limits::TICK_MS`).
    pub turns: Count,
    /// The last request of control to settle that is met (`Teller::settle`).
    pub settled: Count,
    /// To the first byte of the answer.
    pub first_byte: Latency,
    /// To the first token of a stream.
    pub first_token: Latency,
    /// Whole exchanges.
    pub total: Latency,
}

impl Tally {
    /// A tally at zero.
    pub fn new() -> Tally {
        Tally::default()
    }

    /// Counts a finished exchange. `Teller::tell` does it; nobody else has to.
    pub fn exchange(&self, entry: &Entry) {
        self.requests.add(1);
        match entry.outcome {
            Outcome::Ok => self.ok.add(1),
            Outcome::ClientError => self.failed[0].add(1),
            Outcome::UpstreamError => self.failed[1].add(1),
            Outcome::ClientGone => self.failed[2].add(1),
            Outcome::Cut => self.failed[3].add(1),
        }
        self.classes[usize::from(entry.status / 100).min(5)].add(1);
        self.request_bytes.add(entry.request_bytes);
        self.response_bytes.add(entry.response_bytes);
        if entry.first_byte_us != NEVER_US {
            self.first_byte.add(u64::from(entry.first_byte_us));
        }
        if entry.first_token_us != NEVER_US {
            self.first_token.add(u64::from(entry.first_token_us));
        }
        self.total.add(entry.total_us);
    }

    /// What the counters of `Outcome` other than ok are called, in the order of `failed`.
    pub const FAILED: [Outcome; 4] = [Outcome::ClientError, Outcome::UpstreamError, Outcome::ClientGone, Outcome::Cut];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_bounds() {
        for bucket in 0..limits::LATENCY_BUCKETS {
            match Latency::bound_us(bucket) {
                Some(bound) => {
                    assert_eq!(Latency::bucket(bound), bucket, "the bound itself is inside (Prometheus: le)");
                    assert_eq!(Latency::bucket(bound + 1), bucket + 1);
                }
                None => assert_eq!(Latency::bucket(u64::MAX), bucket),
            }
        }
        assert_eq!(Latency::bucket(0), 0);
    }

    #[test]
    fn tallies_share_no_cache_line() {
        assert_eq!(align_of::<Tally>(), 128);
        assert_eq!(size_of::<Tally>() % 128, 0);
    }

    #[test]
    fn an_exchange_is_counted_once_everywhere() {
        use crate::base::id::RequestId;
        let tally = Tally::new();
        let mut entry = Entry::begun(RequestId::new(1, 0, 0, 0), 1, 1);
        entry.status = 200;
        entry.total_us = 70;
        tally.exchange(&entry);
        entry.status = 499;
        entry.outcome = Outcome::ClientGone;
        entry.first_byte_us = 10;
        tally.exchange(&entry);
        assert_eq!((tally.requests.get(), tally.ok.get(), tally.failed[2].get()), (2, 1, 1));
        assert_eq!((tally.classes[2].get(), tally.classes[4].get()), (1, 1));
        assert_eq!((tally.total.count(1), tally.total.sum_us()), (2, 140));
        assert_eq!(tally.first_byte.count(0), 1);
        assert_eq!((0..limits::LATENCY_BUCKETS).map(|b| tally.first_token.count(b)).sum::<u64>(), 0);
    }
}
