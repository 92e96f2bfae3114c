//! The inside of strings with vector instructions: 16 bytes at once for short ones, then 64.
//!
//! Of each block come bit masks, a bit per byte: quotes, backslashes, and what may not stand here. A few
//! operations on these masks find which bytes are escaped, whether the escapes are ones that RFC 8259 §7
//! knows, and where the string ends; bytes behind its end are masked out. Nothing here names an error: on any
//! doubt the answer is `None`, and `string::walk`, which must agree with this file on every input, looks again.
//!
//! This is one of the few files with unsafe code: loads, and calls into functions compiled for AVX2.

#![allow(unsafe_code)]

use super::string::Inside;

/// The offset of the quote that closes the string whose inside begins at `at`, if it is plain ASCII of at
/// most 15 bytes. Names of members are, and most values that are no prose.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn short(text: &[u8], at: usize) -> Option<usize> {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let window: &[u8; 16] = text.get(at..)?.first_chunk()?;
    // SAFETY: `window` is 16 readable bytes; the load needs no alignment.
    let bytes = unsafe { _mm_loadu_si128(window.as_ptr().cast()) };
    // SAFETY: every x86-64 processor has SSE2.
    let (quotes, others) = unsafe {
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        // As signed numbers both control characters and bytes beyond ASCII are less than a space.
        let unusual = _mm_cmpgt_epi8(_mm_set1_epi8(b' ' as i8), bytes);
        (_mm_movemask_epi8(quotes) as u32, _mm_movemask_epi8(_mm_or_si128(backslashes, unusual)) as u32)
    };
    let before = quotes.wrapping_sub(1) & !quotes;
    (quotes != 0 && others & before == 0).then(|| at + quotes.trailing_zeros() as usize)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn short(_: &[u8], _: usize) -> Option<usize> {
    None
}

/// Whether this processor can run [`end`].
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1")
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn available() -> bool {
    false
}

