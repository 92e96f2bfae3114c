//! The `demo` provider: Chat answers from inside the process, so that a first request works with no account, and an
//! upstream for tests of all that an upstream can do.
//!
//! The answer repeats what was asked and depends on nothing else; what changes from one exchange to the next, id and
//! time, is handed in. Words of the question ask for more than text, or for trouble ([`wish`]). A question that holds
//! results of tools is answered by them. Streams come event by event from [`Reply::step`].

mod made;
mod wish;

pub use wish::Trouble;

use wish::Wish;

use crate::base::text::beginning;
use crate::json::{self, Raw, Writer};
use crate::limits;
use crate::protocol::Dialect;
use crate::protocol::failure::{self, Fault};
use crate::sse;

/// An answer to one request.
#[derive(Debug)]
pub struct Reply {
    id: String,
    created_unix_s: u64,
    model: String,
    thought: &'static str,
    text: String,
    image: bool,
    calls: Vec<Called>,
    prompt_tokens: u64,
    pause_ms: u64,
    trouble: Option<Trouble>,
    mode: Mode,
}

/// A call of a tool.
#[derive(Debug)]
struct Called {
    name: String,
    /// JSON, or any text for a custom tool.
    input: String,
    custom: bool,
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
    /// The word of the thought that begins at this offset.
    Thought(usize),
    /// The word of the text that begins at this offset.
    Word(usize),
    Image,
    /// The call of this number begins.
    Call(usize),
    /// The piece of its input that begins at this offset.
    Input(usize, usize),
    Finish,
    Usage,
    Done,
    Nothing,
}

/// What one step of a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An event was appended.
    Event,
    /// The stream is cut here.
    Cut,
    /// There is nothing left.
    End,
}

const THOUGHT: &str = "The question asks for a thought before the answer. This is one.";

/// Eight by eight pixels of one colour.
const IMAGE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mPQyr+NFTEMLQkAKqRdAbZgjH8AAAAASUVORK5CYII=";

