//! Writes the conversation for a Responses upstream: turns of the pivot as items.
//!
//! Texts and media that follow each other in a turn are one message; thoughts, calls and results are items of their
//! own. The vendor refuses a call without a result and a result without a call: in a conversation of another protocol
//! the one gets a result that says so, the other is told as the user's words (conversion.md 27). Reasoning is sent where
//! it is this vendor's own or has no seal at all in a request of Responses; that of others is left out (16, 47, 64).
//!
//! A foreign part that holds the rest of an item or of a part ([`super::input_in`]) is put back into it.

use super::input_in::LOCAL_SHELL;
use super::request_out::Say;
use crate::json::{Escaped, Raw, Writer, text};
use crate::protocol::Dialect;
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::{
    CallKind, Input, Instruction, Json, Media, MediaKind, Part, Role, Seal, Source, Text, ToolCall, ToolResult, custom,
    media,
};

/// What stands for a result that never came.
const NO_RESULT: &str = "The tool gave no result.";
/// Most letters of a call's id with OpenAI.
const CALL_ID_BYTES_MAX: usize = 64;

/// Writes `instructions`: the first one, or all of them for a vendor who wants them in one place.
pub(super) fn instructions(say: &mut Say<'_, '_, '_>) {
    let request = say.request;
    if say.to.quirks.no_system_role {
        return;
    }
    let amid = request.turns.iter().filter(|turn| is_instruction(turn.role)).map(|turn| &turn.parts);
    let first: Vec<&Vec<Part<'_>>> = match say.to.quirks.leading_system_only {
        true => request.instructions.iter().map(|said| &said.parts).chain(amid).collect(),
        false => {
            request.instructions.first().filter(|said| is_leading(said)).map(|said| &said.parts).into_iter().collect()
        }
    };
    let texts = first.into_iter().flatten().filter_map(|part| match part {
        Part::Text { text, .. } if !text.is_empty() => Some(text),
        _ => None,
    });
    let mut whole = Vec::new();
    for text in texts {
        if !whole.is_empty() {
            whole.extend_from_slice(b"\\n\\n");
        }
        whole.extend_from_slice(text.bytes());
    }
    if !whole.is_empty() {
        say.json.key("instructions").escaped(Text::joined(whole).escaped());
    }
}

