use super::*;
use crate::json::Raw;
use crate::protocol::Dialect;
use crate::protocol::ir::{Opening, Stop};

fn escaped(text: &'static str) -> Escaped<'static> {
    Raw::parse(text.as_bytes()).expect("JSON").as_str().expect("a string")
}

fn stage(names: Names, secret: &str) -> Stage {
    Stage::new(&mut Answering {
        client: Dialect::Responses,
        upstream: Dialect::Chat,
        names,
        think_tag: None,
        model: "up \"1\"".to_owned(),
        secret: Secret::new(secret),
        opening: Opening::default(),
    })
}

fn told(stage: &mut Stage, events: &[Event<'_>]) -> Vec<String> {
    let mut told = Vec::new();
    let text = |text: Escaped<'_>| String::from_utf8(text.bytes().to_vec()).unwrap();
    for event in events {
        stage.event(event.clone(), &mut |event| {
            told.push(match event {
                Event::Start { model, .. } => format!("start {}", text(model)),
                Event::Open { at, kind: PartKind::ToolCall { name, namespace, kind, .. } } => {
                    format!("open {at} {}/{} {kind:?}", text(namespace), text(name))
                }
                Event::Fill { at, delta: Delta::Input(more) } => format!("fill {at} {}", text(more)),
                Event::Stop(stop) => format!("{stop:?}"),
                Event::Fail(failure) => format!("fail {} {}", failure.message, failure.code),
                other => format!("{other:?}"),
            });
        });
    }
    told
}

fn start() -> Event<'static> {
    Event::Start { id: Escaped::EMPTY, model: Escaped::EMPTY }
}

fn call(at: u32, name: &'static str) -> Event<'static> {
    let kind = CallKind::Function;
    Event::Open {
        at,
        kind: PartKind::ToolCall { id: Escaped::EMPTY, name: escaped(name), namespace: Escaped::EMPTY, kind },
    }
}

fn input(at: u32, more: &'static str) -> Event<'static> {
    Event::Fill { at, delta: Delta::Input(escaped(more)) }
}

#[test]
fn conversion_33_34_35_tools_come_back_as_the_client_knows_them() {
    let mut names = Names::default();
    let group = Text::plain("mcp");
    names.say(&Text::plain("a.b"), None, CallKind::Function);
    names.say(&Text::plain("open"), Some(&group), CallKind::Function);
    names.say(&Text::plain("apply_patch"), None, CallKind::Custom);
    let said = names.say(&Text::plain("a.b"), None, CallKind::Function).decode().into_owned();
    let said: &'static str = Box::leak(format!("\"{said}\"").into_boxed_str());
    let mut stage = stage(names, "");
    let told = told(
        &mut stage,
        &[
            start(),
            call(0, said),
            input(0, r#""{}""#),
            call(1, r#""mcp__open""#),
            call(2, r#""apply_patch""#),
            input(2, r#""{\"input\": \"*** Be""#),
            input(2, r#""gin\\n\"}""#),
            Event::Close { at: 0 },
            Event::Close { at: 1 },
            Event::Close { at: 2 },
            call(3, r#""unknown""#),
            Event::Close { at: 3 },
            Event::Stop(Stop::EndTurn),
        ],
    );
    assert_eq!(
        told,
        [
            r#"start up \"1\""#,
            "open 0 /a.b Function",
            "fill 0 {}",
            "open 1 mcp/open Function",
            "open 2 /apply_patch Custom",
            "fill 2 *** Be",
            r"fill 2 gin\n",
            "Close { at: 0 }",
            "Close { at: 1 }",
            "Close { at: 2 }",
            "open 3 /unknown Function",
            "Close { at: 3 }",
            "ToolUse",
        ]
    );
    assert!(stage.seen().spoke && stage.seen().end.is_none());
}

#[test]
fn a_custom_call_told_whole_is_unwrapped() {
    let mut names = Names::default();
    names.say(&Text::plain("apply_patch"), None, CallKind::Custom);
    let mut stage = stage(names, "");
    let json = Event::Fill { at: 0, delta: Delta::Json(Raw::parse(br#"{"input":"a\nb"}"#).unwrap()) };
    let told = told(&mut stage, &[start(), call(0, r#""apply_patch""#), json]);
    assert_eq!(told[1..], ["open 0 /apply_patch Custom", r"fill 0 a\nb"]);
}

#[test]
fn conversion_11_nobody_waits_for_the_result_of_no_call() {
    let mut stage = stage(Names::default(), "");
    assert_eq!(told(&mut stage, &[start(), Event::Stop(Stop::ToolUse), Event::End])[1..], ["EndTurn", "End"]);
    assert_eq!(stage.seen().end, Some(End::Whole));
}

#[test]
fn nothing_follows_the_end_and_no_secret_comes_with_it() {
    let failure = |message: &'static str| {
        Event::Fail(Failure { fault: Fault::RateLimited, message: message.into(), code: "slow".into() })
    };
    let mut first = stage(Names::default(), "sk-1");
    assert_eq!(told(&mut first, &[start(), failure("no, sk-1"), Event::Ping, start()])[1..], ["fail no, *** slow"]);
    assert_eq!(first.seen().end, Some(End::Failed(Fault::RateLimited)));
    assert_eq!(told(&mut stage(Names::default(), ""), &[failure("")]), ["fail slow slow"]);
}

#[test]
fn a_letter_in_two_events_is_told_in_one() {
    let mut stage = stage(Names::default(), "");
    let text = |more: &'static str| Event::Fill {
        at: 0,
        delta: Delta::Text(Escaped::at(more.as_bytes(), crate::base::span::Span::new(0, more.len()))),
    };
    let mut said = Vec::new();
    let open = Event::Open { at: 0, kind: PartKind::Text };
    for event in [start(), open, text(r"a\ud83e"), text(r"\udd80b"), text(r"\ud83e"), Event::Close { at: 0 }] {
        stage.event(event, &mut |event| match event {
            Event::Fill { delta: Delta::Text(more), .. } => {
                said.push(String::from_utf8(more.bytes().to_vec()).unwrap())
            }
            Event::Close { .. } => said.push("end".to_owned()),
            _ => {}
        });
    }
    assert_eq!(said, ["a", r"\ud83e\udd80b", r"\ufffd", "end"]);
}
