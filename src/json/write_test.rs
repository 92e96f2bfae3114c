//! What the writer writes.

use super::*;

#[test]
fn commas_stand_between_and_nowhere_else() {
    let mut out = b"data: ".to_vec();
    let mut json = Writer::new(&mut out);
    json.begin_object().key("a").begin_array().u64(1).string("x\"y").begin_object().end().end();
    json.key("b").null().key("c").begin_object().key("d").bool(true).end().end();
    assert_eq!(String::from_utf8(out).unwrap(), r#"data: {"a":[1,"x\"y",{}],"b":null,"c":{"d":true}}"#);
}

fn write(json: &mut Writer<'_>, value: &serde_json::Value) {
    match value {
        serde_json::Value::Null => json.null(),
        serde_json::Value::Bool(value) => json.bool(*value),
        serde_json::Value::Number(number) => match number.as_u64() {
            Some(value) => json.u64(value),
            None => json.raw(Raw::parse(number.to_string().as_bytes()).unwrap()),
        },
        serde_json::Value::String(text) => json.string(text),
        serde_json::Value::Array(elements) => {
            json.begin_array();
            elements.iter().for_each(|element| write(json, element));
            json.end()
        }
        serde_json::Value::Object(members) => {
            json.begin_object();
            members.iter().for_each(|(name, value)| write(json.key(name), value));
            json.end()
        }
    };
}

proptest::proptest! {
    #[test]
    fn it_writes_what_serde_json_writes(value in crate::json::scan::tests::any_value()) {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out), &value);
        proptest::prop_assert_eq!(out, serde_json::to_vec(&value).unwrap());
    }
}
