//! From a request to an answer that has begun: targets in order, keys in order, until one serves; then once more,
//! when the first key that rests is back.

use std::borrow::Cow;
use std::rc::Rc;

use smallvec::SmallVec;

use super::attempt::{self, Answered, Destination, NoAnswer, Outgoing};
use super::core::{Scratch, View};
use super::exchange::Called;
use super::failure::Failure;
use super::outgoing;
use super::rejected::{self, is_error, masked};
use super::trial::Trial;
use super::wait::Client;
use crate::config::snapshot::{KeyIx, ProviderIx};
use crate::http::field::Fields;
use crate::http::head::{Name, RequestHead};
use crate::json::edit::Edits;
use crate::limits;
use crate::plan::board::{Model, Rest};
use crate::plan::breaker::Cause;
use crate::plan::keys;
use crate::plan::retry::{Next, Rounds};
use crate::plan::route::{self, Question, Refused, Target};
use crate::protocol::failure::Fault;
use crate::protocol::sniff::{self, Asked, NotForm};
use crate::protocol::{self, Protocol};
use crate::record::{Entry, Text};
use crate::rt::Net;

/// A request whose body has been read, with the targets it goes to.
pub(super) struct Prepared<'a> {
    view: &'a Rc<View>,
    called: &'a Called,
    head: &'a RequestHead,
    input: &'a [u8],
    body: &'a [u8],
    decoded: bool,
    asked: Asked,
    /// The model asked for.
    pub(super) model: Cow<'a, str>,
    /// Whether the answer is asked for as a stream.
    pub(super) streamed: bool,
}

/// Where trying led.
pub(super) enum Reached<S> {
    /// An upstream's answer has begun.
    Answer(Box<Found<S>>),
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
        fields: &Fields,
    ) -> Result<Prepared<'a>, (Fault, Cow<'static, str>)> {
        let kind = fields.value(input, Name::ContentType).unwrap_or_default();
        let asked = match sniff::form(called.endpoint, kind, body) {
            Some(form) => form.map_err(|NotForm| {
                (Fault::InvalidRequest, "the body is not the form that its content-type announces".into())
            })?,
            None => sniff::request(called.endpoint, body)
                .map_err(|error| (Fault::InvalidRequest, format!("the body is not valid JSON: {error}").into()))?,
        };
        let model = match &called.model {
            Some(model) => Cow::Borrowed(model.as_str()),
            None => asked.model(body),
        };
        let streamed = asked.streams();
        Ok(Prepared { view, called, head, input, body, decoded, asked, model, streamed })
    }

    /// The body for `target`. A name that stands there already is left as it was written.
    fn spliced<'t>(&'t self, target: &'t Target<'_>) -> Edits<'t> {
        let stands = self.called.model.is_none() && self.asked.models.len() == 1 && *target.model == *self.model;
        sniff::splice(&self.asked, self.body, (!stands).then_some(target.model), self.asked.lacks_usage())
    }

    fn targets(&self) -> Result<SmallVec<[Target<'_>; 4]>, (Fault, Cow<'static, str>)> {
        let question = Question {
            client: self.called.client,
            dialect: self.called.dialect,
            forced: self.called.provider,
            model: &self.model,
        };
        route::targets(&self.view.snapshot, &question).map_err(|why| match why {
            Refused::NotAllowed => (Fault::Permission, "this key may not use this model".into()),
            Refused::UnknownModel | Refused::Excluded => {
                (Fault::NotFound, format!("the model {:?} does not exist", shortened(&self.model)).into())
            }
            Refused::NotDirected => (Fault::InvalidRequest, "the request names no model".into()),
            Refused::NoRoute | Refused::NoTarget => {
                (Fault::NotFound, "no route leads to a provider for this request".into())
            }
        })
    }
}

/// A name from outside, short enough for a message.
fn shortened(name: &str) -> &str {
    let end = (0..=name.len().min(limits::NAME_SHOWN_BYTES)).rev().find(|&end| name.is_char_boundary(end));
    &name[..end.unwrap_or(0)]
}

