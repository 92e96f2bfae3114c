//! Nothing is lost in silence: what a request says changes what the provider is asked, or is named.
//!
//! Of a request that says much, each member is left out in turn, and an unknown one put into each object. Where the body
//! for the provider stays the same and nothing around the member is named as not said, it was lost in silence. What may
//! be is listed, each with the reason.

use serde_json::Value;

use super::*;
use crate::protocol::ir::{Destination, Outgoing, Quirks};

/// A step into a value.
#[derive(Clone, Debug)]
enum Step {
    Member(String),
    Element(usize),
}

/// The body for a provider and the names of what it does not say; or the refusal, which names a member too.
fn said(client: Dialect, body: &Value, upstream: Dialect) -> (String, String) {
    let body = body.to_string();
    let request = match decode_request(client, body.as_bytes(), Some("m"), false) {
        Ok(request) => request,
        Err(bad) => return (format!("refused: {bad}"), String::new()),
    };
    let mut out = Outgoing::default();
    let to = Destination { model: "a-search-model", stream: false, quirks: &Quirks::default() };
    if let Err(bad) = refuse(&request, upstream).and_then(|()| encode_request(upstream, &request, &to, &mut out)) {
        return (format!("refused: {bad}"), String::new());
    }
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out.body), text(dropped))
}

/// Whether a part of a request that `at` is in is named among what is not said: by its member or by its type.
fn is_named(body: &Value, at: &[Step], dropped: &str) -> bool {
    // A name is that of the last member of its path: `messages.x` says nothing of the other `messages`.
    let names = dropped.split(", ").map(|name| name.trim_end_matches(" (approximated)"));
    let words: Vec<_> = names.filter_map(|name| name.rsplit('.').next()).collect();
    let (mut value, mut named) = (body, false);
    for step in at {
        // A thought of one vendor is none of another's.
        let thinks = value["type"].as_str().is_some_and(|kind| kind.ends_with("thinking"));
        named |= (value["thought"] == true || thinks) && words.contains(&"reasoning");
        named |= value["type"].as_str().is_some_and(|kind| kind != "function" && words.contains(&plain(kind)));
        match step {
            Step::Member(name) => {
                named |= words.contains(&name.as_str()) || words.contains(&plain(name));
                value = &value[name.as_str()];
            }
            Step::Element(nth) => value = &value[*nth],
        }
    }
    named
}

/// The one name of what each vendor calls otherwise.
fn plain(name: &str) -> &str {
    match name {
        "googleSearch" | "web_search_options" => "web_search",
        "annotations" => "citations",
        "input_audio" => "audio",
        "title" | "filename" | "displayName" => "filename",
        name if name.starts_with("web_search_") => "web_search",
        name => name,
    }
}

/// All places in `value`, those of objects and of what is in them.
fn places(value: &Value, at: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    all.push(at.clone());
    let steps: Vec<(Step, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (Step::Member(name.clone()), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(nth, value)| (Step::Element(nth), value)).collect(),
        _ => Vec::new(),
    };
    for (step, inner) in steps {
        at.push(step);
        places(inner, at, all);
        at.pop();
    }
}

fn into<'v>(value: &'v mut Value, at: &[Step]) -> &'v mut Value {
    at.iter().fold(value, |value, step| match step {
        Step::Member(name) => &mut value[name.as_str()],
        Step::Element(nth) => &mut value[*nth],
    })
}

fn path(at: &[Step]) -> String {
    let names = at.iter().map(|step| match step {
        Step::Member(name) => name.clone(),
        Step::Element(_) => "*".to_owned(),
    });
    names.collect::<Vec<_>>().join(".")
}

/// Where `path` is, or is inside, one of `allowed`; a `*` at the end stands for any name.
fn may_be_silent(path: &str, allowed: &[&str]) -> bool {
    allowed.iter().any(|allowed| match allowed.strip_suffix('+') {
        Some(start) => path.starts_with(start),
        None => path == *allowed,
    })
}

