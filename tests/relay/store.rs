//! What is written down: that it outlives a kill, a full disk and a damaged file, that traces tell what passed, and that
//! no secret is in any of it.

use std::os::unix::process::CommandExt as _;

use crate::support::*;

on_both_drivers! {
    rows_of_a_process_that_is_killed_are_kept,
    a_disk_without_room_costs_no_number_and_is_written_again,
    a_file_system_that_is_full_costs_no_number_and_is_written_again,
    a_file_that_is_damaged_while_running_costs_no_number,
    a_trace_tells_what_passed_on_both_sides,
    no_secret_is_written_down,
    traces_of_errors_alone,
    traces_of_chosen_clients_and_routes_and_of_a_share,
    exchanges_are_told_as_spans,
}

const TENANT: &str = "tenant-canary-41";
const CHAT: &str = r#"{"model":"m","messages":[]}"#;

fn store(weir: &Weir) -> Value {
    weir.admin("GET", "/api/store").json()
}

fn config_in(folder: &Folder, upstream: &Upstream) -> Value {
    let mut config = config("chat", upstream);
    config["data_dir"] = json!(folder.path().join("data"));
    config
}

fn rows_of_a_process_that_is_killed_are_kept(driver: Driver) {
    let (mut upstream, folder) = (Upstream::new(), Folder::new());
    let mut weir = Weir::start(driver, config_in(&folder, &upstream));
    let mut client = weir.client();
    for _ in 0..5 {
        client.still_serves(&mut upstream);
    }
    // Nobody asks meanwhile: what is written is written by the clock.
    std::thread::sleep(std::time::Duration::from_millis(2_000));
    weir.signal(libc::SIGKILL);
    weir.exited();
    let weir = Weir::start(driver, config_in(&folder, &upstream));
    weir.usage(5);
    weir.client().still_serves(&mut upstream);
    weir.usage(6);
    let rows = weir.admin("GET", "/api/requests").json();
    assert_eq!(rows["requests"].as_array().map(Vec::len), Some(6));
    assert_eq!((&store(&weir)["rows"], &store(&weir)["state"]), (&json!(6), &json!("ok")));
}

