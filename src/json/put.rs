//! Sets and removes what a path leads to, in a valid JSON object.
//!
//! Where the way does not go on, it is made: members in objects, the next element in an array. A value that is neither
//! stands in the way and stays. Everything that is not on the way is copied as it was written.

use super::Raw;
use super::edit::Edits;
use super::path::Step;
use super::text;
use crate::base::span::Span;

/// `body` with `value`, a JSON value, at the end of the path; nothing if that changes nothing. With `missing_only` only
/// where nothing stands.
pub fn set(body: &[u8], steps: &[Step], value: &[u8], missing_only: bool) -> Option<Vec<u8>> {
    let mut edits = Edits::new(body);
    put(&mut edits, body, root(body), steps, value, missing_only);
    finish(&edits)
}

/// `body` without what the path leads to; nothing if there is nothing of it.
pub fn remove(body: &[u8], steps: &[Step]) -> Option<Vec<u8>> {
    let mut edits = Edits::new(body);
    take(&mut edits, body, root(body), steps);
    finish(&edits)
}

fn root(body: &[u8]) -> Raw<'_> {
    Raw::trusted(body.trim_ascii())
}

fn finish(edits: &Edits<'_>) -> Option<Vec<u8>> {
    if edits.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    edits.write_to(&mut out);
    Some(out)
}

/// As deep as the path is long. Places are told once each, so that no edit is refused.
fn put<'a>(edits: &mut Edits<'a>, body: &'a [u8], at: Raw<'a>, steps: &[Step], value: &[u8], missing_only: bool) {
    let Some(span) = Span::inside(body, at.bytes()) else { return };
    let Some((first, rest)) = steps.split_first() else {
        if !missing_only {
            let _ = edits.replace(span, value.to_vec());
        }
        return;
    };
    match first {
        Step::Any => {
            for (_, inner) in at.members() {
                put(edits, body, inner, rest, value, missing_only);
            }
            for inner in at.elements() {
                put(edits, body, inner, rest, value, missing_only);
            }
        }
        Step::Name(name) if at.is_object() => match at.find(name) {
            Some(inner) if inner.is_null() && !rest.is_empty() => {
                replace(edits, body, inner, wrapped(rest, value));
            }
            Some(inner) => put(edits, body, inner, rest, value, missing_only),
            None => {
                if let Some(made) = wrapped(rest, value) {
                    let _ = edits.insert_member(span, name, &made);
                }
            }
        },
        Step::Name(name) if at.is_array() => {
            let Ok(place) = name.parse::<usize>() else { return };
            let count = at.elements().count();
            match at.elements().nth(place) {
                Some(inner) => put(edits, body, inner, rest, value, missing_only),
                None if place == count => {
                    if let Some(made) = wrapped(rest, value) {
                        let comma: &[u8] = if count == 0 { b"" } else { b"," };
                        let _ = edits.insert(span.end as usize - 1, [comma, &made].concat());
                    }
                }
                None => {}
            }
        }
        Step::Name(_) => {}
    }
}

fn replace<'a>(edits: &mut Edits<'a>, body: &'a [u8], at: Raw<'a>, value: Option<Vec<u8>>) {
    if let (Some(span), Some(value)) = (Span::inside(body, at.bytes()), value) {
        let _ = edits.replace(span, value);
    }
}

/// `value` in as many objects as there are steps; nothing if one of them is not a name.
fn wrapped(steps: &[Step], value: &[u8]) -> Option<Vec<u8>> {
    let Some((first, rest)) = steps.split_first() else { return Some(value.to_vec()) };
    let Step::Name(name) = first else { return None };
    let mut out = b"{".to_vec();
    text::quote(name, &mut out);
    out.push(b':');
    out.extend_from_slice(&wrapped(rest, value)?);
    out.push(b'}');
    Some(out)
}

fn take<'a>(edits: &mut Edits<'a>, body: &'a [u8], at: Raw<'a>, steps: &[Step]) {
    let (Some(span), Some((first, rest))) = (Span::inside(body, at.bytes()), steps.split_first()) else { return };
    match (first, rest.is_empty()) {
        (Step::Any, false) => {
            at.members().for_each(|(_, inner)| take(edits, body, inner, rest));
            at.elements().for_each(|inner| take(edits, body, inner, rest));
        }
        (Step::Any, true) => {
            let empty: &[u8] = if at.is_object() { b"{}" } else { b"[]" };
            if at.is_object() || at.is_array() {
                let _ = edits.replace(span, empty);
            }
        }
        (Step::Name(name), true) if at.is_object() => {
            let _ = edits.remove_member(span, name);
        }
        (Step::Name(name), true) => {
            if let Some(gone) = name.parse().ok().and_then(|place| element(body, at, place)) {
                let _ = edits.replace(gone, b"");
            }
        }
        (Step::Name(name), false) if at.is_object() => {
            at.members().filter(|(found, _)| found.eq_str(name)).for_each(|(_, inner)| take(edits, body, inner, rest));
        }
        (Step::Name(name), false) => {
            let inner = name.parse().ok().and_then(|place: usize| at.elements().nth(place));
            inner.into_iter().for_each(|inner| take(edits, body, inner, rest));
        }
    }
}

