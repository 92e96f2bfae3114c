//! Writes a whole answer as Responses has it: the object that the last event of a stream holds.

use super::item::{Item, Kind};
use super::object::{self, Object};
use crate::json::text;
use crate::protocol::ir::assemble::Whole;
use crate::protocol::ir::{Opening, Response};

/// Appends the answer.
pub fn response(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    let mut model = Vec::new();
    text::escape(&opening.model, &mut model);
    if model.is_empty() {
        model.extend_from_slice(response.model.bytes());
    }
    let refused = response.parts.iter().any(|part| matches!(part, Whole::Refusal(_)));
    let incomplete = object::incomplete(response.stop(), refused);
    let object = Object {
        opening,
        model: &model,
        echo: &object::echo(&opening.echo),
        status: if incomplete.is_some() { "incomplete" } else { "completed" },
        error: None,
        incomplete,
        usage: Some(&response.usage).filter(|usage| usage.is_said()),
    };
    object.write(|out| output(response, opening, out), out);
}

/// Appends the items, with commas between them.
fn output(response: &Response, opening: &Opening, out: &mut Vec<u8>) {
    let mut items = 0;
    let mut write = |mut item: Item, out: &mut Vec<u8>| {
        if items > 0 {
            out.push(b',');
        }
        item.index = Some(items);
        items += 1;
        item.write(&opening.id, true, out);
    };
    for (at, part) in (0..).zip(&response.parts) {
        let mut item = Item::of(at, &part.kind(), opening);
        if item.kind == Kind::Unsaid {
            continue;
        }
        part.fill(&mut |delta| {
            item.take(&delta);
        });
        // Of media only images are items.
        if item.kind == Kind::Image && item.said.is_empty() {
            continue;
        }
        item.settle();
        if let Some(thought) = item.sealing(opening) {
            write(thought, out);
        }
        write(item, out);
    }
}

#[cfg(test)]
#[path = "response_out_test.rs"]
mod tests;
