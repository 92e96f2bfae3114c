//! What a request is about, for routes that ask: its top-level members by name, and from them whether it searches the
//! web, reasons, shows an image, and which of its texts a model reads.
//!
//! The members are noted in the one pass over the body; what is inside of them is looked at only when somebody asks.
//! Members are known by their names alone, whatever the dialect: no two dialects use one name for different things.

use smallvec::SmallVec;

use crate::base::span::Span;
use crate::json::path::Path;
use crate::json::{Escaped, Raw};
use crate::limits;

/// The top-level members of a body.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    members: SmallVec<[(Span, Span); 16]>,
    /// A bit for each name that may be among them: most names that are asked for are not.
    names: u64,
}

/// A text that a model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// The inside of a string.
    Said(Escaped<'a>),
    /// A JSON value as it is written.
    Written(Raw<'a>),
}

impl<'a> Text<'a> {
    /// Its bytes in the body.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Text::Said(text) => text.bytes(),
            Text::Written(value) => value.bytes(),
        }
    }
}

impl Outline {
    /// Notes a member.
    pub(super) fn note(&mut self, body: &[u8], name: Span, value: Span) {
        let text = name.of(body);
        self.names |= if text.contains(&b'\\') { u64::MAX } else { bit(text) };
        self.members.push((name, value));
    }

    /// The value of a member, if it is not null; of several the last.
    pub fn find<'a>(&self, body: &'a [u8], name: &str) -> Option<Raw<'a>> {
        if self.names & bit(name.as_bytes()) == 0 {
            return None;
        }
        let found = self.members.iter().rev().find(|(span, _)| Escaped::at(body, *span).eq_str(name));
        found.map(|(_, value)| Raw::at(body, *value)).filter(|value| !value.is_null())
    }

    /// Whether a value that `path` leads to is as `is` says.
    pub fn any<'a>(&self, body: &'a [u8], path: &Path, is: impl FnMut(Raw<'a>) -> bool) -> bool {
        path.any(Raw::at(body, Span::new(0, body.len())), is)
    }

    /// Whether a web search is asked for.
    pub fn searches(&self, body: &[u8]) -> bool {
        let is_search = |tool: Raw<'_>| {
            let kind = tool.find("type").and_then(Raw::as_str);
            kind.is_some_and(|kind| kind.decode().starts_with("web_search"))
                || tool.find("google_search").or_else(|| tool.find("googleSearch")).is_some()
        };
        self.find(body, "web_search_options").is_some()
            || self.find(body, "tools").is_some_and(|tools| tools.elements().any(is_search))
    }

    /// Whether reasoning is asked for.
    pub fn reasons(&self, body: &[u8]) -> bool {
        let effort = |value: Raw<'_>| {
            let word = value.as_str().map(|word| word.decode().to_ascii_lowercase());
            word.is_some_and(|word| !matches!(word.as_str(), "" | "none" | "minimal"))
        };
        let on = |value: Raw<'_>| {
            let kind = value.find("type").and_then(Raw::as_str);
            value.is_object() && !kind.is_some_and(|kind| kind.eq_str("disabled"))
        };
        self.find(body, "thinking").is_some_and(on)
            || self.find(body, "reasoning_effort").is_some_and(effort)
            || self.find(body, "reasoning").and_then(|value| value.find("effort")).is_some_and(effort)
            || self.find(body, "think").is_some_and(|value| value.as_bool() == Some(true) || effort(value))
            || either(|name| self.find(body, name), "generationConfig", "generation_config")
                .and_then(|config| either(|name| config.find(name), "thinkingConfig", "thinking_config"))
                .is_some_and(gemini_reasons)
    }

    /// Whether a user turn shows an image.
    pub fn shows_image(&self, body: &[u8]) -> bool {
        let role = |turn: Raw<'_>| turn.find("role").and_then(Raw::as_str).is_none_or(|role| role.eq_str("user"));
        let filled = |value: Raw<'_>| value.elements().next().is_some();
        let turns = ["messages", "input", "contents"].into_iter().filter_map(|name| self.find(body, name));
        turns.flat_map(Raw::elements).filter(|turn| turn.is_object() && role(*turn)).any(|turn| {
            let parts = turn.find("content").or_else(|| turn.find("parts"));
            parts.is_some_and(|parts| parts.elements().any(is_image)) || turn.find("images").is_some_and(filled)
        }) || self.find(body, "images").is_some_and(filled)
    }

    /// Tells the texts that a conversation begins with: system, and the turns up to the first of the user's.
    pub fn opening<'a>(&self, body: &'a [u8], mut each: impl FnMut(Text<'a>)) {
        for name in ["system", "instructions", "systemInstruction", "system_instruction", "prompt"] {
            self.find(body, name).into_iter().for_each(|value| gather(value, limits::TEXT_DEPTH_MAX, &mut each));
        }
        for turns in ["messages", "input", "contents"].into_iter().filter_map(|name| self.find(body, name)) {
            if let Some(text) = turns.as_str() {
                each(Text::Said(text));
            }
            for turn in turns.elements() {
                let role = turn.find("role").and_then(Raw::as_str);
                let is = |name: &str| role.is_some_and(|role| role.eq_str(name));
                if is("assistant") || is("model") || is("tool") {
                    break;
                }
                gather(turn, limits::TEXT_DEPTH_MAX, &mut each);
                if !is("system") && !is("developer") {
                    break;
                }
            }
        }
    }

    /// Tells the texts that a model reads: messages, tool calls, their results, tool definitions, system.
    pub fn texts<'a>(&self, body: &'a [u8], mut each: impl FnMut(Text<'a>)) {
        for name in ["system", "instructions", "systemInstruction", "system_instruction", "prompt"] {
            self.find(body, name).into_iter().for_each(|value| gather(value, limits::TEXT_DEPTH_MAX, &mut each));
        }
        for name in ["messages", "input", "contents", "tools", "functions"] {
            self.find(body, name).into_iter().for_each(|value| gather(value, limits::TEXT_DEPTH_MAX, &mut each));
        }
    }
}

