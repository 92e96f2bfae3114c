//! The health of all keys, shared by the cores: a row for each key, and one for each (key, model) in trouble.
//!
//! Rows are addressed by fingerprints that neither a reload nor a restart changes. Most pairs of a key and a model
//! are well and have no row: a mark on the key's row says for which models one may exist, so that a healthy key
//! costs its readers one line of memory. The table of pairs has a fixed size; when the places for a pair are all
//! taken by others, the one whose rest ends first gives way, and an upstream may be asked once too early.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::binding::Bindings;
use super::breaker::{Admission, Cause, Health, Outcome, State, Word};
use super::line::Line;
use super::pace::Average;
use crate::base::hash;
use crate::base::text::beginning;
use crate::config::Snapshot;
use crate::config::snapshot::{Cooldown, Key};
use crate::limits;

/// A model as the board knows it.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    name: &'a str,
    hash: u64,
}

impl<'a> Model<'a> {
    /// The model of this upstream name.
    pub fn new(name: &'a str) -> Model<'a> {
        Model { name, hash: hash::of(0, name.as_bytes()) }
    }

    /// The model whose hash is known already; of its name the beginning is enough.
    pub fn known(name: &'a str, hash: u64) -> Model<'a> {
        Model { name, hash }
    }

    /// A number for it, the same everywhere.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// What the cores share of one key.
#[derive(Debug)]
#[repr(align(64))]
pub struct KeyRow {
    fingerprint: u64,
    word: Word,
    /// One bit for each 64th of all models: whether pairs with any of them may have rows.
    marks: AtomicU64,
    /// Requests under way, where somebody asks for them.
    pub busy: AtomicU32,
    /// Times to the first token: of whole answers, of streams.
    pub paces: [Average; 2],
    /// Requests that wait until fewer are under way.
    pub line: Box<Line>,
}

const _: () = assert!(size_of::<KeyRow>() == 64);

/// What the cores share of a key and a model.
#[derive(Debug)]
#[repr(align(64))]
struct Pair {
    /// Hash of key and model; 0 where the row is free.
    tag: AtomicU64,
    word: Word,
    key: AtomicU64,
    /// The beginning of the model's name, for people.
    name: [AtomicU64; NAME_WORDS],
}

const NAME_WORDS: usize = limits::BOARD_NAME_BYTES / 8;
const _: () = assert!(limits::BOARD_ROWS.is_power_of_two() && limits::BOARD_WINDOW <= limits::BOARD_ROWS);

/// The health of everything.
#[derive(Debug)]
pub struct Board {
    pairs: Box<[Pair]>,
    /// Asked when a snapshot is new, never for an exchange.
    keys: Mutex<HashMap<u64, Arc<KeyRow>>>,
    evicted: AtomicU64,
    /// Which conversation is bound to which key.
    pub bindings: Bindings,
}

/// Leave to use a key for a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    probes_key: bool,
    probes_model: bool,
}

/// Why a key may not be used for a model now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Why it rests.
    pub cause: Cause,
    /// When to ask again, milliseconds since 1970.
    pub until_ms: u64,
}

/// A row that is not well, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The key.
    pub key: u64,
    /// Its mark word; nothing for a pair.
    pub marks: Option<u64>,
    /// Hash of the pair; 0 for a key.
    pub tag: u64,
    /// The health.
    pub word: u64,
    /// The beginning of the model's name; empty for a key.
    pub model: String,
}

/// The fingerprint of a key: its provider's name, its own, and its secret. A new secret is a new key.
pub fn fingerprint(provider: &str, key: &Key) -> u64 {
    let named = hash::of(hash::of(0, provider.as_bytes()), key.name.as_bytes());
    hash::of(named, key.secret.expose())
}

impl Default for Board {
    fn default() -> Board {
        Board::new()
    }
}

