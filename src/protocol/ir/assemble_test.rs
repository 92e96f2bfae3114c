//! Assembling and telling again are each other's inverse.

use super::*;
use crate::protocol::ir::grammar::Grammar;
use crate::protocol::ir::seal::SealKind;

fn call(input: Input<'static>, kind: CallKind) -> Whole {
    Whole::ToolCall(ToolCall {
        id: Text::plain("call_1"),
        name: Text::plain("get"),
        namespace: Some(Text::plain("mcp")),
        kind,
        input,
        seal: Some(Seal { origin: Dialect::Gemini, kind: SealKind::Call, data: Text::plain("c2ln") }),
        cache: None,
        carry: Vec::new(),
    })
}

fn answer(parts: Vec<Whole>, stop: Stop<'static>) -> Response {
    Response {
        id: Text::plain("id"),
        model: Text::plain("m"),
        parts,
        usage: Usage { input: Some(3), output: Some(4), ..Usage::default() },
        stop: Some(stop),
        stop_word: Text::default(),
    }
}

#[test]
fn told_and_assembled_it_is_the_same() {
    let seal = Some(Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::plain("s") });
    let response = answer(
        vec![
            Whole::Reasoning { text: Text::plain("hm"), seal: seal.clone(), summary: true },
            Whole::Text {
                text: Text::plain("a\"b"),
                citations: vec![(Dialect::Chat, Json::constant("{\"x\":1}"))],
                seal,
            },
            Whole::Refusal(Text::plain("no")),
            call(Input::Text(Text::plain("{\"a\":1}")), CallKind::Function),
            call(Input::Json(Json::constant("{\"a\":1}")), CallKind::Function),
            call(Input::Free(Text::plain("*** patch")), CallKind::Custom),
            Whole::Media { media_type: Text::plain("image/png"), base64: Text::plain("AAAA") },
            Whole::Foreign { origin: Dialect::Responses, raw: Json::constant("{}"), more: vec![Json::constant("[1]")] },
        ],
        Stop::ToolUse,
    );
    let (mut assembler, mut grammar) = (Assembler::new(1 << 20), Grammar::default());
    response.replay(&mut |event| {
        grammar.admit(&event).expect("a sentence");
        assembler.event(&event).expect("within the limit");
    });
    assert!(grammar.is_ended() && assembler.is_ended());
    assert_eq!(assembler.finish(), Some(Ok(response)));
}

#[test]
fn pieces_of_interleaved_parts_find_their_part() {
    let mut assembler = Assembler::new(100);
    let a = Text::constant("a");
    let b = Text::constant("b");
    for event in [
        Event::Start { id: EMPTY, model: EMPTY },
        Event::Open { at: 2, kind: PartKind::Text },
        Event::Open { at: 5, kind: PartKind::Refusal },
        Event::Fill { at: 5, delta: Delta::Text(b.escaped()) },
        Event::Fill { at: 2, delta: Delta::Text(a.escaped()) },
        Event::Fill { at: 5, delta: Delta::Text(b.escaped()) },
        Event::Stop(Stop::Length),
        Event::End,
    ] {
        assembler.event(&event).expect("within the limit");
    }
    let response = assembler.finish().expect("it has ended").expect("well");
    assert_eq!(response.stop(), Stop::Length);
    let said = Whole::Text { text: Text::plain("a"), citations: Vec::new(), seal: None };
    assert_eq!(response.parts, [said, Whole::Refusal(Text::plain("bb"))]);
}

#[test]
fn an_answer_over_its_bound_is_none() {
    let mut assembler = Assembler::new(2);
    let text = Text::constant("ab");
    assembler.event(&Event::Open { at: 0, kind: PartKind::Text }).expect("no text yet");
    assembler.event(&Event::Fill { at: 0, delta: Delta::Text(text.escaped()) }).expect("at the limit");
    let one = Text::constant("c");
    assert!(assembler.event(&Event::Fill { at: 0, delta: Delta::Text(one.escaped()) }).is_err());
}

#[test]
fn a_failure_is_the_outcome() {
    let mut assembler = Assembler::new(2);
    let failure = Failure { fault: crate::protocol::failure::Fault::Overloaded, message: "m".into(), code: "".into() };
    assembler.event(&Event::Fail(failure.clone())).expect("no text");
    assert_eq!(assembler.finish(), Some(Err(failure)));
}
