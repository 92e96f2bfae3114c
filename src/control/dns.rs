//! Resolves every host of the snapshot and publishes the address book.
//!
//! The system's resolver does it, because it knows the machine's rules (hosts file, VPN, containers); it
//! blocks, so it runs on tokio's few blocking threads. A host that cannot be resolved keeps its last good
//! answer: a resolver that is down for a minute stops no traffic.

use std::future::Future;
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
    resolve_by(snapshot, last, &ask_system).await
}

async fn ask_system(host: Box<str>, port: u16) -> Result<Addresses, String> {
    lookup(&host, port).await
}

/// [`resolve`] by whoever is asked with `ask`.
async fn resolve_by<F>(snapshot: &Snapshot, last: &AddressBook, ask: &impl Fn(Box<str>, u16) -> F) -> AddressBook
where
    F: Future<Output = Result<Addresses, String>> + Send + 'static,
{
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
        let found = ask(host.clone(), port);
        asked.spawn(async move { (host, port, found.await) });
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
    keep_by(shared, ask_system).await;
}

async fn keep_by<F>(shared: Arc<Shared>, ask: impl Fn(Box<str>, u16) -> F)
where
    F: Future<Output = Result<Addresses, String>> + Send + 'static,
{
    loop {
        let failed = failed(&shared);
        let snapshot = shared.snapshot.load_full();
        let last = shared.addresses.load_full();
        let book = resolve_by(&snapshot, &last, &ask).await;
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
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::super::tests::World;
    use super::*;

    #[tokio::test]
    async fn a_connection_that_fails_asks_for_another_look() {
        let world = World::new(super::super::tests::FILE);
        let shared = &world.shared;
        let before = failed(shared);
        let look = more_fail(shared, before);
        tokio::pin!(look);
        let soon = Duration::from_millis(2 * limits::RESOLVE_AFTER_FAILURE_MS + 100);
        assert!(tokio::time::timeout(soon, &mut look).await.is_err(), "nothing has failed");
        world.core.lock().expect("no panic while held").tally().lanes_failed.add(1);
        look.await;
    }

    /// A resolver whose answers change, and that fails where it has none.
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<HashMap<String, &'static str>>>);

    impl Names {
        fn say(&self, host: &str, address: Option<&'static str>) {
            let mut names = self.0.lock().expect("no panic while held");
            match address {
                Some(address) => names.insert(host.to_owned(), address),
                None => names.remove(host),
            };
        }

        fn ask(&self) -> impl Fn(Box<str>, u16) -> std::future::Ready<Result<Addresses, String>> + use<> {
            let names = self.clone();
            move |host, port| {
                let found = names.0.lock().expect("no panic while held").get(&*host).copied();
                std::future::ready(found.map(|ip| literal(ip, port)).ok_or_else(|| "nobody answers".to_owned()))
            }
        }
    }

    const TWO_HOSTS: &str = r#"{
        "admin": { "password": "canary-5ec7e7-password" },
        "clients": { "alice": { "key": "canary-5ec7e7-client" } },
        "providers": {
            "one": { "protocol": "chat", "base_url": "https://one.test/v1", "keys": ["canary-5ec7e7-one"] },
            "two": { "protocol": "chat", "base_url": "https://two.test/v1", "keys": ["canary-5ec7e7-two"] }
        },
        "routes": { "main": { "to": ["one", "two"] } }
    }"#;

    /// The book of control follows the resolver, and where that fails keeps what it said last.
    #[tokio::test]
    async fn answers_are_refreshed_and_the_last_good_one_is_kept() {
        let world = World::new(TWO_HOSTS);
        let shared = &world.shared;
        let (names, book) = (Names::default(), || shared.addresses.load_full());
        names.say("one.test", Some("192.0.2.1"));
        let keeping = tokio::spawn(keep_by(Arc::clone(shared), names.ask()));
        let becomes = async |host: &'static str, address: &str| {
            let wanted = literal(address, 443);
            let told = async {
                while book().get(host, 443) != &wanted[..] {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let within = tokio::time::timeout(Duration::from_secs(10), told).await;
            within.unwrap_or_else(|_| panic!("{host} is not {address} but {:?}", book().get(host, 443)));
        };
        becomes("one.test", "192.0.2.1").await;
        assert!(book().get("two.test", 443).is_empty(), "it has never been known");
        // It moves, and another one appears.
        names.say("one.test", Some("192.0.2.2"));
        names.say("two.test", Some("2001:db8::2"));
        shared.hosts_changed.notify_one();
        becomes("one.test", "192.0.2.2").await;
        becomes("two.test", "2001:db8::2").await;
        // The resolver knows nothing more of the first; what it says of the second still counts.
        names.say("one.test", None);
        names.say("two.test", Some("2001:db8::3"));
        shared.hosts_changed.notify_one();
        becomes("two.test", "2001:db8::3").await;
        assert_eq!(book().get("one.test", 443), &literal("192.0.2.2", 443)[..], "the last good answer");
        // It is down, then back.
        names.say("two.test", None);
        shared.hosts_changed.notify_one();
        names.say("one.test", Some("192.0.2.4"));
        shared.hosts_changed.notify_one();
        becomes("one.test", "192.0.2.4").await;
        assert_eq!(book().get("two.test", 443), &literal("2001:db8::3", 443)[..]);
        // Nobody has to ask: a connection that fails is reason enough.
        names.say("one.test", Some("192.0.2.5"));
        world.core.lock().expect("no panic while held").tally().lanes_failed.add(1);
        becomes("one.test", "192.0.2.5").await;
        keeping.abort();
    }

    /// A reload does not wait for what fails, and does not lose what is known.
    #[tokio::test]
    async fn what_is_known_outlives_a_reload() {
        let world = World::new(TWO_HOSTS);
        let names = Names::default();
        names.say("one.test", Some("192.0.2.1"));
        let snapshot = world.shared.snapshot.load_full();
        let last = resolve_by(&snapshot, &AddressBook::default(), &names.ask()).await;
        names.say("one.test", None);
        let next = resolve_by(&snapshot, &last, &names.ask()).await;
        assert_eq!(next, last);
        assert_eq!(known(&snapshot, &last), last);
    }

    #[test]
    fn addresses_are_distinct_and_bounded() {
        let address = |last: u16| SocketAddr::from(([10, 0, 0, 1], last));
        let found = distinct([3, 3, 1, 3].into_iter().map(address));
        assert_eq!(found[..], [address(3), address(1)], "in the resolver's order");
        assert_eq!(distinct((0..100).map(address)).len(), limits::ADDRESSES_PER_HOST_MAX);
    }
}
