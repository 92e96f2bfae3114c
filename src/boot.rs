//! The order of start and stop: configuration, driver, listeners, cores, control; stop is the reverse.
//!
//! Every core is a thread that never returns: a monoio runtime that is dropped with work in flight leaks or
//! worse, so the process exits under the cores once control says that they are drained.

mod given;
mod successor;

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::cli::{Machine, Start};
use crate::config::Snapshot;
use crate::config::listen::Listen;
use crate::config::snapshot::{Cores, DriverChoice};
use crate::control::{self, DriverReport, Listening, Outcome, Wiring};
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::record::{Tally, Teller, Told};
use crate::relay::{Command, Core, Parts};
use crate::rt::{self, Bound, Doorbell, Driver, Inbox, Listener, Monoio, sys};

pub use self::given::Given;
use self::successor::Will;

/// What this machine offers, for `weir doctor` and `weir version`.
pub fn machine(choice: DriverChoice) -> Machine {
    let pair = |limit: io::Result<sys::Limit>| limit.ok().map(|limit| (limit.soft, limit.hard));
    Machine {
        driver: rt::probe(choice).map(report).map_err(|error| error.to_string()),
        descriptors: pair(sys::descriptors()),
        locked_memory: pair(sys::locked_memory()),
    }
}

fn report(found: rt::Report) -> DriverReport {
    DriverReport { name: found.driver.name(), why: found.why }
}

/// Runs the service to its end. `given` are sockets that were there before it.
pub fn serve(start: Start, given: Given) -> io::Result<ExitCode> {
    let Start { snapshot, warnings, load, seen } = start;
    // Asked now: later the file of this name may be another one, and this one's name lost.
    let program = std::env::current_exe()?;
    control::log::install(snapshot.log.format, snapshot.log.level);
    control::log::hear_panics();
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let found = rt::probe(snapshot.driver)?;
    if let Err(error) = sys::raise_descriptors() {
        tracing::warn!(%error, "the limit on open descriptors could not be raised");
    }
    let handed = given.handed().clone();
    let admin = Listening::bind(&snapshot, given.admin, given.predecessor.is_some())
        .map_err(|error| named(&snapshot.admin.listen, &error))?;
    let will = Will { program, admin: admin.duplicate(&snapshot)?, handed };
    let addresses = Arc::new(ArcSwap::from_pointee(AddressBook::literal(&snapshot)));
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let (fleet, started) = Fleet::start(found.driver, &snapshot, &addresses)?;
    fleet.adopt(given.relay, will.handed.relay.clone());
    let begin = {
        let (fleet, snapshot, found, cores) = (Arc::clone(&fleet), Arc::clone(&snapshot), found.clone(), started.len());
        Box::new(move || {
            fleet.listen(&snapshot.load().listen).map_err(io::Error::other)?;
            fleet.drop_unwanted();
            let listening = fleet.addresses().join(", ");
            let (driver, why) = (found.driver.name(), &found.why);
            tracing::info!(version = control::VERSION, listening, driver, why, cores, "weir serves");
            Ok(())
        })
    };
    let known = fleet.known.clone();
    let succeed = {
        let fleet = Arc::clone(&fleet);
        Box::new(move || will.execute(&fleet))
    };
    let listening_on = {
        let fleet = Arc::clone(&fleet);
        Box::new(move || fleet.addresses())
    };
    let (tallies, rings) = started.into_iter().map(|core| (core.tally, core.told)).unzip();
    let tell = Box::new(move |command| fleet.tell(command));
    let cores = control::Cores { tallies, rings, tell };
    let (driver, predecessor) = (report(found), given.predecessor);
    let wiring = Wiring {
        snapshot,
        addresses,
        known,
        cores,
        driver,
        admin,
        load,
        seen,
        begin,
        predecessor,
        succeed,
        listening_on,
    };
    let code = said(control::run(wiring)?);
    // The cores are still there and stay: the process goes from under them.
    rt::leave(code)
}

/// Says how it ended, and with which code the process ends.
fn said(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Drained => {
            tracing::info!("everything under way has ended");
            0
        }
        // An end in order too: this is what `drain_ms` asks for.
        Outcome::Deadline { sessions } => {
            tracing::warn!(sessions, "the time to drain is over; connections are cut");
            0
        }
        // As a shell reports a process that a signal has ended.
        Outcome::Interrupted { signal } => {
            tracing::warn!("interrupted");
            128 + signal
        }
    }
}

