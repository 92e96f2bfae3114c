//! What several objects of a JSON Schema say together of one place.

use smallvec::{SmallVec, smallvec};

use crate::json::{Escaped, Raw};

/// One object that says something of a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) raw: Raw<'a>,
    /// Without: its alternatives and its description are told elsewhere.
    pub(super) whole: bool,
}

pub(super) type Sources<'a> = SmallVec<[Source<'a>; 4]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

/// What the sources of a place say together.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) types: Option<SmallVec<[Type; 2]>>,
    pub(super) nullable: bool,
    pub(super) description: Option<Escaped<'a>>,
    pub(super) properties: Vec<(Escaped<'a>, Sources<'a>)>,
    pub(super) required: Vec<Escaped<'a>>,
    pub(super) items: Option<Sources<'a>>,
    /// The elements of a tuple, of which only one kind can be said.
    pub(super) tuple: Option<Raw<'a>>,
    pub(super) alternatives: Option<Raw<'a>>,
    pub(super) values: Option<Raw<'a>>,
    pub(super) constant: Option<Raw<'a>>,
    /// Members that are written as they are.
    pub(super) plain: SmallVec<[(&'static str, Raw<'a>); 4]>,
    pub(super) lossy: bool,
    /// Names that may still be compared.
    pub(super) work: usize,
}

impl Type {
    pub(super) fn named(name: Escaped<'_>) -> Option<Type> {
        let is = |word: &str| name.bytes().eq_ignore_ascii_case(word.as_bytes());
        [Type::String, Type::Number, Type::Integer, Type::Boolean, Type::Array, Type::Object]
            .into_iter()
            .find(|kind| is(kind.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::String => "STRING",
            Type::Number => "NUMBER",
            Type::Integer => "INTEGER",
            Type::Boolean => "BOOLEAN",
            Type::Array => "ARRAY",
            Type::Object => "OBJECT",
        }
    }

    /// What kind of value this is; nothing for `null`.
    pub(super) fn of(value: Raw<'_>) -> Option<Type> {
        match value.bytes() {
            [b'"', ..] => Some(Type::String),
            [b'{', ..] => Some(Type::Object),
            [b'[', ..] => Some(Type::Array),
            b"true" | b"false" => Some(Type::Boolean),
            b"null" => None,
            digits if digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') => Some(Type::Integer),
            _ => Some(Type::Number),
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn read(&mut self, source: Source<'a>) {
        for (name, value) in source.raw.members() {
            match name.bytes() {
                b"type" => self.kind(value),
                b"nullable" => self.nullable |= value.as_bool() == Some(true),
                b"description" if source.whole => self.description = self.description.or(value.as_str()),
                b"properties" => value.members().for_each(|(name, raw)| self.property(name, raw)),
                b"required" => {
                    for name in value.elements().filter_map(Raw::as_str) {
                        self.work = self.work.saturating_sub(self.required.len());
                        if self.work > 0 && !self.required.contains(&name) {
                            self.required.push(name);
                        }
                    }
                }
                b"items" if value.is_array() => self.tuple = Some(value),
                b"prefixItems" => self.tuple = Some(value),
                b"items" => self.items.get_or_insert_default().push(Source { raw: value, whole: true }),
                b"anyOf" | b"oneOf" if source.whole => {
                    self.lossy |= self.alternatives.is_some();
                    self.alternatives = self.alternatives.or(Some(value));
                }
                b"enum" => self.values = self.values.or(Some(value)),
                b"const" => self.constant = self.constant.or(Some(value)),
                b"additionalProperties" => self.lossy |= value.is_object() && value.members().next().is_some(),
                b"patternProperties" | b"not" | b"if" | b"then" | b"else" | b"dependentSchemas" | b"contains"
                | b"propertyNames" | b"dependentRequired" | b"$dynamicRef" | b"multipleOf" | b"uniqueItems" => {
                    self.lossy = true;
                }
                _ => self.member(name, value, source.whole),
            }
        }
    }

    /// A member that is written as it is, if Gemini knows it.
    fn member(&mut self, name: Escaped<'a>, value: Raw<'a>, whole: bool) {
        let number = value.bytes().first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
        let known = match name.bytes() {
            b"title" if whole && value.as_str().is_some() => "title",
            b"default" if whole => "default",
            b"example" if whole => "example",
            b"pattern" if value.as_str().is_some() => "pattern",
            b"format" if value.as_str().is_some() => "format",
            b"minimum" | b"exclusiveMinimum" if number => "minimum",
            b"maximum" | b"exclusiveMaximum" if number => "maximum",
            b"minItems" => "minItems",
            b"maxItems" => "maxItems",
            b"minLength" => "minLength",
            b"maxLength" => "maxLength",
            b"minProperties" => "minProperties",
            b"maxProperties" => "maxProperties",
            b"propertyOrdering" if value.is_array() => "propertyOrdering",
            _ => return,
        };
        if !self.plain.iter().any(|(said, _)| *said == known) {
            self.plain.push((known, value));
        }
    }

    fn kind(&mut self, value: Raw<'a>) {
        let mut types = SmallVec::new();
        let list = [value];
        let named = value.elements().chain(list.into_iter().filter(|value| !value.is_array()));
        for name in named.filter_map(Raw::as_str) {
            match Type::named(name) {
                Some(kind) if !types.contains(&kind) => types.push(kind),
                Some(_) => {}
                None => self.nullable |= name.bytes().eq_ignore_ascii_case(b"null"),
            }
        }
        match &mut self.types {
            Some(have) => have.retain(|kind| types.contains(kind)),
            none => *none = Some(types),
        }
    }

    fn property(&mut self, name: Escaped<'a>, raw: Raw<'a>) {
        let source = Source { raw, whole: true };
        self.work = self.work.saturating_sub(self.properties.len());
        if self.work == 0 {
            return;
        }
        match self.properties.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sources)) => sources.push(source),
            None => self.properties.push((name, smallvec![source])),
        }
    }

    /// Whether anything but alternatives says what the value is like.
    pub(super) fn is_structural(&self) -> bool {
        self.types.as_ref().is_some_and(|types| !types.is_empty())
            || !self.properties.is_empty()
            || !self.required.is_empty()
            || self.items.is_some()
            || self.values.is_some()
    }

    /// The types that the value may have; never none.
    pub(super) fn kinds(&self) -> SmallVec<[Type; 2]> {
        if let Some(types) = self.types.as_ref().filter(|types| !types.is_empty()) {
            return types.clone();
        }
        if !self.properties.is_empty() {
            return smallvec![Type::Object];
        }
        if self.items.is_some() || self.tuple.is_some() {
            return smallvec![Type::Array];
        }
        let mut kinds = self.all_values().filter_map(Type::of);
        let Some(first) = kinds.next() else { return SmallVec::new() };
        let numbers = |kind| matches!(kind, Type::Integer | Type::Number);
        smallvec![kinds.fold(first, |one, other| match one == other {
            true => one,
            false if numbers(one) && numbers(other) => Type::Number,
            false => Type::String,
        })]
    }

    pub(super) fn all_values(&self) -> impl Iterator<Item = Raw<'a>> {
        self.constant
            .into_iter()
            .chain(self.values.filter(|_| self.constant.is_none()).into_iter().flat_map(Raw::elements))
    }
}
