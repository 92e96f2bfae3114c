//! Writes the tools of a Chat request and which of them is to be called.
//!
//! Chat's vendors know functions. A tool that takes any text is one too unless it was said in Chat ([`custom`]), and
//! where only some tools may be called only those are told, for hardly anybody knows `allowed_tools`.

use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::{
    CallKind, Dropped, Function, Json, Names, Request, Text, Tool, ToolChoice, WebSearch, custom,
};

/// Writes the members about tools of one request.
pub(super) struct Tools<'t, 'w> {
    pub(super) json: &'t mut Writer<'w>,
    pub(super) origin: Dialect,
    pub(super) model: &'t str,
    /// Nobody may be made to call a tool.
    pub(super) auto_only: bool,
    pub(super) names: &'t mut Names,
    pub(super) dropped: &'t mut Dropped,
}

impl Tools<'_, '_> {
    /// Writes `tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`.
    pub(super) fn write(mut self, request: &Request<'_>) {
        let own = self.origin == Dialect::Chat;
        let allowed = match &request.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) if !own => Some(names),
            _ => None,
        };
        let may = |name: &Text<'_>| allowed.is_none_or(|names| names.contains(name));
        let mut told = 0;
        for tool in &request.tools {
            let writes = match tool {
                Tool::Function(function) => may(&function.name),
                Tool::Custom { name, .. } => may(name),
                Tool::Foreign { origin, .. } => *origin == Dialect::Chat,
                Tool::WebSearch(_) => false,
            };
            if writes && told == 0 {
                self.json.key("tools").begin_array();
            }
            told += u32::from(writes);
            match tool {
                Tool::Function(function) if writes => {
                    self.function(function);
                }
                Tool::Custom { name, namespace, description, format, carry } if writes => {
                    self.custom(name, namespace.as_ref(), description.as_ref(), format.as_ref());
                    carry.iter().for_each(|(name, _)| self.dropped.drop(format!("tools.{}", name.decode())));
                }
                Tool::Foreign { raw, .. } if writes => _ = self.json.raw(raw.raw()),
                Tool::Foreign { raw, .. } => self.dropped.drop_foreign("tools", raw.raw()),
                Tool::Function(_) | Tool::Custom { .. } | Tool::WebSearch(_) => {}
            }
        }
        if told > 0 {
            self.json.end();
        }
        if let Some(search) = request.tools.iter().find_map(|tool| match tool {
            Tool::WebSearch(search) => Some(search),
            _ => None,
        }) {
            self.search(search);
        }
        // OpenAI refuses both where there are no tools.
        if told > 0 || own {
            self.choice(request);
            if let Some(parallel) = request.parallel_tools.filter(|parallel| own || !parallel) {
                self.json.key("parallel_tool_calls").bool(parallel);
            }
        }
    }

    fn function(&mut self, function: &Function<'_>) {
        let own = self.origin == Dialect::Chat;
        let name = self.names.say(&function.name, function.namespace.as_ref(), CallKind::Function);
        self.json.begin_object().key("type").string("function").key("function").begin_object();
        self.json.key("name").escaped(name.escaped());
        self.description(function.description.as_ref());
        match &function.parameters {
            Some(parameters) => _ = self.json.key("parameters").raw(parameters.raw()),
            None if own => {}
            None => _ = self.json.key("parameters").raw(nothing().raw()),
        }
        if let Some(strict) = function.strict {
            self.json.key("strict").bool(strict);
        }
        for (name, value) in &function.carry {
            match own {
                true => _ = self.json.key(&name.decode()).raw(value.raw()),
                false => self.dropped.drop(format!("tools.{}", name.decode())),
            }
        }
        self.json.end();
        if let Some(cache) = &function.cache {
            match own {
                true => _ = self.json.key("cache_control").raw(cache.raw()),
                false => self.dropped.drop("cache_control"),
            }
        }
        self.json.end();
    }

    fn description(&mut self, said: Option<&Text<'_>>) {
        if let Some(said) = said {
            self.json.key("description").escaped(said.escaped());
        }
    }

    fn custom(
        &mut self,
        name: &Text<'_>,
        namespace: Option<&Text<'_>>,
        description: Option<&Text<'_>>,
        format: Option<&Json<'_>>,
    ) {
        let said = self.names.say(name, namespace, CallKind::Custom);
        if self.origin == Dialect::Chat {
            self.json.begin_object().key("type").string("custom").key("custom").begin_object();
            self.json.key("name").escaped(said.escaped());
            self.description(description);
            if let Some(format) = format {
                self.json.key("format");
                self.format(format);
            }
            self.json.end().end();
            return;
        }
        self.json.begin_object().key("type").string("function").key("function").begin_object();
        self.json.key("name").escaped(said.escaped());
        self.description(Some(&custom::description(description, format)));
        self.json.key("parameters").raw(custom::schema().raw()).end().end();
    }

    /// A grammar stands in an object of its own in Chat, and beside the type in the pivot as in Responses.
    fn format(&mut self, format: &Json<'_>) {
        if format.raw().find("definition").is_none() {
            self.json.raw(format.raw());
            return;
        }
        self.json.begin_object().key("type").string("grammar").key("grammar").begin_object();
        for (name, value) in format.raw().members().filter(|(name, _)| !name.eq_str("type")) {
            self.json.key(&name.decode()).raw(value);
        }
        self.json.end().end();
    }

    /// A search by the vendor: a member of its own, which only OpenAI's models for it know.
    fn search(&mut self, search: &WebSearch<'_>) {
        if search.origin == Dialect::Chat {
            self.json.key("web_search_options").raw(search.raw.raw());
        } else if self.model.contains("-search") {
            self.json.key("web_search_options").begin_object();
            if let Some(size) = &search.context_size {
                self.json.key("search_context_size").raw(size.raw());
            }
            if let Some(location) = &search.location {
                self.json.key("user_location").begin_object().key("type").string("approximate");
                self.json.key("approximate").begin_object();
                for (name, value) in location.raw().members().filter(|(name, _)| !name.eq_str("type")) {
                    self.json.key(&name.decode()).raw(value);
                }
                self.json.end().end();
            }
            self.json.end();
            search.drop_but(&["user_location", "search_context_size"], self.dropped);
        } else {
            self.dropped.drop("tools.web_search");
        }
    }

    fn choice(&mut self, request: &Request<'_>) {
        let own = self.origin == Dialect::Chat;
        let Some(choice) = &request.tool_choice else { return };
        let forced = match choice {
            ToolChoice::Auto | ToolChoice::None => false,
            ToolChoice::Allowed { required, .. } => *required,
            ToolChoice::Required | ToolChoice::Named { .. } | ToolChoice::Foreign(_) => true,
        };
        if forced && self.auto_only {
            self.dropped.approximate("tool_choice");
            self.json.key("tool_choice").string("auto");
            return;
        }
        match choice {
            ToolChoice::Auto => _ = self.json.key("tool_choice").string("auto"),
            ToolChoice::None => _ = self.json.key("tool_choice").string("none"),
            ToolChoice::Required => _ = self.json.key("tool_choice").string("required"),
            ToolChoice::Named { name, namespace, kind } => {
                let said = self.names.say(name, namespace.as_ref(), *kind);
                self.json.key("tool_choice");
                self.named(*kind, &said);
            }
            ToolChoice::Allowed { required, names } if own => {
                self.json.key("tool_choice").begin_object().key("type").string("allowed_tools");
                self.json.key("allowed_tools").begin_object();
                self.json.key("mode").string(if *required { "required" } else { "auto" }).key("tools").begin_array();
                for name in names {
                    let custom = |tool: &Tool<'_>| matches!(tool, Tool::Custom { name: known, .. } if known == name);
                    let kind = if request.tools.iter().any(custom) { CallKind::Custom } else { CallKind::Function };
                    let said = self.names.say(name, None, kind);
                    self.named(kind, &said);
                }
                self.json.end().end().end();
            }
            ToolChoice::Allowed { required, .. } => {
                self.json.key("tool_choice").string(if *required { "required" } else { "auto" });
            }
            ToolChoice::Foreign(raw) if own => _ = self.json.key("tool_choice").raw(raw.raw()),
            ToolChoice::Foreign(_) => self.dropped.drop("tool_choice"),
        }
    }

    fn named(&mut self, kind: CallKind, name: &Text<'_>) {
        let free = kind == CallKind::Custom && self.origin == Dialect::Chat;
        let kind = if free { "custom" } else { "function" };
        self.json.begin_object().key("type").string(kind);
        self.json.key(kind).begin_object().key("name").escaped(name.escaped()).end().end();
    }
}

/// The schema of a function that takes nothing, for many want one.
fn nothing() -> Json<'static> {
    Json::constant(r#"{"type":"object","properties":{}}"#)
}
