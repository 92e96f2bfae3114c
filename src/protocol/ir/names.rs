//! Tool names that a protocol cannot say, and how they come back.
//!
//! Vendors bound the letters and the length of a tool's name, and only Responses knows groups and tools that take
//! any text. The encoder of a request asks for a name that may be said; what had to change is remembered, and the
//! answer's calls are told under the names that the client knows (conversion.md 33, 34, 35).

use std::collections::HashMap;

use super::request::CallKind;
use super::text::Text;

/// Most letters of a tool's name with all vendors.
pub const TOOL_NAME_BYTES_MAX: usize = 64;

/// Tools from which on names are found by an index and not by looking through them.
const INDEX_FROM: usize = 64;

/// The names of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    list: Vec<Name>,
    index: Option<Box<Index>>,
}

/// Places in the list, by what is looked for. Few requests have so many tools that it is worth its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    said: HashMap<Box<str>, usize>,
    meant: HashMap<Meant, usize>,
}

/// A tool as the client knows it: name as it stands, group, kind.
type Meant = (Box<[u8]>, Option<Box<str>>, CallKind);

impl Index {
    fn of(list: &[Name]) -> Box<Index> {
        let mut index = Box::<Index>::default();
        list.iter().enumerate().for_each(|(at, name)| index.add(at, name));
        index
    }

    fn add(&mut self, at: usize, name: &Name) {
        self.said.insert(name.said.clone(), at);
        self.meant.insert(key(&name.meant, name.namespace.as_ref(), name.kind), at);
    }
}

fn key(name: &Text<'_>, namespace: Option<&Text<'_>>, kind: CallKind) -> Meant {
    (name.bytes().into(), namespace.map(|space| space.decode().into()), kind)
}

/// A tool under two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As the upstream knows it.
    pub said: Box<str>,
    /// As the client knows it, still escaped.
    pub meant: Text<'static>,
    /// Its group, as the client knows it.
    pub namespace: Option<Text<'static>>,
    /// What it is to the client.
    pub kind: CallKind,
}

impl Names {
    /// The name to say for a tool: its own where it may stand, else one that is free. Asked again for the same tool
    /// it answers the same.
    pub fn say(&mut self, name: &Text<'_>, namespace: Option<&Text<'_>>, kind: CallKind) -> Text<'static> {
        if let Some(known) = self.known(name, namespace, kind) {
            return Text::plain(&known.said);
        }
        let plain = name.decode();
        let whole = match namespace {
            Some(space) => format!("{}__{plain}", space.decode()),
            None => plain.clone().into_owned(),
        };
        let mut said = sayable(&whole);
        // A name that is as it was counts as taken by itself only: everything that is said is remembered.
        let mut turn = 0_u32;
        while self.meant(&said).is_some() {
            turn += 1;
            said = hashed(&said, &format!("{whole}\0{turn}"));
        }
        let text = Text::plain(&said);
        let name = Name {
            said: said.into(),
            meant: name.clone().into_owned(),
            namespace: namespace.map(|space| space.clone().into_owned()),
            kind,
        };
        if let Some(index) = &mut self.index {
            index.add(self.list.len(), &name);
        }
        self.list.push(name);
        if self.list.len() == INDEX_FROM {
            self.index = Some(Index::of(&self.list));
        }
        text
    }

    fn known(&self, name: &Text<'_>, namespace: Option<&Text<'_>>, kind: CallKind) -> Option<&Name> {
        let is_it = |known: &&Name| {
            known.meant.bytes() == name.bytes() && known.kind == kind && known.namespace.as_ref() == namespace
        };
        match &self.index {
            Some(index) => index.meant.get(&key(name, namespace, kind)).map(|&at| &self.list[at]),
            None => self.list.iter().find(is_it),
        }
    }

    /// The tool that an upstream means by `said`; nothing where the name stands for itself.
    pub fn meant(&self, said: &str) -> Option<&Name> {
        match &self.index {
            Some(index) => index.said.get(said).map(|&at| &self.list[at]),
            None => self.list.iter().find(|name| *name.said == *said),
        }
    }

    /// Whether any name differs from what the client knows, or stands for another kind of tool.
    pub fn is_plain(&self) -> bool {
        self.list
            .iter()
            .all(|name| name.namespace.is_none() && name.kind == CallKind::Function && name.meant.eq_str(&name.said))
    }
}

