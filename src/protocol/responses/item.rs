//! One item of a Responses `output`: what is kept of it while it is open, and how it is written.
//!
//! An item knows no stream: it writes itself as it begins and as it ends, and the part inside it.

use super::input_in::LOCAL_SHELL;
use crate::base::span::Span;
use crate::json::{Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::citation::Cited;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{CallKind, Delta, Opening, PartKind, custom};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    /// Reasoning, be it a summary or the whole: clients show and send back a `summary` only (Codex leaves
    /// `reasoning_text` out of the next turn, and with it what a vendor wants to see again).
    Summary,
    Call,
    Custom,
    /// A call of `local_shell`.
    Shell,
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
    /// Its number in `output`, once it has one.
    pub(super) index: Option<u32>,
    pub(super) kind: Kind,
    /// The members of a call that name it; the whole of a carried item.
    pub(super) head: Vec<u8>,
    /// Its text, its input, or an image's bytes, as far as they were told.
    pub(super) said: Vec<u8>,
    pub(super) seal: Vec<u8>,
    pub(super) annotations: Vec<u8>,
    pub(super) annotated: u64,
}

/// What is to be told of a delta.
pub(super) enum Told<'d> {
    Nothing,
    /// What the item says from this byte on.
    Said {
        start: usize,
    },
    /// A citation, from here on.
    Annotation {
        start: usize,
    },
    /// An event of the item's own.
    Event(Raw<'d>),
}

/// What a shell call is to do before that is known.
const NO_ACTION: &[u8] = br#"{"type":"exec","command":[],"env":{}}"#;

impl Kind {
    pub(super) fn is_call(self) -> bool {
        matches!(self, Kind::Call | Kind::Custom | Kind::Shell)
    }

