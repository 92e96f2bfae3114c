//! How a file of an older form becomes one of the newest, step by step.

use ahash::AHashMap;
use rusqlite::{OptionalExtension as _, Transaction};

use super::known::Known;
use super::pack::{self, Column, Row};
use super::schema::{LOT_BITS, Trouble};
use super::tail::Tail;
use crate::limits;

/// Makes one form of the file of the one before it.
type Step = fn(&Transaction<'_>) -> Result<(), Trouble>;

/// What makes each form; the first one of an empty file.
pub(super) const STEPS: [Step; 2] = [first_form, packs];

fn first_form(change: &Transaction<'_>) -> Result<(), Trouble> {
    Ok(change.execute_batch(include_str!("schema.sql"))?)
}

/// The columns of rows that lay by themselves, in the order of the file's first form, and where they go.
const FIRST_FORM: [(&str, Column); 26] = [
    ("at", Column::At),
    ("rest", Column::Rest),
    ("client", Column::Client),
    ("route", Column::Route),
    ("dialect", Column::Dialect),
    ("endpoint", Column::Endpoint),
    ("asked", Column::Asked),
    ("model", Column::Model),
    ("provider", Column::Provider),
    ("key", Column::Key),
    ("scene", Column::Scene),
    ("status", Column::Status),
    ("outcome", Column::Outcome),
    ("attempts", Column::Attempts),
    ("ifnull(input, 0)", Column::Input),
    ("ifnull(output, 0)", Column::Output),
    ("ifnull(cache_read, 0)", Column::CacheRead),
    ("ifnull(cache_write, 0)", Column::CacheWrite),
    ("ifnull(reasoning, 0)", Column::Reasoning),
    ("cost", Column::Cost),
    ("ifnull(begun + 1, 0)", Column::Begun),
    ("ifnull(first_byte + 1, 0)", Column::FirstByte),
    ("ifnull(first_token + 1, 0)", Column::FirstToken),
    ("total", Column::Total),
    ("request_bytes", Column::RequestBytes),
    ("response_bytes", Column::ResponseBytes),
];

/// Rows of their own become packs.
fn packs(change: &Transaction<'_>) -> Result<(), Trouble> {
    change.execute_batch(include_str!("packs.sql"))?;
    let columns: Vec<&str> = FIRST_FORM.iter().map(|(column, _)| *column).collect();
    // The first form had three flags, and no number where the upstream did not say what it used.
    let flags = format!("flags | CASE WHEN input IS NULL THEN 0 ELSE {} END", pack::SAID);
    let mut query = change.prepare(&format!("SELECT {}, {flags} FROM exchange ORDER BY at", columns.join(", ")))?;
    let mut rows = query.query([])?;
    let (mut tail, mut few) = (Tail::default(), Vec::with_capacity(limits::PACK_ROWS));
    while let Some(found) = rows.next()? {
        let mut row = Row::default();
        for (place, (_, column)) in FIRST_FORM.iter().enumerate() {
            row.set(*column, found.get::<_, i64>(place)? as u64);
        }
        row.set(Column::Flags, found.get::<_, i64>(FIRST_FORM.len())? as u64);
        row.set(Column::Dropped, dropped(change, row.get(Column::At))? as u64);
        few.push(row);
        if few.len() == limits::PACK_ROWS {
            tail = tail.extended(change, &few)?;
            few.clear();
        }
    }
    tail.extended(change, &few)?;
    drop(rows);
    drop(query);
    Ok(change.execute_batch("DROP TABLE exchange; DROP TABLE dropped;")?)
}

/// What was not said of an exchange becomes a name.
fn dropped(change: &Transaction<'_>, at: u64) -> Result<i64, Trouble> {
    let mut query = change.prepare_cached("SELECT members FROM dropped WHERE at = ?1")?;
    let Some(members) = query.query_row([at], |row| row.get::<_, String>(0)).optional()? else { return Ok(0) };
    let today = u32::try_from((at >> LOT_BITS) / 86_400_000).unwrap_or(u32::MAX);
    Known { change, names: &mut AHashMap::new(), today }.name(&members)
}
