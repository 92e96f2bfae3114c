//! What one change of the file writes: names as numbers, and by them rows, attempts, places of traces and sums.

use std::sync::LazyLock;

use ahash::AHashMap;
use rusqlite::{Transaction, params};

use super::Indexed;
use super::feed::Named;
use super::pack::{self, Column, Row};
use super::schema::{self, Trouble};
use super::sums::{Grain, Sums};
use crate::base::id::RequestId;
use crate::control::names::Names;
use crate::limits;
use crate::record::entry::came;
use crate::record::{Attempt, Entry, Text};

/// The greatest number of one exchange that is written: sums of millions of them fit.
const NUMBER_MAX: u64 = 1 << 40;

/// A transaction, and the numbers of names.
pub(super) struct Known<'a> {
    pub(super) change: &'a Transaction<'a>,
    pub(super) names: &'a mut AHashMap<Box<str>, i64>,
    pub(super) today: u32,
}

/// The numbers of names that a configuration has, by their index; 0 where it is not known yet.
pub(super) struct Ids {
    clients: Box<[i64]>,
    routes: Box<[i64]>,
    providers: Box<[i64]>,
    keys: Box<[i64]>,
}

impl Ids {
    /// None of these names is known yet.
    pub(super) fn of(names: &Names) -> Ids {
        let none = |names: &[Box<str>]| vec![0; names.len()].into_boxed_slice();
        let Names { clients, routes, providers, keys, .. } = names;
        Ids { clients: none(clients), routes: none(routes), providers: none(providers), keys: none(keys) }
    }
}

/// The numbers of an exchange.
fn numbers(row: &mut Row, told: &Entry) {
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    let flags = flag(told.streamed, pack::STREAMED)
        | flag(told.reused, pack::REUSED)
        | flag(told.traced, pack::TRACED)
        | flag(told.tokens.said, pack::SAID);
    let time = |us: u32| came(us).map_or(0, |us| u64::from(us) + 1);
    let mut set = |column: Column, number: u64| row.set(column, number.min(NUMBER_MAX));
    for (column, number) in [
        (Column::Status, u64::from(told.status)),
        (Column::Outcome, told.outcome as u64),
        (Column::Flags, flags),
        (Column::Attempts, u64::from(told.attempts)),
        (Column::Input, told.tokens.input),
        (Column::Output, told.tokens.output),
        (Column::CacheRead, told.tokens.cache_read),
        (Column::CacheWrite, told.tokens.cache_write),
        (Column::Reasoning, told.tokens.reasoning),
        (Column::Cost, told.cost_nanos),
        (Column::Begun, time(told.begun_us)),
        (Column::FirstByte, time(told.first_byte_us)),
        (Column::FirstToken, time(told.first_token_us)),
        (Column::Total, told.total_us),
        (Column::RequestBytes, told.request_bytes),
        (Column::ResponseBytes, told.response_bytes),
    ] {
        set(column, number);
    }
}

