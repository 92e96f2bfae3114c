//! A change of the configuration file: edited, checked, kept, written, in force; or as it was before.
//!
//! Changes take turns. An edit is a function of the text that is there, so that what a person writes in an editor at the
//! same time is not lost; whoever edited a text that it read earlier says which one that was. A text that the check
//! refuses is never written. One that the cores cannot take up (a port that is not free) is taken back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Shared, disk, reload, unix_ms};
use crate::config::{Problem, mask};

/// What a change has come to.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) generation: u64,
    pub(crate) etag: String,
    /// In words.
    pub(crate) changes: Vec<String>,
    /// Members that take effect after a restart.
    pub(crate) restart: Vec<&'static str>,
    /// Warnings.
    pub(crate) problems: Vec<Problem>,
}

/// Why nothing has changed.
#[derive(Debug)]
pub(crate) enum Unchanged {
    /// The process has no configuration file.
    NoFile,
    /// Another text is there than the one that was edited.
    Stale,
    /// What was to be edited is not there, or is there already, or must not be edited so.
    Edit(Refusal),
    /// The new text has errors, or cannot be taken up.
    Wrong(Vec<Problem>),
    /// The file cannot be read or written.
    Unwritable { path: PathBuf, why: String },
    /// It broke off.
    Broken,
}

/// Why an edit is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such entry.
    Absent(String),
    /// There is one already.
    Taken(String),
    /// It must not be so; the member that is at fault.
    Invalid { member: String, why: String },
}

impl From<crate::config::jsonc_edit::Refused> for Refusal {
    fn from(refused: crate::config::jsonc_edit::Refused) -> Refusal {
        Refusal::Invalid { member: String::new(), why: refused.to_string() }
    }
}

/// The text of the file that is in force.
pub(crate) async fn current(shared: &Shared) -> Result<disk::Read, Unchanged> {
    let path = shared.snapshot.load().file.clone().ok_or(Unchanged::NoFile)?;
    blocking(move || disk::read(&path).map_err(|error| unwritable(&path, &error))).await
}

/// Makes a change. `expected` is the mark of the text that the caller has seen, if it matters. It goes on to its end
/// even if the caller leaves.
pub(crate) async fn change<F>(shared: &Arc<Shared>, expected: Option<String>, edit: F) -> Result<Changed, Unchanged>
where
    F: FnOnce(&str) -> Result<String, Refusal> + Send + 'static,
{
    let shared = shared.clone();
    let changing = tokio::spawn(async move {
        let _turn = shared.changing.lock().await;
        let path = shared.snapshot.load().file.clone().ok_or(Unchanged::NoFile)?;
        let old = {
            let shared = shared.clone();
            let path = path.clone();
            blocking(move || written(&shared, &path, expected.as_deref(), edit)).await?
        };
        let (old, etag) = match old {
            Written::Same { etag, problems } => {
                let generation = shared.snapshot.load().generation;
                return Ok(Changed { generation, etag, changes: Vec::new(), restart: Vec::new(), problems });
            }
            Written::Replaced { old, etag } => (old, etag),
        };
        match reload::reload(&shared, "changed through the API").await {
            Ok(done) => Ok(Changed {
                generation: done.generation,
                etag,
                changes: done.changes.said,
                restart: done.changes.restart,
                problems: done.warnings,
            }),
            Err(problems) => {
                let back = path.clone();
                blocking(move || disk::replace(&back, &old).map_err(|error| unwritable(&back, &error))).await?;
                shared.saw(reload::look(&path));
                Err(Unchanged::Wrong(problems))
            }
        }
    });
    changing.await.unwrap_or(Err(Unchanged::Broken))
}

enum Written {
    /// The edit changes nothing.
    Same { etag: String, problems: Vec<Problem> },
    /// A new text stands there.
    Replaced { old: String, etag: String },
}

fn written<F>(shared: &Shared, path: &Path, expected: Option<&str>, edit: F) -> Result<Written, Unchanged>
where
    F: FnOnce(&str) -> Result<String, Refusal>,
{
    let old = disk::read(path).map_err(|error| unwritable(path, &error))?;
    if expected.is_some_and(|expected| expected != old.etag) {
        return Err(Unchanged::Stale);
    }
    let text = edit(&old.text).map_err(Unchanged::Edit)?;
    let text = mask::unmask(&text, &old.text, &shared.salt).map_err(|member| {
        let why = "a masked secret is none that the file holds; read the file again".to_owned();
        Unchanged::Edit(Refusal::Invalid { member, why })
    })?;
    let reading = (shared.load)(Some(&text));
    if reading.snapshot.is_none() {
        return Err(Unchanged::Wrong(reading.problems));
    }
    if text == old.text {
        return Ok(Written::Same { etag: old.etag, problems: reading.problems });
    }
    let data_dir = shared.snapshot.load().data_dir.clone();
    if let Err(error) = disk::keep(&data_dir, &old.text, unix_ms()) {
        let path = disk::folder(&data_dir);
        return Err(unwritable(&path, &error));
    }
    disk::replace(path, &text).map_err(|error| unwritable(path, &error))?;
    Ok(Written::Replaced { old: old.text, etag: disk::etag(&text) })
}

/// The problems of a text that is not written.
pub(crate) async fn judge(shared: &Arc<Shared>, text: String) -> Result<Vec<Problem>, Unchanged> {
    let shared = shared.clone();
    blocking(move || Ok((shared.load)(Some(&text)).problems)).await
}

fn unwritable(path: &Path, error: &std::io::Error) -> Unchanged {
    Unchanged::Unwritable { path: path.to_owned(), why: error.to_string() }
}

/// Work that waits for a disk, away from the thread that drains the rings.
async fn blocking<T, W>(work: W) -> Result<T, Unchanged>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, Unchanged> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Unchanged::Broken))
}
