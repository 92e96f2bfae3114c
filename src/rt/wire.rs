//! A connection as the data plane sees it: a stream in the clear, or a TLS session over one.
//!
//! In the clear a call costs one branch more. Under TLS, reads decrypt into the caller's spare capacity; a write is
//! done when its cipher text is with the kernel, and not before: nobody has to remember to flush, and a peer that does
//! not read stops its writer as it would in the clear. Sessions nest, for a proxy that is itself spoken to over TLS.
//!
//! A transport that ends without the peer's word for it (close_notify) is an error and no end: whoever relies on the
//! end of the connection to know that a body is whole must not take a cut for it (RFC 8446 §6.1).

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::web::{Share, Web};
use super::{Stream, sys};
use crate::limits;
use crate::protocol::responses::socket::Socket;
use crate::tls::{self, Session};

/// A stream, or a session over one.
pub enum Wire<S> {
    /// In the clear.
    Plain(S),
    /// A session over another; one variant for all kinds, for a second pointer would cost every connection room.
    Over(Box<Over<S>>),
    /// No connection: whoever waits for it waits for ever.
    Nobody,
}

/// What lies over a stream.
#[expect(clippy::large_enum_variant, reason = "boxed as a whole; WebSockets are few")]
pub enum Over<S> {
    /// TLS.
    Tls(Tls<S>),
    /// A WebSocket.
    Web(Web<S>),
}

/// A TLS session and what carries it.
pub struct Tls<S> {
    under: Wire<S>,
    state: RefCell<State>,
}

struct State {
    session: Session,
    /// Cipher text that was read and not taken: there was no room for what it says.
    left: Vec<u8>,
    /// Bytes of plain text that were encrypted and whose cipher text is not all sent.
    owed: usize,
    /// Whether the transport has ended.
    ended: bool,
    /// Whether the session has failed.
    failed: bool,
}

impl<S: Stream> Wire<S> {
    /// The same connection with `session` over it.
    pub fn secured(self, session: Session) -> Wire<S> {
        self.secured_from(session, Vec::new())
    }

    /// The same where `left` has been read already.
    pub fn secured_from(self, session: Session, left: Vec<u8>) -> Wire<S> {
        let state = State { session, left, owed: 0, ended: false, failed: false };
        Wire::Over(Box::new(Over::Tls(Tls { under: self, state: RefCell::new(state) })))
    }

    /// The same connection as `socket` speaks on it, with what its messages may take.
    pub fn as_socket(self, socket: Socket, share: Share) -> Wire<S> {
        Wire::Over(Box::new(Over::Web(Web::new(self, socket, share))))
    }

    /// Whether it is a WebSocket.
    pub fn is_socket(&self) -> bool {
        matches!(self, Wire::Over(over) if matches!(**over, Over::Web(_)))
    }

    /// Ready when both sides have agreed, or cannot. In the clear there is nothing to agree on.
    pub fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Plain(_) | Wire::Nobody => Poll::Ready(Ok(())),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) => tls.poll_handshake(cx),
                Over::Web(_) => Poll::Ready(Ok(())),
            },
        }
    }

    /// Whether an earlier TLS session was taken up again.
    pub fn is_resumed(&self) -> bool {
        let Wire::Over(over) = self else { return false };
        matches!(&**over, Over::Tls(tls) if tls.state.borrow().session.is_resumed())
    }
}

impl<S: Stream> Stream for Wire<S> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Wire::Plain(stream) => stream.poll_readable(cx),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) if tls.state.borrow().has_news() => Poll::Ready(()),
                Over::Tls(tls) => tls.under.poll_readable(cx),
                Over::Web(web) => web.poll_readable(cx),
            },
            Wire::Nobody => Poll::Pending,
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Wire::Plain(stream) => stream.poll_writable(cx),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) => tls.under.poll_writable(cx),
                Over::Web(web) => web.poll_writable(cx),
            },
            Wire::Nobody => Poll::Pending,
        }
    }

    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.try_read(into),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) => tls.state.borrow_mut().read(&tls.under, into),
                Over::Web(web) => web.try_read(into),
            },
            Wire::Nobody => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Under TLS, `WouldBlock` may mean that the beginning of `slices` is encrypted and partly sent: the next call
    /// must be made with the same bytes.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.try_write(slices),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) => tls.state.borrow_mut().write(&tls.under, slices),
                Over::Web(web) => web.try_write(slices),
            },
            Wire::Nobody => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn finish(&self) {
        match self {
            Wire::Plain(stream) => stream.finish(),
            Wire::Over(over) => match &**over {
                Over::Tls(tls) => {
                    let mut state = tls.state.borrow_mut();
                    state.session.close();
                    state.flush(&tls.under);
                    tls.under.finish();
                }
                Over::Web(web) => web.finish(),
            },
            Wire::Nobody => {}
        }
    }

    fn low_water(&self, bytes: usize) {
        // Under TLS the socket knows other lengths than the caller, and part of what is waited for may be inside.
        if let Wire::Plain(stream) = self {
            stream.low_water(bytes);
        }
    }
}

