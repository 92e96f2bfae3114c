//! The members of an object and the elements of an array that are already known to be valid.
//!
//! Nothing is checked again; on a text that is not valid the iterators stop early or tell nonsense, but they
//! neither panic nor read outside it.

use super::block;
use super::scan::blank;
use super::span::{Escaped, Raw};
use super::string::Inside;

/// The members of an object in order, as written: see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// The elements of an array in order: see [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    text: &'a [u8],
    at: usize,
}

/// The members of `raw_object`, a valid object; none if it is another value.
pub fn members(raw_object: &[u8]) -> Members<'_> {
    Members { text: raw_object, at: inside(raw_object, b'{') }
}

/// The elements of `raw_array`, a valid array; none if it is another value.
pub fn elements(raw_array: &[u8]) -> Elements<'_> {
    Elements { text: raw_array, at: inside(raw_array, b'[') }
}

/// The value of the member `name` of `raw_object`; of several the last, as `serde_json` has it.
pub fn find<'a>(raw_object: &'a [u8], name: &str) -> Option<Raw<'a>> {
    members(raw_object).filter(|(found, _)| found.eq_str(name)).last().map(|(_, value)| value)
}

/// The text behind the value that `text` begins with, a valid one.
pub fn behind(text: &[u8]) -> Option<&[u8]> {
    text.get(skip(text, 0)?..)
}

impl<'a> Members<'a> {
    /// The next member with the offsets in the object where its name's quote and its value begin.
    #[inline]
    pub(super) fn place(&mut self) -> Option<(usize, Escaped<'a>, usize, Raw<'a>)> {
        let (quote, name, start) = self.name()?;
        Some((quote, name, start, self.value(start)?))
    }

    #[inline]
    fn name(&mut self) -> Option<(usize, Escaped<'a>, usize)> {
        let quote = blank(self.text, self.at);
        if self.text.get(quote) != Some(&b'"') {
            return None;
        }
        let name_end = skip_string(self.text, quote + 1)?;
        let start = blank(self.text, blank(self.text, name_end + 1) + 1);
        Some((quote, Escaped::trusted(&self.text[quote + 1..name_end]), start))
    }

    #[inline]
    fn value(&mut self, start: usize) -> Option<Raw<'a>> {
        let end = skip(self.text, start)?;
        self.at = blank(self.text, end) + 1;
        Some(Raw::trusted(&self.text[start..end]))
    }
}

impl<'a> Members<'a> {
    /// The text behind the object, once all its members have been gone through; nothing if it has not ended.
    pub fn behind(&self) -> Option<&'a [u8]> {
        let end = match self.text.get(self.at.wrapping_sub(1)) {
            Some(b'}') => self.at,
            _ => blank(self.text, self.at) + 1,
        };
        (self.text.get(end - 1) == Some(&b'}')).then(|| &self.text[end..])
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Escaped<'a>, Raw<'a>);

    fn next(&mut self) -> Option<(Escaped<'a>, Raw<'a>)> {
        self.place().map(|(_, name, _, value)| (name, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let start = blank(self.text, self.at);
        if matches!(self.text.get(start), None | Some(b']')) {
            return None;
        }
        let end = skip(self.text, start)?;
        self.at = blank(self.text, end) + 1;
        Some(Raw::trusted(&self.text[start..end]))
    }
}

/// The offset behind the bracket that opens `text`; its end if that is another one.
fn inside(text: &[u8], open: u8) -> usize {
    let at = blank(text, 0);
    if text.get(at) == Some(&open) { at + 1 } else { text.len() }
}

/// The end of the valid value at `start`, which is never `start` itself.
fn skip(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => skip_string(text, start + 1).map(|quote| quote + 1),
        #[cfg(target_arch = "x86_64")]
        b'{' | b'[' => block::behind_container(text, start),
        #[cfg(not(target_arch = "x86_64"))]
        b'{' | b'[' => skip_container(text, start),
        _ => {
            let mut end = start;
            while text.get(end).is_some_and(|&byte| CLASS[byte as usize] == PLAIN) {
                end += 1;
            }
            (end > start).then_some(end)
        }
    }
}

/// The bytes of numbers and literals.
const PLAIN: u8 = 1;
const OPENS: u8 = 2;
const CLOSES: u8 = 3;
const QUOTE: u8 = 4;

static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => PLAIN,
            b'{' | b'[' => OPENS,
            b'}' | b']' => CLOSES,
            b'"' => QUOTE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// As `block::behind_container`, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn skip_container(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let class = CLASS[*text.get(at)? as usize];
        if class > PLAIN {
            match class {
                OPENS => depth += 1,
                CLOSES => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => at = skip_string(text, at + 1)?,
            }
        }
        at += 1;
    }
}

/// The offset of the quote that closes the valid string whose inside begins at `at`.
#[inline]
fn skip_string(text: &[u8], at: usize) -> Option<usize> {
    if let Some(quote) = block::short(text, at) {
        return Some(quote);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(quote) = block::quote(text, at) {
        return Some(quote);
    }
    skip_long(text, at)
}

/// Escapes at which a string is left to the vector code of `block`: with few of them, stopping at each is cheaper.
const STOPS_MAX: usize = 2;

fn skip_long(text: &[u8], mut at: usize) -> Option<usize> {
    let mut stops = 0;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[found] == b'"' {
            return Some(found);
        }
        stops += 1;
        if stops == STOPS_MAX
            && let Some(Inside::Closed(quote)) = block::end(text, found, true)
        {
            return Some(quote);
        }
        at = found + 2;
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A container of anything ends where it ends byte by byte, wherever it begins and whatever stands behind.
        #[test]
        fn containers_end_where_they_do_byte_by_byte(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("\"\""), Just("\"}\""), Just("\"[{\\\"]\""), Just("\"\\\\\""), Just("\"\\\\\\\"}\""), Just("{"), Just("}"),
                    Just("["), Just("]"), Just(","), Just("1.5"), Just("null"), Just("\"a name of some length\":"), Just(" "),
                    Just("\"ünï {cödé}\""),
                ],
                0..60,
            ),
            before in 0_usize..70,
        ) {
            let text = format!("{}{{{}}}{}", " ".repeat(before), pieces.concat(), "}]".repeat(3));
            let text = text.as_bytes();
            for set in block::Set::ALL.into_iter().map(Some).chain([None]) {
                prop_assert_eq!(block::behind_container_by(set, text, before), skip_container(text, before), "{:?}", set);
            }
            for at in (0..text.len()).filter(|at| text[*at] == b'"') {
                if let Some(quote) = block::quote(text, at + 1) {
                    prop_assert_eq!(Some(quote), skip_long(text, at + 1));
                }
            }
        }
    }
}
