//! The only room that names monoio. Everything above says `rt::Net`.
//!
//! One idea, and a departure from the design: a wait is for *readiness* (POLL_ADD on io_uring, the epoll set
//! otherwise), and the bytes then move by one non-blocking `recv` or `sendmsg` from and into the caller's own
//! buffer. The design held rented reads instead. Readiness keeps its law by construction: a wait owns no
//! bytes, so dropping or replacing one loses none, a quiet stream lends no buffer to the kernel, and both
//! drivers run the same code. Measured beside rented reads and writes with the same ring flags it costs the
//! same CPU (`benches/README.md`).
//!
//! What must hold here is listed in `tests.rs`, one test for each rule of monoio that bit us.

mod dial;
mod driver;
mod held;
mod inbox;
mod net;
mod rendezvous;
pub mod sys;
mod task;
mod timer;
mod web;
mod wire;

#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

pub use driver::{Choice, Driver, Report, probe, run};
pub use inbox::{Doorbell, Inbox, inbox};
pub use net::{Bound, Listener, Monoio, Socket, bind};
pub use task::contained;
pub use timer::{Alarm, Alarms};
pub use wire::Wire;

/// Ends the process without unwinding the cores: a runtime of monoio is never dropped.
pub fn leave(code: i32) -> ! {
    std::process::exit(code)
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP, from this address.
    Ip(IpAddr),
    /// Over a Unix socket: whoever the file mode lets in.
    Unix,
}

impl Peer {
    /// Whether the caller is on this machine.
    pub fn is_local(self) -> bool {
        match self {
            Peer::Ip(ip) => ip.to_canonical().is_loopback(),
            Peer::Unix => true,
        }
    }
}

/// One byte connection. All methods return at once; the two `poll_` methods register the task that asks.
///
/// `poll_readable` may report readiness that is already used up: `try_read` then says `WouldBlock`, and the
/// caller waits again. A hang-up counts as readable.
pub trait Stream: 'static {
    /// Ready when bytes, an end or an error can be read.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Ready when bytes can be written, or writing fails.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Appends what is there to the spare capacity of `into`, at most its capacity and `limits::READ_TURN_BYTES`. `Ok(0)` is
    /// the peer's end.
    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize>;
    /// Writes as much of `slices` as fits.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Says that no more bytes will come from here.
    fn finish(&self);
    /// Asks to be woken only when `bytes` have arrived, so that a large body wakes its reader seldom.
    fn low_water(&self, bytes: usize);
}

/// Where connections of clients come from.
pub trait Accept: 'static {
    /// What is accepted.
    type Stream: Stream;
    /// The next connection. Never dropped while pending: monoio 0.2.4 leaks the descriptor of an accept
    /// that completes after its future is gone.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>>;
    /// A connection that the kernel has taken in and nobody has accepted yet; `WouldBlock` where there is none.
    fn queued(&self) -> io::Result<(Self::Stream, Peer)>;
    /// Makes the pending `accept`, and every later one, end: with an error, or with what it has just taken.
    fn close(&self);
}

/// What the data plane needs of the world: connections, time, tasks. `Monoio` is the real one.
pub trait Net: 'static {
    /// Its connections.
    type Stream: Stream;
    /// Begins to connect. The connection stands when `poll_writable` is ready and `connected` says so.
    fn dial(&self, to: SocketAddr) -> io::Result<Self::Stream>;
    /// The outcome of `dial`, asked once after the stream became writable.
    fn connected(&self, stream: &Self::Stream) -> io::Result<()>;
    /// Microseconds since an arbitrary start, never going back.
    fn now_us(&self) -> u64;
    /// Milliseconds since 1970.
    fn unix_ms(&self) -> u64;
    /// Calls `each` every `ms` milliseconds, and does not end while all is well.
    fn every(&self, ms: u64, each: impl FnMut()) -> impl Future<Output = io::Result<()>>;
    /// Ends after `ms` milliseconds, give or take a few.
    fn sleep(&self, ms: u64) -> impl Future<Output = ()>;
    /// To be waited for before one sends: ends once every task of this core that is ready has come as far or further.
    fn rendezvous(&self) -> impl Future<Output = ()>;
    /// Runs `task` on this core to its end. A panic ends that task alone and calls `panicked`.
    fn spawn(&self, task: impl Future<Output = ()> + 'static, panicked: impl FnOnce() + Unpin + 'static);
}
