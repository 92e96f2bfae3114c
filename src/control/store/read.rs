//! Questions to the file about exchanges one by one.
//!
//! Packs are walked from the one that reaches farthest, as far as they can hold what is asked for by their marks, and
//! their rows are looked at where they lie. A row goes out once no pack that is left reaches as far. A walk has a bound
//! of time; where it is met the page ends, perhaps empty, and says where the next one goes on, so that no question holds
//! anything up however many rows there are.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Value, json};

use super::Indexed;
use super::pack::{self, Column, Pack, Row};
use super::query::{Exchange, Filter, Status};
use super::schema::{self, LOT_BITS, Trouble};
use crate::base::id::REQUEST_ID_BYTES;
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

/// What is asked of rows, with names as their numbers.
struct Wanted<'a> {
    filter: &'a Filter,
    /// What a column has to be.
    names: Vec<(Column, u64)>,
    /// As it was asked for or as it was sent.
    model: Option<u64>,
    words: Option<Words>,
}

impl Wanted<'_> {
    /// Nothing where a name is not known, so that no row can have it.
    fn of<'a>(db: &Connection, filter: &'a Filter) -> Result<Option<Wanted<'a>>, Trouble> {
        let mut names = Vec::new();
        for (column, name) in [
            (Column::Client, &filter.client),
            (Column::Provider, &filter.provider),
            (Column::Key, &filter.key),
            (Column::Dialect, &filter.dialect),
        ] {
            let Some(name) = name else { continue };
            let Some(id) = name_id(db, name)? else { return Ok(None) };
            names.push((column, id as u64));
        }
        let model = match &filter.model {
            None => None,
            Some(model) => match name_id(db, model)? {
                None => return Ok(None),
                id => id.map(|id| id as u64),
            },
        };
        let words = match filter.words.as_deref().filter(|words| !words.is_empty()) {
            None => None,
            Some(words) => Some(Words::of(db, words)?),
        };
        Ok(Some(Wanted { filter, names, model, words }))
    }

    /// Marks of which a pack must have one of each list.
    fn marks(&self) -> Vec<Vec<i64>> {
        let mut marks: Vec<Vec<i64>> = self.names.iter().map(|(_, id)| vec![*id as i64]).collect();
        marks.extend(self.model.map(|id| vec![id as i64]));
        if self.filter.traced {
            marks.push(vec![pack::TRACED_MARK]);
        }
        match self.filter.status {
            Status::Any => {}
            Status::Ok => marks.push(vec![pack::outcome_mark(Outcome::Ok as u64)]),
            Status::Error => marks.push((1..Outcome::ALL.len() as u64).map(pack::outcome_mark).collect()),
            Status::Class(class) => marks.push(vec![pack::class_mark(u64::from(class))]),
            Status::Number(status) => marks.push(vec![pack::status_mark(u64::from(status))]),
        }
        marks.extend(self.words.as_ref().and_then(Words::marks));
        marks
    }

    fn admits(&self, pack: &Pack<'_>, row: usize) -> bool {
        let is = |column: Column, id: u64| pack.get(row, column) == id;
        let status = |status: Status| {
            status == Status::Any
                || status.admits(pack.get(row, Column::Status) as u16, outcome(pack.get(row, Column::Outcome)))
        };
        self.names.iter().all(|(column, id)| is(*column, *id))
            && self.model.is_none_or(|id| is(Column::Asked, id) || is(Column::Model, id))
            && (!self.filter.traced || pack.get(row, Column::Flags) & pack::TRACED != 0)
            && status(self.filter.status)
            && self.words.as_ref().is_none_or(|words| words.are_in(pack, row))
    }
}

/// Words that are looked for, in any case: in names, in the end, or in the id.
struct Words {
    lower: String,
    names: AHashSet<u64>,
    outcomes: Vec<u64>,
    may_be_id: bool,
}

