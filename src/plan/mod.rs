//! Pure decisions: which targets, which key.

pub mod addresses;
pub mod keys;
pub mod meet;
pub mod pace;
pub mod quota;
pub mod route;
pub mod shape;
pub mod spread;
