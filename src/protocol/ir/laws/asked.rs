//! Requests that anybody might send.
//!
//! Conversations are such as agents have: both sides in turn, each call answered by a result, instructions first.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::said::{call, object, opaque, signature, words};
use crate::protocol::Dialect;
use crate::protocol::ir::*;

fn media() -> impl Strategy<Value = Part<'static>> {
    let source = prop_oneof![
        3 => opaque().prop_map(Source::Base64),
        1 => "https://[a-z]{2,8}\\.example/[a-z]{1,6}".prop_map(|url| Source::Url(Text::plain(&url))),
    ];
    source.prop_map(|source| {
        let media_type = matches!(source, Source::Base64(_)).then(|| Text::constant("image/png"));
        Part::Media(Media {
            kind: MediaKind::Image,
            source,
            media_type,
            name: None,
            detail: None,
            cache: None,
            carry: Vec::new(),
        })
    })
}

fn text_part() -> impl Strategy<Value = Part<'static>> {
    words().prop_map(Part::text)
}

/// A user says something, the assistant thinks, speaks and calls, the results come.
fn exchange() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let asked = vec(prop_oneof![3 => text_part(), 1 => media()], 1..3);
    let reasoning =
        (words(), signature()).prop_map(|(text, seal)| Part::Reasoning { text, seal, id: None, summary: false });
    let calls = vec((call(), vec(text_part(), 1..2), any::<bool>()), 0..3);
    (asked, of(reasoning), of(text_part()), calls).prop_map(|(asked, reasoning, said, calls)| {
        let mut parts: Vec<Part<'static>> = reasoning.into_iter().chain(said).collect();
        let mut results = Vec::new();
        for (call, content, failed) in calls {
            results.push(Part::ToolResult(ToolResult {
                id: Text::default(),
                name: Some(call.name.clone()),
                kind: CallKind::Function,
                content,
                json: None,
                failed,
                cache: None,
                carry: Vec::new(),
            }));
            parts.push(Part::ToolCall(call));
        }
        let turn = |role, parts| Turn { role, name: None, parts };
        let mut turns = vec![turn(Role::User, asked)];
        if !parts.is_empty() {
            turns.push(turn(Role::Assistant, parts));
        }
        if !results.is_empty() {
            turns.push(turn(Role::User, results));
        }
        turns
    })
}

fn tool() -> impl Strategy<Value = Tool<'static>> {
    (of(words()), of("[a-z]{1,6}"), any::<bool>()).prop_map(|(description, property, strict)| {
        let parameters = property.map(|name| {
            let schema = format!(
                r#"{{"type":"object","properties":{{"{name}":{{"type":"string","enum":["a","b"]}}}},"required":["{name}"]}}"#
            );
            Json::written(schema.into_bytes())
        });
        Tool::Function(Function {
            name: Text::default(),
            namespace: None,
            description,
            parameters,
            strict: strict.then_some(true),
            cache: None,
            carry: Vec::new(),
        })
    })
}

fn number() -> impl Strategy<Value = Json<'static>> {
    select(vec!["0", "0.10", "1", "0.5"]).prop_map(Json::constant)
}

fn whole_number() -> impl Strategy<Value = Json<'static>> {
    select(vec!["1", "40", "12345"]).prop_map(Json::constant)
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    let numbers = (of(number()), of(number()), of(whole_number()), of(number()), of(number()), of(number()));
    (numbers, of(number()), of(whole_number()), of(any::<bool>())).prop_map(
        |(
            (temperature, top_p, top_k, min_p, presence_penalty, frequency_penalty),
            repetition_penalty,
            seed,
            logprobs,
        )| {
            Sampling {
                temperature,
                top_p,
                top_k,
                min_p,
                presence_penalty,
                frequency_penalty,
                repetition_penalty,
                seed,
                n: None,
                logit_bias: None,
                logprobs,
                top_logprobs: logprobs.filter(|asked| *asked).map(|_| 3),
            }
        },
    )
}

