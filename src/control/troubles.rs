//! The failures of keys since the start: how many attempts failed with each, and what the last one came to.
//!
//! The board knows whether a key rests; this is what people ask next. It is made of the attempts that cores tell, so
//! under pressure the count may miss some. Kept by name, over reloads, for as many keys as the bound allows; the words
//! are an upstream's, with secrets masked before they came here.

use ahash::AHashMap;

use super::names::Names;
use crate::limits;
use crate::record::attempt::GIVEN_UP;
use crate::record::{Attempt, Entry, Outcome};

/// What is known of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Attempts that failed.
    pub(crate) failures: u64,
    /// The last of them.
    pub(crate) last: Last,
}

/// A failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// When its exchange began.
    pub(crate) unix_ms: u64,
    /// What the upstream answered; 0 for nothing.
    pub(crate) status: u16,
    pub(crate) model: String,
    pub(crate) why: String,
}

/// By the provider's name, then the key's.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    keys: AHashMap<Box<str>, AHashMap<Box<str>, Trouble>>,
    count: usize,
}

/// What an answer that broke off came to.
const CUT: &str = "the answer broke off";

impl Troubles {
    /// Takes note of an attempt, if it failed.
    pub(crate) fn attempt(&mut self, attempt: &Attempt, names: &Names) {
        let served = attempt.why.is_empty() && attempt.status < 400 && attempt.status != 0;
        if served || attempt.why.as_str() == GIVEN_UP {
            return;
        }
        let (why, model) = (attempt.why.as_str(), attempt.model.as_str());
        self.note(names.provider(attempt.provider), names.key(attempt.key), |last| Last {
            unix_ms: attempt.unix_ms,
            status: attempt.status,
            ..last.of(model, why)
        });
    }

    /// Takes note of an exchange whose answer broke off, which no attempt says.
    pub(crate) fn exchange(&mut self, entry: &Entry, names: &Names) {
        if entry.outcome == Outcome::Cut {
            let (provider, key) = (names.provider(entry.provider), names.key(entry.key));
            let (unix_ms, status) = (entry.unix_ms, entry.status);
            self.note(provider, key, |last| Last { unix_ms, status, ..last.of(entry.model_sent.as_str(), CUT) });
        }
    }

    /// What is known of a key that has failed.
    pub(crate) fn of(&self, provider: &str, key: &str) -> Option<&Trouble> {
        self.keys.get(provider)?.get(key)
    }

    fn note(&mut self, provider: &str, key: &str, last: impl FnOnce(Last) -> Last) {
        let known = self.of(provider, key).is_some();
        if !known {
            if self.count >= limits::TROUBLE_KEYS_MAX {
                return;
            }
            self.count += 1;
            self.keys.entry(provider.into()).or_default().insert(key.into(), Trouble::default());
        }
        if let Some(trouble) = self.keys.get_mut(provider).and_then(|keys| keys.get_mut(key)) {
            trouble.failures += 1;
            trouble.last = last(std::mem::take(&mut trouble.last));
        }
    }
}

impl Last {
    /// The same with other words, in the memory of those before.
    fn of(mut self, model: &str, why: &str) -> Last {
        self.model.clear();
        self.model.push_str(model);
        self.why.clear();
        self.why.push_str(why);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RequestId;
    use crate::record::{Model, Text};

    fn names(keys: usize) -> Names {
        let keys = (0..keys).map(|key| format!("k{key}").into()).collect();
        Names { providers: ["p".into()].into(), keys, ..Names::default() }
    }

    fn failed(key: u16, status: u16, why: &str) -> Attempt {
        let begun = Attempt::begun(RequestId::new(1, 0, 0, 0), 7, 1, 1, 0);
        Attempt { provider: 0, key, status, model: Model::new("m"), why: Text::new(why), ..begun }
    }

    #[test]
    fn failures_are_counted_and_the_last_is_known() {
        let (mut troubles, names) = (Troubles::default(), names(2));
        troubles.attempt(&failed(0, 200, ""), &names);
        troubles.attempt(&failed(0, 0, GIVEN_UP), &names);
        assert_eq!(troubles.of("p", "k0"), None, "it served, and nobody waited for it");
        troubles.attempt(&failed(0, 429, "slow down"), &names);
        troubles.attempt(&failed(0, 0, "cannot connect"), &names);
        let last = Last { unix_ms: 7, status: 0, model: "m".into(), why: "cannot connect".into() };
        assert_eq!(troubles.of("p", "k0"), Some(&Trouble { failures: 2, last }));
        let mut entry = Entry { provider: 0, key: 1, status: 200, ..Entry::begun(RequestId::new(1, 0, 0, 0), 9, 1) };
        troubles.exchange(&entry, &names);
        entry.outcome = Outcome::Cut;
        troubles.exchange(&entry, &names);
        let cut = troubles.of("p", "k1").expect("noted");
        assert_eq!((cut.failures, cut.last.unix_ms, &*cut.last.why), (1, 9, CUT));
    }

    #[test]
    fn keys_are_bounded_and_known_ones_go_on() {
        let (mut troubles, names) = (Troubles::default(), names(limits::TROUBLE_KEYS_MAX + 1));
        for key in 0..=limits::TROUBLE_KEYS_MAX as u16 {
            troubles.attempt(&failed(key, 500, "x"), &names);
        }
        troubles.attempt(&failed(0, 500, "x"), &names);
        assert_eq!(troubles.of("p", "k0").map(|trouble| trouble.failures), Some(2));
        assert!(troubles.of("p", &format!("k{}", limits::TROUBLE_KEYS_MAX - 1)).is_some());
        assert_eq!(troubles.of("p", &format!("k{}", limits::TROUBLE_KEYS_MAX)), None);
    }
}
