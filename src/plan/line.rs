//! Requests that wait for a key with too many under way: first come, first served, over all cores.
//!
//! A lock guards the list of tickets. It is taken by requests only that have to wait anyway, for as long as it takes
//! to look at a number; everybody else reads how long the line is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A line.
#[derive(Debug, Default)]
pub struct Line {
    tickets: Mutex<VecDeque<u64>>,
    len: AtomicU32,
    next: AtomicU64,
}

/// A place in a line, given up when it drops.
#[derive(Debug)]
pub struct Ticket<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    /// How many wait.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len.load(Relaxed)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits behind all others, unless `most` wait already.
    pub fn join(&self, most: u32) -> Option<Ticket<'_>> {
        let mut tickets = self.tickets();
        if tickets.len() >= most as usize {
            return None;
        }
        let number = self.next.fetch_add(1, Relaxed);
        tickets.push_back(number);
        self.len.store(tickets.len() as u32, Relaxed);
        Some(Ticket { line: self, number })
    }

    fn tickets(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// How many are before it.
    pub fn place(&self) -> usize {
        self.line.tickets().iter().position(|number| *number == self.number).unwrap_or(0)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut tickets = self.line.tickets();
        tickets.retain(|number| *number != self.number);
        self.line.len.store(tickets.len() as u32, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_first_is_first_and_who_leaves_lets_others_forward() {
        let line = Line::default();
        let (one, two, three) = (line.join(3).unwrap(), line.join(3).unwrap(), line.join(3).unwrap());
        assert!(line.join(3).is_none(), "one more than may wait");
        assert_eq!((one.place(), two.place(), three.place()), (0, 1, 2));
        drop(two);
        assert_eq!((one.place(), three.place(), line.len()), (0, 1, 2));
        drop(one);
        let four = line.join(3).unwrap();
        assert_eq!((three.place(), four.place()), (0, 1));
        drop((three, four));
        assert!(line.is_empty() && line.join(0).is_none());
    }
}