/// Members of `body` that are lost in silence on the way to any other protocol but those `refusing` it.
fn silent(client: Dialect, body: &Value, allowed: &[&str], refusing: &[Dialect]) -> Vec<String> {
    let mut all = Vec::new();
    places(body, &mut Vec::new(), &mut all);
    let mut found = Vec::new();
    for upstream in Dialect::ALL.into_iter().filter(|upstream| *upstream != client) {
        let (whole, dropped) = said(client, body, upstream);
        assert_eq!(whole.starts_with("refused"), refusing.contains(&upstream), "{client:?} to {upstream:?}: {whole}");
        if refusing.contains(&upstream) {
            continue;
        }
        let mut look = |at: &[Step], changed: Value| {
            let path = path(at);
            if may_be_silent(&path, allowed) {
                return;
            }
            // A new member is named by its own name; one that is left out was, where it stood.
            let (now, others) = said(client, &changed, upstream);
            if now == whole && others == dropped && !is_named(body, at, &dropped) {
                found.push(format!("{client:?} to {upstream:?}: {path}"));
            }
        };
        for at in &all {
            let mut changed = body.clone();
            if let Some((Step::Member(name), parent)) = at.split_last() {
                into(&mut changed, parent).as_object_mut().expect("an object").remove(name);
                look(at, changed);
            }
            let mut changed = body.clone();
            if let Value::Object(members) = into(&mut changed, at) {
                members.insert("zz_new".to_owned(), "new".into());
                look(&[&at[..], &[Step::Member("zz_new".to_owned())]].concat(), changed);
            }
        }
    }
    found
}

fn none_is_silent(client: Dialect, body: &str, allowed: &[&str]) {
    none_but(client, body, allowed, &[]);
}

fn none_but(client: Dialect, body: &str, allowed: &[&str], refusing: &[Dialect]) {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let found = silent(client, &body, allowed, refusing);
    assert!(found.is_empty(), "lost in silence:\n{}", found.join("\n"));
}

#[test]
fn nothing_of_a_chat_request_is_lost_in_silence() {
    let allowed = [
        // The target has a model of its own, and streams as it is asked.
        "model",
        "stream",
        // A schema is fitted to what the provider knows of schemas.
        "tools.*.function.parameters+",
        "response_format.json_schema.schema+",
        // What is the usual is not said.
        "tools.*.type",
        "messages.*.content.*.type",
        "messages.*.tool_calls.*.type",
        "tool_choice.type",
        // A result is that of the call that waits for one.
        "messages.*.tool_call_id",
        "web_search_options.user_location.type",
        // About the stream between OpenAI and its client.
        "stream_options+",
    ];
    let body = r#"{"model":"m","temperature":0.5,"top_p":0.9,"n":2,"seed":7,"stop":["x"],"logit_bias":{"1":2},
        "logprobs":true,"top_logprobs":3,"presence_penalty":0.1,"frequency_penalty":0.2,"max_completion_tokens":900,
        "user":"u","metadata":{"k":"v"},"service_tier":"flex","store":true,"prompt_cache_key":"k","verbosity":"low",
        "prediction":{"type":"content","content":"p"},"moderation":{"model":"x"},"reasoning_effort":"low",
        "parallel_tool_calls":false,"stream_options":{"include_obfuscation":true},"prompt_cache_retention":"24h",
        "web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Oslo"}}},
        "response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{"type":"object","properties":{}}}},
        "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{}}}}],
        "tool_choice":{"type":"function","function":{"name":"f"}},
        "messages":[{"role":"system","content":"s"},{"role":"user","name":"bob","content":[{"type":"text","text":"t"},
          {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"high"}}]},
          {"role":"assistant","content":"a","refusal":"r","reasoning_content":"thought","annotations":[{"type":"url_citation"}],
           "tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
          {"role":"tool","tool_call_id":"call_1","content":"done"},{"role":"user","content":"go on"}]}"#;
    none_is_silent(Dialect::Chat, body, &allowed);
}

