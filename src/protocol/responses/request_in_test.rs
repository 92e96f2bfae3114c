use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Input, Media, MediaKind, Seal, Source, Tool, ToolCall, ToolResult};

fn read(body: &str) -> Request<'_> {
    json::value(body.as_bytes()).expect("the test's JSON is valid");
    request(body.as_bytes(), None, false).unwrap_or_else(|bad| panic!("{bad:?} for {body}"))
}

fn input(items: &str) -> String {
    format!(r#"{{"model":"m","input":[{items}]}}"#)
}

fn refused(body: &str) -> String {
    let BadRequest { member, message } = request(body.as_bytes(), None, false).expect_err(body);
    format!("{member} {message}")
}

fn said(part: &Part<'_>) -> String {
    match part {
        Part::Text { text, .. } => text.decode().into_owned(),
        Part::Refusal(text) => format!("!{}", text.decode()),
        Part::Reasoning { text, summary, .. } => format!("({} {summary})", text.decode()),
        Part::ToolCall(call) => format!("{}()", call.name.decode()),
        Part::ToolResult(result) => format!("={}", result.id.decode()),
        Part::Media(media) => format!("{:?}", media.kind),
        Part::Foreign { raw, .. } => format!("{raw:?}"),
    }
}

fn turns(request: &Request<'_>) -> Vec<(Role, Vec<String>)> {
    request.turns.iter().map(|turn| (turn.role, turn.parts.iter().map(said).collect())).collect()
}

#[test]
fn a_string_is_a_turn_of_the_user() {
    let request = read(r#"{"model":"m","input":"a \"b\"","instructions":"Be brief.","stream":true}"#);
    assert_eq!(turns(&request), [(Role::User, vec!["a \"b\"".into()])]);
    assert!(request.stream && request.model.eq_str("m"));
    let instruction = Instruction { role: Role::System, parts: vec![Part::text(Text::plain("Be brief."))] };
    assert_eq!(request.instructions, [instruction]);
}

#[test]
fn conversion_23_24_25_instructions_stand_where_they_were_said() {
    let body = input(
        r#"{"type":"message","role":"developer","content":[{"type":"input_text","text":"D"}]},{"role":"system","content":"S"},
        {"role":"user","content":"hi"},{"role":"developer","content":"amid"},{"role":"assistant","content":"yes"}"#,
    );
    let request = read(&body);
    let roles: Vec<_> = request.instructions.iter().map(|said| said.role).collect();
    assert_eq!(roles, [Role::Developer, Role::System]);
    assert_eq!(
        turns(&request),
        [
            (Role::User, vec!["hi".into()]),
            (Role::Developer, vec!["amid".into()]),
            (Role::Assistant, vec!["yes".into()])
        ]
    );
}

#[test]
fn what_the_assistant_does_between_two_turns_is_one_turn() {
    let body = input(
        r#"{"role":"user","content":"go"},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"gAAA"},
        {"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[],"logprobs":[]},{"type":"refusal","refusal":"no"}]},
        {"type":"function_call","id":"fc_1","call_id":"c1","name":"ls","arguments":"{\"p\":1}","status":"completed"},
        {"type":"custom_tool_call","call_id":"c2","name":"apply_patch","input":"*** Begin\n"},
        {"type":"function_call_output","call_id":"c1","output":"a\nb"},
        {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"ok"},{"type":"input_image","image_url":"data:image/png;base64,iVBO","detail":"low"}]},
        {"role":"assistant","content":"first"},{"role":"assistant","content":"second"}"#,
    );
    let request = read(&body);
    assert_eq!(
        turns(&request),
        [
            (Role::User, vec!["go".into()]),
            (
                Role::Assistant,
                ["(one\n\ntwo true)", "I look.", "!no", "ls()", "apply_patch()"].map(String::from).to_vec()
            ),
            (Role::User, vec!["=c1".into(), "=c2".into()]),
            (Role::Assistant, vec!["first".into()]),
            (Role::Assistant, vec!["second".into()]),
        ]
    );
    let Part::Reasoning { seal: Some(seal), id: Some(id), .. } = &request.turns[1].parts[0] else { panic!() };
    assert!(id.eq_str("rs_1") && seal.origin == Dialect::Responses && seal.kind == SealKind::Encrypted);
    let Part::ToolCall(ToolCall { kind, input, .. }) = &request.turns[1].parts[4] else { panic!() };
    assert_eq!((*kind, input), (CallKind::Custom, &Input::Free(Text::plain("*** Begin\n"))));
    let Part::ToolResult(ToolResult { kind, content, .. }) = &request.turns[2].parts[1] else { panic!() };
    assert_eq!(*kind, CallKind::Custom);
    let Part::Media(Media { kind, source, media_type, detail, .. }) = &content[1] else { panic!() };
    assert_eq!((*kind, source), (MediaKind::Image, &Source::Base64(Text::plain("iVBO"))));
    assert_eq!((media_type, detail), (&Some(Text::plain("image/png")), &Some(Text::plain("low"))));
}

#[test]
fn conversion_18_a_seal_of_a_call_is_put_back_on_it() {
    let mut kept = Vec::new();
    Seal { origin: Dialect::Gemini, kind: SealKind::Call, data: Text::plain("sig") }
        .write(Dialect::Responses, &mut kept);
    let kept = String::from_utf8(kept).expect("UTF-8");
    let body = input(&format!(
        r#"{{"type":"reasoning","summary":[],"encrypted_content":"{kept}"}},{{"type":"function_call","call_id":"c","name":"f","arguments":""}},{{"type":"function_call","call_id":"d","name":"f","arguments":""}}"#
    ));
    let request = read(&body);
    let [Part::ToolCall(sealed), Part::ToolCall(plain)] = &request.turns[0].parts[..] else { panic!() };
    assert!(sealed.seal.as_ref().is_some_and(|seal| seal.origin == Dialect::Gemini && seal.data.eq_str("sig")));
    assert_eq!(plain.seal, None);
}

#[test]
fn conversion_16_another_vendors_signature_comes_back_with_its_thought() {
    let mut kept = Vec::new();
    Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::plain("Eo==") }
        .write(Dialect::Responses, &mut kept);
    let kept = String::from_utf8(kept).expect("UTF-8");
    for said in [
        r#""summary":[{"type":"summary_text","text":" thought\u00e9 "}]"#,
        r#""summary":[],"content":[{"type":"reasoning_text","text":" thought\u00e9 "}]"#,
    ] {
        let body = input(&format!(r#"{{"type":"reasoning",{said},"encrypted_content":"{kept}"}}"#));
        let request = read(&body);
        let [Part::Reasoning { text, seal: Some(seal), summary: false, .. }] = &request.turns[0].parts[..] else {
            panic!()
        };
        assert_eq!(text.bytes(), br" thought\u00e9 ", "not a byte differs");
        assert_eq!((seal.origin, seal.kind), (Dialect::Anthropic, SealKind::Signature));
    }
}

#[test]
fn media_come_in_every_form() {
    let body = input(
        r#"{"role":"user","content":[{"type":"input_image","file_id":"file-1"},{"type":"input_image","image_url":"https://x/y.png"},
        {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"},{"type":"input_file","file_data":"JVBE"},
        {"type":"input_file","file_url":"https://x/a.pdf"},{"type":"input_file","file_id":"file-2"},
        {"type":"input_audio","input_audio":{"data":"UklG","format":"mp3"}},{"type":"computer_screenshot","image_url":"x"}]}"#,
    );
    let request = read(&body);
    let sources: Vec<_> = request.turns[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Media(Media { kind, source, media_type, .. }) => {
                let source = match source {
                    Source::Url(url) => format!("url {}", url.decode()),
                    Source::Base64(bytes) => format!("bytes {}", bytes.decode()),
                    Source::File { id, .. } => format!("file {}", id.decode()),
                    Source::Text(_) => unreachable!("Responses has no such form"),
                };
                format!("{kind:?} {source} {}", media_type.as_ref().map(|it| it.decode()).unwrap_or_default())
            }
            other => said(other),
        })
        .collect();
    assert_eq!(
        sources,
        [
            "Image file file-1 ",
            "Image url https://x/y.png ",
            "Document bytes JVBE application/pdf",
            "Document bytes JVBE ",
            "Document url https://x/a.pdf ",
            "Document file file-2 ",
            "Audio bytes UklG audio/mpeg",
            r#"{"type":"computer_screenshot","image_url":"x"}"#,
        ]
    );
}

