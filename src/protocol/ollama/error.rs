//! Reads what an Ollama server says when it fails: `{"error": "…"}`, as a body or as a line of a stream.
//!
//! There are no codes. The status decides what went wrong; a line may hold one of its own.

use std::borrow::Cow;

use crate::json::{self, Raw};
use crate::protocol::failure::Fault;
use crate::protocol::ir::Failure;

/// Reads an error body. Total: what cannot be read is judged by its status.
pub fn failure(status: u16, body: &[u8]) -> Failure<'_> {
    match json::value(body) {
        Ok(()) => read(status, body),
        Err(_) => Failure { fault: Fault::of_status(status), message: String::from_utf8_lossy(body), code: "".into() },
    }
}

/// Reads an object with the member `error`; `status` is 0 where there is none.
pub(super) fn read(status: u16, object: &[u8]) -> Failure<'_> {
    let (mut message, mut told) = (Cow::Borrowed(""), None);
    for (name, value) in json::members(object) {
        match name.bytes() {
            // Whoever stands in front of Ollama may answer as OpenAI does.
            b"error" => {
                let text = value.as_str().or_else(|| value.find("message").and_then(Raw::as_str));
                message = text.map_or("".into(), |text| text.decode());
            }
            b"status" | b"status_code" => told = value.as_u64().and_then(|status| u16::try_from(status).ok()),
            _ => {}
        }
    }
    let status = if status >= 400 { status } else { told.unwrap_or(502) };
    let fault = match Fault::of_status(status) {
        Fault::NotFound if message.contains("model") => Fault::UnknownModel,
        fault => fault,
    };
    Failure { fault, message, code: "".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_all_their_forms() {
        for (status, body, fault, message) in [
            (404, r#"{"error":"model \"x\" not found"}"#, Fault::UnknownModel, "model \"x\" not found"),
            (400, r#"{"error":"\"x\" does not support tools"}"#, Fault::InvalidRequest, "\"x\" does not support tools"),
            (
                429,
                r#"{"error":"you (u) have reached your limit"}"#,
                Fault::RateLimited,
                "you (u) have reached your limit",
            ),
            (
                200,
                r#"{"error":"an error was encountered while running the model"}"#,
                Fault::BadGateway,
                "an error was encountered while running the model",
            ),
            (200, r#"{"error":"slow down","status":429}"#, Fault::RateLimited, "slow down"),
            (401, r#"{"error":{"message":"no key"}}"#, Fault::Authentication, "no key"),
            (503, "<html>", Fault::Unavailable, "<html>"),
            (500, "[]", Fault::Internal, ""),
        ] {
            let failure = failure(status, body.as_bytes());
            assert_eq!((failure.fault, &*failure.message, &*failure.code), (fault, message, ""), "{body}");
        }
    }
}