#[test]
fn nothing_of_a_responses_request_is_lost_in_silence() {
    let allowed = [
        // The target has a model of its own, and streams as it is asked.
        "model",
        "stream",
        "tools.*.parameters+",
        "text.format.schema+",
        // Of an item only its vendor wants to know the id and how it ended.
        "input.*.id",
        "input.*.status",
        "input.*.type",
        "input.*.content.*.logprobs",
        // Thoughts are told to everybody who asks for them, and a schema is kept to; its name nobody reads.
        "reasoning.summary",
        "text.format.name",
        "text.format.strict",
        "tools.*.format+",
        "tools.*.user_location.type",
        // The newer of two names for one thing.
        "user",
        "safety_identifier",
    ];
    let body = r#"{"model":"m","instructions":"i","temperature":0.5,"top_p":0.9,"top_logprobs":2,"max_output_tokens":900,
        "max_tool_calls":3,"metadata":{"k":"v"},"parallel_tool_calls":false,"prompt_cache_key":"k","safety_identifier":"u",
        "service_tier":"flex","store":true,"truncation":"auto","user":"u2","include":["message.output_text.logprobs","file_search_call.results"],
        "reasoning":{"effort":"low","summary":"auto"},"context_management":[{"type":"compaction"}],"stream_options":{"include_obfuscation":true},
        "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","description":"d","strict":true,"schema":{"type":"object","properties":{}}}},
        "tools":[{"type":"function","name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{}}},
          {"type":"custom","name":"c","description":"d","format":{"type":"grammar","syntax":"lark","definition":"x"}},
          {"type":"web_search","search_context_size":"low","filters":{"allowed_domains":["a.b"]},"user_location":{"type":"approximate","city":"Oslo"}},
          {"type":"code_interpreter","container":{"type":"auto"}}],
        "tool_choice":"required",
        "input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"t"},{"type":"input_image","detail":"high","image_url":"data:image/png;base64,iVBORw0KGgo="}]},
          {"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation"}],"logprobs":[]},{"type":"refusal","refusal":"r"}]},
          {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"},
          {"type":"function_call_output","call_id":"call_1","output":"done"},
          {"type":"custom_tool_call","id":"ctc_1","call_id":"call_2","name":"c","input":"x"},
          {"type":"custom_tool_call_output","call_id":"call_2","output":"done"},
          {"type":"code_interpreter_call","id":"ci_1","code":"1"},
          {"role":"user","content":"go on"}]}"#;
    none_is_silent(Dialect::Responses, body, &allowed);
}

#[test]
fn nothing_of_an_anthropic_request_is_lost_in_silence() {
    let allowed = [
        // The target has a model of its own, and streams as it is asked.
        "model",
        "stream",
        "tools.*.input_schema+",
        "output_config.format.schema+",
        // What is the usual.
        "service_tier",
        "tools.*.name",
        "tools.*.user_location.type",
        // The bytes tell it.
        "messages.*.content.*.source.media_type",
    ];
    let body = r#"{"model":"m","max_tokens":4000,"temperature":0.5,"top_p":0.9,"top_k":5,"stop_sequences":["x"],"service_tier":"auto",
        "metadata":{"user_id":"u","more":"m"},"container":"c","inference_geo":"eu","context_management":{"edits":[]},"mcp_servers":[{"name":"s"}],
        "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"thinking":{"type":"enabled","budget_tokens":2000},
        "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{}}}},
        "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
        "tools":[{"name":"f","description":"d","strict":true,"defer_loading":false,"input_examples":[{}],"input_schema":{"type":"object","properties":{}}},
          {"type":"web_search_20250305","name":"web_search","max_uses":2,"blocked_domains":["x.y"],"user_location":{"type":"approximate","city":"Oslo"}},
          {"type":"bash_20250124","name":"bash"}],
        "messages":[{"role":"user","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}},
          {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
          {"role":"assistant","content":[{"type":"text","text":"a","citations":[{"type":"char_location"}]},
            {"type":"server_tool_use","id":"srv_1","name":"web_search","input":{}},
            {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1},"cache_control":{"type":"ephemeral"}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"done"}],"cache_control":{"type":"ephemeral"}},
            {"type":"text","text":"go on"}]}]}"#;
    none_is_silent(Dialect::Anthropic, body, &allowed);
}

