//! The doors of the admin address: passwords and tokens, sessions, what a page may do, and that what is changed through it
//! shows no secret.

use crate::support::*;

on_both_drivers!(
    promise_35_without_a_password_a_token_is_shown_once,
    promise_35_guessing_is_slowed,
    so_many_connections_are_served_at_once,
    promise_36_a_session_is_a_cookie_that_pages_cannot_use,
    promise_37_what_the_api_changes_shows_no_secret,
    promise_39_no_path_leads_out,
    promise_40_the_playground_goes_to_the_relay_only,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// What a weir on an empty machine says of its token, and the token.
fn shown(weir: &Weir) -> Option<String> {
    let log = weir.log();
    let line = log.lines().find(|line| line.contains("token="))?;
    Some(line.split("token=").nth(1)?.split([' ', '"']).find(|word| word.len() == 64)?.to_owned())
}

fn promise_35_without_a_password_a_token_is_shown_once(driver: Driver) {
    let home = Folder::new();
    let first = Weir::start_bare(driver, home.path());
    first.logged("the token", |line| line.contains("token="));
    let token = shown(&first).unwrap_or_else(|| panic!("{}", first.log()));
    for (presented, status) in [(None, 401), (Some("admin"), 401), (Some("admin123"), 401), (Some(&*token), 200)] {
        assert_eq!(first.admin_as("GET", "/api/status", presented).status(), status, "{presented:?}");
    }
    drop(first);
    let second = Weir::start_bare(driver, home.path());
    second.logged("that there is one", |line| line.contains("made earlier"));
    assert_eq!(second.admin_as("GET", "/api/status", Some(&token)).status(), 200, "the same over a restart");
    assert!(!second.log().contains(&token), "shown once");
    for entry in walk(home.path()) {
        let text = std::fs::read(&entry).unwrap_or_default();
        assert!(!text.windows(token.len()).any(|window| window == token.as_bytes()), "{} holds it", entry.display());
    }
}

/// One connection more waits until another leaves, and is served then.
fn so_many_connections_are_served_at_once(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let ask = |client: &mut Client| client.ask("GET", "/health", "", b"");
    let mut inside: Vec<_> = (0..weir::limits::ADMIN_CONNECTIONS_MAX)
        .map(|_| {
            let mut client = weir.admin_client();
            ask(&mut client);
            assert_eq!(client.answer().status(), 200);
            client
        })
        .collect();
    let mut over = weir.admin_client();
    ask(&mut over);
    for client in &mut inside[..16] {
        ask(client);
        assert_eq!(client.answer().status(), 200);
    }
    over.wire.stream().set_nonblocking(true).expect("a mode");
    let early = over.wire.stream().peek(&mut [0]);
    assert!(early.is_err(), "one connection too many was served: {early:?}");
    over.wire.stream().set_nonblocking(false).expect("a mode");
    drop(inside.pop());
    assert_eq!(over.answer().status(), 200);
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn promise_35_guessing_is_slowed(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let mut statuses = Vec::new();
    for guess in 0..40 {
        // An address that the caller makes up is not believed.
        let fields = format!("authorization: Bearer guess-{guess}\r\nx-forwarded-for: 203.0.113.{guess}\r\n");
        let answer = weir.admin_with("GET", "/api/status", &fields, "");
        if answer.status() == 429 {
            let wait = answer.head.field("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| wait >= 1), "{:?}", answer.head);
        }
        statuses.push(answer.status());
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.iter().filter(|status| **status == 401).count() < 16, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    let right = format!("{{\"password\":\"{ADMIN_PASSWORD}\"}}");
    assert_eq!(weir.admin_with("POST", "/api/login", "", &right).status(), 429, "not even the right one is looked at");
}

fn promise_36_a_session_is_a_cookie_that_pages_cannot_use(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let wrong = weir.admin_with("POST", "/api/login", "", "{\"password\":\"wrong\"}");
    assert_eq!((wrong.status(), wrong.head.field("set-cookie")), (401, None));
    let login = weir.admin_with("POST", "/api/login", "", &format!("{{\"password\":\"{ADMIN_PASSWORD}\"}}"));
    assert_eq!(login.status(), 200);
    let set = login.head.field("set-cookie").expect("a cookie").to_owned();
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Strict") && set.contains("; Path=/"), "{set}");
    let cookie = format!("cookie: {}\r\n", set.split(';').next().expect("a pair"));
    let host = weir.admin.to_string();
    let ask = |method: &str, path: &str, extra: &str| weir.admin_with(method, path, &format!("{cookie}{extra}"), "");
    assert_eq!(ask("GET", "/api/session", "").json()["authenticated"], true);
    assert_eq!(ask("GET", "/api/status", "").status(), 200);
    for extra in [
        "origin: http://evil.example\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        format!("origin: http://{host}0\r\n"),
        "sec-fetch-site: cross-site\r\n".to_owned(),
    ] {
        assert_eq!(ask("POST", "/api/reload", &extra).status(), 403, "{extra}");
    }
    assert_eq!(ask("POST", "/api/reload", &format!("origin: http://{host}\r\n")).status(), 200);
    let preflight = weir.admin_with(
        "OPTIONS",
        "/api/status",
        "origin: http://evil.example\r\naccess-control-request-method: GET\r\n",
        "",
    );
    for answer in [preflight, ask("GET", "/api/status", "origin: http://evil.example\r\n"), ask("GET", "/", "")] {
        for field in ["access-control-allow-origin", "access-control-allow-credentials"] {
            assert_eq!(answer.head.field(field), None, "no CORS");
        }
        let csp = answer.head.field("content-security-policy").expect("a policy");
        assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
        assert!(!csp.contains("unsafe-inline") && !csp.contains("unsafe-eval") && !csp.contains('*'), "{csp}");
        assert_eq!(answer.head.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.head.field("referrer-policy"), Some("no-referrer"));
    }
    assert_eq!(ask("POST", "/api/logout", "").status(), 200);
    assert_eq!(ask("GET", "/api/status", "").status(), 401, "a logout ends it here too");
    assert_eq!(ask("GET", "/api/session", "").json()["authenticated"], false);
}

fn promise_37_what_the_api_changes_shows_no_secret(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let admin = bearer(ADMIN_PASSWORD);
    let well = |method: &str, path: &str, body: &str| {
        let answer = weir.admin_with(method, path, &admin, body);
        assert_eq!(answer.status(), 200, "{method} {path}: {}", answer.text());
        answer.json()
    };
    let key = well("POST", "/api/clients", r#"{"name":"made","limits":{"requests_per_minute":100}}"#)["key"].clone();
    let key = key.as_str().expect("a key");
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", &bearer(key), CHAT);
    upstream.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200, "the key that was made is served");
    let fresh = well("POST", "/api/clients/made/rotate", "")["key"].clone();
    client.post_with("/v1/chat/completions", &bearer(key), CHAT);
    assert_eq!(client.answer().status(), 401, "the one before has ended");
    well("POST", "/api/providers/up/keys", r#"{"key":"canary-added-to-the-pool"}"#);
    let secrets =
        [key, fresh.as_str().expect("a key"), CLIENT_KEY, UPSTREAM_KEY, ADMIN_PASSWORD, "canary-added-to-the-pool"];
    let config = std::fs::read_to_string(weir.config_path()).expect("a file");
    assert!(config.contains("sha256:") && !config.contains(key), "{config}");
    for path in [
        "/api/config",
        "/api/providers",
        "/api/clients",
        "/api/routes",
        "/api/status",
        "/api/usage?group_by=client,key",
        "/api/requests",
        "/metrics",
        "/api/config/backups",
        "/api/openapi.json",
        "/v0/management/openai-compatibility",
    ] {
        let answer = weir.admin("GET", path);
        assert_eq!(answer.status(), 200, "{path}");
        let told = secrets.iter().find(|secret| answer.text().contains(**secret));
        assert_eq!(told, None, "{path} tells a secret");
    }
    let wrong = weir.admin_with("PATCH", "/api/providers/up", &admin, r#"{"base_url":7}"#);
    assert_eq!((wrong.status(), wrong.head.field("content-type")), (422, Some("application/problem+json")));
    assert!(secrets.iter().all(|secret| !wrong.text().contains(secret)), "{}", wrong.text());
    let shown = well("POST", "/api/secret", r#"{"path":"providers.up.keys.1"}"#);
    assert_eq!(shown["secret"], "canary-added-to-the-pool");
    weir.logged("who looked at it", |line| line.contains("a secret was shown") && line.contains("providers.up.keys.1"));
    assert!(secrets.iter().all(|secret| !weir.log().contains(secret)), "the log tells a secret");
}

fn promise_39_no_path_leads_out(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/....//....//etc/passwd",
        "/assets//etc/passwd",
        "/assets/%00",
        "/..%2fweir.json",
        "/%2e%2e/weir.json",
        "//etc/passwd",
        "/assets/",
    ] {
        let answer = weir.admin_as("GET", path, None);
        assert!(matches!(answer.status(), 400 | 401 | 404), "{path}: {}", answer.status());
        assert!(!answer.text().contains("root:") && !answer.text().contains(UPSTREAM_KEY), "{path}");
        let answer = weir.admin("GET", path);
        assert!(matches!(answer.status(), 400 | 404), "{path}: {}", answer.status());
    }
    for name in ["..%2f..%2fweir.json", "%2fetc%2fpasswd", "config-..json", "."] {
        let answer = weir.admin("GET", &format!("/api/config/backups/{name}"));
        assert!(matches!(answer.status(), 400 | 404), "{name}: {}", answer.status());
    }
}

fn promise_40_the_playground_goes_to_the_relay_only(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("set");
    let there = elsewhere.local_addr().expect("an address");
    let admin = bearer(ADMIN_PASSWORD);
    for path in [
        format!("http://{there}/v1/chat/completions"),
        format!("//{there}/v1/messages"),
        format!("@{there}/"),
        format!("/v1\r\nhost: {there}"),
    ] {
        let body = json!({ "dialect": "chat", "path": path, "body": {} }).to_string();
        let answer = weir.admin_with("POST", "/api/playground", &admin, &body);
        assert!(answer.status() == 422 || answer.head.field("x-weir-status").is_some(), "{path}: {}", answer.text());
    }
    assert!(elsewhere.accept().is_err(), "nobody was sent there");
    let body = json!({ "dialect": "chat", "key": CLIENT_KEY, "body": { "model": "m", "messages": [] } }).to_string();
    let mut asked = weir.admin_begun("POST", "/api/playground", &admin, &body);
    upstream.next().json(200, chat_answer("from the relay"));
    let answer = asked.answer();
    assert_eq!((answer.status(), answer.head.field("x-weir-status")), (200, Some("200")));
    assert!(answer.text().contains("from the relay"), "{}", answer.text());
    let refused = json!({ "dialect": "anthropic", "body": { "model": "m" } }).to_string();
    let answer = weir.admin_with("POST", "/api/playground", &admin, &refused);
    assert_eq!(answer.head.field("x-weir-status"), Some("401"), "{}", answer.text());
}
