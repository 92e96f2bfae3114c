//! The first few of many by some measure, in order, as they were when all were looked at last.
//!
//! Looking at every key of a large pool takes longer than a pick may, so a front of them is kept, with what was known of
//! each. Whoever picks says what is known now: a front that has got out of order is put in order again, and all are
//! looked at anew when nobody in it may be used, and after a number of turns. It belongs to one core.

use std::cell::Cell;

/// Places with their measures, least first.
#[derive(Debug)]
pub(super) struct Front {
    entries: Box<[Cell<(u32, u32)>]>,
    len: Cell<usize>,
    /// The turn from which it no longer counts.
    until: Cell<u32>,
    /// Somebody, of the front or not, who is looked at with each pick.
    watched: Cell<u32>,
}

/// Of whom it is a front.
pub(super) struct All<F, V> {
    /// How many there are.
    pub(super) count: u32,
    /// Whether the one at a place may be used.
    pub(super) is_free: F,
    /// The measure of the one at a place.
    pub(super) measure: V,
    /// Whose turn it is now, and for how many it counts what is seen in it.
    pub(super) turn: u32,
    pub(super) lasts: u32,
}

impl Front {
    /// One of `most` at most.
    pub(super) fn new(most: usize) -> Front {
        Front {
            entries: vec![Cell::new((0, 0)); most].into(),
            len: Cell::new(0),
            until: Cell::new(0),
            watched: Cell::new(0),
        }
    }

    /// Looks with each pick whether the one at `place` has become the first: it has been given a chance.
    pub(super) fn watch(&self, place: u32) {
        self.watched.set(place);
    }

    /// The free one with the least measure.
    #[inline]
    pub(super) fn least(&self, all: &All<impl Fn(u32) -> bool, impl Fn(u32) -> u32>) -> Option<u32> {
        let known = self.known(all.turn);
        for (at, entry) in known.iter().enumerate() {
            let (place, _) = entry.get();
            if !(all.is_free)(place) {
                continue;
            }
            let (measure, watched) = ((all.measure)(place), self.watched.get());
            if (all.measure)(watched) < measure && (all.is_free)(watched) {
                break;
            }
            match known.get(at + 1) {
                Some(next) if measure > next.get().1 => {
                    self.sort(&all.measure);
                    return known.iter().map(|entry| entry.get().0).find(|&place| (all.is_free)(place));
                }
                _ => return Some(place),
            }
        }
        self.look(all)
    }

    /// The free one that had the least measure and has it still.
    pub(super) fn unchanged(&self, all: &All<impl Fn(u32) -> bool, impl Fn(u32) -> u32>) -> Option<u32> {
        let known = self.known(all.turn).iter().map(Cell::get);
        let mut same = known.filter(|&(place, was)| (all.measure)(place) == was && (all.is_free)(place));
        same.next().map(|(place, _)| place).or_else(|| self.look(all))
    }

    fn known(&self, turn: u32) -> &[Cell<(u32, u32)>] {
        let is_fresh = self.until.get().wrapping_sub(turn) as i32 > 0;
        if is_fresh { &self.entries[..self.len.get()] } else { &[] }
    }

    /// Looks at all of them; the first.
    #[cold]
    fn look(&self, all: &All<impl Fn(u32) -> bool, impl Fn(u32) -> u32>) -> Option<u32> {
        let (most, mut len) = (self.entries.len(), 0);
        for place in 0..all.count {
            let measure = (all.measure)(place);
            let is_behind = len == most && measure >= self.entries[most - 1].get().1;
            if is_behind || !(all.is_free)(place) {
                continue;
            }
            len = most.min(len + 1);
            self.entries[len - 1].set((place, measure));
            self.sink(len - 1);
        }
        self.len.set(len);
        self.until.set(all.turn.wrapping_add(all.lasts));
        self.entries[..len].first().map(|entry| entry.get().0)
    }

    /// Puts all of it in order by what is known now.
    #[cold]
    fn sort(&self, measure: impl Fn(u32) -> u32) {
        for (at, entry) in self.entries[..self.len.get()].iter().enumerate() {
            let (place, _) = entry.get();
            entry.set((place, measure(place)));
            self.sink(at);
        }
    }

