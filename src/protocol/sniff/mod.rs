//! What the relay reads of an exchange that it passes on as it is.
//!
//! Of a request: the members that name the model and ask for a stream ([`request`], [`form`]), and the splice
//! that changes them ([`splice`]). Of an answer: whether it has begun to speak, has ended or failed, and the
//! tokens it counts ([`Answer`]). Of a request on a route that chooses by content: what it is about ([`Outline`]).
//! Everything else goes by unread; in a stream a search for a few names decides
//! whether an event is looked at more closely.

mod answer;
mod asked;
mod form;
mod member;
mod outline;
mod usage;

pub use answer::{Answer, Progress, Seen, error_in_ok, hide_usage};
pub use asked::{Asked, request, request_outlined, splice};
pub use form::{NotForm, form};
pub use outline::{Outline, Text};
pub use usage::Usage;
