//! The end of the rows: the pack that is not full yet, which each write makes anew with what came.

use ahash::AHashSet;
use rusqlite::{Transaction, params};

use super::pack::{self, Row};
use super::schema::Trouble;
use crate::limits;

/// The last pack of this process.
#[derive(Clone, Default)]
pub(super) struct Tail {
    /// Its number, once it is in the file.
    number: Option<i64>,
    rows: Vec<Row>,
    /// How many of them are in the file.
    written: usize,
    /// What it can be found by, as the file knows it.
    marks: AHashSet<i64>,
}

impl Tail {
    /// Writes rows behind it. The tail that there is once the change holds; until then this one is.
    pub(super) fn extended(&self, change: &Transaction<'_>, rows: &[Row]) -> Result<Tail, Trouble> {
        let (mut tail, mut rest) = (self.clone(), rows);
        while !rest.is_empty() {
            let into = tail.place();
            let (now, later) = rest.split_at(rest.len().min(limits::PACK_ROWS - into.len()));
            into.extend_from_slice(now);
            tail.write(change)?;
            rest = later;
        }
        Ok(tail)
    }

    /// Where rows go until there are `PACK_ROWS`: behind the last ones, or into another pack where this one is full.
    pub(super) fn place(&mut self) -> &mut Vec<Row> {
        if self.rows.len() >= limits::PACK_ROWS {
            (self.number, self.written) = (None, 0);
            self.rows.clear();
            self.marks.clear();
        }
        self.rows.reserve_exact(limits::PACK_ROWS - self.rows.len());
        &mut self.rows
    }

    /// Writes what has come.
    pub(super) fn write(&mut self, change: &Transaction<'_>) -> Result<(), Trouble> {
        let (body, reach) = pack::write(&self.rows);
        let number = match self.number {
            Some(number) => {
                let mut renew = change
                    .prepare_cached("UPDATE pack SET first = ?2, last = ?3, rows = ?4, body = ?5 WHERE number = ?1")?;
                renew.execute(params![number, reach.0, reach.1, self.rows.len(), body])?;
                number
            }
            None => {
                let mut insert = change.prepare_cached("INSERT INTO pack VALUES (NULL, ?1, ?2, ?3, ?4)")?;
                insert.insert(params![reach.0, reach.1, self.rows.len(), body])?
            }
        };
        self.number = Some(number);
        let mut within = change.prepare_cached("INSERT OR IGNORE INTO within VALUES (?1, ?2)")?;
        for mark in pack::fresh_marks(&self.rows[self.written..], &mut self.marks) {
            within.execute([mark, number])?;
        }
        self.written = self.rows.len();
        Ok(())
    }
}