#[test]
fn nothing_of_a_gemini_request_is_lost_in_silence() {
    let allowed = [
        // The target has a model of its own, and streams as it is asked.
        "model",
        "stream",
        "tools.*.functionDeclarations.*.parametersJsonSchema+",
        "generationConfig.responseJsonSchema+",
        "systemInstruction.role",
        // The schema tells the form, and thoughts are told to everybody who does not refuse them.
        "generationConfig.responseMimeType",
        "generationConfig.thinkingConfig.includeThoughts",
        // The role is told by what stands there, and either of two tells which call is answered.
        "contents.*.role",
        "contents.*.parts.*.functionResponse.id",
        "contents.*.parts.*.functionResponse.name",
        // What only people read.
        "contents.*.parts.*.inlineData.displayName",
    ];
    let body = r#"{"systemInstruction":{"role":"system","parts":[{"text":"s"}]},"cachedContent":"c","serviceTier":"flex","store":true,"labels":{"a":"b"},
        "safetySettings":[{"category":"c","threshold":"t"}],
        "generationConfig":{"temperature":0.5,"topP":0.9,"topK":5,"candidateCount":2,"maxOutputTokens":4000,"stopSequences":["x"],"seed":7,
          "presencePenalty":0.1,"frequencyPenalty":0.2,"responseLogprobs":true,"logprobs":3,"responseMimeType":"application/json",
          "responseJsonSchema":{"type":"object","properties":{}},"mediaResolution":"MEDIA_RESOLUTION_LOW","speechConfig":{"languageCode":"de"},
          "enableEnhancedCivicAnswers":true,"thinkingConfig":{"includeThoughts":true,"thinkingBudget":2000}},
        "tools":[{"functionDeclarations":[{"name":"f","description":"d","behavior":"BLOCKING","responseJsonSchema":{"type":"string"},"parametersJsonSchema":{"type":"object","properties":{}}}]},
          {"googleSearch":{"timeRangeFilter":{"startTime":"x"}}},{"codeExecution":{}}],
        "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]},"retrievalConfig":{"languageCode":"de"}},
        "contents":[{"role":"user","parts":[{"text":"t"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo=","displayName":"n"}},
           {"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="},"mediaResolution":{"level":"LOW"}}]},
          {"role":"model","parts":[{"text":"hm","thought":true},{"text":"a"},{"executableCode":{"code":"1","language":"PYTHON"}},
           {"functionCall":{"id":"call_1","name":"f","args":{"a":1}}}]},
          {"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{"output":"done"},"willContinue":false}},{"text":"go on"}]}]}"#;
    none_is_silent(Dialect::Gemini, body, &allowed);
}

#[test]
fn nothing_of_an_ollama_request_is_lost_in_silence() {
    let allowed = [
        "model",
        "stream",
        "tools.*.function.parameters+",
        "format+",
        "tools.*.type",
        // Either of them tells which call is answered.
        "messages.*.tool_name",
        "messages.*.tool_call_id",
    ];
    let body = r#"{"model":"m","stream":false,"format":{"type":"object","properties":{}},"think":"low","keep_alive":"5m","logprobs":true,"top_logprobs":2,
        "truncate":true,"options":{"temperature":0.5,"top_p":0.9,"top_k":5,"min_p":0.1,"seed":7,"stop":["x"],"num_predict":900,"num_ctx":4096,
          "presence_penalty":0.1,"frequency_penalty":0.2,"repeat_penalty":1.1,"mirostat":1},
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}],
        "messages":[{"role":"system","content":"s"},{"role":"user","content":"t","images":["iVBORw0KGgo="]},
          {"role":"assistant","content":"a","thinking":"hm","tool_calls":[{"id":"call_1","function":{"name":"f","arguments":{"a":1}}}]},
          {"role":"tool","tool_name":"f","tool_call_id":"call_1","content":"done"},{"role":"user","content":"go on"}]}"#;
    none_is_silent(Dialect::Ollama, body, &allowed);
}

