//! The inside of strings with vector instructions: 16 bytes at once for short ones, then 64.
//!
//! Of each block come bit masks, a bit per byte: quotes, backslashes, and what may not stand here. A few
//! operations on these masks find which bytes are escaped, whether the escapes are ones that RFC 8259 §7
//! knows, and where the string ends; bytes behind its end are masked out. The masks are made by AVX2, or in half the
//! instructions by AVX-512; what is read from them is the same code, compiled for either. Nothing here names an error:
//! on any doubt the answer is `None`, and `string::walk`, which must agree with this file on every input, looks again.
//!
//! This is one of the few files with unsafe code: loads, and calls into functions compiled for such processors.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

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

#[cfg(target_arch = "x86_64")]
pub(super) use ends::quote;

/// How [`end`] and [`behind_container`] can be compiled, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// AVX-512, of the processors that do not slow down for it: those that also have VBMI2.
    Avx512,
    /// AVX2.
    Avx2,
}

impl Set {
    /// All there are.
    #[cfg(test)]
    pub(super) const ALL: [Set; 2] = [Set::Avx512, Set::Avx2];

    /// Whether this processor can run it.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn available(self) -> bool {
        match self {
            Set::Avx512 => {
                is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi2") && Set::Avx2.available()
            }
            Set::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("popcnt")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    pub(super) fn available(self) -> bool {
        false
    }
}

/// The first [`Set`] that this processor can run, once that is known: its number from 1, and one more for none.
#[cfg(target_arch = "x86_64")]
static BEST: AtomicU8 = AtomicU8::new(0);
#[cfg(target_arch = "x86_64")]
const AVX512: u8 = 1;
#[cfg(target_arch = "x86_64")]
const AVX2: u8 = 2;
#[cfg(target_arch = "x86_64")]
const NONE: u8 = 3;

#[cfg(target_arch = "x86_64")]
#[cold]
fn look() -> u8 {
    let best = match () {
        () if Set::Avx512.available() => AVX512,
        () if Set::Avx2.available() => AVX2,
        () => NONE,
    };
    BEST.store(best, Ordering::Relaxed);
    best
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn best() -> u8 {
    match BEST.load(Ordering::Relaxed) {
        0 => look(),
        known => known,
    }
}

/// `string::end`; nothing if the string holds what no string may hold, has no end though this is the `last` part
/// of the text, or the processor has no [`Set`] for it.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn end(text: &[u8], at: usize, last: bool) -> Option<Inside> {
    match best() {
        // SAFETY: the processor has the features that `avx512::end` is compiled for.
        AVX512 => unsafe { avx512::end(text, at, last) },
        // SAFETY: the processor has the features that `avx2::end` is compiled for.
        AVX2 => unsafe { avx2::end(text, at, last) },
        _ => None,
    }
}

/// The offset behind the bracket that closes the one at `start` of a text that is known to be valid.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn behind_container(text: &[u8], start: usize) -> Option<usize> {
    match best() {
        // SAFETY: the processor has the features that `avx512::behind_container` is compiled for.
        AVX512 => unsafe { avx512::behind_container(text, start) },
        // SAFETY: the processor has the features that `avx2::behind_container` is compiled for.
        AVX2 => unsafe { avx2::behind_container(text, start) },
        _ => ends::behind_container(text, start),
    }
}

/// [`behind_container`] by the instructions of `set`, or by what every processor has.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn behind_container_by(set: Option<Set>, text: &[u8], start: usize) -> Option<usize> {
    match set.filter(|set| set.available()) {
        // SAFETY: the processor has the features that `avx512::behind_container` is compiled for.
        Some(Set::Avx512) => unsafe { avx512::behind_container(text, start) },
        // SAFETY: the processor has the features that `avx2::behind_container` is compiled for.
        Some(Set::Avx2) => unsafe { avx2::behind_container(text, start) },
        None => ends::behind_container(text, start),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn end(_: &[u8], _: usize, _: bool) -> Option<Inside> {
    None
}

/// [`end`] by the instructions of `set`; nothing if they are not there.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn end_by(set: Set, text: &[u8], at: usize, last: bool) -> Option<Inside> {
    match set {
        _ if !set.available() => None,
        // SAFETY: the processor has the features that `avx512::end` is compiled for.
        Set::Avx512 => unsafe { avx512::end(text, at, last) },
        // SAFETY: the processor has the features that `avx2::end` is compiled for.
        Set::Avx2 => unsafe { avx2::end(text, at, last) },
    }
}

