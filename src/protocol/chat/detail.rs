//! One entry of `reasoning_details`, OpenRouter's form of reasoning with what only its vendor can read.
//!
//! An entry that names its vendor's `format` or `id` has to come back with them, so the seal of such an entry is the
//! whole entry without its text, as JSON; that of any other is the bare `signature` or `data`, which may be the seal of
//! another protocol in its wrapping ([`Seal::read`]). No bare seal begins with a brace.

use crate::json::{Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{Part, Request, Seal, Text};

/// What an entry says.
#[derive(Debug)]
pub(super) struct Detail<'a> {
    /// What of it may be read, where it says so itself.
    pub(super) text: Option<Escaped<'a>>,
    /// Whether the text is a summary.
    pub(super) summary: bool,
    /// What only its vendor can read.
    pub(super) seal: Option<Seal<'a>>,
    /// Its place: pieces of one entry have the same.
    pub(super) index: Option<u64>,
}

/// Reads one entry.
pub(super) fn read(entry: Raw<'_>) -> Detail<'_> {
    let mut detail = Detail { text: None, summary: false, seal: None, index: None };
    let (mut sealed, mut vendor) = (None, false);
    for (name, value) in entry.members() {
        match (name.bytes(), value.as_str()) {
            (b"text", Some(text)) => detail.text = Some(text),
            (b"summary", Some(text)) => (detail.text, detail.summary) = (Some(text), true),
            (b"signature", Some(data)) => sealed = Some((SealKind::Signature, data)),
            (b"data", Some(data)) => sealed = Some((SealKind::Encrypted, data)),
            (b"format" | b"id", Some(_)) => vendor = true,
            (b"index", None) => detail.index = value.as_u64(),
            _ => {}
        }
    }
    let sealed = sealed.filter(|(_, data)| !data.bytes().is_empty());
    detail.seal = sealed.map(|(kind, data)| {
        let seal = Seal::read(Dialect::Chat, kind, Text::from(data));
        match vendor && seal.origin == Dialect::Chat {
            true => Seal { data: whole(entry), ..seal },
            false => seal,
        }
    });
    detail
}

/// The entry without its text and its place, as the text of a JSON object.
fn whole(entry: Raw<'_>) -> Text<'static> {
    let mut object = Vec::with_capacity(entry.bytes().len());
    let mut json = Writer::new(&mut object);
    json.begin_object();
    for (name, value) in entry.members() {
        if !matches!(name.bytes(), b"text" | b"summary" | b"index") {
            json.key(&name.decode()).raw(value);
        }
    }
    json.end();
    let mut escaped = Vec::with_capacity(object.len() + object.len() / 4);
    text::escape(&String::from_utf8_lossy(&object), &mut escaped);
    Text::joined(escaped)
}

/// What a history in Chat holds of Anthropic's seals, as Anthropic knows them: OpenRouter passes them on under the name
/// of their format (conversion.md 62). Nothing where there is none.
pub(in crate::protocol) fn homed<'a>(request: &Request<'a>) -> Option<Request<'a>> {
    let mut homed: Option<Request<'a>> = None;
    for (at, turn) in request.turns.iter().enumerate() {
        for (nth, part) in turn.parts.iter().enumerate() {
            let Part::Reasoning { seal: Some(seal), .. } = part else { continue };
            let Some(own) = anthropics(seal) else { continue };
            if let Part::Reasoning { seal, .. } = &mut homed.get_or_insert_with(|| request.clone()).turns[at].parts[nth]
            {
                *seal = Some(own);
            }
        }
    }
    homed
}

