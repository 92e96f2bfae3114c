//! System prompts that a configuration adds to requests, in the words of each dialect.
//!
//! What the client said stays as it is written; a text is put behind it, before it or in its place, and words in it may
//! be replaced. A request of a shape that is not understood is left alone: its provider will say so.

use smallvec::SmallVec;

use super::Dialect;
use crate::base::span::Span;
use crate::json::edit::Edits;
use crate::json::{self, Escaped, Raw};

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After the client's.
    Append,
    /// Before the client's.
    Prepend,
    /// In place of the client's.
    Replace,
}

/// A system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    place: Place,
    /// The inside of a JSON string; empty for none.
    text: Box<[u8]>,
    /// What is replaced in the whole of it, and by what.
    replacements: Box<[(Box<str>, Box<str>)]>,
}

type Spans = SmallVec<[Span; 4]>;

impl Prompt {
    /// A prompt of plain text.
    pub fn new(place: Place, text: &str, replacements: Vec<(Box<str>, Box<str>)>) -> Prompt {
        let mut escaped = Vec::with_capacity(text.len());
        json::text::escape(text, &mut escaped);
        Prompt { place, text: escaped.into(), replacements: replacements.into() }
    }

    /// `body`, a valid request of `dialect`, with this prompt; nothing if that changes nothing.
    pub fn apply(&self, dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
        let placed = if self.text.is_empty() { None } else { self.placed(dialect, body) };
        let replaced = self.replaced(dialect, placed.as_deref().unwrap_or(body));
        replaced.or(placed)
    }

    fn placed(&self, dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
        let mut edits = Edits::new(body);
        let object = Span::inside(body, body.trim_ascii())?;
        match dialect {
            Dialect::Chat => self.in_messages(body, json::find(body, "messages")?, &mut edits)?,
            Dialect::Ollama => match json::find(body, "messages") {
                Some(messages) => self.in_messages(body, messages, &mut edits)?,
                None => self.in_member(body, object, "system", &mut edits)?,
            },
            Dialect::Responses => {
                self.in_member(body, object, "instructions", &mut edits)?;
                let input = json::find(body, "input").filter(|input| input.is_array());
                if let (Place::Replace, Some(input)) = (self.place, input) {
                    drop_leading(body, input, 0, &mut edits)?;
                }
            }
            Dialect::Anthropic => self.in_member(body, object, "system", &mut edits)?,
            Dialect::Gemini => {
                let name = if json::find(body, "system_instruction").is_some() {
                    "system_instruction"
                } else {
                    "systemInstruction"
                };
                self.in_instruction(body, object, name, &mut edits)?;
            }
        }
        let mut out = Vec::with_capacity(body.len() + self.text.len() + 64);
        edits.write_to(&mut out);
        Some(out)
    }

