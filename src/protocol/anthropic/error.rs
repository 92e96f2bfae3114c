//! Reads an error as Anthropic tells it: as a body, and as the event `error` inside a stream.
//!
//! Total. The status decides what went wrong, and where there is none the vendor's word does; `overloaded_error` is
//! believed under any status, for relays in front of Anthropic lose 529. A text that is no JSON is no message.

use std::borrow::Cow;

use crate::json::Raw;
use crate::protocol::failure::Fault;
use crate::protocol::ir::Failure;

/// The failure that `body` tells, an answer with `status` or an event in one with 200.
pub fn failure(status: u16, body: &[u8]) -> Failure<'_> {
    let (mut message, mut kind) = (Cow::Borrowed(""), Cow::Borrowed(""));
    if let Ok(said) = Raw::parse(body) {
        let told = said.find("error").filter(|error| !error.is_null()).unwrap_or(said);
        if let Some(text) = told.as_str() {
            message = text.decode();
        }
        for (name, value) in told.members() {
            match (name.bytes(), value.as_str()) {
                (b"message" | b"detail", Some(text)) => message = text.decode(),
                (b"type", Some(text)) => kind = text.decode(),
                _ => {}
            }
        }
    }
    let fault = match (named(&kind), status) {
        (Some(Fault::Overloaded), _) => Fault::Overloaded,
        (_, 404) if message.starts_with("model:") => Fault::UnknownModel,
        (_, 400..) => Fault::of_status(status),
        (Some(fault), _) => fault,
        (None, _) => Fault::BadGateway,
    };
    if message.is_empty() {
        message = match status {
            400.. => format!("the upstream answered with status {status}").into(),
            _ => "the upstream told an error and not which".into(),
        };
    }
    Failure { fault, message, code: kind }
}

/// The fault that Anthropic's `type` stands for (docs.anthropic.com/en/api/errors).
fn named(word: &str) -> Option<Fault> {
    Some(match word {
        "invalid_request_error" => Fault::InvalidRequest,
        "authentication_error" => Fault::Authentication,
        "billing_error" | "permission_error" => Fault::Permission,
        "not_found_error" => Fault::NotFound,
        "request_too_large" => Fault::TooLarge,
        "rate_limit_error" => Fault::RateLimited,
        "timeout_error" => Fault::Timeout,
        "overloaded_error" => Fault::Overloaded,
        "api_error" => Fault::Internal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_43_errors_are_read_in_every_form() {
        let error = |kind: &str, message: &str| {
            format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#)
        };
        for (status, body, fault, message, code) in [
            (400, error("invalid_request_error", "a\\nb"), Fault::InvalidRequest, "a\nb", "invalid_request_error"),
            (429, error("rate_limit_error", "slow"), Fault::RateLimited, "slow", "rate_limit_error"),
            (529, error("overloaded_error", "full"), Fault::Overloaded, "full", "overloaded_error"),
            (500, error("overloaded_error", "full"), Fault::Overloaded, "full", "overloaded_error"),
            (404, error("not_found_error", "model: x"), Fault::UnknownModel, "model: x", "not_found_error"),
            (404, error("not_found_error", "gone"), Fault::NotFound, "gone", "not_found_error"),
            (200, error("overloaded_error", "full"), Fault::Overloaded, "full", "overloaded_error"),
            (200, error("api_error", "odd"), Fault::Internal, "odd", "api_error"),
            (200, error("new_error", "odd"), Fault::BadGateway, "odd", "new_error"),
            (401, r#"{"error":"no key"}"#.into(), Fault::Authentication, "no key", ""),
            (422, r#"{"detail":"bad"}"#.into(), Fault::InvalidRequest, "bad", ""),
            (503, "<html>".into(), Fault::Unavailable, "the upstream answered with status 503", ""),
            (200, r#"{"type":"error"}"#.into(), Fault::BadGateway, "the upstream told an error and not which", "error"),
        ] {
            let read = failure(status, body.as_bytes());
            assert_eq!((read.fault, &*read.message, &*read.code), (fault, message, code), "{status} {body}");
        }
    }
}
