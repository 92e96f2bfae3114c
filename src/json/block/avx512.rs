//! Blocks by AVX-512, in one piece: comparisons give masks at once.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm512_broadcast_i32x4, _mm512_castsi512_si256, _mm512_cmpeq_epi8_mask,
    _mm512_cmplt_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_set1_epi8,
    _mm512_shuffle_epi8,
};

use super::avx2::{self, Carry, bad_sequences};
use super::{BLOCK, Inside, LETTERS, NOTED_MAX, Noted, are_units, escaped, open, through_first};

reader!("avx512f,avx512bw,avx2,bmi1");

/// 64 bytes.
#[derive(Clone, Copy)]
struct Block(__m512i);

impl Block {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(bytes: &[u8; BLOCK]) -> Block {
        // SAFETY: the 64 bytes are readable; the load needs no alignment.
        unsafe { Block(_mm512_loadu_si512(bytes.as_ptr().cast())) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn equal(self, byte: u8) -> u64 {
        _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte as i8))
    }

    /// Whether there is a control character or a byte beyond ASCII: both are less than a space if signed.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn unusual(self) -> bool {
        _mm512_cmplt_epi8_mask(self.0, _mm512_set1_epi8(b' ' as i8)) != 0
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn controls(self) -> u64 {
        _mm512_cmplt_epu8_mask(self.0, _mm512_set1_epi8(b' ' as i8))
    }

    /// The bytes that make an escape of two bytes, but for the quote.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn letters(self) -> u64 {
        // SAFETY: the table is 16 readable bytes; the load needs no alignment.
        let known = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(LETTERS.as_ptr().cast()) });
        _mm512_cmpeq_epi8_mask(self.0, _mm512_shuffle_epi8(known, self.0)) | self.equal(b'r')
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    fn halves(self) -> avx2::Block {
        avx2::Block(_mm512_castsi512_si256(self.0), self.last_half())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    fn last_half(self) -> __m256i {
        _mm512_extracti64x4_epi64::<1>(self.0)
    }
}
