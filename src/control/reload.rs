//! A changed file takes effect, or nothing changes and every problem is said.
//!
//! Read and check, bind what is newly listened on, resolve hosts that are new, then publish: names, addresses
//! and snapshot in this order, so that nobody sees an index before its meaning. Reloads come from SIGHUP, the
//! API and the file itself; they take turns.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::SignalKind;

use super::names::Names;
use super::{Command, Shared, dns, log, notify, unix_ms};
use crate::config::diff::{Changes, changes};
use crate::config::{Problem, Reading, Severity};
use crate::limits;
use crate::rt::sys;

/// Reads and checks the file again, with what the command line said over it; or a text that may become the file's.
pub type Load = Box<dyn Fn(Option<&str>) -> Reading + Send + Sync>;

/// What a reload did.
#[derive(Debug)]
pub(crate) struct Reloaded {
    pub(crate) generation: u64,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) changes: Changes,
}

/// Reloads once. All problems are logged here; `why` says in the log what asked for it.
pub(crate) async fn reload(shared: &Shared, why: &'static str) -> Result<Reloaded, Vec<Problem>> {
    let _turn = shared.reloading.lock().await;
    notify::reloading("reloads its configuration");
    let outcome = apply(shared).await;
    notify::ready(if outcome.is_ok() { "serves" } else { "serves; the last reload was refused" });
    match &outcome {
        Ok(done) => {
            tracing::info!(why, generation = done.generation, "configuration reloaded");
            for change in &done.changes.said {
                tracing::info!("{change}");
            }
            for problem in &done.warnings {
                tracing::warn!("{problem}");
            }
            for member in &done.changes.restart {
                tracing::warn!(member, "changed, but takes effect only after a restart");
            }
        }
        Err(problems) => {
            tracing::error!(why, problems = problems.len(), "configuration not reloaded; the last good one stays");
            for problem in problems {
                tracing::error!("{problem}");
            }
        }
    }
    outcome
}

async fn apply(shared: &Shared) -> Result<Reloaded, Vec<Problem>> {
    // Looked at before it is read: what is written after that is seen to have changed.
    shared.saw(shared.snapshot.load().file.as_deref().and_then(look));
    let Reading { snapshot, problems } = (shared.load)(None);
    let Some(mut snapshot) = snapshot else { return Err(problems) };
    let old = shared.snapshot.load_full();
    // Asked of a process that listens no more: it is for the one that does.
    match shared.successor.load(Ordering::Acquire) {
        0 if shared.draining.load(Ordering::Relaxed) => {
            return Err(vec![whole("", "this process is ending".to_owned())]);
        }
        0 => {}
        successor => {
            let passed = sys::signal(successor, SignalKind::hangup().as_raw_value());
            passed.map_err(|error| vec![whole("", format!("the process that serves cannot be told: {error}"))])?;
            tracing::info!(successor, "a reload is passed on");
            return Ok(Reloaded { generation: old.generation, warnings: problems, changes: Changes::default() });
        }
    }
    snapshot.generation = old.generation + 1;
    let snapshot = Arc::new(snapshot);
    if let Err(message) = shared.tell(Command::Listen(snapshot.clone())) {
        return Err(vec![whole("listen", message)]);
    }
    let last = shared.addresses.load_full();
    let bound = Duration::from_millis(limits::RESOLVE_RELOAD_MS_MAX);
    // A resolver that hangs must not keep a valid file from its effect: what is missing follows later.
    let book = match tokio::time::timeout(bound, dns::resolve(&snapshot, &last)).await {
        Ok(book) => book,
        Err(_elapsed) => dns::known(&snapshot, &last),
    };
    shared.collector().learn(snapshot.generation, Names::of(&snapshot));
    shared.addresses.store(Arc::new(book));
    shared.snapshot.store(snapshot.clone());
    // The cores let go of keys that are gone a moment later; those go with the next reload.
    shared.board.sweep(unix_ms(), &snapshot.cooldown);
    log::set_level(snapshot.log.level);
    shared.hosts_changed.notify_one();
    shared.need_token();
    let mut changes = changes(&old, &snapshot);
    if old.log.format != snapshot.log.format {
        changes.restart.push("log.format");
    }
    Ok(Reloaded { generation: snapshot.generation, warnings: problems, changes })
}

/// A problem of the file as a whole or of one member, found after reading it.
fn whole(path: &str, message: String) -> Problem {
    Problem { severity: Severity::Error, path: path.to_owned(), line: 1, column: 1, message }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

/// The state of a file now; nothing where there is none.
pub fn look(path: &Path) -> Option<Seen> {
    let found = std::fs::metadata(path).ok()?;
    Some(Seen { modified: found.modified().ok(), len: found.len(), inode: found.ino() })
}

/// What to do after a look at the file.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Wait,
    Reload,
}

/// Decides from looks alone when a file has changed and come to rest: a writer that is half done changes it
/// again before the next look, and a file that is away for a moment is being replaced.
#[derive(Debug)]
struct Watch {
    applied: Option<Seen>,
    last: Option<Seen>,
}

impl Watch {
    fn new(seen: Option<Seen>) -> Watch {
        Watch { applied: seen, last: seen }
    }

    fn turn(&mut self, seen: Option<Seen>) -> Turn {
        let at_rest = seen == self.last;
        self.last = seen;
        if seen.is_none() || seen == self.applied || !at_rest {
            return Turn::Wait;
        }
        self.applied = seen;
        Turn::Reload
    }
}

/// Looks at the file for as long as the process lives. `loaded` is what it was when it was read at start.
pub(crate) async fn watch(shared: Arc<Shared>, loaded: Option<Seen>) {
    let Some(path) = shared.snapshot.load().file.clone() else { return };
    let mut watch = Watch::new(loaded);
    let mut every = tokio::time::interval(Duration::from_millis(limits::WATCH_EVERY_MS));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let seen = look(&path);
        // Somebody else has had it read meanwhile.
        if seen.is_some() && seen == shared.seen() {
            watch.applied = seen;
        }
        let turn = watch.turn(seen);
        if turn == Turn::Reload && shared.snapshot.load().watch {
            // Both outcomes have been logged.
            let _ = reload(&shared, "the file changed").await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(len: u64) -> Option<Seen> {
        Some(Seen { modified: None, len, inode: 1 })
    }

    #[test]
    fn a_changed_file_is_read_once_it_rests() {
        let mut watch = Watch::new(seen(1));
        for (look, turn) in [
            (seen(1), Turn::Wait),
            (seen(2), Turn::Wait),
            (seen(3), Turn::Wait),
            (seen(3), Turn::Reload),
            (seen(3), Turn::Wait),
            (None, Turn::Wait),
            (None, Turn::Wait),
            (seen(4), Turn::Wait),
            (seen(4), Turn::Reload),
        ] {
            assert_eq!(watch.turn(look), turn, "{look:?}");
        }
    }

    #[test]
    fn a_file_that_is_touched_and_put_back_is_not_read() {
        let mut watch = Watch::new(seen(1));
        assert_eq!(watch.turn(seen(2)), Turn::Wait);
        assert_eq!(watch.turn(seen(1)), Turn::Wait);
        assert_eq!(watch.turn(seen(1)), Turn::Wait);
    }
}
