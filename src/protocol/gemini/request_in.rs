//! Reads a Gemini client's request: generateContent and streamGenerateContent.
//!
//! Names come as `generationConfig` or `generation_config`, as Google takes both. Tools and their configuration are kept
//! in the client's own words beside what they mean, for a Gemini upstream gets those. Members that only Gemini has are
//! carried by their path, `generationConfig.speechConfig`. The conversation is read by [`turns_in`](super::turns_in).

use std::borrow::Cow;

use smallvec::SmallVec;

use super::schema_in::json_schema;
use super::turns_in;
use crate::base::ascii;
use crate::json::{self, Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, CallKind, Effort, Function, Json, Request, Shape, Text, Thinking, Tool, ToolChoice, WebSearch,
};

/// The request that `body`, valid JSON, is for the model that the path names.
pub fn request<'a>(body: &'a [u8], path_model: Option<&'a str>, stream: bool) -> Result<Request<'a>, BadRequest> {
    let mut request = Request::new(Dialect::Gemini);
    request.model = path_model.map_or_else(Text::default, Text::plain);
    request.stream = stream;
    let whole = Raw::parse(body).ok().filter(|body| body.is_object());
    if whole.is_none() {
        return Err(bad("", "the body is not a JSON object"));
    }
    let mut contents = None;
    for (name, value) in json::members(body).filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"contents" => contents = Some(value),
            b"systemInstruction" => request.instructions = turns_in::instructions(value, &mut request.unread)?,
            b"tools" => {
                request.tools = tools(value)?;
                request.repeat.push((Text::constant("tools"), value.into()));
            }
            b"toolConfig" => {
                tool_config(value, &mut request)?;
                request.repeat.push((Text::constant("toolConfig"), value.into()));
            }
            b"generationConfig" => generation(value, &mut request)?,
            b"serviceTier" => request.service_tier = Some(text(value, "serviceTier")?),
            b"store" => request.store = Some(value.as_bool().ok_or_else(|| bad("store", "it is not true or false"))?),
            // The path names it.
            b"model" => {}
            b"safetySettings" => request.carry.push((Text::constant("safetySettings"), value.into())),
            b"cachedContent" => request.carry.push((Text::constant("cachedContent"), value.into())),
            _ => request.carry.push((name.into(), value.into())),
        }
    }
    let contents = contents.ok_or_else(|| bad("contents", "it is missing"))?;
    request.turns = turns_in::turns(contents, &mut request.unread)?;
    Ok(request)
}

/// A member's name in Google's spelling: `any_of` is `anyOf`.
pub(super) fn key(name: Escaped<'_>) -> SmallVec<[u8; 32]> {
    let mut out = SmallVec::from_slice(name.bytes());
    if memchr::memchr(b'_', name.bytes()).is_none() {
        return out;
    }
    out.clear();
    let mut upper = false;
    for &byte in name.bytes() {
        match byte {
            b'_' if !out.is_empty() => upper = true,
            byte if std::mem::take(&mut upper) => out.push(byte.to_ascii_uppercase()),
            byte => out.push(byte),
        }
    }
    out
}

pub(super) fn bad(member: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> BadRequest {
    BadRequest { member: member.into(), message: message.into() }
}

/// The name under which a member is carried.
fn carried(folder: &str, name: &[u8]) -> Text<'static> {
    Text::joined([folder.as_bytes(), name].concat())
}

fn text<'a>(value: Raw<'a>, member: &'static str) -> Result<Text<'a>, BadRequest> {
    value.as_str().map(Text::from).ok_or_else(|| bad(member, "it is not a string"))
}

/// A count, which Google's JSON also writes as a text.
fn count(value: Raw<'_>) -> Option<u64> {
    value.as_str().map_or_else(|| value.as_u64(), |digits| ascii::decimal(digits.bytes()))
}

