//! Which key a request uses: balances, conversations that stay, and bounds on what is under way.

use crate::support::*;

on_both_drivers!(
    weights_are_shares,
    a_conversation_stays_on_its_key,
    a_conversation_without_a_name_is_what_it_begins_with,
    a_failure_moves_a_conversation,
    the_idle_key_is_taken,
    the_fast_key_is_taken,
    a_full_key_overflows_then_is_waited_for,
    a_line_with_room_is_waited_in,
    a_wait_has_an_end,
    who_came_first_is_served_first,
    rules_say_what_an_error_calls_for,
    a_large_request_has_longer_for_its_first_token,
    a_budget_is_spent_and_told,
    what_a_client_has_used_outlives_the_process,
    a_probe_finds_out_and_is_no_usage,
    a_second_attempt_is_made_beside_a_slow_one,
    two_attempts_that_fail_are_two,
    probes_come_by_themselves_at_the_start,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn pool(driver: Driver, change: impl FnOnce(&mut Value)) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["keys"] =
        json!([{ "key": UPSTREAM_KEY, "name": "one" }, { "key": SECOND_KEY, "name": "two" }]);
    config["cores"] = json!(1);
    change(&mut config["providers"]["up"]);
    (Weir::start(driver, config), upstream)
}

/// Which key a call came with: 0 or 1.
fn key(call: &Call) -> usize {
    let auth = call.head().field("authorization").expect("a key");
    usize::from(auth.ends_with(SECOND_KEY))
}

/// Asks once and says which key served.
fn served(client: &mut Client, upstream: &mut Upstream, fields: &str, body: &str) -> usize {
    client.post_with("/v1/chat/completions", &format!("{}{fields}", bearer(CLIENT_KEY)), body);
    let mut call = upstream.next();
    let key = key(&call);
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    key
}

fn weights_are_shares(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["balance"] = json!("weighted");
        up["keys"][1]["weight"] = json!(3);
    });
    let mut client = weir.client();
    let used: usize = (0..12).map(|_| served(&mut client, &mut upstream, "", CHAT)).sum();
    assert_eq!(used, 9);
}

fn a_conversation_stays_on_its_key(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |_| {});
    let mut client = weir.client();
    let mut used = [0; 2];
    for n in 0..12 {
        let field = format!("x-session-id: conversation-{n}\r\n");
        let first = served(&mut client, &mut upstream, &field, CHAT);
        used[first] += 1;
        assert!((0..3).all(|_| served(&mut client, &mut upstream, &field, CHAT) == first));
        let body = format!(r#"{{"model":"m","prompt_cache_key":"conversation-{n}"}}"#);
        assert_eq!(served(&mut client, &mut upstream, "", &body), first, "the same name in another place");
    }
    assert!(used[0] > 0 && used[1] > 0, "{used:?}");
    let turns: usize = (0..4).map(|_| served(&mut client, &mut upstream, "", CHAT)).sum();
    assert_eq!(turns, 2, "what names none takes turns");
}

fn a_conversation_without_a_name_is_what_it_begins_with(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| up["affinity"] = json!("conversation"));
    let mut client = weir.client();
    for n in 0..8 {
        let body =
            |more: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"question {n}"}}{more}]}}"#);
        let first = served(&mut client, &mut upstream, "", &body(""));
        let more = r#",{"role":"assistant","content":"a"},{"role":"user","content":"b"}"#;
        assert!((0..3).all(|_| served(&mut client, &mut upstream, "", &body(more)) == first));
    }
}

fn a_failure_moves_a_conversation(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |_| {});
    let mut client = weir.client();
    let field = "session-id: c\r\n";
    let first = served(&mut client, &mut upstream, field, CHAT);
    client.post_with("/v1/chat/completions", &format!("{}{field}", bearer(CLIENT_KEY)), CHAT);
    let mut call = upstream.next();
    assert_eq!(key(&call), first);
    call.json(503, json!({ "error": { "message": "m" } }));
    let mut call = upstream.next();
    assert_ne!(key(&call), first);
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    // One failure is no rest: the first key would serve, but the conversation has moved.
    assert!((0..3).all(|_| served(&mut client, &mut upstream, field, CHAT) != first));
}

fn the_idle_key_is_taken(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| up["balance"] = json!("least_busy"));
    let (mut slow, mut client) = (weir.client(), weir.client());
    slow.post("/v1/chat/completions", CHAT);
    let mut held = upstream.next();
    let busy = key(&held);
    assert!((0..5).all(|_| served(&mut client, &mut upstream, "", CHAT) != busy));
    held.json(200, chat_answer("x"));
    assert_eq!(slow.answer().status(), 200);
    eventually(|| match served(&mut client, &mut upstream, "", CHAT) == busy {
        true => Ok(()),
        false => Err("the place was not given back".to_owned()),
    });
}

