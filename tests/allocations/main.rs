//! What is allocated, counted: a decision, an event read, an event written, an event that passes from one protocol to
//! another, what an open stream holds, a request that is translated.
//!
//! Counted is what the thread of a test asks the system for; each module says what is allowed. What the core allocates
//! as a whole is `tests/allocation.rs`.

mod counting;

mod decision;
mod events;
mod pairs;
mod requests;