fn is_number(value: Raw<'_>) -> bool {
    value.bytes().first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// The elements of a list, or the one thing that stands in its place.
pub(super) fn list(value: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    value.elements().chain(Some(value).filter(|value| value.is_object()))
}

fn tools(value: Raw<'_>) -> Result<Vec<Tool<'_>>, BadRequest> {
    if !value.is_array() && !value.is_object() {
        return Err(bad("tools", "it is not a list"));
    }
    let mut tools = Vec::new();
    for (nth, tool) in list(value).enumerate() {
        if !tool.is_object() {
            return Err(bad(format!("tools.{nth}"), "it is not an object"));
        }
        for (name, value) in tool.members().filter(|(_, value)| !value.is_null()) {
            match &*key(name) {
                b"functionDeclarations" => {
                    for (place, declared) in list(value).enumerate() {
                        let at = || format!("tools.{nth}.functionDeclarations.{place}");
                        tools.push(Tool::Function(function(declared).map_err(|what| bad(at(), what))?));
                    }
                }
                b"googleSearch" | b"googleSearchRetrieval" => tools.push(Tool::WebSearch(search(tool, value))),
                _ => {
                    let raw = match tool.members().count() {
                        1 => tool.into(),
                        _ => Json::written([b"{\"", name.bytes(), b"\":", value.bytes(), b"}"].concat()),
                    };
                    tools.push(Tool::Foreign { origin: Dialect::Gemini, raw });
                }
            }
        }
    }
    Ok(tools)
}

fn search<'a>(tool: Raw<'a>, said: Raw<'a>) -> WebSearch<'a> {
    let mut search = WebSearch::new(Dialect::Gemini, tool.into());
    for (name, value) in said.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"excludeDomains" if value.is_array() => search.blocked_domains = Some(value.into()),
            other => search.carry.push((carried("", other), value.into())),
        }
    }
    search
}

fn function(declared: Raw<'_>) -> Result<Function<'_>, &'static str> {
    let (mut said, mut description, mut parameters, mut carry) = (None, None, None, Vec::new());
    for (name, value) in declared.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"name" => said = value.as_str().filter(|name| !name.bytes().is_empty()),
            b"description" => description = Some(value.as_str().ok_or("its description is not a string")?.into()),
            b"parameters" if parameters.is_none() => parameters = Some(json_schema(value)),
            b"parametersJsonSchema" => parameters = Some(value.into()),
            b"parameters" => {}
            other => carry.push((carried("", other), value.into())),
        }
    }
    let name = said.ok_or("it has no name")?.into();
    Ok(Function { name, namespace: None, description, parameters, strict: None, cache: None, carry })
}

fn tool_config<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"functionCallingConfig" => request.tool_choice = choice(value, &mut request.carry)?,
            other => request.carry.push((carried("toolConfig.", other), value.into())),
        }
    }
    Ok(())
}

fn choice<'a>(config: Raw<'a>, carry: &mut Vec<(Text<'a>, Json<'a>)>) -> Result<Option<ToolChoice<'a>>, BadRequest> {
    let (mut mode, mut names) = (Cow::Borrowed(""), Vec::new());
    for (name, value) in config.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"mode" => mode = value.as_str().map(|mode| mode.decode()).unwrap_or_default(),
            b"allowedFunctionNames" => names = value.elements().filter_map(Raw::as_str).map(Text::from).collect(),
            other => carry.push((carried("toolConfig.functionCallingConfig.", other), value.into())),
        }
    }
    Ok(Some(match (&*mode.to_ascii_uppercase(), names.len()) {
        ("AUTO", _) => ToolChoice::Auto,
        ("NONE", _) => ToolChoice::None,
        ("ANY", 0) => ToolChoice::Required,
        ("ANY", 1) => ToolChoice::Named { name: names.remove(0), namespace: None, kind: CallKind::Function },
        ("ANY", _) => ToolChoice::Allowed { required: true, names },
        ("VALIDATED", 1..) => ToolChoice::Allowed { required: false, names },
        ("VALIDATED", 0) => ToolChoice::Foreign(config.into()),
        ("MODE_UNSPECIFIED" | "", _) => return Ok(None),
        _ => return Err(bad("toolConfig.functionCallingConfig.mode", "it is none of AUTO, ANY, NONE and VALIDATED")),
    }))
}

