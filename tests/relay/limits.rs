//! Every bound at its last good value and one past it: the status in the dialect, and what HTTP then allows.

use std::time::Duration;

use crate::support::*;

on_both_drivers!(
    the_bound_of_a_body,
    the_bound_of_a_body_that_no_setting_moves,
    the_bound_of_a_decoded_body,
    the_bound_of_a_body_behind_an_early_answer,
    the_bound_of_an_answer_that_is_renamed,
    the_bound_of_a_head,
    the_bound_of_the_fields,
    the_bound_of_a_target,
    the_bound_of_connections,
    a_dripping_head_is_ended,
    a_silent_body_is_ended,
    an_idle_connection_is_ended,
    the_upstreams_head_is_bounded,
    half_open_heads_do_not_keep_others_out,
);

const BODY_BYTES: usize = 65_536;
const HEAD_BYTES: usize = 16_384;

fn bounded(driver: Driver, protocol: &str) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config(protocol, &upstream);
    config["limits"] = json!({ "body_bytes": BODY_BYTES, "head_bytes": HEAD_BYTES });
    (Weir::start(driver, config), upstream)
}

/// A valid request body of exactly `length` bytes.
fn body_of(length: usize) -> String {
    body_in(r#"{"model":"m","messages":[],"x":""}"#, length)
}

/// `frame` stretched to `length` bytes; a Gemini body names no model, for that would be rewritten.
fn body_in(frame: &str, length: usize) -> String {
    let body = frame.replace(r#":""}"#, &format!(r#":"{}"}}"#, "x".repeat(length - frame.len())));
    assert_eq!(body.len(), length);
    body
}

/// After a refusal: the end of the connection if it was announced, else the next request is served.
fn then_usable_or_closed(mut client: Client, answer: &Message, upstream: &mut Upstream) {
    upstream.untouched();
    if answer.head.field("connection") == Some("close") {
        client.wire.half_close();
        client.wire.ended();
    } else {
        client.post("/health", "");
        assert!(client.answer().status() < 500);
    }
}

fn the_bound_of_a_body(driver: Driver) {
    let cases = [
        ("chat", "/v1/chat/completions", Dialect::OpenAi),
        ("anthropic", "/v1/messages", Dialect::Anthropic),
        ("gemini", "/v1beta/models/m:generateContent", Dialect::Gemini),
        ("ollama", "/api/chat", Dialect::Ollama),
    ];
    for (protocol, path, dialect) in cases {
        let (weir, mut upstream) = bounded(driver, protocol);
        let frame = if protocol == "gemini" { r#"{"contents":[],"x":""}"# } else { r#"{"model":"m","x":""}"# };
        let (last, over) = (body_in(frame, BODY_BYTES), body_in(frame, BODY_BYTES + 1));
        for chunked in [false, true] {
            let send = |client: &mut Client, body: &str| {
                let (framing, body) = match chunked {
                    false => (format!("content-length: {}", body.len()), body.to_owned()),
                    true => {
                        let (a, b) = body.split_at(1000);
                        let body = format!("3e8\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n", b.len());
                        ("transfer-encoding: chunked".to_owned(), body)
                    }
                };
                let key = bearer(CLIENT_KEY);
                client.wire.send_if_taken(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{key}{framing}\r\n\r\n{body}"));
            };
            let mut client = weir.client();
            send(&mut client, &last);
            let mut call = upstream.next();
            assert_eq!(call.request.body.len(), BODY_BYTES);
            call.json(200, json!({ "ok": true }));
            assert_eq!(client.answer().status(), 200);
            send(&mut client, &over);
            let answer = client.answer();
            refused(&answer, dialect, 413);
            then_usable_or_closed(client, &answer, &mut upstream);
        }
    }
}

/// The head tells enough: within the bound the body is asked for, beyond it nobody waits for one.
fn the_bound_of_a_body_that_no_setting_moves(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let announced = |bytes: usize| {
        let mut client = weir.client();
        let key = bearer(CLIENT_KEY);
        client.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{key}expect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n"
        ));
        client
    };
    assert_eq!(announced(weir::limits::BODY_BYTES_MAX).wire.head().status(), 100);
    refused(&announced(weir::limits::BODY_BYTES_MAX + 1).answer(), Dialect::OpenAi, 413);
    upstream.untouched();
}

/// A body that nobody wanted is read to keep its connection; a larger one ends it.
fn the_bound_of_a_body_behind_an_early_answer(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let most = weir::limits::DISCARD_BYTES_MAX as usize;
    for (bytes, goes_on) in [(most, true), (most + 1, false)] {
        let mut client = weir.client();
        let key = bearer(CLIENT_KEY);
        let body = "x".repeat(bytes);
        client.wire.send_if_taken(format!(
            "POST /v1/nothing HTTP/1.1\r\nhost: x\r\n{key}content-length: {bytes}\r\n\r\n{body}"
        ));
        let answer = client.answer();
        refused(&answer, Dialect::OpenAi, 404);
        assert_eq!(answer.head.field("connection") != Some("close"), goes_on, "{bytes}");
        if goes_on {
            client.still_serves(&mut upstream);
        }
    }
}

/// An answer that is to carry another name of its model is read whole for that; a larger one goes by as it is.
fn the_bound_of_an_answer_that_is_renamed(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["routes"]["all"]["to"] = json!(["up/real"]);
    let weir = Weir::start(driver, config);
    let most = weir::limits::RENAMED_BYTES_MAX;
    for (bytes, name) in [(most, "m"), (most + 1, "real")] {
        let mut client = weir.client();
        client.post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
        let mut call = upstream.next();
        let start = r#"{"id":"x","model":"real","choices":[{"index":0,"message":{"role":"assistant","content":""#;
        let end = r#""},"finish_reason":"stop"}]}"#;
        call.answer(200, "application/json", start.to_owned() + &"x".repeat(bytes - start.len() - end.len()) + end);
        let answer = client.answer();
        assert_eq!(answer.status(), 200);
        let start = start.replace("real", name);
        assert!(answer.text().starts_with(&start), "{bytes}: {}", &answer.text()[..60]);
        assert_eq!(answer.body.len(), bytes - "real".len() + name.len());
    }
}

/// A small body that grows past the bound: refused while it is decoded, by any coding, however far it would go.
fn the_bound_of_a_decoded_body(driver: Driver) {
    let (weir, mut upstream) = bounded(driver, "chat");
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).and_then(|()| encoder.finish()).expect("gzip")
    };
    let huge = vec![b' '; 32 << 20];
    for (coding, coded, good) in [
        ("gzip", gzip(body_of(BODY_BYTES).as_bytes()), true),
        ("gzip", gzip(body_of(BODY_BYTES + 1).as_bytes()), false),
        ("gzip", gzip(&huge), false),
        ("zstd", zstd::encode_all(body_of(BODY_BYTES).as_bytes(), 3).expect("zstd"), true),
        ("zstd", zstd::encode_all(body_of(BODY_BYTES + 1).as_bytes(), 3).expect("zstd"), false),
        ("zstd", zstd::encode_all(&*huge, 3).expect("zstd"), false),
        ("gzip, gzip", gzip(&gzip(&huge)), false),
    ] {
        let mut client = weir.client();
        assert!(coded.len() < BODY_BYTES, "{coding}: the coded form is within the bound");
        client.post_with(
            "/v1/chat/completions",
            &format!("{}content-encoding: {coding}\r\n", bearer(CLIENT_KEY)),
            &coded,
        );
        if good {
            let mut call = upstream.next();
            assert_eq!(call.request.body.len(), BODY_BYTES);
            call.json(200, json!({ "ok": true }));
            assert_eq!(client.answer().status(), 200);
        } else {
            let answer = client.answer();
            refused(&answer, Dialect::OpenAi, 413);
            then_usable_or_closed(client, &answer, &mut upstream);
        }
    }
}