fn is_instruction(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// Whether it can be said by the member `instructions`: a system's, and nothing but text.
fn is_leading(said: &Instruction<'_>) -> bool {
    said.role == Role::System && said.parts.iter().all(|part| matches!(part, Part::Text { .. }))
}

/// Writes `input`.
pub(super) fn input(say: &mut Say<'_, '_, '_>) {
    let (request, quirks) = (say.request, say.to.quirks);
    let mut items = Items { say, message: None, rest: None, waiting: Vec::new(), shells: Vec::new(), calls: 0 };
    items.say.json.key("input").begin_array();
    let leading = !quirks.no_system_role && request.instructions.first().is_some_and(is_leading);
    let behind = request.instructions.iter().skip(usize::from(leading));
    for instruction in behind.filter(|_| !quirks.leading_system_only) {
        items.parts(if quirks.no_system_role { Role::User } else { instruction.role }, &instruction.parts);
    }
    for turn in &request.turns {
        let role = match turn.role {
            role if !is_instruction(role) => role,
            _ if quirks.leading_system_only => continue,
            _ if quirks.no_system_role => Role::User,
            role => role,
        };
        if turn.name.is_some() {
            items.say.dropped.drop("messages.name");
        }
        if role == Role::Assistant {
            items.settle();
        }
        items.parts(role, &turn.parts);
    }
    items.settle();
    items.say.json.end();
}

struct Items<'s, 'o, 'r, 'a> {
    say: &'s mut Say<'o, 'r, 'a>,
    /// Whose message is open.
    message: Option<Role>,
    /// The rest of the item or part that comes next.
    rest: Option<Raw<'r>>,
    /// Calls that wait for a result, under the ids they were said with.
    waiting: Vec<(&'r ToolCall<'a>, Text<'static>)>,
    /// Ids of calls of the shell.
    shells: Vec<Text<'static>>,
    calls: usize,
}

impl<'o, 'r, 'a> Items<'_, 'o, 'r, 'a> {
    fn parts(&mut self, role: Role, parts: &'r [Part<'a>]) {
        for part in parts {
            match part {
                Part::Text { .. } | Part::Refusal(_) | Part::Media(_) => self.content(role, part),
                Part::Reasoning { text, seal, id, summary } => {
                    self.end_message();
                    self.reasoning(text, seal.as_ref(), id.as_ref(), *summary);
                }
                Part::ToolCall(call) => {
                    self.end_message();
                    self.call(call);
                }
                Part::ToolResult(result) => {
                    self.end_message();
                    self.result(result);
                }
                Part::Foreign { origin: Dialect::Responses, raw } => match Of::kind(raw.raw()) {
                    Of::Rest { item } => {
                        if item {
                            self.end_message();
                        }
                        self.rest = Some(raw.raw());
                    }
                    // Beside a message of the others stand no items.
                    Of::Item if role == Role::Assistant || self.message.is_none() => {
                        self.end_message();
                        self.say.json.raw(raw.raw());
                    }
                    Of::Item | Of::Content => self.content(role, part),
                },
                Part::Foreign { raw, .. } => self.say.dropped.drop_foreign("content", raw.raw()),
            }
        }
        self.end_message();
    }

    fn end_message(&mut self) {
        if self.message.take().is_some() {
            self.say.json.end().end();
        }
    }

    /// A part of a message, which begins if it has not.
    fn content(&mut self, role: Role, part: &Part<'_>) {
        if let Part::Media(medium) = part
            && !self.is_sayable(role, medium)
        {
            return;
        }
        if self.message.is_none() {
            let name = match role {
                Role::System => "system",
                Role::Developer => "developer",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            self.say.json.begin_object().key("type").string("message").key("role").string(name);
            self.put_rest(true);
            self.say.json.key("content").begin_array();
            self.message = Some(role);
        }
        self.part(role, part);
    }

    /// The members kept for the item, or the part, that has just begun.
    fn put_rest(&mut self, item: bool) {
        if self.rest.is_some_and(|rest| Of::kind(rest) == Of::Rest { item })
            && let Some(rest) = self.rest.take()
        {
            for (name, value) in rest.members().filter(|(name, _)| !name.eq_str("type")) {
                self.say.json.key(&name.decode()).raw(value);
            }
        }
    }

    fn is_sayable(&mut self, role: Role, medium: &Media<'_>) -> bool {
        let kind = match medium.kind {
            MediaKind::Image => "image",
            MediaKind::Document => "document",
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        let bytes = matches!(medium.source, Source::Base64(_));
        let sayable = match medium.kind {
            MediaKind::Video => false,
            MediaKind::Audio => bytes,
            MediaKind::Image | MediaKind::Document => true,
        };
        if !sayable || role == Role::Assistant {
            self.say.dropped.drop(format!("content.{kind}"));
            return false;
        }
        true
    }

    fn part(&mut self, role: Role, part: &Part<'_>) {
        let kind = if role == Role::Assistant { "output_text" } else { "input_text" };
        match part {
            Part::Text { text, cache, citations } => {
                if cache.is_some() {
                    self.say.dropped.drop("cache_control");
                }
                self.begin_part(kind).key("text").escaped(text.escaped());
                if role == Role::Assistant {
                    match citations.as_ref().filter(|_| self.say.own) {
                        Some(citations) => self.say.json.key("annotations").raw(citations.raw()),
                        None => self.say.json.key("annotations").begin_array().end(),
                    };
                }
                if citations.is_some() && !self.say.own {
                    self.say.dropped.drop("citations");
                }
            }
            Part::Refusal(text) if role == Role::Assistant => {
                self.begin_part("refusal").key("refusal").escaped(text.escaped());
            }
            Part::Refusal(text) => _ = self.begin_part(kind).key("text").escaped(text.escaped()),
            Part::Media(medium) => {
                self.medium(medium);
                self.say.members(&medium.carry, "content");
            }
            Part::Foreign { raw, .. } => {
                self.say.json.raw(raw.raw());
                return;
            }
            _ => return,
        }
        self.put_rest(false);
        self.say.json.end();
    }

    fn begin_part(&mut self, kind: &str) -> &mut Writer<'o> {
        self.say.json.begin_object().key("type").string(kind)
    }

    fn reasoning(&mut self, said: &Text<'_>, seal: Option<&Seal<'_>>, id: Option<&Text<'_>>, summary: bool) {
        let rest = self.rest.take();
        let (own, replays) = (self.say.own, self.say.to.quirks.replays_reasoning);
        let sealed = seal.filter(|seal| seal.origin == Dialect::Responses && seal.kind == SealKind::Encrypted);
        let plain = seal.is_none() && (own || replays && !said.is_empty());
        if sealed.is_none() && !plain {
            // A seal of a call says nothing by itself.
            if !said.is_empty() || seal.is_some_and(|seal| seal.kind != SealKind::Call) {
                self.say.dropped.drop("reasoning");
            }
            return;
        }
        let json = &mut self.say.json;
        json.begin_object().key("type").string("reasoning");
        if let Some(id) = id.filter(|_| own) {
            json.key("id").escaped(id.escaped());
        }
        // What is sealed by this vendor comes to other clients as its summary.
        let is_summary = summary || (!own && sealed.is_some());
        let kept = rest.and_then(|rest| rest.find("summary"));
        json.key("summary");
        match kept {
            Some(summary) => _ = json.raw(summary),
            None => {
                json.begin_array();
                if is_summary && !said.is_empty() {
                    json.begin_object().key("type").string("summary_text").key("text").escaped(said.escaped()).end();
                }
                json.end();
            }
        }
        if !is_summary && !said.is_empty() {
            json.key("content").begin_array().begin_object().key("type").string("reasoning_text");
            json.key("text").escaped(said.escaped()).end().end();
        }
        if let Some(seal) = sealed {
            json.key("encrypted_content").escaped(seal.data.escaped());
        }
        let rest = rest.into_iter().flat_map(Raw::members);
        for (name, value) in rest.filter(|(name, _)| !name.eq_str("type") && !name.eq_str("summary")) {
            json.key(&name.decode()).raw(value);
        }
        json.end();
    }

    fn call(&mut self, call: &'r ToolCall<'a>) {
        let id = self.call_id(&call.id);
        self.calls += 1;
        self.waiting.push((call, id.clone()));
        let name = self.say.name(&call.name, call.namespace.as_ref(), call.kind);
        if call.cache.is_some() {
            self.say.dropped.drop("cache_control");
        }
        let own = self.say.own;
        let json = &mut self.say.json;
        json.begin_object();
        match (&call.input, call.kind) {
            (Input::Json(action), CallKind::Function) if own && call.name.eq_str(LOCAL_SHELL) => {
                json.key("type").string("local_shell_call").key("call_id").escaped(id.escaped());
                json.key("status").string("completed").key("action").raw(action.raw());
                self.shells.push(id);
            }
            (input, CallKind::Custom) => {
                json.key("type").string("custom_tool_call").key("call_id").escaped(id.escaped());
                json.key("name").escaped(name.escaped()).key("input");
                match input {
                    Input::Free(text) | Input::Text(text) => json.escaped(text.escaped()),
                    Input::Json(input) => json.escaped(custom::unwrap(input.raw()).unwrap_or(Escaped::EMPTY)),
                };
            }
            (input, CallKind::Function) => {
                json.key("type").string("function_call").key("call_id").escaped(id.escaped());
                json.key("name").escaped(name.escaped()).key("arguments").escaped(arguments(input).escaped());
            }
        }
        if let Some(namespace) = call.namespace.as_ref().filter(|_| own) {
            json.key("namespace").escaped(namespace.escaped());
        }
        self.say.members(&call.carry, "tool_call");
        self.say.json.end();
    }

    /// The id to say for a call: its own, cut to what OpenAI takes; where a protocol has none, its number.
    fn call_id(&self, id: &Text<'_>) -> Text<'static> {
        match id.bytes().len() {
            0 => Text::plain(&format!("call_{}", self.calls)),
            len if len > CALL_ID_BYTES_MAX && !self.say.own => {
                let hash = id.bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
                });
                Text::plain(&format!("call_{hash:016x}"))
            }
            _ => id.clone().into_owned(),
        }
    }

    fn result(&mut self, result: &'r ToolResult<'a>) {
        let waits = |(call, _): &(&ToolCall<'_>, Text<'_>)| match result.id.is_empty() || call.id.is_empty() {
            true => result.name.as_ref().is_none_or(|name| *name == call.name),
            false => result.id == call.id,
        };
        let place = self.waiting.iter().position(waits);
        let call = place.map(|place| self.waiting.remove(place));
        let (kind, id) = match call {
            Some((call, id)) => (call.kind, id),
            // The call may stand in an answer that the vendor keeps.
            None if self.say.own => (result.kind, result.id.clone().into_owned()),
            None => return self.orphan(result),
        };
        if result.cache.is_some() {
            self.say.dropped.drop("cache_control");
        }
        let shell = self.shells.contains(&id);
        let json = &mut self.say.json;
        json.begin_object().key("type");
        match (shell, kind) {
            (true, _) => json.string("local_shell_call_output").key("id"),
            (_, CallKind::Custom) => json.string("custom_tool_call_output").key("call_id"),
            (_, CallKind::Function) => json.string("function_call_output").key("call_id"),
        };
        json.escaped(id.escaped());
        if let Some(name) = result.name.as_ref().filter(|_| self.say.own) {
            self.say.json.key("name").escaped(name.escaped());
        }
        self.say.members(&result.carry, "tool_result");
        self.say.json.key("output");
        self.output(result);
        self.say.json.end();
    }

    /// What a tool answered: a string, or a list where it is more than one text. That it failed is said in words.
    fn output(&mut self, result: &'r ToolResult<'a>) {
        let failed = result.failed;
        match (&result.json, &result.content[..]) {
            (Some(json), _) => _ = self.say.json.escaped(told(failed, as_text(json)).escaped()),
            (None, []) => _ = self.say.json.string(if failed { "Error:" } else { "" }),
            (None, [Part::Text { text, .. }]) => _ = self.say.json.escaped(told(failed, text.as_ref()).escaped()),
            (None, parts) => {
                self.say.json.begin_array();
                if failed {
                    self.part(Role::User, &Part::text(Text::constant("Error:")));
                }
                for part in parts {
                    match part {
                        Part::Media(medium)
                            if medium.kind == MediaKind::Audio || !self.is_sayable(Role::User, medium) =>
                        {
                            self.say.dropped.drop("tool_result.audio");
                        }
                        Part::Text { .. } | Part::Refusal(_) | Part::Media(_) => self.part(Role::User, part),
                        Part::Foreign { origin: Dialect::Responses, raw } => match Of::kind(raw.raw()) {
                            Of::Rest { .. } => self.rest = Some(raw.raw()),
                            _ => _ = self.say.json.raw(raw.raw()),
                        },
                        _ => self.say.dropped.drop("tool_result.content"),
                    }
                }
                self.say.json.end();
            }
        }
    }

    /// A result of a call that nobody made, as the user's words.
    fn orphan(&mut self, result: &'r ToolResult<'a>) {
        self.say.dropped.approximate("tool_result");
        if let Some(json) = &result.json {
            self.content(Role::User, &Part::text(as_text(json)));
        }
        for part in result.content.iter().filter(|part| matches!(part, Part::Text { .. } | Part::Media(_))) {
            self.content(Role::User, part);
        }
        self.end_message();
    }

    /// Calls that nobody answered are answered: the assistant goes on, or the conversation ends.
    fn settle(&mut self) {
        if self.say.own {
            return;
        }
        for (call, id) in self.waiting.drain(..) {
            let kind = if call.kind == CallKind::Custom { "custom_tool_call_output" } else { "function_call_output" };
            self.say.json.begin_object().key("type").string(kind).key("call_id").escaped(id.escaped());
            self.say.json.key("output").string(NO_RESULT).end();
        }
    }

    /// The beginning of a part that is a medium; it has been asked whether it can be said.
    fn medium(&mut self, medium: &Media<'_>) {
        if medium.cache.is_some() {
            self.say.dropped.drop("cache_control");
        }
        let mut url = Vec::new();
        if !matches!(medium.source, Source::File { .. }) {
            media::write_url(medium, &mut url);
        }
        let url = Text::joined(url);
        match (medium.kind, &medium.source) {
            (MediaKind::Image, source) => {
                let json = self.begin_part("input_image");
                match source {
                    Source::File { id, .. } => json.key("file_id").escaped(id.escaped()),
                    _ => json.key("image_url").escaped(url.escaped()),
                };
                match &medium.detail {
                    Some(detail) => json.key("detail").escaped(detail.escaped()),
                    None => json.key("detail").string("auto"),
                };
            }
            (MediaKind::Audio, Source::Base64(data)) => {
                let media_type = media::media_type(medium);
                let format = media_type.decode();
                let json = self.begin_part("input_audio").key("input_audio").begin_object();
                json.key("data").escaped(data.escaped()).key("format").string(&media::audio_format(&format)).end();
            }
            (_, Source::Text(text)) => _ = self.begin_part("input_text").key("text").escaped(text.escaped()),
            (_, source) => {
                let json = self.begin_part("input_file");
                match source {
                    Source::File { id, .. } => json.key("file_id").escaped(id.escaped()),
                    Source::Url(url) => json.key("file_url").escaped(url.escaped()),
                    _ => json.key("file_data").escaped(url.escaped()),
                };
                // Bytes without a name are refused.
                let nameless = matches!(source, Source::Base64(_)) && medium.name.is_none() && !self.say.own;
                self.say.string("filename", medium.name.as_ref());
                if nameless {
                    self.say.json.key("filename").string("document.pdf");
                }
                self.say.string("detail", medium.detail.as_ref());
            }
        }
    }
}

