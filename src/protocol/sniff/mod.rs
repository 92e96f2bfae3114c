//! What the relay reads of an exchange that it passes on as it is.
//!
//! Of a request: the members that name the model and ask for a stream ([`Reading`]), and the splice
//! that changes them ([`splice`]). Of an answer: whether it has begun to speak, has ended or failed, and the
//! tokens it counts ([`Answer`]). Of a request on a route that chooses by content: what it is about ([`Outline`]).
//! Everything else goes by unread; in a stream a search for a few names decides
//! whether an event is looked at more closely.

mod alike;
mod answer;
mod asked;
mod form;
mod member;
mod name;
mod outline;
mod reading;
mod usage;
mod whole;

pub use answer::{Answer, Progress, Seen, error_in_ok, hide_usage, rewrite};
pub use asked::{Asked, splice};
pub use name::{event_model, renamed};
pub use outline::{Outline, Text};
pub use reading::{NotForm, Reading, Unfit, form, request, request_outlined};
pub use usage::Usage;
pub use whole::is_empty;
