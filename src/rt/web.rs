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
use crate::ws::Code;

/// Hears how many bytes of messages are held, and says whether they may be.
pub(super) type Share = Box<dyn FnMut(usize) -> bool>;

/// A WebSocket and what carries it.
pub struct Web<S> {
    under: Wire<S>,
    state: RefCell<State>,
}

struct State {
    socket: Socket,
    share: Share,
    /// Bytes of an answer that are taken and whose frames are not all sent.
    owed: usize,
    /// Whether the client has ended the connection.
    gone: bool,
    /// Whether the session has.
    finished: bool,
}

impl<S: Stream> Web<S> {
    pub(super) fn new(under: Wire<S>, socket: Socket, share: Share) -> Web<S> {
        Web { under, state: RefCell::new(State { socket, share, owed: 0, gone: false, finished: false }) }
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
            if !(self.share)(self.socket.held()) {
                self.socket.end(Code::Later);
            }
            match self.flush(under) {
                Err(error) if !sys::would_block(&error) => return Err(error),
                _ => {}
            }
        }
        if self.socket.has_request() {
            let room = into.capacity() - into.len();
            let taken = self.socket.request(room.max(1), into);
            // Less is held than before, which is always granted.
            let _granted = (self.share)(self.socket.held());
            return Ok(taken);
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::protocol::responses::socket::Greeting;

    /// Gives a piece at each read, and keeps what is written.
    #[derive(Default)]
    struct Pieces {
        pieces: RefCell<Vec<Vec<u8>>>,
        written: Rc<RefCell<Vec<u8>>>,
    }

    impl Stream for Pieces {
        fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn poll_writable(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
            let piece = self.pieces.borrow_mut().pop().ok_or(io::ErrorKind::WouldBlock)?;
            into.extend_from_slice(&piece);
            Ok(piece.len())
        }

        fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            slices.iter().for_each(|slice| self.written.borrow_mut().extend_from_slice(slice));
            Ok(slices.iter().map(|slice| slice.len()).sum())
        }

        fn finish(&self) {}

        fn low_water(&self, _: usize) {}
    }

    #[test]
    fn messages_take_their_share_and_end_the_connection_beyond_it() {
        // A text frame of 60,000 bytes, masked by nothing, of which not all come.
        let begun = [&[0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0][..], &[b' '; 4_000]].concat();
        let later = vec![b' '; 16_000];
        for bound in [64_000, 10_000] {
            let under = Pieces { pieces: RefCell::new(vec![later.clone(), begun.clone()]), ..Pieces::default() };
            let (written, held) = (Rc::clone(&under.written), Rc::new(Cell::new(0)));
            let socket = Socket::new(Greeting { message_bytes_max: 100_000, ..Greeting::default() });
            let counted = Rc::clone(&held);
            let share = move |bytes: usize| {
                let granted = bytes <= bound;
                counted.set(if granted { bytes } else { counted.get() });
                granted
            };
            let web = Web::new(Wire::Plain(under), socket, Box::new(share));
            let mut into = Vec::with_capacity(64);
            let mut read = || web.try_read(&mut into).map_err(|error| error.kind());
            assert_eq!(read(), Err(io::ErrorKind::WouldBlock));
            assert!((4_000..=bound).contains(&held.get()), "{}", held.get());
            let is_within = bound > 20_000;
            assert_eq!(read(), if is_within { Err(io::ErrorKind::WouldBlock) } else { Ok(0) });
            let close = [0x88, 2, 0x03, 0xf5];
            assert_eq!(&written.borrow()[..], if is_within { &[][..] } else { &close });
        }
    }
}
