use super::*;

fn body(thread: &Thread, message: &str) -> String {
    String::from_utf8(thread.read(message.as_bytes()).expect("a request").body).unwrap()
}

fn refused(thread: &Thread, message: &str) -> String {
    thread.read(message.as_bytes()).expect_err("no request").to_string()
}

/// conversion.md 38: a provider that keeps nothing is told all.
#[test]
fn conversion_38_a_client_says_what_is_new_and_the_provider_hears_all() {
    let mut thread = Thread::default();
    let first = thread.read(br#"{"type":"response.create","model":"m","input":"hi","store":false}"#).unwrap();
    let hi = r#"{"role":"user","content":"hi"}"#;
    assert_eq!(
        String::from_utf8(first.body.clone()).unwrap(),
        format!(r#"{{"stream":true,"model":"m","store":false,"input":[{hi}]}}"#)
    );
    thread.answered(b"resp_1", first.items, br#"{"type":"message","id":"msg_1"}"#);
    let more = r#"{"type":"response.create","model":"m","previous_response_id":"resp_1","input":[ {"type":"x"} ]}"#;
    let all =
        format!(r#"{{"stream":true,"model":"m","input":[{hi},{{"type":"message","id":"msg_1"}},{{"type":"x"}}]}}"#);
    assert_eq!(body(&thread, more), all);
    assert_eq!(body(&thread, r#"{"type":"response.append","model":"m","input":[{"type":"x"}]}"#), all);
    // Whoever names none begins anew.
    assert_eq!(
        body(&thread, r#"{"type":"response.create","input":[],"previous_response_id":null}"#),
        r#"{"stream":true,"previous_response_id":null,"input":[]}"#
    );
}

#[test]
fn an_answer_that_was_not_seen_here_is_the_providers_to_know() {
    let mut thread = Thread::default();
    thread.answered(b"resp_1", Some(b"1".to_vec()), b"2");
    let asked = thread.read(br#"{"type":"response.create","previous_response_id":"resp_9","input":[3]}"#).unwrap();
    assert_eq!(asked.items, None);
    assert!(String::from_utf8(asked.body).unwrap().contains(r#""previous_response_id":"resp_9""#));
    // What went before its answer is not known either, so nothing is said twice or left out later.
    thread.answered(b"resp_10", asked.items, b"4");
    let next = br#"{"type":"response.create","previous_response_id":"resp_10","input":[5]}"#;
    let body = thread.read(next).unwrap().body;
    assert!(String::from_utf8(body).unwrap().ends_with(r#""previous_response_id":"resp_10","input":[5]}"#));
}

#[test]
fn what_is_kept_has_a_bound() {
    let id = br#"{"type":"response.create","previous_response_id":"r"}"#;
    for (bytes, kept) in [(limits::SOCKET_KEPT_BYTES_MAX - 2, true), (limits::SOCKET_KEPT_BYTES_MAX - 1, false)] {
        let mut thread = Thread::default();
        thread.answered(b"r", Some(vec![b'1'; bytes]), b"2");
        assert_eq!(thread.read(id).unwrap().items.is_some(), kept);
    }
}

#[test]
fn messages_that_are_none_are_refused() {
    let thread = Thread::default();
    assert!(refused(&thread, "{").starts_with("the message is no JSON"));
    assert_eq!(refused(&thread, "[]"), "the message is no object");
    assert_eq!(refused(&thread, r#"{"type":"response.steer"}"#), "type: must be response.create");
    assert_eq!(refused(&thread, r#"{"type":"response.append"}"#), "type: there is no answer to append to");
    assert_eq!(refused(&thread, r#"{"type":"response.create","input":1}"#), "input: must be a string or an array");
    let mut out = Vec::new();
    refusal(&bad("type", "must be \"x\""), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"type":"invalid_request_error","code":null,"param":"type","message":"type: must be \"x\""}"#
    );
}
