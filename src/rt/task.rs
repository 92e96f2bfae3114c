//! A panic ends its task, not its core.
//!
//! Unwinding through monoio's run loop would kill the thread and drop the driver with operations in flight,
//! which it does not survive cleanly. So each poll of a session is wrapped; a panic outside tasks aborts.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// `task`, ending early when it panics; `panicked` is called then.
pub async fn contained(task: impl Future<Output = ()>, panicked: impl FnOnce()) {
    let mut task = pin!(task);
    let outcome = std::future::poll_fn(|cx| poll_contained(task.as_mut(), cx)).await;
    if outcome.is_err() {
        panicked();
    }
}

/// The task's state after a panic is not looked at again, only dropped: that makes the unwind safe to assert.
fn poll_contained<F: Future<Output = ()>>(task: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
    match catch_unwind(AssertUnwindSafe(|| task.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
        Err(_payload) => Poll::Ready(Err(())),
    }
}
