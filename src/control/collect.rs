//! Where what the cores tell comes together: the log, the totals, the exchanges of late.
//!
//! Rings are drained by the clock, sooner when they fill, and on demand before a question is answered. The
//! collector is reached through a lock that only control's own tasks take: cores write to their rings and
//! tallies and never wait for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::log::Log;
use super::names::{Generations, Names};
use super::otlp::Spans;
use super::store::{Feed, Store};
use super::troubles::Troubles;
use super::usage::Usage;
use crate::limits;
use crate::record::{Entry, Numbers, SumKey, Tally, Told};

/// All that has been told.
pub(crate) struct Collector {
    rings: Vec<rtrb::Consumer<Told>>,
    /// The counters of each core.
    pub(crate) tallies: Vec<Arc<Tally>>,
    /// Names behind indexes.
    pub(crate) generations: Generations,
    /// Totals.
    pub(crate) usage: Usage,
    /// Exchanges of late, oldest first.
    pub(crate) recent: VecDeque<Entry>,
    /// How many exchanges have come.
    pub(crate) taken: u64,
    /// All of them in sum, those that came without their record included.
    pub(crate) totals: Numbers,
    /// Failures of keys.
    pub(crate) troubles: Troubles,
    log: Log,
    /// The way to the store.
    feed: Feed,
    /// Spans that wait to be sent.
    pub(crate) spans: Spans,
}

impl Collector {
    /// A collector over the cores' ends.
    pub(crate) fn new(tallies: Vec<Arc<Tally>>, rings: Vec<rtrb::Consumer<Told>>, log: Log) -> Collector {
        Collector {
            rings,
            tallies,
            generations: Generations::default(),
            usage: Usage::default(),
            recent: VecDeque::with_capacity(limits::RECENT_EXCHANGES),
            taken: 0,
            totals: Numbers::default(),
            troubles: Troubles::default(),
            log,
            feed: Feed::nowhere(),
            spans: Spans::default(),
        }
    }

    /// Tells a store from now on too.
    pub(crate) fn tell(&mut self, feed: Feed) {
        self.feed = feed;
    }

    /// Takes in the names of a new snapshot. Must come before the snapshot is published, so that no entry
    /// arrives without its names.
    pub(crate) fn learn(&mut self, generation: u64, names: Names) {
        self.generations.learn(generation, names);
    }

    /// Takes all that is in the rings now and writes its log. Says how full the fullest ring was.
    pub(crate) fn drain(&mut self) -> usize {
        let Collector { rings, generations, usage, recent, taken, totals, troubles, log, feed, spans, .. } = self;
        let mut fullest = 0;
        for ring in rings {
            let waiting = ring.slots();
            fullest = fullest.max(waiting);
            let Ok(chunk) = ring.read_chunk(waiting) else { continue };
            let (first, second) = chunk.as_slices();
            for told in first.iter().chain(second) {
                match told {
                    Told::Exchange(entry) => {
                        let names = generations.of(u64::from(entry.generation));
                        let numbers = Numbers::of(entry);
                        usage.add(&SumKey::of(entry), &numbers, names);
                        totals.add(&numbers);
                        troubles.exchange(entry, names);
                        *taken += 1;
                        log.exchange(entry, names);
                        feed.exchange(entry, names);
                        spans.exchange(entry, names);
                        if recent.len() == limits::RECENT_EXCHANGES {
                            recent.pop_front();
                        }
                        recent.push_back(*entry);
                    }
                    Told::Sum(sum) => {
                        let names = generations.of(sum.key.generation);
                        usage.add(&sum.key, &sum.numbers, names);
                        totals.add(&sum.numbers);
                        feed.sum(sum.key, &sum.numbers, names);
                    }
                    Told::Attempt(attempt) => {
                        let names = generations.of(u64::from(attempt.generation));
                        troubles.attempt(attempt, names);
                        feed.attempt(attempt, names);
                        spans.attempt(attempt, names);
                    }
                    Told::Dropped(dropped) => feed.dropped(dropped),
                }
            }
            chunk.commit_all();
        }
        log.flush();
        fullest
    }

