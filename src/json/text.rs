//! Between text and the inside of a JSON string (RFC 8259 §7).
//!
//! Escaping writes what must be escaped and nothing else, in the shortest form. Unescaping joins surrogate
//! pairs; a lone surrogate, which no UTF-8 text can hold, becomes U+FFFD.

use crate::base::ascii;

/// How a byte is written inside a string: 0 as it is, `u` as `\u00xx`, else as a backslash and that letter.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends `text` as the inside of a JSON string.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    out.reserve(rest.len());
    while let Some(plain) = rest.iter().position(|&byte| ESCAPES[byte as usize] != 0) {
        out.extend_from_slice(&rest[..plain]);
        let byte = rest[plain];
        match ESCAPES[byte as usize] {
            b'u' => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[byte as usize >> 4], HEX[byte as usize & 15]]),
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        rest = &rest[plain + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends `text` as a JSON string, quotes included.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends what the inside of a JSON string says, as UTF-8.
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    pieces(escaped, |piece| {
        out.extend_from_slice(piece);
        true
    });
}

/// `bytes` as a string, which they are if they were unescaped from a valid text.
pub(super) fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Tells what `escaped` says, run by run, until `each` has heard enough; whether it heard all.
pub(super) fn pieces(escaped: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> bool {
    let mut rest = escaped;
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        if plain > 0 && !each(&rest[..plain]) {
            return false;
        }
        let (character, len) = escaped_character(&rest[plain..]);
        if !each(character.encode_utf8(&mut [0; 4]).as_bytes()) {
            return false;
        }
        rest = &rest[plain + len..];
    }
    rest.is_empty() || each(rest)
}

/// The character that the escape at the start of `bytes` stands for, and the length of the escape. What is no
/// escape counts as U+FFFD, so that a text which never was validated still has an end.
fn escaped_character(bytes: &[u8]) -> (char, usize) {
    let character = match bytes.get(1) {
        Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return utf16(bytes),
        _ => char::REPLACEMENT_CHARACTER,
    };
    (character, bytes.len().min(2))
}

/// The character of the one or two `\uXXXX` at the start of `bytes`, and their length.
fn utf16(bytes: &[u8]) -> (char, usize) {
    let Some(first) = unit(bytes) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if let 0xd800..=0xdbff = first
        && let Some(second @ 0xdc00..=0xdfff) = unit(&bytes[6..])
    {
        let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// The UTF-16 code unit of the `\uXXXX` at the start of `bytes`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &byte| Some(unit << 4 | u32::from(ascii::hex_digit(byte)?)))
}

#[cfg(test)]
#[path = "text_test.rs"]
mod tests;
