//! Names with `*`: any run of characters, any number of times. ASCII case does not count.

/// A name that may hold `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// How many bytes stand before the first `*`.
    literal: usize,
}

impl Pattern {
    /// From the text of the file.
    pub fn new(text: &str) -> Pattern {
        Pattern { text: text.into(), literal: text.find('*').unwrap_or(text.len()) }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds a `*`.
    pub fn is_wildcard(&self) -> bool {
        self.literal < self.text.len()
    }

    /// Whether `name` matches; upper and lower case are the same.
    pub fn matches(&self, name: &str) -> bool {
        self.begins(name, <[u8]>::eq_ignore_ascii_case, |pattern, byte| pattern.eq_ignore_ascii_case(&byte))
    }

    /// Whether `name` matches letter by letter.
    pub fn matches_exactly(&self, name: &str) -> bool {
        self.begins(name, |one, other| one == other, |pattern, byte| pattern == byte)
    }

    /// Nearly every pattern is a name or the beginning of one: that is compared at once, and what stars are for only
    /// behind it.
    fn begins(&self, name: &str, is: impl Fn(&[u8], &[u8]) -> bool, same: impl Fn(u8, u8) -> bool) -> bool {
        let (start, rest) = self.text.as_bytes().split_at(self.literal);
        match name.as_bytes().split_at_checked(self.literal) {
            Some((name, _)) if !is(start, name) => false,
            Some((_, name)) => rest == b"*" || glob(rest, name, same),
            None => false,
        }
    }

    /// Whether every name that `other` matches is matched by this one too. No is not certain, yes is: a `*` of `other`
    /// is read as a character that only a `*` can match. Letter by letter.
    pub fn covers(&self, other: &Pattern) -> bool {
        glob(self.text.as_bytes(), other.text.as_bytes(), |pattern, byte| byte != b'*' && pattern == byte)
    }
}

/// Whether any of `patterns` matches.
pub fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// Goes back to the last `*` only: what an earlier one took stays taken, since a later one can take any of the rest.
/// At worst the product of the lengths; `limits::MODEL_NAME_BYTES_MAX` bounds one of them.
fn glob(pattern: &[u8], name: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut at, mut byte) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while byte < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, byte));
                at += 1;
            }
            Some(&wanted) if same(wanted, name[byte]) => {
                at += 1;
                byte += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    byte = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_match_any_run() {
        let cases = [
            ("claude-*", "claude-sonnet-4", true),
            ("claude-*", "claude-", true),
            ("claude-*", "claude", false),
            ("*-reasoner", "deepseek-reasoner", true),
            ("*embedding*", "text-embedding-3", true),
            ("gpt-*-mini*", "gpt-4o-mini-2024", true),
            ("gpt-*-mini", "gpt-4o-mini-x", false),
            ("GPT-4O", "gpt-4o", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*a", "a", false),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
        assert!(!Pattern::new("GPT*").matches_exactly("gpt-4o"));
    }

    /// The definition, tried in every way.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
            Some((byte, rest)) => name.first() == Some(byte) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_is_its_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches_exactly(&name), naive(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn a_cover_matches_whatever_is_covered(wide in "[ab*]{0,6}", narrow in "[ab*]{0,6}", name in "[ab]{0,8}") {
            let (wide, narrow) = (Pattern::new(&wide), Pattern::new(&narrow));
            prop_assert!(!(wide.covers(&narrow) && narrow.matches_exactly(&name)) || wide.matches_exactly(&name));
        }
    }
}
