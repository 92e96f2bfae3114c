//! What docs/translation.md says of requests, asked of the pairs that it is said of.

use super::*;
use crate::protocol::ir::{Destination, Outgoing, Quirks};

/// The body for a provider and what it does not say; or the member that cannot be said.
fn said(client: Dialect, body: &str, upstream: Dialect) -> Result<(String, String), String> {
    let request = decode_request(client, body.as_bytes(), Some("m"), false).map_err(|bad| bad.member.into_owned())?;
    let mut out = Outgoing::default();
    let to = Destination { model: "a-model", stream: false, quirks: &Quirks::default() };
    refuse(&request, upstream)
        .and_then(|()| encode_request(upstream, &request, &to, &mut out))
        .map_err(|bad| bad.member.into_owned())?;
    let mut dropped = Vec::new();
    out.dropped.write(&mut dropped);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ok((text(out.body), text(dropped)))
}

fn others(client: Dialect) -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().filter(move |dialect| *dialect != client)
}

#[test]
fn what_a_vendor_keeps_is_asked_of_no_other() {
    let asked = |more: &str| format!(r#"{{"model":"m",{more}"input":[{{"role":"user","content":"hi"}}]}}"#);
    for (more, member) in [
        (r#""previous_response_id":"resp_1","#, "previous_response_id"),
        (r#""conversation":"conv_1","#, "conversation"),
        (r#""prompt":{"id":"pmpt_1"},"#, "prompt"),
        (r#""background":true,"#, "background"),
    ] {
        for upstream in others(Dialect::Responses) {
            assert_eq!(said(Dialect::Responses, &asked(more), upstream), Err(member.to_owned()), "{upstream:?}");
        }
    }
    let item = r#"{"model":"m","input":[{"type":"item_reference","id":"i"}]}"#;
    for upstream in others(Dialect::Responses) {
        assert_eq!(said(Dialect::Responses, item, upstream), Err("input".to_owned()), "{upstream:?}");
    }
}

#[test]
fn files_of_a_vendor_are_no_other_vendors() {
    let asked = [
        (
            Dialect::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
        ),
        (
            Dialect::Responses,
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
        ),
    ];
    let openai = [Dialect::Chat, Dialect::Responses];
    for (client, body) in asked {
        for upstream in Dialect::ALL {
            let same = client == upstream || openai.contains(&client) && openai.contains(&upstream);
            assert_eq!(said(client, body, upstream).is_ok(), same, "{client:?} before {upstream:?}");
        }
    }
}

#[test]
fn ollama_takes_pictures_as_bytes_and_nothing_else() {
    let asked = |part: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"a"}},{part}]}}]}}"#)
    };
    for (part, taken) in [
        (r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}"#, true),
        (r#"{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}"#, false),
        (r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}"#, false),
        (r#"{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}}"#, false),
    ] {
        assert_eq!(said(Dialect::Chat, &asked(part), Dialect::Ollama).is_ok(), taken, "{part}");
    }
}

#[test]
fn tools_of_a_vendor_are_named_where_they_are_left_out() {
    let tools = r#"[{"type":"code_interpreter","container":{"type":"auto"}},{"type":"web_search"},{"type":"image_generation"},{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}]"#;
    let body = format!(r#"{{"model":"m","tools":{tools},"input":[{{"role":"user","content":"hi"}}]}}"#);
    for upstream in others(Dialect::Responses) {
        let (body, dropped) = said(Dialect::Responses, &body, upstream).expect("it can be said");
        assert!(dropped.contains("tools.code_interpreter"), "{upstream:?}: {dropped}");
        assert!(dropped.contains("tools.image_generation"), "{upstream:?}: {dropped}");
        assert!(!body.contains("code_interpreter") && !body.contains("image_generation"), "{body}");
        let searches = ["web_search", "google_search", "googleSearch"].iter().any(|name| body.contains(name));
        assert_ne!(searches, dropped.contains("tools.web_search"), "{upstream:?}: {dropped} {body}");
    }
}

/// Libraries send back what they read with all its empty members: that is no loss to anybody.
#[test]
fn what_says_nothing_is_not_named() {
    let nothing = r#""refusal":null,"annotations":[],"audio":null,"function_call":null,"reasoning":null,"foo":null"#;
    let call =
        r#"{"id":"c","type":"function","index":null,"foo":null,"function":{"name":"f","arguments":"{}","foo":null}}"#;
    let chat = format!(
        r#"{{"model":"m","seed":null,"foo":null,"messages":[{{"role":"user","content":"hi","name":null,"foo":null}},
           {{"role":"assistant","content":"a",{nothing},"tool_calls":null}},{{"role":"user","content":[{{"type":"text","text":"b","foo":null}}]}},
           {{"role":"assistant","content":null,{nothing},"tool_calls":[{call}]}},{{"role":"tool","tool_call_id":"c","content":"d","foo":null}}],
           "tools":[{{"type":"function","foo":null,"function":{{"name":"f","foo":null,"parameters":{{"type":"object","properties":{{}}}}}}}}]}}"#
    );
    let responses = r#"{"model":"m","foo":null,"input":[{"role":"user","content":[{"type":"input_text","text":"hi","foo":null}],"foo":null},
        {"type":"message","id":"msg_1","status":"completed","phase":null,"role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}]},
        {"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{}","status":"completed","namespace":null},
        {"type":"function_call_output","call_id":"c","output":"d","id":null,"status":null}],"previous_response_id":null}"#;
    let anthropic = r#"{"model":"m","max_tokens":900,"messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":[{"type":"text","text":"a","citations":null,"foo":null},{"type":"tool_use","id":"c","name":"f","input":{},"caller":null}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"d","is_error":false,"cache_control":null}]}]}"#;
    let gemini = r#"{"cachedContent":null,"safetySettings":null,"contents":[{"role":"user","parts":[{"text":"hi","thought":null,"foo":null}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":null},"thoughtSignature":null}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"d"},"id":null,"parts":null}}]}]}"#;
    for (origin, body) in [
        (Dialect::Chat, chat.as_str()),
        (Dialect::Responses, responses),
        (Dialect::Anthropic, anthropic),
        (Dialect::Gemini, gemini),
    ] {
        for upstream in others(origin) {
            let (body, dropped) = said(origin, body, upstream).expect("it can be said");
            assert!(dropped.is_empty(), "{origin:?} to {upstream:?}: {dropped} {body}");
        }
    }
}

