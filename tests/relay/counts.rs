//! Tokens as each vendor counts them, whole and streamed, booked in one ledger: input holds what was cached, output what
//! was thought.

use crate::streams::{DONE, STREAM, anthropic_stream, chat_event, chat_stop};
use crate::support::*;

on_both_drivers!(
    chat_counts,
    responses_counts,
    anthropic_counts,
    gemini_counts,
    ollama_counts,
    what_nobody_said_is_zero
);

/// Input, output, cache read, cache write, reasoning.
type Counts = [u64; 5];

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";

/// Relays one answer, which must come through unchanged, and compares what was booked.
fn booked(driver: Driver, protocol: &str, path: &str, kind: &str, body: &str, expected: Counts) {
    let (weir, mut upstream) = relay(driver, protocol);
    let mut client = weir.client();
    client.post(path, if kind == JSON { r#"{"model":"m","stream":false}"# } else { STREAM });
    let mut call = upstream.next();
    if kind == JSON {
        call.answer(200, kind, body);
    } else {
        call.open(kind);
        call.chunk(body);
        call.last_chunk();
    }
    assert_eq!(client.answer().text(), body);
    let usage = weir.usage(1);
    let names = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"];
    assert_eq!(names.map(|name| usage[name].as_u64().expect("a count")), expected, "{protocol} {kind}");
}

fn chat_counts(driver: Driver) {
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": { "cached_tokens": 64 }, "completion_tokens_details": { "reasoning_tokens": 8 },
    });
    let expected = [100, 20, 64, 0, 8];
    let path = "/v1/chat/completions";
    let said = json!({ "index": 0, "message": { "content": "x" }, "finish_reason": "stop" });
    let whole = json!({ "choices": [said], "usage": usage });
    booked(driver, "chat", path, JSON, &whole.to_string(), expected);
    let (event, stop, last) = (chat_event("a"), chat_stop(), data(whole));
    booked(driver, "chat", path, SSE, &[&event, &stop, &last, DONE].concat(), expected);
    // The chunk that stops may hold the counts too (DeepSeek, Groq, Mistral), and may come twice (OpenRouter).
    let stop = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }], "usage": usage });
    booked(driver, "chat", path, SSE, &[event, data(stop.clone()), data(stop)].concat(), expected);
}

fn responses_counts(driver: Driver) {
    let usage = json!({
        "input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
        "input_tokens_details": { "cached_tokens": 64 }, "output_tokens_details": { "reasoning_tokens": 8 },
    });
    let expected = [100, 20, 64, 0, 8];
    let whole = json!({ "id": "r", "status": "completed", "usage": usage });
    booked(driver, "responses", "/v1/responses", JSON, &whole.to_string(), expected);
    let delta = named(json!({ "type": "response.output_text.delta", "delta": "a" }));
    let completed = named(json!({ "type": "response.completed", "response": whole }));
    booked(driver, "responses", "/v1/responses", SSE, &(delta + &completed), expected);
}

/// Cached input is counted beside `input_tokens`, not inside; the last `message_delta` corrects the start.
fn anthropic_counts(driver: Driver) {
    let usage = json!({
        "input_tokens": 5, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 2, "output_tokens": 9,
    });
    let expected = [47, 9, 40, 2, 0];
    let whole = json!({ "type": "message", "usage": usage }).to_string();
    booked(driver, "anthropic", "/v1/messages", JSON, &whole, expected);
    booked(driver, "anthropic", "/v1/messages", SSE, &anthropic_stream(), expected);
    let last =
        r#"{"output_tokens":9,"input_tokens":2479,"cache_read_input_tokens":40,"cache_creation_input_tokens":2}"#;
    let corrected = anthropic_stream().replace(r#"{"output_tokens":9}"#, last);
    booked(driver, "anthropic", "/v1/messages", SSE, &corrected, [2521, 9, 40, 2, 0]);
}

/// Thoughts are not among the candidates' tokens; every chunk counts anew and the last one holds.
fn gemini_counts(driver: Driver) {
    let usage = json!({
        "promptTokenCount": 100, "cachedContentTokenCount": 64, "candidatesTokenCount": 12, "thoughtsTokenCount": 8,
        "totalTokenCount": 120,
    });
    let expected = [100, 20, 64, 0, 8];
    let part = json!({
        "candidates": [{ "content": { "parts": [{ "text": "a" }] } }], "usageMetadata": { "promptTokenCount": 100 },
    });
    let last = json!({ "candidates": [{ "finishReason": "STOP" }], "usageMetadata": usage });
    let model = "/v1beta/models/m";
    booked(driver, "gemini", &format!("{model}:generateContent"), JSON, &last.to_string(), expected);
    let path = format!("{model}:streamGenerateContent?alt=sse");
    booked(driver, "gemini", &path, SSE, &format!("data: {part}\r\n\r\ndata: {last}\r\n\r\n"), expected);
}

fn ollama_counts(driver: Driver) {
    let part = json!({ "message": { "content": "a" }, "done": false });
    let last = json!({ "message": { "content": "" }, "done": true, "prompt_eval_count": 100, "eval_count": 20 });
    let expected = [100, 20, 0, 0, 0];
    booked(driver, "ollama", "/api/chat", JSON, &last.to_string(), expected);
    booked(driver, "ollama", "/api/chat", "application/x-ndjson", &format!("{part}\n{last}\n"), expected);
}

fn what_nobody_said_is_zero(driver: Driver) {
    booked(driver, "chat", "/v1/chat/completions", JSON, r#"{"choices":[{"text":"x"}]}"#, [0; 5]);
    let body = chat_event("a") + &chat_stop() + DONE;
    booked(driver, "chat", "/v1/chat/completions", SSE, &body, [0; 5]);
}
