//! Floor 3: the configuration file (what was said) and the snapshot (what is meant).
//!
//! `read` is the whole way: JSON with comments → `jsonc::Document` (a tree that knows its positions) → `shape`
//! (members and types, against the very schema that editors get) → `file::File` → `check` → `Snapshot`. Every stage
//! adds to one list of problems and goes on with what was sound, so that a file is told all its faults at once.
//!
//! The floor is pure: environment, files and the mode of the file are given by the caller as `Outside`. Only
//! `default_file::create` writes.

use std::io;
use std::path::{Path, PathBuf};

pub mod check;
pub mod date;
pub mod default_file;
pub mod diff;
pub mod file;
pub mod import;
pub mod jsonc;
pub mod jsonc_edit;
mod lint;
pub mod listen;
pub mod mask;
mod name;
mod otlp;
pub mod pattern;
mod payload;
pub mod presets;
pub mod prices;
pub mod problem;
mod providers;
mod routes;
pub mod schema;
pub mod secret_ref;
mod secure;
mod shape;
pub mod snapshot;
pub mod url;

#[cfg(test)]
mod effects_test;
#[cfg(test)]
mod settled_test;
#[cfg(test)]
pub(crate) mod tests;

pub use problem::{Problem, Severity};
pub use snapshot::Snapshot;

/// What a file may refer to outside of itself, asked through closures so that this floor stays pure.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Text of a file named by `file:` or by a system prompt.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Where the configuration came from; told to whoever reads the snapshot.
    pub path: Option<&'a Path>,
    /// Whether others than its owner may read the configuration file (mode & 0o044): literal secrets in it are warned of.
    pub shared: bool,
}

/// What the command line says over the file; it outlives reloads.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`, any number of times.
    pub listen: Vec<String>,
    /// `--admin-listen`.
    pub admin_listen: Option<String>,
    /// `--cores`.
    pub cores: Option<String>,
    /// `--driver`.
    pub driver: Option<String>,
}

/// The outcome of reading a file.
#[derive(Debug)]
pub struct Reading {
    /// The meaning; nothing if any problem is an error.
    pub snapshot: Option<Snapshot>,
    /// Every problem, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Whether any problem is an error.
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// The data folder of a configuration, of which nothing else is looked at: whoever runs with it has its own environment,
/// and its own files. Where the text cannot be read it is the folder of a file that names none. An error where the folder
/// cannot be known here.
pub fn data_dir(text: &[u8], env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    let at = problem::At::ROOT.member("data_dir");
    let Ok(mut document) = jsonc::Document::parse(text) else { return check::data_dir(None, env) };
    let unset = secret_ref::expand(&mut document, env);
    let node = document.node(&at);
    if let Some((_, message)) = unset.into_iter().find(|(place, _)| node.is_some_and(|node| place.offset == node.start))
    {
        return Err(format!("data_dir: {message}"));
    }
    let named = node.map(jsonc::Node::to_value);
    check::data_dir(named.as_ref().and_then(serde_json::Value::as_str), env)
}

/// Reads a configuration from its text.
pub fn read(text: &[u8], outside: &Outside<'_>, overrides: &Overrides) -> Reading {
    let mut document = match jsonc::Document::parse(text) {
        Ok(document) => document,
        Err(problem) => return Reading { snapshot: None, problems: vec![problem] },
    };
    let unset = secret_ref::expand(&mut document, outside.env);
    let mut problems = problem::Problems::new(&document);
    for (place, message) in unset {
        problems.error_at(place, message);
    }
    let shaped = shape::check(&document, schema::value(), &mut problems);
    let snapshot = match serde_path_to_error::deserialize::<_, file::File>(shaped.value) {
        Ok(file) => check::snapshot(&file, outside, overrides, shaped.whole, &mut problems),
        Err(error) => {
            // The schema is made from the types, so only a rule that a schema cannot say comes here.
            problems.error(&problem::At::ROOT, format!("{}: {}", error.path(), error.inner()));
            None
        }
    };
    let problems = problems.finish();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    Reading { snapshot: snapshot.filter(|_| !failed), problems }
}
