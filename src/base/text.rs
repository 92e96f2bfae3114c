//! The beginning of a text: what of somebody else's words finds room in a row, a message, a log line.

/// As much of `text` as has at most `bytes_max` bytes, cut between characters.
pub fn beginning(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    // A character has four bytes at most, and nothing is one too.
    let end = (0..=bytes_max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

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
