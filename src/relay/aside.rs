//! Work on a large body that would hold up the others on a core: done in pieces between which they have their
//! turn, or by a thread of its own, from a copy or with the body itself, while the core goes on.
//!
//! A thread costs some tens of microseconds, which is little beside such work. The core looks every millisecond whether
//! it is done. A client that leaves meanwhile is noticed behind it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::wait::Client;
use crate::limits;
use crate::rt::Net;

/// A copy of `body`.
pub(super) async fn copied<N: Net>(client: &Client<N>, body: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(body.len());
    for piece in body.chunks(limits::READ_TURN_BYTES) {
        copy.extend_from_slice(piece);
        client.core.net.sleep(0).await;
    }
    copy
}

/// What `work` comes to; nothing if it panicked. Where no thread is to be had it is done at once: somebody has to wait.
pub(super) async fn run<N: Net, T: Send + 'static>(
    client: &Client<N>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let place = loop {
        match Place::take() {
            Some(place) => break place,
            None => client.core.net.sleep(limits::ASIDE_LOOK_MS).await,
        }
    };
    let (done, result) = mpsc::sync_channel(1);
    // A thread that does not begin drops what it was to do: it is taken back from here.
    let (given, job) = mpsc::sync_channel(1);
    given.send(work).ok()?;
    let job = Arc::new(Mutex::new(job));
    let thread = {
        let job = Arc::clone(&job);
        move || {
            let _place = place;
            let Some(work) = taken(&job) else { return };
            // Nobody listens where the client has left.
            let _left = done.send(work()).is_err();
        }
    };
    if thread::Builder::new().name("aside".to_owned()).spawn(thread).is_err() {
        return taken(&job).map(|work| work());
    }
    loop {
        match result.try_recv() {
            Ok(made) => return Some(made),
            Err(TryRecvError::Empty) => client.core.net.sleep(limits::ASIDE_LOOK_MS).await,
            Err(TryRecvError::Disconnected) => return None,
        }
    }
}

/// What is to be done, for whoever is the first to ask.
fn taken<W>(job: &Mutex<mpsc::Receiver<W>>) -> Option<W> {
    job.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
}

/// Whether `holds` is true of a piece of `body`. What has up to `overlap` bytes is whole in one of them.
pub(super) async fn any_piece<N: Net>(
    client: &Client<N>,
    body: &[u8],
    overlap: usize,
    holds: impl Fn(&[u8]) -> bool,
) -> bool {
    let mut at = 0;
    while body.len() - at > limits::READ_TURN_BYTES {
        if holds(&body[at..at + limits::READ_TURN_BYTES]) {
            return true;
        }
        at += limits::READ_TURN_BYTES - overlap;
        client.core.net.sleep(0).await;
    }
    holds(&body[at..])
}

/// One of the places of those that work aside; free again when it is dropped.
struct Place(());

/// How many places are taken, by all cores.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take() -> Option<Place> {
        let more = |taken: usize| (taken < limits::ASIDE_THREADS_MAX).then_some(taken + 1);
        TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Place(()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let mut places: Vec<Place> = std::iter::from_fn(Place::take).collect();
        assert!((1..=limits::ASIDE_THREADS_MAX).contains(&places.len()) && Place::take().is_none());
        places.pop();
        assert!(Place::take().is_some());
    }
}
