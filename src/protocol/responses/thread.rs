//! What one WebSocket of a Responses client remembers: the conversation up to its last answer.
//!
//! A client there says only what is new and names the answer that it goes on from. Providers that are asked by HTTP keep
//! nothing, so the message becomes a request that says all: what was asked, what was answered, what is new. An answer
//! that this connection has not seen is left for the provider to know.

use crate::json::{Escaped, Raw, Writer, text};
use crate::limits;
use crate::protocol::ir::BadRequest;

/// The conversation so far.
#[derive(Debug, Default)]
pub(super) struct Thread {
    /// The answer that a client may go on from; empty if there is none.
    last: Vec<u8>,
    /// Elements of `input` that say all up to it, with commas between them.
    items: Vec<u8>,
}

/// A message that is a request.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    /// The body of the request that says all.
    pub(super) body: Vec<u8>,
    /// Elements of its `input`; nothing where what was before is not known here.
    pub(super) items: Option<Vec<u8>>,
    /// The client's name for this exchange, escaped, which every event of it repeats.
    pub(super) stream_id: Option<Vec<u8>>,
    /// Whether a model is to be asked at all.
    pub(super) generate: bool,
    /// The model, escaped.
    pub(super) model: Vec<u8>,
}

impl Thread {
    /// Reads a message.
    pub(super) fn read(&self, message: &[u8]) -> Result<Asked, BadRequest> {
        let raw = Raw::parse(message).map_err(|error| bad("", format!("the message is no JSON: {error}")))?;
        if !raw.is_object() {
            return Err(bad("", "the message is no object"));
        }
        let (mut kind, mut previous, mut input, mut asked) = (None, None, None, Asked::default());
        for (name, value) in raw.members().filter(|(_, value)| !value.is_null()) {
            match name.bytes() {
                b"type" => kind = value.as_str(),
                b"previous_response_id" => previous = value.as_str(),
                b"input" => input = Some(value),
                b"generate" => asked.generate = value.as_bool() != Some(false),
                b"stream_id" => asked.stream_id = value.as_str().map(|id| id.bytes().to_vec()),
                b"model" => asked.model = value.as_str().map(|model| model.bytes().to_vec()).unwrap_or_default(),
                _ => {}
            }
        }
        let appends = match kind {
            Some(kind) if kind.eq_str("response.create") => false,
            Some(kind) if kind.eq_str("response.append") => true,
            _ => return Err(bad("type", "must be response.create")),
        };
        if appends && self.last.is_empty() {
            return Err(bad("type", "there is no answer to append to"));
        }
        let goes_on = appends || previous.is_some_and(|id| self.is_last(id));
        let mut items = if goes_on { self.items.clone() } else { Vec::new() };
        add(input, &mut items)?;
        write(raw, &items, goes_on, &mut asked.body);
        asked.items = (goes_on || previous.is_none()).then_some(items);
        Ok(asked)
    }

    /// The client knows the answer `id`, escaped, to a request of these items; `output` are the elements of its output.
    pub(super) fn answered(&mut self, id: &[u8], items: Option<Vec<u8>>, output: &[u8]) {
        let kept = items.filter(|items| items.len() + output.len() < limits::SOCKET_KEPT_BYTES_MAX);
        *self = match kept {
            Some(mut items) => {
                join(output, &mut items);
                Thread { last: id.to_vec(), items }
            }
            None => Thread::default(),
        };
    }

    fn is_last(&self, id: Escaped<'_>) -> bool {
        !self.last.is_empty() && id.bytes() == self.last
    }
}

impl Default for Asked {
    fn default() -> Asked {
        Asked { body: Vec::new(), items: None, stream_id: None, generate: true, model: Vec::new() }
    }
}

/// Appends what `input` says as elements.
fn add(input: Option<Raw<'_>>, items: &mut Vec<u8>) -> Result<(), BadRequest> {
    let Some(input) = input else { return Ok(()) };
    if let Some(said) = input.as_str() {
        let mut item = Vec::with_capacity(said.bytes().len() + 48);
        Writer::new(&mut item).begin_object().key("role").string("user").key("content").escaped(said).end();
        join(&item, items);
        return Ok(());
    }
    let inside = input.bytes().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let inside = inside.ok_or_else(|| bad("input", "must be a string or an array"))?;
    join(inside.trim_ascii(), items);
    Ok(())
}

/// Appends elements behind others.
pub(super) fn join(more: &[u8], items: &mut Vec<u8>) {
    if !items.is_empty() && !more.is_empty() {
        items.push(b',');
    }
    items.extend_from_slice(more);
}

/// Writes the request: the members of the message that are not about the connection, in their order.
fn write(message: Raw<'_>, items: &[u8], goes_on: bool, out: &mut Vec<u8>) {
    out.reserve(items.len() + message.bytes().len());
    out.extend_from_slice(b"{\"stream\":true");
    for (name, value) in message.members() {
        let is_connections = matches!(name.bytes(), b"type" | b"stream" | b"generate" | b"stream_id" | b"input");
        if is_connections || goes_on && name.eq_str("previous_response_id") {
            continue;
        }
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.bytes());
    }
    out.extend_from_slice(b",\"input\":[");
    out.extend_from_slice(items);
    out.extend_from_slice(b"]}");
}

/// Appends an event that tells of an error, as OpenAI does on a WebSocket; `error` is the object.
pub(super) fn error(status: u16, error: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"status\":");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.extend_from_slice(b",\"error\":");
    out.extend_from_slice(error);
    out.push(b'}');
}

/// Appends the object that tells why a message is no request.
pub(super) fn refusal(bad: &BadRequest, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"invalid_request_error\",\"code\":null,\"param\":");
    match bad.member.is_empty() {
        true => out.extend_from_slice(b"null"),
        false => text::quote(&bad.member, out),
    }
    out.extend_from_slice(b",\"message\":");
    text::quote(&bad.to_string(), out);
    out.push(b'}');
}

fn bad(member: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> BadRequest {
    BadRequest { member: member.into(), message: message.into() }
}

#[cfg(test)]
#[path = "thread_test.rs"]
mod tests;
