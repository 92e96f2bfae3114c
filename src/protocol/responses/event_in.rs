//! Reads the events of a Responses stream and the items in them: their members, in one pass each.
//!
//! What they mean together is [`super::stream_in`]'s matter.

use crate::json::mould::Idle;
use crate::json::{Escaped, Raw};
use crate::protocol::ir::CallKind;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call(CallKind),
    Image,
    Foreign,
}

/// The members of an event, read in one pass.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) kind: &'a [u8],
    pub(super) index: u64,
    pub(super) number: u64,
    pub(super) delta: Option<Escaped<'a>>,
    pub(super) whole: Option<Escaped<'a>>,
    pub(super) item: Option<Raw<'a>>,
    pub(super) part: Option<Raw<'a>>,
    pub(super) annotation: Option<Raw<'a>>,
    pub(super) response: Option<Raw<'a>>,
    /// Numbers of events and what is there to hide lengths.
    pub(super) idle: Idle,
}

impl<'a> Said<'a> {
    pub(super) fn of(event: Raw<'a>) -> Said<'a> {
        let mut said = Said::default();
        for (name, value) in event.members() {
            match name.bytes() {
                b"type" => said.kind = value.as_str().map_or(&[], Escaped::bytes),
                b"output_index" => said.index = value.as_u64().unwrap_or(0),
                b"content_index" | b"summary_index" => said.number = value.as_u64().unwrap_or(0),
                b"delta" => said.delta = value.as_str(),
                b"text" | b"refusal" | b"arguments" | b"input" => said.whole = value.as_str(),
                b"item" => said.item = Some(value),
                b"part" => said.part = Some(value),
                b"annotation" => said.annotation = Some(value),
                b"response" => said.response = Some(value).filter(|response| response.is_object()),
                b"sequence_number" | b"obfuscation" => said.idle.add(event.bytes(), value),
                _ => {}
            }
        }
        said
    }
}

/// The members of an item, read in one pass.
pub(super) struct Whole<'a> {
    pub(super) kind: Kind,
    pub(super) call_id: Escaped<'a>,
    pub(super) name: Escaped<'a>,
    pub(super) namespace: Escaped<'a>,
    pub(super) input: Option<Escaped<'a>>,
    pub(super) content: Option<Raw<'a>>,
    pub(super) summary: Option<Raw<'a>>,
    pub(super) encrypted: Option<Escaped<'a>>,
    pub(super) result: Option<Escaped<'a>>,
    pub(super) format: Escaped<'a>,
}

impl<'a> Whole<'a> {
    pub(super) fn of(item: Raw<'a>) -> Whole<'a> {
        let (mut content, mut summary, mut encrypted, mut result) = (None, None, None, None);
        let (mut call_id, mut name, mut namespace, mut format) =
            (Escaped::EMPTY, Escaped::EMPTY, Escaped::EMPTY, Escaped::EMPTY);
        let (mut kind, mut input) = (Kind::Foreign, None);
        for (member, value) in item.members() {
            let text = value.as_str().unwrap_or(Escaped::EMPTY);
            match member.bytes() {
                b"type" => {
                    kind = match text.bytes() {
                        b"message" => Kind::Message,
                        b"reasoning" => Kind::Reasoning,
                        b"function_call" => Kind::Call(CallKind::Function),
                        b"custom_tool_call" => Kind::Call(CallKind::Custom),
                        b"image_generation_call" => Kind::Image,
                        _ => Kind::Foreign,
                    };
                }
                b"call_id" => call_id = text,
                b"name" => name = text,
                b"namespace" => namespace = text,
                b"arguments" | b"input" => input = value.as_str(),
                b"content" => content = Some(value),
                b"summary" => summary = Some(value),
                b"encrypted_content" => encrypted = value.as_str(),
                b"result" => result = value.as_str(),
                b"output_format" => format = text,
                _ => {}
            }
        }
        Whole { kind, call_id, name, namespace, input, content, summary, encrypted, result, format }
    }
}
