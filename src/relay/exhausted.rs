//! When nothing is left to try: what rests and until when, and what the caller is told.

use super::failure::Failure;
use super::reach::{Prepared, Reached, Trip, is_asked};
use crate::config::Snapshot;
use crate::config::snapshot::ProviderIx;
use crate::plan::board::{Model, Rest};
use crate::plan::breaker::Cause;
use crate::plan::route::Target;
use crate::protocol::failure::Fault;
use crate::record::Entry;

impl Trip<'_, '_, '_> {
    /// The rests of all keys of all targets.
    pub(super) fn rests(&self, now_ms: u64) -> impl Iterator<Item = (ProviderIx, Rest)> {
        let (view, request) = (self.request.view, self.request);
        let snapshot = &*view.snapshot;
        self.chosen.targets.iter().flat_map(move |target| {
            let serves = is_asked(request, target);
            let model = Model::new(target.model);
            snapshot.keys_of(target.provider).filter(move |(_, key)| serves && key.serves(target.model)).filter_map(
                move |(key, _)| {
                    let row = &view.rows[usize::from(key)];
                    Some((target.provider, view.board.rest(row, model, now_ms, &snapshot.cooldown)?))
                },
            )
        })
    }

    /// Nothing is left to try: the last failure, or that everything rests, or that nothing could ever be tried.
    pub(super) fn end<S>(mut self, now_ms: u64, entry: &Entry) -> Reached<S> {
        let first = self.rests(now_ms).min_by_key(|(_, rest)| rest.until_ms);
        let seconds = |rest: Rest| rest.until_ms.saturating_sub(now_ms).div_ceil(1_000).max(1);
        if let Some((mut failure, provider)) = self.failed.take() {
            if let (429 | 503 | 529, Some((_, rest))) = (failure.status, first) {
                failure.retry_after = Some(seconds(rest).to_string().into_bytes().into());
            }
            return Reached::Failed { failure, provider };
        }
        if let Some((place, _)) = self.full {
            let message = "every key has as many requests under way as it may have".to_owned();
            let provider = self.chosen.targets[place].provider;
            return Reached::Failed { failure: Failure::resting(Fault::RateLimited, message, 1), provider };
        }
        let Some((provider, rest)) = first else {
            return unserved(self.request, &self.chosen.targets, &self.request.view.snapshot);
        };
        let has = |cause| self.rests(now_ms).any(|(_, rest)| rest.cause == cause);
        let fault = match (has(Cause::RateLimited), self.rests(now_ms).all(|(_, rest)| rest.cause == Cause::NoModel)) {
            (true, _) => Fault::RateLimited,
            (false, true) => Fault::UnknownModel,
            (false, false) => Fault::Unavailable,
        };
        debug_assert_eq!(entry.attempts, 0);
        let message = format!("every key rests ({}); the first is back in {} s", rest.cause.name(), seconds(rest));
        Reached::Failed { failure: Failure::resting(fault, message, seconds(rest)), provider }
    }
}

/// Nothing could even be tried: the protocols do not meet, or no key is there for the model.
fn unserved<S>(request: &Prepared<'_>, targets: &[Target<'_>], snapshot: &Snapshot) -> Reached<S> {
    let meets = |target: &&Target<'_>| is_asked(request, target);
    match targets.iter().find(meets) {
        Some(target) => Reached::Refused {
            fault: Fault::Unavailable,
            message: format!(
                "provider {} has no key for this model",
                snapshot.providers[target.provider as usize].name
            )
            .into(),
        },
        None => Reached::refused(
            Fault::NotImplemented,
            "the provider of this model speaks another protocol, which has nothing like this endpoint",
        ),
    }
}
