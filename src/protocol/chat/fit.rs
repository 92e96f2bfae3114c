//! A Chat client's request as a provider of Chat wants it: what is peculiar about that provider is put right where both
//! speak Chat and nothing is translated.
//!
//! Most bodies go as they are: a search for the few words that matter tells. What does not is changed where it stands,
//! and all else keeps its bytes, for a prompt cache is kept by them. What the table of peculiarities says of requests
//! that are translated is in [`request_out`](super::request_out) and holds here too.

use memchr::memmem;

use super::request_out::Family;
use crate::base::span::Span;
use crate::json::edit::{Edits, Overlap};
use crate::json::{self, Escaped, Raw};
use crate::protocol::ir::{OutputTokensName, Quirks};

/// `body`, a valid request for `model`, as a provider with these `quirks` takes it; nothing if as it is.
pub fn fit(body: &[u8], model: &str, quirks: &Quirks) -> Option<Vec<u8>> {
    let family = Family::of(model);
    // OpenAI's own models know the role, whoever offers them.
    let developer = quirks.developer_role || family != Family::Other;
    let names = bound(family, quirks);
    let says = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    let may_differ = !developer && says("\"developer\"")
        || names.is_some_and(|(other, _)| says(other))
        || quirks.tool_choice_auto_only && says("\"tool_choice\"")
        || quirks.no_stream_options && says("\"stream_options\"")
        || quirks.replays_reasoning && says("\"tool_calls\"")
        || quirks.leading_system_only
        || quirks.no_system_role;
    if !may_differ {
        return None;
    }
    let merged = (quirks.leading_system_only && !quirks.no_system_role).then(|| merged(body)).flatten();
    let edited = {
        let body = merged.as_deref().unwrap_or(body);
        let mut edits = Edits::new(body);
        // Spans of one reading never overlap, so that no edit is refused.
        let placed = edit(body, names, developer, quirks, &mut edits);
        debug_assert_eq!(placed, Ok(()));
        (!edits.is_empty()).then(|| {
            let mut out = Vec::new();
            edits.write_to(&mut out);
            out
        })
    };
    edited.or(merged)
}

/// The name of the bound on output that is not understood, and the one that is.
fn bound(family: Family, quirks: &Quirks) -> Option<(&'static str, &'static str)> {
    match quirks.output_tokens_name {
        OutputTokensName::Auto if family.reasons() => Some(("max_tokens", "max_completion_tokens")),
        OutputTokensName::Auto => None,
        OutputTokensName::MaxCompletionTokens => Some(("max_tokens", "max_completion_tokens")),
        OutputTokensName::MaxTokens => Some(("max_completion_tokens", "max_tokens")),
    }
}

fn edit(
    body: &[u8],
    names: Option<(&str, &'static str)>,
    developer: bool,
    quirks: &Quirks,
    edits: &mut Edits<'_>,
) -> Result<(), Overlap> {
    let top = span(body, body.trim_ascii());
    let says = |name: &str| json::find(body, name).is_some();
    for (name, value) in json::members(body) {
        match names {
            Some((other, known)) if name.eq_str(other) => match says(known) {
                true => _ = edits.remove_member(top, other)?,
                false => edits.replace(span(body, name.bytes()), known)?,
            },
            _ => {}
        }
        if name.eq_str("messages") {
            value.elements().try_for_each(|one| message(body, one, developer, quirks, edits))?;
        } else if name.eq_str("tool_choice") && quirks.tool_choice_auto_only {
            let may_be = |kind: Escaped<'_>| kind.eq_str("auto") || kind.eq_str("none");
            if !value.is_null() && !value.as_str().is_some_and(may_be) {
                edits.replace(span(body, value.bytes()), b"\"auto\"")?;
            }
        } else if name.eq_str("stream_options") && quirks.no_stream_options {
            edits.remove_member(top, "stream_options")?;
        }
    }
    Ok(())
}

fn message(
    body: &[u8],
    message: Raw<'_>,
    developer: bool,
    quirks: &Quirks,
    edits: &mut Edits<'_>,
) -> Result<(), Overlap> {
    let (mut role, mut calls, mut thought) = (None, false, false);
    for (name, value) in message.members() {
        match name.bytes() {
            b"role" => role = Some(value),
            b"tool_calls" => calls = value.elements().next().is_some(),
            b"reasoning_content" => thought = value.as_str().is_some(),
            _ => {}
        }
    }
    let Some((raw, said)) = role.and_then(|raw| Some((raw, raw.as_str()?))) else { return Ok(()) };
    let is_developer = said.eq_str("developer");
    if quirks.no_system_role && (is_developer || said.eq_str("system")) {
        edits.replace(span(body, raw.bytes()), b"\"user\"")?;
    } else if is_developer && !developer {
        edits.replace(span(body, raw.bytes()), b"\"system\"")?;
    } else if quirks.replays_reasoning && calls && !thought && said.eq_str("assistant") {
        let object = span(body, message.bytes());
        edits.remove_member(object, "reasoning_content")?;
        edits.insert_member(object, "reasoning_content", b"\"\"")?;
    }
    Ok(())
}

/// `body` with all its instructions in one message in front; nothing if they are already.
fn merged(body: &[u8]) -> Option<Vec<u8>> {
    let messages = json::find(body, "messages")?;
    let is_told = |message: &Raw<'_>| {
        let role = message.find("role").and_then(Raw::as_str);
        role.is_some_and(|role| role.eq_str("system") || role.eq_str("developer"))
    };
    if !messages.elements().skip(1).any(|message| is_told(&message)) {
        return None;
    }
    let (told, others): (Vec<_>, Vec<_>) = messages.elements().partition(is_told);
    let mut list = b"[{\"role\":\"system\",\"content\":\"".to_vec();
    let contents = told.iter().filter_map(|message| message.find("content"));
    let texts = contents.flat_map(|content| {
        let parts = content.elements().filter_map(|part| part.find("text")?.as_str());
        content.as_str().into_iter().chain(parts)
    });
    for (nth, text) in texts.enumerate() {
        if nth > 0 {
            list.extend_from_slice(b"\\n\\n");
        }
        list.extend_from_slice(text.bytes());
    }
    list.extend_from_slice(b"\"}");
    for other in others {
        list.push(b',');
        list.extend_from_slice(other.bytes());
    }
    list.push(b']');
    let mut edits = Edits::new(body);
    edits.replace(span(body, messages.bytes()), list).ok()?;
    let mut out = Vec::new();
    edits.write_to(&mut out);
    Some(out)
}

