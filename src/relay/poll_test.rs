//! How long a session keeps its core at one turn, under the worst that a client or a provider can say.
//!
//! Measured and printed, not judged: a test that looks at a clock fails on a busy machine. Time is the thread's own on a
//! CPU. `cargo test --profile count --lib relay::poll_test -- --ignored --nocapture`, with `WEIR_ROWS` for those rows
//! alone whose name holds it; the longest come last.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::session;
use super::turn_test::{Endless, Script, Work, core_of, post};
use crate::rt::{Peer, Wire, sys};

/// Microseconds of the longest poll and of all, the longest aside, and the beginning of what the client heard.
fn measured(config: &str, client: Script, upstream: Script) -> (u64, u64, String) {
    let work = Rc::new(Work::default());
    let core = core_of(config, &work, upstream);
    let stream = Endless::new(&work, client);
    let heard = Rc::clone(&stream.heard);
    let mut session = pin!(session::serve(&core, Wire::Plain(stream), Peer::Unix, 1));
    let (mut longest, mut all, mut last) = (0, 0, Instant::now());
    // What is done aside is waited for in real time.
    while last.elapsed() < Duration::from_millis(400) {
        work.begin();
        let before = sys::thread_us();
        let done = session.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let spent = sys::thread_us() - before;
        longest = longest.max(spent);
        all += spent;
        if done {
            break;
        }
        if work.is_idle() {
            std::thread::sleep(Duration::from_micros(100));
        } else {
            last = Instant::now();
        }
    }
    let heard = String::from_utf8_lossy(&heard.borrow()).chars().take(90).collect::<String>();
    (longest, all, heard.replace("\r\n", " "))
}

fn config(protocol: &str, more: &str) -> String {
    format!(
        r#"{{"listen": "127.0.0.1:1", "access": "open",
            "providers": {{"up": {{"protocol": "{protocol}", "base_url": "http://127.0.0.1:9/v1", "keys": ["k"]}}}},
            "routes": {{"r": {{"to": ["up"]{more}}}}}}}"#
    )
}

const MAPPED: &str = r#", "models": {"m": "up/other"}"#;
const SCENES: &str = r#", "scenes": {"longContext": "up/long", "think": "up/think", "image": "up/image"}"#;
const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const GEMINI: &str = "/v1beta/models/m:generateContent";
const OLLAMA: &str = "/api/chat";

fn said(path: &str, body: &str) -> Script {
    Script::new(&post(path, &format!("content-length: {}\r\n", body.len()), body), "")
}

fn coded(path: &str, body: &[u8]) -> Script {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut coder, body).expect("a vector");
    let body = coder.finish().expect("a vector");
    let head = post(path, &format!("content-encoding: gzip\r\ncontent-length: {}\r\n", body.len()), "");
    Script::of([head.as_bytes(), &body].concat())
}

/// `item` again and again, with commas, up to about `bytes`.
fn list(item: &str, bytes: usize) -> String {
    let times = (bytes / (item.len() + 1)).max(1);
    vec![item; times].join(",")
}

fn members(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 32);
    for n in 0.. {
        text.push_str(&format!("\"{n}\":0,"));
        if text.len() >= bytes {
            break;
        }
    }
    text
}

