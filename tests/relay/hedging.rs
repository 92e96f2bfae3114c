//! A second attempt beside a slow one, at a target of another protocol: the first of both to say something serves.

use crate::support::*;
use crate::translation::speech::{self, PIECES, Say, hear, hear_stream, request};

on_both_drivers!(
    a_second_attempt_crosses_protocols,
    what_a_target_cannot_say_is_no_second_attempt,
    a_second_attempt_serves_where_the_first_fails,
    who_leaves_leaves_both,
    the_last_attempt_has_none_beside_it,
    a_conversation_keeps_the_key_that_was_slow,
    attempts_beside_each_other_are_spans_of_their_own,
);

/// Two targets of these protocols with a key each, which rests at its first failure and serves one request at a time.
fn hedged(driver: Driver, first: &str, second: &str, change: impl FnOnce(&mut Value)) -> (Weir, [Upstream; 2]) {
    let (one, other) = (Upstream::new(), Upstream::new());
    let mut config = config(first, &one);
    let key = |key: &str| json!([{ "key": key, "max_concurrent": 1 }]);
    config["providers"]["up"]["keys"] = key(UPSTREAM_KEY);
    let version = if matches!(second, "anthropic" | "gemini" | "ollama") { "" } else { "/v1" };
    config["providers"]["next"] =
        json!({ "protocol": second, "base_url": other.url(version), "keys": key(SECOND_KEY) });
    config["routes"]["all"] = json!({ "to": ["up/up-1", "next/up-1"] });
    config["retry"] = json!({ "hedge_ms": 40 });
    config["cooldown"] = json!({ "failures": 1 });
    change(&mut config);
    (Weir::start(driver, config), [one, other])
}

fn ask(weir: &Weir, client: &str, stream: bool) -> Client {
    let mut asking = weir.client();
    asking.post(speech::path(client, stream), request(client, stream).to_string());
    asking
}

/// Answers `call` in the words of `protocol`, and says what the client heard.
fn serve(call: &mut Call, protocol: &str, asking: &mut Client, client: &str, stream: bool) -> String {
    if stream {
        call.open(speech::stream_type(protocol));
        speech::stream(protocol, Say::Text).iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        hear_stream(client, &asking.answer().body).text
    } else {
        call.json(200, speech::whole(protocol, Say::Text));
        hear(client, &asking.answer().json()).text
    }
}

fn healthy(weir: &Weir) {
    let status = weir.status();
    for provider in status["providers"].as_array().expect("providers") {
        for key in provider["keys"].as_array().expect("keys") {
            assert_eq!(key["health"], "ok", "{status}");
        }
    }
}

fn a_second_attempt_crosses_protocols(driver: Driver) {
    let around = ["chat", "anthropic", "responses", "gemini", "ollama", "chat"];
    for pair in around.windows(2) {
        for (first, second) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let (weir, mut ups) = hedged(driver, first, second, |_| ());
            let client = pair[0];
            let ways = [(true, 0), (true, 1), (false, 0), (false, 1)];
            for (stream, winner) in ways {
                let mut asking = ask(&weir, client, stream);
                let mut calls = Vec::new();
                for (up, protocol) in ups.iter_mut().zip([first, second]) {
                    let call = up.next();
                    assert_eq!(call.target(), speech::asked_at(protocol, stream));
                    calls.push(call);
                }
                let mut wins = calls.remove(winner);
                let mut loses = calls.remove(0);
                let (won, lost) = if winner == 0 { (first, second) } else { (second, first) };
                if stream {
                    // A head, and what is said before the first token, is no answer yet.
                    loses.open(speech::stream_type(lost));
                    if lost == "anthropic" {
                        loses.chunk(&speech::stream(lost, Say::Text)[0]);
                    }
                }
                let heard = serve(&mut wins, won, &mut asking, client, stream);
                assert_eq!(heard, PIECES.concat(), "{client}: {won} before {lost}");
                let mut lane = loses.wire;
                lane.ended();
            }
            let usage = weir.usage(ways.len() as u64);
            assert_eq!(usage["ok"], json!(ways.len()), "an exchange counts once");
            let told = weir.admin("GET", "/api/requests").json();
            let told: Vec<_> = told["requests"].as_array().expect("requests").iter().rev().collect();
            for (request, (_, winner)) in told.into_iter().zip(ways) {
                assert_eq!(request["provider"], ["up", "next"][winner], "{request}");
                assert_eq!(request["attempts"], json!(2), "{request}");
            }
            // Who lost is no failure of a key, and has given back what it held: each key serves one at a time.
            healthy(&weir);
        }
    }
}

fn what_a_target_cannot_say_is_no_second_attempt(driver: Driver) {
    let (weir, [mut first, mut second]) = hedged(driver, "chat", "ollama", |_| ());
    let mut asking = weir.client();
    let mut body = request("chat", false);
    body["messages"] = json!([{ "role": "user", "content": [{ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } }] }]);
    asking.post("/v1/chat/completions", body.to_string());
    let mut call = first.next();
    std::thread::sleep(std::time::Duration::from_millis(120));
    second.untouched();
    assert_eq!(serve(&mut call, "chat", &mut asking, "chat", false), PIECES.concat());
    healthy(&weir);
}

