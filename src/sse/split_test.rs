use proptest::prelude::*;

use super::*;

/// A frame that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    raw: String,
    event: String,
    data: String,
    kind: FrameKind,
}

fn told(frame: Frame<'_>) -> Told {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { raw: text(frame.raw), event: text(frame.event), data: text(frame.data), kind: frame.kind }
}

fn split<'a>(
    framing: Framing,
    bytes_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Told>, Result<Tail, TooLong>) {
    let mut splitter = Splitter::new(framing, bytes_max);
    let mut frames = Vec::new();
    for piece in pieces {
        if let Err(error) = splitter.push(piece, |frame| frames.push(told(frame))) {
            return (frames, Err(error));
        }
    }
    let tail = splitter.finish(|frame| frames.push(told(frame)));
    (frames, Ok(tail))
}

fn whole(framing: Framing, text: &str) -> (Vec<Told>, Tail) {
    let (frames, tail) = split(framing, 1 << 20, [text.as_bytes()]);
    (frames, tail.unwrap())
}

/// Data of the frames that have some.
fn data(framing: Framing, text: &str) -> Vec<String> {
    whole(framing, text).0.into_iter().filter(|frame| frame.kind == FrameKind::Data).map(|frame| frame.data).collect()
}

#[test]
fn events_as_the_standard_reads_them() {
    use Framing::Sse;
    let cases: [(&str, &[&str]); 16] = [
        ("data: a\n\n", &["a"]),
        ("data:a\n\n", &["a"]),
        ("data:  a \n\n", &[" a "]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("data: a\r\rdata: b\r\r", &["a", "b"]),
        ("data: a\n\r\ndata: b\r\n\n", &["a", "b"]),
        ("data: a\ndata: b\n\n", &["a\nb"]),
        ("data\n\n", &[""]),
        ("data\ndata\n\n", &["\n"]),
        ("\u{feff}data: a\n\n", &["a"]),
        (": comment\n\n", &[]),
        (": comment\ndata: a\n\n", &["a"]),
        ("id: 7\nretry: 10\ndata: a\nunknown\n\n", &["a"]),
        ("event: x\n\n", &[]),
        ("\n\n\ndata: a\n\n\n", &["a"]),
        ("data: a: b:c\n\n", &["a: b:c"]),
    ];
    for (text, expected) in cases {
        assert_eq!(data(Sse, text), expected, "{text:?}");
    }
    let (frames, _) = whole(Sse, "event: a\nevent: b\ndata: x\n\ndata: y\n\n");
    assert_eq!((&*frames[0].event, &*frames[1].event), ("b", ""));
}

#[test]
fn a_stream_that_ends_early_says_so() {
    for (text, tail) in [
        ("", Tail::Whole),
        ("data: a\n\n", Tail::Whole),
        ("data: a\r\n\r", Tail::Whole),
        ("data: a\n", Tail::Unfinished),
        ("data: a", Tail::Unfinished),
        (": ping", Tail::Unfinished),
    ] {
        assert_eq!(whole(Framing::Sse, text).1, tail, "{text:?}");
    }
    assert_eq!(data(Framing::Sse, "data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    for (text, tail) in
        [("{}\n", Tail::Whole), ("{}", Tail::Whole), ("{\"a\":1", Tail::Unfinished), ("{}{", Tail::Unfinished)]
    {
        assert_eq!(whole(Framing::Lines, text).1, tail, "{text:?}");
    }
    for (text, tail) in [
        ("[{}]", Tail::Whole),
        ("[{}]\n", Tail::Whole),
        ("{}", Tail::Whole),
        ("[{}", Tail::Unfinished),
        ("[{\"a\":\"", Tail::Unfinished),
        ("[", Tail::Unfinished),
    ] {
        assert_eq!(whole(Framing::Array, text).1, tail, "{text:?}");
    }
}

#[test]
fn lines_and_elements_are_frames() {
    assert_eq!(data(Framing::Lines, "{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    let cases: [(&str, &[&str]); 6] = [
        ("[{\"a\":\"]}\\\"\"}\n,\r\n{\"b\":[{}]}\n]\n", &["{\"a\":\"]}\\\"\"}", "{\"b\":[{}]}"]),
        ("[]", &[]),
        (" [1, \"a,]\",null,[2]]", &["1", "\"a,]\"", "null", "[2]"]),
        ("{\"error\":{}}", &["{\"error\":{}}"]),
        ("[{}][{}]", &["{}"]),
        ("[{}", &["{}"]),
    ];
    for (text, expected) in cases {
        assert_eq!(data(Framing::Array, text), expected, "{text:?}");
    }
}

#[test]
fn a_frame_of_too_many_lines_is_refused() {
    for (lines, expected) in [(limits::FRAME_LINES_MAX, Ok(Tail::Whole)), (limits::FRAME_LINES_MAX + 1, Err(TooLong))] {
        let text = format!("{}\n", "data:\n".repeat(lines as usize));
        for cut in [0, 1, 7, text.len() / 2, text.len() - 1, text.len()] {
            let (first, second) = text.as_bytes().split_at(cut);
            let (frames, end) = split(Framing::Sse, 1 << 20, [first, second]);
            assert_eq!((end, frames.len()), (expected, usize::from(expected.is_ok())), "{lines} lines, cut at {cut}");
        }
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused() {
    let text = b"data: 0123456789\n\n";
    for cut in 0..text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(split(Framing::Sse, text.len() - 1, [first, second]).1, Err(TooLong), "{cut}");
        assert_eq!(split(Framing::Sse, text.len(), [first, second]).1, Ok(Tail::Whole), "{cut}");
    }
}

#[test]
fn what_is_whole_is_borrowed() {
    let bytes = b"data: {}\n\nevent: a\ndata: b\n\n";
    let inside = |part: &[u8]| bytes.as_ptr_range().contains(&part.as_ptr());
    let mut splitter = Splitter::new(Framing::Sse, 100);
    splitter.push(bytes, |frame| assert!(inside(frame.raw) && inside(frame.data))).unwrap();
}

#[test]
fn a_long_carry_is_given_back() {
    let mut splitter = Splitter::new(Framing::Sse, 1 << 20);
    splitter.push(&[b'x'; 100_000], |_| {}).unwrap();
    splitter.push(b"\n\n", |_| {}).unwrap();
    assert!(splitter.carry.capacity() <= limits::CARRY_KEEP_BYTES);
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::Sse), Just(Framing::Lines), Just(Framing::Array)]
}

proptest! {
    /// Law 1 of the design: how the bytes arrive changes nothing, and no byte is lost.
    #[test]
    fn any_split_gives_the_same_frames(
        framing in framing(),
        text in "(data|event|: ?|[\\[\\]{},\"\\\\a-b]|\r|\n|\r\n|\u{feff}){0,40}",
        cuts in prop::collection::vec(0_usize..200, 0..8),
        bytes_max in prop_oneof![Just(1_usize << 20), 1_usize..40],
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let (frames, tail) = split(framing, bytes_max, [bytes]);
        prop_assert_eq!((&frames, tail), (&split(framing, bytes_max, pieces).0, split(framing, bytes_max, bytes.chunks(1)).1));
        prop_assert_eq!(&frames, &split(framing, bytes_max, bytes.chunks(1)).0);
        if tail.is_ok() {
            prop_assert_eq!(frames.iter().map(|frame| &*frame.raw).collect::<String>(), text);
        }
    }
}

#[test]
fn the_end_of_a_large_frame_is_known_before_it_is_told() {
    for (framing, start, end) in [
        (Framing::Sse, "data: 0123456789", "\n\ndata: x\n\n"),
        (Framing::Sse, "data: 0123456789\r\n\r", "\ndata: x"),
        (Framing::Lines, "{\"a\":123456789}", "\n{}"),
        (Framing::Array, "[{\"a\":123456789", "}, {}"),
    ] {
        let mut splitter = Splitter::new(framing, 100);
        assert!(!splitter.closes_over(8, start.as_bytes(), false), "{start:?} goes on");
        splitter.push(start.as_bytes(), |_| panic!("no frame is whole")).expect("short");
        let more = b"123";
        for _ in 0..2 {
            assert!(!splitter.closes_over(8, more, false) || start.ends_with('\r'), "{start:?} goes on");
            assert!(splitter.closes_over(8, more, true), "with the last bytes it ends");
            assert!(splitter.closes_over(8, end.as_bytes(), false), "{start:?}{end:?}");
            assert!(!splitter.closes_over(40, end.as_bytes(), false), "it is not so large");
        }
        let mut told = 0;
        splitter.push(end.as_bytes(), |_| told += 1).expect("short");
        assert!(told > 0, "asking has changed nothing: {start:?}");
        assert!(!splitter.closes_over(20, b"\n\n}", false), "what is carried now is short");
    }
}
