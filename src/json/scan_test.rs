//! The walk against serde_json, and the offsets of its errors.

use super::*;

fn told(text: &str) -> Vec<(&str, &str)> {
    let mut members = Vec::new();
    object(text.as_bytes(), |_, name, value| members.push((&text[name.range()], &text[value.range()]))).unwrap();
    members
}

#[test]
fn members_of_the_top_level_are_told_in_order() {
    let text = r#" { "model" : "m\"1" , "messages":[{"role":"user"}, 1],"n": -1.5e3,"a":{"model":{}},"":null } "#;
    let expected = [
        ("model", r#""m\"1""#),
        ("messages", r#"[{"role":"user"}, 1]"#),
        ("n", "-1.5e3"),
        ("a", r#"{"model":{}}"#),
        ("", "null"),
    ];
    assert_eq!(told(text), expected);
    assert_eq!(told("{}"), []);
}
