//! Clients: some drip, some read slowly, some leave, some ask again on the same connection; all remember what they got.

use std::cell::RefCell;
use std::rc::Rc;

use super::net::{Door, Socket};
use super::talk::{self, Message};
use super::world::World;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// An answer with status 200 in whole framing.
    Answer(String),
    /// An error of this status.
    Error(u16, String),
    /// The connection ended before the answer did.
    Broken(String),
    /// The client left by itself.
    Left,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) token: String,
    pub(super) streamed: bool,
    /// Whether what was sent is a request that can be served.
    pub(super) valid: bool,
    pub(super) got: Got,
}

/// What all clients got.
pub(super) type Diary = Rc<RefCell<Vec<Asked>>>;

/// Who a client is.
pub(super) struct Client {
    pub(super) number: usize,
    /// How many requests it makes.
    pub(super) requests: usize,
    /// The conversation that all of them belong to.
    pub(super) conversation: Option<String>,
}

/// One client, from its connection to its leaving.
pub(super) async fn run(world: Rc<World>, door: Door, client: Client, diary: Diary) {
    let Client { number, requests, conversation } = client;
    world.sleep(world.below(20_000) as u64).await;
    let socket = door.connect(&world);
    let mut buffer = Vec::new();
    let session = conversation.map_or(String::new(), |name| format!("x-session-id: {name}\r\n"));
    for nth in 0..requests {
        let token = format!("c{number}r{nth}");
        let streamed = world.once_in(2);
        let valid = !world.once_in(12);
        let leaves = world.once_in(10);
        let body = body(&world, &token, streamed, valid);
        let note = |got: Got| diary.borrow_mut().push(Asked { token: token.clone(), streamed, valid, got });
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n{session}",
            super::CLIENT_KEY
        );
        let request = match world.once_in(3) {
            true => format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            false => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        };
        if leaves && world.once_in(2) {
            let part = world.below(request.len());
            let _ = talk::send(&world, &socket, &request.as_bytes()[..part], world.once_in(2)).await;
            note(Got::Left);
            return;
        }
        let dripping = world.once_in(5);
        if talk::send(&world, &socket, request.as_bytes(), dripping).await.is_err() {
            note(Got::Broken("while it asked".to_owned()));
            return;
        }
        if leaves {
            world.sleep(world.below(4_000) as u64).await;
            note(Got::Left);
            return;
        }
        let answer = read(&world, &socket, &mut buffer).await;
        let Some(message) = answer else {
            note(Got::Broken(String::from_utf8_lossy(&buffer).into_owned()));
            return;
        };
        buffer.drain(..message.bytes);
        let closes = message.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let text = String::from_utf8(message.body.clone()).expect("answers are text");
        note(match message.status() {
            200 => Got::Answer(text),
            status => Got::Error(status, text),
        });
        if closes {
            return;
        }
        world.sleep(world.below(3_000) as u64).await;
    }
    assert!(buffer.is_empty(), "bytes behind the last answer: {:?}", String::from_utf8_lossy(&buffer));
}

async fn read(world: &World, socket: &Socket, buffer: &mut Vec<u8>) -> Option<Message> {
    let slow = world.once_in(4);
    loop {
        if let Some(message) = talk::message(buffer, false) {
            return Some(message);
        }
        if slow {
            world.sleep(world.below(500) as u64).await;
        }
        match talk::receive(socket, buffer).await {
            Ok(true) => {}
            Ok(false) => return talk::message(buffer, true),
            Err(_) => return None,
        }
    }
}

fn body(world: &World, token: &str, streamed: bool, valid: bool) -> String {
    let filler = "y".repeat(world.below(if world.once_in(6) { 90_000 } else { 300 }));
    let stream = if streamed { r#""stream":true,"# } else { "" };
    let end = if valid { "}" } else { ",}" };
    format!(r#"{{"model":"m",{stream}"messages":[{{"role":"user","content":"token={token} {filler}"}}]{end}"#)
}
