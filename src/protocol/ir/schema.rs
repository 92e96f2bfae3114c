//! JSON Schema made fit for Gemini, whose `Schema` is a part of OpenAPI's (conversion.md 32).
//!
//! A place in a schema is read as the sum of what its `$ref` and its `allOf` bring together, and written anew from a
//! list of what is allowed: references inlined, `null` as `nullable`, `const` as `enum`, several types and `oneOf` as
//! `anyOf`. What cannot be said is left out, and [`Fitted::lossy`] tells where that was more than a note. A reference
//! into itself ends as an object of any kind. Depth, size and the bytes that are looked at are bounded, for references
//! double quickly.
//!
//! Names, order and descriptions stay, so that equal schemas come out equal from turn to turn.

mod facts;

use smallvec::smallvec;

use crate::json::{Escaped, Raw, text};
use crate::limits::{SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, SCHEMA_SOURCES_MAX, SCHEMA_WORK_BYTES_MAX};
use facts::{Facts, Source, Sources, Type};

/// Makes the schemas of one request fit.
#[derive(Debug)]
pub struct Fitting {
    /// Bytes that may still be looked at.
    work: usize,
}

/// A schema that fits.
#[derive(Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The schema.
    pub json: Vec<u8>,
    /// Whether it allows more than it did.
    pub lossy: bool,
    /// Whether it is an object without properties, which is better left out.
    pub empty: bool,
}

/// The schema is larger than it may be once its references are inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Default for Fitting {
    fn default() -> Fitting {
        Fitting { work: SCHEMA_WORK_BYTES_MAX }
    }
}

impl Fitting {
    /// `schema` as Gemini takes it.
    pub fn fit(&mut self, schema: Raw<'_>) -> Result<Fitted, TooLarge> {
        let mut walk = Walk { root: schema, out: Vec::new(), refs: Vec::new(), work: self.work, lossy: false };
        let fitted = walk.place(&[Source { raw: schema, whole: true }], NOTHING, 0);
        self.work = walk.work;
        fitted?;
        let empty = walk.out == b"{\"type\":\"OBJECT\"}";
        Ok(Fitted { json: walk.out, lossy: walk.lossy, empty })
    }
}

/// Whether a place may be null, and its description, where those stand around it.
type Said<'a> = (bool, Option<Escaped<'a>>);

const NOTHING: Said<'static> = (false, None);

struct Walk<'a> {
    root: Raw<'a>,
    out: Vec<u8>,
    /// Where the references point that lead here.
    refs: Vec<*const u8>,
    work: usize,
    lossy: bool,
}

