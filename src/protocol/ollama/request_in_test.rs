use super::*;
use crate::protocol::ir::{Input, Media, Source, ToolResult};

fn read(body: &str) -> Request<'_> {
    crate::json::value(body.as_bytes()).expect("the test's JSON is valid");
    request(body.as_bytes()).unwrap_or_else(|bad| panic!("{bad:?}: {body}"))
}

/// A request in short: each message's role and what it holds.
fn shown(request: &Request<'_>) -> Vec<String> {
    let part = |part: &Part<'_>| match part {
        Part::Text { text, .. } => format!("t:{}", text.decode()),
        Part::Reasoning { text, .. } => format!("r:{}", text.decode()),
        Part::Media(Media { source: Source::Base64(data), media_type, .. }) => {
            format!("m:{}:{}", media_type.as_ref().map_or("".into(), Text::decode), data.decode())
        }
        Part::ToolCall(call) => format!("c:{}:{}:{:?}", call.id.decode(), call.name.decode(), call.input),
        Part::ToolResult(ToolResult { id, name, content, .. }) => {
            format!("a:{}:{}:{}", id.decode(), name.as_ref().map_or("".into(), Text::decode), content.len())
        }
        other => format!("{other:?}"),
    };
    let parts = |parts: &[Part<'_>]| parts.iter().map(part).collect::<Vec<_>>().join(" ");
    let instructions = request.instructions.iter().map(|one| format!("{:?} {}", one.role, parts(&one.parts)));
    instructions.chain(request.turns.iter().map(|turn| format!("{:?} {}", turn.role, parts(&turn.parts)))).collect()
}

#[test]
fn messages_become_turns() {
    let text = read(include_str!("../../../tests/golden/ollama/chat_text.json"));
    let expected = [
        "System t:Answer in one word.",
        "User t:Is \"café\" French?\n",
        "Assistant t:Yes.",
        "System t:Now in German.",
        "User t:Und 😀?",
    ];
    assert_eq!(shown(&text), expected, "conversion 23: where an instruction stands is kept");
    assert!(!text.stream && text.model.eq_str("llama3.2:3b"));
    assert_eq!(text.carry, [(Text::constant("keep_alive"), Json::constant("\"10m\""))]);

    let tools = read(include_str!("../../../tests/golden/ollama/chat_tools.json"));
    let expected = [
        "User t:What is the weather in Toronto and Paris?",
        "Assistant r:Two calls. c::get_weather:Json({\"city\": \"Toronto\", \"days\": 1.50}) c::get_weather:Json({\"city\": \"Paris\"})",
        "User a::get_weather:1",
        "User a::get_weather:0",
        "Assistant c:call_7:now:Json({})",
        "User a:call_7::1",
    ];
    assert_eq!(shown(&tools), expected);
    assert!(matches!(&tools.tools[..], [Tool::Function(one), Tool::Function(_), Tool::Foreign { .. }]
        if one.name.eq_str("get_weather") && one.parameters.is_some()));
}

#[test]
fn options_are_read_and_what_nobody_knows_is_carried() {
    let request = read(include_str!("../../../tests/golden/ollama/chat_options.json"));
    let sampling = &request.sampling;
    assert_eq!(sampling.temperature, Some(Json::constant("0.10")), "numbers keep their digits");
    assert_eq!(sampling.repetition_penalty, Some(Json::constant("1.2")));
    assert_eq!((sampling.logprobs, sampling.top_logprobs), (Some(true), Some(2)));
    assert_eq!((request.output_tokens_max, request.stop.len()), (Some(100), 2));
    assert_eq!(request.reasoning.thinking, Thinking::Effort(Effort::High));
    assert!(matches!(request.shape, Shape::JsonSchema { .. }));
    let carried: Vec<_> = request.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
    assert_eq!(carried, ["options.num_ctx", "options.mirostat", "options.numa", "keep_alive"]);
    assert_eq!(shown(&request), ["User t:What is this? m:image/png:iVBORw0KGgo= m:image/jpeg:/9j/4AAQ"]);
}

#[test]
fn a_prompt_is_a_conversation_of_one_turn() {
    let request = read(include_str!("../../../tests/golden/ollama/generate.json"));
    let expected = ["System t:You write Python.", "User t:def compute_gcd(a, b): m:image/png:iVBORw0KGgo="];
    assert_eq!(shown(&request), expected);
    assert!(request.stream, "features D.6: Ollama streams unless it is told not to");
    assert_eq!((request.output_tokens_max, request.stop.len()), (None, 1));
    assert_eq!((request.reasoning.thinking, &request.shape), (Thinking::Off, &Shape::JsonObject));
    let carried: Vec<_> = request.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
    assert_eq!(carried, ["suffix", "template", "context", "raw"]);
}

#[test]
fn roles_are_read_in_any_case_and_arguments_in_openais_form() {
    let request = read(
        r#"{"model":"m","messages":[{"role":"USER","content":"a","images":["data:image\/webp;base64,UklGR"]},
            {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"g"}}]}]}"#,
    );
    let expected = ["User t:a m:image/webp:UklGR", "Assistant c::f:Text(\"{\\\\\\\"a\\\\\\\":1}\") c::g:Json({})"];
    assert_eq!(shown(&request), expected);
    let Part::ToolCall(call) = &request.turns[1].parts[0] else { panic!("it is a call") };
    assert!(matches!(&call.input, Input::Text(text) if text.eq_str("{\"a\":1}")));
}

#[test]
fn what_is_wrong_is_named() {
    for (body, member) in [
        (r#"{"model":1}"#, "model"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":["a"]}"#, "messages.0"),
        (r#"{"messages":[{"content":"a"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"robot","content":"a"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages.0.content"),
        (r#"{"messages":[{"role":"user","images":"a"}]}"#, "messages.0.images"),
        (r#"{"messages":[{"role":"user","images":[[1]]}]}"#, "messages.0.images.0"),
        (r#"{"messages":[{"role":"assistant","tool_calls":[{}]}]}"#, "messages.0.tool_calls.0.function"),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":{}}}]}]}"#,
            "messages.0.tool_calls.0.function.name",
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":[]}}]}]}"#,
            "messages.0.tool_calls.0.function.arguments",
        ),
        (r#"{"prompt":1}"#, "prompt"),
        (r#"{"prompt":"a","images":[1]}"#, "images.0"),
        (r#"{"stream":"yes"}"#, "stream"),
        (r#"{"think":"very"}"#, "think"),
        (r#"{"think":1}"#, "think"),
        (r#"{"format":"yaml"}"#, "format"),
        (r#"{"options":[]}"#, "options"),
        (r#"{"options":{"temperature":"0"}}"#, "options.temperature"),
        (r#"{"options":{"num_predict":"0"}}"#, "options.num_predict"),
        (r#"{"options":{"stop":1}}"#, "options.stop"),
        (r#"{"options":{"stop":[1]}}"#, "options.stop.0"),
        (r#"{"tools":{}}"#, "tools"),
        (r#"{"tools":[1]}"#, "tools.0"),
        (r#"{"tools":[{"type":"function","function":{}}]}"#, "tools.0.function.name"),
        (r#"{"tools":[{"function":{"name":"f","parameters":"x"}}]}"#, "tools.0.function.parameters"),
    ] {
        let bad = request(body.as_bytes()).expect_err(body);
        assert_eq!(bad.member, member, "{body}: {}", bad.message);
    }
}
