use serde_json::Value;

use super::*;

fn reply(body: &str) -> Reply {
    Reply::new(body.as_bytes(), "chatcmpl-1", 1_700_000_000)
}

/// The data of all events of a stream.
fn events(body: &str) -> Vec<String> {
    let mut reply = reply(body);
    let (mut all, mut data) = (Vec::new(), Vec::new());
    assert!(reply.is_stream());
    while reply.step(&mut all) == Step::Event {}
    let mut splitter = sse::Splitter::new(sse::Framing::Sse, 1 << 16);
    splitter.push(&all, |frame| data.push(String::from_utf8(frame.data.to_vec()).unwrap())).unwrap();
    data
}

#[test]
fn a_whole_answer_is_a_completion() {
    let reply = reply(
        r#"{"model":"m\u0061x","messages":[{"role":"user","content":"first"},
           {"role":"user","content":[{"type":"text","text":"say \"hi\""},{"type":"image_url","image_url":{}}]},
           {"role":"assistant","content":"last"}]}"#,
    );
    assert!(!reply.is_stream());
    let mut out = Vec::new();
    reply.write(&mut out);
    let said: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&said["object"], &said["model"]), (&"chat.completion".into(), &"max".into()));
    let content = said["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(content.contains("say \"hi\"") && !content.contains("first"));
    let usage = &said["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
}

