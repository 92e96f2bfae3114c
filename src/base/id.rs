//! Request ids: 20 characters that sort by time within a core and never repeat within a process.
//!
//! Crockford's base 32, most significant first: 9 characters of milliseconds since 1970 (enough until the
//! year 3084), 2 of the core, 4 of a salt drawn once per process, 5 of a sequence. Two processes differ by
//! the salt; a core hands out 2^25 ids within one millisecond before the sequence comes round.

use std::fmt;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// The value of each byte as a digit; `NO_DIGIT` for what is none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < DIGITS.len() {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
};
const NO_DIGIT: u8 = u8::MAX;

/// Length of an id in characters.
pub const REQUEST_ID_BYTES: usize = 20;

/// The id of one exchange, as clients see it in `x-request-id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; REQUEST_ID_BYTES]);

impl RequestId {
    /// The id made of wall-clock milliseconds, core, process salt and sequence; high bits that do not fit are dropped.
    pub fn new(unix_ms: u64, core: u16, salt: u32, sequence: u32) -> RequestId {
        let mut text = [0; REQUEST_ID_BYTES];
        digits(&mut text[0..9], unix_ms);
        digits(&mut text[9..11], u64::from(core));
        digits(&mut text[11..15], u64::from(salt));
        digits(&mut text[15..20], u64::from(sequence));
        RequestId(text)
    }

    /// The milliseconds, core, salt and sequence that the id `text` is made of; nothing where it is none.
    pub fn read(text: &str) -> Option<(u64, u16, u32, u32)> {
        let text: &[u8; REQUEST_ID_BYTES] = text.as_bytes().try_into().ok()?;
        let value = |places: std::ops::Range<usize>| {
            text[places].iter().try_fold(0_u64, |value, digit| {
                let digit = Some(VALUES[usize::from(*digit)]).filter(|digit| *digit != NO_DIGIT)?;
                Some(value << 5 | u64::from(digit))
            })
        };
        Some((value(0..9)?, value(9..11)? as u16, value(11..15)? as u32, value(15..20)? as u32))
    }

    /// What it is made of: milliseconds, core, salt and sequence.
    pub fn parts(&self) -> (u64, u16, u32, u32) {
        let value = |places: std::ops::Range<usize>| {
            self.0[places].iter().fold(0_u64, |value, digit| value << 5 | u64::from(VALUES[usize::from(*digit)]))
        };
        (value(0..9), value(9..11) as u16, value(11..15) as u32, value(15..20) as u32)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as bytes.
    pub fn as_bytes(&self) -> &[u8; REQUEST_ID_BYTES] {
        &self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn digits(text: &mut [u8], mut value: u64) {
    for place in text.iter_mut().rev() {
        *place = DIGITS[(value & 31) as usize];
        value >>= 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back() {
        let id = RequestId::new(1_800_000_000_000, 1_023, 0xf_ffff, 77);
        assert_eq!(RequestId::read(id.as_str()), Some((1_800_000_000_000, 1_023, 0xf_ffff, 77)));
        assert_eq!(Some(id.parts()), RequestId::read(id.as_str()));
        assert_eq!(RequestId::read("u0000000000000000000"), None);
    }

    #[test]
    fn ids_sort_by_time_then_sequence() {
        let ids = [(1, 0), (1, 1), (1, 31), (1, 32), (2, 0), (1_800_000_000_000, 5)];
        let texts: Vec<String> = ids.iter().map(|&(ms, n)| RequestId::new(ms, 3, 9, n).as_str().to_owned()).collect();
        assert!(texts.is_sorted());
        assert!(texts.iter().all(|text| text.len() == REQUEST_ID_BYTES));
    }
}
