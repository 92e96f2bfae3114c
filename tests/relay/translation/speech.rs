//! What providers say and what clients hear, in each protocol: written out by hand, so that no codec judges itself.

use crate::support::*;

/// What clients and providers speak.
pub const SPOKEN: [&str; 5] = ["chat", "responses", "anthropic", "gemini", "ollama"];

/// The text that answers say, in the two pieces in which streams say it.
pub const PIECES: [&str; 2] = ["Hello \"w", "orld\"\n\u{1F600}"];
/// Tokens of the prompt and of the answer.
pub const TOKENS: (u64, u64) = (11, 7);

pub fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = SPOKEN.iter().flat_map(|client| SPOKEN.iter().map(move |upstream| (*client, *upstream)));
    all.filter(|(client, upstream)| client != upstream)
}

/// What a provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    Text,
    Call,
}

/// The frames of a stream of `upstream`; the last one or two say that it is over.
pub fn stream(upstream: &str, say: Say) -> Vec<String> {
    match upstream {
        "chat" => chat_stream(say),
        "responses" => responses_stream(say),
        "anthropic" => anthropic_stream(say),
        "gemini" => gemini_stream(say),
        "ollama" => ollama_stream(say),
        other => panic!("{other}"),
    }
}

/// The content type of its streams.
pub fn stream_type(upstream: &str) -> &'static str {
    if upstream == "ollama" { "application/x-ndjson" } else { "text/event-stream" }
}

fn chat_stream(say: Say) -> Vec<String> {
    let chunk = |delta: Value, reason: Value| {
        data(json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up-1",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] }))
    };
    let mut frames = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    match say {
        Say::Text => {
            frames.extend(PIECES.map(|piece| chunk(json!({ "content": piece }), Value::Null)));
            frames.push(chunk(json!({}), json!("stop")));
        }
        Say::Call => {
            let call = |call: Value| chunk(json!({ "tool_calls": [call] }), Value::Null);
            frames.push(call(json!({ "index": 0, "id": "call_1", "type": "function",
                "function": { "name": "get_weather", "arguments": "" } })));
            frames.push(call(json!({ "index": 0, "function": { "arguments": "{\"city\":" } })));
            frames.push(call(json!({ "index": 0, "function": { "arguments": "\"Bern\"}" } })));
            frames.push(chunk(json!({}), json!("tool_calls")));
        }
    }
    frames.push(data(
        json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up-1", "choices": [],
        "usage": { "prompt_tokens": TOKENS.0, "completion_tokens": TOKENS.1, "total_tokens": TOKENS.0 + TOKENS.1 } }),
    ));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

fn responses_item(say: Say) -> Value {
    match say {
        Say::Text => json!({ "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": PIECES.concat(), "annotations": [] }] }),
        Say::Call => json!({ "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1",
            "name": "get_weather", "arguments": "{\"city\":\"Bern\"}" }),
    }
}

fn responses_answer(output: Value, status: &str, usage: Value) -> Value {
    json!({ "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "up-1",
        "output": output, "error": null, "incomplete_details": null, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true, "usage": usage })
}

fn responses_usage() -> Value {
    json!({ "input_tokens": TOKENS.0, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": TOKENS.1,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": TOKENS.0 + TOKENS.1 })
}

