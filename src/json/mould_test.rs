use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json::{self, find, members};

/// Casts `text`, which tells its member `told` and whose other members nobody reads.
fn cast(mould: &mut Mould, text: &str) {
    json::value(text.as_bytes()).unwrap();
    let mut idle = Idle::default();
    for (_, value) in members(text.as_bytes()).filter(|(name, _)| !name.eq_str("told")) {
        idle.add(text.as_bytes(), value);
    }
    let told = find(text.as_bytes(), "told").and_then(Raw::as_str).unwrap();
    mould.cast(text.as_bytes(), told, idle);
}

fn filled(mould: &Mould, text: &str) -> Option<String> {
    mould.fill(text.as_bytes()).map(|told| told.decode().into_owned())
}

#[test]
fn the_next_text_tells_what_stands_in_the_same_place() {
    let mut mould = Mould::default();
    assert_eq!(filled(&mould, r#"{"told":"a"}"#), None, "nothing is cast");
    cast(&mut mould, r#"{"id":"x","told":"a","of":{"n":[null]}}"#);
    for (text, told) in [
        (r#"{"id":"x","told":"a","of":{"n":[null]}}"#, "a"),
        (r#"{"id":"x","told":"","of":{"n":[null]}}"#, ""),
        (r#"{"id":"x","told":"more \"than\" \u0061\n","of":{"n":[null]}}"#, "more \"than\" a\n"),
        (
            r#"{"id":"x","told":"ünï – 漢字 and a text that is longer than a vector","of":{"n":[null]}}"#,
            "ünï – 漢字 and a text that is longer than a vector",
        ),
    ] {
        assert_eq!(filled(&mould, text).as_deref(), Some(told), "{text}");
    }
    mould.clear();
    assert_eq!(filled(&mould, r#"{"id":"x","told":"a","of":{"n":[null]}}"#), None);
}

/// Readers break the mould at each text that does not fit, and cast the next: what changes from one to the next is seen
/// all the same.
#[test]
fn what_changes_is_seen_over_a_break() {
    let mut mould = Mould::default();
    cast(&mut mould, r#"{"nth":1,"told":"a"}"#);
    assert_eq!(filled(&mould, r#"{"nth":2,"told":"b"}"#), None);
    mould.clear();
    assert_eq!(filled(&mould, r#"{"nth":1,"told":"b"}"#), None, "it is broken");
    cast(&mut mould, r#"{"nth":2,"told":"b"}"#);
    assert_eq!(filled(&mould, r#"{"nth":30,"told":"c"}"#).as_deref(), Some("c"));
}

#[test]
fn a_text_that_differs_elsewhere_is_another() {
    let mut mould = Mould::default();
    cast(&mut mould, r#"{"id":"x","told":"a","of":{"n":[null]}}"#);
    for text in [
        r#"{"id":"y","told":"a","of":{"n":[null]}}"#,
        r#"{"id":"x","told":null,"of":{"n":[null]}}"#,
        r#"{"id":"x","told":"a","of":{"n":["stop"]}}"#,
        r#"{"id":"x","told":"a","of":{"n":[null]}} "#,
        r#"{"id":"x","told":"a","of":{"n":[null]}"#,
        r#"{"id":"x","told":"a","told":"b","of":{"n":[null]}}"#,
        r#"{"id":"x","told":"a"#,
        r#"{"id":"x","#,
        "",
        // No JSON.
        r#"{"id":"x","told":"\x","of":{"n":[null]}}"#,
        "{\"id\":\"x\",\"told\":\"\n\",\"of\":{\"n\":[null]}}",
    ] {
        assert_eq!(filled(&mould, text), None, "{text}");
    }
    assert_eq!(mould.fill(b"{\"id\":\"x\",\"told\":\"\xff\",\"of\":{\"n\":[null]}}"), None);
}

#[test]
fn what_has_changed_once_may_change_again() {
    let mut mould = Mould::default();
    cast(&mut mould, r#"{"nth":9,"told":"a","of":[],"pad":"xyz"}"#);
    let next = r#"{"nth":10,"told":"b","of":[],"pad":"x"}"#;
    assert_eq!(filled(&mould, next), None);
    cast(&mut mould, next);
    for text in [r#"{"nth":11,"told":"c","of":[],"pad":""}"#, r#"{"nth":0,"told":"c","of":[],"pad":"\n"}"#] {
        assert_eq!(filled(&mould, text).as_deref(), Some("c"), "{text}");
    }
    for text in [
        r#"{"nth":1.5,"told":"c","of":[],"pad":""}"#,
        r#"{"nth":01,"told":"c","of":[],"pad":""}"#,
        r#"{"nth":-1,"told":"c","of":[],"pad":""}"#,
        r#"{"nth":,"told":"c","of":[],"pad":""}"#,
        r#"{"nth":"1","told":"c","of":[],"pad":""}"#,
        r#"{"nth":11,"told":"c","of":[1],"pad":""}"#,
        r#"{"nth":11,"told":"c","of":[],"pad":"\q"}"#,
    ] {
        assert_eq!(filled(&mould, text), None, "{text}");
    }
    // A text with other members is compared with nothing before it.
    cast(&mut mould, r#"{"told":"a","of":[]}"#);
    assert_eq!(filled(&mould, r#"{"told":"b","of":[]}"#).as_deref(), Some("b"));
}

#[test]
fn a_text_of_many_bytes_or_values_is_kept_as_far_as_the_bounds_go() {
    let mut mould = Mould::default();
    let of = |bytes: usize| format!("{{\"told\":\"a\",\"rest\":[\"{}\"]}}", "x".repeat(bytes - 24));
    assert_eq!(of(MOULD_BYTES_MAX).len(), MOULD_BYTES_MAX);
    cast(&mut mould, &of(MOULD_BYTES_MAX));
    assert_eq!(filled(&mould, &of(MOULD_BYTES_MAX)).as_deref(), Some("a"));
    cast(&mut mould, &of(MOULD_BYTES_MAX + 1));
    assert_eq!(filled(&mould, &of(MOULD_BYTES_MAX + 1)), None);
    // Beyond that many, a value is one that must not differ.
    let with = |last: usize, told: &str| {
        let members: String = (0..MOULD_IDLE_MAX).map(|nth| format!("\"m{nth}\":{last},")).collect();
        (format!("{{{members}\"told\":\"{told}\"}}"), format!("{{{members}\"over\":{last},\"told\":\"{told}\"}}"))
    };
    for nth in 0..3 {
        let (all, over) = with(nth, "b");
        let mut mould = Mould::default();
        [with(100, "a").0, with(200, "a").0].iter().for_each(|text| cast(&mut mould, text));
        assert_eq!(filled(&mould, &all).as_deref(), Some("b"));
        [with(100, "a").1, with(200, "a").1].iter().for_each(|text| cast(&mut mould, text));
        assert_eq!(filled(&mould, &over), None);
    }
}

/// An event of a few scalars and a told text, with what one may find around them.
fn event() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("1"),
        Just("0"),
        Just("12345678901234567890"),
        Just("-1"),
        Just("1e5"),
        Just("1.25"),
        Just("null"),
        Just("true"),
        Just("\"\""),
        Just("\"abc\""),
        Just("\"a \\\"b\\\\\""),
        Just("\"ü\""),
        Just("{\"told\":\"no\"}"),
        Just("[1,\"x\"]"),
    ];
    let told = prop_oneof![
        Just("a"),
        Just(""),
        Just("\\n\\u00fc"),
        Just("漢字 und mehr als sechzehn"),
        Just("\\\"}"),
        Just("{}")
    ];
    (prop::collection::vec(scalar, 0..4), told, 0_usize..3, prop_oneof![9 => Just(""), 1 => Just(" ")]).prop_map(
        |(scalars, told, place, blank)| {
            let mut members: Vec<String> =
                scalars.iter().enumerate().map(|(nth, scalar)| format!("\"m{nth}\":{blank}{scalar}")).collect();
            members.insert(place.min(members.len()), format!("\"told\":\"{told}\""));
            format!("{{{}}}", members.join(","))
        },
    )
}

proptest! {
    /// What fits is JSON, tells what its member tells, and is the last text in all that is read.
    #[test]
    fn what_fits_means_what_the_last_one_meant(events in prop::collection::vec(event(), 1..12), cut in 0_usize..40, flip in any::<u8>()) {
        let mut mould = Mould::default();
        let mut last = String::new();
        for event in &events {
            let mut spoilt = event.clone().into_bytes();
            let at = cut % spoilt.len();
            spoilt[at] = flip;
            for text in [event.as_bytes(), &spoilt] {
                if let Some(told) = mould.fill(text) {
                    prop_assert!(json::value(text).is_ok());
                    let (now, before): (Value, Value) = (serde_json::from_slice(text).unwrap(), serde_json::from_str(&last).unwrap());
                    prop_assert_eq!(now["told"].as_str().unwrap(), told.decode());
                    let (now, before) = (now.as_object().unwrap(), before.as_object().unwrap());
                    prop_assert_eq!(now.len(), before.len());
                    for ((name, value), (was_name, was)) in now.iter().zip(before) {
                        prop_assert_eq!(name, was_name);
                        // Strings and whole numbers are not read here; everything else is the same.
                        prop_assert!(value == was || (value.is_string() && was.is_string()) || (value.is_number() && was.is_number()));
                    }
                }
            }
            cast(&mut mould, event);
            prop_assert_eq!(mould.fill(event.as_bytes()).map(|told| told.bytes().to_vec()), find(event.as_bytes(), "told").and_then(Raw::as_str).map(|told| told.bytes().to_vec()));
            last.clone_from(event);
        }
    }
}
