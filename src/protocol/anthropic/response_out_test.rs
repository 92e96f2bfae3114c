use super::*;
use crate::protocol::ir::assemble::Assembler;
use crate::protocol::ir::{CallKind, Delta, Event, PartKind, Stop};
use crate::protocol::sniff::Usage;

fn opening() -> Opening {
    Opening { id: "abc".into(), model: "claude-x".into(), input_tokens: 42, ..Opening::default() }
}

fn assembled(parts: &[(PartKind<'_>, &[Delta<'_>])], stop: Stop<'_>, usage: Usage) -> Response {
    let mut assembler = Assembler::new(1 << 20);
    let mut add = |event: Event<'_>| assembler.event(&event).unwrap();
    add(Event::Start { id: Text::plain("x").escaped(), model: Text::plain("m").escaped() });
    for (at, (kind, deltas)) in (0..).zip(parts) {
        add(Event::Open { at, kind: kind.clone() });
        deltas.iter().for_each(|delta| add(Event::Fill { at, delta: delta.clone() }));
        add(Event::Close { at });
    }
    add(Event::Usage(usage));
    add(Event::Stop(stop));
    add(Event::End);
    assembler.finish().unwrap().unwrap()
}

fn written(parts: &[(PartKind<'_>, &[Delta<'_>])], stop: Stop<'_>) -> String {
    let mut out = Vec::new();
    response(&assembled(parts, stop, Usage::default()), &opening(), &mut out);
    json::value(&out).expect("JSON");
    String::from_utf8(out).unwrap()
}

fn content(parts: &[(PartKind<'_>, &[Delta<'_>])]) -> String {
    let body = written(parts, Stop::EndTurn);
    String::from_utf8(json::find(body.as_bytes(), "content").unwrap().bytes().to_vec()).unwrap()
}

fn call<'a>(id: &'a Text<'a>, name: &'a Text<'a>) -> PartKind<'a> {
    let (id, name, namespace, kind) = (id.escaped(), name.escaped(), crate::json::Escaped::EMPTY, CallKind::Function);
    PartKind::ToolCall { id, name, namespace, kind }
}

const THOUGHT: PartKind<'static> = PartKind::Reasoning { summary: false };

#[test]
fn a_whole_answer_is_written_as_the_golden_file_has_it() {
    let (id, name, hm, hi) = (Text::plain("toolu_1"), Text::plain("f"), Text::plain("hm"), Text::plain("hi"));
    let input = Text::plain(r#"{"a":1}"#);
    let seal = Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::plain("Eo==") };
    let usage =
        Usage { input: Some(30), output: Some(9), cache_read: Some(10), cache_write: Some(5), reasoning: Some(4) };
    let answer = assembled(
        &[
            (THOUGHT, &[Delta::Text(hm.escaped()), Delta::Seal(seal)]),
            (PartKind::Text, &[Delta::Text(hi.escaped())]),
            (call(&id, &name), &[Delta::Input(input.escaped())]),
        ],
        Stop::ToolUse,
        usage,
    );
    let mut out = Vec::new();
    response(&answer, &opening(), &mut out);
    let golden = include_str!("../../../tests/golden/anthropic/response_tool.json");
    assert_eq!(String::from_utf8(out).unwrap(), golden.trim_end());
}

#[test]
fn conversion_11_and_26_stop_reasons_fit_and_empty_text_is_left_out() {
    let body = written(&[(PartKind::Text, &[])], Stop::ToolUse);
    assert!(body.contains(r#""content":[],"stop_reason":"end_turn","stop_sequence":null,"#), "{body}");
    let word = Text::plain("END");
    let body = written(&[], Stop::Word(word.escaped()));
    assert!(body.contains(r#""stop_reason":"stop_sequence","stop_sequence":"END""#), "{body}");
    assert!(body.contains(r#""input_tokens":42"#), "a guess where nobody counted: {body}");
}

#[test]
fn conversion_17_18_and_64_seals_are_kept_as_a_stream_keeps_them() {
    let (none, name, hm) = (Text::default(), Text::plain("f"), Text::plain("hm"));
    let seal = |origin, kind| Delta::Seal(Seal { origin, kind, data: Text::plain("x") });
    let content = content(&[
        (THOUGHT, &[Delta::Text(hm.escaped())]),
        (THOUGHT, &[seal(Dialect::Responses, SealKind::Encrypted)]),
        (THOUGHT, &[seal(Dialect::Anthropic, SealKind::Encrypted)]),
        (THOUGHT, &[]),
        (call(&none, &name), &[seal(Dialect::Gemini, SealKind::Call)]),
    ]);
    assert_eq!(
        content,
        r#"[{"type":"thinking","thinking":"hm","signature":"weir.1.none"},{"type":"redacted_thinking","data":"weir.1.re.x"},{"type":"redacted_thinking","data":"x"},{"type":"redacted_thinking","data":"weir.1.gc.x"},{"type":"tool_use","id":"toolu_abc_3","name":"f","input":{}}]"#
    );
}

#[test]
fn a_foreign_block_that_was_streamed_is_put_together() {
    let parse = |text: &'static str| Raw::parse(text.as_bytes()).unwrap();
    let raw = parse(r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#);
    let kind = PartKind::Foreign { origin: Dialect::Anthropic, raw };
    let deltas = [
        r#"{"type":"input_json_delta","partial_json":"{\"q\":"}"#,
        r#"{"type":"input_json_delta","partial_json":"1}"}"#,
    ];
    let deltas = deltas.map(|delta| Delta::Foreign(parse(delta)));
    let compaction =
        PartKind::Foreign { origin: Dialect::Anthropic, raw: parse(r#"{"type":"compaction","content":null}"#) };
    let more = [r#"{"type":"compaction_delta","content":"a"}"#, r#"{"type":"compaction_delta","content":"b"}"#];
    let more = more.map(|delta| Delta::Foreign(parse(delta)));
    assert_eq!(
        content(&[(kind, &deltas), (compaction, &more)]),
        r#"[{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1}},{"type":"compaction","content":"ab"}]"#
    );
}
