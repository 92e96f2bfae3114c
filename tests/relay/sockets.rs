//! Responses over a WebSocket: messages are requests, events are messages, and what was said before is known.

use crate::support::*;
use crate::translation::speech::{self, Say};

on_both_drivers!(
    conversion_42_responses_are_spoken_over_a_websocket,
    a_message_is_translated_like_any_request,
    errors_are_messages_and_the_socket_goes_on,
    handshakes_that_are_none_are_refused,
    what_breaks_a_rule_closes_with_its_code,
    a_message_is_as_long_as_a_body_may_be,
    a_quiet_answer_pings_and_pings_are_answered,
    a_client_that_leaves_takes_its_request_along,
    an_answer_that_breaks_off_is_told,
    a_page_shows_its_key_as_a_protocol,
    an_idle_socket_is_told_of_the_end,
);

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn handshake(fields: &str) -> String {
    format!(
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{fields}"
    )
}

/// A client whose handshake is done.
struct Talking(Client);

impl Talking {
    fn to(weir: &Weir) -> Talking {
        let mut client = weir.client();
        client.ask("GET", "/v1/responses", &handshake(&bearer(CLIENT_KEY)), b"");
        let head = client.wire.head();
        assert_eq!(head.status(), 101);
        assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(head.field("upgrade"), Some("websocket"));
        Talking(client)
    }

    fn say(&mut self, message: Value) {
        self.send(0x81, message.to_string().as_bytes());
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            middle => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(middle).expect("a short message").to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        self.0.wire.send(frame);
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.wire.bytes(2);
        let bytes = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.0.wire.bytes(2).try_into().expect("two"))),
            127 => u64::from_be_bytes(self.0.wire.bytes(8).try_into().expect("eight")) as usize,
            short => usize::from(short),
        };
        (head[0], self.0.wire.bytes(bytes))
    }

    /// The next message.
    fn hear(&mut self) -> Value {
        let (first, payload) = self.frame();
        assert_eq!(first, 0x81, "{payload:?}");
        serde_json::from_slice(&payload).expect("JSON")
    }

    /// All messages up to the one of this type.
    fn hear_until(&mut self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            all.push(self.hear());
            if all[all.len() - 1]["type"] == kind {
                return all;
            }
        }
    }

    fn closed(&mut self, code: u16) {
        assert_eq!(self.frame(), (0x88, code.to_be_bytes().to_vec()));
        self.0.wire.ended();
    }
}

fn completed(id: &str, item: &str) -> Value {
    json!({ "type": "response.completed", "response": { "id": id, "output": [{ "type": "message", "id": item }] } })
}

fn conversion_42_responses_are_spoken_over_a_websocket(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut client = Talking::to(&weir);
    let said = json!({ "role": "user", "content": "hi" });
    client.say(json!({ "type": "response.create", "model": "m", "store": false, "input": [said] }));
    let mut call = upstream.next();
    assert_eq!(call.target(), "/v1/responses");
    let head = call.head();
    for field in ["upgrade", "sec-websocket-key", "sec-websocket-version"] {
        assert_eq!(head.field(field), None);
    }
    assert_eq!(head.field("authorization"), Some(&*format!("Bearer {UPSTREAM_KEY}")));
    let body: Value = serde_json::from_slice(&call.request.body).expect("JSON");
    assert_eq!(body, json!({ "stream": true, "model": "m", "store": false, "input": [said] }));
    let created = json!({ "type": "response.created", "response": { "id": "resp_1" } });
    let delta = json!({ "type": "response.output_text.delta", "delta": "Hello" });
    call.open("text/event-stream");
    call.chunk(named(created.clone()) + &named(delta.clone()));
    assert_eq!([client.hear(), client.hear()], [created, delta.clone()]);
    call.chunk(named(completed("resp_1", "msg_1")) + "data: [DONE]\n\n");
    call.last_chunk();
    assert_eq!(client.hear(), completed("resp_1", "msg_1"));
    // What is new is said to weir, and all of it to the provider, who keeps nothing.
    let more = json!({ "role": "user", "content": "more" });
    client.say(json!({ "type": "response.create", "model": "m", "previous_response_id": "resp_1", "input": [more] }));
    let mut call = upstream.next();
    let body: Value = serde_json::from_slice(&call.request.body).expect("JSON");
    assert_eq!(
        body,
        json!({ "stream": true, "model": "m", "input": [said, { "type": "message", "id": "msg_1" }, more] })
    );
    call.open("text/event-stream");
    call.chunk(named(delta) + &named(completed("resp_2", "msg_2")));
    call.last_chunk();
    assert_eq!(client.hear_until("response.completed").len(), 2);
    let usage = weir.usage(2);
    assert_eq!(usage["requests"], 2, "each message is a request, and the handshake is none: {usage}");
}

