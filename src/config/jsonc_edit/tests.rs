//! Edits by example, and the law that they mean what they say whatever comments and blanks stand around.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::jsonc::Document;

fn path<'a>(steps: &[&'a str]) -> Vec<Step<'a>> {
    steps.iter().map(|step| step.parse().map_or(Step::Member(step), Step::Entry)).collect()
}

fn meaning(text: &str) -> Value {
    Document::parse(text.as_bytes()).unwrap_or_else(|problem| panic!("{problem}\n{text}")).root.to_value()
}

const FILE: &str = r#"// Head.
{
  "listen": "127.0.0.1:7070", // the relay
  "providers": {
    // The cheap one.
    "deep": { "preset": "deepseek", "keys": ["env:A"] }, // note
    "zhipu": {
      "keys": [
        "env:B", // first
        { "key": "env:C", "weight": 2 }
      ],
      "models": ["a", "b", "c"],
    },
  },
  "clients": {}
}
"#;

#[test]
fn a_member_is_set_where_it_stands() {
    let text = set(FILE, &path(&["listen"]), &json!(":80")).unwrap();
    assert_eq!(text, FILE.replace("\"127.0.0.1:7070\"", "\":80\""));
    let text = set(FILE, &path(&["providers", "zhipu", "keys", "1", "weight"]), &json!(3)).unwrap();
    assert_eq!(text, FILE.replace("\"weight\": 2", "\"weight\": 3"));
    assert_eq!(set(FILE, &path(&["listen"]), &json!("127.0.0.1:7070")).unwrap(), FILE);
    let text = set(FILE, &path(&["providers", "zhipu", "models"]), &json!(["a", "c"])).unwrap();
    assert_eq!(text, FILE.replace("\"b\", ", ""));
}

#[test]
fn what_is_new_looks_like_its_neighbours() {
    for (place, value, before, after) in [
        // Trailing comma, lines of their own.
        (
            vec!["providers", "demo"],
            json!({ "protocol": "demo" }),
            "    },\n  },\n  \"cl",
            "    },\n    \"demo\": { \"protocol\": \"demo\" },\n  },\n  \"cl",
        ),
        // No trailing comma, a list.
        (vec!["providers", "zhipu", "keys", "2"], json!("env:D"), "2 }\n", "2 },\n        \"env:D\"\n"),
        // On one line.
        (vec!["providers", "deep", "keys", "1"], json!("env:D"), "[\"env:A\"]", "[\"env:A\", \"env:D\"]"),
        (vec!["providers", "deep", "prefix"], json!("ds"), "[\"env:A\"] }", "[\"env:A\"], \"prefix\": \"ds\" }"),
        // The first of an empty object.
        (vec!["clients", "ci"], json!({ "key": "k" }), "{}\n", "{\n    \"ci\": { \"key\": \"k\" }\n  }\n"),
        // Objects on the way are made; the root has no trailing comma.
        (
            vec!["routes", "r", "to"],
            json!(["deep"]),
            "{}\n}",
            "{},\n  \"routes\": {\n    \"r\": { \"to\": [\"deep\"] }\n  }\n}",
        ),
    ] {
        let text = set(FILE, &path(&place), &value).unwrap();
        assert_eq!(text, FILE.replacen(before, after, 1), "{place:?}");
    }
    let text = set("{\r\n\t\"a\": 1 // x\r\n}\r\n", &path(&["b"]), &json!({ "c": { "d": [{ "e": 1 }] } })).unwrap();
    assert_eq!(
        text,
        "{\r\n\t\"a\": 1, // x\r\n\t\"b\": {\r\n\t\t\"c\": {\r\n\t\t\t\"d\": [\r\n\t\t\t\t{ \"e\": 1 }\r\n\t\t\t]\r\n\t\t}\r\n\t}\r\n}\r\n"
    );
}

