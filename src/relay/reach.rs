//! From a request to an answer that has begun: targets in order, keys in order, until one serves.

use std::borrow::Cow;

use memchr::memmem;
use smallvec::SmallVec;

use super::attempt::{self, Answered, Destination, NoAnswer, Outgoing};
use super::choose;
use super::core::{Scratch, View};
use super::exchange::Called;
use super::failure::{Failure, Retry, judge};
use super::outgoing;
use super::wait::Client;
use crate::config::snapshot::{KeyIx, ProviderIx, Shaping, Spread};
use crate::http::field::Fields;
use crate::http::head::{Name, RequestHead};
use crate::json::{self, edit::Edits};
use crate::limits;
use crate::plan::keys;
use crate::plan::pace::Paces;
use crate::plan::route::{Chosen, Target};
use crate::plan::shape::{self, Going};
use crate::protocol::failure::Fault;
use crate::protocol::sniff::{self, Asked, Outline, Reading};
use crate::protocol::{self, Protocol};
use crate::record::{Entry, Text};
use crate::rt::Net;

/// A request whose body has been read, with the targets it goes to.
pub(super) struct Prepared<'a> {
    pub(super) view: &'a View,
    pub(super) called: &'a Called,
    head: &'a RequestHead,
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
    pub(super) provider: ProviderIx,
    /// Usage was asked of the upstream, not by the client: it comes out of the stream again.
    pub(super) hide_usage: bool,
    pub(super) reused: bool,
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
        view: &'a View,
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

    /// The body as the route and the provider change it; nothing if they do not.
    fn shaped(&self, target: &Target<'_>, chosen: &Chosen<'_>, fields: &Fields) -> Option<Vec<u8>> {
        let s = &self.view.snapshot;
        let route = chosen.route.map(|route| &s.routes[usize::from(route)].shaping);
        let none = Shaping::default();
        let shapings = [route.unwrap_or(&none), &s.providers[usize::from(target.provider)].shaping];
        if chosen.effort.is_none() && shapings.iter().all(|shaping| shaping.is_empty()) || !self.asked.is_json() {
            return None;
        }
        let going = Going {
            dialect: self.called.dialect,
            from: self.called.dialect,
            asked: &self.model,
            model: target.model,
            is_chat: self.called.endpoint.is_chat(),
            effort: chosen.effort,
            header: &|name, is| choose::header_holds(fields, self.input, name, is),
        };
        shape::shape(&shapings, &going, self.body)
    }
}

/// What one attempt came to.
enum Tried<S> {
    Answer(Answered<S>),
    Failed(Failure),
    Gone,
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
    let targets = &chosen.targets;
    let snapshot = &*request.view.snapshot;
    let attempts_max = snapshot.retry.attempts_max;
    let mut failed = None;
    let mut order: SmallVec<[KeyIx; 8]> = SmallVec::new();
    'targets: for target in targets {
        let provider = &snapshot.providers[target.provider as usize];
        if !protocol::serves(target.protocol, request.called.endpoint) {
            continue;
        }
        entry.provider = target.provider;
        entry.model_sent = Text::new(target.model);
        if target.protocol == Protocol::Demo {
            return Reached::Demo(Demo { body: request.body.to_vec() });
        }
        let cursor = &request.view.cursors[target.provider as usize];
        let mut turn = cursor.get();
        keys::order(snapshot, target.provider, target.model, &mut turn, &mut order);
        cursor.set(turn);
        for &key in &order {
            if entry.attempts == attempts_max {
                break 'targets;
            }
            entry.attempts += 1;
            entry.key = key;
            let began_us = client.core.net.now_us();
            let failure = match attempt(client, request, &chosen, target, key, scratch).await {
                Tried::Answer(answered) => {
                    let reused = answered.lane.reused;
                    let hide_usage = request.asked.lacks_usage();
                    let name = target.mapped.then(|| quoted(&request.model));
                    let measured = measured(snapshot, &chosen).then(|| {
                        let key = Paces::key(&provider.name, target.model, request.streamed);
                        (key, began_us)
                    });
                    let found = Found { answered, provider: target.provider, hide_usage, reused, measured, name };
                    return Reached::Answer(Box::new(found));
                }
                Tried::Gone => return Reached::Gone,
                Tried::Failed(failure) => failure,
            };
            let retry = failure.retry;
            failed = Some((failure, target.provider));
            match retry {
                Retry::OtherKey => {}
                Retry::OtherTarget => continue 'targets,
                Retry::Never => break 'targets,
            }
        }
    }
    match failed {
        Some((failure, provider)) => Reached::Failed { failure, provider },
        None => unserved(request, targets, snapshot),
    }
}

fn quoted(name: &str) -> Box<[u8]> {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    json::text::quote(name, &mut quoted);
    quoted.into()
}

