use super::*;
use crate::protocol::ir::Input;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::grammar::Grammar;
use crate::sse::Splitter;

/// Reads `stream` in pieces of `step` bytes; the outcome and how many events were bad.
fn read(stream: &str, step: usize) -> (Result<Response, Failure<'static>>, usize) {
    read_as(Framing::Sse, stream, step)
}

fn read_as(framing: Framing, stream: &str, step: usize) -> (Result<Response, Failure<'static>>, usize) {
    let (mut decoder, mut grammar) = (Stream::default(), Grammar::default());
    let (mut assembler, mut bad) = (Assembler::new(1 << 20), 0);
    let mut sink = |event: Event<'_>| {
        grammar.admit(&event).expect("it keeps the grammar");
        assembler.event(&event).expect("it is small");
    };
    let mut splitter = Splitter::new(framing, 1 << 20);
    for piece in stream.as_bytes().chunks(step.max(1)) {
        splitter.push(piece, |frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err())).unwrap();
    }
    splitter.finish(|frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err()));
    decoder.finish(&mut sink);
    assert!(grammar.is_ended());
    (assembler.finish().expect("it ends"), bad)
}

fn whole(stream: &str) -> Response {
    let (once, bad) = read(stream, stream.len());
    assert_eq!(bad, 0);
    for step in 1..stream.len().min(40) {
        assert_eq!(read(stream, step).0, once, "in pieces of {step}");
    }
    once.expect("it is whole")
}

fn stream(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn parts(parts: &str, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(r#","finishReason":"{reason}""#) };
    format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}{reason}}}],"responseId":"r"}}"#)
}

/// The answer in short: parts by their first letter and what they say.
pub(in super::super) fn shown(response: &Response) -> Vec<String> {
    let seal = |seal: &Option<Seal<'_>>| seal.as_ref().map_or(String::new(), |seal| seal.data.decode().into_owned());
    let part = |part: &Whole| match part {
        Whole::Text { text, citations, seal: by } => {
            let cited = citations.iter().map(|(_, raw)| String::from_utf8_lossy(raw.bytes()).into_owned());
            format!("t:{}:{}{}", text.decode(), seal(by), cited.collect::<String>())
        }
        Whole::Refusal(text) => format!("f:{}", text.decode()),
        Whole::Reasoning { text, seal: by, .. } => format!("r:{}:{}", text.decode(), seal(by)),
        Whole::ToolCall(call) => {
            let input = match &call.input {
                Input::Json(json) => String::from_utf8_lossy(json.bytes()).into_owned(),
                Input::Text(text) | Input::Free(text) => text.decode().into_owned(),
            };
            format!("c:{}:{}:{}:{input}", call.id.decode(), call.name.decode(), seal(&call.seal))
        }
        Whole::Media { media_type, base64 } => format!("m:{}:{}", media_type.decode(), base64.decode()),
        Whole::Foreign { raw, .. } => format!("?:{}", String::from_utf8_lossy(raw.bytes())),
    };
    response.parts.iter().map(part).collect()
}

#[test]
fn thoughts_text_and_a_late_signature() {
    let response = whole(include_str!("../../../tests/golden/gemini/stream-thinking.sse"));
    assert_eq!(shown(&response), ["r:**Plan**\n\nI add them.:", "t:The sum is \"4\" é😀.:EpQBsig+/="]);
    assert_eq!((response.id.decode(), response.model.decode()), ("r1".into(), "gemini-2.5-flash".into()));
    assert_eq!(response.stop(), Stop::EndTurn);
}

#[test]
fn conversion_3_usage_is_cumulative_and_thoughts_are_output() {
    let usage = whole(include_str!("../../../tests/golden/gemini/stream-thinking.sse")).usage;
    assert_eq!((usage.input, usage.output, usage.cache_read, usage.reasoning), (Some(12), Some(25), Some(4), Some(19)));
    let usage = whole(include_str!("../../../tests/golden/gemini/stream-parallel-tools.sse")).usage;
    assert_eq!((usage.input, usage.output), (Some(35), Some(25)), "what tools told is part of the prompt");
}

