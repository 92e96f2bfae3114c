//! Which target a request goes to: scenes, rules, orders of lists, protocols of models.

use crate::support::*;

on_both_drivers!(
    scenes_choose_by_what_a_request_is_about,
    long_requests_are_counted_in_tokens,
    rules_choose_by_header_and_member,
    lists_take_turns,
    a_model_is_asked_in_its_own_protocol,
    an_unknown_model_is_told_with_its_nearest,
    without_a_route_a_model_has_to_be_named,
    answers_carry_the_name_asked_for,
    streams_carry_the_name_asked_for,
    an_event_larger_than_a_buffer_carries_the_name_too,
    auto_is_answered_by_the_name_it_became,
    bodies_are_shaped_on_their_way,
    a_client_has_its_bounds,
    bounds_outlive_a_reload,
    requests_at_once_are_bounded,
);

/// A relay whose route says more than `to`.
fn routed(driver: Driver, route: Value) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["routes"]["all"] = route;
    (Weir::start(driver, config), upstream)
}

/// Asks and tells which model reached the upstream.
fn sent(client: &mut Client, upstream: &mut Upstream, fields: &str, body: &Value) -> String {
    client.post_with("/v1/chat/completions", &(bearer(CLIENT_KEY) + fields), body.to_string());
    let mut call = upstream.next();
    let model = call.request.json()["model"].as_str().expect("a model").to_owned();
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    model
}

fn scenes_choose_by_what_a_request_is_about(driver: Driver) {
    let (weir, mut upstream) = routed(
        driver,
        json!({ "to": ["up/to"], "models": { "fixed": "up/map" }, "scenes": {
            "background": "up/back", "webSearch": "up/web", "think": "up/think", "image": "up/image", "default": "up/default" } }),
    );
    let mut client = weir.client();
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] }]);
    for (body, model) in [
        (json!({ "model": "m", "messages": [] }), "default"),
        (json!({ "model": "claude-HAIKU-4", "messages": image, "reasoning_effort": "high" }), "back"),
        (json!({ "model": "m", "messages": image, "reasoning_effort": "high", "web_search_options": {} }), "web"),
        (json!({ "model": "m", "messages": image, "reasoning_effort": "high" }), "think"),
        (json!({ "model": "m", "messages": image }), "image"),
        (json!({ "model": "fixed", "messages": image }), "map"),
        (json!({ "model": "up/named", "messages": image }), "named"),
    ] {
        assert_eq!(sent(&mut client, &mut upstream, "", &body), model, "{body}");
    }
}

fn long_requests_are_counted_in_tokens(driver: Driver) {
    let (weir, mut upstream) =
        routed(driver, json!({ "to": ["up/to"], "long_context_tokens": 2000, "scenes": { "longContext": "up/long" } }));
    let mut client = weir.client();
    // One token a word, as o200k_base has it.
    for (words, model) in [(10, "to"), (2_000, "to"), (2_001, "long"), (60_000, "long")] {
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": vec!["word"; words].join(" ") }] });
        assert_eq!(sent(&mut client, &mut upstream, "", &body), model, "{words}");
    }
    // What a model does not read does not count.
    let body = json!({ "model": "m", "user": "word ".repeat(9_000), "messages": [] });
    assert_eq!(sent(&mut client, &mut upstream, "", &body), "to");
}

fn rules_choose_by_header_and_member(driver: Driver) {
    let (weir, mut upstream) = routed(
        driver,
        json!({ "to": ["up/to"], "models": { "m": "up/map" }, "rules": [
            { "if": { "header": { "X-Team": "a*" }, "member": { "metadata.tier": "gold" } }, "to": "up/gold" },
            { "if": { "member": { "tools.*.function.name": "search" }, "model": "m" }, "to": "up/search" } ] }),
    );
    let mut client = weir.client();
    let gold = json!({ "model": "m", "metadata": { "tier": "Gold" } });
    let tool =
        json!({ "model": "m", "tools": [{ "function": { "name": "x" } }, { "function": { "name": "search" } }] });
    for (fields, body, model) in [
        ("x-team: alpha\r\n", &gold, "gold"),
        ("x-team: beta\r\nX-TEAM: alpha\r\n", &gold, "gold"),
        ("x-team: beta\r\n", &gold, "map"),
        ("", &gold, "map"),
        ("", &tool, "search"),
    ] {
        assert_eq!(sent(&mut client, &mut upstream, fields, body), model, "{fields} {body}");
    }
}

