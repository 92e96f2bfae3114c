//! Whole files: the contract's own sample, the example, and one small file for each rule.

use std::io;
use std::path::Path;

use super::{Outside, Overrides, Problem, Reading, Severity, Snapshot};

fn env(name: &str) -> Option<String> {
    match name {
        "UNSET" => None,
        "HOME" => Some("/home/u".to_owned()),
        "STATE_DIRECTORY" | "XDG_DATA_HOME" => None,
        other => Some(format!("value-of-{other}")),
    }
}

fn file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/key") => Ok("sk-from-file\r\nsecond line\n".to_owned()),
        Some("/run/empty") => Ok("\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn read_with(text: &str, shared: bool, overrides: &Overrides) -> Reading {
    super::read(text.as_bytes(), &Outside { env: &env, read: &file, path: None, shared }, overrides)
}

fn read(text: &str) -> Reading {
    read_with(text, false, &Overrides::default())
}

/// The snapshot of a file without errors.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let reading = read(text);
    reading.snapshot.unwrap_or_else(|| panic!("{:#?}", reading.problems))
}
