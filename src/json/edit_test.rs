//! Edits of fixed texts.

use super::*;

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
