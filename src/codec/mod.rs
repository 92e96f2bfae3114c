//! Content codings of bodies.

pub mod inflate;
