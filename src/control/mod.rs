//! The control plane: one thread, one tokio runtime, everything that is not a byte of traffic.
//!
//! It drains what the cores tell, writes the log, answers on the admin address and the control socket,
//! resolves names, reloads the file and obeys signals. Between it and the cores are rings, atomics and
//! swapped pointers; no core ever waits for it. What it needs of the cores comes in as `Wiring`, so that it
//! knows neither their runtime nor their listeners.

mod api;
mod auth;
mod call;
mod change;
mod collect;
pub mod discover;
mod disk;
mod dns;
mod events;
mod health;
mod kept;
pub mod log;
mod metrics;
pub mod names;
pub mod notify;
mod otlp;
mod probe;
mod reload;
mod serve;
mod signals;
pub mod socket;
mod stall;
mod stamp;
mod store;
mod succession;
pub mod token;
mod traces;
mod troubles;
mod usage;
mod web;

#[cfg(test)]
#[path = "edit_test.rs"]
mod edit_tests;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use self::auth::{Caller, Door};
use self::collect::Collector;
use self::events::Events;
use self::kept::Kept;
use self::log::Log;
use self::names::Names;
pub use self::reload::{Load, Seen, look};
use self::serve::Doors;
pub use self::serve::Listening;
use self::store::{Flushed, Store};
pub use self::succession::{Heir, Succeed};
use self::token::Token;
use self::traces::Traces;
use crate::config::Snapshot;
use crate::config::mask::Salt;
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::plan::board::{Board, Said};
use crate::plan::pace::Paces;
use crate::plan::quota::{self, Meters};
use crate::record::tap::Desk;
use crate::record::waits::Waits;
use crate::record::{Tally, Told};
use crate::rt::sys;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit it was built from, or `unknown`.
pub const COMMIT: &str = env!("WEIR_COMMIT");

/// Name of the file of what clients have used, in the data folder.
const METERS: &str = "clients.json";
/// The file of the data folder that keeps who is logged in.
const SESSIONS: &str = "sessions.json";

/// How sockets are driven, and why so.
#[derive(Clone, Debug)]
pub struct DriverReport {
    /// `io_uring` or `epoll`.
    pub name: &'static str,
    /// What was asked for, and what refused.
    pub why: String,
}

/// What control asks of the cores.
#[derive(Clone, Debug)]
pub enum Command {
    /// Listen where this snapshot says: bind what is new, then leave what is gone. An error must leave
    /// everything as it was; it says what could not be bound.
    Listen(Arc<Snapshot>),
    /// Accept nothing more, end what is idle, let the rest finish.
    Drain {
        /// Another process accepts on the same sockets: they are left to it as they are.
        succeeded: bool,
    },
    /// Hand over what has ended: `Teller::settle` with this number.
    Settle(u64),
}

/// Carries a command to every core.
pub type Tell = Box<dyn FnMut(Command) -> Result<(), String> + Send>;

/// The cores, seen from here.
pub struct Cores {
    /// Their counters.
    pub tallies: Vec<Arc<Tally>>,
    /// Control's ends of their rings.
    pub rings: Vec<rtrb::Consumer<Told>>,
    /// The way to them.
    pub tell: Tell,
}

/// What the cores and control know together, and what outlives reloads.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The health of keys.
    pub board: Arc<Board>,
    /// What clients have used.
    pub meters: Arc<Meters>,
    /// How fast targets are.
    pub paces: Arc<Paces>,
    /// Where the cores leave traces.
    pub traces: Arc<Desk>,
    /// How long exchanges took, by provider.
    pub waits: Arc<Waits>,
}

