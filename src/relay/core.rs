//! One core: what its sessions share, the accept loops, the tick, the commands of control.
//!
//! Everything here belongs to one thread: `Cell` and `RefCell`, no borrow across an await. What cores share
//! comes in from outside: the snapshot and the address book behind `arc_swap`, and one count of connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use arc_swap::{ArcSwap, Cache};

use super::session;
use super::upstream::Upstreams;
use super::wait::Others;
use super::way::Way;
use crate::base::id::RequestId;
use crate::config::Snapshot;
use crate::config::snapshot::{Affinity, ClientLimits};
use crate::http::field::Fields;
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::plan::board::{Board, KeyRow};
use crate::plan::pace::Paces;
use crate::plan::pool::Pool;
use crate::plan::quota::{Meter, Meters};
use crate::plan::spread::Turns;
use crate::protocol::sniff::Reading;
use crate::record::tap::{Held, Left};
use crate::record::waits::{Wait, Waits};
use crate::record::{Attempt, Dropped, Entry, Tally, Teller};
use crate::rt::{Accept, Alarms, Net, Peer, Wire};

/// What control asks of a core.
pub enum Command<L> {
    /// Accept here too. The name lets `Unlisten` find it.
    Listen(String, L),
    /// Stop accepting on the listener of this name, behind what waits there already.
    Unlisten(String),
    /// Accept nothing more behind what waits already, end what is idle, let the rest finish.
    Drain,
    /// Hand over what has ended and say this number then.
    Settle(u64),
}

/// What a core is made of.
pub struct Parts {
    /// Its number, from 0.
    pub index: u16,
    /// Distinguishes the ids of this process from those of others.
    pub salt: u32,
    /// The meaning of the configuration, replaced as a whole.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Addresses of the providers, replaced as a whole.
    pub addresses: Arc<ArcSwap<AddressBook>>,
    /// The health of keys, shared by all cores.
    pub board: Arc<Board>,
    /// Connections of clients on all cores.
    pub connections: Arc<AtomicUsize>,
    /// How fast targets are.
    pub paces: Arc<Paces>,
    /// What clients have used.
    pub meters: Arc<Meters>,
    /// How long exchanges took, by provider.
    pub waits: Arc<Waits>,
    /// The way to control for finished exchanges.
    pub teller: Teller,
    /// Counters that control reads.
    pub tally: Arc<Tally>,
}

/// The snapshot as one core sees it, with what the core counts beside it.
pub(super) struct View {
    pub(super) snapshot: Arc<Snapshot>,
    /// Round robin over lists and pools of targets.
    pub(super) turns: Turns,
    /// What clients with bounds have used.
    pub(super) meters: Box<[Option<Arc<Meter>>]>,
    /// The keys of each provider, as this core chooses among them.
    pub(super) pools: Box<[Pool]>,
    /// Whether what a request says may matter for which key it gets.
    pub(super) has_conversations: bool,
    /// How each key's provider is reached.
    pub(super) ways: Box<[Rc<Way>]>,
    pub(super) board: Arc<Board>,
    /// What the cores share of each key.
    pub(super) rows: Box<[Arc<KeyRow>]>,
    /// This core's histograms of each provider.
    waits: Box<[Arc<Wait>]>,
}

/// A listener that this core accepts on.
struct Listening<S> {
    name: String,
    /// Whether connections are taken that do not wait yet.
    is_open: Rc<Cell<bool>>,
    close: Box<dyn Fn()>,
    queued: Box<dyn Fn() -> io::Result<(S, Peer)>>,
}

/// Tables and text that an exchange needs until its answer begins; lent by the core.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) fields: Fields,
    pub(super) answer: Fields,
    pub(super) out: Vec<u8>,
    /// How far the request body is read, where it is read at all.
    pub(super) reading: Option<Reading>,
}

/// One core's shared state.
pub struct Core<N: Net> {
    pub(super) net: N,
    pub(super) alarms: Rc<Alarms>,
    pub(super) lanes: Upstreams<N::Stream>,
    pub(super) slabs: Slabs,
    pub(super) others: RefCell<Vec<Others>>,
    pub(super) tally: Arc<Tally>,
    board: Arc<Board>,
    pub(super) paces: Arc<Paces>,
    meters: Arc<Meters>,
    waits: Arc<Waits>,
    teller: RefCell<Teller>,
    #[allow(clippy::vec_box, reason = "they are lent out one by one, and a move of a table is a copy of it")]
    scratch: RefCell<Vec<Box<Scratch>>>,
    source: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    view: RefCell<Rc<View>>,
    book: RefCell<Cache<Arc<ArcSwap<AddressBook>>, Arc<AddressBook>>>,
    /// The book as it was last seen, and this core's own copy of it.
    addresses: RefCell<(Arc<AddressBook>, Rc<AddressBook>)>,
    connections: Arc<AtomicUsize>,
    listeners: RefCell<Vec<Listening<N::Stream>>>,
    sessions: Cell<usize>,
    body_bytes: Cell<usize>,
    /// Bytes of traces that are being taken.
    pub(super) tapped: Held,
    draining: Cell<bool>,
    index: u16,
    salt: u32,
    sequence: Cell<u32>,
}

