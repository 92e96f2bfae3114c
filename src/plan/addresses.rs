//! Where the hosts of providers are, as control resolved them last.
//!
//! Looked up by host and port and not by a provider's index: an exchange that began before a reload asks with
//! an older snapshot, and its credentials must not go to whoever has that index now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smallvec::{SmallVec, smallvec};

use crate::config::snapshot::{Key, Proxy, ProxyScheme, Snapshot};

/// Addresses of one host, in the order they are to be tried.
pub type Addresses = SmallVec<[SocketAddr; 4]>;

/// All hosts of a snapshot. Replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook(Box<[(Box<str>, u16, Addresses)]>);

impl AddressBook {
    /// A book of these hosts.
    pub fn new(mut hosts: Vec<(Box<str>, u16, Addresses)>) -> AddressBook {
        hosts.sort_unstable_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        hosts.dedup_by(|next, kept| (&next.0, next.1) == (&kept.0, kept.1));
        AddressBook(hosts.into())
    }

    /// What needs no resolver: literal addresses, and `localhost` (RFC 6761 §6.3). Relaying to those can begin
    /// before control has resolved anything.
    pub fn literal(snapshot: &Snapshot) -> AddressBook {
        AddressBook::new(hosts(snapshot).map(|(host, port)| (host.into(), port, literal(host, port))).collect())
    }

    /// The addresses of a host.
    pub fn get(&self, host: &str, port: u16) -> &[SocketAddr] {
        let found = self.0.binary_search_by(|(known, at, _)| (&**known, *at).cmp(&(host, port)));
        found.map_or(&[], |place| &self.0[place].2)
    }
}

/// The hosts that a snapshot's providers are reached at: their own, unless a proxy resolves it, and those of proxies.
pub fn hosts(snapshot: &Snapshot) -> impl Iterator<Item = (&str, u16)> {
    snapshot.keys.iter().filter(|key| !key.disabled).flat_map(|key| of_key(snapshot, key)).flatten()
}

fn of_key<'a>(snapshot: &'a Snapshot, key: &'a Key) -> [Option<(&'a str, u16)>; 2] {
    let base = &snapshot.providers[usize::from(key.provider)].base;
    let own = Some((&*base.host, base.port)).filter(|(host, _)| !host.is_empty());
    match &key.proxy {
        Proxy::Direct => [own, None],
        Proxy::Via { scheme: ProxyScheme::Socks5, host, port, .. } => [own, Some((host, *port))],
        Proxy::Via { host, port, .. } => [None, Some((host, *port))],
    }
}

/// The addresses of a host that need no resolver; empty if it needs one.
pub fn literal(host: &str, port: u16) -> Addresses {
    match host.parse::<IpAddr>() {
        Ok(ip) => smallvec![SocketAddr::new(ip, port)],
        Err(_) if host.eq_ignore_ascii_case("localhost") => smallvec![
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port),
        ],
        Err(_) => Addresses::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_by_name_and_port() {
        let entry = |host: &str, port| (host.into(), port, literal("127.0.0.1", port));
        let book = AddressBook::new(vec![entry("b", 2), entry("a", 2), entry("b", 1), entry("b", 1)]);
        assert_eq!(book.get("b", 1), ["127.0.0.1:1".parse().expect("an address")]);
        assert_eq!(book.get("a", 2).len(), 1);
        assert!(book.get("a", 1).is_empty() && book.get("c", 1).is_empty());
    }

    #[test]
    fn literals_need_no_resolver() {
        assert_eq!(literal("::1", 5)[..], ["[::1]:5".parse().expect("an address")]);
        assert_eq!(literal("localhost", 5).len(), 2);
        assert!(literal("example.com", 5).is_empty());
    }
}
