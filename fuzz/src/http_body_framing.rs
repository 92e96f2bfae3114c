//! A request and its body as one text, whole and byte by byte: the same head, payload and end. After it
//! begins the next request, so both readings must agree where that is.

use weir::http::body::{Decoder, Framing, State};
use weir::http::field::Fields;
use weir::http::head::{self, HeadLimits};

/// Payload, bytes of the message, and whether it is complete; nothing if it is refused.
fn read(text: &[u8], step: usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut fields, mut searched, mut seen) = (Fields::new(), 0, 0);
    let head = loop {
        seen = text.len().min(seen + step);
        match head::request(&text[..seen], &mut searched, &mut fields, &HeadLimits::default()) {
            Ok(Some(head)) => break head,
            Ok(None) if seen < text.len() => {}
            Ok(None) | Err(_) => return None,
        }
    };
    let (payload, bytes, complete) = body(head.framing, &text[head.len..], step)?;
    Some((payload, head.len + bytes, complete))
}

/// The body that `text` begins with, read in pieces of `step` bytes: its payload, the bytes it took, and whether it is
/// complete; nothing if it is refused.
pub fn body(framing: Framing, text: &[u8], step: usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut decoder, mut payload, mut bytes) = (Decoder::new(framing), Vec::new(), 0);
    for piece in text.chunks(step) {
        if decoder.is_end() {
            break;
        }
        let mut piece = piece.to_vec();
        let taken = decoder.decode(&mut piece).ok()?;
        payload.extend_from_slice(&piece[taken.data]);
        bytes += taken.consumed;
        if taken.state == State::End {
            break;
        }
    }
    Some((payload, bytes, decoder.eof().is_ok()))
}

pub fn run(data: &[u8]) {
    let whole = read(data, data.len().max(1));
    assert_eq!(whole, read(data, 1));
    assert_eq!(whole, read(data, 7));
}