impl Board {
    /// A board on which everything is well.
    pub fn new() -> Board {
        let pair = || Pair {
            tag: AtomicU64::new(0),
            word: Word::new(0),
            key: AtomicU64::new(0),
            name: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        let pairs = (0..limits::BOARD_ROWS).map(|_| pair()).collect();
        Board { pairs, keys: Mutex::default(), evicted: AtomicU64::new(0), bindings: Bindings::default() }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<u64, Arc<KeyRow>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a snapshot's keys, in their order.
    pub fn rows(&self, snapshot: &Snapshot) -> Box<[Arc<KeyRow>]> {
        let mut keys = self.keys();
        let row = |key: &Key| {
            let provider = &snapshot.providers[usize::from(key.provider)].name;
            let fingerprint = fingerprint(provider, key);
            Arc::clone(keys.entry(fingerprint).or_insert_with(|| Arc::new(KeyRow::new(fingerprint))))
        };
        snapshot.keys.iter().map(row).collect()
    }

    /// Forgets keys that nobody has any more and that are well.
    pub fn sweep(&self, now_ms: u64, policy: &Cooldown) {
        let idle = |row: &KeyRow| !Health::of(row.word.get()).is_resting(now_ms, policy);
        self.keys().retain(|_, row| Arc::strong_count(row) > 1 || !idle(row));
    }

    /// Asks for leave to use `key` for `model`.
    #[inline]
    pub fn enter(&self, key: &KeyRow, model: Model<'_>, now_ms: u64, policy: &Cooldown) -> Result<Leave, Rest> {
        let marked = key.marks.load(Ordering::Acquire) & mark(model.hash) != 0;
        if key.word.get() == 0 && !marked {
            return Ok(Leave::default());
        }
        let pair = if marked { self.find(tag(key, model)) } else { None };
        // Both are looked at before either is entered: a probe that cannot go on would have to be given back.
        for word in [Some(&key.word), pair.map(|pair| &pair.word)].into_iter().flatten() {
            refused(super::breaker::admit(word.get(), now_ms, policy))?;
        }
        let probes_key = refused(key.word.enter(now_ms, policy))?;
        let entered = pair.map_or(Ok(false), |pair| refused(pair.word.enter(now_ms, policy)));
        match entered {
            Ok(probes_model) => Ok(Leave { probes_key, probes_model }),
            Err(rest) => {
                if probes_key {
                    key.word.tell(now_ms, Outcome::Open, policy, 0);
                }
                Err(rest)
            }
        }
    }

    /// Whether `key` may be asked for `model`. Changes nothing.
    #[inline]
    pub fn is_open(&self, key: &KeyRow, model: Model<'_>, now_ms: u64, policy: &Cooldown) -> bool {
        let marked = key.marks.load(Ordering::Acquire) & mark(model.hash) != 0;
        key.word.get() == 0 && !marked || self.rest(key, model, now_ms, policy).is_none()
    }

    /// `key` has served `model` outside of any exchange: neither rests any longer.
    pub fn wake(&self, key: &KeyRow, model: Model<'_>) {
        key.word.set(0);
        if let Some(pair) = self.find(tag(key, model)) {
            pair.word.set(0);
        }
    }

    /// Nothing of `key` rests any longer, whatever it rested for.
    pub fn reset(&self, key: &KeyRow) {
        key.word.set(0);
        for pair in self.pairs.iter().filter(|pair| pair.key.load(Ordering::Acquire) == key.fingerprint) {
            pair.word.set(0);
        }
    }

    /// Why and for how long `key` rests for `model`, if it does. Changes nothing.
    pub fn rest(&self, key: &KeyRow, model: Model<'_>, now_ms: u64, policy: &Cooldown) -> Option<Rest> {
        let pair = self.find(tag(key, model)).map(|pair| pair.word.get());
        let rest = |word| refused(super::breaker::admit(word, now_ms, policy)).err();
        // Both have to be over.
        [Some(key.word.get()), pair].into_iter().flatten().filter_map(rest).max_by_key(|rest| rest.until_ms)
    }

    /// Takes note of how an attempt went. True if something came to rest by it.
    pub fn tell(
        &self,
        key: &KeyRow,
        model: Model<'_>,
        leave: Leave,
        outcome: Outcome,
        now_ms: u64,
        policy: &Cooldown,
    ) -> bool {
        let jitter = hash::mix(now_ms, key.fingerprint) as u8;
        let to_key = match outcome {
            Outcome::Failed(Cause::Rejected, _) | Outcome::Served => Some(outcome),
            // It was let in, so the key itself is well.
            Outcome::Failed(Cause::RateLimited | Cause::NoModel, _) if leave.probes_key => Some(Outcome::Served),
            _ if leave.probes_key => Some(Outcome::Open),
            _ => None,
        };
        let to_model = match outcome {
            Outcome::Failed(Cause::Rejected, _) | Outcome::Open => leave.probes_model.then_some(Outcome::Open),
            Outcome::Failed(..) | Outcome::Served => Some(outcome),
        };
        let rests = |(before, after): (u64, u64)| {
            before != after && Health::of(after).state == State::Cooling && Health::of(before).state != State::Cooling
        };
        let mut rested = false;
        if let Some(outcome) = to_key.filter(|outcome| *outcome != Outcome::Served || key.word.get() != 0) {
            rested |= rests(key.word.tell(now_ms, outcome, policy, jitter)) && outcome != Outcome::Open;
        }
        match to_model {
            None => {}
            Some(Outcome::Failed(..)) => {
                let tag = tag(key, model);
                loop {
                    let pair = self.claim(tag, key, model);
                    rested |= rests(pair.word.tell(now_ms, outcome, policy, jitter));
                    // Else the row was given to another pair meanwhile.
                    if pair.tag.load(Ordering::Acquire) == tag {
                        break;
                    }
                }
            }
            Some(outcome) if key.marks.load(Ordering::Acquire) & mark(model.hash) != 0 => {
                if let Some(pair) = self.find(tag(key, model)) {
                    pair.word.tell(now_ms, outcome, policy, jitter);
                }
            }
            Some(_) => {}
        }
        rested
    }

    fn window(&self, tag: u64) -> impl Iterator<Item = &Pair> {
        let at = tag as usize;
        (at..at + limits::BOARD_WINDOW).map(|at| &self.pairs[at % limits::BOARD_ROWS])
    }

    fn find(&self, tag: u64) -> Option<&Pair> {
        self.window(tag).find(|pair| pair.tag.load(Ordering::Acquire) == tag)
    }

    /// The row of a pair, made if there is none.
    fn claim(&self, tag: u64, key: &KeyRow, model: Model<'_>) -> &Pair {
        loop {
            key.marks.fetch_or(mark(model.hash), Ordering::AcqRel);
            if let Some(pair) = self.find(tag) {
                return pair;
            }
            let until = |pair: &&Pair| match pair.tag.load(Ordering::Acquire) {
                0 => 0,
                _ => Health::of(pair.word.get()).until_ms.max(1),
            };
            let Some(pair) = self.window(tag).min_by_key(until) else { continue };
            let old = pair.tag.load(Ordering::Acquire);
            let word = pair.word.get();
            if pair.tag.compare_exchange(old, tag, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                self.evicted.fetch_add(u64::from(old != 0 && word != 0), Ordering::Relaxed);
                pair.word.set(0);
                pair.label(key.fingerprint, model.name);
                return pair;
            }
        }
    }

    /// Rows that gave way to others while they were not well.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// All rows that are not well.
    pub fn said(&self) -> Vec<Said> {
        let of_key = |row: &Arc<KeyRow>| Said {
            key: row.fingerprint,
            marks: Some(row.marks.load(Ordering::Acquire)),
            tag: 0,
            word: row.word.get(),
            model: String::new(),
        };
        let mut said: Vec<Said> = self.keys().values().map(of_key).collect();
        said.retain(|row| row.word != 0 || row.marks != Some(0));
        said.extend(self.pairs.iter().filter_map(|pair| {
            let (tag, word) = (pair.tag.load(Ordering::Acquire), pair.word.get());
            let key = pair.key.load(Ordering::Acquire);
            (tag != 0 && word != 0).then(|| Said { key, marks: None, tag, word, model: pair.name() })
        }));
        said.sort_by_key(|row| (row.key, row.tag));
        said
    }

    /// Puts rows back that an earlier process has kept. Those it knows better stay.
    pub fn recall(&self, said: &[Said]) {
        let mut keys = self.keys();
        // A probe of that process is over.
        let kept = |word: u64| match Health::of(word) {
            health @ Health { state: State::Probing, .. } => {
                Health { state: State::Cooling, until_ms: 0, ..health }.word()
            }
            health => health.word(),
        };
        for row in said.iter().filter(|row| row.marks.is_some() || row.tag != 0) {
            let key = keys.entry(row.key).or_insert_with(|| Arc::new(KeyRow::new(row.key)));
            match row.marks {
                Some(marks) => {
                    key.marks.fetch_or(marks, Ordering::AcqRel);
                    if key.word.get() == 0 {
                        key.word.set(kept(row.word));
                    }
                }
                None => {
                    let free = self.window(row.tag).find(|pair| pair.tag.load(Ordering::Acquire) == 0);
                    if self.find(row.tag).is_none()
                        && let Some(pair) = free
                    {
                        pair.word.set(kept(row.word));
                        pair.label(row.key, &row.model);
                        pair.tag.store(row.tag, Ordering::Release);
                    }
                }
            }
        }
    }
}

impl KeyRow {
    fn new(fingerprint: u64) -> KeyRow {
        KeyRow {
            fingerprint,
            word: Word::new(0),
            marks: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            paces: Default::default(),
            line: Box::default(),
        }
    }

    /// The key's fingerprint.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Takes one of `most` places among the requests under way; 0 is no bound.
    pub fn take(&self, most: u32) -> bool {
        let grown = |busy: u32| (most == 0 || busy < most).then_some(busy.saturating_add(1));
        self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    /// Gives the place back. A reload may have begun to count while requests were under way that never took one.
    pub fn give(&self) {
        let _ = self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |busy| busy.checked_sub(1));
    }

    /// Whether a request that has not waited finds no place among `most`: those that wait come first.
    #[inline]
    pub fn is_full(&self, most: u32) -> bool {
        most > 0 && (self.busy.load(Ordering::Relaxed) >= most || !self.line.is_empty())
    }
}

impl Pair {
    fn label(&self, key: u64, model: &str) {
        self.key.store(key, Ordering::Release);
        let mut text = [0; limits::BOARD_NAME_BYTES];
        let shown = beginning(model, text.len());
        text[..shown.len()].copy_from_slice(shown.as_bytes());
        for (word, bytes) in self.name.iter().zip(text.as_chunks::<8>().0) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
    }

    fn name(&self) -> String {
        let bytes: Vec<u8> = self.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

/// Whether an admission is that of a probe; a rest where it is none at all.
fn refused(admission: Admission) -> Result<bool, Rest> {
    match admission {
        Admission::Free => Ok(false),
        Admission::Probe => Ok(true),
        Admission::Resting { cause, until_ms } => Err(Rest { cause, until_ms }),
    }
}

fn mark(model: u64) -> u64 {
    1 << (model >> 58)
}

fn tag(key: &KeyRow, model: Model<'_>) -> u64 {
    hash::mix(key.fingerprint, model.hash).max(1)
}

#[cfg(test)]
#[path = "board_test.rs"]
mod tests;