/// A request of each dialect around what stands in its list of messages.
fn around(path: &str, items: &str) -> String {
    match path {
        GEMINI => format!(r#"{{"contents":[{items}]}}"#),
        RESPONSES => format!(r#"{{"model":"m","input":[{items}]}}"#),
        _ => format!(r#"{{"model":"m","max_tokens":9,"messages":[{items}]}}"#),
    }
}

fn text_item(path: &str, text: &str) -> String {
    match path {
        GEMINI => format!(r#"{{"role":"user","parts":[{{"text":"{text}"}}]}}"#),
        _ => format!(r#"{{"role":"user","content":"{text}"}}"#),
    }
}

/// Requests just under what goes aside, and large ones.
fn requests() -> Vec<(String, String, Script)> {
    const UNDER: usize = 500 << 10;
    let mut rows = Vec::new();
    let nested = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    for (path, up) in [
        (CHAT, "anthropic"),
        (CHAT, "gemini"),
        (CHAT, "responses"),
        (MESSAGES, "chat"),
        (RESPONSES, "chat"),
        (RESPONSES, "anthropic"),
        (GEMINI, "chat"),
        (OLLAMA, "anthropic"),
        (MESSAGES, "gemini"),
    ] {
        let one = |text: &str| around(path, &text_item(path, text));
        let parts = match path {
            GEMINI => format!(r#"{{"role":"user","parts":[{}]}}"#, list(r#"{"text":""}"#, UNDER)),
            RESPONSES => {
                format!(r#"{{"role":"user","content":[{}]}}"#, list(r#"{"type":"input_text","text":""}"#, UNDER))
            }
            _ => format!(r#"{{"role":"user","content":[{}]}}"#, list(r#"{"type":"text","text":""}"#, UNDER)),
        };
        let tool = match path {
            MESSAGES => r#"{"name":"t","input_schema":{}}"#.to_owned(),
            GEMINI => r#"{"functionDeclarations":[{"name":"t"}]}"#.to_owned(),
            RESPONSES => r#"{"type":"function","name":"t","parameters":{}}"#.to_owned(),
            _ => r#"{"type":"function","function":{"name":"t","parameters":{}}}"#.to_owned(),
        };
        let with = |member: &str| {
            let base = one("go");
            format!("{},{member}}}", &base[..base.len() - 1])
        };
        let numbered: Vec<String> =
            (0..UNDER / (tool.len() + 6)).map(|n| tool.replace("\"t\"", &format!("\"t{n}\""))).collect();
        for (what, body) in [
            ("text", one(&"words and ".repeat(UNDER / 10))),
            ("escapes", one(&"\\u0041".repeat(UNDER / 6))),
            ("newlines", one(&"\\n".repeat(UNDER / 2))),
            ("turns", around(path, &list(&text_item(path, ""), UNDER))),
            (
                "two turns",
                around(
                    path,
                    &list(
                        &format!("{},{}", text_item(path, ""), text_item(path, "").replace("user", "assistant")),
                        UNDER,
                    ),
                ),
            ),
            ("parts", around(path, &parts)),
            ("tools alike", with(&format!("\"tools\":[{}]", list(&tool, UNDER)))),
            ("tools", with(&format!("\"tools\":[{}]", numbered.join(",")))),
            (
                "schema",
                with(&format!(
                    "\"tools\":[{}]",
                    tool.replace(
                        "{}",
                        &format!(
                            r#"{{"type":"object","properties":{{{}"a":{{}}}}}}"#,
                            members(UNDER).replace(":0", ":{}")
                        )
                    )
                )),
            ),
            ("nested", with(&format!("\"x\":[{}]", list(&nested, UNDER)))),
            ("members", with(&format!("{}\"z\":1", members(UNDER)))),
            ("stops", with(&format!("\"stop\":[{}]", list("\"a\"", UNDER)))),
            ("metadata", with(&format!("\"metadata\":{{{}\"a\":1}}", members(UNDER)))),
        ] {
            rows.push((format!("{path} to {up}: {what}, {} KB", body.len() >> 10), config(up, ""), said(path, &body)));
        }
    }
    let large = 40 << 20;
    let text = around(CHAT, &text_item(CHAT, &"words and ".repeat(large / 10)));
    let dense = format!(r#"{{"model":"m","x":[{}],"messages":[]}}"#, list("[]", large));
    let same = around(CHAT, &text_item(CHAT, &"a".repeat(8 << 20)));
    let blanks = around(CHAT, &text_item(CHAT, &" ".repeat(8 << 20)));
    for (what, body) in [("text", &text), ("dense", &dense)] {
        rows.push((format!("{CHAT}: {what}, 40 MB"), config("chat", ""), said(CHAT, body)));
        rows.push((format!("{CHAT}: {what}, 40 MB, mapped"), config("chat", MAPPED), said(CHAT, body)));
        rows.push((format!("{CHAT} to anthropic: {what}, 40 MB"), config("anthropic", ""), said(CHAT, body)));
        rows.push((format!("{CHAT}: {what}, 40 MB, scenes"), config("chat", SCENES), said(CHAT, body)));
        rows.push((format!("{CHAT}: {what}, 40 MB, gzip"), config("chat", MAPPED), coded(CHAT, body.as_bytes())));
    }
    for (what, body) in [("one letter", &same), ("blanks", &blanks)] {
        rows.push((format!("{CHAT}: {what}, 8 MB, scenes"), config("chat", SCENES), said(CHAT, body)));
    }
    for (what, text) in [
        ("words", "words and ".repeat(2 << 20)),
        ("one letter", "a".repeat(8 << 20)),
        ("escapes", "\\u00e9".repeat(2 << 20)),
    ] {
        let body = around(MESSAGES, &text_item(MESSAGES, &text));
        rows.push((
            format!("count_tokens: {what}, {} MB", body.len() >> 20),
            config("chat", ""),
            said("/v1/messages/count_tokens", &body),
        ));
    }
    let turns = around(MESSAGES, &list(&text_item(MESSAGES, ""), 20 << 20));
    rows.push(("count_tokens: turns, 20 MB".to_owned(), config("chat", ""), said("/v1/messages/count_tokens", &turns)));
    rows.push((
        "count_tokens: turns, 500 KB".to_owned(),
        config("chat", ""),
        said("/v1/messages/count_tokens", &around(MESSAGES, &list(&text_item(MESSAGES, ""), UNDER))),
    ));
    let bound = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let form = format!("{bound}{}\r\n--b--\r\n", "\r\n--c".repeat(5 << 20));
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    rows.push((
        "multipart: 25 MB of near boundaries, mapped".to_owned(),
        config("chat", MAPPED),
        Script::new(&(head + &form), ""),
    ));
    let affinity = |mode: &str| {
        config("chat", "").replace("\"keys\": [\"k\"]", &format!("\"keys\": [\"k\", \"l\"], \"affinity\": \"{mode}\""))
    };
    rows.push((format!("{CHAT}: 40 MB, conversation"), affinity("conversation"), said(CHAT, &text)));
    rows.push((format!("{CHAT}: dense 40 MB, conversation"), affinity("conversation"), said(CHAT, &dense)));
    rows
}

fn stream_of(events: &str) -> Script {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    Script::new(&format!("{head}{events}"), "")
}

fn whole_of(status: u16, body: &str) -> Script {
    Script::new(
        &format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
        "",
    )
}

const ASK: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"}],"stream":true}"#;
const ASK_WHOLE: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"}]}"#;
const ASK_RESPONSES: &str = r#"{"model":"m","input":"go","stream":true}"#;

fn asked(path: &str) -> Script {
    said(path, if path == RESPONSES { ASK_RESPONSES } else { ASK })
}

fn chat_events(content: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"go\"}}}}]}}\n\ndata: {{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{{content}}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
    )
}

fn anthropic_events(delta: &str) -> String {
    format!(
        "data: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\",\"role\":\"assistant\",\"content\":[],\"usage\":{{}}}}}}\n\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"go\"}}}}\n\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
    )
}

fn answers() -> Vec<(String, String, Script, Script)> {
    const BIG: usize = 15 << 20;
    let words = "words and ".repeat(BIG / 10);
    let escapes = "\\u0041".repeat(BIG / 6);
    let mut rows = Vec::new();
    for (what, content) in [
        ("text", format!("\"content\":\"{words}\"")),
        ("escapes", format!("\"content\":\"{escapes}\"")),
        ("members", format!("{}\"content\":\"x\"", members(BIG))),
        ("tool calls", format!("\"tool_calls\":[{}]", list(r#"{"index":0,"function":{"arguments":""}}"#, BIG))),
        (
            "arguments",
            format!(
                "\"tool_calls\":[{{\"index\":0,\"id\":\"c\",\"function\":{{\"name\":\"f\",\"arguments\":\"{escapes}\"}}}}]"
            ),
        ),
    ] {
        let events = chat_events(&content);
        for (path, up, more) in [
            (CHAT, "chat", ""),
            (CHAT, "chat", MAPPED),
            (MESSAGES, "chat", ""),
            (RESPONSES, "chat", ""),
            (OLLAMA, "chat", ""),
        ] {
            let mapped = if more.is_empty() { "" } else { ", mapped" };
            rows.push((
                format!("{path} from {up}{mapped}: an event of 15 MB, {what}"),
                config(up, more),
                asked(path),
                stream_of(&events),
            ));
        }
        rows.push((
            format!("{MESSAGES} whole from chat's stream: {what}"),
            config("chat", ""),
            said(MESSAGES, ASK_WHOLE),
            stream_of(&events),
        ));
    }
    for (what, delta) in [
        ("text", format!("{{\"type\":\"text_delta\",\"text\":\"{words}\"}}")),
        ("members", format!("{{{}\"type\":\"text_delta\",\"text\":\"x\"}}", members(BIG))),
    ] {
        for path in [CHAT, RESPONSES] {
            rows.push((
                format!("{path} from anthropic: an event of 15 MB, {what}"),
                config("anthropic", ""),
                asked(path),
                stream_of(&anthropic_events(&delta)),
            ));
        }
    }
    let many = chat_events("\"content\":\"x\"").replace("data: [DONE]\n\n", "");
    let lines = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"go\"}}}}]}}\n\n{}\n\n",
        "data:\n".repeat(BIG / 6)
    );
    let comments = format!("{many}{}", ":\n".repeat(BIG / 2));
    for (what, events) in [("data lines", &lines), ("comments", &comments)] {
        for path in [CHAT, MESSAGES] {
            rows.push((
                format!("{path} from chat: 15 MB of {what}"),
                config("chat", ""),
                asked(path),
                stream_of(events),
            ));
        }
    }
    let small =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(1_000))
            .repeat(14_000);
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    rows.push((
        format!("{RESPONSES} from chat: 14 MB in small events"),
        config("chat", ""),
        asked(RESPONSES),
        stream_of(&(small.clone() + end)),
    ));
    rows.push((
        format!("{MESSAGES} whole from chat's stream: 14 MB in small events"),
        config("chat", ""),
        said(MESSAGES, ASK_WHOLE),
        stream_of(&(small + end)),
    ));
    const UNDER: usize = 500 << 10;
    for (size, name) in [(UNDER, "500 KB"), (40 << 20, "40 MB")] {
        for (what, message) in [
            ("text", format!("\"content\":\"{}\"", "words and ".repeat(size / 10))),
            ("escapes", format!("\"content\":\"{}\"", "\\n".repeat(size / 2))),
            (
                "calls",
                format!(
                    "\"content\":\"x\",\"tool_calls\":[{}]",
                    list(r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#, size)
                ),
            ),
            ("members", format!("{}\"content\":\"x\"", members(size))),
        ] {
            let body = format!(
                "{{\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",{message}}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":2}}}}"
            );
            for (path, more) in [(CHAT, ""), (CHAT, MAPPED), (MESSAGES, ""), (OLLAMA, "")] {
                let ask = if path == OLLAMA {
                    ASK_WHOLE.replace("}]}", "}],\"stream\":false}")
                } else {
                    ASK_WHOLE.to_owned()
                };
                let mapped = if more.is_empty() { "" } else { ", mapped" };
                rows.push((
                    format!("{path} from chat{mapped}: whole, {what}, {name}"),
                    config("chat", more),
                    said(path, &ask),
                    whole_of(200, &body),
                ));
            }
        }
        let error =
            format!("{{\"error\":{{\"message\":\"{}\",{}\"type\":\"x\"}}}}", "k".repeat(size / 2), members(size / 2));
        for path in [CHAT, MESSAGES] {
            rows.push((
                format!("{path} from chat: an error of {name}"),
                config("chat", ""),
                said(path, ASK_WHOLE),
                whole_of(400, &error),
            ));
        }
    }
    rows
}

#[test]
#[ignore = "a measurement: minutes, and to be built with optimisation"]
fn how_long_a_core_is_kept() {
    let only = std::env::var("WEIR_ROWS").unwrap_or_default();
    let requests = requests().into_iter().map(|(what, config, client)| {
        (
            what,
            config,
            client,
            whole_of(
                200,
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#,
            ),
        )
    });
    let mut rows: Vec<(u64, String)> = Vec::new();
    for (what, config, client, upstream) in requests.chain(answers()).filter(|row| row.0.contains(&only)) {
        let (longest, all, heard) = measured(&config, client, upstream);
        rows.push((longest, format!("{:>7} us of {:>8} us  {what}  <- {heard}", longest, all)));
    }
    rows.sort();
    rows.iter().for_each(|(_, line)| println!("{line}"));
}
