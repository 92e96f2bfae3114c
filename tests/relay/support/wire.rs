//! One socket as the tests see it: bytes out as given, bytes in through a slow, literal reader of HTTP/1.1.
//!
//! The reader shares no code with weir, so no codec judges itself. Every wait ends after `HANG` with what had arrived
//! until then, and a secret that must not reach this side fails the test at the moment it arrives.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// The bound of every wait: far above anything that is not a hang.
pub const HANG: Duration = Duration::from_secs(20);

/// A connection with the bytes read from it and not yet looked at.
pub struct Wire {
    stream: Arc<TcpStream>,
    pending: Vec<u8>,
    forbidden: &'static str,
}

/// The start line and the field lines of a message.
#[derive(Debug, Clone)]
pub struct Head {
    pub start: String,
    pub fields: Vec<(String, String)>,
    pub raw: Vec<u8>,
}

/// A head and its payload; `whole` is false where the framing was broken off.
#[derive(Debug, Clone)]
pub struct Message {
    pub head: Head,
    pub body: Vec<u8>,
    pub whole: bool,
}

/// What the length of a message rests on; `Empty` where the question or the status forbids a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Empty,
    Sized(usize),
    Chunked,
    ToClose,
}

impl Wire {
    /// Connects; bytes that arrive on this wire never hold `forbidden`.
    pub fn connect(to: impl ToSocketAddrs, forbidden: &'static str) -> Wire {
        Wire::new(Arc::new(TcpStream::connect(to).expect("connect")), forbidden)
    }

    pub fn new(stream: Arc<TcpStream>, forbidden: &'static str) -> Wire {
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(HANG)).expect("read timeout");
        stream.set_write_timeout(Some(HANG)).expect("write timeout");
        Wire { stream, pending: Vec::new(), forbidden }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        (&*self.stream).write_all(bytes.as_ref()).expect("send");
    }

    /// Sends what the other side may refuse to take: a reset is no failure here.
    pub fn send_if_taken(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = (&*self.stream).write_all(bytes.as_ref());
    }

    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Reads once; false at the end of the connection, in order or by reset.
    fn fill(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        match (&*self.stream).read(&mut piece) {
            // The ring that `ring_refusal` tried interrupts system calls of its thread while it is taken down.
            Err(e) if e.kind() == ErrorKind::Interrupted => self.fill(),
            Ok(0) => false,
            Ok(n) => {
                let looked = self.pending.len().saturating_sub(self.forbidden.len());
                self.pending.extend_from_slice(&piece[..n]);
                let secret = self.forbidden.as_bytes();
                let leaked = !secret.is_empty() && find(&self.pending[looked..], secret).is_some();
                assert!(!leaked, "a secret crossed: {}", text(&self.pending));
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing more came within {HANG:?}; until then: {}", text(&self.pending))
            }
            // The end of the ring that was asked for at the beginning interrupts its thread.
            Err(e) if e.kind() == ErrorKind::Interrupted => true,
            Err(_) => false,
        }
    }

    /// The bytes up to and including `needle`; panics if the connection ends before.
    pub fn until(&mut self, needle: &str) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.pending, needle.as_bytes()) {
                return self.pending.drain(..at + needle.len()).collect();
            }
            assert!(self.fill(), "the connection ended before {needle:?}: {}", text(&self.pending));
        }
    }

    pub fn head(&mut self) -> Head {
        Head::read(self.until("\r\n\r\n"))
    }

    /// Exactly `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let taken = self.take(count);
        assert_eq!(taken.len(), count, "the connection ended before");
        taken
    }

    /// `count` bytes, or fewer if the connection ends before.
    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.pending.len() < count && self.fill() {}
        let count = count.min(self.pending.len());
        self.pending.drain(..count).collect()
    }

    /// One line without its CRLF, or `None` if the connection ends inside.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.pending, b"\r\n") {
                let line = self.pending.drain(..at + 2).collect::<Vec<_>>();
                return Some(String::from_utf8(line[..at].to_vec()).expect("a line of text"));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The data of one chunk, empty for the last one; `None` if the framing breaks off.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line()?, 16).expect("a bare hexadecimal chunk size");
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Some(Vec::new());
        }
        let data = self.take(size + 2);
        (data.len() == size + 2).then(|| {
            assert_eq!(&data[size..], b"\r\n", "a chunk ends with CRLF");
            data[..size].to_vec()
        })
    }

    /// `count` bytes of payload, however many chunks they come in.
    pub fn payload(&mut self, count: usize) -> Vec<u8> {
        let mut payload = Vec::new();
        while payload.len() < count {
            let chunk = self.chunk().filter(|chunk| !chunk.is_empty());
            payload.extend(chunk.unwrap_or_else(|| panic!("the body ended after {}", text(&payload))));
        }
        payload
    }

    /// The payload of a message, and whether its framing came to its end.
    pub fn body(&mut self, length: Length) -> (Vec<u8>, bool) {
        match length {
            Length::Empty => (Vec::new(), true),
            Length::Sized(count) => {
                let body = self.take(count);
                let whole = body.len() == count;
                (body, whole)
            }
            Length::ToClose => {
                while self.fill() {}
                (std::mem::take(&mut self.pending), true)
            }
            Length::Chunked => {
                let mut body = Vec::new();
                loop {
                    match self.chunk() {
                        Some(data) if data.is_empty() => return (body, true),
                        Some(data) => body.extend_from_slice(&data),
                        None => return (body, false),
                    }
                }
            }
        }
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        self.body(Length::ToClose).0
    }

    /// Waits until the other side ends the connection; bytes before that are a failure.
    pub fn ended(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "expected the end of the connection, got {}", text(&rest));
    }

    pub fn has_pending(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let has_more = self.stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        self.stream.set_nonblocking(false).expect("a socket");
        has_more || !self.pending.is_empty()
    }
}

