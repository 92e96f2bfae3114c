//! Writes a request for an upstream.
//!
//! The members stand in a fixed order, so that equal prompts are equal bytes. What Messages cannot say is reported by
//! its name in the caller's dialect where that is known, and by a near one otherwise.

use super::model::Model;
use super::{schema_out, think_out, tool_out, turn_out};
use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, Destination, Dropped, Instruction, Json, Outgoing, Part, Request, Shape, Text, media,
};

/// Bytes of `metadata.user_id` beyond which Anthropic refuses it.
const USER_BYTES_MAX: usize = 256;

/// Writes `request` for `to`.
pub fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
    if request.previous.is_some() {
        return Err(BadRequest {
            member: "previous_response_id".into(),
            message: "cannot be said here: nobody keeps earlier answers for this model".into(),
        });
    }
    media::refuse_kept_elsewhere(request, &[Dialect::Anthropic])?;
    let model = Model::named(to.model);
    let plan = think_out::plan(request, model, &mut out.dropped);
    let (format, instruction) = shape(request, model, &mut out.dropped);
    let mut body = Vec::with_capacity(4096);
    let mut messages = vec![b'['];
    tool_out::name(request, out);
    if !turn_out::write(request, to, out, &mut messages) {
        return Err(BadRequest { member: "messages".into(), message: "says nothing that can be said here".into() });
    }
    messages.push(b']');
    let mut json = Writer::new(&mut body);
    json.begin_object().key("model").string(to.model).key("max_tokens").u64(plan.max_tokens);
    if to.stream {
        json.key("stream").bool(true);
    }
    system(&request.instructions, instruction.as_deref(), request.origin, &mut out.dropped, &mut json);
    json.key("messages").raw(crate::json::Raw::at(&messages, crate::base::span::Span::new(0, messages.len())));
    tool_out::write(request, to, out, &mut json);
    think_out::write(&plan, request, &mut json);
    output_config(request, plan.effort, format.as_ref(), &mut json);
    think_out::sample(&request.sampling, request, &plan, model, &mut json, &mut out.dropped);
    stop(request, &mut out.dropped, &mut json);
    account(request, model, &mut out.dropped, &mut json);
    carry(request, &mut out.dropped, &mut json);
    json.end();
    out.body = body;
    Ok(())
}

fn system(
    instructions: &[Instruction<'_>],
    instruction: Option<&str>,
    origin: Dialect,
    dropped: &mut Dropped,
    json: &mut Writer<'_>,
) {
    let mut told = false;
    let mut begin = |json: &mut Writer<'_>| {
        if !std::mem::replace(&mut told, true) {
            json.key("system").begin_array();
        }
    };
    for part in instructions.iter().flat_map(|instruction| &instruction.parts) {
        match part {
            Part::Text { text, .. } if text.is_empty() => {}
            Part::Text { text, cache, citations } => {
                begin(json);
                json.begin_object().key("type").string("text").key("text").escaped(text.escaped());
                if let Some(citations) = citations.as_ref().filter(|_| origin == Dialect::Anthropic) {
                    json.key("citations").raw(citations.raw());
                } else if citations.is_some() {
                    dropped.drop("system.citations");
                }
                if let Some(cache) = cache {
                    json.key("cache_control").raw(cache.raw());
                }
                json.end();
            }
            Part::Foreign { origin: Dialect::Anthropic, raw } => {
                begin(json);
                json.raw(raw.raw());
            }
            _ => dropped.drop("system"),
        }
    }
    if let Some(instruction) = instruction {
        begin(json);
        json.begin_object().key("type").string("text").key("text").string(instruction).end();
    }
    if told {
        json.end();
    }
}

/// The form of the answer: as `output_config.format`, or as an instruction where the model knows no forms.
fn shape<'r>(request: &'r Request<'_>, model: Model, dropped: &mut Dropped) -> (Option<Json<'r>>, Option<String>) {
    match &request.shape {
        Shape::Text => (None, None),
        Shape::JsonSchema { schema, .. } if request.origin == Dialect::Anthropic => (Some(schema.as_ref()), None),
        Shape::JsonSchema { schema, description, .. } if model.keeps_schemas() => {
            describes(description.is_some(), dropped);
            let (schema, lossy) = schema_out::fit(schema.raw());
            if lossy {
                dropped.approximate("response_format.schema");
            }
            (Some(schema), None)
        }
        Shape::JsonObject => {
            dropped.approximate("response_format");
            (None, Some("Answer with one JSON object and nothing else: no prose, no code fence.".to_owned()))
        }
        Shape::JsonSchema { schema, description, .. } => {
            describes(description.is_some(), dropped);
            dropped.approximate("response_format");
            let schema = String::from_utf8_lossy(schema.bytes());
            let instruction = format!(
                "Answer with one JSON value that matches this JSON Schema and nothing else, no prose, no code fence:\n{schema}"
            );
            (None, Some(instruction))
        }
    }
}

