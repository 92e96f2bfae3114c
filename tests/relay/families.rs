//! Each protocol's endpoints, relayed to an upstream of the same protocol: where the request goes, and what it holds.

use crate::support::*;

on_both_drivers!(
    openai_endpoints_of_a_chat_provider,
    multipart_uploads,
    responses_endpoints,
    anthropic_endpoints,
    gemini_endpoints,
    azure_endpoints,
    ollama_endpoints,
    a_path_names_its_provider,
    a_model_names_its_provider,
    tolerated_paths,
    base_urls_of_every_shape,
    headers_of_the_config_win,
    headers_of_the_client_go_on,
    an_upstreams_name_of_a_request_is_told,
);

/// A relay whose only target renames the model to `real/one`.
fn renaming(driver: Driver, protocol: &str) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config(protocol, &upstream);
    config["routes"]["all"]["to"] = json!(["up/real/one"]);
    (Weir::start(driver, config), upstream)
}

/// Posts `body` to `path`, and gives the target and the body that arrived upstream.
fn passed(weir: &Weir, upstream: &mut Upstream, path: &str, body: &str) -> (String, String) {
    let mut client = weir.client();
    client.post(path, body);
    let mut call = upstream.next();
    call.json(200, json!({ "from": path }));
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    assert_eq!(answer.json(), json!({ "from": path }));
    (call.target().to_owned(), String::from_utf8(call.request.body).expect("text"))
}

fn openai_endpoints_of_a_chat_provider(driver: Driver) {
    let (weir, mut upstream) = renaming(driver, "chat");
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1/moderations",
        "/v1/rerank",
    ] {
        let (target, body) = passed(&weir, &mut upstream, path, r#"{"prompt" : "x","model":"m"}"#);
        assert_eq!(target, path);
        assert_eq!(body, r#"{"prompt" : "x","model":"real/one"}"#, "{path}");
    }
}

/// RFC 7578: only the part named `model` changes; file bytes that look like one do not.
fn multipart_uploads(driver: Driver) {
    let (weir, mut upstream) = renaming(driver, "chat");
    let form = |model: &str| {
        let file = b"RIFF\0\xff\xfe\r\n--edg\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nnot me\r\n";
        let mut body = b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\
            Content-Type: audio/wav\r\n\r\n"
            .to_vec();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
        body.extend_from_slice(model.as_bytes());
        body.extend_from_slice(
            b"\r\n--edge\r\ncontent-disposition: form-data; name=temperature\r\n\r\n0.5\r\n--edge--\r\n",
        );
        body
    };
    let kind = "multipart/form-data; boundary=edge";
    for path in ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"] {
        let mut client = weir.client();
        client.ask("POST", path, &format!("{}content-type: {kind}\r\n", bearer(CLIENT_KEY)), &form("whisper-1"));
        let mut call = upstream.next();
        assert_eq!(call.target(), path);
        assert_eq!(call.head().field("content-type"), Some(kind));
        assert_eq!(text(&call.request.body), text(&form("real/one")), "{path}");
        call.json(200, json!({ "text": "hi" }));
        assert_eq!(client.answer().json(), json!({ "text": "hi" }));
    }
}

