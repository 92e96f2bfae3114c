//! Malformed input: a status in the caller's dialect, nothing upstream, and a connection that serves on or is closed.

use crate::support::*;

on_both_drivers!(
    malformed_heads_are_refused,
    malformed_bodies_are_refused,
    split_anywhere_the_verdict_is_the_same,
    invalid_json_names_its_offset,
    invalid_text_is_refused,
    coded_garbage_is_refused,
    a_body_cut_short_goes_nowhere,
    broken_multipart_is_refused,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// Sends raw bytes, and gives the status; then the connection is either closed or serves on.
fn verdict(weir: &Weir, upstream: &mut Upstream, raw: &[u8]) -> u16 {
    let mut client = weir.client();
    client.wire.send_if_taken(raw);
    let answer = client.answer();
    if answer.status() != 408 {
        upstream.untouched();
    }
    if answer.head.field("connection") == Some("close") {
        client.wire.ended();
    } else {
        client.still_serves(upstream);
    }
    answer.status()
}

fn malformed_heads_are_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let with =
        |fields: &str| format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}{fields}\r\n", bearer(CLIENT_KEY));
    let cases: Vec<(String, &[u16])> = vec![
        (with("content-length: 5\r\ncontent-length: 6\r\n"), &[400]),
        (with("content-length: 5, 6\r\n"), &[400]),
        (with("content-length: +5\r\n"), &[400]),
        (with("content-length: -1\r\n"), &[400]),
        (with("content-length: 0x5\r\n"), &[400]),
        (with("content-length: 5 5\r\n"), &[400]),
        (with("content-length:\r\n"), &[400]),
        (with("content-length: 99999999999999999999\r\n"), &[400, 413]),
        (with("content-length: 5\r\ntransfer-encoding: chunked\r\n"), &[400]),
        (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), &[400, 501]),
        (with("transfer-encoding: chunked, chunked\r\n"), &[400, 501]),
        (with("transfer-encoding: gzip, chunked\r\n"), &[400, 501]),
        (with("transfer-encoding: chunked, identity\r\n"), &[400, 501]),
        (with("transfer-encoding: xchunked\r\n"), &[400, 501]),
        (with("transfer-encoding: chunked;a=b\r\n"), &[400, 501]),
        (with("transfer-encoding : chunked\r\n"), &[400]),
        (with("content-length : 5\r\n"), &[400]),
        (with(" folded: 1\r\n"), &[400]),
        (with("x: 1\r\n\tfolded\r\n"), &[400]),
        (with("x: 1\r\n folded\r\n"), &[400]),
        (with("x: a\0b\r\n"), &[400]),
        (with("x: a\rb\r\n"), &[400]),
        (with("x: 1\ncontent-length: 5\r\n"), &[400]),
        (with("x\u{1}y: 1\r\n"), &[400]),
        (with(": 1\r\n"), &[400]),
        (with("no colon\r\n"), &[400]),
        (with("host: y\r\n"), &[400]),
        ("GET /v1/models HTTP/1.1\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/models HTTP/1.1\r\nhost: a b\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/models HTTP/1.1\r\nhost: user@x\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/models HTTP/1.1\nhost: x\n\n".to_owned(), &[400]),
        ("GET  /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/models  HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/mo dels HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("GET v1/models HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("GET * HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("GET /v1/models HTTP/1.1 \r\nhost: x\r\n\r\n".to_owned(), &[400, 505]),
        ("GET /v1/models http/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400, 505]),
        ("GET /v1/models\r\n\r\n".to_owned(), &[400, 505]),
        ("GET /v1/models HTTP/2.0\r\nhost: x\r\n\r\n".to_owned(), &[505]),
        ("GET /v1/models HTTP/1.2\r\nhost: x\r\n\r\n".to_owned(), &[200, 401, 505]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[400, 505]),
        ("G{T /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[400]),
        ("BREW /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), &[405, 501]),
        ("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n".to_owned() + &bearer(CLIENT_KEY) + "\r\n", &[400, 411]),
        ("GET http://a.example/v1/models HTTP/1.1\r\nhost: b.example\r\n\r\n".to_owned(), &[400]),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3} a ClientHello\r\n\r\n".to_owned(), &[400]),
    ];
    for (raw, statuses) in cases {
        let status = verdict(&weir, &mut upstream, raw.as_bytes());
        assert!(statuses.contains(&status), "{status} for {raw:?}");
    }
}

fn malformed_bodies_are_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let size = format!("{:x}", CHAT.len());
    let bodies = [
        format!("+{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!(" {size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("\r\n{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size}\n{CHAT}\n0\n\n"),
        format!("{size}\r{CHAT}\r\n0\r\n\r\n"),
        format!("{size}\r\n{CHAT}0\r\n\r\n"),
        format!("{size}\r\n{CHAT}\n0\r\n\r\n"),
        format!("{size};a\0b\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size};a=\"\nb\"\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size};{}\r\n{CHAT}\r\n0\r\n\r\n", "e".repeat(70_000)),
        format!("1{}\r\n{CHAT}\r\n0\r\n\r\n", "0".repeat(16)),
        format!("{size}\r\n{CHAT}\r\n0\r\nbad trailer\r\n\r\n"),
        format!("{size}\r\n{CHAT}\r\n0\r\n folded: 1\r\n\r\n"),
        format!("{size}\r\n{CHAT}\r\n0\r\nt: {}\r\n\r\n", "t".repeat(70_000)),
        format!("g\r\n{CHAT}\r\n0\r\n\r\n"),
    ];
    for body in bodies {
        let raw = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\n{body}",
            bearer(CLIENT_KEY)
        );
        let status = verdict(&weir, &mut upstream, raw.as_bytes());
        assert!(matches!(status, 400 | 413 | 431), "{status} for {:?}", &body[..body.len().min(200)]);
    }
}

/// llhttp's law: a request cut into two pieces at any point has one outcome.
fn split_anywhere_the_verdict_is_the_same(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let fields = bearer(CLIENT_KEY);
    let good = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{fields}transfer-encoding: chunked\r\n\r\n1b\r\n{CHAT}\r\n0\r\n\r\n"
    );
    assert_eq!(CHAT.len(), 0x1b);
    let bad = good.replace("1b\r\n", "1b\n");
    for at in (1..good.len()).step_by(3) {
        let mut client = weir.client();
        client.send(&good[..at]);
        client.send(&good[at..]);
        let mut call = upstream.next();
        assert_eq!(call.request.text(), CHAT, "cut at {at}");
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
        let mut client = weir.client();
        client.send(&bad[..at.min(bad.len() - 1)]);
        client.wire.send_if_taken(&bad[at.min(bad.len() - 1)..]);
        refused(&client.answer(), Dialect::OpenAi, 400);
        upstream.untouched();
    }
}

fn invalid_json_names_its_offset(driver: Driver) {
    let cases = [
        ("", 0),
        ("{\"model\":\"m\"", 12),
        ("{\"model\":\"m\",}", 13),
        ("{\"model\":\"m\" \"messages\":[]}", 13),
        ("{\"model\":\"m\"}x", 13),
        ("{\"model\":01}", 10),
        ("{\"model\":\"m\",\"a\":tru}", 20),
    ];
    let paths = [
        ("chat", "/v1/chat/completions", Dialect::OpenAi),
        ("anthropic", "/v1/messages", Dialect::Anthropic),
        ("gemini", "/v1beta/models/m:generateContent", Dialect::Gemini),
        ("ollama", "/api/chat", Dialect::Ollama),
    ];
    for (protocol, path, dialect) in paths {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = weir.client();
        for (body, offset) in cases {
            client.post(path, body);
            let message = refused(&client.answer(), dialect, 400);
            let digits = message.split(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse::<usize>().ok());
            let told = digits.unwrap_or_else(|| panic!("no offset in {message:?}"));
            assert!(told.abs_diff(offset) <= 1, "{message:?} for {body:?}, wrong at {offset}");
        }
        upstream.untouched();
        if protocol == "chat" {
            client.still_serves(&mut upstream);
        }
    }
}

fn invalid_text_is_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    let deep = format!("{{\"model\":\"m\",\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 9] = [
        b"{\"model\":\"m\xff\"}",
        b"{\"model\":\"m\",\"a\":\"\xc0\xaf\"}",
        b"{\"model\":\"m\",\"a\":\"\xed\xa0\x80\"}",
        b"{\"model\":\"m\",\"a\":\"\x01\"}",
        b"{\"model\":\"m\",\"a\":\"\\x\"}",
        b"\xef\xbb\xbf{\"model\":\"m\"}",
        b"[\"model\"]",
        b"\"model\"",
        deep.as_bytes(),
    ];
    for body in bodies {
        client.post("/v1/chat/completions", body);
        refused(&client.answer(), Dialect::OpenAi, 400);
    }
    upstream.untouched();
    client.still_serves(&mut upstream);
}

