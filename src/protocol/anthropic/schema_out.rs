//! JSON Schema as Anthropic's `output_config.format` takes it.
//!
//! Objects are closed, `oneOf` is `anyOf`, a list of types is a choice between them, and what the grammar of an answer
//! cannot hold to (bounds, patterns, most formats) moves into the description, where the model reads it. So do the
//! official SDKs with the schemas of their callers.

use smallvec::SmallVec;

use crate::json::{Escaped, Raw, Writer, text};
use crate::limits::OWN_SCHEMA_DEPTH_MAX;
use crate::protocol::ir::Json;

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// Members that ask nothing of a value.
const NOTES: [&str; 9] =
    ["$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly", "nullable"];

/// `schema` made fit, and whether that allows more or less than it did.
pub(super) fn fit(schema: Raw<'_>) -> (Json<'static>, bool) {
    let mut fitting = Fitting { out: Vec::with_capacity(schema.bytes().len() + 64), lossy: false };
    fitting.place(schema, None, 0);
    (Json::written(fitting.out), fitting.lossy)
}

struct Fitting {
    out: Vec<u8>,
    lossy: bool,
}

/// What stands at one place of a schema.
#[derive(Default)]
struct Place<'a> {
    kind: Option<Raw<'a>>,
    choices: Option<Raw<'a>>,
    all: Option<Raw<'a>>,
    properties: Option<Raw<'a>>,
    items: Option<Raw<'a>>,
    description: Option<Escaped<'a>>,
    /// Definitions under either of their names.
    definitions: SmallVec<[(Escaped<'a>, Raw<'a>); 1]>,
    /// Members that are repeated.
    kept: SmallVec<[(Escaped<'a>, Raw<'a>); 4]>,
    /// Members that go into the description.
    told: SmallVec<[(Escaped<'a>, Raw<'a>); 4]>,
    referred: bool,
    literal: bool,
}

impl<'a> Place<'a> {
    fn of(raw: Raw<'a>, lossy: &mut bool) -> Place<'a> {
        let mut place = Place::default();
        for (name, value) in raw.members() {
            match name.bytes() {
                b"type" => place.kind = Some(value),
                b"anyOf" | b"oneOf" => place.choices = Some(value),
                b"allOf" => place.all = Some(value),
                b"properties" => place.properties = Some(value),
                b"items" if value.is_object() => place.items = Some(value),
                b"description" => place.description = value.as_str(),
                b"$defs" | b"definitions" => place.definitions.push((name, value)),
                b"$ref" => {
                    place.referred = true;
                    place.kept.push((name, value));
                }
                b"enum" | b"const" => {
                    place.literal = true;
                    place.kept.push((name, value));
                }
                b"title" | b"required" => place.kept.push((name, value)),
                b"format" if value.as_str().is_some_and(|said| FORMATS.iter().any(|known| said.eq_str(known))) => {
                    place.kept.push((name, value));
                }
                b"minItems" if matches!(value.bytes(), b"0" | b"1") => place.kept.push((name, value)),
                // A map of anything becomes an object of nothing.
                b"additionalProperties" => *lossy |= value.as_bool().is_none(),
                _ if NOTES.iter().any(|note| name.eq_str(note)) => {}
                _ => place.told.push((name, value)),
            }
        }
        *lossy |= !place.told.is_empty();
        place
    }
}

impl Fitting {
    /// Writes one place; `only` stands for its type where that is a list.
    fn place(&mut self, raw: Raw<'_>, only: Option<Raw<'_>>, depth: usize) {
        if !raw.is_object() || depth == OWN_SCHEMA_DEPTH_MAX {
            self.lossy |= depth == OWN_SCHEMA_DEPTH_MAX;
            self.out.extend_from_slice(raw.bytes());
            return;
        }
        let place = Place::of(raw, &mut self.lossy);
        if let (None, Some(kinds)) = (only, place.kind.filter(|kind| kind.is_array() && !place.literal)) {
            return self.choice(raw, kinds, depth);
        }
        let kind = only.or(place.kind).and_then(Raw::as_str).filter(|_| !place.literal);
        self.out.push(b'{');
        let mut comma = false;
        if let Some(kind) = kind {
            self.name("type", &mut comma);
            Writer::new(&mut self.out).escaped(kind);
        }
        for (name, value) in &place.kept {
            self.name(&name.decode(), &mut comma);
            self.out.extend_from_slice(value.bytes());
        }
        for (name, list) in [("anyOf", place.choices), ("allOf", place.all)] {
            if let Some(list) = list {
                self.name(name, &mut comma);
                self.list(list, depth);
            }
        }
        for (name, named) in &place.definitions {
            self.name(&name.decode(), &mut comma);
            self.named(*named, depth);
        }
        if let Some(items) = place.items {
            self.name("items", &mut comma);
            self.place(items, None, depth + 1);
        }
        if kind.is_some_and(|kind| kind.eq_str("object")) || place.properties.is_some() && !place.referred {
            self.name("properties", &mut comma);
            match place.properties {
                Some(properties) => self.named(properties, depth),
                None => self.out.extend_from_slice(b"{}"),
            }
            self.name("additionalProperties", &mut comma);
            self.out.extend_from_slice(b"false");
        }
        self.describe(&place, &mut comma);
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str, comma: &mut bool) {
        if std::mem::replace(comma, true) {
            self.out.push(b',');
        }
        text::quote(name, &mut self.out);
        self.out.push(b':');
    }

