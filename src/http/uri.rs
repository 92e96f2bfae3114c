//! Paths and queries: percent-decoding and encoding, and a query as pairs.
//!
//! Nothing is normalised: what is not asked for keeps its bytes. Decoding is total: a `%` that does not
//! begin an escape stands for itself, so there is no input to refuse.

use std::borrow::Cow;

use crate::base::ascii;

/// Percent-decodes (RFC 3986 §2.1); borrowed when there is nothing to decode. `+` stays `+`: keys contain it.
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', text) else { return Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let [byte, tail @ ..] = rest {
        match escaped(rest) {
            Some(value) => {
                out.push(value);
                rest = &rest[3..];
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

fn escaped(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(ascii::hex_digit(*high)? << 4 | ascii::hex_digit(*low)?),
        _ => None,
    }
}

/// Appends `text` as one path segment or query value: everything but `unreserved` is escaped (RFC 3986 §2.3),
/// so that no `/`, `?`, `#`, blank, CR or LF of a model name reaches a request line.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// The pairs of a query, still encoded; a parameter without `=` has an empty value, empty parameters are skipped.
pub fn query(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(pair)
}

fn pair(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// Appends the query without the parameters called `names`; the others keep their bytes and order. Names are
/// compared decoded, because whoever reads the query next decodes them too.
pub fn without(query: &[u8], names: &[&[u8]], out: &mut Vec<u8>) {
    let mut first = true;
    for parameter in query.split(|&byte| byte == b'&') {
        let name = decode(pair(parameter).0);
        if names.iter().any(|&wanted| *name == *wanted) {
            continue;
        }
        if !first {
            out.push(b'&');
        }
        first = false;
        out.extend_from_slice(parameter);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decoding_borrows_and_never_fails() {
        assert!(matches!(decode(b"gpt-4.1"), Cow::Borrowed(b"gpt-4.1")));
        for (text, expected) in [
            (&b"a%2Fb"[..], &b"a/b"[..]),
            (b"%e2%82%AC", "\u{20ac}".as_bytes()),
            (b"%", b"%"),
            (b"%4", b"%4"),
            (b"%zz%41", b"%zzA"),
            (b"%%41", b"%A"),
            (b"%2541", b"%41"),
            (b"a+b", b"a+b"),
        ] {
            assert_eq!(*decode(text), *expected);
        }
    }

    #[test]
    fn a_query_is_pairs() {
        let pairs: Vec<_> = query(b"a=1&b&&=c&d=e=f").collect();
        assert_eq!(pairs, [(&b"a"[..], &b"1"[..]), (b"b", b""), (b"", b"c"), (b"d", b"e=f")]);
        assert_eq!(query(b"").count(), 0);
    }

    #[test]
    fn parameters_are_removed_by_their_decoded_name() {
        let cases = [
            (&b"key=s"[..], &b""[..]),
            (b"alt=sse&key=s&beta=true", b"alt=sse&beta=true"),
            (b"k%65y=s&alt=sse", b"alt=sse"),
            (b"alt=sse&key", b"alt=sse"),
            (b"keys=1&a%26key=2", b"keys=1&a%26key=2"),
            (b"KEY=1", b"KEY=1"),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            without(text, &[b"key"], &mut out);
            assert_eq!(out, expected);
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text: Vec<u8>) {
            let mut out = Vec::new();
            encode(&text, &mut out);
            prop_assert!(out.iter().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(&*decode(&out), &text[..]);
        }

        #[test]
        fn a_query_with_nothing_to_remove_keeps_its_bytes(text in "[a-c=&%]{0,20}") {
            let mut out = Vec::new();
            without(text.as_bytes(), &[b"zz"], &mut out);
            prop_assert_eq!(out, text.as_bytes());
        }
    }
}
