//! Streams: every event at once and byte for byte, and a stream that was cut never looks complete.

use crate::support::*;

on_both_drivers!(
    events_pass_one_by_one,
    bytes_are_kept_in_every_dialect,
    framings_of_the_upstream,
    a_large_event_arrives_whole,
    many_small_events_arrive_whole,
    a_cut_chat_stream_is_broken_off,
    a_cut_stream_tells_in_the_dialect,
    a_silent_stream_is_ended,
    a_stream_refused_before_its_start_falls_back,
    token_counts_of_every_protocol,
);

fn chat_event(text: &str) -> String {
    format!(
        "data: {{\"id\":\"1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

const CHAT_STOP: &str = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const STREAM: &str = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;

/// The client holds each event before the upstream has sent the next.
fn events_pass_one_by_one(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    let first = chat_event("0");
    call.chunk(&first);
    let head = client.wire.head();
    assert_eq!(head.status(), 200);
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(client.wire.payload(first.len()), first.as_bytes());
    for i in 1..50 {
        let event = chat_event(&i.to_string());
        call.chunk(&event);
        assert_eq!(client.wire.payload(event.len()), event.as_bytes());
    }
    call.chunk(CHAT_STOP);
    call.chunk("data: [DONE]\n\n");
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), ([CHAT_STOP, "data: [DONE]\n\n"].concat().into_bytes(), true));
    client.still_serves(&mut upstream);
}

