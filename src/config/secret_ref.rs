//! References out of the file: `${NAME}` inside any string, `env:NAME` and `file:/path` where a secret stands.
//!
//! Messages name the variable or the file, never what was in it.

use std::path::{Path, PathBuf};

use super::Outside;
use super::file::SecretRef;
use super::jsonc::{Document, Kind, Node};
use super::problem::{At, Place};
use crate::base::secret::Secret;

/// Replaces `${NAME}` in every string of the document; `$${` is a literal `${`. Answers what could not be replaced.
pub(super) fn expand(document: &mut Document, env: &dyn Fn(&str) -> Option<String>) -> Vec<(Place, String)> {
    let mut unset = Vec::new();
    expand_node(&mut document.root, &At::ROOT, env, &mut unset);
    unset
}

fn expand_node(node: &mut Node, at: &At<'_>, env: &dyn Fn(&str) -> Option<String>, unset: &mut Vec<(Place, String)>) {
    match &mut node.kind {
        Kind::Text { text, expanded } => match expand_text(text, env) {
            Ok(None) => {}
            Ok(Some(replaced)) => (*text, *expanded) = (replaced, true),
            Err(message) => {
                // It stays a reference: nobody may quote it as what it is not.
                *expanded = true;
                unset.push((Place::new(&at.steps(), node.start), message));
            }
        },
        Kind::Plain(_) => {}
        Kind::List(nodes) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                expand_node(node, &at.entry(index), env, unset);
            }
        }
        Kind::Object(members) => {
            for member in members {
                expand_node(&mut member.value, &at.member(&member.name), env, unset);
            }
        }
    }
}

/// The text with its references replaced; nothing if there is none.
fn expand_text(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        let after = &rest[start + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let end = after.find('}').ok_or("\"${\" without \"}\"; a literal one is written \"$${\"")?;
        out.push_str(&variable(&after[..end], env)?);
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(Some(out))
}

/// The secret a text refers to.
pub fn resolve(written: &SecretRef, outside: &Outside<'_>) -> Result<Secret, String> {
    let text = written.text();
    if let Some(name) = text.strip_prefix("env:") {
        return Ok(Secret::new(&variable(name, outside.env)?));
    }
    if let Some(place) = text.strip_prefix("file:") {
        let path = path(place, outside.env)?;
        let read = (outside.read)(&path).map_err(|error| format!("{}: {}", path.display(), error.kind()))?;
        return match read.lines().next().map(str::trim) {
            Some(line) if !line.is_empty() => Ok(Secret::new(line)),
            _ => Err(format!("{}: its first line is empty", path.display())),
        };
    }
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(Secret::new(text))
}

/// A path of the file: `~/` is the home directory, a leading `$NAME/` that variable.
pub fn path(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    let (folder, rest) = text.split_once('/').unwrap_or((text, ""));
    let folder = match folder.strip_prefix('$') {
        Some(name) => variable(name, env)?,
        None if folder == "~" => variable("HOME", env)?,
        None => return Ok(PathBuf::from(text)),
    };
    Ok(Path::new(&folder).join(rest))
}

/// The value of a variable that must be there. A value that a shell or a unit file padded is taken without the padding.
fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !valid {
        return Err(format!("{name:?} is no name of an environment variable"));
    }
    match env(name) {
        None => Err(format!("the environment variable {name} is not set")),
        Some(value) if value.trim().is_empty() => Err(format!("the environment variable {name} is empty")),
        Some(value) => Ok(value.trim().to_owned()),
    }
}

/// The 32 bytes that 64 hexadecimal digits write.
pub(super) fn bytes_of_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("sk-1\n".to_owned()),
            "EMPTY" => Some(String::new()),
            "HOME" => Some("/home/u".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn braces_are_replaced_anywhere() {
        let cases = [
            ("plain $KEY", Ok(None)),
            ("${KEY}", Ok(Some("sk-1"))),
            ("a ${KEY} b ${KEY}", Ok(Some("a sk-1 b sk-1"))),
            ("$${KEY} ${KEY}", Ok(Some("${KEY} sk-1"))),
            ("${NONE}", Err("the environment variable NONE is not set")),
            ("${EMPTY}", Err("the environment variable EMPTY is empty")),
            ("${a b}", Err("\"a b\" is no name of an environment variable")),
            ("${KEY", Err("\"${\" without \"}\"; a literal one is written \"$${\"")),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|some: Option<&str>| some.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(expand_text(text, &env), expected, "{text}");
        }
    }

    #[test]
    fn paths_know_home_and_variables() {
        assert_eq!(path("~/a/b", &env), Ok(PathBuf::from("/home/u/a/b")));
        assert_eq!(path("$HOME/x", &env), Ok(PathBuf::from("/home/u/x")));
        assert_eq!(path("/etc/~x", &env), Ok(PathBuf::from("/etc/~x")));
        assert!(path("$CREDENTIALS_DIRECTORY/x", &env).is_err());
    }
}
