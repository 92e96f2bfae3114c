//! A wait for readiness that outlives the moment of asking.
//!
//! The wait is armed once and stays armed over any number of polls by whoever holds the stream, until it
//! fires. Under io_uring that is one POLL_ADD, submitted with the next entry into the kernel; it is neither
//! cancelled nor submitted again when the session turns to something else meanwhile. The future is boxed
//! when the stream is made and never again: waiting allocates nothing.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use monoio::net::TcpStream;

/// Which side of a socket is waited for.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Read,
    Write,
}

/// One direction of one socket.
pub(super) struct Held {
    fired: Rc<Cell<bool>>,
    wait: RefCell<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Held {
    pub(super) fn new(socket: Rc<TcpStream>, direction: Direction) -> Held {
        let fired = Rc::new(Cell::new(false));
        let wait = RefCell::new(Box::pin(fire_again_and_again(socket, direction, Rc::clone(&fired))) as Pin<Box<_>>);
        Held { fired, wait }
    }

    /// Ready once each time the wait fires. The next call arms it anew.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _never_ends = self.wait.borrow_mut().as_mut().poll(cx);
        if self.fired.take() { Poll::Ready(()) } else { Poll::Pending }
    }
}

async fn fire_again_and_again(socket: Rc<TcpStream>, direction: Direction, fired: Rc<Cell<bool>>) {
    let on_epoll = monoio::utils::is_legacy();
    loop {
        wait(&socket, direction, on_epoll).await;
        fired.set(true);
        poll_fn(|_| if fired.get() { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

/// One wait. On epoll monoio keeps what the last event said and asks poll(2) whether it still holds: once to
/// find that it does not, and once more when the next event has come. The second is spared by going on with
/// its relaxed wait, which believes the event; a wait of epoll can be dropped for free.
async fn wait(socket: &TcpStream, direction: Direction, on_epoll: bool) {
    // An error of the wait is reported as readiness: the read or write that follows meets it again.
    let _ = match (direction, on_epoll) {
        (Direction::Read, false) => socket.readable(false).await,
        (Direction::Write, false) => socket.writable(false).await,
        (Direction::Read, true) => first_poll_of(socket.readable(false), || socket.readable(true)).await,
        (Direction::Write, true) => first_poll_of(socket.writable(false), || socket.writable(true)).await,
    };
}

/// Polls `strict` once; where that is not enough, goes on with what `relaxed` makes.
async fn first_poll_of<F: Future, G: Future<Output = F::Output>>(strict: F, relaxed: impl FnOnce() -> G) -> F::Output {
    let first = {
        let mut strict = pin!(strict);
        poll_fn(|cx| Poll::Ready(strict.as_mut().poll(cx))).await
    };
    match first {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => relaxed().await,
    }
}
