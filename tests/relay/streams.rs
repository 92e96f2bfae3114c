//! Streams: every event at once and byte for byte, and a stream that was cut never looks complete.

use crate::support::*;

on_both_drivers!(
    conversion_06_events_leave_as_they_arrive,
    bytes_are_kept_in_every_dialect,
    framings_of_the_upstream,
    a_large_event_arrives_whole,
    many_small_events_arrive_whole,
    a_cut_chat_stream_is_broken_off,
    a_cut_stream_tells_in_the_dialect,
    a_stream_that_ends_without_saying_why_is_cut,
    a_stream_that_says_why_may_lack_its_end_mark,
    a_cut_behind_the_reason_is_none_where_nothing_is_missing,
    audio_need_not_say_why_it_ends,
    a_stream_of_broken_framing_is_broken_off,
    a_silent_stream_is_ended,
    a_quiet_stream_is_kept_alive,
    a_quiet_array_is_kept_alive,
    a_quiet_stream_of_lines_is_kept_alive,
    a_stream_refused_before_its_start_falls_back,
);

pub fn chat_event(text: &str) -> String {
    let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    data(json!({ "id": "1", "choices": [choice] }))
}

pub fn chat_stop() -> String {
    data(json!({ "id": "1", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }))
}

pub const DONE: &str = "data: [DONE]\n\n";
pub const STREAM: &str = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;

/// A whole Messages stream; what it counts is 5 + 40 + 2 tokens in and 9 out.
pub fn anthropic_stream() -> String {
    let usage = json!({ "input_tokens": 5, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 2, "output_tokens": 1 });
    let stop = json!({ "stop_reason": "end_turn" });
    [
        json!({ "type": "message_start", "message": { "id": "m", "usage": usage } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "a" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": stop, "usage": { "output_tokens": 9 } }),
        json!({ "type": "message_stop" }),
    ]
    .map(named)
    .concat()
}

fn responses_start() -> String {
    let created = named(json!({ "type": "response.created", "response": { "id": "r" } }));
    created + &named(json!({ "type": "response.output_text.delta", "delta": "a" }))
}

/// The client holds each event before the upstream has sent the next.
fn conversion_06_events_leave_as_they_arrive(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", &format!("{}accept-encoding: gzip, br\r\n", bearer(CLIENT_KEY)), STREAM);
    let mut call = upstream.next();
    assert_eq!(call.head().field("accept-encoding"), Some("identity"), "what is coded comes in blocks");
    call.open("text/event-stream");
    let first = chat_event("0");
    call.chunk(&first);
    let head = client.wire.head();
    assert_eq!(head.status(), 200);
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(head.field("x-accel-buffering"), Some("no"));
    assert_eq!(head.field("content-encoding"), None);
    assert_eq!(client.wire.payload(first.len()), first.as_bytes());
    for i in 1..50 {
        let event = chat_event(&i.to_string());
        call.chunk(&event);
        assert_eq!(client.wire.payload(event.len()), event.as_bytes());
    }
    call.chunk(chat_stop());
    call.chunk(DONE);
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), ((chat_stop() + DONE).into_bytes(), true));
    client.still_serves(&mut upstream);
}

