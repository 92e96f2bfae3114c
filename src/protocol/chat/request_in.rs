//! Reads a Chat client's request.
//!
//! Also read are the bodies of the old completions (`prompt`), whose text the user says, and what vendors and clients
//! put beside OpenAI's members: `extra_body` is read as if its members stood in the body, as OpenAI's SDKs merge it.
//! How much is to be thought is said in many ways ([`reasoning_in`](super::reasoning_in)); those that were understood
//! are kept in [`Request::repeat`]. Null is the same as nothing.

use std::borrow::Cow;
use std::fmt::Display;

use super::{messages_in, reasoning_in, tools_in};
use crate::json::{self, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{BadRequest, Json, Opening, Part, Request, Role, Shape, Text, ToolChoice, Turn};
use crate::protocol::responses;

/// Reads `body`, valid JSON. `path_model` is the model that the path names, where the body names none.
pub fn request<'a>(body: &'a [u8], path_model: Option<&'a str>) -> Result<Request<'a>, BadRequest> {
    let whole = body.trim_ascii();
    if !whole.starts_with(b"{") {
        return Err(BadRequest { member: "".into(), message: "the body has to be an object".into() });
    }
    let mut request = Request::new(Dialect::Chat);
    let mut late = Late::default();
    for (name, value) in json::members(whole) {
        if name.eq_str("input") && !value.is_null() && !says(whole, "messages") && !says(whole, "prompt") {
            return misdirected(whole, path_model);
        }
        member(name, value, &mut request, &mut late)?;
    }
    late.settle(&mut request);
    if request.old_completion {
        // The answer's encoder does that.
        request.carry.retain(|(name, _)| !name.eq_str("echo"));
    }
    if request.model.is_empty()
        && let Some(model) = path_model
    {
        request.model = Text::plain(model);
    }
    if request.turns.is_empty() && request.instructions.is_empty() && !late.has_messages {
        return Err(expected("messages", "an array"));
    }
    Ok(request)
}

fn says(body: &[u8], name: &str) -> bool {
    json::find(body, name).is_some_and(|value| !value.is_null())
}

/// A request of Responses, which Cursor sends to Chat's path (conversion.md 30), with the members of Chat that it keeps.
fn misdirected<'a>(body: &'a [u8], path_model: Option<&'a str>) -> Result<Request<'a>, BadRequest> {
    let path_model = path_model.filter(|_| !says(body, "model"));
    let mut request = responses::request_in::request(body, path_model, false)?;
    let mut late = Late::default();
    let chats = ["stream_options", "max_tokens", "max_completion_tokens", "stop", "reasoning_effort"];
    request.carry.retain(|(name, _)| !chats.iter().any(|one| name.eq_str(one)));
    for (name, value) in json::members(body).filter(|(name, _)| chats.iter().any(|one| name.eq_str(one))) {
        member(name, value, &mut request, &mut late)?;
    }
    late.settle(&mut request);
    Ok(request)
}

/// What can be judged only when all members are read.
#[derive(Default)]
struct Late<'a> {
    has_messages: bool,
    safety: Option<Raw<'a>>,
    /// `max_completion_tokens`, which counts for more than the old name.
    output: Option<u64>,
    choice: Option<ToolChoice<'a>>,
}

impl<'a> Late<'a> {
    fn settle(&mut self, request: &mut Request<'a>) {
        request.output_tokens_max = self.output.or(request.output_tokens_max);
        if request.tool_choice.is_none() {
            request.tool_choice = self.choice.take();
        }
        if let Some(safety) = self.safety {
            let member = (Text::constant("safety_identifier"), Json::from(safety));
            match (&request.user, safety.as_str()) {
                (None, Some(user)) => {
                    request.user = Some(Text::from(user));
                    request.repeat.push(member);
                }
                // Both names may be said; the newer one is the end user, the older one is kept beside it.
                (Some(_), Some(user)) => {
                    if let Some(older) = request.user.replace(Text::from(user)) {
                        request.carry.push((Text::constant("user"), Json::quoted(&older)));
                    }
                    request.repeat.push(member);
                }
                (_, None) => request.carry.push(member),
            }
        }
    }
}

