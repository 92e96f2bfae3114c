use super::*;
use crate::json;
use crate::protocol::anthropic::request_in;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    CallKind, Effort, Function, Input, Media, MediaKind, Quirks, Role, Seal, Source, Thinking, Tool, ToolCall,
    ToolChoice, ToolResult, Turn, WebSearch,
};

const CLAUDE_CODE: &str = include_str!("../../../tests/golden/anthropic/request_claude_code.json");

fn said_to(model: &str, quirks: &Quirks, asked: &Request<'_>) -> (serde_json::Value, String, Outgoing) {
    let mut out = Outgoing::default();
    request(asked, &Destination { model, stream: asked.stream, quirks }, &mut out).unwrap();
    json::value(&out.body).expect("JSON");
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    (serde_json::from_slice(&out.body).unwrap(), String::from_utf8(dropped).unwrap(), out)
}

/// What is said to a model, and what is not.
fn said(model: &str, asked: &Request<'_>) -> (serde_json::Value, String) {
    let (body, dropped, _) = said_to(model, &Quirks::default(), asked);
    (body, dropped)
}

const SONNET: &str = "claude-sonnet-4-5";

fn user(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role: Role::User, name: None, parts }
}

fn assistant(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role: Role::Assistant, name: None, parts }
}

fn text(said: &str) -> Part<'static> {
    Part::text(Text::plain(said))
}

/// A request of a Chat client with these turns.
fn chat(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::new(Dialect::Chat) }
}

fn hello() -> Request<'static> {
    chat(vec![user(vec![text("hello")])])
}

fn call(id: &str, arguments: &str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: Text::plain(id),
        name: Text::plain("f"),
        namespace: None,
        kind: CallKind::Function,
        input: Input::Text(Text::plain(arguments)),
        seal: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn result(id: &str, content: Vec<Part<'static>>) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: Text::plain(id),
        name: None,
        kind: CallKind::Function,
        content,
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    })
}

fn thought(seal: Option<(Dialect, SealKind)>) -> Part<'static> {
    let seal = seal.map(|(origin, kind)| Seal { origin, kind, data: Text::plain("s") });
    Part::Reasoning { text: Text::plain("hm"), seal, id: None, summary: false }
}

fn media(kind: MediaKind, source: Source<'static>, media_type: &'static str) -> Part<'static> {
    let media_type = Some(Text::plain(media_type));
    Part::Media(Media { kind, source, media_type, name: None, detail: None, cache: None, carry: Vec::new() })
}

fn tool(name: &str) -> Tool<'static> {
    Tool::Function(Function {
        name: Text::plain(name),
        namespace: None,
        description: None,
        parameters: None,
        strict: Some(true),
        cache: None,
        carry: Vec::new(),
    })
}

fn messages(body: &serde_json::Value) -> String {
    body["messages"].to_string()
}

