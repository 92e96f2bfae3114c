//! What recording an exchange of 32 KB costs its core: all but the bodies, the bodies too, and beside them one copy of the
//! same bytes; then both where another thread takes what there is, whose time is left out.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::base::id::RequestId;
use weir::config::{self, Outside, Overrides, Snapshot};
use weir::record::mask::Mask;
use weir::record::tap::{Desk, Held, Left, Recording, Tap};
use weir::record::{Entry, Model, Tally, Teller, Tokens};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 24 KB are asked, 8 KB answered in events.
const ASKED: usize = 24 * 1024;
const EVENT: usize = 128;
const EVENTS: usize = 64;

/// Exchanges that end before the other thread has taken them.
const TURN: u64 = 32;

/// How long that thread lets them gather.
const GATHER: Duration = Duration::from_millis(weir::limits::TRACES_GATHER_MS);

/// Heads of both sides, about as long as they are.
const HEAD: [u8; 400] = [b'h'; 400];

fn entry() -> Entry {
    Entry {
        client: 0,
        provider: 0,
        key: 0,
        status: 200,
        attempts: 1,
        model_asked: Model::new("claude-sonnet-4"),
        model_sent: Model::new("claude-sonnet-4"),
        tokens: Tokens { input: 6_123, output: 812, said: true, ..Tokens::default() },
        ..Entry::begun(RequestId::new(1_795_254_816_123, 3, 9, 1), 1_795_254_816_123, 1)
    }
}

/// The bytes as they pass: the client's request, the same bytes from the same place to the upstream, its answer in events, the same to the client.
fn recorded(held: &Held, body: &[u8], event: &[u8]) -> Recording {
    let mut tap = Box::new(Tap::new(held));
    tap.client_head(&HEAD, Some(b"sk-weir-0123456789abcdef"));
    tap.client_body(body);
    tap.begin_try(1);
    tap.upstream_request(&HEAD, body);
    tap.upstream_request(body, body);
    tap.upstream_response(&HEAD, 2);
    tap.client_response(&HEAD);
    for at in 0..EVENTS {
        tap.upstream_response(event, at as u64 + 3);
        tap.client_response(event);
    }
    tap.end(RequestId::new(1, 0, 0, 1), 0)
}

/// The same bytes once, each message in a place that is large enough.
fn copied(body: &[u8], event: &[u8]) -> [Vec<u8>; 4] {
    let asked = || {
        let mut message = Vec::with_capacity(HEAD.len() + ASKED);
        message.extend_from_slice(&HEAD);
        message.extend_from_slice(body);
        message
    };
    let answered = || {
        let mut message = Vec::with_capacity(HEAD.len() + EVENTS * EVENT);
        message.extend_from_slice(&HEAD);
        (0..EVENTS).for_each(|_| message.extend_from_slice(black_box(event)));
        message
    };
    [asked(), asked(), answered(), answered()]
}

fn recording(c: &mut Criterion) {
    let (body, event) = (vec![b'b'; ASKED], vec![b'e'; EVENT]);
    let (mut teller, mut ring) = Teller::new(Arc::new(Tally::new()));
    let (held, entry) = (Held::default(), entry());
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Bytes(2 * (ASKED + EVENTS * EVENT) as u64));
    group.bench_function("all but bodies", |b| {
        b.iter(|| {
            teller.tell(black_box(&entry));
            ring.pop()
        });
    });
    group.bench_function("bodies too", |b| {
        b.iter(|| {
            let recording = recorded(&held, black_box(&body), black_box(&event));
            teller.tell(black_box(&entry));
            (recording, ring.pop())
        });
    });
    group.bench_function("one copy", |b| b.iter(|| copied(black_box(&body), black_box(&event))));
    group.finish();
}

/// As it is at work: what is recorded is left to another thread, which reads it whole and gives the memory back. It is
/// waited for after every few, and that is not counted.
fn left(c: &mut Criterion) {
    let (body, event) = (vec![b'b'; ASKED], vec![b'e'; EVENT]);
    let (desk, snapshot) = (Arc::new(Desk::default()), Arc::new(snapshot()));
    let held = Held::default();
    let mut group = c.benchmark_group("left to another thread");
    group.throughput(Throughput::Bytes(2 * (ASKED + EVENTS * EVENT) as u64));
    let end = desk.end().expect("nobody has it");
    let taken = Arc::clone(&desk);
    let taker = std::thread::Builder::new().name("taker".to_owned());
    let begun = taker.spawn(move || {
        let mask = Mask::new(std::iter::empty());
        while let Ok(first) = end.recv() {
            for left in std::iter::once(first).chain(end.try_iter()) {
                let Left { recording, .. } = *left;
                let bytes = recording.bytes();
                black_box(recording.trace(&mask));
                taken.done(bytes);
            }
            std::thread::sleep(GATHER);
        }
    });
    begun.expect("a thread");
    group.bench_function("bodies", |b| {
        b.iter_custom(|times| {
            in_turns(
                times,
                || desk.is_empty(),
                || {
                    let recording = recorded(&held, black_box(&body), black_box(&event));
                    assert!(desk.leave(Left { recording, snapshot: Arc::clone(&snapshot) }));
                },
            )
        });
    });
    let (way, end) = sync_channel::<Box<[Vec<u8>; 4]>>(weir::limits::TRACES_WAITING);
    let waiting = Arc::new(AtomicUsize::new(0));
    let waits = Arc::clone(&waiting);
    let taker = std::thread::spawn(move || {
        while let Ok(first) = end.recv() {
            for messages in std::iter::once(first).chain(end.try_iter()) {
                messages.iter().for_each(|message| _ = black_box(message.clone()));
                drop(messages);
                waits.fetch_sub(1, Relaxed);
            }
            std::thread::sleep(GATHER);
        }
    });
    group.bench_function("one copy", |b| {
        b.iter_custom(|times| {
            in_turns(
                times,
                || waiting.load(Relaxed) == 0,
                || {
                    waiting.fetch_add(1, Relaxed);
                    let messages = copied(black_box(&body), black_box(&event));
                    assert!(way.try_send(Box::new(messages)).is_ok());
                },
            )
        });
    });
    group.finish();
    drop(way);
    taker.join().expect("the taker ends");
}

/// The time of `times` calls, in turns of a few, between which all has to be `done`.
fn in_turns(times: u64, done: impl Fn() -> bool, mut call: impl FnMut()) -> Duration {
    let (mut spent, mut rest) = (Duration::ZERO, times);
    while rest > 0 {
        let turn = rest.min(TURN);
        let begun = Instant::now();
        (0..turn).for_each(|_| call());
        spent += begun.elapsed();
        while !done() {
            std::hint::spin_loop();
        }
        rest -= turn;
    }
    spent
}

fn snapshot() -> Snapshot {
    let text = br#"{"providers":{"d":{"protocol":"demo"}}}"#;
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    config::read(text, &outside, &Overrides::default()).snapshot.expect("a configuration")
}

criterion_group!(benches, recording, left);
criterion_main!(benches);
