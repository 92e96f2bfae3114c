use super::*;
use crate::json::{Escaped, Raw};
use crate::protocol::ir::{Failure, Stop};

fn escaped(text: &'static str) -> Escaped<'static> {
    inside(text.as_bytes())
}

fn start() -> Event<'static> {
    Event::Start { id: escaped("up"), model: escaped("gpt-up") }
}

fn open(at: u32, name: &'static str) -> Event<'static> {
    let kind = PartKind::ToolCall {
        id: Escaped::EMPTY,
        name: escaped(name),
        namespace: Escaped::EMPTY,
        kind: CallKind::Function,
    };
    Event::Open { at, kind }
}

fn text(at: u32, text: &'static str) -> Event<'static> {
    Event::Fill { at, delta: Delta::Text(escaped(text)) }
}

fn input(at: u32, text: &'static str) -> Event<'static> {
    Event::Fill { at, delta: Delta::Input(escaped(text)) }
}

fn opening() -> Opening {
    Opening { id: "7".into(), model: "alias".into(), created_unix_s: 0, ..Opening::default() }
}

/// The lines without what all of them begin with (conversion 7).
fn lines(opening: Opening, events: &[Event<'_>]) -> Vec<String> {
    let (mut encoder, mut out) = (Encoder::new(opening), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let out = String::from_utf8(out).expect("UTF-8");
    assert!(!out.contains("[DONE]"), "conversion 13");
    let head = r#"{"model":"alias","created_at":"1970-01-01T00:00:00Z","#;
    out.lines().map(|line| line.strip_prefix(head).unwrap_or(line).to_owned()).collect()
}

#[test]
fn conversion_7_texts_and_thoughts_are_lines_that_name_the_model() {
    let usage = Usage { input: Some(9), output: Some(4), cache_read: Some(2), ..Usage::default() };
    let events = [
        Event::Ping,
        start(),
        Event::Open { at: 0, kind: PartKind::Reasoning { summary: false } },
        text(0, "hm"),
        Event::Close { at: 0 },
        Event::Ping,
        Event::Open { at: 1, kind: PartKind::Text },
        text(1, "a\\n"),
        Event::Close { at: 1 },
        Event::Stop(Stop::Length),
        Event::Usage(usage),
        Event::End,
        Event::End,
    ];
    assert_eq!(
        lines(opening(), &events),
        [
            r#""message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
            r#""message":{"role":"assistant","content":""},"done":false}"#,
            r#""message":{"role":"assistant","content":"a\n"},"done":false}"#,
            concat!(
                r#""message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":0,"load_duration":0,"#,
                r#""prompt_eval_duration":0,"eval_duration":0,"prompt_eval_count":9,"prompt_eval_cached_count":2,"eval_count":4}"#
            ),
        ]
    );
    let generate = lines(Opening { plain_completion: true, ..opening() }, &events);
    assert_eq!(generate[0], r#""response":"","thinking":"hm","done":false}"#);
    assert_eq!(generate[2], r#""response":"a\n","done":false}"#);
}

#[test]
fn conversion_10_65_interleaved_calls_are_told_whole_one_after_another() {
    let events = [
        start(),
        open(0, "f"),
        input(0, "{\\\"a\\\":"),
        open(1, "g"),
        input(0, "1.50}"),
        Event::Fill { at: 1, delta: Delta::Json(Raw::parse(br#"{"b":[]}"#).expect("JSON")) },
        Event::Close { at: 1 },
        Event::Close { at: 0 },
        open(2, "h"),
        Event::Close { at: 2 },
        open(3, "bad"),
        input(3, "{\\\"a\\\""),
        Event::Close { at: 3 },
    ];
    let call = |index: u32, name: &str, input: &str| {
        format!(
            r#""message":{{"role":"assistant","content":"","tool_calls":[{{"id":"call_7_{index}","function":{{"index":{index},"name":"{name}","arguments":{input}}}}}]}},"done":false}}"#
        )
    };
    assert_eq!(
        lines(opening(), &events),
        [
            call(0, "f", r#"{"a":1.50}"#),
            call(1, "g", r#"{"b":[]}"#),
            call(2, "h", "{}"),
            call(3, "bad", r#"{"input":"{\"a\""}"#)
        ]
    );
}

#[test]
fn a_failure_is_a_line_and_no_end() {
    let failed = || Event::Fail(Failure { fault: Fault::Overloaded, message: "no \"room\"".into(), code: "".into() });
    let error = r#"{"error":"no \"room\""}"#;
    assert_eq!(lines(opening(), &[failed(), Event::End]), [error]);
    let events =
        [start(), Event::Open { at: 0, kind: PartKind::Text }, text(0, "a"), failed(), Event::Ping, Event::End];
    let told = lines(opening(), &events);
    assert_eq!((told.len(), &*told[1]), (2, error));
}

#[test]
fn pictures_are_told_where_a_client_sees_them() {
    let media = Delta::Media { media_type: escaped("image/png"), base64: escaped("iVBO") };
    let events = [start(), Event::Open { at: 0, kind: PartKind::Media }, Event::Fill { at: 0, delta: media }];
    let told = r#""message":{"role":"assistant","content":"![image](data:image/png;base64,iVBO)"},"done":false}"#;
    assert_eq!(lines(opening(), &events), [told]);
    let told = r#""response":"","image":"iVBO","done":false}"#;
    assert_eq!(lines(Opening { plain_completion: true, ..opening() }, &events), [told]);
}

#[test]
fn the_input_of_a_call_is_bounded() {
    let piece: &'static str = Box::leak("x".repeat(limits::CALL_BYTES_MAX).into_boxed_str());
    let last = |more: &'static str| {
        let events = [start(), open(0, "f"), input(0, piece), input(0, more), Event::Close { at: 0 }];
        lines(opening(), &events).pop().expect("a line")
    };
    assert!(last("").starts_with(r#""message":"#));
    assert_eq!(last("y"), r#"{"error":"the input of a call is larger than the limit"}"#);
}

/// What the upstream said in the golden stream, for a client.
fn told_again(stream: &str, plain_completion: bool) -> String {
    use crate::protocol::ir::StreamDecoder;
    let opening = Opening { created_unix_s: 1_767_323_045, plain_completion, ..opening() };
    let (mut decoder, mut encoder, mut out) = (super::super::Stream::default(), Encoder::new(opening), Vec::new());
    let mut splitter = crate::sse::Splitter::new(crate::sse::Framing::Lines, 1 << 20);
    splitter
        .push(stream.as_bytes(), |frame| {
            decoder.frame(&frame, &mut |event| encoder.event(&event, &mut out)).expect("a line");
        })
        .expect("no line is too long");
    String::from_utf8(out).expect("UTF-8")
}

/// The same files are read by Ollama's own library (tests/sdk/test_ollama_written.py).
#[test]
fn what_is_written_is_what_the_library_reads() {
    let told = told_again(include_str!("../../../tests/golden/ollama/stream_tools.ndjson"), false);
    assert_eq!(told, include_str!("../../../tests/golden/ollama/written_stream.ndjson"));
    let told = told_again(include_str!("../../../tests/golden/ollama/stream_generate.ndjson"), true);
    assert_eq!(told, include_str!("../../../tests/golden/ollama/written_generate.ndjson"));
}
