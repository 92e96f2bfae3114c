//! Paths into a JSON value: names and positions with dots between, as `metadata.tier` or `tools.0.type`.
//!
//! A name that holds a dot has a backslash before it. `*` stands for any member or element. A path finds what is
//! there; what is put where nothing is stands in [`edit`](super::edit)'s words.

use std::fmt;

use super::Raw;

/// A path that a person wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    text: Box<str>,
    steps: Box<[Step]>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member, or an element if the name is a number.
    Name(Box<str>),
    /// Any member or element.
    Any,
}

impl Path {
    /// Reads a path; nothing if it is empty, or one of its names is.
    pub fn parse(text: &str) -> Option<Path> {
        let (mut steps, mut name, mut escaped, mut plain) = (Vec::new(), String::new(), false, true);
        for c in text.chars().chain(['.']) {
            match c {
                _ if escaped => {
                    name.push(c);
                    escaped = false;
                }
                '\\' => (escaped, plain) = (true, false),
                '.' if name.is_empty() => return None,
                '.' => {
                    let taken = std::mem::take(&mut name);
                    steps.push(if plain && taken == "*" { Step::Any } else { Step::Name(taken.into()) });
                    plain = true;
                }
                _ => name.push(c),
            }
        }
        if escaped || !name.is_empty() {
            return None;
        }
        Some(Path { text: text.into(), steps: steps.into() })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its steps; never none.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether any value below `value`, which is valid JSON, that this path leads to is as `is` says.
    pub fn any<'a>(&self, value: Raw<'a>, mut is: impl FnMut(Raw<'a>) -> bool) -> bool {
        walk(&self.steps, value, &mut is)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// As deep as the path is long.
fn walk<'a>(steps: &[Step], value: Raw<'a>, is: &mut impl FnMut(Raw<'a>) -> bool) -> bool {
    let Some((first, rest)) = steps.split_first() else { return is(value) };
    match first {
        Step::Any => {
            value.members().any(|(_, value)| walk(rest, value, is))
                || value.elements().any(|value| walk(rest, value, is))
        }
        Step::Name(name) if value.is_array() => {
            let at = name.parse().ok().and_then(|place: usize| value.elements().nth(place));
            at.is_some_and(|value| walk(rest, value, is))
        }
        Step::Name(name) => value.find(name).is_some_and(|value| walk(rest, value, is)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let text = br#"{"a":{"b":[{"c":1},{"c":"x"}],"d.e":true},"1":2}"#;
        let found = |path: &str| {
            let mut all = Vec::new();
            Path::parse(path).unwrap().any(Raw::parse(text).unwrap(), |value| {
                all.push(String::from_utf8(value.bytes().to_vec()).unwrap());
                false
            });
            all.join(" ")
        };
        for (path, values) in [
            ("a.b.0.c", "1"),
            ("a.b.*.c", "1 \"x\""),
            ("a.b.2.c", ""),
            ("a.d\\.e", "true"),
            ("a.d.e", ""),
            ("1", "2"),
            ("a.b.-1", ""),
            ("*", "{\"b\":[{\"c\":1},{\"c\":\"x\"}],\"d.e\":true} 2"),
            ("\\*", ""),
        ] {
            assert_eq!(found(path), values, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a\\"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
