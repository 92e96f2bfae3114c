//! Signals: SIGTERM and SIGINT drain and then end, a second one ends at once; SIGHUP reloads.
//!
//! Cores block all signals, so that the kernel hands them to this thread's runtime.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Command, Outcome, Shared, notify, reload};

/// The signals that are obeyed.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    pub(crate) fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Obeys until the process is to end, and says how it came to that.
    pub(crate) async fn obey(&mut self, shared: &Arc<Shared>) -> Outcome {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => {
                    let shared = shared.clone();
                    // Its outcome is in the log.
                    tokio::spawn(async move { reload::reload(&shared, "SIGHUP").await });
                }
            }
        }
        tokio::select! {
            outcome = drain(shared) => outcome,
            _ = self.terminate.recv() => Outcome::Interrupted,
            _ = self.interrupt.recv() => Outcome::Interrupted,
        }
    }
}

/// Lets the cores finish what is under way.
async fn drain(shared: &Shared) -> Outcome {
    let bound = Duration::from_millis(u64::from(shared.snapshot.load().timeouts.drain_ms));
    let deadline = Instant::now() + bound;
    shared.draining.store(true, Ordering::Relaxed);
    notify::tell("STOPPING=1");
    tracing::info!(sessions = shared.sessions(), drain_ms = bound.as_millis() as u64, "draining");
    if let Err(error) = shared.tell(Command::Drain) {
        tracing::error!(error, "the cores cannot be told to drain");
    }
    // Commands are obeyed in order: once the cores have settled, they have begun to drain, and their counts of
    // sessions hold everybody they will ever accept.
    shared.settle().await;
    loop {
        match shared.sessions() {
            0 => return Outcome::Drained,
            sessions if Instant::now() >= deadline => return Outcome::Deadline { sessions },
            _some => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
