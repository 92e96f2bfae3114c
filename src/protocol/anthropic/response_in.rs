//! Reads a whole message of an upstream.

use super::{UNSIGNED, error};
use crate::json::{self, Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadUpstream, CallKind, Delta, Event, PartKind, Seal, Stop};
use crate::protocol::sniff::Usage;

/// Reads an answer, told as events. An error that came with a good status is one (conversion.md 44).
pub fn response(body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), BadUpstream> {
    json::value(body).map_err(|_| BadUpstream("the answer is not JSON"))?;
    let (mut id, mut model, mut content, mut usage) = (Escaped::EMPTY, Escaped::EMPTY, None, None);
    let (mut reason, mut word, mut failed) = (None, None, false);
    for (name, value) in json::members(body) {
        match name.bytes() {
            b"id" => id = value.as_str().unwrap_or(id),
            b"model" => model = value.as_str().unwrap_or(model),
            b"content" => content = Some(value),
            b"usage" if value.is_object() => usage = Some(value),
            b"stop_reason" => reason = value.as_str(),
            b"stop_sequence" => word = value.as_str(),
            b"type" => failed |= value.as_str().is_some_and(|kind| kind.eq_str("error")),
            b"error" => failed |= value.is_object(),
            _ => {}
        }
    }
    if failed && content.is_none() {
        sink(Event::Fail(error::failure(0, body)));
        return Ok(());
    }
    let content = content.filter(|content| content.is_array()).ok_or(BadUpstream("the answer has no content"))?;
    sink(Event::Start { id, model });
    let mut calls = false;
    for (at, block) in (0..).zip(content.elements()) {
        calls |= part(at, block, sink);
    }
    let stop = reason.map_or(Stop::EndTurn, |reason| stop(reason, word));
    sink(Event::Stop(stop.settled(calls)));
    if let Some(usage) = usage {
        sink(Event::Usage(Usage::anthropic(usage.bytes()).with_cache()));
    }
    sink(Event::End);
    Ok(())
}

/// Tells one block; whether it calls a tool.
fn part(at: u32, block: Raw<'_>, sink: &mut impl FnMut(Event<'_>)) -> bool {
    let (mut kind, mut id, mut name) = (Escaped::EMPTY, Escaped::EMPTY, Escaped::EMPTY);
    let (mut text, mut sealed, mut input, mut citations) = (Escaped::EMPTY, Escaped::EMPTY, None, None);
    for (member, value) in block.members() {
        match (member.bytes(), value.as_str()) {
            (b"type", Some(said)) => kind = said,
            (b"id", Some(said)) => id = said,
            (b"name", Some(said)) => name = said,
            (b"text" | b"thinking", Some(said)) => text = said,
            (b"signature" | b"data", Some(said)) => sealed = said,
            (b"input", _) => input = Some(value),
            (b"citations", None) => citations = Some(value),
            _ => {}
        }
    }
    let opened = match kind.bytes() {
        b"text" => PartKind::Text,
        b"thinking" | b"redacted_thinking" => PartKind::Reasoning { summary: false },
        b"tool_use" => called(id, name),
        _ => PartKind::Foreign { origin: Dialect::Anthropic, raw: block },
    };
    let calls = matches!(opened, PartKind::ToolCall { .. });
    let said = matches!(opened, PartKind::Text | PartKind::Reasoning { .. });
    let kind = if kind.bytes() == b"thinking" { SealKind::Signature } else { SealKind::Encrypted };
    sink(Event::Open { at, kind: opened });
    let mut fill = |delta| sink(Event::Fill { at, delta });
    if said && !text.bytes().is_empty() {
        fill(Delta::Text(text));
    }
    if said {
        for raw in citations.iter().flat_map(|citations| citations.elements()) {
            fill(Delta::Citation { origin: Dialect::Anthropic, raw });
        }
        seal(kind, sealed).into_iter().for_each(|seal| fill(Delta::Seal(seal)));
    }
    if let Some(input) = input.filter(|_| calls) {
        fill(Delta::Json(input));
    }
    sink(Event::Close { at });
    calls
}

/// A call of a tool.
pub(super) fn called<'a>(id: Escaped<'a>, name: Escaped<'a>) -> PartKind<'a> {
    PartKind::ToolCall { id, name, namespace: Escaped::EMPTY, kind: CallKind::Function }
}

/// The seal in a block of the upstream's; nothing if it is empty or weir's own word for none.
pub(super) fn seal(kind: SealKind, data: Escaped<'_>) -> Option<Seal<'_>> {
    let said = !data.bytes().is_empty() && data.bytes() != UNSIGNED;
    said.then(|| Seal::read(Dialect::Anthropic, kind, data.into()))
}

/// Why the answer ends, by Anthropic's word.
pub(super) fn stop<'a>(reason: Escaped<'a>, word: Option<Escaped<'a>>) -> Stop<'a> {
    match reason.bytes() {
        b"tool_use" => Stop::ToolUse,
        b"max_tokens" => Stop::Length,
        b"model_context_window_exceeded" => Stop::ContextFull,
        b"stop_sequence" => Stop::Word(word.unwrap_or(Escaped::EMPTY)),
        b"refusal" => Stop::Refusal,
        b"pause_turn" | b"compaction" => Stop::Pause,
        _ => Stop::EndTurn,
    }
}

#[cfg(test)]
#[path = "response_in_test.rs"]
mod tests;
