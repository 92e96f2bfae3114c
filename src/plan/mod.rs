//! Pure decisions: which targets, which key.

pub mod keys;
pub mod route;
