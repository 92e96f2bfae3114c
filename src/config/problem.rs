//! Problems of a configuration file: what is wrong, where, and how bad it is.
//!
//! `At` is a path into the file as a list on the stack: a checker carries it down without allocating and it
//! is spelled out (`providers.deepseek.keys[1].weight`) only when there is something to say.

use std::fmt;

use super::jsonc::Document;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but does not mean what its writer thinks.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// JSON path (`providers.deepseek.keys[1].weight`); empty for the file as a whole.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong. Never a secret's value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {severity}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A member of an object.
    Member(&'a str),
    /// An element of a list.
    Entry(usize),
}

/// A place in the file: a step below another place.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    above: Option<(&'a At<'a>, Step<'a>)>,
}

impl<'a> At<'a> {
    /// The file itself.
    pub const ROOT: At<'static> = At { above: None };

    /// The member `name` of this place.
    pub fn member(&'a self, name: &'a str) -> At<'a> {
        At { above: Some((self, Step::Member(name))) }
    }

    /// The element `index` of this place.
    pub fn entry(&'a self, index: usize) -> At<'a> {
        At { above: Some((self, Step::Entry(index))) }
    }

    /// Steps from the root to here.
    pub fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut at = self.above;
        while let Some((above, step)) = at {
            steps.push(step);
            at = above.above;
        }
        steps.reverse();
        steps
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(&self.steps(), f)
    }
}

/// Writes a path; names that would be misread with a dot in front stand in brackets and quotes.
fn spell(steps: &[Step<'_>], f: &mut dyn fmt::Write) -> fmt::Result {
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'))
    };
    for (index, step) in steps.iter().enumerate() {
        match *step {
            Step::Entry(entry) => write!(f, "[{entry}]")?,
            Step::Member(name) if !plain(name) => write!(f, "[{name:?}]")?,
            Step::Member(name) if index == 0 => f.write_str(name)?,
            Step::Member(name) => write!(f, ".{name}")?,
        }
    }
    Ok(())
}

/// A place that outlives the tree it was found in.
pub(super) struct Place {
    pub(super) path: String,
    pub(super) offset: usize,
}

impl Place {
    pub(super) fn new(steps: &[Step<'_>], offset: usize) -> Place {
        let mut path = String::new();
        // Writing to a String does not fail.
        let _ = spell(steps, &mut path);
        Place { path, offset }
    }
}

/// The list under construction.
pub struct Problems<'d> {
    document: &'d Document,
    list: Vec<(usize, Problem)>,
}

impl<'d> Problems<'d> {
    /// An empty list over a document, which knows the positions.
    pub fn new(document: &'d Document) -> Problems<'d> {
        Problems { document, list: Vec::new() }
    }

    /// Adds an error at a value.
    pub fn error(&mut self, at: &At<'_>, message: impl Into<String>) {
        let place = Place::new(&at.steps(), self.document.locate(at));
        self.push(Severity::Error, place, message.into());
    }

    /// Adds a warning at a value.
    pub fn warning(&mut self, at: &At<'_>, message: impl Into<String>) {
        let place = Place::new(&at.steps(), self.document.locate(at));
        self.push(Severity::Warning, place, message.into());
    }

    /// Adds an error at a place whose offset is known.
    pub(super) fn error_at(&mut self, place: Place, message: String) {
        self.push(Severity::Error, place, message);
    }

    /// How a message may quote `text`, which stands at `at`: a value that came out of the environment is not shown.
    pub fn quote(&self, at: &At<'_>, text: &str) -> String {
        if self.document.expanded(at) { "its value".to_owned() } else { format!("{text:?}") }
    }

    /// Whether the string at `at` holds `${NAME}`, so that it is no literal.
    pub fn expanded(&self, at: &At<'_>) -> bool {
        self.document.expanded(at)
    }

    /// Whether the file says anything at `at`.
    pub fn said(&self, at: &At<'_>) -> bool {
        self.document.node(at).is_some()
    }

    fn push(&mut self, severity: Severity, place: Place, message: String) {
        let (line, column) = self.document.position(place.offset);
        self.list.push((place.offset, Problem { severity, path: place.path, line, column, message }));
    }

    /// The problems in the order of the file.
    pub fn finish(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|(offset, _)| *offset);
        self.list.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// The known name nearest to `wrong`, if it is near enough to be meant: at most a third of its letters differ.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&wrong, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| {
            let longer = name.len().max(wrong.len());
            *distance <= (longer / 3).max(1) && *distance < longer
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `, did you mean …?` or nothing.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |name| format!(", did you mean {name:?}?"))
}

/// Letters inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    // A name far beyond any of ours is near to none; the table below is quadratic.
    const NAME_CHARS_MAX: usize = 64;
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len() > NAME_CHARS_MAX || right.len() > NAME_CHARS_MAX {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, &b) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut least = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b {
                least = least.min(before[column - 1] + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_people_write_them() {
        let root = At::ROOT;
        let providers = root.member("providers");
        let provider = providers.member("deepseek");
        let keys = provider.member("keys");
        assert_eq!(keys.entry(1).member("weight").to_string(), "providers.deepseek.keys[1].weight");
        assert_eq!(provider.member("gpt-4.*").to_string(), "providers.deepseek[\"gpt-4.*\"]");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let known = ["listen", "limits", "base_url", "weight"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("baseurl", known), Some("base_url"));
        assert_eq!(nearest("Weight", known), Some("weight"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest(&"w".repeat(1000), known), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in [("", "abc", 3), ("abc", "abc", 0), ("ab", "ba", 1), ("kitten", "sitting", 3)] {
            assert_eq!(distance(left, right), edits);
            assert_eq!(distance(right, left), edits);
        }
    }
}
