//! A client of one protocol before a provider of another: requests, answers, streams, errors, and how each may end.

pub mod speech;

use crate::support::*;
use speech::{PIECES, Say, TOKENS, hear, hear_stream, pairs, request};

on_both_drivers!(
    streams_are_translated,
    answers_are_translated,
    calls_of_tools_are_translated,
    requests_go_where_the_protocol_has_them,
    an_event_that_arrived_goes_out_at_once,
    errors_keep_status_and_words,
    a_bad_answer_is_a_bad_gateway,
    a_request_that_cannot_be_read_names_its_member,
    a_stream_that_is_cut_never_looks_whole,
    a_cut_behind_the_reason_is_none_where_nothing_is_missing,
    an_error_before_the_first_token_goes_to_the_next_target,
    a_chain_crosses_protocols,
    a_malformed_event_is_left_out,
    a_stream_nobody_asked_for_is_put_together,
    a_whole_answer_is_told_as_a_stream,
    a_slow_client_holds_the_provider_back,
    a_client_that_leaves_closes_the_provider,
    a_quiet_stream_is_kept_alive,
    a_silent_stream_is_ended,
    lanes_serve_again,
    tokens_and_times_are_recorded,
    names_asked_for_come_back,
    bodies_are_shaped_in_the_targets_protocol,
    thoughts_in_tags_become_reasoning,
    thoughts_of_other_vendors_are_not_sent_to_anthropic,
    an_old_client_gets_no_chunks,
    tokens_are_counted_where_the_provider_counts_for_nobody,
    tokens_are_counted_where_the_provider_fails,
);

/// A relay whose `m-1` is `up-1` at a provider of this protocol.
fn relay_to(driver: Driver, upstream: &str, change: impl FnOnce(&mut Value)) -> (Weir, Upstream) {
    let provider = Upstream::new();
    let mut config = config(upstream, &provider);
    config["routes"]["all"] = json!({ "to": ["up/up-1"] });
    change(&mut config);
    (Weir::start(driver, config), provider)
}

fn ask(weir: &Weir, client: &str, stream: bool) -> Client {
    let mut asking = weir.client();
    asking.post(speech::path(client, stream), request(client, stream).to_string());
    asking
}

/// Sends `frames`, each in a chunk of its own.
fn tell(call: &mut Call, upstream: &str, frames: &[String]) {
    call.open(speech::stream_type(upstream));
    frames.iter().for_each(|frame| call.chunk(frame));
}

fn dialect(client: &str) -> Dialect {
    match client {
        "chat" | "responses" => Dialect::OpenAi,
        "anthropic" => Dialect::Anthropic,
        "gemini" => Dialect::Gemini,
        "ollama" => Dialect::Ollama,
        other => panic!("{other}"),
    }
}

fn streams_are_translated(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        let answer = asking.answer();
        assert!(answer.whole && answer.status() == 200, "{client} {upstream}: {}", answer.text());
        let kind = if client == "ollama" { "application/x-ndjson" } else { "text/event-stream; charset=utf-8" };
        assert_eq!(answer.head.field("content-type"), Some(kind));
        assert_eq!(answer.head.field("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.head.field("x-accel-buffering"), Some("no"));
        let heard = hear_stream(client, &answer.body);
        assert_eq!(heard.text, PIECES.concat(), "{client} {upstream}: {}", answer.text());
        assert_eq!((heard.ends, heard.tokens), (1, TOKENS), "{client} {upstream}: {}", answer.text());
        assert_eq!(heard.stop, speech::stop(client, Say::Text), "{client} {upstream}");
        assert!(heard.errors.is_empty() && heard.calls.is_empty());
    }
}

fn answers_are_translated(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, false);
        let mut call = provider.next();
        assert_eq!(call.head().field("accept"), Some("application/json"));
        call.json(200, speech::whole(upstream, Say::Text));
        let answer = asking.answer();
        assert_eq!(answer.status(), 200, "{client} {upstream}: {}", answer.text());
        assert_eq!(answer.head.field("content-type"), Some("application/json"));
        assert_eq!(answer.head.field("content-length"), Some(answer.body.len().to_string().as_str()));
        let heard = hear(client, &answer.json());
        assert_eq!((&*heard.text, heard.tokens), (&*PIECES.concat(), TOKENS), "{client} {upstream}: {}", answer.text());
        assert_eq!(heard.stop, speech::stop(client, Say::Text), "{client} {upstream}");
    }
}

