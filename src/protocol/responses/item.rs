//! One item of a Responses `output`: what is kept of it while it is open, and how it is written.
//!
//! An item knows no stream: it writes itself as it begins and as it ends, and the part inside it.

use crate::base::span::Span;
use crate::json::{Escaped, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::{CallKind, Opening, PartKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Summary,
    Thought,
    Call,
    Custom,
    Image,
    /// An item of Responses that is carried as it is.
    Carried,
    /// What cannot be said here.
    Unsaid,
}

/// An item that is not closed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) at: u32,
    /// Its number in `output`, once it is added.
    pub(super) index: Option<u32>,
    pub(super) kind: Kind,
    /// The members of a call that name it; the whole of a carried item.
    pub(super) head: Vec<u8>,
    /// Its text, its input, or an image's bytes, as far as they were told.
    pub(super) said: Vec<u8>,
    pub(super) seal: Vec<u8>,
    pub(super) annotations: Vec<u8>,
    pub(super) annotated: u64,
    /// Whether the part inside the item has begun.
    pub(super) begun: bool,
}

impl Kind {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Kind::Text | Kind::Refusal => "msg_",
            Kind::Summary | Kind::Thought => "rs_",
            Kind::Call => "fc_",
            Kind::Custom => "ctc_",
            Kind::Image => "ig_",
            Kind::Carried | Kind::Unsaid => "item_",
        }
    }

    /// The events of more text and of the whole text, the name of the whole, and that of the part's number.
    pub(super) fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Kind::Refusal => ("response.refusal.delta", "response.refusal.done", "refusal", "content_index"),
            Kind::Summary => (
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "text",
                "summary_index",
            ),
            Kind::Thought => ("response.reasoning_text.delta", "response.reasoning_text.done", "text", "content_index"),
            Kind::Call => {
                ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments", "")
            }
            Kind::Custom => {
                ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input", "")
            }
            _ => ("response.output_text.delta", "response.output_text.done", "text", "content_index"),
        }
    }
}

impl Item {
    pub(super) fn of(at: u32, kind: &PartKind<'_>, opening: &Opening) -> Item {
        let mut head = Vec::new();
        let kind = match kind {
            PartKind::Text => Kind::Text,
            PartKind::Refusal => Kind::Refusal,
            PartKind::Reasoning { summary: true } => Kind::Summary,
            PartKind::Reasoning { summary: false } => Kind::Thought,
            PartKind::Media => Kind::Image,
            PartKind::ToolCall { id, name, namespace, kind } => {
                head.extend_from_slice(b"\"call_id\":\"");
                match id.bytes() {
                    [] => head.extend_from_slice(format!("call_{}_{at}", opening.id).as_bytes()),
                    id => head.extend_from_slice(id),
                }
                head.extend_from_slice(b"\",\"name\":\"");
                head.extend_from_slice(name.bytes());
                if !namespace.bytes().is_empty() {
                    head.extend_from_slice(b"\",\"namespace\":\"");
                    head.extend_from_slice(namespace.bytes());
                }
                head.push(b'"');
                if *kind == CallKind::Custom { Kind::Custom } else { Kind::Call }
            }
            PartKind::Foreign { origin: Dialect::Responses, raw } if raw.is_object() => {
                head.extend_from_slice(raw.bytes());
                Kind::Carried
            }
            PartKind::Foreign { .. } => Kind::Unsaid,
        };
        let (said, seal, annotations) = (Vec::new(), Vec::new(), Vec::new());
        Item { at, index: None, kind, head, said, seal, annotations, annotated: 0, begun: false }
    }

    pub(super) fn id(&self, answer: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.prefix().as_bytes());
        text::escape(answer, out);
        out.push(b'_');
        out.extend_from_slice(itoa::Buffer::new().format(self.index.unwrap_or_default()).as_bytes());
    }

    /// The part inside the item.
    pub(super) fn part(&self, whole: bool, out: &mut Vec<u8>) {
        let said = if whole { &*self.said } else { b"" };
        let (name, member) = match self.kind {
            Kind::Refusal => ("refusal", "refusal"),
            Kind::Summary => ("summary_text", "text"),
            Kind::Thought => ("reasoning_text", "text"),
            _ => ("output_text", "text"),
        };
        let mut json = Writer::new(out);
        json.begin_object().key("type").string(name).key(member).escaped(inside(said));
        json.end();
        if self.kind == Kind::Text {
            out.pop();
            out.extend_from_slice(b",\"annotations\":[");
            out.extend_from_slice(if whole { &self.annotations } else { b"" });
            out.extend_from_slice(b"],\"logprobs\":[]}");
        }
    }

    /// The item, as it begins or as it ends.
    pub(super) fn write(&self, answer: &str, whole: bool, out: &mut Vec<u8>) {
        if self.kind == Kind::Carried {
            return out.extend_from_slice(&self.head);
        }
        let said = if whole { &*self.said } else { b"" };
        let status = if whole { "completed" } else { "in_progress" };
        out.extend_from_slice(b"{\"id\":\"");
        self.id(answer, out);
        out.extend_from_slice(b"\",");
        let begun = whole && self.begun;
        match self.kind {
            Kind::Text | Kind::Refusal => {
                out.extend_from_slice(b"\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
                if whole {
                    self.part(true, out);
                }
                out.push(b']');
            }
            Kind::Summary | Kind::Thought => {
                out.extend_from_slice(b"\"type\":\"reasoning\",\"summary\":[");
                if begun && self.kind == Kind::Summary {
                    self.part(true, out);
                }
                out.push(b']');
                if begun && self.kind == Kind::Thought {
                    out.extend_from_slice(b",\"content\":[");
                    self.part(true, out);
                    out.push(b']');
                }
                if whole && !self.seal.is_empty() {
                    out.extend_from_slice(b",\"encrypted_content\":\"");
                    out.extend_from_slice(&self.seal);
                    out.push(b'"');
                }
            }
            Kind::Call | Kind::Custom => {
                let (name, member): (&[u8], &[u8]) = match self.kind {
                    Kind::Call => (b"\"type\":\"function_call\",", b",\"arguments\":\""),
                    _ => (b"\"type\":\"custom_tool_call\",", b",\"input\":\""),
                };
                for piece in [name, &self.head, member, said, b"\""] {
                    out.extend_from_slice(piece);
                }
            }
            _ => {
                out.extend_from_slice(b"\"type\":\"image_generation_call\",\"result\":");
                let mut json = Writer::new(out);
                if whole {
                    json.escaped(inside(said))
                } else {
                    json.null()
                };
            }
        }
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(status.as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

/// What is escaped already, as the scanner tells it.
pub(super) fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}
