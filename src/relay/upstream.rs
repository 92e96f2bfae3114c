//! Idle upstream connections of one core, by the way they were made.
//!
//! A lane goes back only when its answer has been read to the end and nothing followed it. The wait for its
//! next bytes is armed as it goes in: while it is idle, anything that arrives (a close, stray bytes) makes it
//! unfit, and at its next use the same wait serves for the answer.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::way::Way;
use crate::config::snapshot::{Key, Provider};
use crate::limits;
use crate::rt::{Stream, Wire, sys};

/// A connection to an upstream.
pub(super) struct Lane<S> {
    pub(super) stream: Wire<S>,
    pub(super) pool: usize,
    /// Whether an exchange has used it before: a failure may then be the idle time's, not the upstream's.
    pub(super) reused: bool,
}

struct Idle<S> {
    lane: Lane<S>,
    since_ms: u64,
}

struct Pool<S> {
    way: Rc<Way>,
    idle: Vec<Idle<S>>,
}

/// The idle lanes of one core.
pub(super) struct Upstreams<S> {
    pools: RefCell<Vec<Pool<S>>>,
}

impl<S> Default for Upstreams<S> {
    fn default() -> Self {
        Upstreams { pools: RefCell::default() }
    }
}

impl<S> Upstreams<S> {
    /// How `provider` is reached with `key`. A way that is known keeps its pool, and its TLS sessions, over all reloads.
    pub(super) fn way(&self, provider: &Provider, key: &Key) -> Rc<Way> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| pool.way.leads_to(provider, key)) {
            return Rc::clone(&pool.way);
        }
        let way = Rc::new(Way::new(pools.len(), provider, key));
        pools.push(Pool { way: Rc::clone(&way), idle: Vec::new() });
        way
    }
}

impl<S: Stream> Upstreams<S> {
    /// The lane that was used last and is still fit.
    pub(super) fn take(&self, pool: usize) -> Option<Lane<S>> {
        let mut pools = self.pools.borrow_mut();
        while let Some(Idle { mut lane, .. }) = pools[pool].idle.pop() {
            if is_quiet(&lane) {
                lane.reused = true;
                return Some(lane);
            }
        }
        None
    }

    /// Keeps `lane` for the next exchange.
    pub(super) fn give(&self, lane: Lane<S>, now_ms: u64) {
        let idle = &mut self.pools.borrow_mut()[lane.pool].idle;
        if idle.len() < limits::LANES_IDLE_MAX && is_quiet(&lane) {
            idle.push(Idle { lane, since_ms: now_ms });
        }
    }

    /// Closes what has been idle for too long or was closed by its peer.
    pub(super) fn trim(&self, now_ms: u64) {
        for pool in self.pools.borrow_mut().iter_mut() {
            pool.idle
                .retain(|idle| now_ms.saturating_sub(idle.since_ms) < limits::LANE_IDLE_MS_MAX && is_quiet(&idle.lane));
        }
    }
}

/// Arms the wait for bytes and says whether it is still waiting. What TLS says for itself (a ticket, new keys) is no
/// reason to part.
fn is_quiet<S: Stream>(lane: &Lane<S>) -> bool {
    while lane.stream.poll_readable(&mut Context::from_waker(Waker::noop())).is_ready() {
        match lane.stream.try_read(&mut Vec::with_capacity(1)) {
            Err(error) if sys::would_block(&error) => {}
            Ok(_) | Err(_) => return false,
        }
    }
    true
}