fn calls_of_tools_are_translated(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        for stream in [true, false] {
            let mut asking = ask(&weir, client, stream);
            let mut call = provider.next();
            let answer = match stream {
                true => {
                    tell(&mut call, upstream, &speech::stream(upstream, Say::Call));
                    call.last_chunk();
                    asking.answer()
                }
                false => {
                    call.json(200, speech::whole(upstream, Say::Call));
                    asking.answer()
                }
            };
            let heard = if stream { hear_stream(client, &answer.body) } else { hear(client, &answer.json()) };
            let [(name, arguments)] = &heard.calls[..] else { panic!("{client} {upstream}: {}", answer.text()) };
            assert_eq!(name, "get_weather");
            let arguments: Value = serde_json::from_str(arguments).expect("arguments");
            assert_eq!(arguments, json!({ "city": "Bern" }), "{client} {upstream}");
            assert_eq!(heard.stop, speech::stop(client, Say::Call), "{client} {upstream} {stream}");
            assert_eq!((heard.ends, heard.tokens), (1, TOKENS), "{client} {upstream} {stream}");
        }
    }
}

fn requests_go_where_the_protocol_has_them(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["providers"]["up"]["headers"] = json!({ "x-own": "1", "x-copied": "$x-sent" });
        });
        for stream in [true, false] {
            let mut asking = weir.client();
            let sent = format!(
                "{}user-agent: tester/1\r\nx-sent: yes\r\nanthropic-beta: b\r\nx-stainless-os: l\r\naccept: */*\r\ncookie: a=b\r\n",
                bearer(CLIENT_KEY)
            );
            asking.post_with(speech::path(client, stream), &sent, request(client, stream).to_string());
            let mut call = provider.next();
            assert_eq!(call.head().asked(), ("POST", speech::asked_at(upstream, stream)));
            let field = |name: &str| call.head().field(name).map(str::to_owned);
            let key = match upstream {
                "anthropic" => ("x-api-key", UPSTREAM_KEY.to_owned()),
                "gemini" => ("x-goog-api-key", UPSTREAM_KEY.to_owned()),
                _ => ("authorization", format!("Bearer {UPSTREAM_KEY}")),
            };
            assert_eq!(field(key.0), Some(key.1), "{upstream}");
            assert_eq!(field("host"), Some(provider.address.to_string()));
            assert_eq!(field("content-type").as_deref(), Some("application/json"));
            assert_eq!(field("accept-encoding").as_deref(), Some("identity"));
            assert_eq!(field("anthropic-version").as_deref(), (upstream == "anthropic").then_some("2023-06-01"));
            assert_eq!(field("user-agent").as_deref(), Some("tester/1"));
            assert_eq!((field("x-own").as_deref(), field("x-copied").as_deref()), (Some("1"), Some("yes")));
            for name in ["x-sent", "anthropic-beta", "x-stainless-os", "cookie"] {
                assert_eq!(field(name), None, "{client} {upstream}");
            }
            let body = call.request.json();
            match upstream {
                "gemini" => assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be brief."),
                _ => assert_eq!((body["model"].as_str(), body["stream"] == true), (Some("up-1"), stream)),
            }
            assert!(call.request.text().contains("Be brief.") && call.request.text().contains("get_weather"));
            call.json(400, speech::error(upstream, "no"));
            asking.answer();
        }
    }
}

fn an_event_that_arrived_goes_out_at_once(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        call.open(speech::stream_type(upstream));
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        frames[..=first].iter().for_each(|frame| call.chunk(frame));
        asking.wire.until("Hello");
        frames[first + 1..].iter().for_each(|frame| call.chunk(frame));
        asking.wire.until("orld");
        call.last_chunk();
    }
}

