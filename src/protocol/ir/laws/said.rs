//! Requests, answers and sequences of events that anybody might say, for the laws to be asked about.
//!
//! Texts hold what breaks careless copies: quotes, line ends, control characters, halves of surrogate pairs, tags,
//! and letters that are escaped although they need not be. Calls have ids, and names that every vendor takes.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::json::Escaped;
use crate::protocol::Dialect;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::seal::SealKind;
use crate::protocol::ir::*;
use crate::protocol::sniff::Usage;

/// A whole answer whose members can be looked at and changed.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::protocol) struct Answer {
    pub(in crate::protocol) id: Text<'static>,
    pub(in crate::protocol) model: Text<'static>,
    pub(in crate::protocol) parts: Vec<Whole>,
    pub(in crate::protocol) usage: Usage,
    pub(in crate::protocol) stop: Stop<'static>,
    /// The word of `Stop::Word`, which is empty there.
    pub(in crate::protocol) word: Text<'static>,
}

impl Answer {
    pub(in crate::protocol) fn of(response: &Response) -> Answer {
        let (stop, word) = match response.stop() {
            Stop::Word(word) => (Stop::Word(Escaped::EMPTY), Text::from(word).into_owned()),
            Stop::EndTurn => (Stop::EndTurn, Text::default()),
            Stop::ToolUse => (Stop::ToolUse, Text::default()),
            Stop::Length => (Stop::Length, Text::default()),
            Stop::ContextFull => (Stop::ContextFull, Text::default()),
            Stop::Filter => (Stop::Filter, Text::default()),
            Stop::Refusal => (Stop::Refusal, Text::default()),
            Stop::Pause => (Stop::Pause, Text::default()),
        };
        let Response { id, model, parts, usage, .. } = response.clone();
        Answer { id, model, parts, usage, stop, word }
    }

    pub(in crate::protocol) fn response(&self) -> Response {
        let mut assembler = Assembler::new(usize::MAX);
        tell(self, &Order::default(), &mut |event| assembler.event(event).expect("it has no bound"));
        assembler.finish().expect("it ends").expect("it is whole")
    }

    pub(in crate::protocol) fn stop(&self) -> Stop<'_> {
        match self.stop {
            Stop::Word(_) => Stop::Word(self.word.escaped()),
            stop => stop,
        }
    }
}

/// How an answer is told.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Order {
    /// What decides, step by step and again from the start, how much is told and of which part.
    pub(in crate::protocol) steps: Vec<u8>,
    /// Which parts may be open at once.
    pub(in crate::protocol) mix: Mix,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol) enum Mix {
    /// None.
    #[default]
    Nothing,
    /// Calls that follow each other.
    Calls,
    /// Any.
    Everything,
}

/// Tells `answer` as events.
pub(in crate::protocol) fn tell(answer: &Answer, order: &Order, sink: &mut impl FnMut(&Event<'_>)) {
    let mut steps = order.steps.iter().copied().cycle();
    let mut step = || steps.next().unwrap_or(0xff);
    sink(&Event::Start { id: answer.id.escaped(), model: answer.model.escaped() });
    let mut open: Vec<(u32, &Whole, std::vec::IntoIter<Delta<'_>>)> = Vec::new();
    let mut parts = (0..).zip(&answer.parts).peekable();
    let mut asides = if order.steps.is_empty() { 0 } else { 8 };
    loop {
        let may_open = parts.peek().is_some_and(|(_, next)| match order.mix {
            _ if open.is_empty() => true,
            Mix::Nothing => false,
            Mix::Calls => open.iter().map(|open| open.1).chain([*next]).all(|part| matches!(part, Whole::ToolCall(_))),
            Mix::Everything => open.len() < 3,
        });
        let choice = step();
        match choice {
            0xf0..0xf8 if asides > 0 => {
                asides -= 1;
                sink(&Event::Ping);
            }
            0xe8..0xf0 if answer.usage.is_said() && asides > 0 => {
                asides -= 1;
                sink(&Event::Usage(Usage { output: None, reasoning: None, ..answer.usage }));
            }
            _ if may_open && (open.is_empty() || choice % 3 == 0) => {
                let (at, part) = parts.next().expect("it was there");
                sink(&Event::Open { at, kind: part.kind() });
                let mut rest = deltas(part, &mut step).into_iter();
                if matches!(part, Whole::ToolCall(call) if call.seal.is_some()) {
                    rest.next().into_iter().for_each(|delta| sink(&Event::Fill { at, delta }));
                }
                open.push((at, part, rest));
            }
            _ if open.is_empty() => break,
            _ => {
                let nth = usize::from(choice) % open.len();
                let at = open[nth].0;
                match open[nth].2.next() {
                    Some(delta) => sink(&Event::Fill { at, delta }),
                    None => {
                        sink(&Event::Close { at });
                        open.remove(nth);
                    }
                }
            }
        }
    }
    sink(&Event::Stop(answer.stop()));
    if answer.usage.is_said() {
        sink(&Event::Usage(answer.usage));
    }
    sink(&Event::End);
}

/// What a part holds, its texts in pieces.
fn deltas<'a>(part: &'a Whole, step: &mut impl FnMut() -> u8) -> Vec<Delta<'a>> {
    let mut all = Vec::new();
    let seal = |seal: &'a Option<Seal<'static>>| seal.iter().map(|seal| Delta::Seal(seal.clone()));
    match part {
        Whole::Text { text, citations, seal: sealed } => {
            all.extend(pieces(text, step).map(Delta::Text));
            all.extend(citations.iter().map(|(origin, raw)| Delta::Citation { origin: *origin, raw: raw.raw() }));
            all.extend(seal(sealed));
        }
        Whole::Refusal(text) => all.extend(pieces(text, step).map(Delta::Text)),
        Whole::Reasoning { text, seal: sealed, .. } => {
            all.extend(pieces(text, step).map(Delta::Text));
            all.extend(seal(sealed));
        }
        Whole::ToolCall(call) => {
            all.extend(seal(&call.seal));
            match &call.input {
                Input::Json(json) => all.push(Delta::Json(json.raw())),
                Input::Text(text) | Input::Free(text) => all.extend(pieces(text, step).map(Delta::Input)),
            }
        }
        Whole::Media { media_type, base64 } => {
            all.push(Delta::Media { media_type: media_type.escaped(), base64: base64.escaped() });
        }
        Whole::Foreign { more, .. } => all.extend(more.iter().map(|raw| Delta::Foreign(raw.raw()))),
    }
    all
}