/// Bytes of a call's input in one event.
const INPUT_BYTES: usize = 12;

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
        let results = results(messages);
        let question = question(messages);
        let wish = if results.is_empty() { Wish::of(&question) } else { Wish::default() };
        let calls = if results.is_empty() { calls(body, &wish) } else { Vec::new() };
        let text = match (results.is_empty(), calls.is_empty()) {
            (false, _) => said("The tool said", &results),
            (true, false) => String::new(),
            (true, true) => shaped(body).unwrap_or_else(|| text(&question, &wish)),
        };
        Reply {
            id: id.to_owned(),
            created_unix_s,
            model: json::find(body, "model").and_then(string).unwrap_or_else(|| "demo".to_owned()),
            thought: if wish.thinks { THOUGHT } else { "" },
            text,
            image: wish.image,
            calls,
            prompt_tokens: tokens(messages.map_or(0, |messages| messages.bytes().len())),
            pause_ms: wish.pause_ms,
            trouble: wish.trouble,
            mode,
        }
    }

    /// Whether the answer is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.mode, Mode::Stream { .. })
    }

    /// What goes wrong, if something is to.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Milliseconds to wait before each event.
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    /// Prompt and completion tokens, as the answer tells them.
    pub fn usage(&self) -> (u64, u64) {
        let inputs: usize = self.calls.iter().map(|call| call.input.len()).sum();
        (self.prompt_tokens, tokens(self.thought.len() + self.text.len() + inputs))
    }

    /// Appends the body of an answer that is not streamed.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut json = Writer::new(out);
        self.begin("chat.completion", &mut json);
        json.key("choices").begin_array().begin_object().key("index").u64(0);
        json.key("message").begin_object().key("role").string("assistant").key("content");
        match self.calls.is_empty() {
            true => json.string(&self.text),
            false => json.null(),
        };
        json.key("refusal").null().key("annotations").begin_array().end();
        if !self.thought.is_empty() {
            json.key("reasoning_content").string(self.thought);
        }
        if self.image {
            image(&mut json);
        }
        if !self.calls.is_empty() {
            json.key("tool_calls").begin_array();
            for (nth, call) in self.calls.iter().enumerate() {
                json.begin_object();
                self.call(nth, call, &call.input, &mut json);
                json.end();
            }
            json.end();
        }
        json.end().key("logprobs").null().key("finish_reason").string(self.reason()).end().end();
        self.write_usage(&mut json);
        json.end();
    }

    /// Appends the next event of the stream.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Step {
        let Mode::Stream { include_usage, next } = self.mode else { return Step::End };
        if let (Next::Word(at), Some(trouble)) = (next, self.trouble)
            && at >= self.text.len() / 2
        {
            self.mode = Mode::Stream { include_usage, next: Next::Nothing };
            return broken(trouble, out);
        }
        let mut data = Vec::with_capacity(256);
        let mut json = Writer::new(&mut data);
        let after = match next {
            Next::Done => {
                sse::write::done(out);
                self.mode = Mode::Stream { include_usage, next: Next::Nothing };
                return Step::Event;
            }
            Next::Nothing => return Step::End,
            Next::Usage => {
                self.begin("chat.completion.chunk", &mut json);
                json.key("choices").begin_array().end();
                self.write_usage(&mut json);
                json.end();
                Next::Done
            }
            next => self.chunk(next, include_usage, &mut json),
        };
        sse::write::event("", &data, out);
        self.mode = Mode::Stream { include_usage, next: after };
        Step::Event
    }

    /// A chunk with one choice, and what comes behind it. With usage asked for, all chunks but the last say
    /// `"usage":null`.
    fn chunk(&self, next: Next, include_usage: bool, json: &mut Writer<'_>) -> Next {
        self.begin("chat.completion.chunk", json);
        json.key("choices").begin_array().begin_object().key("index").u64(0).key("delta").begin_object();
        let after = match next {
            Next::Role => {
                json.key("role").string("assistant").key("content").string("");
                if self.thought.is_empty() { self.behind_thought() } else { Next::Thought(0) }
            }
            Next::Thought(start) => {
                let word = word(self.thought, start);
                json.key("reasoning_content").string(word);
                let end = start + word.len();
                if end < self.thought.len() { Next::Thought(end) } else { self.behind_thought() }
            }
            Next::Word(start) => {
                let word = word(&self.text, start);
                json.key("content").string(word);
                let end = start + word.len();
                match end < self.text.len() {
                    true => Next::Word(end),
                    false if self.image => Next::Image,
                    false => Next::Finish,
                }
            }
            Next::Image => {
                image(json);
                Next::Finish
            }
            Next::Call(nth) => {
                json.key("tool_calls").begin_array().begin_object().key("index").u64(nth as u64);
                self.call(nth, &self.calls[nth], "", json);
                json.end().end();
                Next::Input(nth, 0)
            }
            Next::Input(nth, start) => {
                let call = &self.calls[nth];
                let (name, member) = call.members();
                let piece = piece(&call.input[start..]);
                json.key("tool_calls").begin_array().begin_object().key("index").u64(nth as u64);
                json.key(name).begin_object().key(member).string(piece).end().end().end();
                match start + piece.len() {
                    end if end < call.input.len() => Next::Input(nth, end),
                    _ if nth + 1 < self.calls.len() => Next::Call(nth + 1),
                    _ => Next::Finish,
                }
            }
            Next::Finish if include_usage => Next::Usage,
            Next::Finish | Next::Usage | Next::Done | Next::Nothing => Next::Done,
        };
        json.end().key("logprobs").null().key("finish_reason");
        match next {
            Next::Finish => json.string(self.reason()),
            _ => json.null(),
        };
        json.end().end();
        if include_usage {
            json.key("usage").null();
        }
        json.end();
        after
    }

    fn behind_thought(&self) -> Next {
        if self.calls.is_empty() { Next::Word(0) } else { Next::Call(0) }
    }

    /// The members of a call, with as much of its input as `input`.
    fn call(&self, nth: usize, call: &Called, input: &str, json: &mut Writer<'_>) {
        let (name, member) = call.members();
        json.key("id").string(&format!("call_{}_{nth}", self.id.trim_start_matches("chatcmpl-")));
        json.key("type").string(name).key(name).begin_object();
        json.key("name").string(&call.name).key(member).string(input).end();
    }

    fn reason(&self) -> &'static str {
        if self.calls.is_empty() { "stop" } else { "tool_calls" }
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

