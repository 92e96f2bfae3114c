//! What an open stream costs in memory is mostly the state of its session: it has a bound.

use std::rc::Rc;

use super::core::{Core, Scratch};
use super::{exchange, session};
use crate::http::head::RequestHead;
use crate::limits;
use crate::rt::{Monoio, Peer, Socket, Wire};

/// The size of what `task` returns, without calling it.
fn size_of_returned<A, B, C, D, R>(_task: impl FnOnce(A, B, C, D) -> R) -> usize {
    size_of::<R>()
}

#[test]
fn the_state_of_a_session_is_bounded() {
    let session =
        size_of_returned(|core: &'static Rc<Core<Monoio>>, stream: Wire<Socket>, peer: Peer, crowd: usize| {
            session::serve(core, stream, peer, crowd)
        });
    let exchange = size_of_returned(|client, input, head: RequestHead, scratch: Box<Scratch>| {
        let (client, input): (&'static mut super::wait::Client<Monoio>, &'static mut Vec<u8>) = (client, input);
        exchange::run(client, input, head, scratch)
    });
    let reach = size_of_returned(
        |client: &'static mut super::wait::Client<Monoio>,
         request: &'static super::reach::Prepared<'static>,
         scratch,
         entry| { super::reach::reach(client, request, scratch, entry, 0) },
    );
    let turn = size_of_returned(
        |exchange: &'static mut exchange::Exchange, client: &'static mut super::wait::Client<Monoio>, found, turned| {
            exchange.turn(client, found, turned, crate::http::head::Version::Http11, Box::default())
        },
    );
    println!("reach {reach} bytes, a turn {turn}");
    assert!(reach <= limits::REACH_BYTES_MAX && turn <= limits::TURN_BYTES_MAX, "{reach} and {turn} bytes");
    let turned = size_of::<crate::protocol::translate::Stream>();
    println!("a translated stream {turned} bytes beside");
    assert!(turned <= limits::TURNED_BYTES_MAX, "{turned} bytes");
    println!("session {session} bytes, of which an exchange {exchange}; socket {}", size_of::<Socket>());
    assert!(session <= limits::SESSION_BYTES_MAX, "{session} bytes");
    assert!(exchange < session);
}