    pub(super) fn prefix(self) -> &'static str {
        match self {
            Kind::Text | Kind::Refusal => "msg_",
            Kind::Summary => "rs_",
            Kind::Call => "fc_",
            Kind::Custom => "ctc_",
            Kind::Shell => "lsh_",
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
            PartKind::Reasoning { .. } => Kind::Summary,
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
                match kind {
                    CallKind::Custom => Kind::Custom,
                    CallKind::Function
                        if opening.local_shell && namespace.bytes().is_empty() && name.eq_str(LOCAL_SHELL) =>
                    {
                        Kind::Shell
                    }
                    CallKind::Function => Kind::Call,
                }
            }
            PartKind::Foreign { origin: Dialect::Responses, raw } if raw.is_object() => {
                flat(*raw, &mut head);
                Kind::Carried
            }
            PartKind::Foreign { .. } => Kind::Unsaid,
        };
        let (said, seal, annotations) = (Vec::new(), Vec::new(), Vec::new());
        Item { at, index: None, kind, head, said, seal, annotations, annotated: 0 }
    }

    /// Keeps what `delta` adds and answers what of it is to be told.
    pub(super) fn take<'d>(&mut self, delta: &Delta<'d>) -> Told<'d> {
        let start = self.said.len();
        match (self.kind, delta) {
            (Kind::Text | Kind::Refusal | Kind::Summary, Delta::Text(more))
            | (Kind::Call | Kind::Custom | Kind::Shell, Delta::Input(more)) => {
                self.said.extend_from_slice(more.bytes());
            }
            (Kind::Custom, Delta::Json(raw)) => {
                self.said.extend_from_slice(custom::unwrap(*raw).unwrap_or(Escaped::EMPTY).bytes());
            }
            (Kind::Call | Kind::Shell, Delta::Json(raw)) => {
                text::escape(&String::from_utf8_lossy(raw.bytes()), &mut self.said);
            }
            (Kind::Summary | Kind::Call | Kind::Custom | Kind::Shell, Delta::Seal(seal)) => {
                // A seal that comes in pieces is one seal; that of a call stands before the call or nowhere.
                match self.seal.is_empty() {
                    true if self.kind.is_call() && self.index.is_some() => {}
                    // OpenAI has no other seals: in its own form they would be reasoning.
                    true if seal.origin == Dialect::Responses && seal.kind != SealKind::Encrypted => {}
                    true => seal.write(Dialect::Responses, &mut self.seal),
                    false => self.seal.extend_from_slice(seal.data.bytes()),
                }
            }
            (Kind::Text, Delta::Citation { origin, raw }) => return self.cite(*origin, *raw),
            (Kind::Image, Delta::Media { media_type, base64 }) if media_type.bytes().starts_with(b"image/") => {
                self.said.extend_from_slice(base64.bytes());
                return Told::Nothing;
            }
            (Kind::Carried, Delta::Foreign(raw)) => return self.carry(*raw),
            _ => {}
        }
        if self.said.len() > start { Told::Said { start } } else { Told::Nothing }
    }

    /// Keeps a citation; another vendor's only if it names a URL.
    fn cite<'d>(&mut self, origin: Dialect, raw: Raw<'_>) -> Told<'d> {
        let before = self.annotations.len();
        if self.annotated > 0 {
            self.annotations.push(b',');
        }
        let start = self.annotations.len();
        match origin {
            Dialect::Responses => flat(raw, &mut self.annotations),
            _ => cited(raw, &mut self.annotations),
        }
        if self.annotations.len() == start {
            self.annotations.truncate(before);
            return Told::Nothing;
        }
        self.annotated += 1;
        Told::Annotation { start }
    }

    /// An event of Responses about a carried item; its last one has the item as it is in the end.
    fn carry<'d>(&mut self, raw: Raw<'d>) -> Told<'d> {
        let kind = raw.find("type").and_then(Raw::as_str);
        let done = kind.filter(|kind| kind.eq_str("response.output_item.done")).and_then(|_| raw.find("item"));
        match done.filter(|done| done.is_object()) {
            Some(done) => {
                self.head.clear();
                flat(done, &mut self.head);
                Told::Nothing
            }
            None => Told::Event(raw),
        }
    }

    /// The item before this one that keeps the seal of a call.
    pub(super) fn sealing(&mut self, opening: &Opening) -> Option<Item> {
        if self.seal.is_empty() || !self.kind.is_call() {
            return None;
        }
        let mut thought = Item::of(self.at, &PartKind::Reasoning { summary: true }, opening);
        thought.seal = std::mem::take(&mut self.seal);
        Some(thought)
    }

    /// Nothing more will be added: a call without input has an empty one, and the shell's is an action, or that call
    /// is one of a function.
    pub(super) fn settle(&mut self) {
        match self.kind {
            Kind::Call if self.said.is_empty() => self.said.extend_from_slice(b"{}"),
            Kind::Shell => match action(&self.said) {
                Some(action) => self.said = action,
                None => self.kind = Kind::Call,
            },
            _ => {}
        }
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
        let begun = whole && !self.said.is_empty();
        match self.kind {
            Kind::Text | Kind::Refusal => {
                out.extend_from_slice(b"\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
                if whole {
                    self.part(true, out);
                }
                out.push(b']');
            }
            Kind::Summary => {
                out.extend_from_slice(b"\"type\":\"reasoning\",\"summary\":[");
                if begun {
                    self.part(true, out);
                }
                out.push(b']');
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
            Kind::Shell => {
                out.extend_from_slice(b"\"type\":\"local_shell_call\",");
                // The name in the head is that of the tool, which this item says by its type.
                let named = memchr::memmem::find(&self.head, b",\"name\":\"").unwrap_or(self.head.len());
                out.extend_from_slice(&self.head[..named]);
                out.extend_from_slice(b",\"action\":");
                out.extend_from_slice(if whole { said } else { NO_ACTION });
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

/// The action of a shell call whose input is `said`, JSON text inside a string; nothing if it names no command.
fn action(said: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(said.len());
    text::unescape(said, &mut plain);
    let input = Raw::parse(&plain).ok()?;
    let mut action = Vec::with_capacity(plain.len() + 32);
    let mut json = Writer::new(&mut action);
    json.begin_object().key("type").string("exec").key("command");
    let command = input.find("command")?;
    match command.as_str() {
        Some(line) => json.begin_array().string("bash").string("-lc").escaped(line).end(),
        None if command.is_array() && command.elements().all(|word| word.as_str().is_some()) => json.raw(command),
        None => return None,
    };
    let env = input.find("env").filter(|env| env.is_object());
    match env {
        Some(env) => json.key("env").raw(env),
        None => json.key("env").begin_object().end(),
    };
    for name in ["timeout_ms", "user", "working_directory"] {
        if let Some(value) = input.find(name).filter(|value| !value.is_null()) {
            json.key(name).raw(value);
        }
    }
    json.end();
    let mut flat_action = Vec::with_capacity(action.len());
    flat(Raw::at(&action, Span::new(0, action.len())), &mut flat_action);
    Some(flat_action)
}

/// Appends `raw` on one line: between tokens a line end is a blank, and inside a string there is none.
pub(super) fn flat(raw: Raw<'_>, out: &mut Vec<u8>) {
    let mut rest = raw.bytes();
    while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..end]);
        out.push(b' ');
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
}

/// What is escaped already, as the scanner tells it.
pub(super) fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}

/// Appends another vendor's citation as one of a URL; nothing where it names none.
fn cited(raw: Raw<'_>, out: &mut Vec<u8>) {
    let Cited { url: Some(url), title, start, end, .. } = Cited::read(raw) else { return };
    let mut json = Writer::new(out);
    json.begin_object().key("type").string("url_citation");
    json.key("start_index").u64(start.unwrap_or(0)).key("end_index").u64(end.unwrap_or(0));
    json.key("url").escaped(url).key("title").escaped(title.unwrap_or(url)).end();
}
