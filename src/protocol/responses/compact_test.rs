use super::*;
use crate::protocol::ir::StreamDecoder;
use crate::protocol::ir::assemble::Assembler;
use crate::protocol::responses::{Stream, request_in};
use crate::sse::{Framing, Splitter};

const CONVERSATION: &str = r#"{"model":"m","instructions":"Be brief.","input":[{"role":"user","content":"first"},{"type":"function_call","call_id":"c","name":"ls","arguments":"{\"p\":1}"},{"type":"function_call_output","call_id":"c","output":"a"},{"role":"assistant","content":"done"},{"role":"user","content":[{"type":"input_image","image_url":"https://x/"}]},{"type":"compaction","encrypted_content":"gAAA"},{"type":"compaction_trigger"}]}"#;

fn read(body: &str) -> Request<'_> {
    request_in::request(body.as_bytes(), None, false).expect("it is one")
}

fn opening() -> Opening {
    Opening { id: "1".into(), model: "alias".into(), created_unix_s: 7, ..Opening::default() }
}

fn asked(request: &Request<'_>) -> String {
    let asked = ask(request).expect("there is something");
    let Part::Text { text, .. } = &asked.turns[0].parts[0] else { panic!() };
    text.decode().into_owned()
}

#[test]
fn a_conversation_is_flattened_to_lines() {
    let request = read(CONVERSATION);
    assert!(is_asked(&request) && !is_asked(&read(r#"{"input":"x"}"#)));
    assert_eq!(
        asked(&request),
        "[user]: first\n[tool_call: ls({\"p\":1})]\n[tool_result: a]\n[assistant]: done\n[user]: (image)\n"
    );
    let made = ask(&request).expect("there is something");
    assert!(made.model.eq_str("m") && !made.stream && made.output_tokens_max == Some(SUMMARY_TOKENS_MAX));
    let nothing = ask(&read(r#"{"input":[{"type":"compaction_trigger"}]}"#)).expect_err("there is nothing");
    assert_eq!(nothing.member, "input");
}

#[test]
fn inputs_and_results_are_cut_at_200_letters() {
    let long = "é".repeat(EXCERPT_LETTERS + 1);
    for (letters, cut) in [(EXCERPT_LETTERS, false), (EXCERPT_LETTERS + 1, true)] {
        let text: String = long.chars().take(letters).collect();
        assert_eq!(excerpt(&text).chars().count() < letters, cut);
    }
}

#[test]
fn a_summary_comes_back_as_an_instruction_and_into_the_next_one() {
    let request = read(CONVERSATION);
    let summary = Text::plain("They said \"hi\"\nand left.");
    let mut out = Vec::new();
    let usage = Usage { input: Some(5), output: Some(2), ..Usage::default() };
    Compaction::new(Form::Object, &request).write(&summary, &usage, &opening(), &mut out);
    assert!(may_be_held(&out) && !may_be_held(CONVERSATION.as_bytes()));
    let body = Raw::parse(&out).expect("it is JSON");
    assert!(body.find("object").and_then(Raw::as_str).is_some_and(|object| object.eq_str("response.compaction")));
    let output: Vec<_> = body.find("output").expect("it has one").elements().collect();
    let first = r#"{"id":"msg_1_0","status":"completed","type":"message","role":"user","content":[{"type":"input_text","text":"first"}]}"#;
    assert_eq!(output[0].bytes(), first.as_bytes());
    assert_eq!(output.len(), 2);
    let next = [
        br#"{"model":"m","instructions":"Be brief.","input":["#,
        output[0].bytes(),
        b",",
        output[1].bytes(),
        br#",{"role":"user","content":"go on"}]}"#,
    ]
    .concat();
    let next = String::from_utf8(next).expect("UTF-8");
    let request = read(&next);
    assert_eq!(request.instructions.len(), 2);
    let Part::Text { text, .. } = &request.instructions[1].parts[0] else { panic!() };
    assert_eq!(text.decode(), "[Conversation Summary]\nThey said \"hi\"\nand left.");
    assert_eq!(
        asked(&request),
        "[Conversation Summary]\nThey said \"hi\"\nand left.\n[user]: first\n[user]: go on\n",
        "what was compacted once is not lost the second time"
    );
}

#[test]
fn what_is_not_ours_stays_as_it_is() {
    let foreign = |kept: &str| {
        let body = format!(r#"{{"input":[{{"type":"compaction","encrypted_content":"{kept}"}}]}}"#);
        let request = read(&body);
        (request.instructions.len(), request.turns.len())
    };
    for kept in ["gAAA", "weir.compaction.1.", "weir.compaction.1.e30=", "weir.compaction.1.??"] {
        assert_eq!(foreign(kept), (0, 1), "{kept}");
    }
}

#[test]
fn a_trigger_is_answered_by_a_stream_with_one_item_or_a_failure() {
    let request = read(CONVERSATION);
    let mut out = Vec::new();
    let told = Compaction::new(Form::Events, &request);
    told.write(&Text::plain("s"), &Usage::default(), &opening(), &mut out);
    let names: Vec<_> = String::from_utf8_lossy(&out)
        .lines()
        .filter_map(|line| line.strip_prefix("event: ").map(str::to_owned))
        .collect();
    assert_eq!(
        names,
        ["response.created", "response.output_item.added", "response.output_item.done", "response.completed"]
    );
    let answer = answered(&out).expect("it is whole");
    assert!(matches!(&answer.parts[..], [Whole::Foreign { .. }]));
    assert_eq!((answer.usage.input, answer.usage.output), (Some(0), Some(0)));
    let mut out = Vec::new();
    told.failed("no \"room\"", &opening(), &mut out);
    let failure = answered(&out).expect_err("it failed");
    assert_eq!((&*failure.code, &*failure.message), ("compaction_failed", "no \"room\""));
    let mut out = Vec::new();
    Compaction::new(Form::Answer, &request).write(&Text::plain("s"), &Usage::default(), &opening(), &mut out);
    json::value(&out).expect("it is JSON");
}

fn answered(stream: &[u8]) -> Result<Response, crate::protocol::ir::Failure<'static>> {
    let (mut decoder, mut assembler) = (Stream::default(), Assembler::new(1 << 20));
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    let frame = |frame: sse::Frame<'_>| {
        decoder.frame(&frame, &mut |event| assembler.event(&event).expect("it is short")).expect("it is an event");
    };
    splitter.push(stream, frame).expect("no frame is too long");
    assembler.finish().expect("it ends")
}

#[test]
fn an_empty_summary_is_none() {
    let told = |parts: Vec<Whole>| {
        let mut answer = Response::default();
        answer.parts = parts;
        super::told(&answer).map(|summary| summary.decode().into_owned())
    };
    let text = |text| Whole::Text { text: Text::plain(text), citations: Vec::new(), seal: None };
    assert_eq!(told(vec![text("a"), Whole::Refusal(Text::plain("x")), text("b")]), Ok("ab".into()));
    assert_eq!(told(vec![text(" \n")]), Err(BadUpstream("the model told no summary")));
    assert_eq!(told(Vec::new()), Err(BadUpstream("the model told no summary")));
}
