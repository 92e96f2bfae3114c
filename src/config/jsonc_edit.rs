//! Changes to the text of a configuration: a member is set, taken out or merged, and all else stays as its writer left
//! it: comments, order, blanks, trailing commas.
//!
//! The one idea: an edit is a splice of the original text at offsets that are found in its blanked twin
//! (`jsonc::blank`), where comments and trailing commas are spaces and every offset is the same. Whatever is put in is
//! written in the manner of its neighbours: on a line of its own where they have one, with their indentation. What an
//! edited text means is not judged here; the ordinary check is asked before it is written anywhere.

use std::ops::Range;

use serde_json::{Map, Value};

use super::jsonc::{self, Kind, Node};
use super::problem::Step;

mod item;
mod text;

use item::{Item, items, place};
use text::{Style, end_of_remark, indentation, line_start, rest_of_line, separator};

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The text is no JSON with comments.
    Syntax(String),
    /// The path leads through something that has no members, or to no entry of a list.
    Path,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Syntax(why) => write!(f, "the file is no JSON: {why}"),
            Refused::Path => f.write_str("there is no such place in the file"),
        }
    }
}

/// The value at a path, as it is written; nothing where there is none.
pub fn get(text: &str, path: &[Step<'_>]) -> Result<Option<Value>, Refused> {
    let (_, root) = read(text)?;
    Ok(path.iter().try_fold(&root, |node, step| node.step(*step)).map(Node::to_value))
}

/// The text with `value` at `path`. Objects on the way that are not there are made; the entry of a list may be the one
/// past its end. What is there already and equal stays as it is written.
pub fn set(text: &str, path: &[Step<'_>], value: &Value) -> Result<String, Refused> {
    let (blanked, root) = read(text)?;
    let style = Style::of(text, &root);
    let mut node = &root;
    let mut parent = 0..0;
    for (depth, step) in path.iter().enumerate() {
        let Some(place) = place(node, *step) else {
            // The rest of the path becomes objects around the value.
            let wrap = |value: Value, step: &Step<'_>| match step {
                Step::Member(name) => Ok(Value::Object(Map::from_iter([((*name).to_owned(), value)]))),
                Step::Entry(_) => Err(Refused::Path),
            };
            let value = path[depth + 1..].iter().rev().try_fold(value.clone(), wrap)?;
            return match (*step, &node.kind) {
                (Step::Member(name), Kind::Object(_)) => Ok(insert(text, &blanked, &style, node, Some(name), &value)),
                (Step::Entry(place), Kind::List(entries)) if place == entries.len() => {
                    Ok(insert(text, &blanked, &style, node, None, &value))
                }
                (Step::Member(_) | Step::Entry(_), _) => Err(Refused::Path),
            };
        };
        let Item { start, value } = items(node).swap_remove(place);
        parent = start..value.end;
        node = value;
    }
    let before = node.to_value();
    match (&before, value) {
        _ if before == *value => return Ok(text.to_owned()),
        (Value::Object(old), Value::Object(new)) if !old.is_empty() && !new.is_empty() => {
            return members(text, path, old, new);
        }
        (Value::Array(old), Value::Array(new)) if !old.is_empty() && !new.is_empty() => {
            return entries(text, path, old, new);
        }
        _ => {}
    }
    let indent = indentation(text, parent.start);
    let span = node.start..node.end;
    let inline = !text[span.clone()].contains('\n') && shares_line(&blanked, parent);
    let written = if inline { style.inline(value) } else { style.write(value, indent) };
    Ok(splice(text, span, &written))
}

/// An object becomes another one member by member, so that what is common keeps its place and its remarks.
fn members(
    text: &str,
    path: &[Step<'_>],
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<String, Refused> {
    let below = |name| [path, &[Step::Member(name)]].concat();
    let mut text = text.to_owned();
    for (name, value) in new {
        text = set(&text, &below(name), value)?;
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        text = remove(&text, &below(name))?;
    }
    Ok(text)
}

/// A list becomes another one likewise: entries that are gone are taken out if that is all, else what differs is set.
fn entries(text: &str, path: &[Step<'_>], old: &[Value], new: &[Value]) -> Result<String, Refused> {
    let below = |place| [path, &[Step::Entry(place)]].concat();
    let mut text = text.to_owned();
    let mut left = new.iter().peekable();
    let kept: Vec<bool> = old.iter().map(|entry| left.next_if(|wanted| *wanted == entry).is_some()).collect();
    if left.peek().is_none() {
        for place in (0..old.len()).rev().filter(|place| !kept[*place]) {
            text = remove(&text, &below(place))?;
        }
        return Ok(text);
    }
    for (place, value) in new.iter().enumerate() {
        text = set(&text, &below(place), value)?;
    }
    for place in (new.len()..old.len()).rev() {
        text = remove(&text, &below(place))?;
    }
    Ok(text)
}

/// The text without the member or entry at `path`; as it is where there is none.
pub fn remove(text: &str, path: &[Step<'_>]) -> Result<String, Refused> {
    let Some((last, above)) = path.split_last() else { return Err(Refused::Path) };
    let (_, root) = read(text)?;
    let node = above.iter().try_fold(&root, |node, step| node.step(*step));
    match node.and_then(|node| Some((node, place(node, *last)?))) {
        Some((node, place)) => Ok(take_out(text, &items(node), place)),
        None => Ok(text.to_owned()),
    }
}

/// The text with `patch` merged into the value at `path` (RFC 7396): null takes a member out, an object goes on inside,
/// anything else is set.
pub fn merge(text: &str, path: &[Step<'_>], patch: &Value) -> Result<String, Refused> {
    let Value::Object(members) = patch else { return set(text, path, patch) };
    if !matches!(get(text, path)?, Some(Value::Object(_))) {
        return set(text, path, &without_nulls(patch));
    }
    let mut text = text.to_owned();
    for (name, value) in members {
        let mut below = path.to_vec();
        below.push(Step::Member(name));
        text = match value {
            Value::Null => remove(&text, &below)?,
            value => merge(&text, &below, value)?,
        };
    }
    Ok(text)
}

/// What merging `patch` into nothing comes to.
fn without_nulls(patch: &Value) -> Value {
    let Value::Object(members) = patch else { return patch.clone() };
    let kept = members.iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
}

fn read(text: &str) -> Result<(String, Node), Refused> {
    let blanked = jsonc::blank(text);
    // As a value: what is only passed over may be deeper than the walk below has a stack for.
    serde_json::from_str::<Value>(&blanked).map_err(|error| Refused::Syntax(error.to_string()))?;
    let root = jsonc::tree(&blanked);
    Ok((blanked, root))
}

fn splice(text: &str, span: Range<usize>, with: &str) -> String {
    [&text[..span.start], with, &text[span.end..]].concat()
}

/// Whether something else stands before an item on its line, so that what replaces it must not begin new ones.
fn shares_line(blanked: &str, item: Range<usize>) -> bool {
    line_start(blanked, item.start).is_none() && blanked[..item.start].contains('\n')
}

/// Puts a new last item into an object or a list.
fn insert(text: &str, blanked: &str, style: &Style, node: &Node, name: Option<&str>, value: &Value) -> String {
    let named = |written: String| match name {
        Some(name) => format!("{}: {written}", Value::from(name)),
        None => written,
    };
    let items = items(node);
    let Some(last) = items.last() else { return fill(text, style, node, &named, value) };
    let before_last = match items.len() {
        1 => node.start + 1,
        count => items[count - 2].value.end,
    };
    let own_line = blanked[before_last..last.start].contains('\n') && line_start(blanked, last.start).is_some();
    let indent = indentation(text, last.start).to_owned();
    let end = last.value.end;
    let comma = separator(text, end);
    let after = comma.map_or(end, |comma| comma + 1);
    if !own_line {
        let item = named(style.inline(value));
        return match comma {
            Some(_) => splice(text, after..after, &format!(" {item},")),
            None => splice(text, end..end, &format!(", {item}")),
        };
    }
    // A remark behind the last item is that item's, so the new one stands below it.
    let place = end_of_remark(text, after);
    let item = named(style.write(value, &indent));
    let (joint, tail) = if comma.is_some() { ("", ",") } else { (",", "") };
    let newline = style.newline;
    [&text[..end], joint, &text[end..place], newline, &indent, &item, tail, &text[place..]].concat()
}

/// Puts the first item into an empty object or list, behind whatever remarks it holds.
fn fill(text: &str, style: &Style, node: &Node, named: &dyn Fn(String) -> String, value: &Value) -> String {
    let close = node.end - 1;
    let outer = indentation(text, node.start).to_owned();
    let inner = format!("{outer}{}", style.unit);
    let inside = &text[node.start + 1..close];
    let kept = inside.trim_end();
    let item = named(style.write(value, &inner));
    let newline = style.newline;
    let place = node.start + 1 + kept.len();
    splice(text, place..close, &format!("{newline}{inner}{item}{newline}{outer}"))
}

/// Takes one item out, with the comma that belongs to it, its remark on the same line, and its line if that is its own.
fn take_out(text: &str, items: &[Item<'_>], place: usize) -> String {
    let item = &items[place];
    let mut end = item.value.end;
    let mut dropped_comma = None;
    match separator(text, end) {
        Some(comma) => end = comma + 1,
        // The last one, without a comma of its own: the one before it would be left with a comma that it had not.
        None if place > 0 => dropped_comma = separator(text, items[place - 1].value.end),
        None => {}
    }
    let mut start = item.start;
    match (line_start(text, start), rest_of_line(text, end)) {
        (Some(line), Some(next)) => (start, end) = (line, next),
        // Others share the line: the blanks on one side go along.
        _ if dropped_comma.is_some() => {
            start = text[..start].trim_end_matches([' ', '\t']).len();
        }
        _ => end += text[end..].len() - text[end..].trim_start_matches([' ', '\t']).len(),
    }
    let rest = &text[end..];
    match dropped_comma {
        Some(comma) => [&text[..comma], &text[comma + 1..start.max(comma + 1)], rest].concat(),
        None => [&text[..start], rest].concat(),
    }
}

#[cfg(test)]
mod tests;
