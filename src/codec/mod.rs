//! Content codings of request bodies.