/// `text` in pieces, none of which ends inside an escape or a character.
fn pieces<'a>(text: &'a Text<'static>, step: &mut impl FnMut() -> u8) -> std::vec::IntoIter<Escaped<'a>> {
    let bytes = text.bytes();
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        at += match bytes[at..] {
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            [0xf0..=0xff, ..] => 4,
            [0xe0..=0xef, ..] => 3,
            [0xc0..=0xdf, ..] => 2,
            _ => 1,
        };
        ends.push(at);
    }
    let (mut all, mut from, mut left) = (Vec::new(), 0, step() % 9);
    for end in ends {
        match left {
            0 => {
                all.push(Escaped::at(bytes, crate::base::span::Span::new(from, end)));
                (from, left) = (end, step() % 9);
            }
            _ => left -= 1,
        }
    }
    if from < bytes.len() {
        all.push(Escaped::at(bytes, crate::base::span::Span::new(from, bytes.len())));
    }
    all.into_iter()
}

/// Orders in which at most `mix` is told at once.
pub(in crate::protocol) fn order(mix: Mix) -> impl Strategy<Value = Order> {
    vec(any::<u8>(), 0..24).prop_map(move |steps| Order { steps, mix })
}

/// Any text, escaped in any way.
pub(in crate::protocol) fn text() -> impl Strategy<Value = Text<'static>> {
    let pieces = prop_oneof![
        4 => "[a-z]{1,6} ?",
        1 => select(vec!["\"", "\\", "/", "\n", "\r\n", "\t", "\0", "\u{7f}", "é", "工具", "😀", "\u{2028}", "\u{feff}"])
            .prop_map(str::to_owned),
        1 => select(vec!["<think>", "</think>", "data: [DONE]\n\n", "{\"a\":[", "null", "\\u0041"]).prop_map(str::to_owned),
    ];
    vec((pieces, 0_u8..4), 0..6).prop_map(|pieces| {
        let mut out = Vec::new();
        for (plain, style) in pieces {
            match style {
                0 => plain.encode_utf16().for_each(|unit| out.extend_from_slice(format!("\\u{unit:04x}").as_bytes())),
                1 => Text::plain(&plain).bytes().iter().for_each(|byte| match byte {
                    b'/' => out.extend_from_slice(b"\\/"),
                    byte => out.push(*byte),
                }),
                _ => out.extend_from_slice(Text::plain(&plain).bytes()),
            }
        }
        Text::joined(out)
    })
}

/// Text that says something.
pub(in crate::protocol) fn words() -> impl Strategy<Value = Text<'static>> {
    (text(), "[a-z]{1,5}").prop_map(|(text, more)| Text::joined([text.bytes(), more.as_bytes()].concat()))
}

fn name() -> impl Strategy<Value = Text<'static>> {
    "[a-zA-Z_][a-zA-Z0-9_-]{0,20}".prop_map(|name| Text::plain(&name))
}