    /// Hands what is due, or all of it, over to the store. False where it has no room now.
    pub(crate) fn hand_over(&mut self, store: &Store, all: bool) -> bool {
        let Collector { feed, usage, .. } = self;
        feed.hand_over(all, || store.wants_seed().then(|| usage.rows()))
    }

    /// Whether every core has obeyed `Settle` of this number.
    pub(crate) fn settled(&self, number: u64) -> bool {
        self.tallies.iter().all(|tally| tally.settled.get() >= number)
    }

    /// A counter over all cores.
    pub(crate) fn sum(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        self.tallies.iter().map(|tally| count(tally)).sum()
    }
}

/// When to drain next, after rings that were that full. A core that ends 50,000 exchanges a second fills its
/// ring in 164 ms; at rest ten wakes a second cost nothing.
pub(crate) fn pause(fullest: usize) -> Duration {
    const _: () = assert!(limits::RECORD_SLOTS * 1_000 / 50_000 > 100);
    match fullest {
        0 => Duration::from_millis(100),
        few if few < limits::RECORD_SLOTS / 16 => Duration::from_millis(50),
        _ => Duration::from_millis(20),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::id::RequestId;
    use crate::config::snapshot::LogFormat as Format;
    use crate::control::usage::Group;
    use crate::record::{Model, Outcome, Teller, Tokens};

    /// A collector over one core that is played by the teller.
    pub(crate) fn collector() -> (Teller, Collector) {
        let (teller, ring) = Teller::new(Arc::new(Tally::new()));
        let tallies = vec![teller.tally().clone()];
        let mut collector = Collector::new(tallies, vec![ring], Log::new(Format::Text, Box::new(std::io::sink())));
        let names = Names {
            clients: ["alice".into()].into(),
            routes: ["coding".into()].into(),
            providers: ["deepseek".into()].into(),
            keys: ["second".into()].into(),
            ..Names::default()
        };
        collector.learn(1, names);
        (teller, collector)
    }

    /// An exchange that went well.
    pub(crate) fn exchange(sequence: u32) -> Entry {
        Entry {
            client: 0,
            route: 0,
            provider: 0,
            key: 0,
            status: 200,
            attempts: 1,
            total_us: 1_000,
            model_asked: Model::new("gpt-4o"),
            model_sent: Model::new("deepseek-chat"),
            tokens: Tokens { input: 10, output: 3, said: true, ..Tokens::default() },
            ..Entry::begun(RequestId::new(1_000, 0, 0, sequence), 86_400_000, 1)
        }
    }

    #[test]
    fn what_is_told_is_summed_and_remembered() {
        let (mut teller, mut collector) = collector();
        let told = limits::RECENT_EXCHANGES as u32 + 10;
        for sequence in 0..told {
            teller.tell(&exchange(sequence));
        }
        assert_eq!(collector.drain(), told as usize);
        assert_eq!(collector.drain(), 0);
        assert_eq!(collector.recent.len(), limits::RECENT_EXCHANGES);
        assert_eq!(collector.recent.back().map(|entry| entry.id), Some(exchange(told - 1).id));
        let groups = collector.usage.groups((0, 10), &[Group::Client, Group::Model]);
        let (names, numbers) = groups.first_key_value().expect("one group");
        assert_eq!((&*names[0], &*names[1]), ("alice", "deepseek-chat"));
        assert_eq!((numbers.requests, numbers.tokens.input), (u64::from(told), u64::from(told) * 10));
    }

    #[test]
    fn a_burst_beyond_the_ring_keeps_its_numbers() {
        let (mut teller, mut collector) = collector();
        let told = limits::RECORD_SLOTS as u64 + 500;
        for sequence in 0..told {
            let mut entry = exchange(sequence as u32);
            entry.outcome = if sequence % 2 == 0 { Outcome::Ok } else { Outcome::Cut };
            teller.tell(&entry);
        }
        collector.drain();
        teller.flush();
        collector.drain();
        let total = collector.usage.groups((0, 10), &[]);
        let numbers = total.values().next().expect("one group");
        assert_eq!((numbers.requests, numbers.ok), (told, told / 2));
        assert_eq!(collector.sum(|tally| tally.records_dropped.get()), 500);
    }
}