/// What bounds a search is said where it can be, and named where not.
#[test]
fn what_bounds_a_search_is_said_or_named() {
    let place = r#"{"type":"approximate","city":"Oslo"}"#;
    let responses = format!(
        r#"{{"model":"m","input":"hi","tools":[{{"type":"web_search","search_context_size":"low","user_location":{place},
           "filters":{{"allowed_domains":["a.b"]}},"search_content_types":["text"],"external_web_access":true}}]}}"#
    );
    let anthropic = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}],"tools":[{{"type":"web_search_20250305",
           "name":"web_search","max_uses":2,"blocked_domains":["x.y"],"user_location":{place},"cache_control":null}}]}}"#
    );
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"web_search_options":{"search_context_size":"high",
        "user_location":{"type":"approximate","approximate":{"city":"Oslo"}}}}"#;
    let gemini =
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"googleSearch":{"timeRangeFilter":{}}}]}"#;
    let members = ["search_context_size", "user_location", "allowed_domains", "search_content_types"];
    for (origin, body, members) in [
        (Dialect::Responses, responses.as_str(), &members[..]),
        (Dialect::Anthropic, &anthropic, &["max_uses", "blocked_domains", "user_location"]),
        (Dialect::Chat, chat, &["search_context_size", "user_location"]),
        (Dialect::Gemini, gemini, &["timeRangeFilter"]),
    ] {
        for upstream in others(origin) {
            let (said, dropped) = said(origin, body, upstream).expect("it can be said");
            if dropped.split(", ").any(|name| name == "tools.web_search") {
                continue;
            }
            for member in members {
                let is_named = dropped.contains(&format!("tools.web_search.{member}"));
                let is_said = said.contains(&format!("\"{member}\""));
                assert_ne!(is_named, is_said, "{origin:?} to {upstream:?}: {member}: {dropped} {said}");
            }
            assert!(!dropped.contains("external_web_access") && !dropped.contains("cache_control"), "{dropped}");
        }
    }
}

/// Marks of what a cache is to keep stand at texts, at pictures, at tools and at results.
#[test]
fn conversion_61_marks_of_a_cache_go_from_chat_to_anthropic_and_are_named_elsewhere() {
    let mark = r#""cache_control":{"type":"ephemeral"}"#;
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":[{{"type":"text","text":"rules",{mark}}}]}},{{"role":"user","content":[{{"type":"text","text":"look",{mark}}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,iVBO"}},{mark}}}]}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","properties":{{}}}}}},{mark}}}]}}"#
    );
    let (told, dropped) = said(Dialect::Chat, &body, Dialect::Anthropic).expect("it can be said");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    for path in ["/system/0", "/messages/0/content/0", "/messages/0/content/1", "/tools/0"] {
        let block = told.pointer(path).expect("a block");
        assert_eq!(block["cache_control"]["type"], "ephemeral", "{path}: {block}");
    }
    assert_eq!(dropped, "");
    for upstream in [Dialect::Responses, Dialect::Gemini, Dialect::Ollama] {
        let (told, dropped) = said(Dialect::Chat, &body, upstream).expect("it can be said");
        assert!(!told.contains("cache_control") && dropped.contains("cache_control"), "{upstream:?}: {dropped}");
    }
}

#[test]
fn what_has_no_word_is_named() {
    let body = r#"{"model":"m","seed":7,"logit_bias":{"1":2},"n":2,"presence_penalty":0.5,"messages":[{"role":"user","content":"hi"}]}"#;
    for (upstream, members) in [
        (Dialect::Responses, &["seed", "logit_bias", "presence_penalty"][..]),
        (Dialect::Anthropic, &["seed", "logit_bias", "n", "presence_penalty"]),
        (Dialect::Gemini, &["logit_bias"]),
        (Dialect::Ollama, &["logit_bias", "n"]),
    ] {
        let (_, dropped) = said(Dialect::Chat, body, upstream).expect("it can be said");
        let named: Vec<&str> = dropped.split(", ").map(|name| name.trim_end_matches(" (approximated)")).collect();
        for member in members {
            assert!(named.contains(member), "{upstream:?}: {member} in {dropped}");
        }
    }
}
