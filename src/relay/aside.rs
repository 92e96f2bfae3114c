//! Work on a large request body that would hold up the others on a core: done in pieces between which they have their
//! turn, or by a thread of its own, from a copy, while the core goes on.
//!
//! A thread costs some tens of microseconds, which is little beside such work. The core looks every millisecond whether
//! it is done. A client that leaves meanwhile is noticed behind it.

use std::sync::mpsc::{self, TryRecvError};
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

/// What `work` comes to; nothing if no thread is to be had.
pub(super) async fn run<N: Net, T: Send + 'static>(
    client: &Client<N>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::sync_channel(1);
    thread::Builder::new().name("aside".to_owned()).spawn(move || done.send(work())).ok()?;
    loop {
        match result.try_recv() {
            Ok(made) => return Some(made),
            Err(TryRecvError::Empty) => client.core.net.sleep(limits::ASIDE_LOOK_MS).await,
            Err(TryRecvError::Disconnected) => return None,
        }
    }
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