/// What stands in messages less often: in each dialect's other forms.
#[test]
fn nothing_of_a_message_is_lost_in_silence() {
    let png = "data:image/png;base64,iVBORw0KGgo=";
    let chat = format!(
        r#"{{"model":"m","thinking":{{"type":"enabled","budget_tokens":2000}},"tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"auto","tools":[{{"type":"function","function":{{"name":"f"}}}},{{"type":"custom","custom":{{"name":"c"}}}}]}}}},
        "tools":[{{"type":"custom","custom":{{"name":"c","description":"d","format":{{"type":"grammar","grammar":{{"syntax":"lark","definition":"x"}}}}}}}},{{"type":"function","function":{{"name":"f"}}}}],
        "messages":[{{"role":"developer","name":"dev","content":[{{"type":"text","text":"d"}}]}},{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{png}"}}}},{{"type":"text","text":"t"}}]}},
        {{"role":"assistant","content":[{{"type":"text","text":"a"}},{{"type":"refusal","refusal":"r"}}],"audio":{{"id":"au"}},"reasoning_details":[{{"type":"reasoning.text","text":"hm"}}],
          "tool_calls":[{{"id":"c1","type":"custom","custom":{{"name":"c","input":"i"}}}}]}},{{"role":"tool","tool_call_id":"c1","content":[{{"type":"text","text":"done"}}]}}]}}"#
    );
    let usual = [
        "model",
        "stream",
        // What is the usual is not said.
        "thinking.type",
        "tools.*.type",
        "tools.*.custom.format.type",
        "tool_choice.allowed_tools.mode",
        "tool_choice.allowed_tools.tools.*.type",
        "messages.*.content.*.type",
        "messages.*.content.*.input_audio.format",
        "messages.*.tool_calls.*.type",
        "messages.*.tool_call_id",
        // What an answer had: a thought is said, or is its vendor's alone.
        "messages.*.reasoning_details+",
    ];
    none_is_silent(Dialect::Chat, &chat, &usual);
    let files = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}},
        {"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}},{"type":"text","text":"t"}]}]}"#;
    none_but(Dialect::Chat, files, &usual, &[Dialect::Ollama]);
    let responses = format!(
        r#"{{"model":"m","tools":[{{"type":"function","name":"f","parameters":{{"type":"object","properties":{{}}}}}}],"tool_choice":{{"type":"allowed_tools","mode":"auto","tools":[{{"type":"function","name":"f"}}]}},
        "input":[{{"role":"developer","content":"d"}},{{"role":"user","content":[{{"type":"input_text","text":"t"}}]}},{{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"hm"}}],"encrypted_content":"x"}},
        {{"type":"function_call","call_id":"c1","name":"f","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c1","output":[{{"type":"input_text","text":"done"}},{{"type":"input_image","image_url":"{png}"}}]}}]}}"#
    );
    none_is_silent(
        Dialect::Responses,
        &responses,
        &[
            "model",
            "stream",
            "tools.*.parameters+",
            "input.*.id",
            "input.*.type",
            "input.*.summary.*.type",
            // What only its vendor can read, beside the thought that is said.
            "input.*.encrypted_content",
        ],
    );
    let files = r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="},
        {"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}},{"type":"input_text","text":"t"}]}]}"#;
    none_but(Dialect::Responses, files, &["model", "stream"], &[Dialect::Ollama]);
    let anthropic = r#"{"model":"m","max_tokens":4000,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"},
        "tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],
        "messages":[{"role":"user","content":[{"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}},
          {"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}},{"type":"text","text":"t"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"Eo4C"},{"type":"redacted_thinking","data":"Em"},{"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]},
        {"role":"system","content":[{"type":"text","text":"late"}]},{"role":"user","content":"go on"}]}"#;
    let usual = [
        "model",
        "stream",
        "tools.*.input_schema+",
        // The effort says it, and thoughts are told to everybody who does not refuse them.
        "thinking",
        "thinking.display",
        "messages.*.content.*.source.media_type",
        "messages.*.content.*.content.*.source.media_type",
        // What only its vendor can read, beside the thought that is said.
        "messages.*.content.*.signature",
    ];
    none_but(Dialect::Anthropic, anthropic, &usual, &[Dialect::Ollama]);
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}}]}],
        "contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://x.example/a.png"}},{"text":"t"}]},
        {"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"abc"},{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"abc"}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"x"},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}}]}]}"#;
    let usual = [
        "model",
        "stream",
        "tools.*.functionDeclarations.*.parameters+",
        "contents.*.role",
        "contents.*.parts.*.functionResponse.name",
        // What only its vendor can read, beside the call that is said.
        "contents.*.parts.*.thoughtSignature",
    ];
    none_but(Dialect::Gemini, gemini, &usual, &[Dialect::Ollama]);
}
