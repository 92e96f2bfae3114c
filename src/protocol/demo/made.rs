//! A value made from a JSON Schema: the smallest that it asks for.
//!
//! What is required is there, the first of what may be chosen is chosen. References lead into the schema itself. What a
//! pattern or a format wants is not looked at.

use crate::json::{Raw, Writer};
use crate::limits::{DEMO_DEPTH_MAX, DEMO_WORK_BYTES_MAX};

/// Appends a value of `schema`, valid JSON.
pub(super) fn value(schema: Raw<'_>, out: &mut Vec<u8>) {
    write(schema, schema, &mut Budget { depth: DEMO_DEPTH_MAX, bytes: DEMO_WORK_BYTES_MAX }, &mut Writer::new(out));
}

/// What may still be done: a schema whose places refer to each other would ask for more than there is.
struct Budget {
    depth: usize,
    bytes: usize,
}

impl Budget {
    /// Whether so many bytes may be looked at once more.
    fn looks_at(&mut self, raw: Raw<'_>) -> bool {
        let left = self.bytes.checked_sub(raw.bytes().len());
        self.bytes = left.unwrap_or(0);
        left.is_some()
    }
}

/// One place; null where it lies too deep, or nothing may be done any more.
fn write(schema: Raw<'_>, root: Raw<'_>, budget: &mut Budget, json: &mut Writer<'_>) {
    if budget.depth == 0 || !budget.looks_at(schema) {
        json.null();
        return;
    }
    budget.depth -= 1;
    place(schema, root, budget, json);
    budget.depth += 1;
}

fn place(schema: Raw<'_>, root: Raw<'_>, budget: &mut Budget, json: &mut Writer<'_>) {
    if let Some(told) = schema.find("const").or_else(|| schema.find("enum")?.elements().next()) {
        json.raw(told);
        return;
    }
    let chosen = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.find(name)?.elements().next());
    if let Some(inner) = referred(schema, root).or(chosen) {
        return write(inner, root, budget, json);
    }
    let number = |name: &str| schema.find(name).filter(|value| value.as_u64().is_some());
    match kind(schema) {
        "object" => object(schema, root, budget, json),
        "array" => {
            json.begin_array();
            let least = schema.find("minItems").and_then(Raw::as_u64).unwrap_or(0);
            if let Some(item) = schema.find("items").filter(|item| item.is_object() && least > 0) {
                // One is enough to look at.
                write(item, root, budget, json);
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

fn object(schema: Raw<'_>, root: Raw<'_>, budget: &mut Budget, json: &mut Writer<'_>) {
    json.begin_object();
    let (required, properties) = (schema.find("required"), schema.find("properties"));
    for name in required.iter().flat_map(|required| required.elements()).filter_map(Raw::as_str) {
        if !properties.is_none_or(|properties| budget.looks_at(properties)) {
            break;
        }
        let name = name.decode();
        json.key(&name);
        match properties.and_then(|properties| properties.find(&name)) {
            Some(property) => write(property, root, budget, json),
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
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let (start, end) = (r#"{"type":"array","minItems":1,"items":"#, "}");
            (format!("{}true{}", start.repeat(depth), end.repeat(depth)), "[".repeat(depth), "]".repeat(depth))
        };
        // What is no object is not made up.
        let (schema, open, close) = nested(DEMO_DEPTH_MAX);
        assert_eq!(made(&schema), format!("{open}{close}"));
        let (schema, open, close) = nested(DEMO_DEPTH_MAX + 1);
        assert_eq!(made(&schema), format!("{}null{}", &open[1..], &close[1..]));
    }

    /// Without a bound each of these places would be made anew for each of those that refer to it.
    #[test]
    fn work_is_bounded() {
        let names: Vec<String> = (0..40).map(|nth| format!("\"p{nth}\"")).collect();
        let places: Vec<String> = names.iter().map(|name| format!(r##"{name}:{{"$ref":"#"}}"##)).collect();
        let (places, names) = (places.join(","), names.join(","));
        let made = made(&format!(r#"{{"type":"object","properties":{{{places}}},"required":[{names}]}}"#));
        assert!(Raw::parse(made.as_bytes()).is_ok() && made.len() < DEMO_WORK_BYTES_MAX, "{} bytes", made.len());
        // At the bound the place is made, and not one past it.
        let exact = |bytes: usize| self::made(&format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8)));
        assert_eq!(exact(DEMO_WORK_BYTES_MAX), r#""demo""#);
        assert_eq!(exact(DEMO_WORK_BYTES_MAX + 1), "null");
    }

    #[test]
    fn a_schema_that_holds_itself_comes_to_an_end() {
        let endless = r##"{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}"##;
        assert!(made(endless).contains("null"));
        assert_eq!(made(r##"{"$ref":"#/a","a":{"$ref":"#/a"}}"##), "null");
    }
}