#[test]
fn what_is_taken_out_leaves_no_trace_but_remarks_above() {
    for (place, before, after) in [
        (vec!["listen"], "  \"listen\": \"127.0.0.1:7070\", // the relay\n", ""),
        (vec!["providers", "deep"], "    \"deep\": { \"preset\": \"deepseek\", \"keys\": [\"env:A\"] }, // note\n", ""),
        (
            vec!["providers", "zhipu", "keys", "1"],
            "\"env:B\", // first\n        { \"key\": \"env:C\", \"weight\": 2 }\n",
            "\"env:B\" // first\n",
        ),
        (vec!["providers", "zhipu", "models", "2"], ", \"c\"", ""),
        (vec!["providers", "zhipu", "models", "0"], "\"a\", ", ""),
        (vec!["providers", "deep", "keys", "0"], "\"env:A\"", ""),
        (vec!["clients"], "  },\n  \"clients\": {}\n", "  }\n"),
    ] {
        assert_eq!(remove(FILE, &path(&place)).unwrap(), FILE.replacen(before, after, 1), "{place:?}");
    }
    for place in [&["none"][..], &["listen", "deeper"], &["providers", "zhipu", "keys", "7"]] {
        assert_eq!(remove(FILE, &path(place)).unwrap(), FILE);
    }
}

#[test]
fn a_patch_goes_to_the_depth_that_it_speaks_of() {
    let patch = json!({ "deep": { "preset": null, "base_url": "u" }, "zhipu": { "models": ["a"] } });
    let text = merge(FILE, &path(&["providers"]), &patch).unwrap();
    assert_eq!(meaning(&text)["providers"]["deep"], json!({ "keys": ["env:A"], "base_url": "u" }));
    for remark in ["// Head.", "// the relay", "// The cheap one.", "// note", "// first"] {
        assert!(text.contains(remark), "{remark} in {text}");
    }
    assert_eq!(
        merge(FILE, &path(&["listen"]), &json!({ "a": null, "b": 1 })).unwrap().matches("{ \"b\": 1 }").count(),
        1
    );
}

#[test]
fn what_cannot_be_edited_is_refused() {
    assert!(matches!(set("{", &path(&["a"]), &json!(1)), Err(Refused::Syntax(_))));
    assert_eq!(set(FILE, &path(&["listen", "a"]), &json!(1)), Err(Refused::Path));
    assert_eq!(set(FILE, &path(&["providers", "zhipu", "keys", "5"]), &json!(1)), Err(Refused::Path));
    assert_eq!(remove(FILE, &[]), Err(Refused::Path));
}

/// Writes a value with comments, blanks and trailing commas after the bytes of `noise`; every comment has its number.
struct Scribe<'a> {
    noise: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    out: String,
    remarks: usize,
}

impl Scribe<'_> {
    fn blank(&mut self) {
        let pick = *self.noise.next().expect("a cycle");
        self.remarks += 1;
        match pick % 7 {
            0 => self.out.push_str(&format!("/*{}*/", self.remarks)),
            1 => self.out.push_str(&format!(" // {}\n", self.remarks)),
            2 => self.out.push_str("\n  "),
            3 => self.out.push_str(&format!(" /* {}\n, }} */ ", self.remarks)),
            _ => self.out.push_str(&" "[..usize::from(pick % 2)]),
        }
    }

    fn value(&mut self, value: &Value) {
        self.blank();
        let (brackets, items): (_, Vec<_>) = match value {
            Value::Object(members) => (['{', '}'], members.iter().map(|(name, value)| (Some(name), value)).collect()),
            Value::Array(entries) => (['[', ']'], entries.iter().map(|entry| (None, entry)).collect()),
            plain => {
                self.out.push_str(&plain.to_string());
                return self.blank();
            }
        };
        self.out.push(brackets[0]);
        for (place, (name, value)) in items.iter().enumerate() {
            self.blank();
            if let Some(name) = name {
                self.out.push_str(&Value::from(name.as_str()).to_string());
                self.blank();
                self.out.push(':');
            }
            self.value(value);
            if place + 1 < items.len() || *self.noise.next().expect("a cycle") > 127 {
                self.out.push(',');
            }
        }
        self.blank();
        self.out.push(brackets[1]);
        self.blank();
    }
}

