//! Bodies too large to be read or written at once: what is done with them elsewhere comes to the same.

use std::io::Write;

use crate::support::*;
use crate::translation::speech::{self, Say};

on_both_drivers!(
    large_answers_are_translated,
    a_large_answer_that_is_none_is_an_error,
    rules_change_large_requests,
    a_large_answer_carries_the_name_asked_for,
    a_translated_answer_is_read_whatever_it_calls_itself,
);

/// Below, beyond and far beyond the size from which a thread of its own does it.
const SIZES: [usize; 3] = [400_000, 700_000, 4_000_000];

/// Each client before another protocol, all five on both sides.
const RING: [(&str, &str); 5] = [
    ("chat", "anthropic"),
    ("anthropic", "gemini"),
    ("gemini", "ollama"),
    ("ollama", "responses"),
    ("responses", "chat"),
];

fn relay_to(driver: Driver, upstream: &str) -> (Weir, Upstream) {
    let provider = Upstream::new();
    let mut config = config(upstream, &provider);
    config["routes"]["all"] = json!({ "to": ["up/up-1"] });
    config["retry"] = json!({ "rounds_max": 0, "attempts_max": 1 });
    (Weir::start(driver, config), provider)
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("gzip")
}

fn large_answers_are_translated(driver: Driver) {
    for (client, upstream) in RING {
        let (weir, mut provider) = relay_to(driver, upstream);
        let mut asking = weir.client();
        for bytes in SIZES {
            let more = format!("{}Hello", "\\\"y".repeat(bytes / 3));
            let text = format!("{}{}", "\"y".repeat(bytes / 3), speech::PIECES.concat());
            let body = speech::whole(upstream, Say::Text).to_string().replacen("Hello", &more, 1);
            // Whole as it comes, in a coding, and as a stream.
            for (stream, coded) in [(false, false), (false, true), (true, false)] {
                asking.post(speech::path(client, stream), speech::request(client, stream).to_string());
                let mut call = provider.next();
                match coded {
                    false => call.answer(200, "application/json", &body),
                    true => {
                        let coded = gzip(&body);
                        call.send(format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                            coded.len()
                        ));
                        call.send(coded);
                    }
                }
                let answer = asking.answer();
                assert_eq!((answer.status(), answer.whole), (200, true), "{client} {upstream} {bytes}");
                let heard = match stream {
                    false => speech::hear(client, &answer.json()),
                    true => speech::hear_stream(client, &answer.body),
                };
                assert!(heard.text == text, "{client} {upstream} {bytes} {stream} {coded}");
                assert_eq!((heard.stop.as_str(), heard.tokens), (speech::stop(client, Say::Text), speech::TOKENS));
            }
            // A stream that nobody asked for.
            asking.post(speech::path(client, false), speech::request(client, false).to_string());
            let mut call = provider.next();
            call.open(speech::stream_type(upstream));
            speech::stream(upstream, Say::Text).iter().for_each(|frame| call.chunk(frame.replacen("Hello", &more, 1)));
            call.last_chunk();
            assert!(
                speech::hear(client, &asking.answer().json()).text == text,
                "{client} {upstream} {bytes} collected"
            );
        }
    }
}

fn a_large_answer_that_is_none_is_an_error(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat");
    let mut asking = weir.client();
    for body in [format!("{{\"choices\":[\"{}\"", "x".repeat(3_000_000)), "[1]".repeat(1_000_000)] {
        asking.post(speech::path("anthropic", false), speech::request("anthropic", false).to_string());
        provider.next().answer(200, "application/json", body);
        refused(&asking.answer(), Dialect::Anthropic, 502);
    }
    // 16 MiB are read, and not a byte more.
    let whole = speech::whole("chat", Say::Text).to_string();
    let most = 16 * 1024 * 1024;
    for (bytes, status) in [(most, 200), (most + 1, 502)] {
        let mut body = whole.clone();
        body.extend(std::iter::repeat_n(' ', bytes - whole.len()));
        asking.post(speech::path("anthropic", false), speech::request("anthropic", false).to_string());
        provider.next().answer(200, "application/json", body);
        assert_eq!(asking.answer().status(), status, "{bytes}");
    }
}

/// Between two sides of a protocol, and where the request is translated.
fn rules_change_large_requests(driver: Driver) {
    for upstream in ["chat", "anthropic"] {
        let provider = Upstream::new();
        let mut config = config(upstream, &provider);
        config["routes"]["all"] = json!({
            "to": ["up/up-1"],
            "system_prompt": { "text": "Sing." },
            "payload": [
                { "if": { "header": { "x-cool": "yes" }, "from": ["chat"] }, "override": { "temperature": 0.5 } },
                { "if": { "header": { "x-cool": "no" } }, "override": { "temperature": 0.9 } },
            ],
        });
        let (weir, mut provider) = (Weir::start(driver, config), provider);
        for bytes in SIZES {
            let text = "x".repeat(bytes);
            let body = json!({ "model": "m-1", "max_tokens": 9, "messages": [{ "role": "user", "content": text }] });
            let mut asking = weir.client();
            let fields = format!("{}x-cool: yes\r\n", bearer(CLIENT_KEY));
            asking.post_with("/v1/chat/completions", &fields, body.to_string());
            let mut call = provider.next();
            let asked = call.request.json();
            assert_eq!((&asked["temperature"], &asked["model"]), (&json!(0.5), &json!("up-1")), "{upstream} {bytes}");
            let (system, said) = match upstream {
                "chat" => (&asked["messages"][0]["content"], &asked["messages"][1]["content"]),
                _ => (&asked["system"], &asked["messages"][0]["content"]),
            };
            assert!(system.to_string().contains("Sing.") && said.to_string().contains(&text), "{upstream} {bytes}");
            call.json(200, speech::whole(upstream, Say::Text));
            assert_eq!(asking.answer().status(), 200);
        }
    }
}

fn a_large_answer_carries_the_name_asked_for(driver: Driver) {
    let provider = Upstream::new();
    let mut config = config("chat", &provider);
    config["routes"]["all"] = json!({ "to": ["up"], "models": { "outer": "up/inner" } });
    let (weir, mut provider) = (Weir::start(driver, config), provider);
    let mut asking = weir.client();
    for bytes in SIZES {
        asking.post("/v1/chat/completions", r#"{"model":"outer","messages":[]}"#);
        let mut said = chat_answer(&"y".repeat(bytes));
        said["model"] = json!("inner");
        provider.next().json(200, said.clone());
        said["model"] = json!("outer");
        assert!(asking.answer().json() == said, "{bytes}");
    }
    assert_eq!(weir.usage(3)["output_tokens"], 21);
}

fn a_translated_answer_is_read_whatever_it_calls_itself(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat");
    let mut asking = weir.client();
    let more = format!("{}Hello", "y".repeat(200_000));
    let body = speech::whole("chat", Say::Text).to_string().replacen("Hello", &more, 1);
    for kind in ["text/plain", "application/octet-stream", "application/vnd.api+json"] {
        asking.post(speech::path("anthropic", false), speech::request("anthropic", false).to_string());
        provider.next().answer(200, kind, &body);
        assert_eq!(asking.answer().status(), 200, "{kind}");
    }
}
