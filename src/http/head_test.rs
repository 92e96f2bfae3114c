use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: limits::HEAD_BYTES_MAX,
    fields: limits::FIELDS_MAX,
    target_bytes: limits::TARGET_BYTES_MAX,
};

type Verdict<T, E> = (Result<Option<T>, E>, Fields);

fn ask(text: &[u8]) -> Verdict<RequestHead, Refusal> {
    ask_within(text, &LIMITS)
}

fn ask_within(text: &[u8], limits: &HeadLimits) -> Verdict<RequestHead, Refusal> {
    let mut fields = Fields::new();
    let head = request(text, &mut 0, &mut fields, limits);
    (head, fields)
}

fn head_of(text: &str) -> RequestHead {
    match ask(text.as_bytes()).0 {
        Ok(Some(head)) => head,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn status_of(text: &[u8]) -> u16 {
    match ask(text).0 {
        Err(refusal) => refusal.status,
        other => panic!("{:?}: {other:?}", text.escape_ascii().to_string()),
    }
}

fn answer(text: &[u8], asked: Asked) -> Result<Option<ResponseHead>, Malformed> {
    response(text, &mut 0, &mut Fields::new(), asked, &LIMITS)
}

/// The verdict when the bytes come in pieces that end at `cuts`.
fn in_pieces(text: &[u8], cuts: &[usize], limits: &HeadLimits) -> Verdict<RequestHead, Refusal> {
    let (mut fields, mut searched) = (Fields::new(), 0);
    for &cut in cuts {
        match request(&text[..cut], &mut searched, &mut fields, limits) {
            Ok(None) => {}
            verdict => return (verdict, fields),
        }
    }
    let verdict = request(text, &mut searched, &mut fields, limits);
    (verdict, fields)
}

const CLAUDE: &str = "POST /v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nAccept: application/json\r\n\
    Authorization: Bearer sk-1\r\nContent-Type: application/json\r\nContent-Length: 118000\r\n\
    anthropic-version: 2023-06-01\r\nX-Stainless-OS: Linux\r\nConnection: keep-alive\r\n\r\n{\"model\"";

#[test]
fn a_request_is_read_into_spans() {
    let (head, fields) = ask(CLAUDE.as_bytes());
    let head = head.unwrap().unwrap();
    let text = |span: Span| &CLAUDE[span.range()];
    assert_eq!((head.method, head.version, head.framing), (Method::Post, Version::Http11, Framing::Sized(118_000)));
    assert_eq!((text(head.path), text(head.query.unwrap())), ("/v1/messages", "beta=true"));
    assert_eq!(&CLAUDE[head.len..], "{\"model\"");
    assert!(head.keep_alive && !head.expect_continue);
    assert_eq!(fields.len(), 8);
    assert_eq!(fields.value(CLAUDE.as_bytes(), Name::AnthropicVersion), Some(&b"2023-06-01"[..]));
    assert_eq!(fields.get(Name::Cookie), None);
    let other: Vec<&str> = fields.all(Name::Other).map(|field| text(field.name)).collect();
    assert_eq!(other, ["X-Stainless-OS"]);
}

#[test]
fn methods_are_tokens_and_case_matters() {
    for (text, method) in [("GET", Method::Get), ("DELETE", Method::Delete), ("OPTIONS", Method::Options)] {
        let line = format!("{text} / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!((head_of(&line).method, method.text(line.as_bytes())), (method, text.as_bytes()));
    }
    let Method::Other(span) = head_of("get / HTTP/1.1\r\nhost: a\r\n\r\n").method else { panic!() };
    assert_eq!(span, Span::new(0, 3));
    assert_eq!(status_of(b"TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"), 405);
    assert_eq!(status_of(b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"), 501);
}

#[test]
fn targets() {
    let parts = |target: &str| {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let text = format!("{method} {target} HTTP/1.1\r\nhost: a.b\r\n\r\n");
        let head = head_of(&text);
        (text[head.path.range()].to_owned(), head.query.map(|query| text[query.range()].to_owned()))
    };
    for (target, path, query) in [
        ("/", "/", None),
        ("//x/../%2e", "//x/../%2e", None),
        ("/a?", "/a", Some("")),
        ("/a?b?c", "/a", Some("b?c")),
        ("*", "*", None),
        ("http://a.b/c?d", "/c", Some("d")),
        ("HTTP://A.B:80", "/", None),
        ("http://a.b:?d", "/", Some("d")),
        ("http://a.b/http://c", "/http://c", None),
    ] {
        assert_eq!(parts(target), (path.to_owned(), query.map(str::to_owned)), "{target}");
    }
    for target in [
        "*",
        "a",
        "a.b:80",
        "/a#b",
        "/a\u{e9}",
        "/a\x7f",
        "/a\tb",
        "http://",
        "http:///a",
        "http://c/",
        "http://u@a.b/",
        "https://a.b/",
        "http:/a.b",
        "http://a.b#c",
        "http://a.b\\c",
    ] {
        assert_eq!(status_of(format!("GET {target} HTTP/1.1\r\nhost: a.b\r\n\r\n").as_bytes()), 400, "{target}");
    }
}

#[test]
fn hosts() {
    for host in ["a", "a.b:8080", "a:", "127.0.0.1", "[::1]", "[::1]:80", "a_b-c.d", "%41", "localhost:65535"] {
        head_of(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    }
    for host in [
        "",
        ":80",
        "a b",
        "a@b",
        "a/b",
        "a:b",
        "a:65536",
        "a:1:2",
        "[::1",
        "[::1]x",
        "[]",
        "[g::1]",
        "[::1%25e]",
        "::1",
        "a\\b",
        "%4",
        "a\u{e9}",
        "\"a\"",
        "a?b",
        "a:+1",
    ] {
        assert_eq!(status_of(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()), 400, "{host}");
    }
    assert_eq!(status_of(b"GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status_of(b"GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(status_of(b"GET / HTTP/1.0\r\nhost: a\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(status_of(b"GET http://a/ HTTP/1.1\r\n\r\n"), 400);
    head_of("GET / HTTP/1.0\r\n\r\n");
    head_of("GET http://a/ HTTP/1.0\r\n\r\n");
}

#[test]
fn versions() {
    for line in ["PRI * HTTP/2.0", "GET / HTTP/1.2", "GET / HTTP/0.9", "GET / HTTP/3.0", "GET / HTTP/9.9"] {
        assert_eq!(status_of(format!("{line}\r\nhost: a\r\n\r\n").as_bytes()), 505, "{line}");
    }
    for line in [
        "GET /",
        "GET / ",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/11.1",
        "GET / http/1.1",
        "GET / HTTPS/1.1",
        "GET / a HTTP/2.0",
        "GET / HTTP/1.1 ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "/ HTTP/1.1",
        "GET",
        "G:T / HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\0",
    ] {
        assert_eq!(status_of(format!("{line}\r\nhost: a\r\n\r\n").as_bytes()), 400, "{line:?}");
    }
}

#[test]
fn keep_alive_by_version_and_connection() {
    let keeps =
        |version: &str, fields: &str| head_of(&format!("GET / HTTP/{version}\r\nhost: a\r\n{fields}\r\n")).keep_alive;
    assert!(keeps("1.1", "") && keeps("1.1", "connection: x\r\n"));
    assert!(!keeps("1.1", "connection: Close\r\n"));
    assert!(!keeps("1.1", "connection: keep-alive\r\nConnection: x , close\r\n"));
    assert!(!keeps("1.0", "") && !keeps("1.0", "connection: keep-alive, close\r\n"));
    assert!(keeps("1.0", "connection: Keep-Alive\r\n"));
    let options = |count: usize| "a,".repeat(count);
    assert!(keeps("1.1", &format!("connection: {}\r\n", options(limits::CONNECTION_OPTIONS_MAX))));
    let one_more = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: {}\r\n\r\n", options(33));
    assert_eq!(status_of(one_more.as_bytes()), 400);
}

#[test]
fn expectations() {
    let expects = |version: &str, fields: &str| {
        head_of(&format!("POST / HTTP/{version}\r\nhost: a\r\n{fields}\r\n")).expect_continue
    };
    assert!(expects("1.1", "expect: 100-Continue\r\ncontent-length: 5\r\n"));
    assert!(expects("1.1", "expect: 100-continue\r\ntransfer-encoding: chunked\r\n"));
    assert!(!expects("1.1", "expect: 100-continue\r\ncontent-length: 0\r\n"));
    assert!(!expects("1.1", "expect: 100-continue\r\n"));
    assert!(!expects("1.0", "expect: 100-continue\r\ncontent-length: 5\r\n"));
    for value in ["", "200-ok", "100-continue, x", "100-continue;q=1"] {
        assert_eq!(
            status_of(format!("POST / HTTP/1.1\r\nhost: a\r\nexpect: {value}\r\n\r\n").as_bytes()),
            417,
            "{value}"
        );
    }
}

#[test]
fn field_lines_are_strict() {
    let lines: [&[u8]; 17] = [
        b"a : b",
        b" a: b",
        b"\ta: b",
        b": b",
        b"a b: c",
        b"a",
        b"a(: b",
        b"\xe9: b",
        b"a: b\0",
        b"a: b\rc",
        b"a: b\r",
        b"a: \x7f",
        b"a: b\r\n c",
        b"a: b\r\n\tc: d",
        b"a: \x0b",
        b"\0: b",
        b"a: b\r\n\r \r\n",
    ];
    for line in lines {
        let text = [b"GET / HTTP/1.1\r\nhost: a\r\n", line, b"\r\n\r\n"].concat();
        assert_eq!(status_of(&text), 400, "{}", line.escape_ascii());
    }
    let text = b"GET / HTTP/1.1\r\nhost: a\r\nx:\r\ny: \t \r\nz:\t\xe9 \"a\tb\" \t\r\n\r\n";
    let (head, fields) = ask(text);
    assert!(head.unwrap().is_some());
    let values: Vec<&[u8]> = fields.iter().map(|field| field.value.of(text)).collect();
    assert_eq!(values, [&b"a"[..], b"", b"", b"\xe9 \"a\tb\""]);
}

/// httparse looks at 8, 16 or 32 bytes at a time, so every byte is tried at every place of such a block.
#[test]
fn every_byte_at_every_place() {
    let long = [b'a'; 70];
    for (at, byte) in (0..long.len()).flat_map(|at| (0..=255_u8).map(move |byte| (at, byte))) {
        let mut part = long;
        part[at] = byte;
        let accepted = |before: &str, after: &str| {
            let text = [before.as_bytes(), &part, after.as_bytes()].concat();
            ask(&text).0.is_ok_and(|head| head.is_some())
        };
        let in_value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(accepted("GET / HTTP/1.1\r\nhost: a\r\nx: ", "\r\n\r\n"), in_value, "{byte:#x} at {at}");
        let in_target = byte.is_ascii_graphic() && byte != b'#';
        assert_eq!(accepted("GET /", " HTTP/1.1\r\nhost: a\r\n\r\n"), in_target, "{byte:#x} at {at}");
        let in_name = ascii::is_tchar(byte) || (byte == b':' && at > 0);
        assert_eq!(accepted("GET / HTTP/1.1\r\nhost: a\r\n", ": x\r\n\r\n"), in_name, "{byte:#x} at {at}");
    }
}

#[test]
fn a_bare_lf_is_refused_as_soon_as_it_is_seen() {
    for text in [
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r\nhost: a\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        "GET / HTTP/1.1\r\n\r\r\n\n",
    ] {
        assert_eq!(status_of(text.as_bytes()), 400, "{text:?}");
    }
    assert_eq!(status_of(b"\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"), 400);
}

#[test]
fn a_few_empty_lines_may_come_first() {
    for lines in 0..=2 {
        let text = format!("{}GET /x HTTP/1.1\r\nhost: a\r\n\r\nrest", "\r\n".repeat(lines));
        let head = head_of(&text);
        assert_eq!((&text[head.path.range()], &text[head.len..]), ("/x", "rest"));
    }
    assert_eq!(status_of(b"\r\n\r\n\r\n"), 400);
    assert_eq!(status_of(b"\r\r"), 400);
    assert_eq!(ask(b"\r\n\r\n\r").0, Ok(None));
    // A TLS hello is answered at its first byte.
    assert_eq!(status_of(b"\x16"), 400);
}

#[test]
fn bounds_at_the_limit_and_one_past() {
    let limits = HeadLimits { head_bytes: 100, fields: 3, target_bytes: 10 };
    let verdict = |text: &str| match ask_within(text.as_bytes(), &limits).0 {
        Ok(head) => head.map_or(0, |_| 200),
        Err(refusal) => refusal.status,
    };
    let sized = |len: usize| format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(len - 32));
    assert_eq!((sized(100).len(), verdict(&sized(100)), verdict(&sized(101))), (100, 200, 431));
    assert_eq!((verdict(&sized(120)[..99]), verdict(&sized(120)[..100])), (0, 431));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    assert_eq!((verdict(&fields(3)), verdict(&fields(4))), (200, 431));
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(len - 1));
    assert_eq!((verdict(&target(10)), verdict(&target(11)), verdict(&target(200))), (200, 414, 414));
    let wide = HeadLimits { fields: usize::MAX, ..LIMITS };
    assert_eq!(ask_within(fields(101).as_bytes(), &wide).0.unwrap_err().status, 431);
}

#[test]
fn the_search_goes_on_where_it_stopped() {
    let (mut fields, mut searched) = (Fields::new(), 0);
    let text = CLAUDE.as_bytes();
    assert_eq!(request(&text[..200], &mut searched, &mut fields, &LIMITS), Ok(None));
    assert_eq!(searched, 200);
    assert!(request(text, &mut searched, &mut fields, &LIMITS).unwrap().is_some());
    assert_eq!(searched, 0);
}

#[test]
fn a_few_empty_lines_before_a_request_are_passed_over() {
    let text = |lines: usize| format!("{}GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\r\n".repeat(lines));
    let most = text(limits::LEADING_LINES_MAX);
    assert_eq!(head_of(&most).len, most.len());
    assert_eq!(status_of(text(limits::LEADING_LINES_MAX + 1).as_bytes()), 400);
    // One more line end is too much, whatever would follow it.
    assert_eq!(status_of("\r\n".repeat(limits::LEADING_LINES_MAX + 1).as_bytes()), 400);
}

#[test]
fn every_split_of_a_request_gives_the_same() {
    let heads: [&[u8]; 9] = [
        CLAUDE.as_bytes(),
        b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a value that is longer than the bound of this test is\r\n\r\n",
        b"GET /a-target-that-is-longer-than-the-bound-of-this-test-is-and-then-goes-on-for-a-while HTTP/1.1\r\n\r\n",
    ];
    let tight = HeadLimits { head_bytes: 64, fields: 4, target_bytes: 40 };
    for (text, limits) in heads.iter().flat_map(|head| [(head, LIMITS), (head, tight)]) {
        let whole = ask_within(text, &limits);
        for cut in 0..text.len() {
            assert_eq!(in_pieces(text, &[cut], &limits), whole, "{} cut at {cut}", text.escape_ascii());
        }
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(in_pieces(text, &every, &limits), whole, "{}", text.escape_ascii());
    }
}

#[test]
fn responses() {
    let text = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: Chunked\r\n\r\n5\r\n";
    let head = answer(text, Asked::Other).unwrap().unwrap();
    assert_eq!((head.status, head.framing, head.keep_alive), (200, Framing::Chunked, true));
    assert_eq!((head.reason.of(text), &text[head.len..]), (&b"OK"[..], &b"5\r\n"[..]));
    let framing = |asked, text: &str| {
        let head = answer(text.as_bytes(), asked).unwrap().unwrap();
        (head.framing, head.keep_alive)
    };
    for status in ["100", "103", "204", "304"] {
        let text = format!("HTTP/1.1 {status} \r\ncontent-length: 5\r\n\r\n");
        assert_eq!(framing(Asked::Other, &text), (Framing::Empty, true), "{status}");
    }
    assert_eq!(framing(Asked::Head, "HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n"), (Framing::Empty, true));
    assert_eq!(framing(Asked::Other, "HTTP/1.1 200 \r\n\r\n"), (Framing::ToClose, false));
    assert_eq!(framing(Asked::Other, "HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n"), (Framing::Sized(0), true));
    assert_eq!(framing(Asked::Other, "HTTP/1.0 200 x\r\ncontent-length: 5\r\n\r\n"), (Framing::Sized(5), false));
    assert_eq!(
        framing(Asked::Other, "HTTP/1.0 200 x\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\n"),
        (Framing::Sized(5), true)
    );
    let latin = b"HTTP/1.1 200 \xe9\xe8\r\n\r\n";
    assert_eq!(answer(latin, Asked::Other).unwrap().unwrap().reason.of(latin), b"\xe9\xe8");
    let none = b"HTTP/1.1 200\r\n\r\n";
    assert!(answer(none, Asked::Other).unwrap().unwrap().reason.is_empty());
}

#[test]
fn broken_responses_are_refused() {
    for line in [
        "",
        "x",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1  200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 101 x",
        "HTTP/1.1 200 OK\r\na : b",
        "HTTP/1.1 200 OK\r\na: b\r\n c",
        "HTTP/1.1 200 OK\na: b",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked",
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 5",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
        "HTTP/1.1 304 x\r\ncontent-length: x",
    ] {
        let verdict = answer(format!("{line}\r\n\r\n").as_bytes(), Asked::Other);
        assert!(verdict.is_err(), "{line:?}: {verdict:?}");
    }
}

proptest! {
    /// Bytes near a head: no panic, the same verdict in any pieces, and a head that is accepted is what it says.
    #[test]
    fn any_bytes_get_one_verdict(
        text in "(GET|POST|get) (/|\\*|http://a|/a\\?b) HTTP/1\\.[01]\r\n(([Hh]ost|x|expect|content-length|connection)( ?):( ?)(a|5|5, 5|close)(\r\n|\n|\r)){0,4}\r\n.{0,3}",
        noise in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut text = text.into_bytes();
        if let Some((at, byte)) = noise {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        let (verdict, fields) = ask(&text);
        prop_assert_eq!(&in_pieces(&text, &cuts, &LIMITS), &(verdict, fields.clone()));
        if let Ok(Some(head)) = verdict {
            let head_text = &text[..head.len];
            prop_assert!(head_text.ends_with(b"\r\n\r\n"));
            prop_assert!(!head_text.contains(&0));
            prop_assert!((0..head.len).all(|at| text[at] != b'\n' || at > 0 && text[at - 1] == b'\r'));
            for field in fields.iter() {
                prop_assert!(ascii::is_token(field.name.of(&text)));
                prop_assert_eq!(ascii::trim(field.value.of(&text)), field.value.of(&text));
            }
        }
    }
}
