use super::*;
use crate::protocol::ir::Input;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::grammar::Grammar;
use crate::sse::Splitter;

/// Reads `stream` in pieces of `step` bytes; the outcome and how many events were bad.
fn read(stream: &str, step: usize) -> (Result<Response, Failure<'static>>, usize) {
    let (mut decoder, mut grammar) = (Stream::default(), Grammar::default());
    let (mut assembler, mut bad) = (Assembler::new(1 << 20), 0);
    let mut sink = |event: Event<'_>| {
        grammar.admit(&event).expect("it keeps the grammar");
        assembler.event(&event).expect("it is small");
    };
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    for piece in stream.as_bytes().chunks(step) {
        splitter.push(piece, |frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err())).unwrap();
    }
    splitter.finish(|frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err()));
    decoder.finish(&mut sink);
    (assembler.finish().expect("it ends"), bad)
}

fn stream(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn delta(delta: &str) -> String {
    format!(r#"{{"id":"c1","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

fn end(reason: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
}

fn whole(chunks: &[&str]) -> Response {
    let text = stream(chunks);
    let (once, bad) = read(&text, text.len());
    assert_eq!(bad, 0);
    for step in 1..text.len().min(40) {
        assert_eq!(read(&text, step).0, once, "in pieces of {step}");
    }
    once.expect("it is whole")
}

/// The answer in short: parts by their first letter and what they say.
fn shown(response: &Response) -> Vec<String> {
    let part = |part: &Whole| match part {
        Whole::Text { text, .. } => format!("t:{}", text.decode()),
        Whole::Refusal(text) => format!("f:{}", text.decode()),
        Whole::Reasoning { text, seal, .. } => {
            format!("r:{}:{}", text.decode(), seal.as_ref().map_or("".into(), |seal| seal.data.decode()))
        }
        Whole::ToolCall(call) => match &call.input {
            Input::Text(text) => format!("c:{}:{}:{}", call.id.decode(), call.name.decode(), text.decode()),
            other => format!("c:{}:{}:{other:?}", call.id.decode(), call.name.decode()),
        },
        Whole::Media { media_type, base64 } => format!("m:{}:{}", media_type.decode(), base64.decode()),
        Whole::Foreign { .. } => "?".into(),
    };
    response.parts.iter().map(part).collect()
}

#[test]
fn conversion_59_usage_behind_the_reason_counts() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let response = whole(&[
        &delta(r#"{"role":"assistant","content":""}"#),
        &delta(r#"{"content":"Hé\n"}"#),
        &end("stop"),
        usage,
        "[DONE]",
    ]);
    assert_eq!(shown(&response), ["t:Hé\n"]);
    assert_eq!((response.id.decode(), response.model.decode()), ("c1".into(), "m".into()));
    assert_eq!((response.usage.input, response.usage.output, response.stop()), (Some(5), Some(2), Stop::EndTurn));
}

#[test]
fn reasoning_is_read_under_all_its_names() {
    for reasoning in [
        r#"{"reasoning_content":"hm","content":null}"#,
        r#"{"reasoning":"hm","reasoning_content":"hm"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm","index":0}]}"#,
    ] {
        assert_eq!(shown(&whole(&[&delta(reasoning), &delta(r#"{"content":"a"}"#), &end("stop")])), ["r:hm:", "t:a"]);
    }
    let sealed = r#"{"reasoning":"hm","reasoning_details":[{"text":"hm","signature":"sig"}]}"#;
    assert_eq!(shown(&whole(&[&delta(sealed), &end("stop")])), ["r:hm:sig"]);
}

#[test]
fn conversion_9_every_call_of_an_event_is_told() {
    let both = r#"{"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":2,"id":"b","function":{"name":"g","arguments":"{\"x\":"}}]}"#;
    let more = r#"{"tool_calls":[{"index":2,"function":{"arguments":"1}"}}]}"#;
    let response = whole(&[&delta(both), &delta(more), &end("tool_calls"), "[DONE]"]);
    assert_eq!(shown(&response), ["c:a:f:{}", "c:b:g:{\"x\":1}"]);
    assert_eq!(response.stop(), Stop::ToolUse);
}

#[test]
fn conversion_8_calls_without_index_or_with_the_same_are_told_apart() {
    for index in ["", r#""index":0,"#] {
        let call = |id: &str| {
            format!(r#"{{"tool_calls":[{{{index}"id":"{id}","function":{{"name":"f","arguments":"{{}}"}}}}]}}"#)
        };
        let response = whole(&[&delta(&call("a")), &delta(&call("b")), &end("stop")]);
        assert_eq!(shown(&response), ["c:a:f:{}", "c:b:f:{}"]);
        assert_eq!(response.stop(), Stop::ToolUse, "conversion 11: who sees a call waits for its result");
    }
}

#[test]
fn conversion_11_no_call_is_no_wait() {
    assert_eq!(whole(&[&delta(r#"{"content":"a"}"#), &end("tool_calls")]).stop(), Stop::EndTurn);
}

#[test]
fn a_reason_may_come_twice_or_never() {
    let response = whole(&[&delta(r#"{"content":"a"}"#), &end("length"), &end("stop"), "[DONE]"]);
    assert_eq!(response.stop(), Stop::Length);
    assert_eq!(whole(&[&delta(r#"{"content":"a"}"#), "[DONE]"]).stop(), Stop::EndTurn);
}

#[test]
fn conversion_50_a_stream_that_is_cut_fails() {
    for chunks in [&[][..], &[delta(r#"{"content":"a"}"#)]] {
        let text = stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(read(&text, 7).0.unwrap_err().fault, Fault::BadGateway);
    }
}

#[test]
fn errors_inside_a_stream_are_failures() {
    let error = r#"{"error":{"message":"slow down","code":429},"choices":[{"delta":{"content":""}}]}"#;
    let failure = read(&stream(&[&delta(r#"{"content":"a"}"#), error, "[DONE]"]), 9).0.unwrap_err();
    assert_eq!((failure.fault, &*failure.message), (Fault::RateLimited, "slow down"));
    let groq = "event: error\ndata: {\"error\":{\"message\":\"m\",\"type\":\"overloaded\"}}\n\n";
    assert_eq!(read(groq, 5).0.unwrap_err().fault, Fault::Overloaded);
}

#[test]
fn conversion_51_a_broken_event_is_skipped_and_counted() {
    let text =
        stream(&[&delta(r#"{"content":"a"}"#), "{\"choices\":[{", "{}", &delta(r#"{"content":"b"}"#), &end("stop")]);
    let (response, bad) = read(&text, 11);
    assert_eq!((shown(&response.unwrap()), bad), (vec!["t:ab".to_owned()], 2));
}

#[test]
fn images_refusals_and_old_calls_are_read() {
    let image = r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]}"#;
    let old = r#"{"function_call":{"name":"f","arguments":"{}"}}"#;
    let response = whole(&[&delta(r#"{"refusal":"no"}"#), &delta(image), &delta(old), &end("function_call")]);
    assert_eq!(shown(&response), ["f:no", "m:image/png:iVBO", "c::f:{}"]);
}

#[test]
fn a_message_counts_only_where_no_delta_did() {
    let message = r#"{"choices":[{"message":{"content":"ab"},"finish_reason":"stop"}]}"#;
    assert_eq!(shown(&whole(&[message])), ["t:ab"]);
    assert_eq!(shown(&whole(&[&delta(r#"{"content":"ab"}"#), message])), ["t:ab"]);
}

#[test]
fn more_calls_than_the_limit_are_a_failure() {
    let calls = |count: usize| {
        let call = |nth| format!(r#"{{"index":{nth},"id":"c{nth}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
        let calls: Vec<String> = (0..count).map(call).collect();
        let chunk = delta(&format!(r#"{{"tool_calls":[{}]}}"#, calls.join(",")));
        read(&stream(&[&chunk, &end("tool_calls"), "[DONE]"]), 4096).0
    };
    assert_eq!(calls(ORDER_PARTS_MAX).unwrap().parts.len(), ORDER_PARTS_MAX);
    for count in [ORDER_PARTS_MAX + 1, ORDER_PARTS_MAX + 9] {
        assert_eq!(calls(count).unwrap_err().fault, Fault::BadGateway);
    }
}

#[test]
fn streams_keep_the_laws() {
    let call =
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}}]}"#;
    let more = r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"\u00e9\"}"}}]}"#;
    let parallel = r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    let samples = [
        stream(&[&delta(r#"{"role":"assistant","content":"H\u00e9 😀\n"}"#), &end("stop"), usage, "[DONE]"]),
        stream(&[&delta(r#"{"reasoning_content":"hm"}"#), &delta(call), &delta(parallel), &delta(more), &end("tool_calls"), "[DONE]"]),
        stream(&[&delta(r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","index":0}]}"#), &end("length")]),
        stream(&[&delta(r#"{"images":[{"image_url":{"url":"data:image/png;base64,iVBO"}}]}"#), r#"{"error":{"message":"m","code":429}}"#]),
        ": OPENROUTER PROCESSING\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"text\":\"a\"}]}]}}]}\r\n\r\ndata: [DONE]\r\n\r\n".to_owned(),
    ];
    crate::protocol::ir::laws::stream_in::<Stream>(&samples.each_ref().map(String::as_str));
}
