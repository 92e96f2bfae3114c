//! How many tokens a request has, as near as it can be told without asking its vendor.
//!
//! For `count_tokens`, `:countTokens` and `/v1/responses/input_tokens` where the upstream counts for nobody: texts,
//! calls, results and tools by o200k_base, media at a flat price each (conversion.md 39). The vendor's own prompt around
//! them is not known and not counted, but for a few tokens that every message costs.

use std::borrow::Cow;

use super::Dialect;
use super::ir::{Function, Input, Json, Part, Request, Text, Tool};
use super::tokens::Total;
use crate::json::Writer;

/// What an image costs about, and a document or a sound for want of anything better.
const MEDIUM_TOKENS: u64 = 1_600;
/// What stands around a message.
const MESSAGE_TOKENS: u64 = 4;

/// Counts the tokens of one request, step by step.
pub struct Estimate<'r> {
    texts: Total<'r>,
    flat: u64,
}

impl<'r> Estimate<'r> {
    /// Of `request`; nothing is counted yet. The table has to be loaded before the first step.
    pub fn new(request: &'r Request<'_>) -> Estimate<'r> {
        let mut found = Found { texts: Vec::new(), flat: 0 };
        let messages = request.instructions.len() + request.turns.len();
        found.flat += MESSAGE_TOKENS * messages as u64;
        let instructions = request.instructions.iter().map(|said| &said.parts);
        instructions.chain(request.turns.iter().map(|turn| &turn.parts)).for_each(|parts| found.parts(parts));
        request.tools.iter().for_each(|tool| found.tool(tool));
        Estimate { texts: Total::new(found.texts), flat: found.flat }
    }

    /// Counts a piece; the tokens once all is counted.
    pub fn step(&mut self) -> Option<u64> {
        self.texts.step().map(|counted| counted + self.flat)
    }
}

struct Found<'r> {
    texts: Vec<Cow<'r, str>>,
    flat: u64,
}

impl<'r> Found<'r> {
    fn text(&mut self, text: &'r Text<'_>) {
        self.texts.push(text.decode());
    }

    fn json(&mut self, json: &'r Json<'_>) {
        self.texts.push(String::from_utf8_lossy(json.bytes()));
    }

    fn parts(&mut self, parts: &'r [Part<'_>]) {
        for part in parts {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) | Part::Reasoning { text, .. } => self.text(text),
                Part::Media(_) => self.flat += MEDIUM_TOKENS,
                Part::ToolCall(call) => {
                    self.text(&call.name);
                    match &call.input {
                        Input::Json(json) => self.json(json),
                        Input::Text(text) | Input::Free(text) => self.text(text),
                    }
                }
                Part::ToolResult(result) => {
                    result.json.iter().for_each(|json| self.json(json));
                    self.parts(&result.content);
                }
                Part::Foreign { raw, .. } => self.json(raw),
            }
        }
    }

    fn tool(&mut self, tool: &'r Tool<'_>) {
        match tool {
            Tool::Function(Function { name, description, parameters, .. }) => {
                self.text(name);
                description.iter().for_each(|text| self.text(text));
                parameters.iter().for_each(|schema| self.json(schema));
            }
            Tool::Custom { name, description, format, .. } => {
                self.text(name);
                description.iter().for_each(|text| self.text(text));
                format.iter().for_each(|format| self.json(format));
            }
            Tool::WebSearch(search) => self.json(&search.raw),
            Tool::Foreign { raw, .. } => self.json(raw),
        }
    }
}

/// Appends the answer that a client of `dialect` gets who asked for the count.
pub fn write(dialect: Dialect, tokens: u64, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object();
    match dialect {
        Dialect::Gemini => json.key("totalTokens").u64(tokens),
        Dialect::Responses => json.key("object").string("response.input_tokens").key("input_tokens").u64(tokens),
        Dialect::Anthropic | Dialect::Chat | Dialect::Ollama => json.key("input_tokens").u64(tokens),
    };
    json.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::Decode as _;
    use crate::protocol::responses::Responses;
    use crate::protocol::tokens;

    fn estimate(body: &str) -> (u64, u64) {
        tokens::load();
        let request = Responses::request(body.as_bytes(), None, false).expect("it is one");
        let mut estimate = Estimate::new(&request);
        let mut steps = 1;
        loop {
            match estimate.step() {
                Some(tokens) => return (tokens, steps),
                None => steps += 1,
            }
        }
    }

    #[test]
    fn conversion_39_all_that_is_said_counts() {
        let tokens = |body: &str| estimate(body).0;
        assert_eq!(tokens(r#"{"input":[]}"#), 0);
        let one = tokens(r#"{"input":"hello world"}"#);
        assert_eq!(one, MESSAGE_TOKENS + 2);
        let image = r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"hello world"},{"type":"input_image","image_url":"https://x/"}]}]}"#;
        assert_eq!(tokens(image), one + MEDIUM_TOKENS);
        for more in [
            r#"{"input":"hello world","instructions":"brief"}"#,
            r#"{"input":"hello world","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}"#,
            r#"{"input":[{"role":"user","content":"hello world"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}"#,
            r#"{"input":[{"role":"user","content":"hello world"},{"type":"function_call_output","call_id":"c","output":"x"}]}"#,
            r#"{"input":[{"role":"user","content":"hello world"},{"type":"web_search_call","id":"x"}]}"#,
        ] {
            assert!(tokens(more) > one, "{more}");
        }
    }

    #[test]
    fn long_texts_are_counted_in_steps() {
        let words = 20_000;
        let body = format!(r#"{{"input":"{}"}}"#, vec!["word"; words].join(" "));
        let (tokens, steps) = estimate(&body);
        assert_eq!(tokens, MESSAGE_TOKENS + words as u64);
        assert!(steps > 2, "{steps}");
    }

    #[test]
    fn the_answer_is_openais() {
        let mut out = Vec::new();
        write(Dialect::Responses, 7, &mut out);
        assert_eq!(out, br#"{"object":"response.input_tokens","input_tokens":7}"#);
    }
}
