//! Providers that go wrong in every way that one can, and tell afterwards what they did.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::net::{Door, Reach, Socket};
use super::storm::{Ill, Spell};
use super::talk::{self, Message};
use super::world::World;

/// What an upstream does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It answers.
    Serve,
    /// An error with this status; with 429, `retry-after` in seconds.
    Error(u16, u64),
    /// An error in the clothes of an answer.
    ErrorInOk,
    /// A stream whose first event is an error; else an error in an answer.
    ErrorFirst,
    /// A stream that ends before it says anything; else an empty body.
    Empty,
    /// The connection ends in the head.
    CutHead,
    /// It ends, or is reset, in the body: before the first event or behind it.
    CutBody {
        /// Whether anything has been said before.
        late: bool,
    },
    /// A stream that says things and then ends in form, without a reason and without an end mark.
    Unsaid,
    /// Nothing is ever said.
    Silent,
    /// What comes is no HTTP.
    Garbage,
}

impl Deed {
    /// Whether a client may have seen the beginning of an answer that then broke.
    pub(super) fn breaks_late(self) -> bool {
        matches!(self, Deed::CutBody { late: true } | Deed::Unsaid)
    }
}

/// One request as an upstream saw it.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) upstream: usize,
    pub(super) key: String,
    /// The conversation that its header names.
    pub(super) conversation: Option<String>,
    pub(super) deed: Deed,
    /// When its head and body were there.
    pub(super) began_us: u64,
    /// When the answer had been sent, or the attempt to.
    pub(super) ended_us: u64,
}

/// What all upstreams did, by the token of the request.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) attempts: RefCell<HashMap<String, Vec<Attempt>>>,
    /// Pieces of text that an answer to a token has when it is whole.
    pub(super) pieces: RefCell<HashMap<String, usize>>,
    /// When an upstream was not to be reached: its number and the time.
    pub(super) unreached: RefCell<Vec<(usize, u64)>>,
}

/// One provider.
pub(super) struct Upstream {
    pub(super) world: Rc<World>,
    pub(super) number: usize,
    /// Once in so many requests it does wrong; 0 for never.
    pub(super) wrong_once_in: Cell<usize>,
    /// What it does wrong by the clock.
    pub(super) spells: Vec<Spell>,
    pub(super) ledger: Rc<Ledger>,
}

impl Upstream {
    /// How a connection to it goes.
    pub(super) fn reach(&self) -> Reach {
        let world = &self.world;
        let now_us = world.now_us();
        if self.spells.iter().any(|spell| spell.is_on(now_us) && spell.ill == Ill::Unreachable) {
            self.ledger.unreached.borrow_mut().push((self.number, now_us));
            return Reach::Refused(world.below(30) as u64);
        }
        match self.wrong_once_in.get() {
            0 => Reach::After(world.below(30) as u64),
            once if !world.once_in(2 * once) => Reach::After(world.below(30) as u64),
            _ if world.once_in(3) => Reach::Never,
            _ => Reach::Refused(world.below(30) as u64),
        }
    }

    /// Serves whoever comes. Never ends.
    pub(super) async fn run(self: Rc<Self>, door: Door) {
        while let Ok(socket) = door.next().await {
            let upstream = Rc::clone(&self);
            self.world.spawn(async move {
                let _ = upstream.lane(&socket).await;
            });
        }
    }

