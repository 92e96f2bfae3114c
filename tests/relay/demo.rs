//! The demo provider: an answer with no account and no network.

use crate::support::*;

on_both_drivers!(a_whole_answer, a_stream, a_route_without_file, other_endpoints_say_no, every_dialect_is_answered);

fn demo(driver: Driver) -> Weir {
    let config = json!({
        "clients": { "tester": { "key": CLIENT_KEY } },
        "providers": { "demo": { "protocol": "demo" } },
        "routes": { "all": { "to": ["demo"] } },
    });
    Weir::start(driver, config)
}

fn a_whole_answer(driver: Driver) {
    let weir = demo(driver);
    let mut client = weir.client();
    for _ in 0..2 {
        client.post("/v1/chat/completions", r#"{"model":"demo","messages":[{"role":"user","content":"hello"}]}"#);
        let answer = client.answer();
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert!(body["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(body["usage"]["total_tokens"].as_u64().is_some_and(|n| n > 0), "{body}");
    }
}

fn a_stream(driver: Driver) {
    let weir = demo(driver);
    let mut client = weir.client();
    let request = r#"{"model":"demo","messages":[{"role":"user","content":"hello"}],"stream":true}"#;
    client.post("/v1/chat/completions", request);
    let answer = client.answer();
    assert_eq!(answer.head.field("content-type").map(|kind| kind.split(';').next()), Some(Some("text/event-stream")));
    let events: Vec<_> =
        answer.text().split_terminator("\n\n").map(|e| e.strip_prefix("data: ").expect("data")).collect();
    let (last, chunks) = events.split_last().expect("events");
    assert_eq!(*last, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).expect("json")).collect();
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"), "{chunks:?}");
    let said: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(!said.is_empty());
    assert!(chunks.iter().any(|c| c["choices"][0]["finish_reason"] == "stop"), "{chunks:?}");
}

/// An empty machine: no file, no key in the environment. The default file is made, and the first request is answered.
fn a_route_without_file(driver: Driver) {
    let folder = Folder::new();
    let made = folder.path().join("config/weir/config.json");
    let mut weir = Weir::start_bare(driver, folder.path());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&made).expect("the file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", "", r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(client.answer().json()["object"], "chat.completion");
    weir.signal(libc::SIGTERM);
    assert!(weir.exited().success());
}

fn other_endpoints_say_no(driver: Driver) {
    let weir = demo(driver);
    let mut client = weir.client();
    client.post("/v1/embeddings", r#"{"model":"demo","input":"x"}"#);
    refused(&client.answer(), Dialect::OpenAi, 501);
}

/// Whatever a client speaks, its first request is answered, whole and as a stream that ends as its dialect does.
fn every_dialect_is_answered(driver: Driver) {
    let weir = demo(driver);
    let mut client = weir.client();
    let turn = r#""messages":[{"role":"user","content":"hi"}]"#;
    let contents = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#.to_owned();
    let asked = [
        ("/v1/messages", format!(r#"{{"model":"demo","max_tokens":64,{turn}}}"#), "/content/0/text"),
        ("/v1/responses", r#"{"model":"demo","input":"hi"}"#.to_owned(), "/output/0/content/0/text"),
        ("/v1beta/models/demo:generateContent", contents.clone(), "/candidates/0/content/parts/0/text"),
        ("/api/chat", format!(r#"{{"model":"demo","stream":false,{turn}}}"#), "/message/content"),
    ];
    for (path, body, place) in asked {
        client.post(path, &body);
        let answer = client.answer();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let json = answer.json();
        assert!(json.pointer(place).and_then(Value::as_str).is_some_and(|text| text.contains("hi")), "{path}: {json}");
    }
    let streamed = [
        ("/v1/messages", format!(r#"{{"model":"demo","max_tokens":64,"stream":true,{turn}}}"#), "message_stop"),
        ("/v1/responses", r#"{"model":"demo","input":"hi","stream":true}"#.to_owned(), "response.completed"),
        ("/v1beta/models/demo:streamGenerateContent?alt=sse", contents, "\"finishReason\":\"STOP\""),
        ("/api/chat", format!(r#"{{"model":"demo",{turn}}}"#), "\"done\":true"),
    ];
    for (path, body, end) in streamed {
        client.post(path, &body);
        let answer = client.answer();
        assert!(answer.status() == 200 && answer.text().contains(end), "{path}: {}", answer.text());
    }
}
