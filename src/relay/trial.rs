//! The use of one key for one exchange: leave is taken before the attempt, and how it went is told at its end.
//!
//! Whatever ends the exchange, a trial that nobody ended gives back what it holds when it drops: a client that
//! leaves and a panic must not keep a key away from others.

use std::rc::Rc;

use super::core::{Core, View};
use super::pipe::End;
use super::ready;
use crate::config::snapshot::KeyIx;
use crate::plan::board::{Leave, Model};
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
    /// Whether it is one of the requests under way that are counted.
    is_counted: bool,
}

/// Why a key may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It rests.
    Resting,
    /// As many requests are under way with it as may be.
    Full,
}

impl Trial {
    /// Asks for leave to use `key` for `model`.
    pub(super) fn begin(view: &Rc<View>, key: KeyIx, model: Model<'_>, now_ms: u64) -> Result<Trial, Refusal> {
        let most = view.snapshot.keys[usize::from(key)].max_concurrent;
        if view.rows[usize::from(key)].is_full(most) {
            return Err(Refusal::Full);
        }
        Trial::next(view, key, model, now_ms)
    }

    /// The same for whoever is the first of those that wait for the key.
    pub(super) fn next(view: &Rc<View>, key: KeyIx, model: Model<'_>, now_ms: u64) -> Result<Trial, Refusal> {
        let (row, is_counted) = (&view.rows[usize::from(key)], ready::is_counted(view, key));
        if is_counted && !row.take(view.snapshot.keys[usize::from(key)].max_concurrent) {
            return Err(Refusal::Full);
        }
        match view.board.enter(row, model, now_ms, &view.snapshot.cooldown) {
            Ok(leave) => {
                Ok(Trial { view: Rc::clone(view), key, model: model.hash(), leave, is_open: true, is_counted })
            }
            Err(_) => {
                if is_counted {
                    row.give();
                }
                Err(Refusal::Resting)
            }
        }
    }

    /// Takes note of how long the first token took.
    pub(super) fn measured(&self, streamed: bool, us: u64, now_s: u64) {
        self.view.rows[usize::from(self.key)].paces[usize::from(streamed)].tell(us, now_s);
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
        let row = &self.view.rows[usize::from(self.key)];
        if self.is_counted {
            row.give();
        }
        if self.is_open {
            let model = Model::known("", self.model);
            // The next request may probe at once, whatever the time is.
            self.view.board.tell(row, model, self.leave, Outcome::Open, 0, &self.view.snapshot.cooldown);
        }
    }
}
