//! One finished exchange, as a core tells it: fixed size, no heap, indexes in place of names.
//!
//! The indexes belong to the snapshot whose `generation` the entry carries; control keeps the names of past
//! generations to read entries that were begun before a reload. Texts that come from a client (model names)
//! are cut to their place; whoever prints them escapes them.

use std::fmt;

use crate::base::id::RequestId;
use crate::base::text::beginning;
use crate::config::snapshot::Scene;
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::known::Price;
use crate::protocol::path::Endpoint;
use crate::protocol::sniff::Usage;

/// No index: no client was recognised, no provider was reached.
pub const NONE: u16 = u16::MAX;

/// No time: the moment never came (no byte, no token).
pub const NEVER_US: u32 = u32::MAX;

/// A time, if the moment came.
pub fn came(us: u32) -> Option<u32> {
    (us != NEVER_US).then_some(us)
}

/// How an exchange ended, and by whose doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer went out to its end.
    #[default]
    Ok,
    /// The client's request was refused.
    ClientError,
    /// The upstream, or every upstream, failed before anything was sent.
    UpstreamError,
    /// The client left first.
    ClientGone,
    /// The upstream failed after the answer had begun.
    Cut,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Outcome; 5] =
        [Outcome::Ok, Outcome::ClientError, Outcome::UpstreamError, Outcome::ClientGone, Outcome::Cut];

    /// The word that logs and answers use.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::ClientError => "client_error",
            Outcome::UpstreamError => "upstream_error",
            Outcome::ClientGone => "client_gone",
            Outcome::Cut => "cut",
        }
    }
}

/// What an exchange used, as the upstream said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All prompt tokens, cached ones included.
    pub input: u64,
    /// All generated tokens, reasoning included.
    pub output: u64,
    /// Prompt tokens that came from a cache.
    pub cache_read: u64,
    /// Prompt tokens that were written to a cache.
    pub cache_write: u64,
    /// Generated tokens that were reasoning.
    pub reasoning: u64,
    /// Whether the upstream said anything: zeros that were said differ from silence.
    pub said: bool,
}

impl Tokens {
    /// What they cost, in thousandths of a millionth of a dollar.
    pub fn cost_nanos(&self, price: &Price) -> u64 {
        let plain = self.input.saturating_sub(self.cache_read).saturating_sub(self.cache_write);
        let parts = [
            (plain, price.input),
            (self.cache_read, price.cache_read),
            (self.cache_write, price.cache_write),
            (self.output, price.output),
        ];
        let pico: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        u64::try_from(pico / 1_000).unwrap_or(u64::MAX)
    }
}

/// What was not said counts as none.
impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Tokens {
        let Usage { input, output, cache_read, cache_write, reasoning } = usage;
        Tokens {
            input: input.unwrap_or(0),
            output: output.unwrap_or(0),
            cache_read: cache_read.unwrap_or(0),
            cache_write: cache_write.unwrap_or(0),
            reasoning: reasoning.unwrap_or(0),
            said: input.is_some() || output.is_some(),
        }
    }
}

