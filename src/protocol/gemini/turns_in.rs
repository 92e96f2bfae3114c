//! Reads `contents` and `systemInstruction` of a Gemini client's request.
//!
//! A signature stands on its call; on a text or a medium it follows as a thought of nothing, which is how the pivot says
//! that something only its vendor reads belongs there. Calls and results mostly have no ids; they find each other by
//! name and order. A part that other protocols cannot know stays as it is written.

use super::carried;
use super::request_in::{bad, key, list};
use crate::json::{Escaped, Raw, text};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    BadRequest, CallKind, Input, Instruction, Json, Media, MediaKind, Part, Role, Seal, Source, Text, ToolCall,
    ToolResult, Turn, Unread, media,
};

/// The value of `contents`.
pub(super) fn turns<'a>(contents: Raw<'a>, unread: &mut Unread) -> Result<Vec<Turn<'a>>, BadRequest> {
    if !contents.is_array() && !contents.is_object() {
        return Err(bad("contents", "it is not a list"));
    }
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (nth, content) in list(contents).enumerate() {
        let turn = turn(content, &format!("contents.{nth}"), Place::CONTENTS, unread)?;
        // A stream is kept chunk by chunk by some, and a thought goes over several of them.
        match turns.last_mut() {
            Some(last) if last.role == turn.role && goes_on(last, &turn) => {
                turn.parts.into_iter().for_each(|part| push(part, &mut last.parts));
            }
            _ => turns.push(turn),
        }
    }
    Ok(turns)
}

/// Whether `next` begins with the rest of the thought with which `turn` ends.
fn goes_on(turn: &Turn<'_>, next: &Turn<'_>) -> bool {
    let is_open = |part: &Part<'_>| matches!(part, Part::Reasoning { seal: None, .. });
    let is_thought = |part: &Part<'_>| matches!(part, Part::Reasoning { .. });
    turn.parts.last().is_some_and(is_open) && next.parts.first().is_some_and(is_thought)
}

/// Appends a part; a thought to the one before it that has no signature yet, for it is the rest of that.
fn push<'a>(part: Part<'a>, parts: &mut Vec<Part<'a>>) {
    match (parts.last_mut(), part) {
        (
            Some(Part::Reasoning { text, seal: seal @ None, .. }),
            Part::Reasoning { text: more, seal: signed, id: None, .. },
        ) => {
            text.push(more.escaped());
            *seal = signed;
        }
        (_, part) => parts.push(part),
    }
}

/// The value of `systemInstruction`: a content, whose role says nothing.
pub(super) fn instructions<'a>(content: Raw<'a>, unread: &mut Unread) -> Result<Vec<Instruction<'a>>, BadRequest> {
    let parts = match content.as_str() {
        Some(said) => vec![Part::text(said)],
        None => turn(content, "systemInstruction", Place::SYSTEM, unread)?.parts,
    };
    Ok(vec![Instruction { role: Role::System, parts }])
}

/// Where members stand that are not read, as paths.
#[derive(Clone, Copy)]
struct Place {
    turn: &'static str,
    part: &'static str,
}

impl Place {
    const CONTENTS: Place = Place { turn: "contents", part: "contents.parts" };
    const SYSTEM: Place = Place { turn: "systemInstruction", part: "systemInstruction.parts" };
}

fn turn<'a>(content: Raw<'a>, at: &str, place: Place, unread: &mut Unread) -> Result<Turn<'a>, BadRequest> {
    if !content.is_object() {
        return Err(bad(at.to_owned(), "it is not an object"));
    }
    let (mut role, mut parts) = (Role::User, Vec::new());
    for (name, value) in content.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"role" => {
                role = match value.as_str().map(|role| role.bytes()) {
                    // Results once had roles of their own.
                    Some(b"user" | b"function" | b"tool" | b"") => Role::User,
                    Some(b"model") => Role::Assistant,
                    Some(b"system") if at == "systemInstruction" => Role::User,
                    _ => return Err(bad(format!("{at}.role"), "it is neither user nor model")),
                }
            }
            b"parts" if !value.is_array() && !value.is_object() => {
                return Err(bad(format!("{at}.parts"), "it is not a list"));
            }
            b"parts" => {
                for (nth, value) in list(value).enumerate() {
                    part(value, &mut parts, place.part, unread)
                        .map_err(|what| bad(format!("{at}.parts.{nth}"), what))?;
                }
            }
            _ => unread.leave(place.turn, name, value),
        }
    }
    Ok(Turn { role, name: None, parts })
}

