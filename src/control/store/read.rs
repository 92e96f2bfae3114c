//! Questions to the file about exchanges one by one.
//!
//! Rows are walked from the newest to the oldest along the index that fits best, and looked at one by one for the rest
//! of what is asked. A walk has a bound of time; where it is met the page ends, perhaps empty, and says where the next
//! one goes on, so that no question holds anything up however many rows there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use super::Indexed;
use super::query::{Exchange, Filter};
use super::schema::{self, LOT_BITS, Trouble};
use crate::limits;
use crate::record::{Outcome, Tokens};

/// The number of a name; nothing where no row has it.
pub(super) fn name_id(db: &Connection, name: &str) -> Result<Option<i64>, Trouble> {
    let mut query = db.prepare_cached("SELECT id FROM name WHERE text = ?1")?;
    Ok(query.query_row([name], |row| row.get(0)).optional()?)
}

/// The name of a number.
pub(super) fn name_of(db: &Connection, known: &mut AHashMap<i64, Arc<str>>, id: i64) -> Result<Arc<str>, Trouble> {
    if let Some(name) = known.get(&id) {
        return Ok(name.clone());
    }
    let mut query = db.prepare_cached("SELECT text FROM name WHERE id = ?1")?;
    let name: Option<String> = query.query_row([id], |row| row.get(0)).optional()?;
    let name: Arc<str> = name.as_deref().unwrap_or("?").into();
    known.insert(id, name.clone());
    Ok(name)
}

/// A page of exchanges, newest first.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) exchanges: Vec<Exchange>,
    /// The id of the last row that was looked at, where there may be more behind it.
    pub(crate) next: Option<String>,
}

const COLUMNS: &str = "at, rest, client, route, dialect, endpoint, asked, model, provider, key, status, outcome, flags,
    attempts, scene, input, output, cache_read, cache_write, reasoning, cost, begun, first_byte, first_token, total,
    request_bytes, response_bytes";

/// Numbers of the names that a filter asks for.
struct Wanted {
    client: Option<i64>,
    provider: Option<i64>,
    key: Option<i64>,
    model: Option<i64>,
    dialect: Option<i64>,
}

impl Wanted {
    /// Nothing where a name is not known, so that no row can have it.
    fn of(db: &Connection, filter: &Filter) -> Result<Option<Wanted>, Trouble> {
        let mut is_known = true;
        let mut id = |name: &Option<String>| -> Result<Option<i64>, Trouble> {
            let Some(name) = name else { return Ok(None) };
            let id = name_id(db, name)?;
            is_known &= id.is_some();
            Ok(id)
        };
        let wanted = Wanted {
            client: id(&filter.client)?,
            provider: id(&filter.provider)?,
            key: id(&filter.key)?,
            model: id(&filter.model)?,
            dialect: id(&filter.dialect)?,
        };
        Ok(is_known.then_some(wanted))
    }

    fn admits(&self, row: &Row<'_>, filter: &Filter) -> rusqlite::Result<bool> {
        let is = |wanted: Option<i64>, column: usize| -> rusqlite::Result<bool> {
            Ok(match wanted {
                None => true,
                Some(wanted) => row.get::<_, i64>(column)? == wanted,
            })
        };
        Ok(is(self.client, 2)?
            && is(self.dialect, 4)?
            && is(self.provider, 8)?
            && is(self.key, 9)?
            && (is(self.model, 6)? || is(self.model, 7)?)
            && (!filter.traced || row.get::<_, u8>(12)? & 4 != 0)
            && filter.status.admits(row.get(10)?, outcome(row.get(11)?)))
    }

