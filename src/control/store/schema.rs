//! The file: how it is opened, what is in it, and how an older one becomes a newer one.
//!
//! Write-ahead logging, so that readers and the writer do not meet and a process that is killed loses nothing that was
//! committed. A file knows its form by `user_version`; each of `STEPS` makes the next one of it.
//!
//! A row's place is its exchange's millisecond and a lot drawn from the request id, so rows lie in the order of time,
//! an id is found without an index of its own, and a row that is told twice is one. Names are numbers (`name`), for
//! they repeat; number 0 is no name.

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::bins::{Bins, Dense};
use super::steps::STEPS;
use crate::base::id::RequestId;
use crate::control::socket;
use crate::limits;

/// Why the store did not do what was asked.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There is no room, or it cannot be written for another reason that may pass.
    Full(String),
    /// Another process writes. It will be done in a moment.
    Busy,
    /// What is in the file is none of ours.
    Corrupt(String),
    /// The file is of a later version.
    Newer,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        let short_read = rusqlite::ffi::SQLITE_IOERR_SHORT_READ;
        match &error {
            Error::SqliteFailure(why, _) => match why.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Trouble::Corrupt(error.to_string()),
                ErrorCode::SystemIoFailure if why.extended_code == short_read => Trouble::Corrupt(error.to_string()),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Busy,
                // A table or column that is missing: somebody else's database.
                ErrorCode::Unknown => Trouble::Corrupt(error.to_string()),
                _ => Trouble::Full(error.to_string()),
            },
            _ => Trouble::Corrupt(error.to_string()),
        }
    }
}

/// The file, open for writing, and which file that is.
pub(crate) struct Opened {
    pub(crate) db: Connection,
    pub(crate) inode: u64,
}

/// Opens the file, makes it where there is none, and brings it up to date.
pub(crate) fn open(path: &Path) -> Result<Opened, Trouble> {
    let full = |error: std::io::Error| Trouble::Full(error.to_string());
    if let Some(folder) = path.parent() {
        socket::data_dir(folder).map_err(full)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let inode = file.and_then(|file| file.metadata()).map_err(full)?.ino();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_millis(limits::STORE_BUSY_MS))?;
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216;
         PRAGMA trusted_schema = OFF;",
    )?;
    let version: usize = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > STEPS.len() {
        return Err(Trouble::Newer);
    }
    if version < STEPS.len() {
        let change = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let version: usize = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        for step in &STEPS[version.min(STEPS.len())..] {
            step(&change)?;
        }
        change.pragma_update(None, "user_version", STEPS.len())?;
        change.commit()?;
    }
    functions(&db)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(Opened { db, inode })
}

/// Opens the file to read it.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_millis(limits::STORE_BUSY_MS))?;
    db.execute_batch("PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")?;
    functions(&db)?;
    Ok(db)
}

/// `bins_add(a, b)` and the sum `bins(a)` of durations by place.
fn functions(db: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("bins_add", 2, flags, |call| {
        let mut sum = Bins::default();
        for at in 0..2 {
            sum.read(call.get_raw(at).as_blob_or_null()?.unwrap_or_default());
        }
        Ok(sum.write())
    })?;
    db.create_aggregate_function("bins", 1, flags, SumOfBins)
}

struct SumOfBins;

impl Aggregate<Dense, Vec<u8>> for SumOfBins {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Dense> {
        Ok(Dense::default())
    }

    fn step(&self, call: &mut Context<'_>, sum: &mut Dense) -> rusqlite::Result<()> {
        sum.read(call.get_raw(0).as_blob_or_null()?.unwrap_or_default());
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Dense>) -> rusqlite::Result<Vec<u8>> {
        Ok(sum.map(|sum| sum.bins().write()).unwrap_or_default())
    }
}

/// Bits of a place beside its millisecond: 7 of the core, 13 of the sequence.
pub(crate) const LOT_BITS: u32 = 20;

/// Where the row of an exchange lies, and the rest of its id. Nothing for a text that is no id.
pub(crate) fn place(id: &str) -> Option<(i64, i64)> {
    RequestId::read(id).map(place_of)
}

/// Where the row of an exchange lies whose id is made of these.
pub(super) fn place_of((unix_ms, core, salt, sequence): (u64, u16, u32, u32)) -> (i64, i64) {
    let lot = (u64::from(core) & 127) << 13 | u64::from(sequence) & 8_191;
    let at = (unix_ms & ((1 << 43) - 1)) << LOT_BITS | lot;
    let rest = u64::from(core) << 45 | u64::from(salt) << 25 | u64::from(sequence);
    (at as i64, rest as i64)
}

/// The id of the row at a place.
pub(crate) fn id(at: i64, rest: i64) -> RequestId {
    let rest = rest as u64;
    RequestId::new(
        at as u64 >> LOT_BITS,
        (rest >> 45) as u16 & 1_023,
        (rest >> 25) as u32 & 0xf_ffff,
        rest as u32 & 0x1ff_ffff,
    )
}

/// The greatest id of a place.
pub(crate) fn last_id(at: i64) -> RequestId {
    let lot = at as u64 & ((1 << LOT_BITS) - 1);
    id(at, ((lot >> 13 | 7 << 7) << 45 | 0xf_ffff << 25 | (lot & 8_191) | 0x1ff_e000) as i64)
}

/// The first place of a millisecond.
pub(crate) fn first_place(unix_ms: u64) -> i64 {
    (unix_ms.min((1 << 43) - 1) << LOT_BITS) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_its_place() {
        for (ms, core, salt, sequence) in [(1_795_254_816_123, 3, 9, 70_000), (0, 1_023, 0xf_ffff, 0x1ff_ffff)] {
            let written = RequestId::new(ms, core, salt, sequence);
            let (at, rest) = place(written.as_str()).expect("an id");
            assert_eq!(id(at, rest), written);
            assert_eq!(at as u64 >> LOT_BITS, ms);
        }
        let at = place(RequestId::new(5, 130, 1, 9_000).as_str()).map_or(0, |(at, _)| at);
        let (same, rest) = place(last_id(at).as_str()).expect("an id");
        assert!(
            same == at
                && rest > place(RequestId::new(5, 1_023 & !125, 0xf_ffff, 9_000).as_str()).map_or(0, |(_, rest)| rest)
        );
        for none in ["", "x", "0000000000000000000u", "00000000000000000000a"] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
