//! JSON with comments and trailing commas, as a tree that knows where each value stands.
//!
//! Comments and trailing commas are overwritten with blanks in place, so offsets and lines stay right; then
//! serde_json judges the text. What it accepted is walked once more for the tree: a `serde_json::Value` has neither
//! positions nor the second of two equal names.

use serde_json::Value;

use super::problem::{At, Problem, Severity, Step};

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    text: String,
    /// Offsets at which lines begin.
    lines: Vec<usize>,
    /// The top-level value.
    pub root: Node,
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    /// Byte offset of its beginning.
    pub start: usize,
    /// One past its end.
    pub end: usize,
    /// The value.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// A string; `expanded` if it held `${NAME}`.
    Text {
        /// The text, unescaped, references replaced.
        text: String,
        /// Whether any of it came out of the environment.
        expanded: bool,
    },
    /// A number, a boolean or null.
    Plain(Value),
    /// A list.
    List(Vec<Node>),
    /// An object, members in order, doubles included.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug)]
pub struct Member {
    /// Its name, unescaped.
    pub name: String,
    /// Byte offset of the name.
    pub start: usize,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The member `name`; the first of doubles, because `shape` refuses the others.
    pub fn member(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Object(members) => members.iter().find(|member| member.name == name).map(|member| &member.value),
            Kind::Text { .. } | Kind::Plain(_) | Kind::List(_) => None,
        }
    }

    /// The member or entry that a step leads to.
    pub(super) fn step(&self, step: Step<'_>) -> Option<&Node> {
        match (step, &self.kind) {
            (Step::Member(name), Kind::Object(_)) => self.member(name),
            (Step::Entry(index), Kind::List(nodes)) => nodes.get(index),
            (Step::Member(_) | Step::Entry(_), _) => None,
        }
    }

    /// The value without positions.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Text { text, .. } => Value::String(text.clone()),
            Kind::Plain(value) => value.clone(),
            Kind::List(nodes) => Value::Array(nodes.iter().map(Node::to_value).collect()),
            Kind::Object(members) => {
                Value::Object(members.iter().map(|member| (member.name.clone(), member.value.to_value())).collect())
            }
        }
    }
}

impl Document {
    /// Parses a file; the problem is the first fault of its syntax.
    pub fn parse(text: &[u8]) -> Result<Document, Problem> {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|newline| newline + 1)).collect();
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                let valid = std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default();
                let (line, column) = position(valid, lines, error.valid_up_to());
                return Err(syntax(line, column, "the file is not UTF-8 here".to_owned()));
            }
        };
        // A byte order mark is blanked like a comment.
        let text = blank(text);
        if let Err(error) = serde_json::from_str::<Value>(&text) {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default().to_owned();
            return Err(syntax(line, u32::try_from(error.column().max(1)).unwrap_or(u32::MAX), said));
        }
        let root = tree(&text);
        Ok(Document { text, lines, root })
    }

    /// Line and column, both from 1, of a byte offset.
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|&start| start <= offset).saturating_sub(1);
        let column = self.text.get(self.lines[line]..offset).map_or(0, |before| before.chars().count());
        (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
    }

    /// The value at a path.
    pub fn node(&self, at: &At<'_>) -> Option<&Node> {
        at.steps().into_iter().try_fold(&self.root, |node, step| node.step(step))
    }

    /// Offset of the value at a path, or of the nearest value above that exists.
    pub fn locate(&self, at: &At<'_>) -> usize {
        let mut node = &self.root;
        for step in at.steps() {
            match node.step(step) {
                Some(below) => node = below,
                None => break,
            }
        }
        node.start
    }

    /// Whether the string at a path holds anything out of the environment.
    pub fn expanded(&self, at: &At<'_>) -> bool {
        self.node(at).is_some_and(|node| matches!(node.kind, Kind::Text { expanded: true, .. }))
    }
}

fn syntax(line: u32, column: u32, message: String) -> Problem {
    Problem { severity: Severity::Error, path: String::new(), line, column, message }
}

fn position(text: &str, lines: Vec<usize>, offset: usize) -> (u32, u32) {
    let root = Node { start: 0, end: 0, kind: Kind::Plain(Value::Null) };
    Document { text: text.to_owned(), lines, root }.position(offset)
}

/// The tree of blanked text that serde_json has accepted.
pub(super) fn tree(blanked: &str) -> Node {
    Walk { text: blanked, at: 0 }.value()
}

