//! The way of a question to the store: what has ended is written first, and what could not be written comes beside.

use axum::http::StatusCode;
use rusqlite::Connection;

use super::problem::Document;
use crate::control::Shared;
use crate::control::store::{Flushed, State, Trouble};

/// Asks the store, once what has ended is written. Nothing where there is none that can be asked; what could not be
/// written comes beside the answer.
pub(super) async fn ask<T: Send + 'static>(
    shared: &Shared,
    question: impl Fn(&Connection) -> Result<T, Trouble> + Clone + Send + 'static,
) -> Result<Option<(T, Flushed)>, Document> {
    let Some(store) = shared.store.as_ref() else {
        shared.settle().await;
        return Ok(None);
    };
    // Once more where the file was damaged, or where it could be written again meanwhile.
    for _ in 0..3 {
        let flushed = shared.stored(store).await;
        if store.state().0 == State::Unavailable {
            return Ok(None);
        }
        let Some(flushed) = flushed else { break };
        match store.read(question.clone()).await {
            Ok(_) if !flushed.unwritten.is_empty() && !store.is_full() => {}
            Ok(answer) => return Ok(Some((answer, flushed))),
            Err(Trouble::Corrupt(_) | Trouble::Busy) => {}
            Err(Trouble::Full(_) | Trouble::Newer) => return Ok(None),
        }
    }
    Err(Document::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"))
}
