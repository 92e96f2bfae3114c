//! Reading values in place.

use super::*;

#[test]
fn comparison_sees_through_escapes() {
    let text = br#""mod\u0065l\n""#;
    let said = Raw::parse(text).unwrap().as_str().unwrap();
    assert!(said.eq_str("model\n"));
    for other in ["", "model", "model\nx", "modal\n"] {
        assert!(!said.eq_str(other), "{other}");
    }
    assert_eq!(said.decode(), "model\n");
}

#[test]
fn values_tell_what_they_are() {
    let raw = |text: &'static str| Raw::parse(text.as_bytes()).unwrap();
    assert_eq!(raw(" 12\n").bytes(), b"12");
    assert_eq!((raw("12").as_u64(), raw("-1").as_u64(), raw("1.0").as_u64()), (Some(12), None, None));
    assert_eq!(raw("18446744073709551616").as_u64(), None);
    assert_eq!((raw("true").as_bool(), raw("false").as_bool(), raw("1").as_bool()), (Some(true), Some(false), None));
    assert!(raw("null").is_null() && raw("{}").is_object() && raw("[ ]").is_array());
    assert!(raw("1").as_str().is_none());
    assert!(raw("\"\"").as_str().is_some_and(|inside| inside.eq_str("")));
    assert_eq!(raw(r#"{"a":{"b":[1,2]}}"#).find("a").and_then(|a| a.find("b")).unwrap().elements().count(), 2);
    assert!(Raw::parse(b"{").is_err());
}

#[test]
fn plain_text_is_decoded_without_a_copy() {
    let text = "\"caf\u{e9}\"".as_bytes();
    let said = Raw::at(text, Span::new(0, text.len())).as_str().unwrap();
    assert!(matches!(said.decode(), Cow::Borrowed("caf\u{e9}")));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

    #[test]
    fn comparison_is_that_of_what_is_said(
        said in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "u005c", "\\\\", "\\u005c", "\\u0061", "\\\""]), 0..4),
        plain in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "u005c", "\\", "\""]), 0..4),
    ) {
        let (said, plain) = (said.concat(), plain.concat());
        let said = Escaped::trusted(said.as_bytes());
        proptest::prop_assert_eq!(said.eq_str(&plain), said.decode() == plain);
        proptest::prop_assert!(said.eq_str(&said.decode()));
    }
}

#[test]
fn what_stands_behind_a_value_is_found() {
    assert_eq!(super::super::behind(b"{\"a\":\"}\"} x"), Some(&b" x"[..]));
    assert_eq!(super::super::behind(b"{\"a\":"), None);
}
