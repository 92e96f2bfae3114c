//! What a route and a provider change in the body of a request, and the effort that the name asks for, as one target
//! gets it.
//!
//! A small body is changed at once; what changes a large one goes to a thread of its own, free of all that belongs to a
//! core.

use std::sync::Arc;

use smallvec::SmallVec;

use super::choose;
use super::reach::Prepared;
use crate::config::Snapshot;
use crate::config::snapshot::{ProviderIx, RouteIx, Shaping};
use crate::http::field::Fields;
use crate::plan::route::{Chosen, Target};
use crate::plan::shape::{self, Going};
use crate::protocol::Dialect;
use crate::protocol::ir::Thinking;

/// What changes a request on its way to a target.
pub(super) struct Shaper<'t, 'a, 'c> {
    pub(super) request: &'t Prepared<'a>,
    pub(super) target: &'t Target<'c>,
    pub(super) chosen: &'t Chosen<'c>,
    /// The fields of the client's head.
    pub(super) fields: &'t Fields,
    /// What the body is written in.
    pub(super) dialect: Dialect,
}

/// The same, for a thread.
pub(super) struct Owned {
    snapshot: Arc<Snapshot>,
    route: Option<RouteIx>,
    provider: ProviderIx,
    dialect: Dialect,
    from: Dialect,
    asked: String,
    model: String,
    effort: Option<Thinking>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Shaper<'_, '_, '_> {
    fn changes(&self) -> bool {
        let shapings = shapings(&self.request.view.snapshot, self.chosen.route, self.target.provider);
        let any = self.chosen.effort.is_some() || shapings.iter().any(|shaping| !shaping.is_empty());
        any && self.request.asked.is_json()
    }

    /// `body` as it goes out; nothing if it goes as it is. `is_chat` says whether a model writes the answer.
    pub(super) fn shape(&self, is_chat: bool, body: &[u8]) -> Option<Vec<u8>> {
        if !self.changes() {
            return None;
        }
        let Shaper { request, target, chosen, fields, dialect } = *self;
        let going = Going {
            dialect,
            from: request.called.dialect,
            asked: &request.model,
            model: target.model,
            is_chat,
            effort: chosen.effort,
            header: &|name, is| choose::header_holds(fields, request.input, name, is),
        };
        shape::shape(&shapings(&request.view.snapshot, chosen.route, target.provider), &going, body)
    }

    /// For a thread; nothing where nothing is changed.
    pub(super) fn owned(&self) -> Option<Owned> {
        let Shaper { request, target, chosen, fields, dialect } = *self;
        let copy = || {
            let of = |span: crate::base::span::Span| span.of(request.input).to_vec();
            fields.iter().map(|field| (of(field.name), of(field.value))).collect()
        };
        self.changes().then(|| Owned {
            snapshot: Arc::clone(&request.view.snapshot),
            route: chosen.route,
            provider: target.provider,
            dialect,
            from: request.called.dialect,
            asked: request.model.clone().into_owned(),
            model: target.model.to_owned(),
            effort: chosen.effort,
            fields: copy(),
        })
    }
}

impl Owned {
    /// See [`Shaper::shape`].
    pub(super) fn shape(&self, is_chat: bool, body: &[u8]) -> Option<Vec<u8>> {
        let header = |name: &str, is: &dyn Fn(&str) -> bool| {
            let fields = self.fields.iter().map(|(own, value)| (own.as_slice(), value.as_slice()));
            choose::any_holds(fields, name, is)
        };
        let going = Going {
            dialect: self.dialect,
            from: self.from,
            asked: &self.asked,
            model: &self.model,
            is_chat,
            effort: self.effort,
            header: &header,
        };
        shape::shape(&shapings(&self.snapshot, self.route, self.provider), &going, body)
    }
}

/// The route's changes, then the provider's.
fn shapings(snapshot: &Snapshot, route: Option<RouteIx>, provider: ProviderIx) -> SmallVec<[&Shaping; 2]> {
    let route = route.map(|route| &snapshot.routes[usize::from(route)].shaping);
    route.into_iter().chain([&snapshot.providers[usize::from(provider)].shaping]).collect()
}
