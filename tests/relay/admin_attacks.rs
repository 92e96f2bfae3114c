//! What somebody does to the admin address who means harm, or is only in a hurry: many who change one file at once, names
//! with odd characters, bodies without an end or a bottom, cookies of an earlier process, guessing from one address.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::support::*;

on_both_drivers!(
    of_those_who_change_one_text_one_wins,
    changes_beside_each_other_are_all_made,
    odd_names_are_names_or_refused_by_name,
    a_body_without_end_or_bottom_is_refused,
    promise_36_a_session_outlives_a_restart_until_its_logout,
    promise_35_one_address_is_locked_and_no_other,
);

const JSON: &str = "content-type: application/json\r\n";

fn fields(more: &str) -> String {
    format!("{}{JSON}{more}", bearer(ADMIN_PASSWORD))
}

fn spelled(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn of_those_who_change_one_text_one_wins(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let told = weir.admin("GET", "/api/config").json();
    let (text, etag) = (told["text"].as_str().expect("text"), told["etag"].as_str().expect("an etag"));
    let put = |days: usize, etag: &str| {
        let mut config: Value = serde_json::from_str(text).expect("JSON");
        config["usage"] = json!({ "keep_days": days });
        let body = json!({ "text": config.to_string() }).to_string();
        weir.admin_with("PUT", "/api/config", &fields(&format!("if-match: \"{etag}\"\r\n")), &body)
    };
    let answers = std::thread::scope(|scope| {
        let all: Vec<_> = (1..=8).map(|days| (days, scope.spawn(move || put(days, etag).status()))).collect();
        all.into_iter().map(|(days, one)| (days, one.join().expect("an answer"))).collect::<Vec<_>>()
    });
    let won: Vec<_> = answers.iter().filter(|(_, status)| *status == 200).collect();
    assert!(won.len() == 1 && answers.iter().all(|(_, status)| matches!(status, 200 | 412)), "{answers:?}");
    let now = weir.admin("GET", "/api/config").json();
    let file: Value = serde_json::from_str(now["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(file["usage"]["keep_days"], json!(won[0].0), "who was told that it is so is right");
    assert_eq!(put(9, "0").status(), 412);
    assert_eq!(put(9, now["etag"].as_str().expect("an etag")).status(), 200);
    weir.client().still_serves(&mut upstream);
}

fn changes_beside_each_other_are_all_made(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let weir = &weir;
            scope.spawn(move || {
                let body = json!({ "name": format!("c{nth}") }).to_string();
                let answer = weir.admin_with("POST", "/api/clients", &fields(""), &body);
                assert!(matches!(answer.status(), 200 | 201), "{}", answer.text());
            });
        }
    });
    let told = weir.admin("GET", "/api/clients").json();
    let names: Vec<_> = told["clients"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    for nth in 0..8 {
        assert!(names.contains(&json!(format!("c{nth}"))), "c{nth} in {names:?}");
    }
}

/// A name is either one by which everything can be reached afterwards, or it is refused with the member that is wrong; it
/// never changes something else, and nothing that is refused changes the file.
fn odd_names_are_names_or_refused_by_name(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let names = [
        "a/b",
        "a%2Fb",
        "..",
        ".",
        "../up",
        "ümlaut 日本",
        "a~1b",
        "a~0b",
        "a.b",
        "a[0]",
        "a\"b",
        "a\\b",
        "a\nb",
        "\0",
        "",
        " a",
        "<img src=x onerror=alert(1)>",
        "__proto__",
        "a?b#c",
        "a:b",
        "a|b",
        "\u{202e}b",
    ];
    let made = |kind: &str, name: &str| match kind {
        "providers" => json!({ "name": name, "protocol": "demo" }),
        _ => json!({ "name": name }),
    };
    for name in names {
        for kind in ["providers", "clients"] {
            let before = weir.admin("GET", "/api/config").json()["text"].clone();
            let answer = weir.admin_with("POST", &format!("/api/{kind}"), &fields(""), &made(kind, name).to_string());
            match answer.status() {
                200 | 201 => {
                    let own = format!("/api/{kind}/{}", spelled(name));
                    let told = weir.admin("GET", &format!("/api/{kind}")).json();
                    let listed = told[kind].as_array().expect("a list").iter().any(|one| one["name"] == name);
                    assert!(listed, "{kind} {name:?} in {told}");
                    let off = weir.admin_with("PATCH", &own, &fields(""), r#"{"disabled":true}"#);
                    assert_eq!(off.status(), 200, "{kind} {name:?}: {}", off.text());
                    let gone = weir.admin_with("DELETE", &own, &fields(""), "");
                    assert_eq!(gone.status(), 200, "{kind} {name:?}: {}", gone.text());
                }
                400 | 409 | 422 => {
                    assert_eq!(answer.head.field("content-type"), Some("application/problem+json"), "{name:?}");
                    let told = answer.json();
                    let names_it = told["member"].is_string()
                        || told["problems"].as_array().is_some_and(|problems| !problems.is_empty());
                    assert!(names_it, "{kind} {name:?}: {told}");
                }
                status => panic!("{kind} {name:?}: {status} {}", answer.text()),
            }
            let after = weir.admin("GET", "/api/config").json()["text"].clone();
            let read = |text: &Value| serde_json::from_str::<Value>(text.as_str().expect("text")).expect("JSON");
            assert_eq!(read(&after), read(&before), "{kind} {name:?} leaves nothing behind");
        }
        let route = format!("/api/routes/{}", spelled(name));
        let answer = weir.admin_with("PUT", &route, &fields(""), r#"{"to":["up"]}"#);
        if answer.status() == 200 {
            let gone = weir.admin_with("DELETE", &route, &fields(""), "");
            assert_eq!(gone.status(), 200, "{name:?}: {}", gone.text());
        } else {
            assert!(
                matches!(answer.status(), 400 | 404 | 405 | 422),
                "{name:?}: {} {}",
                answer.status(),
                answer.text()
            );
        }
    }
    weir.client().still_serves(&mut upstream);
}

fn a_body_without_end_or_bottom_is_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let deep = |open: &str, close: &str| {
        let deep = format!("{{\"x\":{}{}}}", open.repeat(200_000), close.repeat(200_000));
        [deep.clone(), json!({ "text": deep }).to_string(), open.repeat(400_000)]
    };
    let bodies = [deep("[", "]"), deep("{\"a\":", "}")].concat();
    for (method, path) in [
        ("PUT", "/api/config"),
        ("POST", "/api/config/validate"),
        ("POST", "/api/import"),
        ("POST", "/api/explain"),
        ("PATCH", "/api/providers/up"),
        ("PUT", "/api/routes/all"),
        ("PATCH", "/v0/management/openai-compatibility"),
    ] {
        for body in &bodies {
            let answer = weir.admin_with(method, path, &fields("if-match: *\r\n"), body);
            let status = answer.status();
            assert!(
                status == 200 && path.ends_with("validate") || (400..500).contains(&status),
                "{method} {path}: {status}"
            );
        }
        // More than may be: told before it has come, and without keeping it.
        let mut endless = Wire::connect(weir.admin, UPSTREAM_KEY);
        let host = weir.admin;
        endless.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{}content-length: 9999999999\r\n\r\n",
            fields("")
        ));
        assert_eq!(endless.head().status(), 413, "{method} {path}");
        let mut endless = Wire::connect(weir.admin, UPSTREAM_KEY);
        endless.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{}transfer-encoding: chunked\r\n\r\n",
            fields("")
        ));
        let piece = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
        let written = (0..400).take_while(|_| endless.stream().write_all(&piece).is_ok()).count();
        assert!(written < 400, "{method} {path}: it takes without end");
    }
    weir.client().still_serves(&mut upstream);
    assert_eq!(weir.admin("GET", "/api/status").status(), 200);
}

