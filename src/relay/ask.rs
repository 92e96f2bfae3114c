//! One request as one target is asked it, with one key: the head and the body that go out, and what the attempt came to.

use smallvec::SmallVec;

use super::attempt::{self, Answered, Destination, NoAnswer, Outgoing};
use super::core::Scratch;
use super::exchange::Called;
use super::failure::Failure;
use super::reach::Prepared;
use super::rejected;
use super::say::Said;
use super::translate::{self, Turned};
use super::wait::Client;
use crate::config::snapshot::{KeyIx, Provider};
use crate::http::field::Fields;
use crate::json::edit::Edits;
use crate::limits;
use crate::plan::route::{Chosen, Target};
use crate::protocol::path::Endpoint;
use crate::protocol::{chat, sniff};
use crate::record::Entry;
use crate::rt::Net;

/// What one attempt came to.
pub(super) enum Tried<S> {
    Answer(Answered<S>, Option<Box<Turned>>),
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
fn changed<N: Net>(ask: &Ask<'_, '_, '_, N>, provider: &Provider, fields: &Fields) -> Option<Vec<u8>> {
    let Ask { request, chosen, target, .. } = *ask;
    let Called { endpoint, dialect, .. } = *request.called;
    let shaped = request.shaped(target, chosen, fields, dialect, endpoint.is_chat(), request.body);
    if endpoint != Endpoint::ChatCompletions {
        return shaped;
    }
    chat::fit::fit(shaped.as_deref().unwrap_or(request.body), target.model, &provider.quirks).or(shaped)
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
    let shaped = if said.is_none() { changed(ask, provider, fields) } else { None };
    let again = shaped.as_deref().and_then(|body| sniff::request(request.called.endpoint, body).ok());
    let spliced = match (said, &shaped, &again) {
        (Some(said), ..) => Edits::new(&said.body),
        (None, Some(body), Some(asked)) => request.spliced(target, provider, body, asked),
        (None, ..) => request.spliced(target, provider, request.body, &request.asked),
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
        answer_ms: provider.timeouts.begins_ms(request.streamed, request.body.len()),
        streamed: request.streamed,
        generates: request.called.endpoint.generates(),
        dialect: said.map_or(request.called.dialect, |said| said.upstream),
        renamed: target.mapped || said.is_some(),
        translated: said.is_some(),
    };
    // Another dialect's words are read and written anew, whatever they are.
    let own = if said.is_some() { None } else { Some(request.called.dialect) };
    let failed = |failure| match said {
        None => Tried::Failed(failure),
        Some(said) => Tried::Failed(translate::failed(request, said.upstream, failure, entry)),
    };
    match attempt::attempt(client, &destination, &Outgoing { pieces }, answer).await {
        Err(NoAnswer::Gone) => Tried::Gone,
        Err(NoAnswer::Failed(failure)) => {
            failed(rejected::cleaned(failure, own, key.secret.expose()).ruled(&provider.on_error))
        }
        Ok(answered) => match rejected::verdict(&answered, answer, &provider.on_error, || client.core.net.unix_ms()) {
            None => match said.map(|said| translate::turned(ask, said, key, &answered, answer, entry)) {
                None => Tried::Answer(answered, None),
                Some(Ok(turned)) => Tried::Answer(answered, Some(Box::new(turned))),
                Some(Err(failure)) => Tried::Failed(failure),
            },
            Some(verdict) => failed(rejected::failure(client, answered, answer, verdict, key.secret.expose(), own)),
        },
    }
}
