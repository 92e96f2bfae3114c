use super::*;
use crate::json;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Stop, Text};
use crate::sse::{FrameKind, Splitter};

fn opening(framing: Framing) -> Opening {
    Opening { id: "1".into(), model: "a \"model\"".into(), framing: Some(framing), ..Opening::default() }
}

fn at(said: &str) -> Escaped<'_> {
    part_out::inside(said.as_bytes())
}

fn write(framing: Framing, events: &[Event<'_>]) -> String {
    let (mut encoder, mut out) = (Encoder::new(opening(framing)), Vec::new());
    encoder.event(&Event::Start { id: at("up"), model: at("m") }, &mut out);
    events.iter().for_each(|event| encoder.event(event, &mut out));
    String::from_utf8(out).unwrap()
}

const TAIL: &str = r#","modelVersion":"a \"model\"","responseId":"1"}"#;

fn chunk(parts: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}},"index":0}}]{TAIL}"#)
}

fn last(reason: &str, more: &str, usage: &str) -> String {
    format!(
        r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":""}}]}},"finishReason":"{reason}","index":0{more}}}]{usage}{TAIL}"#
    )
}

fn events(chunks: &[String]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn text(number: u32, said: &str) -> [Event<'_>; 3] {
    [
        Event::Open { at: number, kind: PartKind::Text },
        Event::Fill { at: number, delta: Delta::Text(at(said)) },
        Event::Close { at: number },
    ]
}

fn call<'a>(number: u32, id: &'a str, name: &'a str) -> Event<'a> {
    let (id, name, namespace) = (at(id), at(name), Escaped::EMPTY);
    Event::Open { at: number, kind: PartKind::ToolCall { id, name, namespace, kind: CallKind::Function } }
}

fn end(stop: Stop<'static>) -> [Event<'static>; 3] {
    let usage = Usage { input: Some(10), output: Some(7), cache_read: Some(4), reasoning: Some(5), ..Usage::default() };
    [Event::Stop(stop), Event::Usage(usage), Event::End]
}

#[test]
fn conversion_13_text_thoughts_and_the_end_and_no_done() {
    let thought = [
        Event::Open { at: 0, kind: PartKind::Reasoning { summary: true } },
        Event::Fill { at: 0, delta: Delta::Text(at(r#"hm \"x\""#)) },
        Event::Fill {
            at: 0,
            delta: Delta::Seal(Seal {
                origin: Dialect::Anthropic,
                kind: SealKind::Signature,
                data: Text::constant("Eo4="),
            }),
        },
        Event::Close { at: 0 },
    ];
    let all = [&thought[..], &[Event::Ping], &text(1, "é"), &end(Stop::EndTurn)].concat();
    let usage = r#","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":2,"thoughtsTokenCount":5,"cachedContentTokenCount":4,"totalTokenCount":17}"#;
    assert_eq!(
        write(Framing::Sse, &all),
        events(&[
            chunk(r#"{"text":"hm \"x\"","thought":true}"#),
            chunk(r#"{"text":"","thought":true,"thoughtSignature":"d2Vpci4xLmFzLkVvND0="}"#),
            chunk(r#"{"text":""}"#),
            chunk(r#"{"text":"é"}"#),
            last("STOP", "", usage),
        ])
    );
}

#[test]
fn conversion_10_calls_that_came_interleaved_are_told_whole_and_in_order() {
    let fill = |number, said| Event::Fill { at: number, delta: Delta::Input(at(said)) };
    let seal = Seal { origin: Dialect::Gemini, kind: SealKind::Call, data: Text::constant("U2ln") };
    let all = [
        call(0, "a", "f"),
        Event::Fill { at: 0, delta: Delta::Seal(seal) },
        fill(0, r#"{\"x\":"#),
        call(1, "", "g"),
        fill(1, "not json"),
        fill(0, r#"0.10}"#),
        Event::Close { at: 1 },
        call(2, "c", "h"),
        Event::Close { at: 0 },
        Event::Close { at: 2 },
    ];
    let all = [&all[..], &end(Stop::ToolUse)].concat();
    let written = write(Framing::Sse, &all);
    let expected = events(&[
        chunk(r#"{"functionCall":{"id":"a","name":"f","args":{"x":0.10}},"thoughtSignature":"U2ln"}"#),
        chunk(r#"{"functionCall":{"name":"g","args":{"input":"not json"}}}"#),
        chunk(r#"{"functionCall":{"id":"c","name":"h","args":{}}}"#),
    ]);
    assert!(written.starts_with(&expected), "{written}");
}

#[test]
fn arguments_of_several_lines_are_one_line_of_an_event() {
    let args = "{\n \"a\": \"\\n\"\r\n}";
    let raw = json::Raw::parse(args.as_bytes()).unwrap();
    let all = [call(0, "", "f"), Event::Fill { at: 0, delta: Delta::Json(raw) }, Event::Close { at: 0 }];
    let expected = events(&[chunk(r#"{"functionCall":{"name":"f","args":{  "a": "\n"  }}}"#)]);
    assert_eq!(write(Framing::Sse, &all), expected);
}

#[test]
fn conversion_52_an_array_has_its_brackets_on_every_path() {
    let whole = write(
        Framing::Array,
        &[&[Event::Ping][..], &text(0, "a"), &[Event::Ping], &text(1, "b"), &end(Stop::Length)].concat(),
    );
    let value: serde_json::Value = serde_json::from_str(&whole).expect("it is one array");
    let said: Vec<_> = value.as_array().unwrap().iter().map(|chunk| &chunk["candidates"][0]).collect();
    assert_eq!((said.len(), &said[1]["content"]["parts"][0]["text"]), (3, &"b".into()));
    assert_eq!(said[2]["finishReason"], "MAX_TOKENS");
    assert!(whole.starts_with("[\n{"), "a ping does not come before the bracket: {whole}");
    let empty = write(Framing::Array, &end(Stop::EndTurn));
    assert!(serde_json::from_str::<serde_json::Value>(&empty).is_ok(), "{empty}");
}

#[test]
fn conversion_50_an_answer_that_breaks_off_does_not_look_whole() {
    let fail = Event::Fail(Failure { fault: Fault::Overloaded, message: "no \"room\"".into(), code: "".into() });
    let error = r#"{"error":{"code":503,"message":"no \"room\"","status":"UNAVAILABLE"}}"#;
    for begun in [&[][..], &text(0, "a")] {
        let all = [begun, std::slice::from_ref(&fail), &end(Stop::EndTurn)].concat();
        let written = write(Framing::Sse, &all);
        assert!(written.ends_with(&format!("data: {error}\n\n")) && !written.contains("finishReason"), "{written}");
        let written = write(Framing::Array, &all);
        assert!(serde_json::from_str::<serde_json::Value>(&written).is_err(), "the array is left open: {written}");
        let mut frames = Vec::new();
        let mut splitter = Splitter::new(Framing::Array, 1 << 16);
        splitter
            .push(written.as_bytes(), |frame| {
                if frame.kind == FrameKind::Data {
                    frames.push(String::from_utf8(frame.data.to_vec()).unwrap());
                }
            })
            .unwrap();
        assert_eq!(frames.last().map(String::as_str), Some(error));
    }
    // The connection breaks: nothing was written that ends the array.
    let cut = write(Framing::Array, &text(0, "a"));
    assert!(serde_json::from_str::<serde_json::Value>(&cut).is_err());
}

#[test]
fn sources_stand_in_the_last_chunk() {
    let grounding = json::Raw::parse(br#"{"groundingMetadata":{"webSearchQueries":["q"]}}"#).unwrap();
    let own = Event::Fill { at: 0, delta: Delta::Citation { origin: Dialect::Gemini, raw: grounding } };
    let foreign = [
        Event::Open { at: 1, kind: PartKind::Foreign { origin: Dialect::Gemini, raw: grounding } },
        Event::Close { at: 1 },
    ];
    let [open, fill, close] = text(0, "a");
    let written = write(
        Framing::Sse,
        &[&[open.clone(), fill.clone(), own, close.clone()][..], &foreign, &[Event::Stop(Stop::EndTurn), Event::End]]
            .concat(),
    );
    assert_eq!(
        written,
        events(&[chunk(r#"{"text":"a"}"#), last("STOP", r#","groundingMetadata":{"webSearchQueries":["q"]}"#, "")])
    );

    for (origin, raw) in [
        (
            Dialect::Chat,
            r#"{"type":"url_citation","url_citation":{"url":"https://a.example","title":"A","start_index":1,"end_index":2}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"type":"url_citation","url":"https://a.example","title":"A","start_index":1,"end_index":2}"#,
        ),
    ] {
        let raw = json::Raw::parse(raw.as_bytes()).unwrap();
        let cited = Event::Fill { at: 0, delta: Delta::Citation { origin, raw } };
        let written = write(
            Framing::Sse,
            &[open.clone(), cited.clone(), cited, close.clone(), Event::Stop(Stop::EndTurn), Event::End],
        );
        let one = r#"{"segment":{"startIndex":1,"endIndex":2},"groundingChunkIndices":[0]}"#;
        let source = r#"{"web":{"uri":"https://a.example","title":"A"}}"#;
        let grounded = format!(r#"{{"groundingChunks":[{source}],"groundingSupports":[{one},{one}]}}"#);
        assert_eq!(written, events(&[last("STOP", &format!(r#","groundingMetadata":{grounded}"#), "")]));
    }
}

#[test]
fn images_refusals_and_own_parts_are_said_others_are_not() {
    let code = json::Raw::parse(br#"{"executableCode":{"code":"1"}}"#).unwrap();
    let all = [
        Event::Open { at: 0, kind: PartKind::Refusal },
        Event::Fill { at: 0, delta: Delta::Text(at("no")) },
        Event::Close { at: 0 },
        Event::Open { at: 1, kind: PartKind::Media },
        Event::Fill { at: 1, delta: Delta::Media { media_type: at("image/png"), base64: at("iVBO") } },
        Event::Close { at: 1 },
        Event::Open { at: 2, kind: PartKind::Foreign { origin: Dialect::Gemini, raw: code } },
        Event::Close { at: 2 },
        Event::Open { at: 3, kind: PartKind::Foreign { origin: Dialect::Anthropic, raw: code } },
        Event::Close { at: 3 },
        Event::Stop(Stop::Refusal),
        Event::End,
    ];
    assert_eq!(
        write(Framing::Sse, &all),
        events(&[
            chunk(r#"{"text":"no"}"#),
            chunk(r#"{"inlineData":{"mimeType":"image/png","data":"iVBO"}}"#),
            chunk(r#"{"executableCode":{"code":"1"}}"#),
            last("SAFETY", "", ""),
        ])
    );
}

#[test]
fn a_call_larger_than_the_limit_is_a_failure() {
    let piece = "x".repeat(CALL_BYTES_MAX / 4);
    for (pieces, fails) in [(4, false), (5, true)] {
        let mut all = vec![call(0, "", "f")];
        all.extend((0..pieces).map(|_| Event::Fill { at: 0, delta: Delta::Input(at(&piece)) }));
        all.push(Event::Close { at: 0 });
        all.extend(end(Stop::ToolUse));
        let written = write(Framing::Sse, &all);
        assert_eq!((written.contains("\"error\":"), written.contains("finishReason")), (fails, !fails));
    }
}
