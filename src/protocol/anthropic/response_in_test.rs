use super::*;
use crate::protocol::anthropic::Anthropic;
use crate::protocol::failure::Fault;
use crate::protocol::ir::laws;

const TOOLS: &str = include_str!("../../../tests/golden/anthropic/upstream_tools.json");

#[test]
fn the_laws_hold_for_answers() {
    laws::answers_in::<Anthropic>(&[TOOLS, r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#]);
}

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
