//! What is kept for the next process: rows in small files of the data folder, written when they change and read before
//! anything is served.
//!
//! A file is written beside and put in place whole, so that a process that is killed leaves the old one or the new one.
//! It is the owner's only, and holds no secret.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Shared, socket};
use crate::limits;

#[derive(Serialize, Deserialize)]
struct File<T> {
    version: u32,
    rows: Vec<T>,
}

const VERSION: u32 = 1;

/// The rows that an earlier process has kept. A file that cannot be read is said, and is as if it were not there.
pub(super) fn recall<T: DeserializeOwned>(data_dir: &Path, name: &str) -> Vec<T> {
    let path = data_dir.join(name);
    match read(&path) {
        Ok(rows) => rows,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "what an earlier process has kept is not known");
            Vec::new()
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(limits::KEPT_FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limits::KEPT_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} bytes", limits::KEPT_FILE_BYTES_MAX)));
    }
    let file: File<T> = serde_json::from_slice(&text)?;
    if file.version == VERSION { Ok(file.rows) } else { Err(io::Error::other("it is of another version")) }
}

/// A file, and what it holds.
pub(super) struct Kept<T> {
    path: PathBuf,
    pub(super) rows: Vec<T>,
    pub(super) failed: bool,
}

impl<T: Serialize + PartialEq> Kept<T> {
    pub(super) fn new(data_dir: &Path, name: &str) -> Kept<T> {
        Kept { path: data_dir.join(name), rows: Vec::new(), failed: false }
    }

    /// Brings the file up to date. A failure is said once, until it works again.
    pub(super) fn store(&mut self, rows: Vec<T>) {
        if rows == self.rows {
            return;
        }
        let file = File { version: VERSION, rows };
        match write(&self.path, &file) {
            Ok(()) => (self.rows, self.failed) = (file.rows, false),
            Err(_again) if self.failed => {}
            Err(error) => {
                self.failed = true;
                tracing::warn!(path = %self.path.display(), %error, "nothing can be kept here for the next process");
            }
        }
    }
}

fn write(path: &Path, file: &impl Serialize) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        socket::data_dir(folder)?;
    }
    let fresh = path.with_extension(format!("json.{}", std::process::id()));
    let written = (|| {
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        out.write_all(&serde_json::to_vec(file)?)?;
        fs::rename(&fresh, path)
    })();
    written.inspect_err(|_| {
        let _half_of_it = fs::remove_file(&fresh);
    })
}

/// Keeps the files up to date for as long as the process is the one that serves.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(Duration::from_millis(limits::HEALTH_KEEP_EVERY_MS));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = 0_u64;
    loop {
        every.tick().await;
        shared.keep_health();
        looks += 1;
        if looks.is_multiple_of(limits::METERS_KEEP_LOOKS) {
            shared.keep_meters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::socket::tests::Folder;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = Folder::new("kept-large");
        let path = folder.0.join("rows.json");
        write(&path, &File { version: VERSION, rows: vec![7_u32] }).expect("written");
        let file = fs::OpenOptions::new().append(true).open(&path).expect("there");
        // Blanks behind it mean nothing, so that the length alone decides.
        let blanks = limits::KEPT_FILE_BYTES_MAX - file.metadata().expect("known").len();
        (&file).write_all(&vec![b' '; blanks as usize]).expect("written");
        assert_eq!(read::<u32>(&path).expect("at the bound"), [7]);
        (&file).write_all(b" ").expect("written");
        assert!(read::<u32>(&path).expect_err("one past it").to_string().contains("larger than"));
        assert_eq!(recall::<u32>(&folder.0, "rows.json"), [0_u32; 0]);
    }
}
