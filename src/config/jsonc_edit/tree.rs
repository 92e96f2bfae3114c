//! The spans of values in blanked text that serde_json has accepted: grammar is not checked again, and its depth is at
//! most 128.

use std::ops::Range;

use serde_json::Value;

use crate::config::problem::Step;

/// A value and where it stands.
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
pub(super) enum Kind {
    Object(Vec<Item>),
    List(Vec<Item>),
    Plain,
}

/// A member or an entry.
pub(super) struct Item {
    /// Where its name begins, or its value if it is an entry.
    pub(super) start: usize,
    /// Its name; empty for an entry.
    name: String,
    pub(super) value: Node,
}

impl Node {
    /// Members or entries; none for a plain value.
    pub(super) fn items(&self) -> &[Item] {
        match &self.kind {
            Kind::Object(items) | Kind::List(items) => items,
            Kind::Plain => &[],
        }
    }

    /// Which item a step leads to.
    pub(super) fn place(&self, step: Step<'_>) -> Option<usize> {
        match (step, &self.kind) {
            (Step::Member(name), Kind::Object(items)) => items.iter().position(|item| item.name == name),
            (Step::Entry(place), Kind::List(items)) => (place < items.len()).then_some(place),
            (Step::Member(_) | Step::Entry(_), Kind::Object(_) | Kind::List(_) | Kind::Plain) => None,
        }
    }

    pub(super) fn step(&self, step: Step<'_>) -> Option<&Item> {
        self.place(step).and_then(|place| self.items().get(place))
    }

    /// The value itself.
    pub(super) fn value(&self, blanked: &str) -> Value {
        serde_json::from_str(&blanked[self.span.clone()]).unwrap_or_default()
    }
}

/// The tree of a whole text.
pub(super) fn read(blanked: &str) -> Node {
    Walk { text: blanked, at: 0 }.value()
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl Walk<'_> {
    fn value(&mut self) -> Node {
        let start = self.peek();
        let kind = match self.byte() {
            b'{' => Kind::Object(self.items(true)),
            b'[' => Kind::List(self.items(false)),
            b'"' => {
                self.string();
                Kind::Plain
            }
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
                Kind::Plain
            }
        };
        Node { span: start..self.at, kind }
    }

    fn items(&mut self, named: bool) -> Vec<Item> {
        let mut items = Vec::new();
        self.at += 1; // the opening bracket
        loop {
            let start = self.peek();
            match self.byte() {
                b',' => self.at += 1,
                b'}' | b']' | 0 => break,
                _ if named => {
                    let name = serde_json::from_str(self.string()).unwrap_or_default();
                    self.peek();
                    self.at += 1; // the colon
                    items.push(Item { start, name, value: self.value() });
                }
                _ => items.push(Item { start, name: String::new(), value: self.value() }),
            }
        }
        self.at += 1;
        items
    }

    /// The string that begins here, quotes included.
    fn string(&mut self) -> &str {
        let start = self.at;
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &self.text.as_bytes()[self.at..]) {
            self.at += found + 1;
            if self.text.as_bytes()[self.at - 1] == b'"' {
                break;
            }
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// Goes to the next byte that is not blank.
    fn peek(&mut self) -> usize {
        while self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
        self.at
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }
}
