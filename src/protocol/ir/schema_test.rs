use super::*;

fn fit(schema: &str) -> Fitted {
    let raw = Raw::parse(schema.as_bytes()).expect("a schema is JSON");
    let fitted = Fitting::default().fit(raw).expect("it is small");
    Raw::parse(&fitted.json).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&fitted.json)));
    fitted
}

fn becomes(schema: &str, expected: &str, lossy: bool) {
    let fitted = fit(schema);
    assert_eq!((String::from_utf8_lossy(&fitted.json).as_ref(), fitted.lossy), (expected, lossy), "{schema}");
}

#[test]
fn conversion_32_what_gemini_knows_stays_and_notes_go() {
    becomes(
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"x","type":"object","title":"T","additionalProperties":false,
            "properties":{"city":{"type":"string","description":"a \"b\"","minLength":1,"default":"Oslo"},"n":{"type":"integer","minimum":0,"format":"int32","exclusiveMaximum":9}},
            "required":["city","ghost"],"x-note":1,"defer_loading":true}"##,
        r#"{"type":"OBJECT","title":"T","properties":{"city":{"type":"STRING","description":"a \"b\"","minLength":1,"default":"Oslo"},"n":{"type":"INTEGER","minimum":0,"format":"int32","maximum":9}},"required":["city"]}"#,
        false,
    );
}

#[test]
fn conversion_32_references_are_inlined() {
    becomes(
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"own"},"b":{"$ref":"#/definitions/B~1C"}},
            "$defs":{"A":{"type":"string","description":"theirs"}},"definitions":{"B/C":{"$ref":"#/$defs/A"}}}"##,
        r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","description":"own"},"b":{"type":"STRING","description":"theirs"}}}"#,
        false,
    );
}

