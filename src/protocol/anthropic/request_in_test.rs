use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Input, MediaKind, Source, Tool};

fn read(body: &str) -> Request<'_> {
    json::value(body.as_bytes()).expect("JSON");
    request(body.as_bytes()).unwrap_or_else(|bad| panic!("{bad:?}: {body}"))
}

/// The parts of one message of this role with these blocks.
fn parts(role: &str, blocks: &str) -> Vec<Part<'static>> {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"x"}},{{"role":"{role}","content":[{blocks}]}}]}}"#);
    let body: &'static str = body.leak();
    read(body).turns.pop().unwrap().parts
}

fn refused(body: &str) -> String {
    request(body.as_bytes()).map(|_| ()).unwrap_err().member.into_owned()
}

#[test]
fn what_claude_code_sends_is_read() {
    let request = read(include_str!("../../../tests/golden/anthropic/request_claude_code.json"));
    assert_eq!(request.model.decode(), "claude-sonnet-4-6");
    assert_eq!((request.stream, request.output_tokens_max), (true, Some(32000)));
    assert_eq!(request.reasoning.thinking, Thinking::Budget(31999));
    let [system] = &*request.instructions else { panic!("one instruction") };
    assert_eq!(system.parts.len(), 3);
    assert!(matches!(system.parts[0], Part::Foreign { .. }), "who pays is no instruction");
    assert!(matches!(&system.parts[1], Part::Text { cache: Some(_), .. }));
    assert!(request.user.as_ref().is_some_and(|user| user.decode().contains("session_id")));
    assert_eq!(request.tools.len(), 2);
    let carried: Vec<_> = request.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
    assert_eq!(carried, ["context_management"]);
    let roles: Vec<_> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::System]);
    let Part::ToolResult(result) = &request.turns[2].parts[0] else { panic!("a result") };
    assert!(result.failed && matches!(result.content[1], Part::Media(_)));
}

