//! A successor on the same sockets: waiting until it serves, and what it is told and tells.
//!
//! Until the successor has said that it serves, this process goes on as ever; one that ends or takes too long is
//! ended and said, and nothing has changed. Once it serves, the predecessor leaves all doors to it and ends what it
//! has begun. How a process is started is not known here: it comes in as `Succeed`.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Shared, notify};
use crate::limits;

/// Starts a successor.
pub type Succeed = Box<dyn FnMut() -> io::Result<Heir> + Send>;

/// A successor that has been started. It is ended with this value, unless it has said that it serves.
pub struct Heir {
    /// Taken from here once it lives on by itself.
    child: Option<Child>,
    ready: Option<UnixStream>,
}

impl Heir {
    /// `ready` is this end of the pair on whose other end the successor says that it serves.
    pub fn new(child: Child, ready: UnixStream) -> Heir {
        Heir { child: Some(child), ready: Some(ready) }
    }

    /// Waits until the successor serves, and says its process id.
    async fn serves(mut self) -> Result<u32, String> {
        let ready = self.ready.take();
        let word = async {
            let waiting = ready.ok_or(io::ErrorKind::NotConnected)?;
            waiting.set_nonblocking(true)?;
            let waiting = tokio::net::UnixStream::from_std(waiting)?;
            loop {
                waiting.readable().await?;
                match waiting.try_read(&mut [0]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return other,
                }
            }
        };
        let why = match tokio::time::timeout(Duration::from_millis(limits::SUCCESSOR_MS_MAX), word).await {
            Ok(Ok(1..)) => {
                return Ok(self.child.take().map_or(0, |child| child.id()));
            }
            Ok(Ok(0) | Err(_)) => "it ended before it served; its own lines say why",
            Err(_elapsed) => "it did not serve in time",
        };
        Err(why.to_owned())
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already, or going now; waited for, so that it does not stay as a zombie.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a successor and waits until it serves. All outcomes are logged, and told to systemd.
pub(super) async fn succeed(shared: &Shared) -> Option<u32> {
    // A reload would change the sockets that are being passed on.
    let _turn = shared.reloading.lock().await;
    tracing::info!("a successor is started");
    notify::reloading("a successor is started");
    // It reads them before it serves.
    shared.keep_health();
    shared.keep_meters();
    let started = (shared.succeed.lock().unwrap_or_else(PoisonError::into_inner))();
    let outcome = match started {
        Ok(heir) => heir.serves().await,
        Err(error) => Err(format!("it cannot be started: {error}")),
    };
    match outcome {
        Ok(pid) => {
            tracing::info!(pid, "the successor serves");
            shared.successor.store(pid, Ordering::Release);
            notify::succeeded(pid);
            Some(pid)
        }
        Err(why) => {
            tracing::error!(why, "no successor; this process goes on");
            notify::ready(&format!("serves; the last successor failed: {why}"));
            None
        }
    }
}

/// Says to the predecessor that this process serves. One that is gone needs no word.
pub(super) fn say_served(predecessor: Option<UnixStream>) {
    if let Some(mut predecessor) = predecessor {
        let _nobody_waits = predecessor.write_all(&[1]);
    }
}
