//! Reads how much a Chat request wants to be thought, in the words of OpenAI and in those of all the others.
//!
//! A number of tokens counts for more than a word, and a word for more than a mere switch (conversion.md 20). Also reads
//! the thoughts of a message of the history.

use super::detail::{self, Detail};
use super::request_in::{expected, text};
use crate::json::Raw;
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{BadRequest, Effort, Reasoning, Seal, Text, Thinking, Unread};

/// Reads one member of the body; false if it says nothing of reasoning that is known.
pub(super) fn member<'a>(
    name: &[u8],
    value: Raw<'a>,
    out: &mut Reasoning<'a>,
    unread: &mut Unread,
) -> Result<bool, BadRequest> {
    match name {
        b"reasoning_effort" => {
            let word = text(value, "reasoning_effort")?;
            let Some(thinking) = effort(&word.decode()) else { return Ok(false) };
            set(out, thinking);
        }
        // OpenRouter.
        b"reasoning" if value.is_object() => {
            for (name, value) in value.members() {
                match (name.bytes(), value.as_str()) {
                    (b"effort", Some(word)) => {
                        effort(&word.decode()).into_iter().for_each(|thinking| set(out, thinking))
                    }
                    (b"max_tokens", _) => budget(value, out),
                    (b"enabled", _) => switch(value.as_bool(), out),
                    (b"exclude", _) => out.shown = value.as_bool().map(|exclude| !exclude),
                    (b"summary", Some(summary)) => out.summary = Some(Text::from(summary)),
                    _ => unread.leave("reasoning", name, value),
                }
            }
        }
        // Anthropic's, which DeepSeek, Moonshot and Z.ai took over.
        b"thinking" if value.is_object() => thinking(value, "thinking", out, unread),
        // Alibaba.
        b"enable_thinking" => {
            let on = value.as_bool().ok_or_else(|| expected("enable_thinking", "a boolean"))?;
            switch(Some(on), out);
        }
        b"thinking_budget" => budget(value, out),
        // Cherry Studio.
        b"anthropic" => match value.find("thinking").filter(|value| value.is_object()) {
            Some(config) => {
                unread.leave_all_but(&["thinking"], "anthropic", value);
                thinking(config, "anthropic.thinking", out, unread);
            }
            None => return Ok(false),
        },
        b"google" => match value.find("thinking_config").or_else(|| value.find("thinkingConfig")) {
            Some(config) => {
                unread.leave_all_but(&["thinking_config", "thinkingConfig"], "google", value);
                google(config, out, unread);
            }
            None => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

fn effort(word: &str) -> Option<Thinking> {
    match word {
        "none" => Some(Thinking::Off),
        word => Effort::named(word).map(Thinking::Effort),
    }
}

fn thinking(value: Raw<'_>, inside: &str, out: &mut Reasoning<'_>, unread: &mut Unread) {
    for (name, value) in value.members() {
        match (name.bytes(), value.as_str().map(|word| word.bytes())) {
            (b"type", Some(b"enabled" | b"adaptive" | b"auto")) => switch(Some(true), out),
            (b"type", Some(b"disabled")) => switch(Some(false), out),
            (b"budget_tokens", _) => budget(value, out),
            (b"effort", Some(word)) => {
                let word = String::from_utf8_lossy(word);
                effort(&word).into_iter().for_each(|thinking| set(out, thinking));
            }
            _ => unread.leave(inside, name, value),
        }
    }
}

fn google(config: Raw<'_>, out: &mut Reasoning<'_>, unread: &mut Unread) {
    for (name, value) in config.members() {
        match name.bytes() {
            b"thinking_budget" | b"thinkingBudget" => match value.bytes() {
                b"-1" => switch(Some(true), out),
                _ => budget(value, out),
            },
            b"thinking_level" | b"thinkingLevel" => {
                let level = value.as_str().map(|level| level.decode());
                level
                    .and_then(|level| Effort::named(&level))
                    .into_iter()
                    .for_each(|one| set(out, Thinking::Effort(one)));
            }
            b"include_thoughts" | b"includeThoughts" => out.shown = value.as_bool(),
            _ => unread.leave("google.thinking_config", name, value),
        }
    }
}

fn switch(on: Option<bool>, out: &mut Reasoning<'_>) {
    match on {
        Some(true) => set(out, Thinking::Auto),
        Some(false) => set(out, Thinking::Off),
        None => {}
    }
}

fn budget(value: Raw<'_>, out: &mut Reasoning<'_>) {
    match value.as_u64() {
        Some(0) => set(out, Thinking::Off),
        Some(tokens) => set(out, Thinking::Budget(u32::try_from(tokens).unwrap_or(u32::MAX))),
        None => {}
    }
}

/// Takes `thinking` where nothing was said that counts for more.
fn set(out: &mut Reasoning<'_>, thinking: Thinking) {
    let rank = |thinking: Thinking| match thinking {
        Thinking::Unsaid => 0,
        Thinking::Auto => 1,
        Thinking::Effort(_) | Thinking::Off => 2,
        Thinking::Budget(_) => 3,
    };
    if rank(thinking) >= rank(out.thinking) {
        out.thinking = thinking;
    }
}

/// The thoughts of a message: its `reasoning_details` if it has some, and its `reasoning_content`.
pub(super) fn thoughts<'a>(details: Option<Raw<'a>>, said: Text<'a>, out: &mut Vec<Thought<'a>>) {
    for entry in details.iter().flat_map(|details| details.elements()) {
        let Detail { text, summary, seal, index } = detail::read(entry);
        // Pieces of one entry as a stream tells them, or what is encrypted behind what may be read of it.
        let goes_on = |last: &Thought<'_>| {
            last.seal.is_none() && (text.is_none() || (last.summary == summary && last.index == index))
        };
        if !out.last().is_some_and(goes_on) {
            out.push(Thought { text: None, summary, seal: None, index });
        }
        let Some(last) = out.last_mut() else { continue };
        if let Some(more) = text {
            match &mut last.text {
                Some(text) => text.push(more),
                None => (last.text, last.summary) = (Some(Text::from(more)), summary),
            }
        }
        last.seal = seal;
    }
    if !said.is_empty() {
        give(said, out);
    }
    out.retain(|one| one.seal.is_some() || one.text.as_ref().is_some_and(|text| !text.is_empty()));
}

/// A part of what was thought.
#[derive(Debug)]
pub(super) struct Thought<'a> {
    /// What of it may be read, where it is known.
    pub(super) text: Option<Text<'a>>,
    pub(super) summary: bool,
    pub(super) seal: Option<Seal<'a>>,
    index: Option<u64>,
}

