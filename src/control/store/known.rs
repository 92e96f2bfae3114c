//! What one change of the file writes: names as numbers, and by them rows, attempts, places of traces and sums.

use ahash::AHashMap;
use rusqlite::{Transaction, params};

use super::Indexed;
use super::feed::Named;
use super::pack::{self, Column, Row};
use super::schema::{self, Trouble};
use super::sums::{Grain, Sums};
use crate::base::id::RequestId;
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

/// The numbers of an exchange.
fn numbers(row: &mut Row, told: &Entry) {
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    let flags = flag(told.streamed, pack::STREAMED)
        | flag(told.reused, pack::REUSED)
        | flag(told.traced, pack::TRACED)
        | flag(told.tokens.said, pack::SAID);
    let time = |us: u32| came(us).map_or(0, |us| u64::from(us) + 1);
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
        row.set(column, number.min(NUMBER_MAX));
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

    /// What is kept of exchanges. What was not said of them is looked for in `dropped`.
    pub(super) fn rows(
        &mut self,
        told: &[Named<Entry>],
        dropped: &AHashMap<RequestId, Text<{ limits::DROPPED_BYTES }>>,
    ) -> Result<Vec<Row>, Trouble> {
        let mut rows = Vec::with_capacity(told.len());
        // Nearly each name is that of the row before, and to see that costs a quarter of looking it up.
        let mut last = [("", 0); pack::NAMES.len()];
        for Named { told, names } in told {
            let Some((at, rest)) = schema::place(told.id.as_str()) else { continue };
            let scene = told.scene.map_or("", |scene| scene.name());
            let dropped = dropped.get(&told.id).map_or("", Text::as_str);
            let named = [
                names.client(told.client),
                names.route(told.route),
                told.dialect.name(),
                told.endpoint.name(),
                told.model_asked.as_str(),
                told.model_sent.as_str(),
                names.provider(told.provider),
                names.key(told.key),
                scene,
                dropped,
            ];
            let mut row = Row::default();
            row.set(Column::At, at as u64);
            row.set(Column::Rest, rest as u64);
            for ((column, name), last) in pack::NAMES.into_iter().zip(named).zip(&mut last) {
                if last.0 != name {
                    *last = (name, self.name(name)?);
                }
                row.set(column, last.1 as u64);
            }
            numbers(&mut row, told);
            rows.push(row);
        }
        Ok(rows)
    }

    pub(super) fn attempts(&mut self, attempts: &[Named<Attempt>]) -> Result<(), Trouble> {
        let change = self.change;
        let mut insert =
            change.prepare_cached("INSERT OR IGNORE INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for Named { told, names } in attempts {
            let Some((at, _)) = schema::place(told.id.as_str()) else { continue };
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
            let mut add = change.prepare_cached(&add_to(*grain))?;
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