/// `string::end`; nothing if the string holds what no string may hold, has no end though this is the `last` part
/// of the text, or the processor is not [`available`].
#[cfg(target_arch = "x86_64")]
pub(super) fn end(text: &[u8], at: usize, last: bool) -> Option<Inside> {
    if !available() {
        return None;
    }
    // SAFETY: the processor has the features that `avx2::end` is compiled for.
    unsafe { avx2::end(text, at, last) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn end(_: &[u8], _: usize, _: bool) -> Option<Inside> {
    None
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_alignr_epi8, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
        _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_subs_epu8, _mm256_xor_si256,
    };

    use super::Inside;

    const BLOCK: usize = 64;
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;

    /// What a block leaves to the one behind it.
    struct Carry {
        /// Bit 0: the first byte is escaped.
        escaped: u64,
        /// Not 0 if a sequence of UTF-8 may be unfinished.
        open: u32,
        /// The last half of the block.
        half: __m256i,
    }

    /// Escapes that are `\u` if they are any. To ask at once would be a branch that text with a few of them makes
    /// unpredictable, and one that is known late: one wrong guess costs more than two blocks do. So they are
    /// noted and looked at together.
    #[derive(Clone, Copy)]
    struct Noted {
        /// Bytes from the start of the block to the end of the text.
        rest: usize,
        /// A bit per byte of the block.
        places: u64,
    }

    const NOTED_MAX: usize = 8;

    /// 64 bytes in two halves.
    #[derive(Clone, Copy)]
    struct Block(__m256i, __m256i);

    /// See [`super::end`].
    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn end(text: &[u8], at: usize, last: bool) -> Option<Inside> {
        let mut carry = Carry { escaped: 0, open: 0, half: _mm256_setzero_si256() };
        let mut noted = [Noted { rest: 0, places: 0 }; NOTED_MAX];
        let mut count = 0;
        let mut rest = text.get(at..)?;
        let mut tail;
        loop {
            let (bytes, behind) = match rest.split_first_chunk() {
                Some(split) => split,
                None => {
                    // Quotes behind the text: a string that ends in these has no end.
                    tail = [b'"'; BLOCK];
                    tail[..rest.len()].copy_from_slice(rest);
                    (&tail, &[][..])
                }
            };
            let before = carry.escaped;
            let (closing, places) = match step(Block::load(bytes), &mut carry) {
                Some(found) if rest.len() >= BLOCK || (found.0.trailing_zeros() as usize) < rest.len() => found,
                None if rest.len() >= BLOCK => return None,
                // The quotes behind a tail close nothing, and can make wrong what is not.
                _ if last => return None,
                _ => return open(text, at, rest.len(), before, &mut noted[..count]),
            };
            if closing != 0 {
                let inside = closing.trailing_zeros() as usize;
                noted[count] = Noted { rest: rest.len(), places: places & through_first(closing) };
                let end = text.len() - rest.len() + inside;
                return are_units(text, &noted[..count + 1]).then_some(Inside::Closed(end));
            }
            // With the place of the last one free for what a part of the text ends in.
            if count == NOTED_MAX - 1 {
                if !are_units(text, &noted[..count]) {
                    return None;
                }
                count = 0;
            }
            noted[count] = Noted { rest: rest.len(), places };
            count += usize::from(places != 0);
            rest = behind;
        }
    }

    /// The string goes on behind the whole blocks of a part of the text, whose last `rest` bytes make none.
    /// `escaped` is what the last block has left to them.
    #[inline(never)]
    fn open(text: &[u8], at: usize, rest: usize, escaped: u64, noted: &mut [Noted]) -> Option<Inside> {
        let blocks = text.len() - rest;
        let mut good = blocks - escaped as usize;
        if let Some(note) = noted.last_mut()
            && note.rest == rest + BLOCK
        {
            // The `u` of an escape of which digits may be among the rest.
            let cut = note.places & (!0 << (BLOCK - 4));
            if cut != 0 {
                note.places &= !cut;
                good = good.min(blocks - BLOCK + cut.trailing_zeros() as usize - 1);
            }
        }
        // A sequence of which a part may be among the rest begins with its lead.
        let lead = text[at..blocks].iter().rev().take(3).position(|&byte| byte >= 0xc0);
        if let Some(back) = lead {
            good = good.min(blocks - 1 - back);
        }
        are_units(text, noted).then_some(Inside::Open(good))
    }

    /// The quotes of the block that can close a string; the first of them closes this one. And the bytes of the
    /// block, also behind that, that are escaped but must be the `u` of a `\u`, having no other right to be.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn step(block: Block, carry: &mut Carry) -> Option<(u64, u64)> {
        let quotes = block.equal(b'"');
        let escaped = escaped(block.equal(b'\\'), &mut carry.escaped);
        let closing = quotes & !escaped;
        if block.unusual() | carry.open != 0 {
            let bad = block.controls() | bad_sequences(block, carry);
            if bad & through_first(closing) != 0 {
                return None;
            }
        }
        carry.half = block.1;
        Some((closing, escaped & !quotes & !block.letters()))
    }

    /// All bits up to and with the first one of `bits`; all there are if it has none.
    #[inline]
    fn through_first(bits: u64) -> u64 {
        bits ^ bits.wrapping_sub(1)
    }

    /// Which bytes have an escaping backslash before them.
    ///
    /// In a run of backslashes the first escapes the second, the third the fourth: with the first on an even
    /// place, the escaped ones have odd places up to the byte behind the run, and the other way round. Adding
    /// their first bits to the runs makes the carry clear those that begin on even places, which tells the
    /// two apart (after Langdale and Lemire, "Parsing Gigabytes of JSON per Second", §3.1.1).
    #[inline]
    fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
        let runs = backslashes & !*carry;
        let first = runs & !(runs << 1);
        let begun_odd = runs & runs.wrapping_add(first & !ODD);
        let escaped = (runs << 1) & (ODD ^ (begun_odd << 1)) | *carry;
        *carry = begun_odd >> 63;
        escaped
    }

    /// Whether all bytes at `noted` begin the `uXXXX` of an escape.
    #[inline(never)]
    fn are_units(text: &[u8], noted: &[Noted]) -> bool {
        let mut bad = 0;
        for &Noted { rest, mut places } in noted {
            while places != 0 {
                let at = text.len() - rest + places.trailing_zeros() as usize;
                places &= places - 1;
                let Some(&[u, digits @ ..]) = text.get(at..).and_then(<[u8]>::first_chunk::<5>) else {
                    return false;
                };
                bad |= digits.iter().fold(u ^ b'u', |bad, &digit| bad | NO_HEX_DIGIT[digit as usize]);
            }
        }
        bad == 0
    }

    static NO_HEX_DIGIT: [u8; 256] = {
        let mut table = [1; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = !(byte as u8).is_ascii_hexdigit() as u8;
            byte += 1;
        }
        table
    };

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

        /// Not 0 if there is a control character or a byte beyond ASCII: both are less than a space if signed.
        #[inline]
        #[target_feature(enable = "avx2,bmi1")]
        fn unusual(self) -> u32 {
            let space = _mm256_set1_epi8(b' ' as i8);
            let both = _mm256_or_si256(_mm256_cmpgt_epi8(space, self.0), _mm256_cmpgt_epi8(space, self.1));
            _mm256_movemask_epi8(both) as u32
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
            // By low nibble. `b` and `r` share one; a byte beyond ASCII finds 0, which it is not.
            let known = table(b"\xff\xff\x62\xff\x74\xff\x66\xff\xff\xff\xff\xff\x5c\xff\x6e\x2f");
            let r = _mm256_set1_epi8(b'r' as i8);
            let is = |half| {
                let same = _mm256_cmpeq_epi8(half, _mm256_shuffle_epi8(known, half));
                _mm256_or_si256(same, _mm256_cmpeq_epi8(half, r))
            };
            Block(is(self.0), is(self.1)).bits()
        }
    }

    /// `entries` in both lanes.
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    fn table(entries: &[u8; 16]) -> __m256i {
        use std::arch::x86_64::{_mm_loadu_si128, _mm256_broadcastsi128_si256};
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
}