/// Reads one part, which may be two for the pivot.
fn part<'a>(
    part: Raw<'a>,
    parts: &mut Vec<Part<'a>>,
    inside: &'static str,
    unread: &mut Unread,
) -> Result<(), &'static str> {
    if !part.is_object() {
        return Err("it is not an object");
    }
    let (mut text, mut thought, mut signature, mut call, mut result) = (None, false, None, None, None);
    let (mut inline, mut file, mut carry) = (None, None, Vec::new());
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"text" => text = Some(value.as_str().ok_or("its text is not a string")?),
            b"thought" => thought = value.as_bool() == Some(true),
            b"thoughtSignature" => signature = value.as_str().filter(|seal| !seal.bytes().is_empty()),
            b"functionCall" => call = Some(value),
            b"functionResponse" => result = Some(value),
            b"inlineData" => inline = Some(value),
            b"fileData" => file = Some(value),
            // An agent's own note, which no vendor reads.
            b"partMetadata" => {}
            _ => carry.push((name, value)),
        }
    }
    let seal = |kind| signature.map(|seal| Seal::read(Dialect::Gemini, kind, Text::from(seal)));
    let is_media = inline.is_some() || file.is_some();
    if is_media && thought || !is_media && !carry.is_empty() && text.is_none() {
        parts.push(Part::Foreign { origin: Dialect::Gemini, raw: part.into() });
        return Ok(());
    }
    // A medium keeps them.
    let (kept, left) = if is_media { (carry, Vec::new()) } else { (Vec::new(), carry) };
    left.into_iter().for_each(|(name, value)| unread.leave(inside, name, value));
    let carry = kept.into_iter().map(|(name, value)| (Text::joined(key(name).to_vec()), value.into())).collect();
    if let Some(call) = call {
        let carried = signature.and_then(carried::read);
        let call = tool_call(call, seal(SealKind::Call).filter(|_| carried.is_none()))?;
        if let Some((leading, others)) = carried
            && !parts.iter().any(|part| matches!(part, Part::Reasoning { .. }))
        {
            parts.splice(0..0, leading);
            parts.extend(others);
        }
        parts.push(Part::ToolCall(call));
        return Ok(());
    }
    if thought {
        let text = text.map(Text::from).unwrap_or_default();
        let seal = seal(SealKind::Signature);
        push(Part::Reasoning { text, seal, id: None, summary: false }, parts);
        return Ok(());
    }
    parts.push(match (result, inline, file, text) {
        (Some(result), ..) => Part::ToolResult(tool_result(result, unread)?),
        (None, Some(inline), ..) => Part::Media(Media { carry, ..inlined(inline, unread)? }),
        (None, None, Some(file), _) => Part::Media(Media { carry, ..filed(file, unread)? }),
        (None, None, None, Some(text)) => Part::text(text),
        (None, None, None, None) if seal(SealKind::Signature).is_some() => Part::text(Text::default()),
        _ => return Err("it holds nothing that is known"),
    });
    if let Some(seal) = seal(SealKind::Signature) {
        parts.push(Part::Reasoning { text: Text::default(), seal: Some(seal), id: None, summary: false });
    }
    Ok(())
}

fn tool_call<'a>(call: Raw<'a>, seal: Option<Seal<'a>>) -> Result<ToolCall<'a>, &'static str> {
    let (mut id, mut said, mut args, mut carry) = (Escaped::EMPTY, Escaped::EMPTY, None, Vec::new());
    for (name, value) in call.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"id" => id = value.as_str().ok_or("the id of its call is not a string")?,
            b"name" => said = value.as_str().unwrap_or(said),
            b"args" if !value.is_object() => return Err("the arguments of its call are not an object"),
            b"args" => args = Some(Json::from(value)),
            other => carry.push((Text::joined(other.to_vec()), value.into())),
        }
    }
    if said.bytes().is_empty() {
        return Err("its call has no name");
    }
    Ok(ToolCall {
        id: id.into(),
        name: said.into(),
        namespace: None,
        kind: CallKind::Function,
        input: Input::Json(args.unwrap_or(Json::constant("{}"))),
        seal,
        cache: None,
        carry,
    })
}