fn coded_garbage_is_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        for body in ["", "not compressed at all", "\u{1f}\u{8b}\u{8}"] {
            let fields = format!("{}content-encoding: {coding}\r\n", bearer(CLIENT_KEY));
            client.post_with("/v1/chat/completions", &fields, body);
            refused(&client.answer(), Dialect::OpenAi, 400);
        }
    }
    upstream.untouched();
    client.still_serves(&mut upstream);
}

fn a_body_cut_short_goes_nowhere(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}", bearer(CLIENT_KEY));
    let cases = [
        format!("{head}content-length: {}\r\n\r\n{CHAT}", CHAT.len() + 1),
        format!("{head}content-length: 100\r\n\r\n"),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{CHAT}\r\n", CHAT.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{CHAT}\r\n0\r\n", CHAT.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{CHAT}", CHAT.len() + 9),
    ];
    for raw in cases {
        let mut client = weir.client();
        client.send(&raw);
        client.wire.half_close();
        let rest = client.wire.rest();
        let status = rest.get(9..12).map(String::from_utf8_lossy);
        assert!(rest.is_empty() || matches!(status.as_deref(), Some("400" | "408")), "{}", text(&rest));
        upstream.untouched();
    }
    weir.client().still_serves(&mut upstream);
}

fn broken_multipart_is_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let part = "--edge\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
    let cases = [
        ("multipart/form-data", format!("{part}--edge--\r\n")),
        ("multipart/form-data; boundary=", format!("{part}--edge--\r\n")),
        ("multipart/form-data; boundary=edge", part.to_owned()),
        ("multipart/form-data; boundary=edge", "--edge\r\nno header end".to_owned()),
        ("multipart/form-data; boundary=other", format!("{part}--edge--\r\n")),
    ];
    for (kind, body) in cases {
        let mut client = weir.client();
        let fields = format!("{}content-type: {kind}\r\n", bearer(CLIENT_KEY));
        client.ask("POST", "/v1/audio/transcriptions", &fields, body.as_bytes());
        refused(&client.answer(), Dialect::OpenAi, 400);
    }
    upstream.untouched();
}
