//! What weir promises, by number, and the tests that hold it to that.
//!
//! Tests stand where their subject is; those that had no place are here and are named by their number. What a promise
//! still lacks is said behind its tests.
//!
//! | promise | tests |
//! |---|---|
//! | 1 only requests that were sent as one | `malformed_heads_are_refused`, `malformed_bodies_are_refused`, `pipelined_requests_are_answered_in_order` |
//! | 2 what goes on is normalised | `a_chunked_request_goes_on_with_one_framing`, `absolute_form_is_taken`, `hop_by_hop_fields_end_here` |
//! | 3 conflicting lengths | `malformed_heads_are_refused` |
//! | 4 strict chunks | `malformed_bodies_are_refused`, `a_chunked_request_goes_on_with_one_framing`, `trailers_are_dropped` |
//! | 5 names and Host | `malformed_heads_are_refused` |
//! | 6 hop by hop, no tunnel | `hop_by_hop_fields_end_here`, `an_upgrade_opens_no_tunnel` |
//! | 7 Expect | `expect_100_gets_100_or_a_final_status` |
//! | 8 an early answer and the body behind it | `the_body_behind_a_refusal_is_no_request`, `the_bound_of_a_body` |
//! | 9 limits | `the_bound_of_a_head`, `the_bound_of_the_fields`, `the_bound_of_a_target`, `the_bound_of_a_body`, `promise_09_nothing_is_held_beyond_a_limit` |
//! | 10 slow clients | `a_dripping_head_is_ended`, `a_silent_body_is_ended`, `an_idle_connection_is_ended`, `a_handshake_that_stands_still_is_closed`, `promise_10_who_never_speaks_is_closed`, `promise_10_a_body_that_drips_keeps_nobody_out` (`body_ms` bounds a silence, not the whole) |
//! | 11 any split, one outcome | `split_anywhere_the_verdict_is_the_same`, `bytes_may_come_one_by_one` |
//! | 12 the next good request | `malformed_heads_are_refused`, `the_bound_of_a_body`, `promise_12_the_next_request_is_served` |
//! | 13 broken before the first byte | `a_broken_answer_is_passed_by`, `an_empty_answer_is_passed_by`, `an_error_before_the_first_token_goes_to_the_next_key`, `a_stream_that_says_nothing_goes_to_the_next_key`, `the_next_key_is_tried`, `the_last_answer_is_told_in_the_dialect`, `attempts_have_an_end` |
//! | 14 broken after it | `a_cut_chat_stream_is_broken_off`, `a_cut_stream_tells_in_the_dialect`, `a_stream_that_ends_without_saying_why_is_cut` |
//! | 15 a stale connection | `a_stale_connection_is_no_failure`, `promise_15_a_stale_connection_is_not_counted` |
//! | 16 no lane with bytes left | `extra_bytes_never_reach_another_answer`, `an_answer_to_close_ends_the_lane` |
//! | 17 keys that rest | `the_clients_own_fault_goes_back`, `promise_17_a_key_in_trouble_rests` |
//! | 18 bounded upstream bytes | `the_upstreams_head_is_bounded`, `promise_18_an_endless_event_is_not_held`, `promise_18_a_bomb_is_not_unpacked` |
//! | 19 interim answers | `interim_answers_are_skipped`, `promise_19_interim_answers_have_an_end` |
//! | 20 events large and many | `conversion_06_events_leave_as_they_arrive`, `a_large_event_arrives_whole`, `many_small_events_arrive_whole` |
//! | 21 kill -9 | `promise_21_killed_it_serves_again`, `rows_of_a_process_that_is_killed_are_kept` |
//! | 22 SIGTERM | `sigterm_drains`, `the_drain_has_a_deadline` |
//! | 23 upgrade | `promise_23_an_upgrade_loses_no_request`, `a_stream_outlives_its_upgrade` |
//! | 24 reload | `promise_24_reloads_lose_no_request`, `a_bad_file_changes_nothing` |
//! | 25 full disk, damaged file | `a_disk_without_room_costs_no_number_and_is_written_again`, `a_file_system_that_is_full_costs_no_number_and_is_written_again`, `a_file_that_is_damaged_while_running_costs_no_number` |
//! | 26 no descriptors left | `promise_26_without_descriptors_streams_live_on` |
//! | 27 slow readers | `a_slow_client_holds_the_upstream_back`, `promise_27_slow_readers_cost_little` |
//! | 28 a client that left | `a_client_that_leaves_before_the_answer`, `a_client_that_leaves_in_a_stream`, `a_client_that_leaves_by_reset` |
//! | 29 exact counts | `usage_is_exact`, `a_disk_without_room_costs_no_number_and_is_written_again`, `a_client_that_leaves_in_a_stream`, `promise_30_aborts_mix_up_no_answers` |
//! | 30 aborts mix up nothing | `promise_30_aborts_mix_up_no_answers`, `clients_that_abort_disturb_nobody` |
//! | 31 half-open heads | `half_open_heads_do_not_keep_others_out` |
//! | 32 an outage | `promise_32_an_outage_is_told_and_passes` |
//! | 33 wrong keys | `a_wrong_key_is_refused_in_the_dialect`, `every_form_of_the_key_is_taken` |
//! | 34 secrets stay on their side | `the_upstream_gets_its_own_credential_only`, `a_quoted_upstream_key_is_masked` |
//! | 35 no default password | `promise_35_without_a_password_a_token_is_shown_once`, `promise_35_guessing_is_slowed`, `promise_35_one_address_is_locked_and_no_other` |
//! | 36 browsers | `promise_36_a_session_is_a_cookie_that_pages_cannot_use`, `promise_36_a_session_outlives_a_restart_until_its_logout`, `a_foreign_host_is_refused` |
//! | 37 secrets in no output | `no_marked_member_is_ever_told`, `no_secret_is_written_down`, `promise_37_what_the_api_changes_shows_no_secret`, `no_output_holds_a_secret`, `a_proxy_that_refuses_is_named_without_its_password` |
//! | 38 no CRLF gets through | `no_header_is_made_of_a_model_name`, `malformed_heads_are_refused`, `promise_38_no_line_of_the_log_is_forged` |
//! | 39 no path out | `promise_39_no_path_leads_out` |
//! | 40 no chosen destination | `promise_40_the_playground_goes_to_the_relay_only`, `promise_40_a_redirect_is_not_followed`, `absolute_form_is_taken` |

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::leaving::own_bytes;
use crate::life::with_open_stream;
use crate::streams::{STREAM, chat_event};
use crate::support::*;

