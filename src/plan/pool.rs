//! Which key of a provider is used, and which after it.
//!
//! Keys stand in tiers by priority; those of weight 0 come behind all others. In the first tier where somebody may be
//! used, the provider's `balance` decides, except for a conversation: that has a key by hashing (the highest of all
//! hashes of it and a key), which is the same on all cores, and keeps it until the key fails. A pool belongs to one
//! core, so its turns are plain cells; what hangs on the moment is asked of [`Keys`]. Nothing here takes a lock or
//! allocates.

use std::cell::Cell;

use super::binding::{self, Bindings, Bound};
use super::front::{All, Front};
use super::share::Shares;
use crate::base::hash;
use crate::config::snapshot::{Affinity, Balance, KeyIx, ProviderIx, Snapshot};
use crate::limits;

/// Whether a key may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It may.
    Free,
    /// It is well, and as many requests are under way with it as may be.
    Full,
    /// It rests, has been tried, or is not for this model.
    Not,
}

/// What is known of keys at the moment.
pub trait Keys {
    /// Whether it may be used.
    fn state(&self, key: KeyIx) -> Use;
    /// Requests under way with it.
    fn busy(&self, key: KeyIx) -> u32;
    /// Its average time to the first token, microseconds, and when that was measured last, seconds.
    fn pace(&self, key: KeyIx) -> Option<(u32, u32)>;
    /// Whether that is the time of streams, which is another than that of whole answers.
    fn streamed(&self) -> bool;
}

/// The keys of one provider, as one core chooses among them.
#[derive(Debug)]
pub struct Pool {
    tiers: Box<[Tier]>,
    balance: Balance,
    affinity: Affinity,
    /// Tells apart what conversations are called at different providers.
    seed: u64,
    first: KeyIx,
    /// Fingerprints of all keys, by their places.
    fingerprints: Box<[u64]>,
}

#[derive(Debug)]
struct Tier {
    members: Box<[Member]>,
    shares: Option<Shares>,
    turn: Cell<u32>,
    /// Among many: how many requests under way are few, and for how many picks that counts.
    few: Cell<(u32, u32)>,
    /// Who is fast with whole answers, and with streams; empty where nobody asks.
    speeds: Box<[Speed]>,
}

/// The keys of a tier by their speed.
#[derive(Debug)]
struct Speed {
    turn: Cell<u32>,
    fastest: Front,
    oldest: Front,
}

#[derive(Debug)]
struct Member {
    key: KeyIx,
    fingerprint: u64,
    weight: u32,
}

impl Pool {
    /// The pool of a provider. Cores begin at different places, so that few requests on many cores spread too.
    pub fn new(s: &Snapshot, provider: ProviderIx, core: u16, fingerprint: impl Fn(KeyIx) -> u64) -> Pool {
        let known = &s.providers[usize::from(provider)];
        let mut keys: Vec<KeyIx> = s.keys_of(provider).filter(|(_, key)| !key.disabled).map(|(key, _)| key).collect();
        let key = |index: KeyIx| &s.keys[usize::from(index)];
        let tier = |index: &KeyIx| (key(*index).weight == 0, key(*index).priority);
        keys.sort_by_key(tier);
        let tiers = keys.chunk_by(|a, b| tier(a) == tier(b)).map(|keys| {
            let member = |&index: &KeyIx| Member {
                key: index,
                fingerprint: fingerprint(index),
                weight: key(index).weight.max(1),
            };
            Tier::new(keys.iter().map(member).collect(), known.balance, core)
        });
        Pool {
            tiers: tiers.collect(),
            balance: known.balance,
            affinity: known.affinity,
            seed: hash::of(0, known.name.as_bytes()),
            first: known.keys.start,
            fingerprints: known.keys.clone().map(&fingerprint).collect(),
        }
    }

    /// What keeps a conversation on its key; nothing where there is no choice.
    pub fn affinity(&self) -> Affinity {
        match &*self.tiers {
            [] => Affinity::None,
            [tier] if tier.members.len() < 2 => Affinity::None,
            _ => self.affinity,
        }
    }

