//! A session that is never made to wait still lets others have their turn: what it does in one poll has a bound.
//!
//! The world here is the worst there is: whatever is asked for is there at once, without an end. A poll that takes more
//! than its share panics where it does, so that a broken rule fails and does not hang.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwap;

use super::core::{Core, Parts};
use super::session;
use crate::config::{self, Outside, Overrides};
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::plan::board::Board;
use crate::plan::pace::Paces;
use crate::plan::quota::Meters;
use crate::record::waits::Waits;
use crate::record::{Tally, Teller};
use crate::rt::{Net, Peer, Stream, Wire};

/// What one poll may read, and how often it may write.
const READ_BYTES_MAX: usize = 4 * limits::READ_TURN_BYTES;
/// Bytes of what a stream is told that are kept.
const HEARD_BYTES: usize = 1_000;
const WRITES_MAX: usize = 4 * limits::EAGER_MAX as usize;

/// What a peer says: something first, and then the same again and again.
#[derive(Clone, Default)]
pub(super) struct Script {
    first: Rc<[u8]>,
    again: Rc<[u8]>,
}

impl Script {
    pub(super) fn new(first: &str, again: &str) -> Script {
        Script { first: first.as_bytes().into(), again: again.as_bytes().into() }
    }

    pub(super) fn of(first: Vec<u8>) -> Script {
        Script { first: first.into(), again: Rc::default() }
    }
}

/// What has been done since the poll began, and in all.
#[derive(Default)]
pub(super) struct Work {
    read: Cell<usize>,
    writes: Cell<usize>,
    all: Cell<usize>,
    worst_read: Cell<usize>,
    worst_writes: Cell<usize>,
}

impl Work {
    /// A poll begins.
    pub(super) fn begin(&self) {
        self.read.set(0);
        self.writes.set(0);
    }

    /// The poll that began last moved nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.read.get() == 0 && self.writes.get() == 0
    }
}

#[derive(Clone)]
pub(super) struct Eager {
    work: Rc<Work>,
    upstream: Script,
    pauses: Rc<Cell<usize>>,
}

pub(super) struct Endless {
    work: Rc<Work>,
    script: Script,
    said: Cell<usize>,
    /// The beginning of what was written to it.
    pub(super) heard: Rc<RefCell<Vec<u8>>>,
}

impl Endless {
    pub(super) fn new(work: &Rc<Work>, script: Script) -> Endless {
        Endless { work: Rc::clone(work), script, said: Cell::new(0), heard: Rc::default() }
    }

    fn is_silent(&self) -> bool {
        self.script.again.is_empty() && self.said.get() >= self.script.first.len()
    }
}

impl Stream for Endless {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
        if self.is_silent() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        if self.is_silent() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Script { first, again } = &self.script;
        let room = (into.capacity() - into.len()).min(limits::READ_TURN_BYTES);
        let mut read = 0;
        while read < room && !self.is_silent() {
            let said = self.said.get();
            let rest = match said < first.len() {
                true => &first[said..],
                false => &again[(said - first.len()) % again.len()..],
            };
            let piece = &rest[..rest.len().min(room - read)];
            into.extend_from_slice(piece);
            self.said.set(said + piece.len());
            read += piece.len();
        }
        let Work { read: now, all, .. } = &*self.work;
        now.set(now.get() + read);
        all.set(all.get() + read);
        assert!(now.get() <= READ_BYTES_MAX, "{} bytes were read in one poll", now.get());
        Ok(read)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let writes = &self.work.writes;
        writes.set(writes.get() + 1);
        assert!(writes.get() <= WRITES_MAX, "{} writes in one poll", writes.get());
        let mut heard = self.heard.borrow_mut();
        for slice in slices {
            let room = HEARD_BYTES.saturating_sub(heard.len());
            heard.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn finish(&self) {}

    fn low_water(&self, _: usize) {}
}

impl Net for Eager {
    type Stream = Endless;

    fn dial(&self, _: SocketAddr) -> io::Result<Endless> {
        Ok(Endless::new(&self.work, self.upstream.clone()))
    }

    fn connected(&self, _: &Endless) -> io::Result<()> {
        Ok(())
    }

    fn now_us(&self) -> u64 {
        1_000_000
    }

    fn unix_ms(&self) -> u64 {
        1_800_000_000_000
    }

    async fn every(&self, _: u64, _: impl FnMut()) -> io::Result<()> {
        pending().await
    }

    /// The turn of the others.
    fn sleep(&self, _: u64) -> impl Future<Output = ()> {
        let mut over = false;
        self.pauses.set(self.pauses.get() + 1);
        poll_fn(move |_| if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending })
    }

    fn rendezvous(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    fn spawn(&self, _: impl Future<Output = ()> + 'static, _: impl FnOnce() + Unpin + 'static) {
        unreachable!("a session begins no task");
    }
}

/// What a core with one provider of `protocol` is made of.
pub(super) fn parts(protocol: &str) -> Parts {
    parts_of(&format!(
        r#"{{"listen": "127.0.0.1:1", "access": "open",
            "providers": {{"up": {{"protocol": "{protocol}", "base_url": "http://127.0.0.1:9/v1", "keys": ["k"]}}}},
            "routes": {{"r": {{"to": ["up"]}}}}}}"#
    ))
}