on_both_drivers!(
    promise_09_nothing_is_held_beyond_a_limit,
    promise_10_who_never_speaks_is_closed,
    promise_10_a_body_that_drips_keeps_nobody_out,
    a_large_body_that_drips_is_no_silence,
    promise_12_the_next_request_is_served,
    promise_15_a_stale_connection_is_not_counted,
    promise_17_a_key_in_trouble_rests,
    promise_18_an_endless_event_is_not_held,
    promise_18_a_bomb_is_not_unpacked,
    promise_19_interim_answers_have_an_end,
    promise_21_killed_it_serves_again,
    promise_26_without_descriptors_streams_live_on,
    promise_30_aborts_mix_up_no_answers,
    promise_32_an_outage_is_told_and_passes,
    promise_38_no_line_of_the_log_is_forged,
    promise_40_a_redirect_is_not_followed,
);

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// The promise is 3 s; a machine that is busy with other tests gets more.
const BACK: Duration = Duration::from_secs(10);

/// What memory may grow by for other reasons, far below what is sent.
const SLACK_BYTES: usize = 8 << 20;

fn head(fields: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nhost: x\r\n{}{fields}\r\n", bearer(CLIENT_KEY))
}

/// Everything beyond a limit is answered, the connection ends, and what was sent is not there.
fn promise_09_nothing_is_held_beyond_a_limit(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["limits"] = json!({ "body_bytes": 65_536, "head_bytes": 16_384 });
    let weir = Weir::start(driver, config);
    weir.client().still_serves(&mut upstream);
    weir.status();
    let before = own_bytes(weir.pid());
    let much = "x".repeat(32 << 20);
    for (raw, status) in [
        (format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nx: {much}"), 431),
        (format!("POST {PATH}?{much}"), 414),
        (head("content-length: 33554432\r\n") + &much, 413),
        (head("transfer-encoding: chunked\r\n") + "2000000\r\n" + &much, 413),
    ] {
        let mut client = weir.client();
        client.wire.send_if_taken(raw);
        let answer = client.answer();
        refused(&answer, Dialect::OpenAi, status);
        assert_eq!(answer.head.field("connection"), Some("close"), "{status}");
        client.wire.ended();
        let grown = own_bytes(weir.pid()).saturating_sub(before);
        assert!(grown < SLACK_BYTES, "{grown} bytes are held after {status}");
    }
    upstream.untouched();
    weir.client().still_serves(&mut upstream);
}

/// Before its first request a connection has `head_ms`, whatever `keep_alive_ms` is.
fn promise_10_who_never_speaks_is_closed(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "head_ms": 300 });
    let weir = Weir::start(driver, config);
    let mut silent = weir.client();
    silent.wire.ended();
    weir.client().still_serves(&mut upstream);
}

