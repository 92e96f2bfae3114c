//! A request said in another protocol than the client's.
//!
//! What is soon done is done at once. A large request is said by a thread of its own ([`aside`]): reading and writing it
//! anew takes longer than a core may stand still. What a route and a provider change, and
//! the effort that the name asks for, is changed in the body as it goes out, so that rules mean the same whether a body
//! was translated or not.

use std::borrow::Cow;

use super::aside;
use super::core::Reserved;
use super::failure::Failure;
use super::reach::Prepared;
use super::shaping::{self, Shaper};
use super::translate::DROPPED;
use super::wait::Client;
use crate::config::snapshot::Provider;
use crate::http::write;
use crate::limits;
use crate::plan::retry::Verdict;
use crate::plan::route::Target;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::protocol::ir::{
    BadRequest, Destination, Dropped, Names, Opening, Outgoing, Part, Quirks, Request, Source, seal,
};
use crate::protocol::path::Endpoint;
use crate::protocol::responses::compact::{self, Compaction};
use crate::protocol::translate;
use crate::rt::Net;

/// A request as one target is asked.
pub(super) struct Said<N: Net> {
    pub(super) upstream: Dialect,
    pub(super) body: Vec<u8>,
    pub(super) names: Names,
    /// What the answer begins with, as far as the request tells it.
    pub(super) opening: Opening,
    /// How the answer is told, where it is a summary in place of what was asked for.
    pub(super) compaction: Option<Compaction>,
    /// Field lines of the client's answer: what was not said.
    pub(super) fields: Vec<u8>,
    _share: Reserved<N>,
}

/// A request as it is meant, read when it is first needed.
pub(super) type Pivot<'a> = Option<Result<Request<'a>, BadRequest>>;

/// Why a target cannot be asked.
pub(super) enum Unsaid {
    /// No target can: the request is none.
    Bad(Failure),
    /// This target's protocol cannot say it.
    Unsayable(Failure),
    /// There is no room for another body, or no thread to say it.
    Crowded,
}

/// The same, before it is put into words.
enum Wrong {
    Bad(BadRequest),
    Unsayable(BadRequest),
}

/// A request in the words of a target.
struct Spoken {
    out: Outgoing,
    opening: Opening,
    compaction: Option<Compaction>,
}

impl Spoken {
    /// Lets `shape` change what is said.
    fn shape(&mut self, shape: impl FnOnce(bool, &[u8]) -> Option<Vec<u8>>) {
        if let Some(shaped) = shape(self.compaction.is_none(), &self.out.body) {
            self.out.body = shaped;
        }
    }
}

/// How a request is to be said.
#[derive(Clone, Copy)]
struct How<'h> {
    endpoint: Endpoint,
    upstream: Dialect,
    to: Destination<'h>,
}

/// The request as `target` is asked, changed by `shaper`; the system prompt only where no summary is asked for in its place.
pub(super) async fn say<'a, N: Net>(
    client: &Client<N>,
    request: &Prepared<'a>,
    pivot: &mut Pivot<'a>,
    target: &Target<'_>,
    upstream: Dialect,
    id: &str,
    shaper: &Shaper<'_, '_, '_>,
) -> Result<Said<N>, Unsaid> {
    let called = request.called;
    let provider: &Provider = &request.view.snapshot.providers[usize::from(target.provider)];
    let to = Destination { model: target.model, stream: request.streamed, quirks: &provider.quirks };
    let how = How { endpoint: called.endpoint, upstream, to };
    let (spoken, _copy) = match request.body.len() > limits::SAID_AT_ONCE_BYTES_MAX {
        true => {
            let share = client.core.reserve(request.body.len()).ok_or(Unsaid::Crowded)?;
            (large(client, request, how, shaper).await.ok_or(Unsaid::Crowded)?, Some(share))
        }
        false => {
            let pivot = pivot.get_or_insert_with(|| {
                translate::decode_request(called.dialect, request.body, called.model.as_deref(), request.streamed)
            });
            let asked = pivot.as_ref().map_err(|bad| Wrong::Bad(bad.clone()));
            let mut spoken = asked.and_then(|asked| speak(asked, request.body, how));
            if let Ok(spoken) = &mut spoken {
                spoken.shape(|is_chat, body| shaper.shape(is_chat, body));
            }
            (spoken, None)
        }
    };
    let unsaid = |bad: &BadRequest| unsayable(bad, called.dialect, id);
    let Spoken { out, opening, compaction } = spoken.map_err(|wrong| match wrong {
        Wrong::Bad(bad) => Unsaid::Bad(unsaid(&bad)),
        Wrong::Unsayable(bad) => Unsaid::Unsayable(unsaid(&bad)),
    })?;
    let Outgoing { body, dropped, names } = out;
    let share = client.core.reserve(body.len()).ok_or(Unsaid::Crowded)?;
    Ok(Said { upstream, body, names, opening, compaction, fields: fields(&dropped), _share: share })
}

