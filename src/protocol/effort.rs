//! How much a model is to reason, where the name asked for says so: `model(high)`, `model(8192)`.
//!
//! The request stays in its dialect; only the member that says how much is thought is put in place, in the form that
//! the table of [`ir::thinking`](super::ir::thinking) gives for it.

use smallvec::SmallVec;

use super::Dialect;
use super::ir::thinking::{self, Effort, GeminiThinking, Thinking};
use crate::json::path::Step;
use crate::json::{self, put};

/// `body`, a valid request of `dialect` for `model`, thinking as asked and not as it says itself; nothing if that
/// changes nothing.
pub fn apply(thinking: Thinking, dialect: Dialect, model: &str, body: &[u8]) -> Option<Vec<u8>> {
    let steps = |path: &[&str]| path.iter().map(|name| Step::Name((*name).into())).collect::<SmallVec<[Step; 4]>>();
    let set = |body: &[u8], path: &[&str], value: &str| put::set(body, &steps(path), value.as_bytes(), false);
    let remove = |body: &[u8], path: &[&str]| put::remove(body, &steps(path));
    let word = thinking.word();
    match (dialect, thinking) {
        (_, Thinking::Unsaid) => None,
        (Dialect::Chat, Thinking::Auto) => remove(body, &["reasoning_effort"]),
        (Dialect::Chat, _) => set(body, &["reasoning_effort"], &format!("\"{}\"", word?)),
        (Dialect::Responses, Thinking::Auto) => remove(body, &["reasoning", "effort"]),
        (Dialect::Responses, _) => set(body, &["reasoning", "effort"], &format!("\"{}\"", word?)),
        (Dialect::Anthropic, Thinking::Off) => set(body, &["thinking"], "{\"type\":\"disabled\"}"),
        (Dialect::Anthropic, Thinking::Auto) => set(body, &["thinking"], "{\"type\":\"adaptive\"}"),
        (Dialect::Anthropic, _) => {
            let said = json::find(body, "max_tokens").and_then(json::Raw::as_u64);
            let (budget, max) = thinking::anthropic_budget(thinking.tokens()?, said);
            let with = set(body, &["thinking"], &format!("{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}"))?;
            match said == Some(max) {
                true => Some(with),
                false => set(&with, &["max_tokens"], &max.to_string()),
            }
        }
        (Dialect::Gemini, _) => {
            let budget = ["generationConfig", "thinkingConfig", "thinkingBudget"];
            let level = ["generationConfig", "thinkingConfig", "thinkingLevel"];
            let (said, value, other) = match thinking::gemini(thinking, model) {
                Some(GeminiThinking::Budget(tokens)) => (budget, tokens.to_string(), level),
                Some(GeminiThinking::Level(word)) => (level, format!("\"{word}\""), budget),
                None => {
                    let without = remove(body, &budget);
                    return remove(without.as_deref().unwrap_or(body), &level).or(without);
                }
            };
            let with = set(body, &said, &value)?;
            Some(remove(&with, &other).unwrap_or(with))
        }
        (Dialect::Ollama, Thinking::Off) => set(body, &["think"], "false"),
        // The one family that knows levels, and nothing else (docs.ollama.com, thinking).
        (Dialect::Ollama, Thinking::Effort(_) | Thinking::Budget(_)) if model.contains("gpt-oss") => {
            set(body, &["think"], &format!("\"{}\"", thinking.effort()?.ollama_level()))
        }
        (Dialect::Ollama, _) => set(body, &["think"], "true"),
    }
}

