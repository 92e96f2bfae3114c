//! How much a model is told to think, and what else a request may say then.
//!
//! Anthropic refuses a budget that leaves no room, thinking beside a forced tool or behind a turn that was not thought
//! about, and numbers of the sampler beside thinking (conversion.md 20, 21). What gives way is the thinking where the
//! caller asked for both, and the numbers otherwise; each is reported.

use super::model::{Model, Told};
use crate::json::Writer;
use crate::protocol::Dialect;
use crate::protocol::ir::thinking::{self, ANTHROPIC_BUDGET_MIN};
use crate::protocol::ir::{Dropped, Effort, Json, Part, Request, Role, Sampling, Thinking, ToolChoice, Turn};

/// What is said of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) said: Said,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: u64,
}

/// The member `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// As the origin, Anthropic, said it.
    AsItWas,
    Disabled,
    Adaptive {
        /// Whether thoughts are to be told: newer models keep them back otherwise.
        shown: bool,
    },
    Budget(u32),
}

impl Plan {
    /// Whether the model thinks.
    fn thinks(&self, asked: Thinking) -> bool {
        match self.said {
            Said::Adaptive { .. } | Said::Budget(_) => true,
            Said::AsItWas => matches!(asked, Thinking::Auto | Thinking::Effort(_) | Thinking::Budget(_)),
            Said::Nothing | Said::Disabled => false,
        }
    }
}

/// What to say to `model`.
pub(super) fn plan(request: &Request<'_>, model: Model, dropped: &mut Dropped) -> Plan {
    let plan = asked(request, model, dropped);
    if !plan.thinks(request.reasoning.thinking) {
        return plan;
    }
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named { .. } | ToolChoice::Allowed { required: true, .. })
    ) && !request.tools.is_empty();
    // A budget needs thoughts before the calls that are answered now; an effort does not.
    let budget = match plan.said {
        Said::Budget(_) => true,
        Said::AsItWas => matches!(request.reasoning.thinking, Thinking::Budget(_)),
        _ => false,
    };
    if request.origin != Dialect::Anthropic && forced || budget && model.is_claude() && is_thoughtless(&request.turns) {
        dropped.drop("reasoning");
        let max_tokens = request.output_tokens_max.unwrap_or(model.output_tokens());
        return Plan { said: Said::Nothing, effort: plan.effort, max_tokens };
    }
    plan
}

fn asked(request: &Request<'_>, model: Model, dropped: &mut Dropped) -> Plan {
    let max_tokens = request.output_tokens_max.unwrap_or(model.output_tokens());
    let asked = request.reasoning.thinking;
    let nothing = Plan { said: Said::Nothing, effort: None, max_tokens };
    if request.origin == Dialect::Anthropic {
        let said = match request.repeat.iter().any(|(name, _)| name.bytes() == b"thinking") {
            true => Said::AsItWas,
            false => Said::Nothing,
        };
        let effort = if let Thinking::Effort(effort) = asked { Some(effort.name()) } else { None };
        return Plan { said, effort, ..nothing };
    }
    let adaptive = |effort: Option<Effort>| Plan {
        said: Said::Adaptive { shown: model.knows_xhigh() && is_shown(request) },
        effort: effort.map(|effort| word(effort, model)),
        max_tokens,
    };
    match (asked, model.told()) {
        (Thinking::Unsaid, _) | (Thinking::Off, Told::Never) => nothing,
        (Thinking::Off, _) => Plan { said: Said::Disabled, ..nothing },
        (_, Told::Never) => {
            dropped.drop("reasoning");
            nothing
        }
        (Thinking::Budget(0), _) => Plan { said: Said::Disabled, ..nothing },
        (Thinking::Auto, Told::Either | Told::Effort) => adaptive(None),
        (Thinking::Effort(effort), Told::Either | Told::Effort) => adaptive(Some(effort)),
        (Thinking::Budget(tokens), Told::Effort) => {
            dropped.approximate("reasoning");
            adaptive(Some(Effort::of_budget(tokens)))
        }
        (Thinking::Budget(tokens), Told::Budget | Told::Either) => budget(tokens, true, request, model),
        (Thinking::Effort(effort), Told::Budget) => budget(effort.budget(), false, request, model),
        (Thinking::Auto, Told::Budget) => budget(Effort::Medium.budget(), false, request, model),
    }
}

/// A budget and the bound around it. A budget that the caller counted stands and moves the bound; one that stands for
/// a word keeps a quarter of the bound free for the answer (conversion.md 20).
fn budget(tokens: u32, counted: bool, request: &Request<'_>, model: Model) -> Plan {
    let most = model.output_tokens_max();
    let (budget, max_tokens) = match request.output_tokens_max {
        None => {
            let max_tokens = most.min(u64::from(tokens) + model.output_tokens());
            (within(tokens, max_tokens), max_tokens)
        }
        Some(bound) if counted => thinking::anthropic_budget(tokens.min(within(tokens, most)), Some(bound)),
        // Where the bound has no room for thought, the least there is goes on top of it.
        Some(bound) if bound < 2 * u64::from(ANTHROPIC_BUDGET_MIN) => {
            thinking::anthropic_budget(ANTHROPIC_BUDGET_MIN, Some(bound))
        }
        Some(bound) => (within(tokens, bound), bound),
    };
    Plan { said: Said::Budget(budget), effort: None, max_tokens }
}

