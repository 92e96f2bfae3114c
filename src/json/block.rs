//! The inside of long strings, 64 bytes at a time.
