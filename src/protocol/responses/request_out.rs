//! Writes a request for a Responses upstream.
//!
//! The members of the body stand here; [`super::input_out`] has the conversation and [`super::tools_out`] the tools. What
//! came in Responses' own words goes out in them: names, groups, carried members. For requests of other protocols
//! nothing is left with the vendor (`store` is false), so reasoning is asked for in the sealed form that can be sent
//! back; and what Responses takes for granted but the others do not (`strict`) is said.

use super::{input_out, tools_out};
use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::{
    BadRequest, Destination, Dropped, Effort, Names, Outgoing, Request, Sampling, Shape, Text, Thinking, media,
};

/// Least that OpenAI takes for `max_output_tokens`.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// Most letters of `safety_identifier` and `prompt_cache_key`.
const IDENTIFIER_BYTES_MAX: usize = 64;

/// What the writers of one request share.
pub(super) struct Say<'o, 'r, 'a> {
    pub(super) json: Writer<'o>,
    pub(super) dropped: &'o mut Dropped,
    pub(super) names: &'o mut Names,
    pub(super) request: &'r Request<'a>,
    pub(super) to: &'r Destination<'r>,
    /// Whether the request was said in Responses.
    pub(super) own: bool,
}

/// Writes the request.
pub fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
    media::refuse_kept_elsewhere(request, &[Dialect::Responses, Dialect::Chat])?;
    let Outgoing { body, dropped, names } = out;
    let own = request.origin == Dialect::Responses;
    let mut say = Say { json: Writer::new(body), dropped, names, request, to, own };
    say.json.begin_object().key("model").string(to.model);
    input_out::instructions(&mut say);
    input_out::input(&mut say);
    tools_out::tools(&mut say);
    say.sampling(&request.sampling);
    say.reasoning();
    say.text();
    say.bounds();
    say.account();
    say.carried();
    if to.stream {
        say.json.key("stream").bool(true);
    }
    say.json.end();
    Ok(())
}

