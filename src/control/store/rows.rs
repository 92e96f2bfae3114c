//! Exchanges that wait to be written, with the names of their time: one for a run of rows, for names seldom change.

use std::sync::Arc;

use crate::control::names::Names;
use crate::record::Entry;

/// Exchanges in the order in which they ended.
#[derive(Default)]
pub(crate) struct Rows {
    told: Vec<Entry>,
    /// The first row of each run, and the names of all of the run.
    runs: Vec<(usize, Arc<Names>)>,
}

impl Rows {
    pub(super) fn push(&mut self, told: &Entry, names: &Arc<Names>) {
        if self.runs.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, names)) {
            self.runs.push((self.told.len(), names.clone()));
        }
        self.told.push(*told);
    }

    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The runs of rows with the same names.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&[Entry], &Arc<Names>)> {
        let ends = self.runs.iter().skip(1).map(|(first, _)| *first).chain(std::iter::once(self.told.len()));
        self.runs.iter().zip(ends).map(|((first, names), end)| (&self.told[*first..end], names))
    }

    /// Takes in all of `more`.
    pub(super) fn append(&mut self, more: Rows) {
        if self.told.is_empty() {
            *self = more;
            return;
        }
        let here = self.told.len();
        self.told.extend_from_slice(&more.told);
        self.runs.extend(more.runs.into_iter().map(|(first, names)| (here + first, names)));
    }

    /// Keeps the last ones. Says how many went.
    pub(super) fn keep_last(&mut self, most: usize) -> u64 {
        let over = self.told.len().saturating_sub(most);
        self.told.drain(..over);
        let gone = self.runs.iter().rposition(|(first, _)| *first <= over).unwrap_or(0);
        self.runs.drain(..gone);
        self.runs.iter_mut().for_each(|(first, _)| *first = first.saturating_sub(over));
        over as u64
    }

    /// The place that they took, for others; nothing where they took none.
    pub(super) fn emptied(mut self) -> Option<Rows> {
        self.told.clear();
        self.runs.clear();
        (self.told.capacity() > 0).then_some(self)
    }

    /// Lets go of a place that is not needed.
    pub(super) fn forget(&mut self) {
        if self.told.is_empty() && self.told.capacity() > 0 {
            *self = Rows::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RequestId;

    fn rows(of: &[(u32, &Arc<Names>)]) -> Rows {
        let mut rows = Rows::default();
        for (nth, names) in of {
            rows.push(&Entry::begun(RequestId::new(1, 0, 0, *nth), 1, 1), names);
        }
        rows
    }

    fn told(rows: &Rows, names: [&Arc<Names>; 2]) -> Vec<(usize, u32)> {
        let of = |run: &Arc<Names>| names.iter().position(|known| Arc::ptr_eq(known, run)).expect("known");
        let runs = rows.runs().map(|(told, names)| (told, of(names)));
        runs.flat_map(|(told, of)| told.iter().map(move |entry| (of, entry.id.parts().3))).collect()
    }

    #[test]
    fn each_row_keeps_its_names() {
        let (a, b) = (Arc::default(), Arc::default());
        let mut all = rows(&[(1, &a), (2, &a), (3, &b)]);
        all.append(rows(&[(4, &b), (5, &a)]));
        assert_eq!(told(&all, [&a, &b]), [(0, 1), (0, 2), (1, 3), (1, 4), (0, 5)]);
        assert_eq!((all.keep_last(9), all.keep_last(3)), (0, 2));
        assert_eq!(told(&all, [&a, &b]), [(1, 3), (1, 4), (0, 5)]);
        assert_eq!(all.keep_last(2), 1);
        assert_eq!(told(&all, [&a, &b]), [(1, 4), (0, 5)]);
        assert_eq!(all.keep_last(0), 2);
        assert!(all.is_empty() && told(&all, [&a, &b]).is_empty());
        all.push(&Entry::begun(RequestId::new(1, 0, 0, 6), 1, 1), &b);
        assert_eq!(told(&all, [&a, &b]), [(1, 6)]);
        assert_eq!(told(&all.emptied().expect("it had one"), [&a, &b]), []);
        assert!(Rows::default().emptied().is_none());
    }
}
