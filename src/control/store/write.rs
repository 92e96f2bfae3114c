//! The writer: takes batches, writes each in one transaction, and goes on whatever becomes of the file.
//!
//! What could not be written is kept, rows up to a bound and sums by whom they are of, and tried again a second later. A
//! damaged file is set aside under another name; of a file that has gone or was replaced a new one is begun. The new
//! one gets the numbers since the start of the process with the next batch, so totals stay what the cores have counted.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use rusqlite::TransactionBehavior;

use super::feed::{Batch, Named};
use super::held::Held;
use super::known::{Ids, Known};
use super::rows::Rows;
use super::schema::{self, Opened, Trouble};
use super::sums::{Grain, Sums, Unwritten, whose};
use super::tail::Tail;
use super::{Flushed, Indexed, Ledger, Message, State};
use crate::base::id::RequestId;
use crate::control::unix_ms;
use crate::control::usage::Whose;
use crate::limits;
use crate::record::{Attempt, Numbers, SumKey, Text};

/// What is in no file yet.
#[derive(Default)]
struct Pending {
    rows: Rows,
    attempts: Vec<Named<Attempt>>,
    /// What was not said of exchanges, until they end.
    dropped: AHashMap<RequestId, Text<{ limits::DROPPED_BYTES }>>,
    sums: Held<Sums>,
    seed: Option<Vec<(Whose, Numbers)>>,
    traced: Vec<Indexed>,
    segments_gone: Vec<u64>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.attempts.is_empty()
            && self.sums.is_empty()
            && self.seed.is_none()
            && self.traced.is_empty()
            && self.segments_gone.is_empty()
    }

    /// Takes in a batch; its sums only where they are not part of a seed that will come.
    fn take(&mut self, batch: Batch, counts: bool) {
        if counts {
            for (told, names) in batch.rows.runs() {
                told.iter().for_each(|told| self.sums.of(SumKey::of(told), names).exchange(told));
            }
            for (key, sum) in batch.sums.iter() {
                self.sums.of(*key, &sum.names).numbers.add(&sum.told);
            }
        }
        self.rows.append(batch.rows);
        self.attempts.extend(batch.attempts);
        for told in batch.dropped {
            // Those of exchanges whose rows were given up would stay for ever.
            if self.dropped.len() >= limits::STORE_ROWS_HELD {
                self.dropped.clear();
            }
            self.dropped.insert(told.id, told.members);
        }
    }

    /// All of it is in the file, but for what belongs to exchanges that go on. The place of its rows, for others.
    fn written(&mut self) -> Option<Rows> {
        let mut dropped = std::mem::take(&mut self.dropped);
        for entry in self.rows.runs().flat_map(|(told, _)| told) {
            if dropped.is_empty() {
                break;
            }
            dropped.remove(&entry.id);
        }
        let written = std::mem::replace(self, Pending { dropped, ..Pending::default() });
        written.rows.emptied()
    }

    /// Gives up what is too much to be held. Says how many rows.
    fn bound(&mut self) -> u64 {
        let lost = self.rows.keep_last(limits::STORE_ROWS_HELD);
        keep_last(&mut self.attempts, limits::STORE_ROWS_HELD);
        keep_last(&mut self.traced, limits::STORE_ROWS_HELD);
        keep_last(&mut self.segments_gone, limits::STORE_ROWS_HELD);
        lost
    }
}

/// Keeps the last ones.
fn keep_last<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

/// The thread that writes.
pub(super) struct Writer {
    ledger: Arc<Ledger>,
    opened: Option<Opened>,
    names: AHashMap<Box<str>, i64>,
    /// The day for which `names` holds.
    day: u32,
    pending: Pending,
    /// Where places of rows go that are written.
    emptied: SyncSender<Rows>,
    tail: Tail,
    /// Whether trouble has been said.
    is_said: bool,
    /// Whether the numbers since the start have to come before any others are written.
    awaits_seed: bool,
    looked: Instant,
    retained: Option<Instant>,
    /// Whether pages of the file may be held.
    is_warm: bool,
}

