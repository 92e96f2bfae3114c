//! Members that parse and are checked but have no effect so far. The file format is a contract from the
//! first day; this table shrinks as the program grows into it, and is empty when it has.

use super::problem::{At, Step};

/// A part of the contract without effect.
pub struct NotYet {
    /// What it is recognised by.
    pub at: Member,
    /// What is not in effect.
    pub what: &'static str,
}

/// A member with a value other than its default. List positions are left out, `*` is any one name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Member(pub &'static str);

/// All of them.
pub const NOT_YET: &[NotYet] = &[NotYet { at: Member("traces.*"), what: "traces" }];

/// What of the table covers the member at `at`.
pub fn of_member(at: &At<'_>) -> Option<&'static str> {
    let steps = at.steps();
    let names = steps.iter().filter_map(|step| if let Step::Member(name) = step { Some(*name) } else { None });
    let names: Vec<&str> = names.collect();
    let covers = |pattern: &str| {
        let mut parts = pattern.split('.');
        names.iter().all(|name| parts.next().is_some_and(|part| part == "*" || part == *name)) && parts.next().is_none()
    };
    NOT_YET.iter().find(|entry| covers(entry.at.0)).map(|entry| entry.what)
}

/// The words of the warning.
pub fn say(what: &str) -> String {
    format!("{what} are not yet in effect")
}
