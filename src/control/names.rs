//! Names behind the indexes of entries, for the snapshots of late.
//!
//! An exchange keeps the snapshot it began with, so its entry may name indexes of a generation that has been
//! replaced since. Names are few and small; those of the last generations are kept, and a reload that renames
//! nothing shares them with the one before.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::config::Snapshot;
use crate::limits;
use crate::record::NONE;

/// The names of one snapshot.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By `ClientIx`.
    pub clients: Box<[Box<str>]>,
    /// By `RouteIx`.
    pub routes: Box<[Box<str>]>,
    /// By `ProviderIx`.
    pub providers: Box<[Box<str>]>,
    /// By `ProviderIx`: host and port; no host where nobody is asked over a network.
    pub addresses: Box<[(Box<str>, u16)]>,
    /// By `KeyIx`.
    pub keys: Box<[Box<str>]>,
}

/// What an index that means nothing is called: its generation is forgotten.
const FORGOTTEN: &str = "?";

fn name(names: &[Box<str>], index: u16) -> &str {
    match index {
        NONE => "",
        index => names.get(usize::from(index)).map_or(FORGOTTEN, |name| name),
    }
}

impl Names {
    /// The names of `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Names {
        Names {
            clients: snapshot.clients.iter().map(|client| client.name.clone()).collect(),
            routes: snapshot.routes.iter().map(|route| route.name.clone()).collect(),
            providers: snapshot.providers.iter().map(|provider| provider.name.clone()).collect(),
            addresses: snapshot
                .providers
                .iter()
                .map(|provider| (provider.base.host.clone(), provider.base.port))
                .collect(),
            keys: snapshot.keys.iter().map(|key| key.name.clone()).collect(),
        }
    }

    /// The client's name; empty for none.
    pub fn client(&self, index: u16) -> &str {
        name(&self.clients, index)
    }

    /// The route's name; empty for none.
    pub fn route(&self, index: u16) -> &str {
        name(&self.routes, index)
    }

    /// The provider's name; empty for none.
    pub fn provider(&self, index: u16) -> &str {
        name(&self.providers, index)
    }

    /// The provider's host and port; nothing where there is none.
    pub fn address(&self, index: u16) -> Option<(&str, u16)> {
        let (host, port) = self.addresses.get(usize::from(index))?;
        (!host.is_empty()).then_some((host, *port))
    }

    /// The key's name within its provider; empty for none.
    pub fn key(&self, index: u16) -> &str {
        name(&self.keys, index)
    }
}

/// The names of the last generations, newest first.
#[derive(Default)]
pub(crate) struct Generations {
    recent: VecDeque<(u64, Arc<Names>)>,
    unknown: Arc<Names>,
}

impl Generations {
    /// Takes in the names of a new snapshot.
    pub(crate) fn learn(&mut self, generation: u64, names: Names) {
        let shared = self.recent.iter().find(|(_, known)| **known == names).map(|(_, known)| known.clone());
        self.recent.push_front((generation, shared.unwrap_or_else(|| Arc::new(names))));
        self.recent.truncate(limits::GENERATIONS_KEPT);
    }

    /// The names of `generation`; every index of a forgotten one reads "?".
    pub(crate) fn of(&self, generation: u64) -> &Arc<Names> {
        let found = self.recent.iter().find(|(known, _)| *known == generation);
        found.map_or(&self.unknown, |(_, names)| names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(client: &str) -> Names {
        Names { clients: [client.into()].into(), ..Names::default() }
    }

    #[test]
    fn each_generation_keeps_its_names() {
        let mut generations = Generations::default();
        generations.learn(1, names("alice"));
        generations.learn(2, names("bob"));
        assert_eq!(generations.of(1).client(0), "alice");
        assert_eq!(generations.of(2).client(0), "bob");
        assert_eq!(generations.of(2).client(NONE), "");
        assert_eq!(generations.of(2).client(1), FORGOTTEN);
        assert_eq!(generations.of(3).client(0), FORGOTTEN);
    }

    #[test]
    fn old_generations_are_forgotten_and_equal_ones_shared() {
        let mut generations = Generations::default();
        for generation in 0..limits::GENERATIONS_KEPT as u64 + 1 {
            generations.learn(generation, names("alice"));
        }
        assert_eq!(generations.of(0).client(0), FORGOTTEN);
        assert_eq!(generations.of(1).client(0), "alice");
        assert_eq!(Arc::strong_count(&generations.recent[0].1), limits::GENERATIONS_KEPT);
    }
}
