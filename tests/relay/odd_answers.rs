//! Answers of upstreams as none should be: each has one outcome, in time, and none that looks better than it was.
//!
//! A row is what the upstream sends and what the client is to get. Whatever the row, the same holds after it: the
//! client's error is one of its dialect, a stream that was cut has no end mark, no secret has crossed (every client's
//! wire watches for the upstream's key), and the next request is served.

use std::io::Write as _;
use std::time::Duration;

use crate::streams::chat_event;
use crate::support::*;

on_both_drivers!(odd_heads, odd_bodies, odd_ends, odd_streams, odd_errors);

/// All of the upstream's timeouts, milliseconds.
const TIMEOUT_MS: u64 = 300;

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

/// What an upstream does with its connection.
#[derive(Clone)]
enum Does {
    Send(Vec<u8>),
    /// Goes on once the answer has begun at the client.
    Commit,
    Close,
    Reset,
    /// Nothing more, and the connection stays.
    Stall,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq)]
enum Gets {
    /// An error of its dialect with this status.
    Error(u16),
    /// This status and this payload, whole.
    Whole(u16, Vec<u8>),
    /// The beginning of a stream, and that it was cut.
    Cut,
    /// The answer as it is, whole, or that it was cut: framing that is wrong behind the payload may be seen or not.
    Either(Vec<u8>),
}

struct Row {
    name: String,
    protocol: &'static str,
    streamed: bool,
    does: Vec<Does>,
    gets: Gets,
}

fn row(name: impl Into<String>, does: Vec<Does>, gets: Gets) -> Row {
    Row { name: name.into(), protocol: "chat", streamed: false, does, gets }
}

fn streamed(name: impl Into<String>, does: Vec<Does>, gets: Gets) -> Row {
    Row { streamed: true, ..row(name, does, gets) }
}

fn send(bytes: impl AsRef<[u8]>) -> Does {
    Does::Send(bytes.as_ref().to_vec())
}

fn whole(body: impl AsRef<[u8]>) -> Gets {
    Gets::Whole(200, body.as_ref().to_vec())
}