fn responses_stream(say: Say) -> Vec<String> {
    let mut number = 0;
    let mut event = |mut value: Value| {
        value["sequence_number"] = json!(number);
        number += 1;
        named(value)
    };
    let begun = responses_answer(json!([]), "in_progress", Value::Null);
    let mut frames = vec![event(json!({ "type": "response.created", "response": begun }))];
    match say {
        Say::Text => {
            let item = json!({ "id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant",
                "content": [] });
            frames.push(event(json!({ "type": "response.output_item.added", "output_index": 0, "item": item })));
            let part = json!({ "type": "output_text", "text": "", "annotations": [] });
            frames.push(event(json!({ "type": "response.content_part.added", "item_id": "msg_1", "output_index": 0,
                "content_index": 0, "part": part })));
            for piece in PIECES {
                frames
                    .push(event(json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "delta": piece })));
            }
            frames.push(event(json!({ "type": "response.output_text.done", "item_id": "msg_1", "output_index": 0,
                "content_index": 0, "text": PIECES.concat() })));
            let part = json!({ "type": "output_text", "text": PIECES.concat(), "annotations": [] });
            frames.push(event(json!({ "type": "response.content_part.done", "item_id": "msg_1", "output_index": 0,
                "content_index": 0, "part": part })));
        }
        Say::Call => {
            let item = json!({ "id": "fc_1", "type": "function_call", "status": "in_progress", "call_id": "call_1",
                "name": "get_weather", "arguments": "" });
            frames.push(event(json!({ "type": "response.output_item.added", "output_index": 0, "item": item })));
            for piece in ["{\"city\":", "\"Bern\"}"] {
                frames.push(event(json!({ "type": "response.function_call_arguments.delta", "item_id": "fc_1",
                    "output_index": 0, "delta": piece })));
            }
            frames.push(event(json!({ "type": "response.function_call_arguments.done", "item_id": "fc_1",
                "output_index": 0, "arguments": "{\"city\":\"Bern\"}" })));
        }
    }
    let item = responses_item(say);
    frames.push(event(json!({ "type": "response.output_item.done", "output_index": 0, "item": item })));
    let whole = responses_answer(json!([item]), "completed", responses_usage());
    frames.push(event(json!({ "type": "response.completed", "response": whole })));
    frames
}

fn anthropic_stream(say: Say) -> Vec<String> {
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "up-1", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": TOKENS.0, "output_tokens": 1 } });
    let mut frames = vec![named(json!({ "type": "message_start", "message": message }))];
    let (block, deltas, reason) = match say {
        Say::Text => (
            json!({ "type": "text", "text": "" }),
            PIECES.map(|piece| json!({ "type": "text_delta", "text": piece })),
            "end_turn",
        ),
        Say::Call => (
            json!({ "type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {} }),
            ["{\"city\":", "\"Bern\"}"].map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })),
            "tool_use",
        ),
    };
    frames.push(named(json!({ "type": "content_block_start", "index": 0, "content_block": block })));
    frames.extend(deltas.map(|delta| named(json!({ "type": "content_block_delta", "index": 0, "delta": delta }))));
    frames.push(named(json!({ "type": "content_block_stop", "index": 0 })));
    frames.push(named(json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
        "usage": { "output_tokens": TOKENS.1 } })));
    frames.push(named(json!({ "type": "message_stop" })));
    frames
}

fn gemini_usage() -> Value {
    json!({ "promptTokenCount": TOKENS.0, "candidatesTokenCount": TOKENS.1, "totalTokenCount": TOKENS.0 + TOKENS.1 })
}

