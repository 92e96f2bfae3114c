//! Providers over TLS: what is said is the same, who answers is verified, and an end without TLS's word is a cut.

use std::net::TcpListener;

use crate::support::*;

on_both_drivers!(
    answers_and_streams_come_over_tls,
    large_bodies_pass_both_ways,
    a_lane_is_used_again,
    sessions_are_taken_up_again,
    a_lane_that_was_closed_meanwhile_is_no_failure,
    a_provider_that_cannot_be_verified_is_refused,
    a_server_name_is_asked_for_in_place_of_the_host,
    a_handshake_that_stands_still_goes_to_the_next_key,
    a_body_that_ends_with_the_connection_needs_tlss_word_for_it,
    a_cut_stream_is_told,
    a_provider_in_the_clear_is_no_provider_over_tls,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[]}"#;

/// weir before a provider behind TLS.
fn secured(driver: Driver, manner: Manner) -> (Weir, Upstream, Front) {
    let (authority, upstream) = (Authority::new(), Upstream::new());
    let front = Front::new(&authority, upstream.address, manner);
    let weir = Weir::start(driver, over_tls(&authority, &front.url("/v1")));
    (weir, upstream, front)
}

fn over_tls(authority: &Authority, url: &str) -> Value {
    let mut config = config_at("chat", url);
    config["providers"]["up"]["tls"] = json!({ "ca": authority.file() });
    config
}

