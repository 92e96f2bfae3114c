//! Secrets in the text of a file are hidden from whoever reads it over the API, and come back when it is sent back.
//!
//! A literal secret is shown as a mark, `masked:` and a keyed digest. Whoever edits such a text leaves marks, moves them
//! or takes them out; where one is left, the secret of the text before takes its place again. References (`env:NAME`)
//! and digests of client keys are no secrets and stay.

use serde_json::Value;

use super::jsonc_edit::{self, Refused};
use super::problem::Step;
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

/// The secrets that a file holds itself, with their values.
pub fn secrets(file: &Value) -> Vec<(Path, String)> {
    let mut found = Vec::new();
    let path = |steps: &[&str]| -> Path { steps.iter().map(|step| (*step).to_owned()).collect() };
    let mut add = |path: Path, value: &Value| {
        if let Some(text) = value.as_str().filter(|text| is_literal(text)) {
            found.push((path, text.to_owned()));
        }
    };
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    add(path(&["admin", "password"]), &file["admin"]["password"]);
    add_proxy(&mut add, path(&[]), file);
    add_headers(&mut add, &path(&["otlp"]), &file["otlp"]);
    for (name, client) in object(&file["clients"]) {
        add(path(&["clients", &name, "key"]), &client["key"]);
    }
    for (name, provider) in object(&file["providers"]) {
        let own = path(&["providers", &name]);
        add_proxy(&mut add, own.clone(), &provider);
        add_headers(&mut add, &own, &provider);
        for (place, key) in provider["keys"].as_array().into_iter().flatten().enumerate() {
            let own = [own.clone(), path(&["keys", &place.to_string()])].concat();
            add(own.clone(), key);
            add([own.clone(), path(&["key"])].concat(), &key["key"]);
            add_proxy(&mut add, own.clone(), key);
            add_headers(&mut add, &own, key);
        }
    }
    found
}

/// Any field may carry one.
fn add_headers(add: &mut impl FnMut(Path, &Value), own: &Path, of: &Value) {
    for (field, value) in of["headers"].as_object().into_iter().flatten() {
        add([own.clone(), vec!["headers".to_owned(), field.clone()]].concat(), value);
    }
}

/// A proxy's address is one if it carries a password.
fn add_proxy(add: &mut impl FnMut(Path, &Value), mut path: Path, of: &Value) {
    if of["proxy"].as_str().is_some_and(|proxy| proxy.contains('@') || proxy.starts_with(MARK)) {
        path.push("proxy".to_owned());
        add(path, &of["proxy"]);
    }
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
