use super::*;
use crate::json;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    CallKind, Function, Input, Instruction, Json, Media, MediaKind, Part, Quirks, Role, Seal, Source, Tool, ToolCall,
    ToolChoice, ToolResult, Turn, WebSearch,
};
use crate::protocol::responses::request_in;

fn said_to(said: &Request<'_>, model: &str, stream: bool, quirks: &Quirks) -> (String, String, Names) {
    let mut out = Outgoing::default();
    request(said, &Destination { model, stream, quirks }, &mut out).expect("it can be said");
    json::value(&out.body).expect("it is JSON");
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out.body), text(dropped), out.names)
}

fn said(request: &Request<'_>) -> (String, String) {
    let (body, dropped, _) = said_to(request, "gpt-4.1", false, &Quirks::default());
    (body, dropped)
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

fn call(id: &'static str, name: &'static str, input: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: Text::constant(id),
        name: Text::constant(name),
        namespace: None,
        kind: CallKind::Function,
        input: Input::Json(Json::constant(input)),
        seal: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn result(id: &'static str, name: Option<&'static str>, content: Vec<Part<'static>>) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: Text::constant(id),
        name: name.map(Text::constant),
        kind: CallKind::Function,
        content,
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    })
}

fn asked(origin: Dialect, turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(origin);
    request.turns = turns;
    request
}

fn user(text: &'static str) -> Turn<'static> {
    turn(Role::User, vec![Part::text(Text::constant(text))])
}

#[test]
fn what_codex_sends_comes_back_as_it_was() {
    // Members in the order in which they are written; ids and states of messages and calls are not kept.
    let body = include_str!("../../../tests/golden/responses/request-codex.json").trim_end();
    let read = request_in::request(body.as_bytes(), None, false).expect("it is one");
    let (again, dropped) = said(&read);
    assert_eq!(again, body);
    assert_eq!(dropped, "");
}

#[test]
fn a_conversation_of_another_protocol_becomes_items() {
    let mut request = asked(
        Dialect::Anthropic,
        vec![
            user("hi"),
            turn(Role::Assistant, vec![Part::text(Text::constant("I look.")), call("t1", "ls", r#"{"a": "b"}"#)]),
            turn(Role::User, vec![result("t1", None, vec![Part::text(Text::constant("x"))])]),
        ],
    );
    let instruction = |text| Part::text(Text::constant(text));
    request.instructions =
        vec![Instruction { role: Role::System, parts: vec![instruction("one"), instruction("two")] }];
    request.tools = vec![Tool::Function(Function {
        name: Text::constant("ls"),
        namespace: None,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        carry: Vec::new(),
    })];
    request.tool_choice =
        Some(ToolChoice::Named { name: Text::constant("ls"), namespace: None, kind: CallKind::Function });
    let (body, dropped) = said(&request);
    assert_eq!(
        body,
        r#"{"model":"gpt-4.1","instructions":"one\n\ntwo","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[]}]},{"type":"function_call","call_id":"t1","name":"ls","arguments":"{\"a\": \"b\"}"},{"type":"function_call_output","call_id":"t1","output":"x"}],"tools":[{"type":"function","name":"ls","parameters":{"type":"object","properties":{}},"strict":false}],"tool_choice":{"type":"function","name":"ls"},"store":false}"#
    );
    assert_eq!(dropped, "");
}

#[test]
fn conversion_27_calls_and_results_are_paired() {
    let request = asked(
        Dialect::Ollama,
        vec![
            turn(Role::Assistant, vec![call("", "a", "{}"), call("", "b", "{}")]),
            turn(
                Role::User,
                vec![
                    result("", Some("b"), Vec::new()),
                    result("", Some("c"), vec![Part::text(Text::constant("lost"))]),
                ],
            ),
            user("on"),
            turn(Role::Assistant, vec![call("x", "a", "{}")]),
        ],
    );
    let (body, dropped) = said(&request);
    let items = [
        r#"{"type":"function_call","call_id":"call_0","name":"a","arguments":"{}"}"#,
        r#"{"type":"function_call","call_id":"call_1","name":"b","arguments":"{}"}"#,
        r#"{"type":"function_call_output","call_id":"call_1","output":""}"#,
        r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"lost"}]}"#,
        r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"on"}]}"#,
        r#"{"type":"function_call_output","call_id":"call_0","output":"The tool gave no result."}"#,
        r#"{"type":"function_call","call_id":"x","name":"a","arguments":"{}"}"#,
        r#"{"type":"function_call_output","call_id":"x","output":"The tool gave no result."}"#,
    ];
    assert!(body.contains(&format!(r#""input":[{}]"#, items.join(","))), "{body}");
    assert_eq!(dropped, "tool_result (approximated)");
}

#[test]
fn conversion_28_images_of_results_are_said() {
    let image = Part::Media(Media {
        kind: MediaKind::Image,
        source: Source::Base64(Text::constant("iVBO")),
        media_type: Some(Text::constant("image/png")),
        name: None,
        detail: None,
        cache: None,
        carry: Vec::new(),
    });
    let turns = vec![
        turn(Role::Assistant, vec![call("t1", "look", "{}")]),
        turn(Role::User, vec![result("t1", None, vec![Part::text(Text::constant("see")), image.clone()])]),
        turn(Role::Assistant, vec![image]),
    ];
    let (body, dropped) = said(&asked(Dialect::Anthropic, turns));
    let output = r#""output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,iVBO","detail":"auto"}]"#;
    assert!(body.contains(output), "{body}");
    assert_eq!(dropped, "content.image", "an assistant's image cannot be said, and that is told");
}

#[test]
fn conversion_16_47_64_reasoning_goes_to_its_own_vendor_only() {
    let thought = |origin, kind, text| Part::Reasoning {
        text: Text::constant(text),
        seal: Some(Seal { origin, kind, data: Text::constant("sig") }),
        id: None,
        summary: false,
    };
    let parts = vec![
        thought(Dialect::Anthropic, SealKind::Signature, "claude"),
        thought(Dialect::Responses, SealKind::Encrypted, "gpt"),
        thought(Dialect::Gemini, SealKind::Call, ""),
        Part::Reasoning { text: Text::constant("bare"), seal: None, id: None, summary: false },
    ];
    let turns = vec![user("hi"), turn(Role::Assistant, parts), user("on")];
    let request = asked(Dialect::Anthropic, turns);
    let (body, dropped) = said(&request);
    let own = r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"gpt"}],"encrypted_content":"sig"}"#;
    assert!(body.contains(own) && !body.contains("claude") && !body.contains("bare"), "{body}");
    assert_eq!(dropped, "reasoning");
    let replays = Quirks { replays_reasoning: true, ..Quirks::default() };
    let (body, ..) = said_to(&request, "m", false, &replays);
    assert!(
        body.contains(r#""content":[{"type":"reasoning_text","text":"bare"}]"#) && !body.contains("claude"),
        "{body}"
    );
}

