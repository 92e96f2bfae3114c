//! The old completions before providers that have chats only.

use crate::support::*;
use crate::translation::speech::{self, PIECES, Say, TOKENS};

on_both_drivers!(
    a_completion_is_a_chat_elsewhere,
    a_completion_streams_text,
    a_provider_that_has_completions_is_asked_for_one,
    a_prompt_comes_back_where_it_is_wanted,
    what_a_chat_cannot_say_is_refused_or_named,
    errors_are_openais,
);

const CHATS: [&str; 3] = ["anthropic", "gemini", "ollama"];

fn relay_to(driver: Driver, upstream: &str) -> (Weir, Upstream) {
    let provider = Upstream::new();
    let mut config = config(upstream, &provider);
    config["routes"]["all"] = json!({ "to": ["up/up-1"], "system_prompt": { "text": "Be brief." } });
    (Weir::start(driver, config), provider)
}

fn a_completion_is_a_chat_elsewhere(driver: Driver) {
    for upstream in CHATS {
        let (weir, mut provider) = relay_to(driver, upstream);
        for prompt in [json!("Say hello"), json!(["Say hello"])] {
            let mut asking = weir.client();
            let body = json!({ "model": "m-1", "prompt": prompt, "max_tokens": 9, "stop": "END", "temperature": 0.5 });
            asking.post("/v1/completions", body.to_string());
            let mut call = provider.next();
            assert_eq!(call.target(), speech::asked_at(upstream, false));
            let asked = call.request.text().to_owned();
            for said in ["Say hello", "END", "0.5", "9", "Be brief."] {
                assert!(asked.contains(said), "{upstream}: {said} in {asked}");
            }
            call.json(200, speech::whole(upstream, Say::Text));
            let answer = asking.answer();
            let told = answer.json();
            assert_eq!(told["object"], "text_completion", "{upstream}: {}", answer.text());
            assert!(told["id"].as_str().is_some_and(|id| id.starts_with("cmpl-")), "{told}");
            let choice = &told["choices"][0];
            assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(PIECES.concat()), &json!("stop")));
            assert!(choice["index"] == 0 && choice["logprobs"].is_null() && choice.get("message").is_none());
            let usage = &told["usage"];
            assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(TOKENS.0), &json!(TOKENS.1)));
            assert_eq!(answer.head.field("x-weir-dropped"), None);
        }
    }
}

