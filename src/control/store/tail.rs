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
    /// What it can be found by, as the file knows it.
    marks: AHashSet<i64>,
}

impl Tail {
    /// Writes rows behind it. The tail that there is once the change holds; until then this one is.
    pub(super) fn extended(&self, change: &Transaction<'_>, rows: &[Row]) -> Result<Tail, Trouble> {
        let mut tail = self.clone();
        let mut rest = rows;
        while !rest.is_empty() {
            if tail.rows.len() >= limits::PACK_ROWS {
                tail = Tail::default();
            }
            let (now, later) = rest.split_at(rest.len().min(limits::PACK_ROWS - tail.rows.len()));
            tail.rows.extend_from_slice(now);
            tail.write(change, now)?;
            rest = later;
        }
        Ok(tail)
    }

    fn write(&mut self, change: &Transaction<'_>, fresh: &[Row]) -> Result<(), Trouble> {
        self.rows.sort_by_key(Row::place);
        let at = |row: Option<&Row>| row.map_or(0, |row| row.place().0 as i64);
        let (first, last) = (at(self.rows.first()), at(self.rows.last()));
        let body = pack::write(&self.rows);
        let number = match self.number {
            Some(number) => {
                let mut renew = change
                    .prepare_cached("UPDATE pack SET first = ?2, last = ?3, rows = ?4, body = ?5 WHERE number = ?1")?;
                renew.execute(params![number, first, last, self.rows.len(), body])?;
                number
            }
            None => {
                let mut insert = change.prepare_cached("INSERT INTO pack VALUES (NULL, ?1, ?2, ?3, ?4)")?;
                insert.insert(params![first, last, self.rows.len(), body])?
            }
        };
        self.number = Some(number);
        let mut within = change.prepare_cached("INSERT OR IGNORE INTO within VALUES (?1, ?2)")?;
        for mark in pack::fresh_marks(fresh.iter().copied(), &mut self.marks) {
            within.execute([mark, number])?;
        }
        Ok(())
    }
}
