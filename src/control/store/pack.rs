//! Rows in packs: some hundred exchanges in one value of the file, column by column.
//!
//! A row of its own costs the writer microseconds: a record to build, a tree to go down, and as much again for each
//! index. In a pack it costs some tens of nanoseconds and half the room. A column is its least value and what each row
//! has beyond it, in as few bytes as the greatest of them takes; what all rows share takes none, and any value of any
//! row is read where it lies. Rows of a pack are in the order of their places; packs may overlap, for exchanges are
//! written when they end and lie where they began.

use std::ops::Range;

use ahash::AHashSet;

use crate::limits;
use crate::record::Outcome;

/// What is kept of an exchange, in the order in which it is written. Names are by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    At,
    Rest,
    Client,
    Route,
    Dialect,
    Endpoint,
    Asked,
    Model,
    Provider,
    Key,
    Scene,
    /// What was not said of it, as one name.
    Dropped,
    Status,
    Outcome,
    Flags,
    Attempts,
    Input,
    Output,
    CacheRead,
    CacheWrite,
    Reasoning,
    Cost,
    /// Times that may not have come are one more than they were; 0 is never.
    Begun,
    FirstByte,
    FirstToken,
    Total,
    RequestBytes,
    ResponseBytes,
}

/// How many columns there are.
pub(super) const COLUMNS: usize = Column::ResponseBytes as usize + 1;

/// Columns in which words are looked for.
pub(super) const SOUGHT: [Column; 8] = [
    Column::Client,
    Column::Route,
    Column::Endpoint,
    Column::Asked,
    Column::Model,
    Column::Provider,
    Column::Key,
    Column::Dropped,
];

/// Bits of `Column::Flags`.
pub(super) const STREAMED: u64 = 1;
pub(super) const REUSED: u64 = 2;
pub(super) const TRACED: u64 = 4;
/// Whether the upstream said what it used.
pub(super) const SAID: u64 = 8;

/// One exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row([u64; COLUMNS]);

impl Row {
    pub(super) fn get(&self, column: Column) -> u64 {
        self.0[column as usize]
    }

    pub(super) fn set(&mut self, column: Column, value: u64) {
        self.0[column as usize] = value;
    }

    /// Where it lies among all others.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.get(Column::At), self.get(Column::Rest))
    }
}

/// The columns by which packs are found: all names, and how it ended.
const MARKED: Range<usize> = Column::Client as usize..Column::Flags as usize + 1;

/// By what a pack can be found whose column has this value somewhere. 0 is no mark.
fn marks_of(column: usize, value: u64) -> [i64; 2] {
    const STATUS: usize = Column::Status as usize;
    const OUTCOME: usize = Column::Outcome as usize;
    const FLAGS: usize = Column::Flags as usize;
    match column {
        STATUS => [class_mark(value / 100), status_mark(value)],
        OUTCOME => [outcome_mark(value), 0],
        FLAGS => [if value & TRACED != 0 { TRACED_MARK } else { 0 }, 0],
        _ => [value as i64, 0],
    }
}

/// What some rows can be found by, each once in the order of the rows, in `known` as well from now on.
pub(super) fn fresh_marks(rows: &[Row], known: &mut AHashSet<i64>) -> Vec<i64> {
    const NEAR: usize = 64;
    let mut fresh = Vec::new();
    // Of a row nearly all is as in the one before, and what is not was lately met: no hash is made for these.
    let (mut before, mut near) = ([u64::MAX; MARKED.end - MARKED.start], [0; NEAR]);
    for row in rows {
        for (column, before) in MARKED.zip(&mut before) {
            let value = row.0[column];
            if value == std::mem::replace(before, value) {
                continue;
            }
            for mark in marks_of(column, value) {
                let met = &mut near[mark as usize % NEAR];
                if mark != *met {
                    *met = mark;
                    if mark != 0 && known.insert(mark) {
                        fresh.push(mark);
                    }
                }
            }
        }
    }
    fresh
}

/// Marks are below all names.
pub(super) const TRACED_MARK: i64 = -3_000;

pub(super) fn class_mark(class: u64) -> i64 {
    -1 - class.min(9) as i64
}

pub(super) fn status_mark(status: u64) -> i64 {
    -100 - status.min(1_000) as i64
}

pub(super) fn outcome_mark(outcome: u64) -> i64 {
    -2_000 - outcome.min(Outcome::ALL.len() as u64) as i64
}

