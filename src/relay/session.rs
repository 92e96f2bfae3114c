//! One client connection: requests one after another until either side has had enough.
//!
//! Between requests the session owns no buffer. A head has `head_ms` from its first byte to be whole, however
//! it drips; a connection that says nothing has `keep_alive_ms`, or `head_ms` before its first request.

use std::rc::Rc;

use super::core::{Core, Scratch};
use super::greet::{Greeted, greet};
use super::wait::Client;
use super::{exchange, reply};
use crate::http::head::{self, HeadLimits, Method, Refusal, RequestHead};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;
use crate::protocol::path::{self, Found};
use crate::rt::{Net, Peer, Stream, Wire, sys};

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The connection can carry another request.
    Next,
    /// The last answer is written; the client reads it, then the connection ends.
    Linger,
    /// The connection ends here and now.
    Cut,
}

/// Why no request head came.
enum NoHead {
    /// The client ended the connection, or was idle for too long.
    End,
    /// It began a head and did not end it in time.
    Slow,
    /// What it sent is no head.
    Refused(Refusal),
}

/// Serves `stream` to its end. `crowd` is how many connections weir has, this one included.
pub(super) async fn serve<N: Net>(core: &Rc<Core<N>>, stream: Wire<N::Stream>, peer: Peer, crowd: usize) {
    let stream = match greet(core, stream, peer).await {
        Some(Greeted::Ready(stream)) => stream,
        Some(Greeted::Clear(stream)) => return refuse_clear(Client::new(core, stream, peer)).await,
        None => return,
    };
    let mut client = Client::new(core, stream, peer);
    if crowd > core.view().snapshot.limits.connections {
        let note = reply::Note {
            retry_after_s: Some(1),
            ..reply::Note::closing(Dialect::Chat, core.next_id(core.net.unix_ms()))
        };
        let _ = reply::fault(&mut client, &note, Fault::Unavailable, "too many connections").await;
        linger(&mut client).await;
        return;
    }
    let mut input = Vec::new();
    let mut opening = true;
    let last = loop {
        match request(&mut client, &mut input, opening).await {
            After::Next => opening = false,
            last @ (After::Linger | After::Cut) => break last,
        }
    };
    core.slabs.give(input);
    // A WebSocket says that it ends, however it came to that.
    if last == After::Linger || client.stream.is_socket() {
        linger(&mut client).await;
    }
}

/// Tells a caller that speaks HTTP in the clear that this address speaks TLS.
async fn refuse_clear<N: Net>(mut client: Client<N>) {
    let note = reply::Note::closing(Dialect::Chat, client.core.next_id(client.core.net.unix_ms()));
    let message = "plain HTTP was sent to an address that speaks TLS: use https://";
    let _ = reply::fault(&mut client, &note, Fault::of_status(400), message).await;
    linger(&mut client).await;
}

async fn request<N: Net>(client: &mut Client<N>, input: &mut Vec<u8>, opening: bool) -> After {
    client.turn().await;
    if !first_bytes(client, input, opening).await {
        return After::Cut;
    }
    // Not before: connections are mostly idle.
    let mut scratch = client.core.scratch();
    match read_head(client, input, &mut scratch).await {
        Ok(head) => exchange::run(client, input, head, scratch).await,
        Err(why) => {
            client.core.take_back(scratch);
            let (status, message) = match why {
                NoHead::End => return After::Cut,
                NoHead::Slow => (408, "the request head did not arrive in time"),
                NoHead::Refused(refusal) => (refusal.status, refusal.reason),
            };
            let id = client.core.next_id(client.core.net.unix_ms());
            let (note, fault) = (reply::Note::closing(dialect_of(input), id), Fault::of_status(status));
            match reply::fault_as(client, &note, fault, status, message, b"").await {
                Ok(_) => After::Linger,
                Err(_) => After::Cut,
            }
        }
    }
}

