use super::*;

const SOURCE: &str = r#""url":"https://a.example","title":"A""#;

/// What is told of one citation in the last of `texts`, as start and end.
fn told(from: Dialect, to: Dialect, texts: &[&[&str]], place: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let mut places = Places::new(from, to, false).expect("two that count otherwise");
    let place = place.map_or_else(String::new, |(start, end)| format!(r#","start_index":{start},"end_index":{end}"#));
    let raw = format!("{{{SOURCE}{place}}}");
    let mut heard = Vec::new();
    for (at, pieces) in (0..).zip(texts) {
        places.open(at);
        for piece in *pieces {
            let quoted = format!("\"{piece}\"");
            places.text(at, Raw::parse(quoted.as_bytes()).unwrap().as_str().unwrap());
        }
        if at as usize + 1 == texts.len() {
            assert!(places.hold(at, Raw::parse(raw.as_bytes()).unwrap()));
        }
        places.close(at, &mut |event| {
            let Event::Fill { delta: Delta::Citation { raw, origin }, .. } = event else { panic!("{event:?}") };
            let cited = Cited::read(raw);
            assert!(origin == from && cited.url.unwrap().eq_str("https://a.example"), "{raw:?}");
            heard.push(cited.start.zip(cited.end));
        });
    }
    assert_eq!(heard.len(), 1, "a source is always told");
    heard[0]
}

#[test]
fn letters_and_bytes_are_not_the_same() {
    let text: &[&[&str]] = &[&["Grü\\u00dfe, ", "世界 🦀!"]];
    // "世界" is letters 7 and 8 of the text and bytes 9 to 14.
    assert_eq!(told(Dialect::Gemini, Dialect::Chat, text, Some((9, 15))), Some((7, 9)));
    assert_eq!(told(Dialect::Chat, Dialect::Gemini, text, Some((7, 9))), Some((9, 15)));
    assert_eq!(told(Dialect::Responses, Dialect::Gemini, text, Some((0, 12))), Some((0, 21)));
    assert_eq!(told(Dialect::Gemini, Dialect::Chat, text, Some((9, 14))), None, "no place is inside a letter");
    assert_eq!(told(Dialect::Gemini, Dialect::Responses, text, Some((9, 400))), None, "nor behind the text");
}

#[test]
fn places_are_counted_from_where_the_client_counts() {
    let texts: &[&[&str]] = &[&["one"], &["two", "\\n"]];
    assert_eq!(told(Dialect::Responses, Dialect::Chat, texts, Some((0, 3))), Some((3, 6)));
    assert_eq!(told(Dialect::Chat, Dialect::Responses, texts, Some((3, 6))), Some((0, 3)));
    assert_eq!(told(Dialect::Chat, Dialect::Responses, texts, Some((1, 6))), None, "it begins in another part");
    assert_eq!(
        told(Dialect::Gemini, Dialect::Chat, texts, Some((0, 3))),
        None,
        "Google counts from nobody knows where"
    );
}

#[test]
fn a_block_is_cited_as_a_whole() {
    let texts: &[&[&str]] = &[&["é"], &["zwei", "ß"]];
    assert_eq!(told(Dialect::Anthropic, Dialect::Chat, texts, None), Some((1, 6)));
    assert_eq!(told(Dialect::Anthropic, Dialect::Responses, texts, None), Some((0, 5)));
    assert_eq!(told(Dialect::Anthropic, Dialect::Gemini, texts, None), Some((2, 8)));
    assert_eq!(told(Dialect::Chat, Dialect::Anthropic, texts, Some((1, 2))), None);
}

#[test]
fn a_place_that_nobody_told_is_none() {
    assert_eq!(told(Dialect::Chat, Dialect::Responses, &[&["text"]], None), None);
    assert_eq!(told(Dialect::Responses, Dialect::Chat, &[&["text"]], Some((0, 0))), None);
}

#[test]
fn what_is_kept_of_a_text_is_bounded() {
    for (runs, place) in [(limits::CITED_RUNS_MAX, Some((0, 1))), (limits::CITED_RUNS_MAX + 1, None)] {
        let text: String = (0..runs).map(|at| if at % 2 == 0 { 'a' } else { 'é' }).collect();
        assert_eq!(told(Dialect::Gemini, Dialect::Chat, &[&[&text]], Some((0, 1))), place);
    }
    let mut places = Places::new(Dialect::Chat, Dialect::Anthropic, false).unwrap();
    places.open(0);
    let long = format!("{{\"url\":\"{}\"}}", "u".repeat(limits::CITED_BYTES_MAX - 10));
    let raw = Raw::parse(long.as_bytes()).unwrap();
    assert_eq!(raw.bytes().len(), limits::CITED_BYTES_MAX);
    assert!(places.hold(0, raw) && !places.hold(0, Raw::parse(b"{}").unwrap()));
}

#[test]
fn two_texts_at_once_have_no_places() {
    let mut places = Places::new(Dialect::Responses, Dialect::Chat, false).unwrap();
    places.open(0);
    places.open(1);
    let raw = format!("{{{SOURCE},\"start_index\":0,\"end_index\":0}}");
    assert!(places.hold(0, Raw::parse(raw.as_bytes()).unwrap()));
    assert!(!places.hold(1, Raw::parse(raw.as_bytes()).unwrap()), "it goes as it is");
    let mut told = 0;
    places.close(0, &mut |_| told += 1);
    assert_eq!(told, 1);
}

#[test]
fn equal_dialects_and_ollama_need_none() {
    assert!(Places::new(Dialect::Chat, Dialect::Chat, false).is_none());
    assert!(Places::new(Dialect::Ollama, Dialect::Chat, false).is_none());
    assert!(Places::new(Dialect::Gemini, Dialect::Ollama, false).is_none());
}
