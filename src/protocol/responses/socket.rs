//! Responses over a WebSocket, told to the relay as the HTTP that it serves anyway.
//!
//! A message becomes a `POST` with `stream: true`, written into the bytes that the session reads; what the session writes
//! back is read as the HTTP answer that it is, and each event of it becomes a frame. So an exchange over a WebSocket is
//! an exchange like any other, with its key, its bounds, its record; one at a time, for the next message waits until
//! the answer before it is over. A comment, by which the relay keeps a stream alive, becomes a ping; an answer that
//! is no stream becomes an event `error`, or one that tells the whole answer.
//!
//! Bytes in, bytes out; `rt` has the connection.

use std::collections::VecDeque;

use super::object::{self, Object};
use super::thread::{self, Asked, Thread};
use crate::base::span::Span;
use crate::http::body::{Decoder, State};
use crate::http::field::{Fields, Name};
use crate::http::head::{self, HeadLimits};
use crate::http::write;
use crate::json::{Escaped, Raw, text};
use crate::limits;
use crate::protocol::ir::{BadRequest, Opening};
use crate::protocol::sniff::Usage;
use crate::sse::{FrameKind, Framing, Splitter};
use crate::ws::{self, Code, Heard};

/// What a handshake tells of every request that follows it.
#[derive(Debug, Default)]
pub struct Greeting {
    /// The request line and the fields of each request, without those of its body.
    pub head: Vec<u8>,
    /// An id that is free for use on this connection.
    pub id: String,
    /// Seconds since 1970.
    pub unix_s: u64,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

/// One connection.
#[derive(Debug)]
pub struct Socket {
    greeting: Greeting,
    reader: ws::Reader,
    /// Messages that wait for the answer before them.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Requests for the session, and how much of them it has read.
    requests: Vec<u8>,
    read: usize,
    /// Frames for the client, and how much of them is sent.
    frames: Vec<u8>,
    sent: usize,
    thread: Thread,
    /// The request under way.
    asked: Option<Asked>,
    answer: Answer,
    /// Elements of the output that have been told.
    output: Vec<u8>,
    /// Answers that were made here.
    made: u32,
    scratch: Vec<u8>,
    ended: bool,
}

/// How far an answer has been read.
#[derive(Debug)]
enum Answer {
    /// Its head, as far as it has come.
    Head(Vec<u8>),
    Events(Decoder, Box<Splitter>),
    Whole {
        decoder: Decoder,
        status: u16,
        body: Vec<u8>,
    },
}

impl Socket {
    /// A connection whose handshake is done.
    pub fn new(mut greeting: Greeting) -> Socket {
        greeting.message_bytes_max = greeting.message_bytes_max.min(limits::SOCKET_MESSAGE_BYTES_MAX);
        Socket {
            reader: ws::Reader::new(greeting.message_bytes_max),
            greeting,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            requests: Vec::new(),
            read: 0,
            frames: Vec::new(),
            sent: 0,
            thread: Thread::default(),
            asked: None,
            answer: Answer::Head(Vec::new()),
            output: Vec::new(),
            made: 0,
            scratch: Vec::new(),
            ended: false,
        }
    }

    /// Takes bytes of the client's.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        let Socket { reader, waiting, waiting_bytes, frames, ended, greeting, .. } = self;
        let mut over = false;
        let told = reader.push(bytes, &mut |heard| match heard {
            Heard::Text(message) => {
                *waiting_bytes += message.len();
                over |= *waiting_bytes > greeting.message_bytes_max.saturating_mul(2);
                waiting.push_back(message.as_bytes().to_vec());
                over |= waiting.len() > limits::SOCKET_WAITING_MAX;
            }
            Heard::Ping(payload) => ws::pong(payload, frames),
            Heard::Close => {
                ws::close(Code::Normal, frames);
                *ended = true;
            }
        });
        match told {
            Err(code) => self.end(code),
            Ok(()) if over => self.end(Code::Policy),
            Ok(()) => self.next(),
        }
    }

    /// Bytes of messages that are held: one under way, those that wait, and the request that is read.
    pub fn held(&self) -> usize {
        self.reader.held() + self.waiting_bytes + self.requests.capacity()
    }

    /// Whether the session has something to read.
    pub fn has_request(&self) -> bool {
        self.read < self.requests.len()
    }

    /// Appends at most `room` bytes of requests to `into`; how many.
    pub fn request(&mut self, room: usize, into: &mut Vec<u8>) -> usize {
        let taken = room.min(self.requests.len() - self.read);
        into.extend_from_slice(&self.requests[self.read..self.read + taken]);
        self.read += taken;
        if self.read == self.requests.len() {
            (self.requests, self.read) = (Vec::new(), 0);
        }
        taken
    }

    /// Frames for the client.
    pub fn frames(&self) -> &[u8] {
        &self.frames[self.sent..]
    }