/// What one attempt came to.
enum Tried<S> {
    Answer(Answered<S>),
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
    let targets = match request.targets() {
        Ok(targets) => targets,
        Err((fault, message)) => return Reached::Refused { fault, message },
    };
    let mut trip = Trip { request, targets: &targets, failed: None };
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
struct Trip<'t, 'a> {
    request: &'t Prepared<'a>,
    targets: &'t [Target<'t>],
    /// The last failure, and whose it was.
    failed: Option<(Failure, ProviderIx)>,
}

impl Trip<'_, '_> {
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
        'targets: for target in self.targets {
            let provider = &snapshot.providers[target.provider as usize];
            if !protocol::serves(provider.protocol, request.called.endpoint) {
                continue;
            }
            entry.provider = target.provider;
            entry.model_sent = Text::new(target.model);
            if provider.protocol == Protocol::Demo {
                return Round::Over(Reached::Demo(Demo { body: request.body.to_vec() }));
            }
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
                let failure = match attempt(client, request, target, key, scratch).await {
                    Tried::Answer(answered) => {
                        let reused = answered.lane.reused;
                        let hide_usage = request.asked.lacks_usage();
                        let found = Found { answered, trial, provider: target.provider, hide_usage, reused };
                        return Round::Over(Reached::Answer(Box::new(found)));
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

    /// The rests of all keys of all targets.
    fn rests(&self, now_ms: u64) -> impl Iterator<Item = (ProviderIx, Rest)> {
        let (view, request) = (self.request.view, self.request);
        let snapshot = &*view.snapshot;
        self.targets.iter().flat_map(move |target| {
            let protocol = snapshot.providers[target.provider as usize].protocol;
            let serves = protocol::serves(protocol, request.called.endpoint);
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
            return unserved(self.request, self.targets, &self.request.view.snapshot);
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
fn unserved<S>(request: &Prepared<'_>, targets: &[Target<'_>], snapshot: &crate::config::Snapshot) -> Reached<S> {
    let meets = |target: &&Target<'_>| {
        protocol::serves(snapshot.providers[target.provider as usize].protocol, request.called.endpoint)
    };
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

async fn attempt<N: Net>(
    client: &mut Client<N>,
    request: &Prepared<'_>,
    target: &Target<'_>,
    key: KeyIx,
    scratch: &mut Scratch,
) -> Tried<N::Stream> {
    let snapshot = &request.view.snapshot;
    let (provider, key) = (&snapshot.providers[target.provider as usize], &snapshot.keys[key as usize]);
    if provider.base.tls {
        // `weir check` has warned of it. In the clear the key must not go.
        return Tried::Failed(Failure::unavailable("it is reached over https, which is not there yet"));
    }
    let Scratch { fields, answer, out } = scratch;
    // The body first, for the head names its length.
    let spliced = request.spliced(target);
    let call = request.called.call(request.input);
    out.clear();
    outgoing::request(
        &outgoing::Request {
            head: request.head,
            fields,
            input: request.input,
            call: &call,
            model: target.model,
            decoded: request.decoded,
        },
        provider,
        key,
        spliced.total_len(),
        out,
    );
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
    let addresses = client.core.addresses();
    let destination = Destination {
        pool: request.view.pools[target.provider as usize],
        addresses: addresses.of(&provider.base),
        connect_ms: provider.timeouts.connect_ms,
        answer_ms: if request.streamed { provider.timeouts.first_token_ms } else { provider.timeouts.answer_ms },
        streamed: request.streamed,
        dialect: request.called.dialect,
    };
    match attempt::attempt(client, &destination, &Outgoing { pieces }, answer).await {
        Err(NoAnswer::Gone) => Tried::Gone,
        Err(NoAnswer::Failed(failure)) => {
            let body = failure.body.filter(|body| is_error(body)).map(|body| masked(&body, key.secret.expose()));
            Tried::Failed(Failure { body, ..failure })
        }
        Ok(answered) => match rejected::verdict(&answered, answer, client.core.net.unix_ms()) {
            None => Tried::Answer(answered),
            Some(verdict) => Tried::Failed(rejected::failure(client, answered, answer, verdict, key.secret.expose())),
        },
    }
}