/// What a foreign part of Responses is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The rest of an item, or of a part, that comes next.
    Rest { item: bool },
    /// A part of a message.
    Content,
    /// An item.
    Item,
}

impl Of {
    fn kind(raw: Raw<'_>) -> Of {
        let kind = raw.find("type").and_then(Raw::as_str).unwrap_or(Escaped::EMPTY);
        match kind.bytes() {
            kind if is_modelled_item(kind) => Of::Rest { item: true },
            b"input_text" | b"output_text" | b"text" | b"refusal" | b"input_image" | b"input_file" | b"input_audio" => {
                Of::Rest { item: false }
            }
            b"computer_screenshot" | b"summary_text" | b"reasoning_text" => Of::Content,
            _ => Of::Item,
        }
    }
}

/// Whether `kind` is the type of an item whose members are modelled, so that a raw one of it is what was left of one.
pub(super) fn is_modelled_item(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"message"
            | b"reasoning"
            | b"function_call"
            | b"custom_tool_call"
            | b"local_shell_call"
            | b"function_call_output"
            | b"custom_tool_call_output"
    )
}

/// What a tool said, with a word before it where it failed.
fn told(failed: bool, said: Text<'_>) -> Text<'_> {
    match failed {
        true => Text::joined([b"Error:\\n\\n", said.bytes()].concat()),
        false => said,
    }
}

/// A call's input as the text of a JSON value.
fn arguments(input: &Input<'_>) -> Text<'static> {
    match input {
        Input::Text(text) if text.is_empty() => Text::constant("{}"),
        Input::Text(text) => text.clone().into_owned(),
        Input::Json(json) => as_text(json),
        Input::Free(_) => custom::wrap(input).map_or(Text::constant("{}"), |json| as_text(&json)),
    }
}

/// A JSON value as the inside of a string.
fn as_text(json: &Json<'_>) -> Text<'static> {
    let mut escaped = Vec::with_capacity(json.bytes().len() + 16);
    text::escape(&String::from_utf8_lossy(json.bytes()), &mut escaped);
    Text::joined(escaped)
}