fn sized(body: &[u8]) -> Vec<u8> {
    [format!("{JSON}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

fn answer() -> Vec<u8> {
    chat_answer("fine").to_string().into_bytes()
}

fn finish() -> String {
    data(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })) + "data: [DONE]\n\n"
}

/// Where each protocol is asked, not streamed and streamed.
fn paths(protocol: &str) -> (&'static str, &'static str, Dialect) {
    match protocol {
        "chat" => ("/v1/chat/completions", "/v1/chat/completions", Dialect::OpenAi),
        "responses" => ("/v1/responses", "/v1/responses", Dialect::OpenAi),
        "anthropic" => ("/v1/messages", "/v1/messages", Dialect::Anthropic),
        "gemini" => {
            ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", Dialect::Gemini)
        }
        "ollama" => ("/api/chat", "/api/chat", Dialect::Ollama),
        other => panic!("{other}"),
    }
}

/// Plays the rows of one protocol one after another before one relay.
fn play(driver: Driver, rows: Vec<Row>) {
    let mut upstream = Upstream::new();
    let protocol = rows[0].protocol;
    let mut config = config(protocol, &upstream);
    let timeouts = ["answer_ms", "first_token_ms", "stream_idle_ms"].map(|name| (name.to_owned(), json!(TIMEOUT_MS)));
    config["timeouts"] = Value::Object(timeouts.into_iter().collect());
    config["retry"] = json!({ "attempts_max": 1, "rounds_max": 0 });
    // No row is to be kept from its upstream by the one before.
    config["cooldown"] =
        json!({ "failures": 1_000, "rate_limited_ms": 1, "server_error_ms": 1, "rejected_key_ms": 1, "max_ms": 1 });
    let weir = Weir::start(driver, config);
    for row in rows {
        let name = format!("{protocol}: {}", row.name);
        println!("{name}");
        one(&weir, &mut upstream, row, &name);
    }
    assert!(!weir.log().contains("panicked"));
}

fn one(weir: &Weir, upstream: &mut Upstream, row: Row, name: &str) {
    let (path, stream_path, dialect) = paths(row.protocol);
    let (path, stream) = if row.streamed { (stream_path, ",\"stream\":true") } else { (path, ",\"stream\":false") };
    let stream = if row.protocol == "gemini" { "" } else { stream };
    let mut client = weir.client();
    client.post_with(
        path,
        &format!("{}connection: close\r\n", bearer(CLIENT_KEY)),
        format!("{{\"model\":\"m\",\"messages\":[]{stream}}}"),
    );
    let mut call = upstream.next();
    // Read while it is written: an answer may be larger than what the kernel keeps of it.
    let (began, begun) = std::sync::mpsc::channel();
    let (head, body, is_whole, open) = std::thread::scope(|scope| {
        let (does, upstream) = (row.does, &mut *upstream);
        let script = scope.spawn(move || {
            for does in does {
                match does {
                    Does::Send(bytes) => call.wire.send_if_taken(bytes),
                    Does::Commit => begun.recv().expect("an answer that has begun"),
                    Does::Close => break,
                    Does::Reset => {
                        upstream.reset(call);
                        return None;
                    }
                    Does::Stall => return Some(call),
                }
            }
            call.close();
            None
        });
        let head = client.wire.head();
        began.send(()).expect("the script");
        let (body, is_whole) = client.wire.body(head.response_length());
        (head, body, is_whole, script.join().expect("the script"))
    });
    let status = head.status();
    let message = Message { head, body, whole: is_whole };
    let shown = || format!("{name}: {status}, whole: {is_whole}, {}", crate::support::text(&message.body));
    let is_cut = || {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let ended = ["[DONE]", "\"finish_reason\":\"stop\"", "message_stop", "response.completed"]
            .iter()
            .any(|mark| text.contains(mark));
        let told = text.contains("\"error\"");
        status == 200 && !ended && (!is_whole || told)
    };
    match &row.gets {
        Gets::Error(wanted) => {
            assert_eq!((status, is_whole), (*wanted, true), "{}", shown());
            refused(&message, dialect, *wanted);
        }
        Gets::Whole(wanted, payload) => {
            assert!((status, is_whole) == (*wanted, true) && message.body == *payload, "{}", shown());
        }
        Gets::Cut => assert!(is_cut(), "{}", shown()),
        Gets::Either(payload) => {
            assert!(message.body == *payload && is_whole || is_cut() || status == 502, "{}", shown())
        }
    }
    drop(open);
    // The key may rest for a moment now.
    std::thread::sleep(Duration::from_millis(5));
    if row.protocol == "chat" {
        let mut client = weir.client();
        client.post(path, "{\"model\":\"m\",\"messages\":[]}");
        let body = answer();
        // Every row gets a connection of its own.
        let head = format!("{JSON}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        upstream.next().send([head.as_bytes(), &body].concat());
        assert_eq!(client.answer().body, body, "after {name}");
    }
}

/// Status lines and fields.
fn odd_heads(driver: Driver) {
    let body = answer();
    let length = format!("content-length: {}\r\n", body.len());
    let mut rows = Vec::new();
    for start in [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/3 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP/11 200 OK",
        "HTTP/1.1: 200 OK",
        "HTP/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "220 mail.example ESMTP",
        "SSH-2.0-OpenSSH_9.9",
        "\0\0\0\0",
        "\u{16}\u{3}\u{1}\u{2}",
        "{\"choices\":[]}",
        "<html>",
        "GET / HTTP/1.1",
        "PRI * HTTP/2.0",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 000 None",
        "HTTP/1.1\t200\tOK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade",
    ] {
        let bytes = [format!("{start}\r\n{length}\r\n").as_bytes(), &body].concat();
        rows.push(row(format!("the start line {start:?}"), vec![send(bytes), Does::Close], Gets::Error(502)));
    }
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: five\r\n",
        "content-length: -5\r\n",
        "content-length: +5\r\n",
        "content-length: 5 5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5.0\r\n",
        "content-length:\r\n",
        "content-length: 5;\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length: 18446744073709551616\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: \u{b}chunked\r\n",
        "content-length : 5\r\n",
        "content-length\r\n",
        ": 5\r\n",
        "x y: 1\r\n",
        "x\0: 1\r\n",
        "x: a\0b\r\n",
        "x: a\rb\r\n",
        "(x): 1\r\n",
        " folded: 1\r\n",
        "x: 1\r\n folded\r\n",
        "x\u{7f}: 1\r\n",
    ] {
        let bytes = format!("{JSON}{fields}\r\nhello");
        rows.push(row(format!("the fields {fields:?}"), vec![send(bytes), Does::Close], Gets::Error(502)));
    }
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let most = weir::limits::FIELDS_MAX;
    let exact = [format!("{JSON}{}{length}\r\n", many(most - 2)).as_bytes(), &body].concat();
    rows.push(row("as many fields as may be", vec![send(exact), Does::Close], whole(&body)));
    rows.push(row(
        "one field more",
        vec![send(format!("{JSON}{}{length}\r\n", many(most - 1))), Does::Close],
        Gets::Error(502),
    ));
    let long = "x".repeat(weir::limits::HEAD_BYTES_MAX);
    rows.push(row("an endless field", vec![send(format!("{JSON}x: {long}{long}")), Does::Stall], Gets::Error(502)));
    rows.push(row(
        "an endless start line",
        vec![send(format!("HTTP/1.1 200 {long}{long}")), Does::Stall],
        Gets::Error(502),
    ));
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let storm = |count: u32| [interim.repeat(count as usize).as_bytes(), &sized(&body)].concat();
    let most = weir::limits::INTERIM_MAX;
    rows.push(row("interim answers, as many as may be", vec![send(storm(most)), Does::Close], whole(&body)));
    rows.push(row("one interim answer more", vec![send(storm(most + 1)), Does::Close], Gets::Error(502)));
    rows.push(row("a storm of interim answers", vec![send(storm(20_000)), Does::Stall], Gets::Error(502)));
    rows.push(row("interim answers and an end", vec![send(interim), Does::Close], Gets::Error(502)));
    rows.push(row("interim answers and silence", vec![send(interim), Does::Stall], Gets::Error(504)));
    rows.push(row(
        "an interim answer with a length",
        vec![send("HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n"), send(sized(&body)), Does::Close],
        Gets::Whole(200, body.clone()),
    ));
    rows.push(row(
        "a length said twice alike",
        vec![send([format!("{JSON}{length}{length}\r\n").as_bytes(), &body].concat()), Does::Close],
        Gets::Either(body.clone()),
    ));
    rows.push(row(
        "HTTP/1.0 with a length",
        vec![send([format!("HTTP/1.0 200 OK\r\n{length}\r\n").as_bytes(), &body].concat()), Does::Close],
        whole(&body),
    ));
    rows.push(row(
        "HTTP/1.0 to its end",
        vec![send([b"HTTP/1.0 200 OK\r\n\r\n", &body[..]].concat()), Does::Close],
        whole(&body),
    ));
    rows.push(row(
        "no reason phrase",
        vec![send([format!("HTTP/1.1 200\r\n{length}\r\n").as_bytes(), &body].concat()), Does::Close],
        whole(&body),
    ));
    play(driver, rows);
}

/// Framing and content of bodies that are not streamed.
fn odd_bodies(driver: Driver) {
    let body = answer();
    let mut rows = Vec::new();
    let chunked = |rest: &[u8]| send([format!("{JSON}transfer-encoding: chunked\r\n\r\n").as_bytes(), rest].concat());
    for lines in [
        "zz\r\nhello",
        "-1\r\nhello",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "10000000000000000\r\nhello",
        "5\r\nhello\r\n",
        "5\r\nhel",
        "5",
        "",
        "5\r\nhello\r\n0\r\n",
        "5;\u{1}\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n : bad\r\n\r\n",
    ] {
        rows.push(row(format!("the chunks {lines:?}"), vec![chunked(lines.as_bytes()), Does::Close], Gets::Error(502)));
    }
    let extension = "e".repeat(weir::limits::CHUNK_EXTENSION_BYTES_MAX + 2);
    rows.push(row(
        "a long extension",
        vec![chunked(format!("5;{extension}\r\nhello\r\n0\r\n\r\n").as_bytes()), Does::Close],
        Gets::Error(502),
    ));
    let trailer = "t".repeat(weir::limits::TRAILER_BYTES_MAX + 2);
    rows.push(row(
        "a long trailer",
        vec![chunked(format!("5\r\nhello\r\n0\r\nx: {trailer}\r\n\r\n").as_bytes()), Does::Close],
        Gets::Error(502),
    ));
    let one_by_one: Vec<u8> = body.iter().flat_map(|byte| chunk([*byte])).collect();
    rows.push(row(
        "chunks of one byte",
        vec![chunked(&[&one_by_one[..], b"0\r\n\r\n"].concat()), Does::Close],
        whole(&body),
    ));
    rows.push(row(
        "a trailer that names a length",
        vec![chunked(&[&chunk(&body)[..], b"0\r\ncontent-length: 3\r\n\r\n"].concat()), Does::Close],
        whole(&body),
    ));
    for (name, behind) in [("another answer", &sized(b"{\"forged\":1}")[..]), ("bytes", b"\0\0\0"), ("a CRLF", b"\r\n")]
    {
        rows.push(row(
            format!("{name} behind a sized one"),
            vec![send([&sized(&body), behind].concat()), Does::Close],
            whole(&body),
        ));
        rows.push(row(
            format!("{name} behind chunks"),
            vec![chunked(&[&chunk(&body)[..], b"0\r\n\r\n", behind].concat()), Does::Close],
            whole(&body),
        ));
    }
    let invalid = b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\xc0\"}}]}";
    rows.push(row("text that is not UTF-8", vec![send(sized(invalid)), Does::Close], whole(invalid)));
    for (name, text) in
        [("half an object", "{\"choices\":[{"), ("no JSON", "words"), ("deep", &"[".repeat(10_000)), ("a NUL", "\0")]
    {
        rows.push(row(name, vec![send(sized(text.as_bytes())), Does::Close], whole(text)));
    }
    for (name, text) in [("no body", ""), ("a blank", "")] {
        rows.push(row(name, vec![send(sized(text.as_bytes())), Does::Close], Gets::Error(502)));
    }
    rows.push(row("nothing at all in chunks", vec![chunked(b"0\r\n\r\n"), Does::Close], Gets::Error(502)));
    rows.push(row(
        "nothing to the end of the connection",
        vec![send(format!("{JSON}\r\n")), Does::Close],
        Gets::Error(502),
    ));
    rows.push(row("204", vec![send("HTTP/1.1 204 No Content\r\n\r\n"), Does::Close], Gets::Error(502)));
    let error =
        json!({ "error": { "message": "overloaded", "type": "overloaded_error", "param": null, "code": null } })
            .to_string();
    rows.push(row("an error under 200", vec![send(sized(error.as_bytes())), Does::Close], Gets::Error(503)));
    let zipped = gzip(&body);
    let coded = |coding: &str, bytes: &[u8]| {
        send(
            [format!("{JSON}content-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", bytes.len()).as_bytes(), bytes]
                .concat(),
        )
    };
    rows.push(row("gzip unasked", vec![coded("gzip", &zipped), Does::Close], whole(&zipped)));
    rows.push(row("half of a gzip", vec![coded("gzip", &zipped[..20]), Does::Close], whole(&zipped[..20])));
    rows.push(row("a coding nobody knows", vec![coded("x-unknown", b"\x01\x02"), Does::Close], whole(b"\x01\x02")));
    let large = format!("{{\"choices\":[\"{}\"]}}", "x".repeat(8 << 20));
    rows.push(row("8 MiB", vec![send(sized(large.as_bytes())), Does::Close], whole(&large)));
    play(driver, rows);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

/// Cut, reset and silent at each stage.
fn odd_ends(driver: Driver) {
    let mut rows = Vec::new();
    let body = answer();
    let chunked = [
        format!("{JSON}transfer-encoding: chunked\r\n\r\n").as_bytes(),
        &chunk(&body[..20]),
        &chunk(&body[20..]),
        b"0\r\n\r\n",
    ]
    .concat();
    for (framing, all) in [("sized", sized(&body)), ("chunked", chunked)] {
        let head = all.windows(4).position(|at| at == b"\r\n\r\n").expect("a head") + 4;
        for at in [0, 1, 9, 15, head - 3, head - 1, head, head + 1, head + 10, all.len() - 6, all.len() - 1] {
            for (end, does, status) in [("cut", Does::Close, 502), ("reset", Does::Reset, 502)] {
                rows.push(row(
                    format!("{framing}, {end} after {at} bytes"),
                    vec![send(&all[..at]), does],
                    Gets::Error(status),
                ));
            }
        }
        for at in [0, 9, head - 1, head, head + 10, all.len() - 1] {
            rows.push(row(
                format!("{framing}, silent after {at} bytes"),
                vec![send(&all[..at]), Does::Stall],
                Gets::Error(504),
            ));
        }
    }
    let large = format!("{{\"choices\":[\"{}\"]}}", "x".repeat(200_000));
    for (end, does) in [("cut", Does::Close), ("reset", Does::Reset), ("silent", Does::Stall)] {
        let half = sized(large.as_bytes())[..100_000].to_vec();
        rows.push(row(format!("a large one, {end} in the middle"), vec![send(half), Does::Commit, does], Gets::Cut));
    }
    play(driver, rows);
}

/// Streams: before the first token an error, behind it a cut.
fn odd_streams(driver: Driver) {
    let mut rows = Vec::new();
    let open = || send(format!("{SSE}transfer-encoding: chunked\r\n\r\n"));
    let say = |text: &str| send(chunk(text));
    let role = data(json!({ "choices": [{ "index": 0, "delta": { "role": "assistant" }, "finish_reason": null }] }));
    let ends = [("cut", Does::Close, 502), ("reset", Does::Reset, 502), ("silent", Does::Stall, 504)];
    for (end, does, status) in &ends {
        for (name, text) in [
            ("nothing", ""),
            ("a comment", ": ping\n\n"),
            ("a role", &role[..]),
            ("half a role", &role[..20]),
            ("an event without data", "event: x\n\n"),
        ] {
            let mut all = vec![open()];
            if !text.is_empty() {
                all.push(say(text));
            }
            all.push(does.clone());
            rows.push(streamed(format!("{name}, then {end}"), all, Gets::Error(*status)));
        }
        let token = chat_event("word");
        for (name, text) in [
            ("a token", token.clone()),
            ("a token and a half", token.clone() + &token[..20]),
            ("two tokens", token.clone() + &token),
        ] {
            rows.push(streamed(
                format!("{name}, then {end}"),
                vec![open(), say(&text), Does::Commit, does.clone()],
                Gets::Cut,
            ));
        }
        let half = send(&chunk(&token)[..30]);
        rows.push(streamed(
            format!("a token and half a chunk, then {end}"),
            vec![open(), say(&token), Does::Commit, half, does.clone()],
            Gets::Cut,
        ));
        let huge = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}", "x".repeat(2 << 20));
        rows.push(streamed(
            format!("an event without an end, then {end}"),
            vec![open(), say(&token), Does::Commit, say(&huge), does.clone()],
            Gets::Cut,
        ));
    }
    let token = chat_event("word");
    for garbage in ["zz\r\n", "-1\r\n", "5 \r\nhello", "\r\n\r\n", "5\r\nhelloXX"] {
        rows.push(streamed(
            format!("a token, then the chunk {garbage:?}"),
            vec![open(), say(&token), Does::Commit, send(garbage), Does::Close],
            Gets::Cut,
        ));
    }
    let last = || send("0\r\n\r\n");
    for (name, text) in [
        ("nothing", String::new()),
        ("only comments", ": a\n\n: b\n\n".to_owned()),
        ("only [DONE]", "data: [DONE]\n\n".to_owned()),
        ("a role and [DONE]", role.clone() + "data: [DONE]\n\n"),
        ("usage alone", data(json!({ "choices": [], "usage": { "prompt_tokens": 1 } }))),
    ] {
        let mut all = vec![open()];
        if !text.is_empty() {
            all.push(say(&text));
        }
        all.extend([last(), Does::Close]);
        rows.push(streamed(format!("{name}, and a neat end"), all, Gets::Error(502)));
    }
    rows.push(streamed(
        "a token, and a neat end",
        vec![open(), say(&token), Does::Commit, last(), Does::Close],
        Gets::Cut,
    ));
    for (name, text) in [
        ("CR LF", (token.clone() + &finish()).replace('\n', "\r\n")),
        ("CR alone", (token.clone() + &finish()).replace('\n', "\r")),
        ("a BOM", format!("\u{feff}{token}{}", finish())),
        ("fields nobody knows", format!("retry: 1\nid: 7\nx: y\n{token}{}", finish())),
        ("no blank behind the colon", (token.clone() + &finish()).replace("data: ", "data:")),
        ("data that is no JSON", format!("{token}data: words\n\n{}", finish())),
        ("a NUL", format!("{token}data: \0\n\n{}", finish())),
        ("events behind the end", format!("{token}{}{token}", finish())),
        ("no empty line at the end", token.clone() + finish().trim_end()),
        ("a reason and no [DONE]", token.clone() + finish().split("data: [DONE]").next().expect("text")),
        ("8 MiB in one event", chat_event(&"x".repeat(8 << 20)) + &finish()),
        ("ten thousand events", token.repeat(10_000) + &finish()),
    ] {
        rows.push(streamed(name, vec![open(), say(&text), last(), Does::Close], whole(&text)));
    }
    let invalid =
        [token.as_bytes(), b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xc3\"}}]}\n\n", finish().as_bytes()]
            .concat();
    rows.push(streamed(
        "text that is not UTF-8",
        vec![open(), send(chunk(&invalid)), last(), Does::Close],
        Gets::Whole(200, invalid),
    ));
    let error = data(
        json!({ "error": { "message": format!("key {UPSTREAM_KEY}"), "type": "server_error", "param": null, "code": null } }),
    );
    rows.push(streamed("an error first", vec![open(), say(&error), last(), Does::Close], Gets::Error(502)));
    rows.push(streamed(
        "a role and an error",
        vec![open(), say(&role), say(&error), last(), Does::Close],
        Gets::Error(502),
    ));
    let mild = data(json!({ "error": { "message": "broken", "type": "server_error", "param": null, "code": null } }));
    rows.push(streamed(
        "a token and an error",
        vec![open(), say(&token), Does::Commit, say(&mild), last(), Does::Close],
        Gets::Cut,
    ));
    let sized = format!("{SSE}content-length: 100000\r\n\r\n{token}");
    rows.push(streamed("a length that is not reached", vec![send(sized), Does::Commit, Does::Close], Gets::Cut));
    let text = token.clone() + &finish();
    rows.push(streamed(
        "a stream of known length",
        vec![send(format!("{SSE}content-length: {}\r\n\r\n{text}", text.len())), Does::Close],
        whole(&text),
    ));
    rows.push(streamed(
        "a stream to the end of the connection",
        vec![send(format!("{SSE}\r\n{text}")), Does::Close],
        whole(&text),
    ));
    let zipped = gzip(text.as_bytes());
    let coded = format!("{SSE}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n");
    rows.push(streamed(
        "a stream in gzip",
        vec![send(&coded), send(chunk(&zipped)), last(), Does::Close],
        whole(&zipped),
    ));
    rows.push(streamed(
        "a stream in gzip that is cut",
        vec![send(&coded), send(chunk(&zipped[..10])), Does::Commit, Does::Close],
        Gets::Cut,
    ));
    rows.push(streamed("a whole answer instead", vec![send(sized_answer()), Does::Close], whole(answer())));
    rows.push(streamed(
        "a page instead",
        vec![send("HTTP/1.1 500 No\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"), Does::Close],
        Gets::Error(500),
    ));
    play(driver, rows);
}

fn sized_answer() -> Vec<u8> {
    sized(&answer())
}

/// Errors in words of other dialects, in no words, and with the key in them.
fn odd_errors(driver: Driver) {
    for protocol in ["chat", "responses", "anthropic", "gemini", "ollama"] {
        let mut rows = Vec::new();
        let openai =
            json!({ "error": { "message": format!("bad {UPSTREAM_KEY}"), "type": "t", "param": null, "code": null } })
                .to_string();
        let anthropic =
            json!({ "type": "error", "error": { "type": "api_error", "message": UPSTREAM_KEY }, "request_id": "r" })
                .to_string();
        let gemini = json!([{ "error": { "code": 500, "message": UPSTREAM_KEY, "status": "INTERNAL" } }]).to_string();
        let ollama = json!({ "error": format!("no {UPSTREAM_KEY}") }).to_string();
        let bodies = [
            "".to_owned(),
            "<html>bad gateway</html>".to_owned(),
            format!("plain words {UPSTREAM_KEY}"),
            "{\"error\":".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "{\"error\":null}".to_owned(),
            "{\"error\":{}}".to_owned(),
            format!("{{\"detail\":\"{UPSTREAM_KEY}\"}}"),
            openai,
            anthropic,
            gemini,
            ollama,
        ];
        for status in [400, 500] {
            for body in &bodies {
                // What is in the caller's own words goes back as it is, and has the caller's form anyway.
                let bytes = format!(
                    "HTTP/1.1 {status} No\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let name = format!("{status} {}", body.replace(UPSTREAM_KEY, "KEY"));
                rows.push(Row { protocol, ..row(name, vec![send(bytes), Does::Close], Gets::Error(status)) });
            }
        }
        for (status, told) in [
            (301, 502),
            (304, 502),
            (307, 502),
            (401, 502),
            (403, 502),
            (402, 402),
            (404, 404),
            (407, 407),
            (418, 418),
            (451, 451),
            (502, 502),
            (599, 599),
        ] {
            let bytes = format!(
                "HTTP/1.1 {status} No\r\nlocation: http://127.0.0.1:1/{UPSTREAM_KEY}\r\ncontent-length: 0\r\n\r\n"
            );
            rows.push(Row { protocol, ..row(format!("{status}"), vec![send(bytes), Does::Close], Gets::Error(told)) });
        }
        play(driver, rows);
    }
}