/// Blanks, comments, CRLF, `event:` and `id:` lines: a relay of the same protocol has no opinion of them.
fn bytes_are_kept_in_every_dialect(driver: Driver) {
    let chat =
        [": PROCESSING\n\n", &chat_event("a"), "id: 7\r\ndata:{\"choices\":[]}\r\n\r\n", &chat_stop(), DONE].concat();
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let completed = json!({ "type": "response.completed", "response": { "id": "r", "usage": usage } });
    let responses = responses_start() + &named(completed);
    let anthropic = anthropic_stream();
    let gemini = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\r\n\r\n\
        data: {\"candidates\": [{\"content\": {\"parts\": []},\"finishReason\": \"STOP\"}],\"usageMetadata\": {}}\r\n\r\n";
    let array = "[{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\n,\r\n\
        {\"candidates\": [{\"finishReason\": \"STOP\"}]}\n]\n";
    let ollama = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n\
        {\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let cases = [
        ("chat", "/v1/chat/completions", "text/event-stream; charset=utf-8", chat.as_str()),
        ("responses", "/v1/responses", "text/event-stream", &responses),
        ("anthropic", "/v1/messages", "text/event-stream", &anthropic),
        ("gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", "text/event-stream", gemini),
        ("gemini", "/v1beta/models/m:streamGenerateContent", "application/json", array),
        ("ollama", "/api/chat", "application/x-ndjson", ollama),
    ];
    for (protocol, path, kind, body) in cases {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        client.post(path, STREAM);
        let mut call = upstream.next();
        call.open(kind);
        for piece in body.as_bytes().chunks(7) {
            call.chunk(piece);
        }
        call.last_chunk();
        let answer = client.answer();
        assert_eq!(answer.text(), body, "{protocol}");
        assert!(answer.whole);
        assert_eq!(answer.head.field("content-type"), Some(kind));
    }
}

fn framings_of_the_upstream(driver: Driver) {
    let body = chat_event("a") + &chat_stop() + DONE;
    let sized = format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunked =
        format!("transfer-encoding: chunked\r\n\r\n{:x};ext=\"1\"\r\n{body}\r\n0\r\nx-trailer: 1\r\n\r\n", body.len());
    let to_close = format!("\r\n{body}");
    for rest in [&sized, &chunked, &to_close] {
        let (weir, mut upstream) = relay(driver, "chat");
        let mut client = weir.client();
        client.post("/v1/chat/completions", STREAM);
        let mut call = upstream.next();
        call.send(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{rest}"));
        if rest == &to_close {
            call.close();
        }
        let answer = client.answer();
        assert_eq!((answer.text(), answer.whole), (body.as_str(), true));
        assert_eq!(answer.head.field("x-trailer"), None);
        client.still_serves(&mut upstream);
    }
}

fn a_large_event_arrives_whole(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut client = weir.client();
    client.post("/v1/responses", STREAM);
    let mut call = upstream.next();
    let text = "0123456789abcdef".repeat(1 << 19);
    let response = json!({ "text": text, "usage": { "input_tokens": 31, "output_tokens": 8 } });
    let body = named(json!({ "type": "response.completed", "response": response }));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            call.open("text/event-stream");
            call.chunk(&body);
            call.last_chunk();
        });
        let answer = client.answer();
        assert!(answer.whole && answer.body == body.as_bytes(), "{} of {} bytes", answer.body.len(), body.len());
    });
    let usage = weir.usage(1);
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(31), &json!(8)));
}

fn many_small_events_arrive_whole(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    let body: String = (0..10_000).map(|i| chat_event(&i.to_string())).chain([chat_stop()]).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            call.open("text/event-stream");
            for event in body.split_inclusive("\n\n") {
                call.chunk(event);
            }
            call.last_chunk();
        });
        let answer = client.answer();
        assert!(answer.whole && answer.body == body.as_bytes());
    });
}

/// Cuts a stream after `sent`, and gives what the client saw of it.
fn cut(driver: Driver, protocol: &str, path: &str, kind: &str, sent: &str) -> (String, bool) {
    let (weir, mut upstream) = relay(driver, protocol);
    let mut client = weir.client();
    client.post(path, STREAM);
    let mut call = upstream.next();
    call.open(kind);
    call.chunk(sent);
    let head = client.wire.head();
    assert_eq!(head.status(), 200);
    assert_eq!(client.wire.payload(sent.len()), sent.as_bytes());
    upstream.reset(call);
    let (rest, whole) = client.wire.body(head.response_length());
    weir.logged("the cut", |line| line.to_lowercase().contains("cut"));
    (String::from_utf8(rest).expect("text"), whole)
}

fn a_cut_chat_stream_is_broken_off(driver: Driver) {
    let (rest, whole) = cut(driver, "chat", "/v1/chat/completions", "text/event-stream", &chat_event("a"));
    assert!(!rest.contains("[DONE]"), "{rest}");
    let event = rest.strip_prefix("data: ").or_else(|| rest.strip_prefix("event: error\ndata: "));
    match event {
        Some(event) => {
            let body: Value = serde_json::from_str(event.trim_end()).expect("json");
            assert!(body["error"]["message"].is_string(), "{body}");
        }
        None => assert!(rest.is_empty() && !whole, "neither an error event nor a broken framing: {rest:?}"),
    }
}

