//! What a translation does not say, and says so.
//!
//! Goes into the `x-weir-dropped` field of the answer and into the record.

use std::borrow::Cow;

use crate::json::Raw;
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

    /// Notes that one of the `members` that only another vendor knows is not said. It is named by its type, or by its first
    /// member, which is what tells Gemini's apart.
    pub fn drop_foreign(&mut self, members: &str, raw: Raw<'_>) {
        let kind = raw.find("type").and_then(Raw::as_str);
        match kind.or_else(|| raw.members().next().map(|(name, _)| name)) {
            Some(kind) => self.drop(format!("{members}.{}", kind.decode())),
            None => self.drop(members.to_owned()),
        }
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
