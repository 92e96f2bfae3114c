//! An upstream's answer as bytes, interim heads and body: whole and in pieces it is the same answer, and no byte behind its
//! end is part of it. The first byte says what was asked for, the second one the length of the pieces.

use weir::http::body::Framing;
use weir::http::field::Fields;
use weir::http::head::{self, Asked, HeadLimits};

use crate::http_body_framing;

/// Status, payload, bytes of the message and whether it is complete; nothing if it is refused or has not begun.
fn read(text: &[u8], asked: Asked, step: usize) -> Option<(u16, Vec<u8>, usize, bool)> {
    let limits = HeadLimits { head_bytes: 4_096, fields: 100, target_bytes: 0 };
    let (mut fields, mut searched, mut start, mut seen) = (Fields::new(), 0, 0, 0);
    let head = loop {
        match head::response(&text[start..seen], &mut searched, &mut fields, asked, &limits) {
            // What comes before the answer is passed over.
            Ok(Some(head)) if head.status < 200 => (start, searched) = (start + head.len, 0),
            Ok(Some(head)) => break head,
            Ok(None) if seen < text.len() => seen = text.len().min(seen + step),
            Ok(None) | Err(_) => return None,
        }
    };
    let begins = start + head.len;
    let (payload, bytes, complete) = http_body_framing::body(head.framing, &text[begins..], step)?;
    let at = begins + bytes;
    match head.framing {
        Framing::Empty => assert!(payload.is_empty() && complete),
        Framing::Sized(bytes) => {
            assert!(payload.len() as u64 <= bytes && complete == (payload.len() as u64 == bytes));
        }
        Framing::ToClose => assert!(at == text.len() && complete && !head.keep_alive),
        Framing::Chunked => {}
    }
    Some((head.status, payload, at, complete))
}

pub fn run(input: &[u8]) {
    let [kind, step, text @ ..] = input else { return };
    let asked = if kind & 1 == 1 { Asked::Head } else { Asked::Other };
    let whole = read(text, asked, text.len().max(1));
    assert_eq!(read(text, asked, usize::from(*step) + 1), whole);
}
