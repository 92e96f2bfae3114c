//! The admin address: who may ask, and that what it tells is exact.

use crate::support::*;

on_both_drivers!(
    only_the_administrator_is_answered,
    a_foreign_host_is_refused,
    status_tells_the_contract,
    metrics_are_prometheus_text,
    usage_is_exact,
    usage_groups,
    one_line_for_each_exchange,
    no_output_holds_a_secret,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn only_the_administrator_is_answered(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    for (method, path) in [("GET", "/api/status"), ("GET", "/api/usage"), ("POST", "/api/reload"), ("GET", "/metrics")]
    {
        assert_eq!(weir.admin_as(method, path, None).status(), 401, "{path}");
        let answer = weir.admin(method, path);
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        assert_eq!(answer.head.field("access-control-allow-origin"), None, "no CORS");
    }
    assert_eq!(weir.admin("GET", "/api/nothing").status(), 404);
    for password in ["wrong", CLIENT_KEY, &ADMIN_PASSWORD[1..]] {
        assert_eq!(weir.admin_as("GET", "/api/status", Some(password)).status(), 401, "{password}");
    }
    let mut relayed = weir.client();
    relayed.ask("GET", "/api/status", &bearer(ADMIN_PASSWORD), b"");
    assert_ne!(relayed.answer().status(), 200, "the relay's address never serves the admin");
}

/// DNS rebinding: a page at another name reaches the address, but names itself in `Host`.
fn a_foreign_host_is_refused(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let mut wire = Wire::connect(weir.admin, UPSTREAM_KEY);
    wire.send(format!(
        "GET /api/status HTTP/1.1\r\nhost: evil.example\r\n{}connection: close\r\n\r\n",
        bearer(ADMIN_PASSWORD)
    ));
    let status = wire.head().status();
    assert!(matches!(status, 400 | 403 | 421), "{status}");
}

fn status_tells_the_contract(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    let status = weir.status();
    assert_eq!(status["pid"], weir.pid());
    assert!(status["version"].as_str().is_some_and(|v| version().contains(v)), "{status}");
    assert_eq!(status["draining"], false);
    for member in ["cores", "uptime_ms", "sessions", "streams", "providers"] {
        assert!(status.get(member).is_some_and(|value| !value.is_null()), "{member} in {status}");
    }
    assert!(status["sessions"].as_u64() >= Some(1), "{status}");
    let up = &status["providers"][0];
    assert_eq!((&up["name"], &up["health"]), (&json!("up"), &json!("ok")), "{status}");
    assert!(up["keys"][0].get("cooling_until").is_some_and(Value::is_null), "{status}");
}

/// The sum of a family of samples over all labels.
fn sum(metrics: &str, name: &str) -> f64 {
    let samples =
        metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    samples.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number")).sum()
}

fn metrics_are_prometheus_text(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for _ in 0..3 {
        client.still_serves(&mut upstream);
    }
    weir.usage(3);
    let answer = weir.admin("GET", "/metrics");
    assert!(answer.head.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", answer.head);
    let metrics = answer.text();
    let mut typed = std::collections::HashSet::new();
    for line in metrics.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(typed.insert(rest.split(' ').next().expect("a name")), "typed twice: {line}");
        } else if !line.starts_with("# ") {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = sample.split('{').next().expect("a name");
            assert!(name.starts_with("weir_") || name.starts_with("process_"), "{line}");
        }
    }
    let requests = typed.iter().find(|name| name.contains("requests_total")).unwrap_or_else(|| panic!("{metrics}"));
    assert!(sum(metrics, requests) >= 3.0, "{metrics}");
}

fn usage_is_exact(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["cores"] = json!(2);
    let weir = Weir::start(driver, config);
    let mut clients: Vec<_> = (0..8).map(|_| weir.client()).collect();
    for _ in 0..5 {
        for client in &mut clients {
            client.still_serves(&mut upstream);
        }
    }
    clients[0].post("/v1/chat/completions", CHAT);
    upstream.next().json(
        400,
        json!({ "error": { "message": "no", "type": "invalid_request_error", "param": null, "code": null } }),
    );
    assert_eq!(clients[0].answer().status(), 400);
    let total = weir.usage(41);
    assert_eq!((&total["ok"], &total["errors"]), (&json!(40), &json!(1)));
    assert_eq!((&total["input_tokens"], &total["output_tokens"]), (&json!(440), &json!(280)));
}

fn usage_groups(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["clients"]["second"] = json!({ "key": "sk-second-client" });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for (key, count) in [(CLIENT_KEY, 2), ("sk-second-client", 3)] {
        for _ in 0..count {
            client.post_with("/v1/chat/completions", &bearer(key), CHAT);
            upstream.next().json(200, chat_answer("x"));
            assert_eq!(client.answer().status(), 200);
        }
    }
    weir.usage(5);
    let answer = weir.admin("GET", "/api/usage?group_by=client,provider,model").json();
    let groups = answer["groups"].as_array().expect("groups");
    let requests_of = |name: &str| -> u64 {
        groups
            .iter()
            .filter(|g| g.to_string().contains(&format!("\"{name}\"")))
            .filter_map(|g| g["requests"].as_u64())
            .sum()
    };
    assert_eq!((requests_of("tester"), requests_of("second")), (2, 3), "{answer}");
    assert_eq!((requests_of("up"), requests_of("m")), (5, 5), "{answer}");
    assert_eq!(weir.admin("GET", "/api/usage?group_by=shoe_size").status(), 400);
}

fn one_line_for_each_exchange(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["log"] = json!({ "format": "json" });
    config["routes"]["all"]["to"] = json!(["up/real"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    upstream.next().json(200, chat_answer("x"));
    let id = client.answer().head.field("x-request-id").expect("an id").to_owned();
    let line = weir.logged("the exchange", |line| line.contains(&id));
    let told: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    for what in ["tester", "up", "real", "200", "11", "7"] {
        assert!(told.to_string().contains(what), "{what} in {line}");
    }
    client.ask("HEAD", "/", "", b"");
    assert_eq!(client.answer_to_head().status(), 200);
    client.still_serves(&mut upstream);
    weir.usage(2);
    assert_eq!(weir.log().matches(&id).count(), 1, "{}", weir.log());
}

/// Every answer is searched by `Wire`, the log by `Weir`; here they are made to talk.
fn no_output_holds_a_secret(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["log"] = json!({ "level": "debug" });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.post(&format!("/v1/nothing?key={CLIENT_KEY}"), CHAT);
    client.answer();
    client.post_with(&format!("/v1/chat/completions?key={CLIENT_KEY}x"), "", CHAT);
    client.answer();
    for path in ["/api/status", "/api/usage?group_by=client,key", "/metrics", "/health", "/api/reload"] {
        let method = if path == "/api/reload" { "POST" } else { "GET" };
        let answer = weir.admin(method, path);
        for canary in [CLIENT_KEY, UPSTREAM_KEY, ADMIN_PASSWORD] {
            assert!(!answer.text().contains(canary), "{path} tells a secret: {}", answer.text());
        }
    }
    drop(weir);
}