/// A body that comes byte by byte, each in time, is served in the end, and others meanwhile; when the drip stops, so does
/// the patience.
fn promise_10_a_body_that_drips_keeps_nobody_out(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "body_ms": 400 });
    let weir = Weir::start(driver, config);
    let (mut drips, mut stops) = (weir.client(), weir.client());
    for client in [&mut drips, &mut stops] {
        client.send(head(&format!("content-length: {}\r\n", CHAT.len())));
    }
    stops.send(&CHAT[..5]);
    for byte in CHAT.as_bytes() {
        drips.send([*byte]);
        std::thread::sleep(Duration::from_millis(40));
    }
    upstream.next().json(200, chat_answer("at last"));
    assert_eq!(drips.answer().json(), chat_answer("at last"));
    refused(&stops.answer(), Dialect::OpenAi, 408);
    stops.wire.ended();
    weir.client().still_serves(&mut upstream);
}

/// A large body wakes its reader seldom: that it comes slowly is no silence.
fn a_large_body_that_drips_is_no_silence(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["timeouts"] = json!({ "body_ms": 300 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(200_000));
    client.send(head(&format!("content-length: {}\r\n", body.len())));
    let (slowly, rest) = body.as_bytes().split_at(100_000);
    for piece in slowly.chunks(10_000) {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(100));
    }
    client.send(rest);
    upstream.next().json(200, chat_answer("at last"));
    assert_eq!(client.answer().json(), chat_answer("at last"));
    client.send(head(&format!("content-length: {}\r\n", body.len())));
    client.send(slowly);
    refused(&client.answer(), Dialect::OpenAi, 408);
}

