//! The dialects clients speak and the protocols providers speak.
