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

    /// How far the places get from what is due to them, in requests times the sum of the weights: before and ahead
    /// over prefixes of a schedule. The difference of both is the worst of all windows.
    fn astray(weights: &[u32], slots: usize) -> Vec<(i128, i128)> {
        let shares = Shares::new(weights);
        let total: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
        let mut now = vec![0_i128; weights.len()];
        let mut worst = vec![(0, 0); weights.len()];
        for _ in 0..slots {
            let chosen = shares.next().unwrap();
            for (place, &weight) in weights.iter().enumerate() {
                now[place] += if place == chosen { total } else { 0 } - i128::from(weight);
                worst[place] = (now[place].min(worst[place].0), now[place].max(worst[place].1));
            }
        }
        worst
    }

    proptest! {
        /// After any number of slots everybody is less than one request from its share, and so any window of them
        /// holds less than two more or fewer.
        #[test]
        fn nobody_is_a_request_from_its_share(weights in weights(), slots in 1_usize..3_000) {
            let total: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
            for (behind, ahead) in astray(&weights, slots) {
                prop_assert!(-behind < total && ahead < total, "{weights:?}: {behind} to {ahead} of {total}");
                prop_assert!(ahead - behind < 2 * total);
            }
        }

        /// Of weights with two values, however many of each, any window holds what is due, less than one more or fewer.
        #[test]
        fn windows_of_two_weights_are_within_one(a in 1_u32..50, b in 1_u32..50, many in 1_usize..6, more in 0_usize..6) {
            let mut weights = vec![a.max(b); many];
            weights.extend(vec![a.min(b); more]);
            let total: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
            for (behind, ahead) in astray(&weights, 1_000) {
                prop_assert!(ahead - behind < total, "{weights:?}: {behind} to {ahead} of {total}");
            }
        }
    }

    /// The longest order of places, up to `most` slots, in which no window is further than one request from what is
    /// due; with `strictly`, not even that far. All orders are gone through.
    fn longest_within_one(weights: [i32; 3], strictly: bool, most: usize) -> usize {
        let total: i32 = weights.iter().sum();
        let room = total - i32::from(strictly);
        // Where each place stands, and the least and the most that it has stood at.
        let mut orders = vec![(0, [(0, 0, 0); 3])];
        let mut longest = 0;
        while let Some((slots, places)) = orders.pop() {
            longest = longest.max(slots);
            for chosen in 0..if slots < most { 3 } else { 0 } {
                let mut next = places;
                for (place, (now, least, greatest)) in next.iter_mut().enumerate() {
                    *now += if place == chosen { total } else { 0 } - weights[place];
                    (*least, *greatest) = ((*least).min(*now), (*greatest).max(*now));
                }
                if next.iter().all(|&(_, least, greatest)| greatest - least <= room) {
                    orders.push((slots + 1, next));
                }
            }
        }
        longest
    }

    /// Why three different weights are promised less: no order whatever could keep windows within one.
    #[test]
    fn three_weights_cannot_have_more() {
        assert_eq!(longest_within_one([3, 2, 1], true, 100), 4);
        assert_eq!(longest_within_one([5, 4, 2], false, 100), 9);
        assert_eq!(longest_within_one([4, 2, 1], true, 30), 30, "the only three that can");
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
