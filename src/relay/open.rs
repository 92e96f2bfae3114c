//! A fresh lane: dialed, led through a proxy where one is set, and agreed upon where it is to be secret.
//!
//! All addresses of a host are tried, a little apart, and the first that connects is taken (RFC 8305). Everything up
//! to the moment when a request may be sent has `connect_ms` together. Names are not resolved here: the address book
//! has them, those of proxies too.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Poll;

use smallvec::SmallVec;

use super::attempt::{Destination, NoAnswer};
use super::failure::Failure;
use super::upstream::Lane;
use super::wait::{Client, Ended, Interest, Wake};
use super::way::{Secure, Via};
use crate::config::snapshot::ProxyScheme;
use crate::http::proxy::{Conversation, Target};
use crate::limits;
use crate::rt::{Net, Stream as _, Wire, sys};
use crate::tls::{self, Session};

/// A fresh lane to `to`.
pub(super) async fn open<N: Net>(client: &mut Client<N>, to: &Destination<'_>) -> Result<Lane<N::Stream>, NoAnswer> {
    let until_ms = client.core.now_ms() + u64::from(to.connect_ms);
    let mut opening = Opening { client, to, until_ms };
    let outcome = opening.reach().await;
    if matches!(outcome, Err(NoAnswer::Failed(_))) {
        client.core.tally.lanes_failed.add(1);
    }
    Ok(Lane { stream: outcome?, pool: to.way.pool, reused: false })
}

struct Opening<'a, N: Net> {
    client: &'a mut Client<N>,
    to: &'a Destination<'a>,
    until_ms: u64,
}

