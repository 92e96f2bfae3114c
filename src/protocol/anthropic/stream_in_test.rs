use super::*;
use crate::protocol::anthropic::Encoder;
use crate::protocol::ir::assemble::{Assembler, Response};
use crate::protocol::ir::grammar::Grammar;
use crate::protocol::ir::{Opening, StreamEncoder};
use crate::sse::Splitter;

const TOOLS: &str = include_str!("../../../tests/golden/anthropic/upstream_tools.sse");
const OVERLOADED: &str = include_str!("../../../tests/golden/anthropic/upstream_overloaded.sse");

/// What was told in short, and how many frames were no events.
fn told(stream: &str) -> (String, usize) {
    let (mut decoder, mut grammar, mut told, mut bad) = (Stream::default(), Grammar::default(), Vec::new(), 0);
    let mut event = |event: Event<'_>| {
        grammar.admit(&event).expect("it keeps the grammar");
        told.push(match event {
            Event::Start { id, model } => format!("start({},{})", id.decode(), model.decode()),
            Event::Open { at, kind: PartKind::ToolCall { id, name, .. } } => {
                format!("+{at}call({},{})", id.decode(), name.decode())
            }
            Event::Open { at, kind: PartKind::Foreign { raw, .. } } => {
                format!("+{at}foreign({})", raw.find("type").and_then(Raw::as_str).unwrap().decode())
            }
            Event::Open { at, kind } => format!("+{at}{}", format!("{kind:?}").split(' ').next().unwrap()),
            Event::Fill { at, delta: Delta::Text(text) | Delta::Input(text) } => format!("{at}{:?}", text.decode()),
            Event::Fill { at, delta: Delta::Seal(seal) } => {
                format!("{at}{:?}({:?},{})", seal.kind, seal.origin, seal.data.decode())
            }
            Event::Fill { at, delta: Delta::Json(raw) } => format!("{at}{}", String::from_utf8_lossy(raw.bytes())),
            Event::Fill { at, delta: Delta::Citation { .. } } => format!("{at}cited"),
            Event::Fill { at, delta } => format!("{at}{}", format!("{delta:?}").split('(').next().unwrap()),
            Event::Close { at } => format!("-{at}"),
            Event::Usage(usage) => format!(
                "usage({:?},{:?},{:?},{:?},{:?})",
                usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning
            )
            .replace("Some(", "")
            .replace("),", ",")
            .replace("))", ")"),
            Event::Stop(stop) => format!("{stop:?}"),
            Event::Fail(failure) => format!("fail({:?},{})", failure.fault, failure.message),
            Event::Ping => "ping".into(),
            Event::End => "end".into(),
        });
    };
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    splitter.push(stream.as_bytes(), |frame| bad += usize::from(decoder.frame(&frame, &mut event).is_err())).unwrap();
    decoder.finish(&mut event);
    (told.join(" "), bad)
}

/// A stream of these data, without names of events.
fn data(events: &[&str]) -> String {
    events.iter().map(|data| format!("data: {data}\n\n")).collect()
}

const START: &str = r#"{"type":"message_start","message":{"id":"m","model":"c"}}"#;

#[test]
fn a_stream_of_everything_is_told() {
    let expected = [
        "start(msg_01,claude-sonnet-4-6) usage(125,1,100,5,None)",
        "+0Reasoning ping 0\"Two \\\"tools\\\".\" 0Signature(Anthropic,EqoBCkg=) -0",
        "+1Reasoning 1Encrypted(Anthropic,Eo8=) -1",
        "+2Text 2\"I'll\" 2\" look.\\n\" 2cited -2",
        "+3foreign(server_tool_use) 3Foreign -3 +4foreign(web_search_tool_result) -4",
        "+5call(toolu_1,Read) 5\"{\\\"path\\\":\" 5\"\\\"a\\\"}\" -5 +6call(toolu_2,now) -6",
        "ToolUse usage(130,40,100,5,12) end",
    ];
    assert_eq!(told(TOOLS), (expected.join(" "), 0));
}

#[test]
fn a_stream_comes_back_as_it_was() {
    let (mut decoder, mut out) = (Stream::default(), Vec::new());
    let opening = Opening { id: "01".into(), model: "claude-sonnet-4-6".into(), ..Opening::default() };
    let mut encoder = Encoder::new(opening);
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    let mut event = |event: Event<'_>| encoder.event(&event, &mut out);
    splitter.push(TOOLS.as_bytes(), |frame| decoder.frame(&frame, &mut event).unwrap()).unwrap();
    decoder.finish(&mut event);
    let same = |stream: &str| {
        let mut frames: Vec<serde_json::Value> = Vec::new();
        let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
        splitter.push(stream.as_bytes(), |frame| frames.push(serde_json::from_slice(frame.data).unwrap())).unwrap();
        // A block is told with what it says first, so a ping may come before it. Empty
        // deltas say nothing, counts at the start are a guess of the relay's, and input that is left out is `{}`.
        frames.retain(|frame| {
            frame["type"] != "ping" && !["", "{}"].iter().any(|none| frame["delta"]["partial_json"] == *none)
        });
        frames.iter_mut().for_each(|frame| _ = frame["message"].as_object_mut().map(|message| message.remove("usage")));
        frames
    };
    assert_eq!(same(&String::from_utf8(out).unwrap()), same(TOOLS));
}

