//! Writes a request for a Chat upstream.
//!
//! What was said in Chat is said again, unknown members included. From the other dialects comes what nearly everybody
//! knows who calls himself compatible with OpenAI; what OpenAI's own models refuse is left out by their names, and all
//! that is left out is reported. A stream always tells its usage: the ledger needs it (conversion.md 2).

use std::borrow::Cow;

use super::messages_out::Messages;
use super::tools_out::Tools;
use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, Destination, Dropped, Effort, Json, Outgoing, OutputTokensName, Quirks, Request, Shape, Text, Thinking,
};

/// Stop words that OpenAI takes.
const STOP_WORDS_MAX: usize = 4;
/// Bytes of `user` that OpenAI takes.
const USER_BYTES_MAX: usize = 64;

/// Members by which Chat's clients say how much is to be thought.
const WORDS_OF_REASONING: [&str; 8] = [
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "thinking_budget",
    "anthropic",
    "google",
    "extra_body",
];

/// Writes the body of `request` for `to`.
pub fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
    if request.previous.is_some() {
        return Err(BadRequest {
            member: "previous_response_id".into(),
            message: "the answer that it names is not kept here: the whole conversation is needed".into(),
        });
    }
    let Outgoing { body, dropped, names } = out;
    let (origin, family) = (request.origin, Family::of(to.model));
    let mut json = Writer::new(body);
    json.begin_object().key("model").string(to.model).key("messages");
    Messages { json: &mut json, origin, quirks: to.quirks, names, dropped }.write(request)?;
    let auto_only = to.quirks.tool_choice_auto_only;
    Tools { json: &mut json, origin, model: to.model, auto_only, names, dropped }.write(request);
    let mut body = Body { json: &mut json, own: origin == Dialect::Chat, family, dropped };
    body.stream(request, to);
    body.sampling(request);
    body.bounds(request, to.quirks);
    body.reasoning(request);
    body.shape(&request.shape);
    body.account(request);
    body.carry(request);
    json.end();
    Ok(())
}

/// What a model's name tells of OpenAI's models; others have their own rules, which their providers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Those that do not reason: up to `gpt-4`.
    Plain,
    /// `o1` and those after it.
    O,
    /// `gpt-5`.
    Five,
    /// Those behind it: `gpt-5.1`, `gpt-6`.
    Later,
    /// Somebody else's.
    Other,
}

impl Family {
    pub(super) fn of(model: &str) -> Family {
        let name = model.rsplit('/').next().unwrap_or(model);
        if let [b'o', b'1'..=b'9', rest @ ..] = name.as_bytes() {
            return if matches!(rest, [] | [b'-', ..]) { Family::O } else { Family::Other };
        }
        if name.starts_with("chatgpt-") {
            return Family::Plain;
        }
        let Some(version) = name.strip_prefix("gpt-") else { return Family::Other };
        let digits = version.bytes().take_while(u8::is_ascii_digit).count();
        match version[..digits].parse::<u32>() {
            Err(_) => Family::Other,
            Ok(0..=4) => Family::Plain,
            Ok(5) if !version[digits..].starts_with('.') => Family::Five,
            Ok(_) => Family::Later,
        }
    }

    /// Whether it refuses numbers of the sampler, and `max_tokens`.
    pub(super) fn reasons(self) -> bool {
        matches!(self, Family::O | Family::Five | Family::Later)
    }

    /// The efforts that it knows, from the least to the most.
    fn efforts(self) -> Option<(Effort, Effort)> {
        match self {
            Family::Plain => None,
            Family::O | Family::Other => Some((Effort::Low, Effort::High)),
            Family::Five => Some((Effort::Minimal, Effort::High)),
            Family::Later => Some((Effort::Low, Effort::XHigh)),
        }
    }
}

/// Writes the members beside messages and tools.
struct Body<'t, 'w> {
    json: &'t mut Writer<'w>,
    /// Whether the request was said in Chat.
    own: bool,
    family: Family,
    dropped: &'t mut Dropped,
}

impl Body<'_, '_> {
    fn stream(&mut self, request: &Request<'_>, to: &Destination<'_>) {
        if !to.stream {
            return;
        }
        self.json.key("stream").bool(true);
        if to.quirks.no_stream_options {
            return;
        }
        self.json.key("stream_options").begin_object().key("include_usage").bool(true);
        let said = request.repeat.iter().find(|(name, _)| self.own && name.eq_str("stream_options"));
        for (name, value) in said.iter().flat_map(|(_, options)| options.raw().members()) {
            if !name.eq_str("include_usage") {
                self.json.key(&name.decode()).raw(value);
            }
        }
        self.json.end();
    }

