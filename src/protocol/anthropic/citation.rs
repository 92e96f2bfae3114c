//! Citations as Anthropic's clients know them, and as they send them back.
//!
//! Another vendor's becomes a search result's, marked as none of Anthropic's by what stands in place of its
//! `encrypted_index`: that vendor would refuse it in the next turn, so it is left out there.

use crate::json::{Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::citation::Cited;
use crate::protocol::ir::seal::{Seal, SealKind};
use crate::protocol::ir::{Json, Text, seal};

/// Appends a citation; false if there are no words for it.
pub(super) fn write(origin: Dialect, raw: Raw<'_>, out: &mut Vec<u8>) -> bool {
    if origin == Dialect::Anthropic {
        out.extend_from_slice(raw.bytes());
        return true;
    }
    let cited = Cited::read(raw);
    let Some(url) = cited.url else { return false };
    let mut json = Writer::new(out);
    json.begin_object().key("type").string("web_search_result_location");
    json.key("url").escaped(url).key("title").escaped(cited.title.unwrap_or(url)).key("cited_text");
    match cited.quote {
        Some(quote) => json.escaped(quote),
        None => json.string(""),
    };
    json.key("encrypted_index").string("").end();
    // In front of the quote and the brace at the end.
    let end = out.split_off(out.len() - 2);
    Seal { origin, kind: SealKind::Signature, data: Text::default() }.write(Dialect::Anthropic, out);
    out.extend_from_slice(&end);
    true
}

/// Those of `citations`, a list as a client sent it, that are Anthropic's own; nothing if there are none. Whether
/// others were among them.
pub(super) fn own(citations: &Json<'_>) -> (Option<Vec<u8>>, bool) {
    let (mut own, mut others) = (b"[".to_vec(), false);
    for citation in citations.raw().elements() {
        let index = citation.find("encrypted_index").and_then(Raw::as_str);
        if index.is_some_and(|index| seal::may_be_wrapped(index.bytes())) {
            others = true;
            continue;
        }
        if own.len() > 1 {
            own.push(b',');
        }
        own.extend_from_slice(citation.bytes());
    }
    own.push(b']');
    (Some(own).filter(|own| own.len() > 2), others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_vendors_is_a_search_result_and_known_again() {
        let cited =
            br#"{"type":"url_citation","url_citation":{"url":"https://a","title":"A","start_index":1,"end_index":2}}"#;
        let mut out = Vec::new();
        assert!(write(Dialect::Chat, Raw::parse(cited).unwrap(), &mut out));
        assert_eq!(
            String::from_utf8(out.clone()).unwrap(),
            r#"{"type":"web_search_result_location","url":"https://a","title":"A","cited_text":"","encrypted_index":"weir.1.cs."}"#
        );
        let own_one = r#"{"type":"char_location","cited_text":"c","document_index":0}"#;
        let list = format!("[{own_one},{}]", String::from_utf8(out).unwrap());
        let json = Json::from(Raw::parse(list.as_bytes()).unwrap());
        assert_eq!(own(&json), (Some(format!("[{own_one}]").into_bytes()), true));
    }

    #[test]
    fn what_names_no_address_has_no_words() {
        let mut out = Vec::new();
        assert!(!write(
            Dialect::Responses,
            Raw::parse(br#"{"type":"file_citation","file_id":"f"}"#).unwrap(),
            &mut out
        ));
        assert!(out.is_empty());
    }
}
