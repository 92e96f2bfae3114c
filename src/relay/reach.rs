//! From a request to an answer that has begun: targets in order, keys in order, until one serves; then once more,
//! when the first key that rests is back.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use smallvec::SmallVec;

use super::ask::{Ask, Tried, attempt};
use super::attempt::Answered;
use super::choose;
use super::core::{Scratch, View};
use super::counting;
use super::demo;
use super::exchange::{Called, micros};
use super::failure::Failure;
use super::line::{self, Waited};
use super::outgoing;
use super::placed;
use super::ready::{self, Ready};
use super::say::{self, Pivot, Said, Unsaid};
use super::shaping::Shaper;
use super::translate::{self, Turned};
use super::trial::Trial;
use super::tried::Measured;
use super::wait::Client;
use crate::config::snapshot::{Balance, Key, KeyIx, Provider, ProviderIx, Spread};
use crate::http::field::Fields;
use crate::http::head::RequestHead;
use crate::json::{self, edit::Edits};
use crate::plan::board::Model;
use crate::plan::breaker::Outcome;
use crate::plan::pace::Paces;
use crate::plan::retry::{Next, Rounds};
use crate::plan::route::{By, Chosen, Target};
use crate::protocol::demo::Reply;
use crate::protocol::failure::Fault;
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::{self, Asked, Outline, Reading};
use crate::protocol::{self, Dialect, Protocol};
use crate::record::{Attempt, Entry, Text};
use crate::rt::Net;

/// A request whose body has been read, with the targets it goes to.
pub(super) struct Prepared<'a> {
    pub(super) view: &'a Rc<View>,
    pub(super) called: &'a Called,
    pub(super) head: &'a RequestHead,
    pub(super) input: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) decoded: bool,
    pub(super) asked: Asked,
    /// Its members, where the route looks at them.
    pub(super) outline: Option<Outline>,
    /// The model asked for.
    pub(super) model: Cow<'a, str>,
    /// Whether the answer is asked for as a stream.
    pub(super) streamed: bool,
    /// Whether it holds what its vendor would refuse, so that it is said anew even to its own protocol.
    pub(super) wrapped: bool,
}

/// Where trying led.
pub(super) enum Reached<S> {
    /// An upstream's answer has begun.
    Answer(Box<Found<S>>),
    /// The same of a request that was translated.
    Turned(Box<Found<S>>, Box<Turned>),
    /// The target is the demo provider: its answer.
    Demo(Box<Demo>),
    /// Tokens were to be counted: the answer.
    Counted(Vec<u8>),
    /// The request cannot be served, whatever upstream.
    Refused { fault: Fault, message: Cow<'static, str> },
    /// All that was tried failed, lastly so.
    Failed { failure: Failure, provider: ProviderIx },
    /// The client left.
    Gone,
}

impl<S> Reached<S> {
    pub(super) fn refused(fault: Fault, message: &'static str) -> Reached<S> {
        Reached::Refused { fault, message: Cow::Borrowed(message) }
    }
}

/// An answer to pass on.
pub(super) struct Found<S> {
    pub(super) answered: Box<Answered<S>>,
    /// The use of the key, to be ended with the answer.
    pub(super) trial: Trial,
    pub(super) provider: ProviderIx,
    /// Usage was asked of the upstream, not by the client: it comes out of the stream again.
    pub(super) hide_usage: bool,
    pub(super) reused: bool,
    /// What was asked for.
    pub(super) endpoint: Endpoint,
    /// Where speed decides: what is measured.
    pub(super) measured: Option<Measured>,
    /// The name that the answer carries in place of the upstream's, as a JSON string.
    pub(super) name: Option<Box<[u8]>>,
}

/// An answer of the demo provider.
pub(super) struct Demo {
    pub(super) reply: Reply,
    /// The way back, where the client speaks something else.
    pub(super) turned: Option<Box<Turned>>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        view: &'a Rc<View>,
        called: &'a Called,
        head: &'a RequestHead,
        input: &'a [u8],
        body: &'a [u8],
        decoded: bool,
        reading: Reading,
    ) -> Prepared<'a> {
        let (asked, outline) = reading.finish();
        let model = match &called.model {
            Some(model) => Cow::Borrowed(model.as_str()),
            None => asked.model(body),
        };
        let streamed = asked.streams();
        Prepared { view, called, head, input, body, decoded, asked, outline, model, streamed, wrapped: false }
    }

    /// The body for `target`. A name that stands there already is left as it was written.
    pub(super) fn spliced<'t>(
        &self,
        target: &'t Target<'_>,
        provider: &Provider,
        body: &'t [u8],
        asked: &Asked,
    ) -> Edits<'t> {
        let stands = self.called.model.is_none() && asked.models.len() == 1 && *target.model == *asked.model(body);
        let wants_usage = self.asked.lacks_usage() && !provider.quirks.no_stream_options;
        sniff::splice(asked, body, (!stands).then_some(target.model), wants_usage)
    }
}