#[test]
fn conversion_17_47_and_64_seals_are_told_from_signatures_and_from_nothing() {
    let parts = parts(
        "assistant",
        r#"{"type":"thinking","thinking":"a","signature":"Eo=="},{"type":"thinking","thinking":"b","signature":""},
        {"type":"thinking","thinking":"c","signature":"weir.1.none"},{"type":"thinking","thinking":"d"},
        {"type":"redacted_thinking","data":"x"},{"type":"redacted_thinking","data":"weir.1.gc.y"},
        {"type":"thinking","thinking":"e","signature":"weir.1.re.z"}"#,
    );
    let seals: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Part::Reasoning { text, seal, .. } => (
                text.decode().into_owned(),
                seal.as_ref().map(|seal| (seal.origin, seal.kind, seal.data.decode().into_owned())),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let seal = |origin, kind, data: &str| Some((origin, kind, data.to_owned()));
    assert_eq!(
        seals,
        [
            ("a".into(), seal(Dialect::Anthropic, SealKind::Signature, "Eo==")),
            ("b".into(), None),
            ("c".into(), None),
            ("d".into(), None),
            ("".into(), seal(Dialect::Anthropic, SealKind::Encrypted, "x")),
            ("".into(), seal(Dialect::Gemini, SealKind::Call, "y")),
            ("e".into(), seal(Dialect::Responses, SealKind::Encrypted, "z")),
        ]
    );
}

#[test]
fn conversion_23_instructions_amid_the_conversation_keep_their_place() {
    let request = read(
        r#"{"system":"a","messages":[{"role":"system","content":"b"},{"role":"user","content":"x"},{"role":"system","content":[{"type":"text","text":"c"}]}]}"#,
    );
    assert_eq!(request.instructions.len(), 2, "before the first turn they are one more instruction");
    assert_eq!(request.instructions[0].parts, [Part::text(Text::plain("a"))]);
    assert_eq!(request.turns[1].role, Role::System);
}

#[test]
fn conversion_28_results_hold_images_and_errors() {
    let parts = parts(
        "user",
        r#"{"type":"tool_result","tool_use_id":"weir_a_3a1","is_error":true,"cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"t"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBO"}},{"type":"tool_reference","tool_name":"x"}]},
        {"type":"tool_result","tool_use_id":"b"},{"type":"tool_result","tool_use_id":"c","content":"plain"}"#,
    );
    let [Part::ToolResult(one), Part::ToolResult(two), Part::ToolResult(three)] = &*parts else { panic!("{parts:?}") };
    assert_eq!((one.id.decode(), one.failed, one.cache.is_some()), ("a:1".into(), true, true));
    let Part::Media(image) = &one.content[1] else { panic!("an image") };
    assert_eq!((image.kind, &image.source), (MediaKind::Image, &Source::Base64(Text::plain("iVBO"))));
    assert!(matches!(one.content[2], Part::Foreign { .. }));
    assert!(two.content.is_empty() && !two.failed);
    assert_eq!(three.content, [Part::text(Text::plain("plain"))]);
}

#[test]
fn calls_and_media_keep_what_only_anthropic_knows() {
    let parts = parts(
        "assistant",
        r#"{"type":"tool_use","id":"a","name":"f","input":{"x":1.0},"caller":{"type":"code_execution_20250825","tool_id":"s"}},
        {"type":"tool_use","id":"b","name":"f","input":{},"caller":{"type":"direct"}},
        {"type":"document","title":"T","context":"C","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"d"}},
        {"type":"image","source":{"type":"url","url":"https://x/y.png"}},{"type":"image","source":{"type":"file","file_id":"f1"}},
        {"type":"document","source":{"type":"content","content":"x"}},{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
        {"type":"text","text":"![image](data:image/png;base64,iVBO)"}"#,
    );
    let Part::ToolCall(call) = &parts[0] else { panic!("a call") };
    assert_eq!((call.carry.len(), call.kind), (1, CallKind::Function));
    assert!(matches!(&call.input, Input::Json(json) if json.bytes() == br#"{"x":1.0}"#));
    assert!(matches!(&parts[1], Part::ToolCall(call) if call.carry.is_empty()));
    let Part::Media(document) = &parts[2] else { panic!("a document") };
    assert_eq!((document.kind, document.carry.len()), (MediaKind::Document, 2));
    assert_eq!(document.source, Source::Text(Text::plain("d")));
    assert!(matches!(&parts[3], Part::Media(image) if image.source == Source::Url(Text::plain("https://x/y.png"))));
    assert!(matches!(&parts[4], Part::Media(image) if matches!(image.source, Source::File { .. })));
    assert!(matches!((&parts[5], &parts[6]), (Part::Foreign { .. }, Part::Foreign { .. })));
    assert!(matches!(&parts[7], Part::Media(image) if image.source == Source::Base64(Text::plain("iVBO"))));
}

#[test]
fn conversion_35_and_36_tools_of_the_vendor_are_told_from_the_callers() {
    let request = read(
        r#"{"messages":[],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"defer_loading":true,"strict":true,"cache_control":{"type":"ephemeral"}},
        {"type":"custom","name":"g","input_schema":{}},{"type":"web_search_20250305","name":"web_search","max_uses":3,"allowed_domains":["a"]},
        {"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"}]}"#,
    );
    let [Tool::Function(f), Tool::Function(g), Tool::WebSearch(search), Tool::Foreign { .. }] = &*request.tools else {
        panic!("{:?}", request.tools)
    };
    assert_eq!((f.strict, f.cache.is_some(), f.carry.len()), (Some(true), true, 1));
    assert_eq!((g.name.decode(), g.carry.len()), ("g".into(), 0));
    assert_eq!((search.uses_max, search.allowed_domains.is_some()), (Some(3), true));
}

#[test]
fn conversion_37_tool_choice_has_four_forms_and_a_switch() {
    for (choice, expected, parallel) in [
        (r#"{"type":"auto"}"#, ToolChoice::Auto, None),
        (r#"{"type":"any","disable_parallel_tool_use":true}"#, ToolChoice::Required, Some(false)),
        (r#"{"type":"none"}"#, ToolChoice::None, None),
        (
            r#"{"type":"tool","name":"f","disable_parallel_tool_use":false}"#,
            ToolChoice::Named { name: Text::plain("f"), namespace: None, kind: CallKind::Function },
            Some(true),
        ),
    ] {
        let body = format!(r#"{{"messages":[],"tool_choice":{choice}}}"#);
        let request = read(&body);
        assert_eq!((request.tool_choice.clone(), request.parallel_tools), (Some(expected), parallel), "{choice}");
    }
}

#[test]
fn thinking_effort_and_form_are_read_in_all_their_forms() {
    for (members, thinking, shown, carried) in [
        (r#""thinking":{"type":"adaptive","display":"omitted"}"#, Thinking::Auto, Some(false), ""),
        (
            r#""output_config":{"effort":"high"},"thinking":{"type":"adaptive"}"#,
            Thinking::Effort(Effort::High),
            None,
            "",
        ),
        (r#""output_config":{"effort":"xhigh"}"#, Thinking::Effort(Effort::XHigh), None, ""),
        (
            r#""output_config":{"effort":"low"},"thinking":{"type":"enabled","budget_tokens":2048,"display":"summarized"}"#,
            Thinking::Budget(2048),
            Some(true),
            "output_config.effort",
        ),
        (r#""thinking":{"type":"disabled"}"#, Thinking::Off, None, ""),
        (r#""thinking":{"type":"between_tools"}"#, Thinking::Unsaid, None, "thinking"),
        (r#""output_config":{"task_budget":{"x":1}}"#, Thinking::Unsaid, None, "output_config.task_budget"),
        (r#""thinking":null"#, Thinking::Unsaid, None, ""),
    ] {
        let body = format!(r#"{{"messages":[],{members}}}"#);
        let request = read(&body);
        assert_eq!((request.reasoning.thinking, request.reasoning.shown), (thinking, shown), "{members}");
        let names: Vec<_> = request.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
        assert_eq!(names.join(","), carried, "{members}");
    }
    for member in ["output_config\":{\"format", "output_format"] {
        let close = if member.contains('{') { "}" } else { "" };
        let body =
            format!(r#"{{"messages":[],"{member}":{{"type":"json_schema","schema":{{"type":"object"}}}}{close}}}"#);
        assert!(matches!(read(&body).shape, Shape::JsonSchema { .. }), "{member}");
    }
}

#[test]
fn plain_members_are_read_and_the_rest_is_carried() {
    let request = read(
        r#"{"model":"m","messages":[],"temperature":0.10,"top_p":1,"top_k":40,"stop_sequences":["a","\n"],"service_tier":"auto",
        "metadata":{"user_id":"u","x":1},"container":"c","mcp_servers":[],"speed":null}"#,
    );
    assert_eq!(request.sampling.temperature, Some(Json::constant("0.10")));
    assert_eq!((request.stop.len(), request.user.is_some(), request.metadata.is_some()), (2, true, true));
    let names: Vec<_> = request.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
    assert_eq!(names, ["container", "mcp_servers", "speed"]);
}

#[test]
fn a_mistake_is_named_by_its_path() {
    for (body, member) in [
        ("[]", ""),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":[1]}"#, "messages.0"),
        (r#"{"messages":[{"content":"x"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"tool","content":"x"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages.0.content"),
        (r#"{"messages":[{"role":"user","content":7}]}"#, "messages.0.content"),
        (r#"{"messages":[{"role":"user","content":["x"]}]}"#, "messages.0.content.0"),
        (r#"{"messages":[{"role":"user","content":[{}]}]}"#, "messages.0.content.0.type"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#, "messages.0.content.0.text"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image"}]}]}]}"#,
            "messages.0.content.0.content.0.source",
        ),
        (r#"{"messages":[],"system":5}"#, "system"),
        (r#"{"messages":[],"system":[5]}"#, "system.0"),
        (r#"{"messages":[],"tools":[{"name":"x"},{"input_schema":{}}]}"#, "tools.1.name"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
        (r#"{"messages":[],"thinking":{"type":"enabled"}}"#, "thinking.budget_tokens"),
        (r#"{"messages":[],"max_tokens":"9"}"#, "max_tokens"),
        (r#"{"messages":[],"temperature":"9"}"#, "temperature"),
        (r#"{"messages":[],"stop_sequences":"9"}"#, "stop_sequences"),
        (r#"{"messages":[],"stream":1}"#, "stream"),
        (r#"{"messages":[],"output_config":{"format":{"type":"json_schema"}}}"#, "output_config.format"),
    ] {
        assert_eq!(refused(body), member, "{body}");
    }
}
