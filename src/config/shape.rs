//! Members and types of a file, judged by its JSON Schema.
//!
//! The schema is made from the types in `file.rs`, so there is one list of members: what an editor underlines is
//! what `weir check` says. Serde stops at its first error; this walk goes on: what is wrong is reported and left out,
//! and the rest is handed to serde and to `check`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::jsonc::{Document, Kind, Member, Node};
use super::problem::{At, Place, Problems, hint};

/// What is left of a file after the walk.
pub(super) struct Shaped {
    /// The sound part; serde accepts it.
    pub(super) value: Value,
    /// Whether it is all of the file. If not, nothing can be said about what is absent from it.
    pub(super) whole: bool,
}

/// Walks the document along the schema.
pub(super) fn check(document: &Document, schema: &Value, problems: &mut Problems<'_>) -> Shaped {
    let mut walk = Walk { root: schema, problems, whole: true };
    let value = walk.value(&At::ROOT, &document.root, schema);
    Shaped { value: value.unwrap_or_else(|| Value::Object(Map::new())), whole: walk.whole }
}

struct Walk<'s, 'p, 'd> {
    root: &'s Value,
    problems: &'p mut Problems<'d>,
    whole: bool,
}

impl<'s> Walk<'s, '_, '_> {
    /// The sound part of a value; nothing if its type is wrong.
    fn value(&mut self, at: &At<'_>, node: &Node, schema: &'s Value) -> Option<Value> {
        let choices = self.choices(schema);
        let words: Vec<&str> = choices.iter().flat_map(|choice| words(choice)).collect();
        let Some(choice) = choices.iter().find(|choice| admits(choice, node)) else {
            let names: Vec<&str> =
                choices.iter().flat_map(|choice| types(choice)).filter(|name| *name != "null").collect();
            return self.wrong(at, format!("expected {}, found {}", one_of(&names), found(node)));
        };
        match &node.kind {
            Kind::Text { text, .. } if !words.is_empty() && !words.contains(&text.as_str()) => {
                let quoted = self.problems.quote(at, text);
                let (known, near) = (words.join(", "), hint(text, words.iter().copied()));
                let takes_number = choices.iter().flat_map(|choice| types(choice)).any(|name| name == "integer");
                let said = if takes_number {
                    format!("{quoted} is neither {known} nor a number{near}")
                } else {
                    format!("{quoted} is none of {known}{near}")
                };
                self.wrong(at, said)
            }
            Kind::Text { text, .. } => Some(Value::String(text.clone())),
            Kind::Plain(value) => self.number(at, value, choice),
            Kind::List(nodes) => {
                let Some(items) = choice.get("items") else { return Some(node.to_value()) };
                // An element left out would shift the paths of those after it, so a list is taken whole or not at all;
                // every element is looked at first.
                let values: Vec<Option<Value>> =
                    nodes.iter().enumerate().map(|(index, node)| self.value(&at.entry(index), node, items)).collect();
                values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            Kind::Object(_) if types(choice).is_empty() => Some(node.to_value()),
            Kind::Object(members) => Some(self.object(at, members, choice)),
        }
    }

    fn object(&mut self, at: &At<'_>, members: &[Member], schema: &'s Value) -> Value {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let mut sound = Map::new();
        let mut seen = HashSet::new();
        for member in members {
            let at_member = at.member(&member.name);
            if !seen.insert(&member.name) {
                self.named(&at_member, member, "is given twice in one object".to_owned());
                continue;
            }
            let Some(below) = known.and_then(|known| known.get(&member.name)).or(others) else {
                let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
                self.named(&at_member, member, format!("unknown member{}", hint(&member.name, names)));
                continue;
            };
            if let Some(value) = self.value(&at_member, &member.value, below) {
                sound.insert(member.name.clone(), value);
            } else if self.choices(below).iter().any(|choice| types(choice).contains(&"object")) {
                // Its name stays known, so that whoever refers to it is not blamed.
                sound.insert(member.name.clone(), Value::Object(Map::new()));
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !members.iter().any(|member| member.name == name) {
                self.whole = false;
                self.problems.error(at, format!("{name:?} is missing"));
            }
        }
        Value::Object(sound)
    }

    fn number(&mut self, at: &At<'_>, value: &Value, schema: &Value) -> Option<Value> {
        let bound = |name| schema.get(name).and_then(Value::as_f64);
        if let Some(number) = value.as_f64() {
            let (least, greatest) = (bound("minimum"), bound("maximum"));
            if least.is_some_and(|least| number < least) || greatest.is_some_and(|greatest| number > greatest) {
                let range = match (least, greatest) {
                    (Some(least), Some(greatest)) => format!("from {least} to {greatest}"),
                    (Some(least), None) => format!("{least} or more"),
                    (None, greatest) => format!("{} or less", greatest.unwrap_or_default()),
                };
                return self.wrong(at, format!("{value} is out of range: {range}"));
            }
        }
        Some(value.clone())
    }

    /// The forms a value may have, references followed.
    fn choices(&self, schema: &'s Value) -> Vec<&'s Value> {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        let schema = target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema);
        match schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
            Some(forms) => forms.iter().flat_map(|form| self.choices(form)).collect(),
            None => vec![schema],
        }
    }

    fn wrong(&mut self, at: &At<'_>, message: String) -> Option<Value> {
        self.whole = false;
        self.problems.error(at, message);
        None
    }

    /// A problem of the name of a member.
    fn named(&mut self, at: &At<'_>, member: &Member, message: String) {
        self.whole = false;
        self.problems.error_at(Place::new(&at.steps(), member.start), message);
    }
}

/// The `type`s of a form; a form without is anything.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The words of an enumeration.
fn words(schema: &Value) -> Vec<&str> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(words)), _) => words.iter().filter_map(Value::as_str).collect(),
        (_, Some(Value::String(word))) => vec![word],
        _ => Vec::new(),
    }
}

fn admits(schema: &Value, node: &Node) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match (&node.kind, *name) {
            (Kind::Text { .. }, "string") | (Kind::List(_), "array") | (Kind::Object(_), "object") => true,
            (Kind::Plain(Value::Number(number)), "integer") => number.is_u64() || number.is_i64(),
            (Kind::Plain(Value::Number(_)), "number") => true,
            (Kind::Plain(Value::Bool(_)), "boolean") | (Kind::Plain(Value::Null), "null") => true,
            _ => false,
        })
}

fn found(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Text { .. } => "a string",
        Kind::List(_) => "a list",
        Kind::Object(_) => "an object",
        Kind::Plain(Value::Number(number)) if number.is_f64() => "a number that is not whole",
        Kind::Plain(Value::Number(_)) => "a number",
        Kind::Plain(Value::Bool(_)) => "true or false",
        Kind::Plain(_) => "null",
    }
}

fn one_of(types: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for name in types {
        let word = match *name {
            "string" => "a string",
            "array" => "a list",
            "object" => "an object",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            other => other,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}