impl Prepared<'_> {
    /// Writes the head of the request for a target that speaks the client's protocol.
    pub(super) fn head_for(
        &self,
        target: &Target<'_>,
        provider: &Provider,
        key: &Key,
        fields: &Fields,
        body_bytes: usize,
        out: &mut Vec<u8>,
    ) {
        let request = outgoing::Request {
            head: self.head,
            fields,
            input: self.input,
            call: &self.called.call(self.input),
            protocol: target.protocol,
            model: target.model,
            decoded: self.decoded,
        };
        outgoing::request(&request, provider, key, body_bytes, out);
    }
}

/// What a round over all targets came to.
enum Round<S> {
    /// It reached something, or somebody left.
    Over(Reached<S>),
    /// Nothing further may be tried.
    Stop,
    /// All that may be used now has been tried.
    Exhausted,
}

/// Tries targets and keys until an answer begins or nothing is left to try.
pub(super) async fn reach<N: Net>(
    client: &mut Client<N>,
    request: &Prepared<'_>,
    scratch: &mut Scratch,
    entry: &mut Entry,
    start_us: u64,
) -> Reached<N::Stream> {
    let chosen = match choose::choose(client, request, &scratch.fields).await {
        Ok(chosen) => chosen,
        Err((fault, message)) => return Reached::Refused { fault, message },
    };
    entry.route = chosen.route.unwrap_or(crate::record::NONE);
    entry.scene = if let By::Scene(scene) = chosen.by { Some(scene) } else { None };
    if counting::is_ours(request, &chosen.targets) {
        // Boxed, for hardly any request needs it.
        return match Box::pin(counting::answer(client, request)).await {
            Ok(body) => Reached::Counted(body),
            Err((fault, message)) => Reached::Refused { fault, message },
        };
    }
    let mut trip = Trip {
        request,
        chosen: &chosen,
        start_us,
        failed: None,
        full: None,
        beside: Cell::new(None),
        is_first: Cell::new(false),
        pivot: None,
        uncompacting: SmallVec::new(),
    };
    let retry = request.view.snapshot.retry;
    let mut rounds = Rounds::default();
    loop {
        let before = entry.attempts;
        match trip.round(client, scratch, entry).await {
            Round::Over(reached) => return reached,
            Round::Stop => break,
            Round::Exhausted => {}
        }
        match trip.wait_in_line(client, scratch, entry).await {
            None => {}
            Some(Step::Over(reached)) => return reached,
            Some(Step::Stop) => break,
            // Others may have come to life meanwhile.
            Some(Step::OtherKey | Step::OtherTarget | Step::Anew) => continue,
        }
        let now_ms = client.core.net.unix_ms();
        let rests = trip.rests(now_ms).filter(|(_, rest)| rest.cause.is_waited_for());
        let Some(until_ms) = rests.map(|(_, rest)| rest.until_ms).min() else { break };
        let wait = rounds.wait_ms(entry.attempts > before, until_ms.saturating_sub(now_ms), &retry);
        let Some(ms) = wait else { break };
        if client.pause(ms).await.is_err() {
            return Reached::Gone;
        }
    }
    match trip.end(client.core.net.unix_ms(), entry) {
        Reached::Failed { failure, .. } if counting::is_left(request, &failure) => {
            match Box::pin(counting::answer(client, request)).await {
                Ok(body) => Reached::Counted(body),
                Err((fault, message)) => Reached::Refused { fault, message },
            }
        }
        reached => reached,
    }
}

