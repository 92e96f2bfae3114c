//! Writes a request for `/api/chat`.
//!
//! Ollama has no choice of tools: of those that are allowed only they are sent, and that one must be called is
//! reported. Bounds and numbers of the sampler stand in `options`.

use super::messages_out::Messages;
use super::request_in::OPTION;
use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, CallKind, Destination, Dropped, Effort, Function, Json, Names, Outgoing, Request, Shape, Text,
    Thinking, Tool, ToolChoice, custom,
};

/// What only `/api/generate` knows.
const GENERATE_ONLY: [&str; 7] = ["suffix", "template", "raw", "context", "width", "height", "steps"];

/// Writes `request` for `to`.
pub fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
    if request.previous.is_some() {
        let message = "is not known to Ollama, which keeps no answers";
        return Err(BadRequest { member: "previous_response_id".into(), message: message.into() });
    }
    let Outgoing { body, dropped, names } = out;
    let mut json = Writer::new(body);
    json.begin_object().key("model").string(to.model).key("messages").begin_array();
    Messages {
        json: &mut json,
        quirks: to.quirks,
        own: request.origin == Dialect::Ollama,
        names,
        dropped,
        calls: Vec::new(),
    }
    .write(request)?;
    json.end();
    tools(request, &mut json, names, dropped);
    think(request, to.model, &mut json, dropped);
    match &request.shape {
        Shape::Text => {}
        Shape::JsonObject => _ = json.key("format").string("json"),
        Shape::JsonSchema { schema, description, .. } => {
            json.key("format").raw(schema.raw());
            if description.is_some() {
                dropped.drop("response_format.description");
            }
        }
    }
    if let Some(logprobs) = request.sampling.logprobs {
        json.key("logprobs").bool(logprobs);
    }
    if let Some(most) = request.sampling.top_logprobs {
        json.key("top_logprobs").u64(most);
    }
    options(request, &mut json);
    unsaid(request, dropped);
    for (name, value) in &request.carry {
        let plain = name.decode();
        if request.origin != Dialect::Ollama || plain.starts_with("messages.") || GENERATE_ONLY.contains(&&*plain) {
            dropped.drop(plain.into_owned());
        } else if !plain.starts_with(OPTION) {
            json.key(&plain).raw(value.raw());
        }
    }
    json.key("stream").bool(to.stream).end();
    Ok(())
}

/// The member that the client said in Ollama's own words.
fn repeated<'r>(request: &'r Request<'_>, name: &str) -> Option<&'r Json<'r>> {
    let mut repeat = request.repeat.iter().filter(|_| request.origin == Dialect::Ollama);
    repeat.find(|(said, _)| said.eq_str(name)).map(|(_, value)| value)
}

/// Models without thought refuse a request that asks for any, and those that have it think unless they are told not to.
/// A client of another dialect mostly asks by habit, so it is taken at its word only by the family that knows levels.
fn think(request: &Request<'_>, model: &str, json: &mut Writer<'_>, dropped: &mut Dropped) {
    if let Some(said) = repeated(request, "think") {
        json.key("think").raw(said.raw());
        return;
    }
    let own = request.origin == Dialect::Ollama;
    let (effort, exact) = match request.reasoning.thinking {
        Thinking::Unsaid => return,
        Thinking::Auto if !own => return,
        thinking @ (Thinking::Off | Thinking::Auto) => {
            json.key("think").bool(thinking == Thinking::Auto);
            return;
        }
        Thinking::Effort(effort) => (effort, matches!(effort, Effort::Low | Effort::Medium | Effort::High)),
        Thinking::Budget(tokens) => (Effort::of_budget(tokens), false),
    };
    let levels = own || model.contains("gpt-oss");
    match (levels, exact) {
        (true, true) => {}
        (true, false) => dropped.approximate("reasoning"),
        // It thinks as much as it does.
        (false, _) => dropped.drop("reasoning"),
    }
    if levels {
        json.key("think").string(effort.ollama_level());
    }
}

fn options(request: &Request<'_>, json: &mut Writer<'_>) {
    let sampling = &request.sampling;
    let numbers = [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("min_p", &sampling.min_p),
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("repeat_penalty", &sampling.repetition_penalty),
        ("seed", &sampling.seed),
    ];
    let mut begun = false;
    let mut begin = |json: &mut Writer<'_>| {
        if !std::mem::replace(&mut begun, true) {
            json.key("options").begin_object();
        }
    };
    for (name, value) in numbers {
        if let Some(value) = value {
            begin(json);
            json.key(name).raw(value.raw());
        }
    }
    if let Some(most) = request.output_tokens_max {
        begin(json);
        json.key("num_predict").u64(most);
    } else if let Some(said) = repeated(request, "options.num_predict") {
        begin(json);
        json.key("num_predict").raw(said.raw());
    }
    if !request.stop.is_empty() {
        begin(json);
        json.key("stop").begin_array();
        request.stop.iter().for_each(|word| _ = json.escaped(word.escaped()));
        json.end();
    }
    for (name, value) in request.carry.iter().filter(|_| request.origin == Dialect::Ollama) {
        if let Some(name) = name.decode().strip_prefix(OPTION) {
            begin(json);
            json.key(name).raw(value.raw());
        }
    }
    if begun {
        json.end();
    }
}