    /// The key for the next attempt; nothing if none may be used. A conversation that had none is bound to it.
    pub fn pick(&self, keys: &impl Keys, conversation: Option<u64>, bindings: &Bindings) -> Option<KeyIx> {
        if let Some(conversation) = conversation {
            return self.bound(keys, hash::mix(conversation, self.seed), bindings);
        }
        self.tiers.iter().find_map(|tier| match self.balance {
            Balance::RoundRobin => tier.in_turn(keys),
            Balance::Weighted => tier.in_proportion(keys),
            Balance::FillFirst => tier.first(keys),
            Balance::LeastBusy => tier.least_busy(keys),
            Balance::Fastest => tier.fastest(keys),
        })
    }

    fn bound(&self, keys: &impl Keys, conversation: u64, bindings: &Bindings) -> Option<KeyIx> {
        let known = bindings.get(conversation).and_then(|bound| self.find(bound));
        let state = known.map(|key| keys.state(key));
        if let (Some(key), Some(Use::Free)) = (known, state) {
            return Some(key);
        }
        // Where the key is full, another helps out for this once.
        let mut helps_out = state == Some(Use::Full);
        let (tier, place) = self.tiers.iter().find_map(|tier| {
            let (place, passed_over) = tier.highest(keys, conversation, self.balance)?;
            helps_out |= passed_over;
            Some((tier, place))
        })?;
        let member = &tier.members[place];
        if !helps_out {
            bindings.set(conversation, Bound { key: member.key, mark: binding::mark(member.fingerprint) });
        }
        Some(member.key)
    }

    /// The key of a binding, which may have another place since.
    fn find(&self, bound: Bound) -> Option<KeyIx> {
        let is = |fingerprint: &u64| binding::mark(*fingerprint) == bound.mark;
        let stood = bound.key.checked_sub(self.first).map(usize::from);
        if stood.and_then(|place| self.fingerprints.get(place)).is_some_and(is) {
            return Some(bound.key);
        }
        let place = self.fingerprints.iter().position(is)?;
        Some(self.first + place as KeyIx)
    }
}

impl Tier {
    fn new(mut members: Vec<Member>, balance: Balance, core: u16) -> Tier {
        let mut shares = None;
        if balance == Balance::Weighted {
            members.sort_by_key(|member| std::cmp::Reverse(member.weight));
            let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
            let made = Shares::new(&weights);
            (0..core).for_each(|_| _ = made.next());
            shares = Some(made);
        }
        let first = u32::from(core) % members.len() as u32;
        let front = || Front::new(members.len().min(limits::POOL_FRONT));
        let speed = |_| Speed { turn: Cell::new(first), fastest: front(), oldest: front() };
        let speeds = if balance == Balance::Fastest { (0..2).map(speed).collect() } else { Box::default() };
        Tier { members: members.into(), shares, turn: Cell::new(first), few: Cell::new((0, 0)), speeds }
    }

    /// One after the other. The turn passes behind the one that was taken, so that nobody inherits the turns of one
    /// that rests.
    fn in_turn(&self, keys: &impl Keys) -> Option<KeyIx> {
        let len = self.members.len() as u32;
        let mut place = self.turn.get();
        for _ in 0..len {
            let next = if place + 1 == len { 0 } else { place + 1 };
            let key = self.members[place as usize].key;
            if keys.state(key) == Use::Free {
                self.turn.set(next);
                return Some(key);
            }
            place = next;
        }
        None
    }