/// One request on its way through targets and keys.
pub(super) struct Trip<'t, 'a, 'c> {
    pub(super) request: &'t Prepared<'a>,
    pub(super) chosen: &'t Chosen<'c>,
    /// When the exchange began.
    pub(super) start_us: u64,
    /// The last failure, and whose it was.
    pub(super) failed: Option<(Failure, ProviderIx)>,
    /// The first key of the last round that was well and full, and the place of its target.
    pub(super) full: Option<(usize, KeyIx)>,
    /// The key of the last attempt that was made beside another.
    pub(super) beside: Cell<Option<KeyIx>>,
    /// Whether the attempt that is spoken of is the first of two that went beside each other.
    pub(super) is_first: Cell<bool>,
    /// What the request means, once a target has to be told in another protocol.
    pivot: Pivot<'a>,
    /// Providers that turned out to have no `/compact`.
    uncompacting: SmallVec<[ProviderIx; 2]>,
}

/// What using a key came to.
pub(super) enum Step<S> {
    Over(Reached<S>),
    OtherKey,
    OtherTarget,
    /// The same key of the same target, asked in other words.
    Anew,
    Stop,
}

impl<'a, 'c> Trip<'_, 'a, 'c> {
    /// Every target once, every key of it that may be used now once.
    async fn round<N: Net>(
        &mut self,
        client: &mut Client<N>,
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Round<N::Stream> {
        self.full = None;
        for (place, target) in self.chosen.targets.iter().enumerate() {
            if !is_asked(self.request, target) {
                continue;
            }
            match self.keys(client, place, scratch, entry).await {
                Step::Over(reached) => return Round::Over(reached),
                Step::OtherKey | Step::OtherTarget | Step::Anew => {}
                Step::Stop => return Round::Stop,
            }
        }
        Round::Exhausted
    }

    /// Every key of the target of this place that may be used now once.
    async fn keys<N: Net>(
        &mut self,
        client: &mut Client<N>,
        place: usize,
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Step<N::Stream> {
        let (request, view, target) = (self.request, self.request.view, &self.chosen.targets[place]);
        entry.provider = target.provider;
        entry.model_sent = Text::new(target.model);
        let mut said = match self.say(client, target, &scratch.fields, entry).await {
            Ok(said) => said,
            Err(step) => return step,
        };
        if target.protocol == Protocol::Demo {
            return self.demo(target, said, entry);
        }
        let pool = &view.pools[usize::from(target.provider)];
        let conversation = request.conversation(pool, &scratch.fields);
        let (model, full) = (Model::new(target.model), Cell::new(None));
        let (mut tried, mut is_anew) = (SmallVec::<[KeyIx; 8]>::new(), false);
        loop {
            // To be asked in other words is no attempt more.
            if entry.attempts >= view.snapshot.retry.attempts_max && !is_anew {
                return Step::Stop;
            }
            let now_ms = client.core.net.unix_ms();
            let (name, streamed) = (target.model, request.streamed);
            let ready = Ready { view, name, model, now_ms, streamed, tried: &tried, full: &full };
            let Some(key) = pool.pick(&ready, conversation, &view.board.bindings) else { break };
            tried.push(key);
            let Ok(trial) = Trial::begin(view, key, model, now_ms) else { continue };
            let step = self.use_key(client, (place, said.as_ref()), trial, scratch, entry).await;
            is_anew = matches!(step, Step::Anew);
            match step {
                Step::OtherKey => tried.extend(self.beside.take()),
                Step::Anew => {
                    tried.pop();
                    said = match self.say(client, target, &scratch.fields, entry).await {
                        Ok(said) => said,
                        Err(step) => return step,
                    };
                }
                step => return step,
            }
        }
        if let Some(key) = full.get()
            && self.full.is_none_or(|(_, full)| !ready::has_room(view, full) && ready::has_room(view, key))
        {
            self.full = Some((place, key));
        }
        Step::OtherTarget
    }

    /// What the demo provider says.
    fn demo<N: Net>(&mut self, target: &Target<'_>, said: Option<Said<N>>, entry: &mut Entry) -> Step<N::Stream> {
        entry.attempts += 1;
        match demo::ask(self.request, target, said, entry) {
            Ok(demo) => Step::Over(Reached::Demo(Box::new(demo))),
            Err(failure) => {
                let next = failure.next();
                self.failed = Some((failure, target.provider));
                match next {
                    Next::OtherKey | Next::OtherTarget => Step::OtherTarget,
                    Next::Stop => Step::Stop,
                }
            }
        }
    }

    /// One attempt at the target of this place.
    async fn use_key<N: Net>(
        &mut self,
        client: &mut Client<N>,
        (mut place, said): (usize, Option<&Said<N>>),
        mut trial: Trial,
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Step<N::Stream> {
        let target = &self.chosen.targets[place];
        (entry.provider, entry.model_sent) = (target.provider, Text::new(target.model));
        entry.attempts += 1;
        entry.key = trial.key;
        self.beside.set(None);
        self.is_first.set(false);
        let measures = self.measures(target);
        let began_us = client.core.net.now_us();
        entry.begun_us = micros(began_us - self.start_us);
        let tried = match self.request.view.snapshot.retry.hedge_ms {
            0 => {
                let ask = Ask { request: self.request, said, chosen: self.chosen, target };
                attempt(client, &ask, trial.key, scratch, entry).await
            }
            // Boxed, so that nobody else's exchange has room for two attempts.
            ms => Box::pin(self.hedged(client, (ms, said), (&mut place, &mut trial), scratch, entry)).await,
        };
        let target = &self.chosen.targets[place];
        let failure = match tried {
            Tried::Answer(answered, turned) => {
                if entry.attempts > 1 {
                    let status = answered.head.status;
                    client.core.tell_attempt(&Attempt { status, ..self.tried(entry, trial.key) });
                }
                // When the second of two began nobody has noted.
                let measures = if self.beside.get().is_some() { (None, false) } else { measures };
                let found = Box::new(self.found(answered, trial, target, measures, began_us));
                return Step::Over(match turned {
                    None => Reached::Answer(found),
                    Some(turned) => Reached::Turned(found, turned),
                });
            }
            Tried::Gone => return Step::Over(Reached::Gone),
            Tried::Failed(failure) => failure,
        };
        self.tell_failed(&client.core, entry, trial.key, &failure);
        if said.is_none() && self.lacks_compaction(target, &failure) {
            trial.failed(&client.core, target.model, Outcome::Open);
            self.uncompacting.push(target.provider);
            self.failed = Some((failure, target.provider));
            return Step::Anew;
        }
        trial.failed(&client.core, target.model, failure.verdict.outcome);
        let next = failure.next();
        self.failed = Some((failure, target.provider));
        match next {
            Next::OtherKey => Step::OtherKey,
            Next::OtherTarget => Step::OtherTarget,
            Next::Stop => Step::Stop,
        }
    }

    /// Where all keys that are well were full: waits for the first of them and uses it. Nothing where there is no such
    /// key, or the wait was in vain.
    async fn wait_in_line<N: Net>(
        &mut self,
        client: &mut Client<N>,
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Option<Step<N::Stream>> {
        let (place, key) = self.full?;
        let model = Model::new(self.chosen.targets[place].model);
        match line::wait(client, self.request.view, key, model).await {
            Waited::Turn(trial) => {
                let target = &self.chosen.targets[place];
                // It was said before, and can be said again.
                let said = self.say(client, target, &scratch.fields, entry).await.ok().flatten();
                Some(self.use_key(client, (place, said.as_ref()), trial, scratch, entry).await)
            }
            Waited::Gone => Some(Step::Over(Reached::Gone)),
            Waited::Late => None,
            // Who had no place before may have one now.
            Waited::Resting => Some(Step::OtherKey),
        }
    }

    /// The request as `target` is asked where that is not in the client's own words. An error is where to
    /// go on where it cannot be said.
    pub(super) async fn say<N: Net>(
        &mut self,
        client: &Client<N>,
        target: &Target<'c>,
        fields: &Fields,
        entry: &Entry,
    ) -> Result<Option<Said<N>>, Step<N::Stream>> {
        let own = self.uncompacting.contains(&target.provider).then_some(Dialect::Responses);
        let Some(upstream) = translate::bridge(self.request, target).or(own) else { return Ok(None) };
        let (request, chosen) = (self.request, self.chosen);
        let shaper = Shaper { request, target, chosen, fields, dialect: upstream };
        // Boxed, for what is said of one request is no part of the others.
        let (pivot, id) = (&mut self.pivot, entry.id.as_str());
        match placed(|| say::say(client, request, pivot, target, upstream, id, &shaper)).await {
            Ok(said) => Ok(Some(said)),
            Err(Unsaid::Bad(failure)) => Err(Step::Over(Reached::Failed { failure, provider: target.provider })),
            Err(Unsaid::Crowded) => {
                let message = "too many bytes of request bodies are under way";
                Err(Step::Over(Reached::refused(Fault::Unavailable, message)))
            }
            Err(Unsaid::Unsayable(failure)) => {
                self.failed.get_or_insert((failure, target.provider));
                Err(Step::OtherTarget)
            }
        }
    }

    /// Whether `target` has failed for it knows nothing of `/compact`: then it is asked for a summary. A model that it
    /// does not know either is told by that. Nobody remembers it, for such requests are rare and a provider may learn.
    fn lacks_compaction(&self, target: &Target<'_>, failure: &Failure) -> bool {
        self.request.called.endpoint == Endpoint::ResponsesCompact
            && matches!(failure.status, 404 | 405 | 501)
            && !self.uncompacting.contains(&target.provider)
    }

    /// What is measured of an answer of this target: its own name, where the route goes by speed, and whether its key
    /// is, where the provider does.
    fn measures(&self, target: &Target<'_>) -> (Option<u64>, bool) {
        let snapshot = &self.request.view.snapshot;
        let provider = &snapshot.providers[usize::from(target.provider)];
        let name = || Paces::key(&provider.name, target.model, self.request.streamed);
        (measured(snapshot, self.chosen).then(name), provider.balance == Balance::Fastest)
    }

    fn found<S>(
        &self,
        answered: Box<Answered<S>>,
        trial: Trial,
        target: &Target<'_>,
        measures: (Option<u64>, bool),
        began_us: u64,
    ) -> Found<S> {
        let request = self.request;
        let (by_target, by_key) = measures;
        let measured = Measured { target: by_target, key: by_key, streamed: request.streamed, began_us };
        Found {
            provider: target.provider,
            hide_usage: request.asked.lacks_usage(),
            reused: answered.lane.reused,
            endpoint: request.called.endpoint,
            measured: (measures != (None, false)).then_some(measured),
            name: target.mapped.then(|| quoted(&request.model)),
            answered,
            trial,
        }
    }
}

fn quoted(name: &str) -> Box<[u8]> {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    json::text::quote(name, &mut quoted);
    quoted.into()
}

/// Whether `target` can be asked at all.
pub(super) fn is_asked(request: &Prepared<'_>, target: &Target<'_>) -> bool {
    protocol::serves(target.protocol, request.called.endpoint) || translate::bridge(request, target).is_some()
}

/// Whether speed decides who is asked.
fn measured(snapshot: &crate::config::Snapshot, chosen: &Chosen<'_>) -> bool {
    let route = chosen.route.filter(|_| chosen.turn.is_some());
    route.is_some_and(|route| snapshot.routes[usize::from(route)].spread == Spread::Fastest)
}
