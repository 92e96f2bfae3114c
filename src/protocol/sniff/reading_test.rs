//! In turns as in one go, and the bounds of a request.

use super::*;
use crate::protocol::sniff::splice;

const CHAT: Endpoint = Endpoint::ChatCompletions;

#[test]
fn a_body_may_come_in_any_pieces() {
    let json =
        br#" {"model":"a","messages":[{"content":"model"}],"stream":true,"stream_options":{"include_usage":true}} "#;
    let form: &[u8] =
        b"--b-\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b\r\n--b-\r\n\r\nx\r\n--b-\r\n\
        content-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b-\r\n\
        content-disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b---\r\n";
    for (body, kind) in [(&json[..], &b"application/json"[..]), (form, b"multipart/form-data; boundary=b-")] {
        let whole = whole(Reading::new(CHAT, kind, false), body).unwrap().0;
        assert_eq!((whole.models.len(), whole.stream), (1, Some(true)));
        for step in 1..body.len() {
            let mut reading = Reading::new(CHAT, kind, false);
            for cut in (0..body.len()).step_by(step) {
                assert_eq!(reading.advance(&body[..cut], false), Ok(true), "{cut}");
            }
            assert_eq!(reading.advance(body, true), Ok(true));
            assert_eq!(reading.finish().0, whole, "pieces of {step}");
        }
    }
}

/// What a core does in one go is bounded whatever the body, so that its other sessions have their turn.
#[test]
fn a_large_body_is_read_in_turns() {
    let turn = limits::READ_TURN_BYTES;
    let bodies: [(&[u8], Vec<u8>); 4] = [
        (b"", [&b"{\"a\":["[..], &b"[],".repeat(turn), b"0]}"].concat()),
        (b"", [&b"{\"a\":\""[..], &b"x".repeat(3 * turn), b"\"}"].concat()),
        (b"", [&b"{\"a\":"[..], &b"1".repeat(3 * turn), b"}"].concat()),
        (b"multipart/form-data; boundary=b", [&b"--b\r\n\r\n"[..], &b"--b".repeat(turn), b"\r\n--b--"].concat()),
    ];
    for (kind, body) in bodies {
        let mut reading = Reading::new(CHAT, kind, false);
        let mut turns = 1;
        while !reading.advance(&body, true).unwrap() {
            assert_eq!(reading.seen, turns * turn);
            turns += 1;
        }
        assert_eq!(turns, body.len().div_ceil(turn));
    }
}

#[test]
fn an_unfit_body_stays_unfit() {
    let mut reading = Reading::new(CHAT, b"", false);
    let unfit = reading.advance(b"{\"a\":x", false).unwrap_err();
    assert_eq!(unfit, Unfit::Json(json::Error { at: 5, kind: json::ErrorKind::Value }));
    assert_eq!(reading.advance(b"{\"a\":x}", true), Err(unfit));
}

#[test]
fn members_and_options_are_bounded() {
    let body = |members: usize| format!("{{{}\"n\":0}}", "\"model\":\"m\",".repeat(members - 1));
    let most = body(limits::REQUEST_MEMBERS_MAX);
    let asked = request(CHAT, most.as_bytes()).unwrap();
    let mut out = Vec::new();
    splice(&asked, most.as_bytes(), Some("new"), false).write_to(&mut out);
    assert_eq!(out, most.replace("\"m\"", "\"new\"").into_bytes());
    assert_eq!(request(CHAT, body(limits::REQUEST_MEMBERS_MAX + 1).as_bytes()), Err(Unfit::Crowded));

    let body = |bytes: usize| format!("{{\"stream_options\":{{\"a\":\"{}\"}}}}", "x".repeat(bytes - 8));
    assert!(request(CHAT, body(limits::STREAM_OPTIONS_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(request(CHAT, body(limits::STREAM_OPTIONS_BYTES_MAX + 1).as_bytes()), Err(Unfit::Options));
}

#[test]
fn the_head_of_a_part_is_bounded() {
    let kind = b"multipart/form-data; boundary=b";
    let body = |bytes: usize| format!("--b\r\n{}\r\n\r\nv\r\n--b--", "h".repeat(bytes - 4));
    assert_eq!(form(CHAT, kind, body(limits::PART_HEAD_BYTES_MAX).as_bytes()).map(|form| form.is_ok()), Some(true));
    assert_eq!(form(CHAT, kind, body(limits::PART_HEAD_BYTES_MAX + 1).as_bytes()), Some(Err(NotForm)));
}

#[test]
fn a_name_of_any_length_is_read_in_part() {
    let long = "n".repeat(limits::READ_TURN_BYTES);
    let body = format!("{{\"model\":\"{long}\"}}");
    let model = request(CHAT, body.as_bytes()).unwrap().model(body.as_bytes()).into_owned();
    assert!(model.len() > limits::MODEL_NAME_BYTES_MAX && model.len() < 10 * limits::MODEL_NAME_BYTES_MAX);
}
