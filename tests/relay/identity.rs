//! A request of the upstream's own protocol arrives there byte for byte, but for the model's name.

use crate::streams::{DONE, chat_event, chat_stop};
use crate::support::*;

on_both_drivers!(
    an_unmapped_body_is_untouched,
    a_mapped_model_changes_nothing_else,
    every_spelling_of_model_is_rewritten,
    a_nested_model_is_left_alone,
    the_answer_is_untouched,
    a_large_body_is_untouched,
    conversion_46_coded_bodies_are_decoded,
    usage_is_asked_for_and_hidden,
    usage_asked_for_by_the_client_is_shown,
);

/// What a rewriter through a JSON tree would change: blanks, escapes, number forms, order, repeated members.
const ODD: &str = concat!(
    "\r\n {\t\"model\" : \"m\" ,\n  \"messages\":[ { \"role\":\"user\" , ",
    "\"content\" : \"\\u00e9\\/\\ud83d\\ude00 \u{e9} \\\"model\\\": \" } ] ,",
    "\"n\":1.10, \"seed\":12345678901234567890123, \"temperature\":1E+2,\"x\":-0.0 , \"n\":2, \"\":null,\n",
    "\"stop\":[ ] , \"metadata\" : { } }\r\n"
);

fn relayed(driver: Driver, to: &str, body: &str) -> String {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["routes"]["all"]["to"] = json!([to]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.post("/v1/chat/completions", body);
    let mut call = upstream.next();
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    String::from_utf8(call.request.body).expect("text")
}

fn an_unmapped_body_is_untouched(driver: Driver) {
    assert_eq!(relayed(driver, "up", ODD), ODD);
}

fn a_mapped_model_changes_nothing_else(driver: Driver) {
    let expected = ODD.replacen("\"m\"", "\"vendor/real-model\"", 1);
    assert_eq!(relayed(driver, "up/vendor/real-model", ODD), expected);
}

fn every_spelling_of_model_is_rewritten(driver: Driver) {
    let body = r#"{"model":"a","x":1,"\u006dodel":"b","mod\u0065l" : "c","messages":[],"model":"m"}"#;
    let expected = r#"{"model":"real","x":1,"\u006dodel":"real","mod\u0065l" : "real","messages":[],"model":"real"}"#;
    assert_eq!(relayed(driver, "up/real", body), expected);
}

fn a_nested_model_is_left_alone(driver: Driver) {
    let body = r#"{"metadata":{"model":"inner"},"messages":["model","model"],"model":"m","z":[{"model":"m"}]}"#;
    let expected = r#"{"metadata":{"model":"inner"},"messages":["model","model"],"model":"real","z":[{"model":"m"}]}"#;
    assert_eq!(relayed(driver, "up/real", body), expected);
}

fn the_answer_is_untouched(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", ODD);
    let body = " {\"id\" : \"\\u0041\",\n\"choices\":[ ],\"big\":12345678901234567890123,\"f\":1.10 }\n";
    upstream.next().answer(200, "application/json; charset=utf-8", body);
    let answer = client.answer();
    assert_eq!(answer.text(), body);
    assert_eq!(answer.head.field("content-type"), Some("application/json; charset=utf-8"));
}

/// Far more than one read: 3 MB in messages, sent while weir reads.
fn a_large_body_is_untouched(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let piece = "0123456789abcdef \\n\\\"\u{e9}\u{4f60} ".repeat(100);
    let messages: Vec<_> = (0..900).map(|i| format!("{{\"role\":\"user\",\"content\":\"{i}{piece}\"}}")).collect();
    let body = format!("{{\"messages\":[{}],\"model\":\"m\"}}", messages.join(", "));
    let mut client = weir.client();
    std::thread::scope(|scope| {
        scope.spawn(|| client.post("/v1/chat/completions", &body));
        let mut call = upstream.next();
        assert!(call.request.body == body.as_bytes(), "a body of {} bytes was changed", body.len());
        call.json(200, chat_answer("x"));
    });
    assert_eq!(client.answer().status(), 200);
}

/// RFC 9110 §8.4: a coded body is read plain, and goes on plain with its plain length.
fn conversion_46_coded_bodies_are_decoded(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for (coding, coded) in coded(ODD.as_bytes()) {
        let fields = format!("{}content-encoding: {coding}\r\n", bearer(CLIENT_KEY));
        client.post_with("/v1/chat/completions", &fields, &coded);
        let mut call = upstream.next();
        assert_eq!(String::from_utf8_lossy(&call.request.body), ODD, "{coding}");
        assert_eq!(call.head().field("content-encoding"), None);
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
    let fields = format!("{}content-encoding: compress\r\n", bearer(CLIENT_KEY));
    client.post_with("/v1/chat/completions", &fields, ODD);
    refused(&client.answer(), Dialect::OpenAi, 415);
    upstream.untouched();
}

/// One body in each coding that weir takes, and in two at once.
fn coded(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
    use std::io::Write;
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("gzip")
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(plain).expect("deflate");
    let zstd = zstd::encode_all(plain, 3).expect("zstd");
    let both = gzip(&zstd);
    vec![
        ("gzip", gzip(plain)),
        ("x-gzip", gzip(plain)),
        ("deflate", zlib.finish().expect("deflate")),
        ("br", stored_brotli(plain)),
        ("zstd", zstd),
        ("zstd, gzip", both),
    ]
}

/// RFC 7932 §9.2: one uncompressed meta-block, then the empty last one. No encoder of brotli is a dependency.
fn stored_brotli(plain: &[u8]) -> Vec<u8> {
    let length = u32::try_from(plain.len() - 1).expect("a short text");
    assert!(length < 1 << 16);
    // From the lowest bit: WBITS 0 (window 16), ISLAST 0, MNIBBLES 00 (four), MLEN - 1 in 16 bits, ISUNCOMPRESSED 1.
    let head: u32 = (length << 4) | (1 << 20);
    let mut coded = head.to_le_bytes()[..3].to_vec();
    coded.extend_from_slice(plain);
    coded.push(0b11); // ISLAST, ISLASTEMPTY
    coded
}

fn usage_event() -> String {
    let usage = json!({ "prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24 });
    data(json!({ "id": "1", "choices": [], "usage": usage }))
}

fn streamed(driver: Driver, request: &str) -> (String, String) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post("/v1/chat/completions", request);
    let mut call = upstream.next();
    call.open("text/event-stream");
    for event in [chat_event("hi"), chat_stop(), usage_event(), DONE.to_owned()] {
        call.chunk(event);
    }
    call.last_chunk();
    let answer = client.answer();
    assert!(answer.whole);
    let usage = weir.usage(1);
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(21), &json!(3)));
    (String::from_utf8(call.request.body).expect("text"), answer.text().to_owned())
}

/// Accounting needs the counts; a client that did not ask for them sees a stream without them.
fn usage_is_asked_for_and_hidden(driver: Driver) {
    let request = r#"{ "model":"m","messages":[] , "stream":true }"#;
    let (sent, shown) = streamed(driver, request);
    let sent_value: Value = serde_json::from_str(&sent).expect("json");
    assert_eq!(sent_value["stream_options"], json!({ "include_usage": true }));
    let rest: Vec<_> = sent_value.as_object().expect("an object").keys().filter(|k| *k != "stream_options").collect();
    assert_eq!(rest, ["model", "messages", "stream"]);
    assert_eq!(shown, chat_event("hi") + &chat_stop() + DONE);
}

fn usage_asked_for_by_the_client_is_shown(driver: Driver) {
    let request = r#"{"model":"m","stream_options": { "include_usage" : true },"stream":true,"messages":[]}"#;
    let (sent, shown) = streamed(driver, request);
    assert_eq!(sent, request);
    assert_eq!(shown, [chat_event("hi"), chat_stop(), usage_event(), DONE.to_owned()].concat());
}
