//! Bytes to and from a [`Socket`] for those who stand outside of weir, and a reading of HTTP/1.1 of their own.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};

use super::net::Socket;
use super::world::World;
use crate::rt::Stream as _;

/// Sends all of `bytes`, in pieces if `dripping`.
pub(super) async fn send(world: &World, socket: &Socket, mut bytes: &[u8], dripping: bool) -> io::Result<()> {
    while !bytes.is_empty() {
        let piece = if dripping { 1 + world.below(bytes.len()) } else { bytes.len() };
        poll_fn(|cx| socket.poll_writable(cx)).await;
        match socket.try_write(&[IoSlice::new(&bytes[..piece])]) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if dripping {
            world.sleep(world.below(40) as u64).await;
        }
    }
    Ok(())
}

/// Reads more behind what `into` holds. False at the peer's end.
pub(super) async fn receive(socket: &Socket, into: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        poll_fn(|cx| socket.poll_readable(cx)).await;
        into.reserve(4_096);
        match socket.try_read(into) {
            Ok(read) => return Ok(read > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads on until `find` finds something; nothing where the connection ended before.
pub(super) async fn until<T>(
    socket: &Socket,
    buffer: &mut Vec<u8>,
    find: impl Fn(&[u8], bool) -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = find(buffer, false) {
            return Some(found);
        }
        match receive(socket, buffer).await {
            Ok(true) => {}
            Ok(false) => return find(buffer, true),
            Err(_) => return None,
        }
    }
}

/// A message: its first line and fields, its body without framing, and its bytes.
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) bytes: usize,
}

impl Message {
    /// A field's value, by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// The message at the front of `bytes`, once it is whole. One without a length goes to the `end` of the connection if
/// it is an answer.
pub(super) fn message(bytes: &[u8], end: bool) -> Option<Message> {
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("heads are ASCII");
    let mut message = Message { head, body: Vec::new(), bytes: 0 };
    let rest = &bytes[head_end + 4..];
    let (body, used) = if message.field("transfer-encoding").is_some() {
        dechunked(rest)?
    } else if let Some(length) = message.field("content-length") {
        let length: usize = length.parse().expect("a length is a number");
        (rest.get(..length)?.to_vec(), length)
    } else if message.head.starts_with("HTTP/") {
        (end.then(|| rest.to_vec())?, rest.len())
    } else {
        (Vec::new(), 0)
    };
    message.body = body;
    message.bytes = head_end + 4 + used;
    Some(message)
}

/// The payload of a chunked body and the bytes it took; nothing while it is not whole.
fn dechunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut payload, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?, 16).expect("a chunk has a size");
        at += line + 2;
        let data = bytes.get(at..at + size + 2)?;
        assert_eq!(&data[size..], b"\r\n", "a chunk ends where it said");
        payload.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Some((payload, at));
        }
    }
}