fn the_bound_of_a_head(driver: Driver) {
    let (weir, mut upstream) = bounded(driver, "chat");
    let head = |length: usize| {
        let bare = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-length: 13\r\nx: \r\n\r\n",
            bearer(CLIENT_KEY)
        );
        let head = bare.replace("x: \r\n\r\n", &format!("x: {}\r\n\r\n", "x".repeat(length - bare.len())));
        assert_eq!(head.len(), length);
        head
    };
    let mut client = weir.client();
    client.send(head(HEAD_BYTES) + r#"{"model":"m"}"#);
    upstream.next().json(200, json!({ "ok": true }));
    assert_eq!(client.answer().status(), 200);
    client.wire.send_if_taken(head(HEAD_BYTES + 1) + r#"{"model":"m"}"#);
    let answer = client.answer();
    refused(&answer, Dialect::OpenAi, 431);
    assert_eq!(answer.head.field("connection"), Some("close"));
    upstream.untouched();
    let mut client = weir.client();
    client.wire.send_if_taken(format!("POST /v1/messages HTTP/1.1\r\nx: {}", "x".repeat(HEAD_BYTES * 4)));
    refused(&client.answer(), Dialect::Anthropic, 431);
}

fn the_bound_of_the_fields(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let request = |fields: usize| {
        let more: String = (0..fields - 3).map(|i| format!("x-{i}: 1\r\n")).collect();
        let key = bearer(CLIENT_KEY);
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{key}content-length: 13\r\n{more}\r\n{{\"model\":\"m\"}}"
        )
    };
    let mut client = weir.client();
    client.send(request(weir::limits::FIELDS_MAX));
    upstream.next().json(200, json!({ "ok": true }));
    assert_eq!(client.answer().status(), 200);
    client.send(request(weir::limits::FIELDS_MAX + 1));
    refused(&client.answer(), Dialect::OpenAi, 431);
    upstream.untouched();
}

fn the_bound_of_a_target(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let target = |length: usize| {
        let start = "/v1/chat/completions?x=";
        start.to_owned() + &"y".repeat(length - start.len())
    };
    let mut client = weir.client();
    client.post(&target(weir::limits::TARGET_BYTES_MAX), r#"{"model":"m"}"#);
    upstream.next().json(200, json!({ "ok": true }));
    assert_eq!(client.answer().status(), 200);
    client.post(&target(weir::limits::TARGET_BYTES_MAX + 1), r#"{"model":"m"}"#);
    refused(&client.answer(), Dialect::OpenAi, 414);
    upstream.untouched();
}

/// The connection over the bound is answered 503 or not taken until another leaves; those inside are served.
fn the_bound_of_connections(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["limits"] = json!({ "connections": 4 });
    let weir = Weir::start(driver, config);
    let none_left =
        || eventually(|| if weir.status()["sessions"] == 0 { Ok(()) } else { Err("sessions stay".to_owned()) });
    // Connections are taken in order: behind an answer, the one that found weir listening has been counted.
    weir.client().still_serves(&mut upstream);
    none_left();
    let mut inside: Vec<_> = (0..4).map(|_| weir.client()).collect();
    for client in &mut inside {
        client.still_serves(&mut upstream);
    }
    let mut over = weir.client();
    over.wire.send_if_taken("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    inside[0].still_serves(&mut upstream);
    over.wire.stream().set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let taken_as_usual = over.wire.stream().peek(&mut [0; 12]).is_ok_and(|n| n >= 12) && {
        let mut start = [0; 12];
        over.wire.stream().peek(&mut start).expect("bytes");
        &start != b"HTTP/1.1 503"
    };
    assert!(!taken_as_usual, "a fifth connection was served");
    drop(over);
    drop(inside);
    none_left();
    weir.client().still_serves(&mut upstream);
}

fn hasty(driver: Driver, timeouts: Value) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = timeouts;
    (Weir::start(driver, config), upstream)
}

/// The connection ends by itself: with a 408, or without a word.
fn ended_by_timeout(client: &mut Client) {
    let rest = client.wire.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "), "{}", text(&rest));
}

fn a_dripping_head_is_ended(driver: Driver) {
    let (weir, mut upstream) = hasty(driver, json!({ "head_ms": 300 }));
    let mut client = weir.client();
    let mut dripped = weir.client();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nho");
    std::thread::scope(|scope| {
        let stream = dripped.wire.stream().try_clone().expect("a clone");
        scope.spawn(move || {
            // One byte at a time, for longer than anybody waits: only the bound on the whole head can end it.
            for _ in 0..2 * HANG.as_millis() / 20 {
                if std::io::Write::write_all(&mut &stream, b"x").is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        ended_by_timeout(&mut dripped);
        dripped.wire.half_close();
    });
    ended_by_timeout(&mut client);
    upstream.untouched();
}

fn a_silent_body_is_ended(driver: Driver) {
    let (weir, mut upstream) = hasty(driver, json!({ "body_ms": 300 }));
    let mut client = weir.client();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-length: 50\r\n\r\n{{\"mo",
        bearer(CLIENT_KEY)
    ));
    ended_by_timeout(&mut client);
    upstream.untouched();
}

fn an_idle_connection_is_ended(driver: Driver) {
    let (weir, mut upstream) = hasty(driver, json!({ "keep_alive_ms": 300 }));
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.wire.ended();
}

/// An endless line from the provider: not buffered, not waited for.
fn the_upstreams_head_is_bounded(driver: Driver) {
    let (weir, mut upstream) = bounded(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", r#"{"model":"m"}"#);
    let mut call = upstream.next();
    call.wire.send_if_taken("HTTP/1.1 200 OK\r\nx: ".to_owned() + &"x".repeat(1 << 20));
    refused(&client.answer(), Dialect::OpenAi, 502);
}

fn half_open_heads_do_not_keep_others_out(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let half: Vec<_> = (0..500)
        .map(|_| {
            let mut client = weir.client();
            client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: ");
            client
        })
        .collect();
    weir.client().still_serves(&mut upstream);
    assert_eq!(half.len(), 500);
}