fn tool_result<'a>(result: Raw<'a>, unread: &mut Unread) -> Result<ToolResult<'a>, &'static str> {
    let (mut id, mut said, mut response) = (Escaped::EMPTY, None, None);
    let (mut media, mut carry) = (Vec::new(), Vec::new());
    for (name, value) in result.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"id" => id = value.as_str().ok_or("the id of its result is not a string")?,
            b"name" => said = value.as_str().filter(|name| !name.bytes().is_empty()).map(Text::from),
            b"response" if !value.is_object() => return Err("the response of its result is not an object"),
            b"response" => response = Some(value),
            b"parts" => {
                for part in list(value) {
                    for (name, value) in part.members() {
                        match &*key(name) {
                            b"inlineData" => media.push(Part::Media(inlined(value, unread)?)),
                            b"fileData" => media.push(Part::Media(filed(value, unread)?)),
                            _ => unread.leave("contents.parts.functionResponse.parts", name, value),
                        }
                    }
                }
            }
            other => carry.push((Text::joined(other.to_vec()), value.into())),
        }
    }
    if said.is_none() && id.bytes().is_empty() {
        return Err("its result has no name");
    }
    // One text under one of the documented names is what the tool said; anything else is told as it is.
    let one = response.and_then(|response| {
        let mut members = response.members();
        let one = members.next().filter(|_| members.next().is_none());
        one.and_then(|(name, value)| Some((name, value.as_str()?)))
    });
    let (plain, failed) = match one {
        Some((name, said)) if name.eq_str("output") => (Some(Text::from(said)), false),
        Some((name, said)) if name.eq_str("error") => (Some(Text::from(said)), true),
        _ => (None, false),
    };
    let mut json = match plain {
        None => Some(response.map_or(Json::constant("{}"), Json::from)),
        Some(_) => None,
    };
    let mut content: Vec<Part<'_>> = plain.into_iter().map(Part::text).collect();
    if !media.is_empty() {
        // Beside media a value can only be told as text.
        if let Some(value) = json.take() {
            let mut said = Vec::new();
            text::escape(&String::from_utf8_lossy(value.bytes()), &mut said);
            content.push(Part::text(Text::joined(said)));
        }
        content.append(&mut media);
    }
    Ok(ToolResult { id: id.into(), name: said, kind: CallKind::Function, content, json, failed, cache: None, carry })
}

/// The members of a medium: its type, its bytes or its address, its name.
fn described<'a>(
    raw: Raw<'a>,
    data: &[u8],
    inside: &str,
    unread: &mut Unread,
) -> (Option<Escaped<'a>>, Option<Escaped<'a>>, Option<Text<'a>>) {
    let (mut media_type, mut held, mut said) = (None, None, None);
    for (name, value) in raw.members() {
        match &*key(name) {
            b"mimeType" => media_type = value.as_str().filter(|kind| !kind.bytes().is_empty()),
            b"displayName" => said = value.as_str().map(Text::from),
            known if known == data => held = value.as_str(),
            _ => unread.leave(inside, name, value),
        }
    }
    (media_type, held, said)
}

fn inlined<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Media<'a>, &'static str> {
    let (media_type, data, name) = described(raw, b"data", "contents.parts.inlineData", unread);
    let data = data.ok_or("its inlineData has no data")?;
    let media_type = media_type.ok_or("its inlineData has no mimeType")?;
    Ok(Media {
        kind: media::kind(&media_type.decode()),
        source: Source::Base64(standard(data)),
        media_type: Some(media_type.into()),
        name,
        detail: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn filed<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Media<'a>, &'static str> {
    let (media_type, uri, name) = described(raw, b"fileUri", "contents.parts.fileData", unread);
    let uri = uri.ok_or("its fileData has no fileUri")?;
    let plain = uri.decode();
    let vendors = !plain.starts_with("http") || plain.contains("generativelanguage.googleapis.com");
    let source = match vendors {
        true => Source::File { origin: Dialect::Gemini, id: uri.into() },
        false => Source::Url(uri.into()),
    };
    Ok(Media {
        kind: media_type.map_or(MediaKind::Document, |kind| media::kind(&kind.decode())),
        source,
        media_type: media_type.map(Text::from),
        name,
        detail: None,
        cache: None,
        carry: Vec::new(),
    })
}

/// Base64 as all take it; Google takes the alphabet for addresses too.
fn standard(data: Escaped<'_>) -> Text<'_> {
    if memchr::memchr2(b'-', b'_', data.bytes()).is_none() {
        return data.into();
    }
    let swap = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => *byte,
    };
    Text::joined(data.bytes().iter().map(swap).collect())
}