#[test]
fn a_stream_tells_the_same_text() {
    let asked = r#""messages":[{"role":"user","content":"Grüße  dich"}]"#;
    let data = events(&format!(r#"{{"stream":true,{asked}}}"#));
    assert_eq!(data.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = data[..data.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, reply(&format!("{{{asked}}}")).text);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn usage_comes_when_it_is_asked_for() {
    let data = events(r#"{"stream":true,"stream_options":{"include_usage":true},"messages":[]}"#);
    let usage: Value = serde_json::from_str(&data[data.len() - 2]).unwrap();
    assert_eq!(usage["choices"].as_array().unwrap().len(), 0);
    assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    assert!(data[0].contains(r#""usage":null"#));
}

#[test]
fn a_long_question_is_cut_between_characters() {
    let said = |question: &str| reply(&format!(r#"{{"messages":[{{"role":"user","content":"{question}"}}]}}"#)).text;
    let most = "x".repeat(limits::DEMO_ECHO_BYTES_MAX);
    assert!(said(&most).contains(&format!(": {most} (The demo")));
    assert!(said(&format!("{most}y")).contains(&format!(": {most}\u{2026} (The demo")));
    // The second byte of the last letter would be one too many.
    assert!(said(&format!("{}\u{fc}", &most[1..])).contains(&format!(": {}\u{2026} (The demo", &most[1..])));
}

const TOOLS: &str = r#""tools":[
    {"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
        "properties":{"city":{"type":"string"}},"required":["city"]}}},
    {"type":"custom","custom":{"name":"patch"}}]"#;

fn asked(words: &str, more: &str) -> String {
    let words = serde_json::to_string(words).unwrap();
    format!(r#"{{"messages":[{{"role":"user","content":{words}}}]{more}}}"#)
}

/// The calls of the answer, told at once and in a stream: name and input.
fn called(body: &str) -> Vec<(String, String)> {
    let mut whole = Vec::new();
    reply(body).write(&mut whole);
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let choice = &whole["choices"][0];
    let told = |call: &Value| match call["type"].as_str() {
        Some("custom") => (string(&call["custom"]["name"]), string(&call["custom"]["input"])),
        _ => (string(&call["function"]["name"]), string(&call["function"]["arguments"])),
    };
    let calls: Vec<_> = choice["message"]["tool_calls"].as_array().into_iter().flatten().map(told).collect();
    assert_eq!(choice["finish_reason"], if calls.is_empty() { "stop" } else { "tool_calls" });
    let mut streamed: Vec<(String, String)> = Vec::new();
    let data = events(&body.replacen('{', r#"{"stream":true,"#, 1));
    for chunk in &data[..data.len() - 1] {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if call.get("id").is_some() {
                streamed.push(told(call));
            } else {
                let last = streamed.last_mut().unwrap();
                last.1 += call["function"]["arguments"].as_str().or(call["custom"]["input"].as_str()).unwrap();
            }
        }
    }
    assert_eq!(streamed, calls);
    calls
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn tools_are_called_as_wished() {
    let weather = ("get_weather".to_owned(), r#"{"city":"demo"}"#.to_owned());
    let patch = ("patch".to_owned(), "demo".to_owned());
    let named = r#","tool_choice":{"type":"custom","custom":{"name":"patch"}}"#;
    for (words, more, calls) in [
        ("hello", String::new(), vec![]),
        ("demo:tool", String::new(), vec![]),
        ("demo:tool", format!(",{TOOLS}"), vec![weather.clone()]),
        ("demo:tools", format!(",{TOOLS}"), vec![weather.clone(), patch.clone()]),
        ("demo:tools=3", format!(",{TOOLS}"), vec![weather.clone(), patch.clone(), weather.clone()]),
        ("demo:tools", format!(r#",{TOOLS},"parallel_tool_calls":false"#), vec![weather.clone()]),
        ("demo:tool=patch", format!(",{TOOLS}"), vec![patch.clone()]),
        ("hello", format!(r#",{TOOLS},"tool_choice":"required""#), vec![weather.clone()]),
        ("hello", format!(",{TOOLS}{named}"), vec![patch.clone()]),
        (
            r#"demo:tool with {"city": "Bern, the \"capital\""}"#,
            format!(",{TOOLS}"),
            vec![(weather.0.clone(), r#"{"city": "Bern, the \"capital\""}"#.to_owned())],
        ),
    ] {
        assert_eq!(called(&asked(words, &more)), calls, "{words} {more}");
    }
}

#[test]
fn a_result_is_answered_and_calls_nothing() {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"demo:tool"}},{{"role":"assistant","content":null,"tool_calls":[]}},
            {{"role":"tool","tool_call_id":"c","content":"{{\"t\":21}}"}},{{"role":"user","content":"a reminder"}}],
            {TOOLS}}}"#
    );
    let reply = reply(&body);
    assert!(reply.calls.is_empty() && reply.text.contains(r#"The tool said: {"t":21} ("#), "{}", reply.text);
}

#[test]
fn an_answer_has_the_form_that_is_asked_for() {
    let schema = r#","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object",
        "properties":{"n":{"type":"integer"}},"required":["n"]}}}"#;
    assert_eq!(reply(&asked("hi", schema)).text, r#"{"n":1}"#);
    let object = reply(&asked("hi", r#","response_format":{"type":"json_object"}"#));
    assert!(serde_json::from_str::<Value>(&object.text).unwrap().is_object());
}

#[test]
fn thoughts_and_images_are_told_both_ways() {
    let body = asked("demo:think demo:image demo:long=3", "");
    let mut whole = Vec::new();
    reply(&body).write(&mut whole);
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let message = &whole["choices"][0]["message"];
    let data = events(&body.replacen('{', r#"{"stream":true,"#, 1));
    let chunks = data[..data.len() - 1].iter().map(|data| serde_json::from_str::<Value>(data).unwrap());
    let deltas: Vec<Value> = chunks.map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let joined = |name: &str| deltas.iter().filter_map(|delta| delta[name].as_str()).collect::<String>();
    assert_eq!((joined("reasoning_content"), joined("content")), (THOUGHT.to_owned(), "word1 word2 word3".to_owned()));
    assert_eq!((&message["reasoning_content"], &message["content"]), (&THOUGHT.into(), &"word1 word2 word3".into()));
    let images: Vec<_> = deltas.iter().filter(|delta| delta.get("images").is_some()).collect();
    assert_eq!((images.len(), &images[0]["images"]), (1, &message["images"]));
}

#[test]
fn trouble_comes_in_the_middle() {
    let broken = |words: &str| {
        let body = asked(words, r#","stream":true"#);
        let (mut reply, mut all) = (reply(&body), Vec::new());
        let last = loop {
            match reply.step(&mut all) {
                Step::Event => {}
                other => break other,
            }
        };
        assert_eq!(reply.step(&mut all), Step::End);
        (last, String::from_utf8(all).unwrap())
    };
    let (last, said) = broken("demo:cut");
    assert!(last == Step::Cut && said.contains("Hello") && !said.contains("[DONE]") && !said.contains("error\":"));
    let (last, said) = broken("demo:error=stream");
    assert!(last == Step::End && said.contains("Hello") && !said.contains("[DONE]") && said.contains("{\"error\":"));
}

#[test]
fn an_unknown_word_is_told_the_known_ones() {
    assert!(reply(&asked("demo:tol", "")).text.contains("demo:tools"));
}
