//! Two attempts beside each other: where the first takes long, a second goes to another key or target, and the first of
//! both to answer serves.
//!
//! The other one is dropped, which closes its lane at once: its provider sees that nobody waits. Only where the file asks
//! for it, for the second attempt may be paid for. Where its target speaks another protocol than the client, the request
//! is said anew while the first goes on.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use super::ask::{Ask, Tried, attempt};
use super::core::{Core, Scratch};
use super::exchange::micros;
use super::failure::Failure;
use super::reach::{Trip, is_asked};
use super::ready::Ready;
use super::say::Said;
use super::trial::Trial;
use super::wait::Client;
use crate::config::snapshot::KeyIx;
use crate::http::field::Fields;
use crate::plan::board::Model;
use crate::plan::retry::Next;
use crate::protocol::Protocol;
use crate::record::{Entry, Text};
use crate::rt::Net;

/// Where a second attempt goes.
struct Second<N: Net> {
    place: usize,
    trial: Trial,
    /// The request in its target's words, where that is another target than the first attempt's and it needs them.
    said: Option<Said<N>>,
}

impl<'a, 'c> Trip<'_, 'a, 'c> {
    /// An attempt beside which another one is made if it takes longer than `ms`. The place and the trial become those of
    /// the attempt that is spoken of.
    pub(super) async fn hedged<N: Net>(
        &mut self,
        client: &mut Client<N>,
        (ms, said): (u32, Option<&Said<N>>),
        (place, trial): (&mut usize, &mut Trial),
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Tried<N::Stream> {
        let (request, chosen, core, seen) = (self.request, self.chosen, Rc::clone(&client.core), *entry);
        let (mut shadow, beside) = (client.shadow(), client.tap_beside());
        let mut spare = core.scratch();
        spare.fields.clone_from(&scratch.fields);
        let ask = Ask { request, said, chosen, target: &chosen.targets[*place] };
        let mut first = Box::pin(attempt(client, &ask, trial.key, scratch, &seen));
        let mut other = match self.sought(first.as_mut(), ms, &shadow, (*place, trial.key), &spare.fields, &seen).await
        {
            Ok(Some(second)) => second,
            outcome => {
                core.take_back(spare);
                return if let Err(tried) = outcome { tried } else { first.await };
            }
        };
        entry.attempts += 1;
        let begun_us = micros(core.net.now_us() - self.start_us);
        self.beside.set(Some(other.trial.key));
        let target = &chosen.targets[other.place];
        let said = if other.place == *place { said } else { other.said.as_ref() };
        let ask = Ask { request, said, chosen, target };
        shadow.tap = beside;
        let mut second = Box::pin(attempt(&mut shadow, &ask, other.trial.key, &mut spare, &seen));
        let told = Entry { provider: target.provider, model_sent: Text::new(target.model), begun_us, ..*entry };
        let (mut of_first, mut of_second) = either(first.as_mut(), second.as_mut()).await;
        if let Some(Tried::Failed(failure)) = &of_second {
            // Told now, and not when the first has come to something: others may be about to use this key.
            self.note_failed(&core, &told, &mut other.trial, target.model, failure);
            of_first = Some(first.as_mut().await);
        }
        drop(first);
        let failed = match of_first {
            Some(Tried::Failed(failure)) if of_second.is_none() && failure.next() != Next::Stop => Some(failure),
            Some(tried) => {
                drop(second);
                client.tap_joins(&mut shadow, false);
                if of_second.is_none() {
                    self.tell_given_up(&core, &told, other.trial.key);
                }
                self.is_first.set(true);
                return tried;
            }
            None => None,
        };
        let told = Entry { attempts: entry.attempts - 1, ..*entry };
        match &failed {
            None => self.tell_given_up(&core, &told, trial.key),
            Some(failure) => self.note_failed(&core, &told, trial, chosen.targets[*place].model, failure),
        }
        if failed.is_some() {
            client.due_in(u32::MAX);
            let Ok(tried) = client.until(|cx| second.as_mut().poll(cx)).await else { return Tried::Gone };
            of_second = Some(tried);
        }
        drop(second);
        client.tap_joins(&mut shadow, true);
        std::mem::swap(&mut scratch.answer, &mut spare.answer);
        core.take_back(spare);
        (*place, entry.provider, entry.model_sent) = (other.place, target.provider, Text::new(target.model));
        (entry.key, entry.begun_us) = (other.trial.key, begun_us);
        std::mem::swap(trial, &mut other.trial);
        of_second.unwrap_or(Tried::Gone)
    }

    /// Whom to ask beside `first`, once that has taken longer than `ms`. An error is what `first` has come to before.
    async fn sought<N: Net>(
        &mut self,
        mut first: Pin<&mut impl Future<Output = Tried<N::Stream>>>,
        ms: u32,
        shadow: &Client<N>,
        (at, key): (usize, KeyIx),
        fields: &Fields,
        entry: &Entry,
    ) -> Result<Option<Second<N>>, Tried<N::Stream>> {
        in_time(first.as_mut(), pin!(shadow.core.net.sleep(u64::from(ms)))).await?;
        if entry.attempts >= self.request.view.snapshot.retry.attempts_max {
            return Ok(None);
        }
        in_time(first, pin!(self.second(shadow, at, key, fields, entry))).await
    }

    /// One of two attempts failed, and the other goes on.
    fn note_failed<N: Net>(&self, core: &Core<N>, entry: &Entry, trial: &mut Trial, model: &str, failure: &Failure) {
        self.tell_failed(core, entry, trial.key, failure);
        trial.failed(core, model, failure.verdict.outcome);
    }

    /// Another key for an attempt beside one with `key` at the target of place `at`: of the same target, else of one
    /// behind it, with the request in that one's words.
    async fn second<N: Net>(
        &mut self,
        shadow: &Client<N>,
        at: usize,
        key: KeyIx,
        fields: &Fields,
        entry: &Entry,
    ) -> Option<Second<N>> {
        let request = self.request;
        let mut from = at;
        loop {
            let (place, key) = self.another(&shadow.core, (at, from), key, fields)?;
            let target = &self.chosen.targets[place];
            let said = match place > at {
                true => self.say(shadow, target, fields, entry).await,
                false => Ok(None),
            };
            // Who cannot be asked this, or not now, is no second.
            if let Ok(said) = said {
                let now_ms = shadow.core.net.unix_ms();
                if let Ok(trial) = Trial::begin(request.view, key, Model::new(target.model), now_ms) {
                    return Some(Second { place, trial, said });
                }
            }
            from = place + 1;
        }
    }

    /// The first key other than `key` that may be used now, of a target from place `from` on; `at` is that of `key`. A
    /// conversation keeps the key that is slow, and has its own at other targets.
    fn another<N: Net>(
        &self,
        core: &Core<N>,
        (at, from): (usize, usize),
        key: KeyIx,
        fields: &Fields,
    ) -> Option<(usize, KeyIx)> {
        let (request, view, full) = (self.request, self.request.view, Cell::new(None));
        let now_ms = core.net.unix_ms();
        self.chosen.targets.iter().enumerate().skip(from).find_map(|(place, target)| {
            if place > at && !is_asked(request, target) || target.protocol == Protocol::Demo {
                return None;
            }
            let (name, model, streamed) = (target.model, Model::new(target.model), request.streamed);
            let ready = Ready { view, name, model, now_ms, streamed, tried: &[key], full: &full };
            let pool = &view.pools[usize::from(target.provider)];
            let conversation = if place > at { request.conversation(pool, fields) } else { None };
            Some((place, pool.pick(&ready, conversation, &view.board.bindings)?))
        })
    }
}

/// What `other` comes to, unless `first` comes to something before.
async fn in_time<T, U>(
    mut first: Pin<&mut impl Future<Output = T>>,
    mut other: Pin<&mut impl Future<Output = U>>,
) -> Result<U, T> {
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Err(outcome)),
        Poll::Pending => other.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// What the first of both to come to anything comes to.
async fn either<T>(
    mut first: Pin<&mut impl Future<Output = T>>,
    mut second: Pin<&mut impl Future<Output = T>>,
) -> (Option<T>, Option<T>) {
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready((Some(outcome), None)),
        Poll::Pending => second.as_mut().poll(cx).map(|outcome| (None, Some(outcome))),
    })
    .await
}