impl<'a> Walk<'a> {
    /// Writes the place that `given` say something of, beside what is `said` of it already.
    fn place(&mut self, given: &[Source<'a>], said: Said<'a>, depth: usize) -> Result<(), TooLarge> {
        if depth > SCHEMA_DEPTH_MAX {
            self.lossy = true;
            self.out.extend_from_slice(b"{\"type\":\"OBJECT\"}");
            return Ok(());
        }
        let mark = self.refs.len();
        let mut sources = Sources::new();
        let mut recursive = false;
        for source in given {
            recursive |= self.gather(*source, &mut sources)?;
        }
        let mut facts = Facts { nullable: said.0, work: self.work, ..Facts::default() };
        sources.iter().for_each(|source| facts.read(*source));
        facts.description = facts.description.or(said.1);
        self.work =
            facts.work.checked_sub(facts.required.len().saturating_mul(facts.properties.len())).ok_or(TooLarge)?;
        self.lossy |= facts.lossy;
        self.choose(facts, &sources, recursive, depth)?;
        self.refs.truncate(mark);
        if self.out.len() > SCHEMA_BYTES_MAX { Err(TooLarge) } else { Ok(()) }
    }

    /// Adds `source` and all that it refers to; whether a reference leads back to where it came from.
    fn gather(&mut self, source: Source<'a>, sources: &mut Sources<'a>) -> Result<bool, TooLarge> {
        self.look(source.raw)?;
        if sources.len() == SCHEMA_SOURCES_MAX {
            return Err(TooLarge);
        }
        sources.push(source);
        let mut recursive = false;
        for (name, value) in source.raw.members() {
            match name.bytes() {
                b"$ref" => match self.resolve(value)? {
                    Some(target) if self.refs.contains(&target.bytes().as_ptr()) => {
                        self.lossy = true;
                        recursive = true;
                    }
                    Some(target) => {
                        self.refs.push(target.bytes().as_ptr());
                        recursive |= self.gather(Source { raw: target, whole: source.whole }, sources)?;
                    }
                    None => self.lossy = true,
                },
                b"allOf" => {
                    for raw in value.elements() {
                        recursive |= self.gather(Source { raw, whole: source.whole }, sources)?;
                    }
                }
                _ => {}
            }
        }
        Ok(recursive)
    }

    /// Counts what is looked at.
    fn look(&mut self, raw: Raw<'_>) -> Result<(), TooLarge> {
        self.work = self.work.checked_sub(raw.bytes().len()).ok_or(TooLarge)?;
        Ok(())
    }

    /// What a reference inside the schema points to (RFC 6901).
    fn resolve(&mut self, reference: Raw<'a>) -> Result<Option<Raw<'a>>, TooLarge> {
        let Some(path) = reference.as_str() else { return Ok(None) };
        let path = path.decode();
        let Some(pointer) = path.strip_prefix('#') else { return Ok(None) };
        let mut at = self.root;
        for step in pointer.split('/').skip(1) {
            self.look(at)?;
            let step = step.replace("~1", "/").replace("~0", "~");
            let found = match step.parse::<usize>() {
                Ok(nth) if at.is_array() => at.elements().nth(nth),
                _ => at.find(&step),
            };
            match found {
                Some(found) => at = found,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn choose(
        &mut self,
        mut facts: Facts<'a>,
        sources: &Sources<'a>,
        recursive: bool,
        depth: usize,
    ) -> Result<(), TooLarge> {
        let all = facts.alternatives.take();
        let mut list: Vec<Raw<'a>> = all.iter().flat_map(|all| all.elements()).collect();
        list.retain(|alternative| {
            let null = is_null(*alternative);
            facts.nullable |= null;
            !null
        });
        let base = sources.iter().map(|source| Source { whole: false, ..*source });
        match list.as_slice() {
            [] => {}
            // The only one that is left is what the place is like.
            [one] => {
                let mut merged: Sources<'a> = smallvec![Source { raw: *one, whole: true }];
                merged.extend(base);
                return self.place(&merged, (facts.nullable, facts.description), depth + 1);
            }
            // Alternatives that only ask for other members cannot be said beside what they share.
            many if facts.is_structural() && !many.iter().any(|one| is_structural(*one)) => self.lossy = true,
            many => {
                self.open_alternatives(&facts);
                for one in many {
                    let mut merged: Sources<'a> = smallvec![Source { raw: *one, whole: true }];
                    if facts.is_structural() {
                        merged.extend(base.clone());
                    }
                    self.element();
                    self.place(&merged, NOTHING, depth + 1)?;
                }
                self.out.extend_from_slice(b"]}");
                return Ok(());
            }
        }
        match facts.kinds().as_slice() {
            [] if recursive => self.plain(&facts, Type::Object, true, depth),
            // A value of any kind: text says most.
            [] => {
                self.lossy = true;
                self.plain(&facts, Type::String, true, depth)
            }
            [kind] => self.plain(&facts, *kind, true, depth),
            kinds => {
                self.open_alternatives(&facts);
                for kind in kinds {
                    self.element();
                    self.plain(&facts, *kind, false, depth)?;
                }
                self.out.extend_from_slice(b"]}");
                Ok(())
            }
        }
    }

    fn open_alternatives(&mut self, facts: &Facts<'a>) {
        self.out.push(b'{');
        if let Some(description) = facts.description {
            self.name("description");
            self.text(description);
        }
        if facts.nullable {
            self.name("nullable");
            self.out.extend_from_slice(b"true");
        }
        self.name("anyOf");
        self.out.push(b'[');
    }

    /// Writes the place as a value of one type; `alone` with what is said once for all types.
    fn plain(&mut self, facts: &Facts<'a>, kind: Type, alone: bool, depth: usize) -> Result<(), TooLarge> {
        self.out.push(b'{');
        self.name("type");
        self.out.push(b'"');
        self.out.extend_from_slice(kind.name().as_bytes());
        self.out.push(b'"');
        let mut nullable = facts.nullable;
        let mut values: Vec<Raw<'a>> = facts.all_values().collect();
        values.retain(|value| {
            nullable |= value.is_null();
            !value.is_null() && value.bytes() != b"\"\""
        });
        if alone {
            self.description(facts.description, if kind == Type::String { &[] } else { &values });
        }
        if nullable && alone {
            self.name("nullable");
            self.out.extend_from_slice(b"true");
        }
        if kind == Type::String && !values.is_empty() {
            self.enumeration(&values);
        }
        self.lossy |= kind != Type::String && !values.is_empty();
        for (name, value) in &facts.plain {
            if fits(name, *value, kind, alone) {
                self.name(name);
                self.out.extend_from_slice(value.bytes());
            }
        }
        match kind {
            Type::Object => self.object(facts, depth)?,
            Type::Array => self.array(facts, depth)?,
            _ => {}
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The description, and the values that only a text may be bound to.
    fn description(&mut self, description: Option<Escaped<'_>>, values: &[Raw<'_>]) {
        if description.is_none() && values.is_empty() {
            return;
        }
        self.name("description");
        self.out.push(b'"');
        self.out.extend_from_slice(description.map_or(&b""[..], |text| text.bytes()));
        for (nth, value) in values.iter().enumerate() {
            let before = match nth {
                0 if description.is_some() => " One of: ",
                0 => "One of: ",
                _ => ", ",
            };
            self.out.extend_from_slice(before.as_bytes());
            text::escape(&String::from_utf8_lossy(value.bytes()), &mut self.out);
        }
        self.out.push(b'"');
    }

    fn enumeration(&mut self, values: &[Raw<'_>]) {
        self.name("enum");
        self.out.push(b'[');
        for value in values {
            self.element();
            match value.as_str() {
                Some(said) => self.text(said),
                None => text::quote(&String::from_utf8_lossy(value.bytes()), &mut self.out),
            }
        }
        self.out.push(b']');
    }

    fn object(&mut self, facts: &Facts<'a>, depth: usize) -> Result<(), TooLarge> {
        if facts.properties.is_empty() {
            return Ok(());
        }
        self.name("properties");
        self.out.push(b'{');
        for (name, sources) in &facts.properties {
            self.element();
            self.text(*name);
            self.out.push(b':');
            self.place(sources, NOTHING, depth + 1)?;
        }
        self.out.push(b'}');
        // A name that is required and nowhere described is refused.
        let described = |name: &&Escaped<'a>| facts.properties.iter().any(|(known, _)| known == *name);
        if facts.required.iter().any(|name| described(&name)) {
            self.name("required");
            self.out.push(b'[');
            for name in facts.required.iter().filter(described) {
                self.element();
                self.text(*name);
            }
            self.out.push(b']');
        }
        Ok(())
    }

    fn array(&mut self, facts: &Facts<'a>, depth: usize) -> Result<(), TooLarge> {
        self.name("items");
        if let Some(items) = &facts.items {
            return self.place(items, NOTHING, depth + 1);
        }
        let tuple: Vec<_> = facts.tuple.iter().flat_map(|tuple| tuple.elements()).collect();
        self.lossy |= tuple.len() > 1;
        match tuple.as_slice() {
            // Gemini refuses an array of anything.
            [] => self.out.extend_from_slice(b"{\"type\":\"STRING\"}"),
            [one] => self.place(&[Source { raw: *one, whole: true }], NOTHING, depth + 1)?,
            many => {
                self.out.extend_from_slice(b"{\"anyOf\":[");
                for one in many {
                    self.element();
                    self.place(&[Source { raw: *one, whole: true }], NOTHING, depth + 1)?;
                }
                self.out.extend_from_slice(b"]}");
            }
        }
        Ok(())
    }

    /// A comma where something stands before.
    fn element(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.element();
        text::quote(name, &mut self.out);
        self.out.push(b':');
    }

    fn text(&mut self, said: Escaped<'_>) {
        self.out.push(b'"');
        self.out.extend_from_slice(said.bytes());
        self.out.push(b'"');
    }
}

/// Whether a member may stand beside the type.
fn fits(name: &str, value: Raw<'_>, kind: Type, alone: bool) -> bool {
    let format = |known: &[&str]| value.as_str().is_some_and(|said| known.iter().any(|known| said.eq_str(known)));
    match name {
        "format" => match kind {
            Type::String => format(&["date-time", "enum"]),
            Type::Number => format(&["float", "double"]),
            Type::Integer => format(&["int32", "int64"]),
            _ => false,
        },
        "minimum" | "maximum" => matches!(kind, Type::Number | Type::Integer),
        "minLength" | "maxLength" | "pattern" => kind == Type::String,
        "minItems" | "maxItems" => kind == Type::Array,
        "minProperties" | "maxProperties" | "propertyOrdering" => kind == Type::Object,
        _ => alone,
    }
}

/// Whether an alternative is nothing but `null`.
fn is_null(alternative: Raw<'_>) -> bool {
    alternative.members().any(|(name, value)| match name.bytes() {
        b"type" => value.as_str().is_some_and(|kind| kind.bytes().eq_ignore_ascii_case(b"null")),
        b"const" => value.is_null(),
        _ => false,
    })
}

/// Whether an alternative says what the value is like.
fn is_structural(alternative: Raw<'_>) -> bool {
    alternative.members().any(|(name, _)| {
        matches!(
            name.bytes(),
            b"type" | b"properties" | b"items" | b"enum" | b"const" | b"$ref" | b"allOf" | b"anyOf" | b"oneOf"
        )
    })
}

#[cfg(test)]
#[path = "schema_test.rs"]
mod tests;
