//! What recording an exchange of 32 KB costs its core: all but the bodies, the bodies too, and beside them one copy of the
//! same bytes. Whoever takes recordings at the other end is left out: that is another thread.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::base::id::RequestId;
use weir::record::tap::{Held, Recording, Tap};
use weir::record::{Entry, Model, Tally, Teller, Tokens};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 24 KB are asked, 8 KB answered in events.
const ASKED: usize = 24 * 1024;
const EVENT: usize = 128;
const EVENTS: usize = 64;

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
    // As it is at work: what is recorded goes to another thread, which gives the memory back.
    let (way, end) = std::sync::mpsc::sync_channel::<Box<Recording>>(weir::limits::TRACES_WAITING);
    let taker = std::thread::spawn(move || {
        loop {
            match end.try_recv() {
                Ok(recording) => drop(black_box(recording)),
                Err(TryRecvError::Empty) => std::thread::sleep(std::time::Duration::from_micros(50)),
                Err(TryRecvError::Disconnected) => return,
            }
        }
    });
    group.bench_function("bodies too, left to another thread", |b| {
        b.iter(|| {
            let recording = recorded(&held, black_box(&body), black_box(&event));
            teller.tell(black_box(&entry));
            (way.try_send(Box::new(recording)).is_ok(), ring.pop())
        });
    });
    drop(way);
    group.bench_function("one copy", |b| b.iter(|| copied(black_box(&body), black_box(&event))));
    group.finish();
    taker.join().expect("the taker ends");
}

criterion_group!(benches, recording);
criterion_main!(benches);
