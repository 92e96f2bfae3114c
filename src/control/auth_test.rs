use axum::http::HeaderValue;

use super::*;

const HERE: Caller = Caller::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const COST: u64 = limits::LOGIN_PAUSE_MS;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let value = |value: &str| HeaderValue::from_str(value).expect("a header value");
    fields.iter().map(|(name, text)| (header::HeaderName::from_static(name), value(text))).collect()
}

fn get(door: &mut Door, fields: &[(&'static str, &str)], password: Option<&Secret>, now_ms: u64) -> Result<(), Denied> {
    door.admit(HERE, &Method::GET, &headers(fields), password, now_ms)
}

#[test]
fn a_bearer_is_the_password_or_where_there_is_none_the_token() {
    let mut door = Door::new("token");
    let password = Secret::new("password");
    for (presented, password, expected) in [
        ("Bearer token", None, Ok(())),
        ("bearer  token ", None, Ok(())),
        ("Bearer password", Some(&password), Ok(())),
        ("Bearer token", Some(&password), Err(Denied::Credential)),
        ("Bearer tokem", None, Err(Denied::Credential)),
        ("Bearer ", None, Err(Denied::Credential)),
        ("Basic token", None, Err(Denied::Credential)),
        ("token", None, Err(Denied::Credential)),
    ] {
        assert_eq!(get(&mut door, &[("authorization", presented)], password, 0), expected, "{presented}");
    }
    assert_eq!(get(&mut door, &[], None, 0), Err(Denied::Credential));
    assert_eq!(door.admit(Caller::Owner, &Method::POST, &HeaderMap::new(), None, 0), Ok(()));
}

#[test]
fn a_session_lives_until_logout_its_end_or_another_password() {
    let mut door = Door::new("token");
    let (old, new) = (Secret::new("old"), Secret::new("new"));
    assert_eq!(door.login(HERE, "wrong", Some(&old), "r1", 0), Err(Denied::Credential));
    let set = door.login(HERE, "old", Some(&old), "r1", 0).expect("the right password");
    assert!(
        set.starts_with("weir_session=r1;") && set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    let cookie = [("cookie", "other=1; weir_session=r1")];
    assert_eq!(get(&mut door, &cookie, Some(&old), 1), Ok(()));
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r2")], Some(&old), 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &cookie, Some(&new), 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &cookie, Some(&old), limits::ADMIN_SESSION_MS), Err(Denied::Credential));
    door.logout(&headers(&cookie));
    assert_eq!(get(&mut door, &cookie, Some(&old), 1), Err(Denied::Credential));
}

#[test]
fn sessions_are_bounded_and_the_oldest_gives_way() {
    let mut door = Door::new("token");
    for session in 0..=limits::ADMIN_SESSIONS_MAX {
        door.login(HERE, "token", None, &format!("r{session}"), 0).expect("the right token");
    }
    assert_eq!(door.sessions.len(), limits::ADMIN_SESSIONS_MAX);
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r0")], None, 1), Err(Denied::Credential));
    assert_eq!(get(&mut door, &[("cookie", "weir_session=r1")], None, 1), Ok(()));
}

#[test]
fn another_origin_changes_nothing_with_our_cookie() {
    let mut door = Door::new("token");
    door.login(HERE, "token", None, "r", 0).expect("the right token");
    let mut post = |extra: &[(&'static str, &str)]| {
        let mut fields = vec![("cookie", "weir_session=r"), ("host", "localhost:7071")];
        fields.extend_from_slice(extra);
        door.admit(HERE, &Method::POST, &headers(&fields), None, 1)
    };
    assert_eq!(post(&[]), Ok(()));
    assert_eq!(post(&[("origin", "http://localhost:7071")]), Ok(()));
    assert_eq!(post(&[("origin", "http://localhost:3000")]), Err(Denied::Origin));
    assert_eq!(post(&[("origin", "null")]), Err(Denied::Origin));
    assert_eq!(post(&[("sec-fetch-site", "same-site")]), Err(Denied::Origin));
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]), Ok(()));
    assert_eq!(post(&[("authorization", "Bearer token"), ("origin", "http://localhost:3000")]), Ok(()));
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
    let mut door = Door::new("token");
    let there = Caller::Ip("2001:db8::1".parse().expect("an address"));
    let neighbour = Caller::Ip("2001:db8::2".parse().expect("an address"));
    let wrong = headers(&[("authorization", "Bearer wrong")]);
    let right = headers(&[("authorization", "Bearer token")]);
    for _ in 0..limits::LOGIN_FAILURES_FREE {
        assert_eq!(door.admit(there, &Method::GET, &wrong, None, 0), Err(Denied::Credential));
    }
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, 0), Err(Denied::Slow));
    assert_eq!(door.admit(neighbour, &Method::GET, &right, None, 0), Err(Denied::Slow), "the same /64");
    assert_eq!(door.admit(HERE, &Method::GET, &right, None, 0), Ok(()));
    assert_eq!(door.admit(there, &Method::GET, &wrong, None, COST - 1), Err(Denied::Slow), "one pause is not over yet");
    assert_eq!(door.admit(there, &Method::GET, &right, None, COST), Ok(()));
}

#[test]
fn the_table_of_failures_is_bounded() {
    let mut failures = Failures::default();
    for address in 0..limits::LOGIN_ADDRESSES_MAX as u32 * 2 {
        failures.count(IpAddr::V4(address.into()), 0);
    }
    assert!(failures.paid_ms.len() <= limits::LOGIN_ADDRESSES_MAX + 1);
    assert!(!failures.may_try("203.0.113.9".parse().expect("an address"), 0), "newcomers share one place");
    failures.count("203.0.113.9".parse().expect("an address"), u64::MAX / 2);
    assert_eq!(failures.paid_ms.len(), 1, "what is paid is forgotten");
}
