//! An upstream's stream may hold anything: what is told keeps the grammar, and what is written of it are whole frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::anthropic::{Anthropic, Encoder, Stream};
use weir::protocol::ir::grammar::Grammar;
use weir::protocol::ir::{Decode, Event, Opening, StreamDecoder, StreamEncoder};
use weir::sse::{Framing, Splitter};

fuzz_target!(|input: &[u8]| {
    let (mut decoder, mut grammar, mut out) = (Stream::default(), Grammar::default(), Vec::new());
    let mut encoder = Encoder::new(Opening { id: "1".into(), ..Opening::default() });
    let mut event = |event: Event<'_>| {
        grammar.admit(&event).expect("it keeps the grammar");
        encoder.event(&event, &mut out);
    };
    let mut splitter = Splitter::new(Framing::Sse, 1 << 16);
    if splitter.push(input, |frame| _ = decoder.frame(&frame, &mut event)).is_ok() {
        splitter.finish(|frame| _ = decoder.frame(&frame, &mut event));
    }
    decoder.finish(&mut event);
    assert!(grammar.is_ended());
    let mut stops = 0;
    let mut written = Splitter::new(Framing::Sse, 1 << 20);
    let pushed = written.push(&out, |frame| {
        stops += usize::from(frame.event == b"message_stop");
        assert!(frame.data.is_empty() || json::value(frame.data).is_ok());
    });
    assert!(pushed.is_err() || stops <= 1);
    let mut whole = Grammar::default();
    let _ = <Anthropic as Decode>::response(input, &mut |event| whole.admit(&event).expect("it keeps the grammar"));
});
