//! A hash that is the same in every process and on every machine: names of rows that outlive both.
//!
//! Multiply and fold, eight bytes at a time. It is no defence against somebody who chooses the input, and what is
//! hashed cannot be told from it as long as it is no short word.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const START: u64 = 0xd6e8_feb8_6659_fd93;

/// The hash of `bytes` behind what was hashed into `seed` (0 to begin with).
#[inline]
pub fn of(seed: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut hash = seed ^ START;
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}

/// Two numbers made one, every bit of both in every bit of it.
#[inline]
pub fn mix(left: u64, right: u64) -> u64 {
    let wide = u128::from(left ^ FACTOR).wrapping_mul(u128::from(right ^ START.rotate_left(32)));
    let folded = (wide >> 64) as u64 ^ wide as u64;
    (folded ^ (folded >> 29)).wrapping_mul(FACTOR) ^ left.rotate_left(17)
}

/// The hash of `bytes` whatever the case of their ASCII letters. Unlike that of `of` it may change from one version to
/// the next: it is for tables in memory.
#[inline]
pub fn folded(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let hashed = |hash, word| mix(hash, small(word));
    let Some(last) = bytes.last_chunk::<8>() else {
        let word = bytes.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        return hashed(len as u64, word);
    };
    // The last eight bytes may overlap those before.
    let words = bytes[..len - 1].as_chunks::<8>().0;
    let hash = words.iter().fold(len as u64, |hash, word| hashed(hash, u64::from_le_bytes(*word)));
    hashed(hash, u64::from_le_bytes(*last))
}

/// Eight bytes at once, their ASCII letters in lower case.
#[inline]
fn small(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let behind_z = low + (0x7f - b'Z' as u64) * ONES;
    let capitals = from_a & !behind_z & !word & (0x80 * ONES);
    word | (capitals >> 2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KNOWN: (u64, u64, u64) = (0x77d7_e44f_a9ad_4141, 0x9cc4_cc1e_1ff4_083f, 0x14b9_2f26_e78c_e774);

    #[test]
    fn it_does_not_change() {
        // Files of earlier processes name rows by it.
        assert_eq!((of(0, b""), of(0, b"deepseek"), mix(1, 2)), KNOWN);
    }

    #[test]
    fn near_texts_are_far_apart() {
        let texts: Vec<String> = (0..10_000).map(|n| format!("key-{n}")).collect();
        let all: HashSet<u64> = texts.iter().map(|text| of(0, text.as_bytes())).collect();
        assert_eq!(all.len(), texts.len());
        let mut low = [0_u32; 64];
        texts.iter().for_each(|text| low[(of(7, text.as_bytes()) & 63) as usize] += 1);
        assert!(low.iter().all(|&count| (90..230).contains(&count)), "{low:?}");
        assert_ne!(of(of(0, b"a"), b"bc"), of(of(0, b"ab"), b"c"));
    }

    #[test]
    fn folding_makes_letters_small_and_nothing_else() {
        for byte in 0..=255_u8 {
            let word = small(u64::from_le_bytes([byte; 8]));
            assert_eq!(word, u64::from_le_bytes([byte.to_ascii_lowercase(); 8]), "{byte:#x}");
        }
        let mixed: Vec<u8> = (0..=255).collect();
        for len in 0..64 {
            for start in [0, 40, 60, 190] {
                let text = &mixed[start..start + len];
                assert_eq!(folded(text), folded(&text.to_ascii_lowercase()));
                assert_eq!(folded(text), folded(&text.to_ascii_uppercase()));
            }
        }
        let names: HashSet<u64> = (0..10_000).map(|n| folded(format!("model-{n}-preview").as_bytes())).collect();
        assert_eq!(names.len(), 10_000);
    }
}
