//! Signals: SIGTERM and SIGINT drain and then end, a second one ends at once; SIGHUP reloads; SIGUSR2 starts a
//! successor on the same sockets and drains once that serves.
//!
//! Cores block all signals, so that the kernel hands them to this thread's runtime.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Command, Outcome, Shared, notify, reload, succession};

/// The signals that are obeyed.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    succeed: Signal,
}

/// What begins the end of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was asked to end.
    Asked,
    /// Another process serves in its place.
    Succeeded,
}

impl Signals {
    /// Takes the signals over from their defaults.
    pub(crate) fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            succeed: signal(SignalKind::user_defined2())?,
        })
    }

    /// Obeys until the end begins. Asked to end while a successor is being started, it ends that one too.
    pub(crate) async fn obey(&mut self, shared: &Arc<Shared>) -> End {
        let mut successor: Option<Pin<Box<dyn Future<Output = Option<u32>> + Send>>> = None;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return End::Asked,
                _ = self.interrupt.recv() => return End::Asked,
                _ = self.hang_up.recv() => {
                    let shared = shared.clone();
                    // Its outcome is in the log.
                    tokio::spawn(async move { reload::reload(&shared, "SIGHUP").await });
                }
                _ = self.succeed.recv() => match successor {
                    Some(_) => tracing::warn!("a successor is being started already"),
                    None => {
                        let shared = shared.clone();
                        successor = Some(Box::pin(async move { succession::succeed(&shared).await }));
                    }
                },
                served = outcome(&mut successor) => {
                    successor = None;
                    if served.is_some() {
                        return End::Succeeded;
                    }
                }
            }
        }
    }

    /// Lets the cores finish what is under way.
    ///
    /// A process that has been succeeded is in nobody's way: `drain_ms` begins when it is asked to end.
    pub(crate) async fn drain(&mut self, shared: &Shared, end: End) -> Outcome {
        let succeeded = end == End::Succeeded;
        begin(shared, succeeded).await;
        if succeeded {
            tokio::select! {
                () = empty(shared) => return Outcome::Drained,
                _ = self.asked() => {}
            }
        }
        let bound = Duration::from_millis(u64::from(shared.snapshot.load().timeouts.drain_ms));
        tracing::info!(sessions = shared.sessions(), drain_ms = bound.as_millis() as u64, "draining");
        tokio::select! {
            () = empty(shared) => Outcome::Drained,
            () = tokio::time::sleep(bound) => Outcome::Deadline { sessions: shared.sessions() },
            signal = self.asked() => Outcome::Interrupted { signal },
        }
    }

    /// Waits for a signal that asks to end.
    async fn asked(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        kind.as_raw_value()
    }
}

/// The outcome of a successor's start; never, where none is started.
async fn outcome(successor: &mut Option<Pin<Box<dyn Future<Output = Option<u32>> + Send>>>) -> Option<u32> {
    match successor {
        Some(successor) => successor.await,
        None => std::future::pending().await,
    }
}

async fn begin(shared: &Shared, succeeded: bool) {
    shared.draining.store(true, Ordering::Relaxed);
    if succeeded {
        tracing::info!(sessions = shared.sessions(), "ends once what is under way has ended");
    } else {
        notify::stopping("lets what is under way end");
    }
    if let Err(error) = shared.tell(Command::Drain { succeeded }) {
        tracing::error!(error, "the cores cannot be told to drain");
    }
    // Commands are obeyed in order: once the cores have settled, they have begun to drain.
    shared.settle().await;
}

/// Waits until no connection is left.
async fn empty(shared: &Shared) {
    while !shared.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