/// The dialect of a request whose head could not be read: that of its path, as far as one stands there.
fn dialect_of(input: &[u8]) -> Dialect {
    let target = input.split(|&byte| matches!(byte, b' ' | b'\r' | b'\n')).nth(1).unwrap_or_default();
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    match path::find(&Method::Post, &path[..path.len().min(limits::TARGET_BYTES_MAX)], |_| false) {
        Found::Call(call) => call.dialect,
        Found::WrongMethod { dialect, .. } | Found::Unknown { dialect } => dialect,
    }
}

/// Waits for the first bytes of a request, where none are there already. False where the connection is over.
async fn first_bytes<N: Net>(client: &mut Client<N>, input: &mut Vec<u8>, opening: bool) -> bool {
    append_ahead(client, input);
    while input.is_empty() {
        client.core.slabs.give(std::mem::take(input));
        let timeouts = client.core.view().snapshot.timeouts;
        client.due_in(match (opening, client.stream.is_socket()) {
            (true, _) => timeouts.head_ms,
            (false, true) => limits::SOCKET_IDLE_MS,
            (false, false) => timeouts.keep_alive_ms,
        });
        let arrived = client.next_request().await;
        make_room(client, input);
        match client.stream.try_read(input) {
            Ok(0) => return false,
            Ok(_) => client.core.slabs.narrow(input),
            // The last look before an idle connection ends: the wait may be behind what has just come.
            Err(error) if !arrived || !sys::would_block(&error) => return false,
            Err(_) => {}
        }
    }
    true
}

async fn read_head<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Result<RequestHead, NoHead> {
    let view = client.core.view();
    let bounds = &view.snapshot.limits;
    let limits = HeadLimits {
        head_bytes: bounds.head_bytes,
        fields: limits::FIELDS_MAX,
        target_bytes: limits::TARGET_BYTES_MAX,
    };
    let mut searched = 0;
    let mut begun = false;
    loop {
        if let Some(head) =
            head::request(input, &mut searched, &mut scratch.fields, &limits).map_err(NoHead::Refused)?
        {
            return Ok(head);
        }
        if !begun {
            client.due_in(view.snapshot.timeouts.head_ms);
            begun = true;
        }
        client.turn().await;
        if !client.readable().await {
            return Err(NoHead::Slow);
        }
        make_room(client, input);
        match client.stream.try_read(input) {
            Ok(0) => return Err(NoHead::End),
            Ok(_) => {}
            Err(error) if sys::would_block(&error) => {}
            Err(_) => return Err(NoHead::End),
        }
    }
}

/// Puts what came during the last exchange behind what was left of its read.
fn append_ahead<N: Net>(client: &mut Client<N>, input: &mut Vec<u8>) {
    let ahead = client.take_ahead();
    if input.is_empty() {
        client.core.slabs.give(std::mem::replace(input, ahead));
    } else {
        input.extend_from_slice(&ahead);
        client.core.slabs.give(ahead);
    }
}

/// Room for more of a head, and for the body that comes with it. The parser refuses a head over its bound before the
/// buffer can grow far past it.
fn make_room<N: Net>(client: &Client<N>, input: &mut Vec<u8>) {
    if input.capacity() == 0 {
        let slabs = &client.core.slabs;
        // The next request is often of the size of the last. One that may fit into a small buffer need not be moved there,
        // and one that will get a buffer of its own needs room for its head only.
        *input = match client.last_bytes {
            1..limits::SMALL_BYTES => slabs.take_small(),
            0..=limits::WIDE_BYTES => slabs.take_wide(),
            _ => slabs.take(),
        };
    } else if input.len() == input.capacity() {
        input.reserve(limits::SLAB_BYTES);
    }
}

/// Ends a connection after its last answer without losing that answer: closing a socket with unread bytes
/// makes the kernel reset it, and a reset may overtake the answer (RFC 9112 §9.6).
async fn linger<N: Net>(client: &mut Client<N>) {
    client.stream.finish();
    client.due_in(limits::LINGER_MS);
    let mut waste = client.core.slabs.take();
    // A client that goes on sending does not keep the connection beyond its time.
    while client.readable().await && !client.is_due() {
        client.turn().await;
        waste.clear();
        match client.stream.try_read(&mut waste) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if sys::would_block(&error) => {}
            Err(_) => break,
        }
    }
    client.core.slabs.give(waste);
}
