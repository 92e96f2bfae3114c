use proptest::prelude::*;

use super::*;
use crate::json;

/// What comes out of the JSON text `input`, told in two pieces cut behind `cut` letters.
fn unwrapped(input: &str, cut: usize) -> (String, bool) {
    let at = input.char_indices().nth(cut).map_or(input.len(), |(at, _)| at);
    let (mut unwrap, mut out) = (Unwrap::default(), Text::default());
    for piece in [&input[..at], &input[at..]] {
        unwrap.piece(Text::plain(piece).escaped(), |text| {
            let whole = [b"\"", text.bytes(), b"\""].concat();
            assert!(json::value(&whole).is_ok(), "every piece is a valid string: {text:?}");
            out.push(text);
        });
    }
    (out.decode().into_owned(), unwrap.is_found())
}

fn everywhere(input: &str, text: &str, found: bool) {
    for cut in 0..=input.chars().count() {
        assert_eq!(unwrapped(input, cut), (text.to_owned(), found), "{input} cut at {cut}");
    }
}

#[test]
fn conversion_34_a_freeform_call_is_wrapped_and_unwrapped() {
    let patch = "*** Begin Patch\n*** Update File: a\\b.rs\n-\t\"x\"\n+\u{1F600}\n*** End Patch";
    let wrapped = wrap(&Input::Free(Text::plain(patch))).expect("it is free text");
    assert_eq!(unwrap(wrapped.raw()).map(|text| text.decode().into_owned()).as_deref(), Some(patch));
    everywhere(std::str::from_utf8(wrapped.bytes()).expect("UTF-8"), patch, true);
    assert_eq!(wrap(&Input::Text(Text::plain("{}"))), None);
}

#[test]
fn other_members_are_passed_over() {
    everywhere(
        r#" { "a": [1, {"input": "no"}, "]}\""], "in\u0070ut": "no", "b": null, "input" : "yes" } "#,
        "yes",
        true,
    );
    everywhere(r#"{"a":{"input":"no"}}"#, "", false);
    everywhere(r#"{"input":3}"#, "", false);
    everywhere("{}", "", false);
    assert_eq!(unwrap(Raw::parse(br#"{"text":"x"}"#).unwrap()), None);
}

#[test]
fn what_is_no_json_is_mended() {
    everywhere("*** Begin Patch\n\"x\"", "*** Begin Patch\n\"x\"", true);
    everywhere("\u{1F600} {", "\u{1F600} {", true);
    everywhere("{\"input\":\"a\nb\u{1}\tc\"}", "a\nb\u{1}\tc", true);
    everywhere(r#"{"input":"\d+ \u12 \u00e9 \q"}"#, r"\d+ \u12 é \q", true);
    everywhere("{\"input\":\"cut of", "cut of", true);
    everywhere("{\"input\":\"cut \\", "cut ", true);
}

#[test]
fn letters_escaped_outside_stay() {
    let (mut unwrap, mut out) = (Unwrap::default(), Text::default());
    for piece in [&br#"{\"input\":\"\ud83d"#[..], br#"\ude00 \u00e9 \u005cn\"}"#] {
        let piece = Text::joined(piece.to_vec());
        unwrap.piece(piece.escaped(), |text| out.push(text));
    }
    assert_eq!(out.decode(), "\u{1F600} é \n");
}

#[test]
fn a_wrapped_tool_tells_its_grammar() {
    let format = Json::constant(r#"{"type":"grammar","syntax":"lark","definition":"start: \"a\"\n"}"#);
    let said = description(Some(&Text::constant("Edits files.")), Some(&format)).decode().into_owned();
    assert!(said.starts_with("Edits files.\n\nPut the whole input"), "{said}");
    assert!(said.ends_with("grammar (lark):\nstart: \"a\"\n"), "{said}");
    assert_eq!(description(None, Some(&Json::constant(r#"{"type":"text"}"#))).decode(), GUIDANCE);
    assert!(json::value(schema().bytes()).is_ok());
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>(), cut in 0_usize..64) {
        let wrapped = wrap(&Input::Free(Text::plain(&text))).unwrap();
        let input = std::str::from_utf8(wrapped.bytes()).unwrap();
        prop_assert_eq!(unwrapped(input, cut), (text, true));
    }

    #[test]
    fn any_input_gives_valid_text(input in "[{}\"\\\\:,ainputu0-9\n é\\[\\]]{0,40}", cut in 0_usize..40) {
        let whole = unwrapped(&input, usize::MAX);
        prop_assert_eq!(unwrapped(&input, cut), whole);
    }
}
