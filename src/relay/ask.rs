//! One request as one target is asked it, with one key: the head and the body that go out, and what the attempt came to.

use smallvec::SmallVec;

use super::aside;
use super::attempt::{self, Answered, Destination, NoAnswer, Outgoing};
use super::core::Scratch;
use super::failure::Failure;
use super::reach::Prepared;
use super::rejected;
use super::say::Said;
use super::shaping::Shaper;
use super::translate::{self, Turned};
use super::wait::Client;
use super::way::Way;
use crate::config::snapshot::{Key, KeyIx, Provider};
use crate::http::field::Fields;
use crate::json::edit::Edits;
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::plan::route::{Chosen, Target};
use crate::protocol::chat::fit::{self, Peculiar};
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::{self, Asked};
use crate::record::Entry;
use crate::rt::Net;

/// What one attempt came to.
pub(super) enum Tried<S> {
    Answer(Box<Answered<S>>, Option<Box<Turned>>),
    Failed(Failure),
    Gone,
}

/// What a target is asked.
pub(super) struct Ask<'t, 'a, 'c, N: Net> {
    pub(super) request: &'t Prepared<'a>,
    /// The request in the target's protocol, where that is another than the client's.
    pub(super) said: Option<&'t Said<N>>,
    pub(super) chosen: &'t Chosen<'c>,
    pub(super) target: &'t Target<'c>,
}

/// The body for a target that speaks the client's protocol, as the route, the provider and what is peculiar about it
/// change it; nothing if they do not.
fn changed<N: Net>(ask: &Ask<'_, '_, '_, N>, provider: &Provider, fields: &Fields) -> Option<(Vec<u8>, Asked)> {
    let shaped = shaper(ask, fields).shape(ask.request.called.endpoint.is_chat(), ask.request.body);
    let body = shaped.as_deref().unwrap_or(ask.request.body);
    let peculiar = peculiar(ask, provider).filter(|peculiar| peculiar.may_differ(body));
    let fitted = peculiar.and_then(|peculiar| peculiar.fit(body));
    read_again(ask.request.called.endpoint, fitted.or(shaped)?)
}

/// The same of a large body, which is looked at and changed where it holds nobody up.
async fn changed_aside<N: Net>(
    client: &Client<N>,
    ask: &Ask<'_, '_, '_, N>,
    provider: &Provider,
    fields: &Fields,
) -> Option<(Vec<u8>, Asked)> {
    let endpoint = ask.request.called.endpoint;
    let (shaper, mut peculiar) = (shaper(ask, fields).owned(), peculiar(ask, provider));
    if shaper.is_none()
        && let Some(known) = &peculiar
        && !aside::any_piece(client, ask.request.body, fit::WORD_BYTES_MAX, |piece| known.may_differ(piece)).await
    {
        peculiar = None;
    }
    if shaper.is_none() && peculiar.is_none() {
        return None;
    }
    let body = aside::copied(client, ask.request.body).await;
    let change = move || {
        let shaped = shaper.and_then(|shaper| shaper.shape(endpoint.is_chat(), &body));
        let at = shaped.as_deref().unwrap_or(&body);
        let fitted = peculiar.filter(|peculiar| peculiar.may_differ(at)).and_then(|peculiar| peculiar.fit(at));
        read_again(endpoint, fitted.or(shaped)?)
    };
    // What panicked there does so here, and ends this session alone.
    aside::run(client, change).await.unwrap_or_else(|| changed(ask, provider, fields))
}

/// `body` and what it asks for, now that it is another.
fn read_again(endpoint: Endpoint, body: Vec<u8>) -> Option<(Vec<u8>, Asked)> {
    let asked = sniff::request(endpoint, &body).ok()?;
    Some((body, asked))
}

fn shaper<'s, 'a, 'c, N: Net>(ask: &Ask<'s, 'a, 'c, N>, fields: &'s Fields) -> Shaper<'s, 'a, 'c> {
    let Ask { request, chosen, target, .. } = *ask;
    Shaper { request, target, chosen, fields, dialect: request.called.dialect }
}