/// All that control is made of.
pub struct Wiring {
    /// The meaning of the configuration; control replaces it.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Addresses of the providers; control replaces them. Starts as `AddressBook::literal`.
    pub addresses: Arc<ArcSwap<AddressBook>>,
    /// What is known of keys, clients and targets.
    pub known: Known,
    /// The cores.
    pub cores: Cores,
    /// The driver they run on.
    pub driver: DriverReport,
    /// The admin address, bound.
    pub admin: Listening,
    /// Reads the file again.
    pub load: Load,
    /// What the file was just before it was read.
    pub seen: Option<Seen>,
    /// Begins to listen. Called once signals are obeyed: a service that can be reached can be stopped in order.
    pub begin: Box<dyn FnOnce() -> io::Result<()> + Send>,
    /// Where the process that started this one to follow it waits for a word.
    pub predecessor: Option<UnixStream>,
    /// Starts a process that follows this one.
    pub succeed: Succeed,
    /// Where the relay listens now, with the ports that were given.
    pub listening_on: ListeningOn,
}

/// Tells the addresses of the relay.
pub type ListeningOn = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Why control came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything under way came to its end.
    Drained,
    /// `drain_ms` was over; so many connections were cut.
    Deadline {
        /// Connections that were open.
        sessions: u64,
    },
    /// A second signal asked to end at once.
    Interrupted {
        /// The signal.
        signal: i32,
    },
}

/// Runs the control plane on the calling thread until the process is to end.
pub fn run(wiring: Wiring) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::RESOLVE_THREADS_MAX)
        .thread_name("weir-resolve")
        .build()?;
    let outcome = runtime.block_on(live(wiring));
    // A resolver that hangs must not hold the process up.
    runtime.shutdown_background();
    outcome
}

async fn live(mut wiring: Wiring) -> io::Result<Outcome> {
    let mut signals = signals::Signals::new()?;
    health::recall(&wiring.known.board, &wiring.snapshot.load().data_dir);
    wiring.known.meters.recall(&kept::recall(&wiring.snapshot.load().data_dir, METERS));
    let (seen, predecessor) = (wiring.seen, wiring.predecessor.take());
    // In its place before anybody can be served: who starts weir and asks it something at once is heard. With a
    // predecessor the file is that one's until the last step.
    let early = predecessor.is_none().then(|| control_socket(&wiring.snapshot.load().data_dir, false));
    std::mem::replace(&mut wiring.begin, Box::new(|| Ok(())))()?;
    let log = Log::new(wiring.snapshot.load().log.format, Box::new(io::stderr()));
    let begun = Store::begin(&wiring.snapshot.load().data_dir, wiring.snapshot.clone());
    let store = begun.inspect_err(|error| tracing::error!(%error, "nothing will be written down")).ok();
    let (shared, admin) = Shared::new(wiring, log, None, store)?;
    // Seen by the watch below, not yet by a reload.
    shared.saw(seen);
    // A core whose ring cannot be built ends the process: nobody hears of a service before all of them turn.
    if !shared.settle_within(limits::CORE_START_MS_MAX).await {
        return Err(io::Error::other("the cores do not begin"));
    }
    let control = early.unwrap_or_else(|| control_socket(&shared.snapshot.load().data_dir, true));
    let doors = open_doors(&shared, admin, control)?;
    let mut watches = JoinSet::new();
    watches.spawn(reload::watch(shared.clone(), seen));
    let mut tasks = JoinSet::new();
    tasks.spawn(collect(shared.clone()));
    tasks.spawn(dns::keep(shared.clone()));
    tasks.spawn(otlp::keep(shared.clone()));
    watches.spawn(stall::watch(shared.clone()));
    watches.spawn(kept::keep(shared.clone()));
    watches.spawn(probe::keep(shared.clone()));
    watches.spawn(events::keep(shared.clone()));
    tasks.spawn(slim());
    notify::ready(&format!("serves, {}", shared.driver.name));
    succession::say_served(predecessor);
    let end = signals.obey(&shared).await;
    let outcome = match end {
        signals::End::Asked => {
            let outcome = signals.drain(&shared, end).await;
            // Who asks twice does not want anything waited for.
            if !matches!(outcome, Outcome::Interrupted { .. }) {
                doors.close(|| shared.events.end()).await;
            }
            outcome
        }
        // Who asks, reloads or is fed is the successor now; who has asked this one gets its answer.
        signals::End::Succeeded => {
            watches.shutdown().await;
            tokio::join!(signals.drain(&shared, end), doors.close(|| shared.events.end())).0
        }
    };
    shared.settle().await;
    if end != signals::End::Succeeded {
        shared.keep_health();
        shared.keep_meters();
    }
    watches.shutdown().await;
    tasks.shutdown().await;
    if let Some(traces) = &shared.traces {
        traces.settle().await;
    }
    if let Some(store) = &shared.store {
        shared.stored(store).await;
        store.end().await;
    }
    Ok(outcome)
}

