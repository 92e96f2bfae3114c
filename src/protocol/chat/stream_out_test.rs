use super::*;
use crate::protocol::failure::Fault;
use crate::protocol::ir::Text;
use crate::protocol::ir::seal::SealKind;
use crate::sse::{FrameKind, Framing, Splitter};

fn escaped(text: &'static str) -> Escaped<'static> {
    Escaped::at(text.as_bytes(), Span::new(0, text.len()))
}

fn raw(text: &'static str) -> Raw<'static> {
    Raw::parse(text.as_bytes()).expect("the test's JSON is valid")
}

fn start() -> Event<'static> {
    Event::Start { id: escaped("up"), model: escaped("gpt-up") }
}

fn open(at: u32, kind: PartKind<'static>) -> Event<'static> {
    Event::Open { at, kind }
}

fn call(at: u32, id: &'static str, kind: CallKind) -> Event<'static> {
    open(at, PartKind::ToolCall { id: escaped(id), name: escaped("f"), namespace: escaped(""), kind })
}

fn fill(at: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Fill { at, delta }
}

fn text(at: u32, text: &'static str) -> Event<'static> {
    fill(at, Delta::Text(escaped(text)))
}

fn input(at: u32, text: &'static str) -> Event<'static> {
    fill(at, Delta::Input(escaped(text)))
}

fn close(at: u32) -> Event<'static> {
    Event::Close { at }
}

fn opening() -> Opening {
    Opening { id: "1".into(), model: "alias".into(), created_unix_s: 7, ..Opening::default() }
}

/// The data of the stream's events; all but `[DONE]` are JSON, and each event of the answer writes whole frames.
fn told(opening: Opening, events: &[Event<'_>]) -> Vec<String> {
    let (mut encoder, mut out) = (Encoder::new(opening), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let (mut told, mut splitter) = (Vec::new(), Splitter::new(Framing::Sse, 1 << 26));
    splitter
        .push(&out, |frame| {
            if frame.kind == FrameKind::Data {
                assert!(frame.data == b"[DONE]" || crate::json::value(frame.data).is_ok());
                told.push(String::from_utf8(frame.data.to_vec()).expect("UTF-8"));
            }
        })
        .expect("no frame is too long");
    told
}

/// What the choices of the chunks say: delta, and reason to stop where there is one.
fn said(told: &[String]) -> Vec<String> {
    let chunk = |data: &String| {
        let Ok(chunk) = Raw::parse(data.as_bytes()) else { return data.clone() };
        let Some(choice) = chunk.find("choices").and_then(|choices| choices.elements().next()) else {
            return chunk.find("usage").or(chunk.find("error")).map_or_else(String::new, show);
        };
        assert_eq!(choice.find("index").and_then(Raw::as_u64), Some(0), "conversion 8");
        assert!(chunk.find("model").and_then(Raw::as_str).is_some_and(|model| model.eq_str("alias")), "conversion 7");
        let delta = choice.find("delta").or(choice.find("text")).map_or_else(String::new, show);
        match choice.find("finish_reason").and_then(Raw::as_str) {
            Some(reason) => format!("{delta} {}", reason.decode()),
            None => delta,
        }
    };
    told.iter().map(chunk).collect()
}

fn show(raw: Raw<'_>) -> String {
    String::from_utf8(raw.bytes().to_vec()).expect("UTF-8")
}

fn ended(mut events: Vec<Event<'static>>, stop: Stop<'static>) -> Vec<Event<'static>> {
    events.extend([Event::Stop(stop), Event::End]);
    events
}

#[test]
fn conversion_13_a_text_is_chunks_a_reason_and_one_done() {
    let events = ended(vec![start(), open(0, PartKind::Text), text(0, "a\\n"), text(0, ""), close(0)], Stop::EndTurn);
    let told = told(opening(), &events);
    assert_eq!(
        told,
        [
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"alias","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"alias","choices":[{"index":0,"delta":{"content":"a\n"},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"alias","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
            "[DONE]"
        ]
    );
}

#[test]
fn conversion_02_usage_is_told_only_where_it_was_asked_for() {
    let usage = Usage { input: Some(9), output: Some(4), cache_read: Some(2), ..Usage::default() };
    let events = [start(), Event::Usage(usage), Event::Stop(Stop::Length), Event::Usage(usage), Event::End];
    let asked = told(Opening { include_usage: true, ..opening() }, &events);
    assert!(asked[0].ends_with(r#""finish_reason":null}],"usage":null}"#), "{}", asked[0]);
    assert_eq!(
        asked[2],
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"alias","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":2}}}"#
    );
    let not = told(opening(), &events);
    assert_eq!((not.len(), not.iter().any(|data| data.contains("usage"))), (3, false));
}

#[test]
fn conversion_08_65_calls_are_told_with_all_that_readers_check() {
    let events = ended(
        vec![
            start(),
            call(0, "a", CallKind::Function),
            input(0, "{\\\"x\\\":"),
            call(1, "", CallKind::Function),
            input(0, "1}"),
            close(1),
            close(0),
            call(2, "c", CallKind::Custom),
            input(2, "*** "),
            close(2),
            call(3, "d", CallKind::Function),
            fill(3, Delta::Json(raw("{\"b\":\"\\n\"}"))),
            close(3),
        ],
        Stop::ToolUse,
    );
    assert_eq!(
        said(&told(opening(), &events))[1..],
        [
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"call_1_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":2,"id":"c","type":"custom","custom":{"name":"f","input":""}}]}"#,
            r#"{"tool_calls":[{"index":2,"custom":{"input":"*** "}}]}"#,
            r#"{"tool_calls":[{"index":3,"id":"d","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":3,"function":{"arguments":"{\"b\":\"\\n\"}"}}]}"#,
            "{} tool_calls",
            "[DONE]"
        ]
    );
}

#[test]
fn conversion_11_the_reason_is_that_of_what_was_told() {
    let call = |events: &mut Vec<Event<'static>>| events.extend([call(0, "a", CallKind::Function), close(0)]);
    let refusal = |events: &mut Vec<Event<'static>>| {
        events.extend([open(0, PartKind::Refusal), text(0, "no"), close(0)]);
    };
    let none = |_: &mut Vec<Event<'static>>| {};
    type Told<'t> = &'t dyn Fn(&mut Vec<Event<'static>>);
    for (told_before, stop, reason) in [
        (&call as Told<'_>, Stop::EndTurn, "tool_calls"),
        (&none, Stop::ToolUse, "stop"),
        (&none, Stop::Length, "length"),
        (&none, Stop::ContextFull, "length"),
        (&none, Stop::Word(escaped("x")), "stop"),
        (&none, Stop::Filter, "content_filter"),
        (&none, Stop::Refusal, "content_filter"),
        (&refusal, Stop::Refusal, "stop"),
        (&none, Stop::Pause, "stop"),
    ] {
        let mut events = vec![start()];
        told_before(&mut events);
        let said = said(&told(opening(), &ended(events, stop)));
        assert_eq!(said[said.len() - 2], format!("{{}} {reason}"), "{stop:?}");
    }
}

#[test]
fn conversion_18_a_calls_signature_stands_in_its_first_delta() {
    let seal = Seal { origin: Dialect::Gemini, kind: SealKind::Call, data: Text::constant("sig") };
    let events = [start(), call(0, "a", CallKind::Function), fill(0, Delta::Seal(seal)), input(0, "{}"), close(0)];
    assert_eq!(
        said(&told(opening(), &events))[1..],
        [
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"weir.1.gc.sig"}}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#
        ]
    );
}

