//! HTTP/1.1 between the lines: reuse, pipelining, 1xx, HEAD, trailers, hop-by-hop fields, and bytes that come one by one.

use crate::support::*;

on_both_drivers!(
    connections_are_reused_on_both_sides,
    pipelined_requests_are_answered_in_order,
    a_chunked_request_goes_on_with_one_framing,
    bytes_may_come_one_by_one,
    expect_100_gets_100_or_a_final_status,
    interim_answers_are_skipped,
    answers_without_a_body,
    an_answer_to_close_ends_the_lane,
    extra_bytes_never_reach_another_answer,
    hop_by_hop_fields_end_here,
    connection_close_is_obeyed,
    http_1_0_is_served,
    absolute_form_is_taken,
    an_upgrade_opens_no_tunnel,
    trailers_are_dropped,
    no_header_is_made_of_a_model_name,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn connections_are_reused_on_both_sides(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for _ in 0..5 {
        client.still_serves(&mut upstream);
    }
    let mut other = weir.client();
    other.still_serves(&mut upstream);
    assert_eq!(upstream.accepted(), 1);
}

fn pipelined_requests_are_answered_in_order(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let mut all = Vec::new();
    for i in 0..3 {
        let body = format!(r#"{{"model":"m{i}","messages":[]}}"#);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-length: {}\r\n\r\n{body}",
            bearer(CLIENT_KEY),
            body.len()
        );
        all.extend_from_slice(head.as_bytes());
    }
    all.extend_from_slice(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    client.send(&all);
    for i in 0..3 {
        let mut call = upstream.next();
        assert_eq!(call.request.json()["model"], format!("m{i}"));
        upstream.untouched();
        call.json(200, chat_answer(&i.to_string()));
    }
    for i in 0..3 {
        assert_eq!(client.answer().json(), chat_answer(&i.to_string()));
    }
    assert_eq!(client.answer().status(), 200);
}

fn a_chunked_request_goes_on_with_one_framing(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let (a, b) = CHAT.split_at(9);
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}Transfer-Encoding: Chunked\r\n\r\n\
         {:X};a=b\r\n{a}\r\n00{:x};c=\"d\"\r\n{b}\r\n0\r\nx-trailer: dropped\r\n\r\n",
        bearer(CLIENT_KEY),
        a.len(),
        b.len()
    ));
    let mut call = upstream.next();
    assert_eq!(call.request.text(), CHAT);
    assert_eq!(call.head().field("x-trailer"), None);
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    client.still_serves(&mut upstream);
}

fn bytes_may_come_one_by_one(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let request = format!(
        "\r\nPOST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\n{:x}\r\n{CHAT}\r\n0\r\n\r\n",
        bearer(CLIENT_KEY),
        CHAT.len()
    );
    for byte in request.as_bytes() {
        client.send([*byte]);
    }
    let mut call = upstream.next();
    assert_eq!(call.request.text(), CHAT);
    let body = chat_answer("x").to_string();
    let answer =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for byte in answer.as_bytes() {
        call.send([*byte]);
    }
    assert_eq!(client.answer().text(), body);
    client.still_serves(&mut upstream);
}

fn expect_100_gets_100_or_a_final_status(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let head = |key: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}expect: 100-Continue\r\ncontent-length: {}\r\n\r\n",
            bearer(key),
            CHAT.len()
        )
    };
    client.send(head(CLIENT_KEY));
    assert_eq!(client.wire.head().status(), 100);
    client.send(CHAT);
    let mut call = upstream.next();
    assert_eq!(call.head().field("expect"), None, "answered here, so not asked again");
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);

    client.send(head("sk-other"));
    refused(&client.answer(), Dialect::OpenAi, 401);

    let mut client = weir.client();
    client.send(head(CLIENT_KEY).replace("100-Continue", "a-miracle"));
    refused(&client.answer(), Dialect::OpenAi, 417);
    upstream.untouched();
}

fn interim_answers_are_skipped(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
    call.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"ok\":1}");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, "{\"ok\":1}"));
    assert_eq!(answer.head.field("link"), None);
    client.still_serves(&mut upstream);
}

fn answers_without_a_body(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/moderations", r#"{"model":"m"}"#);
    upstream.next().send("HTTP/1.1 204 No Content\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status(), 204);
    assert!(answer.head.field("content-length").is_none() && answer.head.field("transfer-encoding").is_none());
    client.still_serves(&mut upstream);
    client.ask("HEAD", "/v1/models", &bearer(CLIENT_KEY), b"");
    assert_eq!(client.answer_to_head().status(), 200);
    client.still_serves(&mut upstream);
    client.post("/v1/moderations", r#"{"model":"m"}"#);
    upstream.next().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text(), answer.whole), (200, "", true));
    client.still_serves(&mut upstream);
}

fn an_answer_to_close_ends_the_lane(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"to\":");
    call.send("\"close\"}");
    call.close();
    let answer = client.answer();
    assert_eq!((answer.text(), answer.whole), ("{\"to\":\"close\"}", true));
    client.still_serves(&mut upstream);
    assert_eq!(upstream.accepted(), 2);
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"ok\":1}");
    assert_eq!(client.answer().text(), "{\"ok\":1}");
    call.wire.ended();
    client.still_serves(&mut upstream);
}