/// The form of what follows, as the first byte.
const FORM: u8 = 1;
/// The form, and how many rows there are.
const HEAD_BYTES: usize = 3;
/// What a column begins with: bytes of a value, and the least one.
const COLUMN_HEAD_BYTES: usize = 9;

/// Rows as bytes, put in order, and the places of the first and the last. They are at most `PACK_ROWS`.
pub(super) fn write(rows: &[Row]) -> (Vec<u8>, (i64, i64)) {
    debug_assert!(rows.len() <= limits::PACK_ROWS);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    if !sorted.is_sorted_by_key(|row| row.place()) {
        sorted.sort_by_key(|row| row.place());
    }
    let mut out = Vec::with_capacity(HEAD_BYTES + COLUMNS * COLUMN_HEAD_BYTES + rows.len() * 64);
    out.push(FORM);
    out.extend_from_slice(&(rows.len() as u16).to_le_bytes());
    let first = rows.first().copied().unwrap_or_default();
    for (column, varies) in varies(&first, rows).into_iter().enumerate() {
        let (mut least, mut most) = (first.0[column], first.0[column]);
        if varies {
            for row in rows {
                least = least.min(row.0[column]);
                most = most.max(row.0[column]);
            }
        }
        let width = width(most - least);
        out.push(width as u8);
        out.extend_from_slice(&least.to_le_bytes());
        let start = out.len();
        out.resize(start + width * rows.len(), 0);
        let (beyond, places) = (sorted.iter().map(|row| row.0[column] - least), &mut out[start..]);
        match width {
            0 => {}
            1 => places.iter_mut().zip(beyond).for_each(|(place, value)| *place = value as u8),
            2 => put(places, beyond.map(|value| (value as u16).to_le_bytes())),
            4 => put(places, beyond.map(|value| (value as u32).to_le_bytes())),
            _ => put(places, beyond.map(u64::to_le_bytes)),
        }
    }
    let at = |row: Option<&&Row>| row.map_or(0, |row| row.get(Column::At) as i64);
    (out, (at(sorted.first()), at(sorted.last())))
}

/// Which columns are not the same in all rows: most are, and are not looked at again.
fn varies(first: &Row, rows: &[Row]) -> [bool; COLUMNS] {
    let mut differs = [0; COLUMNS];
    for row in rows {
        for ((differs, value), first) in differs.iter_mut().zip(row.0).zip(first.0) {
            *differs |= value ^ first;
        }
    }
    differs.map(|bits| bits != 0)
}

fn put<const N: usize>(places: &mut [u8], values: impl Iterator<Item = [u8; N]>) {
    places.as_chunks_mut().0.iter_mut().zip(values).for_each(|(place, value)| *place = value);
}

/// Bytes that a column takes for a value: none, or a power of two.
fn width(most: u64) -> usize {
    match (u64::BITS - most.leading_zeros()).div_ceil(8) {
        0 => 0,
        bytes => bytes.next_power_of_two() as usize,
    }
}

/// A column of a pack.
#[derive(Clone, Copy, Default)]
struct Values<'a> {
    least: u64,
    width: usize,
    beyond: &'a [u8],
}

impl Values<'_> {
    /// The value of a row that is there.
    fn at(self, row: usize) -> u64 {
        let Values { least, width, beyond } = self;
        let bytes = &beyond[row * width..(row + 1) * width];
        let value = match *bytes {
            [] => 0,
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_le_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            _ => bytes.try_into().map_or(0, u64::from_le_bytes),
        };
        least.wrapping_add(value)
    }
}

/// A pack, read where its bytes are.
pub(super) struct Pack<'a> {
    rows: usize,
    columns: [Values<'a>; COLUMNS],
}

impl<'a> Pack<'a> {
    /// Nothing where the bytes are none of ours.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Pack<'a>> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let rows = usize::from(u16::from_le_bytes([head[1], head[2]]));
        if head[0] != FORM {
            return None;
        }
        let mut columns = [Values::default(); COLUMNS];
        for column in &mut columns {
            let (head, values) = rest.split_first_chunk::<COLUMN_HEAD_BYTES>()?;
            let (width, least) = head.split_first()?;
            let width = usize::from(*width);
            if !matches!(width, 0 | 1 | 2 | 4 | 8) {
                return None;
            }
            let (beyond, others) = values.split_at_checked(width * rows)?;
            *column = Values { least: u64::from_le_bytes(least.try_into().ok()?), width, beyond };
            rest = others;
        }
        rest.is_empty().then_some(Pack { rows, columns })
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// What a row has in a column. Rows that are not there have nothing.
    pub(super) fn get(&self, row: usize, column: Column) -> u64 {
        if row < self.rows { self.columns[column as usize].at(row) } else { 0 }
    }