fn errors_keep_status_and_words(driver: Driver) {
    for (client, upstream) in pairs() {
        for (status, told) in [(400, 400), (404, 404), (413, 413), (422, 422), (429, 429), (500, 500), (503, 503)] {
            let (weir, mut provider) = relay_to(driver, upstream, |config| {
                config["retry"] = json!({ "rounds_max": 0 });
            });
            let mut asking = ask(&weir, client, status % 2 == 0);
            let mut call = provider.next();
            let message = format!("it is \"{status}\", says {UPSTREAM_KEY}");
            let body = speech::error(upstream, &message).to_string();
            let head = format!("HTTP/1.1 {status} No\r\ncontent-type: application/json\r\nretry-after: 7\r\n");
            call.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
            let answer = asking.answer();
            let message = refused(&answer, dialect(client), told);
            assert_eq!(message, format!("it is \"{status}\", says ***"), "{client} {upstream}");
            assert!(answer.head.field("retry-after").is_some(), "{:?}", answer.head);
        }
        for status in [401, 403] {
            let (weir, mut provider) = relay_to(driver, upstream, |_| ());
            let mut asking = ask(&weir, client, true);
            provider.next().json(status, speech::error(upstream, "the key is no good"));
            let message = refused(&asking.answer(), dialect(client), 502);
            assert!(message.contains("up") && !message.contains("no good"), "{message}");
        }
    }
}

fn a_bad_answer_is_a_bad_gateway(driver: Driver) {
    for (client, upstream) in pairs() {
        for body in ["{", "[]", "{\"hello\":1}", "<html>"] {
            let (weir, mut provider) = relay_to(driver, upstream, |_| ());
            let mut asking = ask(&weir, client, false);
            provider.next().answer(200, "application/json", body);
            refused(&asking.answer(), dialect(client), 502);
        }
    }
}

fn a_request_that_cannot_be_read_names_its_member(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let (body, member) = match client {
            "responses" => (json!({ "model": "m-1", "input": 7 }), "input"),
            "gemini" => (json!({ "contents": 7 }), "contents"),
            _ => (json!({ "model": "m-1", "max_tokens": 9, "messages": 7 }), "messages"),
        };
        let mut asking = weir.client();
        asking.post(speech::path(client, false), body.to_string());
        let message = refused(&asking.answer(), dialect(client), 400);
        assert!(message.starts_with(member), "{client}: {message}");
        provider.untouched();
    }
}

/// Promise 14, at every place between two frames before the reason to stop.
fn a_stream_that_is_cut_never_looks_whole(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["cooldown"] = json!({ "failures": 1000 });
        });
        let frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        for rude in [true, false] {
            let mut asking = ask(&weir, client, true);
            let mut call = provider.next();
            tell(&mut call, upstream, &frames[..=first + 1]);
            match rude {
                true => call.close(),
                false => call.last_chunk(),
            }
            let answer = asking.answer();
            let heard = hear_stream(client, &answer.body);
            assert_eq!(heard.ends, 0, "{client} {upstream}: {}", answer.text());
            assert_eq!(heard.errors.len(), 1, "{client} {upstream}: {}", answer.text());
            assert!(answer.whole, "the error event ends a whole message");
            assert_eq!(heard.text, PIECES.concat(), "{client} {upstream}");
        }
    }
}

/// A transport that is cut behind the reason to stop: nothing is missing but with Anthropic, whose `message_stop` has to
/// come. A neat end of the framing there is the provider's own.
fn a_cut_behind_the_reason_is_none_where_nothing_is_missing(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let frames = speech::stream(upstream, Say::Text);
        let left = match upstream {
            "chat" | "anthropic" => 1,
            _ => 0,
        };
        for rude in [true, false] {
            let mut asking = ask(&weir, client, true);
            let mut call = provider.next();
            tell(&mut call, upstream, &frames[..frames.len() - left]);
            match rude {
                true => call.close(),
                false => call.last_chunk(),
            }
            let answer = asking.answer();
            let heard = hear_stream(client, &answer.body);
            let whole = !rude || upstream != "anthropic";
            assert_eq!(
                (heard.ends, heard.errors.len()),
                (usize::from(whole), usize::from(!whole)),
                "{client} {upstream}: {}",
                answer.text()
            );
            assert_eq!(heard.text, PIECES.concat(), "{client} {upstream}");
        }
    }
}

