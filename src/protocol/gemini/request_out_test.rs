use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    Action, Input, Instruction, Media, MediaKind, Quirks, Role, Seal, Source, ToolCall, ToolResult, Turn, WebSearch,
};

fn text(plain: &str) -> Text<'static> {
    Text::plain(plain)
}

fn asked(turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(Dialect::Anthropic);
    request.turns = turns;
    request
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

fn hello() -> Request<'static> {
    asked(vec![turn(Role::User, vec![Part::text(text("hi"))])])
}

fn call(id: &str, name: &str, args: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: text(id),
        name: text(name),
        namespace: None,
        kind: CallKind::Function,
        input: Input::Json(Json::constant(args)),
        seal: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn result(id: &str, content: Vec<Part<'static>>) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: text(id),
        name: None,
        kind: CallKind::Function,
        content,
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    })
}

fn reasoning(said: &str, seal: Option<(Dialect, SealKind, &str)>) -> Part<'static> {
    let seal = seal.map(|(origin, kind, data)| Seal { origin, kind, data: text(data) });
    Part::Reasoning { text: text(said), seal, id: None, summary: false }
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

fn function(name: &str, parameters: Option<&'static str>) -> Tool<'static> {
    Tool::Function(Function {
        name: text(name),
        namespace: None,
        description: None,
        parameters: parameters.map(Json::constant),
        strict: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn written_for(model: &str, quirks: &Quirks, request: &Request<'_>) -> (String, Vec<String>, Names) {
    let mut out = Outgoing::default();
    super::request(request, &Destination { model, stream: true, quirks }, &mut out).expect("it can be said");
    crate::json::value(&out.body).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&out.body)));
    let dropped = out.dropped.iter().map(|(name, action)| match action {
        Action::Dropped => name.to_owned(),
        Action::Approximated => format!("~{name}"),
    });
    (String::from_utf8(out.body).unwrap(), dropped.collect(), out.names)
}

fn written(request: &Request<'_>) -> (String, Vec<String>) {
    let (body, dropped, _) = written_for("gemini-3-pro", &Quirks::default(), request);
    (body, dropped)
}

fn contents(request: &Request<'_>) -> String {
    let body = written(request).0;
    String::from_utf8_lossy(crate::json::find(body.as_bytes(), "contents").unwrap().bytes()).into_owned()
}

#[test]
fn conversion_18_signatures_go_back_and_lost_ones_are_excused() {
    let history = |first: Vec<Part<'static>>| {
        let mut parts = first;
        parts.extend([call("a", "f", "{}"), call("b", "g", "{}")]);
        let results = vec![result("a", vec![Part::text(text("1"))]), result("b", vec![Part::text(text("2"))])];
        asked(vec![
            turn(Role::User, vec![Part::text(text("go"))]),
            turn(Role::Assistant, parts),
            turn(Role::User, results),
        ])
    };
    // As a client of another dialect kept it: a thought of nothing before its call.
    let kept = contents(&history(vec![reasoning("", Some((Dialect::Gemini, SealKind::Call, "U2ln")))]));
    let calls = r#"{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"U2ln"},{"functionCall":{"id":"b","name":"g","args":{}}}]}"#;
    assert!(kept.contains(calls), "{kept}");
    // Another vendor's is none, and only the first call of a turn is asked for one.
    let lost = contents(&history(vec![reasoning("hm", Some((Dialect::Anthropic, SealKind::Signature, "x")))]));
    assert!(lost.contains(r#"{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"b","name":"g","args":{}}}]"#), "{lost}");
    assert!(!lost.contains("hm"));
    let (old, ..) = written_for("gemini-2.5-flash", &Quirks::default(), &history(Vec::new()));
    assert!(!old.contains("thoughtSignature"), "older models do not ask");
}

#[test]
fn conversion_16_own_thoughts_go_back_as_they_were_and_47_others_do_not() {
    let request = asked(vec![
        turn(Role::User, vec![Part::text(text("go"))]),
        turn(
            Role::Assistant,
            vec![
                reasoning("mine", Some((Dialect::Gemini, SealKind::Signature, "cw=="))),
                Part::text(text("said")),
                reasoning("", Some((Dialect::Gemini, SealKind::Signature, "dA=="))),
                reasoning("theirs", Some((Dialect::Anthropic, SealKind::Signature, "x"))),
                reasoning("nobody's", None),
            ],
        ),
        turn(Role::User, vec![Part::text(text("on"))]),
    ]);
    let (body, dropped) = written(&request);
    let model = r#"{"role":"model","parts":[{"text":"mine","thought":true,"thoughtSignature":"cw=="},{"text":"said","thoughtSignature":"dA=="}]}"#;
    assert!(body.contains(model), "{body}");
    assert_eq!(dropped, ["reasoning"]);
}

#[test]
fn conversion_24_instructions_are_one_and_23_later_ones_keep_their_place() {
    let mut request = hello();
    for (role, said) in [(Role::System, "one"), (Role::Developer, "two")] {
        request.instructions.push(Instruction { role, parts: vec![Part::text(text(said))] });
    }
    request.turns.push(turn(Role::System, vec![Part::text(text("now \"x\""))]));
    let (body, _) = written(&request);
    assert_eq!(
        body,
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"},{"text":"<system-reminder>\nnow \"x\"\n</system-reminder>"}]}],"#,
            r#""systemInstruction":{"parts":[{"text":"one"},{"text":"two"}]}}"#
        )
    );
}

