//! Thoughts of other vendors that travel on the call behind them.
//!
//! Some clients of Gemini (its CLI) leave thoughts out of what they send back and keep the signature of a call. A vendor
//! that wants its thoughts back in front of the results of a tool (Anthropic, DeepSeek) would go without. So the first
//! call behind thoughts carries them in its own signature, in base64 as Gemini's libraries want it; where the thoughts
//! themselves come back too, those count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Escaped, Raw, Writer};
use crate::limits::CARRIED_BYTES_MAX;
use crate::protocol::Dialect;
use crate::protocol::ir::seal::{self, SealKind};
use crate::protocol::ir::{Part, Seal, Text};

/// What a signature that carries thoughts begins with, before it is base64. No seal does: the star is nobody's letter.
const MARK: &str = "weir.1.*t.";

/// Collects the thoughts of one answer until a call takes them.
#[derive(Debug, Default)]
pub(super) struct Carried {
    thoughts: Vec<Thought>,
    bytes: usize,
    /// Whether something else than thoughts has been said.
    behind: bool,
}

#[derive(Debug)]
struct Thought {
    text: Text<'static>,
    /// As a Gemini client would keep it.
    seal: Vec<u8>,
    summary: bool,
    /// Whether the answer begins with it.
    leads: bool,
}

impl Carried {
    /// A thought begins.
    pub(super) fn open(&mut self, summary: bool) {
        if self.room(size_of::<Thought>()) {
            self.thoughts.push(Thought { text: Text::default(), seal: Vec::new(), summary, leads: !self.behind });
        }
    }

    /// Something else is said.
    pub(super) fn pass(&mut self) {
        self.behind = true;
    }

    /// More of the text of the thought that began last.
    pub(super) fn text(&mut self, more: Escaped<'_>) {
        if self.room(more.bytes().len())
            && let Some(thought) = self.thoughts.last_mut()
        {
            thought.text.push(more);
        }
    }

    /// More of its seal.
    pub(super) fn seal(&mut self, seal: &Seal<'_>) {
        if self.room(seal.data.bytes().len())
            && let Some(thought) = self.thoughts.last_mut()
        {
            match thought.seal.is_empty() {
                true => seal.write(Dialect::Gemini, &mut thought.seal),
                false => thought.seal.extend_from_slice(seal.data.bytes()),
            }
        }
    }

    /// What would be more than the limit is not carried at all: half a thought is none.
    fn room(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > CARRIED_BYTES_MAX {
            self.thoughts = Vec::new();
        }
        self.bytes <= CARRIED_BYTES_MAX
    }

    /// Appends what a call's signature carries; nothing where there are no thoughts. They are carried once.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) {
        self.behind = true;
        let thoughts = std::mem::take(&mut self.thoughts);
        let mut said =
            thoughts.iter().filter(|thought| !thought.text.is_empty() || !thought.seal.is_empty()).peekable();
        if self.bytes > CARRIED_BYTES_MAX || said.peek().is_none() {
            return;
        }
        let mut kept = MARK.as_bytes().to_vec();
        let mut json = Writer::new(&mut kept);
        json.begin_array();
        for thought in said {
            json.begin_object().key("text").escaped(thought.text.escaped());
            if !thought.seal.is_empty() {
                json.key("seal").escaped(super::part_out::inside(&thought.seal));
            }
            json.key("summary").bool(thought.summary).key("leads").bool(thought.leads).end();
        }
        json.end();
        self.bytes = 0;
        out.extend_from_slice(STANDARD.encode(kept).as_bytes());
    }
}

/// The thoughts that `signature`, a call's, carries: those with which the answer began, and the others. Nothing where it
/// is a signature like others.
pub(super) fn read(signature: Escaped<'_>) -> Option<(Vec<Part<'static>>, Vec<Part<'static>>)> {
    let kept = seal::from_base64(&signature.decode())?;
    let json = Raw::parse(kept.strip_prefix(MARK)?.as_bytes()).ok()?;
    let (mut leading, mut others) = (Vec::new(), Vec::new());
    for thought in json.elements() {
        let text = thought.find("text").and_then(Raw::as_str).map(Text::from).unwrap_or_default().into_owned();
        let seal = thought.find("seal").and_then(Raw::as_str);
        let seal = seal.map(|seal| Seal::read(Dialect::Gemini, SealKind::Signature, Text::from(seal)).into_owned());
        let is = |name| thought.find(name).and_then(Raw::as_bool) == Some(true);
        let part = Part::Reasoning { text, seal, id: None, summary: is("summary") };
        if is("leads") { leading.push(part) } else { others.push(part) }
    }
    Some((leading, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(data: &str) -> Seal<'static> {
        Seal { origin: Dialect::Anthropic, kind: SealKind::Signature, data: Text::plain(data) }
    }

    fn carried(thoughts: &[(&str, &str)]) -> Vec<u8> {
        let (mut carried, mut out) = (Carried::default(), Vec::new());
        for (text, seal) in thoughts {
            carried.open(false);
            carried.text(Text::plain(text).escaped());
            carried.seal(&sealed(seal));
        }
        carried.take(&mut out);
        out
    }

    #[test]
    fn thoughts_come_back_as_they_were() {
        let kept = carried(&[("a \"b\"\n\u{1F600}", "Eo4C+/="), ("", "x")]);
        let (leading, others) = read(super::super::part_out::inside(&kept)).expect("carried thoughts");
        let thought = |text: &str, seal: &str| Part::Reasoning {
            text: Text::plain(text),
            seal: Some(sealed(seal)),
            id: None,
            summary: false,
        };
        assert_eq!(leading, [thought("a \"b\"\n\u{1F600}", "Eo4C+/="), thought("", "x")]);
        assert!(others.is_empty() && seal::may_be_wrapped(&kept));
        // The other alphabet, as Google's libraries send bytes back.
        let urls = String::from_utf8(kept).unwrap().replace('+', "-").replace('/', "_");
        assert!(read(Text::plain(urls.trim_end_matches('=')).escaped()).is_some_and(|(leading, _)| leading.len() == 2));
    }

    #[test]
    fn thoughts_behind_a_text_stay_behind_it_and_are_told_once() {
        let (mut carried, mut out) = (Carried::default(), Vec::new());
        carried.pass();
        carried.open(true);
        carried.text(Text::plain("hm").escaped());
        carried.take(&mut out);
        let (leading, others) = read(super::super::part_out::inside(&out)).expect("carried thoughts");
        assert!(leading.is_empty() && matches!(&others[..], [Part::Reasoning { summary: true, seal: None, .. }]));
        out.clear();
        carried.take(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_carried_is_bounded() {
        let most = "x".repeat(CARRIED_BYTES_MAX - size_of::<Thought>() - 1);
        assert!(!carried(&[(&most, "y")]).is_empty());
        assert!(carried(&[(&most, "yz")]).is_empty() && carried(&[("hm", "y"), (&most, "y")]).is_empty());
    }

    #[test]
    fn other_signatures_carry_nothing() {
        for kept in ["Eo4C", "", "d2Vpci4x", &STANDARD.encode("weir.1.as.Eo4C"), &STANDARD.encode("weir.1.*t.[")] {
            assert!(read(Text::plain(kept).escaped()).is_none(), "{kept}");
        }
    }
}