/// Two providers, the first of protocol `first`.
fn chain(driver: Driver, first: &str, second: &str) -> (Weir, Upstream, Upstream) {
    let other = Upstream::new();
    let next = config(second, &other)["providers"]["up"].clone();
    let (weir, provider) = relay_to(driver, first, |config| {
        config["providers"]["next"] = next;
        config["routes"]["all"]["to"] = json!(["up/up-1", "next/up-1"]);
    });
    (weir, provider, other)
}

fn an_error_before_the_first_token_goes_to_the_next_target(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut first, mut second) = chain(driver, upstream, upstream);
        let mut asking = ask(&weir, client, true);
        let mut call = first.next();
        call.open(speech::stream_type(upstream));
        let error = speech::error(upstream, "overloaded");
        call.chunk(match upstream {
            "anthropic" => named(error),
            "responses" => {
                named(json!({ "type": "error", "code": "server_error", "message": "overloaded", "param": null,
                "sequence_number": 0 }))
            }
            "ollama" => format!("{error}\n"),
            _ => data(error),
        });
        call.last_chunk();
        let mut call = second.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        let heard = hear_stream(client, &asking.answer().body);
        assert_eq!((&*heard.text, heard.ends), (&*PIECES.concat(), 1), "{client} {upstream}");
    }
}

fn a_chain_crosses_protocols(driver: Driver) {
    for (client, upstream) in pairs() {
        for (first, second) in [(client, upstream), (upstream, client)] {
            for stream in [true, false] {
                let (weir, mut one, mut other) = chain(driver, first, second);
                let mut asking = ask(&weir, client, stream);
                let mut call = one.next();
                assert_eq!(call.target(), speech::asked_at(first, stream));
                call.json(500, speech::error(first, "no"));
                let mut call = other.next();
                assert_eq!(call.target(), speech::asked_at(second, stream));
                if stream {
                    tell(&mut call, second, &speech::stream(second, Say::Text));
                    call.last_chunk();
                    assert_eq!(hear_stream(client, &asking.answer().body).text, PIECES.concat(), "{first} {second}");
                } else {
                    call.json(200, speech::whole(second, Say::Text));
                    assert_eq!(hear(client, &asking.answer().json()).text, PIECES.concat(), "{first} {second}");
                }
            }
        }
    }
}

fn a_malformed_event_is_left_out(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        let (begin, rest) = frames.split_at(1);
        tell(&mut call, upstream, begin);
        call.chunk(if upstream == "ollama" { "{\"cut\n" } else { "data: {\"cut\n\n" });
        rest.iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        let heard = hear_stream(client, &asking.answer().body);
        assert_eq!((&*heard.text, heard.ends), (&*PIECES.concat(), 1), "{client} {upstream}");
        let metrics = eventually(|| {
            let answer = weir.admin("GET", "/metrics");
            match answer.text().lines().find(|line| line.starts_with("weir_events_skipped_total")) {
                Some(line) if line.ends_with(" 1") => Ok(line.to_owned()),
                other => Err(format!("{other:?}")),
            }
        });
        assert!(metrics.contains("core"));
    }
}

fn a_stream_nobody_asked_for_is_put_together(driver: Driver) {
    for (client, upstream) in pairs().filter(|(_, upstream)| *upstream != "ollama") {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, false);
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        let answer = asking.answer();
        let heard = hear(client, &answer.json());
        assert_eq!((&*heard.text, heard.tokens), (&*PIECES.concat(), TOKENS), "{client} {upstream}: {}", answer.text());
        let mut asking = ask(&weir, client, false);
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text)[..2]);
        call.close();
        refused(&asking.answer(), dialect(client), 502);
    }
}

