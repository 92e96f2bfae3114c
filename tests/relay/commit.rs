//! A stream belongs to the client from the first thing that it says: before, any failure leads to the next key.

use std::time::Duration;

use crate::streams::{STREAM, chat_event};
use crate::support::*;

on_both_drivers!(
    an_error_before_the_first_token_goes_to_the_next_key,
    a_stream_that_says_nothing_goes_to_the_next_key,
    what_was_held_arrives_whole,
    conversion_56_the_first_token_has_its_time,
    a_reason_without_text_is_an_answer,
    what_is_held_is_bounded,
    a_client_that_leaves_while_the_model_thinks,
    a_stream_that_thinks_holds_little,
    an_error_behind_the_first_token_is_the_last_thing_said,
    an_error_in_a_last_line_without_an_end_goes_without_the_key,
);

const CHAT: &str = "/v1/chat/completions";

fn role() -> String {
    data(
        json!({ "id": "c", "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null }] }),
    )
}

fn finish() -> String {
    data(json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })) + "data: [DONE]\n\n"
}

fn two_keys(driver: Driver, protocol: &str) -> (Weir, Upstream) {
    two_keys_with(driver, protocol, |_| ())
}

fn two_keys_with(driver: Driver, protocol: &str, change: impl FnOnce(&mut Value)) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config(protocol, &upstream);
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
    change(&mut config);
    (Weir::start(driver, config), upstream)
}

/// What each dialect sends before its first token, and its error event.
fn openings() -> Vec<(&'static str, &'static str, String, String)> {
    let message = json!({ "type": "message_start", "message": { "id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": { "input_tokens": 3, "output_tokens": 1 } } });
    let block = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let response =
        json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress", "output": [] } });
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    vec![
        (
            "chat",
            CHAT,
            format!(": ping\n\n{}", role()),
            data(json!({ "error": { "message": "The server had an error", "type": "server_error" } })),
        ),
        (
            "anthropic",
            "/v1/messages",
            named(message) + &named(json!({ "type": "ping" })) + &named(block),
            named(overloaded),
        ),
        (
            "responses",
            "/v1/responses",
            named(response.clone())
                + &named(json!({ "type": "response.in_progress", "response": response["response"] })),
            named(
                json!({ "type": "error", "code": "server_error", "message": "?", "param": null, "sequence_number": 2 }),
            ),
        ),
    ]
}

fn an_error_before_the_first_token_goes_to_the_next_key(driver: Driver) {
    for (protocol, path, opening, error) in openings() {
        // At once, and behind a pause in which the model seems to think.
        for pause in [0, 400] {
            let (weir, mut upstream) = two_keys(driver, protocol);
            let mut client = weir.client();
            client.post(path, STREAM);
            let mut call = upstream.next();
            let first = call.head().raw.clone();
            call.open("text/event-stream");
            call.chunk(&opening);
            std::thread::sleep(Duration::from_millis(pause));
            assert!(!client.wire.has_pending(), "{protocol}: something has gone to the client");
            call.chunk(&error);
            let mut call = upstream.next();
            assert_ne!(call.head().raw, first, "{protocol}: another key");
            call.json(200, chat_answer("second key"));
            assert_eq!(client.answer().json(), chat_answer("second key"), "{protocol} {pause}");
        }
    }
}

/// Neither a token nor a reason for the end: no answer, whatever mark it ends with.
fn a_stream_that_says_nothing_goes_to_the_next_key(driver: Driver) {
    for end in
        [String::new(), role(), role() + "data: [DONE]\n\n", "data: [DONE]\n\n".to_owned(), ": ping\n\n".to_owned()]
    {
        let (weir, mut upstream) = two_keys(driver, "chat");
        let mut client = weir.client();
        client.post(CHAT, STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        if !end.is_empty() {
            call.chunk(&end);
        }
        call.last_chunk();
        upstream.next().json(200, chat_answer("second key"));
        assert_eq!(client.answer().json(), chat_answer("second key"), "after {end:?}");
    }
}

fn what_was_held_arrives_whole(driver: Driver) {
    let (weir, mut upstream) = two_keys(driver, "chat");
    let mut client = weir.client();
    client.post(CHAT, STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    let mut sent = String::new();
    // Held in a slab, then in a buffer of its size, and cut in the middle of an event.
    for piece in [role(), ": ping\n\n".to_owned(), data(json!({ "choices": [] }))] {
        let (one, two) = piece.split_at(piece.len() / 2);
        call.chunk(one);
        std::thread::sleep(Duration::from_millis(250));
        call.chunk(two);
        sent += &piece;
    }
    assert!(!client.wire.has_pending(), "something has gone to the client");
    sent = sent + &chat_event("word") + &finish();
    call.chunk(chat_event("word"));
    call.chunk(finish());
    call.last_chunk();
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text(), answer.whole), (200, &sent[..], true));
}

