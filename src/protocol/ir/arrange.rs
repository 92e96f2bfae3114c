//! A conversation as Anthropic and Gemini want it: the user first, sides in turn, each call answered at once.
//!
//! Neighbours of one side become one; results stand first in the turn behind their calls; a call without a result
//! gets one that says so, and a result without a call is told apart, for it cannot be said as one (conversion.md 23,
//! 27). Calls and results are numbered together, so that protocols without ids find the pairs. Parts keep their order
//! otherwise, reasoning and calls too (63). Nothing is copied: an arrangement points into the request.

use super::request::{Part, Role, ToolCall, ToolResult, Turn};

/// What one side says until the other does.
#[derive(Clone, Debug, PartialEq)]
pub struct Side<'r, 'a> {
    /// [`Role::User`] or [`Role::Assistant`].
    pub role: Role,
    /// What it says, in order; never nothing.
    pub pieces: Vec<Piece<'r, 'a>>,
}

/// A piece of what one side says.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece<'r, 'a> {
    /// As it stands in the request; no call and no result.
    Part(&'r Part<'a>),
    /// A part of an instruction that came amid the conversation.
    Instruction(&'r Part<'a>),
    /// A call, and its number.
    Call(&'r ToolCall<'a>, u32),
    /// A result, and the call that it answers with its number.
    Result(&'r ToolResult<'a>, &'r ToolCall<'a>, u32),
    /// No result came for this call.
    Missing(&'r ToolCall<'a>, u32),
    /// A result of no call that waits for one.
    Orphan(&'r ToolResult<'a>),
    /// The conversation begins with the assistant; the user has to say something first.
    Silence,
}

/// Arranges `turns`.
pub fn arrange<'r, 'a>(turns: &'r [Turn<'a>]) -> Vec<Side<'r, 'a>> {
    let mut sides: Vec<Side<'r, 'a>> = Vec::with_capacity(turns.len());
    let mut waiting: Vec<(&'r ToolCall<'a>, u32)> = Vec::new();
    let mut calls = 0;
    let mut at = 0;
    while let Some(first) = turns.get(at) {
        let assistant = first.role == Role::Assistant;
        let len = turns[at..].iter().take_while(|turn| (turn.role == Role::Assistant) == assistant).count();
        let group = &turns[at..at + len];
        at += len;
        let role = if assistant { Role::Assistant } else { Role::User };
        let pieces = match assistant {
            true => said(group, &mut waiting, &mut calls),
            false => answered(group, &mut waiting),
        };
        if pieces.is_empty() {
            continue;
        }
        if assistant && sides.is_empty() {
            sides.push(Side { role: Role::User, pieces: vec![Piece::Silence] });
        }
        match sides.last_mut() {
            Some(last) if last.role == role => last.pieces.extend(pieces),
            _ => sides.push(Side { role, pieces }),
        }
    }
    if !waiting.is_empty() {
        let pieces = waiting.into_iter().map(|(call, number)| Piece::Missing(call, number)).collect();
        sides.push(Side { role: Role::User, pieces });
    }
    sides
}

/// What the assistant says; its calls begin to wait.
fn said<'r, 'a>(
    group: &'r [Turn<'a>],
    waiting: &mut Vec<(&'r ToolCall<'a>, u32)>,
    calls: &mut u32,
) -> Vec<Piece<'r, 'a>> {
    let mut pieces = Vec::new();
    for part in group.iter().flat_map(|turn| &turn.parts) {
        pieces.push(match part {
            Part::ToolCall(call) => {
                let number = *calls;
                *calls += 1;
                waiting.push((call, number));
                Piece::Call(call, number)
            }
            Part::ToolResult(result) => Piece::Orphan(result),
            part => Piece::Part(part),
        });
    }
    pieces
}

/// What the user says: results for all that waits, and the rest behind them.
fn answered<'r, 'a>(group: &'r [Turn<'a>], waiting: &mut Vec<(&'r ToolCall<'a>, u32)>) -> Vec<Piece<'r, 'a>> {
    let (mut results, mut rest) = (Vec::new(), Vec::new());
    for turn in group {
        for part in &turn.parts {
            match part {
                Part::ToolResult(result) => match waiting.iter().position(|(call, _)| answers(result, call)) {
                    Some(place) => {
                        let (call, number) = waiting.remove(place);
                        results.push(Piece::Result(result, call, number));
                    }
                    None => rest.push(Piece::Orphan(result)),
                },
                part if turn.role == Role::User => rest.push(Piece::Part(part)),
                part => rest.push(Piece::Instruction(part)),
            }
        }
    }
    results.extend(waiting.drain(..).map(|(call, number)| Piece::Missing(call, number)));
    results.append(&mut rest);
    results
}

/// Whether `result` is of `call`: by id, and where one of them has none by name.
fn answers(result: &ToolResult<'_>, call: &ToolCall<'_>) -> bool {
    match result.id.is_empty() || call.id.is_empty() {
        true => result.name.as_ref().is_none_or(|name| *name == call.name),
        false => result.id == call.id,
    }
}

#[cfg(test)]
#[path = "arrange_test.rs"]
mod tests;
