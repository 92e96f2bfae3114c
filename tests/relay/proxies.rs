//! Outbound proxies: who is asked, for what, with which credentials, and what becomes of a request that they refuse.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::*;

on_both_drivers!(
    connect_leads_to_the_provider,
    socks_with_names_resolved_there_leads_to_the_provider,
    socks_with_names_resolved_here_asks_for_an_address,
    tls_goes_through_a_proxy_and_to_one,
    a_key_has_its_proxy_and_lanes_are_never_mixed,
    a_proxy_that_refuses_is_named_without_its_password,
    a_proxy_that_stands_still_goes_to_the_next_key,
    another_address_is_tried_at_once,
    a_slow_address_is_passed_by,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn through(proxy: &str, base_url: &str) -> Value {
    let mut config = config_at("chat", base_url);
    config["proxy"] = json!(proxy);
    config
}

/// Answers the request that comes once the way is open.
fn serve(upstream: &mut Upstream, client: &mut Client) {
    upstream.next().json(200, chat_answer("through"));
    assert_eq!(client.answer().json(), chat_answer("through"));
}

fn connect_leads_to_the_provider(driver: Driver) {
    let mut proxy = Upstream::new();
    let url = format!("http://user:{PROXY_PASSWORD}@{}", proxy.address);
    let weir = Weir::start(driver, through(&url, "http://provider.invalid:8080/v1"));
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let (asked, mut wire) = proxy.next_until("\r\n\r\n");
    assert!(asked.starts_with("CONNECT provider.invalid:8080 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic dXNlcjpwcm94eS1jYW5hcnktN2Y0ZA==\r\n"), "{asked}");
    assert!(!asked.contains(UPSTREAM_KEY));
    wire.send("HTTP/1.1 200 Connection established\r\n\r\n");
    serve(&mut proxy, &mut client);
    client.still_serves(&mut proxy);
    assert_eq!(proxy.accepted(), 1, "the lane is used again");
}

fn socks_with_names_resolved_there_leads_to_the_provider(driver: Driver) {
    let mut proxy = Upstream::new();
    let url = format!("socks5h://user:{PROXY_PASSWORD}@{}", proxy.address);
    let weir = Weir::start(driver, through(&url, "http://provider.invalid:8080/v1"));
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let (greeting, mut wire) = proxy.next_bytes(4);
    assert_eq!(greeting, [5, 2, 0, 2]);
    wire.send([5, 2]);
    let login = wire.bytes(2 + 4 + 1 + PROXY_PASSWORD.len());
    assert_eq!(login, [&[1, 4][..], b"user", &[PROXY_PASSWORD.len() as u8], PROXY_PASSWORD.as_bytes()].concat());
    wire.send([1, 0]);
    let host = "provider.invalid";
    let request = wire.bytes(5 + host.len() + 2);
    assert_eq!(request, [&[5, 1, 0, 3, 16][..], host.as_bytes(), &8080_u16.to_be_bytes()].concat());
    wire.send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    serve(&mut proxy, &mut client);
}

fn socks_with_names_resolved_here_asks_for_an_address(driver: Driver) {
    let mut proxy = Upstream::new();
    let weir = Weir::start(driver, through(&format!("socks5://{}", proxy.address), "http://localhost:8080/v1"));
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let (greeting, mut wire) = proxy.next_bytes(3);
    assert_eq!(greeting, [5, 1, 0]);
    wire.send([5, 0]);
    assert_eq!(wire.bytes(10), [5, 1, 0, 1, 127, 0, 0, 1, 31, 144]);
    wire.send([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    // The other address of localhost, on a connection of its own.
    let (_, mut wire) = proxy.next_bytes(3);
    wire.send([5, 0]);
    assert_eq!(wire.bytes(22)[..4], [5, 1, 0, 4]);
    wire.send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    serve(&mut proxy, &mut client);
}

/// A proxy that leads every CONNECT to `to`, and counts nothing.
fn tunnel(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut outer = stream.expect("accept");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && outer.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let inner = TcpStream::connect(to).expect("connect");
            outer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("send");
            for (mut from, mut into) in
                [(outer.try_clone().expect("clone"), inner.try_clone().expect("clone")), (inner, outer)]
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut into);
                    let _ = into.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    address
}

fn tls_goes_through_a_proxy_and_to_one(driver: Driver) {
    let (authority, mut upstream) = (Authority::new(), Upstream::new());
    let shown = authority.sign("provider.invalid", |_| ());
    let front = Front::showing(&shown, upstream.address, Manner::Orderly);
    let config = |proxy: &str| {
        let mut config = through(proxy, "https://provider.invalid/v1");
        config["providers"]["up"]["tls"] = json!({ "ca": authority.file() });
        config
    };
    let weir = Weir::start(driver, config(&format!("http://{}", tunnel(front.address))));
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.still_serves(&mut upstream);
    assert_eq!(front.handshakes(), (0, 1));
    // A proxy over TLS is verified by the system's roots, and that of the test is not among them.
    let proxy = Front::new(&authority, tunnel(front.address), Manner::Orderly);
    let weir = Weir::start(driver, config(&format!("https://127.0.0.1:{}", proxy.address.port())));
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let message = refused(&client.answer(), Dialect::OpenAi, 502);
    assert!(message.contains("TLS with the proxy: the certificate is of an unknown issuer"), "{message}");
    // With the authority among them it leads on, a session within a session.
    let bundle = authority.file();
    let weir = Weir::start_in(config(&format!("https://127.0.0.1:{}", proxy.address.port())), |command| {
        command.env("SSL_CERT_FILE", bundle);
    });
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.still_serves(&mut upstream);
}

fn a_key_has_its_proxy_and_lanes_are_never_mixed(driver: Driver) {
    let (mut proxy, mut direct) = (Upstream::new(), Upstream::new());
    let mut config = through("http://127.0.0.1:9", &direct.url("/v1"));
    config["providers"]["up"]["proxy"] = json!("direct");
    config["providers"]["up"]["keys"] =
        json!([{ "key": UPSTREAM_KEY }, { "key": SECOND_KEY, "proxy": format!("http://{}", proxy.address) }]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for round in 0..3 {
        client.post("/v1/chat/completions", CHAT);
        let mut call = direct.next();
        assert!(call.head().field("authorization").expect("a key").ends_with(UPSTREAM_KEY));
        call.json(200, chat_answer("direct"));
        client.answer();
        client.post("/v1/chat/completions", CHAT);
        if round == 0 {
            let (asked, mut wire) = proxy.next_until("\r\n\r\n");
            assert!(asked.starts_with(&format!("CONNECT {} ", direct.address)), "{asked}");
            assert!(!asked.contains("proxy-authorization"), "{asked}");
            wire.send("HTTP/1.1 200 OK\r\n\r\n");
        }
        let mut call = proxy.next();
        assert!(call.head().field("authorization").expect("a key").ends_with(SECOND_KEY));
        call.json(200, chat_answer("through"));
        client.answer();
    }
    assert_eq!((proxy.accepted(), direct.accepted()), (1, 1));
}

fn a_proxy_that_refuses_is_named_without_its_password(driver: Driver) {
    let cases: [(&str, &[&[u8]], &str); 4] = [
        ("http", &[b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"], "407"),
        ("http", &[b"HTTP/1.1 503 No\r\n\r\n"], "503"),
        ("socks5h", &[&[5, 2], &[1, 1]], "refuses the credentials"),
        ("socks5h", &[&[5, 0], &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]], "rules forbid"),
    ];
    for (scheme, answers, words) in cases {
        let mut proxy = Upstream::new();
        let url = format!("{scheme}://user:{PROXY_PASSWORD}@{}", proxy.address);
        let weir = Weir::start(driver, through(&url, "http://provider.invalid:8080/v1"));
        let mut client = weir.client();
        client.post("/v1/chat/completions", CHAT);
        let (_, mut wire) = proxy.next_bytes(4);
        for answer in answers {
            wire.send_if_taken(answer);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let message = refused(&client.answer(), Dialect::OpenAi, 502);
        assert!(message.contains("the proxy: ") && message.contains(words), "{message}");
        assert!(!message.contains(PROXY_PASSWORD), "{message}");
    }
}

fn a_proxy_that_stands_still_goes_to_the_next_key(driver: Driver) {
    let (silent, mut direct) = (TcpListener::bind("127.0.0.1:0").expect("bind"), Upstream::new());
    let mut config = config_at("chat", &direct.url("/v1"));
    let url = format!("socks5h://{}", silent.local_addr().expect("address"));
    config["providers"]["up"]["keys"] = json!([{ "key": UPSTREAM_KEY, "proxy": url }, { "key": SECOND_KEY }]);
    config["timeouts"] = json!({ "connect_ms": 200 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    serve(&mut direct, &mut client);
}

/// The two addresses of `localhost` with one port: the first is held by a socket that does not listen, so that
/// nobody else does. Nothing where the machine has no IPv6.
fn two_addresses() -> Option<(socket2::Socket, TcpListener, u16)> {
    for _ in 0..100 {
        let listener = TcpListener::bind("[::1]:0").ok()?;
        let port = listener.local_addr().expect("address").port();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        if socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).is_ok() {
            return Some((socket, listener, port));
        }
    }
    panic!("no port is free on both addresses");
}

fn another_address_is_tried_at_once(driver: Driver) {
    // `localhost` is 127.0.0.1 and ::1; here only the second has somebody.
    let Some((_nobody, listener, port)) = two_addresses() else { return };
    let mut upstream = Upstream::on(listener);
    let weir = Weir::start(driver, config_at("chat", &format!("http://localhost:{port}/v1")));
    weir.client().still_serves(&mut upstream);
}

fn a_slow_address_is_passed_by(driver: Driver) {
    // A queue that is full swallows what comes: the connection neither stands nor fails.
    let Some((socket, listener, port)) = two_addresses() else { return };
    socket.listen(0).expect("listen");
    let full: Vec<_> = (0..4)
        .map(|_| {
            let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
            filler.set_nonblocking(true).expect("nonblocking");
            let _ = filler.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into());
            filler
        })
        .collect();
    let mut upstream = Upstream::on(listener);
    let weir = Weir::start(driver, config_at("chat", &format!("http://localhost:{port}/v1")));
    weir.client().still_serves(&mut upstream);
    drop(full);
}