#[test]
fn reasoning_is_text_and_what_only_its_vendor_reads() {
    let seal = |data: &'static str| {
        let (origin, kind) = (Dialect::Anthropic, SealKind::Signature);
        fill(0, Delta::Seal(Seal { origin, kind, data: Text::constant(data) }))
    };
    let thought = || open(0, PartKind::Reasoning { summary: false });
    let mut events = vec![start(), thought(), text(0, "a"), seal("s1"), close(0)];
    events.extend([thought(), text(0, "b"), text(0, "c"), seal("s2"), close(0)]);
    events.extend([thought(), text(0, "d"), close(0)]);
    assert_eq!(
        said(&told(opening(), &events))[1..],
        [
            r#"{"reasoning_content":"a"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"weir.1.as.s1","index":0}]}"#,
            r#"{"reasoning_content":"b"}"#,
            r#"{"reasoning_content":"c"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"weir.1.as.s2","text":"bc","index":1}]}"#,
            r#"{"reasoning_content":"d"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"d","index":2}]}"#
        ]
    );
}

#[test]
fn a_thought_beyond_the_limit_has_no_seal() {
    let seal = || Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::constant("s2") };
    for (bytes, sealed) in [(ORDER_BYTES_MAX, true), (ORDER_BYTES_MAX + 1, false)] {
        let long = vec![b'x'; bytes];
        let (mut encoder, mut out) = (Encoder::new(opening()), Vec::new());
        let thought = || open(0, PartKind::Reasoning { summary: false });
        [start(), thought(), text(0, "a"), close(0), thought()].iter().for_each(|event| encoder.event(event, &mut out));
        let more = Delta::Text(Escaped::at(&long, Span::new(0, long.len())));
        encoder.event(&Event::Fill { at: 0, delta: more }, &mut out);
        encoder.event(&fill(0, Delta::Seal(seal())), &mut out);
        encoder.event(&close(0), &mut out);
        assert_eq!(memchr::memmem::find(&out, b"weir.1.as.s2").is_some(), sealed);
    }
}

