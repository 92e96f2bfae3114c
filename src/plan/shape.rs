//! How a route and a provider change the body of a request before it goes out.
//!
//! A function over a body in the protocol that it goes out in, whether the client wrote it so or it was translated. The
//! effort that the name asked for comes first, then the route's changes, then the provider's; each sees what the one
//! before has made. Without changes the body is not looked at.

use super::meet::holds;
use crate::config::snapshot::{Condition, Payload, Shaping};
use crate::json::path::Path;
use crate::json::{Raw, put};
use crate::protocol::Dialect;
use crate::protocol::effort;
use crate::protocol::ir::Thinking;

/// Whether a value of the header field of this name holds something.
pub type Header<'a> = dyn Fn(&str, &dyn Fn(&str) -> bool) -> bool + 'a;

/// What conditions look at beside the body.
pub struct Going<'a> {
    /// What the body is written in.
    pub dialect: Dialect,
    /// What the client speaks.
    pub from: Dialect,
    /// The model asked for.
    pub asked: &'a str,
    /// The provider's name of it.
    pub model: &'a str,
    /// Whether the request is one whose answer a model writes, so that it has a system prompt.
    pub is_chat: bool,
    /// How much reasoning the name asked for.
    pub effort: Option<Thinking>,
    /// Whether the values of a header field hold something.
    pub header: &'a Header<'a>,
}

/// `body`, a valid JSON object, as it is to go out; nothing if it goes as it is.
pub fn shape(shapings: &[&Shaping], going: &Going<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let effort = going.effort.filter(|_| going.is_chat);
    let mut shaped = effort.and_then(|effort| effort::apply(effort, going.dialect, going.model, body));
    for shaping in shapings {
        if let Some(prompt) = shaping.prompt.as_ref().filter(|_| going.is_chat) {
            shaped = prompt.apply(going.dialect, shaped.as_deref().unwrap_or(body)).or(shaped);
        }
        for rule in &shaping.payload {
            if rule.when.iter().all(|condition| meets(condition, going, shaped.as_deref().unwrap_or(body))) {
                change(rule, &mut shaped, body);
            }
        }
    }
    shaped
}

fn change(rule: &Payload, shaped: &mut Option<Vec<u8>>, body: &[u8]) {
    for (list, missing_only) in [(&rule.default, true), (&rule.overriding, false)] {
        for (path, value) in list {
            let changed = put::set(shaped.as_deref().unwrap_or(body), path.steps(), value, missing_only);
            *shaped = changed.or(shaped.take());
        }
    }
    for path in &rule.filter {
        let changed = put::remove(shaped.as_deref().unwrap_or(body), path.steps());
        *shaped = changed.or(shaped.take());
    }
}

fn meets(condition: &Condition, going: &Going<'_>, body: &[u8]) -> bool {
    let any = |path: &Path, is: &dyn Fn(Raw<'_>) -> bool| Raw::parse(body).is_ok_and(|body| path.any(body, is));
    match condition {
        Condition::Model(patterns) => {
            patterns.iter().any(|pattern| pattern.matches(going.asked) || pattern.matches(going.model))
        }
        Condition::Protocol(dialects) => dialects.contains(&going.dialect),
        Condition::From(dialects) => dialects.contains(&going.from),
        Condition::Header(name, pattern) => (going.header)(name, &|value| pattern.matches(value)),
        Condition::Match(path, pattern) => any(path, &|value| holds(value, pattern)),
        Condition::NotMatch(path, pattern) => !any(path, &|value| holds(value, pattern)),
        Condition::Exist(path) => any(path, &|_| true),
        Condition::NotExist(path) => !any(path, &|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;

    fn shaped(rules: &str, going: &Going<'_>, body: &str) -> String {
        let s = snapshot(&format!(r#"{{"providers": {{"d": {{"protocol": "demo", "payload": [{rules}]}}}}}}"#));
        let out = shape(&[&s.providers[0].shaping], going, body.as_bytes());
        out.map_or_else(|| "-".to_owned(), |out| String::from_utf8(out).unwrap())
    }

    fn going() -> Going<'static> {
        Going {
            dialect: Dialect::Chat,
            from: Dialect::Anthropic,
            asked: "asked",
            model: "Sent-1",
            is_chat: true,
            effort: None,
            header: &|name, is| name.eq_ignore_ascii_case("x-a") && is("one"),
        }
    }

    #[test]
    fn every_change_changes() {
        for (rule, expected) in [
            (r#"{"default": {"a": 2, "b.c": [true, null]}}"#, r#"{"b":{"c":[true,null]},"a":1}"#),
            (r#"{"default_raw": {"b": " {\"x\": 1.10} "}}"#, r#"{"b":{"x": 1.10},"a":1}"#),
            (r#"{"override": {"a": "z"}}"#, r#"{"a":"z"}"#),
            (r#"{"override_raw": {"a": "12345678901234567890123"}}"#, r#"{"a":12345678901234567890123}"#),
            (r#"{"filter": ["a"]}"#, "{}"),
            (r#"{"filter": ["x"]}"#, "-"),
            (r#"{"default": {"b": 1}}, {"if": {"exist": ["b"]}, "override": {"a": 2}}"#, r#"{"b":1,"a":2}"#),
        ] {
            assert_eq!(shaped(rule, &going(), r#"{"a":1}"#), expected, "{rule}");
        }
    }

    #[test]
    fn every_condition_counts() {
        let body = r#"{"a":1,"t":[{"k":"X"}]}"#;
        for (condition, holds) in [
            (r#""model": "sent-*""#, true),
            (r#""model": ["x", "ASKED"]"#, true),
            (r#""model": "x""#, false),
            (r#""protocol": "chat""#, true),
            (r#""protocol": ["gemini", "anthropic"]"#, false),
            (r#""from": "anthropic""#, true),
            (r#""from": "chat""#, false),
            (r#""header": {"X-A": "o*"}"#, true),
            (r#""header": {"x-a": "two"}"#, false),
            (r#""header": {"x-b": "*"}"#, false),
            (r#""match": {"t.*.k": "x", "a": "1"}"#, true),
            (r#""match": {"a": "2"}"#, false),
            (r#""match": {"b": "*"}"#, false),
            (r#""not_match": {"a": "2", "b": "*"}"#, true),
            (r#""not_match": {"a": "1"}"#, false),
            (r#""exist": ["t.0.k"]"#, true),
            (r#""exist": ["t.1"]"#, false),
            (r#""not_exist": ["t.1"]"#, true),
            (r#""not_exist": ["a"]"#, false),
            (r#""exist": ["a"], "model": "x""#, false),
        ] {
            let rule = format!(r#"{{"if": {{{condition}}}, "override": {{"met": true}}}}"#);
            assert_eq!(shaped(&rule, &going(), body) != "-", holds, "{condition}");
        }
    }

    #[test]
    fn effort_and_prompts_are_for_requests_that_a_model_answers() {
        let s = snapshot(
            r#"{"providers": {"d": {"protocol": "demo", "system_prompt": {"text": "p"}}},
                "routes": {"r": {"to": ["d"], "system_prompt": {"text": "r"}}}}"#,
        );
        let shapings = [&s.routes[0].shaping, &s.providers[0].shaping];
        let body = br#"{"messages":[]}"#;
        let effort = effort::split("m(low)").map(|(_, effort)| effort);
        let out = shape(&shapings, &Going { effort, ..going() }, body).unwrap();
        let expected = r#"{"reasoning_effort":"low","messages":[{"role":"system","content":"r\np"}]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(shape(&shapings, &Going { effort, is_chat: false, ..going() }, body), None);
    }
}
