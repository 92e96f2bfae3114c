//! A Responses upstream may say anything: what is told keeps the grammar, whichever way the bytes come, and is written for a
//! Responses client as frames of JSON. The first byte is the length of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::ir::grammar::Grammar;
use weir::protocol::ir::{Decode, Encode, Event, Opening, StreamDecoder, StreamEncoder};
use weir::protocol::responses::Responses;
use weir::sse::{FrameKind, Framing, Splitter};

/// What is written for a client of an upstream's `stream` that comes in pieces of `step` bytes.
fn translated(stream: &[u8], step: usize) -> Vec<u8> {
    let mut decoder = <Responses as Decode>::Stream::default();
    let opening = Opening { id: "1".into(), model: "m".into(), ..Opening::default() };
    let mut encoder = <Responses as Encode>::Stream::new(opening);
    let (mut grammar, mut out) = (Grammar::default(), Vec::new());
    let mut sink = |event: Event<'_>| {
        grammar.admit(&event).expect("events keep the grammar");
        encoder.event(&event, &mut out);
    };
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    for piece in stream.chunks(step) {
        if splitter.push(piece, |frame| _ = decoder.frame(&frame, &mut sink)).is_err() {
            break;
        }
    }
    splitter.finish(|frame| _ = decoder.frame(&frame, &mut sink));
    decoder.finish(&mut sink);
    assert!(grammar.is_ended());
    out
}

fuzz_target!(|input: &[u8]| {
    let [step, stream @ ..] = input else { return };
    let whole = translated(stream, stream.len().max(1));
    assert_eq!(translated(stream, usize::from(*step) + 1), whole);
    let mut splitter = Splitter::new(Framing::Sse, 1 << 24);
    let frame = |frame: weir::sse::Frame<'_>| {
        let data = frame.kind == FrameKind::Data && frame.data != b"[DONE]";
        assert!(!data || json::value(frame.data).is_ok(), "what is written is JSON");
    };
    splitter.push(&whole, frame).expect("no frame is too long");
    let mut answer = Grammar::default();
    _ = <Responses as Decode>::response(stream, &mut |event| answer.admit(&event).expect("answers keep the grammar"));
});