fn a_whole_answer_is_told_as_a_stream(driver: Driver) {
    for (client, upstream) in pairs().filter(|(_, upstream)| *upstream != "ollama") {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        provider.next().json(200, speech::whole(upstream, Say::Text));
        let answer = asking.answer();
        let heard = hear_stream(client, &answer.body);
        assert_eq!((&*heard.text, heard.ends, heard.tokens), (&*PIECES.concat(), 1, TOKENS), "{client} {upstream}");
    }
}

/// What neither the client nor the kernel takes stays with the provider: its writes stand still.
fn a_slow_client_holds_the_provider_back(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        let piece = frames.iter().find(|frame| frame.contains("Hello")).expect("a piece");
        let last = frames.iter().rposition(|frame| frame.contains("orld")).expect("the last piece");
        let piece = piece.replace("Hello", &"x".repeat(8_000));
        let before = frames.iter().take_while(|frame| !frame.contains("Hello")).cloned().collect::<Vec<_>>();
        tell(&mut call, upstream, &before);
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        let stream = call.wire.stream().try_clone().expect("a handle");
        stream.set_nonblocking(true).expect("nonblocking");
        let (mut taken, mut at) = (0_usize, 0_usize);
        let mut refusals = 0;
        while refusals < 40 && taken < 64 << 20 {
            match std::io::Write::write(&mut &stream, &chunk.as_bytes()[at..]) {
                Ok(written) => {
                    (taken, at) = (taken + written, (at + written) % chunk.len());
                    refusals = 0;
                }
                Err(_) => {
                    refusals += 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            }
        }
        assert!(taken < 32 << 20, "{client} {upstream}: {taken} bytes were taken for a client that reads nothing");
        stream.set_nonblocking(false).expect("blocking");
        let rest = chunk[at..].to_owned();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if at > 0 {
                    call.send(rest);
                }
                frames[last + 1..].iter().for_each(|frame| call.chunk(frame));
                call.last_chunk();
            });
            let answer = asking.answer();
            assert!(answer.whole && answer.body.len() > taken / 2, "{client} {upstream}");
        });
    }
}

fn a_client_that_leaves_closes_the_provider(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        tell(&mut call, upstream, &frames[..=first]);
        asking.wire.until("Hello");
        asking.wire.close();
        call.wire.ended();
    }
}

fn a_quiet_stream_is_kept_alive(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["timeouts"] = json!({ "ping_ms": 100 });
        });
        let ping = match client {
            "anthropic" => "event: ping\n",
            "ollama" => r#""message":{"role":"assistant","content":""},"done":false}"#,
            "gemini" => r#""parts":[{"text":""}]},"index":0}],"modelVersion""#,
            _ => ": ",
        };
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        tell(&mut call, upstream, &frames[..=first]);
        asking.wire.until("Hello");
        asking.wire.until(ping);
        asking.wire.until(ping);
        frames[first + 1..].iter().for_each(|frame| call.chunk(frame));
        call.last_chunk();
        asking.wire.until("orld");
    }
}

fn a_silent_stream_is_ended(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["timeouts"] = json!({ "stream_idle_ms": 300, "ping_ms": 100 });
        });
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        tell(&mut call, upstream, &frames[..=first]);
        let answer = asking.answer();
        let heard = hear_stream(client, &answer.body);
        assert_eq!((heard.ends, heard.errors.len()), (0, 1), "{client} {upstream}: {}", answer.text());
        call.wire.ended();
    }
}

fn lanes_serve_again(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = weir.client();
        for turn in 0..3 {
            asking.post(speech::path(client, true), request(client, true).to_string());
            let mut call = provider.next();
            let frames = speech::stream(upstream, Say::Text);
            tell(&mut call, upstream, &frames);
            if turn == 0 {
                // The end of the message may come a little later than all that it says.
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            call.last_chunk();
            assert_eq!(hear_stream(client, &asking.answer().body).ends, 1);
            asking.post(speech::path(client, false), request(client, false).to_string());
            provider.next().json(200, speech::whole(upstream, Say::Text));
            assert_eq!(hear(client, &asking.answer().json()).text, PIECES.concat());
        }
        assert_eq!(provider.accepted(), 1, "{client} {upstream}");
    }
}

