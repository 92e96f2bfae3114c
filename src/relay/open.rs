//! A fresh lane: dialed, and agreed upon where it is to be secret.
//!
//! Everything up to the moment when a request may be sent has `connect_ms` together.

use std::io;

use super::attempt::{Destination, NoAnswer};
use super::failure::Failure;
use super::upstream::Lane;
use super::wait::{Client, Ended, Interest, Wake};
use super::way::Secure;
use crate::rt::{Net, Wire};
use crate::tls::{self, Session};

/// A fresh lane to the first address that takes one.
pub(super) async fn open<N: Net>(client: &mut Client<N>, to: &Destination<'_>) -> Result<Lane<N::Stream>, NoAnswer> {
    let mut failure = Failure::unreachable("the provider's name has no address yet");
    for &address in to.book.get(&to.way.host, to.way.port) {
        failure = match client.core.net.dial(address) {
            Err(error) => refused(&error),
            Ok(stream) => {
                client.due_in(to.connect_ms);
                let wire = Wire::Plain(stream);
                match client.lane(&wire, Interest::Write).await {
                    Wake::Gone => return Err(NoAnswer::Gone),
                    Wake::Due => Failure::late("connecting took too long"),
                    Wake::Lane => match connected(client, &wire) {
                        Ok(()) => {
                            let wire = match &to.way.tls {
                                None => wire,
                                Some(secure) => handshake(client, wire, secure).await?,
                            };
                            return Ok(Lane { stream: wire, pool: to.way.pool, reused: false });
                        }
                        Err(error) => refused(&error),
                    },
                }
            }
        };
    }
    Err(failure.into())
}

fn connected<N: Net>(client: &Client<N>, wire: &Wire<N::Stream>) -> io::Result<()> {
    match wire {
        Wire::Plain(stream) => client.core.net.connected(stream),
        Wire::Tls(_) => Ok(()),
    }
}

fn refused(error: &io::Error) -> Failure {
    Failure::unreachable(format!("connecting failed: {error}"))
}

/// A session over `wire`, agreed upon before the deadline that runs.
async fn handshake<N: Net>(
    client: &mut Client<N>,
    wire: Wire<N::Stream>,
    secure: &Secure,
) -> Result<Wire<N::Stream>, NoAnswer> {
    let session = Session::client(&secure.config, secure.verify.name.clone())
        .map_err(|error| Failure::unreachable(format!("TLS: {}", tls::reason(&error))))?;
    let wire = wire.secured(session);
    match client.until(|cx| wire.poll_handshake(cx)).await {
        Ok(Ok(())) => Ok(wire),
        Ok(Err(error)) => Err(Failure::unreachable(format!("TLS: {error}")).into()),
        Err(Ended::Gone) => Err(NoAnswer::Gone),
        Err(Ended::Due) => Err(Failure::late("the TLS handshake took too long").into()),
    }
}
