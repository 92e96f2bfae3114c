//! What weir says by itself, each in the caller's dialect: model lists, probes, CORS, unknown paths, and that a provider
//! has nothing like what is asked for.

use crate::support::*;

on_both_drivers!(
    what_no_protocol_can_say_is_501,
    an_unknown_path_is_404,
    a_wrong_method_is_405,
    conversion_41_probes_need_no_key,
    cors_echoes_what_is_asked,
    models_in_the_openai_dialect,
    conversion_40_models_in_the_anthropic_dialect,
    models_in_the_gemini_dialect,
    models_in_the_ollama_dialect,
    a_client_sees_only_its_models,
);

fn what_no_protocol_can_say_is_501(driver: Driver) {
    let paths = [
        ("/v1/embeddings", &["chat", "responses"][..], Dialect::OpenAi),
        ("/v1/moderations", &["chat", "responses"], Dialect::OpenAi),
        ("/v1/rerank", &["chat", "responses"], Dialect::OpenAi),
        ("/v1beta/models/m:embedContent", &["gemini"], Dialect::Gemini),
        ("/api/embed", &["ollama"], Dialect::Ollama),
    ];
    for protocol in ["chat", "responses", "anthropic", "gemini", "ollama"] {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        for (path, own, dialect) in paths {
            if !own.contains(&protocol) {
                client.post(path, r#"{"model":"m","messages":[],"stream":true}"#);
                refused(&client.answer(), dialect, 501);
            }
        }
        upstream.untouched();
    }
}

fn an_unknown_path_is_404(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let paths = [
        ("POST", "/v1/nothing", Dialect::OpenAi),
        ("GET", "/nothing/at/all", Dialect::OpenAi),
        ("POST", "/v1/chat/completions/extra", Dialect::OpenAi),
        ("GET", "/v1/../v1/models", Dialect::OpenAi),
        ("POST", "/v1beta/nothing", Dialect::Gemini),
    ];
    for (method, path, dialect) in paths {
        client.ask(method, path, &bearer(CLIENT_KEY), b"");
        refused(&client.answer(), dialect, 404);
    }
    upstream.untouched();
    client.still_serves(&mut upstream);
}

fn a_wrong_method_is_405(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let cases = [
        ("GET", "/v1/chat/completions", Dialect::OpenAi, "POST"),
        ("DELETE", "/v1/messages", Dialect::Anthropic, "POST"),
        ("PUT", "/v1beta/models/m:generateContent", Dialect::Gemini, "POST"),
        ("GET", "/api/chat", Dialect::Ollama, "POST"),
        ("POST", "/v1/models", Dialect::OpenAi, "GET"),
    ];
    for (method, path, dialect, allowed) in cases {
        client.ask(method, path, &bearer(CLIENT_KEY), b"");
        let answer = client.answer();
        refused(&answer, dialect, 405);
        let allow = answer.head.field("allow").expect("RFC 9110 §15.5.6 asks for Allow");
        assert!(allow.split(", ").any(|method| method == allowed), "{allow}");
    }
    upstream.untouched();
    client.still_serves(&mut upstream);
}

fn conversion_41_probes_need_no_key(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for path in ["/health", "/healthz", "/"] {
        client.ask("GET", path, "", b"");
        assert_eq!(client.answer().status(), 200, "GET {path}");
    }
    for path in ["/", "/api/hello", "/health", "/healthz"] {
        client.ask("HEAD", path, "", b"");
        assert_eq!(client.answer_to_head().status(), 200, "HEAD {path}");
    }
    client.still_serves(&mut upstream);
}

fn cors_echoes_what_is_asked(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let asked = "authorization,content-type,x-stainless-os,anthropic-version,x-made-up";
    let fields = format!(
        "origin: https://app.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: {asked}\r\n"
    );
    for path in ["/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/api/chat", "/v1/models"]
    {
        client.ask("OPTIONS", path, &fields, b"");
        let answer = client.answer();
        assert!(matches!(answer.status(), 200 | 204), "{path}: {:?}", answer.head);
        assert_eq!(answer.head.field("access-control-allow-headers"), Some(asked), "{path}");
        let origin = answer.head.field("access-control-allow-origin");
        assert!(matches!(origin, Some("*" | "https://app.example")), "{path}: {origin:?}");
        let methods = answer.head.field("access-control-allow-methods").expect("methods");
        assert!(methods.contains("POST"), "{methods}");
        assert!(answer.head.field("access-control-max-age").is_some_and(|age| age.parse::<u32>().is_ok()));
    }
    upstream.untouched();
    let fields = format!("{}origin: https://app.example\r\n", bearer(CLIENT_KEY));
    client.post_with("/v1/chat/completions", &fields, r#"{"model":"m"}"#);
    upstream.next().json(200, json!({ "ok": true }));
    let answer = client.answer();
    assert!(matches!(answer.head.field("access-control-allow-origin"), Some("*" | "https://app.example")));
    let exposed = answer.head.field("access-control-expose-headers").expect("exposed headers").to_ascii_lowercase();
    assert!(exposed == "*" || ["retry-after", "x-request-id"].iter().all(|name| exposed.contains(name)), "{exposed}");
    client.post_with("/v1/chat/completions", "origin: https://app.example\r\n", r#"{"model":"m"}"#);
    let refusal = client.answer();
    assert_eq!(refusal.status(), 401);
    assert!(refusal.head.field("access-control-allow-origin").is_some(), "a page must be able to read its 401");
}

/// Two providers that publish models: plain, by alias, excluded.
fn catalogue(driver: Driver) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["models"] =
        json!(["gpt-a", { "name": "hidden-name", "alias": "claude-b", "released": "2026-05-01" }, "gone-c"]);
    config["providers"]["up"]["exclude_models"] = json!(["gone-*"]);
    config["clients"]["narrow"] = json!({ "key": "sk-narrow", "models": ["claude-*"] });
    (Weir::start(driver, config), upstream)
}

fn list(weir: &Weir, path: &str, fields: &str) -> Value {
    let mut client = weir.client();
    client.ask("HEAD", path, fields, b"");
    assert_eq!(client.answer_to_head().status(), 200, "HEAD {path}");
    client.ask("GET", path, fields, b"");
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    answer.json()
}

fn names<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list, not {list}"));
    list.iter().map(|model| model[member].as_str().expect("a name")).collect()
}

fn models_in_the_openai_dialect(driver: Driver) {
    let (weir, mut upstream) = catalogue(driver);
    let body = list(&weir, "/v1/models", &bearer(CLIENT_KEY));
    assert_eq!(body["object"], "list");
    let ids = names(&body["data"], "id");
    for (name, listed) in
        [("gpt-a", true), ("claude-b", true), ("auto", true), ("hidden-name", false), ("gone-c", false)]
    {
        assert_eq!(ids.contains(&name), listed, "{name} in {ids:?}");
    }
    for model in body["data"].as_array().expect("a list") {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let one = list(&weir, "/v1/models/gpt-a", &bearer(CLIENT_KEY));
    assert_eq!((&one["id"], &one["object"]), (&json!("gpt-a"), &json!("model")));
    let mut client = weir.client();
    client.get("/v1/models/nobody-has-this");
    refused(&client.answer(), Dialect::OpenAi, 404);
    client.ask("GET", "/v1/models", "", b"");
    refused(&client.answer(), Dialect::OpenAi, 401);
    upstream.untouched();
}

fn conversion_40_models_in_the_anthropic_dialect(driver: Driver) {
    let (weir, mut upstream) = catalogue(driver);
    let fields = format!("x-api-key: {CLIENT_KEY}\r\nanthropic-version: 2023-06-01\r\n");
    let body = list(&weir, "/v1/models?limit=1000", &fields);
    let ids = names(&body["data"], "id");
    assert!(ids.contains(&"claude-b") && ids.contains(&"gpt-a"), "{ids:?}");
    assert_eq!(body["has_more"], false);
    assert_eq!(body["first_id"].as_str(), ids.first().copied());
    assert_eq!(body["last_id"].as_str(), ids.last().copied());
    for model in body["data"].as_array().expect("a list") {
        assert_eq!(model["type"], "model");
        assert!(model["display_name"].is_string() && model["created_at"].is_string(), "{model}");
    }
    let one = list(&weir, "/v1/models/claude-b", &fields);
    assert_eq!((&one["id"], &one["type"]), (&json!("claude-b"), &json!("model")));
    let mut client = weir.client();
    client.ask("GET", "/v1/models/nobody-has-this", &fields, b"");
    refused(&client.answer(), Dialect::Anthropic, 404);
    upstream.untouched();
}

fn models_in_the_gemini_dialect(driver: Driver) {
    let (weir, mut upstream) = catalogue(driver);
    let fields = format!("x-goog-api-key: {CLIENT_KEY}\r\n");
    let body = list(&weir, "/v1beta/models", &fields);
    let listed = names(&body["models"], "name");
    assert!(listed.contains(&"models/claude-b") && listed.contains(&"models/gpt-a"), "{listed:?}");
    assert!(body["models"][0]["supportedGenerationMethods"].is_array(), "{body}");
    assert_eq!(list(&weir, "/v1beta/models/gpt-a", &fields)["name"], "models/gpt-a");
    let mut client = weir.client();
    client.ask("GET", "/v1beta/models/nobody-has-this", &fields, b"");
    refused(&client.answer(), Dialect::Gemini, 404);
    upstream.untouched();
}

fn models_in_the_ollama_dialect(driver: Driver) {
    let (weir, mut upstream) = catalogue(driver);
    for path in ["/api/tags", "/ollama/api/tags"] {
        let body = list(&weir, path, &bearer(CLIENT_KEY));
        let listed = names(&body["models"], "name");
        assert!(listed.iter().any(|name| name.starts_with("claude-b")), "{listed:?}");
        assert!(body["models"][0]["details"].is_object(), "{body}");
    }
    let mut client = weir.client();
    client.post("/api/show", r#"{"model":"gpt-a"}"#);
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let body = answer.json();
    assert!(body["capabilities"].as_array().is_some_and(|all| all.contains(&json!("tools"))), "{body}");
    let family = body["model_info"]["general.architecture"].as_str().expect("an architecture");
    assert!(body["model_info"][format!("{family}.context_length")].is_u64(), "{body}");
    client.post("/api/show", r#"{"model":"nobody-has-this"}"#);
    refused(&client.answer(), Dialect::Ollama, 404);
    upstream.untouched();
}

fn a_client_sees_only_its_models(driver: Driver) {
    let (weir, _upstream) = catalogue(driver);
    let body = list(&weir, "/v1/models", &bearer("sk-narrow"));
    assert_eq!(names(&body["data"], "id"), ["claude-b"]);
    let mut client = weir.client();
    client.ask("GET", "/v1/models/gpt-a", &bearer("sk-narrow"), b"");
    let answer = client.answer();
    assert!(matches!(answer.status(), 403 | 404), "{}", answer.text());
}
