use super::*;
use crate::base::span::Span;
use crate::json::Raw;
use crate::protocol::failure::Fault;
use crate::protocol::ir::{Stop, Text};
use crate::sse::{Framing, Splitter};

fn said(text: &str) -> Escaped<'_> {
    Escaped::at(text.as_bytes(), Span::new(0, text.len()))
}

fn start() -> Event<'static> {
    Event::Start { id: Escaped::EMPTY, model: said("upstream-model") }
}

fn open(at: u32, kind: PartKind<'_>) -> Event<'_> {
    Event::Open { at, kind }
}

fn thought(at: u32) -> Event<'static> {
    open(at, PartKind::Reasoning { summary: false })
}

fn call<'a>(at: u32, id: &'a str, name: &'a str) -> Event<'a> {
    let (id, name, namespace, kind) = (said(id), said(name), Escaped::EMPTY, CallKind::Function);
    open(at, PartKind::ToolCall { id, name, namespace, kind })
}

fn text(at: u32, more: &str) -> Event<'_> {
    Event::Fill { at, delta: Delta::Text(said(more)) }
}

fn input(at: u32, more: &str) -> Event<'_> {
    Event::Fill { at, delta: Delta::Input(said(more)) }
}

fn sealed(at: u32, origin: Dialect, kind: SealKind, data: &'static str) -> Event<'static> {
    Event::Fill { at, delta: Delta::Seal(Seal { origin, kind, data: Text::constant(data) }) }
}

fn close(at: u32) -> Event<'static> {
    Event::Close { at }
}

fn opening() -> Opening {
    Opening { id: "abc".into(), model: "claude-x".into(), input_tokens: 42, ..Opening::default() }
}

/// The bytes of the stream, checked to be JSON under the name of each event's type.
fn stream(events: &[Event<'_>]) -> Vec<u8> {
    let mut encoder = Encoder::new(opening());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    splitter
        .push(&out, |frame| {
            if !frame.data.is_empty() {
                let raw = Raw::parse(frame.data).expect("JSON");
                assert_eq!(raw.find("type").and_then(Raw::as_str).unwrap().bytes(), frame.event);
            }
        })
        .unwrap();
    out
}

/// What the events say in short: `+0text`, `0"a"`, `-0`.
fn told(events: &[Event<'_>]) -> String {
    let bytes = stream(events);
    let mut told = Vec::new();
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    let push = |frame: crate::sse::Frame<'_>| {
        let raw = Raw::parse(frame.data).unwrap_or_else(|_| Raw::parse(b"{}").unwrap());
        let index = raw.find("index").and_then(Raw::as_u64).unwrap_or(99);
        let shown = |raw: Raw<'_>, leave: &[&str]| {
            let members = raw.members().filter(|(name, _)| !leave.iter().any(|other| name.eq_str(other)));
            members.map(|(_, value)| String::from_utf8_lossy(value.bytes()).into_owned()).collect::<Vec<_>>().join(",")
        };
        told.push(match frame.event {
            b"content_block_start" => format!("+{index}{}", shown(raw.find("content_block").unwrap(), &[])),
            b"content_block_delta" => format!("{index}{}", shown(raw.find("delta").unwrap(), &["type"])),
            b"content_block_stop" => format!("-{index}"),
            b"message_delta" => shown(raw.find("delta").unwrap(), &[]),
            other => String::from_utf8_lossy(other).into_owned(),
        });
    };
    splitter.push(&bytes, push).unwrap();
    told.join(" ")
}

