//! Reads a request to `/api/chat` or `/api/generate`; the first has `messages`.
//!
//! Options that the pivot has no member for are carried as `options.NAME`, so that a report names them. What is not
//! said streams: that is Ollama's default.

use super::messages_in::{messages, picture};
use crate::json::{self, Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, Effort, Function, Instruction, Json, Part, Request, Role, Shape, Text, Thinking, Tool, Turn,
};

/// What a carried option's name begins with.
pub(super) const OPTION: &str = "options.";

/// Reads `body`, valid JSON.
pub fn request(body: &[u8]) -> Result<Request<'_>, BadRequest> {
    let mut request = Request::new(Dialect::Ollama);
    request.stream = true;
    let (mut talk, mut prompt, mut system, mut images) = (None, Escaped::EMPTY, Escaped::EMPTY, None);
    for (name, value) in json::members(body) {
        match name.bytes() {
            b"model" => request.model = Text::from(string("model", value)?),
            _ if value.is_null() => {}
            b"messages" => talk = Some(array("messages", value)?),
            b"prompt" => prompt = string("prompt", value)?,
            b"system" => system = string("system", value)?,
            b"images" => images = Some(array("images", value)?),
            b"stream" => request.stream = bool("stream", value)?,
            b"tools" => tools(array("tools", value)?, &mut request)?,
            b"format" => format(value, &mut request)?,
            b"think" => think(value, &mut request)?,
            b"logprobs" => request.sampling.logprobs = Some(bool("logprobs", value)?),
            b"top_logprobs" => request.sampling.top_logprobs = Some(count("top_logprobs", value)?),
            b"options" if value.is_object() => options(value, &mut request)?,
            b"options" => return Err(bad("options", "must be an object")),
            _ => request.carry.push((Text::from(name), Json::from(value))),
        }
    }
    if !system.bytes().is_empty() {
        let parts = vec![Part::text(system)];
        request.instructions.push(Instruction { role: Role::System, parts });
    }
    match talk {
        Some(talk) => {
            // A prompt and pictures beside messages say nothing to Ollama either.
            messages(talk, &mut request)?;
        }
        None => {
            let mut parts = Vec::new();
            if !prompt.bytes().is_empty() {
                parts.push(Part::text(prompt));
            }
            for (nth, image) in images.iter().flat_map(|images| images.elements()).enumerate() {
                let image = image.as_str().ok_or_else(|| bad(format!("images.{nth}"), "must be a string in base64"))?;
                parts.push(picture(image));
            }
            if !parts.is_empty() {
                request.turns.push(Turn { role: Role::User, name: None, parts });
            }
        }
    }
    Ok(request)
}

fn options<'a>(options: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    for (name, value) in options.members() {
        if value.is_null() {
            continue;
        }
        let sampling = &mut request.sampling;
        let place = match name.bytes() {
            b"temperature" => &mut sampling.temperature,
            b"top_p" => &mut sampling.top_p,
            b"top_k" => &mut sampling.top_k,
            b"min_p" => &mut sampling.min_p,
            b"presence_penalty" => &mut sampling.presence_penalty,
            b"frequency_penalty" => &mut sampling.frequency_penalty,
            b"repeat_penalty" => &mut sampling.repetition_penalty,
            b"seed" => &mut sampling.seed,
            b"num_predict" => {
                match value.as_u64().filter(|most| *most > 0) {
                    Some(most) => request.output_tokens_max = Some(most),
                    // -1 is without end, -2 until the context is full: what the others do where nothing is said.
                    None if is_number(value) => {
                        request.repeat.push((Text::constant("options.num_predict"), Json::from(value)));
                    }
                    None => return Err(bad("options.num_predict", "must be a number")),
                }
                continue;
            }
            b"stop" => {
                stop(value, request)?;
                continue;
            }
            other => {
                let name = Text::joined([OPTION.as_bytes(), other].concat());
                request.carry.push((name, Json::from(value)));
                continue;
            }
        };
        if !is_number(value) {
            return Err(bad(format!("{OPTION}{}", name.decode()), "must be a number"));
        }
        *place = Some(Json::from(value));
    }
    Ok(())
}

fn stop<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if let Some(word) = value.as_str() {
        request.stop.push(Text::from(word));
        return Ok(());
    }
    for (nth, word) in array("options.stop", value)?.elements().enumerate() {
        let word = word.as_str().ok_or_else(|| bad(format!("options.stop.{nth}"), "must be a string"))?;
        request.stop.push(Text::from(word));
    }
    Ok(())
}

