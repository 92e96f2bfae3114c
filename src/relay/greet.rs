//! What happens on a client's connection before its first request: the TLS handshake, where the listener has one.
//!
//! The first bytes say what the caller speaks. Whoever speaks HTTP in the clear gets an answer that can be read, and
//! not an alert. All of it has `head_ms`, like the head that follows; it holds one small buffer and no slab.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::core::Core;
use crate::limits;
use crate::rt::{Alarm, Net, Peer, Stream, Wire, sys};
use crate::tls::Session;

/// A connection whose first request may come.
pub(super) enum Greeted<S> {
    /// It speaks what the listener speaks.
    Ready(Wire<S>),
    /// It speaks HTTP in the clear where TLS is spoken.
    Clear(Wire<S>),
}

/// Agrees with the caller on a session; nothing where it leaves, fails or takes too long.
pub(super) async fn greet<N: Net>(
    core: &Rc<Core<N>>,
    stream: Wire<N::Stream>,
    peer: Peer,
) -> Option<Greeted<N::Stream>> {
    let view = core.view();
    let (Some(identity), Peer::Ip(_)) = (&view.snapshot.tls, peer) else { return Some(Greeted::Ready(stream)) };
    let mut alarm = core.alarms.alarm();
    alarm.set(core.alarms.now_ms() + limits::TICK_MS + u64::from(view.snapshot.timeouts.head_ms));
    let mut slab = loop {
        within(core, &mut alarm, |cx| stream.poll_readable(cx)).await?;
        let mut slab = core.slabs.take();
        match stream.try_read(&mut slab) {
            Ok(read) if read > 0 => break slab,
            Err(error) if sys::would_block(&error) => core.slabs.give(slab),
            _ => {
                core.slabs.give(slab);
                return None;
            }
        }
    };
    // A TLS record begins with a number below 32, a method with a letter.
    if slab[0].is_ascii_alphabetic() {
        core.slabs.give(slab);
        return Some(Greeted::Clear(stream));
    }
    let hello = slab.to_vec();
    slab.clear();
    core.slabs.give(slab);
    let stream = stream.secured_from(Session::server(&identity.0).ok()?, hello);
    within(core, &mut alarm, |cx| stream.poll_handshake(cx)).await?.ok()?;
    Some(Greeted::Ready(stream))
}

/// Waits for `ready` until the deadline. A core that drains gives it as long as it gives an idle connection.
async fn within<N: Net, T>(
    core: &Rc<Core<N>>,
    alarm: &mut Alarm,
    mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let mut hurried = false;
    poll_fn(|cx| {
        if let Poll::Ready(outcome) = ready(cx) {
            return Poll::Ready(Some(outcome));
        }
        if core.is_draining() && !hurried {
            hurried = true;
            alarm.hasten(core.alarms.now_ms() + limits::TICK_MS + limits::DRAIN_IDLE_MS);
        }
        alarm.poll(cx).map(|()| None)
    })
    .await
}