fn written(value: &Value, noise: &[u8]) -> String {
    let mut scribe = Scribe { noise: noise.iter().cycle(), out: String::new(), remarks: 0 };
    scribe.value(value);
    scribe.out
}

/// RFC 7396 as it stands there.
fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(members) = target { members } else { Map::new() };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.shift_remove(name)),
            value => {
                let before = target.get(name).cloned().unwrap_or(Value::Null);
                target.insert(name.clone(), merged(before, value));
            }
        }
    }
    Value::Object(target)
}

/// A path of existing steps that `choices` lead along, through objects and lists.
fn wander(value: &Value, choices: &[u8]) -> Vec<String> {
    let mut node = value;
    let mut steps = Vec::new();
    for choice in choices {
        let name = match node {
            Value::Object(members) if !members.is_empty() => {
                members.keys().nth(usize::from(*choice) % members.len()).expect("in range").clone()
            }
            Value::Array(entries) if !entries.is_empty() => (usize::from(*choice) % entries.len()).to_string(),
            _ => break,
        };
        node = if let Ok(place) = name.parse::<usize>() { &node[place] } else { &node[&*name] };
        steps.push(name);
    }
    steps
}

fn pointer(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{step}")).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), "[a-c,/*\" ]{0,4}".prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-f]", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    proptest::collection::vec(("[a-f]", any_json()), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn a_merge_means_what_the_rfc_says(value in any_object(), patch in any_object(), noise in proptest::collection::vec(any::<u8>(), 1..24)) {
        let text = written(&value, &noise);
        let edited = merge(&text, &[], &patch).unwrap();
        prop_assert_eq!(meaning(&edited), merged(value, &patch), "{}\n{}", text, edited);
    }

    #[test]
    fn a_set_and_a_removal_mean_what_they_say(
        value in any_object(), new in any_json(), noise in proptest::collection::vec(any::<u8>(), 1..24),
        choices in proptest::collection::vec(any::<u8>(), 1..5),
    ) {
        let text = written(&value, &noise);
        let steps = wander(&value, &choices);
        prop_assume!(!steps.is_empty());
        let names: Vec<&str> = steps.iter().map(String::as_str).collect();
        let edited = set(&text, &path(&names), &new).unwrap();
        let mut expected = value.clone();
        *expected.pointer_mut(&pointer(&steps)).expect("it exists") = new;
        prop_assert_eq!(meaning(&edited), expected, "{}\n{}", text, edited);

        let edited = remove(&text, &path(&names)).unwrap();
        let mut expected = value;
        let (last, above) = steps.split_last().expect("not empty");
        match expected.pointer_mut(&pointer(above)).expect("it exists") {
            Value::Object(members) => drop(members.shift_remove(last)),
            Value::Array(entries) => drop(entries.remove(last.parse().expect("a place"))),
            _ => unreachable!("it has members"),
        }
        prop_assert_eq!(meaning(&edited), expected, "{}\n{}", text, edited);
    }

    #[test]
    fn an_insertion_keeps_every_byte_that_was_there(
        value in any_object(), new in any_json(), noise in proptest::collection::vec(any::<u8>(), 1..24),
    ) {
        let text = written(&value, &noise);
        let edited = set(&text, &path(&["new"]), &new).unwrap();
        let mut expected = value;
        expected["new"] = new;
        prop_assert_eq!(meaning(&edited), expected, "{}\n{}", text, edited);
        let mut left = edited.chars();
        let kept = text.chars().filter(|c| !c.is_whitespace()).all(|c| left.any(|other| other == c));
        prop_assert!(kept, "{}\n{}", text, edited);
    }
}
