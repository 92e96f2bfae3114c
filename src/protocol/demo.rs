//! The `demo` provider: Chat answers from inside the process, so that a first request works with no account.
//!
//! The answer repeats what was asked and depends on nothing else; what changes from one exchange to the next,
//! id and time, is handed in. Streams come event by event from [`Reply::step`].

use crate::json::{self, Raw, Writer};
use crate::limits;
use crate::sse;

/// An answer to one request.
#[derive(Debug)]
pub struct Reply {
    id: String,
    created_unix_s: u64,
    model: String,
    text: String,
    prompt_tokens: u64,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Whole,
    Stream { include_usage: bool, next: Next },
}

/// The event of a stream that comes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Role,
    /// The word of the text that begins at this offset.
    Word(usize),
    Finish,
    Usage,
    Done,
    Nothing,
}

/// What the choice of a chunk says.
enum Delta<'a> {
    Role,
    Content(&'a str),
    Finish,
}

impl Reply {
    /// The answer to `body`, a valid Chat request. `id` begins with `chatcmpl-` by custom.
    pub fn new(body: &[u8], id: &str, created_unix_s: u64) -> Reply {
        let string = |raw: Raw<'_>| raw.as_str().map(|text| text.decode().into_owned());
        let flag = |raw: Option<Raw<'_>>| raw.and_then(Raw::as_bool).unwrap_or(false);
        let include_usage = json::find(body, "stream_options").and_then(|options| options.find("include_usage"));
        let mode = match flag(json::find(body, "stream")) {
            true => Mode::Stream { include_usage: flag(include_usage), next: Next::Role },
            false => Mode::Whole,
        };
        let messages = json::find(body, "messages");
        Reply {
            id: id.to_owned(),
            created_unix_s,
            model: json::find(body, "model").and_then(string).unwrap_or_else(|| "demo".to_owned()),
            text: text(&question(messages)),
            prompt_tokens: tokens(messages.map_or(0, |messages| messages.bytes().len())),
            mode,
        }
    }

    /// Whether the answer is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.mode, Mode::Stream { .. })
    }

    /// Prompt and completion tokens, as the answer tells them.
    pub fn usage(&self) -> (u64, u64) {
        (self.prompt_tokens, tokens(self.text.len()))
    }

    /// Appends the body of an answer that is not streamed.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut json = Writer::new(out);
        self.begin("chat.completion", &mut json);
        json.key("choices").begin_array().begin_object().key("index").u64(0);
        json.key("message").begin_object().key("role").string("assistant").key("content").string(&self.text);
        json.key("refusal").null().key("annotations").begin_array().end().end();
        json.key("logprobs").null().key("finish_reason").string("stop").end().end();
        self.write_usage(&mut json);
        json.end();
    }

    /// Appends the next event of the stream; false when there is none left.
    pub fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let Mode::Stream { include_usage, next } = self.mode else { return false };
        let mut data = Vec::with_capacity(256);
        let after = match next {
            Next::Role => {
                self.chunk(&Delta::Role, include_usage, &mut data);
                Next::Word(0)
            }
            Next::Word(start) => {
                let rest = &self.text[start..];
                let len = rest.char_indices().skip(1).find(|&(_, c)| c == ' ').map_or(rest.len(), |(at, _)| at);
                self.chunk(&Delta::Content(&rest[..len]), include_usage, &mut data);
                if len < rest.len() { Next::Word(start + len) } else { Next::Finish }
            }
            Next::Finish => {
                self.chunk(&Delta::Finish, include_usage, &mut data);
                if include_usage { Next::Usage } else { Next::Done }
            }
            Next::Usage => {
                let mut json = Writer::new(&mut data);
                self.begin("chat.completion.chunk", &mut json);
                json.key("choices").begin_array().end();
                self.write_usage(&mut json);
                json.end();
                Next::Done
            }
            Next::Done => {
                sse::write::done(out);
                self.mode = Mode::Stream { include_usage, next: Next::Nothing };
                return true;
            }
            Next::Nothing => return false,
        };
        sse::write::event("", &data, out);
        self.mode = Mode::Stream { include_usage, next: after };
        true
    }

    /// A chunk with one choice. With usage asked for, all chunks but the last say `"usage":null`.
    fn chunk(&self, delta: &Delta<'_>, include_usage: bool, data: &mut Vec<u8>) {
        let mut json = Writer::new(data);
        self.begin("chat.completion.chunk", &mut json);
        json.key("choices").begin_array().begin_object().key("index").u64(0).key("delta").begin_object();
        match delta {
            Delta::Role => json.key("role").string("assistant").key("content").string(""),
            Delta::Content(text) => json.key("content").string(text),
            Delta::Finish => &mut json,
        };
        json.end().key("logprobs").null().key("finish_reason");
        match delta {
            Delta::Finish => json.string("stop"),
            Delta::Role | Delta::Content(_) => json.null(),
        };
        json.end().end();
        if include_usage {
            json.key("usage").null();
        }
        json.end();
    }

    fn begin(&self, object: &str, json: &mut Writer<'_>) {
        json.begin_object().key("id").string(&self.id).key("object").string(object);
        json.key("created").u64(self.created_unix_s).key("model").string(&self.model);
    }

    fn write_usage(&self, json: &mut Writer<'_>) {
        let (prompt, completion) = self.usage();
        json.key("usage").begin_object().key("prompt_tokens").u64(prompt);
        json.key("completion_tokens").u64(completion).key("total_tokens").u64(prompt + completion).end();
    }
}