/// One failure would be enough to rest the key.
fn promise_15_a_stale_connection_is_not_counted(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["cooldown"] = json!({ "failures": 1, "server_error_ms": 600_000 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for _ in 0..3 {
        client.still_serves(&mut upstream);
        client.post(PATH, CHAT);
        upstream.next().close();
        upstream.next().json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
    }
    let key = weir.status()["providers"][0]["keys"][0].clone();
    assert_eq!((&key["health"], &key["models"]), (&json!("ok"), &json!([])), "{key}");
    let metrics = weir.admin("GET", "/metrics").text().to_owned();
    let rests = metrics.lines().find(|line| line.starts_with("weir_key_rests_total")).expect("the metric");
    assert!(rests.ends_with(" 0"), "{rests}");
}

/// One bad request after another, and after each a good one on a connection that was there and on a new one.
fn promise_12_the_next_request_is_served(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut kept = weir.client();
    let bad = [
        head("content-length: 5\r\ncontent-length: 6\r\n"),
        head("content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        head("transfer-encoding: chunked\r\n") + "-1\r\n",
        head("x : 1\r\n"),
        head("host: y\r\n"),
        head("content-length: 99999999999\r\n"),
    ];
    for raw in bad {
        let mut client = weir.client();
        client.wire.send_if_taken(&raw);
        assert!(matches!(client.answer().status(), 400 | 413), "{raw:?}");
        upstream.untouched();
        kept.still_serves(&mut upstream);
        weir.client().still_serves(&mut upstream);
    }
}

/// Which keys the next `count` requests are sent with.
fn keys_used(client: &mut Client, upstream: &mut Upstream, count: usize) -> Vec<String> {
    let used = (0..count).map(|_| {
        client.post(PATH, CHAT);
        let mut call = upstream.next();
        let key = call.head().field("authorization").expect("a key").to_owned();
        call.json(200, chat_answer("x"));
        assert_eq!(client.answer().status(), 200);
        key
    });
    used.collect()
}

/// One answer of the first key's, and whether the key is used afterwards.
fn promise_17_a_key_in_trouble_rests(driver: Driver) {
    for (status, after, rests) in [
        (401, "", true),
        (403, "", true),
        (429, "retry-after: 3600\r\n", true),
        (429, "retry-after: soon\r\n", true),
        (529, "retry-after: -5\r\n", true),
        (500, "", true),
        (400, "", false),
        (422, "", false),
    ] {
        let mut upstream = Upstream::new();
        let mut config = config("chat", &upstream);
        config["providers"]["up"]["keys"] = json!([UPSTREAM_KEY, SECOND_KEY]);
        config["cooldown"] = json!({ "failures": 1, "server_error_ms": 600_000, "rate_limited_ms": 600_000 });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        client.post(PATH, CHAT);
        let mut call = upstream.next();
        let blamed = call.head().field("authorization").expect("a key").to_owned();
        let error = json!({ "error": { "message": "no", "type": "error", "param": null, "code": null } }).to_string();
        let length = error.len();
        call.send(format!("HTTP/1.1 {status} No\r\n{after}content-length: {length}\r\n\r\n{error}"));
        if rests {
            upstream.next().json(200, chat_answer("second key"));
            assert_eq!(client.answer().status(), 200, "the other key after {status}");
        } else {
            assert_eq!(client.answer().status(), status);
        }
        let used = keys_used(&mut client, &mut upstream, 4);
        assert_eq!(!used.contains(&blamed), rests, "after {status} {after:?}: {blamed} in {used:?}");
    }
}

/// 256 MiB of one event without an end go through, or end the stream; they are not kept.
fn promise_18_an_endless_event_is_not_held(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    client.post(PATH, STREAM);
    let mut call = upstream.next();
    call.open("text/event-stream");
    call.chunk(chat_event("x"));
    assert_eq!(client.wire.head().status(), 200);
    weir.status();
    let before = own_bytes(weir.pid());
    let most = std::thread::scope(|scope| {
        let reader = scope.spawn(|| client.wire.body(Length::Chunked));
        let piece = "x".repeat(1 << 20);
        call.wire.send_if_taken(format!("{:x}\r\ndata: ", (256 << 20) + 6));
        let mut most = 0;
        for _ in 0..256 {
            call.wire.send_if_taken(&piece);
            most = most.max(own_bytes(weir.pid()).saturating_sub(before));
        }
        call.close();
        assert!(!reader.join().expect("a reader").1, "an event without an end looks complete");
        most
    });
    assert!(most < 200_000_000, "{most} bytes are held of an endless event");
    weir.client().still_serves(&mut upstream);
}

/// What says that it is gzip goes through as it is: a bomb costs its bytes and not what is in it.
fn promise_18_a_bomb_is_not_unpacked(driver: Driver) {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..256 {
        std::io::Write::write_all(&mut bomb, &vec![0; 1 << 20]).expect("into memory");
    }
    let bomb = bomb.finish().expect("into memory");
    let (weir, mut upstream) = relay(driver, "chat");
    weir.client().still_serves(&mut upstream);
    weir.status();
    let before = own_bytes(weir.pid());
    for (kind, request) in [("application/json", CHAT), ("text/event-stream", STREAM)] {
        let mut client = weir.client();
        client.post(PATH, request);
        let mut call = upstream.next();
        let length = bomb.len();
        let head = format!("content-type: {kind}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n");
        std::thread::scope(|scope| {
            scope.spawn(|| call.send([format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), &bomb].concat()));
            let answer = client.answer();
            assert_eq!(answer.head.field("content-encoding"), Some("gzip"));
            assert!(answer.whole && answer.body == bomb, "{kind}: {} bytes", answer.body.len());
        });
        let grown = own_bytes(weir.pid()).saturating_sub(before);
        assert!(grown < SLACK_BYTES, "{kind}: {grown} bytes");
    }
    weir.client().still_serves(&mut upstream);
}

/// As many as the limit are skipped, one more is an error, and so is a change of protocols that nobody asked for.
fn promise_19_interim_answers_have_an_end(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["retry"] = json!({ "rounds_max": 0 });
    config["cooldown"] = json!({ "failures": 100 });
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    let interims = |count: u32| "HTTP/1.1 102 Processing\r\n\r\n".repeat(count as usize);
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"ok\":1}";
    let most = weir::limits::INTERIM_MAX;
    for (answer, status) in [
        (interims(most) + last, 200),
        (interims(most + 1) + last, 502),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_owned(), 502),
    ] {
        client.post(PATH, CHAT);
        let mut call = upstream.next();
        call.wire.send_if_taken(&answer);
        assert_eq!(client.answer().status(), status, "{answer:?}");
    }
    client.still_serves(&mut upstream);
}

/// Killed in the middle of a stream: the stream does not look complete, and a new process serves at the same address
/// from the same folder.
fn promise_21_killed_it_serves_again(driver: Driver) {
    let mut upstream = Upstream::new();
    let folder = Folder::new();
    let address = own_address();
    let mut config = config("chat", &upstream);
    config["data_dir"] = json!(folder.path().join("data"));
    let mut weir = Weir::start_on(driver, config.clone(), address);
    let (mut client, _call) = with_open_stream(&weir, &mut upstream);
    weir.signal(libc::SIGKILL);
    assert!(!weir.exited().success());
    assert!(!client.wire.body(Length::Chunked).1, "a stream whose relay was killed looks complete");
    let start = Instant::now();
    let again = Weir::start_on(driver, config, address);
    again.client().still_serves(&mut upstream);
    assert!(start.elapsed() < BACK, "back after {:?}", start.elapsed());
    // The control socket of the killed one stands in nobody's way.
    let path = again.config_path();
    let reached = || match run(&["status", "-c", path.to_str().expect("text")]) {
        told if told.status.success() => Ok(()),
        told => Err(String::from_utf8_lossy(&told.stderr).into_owned()),
    };
    eventually(reached);
}

/// Sets the soft limit on descriptors of a process, and gives what it was.
pub fn limit_descriptors(pid: u32, soft: u64) -> u64 {
    let pid = i32::try_from(pid).expect("a pid");
    let mut was = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes the old limit into a structure of ours and reads nothing.
    assert_eq!(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &mut was) }, 0, "prlimit");
    let wanted = libc::rlimit { rlim_cur: soft, rlim_max: was.rlim_max };
    // SAFETY: the call reads a structure of ours and writes nothing.
    let done = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &wanted, std::ptr::null_mut()) };
    assert_eq!(done, 0, "prlimit");
    was.rlim_cur
}