#[test]
fn conversion_9_and_11_every_call_is_told_and_waited_for() {
    let response = whole(include_str!("../../../tests/golden/gemini/stream-parallel-tools.sse"));
    assert_eq!(
        shown(&response),
        [
            "t:I look.:",
            "c::get_weather:EjQKsig1:{\"city\":\"Oslo\",\"n\":0.10}",
            "c:fc-2:get_weather::{\"city\":\"Roma\"}",
            "c::now::{}"
        ]
    );
    assert_eq!(response.stop(), Stop::ToolUse);
    assert_eq!(whole(&stream(&[&parts(r#"{"text":"a"}"#, "STOP")])).stop(), Stop::EndTurn);
}

#[test]
fn sources_are_citations_and_stay_as_they_were_for_gemini() {
    let response = whole(include_str!("../../../tests/golden/gemini/stream-grounding.sse"));
    let shown = shown(&response);
    assert_eq!(
        shown[0],
        concat!(
            "t:Oslo won.:",
            r#"{"startIndex":0,"endIndex":4,"uri":"https://d.example"}"#,
            r#"{"startIndex":0,"endIndex":9,"uri":"https://a.example/1","title":"a.example"}"#,
            r#"{"startIndex":0,"endIndex":9,"uri":"https://b.example/2","title":"b"}"#,
            r#"{"uri":"https://c.example/3","title":"c"}"#
        )
    );
    assert!(shown[1].starts_with(r#"?:{"groundingMetadata":{"webSearchQueries":["who won"]"#), "{}", shown[1]);
    assert!(shown[1].contains(r#""citationMetadata":{"citations":[{"#) && shown.len() == 2);
}

#[test]
fn images_are_media_drafts_and_code_are_foreign() {
    let response = whole(include_str!("../../../tests/golden/gemini/stream-image-code.sse"));
    let shown = shown(&response);
    assert!(shown[0].starts_with(r#"?:{"inlineData""#), "{}", shown[0]);
    assert_eq!(shown[1..3], ["t:Here::".to_owned(), "m:image/png:iVBORw0KGgo=".to_owned()]);
    assert!(shown[3].starts_with(r#"?:{"executableCode""#) && shown[4].starts_with(r#"?:{"codeExecutionResult""#));
    assert_eq!((shown.len(), response.stop()), (5, Stop::EndTurn));
}

#[test]
fn conversion_50_a_stream_that_is_cut_fails() {
    let cut = include_str!("../../../tests/golden/gemini/stream-cut.sse");
    for text in ["", cut] {
        assert_eq!(read(text, 7).0.unwrap_err().fault, Fault::BadGateway);
    }
}

#[test]
fn errors_inside_a_stream_are_failures() {
    let text = include_str!("../../../tests/golden/gemini/stream-error.sse");
    let failure = read(text, 9).0.unwrap_err();
    assert_eq!((failure.fault, &*failure.code), (Fault::Overloaded, "UNAVAILABLE"));
    let wrapped = stream(&[r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#]);
    assert_eq!(read(&wrapped, 9).0.unwrap_err().fault, Fault::RateLimited);
}

#[test]
fn conversion_51_a_broken_event_is_skipped_and_counted() {
    let text =
        stream(&[&parts(r#"{"text":"a"}"#, ""), "{\"candidates\":[{", "{}", "7", &parts(r#"{"text":"b"}"#, "STOP")]);
    let (response, bad) = read(&text, 11);
    assert_eq!((shown(&response.unwrap()), bad), (vec!["t:ab:".to_owned()], 3));
}

#[test]
fn conversion_52_an_array_is_read_as_the_same_answer() {
    let (one, two) = (parts(r#"{"text":"a"}"#, ""), parts(r#"{"text":"b]"}"#, "STOP"));
    let array = format!("[{one},\r\n{two}\r\n]");
    for step in 1..array.len() {
        assert_eq!(read_as(Framing::Array, &array, step).0, Ok(whole(&stream(&[&one, &two]))));
    }
    assert!(read_as(Framing::Array, &format!("[{one}"), 5).0.is_err());
}

#[test]
fn every_reason_to_stop_has_a_meaning() {
    let ends = |reason: &str| {
        read(&stream(&[&parts(r#"{"text":"a"}"#, reason)]), 64).0.map(|whole| match whole.stop() {
            Stop::EndTurn => "end",
            Stop::Length => "length",
            Stop::Filter => "filter",
            _ => "?",
        })
    };
    for (reason, expected) in [
        ("STOP", "end"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "filter"),
        ("RECITATION", "filter"),
        ("LANGUAGE", "filter"),
        ("BLOCKLIST", "filter"),
        ("PROHIBITED_CONTENT", "filter"),
        ("SPII", "filter"),
        ("MODEL_ARMOR", "filter"),
        ("IMAGE_SAFETY", "filter"),
        ("IMAGE_PROHIBITED_CONTENT", "filter"),
        ("IMAGE_RECITATION", "filter"),
        ("OTHER", "end"),
        ("IMAGE_OTHER", "end"),
        ("NO_IMAGE", "end"),
        ("WHAT_COMES_LATER", "end"),
    ] {
        assert_eq!(ends(reason), Ok(expected), "{reason}");
    }
    for reason in ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"] {
        let failure = ends(reason).unwrap_err();
        assert_eq!((failure.fault, &*failure.code), (Fault::BadGateway, reason));
    }
    assert_eq!(ends("MISSING_THOUGHT_SIGNATURE").unwrap_err().fault, Fault::InvalidRequest);
    assert!(ends("FINISH_REASON_UNSPECIFIED").is_err(), "no reason is no end");
}

#[test]
fn the_vendors_message_of_a_spoilt_call_is_told() {
    let chunk = r#"{"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed \"f\"","index":0}],"usageMetadata":{"promptTokenCount":3}}"#;
    let failure = read(&stream(&[chunk]), 64).0.unwrap_err();
    assert_eq!(&*failure.message, "Malformed \"f\"");
}

#[test]
fn conversion_54_an_unclear_end_without_a_word_is_a_failure() {
    assert_eq!(read(&stream(&[&parts("", "OTHER")]), 64).0.unwrap_err().code, "OTHER");
    assert_eq!(whole(&stream(&[&parts("", "MAX_TOKENS")])).stop(), Stop::Length);
}

#[test]
fn what_follows_a_reason_to_stop_is_not_lost() {
    let more = parts(r#"{"text":"b"}"#, "");
    let usage = r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#;
    let response = whole(&stream(&[&parts(r#"{"text":"a"}"#, "STOP"), &more, usage]));
    assert_eq!((shown(&response), response.usage.output), (vec!["t:ab:".to_owned()], Some(2)));
}

#[test]
fn signatures_go_with_what_they_stand_on() {
    let sealed = r#"{"text":"a","thoughtSignature":"s1"},{"text":"b"},{"functionCall":{"name":"f"}},{"text":"","thoughtSignature":"s2"}"#;
    assert_eq!(shown(&whole(&stream(&[&parts(sealed, "STOP")]))), ["t:a:s1", "t:b:", "c::f::{}", "r::s2"]);
    let thought = r#"{"text":"hm","thought":true},{"thoughtSignature":"s"},{"text":"a"}"#;
    assert_eq!(shown(&whole(&stream(&[&parts(thought, "STOP")]))), ["r:hm:s", "t:a:"]);
}

#[test]
fn a_call_in_pieces_or_without_a_name_is_a_failure() {
    for call in [r#"{"partialArgs":[],"name":"f"}"#, r#"{"name":"f","willContinue":true}"#, r#"{"args":{}}"#] {
        let text = stream(&[&parts(&format!(r#"{{"functionCall":{call}}},{{"text":"x"}}"#), "STOP")]);
        assert_eq!(read(&text, 64).0.unwrap_err().fault, Fault::BadGateway, "{call}");
    }
}

#[test]
fn a_single_part_without_a_list_and_other_candidates() {
    let one = r#"{"candidates":[{"content":{"parts":{"text":"a"}},"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"z"}]}}]}"#;
    assert_eq!(shown(&whole(&stream(&[one]))), ["t:a:"]);
}
