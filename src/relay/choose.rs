//! From a request whose body has been read to its targets, in the order in which they are tried.
//!
//! The decision is `plan`'s. Here are the facts it asks for, taken from the request only where its route looks at them,
//! and the one that may take a while: how many tokens the request has, counted in steps between other sessions' turns.

use std::borrow::Cow;
use std::sync::Once;

use super::core::View;
use super::exchange::Called;
use super::reach::Prepared;
use super::wait::Client;
use crate::base::text::beginning;
use crate::http::field::Fields;
use crate::limits;
use crate::plan::conversation;
use crate::plan::meet::Look;
use crate::plan::pool::Pool;
use crate::plan::route::{self, Chosen, Question, Refused};
use crate::plan::spread::{self, Now};
use crate::protocol::failure::Fault;
use crate::protocol::tokens;
use crate::rt::Net;

/// Whether what the body says may matter for where it goes.
pub(super) fn looks_inside(view: &View, called: &Called) -> bool {
    let route = view.snapshot.route(called.client, called.dialect);
    let route = route.map(|route| &view.snapshot.routes[usize::from(route)]);
    let by_route =
        called.provider.is_none() && route.is_some_and(|route| !route.rules.is_empty() || !route.scenes.is_empty());
    by_route || view.has_conversations
}

/// The targets of a request.
pub(super) async fn choose<'a, N: Net>(
    client: &Client<N>,
    request: &'a Prepared<'a>,
    fields: &Fields,
) -> Result<Chosen<'a>, (Fault, Cow<'static, str>)> {
    let s = &*request.view.snapshot;
    let mut question = Question {
        client: request.called.client,
        dialect: request.called.dialect,
        forced: request.called.provider,
        model: &request.model,
        rule: None,
        scene: None,
    };
    let body = request.outline.as_ref().map(|outline| (request.body, outline));
    let header = |name: &str, is: &dyn Fn(&str) -> bool| header_holds(fields, request.input, name, is);
    let mut look = Look::begin(s, &mut question, header, body);
    if look.counts().is_some() {
        count(client, &mut look).await;
    }
    look.end(&mut question, body);
    let mut chosen = route::targets(s, &question).map_err(|why| refusal(request, &question, why))?;
    let now = Now { turns: &request.view.turns, paces: &client.core.paces, streamed: request.streamed };
    spread::arrange(s, &mut chosen, now);
    Ok(chosen)
}

impl Prepared<'_> {
    /// The conversation that it belongs to, where that matters to `pool`.
    pub(super) fn conversation(&self, pool: &Pool, fields: &Fields) -> Option<u64> {
        let fields = fields.iter().map(|field| (field.name.of(self.input), field.value.of(self.input)));
        let body = self.outline.as_ref().map(|outline| (self.body, outline));
        conversation::of(pool.affinity(), fields, body)
    }
}

/// Whether a value of a header field, of this name in any case, is as `is` says.
pub(super) fn header_holds(fields: &Fields, input: &[u8], name: &str, is: &dyn Fn(&str) -> bool) -> bool {
    any_holds(fields.iter().map(|field| (field.name.of(input), field.value.of(input))), name, is)
}

/// The same of fields that are each a name and a value.
pub(super) fn any_holds<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &str,
    is: &dyn Fn(&str) -> bool,
) -> bool {
    let mut named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
    named.any(|(_, value)| std::str::from_utf8(value).is_ok_and(is))
}

/// Waits for the table of tokens, which is loaded when it is first needed. False where it does not come.
pub(super) async fn has_table<N: Net>(client: &Client<N>) -> bool {
    if !tokens::is_loaded() {
        static LOADING: Once = Once::new();
        LOADING.call_once(|| _ = std::thread::Builder::new().name("tokens".to_owned()).spawn(tokens::load));
        let mut waited_ms = 0;
        while !tokens::is_loaded() {
            if waited_ms > limits::TOKENS_LOAD_MS_MAX {
                return false;
            }
            client.core.net.sleep(limits::TOKENS_LOAD_PAUSE_MS).await;
            waited_ms += limits::TOKENS_LOAD_PAUSE_MS;
        }
    }
    true
}

/// Counts what a look has to count, in steps between which other sessions have their turn.
async fn count<N: Net>(client: &Client<N>, look: &mut Look<'_>) {
    // Without the table there is no count, and the request is not long.
    if !has_table(client).await {
        return;
    }
    while let Some(count) = look.counts() {
        count.step();
        client.core.net.sleep(0).await;
    }
}

fn refusal(request: &Prepared<'_>, question: &Question<'_>, why: Refused) -> (Fault, Cow<'static, str>) {
    match why {
        Refused::NotAllowed => (Fault::Permission, "this key may not use this model".into()),
        Refused::UnknownModel | Refused::Excluded => {
            let mut message =
                format!("the model {:?} does not exist", beginning(&request.model, limits::NAME_SHOWN_BYTES));
            let near = route::nearest(&request.view.snapshot, question);
            for (nth, name) in near.iter().enumerate() {
                message.push_str(if nth == 0 { "; did you mean " } else { ", " });
                message.push_str(&format!("{name:?}"));
            }
            if !near.is_empty() {
                message.push('?');
            }
            (Fault::UnknownModel, message.into())
        }
        Refused::NotDirected => (Fault::InvalidRequest, "the request names no model".into()),
        Refused::NoRoute => (Fault::InvalidRequest, "the request names no model, and no route chooses one".into()),
        Refused::NoTarget => (Fault::NotFound, "no route leads to a provider for this request".into()),
    }
}
