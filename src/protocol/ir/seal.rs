//! What only one vendor can read: signatures of reasoning, encrypted reasoning, thought signatures of calls.
//!
//! A seal names its origin. The encoder of that protocol says it as it was; a client of another dialect has to keep
//! it for the next turn, so it is wrapped there in the member that this dialect keeps for its own seals, behind a
//! prefix by which the decoder knows it again. For an upstream of another origin a seal is left out, and the
//! reasoning that it belongs to is no longer reasoning of that vendor.
//!
//! Gemini's libraries take a signature for bytes in base64, and send them back in the other alphabet of the two. So a
//! wrapped seal is base64 there as a whole, whatever the vendor's own seal is written in.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem::Finder;

use super::text::Text;
use crate::base::span::Span;
use crate::json::Escaped;
use crate::protocol::Dialect;

/// Something opaque that goes back to where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Whose it is.
    pub origin: Dialect,
    /// What it is.
    pub kind: SealKind,
    /// The vendor's text, escaped as it came.
    pub data: Text<'a>,
}

/// What a seal closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealKind {
    /// The reasoning beside it: Anthropic's `signature`, Gemini's `thoughtSignature` on a thought or a text.
    Signature,
    /// It is the reasoning: Anthropic's `redacted_thinking`, OpenAI's `encrypted_content`.
    Encrypted,
    /// The tool call that follows: Gemini's `thoughtSignature` on a `functionCall`.
    Call,
}

/// What a wrapped seal begins with. None of the vendors' own seals does: they are base64.
const PREFIX: &[u8] = b"weir.1.";
/// How that begins in base64.
const PREFIX_BASE64: &str = "d2Vpci4x";

impl<'a> Seal<'a> {
    /// Appends the seal as a client of `dialect` keeps it: as it is for its own, wrapped for another.
    pub fn write(&self, dialect: Dialect, out: &mut Vec<u8>) {
        if self.origin != dialect {
            out.extend_from_slice(PREFIX);
            out.push(letter(self.origin));
            out.push(match self.kind {
                SealKind::Signature => b's',
                SealKind::Encrypted => b'e',
                SealKind::Call => b'c',
            });
            out.push(b'.');
        }
        out.extend_from_slice(self.data.bytes());
    }

    /// The seal that a client of `dialect` sent back as `kind` of its own.
    pub fn read(dialect: Dialect, kind: SealKind, kept: Text<'a>) -> Seal<'a> {
        if dialect == Dialect::Gemini
            && let Some(wrapped) = from_base64(&kept.decode())
        {
            return Seal::read(dialect, kind, Text::plain(&wrapped));
        }
        let Some([origin, letter, b'.', ..]) = kept.bytes().strip_prefix(PREFIX) else {
            return Seal { origin: dialect, kind, data: kept };
        };
        let kind = match letter {
            b's' => Some(SealKind::Signature),
            b'e' => Some(SealKind::Encrypted),
            b'c' => Some(SealKind::Call),
            _ => None,
        };
        match (Dialect::ALL.into_iter().find(|dialect| self::letter(*dialect) == *origin), kind) {
            (Some(origin), Some(kind)) => Seal { origin, kind, data: kept.behind(PREFIX.len() + 3) },
            _ => Seal { origin: dialect, kind: SealKind::Signature, data: kept },
        }
    }

    /// The same, free of the bytes it came in.
    pub fn into_owned(self) -> Seal<'static> {
        Seal { data: self.data.into_owned(), ..self }
    }
}

/// Appends `kept`, the whole of what [`Seal::write`] wrote, as bytes in base64 if it is wrapped.
pub fn write_base64(kept: &[u8], out: &mut Vec<u8>) {
    if !kept.starts_with(PREFIX) {
        return out.extend_from_slice(kept);
    }
    let kept = Escaped::at(kept, Span::new(0, kept.len())).decode();
    let _ = write!(out, "{}", Base64Display::new(kept.as_bytes(), &STANDARD)); // a Vec takes everything
}

/// What weir wrapped in `kept`, in either alphabet and with or without padding.
pub fn from_base64(kept: &str) -> Option<String> {
    if !kept.starts_with(PREFIX_BASE64) {
        return None;
    }
    let standard = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let digits: Vec<u8> = kept.trim_end_matches('=').bytes().map(standard).collect();
    let wrapped = String::from_utf8(STANDARD_NO_PAD.decode(digits).ok()?).ok()?;
    wrapped.as_bytes().starts_with(PREFIX).then_some(wrapped)
}

/// Whether a request's `body` may hold a wrapped seal, so that it cannot go as it is even to its own protocol: that
/// vendor would refuse what another one sealed (conversion.md 16, 47).
pub fn may_be_wrapped(body: &[u8]) -> bool {
    static PREFIXES: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| [Finder::new(PREFIX), Finder::new(PREFIX_BASE64)]);
    PREFIXES.iter().any(|prefix| prefix.find(body).is_some())
}

fn letter(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Chat => b'c',
        Dialect::Responses => b'r',
        Dialect::Anthropic => b'a',
        Dialect::Gemini => b'g',
        Dialect::Ollama => b'o',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_from_every_dialect() {
        for origin in Dialect::ALL {
            for client in Dialect::ALL {
                for kind in [SealKind::Signature, SealKind::Encrypted, SealKind::Call] {
                    let seal = Seal { origin, kind, data: Text::plain("Eo4C+/=\\") };
                    let mut kept = Vec::new();
                    seal.write(client, &mut kept);
                    assert_eq!(may_be_wrapped(&kept), origin != client);
                    assert_eq!(Seal::read(client, kind, Text::joined(kept)), seal);
                }
            }
        }
    }

    #[test]
    fn a_gemini_client_may_write_the_base64_anew() {
        for data in ["Eo4C+/=", "gAAA-_", "a\"\\\n\u{e4}???>>>", ""] {
            let seal = Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::plain(data) };
            let (mut wrapped, mut kept) = (Vec::new(), Vec::new());
            seal.write(Dialect::Gemini, &mut wrapped);
            write_base64(&wrapped, &mut kept);
            assert!(STANDARD.decode(&kept).is_ok());
            assert!(may_be_wrapped(&kept));
            let kept = String::from_utf8(kept).expect("base64");
            let urls = kept.replace('+', "-").replace('/', "_");
            for kept in [&*kept, &*urls, urls.trim_end_matches('=')] {
                assert_eq!(Seal::read(Dialect::Gemini, SealKind::Signature, Text::plain(kept)), seal);
            }
        }
        let own = Text::plain("d2Vpci4x!");
        let seal = Seal::read(Dialect::Gemini, SealKind::Signature, own.clone());
        assert_eq!((seal.origin, seal.data), (Dialect::Gemini, own));
    }

    #[test]
    fn what_only_looks_wrapped_is_the_clients_own() {
        for kept in ["weir.1.", "weir.1.zs.x", "weir.1.gx.x", "weir"] {
            let seal = Seal::read(Dialect::Anthropic, SealKind::Signature, Text::plain(kept));
            assert_eq!((seal.origin, seal.data), (Dialect::Anthropic, Text::plain(kept)));
        }
    }
}