    /// The first messages, if they are of the system.
    fn in_messages<'a>(&self, body: &'a [u8], messages: Raw<'a>, edits: &mut Edits<'a>) -> Option<()> {
        if !messages.is_array() {
            return None;
        }
        let leading: SmallVec<[Raw<'_>; 2]> = messages.elements().take_while(|message| is_system(*message)).collect();
        let chosen = match self.place {
            Place::Append => leading.last(),
            Place::Prepend | Place::Replace => leading.first(),
        };
        let Some(content) = chosen.and_then(|message| message.find("content")) else {
            let first = messages.elements().next();
            let comma: &[u8] = if first.is_some() { b"," } else { b"" };
            let message = [b"{\"role\":\"system\",\"content\":\"", &*self.text, b"\"}", comma].concat();
            let at = Span::inside(body, messages.bytes())?.start as usize + 1;
            return edits.insert(at, message).ok();
        };
        self.in_content(body, content, edits)?;
        if self.place == Place::Replace {
            drop_leading(body, messages, 1, edits)?;
        }
        Some(())
    }

    fn in_member<'a>(&self, body: &'a [u8], object: Span, name: &str, edits: &mut Edits<'a>) -> Option<()> {
        match json::find(body, name) {
            None => edits.insert_member(object, name, &self.quoted()).ok(),
            Some(content) => self.in_content(body, content, edits),
        }
    }

    /// A string, or a list of parts with texts.
    fn in_content<'a>(&self, body: &'a [u8], content: Raw<'a>, edits: &mut Edits<'a>) -> Option<()> {
        let span = Span::inside(body, content.bytes())?;
        let (open, close) = (span.start as usize + 1, span.end as usize - 1);
        let is_empty = content.as_str().is_some_and(|text| text.bytes().is_empty());
        match self.place {
            _ if self.place == Place::Replace || content.is_null() || is_empty => {
                edits.replace(span, self.quoted()).ok()
            }
            Place::Append if content.as_str().is_some() => edits.insert(close, [b"\\n", &*self.text].concat()).ok(),
            _ if content.as_str().is_some() => edits.insert(open, [&*self.text, b"\\n"].concat()).ok(),
            _ if content.is_array() => {
                let part = [b"{\"type\":\"text\",\"text\":\"", &*self.text, b"\"}"].concat();
                self.in_list(content, part, open, close, edits)
            }
            _ => None,
        }
    }

    fn in_list<'a>(
        &self,
        list: Raw<'a>,
        part: Vec<u8>,
        open: usize,
        close: usize,
        edits: &mut Edits<'a>,
    ) -> Option<()> {
        match (list.elements().next().is_some(), self.place) {
            (false, _) => edits.insert(open, part).ok(),
            (true, Place::Prepend) => edits.insert(open, [&*part, b","].concat()).ok(),
            (true, _) => edits.insert(close, [b",", &*part].concat()).ok(),
        }
    }

    /// Gemini's: an object with parts.
    fn in_instruction<'a>(&self, body: &'a [u8], object: Span, name: &str, edits: &mut Edits<'a>) -> Option<()> {
        let part = [b"{\"text\":\"", &*self.text, b"\"}"].concat();
        let whole = [b"{\"parts\":[", &*part, b"]}"].concat();
        let Some(said) = json::find(body, name) else { return edits.insert_member(object, name, &whole).ok() };
        let span = Span::inside(body, said.bytes())?;
        let parts = said.find("parts");
        match parts {
            Some(parts) if self.place != Place::Replace && parts.is_array() => {
                let inner = Span::inside(body, parts.bytes())?;
                self.in_list(parts, part, inner.start as usize + 1, inner.end as usize - 1, edits)
            }
            // Some clients send one part without a list.
            Some(parts) if self.place != Place::Replace && parts.is_object() => {
                let inner = Span::inside(body, parts.bytes())?;
                let list = match self.place {
                    Place::Prepend => [b"[", &*part, b",", parts.bytes(), b"]"].concat(),
                    _ => [b"[", parts.bytes(), b",", &*part, b"]"].concat(),
                };
                edits.replace(inner, list).ok()
            }
            _ if said.as_str().is_some() && self.place != Place::Replace => self.in_content(body, said, edits),
            _ => edits.replace(span, whole).ok(),
        }
    }

    fn quoted(&self) -> Vec<u8> {
        [b"\"", &*self.text, b"\""].concat()
    }

    /// Replaces words in every text of the system's.
    fn replaced(&self, dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
        if self.replacements.is_empty() {
            return None;
        }
        let mut edits = Edits::new(body);
        for span in texts(dialect, body) {
            let Span { start, end } = span;
            let said = Escaped::at(body, Span { start: start + 1, end: end - 1 }).decode();
            let mut text = said.to_string();
            for (old, new) in &self.replacements {
                text = text.replace(&**old, new);
            }
            if text != said {
                let mut quoted = Vec::with_capacity(text.len() + 2);
                json::text::quote(&text, &mut quoted);
                edits.replace(span, quoted).ok()?;
            }
        }
        if edits.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        edits.write_to(&mut out);
        Some(out)
    }
}

fn is_system(message: Raw<'_>) -> bool {
    let role = message.find("role").and_then(Raw::as_str);
    role.is_some_and(|role| role.eq_str("system") || role.eq_str("developer"))
}

/// Takes the leading messages of the system away, but for the first `kept`.
fn drop_leading<'a>(body: &'a [u8], list: Raw<'a>, kept: usize, edits: &mut Edits<'a>) -> Option<()> {
    let count = list.elements().take_while(|message| is_system(*message)).count();
    if count <= kept {
        return Some(());
    }
    let span = |nth| list.elements().nth(nth).and_then(|element| Span::inside(body, element.bytes()));
    let (first, last) = (span(kept)?, span(count - 1)?);
    let gone = match (kept.checked_sub(1).and_then(span), span(count)) {
        (Some(before), _) => Span { start: before.end, end: last.end },
        (None, Some(after)) => Span { start: first.start, end: after.start },
        (None, None) => Span { start: first.start, end: last.end },
    };
    edits.replace(gone, b"").ok()
}

/// The strings, quotes included, that are text of the system's.
fn texts(dialect: Dialect, body: &[u8]) -> Spans {
    let mut spans = Spans::new();
    let mut of = |content: Raw<'_>| {
        if content.as_str().is_some() {
            spans.extend(Span::inside(body, content.bytes()));
        }
        for part in content.elements().chain(content.is_object().then_some(content)) {
            let text = part.find("text").filter(|text| text.as_str().is_some());
            spans.extend(text.and_then(|text| Span::inside(body, text.bytes())));
        }
    };
    let of_messages = |name, of: &mut dyn FnMut(Raw<'_>)| {
        let messages = json::find(body, name).into_iter().flat_map(Raw::elements);
        messages.take_while(|message| is_system(*message)).filter_map(|message| message.find("content")).for_each(of);
    };
    match dialect {
        Dialect::Chat => of_messages("messages", &mut of),
        Dialect::Ollama => {
            json::find(body, "system").into_iter().for_each(&mut of);
            of_messages("messages", &mut of);
        }
        Dialect::Responses => {
            json::find(body, "instructions").into_iter().for_each(&mut of);
            of_messages("input", &mut of);
        }
        Dialect::Anthropic => json::find(body, "system").into_iter().for_each(of),
        Dialect::Gemini => {
            let said = json::find(body, "systemInstruction").or_else(|| json::find(body, "system_instruction"));
            said.map(|said| said.find("parts").unwrap_or(said)).into_iter().for_each(of);
        }
    }
    spans
}

#[cfg(test)]
#[path = "prompt_test.rs"]
mod tests;