/// How large a file the process may write.
fn file_size(weir: &Weir, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    let pid = i32::try_from(weir.pid()).expect("a pid");
    // SAFETY: the limit is only read, and lives until the call has returned.
    let done = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

fn a_disk_without_room_costs_no_number_and_is_written_again(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["driver"] = json!(driver.name());
    let weir = Weir::start_in(config, |command| {
        let ignore = || {
            // SAFETY: a write beyond the limit fails then, as one on a full disk does, and does not end the process.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe { command.pre_exec(ignore) };
    });
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    weir.usage(1);
    file_size(&weir, 0);
    for _ in 0..3 {
        client.still_serves(&mut upstream);
    }
    weir.usage(4);
    assert_eq!(weir.status()["store"]["state"], "full");
    weir.logged("that nothing can be written", |line| line.contains("nothing can be written down now"));
    let listed = weir.admin("GET", "/api/requests").json();
    assert_eq!(listed["requests"].as_array().map(Vec::len), Some(4), "{listed}");
    file_size(&weir, libc::RLIM_INFINITY);
    weir.logged("that it is written again", |line| line.contains("written down again"));
    weir.usage(4);
    let store = store(&weir);
    assert_eq!((&store["state"], &store["rows"], &store["dropped_rows"]), (&json!("ok"), &json!(4), &json!(0)));
}

/// A small file system in memory; nothing where this process may not mount one.
struct Small(std::ffi::CString);

impl Small {
    fn mount(at: &std::path::Path, options: &str) -> Option<Small> {
        let text = |text: &str| std::ffi::CString::new(text).expect("no NUL");
        let (path, kind, options) = (text(&at.display().to_string()), text("tmpfs"), text(options));
        // SAFETY: all four are texts that end with NUL and live until the call has returned.
        let done = unsafe { libc::mount(kind.as_ptr(), path.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
        if done != 0 {
            eprintln!("skipped: no file system can be mounted here: {}", std::io::Error::last_os_error());
            return None;
        }
        Some(Small(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // SAFETY: the path is a text that ends with NUL.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}

fn a_file_system_that_is_full_costs_no_number_and_is_written_again(driver: Driver) {
    let (mut upstream, folder) = (Upstream::new(), Folder::new());
    let config = config_in(&folder, &upstream);
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    let Some(small) = Small::mount(&data, "size=4m,mode=0700") else { return };
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    weir.usage(1);
    let filler = data.join("filler");
    let mut left = std::fs::File::create(&filler).expect("a file");
    while std::io::Write::write_all(&mut left, &[0; 4096]).is_ok() {}
    // What has a page already may still take a few rows.
    let mut served = 1;
    while weir.status()["store"]["state"] != "full" {
        client.still_serves(&mut upstream);
        served += 1;
        assert!(served < 5_000, "{}", weir.status());
        weir.usage(served);
    }
    client.still_serves(&mut upstream);
    served += 1;
    weir.usage(served);
    weir.logged("that nothing can be written", |line| line.contains("nothing can be written down now"));
    assert_eq!(weir.admin("GET", "/api/store").json()["state"], "full");
    std::fs::remove_file(&filler).expect("removed");
    drop(left);
    weir.logged("that it is written again", |line| line.contains("written down again"));
    client.still_serves(&mut upstream);
    served += 1;
    weir.usage(served);
    let store = store(&weir);
    assert_eq!((&store["state"], &store["rows"], &store["dropped_rows"]), (&json!("ok"), &json!(served), &json!(0)));
    drop(weir);
    drop(small);
}

fn a_file_that_is_damaged_while_running_costs_no_number(driver: Driver) {
    let (mut upstream, folder) = (Upstream::new(), Folder::new());
    let weir = Weir::start(driver, config_in(&folder, &upstream));
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    weir.usage(1);
    let file = folder.path().join("data/weir.db");
    let length = std::fs::metadata(&file).expect("the file").len();
    for end in ["", "-wal"] {
        let path = format!("{}{end}", file.display());
        std::fs::write(path, vec![0x2a; usize::try_from(length).expect("small")]).expect("written");
    }
    client.still_serves(&mut upstream);
    client.still_serves(&mut upstream);
    weir.usage(3);
    weir.logged("that it is set aside", |line| line.contains("a new one was begun"));
    assert_eq!(weir.status()["store"]["state"], "set_aside");
    client.still_serves(&mut upstream);
    weir.usage(4);
}

fn traced(driver: Driver, mut config: Value) -> Weir {
    config["traces"] = json!({ "bodies": "all" });
    Weir::start(driver, config)
}

fn last_trace(weir: &Weir) -> Value {
    let id = eventually(|| {
        let listed = weir.admin("GET", "/api/traces?limit=1").json();
        listed["traces"][0]["id"].as_str().map(str::to_owned).ok_or(format!("no trace in {listed}"))
    });
    weir.admin("GET", &format!("/api/traces/{id}")).json()
}

fn a_trace_tells_what_passed_on_both_sides(driver: Driver) {
    let mut upstream = Upstream::new();
    let weir = traced(driver, config("chat", &upstream));
    let mut client = weir.client();
    let asked =
        r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"needle in a prompt"}]}"#;
    client.post("/v1/messages", asked);
    let mut call = upstream.next();
    let said = call.request.body.clone();
    call.open("text/event-stream");
    call.chunk(crate::streams::chat_event("straw"));
    call.chunk([crate::streams::chat_stop(), crate::streams::DONE.to_owned()].concat());
    call.last_chunk();
    let answer = client.answer();
    weir.usage(1);
    let trace = last_trace(&weir);
    assert_eq!(trace["client_request"]["body"], asked);
    assert!(trace["client_request"]["head"].as_str().is_some_and(|head| head.starts_with("POST /v1/messages ")));
    let attempt = &trace["attempts"][0];
    assert_eq!(attempt["upstream_request"]["body"].as_str().map(str::as_bytes), Some(&said[..]), "{trace}");
    let back = attempt["upstream_response"]["body"].as_str().expect("text");
    assert!(back.starts_with("data: ") && back.contains("straw") && back.ends_with("data: [DONE]\n\n"), "{back}");
    assert_eq!(
        (&attempt["upstream_response"]["status"], &trace["client_response"]["status"]),
        (&json!(200), &json!(200))
    );
    assert_eq!(trace["client_response"]["body"], answer.text());
    assert_eq!((&trace["row"]["dialect"], &trace["row"]["traced"]), (&json!("anthropic"), &json!(true)));
    for (query, found) in [("q=needle+in+a", 1), ("q=haystack", 0), ("status=error", 0), ("model=m", 1)] {
        let listed = weir.admin("GET", &format!("/api/traces?{query}")).json();
        assert_eq!(listed["traces"].as_array().map(Vec::len), Some(found), "{query}: {listed}");
    }
    let lines = weir.admin("GET", "/api/traces/export").text().to_owned();
    let line: Value = serde_json::from_str(lines.trim_end()).expect("one line of JSON");
    assert_eq!(line["client_request"], trace["client_request"]);
    assert_eq!(weir.admin("DELETE", "/api/traces").status(), 200);
    assert_eq!(weir.admin("GET", "/api/traces").json()["traces"], json!([]));
}

fn no_secret_is_written_down(driver: Driver) {
    let (mut upstream, folder) = (Upstream::new(), Folder::new());
    let mut config = config_in(&folder, &upstream);
    config["retry"] = json!({ "attempts_max": 2 });
    config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, format!("{UPSTREAM_KEY}-2")]);
    let (other, canary) = ("sk-other-canary-3c", "canary-password-7");
    config["clients"]["other"] = json!({ "key": other });
    config["providers"]["up"]["headers"] = json!({ "x-tenant": TENANT });
    let weir = traced(driver, config);
    let mut client = weir.client();
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": other }], "password": canary });
    let fields = bearer(CLIENT_KEY) + "cookie: canary-cookie\r\n";
    client.post_with("/v1/chat/completions?key=canary-query", &fields, body.to_string());
    upstream.next().json(500, json!({ "error": { "message": format!("bad key {UPSTREAM_KEY} of {TENANT}") } }));
    upstream.next().json(200, chat_answer("fine"));
    assert_eq!(client.answer().status(), 200);
    weir.usage(1);
    let trace = last_trace(&weir).to_string();
    assert!(trace.contains("bad key *** of ***") && trace.contains("\"password\\\":\\\"***"), "{trace}");
    let id = serde_json::from_str::<Value>(&trace).expect("JSON")["id"].as_str().expect("an id").to_owned();
    let mut told = trace + weir.admin("GET", "/api/traces/export").text();
    told += weir.admin("GET", &format!("/api/requests/{id}")).text();
    told += &weir.log();
    drop(weir);
    let data = folder.path().join("data");
    for entry in
        std::fs::read_dir(&data).expect("the folder").chain(std::fs::read_dir(data.join("traces")).expect("too"))
    {
        let path = entry.expect("an entry").path();
        told += &String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("there").permissions());
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    for secret in [CLIENT_KEY, UPSTREAM_KEY, TENANT, other, canary, "canary-query", "canary-cookie", ADMIN_PASSWORD] {
        assert!(!told.contains(secret), "{secret}");
    }
}

fn traces_of_errors_alone(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["traces"] = json!({ "bodies": "errors" });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    client.post("/v1/chat/completions", CHAT);
    upstream.next().json(400, json!({ "error": { "message": "no", "type": "t", "param": null, "code": null } }));
    assert_eq!(client.answer().status(), 400);
    weir.usage(2);
    let trace = last_trace(&weir);
    assert_eq!((&trace["row"]["status"], &trace["client_request"]["body"]), (&json!(400), &json!(CHAT)));
    let rows = weir.admin("GET", "/api/requests").json();
    let traced: Vec<_> =
        rows["requests"].as_array().expect("a list").iter().map(|row| row["traced"].as_bool()).collect();
    assert_eq!(traced, [Some(true), Some(false)]);
}

fn traces_of_chosen_clients_and_routes_and_of_a_share(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["clients"]["other"] = json!({ "key": "other-key", "route": "second" });
    config["routes"] = json!({ "first": { "to": ["up"] }, "second": { "to": ["up"] } });
    config["default_route"] = json!("first");
    let mut weir = Weir::start(driver, config);
    let mut asked = |weir: &Weir, key: &str| {
        let mut client = weir.client();
        client.post_with("/v1/chat/completions", &bearer(key), CHAT);
        upstream.next().json(200, chat_answer("fine"));
        client.answer().head.field("x-request-id").expect("an id").to_owned()
    };
    let mut count = 0;
    let mut traced = |weir: &mut Weir, traces: Value| {
        weir.rewrite(|config| config["traces"] = traces);
        assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
        let ids = [CLIENT_KEY, "other-key"].map(|key| asked(weir, key));
        count += 2;
        weir.usage(count);
        ids.map(|id| weir.admin("GET", &format!("/api/traces/{id}")).status() == 200)
    };
    assert_eq!(traced(&mut weir, json!({ "clients": ["other"] })), [false, true]);
    assert_eq!(traced(&mut weir, json!({ "routes": ["first"] })), [true, false]);
    assert_eq!(traced(&mut weir, json!({ "sample": 1 })), [true, true]);
    assert_eq!(traced(&mut weir, json!({ "sample": 0 })), [false, false]);
    weir.rewrite(|config| config["traces"] = json!({ "clients": ["nobody"] }));
    let refused = weir.admin("POST", "/api/reload");
    assert_eq!(refused.status(), 422);
    assert!(refused.text().contains("names no client"), "{}", refused.text());
}

fn exchanges_are_told_as_spans(driver: Driver) {
    let (mut upstream, mut collector) = (Upstream::new(), Upstream::new());
    let mut config = config("chat", &upstream);
    config["otlp"] = json!({ "endpoint": collector.url("/base"), "headers": { "x-tenant": "tenant-7" } });
    let weir = Weir::start(driver, config);
    // The first look at the file tells the collector of exchanges that spans are wanted.
    std::thread::sleep(std::time::Duration::from_millis(200));
    weir.client().still_serves(&mut upstream);
    let mut call = collector.next();
    assert_eq!((call.target(), call.head().field("x-tenant")), ("/base/v1/traces", Some("tenant-7")));
    let told: Value = serde_json::from_slice(&call.request.body).expect("JSON");
    call.json(200, json!({ "ok": true }));
    let spans = &told["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let (attempt, span) = (&spans[0], &spans[1]);
    assert_eq!((&span["name"], &span["status"]), (&json!("chat m"), &json!({})), "{told}");
    assert_eq!((&attempt["name"], &attempt["parentSpanId"]), (&json!("POST"), &span["spanId"]), "{told}");
    assert_eq!(spans.as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(weir.admin("GET", "/api/store").json()["dropped_spans"], 0);
}
