//! What the collector has for the store: rows and sums until they are handed over, and the way to the writer.
//!
//! Handing over never waits. While the writer cannot take it, rows are kept up to a bound and then given up, counted;
//! their numbers are not, for sums are kept by whom they are of, coarser the more there are.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use super::Message;
use super::held::Held;
use super::rows::Rows;
use crate::control::names::Names;
use crate::control::usage::Whose;
use crate::limits;
use crate::record::{Attempt, Dropped, Entry, Numbers, SumKey};

/// Something that was told, with the names of its time.
pub(crate) struct Named<T> {
    pub(crate) told: T,
    pub(crate) names: Arc<Names>,
}

/// What goes to the writer at once.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) rows: Rows,
    pub(crate) attempts: Vec<Named<Attempt>>,
    pub(crate) dropped: Vec<Dropped>,
    /// Numbers of exchanges that have no row here.
    pub(crate) sums: Held<Numbers>,
    /// Rows that were given up.
    pub(crate) lost: u64,
    /// All numbers since the process began, these included, where the file has begun anew.
    pub(crate) seed: Option<Vec<(Whose, Numbers)>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.attempts.is_empty() && self.dropped.is_empty() && self.sums.is_empty()
    }
}

/// The collector's end.
pub(crate) struct Feed {
    way: Option<SyncSender<Message>>,
    /// Where the writer leaves places of rows that it has written.
    places: Option<Receiver<Rows>>,
    batch: Batch,
    since: Option<Instant>,
}

impl Feed {
    /// An end with nobody at the other one: all is thrown away.
    pub(crate) fn nowhere() -> Feed {
        Feed { way: None, places: None, batch: Batch::default(), since: None }
    }

    /// The end of this way. Rows lie in `places` that come back.
    pub(crate) fn new(way: SyncSender<Message>, places: Receiver<Rows>) -> Feed {
        Feed { way: Some(way), places: Some(places), ..Feed::nowhere() }
    }

    pub(crate) fn exchange(&mut self, entry: &Entry, names: &Arc<Names>) {
        if self.way.is_none() {
            return;
        }
        if self.batch.rows.len() < limits::STORE_ROWS_WAITING {
            self.batch.rows.push(entry, names);
        } else {
            self.batch.lost += 1;
            self.batch.sums.of(SumKey::of(entry), names).add(&Numbers::of(entry));
        }
    }

    pub(crate) fn sum(&mut self, key: SumKey, numbers: &Numbers, names: &Arc<Names>) {
        if self.way.is_some() {
            self.batch.sums.of(key, names).add(numbers);
        }
    }

    pub(crate) fn attempt(&mut self, attempt: &Attempt, names: &Arc<Names>) {
        if self.way.is_some() && self.batch.attempts.len() < limits::STORE_ROWS_WAITING {
            self.batch.attempts.push(Named { told: *attempt, names: names.clone() });
        }
    }

    pub(crate) fn dropped(&mut self, dropped: &Dropped) {
        if self.way.is_some() && self.batch.dropped.len() < limits::STORE_ROWS_WAITING {
            self.batch.dropped.push(*dropped);
        }
    }

    /// A place for rows that has come back.
    fn place(&self) -> Option<Rows> {
        self.places.as_ref()?.try_recv().ok()
    }

    /// Nothing comes now: lets go of memory.
    fn rest(&mut self) {
        self.batch.rows.forget();
        drop(self.place());
    }

    /// Hands over what is due, or all of it. False where the writer has no room for it now. `seed` is asked for all
    /// numbers where the file has begun anew.
    pub(crate) fn hand_over(&mut self, all: bool, seed: impl FnOnce() -> Option<Vec<(Whose, Numbers)>>) -> bool {
        let Some(way) = &self.way else { return true };
        if self.batch.is_empty() && !all {
            self.rest();
            return true;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_due = since.elapsed() >= Duration::from_millis(limits::STORE_EVERY_MS);
        if !all && !is_due && self.batch.rows.len() < limits::STORE_BATCH_ROWS {
            return true;
        }
        self.batch.seed = seed();
        if self.batch.is_empty() && self.batch.seed.is_none() {
            return true;
        }
        match way.try_send(Message::Batch(Box::new(std::mem::take(&mut self.batch)))) {
            Ok(()) => {
                self.since = None;
                self.batch.rows = self.place().unwrap_or_default();
                true
            }
            Err(TrySendError::Full(Message::Batch(batch))) => {
                self.batch = *batch;
                false
            }
            Err(_) => {
                self.way = None;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::base::id::RequestId;
    use crate::record::Text;

    #[test]
    fn rows_that_nobody_takes_are_given_up_and_their_numbers_kept() {
        let (way, _nobody_takes) = sync_channel(0);
        let (_writer, places) = sync_channel(1);
        let (mut feed, names) = (Feed::new(way, places), Arc::new(Names::default()));
        let id = RequestId::new(1, 0, 0, 7);
        let tell = |feed: &mut Feed| {
            feed.exchange(&Entry::begun(id, 1, 1), &names);
            feed.attempt(&Attempt::begun(id, 1, 1, 1, 0), &names);
            feed.dropped(&Dropped { unix_ms: 1, id, members: Text::EMPTY });
        };
        (0..limits::STORE_ROWS_WAITING).for_each(|_| tell(&mut feed));
        assert!(!feed.hand_over(true, || None), "there is no room");
        let held = |feed: &Feed| [feed.batch.rows.len(), feed.batch.attempts.len(), feed.batch.dropped.len()];
        assert_eq!((held(&feed), feed.batch.lost), ([limits::STORE_ROWS_WAITING; 3], 0));
        tell(&mut feed);
        assert_eq!((held(&feed), feed.batch.lost), ([limits::STORE_ROWS_WAITING; 3], 1));
        assert_eq!(feed.batch.sums.iter().map(|(_, sum)| sum.told.requests).sum::<u64>(), 1);
    }
}
