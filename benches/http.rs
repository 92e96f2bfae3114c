//! Cost of the HTTP/1.1 codec: a request head as Claude Code and an OpenAI SDK send it, a response head, the
//! fields written for the next hop, and a read of 16 KiB that holds 60 chunks.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weir::http::body::{Decoder, Framing};
use weir::http::field::{self, Fields};
use weir::http::head::{self, Asked, HeadLimits};
use weir::http::write;

const CLAUDE_CODE: &[u8] = b"POST /v1/messages?beta=true HTTP/1.1\r\n\
    Host: 127.0.0.1:7070\r\n\
    Connection: keep-alive\r\n\
    Accept: application/json\r\n\
    Authorization: Bearer sk-weir-0123456789abcdef0123456789abcdef\r\n\
    Content-Type: application/json\r\n\
    User-Agent: claude-cli/2.1.197 (external, cli)\r\n\
    X-Claude-Code-Session-Id: 5a3c2f1e-6f5d-4c7e-9a3b-1d2e3f405162\r\n\
    X-Stainless-Retry-Count: 0\r\n\
    anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,context-management-2025-06-27\r\n\
    anthropic-version: 2023-06-01\r\n\
    accept-encoding: gzip, deflate, br, zstd\r\n\
    Content-Length: 118041\r\n\r\n";

const OPENAI_SDK: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\n\
    Host: 127.0.0.1:7070\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\n\
    Accept: application/json\r\n\
    Content-Type: application/json\r\n\
    User-Agent: OpenAI/Python 3.52.0\r\n\
    X-Stainless-Lang: python\r\n\
    X-Stainless-Package-Version: 3.52.0\r\n\
    X-Stainless-OS: Linux\r\n\
    X-Stainless-Runtime: CPython\r\n\
    Authorization: Bearer sk-weir-0123456789abcdef0123456789abcdef\r\n\
    Content-Length: 1024\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/event-stream; charset=utf-8\r\n\
    Transfer-Encoding: chunked\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: no-cache\r\n\
    anthropic-ratelimit-requests-remaining: 3999\r\n\
    anthropic-ratelimit-tokens-remaining: 1999000\r\n\
    request-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n\
    Server: cloudflare\r\n\r\n";

fn heads(c: &mut Criterion) {
    let limits = HeadLimits::default();
    let mut fields = Fields::new();
    let mut group = c.benchmark_group("http_head");
    for (name, text) in [("claude_code", CLAUDE_CODE), ("openai_sdk", OPENAI_SDK)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| head::request(black_box(text), &mut 0, &mut fields, &limits).is_ok_and(|head| head.is_some()));
        });
    }
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response", |b| {
        b.iter(|| {
            let head = head::response(black_box(RESPONSE), &mut 0, &mut fields, Asked::Other, &limits);
            head.is_ok_and(|head| head.is_some())
        });
    });
    let read = head::request(CLAUDE_CODE, &mut 0, &mut fields, &limits);
    assert!(read.is_ok_and(|head| head.is_some()));
    let mut out = Vec::new();
    group.bench_function("forward_fields", |b| {
        b.iter(|| {
            out.clear();
            write::forward_fields(black_box(CLAUDE_CODE), &fields, &mut out, field::is_credential);
            out.len()
        });
    });
    group.finish();
}

fn chunks(c: &mut Criterion) {
    let mut text = Vec::new();
    while text.len() + 280 < 16 * 1024 {
        let (line, used) = write::chunk_head(264);
        text.extend_from_slice(&line[..used]);
        text.resize(text.len() + 264, b'x');
        text.extend_from_slice(write::CRLF);
    }
    let mut group = c.benchmark_group("http_chunked");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("60_chunks_in_16_kib", |b| {
        b.iter_batched_ref(
            || text.clone(),
            |slab| Decoder::new(Framing::Chunked).decode(slab).is_ok_and(|piece| piece.data.len() > 15_000),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, heads, chunks);
criterion_main!(benches);