fn promise_36_a_session_outlives_a_restart_until_its_logout(driver: Driver) {
    let (upstream, folder) = (Upstream::new(), Folder::new());
    let mut config = config("chat", &upstream);
    config["data_dir"] = json!(folder.path().join("data"));
    let login = format!("{{\"password\":\"{ADMIN_PASSWORD}\"}}");
    let weir = Weir::start(driver, config.clone());
    let set = weir.admin_with("POST", "/api/login", "", &login);
    let cookie = set.head.field("set-cookie").and_then(|set| set.split(';').next()).expect("a cookie").to_owned();
    let cookie = format!("cookie: {cookie}\r\n");
    let status = |weir: &Weir| weir.admin_with("GET", "/api/status", &cookie, "").status();
    assert_eq!(status(&weir), 200);
    // Killed: nothing is left for the end to write.
    weir.signal(libc::SIGKILL);
    drop(weir);
    for entry in std::fs::read_dir(folder.path().join("data")).expect("the folder").flatten() {
        let text = std::fs::read(entry.path()).unwrap_or_default();
        let id = cookie.trim_end().rsplit('=').next().expect("an id");
        assert!(!text.windows(id.len()).any(|window| window == id.as_bytes()), "{:?} holds it", entry.path());
    }
    let weir = Weir::start(driver, config.clone());
    assert_eq!(status(&weir), 200, "who was in is in");
    assert_eq!(weir.admin_with("POST", "/api/logout", &cookie, "").status(), 200);
    assert_eq!(status(&weir), 401);
    drop(weir);
    let weir = Weir::start(driver, config.clone());
    assert_eq!(status(&weir), 401, "and who has left stays out");
    let set = weir.admin_with("POST", "/api/login", "", &login);
    let cookie = set.head.field("set-cookie").and_then(|set| set.split(';').next()).expect("a cookie").to_owned();
    drop(weir);
    let address = own_address();
    let admin = SocketAddr::new(address.ip(), address.port() + 1);
    config["admin"] = json!({ "listen": admin.to_string(), "password": "another-password" });
    let weir = Weir::start_on(driver, config, address);
    let answer = weir.admin_with("GET", "/api/status", &format!("cookie: {cookie}\r\n"), "");
    assert_eq!(answer.status(), 401, "another password ends what the one before has opened");
}

fn promise_35_one_address_is_locked_and_no_other(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let asked = |from: [u8; 4], password: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&weir.admin.into()).expect("connect");
        let mut wire = Wire::new(std::sync::Arc::new(socket.into()), UPSTREAM_KEY);
        let (host, key) = (weir.admin, bearer(password));
        wire.send(format!("GET /api/status HTTP/1.1\r\nhost: {host}\r\n{key}connection: close\r\n\r\n"));
        wire.head().status()
    };
    let (bad, good) = ([127, 9, 9, 1], [127, 9, 9, 2]);
    let guesses: Vec<_> = (0..20).map(|guess| asked(bad, &format!("guess-{guess}"))).collect();
    assert_eq!(guesses.last(), Some(&429), "{guesses:?}");
    assert_eq!(asked(bad, ADMIN_PASSWORD), 429, "locked, whatever it knows");
    assert_eq!(asked(good, ADMIN_PASSWORD), 200, "another address is not");
}
