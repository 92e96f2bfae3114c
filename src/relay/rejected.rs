//! An upstream's answer that is an error: what it calls for, and what the caller would be told of it.

use std::borrow::Cow;

use super::attempt::Answered;
use super::failure::{Failure, fault_of};
use super::outgoing;
use super::wait::Client;
use crate::base::text::{beginning, replaced};
use crate::config::snapshot::{ErrorRule, Key};
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::json;
use crate::limits;
use crate::plan::retry::Verdict;
use crate::plan::{hints, retry};
use crate::protocol::failure::fits;
use crate::protocol::{self, Dialect};
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

/// What the caller would be told if it is the last. The lane and the buffer go back.
pub(super) fn failure<N: Net>(
    client: &Client<N>,
    answered: Answered<N::Stream>,
    fields: &Fields,
    verdict: Verdict,
    key: &Key,
    own: Option<Dialect>,
) -> Failure {
    let status = answered.head.status;
    let body = &answered.buffer[answered.payload.clone()];
    let secrets = || key.secrets();
    let is_quoted = answered.ended && !matches!(status, 0..=399 | 401 | 403 | 529) && is_quotable(own, body);
    let failure = Failure {
        verdict,
        fault: fault_of(status),
        status,
        message: match status {
            401 | 403 => "it refused its key".into(),
            300..=399 => "it answered with a redirect, which is not followed".into(),
            _ if is_quoted || !answered.ended => format!("it answered {status}").into(),
            _ => told(status, body, secrets()).into(),
        },
        body: is_quoted.then(|| masked(body, secrets())),
        retry_after: fields.value(&answered.buffer, Name::RetryAfter).map(Box::from),
        upstream_id: outgoing::upstream_id(&answered.buffer, fields).map(Box::from),
    };
    let Answered { lane, buffer, ended, reusable, .. } = answered;
    client.core.slabs.give(buffer);
    if ended && reusable {
        client.core.lanes.give(lane, client.core.alarms.now_ms());
    }
    failure
}

/// What an upstream says under `status` in words of another dialect than the caller's, or in none.
fn told<'a>(status: u16, body: &[u8], secrets: impl Iterator<Item = &'a [u8]>) -> String {
    let said = match json::value(body) {
        Ok(_) => protocol::chat::error::failure(status, body).message,
        Err(_) => Cow::Borrowed(""),
    };
    let said = String::from_utf8_lossy(&masked(said.as_bytes(), secrets)).into_owned();
    match beginning(&said, limits::ERROR_QUOTED_BYTES) {
        "" => format!("it answered {status}"),
        said => format!("it answered {status}: {said}"),
    }
}

/// A failure that an error under 200 is, without the secret; its words only where they are the caller's `own`.
pub(super) fn cleaned(failure: Failure, own: Option<Dialect>, key: &Key) -> Failure {
    let body = failure.body.filter(|body| own.is_none_or(|own| fits(own, body)));
    Failure { body: body.map(|body| masked(&body, key.secrets())), ..failure }
}

/// Whether a body may be repeated: an error of the caller's `own` dialect, or, where it is read and written anew, of
/// any: an object with a member `error`, or a list.
fn is_quotable(own: Option<Dialect>, body: &[u8]) -> bool {
    let body = body.trim_ascii();
    match own {
        Some(own) => fits(own, body),
        None => json::value(body).is_ok() && (body.starts_with(b"[") || json::find(body, "error").is_some()),
    }
}

/// An event that is an error, without the secrets of `key`; nothing where none stands in it.
pub(super) fn cleaned_event(event: &[u8], key: &Key) -> Option<Vec<u8>> {
    let clean = masked(event, key.secrets());
    (clean != event).then_some(clean)
}

/// `body` with every occurrence of these made unreadable.
fn masked<'a>(body: &[u8], secrets: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    secrets.filter(|secret| !secret.is_empty()).fold(body.to_vec(), |body, secret| replaced(&body, secret, b"***"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_key_in_an_error_body_is_masked() {
        let both = || [&b"sk-1"[..], b"tenant-7"].into_iter();
        assert_eq!(masked(b"{\"error\":\"bad sk-1, sk-1\"}", both()), b"{\"error\":\"bad ***, ***\"}");
        assert_eq!(masked(b"sk-1tenant-7 tenant", both()), b"****** tenant");
        assert_eq!(masked(b"{}", std::iter::once(&b""[..])), b"{}");
    }

    #[test]
    fn error_bodies_are_told_from_pages() {
        assert!(is_quotable(None, b" {\"error\":{\"message\":\"no\"}}\n"));
        assert!(is_quotable(None, b"[{\"error\":{}}]"));
        for other in [&b"<html>"[..], b"{\"message\":1}", b"{\"error\":", b""] {
            assert!(!is_quotable(None, other) && !is_quotable(Some(Dialect::Chat), other));
        }
        let own = b"{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":null,\"code\":null}}";
        assert!(is_quotable(Some(Dialect::Chat), own) && !is_quotable(Some(Dialect::Anthropic), own));
    }

    #[test]
    fn words_of_another_dialect_are_told() {
        for (body, said) in [
            (&b"{\"error\":{\"message\":\"no sk-1\"}}"[..], "it answered 500: no ***"),
            (b"{\"error\":\"sk-1\"}", "it answered 500: ***"),
            (b"{\"detail\":\"gone\"}", "it answered 500: gone"),
            (b"<html>sk-1</html>", "it answered 500"),
            (b"\xff", "it answered 500"),
            (b"{}", "it answered 500"),
            (b"", "it answered 500"),
        ] {
            assert_eq!(told(500, body, std::iter::once(&b"sk-1"[..])), said);
        }
        for (bytes, over) in [(limits::ERROR_QUOTED_BYTES, false), (limits::ERROR_QUOTED_BYTES + 1, true)] {
            let said = "x".repeat(bytes);
            let quoted = if over { &said[1..] } else { &said };
            let body = format!("{{\"error\":\"{said}\"}}");
            assert_eq!(told(500, body.as_bytes(), std::iter::empty()), format!("it answered 500: {quoted}"));
        }
    }
}
