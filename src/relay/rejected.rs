//! An upstream's answer that is an error: what it calls for, and what the caller would be told of it.

use memchr::memmem;

use super::attempt::Answered;
use super::failure::{Failure, fault_of};
use super::hold::EMPTY;
use super::wait::Client;
use crate::config::snapshot::ErrorRule;
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::json;
use crate::plan::retry::Verdict;
use crate::plan::{hints, retry};
use crate::rt::Net;

/// The verdict on an answer that has begun; nothing where it is one to pass on.
pub(super) fn verdict<S>(
    answered: &Answered<S>,
    fields: &Fields,
    rules: &[ErrorRule],
    unix_ms: impl FnOnce() -> u64,
) -> Option<Verdict> {
    let status = answered.head.status;
    if (200..300).contains(&status) {
        return None;
    }
    let body = &answered.buffer[answered.payload.clone()];
    let hint_ms = hints::wait_ms(status, &answered.buffer[..answered.head.len], fields, body, unix_ms());
    let verdict = retry::of_answer(status, body, hint_ms)?;
    Some(retry::ruled(rules, status, body, verdict))
}

/// The failure that an answer is which says nothing, where somebody else can be asked. The lane and the buffer go back.
pub(super) fn hollow<N: Net>(client: &Client<N>, answered: Answered<N::Stream>) -> Failure {
    give_back(client, answered);
    Failure::broken(EMPTY)
}

fn give_back<N: Net>(client: &Client<N>, answered: Answered<N::Stream>) {
    let Answered { lane, buffer, ended, reusable, .. } = answered;
    client.core.slabs.give(buffer);
    if ended && reusable {
        client.core.lanes.give(lane, client.core.alarms.now_ms());
    }
}

/// What the caller would be told if it is the last. The lane and the buffer go back.
pub(super) fn failure<N: Net>(
    client: &Client<N>,
    answered: Answered<N::Stream>,
    fields: &Fields,
    verdict: Verdict,
    secret: &[u8],
) -> Failure {
    let status = answered.head.status;
    let body = &answered.buffer[answered.payload.clone()];
    let is_quoted = answered.ended && !matches!(status, 0..=399 | 401 | 403 | 529) && is_error(body);
    let failure = Failure {
        verdict,
        fault: fault_of(status),
        status,
        message: match status {
            401 | 403 => "it refused its key".into(),
            300..=399 => "it answered with a redirect, which is not followed".into(),
            _ => format!("it answered {status}").into(),
        },
        body: is_quoted.then(|| masked(body, secret)),
        retry_after: fields.value(&answered.buffer, Name::RetryAfter).map(<[u8]>::to_vec),
    };
    give_back(client, answered);
    failure
}

/// Whether a body is an error as all dialects write one: a JSON object with a member `error`, or a list of such.
pub(super) fn is_error(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    json::value(body).is_ok() && (body.starts_with(b"[") || json::find(body, "error").is_some())
}

/// `body` with every occurrence of `secret` made unreadable.
pub(super) fn masked(body: &[u8], secret: &[u8]) -> Vec<u8> {
    if secret.is_empty() {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memmem::find_iter(body, secret) {
        out.extend_from_slice(&body[from..at]);
        out.extend_from_slice(b"***");
        from = at + secret.len();
    }
    out.extend_from_slice(&body[from..]);
    out
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_key_in_an_error_body_is_masked() {
        assert_eq!(masked(b"{\"error\":\"bad sk-1, sk-1\"}", b"sk-1"), b"{\"error\":\"bad ***, ***\"}");
        assert_eq!(masked(b"{}", b""), b"{}");
    }

    #[test]
    fn error_bodies_are_told_from_pages() {
        assert!(is_error(b" {\"error\":{\"message\":\"no\"}}\n"));
        assert!(is_error(b"[{\"error\":{}}]"));
        for other in [&b"<html>"[..], b"{\"message\":1}", b"{\"error\":", b""] {
            assert!(!is_error(other));
        }
    }
}