/// `name` with every letter that some vendor refuses made `_`, and cut to length; a hash keeps what differs apart.
fn sayable(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.len() <= TOOL_NAME_BYTES_MAX && name.chars().all(fits) {
        return name.to_owned();
    }
    let mut said: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !starts {
        said.insert(0, '_');
    }
    hashed(&said, name)
}

/// `base`, short enough to carry a hash of `whole` behind it. FNV-1a: the same in every run, so that the prefix of a
/// prompt, and with it the vendor's cache, stays the same from turn to turn.
fn hashed(base: &str, whole: &str) -> String {
    let hash = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let kept = base.len().min(TOOL_NAME_BYTES_MAX - 9);
    format!("{}_{:08x}", &base[..kept], hash as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> Text<'static> {
        Text::plain(name)
    }

    #[test]
    fn names_that_may_stand_stay() {
        let mut names = Names::default();
        assert_eq!(names.say(&text("get_weather-2"), None, CallKind::Function), text("get_weather-2"));
        assert!(names.is_plain());
    }

    #[test]
    fn names_that_may_not_stand_come_back() {
        let mut names = Names::default();
        let long = "x".repeat(65);
        for name in ["mcp.server/tool", "mcp_server_tool", "mcp:server:tool", "1st", "工具", &long, &"x".repeat(66)] {
            let said = names.say(&text(name), None, CallKind::Function);
            assert_eq!(names.say(&text(name), None, CallKind::Function), said, "the same again");
            let said = said.decode().into_owned();
            assert!(said.len() <= TOOL_NAME_BYTES_MAX && sayable(&said) == said, "{said}");
            assert_eq!(names.meant(&said).map(|name| name.meant.decode().into_owned()).as_deref(), Some(name));
        }
        assert!(!names.is_plain());
    }

    #[test]
    fn groups_and_kinds_keep_tools_apart() {
        let mut names = Names::default();
        let group = text("mcp");
        let one = names.say(&text("open"), Some(&group), CallKind::Function);
        let other = names.say(&text("mcp__open"), None, CallKind::Function);
        let third = names.say(&text("mcp__open"), None, CallKind::Custom);
        assert_eq!(one, text("mcp__open"));
        assert!(one != other && other != third && one != third);
        let meant = names.meant("mcp__open").expect("it was said");
        assert_eq!((meant.meant.clone(), meant.namespace.clone()), (text("open"), Some(group)));
    }

    /// Past the bound from which an index is kept nothing is another.
    #[test]
    fn many_names_are_as_few() {
        let mut names = Names::default();
        let ask = |names: &mut Names, n: usize| {
            let group = text(&format!("g{}", n % 3));
            let name = text(&format!("tool.{}", n / 6));
            let kind = if n.is_multiple_of(2) { CallKind::Function } else { CallKind::Custom };
            names.say(&name, (!n.is_multiple_of(3)).then_some(&group), kind)
        };
        let all: Vec<_> = (0..4 * INDEX_FROM).map(|n| ask(&mut names, n)).collect();
        assert_eq!((0..4 * INDEX_FROM).map(|n| ask(&mut names, n)).collect::<Vec<_>>(), all, "the same again");
        let mut said: Vec<String> = all.iter().map(|said| said.decode().into_owned()).collect();
        said.iter().for_each(|said| assert!(names.meant(said).is_some_and(|name| *name.said == **said)));
        said.sort();
        said.dedup();
        assert_eq!((said.len(), names.list.len()), (all.len(), all.len()), "no two under one name");
    }
}