fn responses_endpoints(driver: Driver) {
    let (weir, mut upstream) = renaming(driver, "responses");
    for path in ["/v1/responses", "/v1/responses/compact", "/v1/embeddings", "/v1/images/generations"] {
        let (target, body) = passed(&weir, &mut upstream, path, r#"{"model":"gpt-5","input":[],"store":false}"#);
        assert_eq!(target, path);
        assert_eq!(body, r#"{"model":"real/one","input":[],"store":false}"#);
    }
}

fn anthropic_endpoints(driver: Driver) {
    let (weir, mut upstream) = renaming(driver, "anthropic");
    for path in ["/v1/messages", "/v1/messages?beta=true", "/v1/messages/count_tokens?beta=true"] {
        let mut client = weir.client();
        let fields = format!("x-api-key: {CLIENT_KEY}\r\nanthropic-version: 2023-01-01\r\nanthropic-beta: a-1,b-2\r\n");
        client.post_with(path, &fields, r#"{"model":"claude-x","messages":[]}"#);
        let mut call = upstream.next();
        assert_eq!(call.target(), path);
        assert_eq!(call.head().field("anthropic-version"), Some("2023-01-01"));
        assert_eq!(call.head().field("anthropic-beta"), Some("a-1,b-2"));
        assert_eq!(call.request.text(), r#"{"model":"real/one","messages":[]}"#);
        call.json(200, json!({ "input_tokens": 3 }));
        assert_eq!(client.answer().json(), json!({ "input_tokens": 3 }));
    }
    let mut client = weir.client();
    client.post("/v1/messages", r#"{"model":"claude-x","messages":[]}"#);
    let mut call = upstream.next();
    assert_eq!(call.head().field("anthropic-version"), Some("2023-06-01"), "required by the vendor, so supplied");
    call.json(200, json!({ "ok": true }));
    client.answer();
}

fn gemini_endpoints(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("gemini", &upstream);
    config["routes"]["all"]["to"] = json!(["up/real"]);
    let weir = Weir::start(driver, config);
    let body = r#"{"contents" : [] }"#;
    for (path, target) in [
        ("/v1beta/models/gemini-x:generateContent", "/v1beta/models/real:generateContent"),
        ("/v1beta/models/gemini-x:countTokens", "/v1beta/models/real:countTokens"),
        ("/v1beta/models/gemini-x:embedContent", "/v1beta/models/real:embedContent"),
        ("/v1beta/models/gemini%2Dx:generateContent?q=1", "/v1beta/models/real:generateContent?q=1"),
        ("/v1beta/models/gemini-x:streamGenerateContent?alt=sse", "/v1beta/models/real:streamGenerateContent?alt=sse"),
        ("/v1beta/models/gemini-x:streamGenerateContent", "/v1beta/models/real:streamGenerateContent"),
    ] {
        assert_eq!(passed(&weir, &mut upstream, path, body), (target.to_owned(), body.to_owned()));
    }
    // google-genai for Python asks under /v1 (wire.md); the upstream's own version segment stands for both.
    let (target, _) = passed(&weir, &mut upstream, "/v1/models/gemini-x:generateContent", body);
    assert!(target == "/v1/models/real:generateContent" || target == "/v1beta/models/real:generateContent");
}

fn azure_endpoints(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("azure", &upstream);
    config["providers"]["up"]["api_version"] = json!("2024-10-21");
    config["routes"]["all"]["to"] = json!(["up/my-deployment"]);
    let weir = Weir::start(driver, config);
    for path in ["chat/completions", "embeddings", "completions", "images/generations"] {
        let asked = format!("/v1/{path}?api-version=1999-01-01&a=b");
        let (target, body) = passed(&weir, &mut upstream, &asked, r#"{"model":"gpt-4o","messages":[]}"#);
        let (path_sent, query) = target.split_once('?').expect("a query");
        assert_eq!(path_sent, format!("/openai/deployments/my-deployment/{path}"));
        let mut query: Vec<_> = query.split('&').collect();
        query.sort_unstable();
        assert_eq!(query, ["a=b", "api-version=2024-10-21"]);
        let sent: Value = serde_json::from_str(&body).expect("json");
        assert!(sent.get("model").is_none_or(|model| model == "my-deployment"), "{body}");
        assert_eq!(sent["messages"], json!([]));
    }
}

fn ollama_endpoints(driver: Driver) {
    let (weir, mut upstream) = renaming(driver, "ollama");
    for path in ["/api/chat", "/api/generate", "/api/embed", "/ollama/api/chat"] {
        let (target, body) = passed(&weir, &mut upstream, path, r#"{"model":"llama3","stream":false}"#);
        assert_eq!(target, path.strip_prefix("/ollama").unwrap_or(path));
        assert_eq!(body, r#"{"model":"real/one","stream":false}"#);
    }
    let mut client = weir.client();
    for path in ["/api/version", "/ollama/api/version"] {
        client.get(path);
        let answer = client.answer();
        let version = answer.json()["version"].as_str().expect("a version").to_owned();
        assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "clients parse every part: {version}");
    }
    client.get("/api/ps");
    assert_eq!(client.answer().json(), json!({"models": []}));
    upstream.untouched();
}

/// Two chat providers, of which the route knows only the first.
fn two_providers(driver: Driver) -> (Weir, Upstream, Upstream) {
    let (first, second) = (Upstream::new(), Upstream::new());
    let mut config = config("chat", &first);
    config["providers"]["other"] =
        json!({ "protocol": "chat", "base_url": second.url("/v1"), "keys": [SECOND_KEY], "models": ["known"] });
    config["providers"]["google"] =
        json!({ "protocol": "gemini", "base_url": second.url(""), "keys": [SECOND_KEY], "models": ["known"] });
    (Weir::start(driver, config), first, second)
}

fn a_path_names_its_provider(driver: Driver) {
    let (weir, mut first, mut second) = two_providers(driver);
    let (target, body) = passed(&weir, &mut second, "/other/v1/chat/completions", r#"{"model":"m"}"#);
    assert_eq!((target.as_str(), body.as_str()), ("/v1/chat/completions", r#"{"model":"m"}"#));
    let (target, _) = passed(&weir, &mut second, "/google/v1beta/models/m:generateContent", "{}");
    assert_eq!(target, "/v1beta/models/m:generateContent");
    first.untouched();
    let mut client = weir.client();
    client.post("/nobody/v1/chat/completions", r#"{"model":"m"}"#);
    refused(&client.answer(), Dialect::OpenAi, 404);
    first.untouched();
}

fn a_model_names_its_provider(driver: Driver) {
    let (weir, mut first, mut second) = two_providers(driver);
    for asked in ["other/m", "other|m", "other:m", "other::m", "[other] m"] {
        let (_, body) = passed(&weir, &mut second, "/v1/chat/completions", &format!(r#"{{"model":"{asked}"}}"#));
        assert_eq!(body, r#"{"model":"m"}"#, "{asked}");
    }
    let (_, body) = passed(&weir, &mut first, "/v1/chat/completions", r#"{"model":"nobody/m"}"#);
    assert_eq!(body, r#"{"model":"nobody/m"}"#, "not the name of a provider: a model like any other");
    second.untouched();
}

fn tolerated_paths(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    for path in [
        "/chat/completions",
        "/v1/v1/chat/completions",
        "//v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions/v1/chat/completions",
        "/ollama/v1/chat/completions",
    ] {
        let (target, _) = passed(&weir, &mut upstream, path, r#"{"model":"m"}"#);
        assert_eq!(target, "/v1/chat/completions", "{path}");
    }
}

fn base_urls_of_every_shape(driver: Driver) {
    let cases = [
        ("chat", "", "/v1/chat/completions", "/v1/chat/completions"),
        ("chat", "/", "/v1/chat/completions", "/v1/chat/completions"),
        ("chat", "/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("chat", "/v1/", "/v1/chat/completions", "/v1/chat/completions"),
        ("chat", "/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"),
        ("chat", "/openai/v1/chat/completions", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("chat", "/odd/chat/completions", "/v1/chat/completions", "/odd/chat/completions"),
        ("anthropic", "", "/v1/messages", "/v1/messages"),
        ("anthropic", "/v1", "/v1/messages", "/v1/messages"),
        ("anthropic", "/anthropic", "/v1/messages", "/anthropic/v1/messages"),
        ("gemini", "", "/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("gemini", "/v1beta", "/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("ollama", "", "/api/chat", "/api/chat"),
    ];
    for (protocol, base, path, target) in cases {
        let mut upstream = Upstream::new();
        let weir = Weir::start(driver, config_at(protocol, &upstream.url(base)));
        let body = r#"{"model":"m","stream":false}"#;
        assert_eq!(passed(&weir, &mut upstream, path, body).0, target, "{protocol} {base:?}");
    }
}

fn headers_of_the_config_win(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["headers"] = json!({ "HTTP-Referer": "https://app.example", "User-Agent": "mine/1" });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    let fields = format!("{}user-agent: theirs/2\r\n", bearer(CLIENT_KEY));
    client.post_with("/v1/chat/completions", &fields, r#"{"model":"m"}"#);
    let mut call = upstream.next();
    assert_eq!(call.head().field("http-referer"), Some("https://app.example"));
    assert_eq!(call.head().field("user-agent"), Some("mine/1"));
    call.json(200, json!({ "ok": true }));
    client.answer();
}

fn headers_of_the_client_go_on(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let fields = format!(
        "{}User-Agent: theirs/2\r\nX-Stainless-Lang: python\r\nOpenAI-Beta: x=v1\r\nsession-id: 7\r\n\
         accept: text/event-stream\r\naccept-encoding: gzip, br\r\n",
        bearer(CLIENT_KEY)
    );
    client.post_with("/v1/chat/completions", &fields, r#"{"model":"m"}"#);
    let mut call = upstream.next();
    for (name, value) in [
        ("user-agent", "theirs/2"),
        ("x-stainless-lang", "python"),
        ("openai-beta", "x=v1"),
        ("session-id", "7"),
        ("accept", "text/event-stream"),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
        ("host", &upstream.address.to_string()),
    ] {
        assert_eq!(call.head().field(name), Some(value), "{name}");
    }
    call.send(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\nx-request-id: req_up\r\n\
         x-ratelimit-remaining-requests: 59\r\nopenai-processing-ms: 5\r\n\r\n{\"ok\":1}",
    );
    let answer = client.answer();
    assert_eq!(answer.head.field("x-upstream-request-id"), Some("req_up"));
    assert!(answer.head.field("x-request-id").is_some_and(|id| id != "req_up"), "{:?}", answer.head);
    assert_eq!(answer.head.field("x-ratelimit-remaining-requests"), Some("59"));
    assert_eq!(answer.head.field("openai-processing-ms"), Some("5"));
}

/// Anthropic calls it otherwise than the rest; it is told with errors too, for that is when it is asked for.
fn an_upstreams_name_of_a_request_is_told(driver: Driver) {
    for (protocol, path, field) in
        [("chat", "/v1/chat/completions", "x-request-id"), ("anthropic", "/v1/messages", "request-id")]
    {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        for (status, body) in [
            ("200 OK", r#"{"ok":1}"#),
            (
                "400 Bad Request",
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"no","param":null,"code":null}}"#,
            ),
        ] {
            client.post(path, r#"{"model":"m","max_tokens":1,"messages":[]}"#);
            upstream.next().send(format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{field}: req_up\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ));
            let answer = client.answer();
            assert_eq!(answer.head.field("x-upstream-request-id"), Some("req_up"), "{protocol} {status}");
        }
    }
}
