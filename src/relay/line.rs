//! The wait for a key that is full: in its line, no longer than its `queue_ms`, while the client stays.
//!
//! Whoever is first looks again every few milliseconds whether there is a place; those behind look less often. A place
//! is not handed over: the one who gives it back may be on another core, and a wait of milliseconds is little beside
//! the requests that are waited for.

use std::future::Future as _;
use std::pin::pin;
use std::rc::Rc;

use super::core::View;
use super::trial::{Refusal, Trial};
use super::wait::{Client, Ended};
use crate::config::snapshot::KeyIx;
use crate::limits;
use crate::plan::board::Model;
use crate::rt::Net;

/// What a wait came to.
pub(super) enum Waited {
    /// The key may be used.
    Turn(Trial),
    /// Nobody else may wait, or it took too long.
    Late,
    /// The key came to rest meanwhile.
    Resting,
    /// The client is gone.
    Gone,
}

/// Waits for a turn with `key`.
pub(super) async fn wait<N: Net>(client: &mut Client<N>, view: &Rc<View>, key: KeyIx, model: Model<'_>) -> Waited {
    let (row, settings) = (&view.rows[usize::from(key)], &view.snapshot.keys[usize::from(key)]);
    let Some(ticket) = row.line.join(settings.queue) else { return Waited::Late };
    let until_ms = client.core.now_ms() + u64::from(settings.queue_ms);
    loop {
        let place = ticket.place();
        if place == 0 {
            match Trial::next(view, key, model, client.core.net.unix_ms()) {
                Ok(trial) => return Waited::Turn(trial),
                Err(Refusal::Resting) => return Waited::Resting,
                Err(Refusal::Full) => {}
            }
        }
        let now_ms = client.core.now_ms();
        if now_ms >= until_ms {
            return Waited::Late;
        }
        let ms = if place < limits::LINE_FRONT { limits::LINE_LOOK_MS } else { limits::LINE_LOOK_BEHIND_MS };
        // The deadline is looked at above; the alarm of this wait is only there to be no earlier one's.
        client.due_in(settings.queue_ms);
        let core = Rc::clone(&client.core);
        let mut pause = pin!(core.net.sleep(ms.min(until_ms - now_ms)));
        if let Err(Ended::Gone) = client.until(|cx| pause.as_mut().poll(cx)).await {
            return Waited::Gone;
        }
    }
}
