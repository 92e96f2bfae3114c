//! Sockets that are two buffers and some chance: short reads and writes, readiness that is none, resets, connections
//! that are refused, late or never there.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::world::World;
use crate::rt::{Accept, Net, Peer, Stream, contained};

/// One direction of a connection.
#[derive(Default)]
struct Half {
    bytes: VecDeque<u8>,
    room: usize,
    /// The writer has said that nothing more comes.
    ended: bool,
    /// The reader is told of a reset, behind what it has not read and will not.
    reset: bool,
    /// Nobody reads any more.
    unread: bool,
    low_water: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Half {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// How far connecting has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Connecting,
    Refused,
}

/// One end of a connection.
pub(super) struct Socket {
    world: Rc<World>,
    rx: Rc<RefCell<Half>>,
    tx: Rc<RefCell<Half>>,
    stage: Rc<Cell<Stage>>,
}

impl Socket {
    /// Both ends of a new connection.
    fn pair(world: &Rc<World>, stage: Stage) -> (Socket, Socket) {
        let half = || {
            let room = 1 << (6 + world.below(11));
            Rc::new(RefCell::new(Half { room, ..Half::default() }))
        };
        let (one, other) = (half(), half());
        let near = Socket {
            world: Rc::clone(world),
            rx: Rc::clone(&one),
            tx: Rc::clone(&other),
            stage: Rc::new(Cell::new(stage)),
        };
        let far = Socket { world: Rc::clone(world), rx: other, tx: one, stage: Rc::new(Cell::new(Stage::Open)) };
        (near, far)
    }

    /// Ends the connection as a crash does: what the peer has not read is lost to it.
    pub(super) fn reset(&self) {
        let mut tx = self.tx.borrow_mut();
        tx.bytes.clear();
        tx.reset = true;
        tx.wake();
    }
}

/// Whether the peer of a socket is there.
pub(super) struct Left(Rc<RefCell<Half>>);

impl Left {
    /// The peer has closed its end.
    pub(super) fn has_left(&self) -> bool {
        self.0.borrow().unread
    }
}

impl Socket {
    /// To be asked whether the peer is there.
    pub(super) fn left(&self) -> Left {
        Left(Rc::clone(&self.tx))
    }
}

impl Stream for Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut half = self.rx.borrow_mut();
        let enough = half.bytes.len() >= half.low_water.clamp(1, half.room);
        if enough || half.ended || half.reset || self.world.once_in(40) {
            return Poll::Ready(());
        }
        half.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut half = self.tx.borrow_mut();
        if self.stage.get() != Stage::Connecting && (half.bytes.len() < half.room || half.unread || half.reset) {
            return Poll::Ready(());
        }
        half.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut half = self.rx.borrow_mut();
        let room = into.capacity() - into.len();
        assert!(room > 0, "a read without room");
        if half.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let there = half.bytes.len().min(room);
        if there == 0 {
            return if half.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let read = if self.world.once_in(3) { 1 + self.world.below(there) } else { there };
        into.extend(half.bytes.drain(..read));
        if let Some(writer) = half.writer.take() {
            writer.wake();
        }
        Ok(read)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut half = self.tx.borrow_mut();
        if half.unread || half.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let free = half.room.saturating_sub(half.bytes.len());
        if free == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = if self.world.once_in(3) { 1 + self.world.below(free) } else { free };
        let mut written = 0;
        for slice in slices {
            let take = slice.len().min(most - written);
            half.bytes.extend(&slice[..take]);
            written += take;
        }
        if let Some(reader) = half.reader.take() {
            reader.wake();
        }
        Ok(written)
    }

    fn finish(&self) {
        let mut half = self.tx.borrow_mut();
        half.ended = true;
        half.wake();
    }

    fn low_water(&self, bytes: usize) {
        self.rx.borrow_mut().low_water = bytes;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut rx = self.rx.borrow_mut();
        let mut tx = self.tx.borrow_mut();
        tx.ended = true;
        // Closing with unread bytes resets the connection (RFC 1122 §4.2.2.13).
        tx.reset |= !rx.bytes.is_empty();
        rx.unread = true;
        rx.wake();
        tx.wake();
    }
}

/// The connections that wait at an address.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Socket>,
    is_closed: bool,
    acceptor: Option<Waker>,
}

/// An address that is listened on.
#[derive(Clone, Default)]
pub(super) struct Door(Rc<RefCell<Queue>>);