/// The hard limit on descriptors of a process.
pub fn hard_limit(pid: u32) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: the call writes the limit into a structure of ours and reads nothing.
    assert_eq!(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &mut limit) }, 0, "prlimit");
    limit.rlim_max
}

/// The lowest descriptor that a process has free: a limit of this number leaves it none.
fn lowest_free(pid: u32) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("procfs");
    let open: Vec<u64> = open.flatten().filter_map(|fd| fd.file_name().to_str()?.parse().ok()).collect();
    (0..).find(|fd| !open.contains(fd)).expect("a number")
}

/// Time on a CPU that a process has had.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("procfs");
    let behind_name = stat.rsplit_once(')').expect("a name").1;
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum();
    // SAFETY: the call reads no memory.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).expect("a frequency");
    Duration::from_millis(ticks * 1_000 / per_second)
}

/// How often the cores of a process have gone to sleep: whatever wakes one is seen in it.
fn sleeps_of_cores(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("procfs").flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let cores = texts.filter(|text| text.starts_with("Name:\tcore-"));
    let field = |text: String| {
        text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:\t")?.parse::<u64>().ok())
    };
    cores.filter_map(field).sum::<u64>()
}

/// Connections that cannot be taken wait; a stream and a connection that were there go on; nothing turns in circles.
fn promise_26_without_descriptors_streams_live_on(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let (mut streaming, mut call) = with_open_stream(&weir, &mut upstream);
    let mut kept = weir.client();
    kept.still_serves(&mut upstream);
    // Who answers this has opened what a start opens, the store too.
    weir.usage(1);
    let was = limit_descriptors(weir.pid(), lowest_free(weir.pid()));
    let mut waiting: Vec<_> = (0..32).map(|_| weir.client()).collect();
    for client in &mut waiting {
        client.ask("GET", "/health", "", b"");
    }
    let event = chat_event("x");
    let (before, sleeps, start) = (cpu_time(weir.pid()), sleeps_of_cores(weir.pid()), Instant::now());
    while start.elapsed() < Duration::from_secs(1) {
        call.chunk(&event);
        assert_eq!(streaming.wire.payload(event.len()), event.as_bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    let (spent, passed) = (cpu_time(weir.pid()) - before, start.elapsed());
    assert!(spent < passed / 2, "{spent:?} on a CPU in {passed:?}, for 50 events and an accept that fails");
    // Some for each event, each tick and each accept that is tried again; without a pause it is a thousand and more.
    let (sleeps, most) =
        (sleeps_of_cores(weir.pid()) - sleeps, 8 * u64::try_from(passed.as_millis()).expect("ms") / 20);
    assert!(sleeps <= most, "the core went to sleep {sleeps} times in {passed:?}, {most} are for what it had to do");
    kept.still_serves(&mut upstream);
    // The first may have been taken: an accept that a ring had been given before keeps the limit of that time.
    let last = waiting[31].wire.stream();
    last.set_nonblocking(true).expect("nonblocking");
    let early = last.peek(&mut [0]);
    assert!(early.is_err(), "a connection was taken without a descriptor: {early:?}");
    last.set_nonblocking(false).expect("blocking");
    limit_descriptors(weir.pid(), was);
    for client in &mut waiting {
        assert_eq!(client.answer().status(), 200, "who waited is served");
    }
    weir.client().still_serves(&mut upstream);
}

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Sixty-four clients at once over some rounds. Some leave before the answer, some in the middle of it, in order or by
/// reset; the others keep their connections and get their own answers, whole.
fn promise_30_aborts_mix_up_no_answers(driver: Driver) {
    const CLIENTS: usize = 64;
    const ROUNDS: usize = 5;
    let (weir, mut upstream) = relay(driver, "chat");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut clients: Vec<Option<Client>> = (0..CLIENTS).map(|_| None).collect();
    for round in 0..ROUNDS {
        for (i, place) in clients.iter_mut().enumerate() {
            let stream = i % 2 == 0;
            let body = format!(r#"{{"model":"m{round}-{i}","messages":[],"stream":{stream}}}"#);
            place.get_or_insert_with(|| weir.client()).post(PATH, body);
        }
        let mut calls: Vec<_> = (0..CLIENTS).map(|_| upstream.next()).collect();
        let fates: Vec<_> = (0..CLIENTS).map(|_| dice.roll(6)).collect();
        leave(&mut clients, &fates, 0, &mut dice);
        for at in (1..CLIENTS).rev() {
            calls.swap(at, dice.roll(at as u64 + 1) as usize);
        }
        let answers: Vec<_> = calls.iter().map(|call| answer_to(&call.request.json())).collect();
        for (call, (_, answer)) in calls.iter_mut().zip(&answers) {
            call.wire.send_if_taken(&answer[..answer.len() / 2]);
        }
        leave(&mut clients, &fates, 1, &mut dice);
        for (call, (_, answer)) in calls.iter_mut().zip(&answers) {
            call.wire.send_if_taken(&answer[answer.len() / 2..]);
        }
        for (i, client) in clients.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            let answer = client.answer();
            assert!(answer.status() == 200 && answer.whole, "{round}-{i}");
            let own =
                answers.iter().find(|(name, _)| *name == format!("m{round}-{i}")).expect("a call for each client");
            assert!(own.1.ends_with(answer.text()), "{round}-{i} was answered {}", answer.text());
            assert!(answer.text().contains(&format!("\"m{round}-{i}\"")), "{}", answer.text());
        }
    }
    let all = (CLIENTS * ROUNDS) as u64;
    assert_eq!(weir.usage(all)["requests"], all, "each exchange is booked once");
    weir.client().still_serves(&mut upstream);
}

/// Clients of this fate leave, in order or by reset.
fn leave(clients: &mut [Option<Client>], fates: &[u64], fate: u64, dice: &mut Dice) {
    for (place, _) in clients.iter_mut().zip(fates).filter(|(_, own)| **own == fate) {
        let Some(client) = place.take() else { continue };
        if dice.roll(2) == 0 {
            socket2::SockRef::from(client.wire.stream()).set_linger(Some(Duration::ZERO)).expect("linger");
        }
    }
}

/// The model asked for, and an answer that names it; a stream goes to the end of its connection.
fn answer_to(request: &Value) -> (String, String) {
    let name = request["model"].as_str().expect("a name").to_owned();
    let body = match request["stream"] == true {
        true => chat_event(&name) + &crate::streams::chat_stop() + crate::streams::DONE,
        false => chat_answer(&name).to_string(),
    };
    let kind = if request["stream"] == true { "text/event-stream" } else { "application/json" };
    let length = body.len();
    (name, format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"))
}

/// While the provider is away requests are refused, none of them waits; once it is back, so is the service.
fn promise_32_an_outage_is_told_and_passes(driver: Driver) {
    let mut upstream = Upstream::new();
    let address = upstream.address;
    let weir = Weir::start(driver, config("chat", &upstream));
    let mut client = weir.client();
    client.still_serves(&mut upstream);
    drop(upstream);
    for _ in 0..10 {
        client.post(PATH, CHAT);
        let answer = client.answer();
        assert!(matches!(answer.status(), 502 | 503), "{}", answer.status());
        refused(&answer, Dialect::OpenAi, answer.status());
    }
    let mut upstream = Upstream::on(TcpListener::bind(address).expect("the same address"));
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| upstream.next().json(200, chat_answer("back")));
        eventually(|| {
            client.post(PATH, CHAT);
            let answer = client.answer();
            if answer.status() == 200 { Ok(()) } else { Err(answer.text().to_owned()) }
        });
    });
    assert!(start.elapsed() < BACK, "back after {:?}", start.elapsed());
    client.still_serves(&mut upstream);
}