#[test]
fn conversion_16_63_thoughts_stay_byte_for_byte_where_they_stood() {
    let request = request_in::request(CLAUDE_CODE.as_bytes()).unwrap();
    let mut out = Outgoing::default();
    self::request(
        &request,
        &Destination { model: "claude-sonnet-4-6", stream: true, quirks: &Quirks::default() },
        &mut out,
    )
    .unwrap();
    let body = String::from_utf8(out.body).unwrap();
    let assistant = CLAUDE_CODE.find(r#"{"role":"assistant""#).unwrap();
    let end = assistant + CLAUDE_CODE[assistant..].find(r#",{"role":"user""#).unwrap();
    assert!(body.contains(&CLAUDE_CODE[assistant..end]), "{body}");
}

#[test]
fn conversion_17_47_and_64_thoughts_of_others_are_left_out() {
    let (body, dropped) = said(
        SONNET,
        &chat(vec![
            user(vec![text("a")]),
            assistant(vec![
                thought(None),
                thought(Some((Dialect::Gemini, SealKind::Signature))),
                thought(Some((Dialect::Anthropic, SealKind::Signature))),
                thought(Some((Dialect::Anthropic, SealKind::Encrypted))),
                text("b"),
            ]),
            user(vec![text("c")]),
        ]),
    );
    assert_eq!(
        body["messages"][1]["content"].to_string(),
        r#"[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"s"},{"type":"text","text":"b"}]"#
    );
    assert_eq!(dropped, "messages.reasoning");
}

#[test]
fn conversion_49_upstreams_that_want_their_thoughts_back_get_them_unsigned() {
    let quirks = Quirks { replays_reasoning: true, ..Quirks::default() };
    let asked = chat(vec![
        user(vec![text("a")]),
        assistant(vec![thought(None), call("c", "{}")]),
        user(vec![result("c", vec![])]),
    ]);
    let (body, dropped, _) = said_to("deepseek-reasoner", &quirks, &asked);
    let content = &body["messages"][1]["content"];
    assert_eq!(content[0].to_string(), r#"{"type":"thinking","thinking":"hm","signature":""}"#);
    assert_eq!(dropped, "");
}

#[test]
fn conversion_20_a_budget_leaves_room_for_the_answer() {
    for (model, thinking, bound, budget, max) in [
        (SONNET, Thinking::Budget(8000), None, 8000, 40000),
        (SONNET, Thinking::Budget(8000), Some(4000), 8000, 12000),
        (SONNET, Thinking::Budget(8000), Some(9000), 8000, 9000),
        (SONNET, Thinking::Budget(100), Some(9000), 1024, 9000),
        (SONNET, Thinking::Effort(Effort::High), Some(8000), 6000, 8000),
        (SONNET, Thinking::Effort(Effort::High), Some(1000), 1024, 2024),
        (SONNET, Thinking::Effort(Effort::Max), None, 48000, 64000),
        ("claude-opus-4-1", Thinking::Effort(Effort::Max), None, 24000, 32000),
        ("kimi-k2", Thinking::Effort(Effort::Low), None, 1024, 9216),
    ] {
        let mut request = hello();
        request.reasoning.thinking = thinking;
        request.output_tokens_max = bound;
        let (body, _) = said(model, &request);
        let said = (&body["thinking"]["budget_tokens"], &body["max_tokens"]);
        assert_eq!(said, (&budget.into(), &max.into()), "{model} {thinking:?} {bound:?}");
        assert!(body["thinking"]["budget_tokens"].as_u64() < body["max_tokens"].as_u64());
    }
}

#[test]
fn conversion_20_newer_models_are_told_an_effort() {
    for (model, thinking, expected, effort) in [
        ("claude-opus-4-7", Thinking::Effort(Effort::XHigh), r#"{"type":"adaptive","display":"summarized"}"#, "xhigh"),
        ("claude-sonnet-4-6", Thinking::Effort(Effort::XHigh), r#"{"type":"adaptive"}"#, "high"),
        ("claude-opus-4-7", Thinking::Budget(2000), r#"{"type":"adaptive","display":"summarized"}"#, "medium"),
        ("claude-opus-5", Thinking::Effort(Effort::Minimal), r#"{"type":"adaptive","display":"summarized"}"#, "low"),
        ("claude-opus-4-7", Thinking::Off, r#"{"type":"disabled"}"#, ""),
        ("claude-sonnet-4-6", Thinking::Budget(2000), r#"{"type":"enabled","budget_tokens":2000}"#, ""),
        ("claude-sonnet-4-6", Thinking::Auto, r#"{"type":"adaptive"}"#, ""),
        ("claude-3-5-sonnet", Thinking::Effort(Effort::Low), "null", ""),
        (SONNET, Thinking::Unsaid, "null", ""),
    ] {
        let mut request = hello();
        request.reasoning.thinking = thinking;
        let (body, _) = said(model, &request);
        assert_eq!(body["thinking"].to_string(), expected, "{model} {thinking:?}");
        assert_eq!(body["output_config"]["effort"].as_str().unwrap_or(""), effort, "{model} {thinking:?}");
    }
}

#[test]
fn conversion_21_numbers_of_the_sampler_give_way_to_thinking() {
    let mut request = hello();
    request.sampling.temperature = Some(Json::constant("0.50"));
    request.sampling.top_p = Some(Json::constant("0.9"));
    request.sampling.top_k = Some(Json::constant("40"));
    request.sampling.seed = Some(Json::constant("7"));
    let (body, dropped) = said("glm-4.6", &request);
    assert_eq!((body["temperature"].to_string(), body["top_p"].to_string()), ("0.5".into(), "0.9".into()));
    assert_eq!(dropped, "seed");
    let (body, dropped) = said(SONNET, &request);
    assert!(body["top_p"].is_null() && body["top_k"] == 40, "not both of the two");
    assert_eq!(dropped, "top_p, seed");
    let (body, dropped) = said("claude-opus-4-7", &request);
    assert!(body["temperature"].is_null() && body["top_k"].is_null());
    assert_eq!(dropped, "temperature, top_p, top_k, seed");
    request.reasoning.thinking = Thinking::Effort(Effort::Low);
    let (body, dropped) = said("claude-3-7-sonnet", &request);
    assert!(body["temperature"].is_null() && body["top_k"].is_null() && body["thinking"]["type"] == "enabled");
    assert_eq!(dropped, "temperature, top_p, top_k, seed");
    let mut hot = hello();
    hot.sampling.temperature = Some(Json::constant("1.7"));
    let (body, dropped) = said(SONNET, &hot);
    assert_eq!((body["temperature"].to_string(), &*dropped), ("1".into(), "temperature (approximated)"));
}

#[test]
fn conversion_21_a_forced_tool_is_called_without_thinking() {
    let mut request = hello();
    request.tools = vec![tool("f")];
    request.tool_choice = Some(ToolChoice::Required);
    request.reasoning.thinking = Thinking::Effort(Effort::Low);
    let (body, dropped) = said(SONNET, &request);
    assert!(body["thinking"].is_null() && body["tool_choice"]["type"] == "any");
    assert_eq!((&body["max_tokens"], dropped.contains("reasoning")), (&32000.into(), true));
}

#[test]
fn a_loop_that_was_begun_without_thoughts_goes_on_without() {
    let own = thought(Some((Dialect::Anthropic, SealKind::Signature)));
    for (first, thinks) in [(None, false), (Some(thought(None)), false), (Some(own), true)] {
        let said_first = first.into_iter().chain([call("c", "{}")]).collect();
        let mut request =
            chat(vec![user(vec![text("a")]), assistant(said_first), user(vec![result("c", vec![text("r")])])]);
        request.reasoning.thinking = Thinking::Effort(Effort::Low);
        let (body, _) = said(SONNET, &request);
        assert_eq!(body["thinking"].is_object(), thinks, "{body}");
        request.turns.push(assistant(vec![text("b")]));
        request.turns.push(user(vec![text("c")]));
        assert!(said(SONNET, &request).0["thinking"].is_object(), "a new turn may think");
    }
}

#[test]
fn conversion_23_and_24_instructions_find_their_place() {
    let system = |role, said: &str| Instruction { role, parts: vec![text(said)] };
    let mut request = hello();
    request.instructions = vec![system(Role::System, "a"), system(Role::Developer, "b")];
    request.turns.push(Turn { role: Role::System, name: None, parts: vec![text("c")] });
    let (body, _) = said(SONNET, &request);
    assert_eq!(body["system"].to_string(), r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#);
    assert_eq!(
        messages(&body),
        r#"[{"role":"user","content":[{"type":"text","text":"hello"},{"type":"text","text":"<system-reminder>\nc\n</system-reminder>"}]}]"#
    );
    let own = request_in::request(CLAUDE_CODE.as_bytes()).unwrap();
    let (body, _) = said(SONNET, &own);
    assert_eq!(body["messages"][3]["role"], "system", "Anthropic's own keeps its role");
    let quirks = Quirks { leading_system_only: true, ..Quirks::default() };
    let (body, _, _) = said_to(SONNET, &quirks, &own);
    assert_eq!(body["messages"][3]["role"], "user");
    assert!(messages(&body).contains("<system-reminder>\\nThe user opened b.rs.\\n</system-reminder>"));
}

#[test]
fn conversion_25_31_and_61_marks_of_the_cache_are_carried() {
    let mark = || Some(Json::constant(r#"{"type":"ephemeral"}"#));
    let marked = |said: &str| Part::Text { text: Text::plain(said), cache: mark(), citations: None };
    let mut request = chat(vec![user(vec![marked("u")])]);
    request.instructions = vec![
        Instruction { role: Role::System, parts: vec![marked("s")] },
        Instruction { role: Role::System, parts: vec![text("t")] },
    ];
    request.prompt_cache_key = Some(Text::plain("k"));
    let Tool::Function(mut function) = tool("f") else { unreachable!() };
    function.cache = mark();
    request.tools = vec![Tool::Function(function)];
    let (body, dropped) = said(SONNET, &request);
    for place in [&body["system"][0], &body["messages"][0]["content"][0], &body["tools"][0]] {
        assert_eq!(place["cache_control"]["type"], "ephemeral", "{body}");
    }
    assert!(body["system"][1]["cache_control"].is_null() && body["cache_control"].is_null());
    assert!(dropped.contains("prompt_cache_key"), "the caller's own marks stand");
    let mut unmarked = hello();
    unmarked.prompt_cache_key = Some(Text::plain("k"));
    assert_eq!(said(SONNET, &unmarked).0["cache_control"]["type"], "ephemeral");
    let one = said(SONNET, &request).0.to_string();
    assert_eq!(one, said(SONNET, &request).0.to_string(), "equal prompts are equal bytes");
}

#[test]
fn conversion_26_and_27_sides_take_turns_and_calls_are_answered() {
    let (body, dropped) = said(
        SONNET,
        &chat(vec![
            assistant(vec![text("hi")]),
            user(vec![text("")]),
            user(vec![text("a"), text(" \n")]),
            assistant(vec![call("x:1", r#"{"n":1.0}"#), call("y", "")]),
            user(vec![result("x:1", vec![text("r")]), text("b")]),
            user(vec![result("gone", vec![text("o")])]),
        ]),
    );
    assert_eq!(
        messages(&body),
        concat!(
            r#"[{"role":"user","content":[{"type":"text","text":"(The conversation begins with the assistant.)"}]},"#,
            r#"{"role":"assistant","content":[{"type":"text","text":"hi"}]},"#,
            r#"{"role":"user","content":[{"type":"text","text":"a"}]},"#,
            r#"{"role":"assistant","content":[{"type":"tool_use","id":"weir_x_3a1","name":"f","input":{"n":1.0}},{"type":"tool_use","id":"y","name":"f","input":{}}]},"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"weir_x_3a1","content":[{"type":"text","text":"r"}]},"#,
            r#"{"type":"tool_result","tool_use_id":"y","content":"No result came for this call.","is_error":true},"#,
            r#"{"type":"text","text":"b"},{"type":"text","text":"(The result of a call that is not in this conversation:)"},{"type":"text","text":"o"}]}]"#,
        )
    );
    assert_eq!(dropped, "messages.tool_result (approximated)");
    let twice = chat(vec![
        user(vec![text("a")]),
        assistant(vec![call("c", "{}")]),
        user(vec![result("c", vec![])]),
        assistant(vec![call("c", "{}")]),
        user(vec![result("c", vec![])]),
    ]);
    let (body, _) = said(SONNET, &twice);
    assert_eq!(body["messages"][3]["content"][0]["id"], "c_weir_call_1");
    assert_eq!(body["messages"][4]["content"][0]["tool_use_id"], "c_weir_call_1");
    let (body, _) = said(
        SONNET,
        &chat(vec![user(vec![text("a")]), assistant(vec![call("", "{}")]), user(vec![result("", vec![])])]),
    );
    assert_eq!(body["messages"][1]["content"][0]["id"], "weir_call_0");
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "weir_call_0");
    let nothing = chat(vec![user(vec![text("")])]);
    let refused = request(
        &nothing,
        &Destination { model: SONNET, stream: false, quirks: &Quirks::default() },
        &mut Outgoing::default(),
    );
    assert_eq!(refused.unwrap_err().member, "messages");
}

#[test]
fn conversion_28_media_are_shown_in_results_too_or_leave_a_note() {
    let image = || media(MediaKind::Image, Source::Base64(Text::plain("iVBO")), "image/jpg");
    let (body, dropped) = said(
        SONNET,
        &chat(vec![
            user(vec![image(), media(MediaKind::Image, Source::Url(Text::plain("https://x/y")), "image/png")]),
            assistant(vec![call("c", "{}"), image()]),
            user(vec![
                result("c", vec![text("t"), image()]),
                media(MediaKind::Document, Source::Base64(Text::plain("JVBE")), "application/pdf"),
                media(MediaKind::Document, Source::Base64(Text::plain("YSxi")), "text/csv"),
                media(MediaKind::Audio, Source::Base64(Text::plain("UklG")), "audio/wav"),
                media(MediaKind::Image, Source::Base64(Text::plain("SUkq")), "image/tiff"),
            ]),
        ]),
    );
    let content = |message: usize| body["messages"][message]["content"].to_string();
    let jpeg = r#"{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"iVBO"}}"#;
    assert_eq!(content(0), format!(r#"[{jpeg},{{"type":"image","source":{{"type":"url","url":"https://x/y"}}}}]"#));
    assert!(content(1).contains("![image](data:image/jpg;base64,iVBO)"), "{}", content(1));
    assert!(content(2).starts_with(&format!(
        r#"[{{"type":"tool_result","tool_use_id":"c","content":[{{"type":"text","text":"t"}},{jpeg}]}},{{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"JVBE"}}}},{{"type":"document","source":{{"type":"text","media_type":"text/plain","data":"a,b"}}}},"#
    )), "{}", content(2));
    assert!(content(2).contains("(A sound stood here") && content(2).contains("(An image stood here"));
    assert_eq!(dropped, "messages.audio, messages.image");
}

#[test]
fn conversion_33_34_and_35_tools_of_others_are_said_as_functions() {
    let mut request = hello();
    let Tool::Function(mut grouped) = tool("open") else { unreachable!() };
    grouped.namespace = Some(Text::plain("mcp"));
    grouped.parameters = Some(Json::constant(r#"{"properties":{"a":{}}}"#));
    let search = |raw: &'static str| {
        Tool::WebSearch(WebSearch {
            allowed_domains: Some(Json::constant(r#"["a.b"]"#)),
            location: Some(Json::constant(r#"{"type":"approximate","city":"C","x":1}"#)),
            context_size: Some(Json::constant("\"low\"")),
            ..WebSearch::new(Dialect::Responses, Json::constant(raw))
        })
    };
    request.tools = vec![
        Tool::Function(grouped),
        tool("mcp.read/file"),
        Tool::Custom {
            name: Text::plain("apply_patch"),
            namespace: None,
            description: Some(Text::plain("Patches.")),
            format: None,
            carry: Vec::new(),
        },
        search(r#"{"type":"web_search"}"#),
        search(r#"{"type":"web_search","external_web_access":false}"#),
        Tool::Foreign { origin: Dialect::Responses, raw: Json::constant(r#"{"type":"local_shell"}"#) },
    ];
    let (body, dropped, out) = said_to(SONNET, &Quirks::default(), &request);
    let tools = &body["tools"];
    assert_eq!(tools[0].to_string(), r#"{"name":"mcp__open","input_schema":{"type":"object","properties":{"a":{}}}}"#);
    let said = tools[1]["name"].as_str().unwrap();
    assert!(said.starts_with("mcp_read_file_") && out.names.meant(said).unwrap().meant.eq_str("mcp.read/file"));
    assert_eq!(tools[2]["input_schema"]["required"][0], "input");
    assert_eq!(
        tools[3].to_string(),
        r#"{"type":"web_search_20250305","name":"web_search","allowed_domains":["a.b"],"user_location":{"type":"approximate","city":"C"}}"#
    );
    assert!(tools[4].is_null());
    assert_eq!(
        dropped,
        "tools.strict (approximated), tools.web_search.user_location (approximated), \
         tools.web_search.search_context_size, tools.web_search, tools.local_shell"
    );
}

#[test]
fn conversion_37_and_66_tool_choice_is_said_in_anthropics_forms() {
    let auto_only = Quirks { tool_choice_auto_only: true, ..Quirks::default() };
    let named = ToolChoice::Named { name: Text::plain("f"), namespace: None, kind: CallKind::Function };
    for (choice, parallel, quirks, expected) in [
        (None, None, &Quirks::default(), "null"),
        (None, Some(true), &Quirks::default(), "null"),
        (None, Some(false), &Quirks::default(), r#"{"type":"auto","disable_parallel_tool_use":true}"#),
        (Some(ToolChoice::None), Some(false), &Quirks::default(), r#"{"type":"none"}"#),
        (
            Some(ToolChoice::Required),
            Some(true),
            &Quirks::default(),
            r#"{"type":"any","disable_parallel_tool_use":false}"#,
        ),
        (Some(named.clone()), None, &Quirks::default(), r#"{"type":"tool","name":"f"}"#),
        (Some(named), None, &auto_only, r#"{"type":"auto"}"#),
    ] {
        let mut request = hello();
        request.tools = vec![tool("f")];
        (request.tool_choice, request.parallel_tools) = (choice.clone(), parallel);
        assert_eq!(said_to(SONNET, quirks, &request).0["tool_choice"].to_string(), expected, "{choice:?} {parallel:?}");
        request.tools.clear();
        assert!(said_to(SONNET, quirks, &request).0["tool_choice"].is_null(), "no choice among no tools");
    }
    let mut request = hello();
    request.tools = vec![tool("f"), tool("g")];
    request.tool_choice = Some(ToolChoice::Allowed { required: true, names: vec![Text::plain("g")] });
    let (body, dropped) = said(SONNET, &request);
    assert_eq!((body["tools"].as_array().unwrap().len(), &body["tool_choice"]["type"]), (1, &"any".into()));
    assert!(dropped.contains("tool_choice.allowed_tools"));
}

#[test]
fn conversion_38_an_earlier_answer_is_not_known_here() {
    let mut asked = hello();
    asked.previous = Some(Text::plain("resp_1"));
    let to = Destination { model: SONNET, stream: false, quirks: &Quirks::default() };
    assert_eq!(request(&asked, &to, &mut Outgoing::default()).unwrap_err().member, "previous_response_id");
}

#[test]
fn forms_of_the_answer_are_asked_for_as_the_model_takes_them() {
    let mut request = hello();
    request.shape = Shape::JsonSchema {
        name: Text::plain("n"),
        description: None,
        schema: Json::constant(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#),
        strict: None,
    };
    let (body, dropped) = said(SONNET, &request);
    assert_eq!(
        body["output_config"]["format"].to_string(),
        r#"{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}"#
    );
    assert_eq!(dropped, "");
    let (body, dropped) = said("claude-3-5-haiku", &request);
    assert!(body["output_config"].is_null() && body["system"][0]["text"].as_str().unwrap().contains("\"properties\""));
    assert_eq!(dropped, "response_format (approximated)");
    request.shape = Shape::JsonObject;
    assert!(said(SONNET, &request).0["system"][0]["text"].as_str().unwrap().contains("JSON object"));
}

#[test]
fn what_messages_cannot_say_is_reported() {
    let mut request = hello();
    request.stop = vec![Text::plain("END"), Text::plain("\n")];
    request.user = Some(Text::plain("u"));
    request.metadata = Some(Json::constant("{}"));
    request.service_tier = Some(Text::plain("flex"));
    request.verbosity = Some(Text::plain("low"));
    request.store = Some(true);
    request.modalities = vec![Text::plain("text"), Text::plain("audio")];
    request.carry = vec![(Text::plain("logit_x"), Json::constant("1"))];
    request.sampling.n = Some(2);
    request.sampling.presence_penalty = Some(Json::constant("0"));
    let (body, dropped) = said(SONNET, &request);
    assert_eq!((body["stop_sequences"].to_string(), &body["metadata"]["user_id"]), (r#"["END"]"#.into(), &"u".into()));
    assert_eq!(dropped, "n, stop, metadata, service_tier, verbosity, store, modalities, logit_x");
    request.user = Some(Text::plain(&"u".repeat(USER_BYTES_MAX)));
    assert!(said(SONNET, &request).0["metadata"].is_object());
    request.user = Some(Text::plain(&"u".repeat(USER_BYTES_MAX + 1)));
    assert!(said(SONNET, &request).0["metadata"].is_null());
}

#[test]
fn what_is_to_be_gone_on_from_ends_with_no_blank() {
    for (said, told) in [
        ("Sure: ", Some("Sure:")),
        (r"a\n \t\r\n", Some("a")),
        (r"a\\n", Some(r"a\\n")),
        ("a", Some("a")),
        (r" \n", None),
    ] {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","content":"first "}},{{"role":"user","content":"x "}},{{"role":"assistant","content":"{said}"}}]}}"#
        );
        let request = crate::protocol::translate::decode_request(Dialect::Chat, body.as_bytes(), None, false).unwrap();
        let mut out = Outgoing::default();
        let to = Destination { model: "m", stream: false, quirks: &crate::protocol::ir::Quirks::default() };
        crate::protocol::translate::encode_request(Dialect::Anthropic, &request, &to, &mut out).unwrap();
        let body = String::from_utf8(out.body).unwrap();
        assert!(body.contains(r#""text":"first ""#) && body.contains(r#""text":"x ""#), "{body}");
        match told {
            Some(told) => assert!(
                body.contains(&format!(r#"{{"role":"assistant","content":[{{"type":"text","text":"{told}"}}]}}]"#)),
                "{body}"
            ),
            None => assert!(body.contains(r#"{"role":"user","content":[{"type":"text","text":"x "}]}]"#), "{body}"),
        }
    }
}

#[test]
fn a_bound_is_said_even_where_none_is_asked_for() {
    for (model, expected) in [("claude-3-haiku", 4_096), (SONNET, 32_000), ("deepseek-chat", 8_192)] {
        assert_eq!(said(model, &hello()).0["max_tokens"], expected, "{model}");
    }
    let mut request = hello();
    request.output_tokens_max = Some(5);
    assert_eq!(said(SONNET, &request).0["max_tokens"], 5);
}
