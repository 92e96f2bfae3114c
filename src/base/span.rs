//! A range of bytes in a buffer that somebody else owns.
//!
//! Heads and JSON bodies are read as spans over the buffer they arrived in, so nothing is copied and a
//! table of them can be reused. 32-bit offsets: no buffer of weir is larger than 4 GiB.

/// Half-open byte range `start..end` of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Span from byte offsets; both must fit 32 bits.
    #[inline]
    pub fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span { start: start as u32, end: end as u32 }
    }

    /// Where `part` lies in `whole`; nothing if it lies elsewhere.
    #[inline]
    pub fn inside(whole: &[u8], part: &[u8]) -> Option<Span> {
        let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        (at + part.len() <= whole.len()).then(|| Span::new(at, at + part.len()))
    }

    /// As a range of offsets.
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers no byte.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes it covers in `buffer`.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.range()]
    }
}
