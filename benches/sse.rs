//! Splitting and sniffing of an event stream: a slab of 60 Chat chunks at once, and one event per call, which
//! is how a slow model sends them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::protocol::Dialect;
use weir::protocol::sniff::Answer;
use weir::sse::{Framing, Splitter};

const CHUNKS: usize = 60;

/// About 270 bytes, as OpenAI writes them when usage was asked for.
fn chunk(nth: usize) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-B7nIYw3pXq1nQkJbWZkS8v2mC0aLd\",\"object\":\"chat.completion.chunk\",\
         \"created\":1741569952,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\
         \"system_fingerprint\":\"fp_b8bc95a0ac\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{nth:03}\"}},\
         \"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"
    )
}

fn streams(c: &mut Criterion) {
    let chunks: Vec<String> = (0..CHUNKS).map(chunk).collect();
    let slab = chunks.concat();
    let mut group = c.benchmark_group("sse");

    group.throughput(Throughput::Bytes(slab.len() as u64));
    group.bench_function("split/slab of 60 chunks", |b| {
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        b.iter(|| splitter.push(black_box(slab.as_bytes()), |frame| _ = black_box(frame.data)));
    });
    group.bench_function("split and sniff/slab of 60 chunks", |b| {
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        let mut answer = Answer::stream(Dialect::Chat);
        b.iter(|| splitter.push(black_box(slab.as_bytes()), |frame| _ = black_box(answer.frame(&frame))));
    });

    group.throughput(Throughput::Bytes(chunks[0].len() as u64));
    group.bench_function("split/one chunk", |b| {
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        b.iter(|| splitter.push(black_box(chunks[0].as_bytes()), |frame| _ = black_box(frame.data)));
    });
    group.bench_function("split and sniff/one chunk", |b| {
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        let mut answer = Answer::stream(Dialect::Chat);
        b.iter(|| splitter.push(black_box(chunks[0].as_bytes()), |frame| _ = black_box(answer.frame(&frame))));
    });
    let (first, second) = chunks[0].split_at(100);
    group.bench_function("split/one chunk cut in two", |b| {
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        b.iter(|| {
            for piece in [first, second] {
                let _ = splitter.push(black_box(piece.as_bytes()), |frame| _ = black_box(frame.data));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
