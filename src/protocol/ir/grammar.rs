//! The order in which events may come.
//!
//! `Ping* Start (Open | Fill | Close | Usage | Ping)* (Stop (Usage | Ping)*)? (End | Fail)`, and `Fail` alone at any
//! time. A part is filled and closed only while it is open, opens once, and its number is higher than those before;
//! all parts are closed before `Stop` and before `End`; `End` comes only after `Stop`. Nothing follows `End` and `Fail`.
//!
//! Every decoder keeps it on every input; the laws ask [`Grammar`], and a debug build asks it on every exchange.

use smallvec::SmallVec;

use super::event::Event;

/// What was out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// Follows a sequence of events.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    place: Place,
    open: SmallVec<[u32; 4]>,
    next: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Stopped,
    Ended,
}

impl Grammar {
    /// Takes the next event.
    pub fn admit(&mut self, event: &Event<'_>) -> Result<(), Broken> {
        match (self.place, event) {
            (Place::Ended, _) => return Err(Broken("nothing follows the end")),
            (_, Event::Fail(_)) => self.place = Place::Ended,
            (_, Event::Ping) => {}
            (Place::Before, Event::Start { .. }) => self.place = Place::Inside,
            (Place::Before, _) => return Err(Broken("an answer begins with its start")),
            (_, Event::Start { .. }) => return Err(Broken("an answer starts once")),
            (_, Event::Usage(_)) => {}
            (Place::Stopped, Event::End) => self.place = Place::Ended,
            (Place::Stopped, _) => return Err(Broken("only usage follows the reason to stop")),
            (Place::Inside, Event::Open { at, .. }) => {
                if *at < self.next {
                    return Err(Broken("the numbers of parts rise"));
                }
                self.next = at + 1;
                self.open.push(*at);
            }
            (Place::Inside, Event::Fill { at, .. }) => {
                if !self.open.contains(at) {
                    return Err(Broken("only an open part is filled"));
                }
            }
            (Place::Inside, Event::Close { at }) => {
                let Some(place) = self.open.iter().position(|open| open == at) else {
                    return Err(Broken("only an open part is closed"));
                };
                self.open.remove(place);
            }
            (Place::Inside, Event::Stop(_)) => {
                if !self.open.is_empty() {
                    return Err(Broken("all parts are closed before the answer stops"));
                }
                self.place = Place::Stopped;
            }
            (Place::Inside, Event::End) => return Err(Broken("an answer ends after its reason to stop")),
        }
        Ok(())
    }

    /// Whether `End` or `Fail` has been told.
    pub fn is_ended(&self) -> bool {
        self.place == Place::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Escaped;
    use crate::protocol::ir::{PartKind, Stop};
    use crate::protocol::sniff::Usage;

    fn run(events: &[Event<'_>]) -> Result<bool, &'static str> {
        let mut grammar = Grammar::default();
        for event in events {
            grammar.admit(event).map_err(|Broken(why)| why)?;
        }
        Ok(grammar.is_ended())
    }

    #[test]
    fn sentences_are_told_from_others() {
        let none = crate::base::span::Span::default();
        let start = Event::Start { id: Escaped::at(b"", none), model: Escaped::at(b"", none) };
        let open = |at| Event::Open { at, kind: PartKind::Text };
        let (close, usage) = (|at| Event::Close { at }, Event::Usage(Usage::default()));
        let (stop, end) = (Event::Stop(Stop::EndTurn), Event::End);
        let whole = [
            Event::Ping,
            start.clone(),
            open(0),
            open(3),
            close(0),
            usage.clone(),
            close(3),
            stop.clone(),
            usage.clone(),
            end.clone(),
        ];
        assert_eq!(run(&whole), Ok(true));
        assert_eq!(run(&whole[..9]), Ok(false));
        for bad in [
            vec![open(0)],
            vec![start.clone(), start.clone()],
            vec![start.clone(), open(1), open(1)],
            vec![start.clone(), close(0)],
            vec![start.clone(), open(0), stop.clone()],
            vec![start.clone(), end.clone()],
            vec![start.clone(), stop.clone(), open(0)],
            vec![start, stop, end, Event::Ping],
        ] {
            assert!(run(&bad).is_err(), "{bad:?}");
        }
    }
}
