//! Writes a whole answer as Gemini tells it: one candidate, its parts in order.

use super::carried::Carried;
use super::part_out::{self, Args, Sources};
use crate::json::text;
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::{Input, Opening, Response, Seal};

/// Writes `response` for a client.
pub fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    let (mut beside, mut cited) = (&b""[..], Sources::default());
    let (mut seal, mut scratch, mut empty) = (Vec::new(), Vec::new(), true);
    let mut carried = opening.has_tools.then(Carried::default);
    out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
    for part in &response.parts {
        if let Whole::Foreign { origin: Dialect::Gemini, raw, .. } = part
            && let Some(members) = part_out::beside(raw.raw())
        {
            beside = members;
            continue;
        }
        if let Whole::Text { citations, .. } = part {
            let others = citations.iter().filter(|(origin, _)| *origin != Dialect::Gemini);
            others.for_each(|(_, raw)| cited.cite(raw.raw()));
        }
        if let Some(carried) = &mut carried {
            carry(part, carried);
        }
        let before = out.len();
        if !empty {
            out.push(b',');
        }
        let start = out.len();
        write(part, &mut carried, &mut seal, &mut scratch, out);
        match out.len() == start {
            true => out.truncate(before),
            false => empty = false,
        }
    }
    if empty {
        part_out::say(b"", false, b"", out);
    }
    out.extend_from_slice(b"]}");
    part_out::finish(part_out::reason(response.stop()), beside, &cited, out);
    out.extend_from_slice(b"}]");
    part_out::usage(&response.usage, out);
    out.extend_from_slice(b",\"modelVersion\":\"");
    match opening.model.is_empty() {
        true => out.extend_from_slice(response.model.bytes()),
        false => text::escape(&opening.model, out),
    }
    out.extend_from_slice(b"\",\"responseId\":\"");
    text::escape(&opening.id, out);
    out.extend_from_slice(b"\"}");
}

/// Takes note of a part for the call that carries thoughts.
fn carry(part: &Whole, carried: &mut Carried) {
    match part {
        Whole::Reasoning { text, seal, summary } => {
            carried.open(*summary);
            carried.text(text.escaped());
            seal.iter().for_each(|seal| carried.seal(seal));
        }
        _ => carried.pass(),
    }
}

/// Appends a part; nothing if it says nothing here.
fn write(part: &Whole, carried: &mut Option<Carried>, seal: &mut Vec<u8>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    seal.clear();
    let keep = |said: &Option<Seal<'_>>, seal: &mut Vec<u8>| {
        said.iter().for_each(|said| part_out::keep(said, seal));
    };
    match part {
        Whole::Text { text, seal: said, .. } => {
            keep(said, seal);
            if !text.is_empty() || !seal.is_empty() {
                part_out::say(text.bytes(), false, seal, out);
            }
        }
        Whole::Refusal(text) if text.is_empty() => {}
        Whole::Refusal(text) => part_out::say(text.bytes(), false, b"", out),
        Whole::Reasoning { text, seal: said, .. } => {
            keep(said, seal);
            if !text.is_empty() || !seal.is_empty() {
                part_out::say(text.bytes(), true, seal, out);
            }
        }
        Whole::ToolCall(call) => {
            keep(&call.seal, seal);
            if let Some(carried) = carried.as_mut().filter(|_| seal.is_empty()) {
                carried.take(seal);
            }
            let args = match &call.input {
                Input::Json(json) => Args::Json(json.bytes()),
                Input::Text(text) => Args::Text(text.bytes()),
                Input::Free(text) => Args::Free(text.bytes()),
            };
            part_out::call(call.id.bytes(), call.name.bytes(), args, seal, scratch, out);
        }
        Whole::Media { media_type, base64 } => part_out::media(media_type.bytes(), base64.bytes(), out),
        Whole::Foreign { origin: Dialect::Gemini, raw, .. } if raw.raw().members().next().is_some() => {
            part_out::flat(raw.bytes(), out);
        }
        Whole::Foreign { .. } => {}
    }
}