    /// So many bytes of them are sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.frames.len() {
            self.sent = 0;
            self.frames.clear();
            if self.frames.capacity() > limits::SLAB_BYTES {
                self.frames = Vec::new();
            }
        }
    }

    /// Whether either side has ended the connection.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The connection ends from here.
    pub fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            ws::close(code, &mut self.frames);
        }
    }

    /// The session ends: in good order unless an answer was under way.
    pub fn finish(&mut self) {
        self.end(if self.asked.is_some() { Code::Broken } else { Code::Away });
    }

    /// The next message becomes a request, unless one is under way.
    fn next(&mut self) {
        while self.asked.is_none() && !self.ended {
            let Some(message) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= message.len();
            match self.thread.read(&message) {
                Ok(asked) if asked.generate => self.ask(asked),
                Ok(asked) => self.warm(asked),
                Err(bad) => self.refuse(&bad),
            }
        }
    }

    fn ask(&mut self, mut asked: Asked) {
        self.requests.extend_from_slice(&self.greeting.head);
        write::field_number("content-length", asked.body.len() as u64, &mut self.requests);
        self.requests.extend_from_slice(write::CRLF);
        self.requests.append(&mut asked.body);
        asked.body = Vec::new();
        self.output.clear();
        self.answer = Answer::Head(Vec::new());
        self.asked = Some(asked);
    }

    /// A message that only says what is to come is answered here, and gone on from like any answer.
    fn warm(&mut self, asked: Asked) {
        self.made += 1;
        let opening = Opening {
            id: format!("{}_{}", self.greeting.id, self.made),
            created_unix_s: self.greeting.unix_s,
            ..Opening::default()
        };
        let echo = object::echo(b"");
        for (at, (event, status)) in
            [("response.created", "in_progress"), ("response.completed", "completed")].into_iter().enumerate()
        {
            let mut told = format!("{{\"type\":\"{event}\",\"sequence_number\":{at},\"response\":").into_bytes();
            let usage = Usage { input: Some(0), output: Some(0), ..Usage::default() };
            let object = Object {
                opening: &opening,
                model: &asked.model,
                echo: &echo,
                status,
                error: None,
                incomplete: None,
                usage: (status == "completed").then_some(&usage),
            };
            object.write(|_| {}, &mut told);
            told.push(b'}');
            tell(&told, asked.stream_id.as_deref(), &mut self.frames);
        }
        self.thread.answered(format!("resp_{}", opening.id).as_bytes(), asked.items, b"");
    }

    fn refuse(&mut self, bad: &BadRequest) {
        let (mut object, mut event) = (Vec::new(), Vec::new());
        thread::refusal(bad, &mut object);
        thread::error(400, &object, &mut event);
        tell(&event, None, &mut self.frames);
    }

    /// Takes bytes of the session's answer.
    pub fn answer(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.ended {
            let mut scratch = std::mem::take(&mut self.scratch);
            let is_over = match &mut self.answer {
                Answer::Head(head) => {
                    head.extend_from_slice(bytes);
                    bytes = &[];
                    match begun(head) {
                        Ok(None) => None,
                        Ok(Some((answer, rest))) => {
                            scratch.clear();
                            scratch.extend_from_slice(&head[rest..]);
                            self.answer = answer;
                            Some(self.payload(&mut scratch))
                        }
                        Err(()) => Some(Err(())),
                    }
                }
                _ => {
                    scratch.clear();
                    scratch.extend_from_slice(bytes);
                    bytes = &[];
                    Some(self.payload(&mut scratch))
                }
            };
            self.scratch = scratch;
            match is_over {
                Some(Ok(true)) => {
                    self.answered();
                    self.next();
                }
                Some(Err(())) => self.end(Code::Broken),
                Some(Ok(false)) | None => {}
            }
        }
    }

    /// Reads a piece of the answer's body; whether that was its end.
    fn payload(&mut self, bytes: &mut [u8]) -> Result<bool, ()> {
        let Socket { answer, asked, frames, output, thread, .. } = self;
        let (Answer::Events(decoder, _) | Answer::Whole { decoder, .. }) = answer else { return Ok(false) };
        let piece = decoder.decode(bytes).map_err(|_| ())?;
        let data = &bytes[piece.data];
        match answer {
            Answer::Events(_, splitter) => {
                let mut hear = |frame: crate::sse::Frame<'_>| match frame.kind {
                    FrameKind::Data => event(frame.data, asked, output, thread, frames),
                    FrameKind::Comment if frame.raw.trim_ascii().is_empty() => {}
                    FrameKind::Comment => ws::ping(frames),
                };
                splitter.push(data, &mut hear).map_err(|_| ())?;
                if piece.state == State::End {
                    splitter.finish(hear);
                }
            }
            Answer::Whole { body, .. } => {
                body.extend_from_slice(data);
                if body.len() > limits::ANSWER_BYTES_MAX {
                    return Err(());
                }
            }
            Answer::Head(_) => {}
        }
        Ok(piece.state == State::End)
    }

    /// The answer is over: the next request may come.
    fn answered(&mut self) {
        let answer = std::mem::replace(&mut self.answer, Answer::Head(Vec::new()));
        if let Answer::Whole { status, body, .. } = answer {
            let told = whole(status, &body);
            event(&told, &mut self.asked, &mut self.output, &mut self.thread, &mut self.frames);
        }
        self.asked = None;
        self.output = Vec::new();
    }
}