impl<S: Stream> Tls<S> {
    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.under.poll_handshake(cx))?;
        let mut state = self.state.borrow_mut();
        loop {
            // The last words of a client's handshake go out with its first request. Those of a server go at once: a
            // client of TLS 1.2 asks nothing before it has them.
            if !state.session.is_handshaking() && state.session.is_client() {
                return Poll::Ready(Ok(()));
            }
            match state.session.send(|slices| self.under.try_write(slices)) {
                Ok(()) => {}
                Err(error) if sys::would_block(&error) => {
                    ready!(self.under.poll_writable(cx));
                    continue;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            if !state.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if state.left.is_empty() {
                ready!(self.under.poll_readable(cx));
            }
            match state.read(&self.under, &mut Vec::new()) {
                Err(error) if !sys::would_block(&error) => return Poll::Ready(Err(error)),
                _ if state.session.has_ended() => return Poll::Ready(Err(cut("ended during the TLS handshake"))),
                _ => {}
            }
        }
    }
}

impl State {
    /// Whether a read would say something without the transport.
    fn has_news(&self) -> bool {
        self.session.has_plain() || !self.left.is_empty() || self.session.has_ended() || self.ended || self.failed
    }

    fn read<S: Stream>(&mut self, under: &Wire<S>, into: &mut Vec<u8>) -> io::Result<usize> {
        let before = into.len();
        if self.failed {
            return Err(cut("failed before"));
        }
        if !self.left.is_empty() {
            let mut left = std::mem::take(&mut self.left);
            let taken = self.push(under, &left, into)?;
            left.drain(..taken);
            if !left.is_empty() {
                self.left = left;
            }
        } else if self.session.has_plain() {
            self.session.pull(into);
        } else if !self.session.has_ended() && !self.ended {
            self.take_in(under, into)?;
        }
        match into.len() - before {
            0 if self.session.has_plain() => Err(io::ErrorKind::WouldBlock.into()),
            0 if self.session.has_ended() => Ok(0),
            0 if self.ended => Err(cut("was cut off without TLS's word for its end")),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }

    /// Reads once from the transport.
    fn take_in<S: Stream>(&mut self, under: &Wire<S>, into: &mut Vec<u8>) -> io::Result<()> {
        let room = into.capacity() - into.len();
        let mut cipher = scratch::take(room);
        let outcome = match under.try_read(&mut cipher) {
            Ok(0) => {
                self.ended = true;
                Ok(())
            }
            Ok(_) => self.push(under, &cipher, into).map(|taken| {
                if taken < cipher.len() {
                    self.left = cipher[taken..].to_vec();
                }
            }),
            Err(error) => Err(error),
        };
        scratch::give(cipher);
        outcome
    }

    fn push<S: Stream>(&mut self, under: &Wire<S>, cipher: &[u8], into: &mut Vec<u8>) -> io::Result<usize> {
        match self.session.push(cipher, into) {
            Ok(taken) => {
                self.session.rest();
                Ok(taken)
            }
            Err(error) => {
                self.failed = true;
                // The alert that tells the peer why.
                self.flush(under);
                Err(io::Error::new(io::ErrorKind::InvalidData, tls::reason(&error)))
            }
        }
    }

    fn write<S: Stream>(&mut self, under: &Wire<S>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.owed == 0 {
            if slices.iter().all(|slice| slice.is_empty()) {
                return Ok(0);
            }
            self.owed = self.seal(slices)?;
        }
        self.session.send(|slices| under.try_write(slices))?;
        match std::mem::take(&mut self.owed) {
            // What waited to be sent had left no room to encrypt into.
            0 => {
                self.owed = self.seal(slices)?;
                self.session.send(|slices| under.try_write(slices))?;
                Ok(std::mem::take(&mut self.owed))
            }
            written => Ok(written),
        }
    }

    /// Encrypts `slices`. Of several rustls makes a list, which costs more than putting few bytes together.
    fn seal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        if slices.len() == 1 || bytes > limits::TLS_READ_BYTES[0] {
            return self.session.seal(slices);
        }
        let mut joined = scratch::take(0);
        slices.iter().for_each(|slice| joined.extend_from_slice(slice));
        let sealed = self.session.seal(&[IoSlice::new(&joined)]);
        scratch::give(joined);
        sealed
    }

    /// Sends what waits as far as it goes at once; for words that nobody waits for.
    fn flush<S: Stream>(&mut self, under: &Wire<S>) {
        let _as_far_as_it_goes = self.session.send(|slices| under.try_write(slices));
    }
}

fn cut(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, how)
}

/// Buffers for a read of cipher text or a small write, one set for each thread: nobody keeps one beyond that.
mod scratch {
    use std::cell::RefCell;

    use crate::limits;

    thread_local! {
        static FREE: [RefCell<Vec<Vec<u8>>>; limits::TLS_READ_BYTES.len()] = const { [const { RefCell::new(Vec::new()) }; limits::TLS_READ_BYTES.len()] };
    }

    /// A buffer that is not much larger than the room for what it will say.
    pub(super) fn take(room: usize) -> Vec<u8> {
        let sizes = limits::TLS_READ_BYTES;
        let at = sizes.iter().rposition(|&size| size <= room + limits::TLS_OVERHEAD_BYTES).unwrap_or(0);
        let free = FREE.with(|free| free[at].borrow_mut().pop());
        free.unwrap_or_else(|| Vec::with_capacity(sizes[at]))
    }

    pub(super) fn give(mut buffer: Vec<u8>) {
        buffer.clear();
        if let Some(at) = limits::TLS_READ_BYTES.iter().position(|&size| size == buffer.capacity()) {
            FREE.with(|free| free[at].borrow_mut().push(buffer));
        }
    }
}
