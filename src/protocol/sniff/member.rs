//! Finds a member of a JSON object without reading the object.
//!
//! Inside a JSON string a quote is escaped, so `"name"` with its quotes and a colon behind it can only be a
//! member, though maybe one of an inner object. Most events have no such bytes and are done with after a
//! substring search. Where the bytes stand is told by what closes behind them, which is little, because what
//! is looked for comes last in an object; else the object is walked, once.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::json::{self, Members, Raw};

/// Bytes behind a name that are looked at before the whole object is walked instead.
const TAIL_BYTES_MAX: usize = 2_048;

/// Bytes at the end of an object that are looked through before all of it is.
const END_BYTES: usize = 512;

/// A member name to look for.
pub(super) struct Name {
    plain: &'static str,
    quoted: Finder<'static>,
}

impl Name {
    fn new(plain: &'static str, quoted: &'static str) -> Name {
        Name { plain, quoted: Finder::new(quoted) }
    }

    /// The values of all members of this name at any depth that are not null; each reaches to the text's end.
    fn values<'a>(&self, text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.quoted.find_iter(text).filter_map(|at| {
            let value = text[at + self.quoted.needle().len()..].trim_ascii_start();
            let value = value.strip_prefix(b":")?.trim_ascii_start();
            (!value.starts_with(b"null")).then_some(value)
        })
    }

    /// The last of [`Name::values`], which in a whole answer stands near its end.
    fn last_value<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let cut = text.len().saturating_sub(END_BYTES);
        match self.values(&text[cut..]).last() {
            None if cut > 0 => self.values(text).last(),
            last => last,
        }
    }

    /// Whether a member of this name stands anywhere in `text` with a value that is not null.
    #[inline]
    pub(super) fn occurs(&self, text: &[u8]) -> bool {
        self.values(text).next().is_some()
    }

    /// The value of the member of the object `text`, if it is not null. It may reach beyond its end, to the
    /// text's: the readers of `json` stop by themselves.
    #[inline]
    pub(super) fn of<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let last = self.values(text).last()?;
        if last.len() <= TAIL_BYTES_MAX && json::behind(last).and_then(closes) == Some(1) {
            return Some(last);
        }
        json::find(text, self.plain).filter(|value| !value.is_null()).map(Raw::bytes)
    }

    /// What `read` makes of the members of the object that the member of the object `text` is, if it is not null. They
    /// are gone through once, and what closes behind them tells where they stand.
    pub(super) fn read<T>(&self, text: &[u8], read: impl Fn(&mut Members<'_>) -> T) -> Option<T> {
        let last = self.last_value(text)?;
        if last.len() <= TAIL_BYTES_MAX {
            let mut members = json::members(last);
            let made = read(&mut members);
            if members.behind().and_then(closes) == Some(1) {
                return Some(made);
            }
        }
        let value = json::find(text, self.plain).filter(|value| !value.is_null())?;
        Some(read(&mut value.members()))
    }

    /// The value of the last member of this name in `end`, which is the end of an object too long to be read, if it
    /// stands `depth` containers deep in that and is not null.
    pub(super) fn at_end<'a>(&self, end: &'a [u8], depth: i32) -> Option<&'a [u8]> {
        let last = self.values(end).last()?;
        (json::behind(last).and_then(closes) == Some(depth)).then_some(last)
    }
}

/// How many more containers close in `tail` than open: so deep is what stands in front of it.
fn closes(tail: &[u8]) -> Option<i32> {
    let mut depth = 0_i32;
    let mut at = 0;
    while let Some(&byte) = tail.get(at) {
        match byte {
            b'"' => at = string_end(tail, at + 1)?,
            b'{' | b'[' => depth -= 1,
            b'}' | b']' => depth += 1,
            _ => {}
        }
        at += 1;
    }
    Some(depth)
}

/// Where the quote stands that closes the string whose inside begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The names that answers are searched for.
pub(super) struct Names {
    pub(super) error: Name,
    pub(super) usage: Name,
    pub(super) usage_metadata: Name,
    pub(super) finish_reason: Name,
    pub(super) gemini_finish: Name,
    pub(super) gemini_block: Name,
    pub(super) done: Name,
    pub(super) model: Name,
    pub(super) model_version: Name,
}

pub(super) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    error: Name::new("error", "\"error\""),
    usage: Name::new("usage", "\"usage\""),
    usage_metadata: Name::new("usageMetadata", "\"usageMetadata\""),
    finish_reason: Name::new("finish_reason", "\"finish_reason\""),
    gemini_finish: Name::new("finishReason", "\"finishReason\""),
    gemini_block: Name::new("blockReason", "\"blockReason\""),
    done: Name::new("done", "\"done\""),
    model: Name::new("model", "\"model\""),
    model_version: Name::new("modelVersion", "\"modelVersion\""),
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(text: &str) -> Option<String> {
        let value = NAMES.usage.of(text.as_bytes())?;
        Some(json::find(value, "n").map_or("?".into(), |n| String::from_utf8(n.bytes().to_vec()).unwrap()))
    }

    #[test]
    fn only_the_outermost_member_counts() {
        for (text, expected) in [
            (r#"{"usage":{"n":1}}"#, Some("1")),
            (r#"{"usage" : {"n":1}, "x": "}}" }"#, Some("1")),
            (r#"{"usage":null}"#, None),
            (r#"{"a":{"usage":{"n":1}}}"#, None),
            (r#"{"usage":{"n":1},"a":[{"usage":{"n":2}}]}"#, Some("1")),
            (r#"{"a":{"usage":{"n":2}},"usage":{"n":1}}"#, Some("1")),
            (r#"{"usage":{"usage":{"n":2},"n":1}}"#, Some("1")),
            (r#"{"a":"usage","b":"\"usage\":{\"n\":1}"}"#, None),
            (r#"["usage",{"usage":{"n":1}}]"#, None),
        ] {
            assert_eq!(usage(text).as_deref(), expected, "{text}");
        }
        let long = format!(r#"{{"usage":{{"n":1}},"text":"{}"}}"#, "x".repeat(TAIL_BYTES_MAX));
        assert_eq!(usage(&long).as_deref(), Some("1"));
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let name = prop::sample::select(vec!["usage", "a", "\"usage\":{", "}"]);
        let leaf =
            prop_oneof![name.clone().prop_map(Into::into), Just(serde_json::json!(1)), Just(serde_json::json!({}))];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
                    serde_json::Value::Object(
                        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        /// The shortcut finds what a whole reading finds.
        #[test]
        fn it_agrees_with_a_reading_of_everything(value in value(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let found = NAMES.usage.of(text.as_bytes()).map(|tail| {
                serde_json::Deserializer::from_slice(tail).into_iter::<serde_json::Value>().next().unwrap().unwrap()
            });
            prop_assert_eq!(found.as_ref(), value.as_object().and_then(|object| object.get("usage")));
        }
    }
}
