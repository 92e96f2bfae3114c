//! A core's end of the way to control: tell an exchange and go on.
//!
//! With room in the ring an entry is copied into it and nothing is allocated. Without room the row is given
//! up and counted, and its numbers are merged into a small map by (client, provider, key, model, day), which
//! `flush` sends on as soon as there is room. So a log under pressure has holes and the totals have none.
//! The map is bounded too: beyond its bound the model, then nothing else, is forgotten.

use std::sync::Arc;

use ahash::AHashMap;

use super::attempt::{Attempt, Dropped};
use super::entry::{Entry, Model, Outcome, Tokens};

use super::tally::Tally;
use super::tap::{Desk, Left};
use crate::limits;
use crate::protocol::Dialect;

/// What comes through the ring.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// One exchange.
    Exchange(Entry),
    /// The numbers of exchanges whose rows were given up.
    Sum(Sum),
    /// One attempt of an exchange that has not ended, or ends with it.
    Attempt(Attempt),
    /// What was not said of an exchange that has not ended.
    Dropped(Dropped),
}

const _: () = assert!(size_of::<Told>() <= limits::ENTRY_BYTES_MAX);

/// What totals are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SumKey {
    /// The snapshot that the indexes belong to.
    pub generation: u64,
    /// Minutes since 1970 (UTC) at the exchange's start.
    pub minute: u32,
    /// What the client speaks.
    pub dialect: Dialect,
    /// Who called, or `NONE`.
    pub client: u16,
    /// Who answered, or `NONE`.
    pub provider: u16,
    /// With which key, or `NONE`.
    pub key: u16,
    /// The model that answered; empty where no attempt was made, so that names which strangers make up
    /// take no room.
    pub model: Model,
}

const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u32 = 24 * 60;

impl SumKey {
    /// The key under which `entry` is summed.
    pub fn of(entry: &Entry) -> SumKey {
        SumKey {
            generation: u64::from(entry.generation),
            minute: u32::try_from(entry.unix_ms / MINUTE_MS).unwrap_or(u32::MAX),
            dialect: entry.dialect,
            client: entry.client,
            provider: entry.provider,
            key: entry.key,
            model: entry.model_sent,
        }
    }

    /// A number that keys which come one after the other seldom share. Whoever is found by it is compared.
    pub fn lot(&self) -> usize {
        let model = self.model.as_bytes();
        let letter = |at: usize| usize::from(model.get(at).copied().unwrap_or(0));
        let last = model.len().wrapping_sub(1);
        let who = usize::from(self.client) * 5 + usize::from(self.provider) * 11 + usize::from(self.key) * 17;
        who + letter(last) + letter(model.len() / 2) * 3 + model.len() + self.dialect as usize * 29
    }

    /// The day of it (days since 1970, UTC).
    pub fn day(&self) -> u32 {
        self.minute / DAY_MINUTES
    }

    /// The same with nothing finer than the day.
    pub fn by_day(self) -> SumKey {
        SumKey { minute: self.day() * DAY_MINUTES, ..self }
    }
}

/// Numbers of some exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// How many.
    pub requests: u64,
    /// How many of them were answered to the end; the others are errors.
    pub ok: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of answers.
    pub response_bytes: u64,
    /// What they used. `said` if any upstream said it.
    pub tokens: Tokens,
    /// What that cost.
    pub cost_nanos: u64,
}

impl Numbers {
    /// The numbers of one exchange.
    pub fn of(entry: &Entry) -> Numbers {
        Numbers {
            requests: 1,
            ok: u64::from(entry.outcome == Outcome::Ok),
            request_bytes: entry.request_bytes,
            response_bytes: entry.response_bytes,
            tokens: entry.tokens,
            cost_nanos: entry.cost_nanos,
        }
    }

    /// Adds others. An upstream that says absurd numbers stops a sum at its top and breaks nothing.
    pub fn add(&mut self, more: &Numbers) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.requests, more.requests);
        add(&mut self.ok, more.ok);
        add(&mut self.request_bytes, more.request_bytes);
        add(&mut self.response_bytes, more.response_bytes);
        add(&mut self.tokens.input, more.tokens.input);
        add(&mut self.tokens.output, more.tokens.output);
        add(&mut self.tokens.cache_read, more.tokens.cache_read);
        add(&mut self.tokens.cache_write, more.tokens.cache_write);
        add(&mut self.tokens.reasoning, more.tokens.reasoning);
        add(&mut self.cost_nanos, more.cost_nanos);
        self.tokens.said |= more.tokens.said;
    }
}

