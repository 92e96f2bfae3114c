//! A session's end of a client connection, and the few things it waits for.
//!
//! While an exchange runs, the client is watched: its end of the connection means that nobody wants the
//! answer any more. Bytes that it sends meanwhile (the next request, pipelined) are kept for later, one slab
//! of them; then it is watched no longer until the exchange is over, which bounds what it can make us hold.
//!
//! A wait may be over before it begins: epoll says at once that more is there, and a pipelined request is there already.
//! Who is never made to wait would keep the core for itself, so after `limits::EAGER_MAX` such waits others have a turn.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::core::Core;
use crate::limits;
use crate::record::tap::Tap;
use crate::rt::{Alarm, Net, Peer, Stream, Wire, sys};

/// The client has left, or stalled for longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// The others' turn. A timer is large and a session waits seldom for one, so it is lent by the core, and used again.
pub(super) struct Others {
    over: Rc<Cell<bool>>,
    wait: Pin<Box<dyn Future<Output = ()>>>,
}

impl Others {
    pub(super) fn new<N: Net>(core: &Rc<Core<N>>) -> Others {
        let (over, core) = (Rc::new(Cell::new(true)), Rc::downgrade(core));
        let told = Rc::clone(&over);
        let wait = Box::pin(async move {
            loop {
                poll_fn(|_| if told.get() { Poll::Pending } else { Poll::Ready(()) }).await;
                // Whoever waits holds the core.
                let Some(core) = core.upgrade() else { return };
                core.net.sleep(0).await;
                told.set(true);
            }
        });
        Others { over, wait }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _never_ends = self.wait.as_mut().poll(cx);
        if self.over.get() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The upstream lane is ready for what was waited for.
    Lane,
    /// The client is gone.
    Gone,
    /// The deadline has passed.
    Due,
}

/// What ended a wait before that for which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client is gone.
    Gone,
    /// The deadline has passed.
    Due,
}

/// What a lane is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    Write,
}

/// The client's side of a session.
pub(super) struct Client<N: Net> {
    pub(super) core: Rc<Core<N>>,
    pub(super) stream: Wire<N::Stream>,
    pub(super) peer: Peer,
    pub(super) alarm: Alarm,
    /// Bytes of the last request whose body had a length, head included; 0 before the first.
    pub(super) last_bytes: usize,
    /// Where the exchange under way is recorded, if it is.
    pub(super) tap: Option<Box<Tap>>,
    /// Bytes that came while an exchange was under way.
    ahead: Vec<u8>,
    /// Waits that were over at once, since the last one that was not.
    eager: u32,
}

impl<N: Net> Client<N> {
    pub(super) fn new(core: &Rc<Core<N>>, stream: Wire<N::Stream>, peer: Peer) -> Client<N> {
        Client {
            core: Rc::clone(core),
            stream,
            peer,
            alarm: core.alarms.alarm(),
            last_bytes: 0,
            tap: None,
            ahead: Vec::new(),
            eager: 0,
        }
    }