/// Reads the head of an answer: what its body is, and where that begins.
fn begun(head: &[u8]) -> Result<Option<(Answer, usize)>, ()> {
    let mut fields = Fields::new();
    // What weir writes itself is read like anything else.
    let read = head::response(head, &mut 0, &mut fields, head::Asked::Other, &HeadLimits::default()).map_err(|_| ())?;
    let Some(read) = read else { return Ok(None) };
    let decoder = Decoder::new(read.framing);
    let kind = fields.value(head, Name::ContentType).unwrap_or_default();
    let is_stream = read.status == 200 && kind.starts_with(b"text/event-stream");
    let answer = match is_stream {
        true => Answer::Events(decoder, Box::new(Splitter::new(Framing::Sse, limits::FRAME_BYTES_MAX))),
        false => Answer::Whole { decoder, status: read.status, body: Vec::new() },
    };
    Ok(Some((answer, read.len)))
}

/// An event that tells a whole answer.
fn whole(status: u16, body: &[u8]) -> Vec<u8> {
    let raw = Raw::parse(body.trim_ascii()).ok().filter(|raw| raw.is_object());
    let mut told = Vec::with_capacity(body.len() + 64);
    match raw {
        Some(answer) if status < 300 => {
            let state = answer.find("status").and_then(Raw::as_str);
            let kind = ["incomplete", "failed"].into_iter().find(|kind| state.is_some_and(|it| it.eq_str(kind)));
            told.extend_from_slice(b"{\"type\":\"response.");
            told.extend_from_slice(kind.unwrap_or("completed").as_bytes());
            told.extend_from_slice(b"\",\"sequence_number\":0,\"response\":");
            told.extend_from_slice(answer.bytes());
            told.push(b'}');
        }
        Some(answer) if answer.find("error").is_some_and(Raw::is_object) => {
            thread::error(status, answer.find("error").map_or(&b"{}"[..], Raw::bytes), &mut told);
        }
        _ => {
            let mut object = b"{\"type\":\"server_error\",\"code\":null,\"param\":null,\"message\":".to_vec();
            text::quote(&String::from_utf8_lossy(body), &mut object);
            object.push(b'}');
            thread::error(status, &object, &mut told);
        }
    }
    told
}

/// An event of the answer, on its way to the client.
fn event(data: &[u8], asked: &mut Option<Asked>, output: &mut Vec<u8>, thread: &mut Thread, frames: &mut Vec<u8>) {
    if data == b"[DONE]" {
        return;
    }
    let stream_id = asked.as_ref().and_then(|asked| asked.stream_id.as_deref());
    tell(data, stream_id, frames);
    // Nearly all events are deltas, and not looked into.
    let holds = |what: &[u8]| memchr::memmem::find(data, what).is_some();
    if !holds(b"output_item.done") && !holds(b"response.completed") && !holds(b"response.incomplete") {
        return;
    }
    let Ok(raw) = Raw::parse(data) else { return };
    let kind = raw.find("type").and_then(Raw::as_str).unwrap_or(Escaped::EMPTY);
    if kind.eq_str("response.output_item.done") {
        if let Some(item) = raw.find("item") {
            thread::join(item.bytes(), output);
        }
    } else if (kind.eq_str("response.completed") || kind.eq_str("response.incomplete"))
        && let Some(response) = raw.find("response")
        && let Some(id) = response.find("id").and_then(Raw::as_str)
    {
        let told = response.find("output").filter(|list| list.is_array()).map_or(&b""[..], |list| {
            let inside = Span::new(1, list.bytes().len() - 1);
            inside.of(list.bytes()).trim_ascii()
        });
        let output = if output.is_empty() { told } else { output.as_slice() };
        thread.answered(id.bytes(), asked.as_mut().and_then(|asked| asked.items.take()), output);
    }
}

/// Appends `event`, a JSON object, as a message.
fn tell(event: &[u8], stream_id: Option<&[u8]>, frames: &mut Vec<u8>) {
    match (stream_id, event.strip_prefix(b"{")) {
        (Some(id), Some(rest)) => ws::text(&[b"{\"stream_id\":\"", id, b"\",", rest], frames),
        _ => ws::text(&[event], frames),
    }
}

#[cfg(test)]
#[path = "socket_test.rs"]
mod tests;
