use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    CallKind, Function, Input, Instruction, Media, MediaKind, Names, Part, Role, Seal, Source, Tool, ToolCall,
    ToolChoice, ToolResult, Turn,
};

fn text(text: &'static str) -> Part<'static> {
    Part::text(Text::plain(text))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

fn call(id: &'static str, name: &'static str, input: Input<'static>) -> Part<'static> {
    let kind = if matches!(input, Input::Free(_)) { CallKind::Custom } else { CallKind::Function };
    let (id, name) = (Text::constant(id), Text::constant(name));
    Part::ToolCall(ToolCall { id, name, namespace: None, kind, input, seal: None, cache: None, carry: Vec::new() })
}

fn result(id: &'static str, content: Vec<Part<'static>>) -> Part<'static> {
    let (id, kind) = (Text::constant(id), CallKind::Function);
    Part::ToolResult(ToolResult {
        id,
        name: None,
        kind,
        content,
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    })
}

fn image() -> Part<'static> {
    let source = Source::Base64(Text::constant("iVBO"));
    let media_type = Some(Text::constant("image/png"));
    Part::Media(Media {
        kind: MediaKind::Image,
        source,
        media_type,
        name: None,
        detail: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn thought(text: &'static str, seal: Option<Seal<'static>>) -> Part<'static> {
    Part::Reasoning { text: Text::constant(text), seal, id: None, summary: false }
}

fn tool(name: &'static str) -> Tool<'static> {
    Tool::Function(Function {
        name: Text::constant(name),
        namespace: None,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn anthropic() -> Request<'static> {
    let mut request = Request::new(Dialect::Anthropic);
    request.turns.push(turn(Role::User, vec![text("hi")]));
    request
}

struct Written {
    body: String,
    dropped: String,
    names: Names,
}

fn write(request: &Request<'_>, model: &str, stream: bool, quirks: &Quirks) -> Written {
    let mut out = Outgoing::default();
    super::request(request, &Destination { model, stream, quirks }, &mut out).expect("it can be said");
    crate::json::value(&out.body).expect("it is JSON");
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    Written {
        body: String::from_utf8(out.body).unwrap(),
        dropped: String::from_utf8(dropped).unwrap(),
        names: out.names,
    }
}

fn plain(request: &Request<'_>) -> Written {
    write(request, "m", false, &Quirks::default())
}

/// The value of a member of the body.
fn member(body: &str, path: &[&str]) -> String {
    let mut at = crate::json::Raw::parse(body.as_bytes()).unwrap();
    for step in path {
        at = match step.parse::<usize>() {
            Ok(nth) => at.elements().nth(nth).unwrap_or_else(|| panic!("{path:?} in {body}")),
            Err(_) => match at.find(step) {
                Some(value) => value,
                None => return String::new(),
            },
        };
    }
    String::from_utf8(at.bytes().to_vec()).unwrap()
}

fn messages(request: &Request<'_>, quirks: &Quirks) -> String {
    member(&write(request, "m", false, quirks).body, &["messages"])
}

#[test]
fn conversion_02_a_stream_is_asked_for_its_usage() {
    let request = anthropic();
    let said = write(&request, "m", true, &Quirks::default()).body;
    assert!(said.ends_with(r#""stream":true,"stream_options":{"include_usage":true}}"#), "{said}");
    let none = write(&request, "m", true, &Quirks { no_stream_options: true, ..Quirks::default() }).body;
    assert!(none.ends_with(r#""stream":true}"#), "{none}");
    assert!(!plain(&request).body.contains("stream"));
}

#[test]
fn conversion_19_47_49_reasoning_goes_back_where_it_is_wanted() {
    let mut request = anthropic();
    let seal = Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::constant("sig") };
    let input = || Input::Json(Json::constant("{}"));
    request.turns.push(turn(Role::Assistant, vec![thought("hm", Some(seal)), call("a", "f", input())]));
    request.turns.push(turn(Role::User, vec![result("a", vec![text("1")])]));
    request.turns.push(turn(Role::Assistant, vec![call("b", "f", input())]));
    request.turns.push(turn(Role::User, vec![result("b", vec![text("2")])]));
    let quirks = Quirks { replays_reasoning: true, ..Quirks::default() };
    let said = messages(&request, &quirks);
    assert_eq!(member(&said, &["1", "reasoning_content"]), "\"hm\"");
    assert_eq!(member(&said, &["3", "reasoning_content"]), "\"\"", "lost, but wanted");
    let (said, dropped) = (messages(&request, &Quirks::default()), plain(&request).dropped);
    assert!(!said.contains("reasoning") && !said.contains("sig"), "{said}");
    assert_eq!(dropped, "reasoning");
}

#[test]
fn conversion_62_64_what_openrouter_sealed_comes_back_to_it() {
    let mut request = anthropic();
    let data = Text::plain(r#"{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1"}"#);
    let seal = Seal { origin: Dialect::Chat, kind: SealKind::Signature, data };
    request.turns.push(turn(Role::Assistant, vec![thought("hm", Some(seal)), text("a")]));
    assert_eq!(
        member(&messages(&request, &Quirks::default()), &["1", "reasoning_details"]),
        r#"[{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","text":"hm","index":0}]"#
    );
}

#[test]
fn conversion_23_48_instructions_stand_where_the_provider_wants_them() {
    let mut request = anthropic();
    request.instructions.push(Instruction { role: Role::System, parts: vec![text("one"), text("two")] });
    request.turns.push(turn(Role::System, vec![text("amid")]));
    request.turns.push(turn(Role::User, vec![text("more")]));
    let said = |quirks: Quirks| messages(&request, &quirks);
    assert_eq!(
        said(Quirks::default()),
        r#"[{"role":"system","content":"one\n\ntwo"},{"role":"user","content":"hi"},{"role":"system","content":"amid"},{"role":"user","content":"more"}]"#
    );
    assert_eq!(
        said(Quirks { leading_system_only: true, ..Quirks::default() }),
        r#"[{"role":"system","content":"one\n\ntwo\n\namid"},{"role":"user","content":"hi\n\nmore"}]"#
    );
    assert_eq!(
        said(Quirks { no_system_role: true, ..Quirks::default() }),
        r#"[{"role":"user","content":"one\n\ntwo\n\nhi\n\namid\n\nmore"}]"#
    );
}

#[test]
fn conversion_24_developers_are_known_to_few() {
    let mut request = Request::new(Dialect::Responses);
    request.instructions.push(Instruction { role: Role::Developer, parts: vec![text("d")] });
    assert!(messages(&request, &Quirks::default()).contains(r#""role":"system""#));
    assert!(messages(&request, &Quirks { developer_role: true, ..Quirks::default() }).contains(r#""developer""#));
}

#[test]
fn conversion_27_60_calls_stand_together_and_are_answered() {
    let mut request = Request::new(Dialect::Responses);
    request.turns = vec![
        turn(Role::User, vec![text("go")]),
        turn(Role::Assistant, vec![call("a", "f", Input::Text(Text::plain("{\"x\":1}")))]),
        turn(Role::Assistant, vec![call("b", "f", Input::Text(Text::default()))]),
        turn(Role::User, vec![text("and"), result("a", vec![text("1")]), result("z", vec![text("?")])]),
    ];
    assert_eq!(
        messages(&request, &Quirks::default()),
        r#"[{"role":"user","content":"go"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"There is no result of this call."},{"role":"user","content":"and\n\nThe result of an earlier call:\n\n?"}]"#
    );
}

#[test]
fn conversion_28_images_of_results_are_shown_by_the_user() {
    let mut request = anthropic();
    request.turns.push(turn(
        Role::Assistant,
        vec![call("a", "f", Input::Json(Json::constant("{}"))), call("b", "f", Input::Json(Json::constant("{}")))],
    ));
    request.turns.push(turn(Role::User, vec![result("a", vec![image()]), result("b", vec![text("x"), image()])]));
    let said = messages(&request, &Quirks::default());
    assert_eq!(member(&said, &["2", "content"]), "\"The result is shown by the user.\"");
    assert_eq!(member(&said, &["3", "content"]), "\"x\"");
    assert_eq!(
        member(&said, &["4", "content"]),
        r#"[{"type":"text","text":"From the result of call a:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}},{"type":"text","text":"From the result of call b:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]"#
    );
}

#[test]
fn conversion_29_the_bound_has_the_name_that_the_model_knows() {
    let mut request = anthropic();
    request.output_tokens_max = Some(9);
    for (model, name) in [
        ("gpt-4o", "max_tokens"),
        ("gpt-oss-120b", "max_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("openai/gpt-5.1", "max_completion_tokens"),
        ("gpt-5-mini", "max_completion_tokens"),
        ("ollama-x", "max_tokens"),
        ("o1x", "max_tokens"),
    ] {
        let body = write(&request, model, false, &Quirks::default()).body;
        assert_eq!(member(&body, &[name]), "9", "{model}");
        assert_eq!(body.matches("_tokens").count(), 1, "never both: {body}");
    }
    let quirks = Quirks { output_tokens_name: OutputTokensName::MaxCompletionTokens, ..Quirks::default() };
    assert_eq!(member(&write(&request, "m", false, &quirks).body, &["max_completion_tokens"]), "9");
    let quirks = Quirks { output_tokens_name: OutputTokensName::MaxTokens, ..Quirks::default() };
    assert_eq!(member(&write(&request, "gpt-5", false, &quirks).body, &["max_tokens"]), "9");
}

#[test]
fn conversion_31_a_request_is_written_the_same_each_time() {
    let mut request = anthropic();
    request.prompt_cache_key = Some(Text::constant("k"));
    request.tools = vec![tool("b.c"), tool("a")];
    let first = plain(&request);
    assert_eq!(first.body, plain(&request).body);
    assert_eq!(member(&first.body, &["prompt_cache_key"]), "\"k\"");
}

#[test]
fn conversion_33_names_that_cannot_stand_are_replaced_everywhere() {
    let mut request = anthropic();
    request.tools = vec![tool("mcp.run")];
    request.tool_choice =
        Some(ToolChoice::Named { name: Text::constant("mcp.run"), namespace: None, kind: CallKind::Function });
    request.turns.push(turn(Role::Assistant, vec![call("a", "mcp.run", Input::Json(Json::constant("{}")))]));
    let Written { body, names, .. } = plain(&request);
    let said = member(&body, &["tools", "0", "function", "name"]);
    assert_ne!(said, "\"mcp.run\"");
    assert_eq!(body.matches(&said).count(), 3, "{body}");
    assert!(names.meant(said.trim_matches('"')).is_some_and(|name| name.meant.eq_str("mcp.run")));
}

#[test]
fn conversion_34_a_tool_that_takes_any_text_is_a_function() {
    let mut request = Request::new(Dialect::Responses);
    let format = Some(Json::constant(r#"{"type":"grammar","syntax":"lark","definition":"start: x"}"#));
    let (name, description) = (Text::constant("apply_patch"), Some(Text::constant("Edits.")));
    request.tools = vec![Tool::Custom { name, namespace: None, description, format, carry: Vec::new() }];
    request.turns = vec![
        turn(Role::User, vec![text("go")]),
        turn(Role::Assistant, vec![call("a", "apply_patch", Input::Free(Text::plain("*** \"Begin\"\n")))]),
    ];
    let body = plain(&request).body;
    assert_eq!(member(&body, &["tools", "0", "function", "parameters"]), String::from_utf8_lossy(custom_schema()));
    let description = member(&body, &["tools", "0", "function", "description"]);
    assert!(description.starts_with("\"Edits.") && description.contains("start: x"), "{description}");
    assert_eq!(
        member(&body, &["messages", "1", "tool_calls", "0", "function", "arguments"]),
        r#""{\"input\":\"*** \\\"Begin\\\"\\n\"}""#
    );
}

fn custom_schema() -> &'static [u8] {
    crate::protocol::ir::custom::schema().bytes().to_vec().leak()
}

#[test]
fn conversion_35_36_what_only_another_vendor_knows_is_left_out_and_told() {
    let mut request = Request::new(Dialect::Responses);
    let raw = Json::constant(r#"{"type":"image_generation"}"#);
    let mut deferred = tool("f");
    if let Tool::Function(function) = &mut deferred {
        function.namespace = Some(Text::constant("crm"));
        function.carry.push((Text::constant("defer_loading"), Json::constant("true")));
    }
    request.namespaces = vec![(Text::constant("crm"), Text::constant("Customers."))];
    request.tools = vec![Tool::Foreign { origin: Dialect::Responses, raw }, deferred];
    request.carry = vec![(Text::constant("client_metadata"), Json::constant("{}"))];
    let Written { body, dropped, .. } = plain(&request);
    assert_eq!(
        member(&body, &["tools"]),
        r#"[{"type":"function","function":{"name":"crm__f","parameters":{"type":"object","properties":{}}}}]"#
    );
    assert_eq!(dropped, "tools.image_generation, tools.defer_loading, client_metadata");
}

#[test]
fn conversion_37_66_the_choice_of_a_tool_is_said_in_chats_words() {
    let named = |kind| ToolChoice::Named { name: Text::constant("f"), namespace: None, kind };
    for (choice, said, tools) in [
        (ToolChoice::Auto, "\"auto\"", 2),
        (ToolChoice::None, "\"none\"", 2),
        (ToolChoice::Required, "\"required\"", 2),
        (named(CallKind::Function), r#"{"type":"function","function":{"name":"f"}}"#, 2),
        (ToolChoice::Allowed { required: true, names: vec![Text::constant("g")] }, "\"required\"", 1),
        (ToolChoice::Allowed { required: false, names: vec![Text::constant("g")] }, "\"auto\"", 1),
    ] {
        let mut request = anthropic();
        request.tools = vec![tool("f"), tool("g")];
        request.parallel_tools = Some(false);
        let forced =
            !matches!(choice, ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. });
        request.tool_choice = Some(choice);
        let body = plain(&request).body;
        assert_eq!(member(&body, &["tool_choice"]), said);
        assert_eq!(member(&body, &["parallel_tool_calls"]), "false");
        assert_eq!(body.matches(r#""type":"function","function":{"name":"f","param"#).count(), tools - 1);
        let quirks = Quirks { tool_choice_auto_only: true, ..Quirks::default() };
        let Written { body, dropped, .. } = write(&request, "m", false, &quirks);
        if forced {
            assert_eq!((&*member(&body, &["tool_choice"]), &*dropped), ("\"auto\"", "tool_choice (approximated)"));
        }
    }
    let mut request = anthropic();
    request.tool_choice = Some(ToolChoice::Required);
    request.parallel_tools = Some(false);
    let body = plain(&request).body;
    assert!(!body.contains("tool"), "without tools there is no choice: {body}");
}

#[test]
fn conversion_38_an_answer_that_is_kept_elsewhere_is_refused() {
    let mut request = Request::new(Dialect::Responses);
    request.previous = Some(Text::constant("resp_1"));
    let quirks = Quirks::default();
    let to = Destination { model: "m", stream: false, quirks: &quirks };
    let bad = super::request(&request, &to, &mut Outgoing::default()).unwrap_err();
    assert_eq!(bad.member, "previous_response_id");
}

#[test]
fn conversion_20_thinking_is_said_in_the_words_of_the_model() {
    let budget = Thinking::Budget(31_999);
    for (model, thinking, said, dropped) in [
        ("gpt-4o", budget, "", "reasoning"),
        ("o3", budget, "\"high\"", "reasoning (approximated)"),
        ("gpt-5", Thinking::Effort(Effort::Minimal), "\"minimal\"", ""),
        ("gpt-5.1", Thinking::Effort(Effort::Max), "\"xhigh\"", "reasoning (approximated)"),
        ("deepseek-chat", Thinking::Budget(2_000), "\"medium\"", ""),
        ("gpt-5.1", Thinking::Off, "\"none\"", ""),
        ("gpt-5", Thinking::Off, "\"minimal\"", "reasoning (approximated)"),
        ("gpt-4o", Thinking::Off, "", ""),
        ("qwen", Thinking::Off, "", "reasoning"),
        ("o3", Thinking::Auto, "", ""),
    ] {
        let mut request = anthropic();
        request.reasoning.thinking = thinking;
        let written = write(&request, model, false, &Quirks::default());
        let told = (member(&written.body, &["reasoning_effort"]), written.dropped);
        assert_eq!((&*told.0, &*told.1), (said, dropped), "{model} {thinking:?}");
    }
}

#[test]
fn what_models_that_reason_refuse_is_left_out() {
    let mut request = anthropic();
    request.sampling.temperature = Some(Json::constant("0.10"));
    request.sampling.top_k = Some(Json::constant("64"));
    request.sampling.n = Some(2);
    request.stop = vec![Text::constant("x")];
    let written = write(&request, "gpt-5", false, &Quirks::default());
    assert_eq!(written.dropped, "temperature, top_k, n, stop");
    let written = write(&request, "mistral", false, &Quirks::default());
    assert_eq!(written.dropped, "top_k, n");
    assert_eq!(member(&written.body, &["temperature"]), "0.10", "digits stay");
    assert_eq!(member(&written.body, &["stop"]), r#"["x"]"#);
}

#[test]
fn stop_words_and_users_are_bounded() {
    let mut request = anthropic();
    request.stop = ["a", "b", "c", "d", "e"].map(Text::constant).to_vec();
    request.user = Some(Text::plain(&"u".repeat(USER_BYTES_MAX)));
    let written = plain(&request);
    assert_eq!(member(&written.body, &["stop"]), r#"["a","b","c","d"]"#);
    assert_eq!(member(&written.body, &["user"]).len(), USER_BYTES_MAX + 2);
    assert_eq!(written.dropped, "stop (approximated)");
    request.user = Some(Text::plain(&"u".repeat(USER_BYTES_MAX + 1)));
    let written = plain(&request);
    assert_eq!(member(&written.body, &["user"]).len(), 34);
    assert_eq!(written.dropped, "stop (approximated), user (approximated)");
}

#[test]
fn media_are_said_as_chat_knows_them() {
    let media = |kind, source, media_type: &'static str, name: Option<&'static str>| {
        let media_type = Some(Text::constant(media_type));
        let name = name.map(Text::constant);
        Part::Media(Media { kind, source, media_type, name, detail: None, cache: None, carry: Vec::new() })
    };
    let base64 = || Source::Base64(Text::constant("AAAA"));
    let mut request = anthropic();
    request.turns[0].parts = vec![
        text("see"),
        media(MediaKind::Image, Source::Url(Text::constant("https://x/y.png")), "image/png", None),
        media(MediaKind::Document, base64(), "application/pdf", Some("a.pdf")),
        media(MediaKind::Document, Source::Text(Text::constant("t")), "text/plain", Some("n")),
        media(MediaKind::Audio, base64(), "audio/mpeg", None),
        media(MediaKind::Video, base64(), "video/mp4", None),
    ];
    assert_eq!(
        member(&plain(&request).body, &["messages", "0", "content"]),
        r#"[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"https://x/y.png"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}},{"type":"text","text":"n:\n\nt"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AAAA"}}]"#
    );
    for (kind, source) in [
        (MediaKind::Image, Source::File { origin: Dialect::Anthropic, id: Text::constant("file_1") }),
        (MediaKind::Document, Source::File { origin: Dialect::Gemini, id: Text::constant("f") }),
        (MediaKind::Audio, Source::Url(Text::constant("https://x"))),
    ] {
        request.turns[0].parts = vec![media(kind, source, "x/y", None)];
        let quirks = Quirks::default();
        let to = Destination { model: "m", stream: false, quirks: &quirks };
        let bad = super::request(&request, &to, &mut Outgoing::default()).unwrap_err();
        assert_eq!(bad.member, "messages");
    }
}

#[test]
fn shapes_and_accounts_are_said() {
    let mut request = anthropic();
    request.shape = Shape::JsonSchema {
        name: Text::default(),
        description: None,
        schema: Json::constant(r#"{"type":"object"}"#),
        strict: Some(true),
    };
    request.service_tier = Some(Text::constant("standard_only"));
    request.store = Some(true);
    request.modalities = vec![Text::constant("text"), Text::constant("image"), Text::constant("audio")];
    let written = plain(&request);
    assert_eq!(
        member(&written.body, &["response_format"]),
        r#"{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"},"strict":true}}"#
    );
    assert_eq!(member(&written.body, &["service_tier"]), "\"default\"");
    assert_eq!(member(&written.body, &["modalities"]), r#"["text","image"]"#);
    assert_eq!(written.dropped, "store, modalities.audio");
}

#[test]
fn calls_of_protocols_without_ids_get_some() {
    let mut request = Request::new(Dialect::Gemini);
    request.turns = vec![
        turn(Role::User, vec![text("go")]),
        turn(Role::Assistant, vec![call("", "f", Input::Json(Json::constant("{}")))]),
        turn(Role::User, vec![result("", vec![])]),
    ];
    let Part::ToolResult(answer) = &mut request.turns[2].parts[0] else { panic!("a result") };
    answer.json = Some(Json::constant(r#"{"a":"b"}"#));
    answer.failed = true;
    let said = messages(&request, &Quirks::default());
    assert_eq!(member(&said, &["1", "tool_calls", "0", "id"]), "\"call_0\"");
    assert_eq!(member(&said, &["2"]), r#"{"role":"tool","tool_call_id":"call_0","content":"Error:\n\n{\"a\":\"b\"}"}"#);
}