/// Whether speed decides who is asked.
fn measured(snapshot: &crate::config::Snapshot, chosen: &Chosen<'_>) -> bool {
    let route = chosen.route.filter(|_| chosen.turn.is_some());
    route.is_some_and(|route| snapshot.routes[usize::from(route)].spread == Spread::Fastest)
}

/// Nothing could even be tried: the protocols do not meet, or no key is there for the model.
fn unserved<S>(request: &Prepared<'_>, targets: &[Target<'_>], snapshot: &crate::config::Snapshot) -> Reached<S> {
    let meets = |target: &&Target<'_>| protocol::serves(target.protocol, request.called.endpoint);
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
    chosen: &Chosen<'_>,
    target: &Target<'_>,
    key: KeyIx,
    scratch: &mut Scratch,
) -> Tried<N::Stream> {
    let snapshot = &request.view.snapshot;
    let (way, book) = (&request.view.ways[key as usize], client.core.addresses());
    let (provider, key) = (&snapshot.providers[target.provider as usize], &snapshot.keys[key as usize]);
    let Scratch { fields, answer, out, .. } = scratch;
    // The body first, for the head names its length.
    let shaped = request.shaped(target, chosen, fields);
    let again = shaped.as_deref().and_then(|body| sniff::request(request.called.endpoint, body).ok());
    let spliced = match (&shaped, &again) {
        (Some(body), Some(asked)) => request.spliced(target, body, asked),
        (_, _) => request.spliced(target, request.body, &request.asked),
    };
    let call = request.called.call(request.input);
    out.clear();
    outgoing::request(
        &outgoing::Request {
            head: request.head,
            fields,
            input: request.input,
            call: &call,
            protocol: target.protocol,
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
    let destination = Destination {
        way,
        book: &book,
        connect_ms: provider.timeouts.connect_ms,
        answer_ms: if request.streamed { provider.timeouts.first_token_ms } else { provider.timeouts.answer_ms },
        streamed: request.streamed,
        dialect: request.called.dialect,
        renamed: target.mapped,
    };
    match attempt::attempt(client, &destination, &Outgoing { pieces }, answer).await {
        Err(NoAnswer::Gone) => Tried::Gone,
        Err(NoAnswer::Failed(failure)) => {
            let body = failure.body.filter(|body| is_error(body)).map(|body| masked(&body, key.secret.expose()));
            Tried::Failed(Failure { body, ..failure })
        }
        Ok(answered) => match judge(answered.head.status) {
            None => Tried::Answer(answered),
            Some((retry, fault)) => {
                Tried::Failed(rejected(client, answered, answer, retry, fault, key.secret.expose()))
            }
        },
    }
}

/// An answer that is an error: what the caller would be told if it is the last.
fn rejected<N: Net>(
    client: &Client<N>,
    answered: Answered<N::Stream>,
    fields: &Fields,
    retry: Retry,
    fault: Fault,
    secret: &[u8],
) -> Failure {
    let status = answered.head.status;
    let body = &answered.buffer[answered.payload.clone()];
    let is_quoted = answered.ended && !matches!(status, 0..=399 | 401 | 403 | 529) && is_error(body);
    let failure = Failure {
        retry,
        fault,
        status,
        message: match status {
            401 | 403 => "it refused its key".into(),
            300..=399 => "it answered with a redirect, which is not followed".into(),
            _ => format!("it answered {status}").into(),
        },
        body: is_quoted.then(|| masked(body, secret)),
        retry_after: fields.value(&answered.buffer, Name::RetryAfter).map(<[u8]>::to_vec),
    };
    let Answered { lane, buffer, ended, reusable, .. } = answered;
    client.core.slabs.give(buffer);
    if ended && reusable {
        client.core.lanes.give(lane, client.core.now_ms());
    }
    failure
}

/// Whether a body is an error as all dialects write one: a JSON object with a member `error`, or a list of such.
fn is_error(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    json::value(body).is_ok() && (body.starts_with(b"[") || json::find(body, "error").is_some())
}

/// `body` with every occurrence of `secret` made unreadable.
fn masked(body: &[u8], secret: &[u8]) -> Vec<u8> {
    if secret.is_empty() {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memmem::find_iter(body, secret) {
        out.extend_from_slice(&body[from..at]);
        out.extend_from_slice(b"***");
        from = at + secret.len();
    }
    out.extend_from_slice(&body[from..]);
    out
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_key_in_an_error_body_is_masked() {
        assert_eq!(masked(b"{\"error\":\"bad sk-1, sk-1\"}", b"sk-1"), b"{\"error\":\"bad ***, ***\"}");
        assert_eq!(masked(b"{}", b""), b"{}");
    }

    #[test]
    fn error_bodies_are_told_from_pages() {
        assert!(is_error(b" {\"error\":{\"message\":\"no\"}}\n"));
        assert!(is_error(b"[{\"error\":{}}]"));
        for other in [&b"<html>"[..], b"{\"message\":1}", b"{\"error\":", b""] {
            assert!(!is_error(other));
        }
    }
}
