//! Cores that stand still are found, and systemd's watchdog is fed only while there are none.
//!
//! A core moves a counter at each tick. A look finds it moved or not; one that has not moved over
//! `limits::CORE_STALL_MS` of looks is stalled. Looks are counted and not time, so that a process that was itself
//! stopped for a while, or a machine that slept, accuses nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Shared, notify};
use crate::limits;

/// Looks without a move after which a core is stalled.
const LOOKS: u32 = (limits::CORE_STALL_MS / limits::CORE_LOOK_MS) as u32;

const _: () = assert!(LOOKS >= 2 && limits::CORE_LOOK_MS > 2 * limits::TICK_MS);

/// What is remembered of one core.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    turns: u64,
    looks: u32,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Turning,
    /// It has stalled by this look.
    Stalls,
    Stalled,
    /// It has stalled before and turns again.
    Back,
}

impl Seen {
    fn look(&mut self, turns: u64) -> Found {
        if turns != self.turns {
            let was_stalled = self.looks >= LOOKS;
            *self = Seen { turns, looks: 0 };
            return if was_stalled { Found::Back } else { Found::Turning };
        }
        self.looks = self.looks.saturating_add(1);
        match self.looks {
            looks if looks < LOOKS => Found::Turning,
            LOOKS => Found::Stalls,
            _ => Found::Stalled,
        }
    }
}

/// Looks at the cores for as long as the process lives.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let feed = notify::watchdog();
    let mut seen = vec![Seen::default(); shared.collector().tallies.len()];
    let mut fed = tokio::time::Instant::now();
    loop {
        let mut stalled = 0;
        for (core, seen) in seen.iter_mut().enumerate() {
            let turns = shared.collector().tallies[core].turns.get();
            match seen.look(turns) {
                Found::Turning => {}
                Found::Stalls => {
                    stalled += 1;
                    tracing::error!(core, stall_ms = limits::CORE_STALL_MS, "a core stands still");
                }
                Found::Stalled => stalled += 1,
                Found::Back => tracing::warn!(core, "a core that stood still turns again"),
            }
        }
        shared.stalled.store(stalled, Ordering::Relaxed);
        if let Some(every) = feed
            && stalled == 0
            && fed.elapsed() + Duration::from_millis(limits::CORE_LOOK_MS) > every / 2
        {
            notify::alive();
            fed = tokio::time::Instant::now();
        }
        let pause = Duration::from_millis(limits::CORE_LOOK_MS);
        tokio::time::sleep(feed.map_or(pause, |every| pause.min(every / 4))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_stalls_at_the_limit_and_not_a_look_before() {
        let mut seen = Seen::default();
        assert_eq!(seen.look(1), Found::Turning);
        for _ in 1..LOOKS {
            assert_eq!(seen.look(1), Found::Turning);
        }
        assert_eq!(seen.look(1), Found::Stalls);
        assert_eq!(seen.look(1), Found::Stalled);
        assert_eq!(seen.look(2), Found::Back);
        assert_eq!(seen.look(2), Found::Turning);
    }
}