/// The text of the last user turn.
fn question(messages: Option<Raw<'_>>) -> String {
    let is_user =
        |message: &Raw<'_>| message.find("role").and_then(Raw::as_str).is_some_and(|role| role.eq_str("user"));
    let last = messages.and_then(|messages| messages.elements().filter(is_user).last());
    let Some(content) = last.and_then(|message| message.find("content")) else { return String::new() };
    if let Some(text) = content.as_str() {
        return text.decode().into_owned();
    }
    let texts = content.elements().filter_map(|part| part.find("text").and_then(Raw::as_str));
    texts.map(|text| text.decode().into_owned()).collect::<Vec<_>>().join(" ")
}

fn text(question: &str) -> String {
    let question = question.trim();
    if question.is_empty() {
        return "Hello from weir. You said nothing; ask me something.".to_owned();
    }
    let mut end = question.len().min(limits::DEMO_ECHO_BYTES_MAX);
    while !question.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < question.len() { "\u{2026}" } else { "" };
    format!(
        "Hello from weir. You said: {}{more} (The demo provider says this; add a provider to ask a model.)",
        &question[..end]
    )
}

/// About as many tokens as so many bytes of English text.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn reply(body: &str) -> Reply {
        Reply::new(body.as_bytes(), "chatcmpl-1", 1_700_000_000)
    }

    /// The data of all events of a stream.
    fn events(body: &str) -> Vec<String> {
        let mut reply = reply(body);
        let (mut all, mut data) = (Vec::new(), Vec::new());
        assert!(reply.is_stream());
        while reply.step(&mut all) {}
        let mut splitter = sse::Splitter::new(sse::Framing::Sse, 1 << 16);
        splitter.push(&all, |frame| data.push(String::from_utf8(frame.data.to_vec()).unwrap())).unwrap();
        data
    }

    #[test]
    fn a_whole_answer_is_a_completion() {
        let reply = reply(
            r#"{"model":"m\u0061x","messages":[{"role":"user","content":"first"},
               {"role":"user","content":[{"type":"text","text":"say \"hi\""},{"type":"image_url","image_url":{}}]},
               {"role":"assistant","content":"last"}]}"#,
        );
        assert!(!reply.is_stream());
        let mut out = Vec::new();
        reply.write(&mut out);
        let said: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&said["object"], &said["model"]), (&"chat.completion".into(), &"max".into()));
        let content = said["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(content.contains("say \"hi\"") && !content.contains("first"));
        let usage = &said["usage"];
        assert_eq!(
            usage["total_tokens"].as_u64().unwrap(),
            usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
        );
    }

    #[test]
    fn a_stream_tells_the_same_text() {
        let asked = r#""messages":[{"role":"user","content":"Grüße  dich"}]"#;
        let data = events(&format!(r#"{{"stream":true,{asked}}}"#));
        assert_eq!(data.last().unwrap(), "[DONE]");
        let chunks: Vec<Value> =
            data[..data.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
        let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, reply(&format!("{{{asked}}}")).text);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }

    #[test]
    fn usage_comes_when_it_is_asked_for() {
        let data = events(r#"{"stream":true,"stream_options":{"include_usage":true},"messages":[]}"#);
        let usage: Value = serde_json::from_str(&data[data.len() - 2]).unwrap();
        assert_eq!(usage["choices"].as_array().unwrap().len(), 0);
        assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() > 0);
        assert!(data[0].contains(r#""usage":null"#));
    }

    #[test]
    fn a_long_question_is_cut_between_characters() {
        let long = "ü".repeat(limits::DEMO_ECHO_BYTES_MAX);
        let reply = reply(&format!(r#"{{"messages":[{{"role":"user","content":"x{long}"}}]}}"#));
        assert!(reply.text.len() < limits::DEMO_ECHO_BYTES_MAX + 200 && reply.text.contains('\u{2026}'));
    }
}
