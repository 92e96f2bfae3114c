//! What is peculiar about a provider is put right where both sides speak Chat, and all else keeps its bytes.

use crate::support::*;
use crate::translation::speech::{self, PIECES, Say};

on_both_drivers!(
    conversion_24_a_developer_is_a_system,
    conversion_30_a_request_of_responses_at_chats_path,
    conversion_48_instructions_stand_in_front,
    conversion_66_no_tool_is_forced,
    the_bound_is_named_as_the_provider_wants,
    options_are_left_out_where_nobody_knows_them,
    a_preset_is_overruled,
    a_large_request_is_said_too,
    a_large_peculiar_request_is_put_right,
);

/// A relay whose provider of Chat has these quirks.
fn peculiar(driver: Driver, quirks: Value) -> (Weir, Upstream) {
    let provider = Upstream::new();
    let mut config = config("chat", &provider);
    config["providers"]["up"]["quirks"] = quirks;
    (Weir::start(driver, config), provider)
}

/// What the provider is asked where a client sends `body`.
fn passed(weir: &Weir, provider: &mut Upstream, body: &str) -> String {
    let mut asking = weir.client();
    asking.post("/v1/chat/completions", body);
    let mut call = provider.next();
    assert_eq!(call.target(), "/v1/chat/completions");
    let text = call.request.text().to_owned();
    call.json(200, chat_answer("ok"));
    assert_eq!(asking.answer().json()["choices"][0]["message"]["content"], "ok");
    text
}