fn a_message_is_translated_like_any_request(driver: Driver) {
    for protocol in ["chat", "anthropic", "gemini", "ollama"] {
        let (weir, mut upstream) = relay(driver, protocol);
        let mut client = Talking::to(&weir);
        client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
        let mut call = upstream.next();
        call.open(if protocol == "ollama" { "application/x-ndjson" } else { "text/event-stream" });
        speech::stream(protocol, Say::Text).iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        let all = client.hear_until("response.completed");
        assert_eq!(all[0]["type"], "response.created", "{protocol}");
        assert!(all[all.len() - 1]["response"]["output"].to_string().contains("Hello"), "{protocol}: {all:?}");
    }
}

fn errors_are_messages_and_the_socket_goes_on(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut client = Talking::to(&weir);
    client.send(0x81, b"no JSON");
    let told = client.hear();
    assert_eq!((&told["type"], &told["status"]), (&"error".into(), &400.into()), "{told}");
    client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
    upstream.next().json(400, json!({ "error": { "message": "not so", "type": "invalid_request_error" } }));
    let told = client.hear();
    assert_eq!((&told["type"], &told["status"]), (&"error".into(), &400.into()), "{told}");
    assert!(told["error"]["message"].as_str().is_some_and(|message| message.contains("not so")), "{told}");
    client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(named(json!({ "type": "response.output_text.delta", "delta": "a" })) + &named(completed("r", "m")));
    call.last_chunk();
    client.hear_until("response.completed");
}

fn handshakes_that_are_none_are_refused(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let key = bearer(CLIENT_KEY);
    let without = |field: &str| -> String {
        handshake(&key).split_inclusive("\r\n").filter(|line| !line.starts_with(field)).collect()
    };
    let ask = |path: &str, fields: String| {
        let mut client = weir.client();
        client.ask("GET", path, &fields, b"");
        client.answer()
    };
    refused(&ask("/v1/responses", handshake("")), Dialect::OpenAi, 401);
    refused(&ask("/v1/responses", handshake(&bearer("sk-wrong"))), Dialect::OpenAi, 401);
    refused(&ask("/v1/chat/completions", handshake(&key)), Dialect::OpenAi, 405);
    refused(&ask("/v1/responses", without("connection")), Dialect::OpenAi, 400);
    refused(&ask("/v1/responses", without("sec-websocket-key")), Dialect::OpenAi, 400);
    refused(&ask("/v1/responses", key.clone()), Dialect::OpenAi, 405);
    let old = ask("/v1/responses", without("sec-websocket-version") + "sec-websocket-version: 8\r\n");
    refused(&old, Dialect::OpenAi, 426);
    assert_eq!(old.head.field("sec-websocket-version"), Some("13"));
    upstream.untouched();
}