impl<N: Net> Core<N> {
    /// A core at rest.
    pub fn new(net: N, parts: Parts) -> Rc<Core<N>> {
        let mut source = Cache::new(parts.snapshot);
        let mut book = Cache::new(parts.addresses);
        let addresses = Arc::clone(book.load());
        let lanes = Upstreams::default();
        let view = view_of(source.load(), &lanes, parts.index, (&parts.meters, &parts.board, &parts.waits));
        let core = Rc::new(Core {
            net,
            alarms: Alarms::new(),
            lanes,
            slabs: Slabs::default(),
            others: RefCell::default(),
            tally: parts.tally,
            board: parts.board,
            paces: parts.paces,
            meters: parts.meters,
            waits: parts.waits,
            teller: RefCell::new(parts.teller),
            scratch: RefCell::default(),
            source: RefCell::new(source),
            view: RefCell::new(Rc::new(view)),
            book: RefCell::new(book),
            addresses: RefCell::new((Arc::clone(&addresses), Rc::new(AddressBook::clone(&addresses)))),
            connections: parts.connections,
            listeners: RefCell::default(),
            sessions: Cell::new(0),
            body_bytes: Cell::new(0),
            tapped: Held::default(),
            draining: Cell::new(false),
            index: parts.index,
            salt: parts.salt,
            sequence: Cell::new(0),
        });
        // Made now, so that the first to wait for it allocates nothing.
        core.others.borrow_mut().push(Others::new(&core));
        core
    }

    /// Moves the clock, trims idle lanes, hands over totals, lets in whom nobody was woken for. Never ends.
    pub async fn tick(self: Rc<Self>) {
        let mut ticks = 0_u64;
        let outcome = self
            .net
            .every(limits::TICK_MS, || {
                self.alarms.tick(self.now_ms());
                self.tally.turns.add(1);
                self.teller.borrow_mut().flush();
                self.look_at_doors();
                ticks += 1;
                if ticks.is_multiple_of(limits::TICKS_PER_TRIM) {
                    self.lanes.trim(self.now_ms());
                }
            })
            .await;
        // A core without a clock never ends a wait: better no core.
        panic!("the clock of a core has stopped: {outcome:?}");
    }

    /// Carries out a command.
    pub fn command<L: Accept<Stream = N::Stream>>(self: &Rc<Self>, command: Command<L>) {
        match command {
            Command::Listen(name, listener) => self.listen(name, listener),
            Command::Unlisten(name) => self.unlisten(|listening| listening == name),
            Command::Drain => {
                self.draining.set(true);
                self.unlisten(|_| true);
                self.alarms.wake_all();
            }
            Command::Settle(number) => self.teller.borrow_mut().settle(number),
        }
    }

    fn listen<L: Accept<Stream = N::Stream>>(self: &Rc<Self>, name: String, listener: L) {
        let listener = Rc::new(listener);
        let is_open = Rc::new(Cell::new(true));
        let (closing, queue) = (Rc::clone(&listener), Rc::clone(&listener));
        self.listeners.borrow_mut().push(Listening {
            name,
            is_open: Rc::clone(&is_open),
            close: Box::new(move || closing.close()),
            queued: Box::new(move || queue.queued()),
        });
        let core = Rc::clone(self);
        self.tally.doors_open.add(1);
        let task = async move {
            core.accept(&*listener, &is_open).await;
            // Whoever sees the door shut sees the sessions that came through it.
            fence(Ordering::Release);
            core.tally.doors_open.sub(1);
        };
        // A panic of the accept loop itself would leave a deaf core behind: better none than that.
        self.net.spawn(task, || std::process::abort());
    }

    fn unlisten(&self, which: impl Fn(&str) -> bool) {
        self.listeners.borrow_mut().retain(|listening| {
            let goes = which(&listening.name);
            if goes {
                listening.is_open.set(false);
                (listening.close)();
            }
            !goes
        });
    }