    fn number(&mut self, name: &'static str, value: Option<&Json<'_>>, says: bool) {
        match value {
            Some(value) if says => _ = self.json.key(name).raw(value.raw()),
            Some(_) => self.dropped.drop(name),
            None => {}
        }
    }

    fn sampling(&mut self, request: &Request<'_>) {
        let sampling = &request.sampling;
        let plain = self.own || !self.family.reasons();
        self.number("temperature", sampling.temperature.as_ref(), plain);
        self.number("top_p", sampling.top_p.as_ref(), plain);
        self.number("presence_penalty", sampling.presence_penalty.as_ref(), plain);
        self.number("frequency_penalty", sampling.frequency_penalty.as_ref(), plain);
        self.number("seed", sampling.seed.as_ref(), true);
        self.number("logit_bias", sampling.logit_bias.as_ref(), plain);
        // OpenAI knows none of these; many others do, and whoever speaks Chat to them knows that.
        self.number("top_k", sampling.top_k.as_ref(), self.own);
        self.number("min_p", sampling.min_p.as_ref(), self.own);
        self.number("repetition_penalty", sampling.repetition_penalty.as_ref(), self.own);
        // One answer is told, so no more are asked for.
        if sampling.n.is_some_and(|n| n != 1) {
            self.dropped.drop("n");
        }
        if let Some(logprobs) = sampling.logprobs.filter(|_| plain) {
            self.json.key("logprobs").bool(logprobs);
        }
        if let Some(top) = sampling.top_logprobs.filter(|_| plain) {
            self.json.key("top_logprobs").u64(top);
        }
    }

    fn bounds(&mut self, request: &Request<'_>, quirks: &Quirks) {
        if let Some(most) = request.output_tokens_max {
            let name = match quirks.output_tokens_name {
                OutputTokensName::Auto if self.family.reasons() => "max_completion_tokens",
                OutputTokensName::MaxCompletionTokens => "max_completion_tokens",
                OutputTokensName::Auto | OutputTokensName::MaxTokens => "max_tokens",
            };
            self.json.key(name).u64(most);
        }
        if request.stop.is_empty() {
            return;
        }
        if self.family.reasons() && !self.own {
            return self.dropped.drop("stop");
        }
        let told = if self.own { &request.stop[..] } else { first(&request.stop, STOP_WORDS_MAX) };
        if told.len() < request.stop.len() {
            self.dropped.approximate("stop");
        }
        self.json.key("stop").begin_array();
        told.iter().for_each(|word| _ = self.json.escaped(word.escaped()));
        self.json.end();
    }

    fn reasoning(&mut self, request: &Request<'_>) {
        let reasoning = &request.reasoning;
        if self.own {
            return self.own_reasoning(request);
        }
        if reasoning.summary.is_some() {
            self.dropped.drop("reasoning.summary");
        }
        if reasoning.encrypted {
            self.dropped.drop("reasoning.encrypted_content");
        }
        let wanted = match reasoning.thinking {
            Thinking::Unsaid | Thinking::Auto => return,
            Thinking::Off => return self.no_reasoning(),
            Thinking::Effort(effort) => effort,
            Thinking::Budget(tokens) => Effort::of_budget(tokens),
        };
        let Some((least, most)) = self.family.efforts() else { return self.dropped.drop("reasoning") };
        let told = wanted.clamp(least, most);
        if told != wanted {
            self.dropped.approximate("reasoning");
        }
        self.json.key("reasoning_effort").string(told.name());
    }

    /// As it was said, which `carry` repeats; else in the words of OpenAI, and for what those lack in OpenRouter's.
    fn own_reasoning(&mut self, request: &Request<'_>) {
        if request.repeat.iter().any(|(name, _)| WORDS_OF_REASONING.iter().any(|word| name.eq_str(word))) {
            return;
        }
        let effort = match request.reasoning.thinking {
            Thinking::Unsaid => return,
            Thinking::Off => "none",
            Thinking::Effort(effort) => effort.name(),
            Thinking::Auto => {
                self.json.key("reasoning").begin_object().key("enabled").bool(true).end();
                return;
            }
            Thinking::Budget(tokens) => {
                self.json.key("reasoning").begin_object().key("max_tokens").u64(u64::from(tokens)).end();
                return;
            }
        };
        self.json.key("reasoning_effort").string(effort);
    }