fn gemini_stream(say: Say) -> Vec<String> {
    let chunk = |part: Value| {
        data(json!({ "candidates": [{ "content": { "role": "model", "parts": [part] }, "index": 0 }],
            "usageMetadata": { "promptTokenCount": TOKENS.0, "totalTokenCount": TOKENS.0 },
            "modelVersion": "up-1", "responseId": "g1" }))
    };
    let mut frames: Vec<String> = match say {
        Say::Text => PIECES.map(|piece| chunk(json!({ "text": piece }))).into(),
        Say::Call => {
            vec![chunk(json!({ "functionCall": { "name": "get_weather", "args": { "city": "Bern" } } }))]
        }
    };
    frames.push(data(json!({
        "candidates": [{ "content": { "role": "model", "parts": [{ "text": "" }] }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": gemini_usage(), "modelVersion": "up-1", "responseId": "g1" })));
    frames
}

fn ollama_stream(say: Say) -> Vec<String> {
    let line = |message: Value| {
        format!(
            "{}\n",
            json!({ "model": "up-1", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false })
        )
    };
    let mut frames: Vec<String> = match say {
        Say::Text => PIECES.map(|piece| line(json!({ "role": "assistant", "content": piece }))).into(),
        Say::Call => vec![line(json!({ "role": "assistant", "content": "",
            "tool_calls": [{ "function": { "name": "get_weather", "arguments": { "city": "Bern" } } }] }))],
    };
    frames.push(format!("{}\n", ollama_end(json!({ "role": "assistant", "content": "" }))));
    frames
}

fn ollama_end(message: Value) -> Value {
    json!({ "model": "up-1", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": true,
        "done_reason": "stop", "prompt_eval_count": TOKENS.0, "eval_count": TOKENS.1, "total_duration": 1 })
}

/// The same as a whole answer.
pub fn whole(upstream: &str, say: Say) -> Value {
    let text = PIECES.concat();
    let arguments = json!({ "city": "Bern" });
    match (upstream, say) {
        ("chat", Say::Text) => {
            let mut answer = chat_answer(&text);
            answer["model"] = json!("up-1");
            answer
        }
        ("chat", Say::Call) => {
            let mut answer = chat_answer("");
            answer["choices"][0]["message"] = json!({ "role": "assistant", "content": null, "tool_calls": [{
                "id": "call_1", "type": "function",
                "function": { "name": "get_weather", "arguments": arguments.to_string() } }] });
            answer["choices"][0]["finish_reason"] = json!("tool_calls");
            answer
        }
        ("responses", say) => responses_answer(json!([responses_item(say)]), "completed", responses_usage()),
        ("anthropic", say) => {
            let (block, reason) = match say {
                Say::Text => (json!({ "type": "text", "text": text }), "end_turn"),
                Say::Call => (
                    json!({ "type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": arguments }),
                    "tool_use",
                ),
            };
            json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "up-1", "content": [block],
                "stop_reason": reason, "stop_sequence": null,
                "usage": { "input_tokens": TOKENS.0, "output_tokens": TOKENS.1 } })
        }
        ("gemini", say) => {
            let part = match say {
                Say::Text => json!({ "text": text }),
                Say::Call => json!({ "functionCall": { "name": "get_weather", "args": arguments } }),
            };
            json!({ "candidates": [{ "content": { "role": "model", "parts": [part] }, "finishReason": "STOP",
                "index": 0 }], "usageMetadata": gemini_usage(), "modelVersion": "up-1", "responseId": "g1" })
        }
        ("ollama", Say::Text) => ollama_end(json!({ "role": "assistant", "content": text })),
        ("ollama", Say::Call) => ollama_end(json!({ "role": "assistant", "content": "",
            "tool_calls": [{ "function": { "name": "get_weather", "arguments": arguments } }] })),
        (other, _) => panic!("{other}"),
    }
}

/// An error body of `upstream`.
pub fn error(upstream: &str, message: &str) -> Value {
    match upstream {
        "chat" | "responses" => {
            json!({ "error": { "message": message, "type": "server_error", "param": null, "code": null } })
        }
        "anthropic" => json!({ "type": "error", "error": { "type": "api_error", "message": message } }),
        "gemini" => json!({ "error": { "code": 500, "message": message, "status": "INTERNAL" } }),
        "ollama" => json!({ "error": message }),
        other => panic!("{other}"),
    }
}

/// Where a client of this dialect asks.
pub fn path(client: &str, stream: bool) -> &'static str {
    match (client, stream) {
        ("chat", _) => "/v1/chat/completions",
        ("responses", _) => "/v1/responses",
        ("anthropic", _) => "/v1/messages",
        ("gemini", false) => "/v1beta/models/m-1:generateContent",
        ("gemini", true) => "/v1beta/models/m-1:streamGenerateContent?alt=sse",
        ("ollama", _) => "/api/chat",
        (other, _) => panic!("{other}"),
    }
}

/// The path that an upstream of this protocol is asked at.
pub fn asked_at(upstream: &str, stream: bool) -> &'static str {
    match (upstream, stream) {
        ("gemini", false) => "/v1beta/models/up-1:generateContent",
        ("gemini", true) => "/v1beta/models/up-1:streamGenerateContent?alt=sse",
        (upstream, stream) => path(upstream, stream),
    }
}

/// A request with a system prompt, a question and one tool.
pub fn request(client: &str, stream: bool) -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let function = json!({ "name": "get_weather", "description": "The weather", "parameters": schema });
    match client {
        "chat" => json!({ "model": "m-1", "stream": stream, "stream_options": { "include_usage": true },
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }],
            "tools": [{ "type": "function", "function": function }] }),
        "responses" => json!({ "model": "m-1", "stream": stream, "instructions": "Be brief.", "input": "Hi",
            "tools": [{ "type": "function", "name": "get_weather", "description": "The weather", "parameters": schema }] }),
        "anthropic" => json!({ "model": "m-1", "stream": stream, "max_tokens": 100, "system": "Be brief.",
            "messages": [{ "role": "user", "content": "Hi" }],
            "tools": [{ "name": "get_weather", "description": "The weather", "input_schema": schema }] }),
        "gemini" => json!({ "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }],
            "tools": [{ "functionDeclarations": [function] }] }),
        "ollama" => json!({ "model": "m-1", "stream": stream,
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }],
            "tools": [{ "type": "function", "function": function }] }),
        other => panic!("{other}"),
    }
}