    /// The accept loop of one listener. Connections that the kernel had taken in before the listener was closed
    /// are still served: their clients have been told that they are connected. That holds also where a successor
    /// accepts on the same socket: of all who wait there the kernel wakes one, and if that was this core, whose wait
    /// has just been called off, nobody else knows of the connection.
    async fn accept<L: Accept<Stream = N::Stream>>(self: &Rc<Self>, listener: &L, is_open: &Cell<bool>) {
        while is_open.get() {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(_) if !is_open.get() => break,
                // Mostly EMFILE: the queue keeps the caller until a descriptor is free again.
                Err(_) => self.net.sleep(limits::ACCEPT_PAUSE_MS).await,
            }
        }
        // Bounded, for the queue can grow as long as the socket is there.
        for _ in 0..limits::LISTEN_BACKLOG {
            match listener.queued() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(_) => return,
            }
        }
    }

    /// Lets in whoever waits at a door although this core sleeps. Where the one that the kernel has woken was another
    /// process, and that was killed before it accepted, the connection would wait for the next one to come.
    fn look_at_doors(self: &Rc<Self>) {
        for listening in self.listeners.borrow().iter() {
            for _ in 0..limits::EAGER_MAX {
                match (listening.queued)() {
                    Ok((stream, peer)) => self.admit(stream, peer),
                    Err(_) => break,
                }
            }
        }
    }

    fn admit(self: &Rc<Self>, stream: N::Stream, peer: Peer) {
        let crowd = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let guest = Guest::new(Rc::clone(self));
        let core = Rc::clone(self);
        let task = async move {
            session::serve(&core, Wire::Plain(stream), peer, crowd).await;
            drop(guest);
        };
        let tally = Arc::clone(&self.tally);
        self.net.spawn(task, move || tally.panics.add(1));
    }

    /// The snapshot in force. Looked at once for each exchange, which then keeps what it saw.
    pub(super) fn view(&self) -> Rc<View> {
        let mut source = self.source.borrow_mut();
        let snapshot = source.load();
        let mut view = self.view.borrow_mut();
        if !Arc::ptr_eq(snapshot, &view.snapshot) {
            *view = Rc::new(view_of(snapshot, &self.lanes, self.index, (&self.meters, &self.board, &self.waits)));
        }
        Rc::clone(&view)
    }

    /// The addresses in force. The count that changes is this core's own, as with the view: cores do not meet
    /// in it.
    pub(super) fn addresses(&self) -> Rc<AddressBook> {
        let mut book = self.book.borrow_mut();
        let latest = book.load();
        let mut addresses = self.addresses.borrow_mut();
        if !Arc::ptr_eq(latest, &addresses.0) {
            *addresses = (Arc::clone(latest), Rc::new(AddressBook::clone(latest)));
        }
        Rc::clone(&addresses.1)
    }

    pub(super) fn scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn take_back(&self, mut scratch: Box<Scratch>) {
        scratch.out.clear();
        scratch.reading = None;
        let mut free = self.scratch.borrow_mut();
        if free.len() < limits::SCRATCH_FREE_MAX && scratch.out.capacity() <= limits::SLAB_BYTES {
            free.push(scratch);
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.net.now_us() / 1_000
    }

    pub(super) fn next_id(&self, unix_ms: u64) -> RequestId {
        let sequence = self.sequence.get();
        self.sequence.set(sequence.wrapping_add(1));
        RequestId::new(unix_ms, self.index, self.salt, sequence)
    }

    pub(super) fn tell(&self, view: &View, entry: &Entry) {
        if let Some(wait) = view.waits.get(usize::from(entry.provider)) {
            wait.exchange(entry);
        }
        self.teller.borrow_mut().tell(entry);
    }

    pub(super) fn tell_attempt(&self, attempt: &Attempt) {
        self.teller.borrow_mut().attempt(attempt);
    }

    pub(super) fn tell_dropped(&self, dropped: &Dropped) {
        self.teller.borrow_mut().dropped(dropped);
    }

    pub(super) fn tell_trace(&self, left: Left) -> bool {
        self.teller.borrow().trace(left)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Takes `bytes` out of what this core may hold of request bodies; given back when the guard drops.
    pub(super) fn reserve(self: &Rc<Self>, bytes: usize) -> Option<Reserved<N>> {
        let held = self.body_bytes.get() + bytes;
        if held > limits::BODY_BYTES_CORE_MAX {
            return None;
        }
        self.body_bytes.set(held);
        Some(Reserved { core: Rc::clone(self), bytes })
    }
}

/// What a core has lent and not got back.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AtRest {
    /// Sessions that go on.
    pub(crate) sessions: usize,
    /// Bytes of request bodies.
    pub(crate) body_bytes: usize,
}

