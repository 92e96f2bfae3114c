//! The store: every exchange as a row, and sums by minute, hour and day, in one SQLite file of the data folder. Rows lie
//! in packs (`pack`).
//!
//! One thread writes; the collector hands it batches and never waits for it. Whoever reads opens the file for one
//! question, so that nothing is held at rest. A disk that is full and a file that is damaged stop nothing: the first is
//! written again once there is room, the second is set aside and a new one begun with the numbers since the start.
//! What is held meanwhile is bounded; rows beyond it are given up and counted, their numbers are kept.

mod bins;
mod feed;
mod held;
mod known;
mod pack;
mod query;
mod read;
mod retain;
mod rows;
mod schema;
mod steps;
#[cfg(test)]
mod store_test;
mod sums;
mod tail;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(crate) use self::feed::{Batch, Feed};
pub(crate) use self::query::{Exchange, Filter, Status};
pub(crate) use self::read::{Page, one, page, traced};
pub(crate) use self::schema::{Trouble, place};
pub(crate) use self::sums::{By, Grain, Span, Sums, Totals};
use crate::config::Snapshot;
use crate::limits;

/// Name of the file in the data folder.
const FILE: &str = "weir.db";

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    /// What is told cannot be written now.
    Full,
    /// A damaged file was set aside; a new one was begun.
    SetAside,
    /// There is none: the file is of a later version, or nobody writes.
    Unavailable,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Full => "full",
            State::SetAside => "set_aside",
            State::Unavailable => "unavailable",
        }
    }
}

/// What goes to the writer.
pub(crate) enum Message {
    Batch(Box<Batch>),
    /// Write all of it now, and say what could not be written.
    Flush(oneshot::Sender<Flushed>),
    /// A trace is in its file.
    Traced(Indexed),
    /// A file of traces is no more.
    SegmentGone(u64),
    /// A reader has found the file damaged.
    Damaged(String),
    /// Write and close.
    End,
}

/// Where the trace of an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// The exchange.
    pub(crate) place: i64,
    /// The file.
    pub(crate) segment: u64,
    /// Where its record begins.
    pub(crate) start: u64,
    /// Bytes of it.
    pub(crate) length: u64,
}

/// What a flush came to.
#[derive(Default)]
pub(crate) struct Flushed {
    /// Sums that are in no file yet.
    pub(crate) unwritten: Vec<sums::Unwritten>,
    /// Whether rows are in no file yet.
    pub(crate) holds_rows: bool,
}

/// What the writer and everybody else know together.
struct Ledger {
    path: PathBuf,
    state: Mutex<(State, String)>,
    /// Rows that are in no file and will not be.
    dropped: AtomicU64,
    /// Whether all numbers since the start are needed.
    wants_seed: AtomicBool,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Ledger {
    fn say(&self, state: State, message: impl Into<String>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (state, message.into());
    }
}

/// The store as control sees it.
pub(crate) struct Store {
    ledger: Arc<Ledger>,
    way: SyncSender<Message>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Store {
    /// Begins to write into `folder`, on a thread of its own.
    pub(crate) fn begin(folder: &Path, snapshot: Arc<ArcSwap<Snapshot>>) -> std::io::Result<(Store, Feed)> {
        let (way, messages) = sync_channel(limits::STORE_BATCHES_WAITING);
        let ledger = Arc::new(Ledger {
            path: folder.join(FILE),
            state: Mutex::new((State::Ok, String::new())),
            dropped: AtomicU64::new(0),
            wants_seed: AtomicBool::new(false),
            snapshot,
        });
        let (emptied, places) = sync_channel(1);
        let writer = write::Writer::new(ledger.clone(), emptied);
        let thread = std::thread::Builder::new().name("weir-store".to_owned()).spawn(move || writer.run(&messages))?;
        let feed = Feed::new(way.clone(), places);
        Ok((Store { ledger, way, thread: Mutex::new(Some(thread)) }, feed))
    }

    /// The way to the writer.
    pub(crate) fn way(&self) -> SyncSender<Message> {
        self.way.clone()
    }

    /// Whether all numbers since the start belong into the next batch.
    pub(crate) fn wants_seed(&self) -> bool {
        self.ledger.wants_seed.load(Ordering::Acquire)
    }

    /// Rows that were given up here.
    pub(crate) fn dropped(&self) -> u64 {
        self.ledger.dropped.load(Ordering::Relaxed)
    }

    /// How the store is, and what there is to say about it.
    pub(crate) fn state(&self) -> (State, String) {
        self.ledger.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is told is held in memory.
    pub(crate) fn is_full(&self) -> bool {
        self.state().0 == State::Full
    }

    /// Whether what is told is written down.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.state().0, State::Ok | State::SetAside)
    }

    /// Has all that was handed over written. Nothing where the writer does not come to it in time.
    pub(crate) async fn flush(&self) -> Option<Flushed> {
        let (reply, replied) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_millis(limits::STORE_FLUSH_MS_MAX);
        let mut message = Message::Flush(reply);
        while let Err(refused) = self.way.try_send(message) {
            let TrySendError::Full(again) = refused else {
                self.ledger.say(State::Unavailable, "the thread that writes has ended");
                return None;
            };
            message = again;
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::timeout_at(deadline.into(), replied).await.ok()?.ok()
    }

    /// Asks the file something. A file that turns out to be damaged is set aside.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let path = self.ledger.path.clone();
        let read = tokio::task::spawn_blocking(move || question(&schema::open_to_read(&path)?)).await;
        let answer = read.unwrap_or_else(|_| Err(Trouble::Full("the question did not come to its end".to_owned())));
        if let Err(Trouble::Corrupt(why)) = &answer {
            // Without room the writer has more to write, and finds out itself.
            let _ = self.way.try_send(Message::Damaged(why.clone()));
        }
        answer
    }

    /// What `/api/store` says, but for rows that were dropped before they came here.
    pub(crate) async fn told(&self, dropped: u64) -> Value {
        let known = self.read(read::facts).await.unwrap_or_default();
        let (state, message) = self.state();
        json!({
            "file": self.ledger.path,
            "bytes": known.bytes,
            "rows": known.rows,
            "oldest_unix_ms": known.oldest_unix_ms,
            "dropped_rows": dropped + self.dropped(),
            "state": state.name(),
            "message": message,
        })
    }

    /// The line of it in `/api/status`.
    pub(crate) fn brief(&self) -> Value {
        let (state, message) = self.state();
        json!({ "state": state.name(), "message": message, "dropped_rows": self.dropped() })
    }

    /// Writes what there is and closes the file, if that does not take too long.
    pub(crate) async fn end(&self) {
        let _ = self.flush().await;
        let _ = self.way.try_send(Message::End);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            let _ = tokio::time::timeout(Duration::from_millis(limits::STORE_FLUSH_MS_MAX), joined).await;
        }
    }
}