/// The name without its suffix, and what the suffix asks for. Brackets that hold neither a level nor a number are part
/// of the name.
pub fn split(model: &str) -> Option<(&str, Thinking)> {
    let open = model.strip_suffix(')')?;
    let (name, inside) = open.rsplit_once('(')?;
    let is = |word: &str| inside.eq_ignore_ascii_case(word);
    let thinking = match Effort::named(inside) {
        Some(effort) => Thinking::Effort(effort),
        None if inside.is_empty() => Thinking::Unsaid,
        None if is("none") => Thinking::Off,
        None if is("auto") => Thinking::Auto,
        None if inside.bytes().all(|byte| byte.is_ascii_digit()) => match inside.parse().ok()? {
            0 => Thinking::Off,
            tokens => Thinking::Budget(tokens),
        },
        None => return None,
    };
    Some((name.trim_end(), thinking)).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_told_from_names() {
        for (model, expected) in [
            ("m(high)", Some(("m", Thinking::Effort(Effort::High)))),
            ("m (XHIGH)", Some(("m", Thinking::Effort(Effort::XHigh)))),
            ("a(b)(low)", Some(("a(b)", Thinking::Effort(Effort::Low)))),
            ("m(none)", Some(("m", Thinking::Off))),
            ("m(0)", Some(("m", Thinking::Off))),
            ("m(auto)", Some(("m", Thinking::Auto))),
            ("m(8192)", Some(("m", Thinking::Budget(8192)))),
            ("m()", Some(("m", Thinking::Unsaid))),
            ("m(beta)", None),
            ("m(-1)", None),
            ("m(99999999999)", None),
            ("m(high", None),
            ("(high)", None),
            ("m", None),
        ] {
            assert_eq!(split(model), expected, "{model}");
        }
    }

    #[test]
    fn each_dialect_has_its_own_words_for_it() {
        use Dialect::*;
        let high = Thinking::Effort(Effort::High);
        for (dialect, effort, body, expected) in [
            (Chat, high, r#"{"reasoning_effort":"low"}"#, r#"{"reasoning_effort":"high"}"#),
            (Chat, Thinking::Budget(600), "{}", r#"{"reasoning_effort":"low"}"#),
            (Chat, Thinking::Auto, r#"{"reasoning_effort":"low"}"#, "{}"),
            (Chat, Thinking::Off, "{}", r#"{"reasoning_effort":"none"}"#),
            (
                Responses,
                high,
                r#"{"reasoning":{"summary":"auto"}}"#,
                r#"{"reasoning":{"effort":"high","summary":"auto"}}"#,
            ),
            (Responses, high, "{}", r#"{"reasoning":{"effort":"high"}}"#),
            (
                Anthropic,
                high,
                r#"{"max_tokens":100}"#,
                r#"{"thinking":{"type":"enabled","budget_tokens":24576},"max_tokens":24676}"#,
            ),
            (
                Anthropic,
                Thinking::Budget(1),
                r#"{"max_tokens":9000}"#,
                r#"{"thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":9000}"#,
            ),
            (
                Anthropic,
                Thinking::Off,
                r#"{"thinking":{"type":"enabled","budget_tokens":9}}"#,
                r#"{"thinking":{"type":"disabled"}}"#,
            ),
            (Anthropic, Thinking::Auto, "{}", r#"{"thinking":{"type":"adaptive"}}"#),
            (
                Gemini,
                Thinking::Auto,
                r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"low"}}}"#,
                r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}"#,
            ),
            (Gemini, Thinking::Off, "{}", r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#),
            (Ollama, high, "{}", r#"{"think":true}"#),
            (Ollama, Thinking::Off, "{}", r#"{"think":false}"#),
        ] {
            let out = apply(effort, dialect, "m", body.as_bytes()).map(|out| String::from_utf8(out).unwrap());
            assert_eq!(out.as_deref(), Some(expected), "{dialect:?} {effort:?}");
        }
        assert_eq!(apply(Thinking::Unsaid, Chat, "m", b"{}"), None);
    }

    #[test]
    fn gemini_models_have_their_own_forms_and_bounds() {
        let with = |config: &str| format!(r#"{{"generationConfig":{{"thinkingConfig":{{{config}}}}}}}"#);
        for (thinking, model, before, after) in [
            (Thinking::Effort(Effort::Max), "gemini-2.5-flash", "", Some(r#""thinkingBudget":24576"#)),
            (Thinking::Budget(100), "gemini-3-flash", r#""thinkingBudget":9"#, Some(r#""thinkingLevel":"MINIMAL""#)),
            (
                Thinking::Auto,
                "gemini-3-flash",
                r#""thinkingLevel":"LOW","includeThoughts":true"#,
                Some(r#""includeThoughts":true"#),
            ),
            (Thinking::Auto, "gemini-3-flash", r#""includeThoughts":true"#, None),
        ] {
            let out = apply(thinking, Dialect::Gemini, model, with(before).as_bytes());
            let out = out.map(|out| String::from_utf8(out).unwrap());
            assert_eq!(out, after.map(with), "{model}");
        }
    }
}