/// Line breaks in a model, a path, a query and a field: each exchange has one line, and it begins as lines do.
fn promise_38_no_line_of_the_log_is_forged(driver: Driver) {
    for format in ["text", "json"] {
        let mut upstream = Upstream::new();
        let mut config = config("chat", &upstream);
        config["log"] = json!({ "format": format });
        let weir = Weir::start(driver, config);
        let mut client = weir.client();
        let forged = "2026-01-01T00:00:00.000Z  INFO forged";
        for ending in ["\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\u{1b}[2K\n"] {
            let body = json!({ "model": format!("m{ending}{forged}"), "messages": [] }).to_string();
            let target = format!("{PATH}?q=%0d%0a{}", forged.replace(' ', "%20"));
            client.post(&target, &body);
            upstream.next().json(200, chat_answer("x"));
            assert_eq!(client.answer().status(), 200);
        }
        weir.usage(6);
        let exchanges = |log: &str| log.lines().filter(|line| line.contains("total_us")).count();
        let log = eventually(|| match weir.log() {
            log if exchanges(&log) == 6 => Ok(log),
            log => Err(log),
        });
        for line in log.lines() {
            assert!(!line.starts_with(forged) && !line.contains('\u{1b}'), "{line:?}");
            assert!(format == "text" || serde_json::from_str::<Value>(line).is_ok(), "{line:?}");
        }
    }
}

