//! The order of start and stop: configuration, driver, listeners, cores, control; stop is the reverse.
//!
//! Every core is a thread that never returns: a monoio runtime that is dropped with work in flight leaks or
//! worse, so the process exits under the cores once control says that they are drained.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::ArcSwap;

use crate::config::Snapshot;
use crate::config::listen::Listen;
use crate::config::snapshot::Cores;
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::record::{Tally, Teller, Told};
use crate::relay::{Command, Core, Parts};
use crate::rt::{self, Bound, Doorbell, Driver, Inbox, Listener, Monoio, sys};

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
    /// Connections of clients on all cores.
    pub connections: Arc<AtomicUsize>,
}

impl Fleet {
    /// Starts the cores on `driver`. They listen nowhere yet.
    pub fn start(
        driver: Driver,
        snapshot: &Arc<ArcSwap<Snapshot>>,
        addresses: &Arc<ArcSwap<AddressBook>>,
    ) -> io::Result<(Arc<Fleet>, Vec<Started>)> {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = match snapshot.load().cores {
            Cores::Auto => sys::cpus(),
            Cores::Number(count) => usize::from(count),
        };
        let salt = sys::random_u32();
        let (mut bells, mut started) = (Vec::new(), Vec::new());
        for index in 0..count {
            let tally = Arc::new(Tally::new());
            let (teller, told) = Teller::new(Arc::clone(&tally));
            let (bell, inbox) = rt::inbox(limits::COMMANDS_MAX)?;
            let parts = Parts {
                index: index as u16,
                salt,
                snapshot: Arc::clone(snapshot),
                addresses: Arc::clone(addresses),
                connections: Arc::clone(&connections),
                teller,
                tally: Arc::clone(&tally),
            };
            thread::Builder::new().name(format!("core-{index}")).spawn(move || core(driver, index, parts, inbox))?;
            bells.push(bell);
            started.push(Started { tally, told });
        }
        let fleet = Fleet { bells: Mutex::new(bells), bound: Mutex::default(), connections };
        Ok((Arc::new(fleet), started))
    }

    /// Listens on exactly `wanted`: all or nothing. What is new is bound first; only when every address could
    /// be had do the cores hear of it, and what is no longer wanted is closed.
    pub fn listen(&self, wanted: &[Listen]) -> Result<(), String> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Vec::new();
        for at in wanted {
            let name = at.to_string();
            if !bound.contains_key(&name) {
                let listener = rt::bind(at).map_err(|error| format!("cannot listen on {name}: {error}"))?;
                fresh.push((name, listener));
            }
        }
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
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
                remove_path(listener);
            }
            keep
        });
        Ok(())
    }

    /// The addresses in use, with the port that was given where none was chosen.
    pub fn addresses(&self) -> Vec<String> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = bound.values().map(Bound::name).collect();
        names.sort();
        names
    }

    /// Asks every core to hand over what has ended.
    pub fn settle(&self, number: u64) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter_mut().for_each(|bell| send(bell, Command::Settle(number)));
    }

    /// Stops accepting and lets the sessions end. Connections that come now are refused by the kernel.
    pub fn drain(&self) {
        for (_, listener) in self.bound.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            remove_path(&listener);
        }
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter_mut().for_each(|bell| send(bell, Command::Drain));
    }
}

/// A core reads its commands within a tick; one that has not for so many of them has stopped.
fn send(bell: &mut Doorbell<Command<Bound>>, command: Command<Bound>) {
    if bell.send(command).is_err() {
        tracing::error!("a core does not read its commands");
    }
}

fn remove_path(listener: &Bound) {
    if let Bound::Unix(_, path) = listener {
        // Somebody else's file by now, or gone: nothing to do about either.
        let _ = std::fs::remove_file(path);
    }
}

/// The life of a core. Whatever stops it stops the process: a service that serves with half its cores only
/// looks alive.
fn core(driver: Driver, index: usize, parts: Parts, inbox: Inbox<Command<Bound>>) {
    let outcome = sys::block_signals().and_then(|()| {
        // Without a CPU of its own a core still works.
        let _ = sys::pin(index);
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
