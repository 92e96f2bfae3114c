use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Effort, Input, Media, MediaKind, Source, Thinking, Tool};

fn read(body: &str) -> Request<'_> {
    crate::json::value(body.as_bytes()).expect("the test's JSON is valid");
    super::request(body.as_bytes(), None).unwrap_or_else(|bad| panic!("{bad:?}: {body}"))
}

/// A request with these members beside a message.
fn with(members: &str) -> Request<'static> {
    read(format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#).leak())
}

/// The parts of an assistant's message with these members.
fn assistant(members: &str) -> Vec<Part<'static>> {
    let body = format!(r#"{{"messages":[{{"role":"assistant",{members}}}]}}"#).leak();
    read(body).turns.remove(0).parts
}

fn refused(body: &str) -> String {
    super::request(body.as_bytes(), None).expect_err(body).member.into_owned()
}

#[test]
fn conversion_25_leading_instructions_are_the_requests_with_their_marks() {
    let request = read(
        r#"{"messages":[{"role":"system","content":"a","cache_control":{"type":"ephemeral"}},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"},{"role":"system","content":"d"}]}"#,
    );
    let roles: Vec<_> = request.instructions.iter().map(|one| one.role).collect();
    assert_eq!(roles, [Role::System, Role::Developer]);
    assert!(matches!(&request.instructions[0].parts[..], [Part::Text { cache: Some(_), .. }]), "conversion 61");
    assert_eq!(request.turns.iter().map(|turn| turn.role).collect::<Vec<_>>(), [Role::User, Role::System]);
}

