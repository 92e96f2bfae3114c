use axum::http::HeaderValue;

use super::*;

const HERE: Caller = Caller::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const COST: u64 = limits::LOGIN_PAUSE_MS;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let value = |value: &str| HeaderValue::from_str(value).expect("a header value");
    fields.iter().map(|(name, text)| (header::HeaderName::from_static(name), value(text))).collect()
}

fn get(
    door: &mut Door,
    fields: &[(&'static str, &str)],
    password: Option<&Secret>,
    now_ms: u64,
) -> Result<Checked, Denied> {
    door.admit(HERE, &Method::GET, &headers(fields), password, now_ms)
}

#[test]
fn a_bearer_is_the_password_or_where_there_is_none_the_token() {
    let mut door = Door::new(Some(Token::of("token")));
    let password = Secret::new("password");
    for (presented, password, expected) in [
        ("Bearer token", None, Ok(Checked::Right)),
        ("bearer  token ", None, Ok(Checked::Right)),
        ("Bearer password", Some(&password), Ok(Checked::Right)),
        ("Bearer token", Some(&password), Err(Denied::Credential)),
        ("Bearer tokem", None, Err(Denied::Credential)),
        ("Bearer ", None, Err(Denied::Credential)),
        ("Basic token", None, Err(Denied::Credential)),
        ("token", None, Err(Denied::Credential)),
    ] {
        assert_eq!(get(&mut door, &[("authorization", presented)], password, 0), expected, "{presented}");
    }
    assert_eq!(get(&mut door, &[], None, 0), Err(Denied::Credential));
    assert_eq!(door.admit(Caller::Owner, &Method::POST, &HeaderMap::new(), None, 0), Ok(Checked::Right));
}

#[test]
fn a_session_lives_until_logout_its_end_or_another_password() {
    let mut door = Door::new(Some(Token::of("token")));
    let (old, new) = (Secret::new("old"), Secret::new("new"));
    assert_eq!(door.present(HERE, "wrong", Some(&old), 0), Err(Denied::Credential));
    assert_eq!(door.present(HERE, "old", Some(&old), 0), Ok(Checked::Right));
    let set = door.open(Some(&old), "r1", 0).expect("a password");
    assert!(
        set.starts_with("weir_session=r1;") && set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    let cookie = [("cookie", "other=1; weir_session=r1")];
    assert_eq!(get(&mut door, &cookie, Some(&old), 1), Ok(Checked::Right));
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r2")], Some(&old), 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &cookie, Some(&new), 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &cookie, Some(&old), limits::ADMIN_SESSION_MS), Err(Denied::Credential));
    door.logout(&headers(&cookie), Some(&old));
    assert_eq!(get(&mut door, &cookie, Some(&old), 1), Err(Denied::Credential));
}

#[test]
fn sessions_outlive_their_process_but_not_their_credential() {
    let mut door = Door::new(None);
    let (password, other) = (Secret::new("password"), Secret::new("other"));
    door.open(Some(&password), "r1", 0).expect("a password");
    let kept = serde_json::to_vec(&door.said()).expect("JSON");
    let text = String::from_utf8_lossy(&kept);
    assert!(!text.contains("r1") && !text.contains("password"), "{text}");
    let mut next = Door::new(None);
    next.recall(serde_json::from_slice(&kept).expect("what was kept"));
    let cookie = [("cookie", "weir_session=r1")];
    assert_eq!(get(&mut next, &cookie, Some(&password), 1), Ok(Checked::Right));
    assert_eq!(get(&mut next, &cookie, Some(&other), 1), Err(Denied::Credential));
    assert_eq!(get(&mut next, &cookie, Some(&password), limits::ADMIN_SESSION_MS), Err(Denied::Credential));
    next.logout(&headers(&cookie), Some(&password));
    assert!(next.said().is_empty());
}

#[test]
fn sessions_are_bounded_and_the_oldest_gives_way() {
    let mut door = Door::new(Some(Token::of("token")));
    for session in 0..=limits::ADMIN_SESSIONS_MAX {
        door.open(None, &format!("r{session}"), 0).expect("a token");
    }
    assert_eq!(door.sessions.len(), limits::ADMIN_SESSIONS_MAX);
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r0")], None, 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r1")], None, 1), Ok(Checked::Right));
}

#[test]
fn another_origin_changes_nothing_with_our_cookie() {
    let mut door = Door::new(Some(Token::of("token")));
    door.open(None, "r", 0).expect("a token");
    let mut post = |extra: &[(&'static str, &str)]| {
        let mut fields = vec![("cookie", "weir_session=r"), ("host", "localhost:7071")];
        fields.extend_from_slice(extra);
        door.admit(HERE, &Method::POST, &headers(&fields), None, 1)
    };
    assert_eq!(post(&[]), Ok(Checked::Right));
    assert_eq!(post(&[("origin", "http://localhost:7071")]), Ok(Checked::Right));
    assert_eq!(post(&[("origin", "http://localhost:3000")]), Err(Denied::Origin));
    assert_eq!(post(&[("origin", "null")]), Err(Denied::Origin));
    assert_eq!(post(&[("sec-fetch-site", "same-site")]), Err(Denied::Origin));
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]), Ok(Checked::Right));
    assert_eq!(post(&[("authorization", "Bearer token"), ("origin", "http://localhost:3000")]), Ok(Checked::Right));
}

