//! Writes a request for a Gemini upstream. The model and whether a stream is asked for stand in the path, not here.
//!
//! What a Gemini client said is said again as it was, tools in his own words. Of others' requests each member has its
//! place or is reported; schemas are made fit ([`Fitting`]), and thinking is said as the model takes it ([`thinking`]).

use super::turns_out::Contents;
use crate::base::span::Span;
use crate::json::{Raw, Writer};
use crate::protocol::Dialect;
use crate::protocol::ir::schema::{Fitting, TooLarge};
use crate::protocol::ir::thinking::{self, Effort, GeminiThinking, Thinking};
use crate::protocol::ir::{
    BadRequest, CallKind, Destination, Dropped, Function, Json, Names, Outgoing, Part, Request, Shape, Text, Tool,
    ToolChoice, custom,
};

/// Most stop sequences that Gemini takes.
const STOP_MAX: usize = 5;

/// Writes `request` for the upstream `to`.
pub fn request(request: &Request<'_>, to: &Destination<'_>, out: &mut Outgoing) -> Result<(), BadRequest> {
    if request.previous.is_some() {
        return Err(BadRequest {
            member: "previous_response_id".into(),
            message: "the provider keeps no answers; the whole conversation has to be sent".into(),
        });
    }
    let native = request.origin == Dialect::Gemini;
    let Outgoing { body, dropped, names } = out;
    let mut said = Said { request, to, native, dropped, names, fitting: Fitting::default() };
    let mut json = Writer::new(body);
    json.begin_object();
    json.key("contents");
    Contents::new(native, to, said.dropped, said.names).write(request, &mut json)?;
    said.instructions(&mut json);
    said.tools(&mut json)?;
    said.tool_choice(&mut json);
    said.generation(&mut json)?;
    said.rest(&mut json);
    json.end();
    Ok(())
}

struct Said<'r, 'o> {
    request: &'r Request<'r>,
    to: &'r Destination<'r>,
    native: bool,
    dropped: &'o mut Dropped,
    names: &'o mut Names,
    fitting: Fitting,
}

impl Said<'_, '_> {
    fn instructions(&mut self, json: &mut Writer<'_>) {
        let mut parts = self.request.instructions.iter().flat_map(|instruction| &instruction.parts).peekable();
        if parts.peek().is_none() || self.to.quirks.no_system_role && !self.native {
            return;
        }
        json.key("systemInstruction").begin_object().key("parts").begin_array();
        for part in parts {
            match part {
                Part::Text { text, cache, .. } => {
                    if cache.is_some() {
                        self.dropped.drop("cache_control");
                    }
                    if !text.is_empty() || self.native {
                        json.begin_object().key("text").escaped(text.escaped()).end();
                    }
                }
                Part::Foreign { origin: Dialect::Gemini, raw } => _ = json.raw(raw.raw()),
                _ => self.dropped.drop("system.content"),
            }
        }
        json.end().end();
    }