/// Where `weir reload` and `weir status` reach this process.
fn control_socket(folder: &Path, succeeds: bool) -> io::Result<socket::Bound> {
    socket::data_dir(folder)?;
    socket::bind(&folder.join(socket::CONTROL_SOCKET), succeeds)?.place()
}

/// Answers on the admin address and the control socket.
fn open_doors(shared: &Arc<Shared>, admin: Listening, control: io::Result<socket::Bound>) -> io::Result<Doors> {
    let router = api::router(shared.clone());
    let doors = Doors::new();
    tracing::info!(address = %admin, "admin address");
    shared.need_token();
    match admin {
        Listening::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(serve::tcp(listener, router.clone(), doors.leave()))
        }
        Listening::Unix(fresh) => {
            let caller = Caller::Ip(IpAddr::from([127, 0, 0, 1]));
            tokio::spawn(serve::unix(fresh.place()?, router.clone(), caller, doors.leave())?)
        }
    };
    match control {
        Ok(bound) => {
            tokio::spawn(serve::unix(bound, router, Caller::Owner, doors.leave())?);
        }
        Err(error) => {
            let path = shared.snapshot.load().data_dir.join(socket::CONTROL_SOCKET);
            tracing::warn!(path = %path.display(), %error, "no control socket: `weir reload` and `weir status` will not reach this process");
        }
    }
    Ok(doors)
}

/// Lets go of what only the start has needed, and then of what has been freed.
async fn slim() {
    tokio::time::sleep(Duration::from_millis(limits::START_PAGES_MS)).await;
    sys::unmap_program();
    loop {
        sys::give_memory_back();
        tokio::time::sleep(Duration::from_millis(limits::MEMORY_BACK_EVERY_MS)).await;
    }
}

/// Drains the rings by the clock.
async fn collect(shared: Arc<Shared>) {
    loop {
        let fullest = {
            let mut collector = shared.collector();
            let fullest = collector.drain();
            if let Some(store) = &shared.store {
                // What does not fit now is handed over with the next.
                let _ = collector.hand_over(store, false);
            }
            fullest
        };
        tokio::time::sleep(collect::pause(fullest)).await;
    }
}

/// What control's tasks share. The locks are between them only, and never held across an await.
pub(crate) struct Shared {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) addresses: Arc<ArcSwap<AddressBook>>,
    pub(crate) board: Arc<Board>,
    pub(crate) driver: DriverReport,
    pub(crate) load: Load,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// One change of the file at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// One comparison with a hash at a time.
    pub(crate) comparing: tokio::sync::Mutex<()>,
    pub(crate) listening_on: ListeningOn,
    /// What secrets are masked with.
    pub(crate) salt: Salt,
    pub(crate) hosts_changed: tokio::sync::Notify,
    /// The address that the admin address listens on; nothing for a Unix socket.
    pub(crate) listening: Option<IpAddr>,
    pub(crate) draining: AtomicBool,
    /// The process that serves in the place of this one; 0 for none.
    pub(crate) successor: AtomicU32,
    /// Cores that stand still.
    pub(crate) stalled: AtomicUsize,
    pub(crate) started: Instant,
    collector: Mutex<Collector>,
    door: Mutex<Door>,
    sessions: Mutex<Kept<auth::Said>>,
    tell: Mutex<Tell>,
    succeed: Mutex<Succeed>,
    health: Mutex<Kept<Said>>,
    meters: Arc<Meters>,
    pub(crate) paces: Arc<Paces>,
    pub(crate) waits: Arc<Waits>,
    kept_meters: Mutex<Kept<quota::Said>>,
    /// Where exchanges are written down; nothing where its thread could not be begun.
    pub(crate) store: Option<Store>,
    /// The traces of some of them.
    pub(crate) traces: Option<Traces>,
    settles: AtomicU64,
    /// What the file was when it was last read.
    seen: Mutex<Option<Seen>>,
    events: Events,
}

