//! Who may call, and that no credential crosses from one side to the other.

use crate::support::*;

on_both_drivers!(
    every_form_of_the_key_is_taken,
    a_wrong_key_is_refused_in_the_dialect,
    the_body_behind_a_refusal_is_no_request,
    the_first_credential_counts,
    disabled_and_expired_clients_are_refused,
    a_client_is_held_to_its_models,
    open_access_serves_any_key,
    the_upstream_gets_its_own_credential_only,
    a_quoted_upstream_key_is_masked,
    foreign_addresses_are_a_matter_of_allow_ips,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn every_form_of_the_key_is_taken(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let forms = [
        format!("Authorization: Bearer {CLIENT_KEY}\r\n"),
        format!("authorization: bearer {CLIENT_KEY}\r\n"),
        format!("X-Api-Key: {CLIENT_KEY}\r\n"),
        format!("api-key: {CLIENT_KEY}\r\n"),
        format!("x-goog-api-key: {CLIENT_KEY}\r\n"),
    ];
    for fields in &forms {
        client.post_with("/v1/chat/completions", fields, CHAT);
        upstream.next().json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200, "{fields}");
    }
    for name in ["key", "auth_token"] {
        client.post_with(&format!("/v1/chat/completions?a=b&{name}={CLIENT_KEY}&beta=true"), "", CHAT);
        let mut call = upstream.next();
        assert_eq!(call.target(), "/v1/chat/completions?a=b&beta=true", "the rest of the query goes on");
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200, "?{name}=");
    }
}

fn a_wrong_key_is_refused_in_the_dialect(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let near = &CLIENT_KEY[..CLIENT_KEY.len() - 1];
    let fields = [String::new(), bearer("sk-other"), bearer(near), bearer(&format!("{CLIENT_KEY}x")), bearer("")];
    let paths = [
        ("/v1/chat/completions", Dialect::OpenAi),
        ("/v1/responses", Dialect::OpenAi),
        ("/v1/embeddings", Dialect::OpenAi),
        ("/v1/messages", Dialect::Anthropic),
        ("/v1beta/models/m:generateContent", Dialect::Gemini),
        ("/api/chat", Dialect::Ollama),
    ];
    for (path, dialect) in paths {
        for fields in &fields {
            let mut client = weir.client();
            client.post_with(path, fields, CHAT);
            let message = refused(&client.answer(), dialect, 401);
            assert!(!message.contains(near), "{message}");
        }
    }
    upstream.untouched();
}

/// An answer given before the body was read never lets the body be taken for the next request.
fn the_body_behind_a_refusal_is_no_request(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let inner = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-length: {}\r\n\r\n{CHAT}",
        bearer(CLIENT_KEY),
        CHAT.len()
    );
    let mut client = weir.client();
    client.ask("POST", "/v1/chat/completions", &bearer("sk-other"), inner.as_bytes());
    refused(&client.answer(), Dialect::OpenAi, 401);
    client.wire.half_close();
    client.wire.ended();
    upstream.untouched();
}

fn the_first_credential_counts(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", &format!("x-api-key: other\r\n{}", bearer(CLIENT_KEY)), CHAT);
    upstream.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200, "Authorization comes before x-api-key, wherever it stands");
    client.post_with("/v1/chat/completions", &format!("{}x-api-key: {CLIENT_KEY}\r\n", bearer("other")), CHAT);
    refused(&client.answer(), Dialect::OpenAi, 401);
    upstream.untouched();
}

fn disabled_and_expired_clients_are_refused(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["clients"]["off"] = json!({ "key": "sk-off", "disabled": true });
    config["clients"]["old"] = json!({ "key": "sk-old", "expires": "2020-01-01T00:00:00Z" });
    config["clients"]["young"] = json!({ "key": "sk-young", "expires": "2999-01-01T00:00:00Z" });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for key in ["sk-off", "sk-old"] {
        client.post_with("/v1/chat/completions", &bearer(key), CHAT);
        refused(&client.answer(), Dialect::OpenAi, 401);
        client = weir.client();
    }
    upstream.untouched();
    client.post_with("/v1/chat/completions", &bearer("sk-young"), CHAT);
    upstream.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
}

fn a_client_is_held_to_its_models(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["clients"]["tester"]["models"] = json!(["claude-*", "m"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", r#"{"model":"gpt-4o","messages":[]}"#);
    refused(&client.answer(), Dialect::OpenAi, 403);
    upstream.untouched();
    for model in ["m", "claude-x", "CLAUDE-y"] {
        client.post("/v1/chat/completions", format!(r#"{{"model":"{model}","messages":[]}}"#));
        upstream.next().json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200, "{model}");
    }
}

fn open_access_serves_any_key(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["access"] = json!("open");
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for fields in [String::new(), bearer("whatever"), bearer(CLIENT_KEY)] {
        client.post_with("/v1/chat/completions", &fields, CHAT);
        let mut call = upstream.next();
        assert_eq!(call.head().field("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
}

/// Every place where a client may put a key is emptied; each protocol's own place holds the upstream's.
fn the_upstream_gets_its_own_credential_only(driver: Driver) {
    let cases = [
        ("chat", "/v1/chat/completions", "authorization", format!("Bearer {UPSTREAM_KEY}")),
        ("responses", "/v1/responses", "authorization", format!("Bearer {UPSTREAM_KEY}")),
        ("anthropic", "/v1/messages", "x-api-key", UPSTREAM_KEY.to_owned()),
        ("gemini", "/v1beta/models/m:generateContent", "x-goog-api-key", UPSTREAM_KEY.to_owned()),
        ("azure", "/v1/chat/completions", "api-key", UPSTREAM_KEY.to_owned()),
        ("ollama", "/api/chat", "authorization", format!("Bearer {UPSTREAM_KEY}")),
    ];
    let places = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];
    for (protocol, path, place, value) in cases {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        let fields = format!(
            "{}x-api-key: {CLIENT_KEY}\r\napi-key: {CLIENT_KEY}\r\nx-goog-api-key: {CLIENT_KEY}\r\n\
             cookie: session={CLIENT_KEY}\r\nproxy-authorization: Basic {CLIENT_KEY}\r\n",
            bearer(CLIENT_KEY)
        );
        client.post_with(&format!("{path}?key={CLIENT_KEY}&auth_token={CLIENT_KEY}"), &fields, CHAT);
        let mut call = upstream.next();
        for name in places {
            let expected = (name == place).then_some(value.as_str());
            assert_eq!(call.head().field(name), expected, "{protocol}: {name}");
        }
        call.json(200, json!({ "ok": true }));
        assert_eq!(client.answer().status(), 200, "{protocol}");
    }
}

fn a_quoted_upstream_key_is_masked(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let quoted = format!("Incorrect value near {UPSTREAM_KEY}.");
    upstream.next().json(
        400,
        json!({ "error": { "message": quoted, "type": "invalid_request_error", "param": null, "code": null } }),
    );
    let answer = client.answer();
    let message = refused(&answer, Dialect::OpenAi, 400);
    assert!(message.starts_with("Incorrect value near ") && !message.contains(UPSTREAM_KEY), "{message}");
}

/// Loopback is always allowed: a list that names somebody else does not lock the machine itself out.
fn foreign_addresses_are_a_matter_of_allow_ips(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["allow_ips"] = json!(["192.0.2.0/24"]);
    let weir = Weir::start(driver, config);
    weir.client().still_serves(&mut upstream);
}