fn a_cut_stream_tells_in_the_dialect(driver: Driver) {
    let whole = anthropic_stream();
    let start = &whole[..whole.find("event: content_block_stop").expect("a stop")];
    let (rest, _) = cut(driver, "anthropic", "/v1/messages", "text/event-stream", start);
    let event = rest.strip_prefix("event: error\ndata: ").unwrap_or_else(|| panic!("no error event: {rest:?}"));
    let body: Value = serde_json::from_str(event.trim_end()).expect("json");
    assert_eq!(body["type"], "error");
    assert!(body["error"]["message"].is_string() && !rest.contains("message_stop"), "{rest}");

    let (rest, whole) = cut(driver, "responses", "/v1/responses", "text/event-stream", &responses_start());
    assert!(!rest.contains("response.completed"), "{rest}");
    assert!(rest.contains("response.failed") || rest.contains("\"error\"") || !whole, "{rest}");

    let line = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n";
    let (rest, whole) = cut(driver, "ollama", "/api/chat", "application/x-ndjson", line);
    assert!(!rest.contains("\"done\":true"), "{rest}");
    assert!(rest.contains("\"error\"") || !whole, "{rest}");

    let element = "[{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\n";
    let path = "/v1beta/models/m:streamGenerateContent";
    let (rest, whole) = cut(driver, "gemini", path, "application/json", element);
    assert!(!whole || rest.contains("\"error\""), "{rest}");
}

/// Framing that ends neatly is no reason: by the last chunk, by a length, by the end of the connection; with the last
/// frame whole, and inside one.
fn a_stream_that_ends_without_saying_why_is_cut(driver: Driver) {
    let whole = anthropic_stream();
    let anthropic = &whole[..whole.find("event: content_block_stop").expect("a stop")];
    let (chat, responses) = (chat_event("a"), responses_start());
    let gemini = data(json!({ "candidates": [{ "content": { "parts": [{ "text": "a" }] } }] }));
    let array = "[{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\n]\n";
    let ollama = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n";
    let generated = "{\"response\":\"a\",\"done\":false}\n";
    let text = data(json!({ "choices": [{ "index": 0, "text": "a", "finish_reason": null }] }));
    let sse = "text/event-stream";
    let cases = [
        ("chat", "/v1/chat/completions", sse, chat.as_str(), true),
        ("chat", "/v1/completions", sse, &text, true),
        ("responses", "/v1/responses", sse, &responses, true),
        ("anthropic", "/v1/messages", sse, anthropic, true),
        ("gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", sse, &gemini, true),
        ("gemini", "/v1beta/models/m:streamGenerateContent", "application/json", array, false),
        ("ollama", "/api/chat", "application/x-ndjson", ollama, true),
        ("ollama", "/api/generate", "application/x-ndjson", generated, true),
    ];
    for (protocol, path, kind, sent, tells) in cases {
        // What is left of a frame goes nowhere: the error event would become a part of it.
        let rests = if tells { &["", "data: {\"choices\":[{\"del"][..] } else { &[""] };
        for rest in rests {
            let body = format!("{sent}{rest}");
            let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            let sized = format!("content-length: {}\r\n\r\n{body}", body.len());
            let to_close = format!("\r\n{body}");
            for framing in [&chunked, &sized, &to_close] {
                // A cut counts against the key, so each has a fresh one.
                let (weir, mut upstream) = relay(driver, protocol);
                let mut client = weir.client();
                client.post(path, STREAM);
                let mut call = upstream.next();
                call.send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{framing}"));
                call.close();
                let head = client.wire.head();
                let (got, is_whole) = client.wire.body(head.response_length());
                let got = String::from_utf8(got).expect("text");
                let after = got.strip_prefix(sent).unwrap_or_else(|| panic!("{protocol}: {got:?}"));
                assert_eq!((is_whole, after.contains("\"error\"")), (tells, tells), "{protocol} {path}: {got:?}");
                for mark in ["[DONE]", "message_stop", "\"done\":true", "response.completed", "\"del"] {
                    assert!(!after.contains(mark), "{protocol} {path}: {got:?}");
                }
                weir.logged("the cut", |line| line.to_lowercase().contains("cut"));
            }
        }
    }
}

