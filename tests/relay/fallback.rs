//! Before the first byte has gone out, a failed attempt goes to the next key, then to the next target; after it, to nobody.

use crate::support::*;

on_both_drivers!(
    keys_take_turns,
    the_next_key_is_tried,
    the_next_target_is_tried,
    a_dead_upstream_is_passed_by,
    a_broken_answer_is_passed_by,
    an_empty_answer_is_passed_by,
    an_error_in_the_clothes_of_an_answer_is_passed_by,
    the_clients_own_fault_goes_back,
    the_last_answer_is_told_in_the_dialect,
    a_rejected_key_is_not_the_clients_fault,
    attempts_have_an_end,
    an_unknown_model_goes_to_another_target,
    a_silent_upstream_is_left,
    a_stale_connection_is_no_failure,
    the_body_is_sent_whole_each_time,
    a_forced_provider_does_not_fall_back,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// One provider with two keys, then a second provider that renames the model.
fn chain(driver: Driver) -> (Weir, Upstream, Upstream) {
    let (first, second) = (Upstream::new(), Upstream::new());
    let mut config = config("chat", &first);
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
    config["providers"]["next"] = json!({ "protocol": "chat", "base_url": second.url("/v1"), "keys": ["sk-third"] });
    config["routes"]["all"]["to"] = json!(["up", "next/renamed"]);
    (Weir::start(driver, config), first, second)
}

fn failure(status: u16) -> Value {
    json!({ "error": { "message": format!("status {status}"), "type": "server_error", "param": null, "code": null } })
}

fn keys_take_turns(driver: Driver) {
    let (weir, mut first, _second) = chain(driver);
    let mut client = weir.client();
    let mut seen = [0; 2];
    for _ in 0..6 {
        client.post("/v1/chat/completions", CHAT);
        let mut call = first.next();
        let auth = call.head().field("authorization").expect("a key").to_owned();
        seen[usize::from(auth.ends_with(SECOND_KEY))] += 1;
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(seen, [3, 3]);
}

fn the_next_key_is_tried(driver: Driver) {
    for status in [429, 500, 503, 529, 401, 403] {
        let (weir, mut first, mut second) = chain(driver);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let mut call = first.next();
        let auth = call.head().field("authorization").map(str::to_owned);
        call.json(status, failure(status));
        let mut call = first.next();
        assert_ne!(call.head().field("authorization").map(str::to_owned), auth, "another key after {status}");
        call.json(200, chat_answer("second key"));
        assert_eq!(client.answer().json(), chat_answer("second key"));
        second.untouched();
    }
}

fn the_next_target_is_tried(driver: Driver) {
    let (weir, mut first, mut second) = chain(driver);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    for _ in 0..2 {
        first.next().json(500, failure(500));
    }
    let mut call = second.next();
    assert_eq!(call.request.text(), r#"{"model":"renamed","messages":[]}"#);
    assert_eq!(call.head().field("authorization"), Some("Bearer sk-third"));
    call.json(200, chat_answer("second target"));
    assert_eq!(client.answer().json(), chat_answer("second target"));
    let line = weir.logged("the exchange", |line| line.contains("next"));
    assert!(line.contains('3'), "three attempts: {line}");
}

fn a_dead_upstream_is_passed_by(driver: Driver) {
    let mut second = Upstream::new();
    let mut config = config_at("chat", &format!("http://{}/v1", Upstream::dead()));
    config["providers"]["next"] = json!({ "protocol": "chat", "base_url": second.url("/v1"), "keys": ["sk-third"] });
    config["routes"]["all"]["to"] = json!(["up", "next"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    second.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
}

fn a_broken_answer_is_passed_by(driver: Driver) {
    let broken: [&[u8]; 8] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"cut\":",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"cut",
    ];
    for bytes in broken {
        let (weir, mut first, _second) = chain(driver);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let mut call = first.next();
        call.send(bytes);
        call.close();
        first.next().json(200, chat_answer("second key"));
        assert_eq!(client.answer().json(), chat_answer("second key"), "after {}", text(bytes));
    }
}

/// 200, whole, and nothing in it: the next key; if all are like that, an error and never the emptiness.
fn an_empty_answer_is_passed_by(driver: Driver) {
    let empty = [
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"choices\":[]}",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ];
    for stream in ["", ",\"stream\":true"] {
        let body = CHAT.replace("[]", &format!("[]{stream}"));
        for answer in empty {
            let (weir, mut first, _second) = chain(driver);
            let mut client = weir.client();
            client.post("/v1/chat/completions", &body);
            let mut call = first.next();
            call.send(answer);
            if answer.contains("close") {
                call.close();
            }
            first.next().json(200, chat_answer("second key"));
            assert_eq!(client.answer().json(), chat_answer("second key"), "after {answer:?}");
        }
    }
    nothing_is_an_error_in_every_dialect(driver);
    let mut upstream = Upstream::new();
    let weir = Weir::start(driver, config("chat", &upstream));
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    upstream.next().send(empty[0]);
    refused(&client.answer(), Dialect::OpenAi, 502);
    // Elsewhere than at endpoints that generate nothing is asked of an answer.
    for (answer, text) in [(empty[0], ""), (empty[2], "{}")] {
        client.post("/v1/moderations", r#"{"model":"m","input":"x"}"#);
        upstream.next().send(answer);
        assert_eq!(client.answer().text(), text);
    }
}

/// Where nobody else can be asked, an answer that holds nothing is an error that is seen.
fn nothing_is_an_error_in_every_dialect(driver: Driver) {
    for (protocol, path, dialect) in [
        ("chat", "/v1/chat/completions", Dialect::OpenAi),
        ("responses", "/v1/responses", Dialect::OpenAi),
        ("anthropic", "/v1/messages", Dialect::Anthropic),
        ("gemini", "/v1beta/models/m:generateContent", Dialect::Gemini),
        ("gemini", "/v1beta/models/m:streamGenerateContent", Dialect::Gemini),
        ("ollama", "/api/chat", Dialect::Ollama),
    ] {
        let mut upstream = Upstream::new();
        let mut config = config(protocol, &upstream);
        config["cooldown"] = json!({ "failures": 100 });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        for stream in [false, true] {
            let body =
                json!({ "model": "m", "max_tokens": 9, "messages": [], "input": "", "contents": [], "stream": stream });
            for nothing in ["{}", "", "[]", "null", "<html></html>"] {
                client.post(path, body.to_string());
                upstream.next().answer(200, "application/json", nothing);
                let message = refused(&client.answer(), dialect, 502);
                assert!(message.contains("empty") || message.contains("ended"), "{path} {nothing:?}: {message}");
            }
        }
    }
}

/// An error under 200 counts as the status that its words stand for.
fn an_error_in_the_clothes_of_an_answer_is_passed_by(driver: Driver) {
    for (error, cause) in [
        (json!({ "error": { "message": "slow down", "type": "rate_limit_error" } }), "rate_limited"),
        (json!({ "error": { "message": "?", "type": "insufficient_quota" } }), "rejected"),
    ] {
        let (weir, mut first, _second) = chain(driver);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        first.next().json(200, error.clone());
        first.next().json(200, chat_answer("second key"));
        assert_eq!(client.answer().json(), chat_answer("second key"), "after {error}");
        let keys = weir.status()["providers"][0]["keys"].clone();
        let causes: Vec<&Value> = keys.as_array().expect("keys").iter().map(|key| &key["cause"]).collect();
        assert!(causes.contains(&&json!(cause)), "{error}: {keys}");
    }
}

fn the_clients_own_fault_goes_back(driver: Driver) {
    for status in [400, 413, 422] {
        let (weir, mut first, mut second) = chain(driver);
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        first.next().json(status, failure(status));
        assert_eq!(refused(&client.answer(), Dialect::OpenAi, status), format!("status {status}"));
        first.untouched();
        second.untouched();
    }
}

fn the_last_answer_is_told_in_the_dialect(driver: Driver) {
    let cases = [
        ("chat", "/v1/chat/completions", Dialect::OpenAi, 429, 429),
        ("chat", "/v1/chat/completions", Dialect::OpenAi, 500, 500),
        ("chat", "/v1/chat/completions", Dialect::OpenAi, 529, 503),
        ("anthropic", "/v1/messages", Dialect::Anthropic, 529, 529),
        ("anthropic", "/v1/messages", Dialect::Anthropic, 503, 503),
        ("gemini", "/v1beta/models/m:generateContent", Dialect::Gemini, 429, 429),
        ("ollama", "/api/chat", Dialect::Ollama, 500, 500),
    ];
    for (protocol, path, dialect, status, told) in cases {
        let mut upstream = Upstream::new();
        let mut config = config(protocol, &upstream);
        config["retry"] = json!({ "rounds_max": 0 });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        client.post(path, CHAT);
        let mut call = upstream.next();
        call.send(format!("HTTP/1.1 {status} No\r\nretry-after: 7\r\ncontent-length: 11\r\n\r\n<html>oops!"));
        let answer = client.answer();
        refused(&answer, dialect, told);
        if matches!(status, 429 | 503 | 529) {
            assert_eq!(answer.head.field("retry-after"), Some("7"), "{protocol} {status}");
        }
    }
}

fn a_rejected_key_is_not_the_clients_fault(driver: Driver) {
    for status in [401, 403] {
        let (weir, mut upstream) = relay(driver, "chat");
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        upstream.next().json(status, json!({ "error": { "message": format!("bad key {UPSTREAM_KEY}") } }));
        let message = refused(&client.answer(), Dialect::OpenAi, 502);
        assert!(message.contains("up") && !message.contains("bad key"), "{message}");
    }
}

fn attempts_have_an_end(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["keys"] = json!(["k1", "k2", "k3", "k4", "k5", "k6"]);
    config["retry"] = json!({ "attempts_max": 3, "rounds_max": 0 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    for _ in 0..3 {
        upstream.next().json(500, failure(500));
    }
    refused(&client.answer(), Dialect::OpenAi, 500);
    upstream.untouched();
}

fn an_unknown_model_goes_to_another_target(driver: Driver) {
    let (weir, mut first, mut second) = chain(driver);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let kind = "invalid_request_error";
    let error =
        json!({ "message": "The model `m` does not exist", "type": kind, "param": null, "code": "model_not_found" });
    first.next().json(404, json!({ "error": error }));
    second.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    first.untouched();
}

fn a_silent_upstream_is_left(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
    config["timeouts"] = json!({ "answer_ms": 200, "first_token_ms": 200 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for body in [CHAT, r#"{"model":"m","messages":[],"stream":true}"#] {
        client.post("/v1/chat/completions", body);
        let mut silent = upstream.next();
        upstream.next().json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
        silent.wire.ended();
    }
}

/// The upstream ends an idle connection just as it is used again: the request is repeated once on a new one.
fn a_stale_connection_is_no_failure(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.post("/v1/chat/completions", CHAT);
    let call = upstream.next();
    assert_eq!(upstream.accepted(), 1, "the connection was kept");
    call.close();
    let mut call = upstream.next();
    assert_eq!(upstream.accepted(), 2);
    assert_eq!(call.request.text(), CHAT);
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    let key = weir.status()["providers"][0]["keys"][0].clone();
    assert!(key["cooling_until"].is_null(), "{key}");
}

fn the_body_is_sent_whole_each_time(driver: Driver) {
    let (weir, mut first, mut second) = chain(driver);
    let body = format!(r#"{{"messages":["{}"],"model":"m"}}"#, "x".repeat(300_000));
    let mut client = weir.client();
    std::thread::scope(|scope| {
        scope.spawn(|| client.post("/v1/chat/completions", &body));
        for _ in 0..2 {
            let mut call = first.next();
            assert!(call.request.body == body.as_bytes());
            call.json(500, failure(500));
        }
        let mut call = second.next();
        assert!(call.request.body == body.replace("\"m\"", "\"renamed\"").as_bytes());
        call.json(200, chat_answer("x"));
    });
    assert_eq!(client.answer().status(), 200);
}

fn a_forced_provider_does_not_fall_back(driver: Driver) {
    let (weir, mut first, mut second) = chain(driver);
    let mut client = weir.client();
    client.post("/next/v1/chat/completions", CHAT);
    second.next().json(500, failure(500));
    refused(&client.answer(), Dialect::OpenAi, 500);
    first.untouched();
}
