//! One coarse deadline for each session, all of a core in one table.
//!
//! Setting a deadline is a store; no timer is started or cancelled for it. A tick of the core (every
//! `limits::TICK_MS`) walks the table and wakes the sessions whose time is over. At 10,000 sessions a walk
//! is some tens of microseconds, which is less than a timer wheel costs per request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A deadline that never comes.
const NEVER: u64 = u64::MAX;

struct Slot {
    deadline_ms: u64,
    waker: Option<Waker>,
}

/// The deadlines of one core.
pub struct Alarms {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    now_ms: Cell<u64>,
}

impl Alarms {
    /// An empty table.
    pub fn new() -> Rc<Alarms> {
        Rc::new(Alarms { slots: RefCell::default(), free: RefCell::default(), now_ms: Cell::new(0) })
    }

    /// A new alarm, not set.
    pub fn alarm(self: &Rc<Self>) -> Alarm {
        let slot = Slot { deadline_ms: NEVER, waker: None };
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                self.slots.borrow_mut()[index as usize] = slot;
                index
            }
            None => {
                let mut slots = self.slots.borrow_mut();
                slots.push(slot);
                slots.len() as u32 - 1
            }
        };
        Alarm { alarms: Rc::clone(self), index }
    }

    /// Moves the clock to `now_ms` and wakes whoever is due.
    pub fn tick(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
        for slot in self.slots.borrow_mut().iter_mut() {
            if slot.deadline_ms <= now_ms
                && let Some(waker) = &slot.waker
            {
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes every session, due or not: used when the core begins to drain.
    pub fn wake_all(&self) {
        for waker in self.slots.borrow().iter().filter_map(|slot| slot.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }

    /// The clock as of the last tick, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

/// The deadline of one session. Dropping it gives its slot back.
pub struct Alarm {
    alarms: Rc<Alarms>,
    index: u32,
}

impl Alarm {
    /// Due at `deadline_ms` of the core's clock.
    pub fn set(&self, deadline_ms: u64) {
        self.alarms.slots.borrow_mut()[self.index as usize].deadline_ms = deadline_ms;
    }

    /// Due at `deadline_ms`, if it was not due before.
    pub fn hasten(&self, deadline_ms: u64) {
        let deadline = &mut self.alarms.slots.borrow_mut()[self.index as usize].deadline_ms;
        *deadline = deadline_ms.min(*deadline);
    }

    /// Never due.
    pub fn clear(&self) {
        self.set(NEVER);
    }

    /// Ready when the deadline has passed. Wakes the asking task then, if it has asked before.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.alarms.slots.borrow_mut()[self.index as usize];
        if slot.deadline_ms <= self.alarms.now_ms.get() {
            return Poll::Ready(());
        }
        if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            slot.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.alarms.slots.borrow_mut()[self.index as usize] = Slot { deadline_ms: NEVER, waker: None };
        self.alarms.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod unit {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_wakes_at_its_tick_and_not_before() {
        let (alarms, count) = (Alarms::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let alarm = alarms.alarm();
        alarm.set(100);
        assert!(alarm.poll(&mut cx).is_pending());
        alarms.tick(99);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        alarms.tick(100);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(alarm.poll(&mut cx).is_ready());
        alarm.clear();
        assert!(alarm.poll(&mut cx).is_pending());
        alarm.set(200);
        alarm.hasten(300);
        alarms.tick(199);
        assert!(alarm.poll(&mut cx).is_pending());
        alarm.hasten(150);
        assert!(alarm.poll(&mut cx).is_ready());
    }

    #[test]
    fn a_slot_given_back_carries_nothing_over() {
        let alarms = Alarms::new();
        let first = alarms.alarm();
        first.set(1);
        drop(first);
        let second = alarms.alarm();
        alarms.tick(50);
        assert!(second.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(alarms.slots.borrow().len(), 1);
    }
}
