//! Blocks by AVX2, in two halves, and the order of UTF-8 in them, which AVX-512 has looked at here too.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_alignr_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_subs_epu8, _mm256_xor_si256,
};

use super::{BLOCK, Inside, LETTERS, NOTED_MAX, Noted, are_units, escaped, open, through_first};

reader!("avx2,bmi1");

/// What a block leaves to the one behind it.
pub(super) struct Carry {
    /// Bit 0: the first byte is escaped.
    pub(super) escaped: u64,
    /// Not 0 if a sequence of UTF-8 may be unfinished.
    pub(super) open: u32,
    /// The last half of the block.
    pub(super) half: __m256i,
}

/// 64 bytes in two halves.
#[derive(Clone, Copy)]
pub(super) struct Block(pub(super) __m256i, pub(super) __m256i);

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

    #[inline]
    fn halves(self) -> Block {
        self
    }

    #[inline]
    fn last_half(self) -> __m256i {
        self.1
    }
}

/// Where UTF-8 goes wrong: at the latest byte by which it shows.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn bad_sequences(block: Block, carry: &mut Carry) -> u64 {
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

/// A continuation behind a continuation.
const CONTINUED: u8 = 0x80;
const LEADS: u16 = 0xf000;
const CONTINUATIONS: u16 = 0x0f00;
const ANY: u16 = 0xffff;

/// The ways in which two bytes in a row are no UTF-8 (Unicode table 3-7), each as three sets of nibbles: the
/// high one of the first byte, its low one, the high one of the second byte.
const WRONG: [(u16, u16, u16); 8] = [
    (LEADS, ANY, !CONTINUATIONS),                     // a lead without continuation
    (0x00ff, ANY, CONTINUATIONS),                     // a continuation behind ASCII
    (1 << 0xc, 0b11, CONTINUATIONS),                  // c0, c1: overlong
    (1 << 0xe, 1, 1 << 8 | 1 << 9),                   // e0 80..9f: overlong
    (1 << 0xe, 1 << 0xd, 1 << 0xa | 1 << 0xb),        // ed a0..bf: surrogates
    (1 << 0xf, 0xfff0, 1 << 9 | 1 << 0xa | 1 << 0xb), // f4 90..bf and above: beyond U+10FFFF
    (1 << 0xf, 0xffe1, 1 << 8),                       // f0 80..8f: overlong; f5 80.. and above: beyond U+10FFFF
    (CONTINUATIONS, ANY, CONTINUATIONS),              // `CONTINUED`
];

const LEAD_HIGH: [u8; 16] = nibbles(0);
const LEAD_LOW: [u8; 16] = nibbles(1);
const NEXT_HIGH: [u8; 16] = nibbles(2);

/// For each nibble the ways of `WRONG` that it takes part in, in its column `of`.
const fn nibbles(of: usize) -> [u8; 16] {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut way = 0;
        while way < 8 {
            let (lead_high, lead_low, next_high) = WRONG[way];
            let set = [lead_high, lead_low, next_high][of];
            table[nibble] |= ((set >> nibble & 1) as u8) << way;
            way += 1;
        }
        nibble += 1;
    }
    table
}