fn extra_bytes_never_reach_another_answer(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.send(
        "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"ok\":1}HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\"forged\"",
    );
    assert_eq!(client.answer().text(), "{\"ok\":1}");
    client.still_serves(&mut upstream);
    assert_eq!(upstream.accepted(), 2, "the connection with unread bytes is not used again");
}

fn hop_by_hop_fields_end_here(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let fields = format!(
        "{}Connection: keep-alive, X-Nominated , te\r\nX-Nominated: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
         Trailer: x\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Kept: 1\r\n",
        bearer(CLIENT_KEY)
    );
    client.post_with("/v1/chat/completions", &fields, CHAT);
    let mut call = upstream.next();
    for name in ["x-nominated", "keep-alive", "te", "trailer", "proxy-connection", "upgrade", "transfer-encoding"] {
        assert_eq!(call.head().field(name), None, "{name}");
    }
    assert_eq!(call.head().field("x-kept"), Some("1"));
    call.send(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-private\r\nx-private: 1\r\nkeep-alive: timeout=9\r\nupgrade: h2\r\n\
         proxy-authenticate: Basic\r\nx-kept: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 8\r\n\r\n{\"ok\":1}",
    );
    let answer = client.answer();
    for name in ["x-private", "keep-alive", "upgrade", "proxy-authenticate"] {
        assert_eq!(answer.head.field(name), None, "{name}");
    }
    assert_eq!(answer.head.field("x-kept"), Some("2"));
    client.still_serves(&mut upstream);
}

fn connection_close_is_obeyed(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post_with("/v1/chat/completions", &format!("{}connection: close\r\n", bearer(CLIENT_KEY)), CHAT);
    upstream.next().json(200, chat_answer("x"));
    let answer = client.answer();
    assert_eq!(answer.head.field("connection"), Some("close"));
    client.wire.ended();
}

fn http_1_0_is_served(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.0\r\n{}content-length: {}\r\n\r\n{CHAT}",
        bearer(CLIENT_KEY),
        CHAT.len()
    ));
    let mut call = upstream.next();
    call.open("application/json");
    call.chunk("{\"a\":");
    call.chunk("1}");
    call.last_chunk();
    let answer = client.answer();
    assert_eq!(answer.head.field("transfer-encoding"), None, "RFC 9112 §6.1: no chunks to HTTP/1.0");
    assert_eq!(answer.text(), "{\"a\":1}");
    client.wire.ended();
}

fn absolute_form_is_taken(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.send(format!(
        "POST http://relay.example/v1/chat/completions?a=b HTTP/1.1\r\nhost: relay.example\r\n{}content-length: {}\r\n\r\n{CHAT}",
        bearer(CLIENT_KEY),
        CHAT.len()
    ));
    let mut call = upstream.next();
    assert_eq!(call.target(), "/v1/chat/completions?a=b");
    assert_eq!(
        call.head().field("host"),
        Some(upstream.address.to_string().as_str()),
        "no destination of the client's choice"
    );
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
}

fn an_upgrade_opens_no_tunnel(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let fields = format!("{}connection: upgrade\r\nupgrade: websocket\r\n", bearer(CLIENT_KEY));
    client.post_with("/v1/chat/completions", &fields, CHAT);
    let mut call = upstream.next();
    assert_eq!(call.head().field("upgrade"), None);
    call.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert!(client.answer().status() >= 500, "101 unasked is an error");
    for request in [
        "CONNECT provider.example:443 HTTP/1.1\r\nhost: provider.example:443\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut client = weir.client();
        client.send(request);
        let status = client.answer().status();
        assert!(matches!(status, 400 | 405 | 501), "{status}");
    }
    upstream.untouched();
}

fn trailers_are_dropped(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    call.open("application/json");
    call.chunk("{\"ok\":1}");
    call.send("0\r\nx-trailer: 1\r\ncontent-length: 9\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.text(), "{\"ok\":1}");
    assert!(!String::from_utf8_lossy(&answer.head.raw).contains("x-trailer"));
    client.still_serves(&mut upstream);
    assert_eq!(upstream.accepted(), 1, "a whole answer leaves the connection usable");
}

/// No CRLF out of a model, a path or a query ever ends a line of a request, an answer or the log.
fn no_header_is_made_of_a_model_name(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "gemini");
    let mut client = weir.client();
    client.post("/v1beta/models/a%0d%0ax-forged:%201%20b:generateContent", "{}");
    let answer = eventually_answered(&mut client, &mut upstream);
    assert!(!String::from_utf8_lossy(&answer.head.raw).contains("x-forged: 1"));
    let log = weir.log();
    assert!(!log.lines().any(|line| line.starts_with("x-forged")), "{log}");
}

/// The answer of weir itself, or else that of the upstream after a look at what was sent there.
fn eventually_answered(client: &mut Client, upstream: &mut Upstream) -> Message {
    client.wire.stream().set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("a timeout");
    let refused_here = client.wire.stream().peek(&mut [0]).is_ok();
    client.wire.stream().set_read_timeout(Some(HANG)).expect("a timeout");
    if !refused_here {
        let mut call = upstream.next();
        assert_eq!(call.head().field("x-forged"), None);
        call.json(200, json!({ "ok": true }));
    }
    client.answer()
}