/// The numbers of exchanges that were not told one by one.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// Whose they are.
    pub key: SumKey,
    /// What they are.
    pub numbers: Numbers,
}

/// A core's end.
pub struct Teller {
    ring: rtrb::Producer<Told>,
    overflow: AHashMap<SumKey, Numbers>,
    /// The last number that control asked to settle.
    asked: u64,
    tally: Arc<Tally>,
    traces: Option<Arc<Desk>>,
}

impl Teller {
    /// A teller and control's end of its ring.
    pub fn new(tally: Arc<Tally>) -> (Teller, rtrb::Consumer<Told>) {
        Teller::with_slots(tally, limits::RECORD_SLOTS)
    }

    fn with_slots(tally: Arc<Tally>, slots: usize) -> (Teller, rtrb::Consumer<Told>) {
        let (producer, consumer) = rtrb::RingBuffer::new(slots);
        (Teller { ring: producer, overflow: AHashMap::new(), asked: 0, tally, traces: None }, consumer)
    }

    /// Leaves traces here from now on.
    pub fn traces_to(&mut self, desk: Arc<Desk>) {
        self.traces = Some(desk);
    }

    /// Leaves what becomes a trace. False where nobody takes any, or too many wait.
    pub fn trace(&self, left: Left) -> bool {
        self.traces.as_ref().is_some_and(|desk| desk.leave(left))
    }

    /// The core's counters.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Tells a finished exchange. Never waits, never fails.
    pub fn tell(&mut self, entry: &Entry) {
        self.tally.exchange(entry);
        if self.ring.push(Told::Exchange(*entry)).is_err() {
            self.tally.records_dropped.add(1);
            self.keep(entry);
        }
    }

    /// Tells an attempt. Never waits; without room it is given up and counted.
    pub fn attempt(&mut self, attempt: &Attempt) {
        self.beside(Told::Attempt(*attempt));
    }

    /// Tells what was not said.
    pub fn dropped(&mut self, dropped: &Dropped) {
        self.beside(Told::Dropped(*dropped));
    }

    fn beside(&mut self, told: Told) {
        if self.ring.push(told).is_err() {
            self.tally.records_dropped.add(1);
        }
    }

    /// Hands over all that has ended, and says in the tally that request `number` of control is met. Where
    /// the ring has no room for all of it, a later `flush` does and says so.
    pub fn settle(&mut self, number: u64) {
        self.asked = number;
        self.flush();
        self.say_settled();
    }

    /// Sends on what did not fit. The core calls it at each tick.
    pub fn flush(&mut self) {
        if self.overflow.is_empty() {
            return;
        }
        let room = self.ring.slots();
        let sent = self.overflow.extract_if(|_, _| true).take(room);
        for (key, numbers) in sent {
            let pushed = self.ring.push(Told::Sum(Sum { key, numbers }));
            debug_assert!(pushed.is_ok(), "only this core fills the ring, and it had room");
        }
        self.say_settled();
    }

    fn say_settled(&self) {
        if self.overflow.is_empty() {
            self.tally.settled.set(self.asked);
        }
    }

