//! Secrets in the text of a file are hidden from whoever reads it over the API, and come back when it is sent back.
//!
//! A literal secret is shown as a mark, `masked:` and a keyed digest. Whoever edits such a text leaves marks, moves them
//! or takes them out; where one is left, the secret of the text before takes its place again. References (`env:NAME`)
//! and digests of client keys are no secrets and stay.

use serde_json::Value;

use super::jsonc_edit::{self, Refused};
use super::problem::Step;
use super::schema;
use super::snapshot::digest;

const MARK: &str = "masked:";

/// Where a literal secret stands: names and places, from the root.
pub type Path = Vec<String>;

/// A key of this process that marks are made with.
#[derive(Clone)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt out of random text.
    pub fn new(random: &str) -> Salt {
        Salt(digest(random.as_bytes()))
    }

    /// What stands for a secret.
    pub fn mark(&self, secret: &str) -> String {
        let print = digest(&zeroize::Zeroizing::new([&self.0, secret.as_bytes()].concat()));
        print[..8].iter().fold(MARK.to_owned(), |mark, byte| format!("{mark}{byte:02x}"))
    }
}

/// The secrets that a file holds itself, with their values: what the schema marks as one.
pub fn secrets(file: &Value) -> Vec<(Path, String)> {
    let mut search = Search { at: Path::new(), found: Vec::new() };
    search.look(schema::value(), file);
    search.found
}

/// How the schema marks a secret (`SecretRef`).
const MARKED: &str = "x-secret";
/// All of the text is one.
const WHOLE: &str = "whole";

/// A walk over a file and its schema at once.
struct Search {
    at: Path,
    found: Vec<(Path, String)>,
}

impl Search {
    fn look(&mut self, schema: &Value, value: &Value) {
        if let Some(name) = schema["$ref"].as_str() {
            self.look(schema::value().pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null), value);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            schema[choice].as_array().into_iter().flatten().for_each(|schema| self.look(schema, value));
        }
        match value {
            Value::String(text) => {
                if let Some(kind) = schema[MARKED].as_str()
                    && is_literal(text)
                    && (kind == WHOLE || text.contains('@') || text.starts_with(MARK))
                {
                    self.found.push((self.at.clone(), text.clone()));
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let own = &schema["properties"][name];
                    let schema = if own.is_null() { &schema["additionalProperties"] } else { own };
                    self.inside(name.clone(), schema, value);
                }
            }
            Value::Array(entries) => {
                for (place, value) in entries.iter().enumerate() {
                    self.inside(place.to_string(), &schema["items"], value);
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, step: String, schema: &Value, value: &Value) {
        if schema.is_object() {
            self.at.push(step);
            self.look(schema, value);
            self.at.pop();
        }
    }
}

/// A file as a value, with marks in the places of its secrets.
pub fn hidden(mut file: Value, salt: &Salt) -> Value {
    for (path, secret) in secrets(&file) {
        let place = path.iter().try_fold(&mut file, |node, name| match node {
            Value::Array(entries) => entries.get_mut(name.parse::<usize>().ok()?),
            node => node.get_mut(name),
        });
        if let Some(place) = place {
            *place = salt.mark(&secret).into();
        }
    }
    file
}

/// Whether it is a secret itself, and no reference to one.
pub fn is_literal(text: &str) -> bool {
    let refers = ["env:", "file:", "sha256:"].iter().any(|start| text.starts_with(start));
    !refers && !text.is_empty() && !text.contains("${")
}

/// A secret for people: enough to tell it from others, references as they are.
pub fn shown(text: &str) -> String {
    if !is_literal(text) {
        return if text.starts_with("sha256:") { "sha256:…".to_owned() } else { text.to_owned() };
    }
    let chars: Vec<char> = text.chars().collect();
    match chars.len() {
        // Of a short one every letter counts.
        ..=15 => "…".to_owned(),
        count => format!("{}…{}", String::from_iter(&chars[..3]), String::from_iter(&chars[count - 4..])),
    }
}

/// The steps of a path in a file: what is a number and stands in a list is a place.
pub fn steps<'a>(file: &Value, path: &'a [String]) -> Vec<Step<'a>> {
    let mut node = file;
    let mut steps = Vec::with_capacity(path.len());
    for name in path {
        let place = name.parse().ok().filter(|_| node.is_array());
        steps.push(place.map_or(Step::Member(name), Step::Entry));
        node = match place {
            Some(place) => &node[place],
            None => &node[name.as_str()],
        };
    }
    steps
}

/// The text with marks in the places of its secrets. A text that is no JSON is not shown at all.
pub fn mask(text: &str, salt: &Salt) -> Result<String, Refused> {
    let file = jsonc_edit::get(text, &[])?.unwrap_or_default();
    let mut masked = text.to_owned();
    for (path, secret) in secrets(&file) {
        masked = jsonc_edit::set(&masked, &steps(&file, &path), &salt.mark(&secret).into())?;
    }
    Ok(masked)
}

