//! Pure decisions: which targets, which key, what after a failure. What the cores share of the health of keys is
//! here too (`board`): its words are atomics, and what becomes of them is decided purely (`breaker`).

pub mod addresses;
pub mod binding;
pub mod board;
pub mod breaker;
pub mod budget;
pub mod conversation;
pub mod explain;
mod front;
pub mod hints;
pub mod line;
pub mod meet;
pub mod pace;
pub mod pool;
pub mod quota;
pub mod retry;
pub mod route;
pub mod shape;
pub mod share;
pub mod spread;