fn named(listen: &Listen, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
}

/// A core that runs: what control keeps of it.
pub struct Started {
    /// Its counters.
    pub tally: Arc<Tally>,
    /// Its finished exchanges.
    pub told: rtrb::Consumer<Told>,
}

/// All cores, and the way to command them.
pub struct Fleet {
    bells: Mutex<Vec<Doorbell<Command<Bound>>>>,
    /// What is listened on, by its name in the configuration.
    bound: Mutex<HashMap<String, Bound>>,
    /// Sockets that were there before this process and are not listened on yet.
    given: Mutex<HashMap<String, Bound>>,
    /// Names of those that systemd holds: their files are not ours to remove.
    handed: Mutex<Vec<String>>,
    /// Connections of clients on all cores.
    pub connections: Arc<AtomicUsize>,
    /// What is known of keys, clients and targets.
    pub known: control::Known,
}

impl Fleet {
    /// Starts the cores on `driver`. They listen nowhere yet.
    pub fn start(
        driver: Driver,
        snapshot: &Arc<ArcSwap<Snapshot>>,
        addresses: &Arc<ArcSwap<AddressBook>>,
    ) -> io::Result<(Arc<Fleet>, Vec<Started>)> {
        let connections = Arc::new(AtomicUsize::new(0));
        let known = control::Known::default();
        let count = match snapshot.load().cores {
            Cores::Auto => sys::cpus(),
            Cores::Number(count) => usize::from(count),
        };
        let salt = sys::random_u32();
        let pinned = count == sys::cpus();
        let (mut bells, mut started) = (Vec::new(), Vec::new());
        for index in 0..count {
            let tally = Arc::new(Tally::new());
            let (mut teller, told) = Teller::new(Arc::clone(&tally));
            teller.traces_to(Arc::clone(&known.traces));
            let (bell, inbox) = rt::inbox(limits::COMMANDS_MAX)?;
            let parts = Parts {
                index: index as u16,
                salt,
                snapshot: Arc::clone(snapshot),
                addresses: Arc::clone(addresses),
                board: Arc::clone(&known.board),
                connections: Arc::clone(&connections),
                paces: Arc::clone(&known.paces),
                meters: Arc::clone(&known.meters),
                waits: Arc::clone(&known.waits),
                teller,
                tally: Arc::clone(&tally),
            };
            thread::Builder::new()
                .name(format!("core-{index}"))
                .spawn(move || core(driver, index, pinned, parts, inbox))?;
            bells.push(bell);
            started.push(Started { tally, told });
        }
        let fleet = Fleet {
            bells: Mutex::new(bells),
            bound: Mutex::default(),
            given: Mutex::default(),
            handed: Mutex::default(),
            connections,
            known,
        };
        Ok((Arc::new(fleet), started))
    }

    /// Takes sockets to listen on where their names are asked for; `handed` are systemd's.
    fn adopt(&self, given: Vec<(String, Bound)>, handed: Vec<String>) {
        *lock(&self.given) = given.into_iter().collect();
        *lock(&self.handed) = handed;
    }

    /// Closes what was given and is not listened on.
    fn drop_unwanted(&self) {
        for (name, listener) in lock(&self.given).drain() {
            tracing::info!(address = name, "no longer listened on");
            self.remove_path(&name, &listener);
        }
    }

    /// Shows `see` what is listened on; none of it is closed meanwhile.
    fn with_sockets<T>(&self, see: impl FnOnce(Vec<(String, RawFd)>) -> T) -> T {
        let bound = lock(&self.bound);
        see(bound.iter().map(|(name, listener)| (name.clone(), listener.fd())).collect())
    }

    /// Listens on exactly `wanted`: all or nothing. What is new is bound first; only when every address could
    /// be had do the cores hear of it, and what is no longer wanted is closed.
    pub fn listen(&self, wanted: &[Listen]) -> Result<(), String> {
        let mut bound = lock(&self.bound);
        let mut fresh = Vec::new();
        for at in wanted {
            let name = at.to_string();
            if !bound.contains_key(&name) {
                let listener = match lock(&self.given).remove(&name) {
                    Some(listener) => listener,
                    None => bind(at).map_err(|error| format!("cannot listen on {name}: {error}"))?,
                };
                fresh.push((name, listener));
            }
        }
        let mut bells = lock(&self.bells);
        for (name, listener) in fresh {
            for bell in bells.iter_mut() {
                let copy = listener.duplicate().map_err(|error| format!("cannot listen on {name}: {error}"))?;
                send(bell, Command::Listen(name.clone(), copy));
            }
            bound.insert(name, listener);
        }
        let kept: Vec<String> = wanted.iter().map(Listen::to_string).collect();
        bound.retain(|name, listener| {
            let keep = kept.contains(name);
            if !keep {
                bells.iter_mut().for_each(|bell| send(bell, Command::Unlisten(name.clone())));
                self.remove_path(name, listener);
            }
            keep
        });
        Ok(())
    }