impl Words {
    fn of(db: &Connection, words: &str) -> Result<Words, Trouble> {
        let lower = words.to_lowercase();
        let mut query = db.prepare_cached("SELECT id, text FROM name WHERE id <> 0")?;
        let mut rows = query.query([])?;
        let mut names = AHashSet::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            if text.to_lowercase().contains(&lower) {
                names.insert(row.get::<_, i64>(0)? as u64);
            }
        }
        let outcomes = Outcome::ALL.iter().filter(|outcome| outcome.name().contains(&lower));
        let outcomes = outcomes.map(|outcome| *outcome as u64).collect();
        let may_be_id = lower.len() <= REQUEST_ID_BYTES && lower.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Ok(Words { lower, names, outcomes, may_be_id })
    }

    /// Marks of which a pack must have one, where that is worth a look.
    fn marks(&self) -> Option<Vec<i64>> {
        if self.may_be_id || self.names.len() > limits::PAGE_NAMES_LOOKED {
            return None;
        }
        let outcomes = self.outcomes.iter().map(|outcome| pack::outcome_mark(*outcome));
        Some(self.names.iter().map(|name| *name as i64).chain(outcomes).collect())
    }

    fn are_in(&self, pack: &Pack<'_>, row: usize) -> bool {
        pack::SOUGHT.iter().any(|column| self.names.contains(&pack.get(row, *column)))
            || self.outcomes.contains(&pack.get(row, Column::Outcome))
            || (self.may_be_id && {
                let (at, rest) = pack.place(row);
                schema::id(at as i64, rest as i64).as_str().contains(&self.lower)
            })
    }
}

fn outcome(number: u64) -> Outcome {
    Outcome::ALL.get(number as usize).copied().unwrap_or(Outcome::Cut)
}

