//! Resolves every host of the snapshot and publishes the address book.
//!
//! The system's resolver does it, because it knows the machine's rules (hosts file, VPN, containers); it
//! blocks, so it runs on tokio's few blocking threads. A host that cannot be resolved keeps its last good
//! answer: a resolver that is down for a minute stops no traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Shared;
use crate::config::Snapshot;
use crate::limits;
use crate::plan::addresses::{AddressBook, Addresses, hosts, literal};

/// The book for `snapshot`: what can be resolved now, else what `last` knew. Each host that could not be
/// resolved is said in a warning, with the reason.
pub(crate) async fn resolve(snapshot: &Snapshot, last: &AddressBook) -> AddressBook {
    let mut book = Vec::with_capacity(snapshot.providers.len());
    let mut asked = JoinSet::new();
    let mut waiting: Vec<(Box<str>, u16)> = Vec::new();
    for (host, port) in hosts(snapshot) {
        let known = literal(host, port);
        if known.is_empty() {
            waiting.push((host.into(), port));
        } else {
            book.push((host.into(), port, known));
        }
    }
    waiting.sort_unstable();
    waiting.dedup();
    for (host, port) in waiting {
        asked.spawn(async move {
            let found = lookup(&host, port).await;
            (host, port, found)
        });
    }
    while let Some(joined) = asked.join_next().await {
        let Ok((host, port, found)) = joined else { continue };
        let addresses = found.unwrap_or_else(|why| {
            let kept = last.get(&host, port);
            tracing::warn!(%host, why, kept = kept.len(), "a provider's host cannot be resolved");
            kept.into()
        });
        book.push((host, port, addresses));
    }
    AddressBook::new(book)
}

/// The book for `snapshot` of what is known without asking anybody.
pub(crate) fn known(snapshot: &Snapshot, last: &AddressBook) -> AddressBook {
    let of = |host: &str, port| match literal(host, port) {
        known if known.is_empty() => last.get(host, port).into(),
        known => known,
    };
    AddressBook::new(hosts(snapshot).map(|(host, port)| (host.into(), port, of(host, port))).collect())
}

/// Resolves again and again for as long as the process lives: soon after the start, after each reload and after
/// connections that failed, else at an even pace.
pub(crate) async fn keep(shared: Arc<Shared>) {
    loop {
        let failed = failed(&shared);
        let snapshot = shared.snapshot.load_full();
        let book = resolve(&snapshot, &shared.addresses.load()).await;
        // A reload may have come in between; its book is the newer one.
        if shared.snapshot.load().generation == snapshot.generation && book != **shared.addresses.load() {
            shared.addresses.store(Arc::new(book));
        }
        let pace = tokio::time::sleep(Duration::from_millis(limits::RESOLVE_EVERY_MS));
        tokio::select! {
            () = pace => {}
            () = shared.hosts_changed.notified() => {}
            () = more_fail(&shared, failed) => {}
        }
    }
}

/// Connections to upstreams that could not be had so far.
fn failed(shared: &Shared) -> u64 {
    shared.collector().sum(|tally| tally.lanes_failed.get())
}

/// Ready once more than `before` have failed: a host may have moved.
async fn more_fail(shared: &Shared, before: u64) {
    loop {
        tokio::time::sleep(Duration::from_millis(limits::RESOLVE_AFTER_FAILURE_MS)).await;
        if failed(shared) != before {
            return;
        }
    }
}

/// The addresses of one host, in the resolver's order (RFC 6724).
pub(crate) async fn lookup(host: &str, port: u16) -> Result<Addresses, String> {
    let bound = Duration::from_millis(limits::RESOLVE_MS_MAX);
    match tokio::time::timeout(bound, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let addresses = distinct(found);
            if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer in {} ms", limits::RESOLVE_MS_MAX)),
    }
}

fn distinct(found: impl Iterator<Item = SocketAddr>) -> Addresses {
    let mut addresses = Addresses::new();
    for address in found {
        if addresses.len() < limits::ADDRESSES_PER_HOST_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_fails_asks_for_another_look() {
        let world = super::super::tests::World::new(super::super::tests::FILE);
        let shared = &world.shared;
        let before = failed(shared);
        let look = more_fail(shared, before);
        tokio::pin!(look);
        let soon = Duration::from_millis(2 * limits::RESOLVE_AFTER_FAILURE_MS + 100);
        assert!(tokio::time::timeout(soon, &mut look).await.is_err(), "nothing has failed");
        world.core.lock().expect("no panic while held").tally().lanes_failed.add(1);
        look.await;
    }

    #[test]
    fn addresses_are_distinct_and_bounded() {
        let address = |last: u16| SocketAddr::from(([10, 0, 0, 1], last));
        let found = distinct([3, 3, 1, 3].into_iter().map(address));
        assert_eq!(found[..], [address(3), address(1)], "in the resolver's order");
        assert_eq!(distinct((0..100).map(address)).len(), limits::ADDRESSES_PER_HOST_MAX);
    }
}
