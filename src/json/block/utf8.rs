//! What is wrong in two bytes of UTF-8 in a row, as tables by nibbles for a shuffle.

/// A continuation behind a continuation.
pub(super) const CONTINUED: u8 = 0x80;
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

/// By the high nibble of the first byte.
pub(super) const LEAD_HIGH: [u8; 16] = nibbles(0);
/// By its low nibble.
pub(super) const LEAD_LOW: [u8; 16] = nibbles(1);
/// By the high nibble of the second byte.
pub(super) const NEXT_HIGH: [u8; 16] = nibbles(2);

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