/// The bit of a name without escapes.
fn bit(name: &[u8]) -> u64 {
    let ends = name.first().zip(name.last()).map_or(0, |(first, last)| usize::from(*first) * 7 + usize::from(*last));
    1 << ((ends + name.len() * 5) & 63)
}

fn gather<'a>(value: Raw<'a>, depth: u32, each: &mut impl FnMut(Text<'a>)) {
    if let Some(text) = value.as_str() {
        return each(Text::Said(text));
    }
    if depth == 0 {
        return;
    }
    value.elements().for_each(|value| gather(value, depth - 1, each));
    for (name, value) in value.members() {
        match name.bytes() {
            b"text"
            | b"content"
            | b"parts"
            | b"output"
            | b"refusal"
            | b"function"
            | b"tool_calls"
            | b"functionCall"
            | b"function_call"
            | b"functionResponse"
            | b"function_response"
            | b"functionDeclarations"
            | b"function_declarations"
            | b"tools" => gather(value, depth - 1, each),
            b"name" | b"description" => {
                value.as_str().into_iter().for_each(|text| each(Text::Said(text)));
            }
            b"arguments"
            | b"input"
            | b"args"
            | b"response"
            | b"input_schema"
            | b"parameters"
            | b"parametersJsonSchema"
            | b"parameters_json_schema" => match value.as_str() {
                Some(text) => each(Text::Said(text)),
                None => each(Text::Written(value)),
            },
            _ => {}
        }
    }
}

fn either<'a>(find: impl Fn(&str) -> Option<Raw<'a>>, one: &str, other: &str) -> Option<Raw<'a>> {
    find(one).or_else(|| find(other))
}

/// A budget other than 0, or a level.
fn gemini_reasons(config: Raw<'_>) -> bool {
    let budget = either(|name| config.find(name), "thinkingBudget", "thinking_budget");
    let level = either(|name| config.find(name), "thinkingLevel", "thinking_level");
    budget.is_some_and(|budget| !budget.is_null() && budget.bytes() != b"0")
        || level.is_some_and(|level| !level.is_null())
}

fn is_image(part: Raw<'_>) -> bool {
    let kind = part.find("type").and_then(Raw::as_str);
    if kind.is_some_and(|kind| ["image", "image_url", "input_image"].iter().any(|image| kind.eq_str(image))) {
        return true;
    }
    [["inlineData", "inline_data"], ["fileData", "file_data"]].into_iter().any(|[one, other]| {
        let data = either(|name| part.find(name), one, other);
        let kind = data.and_then(|data| either(|name| data.find(name), "mimeType", "mime_type")).and_then(Raw::as_str);
        kind.is_some_and(|kind| kind.decode().starts_with("image/"))
    })
}

#[cfg(test)]
#[path = "outline_test.rs"]
mod tests;