impl Known<'_> {
    /// The number of a name, which it has from now on.
    pub(super) fn name(&mut self, text: &str) -> Result<i64, Trouble> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(&id) = self.names.get(text) {
            return Ok(id);
        }
        let mut insert = self.change.prepare_cached(
            "INSERT INTO name (text, day) VALUES (?1, ?2)
             ON CONFLICT (text) DO UPDATE SET day = max(day, excluded.day) RETURNING id",
        )?;
        let id = insert.query_row(params![text, self.today], |row| row.get(0))?;
        self.names.insert(text.into(), id);
        Ok(id)
    }

    /// The number of the name with an index.
    fn indexed<'n>(&mut self, ids: &mut [i64], index: u16, name: impl FnOnce(u16) -> &'n str) -> Result<u64, Trouble> {
        let id = match ids.get_mut(usize::from(index)) {
            Some(id) if *id != 0 => *id,
            Some(id) => {
                *id = self.name(name(index))?;
                *id
            }
            None => self.name(name(index))?,
        };
        Ok(id as u64)
    }

    /// What is kept of exchanges, whose `names` these are, goes behind `rows`. What was not said of them is looked for in
    /// `dropped`.
    pub(super) fn rows(
        &mut self,
        told: &[Entry],
        names: &Names,
        ids: &mut Ids,
        dropped: &AHashMap<RequestId, Text<{ limits::DROPPED_BYTES }>>,
        rows: &mut Vec<Row>,
    ) -> Result<(), Trouble> {
        let mut before: Option<&Entry> = None;
        for told in told {
            let mut row = Row::default();
            let (at, rest) = schema::place_of(told.id.parts());
            row.set(Column::At, at as u64);
            row.set(Column::Rest, rest as u64);
            row.set(Column::Client, self.indexed(&mut ids.clients, told.client, |index| names.client(index))?);
            row.set(Column::Route, self.indexed(&mut ids.routes, told.route, |index| names.route(index))?);
            row.set(Column::Provider, self.indexed(&mut ids.providers, told.provider, |index| names.provider(index))?);
            row.set(Column::Key, self.indexed(&mut ids.keys, told.key, |index| names.key(index))?);
            // Of these nearly each is that of the row before.
            let before_it = before.zip(rows.last());
            let mut word = |column: Column, same: fn(&Entry, &Entry) -> bool, text: fn(&Entry) -> &str| {
                let id = match before_it {
                    Some((entry, row)) if same(entry, told) => row.get(column),
                    _ => self.name(text(told))? as u64,
                };
                row.set(column, id);
                Ok::<(), Trouble>(())
            };
            word(Column::Dialect, |a, b| a.dialect == b.dialect, |told| told.dialect.name())?;
            word(Column::Endpoint, |a, b| a.endpoint == b.endpoint, |told| told.endpoint.name())?;
            word(Column::Asked, |a, b| a.model_asked == b.model_asked, |told| told.model_asked.as_str())?;
            word(Column::Model, |a, b| a.model_sent == b.model_sent, |told| told.model_sent.as_str())?;
            word(Column::Scene, |a, b| a.scene == b.scene, |told| told.scene.map_or("", |scene| scene.name()))?;
            if !dropped.is_empty() {
                let members = dropped.get(&told.id).map_or("", Text::as_str);
                row.set(Column::Dropped, self.name(members)? as u64);
            }
            numbers(&mut row, told);
            rows.push(row);
            before = Some(told);
        }
        Ok(())
    }

    pub(super) fn attempts(&mut self, attempts: &[Named<Attempt>]) -> Result<(), Trouble> {
        let change = self.change;
        let mut insert =
            change.prepare_cached("INSERT OR IGNORE INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for Named { told, names } in attempts {
            let (at, _) = schema::place_of(told.id.parts());
            insert.execute(params![
                at,
                told.n,
                self.name(names.provider(told.provider))?,
                self.name(names.key(told.key))?,
                self.name(told.model.as_str())?,
                told.status,
                told.why.as_str(),
                told.begun_us,
                came(told.ended_us),
            ])?;
        }
        Ok(())
    }

    pub(super) fn traces(&mut self, traced: &[Indexed], segments_gone: &[u64]) -> Result<(), Trouble> {
        let mut insert = self.change.prepare_cached("INSERT OR REPLACE INTO trace VALUES (?1, ?2, ?3, ?4)")?;
        for one in traced {
            insert.execute(params![one.place, one.segment, one.start, one.length])?;
        }
        let mut delete = self.change.prepare_cached("DELETE FROM trace WHERE segment = ?1")?;
        for number in segments_gone {
            delete.execute([number])?;
        }
        Ok(())
    }

    pub(super) fn sums(&mut self, grains: &[Grain], minute: u32, names: [&str; 5], sums: &Sums) -> Result<(), Trouble> {
        let change = self.change;
        let mut ids = [0; 5];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = self.name(name)?;
        }
        let (numbers, tokens) = (&sums.numbers, &sums.numbers.tokens);
        let (first_token, total) = (sums.first_token.write(), sums.total.write());
        for grain in grains {
            let mut add = change.prepare_cached(&ADD_TO[*grain as usize])?;
            add.execute(params![
                grain.floor(minute),
                ids[0],
                ids[1],
                ids[2],
                ids[3],
                ids[4],
                whole(numbers.requests),
                whole(numbers.ok),
                whole(numbers.request_bytes),
                whole(numbers.response_bytes),
                whole(tokens.input),
                whole(tokens.output),
                whole(tokens.cache_read),
                whole(tokens.cache_write),
                whole(tokens.reasoning),
                whole(numbers.cost_nanos),
                first_token,
                total,
            ])?;
        }
        Ok(())
    }
}

/// A sum as it is written: absurd numbers stop at a top that sums of sums do not overflow.
fn whole(sum: u64) -> i64 {
    sum.min(1 << 53) as i64
}

/// What adds to the sums of each grain.
static ADD_TO: LazyLock<[String; Grain::ALL.len()]> = LazyLock::new(|| Grain::ALL.map(add_to));

fn add_to(grain: Grain) -> String {
    let sum = |name: &str| format!("{name} = min({name} + excluded.{name}, {})", 1_u64 << 53);
    let numbers = [
        "requests",
        "ok",
        "request_bytes",
        "response_bytes",
        "input",
        "output",
        "cache_read",
        "cache_write",
        "reasoning",
        "cost",
    ];
    format!(
        "INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT DO UPDATE SET {}, first_token = bins_add(first_token, excluded.first_token),
         total = bins_add(total, excluded.total)",
        grain.table(),
        numbers.map(sum).join(", ")
    )
}
