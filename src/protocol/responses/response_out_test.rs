use super::*;
use crate::json::Raw;
use crate::limits::RESPONSES_ECHO_BYTES_MAX;
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Input, Seal, StreamEncoder, Text, ToolCall};
use crate::protocol::responses::{Encoder, open};
use crate::sse::{FrameKind, Framing, Splitter};

fn call(name: &str, kind: CallKind, input: Input<'static>, seal: Option<Seal<'static>>) -> Whole {
    let (id, name) = (Text::plain("c1"), Text::plain(name));
    Whole::ToolCall(ToolCall { id, name, namespace: None, kind, input, seal, cache: None, carry: Vec::new() })
}

fn text(text: &str) -> Whole {
    Whole::Text { text: Text::plain(text), citations: Vec::new(), seal: None }
}

fn opening() -> Opening {
    Opening { id: "1".into(), model: "alias".into(), created_unix_s: 7, ..Opening::default() }
}

fn written(answer: &Response, opening: &Opening) -> String {
    let mut out = Vec::new();
    response(answer, opening, &mut out);
    crate::json::value(&out).expect("it is JSON");
    String::from_utf8(out).expect("UTF-8")
}

/// The object in the last event of the same answer as a stream.
fn streamed(answer: &Response, opening: &Opening) -> String {
    let (mut encoder, mut out) = (Encoder::new(opening.clone()), Vec::new());
    answer.replay(&mut |event| encoder.event(&event, &mut out));
    let mut last = String::new();
    let mut splitter = Splitter::new(Framing::Sse, 1 << 26);
    splitter
        .push(&out, |frame| {
            if frame.kind == FrameKind::Data {
                let response = Raw::parse(frame.data).expect("JSON").find("response");
                last = response.map_or(String::new(), |it| String::from_utf8(it.bytes().to_vec()).expect("UTF-8"));
            }
        })
        .expect("no frame is too long");
    last
}

#[test]
fn a_whole_answer_is_what_the_stream_ends_with() {
    let seal = |origin, kind| Some(Seal { origin, kind, data: Text::plain("sig") });
    let mut answer = Response::default();
    answer.model = Text::plain("up");
    answer.parts = vec![
        Whole::Reasoning {
            text: Text::plain("hm"),
            seal: seal(Dialect::Anthropic, SealKind::Signature),
            summary: false,
        },
        Whole::Reasoning { text: Text::plain("s"), seal: None, summary: true },
        text("a \"b\"\n"),
        Whole::Refusal(Text::plain("no")),
        call("f", CallKind::Function, Input::Text(Text::plain("{\"a\":1}")), seal(Dialect::Gemini, SealKind::Call)),
        call("g", CallKind::Function, Input::Text(Text::default()), None),
        call("p", CallKind::Custom, Input::Free(Text::plain("*** x")), None),
        Whole::Media { media_type: Text::plain("image/png"), base64: Text::plain("iVBO") },
    ];
    answer.usage.input = Some(3);
    assert_eq!(written(&answer, &opening()), streamed(&answer, &opening()));
    let nameless = Opening { model: String::new(), ..opening() };
    assert!(written(&answer, &nameless).contains(r#""model":"up""#));
}

#[test]
fn a_shell_call_has_its_own_form_where_the_request_has_the_tool() {
    let with = |input: &str| {
        let mut answer = Response::default();
        answer.parts.push(call("local_shell", CallKind::Function, Input::Text(Text::plain(input)), None));
        answer
    };
    let shell = Opening { local_shell: true, ..opening() };
    for (input, item) in [
        (
            r#"{"command":["ls", "-l"],"timeout_ms":5}"#,
            r#"{"id":"lsh_1_0","type":"local_shell_call","call_id":"c1","action":{"type":"exec","command":["ls", "-l"],"env":{},"timeout_ms":5},"status":"completed"}"#,
        ),
        (
            r#"{"command":"ls | wc"}"#,
            r#"{"id":"lsh_1_0","type":"local_shell_call","call_id":"c1","action":{"type":"exec","command":["bash","-lc","ls | wc"],"env":{}},"status":"completed"}"#,
        ),
        (
            r#"{"cmd":1}"#,
            r#"{"id":"fc_1_0","type":"function_call","call_id":"c1","name":"local_shell","arguments":"{\"cmd\":1}","status":"completed"}"#,
        ),
    ] {
        let answer = with(input);
        assert!(written(&answer, &shell).contains(item), "{}", written(&answer, &shell));
        assert_eq!(written(&answer, &shell), streamed(&answer, &shell));
    }
    assert!(written(&with("{}"), &opening()).contains("function_call"));
}

#[test]
fn the_request_is_repeated_up_to_the_bound() {
    let body = |bytes: usize| {
        format!(
            "{{\"model\":\"m\",\"tools\":[{{\"type\":\"local_shell\"\n}}],\"user\":null,\"instructions\":\"{}\"}}",
            "x".repeat(bytes)
        )
    };
    let opened = |bytes| {
        let mut opening = opening();
        open(body(bytes).as_bytes(), &mut opening);
        opening
    };
    let small = opened(1);
    assert_eq!(String::from_utf8_lossy(&small.echo), r#""tools":[{"type":"local_shell" }],"instructions":"x""#);
    assert!(small.local_shell);
    let room = RESPONSES_ECHO_BYTES_MAX - (small.echo.len() - 1);
    assert_eq!(opened(room).echo.len(), RESPONSES_ECHO_BYTES_MAX, "what fits is repeated");
    let over = opened(room + 1);
    assert!(!String::from_utf8_lossy(&over.echo).contains("instructions"), "what does not is not");
    let written = written(&Response::default(), &over);
    for asked in [r#""tool_choice":"auto""#, r#""parallel_tool_calls":true"#, r#""metadata":{}"#] {
        assert!(written.contains(asked), "{asked}");
    }
}
