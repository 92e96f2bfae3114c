//! The request side: what a body asks for, and the splice that changes it. `reading` is how it is found out.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::base::span::Span;
use crate::json::edit::{Edits, Overlap, Patch};
use crate::json::{self, Raw};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::path::Endpoint;

/// What a request body asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The endpoint it was sent to.
    pub endpoint: Endpoint,
    /// Values of all top-level members that spell `model`, in order. Which of several counts is left to the
    /// reader by RFC 8259 §4, so all of them are changed.
    pub models: SmallVec<[Span; 1]>,
    /// What `stream` says, if it says something.
    pub stream: Option<bool>,
    /// The value of `stream_options`.
    pub stream_options: Option<Span>,
    /// What `stream_options.include_usage` says.
    pub include_usage: Option<bool>,
    /// Whether it has a member `input`, and whether it has `messages`.
    pub(super) has: Has,
    pub(super) body: Body,
}

/// Members whose presence tells what a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Has {
    pub(super) input: bool,
    pub(super) messages: bool,
}

/// Bytes of a model's name as it is written: each of its own may be escaped as `\\u0061`, and there are quotes.
const WRITTEN_NAME_BYTES_MAX: usize = 6 * limits::MODEL_NAME_BYTES_MAX + 2;

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A JSON object whose inside begins at `inside`.
    Json { inside: u32, empty: bool },
    /// `multipart/form-data`; its first delimiter without the line end.
    Form { delimiter: Span },
}

impl Asked {
    pub(super) fn new(endpoint: Endpoint, body: Body) -> Asked {
        Asked {
            endpoint,
            models: SmallVec::new(),
            stream: None,
            stream_options: None,
            include_usage: None,
            has: Has::default(),
            body,
        }
    }

    /// The model asked for: the last one named, empty if there is none or if it is not a string. Of a name that
    /// nobody can know for its length the beginning, as it is written.
    pub fn model<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        let Some(last) = self.models.last() else { return Cow::Borrowed("") };
        if last.len() > WRITTEN_NAME_BYTES_MAX {
            return String::from_utf8_lossy(&last.of(body)[..WRITTEN_NAME_BYTES_MAX]);
        }
        match self.body {
            Body::Json { .. } => Raw::at(body, *last).as_str().map_or(Cow::Borrowed(""), |text| text.decode()),
            Body::Form { .. } => String::from_utf8_lossy(last.of(body)),
        }
    }

    /// Whether the body is a JSON object.
    pub fn is_json(&self) -> bool {
        matches!(self.body, Body::Json { .. })
    }

    /// Whether it is a request of Responses that was sent to Chat's path, as Cursor does (conversion.md 30).
    pub fn is_misdirected(&self) -> bool {
        self.endpoint == Endpoint::ChatCompletions && self.has.input && !self.has.messages
    }

    /// Whether the answer is to be a stream.
    pub fn streams(&self) -> bool {
        use Endpoint as E;
        match self.endpoint {
            E::GeminiStream => true,
            E::GeminiGenerate | E::GeminiCountTokens | E::GeminiEmbed | E::GeminiOther => false,
            // Ollama streams unless told not to (github.com/ollama/ollama/blob/main/docs/api.md).
            E::OllamaChat | E::OllamaGenerate => self.stream.unwrap_or(true),
            _ => self.stream.unwrap_or(false),
        }
    }

    /// Whether the answer counts tokens only if the request is changed, in which case the client is not to see
    /// the count.
    pub fn lacks_usage(&self) -> bool {
        matches!(self.endpoint, Endpoint::ChatCompletions | Endpoint::Completions)
            && self.streams()
            && self.include_usage != Some(true)
    }
}

/// The changes that make `body` ask for `new_model`, and with `want_usage` for the usage of a Chat stream. A
/// body that names no model gets one, except at Gemini's endpoints, whose model is in the path.
pub fn splice<'a>(asked: &Asked, body: &'a [u8], new_model: Option<&'a str>, want_usage: bool) -> Edits<'a> {
    let mut edits = Edits::new(body);
    // Spans that `request` has told never overlap, so that no edit is refused.
    let placed = rewrite(asked, body, new_model, want_usage, &mut edits);
    debug_assert_eq!(placed, Ok(()));
    edits
}

fn rewrite<'a>(
    asked: &Asked,
    body: &'a [u8],
    new_model: Option<&'a str>,
    want_usage: bool,
    edits: &mut Edits<'a>,
) -> Result<(), Overlap> {
    let (inside, empty) = match asked.body {
        Body::Json { inside, empty } => (inside as usize, empty),
        Body::Form { delimiter } => return super::form::rewrite(asked, delimiter.of(body), new_model, edits),
    };
    let adds_usage = want_usage && asked.stream_options.is_none();
    if let Some(model) = new_model {
        let gemini = asked.endpoint.dialect() == Dialect::Gemini;
        let model = match gemini && !model.starts_with("models/") && !model.starts_with("tunedModels/") {
            true => Cow::Owned(format!("models/{model}")),
            false => Cow::Borrowed(model),
        };
        for &span in &asked.models {
            edits.replace(span, Patch::quoted(&model))?;
        }
        if asked.models.is_empty() && !gemini {
            let mut member = b"\"model\":".to_vec();
            json::text::quote(&model, &mut member);
            if !empty || adds_usage {
                member.push(b',');
            }
            edits.insert(inside, Patch::from(member))?;
        }
    }
    if want_usage {
        usage(asked, body, inside, empty, edits)?;
    }
    Ok(())
}

/// Makes `stream_options.include_usage` true.
fn usage<'a>(asked: &Asked, body: &'a [u8], inside: usize, alone: bool, edits: &mut Edits<'a>) -> Result<(), Overlap> {
    match asked.stream_options {
        None if alone => edits.insert(inside, b"\"stream_options\":{\"include_usage\":true}"),
        None => edits.insert(inside, b"\"stream_options\":{\"include_usage\":true},"),
        Some(_) if asked.include_usage == Some(true) => Ok(()),
        Some(options) if Raw::at(body, options).is_object() => {
            edits.remove_member(options, "include_usage")?;
            edits.insert_member(options, "include_usage", b"true")
        }
        Some(options) => edits.replace(options, b"{\"include_usage\":true}"),
    }
}

#[cfg(test)]
#[path = "asked_test.rs"]
mod tests;