#[test]
fn hosts_are_loopback_names_and_the_address_listened_on() {
    let lan = "192.168.1.5".parse().ok();
    let all = "::".parse().ok();
    for (host, listening, ours) in [
        ("localhost:7071", lan, true),
        ("LOCALHOST", lan, true),
        ("127.0.0.1:7071", None, true),
        ("[::1]:7071", None, true),
        ("[::1]", None, true),
        ("192.168.1.5:7071", lan, true),
        ("[::ffff:192.168.1.5]:7071", lan, true),
        ("192.168.1.6:7071", lan, false),
        ("192.168.1.6:7071", all, true),
        ("evil.example:7071", all, false),
        ("localhost.evil.example", all, false),
        ("evil.example", lan, false),
        ("[::1", None, false),
        ("[::1]x", None, false),
        ("", all, false),
    ] {
        assert_eq!(host_is_ours(&headers(&[("host", host)]), listening), ours, "{host}");
    }
    assert!(!host_is_ours(&HeaderMap::new(), None));
    assert!(!host_is_ours(&headers(&[("host", "localhost"), ("host", "evil.example")]), None));
}

#[test]
fn failures_slow_their_address_and_no_other() {
    let mut door = Door::new(Some(Token::of("token")));
    let there = Caller::Ip("2001:db8::1".parse().expect("an address"));
    let neighbour = Caller::Ip("2001:db8::2".parse().expect("an address"));
    let wrong = headers(&[("authorization", "Bearer wrong")]);
    let right = headers(&[("authorization", "Bearer token")]);
    let slow = |wait_ms| Err(Denied::Slow { wait_ms });
    for _ in 0..limits::LOGIN_FAILURES_FREE {
        assert_eq!(door.admit(there, &Method::GET, &wrong, None, 0), Err(Denied::Credential));
    }
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, 0), slow(COST));
    assert_eq!(door.admit(neighbour, &Method::GET, &right, None, 0), slow(COST), "the same /64");
    assert_eq!(door.admit(HERE, &Method::GET, &right, None, 0), Ok(Checked::Right));
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, COST - 1), slow(1), "the pause is not over yet");
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, COST), Err(Denied::Credential));
    assert_eq!(door.admit(there, &Method::GET, &right, None, COST), slow(2 * COST), "twice as long");
    assert_eq!(door.admit(there, &Method::GET, &right, None, 3 * COST), Ok(Checked::Right));
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, 3 * COST), Err(Denied::Credential), "all is good again");
}

#[test]
fn a_guesser_is_locked_out_and_later_forgotten() {
    let mut failures = Failures::default();
    let there: IpAddr = "203.0.113.9".parse().expect("an address");
    let (mut now_ms, mut tries) = (0, 0);
    while now_ms < 24 * 3_600_000 {
        match failures.may_try(there, now_ms) {
            Ok(()) => (failures.count(there, now_ms), tries += 1).1,
            Err(wait_ms) => now_ms += wait_ms,
        }
    }
    assert!(tries < 120, "{tries} guesses in a day");
    now_ms += 2 * limits::LOGIN_LOCK_MS + 1;
    failures.count(there, now_ms);
    assert_eq!(failures.may_try(there, now_ms), Ok(()));
}

#[test]
fn a_token_of_which_the_hash_is_known_is_compared_elsewhere() {
    let token = |hash: &str| {
        let mut token = Token::of("");
        token.hash = hash.into();
        token
    };
    let mut door = Door::new(Some(token("hash")));
    let bearer = [("authorization", "Bearer token")];
    let Ok(Checked::Unsure { hash, presented }) = get(&mut door, &bearer, None, 0) else { panic!("it cannot know") };
    assert_eq!(door.settle(HERE, &presented, &hash, false), Err(Denied::Credential));
    assert_eq!(door.settle(HERE, &presented, "another", true), Err(Denied::Credential));
    assert_eq!(door.settle(HERE, &presented, &hash, true), Ok(()));
    assert_eq!(get(&mut door, &bearer, None, 0), Ok(Checked::Right));
    assert!(matches!(get(&mut door, &[("authorization", "Bearer other")], None, 0), Ok(Checked::Unsure { .. })));
    let cookie = [("cookie", "weir_session=r")];
    door.open(None, "r", 0).expect("a token");
    assert_eq!(get(&mut door, &cookie, None, 1), Ok(Checked::Right));
    door.token = Some(token("new"));
    assert_eq!(get(&mut door, &cookie, None, 1), Err(Denied::Credential), "another token ends its sessions");
}

#[test]
fn the_table_of_failures_is_bounded() {
    let mut failures = Failures::default();
    for address in 0..limits::LOGIN_ADDRESSES_MAX as u32 * 2 {
        failures.count(IpAddr::V4(address.into()), 0);
    }
    assert!(failures.of.len() <= limits::LOGIN_ADDRESSES_MAX + 1);
    assert!(failures.may_try("203.0.113.9".parse().expect("an address"), 0).is_err(), "newcomers share one place");
    failures.count("203.0.113.9".parse().expect("an address"), u64::MAX / 2);
    assert_eq!(failures.of.len(), 1, "what is long ago is forgotten");
}