/// Text of at most `N` bytes, inline. Always valid UTF-8; what does not fit is cut between characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Text<N> = Text { len: 0, bytes: [0; N] };

    /// As much of `text` as fits.
    pub fn new(text: &str) -> Text<N> {
        const { assert!(N <= u8::MAX as usize) };
        let kept = beginning(text, N);
        let mut fresh = Text::EMPTY;
        fresh.bytes[..kept.len()].copy_from_slice(kept.as_bytes());
        fresh.len = kept.len() as u8;
        fresh
    }

    /// As much of `bytes` as is UTF-8 and fits.
    pub fn from_bytes(bytes: &[u8]) -> Text<N> {
        let looked = &bytes[..bytes.len().min(N)];
        Text::new(match std::str::from_utf8(looked) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&looked[..error.valid_up_to()]).unwrap_or_default(),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Text<N> {
        Text::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A model's name as entries carry it.
pub type Model = Text<{ limits::ENTRY_MODEL_BYTES }>;

/// One finished exchange.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Milliseconds since 1970 when its head had arrived.
    pub unix_ms: u64,
    /// Bytes of the request's body as received.
    pub request_bytes: u64,
    /// Bytes of the answer's body as sent.
    pub response_bytes: u64,
    /// From the request's head to the end of the exchange.
    pub total_us: u64,
    /// What it used.
    pub tokens: Tokens,
    /// What that cost, in thousandths of a millionth of a dollar; 0 where no price is known.
    pub cost_nanos: u64,
    /// From the request's head to the first byte of the answer's body, or `NEVER_US`.
    pub first_byte_us: u32,
    /// To the first semantic event of a stream, or `NEVER_US`.
    pub first_token_us: u32,
    /// From the request's head to the beginning of the last attempt, or `NEVER_US`.
    pub begun_us: u32,
    /// The snapshot that the indexes belong to.
    pub generation: u32,
    /// Its id, which the client was told in `x-request-id`.
    pub id: RequestId,
    /// Who called, or `NONE`.
    pub client: u16,
    /// The route that was taken, or `NONE`.
    pub route: u16,
    /// The provider of the last attempt, or `NONE`.
    pub provider: u16,
    /// The key of the last attempt, or `NONE`.
    pub key: u16,
    /// The status the client was sent; 499 when it left before one.
    pub status: u16,
    /// What the client asked for.
    pub model_asked: Model,
    /// What the last attempt asked for.
    pub model_sent: Model,
    /// Tries upstream.
    pub attempts: u8,
    /// Whether the answer was a stream.
    pub streamed: bool,
    /// Whether the last attempt went over a connection that had served before.
    pub reused: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// What the client speaks.
    pub dialect: Dialect,
    /// What it called.
    pub endpoint: Endpoint,
    /// The scene of the route that it met.
    pub scene: Option<Scene>,
    /// Whether a trace of it was taken.
    pub traced: bool,
}

impl Entry {
    /// An entry that has only begun: nothing recognised, nothing sent.
    pub fn begun(id: RequestId, unix_ms: u64, generation: u64) -> Entry {
        Entry {
            unix_ms,
            request_bytes: 0,
            response_bytes: 0,
            total_us: 0,
            tokens: Tokens::default(),
            cost_nanos: 0,
            first_byte_us: NEVER_US,
            first_token_us: NEVER_US,
            begun_us: NEVER_US,
            // Reloads do not come by the thousand million.
            generation: generation as u32,
            id,
            client: NONE,
            route: NONE,
            provider: NONE,
            key: NONE,
            status: 0,
            model_asked: Model::EMPTY,
            model_sent: Model::EMPTY,
            attempts: 0,
            streamed: false,
            reused: false,
            outcome: Outcome::Ok,
            dialect: Dialect::Chat,
            endpoint: Endpoint::Root,
            scene: None,
            traced: false,
        }
    }
}

const _: () = assert!(size_of::<Entry>() <= limits::ENTRY_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(Text::<4>::new("abcdef").as_str(), "abcd");
        assert_eq!(Text::<4>::new("abcé").as_str(), "abc");
        assert_eq!(Text::<4>::new("é日").as_str(), "é");
        assert_eq!(Text::<4>::from_bytes(b"ab\xff\xffcd").as_str(), "ab");
        assert_eq!(Text::<4>::from_bytes("日本".as_bytes()).as_str(), "日");
        assert!(Text::<4>::from_bytes(b"\x80").is_empty());
    }

    #[test]
    fn cached_tokens_have_prices_of_their_own() {
        let price = Price::per_million(3.0, 15.0, Some(0.3), Some(3.75));
        let tokens = Tokens { input: 1_000, output: 100, cache_read: 600, cache_write: 200, reasoning: 50, said: true };
        // 200 x 3 + 600 x 0.3 + 200 x 3.75 + 100 x 15 millionths of a dollar.
        assert_eq!(tokens.cost_nanos(&price), 3_030_000);
        assert_eq!(
            Tokens { input: 1, ..Tokens::default() }.cost_nanos(&Price::per_million(0.028, 0.0, None, None)),
            28
        );
        let absurd = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(absurd.cost_nanos(&price), u64::MAX);
        assert_eq!(Tokens { input: 1, cache_read: 9, ..Tokens::default() }.cost_nanos(&price), 2_700);
    }

    proptest! {
        #[test]
        fn text_is_the_longest_prefix_that_fits(text in any::<String>()) {
            let cut = Text::<16>::new(&text);
            prop_assert!(text.starts_with(cut.as_str()));
            let next = text[cut.as_str().len()..].chars().next();
            prop_assert!(next.is_none_or(|next| cut.as_str().len() + next.len_utf8() > 16));
            prop_assert_eq!(Text::<16>::from_bytes(text.as_bytes()), cut);
        }
    }
}
