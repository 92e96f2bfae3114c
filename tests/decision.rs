//! A decision allocates nothing: from a client's key to targets in order, in a large configuration.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;

use weir::config::{self, Outside, Overrides, Snapshot};
use weir::plan::pace::Paces;
use weir::plan::route::{self, Question};
use weir::plan::spread::{self, Now, Turns};
use weir::protocol::Dialect;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 20 providers, 200 keys, 2,000 published models, 10,000 clients.
fn large(spread: &str) -> Snapshot {
    let mut text = String::from(r#"{"listen": "127.0.0.1:0", "providers": {"#);
    for provider in 0..20 {
        let keys: Vec<String> = (0..10).map(|key| format!("\"k{provider}-{key}\"")).collect();
        let models: Vec<String> = (0..100).map(|model| format!("\"model-{}\"", provider / 2 * 100 + model)).collect();
        let _ = write!(
            text,
            r#""p{provider}": {{"protocol": "chat", "base_url": "http://127.0.0.1:{}", "keys": [{}], "models": [{}]}},"#,
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

#[test]
fn a_decision_allocates_nothing() {
    for spread in ["ordered", "round_robin", "fastest", "latest"] {
        let s = large(spread);
        let (turns, paces) = (Turns::new(&s, 0), Paces::default());
        paces.tell(Paces::key("p1", "model-7", true), 1_000, 1);
        let decide = |n: u32, model: &str| {
            let client = s.client(black_box(b"key-of-client-7777"));
            assert!(client.is_some());
            let question = Question { client, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
            let mut chosen = route::targets(&s, &question).expect("targets");
            spread::arrange(&s, &mut chosen, Now { turns: &turns, paces: &paces, streamed: true });
            assert!(chosen.targets.len() >= 2, "{n}: {model}");
            black_box(&chosen);
        };
        decide(0, "auto");
        let before = ALLOCATIONS.get();
        for n in 0..100 {
            ["auto", "model-7", "MODEL-7", "gpt-5", "gpt-5(high)"].iter().for_each(|model| decide(n, model));
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{spread}");
    }
}
