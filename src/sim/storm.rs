//! Storms: for a while all keys of a provider are over their limit, a key dies, a provider comes and goes.
//!
//! Where the other histories have faults by lot, one request at a time, these have spells of them by the clock, as real
//! outages are; conversations go on through them.

use super::upstream::Deed;
use super::world::World;

/// What befalls a provider, or one of its keys, for a while.
#[derive(Clone, Debug)]
pub(super) struct Spell {
    /// The key, by the end of its secret; nothing for all.
    key: Option<String>,
    from_us: u64,
    to_us: u64,
    pub(super) ill: Ill,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// Every request is one too many; so many seconds to wait, as it says.
    Limited(u64),
    /// The key is no longer one.
    Rejected,
    /// Errors of its own.
    Broken,
    /// Nobody listens.
    Unreachable,
}

impl Spell {
    pub(super) fn is_on(&self, now_us: u64) -> bool {
        (self.from_us..self.to_us).contains(&now_us)
    }

    /// Whether a request with this authorization is met by it.
    pub(super) fn befalls(&self, authorization: &str) -> bool {
        self.key.as_ref().is_none_or(|key| authorization.ends_with(key.as_str()))
    }

    pub(super) fn deed(&self) -> Option<Deed> {
        match self.ill {
            Ill::Limited(seconds) => Some(Deed::Error(429, seconds)),
            Ill::Rejected => Some(Deed::Error(401, 0)),
            Ill::Broken => Some(Deed::Error(503, 0)),
            Ill::Unreachable => None,
        }
    }
}

/// How long the weather of a history is looked at.
const LASTS_MS: usize = 90_000;

/// The spells of a provider with so many keys.
pub(super) fn weather(world: &World, name: &str, keys: usize) -> Vec<Spell> {
    let mut spells = Vec::new();
    for _ in 0..world.below(4) {
        let from_us = world.now_us() + world.below(LASTS_MS) as u64 * 1_000;
        let for_us = (500 + world.below(30_000)) as u64 * 1_000;
        let one = world.once_in(2).then(|| format!("-{name}{}", world.below(keys)));
        let spell = |key, ill| Spell { key, from_us, to_us: from_us + for_us, ill };
        spells.push(match world.below(4) {
            0 => spell(None, Ill::Limited(1 + world.below(40) as u64)),
            1 => spell(one, Ill::Broken),
            2 => spell(None, Ill::Unreachable),
            // A key that has died stays dead.
            _ => Spell { to_us: u64::MAX, ..spell(Some(format!("-{name}{}", world.below(keys))), Ill::Rejected) },
        });
    }
    spells
}
