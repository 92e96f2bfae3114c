//! In pieces as in one: the same members, the same verdict, and little is looked at twice.

use proptest::prelude::*;

use super::super::scan::tests::{any_value, soup, wounded};
use super::*;

type Told = (Vec<(Span, Span)>, Result<bool, Error>);

fn in_one(text: &[u8], mut scan: Scan) -> Told {
    let mut members = Vec::new();
    let verdict = scan.advance(text, true, |name, value| members.push((name, value)));
    (members, verdict)
}

/// `text` in pieces that end at `cuts`, which rise.
fn in_pieces(text: &[u8], mut scan: Scan, cuts: impl Iterator<Item = usize>) -> Told {
    let mut members = Vec::new();
    for cut in cuts {
        match scan.advance(&text[..cut], false, |name, value| members.push((name, value))) {
            Ok(all) => assert!(!all, "more may come"),
            Err(error) => {
                assert!(error.at < cut && error.kind != ErrorKind::End, "{error} of {cut} bytes");
                return (members, Err(error));
            }
        }
        assert!(scan.done() <= cut && cut - scan.done() < 100, "{} of {cut}", scan.done());
    }
    let verdict = scan.advance(text, true, |name, value| members.push((name, value)));
    (members, verdict)
}

fn same_in_pieces(text: &[u8]) {
    for start in [Scan::object(), Scan::value()] {
        let whole = in_one(text, start.clone());
        for cut in 0..=text.len() {
            assert_eq!(in_pieces(text, start.clone(), [cut].into_iter()), whole, "cut at {cut}");
        }
        for step in [1, 2, 3, 7, 64] {
            assert_eq!(in_pieces(text, start.clone(), (0..text.len()).step_by(step)), whole, "pieces of {step}");
        }
    }
}

#[test]
fn a_chat_request_may_be_cut_anywhere() {
    let long = "line\\n of \\u2014 caf\u{e9}, \u{1f642} and \\\"quotes\\\" \\\\ ".repeat(6);
    let text = format!(
        " {{\"model\" : \"m\\u0041\",\"n\":[-0.50e+10,0, 12 ,[],{{}}],\"stream\":true,\"x\":{{\"model\":null}},\
         \"{long}\":false,\"messages\":[{{\"role\":\"user\",\"content\":\"{long}\"}}]}} \n"
    );
    assert_eq!(in_one(text.as_bytes(), Scan::object()).0.len(), 6);
    assert_eq!(in_one(text.as_bytes(), Scan::object()).1, Ok(true));
    same_in_pieces(text.as_bytes());
}

#[test]
fn a_number_and_blanks_without_end_are_read_once() {
    for byte in *b" 1\ta" {
        let text = [&b"{\"a\":\""[..byte as usize / b'a' as usize + 5], &vec![byte; 10_000]].concat();
        let mut scan = Scan::object();
        for cut in 1..text.len() {
            assert_eq!(scan.advance(&text[..cut], false, |_, _| {}), Ok(false));
            assert!(cut - scan.done() < 100);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 200 }))]

    #[test]
    fn values_may_be_cut_anywhere(made in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&made) } else { serde_json::to_string(&made) }.unwrap();
        same_in_pieces(text.as_bytes());
    }

    #[test]
    fn broken_values_may_be_cut_anywhere(text in wounded(1..3)) {
        same_in_pieces(&text);
    }

    #[test]
    fn soup_may_be_cut_anywhere(text in soup()) {
        same_in_pieces(text.as_bytes());
    }
}
