//! Clients that leave and clients that are slow: the upstream is let go at once, or held back.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::streams::STREAM;
use crate::support::*;

on_both_drivers!(
    a_client_that_leaves_before_the_answer,
    a_client_that_leaves_in_a_stream,
    a_client_that_leaves_by_reset,
    a_slow_client_holds_the_upstream_back,
    a_stalled_client_is_ended,
    a_half_closed_client_still_gets_its_answer,
    clients_that_abort_disturb_nobody,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;
const EVENT: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";

/// The promise is 100 ms, a second at worst.
const LEFT: Duration = Duration::from_secs(1);

fn upstream_is_let_go(mut call: Call) {
    let start = Instant::now();
    call.wire.ended();
    assert!(start.elapsed() < LEFT, "let go after {:?}", start.elapsed());
}

fn a_client_that_leaves_before_the_answer(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    for body in [CHAT, STREAM] {
        let mut client = weir.client();
        client.post("/v1/chat/completions", body);
        let call = upstream.next();
        client.wire.close();
        upstream_is_let_go(call);
    }
    upstream.untouched();
    weir.usage(2);
    weir.client().still_serves(&mut upstream);
}

fn a_client_that_leaves_in_a_stream(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(EVENT);
    client.wire.head();
    client.wire.payload(EVENT.len());
    client.wire.close();
    upstream_is_let_go(call);
    let usage = weir.usage(1);
    assert_eq!((&usage["requests"], &usage["ok"]), (&json!(1), &json!(0)), "left is booked once, and not as served");
    weir.logged("how it ended", |line| line.contains("outcome=client_gone"));
    weir.client().still_serves(&mut upstream);
}

fn a_client_that_leaves_by_reset(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(EVENT);
    client.wire.head();
    socket2::SockRef::from(client.wire.stream()).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(client);
    upstream_is_let_go(call);
}

/// Sends whole chunks of `EVENT` until nothing more is taken, and gives how many bytes were; the last may be cut.
fn taken(call: &Call) -> usize {
    let chunks = format!("{:x}\r\n{EVENT}\r\n", EVENT.len()).repeat(64);
    let mut stream = call.wire.stream();
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut count = 0;
    while let Ok(n) = stream.write(&chunks.as_bytes()[count % chunks.len()..]) {
        count += n;
        assert!(count < 256 << 20, "the relay takes everything for a client that reads nothing");
    }
    count
}

/// Between a client that reads nothing and an upstream that sends all it can lie kernel buffers and two slabs.
fn a_slow_client_holds_the_upstream_back(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    socket2::SockRef::from(client.wire.stream()).set_recv_buffer_size(32 * 1024).expect("a small buffer");
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    socket2::SockRef::from(call.wire.stream()).set_send_buffer_size(32 * 1024).expect("a small buffer");
    call.open("text/event-stream");
    weir.status();
    let before = own_bytes(weir.pid());
    let sent = taken(&call);
    assert!(sent < 32 << 20, "{sent} bytes were taken");
    let grown = own_bytes(weir.pid()).saturating_sub(before);
    // A huge page or two may come in meanwhile; what was sent is several times this.
    assert!(grown < 8 << 20, "weir holds {grown} bytes for one slow client");
    weir.client().still_serves(&mut upstream);
    // The client reads on, and everything arrives: what was held back was not lost.
    std::thread::scope(|scope| {
        let tail = scope.spawn(move || {
            let cut = sent % (format!("{:x}\r\n", EVENT.len()).len() + EVENT.len() + 2);
            let unit = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
            let mut stream = call.wire.stream();
            stream.set_write_timeout(Some(HANG)).expect("a timeout");
            let stop = crate::streams::chat_stop();
            let end = format!("{:x}\r\n{stop}\r\n0\r\n\r\n", stop.len());
            stream
                .write_all(&unit.as_bytes()[cut..])
                .and_then(|()| stream.write_all(end.as_bytes()))
                .expect("the rest");
            (sent - cut) / unit.len() + 1
        });
        let answer = client.answer();
        assert!(answer.whole);
        let events = tail.join().expect("the rest was sent");
        let sent = EVENT.repeat(events) + &crate::streams::chat_stop();
        assert!(answer.body == sent.as_bytes(), "{} bytes of {events} events", answer.body.len());
    });
}
/// Memory of its own that the process holds; pages of the program that are read in meanwhile do not count.
pub fn own_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn a_stalled_client_is_ended(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "client_stall_ms": 300 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    socket2::SockRef::from(client.wire.stream()).set_recv_buffer_size(32 * 1024).expect("a small buffer");
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    taken(&call);
    // Nobody reads, so the relay ends both sides; the upstream's socket may hold a reset.
    call.wire.rest();
    weir.client().still_serves(&mut upstream);
}

/// A client may say that it sends no more, as `nc -N` does, and still wait for its answer.
fn a_half_closed_client_still_gets_its_answer(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/health", "");
    assert!(client.answer().status() < 500);
    let mut client = weir.client();
    client.ask("GET", "/health", "", b"");
    client.wire.half_close();
    assert_eq!(client.answer().status(), 200);
    client.wire.ended();
    weir.client().still_serves(&mut upstream);
}

/// Sixteen clients over few connections, every third leaves half-way: the others get their own answers.
fn clients_that_abort_disturb_nobody(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    for round in 0..4 {
        let mut clients: Vec<_> = (0..16).map(|_| weir.client()).collect();
        for (i, client) in clients.iter_mut().enumerate() {
            client.post("/v1/chat/completions", format!(r#"{{"model":"m{round}-{i}","messages":[]}}"#));
        }
        let mut calls: Vec<_> = (0..16).map(|_| upstream.next()).collect();
        let kept: Vec<_> = clients.drain(..).enumerate().filter(|(i, _)| i % 3 != 0).collect();
        for call in &mut calls {
            let name = call.request.json()["model"].as_str().expect("a name").to_owned();
            let body = chat_answer(&name).to_string();
            call.wire.send_if_taken(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        }
        for (i, mut client) in kept {
            assert_eq!(client.answer().json(), chat_answer(&format!("m{round}-{i}")));
        }
    }
}

/// The figure of the promise; measured, not judged.
#[test]
#[ignore = "a measurement"]
fn how_soon_an_upstream_is_let_go() {
    for driver in [Driver::IoUring, Driver::Epoll] {
        for askers in [0, 8] {
            let (weir, mut upstream) = relay(driver, "chat");
            let over = std::sync::atomic::AtomicBool::new(false);
            let is_over = || over.load(std::sync::atomic::Ordering::Relaxed);
            std::thread::scope(|scope| {
                for _ in 0..askers {
                    scope.spawn(|| {
                        let mut client = weir.client();
                        while !is_over() {
                            client.ask("GET", "/v1/models", &bearer(CLIENT_KEY), b"");
                            assert_eq!(client.answer().status(), 200);
                        }
                    });
                }
                for (what, began) in [("before the answer", false), ("in a stream", true)] {
                    let mut all: Vec<Duration> = (0..200).map(|_| left(&weir, &mut upstream, began)).collect();
                    all.sort();
                    let (name, most) = (driver.name(), all[all.len() - 1]);
                    println!(
                        "{name}, {askers} askers, left {what}: median {:?}, 99 % {:?}, most {most:?}",
                        all[100], all[198]
                    );
                }
                over.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        }
    }
}

/// How long it takes from a client's end to that of its upstream's connection.
fn left(weir: &Weir, upstream: &mut Upstream, began: bool) -> Duration {
    let mut client = weir.client();
    client.post("/v1/chat/completions", STREAM);
    let mut call = upstream.next();
    if began {
        call.open("text/event-stream");
        call.chunk(EVENT);
        client.wire.head();
        client.wire.payload(EVENT.len());
    }
    let start = Instant::now();
    client.wire.close();
    call.wire.ended();
    start.elapsed()
}
