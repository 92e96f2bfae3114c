//! Probabilities of tokens, which come with each delta and are told at the end: only Chat's clients know them, and parts
//! in between would take the text apart.

use crate::json::Raw;
use crate::limits::LOGPROBS_BYTES_MAX;

/// What has come of them.
#[derive(Debug, Default)]
pub(super) struct Weighed {
    /// Elements of `content` and of `refusal`, with commas between them.
    lists: Option<Box<[Vec<u8>; 2]>>,
    /// More came than is kept: none are told.
    over: bool,
}

impl Weighed {
    /// Takes the `logprobs` of a delta.
    pub(super) fn add(&mut self, logprobs: Raw<'_>) {
        for (name, value) in logprobs.members().filter(|_| !self.over) {
            let nth = match name.bytes() {
                b"content" => 0,
                b"refusal" => 1,
                _ => continue,
            };
            let inside = value.bytes().strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]"));
            let Some(inside) = inside.map(<[u8]>::trim_ascii).filter(|inside| !inside.is_empty()) else { continue };
            let list = &mut self.lists.get_or_insert_default()[nth];
            if list.len() + inside.len() > LOGPROBS_BYTES_MAX {
                (self.lists, self.over) = (None, true);
                return;
            }
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(inside);
        }
    }

    /// All of them as a Chat client knows them.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let lists = self.lists.take()?;
        let mut out = Vec::with_capacity(lists[0].len() + lists[1].len() + 32);
        for (open, list) in [(&b"{\"content\":"[..], &lists[0]), (b",\"refusal\":", &lists[1])] {
            out.extend_from_slice(open);
            match list.is_empty() {
                true => out.extend_from_slice(b"null"),
                false => [&b"["[..], list, b"]"].iter().for_each(|piece| out.extend_from_slice(piece)),
            }
        }
        out.push(b'}');
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_beyond_their_limit_are_not_told_in_part() {
        for (bytes, told) in [(LOGPROBS_BYTES_MAX, true), (LOGPROBS_BYTES_MAX + 1, false)] {
            let token = format!(r#"{{"token":"{}"}}"#, "x".repeat(bytes - r#"{"token":""}"#.len()));
            let mut weighed = Weighed::default();
            weighed.add(Raw::parse(format!(r#"{{"content":[{token}]}}"#).as_bytes()).unwrap());
            assert_eq!(weighed.take().is_some(), told);
            weighed.add(Raw::parse(br#"{"content":[1]}"#).unwrap());
            assert_eq!(weighed.take().is_some(), told, "what is over stays over");
        }
    }
}