#[test]
fn conversion_05_and_43_an_error_in_the_stream_is_told_as_one() {
    let expected =
        "start(msg_01,claude-sonnet-4-6) usage(20,1,None,None,None) +0Text 0\"Hel\" -0 fail(Overloaded,Overloaded)";
    assert_eq!(told(OVERLOADED), (expected.into(), 0));
}

#[test]
fn conversion_03_58_counts_of_the_start_hold_until_others_come() {
    let (told, _) = told(&data(&[
        r#"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":3,"cache_read_input_tokens":50,"output_tokens":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":7,"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ]));
    assert_eq!(
        told,
        "start(m,c) usage(53,1,50,None,None) EndTurn usage(53,9,50,None,None) usage(57,9,50,None,None) end"
    );
}

#[test]
fn conversion_50_a_stream_that_ends_early_has_failed() {
    let early = "fail(BadGateway,the upstream ended its stream early)";
    assert_eq!(told("").0, early);
    assert_eq!(told(&data(&[START])).0, format!("start(m,c) {early}"));
    let stopped = data(&[START, r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#]);
    assert_eq!(told(&stopped).0, "start(m,c) Length end", "why it stops is said: nothing is missing");
}

#[test]
fn conversion_51_what_is_no_event_is_skipped() {
    let stream = data(&[
        START,
        "{",
        START,
        r#"{"type":"content_block_start","index":0}"#,
        r#"{"type":"content_block_delta","index":7,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        r#"{"type":"content_block_delta","index":7}"#,
        r#"{"type":"something_new"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    assert_eq!(told(&stream), ("start(m,c) +0Text 0\"a\" -0 EndTurn end".into(), 6));
}

#[test]
fn what_compatible_upstreams_leave_out_is_no_harm() {
    let stream = data(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"x":1}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"thinking_delta","thinking":"b"}}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"thinking","thinking":"c","signature":"weir.1.gs.x"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"text","text":"late"}}"#,
        r#"{"type":"message_stop"}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    assert_eq!(
        told(&stream),
        ("start(,) +0Text 0\"a\" +1call(t,f) 1{\"x\":1} +2Reasoning 2\"b\" -2 +3Reasoning 3\"c\" 3Signature(Gemini,x) -0 -1 -3 ToolUse end".into(), 1)
    );
}

#[test]
fn too_many_open_blocks_are_a_failure() {
    let block = |index| {
        format!(r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"text","text":""}}}}"#)
    };
    let blocks: Vec<String> = (0..=ORDER_PARTS_MAX).map(block).collect();
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let end = r#"{"type":"message_stop"}"#;
    let (at_the_limit, _) = told(&data(&[&blocks[..ORDER_PARTS_MAX], &[end]].concat()));
    assert!(at_the_limit.ends_with("EndTurn end"));
    let (beyond, _) = told(&data(&[&blocks[..], &[end]].concat()));
    assert!(beyond.ends_with("fail(BadGateway,the upstream leaves too many blocks open)"), "{beyond}");
}

#[test]
fn stop_reasons_are_read() {
    for (word, stop) in [
        ("end_turn", "EndTurn"),
        ("tool_use", "EndTurn"),
        ("max_tokens", "Length"),
        ("model_context_window_exceeded", "ContextFull"),
        ("refusal", "Refusal"),
        ("pause_turn", "Pause"),
        ("anything", "EndTurn"),
    ] {
        let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}"}}}}"#);
        assert_eq!(told(&data(&[START, &delta])).0, format!("start(m,c) {stop} end"), "{word}");
    }
}

/// What a stream says, put together.
fn assembled(stream: &str) -> Response {
    let (mut decoder, mut assembler) = (Stream::default(), Assembler::new(1 << 20));
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    splitter
        .push(stream.as_bytes(), |frame| decoder.frame(&frame, &mut |event| assembler.event(&event).unwrap()).unwrap())
        .unwrap();
    decoder.finish(&mut |event| assembler.event(&event).unwrap());
    assembler.finish().unwrap().unwrap()
}

#[test]
fn conversion_53_and_68_a_stream_is_answered_whole() {
    let mut out = Vec::new();
    let opening = Opening { id: "01".into(), model: "claude-sonnet-4-6".into(), ..Opening::default() };
    super::super::response_out::response(&assembled(TOOLS), &opening, &mut out);
    let body: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let mut expected: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/anthropic/upstream_tools.json")).unwrap();
    let search =
        serde_json::json!({"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"weir"}});
    let found = serde_json::json!({"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]});
    let content = expected["content"].as_array_mut().unwrap();
    content.splice(3..3, [search, found]);
    assert_eq!(body, expected);
}
