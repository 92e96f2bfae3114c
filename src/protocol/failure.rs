//! Errors that weir tells, each in the shape of the caller's dialect, as bodies and as events of a stream.
//!
//! The type strings are those the vendors document, because clients decide by them whether to try again.
//! An event is written only where the dialect has one, and it is never the dialect's end mark: a stream that
//! was cut must not look complete.

use super::Dialect;
use super::ir::BadRequest;
use crate::json::{self, Raw, Writer};
use crate::sse;

/// What went wrong, as far as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is not what it should be.
    InvalidRequest,
    /// No key, or not one that is known.
    Authentication,
    /// The key is known, but may not do this.
    Permission,
    /// Nothing is there.
    NotFound,
    /// No such model.
    UnknownModel,
    /// The earlier answer that a request goes on from is with nobody here.
    UnknownPrevious,
    /// Not with this method.
    MethodNotAllowed,
    /// The client took too long to send its request.
    RequestTimeout,
    /// The request is larger than the limit.
    TooLarge,
    /// The content type or coding is not understood.
    UnsupportedMedia,
    /// Too many requests.
    RateLimited,
    /// The vendor has no room.
    Overloaded,
    /// weir itself failed.
    Internal,
    /// It is asked for rightly, but weir does not do it.
    NotImplemented,
    /// The upstream answered with something that is no answer.
    BadGateway,
    /// No upstream can be asked now.
    Unavailable,
    /// The upstream took too long.
    Timeout,
}

/// Where a stream stands that an error event is written into.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// How its events are framed.
    pub framing: sse::Framing,
    /// Events with data that have been sent: the number of the next one, where a dialect numbers them.
    pub events: u64,
    /// The id of the response that the stream tells; empty if none has been seen.
    pub response_id: &'a str,
}

/// A fault in the words of each dialect.
struct Words {
    status: u16,
    openai: &'static str,
    /// OpenAI's `code`; empty for null.
    code: &'static str,
    anthropic: &'static str,
    gemini: &'static str,
}

impl Fault {
    /// The status to answer with. Only Anthropic knows 529.
    pub fn status(self, dialect: Dialect) -> u16 {
        match (self, dialect) {
            (Fault::Overloaded, Dialect::Anthropic) => 529,
            _ => self.words().status,
        }
    }

    /// The fault that an upstream's `status` stands for.
    pub fn of_status(status: u16) -> Fault {
        match status {
            401 => Fault::Authentication,
            402 | 403 => Fault::Permission,
            404 => Fault::NotFound,
            405 => Fault::MethodNotAllowed,
            408 => Fault::RequestTimeout,
            413 => Fault::TooLarge,
            415 => Fault::UnsupportedMedia,
            429 => Fault::RateLimited,
            400..=499 => Fault::InvalidRequest,
            501 => Fault::NotImplemented,
            502 => Fault::BadGateway,
            503 => Fault::Unavailable,
            504 => Fault::Timeout,
            529 => Fault::Overloaded,
            _ => Fault::Internal,
        }
    }

