//! Where a string or a container ends in a text that is known to be valid: quotes and brackets of 64 bytes at once, by
//! what every x86-64 processor has.

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

/// Which bytes of a quarter of a block are `byte`.
#[inline]
fn equal(quarter: __m128i, byte: u8) -> u64 {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(quarter, _mm_set1_epi8(byte as i8))) as u32) }
}

#[inline]
fn load(quarter: &[u8; 16]) -> __m128i {
    // SAFETY: `quarter` is 16 readable bytes; the load needs no alignment, and every x86-64 processor has SSE2.
    unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) }
}

impl Masks {
    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        for (nth, quarter) in bytes.as_chunks::<16>().0.iter().enumerate() {
            let (quarter, shift) = (load(quarter), nth * 16);
            // Bit 5 is what brackets and braces differ by.
            // SAFETY: every x86-64 processor has SSE2.
            let folded = unsafe { _mm_or_si128(quarter, _mm_set1_epi8(0x20)) };
            masks.quotes |= equal(quarter, b'"') << shift;
            masks.backslashes |= equal(quarter, b'\\') << shift;
            masks.opens |= equal(folded, b'{') << shift;
            masks.closes |= equal(folded, b'}') << shift;
        }
        masks
    }
}

/// The offset of the quote that closes the string whose inside begins at `at`, if that is within a block and nothing
/// in front of it is escaped.
#[inline]
pub(in crate::json) fn quote(text: &[u8], at: usize) -> Option<usize> {
    let bytes: &[u8; BLOCK] = text.get(at..)?.first_chunk()?;
    let (mut quotes, mut backslashes) = (0, 0);
    for (nth, quarter) in bytes.as_chunks::<16>().0.iter().enumerate() {
        quotes |= equal(load(quarter), b'"') << (nth * 16);
        backslashes |= equal(load(quarter), b'\\') << (nth * 16);
    }
    let before = quotes.wrapping_sub(1) & !quotes;
    (quotes != 0 && backslashes & before == 0).then(|| at + quotes.trailing_zeros() as usize)
}

/// The offset behind the bracket that closes the one at `start`.
pub(in crate::json) fn behind_container(text: &[u8], start: usize) -> Option<usize> {
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
