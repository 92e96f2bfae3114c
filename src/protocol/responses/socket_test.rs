use super::*;

const HEAD: &str = "POST /v1/responses HTTP/1.1\r\nhost: h\r\n";

fn socket() -> Socket {
    Socket::new(Greeting { head: HEAD.into(), id: "x".into(), unix_s: 7, message_bytes_max: 1_000 })
}

/// A message as a client sends it, masked by nothing.
fn message(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ws::text(&[text.as_bytes()], &mut out);
    out[1] |= 0x80;
    let head = out.len() - text.len();
    out.splice(head..head, [0; 4]);
    out
}

/// The requests for the session.
fn requests(socket: &mut Socket) -> String {
    let mut all = Vec::new();
    while socket.has_request() {
        socket.request(7, &mut all);
    }
    String::from_utf8(all).unwrap()
}

/// The frames for the client: texts, and what else by its number.
fn frames(socket: &mut Socket) -> Vec<String> {
    let (bytes, mut told) = (socket.frames().to_vec(), Vec::new());
    socket.sent(bytes.len());
    let mut rest = &bytes[..];
    while let [first, length, more @ ..] = rest {
        let (bytes, more) = match length {
            126 => (usize::from(u16::from_be_bytes([more[0], more[1]])), &more[2..]),
            length => (usize::from(*length), more),
        };
        told.push(match first & 0x0f {
            1 => String::from_utf8(more[..bytes].to_vec()).unwrap(),
            8 => format!("close {}", u16::from_be_bytes([more[0], more[1]])),
            other => format!("{other:x}"),
        });
        rest = &more[bytes..];
    }
    told
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE: &str = r#"{"type":"response.completed","response":{"id":"resp_1","output":[{"id":"msg_1"}]}}"#;

#[test]
fn a_message_is_a_request_and_an_event_a_message_however_they_are_cut() {
    let create = message(r#"{"type":"response.create","model":"m","stream_id":"s","input":[1]}"#);
    let answer = EVENTS.to_owned()
        + &chunk(": ping\n\nevent: response.created\ndata: {\"type\":\"response.created\"}\n\n")
        + &chunk(&format!("data: {DONE}\n\ndata: [DONE]\n\n"))
        + "0\r\n\r\n";
    for piece in [1, 5, 1_000] {
        let mut socket = socket();
        create.chunks(piece).for_each(|bytes| socket.push(bytes));
        let body = r#"{"stream":true,"model":"m","input":[1]}"#;
        assert_eq!(requests(&mut socket), format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len()));
        answer.as_bytes().chunks(piece).for_each(|bytes| socket.answer(bytes));
        let done = DONE.replacen('{', r#"{"stream_id":"s","#, 1);
        assert_eq!(frames(&mut socket), ["9", r#"{"stream_id":"s","type":"response.created"}"#, done.as_str()]);
        // What was said and answered is known to the next.
        socket.push(&message(r#"{"type":"response.create","previous_response_id":"resp_1","input":[2]}"#));
        assert!(requests(&mut socket).ends_with(r#""input":[1,{"id":"msg_1"},2]}"#));
    }
}

#[test]
fn one_answer_is_under_way_and_the_rest_waits_in_order() {
    let mut socket = socket();
    for n in 0..3 {
        socket.push(&message(&format!(r#"{{"type":"response.create","input":[{n}]}}"#)));
    }
    for n in 0..3 {
        assert!(requests(&mut socket).ends_with(&format!(r#""input":[{n}]}}"#)), "{n}");
        assert!(!socket.has_request());
        socket.answer(format!("{EVENTS}{}0\r\n\r\n", chunk("data: {\"type\":\"response.failed\"}\n\n")).as_bytes());
        assert_eq!(frames(&mut socket), [r#"{"type":"response.failed"}"#]);
    }
    for _ in 0..=limits::SOCKET_WAITING_MAX {
        socket.push(&message(r#"{"type":"response.create"}"#));
    }
    assert!(!socket.is_ended(), "one is under way and so many wait");
    socket.push(&message(r#"{"type":"response.create"}"#));
    assert_eq!((socket.is_ended(), frames(&mut socket)), (true, vec!["close 1008".to_owned()]));
}

#[test]
fn items_that_were_told_are_the_output_where_the_end_does_not_repeat_them() {
    let mut socket = socket();
    socket.push(&message(r#"{"type":"response.create","input":[]}"#));
    requests(&mut socket);
    let events = "data: {\"type\":\"response.output_item.done\",\"item\":{\"id\":\"a\"}}\n\n\
        data: {\"type\":\"response.output_item.done\",\"item\":{\"id\":\"b\"}}\n\n\
        data: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\n";
    socket.answer(format!("{EVENTS}{}0\r\n\r\n", chunk(events)).as_bytes());
    socket.push(&message(r#"{"type":"response.create","previous_response_id":"r","input":"hi"}"#));
    assert!(requests(&mut socket).ends_with(r#""input":[{"id":"a"},{"id":"b"},{"role":"user","content":"hi"}]}"#));
}

#[test]
fn an_error_and_a_whole_answer_are_events() {
    let whole = |status: &str, body: &str| {
        let mut socket = socket();
        socket.push(&message(r#"{"type":"response.create"}"#));
        requests(&mut socket);
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.answer(format!("{head}{body}").as_bytes());
        socket.push(&message(r#"{"type":"response.create","input":[9]}"#));
        assert!(requests(&mut socket).ends_with("[9]}"), "the connection goes on");
        frames(&mut socket).pop().unwrap()
    };
    assert_eq!(
        whole("429 Too Many Requests", r#"{"error":{"message":"m"}}"#),
        r#"{"type":"error","status":429,"error":{"message":"m"}}"#
    );
    assert!(whole("502 Bad Gateway", "<html>").contains(r#""status":502,"error":{"type":"server_error""#));
    assert_eq!(
        whole("200 OK", r#"{"id":"r","status":"incomplete"}"#),
        r#"{"type":"response.incomplete","sequence_number":0,"response":{"id":"r","status":"incomplete"}}"#
    );
    let mut socket = socket();
    socket.push(&message("{"));
    assert!(
        frames(&mut socket)[0].starts_with(r#"{"type":"error","status":400,"error":{"type":"invalid_request_error""#)
    );
}

#[test]
fn who_only_warms_up_is_answered_here_and_gone_on_from() {
    let mut socket = socket();
    socket.push(&message(r#"{"type":"response.create","generate":false,"model":"m","input":[1]}"#));
    let told = frames(&mut socket);
    assert!(told.len() == 2 && !socket.has_request());
    assert!(told[0].contains(r#""type":"response.created","sequence_number":0"#), "{}", told[0]);
    assert!(told[1].contains(r#""response":{"id":"resp_x_1","object":"response","created_at":7"#), "{}", told[1]);
    socket.push(&message(r#"{"type":"response.create","previous_response_id":"resp_x_1","input":[2]}"#));
    assert!(requests(&mut socket).ends_with(r#""input":[1,2]}"#));
}

#[test]
fn each_end_has_its_code() {
    let mut unmasked = message("{}");
    unmasked[1] &= 0x7f;
    let mut socket = self::socket();
    socket.push(&unmasked);
    assert_eq!((socket.is_ended(), frames(&mut socket)), (true, vec!["close 1002".to_owned()]));
    let mut socket = self::socket();
    socket.push(&[0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!((socket.is_ended(), frames(&mut socket)), (true, vec!["close 1000".to_owned()]));
    let mut socket = self::socket();
    socket.finish();
    assert_eq!(frames(&mut socket), ["close 1001"]);
    // An answer that broke off must not look whole.
    let mut socket = self::socket();
    socket.push(&message(r#"{"type":"response.create"}"#));
    socket.answer(EVENTS.as_bytes());
    socket.finish();
    assert_eq!(frames(&mut socket), ["close 1011"]);
    let mut socket = self::socket();
    socket.push(&message(r#"{"type":"response.create"}"#));
    socket.answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnone\r\n");
    assert_eq!(frames(&mut socket), ["close 1011"]);
}

#[test]
fn a_message_is_refused_where_its_length_is_told() {
    for (bytes, refused) in [(limits::SOCKET_MESSAGE_BYTES_MAX, false), (limits::SOCKET_MESSAGE_BYTES_MAX + 1, true)] {
        let mut socket = Socket::new(Greeting { message_bytes_max: usize::MAX, ..Greeting::default() });
        socket.push(&[&[0x81, 0x80 | 127][..], &(bytes as u64).to_be_bytes(), &[0; 4]].concat());
        assert_eq!(socket.is_ended(), refused);
        assert_eq!(frames(&mut socket), if refused { vec!["close 1009".to_owned()] } else { vec![] });
    }
}