/// Where an upstream would send the request is its own choice, and not where keys go.
fn promise_40_a_redirect_is_not_followed(driver: Driver) {
    for status in [301, 302, 307, 308] {
        let (weir, mut upstream) = relay(driver, "chat");
        let mut elsewhere = Upstream::new();
        let mut client = weir.client();
        client.post(PATH, CHAT);
        let location = elsewhere.url("/v1/chat/completions");
        upstream.next().send(format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
        let answer = client.answer();
        refused(&answer, Dialect::OpenAi, 502);
        assert_eq!(answer.head.field("location"), None);
        elsewhere.untouched();
        upstream.untouched();
    }
}

/// The table names only tests that there are, and every test that is named by a number stands in it.
#[test]
fn the_table_names_only_tests_that_exist() {
    let own = include_str!("promises.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relay");
    let files = std::fs::read_dir(folder).expect("the folder").flatten().filter(|file| file.path().is_file());
    let sources: String = files.map(|file| std::fs::read_to_string(file.path()).expect("a text")).collect();
    let is_listed = |name: &str| {
        let on_one_line = |line: &str| {
            let inside = line.strip_prefix("on_both_drivers!(").and_then(|line| line.strip_suffix(");"));
            inside.is_some_and(|names| names.split(", ").any(|listed| listed == name))
        };
        sources.lines().any(|line| on_one_line(line) || line.trim() == format!("{name},"))
    };
    let rows: Vec<&str> = own.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1).collect();
    let numbers: Vec<u32> =
        rows.iter().map(|row| row.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    for row in &rows {
        let tests = row.split_once(" | ").expect("two columns").1;
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).filter(|name| !name.ends_with("_ms")).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(sources.contains(&format!("fn {name}(driver: Driver)")) && is_listed(name), "no test {name}");
        }
    }
    for name in sources.lines().filter_map(|line| line.strip_prefix("fn promise_")) {
        let name = format!("`promise_{}`", name.split('(').next().unwrap_or_default());
        assert!(rows.iter().any(|row| row.contains(&name)), "{name} is in no row");
    }
}
