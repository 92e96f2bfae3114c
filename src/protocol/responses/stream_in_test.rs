use super::*;
use crate::protocol::ir::Input;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::grammar::Grammar;
use crate::sse::Splitter;

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/responses/", $name))
    };
}

const TEXT: &str = golden!("stream-text.sse");
const TOOLS: &str = golden!("stream-tools.sse");
const ONLY_LAST: &str = golden!("stream-only-last.sse");
const BUILT_IN: &str = golden!("stream-built-in.sse");
const REFUSAL: &str = golden!("stream-refusal.sse");
const QUOTA: &str = golden!("stream-quota.sse");
const INCOMPLETE: &str = golden!("stream-incomplete.sse");
const CUT: &str = golden!("stream-cut.sse");

/// What a stream tells, an event a line, its answer, and how many frames were none.
fn told(stream: &str) -> (Vec<String>, Result<Response, Failure<'static>>, usize) {
    let (mut decoder, mut events, mut bad) = (Stream::default(), Vec::new(), 0);
    let (mut grammar, mut assembler) = (Grammar::default(), Assembler::new(1 << 20));
    let mut sink = |event: Event<'_>| {
        grammar.admit(&event).expect("it keeps the grammar");
        assembler.event(&event).expect("it is short");
        events.push(shown(&event));
    };
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    let mut frame = |frame: Frame<'_>| bad += usize::from(decoder.frame(&frame, &mut sink).is_err());
    splitter.push(stream.as_bytes(), &mut frame).expect("no frame is too long");
    splitter.finish(&mut frame);
    decoder.finish(&mut sink);
    (events, assembler.finish().expect("it ends"), bad)
}

fn shown(event: &Event<'_>) -> String {
    let text = |text: &Escaped<'_>| String::from_utf8_lossy(text.bytes()).into_owned();
    match event {
        Event::Start { id, model } => format!("start {} {}", text(id), text(model)),
        Event::Open { at, kind: PartKind::ToolCall { id, name, kind, .. } } => {
            format!("open {at} {kind:?} {} {}", text(id), text(name))
        }
        Event::Open { at, kind: PartKind::Foreign { raw, .. } } => format!("open {at} {raw:?}"),
        Event::Open { at, kind } => format!("open {at} {kind:?}"),
        Event::Fill { at, delta } => match delta {
            Delta::Text(more) | Delta::Input(more) => format!("{at} + {}", text(more)),
            Delta::Seal(seal) => format!("{at} seal {:?} {}", seal.origin, seal.data.decode()),
            Delta::Citation { .. } => format!("{at} citation"),
            Delta::Media { media_type, base64 } => format!("{at} {} {}", text(media_type), text(base64)),
            Delta::Foreign(raw) => format!("{at} {}", raw.find("type").map_or(String::new(), |it| format!("{it:?}"))),
            Delta::Json(raw) => format!("{at} {raw:?}"),
        },
        Event::Close { at } => format!("close {at}"),
        Event::Usage(usage) => format!("usage {:?} {:?} {:?}", usage.input, usage.output, usage.reasoning),
        Event::Stop(stop) => format!("stop {stop:?}"),
        Event::Fail(failure) => format!("fail {:?} {}", failure.fault, failure.message),
        Event::Ping => "ping".into(),
        Event::End => "end".into(),
    }
}

#[test]
fn a_text_is_told_as_it_comes() {
    assert_eq!(
        told(TEXT).0,
        [
            "start resp_up gpt-5.1",
            "open 0 Text",
            "0 + Hel",
            "0 + lo ",
            r#"0 + \"wörld\"\n"#,
            "close 0",
            "usage Some(20) Some(9) Some(4)",
            "stop EndTurn",
            "end"
        ]
    );
}

#[test]
fn conversion_34_thoughts_and_interleaved_calls_are_told_as_they_come() {
    assert_eq!(
        told(TOOLS).0,
        [
            "start resp_up gpt-5.1",
            "open 0 Reasoning { summary: true }",
            "0 + **Look",
            "0 + ing**",
            r"0 + \n\n",
            "0 + Then on.",
            "0 seal Responses gAAAwhole",
            "close 0",
            "open 1 Text",
            "1 + I look.",
            "close 1",
            "open 2 Function call_a get_weather",
            "open 3 Custom call_b apply_patch",
            r#"2 + {\"ci"#,
            "3 + *** Begin",
            r#"2 + ty\":\"Par"#,
            r"3 + \n+x",
            r#"2 + is\"}"#,
            "close 2",
            "close 3",
            "usage Some(20) Some(9) Some(4)",
            "stop ToolUse",
            "end"
        ]
    );
}

