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
    let walked = walk(text, at);
    assert_eq!(end(text, at), walked);
    if let Some(short) = block::short(text, at) {
        assert_eq!(Ok(short), walked);
    }
    if block::available() {
        assert_eq!(block::end(text, at), walked.ok(), "{text:?} from {at}");
    }
}

#[test]
fn every_pair_of_bytes_at_every_edge() {
    // The pair lies across the edges of a window, a half and a block, and at the end of the text.
    for place in [14, 15, 30, 31, 32, 61, 62, 63, 64] {
        for first in 0..=255 {
            for second in 0..=255 {
                let mut text = [b'x'; 72];
                text[place] = first;
                text[place + 1] = second;
                text[70] = b'"';
                agree(&text, 0);
                agree(&text[..place + 2], 0);
            }
        }
    }
}

#[test]
fn sequences_of_utf8_at_every_edge() {
    let leads = [0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
    let others = [0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2];
    for place in [0, 1, 28, 29, 30, 31, 60, 61, 62, 63] {
        for (lead, one) in leads.into_iter().flat_map(|lead| others.map(|one| (lead, one))) {
            for (two, three) in others.into_iter().flat_map(|two| others.map(|three| (two, three))) {
                let mut text = [b'x'; 72];
                text[place..place + 4].copy_from_slice(&[lead, one, two, three]);
                text[70] = b'"';
                agree(&text, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn blocks_agree_with_the_walk(inside in inside(), before in 0_usize..80, behind in 0_usize..80) {
        let text = [&vec![b'.'; before], &inside[..], b"\"", &vec![b'\n'; behind]].concat();
        for at in before..=before + inside.len().min(8) {
            agree(&text, at);
        }
        agree(&text[..before + inside.len()], before);
    }

    #[test]
    fn blocks_agree_with_the_walk_on_noise(noise in vec(any::<u8>(), 0..200), at in 0_usize..64) {
        agree(&noise, at.min(noise.len()));
    }
}
