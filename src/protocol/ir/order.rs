//! Parts that came interleaved, told one after another.
//!
//! Several parts of an answer may be open at once, but Anthropic's, Gemini's and Ollama's clients know one at a time
//! (conversion.md 10, 65). The part that opened first passes through as it comes; those behind it wait and are told
//! when it closes. What waits is bounded: beyond that the answer fails, for one with a hole must not look whole.

use super::Failure;
use super::assemble::Whole;
use super::event::Event;
use crate::limits::{ORDER_BYTES_MAX, ORDER_PARTS_MAX};
use crate::protocol::failure::Fault;

/// Puts the parts of one answer in order.
#[derive(Debug, Default)]
pub struct Sequencer {
    /// The part that is told now.
    current: Option<u32>,
    waiting: Vec<Waiting>,
    bytes: usize,
    failed: bool,
}

#[derive(Debug)]
struct Waiting {
    at: u32,
    part: Whole,
    closed: bool,
}

impl Sequencer {
    /// Bytes of the parts that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the next event and tells what may be told.
    pub fn event(&mut self, event: &Event<'_>, sink: &mut impl FnMut(Event<'_>)) {
        if self.failed {
            return;
        }
        match event {
            Event::Open { at, .. } if self.current.is_none() => {
                self.current = Some(*at);
                sink(event.clone());
            }
            Event::Open { at, kind } => {
                if self.waiting.len() == ORDER_PARTS_MAX {
                    return self.fail(sink);
                }
                self.waiting.push(Waiting { at: *at, part: Whole::of(kind), closed: false });
            }
            Event::Fill { at, delta } if self.current != Some(*at) => {
                self.bytes += delta.bytes();
                if self.bytes > ORDER_BYTES_MAX {
                    return self.fail(sink);
                }
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.at == *at) {
                    waiting.part.add(delta);
                }
            }
            Event::Close { at } if self.current != Some(*at) => {
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.at == *at) {
                    waiting.closed = true;
                }
            }
            Event::Close { .. } => {
                self.current = None;
                sink(event.clone());
                self.release(sink);
            }
            _ => sink(event.clone()),
        }
    }

    /// Tells the parts that wait, up to one that is still open.
    fn release(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let whole = self.waiting.iter().take_while(|waiting| waiting.closed).count();
        let told = self.waiting.len().min(whole + 1);
        for Waiting { at, part, closed } in self.waiting.drain(..told) {
            sink(Event::Open { at, kind: part.kind() });
            part.fill(&mut |delta| {
                self.bytes = self.bytes.saturating_sub(delta.bytes());
                sink(Event::Fill { at, delta });
            });
            match closed {
                true => sink(Event::Close { at }),
                false => self.current = Some(at),
            }
        }
        if self.waiting.is_empty() {
            self.bytes = 0;
        }
    }

    fn fail(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.failed = true;
        self.waiting = Vec::new();
        sink(Event::Fail(Failure {
            fault: Fault::BadGateway,
            message: "the upstream interleaves more than the limit".into(),
            code: "".into(),
        }));
    }
}

#[cfg(test)]
#[path = "order_test.rs"]
mod tests;
