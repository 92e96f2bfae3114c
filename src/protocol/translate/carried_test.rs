//! A client of Gemini that keeps calls with their signatures and leaves thoughts out, as its CLI does, before vendors
//! that want thoughts back.

use serde_json::{Value, json};

use super::*;
use crate::protocol::ir::{Destination, Outgoing, Quirks};

fn answering(upstream: Dialect, has_tools: bool) -> Answering {
    Answering {
        client: Dialect::Gemini,
        upstream,
        names: Names::default(),
        think_tag: None,
        model: "a-model".to_owned(),
        secret: Secret::new("sk-1"),
        opening: Opening { has_tools, framing: Some(Framing::Sse), ..Opening::default() },
    }
}

/// The parts that a client hears, streamed or whole.
fn heard(upstream: Dialect, answer: &Value, streamed: bool, has_tools: bool) -> Vec<Value> {
    let mut answering = answering(upstream, has_tools);
    let (response, _) = read(&mut answering, answer.to_string().as_bytes()).expect("an answer");
    let mut out = Vec::new();
    match streamed {
        true => Stream::new(answering, Framing::Sse).replay(&response, &mut out),
        false => write(Dialect::Gemini, &response, &answering.opening, &mut out),
    }
    let text = String::from_utf8(out).expect("UTF-8");
    let chunks = match streamed {
        true => text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect(),
        false => vec![text],
    };
    let chunks = chunks.iter().map(|chunk| serde_json::from_str::<Value>(chunk).expect("JSON"));
    chunks.flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().expect("parts").clone()).collect()
}

/// What the provider is asked next, where the client sends `parts` back and what its tools said.
fn next(upstream: Dialect, model: &str, parts: &[Value]) -> Value {
    next_of(upstream, model, vec![json!({ "role": "model", "parts": parts })])
}

/// The same where the model's turn is kept so.
fn next_of(upstream: Dialect, model: &str, turns: Vec<Value>) -> Value {
    let parts = turns.iter().flat_map(|turn| turn["parts"].as_array().expect("parts"));
    let results: Vec<Value> = parts
        .filter_map(|part| part.get("functionCall"))
        .map(|call| json!({ "functionResponse": { "id": call["id"], "name": call["name"], "response": { "output": "ok" } } }))
        .collect();
    let mut contents = vec![json!({ "role": "user", "parts": [{ "text": "go" }] })];
    contents.extend(turns);
    contents.push(json!({ "role": "user", "parts": results }));
    let body = json!({
        "contents": contents,
        "tools": [{ "functionDeclarations": [{ "name": "f", "parametersJsonSchema": { "type": "object" } }] }],
        "generationConfig": { "thinkingConfig": { "thinkingBudget": 4096 }, "maxOutputTokens": 9000 },
    });
    let body = body.to_string();
    let request = decode_request(Dialect::Gemini, body.as_bytes(), Some("m"), true).expect("a request");
    let mut out = Outgoing::default();
    let quirks = Quirks { replays_reasoning: true, ..Quirks::default() };
    encode_request(upstream, &request, &Destination { model, stream: true, quirks: &quirks }, &mut out)
        .expect("it can be said");
    serde_json::from_slice(&out.body).expect("JSON")
}

fn claudes() -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "tool_use",
        "usage": { "input_tokens": 1, "output_tokens": 2 },
        "content": [
            { "type": "thinking", "thinking": "hm \"a\"\n\u{1F600}", "signature": "Eo4C+/=" },
            { "type": "redacted_thinking", "data": "Zm9v" },
            { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "toolu_1", "name": "f", "input": {} },
            { "type": "tool_use", "id": "toolu_2", "name": "f", "input": { "a": 1 } },
        ] })
}