/// What only a vendor reads; base64, as all of them are.
pub(super) fn opaque() -> impl Strategy<Value = Text<'static>> {
    "[A-Za-z0-9+/]{4,24}={0,2}".prop_map(|data| Text::plain(&data))
}

fn dialect() -> impl Strategy<Value = Dialect> {
    select(Dialect::ALL.to_vec())
}

/// Any JSON value, numbers of many digits among them.
fn value() -> impl Strategy<Value = String> {
    let quoted = text().prop_map(|text| format!("\"{}\"", String::from_utf8_lossy(text.bytes())));
    let plain = select(vec!["null", "true", "0", "-1.50", "1e9", "123456789012345678901234567890", "[]", "{}"]);
    let leaf = prop_oneof![quoted, plain.prop_map(str::to_owned)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(","))),
            vec(("[a-z]{1,4}", inner), 0..3).prop_map(|all| {
                let member = |(nth, (name, value)): (usize, &(String, String))| format!("\"{name}{nth}\":{value}");
                format!("{{{}}}", all.iter().enumerate().map(member).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// Any JSON object.
pub(in crate::protocol) fn object() -> impl Strategy<Value = Json<'static>> {
    vec(value(), 0..3).prop_map(|values| {
        let member = |(nth, value): (usize, &String)| format!("\"m{nth}\":{value}");
        let members: Vec<_> = values.iter().enumerate().map(member).collect();
        Json::written(format!("{{{}}}", members.join(",")).into_bytes())
    })
}

fn seal(kind: SealKind) -> impl Strategy<Value = Seal<'static>> {
    (dialect(), opaque()).prop_map(move |(origin, data)| Seal { origin, kind, data })
}

pub(super) fn signature() -> impl Strategy<Value = Option<Seal<'static>>> {
    of(prop_oneof![seal(SealKind::Signature), seal(SealKind::Encrypted)])
}

fn input() -> impl Strategy<Value = Input<'static>> {
    prop_oneof![
        object().prop_map(Input::Json),
        object().prop_map(|json| Input::Text(Text::plain(std::str::from_utf8(json.bytes()).expect("UTF-8")))),
    ]
}

pub(super) fn call() -> impl Strategy<Value = ToolCall<'static>> {
    (name(), input(), of(seal(SealKind::Call))).prop_map(|(name, input, seal)| ToolCall {
        id: Text::default(),
        name,
        namespace: None,
        kind: CallKind::Function,
        input,
        seal,
        cache: None,
        carry: Vec::new(),
    })
}

fn whole() -> impl Strategy<Value = Whole> {
    prop_oneof![
        4 => text().prop_map(|text| Whole::Text { text, citations: Vec::new(), seal: None }),
        1 => text().prop_map(Whole::Refusal),
        3 => (text(), signature(), any::<bool>())
            .prop_map(|(text, seal, summary)| Whole::Reasoning { text, seal, summary }),
        4 => call().prop_map(Whole::ToolCall),
        1 => opaque().prop_map(|base64| Whole::Media { media_type: Text::constant("image/png"), base64 }),
        1 => (dialect(), object(), vec(object(), 0..2))
            .prop_map(|(origin, raw, more)| Whole::Foreign { origin, raw, more }),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    (of((1_u64..5_000, 1_u64..5_000)), of(0_u64..500), of(0_u64..500), of(0_u64..500)).prop_map(
        |(said, cache_read, cache_write, reasoning)| match said {
            None => Usage::default(),
            Some((input, output)) => {
                let cached = cache_read.unwrap_or(0) + cache_write.unwrap_or(0);
                let (input, output) = (Some(input + cached), Some(output + reasoning.unwrap_or(0)));
                Usage { input, output, cache_read, cache_write, reasoning }
            }
        },
    )
}

/// Any answer.
pub(in crate::protocol) fn answer() -> impl Strategy<Value = Answer> {
    let stops = vec![
        Stop::EndTurn,
        Stop::ToolUse,
        Stop::Length,
        Stop::ContextFull,
        Stop::Word(Escaped::EMPTY),
        Stop::Filter,
        Stop::Refusal,
        Stop::Pause,
    ];
    (vec(whole(), 0..6), usage(), select(stops), words()).prop_map(|(mut parts, usage, stop, word)| {
        let mut calls = 0;
        for part in &mut parts {
            if let Whole::ToolCall(call) = part {
                call.id = Text::plain(&format!("call_{calls}"));
                calls += 1;
            }
        }
        let stop = stop.settled(calls > 0);
        let word = if matches!(stop, Stop::Word(_)) { word } else { Text::default() };
        Answer { id: Text::constant("up-1"), model: Text::constant("a-model"), parts, usage, stop, word }
    })
}