fn what_breaks_a_rule_closes_with_its_code(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut unmasked = Talking::to(&weir);
    unmasked.0.wire.send(b"\x81\x02{}");
    unmasked.closed(1002);
    let mut binary = Talking::to(&weir);
    binary.send(0x82, b"{}");
    binary.closed(1003);
    let mut garbled = Talking::to(&weir);
    garbled.send(0x81, b"\xff\xff");
    garbled.closed(1007);
    let mut done = Talking::to(&weir);
    done.send(0x88, &1000_u16.to_be_bytes());
    done.closed(1000);
    upstream.untouched();
}

fn a_message_is_as_long_as_a_body_may_be(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("responses", &upstream);
    config["limits"] = json!({ "body_bytes": 1024 });
    let weir = Weir::start(driver, config);
    let message = |bytes: usize| {
        let mut message = json!({ "type": "response.create", "model": "m", "input": "" }).to_string();
        let at = message.find("\"\"").expect("a place") + 1;
        message.insert_str(at, &"x".repeat(bytes - message.len()));
        message
    };
    let mut client = Talking::to(&weir);
    client.send(0x01, &message(900).as_bytes()[..600]);
    client.send(0x80, &message(900).as_bytes()[600..]);
    let mut call = upstream.next();
    call.json(400, json!({ "error": { "message": "not so" } }));
    client.hear();
    // The request that such a message becomes says more, and is bounded like any other.
    client.send(0x81, message(1024).as_bytes());
    assert_eq!(client.hear()["status"], 413);
    let mut client = Talking::to(&weir);
    client.send(0x81, message(1025).as_bytes());
    client.closed(1009);
}

fn a_quiet_answer_pings_and_pings_are_answered(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("responses", &upstream);
    config["timeouts"] = json!({ "ping_ms": 100 });
    let weir = Weir::start(driver, config);
    let mut client = Talking::to(&weir);
    client.send(0x89, b"there?");
    assert_eq!(client.frame(), (0x8a, b"there?".to_vec()));
    client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(named(json!({ "type": "response.output_text.delta", "delta": "a" })));
    client.hear();
    for _ in 0..2 {
        assert_eq!(client.frame(), (0x89, Vec::new()));
    }
    call.chunk(named(completed("r", "m")));
    call.last_chunk();
}

fn a_client_that_leaves_takes_its_request_along(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    for says_so in [true, false] {
        let mut client = Talking::to(&weir);
        client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
        let mut call = upstream.next();
        call.open("text/event-stream");
        call.chunk(named(json!({ "type": "response.output_text.delta", "delta": "a" })));
        client.hear();
        match says_so {
            true => client.send(0x88, &1000_u16.to_be_bytes()),
            false => client.0.wire.close(),
        }
        call.wire.ended();
    }
}

fn an_answer_that_breaks_off_is_told(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut client = Talking::to(&weir);
    client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(named(json!({ "type": "response.created", "response": { "id": "r" } })));
    call.chunk(named(json!({ "type": "response.output_text.delta", "delta": "a" })));
    client.hear();
    client.hear();
    call.close();
    let told = client.hear_until("response.failed");
    assert!(told.iter().all(|event| event["type"] != "response.completed"), "{told:?}");
}

fn a_page_shows_its_key_as_a_protocol(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "responses");
    let mut client = weir.client();
    let offered = format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{CLIENT_KEY}\r\n");
    client.ask("GET", "/v1/responses", &handshake(&offered), b"");
    let head = client.wire.head();
    assert_eq!((head.status(), head.field("sec-websocket-protocol")), (101, Some("realtime")));
    let mut client = Talking(client);
    client.say(json!({ "type": "response.create", "model": "m", "input": "hi" }));
    let call = upstream.next();
    assert_eq!(call.head().field("sec-websocket-protocol"), None, "the key stays here");
}

fn an_idle_socket_is_told_of_the_end(driver: Driver) {
    let (weir, _upstream) = relay(driver, "responses");
    let mut client = Talking::to(&weir);
    client.send(0x89, b"");
    client.frame();
    weir.signal(15);
    client.closed(1001);
}
