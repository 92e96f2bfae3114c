//! Reads the tools of a Chat request and which of them is to be called.
//!
//! Besides Chat's own form the flat ones of Responses and Anthropic are read, which Cursor sends (clients.md), and the
//! old `functions`.

use super::request_in::{expected, object, text, within};
use crate::json::{Escaped, Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::{BadRequest, CallKind, Function, Json, Text, Tool, ToolChoice, Unread, WebSearch};

/// Reads `tools`.
pub(super) fn tools<'a>(value: Raw<'a>, out: &mut Vec<Tool<'a>>, unread: &mut Unread) -> Result<(), BadRequest> {
    if !value.is_array() {
        return Err(expected("tools", "an array"));
    }
    for (nth, raw) in value.elements().enumerate() {
        out.push(tool(raw, unread).map_err(|bad| within(format_args!("tools.{nth}"), bad))?);
    }
    Ok(())
}

/// Reads the old `functions`.
pub(super) fn functions<'a>(value: Raw<'a>, out: &mut Vec<Tool<'a>>) -> Result<(), BadRequest> {
    if !value.is_array() {
        return Err(expected("functions", "an array"));
    }
    for (nth, raw) in value.elements().enumerate() {
        let mut read = empty();
        members(raw, &mut read)
            .and_then(|()| named(read))
            .map(|function| out.push(Tool::Function(function)))
            .map_err(|bad| within(format_args!("functions.{nth}"), bad))?;
    }
    Ok(())
}

fn tool<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Tool<'a>, BadRequest> {
    object(raw, "")?;
    let kind = raw.find("type").and_then(Raw::as_str);
    if kind.is_some_and(|kind| kind.eq_str("custom")) {
        return custom(raw, unread);
    }
    let nested = raw.find("function");
    if kind.is_some_and(|kind| !kind.eq_str("function")) {
        return Ok(Tool::Foreign { origin: Dialect::Chat, raw: Json::from(raw) });
    }
    let mut function = empty();
    if let Some(inner) = nested {
        object(inner, "function")?;
        members(inner, &mut function).map_err(|bad| within("function", bad))?;
        for (name, value) in raw.members().filter(|(_, value)| !value.is_null()) {
            match name.bytes() {
                b"type" | b"function" => {}
                b"cache_control" => function.cache = Some(Json::from(value)),
                _ => function.carry.push((Text::from(name), Json::from(value))),
            }
        }
        return named(function).map(Tool::Function).map_err(|bad| within("function", bad));
    }
    members(raw, &mut function)?;
    named(function).map(Tool::Function)
}

fn empty<'a>() -> Function<'a> {
    Function {
        name: Text::default(),
        namespace: None,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        carry: Vec::new(),
    }
}

fn named(function: Function<'_>) -> Result<Function<'_>, BadRequest> {
    match function.name.is_empty() {
        true => Err(expected("name", "the name of a tool")),
        false => Ok(function),
    }
}

fn members<'a>(raw: Raw<'a>, function: &mut Function<'a>) -> Result<(), BadRequest> {
    for (name, value) in raw.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"type" => {}
            b"name" => function.name = text(value, "name")?,
            b"description" => function.description = Some(text(value, "description")?),
            b"parameters" | b"input_schema" => function.parameters = Some(Json::from(object(value, "parameters")?)),
            b"strict" => function.strict = Some(value.as_bool().ok_or_else(|| expected("strict", "a boolean"))?),
            b"cache_control" => function.cache = Some(Json::from(value)),
            _ => function.carry.push((Text::from(name), Json::from(value))),
        }
    }
    Ok(())
}

/// A tool that takes any text, whose members stand in `custom`, or beside its type.
fn custom<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Tool<'a>, BadRequest> {
    let (mut known, mut description, mut format, mut carry) = (Text::default(), None, None, Vec::new());
    let nested = raw.find("custom").filter(|inner| inner.is_object());
    let beside = raw.members().filter(|(name, _)| nested.is_some() && !matches!(name.bytes(), b"type" | b"custom"));
    for (name, value) in beside.filter(|(_, value)| !value.is_null()) {
        carry.push((Text::from(name), Json::from(value)));
    }
    for (name, value) in nested.unwrap_or(raw).members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"type" => {}
            b"name" => known = text(value, "custom.name")?,
            b"description" => description = Some(text(value, "custom.description")?),
            b"format" => format = grammar(value, unread),
            _ => carry.push((Text::from(name), Json::from(value))),
        }
    }
    match known.is_empty() {
        true => Err(expected("custom.name", "the name of a tool")),
        false => Ok(Tool::Custom { name: known, namespace: None, description, format, carry }),
    }
}

/// The grammar of a tool as the pivot has it: beside its type, and nothing where any text will do.
fn grammar<'a>(format: Raw<'a>, unread: &mut Unread) -> Option<Json<'a>> {
    let Some(inner) = format.find("grammar").filter(|inner| inner.is_object()) else {
        let free = format.find("type").and_then(Raw::as_str).is_some_and(|kind| kind.eq_str("text"));
        return (!free).then(|| Json::from(format));
    };
    unread.leave_all_but(&["type", "grammar"], "tools.custom.format", format);
    unread.leave_all_but(&["syntax", "definition"], "tools.custom.format.grammar", inner);
    let mut out = Vec::with_capacity(inner.bytes().len() + 24);
    let mut json = Writer::new(&mut out);
    json.begin_object().key("type").string("grammar");
    inner.members().for_each(|(name, value)| _ = json.key(&name.decode()).raw(value));
    json.end();
    Some(Json::written(out))
}

