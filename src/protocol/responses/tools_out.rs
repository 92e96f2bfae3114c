//! Writes the tools of a Responses request and which of them are to be called.
//!
//! Tools of one group stand together where the first of them stood. `strict` is what Responses assumes where nothing is
//! said, and what the other protocols do not: for their tools it is said either way.

use super::input_in::LOCAL_SHELL;
use super::request_out::Say;
use super::tools_in;
use crate::protocol::Dialect;
use crate::protocol::ir::{CallKind, Function, Json, Text, Tool, ToolChoice, WebSearch};

/// The schema of a function that takes nothing.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`.
pub(super) fn tools(say: &mut Say<'_, '_, '_>) {
    let request = say.request;
    let mut said = 0;
    let mut groups: Vec<&Text<'_>> = Vec::new();
    for tool in &request.tools {
        let group = group(tool).filter(|_| say.own);
        if group.is_some_and(|group| groups.contains(&group)) || !is_sayable(tool, say) {
            continue;
        }
        if said == 0 {
            say.json.key("tools").begin_array();
        }
        said += 1;
        match group {
            None => say.tool(tool),
            Some(name) => {
                groups.push(name);
                say.group(name);
            }
        }
    }
    if said > 0 {
        say.json.end();
    }
    // Without tools there is nothing to choose, and the vendor refuses to.
    if said > 0 || say.own {
        say.choice();
        if let Some(parallel) = request.parallel_tools {
            say.json.key("parallel_tool_calls").bool(parallel);
        }
    }
}

fn group<'t, 'a>(tool: &'t Tool<'a>) -> Option<&'t Text<'a>> {
    match tool {
        Tool::Function(Function { namespace, .. }) | Tool::Custom { namespace, .. } => namespace.as_ref(),
        _ => None,
    }
}

/// Whether the tool can be said here; what cannot is noted.
fn is_sayable(tool: &Tool<'_>, say: &mut Say<'_, '_, '_>) -> bool {
    match tool {
        Tool::Foreign { origin, raw } if *origin != Dialect::Responses => {
            say.dropped.drop_foreign("tools", raw.raw());
            false
        }
        _ => true,
    }
}