/// `first_token_ms` ends with the first token: neither a head nor roles and pings end it, and no token is late.
fn conversion_56_the_first_token_has_its_time(driver: Driver) {
    let short = |config: &mut Value| config["timeouts"] = json!({ "first_token_ms": 600, "stream_idle_ms": 60_000 });
    let (weir, mut upstream) = two_keys_with(driver, "chat", short);
    let mut client = weir.client();
    client.post(CHAT, STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(role());
    let pings = std::thread::spawn(move || {
        for _ in 0..40 {
            call.wire.send_if_taken("8\r\n: ping\n\n\r\n");
            std::thread::sleep(Duration::from_millis(50));
        }
        call
    });
    let mut second = upstream.next();
    second.open("text/event-stream");
    second.chunk(chat_event("in time"));
    assert_eq!(client.wire.head().status(), 200);
    // From here on the silence is bounded by another timeout.
    std::thread::sleep(Duration::from_millis(900));
    second.chunk(finish());
    second.last_chunk();
    assert!(client.wire.body(Length::Chunked).1);
    drop(pings.join());
}

fn a_reason_without_text_is_an_answer(driver: Driver) {
    let (weir, mut upstream) = two_keys(driver, "chat");
    let mut client = weir.client();
    client.post(CHAT, STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(role());
    // No mark at the end: the reason was enough.
    call.chunk(data(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "content_filter" }] })));
    call.last_chunk();
    let answer = client.answer();
    assert!(answer.whole && answer.text().contains("content_filter"), "{}", answer.text());
    upstream.untouched();
}

/// What comes before the first token and is more than a little goes on as it comes.
fn what_is_held_is_bounded(driver: Driver) {
    let (weir, mut upstream) = two_keys(driver, "responses");
    let mut client = weir.client();
    client.post("/v1/responses", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    let instructions = "x".repeat(weir::limits::HOLD_BYTES_MAX);
    let response = json!({ "id": "r", "status": "in_progress", "output": [], "instructions": instructions });
    call.chunk(named(json!({ "type": "response.created", "response": response })));
    assert_eq!(client.wire.head().status(), 200, "passed on before anything was said");
    call.close();
    let (body, whole) = client.wire.body(Length::Chunked);
    let body = String::from_utf8_lossy(&body);
    let end = &body[body.len().saturating_sub(300)..];
    assert!(!whole || end.contains("response.failed") || end.contains("error"), "{whole}: {end}");
}

fn a_client_that_leaves_while_the_model_thinks(driver: Driver) {
    let (weir, mut upstream) = two_keys(driver, "chat");
    let mut client = weir.client();
    client.post(CHAT, STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(role());
    std::thread::sleep(Duration::from_millis(300));
    drop(client);
    call.wire.ended();
    weir.client().still_serves(&mut upstream);
}

/// Hundreds of models think at once.
fn a_stream_that_thinks_holds_little(driver: Driver) {
    const STREAMS: usize = 300;
    let (weir, mut upstream) = two_keys(driver, "chat");
    weir.client().still_serves(&mut upstream);
    weir.status();
    let before = crate::leaving::own_bytes(weir.pid());
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        let mut client = weir.client();
        client.post(CHAT, STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(role());
        open.push((client, call));
    }
    std::thread::sleep(Duration::from_millis(600));
    let each = crate::leaving::own_bytes(weir.pid()).saturating_sub(before) / STREAMS;
    println!("{each} bytes for each stream that thinks");
    for (client, call) in &mut open {
        call.chunk(chat_event("at last"));
        assert_eq!(client.wire.head().status(), 200);
    }
    assert!(each < 40_000, "{each} bytes");
}

/// It is passed on without the key that stands in it, nothing follows it, whatever the upstream says, and nobody counts
/// that as an answer.
fn an_error_behind_the_first_token_is_the_last_thing_said(driver: Driver) {
    let error = data(json!({ "error": { "message": format!("bad key {UPSTREAM_KEY}"), "type": "server_error" } }));
    let told = error.replace(UPSTREAM_KEY, "***");
    let more = chat_event("more") + "data: [DONE]\n\n";
    for (pieces, is_cut) in [
        (vec![error.clone() + &more], false),
        (vec![error.clone(), more.clone()], false),
        (vec![error.clone(), more], true),
        (vec![error], true),
    ] {
        let (weir, mut upstream) = relay(driver, "chat");
        let mut client = weir.client();
        client.post(CHAT, STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(chat_event("a"));
        eventually(|| if client.wire.has_pending() { Ok(()) } else { Err("nothing has come".to_owned()) });
        for piece in &pieces {
            call.chunk(piece);
        }
        if is_cut {
            call.close();
        } else {
            call.last_chunk();
        }
        assert_eq!(client.answer().text(), chat_event("a") + &told, "{pieces:?} {is_cut}");
        let usage = weir.usage(1);
        assert_eq!((usage["ok"].as_u64(), usage["errors"].as_u64()), (Some(0), Some(1)), "{usage}");
    }
}

fn an_error_in_a_last_line_without_an_end_goes_without_the_key(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "ollama");
    let mut client = weir.client();
    client.post("/api/chat", r#"{"model":"m","messages":[]}"#);
    let mut call = upstream.next();
    call.open("application/x-ndjson");
    let said = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n";
    call.chunk(said);
    std::thread::sleep(Duration::from_millis(200));
    call.chunk(format!("{{\"error\":\"bad key {UPSTREAM_KEY}\"}}"));
    call.last_chunk();
    assert_eq!(client.answer().text(), format!("{said}{{\"error\":\"bad key ***\"}}"));
    let usage = weir.usage(1);
    assert_eq!(usage["errors"].as_u64(), Some(1), "{usage}");
}
