//! One TLS session: cipher text in, plain text out, and the other way round. It owns no connection and never waits.
//!
//! Plain text goes straight into the caller's buffer; what does not fit stays inside and no further cipher text is
//! taken, so that a reader that stands still makes its peer stand still. Inside are at most one record that is not
//! whole, one that is not read, and one that is not sent; at rest there is a buffer of 4 KiB.
//!
//! The shape is that of rustls 0.24, where the caller owns the buffers. The unbuffered interface of 0.23 copies as
//! often as the buffered one and is gone from 0.24.

use std::io::{self, BufRead as _, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

use crate::limits;

/// What rustls reads at a time, and keeps as a buffer.
const PIECE_BYTES: usize = 4 * 1024;

/// One side of a session.
pub struct Session {
    connection: Connection,
    /// Bytes of plain text that wait inside.
    waiting: usize,
    /// Whether the peer has said that nothing more comes.
    ended: bool,
    /// Whether more than a piece went in since the buffer inside was last given back.
    grown: bool,
}

impl Session {
    /// The side that calls; `name` is what the certificate must be for.
    pub fn client(config: &Arc<ClientConfig>, name: ServerName<'static>) -> Result<Session, Error> {
        ClientConnection::new(Arc::clone(config), name).map(|connection| Session::new(Connection::Client(connection)))
    }

    /// The side that is called.
    pub fn server(config: &Arc<ServerConfig>) -> Result<Session, Error> {
        ServerConnection::new(Arc::clone(config)).map(|connection| Session::new(Connection::Server(connection)))
    }

    fn new(mut connection: Connection) -> Session {
        connection.set_buffer_limit(Some(limits::TLS_SEND_BYTES_MAX));
        Session { connection, waiting: 0, ended: false, grown: false }
    }

    /// Whether both sides have not agreed yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether this is the side that calls.
    pub fn is_client(&self) -> bool {
        matches!(self.connection, Connection::Client(_))
    }

    /// Whether an earlier session was taken up again.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Whether plain text waits.
    pub fn has_plain(&self) -> bool {
        self.waiting > 0
    }

    /// Whether the peer has said, by close_notify, that nothing more comes. Cipher text is ignored from then on.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes as much of `cipher` as there is room for what it says, and appends that to the spare capacity of `into`.
    /// Returns how much was taken: all of it, unless plain text waits.
    pub fn push(&mut self, cipher: &[u8], into: &mut Vec<u8>) -> Result<usize, Error> {
        let mut rest = cipher;
        self.pull(into);
        self.grown |= cipher.len() > PIECE_BYTES;
        while self.waiting == 0 && !self.ended && !rest.is_empty() {
            match self.connection.read_tls(&mut rest) {
                Ok(1..) => {}
                // Only for want of room, which has been made: a record longer than records may be.
                Ok(0) | Err(_) => return Err(Error::PeerSentOversizedRecord),
            }
            let state = self.connection.process_new_packets()?;
            self.waiting = state.plaintext_bytes_to_read();
            self.ended = state.peer_has_closed();
            self.pull(into);
        }
        Ok(if self.ended { cipher.len() } else { cipher.len() - rest.len() })
    }

    /// Appends plain text that waits to the spare capacity of `into`.
    pub fn pull(&mut self, into: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        while self.waiting > 0 && into.len() < into.capacity() {
            // An error would be the end of the session, which is told elsewhere and never while plain text waits.
            let Ok(chunk) = reader.fill_buf() else { return };
            let taken = chunk.len().min(into.capacity() - into.len());
            into.extend_from_slice(&chunk[..taken]);
            reader.consume(taken);
            self.waiting -= taken;
        }
    }

    /// Gives the buffer inside back where it has grown and nothing is in it.
    pub fn rest(&mut self) {
        if self.waiting == 0 && std::mem::take(&mut self.grown) {
            // rustls makes its buffer small again when it is about to read and holds nothing.
            let _nothing_read = self.connection.read_tls(&mut Dry);
        }
    }

    /// Encrypts the beginning of `slices`, up to `limits::TLS_SEND_BYTES_MAX`; `send` carries it out.
    pub fn seal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection.writer().write_vectored(slices)
    }

    /// Encrypts the word that nothing more comes from here.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Changes the keys of what goes out.
    #[cfg(test)]
    pub(super) fn refresh(&mut self) {
        self.connection.refresh_traffic_keys().expect("an open session of TLS 1.3");
    }

    /// Whether cipher text waits to be sent.
    pub fn wants_send(&self) -> bool {
        self.connection.wants_write()
    }

    /// Sends cipher text by `write` until nothing waits or `write` fails.
    pub fn send(&mut self, write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        let mut sink = Sink(write);
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut sink)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// A source that is never ready.
struct Dry;

impl Read for Dry {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A closure as a writer.
struct Sink<F>(F);

impl<F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Sink<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (self.0)(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