#[test]
fn a_reference_into_itself_ends_as_an_object() {
    becomes(
        r##"{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"v":{"type":"number"},"next":{"$ref":"#/$defs/N"}}}}}"##,
        r#"{"type":"OBJECT","properties":{"v":{"type":"NUMBER"},"next":{"type":"OBJECT"}}}"#,
        true,
    );
    becomes(
        r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##,
        r#"{"type":"OBJECT","properties":{"a":{"type":"OBJECT","properties":{"a":{"type":"OBJECT"}}}}}"#,
        true,
    );
    becomes(r##"{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/A"}}}"##, r#"{"type":"OBJECT"}"#, true);
    becomes(r#"{"$ref":"https://example.com/x.json"}"#, r#"{"type":"STRING"}"#, true);
}

#[test]
fn conversion_32_all_of_is_one() {
    becomes(
        r##"{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"$ref":"#/$defs/M"},{"properties":{"a":{"maxLength":3}}}],
            "$defs":{"M":{"properties":{"b":{"type":"boolean"}},"required":["b","a"]}}}"##,
        r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","maxLength":3},"b":{"type":"BOOLEAN"}},"required":["a","b"]}"#,
        false,
    );
}

#[test]
fn conversion_32_null_is_nullable() {
    for schema in [
        r#"{"type":["string","null"],"description":"d"}"#,
        r#"{"anyOf":[{"type":"string"},{"type":"null"}],"description":"d"}"#,
        r#"{"oneOf":[{"const":null},{"type":"string"}],"description":"d"}"#,
        r#"{"type":"STRING","nullable":true,"description":"d"}"#,
    ] {
        let json = fit(schema).json;
        let json = String::from_utf8(json).unwrap();
        assert_eq!(json, r#"{"type":"STRING","description":"d","nullable":true}"#.to_owned(), "{schema}");
    }
    becomes(
        r#"{"enum":["a",null,""],"type":["string","null"]}"#,
        r#"{"type":"STRING","nullable":true,"enum":["a"]}"#,
        false,
    );
}

#[test]
fn conversion_32_alternatives_and_several_types() {
    becomes(
        r#"{"description":"d","oneOf":[{"type":"string"},{"type":"array","items":{"type":"integer"}},{"type":"null"}]}"#,
        r#"{"description":"d","nullable":true,"anyOf":[{"type":"STRING"},{"type":"ARRAY","items":{"type":"INTEGER"}}]}"#,
        false,
    );
    becomes(
        r#"{"type":["string","number","array"],"minLength":2,"minimum":1}"#,
        r#"{"anyOf":[{"type":"STRING","minLength":2},{"type":"NUMBER","minimum":1},{"type":"ARRAY","items":{"type":"STRING"}}]}"#,
        false,
    );
    // What the alternatives share stands in each of them.
    becomes(
        r#"{"type":"object","description":"d","properties":{"id":{"type":"string"}},"oneOf":[{"properties":{"k":{"const":"a"}}},{"properties":{"k":{"const":"b"}}}]}"#,
        r#"{"description":"d","anyOf":[{"type":"OBJECT","properties":{"k":{"type":"STRING","enum":["a"]},"id":{"type":"STRING"}}},{"type":"OBJECT","properties":{"k":{"type":"STRING","enum":["b"]},"id":{"type":"STRING"}}}]}"#,
        false,
    );
    // Alternatives that only ask for members cannot be said.
    becomes(
        r#"{"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
        r#"{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}"#,
        true,
    );
}

#[test]
fn conversion_32_constants_and_numbers_among_values() {
    becomes(r#"{"const":"x"}"#, r#"{"type":"STRING","enum":["x"]}"#, false);
    becomes(r#"{"type":"string","enum":[1,"b",true]}"#, r#"{"type":"STRING","enum":["1","b","true"]}"#, false);
    becomes(r#"{"enum":["a",1]}"#, r#"{"type":"STRING","enum":["a","1"]}"#, false);
    // Only texts may be bound to values; a number stays a number.
    becomes(
        r#"{"type":"integer","enum":[1,2],"description":"d"}"#,
        r#"{"type":"INTEGER","description":"d One of: 1, 2"}"#,
        true,
    );
    becomes(r#"{"const":1.5}"#, r#"{"type":"NUMBER","description":"One of: 1.5"}"#, true);
}

#[test]
fn what_has_no_type_gets_one() {
    becomes("{}", r#"{"type":"STRING"}"#, true);
    becomes("true", r#"{"type":"STRING"}"#, true);
    becomes(
        r#"{"properties":{"a":{"items":{"type":"string"}}}}"#,
        r#"{"type":"OBJECT","properties":{"a":{"type":"ARRAY","items":{"type":"STRING"}}}}"#,
        false,
    );
    becomes(r#"{"type":"array"}"#, r#"{"type":"ARRAY","items":{"type":"STRING"}}"#, false);
    becomes(
        r#"{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}]}"#,
        r#"{"type":"ARRAY","items":{"anyOf":[{"type":"STRING"},{"type":"NUMBER"}]}}"#,
        true,
    );
    assert!(fit(r#"{"type":"object","additionalProperties":false}"#).empty);
    assert!(!fit(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#).empty);
}

#[test]
fn rules_without_a_word_for_them_are_told() {
    for schema in [
        r#"{"type":"object","patternProperties":{"^x":{"type":"string"}}}"#,
        r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
        r#"{"type":"string","not":{"const":"a"}}"#,
    ] {
        assert!(fit(schema).lossy, "{schema}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        let (open, close) = (r#"{"type":"object","properties":{"a":"#.repeat(depth), "}}".repeat(depth));
        fit(&format!(r#"{open}{{"type":"boolean"}}{close}"#))
    };
    let deepest = nested(SCHEMA_DEPTH_MAX);
    assert!(!deepest.lossy && String::from_utf8(deepest.json).unwrap().contains("BOOLEAN"));
    let deeper = nested(SCHEMA_DEPTH_MAX + 1);
    assert!(deeper.lossy && !String::from_utf8(deeper.json).unwrap().contains("BOOLEAN"));
}

#[test]
fn size_and_work_are_bounded() {
    let wide = |count: usize| {
        let list: Vec<String> =
            (0..count).map(|nth| format!(r#"{{"properties":{{"p{nth}":{{"type":"string"}}}}}}"#)).collect();
        let schema = format!(r#"{{"type":"object","allOf":[{}]}}"#, list.join(","));
        Fitting::default().fit(Raw::parse(schema.as_bytes()).unwrap())
    };
    assert!(wide(SCHEMA_SOURCES_MAX - 1).is_ok());
    assert_eq!(wide(SCHEMA_SOURCES_MAX), Err(TooLarge));

    let long = |bytes: usize| {
        let schema = format!(r#"{{"type":"STRING","description":"{}"}}"#, "x".repeat(bytes));
        Fitting::default().fit(Raw::parse(schema.as_bytes()).unwrap()).map(|fitted| fitted.json.len())
    };
    let around = r#"{"type":"STRING","description":""}"#.len();
    assert_eq!(long(SCHEMA_BYTES_MAX - around), Ok(SCHEMA_BYTES_MAX));
    assert_eq!(long(SCHEMA_BYTES_MAX - around + 1), Err(TooLarge));

    // Each definition holds the next one twice.
    let doubling: Vec<String> = (0..30)
        .map(|nth| {
            let next = nth + 1;
            format!(r##""d{nth}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/d{next}"}},"b":{{"$ref":"#/$defs/d{next}"}}}}}}"##)
        })
        .collect();
    let schema = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d30":{{"type":"string"}}}}}}"##, doubling.join(","));
    assert_eq!(Fitting::default().fit(Raw::parse(schema.as_bytes()).unwrap()), Err(TooLarge));

    // The budget is one for all schemas of a request.
    let text = format!(r#"{{"description":"{}","type":"string"}}"#, "x".repeat(SCHEMA_BYTES_MAX / 2));
    let raw = Raw::parse(text.as_bytes()).unwrap();
    let mut fitting = Fitting::default();
    let whole = SCHEMA_WORK_BYTES_MAX / text.len();
    assert!((0..whole).all(|_| fitting.fit(raw).is_ok()));
    assert_eq!(fitting.fit(raw), Err(TooLarge));
}
