//! An answer that streams: bytes of the provider's stream in, frames for the client appended to a buffer.
//!
//! What has arrived is written in the same call. An event that is none is left out and counted. Whatever happens, the
//! client's stream gets exactly one end: its dialect's end mark behind a whole answer, else its error event. Between
//! calls nothing is held but the beginning of a frame, and what the client's dialect repeats at its end.

use super::super::Dialect;
use super::super::failure::Fault;
use super::super::ir::{BadUpstream, Event, Failure, Response};
use super::Answering;
use super::any::{self, AnyDecoder, AnyEncoder};
use super::stage::{Seen, Stage};
use crate::limits;
use crate::sse::{Frame, FrameKind, Framing, Splitter};

/// The provider's side of a stream: bytes in, events out.
#[derive(Debug)]
pub(super) struct Reader {
    splitter: Splitter,
    upstream: Dialect,
    decoder: AnyDecoder,
    pub(super) stage: Stage,
}

impl Reader {
    pub(super) fn new(answering: &mut Answering, framing: Framing) -> Reader {
        Reader {
            splitter: Splitter::new(framing, limits::FRAME_BYTES_MAX),
            upstream: answering.upstream,
            decoder: AnyDecoder::new(answering.upstream),
            stage: Stage::new(answering),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Reader { splitter, decoder, stage, .. } = self;
        if splitter.push(bytes, |frame| read(decoder, stage, &frame, sink)).is_err() {
            self.fail(Fault::BadGateway, "an event of the provider's stream is larger than the limit", sink);
        }
    }

    /// Whether a large frame ends in `bytes`.
    pub(super) fn closes_large(&self, bytes: &[u8], last: bool) -> bool {
        self.splitter.closes_over(limits::SAID_AT_ONCE_BYTES_MAX, bytes, last)
    }

    /// The provider's stream is over. A frame without its end is read: many leave out the last blank line.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Reader { splitter, decoder, stage, .. } = self;
        splitter.finish(|frame| read(decoder, stage, &frame, sink));
        decoder.finish(&mut |event| stage.event(event, sink));
    }

    /// The provider's stream was cut. It is whole all the same where the reason of its end had been told, and nothing
    /// comes behind that which has to.
    pub(super) fn cut(&mut self, fault: Fault, message: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        let Reader { decoder, stage, upstream, .. } = self;
        if !may_lack_its_end(*upstream) {
            return stage.event(failure(fault, message), sink);
        }
        decoder.finish(&mut |event| match event {
            Event::Fail(_) => stage.event(failure(fault, message), sink),
            event => stage.event(event, sink),
        });
    }

    /// A whole answer of the provider's.
    pub(super) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Reader { stage, .. } = self;
        let dialect = self.upstream;
        if let Err(BadUpstream(why)) = any::decode_response(dialect, body, &mut |event| stage.event(event, sink)) {
            self.fail(Fault::BadGateway, why, sink);
        }
    }

    fn fail(&mut self, fault: Fault, message: &'static str, sink: &mut impl FnMut(Event<'_>)) {
        self.stage.event(failure(fault, message), sink);
    }
}

fn read(decoder: &mut AnyDecoder, stage: &mut Stage, frame: &Frame<'_>, sink: &mut impl FnMut(Event<'_>)) {
    // A blank line too many is no sign of life.
    let is_blank = frame.kind == FrameKind::Comment && frame.raw.trim_ascii().is_empty();
    if is_blank || stage.is_ended() {
        return;
    }
    if decoder.frame(frame, &mut |event| stage.event(event, sink)).is_err() {
        stage.skip();
    }
}

/// Whether a stream of `dialect` that is cut behind its reason to stop has said all: Chat's `[DONE]` says nothing more,
/// and elsewhere the reason comes last. Anthropic's has `message_stop` to come.
pub fn may_lack_its_end(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Gemini | Dialect::Ollama => true,
        Dialect::Anthropic => false,
    }
}

fn failure(fault: Fault, message: &'static str) -> Event<'static> {
    Event::Fail(Failure { fault, message: message.into(), code: "".into() })
}

/// One answer under way.
#[derive(Debug)]
pub struct Stream {
    reader: Reader,
    encoder: AnyEncoder,
    /// Whether the client has been told of a failure.
    failure_told: bool,
}

impl Stream {
    /// An answer whose provider's stream has this framing.
    pub fn new(mut answering: Answering, framing: Framing) -> Box<Stream> {
        let reader = Reader::new(&mut answering, framing);
        let encoder = AnyEncoder::new(answering.client, answering.opening);
        Box::new(Stream { reader, encoder, failure_told: false })
    }

    /// A stream that nobody listens to, for the place of one that is elsewhere.
    pub fn nobodys() -> Box<Stream> {
        Stream::new(Answering::nobodys(), Framing::Sse)
    }

    /// Whether taking `bytes`, and the end of all if they are the `last`, goes through much at once beside them: a large
    /// frame that ends in them, or what the encoder may repeat.
    pub fn is_work(&self, bytes: &[u8], last: bool) -> bool {
        self.encoder.kept_bytes() > limits::SAID_AT_ONCE_BYTES_MAX || self.reader.closes_large(bytes, last)
    }

    /// Takes the next bytes of the provider's stream and appends what the client gets for them.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.reader.push(bytes, &mut teller(&mut self.encoder, &mut self.failure_told, out));
    }

    /// The provider's stream is over.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.reader.finish(&mut teller(&mut self.encoder, &mut self.failure_told, out));
    }

    /// The provider's stream was cut, or stood still for too long.
    pub fn cut(&mut self, fault: Fault, message: &'static str, out: &mut Vec<u8>) {
        self.reader.cut(fault, message, &mut teller(&mut self.encoder, &mut self.failure_told, out));
    }

    /// A whole answer, told as a stream.
    pub fn replay(&mut self, response: &Response, out: &mut Vec<u8>) {
        let mut tell = teller(&mut self.encoder, &mut self.failure_told, out);
        let stage = &mut self.reader.stage;
        stage.again();
        response.replay(&mut |event| stage.event(event, &mut tell));
    }

    /// Tells the client that the answer goes on; nothing in a dialect that has no way to say so.
    pub fn ping(&mut self, out: &mut Vec<u8>) {
        self.encoder.event(&Event::Ping, out);
    }

    /// What the record wants to know.
    pub fn seen(&self) -> &Seen {
        self.reader.stage.seen()
    }

    /// Whether the client has been told, by an event of its dialect, that the answer broke off.
    pub fn is_failure_told(&self) -> bool {
        self.failure_told
    }
}

/// Writes each event for the client. One type for all calls, so that each decoder is compiled once for it.
fn teller<'s>(
    encoder: &'s mut AnyEncoder,
    failure_told: &'s mut bool,
    out: &'s mut Vec<u8>,
) -> impl FnMut(Event<'_>) + 's {
    move |event| {
        let before = out.len();
        encoder.event(&event, out);
        if matches!(event, Event::Fail(_)) {
            *failure_told = out.len() > before;
        }
    }
}
