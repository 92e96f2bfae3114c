//! Decisions: the pick of a key among 10 and among 1,000, a whole decision from a client's key to the upstream's head,
//! and two cores on one board.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use weir::base::hash;
use weir::base::span::Span;
use weir::config::snapshot::KeyIx;
use weir::config::{self, Outside, Overrides, Snapshot};
use weir::http::field::{Field, Fields, Name, is_credential};
use weir::http::write;
use weir::limits;
use weir::plan::board::{Board, KeyRow, Model};
use weir::plan::conversation;
use weir::plan::pace::Paces;
use weir::plan::pool::{Keys, Pool, Use};
use weir::plan::route::{self, Question};
use weir::plan::spread::{self, Now, Turns};
use weir::protocol::address::{self, Upstream};
use weir::protocol::path::{Call, Endpoint};
use weir::protocol::{Dialect, sniff};

const NOW_MS: u64 = 1_795_000_000_000;

fn snapshot(text: &str) -> Snapshot {
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration")
}

/// One provider with so many keys.
fn one(balance: &str, keys: u32) -> Snapshot {
    let keys: Vec<String> = (0..keys).map(|key| format!(r#"{{"key": "k{key}", "weight": {}}}"#, key % 8 + 1)).collect();
    snapshot(&format!(
        r#"{{"providers": {{"p": {{"protocol": "chat", "base_url": "http://127.0.0.1:1", "balance": "{balance}", "keys": [{}]}}}}}}"#,
        keys.join(",")
    ))
}

/// What the relay asks of the board for a pool.
struct Ready<'a> {
    s: &'a Snapshot,
    board: &'a Board,
    rows: &'a [std::sync::Arc<KeyRow>],
    name: &'a str,
    model: Model<'a>,
}

impl Keys for Ready<'_> {
    #[inline]
    fn state(&self, key: KeyIx) -> Use {
        let (known, row) = (&self.s.keys[usize::from(key)], &self.rows[usize::from(key)]);
        let free = known.serves(self.name) && self.board.is_open(row, self.model, NOW_MS, &self.s.cooldown);
        if free && !row.is_full(known.max_concurrent) { Use::Free } else { Use::Not }
    }
    fn busy(&self, key: KeyIx) -> u32 {
        self.rows[usize::from(key)].busy.load(Ordering::Relaxed)
    }
    fn pace(&self, key: KeyIx) -> Option<(u32, u32)> {
        self.rows[usize::from(key)].paces[1].get().map(|pace| (pace.average_us, pace.measured_s))
    }
    fn streamed(&self) -> bool {
        true
    }
}

fn pick(c: &mut Criterion) {
    let board = Board::new();
    for balance in ["round_robin", "weighted", "fill_first", "least_busy", "fastest"] {
        for keys in [10, 1_000] {
            let s = one(balance, keys);
            let rows = board.rows(&s);
            for (place, row) in rows.iter().enumerate() {
                row.busy.store(1 + place as u32 % 3, Ordering::Relaxed);
                row.paces[1].tell(200_000 + place as u64 * 7_919 % 100_003, 1_795_000_000 + place as u64);
            }
            let pool = Pool::new(&s, 0, 0, |key| rows[usize::from(key)].fingerprint());
            let ready = Ready { s: &s, board: &board, rows: &rows, name: "m", model: Model::new("m") };
            c.bench_function(&format!("pick/{balance}/{keys}"), |b| {
                b.iter(|| black_box(pool.pick(&ready, None, &board.bindings)));
            });
            if balance == "round_robin" {
                let ids: Vec<u64> = (0..1_000).map(|n| hash::mix(n, 7)).collect();
                let mut turn = 0;
                c.bench_function(&format!("pick/conversation/{keys}"), |b| {
                    b.iter(|| {
                        turn = (turn + 1) % ids.len();
                        black_box(pool.pick(&ready, Some(ids[turn]), &board.bindings))
                    });
                });
            }
        }
    }
}

