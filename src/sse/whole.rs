//! Where the last whole frame of a buffer ends.
//!
//! A cheaper question than the splitter's, asked backwards: what may go out now, and what waits for its rest.

use memchr::memrchr_iter;

use super::Framing;

/// Bytes of the longest end of a frame: LF CR LF, the first of them that of the last line.
pub const END_BYTES_MAX: usize = 3;

/// Bytes of `bytes` up to the end of its last whole frame; 0 if none ends in it. The elements of an array have
/// no end that could be told backwards: all of it counts.
pub fn whole(framing: Framing, bytes: &[u8]) -> usize {
    match framing {
        Framing::Sse => blank_line(bytes),
        Framing::Lines => memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1),
        Framing::Array => bytes.len(),
    }
}

/// The end of the last blank line, which ends an event (WHATWG HTML §9.2.5).
fn blank_line(bytes: &[u8]) -> usize {
    for at in memrchr_iter(b'\n', bytes) {
        if let [.., b'\n'] | [.., b'\n', b'\r'] = bytes[..at] {
            return at + 1;
        }
    }
    // Lines that end with CR alone: in a stream that has them, a CR at the very end may still get its LF.
    let ended = bytes.len().saturating_sub(1);
    memrchr_iter(b'\r', &bytes[..ended]).find(|&at| bytes[..at].ends_with(b"\r")).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_at_a_blank_line_of_any_kind() {
        for (text, end) in [
            ("", 0),
            ("data: a\n", 0),
            ("data: a\n\n", 9),
            ("data: a\n\ndata: b\n", 9),
            ("data: a\r\n\r\nda", 11),
            ("data: a\r\n\r", 0),
            ("data: a\r\rdata: b\r", 9),
            ("data: a\n\n\n", 10),
            ("a\n\nb\n\nc", 6),
        ] {
            assert_eq!(whole(Framing::Sse, text.as_bytes()), end, "{text:?}");
        }
    }

    /// What has been looked at needs no second look but for its last bytes.
    #[test]
    fn an_end_is_found_from_its_first_byte_on() {
        for end in ["\n\n", "\r\n\r\n", "\n\r\n", "\r\r."] {
            let text = format!("data: aaa{end}");
            for looked in 0..text.len() {
                if whole(Framing::Sse, &text.as_bytes()[..looked]) > 0 {
                    continue;
                }
                let from = looked.saturating_sub(END_BYTES_MAX - 1);
                let found = whole(Framing::Sse, &text.as_bytes()[from..]);
                assert_eq!(from + found, whole(Framing::Sse, text.as_bytes()), "{end:?} after {looked}");
            }
        }
    }

    #[test]
    fn lines_end_at_lf_and_arrays_anywhere() {
        assert_eq!(whole(Framing::Lines, b"{}\n{"), 3);
        assert_eq!(whole(Framing::Lines, b"{"), 0);
        assert_eq!(whole(Framing::Array, b"[{"), 2);
    }
}
