//! The data plane in a world without a kernel: clients, upstreams and their faults, all from one seed.
//!
//! A seed is a whole history: who asks what and when, how bytes are cut, what each upstream does, when the
//! configuration is replaced and the wall clock jumps. Whatever happens, the laws of [`oracle`] hold. The same seed
//! gives the same history, so a failing one is one command: `WEIR_SIM_SEED=7 cargo test --lib sim`.

mod client;
mod net;
mod oracle;
mod speech;
mod storm;
mod talk;
mod upstream;
mod world;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use self::client::Client;
use self::net::{Door, Sim};
use self::speech::Speech;
use self::upstream::{Ledger, Upstream};
use self::world::World;
use crate::config::{self, Outside, Overrides, Snapshot};
use crate::plan::addresses::AddressBook;
use crate::plan::board::Board;
use crate::plan::pace::Paces;
use crate::plan::quota::Meters;
use crate::record::{Tally, Teller, Told};
use crate::relay::{AtRest, Command, Core, Parts};

/// What clients call with.
const CLIENT_KEY: &str = "sk-canary-of-the-client";
/// What every key of an upstream begins with.
const UPSTREAM_KEY: &str = "sk-canary-upstream";
/// The model of each upstream's target.
const MODELS: [&str; 3] = ["model-a", "model-b", "model-c"];
/// Attempts that a request may take; more than there are keys.
const ATTEMPTS_MAX: usize = 12;
/// Seeds that a run of the tests takes; the gate sets WEIR_SIM_SEEDS to more.
const SEEDS: u64 = 300;

/// Clients of a history.
const CLIENTS_MAX: usize = 6;

/// Names of the providers.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// How a provider's keys take turns.
const BALANCES: [&str; 5] = ["round_robin", "weighted", "fill_first", "least_busy", "fastest"];

/// What kind of trouble a history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Faults by lot, one request at a time.
    Showers,
    /// Spells of them by the clock, over providers with more keys.
    Storm {
        /// The balance of all providers.
        balance: &'static str,
    },
}

impl Weather {
    /// How many keys a provider has.
    fn keys(self, number: usize) -> usize {
        match self {
            Weather::Showers => 3 - number,
            Weather::Storm { .. } => 4 - number,
        }
    }
}

/// What a history is about.
#[derive(Clone, Copy, Debug)]
struct Plan {
    weather: Weather,
    /// What each provider speaks.
    speech: [Speech; 3],
    /// Requests that may be under way with a key; 0 for any number.
    most_at_once: usize,
    /// When a second attempt is made beside a slow one; 0 for never.
    hedge_ms: u32,
    /// Whether the last target never does wrong.
    guarded: bool,
    /// Whether none does.
    calm: bool,
}

impl Plan {
    fn new(world: &World) -> Plan {
        let weather = match world.once_in(3) {
            true => Weather::Storm { balance: BALANCES[world.below(BALANCES.len())] },
            false => Weather::Showers,
        };
        let is_translated = world.once_in(2);
        let speech = |_| if is_translated { Speech::ALL[world.below(3)] } else { Speech::Chat };
        let most_at_once = if world.once_in(3) { 1 + world.below(2) } else { 0 };
        let hedge_ms = if world.once_in(3) { 20 + world.below(600) as u32 } else { 0 };
        let calm = hedge_ms > 0 && world.once_in(4);
        let guarded = calm || world.once_in(2);
        Plan { weather, speech: [0; 3].map(speech), most_at_once, hedge_ms, guarded, calm }
    }
}