    /// OpenAI: platform.openai.com/docs/guides/error-codes. Anthropic: docs.anthropic.com/en/api/errors.
    /// Gemini: google.rpc.Code by its HTTP mapping.
    fn words(self) -> Words {
        let (status, openai, code, anthropic, gemini) = match self {
            Fault::InvalidRequest => (400, "invalid_request_error", "", "invalid_request_error", "INVALID_ARGUMENT"),
            Fault::Authentication => {
                (401, "authentication_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED")
            }
            Fault::Permission => (403, "permission_error", "", "permission_error", "PERMISSION_DENIED"),
            Fault::NotFound => (404, "invalid_request_error", "not_found", "not_found_error", "NOT_FOUND"),
            Fault::UnknownModel => (404, "invalid_request_error", "model_not_found", "not_found_error", "NOT_FOUND"),
            Fault::UnknownPrevious => {
                let code = "previous_response_not_found";
                (400, "invalid_request_error", code, "invalid_request_error", "INVALID_ARGUMENT")
            }
            Fault::MethodNotAllowed => {
                (405, "invalid_request_error", "method_not_allowed", "invalid_request_error", "INVALID_ARGUMENT")
            }
            Fault::RequestTimeout => {
                (408, "invalid_request_error", "request_timeout", "timeout_error", "DEADLINE_EXCEEDED")
            }
            Fault::TooLarge => {
                (413, "invalid_request_error", "request_too_large", "request_too_large", "INVALID_ARGUMENT")
            }
            Fault::UnsupportedMedia => {
                (415, "invalid_request_error", "unsupported_media_type", "invalid_request_error", "INVALID_ARGUMENT")
            }
            Fault::RateLimited => {
                (429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED")
            }
            Fault::Overloaded => (503, "server_error", "server_is_overloaded", "overloaded_error", "UNAVAILABLE"),
            Fault::Internal => (500, "server_error", "server_error", "api_error", "INTERNAL"),
            Fault::NotImplemented => (501, "server_error", "not_implemented", "api_error", "UNIMPLEMENTED"),
            Fault::BadGateway => (502, "server_error", "bad_gateway", "api_error", "UNAVAILABLE"),
            Fault::Unavailable => (503, "server_error", "service_unavailable", "overloaded_error", "UNAVAILABLE"),
            Fault::Timeout => (504, "server_error", "timeout", "timeout_error", "DEADLINE_EXCEEDED"),
        };
        Words { status, openai, code, anthropic, gemini }
    }
}

/// Appends the JSON body of an error answer with `status`.
pub fn write(dialect: Dialect, fault: Fault, status: u16, message: &str, request_id: &str, out: &mut Vec<u8>) {
    write_about(dialect, fault, status, "", message, request_id, out);
}

/// Appends the JSON body of an error answer that says what is wrong with a request.
pub fn write_bad(dialect: Dialect, bad: &BadRequest, request_id: &str, out: &mut Vec<u8>) {
    let fault = fault_of(bad);
    let about = bad.to_string();
    // OpenAI's own words, which name the member beside them.
    let message = if fault == Fault::UnknownPrevious { &bad.message } else { &*about };
    write_about(dialect, fault, fault.status(dialect), &bad.member, message, request_id, out);
}

fn fault_of(bad: &BadRequest) -> Fault {
    match &*bad.member {
        "previous_response_id" => Fault::UnknownPrevious,
        _ => Fault::InvalidRequest,
    }
}

/// `member` is the one that the error is about; empty for none.
fn write_about(
    dialect: Dialect,
    fault: Fault,
    status: u16,
    member: &str,
    message: &str,
    request_id: &str,
    out: &mut Vec<u8>,
) {
    let words = fault.words();
    let mut json = Writer::new(out);
    json.begin_object();
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            json.key("error").begin_object().key("message").string(message);
            json.key("type").string(words.openai).key("param");
            match member {
                "" => json.null(),
                member => json.string(member),
            };
            json.key("code");
            match words.code {
                "" => json.null(),
                code => json.string(code),
            };
            json.end();
        }
        Dialect::Anthropic => {
            json.key("type").string("error").key("error").begin_object();
            json.key("type").string(words.anthropic).key("message").string(message).end();
            json.key("request_id");
            match request_id {
                "" => json.null(),
                id => json.string(id),
            };
        }
        Dialect::Gemini => {
            json.key("error").begin_object().key("code").u64(u64::from(status));
            json.key("message").string(message).key("status").string(words.gemini).end();
        }
        Dialect::Ollama => {
            json.key("error").string(message);
        }
    }
    json.end();
}