    /// The walk, and what it is bound to beside the places.
    fn walk(&self, filter: &Filter) -> (String, Option<i64>) {
        if filter.traced {
            let walk = format!(
                "SELECT {COLUMNS} FROM trace CROSS JOIN exchange ON at = place WHERE place >= ?1 AND place < ?2
                 ORDER BY place DESC"
            );
            return (walk, None);
        }
        let along = |index: &str, condition: &str| {
            format!(
                "SELECT {COLUMNS} FROM exchange INDEXED BY {index} WHERE {condition} AND at >= ?1 AND at < ?2
                 ORDER BY at DESC"
            )
        };
        if let Some(client) = self.client {
            return (along("exchange_client", "client = ?3"), Some(client));
        }
        if let Some(model) = self.model {
            let sent = format!("SELECT {COLUMNS} FROM exchange WHERE model = ?3 AND at >= ?1 AND at < ?2");
            let asked =
                format!("SELECT {COLUMNS} FROM exchange WHERE asked = ?3 AND asked <> model AND at >= ?1 AND at < ?2");
            return (format!("{sent} UNION ALL {asked} ORDER BY at DESC"), Some(model));
        }
        if filter.status.is_failure() {
            return (failed(), None);
        }
        match self.provider {
            Some(provider) => (along("exchange_provider", "provider = ?3"), Some(provider)),
            None => (format!("SELECT {COLUMNS} FROM exchange WHERE at >= ?1 AND at < ?2 ORDER BY at DESC"), None),
        }
    }
}

/// The walk along all that failed: each way to fail is a run of the index, and the runs are merged.
fn failed() -> String {
    let ways = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Ok).map(|outcome| {
        format!(
            "SELECT {COLUMNS} FROM exchange INDEXED BY exchange_failed
             WHERE outcome = {0} AND outcome <> 0 AND at >= ?1 AND at < ?2",
            *outcome as u8
        )
    });
    format!("{} ORDER BY at DESC", ways.collect::<Vec<_>>().join(" UNION ALL "))
}

fn outcome(number: u8) -> Outcome {
    Outcome::ALL.get(usize::from(number)).copied().unwrap_or(Outcome::Cut)
}

/// Exchanges before the one with the id `before`, or the newest.
pub(crate) fn page(db: &Connection, filter: &Filter, before: Option<&str>, limit: usize) -> Result<Page, Trouble> {
    let deadline = Instant::now() + Duration::from_millis(limits::PAGE_MS_MAX);
    let Some(wanted) = Wanted::of(db, filter)? else { return Ok(Page::default()) };
    let first = schema::first_place(filter.from_ms);
    let end = filter.to_ms.map_or(i64::MAX, schema::first_place);
    let end = before.and_then(schema::place).map_or(end, |(at, _)| at.min(end));
    let (walk, bound) = wanted.walk(filter);
    let mut query = db.prepare_cached(&walk)?;
    let mut values: Vec<&dyn ToSql> = vec![&first, &end];
    values.extend(bound.iter().map(|id| id as &dyn ToSql));
    let mut rows = query.query(&values[..])?;
    let (mut page, mut names, mut looked) = (Page::default(), AHashMap::new(), 0_u32);
    while let Some(row) = rows.next()? {
        let place = (row.get(0)?, row.get(1)?);
        let is_wanted = wanted.admits(row, filter)?;
        if is_wanted {
            let exchange = exchange(db, row, &mut names)?;
            if filter.says(&exchange) {
                page.exchanges.push(exchange);
            }
        }
        looked += 1;
        let is_late = looked.is_multiple_of(256) && Instant::now() >= deadline;
        if page.exchanges.len() >= limit || is_late {
            page.next = Some(schema::id(place.0, place.1).as_str().to_owned());
            break;
        }
    }
    Ok(page)
}

/// One exchange, and its attempts.
pub(crate) fn one(db: &Connection, id: &str) -> Result<Option<(Exchange, Vec<Value>)>, Trouble> {
    let Some((at, rest)) = schema::place(id) else { return Ok(None) };
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM exchange WHERE at = ?1 AND rest = ?2"))?;
    let mut names = AHashMap::new();
    let mut rows = query.query([at, rest])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let found = exchange(db, row, &mut names)?;
    let tries = attempts(db, at, &found, &mut names)?;
    Ok(Some((found, tries)))
}

