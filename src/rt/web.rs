//! A WebSocket in the place of a connection that speaks HTTP.
//!
//! Reads give the requests that its messages stand for, and what is written is the answers that become its frames
//! ([`Socket`]). A write is done when its frames are with the kernel, as under TLS, so a client that does not read stops
//! the answer here too.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use super::{Stream, Wire, sys};
use crate::limits;
use crate::protocol::responses::socket::Socket;

/// A WebSocket and what carries it.
pub struct Web<S> {
    under: Wire<S>,
    state: RefCell<State>,
}

struct State {
    socket: Socket,
    /// Bytes of an answer that are taken and whose frames are not all sent.
    owed: usize,
    /// Whether the client has ended the connection.
    gone: bool,
    /// Whether the session has.
    finished: bool,
}

impl<S: Stream> Web<S> {
    pub(super) fn new(under: Wire<S>, socket: Socket) -> Web<S> {
        Web { under, state: RefCell::new(State { socket, owed: 0, gone: false, finished: false }) }
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.state.borrow().has_news() {
            true => Poll::Ready(()),
            false => self.under.poll_readable(cx),
        }
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.under.poll_writable(cx)
    }

    pub(super) fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.state.borrow_mut().read(&self.under, into)
    }

    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.state.borrow_mut().write(&self.under, slices)
    }

    pub(super) fn finish(&self) {
        let mut state = self.state.borrow_mut();
        state.finished = true;
        state.socket.finish();
        let _as_far_as_it_goes = state.flush(&self.under);
        self.under.finish();
    }
}

impl State {
    fn has_news(&self) -> bool {
        self.socket.has_request() || !self.finished && (self.gone || self.socket.is_ended())
    }

    fn read<S: Stream>(&mut self, under: &Wire<S>, into: &mut Vec<u8>) -> io::Result<usize> {
        if !self.has_news() {
            let mut bytes = Vec::with_capacity(limits::SLAB_BYTES);
            match under.try_read(&mut bytes)? {
                0 => self.gone = true,
                // Behind the end nothing is heard any more: what comes makes room for the end to arrive.
                _ => self.socket.push(&bytes),
            }
            match self.flush(under) {
                Err(error) if !sys::would_block(&error) => return Err(error),
                _ => {}
            }
        }
        if self.socket.has_request() {
            let room = into.capacity() - into.len();
            return Ok(self.socket.request(room.max(1), into));
        }
        match self.gone || self.socket.is_ended() && !self.finished {
            true => Ok(0),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write<S: Stream>(&mut self, under: &Wire<S>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.owed == 0 {
            slices.iter().for_each(|slice| self.socket.answer(slice));
            self.owed = slices.iter().map(|slice| slice.len()).sum();
        }
        self.flush(under)?;
        if self.socket.is_ended() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(std::mem::take(&mut self.owed))
    }

    fn flush<S: Stream>(&mut self, under: &Wire<S>) -> io::Result<()> {
        while !self.socket.frames().is_empty() {
            let sent = under.try_write(&[IoSlice::new(self.socket.frames())])?;
            self.socket.sent(sent);
        }
        Ok(())
    }
}
