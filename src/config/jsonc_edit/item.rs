//! Members of an object and entries of a list alike: an edit asks where one begins and which value it has.

use crate::config::jsonc::{Kind, Node};
use crate::config::problem::Step;

/// A member or an entry.
pub(super) struct Item<'a> {
    /// Where its name begins, or its value if it is an entry.
    pub(super) start: usize,
    pub(super) value: &'a Node,
}

/// Members or entries; none for a plain value.
pub(super) fn items(node: &Node) -> Vec<Item<'_>> {
    match &node.kind {
        Kind::Object(members) => {
            members.iter().map(|member| Item { start: member.start, value: &member.value }).collect()
        }
        Kind::List(entries) => entries.iter().map(|entry| Item { start: entry.start, value: entry }).collect(),
        Kind::Text { .. } | Kind::Plain(_) => Vec::new(),
    }
}

/// Which item a step leads to.
pub(super) fn place(node: &Node, step: Step<'_>) -> Option<usize> {
    match (step, &node.kind) {
        (Step::Member(name), Kind::Object(members)) => members.iter().position(|member| member.name == name),
        (Step::Entry(place), Kind::List(entries)) => (place < entries.len()).then_some(place),
        (Step::Member(_) | Step::Entry(_), _) => None,
    }
}