/// What OpenAI lets one say of a schema beside it.
fn describes(said: bool, dropped: &mut Dropped) {
    if said {
        dropped.drop("response_format.description");
    }
}

fn output_config(request: &Request<'_>, effort: Option<&str>, format: Option<&Json<'_>>, json: &mut Writer<'_>) {
    let own = request.origin == Dialect::Anthropic;
    let carried = || {
        let all = request.carry.iter().filter(|_| own);
        all.filter_map(|(name, value)| Some((name.decode().strip_prefix(CONFIG)?.to_owned(), value)))
    };
    if effort.is_none() && format.is_none() && carried().next().is_none() {
        return;
    }
    json.key("output_config").begin_object();
    if let Some(effort) = effort {
        json.key("effort").string(effort);
    }
    if let Some(schema) = format {
        json.key("format").begin_object().key("type").string("json_schema").key("schema").raw(schema.raw()).end();
    }
    for (name, value) in carried() {
        json.key(&name).raw(value.raw());
    }
    json.end();
}

/// How members of `output_config` are named that are carried.
const CONFIG: &str = "output_config.";

fn stop(request: &Request<'_>, dropped: &mut Dropped, json: &mut Writer<'_>) {
    // Anthropic refuses words of blanks only.
    let own = request.origin == Dialect::Anthropic;
    let said = |word: &&Text<'_>| own || !word.decode().trim_ascii().is_empty();
    if request.stop.iter().any(|word| !said(&word)) {
        dropped.drop("stop");
    }
    let mut words = request.stop.iter().filter(said).peekable();
    if words.peek().is_some() {
        json.key("stop_sequences").begin_array();
        words.for_each(|word| _ = json.escaped(word.escaped()));
        json.end();
    }
}

/// Who pays, who asks, and what a cache keeps.
fn account(request: &Request<'_>, model: Model, dropped: &mut Dropped, json: &mut Writer<'_>) {
    let own = request.origin == Dialect::Anthropic;
    match (&request.metadata, &request.user) {
        (Some(metadata), _) if own => _ = json.key("metadata").raw(metadata.raw()),
        (_, Some(user)) if own || user.bytes().len() <= USER_BYTES_MAX => {
            json.key("metadata").begin_object().key("user_id").escaped(user.escaped()).end();
        }
        (_, Some(_)) => dropped.drop("user"),
        (_, None) => {}
    }
    if request.metadata.is_some() && !own {
        dropped.drop("metadata");
    }
    if let Some(tier) = &request.service_tier {
        match &*tier.decode() {
            _ if own => _ = json.key("service_tier").escaped(tier.escaped()),
            "auto" => _ = json.key("service_tier").string("auto"),
            "default" => _ = json.key("service_tier").string("standard_only"),
            _ => dropped.drop("service_tier"),
        }
    }
    // Others cache without being told; Anthropic does where a request marks how far, which this does for it.
    match &request.prompt_cache_key {
        Some(_) if model.is_claude() && !is_marked(request) => {
            json.key("cache_control").begin_object().key("type").string("ephemeral").end();
        }
        Some(_) => dropped.drop("prompt_cache_key"),
        None => {}
    }
    if request.verbosity.is_some() {
        dropped.drop("verbosity");
    }
    if request.store == Some(true) {
        dropped.drop("store");
    }
    if request.modalities.iter().any(|modality| !modality.eq_str("text")) {
        dropped.drop("modalities");
    }
}

/// Whether the caller has marked what is to be cached.
fn is_marked(request: &Request<'_>) -> bool {
    let marked = |part: &Part<'_>| match part {
        Part::Text { cache, .. } => cache.is_some(),
        Part::Media(media) => media.cache.is_some(),
        Part::ToolCall(call) => call.cache.is_some(),
        Part::ToolResult(result) => result.cache.is_some(),
        _ => false,
    };
    request.instructions.iter().flat_map(|instruction| &instruction.parts).any(marked)
        || request.turns.iter().flat_map(|turn| &turn.parts).any(marked)
}

fn carry(request: &Request<'_>, dropped: &mut Dropped, json: &mut Writer<'_>) {
    for (name, value) in &request.carry {
        let name = name.decode();
        match request.origin {
            Dialect::Anthropic if name.starts_with(CONFIG) => {}
            Dialect::Anthropic => _ = json.key(&name).raw(value.raw()),
            _ => dropped.drop(name.into_owned()),
        }
    }
}

#[cfg(test)]
#[path = "request_out_test.rs"]
mod tests;