fn thinking() -> impl Strategy<Value = Thinking> {
    prop_oneof![
        Just(Thinking::Unsaid),
        Just(Thinking::Off),
        Just(Thinking::Auto),
        select(Effort::ALL.to_vec()).prop_map(Thinking::Effort),
        (1_024_u32..60_000).prop_map(Thinking::Budget),
    ]
}

/// How Anthropic's clients say it: its encoder repeats the member as they wrote it.
fn thinking_member(thinking: Thinking) -> Option<(Text<'static>, Json<'static>)> {
    let member = match thinking {
        Thinking::Off => r#"{"type":"disabled"}"#.to_owned(),
        Thinking::Auto => r#"{"type":"adaptive"}"#.to_owned(),
        Thinking::Budget(tokens) => format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#),
        Thinking::Unsaid | Thinking::Effort(_) => return None,
    };
    Some((Text::constant("thinking"), Json::written(member.into_bytes())))
}

fn shape() -> impl Strategy<Value = Shape<'static>> {
    prop_oneof![
        4 => Just(Shape::Text),
        1 => Just(Shape::JsonObject),
        1 => of(any::<bool>()).prop_map(|strict| Shape::JsonSchema {
            name: Text::constant("answer"),
            description: None,
            schema: Json::constant(r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#),
            strict,
        }),
    ]
}

/// Which tool is to be called, by its number where one is named.
fn choice() -> impl Strategy<Value = Option<Result<ToolChoice<'static>, usize>>> {
    of(prop_oneof![
        select(vec![ToolChoice::Auto, ToolChoice::None, ToolChoice::Required]).prop_map(Ok),
        any::<usize>().prop_map(Err),
    ])
}

/// Any request of `origin`.
pub(in crate::protocol) fn request(origin: Dialect) -> impl Strategy<Value = Request<'static>> {
    let talk = (of(words()), vec(exchange(), 1..4), text_part());
    let tools = (vec(tool(), 0..3), choice(), of(any::<bool>()));
    let bounds = (of(1_u64..100_000), vec(words(), 0..3), any::<bool>(), of(object()));
    (talk, tools, (sampling(), thinking(), shape()), bounds).prop_map(move |(talk, tools, numbers, bounds)| {
        let (instruction, exchanges, last) = talk;
        let mut request = Request::new(origin);
        request.model = Text::constant("a-model");
        if let Some(text) = instruction {
            request.instructions.push(Instruction { role: Role::System, parts: vec![Part::text(text)] });
        }
        request.turns = exchanges.into_iter().flatten().collect();
        request.turns.push(Turn { role: Role::User, name: None, parts: vec![last] });
        number_calls(&mut request.turns);
        (request.tools, request.parallel_tools) = (tools.0, tools.2);
        for (nth, tool) in request.tools.iter_mut().enumerate() {
            let Tool::Function(function) = tool else { continue };
            function.name = Text::plain(&format!("tool_{nth}"));
        }
        request.tool_choice = tools.1.and_then(|choice| match choice {
            Ok(choice) => Some(choice),
            Err(nth) => (!request.tools.is_empty()).then(|| ToolChoice::Named {
                name: Text::plain(&format!("tool_{}", nth % request.tools.len())),
                namespace: None,
                kind: CallKind::Function,
            }),
        });
        (request.sampling, request.reasoning.thinking, request.shape) = numbers;
        (request.output_tokens_max, request.stop, request.stream) = (bounds.0, bounds.1, bounds.2);
        request.carry = bounds.3.into_iter().map(|value| (Text::constant("x_weir_law"), value)).collect();
        if origin == Dialect::Anthropic {
            request.repeat.extend(thinking_member(request.reasoning.thinking));
        }
        request
    })
}

/// Gives each call an id, and its result the same.
fn number_calls(turns: &mut [Turn<'static>]) {
    let (mut calls, mut results) = (0, 0);
    for part in turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        let (id, count) = match part {
            Part::ToolCall(call) => (&mut call.id, &mut calls),
            Part::ToolResult(result) => (&mut result.id, &mut results),
            _ => continue,
        };
        *id = Text::plain(&format!("call_{count}"));
        *count += 1;
    }
}
