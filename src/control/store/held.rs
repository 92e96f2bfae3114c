//! Sums that wait to be written: by whom, of what and in which minute; coarser where there are many of them.
//!
//! Beyond their bound they are kept by the day, and beyond that the models of new ones are summed as one. So what waits
//! is bounded by what the configuration names, however long a disk stays full, and no number is lost.

use std::sync::Arc;

use ahash::AHashMap;

use super::feed::Named;
use super::sums::Sums;
use crate::control::names::Names;
use crate::limits;
use crate::record::{Model, Numbers, SumKey};

/// What can be summed.
pub(crate) trait Sum: Default {
    /// Adds all of `more`.
    fn merge(&mut self, more: &Self);
}

impl Sum for Numbers {
    fn merge(&mut self, more: &Numbers) {
        self.add(more);
    }
}

impl Sum for Sums {
    fn merge(&mut self, more: &Sums) {
        Sums::merge(self, more);
    }
}

/// Places in which a sum is found again without a hash.
const NEAR: usize = 64;

/// Such sums.
pub(crate) struct Held<T> {
    sums: Vec<(SumKey, Named<T>)>,
    /// Where each one is.
    by_key: AHashMap<SumKey, usize>,
    /// Where the last one of some lot was.
    near: [u32; NEAR],
    by_day: bool,
}

impl<T> Default for Held<T> {
    fn default() -> Held<T> {
        Held { sums: Vec::new(), by_key: AHashMap::new(), near: [0; NEAR], by_day: false }
    }
}

impl<T: Sum> Held<T> {
    /// The sum that what is of `key` is added to.
    pub(super) fn of(&mut self, key: SumKey, names: &Arc<Names>) -> &mut T {
        let lot = key.lot() % NEAR;
        let near = self.near[lot] as usize;
        let at = match self.sums.get(near) {
            Some((known, _)) if *known == key => near,
            _ => {
                let key = self.place(key);
                let at = self.at(key, names);
                self.near[lot] = at as u32;
                at
            }
        };
        &mut self.sums[at].1.told
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SumKey, &Named<T>)> {
        self.sums.iter().map(|(key, sum)| (key, sum))
    }

    fn has_room(&self, key: &SumKey) -> bool {
        self.sums.len() < limits::STORE_SUMS_HELD || self.by_key.contains_key(key)
    }

    fn place(&mut self, key: SumKey) -> SumKey {
        if !self.by_day && !self.has_room(&key) {
            let finer = std::mem::replace(self, Held { by_day: true, ..Held::default() });
            for (key, sum) in finer.sums {
                let at = self.at(key.by_day(), &sum.names);
                self.sums[at].1.told.merge(&sum.told);
            }
        }
        let key = if self.by_day { key.by_day() } else { key };
        if self.has_room(&key) { key } else { SumKey { model: Model::new(limits::OTHER_MODELS), ..key } }
    }

    /// Where the sum of exactly this key is.
    fn at(&mut self, key: SumKey, names: &Arc<Names>) -> usize {
        let Held { sums, by_key, .. } = self;
        *by_key.entry(key).or_insert_with(|| {
            sums.push((key, Named { told: T::default(), names: names.clone() }));
            sums.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RequestId;
    use crate::record::Entry;

    fn add(held: &mut Held<Numbers>, change: impl FnOnce(&mut Entry)) {
        let mut entry = Entry::begun(RequestId::new(1, 0, 0, 7), 0, 1);
        change(&mut entry);
        let names = Arc::default();
        held.of(SumKey::of(&entry), &names).merge(&Numbers::of(&entry));
    }

    fn requests(held: &Held<Numbers>) -> usize {
        held.iter().map(|(_, sum)| sum.told.requests as usize).sum()
    }

    #[test]
    fn minutes_become_days_where_there_are_too_many() {
        let mut held = Held::default();
        let minute = |nth: usize| move |entry: &mut Entry| entry.unix_ms = nth as u64 * 60_000;
        (0..limits::STORE_SUMS_HELD).for_each(|nth| add(&mut held, minute(nth)));
        add(&mut held, minute(0));
        assert_eq!(held.sums.len(), limits::STORE_SUMS_HELD, "at the bound, and one that is there");
        add(&mut held, minute(limits::STORE_SUMS_HELD));
        assert_eq!(held.sums.len(), limits::STORE_SUMS_HELD / (24 * 60) + 1);
        add(&mut held, minute(7));
        assert_eq!(requests(&held), limits::STORE_SUMS_HELD + 3);
    }

    #[test]
    fn models_become_one_where_days_are_too_many() {
        let mut held = Held::default();
        let model = |nth: usize| move |entry: &mut Entry| entry.model_sent = Model::new(&format!("m{nth}"));
        (0..limits::STORE_SUMS_HELD).for_each(|nth| add(&mut held, model(nth)));
        assert_eq!(held.sums.len(), limits::STORE_SUMS_HELD);
        (0..9).for_each(|nth| add(&mut held, model(limits::STORE_SUMS_HELD + nth)));
        add(&mut held, model(0));
        assert_eq!(held.sums.len(), limits::STORE_SUMS_HELD + 1);
        let other = held.iter().find(|(key, _)| key.model.as_str() == limits::OTHER_MODELS).expect("one");
        assert_eq!((other.1.told.requests, requests(&held)), (9, limits::STORE_SUMS_HELD + 10));
    }
}
