//! Reads Gemini's `Schema`, a part of OpenAPI's, as JSON Schema: what the other protocols take.

use super::request_in::key;
use crate::base::ascii;
use crate::json::{Escaped, Raw, text};
use crate::limits::SCHEMA_DEPTH_MAX;
use crate::protocol::ir::Json;

/// `schema` as JSON Schema: types in small letters, `nullable` as the type `null`, counts as numbers.
pub(super) fn json_schema(schema: Raw<'_>) -> Json<'static> {
    let mut out = Vec::with_capacity(schema.bytes().len());
    write(schema, 0, &mut out);
    Json::written(out)
}

fn write(schema: Raw<'_>, depth: usize, out: &mut Vec<u8>) {
    if !schema.is_object() || depth > SCHEMA_DEPTH_MAX {
        return out.extend_from_slice(b"{}");
    }
    let nullable = schema.members().any(|(name, value)| name.eq_str("nullable") && value.as_bool() == Some(true));
    out.push(b'{');
    for (name, value) in schema.members() {
        match &*key(name) {
            b"properties" => {
                begin("properties", b'{', out);
                for (name, value) in value.members() {
                    separate(out);
                    out.push(b'"');
                    out.extend_from_slice(name.bytes());
                    out.extend_from_slice(b"\":");
                    write(value, depth + 1, out);
                }
                out.push(b'}');
            }
            b"items" => {
                member("items", out);
                write(value, depth + 1, out);
            }
            b"anyOf" => {
                begin("anyOf", b'[', out);
                for one in value.elements() {
                    separate(out);
                    write(one, depth + 1, out);
                }
                if nullable {
                    separate(out);
                    out.extend_from_slice(b"{\"type\":\"null\"}");
                }
                out.push(b']');
            }
            plain => scalar(name, plain, value, nullable, out),
        }
    }
    out.push(b'}');
}

/// A member that holds no schema; `key` is its `name` in Gemini's spelling.
fn scalar(name: Escaped<'_>, key: &[u8], value: Raw<'_>, nullable: bool, out: &mut Vec<u8>) {
    let said = value.as_str();
    match key {
        b"type" => {
            let Some(said) = said.filter(|said| !said.eq_str("TYPE_UNSPECIFIED")) else { return };
            member("type", out);
            out.extend_from_slice(if nullable { b"[\"" } else { b"\"" });
            out.extend(said.bytes().iter().map(u8::to_ascii_lowercase));
            out.extend_from_slice(if nullable { b"\",\"null\"]" } else { b"\"" });
        }
        b"enum" => {
            member("enum", out);
            let list = value.bytes().strip_suffix(b"]").filter(|_| nullable);
            match list.map(<[u8]>::trim_ascii_end) {
                Some(b"[") | None => out.extend_from_slice(value.bytes()),
                Some(list) => {
                    out.extend_from_slice(list);
                    out.extend_from_slice(b",null]");
                }
            }
        }
        b"minItems" | b"maxItems" | b"minLength" | b"maxLength" | b"minProperties" | b"maxProperties" => {
            // Counts of 64 bits are texts in Google's JSON.
            let count = said.map_or_else(|| value.as_u64(), |digits| ascii::decimal(digits.bytes()));
            if let (Some(count), Ok(name)) = (count, std::str::from_utf8(key)) {
                member(name, out);
                out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            }
        }
        b"example" => {
            begin("examples", b'[', out);
            out.extend_from_slice(value.bytes());
            out.push(b']');
        }
        b"nullable" | b"propertyOrdering" => {}
        b"format" if said.is_some_and(|said| said.eq_str("enum")) => {}
        _ => {
            separate(out);
            out.push(b'"');
            out.extend_from_slice(name.bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value.bytes());
        }
    }
}

fn member(name: &str, out: &mut Vec<u8>) {
    separate(out);
    text::quote(name, out);
    out.push(b':');
}

fn begin(name: &str, bracket: u8, out: &mut Vec<u8>) {
    member(name, out);
    out.push(bracket);
}

/// A comma where something stands before.
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gemini_schemas_become_json_schema() {
        for (schema, expected) in [
            (
                r#"{"type":"OBJECT","nullable":true,"properties":{"a":{"type":"STRING","format":"enum","enum":["x"]},"type":{"type":"ARRAY","items":{"type":"INTEGER"},"min_items":"2"}},"required":["a"],"propertyOrdering":["a"]}"#,
                r#"{"type":["object","null"],"properties":{"a":{"type":"string","enum":["x"]},"type":{"type":"array","items":{"type":"integer"},"minItems":2}},"required":["a"]}"#,
            ),
            (
                r#"{"any_of":[{"type":"STRING"},{"type":"NUMBER","example":1}],"nullable":true}"#,
                r#"{"anyOf":[{"type":"string"},{"type":"number","examples":[1]},{"type":"null"}]}"#,
            ),
            (r#"{"type":"STRING","nullable":true,"enum":["a" ]}"#, r#"{"type":["string","null"],"enum":["a",null]}"#),
            (r#"{"type":"string","$ref":"x","description":"d"}"#, r#"{"type":"string","$ref":"x","description":"d"}"#),
            (r#"{"type":"TYPE_UNSPECIFIED"}"#, "{}"),
            ("7", "{}"),
        ] {
            let said = json_schema(Raw::parse(schema.as_bytes()).unwrap());
            assert_eq!(String::from_utf8_lossy(said.bytes()), expected, "{schema}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let schema = format!(r#"{}{{"type":"BOOLEAN"}}{}"#, r#"{"items":"#.repeat(depth), "}".repeat(depth));
            String::from_utf8(json_schema(Raw::parse(schema.as_bytes()).unwrap()).bytes().to_vec()).unwrap()
        };
        assert!(nested(SCHEMA_DEPTH_MAX).contains("boolean"));
        assert!(!nested(SCHEMA_DEPTH_MAX + 1).contains("boolean"));
    }
}
