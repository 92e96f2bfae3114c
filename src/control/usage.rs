//! Totals by (day, client, provider, key, model), in memory.
//!
//! Rows are kept by name, so that they outlive reloads; a second table from the indexes of entries to rows
//! makes the usual case one lookup without a text being compared. Both are bounded: beyond the bound, models
//! are summed as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;

use super::names::Names;
use crate::limits;
use crate::protocol::Dialect;
use crate::record::{Numbers, SumKey};

/// Whose numbers a row holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whose {
    /// Days since 1970, UTC.
    pub(crate) day: u32,
    /// Empty for none; so are the others.
    pub(crate) client: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) model: Arc<str>,
    /// What the client speaks.
    pub(crate) dialect: Dialect,
}

/// What totals may be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Client,
    Provider,
    Key,
    Model,
    Dialect,
    Day,
    Hour,
    Minute,
}

impl Group {
    /// All of them, in the order they are offered.
    pub(crate) const ALL: [Group; 8] = [
        Group::Client,
        Group::Provider,
        Group::Key,
        Group::Model,
        Group::Dialect,
        Group::Day,
        Group::Hour,
        Group::Minute,
    ];

    /// The word for it in `group_by` and in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Client => "client",
            Group::Provider => "provider",
            Group::Key => "key",
            Group::Model => "model",
            Group::Dialect => "dialect",
            Group::Day => "day",
            Group::Hour => "hour",
            Group::Minute => "minute",
        }
    }

    fn of(self, whose: &Whose) -> Arc<str> {
        match self {
            Group::Client => whose.client.clone(),
            Group::Provider => whose.provider.clone(),
            Group::Key => whose.key.clone(),
            Group::Model => whose.model.clone(),
            Group::Dialect => whose.dialect.name().into(),
            // Here nothing is finer than a day.
            Group::Day | Group::Hour | Group::Minute => super::stamp::day(whose.day).into(),
        }
    }
}

/// All totals since the start.
#[derive(Default)]
pub(crate) struct Usage {
    rows: Vec<(Whose, Numbers)>,
    by_name: AHashMap<Whose, usize>,
    by_index: AHashMap<SumKey, usize>,
    /// The last key of some lot, and its row: found without a hash.
    near: [Option<(SumKey, usize)>; NEAR],
}

/// Lots of keys of which the last is known.
const NEAR: usize = 16;

impl Usage {
    /// Adds numbers that a core has told; `names` are those of its generation.
    pub(crate) fn add(&mut self, key: &SumKey, numbers: &Numbers, names: &Names) {
        let key = &key.by_day();
        let lot = key.lot() % NEAR;
        let row = match &self.near[lot] {
            Some((known, row)) if known == key => *row,
            _ => {
                let row = self.by_index.get(key).copied().unwrap_or_else(|| self.find(key, names));
                self.near[lot] = Some((*key, row));
                row
            }
        };
        self.rows[row].1.add(numbers);
    }

    /// The groups that exist between two days, both included, in the order of their names.
    pub(crate) fn groups(&self, days: (u32, u32), by: &[Group]) -> BTreeMap<Vec<Arc<str>>, Numbers> {
        self.groups_of(days, by, &[])
    }

    /// All rows.
    pub(crate) fn rows(&self) -> Vec<(Whose, Numbers)> {
        self.rows.clone()
    }

    /// The groups of what `only` names, between two days.
    pub(crate) fn groups_of(
        &self,
        days: (u32, u32),
        by: &[Group],
        only: &[(Group, String)],
    ) -> BTreeMap<Vec<Arc<str>>, Numbers> {
        let mut groups: BTreeMap<Vec<Arc<str>>, Numbers> = BTreeMap::new();
        for (whose, numbers) in &self.rows {
            let is_asked = only.iter().all(|(group, name)| *group.of(whose) == **name);
            if is_asked && (days.0..=days.1).contains(&whose.day) {
                groups.entry(by.iter().map(|group| group.of(whose)).collect()).or_default().add(numbers);
            }
        }
        groups
    }

    /// The row of a key that has none yet in `by_index`.
    fn find(&mut self, key: &SumKey, names: &Names) -> usize {
        let mut whose = Whose {
            day: key.day(),
            client: names.client(key.client).into(),
            provider: names.provider(key.provider).into(),
            key: names.key(key.key).into(),
            model: key.model.as_str().into(),
            dialect: key.dialect,
        };
        if self.rows.len() >= limits::USAGE_ROWS_MAX && !self.by_name.contains_key(&whose) {
            whose.model = limits::OTHER_MODELS.into();
        }
        let row = *self.by_name.entry(whose).or_insert_with_key(|whose| {
            self.rows.push((whose.clone(), Numbers::default()));
            self.rows.len() - 1
        });
        // Reloads and midnights leave keys behind that nothing asks for again.
        if self.by_index.len() >= limits::USAGE_ROWS_MAX {
            self.by_index.clear();
        }
        self.by_index.insert(*key, row);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialect;
    use crate::record::{Model, NONE};

    fn names(client: &str) -> Names {
        Names { clients: [client.into()].into(), providers: ["p".into(), "q".into()].into(), ..Names::default() }
    }

    fn key(generation: u64, day: u32, provider: u16, model: &str) -> SumKey {
        let model = Model::new(model);
        SumKey { generation, minute: day * 24 * 60 + 7, dialect: Dialect::Chat, client: 0, provider, key: NONE, model }
    }

    const ONE: Numbers = Numbers {
        requests: 1,
        ok: 1,
        request_bytes: 0,
        response_bytes: 0,
        tokens: crate::record::Tokens { input: 5, output: 0, cache_read: 0, cache_write: 0, reasoning: 0, said: true },
        cost_nanos: 0,
    };

    #[test]
    fn rows_are_kept_by_name_across_generations() {
        let mut usage = Usage::default();
        usage.add(&key(1, 3, 0, "m"), &ONE, &names("alice"));
        usage.add(&key(2, 3, 0, "m"), &ONE, &names("alice"));
        usage.add(&key(3, 3, 0, "m"), &ONE, &names("bob"));
        let groups = usage.groups((0, u32::MAX), &[Group::Client]);
        let requests: Vec<_> = groups.iter().map(|(names, numbers)| (&*names[0], numbers.requests)).collect();
        assert_eq!(requests, [("alice", 2), ("bob", 1)]);
        assert_eq!(usage.rows.len(), 2);
    }

    #[test]
    fn days_bound_a_question_on_both_ends() {
        let mut usage = Usage::default();
        for day in 1..=4 {
            usage.add(&key(1, day, (day % 2) as u16, "m"), &ONE, &names("alice"));
        }
        let groups = usage.groups((2, 3), &[Group::Day, Group::Provider]);
        let found: Vec<_> = groups.keys().map(|names| (names[0].to_string(), names[1].to_string())).collect();
        assert_eq!(found, [("1970-01-03".into(), "p".into()), ("1970-01-04".into(), "q".into())]);
        assert_eq!(usage.groups((2, 3), &[]).values().map(|numbers| numbers.tokens.input).sum::<u64>(), 10);
    }

    #[test]
    fn rows_are_bounded_and_stay_exact() {
        let mut usage = Usage::default();
        let many = limits::USAGE_ROWS_MAX as u64 + 1_000;
        for model in 0..many {
            usage.add(&key(1, 0, 0, &format!("m{model}")), &ONE, &names("alice"));
        }
        assert_eq!(usage.rows.len(), limits::USAGE_ROWS_MAX + 1);
        assert_eq!(usage.groups((0, 0), &[]).values().map(|numbers| numbers.requests).sum::<u64>(), many);
    }
}
