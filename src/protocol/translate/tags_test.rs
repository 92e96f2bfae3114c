use proptest::prelude::*;

use super::*;

/// Parts as they were told: `r` for reasoning, `t` for text, each with what it says.
fn split<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Vec<(char, String)> {
    let mut tags = Tags::new("think");
    let mut told: Vec<(char, String)> = Vec::new();
    let (mut open, mut last) = (None, None);
    let mut sink = |event: Event<'_>| match event {
        Event::Open { at, kind } => {
            assert!(open.replace(at).is_none() && last.replace(at).is_none_or(|last| last < at));
            told.push((if kind == PartKind::Text { 't' } else { 'r' }, String::new()));
        }
        Event::Fill { at, delta: Delta::Text(text) } => {
            assert_eq!(open, Some(at));
            assert!(!text.bytes().is_empty());
            told.last_mut().unwrap().1.push_str(std::str::from_utf8(text.bytes()).unwrap());
        }
        Event::Close { at } => assert_eq!(open.take(), Some(at)),
        other => panic!("{other:?}"),
    };
    tags.event(Event::Open { at: 7, kind: PartKind::Text }, &mut sink);
    for piece in pieces {
        let delta = Delta::Text(Escaped::at(piece.as_bytes(), Span::new(0, piece.len())));
        tags.event(Event::Fill { at: 7, delta }, &mut sink);
    }
    tags.event(Event::Close { at: 7 }, &mut sink);
    assert_eq!(open, None);
    told
}

fn parts(parts: &[(char, &str)]) -> Vec<(char, String)> {
    parts.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
}

#[test]
fn conversion_22_thoughts_in_tags_become_reasoning() {
    for (text, expected) in [
        ("<think>a</think>b", &[('r', "a"), ('t', "b")][..]),
        (r"<think>\na\n</think>\n\nb", &[('r', r"a\n"), ('t', "b")]),
        (r"\u003cthink\u003ea\u003C\/think>b", &[('r', "a"), ('t', "b")]),
        ("a<think>b</think>c<think>d", &[('t', "a"), ('r', "b"), ('t', "c"), ('r', "d")]),
        ("<think></think>b", &[('t', "b")]),
        ("<thinker>", &[('t', "<thinker>")]),
        ("a<b <thi", &[('t', "a<b <thi")]),
        ("<<think>a", &[('t', "<"), ('r', "a")]),
        ("<think><think>a</thin</think>", &[('r', "<think>a</thin")]),
        ("</think>", &[('t', "</think>")]),
        (r"\\u003cthink>\ud83d\ude00\n", &[('t', r"\\u003cthink>\ud83d\ude00\n")]),
        ("", &[]),
    ] {
        assert_eq!(split([text]), parts(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_a_tag_goes_on_at_once() {
    let mut tags = Tags::new("think");
    let mut told = String::new();
    let mut fill = |piece: &str| {
        told.clear();
        let delta = Delta::Text(Escaped::at(piece.as_bytes(), Span::new(0, piece.len())));
        tags.event(Event::Open { at: 0, kind: PartKind::Text }, &mut |_| ());
        tags.event(Event::Fill { at: 0, delta }, &mut |event| {
            if let Event::Fill { delta: Delta::Text(text), .. } = event {
                told.push_str(std::str::from_utf8(text.bytes()).unwrap());
            }
        });
        told.clone()
    };
    assert_eq!(fill("plain"), "plain");
    assert_eq!(fill("a <t"), "a ");
    assert_eq!(fill("able"), "<table");
}

#[test]
fn parts_beside_the_text_are_numbered_anew() {
    let mut tags = Tags::new("think");
    let mut told = Vec::new();
    let text = |text: &'static str| Delta::Text(Escaped::at(text.as_bytes(), Span::new(0, text.len())));
    let call = PartKind::ToolCall {
        id: Escaped::EMPTY,
        name: Escaped::EMPTY,
        namespace: Escaped::EMPTY,
        kind: crate::protocol::ir::CallKind::Function,
    };
    for event in [
        Event::Open { at: 0, kind: PartKind::Text },
        Event::Fill { at: 0, delta: text("<think>a</think>b<") },
        Event::Open { at: 1, kind: call },
        Event::Fill { at: 1, delta: text("x") },
        Event::Close { at: 0 },
        Event::Close { at: 1 },
    ] {
        tags.event(event, &mut |event| {
            told.push(match event {
                Event::Open { at, .. } => format!("+{at}"),
                Event::Fill { at, delta: Delta::Text(text) } => {
                    format!("{at}{}", std::str::from_utf8(text.bytes()).unwrap())
                }
                Event::Close { at } => format!("-{at}"),
                other => panic!("{other:?}"),
            });
        });
    }
    assert_eq!(told, ["+0", "0a", "-0", "+1", "1b", "+2", "2x", "1<", "-1", "-2"]);
}

proptest! {
    #[test]
    fn pieces_of_any_size_say_the_same(
        letters in prop::collection::vec(
            prop::sample::select(vec!["<", "think", "</think>", "<think>", ">", "/", r"\u003c", r"\n", r"\/", "a", "é"]),
            0..24,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        // Escapes are whole in every delta, so cuts lie between letters or inside of plain words.
        let whole: String = letters.concat();
        let mut pieces = Vec::new();
        for letter in &letters {
            match letter.starts_with('\\') {
                true => pieces.push((*letter).to_owned()),
                false => pieces.extend(letter.chars().map(String::from)),
            }
        }
        let mut cut: Vec<usize> = cuts.iter().map(|cut| cut.index(pieces.len() + 1)).collect();
        cut.extend([0, pieces.len()]);
        cut.sort_unstable();
        let pieces: Vec<String> = cut.windows(2).map(|pair| pieces[pair[0]..pair[1]].concat()).collect();
        prop_assert_eq!(split([&*whole]), split(pieces.iter().map(String::as_str)));
    }
}