    /// The addresses in use, with the port that was given where none was chosen.
    pub fn addresses(&self) -> Vec<String> {
        let bound = lock(&self.bound);
        let mut names: Vec<String> = bound.values().map(Bound::name).collect();
        names.sort();
        names
    }

    /// Carries out what control asks.
    fn tell(&self, command: control::Command) -> Result<(), String> {
        match command {
            control::Command::Listen(snapshot) => self.listen(&snapshot.listen),
            control::Command::Drain { succeeded } => {
                self.drain(succeeded);
                Ok(())
            }
            control::Command::Settle(number) => {
                self.settle(number);
                Ok(())
            }
        }
    }

    /// Asks every core to hand over what has ended.
    fn settle(&self, number: u64) {
        let mut bells = lock(&self.bells);
        bells.iter_mut().for_each(|bell| send(bell, Command::Settle(number)));
    }

    /// Stops accepting and lets the sessions end. Connections that come now are the successor's, or refused by
    /// the kernel.
    fn drain(&self, succeeded: bool) {
        let sockets = std::mem::take(&mut *lock(&self.bound));
        lock(&self.bells).iter_mut().for_each(|bell| send(bell, Command::Drain));
        for (name, listener) in sockets {
            if !succeeded {
                self.remove_path(&name, &listener);
            }
        }
    }

    fn remove_path(&self, name: &String, listener: &Bound) {
        if let Bound::Unix(_, path) = listener
            && !lock(&self.handed).contains(name)
        {
            // Somebody else's file by now, or gone: nothing to do about either.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Binds, with patience: an address that a reload has just left is ours until the last core has closed it.
fn bind(at: &Listen) -> io::Result<Bound> {
    let mut tries = limits::BIND_TRIES_MAX;
    loop {
        match rt::bind(at) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => {
                tries -= 1;
                thread::sleep(Duration::from_millis(limits::BIND_PAUSE_MS));
            }
            outcome => return outcome,
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A core reads its commands within a tick; one that has not for so many of them has stopped.
fn send(bell: &mut Doorbell<Command<Bound>>, command: Command<Bound>) {
    if bell.send(command).is_err() {
        tracing::error!("a core does not read its commands");
    }
}

/// The life of a core. Whatever stops it stops the process: a service that serves with half its cores only
/// looks alive.
fn core(driver: Driver, index: usize, pinned: bool, parts: Parts, inbox: Inbox<Command<Bound>>) {
    let outcome = sys::block_signals().and_then(|()| {
        // Fewer cores than CPUs: the scheduler places them better than we could, beside whatever else runs here.
        // Without a CPU of its own a core still works.
        if pinned {
            let _ = sys::pin(index);
        }
        rt::run(driver, || async move {
            let core = Core::new(Monoio::new(), parts);
            let ticking = std::rc::Rc::clone(&core);
            rt::Net::spawn(&Monoio::new(), ticking.tick(), || std::process::abort());
            let outcome = inbox.read(|command| obey(&core, command)).await;
            tracing::debug!(?outcome, "control is gone");
            std::future::pending::<()>().await;
        })
    });
    tracing::error!(?outcome, core = index, "a core ended");
    std::process::abort();
}

/// Brings a bound socket onto the core and carries the command out.
fn obey(core: &std::rc::Rc<Core<Monoio>>, command: Command<Bound>) {
    match command {
        Command::Listen(name, bound) => match Listener::new(bound) {
            Ok(listener) => core.command(Command::Listen(name, listener)),
            Err(error) => tracing::error!(%error, address = name, "a core cannot listen"),
        },
        Command::Unlisten(name) => core.command(Command::<Listener>::Unlisten(name)),
        Command::Drain => core.command(Command::<Listener>::Drain),
        Command::Settle(number) => core.command(Command::<Listener>::Settle(number)),
    }
}