fn span(body: &[u8], part: &[u8]) -> Span {
    Span::inside(body, part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(quirks: &Quirks, model: &str, body: &str) -> String {
        let fitted = fit(body.as_bytes(), model, quirks).map(|body| String::from_utf8(body).expect("UTF-8"));
        if let Some(fitted) = &fitted {
            json::value(fitted.as_bytes()).expect("JSON");
            assert_eq!(fit(fitted.as_bytes(), model, quirks), None, "once is enough");
        }
        fitted.unwrap_or_else(|| "-".to_owned())
    }

    fn quirks() -> Quirks {
        Quirks::default()
    }

    #[test]
    fn conversion_24_only_openai_hears_of_developers() {
        let body = r#"{"messages":[{"role":"developer","content":"\"developer\""},{"role":"user","content":"x"}]}"#;
        let told = body.replace(r#""role":"developer""#, r#""role":"system""#);
        assert_eq!(fitted(&quirks(), "m", body), told);
        assert_eq!(fitted(&quirks(), "o3", body), "-");
        assert_eq!(fitted(&Quirks { developer_role: true, ..quirks() }, "m", body), "-");
        assert_eq!(fitted(&quirks(), "m", r#"{"messages":[{"role":"user","content":"\"developer\""}]}"#), "-");
    }

    #[test]
    fn conversion_29_the_bound_is_named_as_the_model_wants() {
        let copy = Quirks { output_tokens_name: OutputTokensName::MaxTokens, ..quirks() };
        let (old, new) = (r#"{"max_tokens": 9,"n":1}"#, r#"{"max_completion_tokens": 9,"n":1}"#);
        assert_eq!(fitted(&quirks(), "gpt-5-mini", old), new);
        assert_eq!(fitted(&quirks(), "gpt-4o", old), "-");
        assert_eq!(fitted(&quirks(), "m", old), "-");
        assert_eq!(fitted(&copy, "m", new), old);
        assert_eq!(fitted(&copy, "m", old), "-");
        let both = r#"{"max_tokens":1,"max_completion_tokens":2}"#;
        assert_eq!(fitted(&quirks(), "o3", both), r#"{"max_completion_tokens":2}"#);
        assert_eq!(fitted(&copy, "m", both), r#"{"max_tokens":1}"#);
    }

    #[test]
    fn conversion_48_instructions_stand_in_front() {
        let leading = Quirks { leading_system_only: true, ..quirks() };
        let body = r#"{"messages":[{"role":"system","content":"a"},{"role":"user","content":"x"},{"role":"developer","content":[{"type":"text","text":"b\n"}]}],"n":1}"#;
        let told = r#"{"messages":[{"role":"system","content":"a\n\nb\n"},{"role":"user","content":"x"}],"n":1}"#;
        assert_eq!(fitted(&leading, "m", body), told);
        assert_eq!(fitted(&leading, "m", told), "-");
        assert_eq!(fitted(&leading, "m", r#"{"messages":[]}"#), "-");
        let none = Quirks { no_system_role: true, ..leading };
        let told = body.replace("\"system\"", "\"user\"").replace("\"developer\"", "\"user\"");
        assert_eq!(fitted(&none, "m", body), told);
    }

    #[test]
    fn conversion_66_no_tool_is_forced_where_none_can_be() {
        let auto = Quirks { tool_choice_auto_only: true, ..quirks() };
        for (choice, told) in [
            (r#""required""#, true),
            (r#"{"type":"function","function":{"name":"f"}}"#, true),
            (r#""auto""#, false),
            (r#""none""#, false),
            ("null", false),
        ] {
            let body = format!(r#"{{"tool_choice":{choice}}}"#);
            let expected = if told { r#"{"tool_choice":"auto"}"# } else { "-" };
            assert_eq!(fitted(&auto, "m", &body), expected);
            assert_eq!(fitted(&quirks(), "m", &body), "-");
        }
    }

    #[test]
    fn conversion_49_a_call_without_its_thought_has_an_empty_one() {
        let replays = Quirks { replays_reasoning: true, ..quirks() };
        let call = |more: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant"{more},"tool_calls":[{{"id":"c"}}]}},{{"role":"assistant"}}]}}"#
            )
        };
        let told = fitted(&replays, "m", &call(""));
        assert!(told.starts_with(r#"{"messages":[{"reasoning_content":"","role":"assistant","tool_calls""#), "{told}");
        assert_eq!(fitted(&replays, "m", &call(r#","reasoning_content":null"#)), told);
        assert_eq!(fitted(&replays, "m", &call(r#","reasoning_content":"t""#)), "-");
        assert_eq!(fitted(&quirks(), "m", &call("")), "-");
    }

    #[test]
    fn options_that_nobody_knows_are_left_out() {
        let none = Quirks { no_stream_options: true, ..quirks() };
        let body = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(fitted(&none, "m", body), r#"{"stream":true}"#);
    }
}