impl Say<'_, '_, '_> {
    /// A string member, if it is said.
    pub(super) fn string(&mut self, name: &str, value: Option<&Text<'_>>) {
        if let Some(value) = value {
            self.json.key(name).escaped(value.escaped());
        }
    }

    fn sampling(&mut self, sampling: &Sampling<'_>) {
        for (name, value) in [("temperature", &sampling.temperature), ("top_p", &sampling.top_p)] {
            if let Some(value) = value {
                self.json.key(name).raw(value.raw());
            }
        }
        if let Some(count) = sampling.top_logprobs {
            self.json.key("top_logprobs").u64(count);
        }
        let unknown = [
            ("top_k", &sampling.top_k),
            ("min_p", &sampling.min_p),
            ("presence_penalty", &sampling.presence_penalty),
            ("frequency_penalty", &sampling.frequency_penalty),
            ("repetition_penalty", &sampling.repetition_penalty),
            ("seed", &sampling.seed),
            ("logit_bias", &sampling.logit_bias),
        ];
        for (name, _) in unknown.iter().filter(|(_, value)| value.is_some()) {
            self.dropped.drop(*name);
        }
        if sampling.n.is_some_and(|n| n > 1) {
            self.dropped.drop("n");
        }
        if !self.request.stop.is_empty() {
            self.dropped.drop("stop");
        }
    }

    fn reasoning(&mut self) {
        let said = &self.request.reasoning;
        let effort = match said.thinking {
            Thinking::Unsaid | Thinking::Auto => None,
            Thinking::Off if self.own => Some("none"),
            Thinking::Off => least(self.to.model),
            Thinking::Effort(effort) => Some(effort.name()),
            Thinking::Budget(tokens) => {
                self.dropped.approximate("thinking.budget_tokens");
                Some(Effort::of_budget(tokens).name())
            }
        };
        let thinks = matches!(said.thinking, Thinking::Auto | Thinking::Effort(_) | Thinking::Budget(_));
        // Who asks these vendors to think sees the thoughts, unless he says otherwise.
        let shows = matches!(self.request.origin, Dialect::Anthropic | Dialect::Gemini) && thinks;
        let shown = said.shown.unwrap_or(shows) && !self.own;
        if effort.is_some() || said.summary.is_some() || shown || self.carries("reasoning") {
            self.json.key("reasoning").begin_object();
            if let Some(effort) = effort {
                self.json.key("effort").string(effort);
            }
            match &said.summary {
                Some(summary) => self.string("summary", Some(summary)),
                None if shown => _ = self.json.key("summary").string("auto"),
                None => {}
            }
            self.carried_in("reasoning");
            self.json.end();
        }
        let sealed = said.encrypted || (!self.own && (thinks || reasons(self.to.model)));
        let logprobs = self.request.sampling.logprobs == Some(true);
        if !self.own || self.request.carry.iter().all(|(name, _)| !name.eq_str("include")) {
            let entries = [(sealed, "reasoning.encrypted_content"), (logprobs, "message.output_text.logprobs")];
            if sealed || logprobs {
                self.json.key("include").begin_array();
                entries.iter().filter(|(said, _)| *said).for_each(|(_, entry)| _ = self.json.string(entry));
                self.json.end();
            }
        }
    }

    fn text(&mut self) {
        let Request { shape, verbosity, .. } = self.request;
        if *shape == Shape::Text && verbosity.is_none() && !self.carries("text") {
            return;
        }
        self.json.key("text").begin_object();
        self.string("verbosity", verbosity.as_ref());
        match shape {
            Shape::Text => {}
            Shape::JsonObject => _ = self.json.key("format").begin_object().key("type").string("json_object").end(),
            Shape::JsonSchema { name, description, schema, strict } => {
                self.json.key("format").begin_object().key("type").string("json_schema");
                match name.is_empty() {
                    true => self.json.key("name").string("answer"),
                    false => self.json.key("name").escaped(name.escaped()),
                };
                self.string("description", description.as_ref());
                self.json.key("schema").raw(schema.raw());
                if let Some(strict) = strict {
                    self.json.key("strict").bool(*strict);
                }
                self.json.end();
            }
        }
        self.carried_in("text");
        self.json.end();
    }

    fn bounds(&mut self) {
        if let Some(tokens) = self.request.output_tokens_max {
            let raised = if self.own { tokens } else { tokens.max(OUTPUT_TOKENS_MIN) };
            if raised != tokens {
                self.dropped.approximate("max_output_tokens");
            }
            self.json.key("max_output_tokens").u64(raised);
        }
        if self.request.modalities.iter().any(|modality| !modality.eq_str("text")) {
            self.dropped.drop("modalities");
        }
    }

    /// Who asks, at which price, and what is kept of it.
    fn account(&mut self) {
        let said = self.request;
        let fits = |text: &&Text<'_>| self.own || text.decode().chars().count() <= IDENTIFIER_BYTES_MAX;
        let (user, key) = (said.user.as_ref().filter(fits), said.prompt_cache_key.as_ref().filter(fits));
        if user.is_none() && said.user.is_some() {
            self.dropped.drop("user");
        }
        if key.is_none() && said.prompt_cache_key.is_some() {
            self.dropped.drop("prompt_cache_key");
        }
        self.string("safety_identifier", user);
        self.string("prompt_cache_key", key);
        let openai = self.own || said.origin == Dialect::Chat;
        match (&said.metadata, openai) {
            (Some(metadata), true) => _ = self.json.key("metadata").raw(metadata.raw()),
            (Some(_), false) => self.dropped.drop("metadata"),
            (None, _) => {}
        }
        match &said.service_tier {
            Some(tier) if openai => self.string("service_tier", Some(tier)),
            Some(tier) if !tier.eq_str("auto") => self.dropped.drop("service_tier"),
            _ => {}
        }
        match said.store {
            Some(store) => _ = self.json.key("store").bool(store),
            None if self.own => {}
            None => _ = self.json.key("store").bool(false),
        }
        self.string("previous_response_id", said.previous.as_ref());
    }

    /// Members that the pivot has no word for.
    fn carried(&mut self) {
        for (name, value) in self.request.carry.iter().chain(self.request.repeat.iter().filter(|_| self.own)) {
            match name.decode() {
                name if !self.own => self.dropped.drop(name.into_owned()),
                name if name.starts_with("reasoning.") || name.starts_with("text.") => {}
                // Allowed for streams only.
                name if name == "stream_options" && !self.to.stream => {}
                name => _ = self.json.key(&name).raw(value.raw()),
            }
        }
    }

    /// Whether any member of `name` is carried.
    fn carries(&self, name: &str) -> bool {
        self.own && self.request.carry.iter().any(|(carried, _)| inner(name, &carried.decode()).is_some())
    }

    /// The carried members of `name`, an object that is open.
    fn carried_in(&mut self, name: &str) {
        for (carried, value) in self.request.carry.iter().filter(|_| self.own) {
            if let Some(member) = inner(name, &carried.decode()) {
                self.json.key(member).raw(value.raw());
            }
        }
    }
}

/// The member of `name` that is carried as `carried`: `text.x`.
fn inner<'c>(name: &str, carried: &'c str) -> Option<&'c str> {
    carried.strip_prefix(name)?.strip_prefix('.')
}

/// The least effort that a model of this name takes; nothing where it takes none.
fn least(model: &str) -> Option<&'static str> {
    match model {
        model if model.starts_with("gpt-5.") || model.starts_with("gpt-6") => Some("none"),
        model if model.starts_with("gpt-5") => Some("minimal"),
        model if reasons(model) => Some("low"),
        _ => None,
    }
}

/// Whether a model of this name reasons; others refuse to be asked for it.
fn reasons(model: &str) -> bool {
    let model = model.rsplit('/').next().unwrap_or(model);
    ["gpt-5", "gpt-6", "o1", "o3", "o4", "codex"].iter().any(|start| model.starts_with(start))
}

#[cfg(test)]
#[path = "request_out_test.rs"]
mod tests;