/// The attempts of an exchange, as answers show them.
fn attempts(
    db: &Connection,
    at: i64,
    exchange: &Exchange,
    names: &mut AHashMap<i64, Arc<str>>,
) -> Result<Vec<Value>, Trouble> {
    let mut query = db.prepare_cached(
        "SELECT n, provider, key, model, status, why, begun, ended FROM attempt WHERE at = ?1 ORDER BY n",
    )?;
    let mut rows = query.query([at])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let ended: Option<u32> = row.get(7)?;
        // The one that ended with the exchange is what the exchange's own row tells of.
        let served = ended.is_none();
        found.push(json!({
            "n": row.get::<_, u8>(0)?,
            "provider": &*name_of(db, names, row.get(1)?)?,
            "key": &*name_of(db, names, row.get(2)?)?,
            "model": &*name_of(db, names, row.get(3)?)?,
            "status": row.get::<_, u16>(4)?,
            "why": row.get::<_, String>(5)?,
            "begun_us": row.get::<_, u32>(6)?,
            "first_byte_us": exchange.first_byte_us.filter(|_| served),
            "first_token_us": exchange.first_token_us.filter(|_| served),
            "ended_us": ended.map_or(exchange.total_us, u64::from),
            "reused": served && exchange.reused,
        }));
    }
    Ok(if found.is_empty() { exchange.only_attempt() } else { found })
}

fn exchange(db: &Connection, row: &Row<'_>, names: &mut AHashMap<i64, Arc<str>>) -> Result<Exchange, Trouble> {
    let mut name = |column: usize| -> Result<Arc<str>, Trouble> { name_of(db, names, row.get(column)?) };
    let at: i64 = row.get(0)?;
    let flags: u8 = row.get(12)?;
    let number = |column: usize| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    };
    let dropped =
        db.prepare_cached("SELECT members FROM dropped WHERE at = ?1")?.query_row(params![at], |row| row.get(0));
    Ok(Exchange {
        id: schema::id(at, row.get(1)?).as_str().to_owned(),
        unix_ms: at as u64 >> LOT_BITS,
        client: name(2)?,
        route: name(3)?,
        dialect: name(4)?,
        endpoint: name(5)?,
        model_asked: name(6)?,
        model_sent: name(7)?,
        provider: name(8)?,
        key: name(9)?,
        status: row.get(10)?,
        outcome: outcome(row.get(11)?),
        streamed: flags & 1 != 0,
        reused: flags & 2 != 0,
        traced: flags & 4 != 0,
        attempts: row.get(13)?,
        scene: name(14)?,
        tokens: Tokens {
            input: number(15)?,
            output: number(16)?,
            cache_read: number(17)?,
            cache_write: number(18)?,
            reasoning: number(19)?,
            said: row.get::<_, Option<i64>>(15)?.is_some(),
        },
        cost_nanos: number(20)?,
        begun_us: row.get(21)?,
        first_byte_us: row.get(22)?,
        first_token_us: row.get(23)?,
        total_us: number(24)?,
        request_bytes: number(25)?,
        response_bytes: number(26)?,
        dropped: dropped.optional()?.unwrap_or_default(),
    })
}

/// Where the trace of an exchange is.
pub(crate) fn traced(db: &Connection, id: &str) -> Result<Option<Indexed>, Trouble> {
    let Some((place, _)) = schema::place(id) else { return Ok(None) };
    let mut query = db.prepare_cached("SELECT segment, start, length FROM trace WHERE place = ?1")?;
    let found = query
        .query_row([place], |row| Ok(Indexed { place, segment: row.get(0)?, start: row.get(1)?, length: row.get(2)? }));
    Ok(found.optional()?)
}

/// What is known of the file as a whole.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) oldest_unix_ms: Option<u64>,
}

pub(super) fn facts(db: &Connection) -> Result<Facts, Trouble> {
    let number = |query: &str| db.query_row(query, [], |row| row.get::<_, Option<u64>>(0));
    let oldest = number("SELECT min(at) FROM exchange")?;
    Ok(Facts {
        bytes: number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?.unwrap_or(0),
        rows: number("SELECT value FROM meta WHERE name = 'rows'")?.unwrap_or(0),
        oldest_unix_ms: oldest.map(|at| at >> LOT_BITS),
    })
}
