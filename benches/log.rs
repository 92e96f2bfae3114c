//! What one finished exchange costs control: its line in the log, and the way from the ring to the totals.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::base::id::RequestId;
use weir::config::snapshot::LogFormat;
use weir::control::log::Log;
use weir::control::names::Names;
use weir::record::{Entry, Model, Tally, Teller, Tokens};

fn entry(sequence: u32) -> Entry {
    Entry {
        client: 0,
        route: 0,
        provider: 0,
        key: 0,
        status: 200,
        attempts: 1,
        model_asked: Model::new("claude-sonnet-4"),
        model_sent: Model::new("anthropic/claude-3.5-sonnet"),
        request_bytes: 24_567,
        response_bytes: 3_456,
        total_us: 2_345_678,
        first_byte_us: 456_789,
        first_token_us: 567_890,
        tokens: Tokens { input: 6_123, output: 812, cache_read: 5_000, cache_write: 0, reasoning: 120, said: true },
        ..Entry::begun(RequestId::new(1_795_254_816_123, 3, 9, sequence), 1_795_254_816_123 + u64::from(sequence), 1)
    }
}

fn lines(c: &mut Criterion) {
    let names = Names {
        clients: ["alice".into()].into(),
        routes: ["coding".into()].into(),
        providers: ["openrouter".into()].into(),
        keys: ["second".into()].into(),
        ..Names::default()
    };
    let entries: Vec<Entry> = (0..1_000).map(entry).collect();
    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Elements(entries.len() as u64));
    for (name, format) in [("text", LogFormat::Text), ("json", LogFormat::Json)] {
        let mut log = Log::new(format, Box::new(std::io::sink()));
        group.bench_function(name, |b| {
            b.iter(|| {
                for entry in &entries {
                    log.exchange(black_box(entry), &names);
                }
                log.flush();
            });
        });
    }
    group.finish();
}

fn telling(c: &mut Criterion) {
    let (mut teller, mut ring) = Teller::new(Arc::new(Tally::new()));
    let entry = entry(1);
    c.bench_function("tell", |b| {
        b.iter(|| {
            teller.tell(black_box(&entry));
            ring.pop()
        });
    });
}

criterion_group!(benches, lines, telling);
criterion_main!(benches);