#[test]
fn members_without_a_word_stand_before_what_they_belong_to() {
    let body = input(
        r#"{"type":"message","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"x"}]},
        {"role":"user","content":[{"type":"input_text","text":"y","prompt_cache_breakpoint":{"mode":"explicit"}}]},
        {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search"}},
        {"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot"}}"#,
    );
    assert_eq!(
        turns(&read(&body)),
        [
            (Role::Assistant, vec![r#"{"type":"message","phase":"commentary"}"#.into(), "x".into()]),
            (
                Role::User,
                vec![r#"{"type":"input_text","prompt_cache_breakpoint":{"mode":"explicit"}}"#.into(), "y".into()]
            ),
            (
                Role::Assistant,
                vec![
                    r#"{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search"}}"#.into()
                ]
            ),
            (
                Role::User,
                vec![r#"{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot"}}"#.into()]
            ),
        ]
    );
}

#[test]
fn conversion_34_35_tools_of_codex_are_read() {
    let request = read(
        r#"{"model":"m","input":"x","tools":[
        {"type":"function","name":"exec","description":"runs","parameters":{"type":"object"},"strict":false,"defer_loading":true},
        {"type":"custom","name":"apply_patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
        {"type":"namespace","name":"mcp__fs","description":"files","tools":[{"type":"function","name":"open","parameters":null},{"type":"custom","name":"edit"}]},
        {"type":"local_shell"},{"type":"web_search","external_web_access":false,"filters":{"allowed_domains":["a.b"]},"user_location":{"type":"approximate","city":"X"}},
        {"type":"image_generation","size":"auto"}]}"#,
    );
    let [
        Tool::Function(exec),
        Tool::Custom { name, format: Some(_), namespace: None, .. },
        open,
        edit,
        shell,
        web,
        image,
    ] = &request.tools[..]
    else {
        panic!("{:?}", request.tools)
    };
    assert_eq!((exec.strict, exec.carry.len()), (Some(false), 1));
    assert!(name.eq_str("apply_patch"));
    let Tool::Function(open) = open else { panic!() };
    assert_eq!((&open.namespace, &open.parameters), (&Some(Text::plain("mcp__fs")), &None));
    assert!(matches!(edit, Tool::Custom { namespace: Some(space), .. } if space.eq_str("mcp__fs")));
    assert!(matches!(shell, Tool::Function(shell) if tools_in::is_local_shell(shell)));
    let Tool::WebSearch(web) = web else { panic!() };
    assert!(web.allowed_domains.is_some() && web.location.is_some());
    assert!(matches!(image, Tool::Foreign { origin: Dialect::Responses, .. }));
    assert_eq!(request.namespaces, [(Text::plain("mcp__fs"), Text::plain("files"))]);
}

#[test]
fn a_shell_call_is_a_call_of_the_function_that_stands_for_it() {
    let body = input(
        r#"{"type":"local_shell_call","id":"lsh_1","call_id":"c1","status":"completed","action":{"type":"exec","command":["ls"],"env":{}}},
        {"type":"local_shell_call_output","id":"c1","output":"{}"}"#,
    );
    let request = read(&body);
    let [Part::ToolCall(call)] = &request.turns[0].parts[..] else { panic!() };
    assert!(call.name.eq_str("local_shell") && matches!(&call.input, Input::Json(_)));
    let [Part::ToolResult(result)] = &request.turns[1].parts[..] else { panic!() };
    assert!(result.id.eq_str("c1"));
}

#[test]
fn conversion_37_every_form_of_tool_choice_is_read() {
    let choice = |choice: &str| {
        let body = format!(r#"{{"model":"m","input":"x","tool_choice":{choice}}}"#);
        format!("{:?}", read(&body).tool_choice.expect("it is said"))
    };
    for (said, means) in [
        (r#""auto""#, "Auto"),
        (r#""none""#, "None"),
        (r#""required""#, "Required"),
        (r#"{"type":"function","name":"f"}"#, r#"Named { name: "f", namespace: None, kind: Function }"#),
        (r#"{"type":"function","function":{"name":"f"}}"#, r#"Named { name: "f", namespace: None, kind: Function }"#),
        (r#"{"type":"custom","name":"f"}"#, r#"Named { name: "f", namespace: None, kind: Custom }"#),
        (
            r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"a"},{"type":"custom","name":"b"}]}"#,
            r#"Allowed { required: true, names: ["a", "b"] }"#,
        ),
        (r#"{"type":"web_search_preview"}"#, r#"Foreign({"type":"web_search_preview"})"#),
        (
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"x"}]}"#,
            r#"Foreign({"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"x"}]})"#,
        ),
    ] {
        assert_eq!(choice(said), means, "{said}");
    }
}

#[test]
fn members_of_the_body_are_read_and_the_others_carried() {
    let request = read(
        r#"{"model":"m","input":"x","temperature":0.10,"top_p":1,"top_logprobs":3,"max_output_tokens":7,"max_tool_calls":2,"parallel_tool_calls":false,
        "reasoning":{"effort":"xhigh","summary":"auto","context":"all"},"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},
        "include":["reasoning.encrypted_content","message.output_text.logprobs"],"metadata":{"a":"b"},"user":"u","safety_identifier":"s","prompt_cache_key":"k",
        "service_tier":"flex","store":false,"truncation":"auto","background":false,"client_metadata":{"x":1},"previous_response_id":null}"#,
    );
    assert_eq!(request.sampling.temperature.as_ref().map(Json::bytes), Some(&b"0.10"[..]), "digits stay");
    assert_eq!((request.output_tokens_max, request.parallel_tools, request.store), (Some(7), Some(false), Some(false)));
    assert_eq!(request.reasoning.thinking, Thinking::Effort(Effort::XHigh));
    assert!(request.reasoning.encrypted && request.sampling.logprobs == Some(true));
    assert!(matches!(&request.shape, Shape::JsonSchema { strict: Some(true), .. }));
    assert!(request.user.as_ref().is_some_and(|user| user.eq_str("s")));
    let carried: Vec<_> = request.carry.iter().map(|(name, value)| format!("{}={value:?}", name.decode())).collect();
    assert_eq!(
        carried,
        [
            "max_tool_calls=2",
            r#"reasoning.context="all""#,
            r#"user="u""#,
            r#"truncation="auto""#,
            "background=false",
            r#"client_metadata={"x":1}"#
        ]
    );
    let off = read(r#"{"input":"x","reasoning":{"effort":"none"},"include":["x.y"]}"#);
    assert_eq!((off.reasoning.thinking, off.carry.len()), (Thinking::Off, 1));
}

#[test]
fn conversion_38_what_only_a_store_can_answer_is_refused_in_the_vendors_words() {
    for (body, refusal) in [
        (
            r#"{"input":"x","previous_response_id":"resp_1"}"#,
            "previous_response_id Previous response with id 'resp_1' not found.",
        ),
        (r#"{"previous_response_id":"resp_1"}"#, "previous_response_id Previous response with id 'resp_1' not found."),
        (r#"{"input":"x","background":true}"#, "background Background mode is not supported for this model."),
        (
            r#"{"conversation":"conv_1"}"#,
            "conversation Conversation not found: conversations are not kept for this model.",
        ),
        (r#"{"prompt":{"id":"p"}}"#, "prompt Prompt not found: prompts are not kept for this model."),
        (
            r#"{"input":[{"type":"item_reference","id":"rs_1"}]}"#,
            "input Item with id 'rs_1' not found. Items are not persisted for this model.",
        ),
        (
            r#"{"input":[{"id":"rs_1"}]}"#,
            "input Item with id 'rs_1' not found. Items are not persisted for this model.",
        ),
    ] {
        let BadRequest { member, message } = refuse_stored(&read(body)).expect_err(body);
        assert_eq!(format!("{member} {message}"), refusal);
    }
    assert_eq!(refuse_stored(&read(r#"{"input":"x","background":false}"#)), Ok(()));
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    for (body, refusal) in [
        ("[]", "body must be an object"),
        ("{}", "input is missing"),
        (r#"{"input":7}"#, "input must be a string or an array"),
        (r#"{"input":[7]}"#, "input.0 must be an object"),
        (r#"{"input":[{}]}"#, "input.0.type is missing"),
        (r#"{"input":[{"role":"tool","content":""}]}"#, "input.0.role must be user, assistant, system or developer"),
        (r#"{"input":[{"role":"user"}]}"#, "input.0.content is missing"),
        (r#"{"input":[{"role":"user","content":[{"type":"input_text"}]}]}"#, "input.0.content.0.text is missing"),
        (r#"{"input":[{"role":"user","content":[{"type":"input_image"}]}]}"#, "input.0.content.0.image_url is missing"),
        (r#"{"input":[{"role":"user","content":[{"text":"x"}]}]}"#, "input.0.content.0.type is missing"),
        (
            r#"{"input":[{"role":"user","content":[{"type":"message","role":"x"}]}]}"#,
            "input.0.content.0.type is an item, no part of a message",
        ),
        (r#"{"input":[{"type":"function_call","call_id":"c","name":"f"}]}"#, "input.0.arguments is missing"),
        (
            r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}"#,
            "input.0.arguments must be a string",
        ),
        (r#"{"input":[{"type":"function_call_output","output":"x"}]}"#, "input.0.call_id is missing"),
        (
            r#"{"input":[{"type":"function_call_output","call_id":"c","output":7}]}"#,
            "input.0.output must be a string or an array",
        ),
        (r#"{"input":"x","tools":[{"type":"function"}]}"#, "tools.0.name is missing"),
        (r#"{"input":"x","tools":[{"name":"f"}]}"#, "tools.0.type is missing"),
        (r#"{"input":"x","tools":[{"type":"namespace","name":"n"}]}"#, "tools.0.tools must be an array"),
        (r#"{"input":"x","tool_choice":"some"}"#, "tool_choice must be auto, none, required or an object"),
        (r#"{"input":"x","max_output_tokens":1.5}"#, "max_output_tokens must be a whole number"),
        (r#"{"input":"x","temperature":"hot"}"#, "temperature must be a number"),
        (r#"{"input":"x","reasoning":{"effort":"mild"}}"#, "reasoning.effort is none of the known efforts"),
        (r#"{"input":"x","text":{"format":{"type":"json_schema"}}}"#, "text.format.schema is missing"),
        (r#"{"input":"x","metadata":[]}"#, "metadata must be an object"),
        (r#"{"input":"x","stream":"yes"}"#, "stream must be true or false"),
    ] {
        assert_eq!(refused(body), refusal, "{body}");
    }
}