fn the_fast_key_is_taken(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| up["balance"] = json!("fastest"));
    let mut client = weir.client();
    let mut used = [0; 2];
    for _ in 0..48 {
        client.post("/v1/chat/completions", CHAT);
        let mut call = upstream.next();
        used[key(&call)] += 1;
        if key(&call) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(40));
        }
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
    assert!(used[1] > used[0], "{used:?}: after its first trial the second key leads");
}

fn a_full_key_overflows_then_is_waited_for(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        for key in up["keys"].as_array_mut().unwrap() {
            key["max_concurrent"] = json!(1);
            key["queue"] = json!(4);
        }
    });
    let (mut one, mut two, mut three) = (weir.client(), weir.client(), weir.client());
    one.post("/v1/chat/completions", CHAT);
    let mut first = upstream.next();
    two.post("/v1/chat/completions", CHAT);
    let mut second = upstream.next();
    assert_ne!(key(&first), key(&second), "a full key overflows to the other");
    three.post("/v1/chat/completions", CHAT);
    std::thread::sleep(std::time::Duration::from_millis(200));
    upstream.untouched();
    // It waits for the first that was full in the order of the turns; both are let go.
    first.json(200, chat_answer("one"));
    second.json(200, chat_answer("two"));
    assert_eq!(one.answer().json(), chat_answer("one"));
    assert_eq!(two.answer().json(), chat_answer("two"));
    upstream.next().json(200, chat_answer("three"));
    assert_eq!(three.answer().json(), chat_answer("three"));
}

/// The first key has no line, and the second has.
fn a_line_with_room_is_waited_in(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["balance"] = json!("fill_first");
        up["keys"][0]["max_concurrent"] = json!(1);
        up["keys"][1]["max_concurrent"] = json!(1);
        up["keys"][1]["queue"] = json!(1);
    });
    let (mut one, mut two, mut three, mut four) = (weir.client(), weir.client(), weir.client(), weir.client());
    one.post("/v1/chat/completions", CHAT);
    let first = upstream.next();
    two.post("/v1/chat/completions", CHAT);
    let mut second = upstream.next();
    three.post("/v1/chat/completions", CHAT);
    std::thread::sleep(std::time::Duration::from_millis(200));
    upstream.untouched();
    four.post("/v1/chat/completions", CHAT);
    assert_eq!(four.answer().status(), 429, "no line has room");
    second.json(200, chat_answer("two"));
    assert_eq!(two.answer().json(), chat_answer("two"));
    let mut third = upstream.next();
    assert_eq!(key(&third), 1);
    third.json(200, chat_answer("three"));
    assert_eq!(three.answer().json(), chat_answer("three"));
    drop(first);
}

fn a_wait_has_an_end(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["keys"] = json!([{ "key": UPSTREAM_KEY, "max_concurrent": 1, "queue": 1, "queue_ms": 300 }]);
    });
    let (mut one, mut two, mut three) = (weir.client(), weir.client(), weir.client());
    one.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    two.post("/v1/chat/completions", CHAT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    three.post("/v1/chat/completions", CHAT);
    let answer = three.answer();
    assert_eq!((answer.status(), answer.head.field("retry-after")), (429, Some("1")), "the line is full");
    let answer = two.answer();
    assert_eq!((answer.status(), answer.head.field("retry-after")), (429, Some("1")), "queue_ms is over");
    call.json(200, chat_answer("x"));
    assert_eq!(one.answer().status(), 200);
    served(&mut three, &mut upstream, "", CHAT);
}