/// What a client has heard.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Heard {
    pub text: String,
    /// Names and arguments.
    pub calls: Vec<(String, String)>,
    pub tokens: (u64, u64),
    /// Why it ended, in the dialect's words.
    pub stop: String,
    pub model: String,
    /// Whether the dialect's end mark came, and how often.
    pub ends: usize,
    /// Messages of error events.
    pub errors: Vec<String>,
}

/// The reason that a client of this dialect is told.
pub fn stop(client: &str, say: Say) -> &'static str {
    match (client, say) {
        ("chat", Say::Text) | ("ollama", _) => "stop",
        ("chat", Say::Call) => "tool_calls",
        ("responses", _) => "completed",
        ("anthropic", Say::Text) => "end_turn",
        ("anthropic", Say::Call) => "tool_use",
        ("gemini", _) => "STOP",
        (other, _) => panic!("{other}"),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Reads a whole answer.
pub fn hear(client: &str, answer: &Value) -> Heard {
    let mut heard = Heard { model: string(&answer["model"]), ends: 1, ..Heard::default() };
    match client {
        "chat" => {
            let choice = &answer["choices"][0];
            chat_message(&choice["message"], &mut heard);
            heard.stop = string(&choice["finish_reason"]);
            heard.tokens = (number(&answer["usage"]["prompt_tokens"]), number(&answer["usage"]["completion_tokens"]));
        }
        "responses" => responses_whole(answer, &mut heard),
        "anthropic" => {
            for block in answer["content"].as_array().into_iter().flatten() {
                match block["type"].as_str() {
                    Some("text") => heard.text += &string(&block["text"]),
                    Some("tool_use") => heard.calls.push((string(&block["name"]), block["input"].to_string())),
                    _ => {}
                }
            }
            heard.stop = string(&answer["stop_reason"]);
            heard.tokens = (number(&answer["usage"]["input_tokens"]), number(&answer["usage"]["output_tokens"]));
        }
        "gemini" => gemini_chunk(answer, &mut heard),
        "ollama" => {
            ollama_line(answer, &mut heard);
            heard.ends = 1;
        }
        other => panic!("{other}"),
    }
    heard
}

fn chat_message(message: &Value, heard: &mut Heard) {
    heard.text += message["content"].as_str().unwrap_or_default();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let at = call["index"].as_u64().map_or(heard.calls.len(), |at| usize::try_from(at).expect("an index"));
        if at == heard.calls.len() {
            heard.calls.push((string(&function["name"]), String::new()));
        }
        heard.calls[at].1 += function["arguments"].as_str().unwrap_or_default();
    }
}

fn responses_whole(answer: &Value, heard: &mut Heard) {
    heard.text.clear();
    heard.calls.clear();
    for item in answer["output"].as_array().into_iter().flatten() {
        match item["type"].as_str() {
            Some("message") => {
                for part in item["content"].as_array().into_iter().flatten() {
                    heard.text += &string(&part["text"]);
                }
            }
            Some("function_call") => heard.calls.push((string(&item["name"]), string(&item["arguments"]))),
            _ => {}
        }
    }
    heard.stop = string(&answer["status"]);
    heard.model = string(&answer["model"]);
    heard.tokens = (number(&answer["usage"]["input_tokens"]), number(&answer["usage"]["output_tokens"]));
}

fn gemini_chunk(chunk: &Value, heard: &mut Heard) {
    let candidate = &chunk["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if part["thought"] != true {
            heard.text += part["text"].as_str().unwrap_or_default();
        }
        if let Some(call) = part.get("functionCall") {
            heard.calls.push((string(&call["name"]), call["args"].to_string()));
        }
    }
    heard.stop += candidate["finishReason"].as_str().unwrap_or_default();
    heard.model = string(&chunk["modelVersion"]);
    let usage = &chunk["usageMetadata"];
    heard.tokens = (number(&usage["promptTokenCount"]), number(&usage["candidatesTokenCount"]));
}