fn member<'a>(
    name: json::Escaped<'a>,
    value: Raw<'a>,
    request: &mut Request<'a>,
    late: &mut Late<'a>,
) -> Result<(), BadRequest> {
    if value.is_null() {
        return Ok(());
    }
    match name.bytes() {
        b"messages" => {
            late.has_messages = true;
            messages_in::messages(value, request)?;
        }
        b"prompt" if !late.has_messages => prompt(value, request)?,
        b"model" => request.model = text(value, "model")?,
        b"stream" => request.stream = truth(value, "stream")?,
        b"stream_options" => stream_options(value, request)?,
        b"tools" => tools_in::tools(value, &mut request.tools, &mut request.unread)?,
        b"functions" => {
            request.old_functions = true;
            tools_in::functions(value, &mut request.tools)?;
        }
        b"tool_choice" => request.tool_choice = Some(tools_in::choice(value, &mut request.unread)?),
        b"function_call" => late.choice = Some(tools_in::old_choice(value, &mut request.unread)?),
        b"web_search_options" => request.tools.push(tools_in::search(value)?),
        b"parallel_tool_calls" => request.parallel_tools = Some(truth(value, "parallel_tool_calls")?),
        b"max_completion_tokens" => late.output = Some(count(value, "max_completion_tokens")?),
        b"max_tokens" => request.output_tokens_max = Some(count(value, "max_tokens")?),
        b"stop" => stop(value, request)?,
        b"response_format" => shape(value, request)?,
        b"extra_body" => extra(value, request, late)?,
        name if sampling(name, value, request)? || account(name, value, request, late)? => {}
        bytes if reasoning_in::member(bytes, value, &mut request.reasoning, &mut request.unread)? => {
            request.repeat.push((Text::from(name), Json::from(value)));
        }
        _ => request.carry.push((Text::from(name), Json::from(value))),
    }
    Ok(())
}

/// The members of the sampler; false if `name` is none of them.
fn sampling<'a>(name: &[u8], value: Raw<'a>, request: &mut Request<'a>) -> Result<bool, BadRequest> {
    let sampling = &mut request.sampling;
    let (place, name) = match name {
        b"temperature" => (&mut sampling.temperature, "temperature"),
        b"top_p" => (&mut sampling.top_p, "top_p"),
        b"top_k" => (&mut sampling.top_k, "top_k"),
        b"min_p" => (&mut sampling.min_p, "min_p"),
        b"presence_penalty" => (&mut sampling.presence_penalty, "presence_penalty"),
        b"frequency_penalty" => (&mut sampling.frequency_penalty, "frequency_penalty"),
        b"repetition_penalty" => (&mut sampling.repetition_penalty, "repetition_penalty"),
        b"seed" => (&mut sampling.seed, "seed"),
        b"logit_bias" => {
            sampling.logit_bias = Some(Json::from(object(value, "logit_bias")?));
            return Ok(true);
        }
        b"n" => {
            sampling.n = Some(count(value, "n")?);
            return Ok(true);
        }
        // A number with the old completions.
        b"logprobs" if value.as_bool().is_some() => {
            sampling.logprobs = value.as_bool();
            return Ok(true);
        }
        b"top_logprobs" => {
            sampling.top_logprobs = Some(count(value, "top_logprobs")?);
            return Ok(true);
        }
        _ => return Ok(false),
    };
    if !matches!(value.bytes(), [b'-' | b'0'..=b'9', ..]) {
        return Err(expected(name, "a number"));
    }
    *place = Some(Json::from(value));
    Ok(true)
}

/// Who asks and how it is accounted for; false if `name` is none of that.
fn account<'a>(
    name: &[u8],
    value: Raw<'a>,
    request: &mut Request<'a>,
    late: &mut Late<'a>,
) -> Result<bool, BadRequest> {
    match name {
        b"user" => request.user = Some(text(value, "user")?),
        b"safety_identifier" => late.safety = Some(value),
        b"metadata" => request.metadata = Some(Json::from(object(value, "metadata")?)),
        b"service_tier" => request.service_tier = Some(text(value, "service_tier")?),
        b"prompt_cache_key" => request.prompt_cache_key = Some(text(value, "prompt_cache_key")?),
        b"store" => request.store = Some(truth(value, "store")?),
        b"verbosity" => request.verbosity = Some(text(value, "verbosity")?),
        b"modalities" => {
            if !value.is_array() {
                return Err(expected("modalities", "an array"));
            }
            for one in value.elements() {
                request.modalities.push(text(one, "modalities")?);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `extra_body`: as if its members stood in the body. The object itself is kept for upstreams that want it so, Google's
/// for one; what of it nobody knows is reported by its name.
fn extra<'a>(value: Raw<'a>, request: &mut Request<'a>, late: &mut Late<'a>) -> Result<(), BadRequest> {
    let kept = (Text::constant("extra_body"), Json::from(object(value, "extra_body")?));
    let (carried, repeated) = (request.carry.len(), request.repeat.len());
    for (name, value) in value.members().filter(|(name, _)| !name.eq_str("extra_body")) {
        member(name, value, request, late).map_err(|bad| within("extra_body", bad))?;
    }
    request.repeat.truncate(repeated);
    let unknown = request.carry.len() > carried;
    request.carry.truncate(carried);
    if unknown {
        request.carry.push(kept)
    } else {
        request.repeat.push(kept)
    }
    Ok(())
}

/// The prompt of an old completion is what the user says.
fn prompt<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if value.elements().nth(1).is_some() && value.elements().all(|one| one.as_str().is_some()) {
        return Err(expected("prompt", "one prompt: each answer is told by itself"));
    }
    let said = only(value).ok_or_else(|| expected("prompt", "a string: tokens are known to their model only"))?;
    request.old_completion = true;
    request.turns.push(Turn { role: Role::User, name: None, parts: vec![Part::text(said)] });
    Ok(())
}

/// The prompt, where it is one: a text, or a list of one.
fn only(value: Raw<'_>) -> Option<json::Escaped<'_>> {
    let mut prompts = value.elements();
    match (value.as_str(), prompts.next(), prompts.next()) {
        (Some(text), ..) => Some(text),
        (None, Some(only), None) => only.as_str(),
        _ => None,
    }
}

/// What the answer to an old completion begins with: the prompt, if `echo` says so.
pub fn open(body: &[u8], opening: &mut Opening) {
    if json::find(body, "echo").and_then(Raw::as_bool) == Some(true)
        && let Some(prompt) = json::find(body, "prompt").and_then(only)
    {
        opening.echo.extend_from_slice(prompt.bytes());
    }
}

/// Whether a chat can say what an old completion asks for.
pub fn refuse_infill(request: &Request<'_>) -> Result<(), BadRequest> {
    let says_something = |value: &Json<'_>| value.raw().as_str().is_none_or(|text| !text.bytes().is_empty());
    match request.old_completion
        && request.carry.iter().any(|(name, value)| name.eq_str("suffix") && says_something(value))
    {
        true => Err(BadRequest {
            member: "suffix".into(),
            message: "can be said only to a provider that has completions itself".into(),
        }),
        false => Ok(()),
    }
}

fn stream_options<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let mut others = false;
    for (name, value) in object(value, "stream_options")?.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"include_usage" => request.include_usage = Some(truth(value, "stream_options.include_usage")?),
            // About the bytes between OpenAI and its client.
            b"include_obfuscation" => others = true,
            _ => {
                others = true;
                request.unread.leave("stream_options", name, value);
            }
        }
    }
    if others {
        request.repeat.push((Text::constant("stream_options"), Json::from(value)));
    }
    Ok(())
}

