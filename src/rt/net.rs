//! Sockets: listening, accepting, and the one kind of stream that sessions and lanes are made of.
//!
//! One listening socket is bound once and duplicated for each core (design §5.2): idle cores pull, nothing
//! queued is lost when one core drains, a second process fails loudly. A stream over a Unix socket is the
//! same type as one over TCP: readiness, `recv` and `sendmsg` do not ask for the family.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use monoio::io::{CancelHandle, Canceller};
use monoio::net::{TcpListener, TcpStream, UnixListener};
use socket2::{Domain, Protocol, SockRef, Type};

use super::held::{Direction, Held};
use super::rendezvous::Rendezvous;
use super::{Accept, Net, Peer, Stream, sys, task};
use crate::config::listen::Listen;
use crate::limits;

/// The real world, on whichever driver the core runs.
pub struct Monoio {
    start: Instant,
    rendezvous: Rendezvous,
}

impl Monoio {
    /// A world whose clock starts now.
    pub fn new() -> Monoio {
        Monoio { start: Instant::now(), rendezvous: Rendezvous::default() }
    }
}

impl Default for Monoio {
    fn default() -> Self {
        Monoio::new()
    }
}

impl Net for Monoio {
    type Stream = Socket;

    fn dial(&self, to: SocketAddr) -> io::Result<Socket> {
        super::dial::begin(to)
    }

    fn connected(&self, stream: &Socket) -> io::Result<()> {
        match SockRef::from(&sys::borrow(&*stream.inner)).take_error()? {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn unix_ms(&self) -> u64 {
        SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
    }

    /// By a timer of the kernel that is waited for like a socket. A sleep of monoio would set and clear a
    /// timeout at each entry into the kernel, which programs the clock whenever the core goes idle: measured
    /// at several microseconds a wait on a virtual machine.
    async fn every(&self, ms: u64, mut each: impl FnMut()) -> io::Result<()> {
        let timer = Socket::new(sys::timer(ms)?)?;
        loop {
            std::future::poll_fn(|cx| timer.poll_readable(cx)).await;
            if sys::expired(timer.fd())? {
                each();
            }
        }
    }

    fn sleep(&self, ms: u64) -> impl Future<Output = ()> {
        monoio::time::sleep(Duration::from_millis(ms))
    }

    fn rendezvous(&self) -> impl Future<Output = ()> {
        self.rendezvous.meet()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static, panicked: impl FnOnce() + Unpin + 'static) {
        monoio::spawn(task::contained(task, panicked));
    }
}

/// A connected socket of any family.
pub struct Socket {
    read: Held,
    write: OnceCell<Held>,
    inner: Rc<TcpStream>,
}

impl Socket {
    /// Takes over a connected, or connecting, stream socket. Must be called on a core.
    pub fn new(fd: OwnedFd) -> io::Result<Socket> {
        // monoio's own TcpStream is the only one of its types that offers a wait for readiness on an
        // arbitrary stream socket; nothing TCP is asked of it.
        let inner = Rc::new(TcpStream::from_std(std::net::TcpStream::from(fd))?);
        Ok(Socket { read: Held::new(Rc::clone(&inner), Direction::Read), write: OnceCell::new(), inner })
    }

    fn fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

#[cfg(test)]
impl Socket {
    /// What rests on its listener: whether it sends without delay, and how much the kernel takes unsent.
    pub(super) fn options(&self) -> io::Result<(bool, u32)> {
        let borrowed = sys::borrow(&*self.inner);
        let socket = SockRef::from(&borrowed);
        Ok((socket.tcp_nodelay()?, socket.tcp_notsent_lowat()?))
    }
}

impl Stream for Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.read.poll(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.write.get_or_init(|| Held::new(Rc::clone(&self.inner), Direction::Write)).poll(cx)
    }

    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        sys::recv(self.fd(), into)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        sys::send(self.fd(), slices)
    }

    fn finish(&self) {
        sys::shutdown(self.fd(), libc::SHUT_WR);
    }

    fn low_water(&self, bytes: usize) {
        // A refusal only means more wake-ups.
        let _ = sys::receive_low_water(self.fd(), bytes);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The descriptor closes when the kernel has given back the wait that holds it; the peer need not
        // wait for that.
        sys::shutdown(self.fd(), libc::SHUT_RDWR);
    }
}

/// A bound and listening socket that belongs to no core yet.
#[derive(Debug)]
pub enum Bound {
    /// A TCP address.
    Tcp(std::net::TcpListener),
    /// A path.
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Bound {
    /// The same socket once more, for another core.
    pub fn duplicate(&self) -> io::Result<Bound> {
        match self {
            Bound::Tcp(listener) => listener.try_clone().map(Bound::Tcp),
            Bound::Unix(listener, path) => Ok(Bound::Unix(listener.try_clone()?, path.clone())),
        }
    }

    /// Takes over a socket that another process has bound and listens on.
    pub fn adopt(fd: OwnedFd) -> io::Result<Bound> {
        let socket = socket2::Socket::from(fd);
        if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no stream socket that listens"));
        }
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        let address = socket.local_addr()?;
        if address.is_unix() {
            let path = address.as_pathname().map(Path::to_owned);
            let path = path.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "its address is no path"))?;
            return Ok(Bound::Unix(socket.into(), path));
        }
        match address.as_socket() {
            Some(_) => {
                prepare(&socket)?;
                Ok(Bound::Tcp(socket.into()))
            }
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither TCP nor a Unix socket")),
        }
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        match self {
            Bound::Tcp(listener) => listener.as_raw_fd(),
            Bound::Unix(listener, _) => listener.as_raw_fd(),
        }
    }

    /// What it listens on, as a person would write it; the port that was chosen where 0 was asked.
    pub fn name(&self) -> String {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string()),
            Bound::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }
}