impl Called {
    /// The member that a call of this kind is told in, and that of its input.
    fn members(&self) -> (&'static str, &'static str) {
        if self.custom { ("custom", "input") } else { ("function", "arguments") }
    }
}

/// The middle of a stream that goes wrong.
fn broken(trouble: Trouble, out: &mut Vec<u8>) -> Step {
    if trouble != Trouble::Event {
        return Step::Cut;
    }
    let mut body = Vec::new();
    error(Fault::Internal, 500, &mut body);
    sse::write::event("", &body, out);
    Step::Event
}

/// Appends the body of an error.
pub fn error(fault: Fault, status: u16, out: &mut Vec<u8>) {
    failure::write(Dialect::Chat, fault, status, "the demo provider was asked for this error", "", out);
}

fn image(json: &mut Writer<'_>) {
    json.key("images").begin_array().begin_object().key("type").string("image_url").key("index").u64(0);
    json.key("image_url").begin_object().key("url").string(IMAGE).end().end().end();
}

/// The calls that are wished for, of the tools there are; one too where the request insists on it.
fn calls(body: &[u8], wish: &Wish) -> Vec<Called> {
    let choice = json::find(body, "tool_choice");
    let insists =
        |choice: Raw<'_>| choice.is_object() || choice.as_str().is_some_and(|choice| choice.eq_str("required"));
    let one_at_a_time = json::find(body, "parallel_tool_calls").and_then(Raw::as_bool) == Some(false);
    let count = match choice.is_some_and(insists) {
        true => wish.calls.max(1),
        false => wish.calls,
    };
    let named = choice
        .and_then(|choice| ["function", "custom"].iter().find_map(|kind| choice.find(kind)?.find("name")?.as_str()));
    let named = named.map(|name| name.decode().into_owned()).or_else(|| wish.tool.clone());
    let tools: Vec<Tool<'_>> =
        json::find(body, "tools").iter().flat_map(|tools| tools.elements()).filter_map(Tool::of).collect();
    let known = |name: &String| tools.iter().position(|tool| tool.name == *name);
    let first = named.as_ref().and_then(known).unwrap_or(0);
    let order = tools.iter().cycle().skip(first).take(if tools.is_empty() { 0 } else { count });
    let called = order.enumerate().map(|(nth, tool)| tool.called(wish.input.as_deref().filter(|_| nth == 0)));
    called.take(if one_at_a_time { 1 } else { limits::DEMO_CALLS_MAX }).collect()
}

/// A tool of the request.
struct Tool<'a> {
    name: String,
    schema: Option<Raw<'a>>,
    custom: bool,
}

