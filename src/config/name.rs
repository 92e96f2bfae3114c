//! Names to values: exact spelling first, then without regard to ASCII case.
//!
//! One table keyed by the hash of the folded name; a look-up costs one hash of the name asked for, one comparison for
//! each of its values, and no allocation.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::base::hash;

/// A table of values by name; a name may have several.
pub(super) struct Names<T> {
    folded: HashMap<u64, Vec<Spelled<T>>, BuildHasherDefault<Hashed>>,
}

struct Spelled<T> {
    name: Box<str>,
    value: T,
}

/// Takes a hash as it is. The names of the table are the file's: no caller can crowd them.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash::of(self.0, bytes);
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names { folded: HashMap::default() }
    }
}

impl<T> fmt::Debug for Names<T> {
    /// The order of a hash table says nothing, so only its size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.folded.len())
    }
}

impl<T> Names<T> {
    /// Adds a value under a name, behind those that are there.
    pub(super) fn insert(&mut self, name: &str, value: T) {
        self.folded.entry(hash::folded(name.as_bytes())).or_default().push(Spelled { name: name.into(), value });
    }

    /// The values of a name: those spelled exactly so, else all that differ in case only.
    #[inline]
    pub(super) fn get<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a T> {
        let entries = match self.folded.is_empty() {
            true => &[][..],
            false => self.folded.get(&hash::folded(name.as_bytes())).map_or(&[][..], Vec::as_slice),
        };
        let exact = entries.iter().any(|entry| *entry.name == *name);
        let is_asked = move |entry: &&Spelled<T>| match exact {
            true => *entry.name == *name,
            false => entry.name.eq_ignore_ascii_case(name),
        };
        entries.iter().filter(is_asked).map(|entry| &entry.value)
    }
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
