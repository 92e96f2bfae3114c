//! What is told of keys that rest, and that neither a reload nor a restart wakes them.

use crate::succession::{Heir, successor_of};
use crate::support::*;

on_both_drivers!(a_key_at_rest_is_told, health_survives_a_reload, health_survives_a_restart);

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn two_keys(upstream: &Upstream) -> Value {
    let mut config = config("chat", upstream);
    config["providers"]["up"]["keys"] =
        json!([{ "key": UPSTREAM_KEY, "name": "first" }, { "key": SECOND_KEY, "name": "second" }]);
    config
}

/// One request whose first key is answered by `head`, and whose second serves. Gives the key that was blamed.
fn blamed(weir: &Weir, upstream: &mut Upstream, head: &str) -> String {
    let mut client = weir.client();
    client.post(PATH, CHAT);
    let mut call = upstream.next();
    let key = call.head().field("authorization").expect("a key").to_owned();
    call.send(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n"));
    upstream.next().json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    key
}

/// The next four requests are all served by another key than `resting`.
fn rests(weir: &Weir, upstream: &mut Upstream, resting: &str) {
    let mut client = weir.client();
    for _ in 0..4 {
        client.post(PATH, CHAT);
        let mut call = upstream.next();
        assert_ne!(call.head().field("authorization"), Some(resting), "a key at rest is used");
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
}

fn key_told(weir: &Weir, key: &str) -> Value {
    let name = if key.ends_with(SECOND_KEY) { "second" } else { "first" };
    let status = weir.status();
    let keys = status["providers"][0]["keys"].as_array().expect("keys");
    keys.iter().find(|key| key["name"] == name).expect("the key").clone()
}

fn a_key_at_rest_is_told(driver: Driver) {
    let mut upstream = Upstream::new();
    let weir = Weir::start(driver, two_keys(&upstream));
    let key = blamed(&weir, &mut upstream, "429 No\r\nretry-after: 600");
    let told = key_told(&weir, &key);
    assert_eq!((&told["health"], &told["cause"]), (&json!("cooling"), &json!("rate_limited")), "{told}");
    assert!(told["cooling_until"].as_str().is_some_and(|until| until.ends_with('Z')), "{told}");
    assert_eq!(told["models"][0]["model"], "m", "{told}");
    assert_eq!(weir.status()["providers"][0]["health"], "ok", "the other key serves");
    let path = weir.config_path();
    let told = run(&["status", "-c", path.to_str().expect("text")]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("cooling until ") && told.contains("(rate_limited: m)"), "{told}");
    let told = run(&["explain", "-c", path.to_str().expect("text"), "--client", "tester", "--model", "m"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("cooling until ") && told.contains("(rate_limited)"), "{told}");
    rests(&weir, &mut upstream, &key);
    let other = blamed_alone(&weir, &mut upstream);
    assert_ne!(other, key);
    let told = key_told(&weir, &other);
    assert_eq!((&told["health"], &told["cause"]), (&json!("cooling"), &json!("rejected")), "{told}");
}

/// The key that is left is refused, and nobody serves.
fn blamed_alone(weir: &Weir, upstream: &mut Upstream) -> String {
    let mut client = weir.client();
    client.post_with(PATH, &format!("{}connection: close\r\n", bearer(CLIENT_KEY)), CHAT);
    let mut call = upstream.next();
    let key = call.head().field("authorization").expect("a key").to_owned();
    call.send("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n");
    eventually(|| match key_told(weir, &key) {
        told if told["health"] == "ok" => Err(told.to_string()),
        _ => Ok(()),
    });
    key
}

fn health_survives_a_reload(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut weir = Weir::start(driver, two_keys(&upstream));
    let key = blamed(&weir, &mut upstream, "401 No");
    for _ in 0..2 {
        // The key moves to another place of another list; it is the same key.
        weir.rewrite(|config| {
            let keys = config["providers"]["up"]["keys"].as_array_mut().expect("keys");
            keys.reverse();
            config["providers"]["before"] = json!({ "protocol": "demo" });
        });
        assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
        rests(&weir, &mut upstream, &key);
    }
}

fn health_survives_a_restart(driver: Driver) {
    let mut upstream = Upstream::new();
    let folder = Folder::new();
    let mut config = two_keys(&upstream);
    config["data_dir"] = json!(folder.path().join("data"));
    let mut weir = Weir::start(driver, config.clone());
    let key = blamed(&weir, &mut upstream, "401 No");
    weir.signal(libc::SIGTERM);
    assert!(weir.exited().success());
    let mut again = Weir::start(driver, config.clone());
    rests(&again, &mut upstream, &key);
    let told = key_told(&again, &key);
    assert_eq!((&told["health"], &told["cause"]), (&json!("cooling"), &json!("rejected")), "{told}");
    // A successor on the same sockets knows it too, and one that follows a process that was killed.
    again.signal(libc::SIGUSR2);
    let heir = Heir(successor_of(&again, u64::from(again.pid())));
    rests(&again, &mut upstream, &key);
    heir.signal(libc::SIGKILL);
    again.exited();
    let third = Weir::start(driver, config);
    rests(&third, &mut upstream, &key);
    let text = std::fs::read_to_string(folder.path().join("data/health.json")).expect("kept");
    assert!(!text.contains("canary"), "{text}");
}
