//! Where those who are about to send meet, so that what a core sends leaves in a row.
//!
//! A peer that has nothing to do is woken by what it receives, which the sender pays for, and what comes while it is awake
//! costs no second wake-up. A core that reads, works and sends for one session after the other sends seldom enough
//! that its peer falls asleep in between. So whoever is first to send waits until every task that is ready has come as
//! far or further, and then all go on. Nobody waits for the kernel: at a meeting of one the wait is two entries of
//! the run queue. What it saves is told in `benches/README.md`.
//!
//! The meeting is ended by a task of its own, the bell, which the first to come wakes: it stands behind all that are
//! ready. A task that wakes itself would not do, for monoio's queue puts it in front.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// The meetings of one core.
#[derive(Default)]
pub(super) struct Rendezvous(Rc<Meeting>);

#[derive(Default)]
struct Meeting {
    /// Who has come since the bell rang last.
    here: RefCell<Vec<Waker>>,
    /// None until the bell has been polled once.
    bell: RefCell<Option<Waker>>,
    is_hung: Cell<bool>,
}

impl Rendezvous {
    /// Ends once all that are ready have come as far. Ends early when its task is woken for another reason, which
    /// harms nothing. Must be polled on a core.
    pub(super) fn meet(&self) -> impl Future<Output = ()> + use<> {
        let meeting = Rc::clone(&self.0);
        let mut has_come = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut has_come, true) {
                return Poll::Ready(());
            }
            meeting.join(cx);
            Poll::Pending
        })
    }
}

impl Meeting {
    fn join(self: &Rc<Meeting>, cx: &Context<'_>) {
        let mut here = self.here.borrow_mut();
        here.push(cx.waker().clone());
        if here.len() > 1 {
            return;
        }
        match &*self.bell.borrow() {
            Some(bell) => bell.wake_by_ref(),
            // A task that is begun is polled behind all that are ready, too.
            None if !self.is_hung.replace(true) => {
                let meeting = Rc::downgrade(self);
                monoio::spawn(poll_fn(move |cx| ring(&meeting, cx)));
            }
            None => {}
        }
    }
}

/// Ends the meeting. Called once for each, and never done while there is a core to ring for.
fn ring(meeting: &Weak<Meeting>, cx: &Context<'_>) -> Poll<()> {
    let Some(meeting) = meeting.upgrade() else { return Poll::Ready(()) };
    meeting.bell.borrow_mut().get_or_insert_with(|| cx.waker().clone());
    meeting.here.borrow_mut().drain(..).for_each(Waker::wake);
    Poll::Pending
}