fn tokens_and_times_are_recorded(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        asking.answer();
        let mut asking = ask(&weir, client, false);
        provider.next().json(200, speech::whole(upstream, Say::Text));
        asking.answer();
        let total = weir.usage(2);
        assert_eq!((&total["ok"], &total["input_tokens"]), (&json!(2), &json!(2 * TOKENS.0)), "{total}");
        assert_eq!(total["output_tokens"], json!(2 * TOKENS.1), "{client} {upstream}: {total}");
    }
}

fn names_asked_for_come_back(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        let answer = asking.answer();
        assert_eq!(hear_stream(client, &answer.body).model, "m-1", "{client} {upstream}");
        assert!(!answer.text().contains("up-1"), "{client} {upstream}: {}", answer.text());
        let mut asking = ask(&weir, client, false);
        provider.next().json(200, speech::whole(upstream, Say::Text));
        assert_eq!(hear(client, &asking.answer().json()).model, "m-1", "{client} {upstream}");
    }
}

fn bodies_are_shaped_in_the_targets_protocol(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["providers"]["up"]["system_prompt"] = json!({ "mode": "append", "text": "And kind." });
            config["providers"]["up"]["payload"] = json!([
                { "if": { "protocol": upstream, "from": client }, "override": { "marked": true } },
                { "if": { "protocol": client }, "override": { "wrong": true } },
            ]);
        });
        let mut asking = ask(&weir, client, false);
        let mut call = provider.next();
        let body = call.request.json();
        assert_eq!((&body["marked"], body.get("wrong")), (&json!(true), None), "{client} {upstream}: {body}");
        assert!(call.request.text().contains("And kind."), "{client} {upstream}: {body}");
        call.json(200, speech::whole(upstream, Say::Text));
        assert_eq!(asking.answer().status(), 200);
    }
}

fn thoughts_in_tags_become_reasoning(driver: Driver) {
    for (client, upstream) in pairs().filter(|(_, upstream)| *upstream == "chat").chain([("chat", "chat")]) {
        let (weir, mut provider) = relay_to(driver, upstream, |config| {
            config["providers"]["up"]["think_tag"] = json!("think");
        });
        let mut asking = ask(&weir, client, true);
        let mut call = provider.next();
        let mut frames = speech::stream(upstream, Say::Text);
        let first = frames.iter().position(|frame| frame.contains("Hello")).expect("a first piece");
        let said = |text: &str| frames[first].replace("Hello \\\"w", text);
        let thought = ["<th", "ink>deep", " thought</thi", "nk>"].map(said);
        frames.splice(first..first, thought);
        tell(&mut call, upstream, &frames);
        call.last_chunk();
        let answer = asking.answer();
        assert_eq!(hear_stream(client, &answer.body).text, PIECES.concat(), "{client}: {}", answer.text());
        assert!(answer.text().contains("deep") && !answer.text().contains("think>"), "{client}: {}", answer.text());
    }
}

