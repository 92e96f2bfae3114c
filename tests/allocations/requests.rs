//! A request that is translated asks for memory by its parts, however many bytes they have.

use crate::counting::allocations;
use weir::protocol::Dialect;
use weir::protocol::ir::{Destination, Outgoing, Quirks};
use weir::protocol::translate;

/// Allocations for each part of a conversation, at most: the part itself, what is told of it, and a name.
const OF_A_PART: u64 = 12;
/// Those of a request of no parts, and of a body that grows by doubling.
const OF_A_REQUEST: u64 = 160;

/// An agent's conversation: so many exchanges of four parts each, the result of each call of so many bytes.
fn conversation(dialect: Dialect, exchanges: usize, bytes: usize) -> String {
    let source = "fn main() { println!(\\\"hello\\\"); }\\n".repeat(bytes / 36 + 1);
    let begin = match dialect {
        Dialect::Chat => r#"{"model":"m","messages":[{"role":"user","content":"Look."}"#,
        Dialect::Responses => r#"{"model":"m","input":[{"type":"message","role":"user","content":"Look."}"#,
        Dialect::Anthropic => r#"{"model":"m","max_tokens":1024,"messages":[{"role":"user","content":"Look."}"#,
        Dialect::Gemini => r#"{"contents":[{"role":"user","parts":[{"text":"Look."}]}"#,
        Dialect::Ollama => r#"{"model":"m","messages":[{"role":"user","content":"Look."}"#,
    };
    let exchange = |n: usize| match dialect {
        Dialect::Chat => format!(
            r#",{{"role":"assistant","content":"I read.","tool_calls":[{{"id":"call_{n}","type":"function","function":{{"name":"read","arguments":"{{\"path\":\"{n}\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{n}","content":"{source}"}},{{"role":"user","content":"Go on."}}"#
        ),
        Dialect::Responses => format!(
            r#",{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"I read.","annotations":[]}}]}},{{"type":"function_call","call_id":"call_{n}","name":"read","arguments":"{{\"path\":\"{n}\"}}"}},{{"type":"function_call_output","call_id":"call_{n}","output":"{source}"}},{{"type":"message","role":"user","content":"Go on."}}"#
        ),
        Dialect::Anthropic => format!(
            r#",{{"role":"assistant","content":[{{"type":"text","text":"I read."}},{{"type":"tool_use","id":"call_{n}","name":"read","input":{{"path":"{n}"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"call_{n}","content":"{source}"}},{{"type":"text","text":"Go on."}}]}}"#
        ),
        Dialect::Gemini => format!(
            r#",{{"role":"model","parts":[{{"text":"I read."}},{{"functionCall":{{"id":"call_{n}","name":"read","args":{{"path":"{n}"}}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"id":"call_{n}","name":"read","response":{{"output":"{source}"}}}}}},{{"text":"Go on."}}]}}"#
        ),
        Dialect::Ollama => format!(
            r#",{{"role":"assistant","content":"I read.","tool_calls":[{{"id":"call_{n}","function":{{"name":"read","arguments":{{"path":"{n}"}}}}}}]}},{{"role":"tool","tool_name":"read","tool_call_id":"call_{n}","content":"{source}"}},{{"role":"user","content":"Go on."}}"#
        ),
    };
    let mut text = begin.to_owned();
    (0..exchanges).for_each(|n| text.push_str(&exchange(n)));
    text + "]}"
}

/// Allocations of reading the conversation as a client's and writing it for a provider.
fn asked(client: Dialect, upstream: Dialect, exchanges: usize, bytes: usize) -> u64 {
    let body = conversation(client, exchanges, bytes);
    let quirks = Quirks::default();
    let before = allocations();
    let request = translate::decode_request(client, body.as_bytes(), Some("m"), true).expect("a request");
    let mut out = Outgoing::default();
    let to = Destination { model: "m", stream: true, quirks: &quirks };
    translate::encode_request(upstream, &request, &to, &mut out).expect("it can be said");
    let count = allocations() - before;
    assert!(out.body.len() > exchanges * bytes, "all of it is said");
    count
}

#[test]
fn a_request_allocates_by_its_parts() {
    let mut told = String::new();
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            let parts = |exchanges: u64| 4 * exchanges + 1;
            let (few, many) = (asked(client, upstream, 8, 100), asked(client, upstream, 64, 100));
            let large = asked(client, upstream, 8, 100_000);
            told +=
                &format!("{client:?} before {upstream:?}: {few} for 8 exchanges, {many} for 64, {large} for large\n");
            for (count, parts) in [(few, parts(8)), (many, parts(64)), (large, parts(8))] {
                assert!(count <= OF_A_REQUEST + OF_A_PART * parts, "{told}");
            }
            // A body that is a thousand times as large has been doubled ten times more.
            assert!(large <= few + 8 * 10, "{told}");
        }
    }
    println!("{told}");
}
