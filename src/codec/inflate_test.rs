use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

/// 1 MiB of `a`, as other encoders write it.
const BROTLI_BOMB: &[u8] = b"\x5b\xff\xff\x8f\x5f\x22\x2c\x1e\x0b\x04\x72\xef\x1f\x00";

#[derive(Clone, Copy, Debug)]
enum Form {
    Gzip,
    Zlib,
    Bare,
    Brotli,
    Zstd,
}

const FORMS: [Form; 5] = [Form::Gzip, Form::Zlib, Form::Bare, Form::Brotli, Form::Zstd];

impl Form {
    fn coding(self) -> Coding {
        match self {
            Form::Gzip => Coding::Gzip,
            Form::Zlib | Form::Bare => Coding::Deflate,
            Form::Brotli => Coding::Brotli,
            Form::Zstd => Coding::Zstd,
        }
    }

    fn encode(self, text: &[u8]) -> Vec<u8> {
        let level = Compression::default();
        match self {
            Form::Gzip => written(GzEncoder::new(Vec::new(), level), text, |encoder| encoder.finish()),
            Form::Zlib => written(ZlibEncoder::new(Vec::new(), level), text, |encoder| encoder.finish()),
            Form::Bare => written(DeflateEncoder::new(Vec::new(), level), text, |encoder| encoder.finish()),
            Form::Brotli => stored_brotli(text),
            Form::Zstd => zstd::bulk::compress(text, 3).unwrap(),
        }
    }
}

fn written<E: Write>(mut encoder: E, text: &[u8], finish: fn(E) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(text).unwrap();
    finish(encoder).unwrap()
}

/// Uncompressed meta-blocks (RFC 7932 §9.2); the crate has a decoder only.
fn stored_brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, block) in text.chunks(1 << 16).enumerate() {
        // The first block stands behind the one bit of a 16-bit window.
        let shift = if at == 0 { 1 } else { 0 };
        let head = ((block.len() as u32 - 1) << 3 | 1 << 19) << shift;
        out.extend_from_slice(&head.to_le_bytes()[..3]);
        out.extend_from_slice(block);
    }
    out.push(if text.is_empty() { 6 } else { 3 });
    out
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x3f | 0x20).collect()
}

#[test]
fn each_coding_at_the_bound_and_one_past() {
    for form in FORMS {
        for len in [1, 2, 1_000, INFLATE_STEP_BYTES - 1, INFLATE_STEP_BYTES, INFLATE_STEP_BYTES + 1, 300_000] {
            let text = sample(len);
            let body = form.encode(&text);
            let codings = [form.coding()];
            assert_eq!(decode(&codings, &body, len).as_ref(), Ok(&text), "{form:?} {len}");
            assert_eq!(decode(&codings, &body, len - 1), Err(InflateError::TooLarge), "{form:?} {len}");
        }
        assert_eq!(decode(&[form.coding()], &form.encode(b""), 0), Ok(Vec::new()), "{form:?}");
    }
    assert_eq!(decode(&[], b"abc", 3), Ok(b"abc".to_vec()));
    assert_eq!(decode(&[Coding::Identity], b"abc", 2), Err(InflateError::TooLarge));
}

#[test]
fn a_stream_cut_short_or_followed_by_bytes_is_corrupt() {
    for form in FORMS {
        let body = form.encode(&sample(5_000));
        for cut in (0..body.len()).step_by(7).chain([body.len() - 1]) {
            assert_eq!(decode(&[form.coding()], &body[..cut], 10_000), Err(InflateError::Corrupt), "{form:?} {cut}");
        }
        for tail in [&b"\0"[..], b"\x1f", b"\x1f\x8b", b"garbage", b"\r\n"] {
            let body = [&body, tail].concat();
            assert_eq!(decode(&[form.coding()], &body, 10_000), Err(InflateError::Corrupt), "{form:?} {tail:?}");
        }
        assert_eq!(decode(&[form.coding()], b"{\"model\":\"x\"}", 10_000), Err(InflateError::Corrupt), "{form:?}");
    }
}

#[test]
fn a_damaged_checksum_is_corrupt() {
    for form in [Form::Gzip, Form::Zlib] {
        let mut body = form.encode(&sample(100));
        let at = body.len() - if matches!(form, Form::Gzip) { 8 } else { 1 };
        body[at] ^= 1;
        assert_eq!(decode(&[form.coding()], &body, 100), Err(InflateError::Corrupt), "{form:?}");
    }
}