#[test]
fn conversion_27_sides_take_turns_and_every_call_is_answered() {
    let request = asked(vec![
        turn(Role::Assistant, vec![Part::text(text("first"))]),
        turn(Role::Assistant, vec![call("a", "f", r#"{"x":0.10}"#)]),
        turn(Role::User, vec![Part::text(text("never mind")), result("zz", vec![Part::text(text("late"))])]),
    ]);
    let (body, dropped, _) = written_for("gemini-2.5-pro", &Quirks::default(), &request);
    assert_eq!(
        body,
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"."}]},"#,
            r#"{"role":"model","parts":[{"text":"first"},{"functionCall":{"id":"a","name":"f","args":{"x":0.10}}}]},"#,
            r#"{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":"the tool gave no result"}}},"#,
            r#"{"text":"never mind"},{"text":"Result of a tool: late"}]}]}"#
        )
    );
    assert_eq!(dropped, ["~tool_result"]);
}

#[test]
fn conversion_28_images_in_results_arrive() {
    let results = vec![result("a", vec![Part::text(text("seen")), image(), Part::text(text("twice"))])];
    let request = asked(vec![
        turn(Role::User, vec![Part::text(text("look"))]),
        turn(Role::Assistant, vec![call("a", "f", "{}")]),
        turn(Role::User, results),
    ]);
    let new = contents(&request);
    let inline = r#"{"inlineData":{"mimeType":"image/png","data":"iVBO"}}"#;
    let response = r#"{"functionResponse":{"id":"a","name":"f","response":{"output":"seen\ntwice"}"#;
    assert!(new.contains(&format!(r#"{response},"parts":[{inline}]}}}}"#)), "{new}");
    let old = written_for("gemini-2.5-pro", &Quirks::default(), &request).0;
    assert!(old.contains(&format!("{response}}}}},{inline}]")), "{old}");
}

#[test]
fn conversion_26_empty_texts_are_not_said() {
    let request = asked(vec![turn(Role::User, vec![Part::text(Text::default()), Part::text(text("hi"))])]);
    assert_eq!(contents(&request), r#"[{"role":"user","parts":[{"text":"hi"}]}]"#);
    assert_eq!(contents(&asked(Vec::new())), r#"[{"role":"user","parts":[{"text":"."}]}]"#);
}

#[test]
fn media_are_said_where_they_are() {
    let media = |kind, source| {
        Part::Media(Media { kind, source, media_type: None, name: None, detail: None, cache: None, carry: Vec::new() })
    };
    let request = asked(vec![turn(
        Role::User,
        vec![
            image(),
            media(MediaKind::Document, Source::Url(text("https://x.example/a.pdf"))),
            media(MediaKind::Video, Source::File { origin: Dialect::Gemini, id: text("files/1") }),
            media(MediaKind::Document, Source::Text(text("plain"))),
        ],
    )]);
    assert_eq!(
        contents(&request),
        concat!(
            r#"[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBO"}},"#,
            r#"{"fileData":{"mimeType":"application/pdf","fileUri":"https://x.example/a.pdf"}},"#,
            r#"{"fileData":{"mimeType":"video/mp4","fileUri":"files/1"}},{"text":"plain"}]}]"#
        )
    );
    let foreign = media(MediaKind::Image, Source::File { origin: Dialect::Responses, id: text("file-1") });
    let quirks = Quirks::default();
    let to = Destination { model: "m", stream: false, quirks: &quirks };
    let refused = super::request(&asked(vec![turn(Role::User, vec![foreign])]), &to, &mut Outgoing::default());
    assert_eq!(refused.unwrap_err().member, "content.file_id");
}

#[test]
fn conversion_12_arguments_as_text_become_an_object() {
    let with = |input| {
        let call = ToolCall {
            id: Text::default(),
            name: text("f"),
            namespace: None,
            kind: CallKind::Function,
            input,
            seal: None,
            cache: None,
            carry: Vec::new(),
        };
        let request = asked(vec![
            turn(Role::User, vec![Part::text(text("go"))]),
            turn(Role::Assistant, vec![Part::ToolCall(call)]),
        ]);
        let body = contents(&request);
        let start = body.find(r#""args":"#).unwrap() + 7;
        String::from_utf8_lossy(
            &body.as_bytes()[start
                ..start
                    + crate::json::behind(&body.as_bytes()[start..]).map_or(0, |rest| body.len() - start - rest.len())],
        )
        .into_owned()
    };
    assert_eq!(with(Input::Text(text(r#"{"a": "q\"\n", "n": 1.50}"#))), r#"{"a": "q\"\n", "n": 1.50}"#);
    assert_eq!(with(Input::Text(Text::default())), "{}");
    assert_eq!(with(Input::Text(text("[1]"))), r#"{"input":[1]}"#);
    assert_eq!(with(Input::Text(text("{\"a"))), r#"{"input":"{\"a"}"#);
    assert_eq!(with(Input::Free(text("*** patch"))), r#"{"input":"*** patch"}"#);
}

#[test]
fn conversion_32_33_34_35_tools_are_fit_named_and_wrapped() {
    let mut request = hello();
    request.tools = vec![
        function(
            "mcp.server/tool",
            Some(
                r#"{"type":"object","$schema":"x","properties":{"a":{"type":["string","null"]}},"additionalProperties":false}"#,
            ),
        ),
        function("nothing", Some(r#"{"type":"object","properties":{}}"#)),
        Tool::Custom {
            name: text("apply_patch"),
            namespace: None,
            description: Some(text("Patches.")),
            format: None,
            carry: Vec::new(),
        },
        Tool::Foreign { origin: Dialect::Responses, raw: Json::constant(r#"{"type":"local_shell"}"#) },
        Tool::WebSearch(WebSearch::new(Dialect::Responses, Json::constant("{}"))),
    ];
    let (body, dropped, names) = written_for("gemini-3-pro", &Quirks::default(), &request);
    let declared = r#""tools":[{"functionDeclarations":[{"name":"mcp_server_tool_"#;
    assert!(body.contains(declared), "{body}");
    assert!(body.contains(r#""parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}},{"name":"nothing"},{"name":"apply_patch","description":"Patches.\n\n"#), "{body}");
    assert!(body.contains(r#""required":["input"]}}]}]"#), "{body}");
    assert_eq!(dropped, ["tools.local_shell", "tools.web_search"]);
    let said = body.split(r#"{"name":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(names.meant(said).is_some_and(|name| name.meant == text("mcp.server/tool")));
    assert_eq!(names.meant("apply_patch").map(|name| name.kind), Some(CallKind::Custom));

    request.tools.drain(..4);
    let (body, dropped) = written(&request);
    assert!(body.contains(r#""tools":[{"googleSearch":{}}]"#) && dropped.is_empty(), "{body}");
}

#[test]
fn conversion_32_a_provider_may_take_json_schema_whole() {
    let mut request = hello();
    let schema = r#"{"type":"object","$defs":{},"properties":{"a":{"const":1}}}"#;
    request.tools = vec![function("f", Some(schema))];
    request.shape =
        Shape::JsonSchema { name: text("s"), description: None, schema: Json::constant(schema), strict: None };
    let quirks = Quirks { json_schema_tools: true, ..Quirks::default() };
    let (body, dropped, _) = written_for("gemini-3-pro", &quirks, &request);
    assert!(body.contains(&format!(r#""parametersJsonSchema":{schema}"#)), "{body}");
    assert!(
        body.contains(&format!(r#""responseMimeType":"application/json","responseJsonSchema":{schema}"#)),
        "{body}"
    );
    assert!(dropped.is_empty());
    let (body, dropped) = written(&request);
    assert!(body.contains(r#""responseSchema":{"type":"OBJECT""#), "{body}");
    assert_eq!(dropped, ["~tools.parameters", "~response_format.schema"]);
    let old = written_for("gemini-2.5-pro", &Quirks::default(), &request);
    assert!(!old.0.contains("responseMimeType") && old.1.contains(&"response_format".to_owned()));
}

#[test]
fn conversion_37_the_choice_of_tools() {
    let named = ToolChoice::Named { name: text("f"), namespace: None, kind: CallKind::Function };
    let allowed = |required| ToolChoice::Allowed { required, names: vec![text("f"), text("g")] };
    for (choice, expected) in [
        (ToolChoice::Auto, r#"{"mode":"AUTO"}"#),
        (ToolChoice::None, r#"{"mode":"NONE"}"#),
        (ToolChoice::Required, r#"{"mode":"ANY"}"#),
        (named, r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#),
        (allowed(true), r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#),
        (allowed(false), r#"{"mode":"VALIDATED","allowedFunctionNames":["f","g"]}"#),
    ] {
        let mut request = hello();
        request.tools = vec![function("f", None), function("g", None)];
        request.tool_choice = Some(choice);
        let (body, _) = written(&request);
        assert!(body.ends_with(&format!(r#""toolConfig":{{"functionCallingConfig":{expected}}}}}"#)), "{body}");
    }
    let mut request = hello();
    (request.tool_choice, request.parallel_tools) = (Some(ToolChoice::Auto), Some(false));
    let (body, dropped) = written(&request);
    assert!(!body.contains("toolConfig") && dropped == ["parallel_tool_calls"]);
}

#[test]
fn numbers_keep_their_digits_and_what_has_no_place_is_reported() {
    let mut request = hello();
    let sampling = &mut request.sampling;
    (sampling.temperature, sampling.top_p, sampling.top_k) =
        (Some(Json::constant("0.10")), Some(Json::constant("1")), Some(Json::constant("40")));
    (sampling.seed, sampling.min_p, sampling.n) =
        (Some(Json::constant("99999999999")), Some(Json::constant("0")), Some(2));
    (sampling.logprobs, sampling.top_logprobs) = (Some(true), Some(3));
    request.output_tokens_max = Some(100);
    request.stop = (0..6).map(|nth| text(&format!("s{nth}"))).collect();
    (request.user, request.store, request.service_tier) = (Some(text("u")), Some(false), Some(text("flex")));
    request.modalities = vec![text("text"), text("image")];
    request.carry.push((text("x_thing"), Json::constant("1")));
    let (body, dropped) = written(&request);
    assert!(
        body.ends_with(concat!(
            r#""generationConfig":{"temperature":0.10,"topP":1,"topK":40,"responseLogprobs":true,"logprobs":3,"#,
            r#""maxOutputTokens":100,"stopSequences":["s0","s1","s2","s3","s4"],"responseModalities":["TEXT","IMAGE"]},"#,
            r#""serviceTier":"flex"}"#
        )),
        "{body}"
    );
    assert_eq!(dropped, ["n", "seed", "min_p", "~stop", "user", "x_thing"]);
}

#[test]
fn thinking_is_said_as_the_model_takes_it() {
    let config = |thinking, shown, model: &str| {
        let mut request = hello();
        (request.reasoning.thinking, request.reasoning.shown) = (thinking, shown);
        let (body, dropped, _) = written_for(model, &Quirks::default(), &request);
        let config =
            crate::json::find(body.as_bytes(), "generationConfig").and_then(|config| config.find("thinkingConfig"));
        (config.map(|config| String::from_utf8_lossy(config.bytes()).into_owned()).unwrap_or_default(), dropped.len())
    };
    let high = Thinking::Effort(Effort::High);
    for (thinking, shown, model, expected) in [
        (high, None, "gemini-3-pro", r#"{"includeThoughts":true,"thinkingLevel":"HIGH"}"#),
        (
            Thinking::Budget(99_999),
            Some(false),
            "gemini-2.5-flash",
            r#"{"includeThoughts":false,"thinkingBudget":24576}"#,
        ),
        (Thinking::Auto, None, "gemini-2.5-flash", r#"{"includeThoughts":true,"thinkingBudget":-1}"#),
        (Thinking::Off, None, "gemini-2.5-flash", r#"{"thinkingBudget":0}"#),
        (Thinking::Auto, None, "gemini-3-pro", r#"{"includeThoughts":true}"#),
        (Thinking::Unsaid, None, "gemini-3-pro", ""),
    ] {
        assert_eq!(config(thinking, shown, model), (expected.to_owned(), 0), "{thinking:?} {model}");
    }
    assert_eq!(config(high, None, "gemini-2.0-flash"), (String::new(), 1));
}

#[test]
fn conversion_38_no_store_no_earlier_answer() {
    let mut request = hello();
    request.previous = Some(text("resp_1"));
    let quirks = Quirks::default();
    let to = Destination { model: "m", stream: false, quirks: &quirks };
    let refused = super::request(&request, &to, &mut Outgoing::default()).unwrap_err();
    assert_eq!(refused.member, "previous_response_id");
}

#[test]
fn a_schema_that_explodes_is_refused_by_its_place() {
    let double = |nth: usize| {
        format!(
            r##""d{nth}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/d{0}"}},"b":{{"$ref":"#/$defs/d{0}"}}}}}}"##,
            nth + 1
        )
    };
    let all: Vec<_> = (0..30).map(double).collect();
    let schema = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, all.join(","));
    let mut request = hello();
    request.tools = vec![function("ok", None), function("f", Some(Box::leak(schema.into_boxed_str())))];
    let quirks = Quirks::default();
    let to = Destination { model: "m", stream: false, quirks: &quirks };
    assert_eq!(super::request(&request, &to, &mut Outgoing::default()).unwrap_err().member, "tools.1.parameters");
}

#[test]
fn conversion_66_peculiar_providers_get_less() {
    let quirks = Quirks { no_system_role: true, tool_choice_auto_only: true, ..Quirks::default() };
    let mut request = hello();
    request.instructions.push(Instruction { role: Role::System, parts: vec![Part::text(text("be kind"))] });
    request.tools = vec![function("f", None)];
    request.tool_choice = Some(ToolChoice::Required);
    let (body, dropped, _) = written_for("gemma-3", &quirks, &request);
    assert_eq!(
        body,
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"be kind"},{"text":"hi"}]}],"#,
            r#""tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}"#
        )
    );
    assert_eq!(dropped, ["~tool_choice"]);
}

#[test]
fn conversion_60_the_past_is_said_the_same_from_turn_to_turn() {
    let mut request = asked(vec![
        turn(Role::User, vec![Part::text(text("go"))]),
        turn(Role::Assistant, vec![call("a", "mcp.x/y", r#"{"b":1,"a":[]}"#)]),
        turn(Role::User, vec![result("a", vec![Part::text(text("1"))])]),
    ]);
    let before = contents(&request);
    request.turns.push(turn(Role::Assistant, vec![Part::text(text("done"))]));
    request.turns.push(turn(Role::User, vec![Part::text(text("more"))]));
    assert!(contents(&request).starts_with(before.strip_suffix(']').unwrap()));
}
