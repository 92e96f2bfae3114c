//! Reads an error as Google tells it: a `google.rpc.Status` under `error`, mostly in an array of one where a stream was
//! asked for.
//!
//! The canonical code says more than the status that it came with: a wrong key is 400 here, and `UNAVAILABLE` is an
//! overload. Total: what is no such object is judged by its status, and a text that is no JSON is no message.

use std::borrow::Cow;

use crate::json::Raw;
use crate::protocol::failure::Fault;
use crate::protocol::ir::Failure;

/// Reads an error body. Total: what cannot be read is judged by its status.
pub fn failure(status: u16, body: &[u8]) -> Failure<'_> {
    let Ok(whole) = Raw::parse(body) else { return judged(status) };
    let first = whole.elements().next().unwrap_or(whole);
    read(status, first.find("error").unwrap_or(first))
}

/// Reads the value of `error`; `status` is 0 where there is none.
pub(super) fn read(status: u16, error: Raw<'_>) -> Failure<'_> {
    let (mut message, mut code, mut number, mut reason) = (Cow::Borrowed(""), Cow::Borrowed(""), None, None);
    if let Some(text) = error.as_str() {
        message = text.decode();
    }
    for (name, value) in error.members() {
        match (name.bytes(), value.as_str()) {
            (b"message", Some(text)) => message = text.decode(),
            (b"status", Some(text)) => code = text.decode(),
            (b"code", None) => number = value.as_u64().and_then(|code| u16::try_from(code).ok()),
            (b"details", None) => {
                reason = value.elements().filter_map(|detail| detail.find("reason")?.as_str()).next();
            }
            _ => {}
        }
    }
    let status = if status < 400 { number.unwrap_or(status) } else { status };
    if reason.is_some_and(|reason| reason.eq_str("API_KEY_INVALID")) {
        return Failure { fault: Fault::Authentication, message, code };
    }
    let fault = named(&code).unwrap_or_else(|| judged(status).fault);
    match message.is_empty() {
        true => Failure { fault, code, ..judged(status) },
        false => Failure { fault, message, code },
    }
}

fn judged(status: u16) -> Failure<'static> {
    let fault = if status < 400 { Fault::BadGateway } else { Fault::of_status(status) };
    let message = match status {
        0 => "the upstream told an error".into(),
        status => format!("the upstream answered with status {status}").into(),
    };
    Failure { fault, message, code: "".into() }
}

/// The fault that a name of `google.rpc.Code` stands for.
fn named(code: &str) -> Option<Fault> {
    Some(match code {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "ALREADY_EXISTS" => Fault::InvalidRequest,
        "UNAUTHENTICATED" => Fault::Authentication,
        "PERMISSION_DENIED" => Fault::Permission,
        "NOT_FOUND" => Fault::UnknownModel,
        "RESOURCE_EXHAUSTED" => Fault::RateLimited,
        "UNAVAILABLE" => Fault::Overloaded,
        "DEADLINE_EXCEEDED" => Fault::Timeout,
        "UNIMPLEMENTED" => Fault::NotImplemented,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => Fault::Internal,
        _ => return None,
    })
}

/// Fails with `message` of the vendor, in his own word for it.
pub(super) fn told(fault: Fault, message: &'static str, code: &'static str) -> Failure<'static> {
    Failure { fault, message: message.into(), code: code.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_43_errors_are_read_in_all_their_forms() {
        let key = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        let quota = r#"[{"error":{"code":429,"message":"slow \"down\"","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}]"#;
        for (status, body, fault, message, code) in [
            (400, key, Fault::Authentication, "API key not valid.", "INVALID_ARGUMENT"),
            (429, quota, Fault::RateLimited, "slow \"down\"", "RESOURCE_EXHAUSTED"),
            (200, quota, Fault::RateLimited, "slow \"down\"", "RESOURCE_EXHAUSTED"),
            (
                503,
                r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#,
                Fault::Overloaded,
                "m",
                "UNAVAILABLE",
            ),
            (404, r#"{"error":{"message":"m","status":"NOT_FOUND"}}"#, Fault::UnknownModel, "m", "NOT_FOUND"),
            (200, r#"{"error":{"code":504,"message":"m"}}"#, Fault::Timeout, "m", ""),
            (200, r#"{"error":{}}"#, Fault::BadGateway, "the upstream answered with status 200", ""),
            (403, r#"{"error":"no"}"#, Fault::Permission, "no", ""),
            (500, "<html>", Fault::Internal, "the upstream answered with status 500", ""),
            (429, "[]", Fault::RateLimited, "the upstream answered with status 429", ""),
        ] {
            let failure = failure(status, body.as_bytes());
            assert_eq!((failure.fault, &*failure.message, &*failure.code), (fault, message, code), "{body}");
        }
    }
}
