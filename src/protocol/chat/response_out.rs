//! Writes a whole answer for Chat clients.
//!
//! Text that comes in several parts is one `content`, as a client of the stream would have put it together; reasoning
//! likewise, and what only the vendor can read stands in `reasoning_details` ([`detail`]).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::stream_out::{head, reason};
use super::{citation, detail, usage_out};
use crate::base::span::Span;
use crate::json::{Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::{CallKind, Input, Opening, Response, Stop, ToolCall};

/// Writes `response`.
pub fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    let refused = response.parts.iter().any(|part| matches!(part, Whole::Refusal(text) if !text.is_empty()));
    let calls = response.calls();
    head(opening, response.model.escaped(), false, out);
    out.extend_from_slice(b"\"choices\":[{\"index\":0,");
    let mut logprobs = None;
    match opening.plain_completion {
        true => plain(response, opening, out),
        false => logprobs = message(response, opening, out),
    }
    out.extend_from_slice(b",\"logprobs\":");
    out.extend_from_slice(logprobs.map_or(&b"null"[..], Raw::bytes));
    out.extend_from_slice(b",\"finish_reason\":\"");
    let stop: Stop<'_> = response.stop();
    out.extend_from_slice(reason(stop, calls, refused, opening).as_bytes());
    out.extend_from_slice(b"\"}]");
    if response.usage.is_said() {
        out.extend_from_slice(b",\"usage\":");
        usage_out::write(&response.usage, out);
    }
    out.push(b'}');
}

/// The text of an old completion.
fn plain(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"text\":\"");
    out.extend_from_slice(&opening.echo);
    for part in &response.parts {
        if let Whole::Text { text, .. } = part {
            out.extend_from_slice(text.bytes());
        }
    }
    out.push(b'"');
}

/// The message; probabilities of tokens, which stand beside it, are given back.
fn message<'r>(response: &'r Response, opening: &Opening, out: &mut Vec<u8>) -> Option<Raw<'r>> {
    let (mut content, mut refusal, mut thought) = (Vec::new(), Vec::new(), Vec::new());
    let (mut says, mut logprobs) = (false, None);
    for part in &response.parts {
        match part {
            Whole::Text { text, .. } => {
                says = true;
                content.extend_from_slice(text.bytes());
            }
            Whole::Refusal(text) => refusal.extend_from_slice(text.bytes()),
            Whole::Reasoning { text, .. } => thought.extend_from_slice(text.bytes()),
            Whole::Foreign { origin: Dialect::Chat, raw, .. } => logprobs = raw.raw().find("logprobs").or(logprobs),
            Whole::Foreign { .. } | Whole::ToolCall(_) | Whole::Media { .. } => {}
        }
    }
    out.extend_from_slice(b"\"message\":");
    let mut json = Writer::new(out);
    json.begin_object().key("role").string("assistant").key("content");
    match says || response.parts.is_empty() {
        true => json.escaped(inside(&content)),
        false => json.null(),
    };
    json.key("refusal");
    match refusal.is_empty() {
        true => json.null(),
        false => json.escaped(inside(&refusal)),
    };
    if !thought.is_empty() {
        json.key("reasoning_content").escaped(inside(&thought));
    }
    details(response, &mut json);
    annotations(response, &mut json);
    calls(response, opening, &mut json);
    media(response, opening, &mut json);
    json.end();
    logprobs
}

/// What only vendors can read, as a stream tells it: the first thought has its text in `reasoning_content`, those behind
/// it say theirs again, for it would be told apart by nobody.
fn details(response: &Response, json: &mut Writer<'_>) {
    let (mut index, mut before) = (0, false);
    for part in &response.parts {
        let Whole::Reasoning { text, seal, summary } = part else { continue };
        let again = (before || text.is_empty()).then(|| text.escaped());
        before |= !text.is_empty();
        if seal.is_none() && again.is_none_or(|text| text.bytes().is_empty()) {
            continue;
        }
        if index == 0 {
            json.key("reasoning_details").begin_array();
        }
        index += detail::write(again, *summary, seal.as_ref(), index, json);
    }
    if index > 0 {
        json.end();
    }
}

fn annotations(response: &Response, json: &mut Writer<'_>) {
    let cited = response.parts.iter().flat_map(|part| match part {
        Whole::Text { citations, .. } => &citations[..],
        _ => &[],
    });
    let mut list = Vec::new();
    let mut writer = Writer::new(&mut list);
    writer.begin_array();
    let mut any = false;
    cited.for_each(|(origin, raw)| any |= citation::write(*origin, raw.raw(), None, &mut writer));
    writer.end();
    if any {
        json.key("annotations").raw(Raw::at(&list, Span::new(0, list.len())));
    }
}

