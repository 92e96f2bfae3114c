//! The scan of chat requests, alone and followed by the splice that every relayed request gets.
//!
//! Histories are made, not recorded: messages of 100 to 4,000 bytes, an escape each 50 bytes, every sixth
//! message with accents and emoji, every eighth in Chinese. Of each size there are 4 MiB of different ones in turn,
//! because a processor learns the branches of a text it sees again and again. `cargo bench --bench json`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir::base::span::Span;
use weir::json::edit::{Edits, Patch};
use weir::json::{Escaped, scan};

/// Parameters and tools as clients send them: short strings and punctuation.
const OPENING: &str = r#"{"model":"gpt-4o-mini","temperature":0.7,"max_tokens":1024,"stream":true,"user":"u-1842","tools":[{"type":"function","function":{"name":"get_weather","description":"Current weather of a place","parameters":{"type":"object","properties":{"place":{"type":"string"},"unit":{"type":"string","enum":["c","f"]}},"required":["place"]}}}],"messages":[{"role":"system","content":"You are a careful assistant."}"#;

const WORDS: [&str; 16] = [
    "the",
    "answer",
    "is",
    "in",
    "a",
    "function",
    "which",
    "returns",
    "request",
    "of",
    "each",
    "server",
    "and",
    "then",
    "connection",
    "to",
];
const ACCENTED: [&str; 8] = ["café", "naïve", "größer", "señor", "über", "—", "🙂", "façade"];
const CHINESE: [&str; 8] = ["请求", "服务器", "返回", "函数", "模型", "回答", "连接", "，"];
const ESCAPES: [&str; 10] = ["\\n", "\\n", "\\\"", "\\n\\n", "\\t", "\\n", "\\\"", "\\n", "\\\\", "\\u2014"];

/// A chat history of about `bytes` bytes.
fn history(bytes: usize, mut seed: u64) -> Vec<u8> {
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut text = String::from(OPENING);
    let mut nth = 0;
    while text.len() + 120 < bytes {
        let role = if nth % 2 == 0 { "user" } else { "assistant" };
        text.push_str(&format!(r#",{{"role":"{role}","content":""#));
        let end = (text.len() + 100 + draw(3_900)).min(bytes - 20);
        let mut escaped = text.len();
        while text.len() < end {
            match nth {
                _ if nth % 8 == 5 => text.push_str(CHINESE[draw(8)]),
                _ if nth % 6 == 1 && draw(8) == 0 => text.push_str(ACCENTED[draw(8)]),
                _ => text.push_str(WORDS[draw(16)]),
            }
            text.push(' ');
            if text.len() - escaped > 30 + draw(40) {
                text.push_str(ESCAPES[draw(10)]);
                escaped = text.len();
            }
        }
        text.push_str("\"}");
        nth += 1;
    }
    text.push_str("]}");
    text.into_bytes()
}

/// Where the model stands: what the relay wants of a body.
fn model(body: &[u8]) -> Option<Span> {
    let mut found = None;
    scan::object(body, |text, name, value| {
        if Escaped::at(text, name).eq_str("model") {
            found = Some(value);
        }
    })
    .ok()?;
    found
}

fn benches(c: &mut Criterion) {
    for (name, bytes) in [("1KB", 1 << 10), ("32KB", 32 << 10), ("256KB", 256 << 10), ("2MB", 2 << 20)] {
        let bodies: Vec<Vec<u8>> = (1..=(4 << 20) / bytes as u64).map(|nth| history(bytes, nth)).collect();
        assert!(bodies.iter().all(|body| model(body).is_some()), "the histories must be valid");
        let mut turn = bodies.iter().cycle();
        let mut next = move || black_box(turn.next().map_or(&[][..], Vec::as_slice));
        let mut group = c.benchmark_group("json");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("scan/{name}"), |b| b.iter(|| scan::value(next())));
        // What it takes to find the same members with simd-json: it writes into the text, so it gets a copy.
        group.bench_function(format!("simd_json_tape/{name}"), |b| {
            b.iter(|| {
                let mut copy = next().to_vec();
                simd_json::to_tape(&mut copy).map(|tape| tape.0.len())
            });
        });
        group.bench_function(format!("scan_splice/{name}"), |b| {
            b.iter(|| {
                let body = next();
                let mut edits = Edits::new(body);
                let placed = model(body).map(|span| edits.replace(span, Patch::quoted("claude-sonnet-4-5")));
                (placed, edits.segments().map(<[u8]>::len).sum::<usize>())
            })
        });
        group.finish();
    }
}

criterion_group!(json, benches);
criterion_main!(json);
