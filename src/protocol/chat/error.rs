//! Reads what a Chat upstream says when it fails: `{"error": {"message", "type", "code"}}`, or less than that.
//!
//! The status decides what went wrong; inside a stream there is none, and the vendor's own words do.

use std::borrow::Cow;

use crate::json::{self, Raw};
use crate::protocol::failure::Fault;
use crate::protocol::ir::Failure;

/// Reads an error body. Total: what cannot be read is judged by its status.
pub fn failure(status: u16, body: &[u8]) -> Failure<'_> {
    if json::value(body).is_err() {
        return Failure { fault: Fault::of_status(status), message: String::from_utf8_lossy(body), code: "".into() };
    }
    // Some wrap the object in an array.
    let first = json::elements(body).next().map_or(body, Raw::bytes);
    read(status, json::find(first, "error").map_or(first, Raw::bytes))
}

/// Reads the value of `error`; `status` is 0 where there is none.
pub(super) fn read(status: u16, error: &[u8]) -> Failure<'_> {
    let (mut message, mut code, mut kind) = (Cow::Borrowed(""), Cow::Borrowed(""), Cow::Borrowed(""));
    let mut number = None;
    if let Ok(Some(text)) = Raw::parse(error).map(Raw::as_str) {
        message = text.decode();
    }
    for (name, value) in json::members(error) {
        match (name.bytes(), value.as_str()) {
            (b"message" | b"detail", Some(text)) => message = text.decode(),
            (b"code", Some(text)) => code = text.decode(),
            (b"code" | b"status_code" | b"status", None) => {
                number = value.as_u64().and_then(|code| u16::try_from(code).ok()).or(number);
            }
            (b"type" | b"status", Some(text)) => kind = text.decode(),
            _ => {}
        }
    }
    let code = if code.is_empty() { kind } else { code };
    let fault = match (status, number) {
        (400.., _) => Fault::of_status(status),
        (_, Some(number @ 400..)) => Fault::of_status(number),
        _ => of_word(&code),
    };
    Failure { fault, message, code }
}

fn of_word(word: &str) -> Fault {
    match word {
        "rate_limit_exceeded" | "rate_limit_error" | "insufficient_quota" | "tokens" | "requests" => Fault::RateLimited,
        "invalid_api_key" | "authentication_error" => Fault::Authentication,
        "permission_error" => Fault::Permission,
        "invalid_request_error" | "context_length_exceeded" => Fault::InvalidRequest,
        "server_is_overloaded" | "overloaded_error" | "overloaded" => Fault::Overloaded,
        "model_not_found" => Fault::UnknownModel,
        _ => Fault::BadGateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_all_their_forms() {
        for (status, body, fault, message, code) in [
            (429, r#"{"error":{"message":"slow","type":"t","code":"rate"}}"#, Fault::RateLimited, "slow", "rate"),
            (401, r#"{"error":"no \"key\""}"#, Fault::Authentication, "no \"key\"", ""),
            (400, r#"[{"error":{"message":"m","code":400,"status":"S"}}]"#, Fault::InvalidRequest, "m", "S"),
            (500, "<html>", Fault::Internal, "<html>", ""),
            (404, r#"{"message":"gone"}"#, Fault::NotFound, "gone", ""),
            (200, r#"{"error":{"message":"x","code":429}}"#, Fault::RateLimited, "x", ""),
            (200, r#"{"error":{"code":"overloaded"}}"#, Fault::Overloaded, "", "overloaded"),
            (200, r#"{"error":{}}"#, Fault::BadGateway, "", ""),
        ] {
            let failure = failure(status, body.as_bytes());
            assert_eq!((failure.fault, &*failure.message, &*failure.code), (fault, message, code), "{body}");
        }
    }
}