/// An element with the comma that goes with it.
fn element(body: &[u8], array: Raw<'_>, place: usize) -> Option<Span> {
    let span = |nth| Span::inside(body, array.elements().nth(nth)?.bytes());
    let own = span(place)?;
    let before = if place == 0 { None } else { span(place - 1) };
    Some(match (before, span(place + 1)) {
        (Some(before), _) => Span { start: before.end, end: own.end },
        (None, Some(after)) => Span { start: own.start, end: after.start },
        (None, None) => own,
    })
}

#[cfg(test)]
mod tests {
    use super::super::path::Path;
    use super::*;

    fn text(bytes: Option<Vec<u8>>) -> Option<String> {
        bytes.map(|bytes| {
            super::super::value(&bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        })
    }

    #[test]
    fn a_value_is_set_wherever_the_path_leads() {
        let body = r#" {"a":1, "b":{"c":[1,{"d":null}]},"n":null} "#;
        for (path, expected) in [
            ("a", r#" {"a":7, "b":{"c":[1,{"d":null}]},"n":null} "#),
            ("b.c.0", r#" {"a":1, "b":{"c":[7,{"d":null}]},"n":null} "#),
            ("b.c.2", r#" {"a":1, "b":{"c":[1,{"d":null},7]},"n":null} "#),
            ("b.c.1.d", r#" {"a":1, "b":{"c":[1,{"d":7}]},"n":null} "#),
            ("b.c.1.e.f", r#" {"a":1, "b":{"c":[1,{"e":{"f":7},"d":null}]},"n":null} "#),
            ("n.x", r#" {"a":1, "b":{"c":[1,{"d":null}]},"n":{"x":7}} "#),
            ("x.y", r#" {"x":{"y":7},"a":1, "b":{"c":[1,{"d":null}]},"n":null} "#),
            ("b.c.*", r#" {"a":1, "b":{"c":[7,7]},"n":null} "#),
        ] {
            let set = set(body.as_bytes(), Path::parse(path).unwrap().steps(), b"7", false);
            assert_eq!(text(set).as_deref(), Some(expected), "{path}");
        }
        for path in ["a.x", "b.c.9", "b.c.x", "x.*"] {
            assert_eq!(set(body.as_bytes(), Path::parse(path).unwrap().steps(), b"7", false), None, "{path}");
        }
        assert_eq!(text(set(b"{}", Path::parse("a").unwrap().steps(), b"7", true)).as_deref(), Some(r#"{"a":7}"#));
    }

    #[test]
    fn a_default_is_set_only_where_nothing_stands() {
        let body = br#"{"a":null,"b":{}}"#;
        let set = |path: &str| text(set(body, Path::parse(path).unwrap().steps(), b"7", true));
        assert_eq!((set("a"), set("b")), (None, None));
        assert_eq!(set("b.c").as_deref(), Some(r#"{"a":null,"b":{"c":7}}"#));
    }

    #[test]
    fn what_a_path_leads_to_is_removed() {
        let body = r#"{"a":1,"b":[{"c":1,"d":2},{"c":3}],"a":2}"#;
        for (path, expected) in [
            ("a", r#"{"b":[{"c":1,"d":2},{"c":3}]}"#),
            ("b.*.c", r#"{"a":1,"b":[{"d":2},{}],"a":2}"#),
            ("b.0", r#"{"a":1,"b":[{"c":3}],"a":2}"#),
            ("b.1", r#"{"a":1,"b":[{"c":1,"d":2}],"a":2}"#),
            ("b.*", r#"{"a":1,"b":[],"a":2}"#),
            ("b.0.d", r#"{"a":1,"b":[{"c":1},{"c":3}],"a":2}"#),
        ] {
            assert_eq!(
                text(remove(body.as_bytes(), Path::parse(path).unwrap().steps())).as_deref(),
                Some(expected),
                "{path}"
            );
        }
        for path in ["x", "b.2", "a.b", "b.0.x"] {
            assert_eq!(remove(body.as_bytes(), Path::parse(path).unwrap().steps()), None, "{path}");
        }
    }
}