impl<N: Net> Opening<'_, N> {
    async fn reach(&mut self) -> Result<Wire<N::Stream>, NoAnswer> {
        let way = self.to.way;
        let wire = match &way.via {
            None => self.dial(self.to.book.get(&way.host, way.port)).await?,
            Some(via) => self.lead(via).await?,
        };
        match &way.tls {
            None => Ok(wire),
            Some(secure) => self.agree(wire, secure, "TLS").await,
        }
    }

    /// Sets the deadline of the next waits: `ms` from now, or the end of the whole if that is nearer.
    fn due_in(&self, ms: u64) {
        let rest = self.until_ms.saturating_sub(self.client.core.now_ms());
        self.client.due_in(u32::try_from(rest.min(ms)).unwrap_or(u32::MAX));
    }

    /// The first connection that stands. The others are closed.
    async fn dial(&mut self, addresses: &[SocketAddr]) -> Result<Wire<N::Stream>, NoAnswer> {
        let mut under_way: SmallVec<[Wire<N::Stream>; 2]> = SmallVec::new();
        let mut next = addresses.iter();
        let mut failure = Failure::unreachable("the host's name has no address yet");
        loop {
            if let Some(&address) = next.next() {
                match self.client.core.net.dial(address) {
                    Ok(stream) => under_way.push(Wire::Plain(stream)),
                    Err(error) => {
                        failure = refused(&error);
                        continue;
                    }
                }
            } else if under_way.is_empty() {
                return Err(failure.into());
            }
            self.due_in(if next.len() > 0 { limits::DIAL_APART_MS } else { u64::MAX });
            let first = |cx: &mut std::task::Context<'_>| {
                // All of them are asked each time: each remembers only who asked last.
                let ready = under_way.iter().enumerate().filter(|(_, wire)| wire.poll_writable(cx).is_ready());
                ready.map(|(at, _)| at).last().map_or(Poll::Pending, Poll::Ready)
            };
            match self.client.until(first).await {
                Ok(at) => {
                    let wire = under_way.remove(at);
                    match &wire {
                        Wire::Plain(stream) => match self.client.core.net.connected(stream) {
                            Ok(()) => return Ok(wire),
                            Err(error) => failure = refused(&error),
                        },
                        Wire::Over(_) | Wire::Nobody => return Ok(wire),
                    }
                }
                Err(Ended::Gone) => return Err(NoAnswer::Gone),
                Err(Ended::Due) if self.client.core.now_ms() >= self.until_ms => {
                    return Err(Failure::late("connecting took too long").into());
                }
                Err(Ended::Due) => {}
            }
        }
    }

    /// A session over `wire`.
    async fn agree(
        &mut self,
        wire: Wire<N::Stream>,
        secure: &Secure,
        with: &'static str,
    ) -> Result<Wire<N::Stream>, NoAnswer> {
        let session = Session::client(&secure.config, secure.verify.name.clone())
            .map_err(|error| Failure::unreachable(format!("{with}: {}", tls::reason(&error))))?;
        let wire = wire.secured(session);
        self.due_in(u64::MAX);
        match self.client.until(|cx| wire.poll_handshake(cx)).await {
            Ok(Ok(())) => Ok(wire),
            Ok(Err(error)) => Err(Failure::unreachable(format!("{with}: {error}")).into()),
            Err(Ended::Gone) => Err(NoAnswer::Gone),
            Err(Ended::Due) => Err(Failure::late(format!("{with}: the handshake took too long")).into()),
        }
    }

    /// A connection through the proxy. Where names are resolved here, the target's addresses are tried in turn.
    async fn lead(&mut self, via: &Via) -> Result<Wire<N::Stream>, NoAnswer> {
        let way = self.to.way;
        let by_name = [Target::Name(&way.host, way.port)];
        let targets: SmallVec<[Target<'_>; 4]> = match via.scheme {
            ProxyScheme::Socks5 => {
                self.to.book.get(&way.host, way.port).iter().map(|&address| Target::Address(address)).collect()
            }
            ProxyScheme::Http | ProxyScheme::Https | ProxyScheme::Socks5h => SmallVec::from_slice(&by_name),
        };
        let mut failure = Failure::unreachable("the host's name has no address yet");
        for &target in &targets {
            let wire = match self.dial(self.to.book.get(&via.host, via.port)).await {
                Ok(wire) => wire,
                Err(NoAnswer::Failed(why)) => return Err(of_proxy(why).into()),
                Err(gone @ NoAnswer::Gone) => return Err(gone),
            };
            let wire = match &via.tls {
                None => wire,
                Some(secure) => self.agree(wire, secure, "TLS with the proxy").await?,
            };
            let credentials = via.credentials.as_ref().map(|secret| secret.expose());
            let mut talk = match via.scheme {
                ProxyScheme::Http | ProxyScheme::Https => Conversation::http(target, credentials),
                ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                    Conversation::socks(target, credentials).map_err(|why| proxy(&why.reason))?
                }
            };
            match self.converse(&wire, &mut talk).await? {
                Ok(()) => return Ok(wire),
                Err(why) if why.address => failure = proxy(&why.reason),
                Err(why) => return Err(proxy(&why.reason).into()),
            }
        }
        Err(failure.into())
    }

    async fn converse(
        &mut self,
        wire: &Wire<N::Stream>,
        talk: &mut Conversation,
    ) -> Result<Result<(), crate::http::proxy::Refused>, NoAnswer> {
        self.due_in(u64::MAX);
        let mut buffer = Vec::with_capacity(limits::PROXY_READ_BYTES);
        while !talk.is_open() {
            let (outcome, interest) = match talk.to_send() {
                [] => {
                    buffer.clear();
                    match wire.try_read(&mut buffer) {
                        Ok(0) => return Err(proxy("it closed the connection").into()),
                        Ok(_) => match talk.push(&buffer) {
                            Ok(()) => continue,
                            Err(why) => return Ok(Err(why)),
                        },
                        Err(error) => (error, Interest::Read),
                    }
                }
                out => match wire.try_write(&[IoSlice::new(out)]) {
                    Ok(written) => {
                        talk.sent(written);
                        continue;
                    }
                    Err(error) => (error, Interest::Write),
                },
            };
            if !sys::would_block(&outcome) {
                return Err(proxy(&outcome.to_string()).into());
            }
            match self.client.lane(wire, interest).await {
                Wake::Lane => {}
                Wake::Gone => return Err(NoAnswer::Gone),
                Wake::Due => return Err(Failure::late("the proxy did not answer in time").into()),
            }
        }
        Ok(Ok(()))
    }
}

fn refused(error: &io::Error) -> Failure {
    Failure::unreachable(format!("connecting failed: {error}"))
}

fn proxy(reason: &str) -> Failure {
    Failure::unreachable(format!("the proxy: {reason}"))
}

/// A failure of dialing that was the proxy's.
fn of_proxy(failure: Failure) -> Failure {
    Failure { message: format!("the proxy: {}", failure.message).into(), ..failure }
}
