//! Where a string or a container ends in a text that is known to be valid: quotes and brackets of 64 bytes at once, by
//! what every x86-64 processor has.

#![allow(unsafe_code)]

use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

use super::{BLOCK, closed, escaped, runs};

containers!();

/// 64 bytes in four quarters.
#[derive(Clone, Copy)]
struct Block([__m128i; 4]);

impl Block {
    #[inline]
    fn load(bytes: &[u8; BLOCK]) -> Block {
        let quarter = bytes.as_ptr().cast::<__m128i>();
        // SAFETY: all quarters lie within the 64 bytes; the loads need no alignment, and every x86-64 processor has SSE2.
        Block(std::array::from_fn(|nth| unsafe { _mm_loadu_si128(quarter.add(nth)) }))
    }

    /// A bit for each byte that is `byte`.
    #[inline]
    fn equal(self, byte: u8) -> u64 {
        let mut bits = 0;
        for (nth, quarter) in self.0.into_iter().enumerate() {
            // SAFETY: every x86-64 processor has SSE2.
            let found = unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(quarter, _mm_set1_epi8(byte as i8))) };
            bits |= u64::from(found as u32) << (nth * 16);
        }
        bits
    }

    /// With bit 5 set in every byte, which is what brackets and braces differ by.
    #[inline]
    fn folded(self) -> Block {
        // SAFETY: every x86-64 processor has SSE2.
        Block(self.0.map(|quarter| unsafe { _mm_or_si128(quarter, _mm_set1_epi8(0x20)) }))
    }
}

/// The offset of the quote that closes the string whose inside begins at `at`, if that is within a block and nothing
/// in front of it is escaped.
#[inline]
pub(in crate::json) fn quote(text: &[u8], at: usize) -> Option<usize> {
    let block = Block::load(text.get(at..)?.first_chunk()?);
    let (quotes, backslashes) = (block.equal(b'"'), block.equal(b'\\'));
    let before = quotes.wrapping_sub(1) & !quotes;
    (quotes != 0 && backslashes & before == 0).then(|| at + quotes.trailing_zeros() as usize)
}