/// Gives the text of `reasoning_content` to the one part that has none of its own. Other parts repeat theirs behind it.
/// Where it is not plain whose it is nobody gets it: a signature below another text is refused by its vendor.
fn give<'a>(said: Text<'a>, parts: &mut Vec<Thought<'a>>) {
    let texts = || parts.iter().filter_map(|part| part.text.as_ref());
    let repeated: usize = texts().map(|text| text.bytes().len()).sum();
    let rest = said.bytes().len().checked_sub(repeated);
    let tail = texts().flat_map(|text| text.bytes());
    let Some(rest) = rest.filter(|rest| said.bytes()[*rest..].iter().eq(tail)) else {
        // The same said otherwise, escaped in other ways perhaps: what stands in the parts holds.
        return parts.retain(|part| part.text.is_some() || !is_signed(part));
    };
    if rest == 0 {
        return;
    }
    let (said, _) = said.parted(rest);
    let silent = |part: &Thought<'_>| part.text.is_none();
    // What is left comes before all that is repeated, and so does the part that it belongs to.
    let first = parts.iter().position(|part| !silent(part)).unwrap_or(parts.len());
    let signed = parts[..first].iter().filter(|part| is_signed(part)).count();
    let whose = match (signed, first) {
        (1, _) => parts[..first].iter().position(is_signed),
        (0, 1) => Some(0),
        _ => None,
    };
    match whose.and_then(|whose| parts.get_mut(whose)) {
        Some(part) => {
            part.summary = part.seal.as_ref().is_some_and(|seal| seal.origin == Dialect::Responses);
            part.text = Some(said);
        }
        None => {
            let mut number = 0..;
            parts.retain(|part| number.next().is_some_and(|number: usize| number >= first) || !is_signed(part));
            parts.insert(0, Thought { text: Some(said), summary: false, seal: None, index: None });
        }
    }
}

fn is_signed(part: &Thought<'_>) -> bool {
    part.seal.as_ref().is_some_and(|seal| seal.kind == SealKind::Signature)
}
