//! One thread, a clock that jumps to the next thing that happens, and chance from a seed.
//!
//! Which of the tasks that can go on does so next is chance too: so every order in which a real core might run them
//! comes up, and the same seed runs them in the same order again.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Numbers of the tasks that can go on.
type Ready = Arc<Mutex<Vec<usize>>>;

struct Woken {
    task: usize,
    ready: Ready,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

/// What happens when: time, a number that makes it unique, whom to wake.
struct Due(u64, u64, Waker);

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The world of one seed.
pub(super) struct World {
    now_us: Cell<u64>,
    /// What the wall clock is ahead by, and whether that has changed.
    unix_off_ms: Cell<u64>,
    clock_jumped: Cell<bool>,
    chance: Cell<u64>,
    tasks: RefCell<Vec<Option<Task>>>,
    wakers: RefCell<Vec<Waker>>,
    ready: Ready,
    due: RefCell<BinaryHeap<Reverse<Due>>>,
    dues: Cell<u64>,
}

impl World {
    pub(super) fn new(seed: u64) -> Rc<World> {
        Rc::new(World {
            now_us: Cell::new(1_000_000),
            unix_off_ms: Cell::new(1_800_000_000_000),
            clock_jumped: Cell::new(false),
            chance: Cell::new(seed),
            tasks: RefCell::default(),
            wakers: RefCell::default(),
            ready: Arc::default(),
            due: RefCell::default(),
            dues: Cell::new(0),
        })
    }

    /// 64 bits of chance (SplitMix64, Steele, Lea and Flood 2014).
    pub(super) fn bits(&self) -> u64 {
        let state = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// True once in `times`, on average.
    pub(super) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.unix_off_ms.get() + self.now_us.get() / 1_000
    }

    /// Moves the wall clock by up to two hours, in either direction.
    pub(super) fn jump(&self) {
        let (off, by) = (self.unix_off_ms.get(), self.below(7_200_000) as u64);
        self.unix_off_ms.set(if self.once_in(2) { off + by } else { off - by });
        self.clock_jumped.set(true);
    }

    /// Whether the wall clock has been moved.
    pub(super) fn clock_jumped(&self) -> bool {
        self.clock_jumped.get()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let number = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.push(Some(Box::pin(task)));
            tasks.len() - 1
        };
        let waker = Waker::from(Arc::new(Woken { task: number, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        self.wakers.borrow_mut().push(waker);
    }

    /// Ends `ms` milliseconds from now.
    pub(super) async fn sleep(&self, ms: u64) {
        let until = self.now_us.get() + ms * 1_000;
        let mut is_set = false;
        poll_fn(|cx| {
            if self.now_us.get() >= until && is_set {
                return Poll::Ready(());
            }
            if !is_set {
                is_set = true;
                self.dues.set(self.dues.get() + 1);
                self.due.borrow_mut().push(Reverse(Due(until, self.dues.get(), cx.waker().clone())));
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets things happen until `done`, or until `end_us`. False where that came first.
    pub(super) fn run(&self, end_us: u64, done: impl Fn() -> bool) -> bool {
        while !done() {
            let next = {
                let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                match ready.len() {
                    0 => None,
                    count => Some(ready.swap_remove(self.below(count))),
                }
            };
            match next {
                Some(task) => self.go_on(task),
                None => {
                    let Some(Reverse(Due(at, _, waker))) = self.due.borrow_mut().pop() else { return false };
                    if at > end_us {
                        return false;
                    }
                    self.now_us.set(at.max(self.now_us.get()));
                    waker.wake();
                }
            }
        }
        true
    }

    fn go_on(&self, number: usize) {
        // Taken out, so that a task may spawn others.
        let Some(mut task) = self.tasks.borrow_mut()[number].take() else { return };
        let waker = self.wakers.borrow()[number].clone();
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.tasks.borrow_mut()[number] = Some(task);
        }
    }

    /// Drops every task; they hold the world and each other.
    pub(super) fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.due.borrow_mut().clear();
    }
}