    fn no_reasoning(&mut self) {
        match self.family {
            Family::Plain => {}
            Family::Later => _ = self.json.key("reasoning_effort").string("none"),
            Family::O | Family::Five => {
                let least = if self.family == Family::O { Effort::Low } else { Effort::Minimal };
                self.json.key("reasoning_effort").string(least.name());
                self.dropped.approximate("reasoning");
            }
            // Each has a word of its own for it.
            Family::Other => self.dropped.drop("reasoning"),
        }
    }

    fn shape(&mut self, shape: &Shape<'_>) {
        match shape {
            Shape::Text => {}
            Shape::JsonObject => {
                self.json.key("response_format").begin_object().key("type").string("json_object").end();
            }
            Shape::JsonSchema { name, description, schema, strict } => {
                self.json.key("response_format").begin_object().key("type").string("json_schema");
                self.json.key("json_schema").begin_object().key("name");
                match name.is_empty() {
                    true => _ = self.json.string("answer"),
                    false => _ = self.json.escaped(name.escaped()),
                }
                if let Some(description) = description {
                    self.json.key("description").escaped(description.escaped());
                }
                self.json.key("schema").raw(schema.raw());
                if let Some(strict) = strict {
                    self.json.key("strict").bool(*strict);
                }
                self.json.end().end();
            }
        }
    }

    /// Who asks, and how it is accounted for.
    fn account(&mut self, request: &Request<'_>) {
        if let Some(verbosity) = &request.verbosity {
            self.json.key("verbosity").escaped(verbosity.escaped());
        }
        if let Some(user) = &request.user {
            let plain = user.decode();
            // It was told by `safety_identifier`, which is repeated.
            let told = self.own && request.repeat.iter().any(|(name, _)| name.eq_str("safety_identifier"));
            match self.own || plain.len() <= USER_BYTES_MAX {
                _ if told => {}
                true => _ = self.json.key("user").escaped(user.escaped()),
                false => {
                    self.json.key("user").string(&digest(&plain));
                    self.dropped.approximate("user");
                }
            }
        }
        if let Some(metadata) = &request.metadata {
            match matches!(request.origin, Dialect::Chat | Dialect::Responses) {
                true => _ = self.json.key("metadata").raw(metadata.raw()),
                false => self.dropped.drop("metadata"),
            }
        }
        if let Some(tier) = &request.service_tier {
            // Anthropic's word for what OpenAI calls the default.
            let tier = if tier.eq_str("standard_only") { Text::constant("default") } else { tier.as_ref() };
            self.json.key("service_tier").escaped(tier.escaped());
        }
        if let Some(key) = &request.prompt_cache_key {
            self.json.key("prompt_cache_key").escaped(key.escaped());
        }
        match request.store {
            Some(store) if self.own => _ = self.json.key("store").bool(store),
            Some(true) => self.dropped.drop("store"),
            _ => {}
        }
        let only_text = request.modalities.iter().all(|one| one.eq_str("text"));
        // Sound needs a voice, which only Chat's own `audio` names.
        let (told, left): (Vec<&Text<'_>>, Vec<_>) =
            request.modalities.iter().partition(|one| self.own || !one.eq_str("audio"));
        if !told.is_empty() && (self.own || !only_text) {
            self.json.key("modalities").begin_array();
            told.iter().for_each(|one| _ = self.json.escaped(one.escaped()));
            self.json.end();
        }
        if !left.is_empty() {
            self.dropped.drop("modalities.audio");
        }
    }

    /// What is no part of the pivot: said again to Chat, reported otherwise.
    fn carry(&mut self, request: &Request<'_>) {
        // An old completion's are none of Chat's.
        let own = self.own && !request.old_completion;
        for (name, value) in &request.carry {
            match own {
                true => _ = self.json.key(&name.decode()).raw(value.raw()),
                false => self.dropped.drop(Cow::Owned(name.decode().into_owned())),
            }
        }
        if self.own {
            for (name, value) in request.repeat.iter().filter(|(name, _)| !name.eq_str("stream_options")) {
                self.json.key(&name.decode()).raw(value.raw());
            }
        }
    }
}

fn first<T>(list: &[T], most: usize) -> &[T] {
    &list[..list.len().min(most)]
}

/// A short name for a long one, the same every time. FNV-1a in two halves.
fn digest(name: &str) -> String {
    let fnv =
        |seed: u64| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{:016x}{:016x}", fnv(0xcbf2_9ce4_8422_2325), fnv(0x9ae1_6a3b_2f90_404f))
}

#[cfg(test)]
#[path = "request_out_test.rs"]
mod tests;
