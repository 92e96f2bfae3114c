//! JSON as spans over the bytes that came in.
