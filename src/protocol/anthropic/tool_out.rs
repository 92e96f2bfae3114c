//! Writes the tools of a request and which of them is to be called.

use crate::json::{Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::{
    CallKind, Destination, Dropped, Function, Json, Outgoing, Request, Text, Tool, ToolChoice, WebSearch, custom,
};

/// Says the names of all tools, in their order: calls of the history come under the same names in every turn then.
pub(super) fn name(request: &Request<'_>, out: &mut Outgoing) {
    for tool in &request.tools {
        match tool {
            Tool::Function(function) => {
                out.names.say(&function.name, function.namespace.as_ref(), CallKind::Function);
            }
            Tool::Custom { name, namespace, .. } => _ = out.names.say(name, namespace.as_ref(), CallKind::Custom),
            Tool::WebSearch(_) | Tool::Foreign { .. } => {}
        }
    }
}

/// Writes `tools` and `tool_choice`.
pub(super) fn write(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing, json: &mut Writer<'_>) {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names),
        _ => None,
    };
    // Anthropic knows no list of those that may be called: the others are not told of.
    let is_allowed = |name: &Text<'_>| allowed.is_none_or(|names| names.contains(name));
    let mut told = 0;
    for tool in &request.tools {
        let begin = |json: &mut Writer<'_>, told: &mut usize| {
            if *told == 0 {
                json.key("tools").begin_array();
            }
            *told += 1;
        };
        match tool {
            Tool::Function(function) if is_allowed(&function.name) => {
                begin(json, &mut told);
                self::function(function, request.origin, out, json);
            }
            Tool::Custom { name, namespace, description, format, carry } if is_allowed(name) => {
                begin(json, &mut told);
                let said = out.names.say(name, namespace.as_ref(), CallKind::Custom);
                json.begin_object().key("name").escaped(said.escaped());
                let description = custom::description(description.as_ref(), format.as_ref());
                json.key("description").escaped(description.escaped());
                json.key("input_schema").raw(custom::schema().raw()).end();
                carry.iter().for_each(|(name, _)| out.dropped.drop(format!("tools.{}", name.decode())));
            }
            Tool::Function(_) | Tool::Custom { .. } => out.dropped.approximate("tool_choice.allowed_tools"),
            Tool::WebSearch(search) if search.origin == Dialect::Anthropic || searches(search) => {
                begin(json, &mut told);
                self::search(search, json, &mut out.dropped);
            }
            Tool::WebSearch(_) => out.dropped.drop("tools.web_search"),
            Tool::Foreign { origin: Dialect::Anthropic, raw } => {
                begin(json, &mut told);
                json.raw(raw.raw());
            }
            Tool::Foreign { raw, .. } => out.dropped.drop_foreign("tools", raw.raw()),
        }
    }
    if told > 0 {
        json.end();
        choice(request, to, out, json);
    }
}

fn function(function: &Function<'_>, origin: Dialect, out: &mut Outgoing, json: &mut Writer<'_>) {
    let said = out.names.say(&function.name, function.namespace.as_ref(), CallKind::Function);
    json.begin_object().key("name").escaped(said.escaped());
    if let Some(description) = function.description.as_ref().filter(|description| !description.is_empty()) {
        json.key("description").escaped(description.escaped());
    }
    json.key("input_schema");
    schema(function.parameters.as_ref(), json);
    // Others ask for it without a thought, and Anthropic refuses more than a few such tools and many a schema.
    match (function.strict, origin) {
        (Some(strict), Dialect::Anthropic) => _ = json.key("strict").bool(strict),
        (Some(true), _) => out.dropped.approximate("tools.strict"),
        _ => {}
    }
    if let Some(cache) = &function.cache {
        json.key("cache_control").raw(cache.raw());
    }
    for (name, value) in &function.carry {
        match origin {
            Dialect::Anthropic => _ = json.key(&name.decode()).raw(value.raw()),
            _ => out.dropped.drop(format!("tools.{}", name.decode())),
        }
    }
    json.end();
}