#[test]
fn conversion_12_53_what_only_the_last_event_says_is_told() {
    let (one, other) = (told(TOOLS).1.expect("it is whole"), told(ONLY_LAST).1.expect("it is whole"));
    assert_eq!(one, other);
    let only_items: String = TOOLS
        .split_inclusive("\n\n")
        .filter(|frame| !frame.contains("delta") && !frame.contains("part.") && !frame.contains("text.done"))
        .collect();
    assert_eq!(told(&only_items).1.expect("it is whole"), one, "whole items without pieces");
    let no_items: String = TOOLS.split_inclusive("\n\n").filter(|frame| !frame.contains("output_item.done")).collect();
    assert_eq!(told(&no_items).1.expect("it is whole"), one, "pieces without whole items");
}

#[test]
fn items_of_the_vendors_own_pass_and_images_are_media() {
    let search = r#"{"id":"ws_1","type":"web_search_call","status":"in_progress"}"#;
    assert_eq!(
        told(BUILT_IN).0[1..],
        [
            &*format!("open 0 Raw({search})"),
            r#"0 Raw("response.web_search_call.in_progress")"#,
            r#"0 Raw("response.web_search_call.searching")"#,
            r#"0 Raw("response.web_search_call.completed")"#,
            r#"0 Raw("response.output_item.done")"#,
            "close 0",
            "ping",
            "open 1 Media",
            "1 image/webp UklGRg==",
            "close 1",
            "open 2 Text",
            "2 + See x.",
            "2 citation",
            "close 2",
            "usage Some(20) Some(9) Some(4)",
            "stop EndTurn",
            "end"
        ]
    );
}

#[test]
fn reasoning_itself_and_refusals_are_told_as_such() {
    let answer = told(REFUSAL).1.expect("it is whole");
    assert!(matches!(&answer.parts[0], Whole::Reasoning { text, summary: false, .. } if text.eq_str("raw thought")));
    assert!(matches!(&answer.parts[1], Whole::Refusal(text) if text.eq_str("I cannot.")));
}