fn calls(response: &Response, opening: &Opening, json: &mut Writer<'_>) {
    let calls = response.parts.iter().filter_map(|part| match part {
        Whole::ToolCall(call) => Some(call),
        _ => None,
    });
    let mut any = false;
    for (index, call) in calls.enumerate() {
        if opening.old_functions {
            // There was room for one call only.
            if index == 0 {
                json.key("function_call").begin_object().key("name").escaped(call.name.escaped());
                json.key("arguments");
                input(call, json);
                json.end();
            }
            continue;
        }
        if !std::mem::replace(&mut any, true) {
            json.key("tool_calls").begin_array();
        }
        let (kind, member) = match call.kind {
            CallKind::Function => ("function", "arguments"),
            CallKind::Custom => ("custom", "input"),
        };
        json.begin_object().key("id");
        match call.id.is_empty() {
            true => json.string(&format!("call_{}_{index}", opening.id)),
            false => json.escaped(call.id.escaped()),
        };
        json.key("type").string(kind).key(kind).begin_object().key("name").escaped(call.name.escaped()).key(member);
        input(call, json);
        json.end();
        if let Some(seal) = &call.seal {
            let mut data = Vec::new();
            seal.write(Dialect::Chat, &mut data);
            json.key("extra_content").begin_object().key("google").begin_object();
            json.key("thought_signature").escaped(inside(&data)).end().end();
        }
        json.end();
    }
    if any {
        json.end();
    }
}

fn input(call: &ToolCall<'_>, json: &mut Writer<'_>) {
    match &call.input {
        Input::Json(value) => {
            let mut whole = Vec::with_capacity(value.bytes().len() + 16);
            text::escape(&String::from_utf8_lossy(value.bytes()), &mut whole);
            json.escaped(inside(&whole));
        }
        Input::Text(text) if text.is_empty() => _ = json.string("{}"),
        Input::Text(text) | Input::Free(text) => _ = json.escaped(text.escaped()),
    }
}

/// Images and sound, and the members of the message that only Chat knows.
fn media(response: &Response, opening: &Opening, json: &mut Writer<'_>) {
    let media = response.parts.iter().filter_map(|part| match part {
        Whole::Media { media_type, base64 } => Some((media_type.bytes(), base64)),
        _ => None,
    });
    let mut images = media.clone().filter(|(media_type, _)| media_type.starts_with(b"image/")).peekable();
    if images.peek().is_some() {
        json.key("images").begin_array();
        for (media_type, base64) in images {
            let url = [b"data:", media_type, b";base64,", base64.bytes()].concat();
            json.begin_object().key("type").string("image_url").key("image_url").begin_object();
            json.key("url").escaped(inside(&url)).end().end();
        }
        json.end();
    }
    let own = response.parts.iter().filter_map(|part| match part {
        Whole::Foreign { origin: Dialect::Chat, raw, .. } => Some(raw.raw()),
        _ => None,
    });
    let sound = sound(media.filter(|(kind, _)| kind.starts_with(b"audio/")).map(|(_, data)| data.bytes()));
    if !sound.is_empty() {
        let named = own.clone().filter_map(|raw| raw.find("audio")).flat_map(Raw::members);
        let find = |name: &str| named.clone().filter(|(known, _)| known.eq_str(name)).map(|(_, value)| value).last();
        json.key("audio").begin_object().key("id");
        match find("id") {
            Some(id) => json.raw(id),
            None => json.string(&format!("audio_{}", opening.id)),
        };
        json.key("expires_at");
        match find("expires_at") {
            Some(until) => json.raw(until),
            None => json.u64(opening.created_unix_s),
        };
        json.key("data").escaped(inside(&sound)).key("transcript").string("").end();
    }
    for (name, value) in own.flat_map(Raw::members) {
        if !name.eq_str("logprobs") && (sound.is_empty() || !name.eq_str("audio")) {
            json.key(&name.decode()).raw(value);
        }
    }
}

/// Pieces of sound as one: base64 that ends amid three bytes cannot go on.
fn sound<'r>(mut pieces: impl Iterator<Item = &'r [u8]>) -> Vec<u8> {
    let Some(first) = pieces.next() else { return Vec::new() };
    let mut rest = pieces.peekable();
    if rest.peek().is_none() {
        return first.to_vec();
    }
    let bytes: Vec<u8> =
        std::iter::once(first).chain(rest).flat_map(|piece| STANDARD.decode(piece).unwrap_or_default()).collect();
    STANDARD.encode(bytes).into_bytes()
}

/// What is escaped already, as the scanner tells it.
fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}

#[cfg(test)]
#[path = "response_out_test.rs"]
mod tests;
