//! The elements of a JSON array that is still being written.
//!
//! Nothing is validated: brackets are counted outside strings, which is enough to know where an element ends.
//! A frame is an element with what stands in front of it; the closing bracket is a frame of its own. A stream
//! that is not an array at all (a server's error object) is one frame.

/// Where the array stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    at: At,
    /// Containers open inside the element.
    depth: u32,
    /// Where in the frame its element begins.
    element: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before the array.
    #[default]
    Before,
    /// Between elements.
    Between,
    /// In an element, outside strings.
    Value { lone: bool },
    /// In a string of an element.
    Text { lone: bool },
    /// Behind a backslash in such a string.
    Escape { lone: bool },
    /// In a number or a word that is an element.
    Scalar,
    /// Behind the array.
    After,
}

impl Scan {
    /// Whether the array has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.at, At::Before | At::After)
    }

    /// The element of the frame `raw` that has just ended; empty if it has none.
    pub(super) fn take_element<'a>(&mut self, raw: &'a [u8]) -> &'a [u8] {
        self.element.take().and_then(|start| raw.get(start..)).unwrap_or_default()
    }

    /// Moves over `bytes`, in front of which `before` bytes of the frame are known, up to the frame's end.
    pub(super) fn end(&mut self, bytes: &[u8], before: usize) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.at, byte) {
                (At::Text { lone }, _) => match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    Some(found) => {
                        at += found;
                        self.at = if bytes[at] == b'"' { At::Value { lone } } else { At::Escape { lone } };
                        if self.at == (At::Value { lone }) && self.depth == 0 {
                            self.at = if lone { At::After } else { At::Between };
                            return Some(at + 1);
                        }
                    }
                    None => return None,
                },
                (At::Escape { lone }, _) => self.at = At::Text { lone },
                (At::Value { lone }, b'"') => self.at = At::Text { lone },
                (At::Value { .. }, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                (At::Value { lone }, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.at = if lone { At::After } else { At::Between };
                        return Some(at + 1);
                    }
                }
                (At::Value { .. }, _) => {}
                (At::Scalar, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n') => {
                    self.at = At::Between;
                    return Some(at);
                }
                (At::Scalar, _) => {}
                (At::Before | At::Between | At::After, b' ' | b'\t' | b'\r' | b'\n') => {}
                (At::Before, b'[') => self.at = At::Between,
                (At::Between, b',') => {}
                (At::Between, b']') => {
                    self.at = At::After;
                    return Some(at + 1);
                }
                (At::Before | At::Between, _) => self.begin(byte, before + at),
                (At::After, _) => {}
            }
            at += 1;
        }
        None
    }

    /// An element begins with `byte` at the offset `at` of the frame.
    fn begin(&mut self, byte: u8, at: usize) {
        let lone = self.at == At::Before;
        self.element = Some(at);
        self.depth = u32::from(matches!(byte, b'{' | b'['));
        self.at = match byte {
            b'{' | b'[' => At::Value { lone },
            b'"' => At::Text { lone },
            _ => At::Scalar,
        };
    }
}

/// Whether `text` is one container or string that is closed, with nothing but blanks around it.
pub(super) fn is_whole(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    // Before the array means that a lone value comes; an array would be told element by element.
    let mut scan = Scan::default();
    text.is_empty() || (text[0] == b'{' && scan.end(text, 0) == Some(text.len()))
}
