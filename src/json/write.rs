//! Writes JSON to the end of a `Vec<u8>`, commas included.
//!
//! A bit per open container remembers its kind, another whether it already holds something. The writer
//! trusts its caller: names only in objects, as many ends as beginnings. Both are asserted in debug builds.

use super::span::{Escaped, Raw};
use super::text;

/// Appends JSON to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Kinds of the open containers, innermost in bit 0: set for an object.
    objects: u128,
    /// Whether the container holds something, same order; the bottom bit belongs to the text itself.
    filled: u128,
    depth: u32,
    named: bool,
}

impl<'a> Writer<'a> {
    /// A writer that appends one value to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { out, objects: 0, filled: 0, depth: 0, named: false }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) -> &mut Self {
        self.begin(b'{', true)
    }

    /// Opens an array.
    pub fn begin_array(&mut self) -> &mut Self {
        self.begin(b'[', false)
    }

    /// Closes the innermost object or array.
    pub fn end(&mut self) -> &mut Self {
        debug_assert!(self.depth > 0 && !self.named, "nothing to end here");
        self.out.push(if self.objects & 1 == 1 { b'}' } else { b']' });
        self.objects >>= 1;
        self.filled >>= 1;
        self.depth = self.depth.saturating_sub(1);
        self
    }

    /// The name of the next member.
    pub fn key(&mut self, name: &str) -> &mut Self {
        debug_assert!(self.objects & 1 == 1 && !self.named, "a name belongs into an object");
        self.separate();
        text::quote(name, self.out);
        self.out.push(b':');
        self.named = true;
        self
    }

    /// A string.
    pub fn string(&mut self, value: &str) -> &mut Self {
        self.separate();
        text::quote(value, self.out);
        self
    }

    /// A string that is escaped already.
    pub fn escaped(&mut self, value: Escaped<'_>) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(value.bytes());
        self.out.push(b'"');
        self
    }

    /// A whole number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.separate();
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(Raw::trusted(if value { b"true" } else { b"false" }))
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw(Raw::trusted(b"null"))
    }

    /// A value as it was written elsewhere.
    pub fn raw(&mut self, value: Raw<'_>) -> &mut Self {
        self.separate();
        self.out.extend_from_slice(value.bytes());
        self
    }

    fn begin(&mut self, open: u8, object: bool) -> &mut Self {
        debug_assert!(self.depth < u128::BITS - 1, "nested deeper than the bit stack");
        self.separate();
        self.out.push(open);
        self.objects = self.objects << 1 | u128::from(object);
        self.filled <<= 1;
        self.depth += 1;
        self
    }

    /// A comma before everything but the first of a container and the value of a name.
    fn separate(&mut self) {
        if !self.named && self.filled & 1 == 1 {
            self.out.push(b',');
        }
        self.named = false;
        self.filled |= 1;
    }
}

#[cfg(test)]
#[path = "write_test.rs"]
mod tests;
