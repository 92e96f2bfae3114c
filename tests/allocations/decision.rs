//! A decision allocates nothing: from a client's key to targets in order and to the leave to use one of the keys, in a
//! large configuration.

use std::fmt::Write as _;
use std::hint::black_box;

use crate::counting::allocations;
use weir::config::snapshot::KeyIx;
use weir::config::{self, Outside, Overrides, Snapshot};
use weir::plan::board::{Board, Model};
use weir::plan::conversation;
use weir::plan::pace::Paces;
use weir::plan::pool::{Keys, Pool, Use};
use weir::plan::route::{self, Question};
use weir::plan::spread::{self, Now, Turns};
use weir::protocol::path::Endpoint;
use weir::protocol::{Dialect, sniff};

/// 20 providers, 200 keys, 2,000 published models, 10,000 clients.
fn large(spread: &str, balance: &str) -> Snapshot {
    let mut text = String::from(r#"{"listen": "127.0.0.1:0", "providers": {"#);
    for provider in 0..20 {
        let keys: Vec<String> = (0..10).map(|key| format!("\"k{provider}-{key}\"")).collect();
        let models: Vec<String> = (0..100).map(|model| format!("\"model-{}\"", provider / 2 * 100 + model)).collect();
        let _ = write!(
            text,
            r#""p{provider}": {{"protocol": "chat", "base_url": "http://127.0.0.1:{}", "balance": "{balance}", "keys": [{}], "models": [{}]}},"#,
            9_000 + provider,
            keys.join(","),
            models.join(",")
        );
    }
    let _ = write!(
        text,
        r#"}}, "routes": {{"r": {{"spread": "{spread}", "to": ["p0/model-1", "p1", "p2"], "models": {{"gpt-*": ["p3", "p4/x"]}}}}}}, "clients": {{"#
    );
    for client in 0..10_000 {
        let _ = write!(
            text,
            r#""c{client}": {{"key": "key-of-client-{client}", "models": ["model-*", "gpt-*", "auto"]}},"#
        );
    }
    text.push_str("}}");
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration")
}

/// Every key may be used.
struct AllFree;

impl Keys for AllFree {
    fn state(&self, _: KeyIx) -> Use {
        Use::Free
    }
    fn busy(&self, _: KeyIx) -> u32 {
        1
    }
    fn pace(&self, key: KeyIx) -> Option<(u32, u32)> {
        Some((u32::from(key), 1))
    }
    fn streamed(&self) -> bool {
        true
    }
}

#[test]
fn a_decision_allocates_nothing() {
    let balances = ["round_robin", "weighted", "least_busy", "fastest"];
    for (spread, balance) in ["ordered", "round_robin", "fastest", "latest"].into_iter().zip(balances) {
        let (s, board) = (large(spread, balance), Board::new());
        let (turns, paces, rows) = (Turns::new(&s, 0), Paces::default(), board.rows(&s));
        let pools: Vec<Pool> =
            (0..20).map(|provider| Pool::new(&s, provider, 0, |key| rows[usize::from(key)].fingerprint())).collect();
        let body = br#"{"model":"x","prompt_cache_key":"c-1","messages":[{"role":"user","content":"hello"}]}"#;
        let (_, outline) = sniff::request_outlined(Endpoint::ChatCompletions, body).expect("a request");
        paces.tell(Paces::key("p1", "model-7", true), 1_000, 1);
        let decide = |n: u32, model: &str| {
            let client = s.client(black_box(b"key-of-client-7777"));
            assert!(client.is_some());
            let question = Question { client, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
            let mut chosen = route::targets(&s, &question).expect("targets");
            spread::arrange(&s, &mut chosen, Now { turns: &turns, paces: &paces, streamed: true });
            assert!(chosen.targets.len() >= 2, "{n}: {model}");
            let target = chosen.targets[0];
            let pool = &pools[usize::from(target.provider)];
            let fields = [(&b"x-stainless-os"[..], &b"Linux"[..])].into_iter();
            let named = conversation::of(pool.affinity(), fields, Some((body, &outline)));
            assert!(named.is_some());
            for conversation in [None, named] {
                let key = pool.pick(&AllFree, conversation, &board.bindings).expect("a key");
                let leave = board.enter(&rows[usize::from(key)], Model::new(target.model), 1, &s.cooldown);
                black_box(leave.expect("leave"));
            }
            black_box(&chosen);
        };
        decide(0, "auto");
        let before = allocations();
        for n in 0..100 {
            ["auto", "model-7", "MODEL-7", "gpt-5", "gpt-5(high)"].iter().for_each(|model| decide(n, model));
        }
        assert_eq!(allocations() - before, 0, "{spread}");
    }
}