    /// A member that is said again in the client's own words.
    fn repeated(&self, name: &str) -> Option<&Json<'_>> {
        let repeat = self.request.repeat.iter().filter(|_| self.native);
        repeat.rev().find(|(said, _)| said.eq_str(name)).map(|(_, value)| value)
    }

    fn tools(&mut self, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        if let Some(tools) = self.repeated("tools") {
            json.key("tools").raw(tools.raw());
            return Ok(());
        }
        let tools = &self.request.tools;
        let declares = |tool: &&Tool<'_>| matches!(tool, Tool::Function(_) | Tool::Custom { .. });
        let declared = tools.iter().any(|tool| declares(&tool));
        // Beside functions a search is refused by most models.
        let searches = |tool: &&Tool<'_>| matches!(tool, Tool::WebSearch(_)) && !declared;
        let own = |tool: &&Tool<'_>| matches!(tool, Tool::Foreign { origin: Dialect::Gemini, .. });
        if tools.iter().any(|tool| declares(&tool) || searches(&tool) || own(&tool)) {
            json.key("tools").begin_array();
            if declared {
                json.begin_object().key("functionDeclarations").begin_array();
                for (nth, tool) in tools.iter().enumerate().filter(|(_, tool)| declares(tool)) {
                    self.declaration(nth, tool, json)?;
                }
                json.end().end();
            }
            if tools.iter().any(|tool| searches(&tool)) {
                json.begin_object().key("googleSearch").begin_object().end().end();
            }
            for tool in tools {
                if let Tool::Foreign { origin: Dialect::Gemini, raw } = tool {
                    json.raw(raw.raw());
                }
            }
            json.end();
        }
        for tool in tools {
            match tool {
                Tool::WebSearch(search) if !declared => search.drop_but(&[], self.dropped),
                Tool::WebSearch(_) => self.dropped.drop("tools.web_search"),
                Tool::Foreign { origin, raw } if *origin != Dialect::Gemini => {
                    self.dropped.drop_foreign("tools", raw.raw());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn declaration(&mut self, nth: usize, tool: &Tool<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        json.begin_object();
        match tool {
            Tool::Function(function) => self.function(nth, function, json)?,
            Tool::Custom { name, namespace, description, format, carry } => {
                carry.iter().for_each(|(name, _)| self.dropped.drop(format!("tools.{}", name.decode())));
                let said = self.names.say(name, namespace.as_ref(), CallKind::Custom);
                let description = custom::description(description.as_ref(), format.as_ref());
                json.key("name").escaped(said.escaped()).key("description").escaped(description.escaped());
                self.schema(nth, "parameters", "parametersJsonSchema", custom::schema().raw(), json)?;
            }
            _ => {}
        }
        json.end();
        Ok(())
    }

    fn function(&mut self, nth: usize, function: &Function<'_>, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        let said = match self.native {
            true => function.name.as_ref().into_owned(),
            false => self.names.say(&function.name, function.namespace.as_ref(), CallKind::Function),
        };
        json.key("name").escaped(said.escaped());
        if let Some(description) = &function.description {
            json.key("description").escaped(description.escaped());
        }
        if let Some(parameters) = &function.parameters {
            self.schema(nth, "parameters", "parametersJsonSchema", parameters.raw(), json)?;
        }
        if function.strict == Some(true) {
            self.dropped.drop("tools.strict");
        }
        if function.cache.is_some() {
            self.dropped.drop("cache_control");
        }
        for (name, value) in &function.carry {
            match self.native {
                true => _ = json.key(&name.decode()).raw(value.raw()),
                false => self.dropped.drop(format!("tools.{}", name.decode())),
            }
        }
        Ok(())
    }

    /// A schema under the name that the provider knows it by.
    fn schema(
        &mut self,
        nth: usize,
        plain: &'static str,
        whole: &'static str,
        schema: Raw<'_>,
        json: &mut Writer<'_>,
    ) -> Result<(), BadRequest> {
        if self.to.quirks.json_schema_tools {
            json.key(whole).raw(schema);
            return Ok(());
        }
        let fitted = self.fitting.fit(schema).map_err(|TooLarge| BadRequest {
            member: if plain == "parameters" {
                format!("tools.{nth}.parameters").into()
            } else {
                "response_format".into()
            },
            message: "the schema, its references inlined, is larger than the limit".into(),
        })?;
        // A Gemini client means his own vendor, who knows both forms.
        if self.native && fitted.lossy {
            json.key(whole).raw(schema);
            return Ok(());
        }
        if fitted.lossy {
            self.dropped.approximate(if plain == "parameters" { "tools.parameters" } else { "response_format.schema" });
        }
        if let Ok(schema) = Raw::parse(&fitted.json)
            && !(fitted.empty && plain == "parameters")
        {
            json.key(plain).raw(schema);
        }
        Ok(())
    }

    fn tool_choice(&mut self, json: &mut Writer<'_>) {
        if self.request.parallel_tools == Some(false) {
            self.dropped.drop("parallel_tool_calls");
        }
        if let Some(config) = self.repeated("toolConfig") {
            json.key("toolConfig").raw(config.raw());
            return;
        }
        let Some(choice) = &self.request.tool_choice else { return };
        let native = self.native;
        let custom = |name: &Text<'_>| {
            let is = |tool: &Tool<'_>| matches!(tool, Tool::Custom { name: own, .. } if own == name);
            if self.request.tools.iter().any(is) { CallKind::Custom } else { CallKind::Function }
        };
        let names = &mut *self.names;
        let mut say = |name: &Text<'_>, namespace: Option<&Text<'_>>, kind| match native {
            true => name.as_ref().into_owned(),
            false => names.say(name, namespace, kind),
        };
        let (mode, allowed) = match choice {
            ToolChoice::Auto => ("AUTO", Vec::new()),
            ToolChoice::None => ("NONE", Vec::new()),
            ToolChoice::Required => ("ANY", Vec::new()),
            ToolChoice::Named { name, namespace, kind } => ("ANY", vec![say(name, namespace.as_ref(), *kind)]),
            ToolChoice::Allowed { required, names } => {
                let mode = if *required { "ANY" } else { "VALIDATED" };
                (mode, names.iter().map(|name| say(name, None, custom(name))).collect())
            }
            ToolChoice::Foreign(raw) if native => {
                json.key("toolConfig").begin_object().key("functionCallingConfig").raw(raw.raw()).end();
                return;
            }
            ToolChoice::Foreign(_) => return self.dropped.drop("tool_choice"),
        };
        let (mode, allowed) = match mode {
            "ANY" | "VALIDATED" if self.to.quirks.tool_choice_auto_only => {
                self.dropped.approximate("tool_choice");
                ("AUTO", Vec::new())
            }
            _ => (mode, allowed),
        };
        // A choice among no tools is refused.
        if !native && !self.request.tools.iter().any(|tool| matches!(tool, Tool::Function(_) | Tool::Custom { .. })) {
            return;
        }
        json.key("toolConfig").begin_object().key("functionCallingConfig").begin_object().key("mode").string(mode);
        if !allowed.is_empty() {
            json.key("allowedFunctionNames").begin_array();
            allowed.iter().for_each(|name| _ = json.escaped(name.escaped()));
            json.end();
        }
        json.end().end();
    }

    fn generation(&mut self, json: &mut Writer<'_>) -> Result<(), BadRequest> {
        let mut inner = Vec::new();
        let mut config = Writer::new(&mut inner);
        config.begin_object();
        self.sampling(&mut config);
        if let Some(most) = self.request.output_tokens_max {
            config.key("maxOutputTokens").u64(most);
        }
        if !self.request.stop.is_empty() {
            let most = if self.native { usize::MAX } else { STOP_MAX };
            if self.request.stop.len() > most {
                self.dropped.approximate("stop");
            }
            config.key("stopSequences").begin_array();
            self.request.stop.iter().take(most).for_each(|word| _ = config.escaped(word.escaped()));
            config.end();
        }
        self.shape(&mut config)?;
        if !self.request.modalities.is_empty() {
            config.key("responseModalities").begin_array();
            for modality in &self.request.modalities {
                config.string(&modality.decode().to_ascii_uppercase());
            }
            config.end();
        }
        self.thinking(&mut config);
        let repeat = self.request.repeat.iter().chain(&self.request.carry).filter(|_| self.native);
        for (name, value) in repeat {
            if let Some(name) = name.decode().strip_prefix("generationConfig.").filter(|name| !name.contains('.')) {
                config.key(name).raw(value.raw());
            }
        }
        config.end();
        if inner != b"{}" {
            json.key("generationConfig").raw(Raw::at(&inner, Span::new(0, inner.len())));
        }
        Ok(())
    }

    fn sampling(&mut self, config: &mut Writer<'_>) {
        let sampling = &self.request.sampling;
        // Gemini's seed is a number of 32 bits.
        let fits = |seed: &&Json<'_>| std::str::from_utf8(seed.bytes()).is_ok_and(|seed| seed.parse::<i32>().is_ok());
        let seed = sampling.seed.as_ref().filter(|seed| self.native || fits(seed));
        for (name, value) in [
            ("temperature", sampling.temperature.as_ref()),
            ("topP", sampling.top_p.as_ref()),
            ("topK", sampling.top_k.as_ref()),
            ("presencePenalty", sampling.presence_penalty.as_ref()),
            ("frequencyPenalty", sampling.frequency_penalty.as_ref()),
            ("seed", seed),
        ] {
            if let Some(value) = value {
                config.key(name).raw(value.raw());
            }
        }
        match sampling.n {
            Some(n) if self.native => _ = config.key("candidateCount").u64(n),
            Some(2..) => self.dropped.drop("n"),
            _ => {}
        }
        if let Some(told) = sampling.logprobs {
            config.key("responseLogprobs").bool(told);
        }
        if let Some(most) = sampling.top_logprobs.filter(|_| sampling.logprobs == Some(true)) {
            config.key("logprobs").u64(most);
        }
        for (name, said) in [
            ("seed", sampling.seed.is_some() && seed.is_none()),
            ("min_p", sampling.min_p.is_some()),
            ("repetition_penalty", sampling.repetition_penalty.is_some()),
            ("logit_bias", sampling.logit_bias.is_some()),
        ] {
            if said {
                self.dropped.drop(name);
            }
        }
    }

    fn shape(&mut self, config: &mut Writer<'_>) -> Result<(), BadRequest> {
        if self.request.shape == Shape::Text {
            return Ok(());
        }
        // Older models refuse JSON as a form beside functions.
        if !self.native
            && is_old(self.to.model)
            && self.request.tools.iter().any(|tool| matches!(tool, Tool::Function(_)))
        {
            self.dropped.drop("response_format");
            return Ok(());
        }
        config.key("responseMimeType").string("application/json");
        if self.repeated("generationConfig.responseSchema").is_some()
            || self.repeated("generationConfig.responseJsonSchema").is_some()
        {
            return Ok(());
        }
        if let Shape::JsonSchema { schema, description, .. } = &self.request.shape {
            if description.is_some() {
                self.dropped.drop("response_format.description");
            }
            self.schema(0, "responseSchema", "responseJsonSchema", schema.raw(), config)?;
        }
        Ok(())
    }

    fn thinking(&mut self, config: &mut Writer<'_>) {
        let reasoning = &self.request.reasoning;
        let told = match (thinking::gemini(reasoning.thinking, self.to.model), reasoning.thinking) {
            // A model that nobody here knows is told in the words that its client chose.
            (Some(GeminiThinking::Budget(_)), Thinking::Effort(effort)) if self.native && !is_old(self.to.model) => {
                level(effort).or(thinking::gemini(reasoning.thinking, self.to.model))
            }
            (told, _) => told,
        };
        let thinks = !matches!(reasoning.thinking, Thinking::Unsaid | Thinking::Off);
        if thinks && told.is_none() && reasoning.thinking != Thinking::Auto {
            self.dropped.drop("reasoning");
            return;
        }
        // Who asks for thought in another dialect sees it there without asking again.
        let asked = (thinks || reasoning.summary.is_some()) && !self.native;
        let shown = reasoning.shown.or(asked.then_some(true));
        if told.is_none() && shown.is_none() {
            return;
        }
        config.key("thinkingConfig").begin_object();
        if let Some(shown) = shown {
            config.key("includeThoughts").bool(shown);
        }
        match told {
            Some(GeminiThinking::Budget(-1)) => {
                config.key("thinkingBudget").raw(Json::constant("-1").raw());
            }
            Some(GeminiThinking::Budget(tokens)) => _ = config.key("thinkingBudget").u64(tokens.unsigned_abs()),
            Some(GeminiThinking::Level(level)) => _ = config.key("thinkingLevel").string(level),
            None => {}
        }
        for (name, value) in self.request.carry.iter().filter(|_| self.native) {
            if let Some(name) = name.decode().strip_prefix("generationConfig.thinkingConfig.") {
                config.key(name).raw(value.raw());
            }
        }
        config.end();
    }

    /// Members of the body beside those that all requests have.
    fn rest(&mut self, json: &mut Writer<'_>) {
        let request = self.request;
        if let Some(tier) = request.service_tier.as_ref() {
            match &*tier.decode() {
                "auto" | "default" | "standard_only" if !self.native => {}
                said @ ("flex" | "priority") => _ = json.key("serviceTier").string(said),
                said if self.native => _ = json.key("serviceTier").string(said),
                _ => self.dropped.drop("service_tier"),
            }
        }
        if let Some(store) = request.store {
            match (self.native, store) {
                (true, _) => _ = json.key("store").bool(store),
                (false, true) => self.dropped.drop("store"),
                (false, false) => {}
            }
        }
        for (name, said) in [
            ("verbosity", request.verbosity.is_some()),
            ("user", request.user.is_some()),
            ("metadata", request.metadata.is_some()),
            ("prompt_cache_key", request.prompt_cache_key.is_some()),
            ("messages.name", request.turns.iter().any(|turn| turn.name.is_some())),
        ] {
            if said {
                self.dropped.drop(name);
            }
        }
        for (name, value) in &request.carry {
            let name = name.decode();
            match self.native {
                true if name.contains('.') => {}
                true => _ = json.key(&name).raw(value.raw()),
                false => self.dropped.drop(name.into_owned()),
            }
        }
    }
}

/// Gemini's word for an effort, which goes up to `HIGH`.
fn level(effort: Effort) -> Option<GeminiThinking> {
    Some(GeminiThinking::Level(match effort {
        Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::XHigh | Effort::Max => return None,
    }))
}

/// Whether the model is of the generations before Gemini 3, which take less.
pub(super) fn is_old(model: &str) -> bool {
    let has = |word: &str| model.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    has("gemini-2") || has("gemini-1")
}

#[cfg(test)]
#[path = "request_out_test.rs"]
mod tests;