/// 20 providers, 200 keys, 2,000 published models, 10,000 clients.
fn large() -> Snapshot {
    let mut text = String::from(r#"{"listen": "127.0.0.1:0", "providers": {"#);
    for provider in 0..20 {
        let keys: Vec<String> = (0..10).map(|key| format!("\"k{provider}-{key}\"")).collect();
        let models: Vec<String> = (0..100).map(|model| format!("\"model-{}\"", provider * 100 + model)).collect();
        let _ = write!(
            text,
            r#""p{provider}": {{"protocol": "chat", "base_url": "http://127.0.0.1:{}/v1", "keys": [{}], "models": [{}]}},"#,
            9_000 + provider,
            keys.join(","),
            models.join(",")
        );
    }
    text.push_str(
        r#"}, "routes": {"r": {"to": ["p0/model-1", "p1", "p2"], "models": {"gpt-*": ["p3", "p4/x"]}}}, "clients": {"#,
    );
    for client in 0..10_000 {
        let _ = write!(
            text,
            r#""c{client}": {{"key": "key-of-client-{client}", "models": ["model-*", "gpt-*", "auto"]}},"#
        );
    }
    text.push_str("}}");
    snapshot(&text)
}

/// A head as an SDK of OpenAI sends it.
fn head(conversation: &str) -> (Vec<u8>, Fields) {
    let lines = [
        ("host", "127.0.0.1:7070"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 2.8.0"),
        ("x-stainless-lang", "python"),
        ("x-stainless-async", "false"),
        ("authorization", "Bearer key-of-client-7777"),
        ("content-length", "120"),
        ("x-session-id", conversation),
    ];
    let (mut input, mut fields) = (Vec::new(), Fields::new());
    for (name, value) in lines {
        let start = input.len();
        input.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        let value_at = start + name.len() + 2;
        fields.push(Field {
            name: Span::new(start, start + name.len()),
            value: Span::new(value_at, value_at + value.len()),
            known: Name::recognise(name.as_bytes()),
        });
    }
    (input, fields)
}

fn decision(c: &mut Criterion) {
    let (s, board, paces) = (large(), Board::new(), Paces::default());
    let (rows, turns) = (board.rows(&s), Turns::new(&s, 0));
    let pools: Vec<Pool> = (0..20).map(|p| Pool::new(&s, p, 0, |key| rows[usize::from(key)].fingerprint())).collect();
    let body =
        br#"{"model":"model-1234","stream":true,"messages":[{"role":"user","content":"hello"}],"temperature":0.2}"#;
    let (_, outline) = sniff::request_outlined(Endpoint::ChatCompletions, body).expect("a request");
    let mut out = Vec::with_capacity(limits::SLAB_BYTES);
    for (name, model, session) in [
        ("published", "model-1234", ""),
        ("mapped", "gpt-5", ""),
        ("auto", "auto", ""),
        ("conversation", "model-1234", "c-1"),
    ] {
        let (input, fields) = head(session);
        c.bench_function(&format!("decision/{name}"), |b| {
            b.iter(|| {
                let client = s.client(black_box(b"key-of-client-7777"));
                let question = Question {
                    client,
                    dialect: Dialect::Chat,
                    forced: None,
                    model: black_box(model),
                    rule: None,
                    scene: None,
                };
                let mut chosen = route::targets(&s, &question).expect("targets");
                spread::arrange(&s, &mut chosen, Now { turns: &turns, paces: &paces, streamed: true });
                let target = chosen.targets[0];
                let pool = &pools[usize::from(target.provider)];
                let told = fields.iter().map(|field| (field.name.of(&input), field.value.of(&input)));
                let conversation = conversation::of(pool.affinity(), told, Some((body, &outline)));
                let model = Model::new(target.model);
                let ready = Ready { s: &s, board: &board, rows: &rows, name: target.model, model };
                let key = pool.pick(&ready, conversation, &board.bindings).expect("a key");
                let leave = board.enter(&rows[usize::from(key)], model, NOW_MS, &s.cooldown).expect("leave");
                upstream_head(&s, &target, key, &input, &fields, &mut out);
                black_box((leave, out.len()))
            });
        });
    }
}

/// The head for the upstream, by the same writers in the same order as the relay's.
fn upstream_head(
    s: &Snapshot,
    target: &route::Target<'_>,
    key: KeyIx,
    input: &[u8],
    fields: &Fields,
    out: &mut Vec<u8>,
) {
    let (provider, key) = (&s.providers[usize::from(target.provider)], &s.keys[usize::from(key)]);
    out.clear();
    out.extend_from_slice(b"POST ");
    let call =
        Call { endpoint: Endpoint::ChatCompletions, dialect: Dialect::Chat, provider: None, model: None, tail: b"" };
    let base = &provider.base;
    let upstream = Upstream { base_path: &base.path, versioned: base.versioned, api_version: &provider.api_version };
    address::target(&call, target.protocol, &upstream, target.model, b"", out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write::field("host", base.authority.as_bytes(), out);
    write::forward_fields(input, fields, out, |field| is_credential(field) || field.known == Name::AcceptEncoding);
    out.extend_from_slice(b"accept-encoding: identity\r\n");
    out.extend_from_slice(key.auth_for(target.protocol).expose());
    write::field_number("content-length", 120, out);
    out.extend_from_slice(b"\r\n");
}

/// Picks, leave and outcome on one board by so many threads at once: how many a second in all.
fn rate(threads: u16, time: Duration) -> f64 {
    let (s, board) = (one("round_robin", 10), Board::new());
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for core in 0..threads {
            let (s, board, stop, done) = (&s, &board, &stop, &done);
            scope.spawn(move || {
                let rows = board.rows(s);
                let pool = Pool::new(s, 0, core, |key| rows[usize::from(key)].fingerprint());
                let ready = Ready { s, board, rows: &rows, name: "m", model: Model::new("m") };
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..1_000 {
                        let key = pool.pick(&ready, None, &board.bindings).expect("a key");
                        let row = &rows[usize::from(key)];
                        let leave = board.enter(row, ready.model, NOW_MS, &s.cooldown).expect("leave");
                        let outcome = weir::plan::breaker::Outcome::Served;
                        black_box(board.tell(row, ready.model, leave, outcome, NOW_MS, &s.cooldown));
                    }
                    count += 1_000;
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// How much more two cores do than one; said once, for criterion knows times only.
fn scale(c: &mut Criterion) {
    let time = Duration::from_millis(500);
    let _warm = rate(2, time);
    let rounds: Vec<f64> = (0..5).map(|_| rate(2, time) / rate(1, time)).collect();
    println!("two cores on one pool do {rounds:.2?} times what one does");
    let _ = c;
}

criterion_group!(plan, pick, decision, scale);
criterion_main!(plan);