/// `[DONE]`, `message_stop` and a last blank line are ornament once the reason has been said.
fn a_stream_that_says_why_may_lack_its_end_mark(driver: Driver) {
    let whole = anthropic_stream();
    let anthropic = &whole[..whole.find("event: message_stop").expect("a stop")];
    let chat = chat_event("a") + &chat_stop();
    let cases = [
        ("chat", "/v1/chat/completions", chat.as_str()),
        ("chat", "/v1/chat/completions", chat.trim_end()),
        ("anthropic", "/v1/messages", anthropic),
    ];
    for (protocol, path, sent) in cases {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        client.post(path, STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(sent);
        call.last_chunk();
        let answer = client.answer();
        assert_eq!((answer.text(), answer.whole), (sent, true), "{protocol}");
    }
}

/// A transport that is cut behind the reason: `[DONE]` says nothing more, `message_stop` has to come.
fn a_cut_behind_the_reason_is_none_where_nothing_is_missing(driver: Driver) {
    let whole = anthropic_stream();
    let anthropic = &whole[..whole.find("event: message_stop").expect("a stop")];
    let chat = chat_event("a") + &chat_stop();
    let ollama = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    for (protocol, path, kind, sent, is_whole) in [
        ("chat", "/v1/chat/completions", "text/event-stream", chat.as_str(), true),
        ("ollama", "/api/chat", "application/x-ndjson", ollama, true),
        ("anthropic", "/v1/messages", "text/event-stream", anthropic, false),
    ] {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        client.post(path, STREAM);
        let mut call = upstream.next();
        call.open(kind);
        call.chunk(sent);
        call.close();
        let answer = client.answer();
        let after = answer.text().strip_prefix(sent).expect("what was sent");
        assert_eq!(
            (answer.whole, after.is_empty(), after.contains("error")),
            (true, is_whole, !is_whole),
            "{protocol}: {after}"
        );
    }
}

fn audio_need_not_say_why_it_ends(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/audio/speech", r#"{"model":"m","input":"x","stream_format":"sse"}"#);
    let mut call = upstream.next();
    let body = data(json!({ "type": "speech.audio.delta", "audio": "AA==" }));
    call.open("text/event-stream");
    call.chunk(&body);
    call.last_chunk();
    let answer = client.answer();
    assert_eq!((answer.text(), answer.whole), (body.as_str(), true));
}

/// A chunk longer than it said: whatever follows is not passed on, and the client sees no end.
fn a_stream_of_broken_framing_is_broken_off(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(chat_event("a"));
    client.wire.head();
    call.send(format!("3\r\n{}0\r\n\r\n", chat_event("forged")));
    let (body, whole) = client.wire.body(Length::Chunked);
    let body = String::from_utf8(body).expect("text");
    assert!(!body.contains("forged") && (!whole || body.contains("\"error\"")), "{body}");
    call.wire.ended();
    weir.client().still_serves(&mut upstream);
}

fn a_silent_stream_is_ended(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "stream_idle_ms": 200 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(chat_event("a"));
    let head = client.wire.head();
    let (body, whole) = client.wire.body(head.response_length());
    let body = String::from_utf8(body).expect("text");
    assert!(!body.contains("[DONE]") && (!whole || body.contains("\"error\"")), "{body}");
    call.wire.ended();
}

/// Pings come between events and nowhere else, also while the rest of an event is awaited. Whose libraries take every
/// line for data gets data that says nothing, and none behind the reason of the end.
fn a_quiet_stream_is_kept_alive(driver: Driver) {
    let plain = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let gemini =
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"index\":0}]}\r\n\r\n";
    let says = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    let stops = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{}}\r\n\r\n";
    let of_gemini = [says, stops].concat();
    let chat = chat_event("one") + &chat_stop() + DONE;
    let anthropic = anthropic_stream();
    for (protocol, path, said, events, pings) in [
        ("chat", "/v1/chat/completions", "one", &chat, &[": ping\n\n"][..]),
        ("anthropic", "/v1/messages", "text_delta", &anthropic, &["event: ping\ndata: {\"type\": \"ping\"}\n\n"]),
        ("gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", "text", &of_gemini, &[gemini]),
    ] {
        let mut upstream = Upstream::new();
        let mut config = config(protocol, &upstream);
        config["timeouts"] = json!({ "ping_ms": 100 });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        client.post(path, r#"{"model":"m","messages":[],"stream":true}"#);
        let mut call = upstream.next();
        let kind = "text/event-stream";
        let end = if protocol == "gemini" { "\r\n\r\n" } else { "\n\n" };
        let said = events.find(said).expect("an event that says something");
        let at = said + events[said..].find(end).expect("its end") + end.len();
        call.open(kind);
        call.chunk(&events[..at + 7]);
        let begun = plain(client.wire.until("\r\n\r\n"));
        assert!(begun.contains("200"), "{begun}");
        let seen: String = pings.iter().chain(pings).map(|ping| plain(client.wire.until(ping))).collect();
        assert!(seen.contains(&events[..at - end.len()]), "{protocol}: {seen}");
        call.chunk(&events[at + 7..]);
        let rest = plain(client.wire.until(events[at..].trim_end()));
        if protocol == "gemini" {
            std::thread::sleep(std::time::Duration::from_millis(250));
            call.last_chunk();
            let behind = plain(client.wire.until("\r\n0\r\n"));
            assert!(!pings.iter().any(|ping| behind.contains(ping)), "{protocol}: {rest} and {behind}");
        }
    }
}

/// An array is kept alive by a blank between two elements.
fn a_quiet_array_is_kept_alive(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("gemini", &upstream);
    config["timeouts"] = json!({ "ping_ms": 100 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1beta/models/m:streamGenerateContent", "{\"contents\":[]}");
    let mut call = upstream.next();
    call.open("application/json");
    call.chunk("[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n");
    client.wire.until("\"a\"");
    client.wire.until("1\r\n\n\r\n");
    client.wire.until("1\r\n\n\r\n");
    call.chunk(",{\"candidates\":[{\"finishReason\":\"STOP\"}]}\n]\n");
    call.last_chunk();
    client.wire.until("STOP");
}

/// Ollama's libraries read every line as JSON: a blank begins the next one, and none stands behind the last.
fn a_quiet_stream_of_lines_is_kept_alive(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("ollama", &upstream);
    config["timeouts"] = json!({ "ping_ms": 100 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/api/chat", r#"{"model":"m","messages":[]}"#);
    let mut call = upstream.next();
    call.open("application/x-ndjson");
    call.chunk(
        "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n{\"model\":\"m\",",
    );
    client.wire.until("\"a\"");
    client.wire.until("1\r\n \r\n");
    client.wire.until("1\r\n \r\n");
    call.chunk("\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n");
    client.wire.until("\"done_reason\":\"stop\"}\n\r\n");
    std::thread::sleep(std::time::Duration::from_millis(250));
    call.last_chunk();
    let behind = String::from_utf8(client.wire.until("0\r\n\r\n")).expect("text");
    assert_eq!(behind, "0\r\n\r\n");
}

/// A 200 whose first event is an error, and one that ends with neither text nor a finish reason: nothing went out yet.
fn a_stream_refused_before_its_start_falls_back(driver: Driver) {
    for sent in ["data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n", ": comment only\n\n", ""] {
        let mut upstream = Upstream::new();
        let mut config = config("chat", &upstream);
        config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        client.post("/v1/chat/completions", STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        if !sent.is_empty() {
            call.chunk(sent);
        }
        call.last_chunk();
        let mut call = upstream.next();
        let body = chat_event("b") + &chat_stop() + DONE;
        call.open("text/event-stream");
        call.chunk(&body);
        call.last_chunk();
        assert_eq!(client.answer().text(), body, "after {sent:?}");
    }
}