/// The configuration; `turn` makes one that differs from the last.
fn snapshot(plan: &Plan, turn: u64) -> Arc<Snapshot> {
    let Plan { weather, most_at_once, hedge_ms, .. } = *plan;
    let balance = match weather {
        Weather::Showers => BALANCES[0],
        Weather::Storm { balance } => balance,
    };
    let provider = |number: usize| {
        let name = NAMES[number];
        // There is room in a line for all clients, and nobody is sent away before the others are served.
        let bound = format!(r#""max_concurrent": {most_at_once}, "queue": {CLIENTS_MAX}, "queue_ms": 3600000"#);
        let key = |key| format!(r#"{{"key": "{UPSTREAM_KEY}-{name}{key}", "weight": {}, {bound}}}"#, key % 3 + 1);
        format!(
            r#""{name}": {{"protocol": "{}", "base_url": "http://10.0.0.{}:80", "balance": "{balance}", "keys": [{}]}}"#,
            plan.speech[number].name(),
            number + 1,
            (0..weather.keys(number)).map(key).collect::<Vec<_>>().join(",")
        )
    };
    let text = format!(
        r#"{{"listen": "127.0.0.1:0", "clients": {{"client": {{"key": "{CLIENT_KEY}"}}}}, "providers": {{{}, {}, {}}},
        "routes": {{"r": {{"to": ["a/model-a", "b/model-b", "c/model-c"]}}}}, "default_route": "r",
        "retry": {{"attempts_max": {ATTEMPTS_MAX}, "rounds_max": {}, "hedge_ms": {hedge_ms}}}, "timeouts": {{"connect_ms": 3000, "answer_ms": 20000,
        "first_token_ms": 15000, "stream_idle_ms": 20000, "keep_alive_ms": {}}}}}"#,
        provider(0),
        provider(1),
        provider(2),
        turn % 3,
        60_000 + turn
    );
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    let read = config::read(text.as_bytes(), &outside, &Overrides::default());
    Arc::new(read.snapshot.expect("the configuration is right"))
}

/// Everything that one seed leaves behind.
struct History {
    asked: Vec<client::Asked>,
    ledger: Rc<Ledger>,
    plan: Plan,
    /// Exchanges that were told.
    told: usize,
    tally: Arc<Tally>,
    connections: Arc<AtomicUsize>,
    at_rest: AtRest,
    /// Requests that still have a key or wait for one.
    busy: u32,
    clock_jumped: bool,
}

fn run(seed: u64) -> History {
    let world = World::new(seed);
    let plan = Plan::new(&world);
    let sim = Sim::new(&world);
    let source = Arc::new(ArcSwap::new(snapshot(&plan, 0)));
    let tally = Arc::new(Tally::new());
    let (teller, mut ring) = Teller::new(Arc::clone(&tally));
    let connections = Arc::new(AtomicUsize::new(0));
    let board = Arc::new(Board::new());
    let core = Core::new(
        sim.clone(),
        Parts {
            index: 0,
            salt: 7,
            snapshot: Arc::clone(&source),
            addresses: Arc::new(ArcSwap::from_pointee(AddressBook::literal(&source.load()))),
            board: Arc::clone(&board),
            connections: Arc::clone(&connections),
            paces: Arc::new(Paces::default()),
            meters: Arc::new(Meters::default()),
            waits: Arc::default(),
            teller,
            tally: Arc::clone(&tally),
        },
    );
    world.spawn(Rc::clone(&core).tick());
    let front = Door::default();
    core.command(Command::Listen("front".to_owned(), front.clone()));
    let ledger = Rc::new(Ledger::default());
    raise(&world, &sim, &plan, &ledger);
    disturb(&world, plan, &source);
    let diary: client::Diary = Rc::default();
    let left = visit(&world, &front, plan.weather, &diary, &ledger);
    let in_time = world.run(world.now_us() + HOURS_US, || left.get() == 0);
    assert!(in_time, "a client still waits after hours: {:?}", diary.borrow());
    // What is still under way notices that its client has left, and idle lanes and connections time out.
    world.run(world.now_us() + AFTERWARDS_US, || false);
    let asked = diary.borrow().clone();
    let at_rest = core.at_rest();
    let rows = board.rows(&source.load());
    let busy = rows.iter().map(|row| row.busy.load(Ordering::Relaxed) + row.line.len()).sum();
    world.end();
    let clock_jumped = world.clock_jumped();
    let told = std::iter::from_fn(|| ring.pop().ok()).filter(|told| matches!(told, Told::Exchange(_))).count();
    History { asked, ledger, plan, told, tally, connections, at_rest, busy, clock_jumped }
}