/// `tokens`, but no more than three quarters of `max_tokens` and no less than Anthropic takes.
fn within(tokens: u32, max_tokens: u64) -> u32 {
    let room = u32::try_from(max_tokens - max_tokens / 4).unwrap_or(u32::MAX);
    tokens.min(room).max(ANTHROPIC_BUDGET_MIN)
}

fn word(effort: Effort, model: Model) -> &'static str {
    match effort {
        Effort::Minimal => Effort::Low.name(),
        Effort::XHigh if !model.knows_xhigh() => Effort::High.name(),
        effort => effort.name(),
    }
}

/// Whether the caller's dialect tells thoughts without being asked, or the caller asks.
fn is_shown(request: &Request<'_>) -> bool {
    match request.origin {
        Dialect::Responses => request.reasoning.summary.is_some() || request.reasoning.shown == Some(true),
        Dialect::Gemini => request.reasoning.shown == Some(true),
        _ => request.reasoning.shown != Some(false),
    }
}

/// Whether the last turn of the assistant is one that has to begin with Anthropic's own thoughts and does not.
fn is_thoughtless(turns: &[Turn<'_>]) -> bool {
    let after = turns.iter().rev().take_while(|turn| turn.role != Role::Assistant).count();
    let (before, after) = turns.split_at(turns.len() - after);
    let answers = after.iter().flat_map(|turn| &turn.parts).any(|part| matches!(part, Part::ToolResult(_)));
    // An answer that is to be gone on with is no better.
    if !answers && !after.is_empty() {
        return false;
    }
    let len = before.iter().rev().take_while(|turn| turn.role == Role::Assistant).count();
    let mut said = before[before.len() - len..].iter().flat_map(|turn| &turn.parts);
    let first = said.find(|part| match part {
        Part::Reasoning { seal, .. } => seal.as_ref().is_some_and(|seal| seal.origin == Dialect::Anthropic),
        Part::Text { text, .. } => !text.is_empty(),
        _ => true,
    });
    first.is_some_and(|part| !matches!(part, Part::Reasoning { .. }))
}

/// Writes `thinking`, if anything is said.
pub(super) fn write(plan: &Plan, request: &Request<'_>, json: &mut Writer<'_>) {
    match plan.said {
        Said::Nothing => {}
        Said::AsItWas => {
            for (_, value) in request.repeat.iter().filter(|(name, _)| name.bytes() == b"thinking") {
                json.key("thinking").raw(value.raw());
            }
        }
        Said::Disabled => _ = json.key("thinking").begin_object().key("type").string("disabled").end(),
        Said::Adaptive { shown } => {
            json.key("thinking").begin_object().key("type").string("adaptive");
            if shown {
                json.key("display").string("summarized");
            }
            json.end();
        }
        Said::Budget(tokens) => {
            json.key("thinking").begin_object().key("type").string("enabled");
            json.key("budget_tokens").u64(tokens.into()).end();
        }
    }
}

/// Writes the numbers of the sampler that the model takes, and reports the others.
pub(super) fn sample(
    sampling: &Sampling<'_>,
    request: &Request<'_>,
    plan: &Plan,
    model: Model,
    json: &mut Writer<'_>,
    dropped: &mut Dropped,
) {
    let own = request.origin == Dialect::Anthropic;
    let thinks = plan.thinks(request.reasoning.thinking);
    let takes = own || model.samples();
    let value = |number: &Json<'_>| std::str::from_utf8(number.bytes()).ok().and_then(|text| text.parse::<f64>().ok());
    if let Some(number) = &sampling.temperature {
        match value(number) {
            Some(1.0) if thinks && takes => _ = json.key("temperature").raw(number.raw()),
            _ if !own && thinks || !takes => dropped.drop("temperature"),
            Some(above) if above > 1.0 && model.is_claude() && !own => {
                json.key("temperature").u64(1);
                dropped.approximate("temperature");
            }
            _ => _ = json.key("temperature").raw(number.raw()),
        }
    }
    if let Some(number) = &sampling.top_p {
        let near = value(number).is_some_and(|value| value >= 0.95);
        let beside = model.samples_by_one() && sampling.temperature.is_some();
        match !own && (!takes || beside || thinks && !near) {
            true => dropped.drop("top_p"),
            false => _ = json.key("top_p").raw(number.raw()),
        }
    }
    if let Some(number) = &sampling.top_k {
        match !own && (!takes || thinks) {
            true => dropped.drop("top_k"),
            false => _ = json.key("top_k").raw(number.raw()),
        }
    }
    let set = |number: &Option<Json<'_>>| number.as_ref().is_some_and(|number| value(number) != Some(0.0));
    for (name, said) in [
        ("min_p", set(&sampling.min_p)),
        ("presence_penalty", set(&sampling.presence_penalty)),
        ("frequency_penalty", set(&sampling.frequency_penalty)),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("n", sampling.n.is_some_and(|n| n != 1)),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some()),
    ] {
        if said {
            dropped.drop(name);
        }
    }
}
