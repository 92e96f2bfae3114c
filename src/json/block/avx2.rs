//! Blocks by AVX2, in two halves.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_alignr_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_subs_epu8, _mm256_xor_si256,
};

use super::utf8::{CONTINUED, LEAD_HIGH, LEAD_LOW, NEXT_HIGH};
use super::{BLOCK, Inside, LETTERS, NOTED_MAX, Noted, are_units, closed, escaped, open, runs, through_first};

reader!("avx2,bmi1");
containers!("avx2,bmi1,popcnt");

/// What a block leaves to the one behind it.
struct Carry {
    /// Bit 0: the first byte is escaped.
    escaped: u64,
    /// Not 0 if a sequence of UTF-8 may be unfinished.
    open: u32,
    /// The last half of the block.
    half: __m256i,
}

impl Carry {
    /// In front of the first block.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn none() -> Carry {
        Carry { escaped: 0, open: 0, half: _mm256_setzero_si256() }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn leave(&mut self, block: Block) {
        self.half = block.1;
    }
}

/// 64 bytes in two halves.
#[derive(Clone, Copy)]
struct Block(__m256i, __m256i);

impl Block {
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn load(bytes: &[u8; BLOCK]) -> Block {
        let half = bytes.as_ptr().cast::<__m256i>();
        // SAFETY: both halves lie within the 64 bytes; the loads need no alignment.
        unsafe { Block(_mm256_loadu_si256(half), _mm256_loadu_si256(half.add(1))) }
    }

    /// The top bits of all bytes.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn bits(self) -> u64 {
        let bits = |half| u64::from(_mm256_movemask_epi8(half) as u32);
        bits(self.0) | bits(self.1) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn equal(self, byte: u8) -> u64 {
        let byte = _mm256_set1_epi8(byte as i8);
        Block(_mm256_cmpeq_epi8(self.0, byte), _mm256_cmpeq_epi8(self.1, byte)).bits()
    }

    /// With bit 5 set in every byte, which is what brackets and braces differ by.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn folded(self) -> Block {
        let bit = _mm256_set1_epi8(0x20);
        Block(_mm256_or_si256(self.0, bit), _mm256_or_si256(self.1, bit))
    }

    /// Whether there is a control character or a byte beyond ASCII: both are less than a space if signed.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn unusual(self) -> bool {
        let space = _mm256_set1_epi8(b' ' as i8);
        let both = _mm256_or_si256(_mm256_cmpgt_epi8(space, self.0), _mm256_cmpgt_epi8(space, self.1));
        _mm256_movemask_epi8(both) != 0
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn controls(self) -> u64 {
        let last = _mm256_set1_epi8(0x1f);
        let within = |half| _mm256_cmpeq_epi8(_mm256_min_epu8(half, last), half);
        Block(within(self.0), within(self.1)).bits()
    }

    /// The bytes that make an escape of two bytes, but for the quote.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn letters(self) -> u64 {
        let known = table(LETTERS);
        let r = _mm256_set1_epi8(b'r' as i8);
        let is = |half| {
            let same = _mm256_cmpeq_epi8(half, _mm256_shuffle_epi8(known, half));
            _mm256_or_si256(same, _mm256_cmpeq_epi8(half, r))
        };
        Block(is(self.0), is(self.1)).bits()
    }
}

/// Where UTF-8 goes wrong: at the latest byte by which it shows.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn bad_sequences(block: Block, carry: &mut Carry) -> u64 {
    carry.open = _mm256_movemask_epi8(block.1) as u32 >> 29;
    let low = malformed(block.0, carry.half);
    let high = malformed(block.1, block.0);
    let zero = _mm256_setzero_si256();
    !Block(_mm256_cmpeq_epi8(low, zero), _mm256_cmpeq_epi8(high, zero)).bits()
}

/// Non-zero where a byte of `bytes` cannot follow those before it, `before` being the 32 in front.
///
/// Each table has a bit per way in which two bytes in a row are wrong, and tells for which nibbles it may
/// be so; what all three agree on is wrong. The bit `CONTINUED` is no error where a longer sequence asks for
/// its third or fourth byte, and its absence is one there (Keiser and Lemire, "Validating UTF-8 In Less Than
/// One Instruction Per Byte", §6).
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn malformed(bytes: __m256i, before: __m256i) -> __m256i {
    let across = _mm256_permute2x128_si256::<0x21>(before, bytes);
    let one = _mm256_alignr_epi8::<15>(bytes, across);
    let two = _mm256_alignr_epi8::<14>(bytes, across);
    let three = _mm256_alignr_epi8::<13>(bytes, across);
    let nibble = _mm256_set1_epi8(0x0f);
    let high = |bytes| _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    let pair = _mm256_and_si256(
        _mm256_and_si256(
            _mm256_shuffle_epi8(table(&LEAD_HIGH), high(one)),
            _mm256_shuffle_epi8(table(&LEAD_LOW), _mm256_and_si256(one, nibble)),
        ),
        _mm256_shuffle_epi8(table(&NEXT_HIGH), high(bytes)),
    );
    // 0xe0 and 0xf0, the least bytes that lead three and four, become 0x80.
    let third = _mm256_subs_epu8(two, _mm256_set1_epi8(0x60));
    let fourth = _mm256_subs_epu8(three, _mm256_set1_epi8(0x70));
    let due = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8(CONTINUED as i8));
    _mm256_xor_si256(pair, due)
}

/// `entries` in both lanes.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn table(entries: &[u8; 16]) -> __m256i {
    // SAFETY: `entries` is 16 readable bytes; the load needs no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) })
}