/// The text with the secrets of `before` in the places of their marks; the error is the path of a mark of none.
pub fn unmask(text: &str, before: &str, salt: &Salt) -> Result<String, String> {
    if !text.contains(MARK) {
        return Ok(text.to_owned());
    }
    // A text that is no JSON is refused by the check, with its line.
    let Ok(Some(file)) = jsonc_edit::get(text, &[]) else { return Ok(text.to_owned()) };
    let known = jsonc_edit::get(before, &[]).ok().flatten().map(|before| secrets(&before)).unwrap_or_default();
    let mut whole = text.to_owned();
    for (path, mark) in secrets(&file).into_iter().filter(|(_, text)| text.starts_with(MARK)) {
        let (_, secret) = known.iter().find(|(_, secret)| salt.mark(secret) == mark).ok_or_else(|| path.join("."))?;
        whole = jsonc_edit::set(&whole, &steps(&file, &path), &secret.as_str().into()).map_err(|_| path.join("."))?;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
  "admin": { "password": "canary-password" }, // it
  "proxy": "http://u:canary@p:1",
  "clients": { "a": { "key": "canary-a" }, "b": { "key": "sha256:00" }, "c": { "key": "env:C" } },
  "providers": {
    "p": { "keys": ["canary-first", { "key": "canary-second", "proxy": "direct", "headers": { "x": "canary-x" } }], "headers": { "y": "canary-y" } }
  },
  "otlp": { "endpoint": "http://o:1", "headers": { "authorization": "Bearer canary-o" } }
}"#;

    #[test]
    fn marks_hide_secrets_and_come_back_as_them() {
        let salt = Salt::new("r");
        let masked = mask(FILE, &salt).unwrap();
        assert!(!masked.contains("canary") && masked.matches("masked:").count() == 8, "{masked}");
        assert!(masked.contains("// it") && masked.contains("env:C") && masked.contains("sha256:00"));
        assert_eq!(unmask(&masked, FILE, &salt).unwrap(), FILE);
        // Moved with its mark, the secret moves.
        let moved = masked.replace("\"a\": {", "\"renamed\": {");
        assert_eq!(unmask(&moved, FILE, &salt).unwrap(), FILE.replace("\"a\": {", "\"renamed\": {"));
        assert_eq!(unmask(&masked, FILE, &Salt::new("other")), Err("admin.password".to_owned()));
        assert_eq!(unmask("{", FILE, &salt).unwrap(), "{");
        assert!(mask("{", &salt).is_err());
    }

    /// Every place that the schema marks, spelled with `*` for any name and any place in a list.
    fn marked(schema: &Value, at: &str, seen: &mut Vec<String>) {
        if let Some(kind) = schema[MARKED].as_str() {
            seen.push(format!("{at} {kind}"));
        }
        if let Some(name) = schema["$ref"].as_str() {
            marked(schema::value().pointer(name.trim_start_matches('#')).expect("a definition"), at, seen);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            schema[choice].as_array().into_iter().flatten().for_each(|schema| marked(schema, at, seen));
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            marked(schema, &format!("{at}.{name}"), seen);
        }
        for inner in ["additionalProperties", "items"] {
            if schema[inner].is_object() {
                marked(&schema[inner], &format!("{at}.*"), seen);
            }
        }
    }

    /// A secret that comes into the file under a new name is written with `SecretRef`, and is here.
    #[test]
    fn the_schema_marks_every_secret() {
        let mut seen = Vec::new();
        marked(schema::value(), "", &mut seen);
        seen.sort();
        seen.dedup();
        assert_eq!(
            seen,
            [
                ".admin.password whole",
                ".clients.*.key whole",
                ".otlp.headers.* whole",
                ".providers.*.headers.* whole",
                ".providers.*.keys.* whole",
                ".providers.*.keys.*.headers.* whole",
                ".providers.*.keys.*.key whole",
                ".providers.*.keys.*.proxy url",
                ".providers.*.proxy url",
                ".proxy url",
            ]
        );
    }

    /// What a panic or an error could print of it: the snapshot, and the file as it is read.
    #[test]
    fn no_secret_is_in_the_words_for_a_configuration() {
        let text = r#"{
            "admin": { "password": "canary-password" }, "proxy": "http://u:canary-proxy@127.0.0.1:1",
            "clients": { "a": { "key": "canary-client" } },
            "providers": { "p": { "protocol": "chat", "base_url": "http://127.0.0.1:1", "headers": { "y": "canary-field" },
                "proxy": "http://u:canary-via@127.0.0.1:1", "keys": ["canary-first", { "key": "canary-second", "name": "k",
                "proxy": "socks5://u:canary-own@127.0.0.1:1", "headers": { "x": "canary-header" } }] } },
            "routes": { "r": { "to": ["p"] } },
            "otlp": { "endpoint": "http://127.0.0.1:1", "headers": { "authorization": "Bearer canary-collector" } } }"#;
        let planted = secrets(&jsonc_edit::get(text, &[]).unwrap().unwrap());
        assert_eq!(planted.len(), text.matches("canary").count(), "each of them is found");
        let snapshot = crate::config::tests::snapshot(text);
        let words = format!("{snapshot:?} {:?}", crate::config::diff::changes(&snapshot, &snapshot));
        assert!(!words.contains("canary"), "{words}");
        let file: crate::config::file::File = serde_json::from_str(text).unwrap();
        let written = serde_json::to_string(&file).unwrap();
        assert!(!written.contains("canary"), "{written}");
    }

    #[test]
    fn a_value_is_hidden_as_the_text_is() {
        let salt = Salt::new("r");
        let file = jsonc_edit::get(FILE, &[]).unwrap().unwrap();
        let text = mask(FILE, &salt).unwrap();
        assert_eq!(hidden(file, &salt), jsonc_edit::get(&text, &[]).unwrap().unwrap());
    }

    #[test]
    fn people_see_the_ends_of_long_secrets() {
        for (secret, seen) in [
            ("sk-0123456789abcdef", "sk-…cdef"),
            ("short", "…"),
            ("env:NAME", "env:NAME"),
            ("x ${NAME}", "x ${NAME}"),
            ("sha256:0123", "sha256:…"),
        ] {
            assert_eq!(shown(secret), seen);
        }
    }
}
