//! What is told of somebody else's words: as much as finds room in a row, a message or a log line, and without what is
//! nobody's business.

/// As much of `text` as has at most `bytes_max` bytes, cut between characters.
pub fn beginning(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    // A character has four bytes at most, and nothing is one too.
    let end = (0..=bytes_max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// `bytes` with `with` in the place of each `needle`, which is not empty. In one pass, however many there are.
pub fn replaced(bytes: &[u8], needle: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(bytes, needle) {
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(with);
        from = at + needle.len();
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_are_replaced_from_the_left() {
        for (bytes, needle, expected) in
            [("abcabc", "bc", "a***a***"), ("aaa", "aa", "***a"), ("", "a", ""), ("b", "a", "b"), ("a", "a", "***")]
        {
            assert_eq!(replaced(bytes.as_bytes(), needle.as_bytes(), b"***"), expected.as_bytes());
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, bytes_max, expected) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abcd"),
            ("abc\u{e9}", 5, "abc\u{e9}"),
            ("abc\u{e9}", 4, "abc"),
            ("\u{1f600}x", 3, ""),
            ("", 0, ""),
            ("a", 0, ""),
        ] {
            assert_eq!(beginning(text, bytes_max), expected);
        }
    }
}
