//! Where a container ends in a text that is known to be valid: quotes and brackets of 64 bytes at once, by what every
//! x86-64 processor has.

#![allow(unsafe_code)]

use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

use super::{BLOCK, escaped};

/// A bit for each byte of a block that is one of these.
#[derive(Default)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Masks {
    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        for (nth, quarter) in bytes.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: `quarter` is 16 readable bytes; the load needs no alignment, and every x86-64 processor has SSE2.
            let quarter: __m128i = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
            // SAFETY: every x86-64 processor has SSE2.
            unsafe {
                let at = |bytes, byte: u8| {
                    u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8))) as u32) << (nth * 16)
                };
                // Bit 5 is what brackets and braces differ by.
                let folded = _mm_or_si128(quarter, _mm_set1_epi8(0x20));
                masks.quotes |= at(quarter, b'"');
                masks.backslashes |= at(quarter, b'\\');
                masks.opens |= at(folded, b'{');
                masks.closes |= at(folded, b'}');
            }
        }
        masks
    }
}

/// The offset behind the bracket that closes the one at `start`.
pub(in crate::json) fn behind(text: &[u8], start: usize) -> Option<usize> {
    let mut rest = text.get(start..)?;
    let (mut carry, mut inside, mut depth) = (0, 0, 0_usize);
    let mut tail;
    loop {
        let (bytes, later) = match rest.split_first_chunk() {
            Some(split) => split,
            None => {
                tail = [0; BLOCK];
                tail[..rest.len()].copy_from_slice(rest);
                (&tail, &[][..])
            }
        };
        let masks = Masks::of(bytes);
        let escaped = if masks.backslashes | carry == 0 { 0 } else { escaped(masks.backslashes, &mut carry) };
        // Set from a quote that opens up to the one that closes.
        let strings = runs(masks.quotes & !escaped) ^ inside;
        inside = ((strings as i64) >> 63) as u64;
        let mut brackets = (masks.opens | masks.closes) & !strings;
        while brackets != 0 {
            let first = brackets & brackets.wrapping_neg();
            brackets ^= first;
            if masks.opens & first != 0 {
                depth += 1;
            } else {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(text.len() - rest.len() + first.trailing_zeros() as usize + 1);
                }
            }
        }
        if later.is_empty() {
            return None;
        }
        rest = later;
    }
}

/// Each bit is the sum of those up to it.
#[inline]
fn runs(mut bits: u64) -> u64 {
    for by in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << by;
    }
    bits
}