/// Puts the providers in their places.
fn raise(world: &Rc<World>, sim: &Sim, plan: &Plan, ledger: &Rc<Ledger>) {
    let ill = [2, 3, 5, 20][world.below(4)];
    for (number, name) in NAMES.into_iter().enumerate() {
        let is_well = plan.calm || plan.guarded && number == NAMES.len() - 1;
        let (wrong_once_in, spells) = match plan.weather {
            _ if is_well => (0, Vec::new()),
            Weather::Showers => (ill, Vec::new()),
            Weather::Storm { .. } => (0, storm::weather(world, name, plan.weather.keys(number))),
        };
        let wrong_once_in = Cell::new(wrong_once_in);
        let (speech, world, ledger) = (plan.speech[number], Rc::clone(world), Rc::clone(ledger));
        let upstream = Rc::new(Upstream { world: Rc::clone(&world), number, speech, wrong_once_in, spells, ledger });
        let at: SocketAddr = ([10, 0, 0, number as u8 + 1], 80).into();
        let reached = Rc::clone(&upstream);
        world.spawn(upstream.run(sim.listen(at, move || reached.reach())));
    }
}

/// Sends the clients, and says how many are still there.
fn visit(world: &Rc<World>, front: &Door, weather: Weather, diary: &client::Diary, ledger: &Ledger) -> Rc<Cell<usize>> {
    let count = 1 + world.below(CLIENTS_MAX);
    let left = Rc::new(Cell::new(count));
    for number in 0..count {
        let client = match weather {
            Weather::Showers => Client { number, requests: 1 + world.below(3), conversation: None },
            // Two clients may share a conversation.
            Weather::Storm { .. } => {
                Client { number, requests: 1 + world.below(12), conversation: Some(format!("talk-{}", number / 2)) }
            }
        };
        if let Some(conversation) = &client.conversation {
            ledger.conversations.borrow_mut().insert(format!("c{number}"), conversation.clone());
        }
        let task = client::run(Rc::clone(world), front.clone(), client, Rc::clone(diary));
        let left = Rc::clone(&left);
        world.spawn(async move {
            task.await;
            left.set(left.get() - 1);
        });
    }
    left
}

/// No client waits for longer, whatever its upstreams do.
const HOURS_US: u64 = 3 * 3_600 * 1_000_000;
/// Longer than every timeout of the configuration.
const AFTERWARDS_US: u64 = 180 * 1_000_000;

/// Replaces the configuration and moves the wall clock, now and then.
fn disturb(world: &Rc<World>, plan: Plan, source: &Arc<ArcSwap<Snapshot>>) {
    let (world, source) = (Rc::clone(world), Arc::clone(source));
    let snapshots: Vec<Arc<Snapshot>> = (1..1 + world.below(4) as u64).map(|turn| snapshot(&plan, turn)).collect();
    Rc::clone(&world).spawn(async move {
        for snapshot in snapshots {
            world.sleep(world.below(15_000) as u64).await;
            source.store(snapshot);
            // What a storm has taught must hold by the clock that taught it.
            if plan.weather == Weather::Showers && world.once_in(2) {
                world.jump();
            }
        }
    });
}

/// Runs one seed and says what was wrong.
fn judge(seed: u64) -> Result<(), String> {
    let outcome = std::panic::catch_unwind(|| oracle::judge(&run(seed)));
    outcome.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.or_else(|| panic.downcast_ref::<&str>().map(|&said| said.to_owned())).unwrap_or_default())
    })
}

#[test]
fn the_laws_hold_in_every_history() {
    let seeds = match std::env::var("WEIR_SIM_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("WEIR_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..std::env::var("WEIR_SIM_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds")),
    };
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().is_ok_and(|failed| failed.len() >= 3) {
                        return;
                    }
                    if let Err(why) = judge(seed) {
                        failed.lock().expect("no thread panics with it").push(format!("seed {seed}: {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics with it");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_seed_is_one_history() {
    let told = |seed| format!("{:?}", run(seed).asked);
    for seed in 0..20 {
        assert_eq!(told(seed), told(seed), "seed {seed}");
    }
}