impl Door {
    fn push(&self, socket: Socket) {
        let mut queue = self.0.borrow_mut();
        if queue.is_closed {
            return;
        }
        queue.waiting.push_back(socket);
        if let Some(acceptor) = queue.acceptor.take() {
            acceptor.wake();
        }
    }

    /// A connection to it.
    pub(super) fn connect(&self, world: &Rc<World>) -> Socket {
        let (near, far) = Socket::pair(world, Stage::Open);
        self.push(far);
        near
    }

    /// The next connection.
    pub(super) async fn next(&self) -> io::Result<Socket> {
        poll_fn(|cx| {
            let mut queue = self.0.borrow_mut();
            match queue.waiting.pop_front() {
                Some(socket) => Poll::Ready(Ok(socket)),
                None if queue.is_closed => Poll::Ready(Err(ErrorKind::NotConnected.into())),
                None => {
                    queue.acceptor = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

const CLIENT: Peer = Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

impl Accept for Door {
    type Stream = Socket;

    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        self.next().await.map(|socket| (socket, CLIENT))
    }

    fn queued(&self) -> io::Result<(Socket, Peer)> {
        let socket = self.0.borrow_mut().waiting.pop_front();
        socket.map(|socket| (socket, CLIENT)).ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn close(&self) {
        let mut queue = self.0.borrow_mut();
        queue.is_closed = true;
        if let Some(acceptor) = queue.acceptor.take() {
            acceptor.wake();
        }
    }
}

/// How connecting to an address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It stands after so many milliseconds.
    After(u64),
    /// It is refused after as many.
    Refused(u64),
    /// Nothing is ever heard.
    Never,
}

/// An upstream's address: who listens, and how connecting goes this time.
struct Place {
    door: Door,
    reach: Box<dyn Fn() -> Reach>,
}

/// The world as the data plane sees it.
#[derive(Clone)]
pub(super) struct Sim {
    pub(super) world: Rc<World>,
    places: Rc<RefCell<HashMap<SocketAddr, Place>>>,
}

impl Sim {
    pub(super) fn new(world: &Rc<World>) -> Sim {
        Sim { world: Rc::clone(world), places: Rc::default() }
    }

    /// Listens at `at`.
    pub(super) fn listen(&self, at: SocketAddr, reach: impl Fn() -> Reach + 'static) -> Door {
        let door = Door::default();
        self.places.borrow_mut().insert(at, Place { door: door.clone(), reach: Box::new(reach) });
        door
    }
}

impl Net for Sim {
    type Stream = Socket;

    fn dial(&self, to: SocketAddr) -> io::Result<Socket> {
        let places = self.places.borrow();
        let place = places.get(&to).ok_or(ErrorKind::HostUnreachable)?;
        let (near, far) = Socket::pair(&self.world, Stage::Connecting);
        let (stage, tx) = (Rc::clone(&near.stage), Rc::clone(&near.tx));
        let (world, door, reach) = (Rc::clone(&self.world), place.door.clone(), (place.reach)());
        self.world.spawn(async move {
            let (ms, outcome) = match reach {
                Reach::After(ms) => (ms, Stage::Open),
                Reach::Refused(ms) => (ms, Stage::Refused),
                Reach::Never => {
                    // Held, so that the caller does not see it close.
                    world.sleep(u64::MAX / 2_000_000).await;
                    drop(far);
                    return;
                }
            };
            world.sleep(ms).await;
            stage.set(outcome);
            tx.borrow_mut().wake();
            if outcome == Stage::Open {
                door.push(far);
            }
        });
        Ok(near)
    }

    fn connected(&self, stream: &Socket) -> io::Result<()> {
        match stream.stage.get() {
            Stage::Open => Ok(()),
            Stage::Refused => Err(ErrorKind::ConnectionRefused.into()),
            Stage::Connecting => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn now_us(&self) -> u64 {
        self.world.now_us()
    }

    fn unix_ms(&self) -> u64 {
        self.world.unix_ms()
    }

    async fn every(&self, ms: u64, mut each: impl FnMut()) -> io::Result<()> {
        loop {
            self.world.sleep(ms).await;
            each();
        }
    }

    fn sleep(&self, ms: u64) -> impl Future<Output = ()> {
        let world = Rc::clone(&self.world);
        async move { world.sleep(ms).await }
    }

    fn rendezvous(&self) -> impl Future<Output = ()> {
        let mut has_come = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut has_come, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static, panicked: impl FnOnce() + Unpin + 'static) {
        self.world.spawn(contained(task, panicked));
    }
}