/// Reads `web_search_options`.
pub(super) fn search(value: Raw<'_>) -> Result<Tool<'_>, BadRequest> {
    object(value, "web_search_options")?;
    let mut search = WebSearch::new(Dialect::Chat, Json::from(value));
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"user_location" if value.is_object() => match value.find("approximate") {
                Some(inner) => {
                    search.location = Some(Json::from(inner));
                    let beside = |name: &Escaped<'_>| !name.eq_str("type") && !name.eq_str("approximate");
                    for (name, value) in value.members().filter(|(name, value)| beside(name) && !value.is_null()) {
                        let path = Text::joined([b"user_location.", name.bytes()].concat());
                        search.carry.push((path, value.into()));
                    }
                }
                None => search.location = Some(Json::from(value)),
            },
            b"search_context_size" => search.context_size = Some(Json::from(value)),
            _ => search.carry.push((name.into(), value.into())),
        }
    }
    Ok(Tool::WebSearch(search))
}

/// Reads `tool_choice`, also as Anthropic and Responses say it.
pub(super) fn choice<'a>(value: Raw<'a>, unread: &mut Unread) -> Result<ToolChoice<'a>, BadRequest> {
    if let Some(word) = value.as_str() {
        return match word.bytes() {
            b"auto" => Ok(ToolChoice::Auto),
            b"none" => Ok(ToolChoice::None),
            b"required" | b"any" => Ok(ToolChoice::Required),
            _ => Err(expected("tool_choice", "auto, none, required or an object")),
        };
    }
    object(value, "tool_choice")?;
    let kind = value.find("type").and_then(Raw::as_str);
    let name = |nested: &str| {
        let name = value.find(nested).unwrap_or(value).find("name").and_then(Raw::as_str);
        name.map(Text::from).ok_or_else(|| expected("tool_choice", "the name of a tool"))
    };
    let choice = match kind.map_or(&b"function"[..], |kind| kind.bytes()) {
        b"auto" => ToolChoice::Auto,
        b"none" => ToolChoice::None,
        b"any" | b"required" => ToolChoice::Required,
        b"function" | b"tool" => {
            ToolChoice::Named { name: name("function")?, namespace: None, kind: CallKind::Function }
        }
        b"custom" => ToolChoice::Named { name: name("custom")?, namespace: None, kind: CallKind::Custom },
        b"allowed_tools" => allowed(value.find("allowed_tools").unwrap_or(value), unread)?,
        _ => return Ok(ToolChoice::Foreign(Json::from(value))),
    };
    for (name, inner) in value.members() {
        match name.bytes() {
            // The members of each kind's flat form and of its nested one.
            b"type" | b"name" | b"mode" | b"tools" => {}
            b"function" | b"custom" => unread.leave_all_but(&["name"], "tool_choice.function", inner),
            b"allowed_tools" => unread.leave_all_but(&["mode", "tools"], "tool_choice.allowed_tools", inner),
            _ => unread.leave("tool_choice", name, inner),
        }
    }
    Ok(choice)
}

fn allowed<'a>(value: Raw<'a>, unread: &mut Unread) -> Result<ToolChoice<'a>, BadRequest> {
    let required = value.find("mode").and_then(Raw::as_str).is_some_and(|mode| mode.eq_str("required"));
    let mut names = Vec::new();
    for tool in value.find("tools").iter().flat_map(|tools| tools.elements()) {
        let nested = tool.find("function").or_else(|| tool.find("custom"));
        if let Some(inner) = nested {
            unread.leave_all_but(&["name"], "tool_choice.allowed_tools.tools.function", inner);
        }
        unread.leave_all_but(&["type", "name", "function", "custom"], "tool_choice.allowed_tools.tools", tool);
        let nested = nested.unwrap_or(tool);
        let name = nested.find("name").and_then(Raw::as_str);
        names.push(Text::from(name.ok_or_else(|| expected("tool_choice.allowed_tools.tools", "names of tools"))?));
    }
    Ok(ToolChoice::Allowed { required, names })
}

/// Reads the old `function_call`.
pub(super) fn old_choice<'a>(value: Raw<'a>, unread: &mut Unread) -> Result<ToolChoice<'a>, BadRequest> {
    unread.leave_all_but(&["name"], "function_call", value);
    match value.as_str().map(|word| word.bytes()) {
        Some(b"auto") => Ok(ToolChoice::Auto),
        Some(b"none") => Ok(ToolChoice::None),
        _ => match value.find("name").and_then(Raw::as_str) {
            Some(name) => Ok(ToolChoice::Named { name: Text::from(name), namespace: None, kind: CallKind::Function }),
            None => Err(expected("function_call", "auto, none or the name of a function")),
        },
    }
}
