//! Defects reported of other relays, each by its number, as far as the wire shows them. Those of one codec are beside it.

use std::io::Write as _;

use crate::streams::{STREAM, chat_event, chat_stop};
use crate::support::*;

on_both_drivers!(
    conversion_15_what_is_coded_says_so,
    conversion_36_fields_of_anthropic_go_on_to_anthropic,
    conversion_55_a_message_has_one_framing,
    conversion_67_a_stream_that_comes_coded_is_read,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("gzip")
}

/// A coded answer, with and without a word of it.
fn coded(call: &mut Call, kind: &str, said: bool, body: &[u8]) {
    let coding = if said { "content-encoding: gzip\r\n" } else { "" };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{coding}content-length: {}\r\n\r\n", body.len());
    call.send([head.as_bytes(), body].concat());
}

/// A whole answer in a coding that nobody asked for goes on in it where nothing is changed, and is read and told plain
/// where it is translated; there also where its head says nothing of the coding.
fn conversion_15_what_is_coded_says_so(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let body = gzip(chat_answer("plain").to_string().as_bytes());
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", &format!("{}accept-encoding: gzip\r\n", bearer(CLIENT_KEY)), CHAT);
    let mut call = upstream.next();
    assert_eq!(call.head().field("accept-encoding"), Some("identity"));
    coded(&mut call, "application/json", true, &body);
    let answer = client.answer();
    assert_eq!((answer.head.field("content-encoding"), &answer.body), (Some("gzip"), &body));
    assert_eq!(answer.head.field("content-length"), Some(body.len().to_string().as_str()));
    for said in [true, false] {
        client.post("/v1/messages", r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#);
        coded(&mut upstream.next(), "application/json", said, &body);
        let answer = client.answer();
        assert_eq!(answer.head.field("content-encoding"), None);
        assert_eq!(answer.json()["content"][0]["text"], "plain");
        assert_eq!(answer.head.field("content-length"), Some(answer.body.len().to_string().as_str()));
    }
}

/// Tool search: beta headers, deferred tools and references to them are a matter between Claude Code and Anthropic.
fn conversion_36_fields_of_anthropic_go_on_to_anthropic(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "anthropic");
    let body = r#"{"model":"m","max_tokens":9,"tools":[{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"},{"name":"f","input_schema":{"type":"object"},"defer_loading":true}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"f"}]}]}]}"#;
    let beta = "advanced-tool-use-2025-11-20,context-management-2025-06-27";
    let mut client = weir.client();
    client.post_with("/v1/messages?beta=true", &format!("{}anthropic-beta: {beta}\r\n", bearer(CLIENT_KEY)), body);
    let mut call = upstream.next();
    assert_eq!(call.head().field("anthropic-beta"), Some(beta));
    assert_eq!(call.target(), "/v1/messages?beta=true");
    assert_eq!(String::from_utf8_lossy(&call.request.body), body);
    call.json(200, json!({ "type": "message", "content": [{ "type": "text", "text": "x" }] }));
    assert_eq!(client.answer().status(), 200);
}

/// What the provider says of its framing ends here (RFC 9112 section 6.3), on either side of a translation.
fn conversion_55_a_message_has_one_framing(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let answer = chat_answer("x").to_string();
    let chunked = format!("{:x}\r\n{answer}\r\n0\r\n\r\n", answer.len());
    let messages = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (path, request) in [("/v1/chat/completions", CHAT), ("/v1/messages", messages)] {
        client.post(path, request);
        let mut call = upstream.next();
        assert_eq!(call.head().field("transfer-encoding"), None);
        assert!(call.head().field("content-length").is_some());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        call.send(format!("{head}{chunked}"));
        let told = client.answer();
        let framings = [told.head.field("content-length"), told.head.field("transfer-encoding")];
        assert_eq!(framings.iter().flatten().count(), 1, "{path}: {framings:?}");
        assert!(told.whole && told.status() == 200);
    }
    // Both at once is an attempt to smuggle, and no answer.
    client.post("/v1/chat/completions", CHAT);
    upstream.next().send(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}",
        answer.len()
    ));
    let told = client.answer();
    assert!(told.status() == 502 || told.head.field("content-length").is_none(), "{:?}", told.head);
}

/// Nobody asked for a coding, but a gateway between may put one on: where events have to be read, they are.
fn conversion_67_a_stream_that_comes_coded_is_read(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let stream = gzip((chat_event("words") + &chat_stop() + "data: [DONE]\n\n").as_bytes());
    let asked = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    client.post("/v1/messages", asked);
    coded(&mut upstream.next(), "text/event-stream", true, &stream);
    let answer = client.answer();
    assert!(answer.whole && answer.status() == 200, "{}", answer.text());
    assert_eq!(answer.head.field("content-encoding"), None);
    assert!(answer.text().contains("words") && answer.text().contains("message_stop"), "{}", answer.text());
    // One that is cut is none.
    client.post("/v1/messages", asked);
    coded(&mut upstream.next(), "text/event-stream", true, &stream[..stream.len() - 12]);
    refused(&client.answer(), Dialect::Anthropic, 502);
    // To its own protocol it goes as it came.
    client.post("/v1/chat/completions", STREAM);
    coded(&mut upstream.next(), "text/event-stream", true, &stream);
    let answer = client.answer();
    assert_eq!((answer.head.field("content-encoding"), &answer.body), (Some("gzip"), &stream));
}
