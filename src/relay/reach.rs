//! From a request to an answer that has begun: targets in order, keys in order, until one serves; then once more,
//! when the first key that rests is back.

use std::borrow::Cow;
use std::rc::Rc;

use smallvec::SmallVec;

use super::attempt::{self, Answered, Destination, NoAnswer, Outgoing};
use super::choose;
use super::core::{Scratch, View};
use super::exchange::Called;
use super::failure::Failure;
use super::outgoing;
use super::rejected;
use super::translate::{self, Pivot, Said, Turned, Unsaid};
use super::trial::Trial;
use super::wait::Client;
use crate::config::snapshot::{Key, KeyIx, Provider, ProviderIx, Shaping, Spread};
use crate::http::field::Fields;
use crate::http::head::RequestHead;
use crate::json::{self, edit::Edits};
use crate::limits;
use crate::plan::board::{Model, Rest};
use crate::plan::breaker::Cause;
use crate::plan::keys;
use crate::plan::pace::Paces;
use crate::plan::retry::{Next, Rounds};
use crate::plan::route::{Chosen, Target};
use crate::plan::shape::{self, Going};
use crate::protocol::failure::Fault;
use crate::protocol::sniff::{self, Asked, Outline, Reading};
use crate::protocol::{self, Dialect, Protocol};
use crate::record::{Entry, Text};
use crate::rt::Net;

/// A request whose body has been read, with the targets it goes to.
pub(super) struct Prepared<'a> {
    pub(super) view: &'a Rc<View>,
    pub(super) called: &'a Called,
    pub(super) head: &'a RequestHead,
    pub(super) input: &'a [u8],
    pub(super) body: &'a [u8],
    decoded: bool,
    asked: Asked,
    /// Its members, where the route looks at them.
    pub(super) outline: Option<Outline>,
    /// The model asked for.
    pub(super) model: Cow<'a, str>,
    /// Whether the answer is asked for as a stream.
    pub(super) streamed: bool,
}

/// Where trying led.
pub(super) enum Reached<S> {
    /// An upstream's answer has begun.
    Answer(Box<Found<S>>),
    /// The same of a request that was translated.
    Turned(Box<Found<S>>, Box<Turned>),
    /// The target is the demo provider.
    Demo(Demo),
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
    pub(super) answered: Answered<S>,
    /// The use of the key, to be ended with the answer.
    pub(super) trial: Trial,
    pub(super) provider: ProviderIx,
    /// Usage was asked of the upstream, not by the client: it comes out of the stream again.
    pub(super) hide_usage: bool,
    pub(super) reused: bool,
    /// Whether a stream has to say why it ends.
    pub(super) says_end: bool,
    /// Where the route goes by speed: under which key the answer is measured, and since when.
    pub(super) measured: Option<(u64, u64)>,
    /// The name that the answer carries in place of the upstream's, as a JSON string.
    pub(super) name: Option<Box<[u8]>>,
}

/// A request for the demo provider.
pub(super) struct Demo {
    pub(super) body: Vec<u8>,
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
        Prepared { view, called, head, input, body, decoded, asked, outline, model, streamed }
    }

    /// The body for `target`. A name that stands there already is left as it was written.
    fn spliced<'t>(&self, target: &'t Target<'_>, body: &'t [u8], asked: &Asked) -> Edits<'t> {
        let stands = self.called.model.is_none() && asked.models.len() == 1 && *target.model == *asked.model(body);
        sniff::splice(asked, body, (!stands).then_some(target.model), self.asked.lacks_usage())
    }

    /// `body`, written in `dialect`, as the route and the provider change it; nothing if they do not.
    fn shaped(
        &self,
        target: &Target<'_>,
        chosen: &Chosen<'_>,
        fields: &Fields,
        dialect: Dialect,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let s = &self.view.snapshot;
        let route = chosen.route.map(|route| &s.routes[usize::from(route)].shaping);
        let none = Shaping::default();
        let shapings = [route.unwrap_or(&none), &s.providers[usize::from(target.provider)].shaping];
        if chosen.effort.is_none() && shapings.iter().all(|shaping| shaping.is_empty()) || !self.asked.is_json() {
            return None;
        }
        let going = Going {
            dialect,
            from: self.called.dialect,
            asked: &self.model,
            model: target.model,
            is_chat: self.called.endpoint.is_chat(),
            effort: chosen.effort,
            header: &|name, is| choose::header_holds(fields, self.input, name, is),
        };
        shape::shape(&shapings, &going, body)
    }
}

