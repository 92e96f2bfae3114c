//! A value made from a JSON Schema: the smallest that it asks for.
//!
//! What is required is there, the first of what may be chosen is chosen. References lead into the schema itself. What a
//! pattern or a format wants is not looked at.

use crate::json::{Raw, Writer};

/// How deep a value may be; what lies deeper is null.
const DEPTH_MAX: usize = 16;

/// Appends a value of `schema`, valid JSON.
pub(super) fn value(schema: Raw<'_>, out: &mut Vec<u8>) {
    write(schema, schema, 0, &mut Writer::new(out));
}

fn write(schema: Raw<'_>, root: Raw<'_>, depth: usize, json: &mut Writer<'_>) {
    if depth == DEPTH_MAX {
        json.null();
        return;
    }
    if let Some(told) = schema.find("const").or_else(|| schema.find("enum")?.elements().next()) {
        json.raw(told);
        return;
    }
    let chosen = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.find(name)?.elements().next());
    if let Some(inner) = referred(schema, root).or(chosen) {
        return write(inner, root, depth + 1, json);
    }
    let number = |name: &str| schema.find(name).filter(|value| value.as_u64().is_some());
    match kind(schema) {
        "object" => object(schema, root, depth, json),
        "array" => {
            json.begin_array();
            let least = schema.find("minItems").and_then(Raw::as_u64).unwrap_or(0);
            if let Some(item) = schema.find("items").filter(|item| item.is_object() && least > 0) {
                // One is enough to look at.
                write(item, root, depth + 1, json);
            }
            json.end();
        }
        "integer" | "number" => match number("minimum").or_else(|| number("maximum")) {
            Some(bound) => _ = json.raw(bound),
            None => _ = json.u64(1),
        },
        "boolean" => _ = json.bool(true),
        "null" => _ = json.null(),
        _ => _ = json.string("demo"),
    }
}

/// The type that a schema names, the first of several; an object where it has properties.
fn kind(schema: Raw<'_>) -> &'static str {
    let named = schema.find("type").and_then(|kind| kind.as_str().or_else(|| kind.elements().next()?.as_str()));
    let Some(named) = named else {
        return if schema.find("properties").is_some() { "object" } else { "string" };
    };
    // Gemini spells them in capitals.
    let known = ["object", "array", "integer", "number", "boolean", "null"];
    known.into_iter().find(|kind| named.decode().eq_ignore_ascii_case(kind)).unwrap_or("string")
}

fn object(schema: Raw<'_>, root: Raw<'_>, depth: usize, json: &mut Writer<'_>) {
    json.begin_object();
    let (required, properties) = (schema.find("required"), schema.find("properties"));
    for name in required.iter().flat_map(|required| required.elements()).filter_map(Raw::as_str) {
        let name = name.decode();
        json.key(&name);
        match properties.and_then(|properties| properties.find(&name)) {
            Some(property) => write(property, root, depth + 1, json),
            None => _ = json.string("demo"),
        }
    }
    json.end();
}

/// Where `$ref` leads, if it stays inside.
fn referred<'a>(schema: Raw<'a>, root: Raw<'a>) -> Option<Raw<'a>> {
    let reference = schema.find("$ref")?.as_str()?.decode();
    if reference == "#" {
        return Some(root);
    }
    reference.strip_prefix("#/")?.split('/').try_fold(root, |place, step| place.find(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(schema: &str) -> String {
        let mut out = Vec::new();
        value(Raw::parse(schema.as_bytes()).expect("JSON"), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_least_that_a_schema_asks_for() {
        for (schema, value) in [
            (r#"{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["a"]}"#, r#"{"a":"demo"}"#),
            (
                r#"{"properties":{"n":{"type":["integer","null"],"minimum":3}},"required":["n","x"]}"#,
                r#"{"n":3,"x":"demo"}"#,
            ),
            (r#"{"type":"ARRAY","items":{"type":"boolean"},"minItems":1}"#, "[true]"),
            (r#"{"type":"array","items":{"type":"boolean"}}"#, "[]"),
            (r#"{"enum":["b","a"]}"#, r#""b""#),
            (r#"{"const":1.50}"#, "1.50"),
            (r#"{"anyOf":[{"type":"null"},{"type":"string"}]}"#, "null"),
            (r##"{"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}}"##, "1"),
            ("{}", r#""demo""#),
            ("true", r#""demo""#),
        ] {
            assert_eq!(made(schema), value, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_holds_itself_comes_to_an_end() {
        let endless = r##"{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}"##;
        assert!(made(endless).contains("null"));
        assert_eq!(made(r##"{"$ref":"#/a","a":{"$ref":"#/a"}}"##), "null");
    }
}