impl Shared {
    fn new(
        wiring: Wiring,
        log: Log,
        token: Option<Token>,
        store: Option<(Store, store::Feed)>,
    ) -> io::Result<(Arc<Shared>, Listening)> {
        let mut collector = Collector::new(wiring.cores.tallies, wiring.cores.rings, log);
        let snapshot = wiring.snapshot.load();
        collector.learn(snapshot.generation, Names::of(&snapshot));
        let store = store.map(|(store, feed)| {
            collector.tell(feed);
            store
        });
        let traces = store.as_ref().and_then(|store| {
            let (desk, source) = (wiring.known.traces.clone(), wiring.snapshot.clone());
            let begun = Traces::begin(&snapshot.data_dir, desk, store.way(), source);
            begun.inspect_err(|error| tracing::error!(%error, "no trace will be written")).ok()
        });
        let health = Kept::new(&snapshot.data_dir, health::FILE);
        let kept_meters = Kept::new(&snapshot.data_dir, METERS);
        let mut door = Door::new(token);
        door.recall(kept::recall(&snapshot.data_dir, SESSIONS));
        let mut sessions = Kept::new(&snapshot.data_dir, SESSIONS);
        // As the file has them: that the last one ends is a change.
        sessions.rows = door.said();
        drop(snapshot);
        let shared = Shared {
            snapshot: wiring.snapshot,
            addresses: wiring.addresses,
            board: wiring.known.board,
            driver: wiring.driver,
            load: wiring.load,
            reloading: tokio::sync::Mutex::new(()),
            changing: tokio::sync::Mutex::new(()),
            comparing: tokio::sync::Mutex::new(()),
            listening_on: wiring.listening_on,
            salt: Salt::new(&random()?),
            hosts_changed: tokio::sync::Notify::new(),
            listening: wiring.admin.ip(),
            draining: AtomicBool::new(false),
            successor: AtomicU32::new(0),
            stalled: AtomicUsize::new(0),
            started: Instant::now(),
            collector: Mutex::new(collector),
            door: Mutex::new(door),
            sessions: Mutex::new(sessions),
            tell: Mutex::new(wiring.cores.tell),
            succeed: Mutex::new(wiring.succeed),
            health: Mutex::new(health),
            meters: wiring.known.meters,
            paces: wiring.known.paces,
            waits: wiring.known.waits,
            kept_meters: Mutex::new(kept_meters),
            store,
            traces,
            settles: AtomicU64::new(0),
            seen: Mutex::new(None),
            events: Events::default(),
        };
        Ok((Arc::new(shared), wiring.admin))
    }

