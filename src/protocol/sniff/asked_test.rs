use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Unfit, request};
use super::*;

fn spliced(endpoint: Endpoint, body: &str, model: Option<&str>, want_usage: bool) -> String {
    let asked = request(endpoint, body.as_bytes()).unwrap();
    let mut out = Vec::new();
    splice(&asked, body.as_bytes(), model, want_usage).write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn members_are_read_from_the_top_level_only() {
    let body = br#"{"messages":[{"model":"no","stream":true}],"model":"a\u002fb","stream":false,
        "stream_options":{"include_usage":true,"x":1}}"#;
    let asked = request(Endpoint::ChatCompletions, body).unwrap();
    assert_eq!(asked.model(body), "a/b");
    assert_eq!((asked.stream, asked.include_usage, asked.models.len()), (Some(false), Some(true), 1));
    assert!(!asked.streams() && !asked.lacks_usage());
    for (body, model) in
        [("{}", ""), (r#"{"model":null}"#, ""), (r#"{"model":7}"#, ""), (r#"{"model":"a","mod\u0065l":"b"}"#, "b")]
    {
        assert_eq!(request(Endpoint::Messages, body.as_bytes()).unwrap().model(body.as_bytes()), model);
    }
    let unfit = |body| match request(Endpoint::Messages, body).unwrap_err() {
        Unfit::Json(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(unfit(b"[]").kind, json::ErrorKind::NotObject);
    assert_eq!(unfit(b"{\"a\":tru}").at, 8);
}

#[test]
fn streams_begin_as_each_dialect_has_it() {
    let streams = |endpoint, body: &str| request(endpoint, body.as_bytes()).unwrap().streams();
    assert!(streams(Endpoint::OllamaChat, "{}") && !streams(Endpoint::OllamaChat, r#"{"stream":false}"#));
    assert!(!streams(Endpoint::ChatCompletions, "{}") && streams(Endpoint::Messages, r#"{"stream":true}"#));
    assert!(streams(Endpoint::GeminiStream, "{}") && !streams(Endpoint::GeminiGenerate, r#"{"stream":true}"#));
    assert!(!streams(Endpoint::OllamaEmbed, "{}"));
    let lacks = |body: &str| request(Endpoint::ChatCompletions, body.as_bytes()).unwrap().lacks_usage();
    assert!(lacks(r#"{"stream":true}"#) && lacks(r#"{"stream":true,"stream_options":{"include_usage":false}}"#));
    assert!(!lacks(r#"{"stream":true,"stream_options":{"include_usage":true}}"#) && !lacks("{}"));
}

#[test]
fn every_spelling_of_model_is_rewritten() {
    let chat = Endpoint::ChatCompletions;
    for (body, expected) in [
        (r#"{"model":"a"}"#, r#"{"model":"x\"y"}"#),
        (r#" { "n" : 1.10 , "model" : "a" } "#, r#" { "n" : 1.10 , "model" : "x\"y" } "#),
        (r#"{"model":"a","\u006dodel":{"b":1},"m":2}"#, r#"{"model":"x\"y","\u006dodel":"x\"y","m":2}"#),
        ("{}", r#"{"model":"x\"y"}"#),
        (r#" {"n":1}"#, r#" {"model":"x\"y","n":1}"#),
    ] {
        assert_eq!(spliced(chat, body, Some("x\"y"), false), expected);
    }
    let gemini = Endpoint::GeminiEmbed;
    assert_eq!(spliced(gemini, r#"{"model":"models/a"}"#, Some("b"), false), r#"{"model":"models/b"}"#);
    assert_eq!(spliced(gemini, r#"{"model":"models/a"}"#, Some("models/b"), false), r#"{"model":"models/b"}"#);
    assert_eq!(spliced(gemini, r#"{"n":1}"#, Some("b"), false), r#"{"n":1}"#);
}

#[test]
fn usage_is_asked_for_in_every_shape() {
    for body in [
        r#"{"stream":true}"#,
        "{}",
        r#"{"stream_options":null}"#,
        r#"{"stream_options":{}}"#,
        r#"{"stream_options":{"include_usage":false}}"#,
        r#"{"stream_options":{"a":1,"include_usage":null,"b":2,"include_usag\u0065":false}}"#,
        r#"{"stream_options":{"include_usage":true}}"#,
    ] {
        for model in [None, Some("m")] {
            let text = spliced(Endpoint::ChatCompletions, body, model, true);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["stream_options"]["include_usage"], true, "{text}");
            assert_eq!(text.matches("include_usag").count(), 1, "{text}");
            assert_eq!(value["model"], model.map_or(Value::Null, Value::from));
        }
    }
}

proptest! {
    /// Law 4 of the design: nothing but what was to be changed is changed.
    #[test]
    fn a_splice_changes_what_it_should_and_nothing_else(
        members in prop::collection::vec(
            (prop::sample::select(vec!["model", "stream", "stream_options", "messages", "n"]),
             prop::sample::select(vec!["\"m\"", "true", "null", "{\"include_usage\":false}", "[{\"model\":\"x\"}]", "1.10"])),
            0..5,
        ),
        model in prop::option::of("[a-z\"/]{0,8}"),
        want_usage: bool,
    ) {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
        let body = format!("{{{}}}", members.join(" ,"));
        let text = spliced(Endpoint::ChatCompletions, &body, model.as_deref(), want_usage);
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        if let Some(model) = &model {
            expected["model"] = json!(model);
        }
        if want_usage {
            match &mut expected["stream_options"] {
                Value::Object(options) => { options.insert("include_usage".into(), json!(true)); }
                other => *other = json!({"include_usage": true}),
            }
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        if model.is_none() && !want_usage {
            prop_assert_eq!(text, body);
        }
    }
}