/// A schema of an object: Anthropic takes no other.
fn schema(parameters: Option<&Json<'_>>, json: &mut Writer<'_>) {
    let given = parameters.map(Json::raw).filter(|schema| schema.is_object());
    match given {
        Some(schema) if schema.find("type").is_some() => _ = json.raw(schema),
        schema => {
            json.begin_object().key("type").string("object");
            if schema.is_none_or(|schema| schema.find("properties").is_none()) {
                json.key("properties").begin_object().end();
            }
            for (name, value) in schema.iter().flat_map(|schema| schema.members()) {
                json.key(&name.decode()).raw(value);
            }
            json.end();
        }
    }
}

/// Whether the search may leave the vendor's own pages, as Anthropic's does.
fn searches(search: &WebSearch<'_>) -> bool {
    search.raw.raw().find("external_web_access").and_then(Raw::as_bool) != Some(false)
}

fn search(search: &WebSearch<'_>, json: &mut Writer<'_>, dropped: &mut Dropped) {
    if search.origin == Dialect::Anthropic {
        json.raw(search.raw.raw());
        return;
    }
    json.begin_object().key("type").string("web_search_20250305").key("name").string("web_search");
    if let Some(most) = search.uses_max {
        json.key("max_uses").u64(most);
    }
    // One of the two lists, not both.
    match (&search.allowed_domains, &search.blocked_domains) {
        (Some(allowed), _) => _ = json.key("allowed_domains").raw(allowed.raw()),
        (None, Some(blocked)) => _ = json.key("blocked_domains").raw(blocked.raw()),
        (None, None) => {}
    }
    if let Some(location) = search.location.as_ref().filter(|location| location.raw().is_object()) {
        json.key("user_location").begin_object().key("type").string("approximate");
        for (name, value) in location.raw().members() {
            if matches!(name.bytes(), b"city" | b"region" | b"country" | b"timezone") && value.as_str().is_some() {
                json.key(&name.decode()).raw(value);
            } else if !name.eq_str("type") && !value.is_null() {
                dropped.approximate("tools.web_search.user_location");
            }
        }
        json.end();
    }
    json.end();
    let both = ["max_uses", "user_location", "allowed_domains", "blocked_domains"];
    search.drop_but(&both[..if search.allowed_domains.is_some() { 3 } else { 4 }], dropped);
}

fn choice(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing, json: &mut Writer<'_>) {
    let single = request.parallel_tools.map(|parallel| !parallel);
    let mut forced = None;
    let kind = match &request.tool_choice {
        Some(ToolChoice::Foreign(raw)) if request.origin == Dialect::Anthropic => {
            json.key("tool_choice").raw(raw.raw());
            return;
        }
        Some(ToolChoice::Foreign(_)) => {
            out.dropped.drop("tool_choice");
            None
        }
        None => None,
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => Some("auto"),
        Some(ToolChoice::None) => Some("none"),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => Some("any"),
        Some(ToolChoice::Named { name, namespace, kind }) => {
            forced = Some(out.names.say(name, namespace.as_ref(), *kind));
            Some("tool")
        }
    };
    let kind = match kind {
        Some("any" | "tool") if to.quirks.tool_choice_auto_only => {
            out.dropped.approximate("tool_choice");
            Some("auto")
        }
        kind => kind,
    };
    // Without a choice the switch alone needs one to stand in.
    let Some(kind) = kind.or((single == Some(true)).then_some("auto")) else { return };
    json.key("tool_choice").begin_object().key("type").string(kind);
    if let Some(name) = forced.filter(|_| kind == "tool") {
        json.key("name").escaped(name.escaped());
    }
    if let Some(single) = single.filter(|_| kind != "none") {
        json.key("disable_parallel_tool_use").bool(single);
    }
    json.end();
}
