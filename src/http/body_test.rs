use proptest::prelude::*;

use super::*;
use crate::http::head::{self, Asked, HeadLimits};

/// RFC 9112 §6.3 read literally, on the text of the fields. Where the RFC leaves a choice between repairing
/// and refusing, this refuses.
fn oracle(fields: &[(&str, &str)], minor: u8, is_response: bool, bodiless: bool) -> Result<Framing, u16> {
    let of = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    };
    let (codings, lengths) = (of("transfer-encoding"), of("content-length"));
    if !codings.is_empty() {
        // §6.1: "a server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header
        // field MUST treat the message as if the framing is faulty"; §6.3 item 3: both fields "ought to be
        // handled as an error".
        if minor == 0 || !lengths.is_empty() {
            return Err(400);
        }
        let joined = codings.join(",");
        if !joined.eq_ignore_ascii_case("chunked") {
            let list: Vec<String> = joined.split(',').map(|coding| coding.trim().to_ascii_lowercase()).collect();
            let plain = |coding: &String| !coding.is_empty() && !coding.contains([' ', ';', '"', '=']);
            let chunked_early = list.iter().rev().skip(1).any(|coding| coding == "chunked");
            return Err(if !list.iter().all(plain) || chunked_early { 400 } else { 501 });
        }
        // Items 1 and 4.
        return Ok(if bodiless { Framing::Empty } else { Framing::Chunked });
    }
    // Item 5, and item 6 for one valid value.
    match lengths.as_slice() {
        [] if bodiless => Ok(Framing::Empty),
        // Items 7 and 8.
        [] => Ok(if is_response { Framing::ToClose } else { Framing::Empty }),
        [value] if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => match value.parse() {
            Ok(_) if bodiless => Ok(Framing::Empty),
            Ok(length) => Ok(Framing::Sized(length)),
            Err(_) => Err(400),
        },
        _ => Err(400),
    }
}

fn field() -> impl Strategy<Value = (&'static str, &'static str)> {
    const NAMES: &[&str] =
        &["Content-Length", "content-length", "Transfer-Encoding", "transfer-encoding", "Content_Length", "X"];
    const VALUES: &[&str] = &[
        "5",
        "0",
        "5, 5",
        "5,6",
        "+5",
        "-1",
        "0x5",
        "5 5",
        "",
        "005",
        "18446744073709551615",
        "18446744073709551616",
        "5.0",
        "chunked",
        "Chunked",
        "chunked, chunked",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "identity",
        "chunked;a=b",
        "chunked,",
        ",chunked",
        "xchunked",
        "\"chunked\"",
        "gzip;q=1, chunked",
        "chunked gzip",
    ];
    (prop::sample::select(NAMES), prop::sample::select(VALUES))
}

fn lines(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn request_framing_is_that_of_the_rfc(fields in prop::collection::vec(field(), 0..3), minor in 0..2_u8) {
        let text = format!("POST / HTTP/1.{minor}\r\nHost: a\r\n{}\r\n", lines(&fields));
        let head = head::request(text.as_bytes(), &mut 0, &mut Fields::new(), &HeadLimits::default());
        let framing = head.map(|head| head.unwrap().framing).map_err(|refusal| refusal.status);
        prop_assert_eq!(framing, oracle(&fields, minor, false, false), "{}", text);
    }

    #[test]
    fn response_framing_is_that_of_the_rfc(
        fields in prop::collection::vec(field(), 0..3),
        minor in 0..2_u8,
        status in prop::sample::select(&[100, 199, 200, 204, 205, 206, 304, 404, 500][..]),
        to_head: bool,
    ) {
        let text = format!("HTTP/1.{minor} {status} x\r\n{}\r\n", lines(&fields));
        let asked = if to_head { Asked::Head } else { Asked::Other };
        let head = head::response(text.as_bytes(), &mut 0, &mut Fields::new(), asked, &HeadLimits::default());
        let framing = head.map(|head| head.unwrap().framing).map_err(|_| ());
        let bodiless = to_head || matches!(status, 100..=199 | 204 | 304);
        prop_assert_eq!(framing, oracle(&fields, minor, true, bodiless).map_err(|_| ()), "{}", text);
    }

    #[test]
    fn a_sized_body_ends_at_its_size(length in 0..50_u64, more in 0..20_usize, step in 1..20_usize) {
        let text: Vec<u8> = (0..length as u8).chain(std::iter::repeat_n(0xff, more)).collect();
        let mut decoder = Decoder::new(Framing::Sized(length));
        let (mut payload, mut consumed) = (Vec::new(), 0);
        for piece in text.chunks(step) {
            let mut piece = piece.to_vec();
            let taken = decoder.decode(&mut piece).unwrap();
            payload.extend_from_slice(&piece[taken.data]);
            consumed += taken.consumed as u64;
            prop_assert_eq!(taken.state == State::End, consumed == length);
            prop_assert_eq!(decoder.remaining_hint(), Some(length - consumed));
        }
        prop_assert_eq!(payload, (0..length as u8).collect::<Vec<u8>>());
    }
}

#[test]
fn only_a_body_to_the_close_may_end_there() {
    for (framing, expected) in [
        (Framing::Empty, Ok(())),
        (Framing::Sized(0), Ok(())),
        (Framing::ToClose, Ok(())),
        (Framing::Sized(1), Err(BodyError::Truncated)),
        (Framing::Chunked, Err(BodyError::Truncated)),
    ] {
        let mut decoder = Decoder::new(framing);
        assert_eq!(decoder.eof(), expected, "{framing:?}");
        assert_eq!(decoder.is_end(), expected.is_ok());
    }
    let mut chunks = Decoder::new(Framing::Chunked);
    chunks.decode(&mut b"1\r\nx\r\n0\r\n\r".to_vec()).unwrap();
    assert_eq!(chunks.eof(), Err(BodyError::Truncated));
    chunks.decode(&mut b"\n".to_vec()).unwrap();
    assert_eq!(chunks.eof(), Ok(()));
}
