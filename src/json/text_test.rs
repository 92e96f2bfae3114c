//! Escaping and unescaping.

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
