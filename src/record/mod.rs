//! What the data plane tells the control plane, without a lock between them.
//!
//! A core owns a `Teller`: one bounded ring of finished exchanges and one `Tally` of counters that only this
//! core writes. A full ring loses rows of the log, never numbers: what does not fit is summed on the core and
//! follows as a `Sum`. Nothing here knows a clock, a socket or the names behind the indexes.

pub mod attempt;
pub mod entry;
pub mod mask;
pub mod tally;
pub mod tap;
pub mod teller;
pub mod waits;

pub use attempt::{Attempt, Dropped};
pub use entry::{Entry, Model, NONE, Outcome, Text, Tokens};
pub use tally::Tally;
pub use teller::{Numbers, Sum, SumKey, Teller, Told};
