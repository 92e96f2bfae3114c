//! The walk against serde_json, and the offsets of its errors.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::limits;

fn told(text: &str) -> Vec<(&str, &str)> {
    let mut members = Vec::new();
    object(text.as_bytes(), |_, name, value| members.push((&text[name.range()], &text[value.range()]))).unwrap();
    members
}

#[test]
fn members_of_the_top_level_are_told_in_order() {
    let text = r#" { "model" : "m\"1" , "messages":[{"role":"user"}, 1],"n": -1.5e3,"a":{"model":{}},"":null } "#;
    let expected = [
        ("model", r#""m\"1""#),
        ("messages", r#"[{"role":"user"}, 1]"#),
        ("n", "-1.5e3"),
        ("a", r#"{"model":{}}"#),
        ("", "null"),
    ];
    assert_eq!(told(text), expected);
    assert_eq!(told("{}"), []);
}

fn refused(text: &[u8]) -> (usize, ErrorKind) {
    let error = value(text).unwrap_err();
    (error.at, error.kind)
}

#[test]
fn errors_point_at_the_first_bad_byte() {
    use ErrorKind::*;
    let cases: [(&[u8], usize, ErrorKind); 48] = [
        (b"", 0, End),
        (b"  \n", 3, End),
        (b"\xef\xbb\xbf{}", 0, Value),
        (b"x", 0, Value),
        (b"{} x", 3, Trailing),
        (b"1 2", 2, Trailing),
        (b"{", 1, End),
        (b"{,}", 1, Name),
        (b"{a:1}", 1, Name),
        (b"{\"a\":1,}", 7, Name),
        (b"{\"a\" 1}", 5, Colon),
        (b"{\"a\":}", 5, Value),
        (b"{\"a\":1 \"b\":2}", 7, Brace),
        (b"{\"a\":1]", 6, Brace),
        (b"{\"a\":1", 6, End),
        (b"[1 2]", 3, Bracket),
        (b"[1}", 2, Bracket),
        (b"[1,]", 3, Value),
        (b"[,1]", 1, Value),
        (b"]", 0, Value),
        (b"\x0c1", 0, Value),
        (b"01", 1, Trailing),
        (b"[01]", 2, Bracket),
        (b"-", 1, End),
        (b"-x", 1, Digit),
        (b"+1", 0, Value),
        (b".5", 0, Value),
        (b"1.", 2, End),
        (b"[1.]", 3, Digit),
        (b"[1e]", 3, Digit),
        (b"[1e+]", 4, Digit),
        (b"[-01]", 3, Bracket),
        (b"truE", 3, Literal),
        (b"nul", 3, End),
        (b"[falsy]", 5, Literal),
        (b"\"abc", 4, End),
        (b"\"a\nb\"", 2, Control),
        (b"\"a\0\"", 2, Control),
        (b"\"\\x\"", 2, Escape),
        (b"\"\\u12g4\"", 5, Escape),
        (b"\"\\u123\"", 6, Escape),
        (b"\"\\u12", 5, End),
        (b"\"ab\xff\"", 3, Utf8),
        (b"\"\xed\xa0\x80\"", 1, Utf8),
        (b"\"\xc3\"", 1, Utf8),
        (b"\"a\xf0\x9f\x98\"", 2, Utf8),
        (b"{\"\xc3\x28\":1}", 2, Utf8),
        (b"\"0123456789012345678901234567890123456789012345678901234567890123456789\\q\"", 72, Escape),
    ];
    for (text, at, kind) in cases {
        assert_eq!(refused(text), (at, kind), "{}", String::from_utf8_lossy(text));
    }
    let message = Error { at: 17, kind: Colon }.to_string();
    assert_eq!(message, "expected ':' at byte 17");
}

#[test]
fn only_objects_have_members() {
    for text in ["[]", " 1", "\"a\"", "null", "-1", "true", "[1"] {
        let error = object(text.as_bytes(), |_, _, _| panic!("no member here")).unwrap_err();
        assert_eq!(error, Error { at: text.len() - text.trim_start().len(), kind: ErrorKind::NotObject });
    }
    assert_eq!(object(b" }", |_, _, _| {}), Err(Error { at: 1, kind: ErrorKind::Value }));
    assert_eq!(object(b"", |_, _, _| {}), Err(Error { at: 0, kind: ErrorKind::End }));
}

#[test]
fn nesting_is_bounded() {
    for (open, middle, close) in [("[", "1", "]"), ("{\"a\":", "1", "}"), ("[{\"a\":", "[]", "}]"), ("[", "{}", "]")] {
        let levels = open.matches(['[', '{']).count();
        let nested = |depth: usize| {
            let times = (depth - usize::from(middle.len() == 2)) / levels;
            [open.repeat(times), middle.to_owned(), close.repeat(times)].concat()
        };
        let step = if levels == 2 { 127 } else { 128 };
        assert_eq!(value(nested(step).as_bytes()), Ok(()));
        let deep = nested(step + 2);
        let bound = deep.match_indices(['[', '{']).nth(limits::JSON_DEPTH_MAX).unwrap().0;
        assert_eq!(refused(deep.as_bytes()), (bound, ErrorKind::Depth));
    }
    let deep = b"[".repeat(1_000_000);
    assert_eq!(refused(&deep), (limits::JSON_DEPTH_MAX, ErrorKind::Depth));
}

#[test]
fn an_escaped_lone_surrogate_is_json() {
    let text = br#"{"a":"\ud800"}"#;
    assert_eq!(value(text), Ok(()));
    assert!(serde_json::from_slice::<serde_json::Value>(text).is_err(), "serde_json cannot hold it");
    assert_eq!(find(text, "a").unwrap().as_str().unwrap().decode(), "\u{fffd}");
}

#[test]
fn the_last_of_several_members_counts() {
    let text = br#"{"a":1,"b":2,"\u0061":3}"#;
    assert_eq!(find(text, "a").unwrap().as_u64(), Some(3));
    assert_eq!(find(text, "c"), None);
    assert_eq!(find(b"[1]", "a"), None);
}

/// What serde_json accepts: UTF-8 throughout, and the grammar. `IgnoredAny` has neither a limit of depth nor
/// an opinion on surrogates.
fn accepted(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

fn same_verdict(text: &[u8]) {
    match value(text) {
        Err(Error { kind: ErrorKind::Depth, .. }) => {}
        verdict => assert_eq!(verdict.is_ok(), accepted(text), "{:?} {verdict:?}", String::from_utf8_lossy(text)),
    }
}

pub(crate) fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,80}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Into::into),
            vec(("[a-c]{1}|.{0,20}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value as text in which some places are spoilt.
pub(in crate::json) fn wounded(wounds: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let wound = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..3);
    (any_value(), vec(wound, wounds)).prop_map(|(made, wounds)| {
        let mut text = serde_json::to_vec(&made).unwrap();
        for (place, byte, how) in wounds {
            let place = place.index(text.len());
            match how {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                _ => text.truncate(place.max(1)),
            }
        }
        text
    })
}

/// Tokens in any order.
pub(in crate::json) fn soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"b\":",
            "1",
            "-",
            "0",
            ".",
            "e",
            "+",
            "true",
            "false",
            "null",
            " ",
            "\n",
            "\\",
            "\\u00e9",
            "\\ud834",
            "é",
            "\u{1f600}",
            "\t",
            "1.5e-3",
            "[]",
            "{}",
            "\"long enough for a block\"",
        ][..],
    );
    vec(token, 0..20).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 1_000 }))]

    #[test]
    fn spans_are_the_members_that_serde_json_finds(made in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&made) } else { serde_json::to_string(&made) }.unwrap();
        // As read, not as made: serde_json reads some floats a little off.
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(value(text.as_bytes()), Ok(()));
        let mut members = serde_json::Map::new();
        let verdict = object(text.as_bytes(), |text, name, value| {
            let name = serde_json::from_slice(&text[name.start as usize - 1..name.end as usize + 1]).unwrap();
            members.insert(name, serde_json::from_slice(value.of(text)).unwrap());
        });
        let found: Vec<_> = super::super::members(text.as_bytes())
            .map(|(name, value)| (name.decode().into_owned(), serde_json::from_slice(value.bytes()).unwrap()))
            .collect();
        match &made {
            serde_json::Value::Object(made) => {
                prop_assert_eq!(verdict, Ok(()));
                prop_assert_eq!(&members, made);
                prop_assert_eq!(found, members.into_iter().collect::<Vec<(String, serde_json::Value)>>());
            }
            serde_json::Value::Array(made) => {
                prop_assert!(verdict.is_err());
                let found = elements(text.as_bytes()).map(|raw| serde_json::from_slice(raw.bytes()).unwrap());
                prop_assert_eq!(found.collect::<Vec<serde_json::Value>>(), made.clone());
            }
            _ => prop_assert!(verdict.is_err() && found.is_empty()),
        }
    }

    #[test]
    fn verdicts_are_those_of_serde_json(text in wounded(0..3)) {
        same_verdict(&text);
    }

    #[test]
    fn verdicts_on_soup_are_those_of_serde_json(text in soup()) {
        same_verdict(text.as_bytes());
    }

    #[test]
    fn iterators_survive_what_is_not_json(noise in vec(prop::sample::select(&b"{}[]\",:\\ a1"[..]), 0..60)) {
        for text in [&noise[..], &[b"{", &noise[..]].concat(), &[b"[", &noise[..]].concat()] {
            prop_assert!(super::super::members(text).count() <= text.len());
            prop_assert!(elements(text).count() <= text.len());
        }
    }
}
