//! The pivot: what all five protocols mean, in one form that none of them owns.
//!
//! A request is a tree of parts over the client's own bytes ([`Request`]). An answer is a sequence of parts that
//! are opened, filled and closed ([`Event`]); a whole answer is the same sequence told at once. Text stays as it is
//! escaped, JSON that nobody here understands stays as it was written, and what belongs to one vendor carries that
//! vendor's name ([`Seal`], [`Part::Foreign`]), so that it comes back to him and to nobody else.
//!
//! Each protocol has one decoder and one encoder for each direction ([`Decode`], [`Encode`]): N + N, no pairs.
//! Everything here is bytes in, bytes out: no clock, no socket. Which pair meets is `translate`'s matter.

pub mod arrange;
pub mod assemble;
pub mod citation;
pub mod custom;
pub mod dropped;
pub mod event;
pub mod grammar;
#[cfg(test)]
pub(in crate::protocol) mod laws;
pub mod media;
pub mod names;
pub mod order;
pub mod request;
pub mod schema;
pub mod seal;
pub mod text;
pub mod thinking;

use super::Dialect;
use super::failure::Fault;
use crate::sse::{self, Frame};

pub use assemble::Response;
pub use dropped::{Action, Dropped, Unread};
pub use event::{Delta, Event, PartKind, Stop};
pub use names::Names;
pub use request::{
    CallKind, Function, Input, Instruction, Media, MediaKind, Part, Reasoning, Request, Role, Sampling, Shape, Source,
    Tool, ToolCall, ToolChoice, ToolResult, Turn, WebSearch,
};
pub use seal::Seal;
pub use text::{Json, Text};
pub use thinking::{Effort, Thinking};

use std::borrow::Cow;
use std::fmt;

/// Why a request cannot be read, or cannot be said in another protocol: told to the caller as 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// The member that is meant, as a path: `messages.3.content`.
    pub member: Cow<'static, str>,
    /// What is wrong with it, without the member's name.
    pub message: Cow<'static, str>,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.member.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.member, self.message),
        }
    }
}

/// Why an upstream's answer, or one event of it, is not one. An event is skipped and counted, an answer is 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUpstream(pub &'static str);

/// An error that an upstream told, as meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// What went wrong.
    pub fault: Fault,
    /// What the upstream says of it. Never trusted to be free of secrets: whoever passes it on masks it.
    pub message: Cow<'a, str>,
    /// The vendor's own word for it (`insufficient_quota`, `RESOURCE_EXHAUSTED`); empty if none.
    pub code: Cow<'a, str>,
}

impl Failure<'_> {
    /// The same, free of the bytes it came in.
    pub fn into_owned(self) -> Failure<'static> {
        let Failure { fault, message, code } = self;
        Failure { fault, message: message.into_owned().into(), code: code.into_owned().into() }
    }
}

/// What the target of a request is like, as far as an encoder has to know.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The model as the provider names it.
    pub model: &'a str,
    /// Whether the upstream is asked for a stream; may differ from what the client asked for.
    pub stream: bool,
    /// What is peculiar about this provider.
    pub quirks: &'a Quirks,
}

/// Peculiarities of a provider that its protocol does not tell. Filled from presets and the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// How Chat names the bound on output tokens; `Auto` decides by the model's name (`gpt-5`, `o1`, …).
    pub output_tokens_name: OutputTokensName,
    /// The history's reasoning is sent back as `reasoning_content` (DeepSeek, Moonshot, MiniMax in thinking mode).
    pub replays_reasoning: bool,
    /// Knows the role `developer`.
    pub developer_role: bool,
    /// Every instruction goes into one leading system message.
    pub leading_system_only: bool,
    /// Knows no system role at all: instructions become text of the user.
    pub no_system_role: bool,
    /// `tool_choice` may only be `auto` or `none`.
    pub tool_choice_auto_only: bool,
    /// Knows `parametersJsonSchema` (Gemini).
    pub json_schema_tools: bool,
    /// Knows no `stream_options`.
    pub no_stream_options: bool,
}

