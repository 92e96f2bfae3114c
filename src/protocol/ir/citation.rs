//! Citations that name a URL, as they are read from what another vendor wrote.

use crate::json::{Escaped, Raw};

/// A citation of a URL. Places are 0 where the vendor tells none.
#[derive(Clone, Copy, Debug)]
pub struct Cited<'a> {
    /// What is cited.
    pub url: Escaped<'a>,
    /// Its title, or the URL again.
    pub title: Escaped<'a>,
    /// Where the text that rests on it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

impl<'a> Cited<'a> {
    /// Nothing where it names no URL.
    pub fn read(raw: Raw<'a>) -> Option<Cited<'a>> {
        let (mut url, mut title, mut start, mut end) = (None, None, None, None);
        for (name, value) in raw.members() {
            match name.bytes() {
                b"url" | b"uri" => url = value.as_str(),
                b"title" => title = value.as_str(),
                b"start_index" => start = value.as_u64(),
                b"end_index" => end = value.as_u64(),
                _ => {}
            }
        }
        let url = url?;
        Some(Cited { url, title: title.unwrap_or(url), start: start.unwrap_or(0), end: end.unwrap_or(0) })
    }
}
