//! Whose turn it is, in proportion to weights, exactly.
//!
//! The j-th request of somebody with the share w/W has a window, from slot floor(j W/w) to slot ceil((j+1) W/w), and of
//! all whose window is open the one whose window ends first has the slot. No window is ever missed (Baruah, Cohen,
//! Plaxton, Varvel: Proportionate progress, 1996), so that after any number of slots nobody is a whole request ahead
//! of its share or behind it. Equals stand in one group that has a turn of its own inside, which keeps this true and
//! makes a slot cost as many steps as there are different weights. One core has one; there are no locks in it.

use std::cell::Cell;

/// A schedule over places `0..n`, equal weights side by side.
#[derive(Debug)]
pub struct Shares {
    groups: Box<[Group]>,
    total: u64,
    slot: Cell<u64>,
}

#[derive(Debug)]
struct Group {
    first: u32,
    len: u32,
    weight: u64,
    /// Slots that it has had since the schedule began.
    given: Cell<u64>,
    /// Whose turn it is inside.
    turn: Cell<u32>,
}

/// Products of two numbers up to this are whole in 64 bits.
const TOTAL_MAX: u64 = 1 << 31;

impl Shares {
    /// A schedule for `weights`, none of which is 0.
    pub fn new(weights: &[u32]) -> Shares {
        let mut first = 0;
        let mut groups: Vec<Group> = weights
            .chunk_by(|a, b| a == b)
            .map(|equal| {
                let len = equal.len() as u32;
                let weight = u64::from(equal[0]) * u64::from(len);
                first += len;
                Group { first: first - len, len, weight, given: Cell::new(0), turn: Cell::new(0) }
            })
            .collect();
        let divisor = groups.iter().fold(0, |divisor, group| gcd(divisor, group.weight)).max(1);
        groups.iter_mut().for_each(|group| group.weight /= divisor);
        // Beyond this shares are right to one in some hundred millions.
        while groups.iter().map(|group| group.weight).sum::<u64>() > TOTAL_MAX {
            groups.iter_mut().for_each(|group| group.weight = group.weight.div_ceil(2));
        }
        let total = groups.iter().map(|group| group.weight).sum();
        Shares { groups: groups.into(), total, slot: Cell::new(0) }
    }

    /// The place whose turn it is; the turn passes on. Nothing where there are no places.
    #[inline]
    pub fn next(&self) -> Option<usize> {
        let slot = self.slot.get() + 1;
        let mut chosen: Option<&Group> = None;
        for group in &self.groups {
            let given = group.given.get();
            let is_open = given * self.total < slot * group.weight;
            let ends_first =
                chosen.is_none_or(|other| (given + 1) * other.weight < (other.given.get() + 1) * group.weight);
            if is_open && ends_first {
                chosen = Some(group);
            }
        }
        let group = chosen?;
        group.given.set(group.given.get() + 1);
        if slot == self.total {
            // Everybody has had what was due: from here on it is all the same again.
            self.groups.iter().for_each(|group| group.given.set(0));
            self.slot.set(0);
        } else {
            self.slot.set(slot);
        }
        let turn = group.turn.get();
        group.turn.set(if turn + 1 == group.len { 0 } else { turn + 1 });
        Some((group.first + turn) as usize)
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        let weight = prop_oneof![1_u32..8, 1_u32..1_000, Just(1), Just(1_000_000)];
        prop::collection::vec(weight, 1..24).prop_map(|mut weights| {
            weights.sort_unstable_by_key(|weight| std::cmp::Reverse(*weight));
            weights
        })
    }

    proptest! {
        /// After any number of slots everybody is less than one request from its share, so that any window of them
        /// holds less than two more or fewer.
        #[test]
        fn nobody_is_a_request_from_its_share(weights in weights(), slots in 1_usize..3_000) {
            let shares = Shares::new(&weights);
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            let mut had = vec![0_f64; weights.len()];
            for slot in 1..=slots {
                had[shares.next().unwrap()] += 1.0;
                for (had, weight) in had.iter().zip(&weights) {
                    let due = slot as f64 * f64::from(*weight) / total;
                    prop_assert!((had - due).abs() < 1.0 + 1e-6, "{weights:?} at {slot}: {had} for {due}");
                }
            }
        }

        /// Of two, or of any number of equals, every window holds what is due, within one.
        #[test]
        fn windows_of_two_are_within_one(a in 1_u32..50, b in 1_u32..50, from in 0_usize..200, len in 1_usize..200) {
            let weights = [a.max(b), a.min(b)];
            let shares = Shares::new(&weights);
            let order: Vec<usize> = (0..from + len).filter_map(|_| shares.next()).collect();
            let had = order[from..].iter().filter(|&&place| place == 0).count() as f64;
            let due = len as f64 * f64::from(weights[0]) / f64::from(a + b);
            prop_assert!((had - due).abs() <= 1.0 + 1e-6, "{weights:?}: {had} for {due}");
        }
    }

    #[test]
    fn a_whole_round_gives_what_is_due_and_begins_anew() {
        let shares = Shares::new(&[5, 1, 1]);
        let round: Vec<usize> = (0..7).filter_map(|_| shares.next()).collect();
        let again: Vec<usize> = (0..7).filter_map(|_| shares.next()).collect();
        assert_eq!(round.iter().filter(|&&place| place == 0).count(), 5);
        assert_eq!(round, again);
        assert!(!round.windows(5).any(|run| run.iter().all(|&place| place == 0)), "{round:?}: spread, not in a row");
        assert_eq!(Shares::new(&[]).next(), None);
    }

    #[test]
    fn the_greatest_weights_do_not_overflow() {
        let mut weights = vec![1_000_000; limits()];
        weights.extend([3, 1]);
        let shares = Shares::new(&weights);
        assert!(shares.total <= TOTAL_MAX);
        (0..200_000).for_each(|_| assert!(shares.next().is_some()));
    }

    fn limits() -> usize {
        crate::limits::CONFIG_ENTRIES_MAX - 2
    }
}