#[cfg(test)]
impl<N: Net> Core<N> {
    /// What is lent now.
    pub(crate) fn at_rest(&self) -> AtRest {
        AtRest { sessions: self.sessions.get(), body_bytes: self.body_bytes.get() }
    }
}

fn view_of<S>(
    snapshot: &Arc<Snapshot>,
    lanes: &Upstreams<S>,
    core: u16,
    (meters, board, waits): (&Meters, &Arc<Board>, &Waits),
) -> View {
    let rows = board.rows(snapshot);
    let pool = |provider| Pool::new(snapshot, provider, core, |key| rows[usize::from(key)].fingerprint());
    let pools: Box<[Pool]> = (0..snapshot.providers.len()).map(|provider| pool(provider as u16)).collect();
    View {
        snapshot: Arc::clone(snapshot),
        turns: Turns::new(snapshot, core),
        meters: snapshot
            .clients
            .iter()
            .map(|client| (client.limits != ClientLimits::default()).then(|| meters.of(&client.name)))
            .collect(),
        has_conversations: pools.iter().any(|pool| pool.affinity() != Affinity::None),
        pools,
        ways: snapshot.keys.iter().map(|key| lanes.way(&snapshot.providers[usize::from(key.provider)], key)).collect(),
        board: Arc::clone(board),
        rows,
        waits: waits.of_core(core, snapshot.providers.iter().map(|provider| &*provider.name)),
    }
}

/// A share of the core's bound on request bodies.
pub(super) struct Reserved<N: Net> {
    core: Rc<Core<N>>,
    bytes: usize,
}

impl<N: Net> Reserved<N> {
    /// Changes the share to `bytes`; false, and no change, where that is over the bound.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let held = self.core.body_bytes.get() - self.bytes + bytes;
        if held > limits::BODY_BYTES_CORE_MAX {
            return false;
        }
        self.core.body_bytes.set(held);
        self.bytes = bytes;
        true
    }
}

impl<N: Net> Drop for Reserved<N> {
    fn drop(&mut self) {
        self.core.body_bytes.set(self.core.body_bytes.get() - self.bytes);
    }
}

/// One open connection in the counts, however its session ends.
struct Guest<N: Net>(Rc<Core<N>>);

impl<N: Net> Guest<N> {
    fn new(core: Rc<Core<N>>) -> Guest<N> {
        core.sessions.set(core.sessions.get() + 1);
        core.tally.sessions_total.add(1);
        core.tally.sessions_open.set(core.sessions.get() as u64);
        Guest(core)
    }
}

impl<N: Net> Drop for Guest<N> {
    fn drop(&mut self) {
        let core = &self.0;
        core.sessions.set(core.sessions.get() - 1);
        core.tally.sessions_open.set(core.sessions.get() as u64);
        core.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Read buffers of one core. Lent while bytes are looked at, and not longer.
#[derive(Default)]
pub(super) struct Slabs {
    small: RefCell<Vec<Vec<u8>>>,
    free: RefCell<Vec<Vec<u8>>>,
    wide: RefCell<Vec<Vec<u8>>>,
}

impl Slabs {
    /// An empty buffer with room for `limits::SLAB_BYTES`.
    pub(super) fn take(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(limits::SLAB_BYTES))
    }

    /// An empty buffer with room for `limits::SMALL_BYTES`.
    pub(super) fn take_small(&self) -> Vec<u8> {
        self.small.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(limits::SMALL_BYTES))
    }

    /// An empty buffer with room for `limits::WIDE_BYTES`.
    pub(super) fn take_wide(&self) -> Vec<u8> {
        self.wide.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(limits::WIDE_BYTES))
    }

    /// Takes a buffer back, or frees it where it has grown or enough are there.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        let (free, most) = match buffer.capacity() {
            limits::SMALL_BYTES => (&self.small, limits::SLABS_FREE_MAX),
            limits::SLAB_BYTES => (&self.free, limits::SLABS_FREE_MAX),
            limits::WIDE_BYTES => (&self.wide, limits::WIDE_FREE_MAX),
            _ => return,
        };
        let mut free = free.borrow_mut();
        if free.len() < most {
            buffer.clear();
            free.push(buffer);
        }
    }

    /// Moves what fits into a slab, or into less, out of a wide buffer, which then serves the next reader: a request is
    /// held until its answer begins, and that may take long.
    pub(super) fn narrow(&self, buffer: &mut Vec<u8>) {
        if buffer.capacity() != limits::WIDE_BYTES || buffer.len() > limits::SLAB_BYTES {
            return;
        }
        let mut narrow = if buffer.len() <= limits::SMALL_BYTES { self.take_small() } else { self.take() };
        narrow.extend_from_slice(buffer);
        self.give(std::mem::replace(buffer, narrow));
    }
}