/// Whether `body` is an error as the callers of `dialect` expect one, so that it may go to them as it is.
pub fn fits(dialect: Dialect, body: &[u8]) -> bool {
    if json::value(body).is_err() {
        return false;
    }
    // Gemini wraps it in a list where a stream was asked for.
    let inner = match dialect {
        Dialect::Gemini => json::elements(body).next().map_or(body, Raw::bytes),
        Dialect::Chat | Dialect::Responses | Dialect::Anthropic | Dialect::Ollama => body,
    };
    let Some(error) = json::find(inner, "error") else { return false };
    let says = |name| error.find(name).is_some_and(|value| value.as_str().is_some());
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            says("message") && ["code", "param"].iter().any(|name| error.find(name).is_some())
        }
        Dialect::Anthropic => {
            let kind = json::find(body, "type").and_then(Raw::as_str);
            kind.is_some_and(|kind| kind.eq_str("error")) && says("type") && says("message")
        }
        Dialect::Gemini => says("message") && error.find("code").is_some_and(|code| code.as_u64().is_some()),
        Dialect::Ollama => error.as_str().is_some(),
    }
}

/// Appends the event that ends a stream by an error; false if the dialect has none for it, and the framing has
/// to be broken off instead. That is also to be done if the stream stands inside an event: what has been sent
/// of it would become part of this one.
pub fn write_event(
    dialect: Dialect,
    fault: Fault,
    message: &str,
    request_id: &str,
    place: &Place<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let mut body = Vec::with_capacity(message.len() + 128);
    let status = fault.status(dialect);
    match (dialect, place.framing) {
        (Dialect::Chat | Dialect::Gemini, sse::Framing::Sse) => {
            write(dialect, fault, status, message, request_id, &mut body);
            sse::write::event("", &body, out);
        }
        (Dialect::Anthropic, sse::Framing::Sse) => {
            write(dialect, fault, status, message, request_id, &mut body);
            sse::write::event("error", &body, out);
        }
        (Dialect::Responses, sse::Framing::Sse) => responses_events(fault, message, place, out),
        (Dialect::Ollama, sse::Framing::Lines) => {
            write(dialect, fault, status, message, request_id, out);
            out.push(b'\n');
        }
        (_, sse::Framing::Array | sse::Framing::Lines) | (Dialect::Ollama, sse::Framing::Sse) => return false,
    }
    true
}

/// `error`, and `response.failed` behind it, as OpenAI sends them: some clients know only the one, some only
/// the other. A response that was never begun cannot fail.
fn responses_events(fault: Fault, message: &str, place: &Place<'_>, out: &mut Vec<u8>) {
    // OpenAI's words in a response, of which there are fewer than in an error; Codex knows that of an overload.
    let code = match fault {
        Fault::RateLimited => "rate_limit_exceeded",
        Fault::Overloaded => "server_is_overloaded",
        Fault::InvalidRequest => "invalid_prompt",
        _ => "server_error",
    };
    let mut body = Vec::with_capacity(message.len() + 256);
    let mut json = Writer::new(&mut body);
    json.begin_object().key("type").string("error").key("sequence_number").u64(place.events);
    json.key("code").string(code).key("message").string(message).key("param").null().end();
    sse::write::event("error", &body, out);
    if place.response_id.is_empty() {
        return;
    }
    body.clear();
    let mut json = Writer::new(&mut body);
    json.begin_object().key("type").string("response.failed").key("sequence_number").u64(place.events + 1);
    json.key("response").begin_object().key("id").string(place.response_id).key("object").string("response");
    json.key("status").string("failed").key("error").begin_object();
    json.key("code").string(code).key("message").string(message).end();
    json.key("incomplete_details").null().key("output").begin_array().end().key("usage").null();
    // What readers ask of every response and nobody kept of this one.
    json.key("created_at")
        .u64(0)
        .key("model")
        .string("")
        .key("instructions")
        .null()
        .key("metadata")
        .begin_object()
        .end();
    json.key("tools").begin_array().end().key("tool_choice").string("auto").key("parallel_tool_calls").bool(true);
    json.key("temperature").null().key("top_p").null().end().end();
    sse::write::event("response.failed", &body, out);
}

#[cfg(test)]
#[path = "failure_test.rs"]
mod tests;
