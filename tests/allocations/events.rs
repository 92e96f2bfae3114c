//! Translating a stream allocates nothing per event: not where it is read, and not where it is written.
//!
//! Each protocol adds a row for what it reads and a row for what it writes. Allocations of the thread are counted
//! once all buffers have grown.

use crate::counting::allocations;
use weir::base::span::Span;
use weir::json::Escaped;
use weir::protocol::anthropic::Anthropic;
use weir::protocol::chat::Chat;
use weir::protocol::gemini::Gemini;
use weir::protocol::ir::{CallKind, Decode, Delta, Encode, Event, Opening, PartKind, StreamDecoder, StreamEncoder};
use weir::protocol::ollama::Ollama;
use weir::protocol::responses::Responses;
use weir::sse::Splitter;

/// Events before counting, in which buffers grow.
const WARM_UP: usize = 64;
const COUNTED: usize = 1_000;

/// Allocations while the events of `stream` are read again and again, once its first `begin` bytes have been.
fn reading<P: Decode>(begin: &str, events: &str) -> u64 {
    let mut decoder = P::Stream::default();
    let mut splitter = Splitter::new(P::Stream::FRAMING, 1 << 20);
    let mut told = 0_usize;
    let mut push = |text: &str| {
        let frame = |frame: weir::sse::Frame<'_>| {
            decoder.frame(&frame, &mut |_| told += 1).expect("the test's events are valid");
        };
        splitter.push(text.as_bytes(), frame).expect("the test's events are short");
    };
    push(begin);
    (0..WARM_UP).for_each(|_| push(events));
    let before = allocations();
    (0..COUNTED).for_each(|_| push(events));
    let count = allocations() - before;
    assert!(told > COUNTED, "it tells something");
    count
}

/// Allocations while more of parts of every kind is written, in the last of so many rounds: in those before, buffers
/// grow that hold a call until it is whole.
fn writing<P: Encode>(rounds: u32) -> u64 {
    let text = |text: &'static str| Escaped::at(text.as_bytes(), Span::new(0, text.len()));
    let call = |id, kind| PartKind::ToolCall { id: text(id), name: text("look"), namespace: text(""), kind };
    let parts = [
        (PartKind::Reasoning { summary: false }, Delta::Text(text("so I think\\n"))),
        (PartKind::Text, Delta::Text(text("and say"))),
        (call("call_1", CallKind::Function), Delta::Input(text("{\\\"a\\\":"))),
    ];
    let opening = Opening { id: "1".into(), model: "m".into(), include_usage: true, ..Opening::default() };
    let mut encoder = P::Stream::new(opening);
    let mut out = Vec::with_capacity(1 << 20);
    encoder.event(&Event::Start { id: text("up"), model: text("m") }, &mut out);
    let mut count = 0;
    let last = parts.len() as u32 * (rounds - 1);
    for (at, (kind, delta)) in (0..last + parts.len() as u32).zip(parts.iter().cloned().cycle()) {
        encoder.event(&Event::Open { at, kind }, &mut out);
        let more = Event::Fill { at, delta };
        // Who tells calls whole keeps their input until then.
        let keeps = matches!(more, Event::Fill { delta: Delta::Input(_), .. });
        for nth in 0..WARM_UP + COUNTED {
            out.clear();
            let before = allocations();
            encoder.event(&more, &mut out);
            if nth >= WARM_UP && at >= last {
                assert!(keeps || !out.is_empty(), "it says something");
                count += allocations() - before;
            }
        }
        encoder.event(&Event::Close { at }, &mut out);
    }
    count
}

#[test]
fn events_of_anthropic_allocate_nothing() {
    for (what, block, delta) in [
        ("text", r#"{"type":"text","text":""}"#, r#"{"type":"text_delta","text":"a\nb \u00e9"}"#),
        (
            "thoughts",
            r#"{"type":"thinking","thinking":"","signature":""}"#,
            r#"{"type":"thinking_delta","thinking":"hm"}"#,
        ),
        (
            "calls",
            r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#,
            r#"{"type":"input_json_delta","partial_json":"{\"a\":"}"#,
        ),
    ] {
        let begin = format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}\n\n"
        );
        let events = format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n"
        );
        assert_eq!(reading::<Anthropic>(&begin, &events), 0, "reading {what}");
    }
    assert_eq!(writing::<Anthropic>(1), 0, "writing");
}