fn lists_take_turns(driver: Driver) {
    let (weir, mut upstream) = routed(driver, json!({ "to": ["up/a", "up/b", "up/c"], "spread": "round_robin" }));
    let mut client = weir.client();
    let body = json!({ "model": "auto", "messages": [] });
    let mut seen: Vec<String> = (0..6).map(|_| sent(&mut client, &mut upstream, "", &body)).collect();
    let once: Vec<String> = seen[..3].to_vec();
    assert_eq!(once, seen[3..], "the same order again");
    seen.truncate(3);
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
}

fn a_model_is_asked_in_its_own_protocol(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["models"] = json!(["gpt", { "name": "claude", "protocol": "anthropic" }]);
    let (weir, mut upstream) = (Weir::start(driver, config), upstream);
    let mut client = weir.client();
    client.post("/v1/messages", r#"{"model":"claude","max_tokens":1,"messages":[]}"#);
    let mut call = upstream.next();
    assert_eq!(call.target(), "/v1/messages");
    assert_eq!(call.head().field("x-api-key"), Some(UPSTREAM_KEY));
    assert_eq!(
        (call.head().field("authorization"), call.head().field("anthropic-version")),
        (None, Some("2023-06-01"))
    );
    call.json(200, json!({ "type": "message", "content": [], "model": "claude" }));
    assert_eq!(client.answer().status(), 200);
    client.post("/v1/chat/completions", r#"{"model":"gpt","messages":[]}"#);
    let mut call = upstream.next();
    assert_eq!(call.head().field("authorization"), Some(&*format!("Bearer {UPSTREAM_KEY}")));
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
}

fn an_unknown_model_is_told_with_its_nearest(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["models"] = json!(["gpt-5-codex", "gpt-5-mini", "other"]);
    config["routes"]["all"]["unknown_models"] = json!("catalog");
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", r#"{"model":"gpt-5-codxe","messages":[]}"#);
    let answer = client.answer();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
    assert!(answer.text().contains("did you mean \\\"gpt-5-codex\\\""), "{}", answer.text());
    client.post("/v1/messages", r#"{"model":"zzz","max_tokens":1,"messages":[]}"#);
    let answer = client.answer();
    assert_eq!((answer.status(), &answer.json()["error"]["type"]), (404, &json!("not_found_error")));
}

/// A relay before an upstream of `protocol` that knows the model as `inner`.
fn mapped(driver: Driver, protocol: &str) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config(protocol, &upstream);
    config["routes"]["all"]["models"] = json!({ "outer": "up/inner" });
    (Weir::start(driver, config), upstream)
}

fn answers_carry_the_name_asked_for(driver: Driver) {
    for (protocol, target, member) in [
        ("chat", "/v1/chat/completions", "model"),
        ("responses", "/v1/responses", "model"),
        ("anthropic", "/v1/messages", "model"),
        ("gemini", "/v1beta/models/outer:generateContent", "modelVersion"),
        ("ollama", "/api/chat", "model"),
    ] {
        let (weir, mut upstream) = mapped(driver, protocol);
        let mut client = weir.client();
        // A small answer, and one that is larger than what is held of an answer in any case, its name at the end.
        for bytes in [10, 200_000] {
            client.post(target, r#"{"model":"outer","stream":false,"messages":[]}"#);
            let mut call = upstream.next();
            if protocol != "gemini" {
                assert_eq!(call.request.json()["model"], "inner");
            }
            let mut said = json!({ "id": "x", "text": "t".repeat(bytes), "inside": { "model": "inner" } });
            said[member] = json!("inner-2026");
            call.json(200, said.clone());
            said[member] = json!("outer");
            let answer = client.answer();
            assert_eq!(answer.json(), said, "{protocol} {bytes}");
        }
    }
}

fn streams_carry_the_name_asked_for(driver: Driver) {
    let (weir, mut upstream) = mapped(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", r#"{"model":"outer","stream":true,"messages":[]}"#);
    let mut call = upstream.next();
    call.open("text/event-stream");
    let chunk = |model: &str, text: &str| json!({ "id": "c", "model": model, "choices": [{ "index": 0, "delta": { "content": text } }] });
    // Two events in one piece, one in two, one over several lines, and usage that nobody asked for.
    call.chunk([data(chunk("inner", "a \"model\": 1")), data(chunk("inner", "b"))].concat());
    let third = data(chunk("inner", "c"));
    let (head, tail) = third.split_at(third.len() / 2);
    call.chunk(head);
    call.chunk(tail);
    call.chunk("event: x\ndata: {\"model\":\ndata: \"inner\"}\n\n");
    let mut last = chunk("inner", "");
    last["choices"][0]["finish_reason"] = json!("stop");
    last["usage"] = json!({ "prompt_tokens": 1, "completion_tokens": 2 });
    call.chunk(data(last.clone()));
    call.chunk("data: [DONE]\n\n");
    call.last_chunk();
    let answer = client.answer();
    last["model"] = json!("outer");
    last.as_object_mut().expect("an object").remove("usage");
    let expected = [
        data(chunk("outer", "a \"model\": 1")),
        data(chunk("outer", "b")),
        data(chunk("outer", "c")),
        "event: x\ndata: {\"model\":\ndata: \"outer\"}\n\n".to_owned(),
        data(last),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(answer.text(), expected.concat());
    assert_eq!(weir.usage(1)["output_tokens"], 2);
}

fn an_event_larger_than_a_buffer_carries_the_name_too(driver: Driver) {
    let (weir, mut upstream) = mapped(driver, "responses");
    let mut client = weir.client();
    client.post("/v1/responses", r#"{"model":"outer","stream":true,"input":"x"}"#);
    let mut call = upstream.next();
    call.open("text/event-stream");
    let created = |model: &str| {
        named(json!({ "type": "response.created", "sequence_number": 0, "response": {
            "id": "r", "instructions": "i".repeat(300_000), "model": model } }))
    };
    let done = |model: &str| {
        named(json!({ "type": "response.completed", "sequence_number": 1, "response": { "id": "r", "model": model } }))
    };
    for piece in created("inner").as_bytes().chunks(10_000) {
        call.chunk(piece);
    }
    call.chunk(done("inner"));
    call.last_chunk();
    assert_eq!(client.answer().text(), [created("outer"), done("outer")].concat());
}

fn auto_is_answered_by_the_name_it_became(driver: Driver) {
    let (weir, mut upstream) = mapped(driver, "chat");
    let mut client = weir.client();
    for (asked, told) in [("auto", "inner-2026"), ("other", "inner-2026"), ("outer", "outer"), ("up/x", "up/x")] {
        client.post("/v1/chat/completions", json!({ "model": asked, "messages": [] }).to_string());
        let mut call = upstream.next();
        let mut said = chat_answer("x");
        said["model"] = json!("inner-2026");
        call.json(200, said);
        assert_eq!(client.answer().json()["model"], told, "{asked}");
    }
}

fn bodies_are_shaped_on_their_way(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("anthropic", &upstream);
    config["routes"]["all"]["system_prompt"] = json!({ "mode": "prepend", "text": "Be brief." });
    config["routes"]["all"]["models"] = json!({ "outer": "up/inner" });
    config["providers"]["up"]["headers"] = json!({ "x-user": "$X-Client-User", "x-none": "$x-not-sent" });
    config["providers"]["up"]["payload"] = json!([
        { "default": { "temperature": 0.5, "max_tokens": 1 }, "filter": ["metadata"] },
        { "if": { "header": { "x-client-user": "bob" } }, "override": { "top_k": 3 } },
        { "if": { "model": "other" }, "override": { "top_k": 9 } },
    ]);
    let (weir, mut upstream) = (Weir::start(driver, config), upstream);
    let mut client = weir.client();
    let body = json!({ "max_tokens": 10, "metadata": { "user_id": "u" }, "model": "outer(2000)", "system": "Hi.", "messages": [] });
    let fields = bearer(CLIENT_KEY) + "x-client-user: bob\r\n";
    client.post_with("/v1/messages", &fields, body.to_string());
    let mut call = upstream.next();
    let expected = json!({ "temperature": 0.5, "max_tokens": 2010, "model": "inner", "system": "Be brief.\nHi.", "messages": [],
        "thinking": { "type": "enabled", "budget_tokens": 2000 }, "top_k": 3 });
    assert_eq!(call.request.json(), expected);
    assert_eq!((call.head().field("x-user"), call.head().field("x-none")), (Some("bob"), None));
    call.json(200, json!({ "type": "message", "content": [], "model": "inner" }));
    assert_eq!(client.answer().json()["model"], "outer(2000)");
}

/// A relay whose client has bounds.
fn bounded(driver: Driver, limits: Value) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["clients"]["tester"]["limits"] = limits;
    (Weir::start(driver, config), upstream)
}

fn a_client_has_its_bounds(driver: Driver) {
    let (weir, mut upstream) = bounded(driver, json!({ "requests_per_minute": 2 }));
    let mut client = weir.client();
    let body = json!({ "model": "m", "messages": [] });
    for _ in 0..2 {
        sent(&mut client, &mut upstream, "", &body);
    }
    client.post("/v1/chat/completions", body.to_string());
    let answer = client.answer();
    assert_eq!((answer.status(), answer.json()["error"]["type"].as_str()), (429, Some("rate_limit_error")));
    let wait: u64 = answer.head.field("retry-after").expect("retry-after").parse().expect("seconds");
    assert!((25..=30).contains(&wait), "{wait}");
    assert_eq!(answer.head.field("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(answer.head.field("x-ratelimit-remaining-requests"), Some("0"));
    client.post("/v1/messages", body.to_string());
    let answer = client.answer();
    assert_eq!((answer.status(), answer.json()["error"]["type"].as_str()), (429, Some("rate_limit_error")));
    assert_eq!(answer.head.field("anthropic-ratelimit-requests-limit"), Some("2"));
    // A list is no use of a model.
    client.get("/v1/models");
    assert_eq!(client.answer().status(), 200);
    upstream.untouched();

    let (weir, mut upstream) = bounded(driver, json!({ "tokens_per_day": 20 }));
    let mut client = weir.client();
    // 18 tokens are told by the answer, more than the estimate.
    sent(&mut client, &mut upstream, "", &body);
    client.post("/v1/chat/completions", body.to_string());
    let answer = client.answer();
    assert_eq!((answer.status(), answer.head.field("x-ratelimit-remaining-tokens")), (429, Some("2")));
}

fn bounds_outlive_a_reload(driver: Driver) {
    let (mut weir, mut upstream) = bounded(driver, json!({ "requests_per_hour": 1 }));
    let body = json!({ "model": "m", "messages": [] });
    sent(&mut weir.client(), &mut upstream, "", &body);
    weir.rewrite(|config| config["log"] = json!({ "level": "debug" }));
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    let mut client = weir.client();
    client.post("/v1/chat/completions", body.to_string());
    assert_eq!(client.answer().status(), 429);
}

fn requests_at_once_are_bounded(driver: Driver) {
    let (weir, mut upstream) = bounded(driver, json!({ "concurrent_requests": 1 }));
    let (mut first, mut second) = (weir.client(), weir.client());
    let body = json!({ "model": "m", "messages": [] });
    first.post("/v1/chat/completions", body.to_string());
    let mut call = upstream.next();
    second.post("/v1/chat/completions", body.to_string());
    assert_eq!(second.answer().status(), 429);
    call.json(200, chat_answer("x"));
    assert_eq!(first.answer().status(), 200);
    // The first has ended once its row is told.
    weir.usage(2);
    second.post("/v1/chat/completions", body.to_string());
    let mut call = upstream.next();
    call.json(200, chat_answer("x"));
    assert_eq!(second.answer().status(), 200);
}

/// Without any route the catalogue serves alone, and it holds no `auto`.
fn without_a_route_a_model_has_to_be_named(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["models"] = json!(["m"]);
    config.as_object_mut().expect("an object").remove("routes");
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for model in ["", r#""model":"","#, r#""model":"auto","#] {
        client.post("/v1/chat/completions", format!(r#"{{{model}"messages":[]}}"#));
        refused(&client.answer(), Dialect::OpenAi, 400);
    }
    client.still_serves(&mut upstream);
}
