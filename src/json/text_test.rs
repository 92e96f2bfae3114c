//! Escaping and unescaping.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn plain(escaped: &str) -> String {
    let mut out = Vec::new();
    unescape(escaped.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn surrogates_join_in_pairs_only() {
    assert_eq!(plain(r"\ud83d\ude00"), "\u{1f600}");
    assert_eq!(plain(r"\ud83d"), "\u{fffd}");
    assert_eq!(plain(r"\ude00\ud83d"), "\u{fffd}\u{fffd}");
    assert_eq!(plain(r"\ud83d\ud83d\ude00!"), "\u{fffd}\u{1f600}!");
    assert_eq!(plain(r"\ud83dA"), "\u{fffd}A");
    assert_eq!(plain(r"\ud83d\n"), "\u{fffd}\n");
}

#[test]
fn what_is_no_escape_still_ends() {
    assert_eq!(plain("a\\"), "a\u{fffd}");
    assert_eq!(plain("\\x\\u12\\u12g4"), "\u{fffd}\u{fffd}12\u{fffd}12g4");
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    escape(text, &mut out);
    String::from_utf8(out).unwrap()
}

proptest! {
    #[test]
    fn unescape_undoes_escape(text in any::<String>()) {
        prop_assert_eq!(plain(&escaped(&text)), text);
    }

    #[test]
    fn escape_writes_what_serde_json_writes(text in any::<String>()) {
        prop_assert_eq!(format!("\"{}\"", escaped(&text)), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn escapes_of_parts_are_parts_of_the_escape(one in any::<String>(), two in any::<String>()) {
        prop_assert_eq!(escaped(&one) + &escaped(&two), escaped(&(one + &two)));
    }

    #[test]
    fn unescape_reads_what_serde_json_reads(
        parts in vec(prop::sample::select(&[
            "a", "é", "\u{1f600}", "\\n", "\\\"", "\\\\", "\\/", "\\b\\f\\r\\t", "\\u0041", "\\u00E9", "\\u2014", "\\ud83d\\ude00",
            "\\ud83d", "\\ude00",
        ][..]), 0..12),
    ) {
        let inside = parts.concat();
        let said = plain(&inside);
        match serde_json::from_str::<String>(&format!("\"{inside}\"")) {
            Ok(read) => prop_assert_eq!(said, read),
            Err(_) => prop_assert!(said.contains('\u{fffd}'), "only a lone surrogate is refused there"),
        }
    }

    #[test]
    fn any_bytes_can_be_unescaped(bytes in vec(prop::sample::select(&b"\\u\"dDc8x\xc3\xa9"[..]), 0..40)) {
        unescape(&bytes, &mut Vec::new());
    }
}
