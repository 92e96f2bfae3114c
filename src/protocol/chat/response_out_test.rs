use super::*;
use crate::protocol::ir::assemble::Assembler;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Delta, Event, PartKind, Seal, Text};
use crate::protocol::sniff::Usage;

fn escaped(text: &'static str) -> Escaped<'static> {
    inside(text.as_bytes())
}

fn opening() -> Opening {
    Opening { id: "1".into(), model: "alias".into(), created_unix_s: 7, ..Opening::default() }
}

fn open(at: u32, kind: PartKind<'static>) -> Event<'static> {
    Event::Open { at, kind }
}

fn text(at: u32, text: &'static str) -> Event<'static> {
    Event::Fill { at, delta: Delta::Text(escaped(text)) }
}

fn call(at: u32, id: &'static str) -> Event<'static> {
    let (id, name, namespace) = (escaped(id), escaped("f"), escaped(""));
    open(at, PartKind::ToolCall { id, name, namespace, kind: CallKind::Function })
}

fn answer(events: Vec<Event<'static>>, stop: Stop<'static>) -> Response {
    let mut assembler = Assembler::new(1 << 20);
    let usage = Usage { input: Some(9), output: Some(4), reasoning: Some(1), ..Usage::default() };
    let start = Event::Start { id: escaped("up"), model: escaped("gpt-up") };
    let ends = [Event::Usage(usage), Event::Stop(stop), Event::End];
    let mut all = vec![start];
    all.extend(events);
    all.extend(ends);
    all.iter().for_each(|event| assembler.event(event).expect("it is small"));
    assembler.finish().expect("it ended").expect("it is whole")
}

fn written(opening: &Opening, events: Vec<Event<'static>>, stop: Stop<'static>) -> String {
    let mut out = Vec::new();
    response(&answer(events, stop), opening, &mut out);
    crate::json::value(&out).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out)));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_text_is_written() {
    assert_eq!(
        written(&opening(), vec![open(0, PartKind::Text), text(0, "a\\n")], Stop::EndTurn),
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"alias","choices":[{"index":0,"message":{"role":"assistant","content":"a\n","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":1}}}"#
    );
}

#[test]
fn thoughts_calls_and_media_are_written() {
    let (origin, kind) = (Dialect::Gemini, SealKind::Call);
    let seal = Seal { origin, kind, data: Text::constant("sig") };
    let signature = Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::constant("s") };
    let events = vec![
        open(0, PartKind::Reasoning { summary: false }),
        text(0, "hm"),
        Event::Fill { at: 0, delta: Delta::Seal(signature) },
        call(1, ""),
        Event::Fill { at: 1, delta: Delta::Seal(seal) },
        open(2, PartKind::Media),
        Event::Fill { at: 2, delta: Delta::Media { media_type: escaped("image/png"), base64: escaped("AA") } },
        open(3, PartKind::Refusal),
        text(3, "no"),
    ];
    let said = written(&opening(), events, Stop::EndTurn);
    let message = said.split_once(r#""message":"#).unwrap().1.split_once(r#","logprobs""#).unwrap().0;
    assert_eq!(
        message,
        r#"{"role":"assistant","content":null,"refusal":"no","reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","signature":"weir.1.as.s","index":0}],"tool_calls":[{"id":"call_1_0","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"weir.1.gc.sig"}}}],"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}"#
    );
    assert!(said.contains(r#""finish_reason":"tool_calls""#), "conversion 11");
}

#[test]
fn sound_comes_back_in_one_piece() {
    let sound = |at, data: &'static str| {
        let delta = Delta::Media { media_type: escaped("audio/pcm"), base64: escaped(data) };
        [open(at, PartKind::Media), Event::Fill { at, delta }]
    };
    let raw = Raw::parse(br#"{"audio":{"id":"audio_1","expires_at":8}}"#).unwrap();
    let mut events = vec![open(0, PartKind::Foreign { origin: Dialect::Chat, raw })];
    events.extend(sound(1, "QQ=="));
    events.extend(sound(2, "Qg=="));
    let said = written(&opening(), events, Stop::EndTurn);
    assert!(said.contains(r#""audio":{"id":"audio_1","expires_at":8,"data":"QUI=","transcript":""}}"#), "{said}");
}

#[test]
fn probabilities_stand_beside_the_message() {
    let raw = Raw::parse(br#"{"logprobs":{"content":[],"refusal":null}}"#).unwrap();
    let events = vec![open(0, PartKind::Foreign { origin: Dialect::Chat, raw })];
    let said = written(&opening(), events, Stop::EndTurn);
    assert!(said.contains(r#"},"logprobs":{"content":[],"refusal":null},"finish_reason""#), "{said}");
}

#[test]
fn the_old_forms_are_written() {
    let old = Opening { old_functions: true, ..opening() };
    let said = written(&old, vec![call(0, "a"), call(1, "b")], Stop::ToolUse);
    assert!(said.contains(r#""function_call":{"name":"f","arguments":"{}"}}"#), "{said}");
    assert!(said.contains(r#""finish_reason":"function_call""#) && !said.contains("tool_calls"), "{said}");
    let plain = Opening { plain_completion: true, ..opening() };
    let said = written(&plain, vec![open(0, PartKind::Text), text(0, "a"), call(1, "b")], Stop::EndTurn);
    assert!(said.starts_with(r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"alias","choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":"stop"}]"#), "{said}");
}