impl Head {
    fn read(raw: Vec<u8>) -> Head {
        let all = String::from_utf8(raw.clone()).expect("a head of text");
        let mut lines = all.trim_end_matches("\r\n").split("\r\n");
        let start = lines.next().expect("a start line").to_owned();
        let fields = lines
            .map(|line| {
                assert!(!line.contains(['\r', '\n', '\0']), "a control in {line:?}");
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon in {line:?}"));
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Head { start, fields, raw }
    }

    /// The value of a field that stands at most once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(n, _)| n == name);
        let first = all.next();
        assert!(all.next().is_none(), "{name} stands more than once in {:?}", self.fields);
        first.map(|(_, value)| value.as_str())
    }

    pub fn status(&self) -> u16 {
        assert!(self.start.starts_with("HTTP/1.1 "), "{}", self.start);
        self.start[9..12].parse().expect("a status")
    }

    /// Method and target of a request.
    pub fn asked(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        let asked = (words.next().expect("method"), words.next().expect("target"));
        assert_eq!(words.next(), Some("HTTP/1.1"), "{}", self.start);
        asked
    }

    /// RFC 9112 §6.3 for a message that carries one framing field at most.
    fn announced(&self, otherwise: Length) -> Length {
        match (self.field("transfer-encoding"), self.field("content-length")) {
            (Some(coding), length) => {
                assert_eq!((coding, length), ("chunked", None), "exactly one framing");
                Length::Chunked
            }
            (None, Some(length)) => Length::Sized(length.parse().expect("a length")),
            (None, None) => otherwise,
        }
    }

    pub fn request_length(&self) -> Length {
        self.announced(Length::Empty)
    }

    pub fn response_length(&self) -> Length {
        match self.status() {
            204 | 304 => Length::Empty,
            _ => self.announced(Length::ToClose),
        }
    }
}

impl Message {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", text(&self.body)))
    }
}

pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

pub fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(4096)];
    format!("{} bytes: {:?}", bytes.len(), String::from_utf8_lossy(shown))
}