/// Binds a TCP address or a Unix path and listens.
pub fn bind(at: &Listen) -> io::Result<Bound> {
    match at {
        Listen::Tcp(address) => bind_tcp(*address),
        Listen::Unix(path) => bind_unix(path),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` is every address, IPv4 included (config.md: `:7070`).
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Tcp(socket.into()))
}

/// What accepted connections inherit: an event leaves when it is written, not when the next one comes, and a client that
/// does not read is noticed before the kernel has taken megabytes for it.
fn prepare(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(limits::SEND_BYTES_UNSENT_MAX)
}

fn bind_unix(path: &Path) -> io::Result<Bound> {
    // A socket file that nobody answers on is what a killed process left behind.
    if std::os::unix::net::UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Unix(socket.into(), path.to_owned()))
}

/// A listening socket of one core.
pub struct Listener {
    socket: Kind,
    canceller: RefCell<Option<Canceller>>,
    cancel: CancelHandle,
}

enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Brings a bound socket onto the calling core.
    pub fn new(bound: Bound) -> io::Result<Listener> {
        let socket = match bound {
            Bound::Tcp(listener) => Kind::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener, _) => Kind::Unix(UnixListener::from_std(listener)?),
        };
        let canceller = Canceller::new();
        let cancel = canceller.handle();
        Ok(Listener { socket, canceller: RefCell::new(Some(canceller)), cancel })
    }
}

impl Accept for Listener {
    type Stream = Socket;

    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.socket {
            Kind::Tcp(listener) => {
                let (stream, from) = listener.cancelable_accept(self.cancel.clone()).await?;
                Ok((Socket::new(sys::own(stream))?, Peer::Ip(from.ip())))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.cancelable_accept(self.cancel.clone()).await?;
                Ok((Socket::new(sys::own(stream))?, Peer::Unix))
            }
        }
    }

    /// The listening socket does not block, whichever driver waits for it.
    fn queued(&self) -> io::Result<(Socket, Peer)> {
        let (stream, from) = match &self.socket {
            Kind::Tcp(listener) => SockRef::from(&sys::borrow(listener)).accept()?,
            Kind::Unix(listener) => SockRef::from(&sys::borrow(listener)).accept()?,
        };
        let peer = match from.as_socket() {
            Some(from) => Peer::Ip(from.ip()),
            None => Peer::Unix,
        };
        Ok((Socket::new(stream.into())?, peer))
    }

    fn close(&self) {
        if let Some(canceller) = self.canceller.borrow_mut().take() {
            let _spent = canceller.cancel();
        }
    }
}
