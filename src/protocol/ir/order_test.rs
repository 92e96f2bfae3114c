use super::*;
use crate::base::span::Span;
use crate::json::Escaped;
use crate::protocol::ir::grammar::Grammar;
use crate::protocol::ir::{Delta, PartKind, Stop};

fn text(bytes: &[u8]) -> Escaped<'_> {
    Escaped::at(bytes, Span::new(0, bytes.len()))
}

fn run(events: &[Event<'_>]) -> Vec<String> {
    let (mut sequencer, mut grammar, mut told) = (Sequencer::default(), Grammar::default(), Vec::new());
    let mut open = 0;
    for event in events {
        sequencer.event(event, &mut |event| {
            grammar.admit(&event).expect("it keeps the grammar");
            match event {
                Event::Open { at, .. } => {
                    open += 1;
                    told.push(format!("+{at}"));
                }
                Event::Fill { at, delta: Delta::Text(text) } => told.push(format!("{at}{}", text.decode())),
                Event::Close { at } => {
                    open -= 1;
                    told.push(format!("-{at}"));
                }
                Event::Fail(_) => told.push("fail".into()),
                Event::End => told.push("end".into()),
                _ => {}
            }
            assert!(open <= 1, "one part at a time");
        });
    }
    told
}

fn start() -> Event<'static> {
    Event::Start { id: Escaped::EMPTY, model: Escaped::EMPTY }
}

fn open(at: u32) -> Event<'static> {
    Event::Open { at, kind: PartKind::Text }
}

fn fill(at: u32, delta: &str) -> Event<'_> {
    Event::Fill { at, delta: Delta::Text(text(delta.as_bytes())) }
}

fn close(at: u32) -> Event<'static> {
    Event::Close { at }
}

#[test]
fn conversion_10_interleaved_parts_are_told_one_after_another() {
    let told = run(&[
        start(),
        open(0),
        open(1),
        fill(1, "b"),
        fill(0, "a"),
        open(2),
        close(1),
        fill(2, "c"),
        close(0),
        fill(2, "d"),
        close(2),
        Event::Stop(Stop::EndTurn),
        Event::End,
    ]);
    assert_eq!(told, ["+0", "0a", "-0", "+1", "1b", "-1", "+2", "2c", "2d", "-2", "end"]);
}

#[test]
fn parts_in_order_pass_at_once() {
    let told = run(&[start(), open(3), fill(3, "a"), fill(3, "b"), close(3), open(4), close(4)]);
    assert_eq!(told, ["+3", "3a", "3b", "-3", "+4", "-4"]);
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let most = "x".repeat(ORDER_BYTES_MAX);
    let mut events = vec![start(), open(0), open(1), fill(1, &most), close(1), close(0)];
    assert!(!run(&events).contains(&"fail".to_owned()));
    events.insert(4, fill(1, "y"));
    events.extend([Event::Stop(Stop::EndTurn), Event::End]);
    assert_eq!(run(&events), ["+0", "fail"], "and nothing follows");
}

#[test]
fn what_waits_is_bounded_in_number() {
    let mut events = vec![start()];
    events.extend((0..=ORDER_PARTS_MAX as u32).map(open));
    assert_eq!(run(&events), ["+0"]);
    events.push(open(ORDER_PARTS_MAX as u32 + 1));
    assert_eq!(run(&events), ["+0", "fail"]);
}
