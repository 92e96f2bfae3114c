//! A provider whose every byte is said by the test: it accepts, reads one request exactly, and answers what it is told.
//!
//! The test drives both ends in one thread, so the order of events on the wire is the order of lines in the test.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::wire::{HANG, Head, Message, Wire, text};
use super::{CLIENT_KEY, Value};

pub struct Upstream {
    listener: TcpListener,
    streams: Vec<Arc<TcpStream>>,
    accepted: usize,
    pub address: SocketAddr,
}

/// One request as it arrived, and the connection it came on.
pub struct Call {
    pub request: Message,
    pub wire: Wire,
    stream: Arc<TcpStream>,
}

impl Upstream {
    pub fn new() -> Upstream {
        Upstream::on(TcpListener::bind("127.0.0.1:0").expect("bind"))
    }

    /// On a listener of the test's.
    pub fn on(listener: TcpListener) -> Upstream {
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("address");
        Upstream { listener, streams: Vec::new(), accepted: 0, address }
    }

    /// An address where nobody listens.
    pub fn dead() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address")
    }

    /// `http://ADDRESS` and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next connection whose first bytes have come, or a known one with new bytes.
    fn ready(&mut self) -> Wire {
        let deadline = Instant::now() + HANG;
        loop {
            while let Ok((stream, _)) = self.listener.accept() {
                stream.set_nonblocking(false).expect("blocking");
                self.accepted += 1;
                self.streams.push(Arc::new(stream));
            }
            let mut watched: Vec<_> = self.streams.iter().map(|s| watch(s.as_raw_fd())).collect();
            watched.push(watch(self.listener.as_raw_fd()));
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request came upstream within {HANG:?}");
            poll(&mut watched, left);
            for at in (0..self.streams.len()).rev() {
                if watched[at].revents == 0 {
                    continue;
                }
                match self.streams[at].peek(&mut [0]) {
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Ok(n) if n > 0 => return Wire::new(self.streams[at].clone(), CLIENT_KEY),
                    _ => drop(self.streams.remove(at)),
                }
            }
        }
    }

    /// The beginning of whatever comes next.
    pub fn next_bytes(&mut self, count: usize) -> (Vec<u8>, Wire) {
        let mut wire = self.ready();
        (wire.bytes(count), wire)
    }

    /// What comes next, up to and including `needle`.
    pub fn next_until(&mut self, needle: &str) -> (String, Wire) {
        let mut wire = self.ready();
        (String::from_utf8(wire.until(needle)).expect("text"), wire)
    }

    /// The next request, read to its end.
    pub fn next(&mut self) -> Call {
        let mut call = self.next_head();
        let length = call.request.head.request_length();
        (call.request.body, call.request.whole) = call.wire.body(length);
        assert!(call.request.whole, "the request was cut short");
        assert!(!call.wire.has_pending(), "a relay never pipelines");
        call
    }

    /// The next request, its body left on the wire.
    pub fn next_head(&mut self) -> Call {
        let mut wire = self.ready();
        let head = wire.head();
        let stream = self.streams.iter().find(|s| s.as_raw_fd() == wire.stream().as_raw_fd()).expect("known").clone();
        let request = Message { head, body: Vec::new(), whole: false };
        Call { request, wire, stream }
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted
    }

    /// Asserts that nothing came that was not looked at: no connection, no byte.
    pub fn untouched(&mut self) {
        if let Ok((stream, _)) = self.listener.accept() {
            let mut wire = Wire::new(Arc::new(stream), CLIENT_KEY);
            wire.stream().set_nonblocking(true).expect("nonblocking");
            let mut seen = [0; 4096];
            let n = wire.stream().peek(&mut seen).unwrap_or(0);
            wire.half_close();
            panic!("the upstream was asked: {}", text(&seen[..n]));
        }
        for stream in &self.streams {
            stream.set_nonblocking(true).expect("nonblocking");
            let mut seen = [0; 4096];
            let n = stream.peek(&mut seen).unwrap_or(0);
            stream.set_nonblocking(false).expect("blocking");
            assert_eq!(n, 0, "the upstream was asked: {}", text(&seen[..n]));
        }
    }

    /// Ends a connection by reset.
    pub fn reset(&mut self, call: Call) {
        socket2::SockRef::from(&*call.stream).set_linger(Some(Duration::ZERO)).expect("linger");
        self.streams.retain(|s| !Arc::ptr_eq(s, &call.stream));
    }
}

impl Call {
    pub fn head(&self) -> &Head {
        &self.request.head
    }

    pub fn target(&self) -> &str {
        self.request.head.asked().1
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes);
    }

    /// A whole answer of known length.
    pub fn answer(&mut self, status: u16, kind: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head =
            format!("HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat());
    }

    pub fn json(&mut self, status: u16, body: Value) {
        self.answer(status, "application/json", body.to_string());
    }

    /// The head of a chunked answer.
    pub fn open(&mut self, kind: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"));
    }

    pub fn chunk(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        self.send([format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat());
    }

    pub fn last_chunk(&mut self) {
        self.send("0\r\n\r\n");
    }

    /// Ends the connection in both directions.
    pub fn close(self) {
        self.wire.close();
    }
}

fn watch(fd: i32) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

/// Waits until one of `watched` is readable, `wait` is over, or a signal comes.
fn poll(watched: &mut [libc::pollfd], wait: Duration) {
    let millis = i32::try_from(wait.as_millis()).expect("a short wait");
    // SAFETY: the pointer and the count are those of one live slice.
    unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, millis) };
}
