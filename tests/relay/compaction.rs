//! Compaction for clients of Responses whose provider has none.

use crate::support::*;
use crate::translation::speech::{self, Say};

on_both_drivers!(
    a_conversation_is_compacted,
    a_trigger_is_answered_by_one_item,
    a_summary_is_read_by_every_provider,
    a_provider_that_compacts_does_it_itself,
    a_provider_of_responses_without_compaction_is_asked_for_a_summary,
    of_a_model_that_is_not_there_there_is_no_summary,
    no_summary_is_a_failure,
    nothing_is_nothing_to_compact,
    an_answer_that_nobody_keeps_is_not_found,
);

const OTHERS: [&str; 4] = ["chat", "anthropic", "gemini", "ollama"];

fn relay_to(driver: Driver, upstream: &str) -> (Weir, Upstream) {
    let provider = Upstream::new();
    let mut config = config(upstream, &provider);
    config["routes"]["all"] = json!({ "to": ["up/up-1"], "system_prompt": { "text": "Sing." } });
    config["retry"] = json!({ "rounds_max": 0 });
    (Weir::start(driver, config), provider)
}

fn input(more: &[Value]) -> Value {
    let mut input = vec![
        json!({ "role": "user", "content": "List the files" }),
        json!({ "type": "function_call", "call_id": "c", "name": "ls", "arguments": "{\"p\":1}" }),
        json!({ "type": "function_call_output", "call_id": "c", "output": "a.txt" }),
        json!({ "role": "assistant", "content": "One file." }),
    ];
    input.extend_from_slice(more);
    json!(input)
}

/// What the provider is asked for is a summary.
fn is_asked(call: &Call, upstream: &str) {
    let text = call.request.text();
    for said in ["[user]: List the files", "[tool_call: ls(", "[tool_result: a.txt]", "[assistant]: One file."] {
        assert!(text.contains(said), "{upstream}: {said} in {text}");
    }
    assert!(!text.contains("Sing.") && !text.contains("compaction_trigger"), "{upstream}: {text}");
}

fn a_conversation_is_compacted(driver: Driver) {
    for upstream in OTHERS {
        let (weir, mut provider) = relay_to(driver, upstream);
        let mut asking = weir.client();
        asking.post("/v1/responses/compact", json!({ "model": "m-1", "input": input(&[]) }).to_string());
        let mut call = provider.next();
        assert_eq!(call.target(), speech::asked_at(upstream, false));
        is_asked(&call, upstream);
        call.json(200, speech::whole(upstream, Say::Text));
        let answer = asking.answer();
        let told = answer.json();
        assert_eq!((answer.status(), &told["object"]), (200, &json!("response.compaction")), "{}", answer.text());
        assert!(told["id"].as_str().is_some_and(|id| id.starts_with("resp_compact_")) && told["created_at"].is_u64());
        let [first, item] = &told["output"].as_array().expect("items")[..] else { panic!("{told}") };
        assert_eq!((&first["role"], &first["content"][0]["text"]), (&json!("user"), &json!("List the files")));
        assert!(item["type"] == "compaction" && item["encrypted_content"].is_string());
        assert_eq!(told["usage"]["input_tokens"], speech::TOKENS.0);
    }
}

fn a_trigger_is_answered_by_one_item(driver: Driver) {
    let asked = json!({ "model": "m-1", "input": input(&[json!({ "type": "compaction_trigger" })]), "stream": true });
    for upstream in OTHERS {
        let (weir, mut provider) = relay_to(driver, upstream);
        let mut asking = weir.client();
        asking.post("/v1/responses", asked.to_string());
        let mut call = provider.next();
        is_asked(&call, upstream);
        call.open(speech::stream_type(upstream));
        speech::stream(upstream, Say::Text).iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        let answer = asking.answer();
        assert_eq!(answer.head.field("content-type"), Some("text/event-stream; charset=utf-8"));
        let events: Vec<Value> = answer
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).expect("JSON"))
            .collect();
        let names: Vec<_> = events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        assert_eq!(
            names,
            ["response.created", "response.output_item.added", "response.output_item.done", "response.completed"]
        );
        let output = &events[3]["response"]["output"];
        assert!(output.as_array().is_some_and(|items| items.len() == 1) && output[0] == events[2]["item"]);
        assert_eq!(
            (&output[0]["type"], &events[3]["response"]["usage"]["total_tokens"]),
            (&json!("compaction"), &json!(0))
        );
        let mut whole = asked.clone();
        whole["stream"] = json!(false);
        asking.post("/v1/responses", whole.to_string());
        provider.next().json(200, speech::whole(upstream, Say::Text));
        let told = asking.answer().json();
        assert_eq!((&told["object"], &told["output"][0]["type"]), (&json!("response"), &json!("compaction")), "{told}");
    }
}

