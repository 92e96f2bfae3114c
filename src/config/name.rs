//! Names to values: exact spelling first, then without regard to ASCII case.
//!
//! One table keyed by the lower-case name; a look-up costs one hash of the name asked for and no allocation.

use std::collections::HashMap;
use std::fmt;

use smallvec::SmallVec;

/// A table of values by name; a name may have several.
pub(super) struct Names<T> {
    lower: HashMap<Box<[u8]>, Vec<Spelled<T>>, ahash::RandomState>,
}

struct Spelled<T> {
    name: Box<str>,
    value: T,
}

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names { lower: HashMap::default() }
    }
}

impl<T> fmt::Debug for Names<T> {
    /// The order of a hash table says nothing, so only its size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.lower.len())
    }
}

impl<T> Names<T> {
    /// Adds a value under a name, behind those that are there.
    pub(super) fn insert(&mut self, name: &str, value: T) {
        self.lower.entry(lower(name).as_slice().into()).or_default().push(Spelled { name: name.into(), value });
    }

    /// The values of a name: those spelled exactly so, else all that differ in case only.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a T> {
        let entries = self.lower.get(lower(name).as_slice()).map_or(&[][..], Vec::as_slice);
        let exact = entries.iter().any(|entry| *entry.name == *name);
        entries.iter().filter(move |entry| !exact || *entry.name == *name).map(|entry| &entry.value)
    }
}

fn lower(name: &str) -> SmallVec<[u8; 64]> {
    name.bytes().map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_spelling_wins_over_case() {
        let mut names = Names::default();
        for (name, value) in [("GPT-4o", 1), ("gpt-4o", 2), ("gpt-4o", 3), ("other", 4)] {
            names.insert(name, value);
        }
        let get = |name| names.get(name).copied().collect::<Vec<_>>();
        assert_eq!(get("gpt-4o"), [2, 3]);
        assert_eq!(get("GPT-4o"), [1]);
        assert_eq!(get("Gpt-4O"), [1, 2, 3]);
        assert_eq!(get("Other"), [4]);
        assert_eq!(get("none"), [] as [i32; 0]);
    }
}
