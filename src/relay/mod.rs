//! The data plane: one client connection is a session, one request and its answer an exchange, one try at a
//! provider an attempt. Generic over `rt::Net`, so that a world without a kernel can drive it.
//!
//! Ownership of bytes: a session's input buffer holds the request until commit; an attempt's slab holds what
//! the upstream said; both come from the core's free list and go back as soon as nobody looks at them.
//! Backpressure is structural: an upstream is read again only after what it said before has been written.

use std::pin::Pin;

mod aside;
mod ask;
mod attempt;
mod choose;
mod core;
mod counting;
mod demo;
mod exchange;
mod exhausted;
mod fail;
mod failure;
mod greet;
mod hedge;
mod hold;
mod intake;
mod line;
mod local;
mod open;
mod outgoing;
mod pipe;
mod quota;
mod reach;
mod ready;
mod rejected;
mod reply;
mod say;
mod session;
mod shaping;
mod tap;
mod transcode;
mod translate;
mod trial;
mod tried;
mod unpack;
mod upgrade;
mod upstream;
mod wait;
mod way;
mod whole;

/// What is in the box, which is gone then. One that an async function takes apart by `*` keeps its memory for as long as the
/// function runs.
#[expect(clippy::boxed_local, reason = "the box is what it takes")]
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// What `make` makes, made where it stays. A large future is mostly room for later, which `Box::pin` would copy.
#[inline(always)]
fn placed<T>(make: impl FnOnce() -> T) -> Pin<Box<T>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

#[cfg(test)]
mod door_test;
#[cfg(test)]
mod poll_test;
#[cfg(test)]
mod size_test;
#[cfg(test)]
mod turn_test;

#[cfg(test)]
pub(crate) use self::core::AtRest;
pub use self::core::{Command, Core, Parts};
