//! What a pool asks about its keys for one request: the board's rows, and what this request has tried already.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use super::core::View;
use crate::config::snapshot::{Balance, KeyIx};
use crate::plan::board::Model;
use crate::plan::pool::{Keys, Use};

/// The keys of a provider as they are for a request at one moment.
pub(super) struct Ready<'a> {
    pub(super) view: &'a View,
    /// The provider's name of the model.
    pub(super) name: &'a str,
    pub(super) model: Model<'a>,
    pub(super) now_ms: u64,
    pub(super) streamed: bool,
    /// Keys that are not to be used again.
    pub(super) tried: &'a [KeyIx],
    /// The one that is full and waited for, if any is: the first in whose line there is room, else the first.
    pub(super) full: &'a Cell<Option<KeyIx>>,
}

/// Whether there is room in the line of a key that is full.
pub(super) fn has_room(view: &View, key: KeyIx) -> bool {
    view.rows[usize::from(key)].line.len() < view.snapshot.keys[usize::from(key)].queue
}

impl Keys for Ready<'_> {
    #[inline]
    fn state(&self, index: KeyIx) -> Use {
        let s = &self.view.snapshot;
        let (key, row) = (&s.keys[usize::from(index)], &self.view.rows[usize::from(index)]);
        if self.tried.contains(&index)
            || !key.serves(self.name)
            || !self.view.board.is_open(row, self.model, self.now_ms, &s.cooldown)
        {
            return Use::Not;
        }
        if row.is_full(key.max_concurrent) {
            if self.full.get().is_none_or(|full| !has_room(self.view, full) && has_room(self.view, index)) {
                self.full.set(Some(index));
            }
            return Use::Full;
        }
        Use::Free
    }

    #[inline]
    fn busy(&self, key: KeyIx) -> u32 {
        self.view.rows[usize::from(key)].busy.load(Relaxed)
    }

    fn pace(&self, key: KeyIx) -> Option<(u32, u32)> {
        let pace = self.view.rows[usize::from(key)].paces[usize::from(self.streamed)].get()?;
        Some((pace.average_us, pace.measured_s))
    }

    fn streamed(&self) -> bool {
        self.streamed
    }
}

/// Whether requests under way with a key are counted: where there is a bound on them, or where they decide.
pub(super) fn is_counted(view: &View, key: KeyIx) -> bool {
    let key = &view.snapshot.keys[usize::from(key)];
    key.max_concurrent > 0 || view.snapshot.providers[usize::from(key.provider)].balance == Balance::LeastBusy
}