    fn keep(&mut self, entry: &Entry) {
        let mut key = SumKey::of(entry);
        if self.overflow.len() >= limits::OVERFLOW_KEYS_MAX && !self.overflow.contains_key(&key) {
            key.model = Model::new(limits::OTHER_MODELS);
        }
        self.overflow.entry(key).or_default().add(&Numbers::of(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RequestId;
    use proptest::prelude::*;

    fn entry(sequence: u32, provider: u16, model: &str, input: u64) -> Entry {
        let mut entry = Entry::begun(RequestId::new(1, 0, 0, sequence), u64::from(DAY_MINUTES) * MINUTE_MS * 3 + 5, 1);
        entry.provider = provider;
        entry.model_sent = Model::new(model);
        entry.tokens = Tokens { input, said: true, ..Tokens::default() };
        entry.request_bytes = 10;
        entry.outcome = if sequence.is_multiple_of(3) { Outcome::Cut } else { Outcome::Ok };
        entry
    }

    fn drain(ring: &mut rtrb::Consumer<Told>, into: &mut AHashMap<SumKey, Numbers>) -> usize {
        let mut rows = 0;
        while let Ok(told) = ring.pop() {
            let (key, numbers) = match told {
                Told::Exchange(entry) => {
                    rows += 1;
                    (SumKey::of(&entry), Numbers::of(&entry))
                }
                Told::Sum(sum) => (sum.key, sum.numbers),
                Told::Attempt(_) | Told::Dropped(_) => continue,
            };
            into.entry(key).or_default().add(&numbers);
        }
        rows
    }

    #[test]
    fn a_full_ring_loses_rows_and_no_numbers() {
        let tally = Arc::new(Tally::new());
        let (mut teller, mut ring) = Teller::with_slots(tally.clone(), 4);
        for sequence in 0..10 {
            teller.tell(&entry(sequence, (sequence % 2) as u16, "m", 7));
        }
        assert_eq!(tally.requests.get(), 10);
        assert_eq!(tally.records_dropped.get(), 6);
        teller.flush();
        let mut sums = AHashMap::new();
        assert_eq!(drain(&mut ring, &mut sums), 4, "the ring was full: nothing could follow");
        teller.flush();
        assert_eq!(drain(&mut ring, &mut sums), 0, "what follows are sums");
        let input: u64 = sums.values().map(|numbers| numbers.tokens.input).sum();
        let requests: u64 = sums.values().map(|numbers| numbers.requests).sum();
        assert_eq!((requests, input), (10, 70));
        assert!(teller.overflow.is_empty());
    }

    #[test]
    fn settled_is_said_once_nothing_is_left_to_hand_over() {
        let tally = Arc::new(Tally::new());
        let (mut teller, mut ring) = Teller::with_slots(tally.clone(), 1);
        teller.settle(1);
        assert_eq!(tally.settled.get(), 1);
        teller.tell(&entry(0, 0, "m", 1));
        teller.tell(&entry(1, 0, "m", 1));
        teller.settle(2);
        assert_eq!(tally.settled.get(), 1, "the ring is full");
        let mut sums = AHashMap::new();
        drain(&mut ring, &mut sums);
        teller.flush();
        assert_eq!(tally.settled.get(), 2);
        drain(&mut ring, &mut sums);
        assert_eq!(sums.values().map(|numbers| numbers.requests).sum::<u64>(), 2);
    }

    #[test]
    fn the_overflow_is_bounded_and_stays_exact() {
        let (mut teller, mut ring) = Teller::with_slots(Arc::new(Tally::new()), 1);
        let told = limits::OVERFLOW_KEYS_MAX as u32 * 2;
        for sequence in 0..told {
            teller.tell(&entry(sequence, 0, &format!("model-{sequence}"), 1));
        }
        assert!(teller.overflow.len() <= limits::OVERFLOW_KEYS_MAX + 1);
        let mut sums = AHashMap::new();
        while {
            drain(&mut ring, &mut sums);
            !teller.overflow.is_empty()
        } {
            teller.flush();
        }
        drain(&mut ring, &mut sums);
        assert_eq!(sums.values().map(|numbers| numbers.requests).sum::<u64>(), u64::from(told));
    }

    proptest! {
        /// Whatever the order of telling, flushing and draining, the sums by key are those of the exchanges.
        #[test]
        fn sums_are_exact(steps in prop::collection::vec((0_u8..4, 0_u16..3, 0_u64..1_000), 0..200)) {
            let (mut teller, mut ring) = Teller::with_slots(Arc::new(Tally::new()), 3);
            let (mut expected, mut sums) = (AHashMap::new(), AHashMap::new());
            for (sequence, (step, provider, input)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let entry = entry(sequence as u32, provider, "m", input);
                        expected.entry(SumKey::of(&entry)).or_insert_with(Numbers::default).add(&Numbers::of(&entry));
                        teller.tell(&entry);
                    }
                    2 => teller.flush(),
                    _ => { drain(&mut ring, &mut sums); }
                }
            }
            for _ in 0..3 {
                drain(&mut ring, &mut sums);
                teller.flush();
            }
            drain(&mut ring, &mut sums);
            prop_assert_eq!(sums, expected);
        }
    }
}
