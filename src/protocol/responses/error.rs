//! Reads an error as OpenAI tells it: as a body, as the event `error`, and inside `response.failed`.
//!
//! Total: where neither code nor type is known the status decides, and a text that is no JSON is no message, for it may
//! be a page of whoever stands in front of the vendor.

use std::borrow::Cow;

use crate::json::Raw;
use crate::protocol::failure::Fault;
use crate::protocol::ir::Failure;

/// The failure that `body` tells, an answer with `status` or an event in one with 200.
pub fn failure(status: u16, body: &[u8]) -> Failure<'_> {
    let (mut message, mut code, mut kind) = (Cow::Borrowed(""), Cow::Borrowed(""), Cow::Borrowed(""));
    if let Ok(said) = Raw::parse(body) {
        let whole = said.find("response").unwrap_or(said);
        let told = whole.find("error").filter(|error| !error.is_null()).unwrap_or(whole);
        if let Some(text) = told.as_str() {
            message = text.decode();
        }
        for (name, value) in told.members() {
            let said = value.as_str().map(|text| text.decode());
            match (name.bytes(), said) {
                (b"message", Some(said)) => message = said,
                (b"code", Some(said)) => code = said,
                (b"type", Some(said)) => kind = said,
                _ => {}
            }
        }
    }
    // The type is wider than the status: `invalid_request_error` stands for 400 as for 404 and 413.
    let told = named(&code).or_else(|| named(&kind).filter(|_| status < 400));
    let fault = told.unwrap_or_else(|| Fault::of_status(status));
    if message.is_empty() {
        message = format!("the upstream answered with status {status}").into();
    }
    Failure { fault, message, code: if code.is_empty() { kind } else { code } }
}

/// The fault that OpenAI's `code` or `type` stands for.
fn named(word: &str) -> Option<Fault> {
    Some(match word {
        "invalid_request_error" | "invalid_prompt" | "context_length_exceeded" => Fault::InvalidRequest,
        "invalid_api_key" | "authentication_error" => Fault::Authentication,
        "permission_error" => Fault::Permission,
        "model_not_found" => Fault::UnknownModel,
        "rate_limit_exceeded" | "rate_limit_error" | "insufficient_quota" => Fault::RateLimited,
        "server_is_overloaded" | "overloaded_error" | "slow_down" => Fault::Overloaded,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_every_form() {
        let body =
            r#"{"error":{"message":"too\nlong","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
        let event = r#"{"type":"error","code":"insufficient_quota","message":"pay","sequence_number":3}"#;
        let failed = r#"{"type":"response.failed","response":{"error":{"code":"server_is_overloaded","message":"m"}}}"#;
        for (status, body, fault, message, code) in [
            (400, body, Fault::InvalidRequest, "too\nlong", "context_length_exceeded"),
            (200, event, Fault::RateLimited, "pay", "insufficient_quota"),
            (200, failed, Fault::Overloaded, "m", "server_is_overloaded"),
            (401, r#"{"error":"no key"}"#, Fault::Authentication, "no key", ""),
            (
                404,
                r#"{"error":{"message":"x","type":"t","code":"model_not_found"}}"#,
                Fault::UnknownModel,
                "x",
                "model_not_found",
            ),
            (
                413,
                r#"{"error":{"message":"x","type":"invalid_request_error"}}"#,
                Fault::TooLarge,
                "x",
                "invalid_request_error",
            ),
            (
                200,
                r#"{"error":{"message":"x","type":"rate_limit_error"}}"#,
                Fault::RateLimited,
                "x",
                "rate_limit_error",
            ),
            (503, "<html>", Fault::Unavailable, "the upstream answered with status 503", ""),
            (429, r#"{"error":null}"#, Fault::RateLimited, "the upstream answered with status 429", ""),
        ] {
            let read = failure(status, body.as_bytes());
            assert_eq!((read.fault, &*read.message, &*read.code), (fault, message, code), "{body}");
        }
    }
}
