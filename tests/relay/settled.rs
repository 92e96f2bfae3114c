//! Settled questions of the configuration, as they are seen on the wire: rounds, rests, holding, full pools. The table of
//! all of them, with the tests that stand elsewhere, is in `src/config/settled_test.rs`.

use std::time::{Duration, Instant};

use crate::support::*;

on_both_drivers!(
    a_round_waits_for_the_earliest_end_of_a_rest,
    where_all_rest_the_caller_is_told_why_and_until_when,
    a_stale_connection_is_no_attempt,
    an_unknown_model_without_another_target_goes_back,
    the_same_secret_of_two_providers_is_two_keys,
    an_answer_cut_behind_what_is_held_is_broken_off,
    no_ping_comes_before_the_head,
    a_full_pool_overflows_to_the_next_target,
);

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn no(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} No\r\n{fields}content-length: 0\r\n\r\n")
}

fn started(driver: Driver, upstream: &Upstream, change: impl FnOnce(&mut Value)) -> Weir {
    let mut config = config("chat", upstream);
    change(&mut config);
    Weir::start(driver, config)
}

/// Another round begins when the first key is back, and not before; one that would have to wait longer than it may does
/// not begin.
fn a_round_waits_for_the_earliest_end_of_a_rest(driver: Driver) {
    for (most_ms, served) in [(10_000, true), (100, false)] {
        let mut upstream = Upstream::new();
        let weir = started(driver, &upstream, |config| {
            config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
            config["retry"] = json!({ "rounds_max": 1, "round_wait_ms_max": most_ms });
        });
        let mut client = weir.client();
        client.post(PATH, CHAT);
        let start = Instant::now();
        upstream.next().send(no(429, "retry-after: 600\r\n"));
        let mut call = upstream.next();
        let soon = call.head().field("authorization").map(str::to_owned);
        call.send(no(429, "retry-after-ms: 400\r\n"));
        if served {
            let mut call = upstream.next();
            assert!(start.elapsed() >= Duration::from_millis(400), "asked again after {:?}", start.elapsed());
            assert_eq!(call.head().field("authorization").map(str::to_owned), soon, "the other rests for minutes");
            call.json(200, chat_answer("x"));
            assert_eq!(client.answer().status(), 200);
        } else {
            let answer = client.answer();
            refused(&answer, Dialect::OpenAi, 429);
            assert_eq!(answer.head.field("retry-after"), Some("1"));
            upstream.untouched();
        }
    }
}

