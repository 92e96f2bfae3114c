//! The first byte says how the client's frames are cut into reads, the second where they end and an answer to them begins.

use weir::http::field::Fields;
use weir::http::head::{self, HeadLimits};
use weir::protocol::responses::socket::{Greeting, Socket};
use weir::ws::{Code, Heard, Reader};

fn read(text: &[u8], step: usize) -> (Vec<String>, Option<Code>) {
    let (mut reader, mut heard) = (Reader::new(1 << 12), Vec::new());
    for piece in text.chunks(step) {
        let told = reader.push(piece, &mut |one: Heard<'_>| heard.push(format!("{one:?}")));
        if let Err(code) = told {
            return (heard, Some(code));
        }
    }
    (heard, None)
}

pub fn run(data: &[u8]) {
    let [step, at, text @ ..] = data else { return };
    let (said, answer) = text.split_at(text.len() * usize::from(*at) / 256);
    let step = usize::from(*step).max(1);
    assert_eq!(read(said, said.len().max(1)), read(said, step));
    let head = b"POST /v1/responses HTTP/1.1\r\nhost: h\r\n".to_vec();
    let mut socket = Socket::new(Greeting { head, id: "x".into(), unix_s: 0, message_bytes_max: 1 << 12 });
    for piece in said.chunks(step) {
        socket.push(piece);
    }
    let mut request = Vec::new();
    while socket.has_request() {
        socket.request(step, &mut request);
    }
    if !request.is_empty() {
        let read = head::request(&request, &mut 0, &mut Fields::new(), &HeadLimits::default());
        assert!(matches!(read, Ok(Some(_))), "a message becomes a request");
        answer.chunks(step).for_each(|piece| socket.answer(piece));
    }
    socket.finish();
    // Every frame is whole, and the last one is a close.
    let (mut rest, mut last) = (socket.frames(), 0);
    while let [first, length, more @ ..] = rest {
        let (bytes, more) = match length {
            126 => (usize::from(u16::from_be_bytes([more[0], more[1]])), &more[2..]),
            127 => (u64::from_be_bytes(more[..8].try_into().expect("eight")) as usize, &more[8..]),
            short => (usize::from(*short), more),
        };
        (last, rest) = (*first, &more[bytes..]);
    }
    assert!(rest.is_empty() && last == 0x88);
}
