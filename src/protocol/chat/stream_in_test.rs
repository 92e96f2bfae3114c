use super::*;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::grammar::Grammar;
use crate::protocol::ir::{CallKind, Input};
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
            Input::Text(text) | Input::Free(text) => {
                format!("c:{}:{}:{}", call.id.decode(), call.name.decode(), text.decode())
            }
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
fn conversion_9_repetitions_of_the_input_say_only_what_is_new() {
    let call = |arguments: &str| {
        let arguments = serde_json::to_string(arguments).unwrap();
        delta(&format!(
            r#"{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
        ))
    };
    let long = r#"{"path":"/etc/hosts","lines":[1,2,3],"note":"é\n"}"#;
    for pieces in [
        vec![r#"{"path":"/e"#, r#"{"path":"/etc/hosts","li"#, long],
        vec![long, long],
        vec!["{", r#"{"path":"/etc/hosts","lines""#, r#":[1,2,3],"note":"é\n"}"#, long],
    ] {
        let chunks: Vec<String> = pieces.iter().map(|piece| call(piece)).chain([end("tool_calls")]).collect();
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        assert_eq!(shown(&whole(&chunks)), [format!("c:a:f:{long}")], "{pieces:?}");
    }
    // What only looks like a repetition is none.
    let chunks = [call(r#"{"a":{"#), call(r#""b":{"#), call("}}}"), end("stop")];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(shown(&whole(&chunks)), [r#"c:a:f:{"a":{"b":{}}}"#]);
}

#[test]
fn conversion_9_input_that_is_json_inside_of_json_is_taken_out() {
    let doubled = serde_json::to_string(&serde_json::to_string(r#"{"a":"\n"}"#).unwrap()).unwrap();
    let call = delta(&format!(r#"{{"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":{doubled}}}}}]}}"#));
    assert_eq!(shown(&whole(&[&call, &end("stop")])), [r#"c:a:f:{"a":"\n"}"#]);
    let text = delta(r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"\"x\""}}]}"#);
    assert_eq!(shown(&whole(&[&text, &end("stop")])), [r#"c:a:f:"x""#], "a text is no object");
}

#[test]
fn conversion_18_a_calls_signature_comes_before_its_input() {
    let call = r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"sig"}}}]}"#;
    let response = whole(&[&delta(call), &end("stop")]);
    let [Whole::ToolCall(call)] = &response.parts[..] else { panic!("{:?}", response.parts) };
    let seal = call.seal.as_ref().expect("a seal");
    assert_eq!((seal.origin, seal.kind, &*seal.data.decode()), (Dialect::Chat, SealKind::Call, "sig"));
}

#[test]
fn custom_calls_are_told_as_such() {
    let begin = r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"{"}}]}"#;
    let more = r#"{"tool_calls":[{"index":0,"custom":{"input":"{x}}"}}]}"#;
    let response = whole(&[&delta(begin), &delta(more), &end("tool_calls")]);
    assert_eq!(shown(&response), ["c:a:f:{{x}}"]);
    assert!(matches!(&response.parts[0], Whole::ToolCall(call) if call.kind == CallKind::Custom));
}

#[test]
fn probabilities_are_told_at_the_end_for_chats_own_clients() {
    let weighed = |content: &str, logprobs: &str| {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{content}"}},"logprobs":{logprobs}}}]}}"#)
    };
    let one = weighed("a", r#"{"content":[{"token":"a","logprob":-0.1}],"refusal":null}"#);
    let two = weighed("b", r#"{"content":[ {"token":"b","logprob":-0.2} ]}"#);
    let response = whole(&[&one, &two, &end("stop")]);
    let [Whole::Text { .. }, Whole::Foreign { raw, .. }] = &response.parts[..] else { panic!("{:?}", response.parts) };
    assert_eq!(
        raw.bytes(),
        br#"{"logprobs":{"content":[{"token":"a","logprob":-0.1},{"token":"b","logprob":-0.2}],"refusal":null}}"#
    );
}

#[test]
fn sound_comes_in_pieces() {
    let audio = |inside: &str| delta(&format!(r#"{{"audio":{{{inside}}}}}"#));
    let response = whole(&[
        &audio(r#""id":"audio_1","transcript":"he""#),
        &audio(r#""id":"audio_1","transcript":"llo""#),
        &audio(r#""data":"AAAA""#),
        &audio(r#""data":"BBBB""#),
        &audio(r#""expires_at":7"#),
        &end("stop"),
    ]);
    assert_eq!(shown(&response), ["t:he", "?", "t:llo", "m:audio/pcm:AAAA", "m:audio/pcm:BBBB", "?"]);
}

#[test]
fn citations_belong_to_the_text_beside_them() {
    let note = delta(r#"{"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}"#);
    let response = whole(&[&note, &delta(r#"{"content":"a"}"#), &note, &end("stop")]);
    assert!(matches!(&response.parts[..], [Whole::Text { citations, .. }] if citations.len() == 2));
    // Perplexity tells mere URLs, in every event again.
    let urls = |more: &str| format!(r#"{{"citations":["https://a","https://b"],"choices":[{{"index":0,{more}}}]}}"#);
    let events = [urls(r#""delta":{"content":"a"}"#), urls(r#""delta":{},"finish_reason":"stop""#)];
    let response = whole(&[&events[0], &events[1]]);
    let [Whole::Text { citations, .. }] = &response.parts[..] else { panic!("{response:?}") };
    assert_eq!(citations.len(), 2);
    let first = crate::protocol::ir::citation::Cited::read(citations[0].1.raw());
    assert!(first.url.is_some_and(|url| url.eq_str("https://a")) && first.end == Some(0), "{first:?}");
}

#[test]
fn reasons_of_all_vendors_are_read() {
    let stopped = |choice: &str| {
        let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{{}},{choice}}}]}}"#);
        read(&stream(&[&delta(r#"{"content":"a"}"#), &chunk, "[DONE]"]), 64).0
    };
    for (reason, stop) in [("max_tokens", Stop::Length), ("model_length", Stop::Length), ("eos", Stop::EndTurn)] {
        let response = stopped(&format!(r#""finish_reason":"{reason}""#)).unwrap();
        assert_eq!(response.stop(), stop);
    }
    let response = stopped(r#""finish_reason":"stop","stop_reason":"END""#).unwrap();
    assert!(matches!(response.stop(), Stop::Word(word) if word.eq_str("END")));
    for (reason, fault) in [("error", Fault::BadGateway), ("insufficient_system_resource", Fault::Overloaded)] {
        assert_eq!(stopped(&format!(r#""finish_reason":"{reason}""#)).unwrap_err().fault, fault);
    }
}

#[test]
fn usage_inside_of_the_choice_counts() {
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":2}}]}"#;
    assert_eq!(whole(&[&delta(r#"{"content":"a"}"#), last]).usage.input, Some(5));
}

#[test]
fn googles_thoughts_are_known_by_their_mark() {
    let thought = r#"{"content":"hm","extra_content":{"google":{"thought":true}}}"#;
    let response = whole(&[&delta(thought), &delta(r#"{"content":"a"}"#), &end("stop")]);
    assert_eq!(shown(&response), ["r:hm:", "t:a"]);
}

#[test]
fn other_choices_are_not_told() {
    let other = r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}"#;
    let response = whole(&[&delta(r#"{"content":"a"}"#), other, &end("stop")]);
    assert_eq!((shown(&response), response.stop()), (vec!["t:a".to_owned()], Stop::EndTurn));
}
