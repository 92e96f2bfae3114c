//! A process's life: start, listeners, reload, drain, end.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use crate::streams::STREAM;
use crate::support::*;

on_both_drivers!(
    the_driver_is_told,
    listeners_of_every_kind,
    several_cores_serve,
    sigterm_drains,
    sigint_drains,
    a_second_signal_ends_at_once,
    the_drain_has_a_deadline,
    sighup_reloads,
    a_bad_file_changes_nothing,
    an_open_stream_keeps_its_snapshot,
    a_changed_file_is_noticed,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;
const EVENT: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
const STOP: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn the_driver_is_told(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    weir.logged("the driver at start", |line| line.contains(driver.name()));
    assert_eq!(weir.status()["driver"], driver.name());
    let health = weir.admin("GET", "/health");
    assert!(health.text().contains(driver.name()), "{}", health.text());
}

fn listeners_of_every_kind(driver: Driver) {
    let mut upstream = Upstream::new();
    let folder = Folder::new();
    let socket = folder.path().join("relay.sock");
    let first = own_address();
    let second = SocketAddr::new(first.ip(), first.port() + 2);
    let mut config = config("chat", &upstream);
    config["listen"] = json!([first.to_string(), second.to_string(), "[::1]:0", format!("unix:{}", socket.display())]);
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6 loopback: not tried");
        config["listen"].as_array_mut().expect("a list").remove(2);
    }
    let mut weir = Weir::start_on(driver, config, first);
    for address in [first, second] {
        weir.address = address;
        weir.client().still_serves(&mut upstream);
    }
    let mut stream = UnixStream::connect(&socket).expect("the socket");
    std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("send");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    weir.signal(libc::SIGTERM);
    assert!(weir.exited().success());
}

fn several_cores_serve(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["cores"] = json!(2);
    let weir = Weir::start(driver, config);
    let mut clients: Vec<_> = (0..16).map(|_| weir.client()).collect();
    for client in &mut clients {
        client.still_serves(&mut upstream);
    }
    assert_eq!(
        weir.status()["cores"].as_u64().or_else(|| weir.status()["cores"].as_array().map(|c| c.len() as u64)),
        Some(2)
    );
    weir.usage(16);
}

/// One stream in flight, past its first event.
pub fn with_open_stream(weir: &Weir, upstream: &mut Upstream) -> (Client, Call) {
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(EVENT);
    assert_eq!(client.wire.head().status(), 200);
    assert_eq!(client.wire.payload(EVENT.len()), EVENT.as_bytes());
    (client, call)
}

fn drains(driver: Driver, signal: i32) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    let (mut client, mut call) = with_open_stream(&weir, &mut upstream);
    let mut idle = weir.client();
    idle.ask("GET", "/health", "", b"");
    assert_eq!(idle.answer().status(), 200);
    weir.signal(signal);
    idle.wire.ended();
    eventually(|| match std::net::TcpStream::connect(weir.address) {
        Err(_) => Ok(()),
        Ok(_) => Err("new connections are still taken".to_owned()),
    });
    for _ in 0..20 {
        call.chunk(EVENT);
        assert_eq!(client.wire.payload(EVENT.len()), EVENT.as_bytes());
    }
    call.chunk(STOP);
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), (STOP.as_bytes().to_vec(), true));
    client.wire.ended();
    assert_eq!(weir.exited().code(), Some(0));
}

fn sigterm_drains(driver: Driver) {
    drains(driver, libc::SIGTERM);
}

fn sigint_drains(driver: Driver) {
    drains(driver, libc::SIGINT);
}

fn a_second_signal_ends_at_once(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    let (mut client, _call) = with_open_stream(&weir, &mut upstream);
    weir.signal(libc::SIGTERM);
    weir.logged("the drain", |line| line.contains("drain"));
    weir.signal(libc::SIGTERM);
    weir.exited();
    assert!(!client.wire.body(Length::Chunked).1, "a stream that was ended does not look complete");
}

fn the_drain_has_a_deadline(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "drain_ms": 300 });
    let mut weir = Weir::start(driver, config);
    let (mut client, _call) = with_open_stream(&weir, &mut upstream);
    weir.signal(libc::SIGTERM);
    weir.exited();
    assert!(!client.wire.body(Length::Chunked).1, "a stream that was ended does not look complete");
}

/// Which model an upstream is asked for, by a new client.
fn model_sent(weir: &Weir, upstream: &mut Upstream) -> String {
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.json(200, json!({ "ok": true }));
    assert_eq!(client.answer().status(), 200);
    call.request.json()["model"].as_str().expect("a name").to_owned()
}

fn renamed(weir: &Weir, upstream: &mut Upstream, name: &str) {
    eventually(|| {
        let sent = model_sent(weir, upstream);
        if sent == name { Ok(()) } else { Err(format!("{sent} is sent, not {name}")) }
    });
}

fn sighup_reloads(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    assert_eq!(model_sent(&weir, &mut upstream), "m");
    let mut kept = weir.client();
    kept.still_serves(&mut upstream);
    weir.rewrite(|config| config["routes"]["all"]["to"] = json!(["up/new"]));
    assert_eq!(model_sent(&weir, &mut upstream), "m", "a file is not read until it is asked for");
    weir.signal(libc::SIGHUP);
    renamed(&weir, &mut upstream, "new");
    kept.still_serves(&mut upstream);
    weir.rewrite(|config| config["routes"]["all"]["to"] = json!(["up/newer"]));
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    renamed(&weir, &mut upstream, "newer");
}

fn a_bad_file_changes_nothing(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    weir.rewrite_raw("{ \"providers\": { \"up\": { \"protocl\": \"chat\" } },, }");
    weir.signal(libc::SIGHUP);
    weir.logged("the bad file", |line| line.contains("weir.json") || line.to_lowercase().contains("reload"));
    assert_eq!(model_sent(&weir, &mut upstream), "m");
    assert_eq!(weir.admin("POST", "/api/reload").status(), 422);
    weir.rewrite(|config| {
        config["routes"]["all"]["to"] = json!(["nobody/x"]);
        config["provders"] = json!({});
    });
    let answer = weir.admin("POST", "/api/reload");
    assert_eq!(answer.status(), 422, "{}", answer.text());
    let problems = answer.text();
    assert!(problems.contains("nobody") && problems.contains("provders"), "every problem at once: {problems}");
    assert_eq!(model_sent(&weir, &mut upstream), "m");
}

fn an_open_stream_keeps_its_snapshot(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    let (mut client, mut call) = with_open_stream(&weir, &mut upstream);
    let mut elsewhere = Upstream::new();
    let url = elsewhere.url("/v1");
    weir.rewrite(|config| config["providers"]["up"]["base_url"] = json!(url));
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    weir.client().still_serves(&mut elsewhere);
    call.chunk(STOP);
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), (STOP.as_bytes().to_vec(), true));
    client.still_serves(&mut elsewhere);
}

fn a_changed_file_is_noticed(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["watch"] = json!(true);
    let mut weir = Weir::start(driver, config);
    weir.rewrite(|config| config["routes"]["all"]["to"] = json!(["up/new"]));
    renamed(&weir, &mut upstream, "new");
}
