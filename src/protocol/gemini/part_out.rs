//! Writes the pieces of an answer that its stream and its whole form share: parts, sources, usage.

use crate::base::span::Span;
use crate::json::{Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::citation::Cited;
use crate::protocol::ir::seal::{self, SealKind};
use crate::protocol::ir::{Seal, Stop};
use crate::protocol::sniff::Usage;

/// Appends a text or a thought, with its signature if that is not empty.
pub(super) fn say(said: &[u8], thought: bool, seal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":\"");
    out.extend_from_slice(said);
    out.push(b'"');
    if thought {
        out.extend_from_slice(b",\"thought\":true");
    }
    sign(seal, out);
    out.push(b'}');
}

fn sign(kept: &[u8], out: &mut Vec<u8>) {
    if !kept.is_empty() {
        out.extend_from_slice(b",\"thoughtSignature\":\"");
        seal::write_base64(kept, out);
        out.push(b'"');
    }
}

/// Appends `seal` as a Gemini client keeps it. Reasoning that is sealed as a whole is none of Gemini's own kinds.
pub(super) fn keep(seal: &Seal<'_>, out: &mut Vec<u8>) {
    if seal.origin != Dialect::Gemini || seal.kind != SealKind::Encrypted {
        seal.write(Dialect::Gemini, out);
    }
}