/// A row that is wanted and waits until no pack can hold a newer one.
struct Waiting(Row);

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> Ordering {
        self.0.place().cmp(&other.0.place())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

/// Packs that may hold what is wanted between two places, those first that reach farthest.
fn walk(marks: &[Vec<i64>]) -> String {
    let mut walk = "SELECT last, body FROM pack WHERE last >= ?1 AND first <= ?2".to_owned();
    for one_of in marks {
        let list = one_of.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        walk += &format!(" AND EXISTS (SELECT 1 FROM within WHERE name IN ({list}) AND pack = number)");
    }
    walk + " ORDER BY last DESC"
}

/// Exchanges before the one with the id `before`, or the newest.
pub(crate) fn page(db: &Connection, filter: &Filter, before: Option<&str>, limit: usize) -> Result<Page, Trouble> {
    let deadline = Instant::now() + Duration::from_millis(limits::PAGE_MS_MAX);
    page_until(deadline, db, filter, before, limit)
}

pub(super) fn page_until(
    deadline: Instant,
    db: &Connection,
    filter: &Filter,
    before: Option<&str>,
    limit: usize,
) -> Result<Page, Trouble> {
    let Some(wanted) = Wanted::of(db, filter)? else { return Ok(Page::default()) };
    let first = (schema::first_place(filter.from_ms) as u64, 0);
    let end = (filter.to_ms.map_or(i64::MAX, schema::first_place) as u64, 0);
    let end = before.and_then(schema::place).map_or(end, |(at, rest)| end.min((at as u64, rest as u64)));
    let mut query = db.prepare(&walk(&wanted.marks()))?;
    let mut packs = query.query([first.0 as i64, end.0 as i64])?;
    let (mut page, mut known, mut waiting) = (Page::default(), AHashMap::new(), BinaryHeap::new());
    loop {
        let next = packs.next()?;
        let reach = next.map(|row| row.get::<_, i64>(0)).transpose()?;
        while let Some(Waiting(row)) = waiting.peek()
            && reach.is_none_or(|reach| row.place().0 > reach as u64)
        {
            let (at, rest) = row.place();
            page.exchanges.push(exchange(db, row, &mut known)?);
            waiting.pop();
            if page.exchanges.len() >= limit {
                page.next = Some(schema::id(at as i64, rest as i64).as_str().to_owned());
                return Ok(page);
            }
        }
        let (Some(found), Some(reach)) = (next, reach) else { return Ok(page) };
        // Before the place where it began: each page gets on.
        if (reach as u64) < end.0 && Instant::now() >= deadline {
            page.next = Some(schema::last_id(reach).as_str().to_owned());
            return Ok(page);
        }
        let body = found.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        // A pack that cannot be read hides its own rows and no others.
        let Some(pack) = Pack::read(body) else { continue };
        let rows = pack.before(first)..pack.before(end);
        waiting.extend(rows.filter(|row| wanted.admits(&pack, *row)).map(|row| Waiting(pack.row(row))));
    }
}

/// One exchange, and its attempts.
pub(crate) fn one(db: &Connection, id: &str) -> Result<Option<(Exchange, Vec<Value>)>, Trouble> {
    let Some((at, rest)) = schema::place(id) else { return Ok(None) };
    let mut query = db.prepare_cached("SELECT body FROM pack WHERE last >= ?1 AND first <= ?1")?;
    let mut packs = query.query([at])?;
    let place = (at as u64, rest as u64);
    while let Some(found) = packs.next()? {
        let body = found.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let Some(pack) = Pack::read(body) else { continue };
        let row = pack.before(place);
        if row < pack.len() && pack.place(row) == place {
            let mut names = AHashMap::new();
            let found = exchange(db, &pack.row(row), &mut names)?;
            let tries = attempts(db, at, &found, &mut names)?;
            return Ok(Some((found, tries)));
        }
    }
    Ok(None)
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

fn exchange(db: &Connection, row: &Row, names: &mut AHashMap<i64, Arc<str>>) -> Result<Exchange, Trouble> {
    let mut name = |column: Column| name_of(db, names, row.get(column) as i64);
    let time = |column: Column| row.get(column).checked_sub(1).and_then(|us| u32::try_from(us).ok());
    let (at, rest) = row.place();
    let flags = row.get(Column::Flags);
    Ok(Exchange {
        id: schema::id(at as i64, rest as i64).as_str().to_owned(),
        unix_ms: at >> LOT_BITS,
        client: name(Column::Client)?,
        route: name(Column::Route)?,
        dialect: name(Column::Dialect)?,
        endpoint: name(Column::Endpoint)?,
        model_asked: name(Column::Asked)?,
        model_sent: name(Column::Model)?,
        provider: name(Column::Provider)?,
        key: name(Column::Key)?,
        scene: name(Column::Scene)?,
        dropped: name(Column::Dropped)?,
        status: row.get(Column::Status) as u16,
        outcome: outcome(row.get(Column::Outcome)),
        streamed: flags & pack::STREAMED != 0,
        reused: flags & pack::REUSED != 0,
        traced: flags & pack::TRACED != 0,
        attempts: row.get(Column::Attempts) as u8,
        tokens: Tokens {
            input: row.get(Column::Input),
            output: row.get(Column::Output),
            cache_read: row.get(Column::CacheRead),
            cache_write: row.get(Column::CacheWrite),
            reasoning: row.get(Column::Reasoning),
            said: flags & pack::SAID != 0,
        },
        cost_nanos: row.get(Column::Cost),
        begun_us: time(Column::Begun),
        first_byte_us: time(Column::FirstByte),
        first_token_us: time(Column::FirstToken),
        total_us: row.get(Column::Total),
        request_bytes: row.get(Column::RequestBytes),
        response_bytes: row.get(Column::ResponseBytes),
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
    let oldest = number("SELECT min(first) FROM pack")?;
    Ok(Facts {
        bytes: number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?.unwrap_or(0),
        rows: number("SELECT value FROM meta WHERE name = 'rows'")?.unwrap_or(0),
        oldest_unix_ms: oldest.map(|at| at >> LOT_BITS),
    })
}
