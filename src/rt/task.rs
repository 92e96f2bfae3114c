//! A panic ends its task, not its core.
//!
//! Unwinding through monoio's run loop would kill the thread and drop the driver with operations in flight,
//! which it does not survive cleanly. So each poll of a session is wrapped; a panic outside tasks aborts.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A task that ends early when it panics.
///
/// The task is boxed: an async function around it would hold it twice, as its argument and pinned, and a quiet
/// stream costs what its task's state costs.
pub struct Contained<P> {
    task: Pin<Box<dyn Future<Output = ()>>>,
    panicked: Option<P>,
}

/// `task`, ending early when it panics; `panicked` is called then.
pub fn contained<P: FnOnce() + Unpin>(task: impl Future<Output = ()> + 'static, panicked: P) -> Contained<P> {
    Contained { task: Box::pin(task), panicked: Some(panicked) }
}

impl<P: FnOnce() + Unpin> Future for Contained<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.task.as_mut();
        // The task's state after a panic is not looked at again, only dropped: that makes the unwind safe to assert.
        match catch_unwind(AssertUnwindSafe(|| task.poll(cx))) {
            Ok(outcome) => outcome,
            Err(_payload) => {
                if let Some(panicked) = self.panicked.take() {
                    panicked();
                }
                Poll::Ready(())
            }
        }
    }
}