impl Writer {
    pub(super) fn new(ledger: Arc<Ledger>, emptied: SyncSender<Rows>) -> Writer {
        Writer {
            ledger,
            opened: None,
            names: AHashMap::new(),
            day: 0,
            pending: Pending::default(),
            emptied,
            tail: Tail::default(),
            is_said: false,
            awaits_seed: false,
            looked: Instant::now(),
            retained: None,
            is_warm: true,
        }
    }

    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        self.begin();
        let rest = Duration::from_millis(limits::STORE_RETRY_MS);
        loop {
            match messages.recv_timeout(rest) {
                Ok(Message::Batch(batch)) => {
                    self.take(*batch);
                    self.write();
                }
                Ok(Message::Flush(reply)) => {
                    self.write();
                    let _nobody_waits_any_more = reply.send(self.flushed());
                }
                Ok(Message::Traced(indexed)) => {
                    self.pending.traced.push(indexed);
                    self.pending.bound();
                }
                Ok(Message::SegmentGone(number)) => self.pending.segments_gone.push(number),
                Ok(Message::Damaged(why)) => self.damaged(&why),
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.pending.is_empty() {
                        self.write();
                    }
                    self.rest();
                }
            }
        }
    }

    /// Opens the file before there is anything to write: what is wrong with it is said at the start.
    fn begin(&mut self) {
        match self.open() {
            Ok(()) | Err(Trouble::Busy) => {}
            Err(Trouble::Corrupt(why)) => self.set_aside(&why, false),
            Err(Trouble::Full(why)) => self.full(&why),
            Err(Trouble::Newer) => self.newer(),
        }
    }

    fn open(&mut self) -> Result<(), Trouble> {
        if self.opened.is_none() {
            self.names.clear();
            self.tail = Tail::default();
            self.opened = Some(schema::open(&self.ledger.path)?);
        }
        Ok(())
    }

    fn take(&mut self, mut batch: Batch) {
        self.ledger.dropped.fetch_add(batch.lost, Ordering::Relaxed);
        let seed = batch.seed.take().filter(|_| self.awaits_seed);
        let counts = !self.awaits_seed;
        if seed.is_some() {
            self.awaits_seed = false;
            self.ledger.wants_seed.store(false, Ordering::Release);
            self.pending.seed = seed;
        }
        self.pending.take(batch, counts);
    }

    /// Writes all that is pending, if it can be.
    fn write(&mut self) {
        if self.looked.elapsed() >= Duration::from_millis(limits::STORE_RETRY_MS) {
            self.looked = Instant::now();
            self.look_for_file();
        }
        if self.pending.is_empty() && self.opened.is_some() {
            return;
        }
        match self.open().and_then(|()| self.commit()) {
            Ok(()) => {
                self.is_warm = true;
                if let Some(place) = self.pending.written() {
                    let _there_is_one_already = self.emptied.try_send(place);
                }
                if std::mem::take(&mut self.is_said) {
                    tracing::warn!(path = %self.ledger.path.display(), "what is told is written down again");
                    self.ledger.say(State::Ok, "");
                }
            }
            Err(trouble) => {
                // Names of a transaction that was taken back have no numbers.
                self.names.clear();
                self.trouble(trouble);
            }
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Busy => {}
            // The file stays open: what it needs to be read might not be had again.
            Trouble::Full(why) => self.full(&why),
            Trouble::Corrupt(why) => self.set_aside(&why, true),
            Trouble::Newer => self.newer(),
        }
        let lost = self.pending.bound();
        self.ledger.dropped.fetch_add(lost, Ordering::Relaxed);
    }

    fn full(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_said, true) {
            tracing::error!(path = %self.ledger.path.display(), why, "nothing can be written down now; requests go on");
            self.ledger.say(State::Full, why);
        }
    }

    fn newer(&mut self) {
        let why = "the file is of a later version of weir";
        if !std::mem::replace(&mut self.is_said, true) {
            tracing::error!(path = %self.ledger.path.display(), why, "nothing is written down");
            self.ledger.say(State::Unavailable, why);
        }
    }

    /// A reader has found damage: the file goes, if a look of our own agrees.
    fn damaged(&mut self, why: &str) {
        let sound = schema::open_to_read(&self.ledger.path)
            .and_then(|db| Ok(db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?));
        match sound {
            Ok(said) if said == "ok" => {}
            Err(Trouble::Busy | Trouble::Full(_)) => {}
            _ => self.set_aside(why, true),
        }
    }

    /// Puts the file under another name and begins a new one. `counted` is whether anything was told before.
    fn set_aside(&mut self, why: &str, counted: bool) {
        self.opened = None;
        self.names.clear();
        let (path, bad) = (&self.ledger.path, aside(&self.ledger.path));
        let moved = std::fs::rename(path, &bad);
        for end in ["-wal", "-shm"] {
            let _mostly_there_is_none = std::fs::rename(with_end(path, end), with_end(&bad, end));
        }
        prune(path);
        let message = match &moved {
            Ok(()) => format!("the file was damaged ({why}); it is now {}, and a new one was begun", bad.display()),
            Err(error) => format!("the file is damaged ({why}) and cannot be moved: {error}"),
        };
        tracing::error!(path = %path.display(), "{message}");
        self.ledger.say(if moved.is_ok() { State::SetAside } else { State::Full }, message);
        if counted {
            self.anew();
        }
        if let Err(Trouble::Full(why)) = self.open() {
            self.full(&why);
        }
    }

    /// The next file is empty: all numbers since the start belong into it.
    fn anew(&mut self) {
        self.pending.sums = Held::default();
        self.pending.seed = None;
        self.awaits_seed = true;
        self.ledger.wants_seed.store(true, Ordering::Release);
    }

    /// Notices a file that was deleted or replaced under us.
    fn look_for_file(&mut self) {
        let Some(opened) = &self.opened else { return };
        let there = std::fs::metadata(&self.ledger.path).map(|found| found.ino()).ok();
        if there != Some(opened.inode) {
            tracing::error!(path = %self.ledger.path.display(), "the file is gone or another one: begins anew");
            self.opened = None;
            // Left behind, they would be taken for those of the new file.
            if there.is_none() {
                for end in ["-wal", "-shm"] {
                    let _mostly_there_is_none = std::fs::remove_file(with_end(&self.ledger.path, end));
                }
            }
            self.anew();
        }
    }

    /// What is not in the file after a flush.
    fn flushed(&self) -> Flushed {
        let unwritten = self.pending.sums.iter().map(|(key, sum)| Unwritten::of(key, &sum.names, &sum.told));
        Flushed { unwritten: unwritten.collect(), holds_rows: !self.pending.rows.is_empty() }
    }

    /// Nothing is to be written: lets go of memory, and of rows that are old.
    fn rest(&mut self) {
        if let Some(opened) = &self.opened
            && std::mem::take(&mut self.is_warm)
        {
            let _ = opened.db.release_memory();
        }
        let every = Duration::from_secs(limits::STORE_RETAIN_EVERY_S);
        if self.retained.is_some_and(|last| last.elapsed() < every) {
            return;
        }
        let Some(opened) = &self.opened else { return };
        let keep_days = self.ledger.snapshot.load().usage_keep_days;
        match super::retain::step(&opened.db, keep_days, unix_ms()) {
            Ok(true) => {}
            Ok(false) => (self.retained, self.is_warm) = (Some(Instant::now()), true),
            Err(trouble) => self.trouble(trouble),
        }
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        let Writer { opened: Some(opened), names, pending, tail, day, .. } = self else { return Ok(()) };
        let today = u32::try_from(unix_ms() / 86_400_000).unwrap_or(u32::MAX);
        if *day != today || names.len() >= limits::STORE_NAMES_KNOWN {
            names.clear();
            *day = today;
        }
        let change = opened.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut known = Known { change: &change, names, today };
        let mut next = tail.clone();
        for (told, names) in pending.rows.runs() {
            let (mut ids, mut rest) = (Ids::of(names), told);
            while !rest.is_empty() {
                let into = next.place();
                let (now, later) = rest.split_at(rest.len().min(limits::PACK_ROWS - into.len()));
                known.rows(now, names, &mut ids, &pending.dropped, into)?;
                next.write(&change)?;
                rest = later;
            }
        }
        known.attempts(&pending.attempts)?;
        known.traces(&pending.traced, &pending.segments_gone)?;
        for (key, sums) in pending.sums.iter() {
            known.sums(&Grain::ALL, key.minute, whose(key, &sums.names), &sums.told)?;
        }
        for (whose, numbers) in pending.seed.iter().flatten() {
            let names = [&*whose.client, &*whose.provider, &*whose.key, &*whose.model, whose.dialect.name()];
            let sums = Sums { numbers: *numbers, ..Sums::default() };
            known.sums(&[Grain::Day], whose.day.saturating_mul(Grain::Day.minutes()), names, &sums)?;
        }
        change
            .prepare_cached("UPDATE meta SET value = value + ?1 WHERE name = 'rows'")?
            .execute([pending.rows.len()])?;
        change.commit()?;
        *tail = next;
        Ok(())
    }
}

