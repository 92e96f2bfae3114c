//! Ids of tool calls, which Anthropic wants of `[a-zA-Z0-9_-]` and other vendors make of anything (conversion.md 65).
//!
//! An id with other letters is told behind a prefix, each of those bytes as `_` and two digits, and read back when
//! the client sends it again: the vendor who made it gets his own, and a conversation that moves on to Anthropic has
//! none that Anthropic refuses.

use crate::base::ascii;
use crate::json::Escaped;
use crate::protocol::ir::Text;

const PREFIX: &[u8] = b"weir_";

/// Appends `id` in Anthropic's letters; it is not empty.
pub(super) fn write(id: Escaped<'_>, out: &mut Vec<u8>) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if id.bytes().iter().all(plain) && !id.bytes().starts_with(PREFIX) {
        out.extend_from_slice(id.bytes());
        return;
    }
    out.extend_from_slice(PREFIX);
    for byte in id.decode().bytes() {
        match byte {
            b'-' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                let digit = |four: u8| b"0123456789abcdef"[usize::from(four)];
                out.extend_from_slice(&[b'_', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

/// The id that was told as `id`.
pub(super) fn read(id: Text<'_>) -> Text<'_> {
    let Some(told) = id.bytes().strip_prefix(PREFIX) else { return id };
    let mut plain = Vec::with_capacity(told.len());
    let mut rest = told;
    loop {
        rest = match rest {
            [] => break,
            [b'_', high, low, after @ ..] => match (ascii::hex_digit(*high), ascii::hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    plain.push(high << 4 | low);
                    after
                }
                _ => return id,
            },
            [b'_', ..] => return id,
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
        }
    }
    match String::from_utf8(plain) {
        Ok(plain) => Text::plain(&plain),
        Err(_) => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_65_ids_of_other_letters_are_told_in_anthropics_and_come_back() {
        for (id, told) in [
            ("toolu_01A-b", "toolu_01A-b"),
            ("functions.get_weather:0", "weir_functions_2eget_5fweather_3a0"),
            ("weir_x", "weir_weir_5fx"),
            ("a\"é", "weir_a_22_c3_a9"),
        ] {
            let mut out = Vec::new();
            let id = Text::plain(id);
            write(id.escaped(), &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), told);
            assert_eq!(read(Text::joined(out)), id);
        }
        for other in ["weir_a_", "weir_a_zz", "weir_a_ff"] {
            assert_eq!(read(Text::plain(other)), Text::plain(other), "nobody here told it");
        }
    }
}