    /// Moves the entry at `at` forward to where it belongs among those before it, behind its equals.
    fn sink(&self, at: usize) {
        let entry = self.entries[at].get();
        let mut at = at;
        while at > 0 && self.entries[at - 1].get().1 > entry.1 {
            self.entries[at].set(self.entries[at - 1].get());
            at -= 1;
        }
        self.entries[at].set(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    struct Bench {
        front: Front,
        free: RefCell<Vec<bool>>,
        measures: RefCell<Vec<u32>>,
        /// How often a measure was asked for.
        asked: Cell<usize>,
        turn: Cell<u32>,
    }

    impl Bench {
        fn new(most: usize, measures: &[u32]) -> Bench {
            let free = RefCell::new(vec![true; measures.len()]);
            let (asked, turn) = (Cell::new(0), Cell::new(u32::MAX - 3));
            Bench { front: Front::new(most), free, measures: RefCell::new(measures.to_vec()), asked, turn }
        }

        fn pick(&self, unchanged: bool, lasts: u32) -> Option<usize> {
            self.turn.set(self.turn.get().wrapping_add(1));
            let all = All {
                count: self.measures.borrow().len() as u32,
                is_free: |place: u32| self.free.borrow()[place as usize],
                measure: |place: u32| {
                    self.asked.set(self.asked.get() + 1);
                    self.measures.borrow()[place as usize]
                },
                turn: self.turn.get(),
                lasts,
            };
            let place = if unchanged { self.front.unchanged(&all) } else { self.front.least(&all) };
            place.map(|place| place as usize)
        }
    }

    #[test]
    fn all_are_looked_at_once_in_a_while() {
        let measures: Vec<u32> = (0..1_000).rev().collect();
        let bench = Bench::new(4, &measures);
        assert_eq!(bench.pick(false, 100), Some(999));
        assert_eq!(bench.asked.replace(0), 1_000);
        (1..100).for_each(|_| assert_eq!(bench.pick(false, 100), Some(999)));
        assert_eq!(bench.asked.replace(0), 198, "two measures for a pick");
        assert_eq!(bench.pick(false, 100), Some(999));
        assert_eq!(bench.asked.replace(0), 1_000);
    }

    #[test]
    fn one_that_got_slower_or_may_not_be_used_gives_way_at_once() {
        let bench = Bench::new(3, &[30, 10, 20, 40]);
        assert_eq!(bench.pick(false, 1_000), Some(1));
        bench.measures.borrow_mut()[1] = 25;
        assert_eq!(bench.pick(false, 1_000), Some(2));
        bench.free.borrow_mut()[2] = false;
        assert_eq!(bench.pick(false, 1_000), Some(1));
        *bench.free.borrow_mut() = vec![false, false, false, true];
        assert_eq!(bench.pick(false, 1_000), Some(3), "who was not in the front is looked for");
        bench.free.borrow_mut()[3] = false;
        assert_eq!(bench.pick(false, 1_000), None);
    }

    #[test]
    fn who_is_watched_leads_as_soon_as_it_is_the_first() {
        let bench = Bench::new(2, &[30, 10, 20, 40]);
        assert_eq!(bench.pick(false, 1_000), Some(1));
        bench.front.watch(3);
        assert_eq!(bench.pick(false, 1_000), Some(1));
        bench.measures.borrow_mut()[3] = 5;
        bench.free.borrow_mut()[3] = false;
        assert_eq!(bench.pick(false, 1_000), Some(1));
        bench.free.borrow_mut()[3] = true;
        assert_eq!(bench.pick(false, 1_000), Some(3));
        bench.asked.set(0);
        assert_eq!(bench.pick(false, 1_000), Some(3));
        assert!(bench.asked.get() <= 2, "all were looked at once");
    }

    #[test]
    fn what_was_measured_since_is_passed_over() {
        let bench = Bench::new(2, &[5, 1, 3]);
        assert_eq!(bench.pick(true, 1_000), Some(1));
        assert_eq!(bench.pick(true, 1_000), Some(1), "as long as it is the same");
        bench.measures.borrow_mut()[1] = 9;
        assert_eq!(bench.pick(true, 1_000), Some(2));
        bench.measures.borrow_mut()[2] = 9;
        assert_eq!(bench.pick(true, 1_000), Some(0));
    }

    proptest! {
        /// Somebody free is found if there is anybody, and nobody else; where the front holds all, it is the least.
        #[test]
        fn the_least_free_one_is_found(
            measures in prop::collection::vec(0_u32..6, 1..20),
            changes in prop::collection::vec((0_usize..20, 0_u32..6, any::<bool>()), 0..40),
            most in 1_usize..20,
        ) {
            let bench = Bench::new(most, &measures);
            for (place, measure, free) in changes {
                let place = place % measures.len();
                bench.free.borrow_mut()[place] = free;
                // Who is not picked is not measured: a change is one of the last pick, or makes slower.
                let now = bench.measures.borrow()[place];
                bench.measures.borrow_mut()[place] = now.max(measure);
                let picked = bench.pick(false, 3);
                prop_assert_eq!(picked.is_some(), bench.free.borrow().contains(&true));
                prop_assert!(picked.is_none_or(|place| bench.free.borrow()[place]));
            }
        }
    }
}
