use super::*;
use crate::protocol::failure::Fault;

#[test]
fn conversion_44_an_error_with_a_good_status_is_one() {
    for body in [
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#,
        r#"{"error":{"type":"rate_limit_error","message":"slow"}}"#,
    ] {
        let mut told = Vec::new();
        response(body.as_bytes(), &mut |event| match event {
            Event::Fail(failure) => told.push((failure.fault, failure.message.into_owned())),
            other => panic!("{other:?}"),
        })
        .unwrap();
        assert_eq!(told, [(Fault::RateLimited, "slow".to_owned())]);
    }
}

#[test]
fn what_is_no_answer_is_refused_before_anything_is_told() {
    for body in ["", "{", "{}", "[]", r#"{"content":"x"}"#] {
        assert!(response(body.as_bytes(), &mut |event| panic!("{event:?}")).is_err(), "{body}");
    }
}
