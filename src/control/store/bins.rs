//! Durations by eighths of powers of two: what percentiles are read from, in the store and out of it.
//!
//! A place is known to an eighth, so a percentile is off by a sixteenth at most. Only places that are taken are kept; as
//! bytes a place is its number and a count of seven bits a byte, so that the durations of a row take some dozen bytes.

/// Exponent of the first bound: durations under 64 us are one place.
const FIRST_EXPONENT: u32 = 6;
/// The exponent of the last place: beyond 19 hours all is one.
const LAST_EXPONENT: u32 = 35;
/// Places of one power of two, as an exponent.
const PARTS: u32 = 3;

/// Counts of durations by place, in the order of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bins(Vec<(u8, u64)>);

impl Bins {
    /// Counts one duration.
    pub(crate) fn add(&mut self, us: u64) {
        self.put(place(us), 1);
    }

    /// Counts others too.
    pub(crate) fn merge(&mut self, more: &Bins) {
        for &(place, count) in &more.0 {
            self.put(place, count);
        }
    }

    /// Counts others too, as `write` wrote them. Bytes that are no counts count nothing.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        counts(bytes, |place, count| self.put(place, count));
    }

    /// As bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * 3);
        for &(place, mut count) in &self.0 {
            out.push(place);
            while count > 127 {
                out.push(count as u8 | 128);
                count >>= 7;
            }
            out.push(count as u8);
        }
        out
    }

    /// The duration that so many hundredths do not exceed, in microseconds; nothing where none was counted.
    pub(crate) fn percentile(&self, hundredths: u64) -> Option<u64> {
        let total: u64 = self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
        let rank = u64::try_from((u128::from(total) * u128::from(hundredths)).div_ceil(100)).unwrap_or(u64::MAX);
        let mut seen = 0_u64;
        let found = self.0.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank.max(1)
        });
        found.map(|&(place, _)| middle(place))
    }

    fn put(&mut self, place: u8, count: u64) {
        match self.0.binary_search_by_key(&place, |&(known, _)| known) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (place, count)),
        }
    }
}

/// Counts of all places, for what sums up very many.
pub(super) struct Dense([u64; 256]);

impl Default for Dense {
    fn default() -> Dense {
        Dense([0; 256])
    }
}

impl Dense {
    /// Counts others too, as `Bins::write` wrote them.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        counts(bytes, |place, count| {
            let sum = &mut self.0[usize::from(place)];
            *sum = sum.saturating_add(count);
        });
    }

    /// Those that are taken.
    pub(super) fn bins(&self) -> Bins {
        let taken = self.0.iter().zip(0_u8..=255).filter(|(count, _)| **count > 0);
        Bins(taken.map(|(&count, place)| (place, count)).collect())
    }
}

/// Places and counts as they were written.
fn counts(bytes: &[u8], mut each: impl FnMut(u8, u64)) {
    let mut rest = bytes.iter();
    while let Some(&place) = rest.next() {
        let (mut count, mut shift) = (0_u64, 0);
        for &byte in rest.by_ref() {
            count |= u64::from(byte & 127).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        each(place, count);
    }
}

fn place(us: u64) -> u8 {
    let Some(exponent) = us.checked_ilog2().filter(|&exponent| exponent >= FIRST_EXPONENT) else { return 0 };
    let exponent = exponent.min(LAST_EXPONENT);
    let part = (us >> (exponent - PARTS)).min((2 << PARTS) - 1) as u32 & ((1 << PARTS) - 1);
    (1 + ((exponent - FIRST_EXPONENT) << PARTS) + part) as u8
}

/// The middle of a place.
fn middle(place: u8) -> u64 {
    let Some(place) = u32::from(place).checked_sub(1) else { return 1 << (FIRST_EXPONENT - 1) };
    let (exponent, part) = (FIRST_EXPONENT + (place >> PARTS), place & ((1 << PARTS) - 1));
    let width = 1_u64 << (exponent - PARTS);
    (u64::from((1 << PARTS) + part) << (exponent - PARTS)) + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_near_the_durations() {
        let mut bins = Bins::default();
        assert_eq!(bins.percentile(50), None);
        (1..=1_000).for_each(|ms| bins.add(ms * 1_000));
        for (hundredths, exact) in [(1, 10_000), (50, 500_000), (99, 990_000), (100, 1_000_000)] {
            let found = bins.percentile(hundredths).expect("some were counted");
            assert!(found.abs_diff(exact) <= exact / 15, "{hundredths}: {found}");
        }
        let mut long = Bins::default();
        long.add(u64::MAX);
        assert!(long.percentile(50) > Some(3_600_000_000));
        let mut short = Bins::default();
        short.add(0);
        assert_eq!(short.percentile(99), Some(32));
    }

    #[test]
    fn damaged_bytes_are_no_harm() {
        for bytes in [&[7][..], &[7, 255], &[7, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]] {
            Bins::default().read(bytes);
            Dense::default().read(bytes);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(counts in prop::collection::vec((any::<u64>(), 1_u64..300), 0..40)) {
            let (mut bins, mut other) = (Bins::default(), Bins::default());
            for (us, count) in counts {
                bins.put(place(us), count);
                other.add(us);
                prop_assert!(!(64..1 << 36).contains(&us) || middle(place(us)).abs_diff(us) <= us / 15);
            }
            let (mut read, mut dense) = (Bins::default(), Dense::default());
            read.read(&bins.write());
            dense.read(&bins.write());
            prop_assert_eq!(&read, &bins);
            read.read(&other.write());
            dense.read(&other.write());
            bins.merge(&other);
            prop_assert_eq!(dense.bins(), bins.clone());
            prop_assert_eq!(read, bins);
        }
    }
}