/// What a core with this configuration is made of.
fn parts_of(text: &str) -> Parts {
    let outside = Outside { env: &|_| None, read: &|_| Err(io::ErrorKind::NotFound.into()), path: None, shared: false };
    let snapshot = config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration");
    let tally = Arc::new(Tally::new());
    let addresses = Arc::new(ArcSwap::from_pointee(AddressBook::literal(&snapshot)));
    Parts {
        index: 0,
        salt: 7,
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        addresses,
        board: Arc::new(Board::new()),
        connections: Arc::new(AtomicUsize::new(0)),
        paces: Arc::new(Paces::default()),
        waits: Arc::new(Waits::default()),
        meters: Arc::new(Meters::default()),
        // Nobody listens: what is told is dropped and counted.
        teller: Teller::new(Arc::clone(&tally)).0,
        tally,
    }
}

fn core(protocol: &str, work: &Rc<Work>, upstream: Script) -> Rc<Core<Eager>> {
    Core::new(Eager { work: Rc::clone(work), upstream, pauses: Rc::default() }, parts(protocol))
}

/// A core with this configuration, in this world.
pub(super) fn core_of(config: &str, work: &Rc<Work>, upstream: Script) -> Rc<Core<Eager>> {
    Core::new(Eager { work: Rc::clone(work), upstream, pauses: Rc::default() }, parts_of(config))
}

/// Polls a session that is served `client` and `upstream` without an end. Gives what it did in all; `polls` are enough
/// for it to end where it has to.
fn drive(protocol: &str, client: Script, upstream: Script, polls: usize) -> (Rc<Work>, bool) {
    let work = Rc::new(Work::default());
    let core = core(protocol, &work, upstream);
    let stream = Endless::new(&work, client);
    let mut session = pin!(session::serve(&core, Wire::Plain(stream), Peer::Unix, 1));
    for poll in 0..polls {
        work.begin();
        let done = session.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        work.worst_read.set(work.worst_read.get().max(work.read.get()));
        work.worst_writes.set(work.worst_writes.get().max(work.writes.get()));
        if done {
            return (work, true);
        }
        core.alarms.tick(10 * poll as u64);
    }
    (work, false)
}

pub(super) fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{fields}\r\n{body}")
}

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"}],"stream":true}"#;

fn asked(path: &str) -> Script {
    Script::new(&post(path, &format!("content-length: {}\r\n", ASK.len()), ASK), "")
}

#[test]
fn a_large_body_shares_the_core() {
    let start = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"";
    let sized = post(CHAT, "content-length: 60000000\r\n", start);
    let chunked = post(CHAT, "transfer-encoding: chunked\r\n", &format!("{:x}\r\n{start}\r\n", start.len()));
    let chunk = format!("{:x}\r\n{}\r\n", 1_000, "x".repeat(1_000));
    for client in [Script::new(&sized, "words and words "), Script::new(&chunked, &chunk)] {
        let (work, _) = drive("chat", client, Script::default(), 100);
        assert!(work.all.get() > 20 << 20, "{} bytes were read in all", work.all.get());
    }
}

#[test]
fn an_endless_pipeline_shares_the_core() {
    for request in [
        "GET /health HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        // Refused for what it holds, and the connection goes on.
        post(CHAT, "content-length: 2\r\n", "[]"),
    ] {
        let (work, ended) = drive("chat", Script::new(&request, &request), Script::default(), 100);
        assert!(!ended && work.worst_writes.get() >= limits::EAGER_MAX as usize / 2, "{request}");
    }
}

#[test]
fn an_endless_answer_shares_the_core() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let plain = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n";
    let chat = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
    let start = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[],\"usage\":{}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    );
    let delta =
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"w\"}}\n\n";
    for (what, protocol, path, first, again) in [
        ("a stream passed on", "chat", CHAT, head.to_owned(), chat),
        ("comments only", "chat", CHAT, head.to_owned() + chat, ": nothing\n"),
        ("an answer passed on", "chat", "/v1/audio/speech", plain.to_owned(), "words and words "),
        ("a translated stream", "anthropic", CHAT, head.to_owned() + start, delta),
    ] {
        let (work, ended) = drive(protocol, asked(path), Script::new(&first, again), 100);
        assert!(!ended && work.all.get() > 1 << 20, "{what}: {} bytes, ended {ended}", work.all.get());
    }
}

/// A client that is refused and goes on sending is not listened to for longer than its time.
#[test]
fn what_follows_a_last_answer_has_an_end() {
    let bad = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    let (_, ended) = drive("chat", Script::new(bad, "more and more "), Script::default(), 2_000);
    assert!(ended, "the connection goes on");
}

#[test]
fn a_core_holds_so_many_bytes_of_bodies_and_no_more() {
    let core = core("chat", &Rc::default(), Script::default());
    let mut all = core.reserve(limits::BODY_BYTES_CORE_MAX - 1).expect("within the bound");
    assert!(core.reserve(2).is_none() && !all.resize(limits::BODY_BYTES_CORE_MAX + 1));
    assert!(core.reserve(1).is_some() && all.resize(limits::BODY_BYTES_CORE_MAX));
    assert!(core.reserve(1).is_none());
    drop(all);
    assert!(core.reserve(limits::BODY_BYTES_CORE_MAX).is_some(), "what was refused took nothing");
}