/// What a tool is called with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Args<'a> {
    /// A JSON value.
    Json(&'a [u8]),
    /// The text of one, escaped.
    Text(&'a [u8]),
    /// Any text, escaped.
    Free(&'a [u8]),
}

/// Appends a call. `scratch` is used for what has to be unescaped.
pub(super) fn call(id: &[u8], name: &[u8], args: Args<'_>, seal: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"functionCall\":{");
    if !id.is_empty() {
        out.extend_from_slice(b"\"id\":\"");
        out.extend_from_slice(id);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"name\":\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\",\"args\":");
    match args {
        Args::Json(value) => object(value, out),
        Args::Free(said) => wrapped(said, out),
        Args::Text([]) => out.extend_from_slice(b"{}"),
        Args::Text(said) => {
            scratch.clear();
            text::unescape(said, scratch);
            match Raw::parse(scratch) {
                Ok(value) => object(value.bytes(), out),
                // What a model wrote need not be JSON; it wrote it all the same.
                Err(_) => wrapped(said, out),
            }
        }
    }
    out.push(b'}');
    sign(seal, out);
    out.push(b'}');
}

fn object(value: &[u8], out: &mut Vec<u8>) {
    if value.first() == Some(&b'{') {
        return flat(value, out);
    }
    // What some models write for no input.
    if value == b"null" {
        return out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(b"{\"input\":");
    flat(value, out);
    out.push(b'}');
}

fn wrapped(said: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"input\":\"");
    out.extend_from_slice(said);
    out.extend_from_slice(b"\"}");
}

/// Appends an image or a sound.
pub(super) fn media(media_type: &[u8], base64: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"inlineData\":{\"mimeType\":\"");
    out.extend_from_slice(media_type);
    out.extend_from_slice(b"\",\"data\":\"");
    out.extend_from_slice(base64);
    out.extend_from_slice(b"\"}}");
}

/// Appends a JSON value on one line: an event's data is one, and line ends stand between tokens only.
pub(super) fn flat(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(value);
    if memchr::memchr2(b'\n', b'\r', value).is_some() {
        out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

/// The members of the candidate that a foreign part stands for; nothing if it is a part like others.
pub(super) fn beside(raw: Raw<'_>) -> Option<&[u8]> {
    let (first, _) = raw.members().next()?;
    let known = ["groundingMetadata", "citationMetadata", "urlContextMetadata"];
    let inside = raw.bytes().strip_prefix(b"{")?.strip_suffix(b"}")?;
    known.iter().any(|name| first.eq_str(name)).then_some(inside)
}

/// Other vendors' citations as Gemini tells them: each source once, and what of the text rests on it.
#[derive(Debug, Default)]
pub(super) struct Sources {
    chunks: Vec<Box<[u8]>>,
    supports: Vec<u8>,
}

impl Sources {
    /// Takes note of a citation; of one that names neither an address nor a title there is nothing to say.
    pub(super) fn cite(&mut self, raw: Raw<'_>) {
        let Cited { url, title, quote, start, end } = Cited::read(raw);
        let mut chunk = Vec::new();
        let mut json = Writer::new(&mut chunk);
        json.begin_object();
        match (url, title) {
            (Some(url), title) => {
                json.key("web").begin_object().key("uri").escaped(url).key("title").escaped(title.unwrap_or(url))
            }
            (None, Some(title)) => {
                json.key("retrievedContext").begin_object().key("title").escaped(title);
                if let Some(quote) = quote {
                    json.key("text").escaped(quote);
                }
                &mut json
            }
            (None, None) => return,
        };
        json.end().end();
        let known = self.chunks.iter().position(|known| **known == *chunk);
        let index = known.unwrap_or(self.chunks.len());
        if known.is_none() {
            self.chunks.push(chunk.into());
        }
        if let (Some(start), Some(end)) = (start, end) {
            if !self.supports.is_empty() {
                self.supports.push(b',');
            }
            let mut json = Writer::new(&mut self.supports);
            json.begin_object().key("segment").begin_object().key("startIndex").u64(start).key("endIndex").u64(end);
            json.end().key("groundingChunkIndices").begin_array().u64(index as u64).end().end();
        }
    }

    /// Appends `,"groundingMetadata":…`; nothing where nothing is cited.
    fn write(&self, out: &mut Vec<u8>) {
        let Some((first, rest)) = self.chunks.split_first() else { return };
        out.extend_from_slice(b",\"groundingMetadata\":{\"groundingChunks\":[");
        flat(first, out);
        for chunk in rest {
            out.push(b',');
            flat(chunk, out);
        }
        out.extend_from_slice(b"],\"groundingSupports\":[");
        out.extend_from_slice(&self.supports);
        out.extend_from_slice(b"]}");
    }
}

/// Appends `,"finishReason":…` and what else a candidate says behind its parts.
pub(super) fn finish(stop: &str, beside: &[u8], cited: &Sources, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"finishReason\":\"");
    out.extend_from_slice(stop.as_bytes());
    out.extend_from_slice(b"\",\"index\":0");
    if !beside.is_empty() {
        out.push(b',');
        flat(beside, out);
    } else {
        cited.write(out);
    }
}

/// Gemini's word for why an answer ends; a call is no reason of its own there.
pub(super) fn reason(stop: Stop<'_>) -> &'static str {
    match stop {
        Stop::EndTurn | Stop::ToolUse | Stop::Word(_) | Stop::Pause => "STOP",
        Stop::Length | Stop::ContextFull => "MAX_TOKENS",
        Stop::Filter | Stop::Refusal => "SAFETY",
    }
}

/// Appends `,"usageMetadata":…` if anything was said: thoughts are counted apart, the cached part is in the prompt.
pub(super) fn usage(usage: &Usage, out: &mut Vec<u8>) {
    if !usage.is_said() {
        return;
    }
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let thoughts = usage.reasoning.unwrap_or(0);
    out.extend_from_slice(b",\"usageMetadata\":{\"promptTokenCount\":");
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(number.format(input).as_bytes());
    for (name, count) in [
        (",\"candidatesTokenCount\":", Some(output.saturating_sub(thoughts))),
        (",\"thoughtsTokenCount\":", usage.reasoning),
        (",\"cachedContentTokenCount\":", usage.cache_read),
        (",\"totalTokenCount\":", Some(input.saturating_add(output))),
    ] {
        if let Some(count) = count {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(number.format(count).as_bytes());
        }
    }
    out.push(b'}');
}

/// What is escaped already, as the scanner tells it.
pub(super) fn inside(escaped: &[u8]) -> Escaped<'_> {
    Escaped::at(escaped, Span::new(0, escaped.len()))
}
