//! Edits, one by one and in any combination.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::json::scan;

fn object(body: &str) -> Span {
    Span::new(0, body.len())
}

fn edited(edits: &Edits<'_>) -> String {
    let mut out = Vec::new();
    edits.write_to(&mut out);
    assert_eq!(out.len(), edits.total_len());
    String::from_utf8(out).unwrap()
}

#[test]
fn no_edit_is_one_slice() {
    let body = br#"{"a":1}"#;
    let edits = Edits::new(body);
    let segments: Vec<&[u8]> = edits.segments().collect();
    assert_eq!(segments, [&body[..]]);
    assert!(std::ptr::eq(segments[0], &body[..]));
}

#[test]
fn removal_leaves_the_commas_that_are_needed() {
    let body = r#"{"a":1, "b":[2] ,"c":{"a":3} , "a":4 }"#;
    let cases: [(&[&str], &str); 7] = [
        (&["x"], body),
        (&["a"], r#"{"b":[2] ,"c":{"a":3} }"#),
        (&["b"], r#"{"a":1 ,"c":{"a":3} , "a":4 }"#),
        (&["a", "b"], r#"{"c":{"a":3} }"#),
        (&["b", "a"], r#"{"c":{"a":3} }"#),
        (&["c", "b", "b"], r#"{"a":1 , "a":4 }"#),
        (&["c", "a", "b"], "{ }"),
    ];
    for (names, expected) in cases {
        let mut edits = Edits::new(body.as_bytes());
        for name in names {
            edits.remove_member(object(body), name).unwrap();
        }
        assert_eq!(edited(&edits), expected, "{names:?}");
    }
}

#[test]
fn insertion_minds_the_comma() {
    let cases = [("{}", r#"{"x":1,"y":2}"#), ("{ }", r#"{"x":1,"y":2 }"#), (r#"{"a":0}"#, r#"{"x":1,"y":2,"a":0}"#)];
    for (body, expected) in cases {
        let mut edits = Edits::new(body.as_bytes());
        edits.insert_member(object(body), "x", b"1").unwrap();
        edits.insert_member(object(body), "y", b"2").unwrap();
        assert_eq!(edited(&edits), expected);
    }
}

#[test]
fn removal_and_insertion_agree_in_any_order() {
    let body = r#"{"a":1,"b":2}"#;
    for order in ["abx", "axb", "xab", "bxa", "xba", "xbaa"] {
        let mut edits = Edits::new(body.as_bytes());
        for step in order.chars() {
            match step {
                'x' => edits.insert_member(object(body), "x", b"{}").unwrap(),
                name => drop(edits.remove_member(object(body), &name.to_string()).unwrap()),
            }
        }
        assert_eq!(edited(&edits), r#"{"x":{}}"#, "{order}");
    }
}

#[test]
fn nested_objects_are_edited_in_place() {
    let body = r#"{"model":"m","stream_options":{"a":1},"x":{}}"#;
    let options = Span::new(30, 37);
    let mut edits = Edits::new(body.as_bytes());
    edits.insert_member(options, "include_usage", b"true").unwrap();
    edits.replace(Span::new(9, 12), Patch::quoted("n\"1")).unwrap();
    edits.insert_member(Span::new(42, 44), "y", b"0").unwrap();
    let expected = r#"{"model":"n\"1","stream_options":{"include_usage":true,"a":1},"x":{"y":0}}"#;
    assert_eq!(edited(&edits), expected);
    assert_eq!(edits.remove_member(object(body), "x"), Err(Overlap));
    assert_eq!(edited(&edits), expected, "a refused edit changes nothing");
}

#[test]
fn overlaps_and_strays_are_refused() {
    let mut edits = Edits::new(b"0123456789");
    edits.replace(Span::new(2, 5), b"").unwrap();
    for span in [Span::new(1, 3), Span::new(4, 6), Span::new(3, 3), Span::new(2, 5), Span::new(0, 9)] {
        assert_eq!(edits.replace(span, b"x"), Err(Overlap), "{span:?}");
    }
    assert_eq!(edits.insert(11, b"x"), Err(Overlap));
    assert_eq!(edits.replace(Span { start: 7, end: 6 }, b"x"), Err(Overlap));
    assert_eq!(edits.remove_member(Span { start: 7, end: u32::MAX }, "x"), Err(Overlap));
    edits.insert(2, "a").unwrap();
    edits.insert(5, "b").unwrap();
    edits.insert(10, "c").unwrap();
    edits.insert(2, "d").unwrap();
    assert_eq!(edited(&edits), "01adb56789c");
}

/// An object's text with blanks here and there, and its members as written.
fn written(members: &[(&str, &str)], blanks: &[&str]) -> String {
    let mut blanks = blanks.iter().cycle();
    let mut blank = || *blanks.next().unwrap_or(&"");
    let mut text = format!("{}{{{}", blank(), blank());
    for (nth, (name, value)) in members.iter().enumerate() {
        let comma = if nth == 0 { "" } else { "," };
        text += &format!("{comma}{}\"{name}\"{}:{}{value}{}", blank(), blank(), blank(), blank());
    }
    text + "}" + blank()
}

#[derive(Clone, Debug)]
enum Step {
    Remove(&'static str),
    Insert(&'static str),
    Replace(usize, &'static str),
}

const NAMES: [&str; 4] = ["a", "b", "c", "m\\u0061x"];
const VALUES: [&str; 5] = ["1", "\"x,}\\\"\"", "{\"a\":[]}", "[{}, 2]", "null"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => select(&["a", "b", "c", "max"][..]).prop_map(Step::Remove),
        1 => select(&["x", "y"][..]).prop_map(Step::Insert),
        1 => (0_usize..6, select(&VALUES[..])).prop_map(|(nth, value)| Step::Replace(nth, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

    #[test]
    fn edits_do_what_they_say_and_nothing_else(
        members in vec((select(&NAMES[..]), select(&VALUES[..])), 0..6),
        blanks in vec(select(&["", " ", "\n  "][..]), 0..5),
        steps in vec(step(), 0..6),
    ) {
        let body = written(&members, &blanks);
        let mut spans = Vec::new();
        scan::object(body.as_bytes(), |_, _, value| spans.push(value)).unwrap();
        let start = body.len() - body.trim_start().len();
        let whole = Span::new(start, body.trim_end().len());
        let mut expected: Vec<Option<(&str, &str)>> = members.iter().copied().map(Some).collect();
        let mut inserted = Vec::new();
        let mut edits = Edits::new(body.as_bytes());
        for step in steps {
            match step {
                Step::Remove(name) => {
                    let called = |member: &Option<(&str, &str)>| member.is_some_and(|(n, _)| n == name || n.len() > 1 && name == "max");
                    // A member whose value was replaced cannot go, nor then any other of its name.
                    if edits.remove_member(whole, name).is_err() {
                        continue;
                    }
                    expected.iter_mut().filter(|member| called(member)).for_each(|member| *member = None);
                }
                Step::Insert(name) => {
                    edits.insert_member(whole, name, b"[0]").unwrap();
                    inserted.push((name, "[0]"));
                }
                Step::Replace(nth, value) => if let Some(&span) = spans.get(nth) && edits.replace(span, value).is_ok() {
                    expected[nth].as_mut().unwrap().1 = value;
                },
            }
        }
        let text = edited(&edits);
        let mut found = Vec::new();
        scan::object(text.as_bytes(), |_, name, value| found.push((&text[name.range()], &text[value.range()]))).unwrap();
        let expected: Vec<_> = inserted.into_iter().chain(expected.into_iter().flatten()).collect();
        prop_assert_eq!(found, expected);
        // What is kept is the body's own memory, in order.
        let kept: String = edits.pieces().filter_map(|piece| match piece {
            Piece::Body(span) => Some(&body[span.range()]),
            Piece::Patch(_) => None,
        }).collect();
        let mut rest = body.bytes();
        prop_assert!(kept.bytes().all(|byte| rest.any(|other| other == byte)));
        prop_assert!(!edits.is_empty() || text == body);
    }
}