#[test]
fn conversion_64_foreign_requests_ask_for_sealed_reasoning_and_leave_nothing_behind() {
    let mut request = asked(Dialect::Anthropic, vec![user("hi")]);
    let (body, ..) = said_to(&request, "gpt-5.1", true, &Quirks::default());
    assert!(
        body.contains(r#""include":["reasoning.encrypted_content"]"#) && body.contains(r#""store":false"#),
        "{body}"
    );
    assert!(body.ends_with(r#""stream":true}"#));
    let (body, ..) = said_to(&request, "gpt-4.1", false, &Quirks::default());
    assert!(!body.contains("include") && !body.contains("reasoning"), "a model without reasoning refuses it: {body}");
    request.reasoning.thinking = Thinking::Budget(5_000);
    let (body, dropped, _) = said_to(&request, "x", false, &Quirks::default());
    assert!(body.contains(r#""reasoning":{"effort":"medium","summary":"auto"}"#), "{body}");
    assert_eq!(dropped, "thinking.budget_tokens (approximated)");
}

#[test]
fn thinking_is_switched_off_in_the_word_that_the_model_takes() {
    let mut request = asked(Dialect::Chat, vec![user("hi")]);
    request.reasoning.thinking = Thinking::Off;
    for (model, effort) in [
        ("gpt-5.1", r#""effort":"none""#),
        ("gpt-5-mini", r#""effort":"minimal""#),
        ("o3", r#""effort":"low""#),
        ("gpt-4.1", ""),
        ("qwen", ""),
    ] {
        let (body, ..) = said_to(&request, model, false, &Quirks::default());
        match effort {
            "" => assert!(!body.contains("effort"), "{body}"),
            effort => assert!(body.contains(effort), "{body}"),
        }
    }
}

#[test]
fn conversion_33_names_are_sayable_and_remembered() {
    let long = Box::leak("n".repeat(70).into_boxed_str());
    let request = asked(Dialect::Anthropic, vec![turn(Role::Assistant, vec![call("t1", long, "{}")])]);
    let (body, _, names) = said_to(&request, "m", false, &Quirks::default());
    assert!(!body.contains(&*long), "{body}");
    assert!(!names.is_plain());
}

#[test]
fn conversion_34_free_text_stays_free_text() {
    let mut request = asked(Dialect::Chat, vec![user("hi")]);
    request.tools = vec![Tool::Custom {
        name: Text::constant("p"),
        namespace: None,
        description: None,
        format: Some(Json::constant(r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}"#)),
        carry: Vec::new(),
    }];
    let (body, _) = said(&request);
    let tool = r#"{"type":"custom","name":"p","format":{"type":"grammar","syntax":"lark","definition":"x"}}"#;
    assert!(body.contains(tool), "{body}");
}

#[test]
fn conversion_35_what_the_vendor_does_not_know_is_reported() {
    let mut request = asked(Dialect::Anthropic, vec![user("hi")]);
    request.sampling.top_k = Some(Json::constant("5"));
    request.sampling.seed = Some(Json::constant("5"));
    request.stop = vec![Text::constant("x")];
    request.metadata = Some(Json::constant("{}"));
    request.user = Some(Text::plain(&"u".repeat(65)));
    request.carry = vec![(Text::constant("context_management"), Json::constant("{}"))];
    request.output_tokens_max = Some(1);
    request.tools = vec![
        Tool::Foreign { origin: Dialect::Anthropic, raw: Json::constant(r#"{"type":"bash_20250124","name":"bash"}"#) },
        Tool::Foreign { origin: Dialect::Gemini, raw: Json::constant(r#"{"codeExecution":{}}"#) },
        Tool::WebSearch(WebSearch {
            uses_max: Some(5),
            allowed_domains: Some(Json::constant(r#"["a.b"]"#)),
            location: Some(Json::constant(r#"{"type":"approximate","city":"X"}"#)),
            ..WebSearch::new(Dialect::Anthropic, Json::constant("{}"))
        }),
    ];
    let (body, dropped) = said(&request);
    let search = r#""tools":[{"type":"web_search","filters":{"allowed_domains":["a.b"]},"user_location":{"type":"approximate","city":"X"}}]"#;
    assert!(body.contains(search) && body.contains(r#""max_output_tokens":16"#), "{body}");
    assert_eq!(
        dropped,
        "tools.bash_20250124, tools.codeExecution, tools.web_search.max_uses, top_k, seed, stop, \
         max_output_tokens (approximated), user, metadata, context_management"
    );
}

#[test]
fn conversion_48_66_quirks_of_the_vendor_are_kept_to() {
    let mut request =
        asked(Dialect::Chat, vec![user("hi"), turn(Role::Developer, vec![Part::text(Text::constant("amid"))])]);
    request.instructions = vec![Instruction { role: Role::System, parts: vec![Part::text(Text::constant("S"))] }];
    let leading = Quirks { leading_system_only: true, ..Quirks::default() };
    let (body, ..) = said_to(&request, "m", false, &leading);
    assert!(body.contains(r#""instructions":"S\n\namid""#) && !body.contains("developer"), "{body}");
    let none = Quirks { no_system_role: true, ..Quirks::default() };
    let (body, ..) = said_to(&request, "m", false, &none);
    assert_eq!(body.matches(r#""role":"user""#).count(), 3, "{body}");
    assert!(!body.contains("instructions"));
    request.tools = vec![Tool::Custom {
        name: Text::constant("p"),
        namespace: None,
        description: None,
        format: None,
        carry: Vec::new(),
    }];
    request.tool_choice = Some(ToolChoice::Required);
    let auto = Quirks { tool_choice_auto_only: true, ..Quirks::default() };
    let (body, dropped, _) = said_to(&request, "m", false, &auto);
    assert!(body.contains(r#""tool_choice":"auto""#) && dropped == "tool_choice (approximated)", "{body} {dropped}");
}
