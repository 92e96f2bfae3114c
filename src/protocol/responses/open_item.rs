//! What a Responses stream has told of the items that are open.

use super::event_in::Kind;

/// An item that has begun and not ended.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) index: u64,
    pub(super) kind: Kind,
    /// The part that is told now.
    pub(super) part: Option<Part>,
    /// Parts of the item that have begun, and the number of the last one.
    pub(super) begun: usize,
    pub(super) last: Option<u64>,
    /// Whether anything of its reasoning itself has been told, and of the summary.
    pub(super) thought: bool,
    pub(super) summed: bool,
}

/// A part of an item as the pivot knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) at: u32,
    pub(super) of: Of,
    pub(super) number: u64,
    pub(super) told: bool,
    pub(super) annotated: usize,
}

/// What a part is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Of {
    #[default]
    Text,
    Refusal,
    Summary,
    Thought,
    Call,
    Foreign,
}

/// What an event that fits the mould adds to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moulded {
    pub(super) index: u64,
    pub(super) number: u64,
    pub(super) of: Of,
}
