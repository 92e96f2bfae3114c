//! What a connection costs in memory in each state in which it may stay for long: waiting for its next request, for the
//! answer, for the first token, for the next event, for a client that does not read; in the clear and over TLS.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client_tls::{Caller, secured};
use crate::leaving::own_bytes;
use crate::promises::{hard_limit, limit_descriptors};
use crate::streams::{STREAM, chat_event};
use crate::support::*;

on_both_drivers!(
    waiting_costs_little_in_every_state,
    tls_of_clients_costs_little_at_rest,
    tls_of_upstreams_costs_little_at_rest,
    promise_27_slow_readers_cost_little,
    who_looks_and_does_not_read_costs_nothing_more,
);

const PATH: &str = "/v1/chat/completions";
/// A stream or a connection in the clear at rest; what TLS on one side of it may add.
const PLAIN_BYTES_MAX: usize = 8_192;
const TLS_BYTES_MAX: usize = 24 * 1_024;
/// So many of each: enough that what a process allocates for itself does not count.
const CROWD: usize = 200;

type Kept = Box<dyn std::any::Any>;

/// What each of `count` things costs that `make` makes, once nothing happens any more.
fn each(weir: &Weir, count: usize, mut make: impl FnMut() -> Kept) -> usize {
    drop(make());
    weir.status();
    let before = own_bytes(weir.pid());
    let kept: Vec<Kept> = (0..count).map(|_| make()).collect();
    // Longer than what is waited for with a buffer at hand.
    std::thread::sleep(Duration::from_millis(4 * weir::limits::THINK_MS));
    let after = own_bytes(weir.pid());
    drop(kept);
    after.saturating_sub(before) / count
}

fn waiting_costs_little_in_every_state(driver: Driver) {
    let role = data(json!({ "id": "1", "choices": [{ "index": 0, "delta": { "role": "assistant" } }] }));
    let event = chat_event("word");
    let large = STREAM.replace("\"messages\":[]", &format!("\"messages\":[],\"user\":\"{}\"", "x".repeat(100_000)));
    for (state, body, events, most) in [
        ("before the head", STREAM, &[][..], 20_000),
        ("before the head, a large request", &large, &[], 130_000),
        ("before the first token", STREAM, &[&role], 24_000),
        ("between events", STREAM, &[&role, &event], PLAIN_BYTES_MAX),
    ] {
        let (weir, mut upstream) = relay(driver, "chat");
        let cost = each(&weir, CROWD, || {
            let mut client = weir.client();
            client.post(PATH, body);
            let mut call = upstream.next();
            if !events.is_empty() {
                call.open("text/event-stream");
                events.iter().for_each(|event| call.chunk(event));
            }
            if events.len() > 1 {
                client.wire.until(events[1]);
            }
            Box::new((client, call))
        });
        println!("{state}: {cost} bytes");
        assert!(cost <= most, "{cost} bytes {state}, {most} at most");
    }
    let (weir, mut upstream) = relay(driver, "chat");
    let cost = each(&weir, CROWD, || {
        let mut client = weir.client();
        client.still_serves(&mut upstream);
        Box::new(client)
    });
    println!("between requests: {cost} bytes");
    assert!(cost <= PLAIN_BYTES_MAX, "{cost} bytes between requests");
}

fn tls_of_clients_costs_little_at_rest(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let event = chat_event("word");
    let cost = each(&weir, CROWD, || {
        let mut caller = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS);
        caller.post(STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(&event);
        caller.until("word");
        Box::new((caller, call))
    });
    println!("{cost} bytes for each stream over TLS");
    assert!(cost <= PLAIN_BYTES_MAX + TLS_BYTES_MAX, "{cost} bytes for each stream over TLS");
}

fn tls_of_upstreams_costs_little_at_rest(driver: Driver) {
    let authority = Authority::new();
    let mut upstream = Upstream::new();
    let front = Front::new(&authority, upstream.address, Manner::Orderly);
    let mut config = config_at("chat", &front.url("/v1"));
    config["providers"]["up"]["tls"] = json!({ "ca": authority.file() });
    let weir = Weir::start(driver, config);
    let event = chat_event("word");
    let cost = each(&weir, CROWD, || {
        let mut client = weir.client();
        client.post(PATH, STREAM);
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(&event);
        client.wire.until("word");
        Box::new((client, call))
    });
    println!("{cost} bytes for each stream over TLS upstream");
    assert!(cost <= PLAIN_BYTES_MAX + TLS_BYTES_MAX, "{cost} bytes for each stream over TLS upstream");
}

/// Clients that read nothing of an answer which does not end, each with as much under way as fits; somebody else is served
/// as ever.
fn promise_27_slow_readers_cost_little(driver: Driver) {
    slow_readers(driver, 60);
}