#[test]
fn media_citations_and_chats_own_parts_are_told() {
    let note = raw(r#"{"type":"url_citation","url":"u","start_index":1}"#);
    let media = |kind: &'static str| Delta::Media { media_type: escaped(kind), base64: escaped("AAAA") };
    let foreign = |text: &'static str| open(9, PartKind::Foreign { origin: Dialect::Chat, raw: raw(text) });
    let events = [
        start(),
        open(0, PartKind::Text),
        fill(0, Delta::Citation { origin: Dialect::Responses, raw: note }),
        open(1, PartKind::Media),
        fill(1, media("image/png")),
        fill(1, media("audio/pcm")),
        fill(1, media("video/mp4")),
        foreign("{\"x\":\n1}"),
        foreign("{\"logprobs\":{\"content\":\r\n[]}}"),
        open(9, PartKind::Foreign { origin: Dialect::Gemini, raw: raw(r#"{"y":1}"#) }),
    ];
    let told = told(opening(), &events);
    assert_eq!(
        said(&told)[1..],
        [
            r#"{"annotations":[{"index":0,"type":"url_citation","url_citation":{"start_index":1,"end_index":0,"title":"u","url":"u"}}]}"#,
            r#"{"images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#,
            r#"{"audio":{"data":"AAAA"}}"#,
            "{\"x\": 1}",
            "{}"
        ]
    );
    assert!(told[5].contains("\"logprobs\":{\"content\":  []}"), "{}", told[5]);
}

#[test]
fn old_functions_are_called_the_old_way() {
    let events = ended(
        vec![
            start(),
            call(0, "a", CallKind::Function),
            input(0, "{}"),
            call(1, "b", CallKind::Function),
            close(0),
            close(1),
        ],
        Stop::ToolUse,
    );
    assert_eq!(
        said(&told(Opening { old_functions: true, ..opening() }, &events))[1..],
        [
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{}"}}"#,
            "{} function_call",
            "[DONE]"
        ]
    );
}

#[test]
fn an_old_completion_is_text() {
    let events = ended(
        vec![
            start(),
            open(0, PartKind::Reasoning { summary: false }),
            text(0, "hm"),
            close(0),
            open(1, PartKind::Text),
            text(1, "a"),
            close(1),
            call(2, "x", CallKind::Function),
            close(2),
        ],
        Stop::EndTurn,
    );
    let told = told(Opening { plain_completion: true, ..opening() }, &events);
    assert_eq!(
        told[0],
        r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"alias","choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]}"#
    );
    assert_eq!(said(&told)[1..], ["\"\" stop", "[DONE]"]);
}

#[test]
fn conversion_13_a_failure_is_an_error_and_no_end() {
    let failure = |code: &'static str| {
        Event::Fail(Failure { fault: Fault::Overloaded, message: "no \"room\"".into(), code: code.into() })
    };
    let events = [start(), open(0, PartKind::Text), text(0, "a"), failure(""), Event::End, Event::Ping];
    let told_all = told(opening(), &events);
    assert_eq!(told_all.len(), 3);
    let error =
        r#"{"error":{"message":"no \"room\"","type":"server_error","param":null,"code":"server_is_overloaded"}}"#;
    assert_eq!(told_all[2], error);
    let first = told(opening(), &[failure("context_length_exceeded")]);
    assert!(first[0].contains(r#""code":"context_length_exceeded""#) && first.len() == 1, "{first:?}");
}

#[test]
fn conversion_14_a_ping_is_a_comment() {
    let (mut encoder, mut out) = (Encoder::new(opening()), Vec::new());
    encoder.event(&Event::Ping, &mut out);
    assert_eq!(out, b": ping\n\n");
}