fn generation<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let (mut mime, mut plain, mut whole) = (None, None, None);
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        let name = key(name);
        let at = |what: &'static str| {
            let name = String::from_utf8_lossy(&name);
            bad(format!("generationConfig.{name}"), what)
        };
        let number = || is_number(value).then(|| Json::from(value)).ok_or_else(|| at("it is not a number"));
        let counted = || count(value).ok_or_else(|| at("it is not a whole number"));
        let sampling = &mut request.sampling;
        match &*name {
            b"temperature" => sampling.temperature = Some(number()?),
            b"topP" => sampling.top_p = Some(number()?),
            b"topK" => sampling.top_k = Some(number()?),
            b"presencePenalty" => sampling.presence_penalty = Some(number()?),
            b"frequencyPenalty" => sampling.frequency_penalty = Some(number()?),
            b"seed" => sampling.seed = Some(number()?),
            b"candidateCount" => sampling.n = Some(counted()?),
            b"responseLogprobs" => {
                sampling.logprobs = Some(value.as_bool().ok_or_else(|| at("it is not true or false"))?);
            }
            b"logprobs" => sampling.top_logprobs = Some(counted()?),
            b"maxOutputTokens" => request.output_tokens_max = Some(counted()?),
            b"stopSequences" => request.stop = texts(value).ok_or_else(|| at("it is not a list of strings"))?,
            b"responseModalities" => {
                let said = texts(value).ok_or_else(|| at("it is not a list of strings"))?;
                request.modalities = said.iter().map(|said| Text::plain(&said.decode().to_ascii_lowercase())).collect();
            }
            b"responseMimeType" => mime = Some(value),
            b"responseSchema" => plain = Some(value),
            b"responseJsonSchema" | b"ResponseJsonSchema" => whole = Some(value),
            b"thinkingConfig" => thinking(value, request)?,
            other => request.carry.push((carried("generationConfig.", other), value.into())),
        }
    }
    shape(mime, plain, whole, request);
    Ok(())
}

fn texts(value: Raw<'_>) -> Option<Vec<Text<'_>>> {
    if !value.is_array() {
        return None;
    }
    value.elements().map(|word| word.as_str().map(Text::from)).collect()
}

fn shape<'a>(mime: Option<Raw<'a>>, plain: Option<Raw<'a>>, whole: Option<Raw<'a>>, request: &mut Request<'a>) {
    let json = mime.and_then(Raw::as_str).is_none_or(|mime| mime.eq_str("application/json"));
    for (name, value) in [("responseSchema", plain), ("responseJsonSchema", whole)] {
        if let Some(value) = value {
            request.repeat.push((carried("generationConfig.", name.as_bytes()), value.into()));
        }
    }
    match whole.map(Json::from).or_else(|| plain.map(json_schema)) {
        Some(schema) if json => {
            request.shape = Shape::JsonSchema { name: Text::default(), description: None, schema, strict: None };
        }
        None if json && mime.is_some() => request.shape = Shape::JsonObject,
        // Another form than JSON (`text/x.enum`), which only Gemini has.
        _ => {
            let other = mime.filter(|mime| !mime.as_str().is_some_and(|mime| mime.eq_str("text/plain")));
            if let Some(mime) = other {
                request.carry.push((Text::constant("generationConfig.responseMimeType"), mime.into()));
            }
        }
    }
}

fn thinking<'a>(config: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let at = |name: &str, what: &'static str| bad(format!("generationConfig.thinkingConfig.{name}"), what);
    let (mut budget, mut level) = (None, None);
    for (name, value) in config.members().filter(|(_, value)| !value.is_null()) {
        match &*key(name) {
            b"includeThoughts" => {
                let shown = value.as_bool().ok_or_else(|| at("includeThoughts", "it is not true or false"))?;
                request.reasoning.shown = Some(shown);
            }
            b"thinkingBudget" => {
                budget = Some(match (count(value), value.bytes()) {
                    (Some(0), _) => Thinking::Off,
                    (Some(tokens), _) => Thinking::Budget(u32::try_from(tokens).unwrap_or(u32::MAX)),
                    (None, [b'-', digits @ ..]) if digits.iter().all(u8::is_ascii_digit) => Thinking::Auto,
                    _ => return Err(at("thinkingBudget", "it is not a whole number")),
                });
            }
            b"thinkingLevel" => {
                let said = value.as_str().map(|level| level.decode()).unwrap_or_default();
                level = match (Effort::named(&said), &*said.to_ascii_uppercase()) {
                    (Some(effort), _) => Some(Thinking::Effort(effort)),
                    (None, "THINKING_LEVEL_UNSPECIFIED") => None,
                    _ => return Err(at("thinkingLevel", "it is none of MINIMAL, LOW, MEDIUM and HIGH")),
                };
            }
            other => request.carry.push((carried("generationConfig.thinkingConfig.", other), value.into())),
        }
    }
    request.reasoning.thinking = level.or(budget).unwrap_or_default();
    Ok(())
}

#[cfg(test)]
#[path = "request_in_test.rs"]
mod tests;
