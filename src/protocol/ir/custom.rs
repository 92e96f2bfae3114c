//! Tools that take any text, for protocols whose tools take JSON (conversion.md 34).
//!
//! Such a tool is said as a function with one string, `input`; a call of it in the history is wrapped the same way,
//! and the model's call is unwrapped again, piece by piece, as it streams. The inside of the string `input` is the
//! pivot's escaped text already, so one level of escapes is taken off and the rest is copied. What a model wrote need
//! not be JSON: a raw line end or an unknown escape is mended, text without the wrapping passes as it is, and a call
//! without `input` is told by [`Unwrap::is_found`]. Names are the matter of [`super::names`].

use super::request::{Function, Input, Request, Tool};
use super::text::{Json, Text};
use crate::base::span::Span;
use crate::json::{Escaped, Raw};

/// The schema of a tool that takes any text, said as a function.
const SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool as plain text."}},"required":["input"],"additionalProperties":false}"#;
/// What a model is told of it.
const GUIDANCE: &str = "Put the whole input of this tool, as plain text, into the string `input`.";

/// The schema of a wrapped tool.
pub fn schema() -> Json<'static> {
    Json::constant(SCHEMA)
}

/// The description of a wrapped tool: its own, how it is called, and the grammar that its text has to keep.
pub fn description(own: Option<&Text<'_>>, format: Option<&Json<'_>>) -> Text<'static> {
    let mut said = Vec::new();
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        said.extend_from_slice(own.bytes());
        said.extend_from_slice(b"\\n\\n");
    }
    said.extend_from_slice(GUIDANCE.as_bytes());
    let definition = format.and_then(|format| format.raw().find("definition")).and_then(Raw::as_str);
    if let Some(definition) = definition {
        said.extend_from_slice(b" It has to match this grammar");
        if let Some(syntax) = format.and_then(|format| format.raw().find("syntax")).and_then(Raw::as_str) {
            said.extend_from_slice(b" (");
            said.extend_from_slice(syntax.bytes());
            said.push(b')');
        }
        said.extend_from_slice(b":\\n");
        said.extend_from_slice(definition.bytes());
    }
    Text::joined(said)
}

