//! How a file is written: its indentation and ends of lines, and where the lines and remarks around an item begin and end.

use serde_json::Value;

use super::item::items;
use crate::config::jsonc::Node;

/// The manner of a file.
pub(super) struct Style {
    /// One step of indentation.
    pub(super) unit: String,
    /// End of a line.
    pub(super) newline: &'static str,
}

/// The longest object or list that is written on one line.
const LINE_CHARS_MAX: usize = 96;

impl Style {
    /// The manner of a text: the indentation of its first top-level member, two blanks where that shows none.
    pub(super) fn of(text: &str, root: &Node) -> Style {
        let first = items(root).first().map(|item| indentation(text, item.start)).unwrap_or_default();
        let unit = if first.is_empty() { "  ".to_owned() } else { first.to_owned() };
        Style { unit, newline: if text.contains("\r\n") { "\r\n" } else { "\n" } }
    }

    /// A value on one line.
    pub(super) fn inline(&self, value: &Value) -> String {
        match value {
            Value::Object(members) if members.is_empty() => "{}".to_owned(),
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), self.inline(value)));
                format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
            }
            Value::Array(entries) => {
                format!("[{}]", entries.iter().map(|entry| self.inline(entry)).collect::<Vec<_>>().join(", "))
            }
            plain => plain.to_string(),
        }
    }

    /// A value for a place that is indented by `indent`: on one line if it is short and nothing in it is nested twice.
    pub(super) fn write(&self, value: &Value, indent: &str) -> String {
        let nested = |value: &Value| match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(entries) => entries.iter().any(|entry| entry.is_array() || entry.is_object()),
            _ => false,
        };
        let deep = match value {
            Value::Object(members) => members.values().any(nested),
            Value::Array(entries) => entries.iter().any(nested),
            _ => false,
        };
        let inline = self.inline(value);
        if !deep && inline.len() + indent.len() <= LINE_CHARS_MAX {
            return inline;
        }
        let below = format!("{indent}{}", self.unit);
        let (open, close, items): (_, _, Vec<String>) = match value {
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    format!("{}: {}", Value::from(name.as_str()), self.write(value, &below))
                };
                ('{', '}', members.iter().map(member).collect())
            }
            Value::Array(entries) => ('[', ']', entries.iter().map(|entry| self.write(entry, &below)).collect()),
            _ => return inline,
        };
        let newline = self.newline;
        let joint = format!(",{newline}{below}");
        format!("{open}{newline}{below}{}{newline}{indent}{close}", items.join(&joint))
    }
}

/// The blanks at the beginning of the line that `at` is in.
pub(super) fn indentation(text: &str, at: usize) -> &str {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let blanks = text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len();
    &text[line..(line + blanks).min(at)]
}

/// Where the line of `at` begins, if only blanks stand between.
pub(super) fn line_start(text: &str, at: usize) -> Option<usize> {
    let line = text[..at].rfind('\n')? + 1;
    text[line..at].trim_matches([' ', '\t']).is_empty().then_some(line)
}

/// The comma behind an item that ends at `at`, past blanks and comments.
pub(super) fn separator(text: &str, at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        match comment(text, at) {
            Some(end) => at = end,
            None => return text[at..].starts_with(',').then_some(at),
        }
    }
}

/// One past the comment that begins at `at`.
fn comment(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if rest.starts_with("//") {
        return Some(at + rest.find('\n').unwrap_or(rest.len()));
    }
    let inside = rest.strip_prefix("/*")?;
    Some(at + 2 + inside.find("*/")? + 2)
}

/// Past the comments that begin on the line of `at`; `at` itself if there is none. A line's end before the newline,
/// without its `\r`.
pub(super) fn end_of_remark(text: &str, at: usize) -> usize {
    let mut end = at;
    let mut look = at;
    loop {
        let rest = &text[look..];
        look += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        match comment(text, look) {
            Some(past) => {
                look = past;
                end = text[..past].strip_suffix('\r').map_or(past, str::len);
            }
            None => return end,
        }
        // What follows a comment of several lines is not on this one.
        if text[at..end].contains('\n') {
            return end;
        }
    }
}

/// Past the newline of the line of `at`, if only blanks and comments of this line stand between.
pub(super) fn rest_of_line(text: &str, at: usize) -> Option<usize> {
    let end = end_of_remark(text, at);
    let rest = &text[end..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    (!text[at..end].contains('\n') && rest[blanks..].starts_with('\n')).then_some(end + blanks + 1)
}
