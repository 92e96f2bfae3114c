//! The object `response`: what every event about the whole answer holds, and what a whole answer is.
//!
//! It repeats members of the request. They are kept as the client wrote them, up to a bound, for as long as the answer
//! lasts; what does not fit is not repeated, and what readers ask for has its usual value then.

use super::item::flat;
use crate::json::{self, Raw, Writer, text};
use crate::limits::RESPONSES_ECHO_BYTES_MAX;
use crate::protocol::ir::{Opening, Stop};
use crate::protocol::sniff::Usage;

/// Members of a request that the answer repeats.
const REPEATED: [&str; 19] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// What readers ask for, and what stands there where the request does not say it.
const ASKED: [(&str, &str); 4] =
    [("parallel_tool_calls", "true"), ("tool_choice", "\"auto\""), ("tools", "[]"), ("metadata", "{}")];

/// Takes from `body`, a client's request, what its answer has to know: the members that it repeats.
pub fn open(body: &[u8], opening: &mut Opening) {
    for (name, value) in json::members(body) {
        if name.bytes() == b"tools" {
            let is_shell =
                |tool: Raw<'_>| tool.find("type").and_then(Raw::as_str).is_some_and(|it| it.eq_str("local_shell"));
            opening.local_shell = value.elements().any(is_shell);
        }
        let repeated = REPEATED.iter().find(|repeated| name.eq_str(repeated));
        let Some(repeated) = repeated.filter(|_| !value.is_null()) else { continue };
        let bytes = opening.echo.len() + repeated.len() + value.bytes().len() + 4;
        if bytes > RESPONSES_ECHO_BYTES_MAX || is_said(&opening.echo, repeated) {
            continue;
        }
        if !opening.echo.is_empty() {
            opening.echo.push(b',');
        }
        text::quote(repeated, &mut opening.echo);
        opening.echo.push(b':');
        flat(value, &mut opening.echo);
    }
}

/// The members that are repeated, with those added that readers ask for.
pub(super) fn echo(said: &[u8]) -> Vec<u8> {
    let mut echo = said.to_vec();
    for (name, value) in ASKED {
        if !is_said(said, name) {
            if !echo.is_empty() {
                echo.push(b',');
            }
            echo.extend_from_slice(format!("\"{name}\":{value}").as_bytes());
        }
    }
    echo
}

fn is_said(members: &[u8], name: &str) -> bool {
    json::find(&[b"{", members, b"}"].concat(), name).is_some()
}

/// Why an answer that stopped so is not complete; nothing if it is. A refusal in words (`refused`) is a whole answer.
pub(super) fn incomplete(stop: Stop<'_>, refused: bool) -> Option<&'static str> {
    match stop {
        Stop::Length | Stop::ContextFull => Some("max_output_tokens"),
        Stop::Filter => Some("content_filter"),
        Stop::Refusal if !refused => Some("content_filter"),
        _ => None,
    }
}

/// An answer as it stands, but for its output.
pub(super) struct Object<'o> {
    pub(super) opening: &'o Opening,
    /// The model, escaped.
    pub(super) model: &'o [u8],
    pub(super) echo: &'o [u8],
    pub(super) status: &'o str,
    /// Code and message.
    pub(super) error: Option<(&'o str, &'o str)>,
    pub(super) incomplete: Option<&'static str>,
    pub(super) usage: Option<&'o Usage>,
}

impl Object<'_> {
    /// Appends the object; `output` appends the items with commas between them.
    pub(super) fn write(&self, output: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"resp_");
        text::escape(&self.opening.id, out);
        out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.opening.created_unix_s).as_bytes());
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(self.status.as_bytes());
        out.extend_from_slice(b"\",\"error\":");
        let mut json = Writer::new(out);
        match self.error {
            None => json.null(),
            Some((code, message)) => json.begin_object().key("code").string(code).key("message").string(message).end(),
        };
        out.extend_from_slice(b",\"incomplete_details\":");
        let mut json = Writer::new(out);
        match self.incomplete {
            None => json.null(),
            Some(reason) => json.begin_object().key("reason").string(reason).end(),
        };
        out.extend_from_slice(b",\"model\":\"");
        out.extend_from_slice(self.model);
        out.extend_from_slice(b"\",\"output\":[");
        output(out);
        out.extend_from_slice(b"],\"usage\":");
        match self.usage {
            None => out.extend_from_slice(b"null"),
            Some(said) => usage(said, out),
        }
        out.push(b',');
        out.extend_from_slice(self.echo);
        out.push(b'}');
    }
}

/// Appends `usage` in the arithmetic of this dialect: the input includes what a cache had, the output the reasoning.
pub(super) fn usage(usage: &Usage, out: &mut Vec<u8>) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let mut json = Writer::new(out);
    json.begin_object().key("input_tokens").u64(input).key("input_tokens_details").begin_object();
    json.key("cached_tokens").u64(usage.cache_read.unwrap_or(0));
    json.key("cache_write_tokens").u64(usage.cache_write.unwrap_or(0)).end();
    json.key("output_tokens").u64(output).key("output_tokens_details").begin_object();
    json.key("reasoning_tokens").u64(usage.reasoning.unwrap_or(0)).end();
    json.key("total_tokens").u64(input.saturating_add(output)).end();
}