    /// A whole row.
    pub(super) fn row(&self, row: usize) -> Row {
        let mut whole = Row::default();
        for (column, value) in whole.0.iter_mut().enumerate() {
            *value = self.columns[column].at(row);
        }
        whole
    }

    pub(super) fn place(&self, row: usize) -> (u64, u64) {
        (self.get(row, Column::At), self.get(row, Column::Rest))
    }

    /// How many rows lie before a place.
    pub(super) fn before(&self, place: (u64, u64)) -> usize {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.place(middle) < place {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let value =
            prop_oneof![Just(0), 0_u64..300, 60_000_u64..70_000, any::<u32>().prop_map(u64::from), any::<u64>()];
        let row = prop::collection::vec(value, COLUMNS).prop_map(|values| {
            let mut row = Row::default();
            row.0.copy_from_slice(&values);
            row
        });
        prop::collection::vec(row, 0..40)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(told in rows()) {
            let mut rows = told.clone();
            rows.sort_by_key(Row::place);
            let (bytes, reach) = write(&told);
            let pack = Pack::read(&bytes).expect("our own");
            prop_assert_eq!(reach.0, rows.first().map_or(0, |row| row.place().0 as i64));
            prop_assert_eq!(reach.1, rows.last().map_or(0, |row| row.place().0 as i64));
            prop_assert_eq!(pack.len(), rows.len());
            for (nth, row) in rows.iter().enumerate() {
                prop_assert_eq!(&pack.row(nth), row);
                prop_assert_eq!(pack.get(nth, Column::Model), row.get(Column::Model));
                prop_assert_eq!(pack.get(nth, Column::Total), row.get(Column::Total));
                prop_assert_eq!(pack.before(row.place()), rows.iter().filter(|other| other.place() < row.place()).count());
            }
            prop_assert_eq!(pack.get(rows.len(), Column::ResponseBytes), 0);
        }

        #[test]
        fn damaged_bytes_are_no_harm(rows in rows(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let (mut bytes, _) = write(&rows);
            let (at, cut) = (at.index(bytes.len()), cut.index(bytes.len()));
            prop_assert!(Pack::read(&bytes[..cut]).is_none());
            bytes[at] = byte;
            if let Some(pack) = Pack::read(&bytes) {
                (0..pack.len()).for_each(|row| _ = pack.row(row));
                _ = pack.before((1, 1));
            }
        }
    }

    #[test]
    fn what_all_rows_share_takes_no_room() {
        let mut row = Row::default();
        row.set(Column::Model, 7);
        let (alike, _) = write(&[row; 100]);
        assert_eq!(alike.len(), HEAD_BYTES + COLUMNS * COLUMN_HEAD_BYTES);
        let mut other = row;
        other.set(Column::ResponseBytes, 300);
        let mut rows = [row; 100];
        rows[99] = other;
        assert_eq!(write(&rows).0.len(), alike.len() + 200);
    }

    #[test]
    fn each_mark_is_fresh_once() {
        let mut rows = [Row::default(); 200];
        for (nth, row) in rows.iter_mut().enumerate() {
            row.set(Column::Client, 1 + nth as u64 % 2 * 64);
            row.set(Column::Model, 3);
            row.set(Column::Status, if nth == 150 { 502 } else { 200 });
            row.set(Column::Flags, if nth == 7 { TRACED | SAID } else { SAID });
        }
        let mut known = AHashSet::from([3]);
        let ends = [class_mark(2), status_mark(200), outcome_mark(0)];
        let failed = [class_mark(5), status_mark(502)];
        let wanted: Vec<i64> = [1].into_iter().chain(ends).chain([65, TRACED_MARK]).chain(failed).collect();
        assert_eq!(fresh_marks(&rows, &mut known), wanted);
        assert!(fresh_marks(&rows, &mut known).is_empty());
    }

    #[test]
    fn marks_of_ends_and_names_are_apart() {
        let marks =
            [class_mark(0), class_mark(99), status_mark(0), status_mark(9_999), outcome_mark(0), outcome_mark(99)];
        let mut apart: Vec<i64> = marks.to_vec();
        apart.push(TRACED_MARK);
        apart.sort_unstable();
        apart.dedup();
        assert_eq!(apart.len(), 7);
        assert!(apart.iter().all(|mark| *mark < 0));
        assert!(
            class_mark(9) > status_mark(0) && status_mark(1_000) > outcome_mark(0) && outcome_mark(9) > TRACED_MARK
        );
    }
}