#[test]
fn conversion_20_a_number_of_tokens_counts_for_more_than_a_word() {
    for (members, thinking) in [
        (r#""reasoning_effort":"high""#, Thinking::Effort(Effort::High)),
        (r#""reasoning_effort":"none""#, Thinking::Off),
        (r#""reasoning":{"effort":"low","exclude":true}"#, Thinking::Effort(Effort::Low)),
        (r#""reasoning":{"enabled":true}"#, Thinking::Auto),
        (r#""thinking":{"type":"enabled"},"reasoning_effort":"low""#, Thinking::Effort(Effort::Low)),
        (r#""thinking":{"type":"enabled","budget_tokens":2000},"reasoning_effort":"low""#, Thinking::Budget(2000)),
        (r#""reasoning_effort":"low","thinking_budget":9,"enable_thinking":true"#, Thinking::Budget(9)),
        (r#""enable_thinking":false"#, Thinking::Off),
        (r#""anthropic":{"thinking":{"type":"adaptive","effort":"max"}}"#, Thinking::Effort(Effort::Max)),
        (r#""extra_body":{"anthropic":{"thinking":{"type":"enabled","budget_tokens":5}}}"#, Thinking::Budget(5)),
        (r#""extra_body":{"google":{"thinking_config":{"thinking_budget":-1}}}"#, Thinking::Auto),
        (
            r#""google":{"thinking_config":{"thinkingLevel":"HIGH","include_thoughts":true}}"#,
            Thinking::Effort(Effort::High),
        ),
    ] {
        let request = with(members);
        assert_eq!(request.reasoning.thinking, thinking, "{members}");
        assert!(request.carry.is_empty() && !request.repeat.is_empty(), "it is no loss: {members}");
    }
    assert_eq!(with(r#""reasoning":{"exclude":true}"#).reasoning.shown, Some(false));
    let unknown = with(r#""reasoning_effort":"default""#);
    assert_eq!((unknown.reasoning.thinking, unknown.carry.len()), (Thinking::Unsaid, 1));
}

#[test]
fn extra_body_is_read_as_if_it_stood_in_the_body() {
    let request = with(r#""extra_body":{"top_k":40,"google":{"thinking_config":{"thinking_budget":7}}}"#);
    assert_eq!(request.sampling.top_k, Some(Json::constant("40")));
    assert_eq!((request.reasoning.thinking, request.carry.len()), (Thinking::Budget(7), 0));
    let unknown = with(r#""extra_body":{"chat_template_kwargs":{}}"#);
    assert_eq!((unknown.carry.len(), unknown.repeat.len()), (1, 0), "what nobody knows is told as lost");
}

#[test]
fn conversion_62_64_thoughts_come_back_with_their_seals() {
    let parts = assistant(
        r#""content":"a","reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","signature":"weir.1.as.Eo4","index":0}]"#,
    );
    let [Part::Reasoning { text, seal: Some(seal), .. }, Part::Text { .. }] = &parts[..] else { panic!("{parts:?}") };
    assert!(text.eq_str("hm") && seal.data.eq_str("Eo4"));
    assert_eq!((seal.origin, seal.kind), (Dialect::Anthropic, SealKind::Signature));
    // Pieces of one entry, as a stream told them.
    let parts = assistant(
        r#""reasoning_details":[{"type":"reasoning.text","text":"h","index":0},{"type":"reasoning.text","text":"m","index":0},{"type":"reasoning.text","signature":"s","index":0},{"type":"reasoning.encrypted","data":"d","index":1}]"#,
    );
    let [Part::Reasoning { text, seal: Some(signed), .. }, Part::Reasoning { text: none, seal: Some(hidden), .. }] =
        &parts[..]
    else {
        panic!("{parts:?}")
    };
    assert!(text.eq_str("hm") && none.is_empty());
    assert_eq!((signed.kind, hidden.kind), (SealKind::Signature, SealKind::Encrypted));
}

#[test]
fn conversion_63_a_signature_is_never_put_below_another_text() {
    let two =
        r#"{"type":"reasoning.text","signature":"s1","index":0},{"type":"reasoning.text","signature":"s2","index":1}"#;
    let parts = assistant(&format!(r#""reasoning_content":"ab","reasoning_details":[{two}]"#));
    assert!(matches!(&parts[..], [Part::Reasoning { seal: None, .. }]), "nobody knows whose it is: {parts:?}");
    let again = two.replace(r#""s2""#, r#""s2","text":"b""#);
    let parts = assistant(&format!(r#""reasoning_content":"ab","reasoning_details":[{again}]"#));
    let [Part::Reasoning { text: one, seal: Some(_), .. }, Part::Reasoning { text: two, seal: Some(_), .. }] =
        &parts[..]
    else {
        panic!("{parts:?}")
    };
    assert!(one.eq_str("a") && two.eq_str("b"));
}

#[test]
fn conversion_26_an_empty_text_of_the_assistant_is_none() {
    let parts = assistant(r#""content":"","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]"#);
    assert!(matches!(&parts[..], [Part::ToolCall(_)]), "{parts:?}");
}

#[test]
fn conversion_18_a_calls_signature_is_kept() {
    let parts = assistant(
        r#""content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"weir.1.gc.sig"}}}]"#,
    );
    let [Part::ToolCall(call)] = &parts[..] else { panic!("{parts:?}") };
    let seal = call.seal.as_ref().expect("a seal");
    assert_eq!((seal.origin, seal.kind), (Dialect::Gemini, SealKind::Call));
}

#[test]
fn conversion_37_tools_and_choices_are_read_in_all_their_forms() {
    for tool in [
        r#"{"type":"function","function":{"name":"f","description":"d","parameters":{}}}"#,
        r#"{"type":"function","name":"f","description":"d","parameters":{}}"#,
        r#"{"name":"f","description":"d","input_schema":{}}"#,
    ] {
        let request = with(&format!(r#""tools":[{tool}]"#));
        let [Tool::Function(function)] = &request.tools[..] else { panic!("{tool}") };
        assert!(function.name.eq_str("f") && function.description.is_some() && function.parameters.is_some());
        assert!(function.carry.is_empty(), "{tool}");
    }
    let named = ToolChoice::Named { name: Text::constant("f"), namespace: None, kind: CallKind::Function };
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""required""#, ToolChoice::Required),
        (r#"{"type":"any"}"#, ToolChoice::Required),
        (r#"{"type":"function","function":{"name":"f"}}"#, named.clone()),
        (r#"{"type":"function","name":"f"}"#, named.clone()),
        (r#"{"type":"tool","name":"f"}"#, named.clone()),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
            ToolChoice::Allowed { required: false, names: vec![Text::constant("f")] },
        ),
        (r#"{"type":"vendor"}"#, ToolChoice::Foreign(Json::constant(r#"{"type":"vendor"}"#))),
    ] {
        assert_eq!(with(&format!(r#""tool_choice":{choice}"#)).tool_choice, Some(expected));
    }
    let old = with(r#""functions":[{"name":"f"}],"function_call":{"name":"f"}"#);
    assert!(old.old_functions && old.tools.len() == 1 && old.tool_choice == Some(named));
}

#[test]
fn old_calls_and_their_results_find_each_other_by_name() {
    let request = read(
        r#"{"messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"1"}]}"#,
    );
    assert!(matches!(&request.turns[0].parts[..], [Part::ToolCall(call)] if call.id.is_empty()));
    let [Part::ToolResult(result)] = &request.turns[1].parts[..] else { panic!("{:?}", request.turns[1]) };
    assert!(result.id.is_empty() && result.name.as_ref().is_some_and(|name| name.eq_str("f")));
}

#[test]
fn conversion_28_content_is_read_in_parts() {
    let request = read(
        r#"{"messages":[{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},{"role":"user","content":["plain",{"type":"input_text","text":"y"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}},{"type":"image_url","image_url":"https://x"},{"type":"file","file":{"file_data":"JVBE","filename":"a.pdf"}},{"type":"image_url","image_url":{"url":"data:application/pdf;base64,JVBE"}},{"type":"odd"}]}]}"#,
    );
    let [Part::ToolResult(result)] = &request.turns[0].parts[..] else { panic!("{:?}", request.turns[0]) };
    assert!(matches!(&result.content[..], [Part::Text { .. }, Part::Media(_)]));
    let [plain, Part::Text { .. }, Part::Media(image), Part::Media(url), Part::Media(file), Part::Media(pdf), odd] =
        &request.turns[1].parts[..]
    else {
        panic!("{:?}", request.turns[1])
    };
    assert_eq!(*plain, Part::text(Text::constant("plain")));
    let kinds = [image, url, file, pdf].map(|media: &Media<'_>| media.kind);
    assert_eq!(kinds, [MediaKind::Image, MediaKind::Image, MediaKind::Document, MediaKind::Document]);
    assert!(matches!((&file.source, &url.source), (Source::Base64(_), Source::Url(_))));
    assert!(matches!(odd, Part::Foreign { origin: Dialect::Chat, .. }));
}

#[test]
fn custom_calls_and_their_results_are_of_one_kind() {
    let request = read(
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"x"}}]},{"role":"tool","tool_call_id":"a","content":"1"}]}"#,
    );
    assert!(matches!(&request.turns[0].parts[..], [Part::ToolCall(call)] if matches!(call.input, Input::Free(_))));
    assert!(matches!(&request.turns[1].parts[..], [Part::ToolResult(result)] if result.kind == CallKind::Custom));
}

#[test]
fn an_old_completion_is_what_the_user_says() {
    for prompt in [r#""hi""#, r#"["hi"]"#] {
        let request = read(format!(r#"{{"model":"m","prompt":{prompt},"logprobs":3,"suffix":"s"}}"#).leak());
        assert_eq!(request.turns[0].parts, [Part::text(Text::constant("hi"))]);
        assert_eq!(request.carry.len(), 2);
    }
    for prompt in [r#"["a","b"]"#, "[1,2]", "[[1]]", "3", "[]"] {
        assert_eq!(refused(&format!(r#"{{"prompt":{prompt}}}"#)), "prompt");
    }
}

#[test]
fn bounds_users_and_null_are_settled() {
    let request = with(r#""max_tokens":5,"max_completion_tokens":9,"temperature":null,"safety_identifier":"s""#);
    assert_eq!((request.output_tokens_max, request.sampling.temperature), (Some(9), None));
    assert!(request.user.is_some_and(|user| user.eq_str("s")) && request.repeat.len() == 1);
    let both = with(r#""safety_identifier":"s","user":"u""#);
    assert!(both.user.is_some_and(|user| user.eq_str("s")) && both.carry.len() == 1 && both.repeat.len() == 1);
    let path = super::request(br#"{"messages":[]}"#, Some("deployment")).unwrap();
    assert!(path.model.eq_str("deployment"));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_member() {
    let user =
        |content: &str| format!(r#"{{"messages":[{{"role":"user","content":"a"}},{{"role":"user",{content}}}]}}"#);
    for (body, member) in [
        ("[]".to_owned(), ""),
        ("{}".to_owned(), "messages"),
        (r#"{"messages":{}}"#.to_owned(), "messages"),
        (r#"{"messages":[3]}"#.to_owned(), "messages.0"),
        (r#"{"messages":[{"content":"a"}]}"#.to_owned(), "messages.0.role"),
        (r#"{"messages":[{"role":"boss"}]}"#.to_owned(), "messages.0.role"),
        (user(r#""content":3"#), "messages.1.content"),
        (user(r#""content":[3]"#), "messages.1.content.0"),
        (user(r#""content":[{"type":"text"}]"#), "messages.1.content.0.text"),
        (user(r#""content":[{"type":"image_url","image_url":{}}]"#), "messages.1.content.0.image_url"),
        (user(r#""content":[{"type":"file","file":{}}]"#), "messages.1.content.0.file"),
        (user(r#""content":"a","name":[]"#), "messages.1.name"),
        (r#"{"messages":[{"role":"assistant","tool_calls":3}]}"#.to_owned(), "messages.0.tool_calls"),
        (r#"{"messages":[{"role":"assistant","tool_calls":[{}]}]}"#.to_owned(), "messages.0.tool_calls.0.function"),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}"#.to_owned(),
            "messages.0.tool_calls.0.function.name",
        ),
        (r#"{"messages":[],"tools":[{"function":{}}]}"#.to_owned(), "tools.0.function.name"),
        (r#"{"messages":[],"tools":[3]}"#.to_owned(), "tools.0"),
        (r#"{"messages":[],"tool_choice":"maybe"}"#.to_owned(), "tool_choice"),
        (r#"{"messages":[],"temperature":"0.7"}"#.to_owned(), "temperature"),
        (r#"{"messages":[],"max_tokens":-1}"#.to_owned(), "max_tokens"),
        (r#"{"messages":[],"stream":"yes"}"#.to_owned(), "stream"),
        (r#"{"messages":[],"stop":[1]}"#.to_owned(), "stop"),
        (r#"{"messages":[],"response_format":{"type":"json_schema"}}"#.to_owned(), "response_format.json_schema"),
        (r#"{"messages":[],"extra_body":{"seed":"x"}}"#.to_owned(), "extra_body.seed"),
    ] {
        assert_eq!(refused(&body), member, "{body}");
    }
}

#[test]
fn conversion_30_a_request_of_responses_is_known_by_its_shape() {
    let body = r#"{"model":"m","stream":true,"input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}],"tools":[{"type":"function","name":"f","parameters":{}}],"max_tokens":9,"stream_options":{"include_usage":true},"x":1}"#;
    let request = read(body);
    assert_eq!(request.turns[0].parts, [Part::text(Text::constant("hi"))]);
    assert_eq!((request.output_tokens_max, request.include_usage, request.tools.len()), (Some(9), Some(true), 1));
    assert_eq!((request.stream, request.carry.len()), (true, 1));
    let both = read(r#"{"input":"vendor","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!((both.turns.len(), both.carry.len()), (1, 1));
}