/// Where a damaged file goes.
fn aside(path: &Path) -> PathBuf {
    with_end(path, &format!(".damaged-{}", unix_ms()))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(end);
    whole.into()
}

/// Of files that were set aside the last ones stay: a disk that goes bad must not fill up with them.
fn prune(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let names = entries.flatten().map(|entry| entry.path());
    let is_aside = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
    let is_main =
        |path: &PathBuf| !path.to_string_lossy().ends_with("-wal") && !path.to_string_lossy().ends_with("-shm");
    let mut found: Vec<PathBuf> = names.filter(is_aside).filter(is_main).collect();
    found.sort();
    let over = found.len().saturating_sub(limits::STORE_ASIDE_MAX);
    for old in &found[..over] {
        tracing::warn!(path = %old.display(), "an older damaged file is deleted");
        for end in ["", "-wal", "-shm"] {
            let _mostly_there_is_none = std::fs::remove_file(with_end(old, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::socket::tests::Folder;
    use crate::record::{Dropped, Entry};

    fn id(nth: usize) -> RequestId {
        RequestId::new(1, 0, 0, nth as u32)
    }

    #[test]
    fn what_cannot_be_written_is_held_up_to_a_bound() {
        let mut pending = Pending::default();
        let add = |pending: &mut Pending, numbers: std::ops::Range<usize>| {
            let mut batch = Batch::default();
            for nth in numbers {
                batch.rows.push(&Entry::begun(id(nth), 1, 1), &Arc::default());
                batch.attempts.push(Named { told: Attempt::begun(id(nth), 1, 1, 1, 0), names: Arc::default() });
                batch.dropped.push(Dropped { unix_ms: 1, id: id(nth), members: Text::EMPTY });
            }
            pending.take(batch, true);
        };
        add(&mut pending, 0..limits::STORE_ROWS_HELD);
        assert_eq!((pending.bound(), pending.dropped.len()), (0, limits::STORE_ROWS_HELD));
        add(&mut pending, limits::STORE_ROWS_HELD..limits::STORE_ROWS_HELD + 1);
        assert_eq!(pending.bound(), 1);
        let oldest = pending.rows.runs().next().map(|(told, _)| told[0].id);
        assert_eq!((pending.rows.len(), oldest), (limits::STORE_ROWS_HELD, Some(id(1))), "the oldest goes");
        assert_eq!((pending.attempts.len(), pending.attempts[0].told.id), (limits::STORE_ROWS_HELD, id(1)));
        assert_eq!(pending.dropped.len(), 1);
        let counted: u64 = pending.sums.iter().map(|(_, sum)| sum.told.numbers.requests).sum();
        assert_eq!(counted, limits::STORE_ROWS_HELD as u64 + 1, "the numbers stay");
    }

    #[test]
    fn the_last_damaged_files_stay() {
        let folder = Folder::new("store-aside");
        let path = folder.0.join("x.sqlite");
        let made = |nth: usize| with_end(&path, &format!(".damaged-{}", 1_795_000_000_000 + nth as u64));
        for nth in 0..limits::STORE_ASIDE_MAX {
            std::fs::write(made(nth), "x").expect("written");
        }
        prune(&path);
        assert!((0..limits::STORE_ASIDE_MAX).all(|nth| made(nth).exists()));
        std::fs::write(with_end(&made(0), "-wal"), "x").expect("written");
        std::fs::write(made(limits::STORE_ASIDE_MAX), "x").expect("written");
        prune(&path);
        assert!(!made(0).exists() && !with_end(&made(0), "-wal").exists());
        assert!((1..=limits::STORE_ASIDE_MAX).all(|nth| made(nth).exists()));
    }
}
