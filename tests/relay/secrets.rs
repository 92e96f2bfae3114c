//! A canary in every member of the configuration that its schema marks as a secret, and none of them in anything that
//! weir says: answers, errors, the log at its loudest, traces, metrics, what lies on the disk.

use crate::support::*;

on_both_drivers!(no_marked_member_is_ever_told, a_panic_tells_nothing_of_its_request);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// Places that the schema marks, with `*` for any name and any place in a list.
fn marked(root: &Value, schema: &Value, at: &str, seen: &mut Vec<String>) {
    if schema.get("x-secret").is_some() {
        seen.push(at.to_owned());
    }
    if let Some(name) = schema["$ref"].as_str() {
        marked(root, root.pointer(name.trim_start_matches('#')).expect("a definition"), at, seen);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        schema[choice].as_array().into_iter().flatten().for_each(|schema| marked(root, schema, at, seen));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        marked(root, schema, &format!("{at}.{name}"), seen);
    }
    for inner in ["additionalProperties", "items"] {
        if schema[inner].is_object() {
            marked(root, &schema[inner], &format!("{at}.*"), seen);
        }
    }
}

/// Places that hold a canary, spelled likewise.
fn planted(value: &Value, at: &str, seen: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("canary") => seen.push(at.to_owned()),
        Value::Array(entries) => entries.iter().for_each(|entry| planted(entry, &format!("{at}.*"), seen)),
        Value::Object(members) => {
            let maps = ["clients", "providers", "headers", "routes"];
            let is_map = maps.iter().any(|map| at.ends_with(&format!(".{map}")));
            for (name, value) in members {
                planted(value, &format!("{at}.{}", if is_map { "*" } else { name }), seen);
            }
        }
        _ => {}
    }
}

fn file(upstream: &Upstream, collector: &Upstream, proxy: std::net::SocketAddr) -> Value {
    let mut config = config("chat", upstream);
    config["clients"]["tester"]["key"] = json!("canary-client-1");
    config["proxy"] = json!(format!("http://user:canary-root-proxy@{proxy}"));
    let own = json!({ "x-own": "canary-key-header" });
    config["providers"]["up"]["proxy"] = json!("direct");
    config["providers"]["up"]["headers"] = json!({ "x-tenant": "canary-header" });
    config["providers"]["up"]["keys"] =
        json!(["canary-first-key", { "key": "canary-second-key", "name": "second", "headers": own }]);
    config["providers"]["far"] = json!({
        "protocol": "chat", "base_url": upstream.url("/far"), "proxy": format!("http://u:canary-far-proxy@{proxy}"),
        "keys": [{ "key": "canary-far-key", "proxy": format!("socks5://u:canary-key-proxy@{proxy}") }],
    });
    config["cooldown"] = json!({ "server_error_ms": 1, "rejected_key_ms": 1, "rate_limited_ms": 1, "max_ms": 1 });
    config["otlp"] =
        json!({ "endpoint": collector.url("/base"), "headers": { "authorization": "Bearer canary-collector" } });
    config["traces"] = json!({ "bodies": "all" });
    config["log"] = json!({ "level": "trace" });
    config["retry"] = json!({ "attempts_max": 2, "rounds_max": 0 });
    config
}

