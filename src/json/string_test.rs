//! The vector code against the walk.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Bytes of a string's inside, mostly valid: what the walk accepts exercises more than what it refuses.
fn inside() -> impl Strategy<Value = Vec<u8>> {
    let plain = "[ !#-\\[\\]-~]{1,24}".prop_map(String::into_bytes);
    let escape = prop::sample::select(vec![
        "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u2014", "\\uD83D", "\\uabCD", "\\\\\\\\",
    ]);
    let escape = escape.prop_map(|escape| escape.as_bytes().to_vec());
    let wide = any::<char>().prop_filter("text", |c| *c > '\u{7f}').prop_map(|c| c.to_string().into_bytes());
    let wrong = vec(any::<u8>(), 1..3);
    vec(prop_oneof![20 => plain, 20 => escape, 20 => wide, 1 => wrong], 0..12).prop_map(|parts| parts.concat())
}

/// The vector code says what the walk says, or nothing where the walk says an error.
fn agree(text: &[u8], at: usize) {
    let walked = walk(text, at, true);
    assert_eq!(end(text, at, true), walked);
    if let Some(short) = block::short(text, at) {
        assert_eq!(Ok(Inside::Closed(short)), walked);
    }
    for set in block::Set::ALL.into_iter().filter(|set| set.available()) {
        assert_eq!(block::end_by(set, text, at, true), walked.ok(), "{text:?} from {at} by {set:?}");
    }
}

/// A string that comes in two parts, and one of which each byte comes alone, end where the whole one does. What is
/// told of a part holds whatever follows.
fn goes_on(text: &[u8], at: usize) {
    let whole = walk(text, at, true);
    type End = fn(&[u8], usize, bool) -> Result<Inside, Error>;
    let avx2: End = |text, at, last| match block::end_by(block::Set::Avx2, text, at, last) {
        Some(inside) => Ok(inside),
        None => walk(text, at, last),
    };
    for read in [walk as End, end as End, avx2] {
        let mut alone = Ok(Inside::Open(at));
        for cut in at..=text.len() {
            match read(&text[..cut], at, false) {
                Ok(Inside::Open(good)) => {
                    assert!(good >= at && good <= cut && cut - good < 100);
                    assert_eq!(read(text, good, true), whole, "{text:?} from {at} cut at {cut}");
                }
                told => assert_eq!(told, whole, "{text:?} from {at} cut at {cut}"),
            }
            if let Ok(Inside::Open(good)) = alone {
                alone = read(&text[..cut], good, cut == text.len());
            }
        }
        assert_eq!(alone, whole, "{text:?} from {at}");
    }
}

#[test]
fn every_pair_of_bytes_at_every_edge() {
    // The pair lies across the edges of a window, a half and a block.
    // Miri takes a thousand times as long.
    let step = if cfg!(miri) { 51 } else { 1 };
    for place in [15, 31, 63] {
        for first in (0..=255).step_by(step) {
            for second in (0..=255).step_by(step) {
                let mut text = [b'x'; 72];
                text[place] = first;
                text[place + 1] = second;
                text[70] = b'"';
                agree(&text, 0);
            }
        }
    }
}

#[test]
fn sequences_of_utf8_at_every_edge() {
    let leads = [0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
    let others = [0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2];
    let step = if cfg!(miri) { 37 } else { 1 };
    for place in [0, 28, 29, 31, 61, 62, 63] {
        for (lead, one) in leads.into_iter().flat_map(|lead| others.map(|one| (lead, one))).step_by(step) {
            for (two, three) in others.into_iter().flat_map(|two| others.map(|three| (two, three))) {
                let mut text = [b'x'; 72];
                text[place..place + 4].copy_from_slice(&[lead, one, two, three]);
                text[70] = b'"';
                agree(&text, 0);
            }
        }
    }
}

#[test]
fn a_text_that_ends_in_a_backslash_ends() {
    for len in 0..200 {
        let text = [&vec![b'x'; len][..], b"\\"].concat();
        assert_eq!(end(&text, 0, true), Err(Error { at: len + 1, kind: ErrorKind::End }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

    #[test]
    fn blocks_agree_with_the_walk(inside in inside(), before in 0_usize..80, behind in 0_usize..80) {
        let text = [&vec![b'.'; before], &inside[..], b"\"", &vec![b'\n'; behind]].concat();
        for at in before..=before + inside.len().min(8) {
            agree(&text, at);
        }
        agree(&text[..before + inside.len()], before);
    }

    #[test]
    fn strings_go_on_behind_a_cut(inside in inside(), behind in 0_usize..80) {
        let text = [&inside[..], b"\"", &vec![b'\n'; behind]].concat();
        goes_on(&text, 0);
        goes_on(&inside, 0);
    }

    #[test]
    fn blocks_agree_with_the_walk_on_noise(noise in vec(any::<u8>(), 0..200), at in 0_usize..64) {
        agree(&noise, at.min(noise.len()));
    }
}
