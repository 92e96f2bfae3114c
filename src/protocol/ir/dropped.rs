//! What a translation does not say, and says so.
//!
//! Goes into the `x-weir-dropped` field of the answer and into the record.

use std::borrow::Cow;

use crate::json::{Escaped, Raw};
use crate::limits;

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is not said.
    Dropped,
    /// Something near is said in its place.
    Approximated,
}

/// Members that did not come through, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(Vec<(Cow<'static, str>, Action)>);

impl Dropped {
    /// Notes that `member` is not said. A name from outside is kept only as far as a field value may hold it.
    pub fn drop(&mut self, member: impl Into<Cow<'static, str>>) {
        self.note(member.into(), Action::Dropped);
    }

    /// Notes that something near `member` is said.
    pub fn approximate(&mut self, member: impl Into<Cow<'static, str>>) {
        self.note(member.into(), Action::Approximated);
    }

    /// Notes that one of the `members` that only another vendor knows is not said. It is named by its type, or by its
    /// members, which is what tells Gemini's apart; also where the type is known and they are what was left over.
    pub fn drop_foreign(&mut self, members: &str, raw: Raw<'_>) {
        let kind = raw.find("type").and_then(Raw::as_str);
        if let Some(kind) = kind.filter(|kind| !is_rest(kind.bytes())) {
            return self.drop(format!("{members}.{}", kind.decode()));
        }
        let mut own = raw.members().filter(|(name, _)| kind.is_none() || !name.eq_str("type")).peekable();
        if own.peek().is_none() {
            self.drop(members.to_owned());
        }
        own.for_each(|(name, _)| self.drop(format!("{members}.{}", name.decode())));
    }

    fn note(&mut self, member: Cow<'static, str>, action: Action) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':' | b'/');
        let most = limits::DROPPED_MEMBER_BYTES_MAX;
        let member = match member.bytes().all(plain) && member.len() <= most {
            true => member,
            false => member.chars().filter(|c| c.is_ascii() && plain(*c as u8)).take(most).collect::<String>().into(),
        };
        if self.0.len() < limits::DROPPED_MEMBERS_MAX && !self.0.iter().any(|(known, _)| *known == member) {
            self.0.push((member, action));
        }
    }

    /// What was noted, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Action)> {
        self.0.iter().map(|(member, action)| (&**member, *action))
    }

    /// Whether all was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the value of `x-weir-dropped`: `seed, tools.web_search (approximated)`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (nth, (member, action)) in self.iter().enumerate() {
            if nth > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(member.as_bytes());
            if action == Action::Approximated {
                out.extend_from_slice(b" (approximated)");
            }
        }
    }
}

/// Whether the pivot has a word for what is of this type in Responses, whose reader keeps the other members of it.
fn is_rest(kind: &[u8]) -> bool {
    const KINDS: [&[u8]; 9] = [
        b"message",
        b"reasoning",
        b"text",
        b"input_text",
        b"output_text",
        b"refusal",
        b"input_image",
        b"input_file",
        b"input_audio",
    ];
    KINDS.contains(&kind)
}

/// Members of a request that have no place in the pivot, by their paths, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread(Vec<String>);

impl Unread {
    /// Notes a member of `inside` that is not understood; one that says nothing is none.
    pub fn leave(&mut self, inside: &str, name: Escaped<'_>, value: Raw<'_>) {
        // A conversation repeats it in each message: it is told apart before anything is made of it.
        let known = |path: &String| {
            let said = path.strip_prefix(inside).and_then(|path| path.strip_prefix('.'));
            said.is_some_and(|said| name.eq_str(said))
        };
        if !value.is_null() && self.0.len() < limits::DROPPED_MEMBERS_MAX && !self.0.iter().any(known) {
            self.0.push(format!("{inside}.{}", name.decode()));
        }
    }

    /// Notes what stands at `path`.
    pub fn leave_path(&mut self, path: &'static str) {
        if self.0.len() < limits::DROPPED_MEMBERS_MAX && !self.0.iter().any(|known| known == path) {
            self.0.push(path.to_owned());
        }
    }

    /// Notes all members of `value`, which stands at `inside`, but those `known`.
    pub fn leave_all_but(&mut self, known: &[&str], inside: &str, value: Raw<'_>) {
        let others = value.members().filter(|(name, _)| !known.iter().any(|known| name.eq_str(known)));
        others.for_each(|(name, value)| self.leave(inside, name, value));
    }

    /// Notes what `others` has noted.
    pub fn append(&mut self, others: Unread) {
        for path in others.0 {
            if self.0.len() < limits::DROPPED_MEMBERS_MAX && !self.0.contains(&path) {
                self.0.push(path);
            }
        }
    }

    /// The paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_said_once_and_fits_a_field() {
        let mut dropped = Dropped::default();
        dropped.drop("seed");
        dropped.approximate("reasoning_effort");
        dropped.drop("seed");
        dropped.drop("x\r\nset-cookie: a".to_owned());
        let mut out = Vec::new();
        dropped.write(&mut out);
        assert_eq!(out, b"seed, reasoning_effort (approximated), xset-cookie:a");
    }

    #[test]
    fn what_another_vendor_knows_has_a_name() {
        let mut dropped = Dropped::default();
        for raw in [r#"{"type":"mcp","x":1}"#, r#"{"urlContext":{}}"#, "{}", r#"{"type":7}"#] {
            dropped.drop_foreign("tools", Raw::parse(raw.as_bytes()).expect("JSON"));
        }
        let names: Vec<&str> = dropped.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["tools.mcp", "tools.urlContext", "tools", "tools.type"]);
        let mut dropped = Dropped::default();
        dropped.drop_foreign("messages", Raw::parse(br#"{"audio":{"id":"a"},"annotations":[1]}"#).expect("JSON"));
        let names: Vec<&str> = dropped.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["messages.audio", "messages.annotations"]);
        let mut dropped = Dropped::default();
        dropped.drop_foreign("messages", Raw::parse(br#"{"type":"message","phase":"commentary"}"#).expect("JSON"));
        assert_eq!(dropped.iter().next(), Some(("messages.phase", Action::Dropped)));
    }

    #[test]
    fn what_is_not_read_is_noted_once_and_within_the_bound() {
        let mut unread = Unread::default();
        let list = r#"{"a":1,"none":null,"\u0061":2,"b":[]}"#;
        for inside in ["messages", "messages.content", "messages"] {
            for (name, value) in Raw::parse(list.as_bytes()).expect("JSON").members() {
                unread.leave(inside, name, value);
            }
        }
        let paths: Vec<&str> = unread.paths().collect();
        assert_eq!(paths, ["messages.a", "messages.b", "messages.content.a", "messages.content.b"]);
        for nth in 0..=limits::DROPPED_MEMBERS_MAX {
            let list = format!(r#"{{"m{nth}":1}}"#);
            Raw::parse(list.as_bytes())
                .expect("JSON")
                .members()
                .for_each(|(name, value)| unread.leave("x", name, value));
        }
        assert_eq!(unread.paths().count(), limits::DROPPED_MEMBERS_MAX);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut dropped = Dropped::default();
        for nth in 0..=limits::DROPPED_MEMBERS_MAX {
            dropped.drop(format!("m{nth}"));
        }
        assert_eq!(dropped.iter().count(), limits::DROPPED_MEMBERS_MAX);
        let mut dropped = Dropped::default();
        let most = "m".repeat(limits::DROPPED_MEMBER_BYTES_MAX);
        dropped.drop(most.clone());
        dropped.drop(format!("n{most}"));
        let names: Vec<&str> = dropped.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&*most, &format!("n{}", &most[1..])]);
    }
}