impl Prepared<'_> {
    /// Writes the head of the request for a target that speaks the client's protocol.
    fn head_for(
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

/// What one attempt came to.
enum Tried<S> {
    Answer(Answered<S>, Option<Box<Turned>>),
    Failed(Failure),
    Gone,
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
) -> Reached<N::Stream> {
    let chosen = match choose::choose(client, request, &scratch.fields).await {
        Ok(chosen) => chosen,
        Err((fault, message)) => return Reached::Refused { fault, message },
    };
    entry.route = chosen.route.unwrap_or(crate::record::NONE);
    let mut trip = Trip { request, chosen: &chosen, failed: None, pivot: None };
    let retry = request.view.snapshot.retry;
    let mut rounds = Rounds::default();
    loop {
        let before = entry.attempts;
        match trip.round(client, scratch, entry).await {
            Round::Over(reached) => return reached,
            Round::Stop => break,
            Round::Exhausted => {}
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
    trip.end(client.core.net.unix_ms(), entry)
}

/// One request on its way through targets and keys.
struct Trip<'t, 'a, 'c> {
    request: &'t Prepared<'a>,
    chosen: &'t Chosen<'c>,
    /// The last failure, and whose it was.
    failed: Option<(Failure, ProviderIx)>,
    /// What the request means, once a target has to be told in another protocol.
    pivot: Pivot<'a>,
}

impl Trip<'_, '_, '_> {
    /// Every target once, every key of it that may be used now once.
    async fn round<N: Net>(
        &mut self,
        client: &mut Client<N>,
        scratch: &mut Scratch,
        entry: &mut Entry,
    ) -> Round<N::Stream> {
        let (request, view) = (self.request, self.request.view);
        let snapshot = &*view.snapshot;
        let mut order: SmallVec<[KeyIx; 8]> = SmallVec::new();
        'targets: for target in &self.chosen.targets {
            let upstream = translate::bridge(request, target);
            if !protocol::serves(target.protocol, request.called.endpoint) && upstream.is_none() {
                continue;
            }
            entry.provider = target.provider;
            entry.model_sent = Text::new(target.model);
            if target.protocol == Protocol::Demo {
                return Round::Over(Reached::Demo(Demo { body: request.body.to_vec() }));
            }
            let said = match upstream.map(|upstream| self.say(client, target, upstream, &scratch.fields)).transpose() {
                Ok(said) => said,
                Err(Unsaid::Refused(fault, message)) => return Round::Over(Reached::Refused { fault, message }),
                Err(Unsaid::Unsayable(failure)) => {
                    self.failed.get_or_insert((failure, target.provider));
                    continue;
                }
            };
            let cursor = &view.cursors[target.provider as usize];
            let mut turn = cursor.get();
            keys::order(snapshot, target.provider, target.model, &mut turn, &mut order);
            cursor.set(turn);
            let model = Model::new(target.model);
            for &key in &order {
                if entry.attempts == snapshot.retry.attempts_max {
                    return Round::Stop;
                }
                let Ok(mut trial) = Trial::begin(view, key, model, client.core.net.unix_ms()) else { continue };
                entry.attempts += 1;
                entry.key = key;
                let began_us = if self.measures() { client.core.net.now_us() } else { 0 };
                let asked = Ask { request, pivot: &self.pivot, said: said.as_ref(), chosen: self.chosen, target };
                let failure = match attempt(client, &asked, key, scratch, entry).await {
                    Tried::Answer(answered, _) if answered.hollow && self.has_others(entry) => {
                        rejected::hollow(client, answered)
                    }
                    Tried::Answer(answered, turned) => {
                        let found = Box::new(self.found(answered, trial, target, began_us));
                        return Round::Over(match turned {
                            None => Reached::Answer(found),
                            Some(turned) => Reached::Turned(found, turned),
                        });
                    }
                    Tried::Gone => return Round::Over(Reached::Gone),
                    Tried::Failed(failure) => failure,
                };
                trial.failed(&client.core, target.model, failure.verdict.outcome);
                let next = failure.next();
                self.failed = Some((failure, target.provider));
                match next {
                    Next::OtherKey => {}
                    Next::OtherTarget => continue 'targets,
                    Next::Stop => return Round::Stop,
                }
            }
        }
        Round::Exhausted
    }

    /// Whether somebody is left to ask.
    fn has_others(&self, entry: &Entry) -> bool {
        let (request, snapshot) = (self.request, &self.request.view.snapshot);
        let serves = |target: &&Target<'_>| is_asked(request, target);
        let keys =
            |target: &Target<'_>| snapshot.keys_of(target.provider).filter(|(_, key)| key.serves(target.model)).count();
        let all: usize = self.chosen.targets.iter().filter(serves).map(keys).sum();
        usize::from(entry.attempts) < all && entry.attempts < snapshot.retry.attempts_max
    }

    /// Whether the speed of answers is of interest.
    fn measures(&self) -> bool {
        measured(&self.request.view.snapshot, self.chosen)
    }

    /// The request as `target` is asked in the protocol of `upstream`.
    fn say<N: Net>(
        &mut self,
        client: &Client<N>,
        target: &Target<'_>,
        upstream: Dialect,
        fields: &Fields,
    ) -> Result<Said<N>, Unsaid> {
        let (request, chosen) = (self.request, self.chosen);
        translate::say(&client.core, request, &mut self.pivot, target, upstream, |body| {
            request.shaped(target, chosen, fields, upstream, body)
        })
    }

    fn found<S>(&self, answered: Answered<S>, trial: Trial, target: &Target<'_>, began_us: u64) -> Found<S> {
        let (request, snapshot) = (self.request, &self.request.view.snapshot);
        let measured = self.measures().then(|| {
            let provider = &snapshot.providers[usize::from(target.provider)].name;
            (Paces::key(provider, target.model, request.streamed), began_us)
        });
        Found {
            provider: target.provider,
            hide_usage: request.asked.lacks_usage(),
            reused: answered.lane.reused,
            says_end: request.called.endpoint.generates(),
            measured,
            name: target.mapped.then(|| quoted(&request.model)),
            answered,
            trial,
        }
    }

    /// The rests of all keys of all targets.
    fn rests(&self, now_ms: u64) -> impl Iterator<Item = (ProviderIx, Rest)> {
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
    fn end<S>(mut self, now_ms: u64, entry: &Entry) -> Reached<S> {
        let first = self.rests(now_ms).min_by_key(|(_, rest)| rest.until_ms);
        let seconds = |rest: Rest| rest.until_ms.saturating_sub(now_ms).div_ceil(1_000).max(1);
        if let Some((mut failure, provider)) = self.failed.take() {
            if let (429 | 503 | 529, Some((_, rest))) = (failure.status, first) {
                failure.retry_after = Some(seconds(rest).to_string().into_bytes());
            }
            return Reached::Failed { failure, provider };
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

fn quoted(name: &str) -> Box<[u8]> {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    json::text::quote(name, &mut quoted);
    quoted.into()
}

/// Whether `target` can be asked at all.
fn is_asked(request: &Prepared<'_>, target: &Target<'_>) -> bool {
    protocol::serves(target.protocol, request.called.endpoint) || translate::bridge(request, target).is_some()
}

/// Whether speed decides who is asked.
fn measured(snapshot: &crate::config::Snapshot, chosen: &Chosen<'_>) -> bool {
    let route = chosen.route.filter(|_| chosen.turn.is_some());
    route.is_some_and(|route| snapshot.routes[usize::from(route)].spread == Spread::Fastest)
}

/// Nothing could even be tried: the protocols do not meet, or no key is there for the model.
fn unserved<S>(request: &Prepared<'_>, targets: &[Target<'_>], snapshot: &crate::config::Snapshot) -> Reached<S> {
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
            "the provider of this model speaks another protocol, and translation between protocols is not there yet",
        ),
    }
}

/// What a target is asked.
pub(super) struct Ask<'t, 'a, 'c, N: Net> {
    pub(super) request: &'t Prepared<'a>,
    pub(super) pivot: &'t Pivot<'a>,
    /// The request in the target's protocol, where that is another than the client's.
    said: Option<&'t Said<N>>,
    chosen: &'t Chosen<'c>,
    pub(super) target: &'t Target<'c>,
}

