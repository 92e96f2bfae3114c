//! An upstream may say anything: what is told keeps the grammar, whichever way the bytes come, and is written for a client
//! of the same dialect as frames of JSON that do not look whole where the upstream's stream was not. The first byte is
//! the length of the pieces, and whether Ollama's `/api/generate` is answered.

use weir::json;
use weir::protocol::Dialect;
use weir::protocol::ir::grammar::Grammar;
use weir::protocol::ir::{Decode, Encode, Event, Opening, StreamDecoder, StreamEncoder};
use weir::sse::{Frame, FrameKind, Framing, Splitter};

/// What is written for a client of an upstream's `stream` that comes in pieces of `step` bytes, and whether it is whole.
fn translated<P: Decode + Encode>(stream: &[u8], step: usize, opening: &Opening) -> (Vec<u8>, bool) {
    let mut decoder = <P as Decode>::Stream::default();
    let mut encoder = <P as Encode>::Stream::new(opening.clone());
    let (mut grammar, mut out, mut whole) = (Grammar::default(), Vec::new(), false);
    let mut sink = |event: Event<'_>| {
        grammar.admit(&event).expect("events keep the grammar");
        whole |= matches!(event, Event::End);
        encoder.event(&event, &mut out);
    };
    let mut splitter = Splitter::new(<P as Decode>::Stream::FRAMING, 1 << 20);
    for piece in stream.chunks(step) {
        if splitter.push(piece, |frame| _ = decoder.frame(&frame, &mut sink)).is_err() {
            break;
        }
    }
    splitter.finish(|frame| _ = decoder.frame(&frame, &mut sink));
    decoder.finish(&mut sink);
    assert!(grammar.is_ended());
    (out, whole)
}

/// Whether what was written for a client looks whole to him.
fn looks_whole<P: Decode>(written: &[u8], framing: Framing) -> bool {
    let (mut decoder, mut whole) = (P::Stream::default(), false);
    let mut sink = |event: Event<'_>| whole |= matches!(event, Event::End);
    let mut splitter = Splitter::new(framing, 1 << 24);
    let pushed = splitter.push(written, |frame: Frame<'_>| {
        if frame.kind == FrameKind::Data && frame.data != b"[DONE]" {
            json::value(frame.data).expect("what is written is JSON");
        }
        _ = decoder.frame(&frame, &mut sink);
    });
    pushed.expect("no frame is too long");
    decoder.finish(&mut sink);
    whole
}

pub fn run<P: Decode + Encode>(input: &[u8]) {
    let [kind, stream @ ..] = input else { return };
    let dialect = <P as Decode>::DIALECT;
    let own = <P as Decode>::Stream::FRAMING;
    let framings = [own, if dialect == Dialect::Gemini { Framing::Array } else { own }];
    for framing in &framings[usize::from(framings[0] == framings[1])..] {
        let opening = Opening {
            id: "1".into(),
            model: "m".into(),
            include_usage: true,
            framing: Some(*framing),
            plain_completion: dialect == Dialect::Ollama && kind & 1 == 1,
            ..Opening::default()
        };
        let (written, whole) = translated::<P>(stream, stream.len().max(1), &opening);
        assert_eq!(translated::<P>(stream, usize::from(*kind) + 1, &opening), (written.clone(), whole));
        assert!(!looks_whole::<P>(&written, *framing) || whole, "what broke off looks whole");
        assert!(*framing != Framing::Array || json::value(&written).is_ok() == whole, "an array is closed at the end");
    }
    let mut answer = Grammar::default();
    _ = <P as Decode>::response(stream, &mut |event| answer.admit(&event).expect("answers keep the grammar"));
}
