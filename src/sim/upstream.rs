//! Providers that go wrong in every way that one can, and tell afterwards what they did.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::net::{Door, Left, Reach, Socket};
use super::speech::Speech;
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
    /// When the answer had been sent, or the attempt to; never where nothing was.
    pub(super) ended_us: u64,
    /// Whether the asker was still there a moment after that.
    pub(super) was_heard: bool,
}

/// In so long an asker that reads an answer has read it, and one that has given up is gone.
const MOMENT_MS: u64 = 200;

/// A request that an upstream has and has not answered.
struct UnderWay {
    key: String,
    asker: Left,
    is_answered: Rc<Cell<bool>>,
}

/// What all upstreams did, by the token of the request.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) attempts: RefCell<HashMap<String, Vec<Attempt>>>,
    /// The conversations that clients name, by the number of the client.
    pub(super) conversations: RefCell<HashMap<String, String>>,
    under_way: RefCell<Vec<UnderWay>>,
    /// The most requests that were under way with one key at once.
    pub(super) most_at_once: Cell<usize>,
    /// When an upstream was not to be reached: its number and the time.
    pub(super) unreached: RefCell<Vec<(usize, u64)>>,
}

impl Ledger {
    /// A request with `key` has come from `asker`. What is given back says that it is answered, or as good as.
    fn begins(&self, key: &str, asker: Left) -> Rc<Cell<bool>> {
        let mut under_way = self.under_way.borrow_mut();
        under_way.retain(|one| !one.is_answered.get() && !one.asker.has_left());
        let is_answered = Rc::new(Cell::new(false));
        under_way.push(UnderWay { key: key.to_owned(), asker, is_answered: Rc::clone(&is_answered) });
        let same = under_way.iter().filter(|one| one.key == key).count();
        self.most_at_once.set(self.most_at_once.get().max(same));
        is_answered
    }
}

/// One provider.
pub(super) struct Upstream {
    pub(super) world: Rc<World>,
    pub(super) number: usize,
    pub(super) speech: Speech,
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
        let token = body.split("token=").nth(1).and_then(|rest| rest.split(' ').next());
        let token = token.expect("every request has a token").to_owned();
        let key = request.field(self.speech.key_field()).expect("every attempt has a key").to_owned();
        assert!(!request.head.contains(super::CLIENT_KEY), "a client's key went upstream");
        let (model, streamed) = self.speech.asked(&request.head, &json);
        assert_eq!(model, super::MODELS[self.number], "the model is the target's");
        let client = token.split('r').next().unwrap_or_default();
        let conversation = self.ledger.conversations.borrow().get(client).cloned();
        let deed = self.deed(&key);
        let is_answered = self.ledger.begins(&key, socket.left());
        let began_us = self.world.now_us();
        let attempt =
            Attempt { upstream: self.number, key, conversation, deed, began_us, ended_us: u64::MAX, was_heard: true };
        let place = {
            let mut attempts = self.ledger.attempts.borrow_mut();
            let own = attempts.entry(token.clone()).or_default();
            own.push(attempt);
            own.len() - 1
        };
        self.world.sleep(self.world.below(200) as u64).await;
        is_answered.set(!matches!(deed, Deed::Serve | Deed::Silent));
        let kept = self.act(socket, &token, streamed, deed, &is_answered).await;
        if let Some(own) = self.ledger.attempts.borrow_mut().get_mut(&token) {
            own[place].ended_us = self.world.now_us();
        }
        let (world, ledger, asker) = (Rc::clone(&self.world), Rc::clone(&self.ledger), socket.left());
        self.world.spawn(async move {
            world.sleep(MOMENT_MS).await;
            if let Some(own) = ledger.attempts.borrow_mut().get_mut(&token) {
                own[place].was_heard = !asker.has_left();
            }
        });
        kept
    }

    async fn act(
        &self,
        socket: &Socket,
        token: &str,
        streamed: bool,
        deed: Deed,
        is_answered: &Cell<bool>,
    ) -> io::Result<bool> {
        let (world, speech, dripping) = (&*self.world, self.speech, self.world.once_in(2));
        match deed {
            Deed::Serve => self.serve(socket, token, streamed, is_answered).await,
            Deed::Error(status, retry_after_s) => {
                let hint = if status == 429 { format!("retry-after: {retry_after_s}\r\n") } else { String::new() };
                let body = speech.error(status);
                let head = format!("HTTP/1.1 {status} No\r\n{hint}content-type: application/json\r\n");
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::ErrorFirst if streamed => {
                let body = speech.error_event();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                talk::send(world, socket, answer.as_bytes(), dripping).await.map(|()| true)
            }
            Deed::ErrorInOk | Deed::ErrorFirst => {
                let body = speech.error_in_ok();
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
                let said = match (late, streamed) {
                    (true, true) => self.events(token, 2),
                    (false, true) => String::new(),
                    (_, false) => speech.whole_begun().to_owned(),
                };
                let kind = if streamed { "text/event-stream" } else { "application/json" };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n");
                talk::send(world, socket, format!("{head}{said}").as_bytes(), dripping).await?;
                self.part(socket)
            }
            Deed::Unsaid => {
                let body = if streamed { self.events(token, 2) } else { speech.whole_begun().to_owned() };
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

    async fn serve(&self, socket: &Socket, token: &str, streamed: bool, is_answered: &Cell<bool>) -> io::Result<bool> {
        let (world, speech, dripping) = (&*self.world, self.speech, self.world.once_in(3));
        if !streamed {
            let body = speech.whole(&answer_to(token));
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
            let answer = match world.once_in(2) {
                true => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
                false => format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            };
            is_answered.set(true);
            talk::send(world, socket, answer.as_bytes(), dripping).await?;
        } else {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            talk::send(world, socket, head.as_bytes(), dripping).await?;
            let pieces = (0..pieces(token)).map(|piece| speech.piece(&format!("{token}-{piece} ")));
            for part in std::iter::once(speech.opening()).chain(pieces).filter(|part| !part.is_empty()) {
                talk::send(world, socket, chunk(&part).as_bytes(), dripping).await?;
                if world.once_in(3) {
                    world.sleep(world.below(3_000) as u64).await;
                }
            }
            is_answered.set(true);
            talk::send(world, socket, chunk(&speech.end()).as_bytes(), dripping).await?;
            talk::send(world, socket, b"0\r\n\r\n", false).await?;
        }
        // Some close what they have promised to keep: the next request meets a stale lane.
        Ok(!world.once_in(6))
    }

    /// The beginning of a stream that says so many pieces.
    fn events(&self, token: &str, count: usize) -> String {
        let pieces = (0..count).map(|piece| self.speech.piece(&format!("{token}-{piece} ")));
        std::iter::once(self.speech.opening()).chain(pieces).collect()
    }
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// How many pieces a whole answer to a token has, whoever gives it.
fn pieces(token: &str) -> u64 {
    1 + crate::base::hash::of(0, token.as_bytes()) % 12
}

/// What a whole answer to a token says.
pub(super) fn answer_to(token: &str) -> String {
    (0..pieces(token)).map(|piece| format!("{token}-{piece} ")).collect()
}