fn answers_and_streams_come_over_tls(driver: Driver) {
    let (weir, mut upstream, _front) = secured(driver, Manner::Orderly);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    assert_eq!(call.head().field("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    call.json(200, chat_answer("over TLS"));
    assert_eq!(client.answer().json(), chat_answer("over TLS"));
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    for word in ["one", "two", "three"] {
        let event = data(json!({ "choices": [{ "delta": { "content": word } }] }));
        call.chunk(&event);
        let seen = client.wire.until("\n\n");
        assert!(text(&seen).contains(word), "each event when it comes");
    }
    call.chunk("data: [DONE]\n\n");
    call.last_chunk();
    client.wire.until("0\r\n\r\n");
    client.still_serves(&mut upstream);
}

fn large_bodies_pass_both_ways(driver: Driver) {
    let (weir, mut upstream, _front) = secured(driver, Manner::Orderly);
    let long = "x".repeat(3_000_000);
    let question = json!({ "model": "m", "messages": [{ "role": "user", "content": long }] }).to_string();
    let mut client = weir.client();
    let asking = std::thread::spawn(move || {
        client.post("/v1/chat/completions", question);
        client
    });
    let mut call = upstream.next();
    assert!(call.request.body.len() > 3_000_000);
    let answering = std::thread::spawn(move || call.json(200, chat_answer(&"y".repeat(5_000_000))));
    let answer = asking.join().expect("asked").answer();
    assert_eq!(answer.json(), chat_answer(&"y".repeat(5_000_000)));
    answering.join().expect("answered");
}

fn a_lane_is_used_again(driver: Driver) {
    let (weir, mut upstream, front) = secured(driver, Manner::Orderly);
    let mut client = weir.client();
    for _ in 0..5 {
        client.still_serves(&mut upstream);
    }
    assert_eq!(upstream.accepted(), 1, "tickets that come on an idle lane are no reason to part");
    assert_eq!(front.handshakes(), (0, 1));
}

fn sessions_are_taken_up_again(driver: Driver) {
    let (weir, mut upstream, front) = secured(driver, Manner::Orderly);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"ok\":1}");
    assert_eq!(client.answer().body, b"{\"ok\":1}");
    call.close();
    client.still_serves(&mut upstream);
    assert_eq!(front.handshakes(), (1, 1));
}

fn a_lane_that_was_closed_meanwhile_is_no_failure(driver: Driver) {
    for manner in [Manner::Orderly, Manner::Abrupt] {
        let (weir, mut upstream, _front) = secured(driver, manner);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let mut call = upstream.next();
        call.json(200, chat_answer("first"));
        client.answer();
        client.post("/v1/chat/completions", CHAT);
        // It takes the request on the lane that it knows, and is gone.
        upstream.next().close();
        upstream.next().json(200, chat_answer("second"));
        assert_eq!(client.answer().json(), chat_answer("second"), "{manner:?}");
        assert_eq!(weir.usage(2)["requests"], 2);
    }
}

fn a_provider_that_cannot_be_verified_is_refused(driver: Driver) {
    let (known, unknown) = (Authority::new(), Authority::new());
    let expired = known.sign("127.0.0.1", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let cases = [
        (unknown.sign("127.0.0.1", |_| ()), "unknown issuer"),
        (expired, "expired"),
        (known.sign("other.example", |_| ()), "another name (other.example)"),
    ];
    for (shown, words) in cases {
        let mut upstream = Upstream::new();
        let front = Front::showing(&shown, upstream.address, Manner::Orderly);
        let weir = Weir::start(driver, over_tls(&known, &front.url("/v1")));
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let message = refused(&client.answer(), Dialect::OpenAi, 502);
        assert!(message.contains(words), "{message}");
        upstream.untouched();
    }
}

fn a_server_name_is_asked_for_in_place_of_the_host(driver: Driver) {
    let (authority, mut upstream) = (Authority::new(), Upstream::new());
    let shown = authority.sign("inside.example", |_| ());
    let front = Front::showing(&shown, upstream.address, Manner::Orderly);
    let mut config = over_tls(&authority, &front.url("/v1"));
    config["providers"]["up"]["tls"]["server_name"] = json!("inside.example");
    let weir = Weir::start(driver, config);
    weir.client().still_serves(&mut upstream);
}

fn a_handshake_that_stands_still_goes_to_the_next_key(driver: Driver) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut plain = Upstream::new();
    let url = format!("https://{}/v1", silent.local_addr().expect("address"));
    let mut config = config_at("chat", &url);
    config["timeouts"] = json!({ "connect_ms": 200 });
    config["providers"]["next"] = json!({ "protocol": "chat", "base_url": plain.url("/v1"), "keys": ["sk-third"] });
    config["routes"]["all"]["to"] = json!(["up", "next"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    plain.next().json(200, chat_answer("elsewhere"));
    assert_eq!(client.answer().status(), 200);
    client.post("/v1/chat/completions", r#"{"model":"up/m","messages":[]}"#);
    let message = refused(&client.answer(), Dialect::OpenAi, 504);
    assert!(message.contains("TLS"), "{message}");
}

fn a_body_that_ends_with_the_connection_needs_tlss_word_for_it(driver: Driver) {
    let large = "z".repeat(200_000);
    for body in ["{\"ok\":1}", large.as_str()] {
        let (weir, mut upstream, _front) = secured(driver, Manner::Orderly);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let mut call = upstream.next();
        call.send(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}"));
        call.close();
        let answer = client.answer();
        assert!(answer.whole && answer.body == body.as_bytes(), "TLS said that this is all");
        let (weir, mut upstream, _front) = secured(driver, Manner::Abrupt);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let mut call = upstream.next();
        call.send(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}"));
        call.close();
        let answer = client.answer();
        match body.len() {
            0..1000 => assert_eq!(answer.status(), 502, "{}", answer.text()),
            _ => assert!(!answer.whole, "a cut must not look whole"),
        }
    }
}

fn a_cut_stream_is_told(driver: Driver) {
    let (weir, mut upstream, _front) = secured(driver, Manner::Abrupt);
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    call.send(data(json!({ "choices": [{ "delta": { "content": "half" } }] })));
    client.wire.until("half");
    call.close();
    let rest = client.wire.until("0\r\n\r\n");
    assert!(text(&rest).contains("cut short"), "{}", text(&rest));
}

fn a_provider_in_the_clear_is_no_provider_over_tls(driver: Driver) {
    let (mut secret, mut plain) = (Upstream::new(), Upstream::new());
    let mut config = config_at("chat", &secret.url("/v1").replace("http://", "https://"));
    config["providers"]["next"] = json!({ "protocol": "chat", "base_url": plain.url("/v1"), "keys": ["sk-third"] });
    config["routes"]["all"]["to"] = json!(["up", "next"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let (hello, mut wire) = secret.next_bytes(5);
    assert_eq!(hello[..2], [22, 3], "a handshake, and no key");
    wire.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    plain.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200, "the next target serves");
}
