//! Blocks by AVX-512, in one piece: comparisons give masks at once.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_alignr_epi8, _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_cmpeq_epi8_mask, _mm512_cmplt_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_cmpneq_epi8_mask,
    _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_srli_epi16,
    _mm512_subs_epu8,
};

use super::utf8::{CONTINUED, LEAD_HIGH, LEAD_LOW, NEXT_HIGH};
use super::{BLOCK, Inside, LETTERS, NOTED_MAX, Noted, are_units, closed, escaped, open, runs, through_first};

reader!("avx512f,avx512bw,bmi1");
containers!("avx512f,avx512bw,bmi1,popcnt");

/// What a block leaves to the one behind it.
struct Carry {
    /// Bit 0: the first byte is escaped.
    escaped: u64,
    /// Not 0 if a sequence of UTF-8 may be unfinished.
    open: u32,
    /// The block.
    block: Block,
}

impl Carry {
    /// In front of the first block.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn none() -> Carry {
        Carry { escaped: 0, open: 0, block: Block(_mm512_set1_epi8(0)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn leave(&mut self, block: Block) {
        self.block = block;
    }
}

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

    /// With bit 5 set in every byte, which is what brackets and braces differ by.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn folded(self) -> Block {
        Block(_mm512_or_si512(self.0, _mm512_set1_epi8(0x20)))
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
        _mm512_cmpeq_epi8_mask(self.0, _mm512_shuffle_epi8(table(LETTERS), self.0)) | self.equal(b'r')
    }
}

/// Where UTF-8 goes wrong: at the latest byte by which it shows. See `avx2::malformed`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bad_sequences(block: Block, carry: &mut Carry) -> u64 {
    let bytes = block.0;
    let across = _mm512_alignr_epi64::<6>(bytes, carry.block.0);
    let one = _mm512_alignr_epi8::<15>(bytes, across);
    let two = _mm512_alignr_epi8::<14>(bytes, across);
    let three = _mm512_alignr_epi8::<13>(bytes, across);
    let nibble = _mm512_set1_epi8(0x0f);
    let pair = _mm512_and_si512(
        _mm512_and_si512(
            _mm512_shuffle_epi8(table(&LEAD_HIGH), _mm512_and_si512(_mm512_srli_epi16::<4>(one), nibble)),
            _mm512_shuffle_epi8(table(&LEAD_LOW), _mm512_and_si512(one, nibble)),
        ),
        _mm512_shuffle_epi8(table(&NEXT_HIGH), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble)),
    );
    // 0xe0 and 0xf0, the least bytes that lead three and four, become 0x80.
    let third = _mm512_subs_epu8(two, _mm512_set1_epi8(0x60));
    let fourth = _mm512_subs_epu8(three, _mm512_set1_epi8(0x70));
    let due = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8(CONTINUED as i8));
    carry.open = (_mm512_movepi8_mask(bytes) >> (BLOCK - 3)) as u32;
    _mm512_cmpneq_epi8_mask(pair, due)
}

/// `entries` in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn table(entries: &[u8; 16]) -> __m512i {
    // SAFETY: `entries` is 16 readable bytes; the load needs no alignment.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) })
}
