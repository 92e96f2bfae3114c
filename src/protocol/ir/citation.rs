//! Citations, as they are read from what any vendor wrote.
//!
//! All of them name a source, most by its URL, and some say which of the text rests on it. Where that is counted in
//! something else than the client counts in, `translate` has put it right before.

use crate::json::{Escaped, Raw, Writer};

/// A citation. Of its members those are missing that the vendor does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cited<'a> {
    /// The address of what is cited.
    pub url: Option<Escaped<'a>>,
    /// Its title.
    pub title: Option<Escaped<'a>>,
    /// What it says.
    pub quote: Option<Escaped<'a>>,
    /// Where the text that rests on it begins.
    pub start: Option<u64>,
    /// Where it ends.
    pub end: Option<u64>,
}

impl<'a> Cited<'a> {
    /// What is said in any vendor's form; that of Chat stands in a member of its own.
    pub fn read(raw: Raw<'a>) -> Cited<'a> {
        let mut cited = Cited::default();
        for (name, value) in raw.members() {
            match name.bytes() {
                b"url_citation" if value.is_object() => return Cited::read(value),
                b"url" | b"uri" => cited.url = value.as_str(),
                // Of a search result that the client gave; mostly its address.
                b"source" => cited.url = cited.url.or(value.as_str().filter(|source| is_address(source.bytes()))),
                b"title" | b"document_title" => cited.title = value.as_str(),
                b"cited_text" => cited.quote = value.as_str(),
                b"start_index" | b"startIndex" => cited.start = value.as_u64(),
                b"end_index" | b"endIndex" => cited.end = value.as_u64(),
                _ => {}
            }
        }
        cited
    }

    /// Writes it in the form that all encoders read.
    pub fn write(&self, json: &mut Writer<'_>) {
        json.begin_object();
        if self.url.is_some() {
            json.key("type").string("url_citation");
        }
        for (name, text) in [("url", self.url), ("title", self.title), ("cited_text", self.quote)] {
            if let Some(text) = text {
                json.key(name).escaped(text);
            }
        }
        for (name, place) in [("start_index", self.start), ("end_index", self.end)] {
            if let Some(place) = place {
                json.key(name).u64(place);
            }
        }
        json.end();
    }
}

/// Whether `source` is a URL, its slashes escaped or not.
fn is_address(source: &[u8]) -> bool {
    [&b"https:"[..], b"http:"].iter().any(|scheme| source.starts_with(scheme))
}