#[test]
fn members_follow_each_other() {
    for form in [Form::Gzip, Form::Zstd] {
        let body = [form.encode(b"ab"), form.encode(b""), form.encode(b"cd")].concat();
        assert_eq!(decode(&[form.coding()], &body, 4).as_deref(), Ok(&b"abcd"[..]), "{form:?}");
        assert_eq!(decode(&[form.coding()], &body, 3), Err(InflateError::TooLarge), "{form:?}");
    }
    for form in [Form::Zlib, Form::Bare, Form::Brotli] {
        let body = [form.encode(b"ab"), form.encode(b"cd")].concat();
        assert_eq!(decode(&[form.coding()], &body, 4), Err(InflateError::Corrupt), "{form:?}");
    }
}

#[test]
fn empty_members_are_counted() {
    for form in [Form::Gzip, Form::Zstd] {
        let members = |count: usize| form.encode(b"").repeat(count);
        assert_eq!(decode(&[form.coding()], &members(MEMBERS_MAX + 1), 1), Ok(Vec::new()), "{form:?}");
        assert_eq!(decode(&[form.coding()], &members(MEMBERS_MAX + 2), 1), Err(InflateError::TooLarge), "{form:?}");
    }
}

#[test]
fn codings_are_undone_from_the_last() {
    let text = sample(1_000);
    let body = Form::Zstd.encode(&Form::Brotli.encode(&Form::Gzip.encode(&text)));
    let codings = Coding::parse_list(b"gzip, br, identity, zstd").unwrap();
    assert_eq!(decode(&codings, &body, 2_000), Ok(text));
    let reversed: Vec<Coding> = codings.iter().rev().copied().collect();
    assert_eq!(decode(&reversed, &body, 2_000), Err(InflateError::Corrupt));
}

#[test]
fn a_bomb_costs_its_bound() {
    let zeros = vec![0; 8 << 20];
    let bomb = Form::Gzip.encode(&zeros);
    let bombs = [
        (Coding::Gzip, bomb.clone()),
        (Coding::Deflate, Form::Zlib.encode(&zeros)),
        (Coding::Zstd, Form::Zstd.encode(&zeros)),
        (Coding::Brotli, BROTLI_BOMB.to_vec()),
    ];
    for (coding, bomb) in bombs {
        assert!(bomb.len() < 16_384, "{coding:?}");
        let bound = 500_000;
        let mut inflater = Inflater::new(std::slice::from_ref(&coding), &bomb, bound);
        let error = loop {
            match inflater.step() {
                Ok(decoded) => assert!(decoded.is_none(), "{coding:?}"),
                Err(error) => break error,
            }
            assert!(inflater.output.capacity() <= bound, "{coding:?}");
        };
        assert_eq!(error, InflateError::TooLarge, "{coding:?}");
    }
    // The bound holds between two codings as well.
    let twice = Form::Gzip.encode(&bomb);
    assert_eq!(decode(&[Coding::Gzip, Coding::Gzip], &twice, 100), Err(InflateError::TooLarge));
}

#[test]
fn a_window_beyond_the_bound_is_refused() {
    // RFC 8878 §3.1.1: magic, no single segment, a window descriptor, one empty last block.
    let frame = |window_log: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3][..], &[1, 0, 0]].concat();
    assert_eq!(decode(&[Coding::Zstd], &frame(ZSTD_WINDOW_LOG_MAX as u8), 10), Ok(Vec::new()));
    assert_eq!(decode(&[Coding::Zstd], &frame(ZSTD_WINDOW_LOG_MAX as u8 + 1), 10), Err(InflateError::Corrupt));
    // RFC 7932 §9.1 reserves this first byte; other decoders read a large window from it.
    assert_eq!(decode(&[Coding::Brotli], &[0x11, 30, 3], 10), Err(InflateError::Corrupt));
}

#[test]
fn lists_of_codings() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    let list = |value: &str| Coding::parse_list(value.as_bytes()).map(|codings| codings.to_vec());
    assert_eq!(list("gzip"), Ok(vec![Gzip]));
    assert_eq!(list(" X-GZIP ,\tdeflate,,br, zstd"), Ok(vec![Gzip, Deflate, Brotli, Zstd]));
    assert_eq!(list("identity"), Ok(vec![]));
    assert_eq!(list(""), Ok(vec![]));
    for unknown in ["compress", "gzip;q=1", "gzip br", "*"] {
        assert_eq!(list(unknown), Err(Unknown), "{unknown}");
    }
    let most = ["gzip"; CODINGS_MAX].join(",");
    assert_eq!(list(&format!("identity,{most},identity")), Ok(vec![Gzip; CODINGS_MAX]), "identity is none");
    assert_eq!(list(&format!("{most},gzip")), Err(Unknown));
}
