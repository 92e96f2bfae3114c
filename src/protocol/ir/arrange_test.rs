use super::*;
use crate::protocol::ir::{CallKind, Input, Text};

fn call(id: &'static str, name: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: Text::constant(id),
        name: Text::constant(name),
        namespace: None,
        kind: CallKind::Function,
        input: Input::Text(Text::default()),
        seal: None,
        cache: None,
        carry: Vec::new(),
    })
}

fn result(id: &'static str, name: &'static str) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: Text::constant(id),
        name: (!name.is_empty()).then(|| Text::constant(name)),
        kind: CallKind::Function,
        content: Vec::new(),
        json: None,
        failed: false,
        cache: None,
        carry: Vec::new(),
    })
}

fn text(text: &'static str) -> Part<'static> {
    Part::text(Text::constant(text))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

/// The arrangement in letters: `u` or `a`, then its pieces.
fn shown(turns: &[Turn<'_>]) -> String {
    let mut out = String::new();
    for side in arrange(turns) {
        out += if side.role == Role::User { "u(" } else { "a(" };
        for piece in side.pieces {
            out += &match piece {
                Piece::Part(Part::Text { text, .. }) => text.decode().into_owned(),
                Piece::Part(_) => "?".into(),
                Piece::Instruction(_) => "i".into(),
                Piece::Call(_, number) => format!("c{number}"),
                Piece::Result(_, _, number) => format!("r{number}"),
                Piece::Missing(_, number) => format!("m{number}"),
                Piece::Orphan(_) => "o".into(),
                Piece::Silence => "s".into(),
            };
        }
        out += ")";
    }
    out
}

#[test]
fn conversion_27_sides_take_turns_and_calls_are_answered() {
    use Role::{Assistant as A, User as U};
    let turns = [
        turn(A, vec![text("x")]),
        turn(U, vec![text("y")]),
        turn(U, vec![text("z")]),
        turn(A, vec![call("1", "f"), text("t"), call("2", "f"), call("3", "g")]),
        turn(A, vec![call("4", "f")]),
        turn(U, vec![text("w"), result("3", ""), result("9", "")]),
        turn(U, vec![result("1", "")]),
        turn(A, vec![call("5", "f")]),
    ];
    assert_eq!(shown(&turns), "u(s)a(x)u(yz)a(c0tc1c2c3)u(r2r0m1m3wo)a(c4)u(m4)");
}

#[test]
fn conversion_23_instructions_amid_the_conversation_keep_their_place() {
    let turns = [
        turn(Role::User, vec![text("x")]),
        turn(Role::System, vec![text("i")]),
        turn(Role::User, vec![text("y")]),
        turn(Role::Assistant, vec![call("1", "f")]),
        turn(Role::Developer, vec![text("i")]),
        turn(Role::User, vec![result("1", "")]),
    ];
    assert_eq!(shown(&turns), "u(xiy)a(c0)u(r0i)");
}

#[test]
fn results_without_ids_go_by_name_and_order() {
    let turns = [
        turn(Role::User, vec![text("x")]),
        turn(Role::Assistant, vec![call("", "f"), call("", "g"), call("", "f")]),
        turn(Role::User, vec![result("", "g"), result("", "f"), result("", "")]),
    ];
    assert_eq!(shown(&turns), "u(x)a(c0c1c2)u(r1r0r2)");
}

#[test]
fn empty_turns_do_not_part_a_side() {
    let turns = [turn(Role::User, vec![text("x")]), turn(Role::Assistant, vec![]), turn(Role::User, vec![text("y")])];
    assert_eq!(shown(&turns), "u(xy)");
    assert_eq!(shown(&[]), "");
}
