//! What an answer says, as a sequence of parts that are opened, filled and closed.
//!
//! Borrowed from the frame at hand and told at once: nothing of an event outlives the call that tells it.

use super::Failure;
use super::request::CallKind;
use super::seal::Seal;
use crate::json::{Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::sniff::Usage;

/// One thing that an answer says. [`super::grammar`] has the order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The answer begins.
    Start {
        /// The upstream's id of it; empty if it has none.
        id: Escaped<'a>,
        /// The model as the upstream names it; empty if it does not.
        model: Escaped<'a>,
    },
    /// A part begins. Numbers rise; several may be open at once.
    Open {
        /// Its number.
        at: u32,
        /// What it is.
        kind: PartKind<'a>,
    },
    /// More of an open part.
    Fill {
        /// Its number.
        at: u32,
        /// What is added.
        delta: Delta<'a>,
    },
    /// A part is whole.
    Close {
        /// Its number.
        at: u32,
    },
    /// What the answer cost so far. Cumulative: each one replaces those before.
    Usage(Usage),
    /// Why the answer ends.
    Stop(Stop<'a>),
    /// The answer breaks off. Nothing follows.
    Fail(Failure<'a>),
    /// The upstream is still there.
    Ping,
    /// The answer is whole. Nothing follows.
    End,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum PartKind<'a> {
    /// Text.
    Text,
    /// The model's refusal to answer.
    Refusal,
    /// What the model thought.
    Reasoning {
        /// Whether the text is a summary (Responses).
        summary: bool,
    },
    /// A call of a tool.
    ToolCall {
        /// What its result will refer to; empty where the protocol has none.
        id: Escaped<'a>,
        /// The tool.
        name: Escaped<'a>,
        /// The group that the tool belongs to; empty for none.
        namespace: Escaped<'a>,
        /// What kind of tool it is.
        kind: CallKind,
    },
    /// An image or sound, whole in its `Delta::Media`.
    Media,
    /// A part that only its own protocol knows.
    Foreign {
        /// Whose it is.
        origin: Dialect,
        /// As written, as far as it is known when it opens.
        raw: Raw<'a>,
    },
}

/// What is added to a part.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<'a> {
    /// Text of a text, a refusal or reasoning.
    Text(Escaped<'a>),
    /// Text of a tool's input: a piece of JSON text, or of free text for a custom tool.
    Input(Escaped<'a>),
    /// A tool's whole input as a JSON value; at most once, and no `Input` beside it.
    Json(Raw<'a>),
    /// What only the vendor can read. On a call: Gemini's signature of it, right behind its opening.
    Seal(Seal<'a>),
    /// A citation or annotation of a text, as its origin writes it.
    Citation {
        /// Whose form it has.
        origin: Dialect,
        /// As written.
        raw: Raw<'a>,
    },
    /// The bytes of a medium in base64.
    Media {
        /// `image/png`.
        media_type: Escaped<'a>,
        /// The bytes.
        base64: Escaped<'a>,
    },
    /// More of a foreign part: an event of its protocol, as written.
    Foreign(Raw<'a>),
}

impl Delta<'_> {
    /// How many bytes it adds to an answer.
    pub fn bytes(&self) -> usize {
        match self {
            Delta::Text(text) | Delta::Input(text) => text.bytes().len(),
            Delta::Json(raw) | Delta::Foreign(raw) | Delta::Citation { raw, .. } => raw.bytes().len(),
            Delta::Seal(seal) => seal.data.bytes().len(),
            Delta::Media { media_type, base64 } => media_type.bytes().len() + base64.bytes().len(),
        }
    }
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<'a> {
    /// The model has said what it had to say.
    EndTurn,
    /// It waits for the results of tools.
    ToolUse,
    /// The bound on output tokens.
    Length,
    /// The model's whole context is full.
    ContextFull,
    /// One of the request's stop words; empty where the vendor does not say which.
    Word(Escaped<'a>),
    /// A filter of the vendor.
    Filter,
    /// The model refused.
    Refusal,
    /// The vendor's own tools take long: the same conversation is to be sent again (Anthropic's `pause_turn`).
    Pause,
}

impl Stop<'_> {
    /// The reason that fits what was told: whoever sees a call waits for its result, and nobody waits for none
    /// (conversion.md 11).
    pub fn settled(self, called: bool) -> Self {
        match (self, called) {
            (Stop::EndTurn, true) => Stop::ToolUse,
            (Stop::ToolUse, false) => Stop::EndTurn,
            (stop, _) => stop,
        }
    }
}