/// What is peculiar about a provider of Chat where a Chat is asked for.
fn peculiar<N: Net>(ask: &Ask<'_, '_, '_, N>, provider: &Provider) -> Option<Peculiar> {
    let is_chat = ask.request.called.endpoint == Endpoint::ChatCompletions;
    is_chat.then(|| Peculiar::new(ask.target.model, &provider.quirks))
}

/// Where an attempt goes, and what is waited for there.
fn destination<'a, N: Net>(
    ask: &Ask<'_, '_, '_, N>,
    provider: &Provider,
    way: &'a Way,
    book: &'a AddressBook,
) -> Destination<'a> {
    let Ask { request, said, target, .. } = *ask;
    Destination {
        way,
        book,
        connect_ms: provider.timeouts.connect_ms,
        answer_ms: provider.timeouts.begins_ms(request.streamed, request.body.len()),
        streamed: request.streamed,
        generates: request.called.endpoint.generates(),
        dialect: said.map_or(request.called.dialect, |said| said.upstream),
        renamed: target.mapped || said.is_some(),
        translated: said.is_some(),
    }
}

/// An answer in another dialect than the client's.
async fn turned<N: Net>(
    client: &Client<N>,
    ask: &Ask<'_, '_, '_, N>,
    (said, key): (&Said<N>, &Key),
    mut answered: Box<Answered<N::Stream>>,
    fields: &Fields,
    entry: &Entry,
) -> Tried<N::Stream> {
    match translate::turned(client, ask, said, key, &mut answered, fields, entry).await {
        Ok(turned) => Tried::Answer(answered, Some(Box::new(turned))),
        Err(failure) => Tried::Failed(failure),
    }
}

pub(super) async fn attempt<N: Net>(
    client: &mut Client<N>,
    ask: &Ask<'_, '_, '_, N>,
    key: KeyIx,
    scratch: &mut Scratch,
    entry: &Entry,
) -> Tried<N::Stream> {
    let Ask { request, said, target, .. } = *ask;
    let snapshot = &request.view.snapshot;
    let (way, book) = (&request.view.ways[key as usize], client.core.addresses());
    let (provider, key) = (&snapshot.providers[target.provider as usize], &snapshot.keys[key as usize]);
    let Scratch { fields, answer, out, .. } = scratch;
    // The body first, for the head names its length.
    let changed = match said {
        None if request.body.len() <= limits::SAID_AT_ONCE_BYTES_MAX => changed(ask, provider, fields),
        // Boxed, for what it holds meanwhile is no part of an open stream.
        None => Box::pin(changed_aside(client, ask, provider, fields)).await,
        Some(_) => None,
    };
    let spliced = match (said, &changed) {
        (Some(said), _) => Edits::new(&said.body),
        (None, Some((body, asked))) => request.spliced(target, provider, body, asked),
        (None, None) => request.spliced(target, provider, request.body, &request.asked),
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
    let destination = destination(ask, provider, way, &book);
    // Another dialect's words are read and written anew, whatever they are.
    let own = if said.is_some() { None } else { Some(request.called.dialect) };
    let failed = |failure| match said {
        None => Tried::Failed(failure),
        Some(said) => Tried::Failed(translate::failed(request, said.upstream, failure, entry)),
    };
    match attempt::attempt(client, &destination, &Outgoing { pieces, body: request.body }, answer).await {
        Err(NoAnswer::Gone) => Tried::Gone,
        Err(NoAnswer::Failed(failure)) => failed(rejected::cleaned(failure, own, key).ruled(&provider.on_error)),
        Ok(answered) => match rejected::verdict(&answered, answer, &provider.on_error, || client.core.net.unix_ms()) {
            None => match said {
                None => Tried::Answer(answered, None),
                Some(said) => turned(client, ask, (said, key), answered, answer, entry).await,
            },
            Some(verdict) => failed(rejected::failure(client, *answered, answer, verdict, key, own)),
        },
    }
}