/// 429 if any of them rests from a rate limit, else 503; and the seconds to the first that is back.
fn where_all_rest_the_caller_is_told_why_and_until_when(driver: Driver) {
    for (first, second, status, seconds) in [
        (no(429, "retry-after: 600\r\n"), no(500, ""), 429, 1..=11),
        (no(401, ""), no(500, ""), 503, 1..=11),
        (no(401, ""), no(403, ""), 503, 1_700..=1_980),
        (no(429, "retry-after: 600\r\n"), no(529, "retry-after: 300\r\n"), 429, 290..=300),
    ] {
        let mut upstream = Upstream::new();
        let weir = started(driver, &upstream, |config| {
            config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
            config["retry"] = json!({ "rounds_max": 0 });
            config["cooldown"] = json!({ "failures": 1 });
        });
        let mut client = weir.client();
        client.post(PATH, CHAT);
        upstream.next().send(&first);
        upstream.next().send(&second);
        client.answer();
        client.post(PATH, CHAT);
        let answer = client.answer();
        refused(&answer, Dialect::OpenAi, status);
        let told: u64 = answer.head.field("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!(seconds.contains(&told), "{told} s after {first:?} and {second:?}");
        upstream.untouched();
    }
}

/// The repeat on a fresh lane is made also where one attempt is all there may be.
fn a_stale_connection_is_no_attempt(driver: Driver) {
    let mut upstream = Upstream::new();
    let weir = started(driver, &upstream, |config| config["retry"] = json!({ "attempts_max": 1, "rounds_max": 0 }));
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.post(PATH, CHAT);
    let stale = upstream.next();
    assert_eq!(upstream.accepted(), 1, "the connection was kept");
    stale.close();
    upstream.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
}

/// A second key of the same provider would say the same.
fn an_unknown_model_without_another_target_goes_back(driver: Driver) {
    let mut upstream = Upstream::new();
    let weir = started(driver, &upstream, |config| {
        config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
        config["retry"] = json!({ "rounds_max": 0 });
    });
    let mut client = weir.client();
    client.post(PATH, CHAT);
    let error = json!({ "message": "The model `m` does not exist", "type": "invalid_request_error", "param": null, "code": "model_not_found" });
    upstream.next().json(404, json!({ "error": error }));
    let message = refused(&client.answer(), Dialect::OpenAi, 404);
    assert!(message.contains("does not exist"), "{message}");
    upstream.untouched();
}

/// What one provider rejects serves at the other.
fn the_same_secret_of_two_providers_is_two_keys(driver: Driver) {
    let (mut upstream, mut other) = (Upstream::new(), Upstream::new());
    let weir = started(driver, &upstream, |config| {
        config["providers"]["next"] =
            json!({ "protocol": "chat", "base_url": other.url("/v1"), "keys": [UPSTREAM_KEY] });
        config["routes"]["all"]["to"] = json!(["up", "next"]);
    });
    let mut client = weir.client();
    client.post(PATH, CHAT);
    upstream.next().send(no(401, ""));
    for _ in 0..3 {
        let mut call = other.next();
        assert_eq!(call.head().field("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
        client.post(PATH, CHAT);
    }
    other.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    upstream.untouched();
}

/// Cut within what is held it goes to the next key; cut behind that it is seen to be cut.
fn an_answer_cut_behind_what_is_held_is_broken_off(driver: Driver) {
    let held = weir::limits::HOLD_BYTES_MAX;
    for (bytes, broken) in [(held - 1_024, false), (held + 64 * 1_024, true)] {
        let mut upstream = Upstream::new();
        let weir = started(driver, &upstream, |config| {
            config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
            config["cooldown"] = json!({ "failures": 100 });
        });
        for chunked in [false, true] {
            let mut client = weir.client();
            client.post(PATH, CHAT);
            let mut call = upstream.next();
            let framing = if chunked { "transfer-encoding: chunked" } else { "content-length: 1000000" };
            let start = format!("{{\"choices\":[{{\"message\":{{\"content\":\"{}", "x".repeat(bytes));
            let body = if chunked { format!("{:x}\r\n{start}\r\n", start.len()) } else { start };
            call.send(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{body}"));
            if broken {
                assert_eq!(client.wire.head().status(), 200);
                call.close();
                let length = if chunked { Length::Chunked } else { Length::Sized(1_000_000) };
                assert!(!client.wire.body(length).1, "a cut answer looks whole");
                upstream.untouched();
            } else {
                call.close();
                upstream.next().json(200, chat_answer("x"));
                assert_eq!(client.answer().json(), chat_answer("x"));
            }
        }
    }
}

fn no_ping_comes_before_the_head(driver: Driver) {
    for (protocol, path) in [("chat", PATH), ("anthropic", "/v1/messages"), ("anthropic", PATH)] {
        let mut upstream = Upstream::new();
        let mut config = config(protocol, &upstream);
        config["timeouts"] = json!({ "ping_ms": 100 });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        client.post(path, r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stream":true}"#);
        let call = upstream.next();
        std::thread::sleep(Duration::from_millis(500));
        let stream = client.wire.stream();
        stream.set_nonblocking(true).expect("nonblocking");
        let early = stream.peek(&mut [0]);
        assert!(early.is_err(), "{path} to {protocol}: something came before the upstream had answered");
        drop(call);
    }
}

/// With the first provider's one place taken and room in its line, the next target serves at once.
fn a_full_pool_overflows_to_the_next_target(driver: Driver) {
    let (mut upstream, mut other) = (Upstream::new(), Upstream::new());
    let weir = started(driver, &upstream, |config| {
        config["providers"]["up"]["keys"] = json!([{ "key": UPSTREAM_KEY, "max_concurrent": 1, "queue": 8 }]);
        config["providers"]["next"] = json!({ "protocol": "chat", "base_url": other.url("/v1"), "keys": [{ "key": SECOND_KEY, "max_concurrent": 1 }] });
        config["routes"]["all"]["to"] = json!(["up", "next"]);
    });
    let (mut one, mut two, mut three) = (weir.client(), weir.client(), weir.client());
    one.post(PATH, CHAT);
    let mut first = upstream.next();
    two.post(PATH, CHAT);
    let mut second = other.next();
    // Both are full: the third waits for the first target.
    three.post(PATH, CHAT);
    std::thread::sleep(Duration::from_millis(200));
    other.untouched();
    first.json(200, chat_answer("one"));
    assert_eq!(one.answer().json(), chat_answer("one"));
    upstream.next().json(200, chat_answer("three"));
    assert_eq!(three.answer().json(), chat_answer("three"));
    second.json(200, chat_answer("two"));
    assert_eq!(two.answer().json(), chat_answer("two"));
}
