//! The codec by itself: what a client may send in any pieces, and what it may not.

use super::*;

/// A frame as a client sends it.
fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    out
}

/// What is heard of `bytes` in pieces of this size.
fn heard(bytes: &[u8], piece: usize, most: usize) -> (Vec<String>, Option<Code>) {
    let (mut reader, mut all) = (Reader::new(most), Vec::new());
    for bytes in bytes.chunks(piece) {
        let told = reader.push(bytes, &mut |heard| {
            all.push(match heard {
                Heard::Text(text) if text.len() > 100 => format!("{} bytes", text.len()),
                Heard::Text(text) => text.to_owned(),
                Heard::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
                Heard::Close => "close".to_owned(),
            });
        });
        if let Err(code) = told {
            return (all, Some(code));
        }
    }
    (all, None)
}

#[test]
fn the_handshake_of_the_rfc() {
    assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for none in [&b""[..], b"short", b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZWFh"] {
        assert_eq!(accept(none), None);
    }
}

#[test]
fn messages_come_whole_however_they_are_cut() {
    let long = "x".repeat(70_000);
    let all = [
        sent(0x81, b"one"),
        sent(0x01, "zw\u{e9}".as_bytes()),
        sent(0x89, b"there?"),
        sent(0x00, b""),
        sent(0x8a, b"unasked"),
        sent(0x80, b" parts"),
        sent(0x81, b""),
        sent(0x81, &long.as_bytes()[..200]),
        sent(0x81, long.as_bytes()),
        sent(0x88, &[0x03, 0xe8]),
        sent(0x81, b"behind the end"),
    ]
    .concat();
    let expected = ["one", "ping there?", "zw\u{e9} parts", "", "200 bytes", "70000 bytes", "close"];
    for piece in [1, 2, 3, 7, 1_000, all.len()] {
        let (said, code) = heard(&all, piece, 70_000);
        assert!(said == expected && code.is_none(), "{piece}: {said:?} {code:?}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_code() {
    let mut unmasked = sent(0x81, b"a");
    unmasked[1] &= 0x7f;
    let long_form = |length: &[u8]| {
        let kind = if length.len() == 2 { 126 } else { 127 };
        [&[0x81, 0x80 | kind][..], length, &[0; 4]].concat()
    };
    for (bytes, code) in [
        (unmasked, Code::Protocol),
        (sent(0xc1, b"a"), Code::Protocol),
        (sent(0x83, b"a"), Code::Protocol),
        (sent(0x80, b"a"), Code::Protocol),
        ([sent(0x01, b"a"), sent(0x81, b"b")].concat(), Code::Protocol),
        (sent(0x09, b"a"), Code::Protocol),
        (sent(0x89, &[b'a'; 126]), Code::Protocol),
        (long_form(&[0, 125]), Code::Protocol),
        (long_form(&[0, 0, 0, 0, 0, 0, 0xff, 0xff]), Code::Protocol),
        (long_form(&[0x80, 0, 0, 0, 0, 1, 0, 0]), Code::Protocol),
        (long_form(&[0, 0, 1, 0, 0, 0, 0, 0]), Code::TooLarge),
        (sent(0x82, b"a"), Code::Unsupported),
        (sent(0x81, b"\xff"), Code::NotText),
    ] {
        for piece in [1, bytes.len()] {
            assert_eq!(heard(&bytes, piece, 1_000), (vec![], Some(code)), "{bytes:x?}");
        }
    }
}

#[test]
fn a_message_has_a_bound_in_one_frame_and_in_several() {
    assert_eq!(heard(&sent(0x81, &[b'a'; 50]), 9, 50).1, None);
    assert_eq!(heard(&sent(0x81, &[b'a'; 51]), 9, 50).1, Some(Code::TooLarge));
    let parts = |last: usize| [sent(0x01, &[b'a'; 30]), sent(0x80, &vec![b'a'; last])].concat();
    assert_eq!(heard(&parts(20), 9, 50).1, None);
    assert_eq!(heard(&parts(21), 9, 50).1, Some(Code::TooLarge));
}

#[test]
fn what_is_written_is_read() {
    for bytes in [0, 1, 125, 126, 0xffff, 0x1_0000] {
        let (mut out, payload) = (Vec::new(), vec![b'a'; bytes]);
        text(&[&payload[..bytes / 2], &payload[bytes / 2..]], &mut out);
        assert_eq!(out[1] & 0x80, 0, "a server does not mask");
        // As a client sends it: masked by nothing.
        let head = out.len() - bytes;
        out[1] |= 0x80;
        out.splice(head..head, [0; 4]);
        let told = heard(&out, 1_000, bytes).0;
        assert_eq!(told.len(), 1, "{bytes}");
    }
    let mut out = Vec::new();
    ping(&mut out);
    pong(b"p", &mut out);
    close(Code::TooLarge, &mut out);
    assert_eq!(out, [0x89, 0, 0x8a, 1, b'p', 0x88, 2, 0x03, 0xf1]);
}