/// Blanks, comments, CRLF, `event:` and `id:` lines: a relay of the same protocol has no opinion of them.
fn bytes_are_kept_in_every_dialect(driver: Driver) {
    let chat = ": PROCESSING\n\n".to_owned()
        + &chat_event("a")
        + "id: 7\r\ndata:{\"choices\":[]}\r\n\r\n"
        + CHAT_STOP
        + "data: [DONE]\n\n";
    let responses = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n\
        event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n\
        event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
    let gemini = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\r\n\r\n\
        data: {\"candidates\": [{\"content\": {\"parts\": []},\"finishReason\": \"STOP\"}],\"usageMetadata\": {}}\r\n\r\n";
    let array = "[{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]}\n,\r\n{\"candidates\": [{\"finishReason\": \"STOP\"}]}\n]\n";
    let ollama = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n\
        {\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let cases = [
        ("chat", "/v1/chat/completions", "text/event-stream; charset=utf-8", chat.as_str()),
        ("responses", "/v1/responses", "text/event-stream", responses),
        ("anthropic", "/v1/messages", "text/event-stream", ANTHROPIC),
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

const ANTHROPIC: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":5,",
    "\"cache_read_input_tokens\":40,\"cache_creation_input_tokens\":2,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn framings_of_the_upstream(driver: Driver) {
    let body = chat_event("a") + CHAT_STOP + "data: [DONE]\n\n";
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
    let body = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"text\":\"{text}\",\"usage\":{{\"input_tokens\":31,\"output_tokens\":8}}}}}}\n\n"
    );
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
    let body: String = (0..10_000).map(|i| chat_event(&i.to_string())).chain([CHAT_STOP.to_owned()]).collect();
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
    let start = &ANTHROPIC[..ANTHROPIC.find("event: content_block_stop").expect("a stop")];
    let (rest, _) = cut(driver, "anthropic", "/v1/messages", "text/event-stream", start);
    let event = rest.strip_prefix("event: error\ndata: ").unwrap_or_else(|| panic!("no error event: {rest:?}"));
    let body: Value = serde_json::from_str(event.trim_end()).expect("json");
    assert_eq!(body["type"], "error");
    assert!(body["error"]["message"].is_string() && !rest.contains("message_stop"), "{rest}");

    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    let (rest, whole) = cut(driver, "responses", "/v1/responses", "text/event-stream", created);
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
        let body = chat_event("b") + CHAT_STOP + "data: [DONE]\n\n";
        call.open("text/event-stream");
        call.chunk(&body);
        call.last_chunk();
        assert_eq!(client.answer().text(), body, "after {sent:?}");
    }
}

/// Each vendor's own ledger: what counts as input, what is inside of what.
fn token_counts_of_every_protocol(driver: Driver) {
    let chat_usage = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":8}}"#;
    let responses_usage = r#"{"input_tokens":100,"output_tokens":20,"input_tokens_details":{"cached_tokens":64},"output_tokens_details":{"reasoning_tokens":8}}"#;
    let anthropic_usage =
        r#"{"input_tokens":5,"cache_read_input_tokens":40,"cache_creation_input_tokens":2,"output_tokens":9}"#;
    let gemini_usage = r#"{"promptTokenCount":100,"cachedContentTokenCount":64,"candidatesTokenCount":12,"thoughtsTokenCount":8,"totalTokenCount":120}"#;
    let ollama_counts = r#""prompt_eval_count":100,"eval_count":20"#;
    let sse = "text/event-stream";
    let cases: [(&str, &str, &str, String, [u64; 5]); 10] = [
        (
            "chat",
            "/v1/chat/completions",
            "application/json",
            format!("{{\"choices\":[],\"usage\":{chat_usage}}}"),
            [100, 20, 64, 0, 8],
        ),
        (
            "chat",
            "/v1/chat/completions",
            sse,
            format!(
                "{}{CHAT_STOP}data: {{\"choices\":[],\"usage\":{chat_usage}}}\n\ndata: [DONE]\n\n",
                chat_event("a")
            ),
            [100, 20, 64, 0, 8],
        ),
        (
            "responses",
            "/v1/responses",
            "application/json",
            format!("{{\"id\":\"r\",\"status\":\"completed\",\"usage\":{responses_usage}}}"),
            [100, 20, 64, 0, 8],
        ),
        (
            "responses",
            "/v1/responses",
            sse,
            format!(
                "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}}\n\nevent: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"usage\":{responses_usage}}}}}\n\n"
            ),
            [100, 20, 64, 0, 8],
        ),
        (
            "anthropic",
            "/v1/messages",
            "application/json",
            format!("{{\"type\":\"message\",\"usage\":{anthropic_usage}}}"),
            [47, 9, 40, 2, 0],
        ),
        ("anthropic", "/v1/messages", sse, ANTHROPIC.to_owned(), [47, 9, 40, 2, 0]),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            "application/json",
            format!("{{\"candidates\":[],\"usageMetadata\":{gemini_usage}}}"),
            [100, 20, 64, 0, 8],
        ),
        (
            "gemini",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            sse,
            format!(
                "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a\"}}]}}}}],\"usageMetadata\":{{\"promptTokenCount\":100}}}}\r\n\r\ndata: {{\"candidates\":[{{\"finishReason\":\"STOP\"}}],\"usageMetadata\":{gemini_usage}}}\r\n\r\n"
            ),
            [100, 20, 64, 0, 8],
        ),
        (
            "ollama",
            "/api/chat",
            "application/json",
            format!("{{\"message\":{{}},\"done\":true,{ollama_counts}}}"),
            [100, 20, 0, 0, 0],
        ),
        (
            "ollama",
            "/api/chat",
            "application/x-ndjson",
            format!(
                "{{\"message\":{{\"content\":\"a\"}},\"done\":false}}\n{{\"message\":{{\"content\":\"\"}},\"done\":true,{ollama_counts}}}\n"
            ),
            [100, 20, 0, 0, 0],
        ),
    ];
    for (protocol, path, kind, body, expected) in cases {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        let stream = kind != "application/json";
        client.post(path, if stream { STREAM } else { r#"{"model":"m","stream":false}"# });
        let mut call = upstream.next();
        if stream {
            call.open(kind);
            call.chunk(&body);
            call.last_chunk();
        } else {
            call.answer(200, kind, &body);
        }
        assert_eq!(client.answer().text(), body);
        let usage = weir.usage(1);
        let names = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"];
        assert_eq!(names.map(|name| usage[name].as_u64().expect("a count")), expected, "{protocol} {kind}");
    }
}
