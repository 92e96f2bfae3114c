//! The use of one key for one exchange: leave is taken before the attempt, and how it went is told at its end.
//!
//! Whatever ends the exchange, a trial that nobody ended gives back what it holds when it drops: a client that
//! leaves and a panic must not keep a key away from others.

use std::rc::Rc;

use super::core::{Core, View};
use super::pipe::End;
use crate::config::snapshot::KeyIx;
use crate::plan::board::{Leave, Model, Rest};
use crate::plan::breaker::Outcome;
use crate::plan::retry::Verdict;
use crate::rt::Net;

/// A key in use.
pub(super) struct Trial {
    view: Rc<View>,
    pub(super) key: KeyIx,
    model: u64,
    leave: Leave,
    is_open: bool,
}

impl Trial {
    /// Asks for leave to use `key` for `model`.
    pub(super) fn begin(view: &Rc<View>, key: KeyIx, model: Model<'_>, now_ms: u64) -> Result<Trial, Rest> {
        let row = &view.rows[usize::from(key)];
        let leave = view.board.enter(row, model, now_ms, &view.snapshot.cooldown)?;
        Ok(Trial { view: Rc::clone(view), key, model: model.hash(), leave, is_open: true })
    }

    /// The answer has begun. Others may use again what this probed; the rest is told at the end.
    pub(super) fn began<N: Net>(&mut self, core: &Core<N>, model: &str) {
        if self.leave != Leave::default() {
            self.tell(core, model, Outcome::Served);
        }
    }

    /// The answer has ended so. That a client leaves says nothing of the key.
    pub(super) fn ended<N: Net>(&mut self, core: &Core<N>, model: &str, end: End) {
        match end {
            End::Whole => {
                self.tell(core, model, Outcome::Served);
                self.is_open = false;
            }
            End::Told | End::Broken => self.failed(core, model, Verdict::FAILING.outcome),
            End::Gone => {}
        }
    }

    /// It failed, with this for the key. Of `model`, the upstream's name, the beginning is enough.
    pub(super) fn failed<N: Net>(&mut self, core: &Core<N>, model: &str, outcome: Outcome) {
        self.tell(core, model, outcome);
        self.is_open = false;
    }

    fn tell<N: Net>(&mut self, core: &Core<N>, model: &str, outcome: Outcome) {
        let row = &self.view.rows[usize::from(self.key)];
        let (model, policy) = (Model::known(model, self.model), &self.view.snapshot.cooldown);
        if self.view.board.tell(row, model, self.leave, outcome, core.net.unix_ms(), policy) {
            core.tally.rests.add(1);
        }
        self.leave = Leave::default();
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.is_open {
            let row = &self.view.rows[usize::from(self.key)];
            let model = Model::known("", self.model);
            // The next request may probe at once, whatever the time is.
            self.view.board.tell(row, model, self.leave, Outcome::Open, 0, &self.view.snapshot.cooldown);
        }
    }
}