fn anthropics(seal: &Seal<'_>) -> Option<Seal<'static>> {
    if seal.origin != Dialect::Chat || !seal.data.bytes().starts_with(b"{") {
        return None;
    }
    let entry = seal.data.decode();
    let entry = Raw::parse(entry.as_bytes()).ok()?;
    if !entry.find("format")?.as_str()?.eq_str("anthropic-claude-v1") {
        return None;
    }
    let data = entry.find("signature").or_else(|| entry.find("data"))?.as_str()?;
    Some(Seal { origin: Dialect::Anthropic, kind: seal.kind, data: Text::from(data).into_owned() })
}

/// Writes a part of reasoning as entries from number `index` on; how many there are. The text is left out where it
/// stands in `reasoning_content` for this part alone.
pub(super) fn write(
    text: Option<Escaped<'_>>,
    summary: bool,
    seal: Option<&Seal<'_>>,
    index: u64,
    json: &mut Writer<'_>,
) -> u64 {
    let words = if summary { ("reasoning.summary", "summary") } else { ("reasoning.text", "text") };
    let own = seal.filter(|seal| seal.origin == Dialect::Chat).map(|seal| seal.data.decode());
    let own = own.as_deref().filter(|data| data.starts_with('{'));
    let own = own.and_then(|object| Raw::parse(object.as_bytes()).ok());
    let Some(seal) = seal else {
        json.begin_object().key("type").string(words.0).key(words.1).escaped(text.unwrap_or(Escaped::EMPTY));
        json.key("index").u64(index).end();
        return 1;
    };
    let mut entries = 0;
    // An encrypted entry has no text of its own, so what may be read is an entry before it.
    let beside = text.filter(|text| seal.kind == SealKind::Encrypted && !text.bytes().is_empty());
    if let Some(text) = beside {
        json.begin_object().key("type").string(words.0).key(words.1).escaped(text);
        if let Some(format) = own.and_then(|own| own.find("format")) {
            json.key("format").raw(format);
        }
        json.key("index").u64(index).end();
        entries += 1;
    }
    json.begin_object();
    match own {
        Some(own) => own.members().for_each(|(name, value)| _ = json.key(&name.decode()).raw(value)),
        None => {
            let (kind, member) = match seal.kind {
                SealKind::Signature => ("reasoning.text", "signature"),
                SealKind::Encrypted | SealKind::Call => ("reasoning.encrypted", "data"),
            };
            let mut data = Vec::with_capacity(seal.data.bytes().len() + 16);
            seal.write(Dialect::Chat, &mut data);
            json.key("type").string(kind).key(member).escaped(Text::joined(data).escaped());
        }
    }
    if let Some(text) = text.filter(|_| seal.kind != SealKind::Encrypted) {
        json.key(words.1).escaped(text);
    }
    json.key("index").u64(index + entries).end();
    entries + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(entry: &str) -> String {
        let read = read(Raw::parse(entry.as_bytes()).unwrap());
        let mut out = Vec::new();
        let mut json = Writer::new(&mut out);
        json.begin_array();
        write(read.text, read.summary, read.seal.as_ref(), 0, &mut json);
        json.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn conversion_62_an_entry_comes_back_with_all_that_its_vendor_needs() {
        for entry in [
            r#"{"type":"reasoning.text","signature":"sig","text":"hm","index":0}"#,
            r#"{"type":"reasoning.encrypted","data":"AA==","index":0}"#,
            r#"{"type":"reasoning.text","text":"hm","index":0}"#,
            r#"{"type":"reasoning.text","signature":"sig","format":"anthropic-claude-v1","id":null,"text":"h\"m","index":0}"#,
            r#"{"type":"reasoning.encrypted","data":"x","id":"rs_1","format":"openai-responses-v1","index":0}"#,
        ] {
            assert_eq!(again(entry), format!("[{entry}]"));
        }
    }

    #[test]
    fn the_seal_of_another_vendor_is_known_by_its_wrapping() {
        let entry = r#"{"type":"reasoning.text","signature":"weir.1.as.Eo4","format":"unknown","index":0}"#;
        let seal = read(Raw::parse(entry.as_bytes()).unwrap()).seal.unwrap();
        assert_eq!((seal.origin, seal.data), (Dialect::Anthropic, Text::plain("Eo4")));
    }

    #[test]
    fn an_entry_without_a_seal_is_text() {
        let read = read(Raw::parse(br#"{"type":"reasoning.summary","summary":"s","format":"f"}"#).unwrap());
        assert!(read.summary && read.seal.is_none() && read.text.is_some_and(|text| text.eq_str("s")));
    }
}
