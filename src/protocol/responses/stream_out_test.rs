use super::super::item::inside;
use super::*;
use crate::json::Escaped;
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Assembler;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, PartKind, Seal, Stop, Text};
use crate::sse::{FrameKind, Framing, Splitter};

fn escaped(text: &'static str) -> Escaped<'static> {
    inside(text.as_bytes())
}

fn raw(text: &'static str) -> Raw<'static> {
    Raw::parse(text.as_bytes()).expect("the test's JSON is valid")
}

fn start() -> Event<'static> {
    Event::Start { id: escaped("up"), model: escaped("gpt-up") }
}

fn call(at: u32, kind: CallKind) -> Event<'static> {
    let (id, name, namespace) = (escaped("call_1"), escaped("run"), escaped(""));
    Event::Open { at, kind: PartKind::ToolCall { id, name, namespace, kind } }
}

fn fill(at: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Fill { at, delta }
}

/// The stream's events as name and data; every event is checked for its number and its name.
fn told(opening: Opening, events: &[Event<'_>]) -> Vec<(String, String)> {
    let (mut encoder, mut out) = (Encoder::new(opening), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out));
    let (mut told, mut splitter) = (Vec::new(), Splitter::new(Framing::Sse, 1 << 26));
    splitter
        .push(&out, |frame| {
            if frame.kind == FrameKind::Data {
                let data = Raw::parse(frame.data).expect("every event is JSON");
                assert_eq!(data.find("sequence_number").and_then(Raw::as_u64), Some(told.len() as u64));
                let name = String::from_utf8(frame.event.to_vec()).expect("UTF-8");
                assert!(data.find("type").and_then(Raw::as_str).is_some_and(|kind| kind.eq_str(&name)));
                told.push((name, String::from_utf8(frame.data.to_vec()).expect("UTF-8")));
            }
        })
        .expect("no frame is too long");
    assert!(!out.windows(6).any(|bytes| bytes == b"[DONE]"), "conversion 13");
    told
}

fn opening() -> Opening {
    let echo = br#""instructions":"Be brief.","tools":[{"type":"local_shell"}]"#.to_vec();
    Opening { id: "1".into(), model: "alias".into(), created_unix_s: 7, echo, ..Opening::default() }
}

fn names(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.strip_prefix("response.").unwrap_or(name)).collect()
}

/// The value at `path` of the last event.
fn last(told: &[(String, String)], path: &[&str]) -> String {
    let (_, data) = told.last().expect("something is told");
    let mut at = Raw::parse(data.as_bytes()).expect("JSON");
    for step in path {
        at = match step.parse::<usize>() {
            Ok(nth) => at.elements().nth(nth).expect("an element"),
            Err(_) => at.find(step).unwrap_or_else(|| panic!("{step} in {data}")),
        };
    }
    String::from_utf8(at.bytes().to_vec()).expect("UTF-8")
}