/// Also by the one that would take it for a summary of its own.
fn a_summary_is_read_by_every_provider(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "anthropic");
    let mut asking = weir.client();
    asking.post("/v1/responses/compact", json!({ "model": "m-1", "input": input(&[]) }).to_string());
    provider.next().json(200, speech::whole("anthropic", Say::Text));
    let mut next = asking.answer().json()["output"].clone();
    next.as_array_mut().expect("items").push(json!({ "role": "user", "content": "Go on" }));
    for upstream in speech::SPOKEN {
        let (weir, mut provider) = relay_to(driver, upstream);
        let mut asking = weir.client();
        asking.post("/v1/responses", json!({ "model": "m-1", "input": next }).to_string());
        let mut call = provider.next();
        let text = call.request.text();
        let summary =
            serde_json::to_string(&format!("[Conversation Summary]\n{}", speech::PIECES.concat())).expect("JSON");
        let summary = summary.trim_matches('"').replace('\u{1F600}', "");
        assert!(text.replace('\u{1F600}', "").contains(&summary) && text.contains("Go on"), "{upstream}: {text}");
        assert!(!text.contains("weir.compaction") && !text.contains("encrypted_content"), "{upstream}: {text}");
        call.json(200, speech::whole(upstream, Say::Text));
        assert_eq!(speech::hear("responses", &asking.answer().json()).text, speech::PIECES.concat());
    }
}

fn a_provider_that_compacts_does_it_itself(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "responses");
    let mut asking = weir.client();
    let body = json!({ "model": "m-1", "input": input(&[]) });
    asking.post("/v1/responses/compact", body.to_string());
    let mut call = provider.next();
    assert_eq!((call.target(), &call.request.json()["input"]), ("/v1/responses/compact", &body["input"]));
    call.json(200, json!({ "object": "response.compaction", "output": [] }));
    assert_eq!(asking.answer().json()["object"], "response.compaction");
}

/// Each time anew, with the same key, which has done nothing wrong, and however few attempts there may be.
fn a_provider_of_responses_without_compaction_is_asked_for_a_summary(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("responses", &upstream);
    config["retry"] = json!({ "rounds_max": 0, "attempts_max": 1 });
    let weir = Weir::start(driver, config);
    let mut asking = weir.client();
    let body = json!({ "model": "m-1", "input": input(&[]) });
    for (status, kind, page) in [
        (501, "application/json", r#"{"error":{"message":"not implemented","type":"server_error"}}"#),
        (404, "application/json", r#"{"detail":"Not Found"}"#),
        (404, "application/json", r#"{"error":{"message":"no such path","type":"not_found_error"}}"#),
        (405, "text/plain", "Method Not Allowed"),
    ] {
        asking.post("/v1/responses/compact", body.to_string());
        let mut call = upstream.next();
        assert_eq!(call.target(), "/v1/responses/compact");
        call.answer(status, kind, page);
        let mut call = upstream.next();
        assert_eq!(call.target(), "/v1/responses");
        is_asked(&call, "responses");
        call.json(200, speech::whole("responses", Say::Text));
        let answer = asking.answer();
        let told = answer.json();
        assert_eq!((answer.status(), &told["object"]), (200, &json!("response.compaction")), "{}", answer.text());
        assert_eq!(told["output"][1]["type"], "compaction");
    }
}

fn of_a_model_that_is_not_there_there_is_no_summary(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "responses");
    let mut asking = weir.client();
    asking.post("/v1/responses/compact", json!({ "model": "m-1", "input": input(&[]) }).to_string());
    let unknown = json!({ "error": { "message": "The model `up-1` does not exist", "type": "invalid_request_error",
        "param": null, "code": "model_not_found" } });
    provider.next().json(404, unknown.clone());
    provider.next().json(404, unknown.clone());
    refused(&asking.answer(), Dialect::OpenAi, 404);
    provider.untouched();
}

fn no_summary_is_a_failure(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat");
    let mut asking = weir.client();
    asking.post("/v1/responses/compact", json!({ "model": "m-1", "input": input(&[]) }).to_string());
    provider.next().json(200, chat_answer(" "));
    refused(&asking.answer(), Dialect::OpenAi, 502);
    let asked = json!({ "model": "m-1", "input": input(&[json!({ "type": "compaction_trigger" })]), "stream": true });
    asking.post("/v1/responses", asked.to_string());
    let mut call = provider.next();
    let frames = speech::stream("chat", Say::Call);
    call.open("text/event-stream");
    frames.iter().for_each(|frame| call.chunk(frame));
    call.last_chunk();
    let answer = asking.answer();
    assert!(answer.whole && answer.text().contains("\"code\":\"compaction_failed\""), "{}", answer.text());
    assert!(answer.text().contains("event: response.failed") && !answer.text().contains("response.completed"));
    asking.post("/v1/responses", asked.to_string());
    provider.next().json(400, speech::error("chat", "too long"));
    assert_eq!(refused(&asking.answer(), Dialect::OpenAi, 400), "too long");
}

fn nothing_is_nothing_to_compact(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat");
    let mut asking = weir.client();
    asking.post("/v1/responses/compact", r#"{"model":"m-1","input":[]}"#);
    let answer = asking.answer();
    refused(&answer, Dialect::OpenAi, 400);
    assert_eq!(answer.json()["error"]["param"], "input");
    provider.untouched();
}

/// conversion 38.
fn an_answer_that_nobody_keeps_is_not_found(driver: Driver) {
    for upstream in OTHERS {
        let (weir, mut provider) = relay_to(driver, upstream);
        let mut asking = weir.client();
        asking.post("/v1/responses", r#"{"model":"m-1","input":"go on","previous_response_id":"resp_1"}"#);
        let answer = asking.answer();
        assert_eq!(refused(&answer, Dialect::OpenAi, 400), "Previous response with id 'resp_1' not found.");
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("previous_response_not_found"), &json!("previous_response_id"))
        );
        assert_eq!(error["type"], "invalid_request_error");
        provider.untouched();
    }
}