fn who_came_first_is_served_first(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["keys"] = json!([{ "key": UPSTREAM_KEY, "max_concurrent": 1, "queue": 8 }]);
    });
    let mut first = weir.client();
    first.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    let mut waiting: Vec<Client> = (0..4)
        .map(|n| {
            let mut client = weir.client();
            client.post("/v1/chat/completions", format!(r#"{{"model":"m","n":{n}}}"#));
            std::thread::sleep(std::time::Duration::from_millis(60));
            client
        })
        .collect();
    // One that leaves lets the others forward.
    drop(waiting.remove(1));
    std::thread::sleep(std::time::Duration::from_millis(100));
    for (n, client) in [0, 2, 3].into_iter().zip(&mut waiting) {
        call.json(200, chat_answer("x"));
        call = upstream.next();
        assert_eq!(call.request.text(), format!(r#"{{"model":"m","n":{n}}}"#));
        let _ = client;
    }
    call.json(200, chat_answer("last"));
    assert_eq!(waiting.last_mut().unwrap().answer().json(), chat_answer("last"));
}

fn rules_say_what_an_error_calls_for(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["on_error"] = json!([
            { "status": [400], "text": ["over capacity"], "then": "next_key", "cool_ms": 60_000 },
            { "status": [500], "then": "stop", "cool_ms": 0 },
        ]);
    });
    let mut client = weir.client();
    let error = |text: &str| json!({ "error": { "message": text, "type": "t", "param": null, "code": null } });
    client.post("/v1/chat/completions", CHAT);
    let mut call = upstream.next();
    let full = key(&call);
    call.json(400, error("We are OVER CAPACITY"));
    let mut call = upstream.next();
    assert_ne!(key(&call), full, "a 400 goes to the next key");
    call.json(200, chat_answer("x"));
    assert_eq!(client.answer().status(), 200);
    assert!((0..3).all(|_| served(&mut client, &mut upstream, "", CHAT) != full), "and rests");
    client.post("/v1/chat/completions", CHAT);
    upstream.next().json(400, error("something else"));
    assert_eq!(client.answer().status(), 400, "no rule is about this one");
    client.post("/v1/chat/completions", CHAT);
    upstream.next().json(500, error("broken"));
    assert_eq!(client.answer().status(), 500, "a 500 goes back at once");
}

fn a_large_request_has_longer_for_its_first_token(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["keys"] = json!([UPSTREAM_KEY]);
        up["timeouts"] = json!({ "first_token_ms": 100, "first_token_ms_per_mib": 4_000 });
    });
    let mut client = weir.client();
    for (bytes, status) in [(10, 504), (1024 * 1024, 200)] {
        let text = "x".repeat(bytes);
        client.post(
            "/v1/chat/completions",
            format!(r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"{text}"}}]}}"#),
        );
        let mut call = upstream.next();
        std::thread::sleep(std::time::Duration::from_millis(600));
        if status == 200 {
            call.open("text/event-stream");
            call.chunk(data(
                json!({ "choices": [{ "index": 0, "delta": { "content": "x" }, "finish_reason": "stop" }] }),
            ));
            call.chunk("data: [DONE]\n\n");
            call.last_chunk();
        }
        assert_eq!(client.answer().status(), status, "{bytes} bytes");
    }
}