/// The number of the promise; minutes, for each of them has to come to a stand.
#[test]
#[ignore = "takes a minute and 4,000 descriptors"]
fn two_thousand_slow_readers_cost_little() {
    slow_readers(Driver::Epoll, 2_000);
}

fn slow_readers(driver: Driver, readers: usize) {
    let own = std::process::id();
    limit_descriptors(own, hard_limit(own));
    let (weir, mut upstream) = relay(driver, "chat");
    weir.client().still_serves(&mut upstream);
    let event = chat_event(&"x".repeat(8_000));
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let mut sent = 0;
    let cost = each(&weir, readers, || {
        let mut client = weir.client();
        socket2::SockRef::from(client.wire.stream()).set_recv_buffer_size(4_096).expect("a small window");
        client.post(PATH, STREAM);
        let mut call = upstream.next();
        let stream = call.wire.stream();
        socket2::SockRef::from(stream).set_send_buffer_size(4_096).expect("a small buffer");
        stream.set_write_timeout(Some(Duration::from_millis(20))).expect("a bound");
        call.open("text/event-stream");
        while call.wire.stream().write_all(chunk.as_bytes()).is_ok() {
            sent += chunk.len();
        }
        Box::new((client, call))
    });
    let taken = sent / (readers + 1);
    println!("{cost} bytes for each slow reader, {taken} taken of each stream");
    assert!(cost <= 65_536, "{cost} bytes for each slow reader");
    // What the kernel holds on both sides of weir: the upstream is held back long before megabytes.
    assert!(taken <= 512 * 1_024, "{taken} bytes were taken for a client that reads nothing");
    weir.client().still_serves(&mut upstream);
}

/// Exchanges of a few seconds of a busy relay; and twice as many.
const SOME: usize = 10_000;

/// Asks so many questions that are refused at once, some at a time on one connection.
fn ask_many(weir: &Weir, count: usize) {
    let question = format!("GET /v1/nothing HTTP/1.1\r\nhost: {}\r\n{}\r\n", weir.address, bearer(CLIENT_KEY));
    let mut client = weir.client();
    for _ in 0..count / 50 {
        client.send(question.repeat(50));
        (0..50).for_each(|_| drop(client.answer()));
    }
}

/// A page that stands still, and one that reads, while requests come by the thousand: the first costs what waits for it
/// and no more, the second is told of each exchange or of how many it was not told.
fn who_looks_and_does_not_read_costs_nothing_more(driver: Driver) {
    let (weir, _upstream) = relay(driver, "chat");
    let asking = format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n{}\r\n", weir.admin, bearer(ADMIN_PASSWORD));
    let mut still = Wire::connect(weir.admin, UPSTREAM_KEY);
    still.send(&asking);
    still.head();
    let reading = Wire::connect(weir.admin, UPSTREAM_KEY);
    reading.stream().write_all(asking.as_bytes()).expect("asked");
    let stream = reading.stream().try_clone().expect("the same");
    let heard = Arc::new(Mutex::new(String::new()));
    let hearing = Arc::clone(&heard);
    let reader = std::thread::spawn(move || {
        use std::io::Read as _;
        let mut piece = [0; 64 * 1024];
        while let Ok(bytes @ 1..) = (&stream).read(&mut piece) {
            hearing.lock().expect("no panic").push_str(&String::from_utf8_lossy(&piece[..bytes]));
        }
    });
    ask_many(&weir, SOME);
    weir.usage(SOME as u64);
    let before = own_bytes(weir.pid());
    ask_many(&weir, 2 * SOME);
    weir.usage(3 * SOME as u64);
    let after = own_bytes(weir.pid());
    // Kept for it, 20,000 rows would be as many kilobytes.
    assert!(after < before + 8 * 1024 * 1024, "{before} bytes became {after}");
    let counted = || {
        let heard = heard.lock().expect("no panic");
        let told = heard.matches("event: exchange").count();
        let counts = heard.split("event: missed\ndata: {\"count\":").skip(1).filter_map(|rest| rest.split_once('}'));
        let missed: usize = counts.map(|(count, _)| count.parse::<usize>().expect("a number")).sum();
        (told, missed)
    };
    // What is missed is told a moment later, and on a busy machine later than that.
    let late = Instant::now() + Duration::from_secs(20);
    while counted().0 + counted().1 < 3 * SOME && Instant::now() < late {
        std::thread::sleep(Duration::from_millis(50));
    }
    reading.stream().shutdown(std::net::Shutdown::Both).expect("the end");
    reader.join().expect("what was heard");
    let (told, missed) = counted();
    assert!(told > 0 && told + missed >= 3 * SOME, "{told} told, {missed} missed");
    still.stream().shutdown(std::net::Shutdown::Both).expect("the end");
}
