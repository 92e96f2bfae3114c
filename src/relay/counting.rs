//! How many tokens a request has, told by weir itself where no target of it counts for others, or none does now.

use std::borrow::Cow;

use super::aside;
use super::choose;
use super::failure::Failure;
use super::reach::Prepared;
use super::wait::Client;
use crate::json::{self, Raw};
use crate::limits;
use crate::plan::route::Target;
use crate::protocol::estimate::{self, Estimate};
use crate::protocol::failure::Fault;
use crate::protocol::ir::Request;
use crate::protocol::path::Endpoint;
use crate::protocol::{self, Dialect, translate};
use crate::rt::Net;

/// Whether a count is asked for.
pub(super) fn is_asked(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens | Endpoint::ResponsesInputTokens)
}

/// Whether a count is asked for, and nobody among `targets` can be asked for it.
pub(super) fn is_ours(request: &Prepared<'_>, targets: &[Target<'_>]) -> bool {
    let endpoint = request.called.endpoint;
    is_asked(endpoint)
        && !targets.is_empty()
        && !targets.iter().any(|target| protocol::serves(target.protocol, endpoint))
}

/// Whether this failure of all that were asked for a count leaves the count to weir: it says nothing of the request.
pub(super) fn is_left(request: &Prepared<'_>, failure: &Failure) -> bool {
    is_asked(request.called.endpoint) && !matches!(failure.status, 400 | 413 | 422)
}

/// The answer to a request for a count. Other sessions have their turn between the pieces that are counted; a large request
/// is read and counted by a thread of its own.
pub(super) async fn answer<N: Net>(
    client: &Client<N>,
    request: &Prepared<'_>,
) -> Result<Vec<u8>, (Fault, Cow<'static, str>)> {
    let (dialect, model, bytes) = (request.called.dialect, request.called.model.as_deref(), request.body.len());
    let has_table = choose::has_table(client).await;
    let tokens = if bytes > limits::SAID_AT_ONCE_BYTES_MAX {
        let crowded = || (Fault::Unavailable, Cow::Borrowed("too many bytes of request bodies are under way"));
        let _share = client.core.reserve(bytes).ok_or_else(crowded)?;
        let (body, model) = (aside::copied(client, request.body).await, model.map(str::to_owned));
        let job = move || {
            let asked = read(dialect, &body, model.as_deref())?;
            let mut count = has_table.then(|| Estimate::new(&asked));
            Ok(std::iter::repeat_with(|| count.as_mut().map_or(Some(about(bytes)), Estimate::step)).flatten().next())
        };
        aside::run(client, job).await.unwrap_or_else(|| Err(crowded()))?.unwrap_or_default()
    } else {
        let asked = read(dialect, request.body, model)?;
        let mut count = has_table.then(|| Estimate::new(&asked));
        loop {
            match count.as_mut().map_or(Some(about(bytes)), Estimate::step) {
                Some(tokens) => break tokens,
                None => client.core.net.sleep(0).await,
            }
        }
    };
    let mut told = Vec::new();
    estimate::write(dialect, tokens, &mut told);
    Ok(told)
}

fn about(bytes: usize) -> u64 {
    bytes as u64 / limits::TOKEN_BYTES_ABOUT
}

fn read<'b>(
    dialect: Dialect,
    body: &'b [u8],
    model: Option<&'b str>,
) -> Result<Request<'b>, (Fault, Cow<'static, str>)> {
    // Gemini's may hold the request that is meant as a member.
    let inner = json::find(body, "generateContentRequest").filter(|inner| inner.is_object());
    translate::decode_request(dialect, inner.map_or(body, Raw::bytes), model, false)
        .map_err(|bad| (Fault::InvalidRequest, Cow::Owned(format!("{}: {}", bad.member, bad.message))))
}