fn no_marked_member_is_ever_told(driver: Driver) {
    let (mut upstream, collector, folder) = (Upstream::new(), Upstream::new(), Folder::new());
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = proxy.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut &stream, b"HTTP/1.1 407 no canary-far-proxy\r\n\r\n");
        }
    });
    let mut config = file(&upstream, &collector, address);
    let own = own_address();
    let admin = std::net::SocketAddr::new(own.ip(), own.port() + 1);
    config["admin"] = json!({ "listen": admin.to_string(), "password": "canary-admin-password" });
    config["data_dir"] = json!(folder.path().join("data"));
    let schema: Value = serde_json::from_slice(&run(&["schema"]).stdout).expect("a schema");
    let (mut wanted, mut here) = (Vec::new(), Vec::new());
    marked(&schema, &schema, "", &mut wanted);
    planted(&config, "", &mut here);
    for list in [&mut wanted, &mut here] {
        list.sort();
        list.dedup();
    }
    assert_eq!(here, wanted, "this test plants a canary in every member that is marked, and in no other");
    let mut weir = Weir::start_on(driver, config, own);
    let mut told = String::new();
    let fields = bearer("canary-admin-password");
    let mut ask = |weir: &Weir, method: &str, path: &str, body: &str| {
        let answer = weir.admin_with(method, path, &fields, body);
        told.push_str(&format!("{method} {path}: {:?} {}\n", answer.head, answer.text()));
        answer
    };
    let mut client = weir.client();
    let key = bearer("canary-client-1");
    for (path, statuses) in
        [("/v1/chat/completions", &[500, 500][..]), ("/v1/messages", &[500, 400]), ("/v1/responses", &[400])]
    {
        let body = r#"{"model":"m","max_tokens":9,"input":"x","messages":[{"role":"user","content":"x"}]}"#;
        client.post_with(path, &key, body);
        for &status in statuses {
            // It says all that it was sent.
            let mut call = upstream.next();
            let sent = format!("{:?}", call.request.head).replace('"', " ");
            assert!(sent.contains("-key") && sent.contains("canary-header"), "{sent}");
            let error = json!({ "message": sent, "type": "t", "param": null, "code": null });
            call.json(status, json!({ "error": error }));
        }
        let answer = client.answer();
        assert!(answer.status() >= 400);
        assert!(!answer.text().contains("canary"), "{path}: {}", answer.text());
    }
    client.post_with("/v1/chat/completions", &key, r#"{"model":"far/m","messages":[]}"#);
    let answer = client.answer();
    assert!(answer.status() >= 500 && !answer.text().contains("canary"), "{}", answer.text());
    client.post_with("/v1/chat/completions?key=canary-client-1", "", CHAT);
    upstream.next().json(200, chat_answer("fine"));
    assert_eq!(client.answer().status(), 200);
    let described = ask(&weir, "GET", "/api/openapi.json", "").json();
    let text = ask(&weir, "GET", "/api/config", "").json()["text"].as_str().expect("text").to_owned();
    let broken = json!({ "text": text.replacen("\"listen\"", "\"listne\"", 1) }).to_string();
    ask(&weir, "POST", "/api/config/validate", &broken);
    assert_eq!(ask(&weir, "PUT", "/api/config", &broken).status(), 422);
    let changed = json!({ "text": text.replacen("\"trace\"", "\"debug\"", 1) }).to_string();
    assert_eq!(ask(&weir, "PUT", "/api/config", &changed).status(), 200);
    ask(&weir, "POST", "/api/import", &json!({ "text": "providers: {}" }).to_string());
    let ids: Vec<String> = ask(&weir, "GET", "/api/requests", "").json()["requests"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["id"].as_str().map(str::to_owned))
        .collect();
    let backup = ask(&weir, "GET", "/api/config/backups", "").json()["backups"][0]["name"].clone();
    for (path, item) in described["paths"].as_object().expect("paths") {
        // Events never end, and the models are their provider's to tell.
        if item["get"].is_object() && path != "/api/events" && path != "/api/models" {
            let path = path.replace("{id}", &ids[0]).replace("{name}", backup.as_str().expect("a name"));
            ask(&weir, "GET", &path, "");
        }
    }
    for id in &ids {
        assert_eq!(ask(&weir, "GET", &format!("/api/traces/{id}"), "").status(), 200);
    }
    // A file that cannot be read, with its secrets in it.
    let file = std::fs::read_to_string(weir.config_path()).expect("a file");
    weir.rewrite_raw(&file.replace("\"clients\"", "\"clients\": 1, \"clients\""));
    assert_eq!(ask(&weir, "POST", "/api/reload", "").status(), 422);
    weir.rewrite_raw(&file.replace("canary-client-1\"", "canary-client-1\" \"canary-client-1\""));
    assert_eq!(ask(&weir, "POST", "/api/reload", "").status(), 422);
    told.push_str(&weir.log());
    weir.signal(libc::SIGTERM);
    weir.exited();
    told.push_str(&weir.log());
    for entry in std::fs::read_dir(folder.path().join("data")).expect("a folder").flatten() {
        // What the file was before is kept as it was, for its owner only.
        if entry.file_name() != "backups" && entry.path().is_file() {
            told.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()));
        }
    }
    if let Some(at) = told.find("canary") {
        let from = (0..=at.saturating_sub(300)).rev().find(|&at| told.is_char_boundary(at)).unwrap_or(0);
        let end = (at + 60..told.len()).find(|&at| told.is_char_boundary(at)).unwrap_or(told.len());
        panic!("a secret was told: {}", &told[from..end]);
    }
}

/// Where a session panics with its request in its words, one client loses its connection, and nobody learns more.
fn a_panic_tells_nothing_of_its_request(driver: Driver) {
    for (place, format) in [("received", "text"), ("sent", "json")] {
        let mut upstream = Upstream::new();
        let mut config = config("chat", &upstream);
        config["driver"] = json!(driver.name());
        config["traces"] = json!({ "bodies": "all" });
        config["log"] = json!({ "level": "trace", "format": format });
        let mut weir = Weir::start_in(config, |command| {
            command.env("WEIR_PANIC_AT", place).env("RUST_BACKTRACE", "1");
        });
        weir.may_panic = true;
        for _ in 0..3 {
            let mut client = weir.client();
            let body = r#"{"model":"m","messages":[{"role":"user","content":"prompt-canary é panic-here"}]}"#;
            client.post("/v1/chat/completions", body);
            client.wire.ended();
        }
        let line = weir.logged("the panic", |line| line.contains("panicked"));
        assert!(line.contains("src/relay/fail.rs"), "the place is told: {line}");
        assert!(format == "text" || serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        weir.client().still_serves(&mut upstream);
        let told = [
            weir.log(),
            weir.status().to_string(),
            weir.admin("GET", "/api/requests").text().to_owned(),
            weir.admin("GET", "/api/traces/export").text().to_owned(),
            weir.admin("GET", "/api/overview").text().to_owned(),
            weir.admin("GET", "/metrics").text().to_owned(),
        ];
        assert!(told[5].contains("weir_panics_total{core=\"0\"} 3"), "{}", told[5]);
        for text in &told {
            for secret in ["prompt-canary", CLIENT_KEY, UPSTREAM_KEY] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}
