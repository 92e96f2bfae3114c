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
    let by_lf = last(bytes, b'\n', |before| matches!(before, [.., b'\n'] | [.., b'\n', b'\r']));
    // Lines that end with CR alone: in a stream that has them, a CR at the very end may still get its LF.
    let by_cr = || last(&bytes[..bytes.len().saturating_sub(1)], b'\r', |before| before.ends_with(b"\r"));
    by_lf.or_else(by_cr).map_or(0, |at| at + 1)
}

/// Line ends that are searched for one by one. In lines of a few bytes each search costs more than looking at them.
const SEARCHES: usize = 64;

/// The last `byte` before which `is_end` holds.
fn last(bytes: &[u8], byte: u8, is_end: impl Fn(&[u8]) -> bool) -> Option<usize> {
    for (nth, at) in memrchr_iter(byte, bytes).enumerate() {
        if is_end(&bytes[..at]) {
            return Some(at);
        }
        if nth == SEARCHES {
            return (0..at).rev().find(|&at| bytes[at] == byte && is_end(&bytes[..at]));
        }
    }
    None
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

    #[test]
    fn it_is_found_behind_any_number_of_lines() {
        for lines in [SEARCHES - 1, SEARCHES, SEARCHES + 1, SEARCHES + 2, 1_000] {
            for (line, end) in [("data:\n", "\n"), ("data:\r\n", "\r\n"), ("data:\r", "\r")] {
                let text = format!("data: a{}{end}{}", &line[5..], line.repeat(lines));
                let expected = "data: a".len() + line.len() - 5 + end.len();
                assert_eq!(whole(Framing::Sse, text.as_bytes()), expected, "{lines} lines `{line:?}`");
            }
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
