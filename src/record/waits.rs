//! How long exchanges took, by the provider that was asked last: one row of histograms for each provider and core.
//!
//! A row is looked up by the provider's name when a snapshot is new and written by its core alone, with plain loads and
//! stores; whoever reads sums the rows of a name. Rows stay when a provider leaves the file, because a counter that
//! vanishes is read as a restart; beyond a bound of names the rest share one row.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::{Entry, NEVER_US};
use super::tally::Latency;
use crate::limits;

/// The histograms of one provider on one core.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Wait {
    /// To the first byte of the answer.
    pub first_byte: Latency,
    /// To the first token of a stream.
    pub first_token: Latency,
    /// Whole exchanges.
    pub total: Latency,
}

impl Wait {
    /// Counts a finished exchange. Only the core that the row belongs to may.
    #[inline]
    pub fn exchange(&self, entry: &Entry) {
        if entry.first_byte_us != NEVER_US {
            self.first_byte.add(u64::from(entry.first_byte_us));
        }
        if entry.first_token_us != NEVER_US {
            self.first_token.add(u64::from(entry.first_token_us));
        }
        self.total.add(entry.total_us);
    }
}

/// The rows of a name, by core.
type OfName = BTreeMap<u16, Arc<Wait>>;

/// All rows.
#[derive(Debug, Default)]
pub struct Waits(Mutex<BTreeMap<Box<str>, OfName>>);

impl Waits {
    /// No rows yet.
    pub const fn new() -> Waits {
        Waits(Mutex::new(BTreeMap::new()))
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Box<str>, OfName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a core for these providers, in their order. Asked when a snapshot is new, never for an exchange.
    pub fn of_core<'a>(&self, core: u16, providers: impl Iterator<Item = &'a str>) -> Box<[Arc<Wait>]> {
        let mut rows = self.rows();
        let row = |name: &'a str| {
            let known = rows.contains_key(name) || rows.len() < limits::WAIT_PROVIDERS_MAX;
            let name = if known { name } else { limits::OTHER_MODELS };
            Arc::clone(rows.entry(name.into()).or_default().entry(core).or_default())
        };
        providers.map(row).collect()
    }

    /// Every name with the rows of all cores, in the order of names.
    pub fn all(&self) -> Vec<(Box<str>, Vec<Arc<Wait>>)> {
        self.rows().iter().map(|(name, rows)| (name.clone(), rows.values().cloned().collect())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RequestId;

    fn took(total_us: u64, first_token_us: u32) -> Entry {
        Entry { total_us, first_token_us, ..Entry::begun(RequestId::new(1, 0, 0, 0), 1, 1) }
    }

    #[test]
    fn cores_have_rows_of_their_own_and_keep_them_over_snapshots() {
        let waits = Waits::new();
        let first = waits.of_core(0, ["p", "q"].into_iter());
        first[0].exchange(&took(70, 10));
        waits.of_core(1, ["p"].into_iter())[0].exchange(&took(70, NEVER_US));
        let again = waits.of_core(0, ["q", "p"].into_iter());
        again[1].exchange(&took(70, NEVER_US));
        let all = waits.all();
        assert_eq!(all.iter().map(|(name, rows)| (&**name, rows.len())).collect::<Vec<_>>(), [("p", 2), ("q", 1)]);
        let totals: Vec<u64> = all[0].1.iter().map(|row| row.total.sum_us()).collect();
        assert_eq!(totals, [140, 70]);
        assert_eq!(all[0].1[0].first_token.count(0), 1);
        assert_eq!(all[0].1[0].first_byte.sum_us(), 0, "it never came");
    }

    #[test]
    fn names_beyond_the_bound_share_a_row() {
        let waits = Waits::new();
        let names: Vec<String> = (0..limits::WAIT_PROVIDERS_MAX + 2).map(|place| format!("p{place}")).collect();
        let rows = waits.of_core(0, names.iter().map(String::as_str));
        assert_eq!(waits.all().len(), limits::WAIT_PROVIDERS_MAX + 1);
        let last = limits::WAIT_PROVIDERS_MAX;
        assert!(!Arc::ptr_eq(&rows[last - 1], &rows[last]), "the last that has one of its own");
        assert!(Arc::ptr_eq(&rows[last], &rows[last + 1]));
    }
}