impl Say<'_, '_, '_> {
    fn group(&mut self, name: &Text<'_>) {
        let request = self.request;
        self.json.begin_object().key("type").string("namespace").key("name").escaped(name.escaped());
        if let Some((_, is)) = request.namespaces.iter().find(|(known, _)| known == name) {
            self.json.key("description").escaped(is.escaped());
        }
        self.json.key("tools").begin_array();
        request.tools.iter().filter(|tool| group(tool) == Some(name)).for_each(|tool| self.tool(tool));
        self.json.end().end();
    }

    fn tool(&mut self, tool: &Tool<'_>) {
        match tool {
            Tool::Function(function) if self.own && tools_in::is_local_shell(function) => {
                self.json.begin_object().key("type").string(LOCAL_SHELL).end();
            }
            Tool::Function(function) => self.function(function),
            Tool::Custom { name, namespace, description, format, carry } => {
                let name = self.name(name, namespace.as_ref(), CallKind::Custom);
                self.json.begin_object().key("type").string("custom").key("name").escaped(name.escaped());
                self.string("description", description.as_ref());
                if let Some(format) = format {
                    self.json.key("format");
                    self.format(format);
                }
                self.members(carry, "tools");
                self.json.end();
            }
            Tool::WebSearch(search) => self.web_search(search),
            Tool::Foreign { raw, .. } => _ = self.json.raw(raw.raw()),
        }
    }

    fn function(&mut self, function: &Function<'_>) {
        let Function { name, namespace, description, parameters, strict, cache, carry } = function;
        let name = self.name(name, namespace.as_ref(), CallKind::Function);
        self.json.begin_object().key("type").string("function").key("name").escaped(name.escaped());
        self.string("description", description.as_ref());
        match parameters {
            Some(parameters) => _ = self.json.key("parameters").raw(parameters.raw()),
            None if self.own => _ = self.json.key("parameters").null(),
            None => _ = self.json.key("parameters").raw(Json::constant(NO_PARAMETERS).raw()),
        }
        match strict {
            Some(strict) => _ = self.json.key("strict").bool(*strict),
            None if self.own => {}
            None => _ = self.json.key("strict").bool(false),
        }
        if cache.is_some() {
            self.dropped.drop("cache_control");
        }
        self.members(carry, "tools");
        self.json.end();
    }

    /// The grammar of a tool that takes any text; Chat has it one object deeper.
    fn format(&mut self, format: &Json<'_>) {
        let Some(grammar) = format.raw().find("grammar").filter(|inner| inner.is_object()) else {
            self.json.raw(format.raw());
            return;
        };
        self.json.begin_object().key("type").string("grammar");
        for (name, value) in grammar.members() {
            self.json.key(&name.decode()).raw(value);
        }
        self.json.end();
    }

    /// Members that only Responses has a word for; those of others are noted as members of `what`.
    pub(super) fn members(&mut self, carry: &[(Text<'_>, Json<'_>)], what: &str) {
        for (name, value) in carry {
            match self.own {
                true => _ = self.json.key(&name.decode()).raw(value.raw()),
                false => self.dropped.drop(format!("{what}.{}", name.decode())),
            }
        }
    }

    fn web_search(&mut self, search: &WebSearch<'_>) {
        if search.origin == Dialect::Responses {
            self.json.raw(search.raw.raw());
            return;
        }
        self.json.begin_object().key("type").string("web_search");
        if let Some(size) = &search.context_size {
            self.json.key("search_context_size").raw(size.raw());
        }
        if let Some(domains) = &search.allowed_domains {
            self.json.key("filters").begin_object().key("allowed_domains").raw(domains.raw()).end();
        }
        if let Some(location) = &search.location {
            self.json.key("user_location").begin_object().key("type").string("approximate");
            for (name, value) in location.raw().members().filter(|(name, _)| !name.eq_str("type")) {
                self.json.key(&name.decode()).raw(value);
            }
            self.json.end();
        }
        self.json.end();
        search.drop_but(&["allowed_domains", "user_location", "search_context_size"], self.dropped);
    }

    /// The name to say for a tool. Its own where it was said in Responses, whose rules it keeps already.
    pub(super) fn name(&mut self, name: &Text<'_>, namespace: Option<&Text<'_>>, kind: CallKind) -> Text<'static> {
        match self.own {
            true => name.clone().into_owned(),
            false => self.names.say(name, namespace, kind),
        }
    }

    fn choice(&mut self) {
        let Some(choice) = &self.request.tool_choice else { return };
        if self.to.quirks.tool_choice_auto_only && !matches!(choice, ToolChoice::Auto | ToolChoice::None) {
            self.dropped.approximate("tool_choice");
            self.json.key("tool_choice").string("auto");
            return;
        }
        match choice {
            ToolChoice::Auto => _ = self.json.key("tool_choice").string("auto"),
            ToolChoice::None => _ = self.json.key("tool_choice").string("none"),
            ToolChoice::Required => _ = self.json.key("tool_choice").string("required"),
            ToolChoice::Named { name, namespace, kind } => {
                self.json.key("tool_choice");
                self.named(name, namespace.as_ref(), *kind);
            }
            ToolChoice::Allowed { required, names } => {
                self.json.key("tool_choice").begin_object().key("type").string("allowed_tools");
                self.json.key("mode").string(if *required { "required" } else { "auto" });
                self.json.key("tools").begin_array();
                for name in names {
                    let custom = |tool: &Tool<'_>| matches!(tool, Tool::Custom { name: known, .. } if known == name);
                    let kind = match self.request.tools.iter().any(custom) {
                        true => CallKind::Custom,
                        false => CallKind::Function,
                    };
                    self.named(name, None, kind);
                }
                self.json.end().end();
            }
            ToolChoice::Foreign(raw) if self.own => _ = self.json.key("tool_choice").raw(raw.raw()),
            ToolChoice::Foreign(_) => self.dropped.drop("tool_choice"),
        }
    }

    fn named(&mut self, name: &Text<'_>, namespace: Option<&Text<'_>>, kind: CallKind) {
        let shell = |tool: &Tool<'_>| matches!(tool, Tool::Function(function) if tools_in::is_local_shell(function));
        self.json.begin_object();
        if self.own && name.eq_str(LOCAL_SHELL) && self.request.tools.iter().any(shell) {
            self.json.key("type").string(LOCAL_SHELL).end();
            return;
        }
        let said = self.name(name, namespace, kind);
        let kind = if kind == CallKind::Custom { "custom" } else { "function" };
        self.json.key("type").string(kind).key("name").escaped(said.escaped());
        self.string("namespace", namespace.filter(|_| self.own));
        self.json.end();
    }
}