    /// Notes a wait that is not over at once.
    fn noted<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_pending() {
            self.eager = 0;
        }
        outcome
    }

    /// What has been read counts like waits, one for each `limits::EAGER_BYTES`.
    pub(super) fn weigh(&mut self, bytes: usize) {
        self.eager += (bytes / limits::EAGER_BYTES) as u32;
    }

    /// Before a wait that may be over at once, or a request that may be there already: lets others have their turn where
    /// it is due.
    pub(super) async fn turn(&mut self) {
        self.eager += 1;
        if self.eager > limits::EAGER_MAX {
            self.eager = 0;
            let spare = self.core.others.borrow_mut().pop();
            let mut others = spare.unwrap_or_else(|| Others::new(&self.core));
            others.over.set(false);
            poll_fn(|cx| others.poll(cx)).await;
            self.core.others.borrow_mut().push(others);
        }
    }

    /// A second one who waits beside this client, with a deadline of its own; that the client stays is this one's to
    /// see.
    pub(super) fn shadow(&self) -> Client<N> {
        Client::new(&self.core, Wire::Nobody, self.peer)
    }

    /// Sets the deadline of the next waits, from now.
    pub(super) fn due_in(&self, ms: u32) {
        // The clock of the last tick is up to a tick behind: the deadline may be late by one, never early.
        self.alarm.set(self.core.alarms.now_ms() + limits::TICK_MS + u64::from(ms));
    }

    /// Whether the deadline has passed.
    pub(super) fn is_due(&self) -> bool {
        self.alarm.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Bytes that came early, to be read before the socket is.
    pub(super) fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// Waits for `interest` in `lane`, while the client stays and the deadline has not passed.
    pub(super) async fn lane(&mut self, lane: &Wire<N::Stream>, interest: Interest) -> Wake {
        let ready = |cx: &mut Context<'_>| match interest {
            Interest::Read => lane.poll_readable(cx),
            Interest::Write => lane.poll_writable(cx),
        };
        match self.until(ready).await {
            Ok(()) => Wake::Lane,
            Err(Ended::Gone) => Wake::Gone,
            Err(Ended::Due) => Wake::Due,
        }
    }

    /// Waits for `ready`, while the client stays and the deadline has not passed.
    pub(super) async fn until<T>(&mut self, mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Ended> {
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = self.noted(ready(cx)) {
                return Poll::Ready(Ok(outcome));
            }
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Ended::Gone));
            }
            self.alarm.poll(cx).map(|()| Err(Ended::Due))
        })
        .await
    }

    /// Waits for `ms` milliseconds, while the client stays.
    pub(super) async fn pause(&mut self, ms: u64) -> Result<(), Gone> {
        self.due_in(u32::try_from(ms).unwrap_or(u32::MAX));
        poll_fn(|cx| {
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Gone));
            }
            self.alarm.poll(cx).map(Ok)
        })
        .await
    }

    /// The same; not at all for none.
    pub(super) async fn pause_if(&mut self, ms: u64) -> Result<(), Gone> {
        if ms > 0 { self.pause(ms).await } else { Ok(()) }
    }

    /// Waits until bytes can be read from the client. False when the deadline comes first.
    pub(super) async fn readable(&mut self) -> bool {
        poll_fn(|cx| {
            let outcome = self.stream.poll_readable(cx);
            match self.noted(outcome) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => self.alarm.poll(cx).map(|()| false),
            }
        })
        .await
    }

    /// As `readable`, but between requests. A core that drains waits for `limits::DRAIN_IDLE_MS` at most: a client
    /// that is just sending its next request would lose it to an end that comes at once, whereas one that sends
    /// it within this time is served and told that the connection ends.
    pub(super) async fn next_request(&mut self) -> bool {
        let mut hurried = false;
        poll_fn(|cx| {
            let outcome = self.stream.poll_readable(cx);
            if self.noted(outcome).is_ready() {
                return Poll::Ready(true);
            }
            if self.core.is_draining() && !hurried {
                hurried = true;
                self.alarm.hasten(self.core.alarms.now_ms() + limits::TICK_MS + limits::DRAIN_IDLE_MS);
            }
            self.alarm.poll(cx).map(|()| false)
        })
        .await
    }

    /// Writes all of `slices`. A write that stands still for `stall_ms` counts as the client's leaving.
    pub(super) async fn write(&mut self, mut slices: &mut [IoSlice<'_>], stall_ms: u32) -> Result<(), Gone> {
        if self.tap.is_some() {
            self.tap_written(slices);
        }
        self.core.net.rendezvous().await;
        while !slices.is_empty() {
            match self.stream.try_write(slices) {
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if sys::would_block(&error) => {
                    self.due_in(stall_ms);
                    self.writable().await?;
                }
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    async fn writable(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| {
            if self.stream.poll_writable(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Gone));
            }
            self.alarm.poll(cx).map(|()| Err(Gone))
        })
        .await
    }

    /// Ready when the client has closed its side or the connection has failed.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A full slab: no room to look any further without losing bytes.
        while self.ahead.capacity() == 0 || self.ahead.len() < self.ahead.capacity() {
            if self.stream.poll_readable(cx).is_pending() {
                return Poll::Pending;
            }
            if self.ahead.capacity() == 0 {
                self.ahead = self.core.slabs.take();
            }
            match self.stream.try_read(&mut self.ahead) {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                // The wait was older than what has been read since: no reason to keep a buffer.
                Err(error) if sys::would_block(&error) && self.ahead.is_empty() => {
                    self.core.slabs.give(std::mem::take(&mut self.ahead));
                }
                Err(error) if sys::would_block(&error) => {}
                Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl<N: Net> Drop for Client<N> {
    fn drop(&mut self) {
        if self.ahead.capacity() != 0 {
            self.core.slabs.give(std::mem::take(&mut self.ahead));
        }
    }
}
