//! Which protocol's decoder and encoder it is: one `match` for a request, an answer, a frame, an event.
//!
//! The table at the end is the only list of protocols that translation knows; one more is a line in it.

use super::super::ir::{
    BadRequest, BadUpstream, Decode, Destination, Encode, Event, Failure, Opening, Outgoing, Request, Response,
    StreamDecoder, StreamEncoder,
};
use super::super::{Dialect, anthropic, chat, gemini, ollama, responses};
use crate::sse::Frame;

macro_rules! table {
    ($($dialect:ident: $protocol:ty;)*) => {
        /// The decoder of one stream.
        #[derive(Debug)]
        pub(super) enum AnyDecoder {
            $($dialect(<$protocol as Decode>::Stream)),*
        }

        impl AnyDecoder {
            pub(super) fn new(dialect: Dialect) -> AnyDecoder {
                match dialect {
                    $(Dialect::$dialect => AnyDecoder::$dialect(Default::default())),*
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

        /// The encoder of one stream.
        #[derive(Debug)]
        pub(super) enum AnyEncoder {
            $($dialect(<$protocol as Encode>::Stream)),*
        }

        impl AnyEncoder {
            pub(super) fn new(dialect: Dialect, opening: Opening) -> AnyEncoder {
                match dialect {
                    $(Dialect::$dialect => AnyEncoder::$dialect(StreamEncoder::new(opening))),*
                }
            }

            /// Bytes that are kept, and that an event may bring out at once.
            pub(super) fn kept_bytes(&self) -> usize {
                match self {
                    $(AnyEncoder::$dialect(encoder) => encoder.kept_bytes()),*
                }
            }

            /// Writes what `event` adds.
            pub(super) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
                match self {
                    $(AnyEncoder::$dialect(encoder) => encoder.event(event, out)),*
                }
            }
        }

        /// Reads a client's request; see [`Decode::request`].
        pub(super) fn decode_request<'a>(
            dialect: Dialect,
            body: &'a [u8],
            path_model: Option<&'a str>,
            stream: bool,
        ) -> Result<Request<'a>, BadRequest> {
            match dialect {
                $(Dialect::$dialect => <$protocol as Decode>::request(body, path_model, stream)),*
            }
        }

        /// Writes a request for a provider.
        pub(super) fn encode_request(
            dialect: Dialect,
            request: &Request<'_>,
            to: &Destination<'_>,
            out: &mut Outgoing,
        ) -> Result<(), BadRequest> {
            match dialect {
                $(Dialect::$dialect => <$protocol as Encode>::request(request, to, out)),*
            }
        }

        /// Reads a whole answer of a provider.
        pub(super) fn decode_response(
            dialect: Dialect,
            body: &[u8],
            sink: &mut impl FnMut(Event<'_>),
        ) -> Result<(), BadUpstream> {
            match dialect {
                $(Dialect::$dialect => <$protocol as Decode>::response(body, sink)),*
            }
        }

        /// Writes a whole answer for a client.
        pub(super) fn encode_response(dialect: Dialect, response: &Response, opening: &Opening, out: &mut Vec<u8>) {
            match dialect {
                $(Dialect::$dialect => <$protocol as Encode>::response(response, opening, out)),*
            }
        }

        /// Reads a provider's error body.
        pub fn failure(dialect: Dialect, status: u16, body: &[u8]) -> Failure<'_> {
            match dialect {
                $(Dialect::$dialect => <$protocol as Decode>::failure(status, body)),*
            }
        }
    };
}

table! {
    Chat: chat::Chat;
    Responses: responses::Responses;
    Anthropic: anthropic::Anthropic;
    Gemini: gemini::Gemini;
    Ollama: ollama::Ollama;
}