#[test]
fn conversion_5_44_errors_inside_a_stream_fail_it() {
    let (events, outcome, _) = told(QUOTA);
    let failure = outcome.expect_err("it failed");
    assert_eq!((failure.fault, &*failure.code), (Fault::RateLimited, "insufficient_quota"));
    assert_eq!(events.iter().filter(|event| event.starts_with("fail")).count(), 1, "once: {events:?}");
    for (event, fault) in [
        (
            r#"{"type":"response.failed","response":{"error":{"code":"server_is_overloaded","message":"m"}}}"#,
            Fault::Overloaded,
        ),
        (r#"{"type":"response.cancelled","response":{"status":"cancelled"}}"#, Fault::Internal),
        (r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#, Fault::InvalidRequest),
    ] {
        let failure = told(&format!("data: {event}\n\n")).1.expect_err("it failed");
        assert_eq!(failure.fault, fault, "{event}");
    }
}

#[test]
fn conversion_4_a_stream_without_its_last_event_has_failed() {
    let (events, outcome, _) = told(CUT);
    assert_eq!(outcome.expect_err("it is cut").fault, Fault::BadGateway);
    assert_eq!(events[0], "ping");
    assert!(events.contains(&"close 0".to_owned()), "what was open is closed: {events:?}");
    assert!(told("data: [DONE]\n\n").1.is_err() && told("").1.is_err());
}

#[test]
fn an_answer_at_its_bound_is_told_as_such() {
    let answer = told(INCOMPLETE).1.expect("it is whole");
    assert_eq!(answer.stop(), Stop::Length);
    assert!(matches!(&answer.parts[0], Whole::Text { text, .. } if text.eq_str("Hello")));
    let filtered = INCOMPLETE.replace("max_output_tokens", "content_filter");
    assert_eq!(told(&filtered).1.expect("it is whole").stop(), Stop::Filter);
}

#[test]
fn numbers_may_be_missing_or_begin_where_they_like() {
    let whole = told(TOOLS).1.expect("it is whole");
    // Bedrock counts parts from 1, early recordings had no numbers, and events may be lost.
    let shifted = TOOLS.replace(r#""content_index":0"#, r#""content_index":1"#);
    assert_eq!(told(&shifted).1.expect("it is whole"), whole);
    let gaps = TOOLS.replace(r#""sequence_number":"#, r#""sequence_number":9"#);
    assert_eq!(told(&gaps).1.expect("it is whole"), whole);
}

#[test]
fn conversion_51_what_is_no_event_is_skipped() {
    let broken = TEXT.replacen("\n\n", "\n\ndata: {\"type\":\n\ndata: {\"x\":1}\n\ndata: 7\n\n", 1);
    let (events, outcome, bad) = told(&broken);
    assert!(outcome.is_ok());
    assert_eq!((events, bad), (told(TEXT).0, 3));
}

#[test]
fn what_vendors_tell_beside_the_answer_is_a_sign_of_life() {
    let aside = TEXT.replacen("\n\n", "\n\ndata: {\"type\":\"keepalive\",\"sequence_number\":1}\n\n", 1);
    let (events, outcome, bad) = told(&aside);
    assert!(outcome.is_ok() && bad == 0);
    assert_eq!(events.iter().filter(|event| *event == "ping").count(), 1);
}

#[test]
fn conversion_18_a_seal_of_a_call_comes_before_its_input() {
    let stream = concat!(
        r#"data: {"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[],"encrypted_content":"weir.1.gc.sig"}}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
        "\n\n",
        r#"data: {"type":"response.completed","response":{"output":[]}}"#,
        "\n\n"
    );
    let (events, outcome, _) = told(stream);
    assert_eq!(events[1..4], ["open 0 Function c f", "0 seal Gemini sig", "0 + {}"]);
    let answer = outcome.expect("it is whole");
    assert!(matches!(&answer.parts[..], [Whole::ToolCall(call)] if matches!(&call.input, Input::Text(_))));
}

#[test]
fn more_items_than_the_limit_fail_the_answer() {
    let item = |nth: usize| {
        format!(
            "data: {{\"type\":\"response.output_item.added\",\"output_index\":{nth},\"item\":{{\"type\":\"message\"}}}}\n\n"
        )
    };
    let end = "data: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n";
    let stream = |count| (0..count).map(item).chain([end.to_owned()]).collect::<String>();
    assert!(told(&stream(ORDER_PARTS_MAX)).1.is_ok());
    assert_eq!(told(&stream(ORDER_PARTS_MAX + 1)).1.expect_err("too many").fault, Fault::BadGateway);
}

#[test]
fn whole_answers_that_failed_or_are_none() {
    let read = |body: &str| {
        let mut events = Vec::new();
        crate::protocol::responses::response_in::response(body.as_bytes(), &mut |event| events.push(shown(&event)))
            .map(|()| events.join("|"))
    };
    for (body, told) in [
        (r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#, Ok("fail RateLimited m")),
        (r#"{"status":"cancelled","output":[]}"#, Ok("fail Internal the upstream cancelled the answer")),
        (
            r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#,
            Ok("start  |stop Length|end"),
        ),
        (r#"{"output":[]}"#, Ok("start  |stop EndTurn|end")),
        (r#"{"status":"queued","output":[]}"#, Err(BadUpstream("the answer is not ready"))),
        (r#"{"choices":[]}"#, Err(BadUpstream("it is no answer"))),
        ("[]", Err(BadUpstream("the answer is not a JSON object"))),
        ("<html>", Err(BadUpstream("the answer is not a JSON object"))),
    ] {
        assert_eq!(read(body), told.map(str::to_owned), "{body}");
    }
}

/// Each event has another number: the mould has a hole for it from the second on, or it would never fit.
#[test]
fn deltas_that_differ_in_their_numbers_are_of_one_mould() {
    let delta = |number: u32, text: &str| {
        format!(
            r#"{{"type":"response.output_text.delta","sequence_number":{number},"item_id":"i","output_index":0,"content_index":0,"delta":"{text}","logprobs":[]}}"#
        )
    };
    let mut decoder = Stream::default();
    let mut said = String::new();
    for (nth, text) in ["a", "b", "c", "d"].iter().enumerate() {
        let data = delta(nth as u32 + 8, text);
        assert_eq!(decoder.mould.fill(data.as_bytes()).is_some(), nth > 1, "{nth}");
        let (event, data) = (&b"response.output_text.delta"[..], data.as_bytes());
        let frame = Frame { raw: data, event, data, kind: FrameKind::Data };
        let mut sink = |event: Event<'_>| {
            if let Event::Fill { delta: Delta::Text(text), .. } = event {
                said.push_str(&text.decode());
            }
        };
        decoder.frame(&frame, &mut sink).expect("an event");
    }
    assert_eq!(said, "abcd");
}