fn ollama_line(line: &Value, heard: &mut Heard) {
    heard.text += line["message"]["content"].as_str().unwrap_or_default();
    for call in line["message"]["tool_calls"].as_array().into_iter().flatten() {
        heard.calls.push((string(&call["function"]["name"]), call["function"]["arguments"].to_string()));
    }
    heard.model = string(&line["model"]);
    if line["done"] == true {
        heard.ends += 1;
        heard.stop = string(&line["done_reason"]);
        heard.tokens = (number(&line["prompt_eval_count"]), number(&line["eval_count"]));
    }
    if let Some(error) = line["error"].as_str() {
        heard.errors.push(error.to_owned());
    }
}

/// Reads a stream.
pub fn hear_stream(client: &str, body: &[u8]) -> Heard {
    let body = std::str::from_utf8(body).expect("UTF-8");
    let mut heard = Heard::default();
    if client == "ollama" {
        body.lines().for_each(|line| ollama_line(&serde_json::from_str(line).expect("a line of JSON"), &mut heard));
        return heard;
    }
    for frame in body.split("\n\n").filter(|frame| !frame.is_empty()) {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else {
            assert!(frame.starts_with(':'), "a frame without data: {frame:?}");
            continue;
        };
        if data == "[DONE]" {
            assert_eq!(client, "chat", "conversion 13");
            heard.ends += 1;
            continue;
        }
        let event: Value = serde_json::from_str(data).unwrap_or_else(|_| panic!("no JSON: {data}"));
        assert_eq!(heard.ends, 0, "nothing follows the end: {frame}");
        match client {
            "chat" => chat_event(&event, &mut heard),
            "responses" => responses_event(field("event: "), &event, &mut heard),
            "anthropic" => anthropic_event(field("event: "), &event, &mut heard),
            "gemini" if event.get("error").is_some() => heard.errors.push(string(&event["error"]["message"])),
            "gemini" => gemini_chunk(&event, &mut heard),
            other => panic!("{other}"),
        }
    }
    if client == "gemini" {
        heard.ends = usize::from(!heard.stop.is_empty());
    }
    heard
}

fn chat_event(event: &Value, heard: &mut Heard) {
    if event.get("error").is_some() {
        return heard.errors.push(string(&event["error"]["message"]));
    }
    let choice = &event["choices"][0];
    chat_message(&choice["delta"], heard);
    heard.stop += choice["finish_reason"].as_str().unwrap_or_default();
    heard.model = string(&event["model"]);
    if event["usage"].is_object() {
        heard.tokens = (number(&event["usage"]["prompt_tokens"]), number(&event["usage"]["completion_tokens"]));
    }
}

fn responses_event(name: Option<&str>, event: &Value, heard: &mut Heard) {
    assert_eq!(name, event["type"].as_str());
    match name.expect("a name") {
        "response.output_text.delta" => heard.text += &string(&event["delta"]),
        "response.completed" | "response.incomplete" => {
            let said = heard.text.clone();
            responses_whole(&event["response"], heard);
            assert_eq!(heard.text, said, "the end repeats what was said");
            heard.ends += 1;
        }
        "error" => heard.errors.push(string(&event["message"])),
        _ => {}
    }
}

fn anthropic_event(name: Option<&str>, event: &Value, heard: &mut Heard) {
    assert_eq!(name, event["type"].as_str());
    match name.expect("a name") {
        "message_start" => heard.model = string(&event["message"]["model"]),
        "content_block_start" if event["content_block"]["type"] == "tool_use" => {
            heard.calls.push((string(&event["content_block"]["name"]), String::new()));
        }
        "content_block_delta" => match event["delta"]["type"].as_str() {
            Some("text_delta") => heard.text += &string(&event["delta"]["text"]),
            Some("input_json_delta") => {
                heard.calls.last_mut().expect("a call").1 += &string(&event["delta"]["partial_json"]);
            }
            _ => {}
        },
        "message_delta" => {
            heard.stop = string(&event["delta"]["stop_reason"]);
            heard.tokens = (number(&event["usage"]["input_tokens"]), number(&event["usage"]["output_tokens"]));
        }
        "message_stop" => heard.ends += 1,
        "error" => heard.errors.push(string(&event["error"]["message"])),
        _ => {}
    }
}