fn stop<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if let Some(word) = value.as_str() {
        request.stop.push(Text::from(word));
        return Ok(());
    }
    if !value.is_array() {
        return Err(expected("stop", "a string or an array of strings"));
    }
    for word in value.elements() {
        request.stop.push(text(word, "stop")?);
    }
    Ok(())
}

fn shape<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let kind = object(value, "response_format")?.find("type").and_then(Raw::as_str);
    for (name, value) in value.members().filter(|(name, _)| !matches!(name.bytes(), b"type" | b"json_schema")) {
        request.unread.leave("response_format", name, value);
    }
    match kind.map_or(&b""[..], |kind| kind.bytes()) {
        b"text" => request.shape = Shape::Text,
        b"json_object" => request.shape = Shape::JsonObject,
        b"json_schema" => {
            let inner =
                value.find("json_schema").ok_or_else(|| expected("response_format.json_schema", "an object"))?;
            let (mut called, mut description, mut schema, mut strict) = (Text::default(), None, None, None);
            for (name, value) in inner.members().filter(|(_, value)| !value.is_null()) {
                match name.bytes() {
                    b"name" => called = text(value, "response_format.json_schema.name")?,
                    b"description" => description = value.as_str().map(Text::from),
                    b"schema" => schema = Some(Json::from(value)),
                    b"strict" => strict = value.as_bool(),
                    _ => request.unread.leave("response_format.json_schema", name, value),
                }
            }
            let schema = schema.ok_or_else(|| expected("response_format.json_schema.schema", "a schema"))?;
            request.shape = Shape::JsonSchema { name: called, description, schema, strict };
        }
        _ => request.carry.push((Text::constant("response_format"), Json::from(value))),
    }
    Ok(())
}

/// The string that `value` has to be.
pub(super) fn text<'a>(value: Raw<'a>, member: &'static str) -> Result<Text<'a>, BadRequest> {
    value.as_str().map(Text::from).ok_or_else(|| expected(member, "a string"))
}

/// The object that `value` has to be.
pub(super) fn object<'a>(value: Raw<'a>, member: &'static str) -> Result<Raw<'a>, BadRequest> {
    if value.is_object() { Ok(value) } else { Err(expected(member, "an object")) }
}

fn truth(value: Raw<'_>, member: &'static str) -> Result<bool, BadRequest> {
    value.as_bool().ok_or_else(|| expected(member, "a boolean"))
}

fn count(value: Raw<'_>, member: &'static str) -> Result<u64, BadRequest> {
    value.as_u64().ok_or_else(|| expected(member, "a whole number"))
}

/// What `member` has to be and is not.
pub(super) fn expected(member: &'static str, what: &'static str) -> BadRequest {
    BadRequest { member: member.into(), message: Cow::Owned(format!("has to be {what}")) }
}

/// The same fault, inside of `outer`.
pub(super) fn within(outer: impl Display, bad: BadRequest) -> BadRequest {
    let member = match bad.member.is_empty() {
        true => outer.to_string(),
        false => format!("{outer}.{}", bad.member),
    };
    BadRequest { member: member.into(), ..bad }
}

#[cfg(test)]
#[path = "request_in_test.rs"]
mod tests;