/// The text with comments, trailing commas and a byte order mark overwritten by blanks. A comment that does
/// not end stays as it is: JSON refuses it at the right place.
pub fn blank(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes[..3].fill(b' ');
    }
    // The last comma after which only blanks and comments came.
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(&bytes, at);
                comma = None;
                continue;
            }
            b'/' => match comment_end(&bytes, at) {
                Some(end) => {
                    bytes[at..end].iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|b| *b = b' ');
                    at = end;
                    continue;
                }
                None => comma = None,
            },
            b',' => comma = Some(at),
            b']' | b'}' => {
                // `[,]` and `{,}` are no trailing commas.
                if let Some(comma) = comma.take().filter(|&comma| follows_value(&bytes, comma)) {
                    bytes[comma] = b' ';
                }
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => comma = None,
        }
        at += 1;
    }
    // Whole characters were replaced by blanks, byte by byte, so it is still UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// One past the closing quote of the string that opens at `start`, or the end of the text.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// One past a comment that begins at `start`.
fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start + 1)? {
        b'/' => Some(memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |newline| start + newline)),
        b'*' => memchr::memmem::find(&bytes[start + 2..], b"*/").map(|end| start + 2 + end + 2),
        _ => None,
    }
}

/// Whether a value ends before the comma at `comma`; comments before it are blank already.
fn follows_value(bytes: &[u8], comma: usize) -> bool {
    bytes[..comma].iter().rfind(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| !b"[{,:".contains(byte))
}

/// A walk over text that serde_json accepted: grammar is not checked again, and its depth is at most 128.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl Walk<'_> {
    fn value(&mut self) -> Node {
        let start = self.peek();
        let kind = match self.byte() {
            b'{' => Kind::Object(self.sequence(b'}', |walk| {
                let start = walk.peek();
                let name = walk.string();
                walk.peek();
                walk.at += 1; // the colon
                Member { name, start, value: walk.value() }
            })),
            b'[' => Kind::List(self.sequence(b']', Walk::value)),
            b'"' => Kind::Text { text: self.string(), expanded: false },
            _ => Kind::Plain(self.plain()),
        };
        Node { start, end: self.at, kind }
    }

    fn sequence<T>(&mut self, close: u8, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut list = Vec::new();
        self.at += 1; // the opening bracket
        loop {
            self.peek();
            match self.byte() {
                b',' => self.at += 1,
                byte if byte == close || byte == 0 => break,
                _ => list.push(each(self)),
            }
        }
        self.at += 1;
        list
    }

    fn string(&mut self) -> String {
        let end = string_end(self.text.as_bytes(), self.at);
        let token = &self.text[self.at..end];
        self.at = end;
        serde_json::from_str(token).unwrap_or_default()
    }

    fn plain(&mut self) -> Value {
        let rest = &self.text[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        self.at += end;
        serde_json::from_str(&rest[..end]).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_blanked_in_place() {
        let cases = [
            ("{\"a\": 1, // x\n}", "{\"a\": 1      \n}"),
            ("[1, /* ], */ 2,\n]", "[1,          2 \n]"),
            ("{\"a\": \"// no, ]\"}", "{\"a\": \"// no, ]\"}"),
            ("[\"\\\"//\", ]", "[\"\\\"//\"  ]"),
            ("[,]", "[,]"),
            ("[1,,]", "[1,,]"),
            ("/* é\n*/1", "     \n  1"),
            ("1 /* open", "1 /* open"),
        ];
        for (text, blanked) in cases {
            assert_eq!(blank(text), blanked);
            assert_eq!(blank(text).len(), text.len());
        }
    }

    #[test]
    fn values_know_their_positions() {
        let document = Document::parse("// head\n{\n  \"ü\": [1, {\"b\": \"x\"}],\n}".as_bytes()).unwrap();
        let (root, name) = (At::ROOT, "ü");
        let list = root.member(name);
        let entry = list.entry(1);
        assert_eq!(document.position(document.locate(&entry.member("b"))), (3, 18));
        assert_eq!(document.position(document.locate(&entry.member("none").member("deeper"))), (3, 12));
        assert_eq!(document.position(document.locate(&root)), (2, 1));
    }

    #[test]
    fn faults_of_syntax_have_line_and_column() {
        let problem = Document::parse(b"{\n  \"a\" 1\n}").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 7), "{problem}");
        let problem = Document::parse(b"{\n \"a\": \"\xff\"}").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 8), "{problem}");
        assert!(Document::parse("[".repeat(10_000).as_bytes()).is_err());
        assert!(Document::parse(b"").is_err());
    }

    proptest! {
        #[test]
        fn the_tree_is_what_serde_json_reads(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(Document::parse(text.as_bytes()).unwrap().root.to_value(), value.clone());
            }
        }

        #[test]
        fn no_text_panics_and_blanking_keeps_lengths(text in "[\\[\\]{},:\"/*\\\\ \n1aé]{0,40}") {
            prop_assert_eq!(blank(&text).len(), text.len());
            let _ = Document::parse(text.as_bytes());
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("\\PC{0,6}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