const END: [Event<'static>; 2] = [Event::Stop(Stop::EndTurn), Event::End];

fn whole(events: &[Event<'_>]) -> String {
    let all: Vec<Event<'_>> = [start()].into_iter().chain(events.iter().cloned()).chain(END).collect();
    let told = told(&all);
    let inside = told.strip_prefix("message_start ").and_then(|told| told.strip_suffix(" message_stop"));
    inside.unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn conversion_59_a_text_is_told_as_the_golden_file_has_it_with_the_counts_behind_its_end() {
    let usage = Usage { input: Some(30), output: Some(4), cache_read: Some(10), ..Usage::default() };
    let written = stream(&[
        start(),
        open(0, PartKind::Text),
        text(0, "Hel"),
        Event::Ping,
        text(0, "lo \\\"you\\\""),
        close(0),
        Event::Stop(Stop::EndTurn),
        Event::Usage(usage),
        Event::End,
    ]);
    let golden = include_str!("../../../tests/golden/anthropic/stream_text.sse");
    assert_eq!(String::from_utf8(written).unwrap(), golden);
}

#[test]
fn conversion_01_the_guess_is_told_first_and_the_count_last() {
    let bytes = String::from_utf8(stream(&[start(), Event::Stop(Stop::EndTurn), Event::End])).unwrap();
    assert!(bytes.contains(r#""usage":{"input_tokens":42,"#), "{bytes}");
    assert!(bytes.contains(r#""stop_sequence":null},"usage":{"output_tokens":0}}"#), "the guess stands: {bytes}");
}

#[test]
fn conversion_07_the_model_is_the_one_that_the_client_knows() {
    let bytes = String::from_utf8(stream(&[start()])).unwrap();
    assert!(bytes.contains(r#""model":"claude-x""#) && !bytes.contains("upstream-model"), "{bytes}");
    let mut out = Vec::new();
    Encoder::new(Opening::default()).event(&start(), &mut out);
    assert!(String::from_utf8(out).unwrap().contains(r#""model":"upstream-model""#));
}

#[test]
fn conversion_10_and_65_parallel_calls_are_told_one_after_another() {
    let told = whole(&[
        call(0, "call_1", "a"),
        call(1, "functions.b:1", "b"),
        input(1, "{\\\"y\\\":"),
        input(0, "{\\\"x\\\":1}"),
        input(1, "2}"),
        close(0),
        close(1),
    ]);
    assert_eq!(
        told,
        r#"+0"tool_use","call_1","a",{} 0"{\"x\":1}" -0 +1"tool_use","weir_functions_2eb_3a1","b",{} 1"{\"y\":2}" -1 "tool_use",null"#
    );
}

#[test]
fn conversion_11_the_reason_to_stop_is_that_of_what_was_told() {
    let stop = |called: bool, stop: Stop<'static>| {
        let mut events = vec![start()];
        if called {
            events.extend([call(0, "x", "y"), close(0)]);
        }
        events.extend([Event::Stop(stop), Event::End]);
        told(&events).rsplit(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(stop(false, Stop::ToolUse), "\"end_turn\",null");
    assert_eq!(stop(true, Stop::EndTurn), "\"tool_use\",null");
    assert_eq!(stop(true, Stop::Length), "\"max_tokens\",null");
    assert_eq!(stop(false, Stop::Word(said("END"))), "\"stop_sequence\",\"END\"");
    assert_eq!(stop(false, Stop::Filter), "\"refusal\",null");
    assert_eq!(stop(false, Stop::ContextFull), "\"model_context_window_exceeded\",null");
}

#[test]
fn conversion_12_and_65_input_that_comes_whole_or_not_at_all_is_told() {
    let json = Raw::parse(b"{\"command\": \"ls\\n\"}").unwrap();
    let told = whole(&[call(0, "a", "Bash"), Event::Fill { at: 0, delta: Delta::Json(json) }, close(0)]);
    assert!(told.starts_with(r#"+0"tool_use","a","Bash",{} 0"{\"command\": \"ls\\n\"}" -0"#), "{told}");
    let told = whole(&[call(0, "a", "now"), close(0)]);
    assert!(told.starts_with(r#"+0"tool_use","a","now",{} 0"{}" -0"#), "{told}");
}

/// Readers keep what they are told for the next turn, where it has to be an object.
#[test]
fn conversion_09_input_that_is_no_object_is_told_as_one() {
    for (pieces, object) in [
        (&["null"][..], "{}"),
        (&["[1,", "2]"], r#"{"raw_arguments":"[1,2]"}"#),
        (&["\\\"x\\\""], r#"{"raw_arguments":"\"x\""}"#),
        (&["7"], r#"{"raw_arguments":"7"}"#),
        (&["\\n", "{}"], "\n{}"),
        (&["{\\\"a", "\\\":1}"], r#"{"a":1}"#),
    ] {
        let mut events = vec![start(), call(0, "a", "f")];
        events.extend(pieces.iter().map(|piece| Event::Fill {
            at: 0,
            delta: Delta::Input(Escaped::at(piece.as_bytes(), crate::base::span::Span::new(0, piece.len()))),
        }));
        events.extend([close(0), END[0].clone(), END[1].clone()]);
        let bytes = String::from_utf8(stream(&events)).unwrap();
        let deltas = bytes.lines().filter_map(|line| line.strip_prefix("data: "));
        let deltas = deltas.map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap());
        let told: String = deltas.filter_map(|data| Some(data["delta"]["partial_json"].as_str()?.to_owned())).collect();
        assert_eq!(told, object, "{pieces:?}");
    }
}

#[test]
fn conversion_13_and_50_a_stream_has_one_end_and_a_failed_one_none() {
    let ended = String::from_utf8(stream(&[start(), END[0].clone(), END[1].clone(), END[1].clone()])).unwrap();
    assert_eq!(ended.matches("event: message_stop").count(), 1);
    assert!(!ended.contains("[DONE]"));
    let failure = Failure { fault: Fault::Overloaded, message: "no \"room\"".into(), code: "".into() };
    let failed = told(&[start(), open(0, PartKind::Text), text(0, "a"), Event::Fail(failure.clone()), END[1].clone()]);
    assert_eq!(failed, r#"message_start +0"text","" 0"a" error"#);
    let alone = String::from_utf8(stream(&[Event::Fail(failure)])).unwrap();
    assert_eq!(
        alone,
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no \\\"room\\\"\"},\"request_id\":null}\n\n"
    );
}

#[test]
fn conversion_14_a_ping_is_a_comment_before_the_start_and_an_event_behind() {
    let bytes = String::from_utf8(stream(&[Event::Ping, start(), Event::Ping])).unwrap();
    assert!(bytes.starts_with(": ping\n\nevent: message_start\n"), "{bytes}");
    assert!(bytes.ends_with("event: ping\ndata: {\"type\":\"ping\"}\n\n"));
}

#[test]
fn conversion_17_and_63_a_signature_is_told_whole_in_its_own_delta_before_the_block_stops() {
    let own = |data| sealed(0, Dialect::Anthropic, SealKind::Signature, data);
    let told = whole(&[thought(0), text(0, "hm"), own("Eo4"), own("C=="), close(0)]);
    assert!(told.starts_with(r#"+0"thinking","","" 0"hm" 0"Eo4C==" -0"#), "{told}");
    let told = whole(&[thought(0), text(0, "hm"), close(0)]);
    assert!(told.starts_with(r#"+0"thinking","","" 0"hm" 0"weir.1.none" -0"#), "{told}");
    let told = whole(&[thought(0), own("Eo4"), close(0)]);
    assert!(told.starts_with(r#"+0"thinking","","" 0"Eo4" -0"#), "display omitted: {told}");
}

#[test]
fn conversion_18_a_calls_seal_goes_before_the_call() {
    let told = whole(&[
        call(0, "", "f"),
        sealed(0, Dialect::Gemini, SealKind::Call, "Cg=="),
        input(0, "{}"),
        close(0),
        open(1, PartKind::Text),
        text(1, "x"),
        sealed(1, Dialect::Gemini, SealKind::Signature, "Ch=="),
        close(1),
    ]);
    assert_eq!(
        told,
        r#"+0"redacted_thinking","weir.1.gc.Cg==" -0 +1"tool_use","toolu_abc_0","f",{} 1"{}" -1 +2"text","" 2"x" -2 +3"redacted_thinking","weir.1.gs.Ch==" -3 "tool_use",null"#
    );
}

#[test]
fn conversion_26_no_empty_block_is_told() {
    let told = whole(&[
        open(0, PartKind::Text),
        text(0, ""),
        close(0),
        thought(1),
        close(1),
        open(2, PartKind::Media),
        close(2),
    ]);
    assert_eq!(told, r#""end_turn",null"#);
}

#[test]
fn conversion_64_reasoning_of_another_vendor_is_kept_for_him() {
    let seal = |at| sealed(at, Dialect::Responses, SealKind::Encrypted, "gAAA");
    let told = whole(&[thought(0), seal(0), close(0), thought(1), text(1, "hm"), seal(1), close(1)]);
    assert!(
        told.starts_with(r#"+0"redacted_thinking","weir.1.re.gAAA" -0 +1"thinking","","" 1"hm" 1"weir.1.re.gAAA" -1"#),
        "{told}"
    );
    let own = sealed(0, Dialect::Anthropic, SealKind::Encrypted, "Eo==");
    let told = whole(&[thought(0), own, close(0)]);
    assert!(told.starts_with(r#"+0"redacted_thinking","Eo==" -0"#), "{told}");
}

#[test]
fn what_only_anthropic_knows_is_told_as_it_was() {
    let raw =
        Raw::parse(b"{\"type\":\"server_tool_use\",\n\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{}}")
            .unwrap();
    let delta = Raw::parse(b"{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}").unwrap();
    let other = Raw::parse(b"{\"type\":\"web_search_call\"}").unwrap();
    let citation = Raw::parse(b"{\"cited_text\":\"x\"}").unwrap();
    let told = whole(&[
        open(0, PartKind::Foreign { origin: Dialect::Anthropic, raw }),
        Event::Fill { at: 0, delta: Delta::Foreign(delta) },
        close(0),
        open(1, PartKind::Foreign { origin: Dialect::Responses, raw: other }),
        close(1),
        open(2, PartKind::Text),
        text(2, "y"),
        Event::Fill { at: 2, delta: Delta::Citation { origin: Dialect::Anthropic, raw: citation } },
        Event::Fill { at: 2, delta: Delta::Citation { origin: Dialect::Chat, raw: citation } },
        close(2),
    ]);
    assert_eq!(
        told,
        r#"+0"server_tool_use","srvtoolu_1","web_search",{} 0"{}" -0 +1"text","" 1"y" 1{"cited_text":"x"} -1 "end_turn",null"#
    );
}

#[test]
fn images_are_shown_and_free_text_is_wrapped() {
    let media = Delta::Media { media_type: said("image/png"), base64: said("iVBO") };
    let free =
        PartKind::ToolCall { id: said("c"), name: said("patch"), namespace: Escaped::EMPTY, kind: CallKind::Custom };
    let told = whole(&[
        open(0, PartKind::Media),
        Event::Fill { at: 0, delta: media },
        close(0),
        open(1, free),
        input(1, "a\\n\\\"b"),
        input(1, "c"),
        close(1),
    ]);
    assert_eq!(
        told,
        r#"+0"text","" 0"![image](data:image/png;base64,iVBO)" -0 +1"tool_use","c","patch",{} 1"{\"input\":\"" 1"a\\n\\\"b" 1"c" 1"\"}" -1 "tool_use",null"#
    );
}