    /// The token that opens the admin address, where no password is configured and none is known yet: that of an
    /// earlier process, or a new one, which is said. This one line is the only place where a credential is ever shown.
    pub(crate) fn need_token(&self) {
        let snapshot = self.snapshot.load();
        if snapshot.admin.password.is_some() || self.door().token.is_some() {
            return;
        }
        match token::recall(&snapshot.data_dir) {
            Ok(Some(token)) => {
                tracing::info!("the token that was made earlier opens the admin address; `weir token` makes a new one");
                self.door().token = Some(token);
                return;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the token that was made earlier cannot be read"),
        }
        let made = token::make(&snapshot.data_dir);
        let made = made.and_then(|text| Ok((token::recall(&snapshot.data_dir)?, text)));
        match made.or_else(|error| {
            tracing::warn!(%error, "the token cannot be kept: another one is made at the next start");
            random().map(|text| (Some(Token::of(&text)), text))
        }) {
            Ok((token, text)) => {
                self.door().token = token;
                tracing::info!(
                    token = text,
                    "no password is configured: this token opens the admin address; it is not shown again"
                );
            }
            Err(error) => tracing::error!(%error, "no token can be made: nobody can log in"),
        }
    }

    /// What the file was when it was last read.
    pub(crate) fn seen(&self) -> Option<Seen> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file has been read, or put back, as it is now.
    pub(crate) fn saw(&self, seen: Option<Seen>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Who listens to what happens.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// What clients have used.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what rests, for the next process.
    pub(crate) fn keep_health(&self) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).store(health::rows(&self.board));
    }

    /// Writes down what clients have used, for the next process.
    pub(crate) fn keep_meters(&self) {
        self.kept_meters.lock().unwrap_or_else(PoisonError::into_inner).store(self.meters.said());
    }

    /// Writes down who is logged in, for the next process. At once: few log in, and each would have to do it again.
    pub(crate) fn keep_sessions(&self) {
        let said = self.door().said();
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).store(said);
    }

    pub(crate) fn tell(&self, command: Command) -> Result<(), String> {
        (self.tell.lock().unwrap_or_else(PoisonError::into_inner))(command)
    }

    /// Waits until everything that has ended on the cores is in the collector: each core is asked to hand over
    /// what it holds, and says so in its tally. A core that does not answer in time is not waited for.
    pub(crate) async fn settle(&self) {
        self.settle_within(limits::SETTLE_MS_MAX).await;
    }

    /// The same with a bound; false when it was over before all cores had answered.
    async fn settle_within(&self, ms: u64) -> bool {
        let number = self.settles.fetch_add(1, Ordering::Relaxed) + 1;
        // Makes room, so that a core can hand over at once.
        self.collector().drain();
        let asked = self.tell(Command::Settle(number));
        let deadline = Instant::now() + Duration::from_millis(ms);
        let mut settled = false;
        while !settled && asked.is_ok() && Instant::now() < deadline {
            self.collector().drain();
            settled = self.collector().settled(number);
            if !settled {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.collector().drain();
        settled
    }

    /// Has all that has ended written down. Gives what could not be; nothing where the store does not answer.
    pub(crate) async fn stored(&self, store: &Store) -> Option<Flushed> {
        self.settle().await;
        let deadline = Instant::now() + Duration::from_millis(limits::STORE_FLUSH_MS_MAX);
        // A file that begins anew needs a second batch: what was counted before it began.
        for _ in 0..3 {
            while !self.collector().hand_over(store, true) {
                if Instant::now() >= deadline {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let flushed = store.flush().await?;
            if !store.wants_seed() {
                return Some(flushed);
            }
        }
        None
    }

    /// Whether no connection is left and none can come any more.
    pub(crate) fn is_empty(&self) -> bool {
        let collector = self.collector();
        let doors = collector.sum(|tally| tally.doors_open.get());
        fence(Ordering::Acquire);
        doors + collector.sum(|tally| tally.sessions_open.get()) == 0
    }

    /// Connections of clients now.
    pub(crate) fn sessions(&self) -> u64 {
        self.collector().sum(|tally| tally.sessions_open.get())
    }
}

/// 32 random bytes of the kernel.
fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The same in hexadecimal.
fn random() -> io::Result<String> {
    Ok(disk::hex(&random_bytes()?))
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