    /// One place for each of the types.
    fn choice(&mut self, raw: Raw<'_>, kinds: Raw<'_>, depth: usize) {
        self.out.extend_from_slice(b"{\"anyOf\":[");
        for (nth, kind) in kinds.elements().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            match kind.as_str().is_some_and(|kind| kind.eq_str("null")) {
                true => self.out.extend_from_slice(b"{\"type\":\"null\"}"),
                false => self.place(raw, Some(kind), depth + 1),
            }
        }
        self.out.extend_from_slice(b"]}");
    }

    fn list(&mut self, list: Raw<'_>, depth: usize) {
        self.out.push(b'[');
        for (nth, raw) in list.elements().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            self.place(raw, None, depth + 1);
        }
        self.out.push(b']');
    }

    fn named(&mut self, named: Raw<'_>, depth: usize) {
        self.out.push(b'{');
        let mut comma = false;
        for (name, raw) in named.members() {
            self.name(&name.decode(), &mut comma);
            self.place(raw, None, depth + 1);
        }
        self.out.push(b'}');
    }

    fn describe(&mut self, place: &Place<'_>, comma: &mut bool) {
        if place.description.is_none() && place.told.is_empty() {
            return;
        }
        self.name("description", comma);
        self.out.push(b'"');
        if let Some(description) = place.description {
            self.out.extend_from_slice(description.bytes());
        }
        if !place.told.is_empty() {
            self.out.extend_from_slice(if place.description.is_some() { b"\\n\\n{" } else { b"{" });
            for (nth, (name, value)) in place.told.iter().enumerate() {
                if nth > 0 {
                    self.out.extend_from_slice(b", ");
                }
                self.out.extend_from_slice(name.bytes());
                self.out.extend_from_slice(b": ");
                text::escape(&String::from_utf8_lossy(value.bytes()), &mut self.out);
            }
            self.out.push(b'}');
        }
        self.out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(schema: &str) -> (String, bool) {
        let (json, lossy) = fit(Raw::parse(schema.as_bytes()).unwrap());
        (String::from_utf8(json.bytes().to_vec()).unwrap(), lossy)
    }

    #[test]
    fn schemas_are_closed_and_bounds_are_told() {
        for (schema, expected, lossy) in [
            (
                r#"{"$schema":"x","type":"object","properties":{"a":{"type":["string","null"],"description":"d"}},"required":["a"]}"#,
                r#"{"type":"object","required":["a"],"properties":{"a":{"anyOf":[{"type":"string","description":"d"},{"type":"null"}]}},"additionalProperties":false}"#,
                false,
            ),
            (
                r#"{"type":"integer","minimum":1,"description":"n"}"#,
                r#"{"type":"integer","description":"n\n\n{minimum: 1}"}"#,
                true,
            ),
            (r#"{"type":"string","pattern":"\"a"}"#, r#"{"type":"string","description":"{pattern: \"\\\"a\"}"}"#, true),
            (
                r#"{"oneOf":[{"const":"a"},{"type":"string","enum":["b"]}]}"#,
                r#"{"anyOf":[{"const":"a"},{"enum":["b"]}]}"#,
                false,
            ),
            (
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","additionalProperties":{"type":"string"}}}}"##,
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","properties":{},"additionalProperties":false}}}"##,
                true,
            ),
            (
                r#"{"type":"array","items":{"type":"string","format":"date"},"minItems":1,"maxItems":3}"#,
                r#"{"type":"array","minItems":1,"items":{"type":"string","format":"date"},"description":"{maxItems: 3}"}"#,
                true,
            ),
            ("true", "true", false),
        ] {
            assert_eq!(fitted(schema), (expected.to_owned(), lossy), "{schema}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        for (depth, lossy) in [(OWN_SCHEMA_DEPTH_MAX - 1, false), (OWN_SCHEMA_DEPTH_MAX, true)] {
            let schema = format!("{}{{}}{}", r#"{"items":"#.repeat(depth), "}".repeat(depth));
            assert_eq!(fitted(&schema).1, lossy, "{depth}");
        }
    }
}
