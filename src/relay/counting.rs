//! How many tokens a request has, told by weir itself where no target of it counts for others.

use std::borrow::Cow;

use super::choose;
use super::reach::Prepared;
use super::wait::Client;
use crate::json::{self, Raw};
use crate::limits;
use crate::plan::route::Target;
use crate::protocol::estimate::{self, Estimate};
use crate::protocol::failure::Fault;
use crate::protocol::path::Endpoint;
use crate::protocol::{self, translate};
use crate::rt::Net;

/// Whether a count is asked for, and nobody among `targets` can be asked for it.
pub(super) fn is_ours(request: &Prepared<'_>, targets: &[Target<'_>]) -> bool {
    let endpoint = request.called.endpoint;
    matches!(endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens | Endpoint::ResponsesInputTokens)
        && !targets.is_empty()
        && !targets.iter().any(|target| protocol::serves(target.protocol, endpoint))
}

/// The answer to a request for a count. Other sessions have their turn between the pieces that are counted.
pub(super) async fn answer<N: Net>(
    client: &Client<N>,
    request: &Prepared<'_>,
) -> Result<Vec<u8>, (Fault, Cow<'static, str>)> {
    let (dialect, mut body) = (request.called.dialect, Vec::new());
    // Gemini's may hold the request that is meant as a member.
    let inner = json::find(request.body, "generateContentRequest").filter(|inner| inner.is_object());
    let asked = inner.map_or(request.body, Raw::bytes);
    let asked = translate::decode_request(dialect, asked, request.called.model.as_deref(), false)
        .map_err(|bad| (Fault::InvalidRequest, Cow::Owned(format!("{}: {}", bad.member, bad.message))))?;
    let tokens = match choose::has_table(client).await {
        true => {
            let mut estimate = Estimate::new(&asked);
            loop {
                match estimate.step() {
                    Some(tokens) => break tokens,
                    None => client.core.net.sleep(0).await,
                }
            }
        }
        false => request.body.len() as u64 / limits::TOKEN_BYTES_ABOUT,
    };
    estimate::write(dialect, tokens, &mut body);
    Ok(body)
}