fn fields(dropped: &Dropped) -> Vec<u8> {
    let (mut fields, mut value) = (Vec::new(), Vec::new());
    if !dropped.is_empty() {
        dropped.write(&mut value);
        write::field(DROPPED, &value, &mut fields);
    }
    fields
}

/// Says `asked`, which was read from `body`.
fn speak(asked: &Request<'_>, body: &[u8], how: How<'_>) -> Result<Spoken, Wrong> {
    let How { endpoint, upstream, to } = how;
    let form = translate::compacts(asked, endpoint, upstream, to.stream);
    let summary = form.map(|_| compact::ask(asked)).transpose().map_err(Wrong::Bad)?;
    let mut out = Outgoing::default();
    translate::refuse(asked, upstream)
        .and_then(|()| translate::encode_request(upstream, summary.as_ref().unwrap_or(asked), &to, &mut out))
        .map_err(Wrong::Unsayable)?;
    let mut opening = Opening {
        include_usage: asked.include_usage == Some(true),
        input_tokens: tokens_about(asked, body.len()),
        plain_completion: matches!(endpoint, Endpoint::OllamaGenerate | Endpoint::Completions),
        old_functions: asked.old_functions,
        has_tools: !asked.tools.is_empty(),
        ..Opening::default()
    };
    translate::open(endpoint.dialect(), body, &mut opening);
    Ok(Spoken { out, opening, compaction: form.map(|form| Compaction::new(form, asked)) })
}

/// Says a large request on a thread of its own; nothing if there is none.
async fn large<N: Net>(
    client: &Client<N>,
    request: &Prepared<'_>,
    how: How<'_>,
    shaper: &Shaper<'_, '_, '_>,
) -> Option<Result<Spoken, Wrong>> {
    let job = Job {
        body: aside::copied(client, request.body).await,
        dialect: request.called.dialect,
        path_model: request.called.model.clone(),
        endpoint: how.endpoint,
        upstream: how.upstream,
        model: how.to.model.to_owned(),
        stream: how.to.stream,
        quirks: how.to.quirks.clone(),
        shaper: shaper.owned(),
    };
    aside::run(client, move || job.run()).await
}

/// A large request to be said, free of everything that belongs to a core.
struct Job {
    body: Vec<u8>,
    dialect: Dialect,
    path_model: Option<String>,
    endpoint: Endpoint,
    upstream: Dialect,
    model: String,
    stream: bool,
    quirks: Quirks,
    shaper: Option<shaping::Owned>,
}

impl Job {
    fn run(self) -> Result<Spoken, Wrong> {
        let asked = translate::decode_request(self.dialect, &self.body, self.path_model.as_deref(), self.stream);
        let to = Destination { model: &self.model, stream: self.stream, quirks: &self.quirks };
        let how = How { endpoint: self.endpoint, upstream: self.upstream, to };
        let mut spoken = speak(&asked.map_err(Wrong::Bad)?, &self.body, how)?;
        if let Some(shaper) = &self.shaper {
            spoken.shape(|is_chat, body| shaper.shape(is_chat, body));
        }
        Ok(spoken)
    }
}

fn unsayable(bad: &BadRequest, dialect: Dialect, id: &str) -> Failure {
    let (verdict, mut body) = (Verdict::UNUSABLE, Vec::new());
    failure::write_bad(dialect, bad, id, &mut body);
    let (fault, message) = (Fault::InvalidRequest, Cow::Owned(bad.to_string()));
    Failure { verdict, fault, status: 400, message, body: Some(body), retry_after: None, upstream_id: None }
}

/// Whether `body` holds what its vendor would refuse, for another sealed it, or we did. Said anew, it is left out or
/// becomes text (conversion.md 16, 47). Chat's vendors do not look.
pub(super) async fn is_wrapped<N: Net>(client: &Client<N>, endpoint: Endpoint, body: &[u8]) -> bool {
    let holds =
        |piece: &[u8]| seal::may_be_wrapped(piece) || endpoint == Endpoint::Responses && compact::may_be_held(piece);
    match endpoint {
        Endpoint::Responses | Endpoint::Messages | Endpoint::GeminiGenerate | Endpoint::GeminiStream => {
            aside::any_piece(client, body, compact::MARK.len(), holds).await
        }
        _ => false,
    }
}

/// A guess at the prompt's tokens that costs nothing: four bytes are one, and an image is what vendors count for one.
fn tokens_about(asked: &Request<'_>, bytes: usize) -> u64 {
    let (mut media_bytes, mut media) = (0, 0);
    for part in asked.turns.iter().flat_map(|turn| &turn.parts) {
        let parts = match part {
            Part::ToolResult(result) => &result.content[..],
            part => std::slice::from_ref(part),
        };
        for part in parts {
            if let Part::Media(medium) = part
                && let Source::Base64(data) = &medium.source
            {
                media_bytes += data.bytes().len();
                media += 1;
            }
        }
    }
    bytes.saturating_sub(media_bytes) as u64 / limits::TOKEN_BYTES_ABOUT + media * limits::IMAGE_TOKENS_ABOUT
}