fn a_budget_is_spent_and_told(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["prices"] = json!({ "up/m": { "per": "1M", "input": 1_000, "output": 2_000 } });
    config["clients"]["tester"]["limits"] = json!({ "cost_per_day": 0.01 });
    let (weir, mut upstream) = (Weir::start(driver, config), upstream);
    let mut client = weir.client();
    let mut answer = chat_answer("x");
    answer["usage"] = json!({ "prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7 });
    // Each costs a cent: the first is let in, for nobody knows before what it will cost.
    client.post("/v1/chat/completions", CHAT);
    upstream.next().json(200, answer);
    assert_eq!(client.answer().status(), 200);
    client.post("/v1/chat/completions", CHAT);
    let refused = client.answer();
    assert_eq!(refused.status(), 429);
    let field = |name: &str| refused.head.field(name).map(str::to_owned);
    assert_eq!(field("x-ratelimit-limit-dollars").as_deref(), Some("0.010000"));
    assert_eq!(field("x-ratelimit-remaining-dollars").as_deref(), Some("0.000000"));
    assert!(field("retry-after").is_some_and(|seconds| (1..=86_400).contains(&seconds.parse::<u64>().unwrap())));
    let usage = weir.usage(2);
    assert_eq!(usage["cost"], json!(0.01));
}

fn what_a_client_has_used_outlives_the_process(driver: Driver) {
    let (mut upstream, folder) = (Upstream::new(), Folder::new());
    let mut config = config("chat", &upstream);
    config["data_dir"] = json!(folder.path().join("data"));
    config["clients"]["tester"]["limits"] = json!({ "requests_per_day": 2 });
    let mut weir = Weir::start(driver, config.clone());
    served(&mut weir.client(), &mut upstream, "", CHAT);
    weir.signal(libc::SIGTERM);
    assert!(weir.exited().success());
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    served(&mut client, &mut upstream, "", CHAT);
    client.post("/v1/chat/completions", CHAT);
    assert_eq!(client.answer().status(), 429, "the third of two a day");
    let text = std::fs::read_to_string(folder.path().join("data/clients.json")).expect("kept");
    assert!(!text.contains("canary"), "{text}");
}

/// Answers a probe.
fn probed(mut call: Call, status: u16) {
    let body = call.request.json();
    assert_eq!((&body["model"], &body["max_tokens"], &body["stream"]), (&json!("m"), &json!(1), &json!(true)));
    let event = data(json!({ "choices": [{ "index": 0, "delta": { "content": "x" }, "finish_reason": "length" }] }));
    match status {
        200 => call.answer(200, "text/event-stream", format!("{event}data: [DONE]\n\n")),
        status => call.json(status, json!({ "error": { "message": "no" } })),
    }
}

fn a_probe_finds_out_and_is_no_usage(driver: Driver) {
    let (weir, mut upstream) = pool(driver, |up| {
        up["keys"] = json!([UPSTREAM_KEY]);
        up["probe_model"] = json!("m");
    });
    let path = weir.config_path();
    let probe = move || {
        let path = path.to_str().expect("text").to_owned();
        std::thread::spawn(move || run(&["probe", "-c", &path, "--provider", "up"]))
    };
    let said =
        |output: std::process::Output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
    let asked = probe();
    probed(upstream.next(), 401);
    let (code, text) = said(asked.join().unwrap());
    assert_eq!((code, text.as_str()), (Some(1), "fail up key 1, m: it answered 401\n"));
    assert_eq!(weir.status()["providers"][0]["keys"][0]["health"], "cooling", "a key that was refused rests");
    let asked = probe();
    probed(upstream.next(), 200);
    let (code, text) = said(asked.join().unwrap());
    assert!(code == Some(0) && text.starts_with("ok   up key 1, m: "), "{text}");
    assert_eq!(weir.status()["providers"][0]["keys"][0]["health"], "ok", "and one that serves is woken");
    served(&mut weir.client(), &mut upstream, "", CHAT);
    assert_eq!(weir.usage(1)["requests"], json!(1), "probes are no requests");
}

fn probes_come_by_themselves_at_the_start(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["probe_model"] = json!("m");
    config["probes"] = json!({ "at_start": true, "every_s": 60, "providers": ["up"] });
    let mut upstream = upstream;
    let starting = std::thread::spawn(move || Weir::start(driver, config));
    probed(upstream.next(), 200);
    drop(starting.join().unwrap());
}

/// weir with two keys, and a second attempt after 100 ms.
fn hedging(driver: Driver) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
    config["retry"] = json!({ "hedge_ms": 100 });
    config["traces"] = json!({ "bodies": "all" });
    (Weir::start(driver, config), upstream)
}

fn a_second_attempt_is_made_beside_a_slow_one(driver: Driver) {
    let (weir, mut upstream) = hedging(driver);
    let mut client = weir.client();
    // In time there is one attempt.
    served(&mut client, &mut upstream, "", CHAT);
    upstream.untouched();
    for winner in [0, 1] {
        client.post("/v1/chat/completions", CHAT);
        let first = upstream.next();
        let second = upstream.next();
        assert_ne!(key(&first), key(&second));
        let (mut wins, loses) = if winner == 0 { (first, second) } else { (second, first) };
        wins.json(200, chat_answer("winner"));
        assert_eq!(client.answer().json(), chat_answer("winner"));
        let mut lane = loses.wire;
        lane.ended();
        weir.usage(2 + winner);
        let listed = weir.admin("GET", "/api/requests?limit=1").json();
        let id = listed["requests"][0]["id"].as_str().expect("an id").to_owned();
        let told = weir.admin("GET", &format!("/api/requests/{id}")).json();
        let attempts = told["attempts_list"].as_array().expect("a list").clone();
        assert_eq!(attempts.iter().map(|one| one["n"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)], "{told}");
        let (won, lost) = (&attempts[winner as usize], &attempts[1 - winner as usize]);
        assert_eq!(won["status"], json!(200), "{told}");
        assert!(lost["why"].as_str().is_some_and(|why| why.starts_with("given up")), "{told}");
        assert_ne!(won["key"], lost["key"], "{told}");
        let trace = weir.admin("GET", &format!("/api/traces/{id}")).json();
        let tries = trace["attempts"].as_array().expect("a list");
        assert_eq!(tries.len(), 2, "{trace}");
        let answered = tries[winner as usize]["upstream_response"]["body"].as_str().unwrap_or_default();
        assert!(answered.contains("winner"), "{trace}");
    }
    let usage = weir.usage(3);
    assert_eq!((&usage["requests"], &usage["ok"]), (&json!(3), &json!(3)), "an exchange counts once");
    // Who lost is no failure of a key.
    assert!(
        weir.status()["providers"][0]["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["health"] == "ok" && key["failures"] == json!(0))
    );
}

fn two_attempts_that_fail_are_two(driver: Driver) {
    let (weir, mut upstream) = hedging(driver);
    let mut client = weir.client();
    client.post("/v1/chat/completions", CHAT);
    let mut first = upstream.next();
    let mut second = upstream.next();
    first.json(503, json!({ "error": { "message": "m" } }));
    second.json(503, json!({ "error": { "message": "m" } }));
    assert_eq!(client.answer().status(), 503);
    let told = weir.admin("GET", "/api/requests").json();
    assert_eq!(told["requests"][0]["attempts"], json!(2), "{told}");
    // One that leaves takes both with him.
    client.post("/v1/chat/completions", CHAT);
    let (first, second) = (upstream.next(), upstream.next());
    drop(client);
    let (mut first, mut second) = (first.wire, second.wire);
    first.ended();
    second.ended();
}