fn a_completion_streams_text(driver: Driver) {
    for upstream in CHATS {
        let (weir, mut provider) = relay_to(driver, upstream);
        for include_usage in [true, false] {
            let mut asking = weir.client();
            let options = json!({ "include_usage": include_usage });
            let body = json!({ "model": "m-1", "prompt": "Hi", "stream": true, "stream_options": options });
            asking.post("/v1/completions", body.to_string());
            let mut call = provider.next();
            call.open(speech::stream_type(upstream));
            speech::stream(upstream, Say::Text).iter().for_each(|frame| call.chunk(frame));
            call.last_chunk();
            let (chunks, done) = chunks(asking.answer().text());
            assert!(done && chunks.iter().all(|chunk| chunk["object"] == "text_completion"), "{chunks:?}");
            let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
            assert_eq!(text, PIECES.concat(), "{upstream}");
            let reasons: Vec<_> = chunks.iter().filter_map(|c| c["choices"][0]["finish_reason"].as_str()).collect();
            assert_eq!(reasons, ["stop"]);
            let spent = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
            assert_eq!(spent, usize::from(include_usage), "{upstream}: {chunks:?}");
            if include_usage {
                assert_eq!(chunks.last().expect("chunks")["usage"]["completion_tokens"], TOKENS.1);
            }
        }
        let mut asking = weir.client();
        asking.post("/v1/completions", r#"{"model":"m-1","prompt":"Hi","stream":true}"#);
        let mut call = provider.next();
        call.open(speech::stream_type(upstream));
        let frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        frames[..=first].iter().for_each(|frame| call.chunk(frame));
        call.close();
        let (chunks, done) = chunks(asking.answer().text());
        assert!(!done && chunks.last().is_some_and(|chunk| chunk["error"]["message"].is_string()), "{chunks:?}");
    }
}

/// The data of a stream, and whether it ended as a whole one does.
fn chunks(stream: &str) -> (Vec<Value>, bool) {
    let events: Vec<_> = stream.split_terminator("\n\n").map(|e| e.strip_prefix("data: ").expect("data")).collect();
    let done = events.last() == Some(&"[DONE]");
    let chunks = &events[..events.len() - usize::from(done)];
    (chunks.iter().map(|chunk| serde_json::from_str(chunk).expect("json")).collect(), done)
}

fn a_provider_that_has_completions_is_asked_for_one(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat");
    let mut asking = weir.client();
    asking.post("/v1/completions", r#"{"model":"m-1","prompt":["a","b"],"suffix":"z","echo":true}"#);
    let mut call = provider.next();
    assert_eq!(call.target(), "/v1/completions");
    assert_eq!(call.request.json(), json!({ "model": "up-1", "prompt": ["a", "b"], "suffix": "z", "echo": true }));
    call.json(200, json!({ "object": "text_completion", "model": "up-1", "choices": [{ "text": "x" }] }));
    assert_eq!(asking.answer().json()["choices"][0]["text"], "x");
}

fn a_prompt_comes_back_where_it_is_wanted(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "anthropic");
    for stream in [true, false] {
        let mut asking = weir.client();
        let body = json!({ "model": "m-1", "prompt": "Once \"upon\"\n", "echo": true, "stream": stream });
        asking.post("/v1/completions", body.to_string());
        let mut call = provider.next();
        assert!(!call.request.text().contains("echo"));
        let text: String = match stream {
            true => {
                call.open("text/event-stream");
                speech::stream("anthropic", Say::Text).iter().for_each(|frame| call.chunk(frame));
                call.last_chunk();
                let (chunks, _) = chunks(asking.answer().text());
                chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect()
            }
            false => {
                call.json(200, speech::whole("anthropic", Say::Text));
                asking.answer().json()["choices"][0]["text"].as_str().expect("text").to_owned()
            }
        };
        assert_eq!(text, format!("Once \"upon\"\n{}", PIECES.concat()));
    }
}

fn what_a_chat_cannot_say_is_refused_or_named(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "anthropic");
    let mut asking = weir.client();
    for (prompt, suffix, member) in [
        (json!(["a", "b"]), json!(""), "prompt"),
        (json!([1, 2]), json!(null), "prompt"),
        (json!([[1, 2]]), json!(null), "prompt"),
        (json!("a"), json!("z"), "suffix"),
    ] {
        asking.post("/v1/completions", json!({ "model": "m-1", "prompt": prompt, "suffix": suffix }).to_string());
        let answer = asking.answer();
        assert!(refused(&answer, Dialect::OpenAi, 400).starts_with(member), "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"], member);
    }
    provider.untouched();
    let body = json!({ "model": "m-1", "prompt": "a", "n": 3, "best_of": 4, "logprobs": 5, "echo": false });
    asking.post("/v1/completions", body.to_string());
    let mut call = provider.next();
    assert!(!call.request.text().contains("best_of"));
    call.json(200, speech::whole("anthropic", Say::Text));
    let answer = asking.answer();
    let dropped = answer.head.field("x-weir-dropped").unwrap_or_default();
    let mut dropped: Vec<_> = dropped.split(", ").collect();
    dropped.sort_unstable();
    assert_eq!(dropped, ["best_of", "logprobs", "n"]);
}

fn errors_are_openais(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "anthropic");
    let mut asking = weir.client();
    asking.post("/v1/completions", r#"{"model":"m-1","prompt":"a"}"#);
    provider.next().json(400, speech::error("anthropic", "too long"));
    assert_eq!(refused(&asking.answer(), Dialect::OpenAi, 400), "too long");
    asking.post("/v1/completions", r#"{"model":"m-1"}"#);
    refused(&asking.answer(), Dialect::OpenAi, 400);
}
