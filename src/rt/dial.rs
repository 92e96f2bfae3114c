//! Opening a connection to an upstream address that the address book already holds.
//!
//! Names are never resolved here and nothing blocks: a non-blocking `connect` is begun, and the caller waits
//! for writability together with its deadline and its client.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockAddr, Type};

use super::net::Socket;

/// Begins a TCP connection to `to`.
pub(super) fn begin(to: SocketAddr) -> io::Result<Socket> {
    let socket = socket2::Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(to)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Socket::new(socket.into())
}
