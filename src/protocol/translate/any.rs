//! Which protocol's decoder and encoder it is: one `match` for a request, an answer, a frame, an event.
//!
//! The two tables at the end are the only lists of protocols that translation knows; one more is a line in each. A
//! client's protocol reads requests and writes answers, a provider's writes requests and reads answers.

use super::super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Event, Failure, Opening, Outgoing, Request, Response, StreamDecoder,
    StreamEncoder,
};
use super::super::{Dialect, anthropic, chat, ollama, responses};
use crate::sse::Frame;

/// What is asked of a dialect that a table does not have: `is_heard` and `is_asked` come before.
const UNSPOKEN: &str = "only dialects that are spoken are asked for";

macro_rules! clients {
    ($($dialect:ident: $request:expr, $response:expr, $stream:ty;)*) => {
        /// The encoder of one stream.
        #[derive(Debug)]
        pub(super) enum AnyEncoder {
            $($dialect($stream)),*
        }

        impl AnyEncoder {
            pub(super) fn new(dialect: Dialect, opening: Opening) -> AnyEncoder {
                match dialect {
                    $(Dialect::$dialect => AnyEncoder::$dialect(StreamEncoder::new(opening)),)*
                    #[allow(unreachable_patterns)]
                    _ => unreachable!("{UNSPOKEN}"),
                }
            }

            /// Writes what `event` adds.
            pub(super) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
                match self {
                    $(AnyEncoder::$dialect(encoder) => encoder.event(event, out)),*
                }
            }
        }

        /// Whether clients of `dialect` are understood and answered.
        pub(super) fn is_heard(dialect: Dialect) -> bool {
            matches!(dialect, $(Dialect::$dialect)|*)
        }

        /// Reads a client's request; see [`Decode::request`](super::super::ir::Decode::request).
        pub fn decode_request<'a>(
            dialect: Dialect,
            body: &'a [u8],
            path_model: Option<&'a str>,
            stream: bool,
        ) -> Result<Request<'a>, BadRequest> {
            match dialect {
                $(Dialect::$dialect => $request(body, path_model, stream),)*
                #[allow(unreachable_patterns)]
                _ => unreachable!("{UNSPOKEN}"),
            }
        }

        /// Writes a whole answer for a client.
        pub(super) fn encode_response(dialect: Dialect, response: &Response, opening: &Opening, out: &mut Vec<u8>) {
            match dialect {
                $(Dialect::$dialect => $response(response, opening, out),)*
                #[allow(unreachable_patterns)]
                _ => unreachable!("{UNSPOKEN}"),
            }
        }
    };
}

macro_rules! providers {
    ($($dialect:ident: $request:expr, $response:expr, $failure:expr, $stream:ty;)*) => {
        /// The decoder of one stream.
        #[derive(Debug)]
        pub(super) enum AnyDecoder {
            $($dialect($stream)),*
        }

        impl AnyDecoder {
            pub(super) fn new(dialect: Dialect) -> AnyDecoder {
                match dialect {
                    $(Dialect::$dialect => AnyDecoder::$dialect(Default::default()),)*
                    #[allow(unreachable_patterns)]
                    _ => unreachable!("{UNSPOKEN}"),
                }
            }

            /// Reads one frame.
            pub(super) fn frame(
                &mut self,
                frame: &Frame<'_>,
                sink: &mut impl FnMut(Event<'_>),
            ) -> Result<(), BadUpstream> {
                match self {
                    $(AnyDecoder::$dialect(decoder) => decoder.frame(frame, sink)),*
                }
            }

            /// The stream is over.
            pub(super) fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
                match self {
                    $(AnyDecoder::$dialect(decoder) => decoder.finish(sink)),*
                }
            }
        }

        /// Whether providers of `dialect` are asked and understood.
        pub(super) fn is_asked(dialect: Dialect) -> bool {
            matches!(dialect, $(Dialect::$dialect)|*)
        }

        /// Writes a request for a provider.
        pub fn encode_request(
            dialect: Dialect,
            request: &Request<'_>,
            to: &Destination<'_>,
            out: &mut Outgoing,
        ) -> Result<(), BadRequest> {
            match dialect {
                $(Dialect::$dialect => $request(request, to, out),)*
                #[allow(unreachable_patterns)]
                _ => unreachable!("{UNSPOKEN}"),
            }
        }

        /// Reads a whole answer of a provider.
        pub(super) fn decode_response(
            dialect: Dialect,
            body: &[u8],
            sink: &mut impl FnMut(Event<'_>),
        ) -> Result<(), BadUpstream> {
            match dialect {
                $(Dialect::$dialect => $response(body, sink),)*
                #[allow(unreachable_patterns)]
                _ => unreachable!("{UNSPOKEN}"),
            }
        }

        /// Reads a provider's error body.
        pub fn failure(dialect: Dialect, status: u16, body: &[u8]) -> Failure<'_> {
            match dialect {
                $(Dialect::$dialect => $failure(status, body),)*
                #[allow(unreachable_patterns)]
                _ => unreachable!("{UNSPOKEN}"),
            }
        }
    };
}

clients! {
    Chat: |body, model, _| chat::request_in::request(body, model), chat::response_out::response, chat::Encoder;
    Responses: responses::request_in::request, responses::response_out::response, responses::Encoder;
    Anthropic: |body, _, _| anthropic::request_in::request(body), anthropic::response_out::response, anthropic::Encoder;
    Ollama: |body, _, _| ollama::request_in::request(body), ollama::response_out::response, ollama::Encoder;
}

providers! {
    Chat: chat::request_out::request, chat::response_in::response, chat::failure, chat::Stream;
    Anthropic: anthropic::request_out::request, anthropic::response_in::response, anthropic::error::failure, anthropic::Stream;
    Ollama: ollama::request_out::request, <ollama::Ollama as Decode>::response, ollama::error::failure, ollama::Stream;
}
