//! Between a client that speaks one protocol and a provider that speaks another.
//!
//! A request is decoded once and encoded for each target. Its answer goes the other way: the provider's decoder tells
//! events, [`stage`] puts right what only the pair of both knows (names of tools, the reason to stop, thoughts in tags),
//! the client's encoder writes them; as a stream ([`Stream`]) or whole ([`whole`]). Which decoder and which encoder is
//! one `match` for each frame and each event, in [`any`]; nothing is written for a pair.
//!
//! Bytes in, bytes out; the relay has the sockets, and decides which targets there are.

mod any;
mod bounds;
#[cfg(test)]
mod carried_test;
mod halves;
#[cfg(test)]
mod kept_test;
mod places;
#[cfg(test)]
mod silence_test;
mod stage;
mod stream;
mod tags;
mod whole;

pub use any::failure;
pub use bounds::decode_request;
pub use stage::{End, Seen};
pub use stream::{Stream, may_lack_its_end};
pub use whole::{Collector, read, read_stream, write};

use super::ir::{BadRequest, Destination, Names, Opening, Outgoing, Request, custom};
use super::path::{Call, Endpoint};
use super::responses::compact::{self, Form};
use super::{Dialect, Protocol, chat, responses};
use crate::base::secret::Secret;
use crate::sse::Framing;

/// What an answer has to know of its request.
#[derive(Debug)]
pub struct Answering {
    /// What the client speaks.
    pub client: Dialect,
    /// What the provider speaks.
    pub upstream: Dialect,
    /// Tool names that had to change.
    pub names: Names,
    /// The tag by which the provider's text marks thoughts; `think` for `<think>`.
    pub think_tag: Option<Box<str>>,
    /// The model as the provider knows it, for answers that name none.
    pub model: String,
    /// What is made unreadable in the provider's own words.
    pub secret: Secret,
    /// What the answer begins with.
    pub opening: Opening,
}

impl Answering {
    /// Of no request: what has one is elsewhere, and comes back to this place.
    fn nobodys() -> Answering {
        Answering {
            client: Dialect::Chat,
            upstream: Dialect::Chat,
            names: Names::default(),
            think_tag: None,
            model: String::new(),
            secret: Secret::of(b""),
            opening: Opening::default(),
        }
    }
}

/// What a provider of `protocol` is spoken to in, where a request for `endpoint` has to be translated for it; nothing
/// where it cannot be.
pub fn bridge(endpoint: Endpoint, protocol: Protocol) -> Option<Dialect> {
    let upstream = match protocol {
        Protocol::Chat | Protocol::Azure | Protocol::Demo => Dialect::Chat,
        Protocol::Responses => Dialect::Responses,
        Protocol::Anthropic => Dialect::Anthropic,
        Protocol::Gemini => Dialect::Gemini,
        Protocol::Ollama => Dialect::Ollama,
    };
    is_translated(endpoint).then_some(upstream)
}

/// Whether what is asked for has a meaning that other protocols can say.
fn is_translated(endpoint: Endpoint) -> bool {
    use Endpoint as E;
    matches!(
        endpoint,
        E::ChatCompletions
            | E::Completions
            | E::Responses
            | E::ResponsesCompact
            | E::Messages
            | E::GeminiGenerate
            | E::GeminiStream
            | E::OllamaChat
            | E::OllamaGenerate
    )
}

/// The call that asks an upstream of `dialect` for an answer, and its query.
pub fn call(dialect: Dialect, stream: bool) -> (Call<'static>, &'static [u8]) {
    let (endpoint, tail, query): (_, &[u8], &[u8]) = match (dialect, stream) {
        (Dialect::Chat, _) => (Endpoint::ChatCompletions, b"", b""),
        (Dialect::Responses, _) => (Endpoint::Responses, b"", b""),
        (Dialect::Anthropic, _) => (Endpoint::Messages, b"", b""),
        (Dialect::Gemini, false) => (Endpoint::GeminiGenerate, b":generateContent", b""),
        (Dialect::Gemini, true) => (Endpoint::GeminiStream, b":streamGenerateContent", b"alt=sse"),
        (Dialect::Ollama, _) => (Endpoint::OllamaChat, b"", b""),
    };
    (Call { endpoint, dialect, provider: None, model: None, tail }, query)
}

/// Whether a request can be said to a provider of `upstream` at all, whatever its words: what the vendor keeps is with
/// that vendor alone.
pub fn refuse(request: &Request<'_>, upstream: Dialect) -> Result<(), BadRequest> {
    match (request.origin, upstream) {
        (Dialect::Responses, Dialect::Responses) => Ok(()),
        (Dialect::Responses, _) => responses::refuse_stored(request),
        (Dialect::Chat, _) => chat::refuse_infill(request),
        _ => Ok(()),
    }
}