#[cfg(all(test, not(target_arch = "x86_64")))]
pub(super) fn end_by(_: Set, _: &[u8], _: usize, _: bool) -> Option<Inside> {
    None
}

/// The reading of strings, compiled for the processors that have `$features`, by the `Block` of the module at hand.
#[cfg(target_arch = "x86_64")]
macro_rules! reader {
    ($features:literal) => {
        /// See [`super::end`].
        #[target_feature(enable = $features)]
        pub(in crate::json) fn end(text: &[u8], at: usize, last: bool) -> Option<Inside> {
            let mut carry = Carry::none();
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

        /// The quotes of the block that can close a string; the first of them closes this one. And the bytes of the
        /// block, also behind that, that are escaped but must be the `u` of a `\u`, having no other right to be.
        #[inline]
        #[target_feature(enable = $features)]
        fn step(block: Block, carry: &mut Carry) -> Option<(u64, u64)> {
            let quotes = block.equal(b'"');
            let escaped = escaped(block.equal(b'\\'), &mut carry.escaped);
            let closing = quotes & !escaped;
            if block.unusual() || carry.open != 0 {
                let bad = block.controls() | bad_sequences(block, carry);
                if bad & through_first(closing) != 0 {
                    return None;
                }
            }
            carry.leave(block);
            Some((closing, escaped & !quotes & !block.letters()))
        }
    };
}

/// The ends of containers, by the `Block` of the module at hand, with `$features` where it has some.
#[cfg(target_arch = "x86_64")]
macro_rules! containers {
    ($($features:literal)?) => {
        /// See [`super::behind_container`].
        $(#[target_feature(enable = $features)])?
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
                let block = Block::load(bytes);
                let backslashes = block.equal(b'\\');
                let escaped = if backslashes | carry == 0 { 0 } else { escaped(backslashes, &mut carry) };
                let quotes = block.equal(b'"') & !escaped;
                // Within a long string nothing else counts.
                if quotes != 0 || inside == 0 {
                    // Set from a quote that opens up to the one that closes.
                    let strings = runs(quotes) ^ inside;
                    inside = ((strings as i64) >> 63) as u64;
                    let folded = block.folded();
                    let (opens, closes) = (folded.equal(b'{') & !strings, folded.equal(b'}') & !strings);
                    let closing = closes.count_ones() as usize;
                    if closing < depth {
                        depth = depth - closing + opens.count_ones() as usize;
                    } else if let Some(at) = closed(opens, closes, &mut depth)? {
                        return Some(text.len() - rest.len() + at + 1);
                    }
                }
                if later.is_empty() {
                    return None;
                }
                rest = later;
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod ends;
#[cfg(target_arch = "x86_64")]
mod utf8;

/// Bytes of a block.
const BLOCK: usize = 64;
const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
/// The bytes that make an escape of two bytes, but for the quote, by their low nibble. `b` and `r` share one; a byte
/// beyond ASCII finds 0, which it is not.
const LETTERS: &[u8; 16] = b"\xff\xff\x62\xff\x74\xff\x66\xff\xff\xff\xff\xff\x5c\xff\x6e\x2f";

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

/// Each bit is the sum of those up to it.
#[cfg(target_arch = "x86_64")]
#[inline]
fn runs(mut bits: u64) -> u64 {
    for by in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << by;
    }
    bits
}

/// Where in a block the outermost of `depth` containers closes, if it does; nothing where more close than are open.
#[cfg(target_arch = "x86_64")]
#[inline]
fn closed(opens: u64, closes: u64, depth: &mut usize) -> Option<Option<usize>> {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let first = brackets & brackets.wrapping_neg();
        brackets ^= first;
        if opens & first != 0 {
            *depth += 1;
        } else {
            *depth = depth.checked_sub(1)?;
            if *depth == 0 {
                return Some(Some(first.trailing_zeros() as usize));
            }
        }
    }
    Some(None)
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
