//! One line for each way that a dialect says it (`config.md` §5, "Names and scenes").

use super::*;
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::request_outlined;

fn outline(body: &str) -> Outline {
    request_outlined(Endpoint::ChatCompletions, body.as_bytes()).unwrap().1
}

#[test]
fn members_are_found_by_whatever_spelling() {
    let body = r#"{"a":1,"mod\u0065l":"x","a":2,"n":null}"#;
    let found = |name| outline(body).find(body.as_bytes(), name).map(|value| value.bytes().to_vec());
    assert_eq!(found("model").as_deref(), Some(&b"\"x\""[..]));
    assert_eq!(found("a").as_deref(), Some(&b"2"[..]));
    assert_eq!((found("n"), found("b")), (None, None));
}

#[test]
fn web_searches_are_seen() {
    for (body, expected) in [
        (r#"{"tools":[{"type":"function"},{"type":"web_search_20250305","name":"web_search"}]}"#, true),
        (r#"{"tools":[{"type":"web_search"}]}"#, true),
        (r#"{"tools":[{"type":"web_search_preview"}]}"#, true),
        (r#"{"web_search_options":{}}"#, true),
        (r#"{"tools":[{"google_search":{}}]}"#, true),
        (r#"{"tools":[{"googleSearch":{}}]}"#, true),
        (r#"{"web_search_options":null}"#, false),
        (r#"{"tools":[{"type":"function","function":{"name":"web_search"}}]}"#, false),
        (r#"{"tools":null}"#, false),
        (r#"{"x":{"web_search_options":{}}}"#, false),
    ] {
        assert_eq!(outline(body).searches(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn reasoning_is_seen() {
    for (body, expected) in [
        (r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#, true),
        (r#"{"thinking":{"type":"adaptive"}}"#, true),
        (r#"{"thinking":{"type":"disabled"}}"#, false),
        (r#"{"thinking":null}"#, false),
        (r#"{"reasoning_effort":"low"}"#, true),
        (r#"{"reasoning_effort":"HIGH"}"#, true),
        (r#"{"reasoning_effort":"minimal"}"#, false),
        (r#"{"reasoning_effort":"none"}"#, false),
        (r#"{"reasoning_effort":null}"#, false),
        (r#"{"reasoning":{"effort":"medium"}}"#, true),
        (r#"{"reasoning":{"effort":"minimal","summary":"auto"}}"#, false),
        (r#"{"reasoning":{"summary":"auto"}}"#, false),
        (r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":1}}}"#, true),
        (r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}"#, true),
        (r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#, false),
        (r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"low"}}}"#, true),
        (r#"{"generation_config":{"thinking_config":{"thinking_budget":5}}}"#, true),
        (r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#, false),
        (r#"{"think":true}"#, true),
        (r#"{"think":"high"}"#, true),
        (r#"{"think":false}"#, false),
        (r#"{"messages":[{"thinking":{"type":"enabled"}}]}"#, false),
    ] {
        assert_eq!(outline(body).reasons(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn images_in_user_turns_are_seen() {
    for (body, expected) in [
        (r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#, true),
        (r#"{"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]}"#, true),
        (r#"{"messages":[{"role":"assistant","content":[{"type":"image","source":{}}]}]}"#, false),
        (r#"{"messages":[{"role":"user","content":"image"}]}"#, false),
        (r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}"#, true),
        (r#"{"input":"image"}"#, false),
        (r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png"}}]}]}"#, true),
        (r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png"}}]}]}"#, true),
        (r#"{"contents":[{"parts":[{"fileData":{"mimeType":"image/jpeg"}}]}]}"#, true),
        (r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav"}}]}]}"#, false),
        (r#"{"contents":[{"role":"model","parts":[{"inlineData":{"mimeType":"image/png"}}]}]}"#, false),
        (r#"{"messages":[{"role":"user","content":"see","images":["aGk="]}]}"#, true),
        (r#"{"messages":[{"role":"user","content":"see","images":[]}]}"#, false),
        (r#"{"prompt":"see","images":["aGk="]}"#, true),
    ] {
        assert_eq!(outline(body).shows_image(body.as_bytes()), expected, "{body}");
    }
}

fn texts(body: &str) -> String {
    let mut all = Vec::new();
    outline(body).texts(body.as_bytes(), |text| all.push(String::from_utf8(text.bytes().to_vec()).unwrap()));
    all.join("|")
}

#[test]
fn texts_are_what_a_model_reads() {
    for (body, expected) in [
        (r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"system":"be"}"#, "be|hi"),
        (
            r#"{"system":[{"type":"text","text":"s"}],"messages":[{"content":[{"type":"text","text":"t"},
                {"type":"tool_use","name":"n","input":{"a":1}},{"type":"image","source":{"data":"zzzz"}},
                {"type":"tool_result","content":[{"type":"text","text":"r"}]},{"type":"thinking","thinking":"zz"}]}],
                "tools":[{"name":"f","description":"d","input_schema":{"x":2}}]}"#,
            r#"s|t|n|{"a":1}|r|f|d|{"x":2}"#,
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},
                {"role":"tool","content":"out"}],"tools":[{"type":"function","function":{"name":"g","parameters":{}}}]}"#,
            "f|{}|out|g|{}",
        ),
        (
            r#"{"instructions":"i","input":[{"role":"user","content":[{"type":"input_text","text":"t"}]},
                {"type":"function_call","name":"f","arguments":"{}"},{"type":"function_call_output","output":"o"}]}"#,
            "i|t|f|{}|o",
        ),
        (r#"{"input":"plain"}"#, "plain"),
        (
            r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"parts":[{"text":"t"},
                {"functionCall":{"name":"f","args":{"a":1}}},{"functionResponse":{"name":"f","response":{"b":2}}},
                {"inlineData":{"mimeType":"image/png","data":"zz"}}]}],
                "tools":[{"functionDeclarations":[{"name":"g","description":"d","parametersJsonSchema":{}}]}]}"#,
            r#"s|t|f|{"a":1}|f|{"b":2}|g|d|{}"#,
        ),
    ] {
        assert_eq!(texts(body), expected, "{body}");
    }
}

#[test]
fn texts_are_looked_for_so_deep_and_no_deeper() {
    let nested = |lists: u32| {
        let (open, close) = ("[".repeat(lists as usize), "]".repeat(lists as usize));
        format!(r#"{{"system":{open}"deep"{close}}}"#)
    };
    assert_eq!(texts(&nested(limits::TEXT_DEPTH_MAX)), "deep");
    assert_eq!(texts(&nested(limits::TEXT_DEPTH_MAX + 1)), "");
}
