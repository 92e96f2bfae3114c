//! Reads the tools of a Responses request and which of them are to be called.
//!
//! A namespace is taken apart: its tools carry its name. `local_shell` becomes a function of that name, for a client
//! who has it can answer a call of it whichever vendor makes it; [`is_local_shell`] knows it again. Other tools that
//! the vendor itself carries out stay as they are and are foreign to everybody else.

use super::input_in::LOCAL_SHELL;
use super::request_in::{bad, carried, flag, object, text};
use crate::json::{Escaped, Raw};
use crate::protocol::Dialect;
use crate::protocol::ir::{BadRequest, CallKind, Function, Json, Request, Text, Tool, ToolChoice, Unread, WebSearch};

/// What a model is told of `local_shell` where it is a function.
const LOCAL_SHELL_IS: &str = "Runs a command in a shell on the user's machine and returns what it prints.";
/// The members of a call's `action` that a model fills in.
const LOCAL_SHELL_SCHEMA: &str = r#"{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"working_directory":{"type":"string"},"timeout_ms":{"type":"integer"}},"required":["command"],"additionalProperties":false}"#;

/// Reads `tools` into `request`.
pub(super) fn tools<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    if !value.is_array() {
        return Err(bad("tools", "must be an array"));
    }
    for (at, raw) in value.elements().enumerate() {
        let path = format!("tools.{at}");
        object(&path, raw)?;
        let tool = Members::of(raw);
        match tool.kind(&path)?.bytes() {
            b"namespace" => namespace(&path, &tool, request)?,
            kind => {
                if kind == LOCAL_SHELL.as_bytes() {
                    tool.rest.iter().for_each(|(member, value)| request.unread.leave("tools", *member, *value));
                }
                request.tools.push(tool.read(&path, raw, None)?);
            }
        }
    }
    Ok(())
}

/// Whether `function`, of a request that was said in Responses, stands for the tool `local_shell`.
pub(super) fn is_local_shell(function: &Function<'_>) -> bool {
    function.name.eq_str(LOCAL_SHELL) && function.description.as_ref().is_some_and(|is| is.eq_str(LOCAL_SHELL_IS))
}

fn namespace<'a>(path: &str, group: &Members<'a>, request: &mut Request<'a>) -> Result<(), BadRequest> {
    let name = group.name(path)?;
    let tools = group.tools.filter(|tools| tools.is_array());
    let tools = tools.ok_or_else(|| bad(format!("{path}.tools"), "must be an array"))?;
    let is = group.description(path)?.unwrap_or_default();
    request.namespaces.push((name.clone(), is));
    group.rest.iter().for_each(|(member, value)| request.unread.leave("tools", *member, *value));
    for (at, raw) in tools.elements().enumerate() {
        let path = format!("{path}.tools.{at}");
        object(&path, raw)?;
        let tool = Members::of(raw).read(&path, raw, Some(name.clone()))?;
        request.tools.push(tool);
    }
    Ok(())
}

/// The members of a tool, read in one pass.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Raw<'a>>,
    name: Option<Raw<'a>>,
    description: Option<Raw<'a>>,
    parameters: Option<Raw<'a>>,
    strict: Option<Raw<'a>>,
    format: Option<Raw<'a>>,
    tools: Option<Raw<'a>>,
    rest: Vec<(Escaped<'a>, Raw<'a>)>,
}

impl<'a> Members<'a> {
    fn of(tool: Raw<'a>) -> Members<'a> {
        let mut read = Members::default();
        for (name, value) in tool.members().filter(|(_, value)| !value.is_null()) {
            let place = match name.bytes() {
                b"type" => &mut read.kind,
                b"name" => &mut read.name,
                b"description" => &mut read.description,
                b"parameters" => &mut read.parameters,
                b"strict" => &mut read.strict,
                b"format" => &mut read.format,
                b"tools" => &mut read.tools,
                _ => {
                    read.rest.push((name, value));
                    continue;
                }
            };
            *place = Some(value);
        }
        read
    }

    fn kind(&self, path: &str) -> Result<Escaped<'a>, BadRequest> {
        let kind = self.kind.ok_or_else(|| bad(format!("{path}.type"), "is missing"))?;
        kind.as_str().ok_or_else(|| bad(format!("{path}.type"), "must be a string"))
    }

    fn name(&self, path: &str) -> Result<Text<'a>, BadRequest> {
        let path = format!("{path}.name");
        text(&path, self.name.ok_or_else(|| bad(path.clone(), "is missing"))?)
    }

    fn description(&self, path: &str) -> Result<Option<Text<'a>>, BadRequest> {
        self.description.map(|is| text(&format!("{path}.description"), is)).transpose()
    }

    fn read(self, path: &str, raw: Raw<'a>, namespace: Option<Text<'a>>) -> Result<Tool<'a>, BadRequest> {
        let kind = self.kind(path)?.decode();
        match &*kind {
            "function" => {
                if let Some(parameters) = self.parameters {
                    object(&format!("{path}.parameters"), parameters)?;
                }
                Ok(Tool::Function(Function {
                    name: self.name(path)?,
                    namespace,
                    description: self.description(path)?,
                    parameters: self.parameters.map(Json::from),
                    strict: self.strict.map(|strict| flag(&format!("{path}.strict"), strict)).transpose()?,
                    cache: None,
                    carry: carried(self.rest),
                }))
            }
            "custom" => Ok(Tool::Custom {
                name: self.name(path)?,
                namespace,
                description: self.description(path)?,
                format: self.format.map(Json::from),
                carry: carried(self.rest),
            }),
            LOCAL_SHELL => Ok(Tool::Function(local_shell())),
            kind if kind.starts_with("web_search") => Ok(Tool::WebSearch(web_search(raw, &self.rest))),
            _ => Ok(Tool::Foreign { origin: Dialect::Responses, raw: raw.into() }),
        }
    }
}

