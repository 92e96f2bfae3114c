//! Citations as Chat's clients know them: `url_citation` with its place in the text.
//!
//! Chat's own are said as they are. Of the others only those are said that name a URL; places that are not known are 0,
//! for libraries ask for a number.

use crate::json::{Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::citation::Cited;

/// Writes an element of `annotations`, with its `index` where a stream needs one; false if Chat has no words for it.
pub(super) fn write(origin: Dialect, raw: Raw<'_>, index: Option<u64>, json: &mut Writer<'_>) -> bool {
    if origin == Dialect::Chat {
        json.begin_object();
        if let Some(index) = index {
            json.key("index").u64(index);
        }
        for (name, value) in raw.members().filter(|(name, _)| !name.eq_str("index")) {
            json.key(&name.decode()).raw(value);
        }
        json.end();
        return true;
    }
    let Cited { url: Some(url), title, start, end, .. } = Cited::read(raw) else { return false };
    json.begin_object();
    if let Some(index) = index {
        json.key("index").u64(index);
    }
    json.key("type").string("url_citation").key("url_citation").begin_object();
    json.key("start_index").u64(start.unwrap_or(0)).key("end_index").u64(end.unwrap_or(0));
    json.key("title").escaped(title.unwrap_or(url)).key("url").escaped(url).end().end();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(origin: Dialect, raw: &str, index: Option<u64>) -> Option<String> {
        let mut out = Vec::new();
        let said = write(origin, Raw::parse(raw.as_bytes()).unwrap(), index, &mut Writer::new(&mut out));
        said.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn citations_of_all_kinds_are_urls_or_nothing() {
        let own = r#"{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":2}}"#;
        assert_eq!(written(Dialect::Chat, own, None).as_deref(), Some(own));
        assert!(written(Dialect::Chat, own, Some(3)).unwrap().starts_with(r#"{"index":3,"type":"#));
        let responses = r#"{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2}"#;
        assert_eq!(
            written(Dialect::Responses, responses, None).as_deref(),
            Some(r#"{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"title":"t","url":"u"}}"#)
        );
        let anthropic = r#"{"type":"web_search_result_location","url":"u","title":"t","cited_text":"c"}"#;
        assert!(written(Dialect::Anthropic, anthropic, Some(0)).unwrap().contains(r#""start_index":0"#));
        assert_eq!(written(Dialect::Anthropic, r#"{"type":"char_location","document_index":0}"#, None), None);
    }
}
