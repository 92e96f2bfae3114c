//! In which order the targets of one list are tried.
//!
//! Models of one alias take turns whatever the route says. Over the list itself the route's `spread` decides: as
//! written, in turn, by release, or by measured time to the first token. A pool counts as one place of the list.

use std::cell::Cell;

use smallvec::SmallVec;

use super::pace::Paces;
use super::route::{Chosen, Target};
use crate::config::snapshot::{NO_TURN, Snapshot, Spread, TurnIx};
use crate::limits;

/// The counters of one core, by turn.
#[derive(Debug, Default)]
pub struct Turns(Box<[Cell<u32>]>);

impl Turns {
    /// Counters for a snapshot. Cores begin at different places, so that few requests on many cores spread too.
    pub fn new(s: &Snapshot, core: u16) -> Turns {
        Turns((0..s.turns).map(|_| Cell::new(u32::from(core))).collect())
    }

    fn next(&self, turn: TurnIx) -> u32 {
        self.0.get(usize::from(turn)).map_or(0, |count| count.replace(count.get().wrapping_add(1)))
    }
}

/// What the order hangs on beside the list.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// This core's counters.
    pub turns: &'a Turns,
    /// What has been measured.
    pub paces: &'a Paces,
    /// Whether the answer will be a stream.
    pub streamed: bool,
}

/// Puts the targets in the order in which they are to be tried.
pub fn arrange(s: &Snapshot, chosen: &mut Chosen<'_>, now: Now<'_>) {
    let targets = &mut chosen.targets[..];
    if targets.len() < 2 {
        return;
    }
    for pool in targets.chunk_by_mut(is_one_pool) {
        if pool.len() > 1 {
            let places = pool.len() as u32;
            pool.rotate_left((now.turns.next(pool[0].pool) % places) as usize);
        }
    }
    let (Some(turn), Some(route)) = (chosen.turn, chosen.route) else { return };
    match s.routes[usize::from(route)].spread {
        Spread::Ordered => {}
        Spread::RoundRobin => {
            let starts: SmallVec<[usize; 8]> = targets
                .chunk_by(is_one_pool)
                .scan(0, |at, pool| Some(std::mem::replace(at, *at + pool.len())))
                .collect();
            let first = starts[now.turns.next(turn) as usize % starts.len()];
            targets.rotate_left(first);
        }
        Spread::Latest => {
            let released = |target: &Target<'_>| {
                let provider = &s.providers[usize::from(target.provider)];
                provider.upstream(target.model).and_then(|model| model.released_unix_ms)
            };
            targets.sort_by_key(|target| std::cmp::Reverse(released(target)));
        }
        Spread::Fastest => fastest(s, targets, turn, now),
    }
}

fn is_one_pool(one: &Target<'_>, next: &Target<'_>) -> bool {
    one.pool != NO_TURN && one.pool == next.pool
}

/// Shortest average first, what was never measured last; now and then first of all the one measured longest ago.
fn fastest(s: &Snapshot, targets: &mut [Target<'_>], turn: TurnIx, now: Now<'_>) {
    let pace = |target: &Target<'_>| {
        let provider = &s.providers[usize::from(target.provider)];
        now.paces.get(Paces::key(&provider.name, target.model, now.streamed))
    };
    targets.sort_by_key(|target| pace(target).map_or(u32::MAX, |pace| pace.average_us));
    if now.turns.next(turn) % limits::PACE_TRIAL_EVERY == limits::PACE_TRIAL_EVERY - 1 {
        let oldest =
            targets.iter().enumerate().min_by_key(|(_, target)| pace(target).map_or(0, |pace| pace.measured_s));
        if let Some((place, _)) = oldest {
            targets[..=place].rotate_right(1);
        }
    }
}

#[cfg(test)]
#[path = "spread_test.rs"]
mod tests;