fn thoughts_of_other_vendors_are_not_sent_to_anthropic(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "anthropic", |_| ());
    let body = |signature: &str| {
        json!({ "model": "m-1", "max_tokens": 9, "messages": [
            { "role": "user", "content": "a" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "hm", "signature": signature },
                { "type": "text", "text": "b" },
            ] },
            { "role": "user", "content": "c" },
        ] })
    };
    for (signature, kept) in [("weir.1.gs.Cg==", false), ("weir.1.none", false), ("EqoB", true)] {
        let mut asking = weir.client();
        let fields = "anthropic-beta: context-management-2025-06-27\r\nanthropic-version: 2023-01-01\r\n";
        asking.post_with(
            speech::path("anthropic", false),
            &format!("{}{fields}", bearer(CLIENT_KEY)),
            body(signature).to_string(),
        );
        let mut call = provider.next();
        assert_eq!(call.head().field("anthropic-beta"), Some("context-management-2025-06-27"), "{signature}");
        assert_eq!(call.head().field("anthropic-version"), Some("2023-01-01"), "{signature}");
        let content = call.request.json()["messages"][1]["content"].to_string();
        assert_eq!(content.contains("thinking"), kept, "{content}");
        assert!(content.contains(r#""text":"b""#), "{content}");
        call.json(200, speech::whole("anthropic", Say::Text));
        let answer = asking.answer();
        assert_eq!(answer.status(), 200);
        assert_eq!(hear("anthropic", &answer.json()).text, PIECES.concat());
    }
}

fn an_old_client_gets_no_chunks(driver: Driver) {
    for (client, upstream) in pairs() {
        let (weir, mut provider) = relay_to(driver, upstream, |_| ());
        let mut asking = weir.client();
        let body = request(client, true).to_string();
        let head = format!("POST {} HTTP/1.0\r\nhost: h\r\n", speech::path(client, true));
        let fields = format!("{}content-length: {}\r\n\r\n", bearer(CLIENT_KEY), body.len());
        asking.send(format!("{head}{fields}{body}"));
        let mut call = provider.next();
        tell(&mut call, upstream, &speech::stream(upstream, Say::Text));
        call.last_chunk();
        let answer = asking.answer();
        assert_eq!(answer.head.field("transfer-encoding"), None);
        assert_eq!(hear_stream(client, &answer.body).text, PIECES.concat(), "{client} {upstream}");
    }
}

fn tokens_are_counted_where_the_provider_counts_for_nobody(driver: Driver) {
    let (weir, mut provider) = relay_to(driver, "chat", |_| ());
    let mut client = weir.client();
    let turn = r#""messages":[{"role":"user","content":"hello world"}]"#;
    let contents = r#""contents":[{"role":"user","parts":[{"text":"hello world"}]}]"#;
    let gemini = "/v1beta/models/m-1:countTokens";
    let asked = [
        ("/v1/messages/count_tokens", format!(r#"{{"model":"m-1",{turn}}}"#), "/input_tokens"),
        ("/v1/responses/input_tokens", r#"{"model":"m-1","input":"hello world"}"#.to_owned(), "/input_tokens"),
        (gemini, format!("{{{contents}}}"), "/totalTokens"),
        (gemini, format!(r#"{{"generateContentRequest":{{"model":"models/m-1",{contents}}}}}"#), "/totalTokens"),
    ];
    for (path, body, place) in asked {
        client.post(path, &body);
        let answer = client.answer();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let counted = answer.json().pointer(place).and_then(Value::as_u64);
        assert!(counted.is_some_and(|tokens| (2..20).contains(&tokens)), "{path}: {}", answer.text());
    }
    client.post("/v1/messages/count_tokens", r#"{"model":"m-1","messages":7}"#);
    refused(&client.answer(), Dialect::Anthropic, 400);
    provider.untouched();
}

/// A count is no reason to tell anybody that a provider is ill. What is wrong with the request is told.
fn tokens_are_counted_where_the_provider_fails(driver: Driver) {
    let (weir, mut provider) = relay(driver, "anthropic");
    let mut client = weir.client();
    let body = r#"{"model":"m-1","messages":[{"role":"user","content":"hello world"}]}"#;
    for status in [500, 404, 400] {
        client.post("/v1/messages/count_tokens", body);
        let kind = if status == 400 { "invalid_request_error" } else { "api_error" };
        provider.next().json(status, json!({ "type": "error", "error": { "type": kind, "message": "no" } }));
        let answer = client.answer();
        if status == 400 {
            assert_eq!(answer.status(), 400, "{}", answer.text());
            continue;
        }
        let counted = answer.json()["input_tokens"].as_u64();
        assert!(counted.is_some_and(|tokens| (2..20).contains(&tokens)), "{status}: {}", answer.text());
    }
}
