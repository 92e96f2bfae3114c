//! A client's bounds around one exchange: taken before anything goes upstream, settled however it ends.

use std::rc::Rc;

use super::core::View;
use crate::config::snapshot::ClientIx;
use crate::http::write;
use crate::plan::quota::Met;
use crate::protocol::Dialect;
use crate::protocol::models;
use crate::record::{Entry, NONE};

/// What an exchange has taken; settled when this drops.
pub(super) struct Held {
    view: Rc<View>,
    client: ClientIx,
    estimated: u64,
    /// Tokens that were used in truth.
    used: u64,
}

/// An exchange has ended: what it cost, and what its client has used by it.
pub(super) fn told(view: &View, held: &mut Option<Held>, entry: &mut Entry) {
    let tokens = entry.tokens;
    if tokens.said && entry.provider != NONE {
        let price = view.snapshot.prices.of(entry.provider, entry.model_sent.as_str());
        entry.cost_nanos = price.map_or(0, |price| tokens.cost_nanos(&price));
    }
    if let Some(held) = held {
        held.used = tokens.input.saturating_add(tokens.output);
        if let Some(meter) = &held.view.meters[usize::from(held.client)] {
            meter.spend(entry.cost_nanos.div_ceil(1_000), entry.unix_ms);
        }
    }
}

/// Takes a request with a body of `bytes` out of its client's bounds; nothing where there are none.
pub(super) fn take(view: &Rc<View>, client: Option<ClientIx>, bytes: usize, unix_ms: u64) -> Result<Option<Held>, Met> {
    let Some(client) = client else { return Ok(None) };
    let Some(meter) = &view.meters[usize::from(client)] else { return Ok(None) };
    // Four bytes a token is what English text and code come to.
    let estimated = bytes as u64 / 4;
    meter.take(&view.snapshot.clients[usize::from(client)].limits, estimated, unix_ms)?;
    Ok(Some(Held { view: Rc::clone(view), client, estimated, used: 0 }))
}

impl Drop for Held {
    fn drop(&mut self) {
        let client = usize::from(self.client);
        if let Some(meter) = &self.view.meters[client] {
            meter.settle(&self.view.snapshot.clients[client].limits, self.estimated, self.used);
        }
    }
}

/// The message and the field lines of a refusal.
pub(super) fn refusal(met: &Met, dialect: Dialect, unix_ms: u64) -> (String, Vec<u8>) {
    let (what, wait_s) = (met.what(), met.wait_s);
    let message = format!("this key may use {} {what} {}; try again in {wait_s} s", met.shown(met.bound), met.window());
    let mut fields = Vec::with_capacity(256);
    write::field_number("retry-after", wait_s, &mut fields);
    if dialect == Dialect::Anthropic {
        let reset = models::timestamp(unix_ms / 1_000 + wait_s);
        for (name, value) in [("limit", met.shown(met.bound)), ("remaining", met.shown(met.left)), ("reset", reset)] {
            write::field(&format!("anthropic-ratelimit-{what}-{name}"), value.as_bytes(), &mut fields);
        }
    }
    for (name, value) in
        [("limit", met.shown(met.bound)), ("remaining", met.shown(met.left)), ("reset", format!("{wait_s}s"))]
    {
        write::field(&format!("x-ratelimit-{name}-{what}"), value.as_bytes(), &mut fields);
    }
    (message, fields)
}
