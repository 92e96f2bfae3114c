//! Pure decisions: which targets, which key, what after a failure. What the cores share of the health of keys is
//! here too (`board`): its words are atomics, and what becomes of them is decided purely (`breaker`).

pub mod addresses;
pub mod board;
pub mod breaker;
pub mod hints;
pub mod keys;
pub mod meet;
pub mod pace;
pub mod quota;
pub mod retry;
pub mod route;
pub mod shape;
pub mod spread;