    /// By weight. The turns of one that rests are nobody's, which leaves the proportions of the others; where they
    /// are most of all turns, a lot decides.
    fn in_proportion(&self, keys: &impl Keys) -> Option<KeyIx> {
        let shares = self.shares.as_ref()?;
        for _ in 0..limits::POOL_SKIPS_MAX {
            let key = self.members[shares.next()?].key;
            if keys.state(key) == Use::Free {
                return Some(key);
            }
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let weight = |member: &&Member| u64::from(member.weight);
        let free = || self.members.iter().filter(|member| keys.state(member.key) == Use::Free);
        let total: u64 = free().map(|member| weight(&member)).sum();
        let mut lot = hash::mix(u64::from(turn), total).checked_rem(total)?;
        let drawn = free().find(|member| {
            let is_drawn = lot < weight(member);
            lot = lot.saturating_sub(weight(member));
            is_drawn
        });
        drawn.map(|member| member.key)
    }

    fn first(&self, keys: &impl Keys) -> Option<KeyIx> {
        self.members.iter().map(|member| member.key).find(|&key| keys.state(key) == Use::Free)
    }

    /// The one with the fewest requests under way; of equals the next in turn. Among many the next in turn that has no
    /// more than the fewest when all were looked at last.
    fn least_busy(&self, keys: &impl Keys) -> Option<KeyIx> {
        let len = self.members.len() as u32;
        let (few, picks) = self.few.get();
        let few = if picks > 0 { few } else { 0 };
        let (first, mut place) = (self.turn.get(), self.turn.get());
        let mut best: Option<(u32, u32)> = None;
        loop {
            let key = self.members[place as usize].key;
            let busy = keys.busy(key);
            if best.is_none_or(|(least, _)| busy < least) && keys.state(key) == Use::Free {
                best = Some((busy, place));
                if busy <= few {
                    break;
                }
            }
            place = if place + 1 == len { 0 } else { place + 1 };
            if place == first {
                break;
            }
        }
        let (busy, place) = best?;
        if len > limits::POOL_LOOKS_AT_ALL {
            self.few.set(if busy <= few && picks > 0 { (few, picks - 1) } else { (busy, len / 4) });
        }
        self.turn.set(if place + 1 == len { 0 } else { place + 1 });
        Some(self.members[place as usize].key)
    }

    /// The shortest average first, what was never measured last; now and then the one measured longest ago.
    fn fastest(&self, keys: &impl Keys) -> Option<KeyIx> {
        let speed = self.speeds.get(usize::from(keys.streamed()))?;
        let turn = speed.turn.get().wrapping_add(1);
        speed.turn.set(turn);
        let (count, key) = (self.members.len() as u32, |place: u32| self.members[place as usize].key);
        let is_free = |place| keys.state(key(place)) == Use::Free;
        let lasts = limits::POOL_LOOK_EVERY.max(count / 4);
        let place = if turn.is_multiple_of(limits::PACE_TRIAL_EVERY) {
            let measure = |place| keys.pace(key(place)).map_or(0, |(_, measured)| measured);
            let lasts = lasts * limits::PACE_TRIAL_EVERY;
            let tried = speed.oldest.unchanged(&All { count, is_free, measure, turn, lasts });
            tried.inspect(|&place| speed.fastest.watch(place))
        } else {
            let measure = |place| keys.pace(key(place)).map_or(u32::MAX, |(average, _)| average);
            speed.fastest.least(&All { count, is_free, measure, turn, lasts })
        };
        place.map(key)
    }

    /// Rendezvous: the place of the free key whose hash with the conversation is the highest, weighted where weights
    /// count, and whether one with a higher one was passed over because it is full.
    fn highest(&self, keys: &impl Keys, conversation: u64, balance: Balance) -> Option<(usize, bool)> {
        let is_weighted = balance == Balance::Weighted;
        let (mut best, mut full): (Option<(u64, usize)>, u64) = (None, 0);
        for (place, member) in self.members.iter().enumerate() {
            let drawn = hash::mix(conversation, member.fingerprint);
            let score = if is_weighted { weighted(drawn, member.weight) } else { drawn };
            if best.is_some_and(|(highest, _)| score <= highest) {
                continue;
            }
            match keys.state(member.key) {
                Use::Free => best = Some((score, place)),
                Use::Full => full = full.max(score),
                Use::Not => {}
            }
        }
        best.map(|(score, place)| (place, full > score))
    }
}

/// A score that is the highest of all as often as the weight says: w / -ln(u) for u drawn from (0, 1). Scores are
/// compared as bits, whose order is that of positive numbers.
fn weighted(drawn: u64, weight: u32) -> u64 {
    let unit = ((drawn >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    (f64::from(weight) / -unit.ln()).to_bits()
}

#[cfg(test)]
#[path = "pool_test.rs"]
mod tests;
