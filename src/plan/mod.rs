//! Pure decisions: which targets, which key.

pub mod addresses;
pub mod keys;
pub mod route;
