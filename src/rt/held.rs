//! A wait for readiness that outlives the moment of asking.
//!
//! The wait is armed once and stays armed over any number of polls by whoever holds the stream, until it
//! fires. Under io_uring that is one POLL_ADD, submitted with the next entry into the kernel; it is neither
//! cancelled nor submitted again when the session turns to something else meanwhile. The future is boxed
//! when the stream is made and never again: waiting allocates nothing.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
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
    loop {
        // An error of the wait is reported as readiness: the read or write that follows meets it again.
        let _ = match direction {
            Direction::Read => socket.readable(false).await,
            Direction::Write => socket.writable(false).await,
        };
        fired.set(true);
        poll_fn(|_| if fired.get() { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}
