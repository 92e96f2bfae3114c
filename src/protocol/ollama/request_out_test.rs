use super::*;
use crate::json::Raw;
use crate::protocol::ir::{
    Action, Input, Instruction, Media, MediaKind, Part, Quirks, Role, Seal, Source, ToolCall, ToolResult, Turn,
    WebSearch, seal::SealKind,
};

fn written(asked: &Request<'_>, quirks: &Quirks) -> Outgoing {
    written_for("up", asked, quirks)
}

fn written_for(model: &str, asked: &Request<'_>, quirks: &Quirks) -> Outgoing {
    let mut out = Outgoing::default();
    let to = Destination { model, stream: true, quirks };
    request(asked, &to, &mut out).expect("it can be said");
    crate::json::value(&out.body).expect("it is JSON");
    out
}

/// The body without model and stream, and what was dropped.
fn said(asked: &Request<'_>) -> (String, String) {
    let out = written(asked, &Quirks::default());
    let body = String::from_utf8(out.body).expect("UTF-8");
    let body =
        body.strip_prefix(r#"{"model":"up","messages":["#).and_then(|body| body.strip_suffix(r#","stream":true}"#));
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    (body.expect("it begins and ends so").to_owned(), String::from_utf8(dropped).expect("UTF-8"))
}

fn asked(origin: Dialect, turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::new(origin) }
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

fn text(text: &'static str) -> Part<'static> {
    Part::text(Text::constant(text))
}

fn call(id: &'static str, name: &'static str, input: Input<'static>) -> ToolCall<'static> {
    let (id, name) = (Text::constant(id), Text::plain(name));
    ToolCall { id, name, namespace: None, kind: CallKind::Function, input, seal: None, cache: None, carry: Vec::new() }
}

fn result(id: &'static str, content: Vec<Part<'static>>) -> ToolResult<'static> {
    let (id, kind) = (Text::constant(id), CallKind::Function);
    ToolResult { id, name: None, kind, content, json: None, failed: false, cache: None, carry: Vec::new() }
}

fn image(source: Source<'static>) -> Part<'static> {
    let (kind, media_type) = (MediaKind::Image, Some(Text::constant("image/png")));
    Part::Media(Media { kind, source, media_type, name: None, detail: None, cache: None, carry: Vec::new() })
}

fn function(name: &'static str) -> Tool<'static> {
    let (name, parameters) = (Text::plain(name), Some(Json::constant(r#"{"type":"object"}"#)));
    let (namespace, description, strict, cache, carry) = (None, None, None, None, Vec::new());
    Tool::Function(Function { name, namespace, description, parameters, strict, cache, carry })
}

#[test]
fn conversion_28_results_keep_their_pictures_and_the_name_of_their_tool() {
    let png = image(Source::Base64(Text::constant("iVBO")));
    let mut failed = result("b", vec![text("no")]);
    failed.failed = true;
    let calls = vec![
        Part::ToolCall(call("a", "see", Input::Text(Text::plain("{\"x\":1}")))),
        Part::ToolCall(call("b", "see", Input::Text(Text::default()))),
    ];
    let results = vec![Part::ToolResult(result("a", vec![text("here"), png])), Part::ToolResult(failed), text("so?")];
    let (body, dropped) =
        said(&asked(Dialect::Anthropic, vec![turn(Role::Assistant, calls), turn(Role::User, results)]));
    assert_eq!(
        body,
        concat!(
            r#"{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"index":0,"name":"see","arguments":{"x":1}}},"#,
            r#"{"id":"b","function":{"index":1,"name":"see","arguments":{}}}]},"#,
            r#"{"role":"tool","content":"here","images":["iVBO"],"tool_name":"see","tool_call_id":"a"},"#,
            r#"{"role":"tool","content":"Error:\n\nno","tool_name":"see","tool_call_id":"b"},"#,
            r#"{"role":"user","content":"so?"}]"#
        )
    );
    assert_eq!(dropped, "");
}

#[test]
fn conversion_24_25_48_instructions_stand_where_the_provider_wants_them() {
    let mut request =
        asked(Dialect::Chat, vec![turn(Role::User, vec![text("u")]), turn(Role::System, vec![text("c")])]);
    for (role, part) in [(Role::Developer, "a"), (Role::System, "b")] {
        request.instructions.push(Instruction { role, parts: vec![text(part)] });
    }
    let messages = |quirks: Quirks| {
        let body = String::from_utf8(written(&request, &quirks).body).expect("UTF-8");
        let all = json_messages(&body);
        all.join(" ")
    };
    assert_eq!(messages(Quirks::default()), "system:a system:b user:u system:c");
    assert_eq!(messages(Quirks { leading_system_only: true, ..Quirks::default() }), "system:a\\n\\nb\\n\\nc user:u");
    assert_eq!(messages(Quirks { no_system_role: true, ..Quirks::default() }), "user:a user:b user:u user:c");
    assert_eq!(messages(Quirks { developer_role: true, ..Quirks::default() }), "developer:a system:b user:u system:c");
}

fn json_messages(body: &str) -> Vec<String> {
    let messages = crate::json::find(body.as_bytes(), "messages").expect("messages");
    let member = |message: Raw<'_>, name: &str| {
        let text = message.find(name).and_then(Raw::as_str).expect("a string");
        String::from_utf8_lossy(text.bytes()).into_owned()
    };
    messages.elements().map(|message| format!("{}:{}", member(message, "role"), member(message, "content"))).collect()
}

#[test]
fn conversion_16_17_47_64_thoughts_of_another_vendor_are_thoughts_without_a_seal() {
    let reasoning = |text: &'static str| Part::Reasoning {
        text: Text::constant(text),
        seal: Some(Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::constant("Eo4C") }),
        id: None,
        summary: false,
    };
    let parts = vec![reasoning("hm"), reasoning(""), text("so")];
    let (body, dropped) = said(&asked(Dialect::Anthropic, vec![turn(Role::Assistant, parts)]));
    assert_eq!(body, r#"{"role":"assistant","content":"so","thinking":"hm"}]"#);
    assert_eq!(dropped, "messages.reasoning", "what nobody can read here is reported");
}

#[test]
fn conversion_20_21_29_bounds_and_efforts_have_ollamas_names() {
    let mut request = asked(Dialect::Responses, Vec::new());
    request.output_tokens_max = Some(100);
    request.sampling.temperature = Some(Json::constant("0.10"));
    request.sampling.repetition_penalty = Some(Json::constant("1.1"));
    request.stop = vec![Text::constant("x")];
    for (thinking, level, others) in [
        (Thinking::Unsaid, "", ""),
        (Thinking::Off, r#","think":false"#, r#","think":false"#),
        (Thinking::Auto, "", ""),
        (Thinking::Effort(Effort::Minimal), r#","think":"low""#, ""),
        (Thinking::Effort(Effort::Medium), r#","think":"medium""#, ""),
        (Thinking::Effort(Effort::Max), r#","think":"high""#, ""),
        (Thinking::Budget(31_999), r#","think":"high""#, ""),
    ] {
        request.reasoning.thinking = thinking;
        let options = r#","options":{"temperature":0.10,"repeat_penalty":1.1,"num_predict":100,"stop":["x"]}"#;
        for (model, expected) in [("gpt-oss:20b", level), ("llama3", others)] {
            let out = written_for(model, &request, &Quirks::default());
            let body = String::from_utf8(out.body).expect("UTF-8");
            assert_eq!(body, format!(r#"{{"model":"{model}","messages":[]{expected}{options},"stream":true}}"#));
            let asked = matches!(thinking, Thinking::Effort(_) | Thinking::Budget(_));
            let exact = !asked || (thinking == Thinking::Effort(Effort::Medium) && model == "gpt-oss:20b");
            assert_eq!(out.dropped.is_empty(), exact, "{thinking:?} of {model}");
        }
    }
}

#[test]
fn shapes_are_formats() {
    let mut request = asked(Dialect::Chat, Vec::new());
    request.shape = Shape::JsonObject;
    assert_eq!(said(&request).0, r#"],"format":"json""#);
    request.shape = Shape::JsonSchema {
        name: Text::constant("n"),
        description: Some(Text::constant("d")),
        schema: Json::constant(r#"{"type":"object"}"#),
        strict: Some(true),
    };
    assert_eq!(said(&request), (r#"],"format":{"type":"object"}"#.into(), "response_format.description".into()));
}

#[test]
fn conversion_37_only_the_tools_that_may_be_called_are_sent() {
    let mut request = asked(Dialect::Chat, Vec::new());
    request.tools = vec![function("f"), function("g")];
    let names = |request: &Request<'_>| {
        let (body, dropped) = said(request);
        let named = ["f", "g"].into_iter().filter(|name| body.contains(&format!(r#""name":"{name}""#)));
        (named.collect::<String>(), dropped)
    };
    let named = ToolChoice::Named { name: Text::constant("g"), namespace: None, kind: CallKind::Function };
    let allowed = ToolChoice::Allowed { required: false, names: vec![Text::constant("f")] };
    for (choice, sent, dropped) in [
        (None, "fg", ""),
        (Some(ToolChoice::Auto), "fg", ""),
        (Some(ToolChoice::None), "", ""),
        (Some(ToolChoice::Required), "fg", "tool_choice"),
        (Some(named), "g", "tool_choice (approximated)"),
        (Some(allowed), "f", "tool_choice (approximated)"),
    ] {
        request.tool_choice = choice;
        assert_eq!(names(&request), (sent.to_owned(), dropped.to_owned()), "{:?}", request.tool_choice);
    }
    request.tool_choice = None;
    request.parallel_tools = Some(false);
    assert_eq!(names(&request).1, "parallel_tool_calls");
}

#[test]
fn conversion_33_34_35_tools_of_all_kinds_are_functions_or_are_reported() {
    let mut request = asked(Dialect::Responses, Vec::new());
    let Tool::Function(mut grouped) = function("open") else { panic!("it is one") };
    grouped.namespace = Some(Text::constant("mcp"));
    grouped.strict = Some(true);
    let raw = || Json::constant(r#"{"type":"local_shell"}"#);
    request.tools = vec![
        Tool::Function(grouped),
        function("a.b"),
        Tool::Custom {
            name: Text::constant("apply_patch"),
            namespace: None,
            description: None,
            format: None,
            carry: Vec::new(),
        },
        Tool::WebSearch(WebSearch::new(Dialect::Responses, Json::constant("{}"))),
        Tool::Foreign { origin: Dialect::Responses, raw: raw() },
    ];
    let free = ToolCall { kind: CallKind::Custom, ..call("c", "apply_patch", Input::Free(Text::constant("*** a"))) };
    request.turns = vec![turn(Role::Assistant, vec![Part::ToolCall(free)])];
    let out = written(&request, &Quirks::default());
    let body = String::from_utf8(out.body).expect("UTF-8");
    assert!(body.contains(r#""function":{"index":0,"name":"apply_patch","arguments":{"input":"*** a"}}"#), "{body}");
    assert!(body.contains(r#""name":"mcp__open""#) && body.contains(r#""required":["input"]"#), "{body}");
    assert!(!body.contains("web_search") && !body.contains("local_shell"));
    let dropped: Vec<_> = out.dropped.iter().collect();
    let gone = |name| (name, Action::Dropped);
    assert_eq!(dropped, [gone("tools.strict"), gone("tools.web_search"), gone("tools.local_shell")]);
    for (said, meant) in [("mcp__open", "open"), ("apply_patch", "apply_patch")] {
        assert!(out.names.meant(said).is_some_and(|name| name.meant.eq_str(meant)), "{said}");
    }
    assert!(!out.names.is_plain());
}

#[test]
fn conversion_38_an_earlier_answer_is_not_known() {
    let mut asked = asked(Dialect::Responses, Vec::new());
    asked.previous = Some(Text::constant("resp_1"));
    let to = Destination { model: "m", stream: false, quirks: &Quirks::default() };
    let bad = request(&asked, &to, &mut Outgoing::default()).expect_err("Ollama keeps none");
    assert_eq!(bad.member, "previous_response_id");
}

#[test]
fn conversion_45_61_what_ollama_has_no_word_for_is_reported() {
    let mut request = asked(Dialect::Chat, Vec::new());
    request.sampling.n = Some(2);
    request.sampling.logit_bias = Some(Json::constant("{}"));
    request.user = Some(Text::constant("u"));
    request.store = Some(false);
    request.carry = vec![(Text::constant("top_a"), Json::constant("1"))];
    let cache = Some(Json::constant("{}"));
    request.turns = vec![turn(Role::User, vec![Part::Text { text: Text::constant("a"), cache, citations: None }])];
    let (body, dropped) = said(&request);
    assert_eq!(body, r#"{"role":"user","content":"a"}]"#);
    assert_eq!(dropped, "cache_control, n, logit_bias, user, top_a");
}

#[test]
fn what_only_generate_knows_is_reported() {
    let body = include_bytes!("../../../tests/golden/ollama/generate.json");
    let (body, dropped) = said(&crate::protocol::ollama::request_in::request(body).expect("it is one"));
    assert!(body.starts_with(r#"{"role":"system","content":"You write Python."},{"role":"user","content":"def"#));
    assert!(body.ends_with(r#""options":{"temperature":0,"num_predict":-1,"stop":["<EOT>"]}"#), "{body}");
    assert_eq!(dropped, "suffix, template, context, raw");
}

#[test]
fn pictures_elsewhere_sound_and_documents_cannot_be_said() {
    let media = |kind, source| {
        Part::Media(Media { kind, source, media_type: None, name: None, detail: None, cache: None, carry: Vec::new() })
    };
    let to = Destination { model: "m", stream: false, quirks: &Quirks::default() };
    let data = || Source::Base64(Text::constant("AAAA"));
    for part in [
        image(Source::Url(Text::constant("https://example.com/a.png"))),
        image(Source::File { origin: Dialect::Chat, id: Text::constant("file-1") }),
        media(MediaKind::Document, data()),
        media(MediaKind::Audio, data()),
        media(MediaKind::Video, data()),
    ] {
        let asked = asked(Dialect::Chat, vec![turn(Role::User, vec![part])]);
        let bad = request(&asked, &to, &mut Outgoing::default()).expect_err("it cannot be said");
        assert_eq!(bad.member, "messages");
    }
    let plain = media(MediaKind::Document, Source::Text(Text::constant("a text")));
    let asked = asked(Dialect::Anthropic, vec![turn(Role::User, vec![plain, text("b")])]);
    assert_eq!(said(&asked).0, r#"{"role":"user","content":"a text\n\nb"}]"#);
}