/// Name of the bound on output tokens in Chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputTokensName {
    /// By the model's name.
    #[default]
    Auto,
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// A request as an encoder wrote it.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The body.
    pub body: Vec<u8>,
    /// What of the request the body does not say.
    pub dropped: Dropped,
    /// Tool names that had to change, to be restored in the answer.
    pub names: Names,
}

/// What the answer to a client begins with, known before the upstream has said anything.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// An id that is free for use in this answer: letters and digits, without the dialect's prefix.
    pub id: String,
    /// The model as the client sees it; empty for what the upstream says.
    pub model: String,
    /// Seconds since 1970.
    pub created_unix_s: u64,
    /// Whether the client wants usage in its stream (Chat's `stream_options.include_usage`; elsewhere always).
    pub include_usage: bool,
    /// A guess at the prompt's tokens, for dialects that tell it first (Anthropic's `message_start`); 0 for none.
    pub input_tokens: u64,
    /// Members of the request that the answer repeats (Responses: `instructions`, `tools`, `tool_choice`, …), as
    /// written JSON members `"name":value,…` without braces; of Chat's old completions with `echo` the prompt, escaped.
    /// Empty for none.
    pub echo: Vec<u8>,
    /// The request has Responses' tool `local_shell`, so that a call of it is told in that tool's own form.
    pub local_shell: bool,
    /// How events are framed for the client; Gemini has two forms.
    pub framing: Option<sse::Framing>,
    /// The answer is to Ollama's `/api/generate` and not `/api/chat`, or to Chat's old `/v1/completions`.
    pub plain_completion: bool,
    /// The client gave its tools by Chat's old `functions` ([`Request::old_functions`]).
    pub old_functions: bool,
    /// The client has tools, so that the answer may call one.
    pub has_tools: bool,
}

/// How one protocol is read.
pub trait Decode {
    /// Whose protocol it is.
    const DIALECT: Dialect;
    /// Reads its streams.
    type Stream: StreamDecoder;
    /// Reads a client's request. `body` is valid JSON. `path_model` is the model that the path names; `stream` what
    /// the path says of streaming, where the body does not (Gemini).
    fn request<'a>(body: &'a [u8], path_model: Option<&'a str>, stream: bool) -> Result<Request<'a>, BadRequest>;
    /// Reads a whole answer of an upstream, told as events from `Start` to `End` or `Fail`.
    fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream>;
    /// Reads an upstream's error body. Total: what cannot be read is judged by its status.
    fn failure(status: u16, body: &[u8]) -> Failure<'_>;
}

/// Reads the frames of an upstream's stream.
///
/// Events keep the grammar of [`grammar`] on every input. Nothing is allocated per frame in steady state.
pub trait StreamDecoder: Default {
    /// How the stream is framed; upstreams are asked for this form.
    const FRAMING: sse::Framing;
    /// Reads one frame. After an error the decoder goes on with the next.
    fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream>;
    /// The upstream has ended. Tells what is still open closed, then `End` where a reason to stop was seen, else
    /// `Fail`; nothing if one of them has been told.
    fn finish(&mut self, sink: &mut impl FnMut(Event<'_>));
}

/// How one protocol is written.
pub trait Encode {
    /// Whose protocol it is.
    const DIALECT: Dialect;
    /// Writes its streams.
    type Stream: StreamEncoder;
    /// Writes a request for an upstream.
    fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest>;
    /// Writes a whole answer for a client.
    fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>);
}

/// Writes a stream for a client: each event appends whole frames, or nothing yet.
pub trait StreamEncoder {
    /// At the beginning of an answer. Nothing is written before the first event.
    fn new(opening: Opening) -> Self;
    /// Writes what `event` adds. `End` writes the dialect's end mark; `Fail` its error event and no end mark.
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>);
    /// Bytes that are kept, and that an event may bring out at once.
    fn kept_bytes(&self) -> usize;
}
