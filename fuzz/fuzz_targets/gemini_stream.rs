//! A Gemini upstream may say anything: what is told keeps the grammar, whichever way the bytes come, and is written for
//! a Gemini client as frames of JSON in both framings. The first byte is the length of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::gemini::Gemini;
use weir::protocol::ir::grammar::Grammar;
use weir::protocol::ir::{Decode, Encode, Event, Opening, StreamDecoder, StreamEncoder};
use weir::sse::{FrameKind, Framing, Splitter};

/// What is written for a client of an upstream's `stream` that comes in pieces of `step` bytes.
fn translated(stream: &[u8], step: usize, framing: Framing) -> Vec<u8> {
    let mut decoder = <Gemini as Decode>::Stream::default();
    let opening = Opening { id: "1".into(), model: "m".into(), framing: Some(framing), ..Opening::default() };
    let mut encoder = <Gemini as Encode>::Stream::new(opening);
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
    for framing in [Framing::Sse, Framing::Array] {
        let whole = translated(stream, stream.len().max(1), framing);
        assert_eq!(translated(stream, usize::from(*step) + 1, framing), whole);
        let mut splitter = Splitter::new(framing, 1 << 24);
        let (mut failed, mut ended) = (false, false);
        let frame = |frame: weir::sse::Frame<'_>| {
            if frame.kind == FrameKind::Data {
                json::value(frame.data).expect("what is written is JSON");
                failed |= json::find(frame.data, "error").is_some();
                ended |= json::find(frame.data, "candidates").is_some_and(|all| {
                    all.elements().any(|candidate| candidate.find("finishReason").is_some())
                });
            }
        };
        splitter.push(&whole, frame).expect("no frame is too long");
        assert!(failed != ended, "it ends once, and what broke off does not look whole");
        assert!(framing != Framing::Array || json::value(&whole).is_ok() == ended);
    }
    let mut answer = Grammar::default();
    _ = <Gemini as Decode>::response(stream, &mut |event| answer.admit(&event).expect("answers keep the grammar"));
});