fn a_second_attempt_serves_where_the_first_fails(driver: Driver) {
    let (weir, [mut first, mut second]) = hedged(driver, "chat", "anthropic", |_| ());
    let mut asking = ask(&weir, "chat", true);
    let (mut fails, mut serves) = (first.next(), second.next());
    fails.json(429, speech::error("chat", "no"));
    assert_eq!(serve(&mut serves, "anthropic", &mut asking, "chat", true), PIECES.concat());
    let status = weir.status();
    assert_eq!(status["providers"][0]["keys"][0]["health"], "cooling", "{status}");
    assert_eq!(status["providers"][1]["keys"][0]["health"], "ok", "{status}");
}

fn who_leaves_leaves_both(driver: Driver) {
    let (weir, [mut first, mut second]) = hedged(driver, "gemini", "anthropic", |_| ());
    for _ in 0..2 {
        let asking = ask(&weir, "chat", true);
        let lanes = [first.next().wire, second.next().wire];
        drop(asking);
        lanes.into_iter().for_each(|mut lane| lane.ended());
    }
    healthy(&weir);
}

fn the_last_attempt_has_none_beside_it(driver: Driver) {
    let (weir, [mut first, mut second]) =
        hedged(driver, "chat", "anthropic", |config| config["retry"]["attempts_max"] = json!(1));
    let mut asking = ask(&weir, "chat", false);
    let mut call = first.next();
    std::thread::sleep(std::time::Duration::from_millis(120));
    second.untouched();
    assert_eq!(serve(&mut call, "chat", &mut asking, "chat", false), PIECES.concat());
}

fn a_conversation_keeps_the_key_that_was_slow(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
    config["retry"] = json!({ "hedge_ms": 40 });
    let (weir, mut upstream) = (Weir::start(driver, config), upstream);
    let mut asking = weir.client();
    let fields = format!("{}x-session-id: talk\r\n", bearer(CLIENT_KEY));
    let post = |asking: &mut Client| {
        asking.post_with("/v1/chat/completions", &fields, request("chat", false).to_string());
    };
    let key = |call: &Call| call.head().field("authorization").map(str::to_owned);
    post(&mut asking);
    let (slow, mut beside) = (upstream.next(), upstream.next());
    assert_ne!(key(&slow), key(&beside));
    assert_eq!(serve(&mut beside, "chat", &mut asking, "chat", false), PIECES.concat());
    for _ in 0..3 {
        post(&mut asking);
        let mut call = upstream.next();
        assert_eq!(key(&call), key(&slow));
        assert_eq!(serve(&mut call, "chat", &mut asking, "chat", false), PIECES.concat());
    }
}

fn attempts_beside_each_other_are_spans_of_their_own(driver: Driver) {
    let mut collector = Upstream::new();
    let (weir, [mut first, mut second]) = hedged(driver, "chat", "anthropic", |config| {
        config["otlp"] = json!({ "endpoint": collector.url("") });
    });
    // The first look at the file tells the collector of exchanges that spans are wanted.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut asking = ask(&weir, "chat", false);
    let (slow, mut serves) = (first.next(), second.next());
    assert_eq!(serve(&mut serves, "anthropic", &mut asking, "chat", false), PIECES.concat());
    drop(slow);
    let mut call = collector.next();
    let told: Value = serde_json::from_slice(&call.request.body).expect("JSON");
    call.json(200, json!({}));
    let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
    let [given_up, served, exchange] = &spans[..] else { panic!("three spans in {told}") };
    let attribute = |span: &Value, key: &str| {
        let all = span["attributes"].as_array().expect("attributes");
        all.iter().find(|attribute| attribute["key"] == key).map(|attribute| attribute["value"].clone())
    };
    let text = |value: &str| Some(json!({ "stringValue": value }));
    let number = |value: String| Some(json!({ "intValue": value }));
    for (span, up, provider, n) in [(given_up, &first, "up", 1), (served, &second, "next", 2)] {
        assert_eq!((&span["parentSpanId"], &span["traceId"]), (&exchange["spanId"], &exchange["traceId"]), "{told}");
        assert_eq!(attribute(span, "gen_ai.provider.name"), text(provider), "{told}");
        assert_eq!(attribute(span, "server.address"), text("127.0.0.1"), "{told}");
        let port = up.url("").rsplit(':').next().expect("a port").to_owned();
        assert_eq!(attribute(span, "server.port"), number(port), "{told}");
        assert_eq!(attribute(span, "weir.attempt"), number(format!("{n}")), "{told}");
        assert_eq!(span["status"], json!({}), "neither failed: {told}");
    }
    assert!(attribute(given_up, "weir.given_up").is_some(), "{told}");
    assert_eq!(attribute(served, "http.response.status_code"), number("200".to_owned()), "{told}");
    assert_eq!(served["endTimeUnixNano"], exchange["endTimeUnixNano"], "{told}");
    assert!(exchange.get("parentSpanId").is_none(), "{told}");
}
