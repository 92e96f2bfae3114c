//! The scan against serde_json: the same verdict, the same members, and no panic on anything.

use serde_json::Value;
use weir::base::span::Span;
use weir::json::{Escaped, Raw, Scan, scan, scan::ErrorKind};

pub fn run(text: &[u8]) {
    // Strings begin at every distance from the edge of a block if the text does.
    let shift = text.first().map_or(0, |&byte| usize::from(byte) % 64);
    let shifted = [&b" ".repeat(shift)[..], text].concat();
    let verdict = scan::value(&shifted);
    match (verdict, scan::value(text)) {
        (Ok(()), Ok(())) => {}
        (Err(one), Err(two)) => assert_eq!((one.at, one.kind), (two.at + shift, two.kind)),
        (one, two) => panic!("{one:?} behind {shift} blanks, {two:?} without"),
    }
    in_pieces(text, &verdict_of(text));
    let theirs = std::str::from_utf8(text).ok().and_then(|text| serde_json::from_str::<Value>(text).ok());
    match verdict {
        Ok(()) => assert!(theirs.is_some() || excused(text), "accepts what is no JSON"),
        Err(error) => {
            assert!(error.at <= shifted.len());
            assert!(theirs.is_none() || error.kind == ErrorKind::Depth, "{error} refuses what is JSON");
        }
    }
    let mut members = Vec::new();
    let object = scan::object(text, |_, name, value| members.push((name, value)));
    assert_eq!(object.is_ok(), verdict.is_ok() && text.trim_ascii_start().starts_with(b"{"));
    if object.is_err() {
        return;
    }
    let listed: Vec<(Escaped<'_>, Raw<'_>)> = weir::json::members(text).collect();
    let told = members.iter().map(|&(name, value)| (Escaped::at(text, name), Raw::at(text, value)));
    assert!(listed.iter().copied().eq(told), "the iterator and the scan disagree");
    if let Some(Value::Object(theirs)) = theirs {
        for (name, value) in &theirs {
            let ours = weir::json::find(text, name).map(|raw| serde_json::from_slice::<Value>(raw.bytes()).ok());
            assert_eq!(ours, Some(Some(value.clone())));
        }
    }
}

type Told = (Vec<(Span, Span)>, Result<bool, scan::Error>);

fn verdict_of(text: &[u8]) -> Told {
    let mut members = Vec::new();
    let verdict = Scan::object().advance(text, true, |name, value| members.push((name, value)));
    (members, verdict)
}

/// What is told does not depend on the pieces in which a text comes; the last byte says how long they are.
fn in_pieces(text: &[u8], whole: &Told) {
    let step = text.last().map_or(1, |&byte| usize::from(byte) % 80 + 1);
    let (mut scan, mut members, mut verdict) = (Scan::object(), Vec::new(), Ok(false));
    for cut in (0..text.len()).step_by(step).chain([text.len()]) {
        if matches!(verdict, Ok(false)) {
            verdict = scan.advance(&text[..cut], cut == text.len(), |name, value| members.push((name, value)));
            assert!(cut - scan.done() < 100 || verdict.is_err());
        }
    }
    assert_eq!((members, verdict), *whole, "pieces of {step}");
}

/// Whether serde_json may refuse `text` though it is JSON: for a lone surrogate, for depth, for a number too large.
fn excused(text: &[u8]) -> bool {
    let exponent = |pair: &[u8]| pair[0].is_ascii_digit() && matches!(pair[1], b'e' | b'E');
    text.windows(2).any(|pair| pair == b"\\u" || exponent(pair))
        || text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() >= 127
        || text.iter().filter(|byte| byte.is_ascii_digit()).count() > 300
}
