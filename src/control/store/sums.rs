//! Sums by whom and when: what is added up for the file, and what a question about usage asks.
//!
//! Three tables hold the same numbers by minute, by hour and by day. The coarsest that fits a question answers it, for
//! it has the fewest rows; what the file does not hold yet is added from memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use rusqlite::Connection;
use rusqlite::types::ToSql;

use super::bins::Bins;
use super::schema::Trouble;
use crate::control::names::Names;
use crate::control::stamp;
use crate::control::usage::Group;
use crate::limits;
use crate::record::entry::NEVER_US;
use crate::record::{Entry, Numbers, SumKey};

/// How finely a table divides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grain {
    Minute,
    Hour,
    Day,
}

impl Grain {
    pub(crate) const ALL: [Grain; 3] = [Grain::Minute, Grain::Hour, Grain::Day];

    /// The table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Grain::Minute => "minute",
            Grain::Hour => "hour",
            Grain::Day => "day",
        }
    }

    pub(crate) fn minutes(self) -> u32 {
        match self {
            Grain::Minute => 1,
            Grain::Hour => 60,
            Grain::Day => 24 * 60,
        }
    }

    /// Days that rows are kept, where usage is kept for `keep_days`.
    pub(crate) fn keep_days(self, keep_days: u32) -> u32 {
        match self {
            Grain::Minute => keep_days.min(limits::STORE_MINUTES_DAYS),
            Grain::Hour => keep_days.min(limits::STORE_HOURS_DAYS),
            Grain::Day => keep_days,
        }
    }

    /// The beginning of what `minute` lies in.
    pub(crate) fn floor(self, minute: u32) -> u32 {
        minute - minute % self.minutes()
    }
}

/// Numbers, and how long they took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) numbers: Numbers,
    pub(crate) first_token: Bins,
    pub(crate) total: Bins,
}

impl Sums {
    /// Adds one exchange.
    pub(crate) fn exchange(&mut self, entry: &Entry) {
        self.numbers.add(&Numbers::of(entry));
        self.total.add(entry.total_us);
        if entry.first_token_us != NEVER_US {
            self.first_token.add(u64::from(entry.first_token_us));
        }
    }

    pub(crate) fn merge(&mut self, more: &Sums) {
        self.numbers.add(&more.numbers);
        self.first_token.merge(&more.first_token);
        self.total.merge(&more.total);
    }
}

/// Sums that are in no file yet, by name.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    minute: u32,
    /// Client, provider, key, model, dialect.
    names: [Arc<str>; 5],
    sums: Sums,
}

impl Unwritten {
    pub(crate) fn of(key: &SumKey, names: &Names, sums: &Sums) -> Unwritten {
        let named: [&str; 5] = whose(key, names);
        Unwritten { minute: key.minute, names: named.map(Arc::from), sums: sums.clone() }
    }
}

/// Client, provider, key, model and dialect of a sum.
pub(crate) fn whose<'a>(key: &'a SumKey, names: &'a Names) -> [&'a str; 5] {
    [names.client(key.client), names.provider(key.provider), names.key(key.key), key.model.as_str(), key.dialect.name()]
}

/// The columns of `Unwritten::names`.
const NAMED: [Group; 5] = [Group::Client, Group::Provider, Group::Key, Group::Model, Group::Dialect];

/// A stretch of time: from its first minute up to one that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct By {
    pub(crate) grain: Grain,
    pub(crate) span: Span,
    pub(crate) groups: Vec<Group>,
    /// What members have to be, by name.
    pub(crate) only: Vec<(Group, String)>,
}

/// Sums by the names of their groups.
pub(crate) type Totals = BTreeMap<Vec<Arc<str>>, Sums>;

impl By {
    /// Adds sums that are in no file.
    pub(crate) fn add(&self, totals: &mut Totals, unwritten: &[Unwritten]) {
        for one in unwritten {
            let at = self.grain.floor(one.minute);
            let name = |group: Group| NAMED.iter().position(|known| *known == group).map(|place| &one.names[place]);
            let is_asked = self.only.iter().all(|(group, wanted)| name(*group).is_some_and(|name| **name == **wanted));
            if !is_asked || at < self.span.from || at >= self.span.to {
                continue;
            }
            let key = |group: &Group| name(*group).cloned().unwrap_or_else(|| moment(*group, at));
            totals.entry(self.groups.iter().map(key).collect()).or_default().merge(&one.sums);
        }
    }

