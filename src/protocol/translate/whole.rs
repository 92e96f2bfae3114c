//! An answer that does not stream: put together from the provider's events, then written for the client.
//!
//! A provider that only streams, before a client that wants no stream, ends here too: its stream is collected.

use super::super::Dialect;
use super::super::failure::Fault;
use super::super::ir::assemble::Assembler;
use super::super::ir::{BadUpstream, Failure, Opening, Response};
use super::Answering;
use super::any;
use super::stage::Seen;
use super::stream::Reader;
use crate::limits;
use crate::sse::Framing;

/// Collects an answer.
#[derive(Debug)]
pub struct Collector {
    reader: Reader,
    assembler: Assembler,
    overflow: Option<BadUpstream>,
}

impl Collector {
    /// Of an answer whose provider's stream has this framing.
    pub fn new(answering: &mut Answering, framing: Framing) -> Collector {
        Collector {
            reader: Reader::new(answering, framing),
            assembler: Assembler::new(limits::ANSWER_BYTES_MAX),
            overflow: None,
        }
    }

    /// Takes the next bytes of the provider's stream; an error once the answer is larger than it may be.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), BadUpstream> {
        let Collector { reader, assembler, overflow } = self;
        reader.push(bytes, &mut |event| {
            if overflow.is_none() {
                *overflow = assembler.event(&event).err();
            }
        });
        overflow.map_or(Ok(()), Err)
    }

    /// As [`Stream::is_work`](super::Stream::is_work).
    pub fn is_work(&self, bytes: &[u8]) -> bool {
        self.reader.closes_large(bytes, false)
    }

    /// As [`Stream::nobodys`](super::Stream::nobodys).
    pub fn nobodys() -> Collector {
        Collector::new(&mut Answering::nobodys(), Framing::Sse)
    }

    /// Whether the answer is whole, or has failed.
    pub fn is_ended(&self) -> bool {
        self.assembler.is_ended()
    }

    /// The provider's stream is over: the answer, or why there is none.
    pub fn finish(self) -> (Result<Response, Failure<'static>>, Seen) {
        let Collector { mut reader, mut assembler, mut overflow } = self;
        reader.finish(&mut |event| {
            if overflow.is_none() {
                overflow = assembler.event(&event).err();
            }
        });
        (ended(assembler, overflow), *reader.stage.seen())
    }
}

/// Reads a whole answer of the provider's.
pub fn read(answering: &mut Answering, body: &[u8]) -> Result<(Response, Seen), Failure<'static>> {
    let mut reader = Reader::new(answering, Framing::Sse);
    let (mut assembler, mut overflow) = (Assembler::new(limits::ANSWER_BYTES_MAX), None);
    reader.whole(body, &mut |event| {
        if overflow.is_none() {
            overflow = assembler.event(&event).err();
        }
    });
    let seen = *reader.stage.seen();
    ended(assembler, overflow).map(|response| (response, seen))
}

/// Reads a stream of the provider's that is there to its end.
pub fn read_stream(
    answering: &mut Answering,
    framing: Framing,
    stream: &[u8],
) -> Result<(Response, Seen), Failure<'static>> {
    let mut collector = Collector::new(answering, framing);
    // An answer that is too large is told at the end.
    let _ = collector.push(stream);
    let (read, seen) = collector.finish();
    read.map(|response| (response, seen))
}

/// Appends a whole answer as a client of `dialect` reads it.
pub fn write(dialect: Dialect, response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    any::encode_response(dialect, response, opening, out);
}

fn ended(assembler: Assembler, overflow: Option<BadUpstream>) -> Result<Response, Failure<'static>> {
    let broken = |message| Failure { fault: Fault::BadGateway, message, code: "".into() };
    match overflow {
        Some(BadUpstream(why)) => Err(broken(why.into())),
        None => assembler.finish().unwrap_or_else(|| Err(broken("the provider's answer has no end".into()))),
    }
}

#[cfg(test)]
#[path = "whole_test.rs"]
mod tests;
