use super::*;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Destination, Input, MediaKind, Outgoing, Part, Quirks, Role, Source};

fn read(body: &str) -> Request<'_> {
    request(body.as_bytes(), Some("gemini-3-pro"), true).unwrap_or_else(|bad| panic!("{bad:?}: {body}"))
}

fn refused(body: &str) -> String {
    request(body.as_bytes(), Some("m"), false).map(|_| ()).expect_err(body).member.into_owned()
}

fn with(members: &str) -> String {
    format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}],{members}}}"#)
}

/// What a Gemini upstream gets of it.
fn again(body: &str) -> (String, usize) {
    let quirks = Quirks::default();
    let mut out = Outgoing::default();
    let to = Destination { model: "gemini-3-pro", stream: true, quirks: &quirks };
    crate::protocol::gemini::request_out::request(&read(body), &to, &mut out).expect("it can be said again");
    (String::from_utf8(out.body).unwrap(), out.dropped.iter().count())
}

#[test]
fn a_conversation_with_calls_results_and_signatures() {
    let body = include_str!("../../../tests/golden/gemini/request-tools.json");
    let read = read(body);
    assert_eq!((read.model.decode(), read.stream, read.turns.len()), ("gemini-3-pro".into(), true, 4));
    assert_eq!(read.instructions[0].parts, [Part::text(Text::plain("Be \"kind\"."))]);
    let Part::ToolCall(call) = &read.turns[1].parts[1] else { panic!("{:?}", read.turns[1]) };
    assert_eq!((call.name.decode(), call.id.decode()), ("list_directory".into(), "".into()));
    assert_eq!(call.input, Input::Json(Json::constant(r#"{"path":"/","n":0.10}"#)));
    assert_eq!(
        call.seal.as_ref().map(|seal| (seal.origin, seal.kind, seal.data.decode())),
        Some((Dialect::Gemini, SealKind::Call, "EjQK".into()))
    );
    let Part::ToolResult(result) = &read.turns[2].parts[0] else { panic!("{:?}", read.turns[2]) };
    assert_eq!((result.name.as_ref().unwrap().decode(), result.failed), ("list_directory".into(), false));
    assert_eq!(result.content, [Part::text(Text::plain("a.txt"))]);
    let Part::ToolResult(result) = &read.turns[2].parts[1] else { panic!("{:?}", read.turns[2]) };
    assert_eq!(result.json, Some(Json::constant(r#"{"result":[1,2]}"#)));
}

#[test]
fn what_gemini_clients_say_is_said_to_gemini_again() {
    for body in [
        include_str!("../../../tests/golden/gemini/request-tools.json"),
        include_str!("../../../tests/golden/gemini/request-parts.json"),
        include_str!("../../../tests/golden/gemini/request-config.json"),
    ] {
        let (said, dropped) = again(body);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!((value(&said), dropped), (value(body), 0), "{said}");
    }
}

#[test]
fn names_come_in_both_spellings() {
    let camel = read(r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"aa-_"}}]}],"systemInstruction":{"parts":{"text":"s"}},"generationConfig":{"maxOutputTokens":5,"thinkingConfig":{"thinkingBudget":0}},"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"snake_case":{}}}}]}],"safetySettings":[]}"#).turns;
    let snake = r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"aa-_"}}]}],"system_instruction":{"parts":{"text":"s"}},"generation_config":{"max_output_tokens":5,"thinking_config":{"thinking_budget":0}},"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},"tools":[{"function_declarations":[{"name":"f","parameters_json_schema":{"type":"object","properties":{"snake_case":{}}}}]}],"safety_settings":[]}"#;
    let read = read(snake);
    assert_eq!(read.turns, camel);
    let Part::Media(media) = &read.turns[0].parts[0] else { panic!() };
    assert_eq!((media.kind, &media.source), (MediaKind::Image, &Source::Base64(Text::plain("aa+/"))));
    assert_eq!((read.output_tokens_max, read.reasoning.thinking), (Some(5), Thinking::Off));
    assert!(matches!(&read.tool_choice, Some(ToolChoice::Named { name, .. }) if name.eq_str("f")));
    let Tool::Function(function) = &read.tools[0] else { panic!() };
    assert_eq!(function.parameters, Some(Json::constant(r#"{"type":"object","properties":{"snake_case":{}}}"#)));
    assert_eq!(read.carry[0].0, Text::plain("safetySettings"));
}

#[test]
fn a_configuration_is_read_whole() {
    let read = read(include_str!("../../../tests/golden/gemini/request-config.json"));
    let sampling = &read.sampling;
    assert_eq!(sampling.temperature, Some(Json::constant("0.10")));
    assert_eq!((sampling.n, sampling.logprobs, sampling.top_logprobs), (Some(1), Some(true), Some(3)));
    assert_eq!((read.output_tokens_max, read.stop.len()), (Some(2048), 2));
    assert_eq!(read.modalities, [Text::plain("text"), Text::plain("image")]);
    assert_eq!(read.reasoning.thinking, Thinking::Effort(Effort::Low));
    assert_eq!(read.reasoning.shown, Some(true));
    let Shape::JsonSchema { schema, .. } = &read.shape else { panic!("{:?}", read.shape) };
    assert_eq!(
        String::from_utf8_lossy(schema.bytes()),
        r#"{"type":"object","properties":{"a":{"type":["string","null"]}}}"#
    );
    let carried: Vec<_> = read.carry.iter().map(|(name, _)| name.decode().into_owned()).collect();
    assert_eq!(
        carried,
        [
            "safetySettings",
            "generationConfig.speechConfig",
            "generationConfig.mediaResolution",
            "cachedContent",
            "labels"
        ]
    );
    assert_eq!((read.service_tier, read.store), (Some(Text::plain("flex")), Some(false)));
}

#[test]
fn thinking_is_read_in_tokens_and_in_words() {
    for (config, expected) in [
        (r#"{"thinkingBudget":8192}"#, Thinking::Budget(8192)),
        (r#"{"thinkingBudget":"8192"}"#, Thinking::Budget(8192)),
        (r#"{"thinkingBudget":0}"#, Thinking::Off),
        (r#"{"thinkingBudget":-1}"#, Thinking::Auto),
        (r#"{"thinkingLevel":"HIGH","thinkingBudget":5}"#, Thinking::Effort(Effort::High)),
        (r#"{"thinkingLevel":"minimal"}"#, Thinking::Effort(Effort::Minimal)),
        (r#"{"thinkingLevel":"THINKING_LEVEL_UNSPECIFIED"}"#, Thinking::Unsaid),
        (r#"{"includeThoughts":true}"#, Thinking::Unsaid),
    ] {
        let body = with(&format!(r#""generationConfig":{{"thinkingConfig":{config}}}"#));
        assert_eq!(read(&body).reasoning.thinking, expected, "{config}");
    }
}

#[test]
fn conversion_37_the_choice_of_tools() {
    let choice = |config: &str| {
        let body = with(&format!(r#""toolConfig":{{"functionCallingConfig":{config}}}"#));
        let choice = read(&body).tool_choice;
        match choice {
            Some(ToolChoice::Auto) => "auto".to_owned(),
            Some(ToolChoice::None) => "none".to_owned(),
            Some(ToolChoice::Required) => "required".to_owned(),
            Some(ToolChoice::Named { name, .. }) => name.decode().into_owned(),
            Some(ToolChoice::Allowed { required, names }) => format!("{required} {}", names.len()),
            Some(ToolChoice::Foreign(_)) => "foreign".to_owned(),
            None => "-".to_owned(),
        }
    };
    for (config, expected) in [
        (r#"{"mode":"AUTO"}"#, "auto"),
        (r#"{"mode":"none"}"#, "none"),
        (r#"{"mode":"ANY"}"#, "required"),
        (r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#, "f"),
        (r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#, "true 2"),
        (r#"{"mode":"VALIDATED","allowedFunctionNames":["f"]}"#, "false 1"),
        (r#"{"mode":"VALIDATED"}"#, "foreign"),
        (r#"{"mode":"MODE_UNSPECIFIED"}"#, "-"),
    ] {
        assert_eq!(choice(config), expected, "{config}");
    }
}

#[test]
fn results_are_texts_errors_values_and_media() {
    let result = |response: &str| {
        let body = format!(
            r#"{{"contents":[{{"role":"function","parts":[{{"functionResponse":{{"name":"f",{response}}}}}]}}]}}"#
        );
        let read = read(&body);
        let Part::ToolResult(result) = &read.turns[0].parts[0] else { panic!() };
        (format!("{:?}", result.content.len()), result.json.clone().map(Json::into_owned), result.failed)
    };
    assert_eq!(result(r#""response":{"output":"x"}"#), ("1".into(), None, false));
    assert_eq!(result(r#""response":{"error":"x"}"#), ("1".into(), None, true));
    assert_eq!(result(r#""response":{"output":{"a":1}}"#).1, Some(Json::constant(r#"{"output":{"a":1}}"#)));
    assert_eq!(result(r#""id":"7""#).1, Some(Json::constant("{}")));
    let media = result(r#""response":{"a":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBO"}}]"#);
    assert_eq!(media, ("2".into(), None, false));
}

#[test]
fn what_is_in_the_wrong_shape_is_refused_by_name() {
    for (body, member) in [
        ("[]", ""),
        ("{}", "contents"),
        (r#"{"contents":"hi"}"#, "contents"),
        (r#"{"contents":[7]}"#, "contents.0"),
        (r#"{"contents":[{"role":"user","parts":[]},{"role":"assistant","parts":[]}]}"#, "contents.1.role"),
        (r#"{"contents":[{"parts":"x"}]}"#, "contents.0.parts"),
        (r#"{"contents":[{"parts":[{"text":"a"},{"text":7}]}]}"#, "contents.0.parts.1"),
        (r#"{"contents":[{"parts":[{}]}]}"#, "contents.0.parts.0"),
        (r#"{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}"#, "contents.0.parts.0"),
        (r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}"#, "contents.0.parts.0"),
        (r#"{"contents":[{"parts":[{"functionResponse":{"response":{}}}]}]}"#, "contents.0.parts.0"),
        (r#"{"contents":[],"tools":7}"#, "tools"),
        (r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f"},{}]}]}"#, "tools.0.functionDeclarations.1"),
        (r#"{"contents":[],"systemInstruction":7}"#, "systemInstruction"),
        (r#"{"contents":[],"generationConfig":{"temperature":"hot"}}"#, "generationConfig.temperature"),
        (r#"{"contents":[],"generation_config":{"stop_sequences":"x"}}"#, "generationConfig.stopSequences"),
        (
            r#"{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingLevel":"HUGE"}}}"#,
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
        (r#"{"contents":[],"store":"yes"}"#, "store"),
    ] {
        assert_eq!(refused(body), member, "{body}");
    }
}

#[test]
fn both_forms_of_a_schema_mean_the_same() {
    let body = with(
        r#""tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}},{"name":"g","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}}}},{"name":"h"}]},{"codeExecution":{}},{"googleSearch":{},"urlContext":{}}]"#,
    );
    let read = read(&body);
    let parameters: Vec<_> = read
        .tools
        .iter()
        .filter_map(|tool| match tool {
            Tool::Function(function) => Some(function.parameters.clone()),
            _ => None,
        })
        .collect();
    assert_eq!((parameters.len(), &parameters[0], &parameters[2]), (3, &parameters[1], &None));
    let raw = |nth: usize| match &read.tools[nth] {
        Tool::Foreign { raw, .. } => String::from_utf8_lossy(raw.bytes()).into_owned(),
        Tool::WebSearch(_) => "search".to_owned(),
        _ => "function".to_owned(),
    };
    assert_eq!([raw(3), raw(4), raw(5)], [r#"{"codeExecution":{}}"#, "search", r#"{"urlContext":{}}"#]);
}

#[test]
fn results_without_ids_find_their_calls_by_name_and_order() {
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"go"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f","args":{"n":2}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"g"}}},{"functionResponse":{"name":"f","response":{"output":"f1"}}},{"functionResponse":{"name":"f","response":{"output":"f2"}}}]}]}"#;
    let read = read(body);
    let sides = crate::protocol::ir::arrange::arrange(&read.turns);
    let pairs: Vec<_> = sides[2]
        .pieces
        .iter()
        .map(|piece| match piece {
            crate::protocol::ir::arrange::Piece::Result(result, call, number) => {
                let Part::Text { text, .. } = &result.content[0] else { panic!() };
                (call.name.decode(), *number, text.decode())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pairs, [("g".into(), 1, "g".into()), ("f".into(), 0, "f1".into()), ("f".into(), 2, "f2".into())]);
    assert_eq!(sides[1].role, Role::Assistant);
}