    async fn lane(&self, socket: &Socket) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = talk::until(socket, &mut buffer, |bytes, _| talk::message(bytes, false)).await {
            buffer.drain(..request.bytes);
            if !self.exchange(socket, &request).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn deed(&self, key: &str) -> Deed {
        let world = &self.world;
        let mut spells = self.spells.iter().filter(|spell| spell.is_on(world.now_us()) && spell.befalls(key));
        if let Some(deed) = spells.find_map(|spell| spell.deed()) {
            return deed;
        }
        match self.wrong_once_in.get() {
            0 => return Deed::Serve,
            once if !world.once_in(once) => return Deed::Serve,
            _ => {}
        }
        match world.below(16) {
            0..=2 => Deed::Error(429, 1 + world.below(90) as u64),
            3 => Deed::Error(500, 0),
            4 => Deed::Error(503, 0),
            5 => Deed::Error(401, 0),
            6 => Deed::Error(400, 0),
            7 => Deed::ErrorInOk,
            8 => Deed::ErrorFirst,
            9 => Deed::Empty,
            10 => Deed::CutHead,
            11 => Deed::CutBody { late: false },
            12 => Deed::CutBody { late: true },
            13 => Deed::Unsaid,
            14 => Deed::Silent,
            _ => Deed::Garbage,
        }
    }

    /// One request and what becomes of it. False where the connection is over.
    async fn exchange(&self, socket: &Socket, request: &Message) -> io::Result<bool> {
        let body = String::from_utf8(request.body.clone()).expect("bodies are text");
        let json: serde_json::Value = serde_json::from_str(&body).expect("a whole body comes, or none");
        let token = json["user"].as_str().expect("every request has a token").to_owned();
        let key = request.field("authorization").expect("every attempt has a key").to_owned();
        assert!(!request.head.contains(super::CLIENT_KEY), "a client's key went upstream");
        assert_eq!(json["model"], super::MODELS[self.number], "the model is the target's");
        let streamed = json["stream"] == serde_json::json!(true);
        let conversation = request.field("x-session-id").map(str::to_owned);
        let deed = self.deed(&key);
        let began_us = self.world.now_us();
        self.world.sleep(self.world.below(200) as u64).await;
        let kept = self.act(socket, &token, streamed, deed).await;
        let ended_us = self.world.now_us();
        let attempt = Attempt { upstream: self.number, key, conversation, deed, began_us, ended_us };
        self.ledger.attempts.borrow_mut().entry(token).or_default().push(attempt);
        kept
    }

    async fn act(&self, socket: &Socket, token: &str, streamed: bool, deed: Deed) -> io::Result<bool> {
        let (world, dripping) = (&*self.world, self.world.once_in(2));
        match deed {
            Deed::Serve => self.serve(socket, token, streamed).await,
            Deed::Error(status, retry_after_s) => {
                let hint = if status == 429 { format!("retry-after: {retry_after_s}\r\n") } else { String::new() };
                let body = format!(r#"{{"error":{{"message":"no {status}","type":"x","code":"x"}}}}"#);
                let head = format!("HTTP/1.1 {status} No\r\n{hint}content-type: application/json\r\n");
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::ErrorFirst if streamed => {
                let body = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::ErrorInOk | Deed::ErrorFirst => {
                let body = r#"{"error":{"message":"overloaded"}}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::Empty => {
                let kind = if streamed { "text/event-stream" } else { "application/json" };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 0\r\n\r\n");
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::CutHead => {
                talk::send(world, socket, b"HTTP/1.1 200 OK\r\ncontent-ty", dripping).await?;
                self.part(socket)
            }
            Deed::CutBody { late } => {
                let events = if late && streamed { events(token, 2) } else { String::new() };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n";
                let head =
                    if streamed { head } else { "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{\"choices\":[" };
                talk::send(world, socket, format!("{head}{events}").as_bytes(), dripping).await?;
                self.part(socket)
            }
            Deed::Unsaid => {
                let body = if streamed { events(token, 2) } else { r#"{"choices":["#.to_owned() };
                let kind = if streamed { "text/event-stream" } else { "application/json" };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n");
                let answer = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len());
                // A stream ends in form; another answer is cut in its chunks.
                let end = if streamed { "0\r\n\r\n" } else { "" };
                talk::send(world, socket, format!("{answer}{end}").as_bytes(), dripping).await?;
                self.part(socket)
            }
            Deed::Silent => {
                world.sleep(10_000_000).await;
                Ok(false)
            }
            Deed::Garbage => {
                talk::send(world, socket, b"\x16\x03\x01 not http at all\r\n\r\n\r\n", dripping).await?;
                self.part(socket)
            }
        }
    }

    /// Ends the connection, mostly by closing it.
    fn part(&self, socket: &Socket) -> io::Result<bool> {
        if self.world.once_in(3) {
            socket.reset();
        }
        Ok(false)
    }

    async fn serve(&self, socket: &Socket, token: &str, streamed: bool) -> io::Result<bool> {
        let (world, dripping) = (&*self.world, self.world.once_in(3));
        let pieces = 1 + world.below(12);
        self.ledger.pieces.borrow_mut().insert(token.to_owned(), pieces);
        let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#;
        if !streamed {
            let text: String = (0..pieces).map(|piece| format!("{token}-{piece} ")).collect();
            let body = format!(
                r#"{{"id":"x","object":"chat.completion","model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],{usage}}}"#
            );
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
            let answer = match world.once_in(2) {
                true => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
                false => format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            };
            talk::send(world, socket, answer.as_bytes(), dripping).await?;
        } else {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            talk::send(world, socket, head.as_bytes(), dripping).await?;
            let role =
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n";
            let end = format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: {{\"choices\":[],{usage}}}\n\ndata: [DONE]\n\n"
            );
            let parts = (0..pieces).map(|piece| event(token, piece));
            for part in std::iter::once(role.to_owned()).chain(parts).chain([end]) {
                let chunk = format!("{:x}\r\n{part}\r\n", part.len());
                talk::send(world, socket, chunk.as_bytes(), dripping).await?;
                if world.once_in(3) {
                    world.sleep(world.below(3_000) as u64).await;
                }
            }
            talk::send(world, socket, b"0\r\n\r\n", false).await?;
        }
        // Some close what they have promised to keep: the next request meets a stale lane.
        Ok(!world.once_in(6))
    }
}

fn event(token: &str, piece: usize) -> String {
    format!(
        "data: {{\"id\":\"x\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{token}-{piece} \"}},\"finish_reason\":null}}]}}\n\n"
    )
}

fn events(token: &str, count: usize) -> String {
    (0..count).map(|piece| event(token, piece)).collect()
}