#[test]
fn a_text_is_told_in_all_events() {
    let usage = Usage { input: Some(9), output: Some(4), cache_read: Some(2), ..Usage::default() };
    let events = [
        start(),
        Event::Open { at: 0, kind: PartKind::Text },
        fill(0, Delta::Text(escaped("a\\n"))),
        fill(0, Delta::Text(escaped("b"))),
        fill(0, Delta::Citation { origin: Dialect::Responses, raw: raw(r#"{"type":"url_citation"}"#) }),
        Event::Close { at: 0 },
        Event::Stop(Stop::EndTurn),
        Event::Usage(usage),
        Event::End,
    ];
    let told = told(opening(), &events);
    assert_eq!(
        names(&told),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed"
        ]
    );
    assert_eq!(
        told[4].1,
        r#"{"type":"response.output_text.delta","sequence_number":4,"output_index":0,"item_id":"msg_1_0","content_index":0,"logprobs":[],"delta":"a\n"}"#
    );
    assert_eq!(
        last(&told, &["response", "output"]),
        r#"[{"id":"msg_1_0","type":"message","role":"assistant","content":[{"type":"output_text","text":"a\nb","annotations":[{"type":"url_citation"}],"logprobs":[]}],"status":"completed"}]"#
    );
    assert_eq!(
        last(&told, &["response", "usage"]),
        r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}"#
    );
    for (member, value) in [
        ("id", "\"resp_1\""),
        ("model", "\"alias\""),
        ("status", "\"completed\""),
        ("created_at", "7"),
        ("instructions", "\"Be brief.\""),
        ("tools", r#"[{"type":"local_shell"}]"#),
        ("tool_choice", "\"auto\""),
        ("parallel_tool_calls", "true"),
        ("error", "null"),
    ] {
        assert_eq!(last(&told, &["response", member]), value);
    }
}

#[test]
fn parallel_calls_keep_their_places() {
    let events = [
        start(),
        call(0, CallKind::Function),
        fill(0, Delta::Input(escaped("{\\\"a\\\":"))),
        call(1, CallKind::Custom),
        fill(1, Delta::Input(escaped("*** Begin"))),
        fill(0, Delta::Input(escaped("1}"))),
        Event::Close { at: 1 },
        Event::Close { at: 0 },
        call(2, CallKind::Function),
        Event::Close { at: 2 },
        call(3, CallKind::Custom),
        fill(3, Delta::Json(raw(r#"{"input":"x"}"#))),
        Event::Close { at: 3 },
        call(4, CallKind::Function),
        fill(4, Delta::Json(raw(r#"{"b":"\n"}"#))),
        Event::Close { at: 4 },
        Event::Stop(Stop::ToolUse),
        Event::End,
    ];
    let told = told(opening(), &events);
    let item = |nth: &str, member: &str| last(&told, &["response", "output", nth, member]);
    assert_eq!(item("0", "arguments"), r#""{\"a\":1}""#);
    assert_eq!((item("1", "input"), item("1", "id")), ("\"*** Begin\"".into(), "\"ctc_1_1\"".into()));
    assert_eq!(item("2", "arguments"), "\"{}\"", "conversion 65");
    assert_eq!(item("3", "input"), "\"x\"");
    assert_eq!(item("4", "arguments"), r#""{\"b\":\"\\n\"}""#);
    assert!(names(&told).contains(&"custom_tool_call_input.done"), "conversion 34");
    assert_eq!(told.iter().filter(|(name, _)| name == "response.output_item.done").count(), 5);
}

#[test]
fn conversion_18_a_calls_seal_stands_in_an_item_before_it() {
    let seal = Seal { origin: Dialect::Gemini, kind: SealKind::Call, data: Text::constant("sig") };
    let events = [
        start(),
        call(0, CallKind::Function),
        fill(0, Delta::Seal(seal.clone())),
        Event::Close { at: 0 },
        Event::Stop(Stop::ToolUse),
        Event::End,
    ];
    let told = told(opening(), &events);
    assert_eq!(last(&told, &["response", "output", "0", "type"]), "\"reasoning\"");
    let kept = last(&told, &["response", "output", "0", "encrypted_content"]);
    let kept = Text::plain(kept.trim_matches('"'));
    assert_eq!(Seal::read(Dialect::Responses, SealKind::Encrypted, kept), seal);
    assert_eq!(last(&told, &["response", "output", "1", "type"]), "\"function_call\"");
}

#[test]
fn reasoning_is_a_summary() {
    let seal = Seal { origin: Dialect::Responses, kind: SealKind::Encrypted, data: Text::constant("enc") };
    let events = [
        start(),
        Event::Open { at: 0, kind: PartKind::Reasoning { summary: true } },
        fill(0, Delta::Text(escaped("s"))),
        fill(0, Delta::Seal(seal)),
        Event::Close { at: 0 },
        Event::Open { at: 1, kind: PartKind::Reasoning { summary: false } },
        fill(1, Delta::Text(escaped("t"))),
        Event::Close { at: 1 },
        Event::Stop(Stop::EndTurn),
        Event::End,
    ];
    let told = told(opening(), &events);
    assert_eq!(
        names(&told)[2..8],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done"
        ]
    );
    assert_eq!(last(&told, &["response", "output", "0", "summary", "0", "text"]), "\"s\"");
    assert_eq!(last(&told, &["response", "output", "0", "encrypted_content"]), "\"enc\"");
    assert_eq!(last(&told, &["response", "output", "1", "summary", "0", "text"]), "\"t\"");
}

#[test]
fn refusals_images_and_carried_items_are_items() {
    let item = raw(r#"{"type":"mcp_call","id":"mcp_9","status":"in_progress"}"#);
    let events = [
        start(),
        Event::Open { at: 0, kind: PartKind::Refusal },
        fill(0, Delta::Text(escaped("no"))),
        Event::Close { at: 0 },
        Event::Open { at: 1, kind: PartKind::Media },
        fill(1, Delta::Media { media_type: escaped("image/png"), base64: escaped("AAAA") }),
        Event::Close { at: 1 },
        Event::Open { at: 2, kind: PartKind::Foreign { origin: Dialect::Responses, raw: item } },
        fill(
            2,
            Delta::Foreign(raw(
                r#"{"type":"response.mcp_call.completed","sequence_number":99,"output_index":9,"item_id":"mcp_9"}"#,
            )),
        ),
        fill(
            2,
            Delta::Foreign(raw(
                r#"{"type":"response.output_item.done","item":{"type":"mcp_call","id":"mcp_9","output":"x"}}"#,
            )),
        ),
        Event::Close { at: 2 },
        Event::Open { at: 3, kind: PartKind::Foreign { origin: Dialect::Anthropic, raw: raw("{}") } },
        Event::Close { at: 3 },
        Event::Stop(Stop::Refusal),
        Event::End,
    ];
    let told = told(opening(), &events);
    assert_eq!(last(&told, &["response", "output", "0", "content", "0", "refusal"]), "\"no\"");
    assert_eq!(last(&told, &["response", "output", "1", "result"]), "\"AAAA\"");
    assert_eq!(last(&told, &["response", "output", "2", "output"]), "\"x\"");
    assert_eq!(told.iter().filter(|(name, _)| name == "response.output_item.added").count(), 3);
    let carried = &told.iter().find(|(name, _)| name == "response.mcp_call.completed").expect("it is carried").1;
    assert!(carried.ends_with(r#""output_index":2,"item_id":"mcp_9"}"#), "{carried}");
}

#[test]
fn conversion_04_a_stream_has_exactly_one_end() {
    let failure =
        |fault, code: &'static str| Event::Fail(Failure { fault, message: "it \"broke\"".into(), code: code.into() });
    let open = Event::Open { at: 0, kind: PartKind::Text };
    for (events, end, member, value) in [
        (vec![start(), Event::Stop(Stop::Length), Event::End], "response.incomplete", "status", "\"incomplete\""),
        (
            vec![start(), Event::Stop(Stop::Filter), Event::End],
            "response.incomplete",
            "incomplete_details",
            r#"{"reason":"content_filter"}"#,
        ),
        (
            vec![start(), open, failure(Fault::Overloaded, "")],
            "response.failed",
            "error",
            r#"{"code":"server_is_overloaded","message":"it \"broke\""}"#,
        ),
        (
            vec![failure(Fault::InvalidRequest, "context_length_exceeded"), Event::End, Event::Ping],
            "response.failed",
            "error",
            r#"{"code":"context_length_exceeded","message":"it \"broke\""}"#,
        ),
    ] {
        let told = told(opening(), &events);
        assert_eq!(told[0].0, "response.created");
        let ends = ["response.completed", "response.incomplete", "response.failed"];
        assert_eq!(told.iter().filter(|(name, _)| ends.contains(&&**name)).count(), 1);
        assert_eq!((&*told.last().expect("an end").0, &*last(&told, &["response", member])), (end, value));
    }
}

#[test]
fn an_answer_at_its_bound_is_whole_and_beyond_it_fails() {
    let most = limits::RESPONSES_OUTPUT_BYTES_MAX - ITEM_BYTES;
    for (bytes, end) in [(most, "completed"), (most + 1, "failed")] {
        let text = vec![b'x'; bytes];
        let fill = Event::Fill { at: 0, delta: Delta::Text(inside(&text)) };
        let (mut encoder, mut out) = (Encoder::new(opening()), Vec::new());
        for event in [start(), Event::Open { at: 0, kind: PartKind::Text }, fill, Event::Close { at: 0 }] {
            encoder.event(&event, &mut out);
        }
        encoder.event(&Event::Stop(Stop::EndTurn), &mut out);
        encoder.event(&Event::End, &mut out);
        let mark = format!("event: response.{end}\n");
        assert!(memchr::memmem::find(&out, mark.as_bytes()).is_some(), "{end}");
        let other = if end == "failed" { "event: response.completed\n" } else { "event: response.failed\n" };
        assert!(memchr::memmem::find(&out, other.as_bytes()).is_none());
    }
}

#[test]
fn a_whole_answer_is_told_as_a_stream() {
    let mut assembler = Assembler::new(1 << 20);
    let events = [
        start(),
        Event::Open { at: 0, kind: PartKind::Text },
        fill(0, Delta::Text(escaped("a"))),
        Event::Close { at: 0 },
        Event::Stop(Stop::EndTurn),
        Event::End,
    ];
    events.iter().for_each(|event| assembler.event(event).expect("it is small"));
    let whole = assembler.finish().expect("it ended").expect("it is whole");
    let mut again = Vec::new();
    let mut encoder = Encoder::new(opening());
    whole.replay(&mut |event| encoder.event(&event, &mut again));
    let mut once = Vec::new();
    let mut encoder = Encoder::new(opening());
    events.iter().for_each(|event| encoder.event(event, &mut once));
    assert_eq!(again, once);
}

#[test]
fn items_without_text_are_bounded_too() {
    let (mut encoder, mut out) = (Encoder::new(opening()), Vec::new());
    encoder.event(&start(), &mut out);
    for at in 0..=(limits::RESPONSES_OUTPUT_BYTES_MAX / ITEM_BYTES) as u32 {
        out.clear();
        encoder.event(&Event::Open { at, kind: PartKind::Media }, &mut out);
        encoder.event(&Event::Close { at }, &mut out);
    }
    assert!(memchr::memmem::find(&out, b"event: response.failed\n").is_some());
}

#[test]
fn citations_of_others_are_urls_and_sound_is_no_image() {
    let cite = |origin, text| fill(0, Delta::Citation { origin, raw: raw(text) });
    let events = [
        start(),
        Event::Open { at: 0, kind: PartKind::Text },
        fill(0, Delta::Text(escaped("see"))),
        cite(
            Dialect::Chat,
            r#"{"type":"url_citation","url_citation":{"start_index":0,"end_index":3,"url":"u","title":"t"}}"#,
        ),
        cite(Dialect::Anthropic, r#"{"type":"char_location","document_index":0}"#),
        cite(Dialect::Anthropic, r#"{"type":"web_search_result_location","url":"v","cited_text":"c"}"#),
        Event::Close { at: 0 },
        Event::Open { at: 1, kind: PartKind::Media },
        fill(1, Delta::Media { media_type: escaped("audio/wav"), base64: escaped("UklG") }),
        Event::Close { at: 1 },
        Event::Stop(Stop::EndTurn),
        Event::End,
    ];
    let told = told(opening(), &events);
    let added = told.iter().filter(|(name, _)| name == "response.output_text.annotation.added").count();
    assert_eq!(added, 2);
    let output = last(&told, &["response", "output"]);
    let first = r#"{"type":"url_citation","start_index":0,"end_index":3,"url":"u","title":"t"}"#;
    let second = r#"{"type":"url_citation","start_index":0,"end_index":0,"url":"v","title":"v"}"#;
    assert!(output.contains(&format!(r#""annotations":[{first},{second}]"#)), "{output}");
    assert!(!output.contains("image_generation_call"), "{output}");
}
