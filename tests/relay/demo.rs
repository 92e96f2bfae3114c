//! The demo provider: an answer with no account and no network.

use crate::support::*;
use crate::translation::speech::{self, SPOKEN, hear, hear_stream};

on_both_drivers!(
    a_whole_answer,
    a_stream,
    a_route_without_file,
    other_endpoints_say_no,
    every_dialect_is_answered,
    tools_are_called_in_every_dialect,
    thoughts_and_images_are_told_in_every_dialect,
    trouble_is_made_in_every_dialect,
    statuses_are_answered_in_every_dialect,
    the_next_target_is_asked,
    a_slow_stream_takes_its_time,
    completions_and_compactions_are_answered,
);

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

/// The answer to `words` in a dialect.
fn ask(weir: &Weir, client: &str, stream: bool, words: &str) -> Message {
    let mut asking = weir.client();
    let mut body = speech::request(client, stream);
    match client {
        "responses" => body["input"] = json!(words),
        "gemini" => body["contents"][0]["parts"][0]["text"] = json!(words),
        _ => {
            let messages = body["messages"].as_array_mut().expect("messages");
            messages.last_mut().expect("a message")["content"] = json!(words);
        }
    }
    if client != "gemini" {
        body["model"] = json!("demo");
    }
    asking.post(&speech::path(client, stream).replace("m-1", "demo"), body.to_string());
    asking.answer()
}

fn tools_are_called_in_every_dialect(driver: Driver) {
    let weir = demo(driver);
    for client in SPOKEN {
        for (words, count, city) in
            [("demo:tool", 1, "demo"), ("demo:tools=3", 3, "demo"), ("demo:tool {\"city\":\"Bern\"}", 1, "Bern")]
        {
            for stream in [true, false] {
                let answer = ask(&weir, client, stream, words);
                let heard = if stream { hear_stream(client, &answer.body) } else { hear(client, &answer.json()) };
                assert_eq!((heard.calls.len(), heard.ends), (count, 1), "{client} {words}: {}", answer.text());
                for (name, input) in &heard.calls {
                    let input: Value = serde_json::from_str(input).expect("JSON");
                    assert_eq!((&**name, input), ("get_weather", json!({ "city": city })), "{client}");
                }
                assert_eq!(heard.stop, speech::stop(client, speech::Say::Call), "{client}");
            }
        }
    }
}

fn thoughts_and_images_are_told_in_every_dialect(driver: Driver) {
    let weir = demo(driver);
    for client in SPOKEN {
        for stream in [true, false] {
            let answer = ask(&weir, client, stream, "demo:think demo:long=40");
            let heard = if stream { hear_stream(client, &answer.body) } else { hear(client, &answer.json()) };
            assert!(heard.text.starts_with("word1 ") && heard.text.ends_with(" word40"), "{client}: {}", answer.text());
            let thought: String = match stream {
                true => answer.text().split("thought").skip(1).take(1).collect(),
                false => answer.text().to_owned(),
            };
            assert!(!thought.is_empty() && !heard.text.contains("thought"), "{client}: {}", answer.text());
            let image = ask(&weir, client, stream, "demo:image");
            assert!(
                image.text().contains("iVBORw0KGgo") || image.head.field("x-weir-dropped").is_some(),
                "{client}: {}",
                image.text()
            );
        }
    }
}

fn trouble_is_made_in_every_dialect(driver: Driver) {
    let weir = demo(driver);
    for client in SPOKEN {
        for words in ["demo:cut", "demo:error=stream"] {
            let answer = ask(&weir, client, true, words);
            let heard = hear_stream(client, &answer.body);
            assert!(answer.whole && !heard.text.is_empty(), "{client} {words}: {}", answer.text());
            assert_eq!((heard.ends, heard.errors.len()), (0, 1), "{client} {words}: {}", answer.text());
            let status = if words == "demo:cut" { 502 } else { 500 };
            refused(&ask(&weir, client, false, words), dialect(client), status);
        }
        for stream in [true, false] {
            refused(&ask(&weir, client, stream, "demo:empty"), dialect(client), 502);
        }
    }
}

fn dialect(client: &str) -> Dialect {
    match client {
        "anthropic" => Dialect::Anthropic,
        "gemini" => Dialect::Gemini,
        "ollama" => Dialect::Ollama,
        _ => Dialect::OpenAi,
    }
}

/// A refused key is not the caller's fault, and 529 is Anthropic's alone.
fn statuses_are_answered_in_every_dialect(driver: Driver) {
    let weir = demo(driver);
    for client in SPOKEN {
        let room = if client == "anthropic" { 529 } else { 503 };
        for (asked, told) in [(400, 400), (401, 502), (404, 404), (429, 429), (500, 500), (503, 503), (529, room)] {
            for stream in [true, false] {
                let answer = ask(&weir, client, stream, &format!("demo:error={asked}"));
                refused(&answer, dialect(client), told);
                let waits = matches!(asked, 429 | 503 | 529).then_some("1");
                assert_eq!(answer.head.field("retry-after"), waits, "{client} {asked}");
            }
        }
    }
}

fn the_next_target_is_asked(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["demo"] = json!({ "protocol": "demo" });
    config["routes"]["all"] = json!({ "to": ["demo", "up"] });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for (words, next) in [("demo:error=429", true), ("demo:empty", true), ("demo:cut", true), ("demo:error=400", false)]
    {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": words }] });
        client.post("/v1/chat/completions", body.to_string());
        if next {
            upstream.next().json(200, chat_answer("from the next"));
        }
        let answer = client.answer();
        assert_eq!(answer.text().contains("from the next"), next, "{words}: {}", answer.text());
    }
}

fn a_slow_stream_takes_its_time(driver: Driver) {
    let weir = demo(driver);
    let begun = std::time::Instant::now();
    let answer = ask(&weir, "chat", true, "demo:slow=20 demo:long=10");
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200) && answer.whole);
    assert_eq!(hear_stream("chat", &answer.body).ends, 1);
}

fn completions_and_compactions_are_answered(driver: Driver) {
    let weir = demo(driver);
    let mut client = weir.client();
    client.post("/v1/completions", r#"{"model":"demo","prompt":"hi there"}"#);
    let told = client.answer().json();
    assert!(told["choices"][0]["text"].as_str().is_some_and(|text| text.contains("hi there")), "{told}");
    client.post("/v1/responses/compact", r#"{"model":"demo","input":"hi there"}"#);
    assert_eq!(client.answer().json()["object"], "response.compaction");
    let trigger =
        r#"{"model":"demo","stream":true,"input":[{"role":"user","content":"hi"},{"type":"compaction_trigger"}]}"#;
    client.post("/v1/responses", trigger);
    let answer = client.answer();
    assert!(answer.text().contains("event: response.completed") && answer.text().contains("weir.compaction."));
}
