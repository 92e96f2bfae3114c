use proptest::prelude::*;

use super::*;

/// The payload and what was consumed when the bytes come in pieces that end at `cuts`; a piece that was not
/// consumed as a whole is followed by nothing.
fn in_pieces(text: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, usize, State), BodyError> {
    let mut decoder = Decoder::new();
    let (mut payload, mut consumed) = (Vec::new(), 0);
    let mut state = State::More;
    let mut start = 0;
    for &cut in cuts.iter().chain([&text.len()]) {
        let mut piece = text[start..cut].to_vec();
        let taken = decoder.decode(&mut piece)?;
        assert!(taken.state == State::End || taken.consumed == piece.len());
        assert_eq!(piece[taken.consumed..], text[start + taken.consumed..cut], "bytes behind the message changed");
        payload.extend_from_slice(&piece[taken.data]);
        consumed += taken.consumed;
        state = taken.state;
        start = cut;
    }
    Ok((payload, consumed, state))
}

fn whole(text: &[u8]) -> Result<(Vec<u8>, usize, State), BodyError> {
    in_pieces(text, &[])
}

#[test]
fn payloads_are_moved_together_in_place() {
    let mut text = *b"5;x=\"a;b\"\r\nhello\r\n00007\r\n, world\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
    let piece = Decoder::new().decode(&mut text).unwrap();
    assert_eq!(&text[piece.data.clone()], b"hello, world");
    assert_eq!(piece.data.start, 11, "the first payload is not moved");
    assert_eq!((&text[piece.consumed..], piece.state), (&b"GET /"[..], State::End));
}

#[test]
fn nothing_is_taken_behind_the_end() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_vec()).unwrap().state, State::End);
    let again = decoder.decode(&mut b"5\r\nhello".to_vec()).unwrap();
    assert_eq!(again, Piece { consumed: 0, data: 0..0, state: State::End });
}

#[test]
fn malformed_framing_is_refused() {
    use BodyError::{ChunkEnd, ChunkExtension, ChunkSize, Trailer};
    let cases: [(&[u8], BodyError); 29] = [
        (b"\r\n", ChunkSize),
        (b";x\r\n", ChunkSize),
        (b" 5\r\n", ChunkSize),
        (b"5 \r\n", ChunkSize),
        (b"5\t;x\r\n", ChunkSize),
        (b"+5\r\n", ChunkSize),
        (b"-5\r\n", ChunkSize),
        (b"0x5\r\n", ChunkSize),
        (b"5_0\r\n", ChunkSize),
        (b"5\n", ChunkSize),
        (b"5\rx", ChunkSize),
        (b"g\r\n", ChunkSize),
        (b"10000000000000000\r\n", ChunkSize),
        (b"00000000000000005\r\n", ChunkSize),
        (b"5;x\n", ChunkExtension),
        (b"5;\0\r\n", ChunkExtension),
        (b"5;x\rx", ChunkSize),
        (b"5\r\nhello5\r\n", ChunkEnd),
        (b"5\r\nhello\n", ChunkEnd),
        (b"5\r\nhello\rx", ChunkEnd),
        (b"5\r\nhello!\r\n", ChunkEnd),
        (b"0\r\nx\r\n", Trailer),
        (b"0\r\nx : 1\r\n", Trailer),
        (b"0\r\n x: 1\r\n", Trailer),
        (b"0\r\nx: 1\n", Trailer),
        (b"0\r\nx: 1\r\n y\r\n", Trailer),
        (b"0\r\n: 1\r\n", Trailer),
        (b"0\r\n\n", Trailer),
        (b"0\r\n\rx", Trailer),
    ];
    for (text, error) in cases {
        assert_eq!(whole(text), Err(error), "{}", text.escape_ascii());
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(in_pieces(text, &every), Err(error), "{}", text.escape_ascii());
    }
}

#[test]
fn bounds_at_the_limit_and_one_past() {
    let largest = format!("{}\r\nx", "f".repeat(CHUNK_DIGITS_MAX));
    assert_eq!(whole(largest.as_bytes()), Ok((b"x".to_vec(), CHUNK_DIGITS_MAX + 3, State::More)));
    let padded = |digits: usize| whole(format!("{:0>digits$}\r\nx\r\n0\r\n\r\n", 1).as_bytes()).map(|taken| taken.2);
    assert_eq!(padded(CHUNK_DIGITS_MAX), Ok(State::End));
    assert_eq!(padded(CHUNK_DIGITS_MAX + 1), Err(BodyError::ChunkSize));
    let extension = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 1));
    assert!(whole(extension(CHUNK_EXTENSION_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(whole(extension(CHUNK_EXTENSION_BYTES_MAX + 1).as_bytes()), Err(BodyError::ChunkExtension));
    let trailer = |bytes: usize| format!("0\r\na: b\r\nx:{}\r\n\r\n", "y".repeat(bytes - 8));
    assert!(whole(trailer(TRAILER_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(whole(trailer(TRAILER_BYTES_MAX + 1).as_bytes()), Err(BodyError::TrailerTooLong));
    // Many short lines count as well as one long line.
    let lines = format!("0\r\n{}\r\n", "a: b\r\n".repeat(TRAILER_BYTES_MAX / 6 + 2));
    assert_eq!(whole(lines.as_bytes()), Err(BodyError::TrailerTooLong));
}

#[test]
fn every_split_gives_the_same_payload() {
    let text = b"5\r\nhello\r\n1;a=b;c\r\n \r\nA\r\n0123456789\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\nPOST / HTTP/1.1\r\n";
    let expected = whole(text).unwrap();
    assert_eq!(expected.0, b"hello 0123456789");
    for first in 0..text.len() {
        for second in first..text.len() {
            assert_eq!(in_pieces(text, &[first, second]).as_ref(), Ok(&expected), "cut at {first} and {second}");
        }
    }
    let every: Vec<usize> = (0..text.len()).collect();
    assert_eq!(in_pieces(text, &every), Ok(expected));
}

proptest! {
    #[test]
    fn chunks_that_were_written_are_read_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        tail: Vec<u8>,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut text = Vec::new();
        for chunk in &chunks {
            let (line, used) = crate::http::write::chunk_head(chunk.len());
            text.extend_from_slice(&line[..used]);
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(crate::http::write::LAST_CHUNK);
        let len = text.len();
        text.extend_from_slice(&tail);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(&text, &cuts), Ok((chunks.concat(), len, State::End)));
    }

    #[test]
    fn any_bytes_get_one_verdict(text in "([0-9a-f]{0,2}(;x)?\r?\n?[a-z]{0,4}\r?\n?){0,6}(0\r\n(x:y\r\n)?\r\n)?.{0,2}", cut: prop::sample::Index) {
        let text = text.as_bytes();
        let cut = cut.index(text.len() + 1);
        prop_assert_eq!(in_pieces(text, &[cut]), whole(text));
    }
}