fn think<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    request.reasoning.thinking = match (value.as_bool(), value.as_str()) {
        (Some(true), _) => Thinking::Auto,
        (Some(false), _) => Thinking::Off,
        (_, Some(word)) => match Effort::named(&word.decode()) {
            Some(effort) => {
                // Whatever the encoder makes of the effort, this is the word that was said.
                request.repeat.push((Text::constant("think"), Json::from(value)));
                Thinking::Effort(effort)
            }
            None => return Err(bad("think", "must be a boolean, \"low\", \"medium\" or \"high\"")),
        },
        _ => return Err(bad("think", "must be a boolean, \"low\", \"medium\" or \"high\"")),
    };
    Ok(())
}

fn format<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    request.shape = match value.as_str() {
        Some(word) if word.bytes().is_empty() => Shape::Text,
        Some(word) if word.eq_str("json") => Shape::JsonObject,
        None if value.is_object() => {
            Shape::JsonSchema { name: Text::default(), description: None, schema: Json::from(value), strict: None }
        }
        _ => return Err(bad("format", "must be \"json\" or a JSON schema")),
    };
    Ok(())
}

fn tools<'a>(tools: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    for (nth, tool) in tools.elements().enumerate() {
        let (mut kind, mut function) = (None, None);
        for (name, value) in tool.members() {
            match name.bytes() {
                b"type" => kind = value.as_str(),
                b"function" if value.is_object() => function = Some(value),
                _ => {}
            }
        }
        let function = function.filter(|_| kind.is_none_or(|kind| kind.eq_str("function")));
        if function.is_some() {
            request.unread.leave_all_but(&["type", "function"], "tools", tool);
        }
        request.tools.push(match function {
            Some(said) => Tool::Function(self::function(nth, said)?),
            None if tool.is_object() => Tool::Foreign { origin: Dialect::Ollama, raw: Json::from(tool) },
            None => return Err(bad(format!("tools.{nth}"), "must be an object")),
        });
    }
    Ok(())
}

fn function(nth: usize, said: Raw<'_>) -> Result<Function<'_>, BadRequest> {
    let mut function = Function {
        name: Text::default(),
        namespace: None,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        carry: Vec::new(),
    };
    for (name, value) in said.members() {
        match (name.bytes(), value.as_str()) {
            (b"name", Some(text)) => function.name = Text::from(text),
            (b"description", Some(text)) => function.description = Some(Text::from(text)),
            (b"parameters", _) if value.is_object() => function.parameters = Some(Json::from(value)),
            (b"strict", _) if value.as_bool().is_some() => function.strict = value.as_bool(),
            _ if value.is_null() => {}
            (b"name", None) => return Err(bad(format!("tools.{nth}.function.name"), "must be a string")),
            (b"parameters", _) => return Err(bad(format!("tools.{nth}.function.parameters"), "must be an object")),
            _ => function.carry.push((Text::from(name), Json::from(value))),
        }
    }
    match function.name.is_empty() {
        true => Err(bad(format!("tools.{nth}.function.name"), "is missing")),
        false => Ok(function),
    }
}

pub(super) fn bad(
    member: impl Into<std::borrow::Cow<'static, str>>,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> BadRequest {
    BadRequest { member: member.into(), message: message.into() }
}

fn string<'a>(member: &'static str, value: Raw<'a>) -> Result<Escaped<'a>, BadRequest> {
    value.as_str().ok_or_else(|| bad(member, "must be a string"))
}

fn array<'a>(member: &'static str, value: Raw<'a>) -> Result<Raw<'a>, BadRequest> {
    Some(value).filter(|value| value.is_array()).ok_or_else(|| bad(member, "must be an array"))
}

fn bool(member: &'static str, value: Raw<'_>) -> Result<bool, BadRequest> {
    value.as_bool().ok_or_else(|| bad(member, "must be a boolean"))
}

fn count(member: &'static str, value: Raw<'_>) -> Result<u64, BadRequest> {
    value.as_u64().ok_or_else(|| bad(member, "must be a whole number"))
}

fn is_number(value: Raw<'_>) -> bool {
    matches!(value.bytes(), [b'-' | b'0'..=b'9', ..])
}

#[cfg(test)]
#[path = "request_in_test.rs"]
mod tests;
