//! Lets go of what is older than it is kept, in steps that take some milliseconds each, between batches.
//!
//! Pages that become free serve new rows. Only where most of a large file is free it is cut, by steps too: nothing is
//! ever copied as a whole.

use ahash::AHashSet;
use rusqlite::{Connection, Transaction, params};

use super::pack::{self, Pack};
use super::schema::{self, Trouble};
use super::sums::Grain;
use crate::limits;

/// One step. Whether another one is needed.
pub(super) fn step(db: &Connection, keep_days: u32, now_ms: u64) -> Result<bool, Trouble> {
    let first_ms = |days: u32| now_ms.saturating_sub(u64::from(days) * 86_400_000);
    let oldest = schema::first_place(first_ms(keep_days));
    let most = limits::STORE_RETAIN_ROWS;
    let change = db.unchecked_transaction()?;
    let mut gone = 0;
    gone += packs(&change, oldest)?;
    gone += change
        .prepare_cached(
            "DELETE FROM attempt WHERE at < ?1 AND at <= (SELECT max(at) FROM
             (SELECT at FROM attempt WHERE at < ?1 ORDER BY at LIMIT ?2))",
        )?
        .execute(params![oldest, most])?;
    for grain in Grain::ALL {
        let first = u32::try_from(first_ms(grain.keep_days(keep_days)) / 60_000).unwrap_or(u32::MAX);
        let first = grain.floor(first);
        let old = format!(
            "DELETE FROM {0} WHERE at < ?1 AND at <= (SELECT max(at) FROM
             (SELECT at FROM {0} WHERE at < ?1 ORDER BY at LIMIT ?2))",
            grain.table()
        );
        gone += change.prepare_cached(&old)?.execute(params![first, most])?;
    }
    if gone == 0 {
        let day = u32::try_from(first_ms(keep_days) / 86_400_000).unwrap_or(u32::MAX);
        // A row is written at its exchange's end, a day late at most.
        change.execute("DELETE FROM name WHERE id <> 0 AND day < ?1 - 1", [day])?;
    }
    change.commit()?;
    if gone > 0 {
        return Ok(true);
    }
    let free: u64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    let all: u64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let is_hollow = free > all / 2 && free > limits::STORE_FREE_PAGES;
    if is_hollow {
        db.execute_batch(&format!("PRAGMA incremental_vacuum({})", limits::STORE_RETAIN_ROWS))?;
    }
    Ok(is_hollow)
}

/// Lets go of packs that have no row from `oldest` on. How many.
fn packs(change: &Transaction<'_>, oldest: i64) -> Result<usize, Trouble> {
    let mut find = change.prepare_cached("SELECT number, body FROM pack WHERE last < ?1 ORDER BY last LIMIT ?2")?;
    let mut rows = find.query(params![oldest, limits::STORE_RETAIN_ROWS / limits::PACK_ROWS as u64])?;
    let (mut packs, mut gone) = (0, 0_usize);
    let mut within = change.prepare_cached("DELETE FROM within WHERE name = ?1 AND pack = ?2")?;
    let mut delete = change.prepare_cached("DELETE FROM pack WHERE number = ?1 RETURNING rows")?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if let Some(pack) = Pack::read(body) {
            let rows: Vec<_> = (0..pack.len()).map(|row| pack.row(row)).collect();
            for mark in pack::fresh_marks(&rows, &mut AHashSet::new()) {
                within.execute([mark, number])?;
            }
        }
        gone += delete.query_row([number], |row| row.get::<_, usize>(0))?;
        packs += 1;
    }
    change.execute("UPDATE meta SET value = value - ?1 WHERE name = 'rows'", [gone])?;
    Ok(packs)
}