async fn attempt<N: Net>(
    client: &mut Client<N>,
    ask: &Ask<'_, '_, '_, N>,
    key: KeyIx,
    scratch: &mut Scratch,
    entry: &Entry,
) -> Tried<N::Stream> {
    let Ask { request, said, chosen, target, .. } = *ask;
    let snapshot = &request.view.snapshot;
    let (way, book) = (&request.view.ways[key as usize], client.core.addresses());
    let (provider, key) = (&snapshot.providers[target.provider as usize], &snapshot.keys[key as usize]);
    let Scratch { fields, answer, out, .. } = scratch;
    // The body first, for the head names its length.
    let shaped = match said {
        None => request.shaped(target, chosen, fields, request.called.dialect, request.body),
        Some(_) => None,
    };
    let again = shaped.as_deref().and_then(|body| sniff::request(request.called.endpoint, body).ok());
    let spliced = match (said, &shaped, &again) {
        (Some(said), ..) => Edits::new(&said.body),
        (None, Some(body), Some(asked)) => request.spliced(target, body, asked),
        (None, ..) => request.spliced(target, request.body, &request.asked),
    };
    out.clear();
    match said {
        Some(said) => translate::head(request, said, target, provider, key, fields, out),
        None => request.head_for(target, provider, key, fields, spliced.total_len(), out),
    }
    // A small body is copied behind its head: one slice costs the kernel less than several.
    let is_small = spliced.total_len() <= limits::COPIED_BYTES_MAX;
    if is_small {
        spliced.write_to(out);
    }
    let mut pieces: SmallVec<[&[u8]; 8]> = SmallVec::new();
    pieces.push(&out[..]);
    if !is_small {
        pieces.extend(spliced.segments());
    }
    let destination = Destination {
        way,
        book: &book,
        connect_ms: provider.timeouts.connect_ms,
        answer_ms: if request.streamed { provider.timeouts.first_token_ms } else { provider.timeouts.answer_ms },
        streamed: request.streamed,
        generates: request.called.endpoint.generates(),
        dialect: said.map_or(request.called.dialect, |said| said.upstream),
        renamed: target.mapped || said.is_some(),
    };
    // Another dialect's words are read and written anew, whatever they are.
    let own = if said.is_some() { None } else { Some(request.called.dialect) };
    let failed = |failure| match said {
        None => Tried::Failed(failure),
        Some(said) => Tried::Failed(translate::failed(request, said.upstream, failure, entry)),
    };
    match attempt::attempt(client, &destination, &Outgoing { pieces }, answer).await {
        Err(NoAnswer::Gone) => Tried::Gone,
        Err(NoAnswer::Failed(failure)) => failed(rejected::cleaned(failure, own, key.secret.expose())),
        Ok(answered) => match rejected::verdict(&answered, answer, || client.core.net.unix_ms()) {
            None => match said.map(|said| translate::turned(ask, said, key, &answered, answer, entry)) {
                None => Tried::Answer(answered, None),
                Some(Ok(turned)) => Tried::Answer(answered, Some(Box::new(turned))),
                Some(Err(failure)) => Tried::Failed(failure),
            },
            Some(verdict) => failed(rejected::failure(client, answered, answer, verdict, key.secret.expose(), own)),
        },
    }
}
