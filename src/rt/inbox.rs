//! Commands from the control plane to a core.
//!
//! A ring carries the commands, a socket pair is the doorbell: one byte rings it, and reading that byte is an
//! ordinary wait on the core. So monoio's cross-thread wakers (feature `sync`: an unbounded queue and two
//! global locks) stay off, and a waker that strays to another thread panics, which is wanted.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::net::Socket;
use super::{Stream, sys};

/// The control plane's end. Plain std types: control needs no runtime of ours to use it.
pub struct Doorbell<T> {
    commands: rtrb::Producer<T>,
    bell: UnixStream,
}

/// The core's end, before it has come to its core.
pub struct Inbox<T> {
    commands: rtrb::Consumer<T>,
    bell: UnixStream,
}

/// A pair for one core, with room for `slots` commands that have not been read.
pub fn inbox<T>(slots: usize) -> io::Result<(Doorbell<T>, Inbox<T>)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    let (producer, consumer) = rtrb::RingBuffer::new(slots);
    Ok((Doorbell { commands: producer, bell: near }, Inbox { commands: consumer, bell: far }))
}

impl<T> Doorbell<T> {
    /// Leaves `command` and rings. Gives it back when the core has stopped reading.
    pub fn send(&mut self, command: T) -> Result<(), T> {
        self.commands.push(command).map_err(|rtrb::PushError::Full(command)| command)?;
        // A bell that is already ringing (a full socket) has the same effect.
        let _ = self.bell.write(&[1]);
        Ok(())
    }
}

impl<T> Inbox<T> {
    /// Reads commands on the calling core until control is gone, handing each to `each`.
    pub async fn read(mut self, mut each: impl FnMut(T)) -> io::Result<()> {
        let bell = Socket::new(OwnedFd::from(self.bell))?;
        let mut rings = Vec::with_capacity(64);
        loop {
            while let Ok(command) = self.commands.pop() {
                each(command);
            }
            std::future::poll_fn(|cx| bell.poll_readable(cx)).await;
            rings.clear();
            match bell.try_read(&mut rings) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if sys::would_block(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