/// What Ollama has no word for.
fn unsaid(request: &Request<'_>, dropped: &mut Dropped) {
    let sampling = &request.sampling;
    let modalities = request.modalities.iter().any(|modality| !modality.eq_str("text"));
    for (name, said) in [
        ("n", sampling.n.is_some_and(|n| n > 1)),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
        ("service_tier", request.service_tier.is_some()),
        ("prompt_cache_key", request.prompt_cache_key.is_some()),
        ("store", request.store == Some(true)),
        ("modalities", modalities),
        ("parallel_tool_calls", request.parallel_tools == Some(false) && !request.tools.is_empty()),
        ("reasoning.summary", request.reasoning.summary.is_some()),
        ("reasoning.encrypted_content", request.reasoning.encrypted),
    ] {
        if said {
            dropped.drop(name);
        }
    }
}

fn tools(request: &Request<'_>, json: &mut Writer<'_>, names: &mut Names, dropped: &mut Dropped) {
    let choice = request.tool_choice.as_ref();
    match choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => {}
        Some(ToolChoice::Named { .. } | ToolChoice::Allowed { .. }) => dropped.approximate("tool_choice"),
        Some(ToolChoice::Required | ToolChoice::Foreign(_)) => dropped.drop("tool_choice"),
    }
    if request.tools.is_empty() || choice == Some(&ToolChoice::None) {
        return;
    }
    let mut begun = false;
    for tool in &request.tools {
        if !is_allowed(tool, choice) {
            continue;
        }
        if !begun {
            json.key("tools").begin_array();
            begun = true;
        }
        match tool {
            Tool::Function(said) => function(said, request.origin, json, names, dropped),
            Tool::Custom { name, namespace, description, format, carry } => {
                let said = names.say(name, namespace.as_ref(), CallKind::Custom);
                let description = custom::description(description.as_ref(), format.as_ref());
                write(json, &said, Some(&description), Some(&custom::schema()), &[]);
                lost("tools.", carry, dropped);
            }
            Tool::WebSearch(_) => dropped.drop("tools.web_search"),
            Tool::Foreign { origin: Dialect::Ollama, raw } => _ = json.raw(raw.raw()),
            Tool::Foreign { raw, .. } => dropped.drop_foreign("tools", raw.raw()),
        }
    }
    if begun {
        json.end();
    }
}

/// Whether the tool may be called; what is no function may.
fn is_allowed(tool: &Tool<'_>, choice: Option<&ToolChoice<'_>>) -> bool {
    let (Tool::Function(Function { name, namespace, .. }) | Tool::Custom { name, namespace, .. }) = tool else {
        return true;
    };
    match choice {
        Some(ToolChoice::Named { name: named, namespace: group, .. }) => name == named && namespace == group,
        Some(ToolChoice::Allowed { names, .. }) => names.contains(name),
        _ => true,
    }
}

fn function(said: &Function<'_>, origin: Dialect, json: &mut Writer<'_>, names: &mut Names, dropped: &mut Dropped) {
    let name = names.say(&said.name, said.namespace.as_ref(), CallKind::Function);
    if said.cache.is_some() {
        dropped.drop("cache_control");
    }
    if origin != Dialect::Ollama {
        if said.strict == Some(true) {
            dropped.drop("tools.strict");
        }
        lost("tools.", &said.carry, dropped);
        return write(json, &name, said.description.as_ref(), said.parameters.as_ref(), &[]);
    }
    let mut more: Vec<_> = said.carry.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    if let Some(strict) = said.strict {
        more.push((Text::constant("strict"), Json::constant(if strict { "true" } else { "false" })));
    }
    write(json, &name, said.description.as_ref(), said.parameters.as_ref(), &more);
}

fn write(
    json: &mut Writer<'_>,
    name: &Text<'_>,
    description: Option<&Text<'_>>,
    parameters: Option<&Json<'_>>,
    more: &[(Text<'_>, Json<'_>)],
) {
    json.begin_object().key("type").string("function").key("function").begin_object();
    json.key("name").escaped(name.escaped());
    if let Some(description) = description {
        json.key("description").escaped(description.escaped());
    }
    if let Some(parameters) = parameters {
        json.key("parameters").raw(parameters.raw());
    }
    for (name, value) in more {
        json.key(&name.decode()).raw(value.raw());
    }
    json.end().end();
}

/// Reports the members that only their origin knows.
fn lost(group: &str, carry: &[(Text<'_>, Json<'_>)], dropped: &mut Dropped) {
    carry.iter().for_each(|(name, _)| dropped.drop(format!("{group}{}", name.decode())));
}

#[cfg(test)]
#[path = "request_out_test.rs"]
mod tests;