impl<'a> Tool<'a> {
    fn of(tool: Raw<'a>) -> Option<Tool<'a>> {
        let (inner, custom) = match tool.find("function") {
            Some(function) => (function, false),
            None => (tool.find("custom")?, true),
        };
        let name = inner.find("name")?.as_str()?.decode().into_owned();
        Some(Tool { name, schema: inner.find("parameters").filter(|schema| schema.is_object()), custom })
    }

    /// A call of it, with `input` or with what its schema asks for.
    fn called(&self, input: Option<&str>) -> Called {
        let input = match (input, self.custom, self.schema) {
            (Some(input), ..) => input.to_owned(),
            (None, true, _) => "demo".to_owned(),
            (None, false, None) => "{}".to_owned(),
            (None, false, Some(schema)) => {
                let mut out = Vec::new();
                made::value(schema, &mut out);
                String::from_utf8(out).unwrap_or_default()
            }
        };
        Called { name: self.name.clone(), input, custom: self.custom }
    }
}

/// An answer in the form that the request asks for, where it is one.
fn shaped(body: &[u8]) -> Option<String> {
    let format = json::find(body, "response_format")?;
    let mut out = Vec::new();
    match format.find("json_schema").and_then(|inner| inner.find("schema")) {
        Some(schema) => made::value(schema, &mut out),
        None if format.find("type")?.as_str()?.eq_str("json_object") => out.extend_from_slice(b"{\"answer\":\"demo\"}"),
        None => return None,
    }
    String::from_utf8(out).ok()
}

fn role<'a>(message: &Raw<'a>) -> Option<json::Escaped<'a>> {
    message.find("role").and_then(Raw::as_str)
}

/// What tools said behind all that the assistant has said.
fn results(messages: Option<Raw<'_>>) -> String {
    let mut results = Vec::new();
    for message in messages.iter().flat_map(|messages| messages.elements()) {
        match role(&message) {
            Some(role) if role.eq_str("assistant") => results.clear(),
            Some(role) if role.eq_str("tool") => results.extend(message.find("content").map(texts)),
            _ => {}
        }
    }
    // An empty result is a result.
    if results.is_empty() { String::new() } else { format!("{} ", results.join(" ")) }
}

/// The text of the last user turn.
fn question(messages: Option<Raw<'_>>) -> String {
    let is_user = |message: &Raw<'_>| role(message).is_some_and(|role| role.eq_str("user"));
    let last = messages.and_then(|messages| messages.elements().filter(is_user).last());
    last.and_then(|message| message.find("content")).map(texts).unwrap_or_default()
}

/// The texts of a message's content.
fn texts(content: Raw<'_>) -> String {
    if let Some(text) = content.as_str() {
        return text.decode().into_owned();
    }
    let texts = content.elements().filter_map(|part| part.find("text").and_then(Raw::as_str));
    texts.map(|text| text.decode().into_owned()).collect::<Vec<_>>().join(" ")
}

fn text(question: &str, wish: &Wish) -> String {
    let question = question.trim();
    if let Some(unknown) = &wish.unknown {
        return format!("{unknown} is none of the demo provider's words: {}", wish::WORDS);
    }
    if let Some(words) = wish.words {
        return (1..=words).map(|nth| format!("word{nth}")).collect::<Vec<_>>().join(" ");
    }
    if wish.calls > 0 {
        return "Hello from weir. A call was asked for, but the request has no tools.".to_owned();
    }
    if question.is_empty() {
        return "Hello from weir. You said nothing; ask me something.".to_owned();
    }
    said("You said", question)
}

/// A greeting with as much of `words` as has room.
fn said(who: &str, words: &str) -> String {
    let words = words.trim();
    let repeated = beginning(words, limits::DEMO_ECHO_BYTES_MAX);
    let more = if repeated.len() < words.len() { "\u{2026}" } else { "" };
    format!("Hello from weir. {who}: {repeated}{more} (The demo provider says this; add a provider to ask a model.)")
}

/// The word of `text` that begins at `start`, with the blanks before it.
fn word(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    let len = rest.char_indices().skip(1).find(|&(_, c)| c == ' ').map_or(rest.len(), |(at, _)| at);
    &rest[..len]
}

/// The beginning of a call's input that fits into one event.
fn piece(rest: &str) -> &str {
    let end = rest.char_indices().map(|(at, _)| at).find(|at| *at >= INPUT_BYTES).unwrap_or(rest.len());
    &rest[..end]
}

/// About as many tokens as so many bytes of English text.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

#[cfg(test)]
#[path = "demo_test.rs"]
mod tests;