/// The input of a call of the history as the wrapped tool takes it; that of any other tool as it is.
pub fn wrap(input: &Input<'_>) -> Option<Json<'static>> {
    let Input::Free(text) = input else { return None };
    let mut object = Vec::with_capacity(text.bytes().len() + 12);
    object.extend_from_slice(b"{\"input\":\"");
    object.extend_from_slice(text.bytes());
    object.extend_from_slice(b"\"}");
    Some(Json::written(object))
}

/// The text in a wrapped call that was told as one JSON value; nothing if it has no `input`.
pub fn unwrap(input: Raw<'_>) -> Option<Escaped<'_>> {
    input.as_str().or_else(|| input.find("input")?.as_str())
}

/// Unwraps a call whose input comes as pieces of JSON text.
#[derive(Clone, Debug, Default)]
pub struct Unwrap {
    place: Place,
    /// An escape of the inner text that is not whole yet.
    escape: [u8; 6],
    escape_bytes: u8,
    /// What one piece gives; kept, so that pieces allocate nothing once it has grown.
    piece: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the brace.
    #[default]
    Start,
    /// Before a name.
    Name,
    /// In a name of which `equal` bytes are those of `input`; nothing once it differs.
    InName { equal: Option<u8>, escaped: bool },
    /// Behind a name.
    Colon { input: bool },
    /// Before a value.
    Value { input: bool },
    /// In the text itself.
    Inside,
    /// In a value that is no matter, so deep in brackets.
    Other { depth: u32 },
    /// In a string of such a value.
    OtherText { depth: u32, escaped: bool },
    /// The text is whole.
    Found,
    /// The object is whole and had no text.
    Missing,
    /// No wrapping at all.
    Plain,
}

const NAME: &[u8] = b"input";

impl Unwrap {
    /// Takes the next piece of the call's input and tells the text that it holds, if any.
    pub fn piece(&mut self, more: Escaped<'_>, mut sink: impl FnMut(Escaped<'_>)) {
        self.piece.clear();
        let mut rest = more.bytes();
        while let [first, ..] = rest {
            let taken = match (self.place, *first) {
                (Place::Found | Place::Missing, _) => break,
                (Place::Plain, _) => {
                    self.piece.extend_from_slice(rest);
                    break;
                }
                (Place::Inside, byte) if byte != b'\\' && self.escape_bytes == 0 => {
                    let run = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
                    self.piece.extend_from_slice(&rest[..run]);
                    run
                }
                (Place::Start, byte) if !matches!(byte, b'{' | b' ' | b'\\') => {
                    self.place = Place::Plain;
                    0
                }
                (_, b'\\') => self.outer_escape(rest),
                (_, byte) => {
                    self.byte(byte);
                    1
                }
            };
            rest = &rest[taken..];
        }
        if !self.piece.is_empty() {
            sink(Escaped::at(&self.piece, Span::new(0, self.piece.len())));
        }
    }

    /// Whether the call held a text, as far as it was told.
    pub fn is_found(&self) -> bool {
        matches!(self.place, Place::Inside | Place::Found | Place::Plain)
    }

    /// Takes the escape that `rest` begins with; how many bytes it has.
    fn outer_escape(&mut self, rest: &[u8]) -> usize {
        let plain = match rest.get(1) {
            Some(b'u') => {
                let escape = rest.get(..6).unwrap_or(rest);
                let digits = std::str::from_utf8(&escape[2..]).ok();
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii) {
                    Some(byte) => self.byte(byte),
                    None => self.wide(escape),
                }
                return escape.len();
            }
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(other) => *other,
            None => return 1,
        };
        self.byte(plain);
        2
    }

    /// A letter outside ASCII, which may stand in the text as it is escaped, also where half of it comes later.
    fn wide(&mut self, escape: &[u8]) {
        match self.place {
            Place::Inside => {
                self.mend();
                self.piece.extend_from_slice(escape);
            }
            Place::Start => {
                self.place = Place::Plain;
                self.piece.extend_from_slice(escape);
            }
            _ => self.byte(0xFF),
        }
    }

    /// One byte of the JSON text.
    fn byte(&mut self, byte: u8) {
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.place = match (self.place, byte) {
            (Place::Inside, _) => return self.inside(byte),
            (Place::Start | Place::Name | Place::Colon { .. } | Place::Value { .. }, _) if blank => return,
            (Place::Start, b'{') => Place::Name,
            (Place::Start, _) => {
                self.push(byte);
                Place::Plain
            }
            (Place::Name, b'"') => Place::InName { equal: Some(0), escaped: false },
            (Place::Name, b'}') => Place::Missing,
            (Place::InName { equal, escaped: false }, b'"') => {
                Place::Colon { input: equal.is_some_and(|equal| usize::from(equal) == NAME.len()) }
            }
            (Place::InName { .. }, b'\\') => Place::InName { equal: None, escaped: true },
            (Place::InName { equal, .. }, _) => {
                let equal = equal.filter(|equal| NAME.get(usize::from(*equal)) == Some(&byte)).map(|equal| equal + 1);
                Place::InName { equal, escaped: false }
            }
            (Place::Colon { input }, b':') => Place::Value { input },
            (Place::Value { input: true }, b'"') => Place::Inside,
            (Place::Value { .. } | Place::Other { .. }, _) => self.other(byte),
            (Place::OtherText { depth, escaped: false }, b'"') => Place::Other { depth },
            (Place::OtherText { depth, escaped }, _) => Place::OtherText { depth, escaped: byte == b'\\' && !escaped },
            (place, _) => place,
        };
    }

    /// One byte of a value that is no matter.
    fn other(&self, byte: u8) -> Place {
        let depth = if let Place::Other { depth } = self.place { depth } else { 0 };
        match (byte, depth) {
            (b'"', _) => Place::OtherText { depth, escaped: false },
            (b'{' | b'[', _) => Place::Other { depth: depth.saturating_add(1) },
            (b'}', 0) => Place::Missing,
            (b',', 0) => Place::Name,
            (b'}' | b']', _) => Place::Other { depth: depth.saturating_sub(1) },
            _ => Place::Other { depth },
        }
    }

    /// One byte of the inner string, which may be part of an escape.
    fn inside(&mut self, byte: u8) {
        match (self.escape_bytes, byte) {
            (0, b'"') => self.place = Place::Found,
            (0, b'\\') => self.keep(byte),
            (0, _) => self.push(byte),
            (1, b'u') => self.keep(byte),
            (1, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.escape_bytes = 0;
                self.piece.extend_from_slice(&[b'\\', byte]);
            }
            (2.., _) if byte.is_ascii_hexdigit() => {
                self.keep(byte);
                if usize::from(self.escape_bytes) == self.escape.len() {
                    self.escape_bytes = 0;
                    self.piece.extend_from_slice(&self.escape);
                }
            }
            _ => {
                self.mend();
                self.inside(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        self.escape[usize::from(self.escape_bytes)] = byte;
        self.escape_bytes += 1;
    }

    /// What began as an escape is none: its backslash stands for itself.
    fn mend(&mut self) {
        let escape = self.escape;
        let kept = &escape[..usize::from(self.escape_bytes)];
        if let [first, rest @ ..] = kept {
            self.piece.extend_from_slice(&[*first, b'\\']);
            self.piece.extend_from_slice(rest);
            self.escape_bytes = 0;
        }
    }

    /// One byte of text, escaped where it has to be.
    fn push(&mut self, byte: u8) {
        match byte {
            b'"' | b'\\' => self.piece.extend_from_slice(&[b'\\', byte]),
            b'\n' => self.piece.extend_from_slice(b"\\n"),
            b'\r' => self.piece.extend_from_slice(b"\\r"),
            b'\t' => self.piece.extend_from_slice(b"\\t"),
            0..0x20 => {
                let digit = |four: u8| b"0123456789abcdef"[usize::from(four)];
                self.piece.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => self.piece.push(byte),
        }
    }
}

/// `request` for a protocol that knows no groups of tools: what each is for is told with the first tool of it. Nothing
/// where there are none.
pub fn ungrouped<'a>(request: &Request<'a>) -> Option<Request<'a>> {
    if request.namespaces.iter().all(|(_, purpose)| purpose.is_empty()) {
        return None;
    }
    let mut plain = request.clone();
    for (group, purpose) in plain.namespaces.drain(..).filter(|(_, purpose)| !purpose.is_empty()) {
        let first = plain.tools.iter_mut().find_map(|tool| match tool {
            Tool::Function(Function { namespace, description, .. }) | Tool::Custom { namespace, description, .. } => {
                (namespace.as_ref() == Some(&group)).then_some(description)
            }
            Tool::WebSearch(_) | Tool::Foreign { .. } => None,
        });
        if let Some(description) = first {
            match description {
                Some(said) if !said.is_empty() => {
                    said.push(Text::plain("\n\n").escaped());
                    said.push(purpose.escaped());
                }
                empty => *empty = Some(purpose),
            }
        }
    }
    Some(plain)
}

#[cfg(test)]
#[path = "custom_test.rs"]
mod tests;