fn conversion_24_a_developer_is_a_system(driver: Driver) {
    let body = r#"{"model":"m-1", "messages":[ {"role":"developer","content":"\u0061 developer"}],"seed":1.0}"#;
    let (weir, mut provider) = peculiar(driver, json!({}));
    assert_eq!(passed(&weir, &mut provider, body), body.replace(r#""role":"developer""#, r#""role":"system""#));
    let (weir, mut provider) = peculiar(driver, json!({ "developer_role": true }));
    assert_eq!(passed(&weir, &mut provider, body), body);
}

fn conversion_30_a_request_of_responses_at_chats_path(driver: Driver) {
    for upstream in ["chat", "anthropic"] {
        let provider = Upstream::new();
        let mut config = config(upstream, &provider);
        config["routes"]["all"] = json!({ "to": ["up/up-1"] });
        let (weir, mut provider) = (Weir::start(driver, config), provider);
        for stream in [true, false] {
            let mut asking = weir.client();
            let mut body = speech::request("responses", stream);
            body["input"] = json!([{ "role": "user", "content": [{ "type": "input_text", "text": "Hi there" }] }]);
            asking.post("/v1/chat/completions", body.to_string());
            let mut call = provider.next();
            assert_eq!(call.target(), speech::asked_at(upstream, stream));
            assert!(call.request.text().contains("Hi there") && call.request.json()["messages"].is_array());
            assert!(call.request.json().get("input").is_none());
            let heard = if stream {
                call.open(speech::stream_type(upstream));
                speech::stream(upstream, Say::Text).iter().for_each(|frame| call.chunk(frame));
                call.last_chunk();
                speech::hear_stream("chat", &asking.answer().body)
            } else {
                call.json(200, speech::whole(upstream, Say::Text));
                speech::hear("chat", &asking.answer().json())
            };
            assert_eq!((&*heard.text, heard.ends), (&*PIECES.concat(), 1), "{upstream}");
        }
    }
}

fn conversion_48_instructions_stand_in_front(driver: Driver) {
    let body = r#"{"model":"m-1","messages":[{"role":"user","content":"x"},{"role":"system","content":"a"}]}"#;
    let (weir, mut provider) = peculiar(driver, json!({ "leading_system_only": true }));
    let told = r#"{"model":"m-1","messages":[{"role":"system","content":"a"},{"role":"user","content":"x"}]}"#;
    assert_eq!(passed(&weir, &mut provider, body), told);
    let (weir, mut provider) = peculiar(driver, json!({ "no_system_role": true }));
    assert_eq!(passed(&weir, &mut provider, body), body.replace("\"system\"", "\"user\""));
    let (weir, mut provider) = peculiar(driver, json!({}));
    assert_eq!(passed(&weir, &mut provider, body), body);
}

fn conversion_66_no_tool_is_forced(driver: Driver) {
    let body = r#"{"model":"m-1","messages":[],"tools":[],"tool_choice":"required"}"#;
    let (weir, mut provider) = peculiar(driver, json!({ "tool_choice_auto_only": true }));
    assert_eq!(passed(&weir, &mut provider, body), body.replace("\"required\"", "\"auto\""));
    let (weir, mut provider) = peculiar(driver, json!({}));
    assert_eq!(passed(&weir, &mut provider, body), body);
}

/// conversion 29.
fn the_bound_is_named_as_the_provider_wants(driver: Driver) {
    let (old, new) =
        (r#"{"model":"m","messages":[],"max_tokens":9}"#, r#"{"model":"m","messages":[],"max_completion_tokens":9}"#);
    for (name, sent, told) in [("max_tokens", new, old), ("max_completion_tokens", old, new), ("auto", old, old)] {
        let (weir, mut provider) = peculiar(driver, json!({ "output_tokens_name": name }));
        assert_eq!(passed(&weir, &mut provider, sent), told);
    }
}

fn options_are_left_out_where_nobody_knows_them(driver: Driver) {
    let (weir, mut provider) = peculiar(driver, json!({ "no_stream_options": true }));
    for options in ["", r#","stream_options":{"include_usage":true}"#] {
        let mut asking = weir.client();
        asking.post("/v1/chat/completions", format!(r#"{{"model":"m-1","messages":[],"stream":true{options}}}"#));
        let mut call = provider.next();
        assert_eq!(call.request.text(), r#"{"model":"m-1","messages":[],"stream":true}"#);
        call.open("text/event-stream");
        speech::stream("chat", Say::Text).iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        assert_eq!(speech::hear_stream("chat", &asking.answer().body).text, PIECES.concat());
    }
}

fn a_preset_is_overruled(driver: Driver) {
    let provider = Upstream::new();
    let mut config = config("chat", &provider);
    config["providers"]["up"]["preset"] = json!("zhipu");
    let body = r#"{"model":"m-1","messages":[],"tool_choice":"required"}"#;
    for (quirks, told) in
        [(json!({}), body.replace("required", "auto")), (json!({ "tool_choice_auto_only": false }), body.to_owned())]
    {
        config["providers"]["up"]["quirks"] = quirks;
        let upstream = Upstream::new();
        let mut config = config.clone();
        config["providers"]["up"]["base_url"] = json!(upstream.url("/v1"));
        let (weir, mut upstream) = (Weir::start(driver, config), upstream);
        assert_eq!(passed(&weir, &mut upstream, body), told);
    }
}

/// At and beyond the size from which a thread of its own says it; a request that is none is told so either way.
fn a_large_request_is_said_too(driver: Driver) {
    let provider = Upstream::new();
    let mut config = config("chat", &provider);
    config["routes"]["all"] = json!({ "to": ["up/up-1"] });
    let (weir, mut provider) = (Weir::start(driver, config), provider);
    for bytes in [500_000, 700_000, 9_000_000] {
        let mut asking = weir.client();
        let turns = (0..bytes / 1_000).map(|nth| {
            let role = if nth % 2 == 0 { "user" } else { "assistant" };
            json!({ "role": role, "content": [{ "type": "text", "text": format!("{nth} {}", "x".repeat(950)) }] })
        });
        let turns: Vec<_> = turns.collect();
        let body = json!({ "model": "m-1", "max_tokens": 9, "messages": turns });
        asking.post("/v1/messages", body.to_string());
        let mut call = provider.next();
        let asked = call.request.json();
        let messages = asked["messages"].as_array().expect("messages");
        assert_eq!((messages.len(), &asked["model"]), (turns.len(), &json!("up-1")));
        assert!(messages.last().expect("one").to_string().contains(&format!("{} xxx", turns.len() - 1)));
        call.json(200, speech::whole("chat", Say::Text));
        assert_eq!(speech::hear("anthropic", &asking.answer().json()).text, PIECES.concat());
        let mut bad = body;
        bad["messages"][3]["role"] = json!(7);
        asking.post("/v1/messages", bad.to_string());
        assert!(refused(&asking.answer(), Dialect::Anthropic, 400).starts_with("messages.3.role"));
    }
}

/// The same of a body between two sides of Chat.
fn a_large_peculiar_request_is_put_right(driver: Driver) {
    let (weir, mut provider) = peculiar(driver, json!({ "tool_choice_auto_only": true }));
    for bytes in [500_000, 3_000_000] {
        let text = "x".repeat(bytes);
        for (role, choice) in [("developer", "auto"), ("user", "required"), ("user", "auto")] {
            let body = format!(
                r#"{{"model":"m-1","messages":[{{"role":"user","content":"{text}"}},{{"role":"{role}","content":"y"}}],"tool_choice":"{choice}"}}"#
            );
            let told = body.replace(r#""developer""#, r#""system""#).replace(r#""required""#, r#""auto""#);
            assert!(passed(&weir, &mut provider, &body) == told, "{bytes} {role} {choice}");
        }
    }
}
