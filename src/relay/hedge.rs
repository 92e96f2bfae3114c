//! Two attempts beside each other: where the first takes long, a second goes to another key or target, and the first of
//! both to answer serves.
//!
//! The other one is dropped, which closes its lane at once: its provider sees that nobody waits. Only where the file asks
//! for it, for the second attempt may be paid for.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use super::ask::{Tried, attempt};
use super::core::{Core, Scratch};
use super::exchange::micros;
use super::reach::Trip;
use super::ready::Ready;
use super::say::Said;
use super::trial::Trial;
use super::wait::Client;
use crate::config::snapshot::KeyIx;
use crate::plan::board::Model;
use crate::plan::retry::Next;
use crate::protocol::{self, Protocol};
use crate::record::{Entry, Text};
use crate::rt::Net;

impl Trip<'_, '_, '_> {
    /// An attempt beside which another one is made if it takes longer than `ms`. The place and the trial become those of
    /// the attempt that is spoken of.
    pub(super) async fn hedged<N: Net>(
        &self,
        client: &mut Client<N>,
        (ms, said): (u32, Option<&Said<N>>),
        (place, trial): (&mut usize, &mut Trial),
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Tried<N::Stream> {
        let (chosen, core, seen) = (self.chosen, Rc::clone(&client.core), *entry);
        let (mut shadow, beside) = (client.shadow(), client.tap_beside());
        let mut spare = core.scratch();
        spare.fields.clone_from(&scratch.fields);
        let ask = self.ask(*place, said);
        let mut first = Box::pin(attempt(client, &ask, trial.key, scratch, &seen));
        let late = pin!(core.net.sleep(u64::from(ms)));
        if let Some(tried) = in_time(first.as_mut(), late).await {
            core.take_back(spare);
            return tried;
        }
        let bound = entry.attempts >= self.request.view.snapshot.retry.attempts_max;
        let other = if bound { None } else { self.another(&core, *place, trial.key) };
        let Some((other_place, mut other)) = other else { return first.await };
        entry.attempts += 1;
        let begun_us = micros(core.net.now_us() - self.start_us);
        self.beside.set(Some(other.key));
        let target = &chosen.targets[other_place];
        // Another target is one that is asked in the client's own words.
        let ask = self.ask(other_place, said.filter(|_| other_place == *place));
        shadow.tap = beside;
        let mut second = Box::pin(attempt(&mut shadow, &ask, other.key, &mut spare, &seen));
        let wins = |tried: &Tried<N::Stream>| matches!(tried, Tried::Answer(..));
        let (of_first, mut of_second) = both(first.as_mut(), second.as_mut(), wins).await;
        drop(first);
        let failed = match of_first {
            Some(Tried::Failed(failure)) if failure.next() != Next::Stop => Some(failure),
            Some(tried) => {
                drop(second);
                client.tap_joins(&mut shadow, false);
                let model_sent = Text::new(target.model);
                let told = Entry { provider: target.provider, model_sent, begun_us, ..*entry };
                self.tell_second(&core, &told, &mut other, target.model, &of_second);
                self.is_first.set(true);
                return tried;
            }
            None => None,
        };
        let first = Entry { attempts: entry.attempts - 1, ..*entry };
        if failed.is_none() {
            self.tell_given_up(&core, &first, trial.key);
        }
        if let Some(failure) = &failed {
            self.tell_failed(&core, &first, trial.key, failure);
            trial.failed(&core, chosen.targets[*place].model, failure.verdict.outcome);
            if of_second.is_none() {
                client.due_in(u32::MAX);
                of_second = match client.until(|cx| second.as_mut().poll(cx)).await {
                    Ok(tried) => Some(tried),
                    Err(_gone) => return Tried::Gone,
                };
            }
        }
        drop(second);
        client.tap_joins(&mut shadow, true);
        std::mem::swap(&mut scratch.answer, &mut spare.answer);
        core.take_back(spare);
        (*place, entry.provider, entry.model_sent) = (other_place, target.provider, Text::new(target.model));
        (entry.key, entry.begun_us) = (other.key, begun_us);
        std::mem::swap(trial, &mut other);
        of_second.unwrap_or(Tried::Gone)
    }

    /// Records the second attempt, of which `entry` speaks, where the first is the one that counts.
    fn tell_second<N: Net>(
        &self,
        core: &Core<N>,
        entry: &Entry,
        trial: &mut Trial,
        model: &str,
        tried: &Option<Tried<N::Stream>>,
    ) {
        match tried {
            Some(Tried::Failed(failure)) => {
                self.tell_failed(core, entry, trial.key, failure);
                trial.failed(core, model, failure.verdict.outcome);
            }
            _ => self.tell_given_up(core, entry, trial.key),
        }
    }

    /// Another key for an attempt beside one with `key`: of the same target, else of one behind it.
    fn another<N: Net>(&self, core: &Core<N>, at: usize, key: KeyIx) -> Option<(usize, Trial)> {
        let (request, view, full) = (self.request, self.request.view, Cell::new(None));
        let now_ms = core.net.unix_ms();
        self.chosen.targets.iter().enumerate().skip(at).find_map(|(place, target)| {
            let serves = protocol::serves(target.protocol, request.called.endpoint);
            if !serves && place > at || target.protocol == Protocol::Demo {
                return None;
            }
            let (name, model, streamed) = (target.model, Model::new(target.model), request.streamed);
            let ready = Ready { view, name, model, now_ms, streamed, tried: &[key], full: &full };
            let key = view.pools[usize::from(target.provider)].pick(&ready, None, &view.board.bindings)?;
            Some((place, Trial::begin(view, key, model, now_ms).ok()?))
        })
    }
}

/// Waits for `first`, at most until `late` ends.
async fn in_time<T>(
    mut first: Pin<&mut impl Future<Output = T>>,
    mut late: Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Waits for both, until one of them comes to what `wins`, or the first to anything.
async fn both<T>(
    mut first: Pin<&mut impl Future<Output = T>>,
    mut second: Pin<&mut impl Future<Output = T>>,
    wins: impl Fn(&T) -> bool,
) -> (Option<T>, Option<T>) {
    let mut of_second = None;
    poll_fn(|cx| {
        if let Poll::Ready(outcome) = first.as_mut().poll(cx) {
            return Poll::Ready((Some(outcome), of_second.take()));
        }
        if of_second.is_none()
            && let Poll::Ready(outcome) = second.as_mut().poll(cx)
        {
            of_second = Some(outcome);
        }
        match of_second.as_ref().is_some_and(&wins) {
            true => Poll::Ready((None, of_second.take())),
            false => Poll::Pending,
        }
    })
    .await
}