    /// Asks the file.
    pub(crate) fn ask(&self, db: &Connection) -> Result<Totals, Trouble> {
        let mut wanted: Vec<(Group, i64)> = Vec::new();
        for (group, name) in &self.only {
            match super::read::name_id(db, name)? {
                Some(id) => wanted.push((*group, id)),
                None => return Ok(Totals::new()),
            }
        }
        let columns: String = self.groups.iter().map(|group| column(*group) + ", ").collect();
        let filter: String = wanted.iter().map(|(group, _)| format!(" AND {} = ?", group.name())).collect();
        let by: String =
            (1..=self.groups.len()).map(|nth| format!("{}{nth}", if nth > 1 { ", " } else { "" })).collect();
        let by = if by.is_empty() { by } else { format!(" GROUP BY {by}") };
        let mut query = db.prepare(&format!(
            "SELECT {columns} sum(requests), sum(ok), sum(request_bytes), sum(response_bytes), sum(input), sum(output),
             sum(cache_read), sum(cache_write), sum(reasoning), sum(cost), bins(first_token), bins(total)
             FROM {} WHERE at >= ? AND at < ?{filter}{by}",
            self.grain.table()
        ))?;
        let mut values: Vec<&dyn ToSql> = vec![&self.span.from, &self.span.to];
        values.extend(wanted.iter().map(|(_, id)| id as &dyn ToSql));
        let mut rows = query.query(&values[..])?;
        let (mut totals, mut known) = (Totals::new(), AHashMap::new());
        while let Some(row) = rows.next()? {
            let mut key = Vec::with_capacity(self.groups.len());
            for (place, group) in self.groups.iter().enumerate() {
                let value: i64 = row.get(place)?;
                key.push(match group {
                    Group::Day | Group::Hour | Group::Minute => moment(*group, value as u32),
                    _ => super::read::name_of(db, &mut known, value)?,
                });
            }
            let sums = sums_of(row, self.groups.len())?;
            if sums.numbers.requests > 0 {
                totals.entry(key).or_default().merge(&sums);
            }
        }
        Ok(totals)
    }
}

fn column(group: Group) -> String {
    let floor = |grain: Grain| format!("at - at % {}", grain.minutes());
    match group {
        Group::Day => floor(Grain::Day),
        Group::Hour => floor(Grain::Hour),
        Group::Minute => "at".to_owned(),
        _ => group.name().to_owned(),
    }
}

/// A moment as answers name it.
fn moment(group: Group, minute: u32) -> Arc<str> {
    match group {
        Group::Hour => stamp::minute(Grain::Hour.floor(minute)).into(),
        Group::Minute => stamp::minute(minute).into(),
        _ => stamp::day(minute / Grain::Day.minutes()).into(),
    }
}

fn sums_of(row: &rusqlite::Row<'_>, first: usize) -> Result<Sums, Trouble> {
    let number = |place: usize| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<i64>>(first + place)?.and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0))
    };
    let mut sums = Sums::default();
    let numbers = &mut sums.numbers;
    numbers.requests = number(0)?;
    numbers.ok = number(1)?;
    numbers.request_bytes = number(2)?;
    numbers.response_bytes = number(3)?;
    numbers.tokens.input = number(4)?;
    numbers.tokens.output = number(5)?;
    numbers.tokens.cache_read = number(6)?;
    numbers.tokens.cache_write = number(7)?;
    numbers.tokens.reasoning = number(8)?;
    numbers.cost_nanos = number(9)?;
    for (place, bins) in [(10, &mut sums.first_token), (11, &mut sums.total)] {
        let bytes = row.get_ref(first + place)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        bins.read(bytes.unwrap_or_default());
    }
    Ok(sums)
}