#[test]
fn claude_gets_its_thoughts_back_by_way_of_the_call() {
    for streamed in [true, false] {
        let told = heard(Dialect::Anthropic, &claudes(), streamed, true);
        let kept: Vec<Value> = told.iter().filter(|part| part["thought"] != true).cloned().collect();
        let signed = kept.iter().filter(|part| part.get("thoughtSignature").is_some()).count();
        assert_eq!((signed, kept.len() < told.len()), (1, true), "{told:?}");
        for parts in [&kept, &told] {
            // Whatever a client keeps: with its calls the thoughts come back, and once.
            let asked = next(Dialect::Anthropic, "claude-sonnet-4-5", parts);
            let content = &asked["messages"][1]["content"];
            let whole = claudes();
            // What follows the thoughts may have been cut in other pieces.
            assert_eq!(content[0], whole["content"][0], "{streamed}: {asked}");
            assert_eq!(content[1], whole["content"][1], "{streamed}: {asked}");
            let thoughts = content
                .as_array()
                .expect("blocks")
                .iter()
                .filter(|block| block["type"].as_str().is_some_and(|kind| kind.ends_with("thinking")));
            assert_eq!(thoughts.count(), 2, "{asked}");
            assert_eq!(asked["thinking"]["type"], "enabled", "{asked}");
        }
        // Google's library for Python keeps a stream chunk by chunk.
        let apart = told.iter().map(|part| json!({ "role": "model", "parts": [part] })).collect();
        let asked = next_of(Dialect::Anthropic, "claude-sonnet-4-5", apart);
        assert_eq!(asked["messages"][1]["content"][0], claudes()["content"][0], "{asked}");
        assert_eq!(asked["messages"][1]["content"][1], claudes()["content"][1], "{asked}");
        // Another vendor is told none of it.
        let asked = next(Dialect::Ollama, "qwen3", &kept).to_string();
        assert!(!asked.contains("Eo4C") && !asked.contains("weir.1"), "{asked}");
        let asked = next(Dialect::Gemini, "gemini-3-pro", &kept).to_string();
        assert!(!asked.contains("Eo4C") && !asked.contains("d2Vpci4x"), "{asked}");
    }
}

#[test]
fn plain_reasoning_comes_back_to_who_wants_it_beside_calls() {
    let answer = json!({ "id": "c", "object": "chat.completion", "model": "deepseek-reasoner", "choices": [{ "index": 0,
        "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "reasoning_content": "hm",
        "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] } }] });
    for streamed in [true, false] {
        let told = heard(Dialect::Chat, &answer, streamed, true);
        let kept: Vec<Value> = told.into_iter().filter(|part| part["thought"] != true).collect();
        let asked = next(Dialect::Chat, "deepseek-reasoner", &kept);
        assert_eq!(asked["messages"][1]["reasoning_content"], "hm", "{asked}");
    }
}

#[test]
fn encrypted_reasoning_comes_back_to_responses() {
    let answer = json!({ "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [
        { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "hm" }], "encrypted_content": "gAAA" },
        { "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}" },
    ], "usage": { "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 } });
    for streamed in [true, false] {
        let told = heard(Dialect::Responses, &answer, streamed, true);
        let kept: Vec<Value> = told.into_iter().filter(|part| part["thought"] != true).collect();
        let asked = next(Dialect::Responses, "gpt-5", &kept);
        let items = asked["input"].as_array().expect("items");
        let thought = items.iter().position(|item| item["type"] == "reasoning").expect("reasoning");
        assert_eq!(items[thought]["encrypted_content"], "gAAA", "{asked}");
        assert_eq!(items[thought + 1]["type"], "function_call", "{asked}");
    }
}

#[test]
fn without_tools_nothing_is_kept_for_a_call() {
    for streamed in [true, false] {
        let told = heard(Dialect::Anthropic, &claudes(), streamed, false);
        let calls = told.iter().filter(|part| part.get("functionCall").is_some());
        assert!(calls.into_iter().all(|part| part.get("thoughtSignature").is_none()), "{told:?}");
    }
}