#[test]
fn reading_a_stream_allocates_nothing_per_event() {
    let chat = |delta: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}],\"usage\":null}}\n\n"
        )
    };
    let called = chat(
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#,
    );
    for (what, begin, events) in [
        ("text", String::new(), chat(r#"{"content":"a\nb \u00e9"}"#)),
        (
            "thoughts",
            String::new(),
            chat(
                r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"f","index":0}]}"#,
            ),
        ),
        (
            "calls",
            called,
            chat(
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\":"}},{"index":0,"function":{"arguments":"1"}}]}"#,
            ),
        ),
    ] {
        assert_eq!(reading::<Chat>(&begin, &events), 0, "{what} of Chat");
    }
    let line = |message: &str| {
        format!(
            "{{\"model\":\"m\",\"created_at\":\"2026-01-02T03:04:05Z\",\"message\":{{\"role\":\"assistant\",{message}}},\"done\":false}}\n"
        )
    };
    for (what, message) in [
        ("text", r#""content":"a\nb \u00e9""#),
        ("thoughts", r#""content":"","thinking":"hm""#),
        ("calls", r#""content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]"#),
    ] {
        assert_eq!(reading::<Ollama>("", &line(message)), 0, "{what} of Ollama");
    }
}

#[test]
fn reading_a_gemini_stream_allocates_nothing_per_event() {
    let chunk = |parts: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{parts}],\"role\":\"model\"}},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":5,\"totalTokenCount\":5}},\"modelVersion\":\"m\",\"responseId\":\"r\"}}\r\n\r\n"
        )
    };
    for (what, events) in [
        ("text", chunk(r#"{"text":"a\nb \u00e9"}"#)),
        ("thoughts", chunk(r#"{"text":"hm","thought":true},{"text":"","thoughtSignature":"U2ln"}"#)),
        ("calls", chunk(r#"{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"U2ln"}"#)),
        ("images", chunk(r#"{"inlineData":{"mimeType":"image/png","data":"iVBO"}}"#)),
    ] {
        assert_eq!(reading::<Gemini>("", &events), 0, "{what} of Gemini");
    }
}

#[test]
fn reading_responses_allocates_nothing_per_event() {
    let event = |kind: &str, index: u8, delta: &str| {
        format!(
            "event: response.{kind}.delta\ndata: {{\"type\":\"response.{kind}.delta\",\"sequence_number\":5,\"output_index\":{index},\"item_id\":\"i\",\"content_index\":0,\"delta\":\"{delta}\"}}\n\n"
        )
    };
    let call = |index: u8| {
        format!(
            "data: {{\"type\":\"response.output_item.added\",\"output_index\":{index},\"item\":{{\"type\":\"function_call\",\"call_id\":\"c{index}\",\"name\":\"f\"}}}}\n\n"
        )
    };
    let arguments = |index| event("function_call_arguments", index, r#"{\"a\":"#);
    for (what, begin, events) in [
        ("text", String::new(), event("output_text", 0, r"a\nb \u00e9")),
        ("thoughts", String::new(), event("reasoning_summary_text", 0, "hm")),
        ("calls", call(0) + &call(1), arguments(0) + &arguments(1)),
    ] {
        assert_eq!(reading::<Responses>(&begin, &events), 0, "{what} of Responses");
    }
}

#[test]
fn writing_responses_allocates_only_where_what_is_kept_grows() {
    // The last events repeat all that was said: it is kept, and grows by doubling, a few times in thousands of events.
    let grown = writing::<Responses>(1);
    assert!(grown <= 5 * 3, "{grown}");
}

#[test]
fn writing_a_stream_allocates_nothing_per_event() {
    assert_eq!(writing::<Chat>(1), 0, "Chat");
    assert_eq!(writing::<Ollama>(2), 0, "Ollama");
    assert_eq!(writing::<Gemini>(2), 0, "Gemini");
}