/// Writes `request` for a provider that is spoken to in `upstream`.
pub fn encode_request(
    upstream: Dialect,
    request: &Request<'_>,
    to: &Destination<'_>,
    out: &mut Outgoing,
) -> Result<(), BadRequest> {
    let homed = match (request.origin, upstream) {
        (Dialect::Chat, Dialect::Anthropic) => chat::homed(request),
        (Dialect::Responses, upstream) if upstream != Dialect::Responses => custom::ungrouped(request),
        _ => None,
    };
    any::encode_request(upstream, homed.as_ref().unwrap_or(request), to, out)?;
    // An encoder repeats to its own vendor what holds some of it.
    let repeats = |path: &str| {
        let within = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        request.origin == upstream && request.repeat.iter().any(|(name, _)| within(&name.decode()))
    };
    let unread = request.unread.paths().filter(|path| !repeats(path));
    unread.for_each(|path| out.dropped.drop(path.to_owned()));
    Ok(())
}

/// How a summary is told where `request` asks for one in place of an answer, and has no vendor of its own to make it.
pub fn compacts(request: &Request<'_>, endpoint: Endpoint, upstream: Dialect, streamed: bool) -> Option<Form> {
    match endpoint {
        Endpoint::ResponsesCompact => Some(Form::Object),
        Endpoint::Responses if upstream != Dialect::Responses && compact::is_asked(request) => {
            Some(if streamed { Form::Events } else { Form::Answer })
        }
        _ => None,
    }
}

/// Takes from `body`, a client's request, what its answer repeats.
pub fn open(dialect: Dialect, body: &[u8], opening: &mut Opening) {
    match dialect {
        Dialect::Responses => responses::open(body, opening),
        Dialect::Chat if opening.plain_completion => chat::open(body, opening),
        Dialect::Chat | Dialect::Anthropic | Dialect::Gemini | Dialect::Ollama => {}
    }
}

/// The media type of an answer in `dialect`: whole, or a stream in this framing.
pub fn content_type(stream: Option<Framing>) -> &'static str {
    match stream {
        None | Some(Framing::Array) => "application/json",
        Some(Framing::Sse) => "text/event-stream; charset=utf-8",
        Some(Framing::Lines) => "application/x-ndjson",
    }
}

/// How a stream for a client of `dialect` is framed; Gemini's is events where the query says `alt=sse`.
pub fn framing(dialect: Dialect, query: &[u8]) -> Framing {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Anthropic => Framing::Sse,
        Dialect::Ollama => Framing::Lines,
        Dialect::Gemini if query.split(|&byte| byte == b'&').any(|pair| pair == b"alt=sse") => Framing::Sse,
        Dialect::Gemini => Framing::Array,
    }
}

#[cfg(test)]
mod media_test;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::Quirks;

    fn said(upstream: Dialect, body: &str) -> String {
        let request = decode_request(Dialect::Chat, body.as_bytes(), None, false).expect("a request");
        let to = Destination { model: "claude-sonnet-4-5", stream: false, quirks: &Quirks::default() };
        let mut out = Outgoing::default();
        encode_request(upstream, &request, &to, &mut out).expect("it can be said");
        String::from_utf8(out.body).expect("UTF-8")
    }

    #[test]
    fn what_a_group_of_tools_is_for_is_told_with_its_first() {
        let body = r#"{"model":"m","input":"x","tools":[{"type":"namespace","name":"crm","description":"Customers.","tools":[
            {"type":"function","name":"f","description":"Finds.","parameters":{"type":"object","properties":{}}},
            {"type":"function","name":"g","parameters":{"type":"object","properties":{}}}]},
            {"type":"namespace","name":"fs","description":"Files.","tools":[{"type":"custom","name":"edit"}]}]}"#;
        let request = decode_request(Dialect::Responses, body.as_bytes(), None, false).expect("a request");
        let to = Destination { model: "claude-sonnet-4-5", stream: false, quirks: &Quirks::default() };
        for upstream in Dialect::ALL {
            let mut out = Outgoing::default();
            encode_request(upstream, &request, &to, &mut out).expect("it can be said");
            let told = String::from_utf8(out.body).expect("UTF-8");
            let count = |what| told.matches(what).count();
            assert_eq!((count("Customers."), count("Files.")), (1, 1), "{upstream:?}: {told}");
            if upstream != Dialect::Responses {
                assert!(told.contains(r#""Finds.\n\nCustomers.""#), "{upstream:?}: {told}");
            }
        }
    }

    #[test]
    fn conversion_62_anthropics_signature_in_a_chat_is_anthropics() {
        let body = |format: &str| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,
                "reasoning_details":[{{"type":"reasoning.text","text":"hm","signature":"Eo4C","format":"{format}","index":0}}],
                "tool_calls":[{{"id":"c1","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},
                {{"role":"tool","tool_call_id":"c1","content":"r"}}]}}"#
            )
        };
        let claude = body("anthropic-claude-v1");
        let told = said(Dialect::Anthropic, &claude);
        let thought = told.find(r#""signature":"Eo4C""#).expect("the signature");
        assert!(told.contains(r#""thinking":"hm""#) && thought < told.find("tool_use").expect("the call"), "{told}");
        let told = said(Dialect::Chat, &claude);
        assert!(told.contains(r#""signature":"Eo4C","format":"anthropic-claude-v1""#), "{told}");
        let told = said(Dialect::Anthropic, &body("google-gemini-v1"));
        assert!(!told.contains("Eo4C"), "{told}");
    }
}
