//! A splice changes the model and the wish for usage, and nothing else, as a whole reading of the body sees it.
use serde_json::{Value, json};
use weir::protocol::path::Endpoint;
use weir::protocol::sniff;

pub fn run(body: &[u8]) {
    let _ = sniff::form(Endpoint::Audio, b"multipart/form-data; boundary=b", body).map(|asked| {
        asked.map(|asked| {
            let mut out = Vec::new();
            sniff::splice(&asked, body, Some("m"), false).write_to(&mut out);
            let again = sniff::form(Endpoint::Audio, b"multipart/form-data; boundary=b", &out).unwrap().unwrap();
            assert_eq!(again.model(&out), "m");
        })
    });
    let Ok(asked) = sniff::request(Endpoint::ChatCompletions, body) else { return };
    let mut out = Vec::new();
    sniff::splice(&asked, body, None, false).write_to(&mut out);
    assert_eq!(out, body);

    out.clear();
    sniff::splice(&asked, body, Some("a\"b"), true).write_to(&mut out);
    // serde_json refuses some valid texts: numbers out of range, lone surrogates.
    let Ok(mut expected) = serde_json::from_slice::<Value>(body) else { return };
    expected["model"] = json!("a\"b");
    match &mut expected["stream_options"] {
        Value::Object(options) => _ = options.insert("include_usage".to_owned(), json!(true)),
        other => *other = json!({"include_usage": true}),
    }
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
}