fn local_shell() -> Function<'static> {
    Function {
        name: Text::constant(LOCAL_SHELL),
        namespace: None,
        description: Some(Text::constant(LOCAL_SHELL_IS)),
        parameters: Some(Json::constant(LOCAL_SHELL_SCHEMA)),
        strict: None,
        cache: None,
        carry: Vec::new(),
    }
}

fn web_search<'a>(raw: Raw<'a>, rest: &[(Escaped<'a>, Raw<'a>)]) -> WebSearch<'a> {
    let mut search = WebSearch::new(Dialect::Responses, raw.into());
    for (name, value) in rest.iter().filter(|(_, value)| !value.is_null()) {
        match name.bytes() {
            b"user_location" if value.is_object() => search.location = Some((*value).into()),
            b"search_context_size" => search.context_size = Some((*value).into()),
            b"filters" => {
                for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
                    match name.bytes() {
                        b"allowed_domains" if value.is_array() => search.allowed_domains = Some(value.into()),
                        b"blocked_domains" if value.is_array() => search.blocked_domains = Some(value.into()),
                        _ => search.carry.push((name.into(), value.into())),
                    }
                }
            }
            // What everybody else's search does.
            b"external_web_access" if value.as_bool() == Some(true) => {}
            _ => search.carry.push(((*name).into(), (*value).into())),
        }
    }
    search
}

/// Reads `tool_choice`.
pub(super) fn choice<'a>(value: Raw<'a>, request: &mut Request<'a>) -> Result<ToolChoice<'a>, BadRequest> {
    if let Some(word) = value.as_str() {
        return match word.bytes() {
            b"auto" => Ok(ToolChoice::Auto),
            b"none" => Ok(ToolChoice::None),
            b"required" => Ok(ToolChoice::Required),
            _ => Err(bad("tool_choice", "must be auto, none, required or an object")),
        };
    }
    object("tool_choice", value)?;
    let (mut kind, mut name, mut namespace, mut mode, mut tools) = (None, None, None, None, None);
    for (member, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match member.bytes() {
            b"type" => kind = Some(text("tool_choice.type", value)?),
            b"name" => name = Some(text("tool_choice.name", value)?),
            b"namespace" => namespace = Some(text("tool_choice.namespace", value)?),
            // Chat's form, which some clients send here.
            b"function" | b"custom" => {
                name = value.find("name").and_then(Raw::as_str).map(Text::from);
                request.unread.leave_all_but(&["name"], "tool_choice.function", value);
            }
            b"mode" => mode = value.as_str(),
            b"tools" => tools = Some(value),
            _ => request.unread.leave("tool_choice", member, value),
        }
    }
    let kind = kind.ok_or_else(|| bad("tool_choice.type", "is missing"))?.decode().into_owned();
    match &*kind {
        "function" | "custom" => {
            let name = name.ok_or_else(|| bad("tool_choice.name", "is missing"))?;
            let kind = if kind == "custom" { CallKind::Custom } else { CallKind::Function };
            Ok(ToolChoice::Named { name, namespace, kind })
        }
        LOCAL_SHELL => {
            Ok(ToolChoice::Named { name: Text::constant(LOCAL_SHELL), namespace: None, kind: CallKind::Function })
        }
        "allowed_tools" => {
            let tools = tools.filter(|tools| tools.is_array());
            let tools = tools.ok_or_else(|| bad("tool_choice.tools", "must be an array"))?;
            let required = match mode.map(Escaped::bytes) {
                Some(b"auto") => false,
                Some(b"required") => true,
                _ => return Err(bad("tool_choice.mode", "must be auto or required")),
            };
            Ok(match tools.elements().map(|tool| allowed(tool, &mut request.unread)).collect() {
                Some(names) => ToolChoice::Allowed { required, names },
                None => ToolChoice::Foreign(value.into()),
            })
        }
        _ => Ok(ToolChoice::Foreign(value.into())),
    }
}

/// The name of a tool in a list of those that may be called; nothing if only its vendor knows it.
fn allowed<'a>(tool: Raw<'a>, unread: &mut Unread) -> Option<Text<'a>> {
    let (mut kind, mut name) = (None, None);
    for (member, value) in tool.members() {
        match member.bytes() {
            b"type" => kind = value.as_str(),
            b"name" => name = value.as_str(),
            _ => unread.leave("tool_choice.tools", member, value),
        }
    }
    match kind?.bytes() {
        b"function" | b"custom" => name.map(Text::from),
        _ => None,
    }
}
